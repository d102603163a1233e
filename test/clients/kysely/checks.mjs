// Kysely: the typed query builder, controlled transactions, streams.
import assert from 'node:assert/strict';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { jsonArrayFrom, jsonObjectFrom } from 'kysely/helpers/postgres';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { columns, nil, nullable, people, purchases, zoe } from '../node/people.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ max: 4 }), cursor: Cursor }) });

const person = () => db.selectFrom('person');
const one = (email) => person().selectAll().where('email', '=', email).executeTakeFirst();

check('connects', async () => {
    assert.deepEqual((await sql`SELECT current_user AS name`.execute(db)).rows, [{ name: 'app' }]);
});

check('knows the columns of a table', async () => {
    const table = (await db.introspection.getTables()).find((table) => table.name === 'person');
    const names = table.columns.map((column) => column.name);
    assert.deepEqual(columns.filter((column) => !names.includes(column)), []);
    assert.equal(table.columns.find((column) => column.name === 'note').isNullable, true);
});

check('inserts every type and returns the row', async () => {
    const row = await db.insertInto('person').values(zoe).returningAll().executeTakeFirstOrThrow();
    assert.deepEqual([row.email, row.visits, row.version], [zoe.email, zoe.visits, 0]);
});

const typed = { ...zoe, born: new Date(1961, 2, 4) };
for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        assert.deepEqual((await one(zoe.email))[column], typed[column]);
    });
}

check('inserts NULLs and takes defaults', async () => {
    const row = await db.insertInto('person').values({ ...nil, note: null, photo: null }).returningAll().executeTakeFirst();
    for (const column of nullable) {
        assert.equal(row[column], null, column);
    }
    assert.deepEqual([row.visits, row.active], [0, true]);
});

check('refuses NULL where it is not allowed', async () => {
    assert.equal(await sqlstate(() => db.insertInto('person').values({ email: 'x@x', name: null }).execute()), '23502');
});

check('inserts a list of rows', async () => {
    const rows = await db.insertInto('person').values([
        { email: 'm1@example.org', name: 'M1', visits: 1, photo: Buffer.from([1]) },
        { email: 'm2@example.org', name: 'M2', active: false }
    ]).returning(['name', 'visits', 'active', 'photo']).execute();
    assert.deepEqual(rows, [
        { name: 'M1', visits: 1, active: true, photo: Buffer.from([1]) },
        { name: 'M2', visits: 0, active: false, photo: null }
    ]);
});

check('inserts from a query', async () => {
    const rows = await db.insertInto('person').columns(['email', 'name', 'visits', 'born'])
        .expression((eb) => eb.selectFrom('person').select([sql`'again-' || email`.as('email'), 'name', 'visits', 'born']).where('email', '=', zoe.email))
        .returning(['email', 'name', 'visits', 'born']).execute();
    assert.deepEqual(rows, [{ email: 'again-zoe@example.org', name: zoe.name, visits: zoe.visits, born: typed.born }]);
});

check('reports a duplicate as a unique violation', async () => {
    await assert.rejects(() => db.insertInto('person').values(zoe).execute(), { code: '23505', constraint: 'person_email_key' });
});

check('inserts or updates on conflict', async () => {
    const upsert = (row) => db.insertInto('person').values(row)
        .onConflict((oc) => oc.column('email').doUpdateSet((eb) => ({
            name: eb.ref('excluded.name'), visits: eb('person.visits', '+', eb.ref('excluded.visits'))
        }))).returning(['name', 'visits']).executeTakeFirst();
    assert.deepEqual(await upsert({ email: 'up@example.org', name: 'First', visits: 3 }), { name: 'First', visits: 3 });
    assert.deepEqual(await upsert({ email: 'up@example.org', name: 'Second', visits: 4 }), { name: 'Second', visits: 7 });
});

check('does nothing on conflict', async () => {
    const [{ numInsertedOrUpdatedRows }] = await db.insertInto('person').values({ email: 'up@example.org', name: 'No' })
        .onConflict((oc) => oc.column('email').doNothing()).execute();
    assert.equal(numInsertedOrUpdatedRows, 0n);
});

check('starts from known rows', async () => {
    await db.transaction().execute(async (trx) => {
        await trx.deleteFrom('purchase').execute();
        await trx.deleteFrom('person').execute();
        await trx.insertInto('person').values(people).execute();
        for (const { buyer, ...row } of purchases) {
            await trx.insertInto('purchase').values((eb) => ({
                ...row, person_id: eb.selectFrom('person').select('id').where('email', '=', buyer)
            })).execute();
        }
    });
});

const finds = (name, where, expected) =>
    check(`finds ${name}`, async () => {
        const rows = await person().select('email').where(where).orderBy('id').execute();
        assert.deepEqual(rows.map((row) => row.email.split('@')[0]), expected);
    });

finds('by equality of text', (eb) => eb('email', '=', 'bob@example.org'), ['bob']);
finds('nothing where nothing is', (eb) => eb('email', '=', 'nobody@example.org'), []);
finds('by several columns', (eb) => eb.and({ visits: 35, active: true, level: 2 }), ['cleo']);
finds('by inequality', (eb) => eb('name', '!=', 'Bob'), ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', (eb) => eb('email', 'in', ['ann@example.org', 'dora@example.com', 'no']), ['ann', 'dora']);
finds('by what is not in a list', (eb) => eb('visits', 'not in', [35, 5]), ['bob', 'Emil']);
finds('by a list of pairs', (eb) => eb(eb.refTuple('name', 'visits'), 'in', [eb.tuple('Ann', 5), eb.tuple('Bob', 0)]), ['ann']);
finds('by an array', (eb) => eb('email', '=', eb.fn.any(eb.val(['ann@example.org', 'dora@example.com']))), ['ann', 'dora']);
finds('by an array of integers', (eb) => eb('visits', '=', sql`any(${[35, 5]})`), ['ann', 'cleo', 'dora']);
finds('by an integer', (eb) => eb('visits', '=', 35), ['cleo', 'dora']);
finds('by a range of integers', (eb) => eb.between('visits', 5, 20), ['ann', 'bob']);
finds('by a symmetric range of integers', (eb) => eb.betweenSymmetric('visits', 20, 5), ['ann', 'bob']);
finds('by a comparison of text', (eb) => eb('name', '>=', 'Cleo'), ['cleo', 'dora', 'Emil']);
finds('by a bigint', (eb) => eb('points', '=', '9007199254740993'), ['bob']);
finds('by a smallint', (eb) => eb('level', '=', 2), ['bob', 'cleo']);
finds('by equality of numeric', (eb) => eb('salary', '=', '1000.5'), ['ann', 'cleo']);
finds('by a comparison of numeric', (eb) => eb('salary', '>', 1500.25), ['bob', 'dora']);
finds('by a comparison of double precision', (eb) => eb('score', '>', 1.75), ['bob', 'dora']);
finds('by boolean', (eb) => eb('active', '=', true), ['ann', 'cleo', 'dora']);
finds('by IS FALSE', (eb) => eb('active', 'is', false), ['bob', 'Emil']);
finds('by negated boolean', (eb) => eb.not('active'), ['bob', 'Emil']);
finds('by date', (eb) => eb('born', '=', '1984-12-01'), ['cleo']);
finds('by a range of dates', (eb) => eb.between('born', new Date('1970-01-01'), new Date('1990-01-01')), ['bob', 'cleo']);
finds('by time', (eb) => eb('wakes', '>', '06:30'), ['cleo', 'dora']);
finds('by a range of timestamps', (eb) => eb.and([
    eb('seen', '>=', new Date('2024-02-01T00:00:00Z')), eb('seen', '<', new Date('2024-04-01T00:00:00Z'))]), ['bob', 'cleo']);
finds('by uuid', (eb) => eb('ref', '=', people[3].ref), ['dora']);
finds('by bytes', (eb) => eb('photo', '=', Buffer.from([0, 3])), ['cleo']);
finds('by inet', (eb) => eb('address', '=', '10.0.0.2'), ['bob']);
finds('by LIKE', (eb) => eb('note', 'like', 'likes%'), ['ann', 'bob']);
finds('by ILIKE', (eb) => eb('note', 'ilike', '%coffee'), ['bob']);
finds('by a regular expression', (eb) => eb('name', '~*', '^[ab]'), ['ann', 'bob']);
finds('by a function', (eb) => eb(eb.fn('lower', ['name']), '=', 'dora'), ['dora']);
finds('NULLs', (eb) => eb('note', 'is', null), ['cleo', 'Emil']);
finds('what is not NULL', (eb) => eb('salary', 'is not', null).and('note', 'is not', null), ['ann', 'bob', 'dora']);
finds('by IS DISTINCT FROM', (eb) => eb('level', 'is distinct from', 2), ['ann', 'dora', 'Emil']);
finds('by AND and OR', (eb) => eb.or([eb.and([eb('active', '=', true), eb('visits', '=', 35)]), eb('name', '=', 'Bob')]),
    ['bob', 'cleo', 'dora']);
finds('by a field of JSON', (eb) => eb(eb.ref('doc', '->>').key('city'), '=', 'Oslo'), ['ann', 'cleo']);
finds('by containment of JSON', (eb) => eb('doc', '@>', { city: 'Rome' }), ['bob']);
finds('by an element of an array', (eb) => eb(eb.val('red'), '=', eb.fn.any('tags')), ['ann', 'dora']);
finds('by containment of arrays', (eb) => eb('tags', '@>', eb.val(['blue', 'red'])), ['ann']);
finds('by overlap of arrays', (eb) => eb('lucky', '&&', eb.val([3, 4])), ['bob', 'cleo', 'dora']);
finds('by a subquery', (eb) => eb('id', 'in', eb.selectFrom('purchase').select('person_id').where('paid', '=', true).where('amount', '<', 15)), ['bob']);
finds('by EXISTS', (eb) => eb.exists(eb.selectFrom('purchase').select('purchase.id').whereRef('person_id', '=', 'person.id').where('paid', '=', false)),
    ['ann', 'dora']);
finds('by a scalar subquery', (eb) => eb('salary', '>', eb.selectFrom('person').select(eb.fn.avg('salary').as('a'))), ['dora']);

const sees = (name, query, expected) =>
    check(name, async () => assert.deepEqual((await query().execute()).map((row) => Object.values(row)), expected));

sees('sorts by text', () => person().select('name').orderBy('name'), [['Ann'], ['Bob'], ['Cleo'], ['Dora'], ['Émil']]);
sees('sorts downwards, then by another column', () => person().select('name').orderBy('visits', 'desc').orderBy('name'),
    [['Cleo'], ['Dora'], ['Bob'], ['Ann'], ['Émil']]);
sees('sorts NULLs first', () => person().select('name').orderBy('salary', (ob) => ob.desc().nullsFirst()).orderBy('id'),
    [['Émil'], ['Dora'], ['Bob'], ['Ann'], ['Cleo']]);
sees('limits and skips', () => person().select('name').orderBy('name').limit(2).offset(1), [['Bob'], ['Cleo']]);
sees('removes duplicates', () => person().select('visits').distinct().orderBy('visits'), [[0], [5], [20], [35]]);
sees('takes the first of each group', () => person().distinctOn('visits').select(['visits', 'name']).orderBy('visits').orderBy('name', 'desc'),
    [[0, 'Émil'], [5, 'Ann'], [20, 'Bob'], [35, 'Dora']]);
sees('counts', () => person().select((eb) => [eb.fn.countAll().as('a'), eb.fn.count('note').as('b'), eb.fn.count('visits').distinct().as('c')]),
    [['5', '3', '4']]);
sees('sums and averages', () => person().select((eb) => [eb.fn.sum('visits').as('a'), eb.fn.sum('salary').as('b'), eb.fn.avg('score').as('c')]),
    [['95', '8001.25', 1.25]]);
sees('takes minimum and maximum', () => person().select((eb) => [
    eb.fn.min('name').as('a'), eb.fn.max('visits').as('b'), eb.fn.max('salary').as('c'), eb.fn.max('seen').as('d')]),
[['Ann', 35, '4000.25', people[3].seen]]);
sees('counts with a filter', () => person().select((eb) => [eb.fn.countAll().filterWhere('active', '=', true).as('a'), eb.fn.countAll().as('b')]),
    [['3', '5']]);
sees('groups with a condition', () => person().select((eb) => ['visits', eb.fn.sum('salary').as('total')]).groupBy('visits')
    .having((eb) => eb.fn.countAll(), '>', 1), [[35, '5000.75']]);
sees('joins', () => person().innerJoin('purchase', 'purchase.person_id', 'person.id').select(['name', 'title', 'amount'])
    .where('paid', '=', true).orderBy('title'), [['Bob', 'Book', '12.00'], ['Ann', 'Tea pot', '19.90']]);
sees('joins with what is missing', () => person().leftJoin('purchase', 'purchase.person_id', 'person.id')
    .select((eb) => ['name', eb.fn.coalesce(eb.fn.sum('amount'), sql`0`).as('total')]).groupBy('name').orderBy('name'),
[['Ann', '24.00'], ['Bob', '12.00'], ['Cleo', '0'], ['Dora', '45.50'], ['Émil', '0']]);
sees('selects related rows as JSON', () => person().select((eb) => ['name', jsonArrayFrom(
    eb.selectFrom('purchase').select(['title', 'amount', 'paid']).whereRef('person_id', '=', 'person.id').orderBy('title')).as('purchases')])
    .where('name', '=', 'Ann'), [['Ann', [{ title: 'Cup', amount: 4.10, paid: false }, { title: 'Tea pot', amount: 19.90, paid: true }]]]);
sees('selects a related row as JSON', () => db.selectFrom('purchase').select((eb) => ['title', jsonObjectFrom(
    eb.selectFrom('person').select(['name', 'visits', 'active', 'tags']).whereRef('person.id', '=', 'person_id')).as('buyer')])
    .where('title', '=', 'Book'), [['Book', { name: 'Bob', visits: 20, active: false, tags: ['blue'] }]]);
sees('joins a common table expression', () => db.with('rich', (db) => db.selectFrom('person').selectAll().where('salary', '>', 1500))
    .selectFrom('rich').select('name').orderBy('name'), [['Bob'], ['Dora']]);
sees('unites', () => person().select('name').where('visits', '=', 5).union(db.selectFrom('purchase').select('title as name').where('paid', '=', true))
    .orderBy('name'), [['Ann'], ['Book'], ['Tea pot']]);
sees('numbers rows by a window', () => person().select((eb) => ['name', eb.fn.agg('rank').over((ob) => ob.orderBy('visits', 'desc')).as('place')])
    .orderBy('place').orderBy('name').limit(3), [['Cleo', '1'], ['Dora', '1'], ['Bob', '3']]);
sees('decides by CASE', () => person().select((eb) => ['name', eb.case().when('visits', '>', 10).then('often').when('active', '=', true).then('seldom')
    .else('never').end().as('how')]).orderBy('name').limit(2), [['Ann', 'seldom'], ['Bob', 'often']]);

check('updates one row', async () => {
    const row = await db.updateTable('person').set({ name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null })
        .where('email', '=', 'ann@example.org').returning(['name', 'salary', 'doc', 'seen', 'photo']).executeTakeFirst();
    assert.deepEqual(row, { name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null });
});

check('updates many rows', async () => {
    assert.equal((await db.updateTable('person').set('note', 'seen').where('active', '=', true).executeTakeFirst()).numUpdatedRows, 3n);
});

check('increments', async () => {
    const row = await db.updateTable('person').set((eb) => ({ visits: eb('visits', '+', 2), salary: eb('salary', '*', 2) }))
        .where('email', '=', 'bob@example.org').returning(['visits', 'salary']).executeTakeFirst();
    assert.deepEqual(row, { visits: 22, salary: '4000.00' });
});

check('updates from another table', async () => {
    const rows = await db.updateTable('person').from('purchase').set((eb) => ({ note: eb.ref('purchase.title') }))
        .whereRef('purchase.person_id', '=', 'person.id').where('amount', '>', 40).returning(['name', 'note']).execute();
    assert.deepEqual(rows, [{ name: 'Dora', note: 'Lamp' }]);
});

check('commits', async () => {
    await db.transaction().execute((trx) =>
        trx.updateTable('person').set({ name: 'Committed' }).where('email', '=', 'cleo@example.org').execute());
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('rolls back', async () => {
    await assert.rejects(() => db.transaction().execute(async (trx) => {
        await trx.updateTable('person').set({ name: 'Lost' }).where('email', '=', 'cleo@example.org').execute();
        throw new Error('changed my mind');
    }), { message: 'changed my mind' });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('goes on after an error, at a savepoint', async () => {
    const trx = await db.startTransaction().execute();
    await trx.updateTable('person').set({ name: 'Saved' }).where('email', '=', 'cleo@example.org').execute();
    const inner = await trx.savepoint('here').execute();
    assert.equal(await sqlstate(() =>
        inner.updateTable('person').set({ email: 'bob@example.org' }).where('email', '=', 'cleo@example.org').execute()), '23505');
    await inner.rollbackToSavepoint('here').execute();
    await trx.commit().execute();
    assert.equal((await one('cleo@example.org')).name, 'Saved');
});

check('locks rows', async () => {
    await db.transaction().execute(async (trx) => {
        const row = await trx.selectFrom('person').select(['name', 'active']).where('email', '=', 'bob@example.org').forUpdate().executeTakeFirst();
        assert.deepEqual(row, { name: 'Bob', active: false });
    });
});

check('repeats a query on one connection', async () => {
    await db.connection().execute(async (db) => {
        for (let i = 0; i < 12; i++) {
            const { email } = people[2 + i % 2];
            assert.deepEqual(await db.selectFrom('person').select(['email', 'visits', 'active']).where('email', '=', email).where('visits', '=', 35).execute(),
                [{ email, visits: 35, active: true }]);
        }
    });
});

check('reads as a stream', async () => {
    let sum = 0;
    for await (const row of person().select(['visits', 'active']).stream(2)) {
        sum += row.active ? row.visits : 0;
    }
    assert.equal(sum, 75);
});

check('reports a bad value with its SQLSTATE', async () => {
    assert.equal(await sqlstate(() => person().selectAll().where('visits', '=', 'many').execute()), '22P02');
    assert.equal(await sqlstate(() => db.updateTable('person').set('level', 40000).execute()), '22003');
});

check('deletes and returns', async () => {
    assert.deepEqual(await db.deleteFrom('person').where('email', '=', 'Emil@example.com').returning(['name', 'visits', 'active']).execute(),
        [{ name: 'Émil', visits: 0, active: false }]);
    assert.equal((await db.deleteFrom('purchase').where('paid', '=', false).executeTakeFirst()).numDeletedRows, 2n);
});

check('deletes by another table', async () => {
    const rows = await db.deleteFrom('purchase').using('person').whereRef('person.id', '=', 'person_id').where('name', '=', 'Bob')
        .returning('title').execute();
    assert.deepEqual(rows, [{ title: 'Book' }]);
});

await run(() => db.destroy());
