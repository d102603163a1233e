/*-------------------------------------------------------------------------
 *
 * plan_compare.c
 *	  Comparisons of opened values become comparisons of encrypted ones.
 *
 * An expression over an encrypted column resolves to the base's operator over
 * the opened value, which no index knows.  In conditions, `base_op(open(x), y)`
 * becomes `cellenc.op(x, y)`, a member of the operator classes of the encrypted
 * type, whatever type a driver gave to y; and so joins of two encrypted columns
 * keep ciphertext in their temporary files.
 *
 * Nothing here is about who may compare: access.c checks that for whatever
 * index a plan uses, and the comparisons themselves check the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "plan_compare.h"
#include "plan_minmax.h"
#include "plan_open.h"
#include "twin.h"
#include "twin_array.h"

static Node *rewrite(Node *node, void *context);
static void rewrite_condition(Node *node);

/* The twin that expr is of, through domains; NULL if it is of another type. */
static const CellencTwin *
twin_of(Node *expr)
{
	Oid			type = exprType(expr);

	return type < FirstNormalObjectId ? NULL : cellenc_twin_lookup(getBaseType(type));
}

/*
 * The type modifier that names expr's key; -1 where it does not.  Looks below
 * a relabeling, because indexes do.
 */
static int32
typmod_of(Node *expr)
{
	int32		typmod;

	while (IsA(expr, RelabelType))
		expr = (Node *) ((RelabelType *) expr)->arg;
	typmod = exprTypmod(expr);
	if (typmod < 0)
		(void) getBaseTypeAndTypmod(exprType(expr), &typmod);
	return typmod;
}

/*
 * Comparisons
 */

static const char *const comparison_names[] = {
	[BTLessStrategyNumber] = "<",
	[BTLessEqualStrategyNumber] = "<=",
	[BTEqualStrategyNumber] = "=",
	[BTGreaterEqualStrategyNumber] = ">=",
	[BTGreaterStrategyNumber] = ">",
};

/*
 * What kind of comparison a base's operator is: the name of the encrypted
 * type's own, or NULL if it is none, or not in the order of the base's default
 * operator class.
 */
static const char *
comparison_name(const CellencTwin *twin, Oid opno)
{
	TypeCacheEntry *cache = lookup_type_cache(twin->base, TYPECACHE_EQ_OPR | TYPECACHE_BTREE_OPFAMILY);
	Oid			negator;
	int			strategy;

	if (OidIsValid(cache->btree_opf))
	{
		strategy = get_op_opfamily_strategy(opno, cache->btree_opf);
		if (strategy != 0)
			return comparison_names[strategy];
		negator = get_negator(opno);
		if (OidIsValid(negator) &&
			get_op_opfamily_strategy(negator, cache->btree_opf) == BTEqualStrategyNumber)
			return "<>";
		return NULL;
	}
	if (opno == cache->eq_opr)
		return "=";
	if (OidIsValid(cache->eq_opr) && opno == get_negator(cache->eq_opr))
		return "<>";
	return NULL;
}

/* The encrypted types' operator; InvalidOid where there is none. */
static Oid
hidden_operator(const char *name, Oid left, Oid right)
{
	return OpernameGetOprid(list_make2(makeString("cellenc"), makeString(pstrdup(name))), left, right);
}

/* IN (SELECT ...) is hashed by the base's operator only. */
static bool
has_sublink_param(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_SUBLINK;
	return expression_tree_walker(node, has_sublink_param, context);
}

/* Can an index of a column with this type modifier serve the comparison? */
static bool
is_indexable(const char *name, int32 typmod)
{
	if (typmod < 0)
		return false;
	switch (CELLENC_TYPMOD_SEARCH(typmod))
	{
		case CELLENC_SEARCH_EQUALITY:
			return strcmp(name, "=") == 0;
		case CELLENC_SEARCH_ORDER:
			return strcmp(name, "<>") != 0;
		default:
			return false;
	}
}

/* Type of an operand of an operator that may be one of all enums, say. */
static Oid
concrete_type(Oid declared, Oid actual)
{
	return cellenc_twin_is_kind(declared) ? actual : declared;
}

/*
 * The operator and operands that compare encrypted values as opno compares the
 * opened ones.  Returns InvalidOid where opno is to stay, else the operator;
 * *left and *right are replaced.
 */
static Oid
encrypted_comparison(Oid opno, Node **left, Node **right, bool right_is_array)
{
	Node	   *l = cellenc_plan_opened(*left);
	Node	   *r = right_is_array ? NULL : cellenc_plan_opened(*right);
	const CellencTwin *twin = twin_of(l ? l : r ? r : *left);
	const char *name;
	Oid			left_type;
	Oid			right_type;
	Oid			result;

	if ((!l && !r) || !twin)
		return InvalidOid;
	name = comparison_name(twin, opno);
	if (!name)
		return InvalidOid;

	/* worth it only for joins by equality, and where there can be an index */
	if (l && r)
	{
		if (strcmp(name, "=") != 0)
			return InvalidOid;
	}
	else if (!is_indexable(name, typmod_of(l ? l : r)) || has_sublink_param(l ? *right : *left, NULL))
		return InvalidOid;

	op_input_types(opno, &left_type, &right_type);
	left_type = l ? getBaseType(exprType(l)) : concrete_type(left_type, exprType(*left));
	if (r)
		right_type = getBaseType(exprType(r));
	else
		right_type = concrete_type(right_type, right_is_array ? get_element_type(exprType(*right))
								   : exprType(*right));
	result = hidden_operator(name, left_type, right_type);
	if (!OidIsValid(result))
		return InvalidOid;
	if (l)
		*left = l;
	if (r)
		*right = r;
	return result;
}

/*
 * As above, for an operator of an encrypted type that has an operand which is
 * sealed only for it: one that takes the base instead.
 */
static Oid
unsealed_comparison(Oid opno, Node **left, Node **right)
{
	const CellencTwin *twin = twin_of(*left);
	TypeCacheEntry *cache;
	Node	   *l;
	Node	   *r;
	int			strategy;
	Oid			result;

	if (!twin)
		return InvalidOid;
	cache = lookup_type_cache(twin->type, TYPECACHE_BTREE_OPFAMILY);
	strategy = OidIsValid(cache->btree_opf) ? get_op_opfamily_strategy(opno, cache->btree_opf) : 0;
	l = strategy ? cellenc_plan_unsealed(*left) : NULL;
	r = strategy ? cellenc_plan_unsealed(*right) : NULL;
	if (!l == !r)
		return InvalidOid;

	result = hidden_operator(comparison_names[strategy], l ? twin->base : twin->type,
							 r ? twin->base : twin->type);
	if (!OidIsValid(result))
		return InvalidOid;
	if (l)
		*left = l;
	else
		*right = r;
	return result;
}

/*
 * As above, for an operator of an encrypted type with whatever its base is one
 * of (twin_visible.c), as enums are: no index knows it, and where it is a
 * function of SQL's it would be called for each element of an array.
 */
static Oid
kind_comparison(Oid opno, Node *left, Node *right, bool right_is_array)
{
	Oid			left_type;
	Oid			right_type;
	Oid			actual_right;

	if (opno < FirstNormalObjectId)
		return InvalidOid;
	op_input_types(opno, &left_type, &right_type);
	if (cellenc_twin_is_kind(left_type) == cellenc_twin_is_kind(right_type))
		return InvalidOid;
	actual_right = right_is_array ? get_base_element_type(exprType(right)) : exprType(right);
	return hidden_operator(get_opname(opno), getBaseType(exprType(left)), getBaseType(actual_right));
}

/*
 * As above, for two arrays of encrypted values that are opened to be compared:
 * the operator of all arrays does without, and then sorts and hashes, and what
 * they spill, have sealed values.
 */
static Oid
sealed_arrays(Oid opno, Node **left, Node **right)
{
	Node	   *l = opno >= FirstNormalObjectId ? cellenc_array_operand_source(*left) : NULL;
	Node	   *r = l ? cellenc_array_operand_source(*right) : NULL;
	Oid			result;

	if (!r || exprType(l) != exprType(r))
		return InvalidOid;
	result = OpernameGetOprid(list_make2(makeString("pg_catalog"), makeString(get_opname(opno))),
							  ANYARRAYOID, ANYARRAYOID);
	if (!OidIsValid(result))
		return InvalidOid;
	*left = l;
	*right = r;
	return result;
}

/* As above, by whichever of these ways there is. */
static Oid
better_comparison(Oid opno, Node **left, Node **right, bool right_is_array)
{
	Oid			better = encrypted_comparison(opno, left, right, right_is_array);

	if (!OidIsValid(better))
		better = unsealed_comparison(opno, left, right);
	if (!OidIsValid(better))
		better = kind_comparison(opno, *left, *right, right_is_array);
	return better;
}

/* Change the operator, its function and its operands, where there is a better one. */
static void
rewrite_comparison(Oid *opno, Oid *function, List **args, bool right_is_array)
{
	Node	   *left = linitial(*args);
	Node	   *right = lsecond(*args);
	Oid			better = better_comparison(*opno, &left, &right, right_is_array);

	if (!OidIsValid(better) && !right_is_array)
		better = sealed_arrays(*opno, &left, &right);
	if (!OidIsValid(better))
		return;
	*opno = better;
	*function = get_opcode(better);
	*args = list_make2(left, right);
}

/*
 * As above, for each pair of `(a, b) < (c, d)`.  A pair's operator family comes
 * with its operator; in that of the encrypted type, it has to be the same
 * comparison.
 */
static void
rewrite_row_comparison(RowCompareExpr *expr)
{
	for (int i = 0; i < list_length(expr->opnos); i++)
	{
		Node	   *left = list_nth(expr->largs, i);
		Node	   *right = list_nth(expr->rargs, i);
		Oid			opno = list_nth_oid(expr->opnos, i);
		int			strategy = get_op_opfamily_strategy(opno, list_nth_oid(expr->opfamilies, i));
		Oid			better = better_comparison(opno, &left, &right, false);
		const CellencTwin *twin;
		Oid			family;

		if (!OidIsValid(better))
			continue;
		twin = twin_of(left);
		if (!twin)
			twin = twin_of(right);
		family = lookup_type_cache(twin->type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
		if (get_op_opfamily_strategy(better, family) != strategy)
			continue;
		lfirst_oid(list_nth_cell(expr->opnos, i)) = better;
		lfirst_oid(list_nth_cell(expr->opfamilies, i)) = family;
		lfirst(list_nth_cell(expr->largs, i)) = left;
		lfirst(list_nth_cell(expr->rargs, i)) = right;
	}
}

static void
rewrite_conditions(List *nodes)
{
	ListCell   *lc;

	foreach(lc, nodes)
		rewrite_condition(lfirst(lc));
}

/* A condition: AND, OR, NOT and comparisons; other expressions are left alone. */
static void
rewrite_condition(Node *node)
{
	if (node == NULL)
		return;
	if (IsA(node, BoolExpr))
		rewrite_conditions(((BoolExpr *) node)->args);
	else if (IsA(node, List))
		rewrite_conditions((List *) node);
	else if (IsA(node, SubLink))
		rewrite_condition(((SubLink *) node)->testexpr);
	else if (IsA(node, OpExpr) && list_length(((OpExpr *) node)->args) == 2)
	{
		OpExpr	   *expr = (OpExpr *) node;

		rewrite_comparison(&expr->opno, &expr->opfuncid, &expr->args, false);
	}
	else if (IsA(node, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *expr = (ScalarArrayOpExpr *) node;

		rewrite_comparison(&expr->opno, &expr->opfuncid, &expr->args, true);
	}
	else if (IsA(node, RowCompareExpr))
		rewrite_row_comparison((RowCompareExpr *) node);
}

static void
rewrite_jointree(Node *node)
{
	ListCell   *lc;

	if (node == NULL)
		return;
	if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			rewrite_jointree(lfirst(lc));
		rewrite_condition(((FromExpr *) node)->quals);
	}
	else if (IsA(node, JoinExpr))
	{
		rewrite_jointree(((JoinExpr *) node)->larg);
		rewrite_jointree(((JoinExpr *) node)->rarg);
		rewrite_condition(((JoinExpr *) node)->quals);
	}
}

static Query *
rewrite_query(Query *query)
{
	ListCell   *lc;

	query = query_tree_mutator(query, rewrite, NULL, 0);
	rewrite_jointree((Node *) query->jointree);
	rewrite_condition(cellenc_merge_condition(query));
	foreach(lc, query->rtable)
		rewrite_conditions(lfirst_node(RangeTblEntry, lc)->securityQuals);
	return cellenc_plan_minmax(query);
}

/* Every query inside; what the mutator returns is all its own, so it may change. */
static Node *
rewrite(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) rewrite_query((Query *) node);
	return cellenc_plan_open(expression_tree_mutator(node, rewrite, context));
}

/*
 * Is this an operator of an encrypted type's own, which may take a sealed
 * parameter, or of arrays of one?
 */
static bool
operates_on_twin(Oid opno, List *args)
{
	return opno >= FirstNormalObjectId &&
		(twin_of(linitial(args)) || twin_of(llast(args)) || cellenc_array_operand_source(linitial(args)));
}

static bool
compares_twin_in_row(RowCompareExpr *expr)
{
	ListCell   *opno;
	ListCell   *left;
	ListCell   *right;

	forthree(opno, expr->opnos, left, expr->largs, right, expr->rargs)
	{
		if (operates_on_twin(lfirst_oid(opno), list_make2(lfirst(left), lfirst(right))))
			return true;
	}
	return false;
}

/* Does a query open anything encrypted, or compare it as it is? */
static bool
opens(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, opens, context, 0);
	if (IsA(node, FuncExpr) && cellenc_plan_opened(node))
		return true;
	if (IsA(node, OpExpr) && operates_on_twin(((OpExpr *) node)->opno, ((OpExpr *) node)->args))
		return true;
	if (IsA(node, ScalarArrayOpExpr) &&
		operates_on_twin(((ScalarArrayOpExpr *) node)->opno, ((ScalarArrayOpExpr *) node)->args))
		return true;
	if (IsA(node, RowCompareExpr) && compares_twin_in_row((RowCompareExpr *) node))
		return true;
	return expression_tree_walker(node, opens, context);
}

Query *
cellenc_plan_compare(Query *query)
{
	return opens((Node *) query, NULL) ? rewrite_query(query) : query;
}
