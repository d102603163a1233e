#
# Schema.pm: random tables, with encrypted columns and without.
#
package Differential::Schema;

use strict;
use warnings;

use List::Util qw(shuffle);

use Differential::Types;

# Column of a type: what it is in either version.
sub column
{
	my ($self, $name, $type) = @_;
	my $t = $types{$type};
	my $encrypted = chance(0.8);
	my $search = pick(@{ $t->{search} // [qw(none equality equality order order)] });
	my $key = pick(qw(a b));
	my $base = $type =~ s/\[\]$//r;
	my $twin = ($types{$base}{twin} // "enc$base");

	$search = 'none' if $t->{array} || $t->{composite} || $t->{domain} || $type eq 'timetz' || $type eq 'macaddr';
	$encrypted = 1 if $t->{composite} || $t->{domain};
	return {
		name => $name, type => $type, e => $encrypted, search => $search,
		plain => $type,
		sealed => !$encrypted || $t->{composite} || $t->{domain} ? $type
		: "$twin('$key'" . ($search eq 'none' ? '' : ", '$search'") . ')' . ($t->{array} ? '[]' : '')
	};
}

sub name_of
{
	my ($type) = @_;

	return ($type =~ s/\[\]$/_list/r) . '_c';
}

sub make_schema
{
	my ($self) = @_;
	local $self->{strict} = 1;
	my $term = chance(0.5) ? ", 'equality'" : ", 'order'";
	my (@plain, @sealed, @both, @indexes, @sealed_indexes);

	push @plain, 'CREATE DOMAIN word AS text CHECK (VALUE <> \'\')', 'CREATE DOMAIN amount AS numeric',
	  'CREATE TYPE pair AS (n int4, s text)';
	push @sealed, "CREATE DOMAIN word AS enctext('a'$term) CHECK (VALUE <> '')", "CREATE DOMAIN amount AS encnumeric('b', 'order')",
	  "CREATE TYPE pair AS (n encint4('a'), s enctext('b'))";

	foreach my $number (1 .. 4)
	{
		my $table = { name => "t$number", rows => between(8, 25), key => 1 };
		my @chosen = (some(between(3, 5), @common), some(between(1, 4), @names));
		my %seen;
		my @columns = map { $self->column(name_of($_), $_) } grep { !$seen{$_}++ } @chosen;
		# a second column of a type that is there: for comparisons of columns
		push @columns, $self->column(name_of($chosen[0]) . '2', $chosen[0]);
		$table->{columns} = [ { name => 'id', type => 'int4', e => 0, plain => 'int4', sealed => 'int4' }, @columns ];

		my ($partition, @parts) = $number == 3 ? $self->partitions(\@columns) : ('');
		$table->{key} = 0 if $partition;
		foreach my $side ([ plain => \@plain ], [ sealed => \@sealed ])
		{
			push @{ $side->[1] }, "CREATE TABLE t$number (" . join(', ', map { "$_->{name} $_->{$side->[0]}" } @{ $table->{columns} })
			  . ($table->{key} ? ', PRIMARY KEY (id)' : '') . ")$partition";
			push @{ $side->[1] }, @parts;
		}
		foreach my $c (@columns)
		{
			my ($p, $s) = $self->index("t$number", $c, \@columns);
			push @indexes, $p if $p;
			push @sealed_indexes, $s if $s;
		}
		push @{ $self->{tables} }, $table;
		push @both, $self->rows($table);
	}

	# one table with a unique column, for ON CONFLICT
	my $type = pick(qw(text int4 int8 uuid date numeric));
	my $search = pick(qw(equality order));
	my $u = { name => 'u', type => $type, e => 1 };
	my %column = map { $_->{name} => $_ } ($self->column('text_c', 'text'), $self->column('int4_c', 'int4'), $self->column('numeric_c', 'numeric'));
	my @columns = ({ name => 'id', type => 'int4', e => 0, plain => 'int4', sealed => 'int4' }, { %$u, plain => $type, sealed => "enc$type('a', '$search')" },
		map { $column{$_} } sort keys %column);
	foreach my $side ([ plain => \@plain ], [ sealed => \@sealed ])
	{
		push @{ $side->[1] }, 'CREATE TABLE t5 (' . join(', ', map { "$_->{name} $_->{$side->[0]}" } @columns) . ', PRIMARY KEY (id))';
	}
	push @plain, 'CREATE UNIQUE INDEX ON t5 (u)';
	push @sealed, 'CREATE UNIQUE INDEX ON t5 (u' . ($search eq 'equality' ? " cellenc.enc${type}_term_ops" : '') . ')';
	my $table = { name => 't5', columns => \@columns, key => 1, unique => 'u', rows => 0 };
	push @{ $self->{tables} }, $table;
	my $n = 0;
	foreach my $v (some(4, grep { $_ ne '1.0' && $_ ne '1.00' } @{ $types{$type}{values} }))
	{
		$n++;
		push @both, "INSERT INTO t5 VALUES ($n, '$v', " . join(', ', map { unknown($_->{type}) } @columns[ 2 .. $#columns ]) . ')';
	}
	$table->{rows} = $n;

	my @changes = ($self->rules, map { ($self->write)[1] } 1 .. between(0, 8));
	push @changes, 'ANALYZE' if chance(0.7);
	$self->{ddl} = {
		plain => [ @plain, @both, @indexes ],
		again => [ @plain, reverse(@both) ],
		sealed => [ @sealed, @both, @sealed_indexes ]
	};
	# some of these fail, on both sides
	$self->{changes} = \@changes;

	# views, of queries over the tables
	foreach my $number (1 .. 3)
	{
		my $query = $self->query(depth => 1, simple => $number == 1);
		push @{ $self->{ddl}{$_} }, "CREATE VIEW v$number AS $query->{sql}" foreach qw(plain again sealed);
		push @{ $self->{views} }, { name => "v$number", columns => $query->{columns}, view => 1 };
	}
}

# A way to partition by one of the columns, and the partitions.
sub partitions
{
	my ($self, $columns) = @_;
	my ($c) = grep { $_->{type} =~ /^(text|int4|int8|numeric|date|timestamptz)$/ } shuffle @$columns;
	my @parts;

	return '' if !$c;
	$c->{search} = 'order';
	$c->{sealed} =~ s/'(, '\w+')?\)/', 'order')/ if $c->{e};
	my ($a, $b) = @{ $types{ $c->{type} }{values} }[ 0, $c->{type} eq 'numeric' ? 2 : 1 ];
	my $how = pick(qw(RANGE LIST));
	if ($how eq 'RANGE')
	{
		push @parts, "CREATE TABLE t3_1 PARTITION OF t3 FOR VALUES FROM (MINVALUE) TO ('$a')",
		  "CREATE TABLE t3_2 PARTITION OF t3 FOR VALUES FROM ('$a') TO ('$b')",
		  "CREATE TABLE t3_3 PARTITION OF t3 DEFAULT";
	}
	else
	{
		push @parts, "CREATE TABLE t3_1 PARTITION OF t3 FOR VALUES IN ('$a', NULL)",
		  "CREATE TABLE t3_2 PARTITION OF t3 FOR VALUES IN ('$b')", "CREATE TABLE t3_3 PARTITION OF t3 DEFAULT";
	}
	# 2.50 and 1.0 are values of ranges, too
	return " PARTITION BY $how ($c->{name})", @parts;
}

# Checks and triggers, of the same text in both versions.
sub rules
{
	my ($self) = @_;
	my @sql;

	foreach my $table (@{ $self->{tables} })
	{
		my @columns = grep { $_->{name} =~ /^(text|int4|numeric)_c$/ } @{ $table->{columns} };
		next if !@columns || chance(0.5);
		my $c = pick(@columns);
		my $text = $c->{type} eq 'text';

		if (chance(0.4))
		{
			push @sql, "ALTER TABLE $table->{name} ADD CHECK (" . ($text ? "$c->{name} <> 'other' AND length($c->{name}) < 50" : "$c->{name} <> 4321") . ')';
			next;
		}
		my $name = "$table->{name}_changed";
		my ($from, $to) = $text ? ("'a'", "NEW.$c->{name} || '+'") : (7, "NEW.$c->{name} + 1");
		push @sql,
		  "CREATE FUNCTION $name() RETURNS trigger LANGUAGE plpgsql AS "
		  . quoted("BEGIN IF NEW.$c->{name} = $from THEN NEW.$c->{name} := $to; END IF; RETURN NEW; END"),
		  "CREATE TRIGGER $name BEFORE " . pick('UPDATE', 'INSERT OR UPDATE') . " ON $table->{name} FOR EACH ROW EXECUTE FUNCTION $name()";
	}
	return @sql;
}

# An index of the column in both versions, if its search allows one.
sub index
{
	my ($self, $table, $c, $columns) = @_;
	my ($plain, $sealed);
	my $t = $types{ $c->{type} };
	my $where = chance(0.15) ? ' WHERE id > 5' : '';
	my ($other) = shuffle grep { $_ != $c && $_->{search} eq 'order' && ordered($_->{type}) } @$columns;
	my $second = chance(0.3) ? ', id' : chance(0.2) && $other ? ", $other->{name}" : '';

	return if chance(0.3) || !ordered($c->{type}) || $types{ $c->{type} }{own} && $c->{type} ne 'mood';
	$plain = "CREATE INDEX ON $table ($c->{name}$second)$where";
	return ($plain, $plain) if !$c->{e} || $c->{search} eq 'order' && chance(0.8);
	return ($plain, undef) if $c->{search} eq 'none' || $types{ $c->{type} }{twin} && $c->{search} ne 'order';
	return ($plain, $plain) if $c->{search} eq 'order' && $t->{search};
	$sealed = chance(0.5) ? "CREATE INDEX ON $table USING hash ($c->{name})$where"
	  : "CREATE INDEX ON $table ($c->{name} cellenc." . ($types{ $c->{type} }{twin} // "enc$c->{type}") . "_term_ops$second)$where";
	return ($plain, $sealed);
}

sub rows
{
	my ($self, $table) = @_;
	my (@rows, @sql);

	foreach my $id (1 .. $table->{rows})
	{
		push @rows, '(' . join(', ', $id, map { chance(0.15) ? 'NULL' : unknown($_->{type}) } @{ $table->{columns} }[ 1 .. $#{ $table->{columns} } ]) . ')';
	}
	while (my @part = splice @rows, 0, 5)
	{
		push @sql, "INSERT INTO $table->{name} VALUES " . join(', ', @part);
	}
	return @sql;
}

1;
