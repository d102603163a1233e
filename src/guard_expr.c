/*-------------------------------------------------------------------------
 *
 * guard_expr.c
 *	  The guard's rules on expressions: nothing made of a value is stored in
 *	  plain, and no constant is stored under a column's key.
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
#include "access/transam.h"
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

/*
 * The type of a constant that its input function sealed under a column's key:
 * the fields of a composite value know theirs.  *found is InvalidOid without.
 */
static bool
find_sealed_constant(Node *node, void *context)
{
	Oid		   *found = context;

	if (node == NULL)
		return false;
	if (IsA(node, Const) && !((Const *) node)->constisnull &&
		((Const *) node)->consttype >= FirstNormalObjectId)
	{
		Const	   *constant = (Const *) node;
		CellencWalk *walk = cellenc_walk_plan(constant->consttype, constant->consttypmod);
		ListCell   *lc;

		if (walk)
		{
			foreach(lc, cellenc_walk_leaves(walk))
			{
				if (((CellencLeaf *) lfirst(lc))->typmod >= 0)
				{
					*found = constant->consttype;
					return true;
				}
			}
		}
		return false;
	}
	return expression_tree_walker(node, find_sealed_constant, context);
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

/*
 * A constant under the column's key would be the same bytes in every row, and
 * under the version of the day for ever.
 */
static void
check_constants(const char *column, Node *expr)
{
	Oid			type = InvalidOid;

	if (!find_sealed_constant(expr, &type))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("default of column \"%s\" has a literal of type %s, which holds encrypted values",
					column, format_type_be(type)),
			 errdetail("Every row would store the same encrypted bytes, under today's version of the key."),
			 errhint("Write it as a row, as in ROW(...)::%s.", format_type_be(type))));
}

/* The stored default or generation expression of a column; NULL: none. */
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
cellenc_guard_check_default(Oid relid, AttrNumber attno)
{
	Node	   *expr = read_default(relid, attno);
	HeapTuple	tuple;
	Form_pg_attribute att;

	if (!expr)
		return;
	tuple = SearchSysCacheAttNum(relid, attno);
	if (!HeapTupleIsValid(tuple))
		return;
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	if (att->attgenerated == ATTRIBUTE_GENERATED_STORED)
		check_generated(NameStr(att->attname), att->atttypid, expr);
	check_constants(NameStr(att->attname), expr);
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
	HeapTuple	tuple = cellenc_guard_read(StatisticExtRelationId, StatisticExtOidIndexId,
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
