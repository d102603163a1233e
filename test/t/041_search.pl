#
# Whatever index there is and however a parameter is declared, a condition on
# an encrypted column finds the rows that it finds on a plain one: for every
# type and operator, at rest, beside a rotation and writers, on a standby and
# under row security.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use IPC::Run ();
use List::Util qw(shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{CELLENC_SEED} || int rand 2**31;
srand $seed;
note "CELLENC_SEED=$seed";

# By base type: values; types that a client may declare a parameter as, those
# below `other` without an index, and values for some of these alone.
my %types = (
	text => {
		values => [ '', ' ', 'a', 'a ', 'A', 'b', 'null', "\\", "'", "\x{e4}", "a\x{308}", 'x' x 2500, 'x' x 2499 ],
		declared => [ 'text', 'varchar' ],
		other => [ 'bpchar', 'name' ]
	},
	bytea => {
		values => [ '\x', '\x00', '\x0000', '\xff', '\x' . '00' x 300 ],
		declared => ['bytea']
	},
	int2 => {
		values => [ -32768, -1, 0, 1, 7, 32767 ],
		declared => [ 'int2', 'int4', 'int8' ],
		only => { int4 => [ 32768, -32769 ], int8 => [ 32768, 9223372036854775807 ] }
	},
	int4 => {
		values => [ -2147483648, -32768, -1, 0, 1, 7, 2147483647 ],
		declared => [ 'int2', 'int4', 'int8' ],
		only => { int2 => [ -1, 7 ], int8 => [ 2147483648, -9223372036854775807 ] }
	},
	int8 => {
		values => [ -9223372036854775807, -1, 0, 1, 7, 2147483648, 9223372036854775807 ],
		declared => [ 'int2', 'int4', 'int8' ],
		only => { int2 => [ -1, 7 ], int4 => [ -1, 7 ] }
	},
	numeric => {
		values => [
			qw(0 0.0 -0 1 1.0 1.00 0.1 0.10 -0.1 100 1e2 1e20 100000000000000000000 1e-20
			  NaN Infinity -Infinity 12345678901234567890.123)
		],
		declared => ['numeric'],
		only => { int4 => [ 0, 1, 100 ], int8 => [ 0, 1, 100 ] },
		other => [ 'int4', 'int8' ]
	},
	float4 => {
		values => [qw(0 -0 0.1 1 -1 NaN Infinity -Infinity 1e-40 3.4e38)],
		declared => [ 'float4', 'float8' ],
		only => { float8 => [ 0.1, 1, '-0', 'NaN', 1e300 ] }
	},
	float8 => {
		values => [qw(0 -0 0.1 0.10000000149011612 1 NaN Infinity -Infinity 1e-300 1e300)],
		declared => [ 'float4', 'float8' ],
		only => { float4 => [ 0.1, 1, '-0', 'NaN', 'Infinity' ] }
	},
	bool => { values => [ 't', 'f' ], declared => ['bool'] },
	date => {
		values => [qw(2000-01-01 2000-02-29 1999-12-31 0044-03-15 infinity -infinity)],
		declared => ['date'],
		ordered => [ 'timestamp', 'timestamptz' ]
	},
	time => {
		values => [qw(00:00 24:00:00 23:59:59.999999 12:00 12:00:00.0)],
		declared => ['time']
	},
	timestamp => {
		values => [ '2000-01-01', '2000-01-01 00:00:00.000001', '1999-12-31 23:00', 'infinity', '-infinity' ],
		declared => ['timestamp'],
		ordered => [ 'date', 'timestamptz' ]
	},
	timestamptz => {
		values => [ '2000-01-01', '2000-01-01 00:00+00', '2000-01-01 01:00+01', '1999-12-31 23:00', 'infinity', '-infinity' ],
		declared => ['timestamptz'],
		ordered => [ 'date', 'timestamp' ]
	},
	interval => {
		values => [ '0', '1 mon', '30 days', '720:00', '1 year', '360 days', '-1 day', '-24:00', '1 mon -30 days', '00:00:00.000001' ],
		declared => ['interval']
	},
	uuid => {
		values => [ map { "00000000-0000-0000-0000-00000000000$_" } 0 .. 5 ],
		declared => ['uuid']
	},
	jsonb => {
		values => [
			'1', '1.0', '1.00', '"1"', '1e2', '100', '{}', '[]', 'null', '""', '[1]', '[[1]]', 'true',
			'{"a": 1, "b": [1, 2.0]}', '{"b": [1.0, 2], "a": 1.00}', '{"a": {"b": null}}', '{"a": {"b": []}}'
		],
		declared => ['jsonb']
	},
	inet => {
		values => [qw(1.2.3.4 1.2.3.4/32 1.2.3.0/24 1.2.3.4/24 ::1 ::1/128 ::ffff:1.2.3.4 10.0.0.0/8 0.0.0.0/0)],
		declared => ['inet'],
		only => { cidr => [qw(1.2.3.0/24 10.0.0.0/8)] },
		other => ['cidr']
	});

# Columns of each type's table: their index, and the operators that it serves.
my %columns = (
	o => { search => 'order', index => 'USING btree (o)', serves => '[<>]=?|=' },
	q => { search => 'equality', index => 'USING btree (q cellenc.enc%s_term_ops)', serves => '=' },
	h => { search => 'equality', index => 'USING hash (h)', serves => '=' },
	n => { search => 'none', serves => 'nothing' });

sub columns_of { return $_[0] eq 'bool' ? qw(o n) : qw(o q h n); }
sub quote { my ($s) = @_; $s =~ s/'/''/g; return "'$s'"; }
sub pick { return $_[ int rand @_ ]; }
sub some { my ($n, @from) = @_; return (shuffle @from)[ 0 .. ($n < @from ? $n : scalar @from) - 1 ]; }

#
# Statements that print what differs
#

# The condition, with %s for the column, finds the same rows on column as on the plain one.
sub same_rows
{
	my ($table, $column, $condition, $name) = @_;
	my ($got, $expected) =
	  map { sprintf "(SELECT array_agg(id ORDER BY id) FROM $table WHERE %s)", $condition =~ s/%s/$_/gr } ($column, 'p');

	return "SELECT \$\$$table.$column: $name\$\$ WHERE $got IS DISTINCT FROM $expected";
}

# The plan of the query has the index in it.
sub uses
{
	my ($query, $index, $name) = @_;
	return "SELECT \$q\$$index is not used: $name\$q\$ WHERE NOT uses_index(\$q\$$query\$q\$, '$index');\n";
}

sub check_literals
{
	my ($type, $column, $n, $cast) = @_;
	my @values = map { quote($_) . $cast } @{ $types{$type}{values} };
	my $sql = '';

	foreach my $value (some($n, @values))
	{
		foreach my $op (qw(= <> < <= > >=))
		{
			my $condition = pick("%s $op $value", "$value $op %s", "NOT (%s $op $value)");

			$sql .= same_rows("t_$type", $column, $condition, $condition) . ";\n";
			$sql .= uses("SELECT id FROM t_$type WHERE $column $op $value\::$type", "i_${type}_$column", $op)
			  if $op =~ /^($columns{$column}{serves})$/ && $op ne '<>';
		}
		my ($low, $high) = some(2, @values);
		my $list = join ', ', some(1 + int rand 4, @values, 'NULL');
		foreach my $condition ("%s BETWEEN $low AND $high", "%s IN ($list)", "%s NOT IN ($list)",
			"%s = ANY (ARRAY[$list]::$type\[])", "%s IS NULL", "%s = $value OR %s IS NULL", "(%s, id) > ($value, 20)")
		{
			$sql .= same_rows("t_$type", $column, $condition, $condition) . ";\n";
		}
	}
	return $sql;
}

# The same with parameters: declared or not, in a custom and in a generic plan.
sub check_parameters
{
	my ($type, $column, $n, @declared) = @_;
	my $t = $types{$type};
	my $sql = '';

	foreach my $declared (@declared)
	{
		my @values = map { quote($_) } @{ ($t->{only} // {})->{$declared} // $t->{values} };
		my $indexed = $columns{$column}{index} && !grep { $_ eq $declared } @{ $t->{other} // [] };

		@values = grep { length $_ < 60 } @values if $declared eq 'name';
		$indexed = 0 if $column ne 'o' && grep { $_ eq $declared } @{ $t->{ordered} // [] };
		foreach my $op (qw(= <>), pick(qw(< <=)), pick(qw(> >=)), 'ANY')
		{
			my $condition = $op eq 'ANY' ? '%s = ANY ($1)' : "%s $op \$1";
			my $array = $op eq 'ANY' && $declared ne 'unknown' ? '[]' : '';

			$sql .= "PREPARE q($declared$array) AS " . same_rows("t_$type", $column, $condition, "$condition as $declared") . ";\n";
			$sql .= "PREPARE x($declared$array) AS SELECT id FROM t_$type WHERE " . sprintf("$condition;\n", $column);
			foreach my $mode ('force_custom_plan', 'force_generic_plan')
			{
				$sql .= "SET plan_cache_mode = $mode;\n";
				foreach my $value (some($n, @values))
				{
					$value = "ARRAY[$value, " . pick(@values) . ", NULL]::" . ($declared eq 'unknown' ? $type : $declared) . '[]'
					  if $op eq 'ANY';
					$sql .= "EXECUTE q($value);\n";
					$sql .= uses("EXECUTE x($value)", "i_${type}_$column", "$op, parameter $declared, $mode")
					  if $indexed && ($op eq 'ANY' ? '=' : $op) =~ /^($columns{$column}{serves})$/;
				}
			}
			$sql .= "RESET plan_cache_mode; DEALLOCATE q; DEALLOCATE x;\n";
		}
	}
	return $sql;
}

# Two columns, under two keys, by each method.
sub check_joins
{
	my ($type) = @_;
	my $sql = '';

	foreach my $method (qw(nestloop hashjoin mergejoin))
	{
		my ($left, $right) = map { pick(columns_of($type)) } 1 .. 2;
		my $join = "SELECT ROW(count(*), sum(a.id * b.id)) FROM t_$type a %s JOIN t_$type b ON a.%s = b.%s AND a.id < b.id + 9";

		$sql .= join '', map { "SET enable_$_ = off;" } grep { $_ ne $method } qw(nestloop hashjoin mergejoin);
		foreach my $kind ('', 'LEFT')
		{
			$sql .= sprintf "SELECT '$type: $kind $method of $left and $right' WHERE ($join) IS DISTINCT FROM ($join);\n",
			  $kind, $left, $right, $kind, 'p', 'p';
		}
		$sql .= "RESET enable_nestloop; RESET enable_hashjoin; RESET enable_mergejoin;\n";
	}
	$sql .= sprintf "SELECT '$type: semijoin of $_' WHERE (SELECT array_agg(id ORDER BY id) FROM t_$type WHERE %s) IS DISTINCT FROM "
	  . "(SELECT array_agg(id ORDER BY id) FROM t_$type WHERE %s);\n",
	  map { "$_ IN (SELECT $_ FROM t_$type WHERE id < 20)" } ($_, 'p')
	  foreach columns_of($type);
	return $sql;
}

# What the statements print.  Without the compiler that their costs would call
# for, as sequential scans are off.
sub output_of
{
	my ($node, $sql) = @_;

	$sql = "SET client_encoding = 'UTF8';\nSET enable_seqscan = off;\nSET jit = off;\n$sql";
	utf8::encode($sql);
	my ($rc, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0);
	return $out . $err;
}

# Everything, with n values for each condition; what is printed is wrong.
sub check_all
{
	my ($node, $n, $name, $before) = @_;

	foreach my $type (sort keys %types)
	{
		my $t = $types{$type};
		my $typed = $before // '';
		my $untyped = $typed;

		foreach my $column (columns_of($type))
		{
			$typed .= check_literals($type, $column, $n, "::$type")
			  . check_parameters($type, $column, $n, map { @$_ } grep { $_ } @{$t}{qw(declared ordered other)});
			$untyped .= check_literals($type, $column, $n, '') . check_parameters($type, $column, $n, 'unknown');
		}
		is(output_of($node, $typed . check_joins($type)), '', "$name: $type");

		is(output_of($node, $untyped), '', "$name: $type, untyped");
	}
}

#
# Tables
#
my $master_key = make_master_key();
my $primary = start_node('primary', master_key => $master_key, allows_streaming => 1);
my $setup = q{
	SELECT cellenc_create_key('a'), cellenc_create_key('b');
	CREATE ROLE app;
	CREATE FUNCTION uses_index(query text, index text) RETURNS boolean LANGUAGE plpgsql AS $$
	DECLARE
		line text;
	BEGIN
		FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
			IF line LIKE '%Scan % ' || index || '%' THEN
				RETURN true;
			END IF;
		END LOOP;
		RETURN false;
	END $$;
};
foreach my $type (sort keys %types)
{
	my @columns = columns_of($type);
	my @values = map { quote($_) } @{ $types{$type}{values} };
	my $definitions = join ', ',
	  map { "$_ enc$type('" . ($_ eq 'h' ? 'b' : 'a') . "', '$columns{$_}{search}')" } @columns;
	my $copies = join ', ', ('p') x @columns;

	$setup .= "CREATE TABLE t_$type (id integer PRIMARY KEY, p $type, $definitions);\n";
	foreach my $column (@columns)
	{
		my $index = $columns{$column}{index};

		$setup .= sprintf "CREATE INDEX i_${type}_$column ON t_$type $index;\n", $type if $index;
	}
	$setup .= "INSERT INTO t_$type SELECT id, p, $copies FROM (VALUES\n"
	  . join(",\n", map { "($_, " . ($_ % 11 ? pick(@values) : 'NULL') . "::$type)" } 1 .. 60)
	  . ") v (id, p);\n";
}
utf8::encode($setup);
$primary->safe_psql('postgres', $setup);

check_all($primary, 3, 'at rest');

#
# Beside a rotation that cannot end yet, and writers
#
my $blocker = $primary->background_psql('postgres');
$blocker->query_safe('BEGIN; SELECT id FROM t_uuid WHERE id = 60 FOR UPDATE');
$primary->safe_psql('postgres', "SELECT cellenc_rotate_key('a'), cellenc_rotate_key('b')");
$primary->safe_psql('postgres', 'CREATE TABLE stop ()');
my $writer_sql = 'DO $$ BEGIN WHILE to_regclass(\'stop\') IS NOT NULL LOOP ';
foreach my $type (sort keys %types)
{
	my @columns = columns_of($type);
	$writer_sql .= "UPDATE t_$type SET (p, " . join(', ', @columns) . ') = (SELECT '
	  . join(', ', ('s.p') x (@columns + 1))
	  . " FROM t_$type s WHERE s.id = 1 + (random() * 58)::integer LIMIT 1) WHERE id = 1 + (random() * 58)::integer; COMMIT; ";
}
$writer_sql .= 'END LOOP; END $$';
my $writer = IPC::Run::start([ 'psql', '-X', '-q', '-d', $primary->connstr('postgres'), '-c', $writer_sql ],
	'>', \my $writer_out, '2>', \my $writer_err);
check_all($primary, 1, 'beside a rotation and writers');
sql_is($primary, 'postgres', "SELECT count(*) FROM cellenc.jobs WHERE state NOT IN ('waiting', 'running')", 0,
	'the rotation has not ended');
$primary->safe_psql('postgres', 'DROP TABLE stop');
$writer->finish;
is($writer_err, '', 'the writers met no error');
$blocker->query_safe('COMMIT');
$blocker->quit;
$primary->safe_psql('postgres', "CALL cellenc_wait(timeout => '2 min')");
sql_is($primary, 'postgres', 'SELECT string_agg(DISTINCT v::text, \',\') FROM ('
	  . join(' UNION ALL ', map { my $type = $_; map { "SELECT cellenc_key_version($_) AS v FROM t_$type" } columns_of($type) } keys %types)
	  . ') s', 2, 'all values are under the new versions');
check_all($primary, 1, 'after it');

#
# Row security, on a standby
#
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres',
	"SELECT cellenc_grant_key(k, 'app') FROM unnest('{a,b}'::text[]) k; GRANT SELECT ON ALL TABLES IN SCHEMA public TO app;"
	  . join '', map { "ALTER TABLE t_$_ ENABLE ROW LEVEL SECURITY; CREATE POLICY parts ON t_$_ USING (id % 3 > 0);" } keys %types);
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
check_all($standby, 1, 'standby');

# where the base's comparison is not leakproof, row security keeps it from an index
my @leakproof = split /\n/, $primary->safe_psql('postgres', "SELECT oprleft::regtype FROM pg_operator "
	  . "JOIN pg_proc p ON p.oid = oprcode WHERE oprname = '=' AND oprleft = oprright AND proleakproof AND oprnamespace = 'pg_catalog'::regnamespace");
ok(@leakproof > 5, 'some comparisons are leakproof');
my %leakproof = map { $_ => 1 } @leakproof;
my %formal = (int2 => 'smallint', int4 => 'integer', int8 => 'bigint', float4 => 'real', float8 => 'double precision', bool => 'boolean',
	time => 'time without time zone', timestamp => 'timestamp without time zone', timestamptz => 'timestamp with time zone');
$columns{$_}{serves} = 'nothing' foreach keys %columns;
check_all($standby, 1, 'row security', "SET ROLE app;\n");
foreach my $type (sort keys %types)
{
	my $expected = $leakproof{ $formal{$type} // $type } ? 't' : 'f';
	my $value = quote($types{$type}{values}[0]);

	sql_is($standby, 'postgres', "SET enable_seqscan = off; SET ROLE app; SELECT uses_index(\$q\$SELECT id FROM t_$type WHERE $_ = $value\::$type\$q\$, 'i_${type}_$_')",
		$expected, "row security, index of $type, column $_: $expected")
	  foreach grep { $columns{$_}{index} } columns_of($type);
}

$standby->stop;
$primary->stop;
done_testing();
