/*-------------------------------------------------------------------------
 *
 * plan_minmax.c
 *	  MIN and MAX of encrypted columns from an index.
 *
 * PostgreSQL takes min(x) from an index by planning `SELECT x ... WHERE x IS NOT
 * NULL ORDER BY x LIMIT 1` instead.  It does not for min(open(x)), because no
 * index knows that expression; so this does the same, under the same conditions
 * as planagg.c has, with x ordered by the encrypted type's own operators.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "plan_minmax.h"
#include "plan_open.h"
#include "twin.h"

/* What the query asks for. */
typedef struct Extremes
{
	Query	   *query;
	RangeTblEntry *table;
	int			varno;
	bool		possible;		/* nothing stands against it so far */
	bool		any;
} Extremes;

/* The column, encrypted with search by order, that expr opens; NULL: none. */
static Var *
opened_column(Node *expr, int varno)
{
	Var		   *var = (Var *) cellenc_plan_opened(expr);

	if (!var || !IsA(var, Var) || !cellenc_twin_is(var->vartype) || var->varno != varno ||
		var->varlevelsup != 0 || var->varattno <= 0 || var->vartypmod < 0 ||
		CELLENC_TYPMOD_SEARCH(var->vartypmod) != CELLENC_SEARCH_ORDER)
		return NULL;
	return var;
}

/* Strategy of the order in which an aggregate takes the first; 0: it is another. */
static int
extreme_strategy(Aggref *agg, const CellencTwin *twin)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(agg->aggfnoid));
	Oid			sortop;
	Oid			family;

	if (!HeapTupleIsValid(tuple))
		return 0;
	sortop = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggsortop;
	ReleaseSysCache(tuple);
	family = lookup_type_cache(twin->base, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
	if (!OidIsValid(sortop) || !OidIsValid(family))
		return 0;
	return get_op_opfamily_strategy(sortop, family);
}

/* Does a btree over the whole table begin with this column, ordered by value? */
static bool
has_index(Oid relid, AttrNumber attno, Oid type)
{
	Relation	rel = table_open(relid, NoLock);
	Oid			family = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
	List	   *indexes = RelationGetIndexList(rel);
	bool		result = false;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		result |= index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisvalid &&
			index->rd_index->indkey.values[0] == attno && index->rd_opfamily[0] == family;
		index_close(index, NoLock);
	}
	list_free(indexes);
	table_close(rel, NoLock);
	return result;
}

static bool
find_extremes(Node *node, void *context)
{
	Extremes   *extremes = context;

	if (node == NULL || !extremes->possible)
		return false;
	if (IsA(node, Aggref))
	{
		Aggref	   *agg = (Aggref *) node;
		Var		   *var = NULL;

		/* an ORDER BY in it changes nothing, nor does DISTINCT */
		if (agg->agglevelsup == 0 && list_length(agg->args) == 1 && !agg->aggfilter)
			var = opened_column((Node *) linitial_node(TargetEntry, agg->args)->expr, extremes->varno);
		if (!var || extreme_strategy(agg, cellenc_twin_require(var->vartype)) == 0 ||
			!has_index(extremes->table->relid, var->varattno, var->vartype))
			extremes->possible = false;
		extremes->any = true;
		return false;
	}
	/* a column besides would have nothing to come from */
	if (IsA(node, Var) || IsA(node, SubLink) || IsA(node, GroupingFunc))
	{
		extremes->possible = false;
		return false;
	}
	return expression_tree_walker(node, find_extremes, context);
}

/* SELECT open(var) FROM ... WHERE ... AND var IS NOT NULL ORDER BY var LIMIT 1 */
static Query *
extreme_query(Query *query, Aggref *agg, Var *var)
{
	const CellencTwin *twin = cellenc_twin_require(var->vartype);
	int			strategy = extreme_strategy(agg, twin);
	Oid			family = lookup_type_cache(twin->type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;
	Query	   *result = copyObject(query);
	NullTest   *test = makeNode(NullTest);
	SortGroupClause *sort = makeNode(SortGroupClause);
	TargetEntry *opened = makeTargetEntry(copyObject(linitial_node(TargetEntry, agg->args)->expr),
										  1, NULL, false);
	TargetEntry *key = makeTargetEntry((Expr *) copyObject(var), 2, NULL, true);

	test->nulltesttype = IS_NOT_NULL;
	test->arg = (Expr *) copyObject(var);
	test->location = -1;
	result->jointree->quals = make_and_qual(result->jointree->quals, (Node *) test);

	key->ressortgroupref = 1;
	sort->tleSortGroupRef = 1;
	sort->eqop = get_opfamily_member(family, twin->type, twin->type, BTEqualStrategyNumber);
	sort->sortop = get_opfamily_member(family, twin->type, twin->type, strategy);
	cellenc_set_reverse_sort(sort, strategy == BTGreaterStrategyNumber);
	sort->nulls_first = strategy == BTGreaterStrategyNumber;
	result->sortClause = list_make1(sort);
	result->distinctClause = NIL;
	result->targetList = list_make2(opened, key);
	result->hasAggs = false;
	result->havingQual = NULL;
	result->limitOffset = NULL;
	result->limitCount = (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
											Int64GetDatum(1), false, FLOAT8PASSBYVAL);
	result->limitOption = LIMIT_OPTION_COUNT;
	/* what it refers to further out is one level further now */
	IncrementVarSublevelsUp((Node *) result, 1, 1);
	return result;
}

static Node *
replace_extremes(Node *node, void *context)
{
	Extremes   *extremes = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Aggref))
	{
		Aggref	   *agg = (Aggref *) node;
		Var		   *var = opened_column((Node *) linitial_node(TargetEntry, agg->args)->expr,
										extremes->varno);
		SubLink    *link = makeNode(SubLink);

		link->subLinkType = EXPR_SUBLINK;
		link->subselect = (Node *) extreme_query(extremes->query, agg, var);
		link->location = -1;
		return (Node *) link;
	}
	return expression_tree_mutator(node, replace_extremes, context);
}

void
cellenc_plan_minmax(Query *query)
{
	Extremes	extremes = {0};
	RangeTblRef *ref;

	if (query->commandType != CMD_SELECT || !query->hasAggs || query->groupClause ||
		query->groupingSets || query->hasWindowFuncs || query->hasTargetSRFs || query->setOperations ||
		query->rowMarks || query->cteList || query->havingQual || query->hasSubLinks ||
		list_length(query->rtable) != 1 || list_length(query->jointree->fromlist) != 1)
		return;

	ref = linitial(query->jointree->fromlist);
	if (!IsA(ref, RangeTblRef))
		return;
	extremes.query = query;
	extremes.varno = ref->rtindex;
	extremes.table = rt_fetch(ref->rtindex, query->rtable);
	extremes.possible = extremes.table->rtekind == RTE_RELATION && !extremes.table->securityQuals &&
		!extremes.table->tablesample;
	(void) find_extremes((Node *) query->targetList, &extremes);
	if (!extremes.possible || !extremes.any)
		return;

	query->targetList = (List *) replace_extremes((Node *) query->targetList, &extremes);
	query->hasAggs = false;
	query->hasSubLinks = true;
	query->rtable = NIL;
	cellenc_clear_perminfos(query);
	query->jointree = makeFromExpr(NIL, NULL);
	/* one row, whatever it would be sorted by */
	query->sortClause = NIL;
}
