#
# Rotation.pm: rotations, at full speed and beside a load.
#
package Rotation;

use strict;
use warnings;

use Exporter qw(import);
use Load;
use Options;
use Results;
use Server;
use Values;

our @EXPORT = qw(rotated_table rotate make_rotated_key measure_rotation measure_rotation_load measure_partitions);

sub rotated_table
{
	my ($rows) = @_;
	return (
		'SET client_min_messages = warning',
		'DROP TABLE IF EXISTS rotated',
		"CREATE TABLE rotated (id bigint, v enctext('rotated'), note text)",
		"INSERT INTO rotated SELECT i, left(md5(i::text), 20), left(md5((-i)::text), 20)
		   FROM generate_series(1, $rows) i",
		'ALTER TABLE rotated ADD PRIMARY KEY (id)',
		'VACUUM (ANALYZE) rotated',
		'CHECKPOINT');
}

# Milliseconds that a rotation of the table takes.
sub rotate
{
	my (@before) = @_;
	my $run = session(@before,
		[ 'rotate', "SELECT cellenc_rotate_key('rotated')" ],
		[ 'wait', 'CALL cellenc_wait()' ]);
	my $left = query("SELECT count(*) FROM rotated WHERE cellenc_key_version(v) <>
		(SELECT version FROM cellenc.key_versions WHERE key = 'rotated' AND state = 'current')");

	die "bench.pl: $left values are not under the current version\n" if $left ne '0';
	return $run->{rotate}[0] + $run->{wait}[0];
}

# Once for all parts.
sub make_rotated_key
{
	drop_sources();
	session('SET client_min_messages = warning', "SELECT cellenc_create_key('rotated', if_not_exists => true)");
	return;
}

# Bytes of WAL written since, for each of so many rows.
sub wal_since
{
	my ($lsn, $rows) = @_;
	return query("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')") / $rows;
}

sub measure_rotation
{
	my @fresh = rotated_table($rotate_rows);
	my (@update, @rotate);
	my %wal;
	my $twice;

	make_rotated_key();
	foreach my $round (1 .. $rotate_repeat)
	{
		foreach my $what ($round % 2 ? qw(update rotate) : qw(rotate update))
		{
			my $lsn;

			session(@fresh);
			$lsn = query('SELECT pg_current_wal_insert_lsn()');
			if ($what eq 'update')
			{
				my $run = session([ 'update', 'UPDATE rotated SET note = reverse(note)' ]);
				push @update, $run->{update}[0];
			}
			else
			{
				push @rotate, rotate();
			}
			$wal{$what} //= wal_since($lsn, $rotate_rows);
		}
	}
	$times{update} = \@update;
	$times{rotate} = \@rotate;
	fact('rotation at full speed', 1000 * $rotate_rows / median(@rotate), 'values/s');
	fact('WAL of a rotation, for each row', $wal{rotate}, 'bytes');
	fact('WAL of the UPDATE, for each row', $wal{update}, 'bytes');
	figure("rotation of $rotate_rows rows / plain UPDATE", median(@rotate) / median(@update), '<=', 1.6, 'x');

	$twice = rotate(rotated_table(2 * $rotate_rows));
	$times{rotate_twice} = [$twice];
	figure('rotation of twice as many rows', $twice / median(@rotate), '<=', 2.2, 'x');
	return;
}

sub measure_rotation_load
{
	my (%without, %beside, %quantile);
	my @parts = ([ 'median', 0.5 ], [ 'p99', 0.99 ], [ 'p99.9', 0.999 ]);
	my ($failed, $before, $after);

	make_rotated_key();
	session(rotated_table($rotate_rows));
	write_scripts(
		read => "\\set id random(1, $rotate_rows)\nSELECT v FROM rotated WHERE id = :id;\n",
		write => "\\set id random(1, $rotate_rows)\n\\set value random(1, 1000000000)\n"
		  . "UPDATE rotated SET v = 'value ' || :value, note = :value WHERE id = :id;\n");

	limit_jobs(1);
	load_alone(4, {});
	$failed = load_alone(4, \%without) + load_alone(4, \%without);
	session('VACUUM rotated', 'CHECKPOINT');
	$before = query("SELECT pg_table_size('rotated')");
	$failed += load_beside_job(4, \%beside, "SELECT cellenc_rotate_key('rotated')");
	$after = query("SELECT pg_table_size('rotated')");
	limit_jobs(0);

	fact('rotation with default settings beside a load',
		latest_job('values_done / extract(epoch FROM finished_at - started_at)'), 'values/s');
	foreach my $kind (qw(read write))
	{
		foreach my $part (@parts)
		{
			$quantile{$kind}{ $part->[0] } = [ map { quantile($part->[1], $_->{$kind}) } \%without, \%beside ];
		}
	}
	table('latency', 'Latency of short statements', 'ms', 'bars', 'statements',
		[ 'without a rotation', 'beside a rotation' ],
		[ map { my $kind = $_; map { [ "${kind}s, $_->[0]", @{ $quantile{$kind}{ $_->[0] } } ] } @parts } qw(read write) ]);
	foreach my $case ([ 'read', 1.5 ], [ 'write', 2 ])
	{
		my ($kind, $target) = @$case;
		my ($alone, $rotating) = @{ $quantile{$kind}{p99} };
		figure("${kind}s, p99: beside a rotation / without", $rotating / $alone, '<=', $target, 'x');
	}
	figure('failed statements', $failed, '==', 0, 'statements');
	figure('size of the table: after / before', $after / $before, '<=', 1.25, 'x');
	return;
}

# Memory of a worker that is its own, in kB.
sub worker_memory
{
	my $pid = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'cellenc worker' LIMIT 1");
	my $memory = 0;

	return 0 unless $pid && open(my $in, '<', "/proc/$pid/status");
	while (my $line = <$in>)
	{
		$memory += $1 if $line =~ /^Rss(?:Anon|File):\s*(\d+) kB/;
	}
	close($in);
	return $memory;
}

sub measure_partitions
{
	my $most = 0;

	make_rotated_key();
	session('SET client_min_messages = warning',
		'DROP TABLE IF EXISTS rotated',
		"CREATE TABLE rotated (id bigint, v enctext('rotated'), note text) PARTITION BY RANGE (id)");
	# not in one transaction: each takes locks
	foreach my $start (map { $_ * 100 } 0 .. ($partitions - 1) / 100)
	{
		session("DO \$\$ BEGIN FOR i IN $start .. least($start + 99, $partitions - 1) LOOP
			EXECUTE format('CREATE TABLE rotated_%s PARTITION OF rotated FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10);
			EXECUTE format('INSERT INTO rotated_%s SELECT g, g FROM generate_series(%s, %s) g', i, i * 10, i * 10 + 9);
			END LOOP; END \$\$");
	}
	my $pid = fork() // die "could not fork: $!\n";
	if ($pid == 0)
	{
		$SIG{INT} = $SIG{TERM} = 'DEFAULT';
		exec("exec $bindir/psql -XAtq -c \"SELECT cellenc_rotate_key('rotated')\" -c 'CALL cellenc_wait()' >$dir/wait.out 2>&1")
		  or die "could not run psql: $!\n";
	}
	while (waitpid($pid, 1) == 0)
	{
		my $now = worker_memory();
		$most = $now if $now > $most;
		select(undef, undef, undef, 0.1);
	}
	die "bench.pl: rotation of partitions failed\n" if $? != 0;
	$times{rotate_partitions} = [ latest_job('1000 * extract(epoch FROM finished_at - started_at)') ];
	figure("memory of a worker, $partitions partitions", $most / 1024, '<=', 64, 'MB');
	foreach my $start (map { $_ * 100 } 0 .. ($partitions - 1) / 100)
	{
		session("DO \$\$ BEGIN FOR i IN $start .. least($start + 99, $partitions - 1) LOOP
			EXECUTE format('DROP TABLE rotated_%s', i); END LOOP; END \$\$");
	}
	session('DROP TABLE rotated');
	return;
}

1;
