#
# Search.pm: look-ups by index; sorting, grouping and joining without one.
#
package Search;

use strict;
use warnings;

use Exporter qw(import);
use Options;
use Results;
use Rounds;
use Server;
use Values;

our @EXPORT = qw(lookup measure_lookups measure_sorts);

# One table for each kind of index, so that the planner has no choice.
my %searched = (
	plain_hash => [ 'text', 'INDEX ON plain_hash USING hash (v)' ],
	equality_hash => [ "enctext('bench', 'equality')", 'INDEX ON equality_hash USING hash (v)' ],
	plain_unique => [ 'text', 'UNIQUE INDEX ON plain_unique (v)' ],
	equality_unique =>
	  [ "enctext('bench', 'equality')", 'UNIQUE INDEX ON equality_unique (v cellenc.enctext_term_ops)' ],
	order_btree => [ "enctext('bench', 'order')", 'INDEX ON order_btree (v)' ],
	c_plain_unique => [ 'text COLLATE "C"', 'UNIQUE INDEX ON c_plain_unique (v)' ],
	c_order_btree => [ q{enctext('bench', 'order') COLLATE "C"}, 'INDEX ON c_order_btree (v)' ]);

# Look-ups of the values that a query gives, by a condition with a parameter, as an
# application would have it.
sub lookup
{
	my ($table, $probes) = @_;
	return "DO \$\$ DECLARE probe text; found bigint; BEGIN
		FOR probe IN $probes LOOP
			SELECT id INTO STRICT found FROM $table WHERE v = probe;
		END LOOP; END \$\$";
}

sub measure_lookups
{
	my @tables = sort keys %searched;

	need_source();
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
	alternate($often, sub { () }, map { [ "lookup_$_", lookup($_, 'SELECT v FROM probe') ] } @tables);
	figure("$lookups look-ups: equality / plain, hash index",
		ratio(\%times, 'lookup_equality_hash', 'lookup_plain_hash'), '<=', 1.3, 'x');
	foreach my $case ([ '', '' ], [ 'c_', ', collation C' ])
	{
		my ($prefix, $note) = @$case;
		figure("$lookups look-ups: equality / plain, unique index$note",
			ratio(\%times, 'lookup_equality_unique', "lookup_${prefix}plain_unique"), '<=', 1.3, 'x');
		figure("$lookups look-ups: order / plain, btree index$note",
			ratio(\%times, "lookup_${prefix}order_btree", "lookup_${prefix}plain_unique"), '<=', 2, 'x');
	}
	session('DROP TABLE probe, ' . join(', ', @tables));
	return;
}

my %sort_type = (
	plain => 'text',
	none => "enctext('bench')",
	equality => "enctext('bench', 'equality')",
	c_plain => 'text COLLATE "C"',
	c_none => q{enctext('bench') COLLATE "C"});

sub measure_sorts
{
	my @kinds = sort keys %sort_type;
	my %query = (
		order => 'SELECT count(*) FROM (SELECT v FROM sort_%s ORDER BY v OFFSET 0) s',
		group => 'SELECT count(*) FROM (SELECT v FROM sort_%s GROUP BY v) s',
		join => 'SELECT count(*) FROM sort_%1$s a JOIN sort_%1$s b USING (v)');
	my %name = (order => 'ORDER BY', group => 'GROUP BY', join => 'hash join');

	need_source();
	session('SET client_min_messages = warning',
		map { ("CREATE TABLE sort_$_ (id bigint, v $sort_type{$_})",
				"INSERT INTO sort_$_ SELECT id, v FROM source LIMIT $sort_rows",
				"VACUUM (ANALYZE) sort_$_") } @kinds);
	alternate(
		$often,
		sub { $_[0] =~ /^join/ ? 'SET work_mem = \'64MB\'; SET enable_mergejoin = off' : 'SET work_mem = \'64MB\'' },
		map { my $what = $_; map { [ "${what}_$_", sprintf($query{$what}, $_) ] } grep { $what eq 'order' || !/^c_/ } @kinds }
		  sort keys %query);
	foreach my $what (qw(order group join))
	{
		figure("$name{$what} of $sort_rows rows: none / plain",
			ratio(\%times, "${what}_none", "${what}_plain"), '<=', 3, 'x');
		figure("$name{$what} of $sort_rows rows: equality / plain",
			ratio(\%times, "${what}_equality", "${what}_plain"), '<=', $what eq 'order' ? 3 : 1.5, 'x');
	}
	figure("ORDER BY of $sort_rows rows: none / plain, collation C",
		ratio(\%times, 'order_c_none', 'order_c_plain'), '<=', 3, 'x');
	session('DROP TABLE ' . join(', ', map { "sort_$_" } @kinds));
	return;
}

1;
