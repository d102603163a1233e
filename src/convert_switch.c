/*-------------------------------------------------------------------------
 *
 * convert_switch.c
 *	  The moment in which a column gets its new type.
 *
 * The definition is changed by ALTER TABLE itself, on files that were emptied a
 * moment before: so PostgreSQL's own code sees to defaults, constraints,
 * privileges, statistics targets and the rest, within milliseconds.  Then the
 * files of the shadow and its indexes take the place of the empty ones, as in
 * cluster.c's swap_relation_files(), which is not there for others.
 *
 * Expressions that ALTER TABLE may evaluate are the table owner's; it runs as
 * the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "catalog/toasting.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"
#include "walk.h"

/*
 * Definition
 */

static void
empty_files(Oid relation)
{
	Relation	rel = table_open(relation, NoLock);

	CheckTableNotInUse(rel, "ALTER TABLE");
	RelationSetNewRelfilenumber(rel, rel->rd_rel->relpersistence);
	table_close(rel, NoLock);
}

/*
 * What the old type modifier demanded of values is demanded by a CHECK from
 * now on; back in a plain type, the CHECK goes on to do so.
 */
static void
add_check(StringInfo sql, const CellencConversion *conversion)
{
	const char *column = quote_identifier(get_attname(conversion->relation, conversion->attnum, false));
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(conversion->relation, conversion->attnum, &type, &typmod, &collation);
	if (typmod < 0 || cellenc_walk_contains(type))
		return;
	if (type == VARCHAROID)
		appendStringInfo(sql, ", ADD CHECK (char_length(%s::text) <= %d)", column,
						 typmod - (int) VARHDRSZ);
	else
		appendStringInfo(sql, ", ADD CHECK (%s::%s = %s::%s)", column, format_type_be(type), column,
						 format_type_with_typemod(type, typmod));
}

static char *
alter_statement(const CellencConversion *conversion)
{
	StringInfoData sql;
	char	   *column = get_attname(conversion->relation, conversion->attnum, false);

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ALTER COLUMN %s TYPE %s",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(conversion->relation)),
												get_rel_name(conversion->relation)),
					 quote_identifier(column),
					 format_type_with_typemod(conversion->type, conversion->typmod));
	if (OidIsValid(conversion->collation) && conversion->collation != get_typcollation(conversion->type))
		appendStringInfo(&sql, " COLLATE %s", generate_collation_name(conversion->collation));
	add_check(&sql, conversion);
	return sql.data;
}

void
cellenc_convert_define(const CellencConversion *conversion)
{
	List	   *views;
	List	   *dependents;
	List	   *indexes;
	ListCell   *lc;

	foreach(lc, cellenc_convert_leaves(conversion->relation, NoLock))
		empty_files(lfirst_oid(lc));
	views = cellenc_convert_take_views(conversion);
	dependents = cellenc_convert_take_dependents(conversion);
	indexes = cellenc_convert_take_indexes(conversion);

	/* what the guard asks for; who called cellenc_decrypt_column had it set */
	if (!cellenc_walk_contains(conversion->type))
		(void) set_config_option("cellenc.allow_decrypt_column", "on", PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	cellenc_convert_run_as(cellenc_convert_owner(conversion->relation), alter_statement(conversion));
	CommandCounterIncrement();

	cellenc_convert_put_indexes(conversion, indexes);
	cellenc_convert_put_views(views);
	cellenc_convert_put_dependents(dependents);
}

/*
 * Files
 */

static void
forget_new_file(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);

	/*
	 * the file that it has now is not of this transaction: its changes were
	 * logged; an index may be of this transaction itself, and is not where
	 * that rolls back, because its invalidation takes it from the cache
	 */
	cellenc_forget_new_file(rel);
	relation_close(rel, NoLock);
}

#define SWAP(type, a, b) \
	do { \
		type		swap_ = (a); \
		(a) = (b); \
		(b) = swap_; \
	} while (0)

/*
 * One's file, and what goes with it, in exchange for other's.  Both are locked
 * by AccessExclusiveLock and have the same kind and persistence.
 */
static void
swap_files(Oid one, Oid other)
{
	Relation	rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple1 = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(one));
	HeapTuple	tuple2 = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(other));
	Form_pg_class form1;
	Form_pg_class form2;
	CatalogIndexState state;

	if (!HeapTupleIsValid(tuple1) || !HeapTupleIsValid(tuple2))
		elog(ERROR, "cache lookup failed for relation %u", HeapTupleIsValid(tuple1) ? other : one);
	form1 = (Form_pg_class) GETSTRUCT(tuple1);
	form2 = (Form_pg_class) GETSTRUCT(tuple2);
	if (!OidIsValid(form1->relfilenode) || !OidIsValid(form2->relfilenode) ||
		form1->relpersistence != form2->relpersistence || form1->relam != form2->relam ||
		form1->reltablespace != form2->reltablespace)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("storage of relation \"%s\" was changed during its conversion",
						NameStr(form1->relname))));

	SWAP(Oid, form1->relfilenode, form2->relfilenode);
	SWAP(Oid, form1->reltoastrelid, form2->reltoastrelid);
	SWAP(TransactionId, form1->relfrozenxid, form2->relfrozenxid);
	SWAP(MultiXactId, form1->relminmxid, form2->relminmxid);
	SWAP(int32, form1->relpages, form2->relpages);
	SWAP(float4, form1->reltuples, form2->reltuples);
	SWAP(int32, form1->relallvisible, form2->relallvisible);
	cellenc_swap_relallfrozen(form1, form2);

	state = CatalogOpenIndexes(rel);
	CatalogTupleUpdateWithInfo(rel, &tuple1->t_self, tuple1, state);
	CatalogTupleUpdateWithInfo(rel, &tuple2->t_self, tuple2, state);
	CatalogCloseIndexes(state);
	table_close(rel, RowExclusiveLock);
	InvokeObjectPostAlterHookArg(RelationRelationId, one, 0, InvalidOid, true);
	InvokeObjectPostAlterHookArg(RelationRelationId, other, 0, InvalidOid, true);

	forget_new_file(one);
	RelationCloseSmgrByOid(one);
	RelationCloseSmgrByOid(other);
	CommandCounterIncrement();
}

/* The TOAST table of relation depends on it, and on nothing else. */
static void
own_toast(Oid toast, Oid relation)
{
	ObjectAddress self;
	ObjectAddress base;

	if (!OidIsValid(toast))
		return;
	if (deleteDependencyRecordsFor(RelationRelationId, toast, false) != 1)
		elog(ERROR, "expected one dependency record for TOAST table %u", toast);
	ObjectAddressSet(self, RelationRelationId, toast);
	ObjectAddressSet(base, RelationRelationId, relation);
	recordDependencyOn(&self, &base, DEPENDENCY_INTERNAL);
}

/* The TOAST table came with the shadow: name it as if it had been the table's. */
static void
rename_toast(Oid toast, Oid relation)
{
	Oid			index = toast_get_valid_index(toast, AccessExclusiveLock);

	RenameRelationInternal(toast, psprintf("pg_toast_%u", relation), true, false);
	RenameRelationInternal(index, psprintf("pg_toast_%u_index", relation), true, true);
	CommandCounterIncrement();
	ResetRelRewrite(toast);
	CommandCounterIncrement();
}

/* Nobody uses them, but the rules for changes of pg_class want it. */
static void
lock_shadow(const CellencConvertHeap *heap, List *indexes)
{
	Oid			toast = cellenc_convert_toast(heap->shadow);
	ListCell   *lc;

	LockRelationOid(heap->shadow, AccessExclusiveLock);
	if (OidIsValid(toast))
		LockRelationOid(toast, AccessExclusiveLock);
	foreach(lc, indexes)
		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
}

static void
swap(const CellencConvertHeap *heap)
{
	List	   *indexes = cellenc_convert_index_oids(heap->relation);
	List	   *others = cellenc_convert_shadow_indexes(heap);
	Oid			toast;
	ListCell   *a;
	ListCell   *b;

	lock_shadow(heap, others);
	swap_files(heap->relation, heap->shadow);
	toast = cellenc_convert_toast(heap->relation);
	own_toast(toast, heap->relation);
	own_toast(cellenc_convert_toast(heap->shadow), heap->shadow);
	forboth(a, indexes, b, others)
		swap_files(lfirst_oid(a), lfirst_oid(b));
	CommandCounterIncrement();

	cellenc_convert_drop_shadow(heap);
	if (OidIsValid(toast))
		rename_toast(toast, heap->relation);
}

/*
 * Both
 */

/*
 * Change the definition.  False, and undone, if the shadows do not have the
 * indexes that it has then; the heaps know the right ones.
 */
static bool
redefine(CellencConversion *conversion)
{
	MemoryContext oldcxt = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	bool		fits = true;
	ListCell   *lc;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcxt);
	cellenc_convert_define(conversion);
	foreach(lc, conversion->heaps)
	{
		CellencConvertHeap *heap = lfirst(lc);
		List	   *definitions = cellenc_convert_index_definitions(heap->relation);

		if (cellenc_convert_same_indexes(definitions, heap->indexes))
			continue;
		heap->indexes = definitions;
		heap->indexed = false;
		fits = false;
	}
	if (fits)
		ReleaseCurrentSubTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(oldcxt);
	CurrentResourceOwner = oldowner;
	return fits;
}

bool
cellenc_convert_exchange(CellencConversion *conversion, List **notes)
{
	ListCell   *lc;
	bool		fits;

	foreach(lc, conversion->heaps)
		cellenc_convert_settle(lfirst(lc));

	/* what has come to hang on the column meanwhile */
	*notes = cellenc_convert_check(conversion);
	fits = redefine(conversion);
	foreach(lc, conversion->heaps)
	{
		CellencConvertHeap *heap = lfirst(lc);

		if (fits)
		{
			swap(heap);
			cellenc_convert_delete_heap(conversion->job, heap->relation);
			cellenc_convert_forget_batch(heap);
		}
		else if (!heap->indexed)
		{
			cellenc_convert_drop_indexes(heap);
			cellenc_convert_save_heap(conversion->job, heap);
		}
	}
	return fits;
}
