#
# Types.pm: the types of 046_differential.pl, their values, and what makes random
# choices of them.
#
package Differential::Types;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(shuffle);

our @EXPORT = qw(
  %types @names @common %short catalog_queries
  pick chance between some weighted
  compares ordered value unknown literal quoted
  node columns_of opened argument alike
);

# By base type: values, of which the first few are what most rows have; twin, if
# it is not of the extension's; what it is compared with besides itself (like);
# no order, no equality.
our %types = (
	text => { values => [ 'a', 'b', 'B', '', 'a ', 'hello', '42', 'x%_y', 'Ää', ' ', "it''s", '\\', '2024-02-29', 'null' ], like => 'string' },
	varchar => { twin => 'encvarchar', values => [ 'a', 'b', 'B', '', 'a ', 'hello', 'x%_y' ], like => 'string' },
	int2 => { values => [ 1, 2, 3, 0, -1, 7, 42, 100, 32767, -32768 ], like => 'number' },
	int4 => { values => [ 1, 2, 3, 0, -1, 7, 42, 100, 2147483647, -2147483648 ], like => 'number' },
	int8 => { values => [ 1, 2, 3, 0, -1, 7, 42, 100, 9000000000, '9223372036854775807' ], like => 'number' },
	numeric => { values => [qw(1 1.0 2 2.50 1.00 0 -0.1 42 0.1 NaN 1e20 100 -2.5 Infinity)], like => 'number' },
	float4 => { values => [qw(1 2 0.5 0 -0 -1 1.5 42 0.1 NaN Infinity 16777216)], like => 'number' },
	float8 => { values => [qw(1 2 0.5 0 -0 -1 1.5 42 0.1 NaN -Infinity 1e300)], like => 'number' },
	bool => { values => [qw(t f)], search => [qw(none order)] },
	date => { values => [qw(2024-02-29 2024-03-01 2000-01-01 1999-12-31 infinity -infinity 0044-03-15)], like => 'day' },
	time => { values => [qw(00:00 12:34:56 24:00 23:59:59.999999 12:00)] },
	timestamp => { values => [ '2024-02-29', '2024-02-29 12:34:56', '2000-01-01', 'infinity', '1999-12-31 23:59:59.5', '-infinity' ], like => 'day' },
	timestamptz => { values => [ '2024-02-29 00:00+00', '2024-02-29 12:34:56+02', '2000-01-01', 'infinity', '2024-02-29', '-infinity' ], like => 'day' },
	interval => { values => [ '1 day', '24:00', '1 mon', '30 days', '0', '-1 day', '1 year', '00:00:00.5', '1 mon -30 days' ] },
	uuid => { values => [ map { "00000000-0000-0000-0000-00000000000$_" } 0 .. 4 ] },
	jsonb => { values => [ '1', '1.0', '"a"', '{"a": 1}', '{"a": 1.0, "b": [1, 2]}', '[]', '{}', 'null', '[1, "a", null]', '{"b": {"c": "d"}}' ] },
	json => { twin => 'encjson', values => [ '1', '{"a":1}', '{ "a": 1.0, "b": [1, 2]}', '[]', 'null' ], unequal => 1, search => ['none'] },
	bytea => { values => [ '\x00', '\x', '\xff', '\x616263', '\x0000' ] },
	inet => { values => [qw(1.2.3.4 1.2.3.0/24 10.0.0.1 ::1 10.0.0.0/8 1.2.3.4/24)] },
	mood => { twin => 'encmood', values => [qw(sad ok happy)], own => 1, compares => 1, search => [qw(none order)] },
	timetz => { twin => 'enctimetz', values => [qw(00:00+00 12:34:56+02 12:00-05 13:00-04)] },
	macaddr => { twin => 'encmacaddr', values => [qw(08:00:2b:01:02:03 ff:ff:ff:ff:ff:ff 00:00:00:00:00:00)] },
	bpchar => { twin => 'encbpchar', values => [ 'a', 'b', 'a ', 'hello', '' ], search => [qw(none order)] },
	'text[]' => { values => [ '{a,b}', '{}', '{a}', '{NULL,b}', '{"a b",a}' ], array => 1, own => 1 },
	'int4[]' => { values => [ '{1,2}', '{}', '{1}', '{NULL,42}' ], array => 1, own => 1 },
	'numeric[]' => { values => [ '{1,2.50}', '{}', '{1.0,NULL}', '{NaN}' ], array => 1, own => 1 },
	'timestamptz[]' => { values => [ '{2024-02-29}', '{}', '{infinity,NULL}' ], array => 1, own => 1 },
	pair => { values => [ '(1,a)', '(1,)', '(,)', '(2,"b c")', '(42,hello)' ], composite => 1, own => 1 },
	word => { values => [qw(a b hello B)], domain => 'text', own => 1 },
	amount => { values => [qw(1 1.0 2.50 0)], domain => 'numeric', own => 1 });
our @names = sort keys %types;
our @common = qw(text varchar int2 int4 int8 numeric float8 bool date timestamp timestamptz jsonb uuid);

# Types of columns in the database, as the catalogs name them.
our %short = ('smallint' => 'int2', 'integer' => 'int4', 'bigint' => 'int8', 'real' => 'float4',
	'double precision' => 'float8', 'boolean' => 'bool', 'character varying' => 'varchar',
	'character' => 'bpchar', 'time without time zone' => 'time', 'time with time zone' => 'timetz',
	'timestamp without time zone' => 'timestamp', 'timestamp with time zone' => 'timestamptz');

# Does an encrypted value of this type compare with an opened or plain one?
sub compares { my ($type) = @_; return !$types{$type}{own} || $types{$type}{compares}; }

# What the server has: functions and operators over these types that depend on
# nothing but their arguments, and make nothing large.  Shifts of integers depend on
# the machine where there are fewer bits.
sub catalog_queries
{
	my $in = join ', ', map { "'$_'" } sort map { my $t = $_; my ($long) = grep { $short{$_} eq $t } keys %short; $long // $t }
	  grep { !$types{$_}{own} } @names;

	return (
		operators => "SELECT oprname, CASE WHEN oprleft = 0 THEN '' ELSE format_type(oprleft, NULL) END, format_type(oprright, NULL), "
		  . "format_type(oprresult, NULL) FROM pg_operator "
		  . "WHERE oprnamespace = 'pg_catalog'::regnamespace AND oid < 16384 AND (oprleft = 0 OR format_type(oprleft, NULL) IN ($in)) "
		  . "AND format_type(oprright, NULL) IN ($in) AND format_type(oprresult, NULL) IN ($in) AND oprname NOT IN ('^') AND NOT (oprname IN ('<<', '>>') AND oprresult IN (20, 21, 23)) ORDER BY 1, 2, 3, 4",
		functions => "SELECT proname, array_to_string(ARRAY(SELECT format_type(a, NULL) FROM unnest(proargtypes) WITH ORDINALITY u (a, n) ORDER BY n), ','), "
		  . "format_type(prorettype, NULL) FROM pg_proc "
		  . "WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 16384 AND prokind = 'f' AND provolatile <> 'v' AND NOT proretset AND pronargs BETWEEN 1 AND 3 "
		  . "AND provariadic = 0 AND format_type(prorettype, NULL) IN ($in) "
		  . "AND NOT EXISTS (SELECT FROM unnest(proargtypes) a WHERE format_type(a, NULL) NOT IN ($in)) "
		  . "AND proname !~ '^(pg_|has_|row_security|current_|set_|to_reg|binary_|lo_|xml|inet_|query_|table_|schema_|database_|ts_|_pg)' "
		  . "AND proname !~ '^int[248]sh[lr]\$' AND proname !~ '(_in|_out|recv|send|typmod|support|hash.*|_config)\$' "
		  . "AND proname !~ '^(repeat|lpad|rpad|power|pow|exp|dexp|dpow|numeric_exp|numeric_power|factorial|numeric_fac|format|convert.*|like_escape|getdatabase.*|text|name|bpchar|varchar|decode|parse_ident|unistr|to_tsvector|to_tsquery|normalize|is_normalized|timezone|make_.*|now|statement_timestamp|random|version|chr|set_bit|set_byte|get_bit|get_byte|numeric_inc|date_bin|encode|iso.*|PG_encoding.*|has.*|regexp_.*|substring|textregexsubstr|age|gcd|lcm|jsonb_path.*)\$' "
		  . "ORDER BY 1, 2, 3");
}

sub pick { return $_[ int rand @_ ]; }
sub chance { return rand() < $_[0]; }
sub between { return $_[0] + int rand($_[1] - $_[0] + 1); }
sub some { my ($n, @from) = @_; return (shuffle @from)[ 0 .. ($n < @from ? $n : scalar @from) - 1 ]; }

# One of (weight => code, ...)
sub weighted
{
	my @choices = @_;
	my ($total, $at) = (0);

	for (my $i = 0; $i < @choices; $i += 2) { $total += $choices[$i]; }
	$at = rand $total;
	for (my $i = 0; $i < @choices; $i += 2)
	{
		return $choices[ $i + 1 ] if ($at -= $choices[$i]) < 0;
	}
	return $choices[-1];
}

sub ordered { return !$types{ $_[0] }{unequal}; }

# A value's text, the usual ones more often.
sub value
{
	my ($type) = @_;
	my @values = @{ $types{$type}{values} };

	return chance(0.6) ? $values[ int rand(@values < 4 ? @values : 4) ] : pick(@values);
}

sub unknown { return "'" . value($_[0]) . "'"; }

sub literal
{
	my ($type) = @_;
	my $value = value($type);

	return $value if $type eq 'int4' && chance(0.6) && $value !~ /-/;
	return "'$value'::$type";
}

sub quoted { my ($s) = @_; $s =~ s/'/''/g; return "'$s'"; }

#
# Expressions: { s => text, t => type, e => may it be of an encrypted type }
#

sub node { my ($s, $t, $e) = @_; return { s => $s, t => $t, e => $e // 0 }; }

# Columns that an expression may name, of one of the types.
sub columns_of
{
	my ($scope, @wanted) = @_;
	my %wanted = map { $_ => 1 } @wanted;

	return grep { !@wanted || $wanted{ $_->{t} } } @$scope;
}

# The expression in its base type.
sub opened
{
	my ($x) = @_;

	return $x->{e} ? "($x->{s})::" . ($types{ $x->{t} }{domain} // $x->{t}) : $x->{s};
}

# As an argument: of types that polymorphic operators take, and of domains, opened.
sub argument
{
	my ($x) = @_;

	return $x->{e} && $types{ $x->{t} }{own} && !$types{ $x->{t} }{domain} ? opened($x) : $x->{s};
}

# Several of one type that become one: as doc/differences.md has it.
sub alike
{
	my (@list) = @_;
	my $mixed = (grep { $_->{e} } @list) && (grep { !$_->{e} } @list);

	return map { $mixed && $_->{t} !~ /^(text|int4|int8|numeric|float8|bool|date|uuid|jsonb|timestamptz)$/ ? node(opened($_), $_->{t}) : $_ } @list;
}

1;
