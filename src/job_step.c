/*-------------------------------------------------------------------------
 *
 * job_step.c
 *	  One step of a job: what a worker repeats, and tests call as a session.
 *
 * barrier -> pass 1 -> barrier -> pass 2 ... until a pass that began after a
 * barrier found nothing stale.  The first barrier sees to it that nobody
 * seals under the old version any more; the later ones, that nobody holds a
 * stale value copied during the pass before.
 *
 * A barrier's list and a pass's relations are kept in this process alone:
 * another process that goes on with the job makes them anew.  All else is in
 * the job's row.
 *
 * The work of a batch runs in a subtransaction, so that its errors can be
 * written to the row.  Those that may go away by themselves make the job wait
 * and try again, the others end it.
 *
 * Touches job, barrier, columns, rewriter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "barrier.h"
#include "columns.h"
#include "compat.h"
#include "job.h"
#include "keycatalog.h"
#include "report.h"
#include "rewriter.h"

/* WARNINGs a pass writes for values that cannot be opened; more are counted. */
#define MAX_BAD_LOGGED 100

/* Empty relations passed over in one step: each is locked for a moment. */
#define MAX_EMPTY 100

/* Two steps further apart than this were not one stretch of work. */
#define MAX_STEP_GAP_MS 5000

/*
 * What this process knows of jobs beyond their rows; see above.  Each waiting
 * job keeps a list of its own: if jobs that take turns made theirs anew, none
 * would be passed while some transaction always runs.
 */
typedef struct BarrierMemo
{
	int64		job;
	int32		pass;
	CellencBarrier *barrier;
} BarrierMemo;

static List *barrier_memos = NIL;

static struct
{
	int64		job;			/* 0: none */
	int32		pass;
	List	   *relations;
}			pass_memo;

static struct
{
	int64		job;
	TimestampTz ended;
}			last_step;

/*
 * Messages
 */

static const char *
key_description(const CellencJob *job)
{
	CellencKeyRow row;

	if (job->nkeys == 1 && cellenc_keycatalog_key_by_id(&job->keys[0], &row))
		return psprintf("key \"%s\"", row.name);
	return psprintf("%d keys", job->nkeys);
}

static char *
relation_description(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (!name)
		return psprintf("with OID %u", relid);
	return psprintf("\"%s.%s\"", get_namespace_name(get_rel_namespace(relid)), name);
}

/*
 * Ends
 */

static CellencStep
finish_job(CellencJob *job)
{
	if (job->bad_values > 0)
	{
		cellenc_job_set_state(job, CELLENC_JOB_FAILED);
		job->error = psprintf(INT64_FORMAT " values could not be re-encrypted; see the server log",
							  job->bad_values);
	}
	else
		cellenc_job_set_state(job, CELLENC_JOB_DONE);

	/* batches may be lost by a crash, but not what was said to be done */
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	cellenc_job_save(job);
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " %s: " INT64_FORMAT " values re-encrypted, %d passes",
					job->job, job->bad_values > 0 ? "failed" : "done",
					job->values_done, job->pass),
			 job->error ? errdetail_internal("%s", job->error) : 0));
	return job->bad_values > 0 ? CELLENC_STEP_FAILED : CELLENC_STEP_DONE;
}

/* Will it help to try again later? */
static bool
is_temporary(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:	/* deadlock, serialization */
		case ERRCODE_INSUFFICIENT_RESOURCES:	/* disk, memory, locks */
		case ERRCODE_SYSTEM_ERROR:	/* I/O, a provider of master keys */
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:	/* wrong master key */
			return true;
		default:
			return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

/* Write an error of the work to the row.  Its detail goes to the log alone. */
static CellencStep
note_error(CellencJob *job, ErrorData *edata)
{
	bool		temporary = is_temporary(edata->sqlerrcode);
	bool		again = temporary && job->error && strcmp(job->error, edata->message) == 0;

	job->error = pstrdup(edata->message);
	if (temporary)
		cellenc_job_wait_for(job, "another attempt after an error", 0);
	else
		cellenc_job_set_state(job, CELLENC_JOB_FAILED);
	cellenc_job_save(job);

	if (!again)
		ereport(LOG,
				(errcode(edata->sqlerrcode),
				 errmsg("job " INT64_FORMAT " %s: %s", job->job,
						temporary ? "will try again" : "failed", edata->message),
				 edata->detail ? errdetail_internal("%s", edata->detail) : 0));
	return temporary ? CELLENC_STEP_RETRY : CELLENC_STEP_FAILED;
}

/* Nothing to do before `what`; the row tells so until the job goes on. */
static CellencStep
wait_for(CellencJob *job, const char *what, TimestampTz since)
{
	if (job->state != CELLENC_JOB_WAITING || !job->waiting_for ||
		strcmp(job->waiting_for, what) != 0)
	{
		cellenc_job_wait_for(job, what, since);
		cellenc_job_save(job);
	}
	return CELLENC_STEP_WAIT;
}

/*
 * Barrier
 */

static CellencStep
begin_job(CellencJob *job)
{
	/*
	 * The transaction that queued the job has committed, but may not have
	 * told the other sessions of the new version yet.  It has when it gives
	 * up the lock of its xid.
	 */
	if (TransactionIdIsNormal(job->writer))
		XactLockTableWait(job->writer, NULL, NULL, XLTW_None);

	cellenc_job_set_state(job, CELLENC_JOB_WAITING);
	cellenc_job_save(job);
	if (job->version != 0)
		ereport(LOG,
				(errmsg("job " INT64_FORMAT " begins: values of %s go to version %d",
						job->job, key_description(job), job->version)));
	else
		ereport(LOG,
				(errmsg("job " INT64_FORMAT " begins: values of %s go to their current versions",
						job->job, key_description(job))));
	return CELLENC_STEP_CONTINUE;
}

/* That of one job, or of all (0). */
static void
forget_barrier(int64 job)
{
	ListCell   *cell;

	foreach(cell, barrier_memos)
	{
		BarrierMemo *memo = lfirst(cell);

		if (job != 0 && memo->job != job)
			continue;
		barrier_memos = foreach_delete_current(barrier_memos, cell);
		pfree(memo->barrier);
		pfree(memo);
	}
}

static CellencBarrier *
find_barrier(const CellencJob *job)
{
	ListCell   *cell;

	foreach(cell, barrier_memos)
	{
		BarrierMemo *memo = lfirst(cell);

		if (memo->job == job->job && memo->pass == job->pass)
			return memo->barrier;
	}
	return NULL;
}

/* The relations of the pass; read again by a process that did not begin it. */
static List *
pass_relations(const CellencJob *job)
{
	if (pass_memo.job != job->job || pass_memo.pass != job->pass)
	{
		List	   *relations = cellenc_columns_relations(job->keys, job->nkeys);
		MemoryContext oldcxt = MemoryContextSwitchTo(TopMemoryContext);

		list_free(pass_memo.relations);
		pass_memo.relations = list_copy(relations);
		pass_memo.job = job->job;
		pass_memo.pass = job->pass;
		MemoryContextSwitchTo(oldcxt);
	}
	return pass_memo.relations;
}

/* Say once what no pass treats. */
static void
report_out_of_reach(const CellencJob *job)
{
	ListCell   *cell;

	foreach(cell, cellenc_columns_out_of_reach(job->keys, job->nkeys))
	{
		Oid			relid = lfirst_oid(cell);

		ereport(LOG,
				(errmsg("job " INT64_FORMAT " leaves out %s table %s", job->job,
						get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE ? "foreign" : "temporary",
						relation_description(relid))));
	}
}

static void
begin_pass(CellencJob *job)
{
	ListCell   *cell;

	job->phase = CELLENC_PHASE_PASS;
	job->relation = InvalidOid;
	job->relation_file = InvalidOid;
	job->next_block = job->end_block = 0;
	job->found = job->bad_values = 0;
	job->relations_done = 0;
	job->blocks_done = job->blocks_total = 0;
	job->pass_ms = 0;

	if (job->pass == 1)
		report_out_of_reach(job);
	pass_memo.job = 0;
	job->relations_total = list_length(pass_relations(job));
	foreach(cell, pass_relations(job))
	{
		Relation	rel;

		/* an estimate: who locks the relation at the moment is not waited for */
		if (!ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock))
			continue;
		rel = try_table_open(lfirst_oid(cell), NoLock);
		if (rel)
		{
			job->blocks_total += RelationGetNumberOfBlocks(rel);
			table_close(rel, NoLock);
		}
		UnlockRelationOid(lfirst_oid(cell), AccessShareLock);
	}
}

static CellencStep
step_barrier(CellencJob *job)
{
	CellencBarrier *barrier = find_barrier(job);
	char	   *holder;
	TimestampTz since;

	if (!barrier)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(TopMemoryContext);
		BarrierMemo *memo = palloc(sizeof(BarrierMemo));

		forget_barrier(job->job);
		memo->job = job->job;
		memo->pass = job->pass;
		memo->barrier = barrier = cellenc_barrier_begin();
		barrier_memos = lappend(barrier_memos, memo);
		MemoryContextSwitchTo(oldcxt);
	}

	if (!cellenc_barrier_passed(barrier, &holder, &since))
		return wait_for(job, holder, since);

	forget_barrier(job->job);
	begin_pass(job);
	cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
	cellenc_job_save(job);
	return CELLENC_STEP_CONTINUE;
}

/*
 * Pass
 */

static void
add_time(CellencJob *job, TimestampTz began)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		ms;

	/* what lies between two steps of one stretch belongs to it */
	if (last_step.job == job->job &&
		TimestampDifferenceMilliseconds(last_step.ended, began) < MAX_STEP_GAP_MS)
		began = last_step.ended;
	ms = Max(now - began, 0) / 1000;
	job->worked_ms += ms;
	job->pass_ms += ms;
	last_step.job = job->job;
	last_step.ended = began + ms * 1000;
}

/*
 * Open a relation of the pass; *gone where it was dropped or is none for the
 * rewriter any more, NULL where somebody's lock is in the way.  DDL is not
 * queued for: it would make others queue behind us.
 */
static Relation
open_target(Oid relid, bool *gone)
{
	Relation	rel;

	*gone = false;
	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
		return NULL;
	rel = try_relation_open(relid, NoLock);
	if (rel && cellenc_rewriter_handles(rel->rd_rel->relkind, rel->rd_rel->relpersistence))
		return rel;

	if (rel)
		relation_close(rel, NoLock);
	UnlockRelationOid(relid, RowExclusiveLock);
	*gone = true;
	return NULL;
}

static CellencStep
wait_for_relation(CellencJob *job, Oid relid)
{
	return wait_for(job, psprintf("lock on relation %s", relation_description(relid)), 0);
}

static CellencStep
close_pass(CellencJob *job)
{
	cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
	if (job->found == 0)
		return finish_job(job);

	job->phase = CELLENC_PHASE_BARRIER;
	job->pass++;
	job->relation = InvalidOid;
	job->next_block = job->end_block = 0;
	cellenc_job_set_state(job, CELLENC_JOB_WAITING);
	cellenc_job_save(job);
	return CELLENC_STEP_CONTINUE;
}

static void
begin_relation(CellencJob *job, Relation rel)
{
	job->relation = RelationGetRelid(rel);
	job->relation_file = rel->rd_rel->relfilenode;
	job->next_block = 0;
	job->end_block = RelationGetNumberOfBlocks(rel);
	if (job->end_block > 0)
		ereport(job->pass == 1 ? LOG : DEBUG1,
				(errmsg("job " INT64_FORMAT ", pass %d: relation %s, " INT64_FORMAT " blocks",
						job->job, job->pass, relation_description(job->relation),
						job->end_block)));
}

static void
end_relation(CellencJob *job)
{
	job->next_block = job->end_block;
	job->relations_done++;
}

/* Go to the next relation that has blocks, or close the pass. */
static CellencStep
next_relation(CellencJob *job)
{
	int			passed = 0;
	ListCell   *cell;

	foreach(cell, pass_relations(job))
	{
		Oid			relid = lfirst_oid(cell);
		bool		gone;
		bool		empty;
		Relation	rel;

		if (relid <= job->relation)
			continue;

		rel = passed < MAX_EMPTY ? open_target(relid, &gone) : NULL;
		if (!rel && passed > 0 && (passed == MAX_EMPTY || !gone))
			break;				/* save how far this step came */
		if (!rel && !gone)
			return wait_for_relation(job, relid);

		passed++;
		job->relation = relid;
		job->next_block = job->end_block = 0;
		if (rel)
		{
			begin_relation(job, rel);
			relation_close(rel, NoLock);
		}
		empty = job->end_block == 0;
		if (!empty)
			break;
		if (rel)
			UnlockRelationOid(relid, RowExclusiveLock);
		end_relation(job);
	}
	if (passed == 0)
		return close_pass(job);

	cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
	cellenc_job_save(job);
	return CELLENC_STEP_CONTINUE;
}

/*
 * Run the batch in a subtransaction.  False, and everything undone, if it
 * failed; *failure is then the error.
 */
static bool
run_batch(Relation rel, CellencBatch *batch, ErrorData **failure)
{
	MemoryContext oldcxt = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcxt);
	PG_TRY();
	{
		cellenc_rewriter_batch(rel, batch);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(oldcxt);
		*failure = CopyErrorData();
		if (ERRCODE_TO_CATEGORY((*failure)->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcxt);
	CurrentResourceOwner = oldowner;
	return done;
}

static CellencStep
treat_batch(CellencJob *job, Relation rel)
{
	TimestampTz began = GetCurrentTimestamp();
	CellencBatch batch;
	ErrorData  *failure;
	bool		done;

	memset(&batch, 0, sizeof(batch));
	batch.first = job->next_block;
	batch.end = Min(job->next_block + CELLENC_BATCH_BLOCKS, job->end_block);
	batch.keys = job->keys;
	batch.nkeys = job->nkeys;
	batch.wait = job->pass > 1;
	batch.bad_to_log = Max(MAX_BAD_LOGGED - job->bad_values, 0);

	done = run_batch(rel, &batch, &failure);
	if (!done && failure->sqlerrcode == ERRCODE_DATA_CORRUPTED)
	{
		batch.careful = true;
		done = run_batch(rel, &batch, &failure);
	}
	if (!done)
		return note_error(job, failure);

	job->blocks_done += batch.next - batch.first;
	job->next_block = batch.next;
	job->found += batch.found;
	job->values_done += batch.values;
	job->bad_values += batch.bad;
	job->error = NULL;
	if (job->next_block >= job->end_block)
		end_relation(job);
	add_time(job, began);
	cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
	cellenc_job_save(job);
	return CELLENC_STEP_CONTINUE;
}

static CellencStep
step_pass(CellencJob *job)
{
	bool		gone;
	Relation	rel;
	CellencStep result;

	if (job->next_block >= job->end_block)
		return next_relation(job);

	rel = open_target(job->relation, &gone);
	if (!rel && !gone)
		return wait_for_relation(job, job->relation);
	if (gone)
	{
		end_relation(job);
		cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
		cellenc_job_save(job);
		return CELLENC_STEP_CONTINUE;
	}

	/* VACUUM FULL and the like moved the rows: begin again */
	if (rel->rd_rel->relfilenode != job->relation_file)
	{
		job->blocks_done -= job->next_block;
		begin_relation(job, rel);
	}
	if (job->end_block == 0)
	{
		end_relation(job);
		cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
		cellenc_job_save(job);
		result = CELLENC_STEP_CONTINUE;
	}
	else
		result = treat_batch(job, rel);
	relation_close(rel, NoLock);
	return result;
}

/*
 * Step
 */

CellencStep
cellenc_job_step(int64 number)
{
	CellencJob	job;

	PreventCommandIfReadOnly("cellenc job");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("a job cannot run in a REPEATABLE READ or SERIALIZABLE transaction")));

	/* a cancel, or a session that tests this, is quick */
	if (!cellenc_job_lock(false))
		return CELLENC_STEP_WAIT;
	if (!cellenc_job_load(number, &job))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " does not exist", number)));

	switch (job.state)
	{
		case CELLENC_JOB_DONE:
			return CELLENC_STEP_DONE;
		case CELLENC_JOB_FAILED:
		case CELLENC_JOB_CANCELLED:
			return CELLENC_STEP_FAILED;
		case CELLENC_JOB_PAUSED:
			return CELLENC_STEP_WAIT;
		case CELLENC_JOB_QUEUED:
			return begin_job(&job);
		case CELLENC_JOB_WAITING:
		case CELLENC_JOB_RUNNING:
			break;
	}
	return job.phase == CELLENC_PHASE_BARRIER ? step_barrier(&job) : step_pass(&job);
}

PG_FUNCTION_INFO_V1(cellenc_job_step_sql);

/* cellenc.job_step(job bigint): one step in the session's transaction, for tests. */
Datum
cellenc_job_step_sql(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		[CELLENC_STEP_CONTINUE] = "continue",
		[CELLENC_STEP_WAIT] = "wait",
		[CELLENC_STEP_RETRY] = "retry",
		[CELLENC_STEP_DONE] = "done",
		[CELLENC_STEP_FAILED] = "failed"
	};

	CELLENC_CHECK_PRELOAD();
	PG_RETURN_TEXT_P(cstring_to_text(names[cellenc_job_step(PG_GETARG_INT64(0))]));
}

/* What this process noted in a transaction that was rolled back is not so. */
static void
xact_ended(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
	{
		forget_barrier(0);
		pass_memo.job = 0;
		last_step.job = 0;
	}
}

void
cellenc_job_step_init(void)
{
	RegisterXactCallback(xact_ended, NULL);
}
