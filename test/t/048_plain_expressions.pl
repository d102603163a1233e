#
# Ordinary expressions mean what they mean without the extension: no operator or
# function of an encrypted type takes part in them, not even where the type of
# an operand is not known yet.  Every operator is resolved with every type, and
# every function that the extension has overloaded, in a database with it and in
# one without.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main');
my @databases = qw(without encrypted);

my $types = q{
	CREATE TYPE mood AS ENUM ('sad', 'happy');
	CREATE TYPE pair AS (a integer, b text);
	CREATE DOMAIN amount AS integer;
};

# What a text of SQL resolves to: the types of its parameters and of its result,
# or the SQLSTATE.  $1 and $2 are for PREPARE, NULL stands for them otherwise.
my $resolve = q{
	CREATE FUNCTION resolved(expression text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		EXECUTE 'PREPARE it AS SELECT ' || expression;
		SELECT parameter_types::text INTO result FROM pg_prepared_statements;
		DEALLOCATE it;
		RETURN result || ' ' || result_of(regexp_replace(expression, '\$[12]', 'NULL', 'g'));
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$;
	CREATE FUNCTION result_of(expression text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		EXECUTE format('SELECT pg_typeof(%s)', expression) INTO result;
		RETURN result;
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$;
	-- those that an encrypted type is for, and others that have operators of their own
	CREATE VIEW types AS SELECT unnest(string_to_array('text varchar bpchar name int2 int4 int8 numeric float4 float8 bool '
		|| 'date time timetz timestamp timestamptz interval uuid json jsonb bytea inet cidr macaddr oid money point bit varbit tsvector '
		|| 'int4range int8range numrange daterange tsrange tstzrange int4multirange datemultirange '
		|| 'text[] int4[] numeric[] date[] mood mood[] pair amount', ' ')) AS type;
	CREATE VIEW names AS SELECT DISTINCT oprname AS name FROM pg_operator WHERE oprkind = 'b' AND oid < 16384;
};

foreach my $database (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION cellenc') if $database eq 'encrypted';
	$node->safe_psql($database, $types . $resolve);
}
$node->safe_psql('encrypted', "SELECT cellenc_create_type('enc_' || base, base::regtype) FROM unnest('{mood,pair,varchar,int4range,timetz,money}'::text[]) base");

# Both databases' answers to a query of expressions; they are to be the same.
sub same
{
	my ($what, $query) = @_;
	my ($without, $with) = map {
		my $database = $_;
		my %answers = map { split /\t/, $_, 2 }
		  split /\n/, $node->safe_psql($database, "SELECT e || E'\\t' || resolved(e) FROM ($query) q (e)");
		\%answers
	} @databases;
	my @differ = grep { ($with->{$_} // '') ne $without->{$_} } sort keys %$without;

	cmp_ok(scalar(grep { /\{/ } values %$without), '>', 100, "$what: there are such expressions");
	is(join("\n", map { "$_: $without->{$_}, with the extension $with->{$_}" } @differ), '', "$what: all mean the same");
}

same('an operator beside an unknown', q{
	SELECT format(pattern, type, name) FROM types, names,
		unnest(ARRAY['NULL::%s %s $1', '$1 %2$s NULL::%1$s', 'NULL::%s %s ANY ($1)', '$1 %2$s ANY (ARRAY[NULL::%1$s])']) pattern});
same('an operator between two types', q{
	SELECT format('NULL::%s %s NULL::%s', a.type, name, b.type) FROM types a, types b, names
	WHERE name IN ('=', '<', '+', '-', '*', '/', '||', '@>', '<@', '&&')});

my $functions = join ', ', map { "'$_'" } split /\n/, $node->safe_psql('encrypted', q{
	SELECT DISTINCT proname FROM pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace AND oid >= 16384
		AND EXISTS (SELECT FROM pg_proc q WHERE q.proname = p.proname AND q.pronamespace = p.pronamespace AND q.oid < 16384)});
like($functions, qr/'round'/, 'the extension overloads functions');
# Without arguments, these cannot be named; doc/differences.md lists them
is($node->safe_psql('encrypted', q{
	SELECT string_agg(name, ' ' ORDER BY name COLLATE "C") FROM (SELECT proname::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
		GROUP BY proname HAVING count(*) > 1 AND count(*) FILTER (WHERE oid < 16384) = 1) p (name)}),
	'acos asin atan cbrt cos degrees radians sin tan', 'functions whose names alone were unique');
same('a function', qq{
	SELECT format('%s(%s)', f, a) FROM unnest(ARRAY[$functions]) f, (SELECT '\$1' UNION ALL SELECT 'NULL::' || type FROM types) t (a)
	UNION ALL SELECT format('%s(%s, %s)', f, a, b) FROM unnest(ARRAY[$functions]) f,
		(SELECT '\$1' UNION ALL SELECT 'NULL::' || type FROM types) t (a), (SELECT '\$2' UNION ALL SELECT 'NULL::' || type FROM types) u (b)
	WHERE a || b ~ '1|2'});

$node->stop;
done_testing();
