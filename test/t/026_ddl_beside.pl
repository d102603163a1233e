#
# DDL and maintenance in a loop beside rotations and writers: no statement
# fails, none waits for longer than a batch takes, no row is lost, and every
# rotation ends.  Transactions that a job has to wait for hold it up visibly and
# never deadlock with it, whatever else waits.
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
use Time::HiRes qw(time usleep);

my $rounds = $ENV{DDL_ROUNDS} // 3;

# A user is never the victim of a deadlock, however soon he looks for one.
my $node = start_node('main', conf => <<'EOC');
deadlock_timeout = 400ms
max_prepared_transactions = 2
log_statement = none
autovacuum_naptime = 1s
EOC

sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

my $have_amcheck = query("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
query('CREATE EXTENSION amcheck') if $have_amcheck;

my $rows = 10000;
query(<<"EOS");
SELECT cellenc_create_key('pii');
CREATE FUNCTION value(seed int) RETURNS text IMMUTABLE LANGUAGE sql AS
	\$\$ SELECT CASE WHEN seed % 100 = 0 THEN repeat(md5(seed::text), 90) ELSE 'value ' || seed END \$\$;
CREATE TABLE t (id int PRIMARY KEY, v enctext('pii', 'equality'), o encint4('pii', 'order'), n int DEFAULT 0, control text);
CREATE INDEX ON t (o);
CREATE INDEX t_v ON t USING hash (v);
INSERT INTO t SELECT i, value(i), i, 0, md5(value(i)) FROM generate_series(1, $rows) i;
CREATE TABLE p (id int, v enctext('pii'), control text) PARTITION BY RANGE (id);
CREATE TABLE p0 PARTITION OF p FOR VALUES FROM (0) TO (1000);
CREATE TABLE p1 (id int, v enctext('pii'), control text);
CREATE TABLE p2 PARTITION OF p DEFAULT;
INSERT INTO p SELECT i, value(i), md5(value(i)) FROM generate_series(0, 999) i;
INSERT INTO p1 SELECT i, value(i), md5(value(i)) FROM generate_series(1000, 1999) i;
CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t WHERE id % 10 = 0;
CREATE UNIQUE INDEX ON m (id);
EOS

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/write.sql", <<"EOS");
\\set id random(1, $rows)
\\set hot random(1, 5)
\\set seed random(1, 1000000)
\\set part random(0, 999)
UPDATE t SET v = value(:seed), o = :seed, control = md5(value(:seed)) WHERE id = :id;
UPDATE t SET n = n + 1 WHERE id = :hot;
UPDATE p SET v = value(:seed), control = md5(value(:seed)) WHERE id = :part;
BEGIN;
DELETE FROM t WHERE id = :id;
INSERT INTO t (id, v, o, control) VALUES (:id, value(:seed), :seed, md5(value(:seed))) ON CONFLICT (id) DO UPDATE SET n = -1;
COMMIT;
SELECT 1 / (md5(v) = control)::int FROM t WHERE id = :id;
EOS

sub keep_rotating
{
	query("SET client_min_messages = warning; SELECT cellenc_rotate_key('pii') WHERE NOT EXISTS"
		  . " (SELECT FROM cellenc.jobs WHERE state IN ('queued', 'waiting', 'running'))");
}

sub is_intact
{
	my ($name) = @_;
	is(query(<<'EOS'), "$rows|0|0|2000|0", "$name: rows");
SELECT count(*), sum((md5(v) <> control OR v <> value(o))::int),
	(SELECT count(*) FROM t x WHERE NOT EXISTS (SELECT FROM t i WHERE i.o = x.o AND i.id = x.id)),
	(SELECT count(*) FROM (SELECT id FROM p UNION ALL SELECT id FROM p1 WHERE NOT EXISTS
		(SELECT FROM pg_inherits WHERE inhrelid = 'p1'::regclass)) s),
	(SELECT count(*) FROM p WHERE md5(v) <> control)
FROM t
EOS
	return unless $have_amcheck;

	# a job replaces indexes
	query("CALL cellenc_wait(timeout => '3 min')");
	is( query("SELECT string_agg(DISTINCT msg, ',') FROM (VALUES ('t'), ('p0'), ('p1'), ('m')) r (rel), LATERAL verify_heapam(rel)"),
		'', "$name: heaps are well");
	query("SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_am a ON a.oid = c.relam"
		  . " WHERE amname = 'btree' AND indrelid IN ('t'::regclass, 'm'::regclass) AND indisvalid");
}

my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '2', '-T', '600', '-f', "$dir/write.sql", $node->connstr('postgres') ],
	'<', '/dev/null', '>&', "$dir/write.out");

#
# Every statement, again and again
#

my @statements = (
	'VACUUM t',
	'VACUUM (FREEZE, ANALYZE) t',
	'VACUUM FULL t',
	'CLUSTER t USING t_pkey',
	'REINDEX TABLE CONCURRENTLY t',
	'REINDEX TABLE t',
	"ALTER TABLE t ADD COLUMN extra enctext('pii')",
	'ALTER TABLE t ADD COLUMN plain int DEFAULT 7',
	'ALTER TABLE t DROP COLUMN extra, DROP COLUMN plain',
	"ALTER TABLE t ALTER COLUMN o TYPE encint4('pii', 'order')",
	'CREATE INDEX CONCURRENTLY t_more ON t (o, n) INCLUDE (control)',
	'CREATE INDEX CONCURRENTLY t_partial ON t (n) WHERE n > 0',
	'DROP INDEX CONCURRENTLY t_more',
	'DROP INDEX t_partial',
	'ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (1000) TO (2000)',
	'ALTER TABLE p DETACH PARTITION p1',
	"CREATE TABLE passing AS SELECT id, v FROM t LIMIT 3000",
	'TRUNCATE passing',
	'DROP TABLE passing',
	'REFRESH MATERIALIZED VIEW m',
	'REFRESH MATERIALIZED VIEW CONCURRENTLY m',
	'BEGIN; LOCK TABLE t; LOCK TABLE p; COMMIT',
	'BEGIN; UPDATE t SET n = 9 WHERE id = 7000; UPDATE p SET control = control WHERE id = 7; ALTER TABLE p0 SET (fillfactor = 90); COMMIT');

foreach my $round (1 .. $rounds)
{
	foreach my $statement (@statements)
	{
		keep_rotating();
		my ($rc, $out, $err) = $node->psql('postgres', $statement);
		is($rc == 0 ? '' : $err, '', "round $round: $statement");
	}
	is_intact("round $round");
}

#
# A database that is dropped
#

foreach my $round (1 .. $rounds)
{
	query('CREATE DATABASE passing');
	query(<<'EOS', 'passing');
CREATE EXTENSION cellenc;
SELECT cellenc_create_key('pii');
CREATE TABLE t (v enctext('pii'));
INSERT INTO t SELECT 'v' || i FROM generate_series(1, 30000) i;
SELECT cellenc_rotate_key('pii')
EOS
	usleep(int(rand(300_000)));
	my ($rc, $out, $err) = $node->psql('postgres', 'DROP DATABASE passing');
	is($rc == 0 ? '' : $err, '', "database is dropped, $round");
}

$writers->kill_kill;
query("CALL cellenc_wait(timeout => '3 min')");
is_intact('at the end');

# without writers: all that a statement waits for is the worker
my @waits;
query("INSERT INTO p SELECT i, value(i), md5(value(i)) FROM generate_series(2000, 40000) i");
query("DELETE FROM p WHERE id >= 40000");
query("SET client_min_messages = warning; SELECT cellenc_rotate_key('pii')");
my $locker = $node->background_psql('postgres');
foreach my $try (1 .. 200)
{
	my $began = time;
	$locker->query_safe('BEGIN; LOCK TABLE p2; COMMIT');
	push @waits, time - $began;
	last if $try % 10 == 0 && query("SELECT bool_and(state = 'done') FROM cellenc.jobs") eq 't';
	usleep(20_000);
}
$locker->quit;
@waits = sort { $a <=> $b } @waits;
diag(sprintf 'exclusive lock, %d times: median %.0f ms, longest %.0f ms', scalar @waits, 1000 * $waits[ @waits / 2 ], 1000 * $waits[-1]);
cmp_ok($waits[-1], '<', 5, 'a lock is waited for a batch at most');

query("CALL cellenc_wait(timeout => '3 min')");
is(query("SELECT string_agg(DISTINCT state, ',') FROM cellenc.jobs"), 'done', 'every job is done');
cmp_ok(query('SELECT count(*) FROM cellenc.jobs'), '>=', $rounds, 'there were several');
foreach my $table (qw(t p m))
{
	is(query("SELECT DISTINCT cellenc_key_version(v) = (SELECT version FROM cellenc.keys) FROM $table"),
		't', "every value of $table is under the current version");
}

#
# Barriers: an idle transaction, a prepared one, and a pg_dump that waits for a
# lock, while others wait for the job
#

query('CREATE TABLE apart (id int)');
my $idle = $node->background_psql('postgres');
$idle->query_safe('BEGIN; SELECT 1');
my $idle_pid = $idle->query_safe('SELECT pg_backend_pid()');
query("BEGIN; INSERT INTO t (id, v, o, control) VALUES (0, value(1), 1, md5(value(1))); PREPARE TRANSACTION 'older'");
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE apart');
my $holder_pid = $holder->query_safe('SELECT pg_backend_pid()');
my $dump = IPC::Run::start([ 'pg_dump', '-f', "$dir/dump.sql", '-d', $node->connstr('postgres') ]);
my $dump_pid = "(SELECT pid FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE %ACCESS SHARE MODE%' AND wait_event_type = 'Lock')";
ok($node->poll_query_until('postgres', "SELECT $dump_pid IS NOT NULL"), 'pg_dump waits for a lock');
$dump_pid = query("SELECT $dump_pid");

query("SET client_min_messages = warning; SELECT cellenc_rotate_key('pii')");
my @calls = map {
	IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL cellenc_wait(timeout => '5 min')" ])
} 1 .. 3;

sub is_held_up
{
	my ($pattern, $name) = @_;
	ok($node->poll_query_until('postgres', "SELECT state = 'waiting' AND waiting_for ~ '^($pattern)' FROM cellenc.jobs ORDER BY job DESC LIMIT 1"),
		"the job is held up by $name");
}
is_held_up("transaction of pid ($idle_pid|$holder_pid|$dump_pid) \\(|prepared transaction with xid", 'one of four');
$idle->query_safe('COMMIT');
is_held_up("transaction of pid ($holder_pid|$dump_pid) \\(|prepared transaction with xid", 'one of three');
$holder->query_safe('COMMIT');
ok($dump->finish, 'pg_dump ends');
is_held_up('prepared transaction with xid', 'the prepared one');
query("COMMIT PREPARED 'older'");
ok($_->finish, 'who waits for the job ends') foreach @calls;
is(query('SELECT state FROM cellenc.jobs ORDER BY job DESC LIMIT 1'), 'done', 'and the job');
is(query('SELECT cellenc_key_version(v) = (SELECT version FROM cellenc.keys) FROM t WHERE id = 0'), 't',
	'what the prepared transaction wrote is found');
$idle->quit;
$holder->quit;

my $log = slurp_file($node->logfile);
unlike($log, qr/TRAP|PANIC/, 'nothing bad in the log');
# DDL cancels autovacuum, as it may
unlike($log, qr/ERROR:  (?!canceling autovacuum task)/, 'no error in the log');
$node->stop;
done_testing();
