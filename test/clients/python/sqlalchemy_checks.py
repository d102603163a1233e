"""SQLAlchemy: models, sessions, expressions, on the driver that is the argument."""

import asyncio
import datetime
import ipaddress
import os
import sys
import uuid
import warnings
from decimal import Decimal

import sqlalchemy
from sqlalchemy import (MetaData, Table, and_, any_, case, cast, create_engine, delete, distinct, exists, extract, func,
                        insert, inspect, literal, not_, or_, select, text, tuple_, update, Integer, Numeric, String)
from sqlalchemy.dialects.postgresql import INET, insert as pg_insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload
from sqlalchemy.orm.exc import StaleDataError

from people import BOB, EVE, LI, NULLABLE, OLGA, OTHERS, OTHER_COLUMNS, PURCHASES, ZO, ZOE
from sqlalchemy_models import Person, Purchase
from tap import Runner, check, same

# A reflected table warns of types that it does not know.
warnings.simplefilter("ignore")

driver = sys.argv[1]
url = URL.create(f"postgresql+{driver}", *(os.environ[name] for name in ("PGUSER", "PGPASSWORD", "PGHOST", "PGPORT", "PGDATABASE")))
engine = None
session = None
ZOE = dict(ZOE, address=str(ZOE["address"]))
if driver == "asyncpg":
    # which has a class for addresses
    READ = dict(ZOE, address=ipaddress.ip_interface(ZOE["address"]))
else:
    READ = ZOE


def person(email=ZO):
    return session.execute(select(Person).where(Person.email == email)).scalar_one()


def emails(*conditions):
    return sorted(session.execute(select(Person.email).where(*conditions)).scalars())


def rows(statement):
    return [tuple(row) for row in session.execute(statement)]


def fails(sqlstate, function):
    try:
        function()
        session.flush()
    except DBAPIError as error:
        same(error.orig.pgcode, sqlstate)
        session.rollback()
        return error
    raise AssertionError("no error")


# Writing and reading back

@check("insert every type")
def _():
    one = Person(**ZOE)
    session.add(one)
    session.flush()
    same((one.id, one.visits, one.version), (1, 7, 1))


for attribute, content in READ.items():
    @check(f"read {attribute}")
    def _(attribute=attribute, content=content):
        session.expire_all()
        same(getattr(session.get(Person, 1), attribute), content)


@check("read a whole object, and refresh it")
def _():
    one = person()
    session.refresh(one)
    same({name: getattr(one, name) for name in READ}, READ)
    same(type(one.created_at), datetime.datetime)


@check("read with textual SQL")
def _():
    row = session.execute(text("SELECT * FROM person WHERE email = :email"), {"email": ZO}).mappings().one()
    same((row["level"], row["salary"], row["active"], row["born"], row["doc"], row["tags"]),
         tuple(ZOE[name] for name in ("level", "salary", "active", "born", "doc", "tags")))


@check("read with a reflected table")
def _():
    table = Table("person", MetaData(), autoload_with=engine)
    row = session.execute(select(table).where(table.c.email == ZO)).mappings().one()
    names = [name for name in ZOE if name not in ("ref", "address")]
    same({name: row[name] for name in names}, {name: ZOE[name] for name in names})


@check("reflection: names, key, NULLs, foreign key, indexes")
def _():
    inspector = inspect(engine)
    columns = inspector.get_columns("person")
    same([column["name"] for column in columns], [column.name for column in Person.__table__.columns])
    same([column["nullable"] for column in columns], [column.nullable for column in Person.__table__.columns])
    same(inspector.get_pk_constraint("person")["constrained_columns"], ["id"])
    same([key["referred_table"] for key in inspector.get_foreign_keys("purchase")], ["person"])
    same({index["name"]: (index["unique"], index["column_names"]) for index in inspector.get_indexes("person")
          if "email" in index["name"]}, {"person_email_key": (True, ["email"])})


@check("defaults of the server and of the model")
def _():
    one = Person(email="default@example.org", name="Default")
    session.add(one)
    session.flush()
    same((one.visits, one.active, one.note), (0, True, None))


@check("NULLs")
def _():
    one = person("default@example.org")
    for name in NULLABLE:
        setattr(one, name, None)
    session.flush()
    session.expire(one)
    same([getattr(one, name) for name in NULLABLE], [None] * len(NULLABLE))
    same(len(emails(Person.email == "default@example.org", *[getattr(Person, name).is_(None) for name in NULLABLE])), 1)


@check("extreme numbers")
def _():
    row = dict(level=-32768, visits=-2**31, points=-2**63, salary=Decimal("-12345678901234567890.123456789"),
               score=1.7976931348623157e308, ratio=-0.5)
    session.execute(update(Person).where(Person.email == "default@example.org").values(row))
    one = person("default@example.org")
    same({name: getattr(one, name) for name in row}, row)


@check("NaN and infinity")
def _():
    one = person("default@example.org")
    one.salary, one.score, one.ratio = Decimal("NaN"), float("nan"), float("-inf")
    session.flush()
    session.expire(one)
    same((one.salary, one.score, one.ratio), (Decimal("NaN"), float("nan"), float("-inf")))


@check("a long text and many bytes")
def _():
    one = person("default@example.org")
    one.note, one.photo = "xyß🙂" * 20000, bytes(range(256)) * 400
    session.flush()
    session.expire(one)
    same((one.note, one.photo), ("xyß🙂" * 20000, bytes(range(256)) * 400))


@check("empty arrays, and arrays with NULL")
def _():
    one = person("default@example.org")
    one.tags, one.lucky = [], [1, None]
    session.flush()
    session.expire(one)
    same((one.tags, one.lucky), ([], [1, None]))


@check("delete an object")
def _():
    session.delete(person("default@example.org"))
    session.flush()
    same(session.scalar(select(func.count()).select_from(Person)), 1)


# Many rows

@check("insert many objects")
def _():
    session.add_all(Person(**dict(zip(OTHER_COLUMNS, row))) for row in OTHERS)
    session.flush()
    same(rows(select(Person.name, Person.visits).where(Person.visits >= 10).order_by(Person.visits)),
         [(row[1], row[5]) for row in OTHERS])


@check("insert many rows with RETURNING")
def _():
    ids = dict(rows(select(Person.email, Person.id)))
    found = rows(insert(Purchase).values([
        dict(person_id=ids[email], title=title, amount=amount, paid=paid, at=at) for email, title, amount, paid, at in PURCHASES
    ]).returning(Purchase.title, Purchase.amount, Purchase.paid))
    same(found, [("Book", Decimal("12.50"), True), ("Lamp", Decimal("30"), False), ("Book", Decimal("12.5"), True)])


@check("bulk_save_objects and bulk_update_mappings")
def _():
    session.bulk_save_objects([Person(email=f"bulk{number}@example.org", name="Bulk", visits=number, version=1) for number in range(3)])
    ids = session.execute(select(Person.id).where(Person.name == "Bulk")).scalars().all()
    session.bulk_update_mappings(Person, [dict(id=number, visits=100, doc={"n": number}, version=1) for number in ids])
    same(emails(Person.name == "Bulk", Person.visits == 100, Person.doc["n"].as_integer() == Person.id),
         [f"bulk{number}@example.org" for number in range(3)])
    same(session.execute(delete(Person).where(Person.name == "Bulk")).rowcount, 3)


@check("upsert that inserts, then updates")
def _():
    for name, expected in ("Eve", ("Eve", 1)), ("Eve Adams", ("Eve Adams", 2)):
        statement = pg_insert(Person).values(email=EVE, name=name, visits=1, version=1)
        statement = statement.on_conflict_do_update(
            index_elements=[Person.email], set_=dict(name=statement.excluded.name, visits=Person.visits + 1))
        same(rows(statement.returning(Person.name, Person.visits)), [expected])


@check("upsert that does nothing")
def _():
    statement = pg_insert(Person).values(email=EVE, name="x", version=1).on_conflict_do_nothing(index_elements=["email"])
    same(session.execute(statement).rowcount, 0)


# Changing

@check("update an object, with its version")
def _():
    one = person()
    one.note, one.salary = "changed", Decimal("52000.75")
    session.flush()
    session.expire(one)
    same((one.note, one.salary, one.version), ("changed", Decimal("52000.75"), 2))


@check("a stale object is refused")
def _():
    one = person()
    session.execute(text("UPDATE person SET version = version + 1 WHERE id = 1"))
    one.note = "stale"
    try:
        session.flush()
    except StaleDataError:
        session.rollback()
        return
    raise AssertionError("no error")


@check("update many")
def _():
    same(session.execute(update(Person).where(Person.active).values(level=5)).rowcount, 3)


@check("increment")
def _():
    same(rows(update(Person).where(Person.email == BOB).values(visits=Person.visits + 1, salary=Person.salary * Decimal("1.1"))
              .returning(Person.visits, Person.salary).execution_options(synchronize_session=False)), [(31, Decimal("-0.011"))])


@check("increment through the object")
def _():
    one = person(BOB)
    session.refresh(one)
    one.visits = Person.visits + 1
    session.flush()
    same(one.visits, 32)


@check("update a JSON document and an array")
def _():
    session.execute(update(Person).where(Person.email == LI).values(
        doc=func.jsonb_set(func.coalesce(Person.doc, cast({}, Person.doc.type)), ["a"], cast(5, Person.doc.type)),
        lucky=func.array_append(Person.lucky, 8)).execution_options(synchronize_session=False))
    one = person(LI)
    session.refresh(one)
    same((one.doc, one.lucky), ({"a": 5}, [8]))


# Conditions

for name, conditions, expected in [
    ("= text", [Person.email == ZO], [ZO]),
    ("filter_by", [Person.name == "Ольга", Person.active.is_(True)], [OLGA]),
    ("<> text", [Person.email != ZO], [BOB, EVE, LI, OLGA]),
    ("in_", [Person.email.in_([BOB, EVE, "nobody"])], [BOB, EVE]),
    ("in_ of nothing", [Person.email.in_([])], []),
    ("not_in", [Person.name.not_in(["Ольга", "Eve Adams", "李伟 🙂"])], [BOB, ZO]),
    ("= ANY of texts", [Person.email == any_([BOB, LI])], [BOB, LI]),
    ("in_ of integers", [Person.visits.in_([7, 20])], [LI, ZO]),
    ("like", [Person.email.like("%@example.org")], [BOB, EVE, ZO]),
    ("ilike", [Person.name.ilike("ZOë%")], [ZO]),
    ("startswith", [Person.name.startswith("Bob")], [BOB]),
    ("endswith", [Person.email.endswith(".cn")], [LI]),
    ("contains, escaped", [Person.name.contains("b O'", autoescape=True)], [BOB]),
    ("regexp_match", [Person.name.regexp_match("^[BE]")], [BOB, EVE]),
    ("lower", [func.lower(Person.name) == "eve adams"], [EVE]),
    ("concatenation", [Person.name + " " + Person.email == "Eve Adams eve@example.org"], [EVE]),
    ("between integers", [Person.visits.between(2, 20)], [EVE, LI, ZO, OLGA]),
    ("between dates", [Person.born.between(datetime.date(1985, 7, 1), datetime.date(2000, 1, 1))], [LI, OLGA]),
    ("< text", [Person.name < "C"], [BOB]),
    (">= integer", [Person.visits >= 20], [BOB, LI]),
    ("integer > numeric", [Person.visits > Decimal("20.5")], [BOB]),
    ("integer > float", [Person.visits > 20.5], [BOB]),
    ("numeric = integer", [Person.salary == 61000], [LI, OLGA]),
    ("numeric = numeric", [Person.salary == Decimal("52000.75")], [ZO]),
    ("numeric < float", [Person.salary < 0.5], [BOB]),
    ("float = float", [Person.score == 1.1], [ZO]),
    ("= bool", [Person.active == False], [BOB, ZO]),  # noqa: E712
    ("not bool", [~Person.active], [BOB, ZO]),
    ("is NULL", [Person.born.is_(None)], [EVE]),
    ("is distinct from", [Person.level.is_distinct_from(5)], [BOB, ZO]),
    ("= timestamptz", [Person.seen == ZOE["seen"]], [ZO]),
    ("< timestamp", [Person.local < datetime.datetime(1970, 1, 1)], [ZO]),
    ("= time", [Person.wakes == ZOE["wakes"]], [ZO]),
    ("= uuid", [Person.ref == ZOE["ref"]], [ZO]),
    ("in_ of uuids", [Person.ref.in_([ZOE["ref"], uuid.UUID(int=5)])], [ZO]),
    ("= bytes", [Person.photo == ZOE["photo"]], [ZO]),
    ("= inet", [Person.address == cast(ZOE["address"], INET)], [ZO]),
    ("json field as text", [Person.doc["deep"]["ключ"].astext == "значение"], [ZO]),
    ("json field as bool", [Person.doc["vip"].as_boolean()], [ZO]),
    ("json path", [Person.doc[("tags", 2)].as_float() == 1.5], [ZO]),
    ("json contains", [Person.doc.contains({"tags": [1.5]})], [ZO]),
    ("json has key", [Person.doc.has_key("deep")], [ZO]),
    ("any of an array", [Person.tags.any("{}")], [ZO]),
    ("array contains", [Person.tags.contains(["", "{}"])], [ZO]),
    ("arrays overlap", [Person.lucky.overlap([8, -7])], [LI, ZO]),
    ("= array", [Person.lucky == ZOE["lucky"]], [ZO]),
    ("element of an array", [Person.lucky[2] < 0], [ZO]),
    ("and_, or_, not_", [or_(and_(Person.active, Person.visits > 15), not_(Person.name != "Eve Adams"))], [EVE, LI]),
    ("extract of a date", [extract("year", Person.born) == 1999], [LI]),
    ("date arithmetic", [Person.born + datetime.timedelta(days=36500) < datetime.date(2060, 1, 1)], [ZO]),
    ("cast to text", [cast(Person.visits, String) == "20"], [LI]),
    ("cast to a number", [cast(Person.doc["a"].astext, Integer) == 5], [LI]),
    ("tuples", [tuple_(Person.email, Person.visits).in_([(ZO, 7), (LI, 5)])], [ZO]),
    ("hybrid property", [Person.regular], [BOB, LI, OLGA]),
    ("any of a relationship", [Person.purchases.any(Purchase.amount == Decimal("12.5"))], [BOB, ZO]),
    ("subquery", [Person.id.in_(select(Purchase.person_id).where(Purchase.title == "Lamp"))], [ZO]),
    ("subquery of an encrypted column", [Person.name.in_(select(Person.name).where(Person.visits > 10))], [BOB, LI]),
    ("exists", [exists().where(Purchase.person_id == Person.id, ~Purchase.paid)], [ZO]),
]:
    @check(f"condition: {name}")
    def _(conditions=conditions, expected=expected):
        same(emails(*conditions), sorted(expected))


# Ordering, grouping, joining

@check("order_by, both ways, with limit and offset")
def _():
    same(rows(select(Person.name).order_by(Person.name)),
         [("Bob O'Brien",), ("Eve Adams",), ("Zoë Müller",), ("Ольга",), ("李伟 🙂",)])
    same(rows(select(Person.name).order_by(Person.name.desc()).limit(2).offset(1)), [("Ольга",), ("Zoë Müller",)])


@check("order_by with NULLS")
def _():
    same(rows(select(Person.email).order_by(Person.born.desc().nulls_last(), Person.visits)), [(BOB,), (LI,), (OLGA,), (ZO,), (EVE,)])


@check("distinct")
def _():
    same(rows(select(Person.active, Person.level).distinct().order_by(Person.active, Person.level)),
         [(False, -32768), (False, None), (True, 5)])
    same(session.scalar(select(func.count(distinct(Person.salary)))), 3)


@check("distinct on")
def _():
    same(rows(select(Person.active, Person.name).distinct(Person.active).order_by(Person.active, Person.name)),
         [(False, "Bob O'Brien"), (True, "Eve Adams")])


@check("aggregates")
def _():
    same(rows(select(func.count(), func.count(Person.born), func.sum(Person.visits), func.avg(Person.visits), func.min(Person.name),
                     func.max(Person.born), func.sum(Person.salary), func.avg(Person.score), func.bool_and(Person.active))),
         [(5, 4, 71, Decimal("14.2000000000000000"), "Bob O'Brien", datetime.date(2001, 1, 1), Decimal("174000.739"), 1.1, False)])


@check("aggregates into arrays, text and json")
def _():
    same(rows(select(func.array_agg(Person.name), func.string_agg(Person.email, "; "), func.jsonb_agg(Person.visits),
                     func.sum(Person.visits).filter(Person.visits > 10)).where(Person.email == LI)),
         [(["李伟 🙂"], LI, [20], 20)])


@check("group_by with having")
def _():
    same(rows(select(Person.active, func.count(), func.max(Person.visits)).group_by(Person.active)
              .having(func.sum(Person.visits) > 35).order_by(Person.active)), [(False, 2, 32)])


@check("join")
def _():
    same(rows(select(Person.name, Purchase.title, Purchase.amount, Purchase.paid).join(Person.purchases)
              .where(Purchase.amount >= 12).order_by(Purchase.amount.desc(), Person.name)),
         [("Zoë Müller", "Lamp", Decimal("30"), False), ("Bob O'Brien", "Book", Decimal("12.5"), True),
          ("Zoë Müller", "Book", Decimal("12.50"), True)])


@check("outer join, grouped")
def _():
    same(rows(select(Person.name, func.count(Purchase.id), func.coalesce(func.sum(Purchase.amount), 0))
              .outerjoin(Person.purchases).group_by(Person.name).order_by(func.count(Purchase.id).desc(), Person.name).limit(3)),
         [("Zoë Müller", 2, Decimal("42.50")), ("Bob O'Brien", 1, Decimal("12.5")), ("Eve Adams", 0, Decimal("0"))])


for load in (joinedload, selectinload, subqueryload):
    @check(f"eager loading: {load.__name__}")
    def _(load=load):
        session.expunge_all()
        found = session.execute(select(Person).options(load(Person.purchases)).order_by(Person.visits.desc(), Person.name)) \
            .unique().scalars().all()
        same([(one.name, [(item.title, item.amount) for item in one.purchases]) for one in found[:2]],
             [("Bob O'Brien", [("Book", Decimal("12.5"))]), ("李伟 🙂", [])])


@check("lazy loading, and back")
def _():
    session.expunge_all()
    one = person()
    same([item.title for item in one.purchases], ["Book", "Lamp"])
    same((one.purchases[0].person is one, one.shout), (True, "ZOë MüLLER"))


@check("self-join on a text column")
def _():
    other = aliased(Purchase)
    same(rows(select(Purchase.title).join(other, and_(Purchase.title == other.title, Purchase.id < other.id))), [("Book",)])


@check("union, case, coalesce, window function")
def _():
    same(rows(select(Person.email).where(~Person.active).union(select(Purchase.title)).order_by("email")),
         [("Book",), ("Lamp",), (BOB,), (ZO,)])
    same(rows(select(case((Person.active, Person.name), else_="hidden"), func.coalesce(Person.note, "none"),
                     func.rank().over(order_by=Person.visits.desc())).order_by(Person.visits.desc()).limit(2)),
         [("hidden", "none", 1), ("李伟 🙂", "none", 2)])


@check("common table expressions")
def _():
    regulars = select(Person.id, Person.name, Person.salary).where(Person.visits >= 10).cte("regulars")
    same(rows(select(regulars.c.name, regulars.c.salary).order_by(regulars.c.name)),
         [("Bob O'Brien", Decimal("-0.011")), ("Ольга", Decimal("61000")), ("李伟 🙂", Decimal("61000.00"))])
    changed = update(Person).where(Person.visits > 10).values(ratio=1.5).returning(Person.name, Person.ratio).cte("changed")
    same(sorted(rows(select(changed.c.name, changed.c.ratio))), [("Bob O'Brien", 1.5), ("李伟 🙂", 1.5)])


@check("literals and arithmetic in the select list")
def _():
    same(rows(select(Person.name, literal("x"), Person.visits * 2, Person.salary / 2, Person.visits % 3, -Person.visits,
                     cast(Person.visits, Numeric)).where(Person.email == LI)),
         [("李伟 🙂", "x", 40, Decimal("30500.000000000000"), 2, -20, Decimal("20"))])


# Transactions

@check("rollback")
def _():
    person().name = "gone"
    session.flush()
    same(emails(Person.name == "gone"), [ZO])
    session.rollback()
    same(emails(Person.name == "gone"), [])


@check("savepoint")
def _():
    one = person()
    one.note = "kept"
    session.flush()
    try:
        with session.begin_nested():
            session.add(Person(email=BOB, name="x"))
            session.flush()
    except IntegrityError as error:
        same(error.orig.pgcode, "23505")
    one.score = 2.5
    session.commit()
    same((person().note, person().score), ("kept", 2.5))


@check("select for update")
def _():
    same(rows(select(Person.name, Person.visits).where(Person.email == ZO).with_for_update()), [("Zoë Müller", 7)])


# Statements and cursors

@check("the same statement, eight times")
def _():
    for visits in range(1, 9):
        one = person()
        one.visits, one.born = visits, datetime.date(1951, 1, visits)
        session.commit()
        same(rows(select(Person.visits, Person.born).where(Person.email == ZO)), [(visits, datetime.date(1951, 1, visits))])


@check("cursor of the server")
def _():
    result = session.execute(select(Person).order_by(Person.visits), execution_options={"stream_results": True, "yield_per": 2})
    same([(one.name, one.visits, one.tags) for one in result.scalars()],
         [("Eve Adams", 2, None), ("Zoë Müller", 8, ZOE["tags"]), ("Ольга", 10, None), ("李伟 🙂", 20, None), ("Bob O'Brien", 32, None)])


# Errors

@check("unique violation")
def _():
    error = fails("23505", lambda: session.add(Person(email=ZO, name="x")))
    same((type(error), "person_email_key" in str(error.orig)), (IntegrityError, True))


@check("not-null and foreign key violations")
def _():
    fails("23502", lambda: session.execute(update(Person).values(email=None).execution_options(synchronize_session=False)))
    fails("23503", lambda: session.add(Purchase(person_id=-1, title="x", amount=1)))


@check("bad values")
def _():
    def values(**changes):
        return lambda: session.execute(update(Person).values(changes).execution_options(synchronize_session=False))

    fails("22003", values(level=literal(40000, Integer)))
    # 2.0 tells asyncpg that it is a smallint, and that refuses it by itself
    refused = driver == "asyncpg" and not sqlalchemy.__version__.startswith("1.")
    fails("22000" if refused else "22003", values(level=40000))
    fails("22P02", lambda: session.execute(select(cast(Person.name, Integer))))
    fails("22012", lambda: session.execute(select(Person.visits / 0)))


@check("delete many")
def _():
    session.execute(delete(Purchase))
    same(session.execute(delete(Person).where(Person.name > "C", Person.visits < 10)
                         .execution_options(synchronize_session=False)).rowcount, 2)


def run(opened):
    global engine, session
    engine, session = opened.get_bind(), opened
    runner = Runner()
    runner.run(passed=session.commit, failed=session.rollback)
    runner.plan()


async def run_async():
    async with AsyncSession(create_async_engine(url)) as opened:
        await opened.run_sync(run)


if driver == "asyncpg":
    asyncio.run(run_async())
else:
    with Session(create_engine(url, future=True), future=True) as opened:
        run(opened)
