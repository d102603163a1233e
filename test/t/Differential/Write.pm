#
# Write.pm: random statements that write.
#
package Differential::Write;

use strict;
use warnings;

use Differential::Types;

# Any of them: the table, and the statement.
sub write
{
	my ($self) = @_;
	my $what = weighted(3, 'insert', 3, 'update', 1.5, 'delete', 1.5, 'merge');

	return $self->$what;
}

# The table as a target, under an alias, and its columns as a scope.
sub target
{
	my ($self, @tables) = @_;
	my $table = pick(@tables ? @tables : @{ $self->{tables} });
	my $alias = $self->alias;

	return ($table, $alias, [ map { node("$alias.$_->{name}", $_->{type}, $_->{e}) } @{ $table->{columns} } ]);
}

# What an assignment gives to a column.
sub assigned
{
	my ($self, $column, $scope) = @_;
	my $type = $column->{type};

	return weighted(
		3, sub { $self->untyped($type) },
		2, sub { $self->expr($type, $scope, 1)->{s} },
		0.5, sub { 'NULL' },
		0.3, sub { 'DEFAULT' },
		1, sub { my @same = columns_of($scope, $type); @same ? pick(@same)->{s} : 'NULL' })->();
}

sub changes
{
	my ($self, $table, $scope) = @_;
	my @columns = @{ $table->{columns} };

	return join ', ', map { "$_->{name} = " . $self->assigned($_, $scope) } some(between(1, 3), grep { $_->{name} ne 'id' && $_->{name} ne ($table->{unique} // '') } @columns);
}

sub insert
{
	my ($self) = @_;
	my ($table, $alias, $own) = $self->target;
	my @columns = ($table->{columns}[0], some(between(1, 4), @{ $table->{columns} }[ 1 .. $#{ $table->{columns} } ]));
	my $names = join ', ', map { $_->{name} } @columns;
	my ($source, $conflict) = ('', '');

	if (chance(0.4))
	{
		my ($from, $as, $scope) = $self->target;
		local $self->{scope} = $scope;
		my @list = ("$as.id + 1000", map { my $v = $self->assigned($_, $scope); $v eq 'DEFAULT' ? 'NULL' : $v } @columns[ 1 .. $#columns ]);
		$source = 'SELECT ' . join(', ', @list) . " FROM $from->{name} $as WHERE " . $self->condition($scope, 1);
	}
	else
	{
		$source = 'VALUES ' . join ', ', map { '(' . join(', ', (chance(0.5) ? between(1, 60) : 100 + $_), map { $self->assigned($_, []) } @columns[ 1 .. $#columns ]) . ')' } 1 .. between(1, 3);
	}
	if ($table->{key} && chance(0.5))
	{
		my @both = (@$own, map { node("excluded.$_->{name}", $_->{type}, $_->{e}) } @{ $table->{columns} });
		local $self->{scope} = \@both;
		$conflict = ' ON CONFLICT ' . ($table->{unique} && chance(0.6) ? '(u) ' : '(id) ')
		  . (chance(0.3) ? 'DO NOTHING' : 'DO UPDATE SET ' . $self->changes($table, \@both) . (chance(0.3) ? ' WHERE ' . $self->condition(\@both, 0) : ''));
	}
	return ($table, "INSERT INTO $table->{name} AS $alias ($names) $source$conflict RETURNING *");
}

sub update
{
	my ($self) = @_;
	my ($table, $alias, $scope) = $self->target;
	my ($from, $as, $other) = $self->target;
	my $join = chance(0.4);
	my @all = $join ? (@$scope, @$other) : @$scope;
	local $self->{scope} = \@all;
	my $set = $self->changes($table, \@all);
	my $where = $self->condition(\@all, 1);

	return ($table, "UPDATE $table->{name} $alias SET $set" . ($join ? " FROM $from->{name} $as WHERE $alias.id = $as.id AND $where" : " WHERE $where")
		  . " RETURNING $alias.*" . ($join ? ", $as.*" : ''));
}

sub delete
{
	my ($self) = @_;
	my ($table, $alias, $scope) = $self->target;
	my ($from, $as, $other) = $self->target;
	my $join = chance(0.4);
	my @all = $join ? (@$scope, @$other) : @$scope;
	local $self->{scope} = \@all;

	return ($table, "DELETE FROM $table->{name} $alias" . ($join ? " USING $from->{name} $as" : '') . ' WHERE '
		  . ($join ? ($self->equal_columns($scope, $other) // 'true') . ' AND ' : '') . $self->condition(\@all, 1) . " RETURNING $alias.*");
}

sub merge
{
	my ($self) = @_;
	my ($table, $alias, $scope) = $self->target;
	my ($from, $as, $other) = $self->target;
	my @all = (@$scope, @$other);
	my @columns = some(between(1, 3), grep { $_->{name} ne 'id' } @{ $table->{columns} });
	my $source = $from->{name};
	local $self->{scope} = \@all;
	my $sql = "MERGE INTO $table->{name} $alias USING $source $as ON $alias.id = $as.id" . (chance(0.4) ? ' AND ' . $self->condition(\@all, 0) : '');

	$sql .= ' WHEN MATCHED AND ' . $self->condition(\@all, 0) . ' THEN ' . pick('DELETE', 'DO NOTHING') if chance(0.4);
	$sql .= ' WHEN MATCHED THEN UPDATE SET ' . $self->changes($table, \@all) if chance(0.8);
	{
		local $self->{scope} = $other;
		$sql .= ' WHEN NOT MATCHED THEN INSERT (id, ' . join(', ', map { $_->{name} } @columns) . ") VALUES ($as.id + 2000, "
		  . join(', ', map { $self->assigned($_, $other) } @columns) . ')';
	}
	return ($table, $sql);
}

1;
