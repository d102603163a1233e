# What the clients in Perl share: checks, and how values are compared.
package Tap;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;

our @EXPORT = qw(check same strings);
our $after_failure;
our $count = 0;

# A check passes if it does not die.
sub check
{
	my ($name, $code) = @_;

	$count++;
	if (eval { $code->(); 1 })
	{
		print "ok $count - $name\n";
		return;
	}
	my $reason = $@;
	$after_failure->() if $after_failure;
	chomp $reason;
	$reason =~ s/^/# /mg;
	print "not ok $count - $name\n$reason\n";
}

# Compares values of any depth; a number is not the same as a string.
sub same
{
	my ($actual, $expected) = map { JSON::PP->new->canonical->allow_nonref->encode($_) } @_;
	die "got $actual, expected $expected\n" if $actual ne $expected;
}

# Strings, however Perl has kept them.
sub strings { return [ map { ref $_ eq 'ARRAY' ? strings(@$_) : defined $_ ? "$_" : undef } @_ ]; }

1;
