#!/usr/bin/perl
#
# indent.pl: PostgreSQL's layout for our C files (make indent, make indent-check).
#
# Usage: indent.pl [--check] [--include PATH]... FILE...
#
# Runs pg_bsd_indent with pgindent's flags and its few corrections before and
# after.  The typedef names it needs stand in test/typedefs.list: those that our
# files declare, or use from the headers that --include names.  Without --check,
# files and list are rewritten; with it nothing is, every difference is shown,
# and the exit code is 1 if there was one.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Find;
use File::Temp qw(tempdir);
use Getopt::Long;

my $VERSION = '2.1.1';
my @FLAGS = qw(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1
  -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4);

# pgindent's own corrections of the list.
my @ADDED = ('bool');
my %NOT_TYPEDEFS = map { $_ => 1 } qw(FD_SET U abs allocfunc boolean date digit
  ilist interval iterator other pointer printfunc reference string timestamp
  type wrap);

# Of the C library.
my @C_TYPES = qw(FILE int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t
  uint64_t uintptr_t size_t ssize_t off_t pid_t time_t mode_t);

my $list_file = dirname($0) . '/typedefs.list';
my $scratch = tempdir(CLEANUP => 1);
my ($check, @include);

GetOptions('check' => \$check, 'include=s' => \@include)
  or die "usage: indent.pl [--check] [--include PATH]... FILE...\n";

my $version = `pg_bsd_indent --version 2>/dev/null` // '';
die "indent.pl: pg_bsd_indent $VERSION is needed (Debian package pg-bsd-indent)\n"
  unless $version =~ / \Q$VERSION\E /;

my %source = map { $_ => read_file($_) } @ARGV;
my $failed = 0;

my @typedefs = (update_list(), @ADDED);
foreach my $file (sort keys %source)
{
	my $result = indent($file);
	next if !defined($result) || $result eq $source{$file};
	$check ? show_difference($file, $result) : write_file($file, $result);
}
exit $failed;

sub read_file
{
	my ($file) = @_;
	open(my $handle, '<', $file) or die "could not read \"$file\": $!\n";
	local $/ = undef;
	return <$handle> // '';
}

sub write_file
{
	my ($file, $content) = @_;
	open(my $handle, '>', $file) or die "could not write \"$file\": $!\n";
	print $handle $content;
	close($handle) or die "could not write \"$file\": $!\n";
	return;
}

sub typedefs
{
	return -f $list_file ? split(/\n/, read_file($list_file)) : ();
}

sub without_comments
{
	my ($text) = @_;

	$text =~ s!/\*.*?\*/!!gs;
	return $text;
}

# Every word of C text outside comments and strings.
sub words
{
	my $text = without_comments(@_);

	$text =~ s!"(?:[^"\\\n]|\\.)*"!!g;
	return $text =~ /\b[A-Za-z_]\w*/g;
}

# Names that C text declares as types.
sub declared
{
	my $text = without_comments(@_);
	my @names;

	push @names, $1
	  while $text =~ /^typedef\s+(?:struct|union|enum)\b[^;{]*\{.*?^\}\s*(\w+)[^;]*;/gms;
	push @names, $1 while $text =~ /^typedef\s[^;{}()]*?(\w+)(?:\[\w+\])?;/gm;
	push @names, $1 while $text =~ /^typedef\s[^;{}]*?\(\s*\*\s*(\w+)\s*\)\s*\(/gm;
	push @names, $1 while $text =~ /^typedef\s[^;{}()]*?(\w+)\s*\([^;()*]*\);/gm;
	return @names;
}

# Bring the list up to date with the words that our files use; returns it.
sub update_list
{
	my %used = map { $_ => 1 } map { words($_) } values %source;
	my %known = map { $_ => 1 } typedefs();
	my %found = map { $_ => 1 } map { declared($_) } values %source;

	$found{$_} = 1 for @C_TYPES;
	find(
		sub {
			return unless /\.h$/ && -f $_ && $File::Find::dir !~ /snowball/;
			$found{$_} = 1 for declared(read_file($_));
		},
		@include) if @include;

	my @wanted = grep { $used{$_} && !$NOT_TYPEDEFS{$_} } sort keys %{ { %known, %found } };
	if (!$check)
	{
		write_file($list_file, join('', map { "$_\n" } @wanted));
	}
	elsif (my @missing = grep { !$known{$_} } @wanted)
	{
		print "$list_file lacks (make indent adds): @missing\n";
		$failed = 1;
	}
	return @wanted;
}

# The text of $name as it should be; undef if pg_bsd_indent cannot read it.
sub indent
{
	my ($name) = @_;
	my $source = $source{$name};
	my $file = "$scratch/source.c";
	my @names = @typedefs;

	# "text" is also a good name for a field.
	@names = grep { $_ ne 'text' } @names unless without_comments($source) =~ /\btext \*/;
	write_file("$scratch/typedefs", join('', map { "$_\n" } @names));

	$source =~ s!^([ \t]*)//(.*)$!$1/* $2 */!gm;
	$source =~ s!/\* +---!/*---X_X!g;
	write_file($file, $source);
	my $message = `cd $scratch && pg_bsd_indent @FLAGS -U$scratch/typedefs source.c 2>&1`;
	if ($? || $message ne '')
	{
		print "$name: $message\n";
		$failed = 1;
		return undef;
	}
	$source = read_file($file);
	$source =~ s!/\*---X_X!/* ---!g;
	$source =~ s!\*/(/\*.*\*/)$!*/\t$1!gm;
	$source =~ s!^([A-Za-z_]\S*)[ \t]+\*$!$1 *!gm;
	return $source;
}

sub show_difference
{
	my ($file, $result) = @_;
	write_file("$scratch/indented", $result);
	system('diff', '-u', '--label', $file, '--label', "$file (indented)",
		$file, "$scratch/indented");
	$failed = 1;
	return;
}
