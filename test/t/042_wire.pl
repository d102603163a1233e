#
# What a client of libpq's gets for encrypted columns is what it gets for plain
# ones: types of results and parameters, base tables and columns, sizes, formats,
# values and errors.  The same commands run on like tables of two schemas; what
# test/wire/describe shows of both must be the same, and without
# cellenc.wire_types it must not be.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use IPC::Run qw(run);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main');
my $describe = "$FindBin::RealBin/../wire/describe";

# Made in both schemas: TYPE stands for the type, KEY for its encrypted twin's
# modifiers.
my $tables = <<'SQL';
	CREATE DOMAIN word AS TYPE(text) CHECK (VALUE <> '');
	CREATE TABLE t (id integer PRIMARY KEY, s TYPE(text), o TYPE(text, order), n TYPE(int4, order),
		small TYPE(int2), big TYPE(int8), m TYPE(numeric), f TYPE(float8), r TYPE(float4), b TYPE(bool),
		d TYPE(date), h TYPE(time), ts TYPE(timestamptz), l TYPE(timestamp), i TYPE(interval),
		u TYPE(uuid), j TYPE(jsonb), y TYPE(bytea), a TYPE(inet), tags TYPE(text)[], nums TYPE(int4)[], w word);
	CREATE UNIQUE INDEX ON t (o);
	CREATE TABLE child (id integer PRIMARY KEY, t_id integer REFERENCES t, s TYPE(text), n TYPE(int4));
	CREATE TABLE parted (id integer, s TYPE(text)) PARTITION BY RANGE (id);
	CREATE TABLE parted1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
	INSERT INTO t VALUES
		(1, 'Ada', 'ada', 1, 1, 10000000000, 12.50, 0.5, 0.25, true, '1815-12-10', '06:30', '2024-02-29 12:00+02',
			'1999-12-31 23:59', '1 day', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1]}', '\x00ff', '10.0.0.1/8',
			'{a,"b c",NULL}', '{1,-2}', 'word'),
		(2, 'Bob', 'bob', 2, 2, NULL, -0.1, NULL, NULL, false, '2020-01-02', NULL, '1960-01-01 UTC', NULL, NULL, NULL,
			'[]', '\x', NULL, '{}', '{}', 'other');
	INSERT INTO t VALUES (3, 'Bob', 'cid', 2);
	INSERT INTO child VALUES (1, 1, 'Ada''s', 1), (2, 2, 'Bob''s', 2), (3, 2, 'x', 2);
	INSERT INTO parted VALUES (1, 'one');
	CREATE TABLE rekeyed (id integer, s TYPE(text));
	INSERT INTO rekeyed VALUES (1, 'one');
	CREATE FUNCTION rekey() RETURNS text LANGUAGE sql AS $$
		SELECT 'ALTER TABLE rekeyed ALTER s TYPE ' || format_type(atttypid, -1) ||
			CASE WHEN atttypid <> 'text'::regtype THEN '(''second'')' ELSE '' END
		FROM pg_attribute WHERE attrelid = 'rekeyed'::regclass AND attname = 's' $$;
	CREATE VIEW v AS SELECT id, s, n, upper(s) AS loud FROM t;
	CREATE FUNCTION by_sql(x integer) RETURNS t.s%TYPE LANGUAGE sql AS 'SELECT s FROM t WHERE id = x';
	CREATE FUNCTION rows_by_sql() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t ORDER BY id';
	CREATE FUNCTION by_plpgsql(x integer) RETURNS t.s%TYPE LANGUAGE plpgsql AS
		'DECLARE r t.s%TYPE; BEGIN SELECT s INTO r FROM t WHERE id = x; RETURN r; END';
	CREATE FUNCTION rows_by_plpgsql() RETURNS SETOF t LANGUAGE plpgsql AS
		'BEGIN RETURN QUERY SELECT * FROM t ORDER BY id; END';
	CREATE FUNCTION out_by_plpgsql(OUT a t.s%TYPE, OUT b t.n%TYPE) LANGUAGE plpgsql AS
		'BEGIN SELECT s, n INTO a, b FROM t WHERE id = 1; END';
	CREATE FUNCTION tags_by_plpgsql(x integer) RETURNS t.tags%TYPE LANGUAGE plpgsql AS
		'BEGIN RETURN (SELECT tags FROM t WHERE id = x); END';
	CREATE FUNCTION open_cursor() RETURNS refcursor LANGUAGE plpgsql AS
		$$ DECLARE c refcursor := 'opened'; BEGIN OPEN c FOR SELECT s FROM t ORDER BY id; RETURN c; END $$;
	CREATE FUNCTION table_of_text() RETURNS TABLE (x text) LANGUAGE plpgsql AS
		'BEGIN RETURN QUERY SELECT s FROM t ORDER BY id; END';
	CREATE PROCEDURE doubled(INOUT x t.s%TYPE) LANGUAGE plpgsql AS 'BEGIN x := x || x; END';
SQL

# A test is what stands below its name.
my $commands = <<'COMMANDS';
# all types
run SELECT * FROM t ORDER BY id
# columns, with other names and repeated
run SELECT t.s AS x, n, s, tags AS "Some Tags" FROM t ORDER BY id
# a qualified star, a join
run SELECT c.*, t.s FROM t JOIN child c ON c.t_id = t.id ORDER BY c.id
# USING, NATURAL and outer joins
run SELECT s, n FROM t LEFT JOIN (SELECT id, s AS x FROM child) c USING (id) ORDER BY id
run SELECT * FROM (SELECT id, s FROM t) a NATURAL JOIN (SELECT id, n FROM child) b ORDER BY id
run SELECT a.s, b.s FROM t a FULL JOIN child b ON a.id = b.id + 2 ORDER BY a.id, b.id
# LATERAL
run SELECT t.s, x.s FROM t, LATERAL (SELECT s FROM child WHERE t_id = t.id ORDER BY id LIMIT 1) x ORDER BY t.id
# text expressions
run SELECT s || 'x', s || o, lower(s), length(s), s LIKE 'A%', substr(s, 1, 1), s::varchar(2), concat(s, n), format('%s', s) FROM t ORDER BY id
# numbers in expressions
run SELECT n + 1, n * 2, -n, n + big, m + 1, f * 2, r, n::bigint, n::text, abs(n), round(m), small % 2, n * 1.5, n > 1.5, m * n, big / small, sqrt(n) FROM t ORDER BY id
# dates and times in expressions
run SELECT d + 1, d - d, ts + '1 day'::interval, l::date, extract(year FROM ts), age(l, l), i * 2, h - '1 hour'::interval FROM t ORDER BY id
# other types in expressions
run SELECT NOT b, b AND true, j -> 'a', j ->> 'a', j @> '{}', y || '\x01'::bytea, host(a), masklen(a), u::text FROM t ORDER BY id
# arrays in expressions
run SELECT tags[1], tags[2:3], array_length(nums, 1), cardinality(tags), array_to_string(tags, ','), 'a' = ANY (tags), ARRAY[s, o], ARRAY[n] FROM t ORDER BY id
# a row constructor
run SELECT row_to_json(x), to_jsonb(x) FROM (SELECT s, n, b, d, tags FROM t) x ORDER BY 1::text
# CASE, coalesce, nullif, greatest
run SELECT CASE WHEN b THEN s END, CASE WHEN b THEN s ELSE o END, coalesce(s, o), coalesce(s, 'none'), nullif(s, 'Ada'), greatest(n, n), least(s, o) FROM t ORDER BY id
# a comparison, IS NULL, IN, BETWEEN
run SELECT s = 'Ada', n < 2, s IS NULL, n IN (1, 5), n BETWEEN 1 AND 2, s = ANY ('{Ada}'), (s, n) = ('Ada', 1) FROM t ORDER BY id
# aggregates
run SELECT count(s), min(s), max(n), sum(n), avg(n), sum(m), min(d), max(ts), bool_and(b), string_agg(s, ',' ORDER BY id), array_agg(n ORDER BY id), array_agg(s ORDER BY id), jsonb_agg(s ORDER BY id) FROM t
# DISTINCT
run SELECT DISTINCT s FROM t ORDER BY s
run SELECT DISTINCT s, n, b FROM t ORDER BY n DESC, s, b
run SELECT DISTINCT tags FROM t ORDER BY tags
run SELECT DISTINCT unnest(tags) AS x FROM t ORDER BY x
run SELECT DISTINCT s, count(*) FROM t GROUP BY s, n ORDER BY s
run SELECT DISTINCT s, rank() OVER (ORDER BY n) FROM t ORDER BY 2, 1
run SELECT DISTINCT s, (SELECT count(*) FROM child WHERE child.n = t.n) FROM t ORDER BY 1 LIMIT (SELECT 2)
run SELECT DISTINCT s AS x, s AS y, id FROM t ORDER BY y DESC, x, id OFFSET 1
# DISTINCT and ORDER BY of a domain's parameter
prepare a SELECT DISTINCT $1::word FROM t
execute a	word
prepare b SELECT $1::word FROM t ORDER BY 1
execute b	word
# DISTINCT ON
run SELECT DISTINCT ON (s, b) n FROM t ORDER BY s
run SELECT DISTINCT ON (n) n, s, id FROM t ORDER BY n, id DESC
run SELECT DISTINCT ON (n) s FROM t ORDER BY n, id
# ORDER BY
run SELECT s, n FROM t ORDER BY s DESC, n, id
run SELECT s FROM t ORDER BY lower(s), id DESC
run SELECT id FROM t ORDER BY o DESC
run SELECT s AS x FROM t ORDER BY x, id LIMIT 1 OFFSET 1
run SELECT s FROM t ORDER BY n FETCH FIRST 1 ROW WITH TIES
# GROUP BY
run SELECT s, count(*) FROM t GROUP BY s ORDER BY s
run SELECT n, max(s) FROM t GROUP BY n HAVING count(*) > 1
run SELECT s, n, count(*) FROM t GROUP BY GROUPING SETS ((s), (n), ()) ORDER BY 1, 2, 3
run SELECT t.*, count(*) FROM t GROUP BY id ORDER BY id
run SELECT s AS x, upper(s), s || 'x' FROM t GROUP BY s ORDER BY x DESC
run SELECT s, s, n FROM t GROUP BY 1, 3 ORDER BY 1, 2, 3
run SELECT n % 2, array_agg(s ORDER BY s, id), count(DISTINCT s) FROM t GROUP BY 1 ORDER BY 1
# collations
run SELECT s COLLATE "C" FROM t ORDER BY 1
run SELECT s COLLATE "C" AS x, min(o COLLATE "C") FROM t GROUP BY s COLLATE "C" ORDER BY x
run SELECT DISTINCT s COLLATE "C" FROM t WHERE s COLLATE "C" > 'A' ORDER BY 1
# window functions
run SELECT s, rank() OVER (PARTITION BY n ORDER BY s), lag(s) OVER w, first_value(n) OVER w FROM t WINDOW w AS (ORDER BY id) ORDER BY id
# set operations
run SELECT s FROM t UNION SELECT s FROM child ORDER BY s
run SELECT s, n FROM t UNION ALL SELECT s, n FROM child ORDER BY 1, 2
run SELECT s FROM t INTERSECT SELECT s FROM t ORDER BY 1
run SELECT n FROM t EXCEPT SELECT n FROM child WHERE id = 1 ORDER BY 1
run SELECT s FROM t UNION SELECT 'x' ORDER BY 1 LIMIT 2
run (SELECT s FROM t ORDER BY id LIMIT 1) UNION ALL (SELECT s FROM child ORDER BY id LIMIT 1)
run SELECT s FROM t UNION SELECT s FROM child EXCEPT SELECT s FROM t WHERE id = 1 ORDER BY 1
# subqueries
run SELECT (SELECT s FROM child WHERE t_id = t.id ORDER BY id LIMIT 1), ARRAY(SELECT s FROM child ORDER BY id) FROM t ORDER BY id
run SELECT x FROM (SELECT s AS x FROM t ORDER BY id LIMIT 2) y ORDER BY x
run SELECT s FROM t WHERE n IN (SELECT n FROM child) AND EXISTS (SELECT FROM child WHERE s = 'x') ORDER BY id
# WITH
run WITH x AS (SELECT s, n FROM t) SELECT * FROM x ORDER BY s, n
run WITH x AS MATERIALIZED (SELECT s FROM t), y AS (SELECT s FROM x) SELECT DISTINCT s FROM y ORDER BY s
run WITH RECURSIVE x AS (SELECT id, s FROM t WHERE id = 1 UNION ALL SELECT t.id, t.s FROM t JOIN x ON t.id = x.id + 1) SELECT s FROM x
# WITH that modifies data
run WITH x AS (INSERT INTO t (id, s, n) VALUES (9, 'Zoe', 9) RETURNING s, n) SELECT * FROM x
run WITH x AS (DELETE FROM child RETURNING s, t_id) SELECT DISTINCT s FROM x UNION SELECT s FROM t ORDER BY 1
run WITH x AS (UPDATE t SET n = 5 RETURNING id, s, n) SELECT x.s, x.n, t.n FROM x JOIN t USING (id) ORDER BY id
# VALUES
run SELECT * FROM (VALUES (1, 'a'), (2, 'b')) x (id, s) JOIN t USING (id) ORDER BY id
run VALUES ((SELECT s FROM t WHERE id = 1), (SELECT n FROM t WHERE id = 1))
# INSERT RETURNING
run INSERT INTO t (id, s, n, tags, b) VALUES (9, 'Zoe', 9, '{z}', false) RETURNING *
run INSERT INTO t (id, s) VALUES (9, 'Zoe') RETURNING s AS x, length(s), s || 'x', n
run INSERT INTO t (id, s, n) SELECT id + 10, s, n FROM t RETURNING id, s, n
run INSERT INTO t (id, s) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET s = excluded.s || t.s RETURNING s
run INSERT INTO t (id, o) VALUES (9, 'ada') ON CONFLICT (o) DO UPDATE SET s = 'new' RETURNING id, s, o
run INSERT INTO t (id, s) VALUES (1, 'x') ON CONFLICT DO NOTHING RETURNING s
# UPDATE RETURNING
run UPDATE t SET s = upper(s), n = n + 1 WHERE id = 1 RETURNING s, n, t.d, tags
run UPDATE t SET s = c.s FROM child c WHERE c.t_id = t.id AND c.id = 1 RETURNING t.s, c.s, c.*
# DELETE RETURNING
run DELETE FROM child WHERE id = 1 RETURNING *, s || 'x'
# MERGE
run MERGE INTO t USING child c ON c.id = t.id WHEN MATCHED THEN UPDATE SET s = c.s WHEN NOT MATCHED THEN INSERT (id, s) VALUES (c.id, c.s)
# partitions
run SELECT * FROM parted
run SELECT s FROM parted1
run INSERT INTO parted VALUES (2, 'two') RETURNING s
# views
run SELECT * FROM v ORDER BY id
run SELECT s, count(*) FROM v GROUP BY s ORDER BY s
run UPDATE v SET s = 'new' WHERE id = 1 RETURNING s, loud
# domains
run SELECT w, w || 'x' FROM t ORDER BY id
run UPDATE t SET w = s WHERE id = 1 RETURNING w
# functions in SQL
run SELECT by_sql(1), by_sql(2) || 'x'
run SELECT * FROM by_sql(1)
run SELECT * FROM rows_by_sql()
run SELECT s, n FROM rows_by_sql() WHERE n = 2
run SELECT (rows_by_sql()).s
# functions in PL/pgSQL
run SELECT by_plpgsql(1), length(by_plpgsql(1)), tags_by_plpgsql(1)
run SELECT * FROM rows_by_plpgsql()
run SELECT * FROM out_by_plpgsql()
run SELECT (out_by_plpgsql()).*
# functions that return sets
run SELECT id, unnest(tags), unnest(nums) FROM t ORDER BY id
run SELECT x, i FROM t, unnest(tags) WITH ORDINALITY AS y (x, i) WHERE id = 1 ORDER BY i
run SELECT x.* FROM t, jsonb_to_record(j) AS x (a integer[]) WHERE id = 1
run SELECT * FROM ROWS FROM (by_sql(1), generate_series(1, 2)) AS x (s, i)
# locks, TABLESAMPLE, ONLY
run SELECT s FROM t WHERE id = 1 FOR UPDATE
run SELECT s FROM ONLY t TABLESAMPLE BERNOULLI (100) WHERE id = 1
run TABLE child
# EXPLAIN
run EXPLAIN (COSTS OFF) SELECT s, n FROM t
# EXPLAIN of what returns rows
run EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE child SET s = s RETURNING s
# simple query
simple SELECT s, n, tags FROM t ORDER BY id
simple SELECT s FROM t WHERE id = 1; SELECT n FROM t WHERE id = 1; SELECT DISTINCT s FROM t ORDER BY s
simple BEGIN; UPDATE t SET s = 'x' WHERE id = 1 RETURNING s; ROLLBACK; SELECT s FROM t WHERE id = 1
# parameters of conditions
prepare a SELECT s FROM t WHERE s = $1 AND n > $2 AND h < $3 AND b = $4 AND m <= $5 AND ts <> $6 AND u = $7
describe a
prepare b SELECT s FROM t WHERE s IN ($1, $2) OR n = ANY ($3) OR s = ANY ($4) OR n BETWEEN $5 AND $6
describe b
prepare c SELECT id FROM t WHERE s LIKE $1 OR s || $2 = $3 OR lower(s) = $4 OR n + $5 = $6 OR length(s) = $7
describe c
prepare d SELECT id FROM t WHERE tags = $1 OR nums = $2 OR $3 = ANY (tags) OR tags[$4] = $5
describe d
prepare e SELECT id FROM t WHERE j ->> $1 = $2 OR j @> $3 OR y = $4 OR a = $5 OR f < $6 OR small = $7 OR big = $8 OR small % $9 = 1 OR m * $10 > 1 OR n + $11 > 2.5
describe e
prepare f SELECT id FROM t WHERE h > $1 OR i = $2
describe f
# parameters beside dates
prepare a SELECT id FROM t WHERE d = $1 OR d BETWEEN $2 AND $3 OR $4 > d OR d IN ($5)
describe a
# parameters beside timestamps
prepare a SELECT id FROM t WHERE l = $1 OR l BETWEEN $2 AND $3 OR $4 > l OR l IN ($5)
describe a
# parameters beside reals
prepare a SELECT id FROM t WHERE r = $1 OR r BETWEEN $2 AND $3 OR $4 > r OR r IN ($5)
describe a
# parameters of timestamptz
prepare a SELECT id FROM t WHERE ts = $1 OR ts BETWEEN $2 AND $3 OR ts IN ($4) OR ts = ANY ($5)
describe a
# parameters of INSERT, UPDATE, DELETE
prepare a INSERT INTO t (id, s, o, n, small, big, m, f, r, b, d, h, ts, l, i, u, j, y, a, tags, nums) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) RETURNING s, m, tags
describe a
prepare b UPDATE t SET s = $1, n = n + $2, tags[1] = $3, b = NOT $4 WHERE id = $5 AND s <> $1 RETURNING n
describe b
prepare c INSERT INTO t (id, s) SELECT id + $1, s || $2 FROM t WHERE s = $3
describe c
prepare d INSERT INTO t (id, o) VALUES ($1, $2) ON CONFLICT (o) DO UPDATE SET s = $3, n = $4
describe d
prepare e DELETE FROM t WHERE s = $1 RETURNING s
describe e
prepare f INSERT INTO t (id, s, n) VALUES ($1, $2, $3), ($4, $5, $6)
describe f
# parameters in expressions
prepare a SELECT coalesce(s, $1), CASE WHEN b THEN s ELSE $2 END, nullif(s, $3), greatest(n, $4), ARRAY[s, $5], s = $6 FROM t
describe a
prepare b SELECT $1, s FROM t UNION SELECT 'x', $2
describe b
prepare c SELECT s FROM t WHERE ($1::text IS NULL OR s = $1) AND n = $2::bigint AND s = $3::varchar
describe c
prepare d SELECT id FROM t LIMIT $1 OFFSET $2
describe d
prepare e WITH x AS (SELECT s FROM t WHERE s = $1) SELECT s FROM x WHERE s <> $2 UNION SELECT s FROM child WHERE s = $3
describe e
# a prepared statement, executed until its plan is generic
prepare a SELECT s, n, b FROM t WHERE s = $1 AND n = $2 ORDER BY id
execute a	Bob	2
execute a	Ada	1
execute a	nobody	1
execute a	Bob	2
execute a	Bob	2
execute a	Ada	1
describe a
# a prepared INSERT and DELETE, executed
simple BEGIN
prepare a INSERT INTO child (id, t_id, s, n) SELECT max(id) + 1, $1, $2, $3 FROM child RETURNING s, n
execute a	1	ten	5
describe a
prepare b DELETE FROM child WHERE s = $1 AND id = (SELECT max(id) FROM child WHERE s = $2) RETURNING s, n
execute b	ten	ten
describe b
simple ROLLBACK
# a prepared statement, with columns added and dropped between
prepare a SELECT s, n FROM t WHERE s = $1 ORDER BY id
execute a	Bob
simple ALTER TABLE t ADD COLUMN extra integer
execute a	Bob
describe a
simple ALTER TABLE t DROP COLUMN extra
describe a
execute a	Bob
# the same by another session
prepare a SELECT DISTINCT s FROM t WHERE s = $1
execute a	Bob
other ALTER TABLE t ADD COLUMN extra integer
describe a
execute a	Bob
other ALTER TABLE t DROP COLUMN extra
execute a	Bob
describe a
# a star that grows
prepare a SELECT * FROM child WHERE id = $1
execute a	1
simple ALTER TABLE child ADD COLUMN extra integer
execute a	1
describe a
simple ALTER TABLE child DROP COLUMN extra
execute a	1
# a prepared statement, after other commands have discarded its plan
prepare a UPDATE t SET s = s WHERE s = $1 RETURNING s
execute a	Ada
simple DISCARD PLANS
execute a	Ada
other ANALYZE t
execute a	Ada
simple DISCARD ALL
describe a
# a prepared statement in a failed transaction
prepare a SELECT s FROM t WHERE s = $1
simple BEGIN
simple SELECT 1/0
describe a
execute a	Ada
simple ROLLBACK
execute a	Ada
# cursors
simple BEGIN
simple DECLARE a CURSOR FOR SELECT s, n, tags FROM t ORDER BY id
portal a
simple FETCH 1 FROM a
prepare b FETCH 1 FROM a
describe b
execute b
simple ROLLBACK
simple BEGIN
simple DECLARE b SCROLL CURSOR FOR SELECT DISTINCT s FROM t ORDER BY s
portal b
simple FETCH ALL FROM b
simple FETCH BACKWARD 1 FROM b
simple MOVE FIRST FROM b
simple ROLLBACK
# a binary cursor
simple BEGIN
simple DECLARE a BINARY CURSOR FOR SELECT s, n, nums FROM t ORDER BY id
portal a
simple FETCH 2 FROM a
simple ROLLBACK
# a cursor WITH HOLD
simple DECLARE a CURSOR WITH HOLD FOR SELECT s, tags FROM t ORDER BY id
portal a
simple FETCH ALL FROM a
simple CLOSE a
# a cursor declared by the extended protocol, and updated
simple BEGIN
prepare a DECLARE b CURSOR FOR SELECT s, n FROM t WHERE s = 'Bob' FOR UPDATE
execute a
portal b
simple ROLLBACK
simple BEGIN
simple DECLARE b CURSOR FOR SELECT s, n FROM t WHERE s = 'Bob' FOR UPDATE
simple FETCH 1 FROM b
simple UPDATE t SET n = n WHERE CURRENT OF b RETURNING s, n
simple ROLLBACK
# PREPARE and EXECUTE
simple PREPARE a AS SELECT s, n FROM t WHERE s = $1 AND n = $2
simple SELECT parameter_types FROM pg_prepared_statements WHERE name = 'a'
describe a
simple EXECUTE a ('Bob', 2)
run EXECUTE a ('Bob', 2)
execute a	Bob	2
simple PREPARE b (text, int) AS SELECT s FROM t WHERE s = $1 AND n = $2
simple EXECUTE b ('Ada', 1)
simple PREPARE c AS SELECT s FROM t
simple EXPLAIN (COSTS OFF) EXECUTE c
# COPY of a query by the extended protocol
prepare a COPY (SELECT s, tags FROM t ORDER BY id) TO STDOUT (FORMAT binary)
execute a
# PREPARE and EXECUTE in one message
simple PREPARE a AS SELECT s FROM t WHERE s = $1; EXECUTE a ('Ada'); DEALLOCATE a
simple DECLARE c CURSOR WITH HOLD FOR SELECT s FROM t ORDER BY id; FETCH 1 FROM c; CLOSE c
# a prepared set operation, with columns added between
prepare a SELECT s FROM t WHERE s = $1 UNION SELECT s FROM child WHERE n = $2 ORDER BY 1
execute a	Ada	2
other ALTER TABLE child ADD COLUMN extra integer
describe a
execute a	Ada	2
other ALTER TABLE child DROP COLUMN extra
execute a	Ada	2
# a prepared statement, after its column has got another key
prepare a SELECT id, s FROM rekeyed WHERE s = $1 ORDER BY id
execute a	one
other DO 'BEGIN EXECUTE rekey(); END'
describe a
execute a	one
# PREPARE by the extended protocol
prepare p PREPARE a AS SELECT s, n FROM t WHERE s = $1
execute p
run EXECUTE a ('Ada')
simple EXECUTE a ('Ada')
other ALTER TABLE t ADD COLUMN extra integer
run EXECUTE a ('Ada')
other ALTER TABLE t DROP COLUMN extra
simple EXECUTE a ('Ada')
describe a
# EXECUTE inside of a prepared statement
simple PREPARE a AS UPDATE t SET s = s WHERE s = $1 RETURNING s, n
prepare b EXECUTE a ('Ada')
describe b
execute b
simple ALTER TABLE t ADD COLUMN extra integer
describe b
execute b
simple ALTER TABLE t DROP COLUMN extra
execute b
# COPY of a query
simple COPY (SELECT s, n, b, d, tags FROM t ORDER BY id) TO STDOUT
simple COPY (SELECT s, n, b, d, tags FROM t ORDER BY id) TO STDOUT (FORMAT csv, HEADER)
simple COPY (SELECT s, n, m, b, d, ts, u, j, y, tags, nums, w FROM t ORDER BY id) TO STDOUT (FORMAT binary)
simple COPY (SELECT DISTINCT s FROM t ORDER BY s) TO STDOUT (FORMAT binary)
simple COPY (UPDATE t SET s = s WHERE id = 1 RETURNING s, tags) TO STDOUT (FORMAT binary)
# COPY of a table
simple COPY t (id, s, n, m, tags, nums) TO STDOUT
simple COPY t (id, s, n, m, tags, nums) TO STDOUT (FORMAT csv)
simple COPY t (id, s, n, m, b, d, ts, u, j, y) TO STDOUT (FORMAT binary)
# errors
run SELECT n / 0 FROM t
run UPDATE t SET n = 'x'
run INSERT INTO t (id, o) VALUES (9, 'ada')
run SELECT s + 1 FROM t
run SELECT nothing FROM t
run UPDATE t SET w = ''
run UPDATE t SET small = 40000
run SELECT s::integer FROM t
prepare a SELECT id FROM t WHERE n = $1
execute a	many
COMMANDS

# What still is different: composite values; what is opened elsewhere.
my $unlike = <<'COMMANDS';
# a whole row
run SELECT t FROM t ORDER BY id
# COPY of a table's arrays
simple COPY t (id, tags, nums) TO STDOUT (FORMAT binary)
# a cursor that a function has opened
simple BEGIN; SELECT open_cursor(); FETCH ALL FROM opened; ROLLBACK
# the parameter of a procedure
simple CALL doubled('x')
# PL/pgSQL is strict about the types of RETURNS TABLE
run SELECT * FROM table_of_text()
COMMANDS

# The definition of the tables, with encrypted columns or without.
sub definition
{
	my ($encrypted) = @_;
	my $sql = $tables;

	if ($encrypted)
	{
		$sql =~ s/TYPE\((\w+), (\w+)\)/enc$1('pii', '$2')/g;
		$sql =~ s/TYPE\((\w+)\)/enc$1('pii')/g;
	}
	else
	{
		$sql =~ s/TYPE\((\w+)[^)]*\)/$1/g;
	}
	return $sql;
}

# What "describe" shows for commands, as a hash by the names of the tests, each
# in a session of its own.
sub shown
{
	my ($schema, $commands, @settings) = @_;
	my %result;

	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{PGTZ} = 'UTC';
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } "search_path=$schema", @settings;
	foreach my $test (split /^(?=# )/m, $commands)
	{
		my ($name) = $test =~ /^# (.*)/;
		my ($out, $err);

		run([$describe], '<', \$test, '>', \$out, '2>', \$err)
		  or die "$describe failed: $err";
		$result{$name} = $out;
	}
	return \%result;
}

# Names of tests, in their order.
sub names
{
	return $_[0] =~ /^# (.*)/mg;
}

$node->safe_psql('postgres', q{SELECT cellenc_create_key('pii'), cellenc_create_key('second')});
foreach my $schema (qw(plain twin))
{
	$node->safe_psql('postgres',
		"CREATE SCHEMA $schema; SET search_path = $schema;" . definition($schema eq 'twin'));
}

my $plain = shown('plain', $commands);
my $twin = shown('twin', $commands);

# What the tests rely on: that everything is shown, by the right names.
like($plain->{'all types'}, qr/^  \$?s: text t\.s size -1 mod -1 format 0$/m, 'columns are shown');
like($plain->{'all types'}, qr/^  00000001\|416461\|/m, 'binary values are shown');
like($plain->{'parameters of conditions'}, qr/^  \$3: time without time zone$/m, 'parameters are shown');
is($twin->{$_}, $plain->{$_}, $_) foreach names($commands);

# With wire_types off, all looks different where a column or its parameter is
# shown: the tests above are able to fail.
my $off = shown('twin', $commands, 'cellenc.wire_types=off');
my @same = grep { $off->{$_} eq $plain->{$_} } names($commands);
is_deeply(
	\@same,
	[
		'text expressions', 'dates and times in expressions', 'other types in expressions',
		'a comparison, IS NULL, IN, BETWEEN', 'MERGE', 'EXPLAIN', 'EXPLAIN of what returns rows',
		'parameters of timestamptz', 'COPY of a table', 'errors'
	],
	'what wire_types makes no difference to');

$plain = shown('plain', $unlike);
$twin = shown('twin', $unlike);
isnt($twin->{$_}, $plain->{$_}, "not opened, as doc/differences.md says: $_") foreach names($unlike);

#
# What is stored keeps encrypted types, by whatever protocol and in whatever
# command.
#
$twin = shown('twin', <<'COMMANDS');
# stored
simple CREATE TABLE stored1 AS SELECT s, n, tags FROM t
prepare a CREATE TABLE stored2 AS SELECT s, tags FROM t
execute a
simple SELECT s, tags INTO stored3 FROM t
prepare b SELECT s INTO stored4 FROM t
execute b
simple CREATE TABLE stored5 AS SELECT DISTINCT s FROM t ORDER BY s
simple CREATE TABLE stored6 AS SELECT s FROM t UNION SELECT s FROM child
simple CREATE TABLE stored7 AS WITH x AS (SELECT s FROM t) SELECT s, count(*) FROM x GROUP BY s
simple CREATE TABLE stored8 AS TABLE child WITH NO DATA
simple CREATE MATERIALIZED VIEW stored9 AS SELECT DISTINCT s, n FROM t
simple REFRESH MATERIALIZED VIEW stored9
simple EXPLAIN ANALYZE CREATE TABLE stored10 AS SELECT s FROM t
prepare c EXPLAIN ANALYZE SELECT s INTO stored11 FROM t
execute c
simple BEGIN; CREATE TABLE stored12 AS SELECT s FROM t; SELECT s FROM t; COMMIT
simple DO 'BEGIN CREATE TABLE stored13 AS SELECT s FROM t; END'
simple CREATE TABLE stored14 (LIKE t); ALTER TABLE stored14 DROP COLUMN id
prepare d CREATE TABLE IF NOT EXISTS stored15 AS SELECT s FROM t
execute d
simple ALTER TABLE t ADD COLUMN extra integer
simple DROP TABLE stored15
execute d
simple ALTER TABLE t DROP COLUMN extra
simple CREATE VIEW stored16 AS SELECT s, tags FROM t UNION ALL SELECT s, NULL FROM child
prepare e CREATE VIEW stored17 AS SELECT DISTINCT s FROM t
execute e
simple CREATE TABLE stored18 AS SELECT * FROM rows_by_plpgsql()
simple CREATE TABLE stored19 (s enctext('pii')); INSERT INTO stored19 SELECT s FROM t
simple WITH x AS (INSERT INTO stored19 SELECT s FROM t RETURNING s) INSERT INTO stored19 SELECT s FROM x RETURNING s
simple CREATE FUNCTION stored20() RETURNS SETOF enctext BEGIN ATOMIC SELECT s FROM t; END
simple CREATE RULE stored21 AS ON INSERT TO parted1 DO ALSO SELECT s FROM t
COMMANDS
unlike($twin->{stored}, qr/error (?!42P07)/, 'commands that store have worked');
sql_is($node, 'postgres', q{SELECT cellenc_key_name(s) FROM twin.rekeyed}, 'second', 'the other key');
sql_is($node, 'postgres', q{
	SELECT relname, attname, atttypid::regtype
	FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
	WHERE relname LIKE 'stored%' AND attnum > 0 AND NOT attisdropped AND atttypid::regtype::text !~ '^enc'
	ORDER BY 1, 2},
	"stored14|w|twin.word\nstored18|id|integer\nstored18|w|twin.word\nstored7|count|bigint\nstored8|id|integer\nstored8|t_id|integer",
	'columns that are not encrypted');
sql_is($node, 'postgres', q{
	SELECT count(*), count(DISTINCT relname)
	FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
	WHERE relname LIKE 'stored%' AND atttypid::regtype::text ~ '^enc'}, '64|19', 'columns that are');
sql_is($node, 'postgres', q{
	SELECT count(*) FROM pg_depend JOIN pg_proc ON refclassid = 'pg_proc'::regclass AND refobjid = pg_proc.oid
	WHERE proname = 'cellenc_wire' AND classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)},
	'0', 'no view, rule or function opens values for a client');
is( scalar(grep { !/^cellenc:1:/ } map { sealed_values($node, 'postgres', "SELECT s FROM twin.stored$_") } (1 .. 7, 9 .. 13, 15, 19)),
	0, 'values are sealed');

# What EXECUTE of an opened statement returns is plaintext.
$twin = shown('twin', <<'COMMANDS');
# refused
simple PREPARE a AS SELECT s FROM t
simple CREATE TABLE refused AS EXECUTE a
prepare b CREATE TABLE refused AS EXECUTE a
execute b
simple EXPLAIN ANALYZE CREATE TABLE refused AS EXECUTE a
COMMANDS
is(scalar(() = $twin->{refused} =~ /^  error 0A000$/mg), 4, 'plaintext is not stored');
sql_is($node, 'postgres', q{SELECT to_regclass('twin.refused') IS NULL}, 't', 'nothing was stored');

#
# Domains: clients see the base type, where for a plain domain they see it in
# results alone.
#
$twin = shown('twin', <<'COMMANDS');
# domains
prepare a INSERT INTO t (id, w) VALUES ($1, $2) RETURNING w
describe a
prepare b SELECT ARRAY[w] FROM t WHERE w = $1
describe b
COMMANDS
is( $twin->{domains} =~ s/^(?:#|prepare|describe).*\n//mgr, <<'SHOWN', 'domains over encrypted types');
  $1: integer
  $2: text
  w: text t.w size -1 mod -1 format 0
  $1: text
  array: text[] - size -1 mod -1 format 0
SHOWN

#
# A client does not notice that a column is encrypted while it holds prepared
# statements.
#
$node->safe_psql('postgres', q{
	CREATE TABLE converted (id integer PRIMARY KEY, s text, n integer);
	INSERT INTO converted VALUES (1, 'one', 1), (2, 'two', 2)});

my $use = "describe a\nexecute a\tone\t1\ndescribe b\nexecute b\tthree\n";
my (undef, $before, $after) = split /^other .*\n/m, shown('public', <<"COMMANDS")->{converted};
# converted
prepare a SELECT id, s, n FROM converted WHERE s = \$1 AND n = \$2
prepare b INSERT INTO converted SELECT max(id) + 1, \$1, 3 FROM converted RETURNING s, n
other ANALYZE converted
${use}other ALTER TABLE converted ALTER s TYPE enctext('pii'), ALTER n TYPE encint4('pii')
${use}
COMMANDS
like($before, qr/^  id: integer .*\n  s: text .*\n  n: integer .*\n  1\|one\|1\n/m, 'a row is found');
is($after, "$before\n", 'the same after encryption');
sql_is($node, 'postgres', q{
	SELECT count(*), count(DISTINCT s), string_agg(DISTINCT pg_typeof(s)::text, ','),
		string_agg(DISTINCT pg_typeof(n)::text, ',') FROM converted},
	'6|3|enctext|encint4', 'what is in the table');

done_testing();
