#
# Rotation by the background workers: everything that holds a value ends under
# the new version, beside a load, over restarts and kills, and says why it
# waits or fails.
#
use strict;
use warnings;

use Cwd qw(abs_path);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $dir = abs_path(PostgreSQL::Test::Utils::tempdir());
my $node = PostgreSQL::Test::Cluster->new('main');

umask 0077;
append_to_file("$dir/keys", '0123456789abcdef' x 4 . "\n");
$node->init;
$node->append_conf('postgresql.conf', <<EOC);
shared_preload_libraries = 'cellenc'
cellenc.master_key_file = '$dir/keys'
max_prepared_transactions = 5
restart_after_crash = on
EOC
$node->start;

sub query
{
	my ($sql, $db) = @_;
	return $node->safe_psql($db // 'postgres', $sql);
}

# Output and errors, with SQLSTATE, of a statement that may fail.
sub attempt
{
	my ($sql) = @_;
	my ($rc, $out, $err) =
	  $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $out . $err;
}

sub wait_until
{
	my ($sql, $name) = @_;
	ok($node->poll_query_until('postgres', $sql), $name);
}

# Values of key pii by whether they are under its current version.
sub is_all_new
{
	my ($name) = @_;
	my @columns = split /\n/, query(<<'EOS');
SELECT format('SELECT cellenc_key_version(%s) AS version FROM %s', expression, relation)
FROM (VALUES ('v', 'plain'), ('v', 'parts'), ('v', 'logless'), ('v', 'toasted'), ('v', 'guarded'),
	('unnest(a)', 'nested'), ('(c).v', 'nested'), ('d', 'nested'),
	('(x).v', '(SELECT unnest(ca) AS x FROM nested) s'), ('v', 'materialized')) t (expression, relation)
EOS
	my $all = join ' UNION ALL ', @columns;
	is(query("SELECT string_agg(DISTINCT version::text, ',') FROM ($all) t WHERE version IS NOT NULL"),
		query("SELECT version FROM cellenc.keys WHERE key = 'pii'"), $name);
}

# Rows of table big whose value is not the one its writer noted beside it.
sub is_big_intact
{
	my ($name) = @_;
	is(query('SELECT count(*) FROM big WHERE md5(v) <> control'), '0', "$name: values are right");
	is(query('SET enable_seqscan = off; SELECT count(*) FROM big b WHERE NOT EXISTS'
			  . ' (SELECT FROM big i WHERE i.e = b.e AND i.id = b.id)'),
		'0', "$name: index finds all");
	is(query("SELECT count(*) FROM big WHERE cellenc_key_version(v) <> "
			  . " (SELECT version FROM cellenc.keys WHERE key = 'big')"),
		'0', "$name: all new");
	query('SELECT bt_index_check(indexrelid, true) FROM pg_index'
		  . " WHERE indrelid = 'big'::regclass AND indexrelid IN"
		  . " (SELECT oid FROM pg_class WHERE relam = (SELECT oid FROM pg_am WHERE amname = 'btree'))")
	  if $main::have_amcheck;
}

sub rotate_in_background
{
	my ($key, $db) = @_;
	query("SELECT cellenc_rotate_key('$key')", $db);
	return query('SELECT max(job) FROM cellenc.jobs', $db);
}

# A job on table big that is in the middle of its work.
sub begin_big_rotation
{
	my $job = rotate_in_background('big');
	wait_until("SELECT state = 'done' OR percent > 5 FROM cellenc.jobs WHERE job = $job",
		'job is under way');
	isnt(query("SELECT state FROM cellenc.jobs WHERE job = $job"),
		'done', 'job is not done yet');
	return $job;
}

sub worker_pid
{
	my $pid = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'cellenc worker'");
	BAIL_OUT('no worker') unless $pid;
	return $pid;
}

sub wait_for_server
{
	for my $try (1 .. 600)
	{
		return if IPC::Run::run([ 'pg_isready', '-q', '-d', $node->connstr('postgres') ]);
		sleep 0.1;
	}
}

sub wait_for_job
{
	my ($job, $name) = @_;
	wait_until("SELECT state NOT IN ('queued', 'waiting', 'running') FROM cellenc.jobs WHERE job = $job",
		"$name: job ends");
	is(query("SELECT state, percent, bad_values, error FROM cellenc.jobs WHERE job = $job"),
		'done|100.0|0|', "$name: job is done");
}

#
# Everything that holds a value
#

query(<<'EOS');
CREATE EXTENSION cellenc;
SELECT cellenc_create_key('pii');
CREATE ROLE keyless;

CREATE TABLE plain (id int PRIMARY KEY, dropped text, v enctext('pii', 'equality'), o encint4('pii', 'order'));
ALTER TABLE plain DROP COLUMN dropped;
CREATE INDEX ON plain USING hash (v);
CREATE INDEX ON plain (o);
CREATE INDEX ON plain ((id % 7)) WHERE v IS NOT NULL;
CREATE TABLE refers (id int REFERENCES plain);
CREATE TABLE parts (id int, v enctext('pii')) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE part_2 PARTITION OF parts DEFAULT;
CREATE UNLOGGED TABLE logless (v enctext('pii'));
CREATE TABLE toasted (id int, v enctext('pii'));
CREATE TYPE pair AS (n int, v enctext('pii'));
CREATE DOMAIN word AS enctext('pii');
CREATE TABLE nested (a enctext('pii')[], c pair, ca pair[], d word);

INSERT INTO plain SELECT i, 'v' || i, i FROM generate_series(1, 1000) i;
INSERT INTO refers SELECT id FROM plain WHERE id % 10 = 0;
INSERT INTO parts SELECT id, v FROM plain;
INSERT INTO logless SELECT v FROM plain;
INSERT INTO toasted SELECT i, (SELECT string_agg(md5(g::text), '') FROM generate_series(i, i + 200) g) FROM generate_series(1, 50) i;
INSERT INTO nested SELECT ARRAY[v, NULL, 'x'], ROW(id, v)::pair, ARRAY[ROW(id, v)::pair, NULL], v::word FROM plain;
INSERT INTO nested VALUES (NULL, NULL, NULL, NULL), ('{}', ROW(1, NULL)::pair, '{}', NULL);
CREATE MATERIALIZED VIEW materialized AS SELECT * FROM plain;

-- none of these is fired, asked, or given a value
CREATE TABLE guarded (id int, v enctext('pii'), CHECK (v <> 'x'));
INSERT INTO guarded SELECT id, v FROM plain;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE guarded ENABLE ALWAYS TRIGGER refuse, OWNER TO keyless;
CREATE RULE refuse AS ON UPDATE TO guarded DO INSTEAD NOTHING;
CREATE FUNCTION who(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
	IF current_user <> 'keyless' OR current_setting('search_path') ~ 'public' THEN
		RAISE 'run as % with search_path %', current_user, current_setting('search_path');
	END IF;
	RETURN $1; END $$;
EOS
query("SET search_path = pg_catalog, pg_temp; CREATE INDEX ON public.guarded (public.who(id))");

my $sums = "SELECT (SELECT md5(string_agg(id || v || o, ',' ORDER BY id)) FROM plain),"
  . " (SELECT md5(string_agg(v, ',' ORDER BY id)) FROM toasted),"
  . " (SELECT md5(string_agg(nested::text, ',' ORDER BY nested::text)) FROM nested)";
my $before = query($sums);

query("SELECT cellenc_rotate_key('pii'); ");
query('CALL cellenc_wait()');
is_all_new('all kinds of relations');
is(query($sums), $before, 'values are as they were');
is(query('SET enable_seqscan = off; SELECT id FROM plain WHERE o = 77'), '77', 'btree index');
is(query("SET enable_seqscan = off; SELECT id FROM plain WHERE v = 'v77'"), '77', 'hash index');
is(query('SET enable_seqscan = off; SELECT count(*) FROM plain WHERE id % 7 = 3 AND v IS NOT NULL'),
	'143', 'partial expression index');
is(query('SELECT state, key, version, relations_done, relations_total, bad_values, waiting_for FROM cellenc.jobs'),
	'done|pii|2|8|8|0|', 'view cellenc.jobs');
is(query("SELECT attname, type, key, search FROM cellenc.columns WHERE relation = 'nested'::regclass ORDER BY 1"),
	"a|enctext[]|pii|none\nc|pair|pii|none\nca|pair[]|pii|none\nd|word|pii|none",
	'view cellenc.columns');
is(query("SELECT count(*) FROM cellenc.columns"), '14', 'columns of all relations');

#
# What a job waits for, and cellenc_wait
#

like(attempt('BEGIN; CALL cellenc_wait()'), qr/2D000/, 'cellenc_wait in a transaction block');
like(attempt('SELECT 1 \\; CALL cellenc_wait()'), qr/2D000/, 'cellenc_wait in a multi-statement string');
like(attempt('CALL cellenc_wait(4711)'), qr/42704.*job 4711 does not exist/, 'cellenc_wait: no such job');

my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN; SELECT 1');
my $old_pid = $old->query_safe('SELECT pg_backend_pid()');
my $job = rotate_in_background('pii');
wait_until("SELECT waiting_for ~ '^transaction of pid $old_pid \\(\\d\\d:' AND state = 'waiting'"
	  . " FROM cellenc.jobs WHERE job = $job", 'an older transaction is named');
like(attempt("CALL cellenc_wait($job, '100 ms')"), qr/57014.*job $job is not done within/,
	'cellenc_wait: timeout');
$old->query_safe('COMMIT');
$old->quit;
query("CALL cellenc_wait($job, '1 min')");
is_all_new('after the older transaction');

query("BEGIN; SELECT cellenc_rotate_key('pii'); PREPARE TRANSACTION 'rotation'");
is(query('SELECT max(job) FROM cellenc.jobs'), $job, 'prepared: no job yet');
query("COMMIT PREPARED 'rotation'");
wait_for_job($job + 1, 'prepared transaction');
is_all_new('prepared transaction');

#
# A shutdown while a job waits is nothing fatal for launcher, worker and loader
#

query("BEGIN; CREATE TABLE prepared (); PREPARE TRANSACTION 'older'");
$job = rotate_in_background('pii');
wait_until("SELECT state = 'waiting' AND waiting_for LIKE 'prepared transaction%' FROM cellenc.jobs WHERE job = $job",
	'a prepared transaction is named');
worker_pid();
my $log_end = -s $node->logfile;
$node->stop;
my $shutdown = slurp_file($node->logfile, $log_end);
like($shutdown, qr/received fast shutdown request/, 'log of the shutdown');
unlike($shutdown, qr/FATAL:  terminating background worker/, 'no worker calls it fatal');
$node->start;
query("ROLLBACK PREPARED 'older'");
wait_for_job($job, 'shutdown while the job waits');

# the launcher comes back when somebody ends it
my $launcher = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'cellenc launcher'");
query("SELECT pg_terminate_backend($launcher)");
$job = rotate_in_background('pii');
wait_for_job($job, 'launcher ended');
isnt(query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'cellenc launcher'"),
	$launcher, 'another launcher runs');

#
# A value that does not open
#

query("CREATE CAST (bytea AS enctext) WITHOUT FUNCTION; CREATE CAST (enctext AS bytea) WITHOUT FUNCTION");
query("UPDATE toasted SET v = set_byte(v::bytea, 199, get_byte(v::bytea, 199) # 1)::enctext WHERE id IN (3, 5)");
query("INSERT INTO nested VALUES ((SELECT ARRAY['good', set_byte(v::bytea, 29, get_byte(v::bytea, 29) # 1)::enctext] FROM logless LIMIT 1))");
my $offset = -s $node->logfile;
$job = rotate_in_background('pii');
like(attempt("CALL cellenc_wait($job)"), qr/38000.*job $job failed/, 'a damaged value fails the job');
is(query("SELECT state, bad_values, error FROM cellenc.jobs WHERE job = $job"),
	'failed|3|3 values could not be re-encrypted; see the server log', 'and is counted');
my $log = slurp_file($node->logfile, $offset);
like($log, qr/WARNING:  value in column "v" of relation "toasted", row \(\d+,\d+\)/, 'and reported');
like($log, qr/WARNING:  value in column "a" of relation "nested", row \(\d+,\d+\)/, 'in an array, too');
is(query("SELECT count(*) FROM toasted WHERE cellenc_key_version(v) <> (SELECT version FROM cellenc.keys)"),
	'2', 'the others are done');
is(query("SELECT count(*) FROM (SELECT unnest(a) AS v FROM nested) t WHERE cellenc_key_version(v) <> (SELECT version FROM cellenc.keys)"),
	'1', 'also in the same array');
query('DELETE FROM toasted WHERE id IN (3, 5); DELETE FROM nested WHERE array_length(a, 1) = 2');
query("SELECT cellenc_rotate_key('pii'); ");
query('CALL cellenc_wait()');
is_all_new('after the damaged values are gone');

#
# Beside a load
#

our $have_amcheck = query("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
query('CREATE EXTENSION amcheck') if $have_amcheck;
query(<<'EOS');
SELECT cellenc_create_key('big');
CREATE TABLE big (id int PRIMARY KEY, v enctext('big'), e encint4('big', 'order'), n int, control text);
INSERT INTO big SELECT i, 'value ' || i, i % 1000, 0, md5('value ' || i) FROM generate_series(1, 200000) i;
CREATE INDEX ON big (e);
EOS
append_to_file("$dir/write.sql", <<'EOS');
\set id random(1, 200000)
\set hot random(1, 5)
\set value random(1, 1000000000)
UPDATE big SET v = 'value ' || :value, control = md5('value ' || :value) WHERE id = :id;
UPDATE big SET n = n + 1 WHERE id = :hot;
BEGIN;
DELETE FROM big WHERE id = :id;
INSERT INTO big VALUES (:id, 'again ' || :value, 7, 0, md5('again ' || :value)) ON CONFLICT DO NOTHING;
SELECT FROM big WHERE id = :hot FOR UPDATE;
COMMIT;
EOS
append_to_file("$dir/read.sql", <<'EOS');
\set id random(1, 200000)
SELECT 1 / (md5(v) = control)::int FROM big WHERE id = :id;
SELECT v FROM big WHERE id BETWEEN :id AND :id + 20;
EOS

my $load = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '4', '-T', '5', '-f', "$dir/write.sql",
		'-f', "$dir/read.sql\@3", $node->connstr('postgres')
	],
	'<', '/dev/null', '>&', "$dir/load.out");
query("SELECT cellenc_rotate_key('big')");
query("CALL cellenc_wait(timeout => '2 min')");
is(query("SELECT state, values_done > 300000 FROM cellenc.jobs ORDER BY job DESC LIMIT 1"),
	'done|t', 'job ends beside a load');
ok($load->finish, 'load ends well');
like(slurp_file("$dir/load.out"), qr/number of failed transactions: 0 /, 'no failed transaction');
is_big_intact('load');

#
# DDL goes first: the job does not queue for its lock
#

my $ddl = $node->background_psql('postgres');
$job = begin_big_rotation();
$ddl->query_safe('BEGIN; LOCK TABLE big IN SHARE MODE');
wait_until("SELECT state = 'waiting' AND waiting_for LIKE 'lock on relation%big\"' FROM cellenc.jobs WHERE job = $job",
	'a lock is named');
$ddl->query_safe('COMMIT');
$ddl->quit;
wait_for_job($job, 'lock');

#
# Restart, kill of a worker, kill of all
#

$job = begin_big_rotation();
$node->restart;
wait_for_job($job, 'restart');
is_big_intact('restart');

$job = begin_big_rotation();
kill 'TERM', worker_pid();
wait_for_job($job, 'worker is terminated');

$job = begin_big_rotation();
$offset = -s $node->logfile;
kill 'KILL', worker_pid();
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
wait_for_server();
wait_for_job($job, 'worker is killed');
is_big_intact('worker is killed');

$job = begin_big_rotation();
$node->stop('immediate');
$node->start;
wait_for_job($job, 'immediate stop');
is_big_intact('immediate stop');

$job = begin_big_rotation();
$node->kill9;
for my $try (1 .. 300)
{
	# the shared memory is free when the others have noticed
	last if $node->start(fail_ok => 1);
	sleep 0.1;
	$node->stop('fast', fail_ok => 1);
}
wait_for_job($job, 'server is killed');
is_big_intact('server is killed');

#
# A master key that is lost
#

$job = begin_big_rotation();
$node->stop;
rename "$dir/keys", "$dir/lost" or die;
$node->start;
wait_until("SELECT state = 'waiting' AND waiting_for = 'another attempt after an error'"
	  . " AND error = 'could not load master key \"default\"' FROM cellenc.jobs WHERE job = $job",
	'a lost master key is named');
rename "$dir/lost", "$dir/keys" or die;
wait_for_job($job, 'lost master key');

#
# Nothing of ours keeps a database from being dropped or copied
#

query('CREATE DATABASE other TEMPLATE postgres');
query('CREATE DATABASE copy TEMPLATE other');
rotate_in_background('big', 'other');
wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'other' AND backend_type = 'cellenc worker'",
	'worker in the other database');
query('DROP DATABASE other');
query('DROP DATABASE copy');
pass('database is dropped under a job');
wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cellenc worker'",
	'no worker is left');
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|leak/, 'nothing bad in the log');

$node->stop;
done_testing();
