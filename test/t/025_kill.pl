#
# The worker, the postmaster or all processes at once are killed at random
# moments of rotations beside writers: 50 times, no value is lost or mixed up,
# every rotation ends, heaps and indexes are well.
#
# Environment: KILL_SEED repeats the choice of moments and victims; KILLS.
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
use Time::HiRes qw(usleep);

my $seed = $ENV{KILL_SEED} // int(rand(2**31));
my $kills = $ENV{KILLS} // 50;
srand($seed);
diag("seed $seed");

my $node = start_node('main', conf => <<'EOC');
restart_after_crash = on
autovacuum_naptime = 1s
log_statement = none
checkpoint_timeout = 30s
EOC

sub query { return $node->safe_psql('postgres', $_[0]); }

my $have_amcheck = query("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
query('CREATE EXTENSION amcheck') if $have_amcheck;

# A value, what it has to be, in columns of each kind; some out of line.
my $rows = 4000;
query(<<"EOS");
SELECT cellenc_create_key('pii');
CREATE TABLE t (id int PRIMARY KEY, v enctext('pii', 'equality'), o encint4('pii', 'order'), a enctext('pii')[], n int DEFAULT 0,
	control text) WITH (autovacuum_vacuum_scale_factor = 0.1);
CREATE FUNCTION value(seed int) RETURNS text IMMUTABLE LANGUAGE sql AS
	\$\$ SELECT CASE WHEN seed % 40 = 0 THEN repeat(md5(seed::text), 90) ELSE 'value ' || seed END \$\$;
CREATE INDEX ON t USING hash (v);
CREATE INDEX ON t (o);
CREATE INDEX ON t (n);
INSERT INTO t SELECT i, value(i), i, ARRAY[value(i), NULL], 0, md5(value(i)) FROM generate_series(1, $rows) i;
EOS
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/write.sql", <<"EOS");
\\set id random(1, $rows)
\\set other random(1, $rows)
\\set hot random(1, 5)
\\set seed random(1, 1000000)
UPDATE t SET v = value(:seed), o = :seed, a = ARRAY[value(:seed), NULL], control = md5(value(:seed)) WHERE id = :id;
UPDATE t SET n = n + 1 WHERE id = :hot;
BEGIN;
DELETE FROM t WHERE id = :other;
INSERT INTO t VALUES (:other, value(:seed), :seed, ARRAY[value(:seed)], 7, md5(value(:seed)))
	ON CONFLICT (id) DO UPDATE SET n = -1;
COMMIT;
SELECT 1 / (md5(v) = control)::int FROM t WHERE id = :id;
EOS

sub start_writers
{
	return IPC::Run::start(
		[ 'pgbench', '-n', '-c', '3', '-T', '600', '-f', "$dir/write.sql", $node->connstr('postgres') ],
		'<', '/dev/null', '>&', "$dir/write.out");
}

sub is_intact
{
	my ($name) = @_;
	is(query(<<'EOS'), "$rows|0|0", $name);
SELECT count(*), sum((md5(v) <> control OR md5(a[1]) <> control OR v <> value(o))::int),
	(SELECT count(*) FROM t x WHERE NOT EXISTS (SELECT FROM t i WHERE i.o = x.o AND i.id = x.id))
FROM t
EOS
}

sub is_well
{
	my ($name) = @_;
	return unless $have_amcheck;

	# a job replaces indexes
	query("CALL cellenc_wait(timeout => '3 min')");
	is( query("SELECT (SELECT string_agg(msg, ',') FROM verify_heapam('t')),"
			  . " count(bt_index_check(indexrelid, true)) FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
			  . " WHERE indrelid = 't'::regclass AND indisvalid AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree')"),
		'|3', "$name: heap and indexes are well");
}

sub postmaster_pid
{
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	return $pid;
}

# False where there was none, or it ended by itself just then.
sub kill_worker
{
	my $pid = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'cellenc worker'");
	return 0 unless $pid;

	my $log = -s $node->logfile;
	kill 'KILL', $pid;
	usleep(10_000) while kill 0, $pid;

	# who gets a connection after that knows that its end has been dealt with
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';
	return slurp_file($node->logfile, $log) =~ /\(PID $pid\) was terminated by signal 9/;
}

my @victims = ('worker', 'postmaster', 'all processes');
my %count = map { $_ => 0 } @victims, 'amid a job';
my $writers;

foreach my $round (1 .. $kills)
{
	# the writers of the last round have lost their connections
	$writers->finish if $writers;
	$writers = start_writers();

	query("SET client_min_messages = warning; SELECT cellenc_rotate_key('pii') WHERE NOT EXISTS"
		  . " (SELECT FROM cellenc.jobs WHERE state IN ('queued', 'waiting', 'running'))");
	usleep(int(rand(400_000)));

	my $victim = $victims[ int(rand(3)) ];
	if ($victim eq 'worker')
	{
		$victim = 'postmaster' unless kill_worker();
	}
	crash_and_start($node, all => $victim eq 'all processes') if $victim ne 'worker';
	$count{$victim}++;
	$count{'amid a job'} += query("SELECT count(*) FROM cellenc.jobs WHERE state IN ('queued', 'waiting', 'running')");
	is_intact("kill $round, of $victim");
	is_well("kill $round") if $round % 10 == 0;
}
$writers->finish;
diag(join ', ', map { "$_: $count{$_}" } sort keys %count);
cmp_ok($count{'amid a job'}, '>=', $kills / 4, 'many kills were amid a job');

query("CALL cellenc_wait(timeout => '3 min')");
is(query("SELECT string_agg(DISTINCT state, ',') FROM cellenc.jobs"), 'done', 'every job is done');
is( query("SELECT string_agg(DISTINCT cellenc_key_version(x)::text, ',') = (SELECT version::text FROM cellenc.keys)"
		  . ' FROM (SELECT unnest(ARRAY[v, a[1]]) AS x FROM t) s'),
	't', 'every value is under the current version');
is(query('SELECT DISTINCT cellenc_key_version(o) = (SELECT version FROM cellenc.keys) FROM t'), 't', 'also numbers');
is_intact('at the end');
is_well('at the end');

my $log = slurp_file($node->logfile);
unlike($log, qr/TRAP|PANIC/, 'nothing bad in the log');
unlike($log, qr/ERROR:  (?!canceling autovacuum task)/, 'no error in the log');
$node->stop;
done_testing();
