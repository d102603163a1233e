/*-------------------------------------------------------------------------
 *
 * guard_expr.c
 *	  The guard's rules on expressions: nothing made of a value is stored in
 *	  plain.
 *
 * PostgreSQL refuses most of it, because no function that opens a value is
 * IMMUTABLE.  But comparison and hash functions of arrays are, whatever the
 * elements; and extended statistics take any function.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_statistic_ext.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "guard.h"
#include "syscat.h"
#include "twin.h"
#include "walk.h"

/* Does an expression depend on more of an encrypted column than its nulls? */
static bool
reads_encrypted(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, NullTest) && IsA(((NullTest *) node)->arg, Var))
		return false;
	if (IsA(node, Var))
		return cellenc_walk_contains(((Var *) node)->vartype);
	return expression_tree_walker(node, reads_encrypted, context);
}

static void
check_generated(const char *column, Oid type, Node *expr)
{
	if (cellenc_walk_contains(type) || !reads_encrypted(expr, NULL))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("generated column \"%s\" would store in plain text what it is computed from",
					column),
			 errhint("Use an encrypted type for the column, or compute the expression in a view.")));
}

/* The stored generation expression of a column; NULL: none. */
static Node *
read_default(Oid relid, AttrNumber attno)
{
	Relation	rel = table_open(AttrDefaultRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Node	   *expr = NULL;
	bool		isnull;

	ScanKeyInit(&keys[0], Anum_pg_attrdef_adrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attrdef_adnum, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(attno));
	scan = systable_beginscan(rel, AttrDefaultIndexId, true, SnapshotSelf, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		expr = stringToNode(TextDatumGetCString(heap_getattr(tuple, Anum_pg_attrdef_adbin,
															 RelationGetDescr(rel), &isnull)));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return expr;
}

void
cellenc_guard_check_generated(Oid relid, AttrNumber attno)
{
	HeapTuple	tuple = SearchSysCacheAttNum(relid, attno);
	Form_pg_attribute att;

	if (!HeapTupleIsValid(tuple))
		return;
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	if (att->attgenerated == ATTRIBUTE_GENERATED_STORED)
		check_generated(NameStr(att->attname), att->atttypid, read_default(relid, attno));
	ReleaseSysCache(tuple);
}

static void
refuse_statistics(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("statistics object \"%s\" would store values of encrypted columns", name),
			 errhint("Leave encrypted columns out of extended statistics.")));
}

void
cellenc_guard_check_statistics(Oid statistics)
{
	HeapTuple	tuple = cellenc_syscat_row(StatisticExtRelationId, StatisticExtOidIndexId,
										   Anum_pg_statistic_ext_oid, statistics);
	Form_pg_statistic_ext form;
	Relation	rel;
	Datum		exprs;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_statistic_ext) GETSTRUCT(tuple);
	for (int i = 0; i < form->stxkeys.dim1; i++)
	{
		if (cellenc_walk_contains(get_atttype(form->stxrelid, form->stxkeys.values[i])))
			refuse_statistics(NameStr(form->stxname));
	}

	rel = table_open(StatisticExtRelationId, AccessShareLock);
	exprs = heap_getattr(tuple, Anum_pg_statistic_ext_stxexprs, RelationGetDescr(rel), &isnull);
	table_close(rel, AccessShareLock);
	if (!isnull && reads_encrypted(stringToNode(TextDatumGetCString(exprs)), NULL))
		refuse_statistics(NameStr(form->stxname));
}
