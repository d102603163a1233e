#
# Tables.pm: numbers and tables of them as text.
#
package Tables;

use strict;
use warnings;
use utf8;

use Exporter qw(import);

our @EXPORT = qw(number text_table markdown_table);

# Three digits are enough of what was measured, all are of a count.
sub number
{
	my ($value) = @_;
	my $text;

	return '–' unless defined $value;
	$text =
		$value >= 100 || $value == int($value) ? sprintf('%.0f', $value)
	  : $value >= 10                           ? sprintf('%.1f', $value)
	  :                                          sprintf('%.2f', $value);
	1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}

# The cells of a table (see Results.pm), the first line being the head.
sub cells
{
	my ($table) = @_;
	my @lines = ([ $table->{head}, @{ $table->{columns} } ]);

	foreach my $row (@{ $table->{rows} })
	{
		my ($label, @values) = @$row;
		push @lines, [ $table->{chart} eq 'lines' ? number($label) : $label, map { number($_) } @values ];
	}
	return @lines;
}

sub text_table
{
	my ($table) = @_;
	my @lines = cells($table);

	return "$table->{title}, $table->{unit}\n"
	  . join('', map { my ($label, @values) = @$_;
			  sprintf('    %-24s', $label) . join('', map { sprintf(' %12s', $_) } @values) . "\n" } @lines);
}

sub markdown_table
{
	my ($table) = @_;
	my ($head, @lines) = cells($table);
	my $align = $table->{chart} eq 'lines' ? '---:' : '---';

	return join('', map { '| ' . join(' | ', @$_) . " |\n" } $head, [ $align, map { '---:' } @{ $table->{columns} } ], @lines);
}

1;
