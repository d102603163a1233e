#
# Streaming standby: reads what the primary wrote, sees its keys, grants and
# revocations as they arrive, does without a master key until it gets one, and
# takes over.
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
my $primary = start_node('primary', master_key => $master_key, allows_streaming => 1);

$primary->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE ROLE reader LOGIN;
	CREATE TABLE secrets (id integer PRIMARY KEY, v enctext('pii', 'order'), a encint4('pii')[]);
	GRANT SELECT ON secrets TO reader;
	CREATE INDEX ON secrets (v);
	INSERT INTO secrets VALUES (1, 'first', '{1,2}');
});
$primary->backup('copy');

# Its master key file is not there at first.
my $standby_key = "$master_key.standby";
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "cellenc.master_key_file = '$standby_key'");

sub catch_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')); }

# On the primary, and then on the standby.
sub run_and_catch_up
{
	$primary->safe_psql('postgres', $_[0]);
	catch_up();
}

#
# No master key, the wrong one, the right one
#
my $missing = qr/ERROR:  58000: could not load master key "default".*HINT: .*openssl rand -hex 32/s;
$standby->start;
catch_up();
sql_fails($standby, 'postgres', 'SELECT v FROM secrets', $missing, 'no master key');
sql_is($standby, 'postgres', 'SELECT id FROM secrets', 1, 'plain columns are readable without one');
sql_is($standby, 'postgres', "SELECT name, status <> 'ok' FROM cellenc.master_keys", 'default|t',
	'and the view tells');
sql_is($primary, 'postgres', 'SELECT v FROM secrets', 'first', 'the primary has its own');

sub provide
{
	my ($from) = @_;
	my $content = slurp_file($from);

	unlink $standby_key;
	append_to_file($standby_key, $content);
	chmod 0600, $standby_key;
	$standby->reload;
}
provide(make_master_key());
$standby->poll_query_until('postgres', "SELECT loaded_at IS NOT NULL FROM cellenc.master_keys")
  or die 'no master key was loaded';
sql_fails($standby, 'postgres', 'SELECT v FROM secrets',
	qr/ERROR:  28000: master key "default" is wrong/, 'wrong master key');

# a loaded key is only replaced by a restart
unlink $standby_key;
$standby->restart;
sql_fails($standby, 'postgres', 'SELECT v FROM secrets', $missing, 'no master key after a restart');
provide($master_key);
$standby->poll_query_until('postgres', 'SELECT v FROM secrets', 'first')
  or die 'the standby does not read';
sql_is($standby, 'postgres', 'SELECT v, a FROM secrets', 'first|{1,2}', 'values are readable with the right one');

#
# Sessions of the standby, which have the key tables in their caches
#
my $session = $standby->background_psql('postgres', on_error_stop => 0);
my $reader = $standby->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'reader' ]);

sub ask
{
	my ($who, $sql) = @_;

	$who->{stderr} = '';
	my $out = $who->query($sql);
	my $err = $who->{stderr};
	$who->{stderr} = '';
	return $err =~ /ERROR:  (.*)/ ? "ERROR: $1" : $out;
}

is(ask($session, 'SELECT v FROM secrets'), 'first', 'an open session reads');
like(ask($reader, 'SELECT v FROM secrets'), qr/permission denied for key "pii"/, 'another role does not');

run_and_catch_up("SELECT cellenc_grant_key('pii', 'reader', 'decrypt')");
is(ask($reader, 'SELECT v FROM secrets'), 'first', 'a grant arrives');

run_and_catch_up(
	q{SELECT cellenc_rotate_key('pii', reencrypt => false);
	INSERT INTO secrets VALUES (2, 'rotated', '{}')});
is(ask($session, 'SELECT v, cellenc_key_version(v) FROM secrets ORDER BY id'),
	"first|1\nrotated|2", 'a rotation arrives');
is(ask($reader, "SELECT max(v) FROM secrets"), 'rotated', 'and for the other role');

run_and_catch_up(
	q{SELECT cellenc_create_key('other'), cellenc_grant_key('other', 'public', 'decrypt');
	CREATE TABLE others (v encbytea('other', 'equality'));
	GRANT SELECT ON others TO public;
	INSERT INTO others VALUES ('\x0102')});
is(ask($session, 'SELECT v FROM others'), '\x0102', 'a key that was created meanwhile arrives');
is(ask($reader, 'SELECT v FROM others'), '\x0102', 'with its grants');

run_and_catch_up("SELECT cellenc_revoke_key('pii', 'reader')");
like(ask($reader, 'SELECT v FROM secrets'), qr/permission denied for key "pii"/, 'a revocation arrives');
is(ask($reader, 'SELECT v FROM others'), '\x0102', 'and leaves other keys alone');

# in a transaction that began before
run_and_catch_up(q{CREATE ROLE team; GRANT team TO reader; SELECT cellenc_grant_key('pii', 'team', 'decrypt')});
is(ask($reader, 'BEGIN'), '', 'transaction begins');
is(ask($reader, 'SELECT max(v) FROM secrets'), 'rotated', 'a membership arrives');
run_and_catch_up('REVOKE team FROM reader');
like(ask($reader, 'SELECT v FROM secrets'), qr/permission denied for key "pii"/, 'REVOKE of it within a transaction');
ask($reader, 'ROLLBACK');

is( ask($session, "SET enable_seqscan = off; SELECT id FROM secrets WHERE v OPERATOR(cellenc.=) 'rotated'::text"),
	2, 'an index is readable');
foreach my $call ("cellenc_create_key('standby')", "cellenc_rotate_key('pii', reencrypt => false)",
	"cellenc_grant_key('pii', 'reader')")
{
	sql_fails($standby, 'postgres', "SELECT $call", qr/ERROR:  25006: /, "on a standby: $call");
	sql_fails($primary, 'postgres', "BEGIN READ ONLY; SELECT $call", qr/ERROR:  25006: /, "in a read-only transaction: $call");
}
sql_is($standby, 'postgres', "SELECT 'x'::enctext('pii')", 'x', 'expressions can seal on a standby');

#
# A disabled version: refused on the standby, and counted there
#
sub set_state
{
	run_and_catch_up("UPDATE cellenc.key_version SET state = '$_[0]' WHERE version = 1"
		  . " AND key = (SELECT id FROM cellenc.key WHERE name = 'pii')");
}
my $refused = "SELECT version, n_refused FROM cellenc.key_versions WHERE key = 'pii' ORDER BY version";
set_state('disabled');
sql_fails($standby, 'postgres', 'SELECT v FROM secrets', qr/ERROR:  55000: version 1 of key "pii" is disabled/,
	'a disabled version')
  foreach 1 .. 2;
like(ask($session, 'SELECT v FROM secrets'), qr/version 1 of key "pii" is disabled/, 'also in an open session');
sql_is($standby, 'postgres', $refused, "1|3\n2|0", 'refusals are counted');
sql_is($primary, 'postgres', $refused, "1|0\n2|0", 'each server has its own counts');
set_state('decrypt_only');
$reader->quit;
is(ask($session, 'SELECT max(v) FROM secrets'), 'rotated', 'and enabled again');
$standby->restart;
sql_is($standby, 'postgres', $refused, "1|0\n2|0", 'counts begin anew with the server');
$session->quit;
$session = $standby->background_psql('postgres', on_error_stop => 0);

#
# Promotion: values written before and after, under salts of their own
#
my ($last) = map { parse_sealed($_)->{salt} }
  sealed_values($primary, 'postgres', "INSERT INTO secrets VALUES (3, 'last') RETURNING v");
catch_up();
$primary->stop;
$standby->promote;
is(ask($session, 'SELECT v FROM secrets WHERE id = 3'), 'last', 'the open session reads after the promotion');
sql_is($standby, 'postgres', "SELECT cellenc_create_key('promoted'), cellenc_rotate_key('pii', reencrypt => false)",
	'1|3', 'keys can be managed after it');
my ($value) = map { parse_sealed($_) }
  sealed_values($standby, 'postgres', "INSERT INTO secrets VALUES (4, 'promoted') RETURNING v");
isnt($value->{salt}, $last, 'the promoted server has a salt of its own');
is(ask($session, 'SELECT v, cellenc_key_version(v) FROM secrets ORDER BY id'),
	"first|1\nrotated|2\nlast|2\npromoted|3", 'all values are readable');

$session->quit;
$standby->stop;
done_testing();
