#
# Scaling.pm: the same with more rows, connections, keys and versions.
#
package Scaling;

use strict;
use warnings;
use utf8;

use Exporter qw(import);
use Keys;
use Options;
use Results;
use Rotation;
use Rounds;
use Search;
use Server;
use Traffic;

our @EXPORT = qw(measure_scaling);

my @kinds = (
	[ 'plain', 'text', '(v)' ],
	[ 'none', "enctext('bench')" ],
	[ 'equality', "enctext('bench', 'equality')", '(v cellenc.enctext_term_ops)' ],
	[ 'order', "enctext('bench', 'order')", '(v)' ]);
my @indexed = grep { $_->[2] } @kinds;

sub measure_scaling
{
	scale_rows();
	scale_rotation();
	scale_connections();
	scale_versions();
	scale_keys();
	return;
}

# Look-ups by index and scans.
sub scale_rows
{
	my (@lookup, @scan);
	my $last = 0;

	session((map { "CREATE TABLE scale_$_->[0] (id bigint, v $_->[1])" } @kinds),
		map { "CREATE UNIQUE INDEX ON scale_$_->[0] $_->[2]" } @indexed);
	foreach my $count (@scale_rows)
	{
		my $found = $lookups < $count ? $lookups : $count;
		my $time;

		session(
			(map { "INSERT INTO scale_$_->[0]
				SELECT i, left(md5(i::text), 20) FROM generate_series($last + 1, $count) i" } @kinds),
			'DROP TABLE IF EXISTS probe',
			"CREATE TABLE probe AS SELECT v FROM scale_plain ORDER BY md5(v) LIMIT $lookups",
			'VACUUM (ANALYZE)', 'CHECKPOINT');
		$last = $count;

		$time = alternate($repeat, sub { () },
			map { [ "lookup_$_->[0]_$count", lookup("scale_$_->[0]", 'SELECT v FROM probe') ] } @indexed);
		push @lookup, [ $count, map { 1000 * $time->{"lookup_$_->[0]_$count"} / $found } @indexed ];
		$time = alternate($repeat, sub { () },
			map { [ "scan_$_->[0]_$count", "SELECT sum(length(v)) FROM scale_$_->[0]" ] } @kinds);
		push @scan, [ $count, map { 1000 * $time->{"scan_$_->[0]_$count"} / $count } @kinds ];
	}
	session('DROP TABLE probe, ' . join(', ', map { "scale_$_->[0]" } @kinds));

	table('rows_lookup', 'Look-up by index, over rows', 'µs', 'lines', 'rows', [ map { $_->[0] } @indexed ], \@lookup);
	table('rows_scan', 'Scan for each value, over rows', 'µs', 'lines', 'rows', [ map { $_->[0] } @kinds ], \@scan);
	return;
}

# Rotations at full speed, and UPDATEs of the same rows.
sub scale_rotation
{
	my @speed;

	make_rotated_key();
	foreach my $count (@scale_rows)
	{
		my $rotate = rotate(rotated_table($count));
		my $run = session(rotated_table($count), [ 'update', 'UPDATE rotated SET note = reverse(note)' ]);

		push @speed, [ $count, map { $count / $_ } $run->{update}[0], $rotate ];
	}
	session('DROP TABLE rotated');
	table('rows_rotation', 'Rows in a second, over rows of the table', '1000/s', 'lines', 'rows', [ 'UPDATE', 'rotation' ], \@speed);
	return;
}

# Short transactions of more and more clients.
sub scale_connections
{
	my %script = map { ($_ => make_customers($_)) } qw(plain cellenc);
	my @rate;

	query('CHECKPOINT');
	foreach my $clients (@scale_connections)
	{
		foreach my $round (1 .. $rotate_repeat)
		{
			foreach my $kind ($round % 2 ? qw(plain cellenc) : qw(cellenc plain))
			{
				push @{ $rates{"clients_${kind}_$clients"} }, pgbench("-c $clients -j 1", $script{$kind});
			}
		}
		push @rate, [ $clients, map { median(@{ $rates{"clients_${_}_$clients"} }) / 1000 } qw(plain cellenc) ];
	}
	drop_customers();
	table('connections', 'Short transactions in a second, over connections', '1000/s', 'lines', 'connections', [ 'plain', 'equality' ],
		\@rate);
	return;
}

# Values of one column under so many versions, in no order.
sub scale_versions
{
	my @open;

	foreach my $count (@scale_versions)
	{
		my $key = "versions_$count";
		my $time;

		session("SELECT cellenc_create_key('$key')", "CREATE TABLE made (id bigint, v enctext('$key'))");
		foreach my $version (1 .. $count)
		{
			session("SELECT cellenc_rotate_key('$key', false)") if $version > 1;
			session("INSERT INTO made SELECT i, left(md5(i::text), 20)
				FROM generate_series($version, $sort_rows, $count) i");
		}
		# copies the values as they are
		session("CREATE TABLE $key AS SELECT id, v FROM made ORDER BY id", 'DROP TABLE made', "VACUUM (ANALYZE) $key");
		$time = alternate($repeat, sub { () }, [ $key, "SELECT sum(length(v)) FROM $key" ]);
		push @open, [ $count, 1000 * $time->{$key} / $sort_rows ];
	}
	session('DROP TABLE ' . join(', ', map { "versions_$_" } @scale_versions));
	table('versions', 'Scan for each value, over versions of the key', 'µs', 'lines', 'versions', ['none'], \@open);
	return;
}

# One key's values among more and more keys.
sub scale_keys
{
	my (@cost, @first);

	need_few();
	foreach my $count (@scale_keys)
	{
		add_keys($count - 1, 1);
		few_round("keys_$count") foreach 1 .. $repeat;
		push @cost, [ $count, map { 1000 * median(@{ $times{"${_}_keys_$count"} }) / $key_rows } qw(insert select) ];
		push @first, [ $count, median(@{ $times{"first_keys_$count"} }) ];
	}
	table('keys', 'Insert and scan for each value, over keys of the database', 'µs', 'lines', 'keys', [ 'insert', 'scan' ], \@cost);
	table('keys_first', 'First statement of a connection, over keys of the database', 'ms', 'lines', 'keys', ['none'], \@first);
	return;
}

1;
