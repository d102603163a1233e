#
# Rounds.pm: things that are compared, measured in turn.
#
# Whatever the machine does besides, or gets faster or slower at, then meets all
# of them alike.
#
package Rounds;

use strict;
use warnings;

use Exporter qw(import);
use Options;
use Results;
use Server;

our @EXPORT = qw(alternate pgbench alternate_pgbench);

# Each of [label, SQL] in one session, after the statements that $before gives
# for the label: once to warm up, then in so many rounds, every other backwards.
# Returns the medians.
sub alternate
{
	my ($rounds, $before, @timed) = @_;
	my @statements = ('SET client_min_messages = warning', map { ($before->($_->[0]), $_->[1]) } @timed);
	my $measured;
	my %medians;

	foreach my $round (1 .. $rounds)
	{
		push @statements, map { ($before->($_->[0]), $_) } ($round % 2 ? @timed : reverse @timed);
	}
	$measured = session(@statements);
	foreach my $label (keys %$measured)
	{
		$medians{$label} = median(@{ $measured->{$label} });
		$times{$label} = $measured->{$label};
	}
	return \%medians;
}

# Transactions per second of a run of pgbench.
sub pgbench
{
	my (@options) = @_;
	my $log = "$dir/pgbench.log";

	# -n: its own tables need not be there
	command("$bindir/pgbench -n -M prepared -T $seconds @options >$log 2>&1");
	open(my $in, '<', $log) or die "could not read \"$log\": $!\n";
	my ($rate) = join('', <$in>) =~ /^tps = ([\d.]+)/m;
	close($in);
	die "bench.pl: no result in pgbench's output\n" unless defined $rate;
	return $rate;
}

# Run pgbench with each of label => [options] in turn, $warm_up times and then in
# $repeat rounds.
sub alternate_pgbench
{
	my (%options) = @_;

	foreach my $round (1 - $warm_up .. $repeat)
	{
		foreach my $label ($round % 2 ? sort keys %options : reverse sort keys %options)
		{
			my $rate = pgbench(@{ $options{$label} });
			push @{ $rates{$label} }, $rate if $round > 0;
		}
	}
	return;
}

1;
