// Drizzle: the query builder and the relational queries, on node-postgres.
import assert from 'node:assert/strict';
import {
    and, arrayContained, arrayContains, arrayOverlaps, asc, avg, between, count, countDistinct, desc, eq, exists, getTableColumns, gt, gte,
    ilike, inArray, isNotNull, isNull, like, lt, lte, max, min, ne, not, notBetween, notInArray, or, sql, sum
} from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { alias, union } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { columns, nil, nullable, people as rows, purchases, zoe as row } from '../node/people.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';
import * as schema from './schema.mjs';

const { person, purchase } = schema;
const pool = new pg.Pool({ max: 4 });
const db = drizzle(pool, { schema });

// As the schema declares it, a bigint is one.
const prepared = (one) => ({ ...one, points: one.points == null ? one.points : BigInt(one.points) });
const zoe = prepared(row);
const people = rows.map(prepared);
const one = async (email) => (await db.select().from(person).where(eq(person.email, email)))[0];

check('connects', async () => {
    assert.deepEqual((await db.execute(sql`SELECT current_user AS name`)).rows, [{ name: 'app' }]);
});

check('inserts every type and returns the row', async () => {
    const [made] = await db.insert(person).values(zoe).returning();
    assert.deepEqual([made.email, made.visits, made.version, typeof made.id], [zoe.email, zoe.visits, 0, 'number']);
});

for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        assert.deepEqual((await one(zoe.email))[column], zoe[column]);
    });
}

check('inserts NULLs and takes defaults', async () => {
    const [made] = await db.insert(person).values({ ...nil, note: null, photo: null }).returning();
    for (const column of nullable) {
        assert.equal(made[column], null, column);
    }
    assert.deepEqual([made.visits, made.active], [0, true]);
});

check('refuses NULL where it is not allowed', async () => {
    assert.equal(await sqlstate(() => db.insert(person).values({ email: 'x@x', name: null })), '23502');
});

check('inserts a list of rows', async () => {
    const made = await db.insert(person).values([
        { email: 'm1@example.org', name: 'M1', visits: 1, photo: Buffer.from([1]) },
        { email: 'm2@example.org', name: 'M2', active: false }
    ]).returning({ name: person.name, visits: person.visits, active: person.active, photo: person.photo });
    assert.deepEqual(made, [
        { name: 'M1', visits: 1, active: true, photo: Buffer.from([1]) },
        { name: 'M2', visits: 0, active: false, photo: null }
    ]);
});

check('inserts from a query', async () => {
    const [made] = await db.insert(person).select(db.select({
        ...getTableColumns(person), id: sql`1000`.as('id'), email: sql`'again-' || ${person.email}`.as('email')
    }).from(person).where(eq(person.email, zoe.email))).returning();
    assert.deepEqual(columns.map((column) => made[column]), columns.map((column) => ({ ...zoe, email: `again-${zoe.email}` })[column]));
});

check('reports a duplicate as a unique violation', async () => {
    assert.equal(await sqlstate(() => db.insert(person).values(zoe)), '23505');
});

check('inserts or updates on conflict', async () => {
    const upsert = (values) => db.insert(person).values(values).onConflictDoUpdate({
        target: person.email, set: { name: values.name, visits: sql`${person.visits} + excluded.visits` }
    }).returning({ name: person.name, visits: person.visits });
    assert.deepEqual(await upsert({ email: 'up@example.org', name: 'First', visits: 3 }), [{ name: 'First', visits: 3 }]);
    assert.deepEqual(await upsert({ email: 'up@example.org', name: 'Second', visits: 4 }), [{ name: 'Second', visits: 7 }]);
});

check('does nothing on conflict', async () => {
    const made = await db.insert(person).values({ email: 'up@example.org', name: 'No' }).onConflictDoNothing().returning();
    assert.deepEqual(made, []);
});

check('starts from known rows', async () => {
    await db.transaction(async (tx) => {
        await tx.delete(purchase);
        await tx.delete(person);
        const made = await tx.insert(person).values(people).returning({ id: person.id, email: person.email });
        const ids = Object.fromEntries(made.map(({ id, email }) => [email, id]));
        await tx.insert(purchase).values(purchases.map(({ buyer, ...rest }) => ({ ...rest, personId: ids[buyer] })));
    });
});

const finds = (name, where, expected) =>
    check(`finds ${name}`, async () => {
        const found = await db.select({ email: person.email }).from(person).where(where).orderBy(person.id);
        assert.deepEqual(found.map(({ email }) => email.split('@')[0]), expected);
    });

finds('by equality of text', eq(person.email, 'bob@example.org'), ['bob']);
finds('nothing where nothing is', eq(person.email, 'nobody@example.org'), []);
finds('by inequality', ne(person.name, 'Bob'), ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', inArray(person.email, ['ann@example.org', 'dora@example.com', 'no']), ['ann', 'dora']);
finds('by what is not in a list', notInArray(person.visits, [35, 5]), ['bob', 'Emil']);
finds('by an array', sql`${person.email} = ANY(${sql.param(['ann@example.org', 'dora@example.com'])})`, ['ann', 'dora']);
finds('by an integer', eq(person.visits, 35), ['cleo', 'dora']);
finds('by a range of integers', between(person.visits, 5, 20), ['ann', 'bob']);
finds('outside of a range of integers', notBetween(person.visits, 5, 20), ['cleo', 'dora', 'Emil']);
finds('by a comparison of text', gte(person.name, 'Cleo'), ['cleo', 'dora', 'Emil']);
finds('by a bigint', eq(person.points, 9007199254740993n), ['bob']);
finds('by a smallint', eq(person.level, 2), ['bob', 'cleo']);
finds('by equality of numeric', eq(person.salary, '1000.5'), ['ann', 'cleo']);
finds('by a comparison of numeric', gt(person.salary, '1500.25'), ['bob', 'dora']);
finds('by a comparison of double precision', gt(person.score, 1.75), ['bob', 'dora']);
finds('by a comparison of real', lte(person.ratio, 1.5), ['ann', 'bob']);
finds('by boolean', eq(person.active, true), ['ann', 'cleo', 'dora']);
finds('by negated boolean', not(person.active), ['bob', 'Emil']);
finds('by date', eq(person.born, '1984-12-01'), ['cleo']);
finds('by a range of dates', between(person.born, '1970-01-01', '1990-01-01'), ['bob', 'cleo']);
finds('by time', gt(person.wakes, '06:30'), ['cleo', 'dora']);
finds('by a range of timestamps', and(gte(person.seen, new Date('2024-02-01T00:00:00Z')), lt(person.seen, new Date('2024-04-01T00:00:00Z'))),
    ['bob', 'cleo']);
finds('by a timestamp without time zone', eq(person.local, new Date('2024-03-01T11:00:00Z')), ['cleo']);
finds('by uuid', eq(person.ref, people[3].ref), ['dora']);
finds('by bytes', eq(person.photo, Buffer.from([0, 3])), ['cleo']);
finds('by inet', eq(person.address, '10.0.0.2'), ['bob']);
finds('by LIKE', like(person.note, 'likes%'), ['ann', 'bob']);
finds('by ILIKE', ilike(person.note, '%coffee'), ['bob']);
finds('by a function', eq(sql`lower(${person.name})`, 'dora'), ['dora']);
finds('NULLs', isNull(person.note), ['cleo', 'Emil']);
finds('what is not NULL', and(isNotNull(person.salary), isNotNull(person.note)), ['ann', 'bob', 'dora']);
finds('by AND and OR', or(and(eq(person.active, true), eq(person.visits, 35)), eq(person.name, 'Bob')), ['bob', 'cleo', 'dora']);
finds('by a field of JSON', sql`${person.doc}->>'city' = ${'Oslo'}`, ['ann', 'cleo']);
finds('by containment of JSON', sql`${person.doc} @> ${{ city: 'Rome' }}`, ['bob']);
finds('by containment of arrays', arrayContains(person.tags, ['blue', 'red']), ['ann']);
finds('by being contained in an array', arrayContained(person.tags, ['blue', 'green']), ['bob', 'cleo']);
finds('by overlap of arrays', arrayOverlaps(person.lucky, [3, 4]), ['bob', 'cleo', 'dora']);
finds('by equality of arrays', eq(person.lucky, [1, 3]), ['cleo']);
finds('by a subquery', inArray(person.id, db.select({ id: purchase.personId }).from(purchase).where(and(eq(purchase.paid, true), lt(purchase.amount, '15')))),
    ['bob']);
finds('by EXISTS', exists(db.select().from(purchase).where(and(eq(purchase.personId, person.id), eq(purchase.paid, false)))), ['ann', 'dora']);
finds('by a scalar subquery', gt(person.salary, db.select({ a: avg(person.salary) }).from(person)), ['dora']);

const sees = (name, query, expected) =>
    check(name, async () => assert.deepEqual((await query()).map((made) => Object.values(made)), expected));
const { name, visits, salary, seen } = person;

sees('sorts by text', () => db.select({ name }).from(person).orderBy(name), [['Ann'], ['Bob'], ['Cleo'], ['Dora'], ['Émil']]);
sees('sorts downwards, then by another column', () => db.select({ name }).from(person).orderBy(desc(visits), asc(name)),
    [['Cleo'], ['Dora'], ['Bob'], ['Ann'], ['Émil']]);
sees('sorts NULLs last', () => db.select({ name }).from(person).orderBy(sql`${salary} DESC NULLS LAST`, person.id),
    [['Dora'], ['Bob'], ['Ann'], ['Cleo'], ['Émil']]);
sees('limits and skips', () => db.select({ name }).from(person).orderBy(name).limit(2).offset(1), [['Bob'], ['Cleo']]);
sees('removes duplicates', () => db.selectDistinct({ visits }).from(person).orderBy(visits), [[0], [5], [20], [35]]);
sees('takes the first of each group', () => db.selectDistinctOn([visits], { visits, name }).from(person).orderBy(visits, desc(name)),
    [[0, 'Émil'], [5, 'Ann'], [20, 'Bob'], [35, 'Dora']]);
sees('counts', () => db.select({ a: count(), b: count(person.note), c: countDistinct(visits) }).from(person), [[5, 3, 4]]);
sees('sums and averages', () => db.select({ a: sum(visits), b: sum(salary), c: avg(person.score) }).from(person), [['95', '8001.25', '1.25']]);
sees('takes minimum and maximum', () => db.select({ a: min(name), b: max(visits), c: max(salary), d: max(seen) }).from(person),
    [['Ann', 35, '4000.25', people[3].seen]]);
sees('groups with a condition', () => db.select({ visits, total: sum(salary) }).from(person).groupBy(visits).having(gt(count(), 1)), [[35, '5000.75']]);
sees('joins', () => db.select({ name, title: purchase.title, amount: purchase.amount }).from(person)
    .innerJoin(purchase, eq(purchase.personId, person.id)).where(eq(purchase.paid, true)).orderBy(purchase.title),
[['Bob', 'Book', '12.00'], ['Ann', 'Tea pot', '19.90']]);
sees('joins with what is missing', () => db.select({ name, total: sum(purchase.amount) }).from(person)
    .leftJoin(purchase, eq(purchase.personId, person.id)).groupBy(name).orderBy(name),
[['Ann', '24.00'], ['Bob', '12.00'], ['Cleo', null], ['Dora', '45.50'], ['Émil', null]]);

check('joins a table with itself', async () => {
    const other = alias(person, 'other');
    assert.deepEqual(await db.select({ a: person.name, b: other.name }).from(person)
        .innerJoin(other, and(eq(person.salary, other.salary), lt(person.id, other.id))), [{ a: 'Ann', b: 'Cleo' }]);
});

check('joins a subquery', async () => {
    const totals = db.select({ personId: purchase.personId, total: sum(purchase.amount).as('total') }).from(purchase).groupBy(purchase.personId).as('totals');
    assert.deepEqual(await db.select({ name, total: totals.total }).from(person).innerJoin(totals, eq(totals.personId, person.id))
        .where(gt(totals.total, 20)).orderBy(name), [{ name: 'Ann', total: '24.00' }, { name: 'Dora', total: '45.50' }]);
});

check('joins a common table expression', async () => {
    const rich = db.$with('rich').as(db.select().from(person).where(gt(salary, '1500')));
    assert.deepEqual(await db.with(rich).select({ name: rich.name, active: rich.active, doc: rich.doc }).from(rich).orderBy(rich.name).limit(1),
        [{ name: 'Bob', active: false, doc: { city: 'Rome', n: 2 } }]);
});

sees('unites', () => union(db.select({ name }).from(person).where(eq(visits, 5)),
    db.select({ name: purchase.title }).from(purchase).where(eq(purchase.paid, true))).orderBy(sql`name`), [['Ann'], ['Book'], ['Tea pot']]);

check('counts rows of a condition', async () => {
    assert.equal(await db.$count(person, eq(person.active, true)), 3);
});

check('loads related rows', async () => {
    // they come as JSON, in which 4.10 is 4.1
    const ann = await db.query.person.findFirst({
        where: eq(person.email, 'ann@example.org'), columns: { name: true, active: true },
        with: { purchases: { columns: { title: true, amount: true, paid: true, at: true }, orderBy: asc(purchase.title) } }
    });
    assert.deepEqual(ann, {
        name: 'Ann', active: true, purchases: [
            { title: 'Cup', amount: '4.1', paid: false, at: null },
            { title: 'Tea pot', amount: '19.9', paid: true, at: new Date('2024-05-01T08:00:00Z') }]
    });
});

check('loads the row that is referred to', async () => {
    const book = await db.query.purchase.findFirst({
        where: eq(purchase.title, 'Book'), columns: { title: true },
        with: { buyer: { columns: { name: true, level: true, visits: true, active: true, born: true, seen: true, ref: true, doc: true, tags: true, lucky: true } } }
    });
    const { level, ref, doc, tags, lucky } = people[1];
    assert.deepEqual(book, { title: 'Book', buyer: { name: 'Bob', level, visits: 20, active: false, born: '1975-06-30', seen: people[1].seen, ref, doc, tags, lucky } });
});

check('updates one row', async () => {
    const [made] = await db.update(person).set({ name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null })
        .where(eq(person.email, 'ann@example.org'))
        .returning({ name, salary, doc: person.doc, seen, photo: person.photo });
    assert.deepEqual(made, { name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null });
});

check('updates many rows', async () => {
    assert.equal((await db.update(person).set({ note: 'seen' }).where(eq(person.active, true))).rowCount, 3);
});

check('increments', async () => {
    const up = (n) => db.update(person).set({ visits: sql`${visits} + ${n}` }).where(eq(person.email, 'bob@example.org')).returning({ visits });
    assert.deepEqual(await up(1), [{ visits: 21 }]);
    assert.deepEqual(await up(-2), [{ visits: 19 }]);
});

check('updates from another table', async () => {
    const made = await db.update(person).set({ note: sql`${purchase.title}` }).from(purchase)
        .where(and(eq(purchase.personId, person.id), gt(purchase.amount, '40'))).returning({ name: person.name, note: person.note });
    assert.deepEqual(made, [{ name: 'Dora', note: 'Lamp' }]);
});

check('commits', async () => {
    await db.transaction((tx) => tx.update(person).set({ name: 'Committed' }).where(eq(person.email, 'cleo@example.org')));
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('rolls back', async () => {
    await assert.rejects(() => db.transaction(async (tx) => {
        await tx.update(person).set({ name: 'Lost' }).where(eq(person.email, 'cleo@example.org'));
        tx.rollback();
    }));
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('goes on after an error, at a savepoint', async () => {
    await db.transaction(async (tx) => {
        await tx.update(person).set({ name: 'Saved' }).where(eq(person.email, 'cleo@example.org'));
        assert.equal(await sqlstate(() => tx.transaction((inner) =>
            inner.update(person).set({ email: 'bob@example.org' }).where(eq(person.email, 'cleo@example.org')))), '23505');
    });
    assert.equal((await one('cleo@example.org')).name, 'Saved');
});

check('locks rows', async () => {
    await db.transaction(async (tx) => {
        const found = await tx.select({ name, active: person.active }).from(person).where(eq(person.email, 'bob@example.org')).for('update');
        assert.deepEqual(found, [{ name: 'Bob', active: false }]);
    });
});

check('runs a prepared statement many times', async () => {
    const client = await pool.connect();
    try {
        const query = drizzle(client).select({ email: person.email, visits, active: person.active }).from(person)
            .where(and(eq(person.email, sql.placeholder('email')), eq(visits, sql.placeholder('visits')))).prepare('by_email_and_visits');
        for (let i = 0; i < 12; i++) {
            const { email } = people[2 + i % 2];
            assert.deepEqual(await query.execute({ email, visits: 35 }), [{ email, visits: 35, active: true }]);
        }
    } finally {
        client.release();
    }
});

check('reports a bad value with its SQLSTATE', async () => {
    assert.equal(await sqlstate(() => db.select().from(person).where(eq(visits, 'many'))), '22P02');
    assert.equal(await sqlstate(() => db.update(person).set({ level: 40000 })), '22003');
});

check('deletes and returns', async () => {
    assert.deepEqual(await db.delete(person).where(eq(person.email, 'Emil@example.com')).returning({ name, visits, active: person.active }),
        [{ name: 'Émil', visits: 0, active: false }]);
    assert.equal((await db.delete(purchase).where(eq(purchase.paid, false))).rowCount, 2);
});

check('refuses to delete what is referred to', async () => {
    assert.equal(await sqlstate(() => db.delete(person).where(eq(person.email, 'bob@example.org'))), '23503');
});

await run(() => pool.end());
