/*-------------------------------------------------------------------------
 *
 * convert_settle.c
 *	  Rows of a shadow that were written late, for every snapshot to see.
 *
 * What catching up writes belongs to the transaction of its batch, which ended
 * after the one that changed the table.  Somebody may have a snapshot from
 * between the two and look at the table after the switch: in REPEATABLE READ,
 * or because a COPY or a function of a query waited for the switch's lock.  He
 * would miss new rows, and see old ones.
 *
 * So, when a batch has committed, its rows are frozen, and those that it
 * deleted are made to look as if they had never been inserted, whatever
 * snapshots there are.  Nobody can have seen either: the file is not yet the
 * table's, or, after the switch's own batch, the table is still locked.
 * Settling does not roll back, hence not before the commit.  It does no harm
 * where the file is thrown away.
 *
 * What is to be settled is kept in this process alone.  If it ends, the next
 * one waits for all older snapshots again (convert_step.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "convert.h"
#include "report.h"

PG_FUNCTION_INFO_V1(cellenc_conversion_settle);

struct CellencConvertBatch
{
	Oid			relation;
	Oid			shadow;
	TransactionId xid;			/* that wrote the rows */
	int			ntids;
	int			size;			/* of tids */
	ItemPointerData *tids;		/* of rows that it inserted or deleted */
};

/* The last batch of each relation that this process converts, in TopMemoryContext. */
static List *batches = NIL;

/* Relations (oids) that the last switch left locked, in TopMemoryContext. */
static List *locked = NIL;

static CellencConvertBatch *
find_batch(Oid relation)
{
	ListCell   *lc;

	foreach(lc, batches)
	{
		CellencConvertBatch *batch = lfirst(lc);

		if (batch->relation == relation)
			return batch;
	}
	return NULL;
}

bool
cellenc_convert_knows_batch(const CellencConvertHeap *heap)
{
	CellencConvertBatch *batch = find_batch(heap->relation);

	return batch && batch->shadow == heap->shadow;
}

/*
 * A row that transaction xid has deleted goes, one that it has inserted stays.
 * Neither, if VACUUM has been quicker.
 */
static void
settle_row(Page page, OffsetNumber offset, TransactionId xid)
{
	ItemId		item;
	HeapTupleHeader row;

	if (offset > PageGetMaxOffsetNumber(page))
		return;
	item = PageGetItemId(page, offset);
	if (!ItemIdIsNormal(item))
		return;
	row = (HeapTupleHeader) PageGetItem(page, item);
	if (!(row->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI)) &&
		TransactionIdEquals(HeapTupleHeaderGetRawXmax(row), xid))
	{
		row->t_infomask &= ~HEAP_XMIN_COMMITTED;
		row->t_infomask |= HEAP_XMIN_INVALID;
	}
	else if (TransactionIdEquals(HeapTupleHeaderGetRawXmin(row), xid))
		HeapTupleHeaderSetXminFrozen(row);
}

/* Those of batch from tid number first on that are in the same block; returns the next number. */
static int
settle_block(const CellencConvertBatch *batch, int first, Relation file)
{
	BlockNumber block = ItemPointerGetBlockNumber(&batch->tids[first]);
	Buffer		buffer = ReadBuffer(file, block);
	GenericXLogState *state;
	Page		page;
	int			i;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	state = GenericXLogStart(file);
	page = GenericXLogRegisterBuffer(state, buffer, 0);
	for (i = first; i < batch->ntids && ItemPointerGetBlockNumber(&batch->tids[i]) == block; i++)
		settle_row(page, ItemPointerGetOffsetNumber(&batch->tids[i]), batch->xid);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
	return i;
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

/* file is the shadow, or the table that has its file. */
static void
settle(CellencConvertBatch *batch, Relation file)
{
	if (batch->ntids > 0 && TransactionIdDidCommit(batch->xid))
	{
		BlockNumber nblocks = RelationGetNumberOfBlocks(file);
		int			i = 0;

		qsort(batch->tids, batch->ntids, sizeof(ItemPointerData), compare_tids);
		while (i < batch->ntids && ItemPointerGetBlockNumber(&batch->tids[i]) < nblocks)
		{
			CHECK_FOR_INTERRUPTS();
			i = settle_block(batch, i, file);
		}
	}
	batch->ntids = 0;
}

CellencConvertBatch *
cellenc_convert_begin_batch(const CellencConvertHeap *heap)
{
	CellencConvertBatch *batch = find_batch(heap->relation);

	if (!batch)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(TopMemoryContext);

		batch = palloc0(sizeof(CellencConvertBatch));
		batch->relation = heap->relation;
		batches = lappend(batches, batch);
		MemoryContextSwitchTo(oldcxt);
	}
	if (batch->shadow != heap->shadow)
	{
		batch->shadow = heap->shadow;
		batch->ntids = 0;
	}
	else if (batch->ntids > 0)
	{
		Relation	shadow = table_open(heap->shadow, RowExclusiveLock);

		settle(batch, shadow);
		table_close(shadow, NoLock);
	}
	return batch;
}

void
cellenc_convert_batch_add(CellencConvertBatch *batch, const ItemPointerData *tid)
{
	if (batch->ntids == batch->size)
	{
		int			size = Max(256, batch->size * 2);

		if (batch->tids)
			batch->tids = repalloc(batch->tids, size * sizeof(ItemPointerData));
		else
			batch->tids = MemoryContextAlloc(TopMemoryContext, size * sizeof(ItemPointerData));
		batch->size = size;
	}
	batch->xid = GetCurrentTransactionId();
	batch->tids[batch->ntids++] = *tid;
}

static void
forget_batch(Oid relation)
{
	CellencConvertBatch *batch = find_batch(relation);

	if (!batch)
		return;
	batches = list_delete_ptr(batches, batch);
	if (batch->tids)
		pfree(batch->tids);
	pfree(batch);
}

void
cellenc_convert_forget_batches(List *heaps)
{
	ListCell   *lc;

	foreach(lc, heaps)
		forget_batch(((CellencConvertHeap *) lfirst(lc))->relation);
}

/*
 * The switch's own batch
 */

void
cellenc_convert_keep_locked(List *heaps)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(TopMemoryContext);
	ListCell   *lc;

	/* of a switch that was not committed in the end */
	list_free(locked);
	locked = NIL;
	foreach(lc, heaps)
	{
		LockRelId	id = {((CellencConvertHeap *) lfirst(lc))->relation, MyDatabaseId};

		LockRelationIdForSession(&id, AccessExclusiveLock);
		locked = lappend_oid(locked, id.relId);
	}
	MemoryContextSwitchTo(oldcxt);
}

static void
settle_locked(Oid relation)
{
	LockRelId	id = {relation, MyDatabaseId};
	Relation	rel = table_open(relation, AccessExclusiveLock);
	CellencConvertBatch *batch = find_batch(relation);

	if (batch)
		settle(batch, rel);
	forget_batch(relation);
	table_close(rel, NoLock);
	UnlockRelationIdForSession(&id, AccessExclusiveLock);
}

/*
 * cellenc.conversion_settle(job bigint, locked_at bigint), the latter a
 * TimestampTz: lets go what the session has kept locked.
 */
Datum
cellenc_conversion_settle(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	if (locked == NIL || PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_VOID();
	foreach(lc, locked)
		settle_locked(lfirst_oid(lc));
	list_free(locked);
	locked = NIL;
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " exchanged the table's files in %ld ms", PG_GETARG_INT64(0),
					TimestampDifferenceMilliseconds(PG_GETARG_INT64(1), GetCurrentTimestamp()))));
	PG_RETURN_VOID();
}
