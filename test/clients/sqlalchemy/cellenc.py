"""Types of encrypted columns: Encrypted("enctext", "pii", "equality").  With this
module imported, reflection knows them as well."""

import functools

from sqlalchemy import (BigInteger, Boolean, Date, DateTime, Float, Integer, LargeBinary, Numeric, SmallInteger, Text, Time)
from sqlalchemy.dialects.postgresql import INET, JSONB, REAL, UUID
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator

BASES = {
    "enctext": Text(), "encint2": SmallInteger(), "encint4": Integer(), "encint8": BigInteger(), "encnumeric": Numeric(),
    "encfloat8": Float(), "encfloat4": REAL(), "encbool": Boolean(), "encdate": Date(), "enctime": Time(),
    "enctimestamp": DateTime(), "enctimestamptz": DateTime(timezone=True), "encuuid": UUID(as_uuid=True),
    "encjsonb": JSONB(), "encbytea": LargeBinary(), "encinet": INET(),
}


class Encrypted(TypeDecorator):
    impl = Text
    cache_ok = True

    def __init__(self, twin, key, search="none"):
        super().__init__()
        self.twin, self.key, self.search = twin, key, search
        self.impl = BASES[twin]

    def load_dialect_impl(self, dialect):
        return dialect.type_descriptor(self.impl)

    def coerce_compared_value(self, op, value):
        return self.impl.coerce_compared_value(op, value)

    def copy(self, **kwargs):
        return Encrypted(self.twin, self.key, self.search)

    def __repr__(self):
        return f"Encrypted({self.twin!r}, {self.key!r}, {self.search!r})"


@compiles(Encrypted, "postgresql")
def compile_encrypted(type_, compiler, **kwargs):
    return f"{type_.twin}('{type_.key}','{type_.search}')"


def reflected(twin, key, search="none"):
    return Encrypted(twin, key.strip("'"), search.strip("'"))


for name in BASES:
    ischema_names[name] = functools.partial(reflected, name)
