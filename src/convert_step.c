/*-------------------------------------------------------------------------
 *
 * convert_step.c
 *	  The steps of a job that converts a column.
 *
 *	  start -> copy -> index -> catch_up -> switch -> switched -> vacuum
 *
 * Start makes the shadows, and rehearses the switch first.  Copy goes through
 * the tables once; index builds the shadows' indexes; catch_up works off the
 * log of what has changed meanwhile, and waits until every transaction has
 * ended whose snapshot is older than the copies; switch takes the lock, works
 * off the rest of the log, and, in another transaction, exchanges the files.
 * From any of these, what does not fit any more (somebody has rewritten the
 * table, or changed its columns, or partitions have come or gone) goes back to
 * start, and what cannot go on goes to clean_up.
 *
 * Locks that others wait for are asked for with a short timeout and tried
 * again: on start and switch, and for clean_up.  Everything else runs under
 * AccessShareLock for one batch at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "convert.h"
#include "event.h"
#include "job.h"
#include "job_kind.h"
#include "keycatalog.h"
#include "report.h"

/* Log entries of a batch; of the last one, under the lock; and few enough to try. */
#define CATCH_UP_ENTRIES 5000
#define SWITCH_ENTRIES 1000
#define FEW_ENTRIES 200

PG_FUNCTION_INFO_V1(cellenc_conversion_index);
PG_FUNCTION_INFO_V1(cellenc_conversion_switch);

typedef struct Work
{
	CellencJob *job;
	CellencConversion *conversion;
	CellencCommand *command;
	CellencStep result;
} Work;

/*
 * What the steps share
 */

static void
load(Work *work, int64 number)
{
	if (!cellenc_job_load(number, work->job) || !cellenc_convert_load(number, work->conversion))
		elog(ERROR, "could not find job " INT64_FORMAT, number);
}

static CellencStep
go_to(Work *work, CellencConvertPhase phase)
{
	work->conversion->phase = phase;
	cellenc_convert_save(work->conversion);
	return cellenc_job_step_go_on(work->job);
}

/* "public.customers.ssn", quoted as needed. */
static char *
column_description(const CellencConversion *conversion)
{
	return psprintf("%s.%s",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(conversion->relation)),
											   get_rel_name(conversion->relation)),
					quote_identifier(get_attname(conversion->relation, conversion->attnum, false)));
}

/* The caller holds a lock on the relation, if it is there. */
static bool
column_is_there(const CellencConversion *conversion)
{
	/* a dropped column has a row, but no type */
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(conversion->relation)) &&
		OidIsValid(get_atttype(conversion->relation, conversion->attnum));
}

/* Have the caller run a command. */
static CellencStep
want_command(Work *work, const char *sql)
{
	work->command->sql = MemoryContextStrdup(work->command->context, sql);
	cellenc_job_set_state(work->job, CELLENC_JOB_RUNNING);
	cellenc_job_save(work->job);
	return CELLENC_STEP_COMMAND;
}

static CellencStep
end_unconverted(Work *work, const char *error)
{
	work->conversion->error = pstrdup(error);
	return go_to(work, CELLENC_CONVERT_CLEAN_UP);
}

static CellencStep
give_up(Work *work, const ErrorData *failure)
{
	ereport(LOG,
			(errcode(failure->sqlerrcode),
			 errmsg("job " INT64_FORMAT " cannot go on: %s", work->job->job, failure->message),
			 failure->detail ? errdetail_internal("%s", failure->detail) : 0));
	return end_unconverted(work, failure->message);
}

/*
 * Open the table of heap for a batch.  NULL: *result says what to do instead.
 */
static Relation
open_heap(Work *work, const CellencConvertHeap *heap, CellencStep *result)
{
	Relation	rel;

	if (!ConditionalLockRelationOid(work->conversion->relation, AccessShareLock))
	{
		*result = cellenc_job_step_wait_lock(work->job, work->conversion->relation);
		return NULL;
	}
	if (!column_is_there(work->conversion))
	{
		*result = end_unconverted(work, "the column was dropped");
		return NULL;
	}
	if (!ConditionalLockRelationOid(heap->relation, AccessShareLock))
	{
		*result = cellenc_job_step_wait_lock(work->job, heap->relation);
		return NULL;
	}
	rel = try_table_open(heap->relation, NoLock);
	if (rel && cellenc_convert_shadow_fits(work->conversion, heap, rel))
		return rel;
	if (rel)
		table_close(rel, NoLock);
	*result = go_to(work, CELLENC_CONVERT_START);
	return NULL;
}

/*
 * Start
 */

static CellencStep
step_start(Work *work)
{
	CellencConversion *conversion = work->conversion;
	CellencJob *job = work->job;
	int64		older = cellenc_convert_older(conversion);
	int			nestlevel;
	List	   *relations;
	List	   *definitions;
	List	   *locked;
	TimestampTz locked_at;
	ListCell   *lc;

	if (older != 0)
		return cellenc_job_step_wait(job, psprintf("job " INT64_FORMAT ", which converts the same table", older), 0);

	nestlevel = cellenc_convert_enter(CELLENC_CONVERT_LOCK_MS);
	LockRelationOid(conversion->relation, AccessShareLock);
	if (!column_is_there(conversion))
		return end_unconverted(work, "the column was dropped");
	cellenc_convert_check_rights(job, conversion);
	(void) cellenc_convert_check(conversion);
	cellenc_convert_rehearse(conversion, &relations, &definitions);

	locked = cellenc_convert_leaves(conversion->relation, ShareRowExclusiveLock);
	locked_at = GetCurrentTimestamp();
	if (!equal(locked, relations))
		return CELLENC_STEP_RETRY;	/* a partition came or went just now */
	cellenc_convert_remove_misfits(conversion, relations);
	if (conversion->key_version == 0)
		conversion->key_version = cellenc_convert_key_version(&job->keys[0]);
	cellenc_convert_make_heaps(conversion, relations, definitions);
	conversion->settled = false;
	cellenc_convert_leave(nestlevel);
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " made its copy's files, with the table locked against writers for %ld ms",
					job->job, TimestampDifferenceMilliseconds(locked_at, GetCurrentTimestamp()))));

	job->phase = CELLENC_PHASE_PASS;
	job->relation = conversion->relation;
	job->relations_total = list_length(conversion->heaps);
	job->relations_done = 0;
	job->blocks_total = job->blocks_done = 0;
	foreach(lc, conversion->heaps)
	{
		job->blocks_total += ((CellencConvertHeap *) lfirst(lc))->end_block;
		job->blocks_done += ((CellencConvertHeap *) lfirst(lc))->next_block;
	}
	return go_to(work, CELLENC_CONVERT_COPY);
}

/*
 * Copy, indexes
 */

static CellencStep
step_copy(Work *work)
{
	CellencJob *job = work->job;
	ListCell   *lc;

	foreach(lc, work->conversion->heaps)
	{
		CellencConvertHeap *heap = lfirst(lc);
		int64		before = heap->next_block;
		CellencStep result;
		Relation	rel;

		if (heap->next_block >= heap->end_block)
			continue;
		rel = open_heap(work, heap, &result);
		if (!rel)
			return result;
		job->relation = heap->relation;
		job->values_done += cellenc_convert_copy(work->conversion, heap, rel);
		job->blocks_done += heap->next_block - before;
		if (heap->next_block >= heap->end_block)
			job->relations_done++;
		table_close(rel, NoLock);
		cellenc_convert_save_heap(job->job, heap);
		return cellenc_job_step_go_on(job);
	}
	return go_to(work, CELLENC_CONVERT_INDEX);
}

/* Nobody else knows the shadow: the table is not locked. */
static void
build_index(const CellencConvertHeap *heap)
{
	int			nestlevel = cellenc_convert_enter(-1);

	cellenc_convert_build_index(heap, cellenc_convert_owner(heap->relation));
	cellenc_convert_leave(nestlevel);
}

static CellencStep
step_index(Work *work)
{
	ListCell   *lc;

	foreach(lc, work->conversion->heaps)
	{
		CellencConvertHeap *heap = lfirst(lc);

		if (heap->indexed)
			continue;
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(heap->relation)))
			return go_to(work, CELLENC_CONVERT_START);
		if (cellenc_convert_has_indexes(heap))
		{
			heap->indexed = true;
			cellenc_convert_save_heap(work->job->job, heap);
			return cellenc_job_step_go_on(work->job);
		}

		/*
		 * A step would hold the lock that who pauses or cancels a job waits
		 * for; a command is cancelled.
		 */
		if (work->command)
			return want_command(work, psprintf("CALL cellenc.conversion_index(" INT64_FORMAT ", %u)",
											   work->job->job, heap->relation));
		build_index(heap);
		return cellenc_job_step_go_on(work->job);
	}
	return go_to(work, CELLENC_CONVERT_CATCH_UP);
}

/*
 * cellenc.conversion_index(job bigint, relation oid)
 */
Datum
cellenc_conversion_index(PG_FUNCTION_ARGS)
{
	CellencConversion conversion;
	CellencConvertHeap *heap;

	CELLENC_CHECK_PRELOAD();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) ||
		!cellenc_convert_load(PG_GETARG_INT64(0), &conversion) ||
		conversion.phase != CELLENC_CONVERT_INDEX)
		PG_RETURN_VOID();
	heap = cellenc_convert_heap_of(&conversion, PG_GETARG_OID(1));
	if (heap && !heap->indexed && !cellenc_convert_has_indexes(heap) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(heap->relation)))
		build_index(heap);
	PG_RETURN_VOID();
}

/*
 * Catching up
 */

/* A batch of each log.  False: *result says what to do; else *few: it was short. */
static bool
catch_up(Work *work, bool *few, CellencStep *result)
{
	int			nestlevel = cellenc_convert_enter(-1);
	ListCell   *lc;

	*few = true;
	foreach(lc, work->conversion->heaps)
	{
		CellencConvertHeap *heap = lfirst(lc);
		Relation	rel = open_heap(work, heap, result);
		bool		more;
		int			n;

		if (!rel)
			return false;
		n = cellenc_convert_catch_up(work->conversion, heap, rel, CATCH_UP_ENTRIES, &more);
		table_close(rel, NoLock);
		if (more || n > FEW_ENTRIES)
			*few = false;
	}
	cellenc_convert_leave(nestlevel);
	return true;
}

/* Has this process made the last batch of each shadow? */
static bool
knows_batches(const CellencConversion *conversion)
{
	ListCell   *lc;

	foreach(lc, conversion->heaps)
	{
		if (!cellenc_convert_knows_batch(lfirst(lc)))
			return false;
	}
	return true;
}

static CellencStep
step_catch_up(Work *work)
{
	CellencStep result;
	bool		few;

	if (work->conversion->settled && !knows_batches(work->conversion))
	{
		work->conversion->settled = false;
		cellenc_convert_save(work->conversion);
	}
	if (!catch_up(work, &few, &result))
		return result;
	if (!few)
		return cellenc_job_step_go_on(work->job);

	/*
	 * Who has an older snapshot than a copy would not see it, and miss the
	 * row after the switch.  Batches from now on, and the last one, are
	 * settled instead.
	 */
	if (!work->conversion->settled && !cellenc_job_barrier(work->job))
		return CELLENC_STEP_WAIT;
	work->conversion->settled = true;
	return go_to(work, CELLENC_CONVERT_SWITCH);
}

/*
 * Switch
 */

/*
 * What was sealed before a rotation of the key that began meanwhile is not of
 * the table until now: the rotation may have been through it already.
 */
static void
tell_rotation(Work *work)
{
	CellencJob *job = work->job;
	CellencJob	again = {.kind = CELLENC_JOB_REENCRYPT,.keys = job->keys,.nkeys = 1};

	again.version = cellenc_convert_key_version(&job->keys[0]);
	if (job->kind == CELLENC_JOB_ENCRYPT_COLUMN && again.version != work->conversion->key_version)
		(void) cellenc_job_queue(&again);
}

static void
record_end(Work *work, List *notes)
{
	CellencKeyRow row;
	bool		encrypted = work->job->kind == CELLENC_JOB_ENCRYPT_COLUMN;
	char	   *detail = column_description(work->conversion);
	ListCell   *lc;

	if (encrypted)
		detail = psprintf("%s; plain text may be left in pg_statistic until VACUUM FULL pg_statistic,"
						  " and in WAL, backups, and replicas from before", detail);
	foreach(lc, notes)
		detail = psprintf("%s; %s", detail, (char *) lfirst(lc));
	if (cellenc_keycatalog_key_by_id(&work->job->keys[0], &row))
		cellenc_event_record(encrypted ? "encrypt_column" : "decrypt_column", row.name, 0, detail);
}

/*
 * The second half, with the tables locked and the log worked off: give the
 * table the shadow's files.
 */
static CellencStep
exchange(Work *work, TimestampTz locked_at)
{
	int			nestlevel = cellenc_convert_enter(CELLENC_CONVERT_LOCK_MS);
	List	   *notes;
	bool		done = cellenc_convert_exchange(work->conversion, &notes);

	cellenc_convert_leave(nestlevel);
	if (!done)
		return go_to(work, CELLENC_CONVERT_INDEX);
	tell_rotation(work);
	record_end(work, notes);
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " exchanged the table's files in %ld ms", work->job->job,
					TimestampDifferenceMilliseconds(locked_at, GetCurrentTimestamp()))));
	return go_to(work, CELLENC_CONVERT_SWITCHED);
}

static CellencStep
step_switch(Work *work)
{
	CellencConversion *conversion = work->conversion;
	int			nestlevel = cellenc_convert_enter(CELLENC_CONVERT_LOCK_MS);
	List	   *others;
	List	   *relations;
	TimestampTz locked_at;
	ListCell   *lc;

	if (!knows_batches(conversion))
		return go_to(work, CELLENC_CONVERT_CATCH_UP);

	/* WAL of the batches, which the commit would write out under the lock */
	XLogFlush(XactLastCommitEnd);
	LockRelationOid(conversion->relation, AccessShareLock);
	if (!column_is_there(conversion))
		return end_unconverted(work, "the column was dropped");
	others = cellenc_convert_lock_others(conversion);
	relations = cellenc_convert_leaves(conversion->relation, AccessExclusiveLock);
	locked_at = GetCurrentTimestamp();
	if (!cellenc_convert_all_fit(conversion, relations))
		return go_to(work, CELLENC_CONVERT_START);

	foreach(lc, conversion->heaps)
	{
		CellencConvertHeap *heap = lfirst(lc);
		Relation	rel = table_open(heap->relation, NoLock);
		bool		more;

		(void) cellenc_convert_catch_up(conversion, heap, rel, SWITCH_ENTRIES, &more);
		table_close(rel, NoLock);
		if (more)
			return go_to(work, CELLENC_CONVERT_CATCH_UP);
	}
	cellenc_convert_leave(nestlevel);

	/* a test, whose session would keep the locks */
	if (!work->command)
		return exchange(work, locked_at);

	/*
	 * In a transaction of its own, so that the last batch can be settled,
	 * with the tables locked all the time.
	 */
	cellenc_convert_keep_locked(list_concat(others, find_all_inheritors(conversion->relation, NoLock, NULL)));
	return want_command(work, psprintf("CALL cellenc.conversion_switch(" INT64_FORMAT ", " INT64_FORMAT ")",
									   work->job->job, locked_at));
}

/*
 * cellenc.conversion_switch(job bigint, locked_at bigint), the latter a
 * TimestampTz
 */
Datum
cellenc_conversion_switch(PG_FUNCTION_ARGS)
{
	CellencJob	job;
	CellencConversion conversion;
	Work		work = {&job, &conversion, NULL, CELLENC_STEP_CONTINUE};

	CELLENC_CHECK_PRELOAD();
	if (!cellenc_convert_take_locked() || PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_VOID();

	/*
	 * not waiting for who has just paused or cancelled it: the step comes
	 * again
	 */
	if (!cellenc_job_lock(false))
		PG_RETURN_VOID();
	load(&work, PG_GETARG_INT64(0));
	if (job.state != CELLENC_JOB_RUNNING || conversion.phase != CELLENC_CONVERT_SWITCH)
		PG_RETURN_VOID();
	(void) exchange(&work, PG_GETARG_INT64(1));
	PG_RETURN_VOID();
}

/*
 * Ends
 */

static CellencStep
end_converted(Work *work)
{
	CellencJob *job = work->job;
	const char *what = column_is_there(work->conversion) ? column_description(work->conversion) : "the column";

	cellenc_convert_delete(job->job);
	job->error = NULL;
	if (job->kind == CELLENC_JOB_DECRYPT_COLUMN)
		return cellenc_job_step_end(job, false, psprintf("%s is stored in plain text", what));
	return cellenc_job_step_end(job, false,
								psprintf("%s is encrypted; its plain text may be left in pg_statistic until"
										 " VACUUM FULL pg_statistic, and in WAL, backups and replicas from before",
										 what));
}

/* The new table is not known to be visible to all, and has no statistics. */
static CellencStep
step_vacuum(Work *work)
{
	StringInfoData sql;
	ListCell   *lc;
	List	   *relations;

	if (!work->command)
		return end_converted(work);
	if (!ConditionalLockRelationOid(work->conversion->relation, AccessShareLock))
		return cellenc_job_step_wait_lock(work->job, work->conversion->relation);
	if (!column_is_there(work->conversion))
		return end_converted(work);
	relations = get_rel_relkind(work->conversion->relation) == RELKIND_PARTITIONED_TABLE ?
		list_make1_oid(work->conversion->relation) :
		find_all_inheritors(work->conversion->relation, AccessShareLock, NULL);

	initStringInfo(&sql);
	foreach(lc, relations)
		appendStringInfo(&sql, "%s%s", sql.len == 0 ? "VACUUM (ANALYZE) " : ", ",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(lfirst_oid(lc))),
													get_rel_name(lfirst_oid(lc))));
	work->command->yields = true;
	return want_command(work, sql.data);
}

static CellencStep
step_clean_up(Work *work)
{
	CellencConversion *conversion = work->conversion;
	CellencJob *job = work->job;
	int			nestlevel = cellenc_convert_enter(CELLENC_CONVERT_LOCK_MS);
	bool		failed;

	if (conversion->heaps != NIL)
	{
		CellencConvertHeap *heap = linitial(conversion->heaps);

		cellenc_convert_forget_batch(heap);
		cellenc_convert_drop_shadow(heap);
		cellenc_convert_delete_heap(job->job, heap->relation);
		cellenc_convert_leave(nestlevel);
		return cellenc_job_step_go_on(job);
	}
	cellenc_convert_leave(nestlevel);

	failed = conversion->error != NULL && column_is_there(conversion);
	job->error = conversion->error;
	cellenc_convert_delete(job->job);
	if (failed)
		return cellenc_job_step_end(job, true, "the column is as it was");
	cellenc_job_set_state(job, CELLENC_JOB_CANCELLED);
	cellenc_job_save(job);
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " cancelled", job->job),
			 job->error ? errdetail_internal("%s", job->error) : 0));
	return CELLENC_STEP_FAILED;
}

/*
 * Step
 */

static void
do_step(void *arg)
{
	Work	   *work = arg;
	TimestampTz began = GetCurrentTimestamp();

	switch (work->conversion->phase)
	{
		case CELLENC_CONVERT_START:
			work->result = step_start(work);
			break;
		case CELLENC_CONVERT_COPY:
			work->result = step_copy(work);
			break;
		case CELLENC_CONVERT_INDEX:
			work->result = step_index(work);
			break;
		case CELLENC_CONVERT_CATCH_UP:
			work->result = step_catch_up(work);
			break;
		case CELLENC_CONVERT_SWITCH:
			work->result = step_switch(work);
			break;
		case CELLENC_CONVERT_SWITCHED:
			work->result = go_to(work, CELLENC_CONVERT_VACUUM);
			break;
		case CELLENC_CONVERT_VACUUM:
			work->result = step_vacuum(work);
			break;
		case CELLENC_CONVERT_CLEAN_UP:
			work->result = step_clean_up(work);
			break;
	}
	if (work->result == CELLENC_STEP_CONTINUE)
	{
		cellenc_job_add_time(work->job, began);
		cellenc_job_save(work->job);
	}
}

static CellencStep
step(CellencJob *job, CellencCommand *command)
{
	CellencConversion conversion;
	Work		work = {job, &conversion, command, CELLENC_STEP_CONTINUE};
	ErrorData  *failure;

	load(&work, job->job);
	if (cellenc_job_guarded(do_step, &work, &failure))
		return work.result;

	load(&work, job->job);
	if (failure->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		failure->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
	{
		/* the log grows while somebody else has the lock */
		if (conversion.phase == CELLENC_CONVERT_SWITCH)
		{
			conversion.phase = CELLENC_CONVERT_CATCH_UP;
			cellenc_convert_save(&conversion);
		}
		return cellenc_job_step_wait_lock(job, conversion.relation);
	}
	if (cellenc_job_is_temporary(failure->sqlerrcode) || conversion.phase >= CELLENC_CONVERT_SWITCHED)
		ReThrowError(failure);
	return give_up(&work, failure);
}

static CellencStep
command_done(CellencJob *job, ErrorData *failure, CellencCommand *command)
{
	CellencConversion conversion;
	Work		work = {job, &conversion, NULL, CELLENC_STEP_CONTINUE};

	/* paused, it asks for the command again when it goes on */
	if (job->state == CELLENC_JOB_PAUSED || cellenc_job_has_ended(job))
		return CELLENC_STEP_WAIT;
	load(&work, job->job);
	if (conversion.phase == CELLENC_CONVERT_SWITCHED)
		return go_to(&work, CELLENC_CONVERT_VACUUM);
	if (conversion.phase == CELLENC_CONVERT_VACUUM)
	{
		if (failure)
			ereport(LOG,
					(errcode(failure->sqlerrcode),
					 errmsg("job " INT64_FORMAT " could not vacuum the table: %s", job->job, failure->message)));
		return end_converted(&work);
	}
	if (!failure || (conversion.phase != CELLENC_CONVERT_INDEX && conversion.phase != CELLENC_CONVERT_SWITCH))
		return cellenc_job_step_go_on(job);
	if (cellenc_job_is_temporary(failure->sqlerrcode) || cellenc_job_contended(failure))
	{
		cellenc_job_note_retry(job, failure);
		return CELLENC_STEP_RETRY;
	}
	return give_up(&work, failure);
}

static char *
describe(const CellencJob *job)
{
	CellencConversion conversion;

	if (!cellenc_convert_load(job->job, &conversion) || !column_is_there(&conversion))
		return pstrdup("a column that is not there any more");
	return psprintf(job->kind == CELLENC_JOB_ENCRYPT_COLUMN ? "%s goes to %s" : "%s leaves %s",
					column_description(&conversion), cellenc_job_key_description(job));
}

static bool
cancel(CellencJob *job)
{
	CellencConversion conversion;

	if (!cellenc_convert_load(job->job, &conversion))
		return false;
	if (conversion.phase == CELLENC_CONVERT_SWITCHED || conversion.phase == CELLENC_CONVERT_VACUUM)
	{
		/* it is done, but for that */
		cellenc_convert_delete(job->job);
		return false;
	}
	conversion.phase = CELLENC_CONVERT_CLEAN_UP;
	conversion.error = NULL;
	cellenc_convert_save(&conversion);
	if (job->state == CELLENC_JOB_PAUSED)
		cellenc_job_set_state(job, CELLENC_JOB_QUEUED);
	return true;
}

const CellencJobMethods cellenc_convert_methods = {
	.describe = describe,
	.step = step,
	.command_done = command_done,
	.cancel = cancel
};
