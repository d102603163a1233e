#
# Retiring key versions: everything that can need a version blocks its
# destruction, and goes away by what its hint says; afterwards nothing misses
# it, on the primary, on a standby or in a dump.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('primary', no_data_checksums => 1, allows_streaming => 'logical',
	conf => "max_prepared_transactions = 5\nautovacuum = off\n");
my $tempdir = PostgreSQL::Test::Utils::tempdir();

sub query { return $node->safe_psql('postgres', $_[0]); }

query(q{
	SELECT cellenc_create_key('pii'), cellenc_create_key('other');
	CREATE TYPE pair AS (n int, v enctext('pii'));
	CREATE TABLE t (id int PRIMARY KEY, v enctext('pii'));
	INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 10) i;
});

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;

#
# Blockers, one by one
#

# A rotation whose values are brought to the new version by hand; the number
# of the version that is old now.
sub make_old_version
{
	my $new = query("SELECT cellenc_rotate_key('pii', reencrypt => false)");
	query('UPDATE t SET v = v::text');
	query('VACUUM t');
	return $new - 1;
}

sub disable { query("SELECT cellenc_disable_key_version('pii', $_[0])"); }
sub enable { query("SELECT cellenc_enable_key_version('pii', $_[0])"); }

sub kinds_query
{
	my ($version, $kinds) = @_;
	return "SELECT coalesce(string_agg(DISTINCT blocker, ',' ORDER BY blocker), '') = '$kinds'"
	  . " FROM cellenc_destroy_blockers('pii', $version)";
}

# The kinds of blockers are these; a standby that is about to catch up is given
# the time to.
sub blockers_are
{
	my ($version, $kinds, $name) = @_;
	ok($node->poll_query_until('postgres', kinds_query($version, $kinds)), $name)
	  or diag(query("SELECT * FROM cellenc_destroy_blockers('pii', $version)"));
	return if $kinds eq '';
	sql_fails($node, 'postgres', "SELECT cellenc_destroy_key_version('pii', $version, 'infinity')",
		qr/55000: version $version of key "pii" may still be needed/, $name);
}

sub blocker_column
{
	my ($version, $kind, $column) = @_;
	return query("SELECT $column FROM cellenc_destroy_blockers('pii', $version) WHERE blocker = '$kind' LIMIT 1");
}

# The statement of a hint, which may offer two.
sub statement_of_hint
{
	my ($version, $kind, $pattern) = @_;
	my ($statement) = blocker_column($version, $kind, 'hint') =~ /($pattern[^;]*);/;
	return $statement // die "no statement in the hint of blocker $kind";
}

sub follow_hint
{
	query(statement_of_hint(@_));
}

my $version = 1;
blockers_are($version, 'current', 'the current version');
follow_hint($version, 'current', 'SELECT cellenc_rotate_key');
query('CALL cellenc_wait()');
query('VACUUM t');
blockers_are($version, 'not_disabled', 'a version that opens values');
follow_hint($version, 'not_disabled', 'SELECT');
blockers_are($version, '', 'a version that nothing needs');
query("SELECT cellenc_destroy_key_version('pii', $version, 'infinity')");

# a session that stores a value under the old version, and may have more of them
my $session = $node->background_psql('postgres');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe("BEGIN; INSERT INTO t VALUES (100, 'late')");
$version = make_old_version();
disable($version);
blockers_are($version, 'row_version,snapshot,transaction,value', 'a transaction that has stored a value');
like(blocker_column($version, 'transaction', 'detail'), qr/process $pid /, 'it is named');
$session->query_safe('ROLLBACK');
query('VACUUM t');
blockers_are($version, 'session', 'a session that may hold values');
like(blocker_column($version, 'session', 'detail'), qr/process $pid /, 'it is named, too');
follow_hint($version, 'session', 'SELECT pg_terminate_backend');
blockers_are($version, '', 'the session is gone');
$session->{run}->finish;

# a prepared transaction, which also keeps old row versions
query("BEGIN; CREATE TABLE prepared (); PREPARE TRANSACTION 'it''s mine'");
$version = make_old_version();
disable($version);
blockers_are($version, 'prepared_transaction,row_version,snapshot', 'a prepared transaction');
follow_hint($version, 'prepared_transaction', 'COMMIT PREPARED');
query('VACUUM t');
blockers_are($version, '', 'the prepared transaction is committed');

# a job
$node->append_conf('postgresql.conf', "cellenc.job_workers = 0");
$node->reload;
ok($node->poll_query_until('postgres', "SELECT current_setting('cellenc.job_workers') = '0'"), 'no workers');
$version = query("SELECT cellenc_rotate_key('pii') - 1");
query('UPDATE t SET v = v::text');
query('VACUUM t');
disable($version);
blockers_are($version, 'job', 'a job');
my $wait = statement_of_hint($version, 'job', 'CALL cellenc_wait');
$node->append_conf('postgresql.conf', "cellenc.job_workers = 2");
$node->reload;
query($wait);
query('VACUUM t');
blockers_are($version, '', 'the job is done');

# values
$version = query("SELECT cellenc_rotate_key('pii', reencrypt => false) - 1");
blockers_are($version, 'not_disabled,value', 'values under the version');
disable($version);
blockers_are($version, 'value', 'values under a disabled version');
like(blocker_column($version, 'value', 'detail'), qr/^10 values in column v of public\.t$/, 'they are counted');
sql_fails($node, 'postgres', 'UPDATE t SET v = v::text', qr/55000: version $version of key "pii" is disabled/,
	'a disabled version opens nothing');
is(query("SELECT n_refused > 0 FROM cellenc.key_versions WHERE key = 'pii' AND version = $version"),
	't', 'and counts refusals');
enable($version);
query('UPDATE t SET v = v::text');
query('VACUUM t');
disable($version);
blockers_are($version, '', 'values are brought to the new version');

# a snapshot that still sees the values
$version = query("SELECT cellenc_rotate_key('pii', reencrypt => false) - 1");
disable($version);
$session = $node->background_psql('postgres');
$pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
query("UPDATE t SET v = 'v' || id");
query('VACUUM t');
blockers_are($version, 'row_version,snapshot', 'a snapshot that sees old row versions');
like(blocker_column($version, 'snapshot', 'detail'), qr/snapshot of process $pid /, 'its holder is named');
$session->query_safe('COMMIT');
query('VACUUM t');
blockers_are($version, '', 'the snapshot is gone');

# a temporary table, in a session younger than the disabling
$session->query_safe("CREATE TEMP TABLE mine (v enctext('other'))");
blockers_are($version, 'temporary_table', "another session's temporary table");
$session->quit;
blockers_are($version, '', 'the temporary table is gone');
query("CREATE TEMP TABLE mine (v enctext('pii')); INSERT INTO mine VALUES ('x'); " . kinds_query($version, ''));

# replication slots
query("SELECT pg_create_logical_replication_slot('l', 'test_decoding'), pg_create_physical_replication_slot('p', true)");
$version = make_old_version();
disable($version);
blockers_are($version, 'logical_slot,standby_slot', 'replication slots');
follow_hint($version, 'logical_slot', 'SELECT pg_drop_replication_slot');
follow_hint($version, 'standby_slot', 'SELECT pg_drop_replication_slot');
blockers_are($version, '', 'the slots are gone');

# a standby
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$version = make_old_version();
disable($version);
blockers_are($version, 'standby', 'a standby that lags behind');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
blockers_are($version, '', 'the standby has caught up');

# a bundle, which oldest_backup has to be later than
$version = make_old_version();
disable($version);
query("UPDATE cellenc.key_version SET exported_at = clock_timestamp() WHERE state = 'disabled'");
blockers_are($version, 'bundle', 'a key bundle');
enable($version);
disable($version);
blockers_are($version, '', 'the version is disabled anew');
sql_fails($node, 'postgres',
	"SELECT cellenc_destroy_key_version('pii', $version, (SELECT max(exported_at) FROM cellenc.key_version))",
	qr/55000: cannot destroy version $version of key "pii" because a backup may need it|because a key bundle holds it/,
	'a bundle that is as old as the oldest backup');

# constants
query(q{
	CREATE FUNCTION constant_body() RETURNS pair LANGUAGE sql RETURN '(1,x)'::pair;
	CREATE FUNCTION constant_default(p pair DEFAULT '(1,x)') RETURNS int LANGUAGE sql RETURN 1;
	CREATE TABLE constants (id int, p pair DEFAULT '(1,x)', CHECK ('(1,x)'::pair IS NOT NULL));
	CREATE INDEX ON constants (id) WHERE '(1,x)'::pair IS NOT NULL;
	CREATE POLICY constant ON constants USING ('(1,x)'::pair IS NOT NULL);
	CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE TRIGGER constant BEFORE INSERT ON constants FOR EACH ROW WHEN ('(1,x)'::pair IS NOT NULL) EXECUTE FUNCTION nothing();
	CREATE RULE constant AS ON DELETE TO constants WHERE '(1,x)'::pair IS NULL DO INSTEAD NOTHING;
	CREATE DOMAIN constant AS pair DEFAULT '(1,x)';
	CREATE VIEW constant_view AS SELECT '(1,x)'::pair AS p, 'plain'::enctext AS v;
	CREATE TABLE parts (v enctext('pii', 'order')) PARTITION BY RANGE (v);
	CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM ('a') TO ('m');
	CREATE TABLE parts_m PARTITION OF parts DEFAULT;
	INSERT INTO parts VALUES ('b'), ('x');
});
$version = query("SELECT cellenc_rotate_key('pii') - 1");
query('CALL cellenc_wait()');
query('VACUUM t, parts');
is( query("SELECT string_agg(detail, E'\\n' ORDER BY detail) FROM cellenc_destroy_blockers('pii', $version)"
		  . " WHERE blocker = 'constant'"),
	join("\n",
		'constraint constants_check on table constants has a constant',
		'default value for column p of table constants has a constant',
		'function constant_body() has a constant',
		'function constant_default(pair) has a constant',
		'index constants_id_idx has a constant',
		'policy constant on table constants has a constant',
		'rule _RETURN on view constant_view has a constant',
		'rule constant on table constants has a constant',
		'trigger constant on table constants has a constant',
		'type constant has a constant'),
	'constants wherever expressions are stored');
query('CREATE OR REPLACE FUNCTION constant_body() RETURNS pair LANGUAGE sql RETURN \'(1,x)\'::pair');
is(query("SELECT count(*) FROM cellenc_destroy_blockers('pii', $version) WHERE detail LIKE '%constant_body%'"),
	'0', 'a function that was created again');
query('DROP FUNCTION constant_body, constant_default, nothing CASCADE; DROP TABLE constants;'
	  . ' DROP DOMAIN constant; DROP VIEW constant_view; DROP TABLE parts');

# bytes that are no value
query("CREATE TABLE bad (v enctext('pii')); INSERT INTO bad VALUES ('x')");
my $file = $node->data_dir . '/' . query("SELECT pg_relation_filepath('bad')");
my $id = query("SELECT version_id FROM cellenc.key_version WHERE state = 'current' AND key ="
	  . " (SELECT id FROM cellenc.key WHERE name = 'pii')");
$node->stop;
my $page = slurp_file($file);
my $place = index $page, pack('C N', 1, $id);
isnt($place, -1, 'the value is in its file');
substr($page, $place, 1) = "\xEE";
open my $handle, '+<:raw', $file or die "could not open $file: $!";
print $handle $page;
close $handle;
$node->start;
$version = make_old_version();
disable($version);
blockers_are($version, 'damaged_value', 'a value whose version cannot be told');
is(query('SELECT n_values, n_failed FROM cellenc_verify(\'bad\')'), '1|1', 'verify counts it');
query('DELETE FROM bad; VACUUM bad');
blockers_are($version, '', 'the damaged value is gone');

#
# A stale value that comes back after the rotation
#

query(q{
	CREATE TABLE marker ();
	CREATE PROCEDURE keep() LANGUAGE plpgsql AS $$
	DECLARE old enctext('pii') := v FROM t WHERE id = 1;
	BEGIN
		COMMIT;
		LOOP
			EXIT WHEN EXISTS (SELECT FROM marker);
			COMMIT;
			PERFORM pg_sleep(0.05);
		END LOOP;
		UPDATE t SET v = old WHERE id = 1;
	END $$;
});
$session = $node->background_psql('postgres', on_error_stop => 0);
$session->{stdin} .= "CALL keep();\n";
$session->{run}->pump_nb;
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'CALL keep();'"),
	'a procedure keeps a value');
query("SELECT pg_sleep(0.2)");
$version = query("SELECT cellenc_rotate_key('pii') - 1");
query('CALL cellenc_wait()');
is(query("SELECT count(*) FROM cellenc_usage('pii') WHERE version = $version"), '0', 'no value is left');
query('INSERT INTO marker DEFAULT VALUES');
$session->query_safe('SELECT 1');
$session->quit;
is(query("SELECT attname, n_values FROM cellenc_usage('pii') WHERE version = $version"), 'v|1', 'one came back');
is(query('SELECT v FROM t WHERE id = 1'), 'v1', 'and is readable');
my $again = query("SELECT to_regprocedure('cellenc_reencrypt(text,regclass)') IS NOT NULL") eq 't';
query($again ? "SELECT cellenc_reencrypt('pii')" : "SELECT cellenc_rotate_key('pii')");
query('CALL cellenc_wait()');
is(query("SELECT count(*) FROM cellenc_usage('pii') WHERE version = $version"), '0',
	'the next job takes it');

#
# Who comes in between
#

# the version cannot be enabled while it is being destroyed
query('VACUUM t');
disable($version);
blockers_are($version, '', 'the stale value is gone');
my $destroyer = $node->background_psql('postgres');
$destroyer->query_safe("SET client_min_messages = warning; BEGIN; SELECT cellenc_destroy_key_version('pii', $version, 'infinity')");
my $enabler = $node->background_psql('postgres', on_error_stop => 0);
$enabler->{stdin} .= "SELECT cellenc_enable_key_version('pii', $version);\n";
$enabler->{run}->pump_nb;
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT cellenc_enable_key_version%' AND wait_event_type = 'Lock'"),
	'enabling waits');
$destroyer->query_safe('COMMIT');
$destroyer->quit;
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'SELECT cellenc_enable_key_version%' AND state = 'active'"
		  . ' AND pid <> pg_backend_pid()'),
	'and goes on');
$enabler->quit;
is(query("SELECT state FROM cellenc.key_versions WHERE key = 'pii' AND version = $version"),
	'destroyed', 'in vain');

#
# Nothing misses a version that was destroyed
#

query(q{
	SELECT cellenc_create_key('big');
	CREATE TYPE big_pair AS (n int, v enctext('big'));
	CREATE DOMAIN big_word AS enctext('big');
	CREATE TABLE big (id int PRIMARY KEY, o enctext('big', 'order'), n encint4('big', 'order'), e enctext('big', 'equality'),
		h encuuid('big', 'equality'), plain enctext('big') DEFAULT 'default', toasted enctext('big'), a enctext('big')[],
		p big_pair, w big_word, UNIQUE (n, o));
	CREATE INDEX big_o ON big (o) INCLUDE (plain);
	CREATE UNIQUE INDEX big_e ON big (e cellenc.enctext_term_ops);
	CREATE INDEX big_h ON big USING hash (h);
	INSERT INTO big SELECT i, 'o' || i, i, 'e' || i, md5(i::text)::uuid, 'p' || i,
		CASE WHEN i % 20 = 0 THEN (SELECT string_agg(md5(g::text), '') FROM generate_series(i, i + 200) g) END,
		ARRAY['a' || i, NULL, 'b'], ROW(i, 'r' || i)::big_pair, 'w' || i FROM generate_series(1, 2000) i;
	CREATE TABLE big_refers (e enctext('big', 'equality') REFERENCES big (e));
	INSERT INTO big_refers SELECT e FROM big WHERE id < 10;
	CREATE TABLE big_parts (o enctext('big', 'order'), v enctext('big')) PARTITION BY RANGE (o);
	CREATE TABLE big_part_1 PARTITION OF big_parts FOR VALUES FROM (MINVALUE) TO ('o5');
	CREATE TABLE big_part_2 PARTITION OF big_parts FOR VALUES FROM ('o5') TO (MAXVALUE);
	CREATE INDEX ON big_parts (o);
	INSERT INTO big_parts SELECT o, plain FROM big;
	CREATE UNLOGGED TABLE big_unlogged AS SELECT id, plain FROM big WHERE id < 100;
	CREATE MATERIALIZED VIEW big_matview AS SELECT id, o, plain FROM big WHERE id < 100;
	CREATE INDEX ON big_matview (o);
	CREATE VIEW big_view AS SELECT id, o, plain, 'constant'::enctext AS c FROM big WHERE o > 'o1';
	ANALYZE big, big_parts;
});
my $sums = q{
	SELECT 1, md5(string_agg(id || o || n || e || h || plain || coalesce(toasted, '') || a::text || p::text || w, ',' ORDER BY id)) FROM big
	UNION ALL SELECT 2, md5(string_agg(o || v, ',' ORDER BY o)) FROM big_parts
	UNION ALL SELECT 3, md5(string_agg(plain, ',' ORDER BY id)) FROM big_unlogged
	UNION ALL SELECT 4, md5(string_agg(o || plain, ',' ORDER BY id)) FROM big_matview
	UNION ALL SELECT 5, md5(string_agg(o || c, ',' ORDER BY id)) FROM big_view
	ORDER BY 1};
my $before = query($sums);
my ($sealed) = sealed_values($node, 'postgres', 'SELECT plain FROM big WHERE id = 1');
query("COPY cellenc.key_wrap TO '$tempdir/wraps'");

query("SELECT cellenc_rotate_key('big')");
query('CALL cellenc_wait()');
query('VACUUM');
my $end = query("SELECT max(finished_at) FROM cellenc.jobs WHERE key = 'big'");
my $hints = query("SELECT hint FROM cellenc_destroy_blockers('big', 1) WHERE blocker = 'index'");
while ($hints =~ /(REINDEX INDEX CONCURRENTLY [^;]*);/g)
{
	query($1);
}
query("SELECT cellenc_disable_key_version('big', 1)");
is(query($sums), $before, 'nothing needs the version while it is disabled');
ok( $node->poll_query_until('postgres', "SELECT count(*) = 0 FROM cellenc_destroy_blockers('big', 1)"),
	'no blocker is left')
  or diag(query("SELECT * FROM cellenc_destroy_blockers('big', 1)"));
sql_fails($node, 'postgres', "SELECT cellenc_destroy_key_version('big', 1, '$end')",
	qr/55000: cannot destroy version 1 of key "big" because a backup may need it/, 'an older backup is kept');
query("SELECT cellenc_destroy_key_version('big', 1, timestamptz '$end' + interval '1 ms')");

sub is_complete
{
	my ($server, $db, $name) = @_;
	sql_is($server, $db, $sums, $before, "$name: values");
	my $scan = 'SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;';
	sql_is($server, $db, "$scan SELECT count(*) FROM (SELECT o, plain FROM big ORDER BY o) s", '2000', "$name: btree, index only");
	sql_is($server, $db, "$scan SELECT count(*) FROM big WHERE o >= 'o' AND o < 'p'", '2000', "$name: range");
	sql_is($server, $db, "$scan SELECT id FROM big WHERE n = 1234 AND o = 'o1234'", '1234', "$name: unique constraint");
	sql_is($server, $db, "$scan SELECT sum(id) FROM big WHERE e IN ('e7', 'e1999')", '2006', "$name: term index");
	sql_is($server, $db, "$scan SELECT id FROM big WHERE h = md5('55')::uuid", '55', "$name: hash index");
	sql_is($server, $db, "$scan SELECT count(*) FROM big_parts WHERE o = 'o77'", '1', "$name: partitions");
}

is_complete($node, 'postgres', 'primary');
query("INSERT INTO big (id, o, n, e, h) VALUES (0, 'o0', 0, 'e0', md5('0')::uuid); DELETE FROM big WHERE id = 0;"
	  . " INSERT INTO big (id, o, n, e, h, plain) SELECT -id, o || 'x', -n, e || 'x', h, plain FROM big;"
	  . ' DELETE FROM big WHERE id < 0; INSERT INTO big_refers SELECT e FROM big WHERE id < 20');
query("UPDATE big SET plain = plain::text WHERE id % 2 = 0; UPDATE big_parts SET o = o::text WHERE o < 'o2'");
query('VACUUM (FULL, ANALYZE) big_parts');
query('VACUUM (FREEZE, ANALYZE)');
query('REFRESH MATERIALIZED VIEW big_matview; REINDEX TABLE big');
is_complete($node, 'postgres', 'after changes');
is(query("SELECT sum(n_failed) FROM cellenc_verify() WHERE key = 'big'"), '0', 'all values open');
sql_fails($node, 'postgres', "SET cellenc.input = sealed; INSERT INTO big (id, plain) VALUES (-1, '$sealed')",
	qr/55000: version 1 of key "big" has been destroyed.*It was destroyed on /s, 'a value that comes from before');

$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
# an unlogged table is empty there
$sums =~ s/UNION ALL[^\n]*big_unlogged\n//;
$before = query($sums);
is_complete($standby, 'postgres', 'standby');
my $usage = "SELECT sum(n_values) FROM cellenc_usage('big') WHERE relation <> 'big_unlogged'::regclass";
is($standby->safe_psql('postgres', $usage), query($usage), 'standby: usage');
is($standby->safe_psql('postgres', "SELECT sum(n_failed) FROM cellenc_verify() WHERE key = 'big'"), '0', 'standby: verify');
is($standby->safe_psql('postgres', "SELECT blocker FROM cellenc_destroy_blockers('big', 2)"), 'current', 'standby: blockers');
is($standby->safe_psql('postgres', "SELECT count(*) FROM cellenc_destroy_blockers('pii', (SELECT max(version)"
		  . " FROM cellenc.key_versions WHERE key = 'pii' AND state = 'disabled'))"), '0', 'standby: all kinds of blockers');

# a dump, and one of the key tables from before
query("COPY cellenc.key_wrap FROM '$tempdir/wraps'");
is(query("SELECT master_keys IS NULL FROM cellenc.key_versions WHERE key = 'big' AND version = 1"),
	't', 'an old dump does not bring the version back');
query('CREATE DATABASE restored TEMPLATE template0');
command_ok([ 'pg_dump', '-f', "$tempdir/dump", $node->connstr('postgres') ], 'pg_dump');
command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$tempdir/dump", $node->connstr('restored') ], 'restore');
is_complete($node, 'restored', 'dump');
is($node->safe_psql('restored', "SELECT state FROM cellenc.key_versions WHERE key = 'big' AND version = 1"),
	'destroyed', 'with its tombstone');

$node->restart;
is_complete($node, 'postgres', 'after a restart');
unlike(slurp_file($node->logfile), qr/TRAP:|PANIC:|WARNING:  .*leak/, 'nothing bad in the log');

done_testing();
