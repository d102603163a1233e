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
#include "plan_operator.h"
#include "twin.h"
#include "twin_array.h"

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

/*
 * The operator and operands that compare encrypted values as opno compares the
 * opened ones.  Returns InvalidOid where opno is to stay, else the operator;
 * *left, *right and *function are replaced.
 */
static Oid
encrypted_comparison(Oid opno, Node **left, Node **right, Oid *function, bool right_is_array)
{
	Node	   *l = cellenc_plan_opened(*left);
	Node	   *r = right_is_array ? NULL : cellenc_plan_opened(*right);
	CellencComparisonKey key = {0};
	const CellencComparison *comparison;

	if (!l && !r)
		return InvalidOid;
	key.opno = opno;
	key.left = exprType(l ? l : *left);
	key.right = exprType(r ? r : *right);
	key.left_opened = l != NULL;
	key.right_opened = r != NULL;
	key.right_is_array = right_is_array;
	comparison = cellenc_plan_operator(&key);
	if (!OidIsValid(comparison->operator))
		return InvalidOid;

	/* worth it only for joins by equality, and where there can be an index */
	if (l && r)
	{
		if (strcmp(comparison->name, "=") != 0)
			return InvalidOid;
	}
	else if (!is_indexable(comparison->name, typmod_of(l ? l : r)) ||
			 has_sublink_param(l ? *right : *left, NULL))
		return InvalidOid;

	if (l)
		*left = l;
	if (r)
		*right = r;
	*function = comparison->function;
	return comparison->operator;
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

	result = cellenc_plan_hidden_operator(cellenc_plan_comparison_name(strategy), l ? twin->base : twin->type,
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
	if (cellenc_twin_is_kind(left_type) == cellenc_twin_is_kind(right_type) ||
		!twin_of(cellenc_twin_is_kind(left_type) ? right : left))
		return InvalidOid;
	actual_right = right_is_array ? get_base_element_type(exprType(right)) : exprType(right);
	return cellenc_plan_hidden_operator(get_opname(opno), getBaseType(exprType(left)), getBaseType(actual_right));
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
better_comparison(Oid opno, Node **left, Node **right, Oid *function, bool right_is_array)
{
	Oid			better = encrypted_comparison(opno, left, right, function, right_is_array);

	if (OidIsValid(better))
		return better;
	better = unsealed_comparison(opno, left, right);
	if (!OidIsValid(better))
		better = kind_comparison(opno, *left, *right, right_is_array);
	if (OidIsValid(better))
		*function = get_opcode(better);
	return better;
}

/* Change the operator, its function and its operands, where there is a better one. */
static void
rewrite_comparison(Oid *opno, Oid *function, List **args, bool right_is_array)
{
	Node	   *left = linitial(*args);
	Node	   *right = lsecond(*args);
	Oid			better = better_comparison(*opno, &left, &right, function, right_is_array);

	if (!OidIsValid(better) && !right_is_array)
	{
		better = sealed_arrays(*opno, &left, &right);
		if (OidIsValid(better))
			*function = get_opcode(better);
	}
	if (!OidIsValid(better))
		return;
	*opno = better;
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
	/* a mutator has copied the operands alone */
	expr->opnos = list_copy(expr->opnos);
	expr->opfamilies = list_copy(expr->opfamilies);
	for (int i = 0; i < list_length(expr->opnos); i++)
	{
		Node	   *left = list_nth(expr->largs, i);
		Node	   *right = list_nth(expr->rargs, i);
		Oid			opno = list_nth_oid(expr->opnos, i);
		int			strategy = get_op_opfamily_strategy(opno, list_nth_oid(expr->opfamilies, i));
		Oid			function;
		Oid			better = better_comparison(opno, &left, &right, &function, false);
		const CellencTwin *twin;
		Oid			family;

		if (!OidIsValid(better))
			continue;
		twin = twin_of(left);
		if (!twin)
			twin = twin_of(right);
		if (!twin)
			continue;
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

/* A query's own conditions, in place; those of queries inside have been done. */
static void
rewrite_own(Query *query)
{
	ListCell   *lc;

	rewrite_jointree((Node *) query->jointree);
	rewrite_condition(cellenc_merge_condition(query));
	foreach(lc, query->rtable)
		rewrite_conditions(lfirst_node(RangeTblEntry, lc)->securityQuals);
	cellenc_plan_minmax(query);
}

/* Every query inside; what the mutator returns is all its own, so it may change. */
static Node *
rewrite(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
	{
		Query	   *query = query_tree_mutator((Query *) node, rewrite, context, 0);

		rewrite_own(query);
		return (Node *) query;
	}
	return cellenc_plan_open(expression_tree_mutator(node, rewrite, context));
}

/*
 * The same without a copy: a query that comes to be planned is the planner's to
 * change.  What is in the range table or in a CTE is found there, other queries
 * inside are in sublinks.
 */
static bool
rewrite_in_place(Node *node, void *context)
{
	ListCell   *lc;
	Query	   *query = (Query *) node;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, rewrite_in_place, context);

	foreach(lc, query->rtable)
		(void) rewrite_in_place((Node *) lfirst_node(RangeTblEntry, lc)->subquery, context);
	foreach(lc, query->cteList)
		(void) rewrite_in_place(lfirst_node(CommonTableExpr, lc)->ctequery, context);
	if (query->hasSubLinks)
		(void) query_tree_walker(query, rewrite_in_place, context, QTW_IGNORE_RC_SUBQUERIES);
	rewrite_own(query);
	return false;
}

/*
 * Is this an operator of an encrypted type's own, which may take a sealed
 * parameter, or of arrays of one?
 */
static bool
operates_on_twin(Oid opno, Node *left, Node *right)
{
	return opno >= FirstNormalObjectId &&
		(twin_of(left) || twin_of(right) || cellenc_array_operand_source(left));
}

static bool
compares_twin_in_row(RowCompareExpr *expr)
{
	ListCell   *opno;
	ListCell   *left;
	ListCell   *right;

	forthree(opno, expr->opnos, left, expr->largs, right, expr->rargs)
	{
		if (operates_on_twin(lfirst_oid(opno), lfirst(left), lfirst(right)))
			return true;
	}
	return false;
}

void
cellenc_plan_compare_survey(Node *node, CellencCompares *found)
{
	Node	   *opened;

	switch (nodeTag(node))
	{
		case T_FuncExpr:
		case T_ArrayCoerceExpr:
			opened = cellenc_plan_opened(node);
			found->any |= opened != NULL;
			found->sealed |= opened && !IsA(opened, Var) && !IsA(opened, Param) && !IsA(opened, CaseTestExpr);
			break;
		case T_OpExpr:
			if (!found->any)
				found->any = operates_on_twin(((OpExpr *) node)->opno, linitial(((OpExpr *) node)->args),
											  llast(((OpExpr *) node)->args));
			break;
		case T_ScalarArrayOpExpr:
			if (!found->any)
				found->any = operates_on_twin(((ScalarArrayOpExpr *) node)->opno, linitial(((ScalarArrayOpExpr *) node)->args),
											  llast(((ScalarArrayOpExpr *) node)->args));
			break;
		case T_RowCompareExpr:
			if (!found->any)
				found->any = compares_twin_in_row((RowCompareExpr *) node);
			break;
		default:
			break;
	}
}

Query *
cellenc_plan_compare(Query *query, const CellencCompares *found)
{
	if (found->sealed)
		return (Query *) rewrite((Node *) query, NULL);
	if (found->any)
		(void) rewrite_in_place((Node *) query, NULL);
	return query;
}
