/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Every twin value that a relation stores.
 *
 * Reads the table access method, not SQL: no row security, rules or rights on
 * the table are involved, because nothing of a value is shown but what it is
 * under.  That stands in its first bytes, so nothing is opened here.
 *
 * A proof that a version is not in use any more has to consider row versions
 * that only an older snapshot sees: they are told apart as VACUUM does, by
 * HeapTupleSatisfiesVacuum().
 *
 * Touches codec (version ids), walk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "common/pg_prng.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "codec.h"
#include "compat.h"
#include "guarded.h"
#include "scan.h"

typedef struct Column
{
	AttrNumber	attnum;
	CellencWalk *walk;
	bool		plain;			/* a twin, in no container */
} Column;

typedef struct Scan
{
	Column	   *columns;
	int			ncolumns;
	CellencScanVisitor visitor;
	void	   *arg;
	MemoryContext row_cxt;
	CellencStored stored;
} Scan;

/*
 * Relations
 */

bool
cellenc_scan_handles(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_MATVIEW)
		return false;

	/*
	 * Another session's temporary table is in that session's memory; a
	 * standby has no file for an unlogged one.
	 */
	return !RELATION_IS_OTHER_TEMP(rel) && (RelationIsPermanent(rel) || !RecoveryInProgress());
}

Relation
cellenc_scan_open(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);

	if (!rel)
		return NULL;
	if (cellenc_scan_handles(rel))
		return rel;
	if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		ereport(NOTICE,
				(errmsg("foreign table \"%s\" is not looked at", RelationGetRelationName(rel))));
	else if (RELATION_IS_OTHER_TEMP(rel))
		ereport(NOTICE,
				(errmsg("temporary table \"%s\" of another session is not looked at",
						RelationGetRelationName(rel))));
	relation_close(rel, AccessShareLock);
	return NULL;
}

static void
plan_columns(Scan *scan, TupleDesc desc)
{
	scan->columns = palloc(desc->natts * sizeof(Column));
	scan->ncolumns = 0;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		CellencWalk *walk;

		/* initdb makes neither twins nor what holds one */
		if (att->attisdropped || att->atttypid < FirstNormalObjectId)
			continue;
		walk = cellenc_walk_plan(att->atttypid, att->atttypmod);
		if (!walk)
			continue;
		scan->columns[scan->ncolumns].attnum = att->attnum;
		scan->columns[scan->ncolumns].walk = walk;
		scan->columns[scan->ncolumns].plain = OidIsValid(cellenc_walk_twin(walk));
		scan->ncolumns++;
	}
}

/*
 * Values
 */

/* Version id of a value; 0 if it is none.  Throws if it cannot be fetched. */
static uint32
version_id_of(Datum value)
{
	struct varlena *head = (struct varlena *) DatumGetPointer(value);
	uint8		format;
	uint32		version_id;

	if (VARATT_IS_EXTERNAL(head) || VARATT_IS_COMPRESSED(head))
		head = PG_DETOAST_DATUM_SLICE(value, 0, CELLENC_ID_END);
	(void) cellenc_envelope_parse_id((const uint8 *) VARDATA_ANY(head), VARSIZE_ANY_EXHDR(head),
									 &format, &version_id);
	return version_id;
}

/* A CellencReplacer that replaces nothing. */
static Datum
visit_value(const CellencLeaf *leaf, Datum value, void *arg)
{
	Scan	   *scan = arg;

	scan->stored.leaf = leaf;
	scan->stored.value = value;
	scan->stored.version_id = version_id_of(value);
	scan->visitor(&scan->stored, scan->arg);
	return value;
}

static void
visit_damage(Scan *scan)
{
	scan->stored.leaf = NULL;
	scan->stored.value = (Datum) 0;
	scan->stored.version_id = 0;
	scan->visitor(&scan->stored, scan->arg);
}

typedef struct ColumnCall
{
	const Column *column;
	Datum		value;
} ColumnCall;

static void
visit_column(void *context, void *arg)
{
	const ColumnCall *call = arg;

	(void) cellenc_walk_replace(call->column->walk, call->value, visit_value, context);
}

/*
 * Visit the values of a column whose bytes may not be where they should be:
 * false if so.  An inline twin is read without a subtransaction.
 */
static bool
visit_guarded(Scan *scan, const Column *column, Datum value)
{
	ColumnCall	call = {column, value};

	return cellenc_guarded_run(visit_column, scan, &call, cellenc_guarded_is_corruption, NULL);
}

static void
visit_row(Scan *scan, TupleTableSlot *slot)
{
	MemoryContext oldcxt;

	MemoryContextReset(scan->row_cxt);
	oldcxt = MemoryContextSwitchTo(scan->row_cxt);
	scan->stored.tid = slot->tts_tid;
	for (int i = 0; i < scan->ncolumns; i++)
	{
		const Column *column = &scan->columns[i];
		bool		isnull;
		Datum		value = slot_getattr(slot, column->attnum, &isnull);
		struct varlena *ptr = (struct varlena *) DatumGetPointer(value);

		if (isnull)
			continue;
		scan->stored.attnum = column->attnum;
		if (column->plain && !VARATT_IS_EXTERNAL(ptr) && !VARATT_IS_COMPRESSED(ptr))
			(void) cellenc_walk_replace(column->walk, value, visit_value, scan);
		else if (!visit_guarded(scan, column, value) &&
				 !TransactionIdIsValid(scan->stored.removed_by))
			visit_damage(scan);

		/*
		 * Parts of a row version that is on its way out may be gone: then no
		 * snapshot can need them.
		 */
	}
	MemoryContextSwitchTo(oldcxt);
}

/*
 * Rows
 */

/* May anybody see the row version in slot, now or when its writer commits? */
static bool
is_kept(TupleTableSlot *slot, TransactionId oldest_xmin, TransactionId *removed_by)
{
	BufferHeapTupleTableSlot *bslot = (BufferHeapTupleTableSlot *) slot;
	HTSV_Result result;

	Assert(TTS_IS_BUFFERTUPLE(slot));
	*removed_by = InvalidTransactionId;
	LockBuffer(bslot->buffer, BUFFER_LOCK_SHARE);
	result = HeapTupleSatisfiesVacuum(bslot->base.tuple, oldest_xmin, bslot->buffer);
	if (result == HEAPTUPLE_RECENTLY_DEAD)
		*removed_by = HeapTupleHeaderGetUpdateXid(bslot->base.tuple->t_data);
	LockBuffer(bslot->buffer, BUFFER_LOCK_UNLOCK);
	return result != HEAPTUPLE_DEAD;
}

static void
scan_all(Scan *scan, Relation rel, CellencScanRows rows, TupleTableSlot *slot)
{
	/* another access method has no versions that we could tell apart */
	bool		versions = rows == CELLENC_SCAN_KEPT &&
	rel->rd_tableam == GetHeapamTableAmRoutine();
	TransactionId oldest_xmin = versions ? GetOldestNonRemovableTransactionId(rel) : InvalidTransactionId;
	TableScanDesc desc = table_beginscan_strat(rel, versions ? SnapshotAny : GetActiveSnapshot(),
											   0, NULL, true, false);

	while (table_scan_getnextslot(desc, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!versions || is_kept(slot, oldest_xmin, &scan->stored.removed_by))
			visit_row(scan, slot);
	}
	table_endscan(desc);
}

/* As TABLESAMPLE SYSTEM does. */
static void
scan_sample(Scan *scan, Relation rel, double percent, TupleTableSlot *slot)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	TableScanDesc desc = NULL;

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		ItemPointerData first;
		ItemPointerData last;

		CHECK_FOR_INTERRUPTS();
		if (pg_prng_double(&pg_global_prng_state) * 100 >= percent)
			continue;
		ItemPointerSet(&first, block, FirstOffsetNumber);
		ItemPointerSet(&last, block, MaxOffsetNumber);
		if (desc)
			table_rescan_tidrange(desc, &first, &last);
		else
			desc = table_beginscan_tidrange(rel, GetActiveSnapshot(), &first, &last);
		while (table_scan_getnextslot_tidrange(desc, ForwardScanDirection, slot))
			visit_row(scan, slot);
	}
	if (desc)
		table_endscan(desc);
}

void
cellenc_scan_relation(Relation rel, CellencScanRows rows, double percent,
					  CellencScanVisitor visitor, void *arg)
{
	MemoryContext scan_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc scan",
												   ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcxt = MemoryContextSwitchTo(scan_cxt);
	Scan		scan = {0};
	TupleTableSlot *slot;

	Assert(rows == CELLENC_SCAN_VISIBLE || percent == 100);
	scan.visitor = visitor;
	scan.arg = arg;
	scan.stored.rel = rel;
	plan_columns(&scan, RelationGetDescr(rel));
	if (scan.ncolumns > 0)
	{
		scan.row_cxt = AllocSetContextCreate(scan_cxt, "cellenc scanned row", ALLOCSET_DEFAULT_SIZES);
		slot = table_slot_create(rel, NULL);

		/* rows cannot be chosen by block in every access method */
		if (percent < 100 && rel->rd_tableam->scan_set_tidrange != NULL)
			scan_sample(&scan, rel, percent, slot);
		else
			scan_all(&scan, rel, rows, slot);
		ExecDropSingleTupleTableSlot(slot);
	}
	MemoryContextSwitchTo(oldcxt);
	MemoryContextDelete(scan_cxt);
}
