/*-------------------------------------------------------------------------
 *
 * twin_operators.c
 *	  The operators and operator classes of an encrypted type.
 *
 * Each twin has, in schema cellenc, for whatever its base's own types can do:
 *
 *	T_ops		default btree, ordered as the base is
 *	T_ops		default hash, a keyed hash that goes by the term
 *	T_term_ops	btree, ordered by the term: it reveals equality alone
 *
 * All three have the same `=`, so a condition on it finds whichever index
 * there is, and their families are complete: every pair of their types has its
 * members.  Pairs without the twin are needed too, because an array of keys is
 * sorted, and the other side of a join is hashed, by the family's own rules.
 * The base's operators cannot be those members: an operator in one more family
 * belongs to other equivalence classes, and plans without any twin would change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "term.h"
#include "twin.h"
#include "twin_operators.h"
#include "twin_sql.h"

typedef struct TwinOperator
{
	const char *name;
	const char *function;		/* and the C symbol cellenc_twin_ + this */
	const char *commutator;
	const char *negator;
	const char *selectivity;	/* "sel" and "joinsel" are appended */
	int			strategy;		/* of btree; 0: in no operator class */
	bool		by_term;		/* its order is that of the terms */
} TwinOperator;

static const TwinOperator operators[] = {
	{"<", "lt", ">", ">=", "scalarlt", BTLessStrategyNumber, false},
	{"<=", "le", ">=", ">", "scalarle", BTLessEqualStrategyNumber, false},
	{"=", "eq", "=", "<>", "eq", BTEqualStrategyNumber, false},
	{">=", "ge", "<=", "<", "scalarge", BTGreaterEqualStrategyNumber, false},
	{">", "gt", "<", "<=", "scalargt", BTGreaterStrategyNumber, false},
	{"<>", "ne", "<>", "=", "neq", 0, false},
	{"~<~", "term_lt", "~>~", "~>=~", "scalarlt", BTLessStrategyNumber, true},
	{"~<=~", "term_le", "~>=~", "~>~", "scalarle", BTLessEqualStrategyNumber, true},
	{"~>=~", "term_ge", "~<=~", "~<~", "scalarge", BTGreaterEqualStrategyNumber, true},
	{"~>~", "term_gt", "~<~", "~<=~", "scalargt", BTGreaterStrategyNumber, true}
};

/*
 * What the operators take: the twin, its base, and the base's siblings, which
 * the base compares with in its own operator family.  So a client that declares
 * a parameter as bigint gets an index scan on an encint4, as on an integer.
 */
typedef struct Operand
{
	char	   *name;			/* quoted and qualified */
	Oid			type;
	Oid			base;			/* the type itself, unless it is the twin */
} Operand;

#define MAX_OPERANDS 4

static const Oid siblings[][MAX_OPERANDS - 1] = {
	{INT2OID, INT4OID, INT8OID},
	{FLOAT4OID, FLOAT8OID, InvalidOid},
	{DATEOID, TIMESTAMPOID, TIMESTAMPTZOID}
};

typedef struct OperatorPlan
{
	const char *plain_name;		/* of the twin */
	const char *schema;			/* of comparisons of (twin, twin) */
	Operand		operands[MAX_OPERANDS]; /* the twin, the base, siblings */
	int			noperands;
	TypeCacheEntry *cache;		/* of the base */
	const char *sort_function;
	List	   *statements;
} OperatorPlan;

static void add(OperatorPlan *plan, const char *fmt,...) pg_attribute_printf(2, 3);

static void
add(OperatorPlan *plan, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	plan->statements = lappend(plan->statements, cellenc_twin_sql(fmt, args));
	va_end(args);
}

static void
add_operand(OperatorPlan *plan, char *name, Oid type, Oid base)
{
	Operand    *operand = &plan->operands[plan->noperands++];

	operand->name = name;
	operand->type = type;
	operand->base = base;
}

/* The other types of base's row in the table above. */
static void
add_siblings(OperatorPlan *plan, Oid base)
{
	for (int i = 0; i < (int) lengthof(siblings); i++)
	{
		bool		found = false;

		for (int j = 0; j < (int) lengthof(siblings[i]); j++)
			found |= siblings[i][j] == base;
		for (int j = 0; found && j < (int) lengthof(siblings[i]); j++)
		{
			Oid			type = siblings[i][j];

			if (OidIsValid(type) && type != base)
				add_operand(plan, format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY),
							type, type);
		}
	}
}

/* Are terms of these types made alike, so that they tell equality? */
static bool
share_term(const Operand *left, const Operand *right)
{
	const char *left_class = cellenc_term_class(left->base);
	const char *right_class = cellenc_term_class(right->base);

	return left_class && right_class && strcmp(left_class, right_class) == 0;
}

static bool
share_hash(const Operand *left, const Operand *right)
{
	return left->base == right->base || share_term(left, right);
}

static bool
is_ordered(const OperatorPlan *plan)
{
	return OidIsValid(plan->cache->cmp_proc);
}

static bool
is_hashed(const OperatorPlan *plan)
{
	return OidIsValid(plan->cache->hash_proc);
}

/* Members without the twin may have been made together with another one. */
static bool
function_exists(const char *name, int nargs, const Oid *types)
{
	return OidIsValid(LookupFuncName(list_make2(makeString("cellenc"), makeString(pstrdup(name))),
									 nargs, types, true));
}

/*
 * Operators
 */

/* Is the base's own operator between the types of these operands leakproof? */
static bool
base_is_leakproof(const OperatorPlan *plan, const TwinOperator *op, const Operand *left,
				  const Operand *right)
{
	bool		equality = op->strategy == BTEqualStrategyNumber || op->strategy == 0;
	Oid			base_op;

	if (left->base != right->base)
		base_op = get_opfamily_member(plan->cache->btree_opf, left->base, right->base,
									  equality ? BTEqualStrategyNumber : op->strategy);
	else
		base_op = equality ? plan->cache->eq_opr : plan->cache->lt_opr;
	return OidIsValid(base_op) && get_func_leakproof(get_opcode(base_op));
}

/*
 * Schema of an operator: one that is found without naming it must be the member
 * of the operator classes, not a copy, or it would not hash and merge.
 */
static const char *
operator_schema(const OperatorPlan *plan, const TwinOperator *op, Oid left, Oid right)
{
	Oid			twin = plan->operands[0].type;

	return left == twin && right == twin && !op->by_term ? plan->schema : "cellenc";
}

static void
add_operator(OperatorPlan *plan, const TwinOperator *op, const Operand *left, const Operand *right)
{
	bool		equality = op->strategy == BTEqualStrategyNumber;
	const char *schema = operator_schema(plan, op, left->type, right->type);

	add(plan, "CREATE FUNCTION cellenc.cellenc_%s(%s, %s) RETURNS boolean AS '$libdir/cellenc', 'cellenc_twin_%s' "
		"LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d%s",
		op->function, left->name, right->name, op->function, CELLENC_FUNCTION_COST,
		base_is_leakproof(plan, op, left, right) ? " LEAKPROOF" : "");
	add(plan, "CREATE OPERATOR %s.%s (FUNCTION = cellenc.cellenc_%s, LEFTARG = %s, RIGHTARG = %s, "
		"COMMUTATOR = OPERATOR(%s.%s), NEGATOR = OPERATOR(%s.%s), "
		"RESTRICT = %ssel, JOIN = %sjoinsel%s%s)",
		schema, op->name, op->function, left->name, right->name,
		schema, op->commutator, schema, op->negator,
		op->selectivity, op->selectivity,
		equality && is_hashed(plan) && share_hash(left, right) ? ", HASHES" : "",
		equality && is_ordered(plan) ? ", MERGES" : "");
}

const char *
cellenc_twin_comparison_symbol(const char *name)
{
	for (int i = 0; i < (int) lengthof(operators); i++)
	{
		if (!operators[i].by_term && strcmp(operators[i].name, name) == 0)
			return psprintf("cellenc_twin_%s", operators[i].function);
	}
	elog(ERROR, "operator \"%s\" is no comparison", name);
	return NULL;				/* keep compiler quiet */
}

/* All operators and btree support functions that take (left, right). */
static void
add_operators(OperatorPlan *plan, const Operand *left, const Operand *right)
{
	Oid			types[] = {left->type, right->type};
	bool		by_term = is_ordered(plan) && share_term(left, right);

	if (function_exists("cellenc_eq", lengthof(types), types))
		return;

	for (int i = 0; i < (int) lengthof(operators); i++)
	{
		const TwinOperator *op = &operators[i];
		bool		equality = op->strategy == BTEqualStrategyNumber || op->strategy == 0;

		if (op->by_term ? by_term : equality || is_ordered(plan))
			add_operator(plan, op, left, right);
	}
	if (is_ordered(plan))
		add(plan, "CREATE FUNCTION cellenc.cellenc_cmp(%s, %s) RETURNS integer AS '$libdir/cellenc', 'cellenc_twin_cmp' "
			"LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d", left->name, right->name, CELLENC_FUNCTION_COST);
	if (by_term)
		add(plan, "CREATE FUNCTION cellenc.cellenc_term_cmp(%s, %s) RETURNS integer AS '$libdir/cellenc', 'cellenc_twin_term_cmp' "
			"LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d", left->name, right->name, CELLENC_FUNCTION_COST);
}

/*
 * Operator classes
 */

/*
 * Members of a class: as the class itself where it is the first pair, that of
 * the twin alone, else added to its family.
 */
static void
add_members(OperatorPlan *plan, const char *suffix, const char *method, bool first, const char *members)
{
	const char *class = quote_identifier(psprintf("%s_%s", plan->plain_name, suffix));

	if (!first)
	{
		add(plan, "ALTER OPERATOR FAMILY cellenc.%s USING %s ADD %s", class, method, members);
		return;
	}
	/* DROP TYPE leaves the family of a type of this name behind, empty or not */
	add(plan, "DROP OPERATOR FAMILY IF EXISTS cellenc.%s USING %s", class, method);
	add(plan, "CREATE OPERATOR CLASS cellenc.%s%s FOR TYPE %s USING %s AS %s",
		class, strcmp(suffix, "ops") == 0 ? " DEFAULT" : "", plan->operands[0].name, method, members);
}

static void
add_btree_class(OperatorPlan *plan, bool by_term)
{
	for (int l = 0; l < plan->noperands; l++)
	{
		for (int r = 0; r < plan->noperands; r++)
		{
			const char *left = plan->operands[l].name;
			const char *right = plan->operands[r].name;
			StringInfoData members;

			if (by_term && !(share_term(&plan->operands[0], &plan->operands[l]) &&
							 share_term(&plan->operands[0], &plan->operands[r])))
				continue;
			initStringInfo(&members);
			for (int i = 0; i < (int) lengthof(operators); i++)
			{
				const TwinOperator *op = &operators[i];

				if (op->strategy == BTEqualStrategyNumber ||
					(op->strategy != 0 && op->by_term == by_term))
					appendStringInfo(&members, "OPERATOR %d %s.%s (%s, %s), ", op->strategy,
									 operator_schema(plan, op, plan->operands[l].type,
													 plan->operands[r].type),
									 op->name, left, right);
			}
			appendStringInfo(&members, "FUNCTION 1 (%s, %s) cellenc.cellenc_%s(%s, %s)",
							 left, right, by_term ? "term_cmp" : "cmp", left, right);
			if (l == 0 && r == 0 && !by_term)
				appendStringInfo(&members, ", FUNCTION 2 (%s, %s) cellenc.%s(internal)",
								 left, right, plan->sort_function);
			add_members(plan, by_term ? "term_ops" : "ops", "btree", l == 0 && r == 0, members.data);
		}
	}
}

/* Window frames such as RANGE 5 PRECEDING, by every type of offset that the base has. */
static void
add_in_range(OperatorPlan *plan)
{
	const char *twin = plan->operands[0].name;
	Oid			base = plan->operands[0].base;
	CatCList   *procs = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(plan->cache->btree_opf));

	for (int i = 0; i < procs->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc) GETSTRUCT(&procs->members[i]->tuple);
		char	   *offset;

		if (proc->amprocnum != BTINRANGE_PROC || proc->amproclefttype != base ||
			IsPolymorphicType(proc->amprocrighttype))
			continue;
		offset = format_type_extended(proc->amprocrighttype, -1, FORMAT_TYPE_FORCE_QUALIFY);
		add(plan, "CREATE FUNCTION cellenc.cellenc_in_range(%s, %s, %s, boolean, boolean) RETURNS boolean "
			"AS '$libdir/cellenc', 'cellenc_twin_in_range' LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d",
			twin, twin, offset, CELLENC_FUNCTION_COST);
		add_members(plan, "ops", "btree", false,
					psprintf("FUNCTION 3 (%s, %s) cellenc.cellenc_in_range(%s, %s, %s, boolean, boolean)",
							 twin, offset, twin, twin, offset));
	}
	ReleaseSysCacheList(procs);
}

static void
add_hash_functions(OperatorPlan *plan, const Operand *operand)
{
	if (function_exists("cellenc_hash", 1, &operand->type))
		return;
	add(plan, "CREATE FUNCTION cellenc.cellenc_hash(%s) RETURNS integer AS '$libdir/cellenc', 'cellenc_twin_hash' "
		"LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d", operand->name, CELLENC_FUNCTION_COST);
	add(plan, "CREATE FUNCTION cellenc.cellenc_hash_extended(%s, bigint) RETURNS bigint AS '$libdir/cellenc', 'cellenc_twin_hash_extended' "
		"LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d", operand->name, CELLENC_FUNCTION_COST);
}

static void
add_hash_class(OperatorPlan *plan)
{
	for (int l = 0; l < plan->noperands; l++)
	{
		const char *left = plan->operands[l].name;

		if (!share_hash(&plan->operands[0], &plan->operands[l]))
			continue;
		add_hash_functions(plan, &plan->operands[l]);
		for (int r = 0; r < plan->noperands; r++)
		{
			StringInfoData members;

			if (!share_hash(&plan->operands[l], &plan->operands[r]))
				continue;
			initStringInfo(&members);
			appendStringInfo(&members, "OPERATOR 1 %s.= (%s, %s)",
							 l == 0 && r == 0 ? plan->schema : "cellenc",
							 left, plan->operands[r].name);
			if (l == r)
				appendStringInfo(&members, ", FUNCTION 1 (%s, %s) cellenc.cellenc_hash(%s), "
								 "FUNCTION 2 (%s, %s) cellenc.cellenc_hash_extended(%s, bigint)",
								 left, left, left, left, left, left);
			add_members(plan, "ops", "hash", l == 0 && r == 0, members.data);
		}
	}
}

List *
cellenc_twin_operators(char *name, const char *plain_name, const char *schema, Oid twin, Oid base)
{
	OperatorPlan plan = {0};

	plan.plain_name = plain_name;
	plan.schema = schema;
	plan.cache = lookup_type_cache(base, TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR | TYPECACHE_CMP_PROC |
								   TYPECACHE_HASH_PROC | TYPECACHE_BTREE_OPFAMILY);
	if (!OidIsValid(plan.cache->eq_opr))
		return NIL;
	plan.sort_function = pstrdup(quote_identifier(psprintf(CELLENC_SORT_PREFIX "%s",
														   cellenc_twin_require(twin)->tag)));

	add_operand(&plan, name, twin, base);
	add_operand(&plan, format_type_extended(base, -1, FORMAT_TYPE_FORCE_QUALIFY), base, base);
	add_siblings(&plan, base);

	for (int l = 0; l < plan.noperands; l++)
	{
		for (int r = 0; r < plan.noperands; r++)
			add_operators(&plan, &plan.operands[l], &plan.operands[r]);
	}
	if (is_ordered(&plan))
	{
		/*
		 * a restored one may have outlived its type: only the extension binds
		 * it to that
		 */
		add(&plan, "CREATE OR REPLACE FUNCTION cellenc.%s(internal) RETURNS void AS '$libdir/cellenc', 'cellenc_twin_sortsupport' "
			"LANGUAGE c STABLE STRICT PARALLEL SAFE", plan.sort_function);
		add_btree_class(&plan, false);
		add_in_range(&plan);
	}
	if (is_ordered(&plan) && cellenc_term_class(base))
		add_btree_class(&plan, true);
	if (is_hashed(&plan))
		add_hash_class(&plan);
	return plan.statements;
}
