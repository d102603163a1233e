/*-------------------------------------------------------------------------
 *
 * convert_shadow.c
 *	  What a conversion makes beside a table: shadow, log, map and trigger.
 *
 * All of it belongs to the extension, so that no dump has it and nobody drops
 * it by the way.  The shadow's owner is the table's, because the expressions of
 * its indexes are his, and whoever has it analyzed runs them as its owner; but
 * nobody may use its schema, so that nobody reads or changes it.  relrewrite is
 * set, as in the heap that ALTER TABLE writes:
 * logical decoding leaves such relations out, and rotation too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/toasting.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"

#define EXTENSION "cellenc"

List *
cellenc_convert_leaves(Oid relation, int lockmode)
{
	List	   *leaves = NIL;
	ListCell   *lc;

	if (lockmode != NoLock)
		LockRelationOid(relation, lockmode);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
		return NIL;
	foreach(lc, find_all_inheritors(relation, lockmode, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_PARTITIONED_TABLE)
			leaves = lappend_oid(leaves, lfirst_oid(lc));
	}
	return leaves;
}

AttrNumber
cellenc_convert_attnum(const CellencConversion *conversion, Oid leaf)
{
	char	   *name;
	AttrNumber	attnum;

	if (leaf == conversion->relation)
		return conversion->attnum;
	name = get_attname(conversion->relation, conversion->attnum, false);
	attnum = get_attnum(leaf, name);
	if (attnum <= 0)
		elog(ERROR, "could not find column \"%s\" of relation %u", name, leaf);
	return attnum;
}

Oid
cellenc_convert_owner(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

Oid
cellenc_convert_toast(Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid			toast;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	toast = ((Form_pg_class) GETSTRUCT(tuple))->reltoastrelid;
	ReleaseSysCache(tuple);
	return toast;
}

/*
 * Making
 */

static void
set_relrewrite(Oid relid, Oid target)
{
	Relation	rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	((Form_pg_class) GETSTRUCT(tuple))->relrewrite = target;
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

static void
adopt(Oid relid)
{
	ObjectAddress self;
	ObjectAddress extension;

	ObjectAddressSet(self, RelationRelationId, relid);
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid(EXTENSION, false));
	recordDependencyOn(&self, &extension, DEPENDENCY_EXTENSION);
}

static Datum
reloptions_of(Oid relid, bool autovacuum)
{
	HeapTuple	tuple;
	Datum		options;
	bool		isnull;

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	options = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &isnull);
	if (isnull)
		options = (Datum) 0;
	else
		options = PointerGetDatum(PG_DETOAST_DATUM_COPY(options));
	ReleaseSysCache(tuple);
	if (autovacuum)
		return options;

	/* ANALYZE would keep values, and VACUUM has nothing to do there */
	return transformRelOptions(options,
							   list_make1(makeDefElem("autovacuum_enabled", (Node *) makeString("false"), -1)),
							   NULL, NULL, false, false);
}

/* An empty heap that the rows of rel go to. */
static Oid
make_heap(const CellencConversion *conversion, Relation rel, const char *name)
{
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(rel));
	AttrNumber	attnum = cellenc_convert_attnum(conversion, RelationGetRelid(rel));
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);
	Oid			toast = rel->rd_rel->reltoastrelid;
	Oid			new_toast;
	Oid			heap;

	TupleDescInitEntry(desc, attnum, pstrdup(NameStr(att->attname)), conversion->type,
					   conversion->typmod, att->attndims);
	TupleDescInitEntryCollation(desc, attnum, conversion->collation);

	heap = heap_create_with_catalog(name, get_namespace_oid(CELLENC_CONVERT_SCHEMA, false),
									rel->rd_rel->reltablespace, InvalidOid, InvalidOid, InvalidOid,
									rel->rd_rel->relowner, rel->rd_rel->relam, desc, NIL,
									RELKIND_RELATION, rel->rd_rel->relpersistence, false, false,
									ONCOMMIT_NOOP, reloptions_of(RelationGetRelid(rel), false),
									false, true, true, RelationGetRelid(rel), NULL);
	CommandCounterIncrement();
	NewHeapCreateToastTable(heap, OidIsValid(toast) ? reloptions_of(toast, true) : (Datum) 0,
							AccessExclusiveLock, toast);
	CommandCounterIncrement();

	/* where the table itself has no TOAST table */
	new_toast = cellenc_convert_toast(heap);
	if (OidIsValid(new_toast) && !OidIsValid(toast))
		set_relrewrite(new_toast, RelationGetRelid(rel));
	adopt(heap);
	return heap;
}

static Oid
make_side_table(Relation rel, const char *name, const char *columns)
{
	Oid			relid;

	cellenc_convert_run("CREATE %sTABLE " CELLENC_CONVERT_SCHEMA ".%s (%s)",
						rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "",
						name, columns);
	relid = get_relname_relid(name, get_namespace_oid(CELLENC_CONVERT_SCHEMA, false));
	set_relrewrite(relid, RelationGetRelid(rel));
	adopt(relid);
	return relid;
}

/*
 * The trigger fires whatever session_replication_role is.  It is an internal
 * one, which neither dumps nor \d show.
 */
static Oid
make_trigger(Relation rel, Oid log)
{
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);
	Oid			function = LookupFuncName(list_make2(makeString(EXTENSION), makeString("conversion_note")),
										  0, NULL, false);

	stmt->trigname = "cellenc_conversion";
	stmt->args = list_make1(makeString(psprintf("%u", log)));
	stmt->row = true;
	stmt->timing = TRIGGER_TYPE_AFTER;
	stmt->events = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_DELETE | TRIGGER_TYPE_UPDATE;
	return CreateTriggerFiringOn(stmt, NULL, RelationGetRelid(rel), InvalidOid, InvalidOid, InvalidOid,
								 function, InvalidOid, NULL, true, false, TRIGGER_FIRES_ALWAYS).objectId;
}

void
cellenc_convert_make_shadow(const CellencConversion *conversion, Relation rel,
							CellencConvertHeap *heap)
{
	char	   *name = psprintf("conversion_" INT64_FORMAT "_%u", conversion->job, RelationGetRelid(rel));

	memset(heap, 0, sizeof(*heap));
	heap->relation = RelationGetRelid(rel);
	heap->file = rel->rd_rel->relfilenode;
	heap->shadow = make_heap(conversion, rel, name);
	heap->log = make_side_table(rel, psprintf("%s_log", name), "old_row tid, new_row tid");
	heap->map = make_side_table(rel, psprintf("%s_map", name), "block bigint PRIMARY KEY, rows bytea");
	heap->trigger = make_trigger(rel, heap->log);
	heap->end_block = RelationGetNumberOfBlocks(rel);
	CommandCounterIncrement();
}

/*
 * Looking after
 */

static bool
trigger_is_there(const CellencConvertHeap *heap, Relation rel)
{
	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		if (rel->trigdesc->triggers[i].tgoid == heap->trigger)
			return rel->trigdesc->triggers[i].tgenabled == TRIGGER_FIRES_ALWAYS;
	}
	return false;
}

static bool
columns_fit(const CellencConversion *conversion, TupleDesc desc, AttrNumber attnum, TupleDesc shadow)
{
	if (desc->natts != shadow->natts)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Form_pg_attribute copy = TupleDescAttr(shadow, i);

		if (att->attisdropped != copy->attisdropped)
			return false;
		if (att->attnum == attnum)
		{
			if (copy->atttypid != conversion->type || copy->atttypmod != conversion->typmod)
				return false;
		}
		else if (!att->attisdropped &&
				 (att->atttypid != copy->atttypid || att->atttypmod != copy->atttypmod))
			return false;
	}
	return true;
}

bool
cellenc_convert_shadow_fits(const CellencConversion *conversion, const CellencConvertHeap *heap,
							Relation rel)
{
	AttrNumber	attnum = cellenc_convert_attnum(conversion, heap->relation);
	Relation	shadow;
	bool		fits;

	if (rel->rd_rel->relfilenode != heap->file || !trigger_is_there(heap, rel))
		return false;
	shadow = table_open(heap->shadow, AccessShareLock);
	fits = columns_fit(conversion, RelationGetDescr(rel), attnum, RelationGetDescr(shadow));
	table_close(shadow, NoLock);
	return fits;
}

static void
leave_extension(Oid classid, Oid objectid)
{
	(void) deleteDependencyRecordsForClass(classid, objectid, ExtensionRelationId, DEPENDENCY_EXTENSION);
}

static void
drop(Oid classid, Oid objectid)
{
	ObjectAddress object;

	ObjectAddressSet(object, classid, objectid);
	if (classid == RelationRelationId)
	{
		LockRelationOid(objectid, AccessExclusiveLock);
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(objectid)))
			return;
		leave_extension(RelationRelationId, objectid);
		/* since 17, pg_upgrade has made these members as well */
		leave_extension(TypeRelationId, get_rel_type_id(objectid));
		leave_extension(TypeRelationId, get_array_type(get_rel_type_id(objectid)));
		CommandCounterIncrement();
	}
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

void
cellenc_convert_drop_shadow(const CellencConvertHeap *heap)
{
	Oid			trigger_rel = InvalidOid;
	Relation	rel = try_table_open(heap->relation, AccessExclusiveLock);

	if (rel)
	{
		for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
		{
			if (rel->trigdesc->triggers[i].tgoid == heap->trigger)
				trigger_rel = heap->relation;
		}
		table_close(rel, NoLock);
	}
	if (OidIsValid(trigger_rel))
		drop(TriggerRelationId, heap->trigger);
	drop(RelationRelationId, heap->log);
	drop(RelationRelationId, heap->map);
	drop(RelationRelationId, heap->shadow);
}
