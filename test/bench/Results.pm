#
# Results.pm: what has been measured so far.
#
package Results;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(%times %rates @figures @facts @tables figure fact table median quantile ratio);

our %times;		# label => [milliseconds, ...]
our %rates;		# label => [transactions per second, ...]
our @figures;	# with a target
our @facts;		# [name, value, unit]: without one
our @tables;	# see table()

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $middle = int(@sorted / 2);
	return @sorted % 2 ? $sorted[$middle] : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

# How many times as much was measured for one label as for another: the median
# of the rounds' ratios, because a machine that is faster or slower for seconds
# at a time is so for both of a round.
sub ratio
{
	my ($measured, $label, $other) = @_;
	my ($of, $to) = ($measured->{$label}, $measured->{$other});
	return median(map { $of->[$_] / $to->[$_] } 0 .. $#$of);
}

sub quantile
{
	my ($part, $values) = @_;
	my @sorted = sort { $a <=> $b } @$values;
	return $sorted[ int($part * $#sorted) ];
}

# figure NAME, MEASURED, '<=' or '>=' or '==', TARGET, UNIT
sub figure
{
	my ($name, $measured, $relation, $target, $unit) = @_;
	my $met =
		$relation eq '<=' ? $measured <= $target
	  : $relation eq '>=' ? $measured >= $target
	  :                     $measured == $target;

	push @figures,
	  { name => $name, measured => $measured, relation => $relation,
		target => $target, unit => $unit, met => $met };
	return;
}

sub fact
{
	my ($name, $value, $unit) = @_;
	push @facts, [ $name, $value, $unit ];
	return;
}

# table ID, TITLE, UNIT, CHART ('bars' or 'lines'), HEAD, COLUMNS, ROWS: a row is
# [label, number or undef for each column].  The first column, HEAD, is what the
# rows tell apart: names for bars, numbers for lines.
sub table
{
	my ($id, $title, $unit, $chart, $head, $columns, $rows) = @_;
	push @tables,
	  { id => $id, title => $title, unit => $unit, chart => $chart,
		head => $head, columns => $columns, rows => $rows };
	return;
}

1;
