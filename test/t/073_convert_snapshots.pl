#
# What somebody with a snapshot from before a conversion's switch sees after it:
# no row is missing, and none is there twice.
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

my $node = start_node('main', conf => "autovacuum = off\n");
my $have_amcheck = $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck') if $have_amcheck;
$node->safe_psql('postgres',
	"SELECT cellenc_create_key('pii'); ALTER SYSTEM SET cellenc.allow_decrypt_column = on; SELECT pg_reload_conf()");

sub query { return $node->safe_psql('postgres', $_[0]); }

sub wait_for
{
	my ($sql, $name) = @_;
	ok($node->poll_query_until('postgres', $sql), $name);
}

sub is_well
{
	my ($table) = @_;
	return unless $have_amcheck;
	is(query("SELECT string_agg(msg, ',') FROM verify_heapam('$table')"), '', "$table: the heap is well");
	is( query("SELECT count(bt_index_check(indexrelid, true)) FROM pg_index WHERE indrelid = '$table'::regclass"),
		'2', "$table: the indexes are well");
}

#
# A transaction that began before the switch
#
query("CREATE TABLE t (id integer PRIMARY KEY, v text); CREATE INDEX ON t (v);"
	  . "INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 1000) i");
my $old = $node->background_psql('postgres');
my $holder = $node->background_psql('postgres');
my $snapshot = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
my $job = query("SELECT cellenc_encrypt_column('t', 'v', 'pii', 'order')");
wait_for("SELECT phase = 'catch_up' AND state = 'waiting' FROM cellenc.conversion JOIN cellenc.jobs USING (job)",
	'the job waits for an older snapshot');

# nobody waits for this one, but the lock is wanted
$holder->query_safe("BEGIN; UPDATE t SET v = 'held' WHERE id = 7");
$old->query_safe('COMMIT');
wait_for("SELECT waiting_for ~ '^lock' FROM cellenc.jobs WHERE job = $job", 'the job waits for the lock');

# the job cannot copy these before the snapshot is taken
query("SELECT cellenc_pause($job)");
wait_for("SELECT state = 'paused' FROM cellenc.jobs WHERE job = $job", 'the job pauses');
query("INSERT INTO t VALUES (2000, 'new'); UPDATE t SET v = 'changed' WHERE id = 5; DELETE FROM t WHERE id = 6;"
	  . "UPDATE t SET id = 2001 WHERE id = 8; UPDATE t SET v = 'changed' WHERE id = 5");
$snapshot->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
query("SELECT cellenc_resume($job)");
my $log_table = query('SELECT log::regclass FROM cellenc.conversion_heap');
wait_for("SELECT state = 'waiting' AND NOT EXISTS (SELECT FROM $log_table) FROM cellenc.jobs WHERE job = $job",
	'the job has copied them');
$holder->query_safe('COMMIT');
query('CALL cellenc_wait()');
is(query("SELECT state FROM cellenc.jobs WHERE job = $job"), 'done', 'the job is done');
my $expected = '1000|1000|new|changed|held|2001';
my $look = "SELECT count(*), count(DISTINCT v), max(v) FILTER (WHERE id = 2000), max(v) FILTER (WHERE id = 5),"
  . " max(v) FILTER (WHERE id = 7), max(id) FROM t";
is($snapshot->query_safe("SET enable_indexscan = off; SET enable_bitmapscan = off; $look"), $expected, 'the snapshot sees all that was there');
is( $snapshot->query_safe(
		"SET enable_seqscan = off; SET enable_indexscan = on; SELECT id FROM t WHERE v IN ('changed', 'new', 'v5', 'v6', 'v8', 'held', 'v7') ORDER BY id"),
		"5\n7\n2000\n2001",
		'also by the index');
$snapshot->query_safe('COMMIT');
is(query($look), $expected, 'as others do');
is_well('t');
query('VACUUM (FREEZE) t');
is(query($look), $expected, 'after VACUUM');
is_well('t');

#
# Statements that have a snapshot when they come to wait for the lock
#
my $rows = 500;
query("CREATE TABLE s (id integer PRIMARY KEY, v text); CREATE INDEX ON s (v);"
	  . "INSERT INTO s SELECT i, 'v' || i FROM generate_series(1, $rows) i;"
	  . 'CREATE FUNCTION counted(wanted integer) RETURNS bigint LANGUAGE plpgsql STABLE AS'
	  . ' $$ BEGIN RETURN (SELECT count(*) FROM s WHERE id = wanted); END $$');
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/write.sql", <<"EOS");
\\set id random(1, $rows)
\\set new random(1, 1000000)
UPDATE s SET v = 'u' || :new WHERE id = :id;
EOS
foreach my $name ('function', 'copy')
{
	my $first = $name eq 'copy' ? 1000000 : 2000000;
	my $look = $name eq 'copy' ? "COPY (SELECT 1 / count(*) FROM s WHERE id = :id) TO '/dev/null'" : 'SELECT 1 / counted(:id)';
	append_to_file("$dir/$name.sql", <<"EOS");
\\set id $first + 2 * random(1, 100000) + :client_id
INSERT INTO s VALUES (:id, 'new');
$look;
DELETE FROM s WHERE id = :id;
EOS
}
my %loads;
foreach my $name ('write', 'function', 'copy')
{
	my $out = '';
	$loads{$name} = {
		out => \$out,
		run => IPC::Run::start(
			[ 'pgbench', '-n', '-c', '2', '-T', '600', '-f', "$dir/$name.sql", $node->connstr('postgres') ],
			'<', '/dev/null', '>&', \$out) };
}
foreach my $round (1 .. 10)
{
	query("SELECT cellenc_encrypt_column('s', 'v', 'pii', 'order'); CALL cellenc_wait();"
		  . "SELECT cellenc_decrypt_column('s', 'v'); CALL cellenc_wait()");
}
foreach my $name (sort keys %loads)
{
	my $load = $loads{$name};
	$load->{run}->signal('INT');
	$load->{run}->finish;
	unlike(${ $load->{out} }, qr/ERROR|aborted/, "$name: nothing was missing");
}
is(query("SELECT string_agg(DISTINCT state, ',') FROM cellenc.jobs"), 'done', 'all jobs are done');
is(query("SELECT count(*) FROM s WHERE id <= $rows"), $rows, 'all rows are there');
is_well('s');

#
# A table that grows all the time, a row in two tables by each transaction
#
$node->append_conf('postgresql.conf', 'cellenc.job_max_wal_rate = 0');
$node->reload;
query('CREATE SEQUENCE n; CREATE TABLE g (id bigint, v text, pad text); CREATE TABLE h (id bigint)');
append_to_file("$dir/grow.sql", <<'EOS');
WITH new AS (SELECT nextval('n') AS id), g AS (INSERT INTO g SELECT id, 'v' || id, repeat('p', 900) FROM new)
INSERT INTO h SELECT id FROM new;
EOS
my $grown = '';
my $growth = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '4', '-R', '1000', '-T', '600', '-f', "$dir/grow.sql", $node->connstr('postgres') ],
	'<', '/dev/null', '>&', \$grown);
foreach my $round (1 .. 6)
{
	query("SELECT cellenc_encrypt_column('g', 'v', 'pii'); CALL cellenc_wait();"
		  . "SELECT cellenc_decrypt_column('g', 'v'); CALL cellenc_wait()");
}
$growth->signal('INT');
$growth->finish;
unlike($grown, qr/ERROR|aborted/, 'no insert failed');
is(query('SELECT count(*) FROM h WHERE id NOT IN (SELECT id FROM g)'), 0, 'no row of a growing table is lost');

my $log = slurp_file($node->logfile);
is(() = $log =~ /exchanged the table's files in/g, 33, 'each switch told how long it took');
unlike($log, qr/TRAP|PANIC/, 'nothing bad in the log');
$node->stop;
done_testing();
