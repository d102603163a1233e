// Knex: the query builder, transactions, streams.
import assert from 'node:assert/strict';
import Knex from 'knex';
import { columns, nil, nullable, people, purchases, zoe } from '../node/people.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
const knex = Knex({
    client: 'pg',
    connection: { host: PGHOST, port: PGPORT, user: PGUSER, password: PGPASSWORD, database: PGDATABASE },
    pool: { min: 1, max: 4 }
});

const person = () => knex('person');
const one = (email) => person().where({ email }).first();
const emails = async (query) => (await query.orderBy('id').pluck('email')).map((email) => email.split('@')[0]);

check('connects', async () => {
    assert.deepEqual(await knex.first(knex.raw('current_user AS name')), { name: 'app' });
});

check('knows the columns of a table', async () => {
    const info = await person().columnInfo();
    assert.deepEqual(columns.filter((column) => !info[column]), []);
    assert.deepEqual([info.email.nullable, info.note.nullable], [false, true]);
});

check('inserts every type and returns the row', async () => {
    const [row] = await person().insert(zoe).returning('*');
    assert.deepEqual([row.email, row.visits, row.version], [zoe.email, zoe.visits, 0]);
});

const typed = { ...zoe, born: new Date(1961, 2, 4) };
for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        assert.deepEqual((await one(zoe.email))[column], typed[column]);
    });
}

check('inserts NULLs and takes defaults', async () => {
    const [row] = await person().insert(nil).returning('*');
    for (const column of nullable) {
        assert.equal(row[column], null, column);
    }
    assert.deepEqual([row.visits, row.active], [0, true]);
});

check('refuses NULL where it is not allowed', async () => {
    assert.equal(await sqlstate(() => person().insert({ email: 'x@x', name: null })), '23502');
});

check('inserts a list of rows', async () => {
    const rows = await person().insert([
        { email: 'm1@example.org', name: 'M1', visits: 1, photo: Buffer.from([1]) },
        { email: 'm2@example.org', name: 'M2', active: false }
    ]).returning(['name', 'visits', 'active', 'photo']);
    assert.deepEqual(rows, [
        { name: 'M1', visits: 1, active: true, photo: Buffer.from([1]) },
        { name: 'M2', visits: 0, active: false, photo: null }
    ]);
});

check('inserts in batches', async () => {
    const list = [...Array(200).keys()].map((i) => ({ email: `bulk${i}@example.org`, name: `Bulk ${i}`, visits: i, salary: `${i}.5` }));
    await knex.batchInsert('person', list, 60);
    const row = await person().whereLike('email', 'bulk%').count({ n: '*' }).sum({ visits: 'visits', salary: 'salary' }).first();
    assert.deepEqual(row, { n: '200', visits: '19900', salary: '20000.0' });
});

check('reports a duplicate as a unique violation', async () => {
    await assert.rejects(() => person().insert(zoe), { code: '23505', constraint: 'person_email_key' });
});

check('inserts or merges on conflict', async () => {
    const upsert = (row) => person().insert(row).onConflict('email').merge().returning(['name', 'visits']);
    assert.deepEqual(await upsert({ email: 'up@example.org', name: 'First', visits: 3 }), [{ name: 'First', visits: 3 }]);
    assert.deepEqual(await upsert({ email: 'up@example.org', name: 'Second', visits: 4 }), [{ name: 'Second', visits: 4 }]);
});

check('merges by an expression on conflict', async () => {
    const rows = await person().insert({ email: 'up@example.org', name: 'Third', visits: 5 })
        .onConflict('email').merge({ visits: knex.raw('person.visits + excluded.visits') }).returning(['name', 'visits']);
    assert.deepEqual(rows, [{ name: 'Second', visits: 9 }]);
});

check('ignores on conflict', async () => {
    assert.deepEqual(await person().insert({ email: 'up@example.org', name: 'No' }).onConflict('email').ignore().returning('name'), []);
});

check('starts from known rows', async () => {
    await knex.transaction(async (trx) => {
        await trx('purchase').del();
        await trx('person').del();
        await trx('person').insert(people);
        for (const { buyer, ...row } of purchases) {
            await trx('purchase').insert({ ...row, person_id: trx('person').select('id').where('email', buyer) });
        }
    });
});

const finds = (name, build, expected) =>
    check(`finds ${name}`, async () => assert.deepEqual(await emails(build(person())), expected));

finds('by equality of text', (q) => q.where('email', 'bob@example.org'), ['bob']);
finds('nothing where nothing is', (q) => q.where({ email: 'nobody@example.org' }), []);
finds('by several columns', (q) => q.where({ visits: 35, active: true, level: 2 }), ['cleo']);
finds('by inequality', (q) => q.whereNot('name', 'Bob'), ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', (q) => q.whereIn('email', ['ann@example.org', 'dora@example.com', 'no']), ['ann', 'dora']);
finds('by a list of pairs', (q) => q.whereIn(['name', 'visits'], [['Ann', 5], ['Bob', 0]]), ['ann']);
finds('by what is not in a list', (q) => q.whereNotIn('visits', [35, 5]), ['bob', 'Emil']);
finds('by an array', (q) => q.whereRaw('email = ANY(?)', [['ann@example.org', 'dora@example.com']]), ['ann', 'dora']);
finds('by a range of integers', (q) => q.whereBetween('visits', [5, 20]), ['ann', 'bob']);
finds('outside of a range of integers', (q) => q.whereNotBetween('visits', [5, 20]), ['cleo', 'dora', 'Emil']);
finds('by a comparison of text', (q) => q.where('name', '>=', 'Cleo'), ['cleo', 'dora', 'Emil']);
finds('by a bigint', (q) => q.where('points', '9007199254740993'), ['bob']);
finds('by a smallint', (q) => q.where('level', 2), ['bob', 'cleo']);
finds('by equality of numeric', (q) => q.where('salary', '1000.5'), ['ann', 'cleo']);
finds('by a comparison of numeric', (q) => q.where('salary', '>', 1500.25), ['bob', 'dora']);
finds('by a comparison of double precision', (q) => q.where('score', '>', 1.75), ['bob', 'dora']);
finds('by boolean', (q) => q.where('active', true), ['ann', 'cleo', 'dora']);
finds('by negated boolean', (q) => q.whereNot({ active: true }), ['bob', 'Emil']);
finds('by date', (q) => q.where('born', '1984-12-01'), ['cleo']);
finds('by a range of dates', (q) => q.whereBetween('born', ['1970-01-01', '1990-01-01']), ['bob', 'cleo']);
finds('by time', (q) => q.where('wakes', '>', '06:30'), ['cleo', 'dora']);
finds('by a range of timestamps', (q) => q.where('seen', '>=', new Date('2024-02-01T00:00:00Z'))
    .andWhere('seen', '<', new Date('2024-04-01T00:00:00Z')), ['bob', 'cleo']);
finds('by uuid', (q) => q.where('ref', people[3].ref), ['dora']);
finds('by bytes', (q) => q.where('photo', Buffer.from([0, 3])), ['cleo']);
finds('by inet', (q) => q.where('address', '10.0.0.2'), ['bob']);
finds('by LIKE', (q) => q.whereLike('note', 'likes%'), ['ann', 'bob']);
finds('by ILIKE', (q) => q.whereILike('note', '%coffee'), ['bob']);
finds('NULLs', (q) => q.whereNull('note'), ['cleo', 'Emil']);
finds('what is not NULL', (q) => q.whereNotNull('salary').whereNotNull('note'), ['ann', 'bob', 'dora']);
finds('by AND and OR', (q) => q.where((q) => q.where('active', true).where('visits', 35)).orWhere('name', 'Bob'),
    ['bob', 'cleo', 'dora']);
finds('by JSON path', (q) => q.whereJsonPath('doc', '$.city', '=', 'Oslo'), ['ann', 'cleo']);
finds('by containment of JSON', (q) => q.whereJsonSupersetOf('doc', { city: 'Rome' }), ['bob']);
finds('by equality of JSON', (q) => q.whereJsonObject('doc', { city: 'Rome', n: 2 }), ['bob']);
finds('by an element of an array', (q) => q.whereRaw('? = ANY(tags)', ['red']), ['ann', 'dora']);
finds('by containment of arrays', (q) => q.where('tags', '@>', ['blue', 'red']), ['ann']);
finds('by a subquery', (q) => q.whereIn('id', knex('purchase').select('person_id').where('paid', true).where('amount', '<', 15)), ['bob']);
finds('by EXISTS', (q) => q.whereExists(knex('purchase').whereColumn('person_id', 'person.id').where({ paid: false })), ['ann', 'dora']);
finds('by a scalar subquery', (q) => q.where('salary', '>', knex('person').avg('salary')), ['dora']);
finds('by a comparison of columns', (q) => q.whereColumn('level', '<', 'visits'), ['ann', 'bob', 'cleo', 'dora']);

const sees = (name, build, expected) =>
    check(name, async () => assert.deepEqual((await build()).map((row) => Object.values(row)), expected));

sees('sorts by text', () => person().select('name').orderBy('name'), [['Ann'], ['Bob'], ['Cleo'], ['Dora'], ['Émil']]);
sees('sorts downwards, then by another column',
    () => person().select('name').orderBy([{ column: 'visits', order: 'desc' }, 'name']), [['Cleo'], ['Dora'], ['Bob'], ['Ann'], ['Émil']]);
sees('sorts NULLs first', () => person().select('name').orderBy([{ column: 'salary', order: 'desc', nulls: 'first' }, 'id']),
    [['Émil'], ['Dora'], ['Bob'], ['Ann'], ['Cleo']]);
sees('limits and skips', () => person().select('name').orderBy('name').limit(2).offset(1), [['Bob'], ['Cleo']]);
sees('removes duplicates', () => person().distinct('visits').orderBy('visits'), [[0], [5], [20], [35]]);
sees('takes the first of each group', () => person().distinctOn('visits').select('visits', 'name')
    .orderBy([{ column: 'visits' }, { column: 'name', order: 'desc' }]), [[0, 'Émil'], [5, 'Ann'], [20, 'Bob'], [35, 'Dora']]);
sees('counts', () => person().count({ a: '*', b: 'note' }).countDistinct({ c: 'visits' }), [['5', '3', '4']]);
sees('sums and averages', () => person().sum({ a: 'visits', b: 'salary' }).avg({ c: 'score' }), [['95', '8001.25', 1.25]]);
sees('takes minimum and maximum', () => person().min({ a: 'name' }).max({ b: 'visits', c: 'salary', d: 'seen' }),
    [['Ann', 35, '4000.25', people[3].seen]]);
sees('groups', () => person().select('visits').count({ n: '*' }).groupBy('visits').orderBy('visits'),
    [[0, '1'], [5, '1'], [20, '1'], [35, '2']]);
sees('groups with a condition', () => person().select('visits').sum({ total: 'salary' }).groupBy('visits')
    .having(knex.raw('count(*)'), '>', 1), [[35, '5000.75']]);
sees('joins', () => person().join('purchase', 'purchase.person_id', 'person.id').select('name', 'title', 'amount')
    .where('paid', true).orderBy('title'), [['Bob', 'Book', '12.00'], ['Ann', 'Tea pot', '19.90']]);
sees('joins with what is missing', () => person().leftJoin('purchase', 'purchase.person_id', 'person.id').select('name')
    .sum({ total: 'amount' }).groupBy('name').orderBy('name'), [['Ann', '24.00'], ['Bob', '12.00'], ['Cleo', null], ['Dora', '45.50'], ['Émil', null]]);
sees('extracts from JSON', () => person().select('name', knex.raw(`doc->>'city' AS city`)).jsonExtract('doc', '$.n', 'n')
    .whereNotNull('doc').orderBy('name').limit(1), [['Ann', 'Oslo', 1]]);
sees('joins a common table expression', () => knex.with('rich', person().where('salary', '>', 1500)).from('rich').select('name').orderBy('name'),
    [['Bob'], ['Dora']]);
sees('unites', () => person().select('name').where('visits', 5).union(knex('purchase').select('title').where('paid', true)).orderBy('name'),
    [['Ann'], ['Book'], ['Tea pot']]);
sees('ranks', () => person().select('name').rank('place', [{ column: 'visits', order: 'desc' }]).orderBy('place').orderBy('name').limit(3),
    [['Cleo', '1'], ['Dora', '1'], ['Bob', '3']]);

check('updates one row', async () => {
    const rows = await person().where({ email: 'ann@example.org' })
        .update({ name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null }, ['name', 'salary', 'doc', 'seen', 'photo']);
    assert.deepEqual(rows, [{ name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null }]);
});

check('updates many rows', async () => {
    assert.equal(await person().where('active', true).update('note', 'seen'), 3);
});

check('increments and decrements', async () => {
    const bob = () => person().where({ email: 'bob@example.org' });
    await bob().increment('visits', 3);
    await bob().decrement({ visits: 1, salary: 0.5 });
    assert.deepEqual(await bob().first('visits', 'salary'), { visits: 22, salary: '1999.50' });
});

check('updates JSON', async () => {
    const [row] = await person().where({ email: 'bob@example.org' })
        .update('doc', knex.jsonSet('doc', '$.city', '"Turin"')).returning('doc');
    assert.deepEqual(row, { doc: { city: 'Turin', n: 2 } });
});

check('updates from another table', async () => {
    const rows = await person().update({ note: knex.ref('purchase.title') }).updateFrom('purchase')
        .whereRaw('purchase.person_id = person.id').where('purchase.amount', '>', 40).returning(['name', 'note']);
    assert.deepEqual(rows, [{ name: 'Dora', note: 'Lamp' }]);
});

check('commits', async () => {
    await knex.transaction((trx) => trx('person').where({ email: 'cleo@example.org' }).update({ name: 'Committed' }));
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('rolls back', async () => {
    await assert.rejects(() => knex.transaction(async (trx) => {
        await trx('person').where({ email: 'cleo@example.org' }).update({ name: 'Lost' });
        throw new Error('changed my mind');
    }), { message: 'changed my mind' });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('goes on after an error, at a savepoint', async () => {
    await knex.transaction(async (trx) => {
        await trx('person').where({ email: 'cleo@example.org' }).update({ name: 'Saved' });
        assert.equal(await sqlstate(() => trx.transaction((inner) =>
            inner('person').where({ email: 'cleo@example.org' }).update({ email: 'bob@example.org' }))), '23505');
    });
    assert.equal((await one('cleo@example.org')).name, 'Saved');
});

check('locks rows', async () => {
    await knex.transaction(async (trx) => {
        const row = await trx('person').where({ email: 'bob@example.org' }).forUpdate().skipLocked().first('name', 'active');
        assert.deepEqual(row, { name: 'Bob', active: false });
    });
});

check('repeats a query', async () => {
    await knex.transaction(async (trx) => {
        for (let i = 0; i < 12; i++) {
            const { email } = people[2 + i % 2];
            assert.deepEqual(await trx('person').where({ email, visits: 35 }).select('email', 'visits', 'active'),
                [{ email, visits: 35, active: true }]);
        }
    });
});

check('reads as a stream', async () => {
    let sum = 0;
    for await (const row of person().select('visits', 'active').stream()) {
        sum += row.active ? row.visits : 0;
    }
    assert.equal(sum, 75);
});

check('reports a bad value with its SQLSTATE', async () => {
    assert.equal(await sqlstate(() => person().where('visits', 'many')), '22P02');
    assert.equal(await sqlstate(() => person().update('level', 40000)), '22003');
});

check('deletes and returns', async () => {
    assert.deepEqual(await person().where({ email: 'Emil@example.com' }).del(['name', 'visits', 'active']),
        [{ name: 'Émil', visits: 0, active: false }]);
    assert.equal(await knex('purchase').where('paid', false).del(), 2);
});

check('refuses to delete what is referred to', async () => {
    assert.equal(await sqlstate(() => person().where({ email: 'bob@example.org' }).del()), '23503');
});

await run(() => knex.destroy());
