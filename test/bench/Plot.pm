#
# Plot.pm: charts of the tables of Results.pm, as SVG.
#
# A chart stands for itself: it follows the reader's light or dark colours, on a
# background of its own, and its description has all the numbers.
#
package Plot;

use strict;
use warnings;
use utf8;

use Exporter qw(import);
use List::Util qw(max min);
use POSIX qw(ceil floor);
use Tables;

our @EXPORT = qw(plot);

# Colours that the colour-blind can tell apart, too, by what they stand for.
my @colours = ('#7d8590', '#0072b2', '#009e73', '#d98c00', '#cc79a7', '#d55e00');
my %colour_of = (
	plain => 0, UPDATE => 0, 'without a rotation' => 0,
	none => 1, rotation => 1, 'beside a rotation' => 1, scan => 1,
	equality => 2, insert => 2,
	order => 3,
	encrypt_iv => 4,
	PGP => 5);
my $style = join('',
	"text { font-family: sans-serif; font-size: 12px; fill: #1f2328 }\n",
	".title { font-size: 15px; font-weight: bold }\n",
	".small { font-size: 11px; fill: #59636e }\n",
	".value { font-size: 10px }\n",
	".back { fill: #ffffff; stroke: #d1d9e0 }\n",
	".cut { stroke: #ffffff; stroke-width: 2 }\n",
	".grid { stroke: #d1d9e0; stroke-width: 1 }\n",
	".line { fill: none; stroke-width: 2 }\n",
	(map { ".c$_ { fill: $colours[$_] }\n.l$_ { stroke: $colours[$_] }\n" } 0 .. $#colours),
	"\@media (prefers-color-scheme: dark) {\n",
	"text { fill: #f0f6fc }\n.small { fill: #9198a1 }\n.back { fill: #0d1117; stroke: #3d444d }\n",
	".cut { stroke: #0d1117 }\n.grid { stroke: #3d444d }\n",
	"}\n");

sub plot
{
	my ($table) = @_;
	return $table->{chart} eq 'lines' ? lines($table) : bars($table);
}

sub escaped
{
	my ($text) = @_;
	my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
	return $text =~ s/([&<>"])/$entity{$1}/gr;
}

sub text
{
	my ($x, $y, $text, %attributes) = @_;
	my $more = join('', map { " $_=\"$attributes{$_}\"" } sort keys %attributes);
	return sprintf("<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", $x, $y, $more, escaped($text));
}

sub rule
{
	my ($class, @ends) = @_;
	return sprintf("<line class=\"$class\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", @ends);
}

# No font is known here; this is enough for all that are usual.
sub text_width
{
	my ($text) = @_;
	return 7 * length($text);
}

sub colour
{
	my ($table, $column) = @_;
	return $colour_of{ $table->{columns}[$column] } // ($column + 1) % @colours;
}

sub description
{
	my ($table) = @_;
	my @rows;

	foreach my $row (@{ $table->{rows} })
	{
		my ($label, @values) = @$row;
		my @known = grep { defined $values[$_] } 0 .. $#values;
		my $name = $table->{chart} eq 'lines' ? number($label) . " $table->{head}" : $label;
		push @rows, "$name: " . join(', ', map { "$table->{columns}[$_] " . number($values[$_]) } @known);
	}
	return "In $table->{unit}. " . join('; ', @rows) . '.';
}

sub document
{
	my ($table, $width, $height, $body) = @_;
	return
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 $width $height\" width=\"$width\" height=\"$height\""
	  . " role=\"img\" aria-labelledby=\"title desc\">\n"
	  . '<title id="title">' . escaped($table->{title}) . "</title>\n"
	  . '<desc id="desc">' . escaped(description($table)) . "</desc>\n"
	  . "<style>\n$style</style>\n"
	  . sprintf("<rect class=\"back\" x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", $width - 1, $height - 1)
	  . text(16, 26, $table->{title}, class => 'title')
	  . $body
	  . "</svg>\n";
}

# Marks of an axis from 0: at most six, at round numbers, and its end.
sub marks
{
	my ($most) = @_;
	my $step = 10**floor(log($most / 5) / log(10));

	foreach my $factor (2, 2.5, 2)
	{
		$step *= $factor if $most / $step > 5;
	}
	my $count = ceil($most / $step);
	return map { $_ * $step } 0 .. $count;
}

# A column whose bars are far longer than all others would leave those no room:
# its bars are cut.
sub cut_column
{
	my ($table) = @_;
	my @columns = 0 .. $#{ $table->{columns} };
	my @usual = map { my $column = $_; middle(grep { defined } map { $_->[ $column + 1 ] } @{ $table->{rows} }) } @columns;

	foreach my $column (@columns)
	{
		my @others = @usual[ grep { $_ != $column } @columns ];
		return $column if @others && $usual[$column] > 10 * max(@others);
	}
	return -1;
}

sub middle
{
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[ $#sorted / 2 ];
}

sub legend
{
	my ($table, $y) = @_;
	my $x = 16;
	my $svg = '';

	foreach my $column (0 .. $#{ $table->{columns} })
	{
		my $name = $table->{columns}[$column];
		$svg .= sprintf("<rect class=\"c%d\" x=\"%d\" y=\"%d\" width=\"10\" height=\"10\"/>\n", colour($table, $column), $x, $y - 9);
		$svg .= text($x + 15, $y, $name);
		$x += 15 + text_width($name) + 16;
	}
	return $svg;
}

# Groups of horizontal bars, so that labels and values of any length find room.
sub bars
{
	my ($table) = @_;
	my ($width, $bar, $gap, $right) = (760, 13, 14, 64);
	my $left = 28 + max(map { text_width($_->[0]) } @{ $table->{rows} });
	my $top = 76;
	my $cut = cut_column($table);
	my @shown = grep { $_ != $cut } 0 .. $#{ $table->{columns} };
	my @marks = marks(max(grep { defined } map { @$_[ map { $_ + 1 } @shown ] } @{ $table->{rows} }));
	my $scale = ($width - $left - $right) / $marks[-1];
	my $y = $top;
	my ($back, $front) = ('', legend($table, 54));

	foreach my $row (@{ $table->{rows} })
	{
		my ($label, @values) = @$row;
		my @known = grep { defined $values[$_] } 0 .. $#values;

		$front .= text($left - 10, $y + @known * $bar / 2 + 4, $label, 'text-anchor' => 'end');
		foreach my $column (@known)
		{
			my $end = $left + $scale * min($values[$column], $marks[-1]);

			$front .= sprintf("<rect class=\"c%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n",
				colour($table, $column), $left, $y, max($end - $left, 0.5), $bar - 2);
			$front .= rule('cut', $end - 18, $y + $bar, $end - 12, $y - 2) . rule('cut', $end - 13, $y + $bar, $end - 7, $y - 2)
			  if $column == $cut;
			$front .= text($end + 4, $y + 9, number($values[$column]), class => 'value');
			$y += $bar;
		}
		$y += $gap;
	}
	foreach my $mark (@marks)
	{
		my $x = $left + $scale * $mark;
		$back .= rule('grid', $x, $top - 6, $x, $y - 4);
		$back .= text($x, $y + 12, mark_text($mark), class => 'small', 'text-anchor' => 'middle');
	}
	$back .= text($left + ($width - $left - $right) / 2, $y + 30, $table->{unit}, class => 'small', 'text-anchor' => 'middle');
	return document($table, $width, $y + 42, $back . $front);
}

sub mark_text
{
	my ($mark) = @_;
	return $mark == int($mark) ? number($mark) : sprintf('%g', $mark);
}

# A marker of its own for each line, where colours are not seen.
sub marker
{
	my ($x, $y, $colour) = @_;
	my @points = (
		undef,
		[ [ -4, -4 ], [ 4, -4 ], [ 4, 4 ], [ -4, 4 ] ],
		[ [ 0, -5 ], [ 5, 4 ], [ -5, 4 ] ],
		[ [ 0, -5 ], [ 5, 0 ], [ 0, 5 ], [ -5, 0 ] ]);
	my $shape = $points[ $colour % @points ];

	return sprintf("<circle class=\"c$colour\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", $x, $y) unless $shape;
	return "<polygon class=\"c$colour\" points=\""
	  . join(' ', map { sprintf('%.1f,%.1f', $x + $_->[0], $y + $_->[1]) } @$shape) . "\"/>\n";
}

# Steps that multiply: a logarithmic axis from left to right.
sub lines
{
	my ($table) = @_;
	my ($width, $height, $top, $bottom, $left) = (620, 320, 58, 262, 64);
	my @columns = 0 .. $#{ $table->{columns} };
	my $right = $width - 44 - max(map { text_width($_) } @{ $table->{columns} });
	my @steps = map { $_->[0] } @{ $table->{rows} };
	my @marks = marks(max(map { @$_[ 1 .. $#$_ ] } @{ $table->{rows} }));
	my $range = log($steps[-1] / $steps[0]) || 1;
	my $x_of = sub { $left + ($right - $left) * log($_[0] / $steps[0]) / $range };
	my $y_of = sub { $bottom - ($bottom - $top) * $_[0] / $marks[-1] };
	my ($svg, $label_y) = ('', 0);

	$svg .= text(16, 46, $table->{unit}, class => 'small');
	foreach my $mark (@marks)
	{
		my $y = $y_of->($mark);
		$svg .= rule('grid', $left, $y, $right, $y);
		$svg .= text($left - 8, $y + 4, mark_text($mark), class => 'small', 'text-anchor' => 'end');
	}
	foreach my $step (@steps)
	{
		my $x = $x_of->($step);
		$svg .= rule('grid', $x, $bottom, $x, $bottom + 5);
		$svg .= text($x, $bottom + 20, number($step), class => 'small', 'text-anchor' => 'middle');
	}
	$svg .= text(($left + $right) / 2, $bottom + 42, $table->{head}, class => 'small', 'text-anchor' => 'middle');

	# from the top down, so that labels can make room for each other
	foreach my $column (sort { $table->{rows}[-1][ $b + 1 ] <=> $table->{rows}[-1][ $a + 1 ] } @columns)
	{
		my $colour = colour($table, $column);
		my @points = map { [ $x_of->($_->[0]), $y_of->($_->[ $column + 1 ]) ] } @{ $table->{rows} };
		my $y = max($points[-1][1] + 4, $label_y + 15);

		$svg .= "<polyline class=\"line l$colour\" points=\""
		  . join(' ', map { sprintf('%.1f,%.1f', @$_) } @points) . "\"/>\n";
		$svg .= marker(@$_, $colour) foreach @points;
		$svg .= text($right + 12, $y, $table->{columns}[$column]);
		$label_y = $y;
	}
	return document($table, $width, $height, $svg);
}

1;
