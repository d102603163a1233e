#!/usr/bin/perl
#
# bench.pl: the speed that cellenc promises ("sudo make bench").
#
# Runs as an unprivileged user, with cellenc and pgcrypto installed, on a
# throw-away server of its own.  Compares a plain column, cellenc, and pgcrypto
# as people use it: encrypt_iv with a random IV in every row, and
# pgp_sym_encrypt with its defaults (on few rows, because one costs as much as
# hundreds of the others).  All figures are medians of runs in alternating order.
#
# Environment: ROWS, ROTATE_ROWS, REPEAT, BINDIR.  Prints a table and one line
# of JSON, which is also left in bench.json; the exit code tells whether every
# target was met.

use strict;
use warnings;

use File::Temp qw(tempdir);

my $rows = $ENV{ROWS} || 1_000_000;
my $rotate_rows = $ENV{ROTATE_ROWS} || 2_000_000;
my $repeat = $ENV{REPEAT} || 7;
my $rotate_repeat = $repeat < 3 ? $repeat : 3;
my $pgp_rows = 5000;
my $connections = 100;
my $bindir = $ENV{BINDIR} || `pg_config --bindir`;
chomp $bindir;

my %settings = (
	autovacuum => 'off',
	checkpoint_timeout => '1h',
	fsync => 'on',
	jit => 'off',
	max_parallel_workers_per_gather => '0',
	max_wal_size => '8GB',
	shared_buffers => '1GB',
	synchronous_commit => 'on');

# Not in the current folder: the path of a socket has to be short.
my $dir = tempdir('cellenc-bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @figures;
my %detail;

$ENV{PGHOST} = $dir;
$ENV{PGPORT} = 5432;
$ENV{PGUSER} = 'postgres';
$ENV{PGDATABASE} = 'postgres';
$SIG{INT} = $SIG{TERM} = sub { exit 130 };

start_server();
make_tables();
measure_scans();
measure_inserts();
measure_bytes();
measure_first_use();
measure_rotation();
stop_server();
exit report();

END
{
	my $status = $?;
	stop_server();
	$? = $status;
}

#
# The server.
#
sub command
{
	my (@command) = @_;
	system(@command) == 0 or die "bench.pl: failed: @command\n";
	return;
}

sub append
{
	my ($file, $text) = @_;
	open(my $handle, '>>', $file) or die "could not write \"$file\": $!\n";
	print $handle $text;
	close($handle) or die "could not write \"$file\": $!\n";
	return;
}

sub start_server
{
	my $conf = join('', map { "$_ = $settings{$_}\n" } sort keys %settings);

	command("$bindir/initdb -D $dir/data -U postgres -A trust -E UTF8 --locale=C >$dir/initdb.log");
	command("umask 077 && openssl rand -hex 32 >$dir/master.key");
	append("$dir/data/postgresql.conf", $conf . <<"CONF");
shared_preload_libraries = 'cellenc'
cellenc.master_key_file = '$dir/master.key'
listen_addresses = ''
unix_socket_directories = '$dir'
CONF
	command("$bindir/pg_ctl -D $dir/data -l $dir/server.log -s -w start");

	# Jobs at full speed, where this version limits them.
	query("DO \$\$ BEGIN
			 IF EXISTS (SELECT FROM pg_settings WHERE name = 'cellenc.job_max_wal_rate') THEN
			   EXECUTE 'ALTER DATABASE postgres SET cellenc.job_max_wal_rate = 0';
			 END IF; END \$\$");
	return;
}

sub stop_server
{
	system("$bindir/pg_ctl -D $dir/data -m immediate -s stop") if -f "$dir/data/postmaster.pid";
	return;
}

# Run statements in one session.  An element is SQL, or [label, SQL] for what
# is timed.  Returns label => [milliseconds, ...].
sub session
{
	my (@statements) = @_;
	my $script = "$dir/session.sql";
	my %times;
	my $label;

	unlink $script;
	foreach my $statement (@statements)
	{
		if (ref $statement)
		{
			append($script, "\\timing on\n\\echo \@$statement->[0]\n$statement->[1];\n\\timing off\n");
		}
		else
		{
			append($script, "$statement;\n");
		}
	}
	open(my $out, '-|', "$bindir/psql", qw(-XAtq -v ON_ERROR_STOP=1 -f), $script)
	  or die "could not run psql: $!\n";
	while (my $line = <$out>)
	{
		$label = $1 if $line =~ /^\@(\S+)$/;
		push @{ $times{$label} }, $1 if $line =~ /^Time: ([\d.]+) ms/;
	}
	close($out) or die "bench.pl: psql failed\n";
	return \%times;
}

sub query
{
	my ($sql) = @_;
	open(my $out, '-|', "$bindir/psql", qw(-XAtq -v ON_ERROR_STOP=1 -c), $sql)
	  or die "could not run psql: $!\n";
	local $/ = undef;
	my $result = <$out> // '';
	close($out) or die "bench.pl: failed: $sql\n";
	$result =~ s/\n\z//;
	return $result;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $middle = int(@sorted / 2);
	return @sorted % 2 ? $sorted[$middle] : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

# figure NAME, MEASURED, '<=' or '>=' or '==', TARGET, UNIT
sub figure
{
	my ($name, $measured, $relation, $target, $unit) = @_;
	my $met =
		$relation eq '<=' ? $measured <= $target
	  : $relation eq '>=' ? $measured >= $target
	  :                     $measured == $target;

	push @figures,
	  { name => $name, measured => $measured, relation => $relation,
		target => $target, unit => $unit, met => $met };
	return;
}

# Every statement once to warm up, then $repeat rounds, every other backwards.
# Returns the medians.
sub alternate
{
	my ($before, @timed) = @_;
	my @statements = ('SET client_min_messages = warning', map { ($before->($_->[0]), $_->[1]) } @timed);
	my $times;
	my %medians;

	foreach my $round (1 .. $repeat)
	{
		push @statements, map { ($before->($_->[0]), $_) } ($round % 2 ? @timed : reverse @timed);
	}
	$times = session(@statements);
	foreach my $label (keys %$times)
	{
		$medians{$label} = median(@{ $times->{$label} });
		$detail{$label} = $times->{$label};
	}
	return \%medians;
}

#
# The figures.
#
my $raw_key;
my $encrypt_iv;

BEGIN
{
	$raw_key = q{'\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'::bytea};
	$encrypt_iv = "encrypt_iv(convert_to(v, 'UTF8'), $raw_key, iv, 'aes'), iv";
}

sub make_tables
{
	session(
		'SET client_min_messages = warning',
		'CREATE EXTENSION cellenc',
		'CREATE EXTENSION pgcrypto',
		"SELECT cellenc_create_key('bench')",
		'CREATE TABLE source (id bigint, v text)',
		"INSERT INTO source SELECT i, left(md5(i::text), 20) FROM generate_series(1, $rows) i",
		'CREATE TABLE plain (id bigint, v text)',
		"CREATE TABLE cellenc (id bigint, v enctext('bench'))",
		"CREATE TABLE term (id bigint, v enctext('bench', 'equality'))",
		'CREATE TABLE raw (id bigint, v bytea, iv bytea)',
		'CREATE TABLE pgp (id bigint, v bytea)',
		'INSERT INTO plain SELECT id, v FROM source',
		'INSERT INTO cellenc SELECT id, v FROM source',
		'INSERT INTO term SELECT id, v FROM source LIMIT 1000',
		"INSERT INTO raw SELECT id, $encrypt_iv
		   FROM (SELECT id, v, gen_random_bytes(16) AS iv FROM source OFFSET 0) s",
		"INSERT INTO pgp SELECT id, pgp_sym_encrypt(v, 'a passphrase') FROM source LIMIT $pgp_rows",
		'VACUUM (ANALYZE)',
		'CHECKPOINT');
	return;
}

sub measure_scans
{
	my $time = alternate(
		sub { () },
		[ 'scan_plain', 'SELECT sum(length(v)) FROM plain' ],
		[ 'scan_cellenc', 'SELECT sum(length(v)) FROM cellenc' ],
		# Without the conversion to text that an application would need.
		[ 'scan_decrypt_iv', "SELECT sum(length(decrypt_iv(v, $raw_key, iv, 'aes'))) FROM raw" ],
		[ 'scan_pgp', "SELECT sum(length(pgp_sym_decrypt(v, 'a passphrase'))) FROM pgp" ]);
	my $pgp = $time->{scan_pgp} * $rows / $pgp_rows;

	figure('sum(length(v)): cellenc / plain', $time->{scan_cellenc} / $time->{scan_plain}, '<=', 4, 'x');
	figure('sum(length(v)): decrypt_iv / cellenc', $time->{scan_decrypt_iv} / $time->{scan_cellenc}, '>=', 3, 'x');
	figure('sum(length(v)): pgp_sym_decrypt / cellenc', $pgp / $time->{scan_cellenc}, '>=', 300, 'x');
	return;
}

sub measure_inserts
{
	my $time = alternate(
		sub { my $table = (split(/_/, $_[0]))[1]; ("TRUNCATE $table", 'CHECKPOINT') },
		[ 'insert_plain', 'INSERT INTO plain SELECT id, v FROM source' ],
		[ 'insert_cellenc', 'INSERT INTO cellenc SELECT id, v FROM source' ],
		[ 'insert_raw', "INSERT INTO raw SELECT id, $encrypt_iv
			FROM (SELECT id, v, gen_random_bytes(16) AS iv FROM source OFFSET 0) s" ]);

	figure('INSERT ... SELECT: cellenc / plain', $time->{insert_cellenc} / $time->{insert_plain}, '<=', 3, 'x');
	figure('INSERT ... SELECT: encrypt_iv / cellenc', $time->{insert_raw} / $time->{insert_cellenc}, '>=', 3, 'x');
	return;
}

# As the output function gives the stored bytes away, without their header.
sub measure_bytes
{
	foreach my $case ([ 'cellenc', 'bytes over the plaintext', 45 ],
		[ 'term', "bytes over the plaintext, 'equality'", 61 ])
	{
		my ($table, $name, $target) = @$case;
		my ($least, $most) = split(/\|/,
			query("SET cellenc.output = 'sealed';
				SELECT min(n), max(n) FROM
				(SELECT octet_length(decode(substr(format('%s', v), 11), 'base64'))
				 - octet_length(v::text) AS n FROM $table) s"));

		figure($name, $least == $target ? $most : $least, '==', $target, 'bytes');
	}
	return;
}

# The first statement of a new connection, on a table of one row.
sub measure_first_use
{
	session(map { ("CREATE TABLE one_$_ (LIKE $_)", "INSERT INTO one_$_ SELECT * FROM $_ LIMIT 1",
			"VACUUM (ANALYZE) one_$_") } qw(plain cellenc));
	foreach my $round (1 .. $connections)
	{
		foreach my $what ($round % 2 ? qw(plain cellenc) : qw(cellenc plain))
		{
			my $times = session([ "first_$what", "SELECT v FROM one_$what" ]);
			push @{ $detail{"first_$what"} }, $times->{"first_$what"}[0];
		}
	}
	figure('first use of a key in a connection, over plain',
		median(@{ $detail{first_cellenc} }) - median(@{ $detail{first_plain} }), '<=', 1, 'ms');
	return;
}

sub measure_rotation
{
	my @fresh = (
		'SET client_min_messages = warning',
		'DROP TABLE IF EXISTS rotated',
		"CREATE TABLE rotated (id bigint, v enctext('rotated'), note text)",
		"INSERT INTO rotated SELECT i, left(md5(i::text), 20), left(md5((-i)::text), 20)
		   FROM generate_series(1, $rotate_rows) i",
		'ALTER TABLE rotated ADD PRIMARY KEY (id)',
		'VACUUM (ANALYZE) rotated',
		'CHECKPOINT');
	my (@update, @rotate);

	session('DROP TABLE source, plain, cellenc, term, raw, pgp, one_plain, one_cellenc',
		"SELECT cellenc_create_key('rotated')", 'CHECKPOINT');
	foreach my $round (1 .. $rotate_repeat)
	{
		foreach my $what ($round % 2 ? qw(update rotate) : qw(rotate update))
		{
			if ($what eq 'update')
			{
				my $times = session(@fresh, [ 'update', 'UPDATE rotated SET note = reverse(note)' ]);
				push @update, $times->{update}[0];
			}
			else
			{
				my $times = session(@fresh,
					[ 'rotate', "SELECT cellenc_rotate_key('rotated')" ],
					[ 'wait', 'CALL cellenc_wait()' ]);
				my $left = query("SELECT count(*) FROM rotated WHERE cellenc_key_version(v) <>
					(SELECT version FROM cellenc.key_versions WHERE key = 'rotated' AND state = 'current')");

				die "bench.pl: $left values are not under the current version\n" if $left ne '0';
				push @rotate, $times->{rotate}[0] + $times->{wait}[0];
			}
		}
	}
	$detail{update} = \@update;
	$detail{rotate} = \@rotate;
	figure("rotation of $rotate_rows rows / plain UPDATE", median(@rotate) / median(@update), '<=', 1.6, 'x');
	return;
}

#
# The report.
#
sub machine
{
	my $cpu = 'unknown processor';

	if (open(my $info, '<', '/proc/cpuinfo'))
	{
		while (my $line = <$info>)
		{
			$cpu = $1 if $line =~ /^model name\s*:\s*(.*)/;
		}
		close($info);
	}
	chomp(my $cores = `nproc`);
	return "$cpu, $cores cores";
}

sub json_string
{
	my ($text) = @_;
	$text =~ s/(["\\])/\\$1/g;
	return "\"$text\"";
}

sub report
{
	chomp(my $version = `$bindir/postgres --version`);
	my $missed = grep { !$_->{met} } @figures;
	my $settings = join(', ', map { "$_ = $settings{$_}" } sort keys %settings);
	my $json;

	print "$version; ", machine(), "\n";
	print "$settings\n";
	print "$rows rows of 20 bytes of text, medians of $repeat runs ($rotate_repeat for the rotation), ms:\n";
	foreach my $label (sort keys %detail)
	{
		my @times = @{ $detail{$label} };
		printf "    %-16s %10.2f   (%.2f to %.2f)\n", $label, median(@times),
		  (sort { $a <=> $b } @times)[ 0, -1 ];
	}
	printf "\n%-50s %10s %12s\n", 'figure', 'target', 'measured';
	foreach my $figure (@figures)
	{
		printf "%-50s %10s %12s  %s\n", $figure->{name},
		  "$figure->{relation} $figure->{target}",
		  sprintf($figure->{unit} eq 'bytes' ? '%d %s' : '%.2f %s', $figure->{measured}, $figure->{unit}),
		  $figure->{met} ? 'pass' : 'MISS';
	}
	printf "\n%d of %d targets met\n", @figures - $missed, scalar @figures;

	$json = sprintf('{"server": %s, "machine": %s, "settings": %s, "rows": %d, "figures": [%s], "medians_ms": {%s}}',
		json_string($version), json_string(machine()), json_string($settings), $rows,
		join(', ', map {
			sprintf('{"name": %s, "target": "%s %s", "measured": %.4f, "unit": "%s", "pass": %s}',
				json_string($_->{name}), $_->{relation}, $_->{target}, $_->{measured}, $_->{unit},
				$_->{met} ? 'true' : 'false') } @figures),
		join(', ', map { sprintf('"%s": %.3f', $_, median(@{ $detail{$_} })) } sort keys %detail));
	print "$json\n";
	unlink 'bench.json';
	append('bench.json', "$json\n");
	return $missed ? 1 : 0;
}
