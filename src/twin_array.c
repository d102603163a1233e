/*-------------------------------------------------------------------------
 *
 * twin_array.c
 *	  Operators of whole arrays of encrypted values.
 *
 * `text[] @> text[]` is one of PostgreSQL's polymorphic operators, which want
 * both arrays to be of one type, so it does not take `enctext[] @> text[]`.  An
 * operator declared over these types would take part in ordinary expressions:
 * what becomes an encrypted type implicitly does so in arrays, too, and
 * `varchar[] @> varchar[]` would be ambiguous.
 *
 * So there is a type for it that serves as nothing but an argument, as those of
 * twin_operand.c: an array of encrypted values becomes one implicitly, by being
 * opened, and nothing else does.  It is the preferred one of the arrays, or
 * two arrays of encrypted values would be compared in two ways alike.  That
 * makes it also what an unknown literal or parameter beside such an array
 * becomes, so it reads and writes as the base's array; clients are told of that.
 *
 * And there is a second one, a "side", that the base's array alone becomes: an
 * operator with the base's array itself would be the best for an unknown
 * beside an ordinary one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "twin.h"
#include "twin_array.h"
#include "twin_create.h"
#include "twin_sql.h"

PG_FUNCTION_INFO_V1(cellenc_array_in);
PG_FUNCTION_INFO_V1(cellenc_array_out);
PG_FUNCTION_INFO_V1(cellenc_array_recv);
PG_FUNCTION_INFO_V1(cellenc_array_send);
PG_FUNCTION_INFO_V1(cellenc_array_same);

#define IN_SYMBOL "cellenc_array_in"

static const struct
{
	const char *name;
	const char *function;
	const char *commutator;
	const char *negator;		/* NULL: none */
	const char *selectivity;	/* "sel" and "joinsel" are appended */
	int			strategy;		/* of btree; 0: none */
}			array_operators[] = {
	{"<", "array_lt", ">", ">=", "scalarlt", BTLessStrategyNumber},
	{"<=", "array_le", ">=", ">", "scalarle", BTLessEqualStrategyNumber},
	{"=", "array_eq", "=", "<>", "eq", BTEqualStrategyNumber},
	{">=", "array_ge", "<=", "<", "scalarge", BTGreaterEqualStrategyNumber},
	{">", "array_gt", "<", "<=", "scalargt", BTGreaterStrategyNumber},
	{"<>", "array_ne", "<>", "=", "neq", 0},
	{"@>", "array_contains", "<@", NULL, "arraycont", 0},
	{"<@", "array_contained", "@>", NULL, "arraycont", 0},
	{"&&", "array_overlaps", "&&", NULL, "arraycont", 0}
};

/* What the input and output functions keep in fn_extra. */
typedef struct ArrayIO
{
	Oid			element;
	FmgrInfo	function;		/* of all arrays */
} ArrayIO;

Oid
cellenc_array_operand_base(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			input;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	input = ((Form_pg_type) GETSTRUCT(tuple))->typinput;
	ReleaseSysCache(tuple);
	return cellenc_twin_runs_symbol(input, IN_SYMBOL) ? cellenc_twin_only_cast(type) : InvalidOid;
}

Node *
cellenc_array_operand_source(Node *expr)
{
	FuncExpr   *func = (FuncExpr *) expr;
	Node	   *arg;

	if (!IsA(expr, FuncExpr) || func->funcid < FirstNormalObjectId ||
		list_length(func->args) != 1 || !OidIsValid(cellenc_array_operand_base(func->funcresulttype)))
		return NULL;
	arg = linitial(func->args);
	return cellenc_twin_is(get_element_type(exprType(arg))) ? arg : NULL;
}

/* type: the one that the called function reads or writes. */
static ArrayIO *
array_io(FmgrInfo *flinfo, Oid type, Oid function)
{
	ArrayIO    *io = flinfo->fn_extra;

	if (!io)
	{
		io = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(ArrayIO));
		io->element = get_element_type(cellenc_array_operand_base(type));
		if (!OidIsValid(io->element))
			elog(ERROR, "type %u stands for no array", type);
		fmgr_info_cxt(function, &io->function, flinfo->fn_mcxt);
		flinfo->fn_extra = io;
	}
	return io;
}

static Oid
result_type(FmgrInfo *flinfo)
{
	return flinfo->fn_extra ? InvalidOid : get_func_rettype(flinfo->fn_oid);
}

static Oid
argument_type(FmgrInfo *flinfo)
{
	Oid		   *types;
	int			ntypes;

	if (flinfo->fn_extra)
		return InvalidOid;
	(void) get_func_signature(flinfo->fn_oid, &types, &ntypes);
	return types[0];
}

Datum
cellenc_array_in(PG_FUNCTION_ARGS)
{
	ArrayIO    *io = array_io(fcinfo->flinfo, result_type(fcinfo->flinfo), F_ARRAY_IN);
	Datum		result;

	if (!InputFunctionCallSafe(&io->function, PG_GETARG_CSTRING(0), io->element, -1, fcinfo->context, &result))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

Datum
cellenc_array_out(PG_FUNCTION_ARGS)
{
	ArrayIO    *io = array_io(fcinfo->flinfo, argument_type(fcinfo->flinfo), F_ARRAY_OUT);

	PG_RETURN_CSTRING(OutputFunctionCall(&io->function, PG_GETARG_DATUM(0)));
}

Datum
cellenc_array_recv(PG_FUNCTION_ARGS)
{
	ArrayIO    *io = array_io(fcinfo->flinfo, result_type(fcinfo->flinfo), F_ARRAY_RECV);

	PG_RETURN_DATUM(ReceiveFunctionCall(&io->function, (StringInfo) PG_GETARG_POINTER(0), io->element, -1));
}

Datum
cellenc_array_send(PG_FUNCTION_ARGS)
{
	ArrayIO    *io = array_io(fcinfo->flinfo, argument_type(fcinfo->flinfo), F_ARRAY_SEND);

	PG_RETURN_BYTEA_P(SendFunctionCall(&io->function, PG_GETARG_DATUM(0)));
}

/* The cast between it and the base's array: PostgreSQL has none without a function. */
Datum
cellenc_array_same(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

static void
create_array_type(const NewTwin *twin, const char *type, const char *name, const char *base)
{
	static const struct
	{
		const char *argument;	/* NULL: the type itself */
		const char *result;
		const char *name;
	}			functions[] = {
		{"cstring", NULL, "in"},
		{NULL, "cstring", "out"},
		{"internal", NULL, "recv"},
		{NULL, "bytea", "send"}
	};

	run("CREATE TYPE %s", type);
	for (int i = 0; i < (int) lengthof(functions); i++)
		run("CREATE FUNCTION cellenc.%s(%s) RETURNS %s AS '$libdir/cellenc', 'cellenc_array_%s' "
			"LANGUAGE c STABLE STRICT PARALLEL SAFE",
			quote_identifier(psprintf("%s_%s", name, functions[i].name)),
			functions[i].argument ? functions[i].argument : type,
			functions[i].result ? functions[i].result : type,
			functions[i].name);
	run("CREATE TYPE %s (INPUT = cellenc.%s, OUTPUT = cellenc.%s, RECEIVE = cellenc.%s, SEND = cellenc.%s, "
		"LIKE = %s, CATEGORY = 'A', PREFERRED = true, COLLATABLE = %s)", type,
		quote_identifier(psprintf("%s_in", name)), quote_identifier(psprintf("%s_out", name)),
		quote_identifier(psprintf("%s_recv", name)), quote_identifier(psprintf("%s_send", name)), base,
		OidIsValid(get_typcollation(twin->base)) ? "true" : "false");

	run("CREATE FUNCTION cellenc.array_same(%s) RETURNS %s AS '$libdir/cellenc', 'cellenc_array_same' "
		"LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF", type, base);
	run("CREATE CAST (%s AS %s) WITH FUNCTION cellenc.array_same(%s)", type, base, type);

	/* assignment: so parameters are given, and no expression takes it */
	run("CREATE FUNCTION cellenc.%s(%s) RETURNS %s AS '$libdir/cellenc', 'cellenc_array_same' "
		"LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF", quote_identifier(name), base, type);
	run("CREATE CAST (%s AS %s) WITH FUNCTION cellenc.%s(%s) AS ASSIGNMENT",
		base, type, quote_identifier(name), base);

	/* a string, as all bodies here: pg_upgrade makes functions before casts */
	run("CREATE FUNCTION cellenc.%s(%s[]) RETURNS %s LANGUAGE sql STABLE STRICT PARALLEL SAFE AS %s",
		quote_identifier(name), twin->name, type,
		quote_literal_cstr(psprintf("SELECT cellenc.%s($1::%s)", quote_identifier(name), base)));
	run("CREATE CAST (%s[] AS %s) WITH FUNCTION cellenc.%s(%s[]) AS IMPLICIT",
		twin->name, type, quote_identifier(name), twin->name);
}

static void
create_side_type(const char *side, const char *name, const char *base, bool collatable)
{
	const char *input = quote_identifier(psprintf("%s_in", name));
	const char *output = quote_identifier(psprintf("%s_out", name));

	run("CREATE TYPE %s", side);
	run("CREATE FUNCTION cellenc.%s(cstring) RETURNS %s AS '$libdir/cellenc', 'cellenc_operand_in' "
		"LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE", input, side);
	run("CREATE FUNCTION cellenc.%s(%s) RETURNS cstring AS '$libdir/cellenc', 'cellenc_operand_out' "
		"LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE", output, side);
	run("CREATE TYPE %s (INPUT = cellenc.%s, OUTPUT = cellenc.%s, LIKE = %s, CATEGORY = 'A', COLLATABLE = %s)",
		side, input, output, base, collatable ? "true" : "false");
	run("CREATE FUNCTION cellenc.%s(%s) RETURNS %s AS '$libdir/cellenc', 'cellenc_array_same' "
		"LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF", quote_identifier(name), base, side);
	run("CREATE CAST (%s AS %s) WITH FUNCTION cellenc.%s(%s) AS IMPLICIT",
		base, side, quote_identifier(name), base);
	run("CREATE FUNCTION cellenc.array_same(%s) RETURNS %s AS '$libdir/cellenc', 'cellenc_array_same' "
		"LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF", side, base);
	run("CREATE CAST (%s AS %s) WITH FUNCTION cellenc.array_same(%s)", side, base, side);
}

/* The operators of one pair of types. */
static void
create_operators_of(const NewTwin *twin, const char *left, const char *right, const char *base)
{
	const char *schema = cellenc_twin_visible_schema(twin);
	bool		ordered = OidIsValid(twin->cache->cmp_proc);
	StringInfoData members;

	initStringInfo(&members);
	for (int i = 0; i < (int) lengthof(array_operators); i++)
	{
		const char *name = array_operators[i].name;
		const char *negator = array_operators[i].negator;
		int			strategy = array_operators[i].strategy;

		if (!ordered && strategy != 0 && strategy != BTEqualStrategyNumber)
			continue;
		run("CREATE FUNCTION cellenc.%s(%s, %s) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS %s",
			array_operators[i].function, left, right,
			quote_literal_cstr(psprintf("SELECT $1::%s OPERATOR(pg_catalog.%s) $2::%s", base, name, base)));
		run("CREATE OPERATOR %s.%s (FUNCTION = cellenc.%s, LEFTARG = %s, RIGHTARG = %s, "
			"COMMUTATOR = OPERATOR(%s.%s), RESTRICT = %ssel, JOIN = %sjoinsel%s)",
			schema, name, array_operators[i].function, left, right,
			schema, array_operators[i].commutator,
			array_operators[i].selectivity, array_operators[i].selectivity,
			negator ? psprintf(", NEGATOR = OPERATOR(%s.%s)", schema, negator) : "");
		if (strategy != 0)
			appendStringInfo(&members, "OPERATOR %d %s.%s (%s, %s), ", strategy, schema, name, left, right);
	}
	if (!ordered)
		return;
	appendStringInfo(&members, "FUNCTION 1 (%s, %s) pg_catalog.btarraycmp(anyarray, anyarray)", left, right);
	cellenc_twin_add_row_members(twin, members.data);
}

static void
create_array_operators(const NewTwin *twin, const char *type, const char *side, const char *base)
{
	create_operators_of(twin, type, side, base);
	create_operators_of(twin, side, type, base);
	create_operators_of(twin, type, type, base);
}

/* A type of this file's goes when the encrypted type does. */
static void
bind_to_twin(const char *name, Oid twin)
{
	ObjectAddress made;
	ObjectAddress by;

	ObjectAddressSet(made, TypeRelationId,
					 GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
									 ObjectIdGetDatum(get_namespace_oid("cellenc", false))));
	ObjectAddressSet(by, TypeRelationId, twin);
	recordDependencyOn(&made, &by, DEPENDENCY_NORMAL);
}

void
cellenc_twin_create_array(const NewTwin *twin, const char *tag)
{
	Oid			array = get_array_type(twin->base);
	char	   *name = psprintf("%s_array", tag);
	char	   *type = psprintf("cellenc.%s", quote_identifier(name));
	char	   *side_name = psprintf("%s_array_side", tag);
	char	   *side = psprintf("cellenc.%s", quote_identifier(side_name));
	char	   *base;

	/* without `=`, arrays have none of these */
	if (!OidIsValid(array) || !OidIsValid(twin->cache->eq_opr))
		return;
	base = format_type_extended(array, -1, FORMAT_TYPE_FORCE_QUALIFY);
	create_array_type(twin, type, name, base);
	create_side_type(side, side_name, base, OidIsValid(get_typcollation(twin->base)));
	create_array_operators(twin, type, side, base);
	bind_to_twin(name, twin->type);
	bind_to_twin(side_name, twin->type);
}
