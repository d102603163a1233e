#
# Conversion.pm: encrypting a column of a table, by cellenc and by ALTER TABLE.
#
package Conversion;

use strict;
use warnings;

use Exporter qw(import);
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

# How long the job kept the table locked, of its last line in the log.
sub switch_time
{
	open(my $in, '<', "$dir/data.log") or die "could not read the log: $!\n";
	my @times = join('', <$in>) =~ /exchanged the table's files in (\d+) ms/g;
	close($in);
	return $times[-1];
}

sub measure_conversion
{
	my (@alter, @convert, @switch);

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
				push @switch, switch_time();
			}
		}
	}
	@times{qw(alter convert switch)} = (\@alter, \@convert, \@switch);
	figure("conversion of $rotate_rows rows / ALTER TYPE", median(@convert) / median(@alter), '<=', 2, 'x');
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
