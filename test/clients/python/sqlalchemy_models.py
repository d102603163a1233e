"""The models, as for any database."""

from sqlalchemy import (BigInteger, Boolean, Column, Date, DateTime, Float, ForeignKey, Integer, LargeBinary, Numeric,
                        SmallInteger, Text, Time, func)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB, REAL, UUID
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import column_property, declarative_base, relationship

Base = declarative_base()


class Person(Base):
    __tablename__ = "person"

    id = Column(BigInteger, primary_key=True)
    email = Column(Text, nullable=False, unique=True)
    name = Column(Text, nullable=False, index=True)
    note = Column(Text)
    level = Column(SmallInteger)
    visits = Column(Integer, nullable=False, server_default="0")
    points = Column(BigInteger)
    salary = Column(Numeric)
    score = Column(Float)
    ratio = Column(REAL)
    active = Column(Boolean, nullable=False, default=True)
    born = Column(Date)
    wakes = Column(Time)
    seen = Column(DateTime(timezone=True))
    local = Column(DateTime)
    ref = Column(UUID(as_uuid=True))
    doc = Column(JSONB(none_as_null=True))
    photo = Column(LargeBinary)
    address = Column(INET)
    tags = Column(ARRAY(Text))
    lucky = Column(ARRAY(Integer))
    created_at = Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    version = Column(Integer, nullable=False)

    purchases = relationship("Purchase", back_populates="person", order_by="Purchase.id")
    shout = column_property(func.upper(name), deferred=True)

    __mapper_args__ = {"version_id_col": version, "eager_defaults": True}

    @hybrid_property
    def regular(self):
        return self.visits >= 10


class Purchase(Base):
    __tablename__ = "purchase"

    id = Column(BigInteger, primary_key=True)
    person_id = Column(BigInteger, ForeignKey("person.id"), nullable=False)
    title = Column(Text, nullable=False)
    amount = Column(Numeric, nullable=False)
    paid = Column(Boolean, nullable=False, default=False)
    at = Column(DateTime(timezone=True))

    person = relationship("Person", back_populates="purchases")
