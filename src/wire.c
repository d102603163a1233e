/*-------------------------------------------------------------------------
 *
 * wire.c
 *	  Clients see base types: of results and of parameters.
 *
 * A hook after parse analysis opens the visible columns of a client's own
 * statement by a cast, and has it announce and take parameters of the base
 * type.  RowDescription, ParameterDescription and the plan cache all follow
 * from the tree, so nothing has to be done about the protocol.
 *
 * Only what a client sent itself is changed: a function, a view or a CREATE
 * TABLE AS keeps encrypted types, or it would make plaintext columns.  The
 * statement's own text is told by the address of its string, and utility
 * commands that analyze a query of their own count as deeper, but for those
 * whose result goes to the client.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "commands/prepare.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_node.h"
#include "parser/parse_param.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"

#include "compat.h"
#include "guc.h"
#include "redact.h"
#include "relinfo.h"
#include "twin.h"
#include "twin_array.h"
#include "wire.h"

/*
 * What setup_parse_variable_parameters() leaves in p_ref_hook_state: private
 * to parse_param.c, the same since 9.0.
 */
typedef struct VariableParams
{
	Oid		  **types;
	int		   *ntypes;
} VariableParams;

static post_parse_analyze_hook_type prev_post_parse_analyze_hook = NULL;
static ProcessUtility_hook_type prev_process_utility_hook = NULL;

/* Utility commands we are in, but for those that only pass a query on. */
static int	utility_depth = 0;

/*
 * Text of the prepared statement that EXECUTE runs, and whether its result is
 * opened: decided when it was prepared, and fixed since.
 */
static const char *executed_text = NULL;
static bool executed_is_open = false;

/*
 * The type that a client sees instead of an encrypted type, an array of one or
 * a domain over either; InvalidOid where type holds nothing encrypted.
 */
static Oid
wire_type(Oid type)
{
	const CellencTwin *twin;
	Oid			element;

	/* types of initdb hold nothing of ours, and are asked for most */
	if (likely(type < FirstNormalObjectId))
		return InvalidOid;

	type = getBaseType(type);
	twin = cellenc_twin_lookup(type);
	if (twin)
		return twin->base;
	element = get_element_type(type);
	if (OidIsValid(element))
		element = wire_type(element);
	return OidIsValid(element) ? get_array_type(element) : InvalidOid;
}

/*
 * Results
 */

/* expr, which holds something encrypted, opened for the client. */
static Expr *
open_expr(Expr *expr)
{
	Oid			type = exprType((Node *) expr);
	int32		typmod = exprTypmod((Node *) expr);
	Oid			collation = exprCollation((Node *) expr);
	Oid			base = getBaseTypeAndTypmod(type, &typmod);
	const CellencTwin *twin;
	ArrayCoerceExpr *array;
	CaseTestExpr *element;

	if (base != type)
		expr = (Expr *) makeRelabelType(expr, base, typmod, collation, COERCE_IMPLICIT_CAST);
	twin = cellenc_twin_lookup(base);
	if (twin)
		return (Expr *) makeFuncExpr(twin->wire, twin->base, list_make1(expr),
									 collation, collation, COERCE_IMPLICIT_CAST);

	element = makeNode(CaseTestExpr);
	element->typeId = get_element_type(base);
	element->typeMod = -1;
	element->collation = collation;

	array = makeNode(ArrayCoerceExpr);
	array->arg = expr;
	array->elemexpr = open_expr((Expr *) element);
	array->resulttype = get_array_type(exprType((Node *) array->elemexpr));
	array->resulttypmod = -1;
	array->resultcollid = collation;
	array->coerceformat = COERCE_IMPLICIT_CAST;
	array->location = -1;
	return (Expr *) array;
}

/* The query inside a utility command, where parse analysis has made one of it. */
static Query *
inner_query(Query *query)
{
	Node	   *stmt = query->utilityStmt;
	Node	   *inner;

	if (query->commandType != CMD_UTILITY)
		return NULL;
	if (IsA(stmt, ExplainStmt))
		inner = ((ExplainStmt *) stmt)->query;
	else if (IsA(stmt, DeclareCursorStmt))
		inner = ((DeclareCursorStmt *) stmt)->query;
	else if (IsA(stmt, CreateTableAsStmt))
		inner = ((CreateTableAsStmt *) stmt)->query;
	else
		return NULL;
	return inner && IsA(inner, Query) ? (Query *) inner : NULL;
}

static bool
is_encrypted(const TargetEntry *entry)
{
	return !entry->resjunk && OidIsValid(wire_type(exprType((Node *) entry->expr)));
}

static bool
any_encrypted(List *targets)
{
	ListCell   *lc;

	foreach(lc, targets)
	{
		if (is_encrypted(lfirst(lc)))
			return true;
	}
	return false;
}

/*
 * Open the visible columns.  One that is sorted or grouped by stays as it is,
 * unseen, so that sorts and hashes work on ciphertext; the client gets a copy.
 */
static List *
open_targets(List *targets)
{
	List	   *unseen = NIL;
	ListCell   *lc;
	AttrNumber	resno = list_length(targets);

	foreach(lc, targets)
	{
		TargetEntry *entry = lfirst(lc);

		if (!is_encrypted(entry))
			continue;
		if (entry->ressortgroupref != 0)
		{
			TargetEntry *copy = makeTargetEntry(copyObject(entry->expr), ++resno,
												entry->resname, true);

			copy->ressortgroupref = entry->ressortgroupref;
			entry->ressortgroupref = 0;
			unseen = lappend(unseen, copy);
		}
		entry->expr = open_expr(entry->expr);
	}
	return list_concat(targets, unseen);
}

/* Is a column sorted or grouped by whose copy could have another value? */
static bool
sorts_volatile(List *targets)
{
	ListCell   *lc;

	foreach(lc, targets)
	{
		TargetEntry *entry = lfirst(lc);

		if (entry->ressortgroupref != 0 && is_encrypted(entry) &&
			contain_volatile_functions((Node *) entry->expr))
			return true;
	}
	return false;
}

/* References to the query's own WITH clause, which moves up by one level. */
static bool
raise_cte_references(Node *node, void *context)
{
	Index	   *depth = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->rtekind == RTE_CTE && entry->ctelevelsup >= *depth)
			entry->ctelevelsup++;
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		(*depth)++;
		result = query_tree_walker((Query *) node, raise_cte_references, context,
								   QTW_EXAMINE_RTES_BEFORE);
		(*depth)--;
		return result;
	}
	return expression_tree_walker(node, raise_cte_references, context);
}

/*
 * The results of DISTINCT and of set operations are compared as they are, and a
 * volatile function must not be called twice for one row, so such a query becomes a subquery of one that opens its columns.  Its WITH
 * clause goes up, because that may modify data, and so do ORDER BY and LIMIT,
 * because nothing keeps the order of a subquery.  DISTINCT ON keeps its order
 * inside too: that says which rows it takes.
 */
static void
nest_query(Query *query)
{
	Query	   *inner = makeNode(Query);
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	Index		depth = 0;
	ListCell   *lc;

	memcpy(inner, query, sizeof(Query));
	memset(query, 0, sizeof(Query));
	NodeSetTag(query, T_Query);
	query->commandType = CMD_SELECT;
	query->querySource = inner->querySource;
	query->queryId = inner->queryId;
	query->canSetTag = inner->canSetTag;
	query->stmt_location = inner->stmt_location;
	query->stmt_len = inner->stmt_len;
	query->hasSubLinks = inner->hasSubLinks;

	query->cteList = inner->cteList;
	query->hasRecursive = inner->hasRecursive;
	query->hasModifyingCTE = inner->hasModifyingCTE;
	inner->cteList = NIL;
	inner->hasRecursive = false;
	inner->hasModifyingCTE = false;

	query->limitOffset = inner->limitOffset;
	query->limitCount = inner->limitCount;
	query->limitOption = inner->limitOption;
	inner->limitOffset = NULL;
	inner->limitCount = NULL;
	inner->limitOption = LIMIT_OPTION_COUNT;
	(void) query_tree_walker(inner, raise_cte_references, &depth, QTW_EXAMINE_RTES_BEFORE);

	query->sortClause = copyObject(inner->sortClause);
	if (!inner->hasDistinctOn)
		inner->sortClause = NIL;

	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = inner;
	rte->eref = makeAlias("unnamed_subquery", NIL);
	rte->inFromCl = true;
	foreach(lc, inner->targetList)
	{
		TargetEntry *source = lfirst(lc);
		TargetEntry *entry;
		bool		sorts = source->ressortgroupref != 0 &&
		get_sortgroupref_clause_noerr(source->ressortgroupref, query->sortClause) != NULL;

		if (source->resjunk && !sorts)
			continue;
		entry = makeTargetEntry((Expr *) makeVarFromTargetEntry(1, source),
								list_length(query->targetList) + 1, source->resname,
								source->resjunk);
		source->resjunk = false;
		source->resno = entry->resno;
		((Var *) entry->expr)->varattno = entry->resno;
		entry->resorigtbl = source->resorigtbl;
		entry->resorigcol = source->resorigcol;
		entry->ressortgroupref = sorts ? source->ressortgroupref : 0;
		query->targetList = lappend(query->targetList, entry);
		rte->eref->colnames = lappend(rte->eref->colnames,
									  makeString(source->resname ? source->resname : "?column?"));
	}
	query->rtable = list_make1(rte);
	ref->rtindex = 1;
	query->jointree = makeFromExpr(list_make1(ref), NULL);
}

/* Open the results of a statement.  Done twice, it changes nothing more. */
static void
open_results(Query *query)
{
	switch (query->commandType)
	{
		case CMD_SELECT:
			if (!any_encrypted(query->targetList))
				break;
			if (query->distinctClause || query->setOperations || sorts_volatile(query->targetList))
				nest_query(query);
			query->targetList = open_targets(query->targetList);
			break;
		case CMD_UTILITY:
			/* EXPLAIN comes here again; what CREATE TABLE AS gets, it stores */
			if (IsA(query->utilityStmt, DeclareCursorStmt))
				open_results(inner_query(query));
			break;
		default:
			if (any_encrypted(query->returningList))
				query->returningList = open_targets(query->returningList);
			break;
	}
}

/*
 * Parameters
 */

/* Are the types of this statement's parameters still to be told the client? */
static VariableParams *
variable_params(ParseState *pstate)
{
	static ParseParamRefHook paramref_hook = NULL;
	static CoerceParamHook coerce_hook = NULL;

	if (pstate->p_paramref_hook == NULL)
		return NULL;
	if (paramref_hook == NULL)
	{
		ParseState *sample = make_parsestate(NULL);

		setup_parse_variable_parameters(sample, NULL, NULL);
		paramref_hook = sample->p_paramref_hook;
		coerce_hook = sample->p_coerce_param_hook;
		free_parsestate(sample);
	}
	if (pstate->p_paramref_hook != paramref_hook || pstate->p_coerce_param_hook != coerce_hook)
		return NULL;
	return pstate->p_ref_hook_state;
}

/* What clients are told of a parameter's type; InvalidOid for most types. */
static Oid
parameter_base(Oid type)
{
	Oid			base = wire_type(type);

	if (!OidIsValid(base) && type >= FirstNormalObjectId)
		base = cellenc_array_operand_base(type);
	return base;
}

/* Parameters of an encrypted type become sealed parameters of the base. */
static Node *
seal_parameters(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, seal_parameters, context, 0);

	if (IsA(node, FuncExpr) && list_length(((FuncExpr *) node)->args) == 3 &&
		IsA(linitial(((FuncExpr *) node)->args), Param))
	{
		/* under its column's length coercion: that and the cast in one */
		FuncExpr   *func = (FuncExpr *) node;
		Param	   *param = copyObject(linitial_node(Param, func->args));
		const CellencTwin *twin = cellenc_twin_lookup(param->paramtype);

		if (twin && param->paramkind == PARAM_EXTERN && func->funcid == twin->apply)
		{
			FuncExpr   *result;

			param->paramtype = twin->base;
			param->paramtypmod = -1;
			result = makeFuncExpr(twin->seal, twin->type,
								  list_make3(param, lsecond(func->args), lthird(func->args)),
								  func->funccollid, func->inputcollid, func->funcformat);
			result->location = func->location;
			return (Node *) result;
		}
	}
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN)
	{
		Param	   *param = (Param *) node;
		Oid			base = parameter_base(param->paramtype);

		if (OidIsValid(base))
		{
			Oid			type = param->paramtype;
			Node	   *sealed;

			param = copyObject(param);
			param->paramtype = base;
			param->paramtypmod = -1;
			sealed = coerce_to_target_type(NULL, (Node *) param, base, type, -1,
										   COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
			/* the parser has done so for its own nodes */
			assign_expr_collations(NULL, sealed);
			return sealed;
		}
	}
	return expression_tree_mutator(node, seal_parameters, context);
}

static void
take_base_parameters(VariableParams *params, Query *query)
{
	bool		any = false;
	Query	   *inner;

	for (int i = 0; i < *params->ntypes; i++)
	{
		Oid			base = parameter_base((*params->types)[i]);

		if (OidIsValid(base))
		{
			(*params->types)[i] = base;
			any = true;
		}
	}
	if (!any)
		return;

	inner = inner_query(query);
	(void) query_tree_mutator(inner ? inner : query, seal_parameters, NULL, QTW_DONT_COPY_QUERY);
}

/*
 * What the log must not show
 */

/*
 * Does a query read or write encrypted columns, or take parameters of such
 * types?  Every statement asks, so what can have neither is not walked through.
 */
static bool
handles_encrypted(Node *node, void *context)
{
	const bool *has_parameters = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		return rte->rtekind == RTE_RELATION && rte->relid >= FirstNormalObjectId &&
			cellenc_relinfo(rte->relid)->ncolumns > 0;
	}
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (query->commandType == CMD_UTILITY)
			return handles_encrypted((Node *) inner_query(query), context);
		if (!query->hasSubLinks && !*has_parameters)
			return range_table_walker(query->rtable, handles_encrypted, context, QTW_EXAMINE_RTES_BEFORE) ||
				expression_tree_walker((Node *) query->cteList, handles_encrypted, context);
		return query_tree_walker(query, handles_encrypted, context, QTW_EXAMINE_RTES_BEFORE);
	}
	if (IsA(node, Param))
		return OidIsValid(parameter_base(((Param *) node)->paramtype));
	return expression_tree_walker(node, handles_encrypted, context);
}

/*
 * Hooks
 */

/* The EXECUTE in a utility command, directly or in EXPLAIN or CREATE TABLE AS. */
static ExecuteStmt *
find_execute(Node *stmt, bool *stores)
{
	for (;;)
	{
		Query	   *query;

		if (IsA(stmt, ExecuteStmt))
			return (ExecuteStmt *) stmt;
		if (IsA(stmt, CreateTableAsStmt))
		{
			*stores = true;
			query = (Query *) ((CreateTableAsStmt *) stmt)->query;
		}
		else if (IsA(stmt, ExplainStmt))
			query = (Query *) ((ExplainStmt *) stmt)->query;
		else
			return NULL;
		if (query == NULL || !IsA(query, Query) || query->commandType != CMD_UTILITY)
			return NULL;
		stmt = query->utilityStmt;
	}
}

/* Was this prepared statement's result left encrypted? */
static bool
returns_encrypted(CachedPlanSource *source)
{
	for (int i = 0; source->resultDesc && i < source->resultDesc->natts; i++)
	{
		if (OidIsValid(wire_type(TupleDescAttr(source->resultDesc, i)->atttypid)))
			return true;
	}
	return false;
}

/*
 * The prepared statement whose rows go to the client just now.  EXECUTE is over
 * then, but if the statement has become stale meanwhile, it is analyzed again
 * to tell where its columns come from.
 */
static CachedPlanSource *
sent_statement(void)
{
	PlannedStmt *stmt;
	ExecuteStmt *execute;
	PreparedStatement *prepared;
	bool		stores = false;

	if (!ActivePortal || list_length(ActivePortal->stmts) != 1)
		return NULL;
	stmt = linitial_node(PlannedStmt, ActivePortal->stmts);
	execute = stmt->commandType == CMD_UTILITY ? find_execute(stmt->utilityStmt, &stores) : NULL;
	prepared = execute ? FetchPreparedStatement(execute->name, false) : NULL;
	return prepared ? prepared->plansource : NULL;
}

/*
 * Is this the client's own statement, or one that EXECUTE has analyzed again?
 * A stale statement is analyzed again for Describe outside any command.
 */
static bool
is_from_client(ParseState *pstate)
{
	CachedPlanSource *sent;

	if (pstate->p_sourcetext == NULL)
		return false;
	if (pstate->p_sourcetext == executed_text)
		return executed_is_open;
	if (utility_depth > 0)
		return false;
	if (debug_query_string == NULL)
		return ActivePortal == NULL && MyBackendType == B_BACKEND;
	if (pstate->p_sourcetext == debug_query_string)
		return true;
	sent = sent_statement();
	if (sent && pstate->p_sourcetext == sent->query_string)
		return !returns_encrypted(sent);

	/* Execute reports a copy, but utility commands get the portal's own text */
	return ActivePortal && pstate->p_sourcetext == ActivePortal->sourceText;
}

static void
after_parse_analysis(ParseState *pstate, Query *query, JumbleState *jstate)
{
	VariableParams *variable;
	bool		has_parameters;

	if (prev_post_parse_analyze_hook)
		prev_post_parse_analyze_hook(pstate, query, jstate);

	/* on 17, looking into a catalog while ROLLBACK is analyzed breaks it */
	if (!IsTransactionState() || !is_from_client(pstate))
		return;

	if (query->commandType != CMD_UTILITY || !IsA(query->utilityStmt, VariableSetStmt))
		cellenc_guc_session_started = true;

	variable = variable_params(pstate);
	has_parameters = variable ? *variable->ntypes > 0 : pstate->p_paramref_hook != NULL;
	if (handles_encrypted((Node *) query, &has_parameters))
	{
		if (variable)
			cellenc_redact_remember(pstate->p_sourcetext);
		else
			cellenc_redact_touch();
	}

	/* sealed output is for dumps, which know what they are doing */
	if (cellenc_guc_wire_types && cellenc_guc_output == CELLENC_TEXT_PLAIN)
	{
		if (variable)
			take_base_parameters(variable, query);
		open_results(query);
	}
}

static bool
calls_wire(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && list_length(((FuncExpr *) node)->args) == 1)
	{
		FuncExpr   *func = (FuncExpr *) node;
		Oid			type = exprType(linitial(func->args));
		const CellencTwin *twin = type < FirstNormalObjectId ? NULL : cellenc_twin_lookup(type);

		if (twin && func->funcid == twin->wire)
			return true;
	}
	return expression_tree_walker(node, calls_wire, context);
}

/* Does what this command analyzes itself go to the client? */
static bool
passes_query_on(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_PrepareStmt:
		case T_ExecuteStmt:
		case T_DeclareCursorStmt:
			return true;
		case T_CopyStmt:
			return ((CopyStmt *) stmt)->query != NULL;
		case T_ExplainStmt:
			{
				Query	   *query = (Query *) ((ExplainStmt *) stmt)->query;

				return !(IsA(query, Query) && query->commandType == CMD_UTILITY &&
						 IsA(query->utilityStmt, CreateTableAsStmt));
			}
		default:
			return false;
	}
}

/* Note what EXECUTE is about to run, and refuse to store an opened result. */
static void
note_execute(ExecuteStmt *execute, bool stores)
{
	CachedPlanSource *source = FetchPreparedStatement(execute->name, true)->plansource;

	executed_text = source->query_string;
	executed_is_open = !returns_encrypted(source);
	if (stores && executed_is_open &&
		calls_wire((Node *) CachedPlanGetTargetList(source, NULL), NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot create a table from prepared statement \"%s\", which returns encrypted columns as plaintext",
						execute->name),
				 errhint("Use CREATE TABLE ... AS with the query itself.")));
}

static void
run_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
			DestReceiver *dest, QueryCompletion *qc)
{
	bool		stores = false;
	ExecuteStmt *execute = IsTransactionState() ? find_execute(pstmt->utilityStmt, &stores) : NULL;

	if (execute)
		note_execute(execute, stores);
	if (prev_process_utility_hook)
		prev_process_utility_hook(pstmt, queryString, readOnlyTree, context, params, queryEnv,
								  dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv,
								dest, qc);
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
				DestReceiver *dest, QueryCompletion *qc)
{
	const char *outer_text = executed_text;
	bool		outer_is_open = executed_is_open;
	int			outer_depth = utility_depth;

	PG_TRY();
	{
		if (!passes_query_on(pstmt->utilityStmt))
			utility_depth++;
		run_utility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	}
	PG_FINALLY();
	{
		utility_depth = outer_depth;
		executed_text = outer_text;
		executed_is_open = outer_is_open;
	}
	PG_END_TRY();
}

void
cellenc_wire_init(void)
{
	prev_post_parse_analyze_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = after_parse_analysis;
	prev_process_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
