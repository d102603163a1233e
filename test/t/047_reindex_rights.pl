#
# While a job rebuilds an index, cellenc's comparators may open values, though
# the table's owner may not.  An owner who gives the index's name to another one
# in the right moment must not get at values by that.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main', conf => "autovacuum = off\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

# Index `decoy` calls a function of the owner's.  It can be made while the table
# is empty; from then on, the owner is not allowed to fill it.
query(<<'EOS');
SELECT cellenc_create_key('pii');
CREATE ROLE keyless;
CREATE ROLE writer;
SELECT cellenc_grant_key('pii', 'writer');
CREATE SCHEMA s AUTHORIZATION keyless;
SET ROLE keyless;
CREATE FUNCTION s.guess(v enctext) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF v OPERATOR(cellenc.=) 'a secret of 1000'::enctext THEN RAISE WARNING 'guessed a value'; END IF;
	RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
	RAISE WARNING 'was not let to guess';
	RETURN true;
END $$;
CREATE TABLE s.t (id int, v enctext('pii', 'order'));
CREATE INDEX decoy ON s.t ((CASE WHEN s.guess(v) THEN v ELSE v END));
CREATE INDEX target ON s.t (v);
RESET ROLE;
SET client_min_messages = error;
INSERT INTO s.t SELECT i, 'a secret of ' || i FROM generate_series(1, 3000) i;
EOS

my $log_begin = -s $node->logfile;

# The job gets as far as the barrier before it rebuilds the first index when each
# barrier meets a transaction that began after the one before it.
my @holders = map { $node->background_psql('postgres') } 1 .. 2;
my $begin = 'BEGIN; SELECT 1';
$holders[0]->query_safe($begin);
query("SELECT cellenc_rotate_key('pii')");
for my $turn (1 .. 20)
{
	my $pid = $holders[0]->query_safe('SELECT pg_backend_pid()');
	ok($node->poll_query_until('postgres',
			"SELECT waiting_for LIKE '%pid $pid %' FROM cellenc.jobs"),
		"barrier $turn is held up");
	last if query('SELECT phase FROM cellenc.job') eq 'indexes';
	$holders[1]->query_safe($begin);
	$holders[0]->query_safe('COMMIT');
	@holders = reverse @holders;
}
is(query('SELECT phase FROM cellenc.job'), 'indexes', 'all that is left are indexes');

# Indexes are rebuilt from the youngest to the oldest.
my $owner = $node->background_psql('postgres');
$owner->query_safe('SET ROLE keyless; BEGIN; ALTER INDEX s.target RENAME TO gone; ALTER INDEX s.decoy RENAME TO target');
$holders[0]->query_safe('COMMIT');
ok($node->poll_query_until('postgres', <<'EOS'), 'REINDEX waits for the lock of the renamed index');
SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND a.backend_type = 'cellenc worker' AND a.query LIKE 'REINDEX % s.target'
EOS
$owner->query_safe('COMMIT');
$_->quit foreach $owner, @holders;

ok($node->poll_query_until('postgres', "SELECT state = 'done' FROM cellenc.jobs"), 'the job ends');
my $log = slurp_file($node->logfile, $log_begin);
unlike($log, qr/guessed a value/, 'nothing was guessed');
is(query("SELECT count(*) FROM cellenc.index_versions('s.gone') WHERE version = 1"), 0, 'the index is rebuilt by its new name');

$node->stop;
done_testing();
