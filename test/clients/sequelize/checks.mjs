// Sequelize: models, operators, associations, transactions.
import assert from 'node:assert/strict';
import { OptimisticLockError, QueryTypes, UniqueConstraintError, Op, cast, col, fn, json, literal, where } from 'sequelize';
import { columns, nil, nullable, people, purchases, zoe } from '../node/people.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';
import { Person, Purchase, sequelize } from './models.mjs';

const one = (email) => Person.findOne({ where: { email } });
const raw = true;

check('connects', async () => {
    await sequelize.authenticate();
});

check('knows the columns of a table', async () => {
    const table = await sequelize.getQueryInterface().describeTable('person');
    assert.deepEqual(columns.filter((column) => !table[column]), []);
    assert.deepEqual([table.email.allowNull, table.note.allowNull], [false, true]);
});

check('inserts every type and returns the row', async () => {
    const made = await Person.create(zoe);
    assert.deepEqual([made.email, made.visits, made.version, made.photo], [zoe.email, zoe.visits, 0, zoe.photo]);
});

for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        assert.deepEqual((await one(zoe.email))[column], zoe[column]);
    });
}

check('inserts NULLs and takes defaults', async () => {
    await Person.create(nil);
    const made = await one(nil.email);
    for (const column of nullable) {
        assert.equal(made[column], null, column);
    }
    assert.deepEqual([made.visits, made.active], [0, true]);
});

check('refuses NULL where it is not allowed', async () => {
    assert.equal(await sqlstate(() => Person.create({ email: 'x@x', name: null }, { validate: false })), '23502');
});

check('inserts in bulk', async () => {
    const made = await Person.bulkCreate([
        { email: 'm1@example.org', name: 'M1', visits: 1, photo: Buffer.from([1]), tags: ['a', 'b'] },
        { email: 'm2@example.org', name: 'M2', active: false }
    ], { returning: true });
    assert.deepEqual(made.map(({ name, visits, active, photo, tags }) => ({ name, visits, active, photo, tags })), [
        { name: 'M1', visits: 1, active: true, photo: Buffer.from([1]), tags: ['a', 'b'] },
        { name: 'M2', visits: 0, active: false, photo: null, tags: null }
    ]);
});

check('reports a duplicate as a unique violation', async () => {
    await assert.rejects(() => Person.create(zoe), (error) =>
        error instanceof UniqueConstraintError && error.parent.code === '23505' && error.parent.constraint === 'person_email_key');
});

check('inserts or updates', async () => {
    const upsert = async (values) => (await Person.upsert(values, { conflictFields: ['email'], fields: ['name', 'visits'], returning: true }))[0];
    const [a, b] = [await upsert({ email: 'up@example.org', name: 'First', visits: 3 }), await upsert({ email: 'up@example.org', name: 'Second', visits: 4 })];
    assert.deepEqual([a.name, a.visits, b.name, b.visits, a.id === b.id], ['First', 3, 'Second', 4, true]);
});

check('inserts in bulk and updates duplicates', async () => {
    await Person.bulkCreate([{ email: 'up@example.org', name: 'Third', visits: 5 }, { email: 'up2@example.org', name: 'New' }],
        { updateOnDuplicate: ['name', 'visits'], conflictAttributes: ['email'] });
    assert.deepEqual([(await one('up@example.org')).visits, (await one('up2@example.org')).name], [5, 'New']);
});

check('inserts in bulk and ignores duplicates', async () => {
    await Person.bulkCreate([{ email: 'up@example.org', name: 'No' }], { ignoreDuplicates: true });
    assert.equal((await one('up@example.org')).name, 'Third');
});

check('finds or creates', async () => {
    const [a, made] = await Person.findOrCreate({ where: { email: 'found@example.org' }, defaults: { name: 'Made', visits: 1 } });
    const [b, again] = await Person.findOrCreate({ where: { email: 'found@example.org' }, defaults: { name: 'Not' } });
    assert.deepEqual([a.name, made, b.name, b.visits, again], ['Made', true, 'Made', 1, false]);
});

check('starts from known rows', async () => {
    await sequelize.transaction(async (transaction) => {
        await Purchase.destroy({ where: {}, transaction });
        await Person.destroy({ where: {}, transaction });
        for (const values of people) {
            await Person.create({ ...values, purchases: purchases.filter(({ buyer }) => buyer === values.email).map(({ buyer, ...rest }) => rest) },
                { include: ['purchases'], transaction });
        }
    });
});

const finds = (name, where, expected) =>
    check(`finds ${name}`, async () => {
        const found = await Person.findAll({ where, order: ['id'] });
        assert.deepEqual(found.map(({ email }) => email.split('@')[0]), expected);
    });

finds('by equality of text', { email: 'bob@example.org' }, ['bob']);
finds('nothing where nothing is', { email: 'nobody@example.org' }, []);
finds('by several columns', { visits: 35, active: true, level: 2 }, ['cleo']);
finds('by inequality', { name: { [Op.ne]: 'Bob' } }, ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', { email: ['ann@example.org', 'dora@example.com', 'no'] }, ['ann', 'dora']);
finds('by what is not in a list', { visits: { [Op.notIn]: [35, 5] } }, ['bob', 'Emil']);
finds('by a range of integers', { visits: { [Op.between]: [5, 20] } }, ['ann', 'bob']);
finds('outside of a range of integers', { visits: { [Op.notBetween]: [5, 20] } }, ['cleo', 'dora', 'Emil']);
finds('by a comparison of text', { name: { [Op.gte]: 'Cleo' } }, ['cleo', 'dora', 'Emil']);
finds('by a bigint', { points: '9007199254740993' }, ['bob']);
finds('by a smallint', { level: 2 }, ['bob', 'cleo']);
finds('by equality of numeric', { salary: '1000.5' }, ['ann', 'cleo']);
finds('by equality of numeric and a number', { salary: 1000.5 }, ['ann', 'cleo']);
finds('by a comparison of numeric', { salary: { [Op.gt]: 1500.25 } }, ['bob', 'dora']);
finds('by a comparison of double precision', { score: { [Op.gt]: 1.75 } }, ['bob', 'dora']);
finds('by boolean', { active: true }, ['ann', 'cleo', 'dora']);
finds('by IS FALSE', { active: { [Op.is]: false } }, ['bob', 'Emil']);
finds('by negated boolean', { active: { [Op.not]: true } }, ['bob', 'Emil']);
finds('by date', { born: '1984-12-01' }, ['cleo']);
finds('by a range of dates', { born: { [Op.between]: ['1970-01-01', '1990-01-01'] } }, ['bob', 'cleo']);
finds('by time', { wakes: { [Op.gt]: '06:30' } }, ['cleo', 'dora']);
finds('by a range of timestamps', { seen: { [Op.gte]: new Date('2024-02-01T00:00:00Z'), [Op.lt]: new Date('2024-04-01T00:00:00Z') } }, ['bob', 'cleo']);
finds('by uuid', { ref: people[3].ref }, ['dora']);
finds('by bytes', { photo: Buffer.from([0, 3]) }, ['cleo']);
finds('by inet', { address: '10.0.0.2' }, ['bob']);
finds('by LIKE', { note: { [Op.like]: 'likes%' } }, ['ann', 'bob']);
finds('by ILIKE', { note: { [Op.iLike]: '%coffee' } }, ['bob']);
finds('by LIKE with any of a list', { note: { [Op.like]: { [Op.any]: ['%tea', '%COFFEE'] } } }, ['ann', 'bob']);
finds('by the beginning', { name: { [Op.startsWith]: 'Cl' } }, ['cleo']);
finds('by a substring', { note: { [Op.substring]: '100%' } }, ['dora']);
finds('by a regular expression', { name: { [Op.iRegexp]: '^[ab]' } }, ['ann', 'bob']);
finds('by a function', where(fn('lower', col('name')), 'dora'), ['dora']);
finds('NULLs', { note: null }, ['cleo', 'Emil']);
finds('what is not NULL', { salary: { [Op.ne]: null }, note: { [Op.not]: null } }, ['ann', 'bob', 'dora']);
finds('by AND and OR', { [Op.or]: [{ active: true, visits: 35 }, { name: 'Bob' }] }, ['bob', 'cleo', 'dora']);
finds('by a field of JSON', { 'doc.city': 'Oslo' }, ['ann', 'cleo']);
finds('by a number in JSON', { doc: { n: { [Op.gt]: 2 } } }, ['cleo', 'dora']);
finds('by containment of JSON', { doc: { [Op.contains]: { city: 'Rome' } } }, ['bob']);
finds('by json()', where(json('doc.city'), 'Kyiv'), ['dora']);
finds('by containment of arrays', { tags: { [Op.contains]: ['blue', 'red'] } }, ['ann']);
finds('by being contained in an array', { tags: { [Op.contained]: ['blue', 'green'] } }, ['bob', 'cleo']);
finds('by overlap of arrays', { lucky: { [Op.overlap]: [3, 4] } }, ['bob', 'cleo', 'dora']);
finds('by a comparison of columns', { level: { [Op.lt]: col('visits') } }, ['ann', 'bob', 'cleo', 'dora']);
finds('by a subquery', { id: { [Op.in]: literal('(SELECT person_id FROM purchase WHERE paid AND amount < 15)') } }, ['bob']);
finds('by a scalar subquery', { salary: { [Op.gt]: literal('(SELECT avg(salary) FROM person)') } }, ['dora']);

const sees = (name, options, expected) =>
    check(name, async () => assert.deepEqual((await Person.findAll({ raw, ...options })).map((row) => Object.values(row)), expected));

sees('sorts by text', { attributes: ['name'], order: ['name'] }, [['Ann'], ['Bob'], ['Cleo'], ['Dora'], ['Émil']]);
sees('sorts downwards, then by another column', { attributes: ['name'], order: [['visits', 'DESC'], 'name'] },
    [['Cleo'], ['Dora'], ['Bob'], ['Ann'], ['Émil']]);
sees('sorts NULLs last', { attributes: ['name'], order: [['salary', 'DESC NULLS LAST'], 'id'] },
    [['Dora'], ['Bob'], ['Ann'], ['Cleo'], ['Émil']]);
sees('limits and skips', { attributes: ['name'], order: ['name'], limit: 2, offset: 1 }, [['Bob'], ['Cleo']]);
sees('removes duplicates', { attributes: [[fn('DISTINCT', col('visits')), 'visits']], order: ['visits'] }, [[0], [5], [20], [35]]);
sees('groups', { attributes: ['visits', [fn('count', '*'), 'n']], group: 'visits', order: ['visits'] }, [[0, '1'], [5, '1'], [20, '1'], [35, '2']]);
sees('groups with a condition', { attributes: ['visits', [fn('sum', col('salary')), 'total']], group: 'visits', having: where(fn('count', literal('*')), Op.gt, 1) },
    [[35, '5000.75']]);
sees('computes', { attributes: [[literal('visits + 1'), 'a'], [fn('upper', col('name')), 'b'], [cast(col('salary'), 'text'), 'c']], where: { name: 'Ann' } },
    [[6, 'ANN', '1000.50']]);

check('counts', async () => {
    assert.deepEqual([await Person.count(), await Person.count({ col: 'note' }), await Person.count({ col: 'visits', distinct: true }),
        await Person.count({ where: { active: true } })], [5, 3, 4, 3]);
});

check('aggregates', async () => {
    assert.deepEqual([await Person.sum('visits'), await Person.sum('salary'), await Person.min('name'), await Person.max('visits'),
        await Person.max('salary'), await Person.max('seen'), await Person.aggregate('score', 'avg', { dataType: 'float' })],
    [95, 8001.25, 'Ann', 35, 4000.25, people[3].seen, 1.25]);
});

check('finds and counts', async () => {
    const { count, rows } = await Person.findAndCountAll({ where: { active: true }, order: [['name', 'DESC']], limit: 1 });
    assert.deepEqual([count, rows.map(({ name }) => name)], [3, ['Dora']]);
});

check('loads related rows', async () => {
    const ann = await Person.findOne({ where: { email: 'ann@example.org' }, include: 'purchases', order: [['purchases', 'title', 'ASC']] });
    assert.deepEqual(ann.purchases.map(({ title, amount, paid, at }) => [title, amount, paid, at]),
        [['Cup', '4.10', false, null], ['Tea pot', '19.90', true, new Date('2024-05-01T08:00:00Z')]]);
});

check('loads related rows by a query of their own', async () => {
    const found = await Person.findAll({ include: { association: 'purchases', separate: true, order: ['title'] }, order: ['id'] });
    assert.deepEqual(found.map(({ purchases }) => purchases.length), [2, 1, 0, 1, 0]);
});

check('loads the row that is referred to', async () => {
    const found = await Purchase.findAll({ include: { association: 'buyer', where: { active: true } }, order: [['amount', 'DESC']] });
    assert.deepEqual(found.map(({ title, buyer }) => [title, buyer.name, buyer.visits, buyer.active]),
        [['Lamp', 'Dora', 35, true], ['Tea pot', 'Ann', 5, true], ['Cup', 'Ann', 5, true]]);
});

check('filters and limits by related rows', async () => {
    const found = await Person.findAll({ where: { '$purchases.paid$': true }, include: { association: 'purchases', duplicating: false }, order: ['name'], limit: 5 });
    assert.deepEqual(found.map(({ name, purchases }) => [name, purchases.length]), [['Ann', 1], ['Bob', 1]]);
});

check('updates what changed', async () => {
    const ann = await one('ann@example.org');
    await ann.update({ name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null, tags: ['new'] });
    await ann.reload();
    assert.deepEqual([ann.name, ann.salary, ann.doc, ann.seen, ann.photo, ann.tags, ann.version],
        ['Anna', '1.10', { city: 'Bergen' }, new Date(0), null, ['new'], 1]);
});

check('finds out a concurrent update by version', async () => {
    const [a, b] = [await one('ann@example.org'), await one('ann@example.org')];
    await a.update({ visits: 6 });
    await assert.rejects(() => b.update({ visits: 7 }), OptimisticLockError);
});

check('updates many rows', async () => {
    const [count, rows] = await Person.update({ note: 'seen' }, { where: { active: true }, returning: true });
    assert.deepEqual([count, rows.map(({ note, active }) => [note, active])], [3, [['seen', true], ['seen', true], ['seen', true]]]);
});

check('increments and decrements', async () => {
    const bob = await one('bob@example.org');
    await bob.increment({ visits: 3, points: 1 });
    await Person.decrement('visits', { by: 1, where: { email: 'bob@example.org' } });
    await bob.reload();
    assert.deepEqual([bob.visits, bob.points], [22, '9007199254740994']);
});

check('updates by an expression', async () => {
    await Person.update({ salary: literal('salary * 2'), name: fn('upper', col('name')) }, { where: { email: 'bob@example.org' } });
    const bob = await one('bob@example.org');
    assert.deepEqual([bob.name, bob.salary], ['BOB', '4000.00']);
});

check('commits', async () => {
    await sequelize.transaction(async (transaction) => {
        await Person.update({ name: 'Committed' }, { where: { email: 'cleo@example.org' }, transaction });
    });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('rolls back', async () => {
    await assert.rejects(() => sequelize.transaction(async (transaction) => {
        await Person.update({ name: 'Lost' }, { where: { email: 'cleo@example.org' }, transaction });
        throw new Error('changed my mind');
    }), { message: 'changed my mind' });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('goes on after an error, at a savepoint', async () => {
    await sequelize.transaction(async (transaction) => {
        await Person.update({ name: 'Saved' }, { where: { email: 'cleo@example.org' }, transaction });
        assert.equal(await sqlstate(() => sequelize.transaction({ transaction }, (inner) =>
            Person.update({ email: 'bob@example.org' }, { where: { email: 'cleo@example.org' }, transaction: inner }))), '23505');
    });
    assert.equal((await one('cleo@example.org')).name, 'Saved');
});

check('locks rows', async () => {
    await sequelize.transaction(async (transaction) => {
        const bob = await Person.findOne({ where: { email: 'bob@example.org' }, lock: transaction.LOCK.UPDATE, transaction });
        assert.deepEqual([bob.name, bob.active], ['BOB', false]);
    });
});

check('repeats a query', async () => {
    await sequelize.transaction(async (transaction) => {
        for (let i = 0; i < 12; i++) {
            const { email } = people[2 + i % 2];
            assert.deepEqual(await Person.findAll({ attributes: ['email', 'visits', 'active'], where: { email, visits: 35 }, raw, transaction }),
                [{ email, visits: 35, active: true }]);
        }
    });
});

check('binds and replaces in SQL', async () => {
    assert.deepEqual(await sequelize.query('SELECT visits, active, tags FROM person WHERE email = $1 AND points = $2',
        { bind: ['bob@example.org', '9007199254740994'], type: QueryTypes.SELECT }), [{ visits: 22, active: false, tags: ['blue'] }]);
    assert.deepEqual(await sequelize.query('SELECT visits, active FROM person WHERE email IN (:emails) AND visits > :n',
        { replacements: { emails: ['bob@example.org', 'no'], n: 3 }, type: QueryTypes.SELECT }), [{ visits: 22, active: false }]);
});

check('reports a bad value with its SQLSTATE', async () => {
    assert.equal(await sqlstate(() => sequelize.query('SELECT FROM person WHERE visits = $1', { bind: ['many'] })), '22P02');
    assert.equal(await sqlstate(() => sequelize.query('UPDATE person SET level = 40000')), '22003');
});

check('deletes', async () => {
    assert.equal(await Purchase.destroy({ where: { paid: false } }), 2);
    await (await one('Emil@example.com')).destroy();
    assert.equal(await one('Emil@example.com'), null);
});

check('refuses to delete what is referred to', async () => {
    assert.equal(await sqlstate(() => Person.destroy({ where: { email: 'bob@example.org' } })), '23503');
});

await run(() => sequelize.close());
