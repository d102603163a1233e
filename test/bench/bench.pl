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
# Environment: ROWS, SORT_ROWS, ROTATE_ROWS, REPEAT, BENCH_SECONDS (of one run of
# pgbench), READ_RATE and WRITE_RATE (per second, beside a rotation), PARTITIONS,
# KEYS, BINDIR, and PARTS: which of the parts below to measure.  Prints a
# table and one line of JSON, which is also left in bench.json; the exit code
# tells whether every target was met.

use strict;
use warnings;

use File::Temp qw(tempdir);

my $rows = $ENV{ROWS} || 1_000_000;
my $sort_rows = $ENV{SORT_ROWS} || 100_000;
my $rotate_rows = $ENV{ROTATE_ROWS} || 2_000_000;
my $read_rate = $ENV{READ_RATE} || 400;
my $write_rate = $ENV{WRITE_RATE} || 100;
my $partitions = $ENV{PARTITIONS} || 10_000;
my $keys = $ENV{KEYS} || 1000;
my $versions = 50;
my $lookups = 10_000;
my $seconds = $ENV{BENCH_SECONDS} || 10;
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
my $bare_port = 5433;
my @figures;
my @facts;		# [name, value, unit]: measured, without a target
my %times;		# label => [milliseconds, ...]
my %rates;		# label => [transactions per second, ...]

my %parts = (
	scans => \&measure_scans,
	inserts => \&measure_inserts,
	bytes => \&measure_bytes,
	first_use => \&measure_first_use,
	lookups => \&measure_lookups,
	sorts => \&measure_sorts,
	oltp => \&measure_oltp,
	hooks => \&measure_hooks,
	rotation => \&measure_rotation,
	rotation_load => \&measure_rotation_load,
	partitions => \&measure_partitions,
	many_keys => \&measure_many_keys,
	conversion => \&measure_conversion,
	latency => \&measure_latency);
my @all_parts =
  qw(scans inserts bytes first_use lookups sorts oltp hooks rotation rotation_load partitions many_keys
  conversion latency);
my @wanted = split(' ', $ENV{PARTS} || "@all_parts");

foreach my $part (@wanted)
{
	die "bench.pl: unknown part \"$part\"; there are @all_parts\n" unless $parts{$part};
}

$ENV{PGHOST} = $dir;
$ENV{PGPORT} = 5432;
$ENV{PGUSER} = 'postgres';
$ENV{PGDATABASE} = 'postgres';
$ENV{PGOPTIONS} = "-c client_min_messages=warning";
$SIG{INT} = $SIG{TERM} = sub { exit 130 };

start_server();
make_tables();
$parts{$_}->() foreach @wanted;
stop_servers();
exit report();

END
{
	my $status = $?;
	stop_servers();
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

sub start_cluster
{
	my ($name, $port, $conf) = @_;

	$conf .= join('', map { "$_ = $settings{$_}\n" } sort keys %settings);
	command("$bindir/initdb -D $dir/$name -U postgres -A trust -E UTF8 --locale=C >$dir/initdb.log");
	append("$dir/$name/postgresql.conf",
		"${conf}port = $port\nlisten_addresses = ''\nunix_socket_directories = '$dir'\n");
	command("$bindir/pg_ctl -D $dir/$name -l $dir/$name.log -s -w start");
	return;
}

sub start_server
{
	command("umask 077 && openssl rand -hex 32 >$dir/master.key");
	start_cluster('data', $ENV{PGPORT},
		"shared_preload_libraries = 'cellenc'\ncellenc.master_key_file = '$dir/master.key'\n");

	limit_jobs(0);
	return;
}

# Jobs at full speed, or with default settings.
sub limit_jobs
{
	my ($limited) = @_;

	query($limited ? 'ALTER SYSTEM RESET cellenc.job_max_wal_rate' : 'ALTER SYSTEM SET cellenc.job_max_wal_rate = 0');
	query('SELECT pg_reload_conf()');
	return;
}

sub stop_servers
{
	foreach my $name (qw(data bare))
	{
		system("$bindir/pg_ctl -D $dir/$name -m immediate -s stop") if -f "$dir/$name/postmaster.pid";
	}
	return;
}

# Run statements in one session.  An element is SQL, or [label, SQL] for what
# is timed.  Returns label => [milliseconds, ...].
sub session
{
	my (@statements) = @_;
	my $script = "$dir/session.sql";
	my %measured;
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
		push @{ $measured{$label} }, $1 if $line =~ /^Time: ([\d.]+) ms/;
	}
	close($out) or die "bench.pl: psql failed\n";
	return \%measured;
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

sub fact
{
	my ($name, $value, $unit) = @_;
	push @facts, [ $name, $value, $unit ];
	return;
}

# Every statement once to warm up, then $repeat rounds, every other backwards.
# Returns the medians.
sub alternate
{
	my ($before, @timed) = @_;
	my @statements = ('SET client_min_messages = warning', map { ($before->($_->[0]), $_->[1]) } @timed);
	my $measured;
	my %medians;

	foreach my $round (1 .. $repeat)
	{
		push @statements, map { ($before->($_->[0]), $_) } ($round % 2 ? @timed : reverse @timed);
	}
	$measured = session(@statements);
	foreach my $label (keys %$measured)
	{
		$medians{$label} = median(@{ $measured->{$label} });
		$times{$label} = $measured->{$label};
	}
	return \%medians;
}

# Transactions per second of a run of pgbench.
sub pgbench
{
	my (@options) = @_;
	my $log = "$dir/pgbench.log";

	# -n: its own tables need not be there
	command("$bindir/pgbench -n -M prepared -T $seconds @options >$log 2>&1");
	open(my $in, '<', $log) or die "could not read \"$log\": $!\n";
	my ($rate) = join('', <$in>) =~ /^tps = ([\d.]+)/m;
	close($in);
	die "bench.pl: no result in pgbench's output\n" unless defined $rate;
	return $rate;
}

# Run pgbench with each of label => [options] in turn, once to warm up and then
# in $repeat rounds.  Returns the medians.
sub alternate_pgbench
{
	my (%options) = @_;
	my %medians;

	foreach my $round (0 .. $repeat)
	{
		foreach my $label ($round % 2 ? sort keys %options : reverse sort keys %options)
		{
			my $rate = pgbench(@{ $options{$label} });
			push @{ $rates{$label} }, $rate if $round > 0;
		}
	}
	$medians{$_} = median(@{ $rates{$_} }) foreach keys %options;
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
			my $first = session([ "first_$what", "SELECT v FROM one_$what" ]);
			push @{ $times{"first_$what"} }, $first->{"first_$what"}[0];
		}
	}
	figure('first use of a key in a connection, over plain',
		median(@{ $times{first_cellenc} }) - median(@{ $times{first_plain} }), '<=', 1, 'ms');
	return;
}

#
# Searching.  One table for each kind of index, so that the planner has no choice.
#
my %searched;

BEGIN
{
	%searched = (
		plain_hash => [ 'text', 'INDEX ON plain_hash USING hash (v)' ],
		equality_hash => [ "enctext('bench', 'equality')", 'INDEX ON equality_hash USING hash (v)' ],
		plain_unique => [ 'text', 'UNIQUE INDEX ON plain_unique (v)' ],
		equality_unique =>
		  [ "enctext('bench', 'equality')", 'UNIQUE INDEX ON equality_unique (v cellenc.enctext_term_ops)' ],
		order_btree => [ "enctext('bench', 'order')", 'INDEX ON order_btree (v)' ]);
}

# Every $lookups-th part of the rows, in no order, by a condition with a
# parameter, as an application would have it.
sub lookup
{
	my ($table) = @_;
	return "DO \$\$ DECLARE probe text; found bigint; BEGIN
		FOR probe IN SELECT v FROM probe LOOP
			SELECT id INTO STRICT found FROM $table WHERE v = probe;
		END LOOP; END \$\$";
}

sub measure_lookups
{
	my @tables = sort keys %searched;
	my $time;

	session('SET client_min_messages = warning',
		"CREATE TABLE probe AS SELECT v FROM source ORDER BY md5(v) LIMIT $lookups",
		map { ("CREATE TABLE $_ (id bigint, v $searched{$_}[0])",
				"INSERT INTO $_ SELECT id, v FROM source",
				"CREATE $searched{$_}[1]",
				"VACUUM (ANALYZE) $_") } @tables);
	foreach my $table (@tables)
	{
		my $plan = query("SET plan_cache_mode = force_generic_plan;
			PREPARE lookup (text) AS SELECT id FROM $table WHERE v = \$1; EXPLAIN EXECUTE lookup ('x')");
		die "bench.pl: a look-up in $table uses no index:\n$plan\n" unless $plan =~ /Index/;
	}
	$time = alternate(sub { () }, map { [ "lookup_$_", lookup($_) ] } @tables);
	figure("$lookups look-ups: equality / plain, hash index",
		$time->{lookup_equality_hash} / $time->{lookup_plain_hash}, '<=', 1.3, 'x');
	figure("$lookups look-ups: equality / plain, unique index",
		$time->{lookup_equality_unique} / $time->{lookup_plain_unique}, '<=', 1.3, 'x');
	figure("$lookups look-ups: order / plain, btree index",
		$time->{lookup_order_btree} / $time->{lookup_plain_unique}, '<=', 2, 'x');
	session('DROP TABLE probe, ' . join(', ', @tables));
	return;
}

#
# Sorting, grouping and joining without an index.
#
my %sort_type;

BEGIN
{
	%sort_type = (
		plain => 'text',
		none => "enctext('bench')",
		equality => "enctext('bench', 'equality')");
}

sub measure_sorts
{
	my @kinds = sort keys %sort_type;
	my %query = (
		order => 'SELECT count(*) FROM (SELECT v FROM sort_%s ORDER BY v OFFSET 0) s',
		group => 'SELECT count(*) FROM (SELECT v FROM sort_%s GROUP BY v) s',
		join => 'SELECT count(*) FROM sort_%1$s a JOIN sort_%1$s b USING (v)');
	my %name = (order => 'ORDER BY', group => 'GROUP BY', join => 'hash join');
	my $time;

	session('SET client_min_messages = warning',
		map { ("CREATE TABLE sort_$_ (id bigint, v $sort_type{$_})",
				"INSERT INTO sort_$_ SELECT id, v FROM source LIMIT $sort_rows",
				"VACUUM (ANALYZE) sort_$_") } @kinds);
	$time = alternate(
		sub { $_[0] =~ /^join/ ? 'SET work_mem = \'64MB\'; SET enable_mergejoin = off' : 'SET work_mem = \'64MB\'' },
		map { my $what = $_; map { [ "${what}_$_", sprintf($query{$what}, $_) ] } @kinds } sort keys %query);
	foreach my $what (qw(order group join))
	{
		figure("$name{$what} of $sort_rows rows: none / plain",
			$time->{"${what}_none"} / $time->{"${what}_plain"}, '<=', 3, 'x');
		figure("$name{$what} of $sort_rows rows: equality / plain",
			$time->{"${what}_equality"} / $time->{"${what}_plain"}, '<=', $what eq 'order' ? 3 : 1.5, 'x');
	}
	session('DROP TABLE ' . join(', ', map { "sort_$_" } @kinds));
	return;
}

#
# Short transactions: of ten, eight look a customer up by e-mail address, one
# adds one, one changes a name.
#
sub measure_oltp
{
	my %type = (plain => 'text', cellenc => "enctext('bench', 'equality')");
	my %options;
	my $rate;

	foreach my $kind (sort keys %type)
	{
		my $table = "customers_$kind";
		my $class = $kind eq 'plain' ? '' : 'cellenc.enctext_term_ops';
		my %script = (
			select => "SELECT id, name FROM $table WHERE email = 'user' || :id::text || '\@example.com'",
			insert => "INSERT INTO $table (email, name) VALUES "
			  . "('new' || nextval('${table}_new')::text || '\@example.com', 'Name ' || :id::text)",
			update => "UPDATE $table SET name = 'New name ' || :id::text "
			  . "WHERE email = 'user' || :id::text || '\@example.com'");

		session('SET client_min_messages = warning',
			"CREATE TABLE $table (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			   email $type{$kind} NOT NULL, name $type{$kind})",
			"CREATE SEQUENCE ${table}_new CACHE 100",
			"INSERT INTO $table (email, name)
			   SELECT 'user' || i || '\@example.com', 'Name ' || i FROM generate_series(1, $sort_rows) i",
			"CREATE UNIQUE INDEX ON $table (email $class)",
			"VACUUM (ANALYZE) $table");
		foreach my $name (sort keys %script)
		{
			unlink "$dir/$kind.$name";
			append("$dir/$kind.$name", "\\set id random(1, $sort_rows)\n$script{$name};\n");
		}
		$options{"oltp_$kind"} =
		  [ '-c 4 -j 1', "-f $dir/$kind.select\@8 -f $dir/$kind.insert\@1 -f $dir/$kind.update\@1" ];
	}
	query('CHECKPOINT');
	$rate = alternate_pgbench(%options);
	figure('short transactions: cellenc / plain, tps', $rate->{oltp_cellenc} / $rate->{oltp_plain}, '>=', 0.9, 'x');
	session('DROP TABLE customers_plain, customers_cellenc');
	return;
}

#
# What plain statements pay for cellenc's hooks: the same on a server without
# the library.  Runs of the same server differ by more than the target leaves
# only where the machine is busy with something else.
#
sub measure_hooks
{
	my $rate;

	start_cluster('bare', $bare_port, '');
	foreach my $port ($ENV{PGPORT}, $bare_port)
	{
		command("$bindir/pgbench -p $port -i -q -s 10 >$dir/pgbench.log 2>&1");
	}
	# simple protocol: parsing and planning come with every statement
	$rate = alternate_pgbench(
		hooks_with => [ '-S -M simple -c 2 -j 1', "-p $ENV{PGPORT}" ],
		hooks_without => [ '-S -M simple -c 2 -j 1', "-p $bare_port" ]);
	figure('pgbench -S: with / without cellenc, tps', $rate->{hooks_with} / $rate->{hooks_without}, '>=', 0.97, 'x');
	command("$bindir/pgbench -p $ENV{PGPORT} -i -I d -q >$dir/pgbench.log 2>&1");
	return;
}

#
# Rotation.
#
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
	session('SET client_min_messages = warning',
		'DROP TABLE IF EXISTS source, plain, cellenc, term, raw, pgp, one_plain, one_cellenc',
		"SELECT cellenc_create_key('rotated', if_not_exists => true)", 'CHECKPOINT');
	return;
}

sub measure_rotation
{
	my @fresh = rotated_table($rotate_rows);
	my (@update, @rotate);
	my $twice;

	make_rotated_key();
	foreach my $round (1 .. $rotate_repeat)
	{
		foreach my $what ($round % 2 ? qw(update rotate) : qw(rotate update))
		{
			if ($what eq 'update')
			{
				my $run = session(@fresh, [ 'update', 'UPDATE rotated SET note = reverse(note)' ]);
				push @update, $run->{update}[0];
			}
			else
			{
				my $lsn;

				session(@fresh);
				$lsn = query('SELECT pg_current_wal_insert_lsn()');
				push @rotate, rotate();
				fact('WAL of a rotation, for each row',
					query("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')") / $rotate_rows, 'bytes')
				  if $round == 1;
			}
		}
	}
	$times{update} = \@update;
	$times{rotate} = \@rotate;
	fact('rotation at full speed', 1000 * $rotate_rows / median(@rotate), 'values/s');
	figure("rotation of $rotate_rows rows / plain UPDATE", median(@rotate) / median(@update), '<=', 1.6, 'x');

	$twice = rotate(rotated_table(2 * $rotate_rows));
	$times{rotate_twice} = [$twice];
	figure('rotation of twice as many rows', $twice / median(@rotate), '<=', 2.2, 'x');
	return;
}

# Run programs beside each other and wait for them; the number that failed.
sub run_together
{
	my (@commands) = @_;
	my @pids;
	my $failed = 0;

	foreach my $command (@commands)
	{
		my $pid = fork() // die "could not fork: $!\n";
		if ($pid == 0)
		{
			exec($command) or die "could not run \"$command\": $!\n";
		}
		push @pids, $pid;
	}
	foreach my $pid (@pids)
	{
		waitpid($pid, 0);
		$failed++ if $? != 0;
	}
	return $failed;
}

# Readers and writers for some seconds.  Adds the latencies, in milliseconds
# and without the lag of the schedule, to $latencies->{read} and {write};
# returns how many statements failed.  Ignored is what began at or after
# the time that $until gives in the end, in seconds since 1970.
sub run_load
{
	my ($latencies, $until) = @_;
	my %rate = (read => $read_rate, write => $write_rate);
	my $failed = run_together(map {
			"exec $bindir/pgbench -n -M prepared -c 4 -j 1 -T $seconds -R $rate{$_} -l --log-prefix=$dir/load_$_"
			  . " -f $dir/load.$_ >$dir/load_$_.out 2>&1" } sort keys %rate);
	my $end = $until ? $until->() : undef;

	foreach my $kind (sort keys %rate)
	{
		foreach my $log (glob "$dir/load_$kind.[0-9]*")
		{
			open(my $in, '<', $log) or die "could not read \"$log\": $!\n";
			while (my $line = <$in>)
			{
				# client, number, latency, script, end in s and us, lag
				my @field = split(' ', $line);
				next if $end && $field[4] >= $end;
				push @{ $latencies->{$kind} }, ($field[2] - $field[6]) / 1000;
			}
			close($in);
			unlink $log;
		}
		open(my $in, '<', "$dir/load_$kind.out") or die "could not read pgbench's output: $!\n";
		while (my $line = <$in>)
		{
			$failed += $1 if $line =~ /^number of failed transactions: (\d+)/;
		}
		close($in);
	}
	return $failed;
}

sub quantile
{
	my ($part, $values) = @_;
	my @sorted = sort { $a <=> $b } @$values;
	return $sorted[ int($part * $#sorted) ];
}

sub measure_rotation_load
{
	my (%without, %beside);
	my $failed;
	my ($before, $after, $rounds);

	make_rotated_key();
	session(rotated_table($rotate_rows));
	foreach my $file (qw(read write))
	{
		unlink "$dir/load.$file";
	}
	append("$dir/load.read", "\\set id random(1, $rotate_rows)\nSELECT v FROM rotated WHERE id = :id;\n");
	append("$dir/load.write", "\\set id random(1, $rotate_rows)\n\\set value random(1, 1000000000)\n"
		  . "UPDATE rotated SET v = 'value ' || :value, note = :value WHERE id = :id;\n");

	limit_jobs(1);
	run_load({});
	$failed = run_load(\%without) + run_load(\%without);
	session('VACUUM rotated', 'CHECKPOINT');
	$before = query("SELECT pg_table_size('rotated')");
	query("SELECT cellenc_rotate_key('rotated')");
	for ($rounds = 1;; $rounds++)
	{
		my $end;
		$failed += run_load(\%beside, sub {
				$end = query('SELECT extract(epoch FROM finished_at) FROM cellenc.jobs ORDER BY job DESC LIMIT 1');
				return $end; });
		last if $end;
	}
	$after = query("SELECT pg_table_size('rotated')");
	limit_jobs(0);

	fact('rotation with default settings beside a load', query('SELECT values_done /
		extract(epoch FROM finished_at - started_at) FROM cellenc.jobs ORDER BY job DESC LIMIT 1'), 'values/s');
	foreach my $kind (qw(read write))
	{
		foreach my $part ([ 'median', 0.5 ], [ 'p99', 0.99 ], [ 'p99.9', 0.999 ])
		{
			fact("$kind, $part->[0], without a rotation", quantile($part->[1], $without{$kind}), 'ms');
			fact("$kind, $part->[0], beside one", quantile($part->[1], $beside{$kind}), 'ms');
		}
	}
	figure("reads, p99: beside a rotation / without",
		quantile(0.99, $beside{read}) / quantile(0.99, $without{read}), '<=', 1.5, 'x');
	figure("writes, p99: beside a rotation / without",
		quantile(0.99, $beside{write}) / quantile(0.99, $without{write}), '<=', 2, 'x');
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
	$times{rotate_partitions} = [ query('SELECT 1000 * extract(epoch FROM finished_at - started_at) FROM cellenc.jobs ORDER BY job DESC LIMIT 1') ];
	figure("memory of a worker, $partitions partitions", $most / 1024, '<=', 64, 'MB');
	foreach my $start (map { $_ * 100 } 0 .. ($partitions - 1) / 100)
	{
		session("DO \$\$ BEGIN FOR i IN $start .. least($start + 99, $partitions - 1) LOOP
			EXECUTE format('DROP TABLE rotated_%s', i); END LOOP; END \$\$");
	}
	session('DROP TABLE rotated');
	return;
}

# Inserts, reads and a rotation among many keys, compared with few.
sub measure_many_keys
{
	my $few = 50_000;
	my @insert = ('TRUNCATE few', "INSERT INTO few SELECT i, i::text FROM generate_series(1, $few) i");
	my %median;

	session('SET client_min_messages = warning', "SELECT cellenc_create_key('few')",
		"CREATE TABLE few (id bigint, v enctext('few'))");
	foreach my $when (qw(few many))
	{
		if ($when eq 'many')
		{
			foreach my $start (map { $_ * 10 } 0 .. ($keys - 1) / 10)
			{
				session('SET client_min_messages = warning',
					"DO \$\$ BEGIN FOR i IN $start .. $start + 9 LOOP
					PERFORM cellenc_create_key('key' || i);
					FOR j IN 2 .. $versions LOOP PERFORM cellenc_rotate_key('key' || i, false); END LOOP; END LOOP; END \$\$");
			}
			session('VACUUM (ANALYZE)');
		}
		foreach my $round (1 .. $repeat)
		{
			my $measured = session($insert[0], [ "insert_$when", $insert[1] ],
				[ "select_$when", 'SELECT sum(length(v)) FROM few' ],
				'SET client_min_messages = warning',
				[ "rotate_$when", "SELECT cellenc_rotate_key('few')" ], [ "wait_$when", 'CALL cellenc_wait()' ]);
			my $first = session([ "first_$when", 'SELECT v FROM few LIMIT 1' ]);

			$measured->{"rotate_$when"}[0] += $measured->{"wait_$when"}[0];
			push @{ $times{"$_"} }, $measured->{$_}[0] foreach "insert_$when", "select_$when", "rotate_$when";
			push @{ $times{"first_$when"} }, $first->{"first_$when"}[0];
		}
	}
	foreach my $what (qw(insert select rotate))
	{
		figure("$what among $keys keys of $versions versions / a few",
			median(@{ $times{"${what}_many"} }) / median(@{ $times{"${what}_few"} }), '<=', 1.2, 'x');
	}
	figure("first use among $keys keys, over a few",
		median(@{ $times{first_many} }) - median(@{ $times{first_few} }), '<=', 1, 'ms');
	return;
}

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

# Latencies in ms, sorted, of pgbench at a fixed rate.
sub latencies
{
	my ($prefix) = @_;
	my @latencies;

	foreach my $file (glob("$prefix.*"))
	{
		open(my $in, '<', $file) or die "could not read \"$file\": $!\n";
		while (my $line = <$in>)
		{
			my @fields = split / /, $line;
			push @latencies, ($fields[2] - ($fields[6] // 0)) / 1000;
		}
		close($in);
		unlink $file;
	}
	return sort { $a <=> $b } @latencies;
}

sub p99
{
	my (@sorted) = @_;
	return $sorted[ int(0.99 * $#sorted) ];
}

# Readers and writers of a table at a fixed rate, while it is converted, to and
# fro, and while it is not.
sub measure_latency
{
	my $count = $rotate_rows / 4;
	my (%read, %write);

	session("SELECT cellenc_create_key('converted', if_not_exists => true)",
		make_people('people', $count),
		'ALTER SYSTEM SET cellenc.allow_decrypt_column = on',
		'SELECT pg_reload_conf()');
	append("$dir/read.sql", "\\set id random(1, $count)\nSELECT ssn, name FROM people WHERE id = :id;\n");
	append("$dir/write.sql",
		"\\set id random(1, $count)\nUPDATE people SET ssn = lpad((:id)::text, 11, '1'), pad = 'x' WHERE id = :id;\n");
	foreach my $round (1 .. 2 * $rotate_repeat)
	{
		foreach my $what ($round % 2 ? qw(alone beside) : qw(beside alone))
		{
			my @runs = map {
				"$bindir/pgbench -n -M prepared -T $seconds -c 2 -R " . ($_ eq 'read' ? 400 : 100)
				  . " -l --log-prefix=$dir/$_.log -f $dir/$_.sql >$dir/$_.out 2>&1"
			} qw(read write);
			my $end = time + $seconds;

			query('CHECKPOINT');
			system("$runs[0] &");
			system("$runs[1] &");
			while (time < $end)
			{
				if ($what eq 'beside')
				{
					my $call = query("SELECT atttypid = 'text'::regtype FROM pg_attribute
						WHERE attrelid = 'people'::regclass AND attname = 'ssn'") eq 't'
					  ? "encrypt_column('people', 'ssn', 'converted')" : "decrypt_column('people', 'ssn')";
					session('SET client_min_messages = warning', "SELECT cellenc_$call", 'CALL cellenc_wait()');
				}
				sleep 1;
			}
			sleep 1 while query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'") ne '0';
			push @{ $read{$what} }, p99(latencies("$dir/read.log"));
			push @{ $write{$what} }, p99(latencies("$dir/write.log"));
		}
	}
	@times{qw(read_p99_alone read_p99_beside write_p99_alone write_p99_beside)} =
	  ($read{alone}, $read{beside}, $write{alone}, $write{beside});
	figure('p99 of readers beside a conversion / alone', median(@{ $read{beside} }) / median(@{ $read{alone} }), '<=', 1.5, 'x');
	figure('p99 of writers beside a conversion / alone', median(@{ $write{beside} }) / median(@{ $write{alone} }), '<=', 3, 'x');
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

sub print_details
{
	my ($measured) = @_;

	foreach my $label (sort keys %$measured)
	{
		my @sorted = sort { $a <=> $b } @{ $measured->{$label} };
		printf "    %-24s %10.2f   (%.2f to %.2f)\n", $label, median(@sorted), @sorted[ 0, -1 ];
	}
	return;
}

sub json_medians
{
	my ($measured) = @_;
	return join(', ', map { sprintf('"%s": %.3f', $_, median(@{ $measured->{$_} })) } sort keys %$measured);
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
	print_details(\%times);
	print "transactions per second:\n" if %rates;
	print_details(\%rates);
	printf "\n%-52s %10s %12s\n", 'figure', 'target', 'measured';
	foreach my $figure (@figures)
	{
		printf "%-52s %10s %12s  %s\n", $figure->{name},
		  "$figure->{relation} $figure->{target}",
		  sprintf($figure->{unit} eq 'bytes' ? '%d %s' : '%.2f %s', $figure->{measured}, $figure->{unit}),
		  $figure->{met} ? 'pass' : 'MISS';
	}
	printf "%-52s %10s %12s\n", $_->[0], '', sprintf('%.2f %s', @$_[ 1, 2 ]) foreach @facts;
	printf "\n%d of %d targets met\n", @figures - $missed, scalar @figures;

	$json = sprintf('{"server": %s, "machine": %s, "settings": %s, "rows": %d, "figures": [%s], "facts": [%s], "medians_ms": {%s}, "medians_tps": {%s}}',
		json_string($version), json_string(machine()), json_string($settings), $rows,
		join(', ', map {
			sprintf('{"name": %s, "target": "%s %s", "measured": %.4f, "unit": "%s", "pass": %s}',
				json_string($_->{name}), $_->{relation}, $_->{target}, $_->{measured}, $_->{unit},
				$_->{met} ? 'true' : 'false') } @figures),
		join(', ', map {
			sprintf('{"name": %s, "measured": %.4f, "unit": "%s"}', json_string($_->[0]), @$_[ 1, 2 ]) } @facts),
		json_medians(\%times), json_medians(\%rates));
	print "$json\n";
	unlink 'bench.json';
	append('bench.json', "$json\n");
	return $missed ? 1 : 0;
}
