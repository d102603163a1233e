"""Tests of an application with encrypted columns, run by "manage.py test"."""

import datetime
from decimal import Decimal

from django.core import serializers
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Sum
from django.test import TestCase, TransactionTestCase

from shop.models import Customer

ANN = dict(email="ann@example.org", name="Änn", visits=7, salary=Decimal("52000.50"), born=datetime.date(1950, 2, 28),
           active=False, doc={"vip": True}, photo=b"\x00\xff", tags=["a", ""])


class CustomerTest(TestCase):
    @classmethod
    def setUpTestData(cls):
        Customer.objects.create(**ANN)
        Customer.objects.bulk_create(Customer(email=f"c{n}@example.org", name=f"C{n}", visits=10 + n) for n in range(3))

    def test_columns_are_encrypted(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT cellenc_key_name(email), cellenc_key_name(salary), cellenc_key_version(doc)"
                           " FROM shop_customer WHERE email = %s", ["ann@example.org"])
            self.assertEqual(cursor.fetchall(), [("shop", "pay", 1)])

    def test_values(self):
        one = Customer.objects.get(email="ann@example.org")
        self.assertEqual({name: getattr(one, name) for name in ANN}, dict(ANN, photo=one.photo))
        self.assertEqual(bytes(one.photo), ANN["photo"])

    def test_conditions(self):
        self.assertEqual(Customer.objects.filter(email__endswith=".org", visits__gte=10).count(), 3)
        self.assertEqual(Customer.objects.get(born__year=1950, active=False, doc__vip=True).name, "Änn")
        self.assertEqual([one.name for one in Customer.objects.order_by("-name")[:2]], ["Änn", "C2"])

    def test_changes(self):
        Customer.objects.update(visits=F("visits") * 2)
        found = list(Customer.objects.filter(name__startswith="C"))
        for one in found:
            one.salary, one.doc, one.active = Decimal("1.50"), {"n": one.pk}, False
        Customer.objects.bulk_update(found, ["salary", "doc", "active"])
        self.assertEqual(Customer.objects.aggregate(visits=Sum("visits"), salary=Sum("salary")),
                         {"visits": 80, "salary": Decimal("52005.00")})

    def test_unique(self):
        for values in dict(email="ann@example.org", visits=99), dict(email="new@example.org", visits=7):
            with self.assertRaises(IntegrityError), transaction.atomic():
                Customer.objects.create(name="x", **values)
        one, created = Customer.objects.update_or_create(email="ann@example.org", defaults={"name": "Ann"})
        self.assertEqual((one.name, created), ("Ann", False))


class FlushTest(TransactionTestCase):
    def test_fixture(self):
        Customer.objects.create(**ANN)
        text = serializers.serialize("json", Customer.objects.all())
        Customer.objects.all().delete()
        for one in serializers.deserialize("json", text):
            one.save()
        self.assertEqual(Customer.objects.values_list("email", "doc", "tags").get(), ("ann@example.org", {"vip": True}, ["a", ""]))

    def test_nothing_is_left(self):
        self.assertEqual(Customer.objects.count(), 0)
