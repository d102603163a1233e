#
# Server encodings: values round-trip in each, and a sealed value that was moved
# to a database of another encoding fails instead of being misread.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main', extra => [ '--no-locale', '--encoding=UTF8' ]);
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';

# What each encoding can hold, as escapes of a UTF-8 client; of SQL_ASCII,
# which converts nothing, bytes that are valid in no other.
my %texts = (
	UTF8 => "gr\xc3\xbc\xc3\x9fe \xf0\x9f\x94\x91 \xe6\x97\xa5",
	LATIN1 => "gr\xc3\xbc\xc3\x9fe \xc2\xa3",
	EUC_JP => "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xef\xbd\xb1",
	SQL_ASCII => "bytes \x80\xff\xfe");
my @encodings = qw(UTF8 LATIN1 EUC_JP SQL_ASCII);

sub client
{
	my ($encoding) = @_;
	return $encoding eq 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
}

# Rows of the key tables are ASCII.
sub dump_keys
{
	my ($db) = @_;
	system_or_bail('pg_dump', '--data-only', '--table=cellenc.*', '--encoding=SQL_ASCII',
		'-f', $dump, $node->connstr($db));
}

foreach my $encoding (@encodings)
{
	my $db = lc $encoding;
	my $text = $texts{$encoding};
	local $ENV{PGCLIENTENCODING} = client($encoding);

	$node->safe_psql('postgres',
		"CREATE DATABASE $db ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql(
		$db, qq{
		CREATE EXTENSION cellenc;
		SELECT cellenc_create_key('pii');
		CREATE TABLE secrets (id integer, v enctext('pii'), n encint4('pii'), a enctext('pii', 'equality')[],
			j encjsonb('pii'));
		INSERT INTO secrets VALUES (1, '$text', 42, ARRAY['$text', 'x'], to_jsonb('$text'::text));
	});
	is($node->safe_psql($db, 'SELECT v FROM secrets'), $text, "$encoding: text");
	is($node->safe_psql($db, 'SELECT a[1] FROM secrets'), $text, "$encoding: array");
	is($node->safe_psql($db, "SELECT j #>> '{}' FROM secrets"), $text, "$encoding: jsonb");
	is($node->safe_psql($db, "SELECT v = '$text', length(v::text) FROM secrets"),
		't|' . $node->safe_psql($db, "SELECT length('$text')"), "$encoding: comparison and length");
}

#
# The same keys in a database of another encoding
#
foreach my $from (@encodings)
{
	my @sealed = map { sealed_values($node, lc $from, "SELECT $_ FROM secrets") } qw(v n);

	dump_keys(lc $from);
	foreach my $to (@encodings)
	{
		my $db = lc("${from}_$to");

		$node->safe_psql('postgres', "CREATE DATABASE $db ENCODING '$to' LOCALE 'C' TEMPLATE template0");
		$node->safe_psql($db, 'CREATE EXTENSION cellenc');
		$node->command_ok(
			[ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr($db) ],
			"$from to $to: the keys are restored");
		$node->safe_psql($db, "CREATE TABLE secrets (v enctext('pii'), n encint4('pii'))");

		my $insert = "SET cellenc.input = sealed; INSERT INTO secrets VALUES ('$sealed[0]', '$sealed[1]')";
		if ($to eq $from)
		{
			local $ENV{PGCLIENTENCODING} = client($to);
			$node->safe_psql($db, $insert);
			is($node->safe_psql($db, 'SELECT v, n FROM secrets'), "$texts{$from}|42",
				"$from to $to: a sealed value opens");
		}
		else
		{
			sql_fails($node, $db, $insert,
				qr/XX001: value encrypted with key "pii" version 1 failed authentication.*server encoding/s,
				"$from to $to");
		}
	}
}

# Values that come before their keys are not opened yet, and fail when they are
dump_keys('utf8');
my ($sealed) = sealed_values($node, 'utf8', 'SELECT v FROM secrets');
foreach my $to (qw(UTF8 LATIN1))
{
	my $db = lc "early_$to";

	$node->safe_psql('postgres', "CREATE DATABASE $db ENCODING '$to' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql(
		$db, qq{
		CREATE EXTENSION cellenc;
		SET cellenc.unknown_key = allow;
		SET cellenc.input = sealed;
		CREATE TABLE secrets (v enctext('pii'));
		COPY secrets FROM STDIN;
$sealed
\\.
	});
	$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr($db) ],
		"keys after values: $to");
	if ($to eq 'UTF8')
	{
		is($node->safe_psql($db, 'SELECT v FROM secrets'), $texts{UTF8}, 'values before keys open');
	}
	else
	{
		sql_fails($node, $db, 'SELECT v FROM secrets', qr/XX001: .* failed authentication/,
			'values before keys in another encoding');
	}
}

$node->stop;
done_testing();
