#
# The log has no values of encrypted columns, clients see what PostgreSQL tells
# them, and whatever has nothing to do with encrypted columns is logged as ever.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = start_node('main',
	conf => "session_preload_libraries = 'auto_explain'\nlog_line_prefix = '%q<%b> '\n"
	  . "log_destination = 'stderr,csvlog,jsonlog'\nlogging_collector = on\nlog_filename = 'server.log'\n"
	  . "log_directory = 'log'\nlog_statement = none\n");
my $log_dir = $node->data_dir . '/log';
my @logs = map { "$log_dir/server.$_" } qw(log csv json);

$node->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE ROLE clerk;
	CREATE TABLE people (id integer PRIMARY KEY, ssn enctext('pii', 'order') UNIQUE, age encint4('pii'), note text,
		CHECK (ssn <> 'bad'));
	CREATE TABLE things (id integer PRIMARY KEY, code text UNIQUE, age integer, CHECK (code <> 'bad'));
	GRANT SELECT ON people, things TO clerk;
	INSERT INTO people VALUES (1, 'SECRET-one', 7654321), (2, 'SECRET-two', 7654322);
	INSERT INTO things VALUES (1, 'SECRET-one', 7654321), (2, 'SECRET-two', 7654322);
	CREATE FUNCTION put_people(v text) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN EXECUTE 'INSERT INTO people VALUES (9, ' || quote_literal(v) || ')'; END $$;
	CREATE FUNCTION put_things(v text) RETURNS void LANGUAGE plpgsql AS
		$$ BEGIN EXECUTE 'INSERT INTO things VALUES (9, ' || quote_literal(v) || ')'; END $$;
});

# All of what the statements write to the logs.  A message marks the end,
# because the collector is another process.
my $marks = 0;

sub read_log
{
	my ($file, $offset) = @_;
	my $mark = 'mark ' . $marks;

	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $text = slurp_file($file, $offset);
		return $1 if $text =~ /^(.*)$mark/s;
		usleep(100_000);
	}
	die "the mark is not in $file";
}

sub logged
{
	my ($sql) = @_;
	my @offsets = map { -s $_ } @logs;
	my ($rc, $out, $err) = $node->psql('postgres', $sql);

	$marks++;
	$node->psql('postgres', "DO \$\$ BEGIN RAISE LOG 'mark $marks'; END \$\$");
	return ($err, map { read_log($logs[$_], $offsets[$_]) } 0 .. $#logs);
}

# A statement on things and, the same, on people: the client sees the value for
# both; the log has it for things alone, and $kept for both.
sub check
{
	my ($name, $sql, $value, @kept) = @_;

	foreach my $table (qw(things people))
	{
		my ($err, @texts) = logged($sql =~ s/TABLE/$table/gr);

		like($err, $value, "$name: the client sees it, $table") if $err ne '';
		foreach my $i (0 .. $#logs)
		{
			my ($format) = $logs[$i] =~ /(\w+)$/;
			if ($table eq 'things')
			{
				like($texts[$i], $value, "$name: in the $format of a plain table");
				unlike($texts[$i], qr/values of encrypted columns/, "$name: the $format of a plain table is as ever");
			}
			else
			{
				unlike($texts[$i], qr/SECRET|765432/, "$name: not in the $format");
			}
		}
		foreach my $kept (@kept)
		{
			my $regex = $kept =~ s/TABLE/$table/r;
			like($texts[0], qr/$regex/, "$name: kept, $table: $regex");
		}
	}
}

check('unique', "INSERT INTO TABLE VALUES (7, 'SECRET-one')", qr/\(SECRET-one\) already exists/,
	qr/ERROR:  duplicate key value violates unique constraint "TABLE_\w+"/, qr/STATEMENT:  INSERT INTO TABLE VALUES \(/);
check('failing row', "UPDATE TABLE SET age = 7654321 + 0, id = NULL WHERE id = 2", qr/Failing row contains \(null, SECRET-two, 7654321/,
	qr/ERROR:  null value in column "id" of relation "TABLE"/);
check('conversion', 'SELECT count(code::int) FROM (SELECT ' . "c AS code FROM TABLE AS x(i, c)) y", qr/SECRET-one/,
	qr/ERROR:  invalid input syntax for type /);
check('dynamic SQL', "SELECT put_TABLE('SECRET-two')", qr/SECRET-two/,
	qr/PL\/pgSQL function put_TABLE\(text\) line 1 at EXECUTE/);
check('COPY', "COPY TABLE (id, age) FROM STDIN;\nx\tSECRET-copied\n\\.\n", qr/x/, qr/CONTEXT:  COPY TABLE, line 1/);
check('COPY of a whole line', "COPY TABLE FROM STDIN;\n1\tSECRET-line\n\\.\n", qr/SECRET-line/, qr/CONTEXT:  COPY TABLE, line 1/);
check('duration', 'SET log_min_duration_statement = 0; SELECT count(*) FROM TABLE WHERE age = 7654321 /* SECRET */', qr/age = 7654321/,
	qr/LOG:  duration: [\d.]+ ms  statement: SELECT count\(\*\) FROM TABLE WHERE age/);

# auto_explain
my $explain = "SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;"
  . " SET auto_explain.log_nested_statements = on; SET log_min_error_statement = error;";
check('plan', "$explain SELECT FROM TABLE WHERE age = 7654321 AND note_or_code = 'SECRET-''q' -- it's SECRET\n"
	  =~ s/note_or_code/TABLE::text/r,
	qr/SECRET-''q/, qr/LOG:  duration: [\d.]+ ms  plan:\n\s*Query Text: /, qr/Seq Scan on TABLE  \(cost=[\d.]+ rows=\d+ width=\d+\) \(actual /,
	qr/Rows Removed by Filter: 2/);
foreach my $format (qw(json xml yaml))
{
	check("plan in $format", "$explain SET auto_explain.log_format = $format;"
		  . " SELECT FROM TABLE WHERE TABLE::text = E'SECRET\\\\-\\'q'",
		qr/SECRET/, qr/LOG:  duration: [\d.]+ ms  plan:/);
}

# Parameters: what the server logs before a statement that was prepared earlier runs
foreach my $table (qw(things people))
{
	my $column = $table eq 'things' ? 'code' : 'ssn';
	my @offsets = map { -s $_ } @logs;
	local $ENV{PGOPTIONS} = '-c log_statement=all -c log_min_duration_statement=0 -c plan_cache_mode=force_generic_plan'
	  . ' -c log_parameter_max_length_on_error=-1';

	$node->pgbench("--no-vacuum --client=1 --transactions=3 --protocol=prepared -D value=SECRET-parameter -D n=7654321",
		0, [qr/actually processed: 3\/3/], [qr/^$/], "pgbench: $table",
		{ "059_$table" => "UPDATE $table SET age = :n WHERE $column = :value;\nSELECT $column FROM $table WHERE $column = :value;\n" });
	$node->pgbench("--no-vacuum --client=1 --transactions=1 --protocol=extended -D value=SECRET-wrong",
		2, [qr/processed: 0/], [qr/SECRET-wrong/], "pgbench fails: $table",
		{ "059_bad_$table" => "UPDATE $table SET age = :value;\n" });
	{
		local $ENV{PGOPTIONS};
		$marks++;
		$node->psql('postgres', "DO \$\$ BEGIN RAISE LOG 'mark $marks'; END \$\$");
	}
	foreach my $i (0 .. $#logs)
	{
		my $text = read_log($logs[$i], $offsets[$i]);
		like($text, qr/UPDATE $table/, "statements are in $logs[$i]");
		if ($table eq 'things')
		{
			like($text, qr/SECRET-parameter/, "parameters are logged for things, $logs[$i]");
			like($text, qr/SECRET-wrong/, "wrong parameters are logged for things, $logs[$i]");
		}
		else
		{
			unlike($text, qr/SECRET|765432/, "parameters are not logged for people, $logs[$i]");
		}
	}
}

# Off, and by whom
my ($err, $text) = logged("SET cellenc.redact_logs = off; INSERT INTO people VALUES (7, 'SECRET-one')");
like($text, qr/SECRET-one/, 'not redacted if turned off');
sql_fails($node, 'postgres', 'SET ROLE clerk; SET cellenc.redact_logs = off', qr/42501/, 'setting is for superusers');

# One statement after another: only the first has to do with encrypted columns
($err, $text) = logged("SELECT count(*) FROM people;\n\\set x 1\nINSERT INTO things VALUES (7, 'SECRET-one')");
like($text, qr/\(SECRET-one\) already exists/, 'the next statement is logged as ever');

# In an aborted transaction, and with nothing logged
($err, $text) = logged("\\set ON_ERROR_STOP 0\nBEGIN; INSERT INTO people VALUES (1, 'SECRET-x', 7);\nROLLBACK;");
unlike($text, qr/SECRET/, 'in an aborted transaction');
($err, $text) = logged("SET log_min_messages = panic; INSERT INTO people VALUES (7, 'SECRET-one')");
like($err, qr/SECRET-one/, 'with log_min_messages = panic, the client sees the message');
unlike($text, qr/SECRET/, 'with log_min_messages = panic, nothing is logged');

# Parallel workers
my $parallel = $node->safe_psql('postgres',
	"SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')");
($err, $text) = logged("SET $parallel = on; SELECT ssn::integer FROM people");
like($err, qr/invalid input syntax.*SECRET/, 'an error in a parallel worker');
unlike($text, qr/SECRET/, 'errors of parallel workers are not in the log');

# Deferred constraints
($err, $text) = logged("CREATE TABLE later (ssn enctext('pii', 'order') UNIQUE DEFERRABLE INITIALLY DEFERRED);\n"
	  . "BEGIN; INSERT INTO later SELECT ssn FROM people; INSERT INTO later SELECT ssn FROM people;\nCOMMIT;");
like($err, qr/SECRET/, 'a deferred constraint');
unlike($text, qr/SECRET/, 'a deferred constraint in the log');

# Denials: logged with who, which key and what, but not for ever
($err, $text) = logged(q{
	SET ROLE clerk;
	DO $$ DECLARE n integer := 0; BEGIN
		FOR i IN 1 .. 1000 LOOP
			BEGIN PERFORM ssn FROM people WHERE ssn = 'x'; EXCEPTION WHEN insufficient_privilege THEN n := n + 1; END;
		END LOOP;
		RAISE NOTICE 'denied: %', n;
	END $$});
like($err, qr/denied: 1000/, 'all are refused');
is(scalar(() = $text =~ /LOG:  key denial: decrypt, key "pii", role "clerk"/g), 10, 'ten refusals are logged');

# Events
($err, $text) = logged("SELECT cellenc_grant_key('pii', 'clerk')");
like($text, qr/LOG:  key event: grant, key "pii", version 0, role "\w+"/, 'an event is logged');

#
# What cellenc_check() tells of the server's process: memory that cannot be
# locked, master keys that are not there, a network without TLS
#
my $findings = "SELECT string_agg(check_name, ' ' ORDER BY check_name) FROM cellenc_check() WHERE check_name IN"
  . " ('memory_lock', 'master_keys', 'ssl', 'log_hook', 'pg_stat_statements')";
unlike($node->safe_psql('postgres', $findings), qr/master_keys|ssl|log_hook|pg_stat/, 'cellenc_check() is silent where all is well');
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'pg_stat_statements, cellenc'\nlisten_addresses = '127.0.0.2'\n"
	  . "cellenc.master_key_file = ''\ncellenc.master_key_command = 'false'\n");
$node->stop;
system_or_bail('sh', '-c', 'ulimit -l 0 && exec "$@"', 'sh', 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, 'start');
my ($rc, $out, $stderr) = $node->psql('postgres', 'SELECT ssn FROM people');
like($stderr, qr/master key "default"/, 'the master key is missing');
is($node->safe_psql('postgres', $findings),
	# the address sanitizer has locks of memory do nothing
	'master_keys ' . ($node->config_data('--cflags') =~ /-fsanitize=\S*address/ ? '' : 'memory_lock ') . 'pg_stat_statements ssl',
	'cellenc_check() tells of the server');
system_or_bail('pg_ctl', '-w', '-D', $node->data_dir, 'stop');
done_testing();
