from django.contrib.postgres.fields import ArrayField
from django.db import models

from fields import (EncryptedBinaryField, EncryptedBooleanField, EncryptedDateField, EncryptedDecimalField,
                    EncryptedIntegerField, EncryptedJSONField, EncryptedTextField)


class Customer(models.Model):
    email = EncryptedTextField(key="shop", search="equality")
    name = EncryptedTextField(key="shop", search="order", db_index=True)
    visits = EncryptedIntegerField(key="shop", search="order", default=0, unique=True)
    salary = EncryptedDecimalField(key="pay", max_digits=12, decimal_places=2, null=True)
    born = EncryptedDateField(key="shop", null=True)
    active = EncryptedBooleanField(key="shop", default=True)
    doc = EncryptedJSONField(key="shop", null=True)
    photo = EncryptedBinaryField(key="shop", null=True)
    tags = ArrayField(EncryptedTextField(key="shop"), default=list)

    class Meta:
        # UNIQUE compares by order; this compares by the stored hash
        constraints = [models.UniqueConstraint(fields=["email"], name="customer_email", opclasses=["cellenc.enctext_term_ops"])]
