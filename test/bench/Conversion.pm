#
# Conversion.pm: encrypting a column of a table, by cellenc and by ALTER TABLE.
#
package Conversion;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max);
use Load;
use Options;
use Results;
use Server;

our @EXPORT = qw(measure_conversion measure_latency);

sub make_people
{
	my ($table, $count) = @_;
	return (
		'SET client_min_messages = warning',
		"DROP TABLE IF EXISTS $table",
		"CREATE TABLE $table (id bigint, ssn text NOT NULL, name text, pad text)",
		"INSERT INTO $table SELECT i, lpad(i::text, 11, '0'), left(md5(i::text), 20), repeat(md5((-i)::text), 2)
		   FROM generate_series(1, $count) i",
		"ALTER TABLE $table ADD PRIMARY KEY (id)",
		"CREATE INDEX ON $table (name)",
		"VACUUM (ANALYZE) $table",
		'CHECKPOINT');
}

# How long the table was locked for the last conversion, as the log tells: at
# its start, the longer of two times, and at the switch.
sub lock_times
{
	open(my $in, '<', "$dir/data.log") or die "could not read the log: $!\n";
	my $log = join('', <$in>);
	close($in);
	my @last = map { ($log =~ /$_ (\d+) ms/g)[-1] }
	  ('rehearsed, with its table locked for', 'locked against writers for', "exchanged the table's files in");
	return (max(@last[ 0, 1 ]), $last[2]);
}

sub measure_conversion
{
	my (@alter, @convert, @start, @switch);

	session('SET client_min_messages = warning', "SELECT cellenc_create_key('converted', if_not_exists => true)");
	foreach my $round (1 .. $rotate_repeat)
	{
		foreach my $what ($round % 2 ? qw(alter convert) : qw(convert alter))
		{
			if ($what eq 'alter')
			{
				my $run = session(make_people('people', $rotate_rows),
					[ 'alter', "ALTER TABLE people ALTER COLUMN ssn TYPE enctext('converted')" ]);
				push @alter, $run->{alter}[0];
			}
			else
			{
				my $run = session(make_people('people', $rotate_rows),
					[ 'convert', "SELECT cellenc_encrypt_column('people', 'ssn', 'converted')" ],
					[ 'wait', 'CALL cellenc_wait()' ]);
				push @convert, $run->{convert}[0] + $run->{wait}[0];
				my ($start, $switch) = lock_times();
				push @start, $start;
				push @switch, $switch;
			}
		}
	}
	@times{qw(alter convert start switch)} = (\@alter, \@convert, \@start, \@switch);
	figure("conversion of $rotate_rows rows / ALTER TYPE", median(@convert) / median(@alter), '<=', 2, 'x');
	figure('table locked at the start of a conversion', median(@start), '<=', 100, 'ms');
	figure('table locked at the switch of a conversion', median(@switch), '<=', 100, 'ms');
	return;
}

# The statement that converts the column back or forth.
sub next_conversion
{
	return query("SELECT atttypid = 'text'::regtype FROM pg_attribute
		WHERE attrelid = 'people'::regclass AND attname = 'ssn'") eq 't'
	  ? "SELECT cellenc_encrypt_column('people', 'ssn', 'converted')" : "SELECT cellenc_decrypt_column('people', 'ssn')";
}

# Readers and writers at a fixed rate beside a conversion and without one, with
# default settings, as beside a rotation.
sub measure_latency
{
	my $failed = 0;
	my (%read, %write);

	session("SELECT cellenc_create_key('converted', if_not_exists => true)",
		make_people('people', $rotate_rows),
		'ALTER SYSTEM SET cellenc.allow_decrypt_column = on');
	write_scripts(
		read => "\\set id random(1, $rotate_rows)\nSELECT ssn, name FROM people WHERE id = :id;\n",
		write => "\\set id random(1, $rotate_rows)\nUPDATE people SET ssn = lpad((:id)::text, 11, '1'), pad = 'x' WHERE id = :id;\n");
	limit_jobs(1);
	foreach my $round (1 .. $rotate_repeat)
	{
		foreach my $what ($round % 2 ? qw(alone beside) : qw(beside alone))
		{
			my %latencies;

			query('CHECKPOINT');
			$failed += $what eq 'beside' ? load_beside_job(2, \%latencies, next_conversion()) : load_alone(2, \%latencies);
			push @{ $read{$what} }, quantile(0.99, $latencies{read});
			push @{ $write{$what} }, quantile(0.99, $latencies{write});
		}
	}
	limit_jobs(0);
	@times{qw(read_p99_alone read_p99_beside write_p99_alone write_p99_beside)} =
	  ($read{alone}, $read{beside}, $write{alone}, $write{beside});
	figure('p99 of readers beside a conversion / alone', median(@{ $read{beside} }) / median(@{ $read{alone} }), '<=', 1.5, 'x');
	figure('p99 of writers beside a conversion / alone', median(@{ $write{beside} }) / median(@{ $write{alone} }), '<=', 3, 'x');
	figure('failed statements beside a conversion', $failed, '==', 0, 'statements');
	return;
}

1;
