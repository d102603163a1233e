#
# cellenc.fips: refused where OpenSSL has no approved algorithms; where it has,
# values, keys and jobs work with those alone, and what one mode has sealed opens
# in the other.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $master_key = make_master_key();
my $node = start_node('main', master_key => $master_key);

# Each value has an IV of its own.
sub count_ivs
{
	my %ivs;
	$ivs{ substr parse_sealed($_)->{nonce}, 12 }++ foreach sealed_values($node, 'postgres', 'SELECT v FROM secrets');
	return scalar keys %ivs;
}

sub set_fips
{
	my ($value) = @_;
	$node->append_conf('postgresql.conf', "cellenc.fips = $value\n");
}

sql_is($node, 'postgres', 'SHOW cellenc.fips', 'off', 'off by default');
sql_fails($node, 'postgres', 'SET cellenc.fips = on', qr/ERROR:  55P02: .*cannot be changed without restarting/, 'only at start');
$node->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE secrets (id integer, v enctext('pii', 'order'), e enctext('pii', 'equality') DEFAULT 'same');
	INSERT INTO secrets SELECT i, 'value ' || i FROM generate_series(1, 100) i;
	CREATE UNIQUE INDEX ON secrets (v);
	CREATE INDEX ON secrets USING hash (e)});
$node->stop;

#
# No provider
#
set_fips('on');
{
	local $ENV{OPENSSL_CONF} = '/dev/null';
	my $log_size = -s $node->logfile;

	ok(!$node->start(fail_ok => 1), 'without a provider, the server does not start');
	like(
		slurp_file($node->logfile, $log_size),
		qr/FATAL:  cellenc\.fips is on, but OpenSSL has no provider.*DETAIL:  .*fips=yes.*HINT:  .*cellenc\.fips/s,
		'and tells why');
}

#
# With one
#
my ($conf) = run_command([ "$FindBin::RealBin/../fips-conf.sh", PostgreSQL::Test::Utils::tempdir() . '/fips' ]);
SKIP:
{
	skip 'no FIPS provider of OpenSSL here', 1 if !$conf;
	local $ENV{OPENSSL_CONF} = $conf;
	my $all = "SELECT count(*), md5(string_agg(v || e, ',' ORDER BY id)) FROM secrets";

	$node->start;
	sql_is($node, 'postgres', 'SHOW cellenc.fips', 'on', 'the server starts');
	sql_is($node, 'postgres', "SELECT v, e FROM secrets WHERE id = 7", 'value 7|same', 'older values open');
	sql_is($node, 'postgres', "SELECT id FROM secrets WHERE v = 'value 7'", 7, 'and are found');
	sql_is($node, 'postgres', "SELECT count(*) FROM secrets WHERE e = 'same'", 100, 'terms are the same');

	$node->safe_psql(
		'postgres', q{
		INSERT INTO secrets SELECT i, 'value ' || i FROM generate_series(101, 1000) i;
		SELECT cellenc_create_key('more');
		CREATE TABLE more (v encnumeric('more')[]);
		INSERT INTO more VALUES ('{1.5,2}')});
	is(count_ivs(), 1000, 'every value has an IV of its own');
	sql_is($node, 'postgres', 'SELECT v FROM more', '{1.5,2}', 'a new key works');
	$node->safe_psql('postgres', "SELECT cellenc_rotate_key('pii')");
	$node->safe_psql('postgres', "CALL cellenc_wait(timeout => '10 min')");
	sql_is($node, 'postgres', 'SELECT DISTINCT cellenc_key_version(v), cellenc_key_version(e) FROM secrets',
		'2|2', 'values are re-encrypted');
	is(count_ivs(), 1000, 'with IVs of their own');
	my $values = $node->safe_psql('postgres', $all);

	$node->restart;
	sql_is($node, 'postgres', $all, $values, 'values open after a restart');
	$node->stop;
	set_fips('off');
	$node->start;
	sql_is($node, 'postgres', $all, $values, 'and with fips off');
	sql_is($node, 'postgres', 'SELECT v FROM more', '{1.5,2}', 'under a key that was made with fips on');
	$node->stop;
}

done_testing();
