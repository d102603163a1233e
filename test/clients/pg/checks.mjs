// node-postgres: Pool, Client, prepared statements, cursors, streams and COPY.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import copy from 'pg-copy-streams';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { columns, nil, nullable, people, purchases, zoe } from '../node/people.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const pool = new pg.Pool({ max: 4 });

const list = columns.join(', ');
const places = columns.map((column, i) => `$${i + 1}`).join(', ');
const insert = `INSERT INTO person (${list}) VALUES (${places}) RETURNING *`;
const values = (one) => columns.map((column) => one[column]);
const rows = async (text, parameters) => (await pool.query(text, parameters)).rows;
const first = async (text, parameters) => (await rows(text, parameters))[0];
const emails = async (where, parameters) =>
    (await rows(`SELECT email FROM person WHERE ${where} ORDER BY id`, parameters))
        .map((row) => row.email.split('@')[0]);

async function inTransaction(body) {
    const client = await pool.connect();
    try {
        await client.query('BEGIN');
        await body(client);
    } catch (error) {
        await client.query('ROLLBACK');
        throw error;
    } finally {
        client.release();
    }
}

async function seed() {
    await pool.query('DELETE FROM purchase');
    await pool.query('DELETE FROM person');
    for (const one of people) {
        await pool.query(insert, values(one));
    }
    for (const one of purchases) {
        await pool.query(
            `INSERT INTO purchase (person_id, title, amount, paid, at)
             SELECT id, $2, $3, $4, $5 FROM person WHERE email = $1`,
            [one.buyer, one.title, one.amount, one.paid, one.at]);
    }
}

check('connects', async () => {
    assert.equal((await first('SELECT current_user AS name')).name, 'app');
});

check('inserts every type and returns the row', async () => {
    const row = await first(insert, values(zoe));
    assert.equal(row.email, zoe.email);
    assert.equal(row.visits, zoe.visits);
    assert.equal(row.version, 0);
});

const typed = {
    email: zoe.email, name: zoe.name, note: '', level: -32768, visits: 2147483647,
    points: zoe.points, salary: zoe.salary, score: 0.1, ratio: -0.25, active: false,
    born: new Date(1961, 2, 4), wakes: zoe.wakes, seen: zoe.seen, local: zoe.local, ref: zoe.ref,
    doc: zoe.doc, photo: zoe.photo, address: zoe.address, tags: zoe.tags, lucky: zoe.lucky
};
for (const column of columns) {
    check(`reads ${column} as it was written`, async () => {
        const row = await first('SELECT * FROM person WHERE email = $1', [zoe.email]);
        assert.deepEqual(row[column], typed[column]);
    });
}

check('announces the types of all columns', async () => {
    const { fields } = await pool.query('SELECT * FROM person LIMIT 0');
    const types = Object.fromEntries(fields.map((field) => [field.name, field.dataTypeID]));
    assert.deepEqual(types, {
        id: 20, email: 25, name: 25, note: 25, level: 21, visits: 23, points: 20, salary: 1700,
        score: 701, ratio: 700, active: 16, born: 1082, wakes: 1083, seen: 1184, local: 1114,
        ref: 2950, doc: 3802, photo: 17, address: 869, tags: 1009, lucky: 1007, created_at: 1184, version: 23
    });
});

check('announces the types of expressions', async () => {
    const { fields } = await pool.query(
        `SELECT lower(name) AS a, visits + 1 AS b, salary * 2 AS c, coalesce(note, 'x') AS d,
                born - 1 AS e, doc->>'city' AS f, tags[1] AS g, count(*) AS h, (SELECT max(visits) FROM person) AS i
         FROM person GROUP BY person.id LIMIT 0`);
    assert.deepEqual(fields.map((field) => field.dataTypeID), [25, 23, 1700, 25, 1082, 25, 25, 20, 23]);
});

check('reads in array mode', async () => {
    const { rows: [row] } = await pool.query({
        text: 'SELECT visits, active, tags FROM person WHERE email = $1', values: [zoe.email], rowMode: 'array'
    });
    assert.deepEqual(row, [2147483647, false, zoe.tags]);
});

check('inserts NULLs', async () => {
    const row = await first(insert, values({ visits: 0, active: true, ...nil }));
    for (const column of nullable) {
        assert.equal(row[column], null, column);
    }
});

check('takes defaults of columns', async () => {
    const row = await first('INSERT INTO person (email, name) VALUES ($1, $2) RETURNING visits, active',
        ['default@example.org', 'Default']);
    assert.deepEqual(row, { visits: 0, active: true });
});

check('refuses NULL where it is not allowed', async () => {
    assert.equal(await sqlstate(() => pool.query('INSERT INTO person (email, name) VALUES ($1, NULL)', ['x@x'])), '23502');
});

check('inserts several rows in one statement', async () => {
    const list = await rows(
        `INSERT INTO person (email, name, visits) VALUES ($1, $2, $3), ($4, $5, $6) RETURNING name, visits`,
        ['m1@example.org', 'M1', 1, 'm2@example.org', 'M2', 2]);
    assert.deepEqual(list, [{ name: 'M1', visits: 1 }, { name: 'M2', visits: 2 }]);
});

check('inserts several rows from arrays', async () => {
    const list = await rows(
        `INSERT INTO person (email, name, visits)
         SELECT * FROM unnest($1::text[], $2::text[], $3::int[]) RETURNING name, visits`,
        [['u1@example.org', 'u2@example.org'], ['U1', 'U2'], [1, 2]]);
    assert.deepEqual(list, [{ name: 'U1', visits: 1 }, { name: 'U2', visits: 2 }]);
});

check('reports a duplicate as a unique violation', async () => {
    await assert.rejects(() => pool.query(insert, values(zoe)),
        { code: '23505', constraint: 'person_email_key', table: 'person' });
});

check('inserts or updates on conflict', async () => {
    const upsert = `INSERT INTO person (email, name, visits) VALUES ($1, $2, $3)
        ON CONFLICT (email) DO UPDATE SET name = excluded.name, visits = person.visits + excluded.visits
        RETURNING name, visits`;
    assert.deepEqual(await first(upsert, ['up@example.org', 'First', 3]), { name: 'First', visits: 3 });
    assert.deepEqual(await first(upsert, ['up@example.org', 'Second', 4]), { name: 'Second', visits: 7 });
});

check('does nothing on conflict', async () => {
    const { rowCount } = await pool.query(
        'INSERT INTO person (email, name) VALUES ($1, $2) ON CONFLICT (email) DO NOTHING', ['up@example.org', 'Third']);
    assert.equal(rowCount, 0);
});

check('starts from known rows', seed);

// The driver itself does not read every type right in this format.
check('reads in binary format', async () => {
    const client = new pg.Client({ binary: true });
    await client.connect();
    try {
        const { rows } = await client.query(
            'SELECT name, visits, level, points, active FROM person WHERE name = $1', ['Ann']);
        assert.deepEqual(rows, [{ name: 'Ann', visits: 5, level: 1, points: '10', active: true }]);
    } finally {
        await client.end();
    }
});

const finds = (name, where, parameters, expected) =>
    check(`finds ${name}`, async () => assert.deepEqual(await emails(where, parameters), expected));

finds('by equality of text', 'email = $1', ['bob@example.org'], ['bob']);
finds('by equality of a cast text', 'email = $1::text', ['bob@example.org'], ['bob']);
finds('by equality of varchar', 'email = $1::varchar', ['bob@example.org'], ['bob']);
finds('nothing where nothing is', 'email = $1', ['nobody@example.org'], []);
finds('by inequality', 'name <> $1', ['Bob'], ['ann', 'cleo', 'dora', 'Emil']);
finds('by a list', 'email IN ($1, $2, $3)', ['ann@example.org', 'dora@example.com', 'no'], ['ann', 'dora']);
finds('by an array', 'email = ANY($1)', [['ann@example.org', 'dora@example.com']], ['ann', 'dora']);
finds('by an array of integers', 'visits = ANY($1)', [[35, 5]], ['ann', 'cleo', 'dora']);
finds('by what is not in an array', 'visits <> ALL($1)', [[35, 5]], ['bob', 'Emil']);
finds('by an integer', 'visits = $1', [35], ['cleo', 'dora']);
finds('by a range of integers', 'visits BETWEEN $1 AND $2', [5, 20], ['ann', 'bob']);
finds('by a comparison of integers', 'visits < $1', [20], ['ann', 'Emil']);
finds('by a comparison of text', 'name >= $1', ['Cleo'], ['cleo', 'dora', 'Emil']);
finds('by a bigint beyond double precision', 'points = $1', ['9007199254740993'], ['bob']);
finds('by a smallint', 'level = $1', [2], ['bob', 'cleo']);
finds('by equality of numeric', 'salary = $1', ['1000.5'], ['ann', 'cleo']);
finds('by a comparison of numeric', 'salary > $1', [1500], ['bob', 'dora']);
finds('by a comparison of double precision', 'score > $1', [1.75], ['bob', 'dora']);
finds('by a comparison of real', 'ratio <= $1', [1.5], ['ann', 'bob']);
finds('by boolean', 'active', [], ['ann', 'cleo', 'dora']);
finds('by equality of boolean', 'active = $1', [false], ['bob', 'Emil']);
finds('by negated boolean', 'NOT active', [], ['bob', 'Emil']);
finds('by date', 'born = $1', ['1984-12-01'], ['cleo']);
finds('by a range of dates', 'born BETWEEN $1 AND $2', ['1970-01-01', '1990-01-01'], ['bob', 'cleo']);
finds('by time', 'wakes > $1', ['06:30'], ['cleo', 'dora']);
finds('by a range of timestamps', 'seen >= $1 AND seen < $2',
    [new Date('2024-02-01T00:00:00Z'), new Date('2024-04-01T00:00:00Z')], ['bob', 'cleo']);
finds('by uuid', 'ref = $1', [people[3].ref], ['dora']);
finds('by bytes', 'photo = $1', [Buffer.from([0, 3])], ['cleo']);
finds('by inet', 'address = $1', ['10.0.0.2'], ['bob']);
finds('by inet within a network', 'address <<= $1', ['10.0.0.2/31'], ['bob', 'cleo']);
finds('by LIKE', 'note LIKE $1', ['likes%'], ['ann', 'bob']);
finds('by NOT LIKE', 'note NOT LIKE $1', ['likes%'], ['dora']);
finds('by ILIKE', 'note ILIKE $1', ['%coffee'], ['bob']);
finds('by LIKE with an escape', String.raw`note LIKE '%\%%'`, [], ['dora']);
finds('by a regular expression', 'name ~ $1', ['^[AB]'], ['ann', 'bob']);
finds('by starts_with', 'starts_with(name, $1)', ['Cl'], ['cleo']);
finds('by lower()', 'lower(name) = $1', ['dora'], ['dora']);
finds('by concatenation', `name || '!' = $1`, ['Bob!'], ['bob']);
finds('NULLs', 'note IS NULL', [], ['cleo', 'Emil']);
finds('what is not NULL', 'salary IS NOT NULL AND note IS NOT NULL', [], ['ann', 'bob', 'dora']);
finds('by IS DISTINCT FROM', 'level IS DISTINCT FROM $1', [2], ['ann', 'dora', 'Emil']);
finds('by AND and OR', '(active AND visits = $1) OR name = $2', [35, 'Bob'], ['bob', 'cleo', 'dora']);
finds('by a field of JSON', `doc->>'city' = $1`, ['Oslo'], ['ann', 'cleo']);
finds('by a number in JSON', `(doc->>'n')::int > $1`, [2], ['cleo', 'dora']);
finds('by containment of JSON', 'doc @> $1', [{ city: 'Rome' }], ['bob']);
finds('by a key of JSON', 'doc ? $1', ['tags'], ['dora']);
finds('by an element of an array', '$1 = ANY(tags)', ['red'], ['ann', 'dora']);
finds('by containment of arrays', 'tags @> $1', [['blue', 'red']], ['ann']);
finds('by overlap of arrays', 'lucky && $1', [[3, 4]], ['bob', 'cleo', 'dora']);
finds('by equality of arrays', 'lucky = $1', [[1, 3]], ['cleo']);
finds('by the length of an array', 'cardinality(tags) = $1', [2], ['ann', 'dora']);
finds('by a subquery', 'id IN (SELECT person_id FROM purchase WHERE paid AND amount < $1)', [15], ['bob']);
finds('by EXISTS', 'EXISTS (SELECT FROM purchase WHERE person_id = person.id AND NOT paid)', [], ['ann', 'dora']);
finds('by a scalar subquery', 'salary > (SELECT avg(salary) FROM person)', [], ['dora']);
finds('by a parameter used twice', '$1 = name OR $1 = note', ['Bob'], ['bob']);
finds('by CASE', `CASE WHEN visits > 10 THEN name ELSE note END = $1`, ['likes tea'], ['ann']);
finds('a page by its key', '(name, visits) > ($1, $2)', ['Bob', 20], ['cleo', 'dora', 'Emil']);
finds('by rows of a subquery', '(name, visits) IN (SELECT name, visits FROM person WHERE active)', [], ['ann', 'cleo', 'dora']);
finds('by VALUES', 'email IN (VALUES ($1), ($2))', ['ann@example.org', 'no'], ['ann']);
finds('by an unnested array', 'email IN (SELECT unnest($1::varchar[]))', [['bob@example.org']], ['bob']);
finds('by a bigint that is compared with an integer', 'visits = $1::bigint AND visits = ANY($2::bigint[])', ['35', [35, 36]], ['cleo', 'dora']);
finds('by conditions that NULL turns off', '($1::int IS NULL OR visits > $1) AND ($2::text IS NULL OR name = $2)', [10, null], ['bob', 'cleo', 'dora']);
finds('by a pattern of parts', `email LIKE lower($1) || '%'`, ['ANN'], ['ann']);
finds('by any of several patterns', 'name LIKE ANY ($1)', [['A%', '%b']], ['ann', 'bob']);
finds('by full-text search', `to_tsvector('simple', note) @@ plainto_tsquery('simple', $1)`, ['tea'], ['ann', 'dora']);
finds('by a part of a date', 'extract(year FROM born) = $1', [1975], ['bob']);
finds('by the day of a timestamp', 'seen::date = $1', ['2024-03-01'], ['cleo']);
finds('by the age of a timestamp', `seen > now() - interval '100 years'`, [], ['ann', 'bob', 'cleo', 'dora']);
finds('by a path in JSON', `jsonb_path_exists(doc, '$.n ? (@ > $x)', $1)`, [{ x: 2 }], ['cleo', 'dora']);
finds('by an array', 'tags @> $1 OR lucky = ARRAY[3]', [['green']], ['bob', 'dora']);

const sees = (name, text, parameters, expected) =>
    check(name, async () => {
        const result = await pool.query({ text, values: parameters, rowMode: 'array' });
        assert.deepEqual(result.rows, expected);
    });

sees('sorts by text', 'SELECT name FROM person ORDER BY name', [], [['Ann'], ['Bob'], ['Cleo'], ['Dora'], ['Émil']]);
sees('sorts downwards, then by another column', 'SELECT name FROM person ORDER BY visits DESC, name', [],
    [['Cleo'], ['Dora'], ['Bob'], ['Ann'], ['Émil']]);
sees('sorts NULLs first', 'SELECT name FROM person ORDER BY salary DESC NULLS FIRST, id', [],
    [['Émil'], ['Dora'], ['Bob'], ['Ann'], ['Cleo']]);
sees('sorts NULLs last', 'SELECT name FROM person ORDER BY born ASC NULLS LAST', [],
    [['Ann'], ['Bob'], ['Cleo'], ['Dora'], ['Émil']]);
sees('limits and skips', 'SELECT name FROM person ORDER BY name LIMIT $1 OFFSET $2', [2, 1], [['Bob'], ['Cleo']]);
sees('removes duplicates', 'SELECT DISTINCT visits FROM person ORDER BY visits', [], [[0], [5], [20], [35]]);
sees('removes duplicates of text', `SELECT DISTINCT doc->>'city' AS city FROM person ORDER BY city`, [],
    [['Kyiv'], ['Oslo'], ['Rome'], [null]]);
sees('takes the first of each group', 'SELECT DISTINCT ON (visits) visits, name FROM person ORDER BY visits, name DESC', [],
    [[0, 'Émil'], [5, 'Ann'], [20, 'Bob'], [35, 'Dora']]);
sees('counts', 'SELECT count(*), count(note), count(DISTINCT visits) FROM person', [], [['5', '3', '4']]);
sees('sums', 'SELECT sum(visits), sum(salary), sum(level), sum(score) FROM person', [], [['95', '8001.25', '8', 5]]);
sees('averages', 'SELECT avg(visits)::text, round(avg(salary), 2)::text, avg(score) FROM person', [],
    [['19.0000000000000000', '2000.31', 1.25]]);
sees('takes minimum and maximum', 'SELECT min(name), max(name), min(visits), max(salary), max(seen) FROM person', [],
    [['Ann', 'Émil', 0, '4000.25', people[3].seen]]);
sees('aggregates booleans, text and JSON',
    `SELECT bool_or(active), string_agg(name, ',' ORDER BY name), jsonb_agg(visits ORDER BY visits) FROM person`, [],
    [[true, 'Ann,Bob,Cleo,Dora,Émil', [0, 5, 20, 35, 35]]]);
sees('aggregates into an array', 'SELECT array_agg(name ORDER BY name) FROM person WHERE active', [],
    [[['Ann', 'Cleo', 'Dora']]]);
sees('groups', 'SELECT visits, count(*)::int FROM person GROUP BY visits ORDER BY visits', [],
    [[0, 1], [5, 1], [20, 1], [35, 2]]);
sees('groups with a condition', 'SELECT visits, sum(salary) FROM person GROUP BY visits HAVING count(*) > $1', [1],
    [[35, '5000.75']]);
sees('joins', `SELECT p.name, b.title, b.amount FROM person p JOIN purchase b ON b.person_id = p.id
    WHERE b.paid ORDER BY b.title`, [], [['Bob', 'Book', '12.00'], ['Ann', 'Tea pot', '19.90']]);
sees('joins a table with itself',
    'SELECT a.name AS a, b.name AS b FROM person a JOIN person b ON a.salary = b.salary AND a.id < b.id', [], [['Ann', 'Cleo']]);
sees('joins with what is missing', `SELECT p.name, coalesce(sum(b.amount), 0) AS total FROM person p
    LEFT JOIN purchase b ON b.person_id = p.id GROUP BY p.name ORDER BY p.name`, [],
    [['Ann', '24.00'], ['Bob', '12.00'], ['Cleo', '0'], ['Dora', '45.50'], ['Émil', '0']]);
sees('numbers rows by a window', `SELECT name, rank() OVER (ORDER BY visits DESC)::int AS place FROM person
    ORDER BY place, name LIMIT 3`, [], [['Cleo', 1], ['Dora', 1], ['Bob', 3]]);
sees('joins a common table expression',
    'WITH rich AS (SELECT * FROM person WHERE salary > $1) SELECT name FROM rich ORDER BY name', [1500], [['Bob'], ['Dora']]);
sees('unites', `SELECT name AS a FROM person WHERE visits = $1 UNION SELECT title FROM purchase WHERE paid ORDER BY a`, [5],
    [['Ann'], ['Book'], ['Tea pot']]);
sees('computes', `SELECT visits + 1 AS a, salary * 2 AS b, upper(name) AS c, born + 1 = '1960-01-16' AS d,
    extract(year FROM seen)::int AS e, tags[1] AS f, -score AS g FROM person WHERE name = 'Ann'`, [],
    [[6, '2001.00', 'ANN', true, 2024, 'red', -1.5]]);
sees('appends to bytes, JSON and arrays', `SELECT photo || $1, doc || $2, tags || $3 FROM person WHERE name = 'Bob'`,
    [Buffer.from([7]), { m: 3 }, ['new']], [[Buffer.from([0, 2, 7]), { city: 'Rome', n: 2, m: 3 }, ['blue', 'new']]]);
sees('works with dates and times', `SELECT born + 1, born - date '1960-01-01', seen + interval '1 day', date_trunc('day', seen),
        seen AT TIME ZONE 'UTC' = seen, to_char(seen, 'YYYY-MM-DD'), wakes + interval '1 hour', local::date
    FROM person WHERE name = 'Ann'`, [],
    [[new Date(1960, 0, 16), 14, new Date('2024-01-02T10:00:00Z'), new Date('2024-01-01T00:00:00Z'), true, '2024-01-01', '06:00:00', new Date(2024, 0, 1)]]);
sees('works with text', `SELECT length(name), left(name, 2), substring(email FROM '@(.*)'), split_part(email, '@', 1), replace(name, 'n', 'm'), name || '-' || visits,
        concat_ws('/', name, NULL, visits), format('%s (%s)', name, active), regexp_replace(name, 'n+', 'x'), md5(name), encode(photo, 'hex')
    FROM person WHERE name = 'Ann'`, [],
    [[3, 'An', 'example.org', 'ann', 'Amm', 'Ann-5', 'Ann/5', 'Ann (t)', 'Ax', '82e335f7ac0e0e412b2ae15abe662110', '0001']]);
sees('works with arrays', `SELECT tags[1], tags[1:1], cardinality(tags), array_position(tags, $1), array_remove(tags, $1), array_to_string(tags, ','), lucky[1] + lucky[2]
    FROM person WHERE name = 'Ann'`, ['blue'], [['red', ['red'], 2, 2, ['red'], 'red,blue', 3]]);
sees('unnests arrays', 'SELECT tag, count(*)::int FROM person, unnest(tags) AS tag GROUP BY tag ORDER BY tag', [], [['blue', 2], ['green', 1], ['red', 2]]);
sees('builds JSON', `SELECT jsonb_build_object('n', name, 'v', visits, 'a', active, 's', salary, 't', tags, 'd', doc, 'b', born) FROM person WHERE name = 'Bob'`, [],
    [[{ n: 'Bob', v: 20, a: false, s: 2000, t: ['blue'], d: { city: 'Rome', n: 2 }, b: '1975-06-30' }]]);
sees('turns rows into JSON', `SELECT json_agg(row_to_json(p)) FROM (SELECT name, visits, active, tags FROM person WHERE visits < 20 ORDER BY id) p`, [],
    [[[{ name: 'Ann', visits: 5, active: true, tags: ['red', 'blue'] }, { name: 'Émil', visits: 0, active: false, tags: null }]]]);
sees('turns a whole row into JSON', `SELECT to_jsonb(person) - '{id,created_at,seen,local}'::text[] FROM person WHERE name = 'Ann'`, [], [[{
    email: 'ann@example.org', name: 'Ann', note: 'likes tea', level: 1, visits: 5, points: 10, salary: 1000.50, score: 1.5, ratio: 0.5, active: true,
    born: '1960-01-15', wakes: '05:00:00', ref: people[0].ref, doc: people[0].doc, photo: '\\x0001', address: '10.0.0.1', tags: ['red', 'blue'],
    lucky: [1, 2], version: 0
}]]);
sees('expands JSON', `SELECT x.city, x.n FROM person, jsonb_to_record(doc) AS x (city text, n int) WHERE n > $1 ORDER BY n`, [2], [['Oslo', 3], ['Kyiv', 4]]);
sees('joins laterally', `SELECT p.name, best.title FROM person p CROSS JOIN LATERAL
    (SELECT title FROM purchase WHERE person_id = p.id ORDER BY amount DESC LIMIT 1) best ORDER BY p.name`, [], [['Ann', 'Tea pot'], ['Bob', 'Book'], ['Dora', 'Lamp']]);
sees('collects a subquery into an array', `SELECT name, ARRAY(SELECT title FROM purchase WHERE person_id = person.id ORDER BY title) FROM person ORDER BY id LIMIT 2`, [],
    [['Ann', ['Cup', 'Tea pot']], ['Bob', ['Book']]]);
sees('groups by several sets', 'SELECT visits, active, count(*)::int FROM person WHERE visits > 5 GROUP BY ROLLUP (visits, active) ORDER BY visits, active', [],
    [[20, false, 1], [20, null, 1], [35, true, 2], [35, null, 2], [null, null, 3]]);
sees('looks at neighbours by a window', `SELECT name, lag(name) OVER w, lead(visits, 1, 0) OVER w, sum(visits) OVER w, first_value(salary) OVER w FROM person
    WHERE visits > 0 WINDOW w AS (ORDER BY name) ORDER BY name LIMIT 2`, [], [['Ann', null, 20, '5', '1000.50'], ['Bob', 'Ann', 35, '25', '1000.50']]);
sees('takes quantiles', `SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY name), mode() WITHIN GROUP (ORDER BY visits), percentile_cont(0.5) WITHIN GROUP (ORDER BY score) FROM person`,
    [], [['Cleo', 35, 2]]);
sees('walks recursively', `WITH RECURSIVE r AS (SELECT id, name, visits FROM person WHERE name = $1
    UNION ALL SELECT p.id, p.name, p.visits FROM person p JOIN r ON p.visits = r.visits + 15) SELECT name, visits FROM r ORDER BY visits, name`, ['Ann'],
[['Ann', 5], ['Bob', 20], ['Cleo', 35], ['Dora', 35]]);
sees('decides by CASE', `SELECT name, CASE WHEN visits > $1 THEN 'often' WHEN active THEN 'seldom' ELSE 'never' END, CASE WHEN active THEN salary ELSE 0 END
    FROM person WHERE level < 3 ORDER BY id`, [10], [['Ann', 'seldom', '1000.50'], ['Bob', 'often', '0'], ['Cleo', 'often', '1000.50']]);
sees('reads what it changes', `WITH up AS (UPDATE person SET visits = visits WHERE active RETURNING name, visits)
    SELECT name, visits FROM up ORDER BY name`, [], [['Ann', 5], ['Cleo', 35], ['Dora', 35]]);
sees('compares with rows of the caller', `SELECT p.name, v.n FROM person p JOIN (VALUES ($1, $2::int), ($3, $4)) AS v (email, n) USING (email) ORDER BY n`,
    ['bob@example.org', 1, 'ann@example.org', 2], [['Bob', 1], ['Ann', 2]]);
sees('sorts as the caller says', 'SELECT name FROM person WHERE email = ANY($1) ORDER BY array_position($1, email)', [['dora@example.com', 'ann@example.org']],
    [['Dora'], ['Ann']]);
sees('substitutes NULL', `SELECT coalesce(note, $1) FROM person WHERE name = 'Cleo'`, ['none'], [['none']]);

check('updates several rows by values of their own', async () => {
    const list = await rows(`UPDATE person p SET name = v.name, visits = v.visits FROM unnest($1::text[], $2::text[], $3::int[]) AS v (email, name, visits)
        WHERE p.email = v.email RETURNING p.name, p.visits`, [['bob@example.org', 'cleo@example.org'], ['Bob', 'Cleo'], [20, 35]]);
    assert.deepEqual(list.sort((a, b) => a.visits - b.visits), [{ name: 'Bob', visits: 20 }, { name: 'Cleo', visits: 35 }]);
});

check('updates each row by CASE', async () => {
    const list = await rows(`UPDATE person SET visits = CASE email WHEN $1 THEN $2 WHEN $3 THEN $4 ELSE visits END WHERE email IN ($1, $3) RETURNING email, visits`,
        ['bob@example.org', 20, 'cleo@example.org', 35]);
    assert.deepEqual(list.map((row) => row.visits).sort(), [20, 35]);
});

check('inserts from JSON', async () => {
    const row = await first(`INSERT INTO person (email, name, visits, doc, tags) SELECT * FROM jsonb_to_recordset($1)
        AS x (email text, name text, visits int, doc jsonb, tags text[]) RETURNING name, visits, doc, tags`,
    [JSON.stringify([{ email: 'json@example.org', name: 'Jason', visits: 3, doc: { a: 1 }, tags: ['a'] }])]);
    assert.deepEqual(row, { name: 'Jason', visits: 3, doc: { a: 1 }, tags: ['a'] });
});

check('merges', async () => {
    const { rowCount } = await pool.query(`MERGE INTO person p USING (SELECT $1::text AS email UNION ALL SELECT $2) v ON p.email = v.email
        WHEN MATCHED THEN UPDATE SET visits = p.visits + 1 WHEN NOT MATCHED THEN INSERT (email, name) VALUES (v.email, v.email)`,
    ['json@example.org', 'merged@example.org']);
    assert.equal(rowCount, 2);
    const gone = await rows('DELETE FROM person WHERE email IN ($1, $2) RETURNING name, visits', ['json@example.org', 'merged@example.org']);
    assert.deepEqual(gone.sort((a, b) => b.visits - a.visits),
        [{ name: 'Jason', visits: 4 }, { name: 'merged@example.org', visits: 0 }]);
});

check('prepares and executes in SQL', async () => {
    await inTransaction(async (client) => {
        await client.query('PREPARE find AS SELECT name, visits, active FROM person WHERE email = $1 AND visits > $2');
        for (let i = 0; i < 7; i++) {
            assert.deepEqual((await client.query(`EXECUTE find ('bob@example.org', ${i})`)).rows, [{ name: 'Bob', visits: 20, active: false }]);
        }
        await client.query('ROLLBACK');
    });
});

check('uses temporary tables, views and functions', async () => {
    await inTransaction(async (client) => {
        await client.query(`CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT name::text, visits::int FROM person;
            CREATE TEMP VIEW busy AS SELECT name, visits * 2 AS twice, active FROM person WHERE visits > 10;
            CREATE FUNCTION pg_temp.greet(name text) RETURNS text LANGUAGE plpgsql AS $$
                DECLARE one person; n person.visits%TYPE;
                BEGIN SELECT * INTO one FROM person p WHERE p.name = greet.name; n := one.visits + 1; RETURN one.name || ' ' || n; END $$`);
        const { rows: [row] } = await client.query(`SELECT busy.*, pg_temp.greet(busy.name) FROM busy JOIN kept ON kept.name = busy.name AND kept.visits * 2 = busy.twice
            WHERE NOT busy.active`);
        assert.deepEqual(row, { name: 'Bob', twice: 40, active: false, greet: 'Bob 21' });
        await client.query('ROLLBACK');
    });
});

check('updates one row', async () => {
    const row = await first('UPDATE person SET name = $2, salary = $3, born = $4, doc = $5 WHERE email = $1 RETURNING *',
        ['ann@example.org', 'Anna', '1.10', '1950-05-05', { city: 'Bergen' }]);
    assert.deepEqual([row.name, row.salary, row.born, row.doc], ['Anna', '1.10', new Date(1950, 4, 5), { city: 'Bergen' }]);
});

check('updates many rows', async () => {
    const { rowCount } = await pool.query('UPDATE person SET note = $1 WHERE active', ['seen']);
    assert.equal(rowCount, 3);
});

check('increments', async () => {
    const up = 'UPDATE person SET visits = visits + $1 WHERE email = $2 RETURNING visits';
    assert.deepEqual(await first(up, [1, 'bob@example.org']), { visits: 21 });
    assert.deepEqual(await first(up, [-2, 'bob@example.org']), { visits: 19 });
});

check('appends to an array and to JSON', async () => {
    const row = await first(
        `UPDATE person SET tags = tags || $1::text, doc = doc || $2::jsonb WHERE email = $3 RETURNING tags, doc`,
        ['new', { m: 1 }, 'bob@example.org']);
    assert.deepEqual(row, { tags: ['blue', 'new'], doc: { city: 'Rome', n: 2, m: 1 } });
});

check('sets to NULL', async () => {
    const row = await first('UPDATE person SET photo = NULL, tags = NULL, level = $1 WHERE email = $2 RETURNING photo, tags, level',
        [null, 'bob@example.org']);
    assert.deepEqual(row, { photo: null, tags: null, level: null });
});

check('updates from another table', async () => {
    const list = await rows(`UPDATE person p SET note = b.title FROM purchase b
        WHERE b.person_id = p.id AND b.amount > $1 RETURNING p.name, p.note`, [40]);
    assert.deepEqual(list, [{ name: 'Dora', note: 'Lamp' }]);
});

check('updates optimistically by version', async () => {
    const up = 'UPDATE person SET name = $1, version = version + 1 WHERE email = $2 AND version = $3';
    assert.equal((await pool.query(up, ['Bobby', 'bob@example.org', 0])).rowCount, 1);
    assert.equal((await pool.query(up, ['Bobo', 'bob@example.org', 0])).rowCount, 0);
});

check('commits', async () => {
    await inTransaction(async (client) => {
        await client.query('UPDATE person SET name = $1 WHERE email = $2', ['Committed', 'cleo@example.org']);
        await client.query('COMMIT');
    });
    assert.equal((await first('SELECT name FROM person WHERE email = $1', ['cleo@example.org'])).name, 'Committed');
});

check('rolls back', async () => {
    await inTransaction(async (client) => {
        await client.query('UPDATE person SET name = $1 WHERE email = $2', ['Lost', 'cleo@example.org']);
        await client.query('ROLLBACK');
    });
    assert.equal((await first('SELECT name FROM person WHERE email = $1', ['cleo@example.org'])).name, 'Committed');
});

check('goes on after an error, at a savepoint', async () => {
    await inTransaction(async (client) => {
        await client.query('UPDATE person SET name = $1 WHERE email = $2', ['Saved', 'cleo@example.org']);
        await client.query('SAVEPOINT here');
        assert.equal(await sqlstate(() => client.query('UPDATE person SET email = $1 WHERE email = $2',
            ['bob@example.org', 'cleo@example.org'])), '23505');
        await client.query('ROLLBACK TO SAVEPOINT here');
        await client.query('COMMIT');
    });
    assert.equal((await first('SELECT name FROM person WHERE email = $1', ['cleo@example.org'])).name, 'Saved');
});

check('locks rows', async () => {
    await inTransaction(async (client) => {
        const { rows: [row] } = await client.query('SELECT name, visits FROM person WHERE email = $1 FOR UPDATE', ['bob@example.org']);
        assert.deepEqual(row, { name: 'Bobby', visits: 19 });
        await client.query('ROLLBACK');
    });
});

check('runs a prepared statement many times', async () => {
    const client = await pool.connect();
    try {
        for (let i = 0; i < 12; i++) {
            const one = people[2 + i % 2];
            const { rows } = await client.query({
                name: 'by-visits-and-email', values: [one.email, 35],
                text: 'SELECT email, visits, active FROM person WHERE email = $1 AND visits = $2'
            });
            assert.deepEqual(rows, [{ email: one.email, visits: 35, active: true }]);
        }
    } finally {
        client.release();
    }
});

check('inserts by a prepared statement many times', async () => {
    const client = await pool.connect();
    try {
        for (let i = 0; i < 12; i++) {
            const one = { ...zoe, email: `prepared${i}@example.org`, visits: i };
            const { rows: [row] } = await client.query({ name: 'insert-person', text: insert, values: values(one) });
            assert.deepEqual([row.visits, row.photo, row.tags], [i, zoe.photo, zoe.tags]);
        }
    } finally {
        client.release();
    }
});

check('reads through a cursor', async () => {
    const client = await pool.connect();
    try {
        const cursor = client.query(new Cursor('SELECT name, visits FROM person WHERE email LIKE $1 ORDER BY visits', ['prepared%']));
        const seen = [];
        for (let batch = await cursor.read(5); batch.length > 0; batch = await cursor.read(5)) {
            seen.push(...batch.map((row) => row.visits));
        }
        await cursor.close();
        assert.deepEqual(seen, [...Array(12).keys()]);
    } finally {
        client.release();
    }
});

check('reads through a cursor of SQL', async () => {
    await inTransaction(async (client) => {
        await client.query(`DECLARE few CURSOR FOR SELECT visits, active FROM person WHERE email LIKE 'prepared%' ORDER BY visits`);
        assert.deepEqual((await client.query('FETCH 2 FROM few')).rows, [{ visits: 0, active: false }, { visits: 1, active: false }]);
        await client.query('ROLLBACK');
    });
});

check('reads as a stream', async () => {
    const client = await pool.connect();
    try {
        let sum = 0;
        for await (const row of client.query(new QueryStream('SELECT visits FROM person WHERE email LIKE $1', ['prepared%'], { batchSize: 4 }))) {
            sum += row.visits;
        }
        assert.equal(sum, 66);
    } finally {
        client.release();
    }
});

check('copies in', async () => {
    const client = await pool.connect();
    try {
        await pipeline(
            Readable.from(['copy1@example.org\tÇopy\t11\tt\t{a,"b c"}\t\\\\x00ff\n', 'copy2@example.org\tCopy\t12\tf\t\\N\t\\N\n']),
            client.query(copy.from('COPY person (email, name, visits, active, tags, photo) FROM STDIN')));
    } finally {
        client.release();
    }
    assert.deepEqual(await rows('SELECT name, visits, active, tags, photo FROM person WHERE email LIKE $1 ORDER BY visits', ['copy%']), [
        { name: 'Çopy', visits: 11, active: true, tags: ['a', 'b c'], photo: Buffer.from([0, 255]) },
        { name: 'Copy', visits: 12, active: false, tags: null, photo: null }
    ]);
});

async function copyOut(statement) {
    const client = await pool.connect();
    try {
        const parts = [];
        for await (const part of client.query(copy.to(statement))) {
            parts.push(part);
        }
        return Buffer.concat(parts);
    } finally {
        client.release();
    }
}

check('copies out a query', async () => {
    assert.equal(String(await copyOut(
        `COPY (SELECT email, visits, active, tags, photo FROM person WHERE email LIKE 'copy%' ORDER BY visits) TO STDOUT (FORMAT csv)`)),
    'copy1@example.org,11,t,"{a,""b c""}",\\x00ff\ncopy2@example.org,12,f,,\n');
});

check('copies out a table', async () => {
    const lines = String(await copyOut('COPY person (email, visits, salary) TO STDOUT')).split('\n');
    assert.ok(lines.includes('copy1@example.org\t11\t\\N'));
    assert.ok(lines.includes(`prepared3@example.org\t3\t${zoe.salary}`));
});

check('copies out and in again in binary format', async () => {
    const bytes = await copyOut(`COPY (SELECT 'again' || email::text, name, visits, seen, ref, tags FROM person WHERE email = 'prepared3@example.org')
        TO STDOUT (FORMAT binary)`);
    const client = await pool.connect();
    try {
        await pipeline(Readable.from([bytes]),
            client.query(copy.from('COPY person (email, name, visits, seen, ref, tags) FROM STDIN (FORMAT binary)')));
    } finally {
        client.release();
    }
    assert.deepEqual(await first('SELECT name, visits, seen, ref, tags FROM person WHERE email = $1', ['againprepared3@example.org']),
        { name: zoe.name, visits: 3, seen: zoe.seen, ref: zoe.ref, tags: zoe.tags });
});

check('sends several statements at once', async () => {
    const results = await pool.query(`SELECT visits FROM person WHERE email = 'bob@example.org'; SELECT count(*)::int AS n FROM purchase`);
    assert.deepEqual(results.map((result) => result.rows), [[{ visits: 19 }], [{ n: 4 }]]);
});

check('reports a bad value with its SQLSTATE', async () => {
    assert.equal(await sqlstate(() => pool.query('SELECT FROM person WHERE visits = $1', ['many'])), '22P02');
    assert.equal(await sqlstate(() => pool.query('UPDATE person SET born = $1', ['1961-02-30'])), '22008');
    assert.equal(await sqlstate(() => pool.query('UPDATE person SET level = $1', [40000])), '22003');
});

check('deletes one row and returns it', async () => {
    assert.deepEqual(await first('DELETE FROM person WHERE email = $1 RETURNING name, visits, active', ['copy1@example.org']),
        { name: 'Çopy', visits: 11, active: true });
});

check('deletes many rows', async () => {
    assert.equal((await pool.query('DELETE FROM person WHERE email LIKE $1 AND visits > $2', ['prepared%', 5])).rowCount, 6);
});

check('refuses to delete what is referred to', async () => {
    assert.equal(await sqlstate(() => pool.query('DELETE FROM person WHERE email = $1', ['bob@example.org'])), '23503');
});

await run(() => pool.end());
