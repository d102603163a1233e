#
# Plaintext of encrypted columns is in no file: values that occur nowhere else
# are written in every way there is, everything that PostgreSQL writes about
# them is provoked, and then all files of the server, its log, a standby, a base
# backup and a sealed dump are searched for them, in every form.  What cannot be
# kept from being written is listed in doc/leaks.md; each entry is provoked and
# has to be found, and nothing else may be.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use LeakSearch;
use IO::Socket::UNIX;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $tempdir = PostgreSQL::Test::Utils::tempdir();
my $master_key = make_master_key();

# Plain tables, for what a publisher and a foreign server have.
my $source = PostgreSQL::Test::Cluster->new('source');
$source->init(allows_streaming => 'logical');
$source->append_conf('postgresql.conf', "log_statement = none\ntimezone = UTC\n");
$source->start;

# The log gets all that PostgreSQL can be made to write, but for what
# doc/leaks.md has.
my $main = start_node(
	'main',
	master_key => $master_key,
	allows_streaming => 'logical',
	conf => q{
timezone = UTC
shared_preload_libraries = 'pg_stat_statements, auto_explain, cellenc'
pg_stat_statements.track = all
pg_stat_statements.track_utility = off
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_triggers = on
auto_explain.log_nested_statements = on
log_statement = none
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_min_error_statement = notice
log_min_messages = debug1
log_error_verbosity = verbose
log_temp_files = 0
log_lock_waits = on
log_autovacuum_min_duration = 0
logical_decoding_work_mem = 64kB
max_prepared_transactions = 2
max_worker_processes = 20
restart_after_crash = on
});
my $data_dir = $main->data_dir;

#
# Markers
#
my @types = marker_types();
my (%markers, %value, %sent);
my %send = (
	text => 'textsend', varchar => 'varcharsend', jsonb => 'jsonb_send', inet => 'inet_send',
	numeric => 'numeric_send', date => 'date_send', time => 'time_send', timestamp => 'timestamp_send',
	timestamptz => 'timestamptz_send', interval => 'interval_send', uuid => 'uuid_send');

sub quoted { return join ', ', map { "'" . s/'/''/gr . "'" } @_ }

# Markers of types for a way, or for an entry of the list.
sub make_markers
{
	my ($way, @of) = @_;
	my $row = $source->safe_psql(
		'postgres',
		'SELECT ' . join ', ', map {
			my $literal = quoted(marker_value($_, $way)) . "::$_";
			"$literal, encode(" . ($send{$_} // "${_}send") . "($literal), 'hex')"
		} @of);
	my @fields = split /\|/, $row;

	foreach my $type (@of)
	{
		($value{$way}{$type}, $sent{$way}{$type}) = splice @fields, 0, 2;
		$markers{"$way $type"} = forms_of($type, $value{$way}{$type}, $sent{$way}{$type});
	}
}

sub values_of { my ($way) = @_; return map { $value{$way}{$_} } @types }
sub literals_of { return quoted(values_of(@_)) }
sub typed_literals_of { my ($way) = @_; return join ', ', map { quoted($value{$way}{$_}) . "::$_" } @types }

my @ways = qw(literal select prepare plpgsql function update upsert merge cte default copytext copycsv copybinary
  text binary rolledback twophase sync apply applybinary);
my @nested = qw(array domain composite toast index frequent variable spill big duplicate wrongtext wrongcopy rotated);
make_markers($_, @types) foreach @ways, 'control';
make_markers($_, 'text') foreach @nested;

# The list of what is written in spite of all, as the documentation has it.
my %leaks = slurp_file("$FindBin::RealBin/../../doc/leaks.md") =~ /^\| `([a-z-]+)` \| (.+?) \|/mg;
make_markers("leak $_", 'text') foreach keys %leaks;
my %provoked;

sub leak_value { return $value{"leak $_[0]"}{text} }

# Entry $leak is found in these files.
sub leaks
{
	my ($leak, @paths) = @_;
	my $found = search_files({ map { $_ => $markers{$_} } "leak $leak text" }, @paths);

	ok($leaks{$leak}, "doc/leaks.md has $leak");
	ok(scalar keys %$found, "it is as doc/leaks.md says: $leak");
	$provoked{$leak} = 1;
}

# The search itself: all forms, apart and across a border of what is read at once
my $forms = "$tempdir/forms";
open my $file, '>:raw', $forms or die;
foreach my $marker (grep { /^control/ } sort keys %markers)
{
	print $file "\0" x (1 << 16), $markers{$marker}{$_} foreach sort keys %{ $markers{$marker} };
}
close $file;
my $found = search_files(\%markers, $forms);
foreach my $marker (grep { /^control/ } sort keys %markers)
{
	is_deeply([ sort keys %{ $found->{$marker} } ], [ sort keys %{ $markers{$marker} } ], "all forms are found: $marker");
}
is(scalar keys %$found, scalar @types, 'and nothing else is');
unlink $forms;

#
# Writing, in all ways
#
sub create_tables
{
	my ($type) = @_;
	return join '', map {
		my $table = $_;
		"CREATE TABLE $table (way text PRIMARY KEY, " . join(', ', map { "c_$_ " . $type->($_) } @types) . ");\n"
	} qw(v w);
}
my %twin = map { $_ => "enc$_" } @types;
my $tables = create_tables(sub { $_[0] =~ /^(bytea|varchar)$/ ? "$twin{$_[0]}('pii')" : "$twin{$_[0]}('pii', 'equality')" });

$main->safe_psql(
	'postgres', qq{
	CREATE EXTENSION pg_stat_statements;
	SELECT cellenc_create_key('pii'), cellenc_create_key('other');
	SELECT cellenc_create_type('encvarchar', 'varchar');
	$tables
	ALTER TABLE v ADD CHECK (c_text <> 'x');
	CREATE UNIQUE INDEX ON v (c_text cellenc.enctext_term_ops);
	CREATE INDEX ON v USING hash (c_int8);
	CREATE TABLE plain (way text, ${\join(', ', map { "c_$_ $_" } @types)});
	CREATE DOMAIN word AS enctext('pii');
	CREATE TYPE pair AS (a integer, b enctext('pii'));
	CREATE TABLE n (k enctext('pii', 'order') PRIMARY KEY, a enctext('pii')[], d word, c pair, t enctext('other'));
	CREATE TABLE big (id integer, t enctext('pii'));
	SELECT pg_create_logical_replication_slot('decoding', 'test_decoding');
	CREATE FUNCTION put(way text, ${\join(', ', map { "c_$_ $_" } @types)}) RETURNS void LANGUAGE plpgsql AS
		'BEGIN INSERT INTO v VALUES (way, ${\join(', ', map { "c_$_" } @types)}); END';
	CREATE FUNCTION put_text(t text) RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO n (k) VALUES (t); END';
});

# Run a statement by the extended protocol: format 0, parameters are text; 1,
# they are binary.  The error's message, or ''.
sub protocol
{
	my ($db, $sql, $format, $options, @parameters) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $main->host . '/.s.PGSQL.' . $main->port) or die "could not connect: $!";
	my $send = sub { my ($type, $body) = @_; $socket->syswrite($type . pack('N', 4 + length $body) . $body) };
	my $read = sub {
		my ($len) = @_;
		my $bytes = '';
		while (length $bytes < $len)
		{
			$socket->sysread($bytes, $len - length $bytes, length $bytes) or die 'the server closed the connection';
		}
		return $bytes;
	};
	my $error = '';
	my $finish = sub {
		for (;;)
		{
			my ($type, $len) = unpack 'a N', $read->(5);
			my $body = $read->($len - 4);
			$error = $body if $type eq 'E';
			return if $type eq 'Z';
		}
	};

	$send->('', pack('N', 196608) . join("\0", user => scalar getpwuid($<), database => $db, options => $options) . "\0\0");
	$finish->();
	$send->('P', "\0$sql\0" . pack('n', 0));
	$send->('B', "\0\0" . pack('n n n', 1, $format, scalar @parameters)
		  . join('', map { pack('N', length) . $_ } @parameters) . pack('n', 0));
	$send->('E', "\0" . pack('N', 0));
	$send->('S', '');
	$finish->();
	$send->('X', '');
	return $error;
}
my $placeholders = join ', ', map { '$' . $_ } 1 .. @types;
is(protocol('postgres', "INSERT INTO v VALUES ('text', $placeholders)", 0, '', values_of('text')), '', 'text parameters');
is(protocol('postgres', "INSERT INTO v VALUES ('binary', $placeholders)",
		1, '', map { pack 'H*', $sent{binary}{$_} } @types), '', 'binary parameters');

$source->safe_psql('postgres',
	"COPY (SELECT 'copybinary'::text, ${\typed_literals_of('copybinary')}) TO '$tempdir/copy' (FORMAT binary)");
my $columns = join ', ', map { "c_$_" } @types;
$main->safe_psql(
	'postgres', qq{
	INSERT INTO v VALUES ('literal', ${\literals_of('literal')});
	INSERT INTO v SELECT 'select', ${\typed_literals_of('select')};
	PREPARE p (${\join(', ', @types)}) AS INSERT INTO v VALUES ('prepare', $placeholders);
	EXECUTE p (${\literals_of('prepare')});
	DO \$do\$
	DECLARE
		r v; ${\join(' ', map { "p_$_ $_;" } @types)}
		word enctext('pii') := ${\quoted($value{variable}{text})};
	BEGIN
		${\join("\n", map { "p_$_ := " . quoted($value{plpgsql}{$_}) . "; r.c_$_ := p_$_;" } @types)}
		r.way := 'plpgsql';
		INSERT INTO v SELECT (r).*;
		EXECUTE 'INSERT INTO n (k) VALUES (\$1)' USING word;
	END \$do\$;
	SELECT put('function', ${\literals_of('function')});
	INSERT INTO v (way) VALUES ('update'), ('upsert'), ('merge');
	UPDATE v SET ($columns) = (${\literals_of('update')}) WHERE way = 'update';
	INSERT INTO v (way) VALUES ('upsert') ON CONFLICT (way) DO UPDATE SET ($columns) = (${\literals_of('upsert')});
	MERGE INTO v USING (SELECT 'merge' AS way, ${\typed_literals_of('merge')}) s (way, $columns) ON v.way = s.way
		WHEN MATCHED THEN UPDATE SET ${\join(', ', map { "c_$_ = s.c_$_" } @types)};
	WITH x (way, $columns) AS (SELECT 'cte', ${\typed_literals_of('cte')}) INSERT INTO v SELECT * FROM x;
	COPY v FROM STDIN;
copytext\t${\join("\t", map { s/\\/\\\\/gr } values_of('copytext'))}
\\.
	COPY v FROM STDIN (FORMAT csv);
copycsv,${\join(',', map { '"' . s/"/""/gr . '"' } values_of('copycsv'))}
\\.
	COPY v FROM '$tempdir/copy' (FORMAT binary);
	BEGIN;
	INSERT INTO w VALUES ('rolledback', ${\literals_of('rolledback')});
	SAVEPOINT s;
	INSERT INTO w VALUES ('rolledback2', ${\literals_of('rolledback')});
	ROLLBACK;
	BEGIN;
	INSERT INTO v VALUES ('twophase', ${\literals_of('twophase')});
	PREPARE TRANSACTION 'two';
	COMMIT PREPARED 'two';
	CREATE TABLE d (way text, ${\join(', ', map { "c_$_ $twin{$_}('pii') DEFAULT " . quoted($value{default}{$_}) } @types)});
	INSERT INTO d DEFAULT VALUES;
	ALTER TABLE d ADD late enctext('pii') DEFAULT ${\quoted($value{default}{text})};
	INSERT INTO n VALUES ('n', ARRAY['x', ${\quoted($value{array}{text})}], ${\quoted($value{domain}{text})},
		(1, ${\quoted($value{composite}{text})}));
	INSERT INTO n (k, t) SELECT 'toast', string_agg(md5(i::text), '') || ${\quoted($value{toast}{text})}
		|| string_agg(md5((-i)::text), '') FROM generate_series(1, 500) i;
	INSERT INTO n (k) VALUES (${\quoted($value{index}{text})});
	INSERT INTO n (k, t) SELECT 'frequent' || i, ${\quoted($value{frequent}{text})} FROM generate_series(1, 1000) i;
	INSERT INTO big SELECT i, ${\quoted($value{spill}{text})} || i FROM generate_series(1, 8000) i;
});
$main->safe_psql('postgres', 'SET log_min_duration_statement = -1; SET auto_explain.log_min_duration = -1;'
	  . " INSERT INTO plain VALUES ('control', ${\literals_of('control')})");

# Logical replication into encrypted columns: initial copy, apply of text and of binary
$source->safe_psql('postgres',
	create_tables(sub { $_[0] })
	  . "INSERT INTO v VALUES ('sync', ${\literals_of('sync')}); CREATE PUBLICATION v FOR TABLE v; CREATE PUBLICATION w FOR TABLE w;"
	  . 'CREATE TABLE subscribed (t text PRIMARY KEY); CREATE TABLE remote (t text)');
my $connstr = $source->connstr . ' dbname=postgres';
$main->safe_psql('postgres',
	"CREATE SUBSCRIPTION v CONNECTION '$connstr' PUBLICATION v; CREATE SUBSCRIPTION w CONNECTION '$connstr' PUBLICATION w WITH (binary)");
$main->wait_for_subscription_sync($source, $_) foreach qw(v w);
$source->safe_psql('postgres',
	"INSERT INTO v VALUES ('apply', ${\literals_of('apply')}); INSERT INTO w VALUES ('applybinary', ${\literals_of('applybinary')})");
$source->wait_for_catchup($_) foreach qw(v w);

foreach my $way (@ways)
{
	next if $way eq 'rolledback' || $way eq 'default';
	my $table = $way eq 'applybinary' ? 'w' : 'v';
	my $row = $main->safe_psql('postgres', "SELECT $columns FROM $table WHERE way = '$way'");
	is($row, join('|', values_of($way)), "written: $way");
}
is($main->safe_psql('postgres', "SELECT $columns FROM d"), join('|', values_of('default')), 'written: default');

#
# What is written about values: errors, statistics, copies of tables
#
sub fails
{
	my ($name, $sql, $seen) = @_;
	my ($rc, $out, $err) = $main->psql('postgres', $sql);

	like($err, $seen, "$name: the client sees it");
}
my $text = $value{literal}{text};
fails('unique', "INSERT INTO v (way, c_text) VALUES ('again', '$text')", qr/duplicate key/);
fails('primary key', "INSERT INTO n (k) VALUES ('$value{index}{text}')", qr/\($value{index}{text}\) already exists/);
fails('not null', "UPDATE v SET way = NULL WHERE way = 'literal'", qr/Failing row contains/);
fails('check', "UPDATE v SET c_text = 'x' WHERE way = 'literal'", qr/Failing row contains/);
fails('conversion', 'SELECT c_text::integer FROM v', qr/mArKeR/);
fails('json', "SELECT c_text::jsonb FROM v WHERE way = 'literal'", qr/mArKeR/);
fails('statistics', 'CREATE STATISTICS s ON way, c_text FROM v', qr/would store values/);
fails('COPY', "COPY big FROM STDIN;\n1\t$value{wrongcopy}{text}\tx\n\\.\n", qr/$value{wrongcopy}{text}/);
fails('unique index', "CREATE TABLE u AS SELECT t FROM n WHERE k LIKE 'frequent%'; CREATE TABLE u2 (t enctext('pii', 'order'));"
	  . " INSERT INTO u2 SELECT t FROM u; CREATE UNIQUE INDEX ON u2 (t)", qr/\($value{frequent}{text}\) is duplicated/);
like(protocol('postgres', 'INSERT INTO v (way, c_int4) VALUES ($1, $2)', 0, '', 'wrong', $value{wrongtext}{text}),
	qr/$value{wrongtext}{text}/, 'wrong parameter');
like(protocol('postgres', 'INSERT INTO v (way, c_text) VALUES ($1, $2)', 0, '', 'literal', $value{duplicate}{text}),
	qr/duplicate key/, 'duplicate, by parameters');
like(protocol('postgres', 'SELECT c_text::integer FROM v WHERE c_text = $1', 0, '', $text), qr/$text/, 'error of a result');

$main->safe_psql(
	'postgres', qq{
	SET force_parallel_mode = on;
	SELECT count(*) FROM v WHERE c_text = '$text' AND c_int8 = $value{literal}{int8};
	SELECT c_text FROM v WHERE c_text IN ('$text', 'y') ORDER BY c_text;
	SELECT count(DISTINCT c_text) FROM v GROUP BY c_int4;
	RESET force_parallel_mode;
	CREATE INDEX ON v (way, c_int8 cellenc.encint8_term_ops);
	CREATE MATERIALIZED VIEW m AS SELECT way, c_text, c_int8, c_jsonb FROM v;
	CREATE TABLE copied AS SELECT * FROM v;
	CREATE UNLOGGED TABLE unlogged AS SELECT * FROM v;
	CREATE TEMPORARY TABLE temporary AS SELECT * FROM v;
	ANALYZE;
	ALTER TABLE copied ALTER c_text TYPE enctext('other'), ALTER c_int8 TYPE encint8('pii', 'order');
	CLUSTER v USING v_pkey;
	VACUUM FULL n;
	REINDEX TABLE n;
	INSERT INTO n (k) VALUES ('$value{rotated}{text}');
	SELECT cellenc_rotate_key('pii');
	CALL cellenc_wait();
	CHECKPOINT;
} =~ s/force_parallel_mode/$main->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode'/ger);

#
# Temporary files: held open by cursors, searched while they are there
#
sub temporary_files
{
	my ($name, $sql, $query) = @_;
	my $session = $main->background_psql('postgres');

	$session->query_safe("SET work_mem = '64kB'; SET enable_hashagg = off; BEGIN; DECLARE c CURSOR $sql");
	$session->query_safe('COMMIT') if $sql =~ /WITH HOLD/;
	like($session->query_safe('FETCH 1 FROM c'), qr/mArKeR/, "$name: the cursor returns values");
	ok(scalar(() = files_with("$data_dir/base/pgsql_tmp", '')), "$name: there are temporary files");
	if ($leaks{$name})
	{
		leaks($name, "$data_dir/base/pgsql_tmp");
	}
	else
	{
		is_deeply([ keys %{ search_files(\%markers, "$data_dir/base/pgsql_tmp") } ], [], "$name: no value in them");
	}
	$session->quit;
}
my %spills = (
	'sort' => 'FOR SELECT t FROM big ORDER BY t',
	'sort of rows' => 'FOR SELECT t, 1 FROM big ORDER BY id, ctid',
	'distinct' => 'FOR SELECT DISTINCT t FROM big',
	'hash join' => 'FOR SELECT x.t FROM big x JOIN big y ON x.t = y.t',
	'window' => 'FOR SELECT t, count(*) OVER () FROM big',
	'materialized CTE' => 'FOR WITH x AS MATERIALIZED (SELECT t FROM big) SELECT t FROM x, (SELECT count(t) FROM x) y',
	'spilled-expression' => q(FOR SELECT t::text || '! ) . leak_value('spilled-expression') . q(' AS x FROM big ORDER BY x),
	'held-cursor' => q(WITH HOLD FOR SELECT t FROM held));
$main->safe_psql('postgres',
	"CREATE TABLE held AS SELECT ('" . leak_value('held-cursor') . "' || i)::enctext('pii') AS t FROM generate_series(1, 8000) i");
temporary_files($_, $spills{$_}) foreach sort keys %spills;

# Changes of a transaction that logical decoding keeps in files
{
	my $session = $main->background_psql('postgres');
	my $output = "$tempdir/decoded";
	my $receiver = IPC::Run::start([ 'pg_recvlogical', '-d', $main->connstr('postgres'), '-S', 'decoding', '--start', '-f', $output ],
		'>', '/dev/null', '2>', '/dev/null');

	$session->query_safe("BEGIN; INSERT INTO big SELECT i, '$value{big}{text}' || i FROM generate_series(1, 8000) i");
	$main->safe_psql('postgres', "SELECT pg_switch_wal()");
	my $spilled = 0;
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$spilled = () = glob "$data_dir/pg_replslot/decoding/*.spill";
		last if $spilled;
		usleep(100_000);
	}
	ok($spilled, 'logical decoding keeps changes in files');
	is_deeply([ keys %{ search_files(\%markers, "$data_dir/pg_replslot") } ], [], 'no value in them');
	$session->query_safe('COMMIT');
	$session->quit;
	$receiver->signal('INT');
	$receiver->finish;
}

#
# Standby, base backup, dumps
#
$main->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($main, 'backup', has_streaming => 1);
$standby->start;
$main->wait_for_catchup('standby');
is($standby->safe_psql('postgres', "SELECT c_text FROM v WHERE c_text = '$text'"), $text, 'the standby reads values');
my ($rc, $out, $err) = $standby->psql('postgres', 'SELECT c_text::integer FROM v');
like($err, qr/mArKeR/, 'and the errors about them');

sub dump_database
{
	my ($name, $options, @arguments) = @_;
	local $ENV{PGOPTIONS} = $options;
	$main->command_ok([ 'pg_dump', '-d', $main->connstr('postgres'), '--no-subscriptions', '-f', "$tempdir/$name", @arguments ],
		"dump: $name");
}

sub restore_database
{
	my ($name, $options) = @_;
	my $db = $name =~ s/\W/_/gr;
	local $ENV{PGOPTIONS} = $options;
	$main->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$main->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $main->connstr($db), '-f', "$tempdir/$name" ], "restore: $name");
	local $ENV{PGOPTIONS} = '';
	is($main->safe_psql($db, "SELECT $columns FROM v WHERE way = 'literal'"), join('|', values_of('literal')),
		"$name: values are restored");
}
$main->safe_psql('postgres', "INSERT INTO n (k) VALUES ('" . leak_value('plain-dump') . "')");
dump_database('plain.sql', '');
dump_database('inserts.sql', '', '--inserts');
leaks('plain-dump', "$tempdir/plain.sql");
restore_database('plain.sql', '');
restore_database('inserts.sql', '');
dump_database('sealed.sql', '-c cellenc.output=sealed', '-T', 'd');
restore_database('sealed.sql', '-c cellenc.input=sealed');

#
# The list
#

# Relations' files of a server, in which, unlike in the WAL, no value is parted by
# the header of a page.
sub checkpointed
{
	my ($server) = @_;
	$server->safe_psql('postgres', 'CHECKPOINT');
	return $server->data_dir . '/base';
}
sub sql { $main->safe_psql('postgres', join '; ', @_) }
my $leak = 'statement-log';
sql("SET log_statement = 'all'", "INSERT INTO n (k) VALUES ('${\leak_value($leak)}')");
leaks($leak, $main->logfile);

$leak = 'failed-statement';
fails($leak, "INSERT INTO n (k) VALUES ('${\leak_value($leak)}') oops", qr/syntax error/);
leaks($leak, $main->logfile);

$leak = 'function-parameter';
is(protocol('postgres', 'SELECT put_text($1)', 0, '-c log_statement=all', leak_value($leak)), '', $leak);
leaks($leak, $main->logfile);

$leak = 'raise';
sql("INSERT INTO n (k) VALUES ('${\leak_value($leak)}')",
	"DO \$\$ BEGIN RAISE LOG '%', (SELECT k FROM n WHERE k LIKE '%leak $leak%'); END \$\$");
leaks($leak, $main->logfile);

$leak = 'statement-statistics';
sql('SET pg_stat_statements.track_utility = on', "DO \$\$ BEGIN UPDATE n SET k = '${\leak_value($leak)}' WHERE k = 'none'; END \$\$");
leaks($leak, "$data_dir/pg_stat_tmp");

$leak = 'activity';
{
	my $session = $main->background_psql('postgres');
	$session->query_safe("SELECT count(*) FROM n WHERE k = '${\leak_value($leak)}'");
	append_to_file("$tempdir/activity", $main->safe_psql('postgres', 'SELECT query FROM pg_stat_activity'));
	leaks($leak, "$tempdir/activity");
	$session->quit;
}

$leak = 'plain-copy';
sql("INSERT INTO n (k) VALUES ('${\leak_value($leak)}')", "CREATE TABLE cast_copy AS SELECT k::text FROM n WHERE k LIKE '%leak $leak%'");
leaks($leak, checkpointed($main));

$leak = 'stored-condition';
sql("CREATE VIEW condition AS SELECT t FROM n WHERE k = '${\leak_value($leak)}'");
sub dump_catalogs
{
	my ($file) = @_;
	open my $handle, '>', $file or die;
	print $handle $main->safe_psql('postgres', "SELECT c::text FROM $_ c"), "\n"
	  foreach split /\n/, $main->safe_psql('postgres',
		q{SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('pg_catalog'::regnamespace, 'cellenc'::regnamespace)});
	close $handle;
}
dump_catalogs("$tempdir/catalogs");
leaks($leak, "$tempdir/catalogs");

$leak = 'sealed-dump-constant';
sql("CREATE TABLE constant (t enctext('pii') DEFAULT '${\leak_value($leak)}')");
dump_database('constant.sql', '-c cellenc.output=sealed', '-t', 'constant');
leaks($leak, "$tempdir/constant.sql");

$leak = 'logical-replication';
sql("CREATE TABLE subscribed (t enctext('pii', 'order') PRIMARY KEY)", 'CREATE PUBLICATION subscribed FOR TABLE subscribed');
$source->safe_psql('postgres',
	"CREATE SUBSCRIPTION subscribed CONNECTION '${\$main->connstr} dbname=postgres' PUBLICATION subscribed");
$source->wait_for_subscription_sync($main, 'subscribed');
sql("INSERT INTO subscribed VALUES ('${\leak_value($leak)}')");
$main->wait_for_catchup('subscribed');
leaks($leak, checkpointed($source));

$leak = 'foreign-table';
sql('CREATE EXTENSION postgres_fdw',
	"CREATE SERVER remote FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '${\$source->host}', port '${\$source->port}', dbname 'postgres')",
	'CREATE USER MAPPING FOR CURRENT_USER SERVER remote',
	"CREATE FOREIGN TABLE remote (t enctext('pii')) SERVER remote",
	"INSERT INTO remote VALUES ('${\leak_value($leak)}')");
leaks($leak, checkpointed($source));

is_deeply([ sort keys %provoked ], [ sort keys %leaks ], 'all of doc/leaks.md has been provoked');

#
# A crash: no core of a process that had keys in its memory
#
{
	my $session = $main->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe("SELECT pg_backend_pid()");
	my ($postmaster) = slurp_file("$data_dir/postmaster.pid") =~ /^(\d+)/;

	$session->query_safe('SELECT count(k) FROM n WHERE k = \'x\'');
	SKIP:
	{
		skip 'no prlimit', 1 unless system("prlimit --pid $pid --core=unlimited:unlimited 2>/dev/null") == 0
		  || system("prlimit --pid $pid --core=: 2>/dev/null") == 0;
		skip 'running as root', 1 if $< == 0;
		ok(!open(my $environment, '<', "/proc/$pid/environ"), 'a process that has keys is not dumpable');
	}
	kill 'ABRT', $pid;
	$main->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
	$session->{run}->kill_kill;
	is_deeply([ glob("$data_dir/core*") ], [], 'there is no core');
}

#
# The search
#
$main->wait_for_catchup('standby');
sql('SELECT pg_switch_wal()');
dump_catalogs("$tempdir/catalogs");
$standby->stop;
$main->stop;
my %places = (
	'the data directory' => $data_dir,
	'the log' => $main->logfile,
	'the standby' => $standby->data_dir,
	"the standby's log" => $standby->logfile,
	'the base backup' => $main->backup_dir,
	'the sealed dump' => "$tempdir/sealed.sql",
	'the catalogs' => "$tempdir/catalogs");
foreach my $place (sort keys %places)
{
	$found = search_files(\%markers, $places{$place});
	my @unexpected = grep { !/^(control|leak) / } sort keys %$found;

	is_deeply(\@unexpected, [], "no value is in $place");
	foreach my $marker (@unexpected)
	{
		diag("$marker: $_: @{ $found->{$marker}{$_} }") foreach sort keys %{ $found->{$marker} };
	}
	next if $place =~ /log$|catalogs$/;
	# of four bytes, only the text is sought
	my @sought = grep { $place =~ /dump/ || !/^(date|float4|int4)$/ } @types;
	is_deeply([ map { /^control (.*)/ ? $1 : () } sort keys %$found ], \@sought, "plain values are in $place");
}

$source->stop;
done_testing();
