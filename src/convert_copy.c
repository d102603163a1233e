/*-------------------------------------------------------------------------
 *
 * convert_copy.c
 *	  Rows of a table, with the column converted, into its shadow.
 *
 * The copy goes through the table once, block by block, each batch under a
 * snapshot of its own.  What changes from the start of the conversion on is in
 * the log, and for every row that the log names the shadow is brought into the
 * state of the table: the copy, if there is one, goes, and if a snapshot sees
 * the row, a new copy is made.  That does not depend on what has happened to
 * the row, on the order of entries, or on whether it is done twice.
 *
 * No code of a user's runs but index expressions and predicates, as the
 * table's owner (row_indexes.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "convert.h"
#include "row_indexes.h"
#include "throttle.h"

/* A batch ends after this time, at the end of a block. */
#define BATCH_BUDGET_MS 300

/* Rows, and about how many bytes of them, that are written at once. */
#define BUFFERED_ROWS 1000
#define BUFFERED_BYTES (64 * 1024)

typedef struct Converter
{
	Relation	rel;
	Relation	shadow;
	AttrNumber	attnum;
	EState	   *estate;
	ExprState  *expr;
	TupleTableSlot *source;
	Datum	   *values;
	bool	   *nulls;
	int64		converted;		/* values */
} Converter;

/* The expression that makes a new value of the column (number attnum) of rel. */
static Node *
make_expression(const CellencConversion *conversion, Relation rel, AttrNumber attnum)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	Node	   *var = (Node *) makeVar(1, attnum, att->atttypid, att->atttypmod, att->attcollation, 0);

	return coerce_to_target_type(NULL, var, att->atttypid, conversion->type, conversion->typmod,
								 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
}

static void
begin_converter(Converter *converter, const CellencConversion *conversion, const CellencConvertHeap *heap,
				Relation rel)
{
	Node	   *expr;
	int			natts = RelationGetDescr(rel)->natts;

	memset(converter, 0, sizeof(*converter));
	converter->rel = rel;
	converter->shadow = table_open(heap->shadow, RowExclusiveLock);
	converter->attnum = cellenc_convert_attnum(conversion, heap->relation);
	converter->estate = CreateExecutorState();
	expr = make_expression(conversion, rel, converter->attnum);
	if (!expr)
		elog(ERROR, "could not convert column %d of relation \"%s\"", converter->attnum,
			 RelationGetRelationName(rel));
	converter->expr = ExecPrepareExpr((Expr *) expr, converter->estate);
	converter->source = table_slot_create(rel, NULL);
	converter->values = palloc(natts * sizeof(Datum));
	converter->nulls = palloc(natts * sizeof(bool));
}

static void
end_converter(Converter *converter)
{
	ExecDropSingleTupleTableSlot(converter->source);
	FreeExecutorState(converter->estate);
	table_close(converter->shadow, NoLock);
}

/* The row in the source slot as a row of the shadow, in CurrentMemoryContext. */
static HeapTuple
convert_row(Converter *converter)
{
	ExprContext *econtext = GetPerTupleExprContext(converter->estate);
	TupleDesc	desc = RelationGetDescr(converter->shadow);
	TupleTableSlot *slot = converter->source;
	int			i = converter->attnum - 1;
	HeapTuple	tuple;

	slot_getallattrs(slot);
	memcpy(converter->values, slot->tts_values, desc->natts * sizeof(Datum));
	memcpy(converter->nulls, slot->tts_isnull, desc->natts * sizeof(bool));
	for (int n = 0; n < desc->natts; n++)
		converter->nulls[n] |= TupleDescAttr(desc, n)->attisdropped;

	econtext->ecxt_scantuple = slot;
	converter->values[i] = ExecEvalExprSwitchContext(converter->expr, econtext, &converter->nulls[i]);
	if (!converter->nulls[i])
		converter->converted++;
	tuple = heap_form_tuple(desc, converter->values, converter->nulls);
	ResetPerTupleExprContext(converter->estate);
	return tuple;
}

/*
 * Copy
 */

typedef struct RowBuffer
{
	Converter  *converter;
	CellencConvertMap *map;
	BulkInsertState bistate;
	MemoryContext cxt;			/* of the rows; reset when they are written */
	int			nrows;
	Size		bytes;
	TupleTableSlot *slots[BUFFERED_ROWS];
	ItemPointerData tids[BUFFERED_ROWS];	/* of the table's rows */
} RowBuffer;

static void
write_buffer(RowBuffer *buffer)
{
	if (buffer->nrows == 0)
		return;

	/*
	 * relrewrite alone keeps these rows out of logical decoding:
	 * heap_multi_insert() does not have HEAP_INSERT_NO_LOGICAL.
	 */
	table_multi_insert(buffer->converter->shadow, buffer->slots, buffer->nrows,
					   GetCurrentCommandId(true), 0, buffer->bistate);
	for (int i = 0; i < buffer->nrows; i++)
	{
		cellenc_convert_map_set(buffer->map, &buffer->tids[i], &buffer->slots[i]->tts_tid);
		ExecClearTuple(buffer->slots[i]);
	}
	MemoryContextReset(buffer->cxt);
	buffer->nrows = 0;
	buffer->bytes = 0;
}

static void
add_to_buffer(RowBuffer *buffer)
{
	Converter  *converter = buffer->converter;
	MemoryContext oldcxt = MemoryContextSwitchTo(buffer->cxt);
	HeapTuple	tuple = convert_row(converter);

	MemoryContextSwitchTo(oldcxt);
	if (!buffer->slots[buffer->nrows])
		buffer->slots[buffer->nrows] = MakeSingleTupleTableSlot(RelationGetDescr(converter->shadow),
																&TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, buffer->slots[buffer->nrows], false);
	buffer->tids[buffer->nrows] = converter->source->tts_tid;
	buffer->nrows++;
	buffer->bytes += tuple->t_len;
	if (buffer->nrows == BUFFERED_ROWS || buffer->bytes >= BUFFERED_BYTES)
		write_buffer(buffer);
}

/* Copy blocks until the time is over; where the next batch begins. */
static BlockNumber
copy_blocks(RowBuffer *buffer, BlockNumber first, BlockNumber end)
{
	Converter  *converter = buffer->converter;
	BlockNumber block = first;
	BlockNumber next = end;
	ItemPointerData from;
	ItemPointerData to;
	TableScanDesc scan;

	cellenc_throttle_begin_batch(BATCH_BUDGET_MS);
	ItemPointerSet(&from, first, FirstOffsetNumber);
	ItemPointerSet(&to, end - 1, MaxOffsetNumber);
	scan = table_beginscan_tidrange(converter->rel, GetActiveSnapshot(), &from, &to);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, converter->source))
	{
		BlockNumber here = ItemPointerGetBlockNumber(&converter->source->tts_tid);

		if (here != block)
		{
			CHECK_FOR_INTERRUPTS();
			cellenc_throttle_give_way();
			if (cellenc_throttle_batch_over())
			{
				next = here;
				break;
			}
			block = here;
		}
		add_to_buffer(buffer);
	}
	write_buffer(buffer);
	table_endscan(scan);
	return next;
}

int64
cellenc_convert_copy(const CellencConversion *conversion, CellencConvertHeap *heap, Relation rel)
{
	Converter	converter;
	RowBuffer  *buffer = palloc0(sizeof(RowBuffer));

	begin_converter(&converter, conversion, heap, rel);
	buffer->converter = &converter;
	buffer->map = cellenc_convert_map_open(heap->map);
	buffer->bistate = GetBulkInsertState();
	buffer->cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc conversion", ALLOCSET_DEFAULT_SIZES);

	PushActiveSnapshot(GetTransactionSnapshot());
	heap->next_block = copy_blocks(buffer, heap->next_block, heap->end_block);
	PopActiveSnapshot();

	for (int i = 0; i < BUFFERED_ROWS && buffer->slots[i]; i++)
		ExecDropSingleTupleTableSlot(buffer->slots[i]);
	FreeBulkInsertState(buffer->bistate);
	table_finish_bulk_insert(converter.shadow, 0);
	cellenc_convert_map_close(buffer->map);
	MemoryContextDelete(buffer->cxt);
	end_converter(&converter);
	CommandCounterIncrement();
	return converter.converted;
}

/*
 * Catching up
 */

/* Does the snapshot see the row at tid?  Then it is in the source slot. */
static bool
fetch_row(Converter *converter, const ItemPointerData *tid, BlockNumber nblocks)
{
	/* VACUUM may have cut off the end of the table */
	if (ItemPointerGetBlockNumberNoCheck(tid) >= nblocks)
		return false;
	return table_tuple_fetch_row_version(converter->rel, (ItemPointer) tid, GetActiveSnapshot(),
										 converter->source);
}

static void
renew_copy(Converter *converter, CellencConvertMap *map, CellencRowIndexes *indexes,
		   CellencConvertBatch *batch, const ItemPointerData *tid, BlockNumber nblocks,
		   TupleTableSlot *slot)
{
	ItemPointerData copy = cellenc_convert_map_get(map, tid);

	if (ItemPointerIsValid(&copy))
	{
		simple_heap_delete(converter->shadow, &copy);
		cellenc_convert_batch_add(batch, &copy);
		ItemPointerSetInvalid(&copy);
		cellenc_convert_map_set(map, tid, &copy);
	}
	if (!fetch_row(converter, tid, nblocks))
		return;
	ExecForceStoreHeapTuple(convert_row(converter), slot, true);
	table_tuple_insert(converter->shadow, slot, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, NULL);
	cellenc_convert_batch_add(batch, &slot->tts_tid);
	cellenc_row_indexes_insert(indexes, slot, TU_All);
	cellenc_convert_map_set(map, tid, &slot->tts_tid);
	ExecClearTuple(slot);
	ExecClearTuple(converter->source);
}

int
cellenc_convert_catch_up(const CellencConversion *conversion, const CellencConvertHeap *heap,
						 Relation rel, int limit, bool *more)
{
	Relation	log = table_open(heap->log, RowExclusiveLock);
	CellencConvertBatch *batch;
	BlockNumber nblocks;
	Converter	converter;
	CellencConvertMap *map;
	CellencConvertEntries entries;
	CellencRowIndexes *indexes;
	TupleTableSlot *slot;
	MemoryContext row_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc row",
												  ALLOCSET_DEFAULT_SIZES);

	PushActiveSnapshot(GetTransactionSnapshot());

	/* not before: the snapshot sees no row behind this end */
	nblocks = RelationGetNumberOfBlocks(rel);
	cellenc_convert_read_log(log, GetActiveSnapshot(), limit, &entries);
	*more = entries.more;

	/* for each of these, a copy may go and another one come */
	batch = cellenc_convert_begin_batch(heap, 2 * entries.ntids);
	if (entries.nentries > 0)
	{
		begin_converter(&converter, conversion, heap, rel);
		map = cellenc_convert_map_open(heap->map);
		indexes = cellenc_row_indexes_open(converter.shadow, rel->rd_rel->relowner);
		slot = MakeSingleTupleTableSlot(RelationGetDescr(converter.shadow), &TTSOpsHeapTuple);
		for (int i = 0; i < entries.ntids; i++)
		{
			MemoryContext oldcxt = MemoryContextSwitchTo(row_cxt);

			CHECK_FOR_INTERRUPTS();
			renew_copy(&converter, map, indexes, batch, &entries.tids[i], nblocks, slot);
			MemoryContextSwitchTo(oldcxt);
			MemoryContextReset(row_cxt);
		}
		ExecDropSingleTupleTableSlot(slot);
		cellenc_row_indexes_close(indexes);
		cellenc_convert_map_close(map);
		end_converter(&converter);
		cellenc_convert_delete_entries(log, &entries);
	}
	PopActiveSnapshot();
	table_close(log, NoLock);
	MemoryContextDelete(row_cxt);
	CommandCounterIncrement();
	return entries.nentries;
}
