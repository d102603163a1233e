#
# Expressions over encrypted columns behave as they do over plain ones: each
# line of test/expressions.txt on a plain and on an encrypted table.
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

my $list = "$FindBin::RealBin/../expressions.txt";
my $page = "$FindBin::RealBin/../../doc/differences.md";

# short name => base type
my %base = (
	text => 'text', bytea => 'bytea', int2 => 'smallint', int4 => 'integer', int8 => 'bigint',
	numeric => 'numeric', float4 => 'real', float8 => 'double precision', bool => 'boolean',
	date => 'date', time => 'time without time zone', timestamp => 'timestamp without time zone',
	timestamptz => 'timestamp with time zone', interval => 'interval', uuid => 'uuid',
	jsonb => 'jsonb', inet => 'inet', mood => 'mood', varchar => 'character varying');

my @columns = (
	[ t => 'text' ], [ y => 'bytea' ], [ i2 => 'int2' ], [ i4 => 'int4' ], [ i8 => 'int8' ],
	[ n => 'numeric' ], [ f4 => 'float4' ], [ f8 => 'float8' ], [ b => 'bool' ], [ d => 'date' ],
	[ ti => 'time' ], [ ts => 'timestamp' ], [ tz => 'timestamptz' ], [ iv => 'interval' ],
	[ u => 'uuid' ], [ j => 'jsonb' ], [ ip => 'inet' ], [ ta => 'text', '[]' ],
	[ ia => 'int4', '[]' ], [ m => 'mood' ], [ v => 'varchar' ]);

# What is run: tables, and the types of the encrypted ones.
my %side = (
	plain => { t => 'p', u => 'p2', type => sub { $_[0] } },
	encrypted => { t => 'e', u => 'e2', type => sub { "enc$_[0]('k', 'order')" } });

# Once clients are shown base types, the results must say so; until then, the
# names of the types are put in their place.
my $wire_types;

my $node = start_node('main');

sub read_list
{
	my ($group, @cases, %seen);

	foreach my $line (split /\n/, slurp_file($list))
	{
		next if $line =~ /^\s*(#|$)/;
		if ($line =~ /^== (.*)/)
		{
			$group = $1;
			next;
		}
		my %case = (group => $group, line => $line);
		($line, $case{help}) = ($1, $2) if $line =~ /^(.*?)\s+==>\s+(.*)$/;
		$case{expression} = $line;
		die "twice in $list: $line\n" if $seen{$line}++;
		push @cases, \%case;
	}
	return @cases;
}

# The statement of a line, and the arguments of its parameters.
sub statement
{
	my ($expression, $side) = @_;
	my ($args, $script);

	$args = $2 if $expression =~ s/^(.*?) <- (.*)$/$1/;
	$script = 1 if $expression =~ s/^SCRIPT //;
	if (!$script)
	{
		$expression = "SELECT id FROM \@t $expression ORDER BY id" if $expression =~ /^WHERE /;
		$expression = "SELECT id, $expression FROM \@t ORDER BY id"
		  unless $expression =~ /^(SELECT|WITH|VALUES|INSERT|UPDATE|DELETE) /;
	}
	$expression =~ s/\@(t|u)\b/$side->{$1}/g;
	$expression =~ s/\@(\w+)\b/exists $base{$1} ? $side->{type}->($1) : "\@$1"/ge;
	return { sql => $expression, args => $args, script => $script };
}

# psql's commands for a case: each part after a mark on both streams.
sub commands
{
	my ($number, $statement) = @_;
	my ($sql, $args, $script) = @$statement{qw(sql args script)};
	my @parts;

	if ($script)
	{
		push @parts, [ values => "BEGIN;\n\\set ON_ERROR_ROLLBACK on\n$sql\n\\set ON_ERROR_ROLLBACK off\nROLLBACK;" ];
	}
	else
	{
		push @parts, [ type => "$sql \\gdesc" ];
		push @parts, [ parameters => "BEGIN; PREPARE q AS $sql; "
			  . "SELECT parameter_types FROM pg_prepared_statements WHERE name = 'q'; ROLLBACK; DEALLOCATE ALL;" ]
		  if defined $args;
		push @parts, [ values => defined $args
			? "BEGIN; PREPARE q AS $sql; EXECUTE q($args); ROLLBACK; "
			# analyzed again, with the types that its parameters have by now
			. "DISCARD PLANS; BEGIN; EXECUTE q($args); ROLLBACK; DEALLOCATE ALL;"
			: "BEGIN; $sql; ROLLBACK;" ];
	}
	return join '', map { "\\echo >>> $number $_->[0]\n\\warn >>> $number $_->[0]\n$_->[1]\n" } @parts;
}

# Split at the marks: number => part => text
sub split_output
{
	my ($output) = @_;
	my %found;

	while ($output =~ /^>>> (\d+) (\w+)\n(.*?)(?=^>>> |\z)/msg)
	{
		$found{$1}{$2} = $3;
	}
	return \%found;
}

# Run all statements in one session; results by number and part.
sub run_all
{
	my ($db, @statements) = @_;
	my ($out, $err) = ('', '');
	my $script = "\\set VERBOSITY sqlstate\n\\pset null NULL\nSET my.tenant = 1;\nSET statement_timeout = '10s';\n"
	  . "SET TimeZone = 'America/New_York';\nSET search_path = public;\n";

	$script .= commands($_, $statements[$_]) foreach 0 .. $#statements;
	IPC::Run::run([ 'psql', '-XAtq', $node->connstr($db) ], '<', \$script, '>', \$out, '2>', \$err);

	my ($values, $errors) = (split_output($out), split_output($err));
	my @results;
	foreach my $number (0 .. $#statements)
	{
		my %result;
		foreach my $part (qw(type parameters values))
		{
			next unless exists $values->{$number}{$part};
			my $state = join ' ', ($errors->{$number}{$part} // '') =~ /ERROR:  (\w{5})/g;
			$result{$part} = $values->{$number}{$part} . ($state eq '' ? '' : "ERROR $state\n");
			$result{state} = $state if $state ne '';
		}
		push @results, \%result;
	}
	return @results;
}

# Names of encrypted types as those of their bases; one table as the other.
sub as_plain
{
	my ($part, $text) = @_;

	$text =~ s/\be(2?)\b/p$1/g;
	$text =~ s/"//g if $part eq 'parameters';
	$text =~ s/\benc(\w+)(\([^()]*\))?/exists $base{$1} ? $base{$1} : "enc$1"/ge
	  if !$wire_types && $part ne 'values';
	return $text;
}

# The parts in which two results differ.
sub differing
{
	my ($plain, $encrypted) = @_;

	return grep {
		as_plain($_, $plain->{$_} // '') ne as_plain($_, $encrypted->{$_} // '')
	} qw(type parameters values);
}

sub show
{
	my ($plain, $encrypted, @parts) = @_;

	return join "\n", map {
		"$_, plain:\n$plain->{$_}\n$_, encrypted:\n" . as_plain($_, $encrypted->{$_})
	} @parts;
}

# As the page shows an expression, in bytes.
sub shown
{
	my ($expression) = @_;

	$expression =~ s/^SCRIPT //;
	$expression =~ s/ <- .*$//;
	$expression =~ s/\@t\b/e/g;
	$expression =~ s/\@u\b/e2/g;
	$expression =~ s/\@(\w+)/exists $base{$1} ? $side{encrypted}{type}->($1) : "\@$1"/ge;
	$expression =~ s/\|/\\|/g;
	return $expression;
}

# The tables of these sides, in a new database.
sub create_tables
{
	my ($db, @sides) = @_;
	my $encrypted = grep { $_->{t} eq 'e' } @sides;
	my $sql = "CREATE TYPE numrow AS (a numeric);\nCREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');\n";

	$sql .= "CREATE EXTENSION cellenc;\nSELECT cellenc_create_key('k');\n"
	  . "SELECT cellenc_grant_key('k', 'reader');\nSELECT cellenc_create_type('encmood', 'mood');\n"
	  . "SELECT cellenc_create_type('encvarchar', 'varchar');\n"
	  if $encrypted;
	foreach my $side (@sides)
	{
		foreach my $name (@$side{qw(t u)})
		{
			my $unique = $name =~ /2$/ ? ', PRIMARY KEY (id), UNIQUE (i8)' : '';

			$sql .= "CREATE TABLE $name (id integer, "
			  . join(', ', map { "$_->[0] " . $side->{type}->($_->[1]) . ($_->[2] // '') } @columns)
			  . "$unique);\n";
		}
	}
	$sql .= q{
		INSERT INTO p VALUES
			(1, 'hello', '\x00ff', 7, 42, 9000000000, 10.50, 0.1, 0.1, true, '2024-02-29', '12:34:56',
			 '2024-02-29 12:34:56', '2024-02-29 12:34:56+00', '1 day 02:00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
			 '{"a": 1, "l": [1, 2], "o": {"k": "v"}}', '192.168.1.5', '{a,b}', '{1,2}', 'ok', 'one'),
			(2, 'world', '\x616263', -3, -17, 42, -2.25, 1.5, -7.75, false, '2024-03-01', '23:59:59',
			 '2024-02-29 00:00:00', '1999-12-31 23:59:59+00', '36 hours', 'ffffffff-ffff-ffff-ffff-ffffffffffff',
			 '{"a": 2, "b": null, "l": []}', '10.1.2.3/8', '{b,NULL}', '{42}', 'happy', 'two'),
			(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
			 NULL, NULL, NULL, NULL),
			(4, '', '', 32767, 2147483647, 9223372036854775807, 'NaN', 'NaN', 'NaN', true, 'infinity', '00:00',
			 'infinity', 'infinity', '-1 mon', '00000000-0000-0000-0000-000000000000', '[]', '::1', '{}', '{}', 'sad', ''),
			(5, 'hello', '\x00ff', -32768, -2147483648, -9223372036854775808, 10.5, -0.0, 'infinity', NULL,
			 '-infinity', '24:00', '-infinity', '-infinity', '24:00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
			 '{"a": 1.0, "l": [1, 2], "o": {"k": "v"}}', '192.168.1.5', '{a,b}', '{1,2}', 'ok', 'one'),
			(6, 'Hé "l_o%' || chr(128169), '\x5c78', 1, 0, 1, 0, 16777216, -0.0, false, '0001-01-01 BC', '00:00:00.000001',
			 '2024-02-29 12:34:56.789', '2024-02-29 07:34:56-05', '1 year -1 day', '12345678-1234-1234-1234-123456789abc',
			 '"text"', 'fe80::1/64', '{"x y",a}', '{0,NULL}', 'ok', 'One%');
		INSERT INTO p2 SELECT id, t, y, i2, i4, i8, n, f4, f8, b, d, ti, ts, tz, iv, u, j, ip, ta, ia, m, v FROM p WHERE id IN (1, 3);
		INSERT INTO p2 VALUES
			(2, 'other', '\x00', 42, 7, -17, 42, 2, 42, false, '2024-01-01', '01:00', '2024-02-29', '2024-02-29 00:00+00',
			 '1 day', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '{}', '10.1.2.3/8', '{a}', '{1}', 'happy', 'hello'),
			(4, 'HELLO', '\xff', 7, 42, 42, 10.5, 0.1, 0.1, true, '2024-02-29', '12:34:56', '2024-03-01', '2024-02-29',
			 '26 hours', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '192.168.1.5', '{a,b}', '{1,2}', 'ok', 'one');
	};
	$sql .= "INSERT INTO e SELECT * FROM p; INSERT INTO e2 SELECT * FROM p2;" if $encrypted;
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$node->safe_psql($db, $sql);
}

my @cases = read_list();
cmp_ok(scalar(@cases), '>=', 350, 'at least 350 expressions');

$node->safe_psql('postgres', 'CREATE ROLE reader');
create_tables('x', @side{qw(plain encrypted)});
create_tables('without', $side{plain});
$wire_types =
  $node->safe_psql('x', "SELECT count(*) FROM pg_settings WHERE name = 'cellenc.wire_types'");

my @plain = run_all('x', map { statement($_->{expression}, $side{plain}) } @cases);
my @encrypted = run_all('x', map { statement($_->{expression}, $side{encrypted}) } @cases);

my @without = run_all('without', map { statement($_->{expression}, $side{plain}) } @cases);

# The extension changes nothing for plain tables; where a line names its types, there are none.
my @ordinary = grep { $cases[$_]{line} !~ /\benc[a-z]/ } 0 .. $#cases;
is_deeply([ map { [ $cases[$_]{line}, $plain[$_] ] } @ordinary ],
	[ map { [ $cases[$_]{line}, $without[$_] ] } @ordinary ],
	'plain tables beside the extension and without it');

foreach my $number (0 .. $#cases)
{
	my $case = $cases[$number];
	my @parts = differing($plain[$number], $encrypted[$number]);
	my $diff = show($plain[$number], $encrypted[$number], @parts);

	if (!defined $case->{help})
	{
		ok(@parts == 0, "$case->{group}: $case->{expression}") or diag($diff);
		next;
	}

	# a known difference: it is there, and it is an error or one of types alone
	ok(@parts > 0, "differs: $case->{expression}");
	next if $case->{group} =~ /^differs in value: /;
	ok(defined $encrypted[$number]{state} || !(grep { $_ eq 'values' } @parts),
		"not silently: $case->{expression}") or diag($diff);
}

# what to write instead does on both what the expression does on the plain one
my @differing = grep { defined $_->{help} && $_->{help} ne '-' } @cases;
my @asked = run_all('x', map { statement($_->{expression}, $side{plain}) } @differing);
my @helped = run_all('x', map { statement($_->{help}, $side{encrypted}) } @differing);
foreach my $number (0 .. $#differing)
{
	my @parts = grep { $_ eq 'values' } differing($asked[$number], $helped[$number]);

	ok(@parts == 0, "helps: $differing[$number]{help}")
	  or diag(show($asked[$number], $helped[$number], @parts));
}

# the page lists exactly these
my $documented = slurp_file($page);
my $listed = 0;
foreach my $case (grep { defined $_->{help} } @cases)
{
	my ($reason) = $case->{group} =~ /^differs(?: in value)?: (.*)/;

	$listed++;
	ok(index($documented, "| `" . shown($case->{expression}) . "` | "
			  . ($case->{help} eq '-' ? '–' : '`' . shown($case->{help}) . '`') . " |\n") >= 0
		  && index($documented, "\n## $reason\n") >= 0,
		"documented: $case->{expression}");
}
is(() = $documented =~ /^\| `/mg, $listed, 'nothing else is documented');

done_testing();
