#
# Bad input that is no error: COPY ... ON_ERROR and pg_input_is_valid, where
# PostgreSQL has them.  What they tell has the base's SQLSTATE, not the value.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = init_node('main');
plan skip_all => 'input functions throw all errors before PostgreSQL 16' if $node->pg_version < 16;

$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION cellenc;
	SELECT cellenc_create_key('pii');
	SELECT cellenc_create_type('encregclass', 'regclass');
	CREATE ROLE clerk;
	CREATE TYPE pair AS (name enctext('pii'), born encdate('pii'));
	CREATE DOMAIN small AS encint4('pii') CHECK (VALUE::integer < 10);
	CREATE TABLE rows (id integer, n encint4('pii'), a encdate('pii')[], p pair);
	GRANT INSERT ON rows TO clerk;
});
my ($sealed) = sealed_values($node, 'postgres', "SELECT '7'::encint4('pii')");

# [type, valid text, bad text, SQLSTATE]
foreach my $case (
	[ "encint4('pii')", '42', 'secret', '22P02' ],
	[ "encint2", '1', '32768', '22003' ],
	[ 'encnumeric', '1.5', '1.5.5', '22P02' ],
	[ 'encfloat8', '1e10', '1e400', '22003' ],
	[ 'encdate', '2000-02-29', '1999-02-29', '22008' ],
	[ 'encjsonb', '{"a":1}', '{"secret":}', '22P02' ],
	[ 'encuuid', '00000000-0000-0000-0000-000000000000', 'secret', '22P02' ],
	[ "encint4('pii')[]", '{1,2}', '{1,secret}', '22P02' ],
	[ 'pair', '(x,2000-01-01)', '(x,secret)', '22007' ],
	[ 'small', '9', 'secret', '22P02' ],
	[ 'small', '9', '10', '23514' ],
	[ 'encregclass', 'pg_class', 'secret', '42P01' ],
	[ "enctext('pii')", 'x', $sealed, '22P02' ])
{
	my ($type, $valid, $bad, $state) = @$case;

	sql_is($node, 'postgres', "SELECT pg_input_is_valid(\$\$$valid\$\$, \$\$$type\$\$), pg_input_is_valid(\$\$$bad\$\$, \$\$$type\$\$)",
		't|f', "$type: valid, and not");
	my $told = $node->safe_psql('postgres', "SELECT * FROM pg_input_error_info(\$\$$bad\$\$, \$\$$type\$\$)");
	like($told, qr/\Q$state\E$/, "$type: SQLSTATE");
	unlike($told, qr/\Q$bad\E/, "$type: the value is not told: $told");
}

# sealed text where it is accepted
$node->safe_psql('postgres', 'ALTER ROLE clerk SET cellenc.input = sealed');
my $read_sealed = 'SET cellenc.input = sealed;';
sql_is($node, 'postgres', "$read_sealed SELECT pg_input_is_valid('$sealed', 'encint4'), pg_input_is_valid('cellenc:1:AAAA', 'encint4')",
	't|f', 'sealed text');
my $damaged = $sealed;
substr($damaged, -8, 1) =~ tr/A-Za-z/B-ZAb-za/ or substr($damaged, -8, 1) = 'A';
sql_fails($node, 'postgres', "$read_sealed SELECT pg_input_is_valid('$damaged', 'encint4')",
	qr/XX001: /, 'a damaged value is more than bad input');

# what is wrong with the key is no matter of the input
sql_fails($node, 'postgres', "SET ROLE clerk; SELECT pg_input_is_valid('1', 'encint4(''pii'')')",
	qr/42501: permission denied for key "pii"/, 'no right to the key');

SKIP:
{
	skip 'COPY has no ON_ERROR before PostgreSQL 17', 4 if $node->pg_version < 17;

	my $file = PostgreSQL::Test::Utils::tempdir() . '/rows.copy';
	append_to_file($file, join("\n", "1\t10\t{2000-01-01}\t(a,2000-01-01)", "2\tsecret\t\\N\t\\N",
			"3\t\\N\t{2000-01-01,secret}\t\\N", "4\t\\N\t\\N\t(a,secret)", "5\t$sealed\t\\N\t\\N", "6\t60\t\\N\t\\N") . "\n");
	my ($rc, $out, $err) = $node->psql('postgres', "COPY rows FROM '$file' (ON_ERROR ignore)");
	is($rc, 0, 'COPY passes by bad rows');
	is($err, 'psql:<stdin>:1: NOTICE:  4 rows were skipped due to data type incompatibility', 'and counts them');
	sql_is($node, 'postgres', 'SELECT * FROM rows ORDER BY id', "1|10|{2000-01-01}|(a,2000-01-01)\n6|60||", 'and stores the others');
	sql_fails($node, 'postgres', "SET ROLE clerk; COPY rows FROM STDIN (ON_ERROR ignore);\n1\t1\t\\N\t\\N\n\\.\n",
		qr/42501: permission denied for key "pii"/, 'not without a right to the key');
}

$node->stop;
done_testing();
