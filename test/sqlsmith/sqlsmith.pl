#
# SQLsmith's random statements on a schema full of encrypted columns, by a role
# without rights but on the keys, while its values are rotated again and again:
# no process of the server dies, no error is an internal one, and the log has no
# value.  "sudo make test-sqlsmith" runs it.
#
# SQLSMITH_SECONDS: how long (900); SQLSMITH_SEED: of a run to repeat.
#
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../t";

use CellencTest;
use IPC::Run ();
use LeakSearch;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{SQLSMITH_SECONDS} || 900;
my $seed = $ENV{SQLSMITH_SEED} || $$;
my $rows = 20;

my $node = start_node('main', conf => q{
timezone = UTC
logging_collector = on
log_directory = 'log'
log_filename = 'server.log'
log_rotation_size = 0
log_destination = 'stderr,csvlog'
log_error_verbosity = verbose
log_statement = none
cellenc.job_max_wal_rate = 0
});
my $log_dir = $node->data_dir . '/log';

#
# Tables of every type with every search, and what else there is to stumble
# over; all values are markers that the log is searched for.
#

my @types = (marker_types(), qw(bool int2));
my %no_term = (bool => 1);
my %markers;

sub value
{
	my ($type, $name) = @_;

	return $type eq 'bool' ? "'t'" : "'" . int(rand 1000) . "'" if $type =~ /^(bool|int2)$/;
	my $value = marker_value($type, $name);
	$markers{$name} = [ $type, $value ];
	return "'$value'";
}

sub make_schema
{
	my $sql = q{
		CREATE ROLE smith LOGIN;
		SELECT cellenc_create_type('encvarchar', 'varchar');
		SELECT cellenc_create_key('pii'), cellenc_create_key('pay');
		SELECT cellenc_grant_key('pii', 'smith'), cellenc_grant_key('pay', 'smith');
	};

	foreach my $search (qw(none equality order))
	{
		my @columns = grep { $search ne 'equality' || !$no_term{$_} } @types;

		$sql .= "CREATE TABLE all_$search (id integer PRIMARY KEY, note text, "
		  . join(', ', map { "c_$_ enc$_('pii', '$search')" } @columns) . ");\n";
		foreach my $id (1 .. $rows)
		{
			$sql .= "INSERT INTO all_$search VALUES ($id, 'plain', "
			  . join(', ', map { $id % 7 ? value($_, "${search}$_$id") : 'NULL' } @columns) . ");\n";
		}
		$sql .= "CREATE INDEX ON all_$search USING hash (c_$_);\n" foreach $search eq 'equality' ? @columns : ();
		$sql .= "CREATE INDEX ON all_$search (c_$_);\n" foreach $search eq 'order' ? @columns : ();
		$sql .= "CREATE UNIQUE INDEX ON all_$search (c_text cellenc.enctext_term_ops);\n" if $search eq 'equality';
	}

	my $text = sub { value('text', $_[0]) };
	$sql .= q{
		CREATE TYPE person AS (name enctext('pii'), pay encnumeric('pay'));
		CREATE DOMAIN word AS enctext('pii', 'equality') CHECK (VALUE <> '');
		CREATE TABLE containers (id integer PRIMARY KEY, tags enctext('pii')[], numbers encint4('pay')[], boss person,
			staff person[], w word);
		CREATE TABLE parted (region text, name enctext('pii', 'order'), pay encnumeric('pay', 'order')) PARTITION BY LIST (region);
		CREATE TABLE parted_north PARTITION OF parted FOR VALUES IN ('north');
		CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
		CREATE INDEX ON parted (name);
		CREATE TABLE parent (code enctext('pii', 'order') PRIMARY KEY, amount encint8('pay', 'order') DEFAULT 7);
		CREATE TABLE child (code enctext('pii', 'order') REFERENCES parent, n encint4('pay', 'equality') CHECK (n > 0),
			at enctimestamptz('pii'));
		CREATE TABLE guarded (owner text, secret enctext('pii', 'order'), score encfloat8('pay', 'order'));
		ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON guarded USING (owner = current_user OR secret < 'x');
		CREATE VIEW joined AS SELECT o.id, o.c_text, e.c_int8, n.c_jsonb, upper(o.c_text) AS loud
			FROM all_order o JOIN all_equality e USING (id) LEFT JOIN all_none n USING (id);
		CREATE VIEW few WITH (security_barrier) AS SELECT id, c_text, c_date, c_numeric FROM all_order WHERE c_int2 < 500;
		CREATE VIEW sums AS SELECT region, count(*), sum(pay) AS total, max(name) AS last FROM parted GROUP BY region;
		CREATE MATERIALIZED VIEW kept AS SELECT id, c_text, c_uuid, c_inet FROM all_equality;
		CREATE FUNCTION same(x enctext) RETURNS enctext LANGUAGE sql IMMUTABLE AS 'SELECT x';
		CREATE FUNCTION pay_of(x integer) RETURNS encint8 LANGUAGE plpgsql STABLE AS
			'DECLARE r all_order.c_int8%TYPE; BEGIN SELECT c_int8 INTO r FROM all_order WHERE id = x; RETURN r; END';
		CREATE FUNCTION is_long(x encnumeric) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN x > 1000; END';
	};
	foreach my $id (1 .. $rows)
	{
		my $region = $id % 3 ? 'north' : 'south';
		my ($name, $number) = ($text->("person$id"), value('numeric', "pay$id"));
		my $code = $text->("code$id");

		$sql .= "INSERT INTO containers VALUES ($id, ARRAY[" . join(', ', map { $text->("tag$id-$_") } 1 .. 3)
		  . "], ARRAY[" . value('int4', "n$id") . ", NULL]::int4[], ROW($name, $number), ARRAY[ROW($name, $number)::person], "
		  . $text->("word$id") . ");\n";
		$sql .= "INSERT INTO parted VALUES ('$region', " . $text->("parted$id") . ', ' . value('numeric', "parted-pay$id") . ");\n";
		$sql .= "INSERT INTO parent VALUES ($code, " . value('int8', "amount$id") . ");\n";
		$sql .= "INSERT INTO child VALUES ($code, " . value('int4', "child$id") . ', ' . value('timestamptz', "at$id") . ");\n";
		$sql .= "INSERT INTO guarded VALUES ('" . ($id % 2 ? 'smith' : 'other') . "', " . $text->("guarded$id") . ', '
		  . value('float8', "score$id") . ");\n";
	}
	return $sql . q{
		REFRESH MATERIALIZED VIEW kept;
		GRANT ALL ON ALL TABLES IN SCHEMA public TO smith;
		ANALYZE;
	};
}

$node->safe_psql('postgres', make_schema());

sub count_rows
{
	my @tables = split /\n/, $node->safe_psql('postgres', q{
		SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm') ORDER BY relname});

	return $node->safe_psql('postgres', join ' UNION ALL ', map { "SELECT '$_', count(*) FROM $_" } @tables);
}

# Errors in csvlog
sub parse_csv_log
{
	my @errors;
	my $text = slurp_file("$log_dir/server.csv");

	foreach my $record (split /\n(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ UTC,)/, $text)
	{
		my @fields;
		push @fields, defined $1 ? $1 =~ s/""/"/gr : $2 while $record =~ /\G(?:"((?:[^"]|"")*)"|([^,]*))(?:,|\n?\z)/gc && @fields < 26;
		push @errors, { severity => $fields[11], state => $fields[12], message => $fields[13], query => $fields[19] // '',
			location => $fields[21] // '' } if ($fields[11] // '') =~ /^(ERROR|FATAL|PANIC)$/;
	}
	return @errors;
}

#
# The run
#

my $rows_before = count_rows();
my $connstr = $node->connstr('postgres') . ' user=smith';
my @smiths;
note("seed $seed");
# Schemas are never named in operators.  On the second's search_path, cellenc's
# own are found, most of whose others fail for the first.
foreach my $options ('', " options='-c search_path=public,cellenc'")
{
	my %smith = (err => '');

	$smith{run} = IPC::Run::start([ 'sqlsmith', "--target=$connstr$options", '--seed=' . $seed++, '--verbose' ],
		'>', '/dev/null', '2>', \$smith{err});
	push @smiths, \%smith;
}

my $end = time + $seconds;
my $rotations = 0;
my @rotation_errors;

while (time < $end)
{
	foreach my $sql ('SELECT cellenc_rotate_keys()', 'CALL cellenc_wait()', 'VACUUM ANALYZE')
	{
		my ($rc, undef, $stderr) = $node->psql('postgres', $sql, timeout => 600, timed_out => \my $timed_out);
		push @rotation_errors, "$sql: $stderr" if $timed_out || $rc != 0;
	}
	$rotations++;
	last if @rotation_errors;
	$_->{run}->pump_nb foreach @smiths;
	last if grep { !$_->{run}->pumpable } @smiths;
}
is(scalar(grep { $_->{run}->pumpable } @smiths), 2, 'SQLsmith went on to the end');
$_->{run}->kill_kill foreach @smiths;
is(join('', @rotation_errors), '', 'rotations beside it');
is(count_rows(), $rows_before, 'as many rows as before');
is($node->safe_psql('postgres', 'SELECT count(*), sum(n_failed) FROM cellenc_verify() WHERE n_failed > 0'), '0|', 'all values open');

my @errors = parse_csv_log();
$node->stop;

my $statements = 0;
$statements += length foreach grep { /^[.eStC]+$/ } map { split /\n/, $_->{err} } @smiths;
my %count;
$count{ $_->{state} }++ foreach @errors;
diag("$statements statements, $rotations rotations, " . scalar(@errors) . ' errors: '
	  . join(', ', map { "$_ $count{$_}" } sort { $count{$b} <=> $count{$a} } keys %count));
cmp_ok($statements, '>', $seconds / 10, 'statements were run');
cmp_ok($rotations, '>', 0, 'values were rotated');

#
# What went wrong
#

unlike(slurp_file($node->logfile) . slurp_file("$log_dir/server.log"), qr/TRAP:|was terminated by signal|PANIC:/,
	'no process of the server died');

# PostgreSQL's own: functions that meet an argument they do not like with one, and
# columns of a query that are of type unknown and no constants.
my $of_arguments = qr/^(intervaltypmodout), /;
my $of_unknown = qr/^failed to find conversion function from unknown to /;
my %internal;
$internal{"$_->{state} $_->{message} ($_->{location})"} //= $_->{query}
  foreach grep { $_->{state} =~ /^XX/ && $_->{location} !~ $of_arguments
	  && !($_->{message} =~ $of_unknown && $_->{query} =~ /\bunknown(in|recv)\(/) } @errors;
is(join("\n", map { "$_: $internal{$_}" } sort keys %internal), '', 'no internal errors');

my %forms;
foreach my $name (keys %markers)
{
	my ($type, $value) = @{ $markers{$name} };
	# as the server or a function may print it; of bytes, what is in them
	my $all = forms_of($type, $value, $type eq 'bytea' ? substr($value, 2) : '00' x 16);
	$forms{$name} = { map { $_ => $all->{$_} } grep { /^plain/ } keys %$all };
}
my $found = search_files(\%forms, $log_dir);
is(join(', ', map { "$_ $markers{$_}[1]" } sort keys %$found), '', 'no value is in the log');
my @lines = grep { /marker-/i } split /\n/, slurp_file("$log_dir/server.log");
is(join("\n", splice @lines, 0, 5), '', 'nor a part of one');

done_testing();
