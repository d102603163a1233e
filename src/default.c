/*-------------------------------------------------------------------------
 *
 * default.c
 *	  Constants of composite types in the defaults of columns.
 *
 * COPY evaluates defaults without planning a query, so what plan_constant.c
 * does to the constants of queries is done to those of a default when it is
 * created: it is stored with the function around them, and dumped so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "default.h"
#include "plan_constant.h"

static object_access_hook_type prev_object_access_hook = NULL;

/* A copy of the row of a default, as this command left it; NULL where there is none. */
static HeapTuple
read_default(Relation rel, Oid relid, int attnum)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_attrdef_adrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attrdef_adnum, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(attnum));
	scan = systable_beginscan(rel, AttrDefaultIndexId, true, SnapshotSelf, lengthof(keys), keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

static void
change_default(Relation rel, HeapTuple tuple, Node *expr, Oid function)
{
	Datum		values[Natts_pg_attrdef] = {0};
	bool		nulls[Natts_pg_attrdef] = {false};
	bool		replaces[Natts_pg_attrdef] = {false};
	ObjectAddress depender;
	ObjectAddress referenced;
	HeapTuple	new;

	values[Anum_pg_attrdef_adbin - 1] = CStringGetTextDatum(nodeToString(expr));
	replaces[Anum_pg_attrdef_adbin - 1] = true;
	new = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls, replaces);

	/* the row is this command's own, which it may not change */
	CommandCounterIncrement();
	CatalogTupleUpdate(rel, &tuple->t_self, new);

	ObjectAddressSet(depender, AttrDefaultRelationId, ((Form_pg_attrdef) GETSTRUCT(tuple))->oid);
	ObjectAddressSet(referenced, ProcedureRelationId, function);
	recordDependencyOn(&depender, &referenced, DEPENDENCY_NORMAL);
}

static void
wrap_constants(Oid relid, int attnum)
{
	Relation	rel = table_open(AttrDefaultRelationId, RowExclusiveLock);
	HeapTuple	tuple = read_default(rel, relid, attnum);
	bool		isnull = true;
	Datum		adbin = (Datum) 0;

	if (HeapTupleIsValid(tuple))
		adbin = heap_getattr(tuple, Anum_pg_attrdef_adbin, RelationGetDescr(rel), &isnull);
	if (!isnull)
	{
		Node	   *expr = stringToNode(TextDatumGetCString(adbin));
		Oid			function = InvalidOid;

		expr = cellenc_plan_constants_of_default(expr, &function);
		if (OidIsValid(function))
			change_default(rel, tuple, expr, function);
	}
	table_close(rel, RowExclusiveLock);
}

static void
object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	/* here, a default goes by the names of its table and column */
	if (access == OAT_POST_CREATE && classId == AttrDefaultRelationId && IsTransactionState())
		wrap_constants(objectId, subId);
}

void
cellenc_default_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = object_access;
}
