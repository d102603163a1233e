#
# Jobs as a DBA operates them: pause, cancel, limits, the window, rotation by
# policy, several databases, and what becomes of a job when something fails.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = start_node('main', allows_streaming => 1, conf => <<'EOC');
autovacuum = off
max_wal_size = 1GB
wal_keep_size = 1GB
EOC

sub query
{
	my ($sql, $db) = @_;
	return $node->safe_psql($db // 'postgres', $sql);
}

sub wait_until
{
	my ($sql, $name, $db) = @_;
	ok($node->poll_query_until($db // 'postgres', $sql), $name);
}

# Change settings that a reload brings to all processes.
sub set
{
	my (%settings) = @_;
	query("ALTER SYSTEM SET $_ = '$settings{$_}'") foreach sort keys %settings;
	$node->reload;
}

sub reset_settings
{
	query('ALTER SYSTEM RESET ALL');
	$node->reload;
}

# Of a process, in ns, by sched_getattr(2); 0 where the kernel has none to set.
sub time_slice
{
	my ($pid) = @_;
	my $architecture = (POSIX::uname())[4];
	my $number = { x86_64 => 315, aarch64 => 275 }->{$architecture};
	my $attr = "\0" x 48;

	return 0 if $^O ne 'linux' || !$number || syscall($number, $pid + 0, $attr, 48, 0) != 0;
	return (unpack('L2 Q l L Q3', $attr))[5];
}

sub rotate
{
	my ($key, $db) = @_;
	query("SELECT cellenc_rotate_key('$key')", $db);
	return query('SELECT max(job) FROM cellenc.jobs', $db);
}

sub job_is
{
	my ($job, $state, $name, $db) = @_;
	wait_until("SELECT state = '$state' FROM cellenc.jobs WHERE job = $job", $name, $db)
	  or diag(query("SELECT * FROM cellenc.jobs WHERE job = $job", $db));
}

sub waits_for
{
	my ($job, $pattern, $name) = @_;
	wait_until("SELECT state = 'waiting' AND waiting_for ~ '$pattern' FROM cellenc.jobs WHERE job = $job", $name);
}

my $no_worker = "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cellenc worker'";

# Rows of big whose value is wrong, and those that are not under the current version.
sub big_counts
{
	return query("SELECT count(*) FILTER (WHERE md5(v) <> control), count(*) FILTER (WHERE cellenc_key_version(v) <>"
		  . " (SELECT version FROM cellenc.keys WHERE key = 'big')) FROM big");
}

query(<<'EOS');
SELECT cellenc_create_key('big');
CREATE TABLE big (id int PRIMARY KEY, v enctext('big'), o encint4('big', 'order'), control text);
INSERT INTO big SELECT i, 'value ' || i, i, md5('value ' || i) FROM generate_series(1, 60000) i;
CREATE INDEX big_o ON big (o);
VACUUM ANALYZE big;
EOS

#
# The rate of WAL, and what holds under it
#

set('cellenc.job_max_wal_rate' => '2MB');
my $wal = query('SELECT pg_current_wal_insert_lsn()');
my $start = time;
my $job = rotate('big');
wait_until("SELECT percent > 10 AND eta > '0' FROM cellenc.jobs WHERE job = $job", 'job is under way');
query("SELECT cellenc_pause($job)");
my $rate = query("SELECT pg_current_wal_insert_lsn() - '$wal'::pg_lsn") / (time - $start);
cmp_ok($rate, '<', 5 * 1024 * 1024, 'WAL is written at the rate set, or not much above it');

is(query("SELECT state, waiting_for FROM cellenc.jobs WHERE job = $job"), 'paused|', 'paused at once');
wait_until($no_worker, 'no worker is left for a job that is paused');
my $done = query("SELECT values_done, percent FROM cellenc.jobs WHERE job = $job");
like(big_counts(), qr/^0\|[1-9]/, 'paused in the middle');
# a commit beside them waits for a batch's WAL at most
my $largest = query("SELECT max(n) FROM (SELECT count(*) AS n FROM big WHERE cellenc_key_version(v) = 2 GROUP BY xmin::text) s");
cmp_ok($largest, '<', 2000, 'with a limit, batches are small');
$node->restart;
is(query("SELECT values_done, percent FROM cellenc.jobs WHERE job = $job"), $done, 'nothing is done meanwhile');
is(query("SELECT state FROM cellenc.jobs WHERE job = $job"), 'paused', 'a restart does not resume');

query("SELECT cellenc_resume($job)");
wait_until("SELECT state = 'running' AND values_done > split_part('$done', '|', 1)::bigint FROM cellenc.jobs WHERE job = $job",
	'it goes on where it was');
query("SELECT cellenc_cancel($job)");
is(query("SELECT state, finished_at IS NOT NULL FROM cellenc.jobs WHERE job = $job"), 'cancelled|t', 'cancelled at once');
wait_until($no_worker, 'no worker is left for a job that is cancelled');
like(big_counts(), qr/^0\|[1-9]/, 'values under both versions are readable');
reset_settings();
$job = query("SELECT cellenc_reencrypt('big')");
job_is($job, 'done', 'cellenc_reencrypt goes on');
is(big_counts(), '0|0', 'all values are under the new version');
is(query("SELECT version, n_values >= 60000 FROM cellenc.index_versions('big_o')"), '2|t', 'the index too');
is(query("SELECT string_agg(action, ',' ORDER BY at) FROM cellenc.events WHERE key = 'big' AND detail LIKE 'job %'"),
	'pause,resume,cancel,reencrypt', 'events are recorded');

query("CREATE TABLE copied AS SELECT i, 'value ' || i AS v FROM generate_series(1, 20000) i");
set('cellenc.job_max_wal_rate' => '2MB');
$job = query("SELECT cellenc_encrypt_column('copied', 'v', 'big')");
job_is($job, 'done', 'a conversion with a limited rate');
$largest = query('SELECT max(n) FROM (SELECT count(*) AS n FROM copied GROUP BY xmin::text) s');
cmp_ok($largest, '<', 5000, 'has small batches, too');
reset_settings();

#
# VACUUM between batches gives way to whoever wants the table, and ends with a
# pause
#

my $vacuums = "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'cellenc worker' AND query LIKE 'VACUUM %'";
set('autovacuum_vacuum_cost_delay' => '100ms', 'autovacuum_vacuum_cost_limit' => 1);
$job = rotate('big');
wait_until($vacuums, 'a slow VACUUM runs');
$start = time;
query('ALTER TABLE big ADD COLUMN w int');
cmp_ok(time - $start, '<', 60, 'ALTER TABLE does not wait for it to end');
query("SELECT cellenc_cancel($job)");
wait_until($no_worker, 'the worker ends');
$job = rotate('big');
wait_until($vacuums, 'another VACUUM runs');
query("SELECT cellenc_pause($job)");
wait_until($no_worker, 'a pause cancels it');
reset_settings();
query("SELECT cellenc_resume($job)");
job_is($job, 'done', 'the job goes on');
is(big_counts(), '0|0', 'all values are under the new version');
cmp_ok(query("SELECT pg_relation_size('big')"), '<', query("SELECT 2.2 * 60000 * avg(pg_column_size(big.*) + 28) FROM big"),
	'the table has not grown without end');

#
# The window
#

my $closed = query("SELECT to_char(now() AT TIME ZONE 'UTC' + '3 h', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'UTC' + '4 h', 'HH24:MI') || ' UTC'");
set('cellenc.job_window' => $closed);
$job = rotate('big');
waits_for($job, "^window $closed \\(\\d\\d:", 'a job waits for the window');
wait_until($no_worker, 'the worker ends meanwhile');
set('cellenc.job_window' => query("SELECT to_char(now() AT TIME ZONE 'Asia/Tokyo' + '1 min', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'Asia/Tokyo' + '4 h', 'HH24:MI') || ' Asia/Tokyo'"));
job_is($job, 'done', 'the launcher starts a worker when it opens');
reset_settings();

#
# A standby that lags
#

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
set('cellenc.job_max_standby_lag' => '1MB');
$job = rotate('big');
waits_for($job, '^standby "standby" \\(\\d\\d:', 'a job waits for a standby that lags');
set('cellenc.job_lag_standbys' => 'nosuch');
waits_for($job, '^standby "nosuch", which is not connected', 'a job waits for a standby that is named');
set('cellenc.job_lag_standbys' => 'standby');
waits_for($job, '^standby "standby" ', 'by its name');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
job_is($job, 'done', 'the job goes on when the standby does');
reset_settings();
$standby->stop;

#
# Rotation by policy
#

query("SELECT cellenc_create_key('often')");
query("SELECT cellenc_set_rotation_policy('often', '8 s')");
wait_until("$no_worker", 'no worker runs until a key is due');
wait_until("SELECT version >= 3 FROM cellenc.keys WHERE key = 'often'", 'a key is rotated by itself, and again');
query("SELECT cellenc_set_rotation_policy('often', NULL)");
is(query("SELECT DISTINCT detail FROM cellenc.events WHERE key = 'often' AND action = 'rotate'"),
	'by policy', 'events tell so');
query('CALL cellenc_wait()');

# whoever rotates a key while the worker waits to do so has done it
# (the tables are changed directly, so that no worker is told)
query("UPDATE cellenc.key SET rotate_every = '1 hour' WHERE name = 'often'");
query("UPDATE cellenc.key_version SET created_at = created_at - interval '2 hours'"
	  . " WHERE key = (SELECT id FROM cellenc.key WHERE name = 'often') AND state = 'current'");
my $due_version = query("SELECT version FROM cellenc.keys WHERE key = 'often'");
my $first = $node->background_psql('postgres');
$first->query_safe("BEGIN; SELECT cellenc_rotate_key('often', false)");
query("SELECT cellenc_reencrypt('big')");
wait_until("SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND backend_type = 'cellenc worker'",
	'the worker waits for a change of keys to end');
$first->query_safe('COMMIT');
$first->quit;
query('CALL cellenc_wait()');
is(query("SELECT version - $due_version FROM cellenc.keys WHERE key = 'often'"), '1', 'it does not rotate a key that is no longer due');
query("SELECT cellenc_set_rotation_policy('often', NULL)");

#
# Several databases at once
#

query('CREATE DATABASE second');
query("CREATE EXTENSION cellenc; SELECT cellenc_create_key('big');"
	  . " CREATE TABLE big AS SELECT i, ('value ' || i)::enctext('big') AS v FROM generate_series(1, 20000) i",
	'second');
set('cellenc.job_max_wal_rate' => '256kB');
$job = rotate('big');
my $other = rotate('big', 'second');
wait_until("SELECT count(DISTINCT datname) = 2 FROM pg_stat_activity WHERE backend_type = 'cellenc worker'",
	'two workers work on two databases');
wait_until("SELECT state = 'running' FROM cellenc.jobs WHERE job = $job", 'one here');
wait_until("SELECT state = 'running' FROM cellenc.jobs WHERE job = $other", 'one there', 'second');
SKIP:
{
	# whoever has the shorter one may take the processor from the other
	my ($slice, $usual) = map { time_slice(query("SELECT pid FROM pg_stat_activity WHERE backend_type = '$_' LIMIT 1")) }
	  ('cellenc worker', 'checkpointer');
	skip 'this kernel has no time slices that can be set', 1 unless $slice;
	cmp_ok($slice, '>', $usual, 'the time slice of a worker is longer than that of others');
}
query("SELECT cellenc_create_key('small'); CREATE TABLE small AS SELECT 'x'::enctext('small') AS v");
my $small = query("SELECT cellenc_rotate_keys('{small}')");
job_is($small, 'done', 'a second job of a database uses the pauses of the first');
isnt(query("SELECT state FROM cellenc.jobs WHERE job = $job"), 'done', 'which goes on');
reset_settings();
job_is($job, 'done', 'one job ends');
job_is($other, 'done', 'the other ends', 'second');

#
# Indexes: what cannot be rebuilt is told
#

query(<<'EOS');
CREATE ROLE keyless;
GRANT CREATE ON SCHEMA public TO keyless;
CREATE TABLE owned (id int, v encint4('big', 'order'), e encint4('big', 'order'),
	EXCLUDE USING btree (e WITH OPERATOR(cellenc.=)));
CREATE FUNCTION yes(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
INSERT INTO owned SELECT i, i, i FROM generate_series(1, 3000) i;
CREATE INDEX owned_v ON owned (v);
CREATE INDEX owned_builtin ON owned (v) WHERE id > 0;
CREATE INDEX owned_code ON owned (v) WHERE yes(id);
ALTER TABLE owned OWNER TO keyless;
ALTER FUNCTION yes OWNER TO keyless;
EOS
my $pages = "SELECT string_agg(c.relname || ' ' || v.version, ', ' ORDER BY c.relname, v.version) FROM pg_class c,"
  . " cellenc.index_versions(c.oid) v WHERE c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'owned'::regclass)";
my $offset = -s $node->logfile;
my ($version) = query("SELECT cellenc_rotate_key('big')");
query('CALL cellenc_wait()');
is(query("SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1"),
	'done|2 indexes could not be rebuilt; see the server log', 'a job tells of indexes that keep old values');
my $before = $version - 1;
is(query($pages), "owned_builtin $version, owned_code $before, owned_code $version, owned_e_excl $before, owned_e_excl $version, owned_v $version",
	'those whose owner runs code, or that are of exclusion constraints');
my $log = slurp_file($node->logfile, $offset);
like($log, qr/index "owned_code" still holds values.*\n.*DETAIL:  permission denied for key "big"/, 'the log says which and why');
like($log, qr/index "owned_e_excl" still holds values.*\n.*DETAIL:  Indexes of exclusion constraints/, 'each of them');
is(query("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), '0', 'nothing invalid is left');
query("SELECT cellenc_grant_key('big', 'keyless'); REINDEX TABLE owned");
is(query($pages), "owned_builtin $version, owned_code $version, owned_e_excl $version, owned_v $version",
	'REINDEX by a role that may decrypt does it');

# an interrupted REINDEX CONCURRENTLY leaves an index that is in the way
query('DROP INDEX owned_code; ALTER TABLE owned DROP CONSTRAINT owned_e_excl');
my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(id) FROM owned');
$node->psql('postgres', "SET lock_timeout = '300ms'; REINDEX INDEX CONCURRENTLY owned_v");
$old->query_safe('COMMIT');
$old->quit;
is(query("SELECT string_agg(indexrelid::regclass::text, ',') FROM pg_index WHERE NOT indisvalid"),
	'owned_v_ccnew', 'an invalid index');
$job = rotate('big');
job_is($job, 'done', 'a job with an invalid index beside');
is(query("SELECT count(*), count(*) FILTER (WHERE indisvalid) FROM pg_index WHERE indrelid = 'owned'::regclass"),
	'2|2', 'which it has dropped');

# an older transaction is waited for before an index is rebuilt, and shown
$old = $node->background_psql('postgres');
$old->query_safe('SELECT 1');
set('cellenc.job_max_wal_rate' => '512kB');
$job = rotate('big');
wait_until("SELECT percent > 1 FROM cellenc.jobs WHERE job = $job", 'a job is under way');
$old->query_safe('BEGIN; SELECT count(id) FROM owned');
reset_settings();
waits_for($job, '^transaction of pid ', 'an older transaction is named');
$old->query_safe('COMMIT');
$old->quit;
job_is($job, 'done', 'and waited for');
is(query("SELECT error FROM cellenc.jobs WHERE job = $job"), '', 'without an error');

unlike(slurp_file($node->logfile), qr/TRAP|PANIC|leak/, 'nothing bad in the log');
$node->stop;
done_testing();
