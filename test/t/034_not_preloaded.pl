#
# Without shared_preload_libraries everything of cellenc fails with 55000 and a
# hint that names the setting, and the rest of the server works.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
my $key_file = make_master_key();
my $refused = qr/ERROR:  55000: .*HINT:  [^\n]*shared_preload_libraries/s;

sub is_refused
{
	my ($sql) = @_;
	sql_fails($node, 'postgres', $sql, $refused, $sql);
}

$node->init;
$node->start;
is_refused('CREATE EXTENSION cellenc');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'cellenc'"),
	0, 'nothing is left of the extension');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_namespace WHERE nspname = 'cellenc'"),
	0, 'nor of its schema');

# Loaded by the session, it is still not preloaded
is_refused("LOAD 'cellenc'; CREATE EXTENSION cellenc");
is_refused("SET session_preload_libraries = 'cellenc'; CREATE EXTENSION cellenc");

# A database that has it
$node->append_conf('postgresql.conf', cellenc_conf($key_file));
$node->restart;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION cellenc;
	SELECT cellenc_create_key('pii');
	CREATE TABLE plain (v text);
	INSERT INTO plain VALUES ('plain');
	CREATE TABLE secrets (id integer, v enctext('pii', 'order'), n encint4('pii'), a enctext('pii')[]);
	INSERT INTO secrets VALUES (1, 'x', 2, '{y}'), (2, 'z', 3, '{}');
	CREATE INDEX ON secrets (v);
	CREATE TYPE mood AS ENUM ('happy');
	SELECT cellenc_create_type('encmood', 'mood');
});

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;

is_refused($_) foreach (
	# values
	'SELECT v FROM secrets',
	'SELECT a FROM secrets',
	'SELECT * FROM secrets',
	'COPY secrets TO STDOUT',
	'COPY secrets TO STDOUT (FORMAT binary)',
	"INSERT INTO secrets (v) VALUES ('x')",
	"INSERT INTO secrets (n) VALUES (1)",
	"UPDATE secrets SET v = 'y'",
	"UPDATE secrets SET n = n + 1",
	"SELECT 'x'::enctext",
	"SELECT 'happy'::encmood",
	"SELECT 'x'::text::enctext('pii')",
	'SELECT v::text FROM secrets',
	'SELECT n::bigint FROM secrets',
	'SELECT n::encint8 FROM secrets',
	"PREPARE p AS SELECT id FROM secrets WHERE v = 'x'; EXECUTE p",
	# operators, sorts and indexes
	'SELECT count(*) FROM secrets WHERE v OPERATOR(cellenc.<) v',
	"SET enable_seqscan = off; SELECT id FROM secrets WHERE v OPERATOR(cellenc.=) 'x'::text",
	'SELECT cellenc.cellenc_cmp(v, v), cellenc.cellenc_hash(v) FROM secrets',
	'INSERT INTO secrets SELECT * FROM secrets',
	'REINDEX TABLE secrets',
	# definitions
	"CREATE TABLE more (v enctext('pii'))",
	"ALTER TABLE secrets ADD COLUMN w encdate('pii')",
	"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'secrets'::regclass",
	"SELECT cellenc_create_type('encmood2', 'mood')",
	# statistics
	'ANALYZE secrets',
	# keys
	"SELECT cellenc_create_key('other')",
	"SELECT cellenc_rotate_key('pii', reencrypt => false)",
	"SELECT cellenc_grant_key('pii', 'public')",
	"SELECT cellenc_revoke_key('pii', 'public')",
	"SELECT cellenc_has_key_privilege('pii', 'encrypt')",
	'SELECT cellenc_key_name(v) FROM secrets',
	'SELECT cellenc_key_version(v) FROM secrets',
	'SELECT * FROM cellenc.master_keys',
	'SELECT * FROM cellenc.columns',
	'CALL cellenc_wait()',
	'DELETE FROM cellenc.key',
	'TRUNCATE cellenc.key_version');

is($node->safe_psql('postgres', "INSERT INTO plain VALUES ('more'); SELECT count(*) FROM plain"),
	2, 'plain tables work');
is($node->safe_psql('postgres', 'SELECT id FROM secrets ORDER BY id'), "1\n2", 'plain columns beside encrypted ones work');
is($node->safe_psql('postgres', 'VACUUM secrets; SELECT 1'), 1, 'VACUUM works');

# And back
$node->append_conf('postgresql.conf', cellenc_conf($key_file));
$node->restart;
is($node->safe_psql('postgres', 'SELECT v, n, a FROM secrets WHERE id = 1'), 'x|2|{y}', 'values are there again');

$node->stop;
done_testing();
