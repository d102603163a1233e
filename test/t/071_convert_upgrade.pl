#
# pg_upgrade while columns are converted: what a conversion made for itself
# moves along but for its trigger, which notes changes, so that it begins anew.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use Cwd qw(getcwd);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $master_key = make_master_key();
my @options = (master_key => $master_key, extra => [ '--no-locale', '--encoding=UTF8', '--data-checksums' ]);
my $old = start_node('old', @options, conf => "cellenc.job_workers = 0\n");
my $new = init_node('new', @options);

my @phases = ('start', 'copy', 'index', 'catch_up', 'switch', 'vacuum');
$old->safe_psql('postgres', "SELECT cellenc_create_key('pii'); CREATE ROLE owner; GRANT CREATE ON SCHEMA public TO owner; SELECT cellenc_grant_key('pii', 'owner')");
foreach my $phase (@phases)
{
	$old->safe_psql(
		'postgres', qq{
		SET ROLE owner;
		CREATE TABLE at_$phase (id integer PRIMARY KEY, gone integer, v text UNIQUE, c text, pad text);
		ALTER TABLE at_$phase DROP COLUMN gone;
		INSERT INTO at_$phase SELECT i, 'v' || i, 'v' || i, repeat('x', i) FROM generate_series(1, 2000) i;
		CREATE INDEX ON at_$phase (lower(c)) INCLUDE (v);
		SELECT cellenc_encrypt_column('at_$phase', 'v', 'pii', 'equality');
		RESET ROLE;
		DO \$\$
		DECLARE
			this bigint = (SELECT max(job) FROM cellenc.jobs);
		BEGIN
			FOR i IN 1 .. 1000 LOOP
				EXIT WHEN EXISTS (SELECT FROM cellenc.conversion WHERE job = this AND phase = '$phase');
				PERFORM cellenc.job_step(this);
				COMMIT;
				ASSERT i < 1000;
			END LOOP;
		END \$\$;
		UPDATE at_$phase SET v = 'u' || id, c = 'u' || id WHERE id % 7 = 0;
		DELETE FROM at_$phase WHERE id % 11 = 0;
		INSERT INTO at_$phase SELECT i, 'i' || i, 'i' || i FROM generate_series(2001, 2100) i});
}
is($old->safe_psql('postgres', "SELECT string_agg(phase, ' ' ORDER BY job) FROM cellenc.conversion"), "@phases", 'phases');

$old->stop;
my $cwd = getcwd();
chdir PostgreSQL::Test::Utils::tempdir();
command_ok(
	[
		$new->installed_command('pg_upgrade'), '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'),
		'-s', $new->host, '-p', $old->port, '-P', $new->port
	],
	'pg_upgrade');
chdir $cwd;

$new->append_conf('postgresql.conf', "cellenc.job_workers = 0\n");
$new->start;
foreach my $phase (@phases)
{
	$new->safe_psql('postgres', "UPDATE at_$phase SET v = 'w' || id, c = 'w' || id WHERE id % 13 = 0");
}
$new->append_conf('postgresql.conf', "cellenc.job_workers = 2\n");
$new->reload;
$new->safe_psql('postgres', "SELECT cellenc_rotate_key('pii')");
# a conversion that ends after the key was rotated queues another job
$new->safe_psql('postgres', "CALL cellenc_wait(timeout => '10 min')") for (1 .. 2);
is($new->safe_psql('postgres', 'SELECT DISTINCT state FROM cellenc.jobs'), 'done', 'all jobs are done');
foreach my $phase (@phases)
{
	is( $new->safe_psql('postgres',
			"SELECT count(*), count(*) FILTER (WHERE v::text IS DISTINCT FROM c), min(cellenc_key_version(v)) FROM at_$phase"),
		'1919|0|2', "$phase: encrypted, and whole");
	is( $new->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*) FROM at_$phase a WHERE EXISTS (SELECT FROM at_$phase b WHERE b.v = a.c)"),
		'1919', "$phase: by its index");
}
is( $new->safe_psql('postgres',
		"SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'cellenc_conversion'::regnamespace), (SELECT count(*) FROM pg_trigger WHERE tgname ~ '^cellenc_conversion'), (SELECT count(*) FROM cellenc.conversion)"),
	'0|0|0', 'nothing is left behind');

done_testing();
