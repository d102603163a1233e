// postgres.js: tagged templates, helpers for rows and lists, pipelined queries.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { columns, nil, nullable, people, purchases, zoe } from '../node/people.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const sql = postgres({ max: 4, onnotice: () => {} });

const emails = async (where) =>
    (await sql`SELECT email FROM person WHERE ${where} ORDER BY id`).map((row) => row.email.split('@')[0]);

check('connects', async () => {
    assert.deepEqual([...await sql`SELECT current_user AS name`], [{ name: 'app' }]);
});

check('inserts every type and returns the row', async () => {
    const [row] = await sql`INSERT INTO person ${sql(zoe, ...columns)} RETURNING *`;
    assert.equal(row.email, zoe.email);
    assert.equal(row.visits, zoe.visits);
    assert.equal(row.version, 0);
});

const typed = { ...zoe, born: new Date('1961-03-04') };
for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        const [row] = await sql`SELECT ${sql(column)} FROM person WHERE email = ${zoe.email}`;
        assert.deepEqual(row[column], typed[column]);
    });
}

check('describes a query', async () => {
    const { types, columns } = await sql`SELECT name, salary FROM person
        WHERE visits = ${0} AND born > ${new Date()} AND doc @> ${{}} AND ref = ${zoe.ref} AND salary < ${1}`.describe();
    // of a Date the client itself says that it is a timestamptz
    assert.deepEqual(types, [23, 1184, 3802, 2950, 1700]);
    assert.deepEqual(columns.map((column) => column.type), [25, 1700]);
});

check('announces the types of all columns', async () => {
    const { columns } = await sql`SELECT * FROM person LIMIT 0`;
    assert.deepEqual(columns.map((column) => column.type),
        [20, 25, 25, 25, 21, 23, 20, 1700, 701, 700, 16, 1082, 1083, 1184, 1114, 2950, 3802, 17, 869, 1009, 1007, 1184, 23]);
});

check('inserts NULLs', async () => {
    const [row] = await sql`INSERT INTO person ${sql({ ...Object.fromEntries(nullable.map((column) => [column, null])), ...nil })} RETURNING *`;
    for (const column of nullable) {
        assert.equal(row[column], null, column);
    }
    assert.deepEqual([row.visits, row.active], [0, true]);
});

check('refuses NULL where it is not allowed', async () => {
    assert.equal(await sqlstate(() => sql`INSERT INTO person (email, name) VALUES (${'x@x'}, ${null})`), '23502');
});

check('inserts a list of rows', async () => {
    const made = await sql`INSERT INTO person ${sql([
        { email: 'm1@example.org', name: 'M1', visits: 1, active: true, photo: Buffer.from([1]) },
        { email: 'm2@example.org', name: 'M2', visits: 2, active: false, photo: null }
    ])} RETURNING name, visits, active, photo`;
    assert.deepEqual([...made], [
        { name: 'M1', visits: 1, active: true, photo: Buffer.from([1]) }, { name: 'M2', visits: 2, active: false, photo: null }]);
});

check('inserts a large list of rows', async () => {
    const list = [...Array(500).keys()].map((i) => ({ email: `bulk${i}@example.org`, name: `Bulk ${i}`, visits: i }));
    await sql`INSERT INTO person ${sql(list)}`;
    const [row] = await sql`SELECT count(*)::int AS n, sum(visits)::int AS sum FROM person WHERE email LIKE 'bulk%'`;
    assert.deepEqual(row, { n: 500, sum: 124750 });
});

check('reports a duplicate as a unique violation', async () => {
    await assert.rejects(() => sql`INSERT INTO person ${sql(zoe, 'email', 'name')}`,
        { code: '23505', constraint_name: 'person_email_key' });
});

const upsert = (one) => sql`INSERT INTO person ${sql(one)}
    ON CONFLICT (email) DO UPDATE SET name = excluded.name, visits = person.visits + excluded.visits RETURNING name, visits`;

check('inserts or updates on conflict', async () => {
    assert.deepEqual([...await upsert({ email: 'up@example.org', name: 'First', visits: 3 })], [{ name: 'First', visits: 3 }]);
    assert.deepEqual([...await upsert({ email: 'up@example.org', name: 'Second', visits: 4 })], [{ name: 'Second', visits: 7 }]);
});

check('does nothing on conflict', async () => {
    const { count } = await sql`INSERT INTO person ${sql({ email: 'up@example.org', name: 'Third' })} ON CONFLICT (email) DO NOTHING`;
    assert.equal(count, 0);
});

check('starts from known rows', async () => {
    await sql.begin(async (sql) => {
        await sql`DELETE FROM purchase`;
        await sql`DELETE FROM person`;
        const made = await sql`INSERT INTO person ${sql(people, ...columns)} RETURNING id, email`;
        const ids = Object.fromEntries(made.map((row) => [row.email, row.id]));
        await sql`INSERT INTO purchase ${sql(purchases.map(({ buyer, ...one }) => ({ person_id: ids[buyer], ...one })))}`;
    });
});

const finds = (name, where, expected) =>
    check(`finds ${name}`, async () => assert.deepEqual(await emails(where()), expected));

finds('by equality of text', () => sql`email = ${'bob@example.org'}`, ['bob']);
finds('nothing where nothing is', () => sql`email = ${'nobody@example.org'}`, []);
finds('by inequality', () => sql`name <> ${'Bob'}`, ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', () => sql`email IN ${sql(['ann@example.org', 'dora@example.com', 'no'])}`, ['ann', 'dora']);
finds('by an array', () => sql`email = ANY(${['ann@example.org', 'dora@example.com']})`, ['ann', 'dora']);
finds('by an array of integers', () => sql`visits = ANY(${[35, 5]})`, ['ann', 'cleo', 'dora']);
finds('by an integer', () => sql`visits = ${35}`, ['cleo', 'dora']);
finds('by a range of integers', () => sql`visits BETWEEN ${5} AND ${20}`, ['ann', 'bob']);
finds('by a comparison of text', () => sql`name >= ${'Cleo'}`, ['cleo', 'dora', 'Emil']);
finds('by a bigint', () => sql`points = ${9007199254740993n}`, ['bob']);
finds('by a smallint', () => sql`level = ${2}`, ['bob', 'cleo']);
finds('by equality of numeric', () => sql`salary = ${'1000.5'}`, ['ann', 'cleo']);
finds('by a comparison of numeric', () => sql`salary > ${1500.25}`, ['bob', 'dora']);
finds('by a comparison of double precision', () => sql`score > ${1.75}`, ['bob', 'dora']);
finds('by boolean', () => sql`active`, ['ann', 'cleo', 'dora']);
finds('by equality of boolean', () => sql`active = ${false}`, ['bob', 'Emil']);
finds('by date', () => sql`born = ${'1984-12-01'}`, ['cleo']);
finds('by a range of dates', () => sql`born BETWEEN ${new Date('1970-01-01')} AND ${new Date('1990-01-01')}`, ['bob', 'cleo']);
finds('by time', () => sql`wakes > ${'06:30'}`, ['cleo', 'dora']);
finds('by a range of timestamps',
    () => sql`seen >= ${new Date('2024-02-01T00:00:00Z')} AND seen < ${new Date('2024-04-01T00:00:00Z')}`, ['bob', 'cleo']);
finds('by uuid', () => sql`ref = ${people[3].ref}`, ['dora']);
finds('by bytes', () => sql`photo = ${Buffer.from([0, 3])}`, ['cleo']);
finds('by inet', () => sql`address = ${'10.0.0.2'}`, ['bob']);
finds('by LIKE', () => sql`note LIKE ${'likes%'}`, ['ann', 'bob']);
finds('by ILIKE', () => sql`note ILIKE ${'%coffee'}`, ['bob']);
finds('by a regular expression', () => sql`name ~ ${'^[AB]'}`, ['ann', 'bob']);
finds('by lower()', () => sql`lower(name) = ${'dora'}`, ['dora']);
finds('NULLs', () => sql`note IS NULL`, ['cleo', 'Emil']);
finds('what is not NULL', () => sql`salary IS NOT NULL AND note IS NOT NULL`, ['ann', 'bob', 'dora']);
finds('by nested fragments', () => sql`(${sql`active`} AND ${sql`visits = ${35}`}) OR name = ${'Bob'}`, ['bob', 'cleo', 'dora']);
finds('by a field of JSON', () => sql`doc->>'city' = ${'Oslo'}`, ['ann', 'cleo']);
finds('by containment of JSON', () => sql`doc @> ${sql.json({ city: 'Rome' })}`, ['bob']);
finds('by an element of an array', () => sql`${'red'} = ANY(tags)`, ['ann', 'dora']);
finds('by containment of arrays', () => sql`tags @> ${['blue', 'red']}`, ['ann']);
finds('by overlap of arrays', () => sql`lucky::int[] && ${sql.array([3, 4])}::int[]`, ['bob', 'cleo', 'dora']);
finds('by a subquery', () => sql`id IN (SELECT person_id FROM purchase WHERE paid AND amount < ${15})`, ['bob']);
finds('by EXISTS', () => sql`EXISTS (SELECT FROM purchase WHERE person_id = person.id AND NOT paid)`, ['ann', 'dora']);

const sees = (name, query, expected) =>
    check(name, async () => assert.deepEqual([...await query().values()], expected));

sees('sorts by text', () => sql`SELECT name FROM person ORDER BY name`, [['Ann'], ['Bob'], ['Cleo'], ['Dora'], ['Émil']]);
sees('sorts downwards, then by another column', () => sql`SELECT name FROM person ORDER BY ${sql('visits')} DESC, name`,
    [['Cleo'], ['Dora'], ['Bob'], ['Ann'], ['Émil']]);
sees('sorts NULLs first', () => sql`SELECT name FROM person ORDER BY salary DESC NULLS FIRST, id`,
    [['Émil'], ['Dora'], ['Bob'], ['Ann'], ['Cleo']]);
sees('limits and skips', () => sql`SELECT name FROM person ORDER BY name LIMIT ${2} OFFSET ${1}`, [['Bob'], ['Cleo']]);
sees('removes duplicates', () => sql`SELECT DISTINCT visits FROM person ORDER BY visits`, [[0], [5], [20], [35]]);
sees('counts', () => sql`SELECT count(*), count(note), count(DISTINCT visits) FROM person`, [['5', '3', '4']]);
sees('sums and averages', () => sql`SELECT sum(visits), sum(salary), avg(score), round(avg(salary), 2) FROM person`,
    [['95', '8001.25', 1.25, '2000.31']]);
sees('takes minimum and maximum', () => sql`SELECT min(name), max(visits), max(salary), max(seen) FROM person`,
    [['Ann', 35, '4000.25', people[3].seen]]);
sees('groups with a condition', () => sql`SELECT visits, sum(salary) FROM person GROUP BY visits HAVING count(*) > ${1}`,
    [[35, '5000.75']]);
sees('joins', () => sql`SELECT p.name, b.title, b.amount FROM person p JOIN purchase b ON b.person_id = p.id
    WHERE b.paid ORDER BY b.title`, [['Bob', 'Book', '12.00'], ['Ann', 'Tea pot', '19.90']]);
sees('joins with rows of the caller', () => sql`SELECT p.name, v.n::int FROM person p
    JOIN (VALUES ${sql([['ann@example.org', 1], ['bob@example.org', 2]])}) AS v (email, n) ON p.email = v.email ORDER BY p.name`,
    [['Ann', 1], ['Bob', 2]]);
sees('aggregates into JSON', () => sql`SELECT p.name, json_agg(b.title ORDER BY b.title) FROM person p
    JOIN purchase b ON b.person_id = p.id GROUP BY p.name ORDER BY p.name LIMIT 1`, [['Ann', ['Cup', 'Tea pot']]]);
sees('computes', () => sql`SELECT visits + 1, salary * 2, upper(name), coalesce(note, ${'none'}), tags[1] FROM person WHERE name = 'Ann'`,
    [[6, '2001.00', 'ANN', 'likes tea', 'red']]);

check('updates one row from an object', async () => {
    const [row] = await sql`UPDATE person SET ${sql({ name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0) })}
        WHERE email = ${'ann@example.org'} RETURNING name, salary, doc, seen`;
    assert.deepEqual(row, { name: 'Anna', salary: '1.10', doc: { city: 'Bergen' }, seen: new Date(0) });
});

check('updates many rows', async () => {
    assert.equal((await sql`UPDATE person SET note = ${'seen'} WHERE active`).count, 3);
});

check('updates from a list of rows', async () => {
    const rows = [['bob@example.org', 'Bobby'], ['cleo@example.org', 'Cleopatra']];
    const made = await sql`UPDATE person SET name = v.name FROM (VALUES ${sql(rows)}) AS v (email, name)
        WHERE person.email = v.email RETURNING person.name`;
    assert.deepEqual(made.map((row) => row.name).sort(), ['Bobby', 'Cleopatra']);
});

check('increments', async () => {
    const up = (n) => sql`UPDATE person SET visits = visits + ${n} WHERE email = ${'bob@example.org'} RETURNING visits`;
    assert.deepEqual([...await up(1)], [{ visits: 21 }]);
    assert.deepEqual([...await up(-2)], [{ visits: 19 }]);
});

check('commits and rolls back', async () => {
    const name = async () => (await sql`SELECT name FROM person WHERE email = ${'cleo@example.org'}`)[0].name;
    await sql.begin((sql) => sql`UPDATE person SET name = ${'Committed'} WHERE email = ${'cleo@example.org'}`);
    assert.equal(await name(), 'Committed');
    await assert.rejects(() => sql.begin(async (sql) => {
        await sql`UPDATE person SET name = ${'Lost'} WHERE email = ${'cleo@example.org'}`;
        throw new Error('changed my mind');
    }), { message: 'changed my mind' });
    assert.equal(await name(), 'Committed');
});

check('goes on after an error, at a savepoint', async () => {
    await sql.begin(async (sql) => {
        await sql`UPDATE person SET name = ${'Saved'} WHERE email = ${'cleo@example.org'}`;
        assert.equal(await sqlstate(() => sql.savepoint((sql) =>
            sql`UPDATE person SET email = ${'bob@example.org'} WHERE email = ${'cleo@example.org'}`)), '23505');
    });
    assert.equal((await sql`SELECT name FROM person WHERE email = ${'cleo@example.org'}`)[0].name, 'Saved');
});

check('runs a prepared statement many times', async () => {
    const one = await sql.reserve();
    try {
        for (let i = 0; i < 12; i++) {
            const { email } = people[2 + i % 2];
            const rows = await one`SELECT email, visits, active FROM person WHERE email = ${email} AND visits = ${35}`;
            assert.deepEqual([...rows], [{ email, visits: 35, active: true }]);
        }
    } finally {
        one.release();
    }
});

check('inserts by a prepared statement many times', async () => {
    const one = await sql.reserve();
    try {
        for (let i = 0; i < 12; i++) {
            const row = { ...zoe, email: `prepared${i}@example.org`, visits: i };
            const [made] = await one`INSERT INTO person ${one(row, ...columns)} RETURNING visits, photo, tags, doc`;
            assert.deepEqual(made, { visits: i, photo: zoe.photo, tags: zoe.tags, doc: zoe.doc });
        }
    } finally {
        one.release();
    }
});

check('sends simple queries', async () => {
    const [row] = await sql`SELECT name, visits, active FROM person WHERE email = 'bob@example.org'`.simple();
    assert.deepEqual(row, { name: 'Bobby', visits: 19, active: false });
});

check('sends queries without preparing them', async () => {
    const [row] = await sql.unsafe('SELECT visits, ref FROM person WHERE email = $1', ['dora@example.com']);
    assert.deepEqual(row, { visits: 35, ref: people[3].ref });
});

check('reads through a cursor', async () => {
    const seen = [];
    await sql`SELECT visits FROM person WHERE email LIKE ${'prepared%'} ORDER BY visits`.cursor(5, (rows) => {
        seen.push(...rows.map((row) => row.visits));
    });
    assert.deepEqual(seen, [...Array(12).keys()]);
});

check('reads row by row', async () => {
    let sum = 0;
    await sql`SELECT visits FROM person WHERE email LIKE ${'prepared%'}`.forEach((row) => {
        sum += row.visits;
    });
    assert.equal(sum, 66);
});

check('copies in', async () => {
    await pipeline(
        Readable.from(['copy1@example.org\tÇopy\t11\tt\t{a,"b c"}\t\\\\x00ff\n', 'copy2@example.org\tCopy\t12\tf\t\\N\t\\N\n']),
        await sql`COPY person (email, name, visits, active, tags, photo) FROM STDIN`.writable());
    assert.deepEqual([...await sql`SELECT name, visits, active, tags, photo FROM person WHERE email LIKE 'copy%' ORDER BY visits`], [
        { name: 'Çopy', visits: 11, active: true, tags: ['a', 'b c'], photo: Buffer.from([0, 255]) },
        { name: 'Copy', visits: 12, active: false, tags: null, photo: null }
    ]);
});

check('copies out', async () => {
    let text = '';
    for await (const part of await sql`COPY (SELECT email, visits, active, tags FROM person WHERE email LIKE 'copy%' ORDER BY visits) TO STDOUT`.readable()) {
        text += part;
    }
    assert.equal(text, 'copy1@example.org\t11\tt\t{a,"b c"}\ncopy2@example.org\t12\tf\t\\N\n');
});

check('reports a bad value with its SQLSTATE', async () => {
    assert.equal(await sqlstate(() => sql`SELECT FROM person WHERE visits = ${'many'}`), '22P02');
    assert.equal(await sqlstate(() => sql`UPDATE person SET level = ${40000}`), '22003');
});

check('deletes and returns', async () => {
    assert.deepEqual([...await sql`DELETE FROM person WHERE email = ${'copy1@example.org'} RETURNING name, visits, active`],
        [{ name: 'Çopy', visits: 11, active: true }]);
    assert.equal((await sql`DELETE FROM person WHERE email LIKE ${'prepared%'} AND visits > ${5}`).count, 6);
});

await run(() => sql.end());
