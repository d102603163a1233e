<?php
// The checks, of one way to prepare statements.

// Writing and reading back

check('insert every type', fn () => same(insert_zoe(ZO), [[ZO, false]]));

foreach (READ as $name => $value) {
    check("read $name", fn () => same(rows("SELECT $name FROM person WHERE email = ?", [ZO]), [[$value]]));
}

check('read a whole row', function () {
    $row = rows('SELECT * FROM person', [], PDO::FETCH_ASSOC)[0];
    same(array_intersect_key($row, ZOE), READ);
});

check('read into an object', function () {
    $one = run('SELECT name, active, points FROM person')->fetchObject();
    same([$one->name, $one->active, $one->points], ['Zoë Müller', false, PHP_INT_MAX]);
});

check('read with bound columns', function () {
    $statement = run('SELECT visits, active, photo FROM person');
    $statement->bindColumn(1, $visits, PDO::PARAM_INT);
    $statement->bindColumn('active', $active, PDO::PARAM_BOOL);
    $statement->bindColumn(3, $photo, PDO::PARAM_LOB);
    $statement->fetch(PDO::FETCH_BOUND);
    same([$visits, $active, stream_get_contents($photo)], [7, false, ZOE['photo']]);
});

check('types of results', function () {
    $statement = run('SELECT ' . implode(', ', COLUMNS) . ', array_agg(name) FROM person GROUP BY id');
    same(array_map(fn (int $i) => $statement->getColumnMeta($i)['native_type'], range(0, count(COLUMNS))), [
        'text', 'text', 'text', 'int2', 'int4', 'int8', 'numeric', 'float8', 'float4', 'bool', 'date', 'time', 'timestamptz',
        'timestamp', 'uuid', 'jsonb', 'bytea', 'inet', '_text', '_int4', '_text']);
});

check('bytes from a stream', function () {
    global $db;
    $stream = fopen('php://memory', 'w+');
    fwrite($stream, str_repeat("\x00\xfe", 5000));
    rewind($stream);
    $statement = $db->prepare('UPDATE person SET photo = ? WHERE email = ? RETURNING photo');
    $statement->bindValue(1, $stream, PDO::PARAM_LOB);
    $statement->bindValue(2, ZO);
    $statement->execute();
    same(stream_get_contents($statement->fetchColumn()), str_repeat("\x00\xfe", 5000));
    run('UPDATE person SET photo = ?', [ZOE['photo']]);
});

check('defaults', function () {
    run("INSERT INTO person (email, name) VALUES ('default@example.org', 'Default')");
    same(rows('SELECT visits, active, note FROM person WHERE email = ?', ['default@example.org']), [[0, true, null]]);
});

check('NULLs', function () {
    run('UPDATE person SET ' . implode(', ', array_map(fn ($name) => "$name = ?", NULLABLE)) . ' WHERE email = ?',
        [...array_fill(0, count(NULLABLE), null), 'default@example.org']);
    $row = rows('SELECT * FROM person WHERE email = ?', ['default@example.org'], PDO::FETCH_ASSOC)[0];
    same(array_map(fn ($name) => $row[$name], NULLABLE), array_fill(0, count(NULLABLE), null));
});

check('extreme numbers', function () {
    $row = [-32768, -2147483648, PHP_INT_MIN, '-12345678901234567890.123456789'];
    $floats = ['1.7976931348623157e+308', '-0.5'];
    same(rows('UPDATE person SET level = ?, visits = ?, points = ?, salary = ?, score = ?, ratio = ? WHERE email = ?'
        . ' RETURNING level, visits, points, salary, score, ratio', [...$row, ...$floats, 'default@example.org']),
        [[...$row, ...array_map(read_float(...), $floats)]]);
});

check('NaN and infinity', function () {
    same(rows('UPDATE person SET salary = ?, score = ?, ratio = ? WHERE email = ? RETURNING salary, score, ratio',
        ['NaN', 'NaN', '-Infinity', 'default@example.org']), [['NaN', read_float('NaN'), read_float('-Infinity')]]);
});

check('a long text and many bytes', function () {
    $row = [str_repeat('xyß🙂', 20000), str_repeat("\x00\xff", 50000)];
    same(rows('UPDATE person SET note = ?, photo = ? WHERE email = ? RETURNING note, photo', [...$row, 'default@example.org']), [$row]);
});

check('empty arrays, and arrays with NULL', fn () => same(
    rows('UPDATE person SET tags = ?, lucky = ? WHERE email = ? RETURNING tags, lucky', ['{}', '{1,NULL}', 'default@example.org']),
    [['{}', '{1,NULL}']]));

check('delete, with its count', function () {
    same(run('DELETE FROM person WHERE email = ?', ['default@example.org'])->rowCount(), 1);
    same(column('SELECT count(*) FROM person'), [1]);
});

// Many rows

check('one statement, executed for each row', function () {
    global $db;
    $statement = $db->prepare('INSERT INTO person (email, name, salary, born, active, visits) VALUES (?, ?, ?, ?, ?, ?)');
    foreach (OTHERS as $row) {
        foreach ($row as $i => $value) {
            bind($statement, $i + 1, $value);
        }
        $statement->execute();
    }
    same(rows('SELECT name, visits FROM person WHERE visits >= ? ORDER BY visits', [10]), array_map(fn ($row) => [$row[1], $row[5]], OTHERS));
});

check('values given to execute', function () {
    global $db;
    $statement = $db->prepare('INSERT INTO purchase (person_id, title, amount, paid, at)'
        . ' SELECT id, ?, ?, ?, ? FROM person WHERE email = ? RETURNING title, amount, paid');
    $found = [];
    foreach ([['Book', '12.50', 't', '2024-01-02 00:00+00', ZO], ['Lamp', 30, 'f', null, ZO],
        ['Book', '12.5', 't', '2024-05-06 00:00+00', BOB]] as $row) {
        $statement->execute($row);
        $found[] = $statement->fetch(PDO::FETCH_NUM);
    }
    same($found, [['Book', '12.50', true], ['Lamp', '30', false], ['Book', '12.5', true]]);
});

check('upsert that inserts, then updates', function () {
    $sql = 'INSERT INTO person (email, name, visits) VALUES (?, ?, 1) ON CONFLICT (email)'
        . ' DO UPDATE SET name = excluded.name, visits = person.visits + 1 RETURNING name, visits';
    same(rows($sql, [EVE, 'Eve']), [['Eve', 1]]);
    same(rows($sql, [EVE, 'Eve Adams']), [['Eve Adams', 2]]);
});

check('upsert that does nothing', fn () => same(
    run('INSERT INTO person (email, name) VALUES (?, ?) ON CONFLICT DO NOTHING', [EVE, 'x'])->rowCount(), 0));

// Changing

check('update one', fn () => same(rows('UPDATE person SET note = ?, salary = ? WHERE email = ? RETURNING note, salary',
    ['changed', '52000.75', ZO]), [['changed', '52000.75']]));

check('update many', fn () => same(run('UPDATE person SET level = ? WHERE active', [5])->rowCount(), 3));

check('increment', fn () => same(rows('UPDATE person SET visits = visits + ?, salary = salary * ? WHERE email = ? RETURNING visits, salary',
    [1, '1.1', BOB]), [[31, '-0.011']]));

// Conditions

foreach ([
    ['= text', 'email = ?', [ZO], [ZO]],
    ['<> text', 'email <> ?', [ZO], [BOB, EVE, LI, OLGA]],
    ['IN a list', 'email IN (?, ?, ?)', [BOB, EVE, 'nobody'], [BOB, EVE]],
    ['= ANY of texts', 'email = ANY(?)', ['{' . BOB . ',' . LI . '}'], [BOB, LI]],
    ['= ANY of integers', 'visits = ANY(?)', ['{7,20}'], [LI, ZO]],
    ['LIKE', 'email LIKE ?', ['%@example.org'], [BOB, EVE, ZO]],
    ['ILIKE', 'name ILIKE ?', ['ZOë%'], [ZO]],
    ['regular expression', 'name ~* ?', ["o'b"], [BOB]],
    ['lower()', 'lower(name) = ?', ['eve adams'], [EVE]],
    ['concatenation', "name || ' ' || email = ?", ['Eve Adams eve@example.org'], [EVE]],
    ['BETWEEN integers', 'visits BETWEEN ? AND ?', [2, 20], [EVE, LI, ZO, OLGA]],
    ['BETWEEN dates', 'born BETWEEN ? AND ?', ['1985-07-01', '2000-01-01'], [LI, OLGA]],
    ['< text', 'name < ?', ['C'], [BOB]],
    ['>= integer', 'visits >= ?', [20], [BOB, LI]],
    ['numeric = integer', 'salary = ?', [61000], [LI, OLGA]],
    ['numeric = numeric', 'salary = ?', ['52000.75'], [ZO]],
    ['numeric < fraction', 'salary < ?', [0.5], [BOB]],
    ['float = float', 'score = ?', [1.1], [ZO]],
    ['= bool', 'active = ?', [false], [BOB, ZO]],
    ['bool alone', 'NOT active', [], [BOB, ZO]],
    ['IS NULL', 'born IS NULL', [], [EVE]],
    ['IS NOT DISTINCT FROM a NULL', 'note IS NOT DISTINCT FROM ?', [null], [BOB, EVE, LI, OLGA]],
    ['= timestamptz', 'seen = ?', [ZOE['seen']], [ZO]],
    ['< timestamp', 'local < ?', ['1970-01-01'], [ZO]],
    ['= time', 'wakes = ?', [ZOE['wakes']], [ZO]],
    ['= uuid', 'ref = ?', [ZOE['ref']], [ZO]],
    ['= bytes', 'photo = ?', [ZOE['photo']], [ZO]],
    ['= inet', 'address = ?', [ZOE['address']], [ZO]],
    ['inet in a network', 'address << ?', ['2001:db8::/32'], [ZO]],
    ['json field', "doc ->> 'vip' = ?", ['true'], [ZO]],
    ['json path', "doc #>> '{deep,ключ}' = ?", ['значение'], [ZO]],
    ['json contains', 'doc @> ?', ['{"tags": [1.5]}'], [ZO]],
    ['json has key', 'doc ?? ?', ['deep'], [ZO]],
    ['= ANY of an array column', '? = ANY(tags)', ['{}'], [ZO]],
    ['array contains', 'tags @> ?', ['{"","{}"}'], [ZO]],
    ['arrays overlap', 'lucky && ?', ['{1,-7}'], [ZO]],
    ['= array', 'lucky = ?', [ZOE['lucky']], [ZO]],
    ['element of an array', 'lucky[2] < ?', [0], [ZO]],
    ['AND, OR, NOT', '(active AND visits > ?) OR NOT (name <> ?)', [15, 'Eve Adams'], [EVE, LI]],
    ['extract of a date', 'extract(year FROM born) = ?', [1999], [LI]],
    ['row comparison', '(email, visits) IN ((?, ?))', [ZO, 7], [ZO]],
    ['subquery', 'id IN (SELECT person_id FROM purchase WHERE amount = ?)', ['12.5'], [BOB, ZO]],
    ['subquery of an encrypted column', 'name IN (SELECT name FROM person WHERE visits > ?)', [10], [BOB, LI]],
    ['EXISTS', 'EXISTS (SELECT FROM purchase WHERE person_id = person.id AND NOT paid)', [], [ZO]],
] as [$name, $condition, $values, $expected]) {
    check("condition: $name", function () use ($condition, $values, $expected) {
        $found = column("SELECT email FROM person WHERE $condition", $values);
        sort($found);
        sort($expected);
        same($found, $expected);
    });
}

// Ordering, grouping, joining

check('ORDER BY text, both ways, with LIMIT and OFFSET', function () {
    same(column('SELECT name FROM person ORDER BY name'), ["Bob O'Brien", 'Eve Adams', 'Zoë Müller', 'Ольга', '李伟 🙂']);
    same(column('SELECT name FROM person ORDER BY name DESC LIMIT ? OFFSET ?', [2, 1]), ['Ольга', 'Zoë Müller']);
});

check('ORDER BY with NULLS', fn () => same(column('SELECT email FROM person ORDER BY born DESC NULLS LAST, visits'), [BOB, LI, OLGA, ZO, EVE]));

check('DISTINCT, and DISTINCT ON', function () {
    same(rows('SELECT DISTINCT active, level FROM person ORDER BY active, level'), [[false, -32768], [false, null], [true, 5]]);
    same(rows('SELECT DISTINCT ON (active) active, name FROM person ORDER BY active, name'), [[false, "Bob O'Brien"], [true, 'Eve Adams']]);
});

check('aggregates', fn () => same(
    rows('SELECT count(*), count(born), sum(visits), avg(visits), min(name), max(born), sum(salary), avg(score), bool_and(active) FROM person'),
    [[5, 4, 70, '14.0000000000000000', "Bob O'Brien", '2001-01-01', '174000.739', read_float('1.1'), false]]));

check('aggregates into arrays, text and json', fn () => same(
    rows("SELECT array_agg(visits ORDER BY visits), string_agg(name, '; ' ORDER BY name), jsonb_agg(email ORDER BY email) FROM person WHERE active"),
    [['{2,10,20}', 'Eve Adams; Ольга; 李伟 🙂', '["eve@example.org", "li@example.cn", "ольга@пример.рф"]']]));

check('GROUP BY with HAVING', fn () => same(
    rows('SELECT active, count(*), max(visits) FROM person GROUP BY active HAVING sum(visits) > ?', [35]), [[false, 2, 31]]));

check('join', fn () => same(rows('SELECT p.name, u.title, u.amount, u.paid FROM person p JOIN purchase u ON u.person_id = p.id'
    . ' WHERE u.amount >= ? ORDER BY u.amount DESC, p.name', [12]),
    [['Zoë Müller', 'Lamp', '30', false], ["Bob O'Brien", 'Book', '12.5', true], ['Zoë Müller', 'Book', '12.50', true]]));

check('left join, grouped', fn () => same(rows('SELECT p.name, count(u.id), coalesce(sum(u.amount), ?) FROM person p'
    . ' LEFT JOIN purchase u ON u.person_id = p.id GROUP BY p.name ORDER BY 2 DESC, 1 LIMIT 3', [0]),
    [['Zoë Müller', 2, '42.50'], ["Bob O'Brien", 1, '12.5'], ['Eve Adams', 0, '0']]));

check('UNION, CASE, COALESCE, a window function', function () {
    same(column('SELECT email FROM person WHERE NOT active UNION SELECT title FROM purchase ORDER BY 1'), ['Book', 'Lamp', BOB, ZO]);
    same(rows('SELECT CASE WHEN active THEN name ELSE ? END, coalesce(note, ?), rank() OVER (ORDER BY visits DESC) FROM person ORDER BY 3 LIMIT 2',
        ['hidden', 'none']), [['hidden', 'none', 1], ['李伟 🙂', 'none', 2]]);
});

check('grouped fetch modes', function () {
    same(run('SELECT email, visits FROM person WHERE active ORDER BY name')->fetchAll(PDO::FETCH_KEY_PAIR), [EVE => 2, OLGA => 10, LI => 20]);
    same(run('SELECT level, email FROM person WHERE active ORDER BY name')->fetchAll(PDO::FETCH_GROUP | PDO::FETCH_COLUMN), [5 => [EVE, OLGA, LI]]);
});

// Transactions

check('rollback', function () {
    global $db;
    $db->beginTransaction();
    run("UPDATE person SET name = 'gone'");
    $db->rollBack();
    same(column('SELECT count(*) FROM person WHERE name = ?', ['gone']), [0]);
});

check('savepoint', function () {
    global $db;
    $db->beginTransaction();
    run('UPDATE person SET note = ? WHERE email = ?', ['kept', ZO]);
    $db->exec('SAVEPOINT one');
    fails('23505', 'INSERT INTO person (email, name) VALUES (?, ?)', [BOB, 'x']);
    $db->exec('ROLLBACK TO one');
    run('UPDATE person SET score = ? WHERE email = ?', [2.5, ZO]);
    $db->commit();
    same(rows('SELECT note, score FROM person WHERE email = ?', [ZO]), [['kept', read_float('2.5')]]);
});

check('SELECT FOR UPDATE', function () {
    global $db;
    $db->beginTransaction();
    same(rows('SELECT name, visits FROM person WHERE email = ? FOR UPDATE', [ZO]), [['Zoë Müller', 7]]);
    $db->commit();
});

// Statements and cursors of the server

check('prepared query, eight uses', function () {
    global $db;
    $statement = $db->prepare('SELECT name, visits FROM person WHERE email = ? AND visits >= ? AND active = ?');
    for ($n = 1; $n <= 8; $n++) {
        $statement->bindValue(1, ZO);
        $statement->bindValue(2, $n - 1, PDO::PARAM_INT);
        $statement->bindValue(3, false, PDO::PARAM_BOOL);
        $statement->execute();
        same($statement->fetchAll(PDO::FETCH_NUM), [['Zoë Müller', 7]]);
    }
});

check('prepared update, eight uses', function () {
    global $db;
    $statement = $db->prepare('UPDATE person SET visits = ?, born = ?, doc = ? WHERE email = ? RETURNING visits, born, doc');
    for ($n = 1; $n <= 8; $n++) {
        $statement->execute([$n, "1951-01-0$n", "{\"n\": $n}", ZO]);
        same($statement->fetchAll(PDO::FETCH_NUM), [[$n, "1951-01-0$n", "{\"n\": $n}"]]);
    }
});

check('row by row', function () {
    $found = [];
    foreach (run('SELECT name, visits FROM person ORDER BY visits') as $row) {
        $found[] = [$row['name'], $row['visits']];
    }
    same($found, [['Eve Adams', 2], ['Zoë Müller', 8], ['Ольга', 10], ['李伟 🙂', 20], ["Bob O'Brien", 31]]);
});

check('cursor that scrolls', function () {
    global $db;
    $db->beginTransaction();
    $statement = $db->prepare('SELECT name, active FROM person ORDER BY name', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
    $statement->execute();
    same($statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST), ['李伟 🙂', true]);
    same($statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_FIRST), ["Bob O'Brien", false]);
    $db->commit();
});

check('cursor', function () {
    global $db;
    $db->beginTransaction();
    $db->exec('DECLARE people CURSOR FOR SELECT name, visits, active FROM person ORDER BY visits');
    same(rows('FETCH 2 FROM people'), [['Eve Adams', 2, true], ['Zoë Müller', 8, false]]);
    $db->commit();
});

check('COPY out', function () {
    global $db;
    same($db->pgsqlCopyToArray('purchase', "\t", '\\\\N', 'title, amount, paid'), ["Book\t12.50\tt\n", "Lamp\t30\tf\n", "Book\t12.5\tt\n"]);
});

check('COPY in', function () {
    global $db;
    $db->pgsqlCopyFromArray('person', ["copy1@example.org\tCopy, die erste – ü\t1\t1.10\tf\t1960-01-01\t{1,2}",
        "copy2@example.org\tCopy 2\t2\t\\N\tt\t\\N\t\\N"], "\t", '\\\\N', 'email, name, visits, salary, active, born, lucky');
    same(rows("DELETE FROM person WHERE email LIKE 'copy%' RETURNING name, visits, salary, active, born, lucky"),
        [['Copy, die erste – ü', 1, '1.10', false, '1960-01-01', '{1,2}'], ['Copy 2', 2, null, true, null, null]]);
});

// Errors

check('unique violation', fn () => fails('23505', 'INSERT INTO person (email, name) VALUES (?, ?)', [ZO, 'x']));

check('not-null and foreign key violations', function () {
    fails('23502', 'UPDATE person SET email = NULL');
    fails('23503', "INSERT INTO purchase (person_id, title, amount) VALUES (-1, 'x', 1)");
});

check('bad values', function () {
    fails('22003', 'UPDATE person SET level = ?', [40000]);
    fails('22007', 'UPDATE person SET born = ?', ['yesterdays']);
    fails('22P02', 'UPDATE person SET ref = ?', ['no-uuid']);
    fails('22P02', 'UPDATE person SET visits = ?', ['seven']);
    fails('22P02', 'UPDATE person SET doc = ?', ['{']);
    fails('22012', 'SELECT visits / ? FROM person', [0]);
});
