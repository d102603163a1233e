#
# Query.pm: random queries.
#
package Differential::Query;

use strict;
use warnings;

use Differential::Types;

#
# Queries: { sql, columns => [ { name, type, e } ], order => total order or undef }
#

sub alias { my ($self) = @_; return 'a' . ++$self->{aliases}; }

# One item of FROM: { sql, scope, id => its key's text }
sub item
{
	my ($self, $depth, $outer) = @_;
	my $alias = $self->alias;
	my $way = weighted(8, 'table', $self->{views} ? (2, 'view') : (), $self->{ctes} && @{ $self->{ctes} } ? (4, 'cte') : (),
		$depth > 0 ? (1.5, 'subquery') : (), 0.4, 'values', 0.3, 'series', 0.3, 'recursive');

	if ($way =~ /^(table|view|cte)$/)
	{
		my $r = pick($way eq 'table' ? @{ $self->{tables} } : $way eq 'view' ? @{ $self->{views} } : @{ $self->{ctes} });
		return {
			sql => ($way eq 'table' && !$r->{key} && chance(0.1) ? 't3_1' : $r->{name}) . " $alias",
			scope => [ map { node("$alias.$_->{name}", $_->{type}, $_->{e}) } @{ $r->{columns} } ],
			names => { map { $_->{name} => $_->{type} } @{ $r->{columns} } },
			encrypted => { map { $_->{name} => $_->{e} } @{ $r->{columns} } },
			id => $way eq 'table' ? "$alias.id" : undef
		};
	}
	if ($way eq 'values')
	{
		my $type = pick(grep { !$types{$_}{own} } @names);
		return { sql => '(VALUES ' . join(', ', map { "($_, " . literal($type) . ')' } 1 .. 3) . ") $alias (id, x)", scope => [ node("$alias.id", 'int4'), node("$alias.x", $type) ], id => "$alias.id" };
	}
	return { sql => "generate_series(1, " . between(2, 5) . ") $alias (id)", scope => [ node("$alias.id", 'int4') ], id => "$alias.id" } if $way eq 'series';
	if ($way eq 'recursive')
	{
		my ($table, $as) = (pick(@{ $self->{tables} }), $self->alias);
		my $c = pick(grep { !$types{ $_->{type} }{own} && $_->{type} !~ /char$/ } @{ $table->{columns} });
		# the cast is what doc/differences.md asks for
		return {
			sql => "(WITH RECURSIVE r (id, x) AS (SELECT $as.id, $as.$c->{name}::$c->{type} FROM $table->{name} $as WHERE $as.id < 3 UNION "
			  . pick($c->{type} eq 'json' ? () : '', 'ALL ') . "SELECT r.id + 1, $as.$c->{name} FROM r JOIN $table->{name} $as ON $as.id = r.id + 1 WHERE r.id < 6) SELECT * FROM r) $alias",
			scope => [ node("$alias.id", 'int4'), node("$alias.x", $c->{type}) ]
		};
	}
	my $query = $self->query(depth => $depth - 1);
	return {
		sql => "($query->{sql}) $alias",
		scope => [ map { node("$alias.$_->{name}", $_->{type}, $_->{e}) } @{ $query->{columns} } ]
	};
}

# A function that returns rows, of a column in scope.
sub unnested
{
	my ($self, $scope) = @_;
	my @columns = grep { $types{ $_->{t} }{array} || $_->{t} =~ /^(jsonb|text)$/ } @$scope;

	return if !@columns;
	my $x = pick(@columns);
	my $alias = $self->alias;
	if ($types{ $x->{t} }{array})
	{
		my $element = $x->{t} =~ s/\[\]$//r;
		return { sql => "unnest($x->{s}) $alias (x)", scope => [ node("$alias.x", $element, $x->{e}) ] };
	}
	return { sql => "jsonb_array_elements(CASE WHEN jsonb_typeof($x->{s}) = 'array' THEN $x->{s} END) $alias (x)", scope => [ node("$alias.x", 'jsonb') ] }
	  if $x->{t} eq 'jsonb';
	return pick({ sql => "regexp_split_to_table($x->{s}, 'l') $alias (x)", scope => [ node("$alias.x", 'text') ] },
		{ sql => "unnest(string_to_array($x->{s}, 'l')) $alias (x)", scope => [ node("$alias.x", 'text') ] });
}

sub from
{
	my ($self, $depth) = @_;
	my $first = $self->item($depth);
	my ($sql, @scope) = ($first->{sql}, @{ $first->{scope} });
	my @ids = ($first->{id});
	my $comma = 0;

	foreach (1 .. weighted(5, 0, 4, 1, 1, 2))
	{
		if (chance(0.1))
		{
			my $type = pick(map { $_->{t} } @scope);
			my $query = $self->one_column($type, \@scope);
			my $alias = $self->alias;
			$sql .= ($comma ? ',' : ' CROSS JOIN') . " LATERAL ($query->{sql}) $alias (x)";
			push @scope, node("$alias.x", $query->{type}, $query->{e});
			push @ids, undef;
			next;
		}
		if (chance(0.1) && (my ($set) = $self->unnested(\@scope)))
		{
			$sql .= ($comma ? ', ' : ' CROSS JOIN ') . $set->{sql};
			push @scope, @{ $set->{scope} };
			push @ids, undef;
			next;
		}
		my $next = $self->item($depth);
		my $kind = $comma ? ',' : weighted(4, 'JOIN', 2, 'LEFT JOIN', 1, 'RIGHT JOIN', 1.5, 'FULL JOIN', 0.4, 'CROSS JOIN', 1, ',');
		my $on = $self->equal_columns(\@scope, $next->{scope}) // ($first->{id} && $next->{id} ? "$first->{id} = $next->{id}" : undef);
		my @using = grep {
			my $n = $_;
			($first->{names} // {})->{$n} && ordered($next->{names}{$n}) && $first->{names}{$n} eq $next->{names}{$n}
			  && !($types{ $next->{names}{$n} }{own} && ($first->{encrypted}{$n} xor $next->{encrypted}{$n}))
			  && !($next->{names}{$n} =~ /^(varchar|bpchar|float4|timestamp|json|timetz|macaddr|time|interval|bytea|inet|int2)$/ && ($first->{encrypted}{$n} xor $next->{encrypted}{$n}))
		} sort keys %{ $next->{names} // {} };

		$kind = 'CROSS JOIN' if !defined $on && $kind ne ',';
		if (@using && @ids == 1 && $kind =~ / ?JOIN$/ && $kind ne 'CROSS JOIN' && chance(0.35))
		{
			my @chosen = some(weighted(3, 1, 1, 2), @using);
			$sql .= " $kind $next->{sql} USING (" . join(', ', @chosen) . ')';
			# where it is converted, its table and column are not told
			$self->{opened} = 1 if grep { $first->{encrypted}{$_} || $next->{encrypted}{$_} } @chosen;
			push @scope, @{ $next->{scope} }, map { node($_, $next->{names}{$_}, $first->{encrypted}{$_} || $next->{encrypted}{$_}) } @chosen;
		}
		elsif ($kind eq ',' || $kind eq 'CROSS JOIN')
		{
			$sql .= $kind eq ',' ? ", $next->{sql}" : " CROSS JOIN $next->{sql}";
			# a comma binds less than JOIN: what stands before it is not seen after it
			$comma = 1 if $kind eq ',';
			push @scope, @{ $next->{scope} };
		}
		else
		{
			my $more = $kind ne 'FULL JOIN' && chance(0.3) ? ' AND ' . $self->condition([ @scope, @{ $next->{scope} } ], 0) : '';
			$sql .= " $kind $next->{sql} ON $on$more";
			push @scope, @{ $next->{scope} };
		}
		push @ids, $next->{id};
	}
	return { sql => $sql, scope => \@scope, ids => (grep { !defined } @ids) ? undef : \@ids };
}

# A SELECT; options: depth; types of the columns; simple.
sub query
{
	my ($self, %o) = @_;
	my $depth = $o{depth} // 1;
	my $from = $self->from($depth);
	my $scope = $from->{scope};
	local $self->{scope} = $scope;
	my @want = @{ $o{types} // [ map { chance(0.6) ? pick(@$scope)->{t} : pick(grep { !$types{$_}{own} } @names) } 1 .. between(1, 4) ] };
	my $where = chance(0.65) ? ' WHERE ' . $self->condition($scope, $depth) : '';
	my $way = $o{simple} ? 'simple' : weighted(6, 'simple', 3, 'group', 2, 'window', 1.5, 'distinct', 0.8, 'distinct_on');

	return $self->grouped($from, $where, $depth, \@want) if $way eq 'group';
	my @list = map { $self->expr($_, $scope, $depth) } @want;
	@list = map { $self->window($scope, $_, $from->{ids}) } @list if $way eq 'window';
	my @columns = map { { name => "c$_", type => $list[ $_ - 1 ]{t}, e => $list[ $_ - 1 ]{e} } } 1 .. @list;
	my $select = join ', ', map { "$list[$_ - 1]{s} AS c$_" } 1 .. @list;
	my $order = $from->{ids} ? join(', ', @{ $from->{ids} }) : undef;

	if ($way eq 'distinct')
	{
		$way = 'simple' if grep { !ordered($_->{t}) } @list;
		return { sql => "SELECT DISTINCT $select FROM $from->{sql}$where", columns => \@columns } if $way eq 'distinct';
	}
	if ($way eq 'distinct_on' && $order && ordered($list[0]{t}))
	{
		return { sql => "SELECT DISTINCT ON ($list[0]{s}) $select FROM $from->{sql}$where ORDER BY $list[0]{s}, $order", columns => \@columns, closed => 1 };
	}
	return { sql => "SELECT $select FROM $from->{sql}$where", columns => \@columns, order => $order, scope => $scope };
}

sub aggregate
{
	my ($self, $scope, $type, $ids) = @_;
	my $order = $ids ? join(', ', @$ids) : undef;
	my $x = $self->expr($type, $scope, 1);
	my $filter = chance(0.2) ? ' FILTER (WHERE ' . $self->condition($scope, 0) . ')' : '';
	my @ways = (2, sub { node("count(*)$filter", 'int8') }, 2, sub { node('count(' . (chance(0.3) && ordered($type) ? 'DISTINCT ' : '') . "$x->{s})$filter", 'int8') });

	push @ways, 3, sub { node(pick(qw(min max)) . "($x->{s})$filter", $type, $x->{e}) } if ordered($type) && !$types{$type}{own} && $type !~ /^(bool|uuid|jsonb|bytea|macaddr)$/;
	push @ways, 3, sub { node('sum(' . (chance(0.2) ? 'DISTINCT ' : '') . "$x->{s})$filter", { int2 => 'int8', int4 => 'int8', int8 => 'numeric' }->{$type} // $type) }
	  if $type =~ /^(int[248]|numeric|float[48]|interval)$/;
	push @ways, 2, sub { node("avg($x->{s})$filter", $type =~ /float/ ? 'float8' : $type eq 'interval' ? 'interval' : 'numeric') } if $type =~ /^(int[248]|numeric|float8|interval)$/;
	push @ways, 2, sub { node(pick(qw(bool_and bool_or every)) . "($x->{s})$filter", 'bool') } if $type eq 'bool';
	push @ways, 1, sub { node(pick(qw(bit_and bit_or)) . "($x->{s})$filter", $type) } if $type =~ /^int[248]$/;
	push @ways, 2, sub { node("string_agg($x->{s}, ',' ORDER BY $order)$filter", $type) } if $type eq 'text' && $order;
	push @ways, 1, sub { node("string_agg(DISTINCT $x->{s}, ',')$filter", $type) } if $type eq 'text';
	push @ways, 1, sub { node("(array_agg($x->{s} ORDER BY " . (ordered($type) ? "$x->{s}, " : '') . "$order)$filter)::text", 'text') } if $order && !$types{$type}{array} && !$types{$type}{composite};
	push @ways, 1, sub { node("jsonb_agg($x->{s} ORDER BY $order)$filter", 'jsonb') } if $order && $type !~ /^(interval|pair)$/;
	push @ways, 0.7, sub { node("percentile_disc(0.5) WITHIN GROUP (ORDER BY $x->{s})$filter", $type, $x->{e}) } if ordered($type) && !$types{$type}{own};
	push @ways, 0.5, sub { node("mode() WITHIN GROUP (ORDER BY $x->{s})$filter", $type, $x->{e}) } if ordered($type) && !$types{$type}{own};
	push @ways, 0.4, sub { node("(rank(" . $self->untyped($type) . ") WITHIN GROUP (ORDER BY $x->{s}))", 'int8') } if $type =~ /^(text|int4|int8|numeric|date)$/;
	push @ways, 1, sub { node(pick(qw(stddev variance var_pop)) . "($x->{s})$filter", $type =~ /float/ ? 'float8' : 'numeric') } if $type =~ /^(int[248]|numeric|float8)$/;
	push @ways, 1, sub { node(pick(qw(corr regr_avgx covar_pop)) . "($x->{s}, $x->{s})$filter", 'float8') } if $type eq 'float8';
	push @ways, 1, sub { node("jsonb_object_agg('k' || $ids->[0], $x->{s} ORDER BY $order)$filter", 'jsonb') } if $order && $type !~ /^(interval|pair)$/;
	push @ways, 1, sub { node("string_agg($x->{s}, '\\x2c'::bytea ORDER BY $order)$filter", 'bytea') } if $type eq 'bytea' && $order;
	push @ways, 0.5, sub { node("percentile_cont(0.5) WITHIN GROUP (ORDER BY $x->{s})", 'float8') } if $type eq 'float8';
	return weighted(@ways)->();
}

sub grouped
{
	my ($self, $from, $where, $depth, $want) = @_;
	my $scope = $from->{scope};
	my @groups = grep { ordered($_->{t}) } map { chance(0.75) ? pick(@$scope) : $self->expr(pick(@$scope)->{t}, $scope, 1) } 1 .. between(0, 2);
	my @list = (@groups, map { $self->aggregate($scope, $_, $from->{ids}) } @$want);
	# an expression with a parameter is not the same twice, and a constant is a position
	@groups = grep { $_->{s} !~ /\$\d|^\d+$/ && $_->{s} =~ /[a-z_]\w*\.|^\w+$/ } @groups;
	@list = (@groups, @list[ (@list - @$want) .. $#list ]);
	my @columns = map { { name => "c$_", type => $list[ $_ - 1 ]{t}, e => $list[ $_ - 1 ]{e} } } 1 .. @list;
	my @texts = map { "($_->{s})" } @groups;
	my $by = @texts == 0 ? '' : ' GROUP BY ' . weighted(6, join(', ', @texts), 1, 'ROLLUP (' . join(', ', @texts) . ')', 1, 'CUBE (' . join(', ', @texts) . ')',
		1, 'GROUPING SETS (' . join(', ', (map { "($_)" } @texts), '()') . ')');
	# PostgreSQL before 18 may leave out a sort where a condition makes a column of grouping sets constant
	my $sets = $by =~ /ROLLUP|CUBE|SETS/;
	my $having = chance(0.2) ? ' HAVING ' . pick('count(*) > 1', 'count(*) < 4', do { my $a = $self->aggregate($scope, pick(@$want), $from->{ids}); "$a->{s} IS NOT NULL" }) : '';

	return { sql => 'SELECT ' . join(', ', map { "$list[$_ - 1]{s} AS c$_" } 1 .. @list) . " FROM $from->{sql}$where$by$having", columns => \@columns, unordered => $sets };
}

# A window function in place of the expression.
sub window
{
	my ($self, $scope, $x, $ids) = @_;
	my $order = $ids ? join(', ', @$ids) : undef;
	my @keys = grep { ordered($_->{t}) } @$scope;
	my $type = $x->{t};

	return $x if chance(0.4) || !@keys;
	my $key = pick(@keys);
	my $partition = chance(0.5) ? 'PARTITION BY ' . pick(@keys)->{s} . ' ' : '';
	my $by = "ORDER BY $key->{s}" . pick('', ' DESC', ' NULLS FIRST');
	my $total = $order ? "$by, $order" : undef;
	my @ways = (
		3, sub { node(pick(qw(rank dense_rank)) . "() OVER ($partition$by)", 'int8') },
		1, sub { node("count($x->{s}) OVER ($partition$by)", 'int8') });

	push @ways, 2, sub { node("row_number() OVER ($partition$total)", 'int8') },
	  3, sub { node(pick(qw(lag lead)) . "($x->{s}) OVER ($partition$total)", $type, $x->{e}) },
	  2, sub { node(pick(qw(first_value last_value)) . "($x->{s}) OVER ($partition$total ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)", $type, $x->{e}) },
	  1, sub { node("nth_value($x->{s}, 2) OVER ($partition$total)", $type, $x->{e}) }
	  if $total;
	push @ways, 2, sub { node("sum($x->{s}) OVER ($partition$by)", { int2 => 'int8', int4 => 'int8', int8 => 'numeric' }->{$type} // $type) } if $type =~ /^(int[248]|numeric|interval)$/;
	push @ways, 2, sub { node("max($x->{s}) OVER ($partition$by" . pick('', ' GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW') . ')', $type, $x->{e}) }
	  if ordered($type) && !$types{$type}{own} && $type !~ /^(bool|uuid|jsonb|bytea|macaddr)$/;
	my %offset = (int2 => '1', int4 => '2', int8 => '2', numeric => '1.5', float8 => '1.5', float4 => '1.5', date => "'1 day'", timestamp => "'1 day'", timestamptz => "'1 day'", interval => "'1 day'", time => "'1 hour'");
	push @ways, 3, sub { node("count(*) OVER ($partition" . "ORDER BY $key->{s} RANGE BETWEEN $offset{$key->{t}} PRECEDING AND $offset{$key->{t}} FOLLOWING)", 'int8') }
	  if $offset{ $key->{t} };
	return weighted(@ways)->();
}

# The whole of a query: set operations, common tables, order and limit.
sub statement_query
{
	my ($self) = @_;
	my ($with, $query, @with) = ('');

	local $self->{ctes} = [];
	while (@{ $self->{ctes} } < 2 && chance(0.15))
	{
		my $cte = $self->query(depth => 1);
		my $name = 'w' . (@{ $self->{ctes} } + 1);
		push @with, "$name AS " . pick('', 'MATERIALIZED ', 'NOT MATERIALIZED ') . "($cte->{sql})";
		push @{ $self->{ctes} }, { name => $name, columns => $cte->{columns} };
	}
	$with = 'WITH ' . join(', ', @with) . ' ' if @with;
	if (chance(0.13))
	{
		my @wanted = map { pick(grep { !$types{$_}{own} && ordered($_) } @names) } 1 .. between(1, 3);
		my @arms = map { $self->query(depth => 1, types => \@wanted, simple => 1) } 1 .. weighted(5, 2, 1, 3);
		my $sql = $arms[0]{sql};

		foreach my $arm (@arms[ 1 .. $#arms ])
		{
			$sql .= ' ' . pick('UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT', 'INTERSECT ALL', 'EXCEPT ALL') . " $arm->{sql}";
		}
		# what the sides have in common is settled without casts for most types
		$query = { sql => $sql, columns => [ map { { %{ $arms[0]{columns}[$_] }, e => 1 } } 0 .. $#wanted ], set => 1 };
	}
	else
	{
		$query = $self->query(depth => 2);
	}
	my $sql = "$with$query->{sql}";
	my @columns = @{ $query->{columns} };

	if (!$query->{closed} && chance(0.5) && !grep { !ordered($_->{type}) } @columns)
	{
		my @by = map { $_ . pick('', '', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST') } some(between(1, scalar @columns), 1 .. @columns);

		if ($query->{order} && chance(0.6))
		{
			push @by, $query->{order};
			unshift @by, pick(grep { ordered($_->{t}) } @{ $query->{scope} })->{s} if chance(0.3) && grep { ordered($_->{t}) } @{ $query->{scope} };
		}
		else
		{
			my %seen = map { /^(\d+)/; $1 => 1 } @by;
			push @by, grep { !$seen{$_} } 1 .. @columns;
		}
		$sql .= ' ORDER BY ' . join(', ', grep { !/^'|^\d+::|^NULL/ } @by);
		$sql .= ' LIMIT ' . between(1, 8) . (chance(0.3) ? ' OFFSET 1' : '') if chance(0.35);
		return { sql => $sql, ordered => !$query->{unordered}, columns => \@columns };
	}
	return { sql => $sql, ordered => 0, columns => \@columns };
}

1;
