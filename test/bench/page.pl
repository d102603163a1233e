#!/usr/bin/perl
#
# page.pl: tables and plots of the bench, in the documentation.
#
#	page.pl PAGE.md		of the figures in PAGE/bench.json
#	page.pl --check PAGE.md	whether the page and the plots are what it would write
#
# Between "<!-- measured: ID -->" and "<!-- end -->" the page has what ID stands
# for: the table of that name and its plot PAGE/ID.svg, or one of those in
# %sections.  A table that was not measured says so.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use JSON::PP;
use Plot;
use Tables;

my $check = @ARGV && $ARGV[0] eq '--check' && shift @ARGV;
die "usage: page.pl [--check] PAGE.md\n" unless @ARGV == 1 && $ARGV[0] =~ /\.md\z/;
my ($page) = @ARGV;
my $folder = $page =~ s/\.md\z//r;
my ($folder_name) = $folder =~ m{([^/]+)\z};
my $result = decode_json(read_file("$folder/bench.json", ':raw'));
my %table = map { $_->{id} => $_ } @{ $result->{tables} };
my %sections = (machine => \&machine, figures => \&figures, facts => \&facts);
my %new;

$new{"$folder/$_.svg"} = plot($table{$_}) foreach keys %table;
$new{$page} = read_file($page, ':encoding(UTF-8)') =~
  s/^(<!-- measured: (\w+) -->\n).*?^(<!-- end -->\n)/"$1\n" . section($2) . "\n$3"/gmser;

if ($check)
{
	my @stale = grep { !-f $_ || read_file($_, ':encoding(UTF-8)') ne $new{$_} } sort keys %new;
	my @left_over = grep { !exists $new{$_} } glob "$folder/*.svg";

	print "$_ is not what page.pl makes of $folder/bench.json\n" foreach @stale, @left_over;
	exit(@stale || @left_over ? 1 : 0);
}
foreach my $file (sort keys %new)
{
	open(my $out, '>:encoding(UTF-8)', $file) or die "could not write \"$file\": $!\n";
	print $out $new{$file};
	close($out) or die "could not write \"$file\": $!\n";
}

sub read_file
{
	my ($file, $layer) = @_;
	open(my $in, "<$layer", $file) or die "could not read \"$file\": $!\n";
	local $/ = undef;
	my $text = <$in>;
	close($in);
	return $text;
}

sub section
{
	my ($id) = @_;
	my $table = $table{$id};

	return $sections{$id}->() if $sections{$id};
	return "Not measured in this run.\n" unless $table;
	return "![$table->{title}, in $table->{unit}]($folder_name/$id.svg)\n\n"
	  . "$table->{title}, in $table->{unit}:\n\n" . markdown_table($table);
}

sub machine
{
	my %machine = %{ $result->{machine} };
	my %settings = %{ $result->{settings} };
	my %sizes = %{ $result->{sizes} };
	my @lines = (
		"$machine{cpu}, $machine{cores} cores" . ($machine{memory_gb} ? ", $machine{memory_gb} GB" : ''),
		join(', ', grep { $_ } @machine{qw(server openssl system)}),
		'settings: ' . join(', ', map { "`$_ = $settings{$_}`" } sort keys %settings),
		number($sizes{rows}) . ' rows of 20 bytes of text; ' . number($sizes{sort_rows}) . ' where values are sorted, joined or'
		  . " costed; of PGP $sizes{pgp_rows}; " . number($sizes{rotate_rows}) . ' rotated; medians of '
		  . "$sizes{repeat} rounds ($sizes{often} of what is short, $sizes{rotate_repeat} of rotations)",
		"$machine{date}" . ($machine{commit} ? ", commit $machine{commit}" : '') . ', load average before: '
		  . join(' ', map { sprintf('%.2f', $_) } @{ $machine{load_before} })
		  . '; ' . number($result->{minutes}) . ' minutes');

	return join('', map { "- $_\n" } @lines);
}

sub with_unit
{
	my ($value, $unit) = @_;
	return number($value) . ($unit eq 'x' ? ' ×' : " $unit");
}

sub figures
{
	my %sign = ('<=' => 'at most', '>=' => 'at least', '==' => 'exactly');

	return "| | target | measured | |\n|---|---:|---:|---|\n" . join('', map {
			my ($relation, $target) = split(' ', $_->{target});
			"| $_->{name} | $sign{$relation} " . number($target) . ' | ' . with_unit($_->{measured}, $_->{unit})
			  . ' | ' . ($_->{pass} ? 'met' : '**missed**') . " |\n" } @{ $result->{figures} });
}

sub facts
{
	return "| | |\n|---|---:|\n"
	  . join('', map { "| $_->{name} | " . with_unit($_->{measured}, $_->{unit}) . " |\n" } @{ $result->{facts} });
}
