#
# CellencTest.pm: what the TAP tests share.
#
package CellencTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Find qw(find);
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  make_master_key cellenc_conf init_node start_node crash_and_start
  sql_is sql_fails sealed_values parse_sealed
  files_with
);

# Outside of every data directory, and gone with the test.
my $key_dir;
my $key_count = 0;

# A new master key file that only this user can read; its path.
sub make_master_key
{
	$key_dir //= abs_path(PostgreSQL::Test::Utils::tempdir());
	my $path = "$key_dir/master" . ++$key_count . '.key';
	my $hex = join '', map { sprintf '%02x', int rand 256 } 1 .. 32;

	open my $file, '>', $path or die "could not write $path: $!";
	print $file "$hex\n";
	close $file;
	chmod 0600, $path or die "could not chmod $path: $!";
	return $path;
}

# Lines of postgresql.conf for a server with this master key.
sub cellenc_conf
{
	my ($master_key) = @_;

	# PostgreSQL::Test allows 10 connections where there is replication: too
	# few locks for the many objects of an extension
	return "shared_preload_libraries = 'cellenc'\n"
	  . "max_locks_per_transaction = 256\n"
	  . "cellenc.master_key_file = '$master_key'\n";
}

# A server that is not started yet.  Options: master_key, the path of a file,
# else a new one; conf; install_path, of another PostgreSQL; the rest goes to
# init().
sub init_node
{
	my ($name, %options) = @_;
	my $master_key = delete $options{master_key} // make_master_key();
	my $conf = delete $options{conf} // '';
	my $install_path = delete $options{install_path};
	my $node = PostgreSQL::Test::Cluster->new($name,
		$install_path ? (install_path => $install_path) : ());

	$node->init(%options);
	$node->append_conf('postgresql.conf', cellenc_conf($master_key) . $conf);
	return $node;
}

# The same, started, with the extension in database postgres.
sub start_node
{
	my $node = init_node(@_);

	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION cellenc');
	return $node;
}

# Kill the postmaster, and with option all its children at the same time; wait
# until nothing of the server is left, and start it.
sub crash_and_start
{
	my ($node, %options) = @_;
	my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @children = $options{all} ? `ps -A -o pid= -o ppid=` =~ /^ *(\d+) +$pid$/mg : ();

	$node->kill9;
	kill 'KILL', @children;
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		# its children may outlive it for a moment
		return if !kill(0, $pid) && $node->start(fail_ok => 1);
		usleep(100_000);
	}
	die 'could not start the server after a crash';
}

# What the statement prints; unlike with safe_psql, an error fails one test.
sub sql_is
{
	my ($node, $db, $sql, $expected, $name) = @_;
	my ($rc, $out, $err) = $node->psql($db, $sql);

	is($rc == 0 ? $out : $err, $expected, $name);
}

# The statement fails, and what psql prints with VERBOSITY=verbose, SQLSTATE
# and hint included, matches.
sub sql_fails
{
	my ($node, $db, $sql, $expected, $name) = @_;
	my ($rc, $out, $err) = $node->psql($db, $sql,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	isnt($rc, 0, "$name: fails");
	like($err, $expected, "$name: error");
}

# What a query of one encrypted column prints, as a list of sealed texts.
sub sealed_values
{
	my ($node, $db, $query) = @_;

	local $ENV{PGOPTIONS} = '-c cellenc.output=sealed';
	return split /\n/, $node->safe_psql($db, $query);
}

# The fields of a sealed text, as FORMAT.md lays them out.
sub parse_sealed
{
	my ($text) = @_;

	$text =~ /^cellenc:1:([A-Za-z0-9+\/]+=*)$/ or die "not a sealed text: $text";
	my $bytes = decode_base64($1);
	my ($format, $version_id) = unpack 'C N', $bytes;
	die "unknown format $format" if $format != 1 && $format != 2;
	my $nonce = substr $bytes, $format == 1 ? 5 : 21, 24;
	return {
		bytes => $bytes,
		version_id => $version_id,
		nonce => $nonce,
		salt => unpack('H*', substr $nonce, 0, 12)
	};
}

# Names of the files below a folder that contain a string of bytes.
sub files_with
{
	my ($folder, $bytes) = @_;
	my @found;

	find(
		{
			no_chdir => 1,
			wanted => sub {
				return unless -f $_;
				# a running server may remove it first
				open my $file, '<:raw', $_ or return;
				local $/;
				my $content = <$file> // '';
				push @found, substr($_, length("$folder/")) if index($content, $bytes) >= 0;
			}
		},
		$folder);
	return sort @found;
}

1;
