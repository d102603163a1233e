#
# Rotation of published tables: what subscribers get, that it does not stop
# them, and what a job waits for where it would.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = start_node('publisher', allows_streaming => 'logical');
my $subscriber = start_node('subscriber');
my $can_filter = $publisher->pg_version >= 16;

my @tables = qw(keyed whole bare);
my $rows = 200;

sub query { return $publisher->safe_psql('postgres', $_[0]); }

foreach my $node ($publisher, $subscriber)
{
	$node->safe_psql('postgres', <<'EOS');
SELECT cellenc_create_key('pii');
CREATE TABLE keyed (id int PRIMARY KEY, v enctext('pii'), n int DEFAULT 0);
CREATE TABLE whole (id int, v enctext('pii'), n int DEFAULT 0);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE bare (id int, v enctext('pii'), n int DEFAULT 0);
EOS
}
query("INSERT INTO $_ SELECT i, '$_' || i FROM generate_series(1, $rows) i") foreach @tables;
query('CREATE PUBLICATION most FOR TABLE keyed, whole; CREATE PUBLICATION rest FOR TABLE bare');

my $connection = "'" . $publisher->connstr('postgres') =~ s/'/''/gr . "'";
foreach my $publication ('most', 'rest')
{
	$subscriber->safe_psql('postgres',
		"CREATE SUBSCRIPTION $publication CONNECTION $connection PUBLICATION $publication");
}
$subscriber->wait_for_subscription_sync($publisher, $_) foreach 'most', 'rest';

sub catch_up { $publisher->wait_for_catchup($_) foreach @_; }

sub rotate
{
	query("SET client_min_messages = warning; SELECT cellenc_rotate_key('pii')");
}

sub wait_for_job
{
	my ($name) = @_;
	query("CALL cellenc_wait(timeout => '3 min')");
	is(query("SELECT DISTINCT cellenc_key_version(v) = version FROM $_, cellenc.keys"), 't', "$name: $_ is rotated")
	  foreach @tables;
}

# Rows of the subscriber's tables, and updates that it has applied to each.
sub received
{
	return $subscriber->safe_psql('postgres', join(' UNION ALL ', map {
		"SELECT '$_', count(*), count(*) FILTER (WHERE v = '$_' || id), pg_stat_get_tuples_updated('$_'::regclass) FROM $_"
	} @tables));
}

sub is_received
{
	my ($expected, $name) = @_;
	my $applied;

	# statistics come late
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$applied = received();
		last if $applied eq $expected;
		select(undef, undef, undef, 0.1);
	}
	is($applied, $expected, $name);
}

is_received("keyed|$rows|$rows|0\nwhole|$rows|$rows|0\nbare|$rows|$rows|0", 'initial copy');

# the one table that nobody could apply updates of keeps the job waiting
my $log = -s $publisher->logfile;
rotate();
ok( $publisher->poll_query_until('postgres', "SELECT state = 'waiting' AND waiting_for IS NOT NULL AND error ="
		  . " 'table \"bare\" has no replica identity and publishes updates, which subscribers could not apply' FROM cellenc.jobs"),
	'a job tells that a subscriber is in the way');
$publisher->wait_for_log(qr/HINT:  Set REPLICA IDENTITY using ALTER TABLE, or leave updates out of the publication\./, $log);
is(query('SELECT DISTINCT cellenc_key_version(v) FROM bare'), '1', 'and the table is left alone');
query("INSERT INTO bare VALUES (" . ($rows + 1) . ", 'bare" . ($rows + 1) . "')");
catch_up('rest');

query("ALTER PUBLICATION rest SET (publish = 'insert, truncate')");
wait_for_job('updates left out');
catch_up('most', 'rest');
my $more = $rows + 1;
is_received("keyed|$rows|$rows|$rows\nwhole|$rows|$rows|$rows\nbare|$more|$more|0",
	'a subscriber gets one update for each row with an identity');

# subscribers that want nothing but what users changed
if ($can_filter)
{
	$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION most SET (origin = none)');
	$subscriber->safe_psql('postgres', 'SELECT pg_stat_reset()');
	rotate();
	wait_for_job('origin = none');
	query('UPDATE keyed SET n = 1 WHERE id = 1');
	catch_up('most', 'rest');
	is_received("keyed|$rows|$rows|1\nwhole|$rows|$rows|0\nbare|$more|$more|0", 'they get nothing of a rotation');
}

# a replica identity that comes later
query("ALTER PUBLICATION rest SET (publish = 'insert, update')");
rotate();
ok($publisher->poll_query_until('postgres', "SELECT error LIKE 'table \"bare\"%' FROM cellenc.jobs ORDER BY job DESC LIMIT 1"),
	'the job waits again');
query('ALTER TABLE bare REPLICA IDENTITY FULL');
wait_for_job('replica identity');
query('ALTER TABLE bare REPLICA IDENTITY DEFAULT');

# changes of users go on
query("UPDATE keyed SET n = 2 WHERE id = 2; UPDATE whole SET n = 2 WHERE id = 2; INSERT INTO bare VALUES (1000, 'bare1000')");
catch_up('most', 'rest');
is($subscriber->safe_psql('postgres', 'SELECT n FROM keyed WHERE id = 2 UNION ALL SELECT n FROM whole WHERE id = 2'
		  . ' UNION ALL SELECT count(*) FROM bare WHERE id = 1000'), "2\n2\n1", 'changes still arrive');
unlike(slurp_file($subscriber->logfile), qr/ERROR:/, 'the subscriber met no error');

# nobody subscribes
$subscriber->safe_psql('postgres', "DROP SUBSCRIPTION $_") foreach 'most', 'rest';
rotate();
wait_for_job('no subscriber');

$subscriber->stop;
$publisher->stop;
done_testing();
