#
# DROP EXTENSION: goes where no column was ever encrypted, and is refused where
# columns would go with it, or keys that backups may need.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main');
my $used = qr/ERROR:  0A000: cannot drop extension cellenc because columns have been encrypted with its keys.*DETAIL:  [^\n]*: "pii"\.\nHINT:  [^\n]*cellenc_drop_key/s;

# A database of its own for each case, with the extension.
my $count = 0;

sub new_database
{
	my $db = 'db' . ++$count;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "CREATE EXTENSION cellenc; $_[0]");
	return $db;
}

sub drops
{
	my ($db, $sql, $name) = @_;

	sql_is($node, $db, "SET client_min_messages = warning; $sql", '', "$name: dropped");
	sql_is($node, $db, q{SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = 'cellenc')
		+ (SELECT count(*) FROM pg_proc WHERE probin LIKE '%cellenc%')}, 0, "$name: nothing is left");
	sql_is($node, $db, q{CREATE EXTENSION cellenc; SELECT cellenc_create_key('again')}, 1, "$name: made again");
}

drops(new_database(''), 'DROP EXTENSION cellenc', 'no key');
drops(new_database(q{SELECT cellenc_create_key('pii')}), 'DROP EXTENSION cellenc', 'a key never used');
drops(new_database(q{SELECT cellenc_create_key('pii'); CREATE VIEW v AS SELECT 'x'::enctext AS v}),
	'DROP EXTENSION cellenc CASCADE', 'a view');

# A database without the extension, whose users have a schema of that name
$node->safe_psql('postgres', 'CREATE DATABASE without');
sql_is($node, 'without', q{
	SET client_min_messages = warning;
	CREATE SCHEMA cellenc;
	CREATE TABLE cellenc.key (id integer PRIMARY KEY, v text);
	CREATE VIEW cellenc.keys AS SELECT * FROM cellenc.key;
	DROP VIEW cellenc.keys;
	DROP TABLE cellenc.key;
	CREATE TABLE cellenc.twin (id serial);
	DROP SCHEMA cellenc CASCADE;
	SELECT to_regnamespace('cellenc') IS NULL}, 't', "somebody's own schema cellenc is dropped");
# not taken for the extension's, whatever is in it, by who looks for its tables
sql_is($node, 'without', q{
	CREATE SCHEMA cellenc;
	CREATE TABLE cellenc.key (id integer);
	CREATE TABLE cellenc.key_grant (id integer);
	CREATE FUNCTION cellenc.cellenc_catalog_trigger() RETURNS integer LANGUAGE sql AS 'SELECT 1';
	CREATE ROLE short_lived;
	DROP ROLE short_lived;
	SELECT count(*) FROM pg_roles WHERE rolname = 'short_lived'}, 0, "beside somebody's own schema a role is dropped");

# Columns
my $db = new_database(q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE t (id integer, v enctext('pii'), a encint4('pii')[]);
	INSERT INTO t VALUES (1, 'value', '{1}')});
sql_fails($node, $db, 'DROP EXTENSION cellenc', qr/2BP01: /, 'without CASCADE');
foreach my $sql ('DROP EXTENSION cellenc CASCADE', 'DROP OWNED BY CURRENT_USER CASCADE',
	'DROP TYPE enctext CASCADE', 'DROP SCHEMA cellenc CASCADE')
{
	my ($rc, $out, $err) = $node->psql($db, $sql);

	isnt($rc, 0, "refused: $sql");
	sql_is($node, $db, 'SELECT v, a FROM t', 'value|{1}', "the values are still there: $sql");
}
sql_fails($node, $db, 'DROP EXTENSION cellenc CASCADE', $used, 'the keys are told');
sql_fails($node, $db, q{
	BEGIN;
	UPDATE cellenc.key_version SET state = 'destroyed' WHERE version = 1 AND key = (SELECT id FROM cellenc.key WHERE name = 'pii');
	DROP EXTENSION cellenc CASCADE},
	qr/ERROR:  0A000: encrypted columns cannot be dropped by CASCADE.*DETAIL:  [^\n]*public\.t\.a, public\.t\.v\.\nHINT:  [^\n]*ALTER TABLE public\.t DROP COLUMN a; ALTER TABLE public\.t DROP COLUMN v\./s,
	'and the columns');

# Without its columns, a key still has a past, also in a copy of the database
sql_fails($node, $db, 'BEGIN; DROP TABLE t; DROP EXTENSION cellenc', $used, 'after the table');
my $copy = 'copy';
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr($db), '-f', $dump ], 'dump');
$node->safe_psql('postgres', "CREATE DATABASE $copy");
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($copy), '-f', $dump ], 'restore');
sql_is($node, $copy, 'SELECT v, a FROM t', 'value|{1}', 'the copy has the values');
sql_fails($node, $copy, 'BEGIN; DROP TABLE t; DROP EXTENSION cellenc', $used, 'in a copy');

# Until the keys are destroyed
$node->safe_psql($db, 'DROP TABLE t');
sql_fails($node, $db, 'DROP EXTENSION cellenc', $used, 'after the table, later');
sql_is($node, $db, "SELECT action, detail FROM cellenc.events WHERE key = 'pii' AND action = 'use'", 'use|column "v"',
	'the first use is on record');
drops($db, "UPDATE cellenc.key_version SET state = 'destroyed' WHERE version > 0; DROP EXTENSION cellenc", 'destroyed keys');

# A use that was rolled back is none
$db = new_database(q{SELECT cellenc_create_key('pii'); BEGIN; CREATE TABLE t (v enctext('pii')); ROLLBACK});
drops($db, 'DROP EXTENSION cellenc', 'rolled back');

done_testing();
