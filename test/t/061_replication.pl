#
# Replication: a cascading standby, and logical replication between databases
# with keys of their own or with the same ones, plain and sealed; what a role
# without the key gets, and what a rotation sends.
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
my $publisher = start_node('publisher', master_key => $master_key, allows_streaming => 'logical');
my $types = q{id integer PRIMARY KEY, v enctext('pii'), mail enctext('pii', 'equality'), n encnumeric('pii', 'order'),
	d encdate('pii'), a encint4('pii')[], j encjsonb('pii')};
my $row_hash = q{SELECT count(*), md5(string_agg(row(id, v::text, mail::text, n::numeric, d::date, a::integer[], j::jsonb)::text,
	'|' ORDER BY id)) FROM customers};

sub insert
{
	my ($from, $to) = @_;
	return qq{INSERT INTO customers SELECT i, 'Zoë ' || i, i || '\@example.org', i * 1.50, date '2000-01-01' + i, ARRAY[i, NULL],
		jsonb_build_object('n', i) FROM generate_series($from, $to) i;};
}

$publisher->safe_psql(
	'postgres', qq{
	SELECT cellenc_create_key('pii');
	CREATE ROLE copier REPLICATION LOGIN IN ROLE pg_read_all_data;
	CREATE TABLE customers ($types);
	CREATE UNIQUE INDEX ON customers (mail cellenc.enctext_term_ops);
	${\ insert(1, 100)}
	CREATE PUBLICATION everything FOR ALL TABLES;
	CREATE PUBLICATION a_part FOR TABLE customers (id, v, mail)});

#
# Cascading standby
#
$publisher->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($publisher, 'copy', has_streaming => 1);
$standby->start;
$standby->backup('copy');
my $cascaded = PostgreSQL::Test::Cluster->new('cascaded');
$cascaded->init_from_backup($standby, 'copy', has_streaming => 1);
$cascaded->start;

sub catch_up
{
	my $lsn = $publisher->lsn('insert');

	$publisher->wait_for_catchup($standby, 'replay', $lsn);
	$standby->wait_for_catchup($cascaded, 'replay', $lsn);
}
catch_up();
my $hash = $publisher->safe_psql('postgres', $row_hash);
is($cascaded->safe_psql('postgres', $row_hash), $hash, 'a cascaded standby reads');
$publisher->safe_psql('postgres', "SELECT cellenc_rotate_key('pii')");
$publisher->safe_psql('postgres', 'CALL cellenc_wait()');
catch_up();
is($cascaded->safe_psql('postgres', 'SELECT DISTINCT cellenc_key_version(v) FROM customers'), 2, 'and follows a rotation');
is($cascaded->safe_psql('postgres', $row_hash), $hash, 'with the same values');
is( $cascaded->safe_psql('postgres', "SET enable_seqscan = off; SELECT id FROM customers WHERE mail = '77\@example.org'"),
	77, 'and finds by index');
$cascaded->stop;
$standby->stop;

#
# Another database, with another master key and keys of its own
#
my $subscriber = start_node('subscriber', allows_streaming => 'logical');
my $conninfo = $publisher->connstr . ' dbname=postgres';

sub make_subscriber
{
	my ($db, $options, $setup) = @_;

	$subscriber->safe_psql('postgres', "CREATE DATABASE $db");
	$subscriber->safe_psql($db, "CREATE EXTENSION cellenc; $setup");
	$subscriber->safe_psql($db, "CREATE SUBSCRIPTION $db CONNECTION '$conninfo user=copier' PUBLICATION everything $options");
}

# so that what the subscriber logs as errors comes soon
$subscriber->append_conf('postgresql.conf', "wal_retrieve_retry_interval = '200ms'");
$subscriber->reload;

my $own_keys = qq{SELECT cellenc_create_key('pii'), cellenc_rotate_key('pii', reencrypt => false); CREATE TABLE customers ($types);
	CREATE UNIQUE INDEX ON customers (mail cellenc.enctext_term_ops)};

# A role without the key gets nothing, neither a first copy ...
make_subscriber('own', '', $own_keys);
ok($publisher->wait_for_log(qr/ERROR:  permission denied for key "pii"/), 'a role without the key cannot copy');
is($subscriber->safe_psql('own', 'SELECT count(*) FROM customers'), 0, 'and nothing arrives');
$publisher->safe_psql('postgres', "SELECT cellenc_grant_key('pii', 'copier', 'decrypt')");
$subscriber->wait_for_subscription_sync($publisher, 'own', 'own');
is($subscriber->safe_psql('own', $row_hash), $hash, 'with the key granted, the copy goes on by itself');

# ... nor a change
my $offset = -s $publisher->logfile;
$publisher->safe_psql('postgres', "SELECT cellenc_revoke_key('pii', 'copier')");
$publisher->safe_psql('postgres', insert(101, 110));
ok($publisher->wait_for_log(qr/ERROR:  permission denied for key "pii"/, $offset), 'a role that lost the key gets no changes');
$publisher->safe_psql('postgres', "SELECT cellenc_grant_key('pii', 'copier', 'decrypt')");
$publisher->wait_for_catchup('own');
is($subscriber->safe_psql('own', $row_hash), $publisher->safe_psql('postgres', $row_hash), 'and all that it missed, later');

$publisher->safe_psql(
	'postgres', q{
	UPDATE customers SET v = v || '!', a = a || 7 WHERE id % 2 = 0;
	DELETE FROM customers WHERE id % 5 = 0;
	UPDATE customers SET mail = NULL, j = NULL WHERE id = 1;
	SELECT cellenc_create_key('more')});
$publisher->wait_for_catchup('own');
is($subscriber->safe_psql('own', $row_hash), $publisher->safe_psql('postgres', $row_hash), 'changes arrive');
is( $subscriber->safe_psql('own', 'SELECT cellenc_key_version(v), cellenc_key_version(mail), count(*) FROM customers WHERE id > 1 GROUP BY 1, 2'),
	'2|2|' . ($publisher->safe_psql('postgres', 'SELECT count(*) - 1 FROM customers')),
	'under the current version of the subscriber');
is( $subscriber->safe_psql('own', "SET enable_seqscan = off; SELECT id FROM customers WHERE mail = '77\@example.org'"),
	77, 'and are found by its own terms');
is($subscriber->safe_psql('own', "SELECT string_agg(DISTINCT key, ',') FROM cellenc.keys"), 'pii', 'keys stay where they are');

# Replication by column list, in binary
$subscriber->safe_psql('postgres', 'CREATE DATABASE part');
$subscriber->safe_psql('part', "CREATE EXTENSION cellenc; $own_keys");
$subscriber->safe_psql('part',
	"CREATE SUBSCRIPTION part CONNECTION '$conninfo user=copier' PUBLICATION a_part WITH (binary = true)");
$subscriber->wait_for_subscription_sync($publisher, 'part', 'part');
$publisher->safe_psql('postgres', insert(301, 310));
$publisher->wait_for_catchup('part');
my $part = q{SELECT count(*), count(n), md5(string_agg(row(id, v::text, mail::text)::text, '|' ORDER BY id)) FROM customers};
is( $subscriber->safe_psql('part', $part),
	$publisher->safe_psql('postgres', $part =~ s/count\(n\)/0/r), 'a list of columns, in binary');
$subscriber->safe_psql('part', 'DROP SUBSCRIPTION part');

#
# A rotation of the publisher
#
$publisher->wait_for_catchup('own');
$publisher->safe_psql('postgres', "SELECT cellenc_rotate_key('pii')");
$publisher->safe_psql('postgres', 'CALL cellenc_wait()');
$publisher->safe_psql('postgres', insert(401, 401));
$publisher->wait_for_catchup('own');
is($subscriber->safe_psql('own', $row_hash), $publisher->safe_psql('postgres', $row_hash),
	'a rotation of the publisher changes no value of the subscriber');
is($subscriber->safe_psql('own', 'SELECT DISTINCT cellenc_key_version(v) FROM customers'), 2,
	'nor the version that its values are under');

#
# Sealed: the subscriber has the same keys, and the role none
#
$publisher->safe_psql('postgres', q{ALTER ROLE copier SET cellenc.output = 'sealed'; SELECT cellenc_revoke_key('pii', 'copier')});
my $bundle = $publisher->safe_psql('postgres', "SELECT cellenc_export_keys('default')");
my $twin_node = start_node('same', master_key => $master_key);
$twin_node->append_conf('postgresql.conf', "cellenc.input = 'sealed'\nwal_retrieve_retry_interval = '200ms'");
$twin_node->reload;
$twin_node->safe_psql('postgres', "SELECT cellenc_import_keys('$bundle'); CREATE TABLE customers ($types)");
$twin_node->safe_psql('postgres', "CREATE SUBSCRIPTION same CONNECTION '$conninfo user=copier' PUBLICATION everything");
$twin_node->wait_for_subscription_sync($publisher, 'same', 'postgres');
$publisher->safe_psql('postgres', insert(501, 510));
$publisher->wait_for_catchup('same');
is($twin_node->safe_psql('postgres', $row_hash), $publisher->safe_psql('postgres', $row_hash),
	'sealed values pass a role that cannot open them');
{
	my $query = 'SELECT v FROM customers ORDER BY id';

	is_deeply([ sealed_values($twin_node, 'postgres', $query) ], [ sealed_values($publisher, 'postgres', $query) ],
		'byte by byte');
}
$twin_node->safe_psql('postgres', 'DROP SUBSCRIPTION same');

#
# Logical decoding by other plugins
#
SKIP:
{
	skip 'no test_decoding here', 5
	  unless $publisher->psql('postgres', "SELECT pg_create_logical_replication_slot('peek', 'test_decoding')") == 0;
	$publisher->safe_psql('postgres', q{INSERT INTO customers (id, v) VALUES (1000, 'decoded')});

	my $peek = "SELECT data FROM pg_logical_slot_peek_changes('peek', NULL, NULL) WHERE data LIKE '%customers%'";
	like($publisher->safe_psql('postgres', $peek), qr/ v\[\S*\]:'decoded' /, 'test_decoding prints plaintext to whoever may decrypt');
	my $as_copier = $publisher->connstr('postgres') . ' user=copier';
	like(scalar $publisher->safe_psql('postgres', $peek, connstr => $as_copier),
		qr/ v\[\S*\]:'cellenc:1:[^']+' /, 'sealed values, where its role has sealed output');
	$publisher->safe_psql('postgres', 'ALTER ROLE copier RESET cellenc.output');
	my ($rc, undef, $err) = $publisher->psql('postgres', $peek, connstr => $as_copier);
	isnt($rc, 0, 'and an error to others');
	like($err, qr/permission denied for key "pii"/, 'that names the key');
	is($publisher->safe_psql('postgres', "SELECT count(*) FROM pg_logical_slot_get_changes('peek', NULL, NULL) WHERE data LIKE '%decoded%'"),
		1, 'and nothing of the slot is lost');
	$publisher->safe_psql('postgres', "SELECT pg_drop_replication_slot('peek')");
}

$subscriber->stop;
$twin_node->stop;
$publisher->stop;
done_testing();
