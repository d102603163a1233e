#
# Load.pm: readers and writers at a fixed rate, beside something else.
#
package Load;

use strict;
use warnings;

use Exporter qw(import);
use Options;
use Server;

our @EXPORT = qw(write_scripts load_alone load_beside_job);

# pgbench's scripts.
sub write_scripts
{
	my (%script) = @_;

	foreach my $kind (sort keys %script)
	{
		unlink "$dir/load.$kind";
		append("$dir/load.$kind", $script{$kind});
	}
	return;
}

# Readers and writers for $seconds, each of so many clients.  Returns their pids
# for finish_load.
sub start_load
{
	my ($clients) = @_;
	my %rate = (read => $read_rate, write => $write_rate);
	my @pids;

	foreach my $kind (sort keys %rate)
	{
		my $pid = fork() // die "could not fork: $!\n";
		if ($pid == 0)
		{
			exec("exec $bindir/pgbench -n -M prepared -c $clients -j 1 -T $seconds -R $rate{$kind}"
				  . " -l --log-prefix=$dir/load_$kind -f $dir/load.$kind >$dir/load_$kind.out 2>&1")
			  or die "could not run pgbench: $!\n";
		}
		push @pids, $pid;
	}
	return @pids;
}

# Wait for their end.  Adds the latencies, in milliseconds and without the lag of
# the schedule, to $latencies->{read} and {write}; returns how many statements
# failed.  Ignored is what ended at or after the time that $until gives then, in
# seconds since 1970.
sub finish_load
{
	my ($pids, $latencies, $until) = @_;
	my $failed = 0;
	my $end;

	foreach my $pid (@$pids)
	{
		waitpid($pid, 0);
		$failed++ if $? != 0;
	}
	$end = $until->() if $until;

	foreach my $kind (qw(read write))
	{
		foreach my $log (glob "$dir/load_$kind.[0-9]*")
		{
			open(my $in, '<', $log) or die "could not read \"$log\": $!\n";
			while (my $line = <$in>)
			{
				# client, number, latency, script, end in s and us, lag
				my @field = split(' ', $line);
				next if $end && $field[4] >= $end;
				push @{ $latencies->{$kind} }, ($field[2] - $field[6]) / 1000;
			}
			close($in);
			unlink $log;
		}
		open(my $in, '<', "$dir/load_$kind.out") or die "could not read pgbench's output: $!\n";
		while (my $line = <$in>)
		{
			$failed += $1 if $line =~ /^number of failed transactions: (\d+)/;
		}
		close($in);
	}
	return $failed;
}

# Readers and writers without anything else.  Latencies and result as of
# finish_load.
sub load_alone
{
	my ($clients, $latencies) = @_;
	my @pids = start_load($clients);

	return finish_load(\@pids, $latencies);
}

# The same from the beginning to the end of the job that a statement queues.
sub load_beside_job
{
	my ($clients, $latencies, $statement) = @_;
	my $failed = 0;
	my $end;

	until ($end)
	{
		my @pids = start_load($clients);

		query($statement) if $statement;
		$statement = undef;
		$failed += finish_load(\@pids, $latencies, sub { $end = latest_job('extract(epoch FROM finished_at)') });
	}
	return $failed;
}

1;
