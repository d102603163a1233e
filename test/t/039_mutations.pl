#
# Input that is nearly right does no harm: test/fuzz/server sends mutations of
# values, sealed texts, stored bytes and bundles of keys to a server, and
# compares what encrypted and plain columns make of them.
#
# FUZZ_SECONDS: how long (5); FUZZ_SEED: of a run to repeat.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main', conf => "timezone = UTC\nlog_statement = none\nlog_min_error_statement = panic\n");

# Base type => values to begin with.
my %values = (
	text => [ "'Ada'", "'Zo\xc3\xab \\ \"x\" {1,2}'", "''", "repeat('long ', 100)" ],
	varchar => [ "'v'", "'a longer one'" ],
	bytea => [ "'\\x00ff'", "'abc'", "''" ],
	int2 => [ '1', '-32768' ],
	int4 => [ '42', '-2147483648', '0' ],
	int8 => [ '10000000000', '-1' ],
	numeric => [ '12.50', "'NaN'", "'-Infinity'", '-0.000001', '123456789012345678901234567890' ],
	float4 => [ '0.25', "'NaN'", "'-0'" ],
	float8 => [ '0.5', "'Infinity'", '1e-300' ],
	bool => [ 'true', 'false' ],
	date => [ "'2024-02-29'", "'infinity'", "'0044-03-15 BC'" ],
	time => [ "'06:30'", "'24:00:00'" ],
	timestamp => [ "'1999-12-31 23:59'", "'-infinity'" ],
	timestamptz => [ "'2024-02-29 12:00+02'", "'infinity'" ],
	interval => [ "'1 day -02:03:04.5'", "'-1 year 2 mons'" ],
	uuid => [ "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'" ],
	jsonb => [ q('{"a": [1, null, "x"], "b": {"c": 1e5}}'), q('[]'), q('"s"') ],
	inet => [ "'10.0.0.1/8'", "'2001:db8::1'" ],
	mood => [ "'glad'", "'sad'" ]);
my %no_term = map { $_ => 1 } qw(bool mood);

my $sql = q{
	CREATE TYPE mood AS ENUM ('sad', 'glad');
	SELECT cellenc_create_type('encmood', 'mood'), cellenc_create_type('encvarchar', 'varchar');
	SELECT cellenc_create_key('pii');
	CREATE SCHEMA enc;
	CREATE SCHEMA plain;
	CREATE TYPE enc.pair AS (a enctext('pii'), b encint4('pii'));
	CREATE TYPE plain.pair AS (a text, b int4);
	CREATE DOMAIN enc.word AS enctext('pii') CHECK (VALUE <> 'bad');
	CREATE DOMAIN plain.word AS text CHECK (VALUE <> 'bad');
};

sub add_table
{
	my ($name, $plain, $enc, $values, $index) = @_;

	$sql .= "CREATE TABLE $_->[0].$name (id integer GENERATED ALWAYS AS IDENTITY, c $_->[1]);"
	  foreach ([ plain => $plain ], [ enc => $enc ]);
	$sql .= "INSERT INTO plain.$name (c) VALUES (" . join('), (', @$values) . ");\n";
	$sql .= "INSERT INTO enc.$name (c) VALUES (" . join('), (', @$values) . ");\n";
	$sql .= "CREATE INDEX ON enc.$name $index;\n" if $index;
}

foreach my $type (sort keys %values)
{
	add_table("${type}_none", $type, "enc$type('pii')", $values{$type});
	add_table("${type}_equality", $type, "enc$type('pii', 'equality')", $values{$type}, 'USING hash (c)')
	  unless $no_term{$type};
	add_table("${type}_order", $type, "enc$type('pii', 'order')", $values{$type}, '(c)');
	# bytes that nobody sealed, as if they had been stored
	$sql .= "CREATE CAST (bytea AS enc$type) WITHOUT FUNCTION;\n" unless $type eq 'bytea';
}
add_table('text_array', 'text[]', "enctext('pii')[]", [ q('{a,NULL,"b c"}'), q('{}'), q('[2:3]={x,y}'), q('{{1,2},{3,4}}') ]);
add_table('int_array', 'int4[]', "encint4('pii')[]", [ q('{1,NULL,-2}'), q('{}') ]);
add_table('composite', 'plain.pair', 'enc.pair', [ q('(x,1)'), q('("a b",)') ]);
add_table('domain', 'plain.word', 'enc.word', [ "'good'", "'better'" ]);
$node->safe_psql('postgres', $sql);

local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGCLIENTENCODING => 'UTF8');
# the same at each run of the tests, others when asked to go on for longer
my @seed = $ENV{FUZZ_SEED} || ($ENV{FUZZ_SECONDS} ? () : 1);
my $ok = system_log("$FindBin::RealBin/../fuzz/build/server", $ENV{FUZZ_SECONDS} || 5, @seed) == 0;
ok($ok, 'mutations of values and keys');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP:|was terminated by signal|PANIC/, 'no process of the server died');

done_testing();
