#
# pg_upgrade moves encrypted values as they are, and everything in a schema that
# holds one, without any key.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use Cwd qw(getcwd);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $master_key = make_master_key();
my @options = (master_key => $master_key, extra => [ '--no-locale', '--encoding=UTF8' ]);
my $old = start_node('old', @options);
my $new = init_node('new', @options);

# Upgrade a server, while there is no master key; false if that fails.
sub upgrade
{
	my ($from, $to, $name) = @_;
	my $cwd = getcwd();

	$from->stop;
	rename $master_key, "$master_key.away" or die "could not rename: $!";
	chdir PostgreSQL::Test::Utils::tempdir();
	my $rc = system_log(
		'pg_upgrade', '--no-sync',
		'-d', $from->data_dir, '-D', $to->data_dir,
		'-b', $from->config_data('--bindir'), '-B', $to->config_data('--bindir'),
		'-s', $to->host, '-p', $from->port, '-P', $to->port);
	chdir $cwd;
	rename "$master_key.away", $master_key or die "could not rename: $!";

	TODO:
	{
		# bounds are compared while the tables of the keys are still empty
		local $TODO = 'bounds of partitions over an encrypted type' if $name eq 'partition bounds';
		ok($rc == 0, "pg_upgrade: $name");
	}
	return 1 if $rc == 0;
	foreach my $log (glob $to->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log')
	{
		note(slurp_file($log) =~ /(^pg_restore: error.*)/ms ? "$log: $1" : "$log: no error");
	}
	return 0;
}

$old->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii'), cellenc_create_key('other');
	CREATE ROLE clerk;
	SELECT cellenc_grant_key('pii', 'clerk');

	CREATE TYPE mood AS ENUM ('sad', 'happy');
	SELECT cellenc_create_type('encmood', 'mood');
	CREATE SCHEMA types;
	SELECT cellenc_create_type('types."Enc Point"', 'point');
	CREATE DOMAIN email AS enctext('pii', 'order') CHECK (VALUE::text LIKE '%@%') DEFAULT 'no@body';
	CREATE DOMAIN salaries AS encnumeric('other')[] CHECK (cardinality(VALUE) < 3);
	CREATE TYPE pair AS (name enctext('pii'), born encdate('other'));

	CREATE TABLE people (id integer PRIMARY KEY, name enctext('pii') DEFAULT 'nobody',
		pay encint4('other', 'order') DEFAULT 7, hired enctimestamptz('pii') DEFAULT '2001-02-03 04:05:06+00',
		mail email, past salaries DEFAULT '{1,2.50}', feel encmood('pii') DEFAULT 'happy',
		feels encmood('pii')[], at types."Enc Point"('pii'), both_parts pair,
		code encbytea('pii', 'equality'), CONSTRAINT named CHECK (name OPERATOR(cellenc.<>) 'forbidden'::enctext));
	INSERT INTO people VALUES (1, 'Zoë', 10, '1999-09-09', 'zoe@example.org', '{3}', 'sad', '{sad,happy}', '(1,2)',
		('pair', '2000-01-01'), '\x00ff');
	SELECT cellenc_rotate_key('pii', reencrypt => false);
	INSERT INTO people (id, name) VALUES (2, repeat('long', 5000));
	ALTER TABLE people ADD COLUMN fast enctext('pii') DEFAULT 'added',
		ADD COLUMN fasts encint8('other')[] DEFAULT '{1,2}', ADD COLUMN plain integer DEFAULT 42;
	INSERT INTO people (id, name, pay) SELECT i, 'name' || i, i FROM generate_series(100, 400) i;
	CREATE INDEX people_pay ON people (pay);
	CREATE UNIQUE INDEX people_mail ON people (mail, id);
	CREATE INDEX people_code ON people USING hash (code);
	CREATE INDEX people_include ON people (id) INCLUDE (feel);

	CREATE VIEW well_paid AS SELECT id, 'label'::enctext AS label, name FROM people
		WHERE pay OPERATOR(cellenc.>=) 400::encint4;
	CREATE MATERIALIZED VIEW names AS SELECT id, name FROM people;
	CREATE FUNCTION constant(enctext DEFAULT 'argument') RETURNS enctext LANGUAGE sql
		BEGIN ATOMIC SELECT CASE WHEN $1 OPERATOR(cellenc.=) 'argument'::enctext THEN 'body'::enctext ELSE $1 END; END;
	CREATE POLICY visible ON people USING (name OPERATOR(cellenc.<>) 'hidden'::enctext);
	CREATE UNLOGGED TABLE unlogged AS SELECT name FROM people;
	CREATE DATABASE second;
});
$old->safe_psql(
	'second', q{
	CREATE EXTENSION cellenc;
	SELECT cellenc_create_key('pii');
	CREATE TABLE things (v enctext('pii', 'order') PRIMARY KEY DEFAULT 'thing');
	INSERT INTO things VALUES (DEFAULT), ('else');
});

# What has to be the same before and after
my %queries = (
	people => q{SELECT p, cellenc_key_version(name) FROM people p WHERE id IN (1, 100, 200) ORDER BY id;
		SELECT count(*), md5(string_agg(p::text, '' ORDER BY id)) FROM people p},
	pair => q{SELECT (both_parts).name, (both_parts).born FROM people WHERE id = 1},
	views => q{SELECT * FROM well_paid; SELECT count(name::text), max(name::text) FROM names;
		SELECT * FROM unlogged LIMIT 1},
	functions => q{SELECT constant(), constant('x')},
	definitions => q{SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef ORDER BY adrelid::regclass::text, adnum;
		SELECT pg_get_viewdef('well_paid'), pg_get_functiondef('constant'::regproc);
		SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' ORDER BY conname;
		SELECT qual FROM pg_policies},
	columns => q{SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid IN ('people'::regclass, 'pair'::regclass) AND attnum > 0 ORDER BY 1, attnum;
		SELECT typname, format_type(typbasetype, typtypmod) FROM pg_type WHERE typname IN ('email', 'salaries') ORDER BY 1},
	keys => q{SELECT k FROM cellenc.key k ORDER BY id; SELECT v FROM cellenc.key_version v ORDER BY version_id;
		SELECT w FROM cellenc.key_wrap w ORDER BY owner, version; SELECT m FROM cellenc.master_key m;
		SELECT s FROM cellenc.search_key s; SELECT g FROM cellenc.key_grant g ORDER BY privilege;
		SELECT e FROM cellenc.event e ORDER BY at},
	statistics => q{SELECT typname FROM pg_type WHERE typanalyze::text LIKE 'cellenc%' ORDER BY 1});
my %before = map { $_ => $old->safe_psql('postgres', $queries{$_}) } keys %queries;
my @sealed = sealed_values($old, 'postgres', 'SELECT name FROM people ORDER BY id');

sub check_upgraded
{
	$new->start;
	foreach my $name (sort keys %queries)
	{
		sql_is($new, 'postgres', $queries{$name}, $before{$name}, "as before: $name");
	}
	is_deeply([ sealed_values($new, 'postgres', 'SELECT name FROM people ORDER BY id') ],
		\@sealed, 'stored bytes are the same');
	sql_is($new, 'second', 'SELECT * FROM things ORDER BY v', "else\nthing", 'another database');

	# all of it still works
	sql_is(
		$new,
		'postgres',
		q{INSERT INTO people (id) VALUES (3) RETURNING name, pay, hired AT TIME ZONE 'UTC', mail, past, feel, fast, fasts,
			plain, cellenc_key_version(name)},
		'nobody|7|2001-02-03 04:05:06|no@body|{1,2.50}|happy|added|{1,2}|42|2',
		'defaults');
	isnt(
		$new->safe_psql('postgres',
			"SET cellenc.output = sealed; INSERT INTO people (id) VALUES (4) RETURNING name"),
		$new->safe_psql('postgres',
			"SET cellenc.output = sealed; INSERT INTO people (id) VALUES (5) RETURNING name"),
		'a default is sealed afresh for every row');
	sql_fails($new, 'postgres', "INSERT INTO people (id, mail) VALUES (6, 'nowhere')",
		qr/23514: .*"email_check"/, 'CHECK of a domain');
	sql_fails($new, 'postgres', "INSERT INTO people (id, past) VALUES (6, '{1,2,3}')",
		qr/23514: .*"salaries_check"/, 'CHECK of a domain over an array');
	sql_fails($new, 'postgres', "INSERT INTO people (id, name) VALUES (6, 'forbidden')",
		qr/23514: .*"named"/, 'CHECK of a table');
	sql_fails($new, 'postgres', "INSERT INTO people (id, mail) VALUES (1, 'zoe\@example.org')",
		qr/23505: /, 'unique indexes');
	foreach my $query (
		[ 'people_pay', 'SELECT count(*) FROM people WHERE pay OPERATOR(cellenc.=) 300', 1 ],
		[ 'people_pay', 'SELECT count(*) FROM people WHERE pay OPERATOR(cellenc.>) 390', 10 ],
		[ 'people_mail', "SELECT id FROM people WHERE mail::enctext OPERATOR(cellenc.=) 'zoe\@example.org'::text", 1 ],
		[ 'people_code', "SELECT id FROM people WHERE code OPERATOR(cellenc.=) '\\x00ff'::bytea", 1 ])
	{
		my ($index, $sql, $expected) = @$query;
		my $off = 'SET enable_seqscan = off; SET enable_bitmapscan = off;';

		like($new->safe_psql('postgres', "$off EXPLAIN (COSTS off) $sql"), qr/Index (Only )?Scan using $index/,
			"index is used: $sql");
		sql_is($new, 'postgres', "$off $sql", $expected, $sql);
	}
	sql_is(
		$new, 'postgres', q{
		CREATE EXTENSION amcheck;
		SELECT count(bt_index_check(i.indexrelid, heapallindexed => true)) > 0 FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam AND amname = 'btree' WHERE c.relkind = 'i'},
		't', 'btree indexes are sound');
	sql_is($new, 'postgres', 'REFRESH MATERIALIZED VIEW names; SELECT name FROM names WHERE id = 3',
		'nobody', 'materialized view');
	sql_is(
		$new, 'postgres', q{
		SELECT cellenc_rotate_key('pii', reencrypt => false), cellenc_create_key('more');
		INSERT INTO people (id, name) VALUES (7, 'more') RETURNING cellenc_key_version(name)}, "3|1\n3", 'keys can be managed');
	sql_is($new, 'postgres', "SELECT cellenc_create_type('encint4range', 'int4range'); SELECT '[1,2)'::encint4range",
		"encint4range\n[1,2)", 'types can be created');

	$new->stop;
}

check_upgraded() if upgrade($old, $new, 'everything but partitions');

#
# Partition bounds: apart, because nothing is upgraded when they cannot be
#
my $old_parts = start_node('old_parts', @options);
my $new_parts = init_node('new_parts', @options);
$old_parts->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE ranges (v enctext('pii', 'order') DEFAULT 'b', n integer) PARTITION BY RANGE (v);
	CREATE TABLE ranges_a PARTITION OF ranges FOR VALUES FROM (MINVALUE) TO ('m');
	CREATE TABLE ranges_m PARTITION OF ranges FOR VALUES FROM ('m') TO ('z');
	CREATE INDEX ON ranges (v);
	CREATE TABLE lists (v encint4('pii', 'order')) PARTITION BY LIST (v);
	CREATE TABLE lists_1 PARTITION OF lists FOR VALUES IN (1, 2);
	CREATE TABLE lists_rest PARTITION OF lists DEFAULT;
	INSERT INTO ranges VALUES ('a', 1), ('x', 2);
	INSERT INTO lists VALUES (1), (5);
});
my %partitions = map { $_ => "SELECT tableoid::regclass, * FROM $_ ORDER BY v" } qw(ranges lists);
$partitions{bounds} = 'SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition ORDER BY 1';
my %parts_before = map { $_ => $old_parts->safe_psql('postgres', $partitions{$_}) } keys %partitions;
if (upgrade($old_parts, $new_parts, 'partition bounds'))
{
	$new_parts->start;
	sql_is($new_parts, 'postgres', $partitions{$_}, $parts_before{$_}, "as before: $_") foreach sort keys %partitions;
	sql_is($new_parts, 'postgres', "INSERT INTO ranges VALUES ('b', 3), ('n', 4) RETURNING tableoid::regclass",
		"ranges_a\nranges_m", 'rows go to their partitions');
	sql_fails($new_parts, 'postgres', "INSERT INTO ranges VALUES ('zz')", qr/23514: no partition/, 'partition bounds');
	sql_is($new_parts, 'postgres', 'INSERT INTO lists VALUES (2), (3) RETURNING tableoid::regclass',
		"lists_1\nlists_rest", 'rows go to their lists');
	like(
		$new_parts->safe_psql('postgres',
			"SET enable_seqscan = off; EXPLAIN (COSTS off) SELECT n FROM ranges WHERE v OPERATOR(cellenc.=) 'a'::text"),
		qr/Index Scan using ranges_a_v_idx/, 'index of a partition');
	$new_parts->stop;
}

done_testing();
