#
# Expression.pm: random expressions and conditions over columns in scope.
#
package Differential::Expression;

use strict;
use warnings;

use Differential::Types;

# The next parameter; its value is a text of this type.
sub param
{
	my ($self, $type) = @_;

	push @{ $self->{params} }, $type;
	return '$' . @{ $self->{params} };
}

# Something whose type is not known before it is compared with one.
sub untyped
{
	my ($self, $type) = @_;

	return $self->{params} && @{ $self->{params} } < 5 && chance(0.6) ? $self->param($type) : unknown($type);
}

sub constant
{
	my ($self, $type) = @_;

	return node($self->param($type) . "::$type", $type, $types{$type}{domain} || $types{$type}{composite} ? 1 : 0)
	  if $self->{params} && @{ $self->{params} } < 5 && chance(0.4);
	return node("NULL::$type", $type, $types{$type}{domain} || $types{$type}{composite} ? 1 : 0) if chance(0.05);
	return node(literal($type), $type, $types{$type}{domain} || $types{$type}{composite} ? 1 : 0);
}

sub expr
{
	my ($self, $type, $scope, $depth) = @_;
	my @columns = columns_of($scope, $type);
	my @ways = (2, 'constant');

	push @ways, 6, 'column' if @columns;
	if ($depth > 0)
	{
		push @ways, 2.5, 'operator' if $self->{operators}{$type};
		push @ways, 2.5, 'function' if $self->{functions}{$type};
		push @ways, 1, 'case', 1, 'coalesce';
		push @ways, 0.6, 'nullif', 0.6, 'greatest' if ordered($type) && !$types{$type}{own};
		push @ways, 1, 'convert' if !$types{$type}{own};
		push @ways, 0.4, 'scalar' if $depth > 1;
		push @ways, 2, 'condition' if $type eq 'bool';
		push @ways, 2, 'special' if $type =~ /^(text|int4|numeric|interval|float8)$/;
	}
	my $way = weighted(@ways);
	return $self->constant($type) if $way eq 'constant';
	return pick(@columns) if $way eq 'column';
	return node('(' . $self->condition($scope, $depth - 1) . ')', 'bool') if $way eq 'condition';
	my $method = "expr_$way";
	return $self->$method($type, $scope, $depth - 1);
}

sub expr_operator
{
	my ($self, $type, $scope, $depth) = @_;
	my ($name, $left, $right) = @{ pick(@{ $self->{operators}{$type} }) };
	my $r = $self->expr($right, $scope, $depth);

	return node("($name " . argument($r) . ')', $type) if $left eq '';
	my $l = $self->expr($left, $scope, $depth);
	# what divides is not null
	return node('(' . argument($l) . " $name nullif(" . opened($r) . ", 0::$right))", $type) if $name =~ m{^[/%]$} && $right ne 'interval';
	return node('(' . $self->coarse($l) . " $name " . $self->coarse($r) . ')', $type);
}

# The argument, or now and then a column of a narrower type in its place.
sub coarse
{
	my ($self, $x) = @_;
	my %narrower = (int8 => 'int4', int4 => 'int2', numeric => 'int4', float8 => 'float4', timestamptz => 'timestamp', timestamp => 'date', text => 'varchar');
	my @columns = columns_of($self->{scope}, $narrower{ $x->{t} } // 'none');

	return argument($x) if !@columns || $self->{strict} || chance(0.95);
	$self->{loose} = 1;
	return pick(@columns)->{s};
}

sub expr_function
{
	my ($self, $type, $scope, $depth) = @_;
	my ($name, @args) = @{ pick(@{ $self->{functions}{$type} }) };

	return node("pg_catalog.$name(" . join(', ', map { opened($self->expr($_, $scope, $depth)) } @args) . ')', $type)
	  if $name =~ /^(overlaps|width_bucket)$/;
	return node("\"$name\"(" . join(', ', map { $self->coarse($self->expr($_, $scope, $depth)) } @args) . ')', $type);
}

# Text with a collation, now and then.
sub collated
{
	my ($x) = @_;

	return $x->{t} =~ /^(text|varchar|bpchar|word)$/ && chance(0.1) ? "$x->{s} COLLATE \"" . pick('C', 'POSIX') . '"' : $x->{s};
}

sub expr_case
{
	my ($self, $type, $scope, $depth) = @_;
	my @arms = alike(map { $self->expr($type, $scope, $depth) } 1 .. 2);
	my $else = chance(0.7) ? " ELSE $arms[1]{s}" : '';
	my $e = grep { $_->{e} } @arms;

	if (chance(0.3) && (my @columns = grep { ordered($_->{t}) && !$types{ $_->{t} }{own} } @$scope))
	{
		my $x = pick(@columns);
		return node("(CASE $x->{s} WHEN " . $self->untyped($x->{t}) . " THEN $arms[0]{s}$else END)", $type, $e);
	}
	return node('(CASE WHEN ' . $self->condition($scope, $depth) . " THEN $arms[0]{s}$else END)", $type, $e);
}

sub expr_coalesce
{
	my ($self, $type, $scope, $depth) = @_;
	my @arms = alike(map { $self->expr($type, $scope, $depth) } 1 .. 2);
	my $e = grep { $_->{e} } @arms;

	return node("coalesce($arms[0]{s}, " . $self->untyped($type) . ')', $type, $e) if chance(0.4);
	return node("coalesce($arms[0]{s}, $arms[1]{s})", $type, $e);
}

sub expr_nullif
{
	my ($self, $type, $scope, $depth) = @_;
	my $x = $self->expr($type, $scope, $depth);

	# the common type of varchar and text that the comparison is made in differs
	return node("nullif($x->{s}, " . $self->untyped($type) . ")::$type", $type) if $type =~ /char$/;
	return node("nullif($x->{s}, " . (chance(0.5) ? $self->untyped($type) : $self->expr($type, $scope, $depth)->{s}) . ')', $type, $x->{e});
}

sub expr_greatest
{
	my ($self, $type, $scope, $depth) = @_;
	my @arms = alike(map { $self->expr($type, $scope, $depth) } 1 .. 2);

	return node(pick(qw(greatest least)) . "($arms[0]{s}, $arms[1]{s})", $type, scalar grep { $_->{e} } @arms);
}

# From another type: where PostgreSQL has a cast that nearly always works.
my %from = (
	text => [ grep { $_ ne 'text' && !$types{$_}{composite} } @names ], varchar => [qw(text int4 date numeric)], bpchar => [qw(text int4)],
	int2 => [], int4 => [qw(int2 bool)], int8 => [qw(int4 int2)], numeric => [qw(int4 int8 int2)], float4 => [qw(int4 int2 float4)], float8 => [qw(float4 int4 int8)],
	bool => ['int4'], date => [qw(timestamp timestamptz)], timestamp => [qw(date timestamptz)], timestamptz => [qw(date timestamp)], time => [qw(timestamp interval timestamptz)],
	interval => ['time'], jsonb => ['json'], json => ['jsonb'], bytea => [], timetz => [qw(timestamptz time)]);

sub expr_convert
{
	my ($self, $type, $scope, $depth) = @_;
	my @from = @{ $from{$type} // [] };

	return $self->constant($type) if !@from;
	my $x = $self->expr(pick(@from), $scope, $depth);
	return node(chance(0.3) ? "CAST($x->{s} AS $type)" : "($x->{s})::$type", $type);
}

sub expr_scalar
{
	my ($self, $type, $scope, $depth) = @_;
	local $self->{scope} = $scope;
	my $table = pick(@{ $self->{tables} });
	my $alias = $self->alias;
	my $inner = [ map { node("$alias.$_->{name}", $_->{type}, $_->{e}) } @{ $table->{columns} } ];
	my @columns = columns_of($inner, $type);
	my $x = @columns ? pick(@columns) : $self->expr($type, $inner, 0);

	return node("(SELECT $x->{s} FROM $table->{name} $alias WHERE " . $self->condition([ @$inner, @$scope ], 0) . " ORDER BY $alias.id LIMIT 1)", $type, $x->{e});
}

# Functions that the catalog's list leaves out, with arguments that suit them.
sub expr_special
{
	my ($self, $type, $scope, $depth) = @_;
	my $of = sub { my ($t) = @_; return $self->expr($t, $scope, $depth)->{s}; };
	my $any = sub { return @$scope ? argument(pick(@$scope)) : 'id'; };

	if ($type eq 'text')
	{
		return node(pick(
				sub { "concat(" . $any->() . ", '-', " . $any->() . ')' },
				sub { "concat_ws(',', " . $any->() . ', ' . $of->('text') . ')' },
				sub { "format('%s %L', " . $any->() . ', ' . $any->() . ')' },
				sub { '(' . $of->('text') . " || '" . pick(qw(x y)) . "')" },
				sub { '(' . $of->('text') . ' || ' . $of->(pick(qw(text varchar int4 numeric date uuid bool))) . ')' },
				sub { 'lpad(' . $of->('text') . ', 5, \'*\')' },
				sub { 'substring(' . $of->('text') . ' FROM 2 FOR 2)' },
				sub { 'regexp_replace(' . $of->('text') . ", '[a-c]+', 'X')" },
				sub { 'to_char(' . $of->(pick(qw(date timestamp timestamptz))) . ", 'YYYY-MM-DD HH24')" },
				sub { 'to_char(' . $of->(pick(qw(int4 numeric float8 int8))) . ", '9990.99')" },
				sub { '(' . $of->('jsonb') . " ->> 'a')" },
				sub { '(' . $of->('json') . " ->> 'a')" },
				sub { 'encode(' . $of->('bytea') . ", 'hex')" },
				sub { 'trim(BOTH \'a\' FROM ' . $of->('text') . ')' },
				sub { '(' . $of->('jsonb') . " #>> '{b,0}')" })->(), 'text');
	}
	if ($type eq 'int4')
	{
		return node(pick(
				sub { 'position(\'a\' IN ' . $of->('text') . ')' },
				sub { 'num_nulls(' . $any->() . ', ' . $any->() . ')' },
				sub { 'length(' . $of->('text') . ')' },
				sub { 'octet_length(' . $of->('bytea') . ')' },
				sub { 'cardinality(' . argument($self->expr('text[]', $scope, 0)) . ')' },
				sub { '(' . $of->('date') . ' - ' . $self->untyped('date') . ')' },
				sub { '(' . $of->('int4') . ' + ' . $self->untyped('int2') . ')' },
				sub { '(' . $of->('int2') . ' * ' . $self->constant('int4')->{s} . ')' })->(), 'int4');
	}
	if ($type eq 'numeric')
	{
		return node(pick(
				sub { 'extract(' . pick(qw(year month day dow epoch)) . ' FROM ' . $of->(pick(qw(date timestamp timestamptz))) . ')' },
				sub { 'extract(epoch FROM ' . $of->('interval') . ')' },
				sub { '(' . $of->('int4') . ' * 1.5)' },
				sub { 'round(' . $of->('numeric') . ', 1)' },
				sub { '(' . $of->('numeric') . ' + ' . $of->(pick(qw(int4 int8 int2))) . ')' },
				sub { '(' . $of->('numeric') . ' * ' . $self->untyped('int2') . ')' })->(), 'numeric');
	}
	if ($type eq 'interval')
	{
		return node(pick(
				sub { '(' . $of->('timestamp') . ' - ' . $of->('timestamp') . ')' },
				sub { '(' . $of->('interval') . ' * ' . $of->(pick(qw(int4 int2))) . ')' },
				sub { 'justify_hours(' . $of->('interval') . ')' })->(), 'interval');
	}
	return node(pick(
			sub { '(' . $of->('float8') . ' + ' . $of->(pick(qw(int4 numeric float4))) . ')' },
			sub { 'round(' . $of->('float8') . ')' },
			sub { 'date_part(\'year\', ' . $of->('timestamp') . ')' },
			sub { 'sqrt(abs(' . $of->('int4') . '::int8))' })->(), 'float8');
}

#
# Conditions
#

my @comparisons = qw(= = = <> < <= > >=);

sub condition
{
	my ($self, $scope, $depth) = @_;
	local $self->{scope} = $scope;
	my $way = weighted(8, 'compare', 2, 'list', 1.5, 'between', 1.2, 'null', 1, 'distinct', 1.2, 'like', 0.8, 'row', 0.8, 'any', 0.8, 'json', 0.4, 'array',
		$depth > 0 ? (3, 'combine', 1.2, 'in_query', 0.8, 'exists', 0.6, 'quantified', 1, 'operator') : ());

	return 'true' if !@$scope;
	return $self->combine($scope, $depth - 1) if $way eq 'combine';
	if ($way eq 'operator')
	{
		return $self->expr_operator('bool', $scope, $depth - 1)->{s};
	}
	if ($way eq 'null')
	{
		my $x = pick(@$scope);
		return "$x->{s} IS " . (chance(0.5) ? 'NOT ' : '') . 'NULL';
	}
	return $self->like($scope) if $way eq 'like';
	return $self->json($scope) if $way eq 'json';
	return $self->array($scope) if $way eq 'array';
	return $self->exists($scope, $depth - 1) if $way eq 'exists';

	my @columns = grep { ordered($_->{t}) && !$types{ $_->{t} }{composite} } @$scope;
	return 'true' if !@columns;
	my $x = pick(@columns);
	$x = $self->expr($x->{t}, $scope, 1) if $depth > 0 && chance(0.15);
	my $type = $x->{t};
	return $x->{s} if $type eq 'bool' && chance(0.3);
	if ($way eq 'list')
	{
		my @list = map { chance(0.15) ? 'NULL' : chance(0.5) || !compares($type) ? $self->untyped($type) : literal($type) } 1 .. between(1, 4);
		return "$x->{s} " . (chance(0.2) ? 'NOT ' : '') . 'IN (' . join(', ', @list) . ')';
	}
	if ($way eq 'between' && !$types{$type}{array})
	{
		return "$x->{s} " . (chance(0.2) ? 'NOT ' : '') . 'BETWEEN ' . (chance(0.1) ? 'SYMMETRIC ' : '')
		  . $self->untyped($type) . ' AND ' . (!compares($type) ? $self->untyped($type) : $self->constant($type)->{s});
	}
	if ($way eq 'distinct')
	{
		return "$x->{s} IS " . (chance(0.5) ? 'NOT ' : '') . 'DISTINCT FROM ' . (chance(0.3) ? 'NULL' : $self->untyped($type));
	}
	if ($way eq 'any' && !$types{$type}{array})
	{
		my $list = join ',', map { '"' . (value($type) =~ s/(["\\])/\\$1/gr) . '"' } 1 .. between(0, 3);
		my $op = pick('= ANY', '= ANY', '<> ALL', '< ANY', '>= ALL');
		return "$x->{s} $op ('{$list}')" if chance(0.4);
		return "$x->{s} $op (ARRAY[" . literal($type) . ', ' . literal($type) . '])' if chance(0.5) && compares($type);
		return opened($x) . " $op ('{$list}'::" . ($types{$type}{domain} // $type) . '[])';
	}
	return $self->in_query($x, $scope, $depth - 1) if $way eq 'in_query';
	if ($way eq 'quantified' && $types{$type}{like})
	{
		my ($query) = $self->one_column($type, $scope);
		return "$x->{s} " . pick('>', '<=', '=', '<>') . ' ' . pick('ALL', 'ANY') . " ($query->{sql})";
	}
	if ($way eq 'row')
	{
		my $y = pick(@columns);
		if (compares($type) && compares($y->{t}))
		{
			my ($a, $b) = map { s/.*\.//r } $x->{s}, $y->{s};
			my @tables = grep { my %has = map { $_->{name} => 1 } @{ $_->{columns} }; $has{$a} && $has{$b} } @{ $self->{tables} };

			return "($x->{s}, $y->{s}) " . pick('IN', 'NOT IN', '= ANY') . " (SELECT s.$a, s.$b FROM " . pick(@tables)->{name} . ' s)'
			  if $depth > 0 && @tables && chance(0.5);
			return "($x->{s}, $y->{s}) " . pick(qw(= <> < >=)) . ' (' . $self->untyped($type) . ', ' . $self->untyped($y->{t}) . ')';
		}
	}
	return $self->compare($x, $scope, $depth);
}

sub compare
{
	my ($self, $x, $scope, $depth) = @_;
	my $type = $x->{t};

	my $op = pick(@comparisons);
	my @others = columns_of($scope, $type);
	my $like = $types{$type}{like};

	@others = grep { ($types{ $_->{t} }{like} // '') eq $like } @$scope if $like && chance(0.4);
	my $other = weighted(
		4, $self->untyped($type),
		!compares($type) ? () : (3, $self->constant($type)->{s}),
		!compares($type) ? () : (1.5, $self->expr($type, $scope, $depth)->{s}),
		@others ? (2, do { my $y = pick(@others); !compares($type) ? $y->{s} . '::' . ($types{$type}{domain} // $type) : $y->{s} }) : ());
	my $left = !compares($type) && $other =~ /::/ ? opened($x) : $x->{s};
	if ($types{$type}{like} && $type !~ /char/ && chance(0.06))
	{
		my $query = $self->one_column($type, $scope);
		return "$left $op (" . ($query->{sql} =~ s/SELECT (\S+)/'SELECT ' . pick(qw(max min)) . "($1)"/er) . ')';
	}
	$left = collated({ %$x, s => $left });
	return chance(0.15) ? "$other $op $left" : "$left $op $other";
}

sub combine
{
	my ($self, $scope, $depth) = @_;
	my ($a, $b) = map { $self->condition($scope, $depth) } 1 .. 2;

	return weighted(4, "($a AND $b)", 3, "($a OR $b)", 1.5, "NOT ($a)", 0.5, "($a) IS NOT TRUE", 0.5, "(($a) = ($b))");
}

sub like
{
	my ($self, $scope) = @_;
	my @columns = columns_of($scope, qw(text varchar bpchar word));

	return 'true' if !@columns;
	my $x = pick(@columns);
	my $op = pick('LIKE', 'NOT LIKE', 'ILIKE', '~', '~*', '!~', '^@', 'SIMILAR TO');
	my $pattern = $op =~ /~/ ? pick('^a', 'b$', 'l+', '^$', 'x|y') : $op eq '^@' ? pick('a', 'he', '') : $op =~ /SIM/ ? pick('(a|b)%', '%l+%') : pick('a%', '%l%', '_', '%', 'x\%%', '');

	$op = 'LIKE' if $op eq '^@' && $x->{t} eq 'bpchar';
	return "$x->{s} $op '$pattern'";
}

sub json
{
	my ($self, $scope) = @_;
	my @columns = columns_of($scope, 'jsonb');

	return 'true' if !@columns;
	my $x = pick(@columns)->{s};
	return pick("$x @> '{\"a\": 1}'", "$x ? 'a'", "$x ?| '{a,b}'", "$x ->> 'a' = '1'", "$x -> 'b' = '[1, 2]'", "$x <@ '{\"a\": 1}'", "jsonb_typeof($x) = 'object'",
		"$x \@? '\$.a'", "$x \@\@ '\$.a == 1'", "($x)['a'] = '1'", "$x #> '{b,1}' IS NOT NULL", "$x || '{\"z\": 0}' ? 'z'", "$x - 'a' = '{}'");
}

sub array
{
	my ($self, $scope) = @_;
	my @columns = grep { $types{ $_->{t} }{array} } @$scope;

	return 'true' if !@columns;
	my $x = pick(@columns);
	my $element = $x->{t} =~ s/\[\]$//r;
	return pick("$x->{s} = " . $self->untyped($x->{t}), "$x->{s} @> " . $self->untyped($x->{t}), "$x->{s} " . pick(qw(= <> @> <@ &&)) . ' ARRAY[' . literal($element) . ']',
		literal($x->{t}) . ' ' . pick(qw(= <> @> <@ &&)) . " $x->{s}", unknown($x->{t}) . " && $x->{s}", "cardinality($x->{s}) > 1",
		opened($x) . ' @> ARRAY[' . literal($element) . ']', literal($element) . " = ANY ($x->{s})", unknown($element) . " = ANY ($x->{s})", "($x->{s})[1] = " . unknown($element),
		opened($x) . ' < ARRAY[' . literal($element) . ']', "array_length($x->{s}, 1) = 2");
}

# A query of one column of the type, and the column.
sub one_column
{
	my ($self, $type, $scope) = @_;
	my (@found);

	foreach my $table (@{ $self->{tables} })
	{
		push @found, map { [ $table, $_ ] } grep { $_->{type} eq $type || $types{$type}{like} && ($types{ $_->{type} }{like} // '') eq $types{$type}{like} && chance(0.3) } @{ $table->{columns} };
	}
	my $alias = $self->alias;
	return { sql => "SELECT s.x FROM (VALUES (" . literal($type) . '), (' . literal($type) . ')) s (x)', e => 0, type => $type } if !@found;
	my ($table, $column) = @{ pick(@found) };
	my $inner = [ map { node("$alias.$_->{name}", $_->{type}, $_->{e}) } @{ $table->{columns} } ];
	return {
		sql => "SELECT $alias.$column->{name} FROM $table->{name} $alias" . (chance(0.6) ? ' WHERE ' . $self->condition(chance(0.3) ? [ @$inner, @$scope ] : $inner, 0) : ''),
		e => $column->{e}, type => $column->{type}
	};
}

sub in_query
{
	my ($self, $x, $scope, $depth) = @_;
	my $query = $self->one_column($x->{t}, $scope);
	my $left = !compares($x->{t}) && ($x->{e} xor $query->{e}) ? undef : $x->{s};

	return 'true' if !defined $left;
	return "$left " . pick('IN', 'IN', 'NOT IN', '= ANY') . " ($query->{sql})";
}

sub exists
{
	my ($self, $scope, $depth) = @_;
	my $table = pick(@{ $self->{tables} });
	my $alias = $self->alias;
	my $inner = [ map { node("$alias.$_->{name}", $_->{type}, $_->{e}) } @{ $table->{columns} } ];

	return (chance(0.3) ? 'NOT ' : '') . "EXISTS (SELECT 1 FROM $table->{name} $alias WHERE " . ($self->equal_columns($scope, $inner) // 'true')
	  . (chance(0.4) ? ' AND ' . $self->condition($inner, 0) : '') . ')';
}

# A comparison for equality of a column of either side, or nothing.
sub equal_columns
{
	my ($self, $left, $right) = @_;
	my @pairs;

	foreach my $l (grep { ordered($_->{t}) } @$left)
	{
		foreach my $r (@$right)
		{
			my $same = $l->{t} eq $r->{t};
			my $family = $types{ $l->{t} }{like} && ($types{ $r->{t} }{like} // '') eq $types{ $l->{t} }{like};

			next if !$same && !($family && chance(0.3));
			next if !compares($l->{t}) && ($l->{e} xor $r->{e});
			push @pairs, "$l->{s} = $r->{s}";
		}
	}
	return @pairs ? pick(@pairs) : undef;
}

1;
