/*-------------------------------------------------------------------------
 *
 * twin_operand.c
 *	  Mixed arithmetic and functions that need a second conversion.
 *
 * `integer * 1.5` converts the integer to numeric.  Over an encrypted integer
 * that would be a second implicit conversion, after the opening one, and
 * PostgreSQL chains none.  More implicit casts of the encrypted type would
 * make its ordinary expressions ambiguous, and operators on it would take part
 * in ordinary `smallint * 1.5`.
 *
 * So there are types that serve as nothing but arguments.  An encrypted value
 * becomes an "operand" implicitly, and nothing else does; encrypted values and
 * those of the wider base type become a "side" likewise.  Each operator here
 * takes an operand, so no expression without an encrypted value reaches it;
 * the functions take one too, in a type category of which the base is
 * preferred.  All are inlinable and leave the base's own operator or function
 * in the plan.  Their bodies are strings, because pg_upgrade makes functions
 * before casts; so every name in them has its schema.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "twin_create.h"
#include "twin_operators.h"
#include "twin_sql.h"

PG_FUNCTION_INFO_V1(cellenc_operand_in);
PG_FUNCTION_INFO_V1(cellenc_operand_out);
PG_FUNCTION_INFO_V1(cellenc_operand_create);

typedef struct OperandType
{
	const char *name;
	const char *like;			/* its values are this type's */
	char		category;
} OperandType;

static const OperandType operand_types[] = {
	{"integer_operand", "bigint", TYPCATEGORY_NUMERIC},
	{"numeric_operand", "numeric", TYPCATEGORY_NUMERIC},
	{"float_operand", "double precision", TYPCATEGORY_NUMERIC},
	{"date_operand", "date", TYPCATEGORY_DATETIME},
	{"time_operand", "time", TYPCATEGORY_DATETIME},
	{"timestamp_operand", "timestamp", TYPCATEGORY_DATETIME},
	{"int2_operand", "smallint", TYPCATEGORY_NUMERIC},
	{"int4_operand", "integer", TYPCATEGORY_NUMERIC},
	{"int8_operand", "bigint", TYPCATEGORY_NUMERIC},
	{"timestamptz_operand", "timestamptz", TYPCATEGORY_DATETIME},
	{"numeric_side", "numeric", TYPCATEGORY_NUMERIC},
	{"float_side", "double precision", TYPCATEGORY_NUMERIC}
};

/* Which encrypted types become what. */
static const struct
{
	Oid			base;
	const char *operand;
}			operand_casts[] = {
	{INT2OID, "integer_operand"},
	{INT2OID, "int2_operand"},
	{INT4OID, "integer_operand"},
	{INT4OID, "int4_operand"},
	{INT8OID, "integer_operand"},
	{INT8OID, "int8_operand"},
	{NUMERICOID, "numeric_operand"},
	{NUMERICOID, "numeric_side"},
	{FLOAT4OID, "float_operand"},
	{FLOAT4OID, "float_side"},
	{FLOAT8OID, "float_side"},
	{DATEOID, "date_operand"},
	{TIMEOID, "time_operand"},
	{TIMESTAMPOID, "timestamp_operand"},
	{TIMESTAMPTZOID, "timestamptz_operand"}
};

/* What PostgreSQL computes a mixed pair in. */
static const struct
{
	const char *operand;
	const char *side;
	const char *type;
}			mixed_pairs[] = {
	{"integer_operand", "numeric_side", "numeric"},
	{"integer_operand", "float_side", "double precision"},
	{"numeric_operand", "float_side", "double precision"}
};

static const struct
{
	const char *name;
	const char *function;
	const char *commutator;		/* NULL: none */
	const char *negator;		/* NULL: no comparison */
	const char *selectivity;
}			mixed_operators[] = {
	{"+", "add", "+", NULL, NULL},
	{"-", "sub", NULL, NULL, NULL},
	{"*", "mul", "*", NULL, NULL},
	{"/", "div", NULL, NULL, NULL},
	{"=", "eq", "=", "<>", "eq"},
	{"<>", "ne", "<>", "=", "neq"},
	{"<", "lt", ">", ">=", "scalarlt"},
	{"<=", "le", ">=", ">", "scalarle"},
	{">", "gt", "<", "<=", "scalargt"},
	{">=", "ge", "<=", "<", "scalarge"}
};

/*
 * Operators that exist for one width, or one kind, of what the operand is:
 * what it is converted to, and the other side.  Only what leaves `other OP
 * unknown` as it is can be here: the other side has an operator with its own
 * type, or several types are possible, or the preferred one is.
 */
typedef enum OperandSides
{
	OPERAND_RIGHT,				/* other OP operand */
	OPERAND_BOTH				/* and operand OP other */
} OperandSides;

static const struct
{
	const char *name;
	const char *function;
	const char *operand;
	const char *becomes;
	const char *other;
	const char *other_becomes;
	const char *result;
	OperandSides sides;
}			single_operators[] = {
	{"*", "mul", "integer_operand", "double precision", "interval", "interval", "interval", OPERAND_BOTH},
	{"*", "mul", "numeric_operand", "double precision", "interval", "interval", "interval", OPERAND_BOTH},
	{"*", "mul", "float_operand", "double precision", "interval", "interval", "interval", OPERAND_BOTH},
	{"/", "div", "integer_operand", "double precision", "interval", "interval", "interval", OPERAND_RIGHT},
	{"/", "div", "numeric_operand", "double precision", "interval", "interval", "interval", OPERAND_RIGHT},
	{"/", "div", "float_operand", "double precision", "interval", "interval", "interval", OPERAND_RIGHT},
	{"+", "add", "int2_operand", "integer", "date", "date", "date", OPERAND_BOTH},
	{"-", "sub", "int2_operand", "integer", "date", "date", "date", OPERAND_RIGHT},
	{"-", "sub", "timestamp_operand", "timestamptz", "timestamptz", "timestamptz", "interval", OPERAND_BOTH},
	{"%", "mod", "integer_operand", "numeric", "cellenc.numeric_side", "numeric", "numeric", OPERAND_BOTH},
	{"^", "pow", "float_operand", "double precision", "double precision", "double precision", "double precision", OPERAND_BOTH},
	{"^", "pow", "float_operand", "double precision", "cellenc.integer_operand", "double precision", "double precision", OPERAND_BOTH},
	{"^", "pow", "float_operand", "double precision", "cellenc.float_operand", "double precision", "double precision", OPERAND_RIGHT}
};

/* Functions of double precision, which integers and real are converted to. */
static const char *const float_functions[] = {
	"sign", "round", "ceil", "ceiling", "floor", "trunc", "sqrt", "cbrt", "exp", "ln", "log", "log10",
	"degrees", "radians", "sin", "cos", "tan", "asin", "acos", "atan"
};

/*
 * The others: name, arguments, result and body.  None with a namesake that
 * takes no preferred type: between the two, unknowns could not decide.
 */
static const struct
{
	const char *name;
	const char *args;
	const char *result;
	const char *body;
}			other_functions[] = {
	{"to_timestamp", "cellenc.integer_operand", "timestamptz", "pg_catalog.to_timestamp($1::bigint::double precision)"},
	{"date_trunc", "text, cellenc.date_operand", "timestamptz", "pg_catalog.date_trunc($1, $2::pg_catalog.date::timestamp with time zone)"},
	{"date_trunc", "text, cellenc.time_operand", "interval", "pg_catalog.date_trunc($1, $2::time::interval)"},
	{"to_char", "cellenc.date_operand, text", "text", "pg_catalog.to_char($1::pg_catalog.date::timestamp with time zone, $2)"},
	{"to_char", "cellenc.time_operand, text", "text", "pg_catalog.to_char($1::time::interval, $2)"},
	{"timezone", "text, cellenc.date_operand", "timestamp", "pg_catalog.timezone($1, $2::pg_catalog.date::timestamp with time zone)"},
	{"timezone", "interval, cellenc.date_operand", "timestamp", "pg_catalog.timezone($1, $2::pg_catalog.date::timestamp with time zone)"},
	{"timezone", "text, cellenc.time_operand", "timetz", "pg_catalog.timezone($1, $2::time::time with time zone)"},
	{"timezone", "interval, cellenc.time_operand", "timetz", "pg_catalog.timezone($1, $2::time::time with time zone)"},
	{"age", "cellenc.date_operand", "interval", "pg_catalog.age($1::pg_catalog.date::timestamp with time zone)"},
	{"age", "cellenc.date_operand, cellenc.date_operand", "interval",
	"pg_catalog.age($1::pg_catalog.date::timestamp with time zone, $2::pg_catalog.date::timestamp with time zone)"},
	{"age", "cellenc.date_operand, timestamptz", "interval", "pg_catalog.age($1::pg_catalog.date::timestamp with time zone, $2)"},
	{"age", "timestamptz, cellenc.date_operand", "interval", "pg_catalog.age($1, $2::pg_catalog.date::timestamp with time zone)"},
	{"age", "cellenc.date_operand, timestamp", "interval", "pg_catalog.age($1::pg_catalog.date::timestamp, $2)"},
	{"age", "timestamp, cellenc.date_operand", "interval", "pg_catalog.age($1, $2::pg_catalog.date::timestamp)"}
};

/* Values of these types are never read or shown. */
static Datum
refuse_value(FunctionCallInfo fcinfo)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("types of arguments of encrypted types have no values of their own"),
			 errhint("Cast to the type that is meant.")));
	PG_RETURN_NULL();
}

Datum
cellenc_operand_in(PG_FUNCTION_ARGS)
{
	return refuse_value(fcinfo);
}

Datum
cellenc_operand_out(PG_FUNCTION_ARGS)
{
	return refuse_value(fcinfo);
}

/* The representation of an operand or side. */
static const char *
like_of(const char *name)
{
	for (int i = 0; i < (int) lengthof(operand_types); i++)
	{
		if (strcmp(operand_types[i].name, name) == 0)
			return operand_types[i].like;
	}
	elog(ERROR, "unknown operand type %s", name);
	return NULL;
}

static void
create_types(void)
{
	for (int i = 0; i < (int) lengthof(operand_types); i++)
	{
		const OperandType *type = &operand_types[i];

		run("CREATE TYPE cellenc.%s", type->name);
		run("CREATE FUNCTION cellenc.%s_in(cstring) RETURNS cellenc.%s AS '$libdir/cellenc', 'cellenc_operand_in' "
			"LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE", type->name, type->name);
		run("CREATE FUNCTION cellenc.%s_out(cellenc.%s) RETURNS cstring AS '$libdir/cellenc', 'cellenc_operand_out' "
			"LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE", type->name, type->name);
		run("CREATE TYPE cellenc.%s (INPUT = cellenc.%s_in, OUTPUT = cellenc.%s_out, LIKE = %s, CATEGORY = '%c')",
			type->name, type->name, type->name, type->like, type->category);
		run("CREATE CAST (cellenc.%s AS %s) WITHOUT FUNCTION", type->name, type->like);
	}
	run("CREATE CAST (numeric AS cellenc.numeric_side) WITHOUT FUNCTION AS IMPLICIT");
	run("CREATE CAST (double precision AS cellenc.float_side) WITHOUT FUNCTION AS IMPLICIT");

	/*
	 * Not float8(real) itself: pg_upgrade does not know that it needs the
	 * cast above.
	 */
	run("CREATE FUNCTION cellenc.to_side(real) RETURNS cellenc.float_side LANGUAGE sql IMMUTABLE STRICT "
		"PARALLEL SAFE AS 'SELECT $1::double precision::cellenc.float_side'");
	run("CREATE CAST (real AS cellenc.float_side) WITH FUNCTION cellenc.to_side(real) AS IMPLICIT");
}

static void
create_mixed(const char *left, const char *right, const char *type)
{
	for (int i = 0; i < (int) lengthof(mixed_operators); i++)
	{
		const char *name = mixed_operators[i].name;
		const char *negator = mixed_operators[i].negator;
		const char *commutator = mixed_operators[i].commutator;

		run("CREATE FUNCTION cellenc.%s(cellenc.%s, cellenc.%s) RETURNS %s LANGUAGE sql STABLE PARALLEL SAFE "
			"AS 'SELECT $1::%s::%s OPERATOR(pg_catalog.%s) $2::%s::%s'",
			mixed_operators[i].function, left, right, negator ? "boolean" : type,
			like_of(left), type, name, like_of(right), type);
		run("CREATE OPERATOR pg_catalog.%s (FUNCTION = cellenc.%s, LEFTARG = cellenc.%s, RIGHTARG = cellenc.%s%s%s%s%s%s%s)",
			name, mixed_operators[i].function, left, right,
			commutator ? ", COMMUTATOR = " : "", commutator ? commutator : "",
			negator ? ", NEGATOR = " : "", negator ? negator : "",
			negator ? psprintf(", RESTRICT = %ssel", mixed_operators[i].selectivity) : "",
			negator ? psprintf(", JOIN = %sjoinsel", mixed_operators[i].selectivity) : "");
	}
}

static bool
is_operand(const char *type)
{
	return strncmp(type, "cellenc.", strlen("cellenc.")) == 0;
}

/* Conversion of an argument to what PostgreSQL computes in. */
static const char *
converted(const char *argument, const char *from, const char *type)
{
	if (is_operand(from))
		return psprintf("%s::%s::%s", argument, like_of(from + strlen("cellenc.")), type);
	return psprintf("%s::%s", argument, type);
}

/* function(left, right) and, unless operator is NULL, the operator that is the same. */
static void
create_binary(const char *function, const char *operator, const char *left, const char *right,
			  const char *type)
{
	run("CREATE FUNCTION pg_catalog.%s(%s, %s) RETURNS %s LANGUAGE sql STABLE PARALLEL SAFE "
		"AS 'SELECT pg_catalog.%s(%s, %s)'",
		function, left, right, type, function,
		converted("$1", left, type), converted("$2", right, type));
	if (operator)
		run("CREATE OPERATOR pg_catalog.%s (FUNCTION = pg_catalog.%s, LEFTARG = %s, RIGHTARG = %s)",
			operator, function, left, right);
}

static void
create_binary_both_ways(const char *function, const char *operator, const char *left,
						const char *right, const char *type)
{
	create_binary(function, operator, left, right, type);
	create_binary(function, operator, right, left, type);
}

/* Powers are not computed in integers. */
static void
create_powers(void)
{
	const char *integer = "cellenc.integer_operand";

	/* double precision itself: an unknown beside an integer becomes that */
	create_binary_both_ways("power", "^", integer, "double precision", "double precision");
	create_binary_both_ways("power", "^", integer, "numeric", "numeric");
	create_binary("power", "^", integer, integer, "double precision");
	create_binary_both_ways("power", "^", "cellenc.numeric_operand", "cellenc.float_side", "double precision");
}

/* Modulo and the operators on bits exist for integers of one width only. */
static void
create_integer_operators(void)
{
	static const struct
	{
		const char *operand;
		const char *other;
	}			pairs[] = {
		{"cellenc.int2_operand", "integer"},
		{"cellenc.int2_operand", "bigint"},
		{"cellenc.int4_operand", "bigint"}
	};
	static const char *const names[] = {"%", "&", "|", "#"};
	static const char *const functions[] = {"mod", "bitand", "bitor", "bitxor"};

	for (int i = 0; i < (int) lengthof(pairs); i++)
	{
		const char *other = pairs[i].other;

		create_binary_both_ways("mod", NULL, pairs[i].operand, other, other);
		for (int j = 0; j < (int) lengthof(names); j++)
		{
			for (int swap = 0; swap < 2; swap++)
			{
				const char *left = swap ? other : pairs[i].operand;
				const char *right = swap ? pairs[i].operand : other;

				run("CREATE FUNCTION cellenc.%s(%s, %s) RETURNS %s LANGUAGE sql STABLE PARALLEL SAFE "
					"AS 'SELECT %s OPERATOR(pg_catalog.%s) %s'", functions[j], left, right, other,
					converted("$1", left, other), names[j], converted("$2", right, other));
				run("CREATE OPERATOR pg_catalog.%s (FUNCTION = cellenc.%s, LEFTARG = %s, RIGHTARG = %s)",
					names[j], functions[j], left, right);
			}
		}
	}
}

static void
create_single(int i, bool swap)
{
	const char *operand = psprintf("cellenc.%s", single_operators[i].operand);
	const char *other = single_operators[i].other;
	const char *left = swap ? operand : other;
	const char *right = swap ? other : operand;

	run("CREATE FUNCTION cellenc.%s(%s, %s) RETURNS %s LANGUAGE sql STABLE PARALLEL SAFE "
		"AS 'SELECT %s OPERATOR(pg_catalog.%s) %s'",
		single_operators[i].function, left, right, single_operators[i].result,
		converted("$1", left, swap ? single_operators[i].becomes : single_operators[i].other_becomes),
		single_operators[i].name,
		converted("$2", right, swap ? single_operators[i].other_becomes : single_operators[i].becomes));
	run("CREATE OPERATOR pg_catalog.%s (FUNCTION = cellenc.%s, LEFTARG = %s, RIGHTARG = %s)",
		single_operators[i].name, single_operators[i].function, left, right);
}

static void
create_single_operators(void)
{
	for (int i = 0; i < (int) lengthof(single_operators); i++)
	{
		create_single(i, false);
		if (single_operators[i].sides == OPERAND_BOTH)
			create_single(i, true);
	}
}

/*
 * `date <@ daterange` demands, as polymorphic operators do, that the element's
 * type be the range's.  The range's side is polymorphic here, too: an unknown
 * beside an ordinary range would become an operand of this very range's.
 */
static void
create_range_operators(void)
{
	static const char *const elements[] = {
		"int4_operand", "int8_operand", "numeric_operand", "date_operand", "timestamp_operand", "timestamptz_operand"
	};
	static const char *const ranges[] = {"anyrange", "anymultirange"};

	for (int i = 0; i < (int) lengthof(elements); i++)
	{
		for (int j = 0; j < (int) lengthof(ranges); j++)
		{
			run("CREATE FUNCTION cellenc.contained(cellenc.%s, %s) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE "
				"AS 'SELECT $1::%s OPERATOR(pg_catalog.<@) $2'", elements[i], ranges[j], like_of(elements[i]));
			run("CREATE FUNCTION cellenc.contains(%s, cellenc.%s) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE "
				"AS 'SELECT $1 OPERATOR(pg_catalog.@>) $2::%s'", ranges[j], elements[i], like_of(elements[i]));
			run("CREATE OPERATOR pg_catalog.<@ (FUNCTION = cellenc.contained, LEFTARG = cellenc.%s, RIGHTARG = %s)",
				elements[i], ranges[j]);
			run("CREATE OPERATOR pg_catalog.@> (FUNCTION = cellenc.contains, LEFTARG = %s, RIGHTARG = cellenc.%s)",
				ranges[j], elements[i]);
		}
	}
}

static void
create_functions(void)
{
	for (int i = 0; i < (int) lengthof(float_functions); i++)
	{
		run("CREATE FUNCTION pg_catalog.%s(cellenc.integer_operand) RETURNS double precision "
			"LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT pg_catalog.%s($1::bigint::double precision)'",
			float_functions[i], float_functions[i]);
		run("CREATE FUNCTION pg_catalog.%s(cellenc.float_operand) RETURNS double precision "
			"LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT pg_catalog.%s($1::double precision)'",
			float_functions[i], float_functions[i]);
	}
	for (int i = 0; i < (int) lengthof(other_functions); i++)
		run("CREATE FUNCTION pg_catalog.%s(%s) RETURNS %s LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT %s'",
			other_functions[i].name, other_functions[i].args, other_functions[i].result,
			other_functions[i].body);
}

/* All of it; called once, by the extension's script. */
Datum
cellenc_operand_create(PG_FUNCTION_ARGS)
{
	static const char *const moments[] = {"timestamp", "timestamp with time zone"};

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to the SPI manager");
	create_types();
	for (int i = 0; i < (int) lengthof(mixed_pairs); i++)
	{
		create_mixed(mixed_pairs[i].operand, mixed_pairs[i].side, mixed_pairs[i].type);
		create_mixed(mixed_pairs[i].side, mixed_pairs[i].operand, mixed_pairs[i].type);
	}
	create_powers();
	create_integer_operators();
	create_single_operators();
	create_range_operators();
	create_functions();
	for (int i = 0; i < (int) lengthof(moments); i++)
	{
		run("CREATE FUNCTION cellenc.sub(%s, cellenc.date_operand) RETURNS interval LANGUAGE sql STABLE PARALLEL SAFE "
			"AS 'SELECT $1 OPERATOR(pg_catalog.-) $2::pg_catalog.date::%s'", moments[i], moments[i]);
		run("CREATE OPERATOR pg_catalog.- (FUNCTION = cellenc.sub, LEFTARG = %s, RIGHTARG = cellenc.date_operand)",
			moments[i]);
		run("CREATE FUNCTION cellenc.sub(cellenc.date_operand, %s) RETURNS interval LANGUAGE sql STABLE PARALLEL SAFE "
			"AS 'SELECT $1::pg_catalog.date::%s OPERATOR(pg_catalog.-) $2'", moments[i], moments[i]);
		run("CREATE OPERATOR pg_catalog.- (FUNCTION = cellenc.sub, LEFTARG = cellenc.date_operand, RIGHTARG = %s)",
			moments[i]);
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from the SPI manager");
	PG_RETURN_VOID();
}

void
cellenc_twin_create_operands(const NewTwin *twin)
{
	for (int i = 0; i < (int) lengthof(operand_casts); i++)
	{
		const char *operand = operand_casts[i].operand;

		if (operand_casts[i].base != twin->base)
			continue;
		run("CREATE FUNCTION cellenc.cellenc_to_%s(%s) RETURNS cellenc.%s AS '$libdir/cellenc', 'cellenc_twin_open_to' "
			"LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d",
			operand, twin->name, operand, CELLENC_FUNCTION_COST);
		run("CREATE CAST (%s AS cellenc.%s) WITH FUNCTION cellenc.cellenc_to_%s(%s) AS IMPLICIT",
			twin->name, operand, operand, twin->name);
	}
}
