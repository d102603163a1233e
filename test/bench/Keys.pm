#
# Keys.pm: what is done with one key, among many others with many versions.
#
package Keys;

use strict;
use warnings;

use Exporter qw(import);
use Options;
use Results;
use Server;

our @EXPORT = qw(need_few few_round add_keys measure_many_keys);

my $made = 0;

sub need_few
{
	session("SELECT cellenc_create_key('few', if_not_exists => true)",
		"CREATE TABLE IF NOT EXISTS few (id bigint, v enctext('few'))");
	return;
}

# Keys besides those until there are so many, of so many versions each.
sub add_keys
{
	my ($count, $versions) = @_;

	# not in one transaction: each takes locks
	for (; $made < $count; $made += 10)
	{
		my $last = ($made + 10 < $count ? $made + 10 : $count) - 1;
		session("DO \$\$ BEGIN FOR i IN $made .. $last LOOP
			PERFORM cellenc_create_key('key' || i);
			FOR j IN 2 .. $versions LOOP PERFORM cellenc_rotate_key('key' || i, false); END LOOP; END LOOP; END \$\$");
	}
	$made = $count if $made > $count;
	session('VACUUM (ANALYZE)');
	return;
}

# One round of what is compared, under labels that end so.
sub few_round
{
	my ($suffix) = @_;
	my $measured = session('TRUNCATE few',
		[ "insert_$suffix", "INSERT INTO few SELECT i, i::text FROM generate_series(1, $key_rows) i" ],
		[ "select_$suffix", 'SELECT sum(length(v)) FROM few' ],
		[ "rotate_$suffix", "SELECT cellenc_rotate_key('few')" ], [ "wait_$suffix", 'CALL cellenc_wait()' ]);
	my $first = session([ "first_$suffix", 'SELECT v FROM few LIMIT 1' ]);

	$measured->{"rotate_$suffix"}[0] += $measured->{"wait_$suffix"}[0];
	push @{ $times{$_} }, $measured->{$_}[0] foreach "insert_$suffix", "select_$suffix", "rotate_$suffix";
	push @{ $times{"first_$suffix"} }, $first->{"first_$suffix"}[0];
	return;
}

# Inserts, reads and a rotation among many keys, compared with few.
sub measure_many_keys
{
	need_few();
	foreach my $when (qw(few many))
	{
		add_keys($keys, $versions) if $when eq 'many';
		few_round($when) foreach 1 .. $repeat;
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

1;
