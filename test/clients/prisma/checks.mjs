// Prisma: the generated client, on node-postgres by its adapter.
import assert from 'node:assert/strict';
import { PrismaPg } from '@prisma/adapter-pg';
import generated from './generated/index.js';
import { columns, nil, nullable, people as rows, purchases, zoe as row } from '../node/people.mjs';
import { check, run } from '../node/tap.mjs';

const { Prisma, PrismaClient } = generated;
const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
const prisma = new PrismaClient({
    adapter: new PrismaPg({ host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD, database: PGDATABASE, max: 4 }),
    errorFormat: 'minimal'
});
const { person, purchase } = prisma;

// Times and dates are written as Date, int8 as bigint, numeric as text.
const date = (text) => text && new Date(`${text}T00:00:00Z`);
const time = (text) => text && new Date(`1970-01-01T${text}Z`);
const prepared = (one) => ({
    ...one, points: one.points && BigInt(one.points), born: date(one.born), wakes: time(one.wakes), doc: one.doc ?? Prisma.DbNull,
    photo: one.photo && new Uint8Array(one.photo), tags: one.tags ?? [], lucky: one.lucky ?? []
});
const zoe = { ...prepared(row), wakes: time('06:30:15.250') };
const people = rows.map(prepared);
const one = (email) => person.findUnique({ where: { email } });
// Longer numbers than the client's own type prints as it got them.
const text = (value) => value instanceof Prisma.Decimal ? value.toFixed() : value;
const plain = (object) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, text(value)]));

check('connects', async () => {
    assert.deepEqual(await prisma.$queryRaw`SELECT current_user::text AS name`, [{ name: 'app' }]);
});

check('inserts every type and returns the row', async () => {
    const made = await person.create({ data: zoe });
    assert.deepEqual([made.email, made.visits, made.version, typeof made.id], [zoe.email, zoe.visits, 0, 'bigint']);
});

for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        const value = (await one(zoe.email))[column];
        assert.equal(value instanceof Prisma.Decimal, column === 'salary');
        assert.deepEqual(text(value), zoe[column]);
    });
}

check('inserts NULLs and takes defaults', async () => {
    const made = await person.create({ data: nil });
    for (const column of nullable) {
        assert.deepEqual(made[column], column === 'tags' || column === 'lucky' ? [] : null, column);
    }
    assert.deepEqual([made.visits, made.active], [0, true]);
});

check('inserts many rows', async () => {
    const made = await person.createManyAndReturn({
        data: [{ email: 'm1@example.org', name: 'M1', visits: 1, photo: new Uint8Array([1]) }, { email: 'm2@example.org', name: 'M2', active: false }],
        select: { name: true, visits: true, active: true, photo: true }
    });
    assert.deepEqual(made, [
        { name: 'M1', visits: 1, active: true, photo: new Uint8Array([1]) },
        { name: 'M2', visits: 0, active: false, photo: null }
    ]);
});

const violates = (call) => assert.rejects(call, (error) =>
    error.code === 'P2002' && error.meta.driverAdapterError.cause.originalCode === '23505');

check('reports a duplicate as a unique violation', async () => {
    await violates(() => person.create({ data: zoe }));
});

check('skips duplicates', async () => {
    const { count } = await person.createMany({ data: [{ email: 'm1@example.org', name: 'No' }, { email: 'm3@example.org', name: 'M3' }], skipDuplicates: true });
    assert.equal(count, 1);
});

check('inserts or updates', async () => {
    const upsert = (name, visits) => person.upsert({
        where: { email: 'up@example.org' }, create: { email: 'up@example.org', name, visits }, update: { name, visits: { increment: visits } },
        select: { name: true, visits: true }
    });
    assert.deepEqual(await upsert('First', 3), { name: 'First', visits: 3 });
    assert.deepEqual(await upsert('Second', 4), { name: 'Second', visits: 7 });
});

check('starts from known rows', async () => {
    await prisma.$transaction([
        purchase.deleteMany(),
        person.deleteMany(),
        ...people.map((data) => person.create({
            data: { ...data, purchases: { create: purchases.filter(({ buyer }) => buyer === data.email).map(({ buyer, ...rest }) => rest) } }
        }))
    ]);
});

const finds = (name, where, expected) =>
    check(`finds ${name}`, async () => {
        const found = await person.findMany({ where, orderBy: { id: 'asc' } });
        assert.deepEqual(found.map(({ email }) => email.split('@')[0]), expected);
    });

finds('by equality of text', { email: 'bob@example.org' }, ['bob']);
finds('nothing where nothing is', { email: 'nobody@example.org' }, []);
finds('by several columns', { visits: 35, active: true, level: 2 }, ['cleo']);
finds('by inequality', { name: { not: 'Bob' } }, ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', { email: { in: ['ann@example.org', 'dora@example.com', 'no'] } }, ['ann', 'dora']);
finds('by what is not in a list', { visits: { notIn: [35, 5] } }, ['bob', 'Emil']);
finds('by an integer', { visits: 35 }, ['cleo', 'dora']);
finds('by a range of integers', { visits: { gte: 5, lte: 20 } }, ['ann', 'bob']);
finds('by a comparison of text', { name: { gte: 'Cleo' } }, ['cleo', 'dora', 'Emil']);
finds('by a bigint', { points: 9007199254740993n }, ['bob']);
finds('by a smallint', { level: 2 }, ['bob', 'cleo']);
finds('by equality of numeric', { salary: '1000.5' }, ['ann', 'cleo']);
finds('by a comparison of numeric', { salary: { gt: new Prisma.Decimal('1500.25') } }, ['bob', 'dora']);
finds('by a list of numeric', { salary: { in: [2000, '4000.25'] } }, ['bob', 'dora']);
finds('by a comparison of double precision', { score: { gt: 1.75 } }, ['bob', 'dora']);
finds('by a comparison of real', { ratio: { lte: 1.5 } }, ['ann', 'bob']);
finds('by boolean', { active: true }, ['ann', 'cleo', 'dora']);
finds('by negated boolean', { NOT: { active: true } }, ['bob', 'Emil']);
finds('by date', { born: date('1984-12-01') }, ['cleo']);
finds('by a range of dates', { born: { gte: date('1970-01-01'), lt: date('1990-01-01') } }, ['bob', 'cleo']);
finds('by time', { wakes: { gt: time('06:30:00') } }, ['cleo', 'dora']);
finds('by a range of timestamps', { seen: { gte: new Date('2024-02-01T00:00:00Z'), lt: new Date('2024-04-01T00:00:00Z') } }, ['bob', 'cleo']);
finds('by a timestamp without time zone', { local: new Date('2024-03-01T11:00:00Z') }, ['cleo']);
finds('by uuid', { ref: people[3].ref }, ['dora']);
finds('by a list of uuids', { ref: { in: [people[3].ref, people[0].ref] } }, ['ann', 'dora']);
finds('by bytes', { photo: new Uint8Array([0, 3]) }, ['cleo']);
finds('by inet', { address: '10.0.0.2' }, ['bob']);
finds('by the beginning', { note: { startsWith: 'likes' } }, ['ann', 'bob']);
finds('by the end in any case', { note: { endsWith: 'coffee', mode: 'insensitive' } }, ['bob']);
finds('by a substring', { note: { contains: 'tea' } }, ['ann', 'dora']);
finds('by equality in any case', { email: { equals: 'EMIL@example.com', mode: 'insensitive' } }, ['Emil']);
finds('NULLs', { note: null }, ['cleo', 'Emil']);
finds('what is not NULL', { salary: { not: null }, note: { not: null } }, ['ann', 'bob', 'dora']);
finds('by AND, OR and NOT', { OR: [{ AND: [{ active: true }, { NOT: { visits: 5 } }] }, { name: 'Bob' }] }, ['bob', 'cleo', 'dora']);
finds('by a field of JSON', { doc: { path: ['city'], equals: 'Oslo' } }, ['ann', 'cleo']);
finds('by a number in JSON', { doc: { path: ['n'], gt: 2 } }, ['cleo', 'dora']);
finds('by the beginning of a field of JSON', { doc: { path: ['city'], string_starts_with: 'Ro' } }, ['bob']);
finds('by an array in JSON', { doc: { path: ['tags'], array_contains: ['x'] } }, ['dora']);
finds('by equality of JSON', { doc: { equals: { n: 2, city: 'Rome' } } }, ['bob']);
finds('NULLs of JSON', { doc: { equals: Prisma.DbNull } }, ['Emil']);
finds('by an element of an array', { tags: { has: 'red' } }, ['ann', 'dora']);
finds('by containment of arrays', { tags: { hasEvery: ['blue', 'red'] } }, ['ann']);
finds('by overlap of arrays', { lucky: { hasSome: [3, 4] } }, ['bob', 'cleo', 'dora']);
finds('by equality of arrays', { lucky: { equals: [1, 3] } }, ['cleo']);
finds('by emptiness of arrays', { tags: { isEmpty: true } }, ['cleo', 'Emil']);
finds('by any related row', { purchases: { some: { paid: true, amount: { lt: 15 } } } }, ['bob']);
finds('by no related row', { purchases: { none: {} } }, ['cleo', 'Emil']);
finds('by every related row', { purchases: { every: { paid: true } } }, ['bob', 'cleo', 'Emil']);
finds('by a comparison of columns', { visits: { gt: person.fields.version } }, ['ann', 'bob', 'cleo', 'dora']);

const sees = (name, options, expected) =>
    check(name, async () => assert.deepEqual((await person.findMany(options)).map((found) => Object.values(plain(found))), expected));
const select = { name: true };

sees('sorts by text', { select, orderBy: { name: 'asc' } }, [['Ann'], ['Bob'], ['Cleo'], ['Dora'], ['Émil']]);
sees('sorts downwards, then by another column', { select, orderBy: [{ visits: 'desc' }, { name: 'asc' }] }, [['Cleo'], ['Dora'], ['Bob'], ['Ann'], ['Émil']]);
sees('sorts NULLs last', { select, orderBy: [{ salary: { sort: 'desc', nulls: 'last' } }, { id: 'asc' }] }, [['Dora'], ['Bob'], ['Ann'], ['Cleo'], ['Émil']]);
sees('sorts by the number of related rows', { select, orderBy: [{ purchases: { _count: 'desc' } }, { name: 'asc' }] },
    [['Ann'], ['Bob'], ['Dora'], ['Cleo'], ['Émil']]);
sees('takes and skips', { select, orderBy: { name: 'asc' }, take: 2, skip: 1 }, [['Bob'], ['Cleo']]);
sees('goes on after a row', { select, orderBy: { name: 'asc' }, cursor: { email: 'bob@example.org' }, skip: 1, take: 2 }, [['Cleo'], ['Dora']]);
sees('removes duplicates', { select: { visits: true }, distinct: ['visits'], orderBy: { visits: 'asc' } }, [[0], [5], [20], [35]]);

check('counts', async () => {
    assert.deepEqual([await person.count(), await person.count({ where: { active: true } }), await person.count({ select: { _all: true, note: true } })],
        [5, 3, { _all: 5, note: 3 }]);
});

check('aggregates', async () => {
    const { _sum, _avg, _min, _max } = await person.aggregate({
        _sum: { visits: true, salary: true, points: true, score: true }, _avg: { visits: true, score: true, salary: true },
        _min: { name: true, visits: true, born: true }, _max: { name: true, salary: true, seen: true }
    });
    assert.deepEqual(plain(_sum), { visits: 95, salary: '8001.25', points: 9007199254741073n, score: 5 });
    assert.deepEqual(plain(_avg), { visits: 19, score: 1.25, salary: '2000.3125' });
    assert.deepEqual(_min, { name: 'Ann', visits: 0, born: date('1960-01-15') });
    assert.deepEqual(plain(_max), { name: 'Émil', salary: '4000.25', seen: people[3].seen });
});

check('groups', async () => {
    assert.deepEqual(await person.groupBy({ by: 'visits', _count: true, orderBy: { visits: 'asc' } }),
        [{ visits: 0, _count: 1 }, { visits: 5, _count: 1 }, { visits: 20, _count: 1 }, { visits: 35, _count: 2 }]);
});

check('groups with a condition', async () => {
    const [found, ...more] = await person.groupBy({ by: ['visits', 'active'], _sum: { salary: true }, having: { visits: { _count: { gt: 1 } } } });
    assert.deepEqual([found.visits, found.active, text(found._sum.salary), more], [35, true, '5000.75', []]);
});

check('loads related rows', async () => {
    const ann = await person.findUnique({ where: { email: 'ann@example.org' }, include: { purchases: { orderBy: { title: 'asc' } } } });
    assert.deepEqual(ann.purchases.map(({ title, amount, paid, at }) => [title, text(amount), paid, at]),
        [['Cup', '4.1', false, null], ['Tea pot', '19.9', true, new Date('2024-05-01T08:00:00Z')]]);
});

check('loads related rows of many', async () => {
    const found = await person.findMany({ select: { name: true, _count: { select: { purchases: true } }, purchases: { where: { paid: true } } }, orderBy: { id: 'asc' } });
    assert.deepEqual(found.map(({ name, purchases, _count }) => [name, purchases.length, _count.purchases]),
        [['Ann', 1, 2], ['Bob', 1, 1], ['Cleo', 0, 0], ['Dora', 0, 1], ['Émil', 0, 0]]);
});

check('loads the row that is referred to', async () => {
    const found = await purchase.findMany({ where: { buyer: { is: { active: true } } }, include: { buyer: true }, orderBy: { amount: 'desc' } });
    assert.deepEqual(found.map(({ title, buyer }) => [title, buyer.name, buyer.visits, buyer.active, buyer.photo]),
        [['Lamp', 'Dora', 35, true, people[3].photo], ['Tea pot', 'Ann', 5, true, people[0].photo], ['Cup', 'Ann', 5, true, people[0].photo]]);
});

check('updates one row', async () => {
    const made = await person.update({
        where: { email: 'ann@example.org' },
        data: { name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0), photo: null, tags: { push: 'new' } },
        select: { name: true, salary: true, doc: true, seen: true, photo: true, tags: true }
    });
    assert.deepEqual(plain(made), { name: 'Anna', salary: '1.1', doc: { city: 'Bergen' }, seen: new Date(0), photo: null, tags: ['red', 'blue', 'new'] });
});

check('updates many rows', async () => {
    assert.equal((await person.updateMany({ where: { active: true }, data: { note: 'seen' } })).count, 3);
});

check('updates many rows and returns them', async () => {
    assert.deepEqual(await person.updateManyAndReturn({ where: { visits: 35 }, data: { level: 9 }, select: { level: true, note: true, active: true } }),
        [{ level: 9, note: 'seen', active: true }, { level: 9, note: 'seen', active: true }]);
});

check('increments, decrements and multiplies', async () => {
    const made = await person.update({
        where: { email: 'bob@example.org' }, data: { visits: { increment: 2 }, points: { decrement: 1 }, salary: { multiply: 2 }, score: { divide: 2 } },
        select: { visits: true, points: true, salary: true, score: true }
    });
    assert.deepEqual(plain(made), { visits: 22, points: 9007199254740992n, salary: '4000', score: 1.25 });
});

check('connects rows and creates what is missing', async () => {
    const make = (email, name) => purchase.create({
        data: { title: 'Gift', amount: 1, buyer: { connectOrCreate: { where: { email }, create: { email, name } } } }, include: { buyer: true }
    });
    assert.equal((await make('bob@example.org', 'No')).buyer.visits, 22);
    assert.equal((await make('new@example.org', 'New')).buyer.name, 'New');
});

check('commits', async () => {
    await prisma.$transaction(async (tx) => {
        await tx.person.update({ where: { email: 'cleo@example.org' }, data: { name: 'Committed' } });
        assert.equal((await tx.person.findUnique({ where: { email: 'cleo@example.org' } })).name, 'Committed');
    });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('rolls back', async () => {
    await assert.rejects(() => prisma.$transaction(async (tx) => {
        await tx.person.update({ where: { email: 'cleo@example.org' }, data: { name: 'Lost' } });
        throw new Error('changed my mind');
    }), { message: 'changed my mind' });
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('rolls back what violates uniqueness', async () => {
    await violates(() => prisma.$transaction([
        person.update({ where: { email: 'cleo@example.org' }, data: { name: 'Lost' } }),
        person.update({ where: { email: 'cleo@example.org' }, data: { email: 'bob@example.org' } })
    ]));
    assert.equal((await one('cleo@example.org')).name, 'Committed');
});

check('repeats a query', async () => {
    await prisma.$transaction(async (tx) => {
        for (let i = 0; i < 12; i++) {
            const { email } = people[2 + i % 2];
            assert.deepEqual(await tx.person.findMany({ where: { email, visits: 35 }, select: { email: true, visits: true, active: true } }),
                [{ email, visits: 35, active: true }]);
        }
    });
});

check('reads by SQL', async () => {
    const found = await prisma.$queryRaw`SELECT visits, active, points, salary, seen, photo, tags, doc FROM person
        WHERE email = ${'dora@example.com'} AND visits IN (${Prisma.join([35, 36])})`;
    const { points, seen, photo, tags, doc } = people[3];
    assert.deepEqual(found.map(plain), [{ visits: 35, active: true, points, salary: '4000.25', seen, photo, tags, doc }]);
});

check('writes by SQL', async () => {
    assert.equal(await prisma.$executeRaw`UPDATE person SET visits = visits + ${1}, seen = ${new Date(0)} WHERE email = ${'dora@example.com'} AND active = ${true}`, 1);
    assert.equal((await one('dora@example.com')).visits, 36);
});

check('reports a bad value with its SQLSTATE', async () => {
    await assert.rejects(() => prisma.$executeRaw`UPDATE person SET level = ${40000}`, (error) =>
        error.code === 'P2010' && JSON.stringify(error.meta).includes('22003'));
});

check('deletes one row and returns it', async () => {
    const { name, visits, active, doc } = await person.delete({ where: { email: 'Emil@example.com' } });
    assert.deepEqual([name, visits, active, doc], ['Émil', 0, false, null]);
});

check('deletes many rows', async () => {
    assert.equal((await purchase.deleteMany({ where: { OR: [{ paid: false }, { amount: { lt: 13 } }] } })).count, 5);
});

check('refuses to delete what is referred to', async () => {
    await assert.rejects(() => person.delete({ where: { email: 'ann@example.org' } }), { code: 'P2003' });
});

await run(() => prisma.$disconnect());
