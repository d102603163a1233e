#
# A column is converted while a standby is attached and read; and a standby
# that is promoted in the midst of a conversion goes on with it.
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
my $primary = start_node('primary', master_key => $master_key, allows_streaming => 1, conf => "wal_keep_size = 256MB\n");
$primary->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE t (id integer PRIMARY KEY, v text UNIQUE, c text);
	INSERT INTO t SELECT i, 'v' || i, 'v' || i FROM generate_series(1, 20000) i;
	CREATE INDEX ON t (c) INCLUDE (v);
	CREATE TABLE by_key (v text REFERENCES t (v));
	INSERT INTO by_key SELECT v FROM t WHERE id < 100;
	CREATE VIEW seen AS SELECT id, v FROM t WHERE v <> c});
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
# queries on the standby are not cancelled: replay waits
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = -1\nhot_standby_feedback = on\n");
$standby->start;

sub is_whole
{
	my ($node, $type, $name) = @_;
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT v::text), min(pg_typeof(v)::text) FROM t'),
		"20000|20000|$type", "$name: all rows");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM seen'), 0, "$name: no value is lost");
	is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*) FROM t a JOIN t b ON b.v = a.c WHERE a.id < 1000'),
		999, "$name: by the index");
}

#
# Read beside it, on the standby and the primary
#
my $script = PostgreSQL::Test::Utils::tempdir() . '/read.sql';
append_to_file($script, <<'EOS');
\set id random(1, 20000)
SELECT 1 / count(*) FROM t WHERE id = :id AND v = c;
SELECT 1 / (count(*) = 20000)::integer FROM t;
EOS
my %readers;
foreach my $node ($primary, $standby)
{
	my ($in, $out) = ('', '');
	$readers{ $node->name } = {
		out => \$out,
		run => IPC::Run::start(
			[ 'pgbench', '--no-vacuum', '--client=1', '--time=600', '--protocol=prepared', "--file=$script", $node->connstr('postgres') ],
			\$in, '>', \$out, '2>', \$out) };
}
$primary->safe_psql('postgres', "SELECT cellenc_encrypt_column('t', 'v', 'pii', 'equality')");
$primary->safe_psql('postgres', "UPDATE t SET v = 'u' || id, c = 'u' || id WHERE id = $_") for (1000 .. 1050);
$primary->safe_psql('postgres', 'CALL cellenc_wait()');
$primary->wait_for_catchup($standby);
foreach my $node ($primary, $standby)
{
	my $reader = $readers{ $node->name };
	$reader->{run}->signal('TERM');
	$reader->{run}->finish;
	unlike(${ $reader->{out} }, qr/aborted|ERROR/, $node->name . ': no reader failed');
	is_whole($node, 'enctext', $node->name);
}

#
# Promoted in the midst
#
$primary->safe_psql('postgres', "ALTER SYSTEM SET cellenc.allow_decrypt_column = on; ALTER SYSTEM SET cellenc.job_workers = 0");
$primary->reload;
$primary->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cellenc worker'");
my $job = $primary->safe_psql('postgres', "SELECT cellenc_decrypt_column('t', 'v')");
$primary->safe_psql(
	'postgres', qq{DO \$\$
		BEGIN
			FOR i IN 1 .. 1000 LOOP
				EXIT WHEN EXISTS (SELECT FROM cellenc.conversion WHERE job = $job AND phase = 'switch');
				PERFORM cellenc.job_step($job);
				COMMIT;
				ASSERT i < 1000;
			END LOOP;
		END \$\$});
$primary->safe_psql('postgres', "UPDATE t SET v = 'p' || id, c = 'p' || id WHERE id > 1000 AND id % 1000 = 7");
$primary->wait_for_catchup($standby);
is_whole($standby, 'enctext', 'standby in the midst');
$primary->stop('immediate');
$standby->promote;
$standby->safe_psql('postgres', "UPDATE t SET v = 'q' || id, c = 'q' || id WHERE id > 1000 AND id % 1000 = 8");
$standby->safe_psql('postgres', 'CALL cellenc_wait()');
is($standby->safe_psql('postgres', "SELECT state FROM cellenc.jobs WHERE job = $job"), 'done', 'the promoted standby went on');
is_whole($standby, 'text', 'promoted');

done_testing();
