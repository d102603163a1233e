#
# pg_upgrade moves encrypted values as they are, and everything in a schema that
# holds one, without any key.
#
# CELLENC_OLD_INSTALLS, if set, holds the folders of other majors, the oldest
# first, separated by colons: a server then goes through all of them before it
# comes to the PostgreSQL that is tested (test/pg_upgrade.sh).
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
# checksums: from 18 on they are the default, and have to be alike
my @options = (master_key => $master_key, extra => [ '--no-locale', '--encoding=UTF8', '--data-checksums' ]);
my @installs = split /:/, $ENV{CELLENC_OLD_INSTALLS} // '';
my $other_majors = @installs > 0;
@installs = (undef) if !$other_majors;

# The servers that one goes through: the first is started, the last is of the
# PostgreSQL that is tested.
sub make_servers
{
	my ($name) = @_;
	my $count = 0;

	return map {
		my @of = (@options, conf => "cellenc.job_workers = 0\n", install_path => $_);
		$count++ == 0 ? start_node("${name}_0", @of) : init_node("${name}_" . ($count - 1), @of)
	} @installs, undef;
}

# Upgrade a server, while there is no master key; false if that fails.
sub upgrade
{
	my ($from, $to, $name, @extra) = @_;
	my $cwd = getcwd();

	$from->stop;
	note('from ' . $from->pg_version . ' to ' . $to->pg_version);
	rename $master_key, "$master_key.away" or die "could not rename: $!";
	chdir PostgreSQL::Test::Utils::tempdir();
	my $rc = system_log(
		$to->installed_command('pg_upgrade'), '--no-sync', @extra,
		'-d', $from->data_dir, '-D', $to->data_dir,
		'-b', $from->config_data('--bindir'), '-B', $to->config_data('--bindir'),
		'-s', $to->host, '-p', $from->port, '-P', $to->port);
	chdir $cwd;
	rename "$master_key.away", $master_key or die "could not rename: $!";

	ok($rc == 0, "pg_upgrade: $name");
	return 1 if $rc == 0;
	foreach my $log (glob $to->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log')
	{
		note(slurp_file($log) =~ /(^pg_restore: error.*)/ms ? "$log: $1" : "$log: no error");
	}
	return 0;
}

my @servers = make_servers('all');
my ($old, $new) = @servers[ 0, -1 ];
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

# a job that has not begun
$old->safe_psql('postgres', "SELECT cellenc_rotate_key('other')");
my $not_rotated = "SELECT state = 'done', (SELECT count(*) FROM people WHERE cellenc_key_version(pay) = 1)"
  . " FROM cellenc.jobs WHERE key = 'other'";

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
# majors print expressions each in their own way
delete $queries{definitions} if $other_majors;
my %before = map { $_ => $old->safe_psql('postgres', $queries{$_}) } keys %queries;
my @sealed = sealed_values($old, 'postgres', 'SELECT name FROM people ORDER BY id');

sub check_moved
{
	my ($server) = @_;
	$server->start;
	foreach my $name (sort keys %queries)
	{
		sql_is($server, 'postgres', $queries{$name}, $before{$name}, "as before: $name");
	}
	is_deeply([ sealed_values($server, 'postgres', 'SELECT name FROM people ORDER BY id') ],
		\@sealed, 'stored bytes are the same');
	sql_is($server, 'second', 'SELECT * FROM things ORDER BY v', "else\nthing", 'another database');
}

# The objects of the extension in a database, and what matters of them.
my $objects = q{
	SELECT pg_describe_object(d.classid, d.objid, 0), p.prosrc, p.provolatile, p.proparallel, p.proisstrict,
		p.proleakproof, p.prosecdef, p.procost, p.proconfig, c.relkind, columns,
		(SELECT array_agg(row(grantee::regrole, privilege_type)::text ORDER BY grantee::regrole::text, privilege_type)
			FROM aclexplode(coalesce(proacl, relacl)) WHERE privilege_type <> 'MAINTAIN')
	FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND e.extname = 'cellenc'
	LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
	LEFT JOIN LATERAL (SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull), ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a (columns) ON true
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' ORDER BY 1};

sub check_upgraded
{
	check_moved($new);

	$new->safe_psql('postgres', 'CREATE DATABASE fresh');
	$new->safe_psql('fresh', 'CREATE EXTENSION cellenc');
	# a newer major may have given a base type casts that its twin now has too
	my %fresh = map { $_ => 1 } split /\n/, $new->safe_psql('fresh', $objects);
	my %moved = map { $_ => 1 } split /\n/, $new->safe_psql('postgres', $objects);
	is(join("\n", grep { !$fresh{$_} } sort keys %moved), '', 'the extension has no other objects than a fresh installation');
	my @missing = grep { !$moved{$_} } sort keys %fresh;
	@missing = grep { !/^(cast from enc(bytea|int\d) to|function cellenc\.cellenc_(seal|to)_(bytea|int\d)\(enc)/ } @missing if $other_majors;
	is(join("\n", @missing), '', 'and all of those');

	sql_is($new, 'postgres', $not_rotated, 'f|303', 'the job waits');
	$new->append_conf('postgresql.conf', 'cellenc.job_workers = 2');
	$new->reload;
	$new->safe_psql('postgres', "CALL cellenc_wait(timeout => '10 min')");
	sql_is($new, 'postgres', $not_rotated, 't|0', 'and goes on');

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

# From the first to the last; true if all went well.
sub upgrade_all
{
	my ($servers, $name, $check, @extra) = @_;

	foreach my $i (1 .. $#$servers)
	{
		return 0 if !upgrade($servers->[ $i - 1 ], $servers->[$i], $name, @extra);
		$check->($servers->[$i]) if $i < $#$servers;
	}
	return 1;
}

check_upgraded() if upgrade_all(\@servers, 'everything but partitions', \&check_moved);

#
# Partition bounds, which no key opens while they are compared.  Partitions are
# attached in the order of their names, which is none of their values.
#
my @parts_servers = make_servers('parts');
my ($old_parts, $new_parts) = @parts_servers[ 0, -1 ];
$old_parts->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE ranges (v enctext('pii', 'order') DEFAULT 'b', n integer) PARTITION BY RANGE (v);
	CREATE TABLE ranges_1 PARTITION OF ranges FOR VALUES FROM ('m') TO ('p');
	CREATE TABLE ranges_2 PARTITION OF ranges FOR VALUES FROM (MINVALUE) TO ('c');
	CREATE TABLE ranges_3 PARTITION OF ranges FOR VALUES FROM ('x') TO (MAXVALUE);
	CREATE TABLE ranges_4 PARTITION OF ranges FOR VALUES FROM ('f') TO ('m');
	CREATE TABLE ranges_5 PARTITION OF ranges FOR VALUES FROM ('c') TO ('d');
	CREATE TABLE ranges_6 PARTITION OF ranges DEFAULT;
	CREATE TABLE ranges_7 PARTITION OF ranges FOR VALUES FROM ('p') TO ('r');
	CREATE INDEX ON ranges (v);

	CREATE TABLE ends (v encint4('pii', 'order')) PARTITION BY RANGE (v);
	CREATE TABLE ends_1 PARTITION OF ends FOR VALUES FROM (50) TO (MAXVALUE);
	CREATE TABLE ends_2 PARTITION OF ends FOR VALUES FROM (10) TO (50);
	CREATE TABLE ends_3 PARTITION OF ends FOR VALUES FROM (MINVALUE) TO (10);

	CREATE TABLE years (y integer, v enctext('pii', 'order'), n integer) PARTITION BY RANGE (y, v);
	CREATE TABLE years_1 PARTITION OF years FOR VALUES FROM (2021, 'c') TO (2021, 'k');
	CREATE TABLE years_2 PARTITION OF years FOR VALUES FROM (2020, 'k') TO (2021, 'c');
	CREATE TABLE years_3 PARTITION OF years FOR VALUES FROM (2020, MINVALUE) TO (2020, 'd');
	CREATE TABLE years_4 PARTITION OF years FOR VALUES FROM (2020, 'd') TO (2020, 'k');
	CREATE TABLE years_5 PARTITION OF years FOR VALUES FROM (2022, 'a') TO (2023, MINVALUE);
	CREATE TABLE years_6 PARTITION OF years FOR VALUES FROM (2021, 'k') TO (2021, MAXVALUE);
	CREATE TABLE years_7 PARTITION OF years FOR VALUES FROM (MINVALUE, MINVALUE) TO (2019, 'b');

	CREATE TABLE pairs (v enctext('pii', 'order'), w encint4('pii', 'order'), y integer) PARTITION BY RANGE (v, w, y);
	CREATE TABLE pairs_1 PARTITION OF pairs FOR VALUES FROM ('a', 5, 0) TO ('c', 2, 0);
	CREATE TABLE pairs_2 PARTITION OF pairs FOR VALUES FROM ('a', 1, 0) TO ('a', 5, 0);
	CREATE TABLE pairs_3 PARTITION OF pairs FOR VALUES FROM ('c', 2, 7) TO (MAXVALUE, MAXVALUE, MAXVALUE);
	CREATE TABLE pairs_4 PARTITION OF pairs FOR VALUES FROM ('c', 2, 0) TO ('c', 2, 7);
	CREATE TABLE pairs_5 PARTITION OF pairs FOR VALUES FROM (MINVALUE, MINVALUE, MINVALUE) TO ('a', 1, MINVALUE);

	CREATE TABLE lists (v encint4('pii', 'order'), n integer) PARTITION BY LIST (v);
	CREATE TABLE lists_1 PARTITION OF lists FOR VALUES IN (9, 2, NULL, 5);
	CREATE TABLE lists_2 PARTITION OF lists DEFAULT;
	CREATE TABLE lists_3 PARTITION OF lists FOR VALUES IN (1, 7) PARTITION BY RANGE (v);
	CREATE TABLE lists_3_2 PARTITION OF lists_3 FOR VALUES FROM (5) TO (8);
	CREATE TABLE lists_3_1 PARTITION OF lists_3 FOR VALUES FROM (1) TO (5);
	CREATE TABLE lists_4 PARTITION OF lists FOR VALUES IN (6);

	CREATE TABLE hashes (v enctext('pii', 'equality')) PARTITION BY HASH (v);
	CREATE TABLE hashes_1 PARTITION OF hashes FOR VALUES WITH (MODULUS 4, REMAINDER 3);
	CREATE TABLE hashes_2 PARTITION OF hashes FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE hashes_3 PARTITION OF hashes FOR VALUES WITH (MODULUS 4, REMAINDER 1);
});

# Rows of all partitions, inserted before and again after
my %part_rows = (
	ranges => q{SELECT chr(i) || 'x', i FROM generate_series(97, 122) i UNION ALL VALUES ('c', 1), ('m', 2), (NULL, 3)},
	ends => 'SELECT i FROM generate_series(-5, 60, 5) i',
	years => q{VALUES (2018, 'x', 1), (2019, 'a', 2), (2020, 'a', 3), (2020, 'd', 4), (2020, 'jj', 5), (2020, 'k', 6), (2020, 'z', 7),
		(2021, 'a', 8), (2021, 'c', 9), (2021, 'jj', 10), (2021, 'k', 11), (2021, 'zz', 12), (2022, 'a', 13), (2022, 'z', 14)},
	pairs => q{VALUES ('A', 1, 1), ('a', 0, 1), ('a', 1, 1), ('a', 4, 9), ('a', 5, 0), ('b', -1, 1), ('c', 1, 1),
		('c', 2, 0), ('c', 2, 6), ('c', 2, 7), ('c', 3, 1), ('d', 1, 1)},
	lists => 'SELECT nullif(i, 0), i FROM generate_series(0, 12) i',
	hashes => q{SELECT 'v' || i FROM generate_series(1, 40) i});
my %parts;
foreach my $table (sort keys %part_rows)
{
	$old_parts->safe_psql('postgres', "INSERT INTO $table $part_rows{$table}");
	$parts{$table} = "SELECT tableoid::regclass, * FROM $table ORDER BY $table\::text, 1";
	$parts{"count in $table"} = "SELECT tableoid::regclass, count(*) FROM $table GROUP BY 1 ORDER BY 1";

	# by pruning and by scanning all
	$parts{"values of $table"} = "SELECT v::text, (SELECT count(*) FROM $table i WHERE i.v OPERATOR(cellenc.=) o.v)"
	  . " FROM $table o ORDER BY 1, 2";
}
$parts{bounds} = 'SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition ORDER BY 1';
my %parts_before = map { $_ => $old_parts->safe_psql('postgres', $parts{$_}) } keys %parts;
like($parts_before{"count in $_->[0]"}, qr/^(\S+\n){$_->[1]}\S+$/, "$_->[0]: rows in all partitions")
  foreach [ ranges => 6 ], [ ends => 2 ], [ years => 6 ], [ pairs => 4 ], [ lists => 4 ], [ hashes => 2 ];

sub refuses_rows
{
	my ($server, $when) = @_;

	sql_fails($server, 'postgres', "INSERT INTO $_->[0] VALUES ($_->[1])", qr/23514: no partition/, "$when: $_->[0] ($_->[1])")
	  foreach [ years => "2019, 'b'" ], [ years => "2023, 'a'" ], [ pairs => "'a', 1, NULL" ], [ ends => 'NULL' ];
	sql_fails($server, 'postgres', "CREATE TABLE bad PARTITION OF $_->[0] FOR VALUES $_->[1]",
		qr/42P17: partition "bad" would overlap partition "$_->[2]"/, "$when: $_->[0] $_->[1]")
	  foreach [ ranges => "FROM ('q') TO ('s')", 'ranges_7' ], [ years => "FROM (2020, 'z') TO (2021, 'a')", 'years_2' ],
	  [ lists => 'IN (12, 7)', 'lists_3' ];
}
refuses_rows($old_parts, 'before');

sub check_moved_parts
{
	my ($server) = @_;

	$server->start;
	sql_is($server, 'postgres', $parts{$_}, $parts_before{$_}, "as before: $_") foreach sort keys %parts;
}

if (upgrade_all(\@parts_servers, 'partition bounds', \&check_moved_parts, '--link'))
{
	check_moved_parts($new_parts);
	refuses_rows($new_parts, 'after');
	foreach my $table (sort keys %part_rows)
	{
		sql_is($new_parts, 'postgres', "TRUNCATE $table; INSERT INTO $table $part_rows{$table}; $parts{$table}",
			$parts_before{$table}, "rows go to their partitions: $table");
	}
	sql_is($new_parts, 'postgres', q{INSERT INTO ranges (n) VALUES (100) RETURNING tableoid::regclass, v}, 'ranges_2|b', 'default');
	like(
		$new_parts->safe_psql('postgres',
			"SET enable_seqscan = off; EXPLAIN (COSTS off) SELECT n FROM ranges WHERE v OPERATOR(cellenc.=) 'a'::text"),
		qr/Index Scan (using|on) ranges_2_v_idx/, 'index of a partition');
	$new_parts->stop;
}

done_testing();
