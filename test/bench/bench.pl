#!/usr/bin/perl
#
# bench.pl: the speed that cellenc promises ("sudo make bench").
#
# Runs as an unprivileged user, with cellenc and pgcrypto installed, on a
# throw-away server of its own.  Compares a plain column, cellenc, and pgcrypto
# as people use it: encrypt_iv with a random IV in every row, and
# pgp_sym_encrypt with its defaults (on few rows, because one costs as much as
# hundreds of the others).  Searches, sorts and a mix of short transactions are
# compared with the same on plain columns with the same kind of index.
#
# What is compared runs in one session or on one server, in alternating order,
# every round backwards of the last; each figure is a ratio of medians.
#
# Rotation is measured at full speed against an UPDATE of the same rows, for two
# sizes, and with default settings beside readers and writers at fixed rates,
# whose latencies are compared with those without a rotation.
#
# Environment: PARTS, which of the parts below to measure, and the sizes in
# Options.pm.  Prints tables and one line of JSON, which is also left in
# bench.json for page.pl; the exit code tells whether every target was met.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Conversion;
use Costs;
use Keys;
use Report;
use Rotation;
use Scaling;
use Search;
use Server;
use Traffic;
use Values;

my @parts = (
	[ scans => \&measure_scans ],
	[ inserts => \&measure_inserts ],
	[ bytes => \&measure_bytes ],
	[ first_use => \&measure_first_use ],
	[ values => \&measure_values ],
	[ size => \&measure_size ],
	[ lookups => \&measure_lookups ],
	[ sorts => \&measure_sorts ],
	[ oltp => \&measure_oltp ],
	[ hooks => \&measure_hooks ],
	[ rotation => \&measure_rotation ],
	[ rotation_load => \&measure_rotation_load ],
	[ partitions => \&measure_partitions ],
	[ conversion => \&measure_conversion ],
	[ latency => \&measure_latency ],
	[ scaling => \&measure_scaling ],
	[ many_keys => \&measure_many_keys ]);
my %measure = map { @$_ } @parts;
my $all_parts = join(' ', map { $_->[0] } @parts);
my @wanted = split(' ', $ENV{PARTS} || $all_parts);
my $began = time;

foreach my $part (@wanted)
{
	die "bench.pl: unknown part \"$part\"; there are $all_parts\n" unless $measure{$part};
}

binmode(STDOUT, ':encoding(UTF-8)');
$SIG{INT} = $SIG{TERM} = sub { exit 130 };
describe_machine();
start_server();
foreach my $part (@wanted)
{
	my $start = time;

	$measure{$part}->();
	# to who waits, or wonders where the minutes went
	printf STDERR "bench.pl: measured %s in %d s\n", $part, time - $start;
}
stop_servers();
exit(report(\@wanted, time - $began) ? 1 : 0);

END
{
	my $status = $?;
	stop_servers();
	$? = $status;
}
