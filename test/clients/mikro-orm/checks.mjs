// MikroORM: entities with a unit of work, filters, the query builder.
import assert from 'node:assert/strict';
import { OptimisticLockError, LockMode, UniqueConstraintViolationException, raw, sql } from '@mikro-orm/postgresql';
import { columns, nil, nullable, people, purchases, zoe } from '../node/people.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';
import { Person, Purchase, orm } from './entities.mjs';

// An identity map of its own for each use, so that nothing is read from memory.
const fresh = () => orm.em.fork();
const one = (email) => fresh().findOneOrFail(Person, { email });
const pick = (from, ...names) => names.map((name) => from[name]);

check('connects', async () => {
    assert.deepEqual(await fresh().execute('SELECT current_user AS name'), [{ name: 'app' }]);
});

check('inserts every type', async () => {
    const em = fresh();
    const made = em.create(Person, zoe);
    await em.persist(made).flush();
    assert.deepEqual(pick(made, 'id', 'version'), ['1', 0]);
});

// Of the text NULL in an array the client itself makes a NULL.
const typed = { ...zoe, tags: zoe.tags.map((tag) => tag === 'NULL' ? null : tag) };
for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        assert.deepEqual((await one(zoe.email))[column], typed[column]);
    });
}

check('inserts NULLs and takes defaults', async () => {
    const em = fresh();
    const made = em.create(Person, nil);
    await em.flush();
    assert.deepEqual(pick(made, 'visits', 'active'), [0, true]);
    const read = await one(nil.email);
    for (const column of nullable) {
        assert.equal(read[column], null, column);
    }
});

check('refuses NULL where it is not allowed', async () => {
    assert.equal(await sqlstate(() => fresh().insert(Person, { email: 'x@x', name: null })), '23502');
});

check('inserts many rows in one flush', async () => {
    const em = fresh();
    for (let i = 0; i < 60; i++) {
        em.create(Person, { email: `bulk${i}@example.org`, name: `Bulk ${i}`, visits: i, photo: Buffer.from([i]), active: i % 2 === 0 });
    }
    await em.flush();
    assert.equal(await fresh().count(Person, { email: { $like: 'bulk%' }, active: true }), 30);
});

check('inserts many rows at once', async () => {
    await fresh().insertMany(Person, [{ email: 'm1@example.org', name: 'M1', photo: Buffer.from([1]) }, { email: 'm2@example.org', name: 'M2', active: false }]);
    assert.deepEqual(pick(await one('m1@example.org'), 'visits', 'active', 'photo'), [0, true, Buffer.from([1])]);
});

check('reports a duplicate as a unique violation', async () => {
    await assert.rejects(() => fresh().insert(Person, zoe), (error) =>
        error instanceof UniqueConstraintViolationException && error.code === '23505' && error.constraint === 'person_email_key');
});

check('inserts or updates', async () => {
    const upsert = async (values) => pick(await fresh().upsert(Person, values, { onConflictFields: ['email'] }), 'name', 'visits');
    assert.deepEqual(await upsert({ email: 'up@example.org', name: 'First', visits: 3 }), ['First', 3]);
    assert.deepEqual(await upsert({ email: 'up@example.org', name: 'Second', visits: 4 }), ['Second', 4]);
    assert.deepEqual(pick(await one('up@example.org'), 'name', 'visits', 'active'), ['Second', 4, true]);
});

check('inserts or updates many', async () => {
    await fresh().upsertMany(Person, [{ email: 'up@example.org', name: 'Third', visits: 5 }, { email: 'up2@example.org', name: 'New', visits: 6 }],
        { onConflictFields: ['email'], onConflictAction: 'merge', onConflictMergeFields: ['visits'] });
    assert.deepEqual([pick(await one('up@example.org'), 'name', 'visits'), pick(await one('up2@example.org'), 'name', 'visits')], [['Second', 5], ['New', 6]]);
});

check('starts from known rows', async () => {
    await fresh().transactional(async (em) => {
        await em.nativeDelete(Purchase, {});
        await em.nativeDelete(Person, {});
        const made = people.map((values) => em.create(Person, values));
        for (const { buyer, ...rest } of purchases) {
            em.create(Purchase, { ...rest, buyer: made.find(({ email }) => email === buyer) });
        }
    });
});

const finds = (name, where, expected) =>
    check(`finds ${name}`, async () => {
        const found = await fresh().find(Person, where, { orderBy: { id: 'asc' } });
        assert.deepEqual(found.map(({ email }) => email.split('@')[0]), expected);
    });

finds('by equality of text', { email: 'bob@example.org' }, ['bob']);
finds('nothing where nothing is', { email: 'nobody@example.org' }, []);
finds('by several columns', { visits: 35, active: true, level: 2 }, ['cleo']);
finds('by inequality', { name: { $ne: 'Bob' } }, ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', { email: ['ann@example.org', 'dora@example.com', 'no'] }, ['ann', 'dora']);
finds('by what is not in a list', { visits: { $nin: [35, 5] } }, ['bob', 'Emil']);
finds('by an integer', { visits: 35 }, ['cleo', 'dora']);
finds('by a range of integers', { visits: { $gte: 5, $lte: 20 } }, ['ann', 'bob']);
finds('by a comparison of text', { name: { $gte: 'Cleo' } }, ['cleo', 'dora', 'Emil']);
finds('by a bigint', { points: '9007199254740993' }, ['bob']);
finds('by a smallint', { level: 2 }, ['bob', 'cleo']);
finds('by equality of numeric', { salary: '1000.5' }, ['ann', 'cleo']);
finds('by a comparison of numeric', { salary: { $gt: '1500.25' } }, ['bob', 'dora']);
finds('by a comparison of double precision', { score: { $gt: 1.75 } }, ['bob', 'dora']);
finds('by a comparison of real', { ratio: { $lte: 1.5 } }, ['ann', 'bob']);
finds('by boolean', { active: true }, ['ann', 'cleo', 'dora']);
finds('by negated boolean', { $not: { active: true } }, ['bob', 'Emil']);
finds('by date', { born: '1984-12-01' }, ['cleo']);
finds('by a range of dates', { born: { $gte: '1970-01-01', $lt: '1990-01-01' } }, ['bob', 'cleo']);
finds('by time', { wakes: { $gt: '06:30' } }, ['cleo', 'dora']);
finds('by a range of timestamps', { seen: { $gte: new Date('2024-02-01T00:00:00Z'), $lt: new Date('2024-04-01T00:00:00Z') } }, ['bob', 'cleo']);
finds('by a timestamp without time zone', { local: new Date('2024-03-01T11:00:00Z') }, ['cleo']);
finds('by uuid', { ref: people[3].ref }, ['dora']);
finds('by bytes', { photo: Buffer.from([0, 3]) }, ['cleo']);
finds('by inet', { address: '10.0.0.2' }, ['bob']);
finds('by LIKE', { note: { $like: 'likes%' } }, ['ann', 'bob']);
finds('by ILIKE', { note: { $ilike: '%coffee' } }, ['bob']);
finds('by a regular expression', { name: /^[ab]/i }, ['ann', 'bob']);
finds('by a function', { [raw((alias) => `lower(${alias}.name)`)]: 'dora' }, ['dora']);
finds('NULLs', { note: null }, ['cleo', 'Emil']);
finds('what is not NULL', { salary: { $ne: null }, note: { $ne: null } }, ['ann', 'bob', 'dora']);
finds('by AND and OR', { $or: [{ active: true, visits: 35 }, { name: 'Bob' }] }, ['bob', 'cleo', 'dora']);
finds('by a field of JSON', { doc: { city: 'Oslo' } }, ['ann', 'cleo']);
finds('by a number in JSON', { doc: { n: { $gt: 2 } } }, ['cleo', 'dora']);
finds('by containment of arrays', { tags: { $contains: ['blue', 'red'] } }, ['ann']);
finds('by being contained in an array', { tags: { $contained: ['blue', 'green'] } }, ['bob', 'cleo']);
finds('by overlap of arrays', { lucky: { $overlap: [3, 4] } }, ['bob', 'cleo', 'dora']);
finds('by a related row', { purchases: { paid: true, amount: { $lt: '15' } } }, ['bob']);
finds('by any related row', { purchases: { $some: { paid: false } } }, ['ann', 'dora']);
finds('by no related row', { purchases: { $none: {} } }, ['cleo', 'Emil']);

const built = () => fresh().createQueryBuilder(Person, 'p');
const sees = (name, query, expected) =>
    check(name, async () => assert.deepEqual((await query().execute('all', false)).map((row) => Object.values(row)), expected));

check('finds by a subquery', async () => {
    const em = fresh();
    const buyers = em.createQueryBuilder(Purchase, 'b').select('b.buyer').where({ paid: true, amount: { $lt: '15' } });
    const found = await em.createQueryBuilder(Person, 'p').where({ id: { $in: buyers.toRaw() } }).getResult();
    assert.deepEqual(found.map(({ name, tags }) => [name, tags]), [['Bob', ['blue']]]);
});

const names = (found) => found.map(({ name }) => name);

check('sorts by text', async () => {
    assert.deepEqual(names(await fresh().findAll(Person, { orderBy: { name: 'asc' } })), ['Ann', 'Bob', 'Cleo', 'Dora', 'Émil']);
});

check('sorts downwards, then by another column', async () => {
    assert.deepEqual(names(await fresh().findAll(Person, { orderBy: [{ visits: 'desc' }, { name: 'asc' }] })), ['Cleo', 'Dora', 'Bob', 'Ann', 'Émil']);
});

check('sorts NULLs last', async () => {
    assert.deepEqual(names(await fresh().findAll(Person, { orderBy: [{ salary: 'desc nulls last' }, { id: 'asc' }] })), ['Dora', 'Bob', 'Ann', 'Cleo', 'Émil']);
});

check('limits and skips', async () => {
    const [found, count] = await fresh().findAndCount(Person, {}, { orderBy: { name: 'asc' }, limit: 2, offset: 1 });
    assert.deepEqual([names(found), count], [['Bob', 'Cleo'], 5]);
});

check('pages by cursor', async () => {
    const page = await fresh().findByCursor(Person, { first: 2, orderBy: { visits: 'desc', id: 'desc' } });
    const next = await fresh().findByCursor(Person, { first: 2, after: page.endCursor, orderBy: { visits: 'desc', id: 'desc' } });
    assert.deepEqual([names(page.items), names(next.items), next.totalCount], [['Dora', 'Cleo'], ['Bob', 'Ann'], 5]);
});

check('reads some columns', async () => {
    const [ann] = await fresh().find(Person, { name: 'Ann' }, { fields: ['name', 'active', 'born', 'photo'] });
    assert.deepEqual(pick(ann, 'name', 'active', 'born', 'photo'), ['Ann', true, '1960-01-15', Buffer.from([0, 1])]);
});

check('counts', async () => {
    assert.deepEqual([await fresh().count(Person), await fresh().count(Person, { active: true })], [5, 3]);
});

sees('removes duplicates', () => built().select('visits', true).orderBy({ visits: 'asc' }), [[0], [5], [20], [35]]);
sees('aggregates', () => built().select([sql`sum(visits)`.as('a'), sql`sum(salary)`.as('b'), sql`avg(score)`.as('c'), sql`max(seen)::text`.as('d'), sql`min(name)`.as('e')]),
    [['95', '8001.25', 1.25, '2024-04-01 10:00:00+00', 'Ann']]);
sees('groups with a condition', () => built().select(['visits', sql`sum(salary)`.as('total')]).groupBy('visits').having({ [sql`count(*)`]: { $gt: 1 } }), [[35, '5000.75']]);
sees('joins', () => built().select(['p.name', 'b.title', 'b.amount']).join('p.purchases', 'b').where({ 'b.paid': true }).orderBy({ 'b.title': 'asc' }),
    [['Bob', 'Book', '12.00'], ['Ann', 'Tea pot', '19.90']]);
sees('joins with what is missing', () => built().select(['p.name', sql`sum(b.amount)`.as('total')]).leftJoin('p.purchases', 'b').groupBy('p.name').orderBy({ name: 'asc' }),
    [['Ann', '24.00'], ['Bob', '12.00'], ['Cleo', null], ['Dora', '45.50'], ['Émil', null]]);

for (const strategy of ['joined', 'select-in', 'balanced']) {
    check(`loads related rows, ${strategy}`, async () => {
        const found = await fresh().find(Person, { active: true }, { populate: ['purchases'], strategy, orderBy: { id: 'asc', purchases: { title: 'asc' } } });
        assert.deepEqual(found.map((row) => row.purchases.getItems().map(({ title, amount, paid, at }) => [title, amount, paid, at])), [
            [['Cup', '4.10', false, null], ['Tea pot', '19.90', true, new Date('2024-05-01T08:00:00Z')]], [],
            [['Lamp', '45.50', false, null]]
        ]);
    });
}

check('loads the row that is referred to', async () => {
    const found = await fresh().find(Purchase, { buyer: { active: true } }, { populate: ['buyer'], orderBy: { amount: 'desc' } });
    assert.deepEqual(found.map(({ title, buyer }) => [title, ...pick(buyer, 'name', 'visits', 'active', 'photo')]),
        [['Lamp', 'Dora', 35, true, Buffer.from([0, 4])], ['Tea pot', 'Ann', 5, true, Buffer.from([0, 1])], ['Cup', 'Ann', 5, true, Buffer.from([0, 1])]]);
});

check('writes what changed', async () => {
    const em = fresh();
    const ann = await em.findOneOrFail(Person, { email: 'ann@example.org' });
    Object.assign(ann, { name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null, tags: ['new'] });
    await em.flush();
    assert.deepEqual(pick(await one('ann@example.org'), 'name', 'salary', 'doc', 'seen', 'photo', 'tags', 'version'),
        ['Anna', '1.10', { city: 'Bergen' }, new Date(0), null, ['new'], 1]);
});

check('sees that nothing changed', async () => {
    const em = fresh();
    const all = await em.findAll(Person);
    em.getUnitOfWork().computeChangeSets();
    assert.deepEqual([all.length, em.getUnitOfWork().getChangeSets().length], [5, 0]);
});

check('writes changes of many rows', async () => {
    const em = fresh();
    for (const row of await em.find(Person, { active: true })) {
        row.visits += 1;
        row.note = 'seen';
    }
    await em.flush();
    assert.deepEqual((await fresh().find(Person, { note: 'seen' }, { orderBy: { id: 'asc' } })).map(({ visits }) => visits), [6, 36, 36]);
});

check('finds out a concurrent update by version', async () => {
    const em = fresh();
    const ann = await em.findOneOrFail(Person, { email: 'ann@example.org' });
    await fresh().nativeUpdate(Person, { id: ann.id }, { version: sql`version + 1` });
    ann.name = 'Late';
    await assert.rejects(() => em.flush(), OptimisticLockError);
});

check('updates without loading', async () => {
    assert.equal(await fresh().nativeUpdate(Person, { email: 'bob@example.org' }, { visits: sql`visits + ${2}`, salary: raw('salary * 2') }), 1);
    assert.deepEqual(pick(await one('bob@example.org'), 'visits', 'salary'), [22, '4000.00']);
});

check('updates and returns', async () => {
    assert.deepEqual(await built().update({ level: 7 }).where({ email: 'bob@example.org' }).returning(['level', 'active']).execute('all', false), [{ level: 7, active: false }]);
});

check('commits', async () => {
    await fresh().transactional(async (em) => {
        (await em.findOneOrFail(Person, { email: 'cleo@example.org' })).name = 'Committed';
    });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('rolls back', async () => {
    await assert.rejects(() => fresh().transactional(async (em) => {
        (await em.findOneOrFail(Person, { email: 'cleo@example.org' })).name = 'Lost';
        await em.flush();
        throw new Error('changed my mind');
    }), { message: 'changed my mind' });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('goes on after an error, at a savepoint', async () => {
    await fresh().transactional(async (em) => {
        await em.nativeUpdate(Person, { email: 'cleo@example.org' }, { name: 'Saved' });
        assert.equal(await sqlstate(() => em.transactional((inner) =>
            inner.nativeUpdate(Person, { email: 'cleo@example.org' }, { email: 'bob@example.org' }))), '23505');
    });
    assert.equal((await one('cleo@example.org')).name, 'Saved');
});

check('locks rows', async () => {
    await fresh().transactional(async (em) => {
        const bob = await em.findOneOrFail(Person, { email: 'bob@example.org' }, { lockMode: LockMode.PESSIMISTIC_WRITE });
        assert.deepEqual(pick(bob, 'name', 'active'), ['Bob', false]);
    });
});

check('repeats a query', async () => {
    await fresh().transactional(async (em) => {
        for (let i = 0; i < 12; i++) {
            const { email } = people[2 + i % 2];
            em.clear();
            assert.deepEqual((await em.find(Person, { email, visits: 36 })).map((row) => pick(row, 'email', 'visits', 'active')), [[email, 36, true]]);
        }
    });
});

check('reads as a stream', async () => {
    let sum = 0;
    for await (const row of fresh().stream(Person, { where: { active: true } })) {
        sum += row.visits;
    }
    assert.equal(sum, 78);
});

check('reports a bad value with its SQLSTATE', async () => {
    assert.equal(await sqlstate(() => fresh().execute('SELECT FROM person WHERE visits = ?', ['many'])), '22P02');
    assert.equal(await sqlstate(() => fresh().nativeUpdate(Person, {}, { level: 40000 })), '22003');
});

check('deletes', async () => {
    const em = fresh();
    await em.remove(await em.findOneOrFail(Person, { email: 'Emil@example.com' })).flush();
    assert.equal(await fresh().count(Person), 4);
    assert.equal(await fresh().nativeDelete(Purchase, { paid: false }), 2);
});

check('refuses to delete what is referred to', async () => {
    assert.equal(await sqlstate(() => fresh().nativeDelete(Person, { email: 'bob@example.org' })), '23503');
});

await run(() => orm.close());
