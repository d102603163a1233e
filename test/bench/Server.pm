#
# Server.pm: the throw-away servers of the bench, and statements on them.
#
package Server;

use strict;
use warnings;

use Exporter qw(import);
use Options;

our @EXPORT = qw(command append start_cluster start_server stop_servers limit_jobs session query latest_job);

sub command
{
	my (@command) = @_;
	system(@command) == 0 or die "bench.pl: failed: @command\n";
	return;
}

sub append
{
	my ($file, $text) = @_;
	open(my $handle, '>>', $file) or die "could not write \"$file\": $!\n";
	print $handle $text;
	close($handle) or die "could not write \"$file\": $!\n";
	return;
}

sub start_cluster
{
	my ($name, $port, $conf) = @_;

	$conf .= join('', map { "$_ = $settings{$_}\n" } sort keys %settings);
	command("$bindir/initdb -D $dir/$name -U postgres -A trust -E UTF8 --locale=$locale >$dir/initdb.log");
	append("$dir/$name/postgresql.conf",
		"${conf}port = $port\nlisten_addresses = ''\nunix_socket_directories = '$dir'\n");
	command("$bindir/pg_ctl -D $dir/$name -l $dir/$name.log -s -w start");
	return;
}

# A server that has run for a while writes WAL into old files.  A new one has to
# make them first, one a second beside a job with default settings, and whoever
# commits waits for that.
sub make_wal_files
{
	session(map { ("SELECT pg_logical_emit_message(true, '', '')", 'SELECT pg_switch_wal()') } 1 .. $wal_files);
	query('CHECKPOINT');
	return;
}

# The one that everything but the bare server's share is measured on.
sub start_server
{
	$ENV{PGHOST} = $dir;
	$ENV{PGPORT} = 5432;
	$ENV{PGUSER} = 'postgres';
	$ENV{PGDATABASE} = 'postgres';
	$ENV{PGOPTIONS} = '-c client_min_messages=warning';

	command("umask 077 && openssl rand -hex 32 >$dir/master.key");
	start_cluster('data', $ENV{PGPORT},
		"shared_preload_libraries = 'cellenc'\ncellenc.master_key_file = '$dir/master.key'\n");
	limit_jobs(0);
	make_wal_files();
	session('CREATE EXTENSION cellenc', 'CREATE EXTENSION pgcrypto', "SELECT cellenc_create_key('bench')");
	return;
}

sub stop_servers
{
	foreach my $name (qw(data bare))
	{
		system("$bindir/pg_ctl -D $dir/$name -m immediate -s stop") if -f "$dir/$name/postmaster.pid";
	}
	return;
}

# Jobs at full speed, or with default settings.
sub limit_jobs
{
	my ($limited) = @_;

	query($limited ? 'ALTER SYSTEM RESET cellenc.job_max_wal_rate' : 'ALTER SYSTEM SET cellenc.job_max_wal_rate = 0');
	query('SELECT pg_reload_conf()');
	return;
}

# Run statements in one session.  An element is SQL, or [label, SQL] for what
# is timed.  Returns label => [milliseconds, ...].
sub session
{
	my (@statements) = @_;
	my $script = "$dir/session.sql";
	my %measured;
	my $label;

	unlink $script;
	foreach my $statement (@statements)
	{
		if (ref $statement)
		{
			append($script, "\\timing on\n\\echo \@$statement->[0]\n$statement->[1];\n\\timing off\n");
		}
		else
		{
			append($script, "$statement;\n");
		}
	}
	open(my $out, '-|', "$bindir/psql", qw(-XAtq -v ON_ERROR_STOP=1 -f), $script)
	  or die "could not run psql: $!\n";
	while (my $line = <$out>)
	{
		$label = $1 if $line =~ /^\@(\S+)$/;
		push @{ $measured{$label} }, $1 if $line =~ /^Time: ([\d.]+) ms/;
	}
	close($out) or die "bench.pl: psql failed\n";
	return \%measured;
}

sub query
{
	my ($sql) = @_;
	open(my $out, '-|', "$bindir/psql", qw(-XAtq -v ON_ERROR_STOP=1 -c), $sql)
	  or die "could not run psql: $!\n";
	local $/ = undef;
	my $result = <$out> // '';
	close($out) or die "bench.pl: failed: $sql\n";
	$result =~ s/\n\z//;
	return $result;
}

# An expression over the row of cellenc.jobs that was made last.
sub latest_job
{
	my ($expression) = @_;
	return query("SELECT $expression FROM cellenc.jobs ORDER BY job DESC LIMIT 1");
}

1;
