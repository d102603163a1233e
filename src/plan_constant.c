/*-------------------------------------------------------------------------
 *
 * plan_constant.c
 *	  Constants of composite types, sealed afresh wherever they are used.
 *
 * The parser reads the literal of a composite type by record_in, which hands
 * each field's type modifier to the field's input function.  So, unlike other
 * constants, which are under the key for constants until their column's
 * length coercion, its values are sealed under the columns' keys at once: every
 * row would store one ciphertext, and a default or a cached plan goes on to
 * write the version that was current then.  A composite has no length coercion,
 * so before planning such a constant is wrapped into a VOLATILE function that
 * seals its values again.  Defaults of columns are stored that way, because
 * COPY evaluates them without planning a query.
 *
 * Where constants are only compared they are left alone, because a VOLATILE
 * condition uses no index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "utils/syscache.h"

#include "codec.h"
#include "compat.h"
#include "guc.h"
#include "keyring.h"
#include "plan_constant.h"
#include "report.h"
#include "twin.h"
#include "walk.h"

PG_FUNCTION_INFO_V1(cellenc_fresh);

/*
 * Finding them
 */

/*
 * The key of a value of a constant that has to be sealed again before it is
 * stored, else NULL.  Those under the key for constants have to be, where their
 * place names another key.
 */
static CellencKey *
key_to_leave(const CellencLeaf *leaf, Datum value)
{
	uint32		version_id = cellenc_codec_version_id(value);
	CellencKeyVersion *version = version_id != 0 ? cellenc_keyring_version(version_id) : NULL;

	return version && (!version->key->literal || leaf->typmod >= 0) ? version->key : NULL;
}

static Datum
note_if_for_column(const CellencLeaf *leaf, Datum value, void *arg)
{
	if (key_to_leave(leaf, value))
		*(bool *) arg = true;
	return value;
}

static bool
is_constant_for_columns(const Const *constant)
{
	CellencWalk *walk;
	bool		found = false;

	/* initdb makes neither twins nor what holds one */
	if (constant->constisnull || constant->constlen != -1 ||
		constant->consttype < FirstNormalObjectId)
		return false;
	walk = cellenc_walk_plan(constant->consttype, constant->consttypmod);
	if (!walk || OidIsValid(cellenc_walk_twin(walk)))
		return false;
	(void) cellenc_walk_replace(walk, constant->constvalue, note_if_for_column, &found);
	return found;
}

/*
 * May this call be replaced by the body of its function, where a constant is?
 * That happens later, in planning.  Sealing another result again does no harm.
 */
static bool
is_inlined_for_columns(const FuncExpr *func)
{
	HeapTuple	tuple;
	bool		sql;
	CellencWalk *walk;

	if (func->funcretset || func->funcresulttype < FirstNormalObjectId ||
		cellenc_twin_lookup(func->funcresulttype))
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(func->funcid));
	sql = HeapTupleIsValid(tuple) && ((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!sql)
		return false;
	walk = cellenc_walk_plan(func->funcresulttype, -1);
	return walk && !OidIsValid(cellenc_walk_twin(walk));
}

static bool
is_for_columns(Node *node)
{
	return IsA(node, Const) ? is_constant_for_columns((Const *) node) :
		IsA(node, FuncExpr) && is_inlined_for_columns((FuncExpr *) node);
}

static bool
find_constant(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (is_for_columns(node))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_constant, context, 0);
	return expression_tree_walker(node, find_constant, context);
}

/*
 * Wrapping them
 */

typedef struct WrapContext
{
	Oid			function;
	bool		stores;			/* are these expressions of columns to be
								 * stored? */
} WrapContext;

static void wrap_in_query(Query *query, Oid function);

static Node *
wrap(Node *node, void *arg)
{
	WrapContext *context = arg;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
	{
		wrap_in_query((Query *) node, context->function);
		return node;
	}
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == context->function)
		return node;
	if (!is_for_columns(node))
		return expression_tree_mutator(node, wrap, context);
	return (Node *) makeFuncExpr(context->function, exprType(node),
								 list_make2(expression_tree_mutator(node, wrap, context),
											makeBoolConst(context->stores, false)),
								 exprCollation(node), InvalidOid, COERCE_EXPLICIT_CALL);
}

static void
wrap_in_range_table(List *rtable, WrapContext *context)
{
	ListCell   *cell;

	foreach(cell, rtable)
	{
		RangeTblEntry *rte = lfirst(cell);

		if (rte->rtekind == RTE_SUBQUERY)
			wrap_in_query(rte->subquery, context->function);
		else if (rte->rtekind == RTE_VALUES)
			rte->values_lists = (List *) wrap((Node *) rte->values_lists, context);
		else if (rte->rtekind == RTE_FUNCTION)
			rte->functions = (List *) wrap((Node *) rte->functions, context);
	}
}

/* In what the query computes, but not in its conditions.  Changes query. */
static void
wrap_in_query(Query *query, Oid function)
{
	WrapContext context;
	ListCell   *cell;

	context.function = function;
	context.stores = query->commandType != CMD_SELECT;

	query->targetList = (List *) wrap((Node *) query->targetList, &context);
	if (query->onConflict)
		query->onConflict->onConflictSet =
			(List *) wrap((Node *) query->onConflict->onConflictSet, &context);
	foreach(cell, query->mergeActionList)
	{
		MergeAction *action = lfirst(cell);

		action->targetList = (List *) wrap((Node *) action->targetList, &context);
	}
	wrap_in_range_table(query->rtable, &context);

	context.stores = false;
	query->returningList = (List *) wrap((Node *) query->returningList, &context);
	foreach(cell, query->cteList)
		wrap_in_query((Query *) ((CommonTableExpr *) lfirst(cell))->ctequery, function);
}

/* What is read as sealed text is to be stored as it is. */
static bool
constants_stay(void)
{
	return IsBinaryUpgrade || cellenc_guc_input == CELLENC_TEXT_SEALED;
}

static Oid
fresh_function(void)
{
	Oid			argtypes[] = {ANYELEMENTOID, BOOLOID};

	return LookupFuncName(list_make2(makeString("cellenc"), makeString("cellenc_fresh")),
						  lengthof(argtypes), argtypes, false);
}

bool
cellenc_plan_is_for_columns(Node *node)
{
	return !constants_stay() && is_for_columns(node);
}

Query *
cellenc_plan_constants(Query *parse)
{
	parse = copyObject(parse);
	wrap_in_query(parse, fresh_function());
	return parse;
}

Node *
cellenc_plan_constants_of_default(Node *expr, Oid *function)
{
	WrapContext context;

	if (constants_stay() || !find_constant(expr, NULL))
		return expr;

	context.function = *function = fresh_function();
	context.stores = true;
	return wrap(expr, &context);
}

/*
 * The function
 */

typedef struct FreshState
{
	CellencWalk *walk;			/* NULL: the type holds no twin */
} FreshState;

/*
 * The same plaintext in other bytes.  Where the value is under its column's
 * key already, whoever may encrypt with that could as well copy it, so
 * `decrypt` is not needed and nothing is learnt.
 */
static Datum
seal_afresh(const CellencLeaf *leaf, Datum value, void *arg)
{
	const CellencTwin *twin = cellenc_twin_require(leaf->twin);
	bool		stores = *(bool *) arg;
	CellencKey *key = key_to_leave(leaf, value);
	bool		literal;

	if (!key)
		return value;

	literal = key->literal;
	if (literal)
		key = cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(leaf->typmod));
	if (key && stores)
		cellenc_keyring_check(key, CELLENC_PRIV_ENCRYPT);

	/* never kept as it is, because it must not be stored; no key: an error */
	if (literal)
		return cellenc_codec_seal_constant(twin, value, leaf->typmod);
	if (!stores && !cellenc_keyring_has(key, GetUserId(), CELLENC_PRIV_ENCRYPT))
		return value;
	return PointerGetDatum(cellenc_codec_reseal(twin, value));
}

/*
 * fresh(value, stores): its twin values sealed anew under the current versions
 * of their keys.  Without `encrypt`, an error if they are to be stored, else
 * the value as it is: reading a constant of a view needs no such right.
 */
Datum
cellenc_fresh(PG_FUNCTION_ARGS)
{
	FreshState *state = fcinfo->flinfo->fn_extra;
	bool		stores = PG_GETARG_BOOL(1);

	CELLENC_CHECK_PRELOAD();
	if (!state)
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);

		if (!OidIsValid(type))
			elog(ERROR, "could not determine the type of a constant");
		state = palloc(sizeof(FreshState));
		state->walk = type >= FirstNormalObjectId ? cellenc_walk_plan(type, -1) : NULL;
		fcinfo->flinfo->fn_extra = state;
		MemoryContextSwitchTo(old);
	}
	if (!state->walk)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_DATUM(cellenc_walk_replace(state->walk, PG_GETARG_DATUM(0), seal_afresh, &stores));
}
