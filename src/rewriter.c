/*-------------------------------------------------------------------------
 *
 * rewriter.c
 *	  One batch of a relation: reseal its stale twin values in place of an
 *	  SQL UPDATE.
 *
 * The rows go through the table access method directly.  An UPDATE by way of
 * the executor would be stopped or misled by row-level security, triggers,
 * rules, CHECKs and missing replica identities, could not touch a
 * materialized view, and would hand the plaintext to the owner's code.  What
 * is left of the executor's work is done here: new index entries.
 *
 * That is where any user's code runs (row_indexes.c): as the table's owner, and
 * without any right to open values.
 *
 * A row that somebody else is changing is not waited for at first: it counts
 * as found, so that another pass comes.  From the second pass on, the batch
 * waits for such rows at its end, all together no longer than WAIT_BUDGET_MS.
 *
 * Touches codec, keyring, row_indexes, convert_log, walk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_publication.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "replication/origin.h"
#include "replication/slot.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "codec.h"
#include "compat.h"
#include "guarded.h"
#include "convert.h"
#include "keyring.h"
#include "rewriter.h"
#include "row_indexes.h"
#include "throttle.h"
#include "walk.h"

/* A batch ends early after this time, so that nobody waits long for its rows. */
#define BATCH_BUDGET_MS 200

/* All waits of a batch for rows of others. */
#define WAIT_BUDGET_MS 300

/* Version ids whose staleness a batch remembers; more are looked up again. */
#define SEEN_VERSIONS 16

typedef struct Column
{
	AttrNumber	attnum;
	CellencWalk *walk;
	Oid			twin;			/* where the column is a plain twin */
	Datum		new_value;		/* of the row at hand; as stored if not stale */
	bool		changed;
} Column;

typedef struct Rewrite
{
	CellencBatch *batch;
	Relation	rel;
	TupleDesc	desc;
	Column	   *columns;
	int			ncolumns;
	AttrNumber	last_attnum;	/* the last column's */
	LockTupleMode lockmode;
	CommandId	cid;
	Snapshot	snapshot;
	bool		published_checked;	/* see check_publications() */

	MemoryContext batch_cxt;
	MemoryContext row_cxt;		/* reset for every row */
	TupleTableSlot *new_slot;
	TupleTableSlot *lock_slot;
	Datum	   *values;			/* workspace for a new row */
	bool	   *nulls;
	CellencRowIndexes *indexes; /* NULL: not opened */

	struct
	{
		uint32		version_id;
		bool		stale;
	}			seen[SEEN_VERSIONS];
	int			nseen;

	ItemPointerData *skipped;	/* rows to wait for */
	int			nskipped;
	int			maxskipped;

	/* what the row at hand adds to the batch's counts */
	int64		row_values;
	int64		row_bad;
	ItemPointerData row_tid;	/* for messages */
	AttrNumber	row_attnum;
} Rewrite;

bool
cellenc_rewriter_handles(char relkind, char relpersistence)
{
	/* another session's temporary table is in that session's memory */
	return (relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW) &&
		relpersistence != RELPERSISTENCE_TEMP;
}

/*
 * Stale values
 */

static bool
version_is_stale(const CellencBatch *batch, uint32 version_id)
{
	CellencKeyVersion *version = cellenc_keyring_version(version_id);

	/* an unknown id comes with a dump whose keys are restored later */
	if (!version)
		return false;
	for (int i = 0; i < batch->nkeys; i++)
	{
		if (memcmp(&batch->keys[i], &version->key->row.id, sizeof(pg_uuid_t)) == 0)
			return version_id != version->key->current_id;
	}
	return false;
}

static bool
is_stale(Rewrite *rewrite, uint32 version_id)
{
	bool		stale;

	for (int i = 0; i < rewrite->nseen; i++)
	{
		if (rewrite->seen[i].version_id == version_id)
			return rewrite->seen[i].stale;
	}

	stale = version_is_stale(rewrite->batch, version_id);
	if (rewrite->nseen < SEEN_VERSIONS)
	{
		rewrite->seen[rewrite->nseen].version_id = version_id;
		rewrite->seen[rewrite->nseen].stale = stale;
		rewrite->nseen++;
	}
	return stale;
}

/* The value resealed, or the same where it is not stale. */
static Datum
reseal_if_stale(Rewrite *rewrite, Oid twin, Datum value)
{
	Datum		result;

	if (!is_stale(rewrite, cellenc_codec_version_id(value)))
		return value;
	result = PointerGetDatum(cellenc_codec_reseal(cellenc_twin_require(twin), value));
	rewrite->row_values++;
	return result;
}

static void
report_bad_value(Rewrite *rewrite, ErrorData *edata)
{
	CellencBatch *batch = rewrite->batch;

	rewrite->row_bad++;
	if (batch->bad_to_log <= 0)
		return;
	batch->bad_to_log--;
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("value in column \"%s\" of relation \"%s\", row (%u,%u), could not be re-encrypted",
					NameStr(TupleDescAttr(rewrite->desc, rewrite->row_attnum - 1)->attname),
					RelationGetRelationName(rewrite->rel),
					ItemPointerGetBlockNumber(&rewrite->row_tid),
					ItemPointerGetOffsetNumber(&rewrite->row_tid)),
			 errdetail_internal("%s", edata->message)));
}

typedef struct LeafCall
{
	Oid			twin;
	Datum		value;
	Datum		result;
} LeafCall;

static void
reseal_leaf(void *context, void *arg)
{
	Rewrite    *rewrite = context;
	LeafCall   *call = arg;

	call->result = reseal_if_stale(rewrite, call->twin, call->value);
}

/* A CellencReplacer. */
static Datum
reseal(const CellencLeaf *leaf, Datum value, void *arg)
{
	return reseal_if_stale(arg, leaf->twin, value);
}

/* The same, but a value that cannot be opened is reported and left. */
static Datum
reseal_carefully(const CellencLeaf *leaf, Datum value, void *arg)
{
	Rewrite    *rewrite = arg;
	LeafCall	call = {leaf->twin, value, value};
	ErrorData  *failure;

	if (!cellenc_guarded_run(reseal_leaf, rewrite, &call, cellenc_guarded_is_corruption, &failure))
	{
		report_bad_value(rewrite, failure);
		return value;
	}
	return call.result;
}

static void
reseal_column(void *context, void *arg)
{
	Rewrite    *rewrite = context;
	Column	   *column = arg;

	column->new_value = cellenc_walk_replace(column->walk, column->new_value,
											 rewrite->batch->careful ? reseal_carefully : reseal,
											 rewrite);
}

/*
 * Reseal what is stale in the row of slot, into the columns' new_value.
 * False where nothing is.
 */
static bool
reseal_row(Rewrite *rewrite, TupleTableSlot *slot)
{
	bool		any = false;

	rewrite->row_values = 0;
	rewrite->row_bad = 0;
	rewrite->row_tid = slot->tts_tid;
	slot_getsomeattrs(slot, rewrite->last_attnum);

	for (int i = 0; i < rewrite->ncolumns; i++)
	{
		Column	   *column = &rewrite->columns[i];
		Datum		value = slot->tts_values[column->attnum - 1];
		ErrorData  *failure;

		column->changed = false;
		if (slot->tts_isnull[column->attnum - 1])
			continue;

		rewrite->row_attnum = column->attnum;
		column->new_value = value;
		if (rewrite->batch->careful)
		{
			/* what holds the values may be damaged as well */
			if (!cellenc_guarded_run(reseal_column, rewrite, column,
									 cellenc_guarded_is_corruption, &failure))
			{
				column->new_value = value;
				report_bad_value(rewrite, failure);
			}
		}
		else if (OidIsValid(column->twin))
			column->new_value = reseal_if_stale(rewrite, column->twin, value);
		else
			reseal_column(rewrite, column);

		column->changed = column->new_value != value;
		any |= column->changed;
	}
	return any;
}

/*
 * Subscribers
 */

/* Does anything decode the changes of this database? */
static bool
has_logical_slot(void)
{
	bool		found = false;

	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots && !found; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];

		found = slot->in_use && SlotIsLogical(slot) && slot->data.database == MyDatabaseId;
	}
	LWLockRelease(ReplicationSlotControlLock);
	return found;
}

/*
 * Refuse rows whose change would stop a subscriber: it cannot apply an UPDATE
 * without a replica identity, which PostgreSQL therefore refuses, whether or
 * not anybody subscribes.  What is told is temporary: see is_temporary().
 */
static void
check_publications(Rewrite *rewrite)
{
	Relation	rel = rewrite->rel;
	PublicationDesc desc;

	if (rewrite->published_checked)
		return;
	rewrite->published_checked = true;
	if (!RelationIsLogicallyLogged(rel) || OidIsValid(RelationGetReplicaIndex(rel)) ||
		rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL)
		return;

	RelationBuildPublicationDesc(rel, &desc);
	if (!desc.pubactions.pubupdate)
		return;
	/* a slot that is made from here on leaves out this transaction */
	(void) GetTopTransactionId();
	if (has_logical_slot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("table \"%s\" has no replica identity and publishes updates, which subscribers could not apply",
						RelationGetRelationName(rel)),
				 errhint("Set REPLICA IDENTITY using ALTER TABLE, or leave updates out of the publication.")));
}

/*
 * Rows
 */

/* The row of slot with its new values, as a tuple of the row's context. */
static HeapTuple
form_new_row(Rewrite *rewrite, TupleTableSlot *slot)
{
	int			natts = rewrite->desc->natts;

	slot_getallattrs(slot);
	memcpy(rewrite->values, slot->tts_values, natts * sizeof(Datum));
	memcpy(rewrite->nulls, slot->tts_isnull, natts * sizeof(bool));
	for (int i = 0; i < rewrite->ncolumns; i++)
	{
		Column	   *column = &rewrite->columns[i];

		if (column->changed)
			rewrite->values[column->attnum - 1] = column->new_value;
	}

	/* the old ciphertext of a dropped column must not be carried along */
	for (int i = 0; i < natts; i++)
		rewrite->nulls[i] |= TupleDescAttr(rewrite->desc, i)->attisdropped;
	return heap_form_tuple(rewrite->desc, rewrite->values, rewrite->nulls);
}

/*
 * May somebody hold the row of slot?  A guess that saves the tuple lock, and
 * its WAL record, for nearly all rows: heap_update() itself cannot be asked
 * not to wait (it does not support that; asserted there).  Who takes the row
 * between this look and the update is waited for, within lock_timeout.
 */
static bool
may_be_held(TupleTableSlot *slot)
{
	HeapTupleHeader header;
	uint16		infomask;

	if (!TTS_IS_BUFFERTUPLE(slot))
		return true;
	header = ((BufferHeapTupleTableSlot *) slot)->base.tuple->t_data;
	infomask = header->t_infomask;
	if (infomask & HEAP_XMAX_INVALID)
		return false;
	if (infomask & HEAP_XMAX_IS_MULTI)
		return true;
	return TransactionIdIsInProgress(HeapTupleHeaderGetRawXmax(header));
}

/* The relation's indexes for *indexes, opened when they are first needed. */
static CellencRowIndexes *
need_indexes(Rewrite *rewrite, CellencRowIndexes **indexes)
{
	if (!*indexes)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(rewrite->batch_cxt);

		*indexes = cellenc_row_indexes_open(rewrite->rel, rewrite->rel->rd_rel->relowner);
		MemoryContextSwitchTo(oldcxt);
	}
	return *indexes;
}

static void
close_indexes(CellencRowIndexes **indexes)
{
	if (*indexes)
		cellenc_row_indexes_close(*indexes);
	*indexes = NULL;
}

/* Put the resealed values into the row of slot; false if it was not there any more. */
static bool
update_row(Rewrite *rewrite, CellencRowIndexes **indexes, TupleTableSlot *slot)
{
	TM_FailureData tmfd;
	TM_Result	result;
	LockTupleMode lockmode;
	TU_UpdateIndexes update_indexes;
	ItemPointerData tid = slot->tts_tid;

	check_publications(rewrite);

	/* given to the slot, because what that does not own is copied */
	ExecForceStoreHeapTuple(form_new_row(rewrite, slot), rewrite->new_slot, true);

	result = cellenc_table_tuple_update(rewrite->rel, &tid, rewrite->new_slot, rewrite->cid,
										rewrite->snapshot, InvalidSnapshot, true, &tmfd,
										&lockmode, &update_indexes);
	if (result == TM_Ok)
	{
		if (update_indexes != TU_None)
			cellenc_row_indexes_insert(need_indexes(rewrite, indexes), rewrite->new_slot,
									   update_indexes);
		cellenc_convert_note_moved(rewrite->rel, &tid, &rewrite->new_slot->tts_tid);
		rewrite->batch->values += rewrite->row_values;
	}
	ExecClearTuple(rewrite->new_slot);
	return result == TM_Ok;
}

static void
remember_skipped(Rewrite *rewrite, ItemPointer tid)
{
	if (!rewrite->batch->wait)
		return;
	if (rewrite->nskipped == rewrite->maxskipped)
	{
		rewrite->maxskipped = Max(64, rewrite->maxskipped * 2);
		rewrite->skipped = rewrite->skipped ?
			repalloc(rewrite->skipped, rewrite->maxskipped * sizeof(ItemPointerData)) :
			MemoryContextAlloc(rewrite->batch_cxt, rewrite->maxskipped * sizeof(ItemPointerData));
	}
	rewrite->skipped[rewrite->nskipped++] = *tid;
}

/* Treat the row that a scan found. */
static void
treat_row(Rewrite *rewrite, TupleTableSlot *slot)
{
	ItemPointerData tid = slot->tts_tid;
	TM_FailureData tmfd;
	bool		stale = reseal_row(rewrite, slot);

	rewrite->batch->bad += rewrite->row_bad;
	if (!stale)
		return;
	rewrite->batch->found++;

	/* a key-share lock of a foreign key check does not keep us from locking */
	if (may_be_held(slot) &&
		table_tuple_lock(rewrite->rel, &tid, rewrite->snapshot, rewrite->lock_slot, rewrite->cid,
						 rewrite->lockmode, LockWaitSkip, 0, &tmfd) != TM_Ok)
		remember_skipped(rewrite, &tid);
	else if (!update_row(rewrite, &rewrite->indexes, slot))
		remember_skipped(rewrite, &tid);
	ExecClearTuple(rewrite->lock_slot);
}

/*
 * Rows that others held
 */

static bool
is_contention(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

/* Wait for the row at *tid, take its last version, and treat that. */
static void
treat_held_row(void *context, void *arg)
{
	Rewrite    *rewrite = context;
	ItemPointerData tid = *(ItemPointer) arg;
	TM_FailureData tmfd;
	CellencRowIndexes *indexes;
	TupleTableSlot *slot;

	/* what these keep open belongs to this subtransaction, and ends with it */
	indexes = NULL;
	slot = table_slot_create(rewrite->rel, NULL);

	if (table_tuple_lock(rewrite->rel, &tid, rewrite->snapshot, slot, rewrite->cid,
						 rewrite->lockmode, LockWaitBlock, TUPLE_LOCK_FLAG_FIND_LAST_VERSION,
						 &tmfd) == TM_Ok &&
		reseal_row(rewrite, slot))
		(void) update_row(rewrite, &indexes, slot);

	ExecDropSingleTupleTableSlot(slot);
	close_indexes(&indexes);
}

static void
set_lock_timeout(long ms)
{
	char		value[32];

	snprintf(value, sizeof(value), "%ld", Max(ms, 1));
	(void) set_config_option("lock_timeout", value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
treat_held_rows(Rewrite *rewrite)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WAIT_BUDGET_MS);

	for (int i = 0; i < rewrite->nskipped; i++)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
		MemoryContext oldcxt;
		ErrorData  *failure;

		if (left <= 0)
			break;
		set_lock_timeout(left);
		oldcxt = MemoryContextSwitchTo(rewrite->row_cxt);
		if (!cellenc_guarded_run(treat_held_row, rewrite, &rewrite->skipped[i], is_contention,
								 &failure))
			ExecClearTuple(rewrite->new_slot);
		MemoryContextSwitchTo(oldcxt);
		MemoryContextReset(rewrite->row_cxt);
	}
}

/*
 * The batch
 */

/* The columns that hold twins, and the row lock that changing them takes. */
static void
plan_columns(Rewrite *rewrite)
{
	Bitmapset  *key_attrs = RelationGetIndexAttrBitmap(rewrite->rel, INDEX_ATTR_BITMAP_KEY);

	rewrite->columns = palloc0(rewrite->desc->natts * sizeof(Column));
	rewrite->lockmode = LockTupleNoKeyExclusive;
	for (int i = 0; i < rewrite->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(rewrite->desc, i);
		CellencWalk *walk;

		if (att->attisdropped)
			continue;
		walk = cellenc_walk_plan(att->atttypid, att->atttypmod);
		if (!walk)
			continue;

		rewrite->columns[rewrite->ncolumns].attnum = att->attnum;
		rewrite->columns[rewrite->ncolumns].walk = walk;
		rewrite->columns[rewrite->ncolumns].twin = cellenc_walk_twin(walk);
		rewrite->ncolumns++;
		rewrite->last_attnum = att->attnum;
		if (bms_is_member(att->attnum - FirstLowInvalidHeapAttributeNumber, key_attrs))
			rewrite->lockmode = LockTupleExclusive;
	}
	bms_free(key_attrs);
}

static void
scan_range(Rewrite *rewrite)
{
	CellencBatch *batch = rewrite->batch;
	TupleTableSlot *slot = table_slot_create(rewrite->rel, NULL);
	ItemPointerData first;
	ItemPointerData last;
	TableScanDesc scan;

	ItemPointerSet(&first, batch->first, FirstOffsetNumber);
	ItemPointerSet(&last, batch->end - 1, MaxOffsetNumber);
	scan = table_beginscan_tidrange(rewrite->rel, rewrite->snapshot, &first, &last);

	batch->next = batch->end;
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(rewrite->row_cxt);
		int64		before = batch->values;
		BlockNumber block = ItemPointerGetBlockNumber(&slot->tts_tid);

		CHECK_FOR_INTERRUPTS();
		treat_row(rewrite, slot);
		MemoryContextSwitchTo(oldcxt);
		MemoryContextReset(rewrite->row_cxt);
		cellenc_throttle_give_way();

		/*
		 * Stop here, and begin the next batch with this block, whose treated
		 * rows are not stale any more.  Bad values would be counted again.
		 */
		if (batch->values > before && !batch->careful &&
			cellenc_throttle_batch_over())
		{
			batch->next = block;
			break;
		}
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

void
cellenc_rewriter_batch(Relation rel, CellencBatch *batch)
{
	MemoryContext oldcxt;
	Rewrite    *rewrite = palloc0(sizeof(Rewrite));
	RepOriginId save_origin = replorigin_session_origin;
	int			nestlevel;

	batch->found = batch->values = batch->bad = 0;
	batch->next = batch->end;

	if (rel->rd_tableam->scan_set_tidrange == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot re-encrypt relation \"%s\"", RelationGetRelationName(rel)),
				 errdetail("Its access method cannot scan a range of rows.")));

	rewrite->batch = batch;
	rewrite->rel = rel;
	rewrite->desc = RelationGetDescr(rel);
	cellenc_throttle_begin_batch(BATCH_BUDGET_MS);
	rewrite->batch_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc batch",
											   ALLOCSET_DEFAULT_SIZES);
	rewrite->row_cxt = AllocSetContextCreate(rewrite->batch_cxt, "cellenc row",
											 ALLOCSET_DEFAULT_SIZES);
	oldcxt = MemoryContextSwitchTo(rewrite->batch_cxt);

	plan_columns(rewrite);
	if (rewrite->ncolumns > 0)
	{
		/* as RestrictSearchPath() of 17, for the owner's functions */
		nestlevel = NewGUCNestLevel();
		(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		set_lock_timeout(WAIT_BUDGET_MS);

		rewrite->values = palloc(rewrite->desc->natts * sizeof(Datum));
		rewrite->nulls = palloc(rewrite->desc->natts * sizeof(bool));
		rewrite->new_slot = MakeSingleTupleTableSlot(rewrite->desc, &TTSOpsHeapTuple);
		rewrite->lock_slot = table_slot_create(rel, NULL);
		rewrite->cid = GetCurrentCommandId(true);
		PushActiveSnapshot(GetTransactionSnapshot());
		rewrite->snapshot = GetActiveSnapshot();

		/* for subscribers that want changes without an origin alone */
		replorigin_session_origin = DoNotReplicateId;
		PG_TRY();
		{
			scan_range(rewrite);
			close_indexes(&rewrite->indexes);
			treat_held_rows(rewrite);
		}
		PG_FINALLY();
		{
			replorigin_session_origin = save_origin;
		}
		PG_END_TRY();

		PopActiveSnapshot();
		ExecDropSingleTupleTableSlot(rewrite->lock_slot);
		ExecDropSingleTupleTableSlot(rewrite->new_slot);
		AtEOXact_GUC(false, nestlevel);
	}

	MemoryContextSwitchTo(oldcxt);
	MemoryContextDelete(rewrite->batch_cxt);
	pfree(rewrite);
}
