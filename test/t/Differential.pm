#
# Differential.pm: random schemas and statements for 046_differential.pl.
#
# One seed makes a schema in two versions, with encrypted columns and without,
# and statements whose text fits both.  The generator knows which expressions may
# be of an encrypted type, and keeps to what doc/differences.md promises: where
# PostgreSQL would convert such an expression implicitly once more, it is cast.
# Now and then it leaves the cast out; such a statement is "loose", and may fail
# for the types' sake where the plain one does not.
#
# Hashes are walked in sorted order, and all choices come from rand(): the same
# seed is the same run.
#
package Differential;

use strict;
use warnings;

use Differential::Expression;
use Differential::Query;
use Differential::Schema;
use Differential::Types;
use Differential::Write;

our @ISA = qw(Differential::Schema Differential::Expression Differential::Query Differential::Write);

sub new
{
	my ($class, $seed, %catalog) = @_;
	my $self = bless { seed => $seed, number => 0, operators => {}, functions => {} }, $class;

	srand $seed;
	foreach my $line (@{ $catalog{operators} })
	{
		my ($name, @types) = map { $short{$_} // $_ } split /\|(?=[a-z]|\|[a-z])/, $line, -1;
		my ($left, $right, $result);

		# the name may have bars of its own
		($name, $left, $right, $result) = $line =~ /^(\S+)\|([^|]*)\|([^|]*)\|([^|]*)$/ or next;
		push @{ $self->{operators}{ $short{$result} // $result } }, [ $name, $short{$left} // $left, $short{$right} // $right ];
	}
	foreach my $line (@{ $catalog{functions} })
	{
		my ($name, $args, $result) = split /\|/, $line;
		push @{ $self->{functions}{ $short{$result} // $result } }, [ $name, map { $short{$_} // $_ } split /,/, $args ];
	}
	$self->make_schema;
	return $self;
}

#
# Cases: { number, kind, commands for test/wire/describe, ordered, loose }
#

my @switches = qw(enable_hashjoin enable_mergejoin enable_nestloop enable_seqscan enable_indexscan enable_bitmapscan
  enable_hashagg enable_sort enable_material enable_memoize enable_partitionwise_join enable_partitionwise_aggregate
  enable_indexonlyscan enable_incremental_sort);

# Arguments for parameters of these types.
sub arguments
{
	return join '', map { my $v = value($_); $v =~ s/''/'/g; "\t" . (chance(0.05) ? '\\N' : $v) } @_;
}

sub prepared
{
	my ($self, $sql, $times) = @_;
	my (%number, @types);

	# some were made for expressions that were thrown away
	$sql =~ s/\$(\d+)/
		if (!$number{$1}) { push @types, $self->{params}[$1 - 1]; $number{$1} = @types; }
		"\$$number{$1}"/gex;
	my $execute = chance(0.5) ? 'execute' : 'execute-binary';
	my @executions = map { "$execute q" . arguments(@types) } 1 .. $times;
	return ('simple SET plan_cache_mode = ' . pick(qw(auto force_custom_plan force_generic_plan)), "prepare q $sql", 'describe q',
		@executions, 'simple DEALLOCATE q');
}

sub read_case
{
	my ($self) = @_;
	my $how = weighted(8, 'run', 1.5, 'simple', 5, 'prepared', 0.7, 'cursor', 0.5, 'copy', 0.7, 'stored', 0.5, 'plpgsql', 0.4, 'view');

	local $self->{params} = $how eq 'prepared' ? [] : undef;
	my $query = $self->statement_query;
	my $sql = $query->{sql};
	my @commands;

	if ($how eq 'run') { @commands = ("run $sql"); }
	elsif ($how eq 'simple') { @commands = ("simple $sql"); }
	elsif ($how eq 'prepared') { @commands = $self->prepared($sql, between(1, 2)); }
	elsif ($how eq 'cursor') { @commands = ('simple BEGIN', "simple DECLARE c SCROLL CURSOR FOR $sql", 'simple FETCH ALL FROM c', 'simple CLOSE c', 'simple ROLLBACK'); }
	elsif ($how eq 'copy') { @commands = ("simple COPY ($sql) TO STDOUT" . pick('', ' (FORMAT csv)')); }
	elsif ($how eq 'view') { @commands = ('simple BEGIN', "simple CREATE VIEW vx AS $sql", 'simple SELECT * FROM vx', 'simple ROLLBACK'); }
	elsif ($how eq 'stored')
	{
		@commands = ('simple BEGIN', 'simple CREATE ' . pick('TEMP TABLE', 'TABLE', 'MATERIALIZED VIEW') . " stored AS $sql", 'simple SELECT * FROM stored', 'simple ROLLBACK');
	}
	else
	{
		my $types = join ', ', map { "v$_ " . ($types{ $query->{columns}[ $_ - 1 ]{type} }{domain} // $query->{columns}[ $_ - 1 ]{type}) } 1 .. @{ $query->{columns} };
		my $vars = join ', ', map { "v$_" } 1 .. @{ $query->{columns} };
		my $body = chance(0.5)
		  ? "DECLARE r record; n integer := 0; BEGIN FOR r IN $sql LOOP n := n + length(r::text); END LOOP; RETURN n::text; END"
		  : "DECLARE " . ($types =~ s/, v/; v/gr) . "; n integer := 0; BEGIN FOR $vars IN $sql LOOP n := n + length(concat($vars)); END LOOP; RETURN n::text; END";
		@commands = ('simple BEGIN', 'simple CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE plpgsql AS ' . quoted($body), 'simple SELECT pg_temp.f()', 'simple ROLLBACK');
	}
	return { kind => "SELECT, $how", commands => \@commands, ordered => $query->{ordered} };
}

sub write_case
{
	my ($self) = @_;
	my $prepared = chance(0.4);

	local $self->{params} = $prepared ? [] : undef;
	my ($table, $sql) = $self->write;
	my ($what) = $sql =~ /^(\w+)/;
	my @commands = $prepared ? $self->prepared($sql, 1) : ("simple $sql");
	my $check = "simple SELECT * FROM $table->{name} ORDER BY id";

	if (!$prepared && $what ne 'MERGE' && chance(0.15))
	{
		@commands = ("simple WITH w AS ($sql) SELECT * FROM w");
	}
	elsif ($prepared)
	{
		# of both formats, the second meets what the first has done
		return { kind => $what, commands => [ $commands[0], 'simple BEGIN', @commands[ 1 .. $#commands - 1 ], $check, 'simple ROLLBACK', $commands[-1] ] };
	}
	return { kind => $what, commands => [ 'simple BEGIN', @commands, $check, 'simple ROLLBACK' ] };
}

sub next_case
{
	my ($self) = @_;

	# first, whether the schema's tables hold the same
	if (my $table = $self->{tables}[ $self->{number} ])
	{
		return { kind => 'contents', number => ++$self->{number}, commands => ["run SELECT * FROM $table->{name} ORDER BY id"] };
	}
	@$self{qw(aliases loose opened)} = (0, 0, 0);
	my @settings;
	push @settings, 'simple SET ' . pick(@switches) . ' = ' . pick(qw(on off off)) if chance(0.3);
	push @settings, 'simple RESET ALL' if chance(0.05);
	my $case = chance(0.78) ? $self->read_case : $self->write_case;
	unshift @{ $case->{commands} }, @settings;
	return { %$case, number => ++$self->{number}, loose => $self->{loose}, opened => $self->{opened} };
}

1;
