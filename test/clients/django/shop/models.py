"""The models of tables that are there already."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Person(models.Model):
    email = models.TextField(unique=True)
    name = models.TextField(db_index=True)
    note = models.TextField(null=True)
    level = models.SmallIntegerField(null=True)
    visits = models.IntegerField(default=0)
    points = models.BigIntegerField(null=True)
    salary = models.DecimalField(max_digits=40, decimal_places=10, null=True)
    score = models.FloatField(null=True)
    ratio = models.FloatField(null=True)
    active = models.BooleanField(default=True)
    born = models.DateField(null=True)
    wakes = models.TimeField(null=True)
    seen = models.DateTimeField(null=True)
    local = models.DateTimeField(null=True)
    ref = models.UUIDField(null=True)
    doc = models.JSONField(null=True)
    photo = models.BinaryField(null=True)
    address = models.GenericIPAddressField(null=True)
    tags = ArrayField(models.TextField(), null=True)
    lucky = ArrayField(models.IntegerField(), null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    version = models.IntegerField(default=0)

    class Meta:
        managed = False
        db_table = "person"
        get_latest_by = "born"


class Purchase(models.Model):
    person = models.ForeignKey(Person, models.CASCADE, related_name="purchases")
    title = models.TextField()
    amount = models.DecimalField(max_digits=40, decimal_places=10)
    paid = models.BooleanField(default=False)
    at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "purchase"
