#
# No nonce is ever used twice: not by sessions at once, parallel workers, after
# a restart or a crash, nor by a copy of the server.  Sessions share a salt,
# which every start makes anew and which is renewed when it is used up.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main', allows_streaming => 1,
	conf => "restart_after_crash = on\nautovacuum = off\nmax_connections = 100\n");
my %seen;
my %salt_of;

$node->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE secrets (phase text, pid integer DEFAULT pg_backend_pid(),
		v enctext('pii'), w enctext('pii', 'equality'));
});

# Count what queries print against all nonces so far; the salts among them.
sub collect
{
	my ($server, $expected, @queries) = @_;
	my ($values, $repeated, %salts) = (0, 0);

	foreach my $query (@queries)
	{
		foreach my $text (sealed_values($server, 'postgres', $query))
		{
			my $value = parse_sealed($text);
			$values++;
			$repeated++ if $seen{ $value->{nonce} }++;
			$salts{ $value->{salt} }++;
		}
	}
	is($values, $expected, 'all values were read');
	is($repeated, 0, 'no nonce was used before');
	return \%salts;
}

# The values of one phase, which share one salt that no earlier phase had.
sub check_phase
{
	my ($server, $phase, $expected, @queries) = @_;

	note("phase: $phase");
	@queries = map { "SELECT $_ FROM secrets WHERE phase = '$phase'" } qw(v w)
	  unless @queries;
	my @salts = keys %{ collect($server, $expected, @queries) };
	is(scalar @salts, 1, "one salt: $phase");
	foreach my $other (sort keys %salt_of)
	{
		isnt($salts[0], $salt_of{$other}, "the salt of $phase is not that of $other");
	}
	$salt_of{$phase} = $salts[0];
}

# More than the 21 IVs of one fetch, and single values.
sub insert
{
	my ($server, $phase) = @_;
	$server->safe_psql('postgres',
		"INSERT INTO secrets SELECT '$phase', 0, 'same', 'same' FROM generate_series(1, 50)");
}

#
# Four sessions at once, each with many transactions, some of one value and
# some of many
#
$node->pgbench(
	'--no-vacuum --client=4 --jobs=2 --transactions=50',
	0, [qr/actually processed: 200\/200/], [qr/^$/], 'sessions at once',
	{
		'030_sessions' => q{
			INSERT INTO secrets VALUES ('sessions', DEFAULT, 'same', 'same');
			INSERT INTO secrets SELECT 'sessions', pg_backend_pid(), 'same', 'same'
				FROM generate_series(1, 30);
		}
	});
is($node->safe_psql('postgres', "SELECT count(DISTINCT pid) FROM secrets"), 4, 'sessions were four');
check_phase($node, 'sessions', 2 * 200 * 31);

#
# Parallel workers seal what they send to the leader
#
my $parallel = $node->safe_psql(
	'postgres', q{
	CREATE TABLE plain AS SELECT 'x' || i AS v FROM generate_series(1, 20000) i;
	ANALYZE plain;
	SET min_parallel_table_scan_size = 0;
	SET parallel_setup_cost = 0;
	SET parallel_tuple_cost = 0;
	SET max_parallel_workers_per_gather = 2;
	SET parallel_leader_participation = off;
	EXPLAIN (ANALYZE, COSTS off, TIMING off) CREATE TABLE workers AS SELECT v::enctext('pii') FROM plain;
	SELECT 'sealed by the leader: ' || sealed FROM cellenc.codec_counts();
});
like($parallel, qr/Workers Launched: 2/, 'parallel workers ran');
like($parallel, qr/sealed by the leader: 0$/, 'and sealed');
my ($salt) = keys %{ collect($node, 20000, 'SELECT v FROM workers') };
is($salt, $salt_of{sessions}, 'workers share the salt of the sessions');

#
# Defaults, whose constants are sealed afresh for every row
#
$node->safe_psql(
	'postgres', q{
	CREATE TYPE pair AS (a integer, b enctext('pii'));
	CREATE DOMAIN phrase AS enctext('pii');
	CREATE TABLE defaults (id integer, v enctext('pii') DEFAULT 'same', a enctext('pii')[] DEFAULT '{same}',
		d phrase DEFAULT 'same', p pair DEFAULT '(1,same)');
	INSERT INTO defaults (id) VALUES (1), (2);
	INSERT INTO defaults (id) SELECT 3;
});
foreach my $column (qw(v a[1] d (p).b))
{
	note("default of $column");
	collect($node, 3, "SELECT $column FROM defaults");
}

#
# A copy of the running server that goes on by itself
#
$node->backup('copy');

my $clone = PostgreSQL::Test::Cluster->new('clone');
$clone->init_from_backup($node, 'copy', standby => 0);
$clone->start;
insert($clone, 'clone');
check_phase($clone, 'clone', 100);

insert($node, 'original');
my $original = collect($node, 100, map { "SELECT $_ FROM secrets WHERE phase = 'original'" } qw(v w));
is_deeply([ keys %$original ], [ $salt_of{sessions} ], 'the original keeps its salt');
$clone->stop;

#
# Restart, crash of a session, crash of the server
#
$node->restart;
insert($node, 'restart');
check_phase($node, 'restart', 100);

my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
kill 'KILL', $pid;
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ' . $pid)
  or die 'the session did not go';
eval { $victim->quit };
insert($node, 'session crash');
check_phase($node, 'session crash', 100);

crash_and_start($node);
insert($node, 'server crash');
check_phase($node, 'server crash', 100);

#
# The salt is renewed after 4,096 leases of 4,096 values and 16 MB.  Every
# session takes a lease of its own, so as many sessions use a salt up; one that
# seals 4,097 values takes two, and a value of 32 MB takes two as well.
#
$node->restart;
$node->safe_psql('postgres',
	"INSERT INTO secrets SELECT 'leases', 0, 'same' FROM generate_series(1, 4097)");
$node->safe_psql('postgres',
	"INSERT INTO secrets VALUES ('large', 0, repeat('x', 32 * 1024 * 1024))");
$node->pgbench(
	'--no-vacuum --connect --client=4 --jobs=2 --transactions=1024',
	0, [qr/actually processed: 4096\/4096/], [qr/^$/], 'short sessions',
	{ '030_leases' => "INSERT INTO secrets VALUES ('leases', 0, 'same')" });
my $leases = collect($node, 4097 + 4096, "SELECT v FROM secrets WHERE phase = 'leases'");
is_deeply([ sort { $a <=> $b } values %$leases ],
	[ 4, 4097 + 4092 ], 'the salt is renewed when 4,096 leases are taken');

$node->stop;
done_testing();
