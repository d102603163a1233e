// TypeORM: repositories, find options, the query builder, transactions.
import assert from 'node:assert/strict';
import {
    And, Any, ArrayContainedBy, ArrayContains, ArrayOverlap, Between, Equal, ILike, In, IsNull, JsonContains, LessThan, LessThanOrEqual, Like,
    MoreThan, MoreThanOrEqual, Not, Raw
} from 'typeorm';
import { columns, nil, nullable, people, purchases, zoe } from '../node/people.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';
import { Person, Purchase, source } from './entities.mjs';

await source.initialize();
const persons = source.getRepository(Person);
const sold = source.getRepository(Purchase);
const one = (email) => persons.findOneBy({ email });
const pick = (from, ...names) => names.map((name) => from[name]);

check('connects', async () => {
    assert.deepEqual(await source.query('SELECT current_user AS name'), [{ name: 'app' }]);
});

check('inserts every type and returns the row', async () => {
    const made = await persons.save(persons.create(zoe));
    assert.deepEqual(pick(made, 'email', 'visits', 'version'), [zoe.email, zoe.visits, 1]);
    assert.ok(made.createdAt instanceof Date);
});

for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        assert.deepEqual((await one(zoe.email))[column], zoe[column]);
    });
}

check('inserts NULLs and takes defaults', async () => {
    const made = await persons.save(persons.create(nil));
    assert.deepEqual(pick(made, 'visits', 'active'), [0, true]);
    const read = await one(nil.email);
    for (const column of nullable) {
        assert.equal(read[column], null, column);
    }
});

check('refuses NULL where it is not allowed', async () => {
    assert.equal(await sqlstate(() => persons.insert({ email: 'x@x', name: null })), '23502');
});

check('inserts a list of rows', async () => {
    const { raw } = await persons.createQueryBuilder().insert().values([
        { email: 'm1@example.org', name: 'M1', visits: 1, photo: Buffer.from([1]) },
        { email: 'm2@example.org', name: 'M2', active: false }
    ]).returning(['name', 'visits', 'active', 'photo']).execute();
    assert.deepEqual(raw.map((row) => pick(row, 'name', 'visits', 'active', 'photo')), [
        ['M1', 1, true, Buffer.from([1])], ['M2', 0, false, null]]);
});

check('saves a list in chunks', async () => {
    const list = [...Array(60).keys()].map((i) => persons.create({ email: `bulk${i}@example.org`, name: `Bulk ${i}`, visits: i, salary: `${i}.5` }));
    await persons.save(list, { chunk: 25 });
    assert.deepEqual([await persons.countBy({ email: Like('bulk%') }), await persons.sum('visits', { email: Like('bulk%') })], [60, 1770]);
});

check('reports a duplicate as a unique violation', async () => {
    await assert.rejects(() => persons.insert(zoe), (error) =>
        error.name === 'QueryFailedError' && error.driverError.code === '23505' && error.driverError.constraint === 'person_email_key');
});

check('inserts or updates', async () => {
    await persons.upsert({ email: 'up@example.org', name: 'First', visits: 3 }, ['email']);
    assert.deepEqual(pick(await one('up@example.org'), 'name', 'visits'), ['First', 3]);
    await persons.upsert([{ email: 'up@example.org', name: 'Second', visits: 4 }, { email: 'up2@example.org', name: 'New', visits: 1 }],
        { conflictPaths: ['email'], skipUpdateIfNoValuesChanged: true });
    assert.deepEqual([pick(await one('up@example.org'), 'name', 'visits'), pick(await one('up2@example.org'), 'name', 'visits')], [['Second', 4], ['New', 1]]);
});

check('does nothing on conflict', async () => {
    await persons.createQueryBuilder().insert().values({ email: 'up@example.org', name: 'No' }).orIgnore().execute();
    assert.equal((await one('up@example.org')).name, 'Second');
});

check('starts from known rows', async () => {
    await source.transaction(async (manager) => {
        await manager.createQueryBuilder().delete().from(Purchase).execute();
        await manager.createQueryBuilder().delete().from(Person).execute();
        for (const values of people) {
            const mine = purchases.filter(({ buyer }) => buyer === values.email).map(({ buyer, ...rest }) => rest);
            await manager.save(manager.create(Person, { ...values, purchases: mine }));
        }
    });
});

const finds = (name, where, expected) =>
    check(`finds ${name}`, async () => {
        const found = await persons.find({ where, order: { id: 'ASC' } });
        assert.deepEqual(found.map(({ email }) => email.split('@')[0]), expected);
    });

finds('by equality of text', { email: 'bob@example.org' }, ['bob']);
finds('by Equal()', { email: Equal('bob@example.org') }, ['bob']);
finds('nothing where nothing is', { email: 'nobody@example.org' }, []);
finds('by several columns', { visits: 35, active: true, level: 2 }, ['cleo']);
finds('by inequality', { name: Not('Bob') }, ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', { email: In(['ann@example.org', 'dora@example.com', 'no']) }, ['ann', 'dora']);
finds('by what is not in a list', { visits: Not(In([35, 5])) }, ['bob', 'Emil']);
finds('by an array', { email: Any(['ann@example.org', 'dora@example.com']) }, ['ann', 'dora']);
finds('by an array of integers', { visits: Any([35, 5]) }, ['ann', 'cleo', 'dora']);
finds('by a range of integers', { visits: Between(5, 20) }, ['ann', 'bob']);
finds('by two comparisons of integers', { visits: And(MoreThan(0), LessThan(35)) }, ['ann', 'bob']);
finds('by a comparison of text', { name: MoreThanOrEqual('Cleo') }, ['cleo', 'dora', 'Emil']);
finds('by a bigint', { points: '9007199254740993' }, ['bob']);
finds('by a smallint', { level: 2 }, ['bob', 'cleo']);
finds('by equality of numeric', { salary: '1000.5' }, ['ann', 'cleo']);
finds('by a comparison of numeric', { salary: MoreThan(1500.25) }, ['bob', 'dora']);
finds('by a comparison of double precision', { score: MoreThan(1.75) }, ['bob', 'dora']);
finds('by a comparison of real', { ratio: LessThanOrEqual(1.5) }, ['ann', 'bob']);
finds('by boolean', { active: true }, ['ann', 'cleo', 'dora']);
finds('by negated boolean', { active: Not(true) }, ['bob', 'Emil']);
finds('by date', { born: '1984-12-01' }, ['cleo']);
finds('by a range of dates', { born: Between('1970-01-01', '1990-01-01') }, ['bob', 'cleo']);
finds('by time', { wakes: MoreThan('06:30') }, ['cleo', 'dora']);
finds('by a range of timestamps', { seen: And(MoreThanOrEqual(new Date('2024-02-01T00:00:00Z')), LessThan(new Date('2024-04-01T00:00:00Z'))) }, ['bob', 'cleo']);
finds('by uuid', { ref: people[3].ref }, ['dora']);
finds('by bytes', { photo: Equal(Buffer.from([0, 3])) }, ['cleo']);
finds('by inet', { address: '10.0.0.2' }, ['bob']);
finds('by LIKE', { note: Like('likes%') }, ['ann', 'bob']);
finds('by ILIKE', { note: ILike('%coffee') }, ['bob']);
finds('by NOT LIKE', { note: Not(Like('likes%')) }, ['dora']);
finds('by raw SQL', { name: Raw((alias) => `lower(${alias}) = :name`, { name: 'dora' }) }, ['dora']);
finds('NULLs', { note: IsNull() }, ['cleo', 'Emil']);
finds('what is not NULL', { salary: Not(IsNull()), note: Not(IsNull()) }, ['ann', 'bob', 'dora']);
finds('by AND and OR', [{ active: true, visits: 35 }, { name: 'Bob' }], ['bob', 'cleo', 'dora']);
finds('by a field of JSON', { doc: Raw((alias) => `${alias} ->> 'city' = :city`, { city: 'Oslo' }) }, ['ann', 'cleo']);
finds('by containment of JSON', { doc: JsonContains({ city: 'Rome' }) }, ['bob']);
finds('by containment of arrays', { tags: ArrayContains(['blue', 'red']) }, ['ann']);
finds('by being contained in an array', { tags: ArrayContainedBy(['blue', 'green']) }, ['bob', 'cleo']);
finds('by overlap of arrays', { lucky: ArrayOverlap([3, 4]) }, ['bob', 'cleo', 'dora']);
finds('by a related row', { purchases: { paid: true, amount: LessThan(15) } }, ['bob']);

const built = () => persons.createQueryBuilder('p');
const sees = (name, query, expected) =>
    check(name, async () => assert.deepEqual((await query().getRawMany()).map((row) => Object.values(row)), expected));

check('finds by a subquery', async () => {
    const found = await built().where((q) => `p.id IN ${q.subQuery().select('b.person_id').from(Purchase, 'b').where('b.paid = :paid').getQuery()}`)
        .setParameter('paid', true).orderBy('p.id').getMany();
    assert.deepEqual(found.map(({ name, tags }) => [name, tags]), [['Ann', ['red', 'blue']], ['Bob', ['blue']]]);
});

check('finds by EXISTS', async () => {
    const found = await built().whereExists(sold.createQueryBuilder('b').where('b.person_id = p.id').andWhere('NOT b.paid')).orderBy('p.id').getMany();
    assert.deepEqual(found.map(({ name }) => name), ['Ann', 'Dora']);
});

check('tells whether there is a row', async () => {
    assert.deepEqual([await persons.existsBy({ visits: 20, active: false }), await persons.existsBy({ visits: 20, active: true })], [true, false]);
});

check('sorts by text', async () => {
    assert.deepEqual((await persons.find({ select: { name: true }, order: { name: 'ASC' } })).map(({ name }) => name), ['Ann', 'Bob', 'Cleo', 'Dora', 'Émil']);
});

check('sorts downwards, then by another column', async () => {
    assert.deepEqual((await persons.find({ order: { visits: 'DESC', name: 'ASC' } })).map(({ name }) => name), ['Cleo', 'Dora', 'Bob', 'Ann', 'Émil']);
});

check('sorts NULLs last', async () => {
    assert.deepEqual((await persons.find({ order: { salary: { direction: 'DESC', nulls: 'LAST' }, id: 'ASC' } })).map(({ name }) => name),
        ['Dora', 'Bob', 'Ann', 'Cleo', 'Émil']);
});

check('takes and skips', async () => {
    const [found, count] = await persons.findAndCount({ order: { name: 'ASC' }, take: 2, skip: 1 });
    assert.deepEqual([found.map(({ name }) => name), count], [['Bob', 'Cleo'], 5]);
});

check('counts and aggregates', async () => {
    assert.deepEqual([await persons.countBy({ active: true }), await persons.sum('visits'), await persons.average('score'), await persons.minimum('visits'),
        await persons.maximum('visits'), await persons.sum('salary')], [3, 95, 1.25, 0, 35, 8001.25]);
});

sees('removes duplicates', () => built().select('p.visits', 'visits').distinct(true).orderBy('p.visits'), [[0], [5], [20], [35]]);
sees('takes the first of each group', () => built().distinctOn(['p.visits']).select(['p.visits AS visits', 'p.name AS name']).orderBy('p.visits').addOrderBy('p.name', 'DESC'),
    [[0, 'Émil'], [5, 'Ann'], [20, 'Bob'], [35, 'Dora']]);
sees('takes minimum and maximum', () => built().select('min(p.name)', 'a').addSelect('max(p.salary)', 'b').addSelect('max(p.seen)', 'c').addSelect('count(distinct p.visits)', 'd'),
    [['Ann', '4000.25', people[3].seen, '4']]);
sees('groups with a condition', () => built().select('p.visits', 'visits').addSelect('sum(p.salary)', 'total').groupBy('p.visits').having('count(*) > :n', { n: 1 }),
    [[35, '5000.75']]);
sees('joins', () => built().innerJoin('p.purchases', 'b').select(['p.name AS name', 'b.title AS title', 'b.amount AS amount']).where('b.paid').orderBy('b.title'),
    [['Bob', 'Book', '12.00'], ['Ann', 'Tea pot', '19.90']]);
sees('joins with what is missing', () => built().leftJoin('p.purchases', 'b').select('p.name', 'name').addSelect('sum(b.amount)', 'total').groupBy('p.name').orderBy('p.name'),
    [['Ann', '24.00'], ['Bob', '12.00'], ['Cleo', null], ['Dora', '45.50'], ['Émil', null]]);
sees('joins a common table expression', () => source.createQueryBuilder().addCommonTableExpression(built().select(['p.name AS name', 'p.active AS active']).where('p.salary > 1500'), 'rich')
    .select(['rich.name AS name', 'rich.active AS active']).from('rich', 'rich').orderBy('rich.name'), [['Bob', false], ['Dora', true]]);

check('loads related rows', async () => {
    const ann = await persons.findOne({ where: { email: 'ann@example.org' }, relations: { purchases: true }, order: { purchases: { title: 'ASC' } } });
    assert.deepEqual(ann.purchases.map(({ title, amount, paid, at }) => [title, amount, paid, at]),
        [['Cup', '4.10', false, null], ['Tea pot', '19.90', true, new Date('2024-05-01T08:00:00Z')]]);
});

check('loads related rows by a query of their own', async () => {
    const found = await persons.find({ relations: { purchases: true }, relationLoadStrategy: 'query', order: { id: 'ASC' } });
    assert.deepEqual(found.map(({ purchases }) => purchases.length), [2, 1, 0, 1, 0]);
});

check('loads the row that is referred to', async () => {
    const found = await sold.find({ where: { buyer: { active: true } }, relations: { buyer: true }, order: { amount: 'DESC' } });
    assert.deepEqual(found.map(({ title, buyer }) => [title, buyer.name, buyer.visits, buyer.active, buyer.photo]),
        [['Lamp', 'Dora', 35, true, Buffer.from([0, 4])], ['Tea pot', 'Ann', 5, true, Buffer.from([0, 1])], ['Cup', 'Ann', 5, true, Buffer.from([0, 1])]]);
});

check('takes a page with related rows', async () => {
    const found = await persons.find({ relations: { purchases: true }, where: { active: true }, order: { visits: 'DESC', name: 'ASC' }, take: 2, skip: 1 });
    assert.deepEqual(found.map(({ name, purchases }) => [name, purchases.length]), [['Dora', 1], ['Ann', 2]]);
});

check('saves what changed', async () => {
    const ann = await one('ann@example.org');
    Object.assign(ann, { name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null, tags: ['new'] });
    await persons.save(ann);
    assert.deepEqual(pick(await one('ann@example.org'), 'name', 'salary', 'doc', 'seen', 'photo', 'tags', 'version'),
        ['Anna', '1.10', { city: 'Bergen' }, new Date(0), null, ['new'], 2]);
});

check('sees that nothing changed', async () => {
    const ann = await one('ann@example.org');
    await persons.save(ann);
    assert.equal((await one('ann@example.org')).version, 2);
});

check('updates many rows', async () => {
    assert.equal((await persons.update({ active: true }, { note: 'seen' })).affected, 3);
});

check('updates and returns', async () => {
    const { raw } = await built().update().set({ salary: () => 'salary * 2' }).where('email = :email', { email: 'bob@example.org' }).returning(['name', 'salary']).execute();
    assert.deepEqual(raw, [{ name: 'Bob', salary: '4000.00' }]);
});

check('increments and decrements', async () => {
    await persons.increment({ email: 'bob@example.org' }, 'visits', 3);
    await persons.decrement({ email: 'bob@example.org' }, 'points', 1);
    assert.deepEqual(pick(await one('bob@example.org'), 'visits', 'points'), [23, '9007199254740992']);
});

check('commits', async () => {
    await source.transaction((manager) => manager.update(Person, { email: 'cleo@example.org' }, { name: 'Committed' }));
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('rolls back', async () => {
    await assert.rejects(() => source.transaction(async (manager) => {
        await manager.update(Person, { email: 'cleo@example.org' }, { name: 'Lost' });
        throw new Error('changed my mind');
    }), { message: 'changed my mind' });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('goes on after an error, at a savepoint', async () => {
    await source.transaction(async (manager) => {
        await manager.update(Person, { email: 'cleo@example.org' }, { name: 'Saved' });
        assert.equal(await sqlstate(() => manager.transaction((inner) =>
            inner.update(Person, { email: 'cleo@example.org' }, { email: 'bob@example.org' }))), '23505');
    });
    assert.equal((await one('cleo@example.org')).name, 'Saved');
});

check('locks rows', async () => {
    await source.transaction(async (manager) => {
        const bob = await manager.findOne(Person, { where: { email: 'bob@example.org' }, lock: { mode: 'pessimistic_write' } });
        assert.deepEqual(pick(bob, 'name', 'active'), ['Bob', false]);
    });
});

check('repeats a query', async () => {
    await source.transaction(async (manager) => {
        for (let i = 0; i < 12; i++) {
            const { email } = people[2 + i % 2];
            const found = await manager.find(Person, { where: { email, visits: 35 } });
            assert.deepEqual(found.map((row) => pick(row, 'email', 'visits', 'active')), [[email, 35, true]]);
        }
    });
});

check('reads as a stream', async () => {
    let sum = 0;
    for await (const row of await built().select(['p.visits AS visits', 'p.active AS active']).stream()) {
        sum += row.active ? row.visits : 0;
    }
    assert.equal(sum, 75);
});

check('reports a bad value with its SQLSTATE', async () => {
    assert.equal(await sqlstate(() => persons.findBy({ visits: 'many' })), '22P02');
    assert.equal(await sqlstate(() => persons.update({ active: true }, { level: 40000 })), '22003');
});

check('deletes', async () => {
    assert.equal((await sold.delete({ paid: false })).affected, 2);
    await persons.remove(await one('Emil@example.com'));
    assert.equal(await one('Emil@example.com'), null);
});

check('refuses to delete what is referred to', async () => {
    assert.equal(await sqlstate(() => persons.delete({ email: 'bob@example.org' })), '23503');
});

await run(() => source.destroy());
