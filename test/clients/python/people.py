"""The rows that the clients in Python write and look for."""

import datetime
import ipaddress
import uuid
from decimal import Decimal

UTC = datetime.timezone.utc

# Every type, with what is easily lost: an empty string, quotes and backslashes,
# letters beyond ASCII, the largest numbers, bytes with 0x00, dates before 1970,
# fractions of a second.
ZOE = dict(
    email="zoe@example.org", name="Zoë Müller", note="", level=-32768, visits=7, points=2**63 - 1,
    salary=Decimal("52000.50"), score=1.1, ratio=0.25, active=False, born=datetime.date(1950, 2, 28),
    wakes=datetime.time(6, 30, 0, 125000), seen=datetime.datetime(2024, 2, 29, 23, 59, 59, 123000, UTC),
    local=datetime.datetime(1969, 12, 31, 23, 59, 59, 1), ref=uuid.UUID("5f1c2e0e-8b1c-4c51-9df7-0f9b1b6d2a11"),
    doc={"vip": True, "tags": ["a", None, 1.5], "deep": {"ключ": "значение"}}, photo=b"\x00\xff\x10\x00'\\",
    address=ipaddress.ip_interface("2001:db8::1/64"), tags=["ö, \"x\"", "", "{}"], lucky=[3, -7, 2**31 - 1])
NULLABLE = [name for name in ZOE if name not in ("email", "name", "visits", "active")]

# What is searched, sorted and counted.
OTHER_COLUMNS = ("email", "name", "salary", "born", "active", "visits")
OTHERS = [
    ("ольга@пример.рф", "Ольга", 61000, datetime.date(1985, 7, 1), True, 10),
    ("li@example.cn", "李伟 🙂", Decimal("61000.00"), datetime.date(1999, 12, 31), True, 20),
    ("bob@example.org", "Bob O'Brien", Decimal("-0.01"), datetime.date(2001, 1, 1), False, 30),
]
PURCHASES = [
    ("zoe@example.org", "Book", Decimal("12.50"), True, datetime.datetime(2024, 1, 2, tzinfo=UTC)),
    ("zoe@example.org", "Lamp", 30, False, None),
    ("bob@example.org", "Book", Decimal("12.5"), True, datetime.datetime(2024, 5, 6, tzinfo=UTC)),
]
BOB, EVE, LI, OLGA, ZO = "bob@example.org", "eve@example.org", "li@example.cn", "ольга@пример.рф", "zoe@example.org"

# For COPY.
COPY_COLUMNS = ("email", "name", "visits", "salary", "active", "born", "photo")
COPIED = [
    ("copy1@example.org", "Copy, the first", 1, Decimal("1.10"), False, datetime.date(1960, 1, 1), b"\x00\x01"),
    ("copy2@example.org", "Copy 2", 2, None, True, None, None),
]

# Types of the columns of table person, by number in pg_type.
TYPES = [20, 25, 25, 25, 21, 23, 20, 1700, 701, 700, 16, 1082, 1083, 1184, 1114, 2950, 3802, 17, 869, 1009, 1007, 1184, 23]
