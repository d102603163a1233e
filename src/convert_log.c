/*-------------------------------------------------------------------------
 *
 * convert_log.c
 *	  The log of changes of a table while a column of it is converted.
 *
 * An AFTER trigger on every row writes where the row was and where it is now;
 * what became of it is looked up later.  Entries belong to the transaction
 * that made the change: they are seen when, and only if, the change is.
 *
 * The log is written past all checks of permissions, as whoever changes the
 * table has none on it.  The rewriter, which fires no trigger, notes its
 * changes by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "compat.h"
#include "convert.h"
#include "report.h"
#include "twin.h"

#define NOTE_SYMBOL "cellenc_conversion_note"

PG_FUNCTION_INFO_V1(cellenc_conversion_note);

/* Either may be NULL. */
static void
append(Oid logid, ItemPointer from, ItemPointer to)
{
	Relation	log = table_open(logid, RowExclusiveLock);
	Datum		values[2] = {PointerGetDatum(from), PointerGetDatum(to)};
	bool		nulls[2] = {from == NULL, to == NULL};
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(log), values, nulls);

	simple_heap_insert(log, tuple);
	heap_freetuple(tuple);
	table_close(log, NoLock);
}

/* The trigger's only argument is the log's oid. */
static Oid
log_of(const Trigger *trigger)
{
	if (trigger->tgnargs != 1)
		elog(ERROR, "wrong arguments of trigger \"%s\"", trigger->tgname);
	return atooid(trigger->tgargs[0]);
}

Datum
cellenc_conversion_note(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	ItemPointer tid;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		elog(ERROR, "%s is called by triggers of column conversions only", NOTE_SYMBOL);

	tid = &trigdata->tg_trigtuple->t_self;
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		append(log_of(trigdata->tg_trigger), NULL, tid);
	else if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		append(log_of(trigdata->tg_trigger), tid, &trigdata->tg_newtuple->t_self);
	else
		append(log_of(trigdata->tg_trigger), tid, NULL);
	return PointerGetDatum(NULL);
}

void
cellenc_convert_note_moved(Relation rel, ItemPointer from, ItemPointer to)
{
	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgisinternal && cellenc_twin_runs_symbol(trigger->tgfoid, NOTE_SYMBOL))
			append(log_of(trigger), from, to);
	}
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

void
cellenc_convert_sort_tids(ItemPointerData *tids, int ntids)
{
	qsort(tids, ntids, sizeof(ItemPointerData), compare_tids);
}

void
cellenc_convert_read_log(Relation log, Snapshot snapshot, int limit, CellencConvertEntries *entries)
{
	TupleTableSlot *slot = table_slot_create(log, NULL);
	TableScanDesc scan = table_beginscan(log, snapshot, 0, NULL);
	int			kept = 0;

	memset(entries, 0, sizeof(*entries));
	entries->tids = palloc(2 * limit * sizeof(ItemPointerData));
	entries->entries = palloc(limit * sizeof(ItemPointerData));
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (entries->nentries == limit)
		{
			entries->more = true;
			break;
		}
		slot_getallattrs(slot);
		for (int i = 0; i < 2; i++)
		{
			if (!slot->tts_isnull[i])
				entries->tids[entries->ntids++] = *(ItemPointer) DatumGetPointer(slot->tts_values[i]);
		}
		entries->entries[entries->nentries++] = slot->tts_tid;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);

	cellenc_convert_sort_tids(entries->tids, entries->ntids);
	for (int i = 0; i < entries->ntids; i++)
	{
		if (kept == 0 || !ItemPointerEquals(&entries->tids[kept - 1], &entries->tids[i]))
			entries->tids[kept++] = entries->tids[i];
	}
	entries->ntids = kept;
}

void
cellenc_convert_delete_entries(Relation log, const CellencConvertEntries *entries)
{
	for (int i = 0; i < entries->nentries; i++)
		simple_heap_delete(log, &entries->entries[i]);
}
