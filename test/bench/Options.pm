#
# Options.pm: how much the bench measures, and on which server.
#
# From the environment, under the names in capitals.  QUICK=1 takes sizes that
# are enough to see that the bench works; its figures mean nothing.
#
package Options;

use strict;
use warnings;

use Exporter qw(import);
use File::Temp qw(tempdir);

our @EXPORT = qw(
  $rows $sort_rows $rotate_rows $pgp_rows $key_rows $lookups
  $seconds $read_rate $write_rate $pgbench_scale
  $partitions $keys $versions $connections
  @scale_rows @scale_connections @scale_keys @scale_versions
  $repeat $often $rotate_repeat $warm_up
  $locale $wal_files $bindir $dir $bare_port %settings
);

sub option
{
	my ($name, $usual, $quick) = @_;
	return $ENV{$name} || ($ENV{QUICK} ? $quick : $usual);
}

# Rows of the tables that are scanned and searched; that are sorted and joined;
# that are rotated and converted; of pgcrypto's PGP, of which one value costs as
# much as hundreds of the others; of one key among many.
our $rows = option(ROWS => 1_000_000, 1000);
our $sort_rows = option(SORT_ROWS => 100_000, 500);
our $rotate_rows = option(ROTATE_ROWS => 2_000_000, 2000);
our $pgp_rows = option(PGP_ROWS => 1000, 20);
our $key_rows = option(KEY_ROWS => 50_000, 500);
our $lookups = option(LOOKUPS => 10_000, 100);

# One run of pgbench, in seconds; statements a second of readers and writers
# beside a job.
our $seconds = option(BENCH_SECONDS => 10, 1);
our $read_rate = option(READ_RATE => 400, 100);
our $write_rate = option(WRITE_RATE => 100, 50);
our $pgbench_scale = option(PGBENCH_SCALE => 10, 1);

our $partitions = option(PARTITIONS => 10_000, 20);
our $keys = option(KEYS => 1000, 20);
our $versions = option(VERSIONS => 50, 3);
our $connections = option(CONNECTIONS => 100, 3);

# Steps of what is measured at several sizes.
our @scale_rows = split(' ', option(SCALE_ROWS => '10000 30000 100000 300000 1000000', '200 1000'));
our @scale_connections = split(' ', option(SCALE_CONNECTIONS => '1 2 4 8 16', '1 2'));
our @scale_keys = split(' ', option(SCALE_KEYS => '1 10 100 1000', '1 5'));
our @scale_versions = split(' ', option(SCALE_VERSIONS => '1 2 5 10 20 50', '1 3'));

# Rounds, of which the medians are taken.
our $repeat = option(REPEAT => 7, 1);
our $rotate_repeat = $repeat < 3 ? $repeat : 3;
# Rounds of what is short.
our $often = $repeat < 3 ? $repeat : 3 * $repeat;
# Rounds of pgbench before them.
our $warm_up = $ENV{QUICK} ? 0 : 1;

# Of the databases.  Text compares fastest in C, which few servers have.
our $locale = option(LOCALE => 'C.UTF-8', 'C.UTF-8');

# Files of WAL that the server has when it begins: as many as min_wal_size keeps.
our $wal_files = $ENV{QUICK} ? 1 : 256;

our $bindir = $ENV{BINDIR} || `pg_config --bindir`;
chomp $bindir;

# Not in the current folder: the path of a socket has to be short.
our $dir = tempdir('cellenc-bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);
our $bare_port = 5433;

our %settings = (
	autovacuum => 'off',
	checkpoint_timeout => '1h',
	fsync => 'on',
	jit => 'off',
	max_parallel_workers_per_gather => '0',
	max_wal_size => '8GB',
	min_wal_size => $ENV{QUICK} ? '80MB' : '4GB',
	shared_buffers => $ENV{QUICK} ? '64MB' : '1GB',
	synchronous_commit => 'on');

1;
