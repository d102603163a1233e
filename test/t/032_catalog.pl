#
# The key tables: who can change them, what dumps carry and restores accept,
# and that logical replication leaves them alone.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $master_key = make_master_key();
my $node = start_node('main', master_key => $master_key, allows_streaming => 'logical');
my $tempdir = PostgreSQL::Test::Utils::tempdir();
my @key_tables = qw(master_key key key_version key_wrap search_key key_grant event);

# All rows of the key tables, but for the key for constants, which each
# database makes for itself, and what only it uses.
sub key_rows
{
	my ($server, $db) = @_;
	return $server->safe_psql(
		$db, q{
		SELECT 'master', m FROM cellenc.master_key m WHERE id IN
			(SELECT master_key FROM cellenc.key_wrap WHERE purpose <> 3) ORDER BY id;
		SELECT 'key', k FROM cellenc.key k WHERE name_hash >= 0 ORDER BY id;
		SELECT 'version', v FROM cellenc.key_version v WHERE key IN
			(SELECT id FROM cellenc.key WHERE name_hash >= 0) ORDER BY version_id;
		SELECT 'wrap', w FROM cellenc.key_wrap w WHERE purpose <> 3 ORDER BY owner, version;
		SELECT 'search', s FROM cellenc.search_key s ORDER BY id;
		SELECT 'grant', g FROM cellenc.key_grant g ORDER BY key, role, privilege;
		SELECT 'event', e FROM cellenc.event e ORDER BY at, action, key, version, detail});
}

sub create_database
{
	my ($server, $db) = @_;
	$server->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	return $db;
}

# The errors of a script, all of whose statements are one transaction.
sub restore_script
{
	my ($server, $db, $file) = @_;
	my $err = '';

	IPC::Run::run(
		[ 'psql', '-Xq1', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-f', $file, $server->connstr($db) ],
		'>', '/dev/null', '2>', \$err);
	return $err;
}

create_database($node, 'source');
$node->safe_psql(
	'source', q{
	CREATE ROLE writer;
	CREATE ROLE clerk;
	GRANT pg_write_all_data, pg_read_all_data TO writer;
	CREATE EXTENSION cellenc;
	SELECT cellenc_create_key('pii'), cellenc_create_key('salaries');
	SELECT cellenc_grant_key('pii', 'clerk', 'encrypt, decrypt');
	SELECT cellenc_grant_key('salaries', 'public', 'encrypt');
	CREATE TYPE mood AS ENUM ('sad', 'happy');
	SELECT cellenc_create_type('encmood', 'mood');
	CREATE DOMAIN email AS enctext('pii', 'order') CHECK (VALUE::text LIKE '%@%');
	CREATE TABLE people (id integer PRIMARY KEY, name enctext('pii') DEFAULT 'nobody',
		salary encnumeric('salaries', 'order') DEFAULT 100.50, mail email, moods encmood('pii')[] DEFAULT '{happy}',
		born encdate('pii') DEFAULT '2000-01-01', notes encjsonb('pii'));
	CREATE INDEX ON people (salary);
	CREATE UNIQUE INDEX ON people (mail);
	INSERT INTO people (id, name, mail, notes) VALUES (1, 'Zoë', 'zoe@example.org', '{"a": [1, null]}');
	SELECT cellenc_rotate_key('pii', reencrypt => false);
	INSERT INTO people (id, mail) VALUES (2, 'x@example.org');
	CREATE VIEW rich AS SELECT id, 'rich'::enctext AS label, name FROM people
		WHERE salary OPERATOR(cellenc.>) 50::encnumeric AND born <> '1999-09-09'::encdate;
	CREATE MATERIALIZED VIEW mailing AS SELECT mail, name FROM people;
	CREATE VIEW check_all AS SELECT p.id, p.name::text, salary::numeric, mail::text, p.moods::text[], born::date, notes::jsonb,
		label::text AS label FROM people p LEFT JOIN rich r USING (id) ORDER BY id;
});
my $all_rows = q(1|Zoë|100.50|zoe@example.org|{happy}|2000-01-01|{"a": [1, null]}|rich
2|nobody|100.50|x@example.org|{happy}|2000-01-01||rich);
is($node->safe_psql('source', 'SELECT * FROM check_all'), $all_rows, 'values before any dump');

#
# Direct changes
#
my $before = key_rows($node, 'source');
foreach my $role ('writer', 'writer with all privileges')
{
	foreach my $table (@key_tables)
	{
		my $name = "$table by $role";
		my $as = "SET ROLE writer;";
		my $denied = qr/ERROR:  42501: permission denied for table/;
		my ($column) = $node->safe_psql('source',
			"SELECT attname FROM pg_attribute WHERE attrelid = 'cellenc.$table'::regclass AND attnum = 2");

		sql_fails($node, 'source', "$as UPDATE cellenc.$table SET $column = $column", $denied, "UPDATE $name");
		sql_fails($node, 'source', "$as DELETE FROM cellenc.$table", $denied, "DELETE $name");
		sql_fails($node, 'source',
			"$as INSERT INTO cellenc.$table OVERRIDING SYSTEM VALUE SELECT * FROM cellenc.$table",
			$denied, "INSERT $name");
		sql_fails($node, 'source',
			"$as MERGE INTO cellenc.$table t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
			$denied, "MERGE $name");
		sql_fails($node, 'source',
			"$as WITH d AS (DELETE FROM cellenc.$table RETURNING 1) SELECT * FROM d",
			$denied, "CTE $name");
		sql_fails($node, 'source', "$as TRUNCATE cellenc.$table CASCADE", $denied, "TRUNCATE $name");
	}
	$node->safe_psql('source', 'GRANT ALL ON ALL TABLES IN SCHEMA cellenc TO writer');
}

# What an owner could do to get past the triggers, others cannot
$node->safe_psql('source',
	'CREATE SCHEMA writer AUTHORIZATION writer; SET ROLE writer; CREATE TABLE writer.mine ();'
	  . 'CREATE VIEW writer.grants AS SELECT * FROM cellenc.key_grant');
sql_fails($node, 'source', "SET ROLE writer; $_->[0]", qr/ERROR:  $_->[1]: /, $_->[0])
  foreach (
	[ 'DELETE FROM writer.grants', '42501' ],
	[ 'ALTER TABLE cellenc.key_grant DISABLE TRIGGER ALL', '42501' ],
	[ 'SET session_replication_role = replica', '42501' ],
	[ 'CREATE RULE r AS ON DELETE TO cellenc.key_grant DO INSTEAD NOTHING', '42501' ],
	[ 'CREATE TABLE writer.child () INHERITS (cellenc.key_grant)', '42501' ],
	[ 'ALTER TABLE cellenc.key_grant SET SCHEMA writer', '42501' ],
	[ 'ALTER TABLE cellenc.key_grant ALTER COLUMN role TYPE name', '42501' ],
	[ 'CREATE TRIGGER t BEFORE DELETE ON writer.mine EXECUTE FUNCTION cellenc.cellenc_catalog_trigger()', '42501' ],
	[ 'ALTER EXTENSION cellenc DROP TABLE cellenc.key_grant', '42501' ]);
is(key_rows($node, 'source'), $before, 'no key table has changed');

#
# Dump and restore
#
my $plain = "$tempdir/plain.sql";
my $custom = "$tempdir/custom.dump";
$node->command_ok([ 'pg_dump', '-f', $plain, $node->connstr('source') ], 'pg_dump, plain');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $custom, $node->connstr('source') ], 'pg_dump -Fc');

my $script = slurp_file($plain);
my ($keys) = $script =~ /^COPY cellenc\.key \(.*\n((?:.*\n)*?)\\\.$/m;
is(scalar(() = $keys =~ /^.+$/mg), 2, 'the dump has two keys, and not the key for constants');
unlike($keys, qr/\t-1\t/, 'no row of it is that of the key for constants');
my ($wraps) = $script =~ /^COPY cellenc\.key_wrap \(.*\n((?:.*\n)*?)\\\.$/m;
is(scalar(() = $wraps =~ /^.+$/mg), 4, 'three versions and the search key are wrapped');
unlike($script, qr/^COPY cellenc\.job /m, 'jobs are not dumped');
like($script, qr/DEFAULT 'nobody'/, 'defaults are dumped as plain text');
like($script, qr/'rich'::enctext/, 'constants of views are dumped as plain text');

my $other = init_node('other', master_key => $master_key, allows_streaming => 'logical');
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE writer; CREATE ROLE clerk');

sub check_restored
{
	my ($server, $db, $name) = @_;

	sql_is($server, $db, 'SELECT * FROM check_all', $all_rows, "$name: values are readable");
	sql_is($server, $db, 'SELECT DISTINCT cellenc_key_version(name) FROM people',
		2, "$name: values are under the current version");
	is(key_rows($server, $db), $before, "$name: the keys are those of the dump");
	sql_is($server, $db, "SELECT typanalyze FROM pg_type WHERE typname = '_encmood'",
		'cellenc.cellenc_array_analyze', "$name: arrays of a user's type get no statistics of values");
	sql_is($server, $db, "SELECT cellenc_has_key_privilege('clerk', 'pii', 'decrypt')",
		't', "$name: grants arrived");
	sql_is($server, $db,
		"INSERT INTO people (id, mail) VALUES (3, 'y\@example.org') RETURNING name, salary, moods, born",
		'nobody|100.50|{happy}|2000-01-01', "$name: defaults work");
	sql_is($server, $db,
		"SET enable_seqscan = off; SELECT count(*) FROM people WHERE salary OPERATOR(cellenc.=) 100.5",
		3, "$name: an index works");
	sql_fails($server, $db, "INSERT INTO people (id, mail) VALUES (4, 'y\@example.org')",
		qr/23505: duplicate key value violates unique constraint/, "$name: a unique index");
	sql_is($server, $db, "SELECT cellenc_create_key('new'), cellenc_rotate_key('pii', reencrypt => false)",
		'1|3', "$name: keys can be managed");
}

foreach my $server ($node, $other)
{
	my $where = $server->name;

	create_database($server, 'from_plain');
	is(restore_script($server, 'from_plain', $plain), '', "$where: the script is restored");
	check_restored($server, 'from_plain', "$where, plain");

	create_database($server, 'from_custom');
	command_ok(
		[ 'pg_restore', '--exit-on-error', '-d', $server->connstr('from_custom'), $custom ],
		"$where: pg_restore");
	check_restored($server, 'from_custom', "$where, pg_restore");
}

# In parallel, where the rows of a schema come before the keys by name and size
$node->safe_psql(
	'source', q{
	CREATE SCHEMA aaa;
	CREATE TABLE aaa.large AS SELECT i, i::text::enctext('pii', 'order') AS v FROM generate_series(1, 1000) i;
	CREATE INDEX ON aaa.large (v)});
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$tempdir/large.dump", $node->connstr('source') ], 'pg_dump, large');
create_database($other, 'in_sections');
foreach my $section ([ '--section=pre-data' ], [ '--data-only', '-n', 'cellenc' ],
	[ '-j2', '--section=data', '-N', 'cellenc' ], [ '-j2', '--section=post-data' ])
{
	command_ok(
		[ 'pg_restore', '--exit-on-error', @$section, '-d', $other->connstr('in_sections'), "$tempdir/large.dump" ],
		"pg_restore @$section");
}
sql_is($other, 'in_sections', 'SELECT count(v::text), sum(v::text::integer) FROM aaa.large',
	'1000|500500', 'restored in sections');

# Key rows alone; again and again
my $rows = "$tempdir/rows.sql";
$node->command_ok([ 'pg_dump', '--data-only', '-t', 'cellenc.*', '-f', $rows, $node->connstr('source') ],
	'pg_dump of key rows');
foreach my $db ('twice', 'used')
{
	create_database($other, $db);
	$other->safe_psql($db, 'CREATE EXTENSION cellenc');
	is(restore_script($other, $db, $rows), '', "$db: first restore");
	# more may have happened here meanwhile
	$other->safe_psql($db, "SELECT cellenc_rotate_key('pii', reencrypt => false), cellenc_create_key('mine')")
	  if $db eq 'used';
	my $once = key_rows($other, $db);
	is(restore_script($other, $db, $rows), '', "$db: second restore");
	is(key_rows($other, $db), $once, "$db: second restore changes nothing");
	sql_is($other, $db, "SELECT cellenc_create_key('another')", 1, "$db: keys can be managed after it");
}

# Rows that contradict those that are there
my %contradictions = (
	'a key of the same name' => "SELECT cellenc_create_key('pii')",
	'another search key' => "SELECT cellenc_create_key('mine')");
foreach my $name (sort keys %contradictions)
{
	my $db = create_database($other, $name =~ s/\W/_/gr);
	$other->safe_psql($db, "CREATE EXTENSION cellenc; $contradictions{$name}");
	my $own = key_rows($other, $db);
	like(restore_script($other, $db, $rows), qr/ERROR:  23505: .*contradicts.*HINT: /s, "refused: $name");
	is(key_rows($other, $db), $own, "nothing of it is left: $name");
}
create_database($other, 'altered');
$other->safe_psql('altered', 'CREATE EXTENSION cellenc');
is(restore_script($other, 'altered', $rows), '', 'restore before alterations');
foreach (
	[ 'key', 'name', "'renamed'" ],
	[ 'key', 'id', 'gen_random_uuid()' ],
	[ 'key_version', 'version', 9 ],
	[ 'key_version', 'key', 'gen_random_uuid()' ],
	[ 'key_version', 'check_value', "'\\x00112233445566778899aabbccddeeff'" ],
	[ 'master_key', 'check_value', "'\\x00112233445566778899aabbccddeeff'" ],
	[ 'search_key', 'id', 'gen_random_uuid()' ],
	[ 'search_key', 'check_value', "'\\x00112233445566778899aabbccddeeff'" ])
{
	my ($table, $column, $value) = @$_;
	sql_fails($other, 'altered',
		"INSERT INTO cellenc.$table SELECT (jsonb_populate_record(t, jsonb_build_object('$column', $value))).*"
		  . " FROM cellenc.$table t",
		qr/ERROR:  23505: .*contradicts.*HINT: /s, "refused: $table with another $column");
}

#
# Logical replication of all tables: the subscriber keeps its own keys
#
create_database($other, 'subscriber');
$other->safe_psql(
	'subscriber', q{
	CREATE EXTENSION cellenc;
	SELECT cellenc_create_key('pii'), cellenc_grant_key('pii', 'clerk', 'decrypt');
	CREATE TABLE contacts (id integer PRIMARY KEY, v enctext('pii'))});
my $own = key_rows($other, 'subscriber');

create_database($node, 'publisher');
$node->safe_psql(
	'publisher', q{
	CREATE EXTENSION cellenc;
	SELECT cellenc_create_key('pii'), cellenc_grant_key('pii', 'public');
	CREATE TABLE contacts (id integer PRIMARY KEY, v enctext('pii'));
	INSERT INTO contacts VALUES (1, 'copied');
	CREATE PUBLICATION everything FOR ALL TABLES});
$other->safe_psql('subscriber',
	"CREATE SUBSCRIPTION sub CONNECTION '" . $node->connstr . " dbname=publisher' PUBLICATION everything");
$other->wait_for_subscription_sync($node, 'sub', 'subscriber');
is(key_rows($other, 'subscriber'), $own, 'the first copy leaves the keys alone');

$node->safe_psql(
	'publisher', q{
	SELECT cellenc_rotate_key('pii', reencrypt => false), cellenc_create_key('more'), cellenc_revoke_key('pii', 'public');
	INSERT INTO contacts VALUES (2, 'streamed');
	UPDATE contacts SET v = 'updated' WHERE id = 1});
$node->wait_for_catchup('sub');
is(key_rows($other, 'subscriber'), $own, 'changes leave the keys alone');
is($other->safe_psql('subscriber', 'SELECT id, v, cellenc_key_version(v) FROM contacts ORDER BY id'),
	"1|updated|1\n2|streamed|1", 'values arrive under the keys of the subscriber');

# refused or not at the publisher, it must not reach the subscriber's keys
$node->psql('publisher', 'TRUNCATE cellenc.event');
$node->safe_psql('publisher', 'TRUNCATE contacts');
$node->wait_for_catchup('sub');
is($other->safe_psql('subscriber', 'SELECT count(*) FROM contacts'), 0, 'TRUNCATE arrives');
is(key_rows($other, 'subscriber'), $own, 'TRUNCATE of a key table leaves the keys alone');

$node->stop;
$other->stop;
done_testing();
