#
# Master keys are loaded once per server: later sessions, databases and workers
# do not run the command again.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $key_file = make_master_key();
my $count_file = "$key_file.count";
my $node = PostgreSQL::Test::Cluster->new('main');

# One line for every run of the command.
sub runs { return -e $count_file ? scalar(() = slurp_file($count_file) =~ /^asked/mg) : 0; }

$node->init;
$node->append_conf('postgresql.conf', <<EOF);
shared_preload_libraries = 'cellenc'
cellenc.master_key_command = 'echo asked %k >>"$count_file"; cat "$key_file"'
cellenc.master_key_prefetch = off
EOF
$node->start;
is(runs(), 0, 'a start without prefetch asks for nothing');

$node->safe_psql('postgres', 'CREATE EXTENSION cellenc');
is(runs(), 1, 'first use asks once');
$node->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE secrets (v enctext('pii', 'order'));
	INSERT INTO secrets SELECT i FROM generate_series(1, 20000) i;
	SELECT cellenc_rotate_key('pii', reencrypt => false);
	INSERT INTO secrets VALUES ('x');
	ANALYZE secrets;
	CREATE ROLE reader;
	GRANT SELECT ON secrets TO reader;
	SELECT cellenc_grant_key('pii', 'reader');
	CREATE DATABASE other;
});

is($node->safe_psql('postgres', 'SELECT count(v::text) FROM secrets'), 20001, 'another session reads')
  foreach 1 .. 3;
is($node->safe_psql('postgres', 'SET ROLE reader; SELECT max(v) FROM secrets'), 'x', 'another role reads');
like(
	$node->safe_psql(
		'postgres', q{
		SET min_parallel_table_scan_size = 0;
		SET parallel_setup_cost = 0;
		SET parallel_tuple_cost = 0;
		SET parallel_leader_participation = off;
		EXPLAIN (ANALYZE, COSTS off, TIMING off) SELECT count(v::text) FROM secrets}),
	qr/Workers Launched: [1-9]/, 'parallel workers read');
$node->safe_psql('other', "CREATE EXTENSION cellenc; SELECT cellenc_create_key('pii')");
is($node->safe_psql('other', "SELECT 'x'::enctext('pii')"), 'x', 'another database has keys');
is(runs(), 1, 'none of them asked again');

# A start begins anew
$node->restart;
$node->safe_psql('postgres', 'SELECT max(v) FROM secrets') foreach 1 .. 2;
is(runs(), 2, 'after a restart the first use asks once');

$node->append_conf('postgresql.conf', 'cellenc.master_key_prefetch = on');
$node->restart;
ok($node->poll_query_until('postgres', "SELECT status = 'ok' FROM cellenc.master_keys WHERE name = 'default'"),
	'prefetch loads the key');
$node->safe_psql('postgres', 'SELECT max(v) FROM secrets') foreach 1 .. 2;
is(runs(), 3, 'prefetch asks once for all');

$node->stop;
done_testing();
