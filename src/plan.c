/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  What is rewritten before a query is planned.
 *
 * A custom plan has the values of its parameters as constants, and the
 * planner copies them: a parameter of an encrypted type, which is still an
 * unsealed object, would be sealed under the key for constants, opened again
 * and sealed anew for its column.  Its length coercion is replaced by the cast
 * from the base, so that it is sealed once, as it is in a generic plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/params.h"
#include "optimizer/planner.h"
#include "utils/lsyscache.h"

#include "codec.h"
#include "compat.h"
#include "plan.h"
#include "plan_compare.h"
#include "plan_constant.h"
#include "twin.h"

static planner_hook_type prev_planner_hook = NULL;

/* The parameter of this number, if it is a constant of an encrypted type, not sealed yet. */
static ParamExternData *
unsealed_parameter(ParamListInfo params, int id)
{
	ParamExternData *param;

	if (id < 1 || id > params->numParams)
		return NULL;
	param = &params->params[id - 1];
	if (param->isnull || !(param->pflags & PARAM_FLAG_CONST) || !cellenc_twin_is(param->ptype) ||
		cellenc_codec_version_id(param->value) != 0)
		return NULL;
	return param;
}

static bool
any_unsealed_parameter(ParamListInfo params)
{
	/* PL/pgSQL fetches its variables one by one; they are sealed already */
	if (params->paramFetch)
		return false;
	for (int id = 1; id <= params->numParams; id++)
	{
		if (params->params[id - 1].ptype >= FirstNormalObjectId && unsealed_parameter(params, id))
			return true;
	}
	return false;
}

static Node *
coerce_from_base(Node *node, void *context)
{
	FuncExpr   *func = (FuncExpr *) node;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, coerce_from_base, context, 0);

	if (IsA(node, FuncExpr) && list_length(func->args) == 3 && IsA(linitial(func->args), Param))
	{
		Param	   *param = linitial(func->args);
		ParamExternData *value = param->paramkind == PARAM_EXTERN
		? unsealed_parameter(context, param->paramid) : NULL;

		const CellencTwin *twin = value ? cellenc_twin_require(param->paramtype) : NULL;

		if (twin && func->funcid == twin->apply)
		{
			Const	   *base = makeConst(twin->base, -1, twin->collation, twin->typlen,
										 cellenc_codec_open(twin, value->value), false,
										 twin->typbyval);
			FuncExpr   *result = makeFuncExpr(twin->seal, twin->type,
											  list_make3(base, lsecond(func->args), lthird(func->args)),
											  func->funccollid, func->inputcollid, func->funcformat);

			result->location = func->location;
			return (Node *) result;
		}
	}
	return expression_tree_mutator(node, coerce_from_base, context);
}

/* What there is in a query that concerns this and the files below. */
typedef struct Survey
{
	bool		constants;		/* for columns, of composite types */
	CellencCompares compares;
} Survey;

/* Every statement is looked through, so it is done once for all. */
static bool
survey(Node *node, void *context)
{
	Survey	   *found = context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Param:
		case T_RangeTblRef:
			return false;
		case T_Query:
			return query_tree_walker((Query *) node, survey, context, 0);
		case T_Const:
			found->constants = found->constants || cellenc_plan_is_for_columns(node);
			return false;
		case T_FuncExpr:
			found->constants = found->constants || cellenc_plan_is_for_columns(node);
			cellenc_plan_compare_survey(node, &found->compares);
			break;
		case T_ArrayCoerceExpr:
		case T_OpExpr:
		case T_ScalarArrayOpExpr:
		case T_RowCompareExpr:
			cellenc_plan_compare_survey(node, &found->compares);
			break;
		default:
			break;
	}
	return expression_tree_walker(node, survey, context);
}

static PlannedStmt *
plan_query(Query *parse, const char *query_string, int cursorOptions, ParamListInfo boundParams)
{
	if (IsTransactionState() && !IsBinaryUpgrade)
	{
		Survey		found = {0};

		if (boundParams && any_unsealed_parameter(boundParams))
			parse = query_tree_mutator(parse, coerce_from_base, boundParams, 0);
		(void) survey((Node *) parse, &found);
		if (found.constants)
			parse = cellenc_plan_constants(parse);
		parse = cellenc_plan_compare(parse, &found.compares);
	}

	if (prev_planner_hook)
		return prev_planner_hook(parse, query_string, cursorOptions, boundParams);
	return standard_planner(parse, query_string, cursorOptions, boundParams);
}

void
cellenc_plan_init(void)
{
	prev_planner_hook = planner_hook;
	planner_hook = plan_query;
}
