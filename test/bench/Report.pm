#
# Report.pm: the results as a table and as JSON, with what they were measured on.
#
package Report;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;
use Options;
use POSIX qw(strftime);
use Results;
use Server;
use Tables;

our @EXPORT = qw(describe_machine report);

my %machine;

sub first_line
{
	my ($file) = @_;
	open(my $in, '<', $file) or return '';
	my $line = <$in> // '';
	close($in);
	chomp $line;
	return $line;
}

# Of a file with a line for each value.
sub value_of
{
	my ($file, $name, $separator) = @_;
	my $value;

	open(my $in, '<', $file) or return;
	while (my $line = <$in>)
	{
		$value //= $1 if $line =~ /^\Q$name\E\s*$separator\s*"?(.*?)"?$/;
	}
	close($in);
	return $value;
}

# Before anything is started: what else the machine is busy with shows in its load.
sub describe_machine
{
	my ($memory) = (value_of('/proc/meminfo', 'MemTotal', ':') // '') =~ /^(\d+) kB/;
	my $system = value_of('/etc/os-release', 'PRETTY_NAME', '=');

	chomp(my $cores = `nproc`);
	chomp(my $server = `$bindir/postgres --version`);
	$server =~ s/^postgres \(PostgreSQL\)/PostgreSQL/;
	chomp(my $openssl = `openssl version`);
	%machine = (
		cpu => value_of('/proc/cpuinfo', 'model name', ':') // 'unknown processor',
		cores => $cores + 0,
		memory_gb => defined $memory ? int($memory / 1024 / 1024 + 0.5) : undef,
		system => $system,
		server => $server,
		openssl => $openssl =~ s/ \(.*//r,
		load_before => [ map { $_ + 0 } (split(' ', first_line('/proc/loadavg')))[ 0 .. 2 ] ],
		date => strftime('%Y-%m-%d', gmtime));
	$machine{commit} = $ENV{COMMIT} if $ENV{COMMIT};
	return;
}

sub print_details
{
	my ($measured) = @_;

	foreach my $label (sort keys %$measured)
	{
		my @sorted = sort { $a <=> $b } @{ $measured->{$label} };
		printf "    %-28s %10.2f   (%.2f to %.2f)\n", $label, median(@sorted), @sorted[ 0, -1 ];
	}
	return;
}

sub rounded
{
	my ($value) = @_;
	return defined $value ? sprintf('%.5g', $value) + 0 : undef;
}

sub medians
{
	my ($measured) = @_;
	return { map { ($_ => rounded(median(@{ $measured->{$_} }))) } keys %$measured };
}

sub everything
{
	my ($parts, $seconds_taken) = @_;
	my %result = (
		machine => \%machine,
		settings => { %settings, lc_collate => $locale },
		parts => $parts,
		minutes => rounded($seconds_taken / 60),
		sizes => {
			rows => $rows, sort_rows => $sort_rows, rotate_rows => $rotate_rows, pgp_rows => $pgp_rows,
			key_rows => $key_rows, lookups => $lookups, repeat => $repeat, often => $often, rotate_repeat => $rotate_repeat,
			seconds => $seconds, read_rate => $read_rate, write_rate => $write_rate },
		figures => [
			map { { name => $_->{name}, target => "$_->{relation} $_->{target}", measured => rounded($_->{measured}),
					unit => $_->{unit}, pass => $_->{met} ? JSON::PP::true : JSON::PP::false } } @figures ],
		facts => [ map { { name => $_->[0], measured => rounded($_->[1]), unit => $_->[2] } } @facts ],
		tables => [
			map { { %$_, rows => [ map { my ($label, @values) = @$_; [ $label, map { rounded($_) } @values ] } @{ $_->{rows} } ] } }
			  @tables ],
		medians_ms => medians(\%times),
		medians_tps => medians(\%rates));

	return \%result;
}

# Print the report, write bench.json.  Returns how many targets were missed.
sub report
{
	my ($parts, $seconds_taken) = @_;
	my $missed = grep { !$_->{met} } @figures;
	my $result = everything($parts, $seconds_taken);
	my $json = JSON::PP->new->canonical;

	printf "%s; %s, %d cores, load %s; %s\n", @machine{qw(server cpu cores)}, join(' ', @{ $machine{load_before} }),
	  $machine{openssl};
	print join(', ', map { "$_ = $settings{$_}" } sort keys %settings), "\n";
	print "$rows rows of 20 bytes of text, collation $locale, medians of $repeat runs ($often of what is short, $rotate_repeat of rotations), ms:\n";
	print_details(\%times);
	print "transactions per second:\n" if %rates;
	print_details(\%rates);
	print "\n", text_table($_) foreach @tables;
	printf "\n%-62s %10s %12s\n", 'figure', 'target', 'measured';
	foreach my $figure (@figures)
	{
		printf "%-62s %10s %12s  %s\n", $figure->{name},
		  "$figure->{relation} $figure->{target}",
		  sprintf($figure->{unit} eq 'bytes' ? '%d %s' : '%.2f %s', $figure->{measured}, $figure->{unit}),
		  $figure->{met} ? 'pass' : 'MISS';
	}
	printf "%-62s %10s %12s\n", $_->[0], '', sprintf('%.2f %s', @$_[ 1, 2 ]) foreach @facts;
	printf "\n%d of %d targets met\n", @figures - $missed, scalar @figures;

	print $json->encode($result), "\n";
	unlink 'bench.json';
	append('bench.json', $json->utf8->pretty->encode($result));
	return $missed;
}

1;
