#
# A job on a file system that is full: it waits, says why, harms nothing, and
# goes on when there is room.  Needs a file system of its own, which Linux lets
# any user mount in namespaces of his own, where they are allowed.
#
use strict;
use warnings;

my %mount_call;

# Before anything that redirects the output
BEGIN
{
	my @unshare = qw(unshare --user --map-current-user --mount --keep-caps);
	chomp(my $machine = `uname -m`);
	%mount_call = (x86_64 => 165, aarch64 => 40);
	$mount_call{here} = $mount_call{$machine};

	if ($mount_call{here} && !$ENV{CELLENC_OWN_MOUNTS} && system("@unshare true 2>/dev/null") == 0)
	{
		$ENV{CELLENC_OWN_MOUNTS} = 1;
		exec @unshare, $^X, (map { "-I$_" } @INC), $0;
	}
}

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no namespaces of our own' unless $ENV{CELLENC_OWN_MOUNTS};
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my ($source, $type, $options) = ('none', 'tmpfs', 'size=64m,mode=0700');
plan skip_all => "could not mount a file system: $!"
  if syscall($mount_call{here}, $source, $dir, $type, 0, $options) != 0;

my $node = start_node('main', conf => "autovacuum = off\n");

# Leave so many bytes of the file system.
sub leave_room
{
	my ($bytes) = @_;
	my ($free) = `df --output=avail -B1 $dir` =~ /(\d+)/;

	open my $file, '>>', "$dir/filler" or die $!;
	syswrite $file, 'x' x ($free - $bytes) or die $!;
	close $file;
}

mkdir "$dir/space" or die $!;
$node->safe_psql('postgres', "CREATE TABLESPACE tight LOCATION '$dir/space'");
$node->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE TABLE t (id int PRIMARY KEY, v enctext('pii', 'order'), control text) TABLESPACE tight;
	INSERT INTO t SELECT i, 'value ' || i, md5('value ' || i) FROM generate_series(1, 40000) i;
	CREATE INDEX t_v ON t (v) TABLESPACE tight});
leave_room(2_000_000);

$node->safe_psql('postgres', "SELECT cellenc_rotate_key('pii')");
my $reason = "SELECT state = 'waiting' AND waiting_for = 'another attempt after an error'"
  . " AND error ~ 'No space left on device' FROM cellenc.jobs";
ok($node->poll_query_until('postgres', $reason), 'a job on a full disk waits, and says why')
  or diag($node->safe_psql('postgres', 'SELECT * FROM cellenc.jobs'));
my $intact = 'SELECT count(*), count(*) FILTER (WHERE md5(v) <> control) FROM t';
sql_is($node, 'postgres', $intact, '40000|0', 'all values are readable');

unlink "$dir/filler" or die $!;
$node->safe_psql('postgres', "CALL cellenc_wait(timeout => '10 min')");
sql_is($node, 'postgres', 'SELECT state, error FROM cellenc.jobs', 'done|', 'the job is done when there is room');
sql_is($node, 'postgres', $intact, '40000|0', 'all values are readable');
sql_is($node, 'postgres',
	q{SELECT count(*) FILTER (WHERE cellenc_key_version(v) = 2) FROM t}, '40000', 'under the new version');
sql_is($node, 'postgres', 'SELECT version FROM cellenc.index_versions($$t_v$$)', '2', 'the index, too');
sql_is($node, 'postgres', 'SELECT count(*) FROM pg_index WHERE NOT indisvalid', '0', 'no invalid index is left');

$node->stop;
done_testing();
