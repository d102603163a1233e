#
# Columns are converted beside a load: nothing that is written meanwhile is
# lost, over kills and restarts, DDL, rotations and prepared transactions; and
# the plain text is gone afterwards.  A control column holds what the converted
# one has to hold.
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

my $node = start_node(
	'main',
	allows_streaming => 'logical',
	conf => "max_prepared_transactions = 2\nautovacuum_naptime = 1\nshared_buffers = 128MB\n");
$node->safe_psql('postgres',
	"SELECT cellenc_create_key('pii'), cellenc_create_key('other'); ALTER SYSTEM SET cellenc.allow_decrypt_column = on");
$node->reload;
my $has_amcheck = $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck') if $has_amcheck;

sub query { return $node->safe_psql('postgres', $_[0]); }

sub wait_until
{
	my ($sql, $name) = @_;
	ok($node->poll_query_until('postgres', $sql), $name);
}

sub job_state { return query('SELECT state FROM cellenc.jobs ORDER BY job DESC LIMIT 1'); }

# The tables that a conversion made, and its triggers, are gone.
sub is_clean
{
	my ($name) = @_;
	is( query(
			"SELECT count(*) FROM pg_class WHERE relnamespace = 'cellenc_conversion'::regnamespace"
		)
		  . query("SELECT count(*) FROM pg_trigger WHERE tgname ~ '^cellenc_conversion'")
		  . query('SELECT count(*) FROM cellenc.conversion')
		  . query('SELECT count(*) FROM cellenc.conversion_heap'),
		'0000', "$name: nothing is left behind");
}

# Both columns agree, in the table and by its indexes.
sub is_whole
{
	my ($table, $name) = @_;
	is(query("SELECT count(*) FROM $table WHERE v::text IS DISTINCT FROM c"), 0, "$name: no value is lost");
	my $count = query("SELECT count(*) FROM $table");
	is( query(
			"SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM $table a WHERE EXISTS (SELECT 1 FROM $table b WHERE b.id = a.id AND b.v = a.c)"
		),
		$count,
		"$name: an index finds every row");
	return if !$has_amcheck;
	is( query(
			"SELECT count(*) FROM pg_partition_tree('$table') t, verify_heapam(t.relid) v WHERE t.isleaf"),
		0, "$name: the heap is sound");
	my ($rc, $out, $err) = $node->psql('postgres',
		"SELECT bt_index_check(i.indexrelid, true) FROM pg_partition_tree('$table') t JOIN pg_index i ON i.indrelid = t.relid JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE t.isleaf AND a.amname = 'btree'"
	);
	is($err, '', "$name: the indexes are sound");
}

sub make_table
{
	my ($table, $rows, $partitions) = @_;
	my $by = $partitions ? 'PARTITION BY HASH (id)' : '';

	query("CREATE TABLE $table (id integer PRIMARY KEY, v text, c text, pad text DEFAULT repeat('p', 50)) $by");
	query("CREATE TABLE ${table}_$_ PARTITION OF $table FOR VALUES WITH (MODULUS $partitions, REMAINDER $_)")
	  foreach (0 .. ($partitions // 0) - 1);
	query("INSERT INTO $table SELECT i, 'v' || i, 'v' || i FROM generate_series(1, $rows) i");
	query("CREATE INDEX ON $table (v); CREATE INDEX ON $table (c)");
}

# pgbench makes every variable of a prepared statement a parameter: tables are
# put into the script here.
sub write_script
{
	my ($script, %names) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/load.sql';
	$script =~ s/:(TABLE|OTHER)/$names{$1}/g;
	append_to_file($file, $script);
	return $file;
}

my $script = <<'EOS';
\set id random(1, :rows)
\set r random(1, 1000000)
\set k random(1, 10)
\if :k <= 5
UPDATE :TABLE SET v = 'u' || :r, c = 'u' || :r WHERE id = :id;
\elif :k <= 7
INSERT INTO :TABLE (id, v, c) VALUES (:id, 'i' || :r, 'i' || :r)
	ON CONFLICT (id) DO UPDATE SET v = excluded.v, c = excluded.c;
\elif :k = 8
DELETE FROM :TABLE WHERE id = :id;
\elif :k = 9
BEGIN;
UPDATE :TABLE SET v = 'a' || :r, c = 'a' || :r WHERE id = :id;
SAVEPOINT a;
UPDATE :TABLE SET v = 'b' || :r, c = 'b' || :r WHERE id = :id;
ROLLBACK TO a;
UPDATE :TABLE SET pad = repeat('y', :k * 40) WHERE id = :id;
COMMIT;
\else
BEGIN;
UPDATE :TABLE SET v = 'z' || :r, c = 'z' || :r WHERE id = :id;
DELETE FROM :TABLE WHERE id = :id + 1;
INSERT INTO :TABLE (id, v, c) VALUES (- :id::integer, 'z', 'z');
ROLLBACK;
\endif
EOS

# Three clients that run the script; to be stopped by stop_load.
sub start_script
{
	my ($file, @options) = @_;
	my ($in, $out) = ('', '');
	my $load = IPC::Run::start(
		[
			'pgbench', '--no-vacuum', '--client=3', '--time=600', "--file=$file", '--max-tries=100',
			@options, $node->connstr('postgres')
		],
		\$in, '>', \$out, '2>', \$out);
	return { run => $load, out => \$out };
}

sub start_load
{
	my ($table, $rows, @options) = @_;
	return start_script(write_script($script, TABLE => $table), "--define=rows=$rows", @options);
}

# Nothing that a client did has failed, if a name is given.
sub stop_load
{
	my ($load, $name) = @_;
	return $load->{run}->finish if !defined $name;
	$load->{run}->signal('TERM');
	$load->{run}->finish;
	unlike(${ $load->{out} }, qr/aborted|ERROR/, "$name: no statement failed");
}

#
# Beside a load: a table, partitions, and back, with prepared statements
#
make_table('plain', 20000);
make_table('parts', 20000, 3);
foreach my $table ('plain', 'parts')
{
	my $load = start_load($table, 25000, '--protocol=prepared');
	query("SELECT cellenc_encrypt_column('$table', 'v', 'pii', '" . ($table eq 'plain' ? 'equality' : 'order') . "')");
	$node->safe_psql('postgres', 'CALL cellenc_wait()');
	is(job_state(), 'done', "$table, encrypted beside a load");
	stop_load($load, "$table, encrypted");
	is_whole($table, "$table, encrypted");
	is(query("SELECT count(*) FROM $table WHERE cellenc_key_name(v) <> 'pii'"), 0, "$table: under the key");
	is_clean("$table, encrypted");

	$load = start_load($table, 25000);
	query("SELECT cellenc_decrypt_column('$table', 'v')");
	$node->safe_psql('postgres', 'CALL cellenc_wait()');
	stop_load($load, "$table, decrypted");
	is(query("SELECT DISTINCT pg_typeof(v) FROM $table"), 'text', "$table, decrypted beside a load");
	is_whole($table, "$table, decrypted");
	is_clean("$table, decrypted");
}

#
# Beside a load that goes through a foreign key, either side first
#
my $keys_script = <<'EOS';
\set id random(1, 500)
\set r random(1, 1000000)
\set k random(1, 6)
\if :k <= 2
INSERT INTO :OTHER (v) SELECT v FROM :TABLE WHERE id = :id FOR KEY SHARE;
\elif :k = 3
UPDATE :TABLE SET v = 'u' || :r || '.' || :id, c = 'u' || :r || '.' || :id WHERE id = :id;
\elif :k = 4
DELETE FROM :TABLE WHERE id = :id;
\elif :k = 5
INSERT INTO :TABLE VALUES (:id, 'i' || :r || '.' || :id, 'i' || :r || '.' || :id) ON CONFLICT DO NOTHING;
\else
INSERT INTO :TABLE VALUES (DEFAULT, 'v' || :id, 'x') ON CONFLICT (v) DO UPDATE SET c = excluded.v;
\endif
EOS
foreach my $first ('referenced', 'referencing')
{
	query(
		qq{CREATE TABLE $first (id serial PRIMARY KEY, v text UNIQUE, c text);
		CREATE TABLE ${first}_by (v text REFERENCES $first (v) ON UPDATE CASCADE ON DELETE CASCADE);
		CREATE INDEX ON ${first}_by (v);
		INSERT INTO $first SELECT i, 'v' || i, 'v' || i FROM generate_series(1, 500) i;
		INSERT INTO ${first}_by SELECT v FROM $first;
		SELECT setval('${first}_id_seq', 1000)});
	my $load = start_script(write_script($keys_script, TABLE => $first, OTHER => "${first}_by"), '--protocol=prepared');
	foreach my $table ($first eq 'referenced' ? ($first, "${first}_by") : ("${first}_by", $first))
	{
		my ($rc, $stdout, $stderr) =
		  $node->psql('postgres', "SELECT cellenc_encrypt_column('$table', 'v', 'pii', 'equality')");
		like($stderr, qr/constraint referenced_v_key on table referenced becomes a unique index.*column "v" of table "referenced_by" has the same values/s,
			'the user is told') if $table eq 'referenced';
		$node->safe_psql('postgres', 'CALL cellenc_wait()');
		is(job_state(), 'done', "$table, encrypted beside a load through a foreign key, $first side first");
	}
	stop_load($load, "$first, both sides");
	is(query("SELECT count(*) FROM ${first}_by WHERE v::text NOT IN (SELECT v::text FROM $first)"), 0, "$first: the key holds");
	is(query("SELECT count(*) FROM $first WHERE v::text <> c AND c <> 'x'"), 0, "$first: no value is lost");
	is(query("SELECT convalidated FROM pg_constraint WHERE conrelid = '${first}_by'::regclass"), 't', "$first: validated");
	$node->command_ok([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c',
			"ALTER TABLE ${first}_by ADD FOREIGN KEY (v) REFERENCES $first (v)" ], "$first: PostgreSQL finds so, too");
	is_clean($first);
}

#
# Crashes at every phase
#
make_table('crash', 60000);
foreach my $phase ('start', 'copy', 'index', 'catch_up', 'switch', 'vacuum')
{
	my $kind = query("SELECT pg_typeof(v) FROM crash LIMIT 1") eq 'text' ? 'encrypt' : 'decrypt';
	my $load = start_load('crash', 70000);
	query("SELECT cellenc_${kind}_column('crash', 'v'" . ($kind eq 'encrypt' ? ", 'pii', 'order')" : ')'));
	for (1 .. 10000)
	{
		my ($rc, $now) = $node->psql('postgres',
			"SELECT phase = '$phase' OR phase = 'vacuum' FROM cellenc.conversion UNION ALL SELECT true LIMIT 1");
		last if $now eq 't';
		usleep(1000);
	}
	crash_and_start($node);
	stop_load($load);
	$node->safe_psql('postgres', 'CALL cellenc_wait()');
	is(job_state(), 'done', "$phase: the job goes on after a crash");
	is(query("SELECT pg_typeof(v) FROM crash LIMIT 1") eq 'text' ? 'decrypt' : 'encrypt', $kind, "$phase: converted");
	is_whole('crash', "crash in $phase");
	is_clean("crash in $phase");
}

#
# Step by step, with something in between
#
query('ALTER SYSTEM SET cellenc.job_workers = 0');
$node->reload;
wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cellenc worker'", 'no worker runs');

my $job;

sub step { return query("SELECT cellenc.job_step($job)"); }
sub phase { return query("SELECT phase FROM cellenc.conversion WHERE job = $job"); }

# Steps, each a transaction, until the phase, or the end.
sub step_to
{
	my ($phase) = @_;
	query(
		qq{DO \$\$
		BEGIN
			FOR i IN 1 .. 1000 LOOP
				EXIT WHEN EXISTS (SELECT FROM cellenc.conversion WHERE job = $job AND phase = '$phase');
				EXIT WHEN cellenc.job_step($job) IN ('done', 'failed');
				COMMIT;
				ASSERT i < 1000;
			END LOOP;
		END \$\$});
}

sub begin
{
	my ($table, $phase) = @_;
	query("DROP TABLE IF EXISTS $table");
	make_table($table, 3000);
	$job = query("SELECT cellenc_encrypt_column('$table', 'v', 'pii', 'equality')");
	step_to($phase);
}

sub is_done
{
	my ($table, $name) = @_;
	step_to('none');
	is(query("SELECT state FROM cellenc.jobs WHERE job = $job"), 'done', "$name: the job is done");
	is_whole($table, $name);
	is_clean($name);
}

my %beside = (
	'VACUUM FULL' => 'VACUUM FULL t',
	'CLUSTER' => 'CLUSTER t USING t_pkey',
	'TRUNCATE' => "TRUNCATE t; INSERT INTO t SELECT i, 'n' || i, 'n' || i FROM generate_series(1, 100) i",
	'ADD COLUMN' => "ALTER TABLE t ADD COLUMN a integer DEFAULT 7; UPDATE t SET a = 8 WHERE id = 5",
	'DROP COLUMN' => "ALTER TABLE t DROP COLUMN pad; INSERT INTO t VALUES (100000, 'n', 'n')",
	'ALTER TYPE' => 'ALTER TABLE t ALTER COLUMN id TYPE bigint',
	'CREATE INDEX' => 'CREATE INDEX t_new ON t (pad, v)',
	'DROP INDEX' => 'DROP INDEX t_c_idx; CREATE INDEX t_pad ON t (pad)',
	'RENAME' => 'ALTER TABLE t RENAME COLUMN pad TO p; CREATE VIEW tv AS SELECT v FROM t',
	'VACUUM' => "DELETE FROM t WHERE id > 100; VACUUM t; INSERT INTO t SELECT i, 'r' || i, 'r' || i FROM generate_series(101, 3000) i",
	'DISABLE TRIGGER ALL' => "ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET v = 'd', c = 'd'; ALTER TABLE t ENABLE TRIGGER ALL",
	'replica' => "SET session_replication_role = replica; UPDATE t SET v = 'r', c = 'r' WHERE id % 3 = 0");
foreach my $name (sort keys %beside)
{
	foreach my $phase ('copy', 'catch_up', 'switch')
	{
		begin('t', $phase);
		query("UPDATE t SET v = 'q' || id, c = 'q' || id WHERE id % 7 = 0");
		query($_) foreach split /; /, $beside{$name} =~ /^SET/ ? $beside{$name} =~ s/; /\n;/r : $beside{$name};
		is_done('t', "$name at $phase");
		query('DROP VIEW IF EXISTS tv');
	}
}
query("DROP TABLE t");

# what ends it
foreach my $phase ('start', 'copy', 'index', 'catch_up', 'switch')
{
	begin('t', $phase);
	query('DROP TABLE t');
	step_to('none');
	is(job_state(), 'cancelled', "DROP TABLE at $phase");
	is_clean("DROP TABLE at $phase");

	begin('t', $phase);
	query('ALTER TABLE t DROP COLUMN v');
	step_to('none');
	is(job_state(), 'cancelled', "DROP COLUMN of the column at $phase");
	is_clean("DROP COLUMN of the column at $phase");
}
foreach my $phase ('start', 'copy', 'index', 'catch_up', 'switch')
{
	begin('t', $phase);
	query("SELECT cellenc_pause($job)") if $phase ne 'copy';
	query("SELECT cellenc_cancel($job)");
	step_to('none');
	is(job_state(), 'cancelled', "cancelled at $phase");
	is(query('SELECT pg_typeof(v), count(*) FROM t GROUP BY 1'), 'text|3000', "cancelled at $phase: the column is as it was");
	is_clean("cancelled at $phase");
}
begin('t', 'copy');
query("UPDATE t SET v = 'cellenc:1:AQ==' WHERE id = 2999");
step_to('none');
is(job_state(), 'failed', 'a value that looks like a sealed one');
is(query('SELECT pg_typeof(v), count(*) FROM t GROUP BY 1'), 'text|3000', 'the column is as it was');
is_clean('failed');
begin('t', 'start');
query('CREATE MATERIALIZED VIEW tm AS SELECT v FROM t');
step_to('none');
like(query('SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1'),
	qr/^failed\|column "v" of table "t" cannot be converted as it is$/, 'what comes in the way before the start');
is_clean('refused by the job');
query('DROP MATERIALIZED VIEW tm');

# a prepared transaction holds up the switch, and counts
begin('t', 'copy');
query("BEGIN; UPDATE t SET v = 'prepared', c = 'prepared' WHERE id < 50; INSERT INTO t VALUES (5000, 'p', 'p'); PREPARE TRANSACTION 'p'");
step() foreach (1 .. 12);
like(phase(), qr/catch_up|switch/, 'a prepared transaction holds up the switch');
query("COMMIT PREPARED 'p'");
is_done('t', 'prepared transaction');

# the owner's code runs as the owner, constant parts of expressions too; the
# copy is nobody's to look at
query(
	q{CREATE ROLE owner; GRANT CREATE ON SCHEMA public TO owner; DROP TABLE t; SET ROLE owner;
	CREATE FUNCTION spy(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
		BEGIN IF current_user <> 'owner' THEN RAISE 'runs as %', current_user; END IF; RETURN t; END$$;
	CREATE TABLE t (id integer PRIMARY KEY, v text, c text);
	INSERT INTO t SELECT i, 'v' || i, 'v' || i FROM generate_series(1, 1000) i;
	CREATE INDEX spied ON t (id, spy(c || spy('k'))) WHERE spy(c) <> spy('x');
	CREATE INDEX ON t (v)});
$job = query("SELECT cellenc_grant_key('pii', 'owner'); SELECT cellenc_encrypt_column('t', 'v', 'pii', 'order')") =~ s/\D//gr;
step_to('catch_up');
query("SET ROLE owner; UPDATE t SET v = 'u', c = 'u' WHERE id < 100");
my $shadow = query("SELECT shadow::regclass FROM cellenc.conversion_heap WHERE job = $job");
sql_fails($node, 'postgres', "SET ROLE owner; SELECT * FROM $shadow", qr/42501: permission denied for schema/, 'the copy');
query('ANALYZE; REINDEX SCHEMA cellenc_conversion; CREATE INDEX ON t (c)');
step() foreach (1 .. 3);
query("SET ROLE owner; UPDATE t SET v = 'u', c = 'u' WHERE id < 200");
step_to('none');
# planning a query of ours would run it as well
query('DROP INDEX spied');
is_done('t', "code of the owner's");
query('DROP OWNED BY owner; DROP ROLE owner');

# rotations beside it: of the key, and of another column of the table
query("CREATE TABLE t (id integer PRIMARY KEY, v text, c text, o enctext('other'))");
query("INSERT INTO t SELECT i, 'v' || i, 'v' || i, 'o' || i FROM generate_series(1, 3000) i; CREATE INDEX ON t (v)");
$job = query("SELECT cellenc_encrypt_column('t', 'v', 'pii', 'equality')");
step_to('catch_up');
query("SELECT cellenc_rotate_key('pii'), cellenc_rotate_key('other')");
my $rotation = query('SELECT max(job) FROM cellenc.jobs');
for (1 .. 100)
{
	last if query("SELECT cellenc.job_step($rotation)") eq 'done';
}
is(query('SELECT DISTINCT cellenc_key_version(o) FROM t'), 2, 'another column was rotated beside the conversion');
is_done('t', 'rotations beside it');
is(query('SELECT DISTINCT cellenc_key_version(o) FROM t'), 2, 'and stays so');
query('ALTER SYSTEM RESET cellenc.job_workers');
$node->reload;
$node->safe_psql('postgres', 'CALL cellenc_wait()');
is( query("SELECT DISTINCT cellenc_key_version(v) = (SELECT version FROM cellenc.keys WHERE key = 'pii') FROM t"),
	't', 'what was sealed before the rotation is re-encrypted after the switch');

#
# Readers do not wait for it, nor it for long
#
make_table('held', 1000);
my ($in, $out, $err) = ("BEGIN; SELECT count(*) FROM held; \\echo held\n", '', '');
my $session = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres') ], \$in, \$out, \$err);
$session->pump until $out =~ /held/;
query("SELECT cellenc_encrypt_column('held', 'v', 'pii', 'order')");
wait_until("SELECT waiting_for ~ 'held' FROM cellenc.jobs ORDER BY job DESC LIMIT 1", 'the job says what it waits for');
is(query("SET statement_timeout = '20s'; SELECT count(*) FROM held"), 1000, 'others read meanwhile');
$in .= "COMMIT;\n\\q\n";
$session->finish;
$node->safe_psql('postgres', 'CALL cellenc_wait()');
is_whole('held', 'held up');

# an index that takes long is given up at once
query(
	q{CREATE TABLE slow_now ();
	CREATE FUNCTION slow(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
		BEGIN IF EXISTS (SELECT FROM public.slow_now) THEN PERFORM pg_sleep(600); END IF; RETURN t; END$$;
	CREATE TABLE slowed (id integer PRIMARY KEY, v text, c text);
	INSERT INTO slowed SELECT i, 'v' || i, 'v' || i FROM generate_series(1, 100) i;
	CREATE INDEX ON slowed (slow(c)) INCLUDE (v);
	INSERT INTO slow_now DEFAULT VALUES});
$job = query("SELECT cellenc_encrypt_column('slowed', 'v', 'pii')");
my $builds = "SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^CALL cellenc.conversion_index' AND state = 'active'";
foreach my $action ('pause', 'resume', 'cancel')
{
	wait_until($builds, "the index is being built, before $action") if $action ne 'resume';
	query("SET statement_timeout = '100s'; SELECT cellenc_$action($job)");
	wait_until($builds =~ s/= 1/= 0/r, "$action: the build was given up") if $action ne 'resume';
}
wait_until("SELECT state = 'cancelled' FROM cellenc.jobs WHERE job = $job", 'and the job is cancelled');
is_clean('cancelled while an index is built');
query("SELECT cellenc_encrypt_column('slowed', 'v', 'pii')");
wait_until($builds, 'the index is being built again');
query('DELETE FROM slow_now');
query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^CALL cellenc.conversion_index'");
$node->safe_psql('postgres', 'CALL cellenc_wait()');
is(job_state(), 'done', 'a build that somebody cancelled is tried again');
query('DROP TABLE slowed, slow_now; DROP FUNCTION slow');

#
# Logical decoding sees the users' changes, and none of the conversion's
#
make_table('decoded', 500);
query("SELECT pg_create_logical_replication_slot('slot', 'test_decoding')");
query("SELECT cellenc_encrypt_column('decoded', 'v', 'pii', 'order')");
query("UPDATE decoded SET v = 'seen', c = 'seen' WHERE id = 7");
$node->safe_psql('postgres', 'CALL cellenc_wait()');
query("UPDATE decoded SET pad = repeat(md5('x'), 200) WHERE id = 8");
my @changes = split /\n/, query("SELECT data FROM pg_logical_slot_get_changes('slot', NULL, NULL)");
is(scalar(grep { /table cellenc_conversion\./ } @changes), 0, 'tables of the conversion are not decoded');
is(scalar(grep { /table public\.decoded: UPDATE/ } @changes), 2, 'changes of the table are');
query("SELECT pg_drop_replication_slot('slot')");

#
# The plain text is gone
#
my $m = sub { return "mArKeR-$_[0]-mArKeR"; };
query(
	qq{CREATE TABLE secret (id integer, v text DEFAULT 'none', o text);
	ALTER TABLE secret ALTER v SET STORAGE external, ALTER v SET STATISTICS 1000;
	INSERT INTO secret SELECT i, '${\$m->('row')}' || i, 'o' FROM generate_series(1, 300) i;
	INSERT INTO secret SELECT i, '${\$m->('frequent')}', 'o' FROM generate_series(1, 300) i;
	INSERT INTO secret SELECT 0, string_agg(md5(i::text), '') || '${\$m->('toasted')}', 'o' FROM generate_series(1, 500) i;
	INSERT INTO secret VALUES (1, '${\$m->('deleted')}'); DELETE FROM secret WHERE v = '${\$m->('deleted')}';
	ALTER TABLE secret ADD COLUMN added text DEFAULT 'added';
	CREATE INDEX secret_hash ON secret USING hash (v);
	CREATE INDEX secret_o ON secret (o) INCLUDE (v) WHERE length(o) < 10 AND id > 0;
	UPDATE secret SET o = 'p' WHERE id < 100;
	ANALYZE secret;
	CHECKPOINT});
my @kinds = map { $m->($_) } qw(row frequent toasted deleted);
foreach my $kind (@kinds)
{
	my @files = files_with($node->data_dir, $kind);
	ok(@files > 0, "$kind is on disk before");
}
query("SELECT cellenc_encrypt_column('secret', 'v', 'pii', 'equality')");
$node->safe_psql('postgres', 'CALL cellenc_wait()');
is(job_state(), 'done', 'encrypted');
like(query("SELECT detail FROM cellenc.events WHERE action = 'encrypt_column' ORDER BY at DESC LIMIT 1"),
	qr/public\.secret\.v; plain text may be left in pg_statistic/, 'the job tells what may be left');

# doc/encrypting-columns.md
query("ALTER SYSTEM SET wal_recycle = off");
$node->reload;
query('VACUUM FULL pg_catalog.pg_statistic');
query('SELECT pg_switch_wal()');
query('CHECKPOINT');
query('CHECKPOINT');
foreach my $kind (@kinds)
{
	is(join(' ', files_with($node->data_dir, $kind)), '', "$kind is in no file afterwards");
}
is(query("SELECT count(*), count(v) FROM secret WHERE v LIKE 'mArKeR-row%'"), '300|300', 'the values are there');
$node->stop;

#
# Where WAL is left out for new files
#
my $minimal = start_node('minimal', conf => "wal_level = minimal\nmax_wal_senders = 0\n");
$minimal->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE t (id integer PRIMARY KEY, v text, c text);
	INSERT INTO t SELECT i, 'v' || i, 'v' || i FROM generate_series(1, 20000) i;
	CREATE UNLOGGED TABLE u (id integer PRIMARY KEY, v text, c text);
	INSERT INTO u SELECT i, 'v' || i, 'v' || i FROM generate_series(1, 1000) i;
	SELECT cellenc_encrypt_column('t', 'v', 'pii');
	SELECT cellenc_encrypt_column('u', 'v', 'pii')});
$minimal->safe_psql('postgres', 'CALL cellenc_wait()');
is($minimal->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE v = c) FROM u"), '1000|1000', 'unlogged');
crash_and_start($minimal);
is($minimal->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE v = c) FROM t"), '20000|20000',
	'wal_level = minimal, after a crash');
is($minimal->safe_psql('postgres', "SELECT count(*) FROM u"), 0, 'an unlogged table is empty after a crash');
$minimal->safe_psql('postgres', "INSERT INTO u VALUES (1, 'x', 'x')");
$minimal->stop;

done_testing();
