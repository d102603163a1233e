#
# Readers of streaming standbys, with hot_standby_feedback and without, while
# the primary rotates beside writers: none fails, through tables or indexes.
# A standby that is promoted in mid-rotation goes on with the job.
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

my $rotations = $ENV{ROTATIONS} // 4;

my $primary = start_node('primary', allows_streaming => 1, conf => <<'EOC');
log_statement = none
autovacuum_naptime = 1s
EOC

sub query { return $primary->safe_psql('postgres', $_[0]); }

my $rows = 8000;
query(<<"EOS");
SELECT cellenc_create_key('pii');
CREATE FUNCTION value(seed int) RETURNS text IMMUTABLE LANGUAGE sql AS
	\$\$ SELECT CASE WHEN seed % 100 = 0 THEN repeat(md5(seed::text), 90) ELSE 'value ' || seed END \$\$;
CREATE TABLE t (id int PRIMARY KEY, v enctext('pii', 'equality'), o encint4('pii', 'order'), n int DEFAULT 0, control text);
CREATE INDEX ON t (o);
CREATE INDEX ON t USING hash (v);
INSERT INTO t SELECT i, value(i), i, 0, md5(value(i)) FROM generate_series(1, $rows) i;
VACUUM (ANALYZE) t;
EOS

# WAL waits for readers for as long as they take: what cancels them is PostgreSQL's own business.
$primary->backup('copy');
my @standbys;
foreach my $feedback ('on', 'off')
{
	my $standby = PostgreSQL::Test::Cluster->new("standby_$feedback");
	$standby->init_from_backup($primary, 'copy', has_streaming => 1);
	$standby->append_conf('postgresql.conf', <<"EOC");
hot_standby_feedback = $feedback
max_standby_streaming_delay = -1
wal_receiver_status_interval = 1s
EOC
	$standby->start;
	push @standbys, $standby;
}

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/write.sql", <<"EOS");
\\set id random(1, $rows)
\\set other random(1, $rows)
\\set seed random(1, 1000000)
UPDATE t SET v = value(:seed), o = :seed, control = md5(value(:seed)) WHERE id = :id;
UPDATE t SET n = n + 1 WHERE id = :other;
BEGIN;
DELETE FROM t WHERE id = :id;
INSERT INTO t VALUES (:id, value(:seed), :seed, 0, md5(value(:seed))) ON CONFLICT (id) DO UPDATE SET n = -1;
COMMIT;
\\sleep 2 ms
EOS

# A wrong value divides by zero.  No transaction reads by the index over o with a
# snapshot from before the job's REINDEX CONCURRENTLY, which waits for those of
# the primary only.
append_to_file("$dir/scan.sql",
	"SELECT 1 / (count(*) = $rows AND count(*) FILTER (WHERE md5(v) <> control OR v <> value(o)) = 0)::int FROM t;\n");
append_to_file("$dir/index.sql", <<"EOS");
\\set from random(1, 1000000)
\\set id random(1, $rows)
SET enable_seqscan = off;
SELECT 1 / (bool_and(md5(v) = control AND o >= :from))::int FROM (SELECT * FROM t WHERE o >= :from ORDER BY o LIMIT 100) s;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT o AS seed FROM t WHERE id = :id \\gset
SELECT 1 / (count(*) > 0)::int FROM t WHERE v = value(:seed);
COMMIT;
EOS

sub start_pgbench
{
	my ($server, $name, @options) = @_;
	return {
		name => $name,
		run => IPC::Run::start([ 'pgbench', '-n', '-T', '600', @options, $server->connstr('postgres') ],
			'<', '/dev/null', '>&', "$dir/$name.out")
	};
}

# Ends a run, which goes on for 600 seconds unless something failed.
sub stop_pgbench
{
	my ($run) = @_;

	$run->{run}->kill_kill;
	my $out = slurp_file("$dir/$run->{name}.out");
	# PostgreSQL's own, and rare: on a standby without feedback, a query is planned with
	# an index that REINDEX CONCURRENTLY has dropped before it is opened
	$out =~ s/^.*(Run was aborted|could not open relation with OID).*$//mg
	  if $run->{name} =~ /^standby_off index/ && $out =~ /could not open relation with OID/;
	unlike($out, qr/ERROR|FATAL|aborted/, "$run->{name}: nothing failed");
}

my $writers = start_pgbench($primary, 'writers', '-c', '2', '-f', "$dir/write.sql");
my @readers;
foreach my $standby (@standbys)
{
	push @readers, start_pgbench($standby, $standby->name . ' scans', '-c', '1', '-f', "$dir/scan.sql"),
	  start_pgbench($standby, $standby->name . ' index scans', '-c', '1', '-f', "$dir/index.sql");
}

foreach my $rotation (1 .. $rotations)
{
	query("SET client_min_messages = warning; SELECT cellenc_rotate_key('pii')");
	query("CALL cellenc_wait(timeout => '3 min')");
}
is(query("SELECT count(*) FROM cellenc.jobs WHERE state = 'done'"), $rotations, 'rotations are done');
stop_pgbench($writers);
foreach my $standby (@standbys)
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	my ($rc, $out, $err) = $standby->psql('postgres',
		'SELECT count(*), sum((md5(v) <> control)::int), string_agg(DISTINCT cellenc_key_version(v)::text, \',\') FROM t');
	is($out . $err, join('|', $rows, 0, $rotations + 1), $standby->name . ' has it all');
	is($standby->safe_psql('postgres', "SELECT confl_tablespace + confl_lock + confl_deadlock FROM pg_stat_database_conflicts WHERE datname = 'postgres'"),
		'0', $standby->name . ': no conflict beyond snapshots and pins');
}
foreach my $standby (@standbys)
{
	ok($standby->poll_query_until('postgres', "SELECT seq_scan > 5 AND idx_scan > 50 FROM pg_stat_user_tables WHERE relname = 't'"),
		$standby->name . ' was read both ways');
}
stop_pgbench($_) foreach @readers;

#
# Promotion in mid-rotation
#

my ($standby, $other) = @standbys;
$other->stop;
query("SET client_min_messages = warning; SELECT cellenc_rotate_key('pii')");
$primary->poll_query_until('postgres', "SELECT values_done > 1000 FROM cellenc.jobs ORDER BY job DESC LIMIT 1")
  or die 'the job does not begin';
$primary->stop('immediate');
$standby->promote;
my $job = $standby->safe_psql('postgres', 'SELECT max(job) FROM cellenc.jobs');
is($job, $rotations + 1, 'the job is there');
my $state = $standby->safe_psql('postgres', "SELECT state FROM cellenc.jobs WHERE job = $job");
isnt($state, 'done', 'and was not done before');
$standby->safe_psql('postgres', "CALL cellenc_wait(timeout => '3 min')");
is($standby->safe_psql('postgres', "SELECT state, percent, bad_values FROM cellenc.jobs WHERE job = $job"),
	'done|100.0|0', 'the promoted server ends the job');
is($standby->safe_psql('postgres', <<'EOS'), join('|', $rows, 0, join(',', ($rotations + 2) x 2)), 'every value is new and right');
SELECT count(*), sum((md5(v) <> control OR v <> value(o))::int), string_agg(DISTINCT cellenc_key_version(v) || ',' || cellenc_key_version(o), ' ')
FROM t
EOS

foreach my $node ($primary, @standbys)
{
	unlike(slurp_file($node->logfile), qr/TRAP|PANIC/, 'nothing bad in the log of ' . $node->name);
}
$standby->stop;
done_testing();
