/*-------------------------------------------------------------------------
 *
 * syscat.c
 *	  Rows of the system catalogs as the command at hand has left them.
 *
 * For object access hooks, which run in the midst of a command: what it has
 * changed is not visible to ordinary snapshots, nor to the system caches, yet.
 * So these read with SnapshotSelf.
 *
 * Touches nothing of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "syscat.h"

/* The first row that matches, as a copy; desc, unless NULL, gets its columns. */
static HeapTuple
first_row(Oid catalog, Oid index, ScanKey keys, int nkeys, Snapshot snapshot, TupleDesc *desc)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, index, true, snapshot, nkeys, keys);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	if (desc)
		*desc = CreateTupleDescCopy(RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tuple;
}

HeapTuple
cellenc_syscat_row(Oid catalog, Oid index, AttrNumber oidattr, Oid oid)
{
	ScanKeyData key;

	ScanKeyInit(&key, oidattr, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	return first_row(catalog, index, &key, 1, SnapshotSelf, NULL);
}

HeapTuple
cellenc_syscat_visible_row(Oid catalog, Oid index, AttrNumber oidattr, Oid oid, TupleDesc *desc)
{
	ScanKeyData key;

	ScanKeyInit(&key, oidattr, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	return first_row(catalog, index, &key, 1, NULL, desc);
}

HeapTuple
cellenc_syscat_attribute(Oid relid, AttrNumber attnum)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(attnum));
	return first_row(AttributeRelationId, AttributeRelidNumIndexId, keys, 2, SnapshotSelf, NULL);
}
