#
# LeakSearch.pm: values that are told from everything else, and the search for
# them in files, in every form that a server or a program may write.
#
package LeakSearch;

use strict;
use warnings;

use Encode qw(encode);
use Exporter qw(import);
use File::Temp qw(tempfile);
use FindBin;
use MIME::Base64 qw(encode_base64);

our @EXPORT = qw(marker_types marker_value forms_of search_files);

# A marker of every type that can carry one: a value's text, drawn so that no
# two are alike.  Types of one or two bytes cannot, and what four bytes hold
# is sought as text alone: in a hundred megabytes, any four bytes occur.
sub digits { return join '', map { int rand 10 } 1 .. $_[0] }
sub hex_digits { return join '', map { sprintf '%x', int rand 16 } 1 .. $_[0] }

my %makers = (
	text => sub { "mArKeR-$_[0]-" . digits(8) . '-mArKeR' },
	varchar => sub { "mArKeR-$_[0]-" . digits(8) . '-vArChAr' },
	bytea => sub { '\x' . unpack 'H*', "mArKeR-$_[0]-" . digits(8) . '-bYtEs' },
	jsonb => sub { qq({"key": "mArKeR-$_[0]-) . digits(8) . '-jSoN"}' },
	int4 => sub { '17' . digits(8) },
	int8 => sub { '7' . digits(18) },
	numeric => sub { '9' . digits(19) . '.' . digits(11) . '7' },
	float4 => sub { '1.' . digits(5) . '7e+2' . int(1 + rand 8) },
	float8 => sub { '1.' . digits(14) . '7e+1' . digits(1) . '7' },
	date => sub { '3' . digits(5) . '-07-' . int(10 + rand 20) },
	time => sub { '17:' . int(10 + rand 50) . ':' . int(10 + rand 50) . '.' . digits(5) . '7' },
	timestamp => sub { '2' . digits(4) . '-11-' . int(10 + rand 20) . ' 17:18:' . int(10 + rand 50) . '.' . digits(5) . '7' },
	timestamptz => sub { '2' . digits(4) . '-12-' . int(10 + rand 20) . ' 17:18:' . int(10 + rand 50) . '.' . digits(5) . '7+00' },
	interval => sub { '1' . digits(6) . ' days 11:' . int(10 + rand 50) . ':33.' . digits(5) . '7' },
	uuid => sub { hex_digits(8) . '-' . hex_digits(4) . '-4' . hex_digits(3) . '-a' . hex_digits(3) . '-' . hex_digits(12) },
	inet => sub { join ':', map { '1' . hex_digits(3) } 1 .. 8 });

sub marker_types { return sort keys %makers }
sub marker_value { my ($type, $name) = @_; return $makers{$type}->($name) }

# The bytes that a value's text and its internal and wire forms have in common
# with no other value.  $sent: what the type's send function says, in
# hexadecimal.
sub forms_of
{
	my ($type, $text, $sent) = @_;
	my $wire = pack 'H*', $sent;
	my %forms;

	if ($type eq 'bytea')
	{
		$text = $wire;
	}
	elsif ($type eq 'jsonb')
	{
		($text) = $text =~ /(mArKeR.*jSoN)/;
	}
	$forms{plain} = $text;
	$forms{'UTF-16LE'} = encode('UTF-16LE', $text);
	$forms{'UTF-16BE'} = encode('UTF-16BE', $text);

	my %binary;
	if ($type =~ /^(int8|float8|time|timestamp|timestamptz)$/)
	{
		%binary = (wire => $wire, internal => scalar reverse $wire);
	}
	elsif ($type eq 'interval')
	{
		my $time = substr $wire, 0, 8;
		%binary = (wire => $time, internal => scalar reverse $time);
	}
	elsif ($type eq 'numeric')
	{
		my $numbers = substr $wire, 8;
		%binary = (wire => $numbers, internal => pack('v*', unpack('n*', $numbers)));
	}
	elsif ($type eq 'uuid')
	{
		%binary = (wire => $wire);
	}
	elsif ($type eq 'inet')
	{
		%binary = (wire => substr($wire, 4));
	}
	$forms{$_} = $binary{$_} foreach keys %binary;

	foreach my $form ('plain', sort keys %binary)
	{
		my $bytes = $forms{$form};
		my $hex = unpack 'H*', $bytes;

		$forms{"$form in hexadecimal"} = $hex;
		$forms{"$form in upper-case hexadecimal"} = uc $hex;
		# expressions in catalogs have their constants as lists of numbers
		$forms{"$form in decimal"} = join ' ', unpack 'C*', $bytes;
		foreach my $before (0 .. 2)
		{
			# the characters that depend on nothing but these bytes
			my $base64 = encode_base64(('x' x $before) . $bytes, '');
			my $from = (0, 2, 3)[$before];
			my $bits = 8 * ($before + length $bytes);
			$forms{"$form in base64, $before bytes off"} = substr $base64, $from, int($bits / 6) - $from;
		}
	}
	return \%forms;
}

# What is found below folders or in files: marker => form => [ files ].
# %markers: what forms_of() says of each.
sub search_files
{
	my ($markers, @paths) = @_;
	my (@names, %found);
	my ($file, $patterns) = tempfile(UNLINK => 1);

	foreach my $marker (sort keys %$markers)
	{
		foreach my $form (sort keys %{ $markers->{$marker} })
		{
			print $file unpack('H*', $markers->{$marker}{$form}), "\n";
			push @names, [ $marker, $form ];
		}
	}
	close $file or die "could not write $patterns: $!";

	open my $search, '-|', "$FindBin::RealBin/../leaks/search", $patterns, @paths or die "could not run search: $!";
	while (<$search>)
	{
		my ($line, $path) = /^(\d+)\t(.*)$/ or die "search says: $_";
		my ($marker, $form) = @{ $names[ $line - 1 ] };
		push @{ $found{$marker}{$form} }, $path;
	}
	close $search or die "search failed: $?";
	return \%found;
}

1;
