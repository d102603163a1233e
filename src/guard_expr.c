/*-------------------------------------------------------------------------
 *
 * guard_expr.c
 *	  The guard's rules on expressions: nothing made of a value is stored in
 *	  plain, and no value is stored in two rows under one nonce.
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
#include "catalog/pg_class.h"
#include "catalog/pg_statistic_ext.h"
#include "nodes/nodeFuncs.h"
#include "storage/bufmgr.h"
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

/* Was the column there when the statement began? */
static bool
existed(Oid relid, AttrNumber attno)
{
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(attno));
	scan = systable_beginscan(rel, AttributeRelidNumIndexId, true,
							  ActiveSnapshotSet() ? GetActiveSnapshot() : NULL, 2, keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Are there rows that this default of a new column will be put into? */
static bool
fills_rows(Oid relid, AttrNumber attno)
{
	Relation	rel = table_open(relid, AccessShareLock);
	bool		result = RELKIND_HAS_STORAGE(rel->rd_rel->relkind) &&
	RelationGetNumberOfBlocks(rel) > 0;

	table_close(rel, AccessShareLock);
	return result && !existed(relid, attno);
}

/*
 * The planner seals such a constant afresh for every row, but ALTER TABLE
 * does without it.
 */
static void
check_constants(Oid relid, AttrNumber attno, const char *column, Node *expr)
{
	Oid			type = InvalidOid;

	if (!find_sealed_constant(expr, &type) || !fills_rows(relid, attno))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot add column \"%s\" with a literal of type %s as default",
					column, format_type_be(type)),
			 errdetail("All rows would have the same encrypted bytes."),
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
	check_constants(relid, attno, NameStr(att->attname), expr);
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
