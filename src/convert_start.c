/*-------------------------------------------------------------------------
 *
 * convert_start.c
 *	  The beginning of a conversion: whether it may be, how it will end, and
 *	  what it needs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "convert.h"
#include "job.h"
#include "keyring.h"

void
cellenc_convert_check_rights(const CellencJob *job, const CellencConversion *conversion)
{
	int			privilege = job->kind == CELLENC_JOB_ENCRYPT_COLUMN ? CELLENC_PRIV_ENCRYPT : CELLENC_PRIV_DECRYPT;
	CellencKeyRow row;
	CellencKey *key;

	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(conversion->role)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that asked for the conversion was dropped")));
	if (!cellenc_owns(RelationRelationId, conversion->relation, conversion->role))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(conversion->relation));
	if (!cellenc_keycatalog_key_by_id(&job->keys[0], &row))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the key was dropped")));
	key = cellenc_keyring_require_key(row.name);
	if (!cellenc_keyring_has(key, conversion->role, privilege))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for key \"%s\"", row.name)));
}

int32
cellenc_convert_key_version(const pg_uuid_t *key)
{
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_versions(key))
	{
		CellencVersionRow *row = lfirst(lc);

		if (row->state == CELLENC_CURRENT)
			return row->version;
	}
	return 0;
}

void
cellenc_convert_rehearse(const CellencConversion *conversion, List **relations, List **definitions)
{
	MemoryContext oldcxt = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	ErrorData  *volatile failure = NULL;
	volatile TimestampTz locked_at = 0;

	*relations = *definitions = NIL;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcxt);
	PG_TRY();
	{
		ListCell   *lc;

		(void) cellenc_convert_enter(CELLENC_CONVERT_LOCK_MS);
		(void) cellenc_convert_lock_others(conversion);
		*relations = cellenc_convert_leaves(conversion->relation, AccessExclusiveLock);
		locked_at = GetCurrentTimestamp();
		cellenc_convert_define(conversion);
		foreach(lc, *relations)
			* definitions = lappend(*definitions, cellenc_convert_index_definitions(lfirst_oid(lc)));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcxt);
		failure = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();

	/* settings and locks go with it */
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(oldcxt);
	CurrentResourceOwner = oldowner;
	if (failure)
		ReThrowError(failure);
	ereport(LOG,
			(errmsg("a conversion was rehearsed, with its table locked for %ld ms",
					TimestampDifferenceMilliseconds(locked_at, GetCurrentTimestamp()))));
}

CellencConvertHeap *
cellenc_convert_heap_of(const CellencConversion *conversion, Oid relation)
{
	ListCell   *lc;

	foreach(lc, conversion->heaps)
	{
		CellencConvertHeap *heap = lfirst(lc);

		if (heap->relation == relation)
			return heap;
	}
	return NULL;
}

bool
cellenc_convert_all_fit(const CellencConversion *conversion, List *relations)
{
	ListCell   *lc;

	if (list_length(relations) != list_length(conversion->heaps))
		return false;
	foreach(lc, relations)
	{
		CellencConvertHeap *heap = cellenc_convert_heap_of(conversion, lfirst_oid(lc));
		Relation	rel;
		bool		fits;

		if (!heap)
			return false;
		rel = table_open(lfirst_oid(lc), NoLock);
		fits = cellenc_convert_shadow_fits(conversion, heap, rel);
		table_close(rel, NoLock);
		if (!fits)
			return false;
	}
	return true;
}

void
cellenc_convert_remove_misfits(CellencConversion *conversion, List *relations)
{
	ListCell   *lc;

	foreach(lc, conversion->heaps)
	{
		CellencConvertHeap *heap = lfirst(lc);
		bool		fits = false;

		if (list_member_oid(relations, heap->relation))
		{
			Relation	rel = table_open(heap->relation, NoLock);

			fits = cellenc_convert_shadow_fits(conversion, heap, rel);
			table_close(rel, NoLock);
		}
		if (fits)
			continue;
		cellenc_convert_drop_shadow(heap);
		cellenc_convert_delete_heap(conversion->job, heap->relation);
		conversion->heaps = foreach_delete_current(conversion->heaps, lc);
	}
}

void
cellenc_convert_make_heaps(CellencConversion *conversion, List *relations, List *definitions)
{
	ListCell   *lc;
	ListCell   *indexes;

	forboth(lc, relations, indexes, definitions)
	{
		CellencConvertHeap *heap = cellenc_convert_heap_of(conversion, lfirst_oid(lc));
		Relation	rel;

		if (heap)
			continue;
		heap = palloc(sizeof(CellencConvertHeap));
		rel = table_open(lfirst_oid(lc), NoLock);
		cellenc_convert_make_shadow(conversion, rel, heap);
		table_close(rel, NoLock);
		heap->indexes = lfirst(indexes);
		cellenc_convert_insert_heap(conversion->job, heap);
		conversion->heaps = lappend(conversion->heaps, heap);
	}
}
