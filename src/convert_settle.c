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
 * snapshots there are.  Nobody can have seen either, as the file is not yet the
 * table's.  Settling does not roll back, hence not before the commit; so the
 * switch has a transaction for its last batch and one for the rest, and the
 * session keeps the table locked in between.
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
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/standby.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "convert.h"

struct CellencConvertBatch
{
	Oid			relation;
	Oid			shadow;
	TransactionId xid;			/* that wrote the rows */
	int			ntids;
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
settle_block(const CellencConvertBatch *batch, int first, Relation shadow)
{
	BlockNumber block = ItemPointerGetBlockNumber(&batch->tids[first]);
	Buffer		buffer = ReadBuffer(shadow, block);
	GenericXLogState *state;
	Page		page;
	int			i;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	state = GenericXLogStart(shadow);
	page = GenericXLogRegisterBuffer(state, buffer, 0);
	for (i = first; i < batch->ntids && ItemPointerGetBlockNumber(&batch->tids[i]) == block; i++)
		settle_row(page, ItemPointerGetOffsetNumber(&batch->tids[i]), batch->xid);
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
	return i;
}

static void
settle(CellencConvertBatch *batch, Relation shadow)
{
	if (batch->ntids > 0 && TransactionIdDidCommit(batch->xid))
	{
		BlockNumber nblocks = RelationGetNumberOfBlocks(shadow);
		int			i = 0;

		cellenc_convert_sort_tids(batch->tids, batch->ntids);
		while (i < batch->ntids && ItemPointerGetBlockNumber(&batch->tids[i]) < nblocks)
		{
			CHECK_FOR_INTERRUPTS();
			i = settle_block(batch, i, shadow);
		}
	}
	batch->ntids = 0;
}

void
cellenc_convert_settle(const CellencConvertHeap *heap)
{
	CellencConvertBatch *batch = find_batch(heap->relation);

	if (batch && batch->shadow == heap->shadow && batch->ntids > 0)
	{
		Relation	shadow = table_open(heap->shadow, RowExclusiveLock);

		settle(batch, shadow);
		table_close(shadow, NoLock);
	}
}

void
cellenc_convert_forget_batch(const CellencConvertHeap *heap)
{
	CellencConvertBatch *batch = find_batch(heap->relation);

	if (!batch)
		return;
	batches = list_delete_ptr(batches, batch);
	pfree(batch->tids);
	pfree(batch);
}

CellencConvertBatch *
cellenc_convert_begin_batch(const CellencConvertHeap *heap, int max)
{
	CellencConvertBatch *batch;
	MemoryContext oldcxt;

	cellenc_convert_settle(heap);
	cellenc_convert_forget_batch(heap);

	oldcxt = MemoryContextSwitchTo(TopMemoryContext);
	batch = palloc0(sizeof(CellencConvertBatch));
	batch->tids = palloc(Max(max, 1) * sizeof(ItemPointerData));
	batch->relation = heap->relation;
	batch->shadow = heap->shadow;
	batches = lappend(batches, batch);
	MemoryContextSwitchTo(oldcxt);
	return batch;
}

void
cellenc_convert_batch_add(CellencConvertBatch *batch, const ItemPointerData *tid)
{
	batch->xid = GetCurrentTransactionId();
	batch->tids[batch->ntids++] = *tid;
}

/*
 * The switch's own batch
 */

void
cellenc_convert_keep_locked(List *relations)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(TopMemoryContext);
	ListCell   *lc;

	/* of a switch that was not committed in the end */
	list_free(locked);
	locked = NIL;
	foreach(lc, relations)
	{
		LockRelId	id = {lfirst_oid(lc), MyDatabaseId};

		LockRelationIdForSession(&id, AccessExclusiveLock);
		locked = lappend_oid(locked, id.relId);
	}
	MemoryContextSwitchTo(oldcxt);
}

bool
cellenc_convert_take_locked(void)
{
	ListCell   *lc;

	if (locked == NIL)
		return false;
	foreach(lc, locked)
	{
		LockRelId	id = {lfirst_oid(lc), MyDatabaseId};

		LockRelationOid(id.relId, AccessExclusiveLock);
		UnlockRelationIdForSession(&id, AccessExclusiveLock);

		/*
		 * LockAcquire() tells standbys of locks only that the session did not
		 * have
		 */
		if (XLogStandbyInfoActive())
			LogAccessExclusiveLock(MyDatabaseId, id.relId);
	}
	list_free(locked);
	locked = NIL;
	return true;
}
