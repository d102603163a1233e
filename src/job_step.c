/*-------------------------------------------------------------------------
 *
 * job_step.c
 *	  One step of a job: what a worker repeats, and tests call as a session.
 *
 * Here is what all kinds of jobs share: how a step begins and ends, barriers,
 * and what becomes of errors.  The work itself is its kind's (job_kind.h).  It
 * runs in a subtransaction, so that its errors can be written to the row.
 * Those that may go away by themselves make the job wait and try again, the
 * others end it.
 *
 * A barrier's list is kept in this process alone: another process that goes
 * on with the job makes it anew.  All else is in the job's row.
 *
 * Touches job, barrier, keycatalog, throttle.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "barrier.h"
#include "compat.h"
#include "guarded.h"
#include "job.h"
#include "job_kind.h"
#include "keycatalog.h"
#include "report.h"
#include "throttle.h"

/* What the system's caches may hold. */
#define MAX_CACHE_BYTES (16 * 1024 * 1024)

static const CellencJobMethods *const methods[] = {
	[CELLENC_JOB_ROTATE] = &cellenc_job_pass_methods,
	[CELLENC_JOB_REENCRYPT] = &cellenc_job_pass_methods,
	[CELLENC_JOB_ENCRYPT_COLUMN] = &cellenc_convert_methods,
	[CELLENC_JOB_DECRYPT_COLUMN] = &cellenc_convert_methods
};

/*
 * Each waiting job keeps a list of its own: if jobs that take turns made
 * theirs anew, none would be passed while some transaction always runs.
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
	TimestampTz ended;
}			last_step;

/*
 * Messages
 */

char *
cellenc_job_key_description(const CellencJob *job)
{
	CellencKeyRow row;

	if (job->nkeys == 1 && cellenc_keycatalog_key_by_id(&job->keys[0], &row))
		return psprintf("key \"%s\"", row.name);
	return psprintf("%d keys", job->nkeys);
}

char *
cellenc_job_relation_description(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (!name)
		return psprintf("with OID %u", relid);
	return psprintf("\"%s.%s\"", get_namespace_name(get_rel_namespace(relid)), name);
}

/*
 * Ends
 */

CellencStep
cellenc_job_step_end(CellencJob *job, bool failed, const char *summary)
{
	/* what it waited for last may have been all that was left */
	cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
	cellenc_job_set_state(job, failed ? CELLENC_JOB_FAILED : CELLENC_JOB_DONE);

	/* batches may be lost by a crash, but not what was said to be done */
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	cellenc_job_save(job);
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " %s: %s", job->job, failed ? "failed" : "done", summary),
			 job->error ? errdetail_internal("%s", job->error) : 0));
	return failed ? CELLENC_STEP_FAILED : CELLENC_STEP_DONE;
}

bool
cellenc_job_is_temporary(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:	/* deadlock, serialization */
		case ERRCODE_INSUFFICIENT_RESOURCES:	/* disk, memory, locks */
		case ERRCODE_SYSTEM_ERROR:	/* I/O, a provider of master keys */
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:	/* wrong master key */
			return true;
		default:
			return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
				sqlerrcode == ERRCODE_OBJECT_IN_USE;	/* a subscriber in the
														 * way */
	}
}

bool
cellenc_job_contended(const ErrorData *failure)
{
	return failure->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		failure->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		ERRCODE_TO_CATEGORY(failure->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK;
}

static void
log_failure(const CellencJob *job, const char *what, const ErrorData *failure)
{
	ereport(LOG,
			(errcode(failure->sqlerrcode),
			 errmsg("job " INT64_FORMAT " %s: %s", job->job, what, failure->message),
			 failure->detail ? errdetail_internal("%s", failure->detail) : 0,
			 failure->hint ? errhint("%s", failure->hint) : 0));
}

void
cellenc_job_note_retry(CellencJob *job, const ErrorData *failure)
{
	bool		again = job->error && strcmp(job->error, failure->message) == 0;

	job->error = pstrdup(failure->message);
	cellenc_job_wait_for(job, "another attempt after an error", 0);
	cellenc_job_save(job);
	last_step.job = 0;
	if (!again)
		log_failure(job, "will try again", failure);
}

/* Write an error of the work to the row.  Detail and hint go to the log alone. */
static CellencStep
note_error(CellencJob *job, const ErrorData *failure)
{
	/* of a command that ended after the job was paused or cancelled */
	if (job->state == CELLENC_JOB_PAUSED || cellenc_job_has_ended(job))
		return CELLENC_STEP_WAIT;

	if (cellenc_job_is_temporary(failure->sqlerrcode))
	{
		cellenc_job_note_retry(job, failure);
		return CELLENC_STEP_RETRY;
	}
	job->error = pstrdup(failure->message);
	cellenc_job_set_state(job, CELLENC_JOB_FAILED);
	cellenc_job_save(job);
	log_failure(job, "failed", failure);
	return CELLENC_STEP_FAILED;
}

CellencStep
cellenc_job_step_wait(CellencJob *job, const char *what, TimestampTz since)
{
	if (job->state != CELLENC_JOB_WAITING || !job->waiting_for ||
		strcmp(job->waiting_for, what) != 0)
	{
		cellenc_job_wait_for(job, what, since);
		cellenc_job_save(job);
		last_step.job = 0;
	}
	return CELLENC_STEP_WAIT;
}

CellencStep
cellenc_job_step_wait_lock(CellencJob *job, Oid relid)
{
	return cellenc_job_step_wait(job, psprintf("lock on relation %s",
											   cellenc_job_relation_description(relid)), 0);
}

CellencStep
cellenc_job_step_go_on(CellencJob *job)
{
	cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
	cellenc_job_save(job);
	return CELLENC_STEP_CONTINUE;
}

/*
 * Barrier
 */

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

bool
cellenc_job_barrier(CellencJob *job)
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
	{
		(void) cellenc_job_step_wait(job, holder, since);
		return false;
	}
	forget_barrier(job->job);
	return true;
}

/*
 * Work
 */

void
cellenc_job_add_time(CellencJob *job, TimestampTz began)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		ms;

	/* what lies between two steps of one stretch belongs to it */
	if (last_step.job == job->job)
		began = last_step.ended;
	ms = Max(now - began, 0) / 1000;
	job->worked_ms += ms;
	last_step.job = job->job;
	last_step.ended = began + ms * 1000;
}

void
cellenc_job_trim_caches(void)
{
	if (MemoryContextMemAllocated(CacheMemoryContext, true) > MAX_CACHE_BYTES)
		InvalidateSystemCaches();
}

typedef struct GuardedCall
{
	void		(*work) (void *arg);
} GuardedCall;

static void
call_work(void *context, void *arg)
{
	((GuardedCall *) context)->work(arg);
}

static bool
is_no_cancel(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) != ERRCODE_OPERATOR_INTERVENTION;
}

bool
cellenc_job_guarded(void (*work) (void *arg), void *arg, ErrorData **failure)
{
	GuardedCall call = {work};

	return cellenc_guarded_run(call_work, &call, arg, is_no_cancel, failure);
}

/* What this process noted in work that was rolled back is not so. */
static void
forget_all(void)
{
	forget_barrier(0);
	last_step.job = 0;
	for (size_t i = 0; i < lengthof(methods); i++)
	{
		if (methods[i]->forget)
			methods[i]->forget();
	}
}

typedef struct Work
{
	CellencJob *job;
	CellencCommand *command;	/* of a step */
	ErrorData  *failure;		/* of a command that has ended */
	CellencStep result;
} Work;

/* A transition from queued: the job begins, or goes on after a pause. */
static CellencStep
begin_job(CellencJob *job)
{
	bool		resumed = job->started_at != 0;

	/*
	 * The transaction that queued the job has committed, but may not have
	 * told the other sessions of the new version yet.  It has when it gives
	 * up the lock of its xid.
	 */
	if (TransactionIdIsNormal(job->writer))
		XactLockTableWait(job->writer, NULL, NULL, XLTW_None);

	cellenc_job_set_state(job, CELLENC_JOB_WAITING);
	cellenc_job_save(job);
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " %s: %s", job->job, resumed ? "goes on" : "begins",
					methods[job->kind]->describe(job))));
	return CELLENC_STEP_CONTINUE;
}

static void
do_step(void *arg)
{
	Work	   *work = arg;

	if (work->job->state == CELLENC_JOB_QUEUED)
		work->result = begin_job(work->job);
	else
		work->result = methods[work->job->kind]->step(work->job, work->command);
}

static void
do_command_done(void *arg)
{
	Work	   *work = arg;

	work->result = methods[work->job->kind]->command_done(work->job, work->failure,
														  work->command);
}

static void
load_job(int64 number, CellencJob *job)
{
	if (!cellenc_job_load(number, job))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " does not exist", number)));
}

/* Run f; its error is noted in the row, which is as it was before. */
static CellencStep
run_work(void (*f) (void *arg), Work *work)
{
	ErrorData  *failure;

	if (cellenc_job_guarded(f, work, &failure))
		return work->result;
	forget_all();
	load_job(work->job->job, work->job);
	return note_error(work->job, failure);
}

CellencStep
cellenc_job_step(int64 number, CellencCommand *command)
{
	CellencJob	job;
	Work		work = {.job = &job,.command = command};
	char	   *what;

	PreventCommandIfReadOnly("cellenc job");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("a job cannot run in a REPEATABLE READ or SERIALIZABLE transaction")));

	/* a cancel, or a session that tests this, is quick */
	if (!cellenc_job_lock(false))
		return CELLENC_STEP_WAIT;
	load_job(number, &job);

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
			break;
		case CELLENC_JOB_WAITING:
		case CELLENC_JOB_RUNNING:
			if (cellenc_throttle_hold(&what))
				return cellenc_job_step_wait(&job, what, GetCurrentTimestamp());
			break;
	}
	return run_work(do_step, &work);
}

CellencStep
cellenc_job_command_done(int64 number, ErrorData *failure, CellencCommand *command)
{
	CellencJob	job;
	Work		work = {.job = &job,.command = command,.failure = failure};

	(void) cellenc_job_lock(true);
	load_job(number, &job);
	return run_work(do_command_done, &work);
}

bool
cellenc_job_kind_cancel(CellencJob *job)
{
	return methods[job->kind]->cancel && methods[job->kind]->cancel(job);
}

PG_FUNCTION_INFO_V1(cellenc_job_step_sql);

/*
 * cellenc.job_step(job bigint): one step in the session's transaction, for
 * tests.  It runs no commands.
 */
Datum
cellenc_job_step_sql(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		[CELLENC_STEP_CONTINUE] = "continue",
		[CELLENC_STEP_WAIT] = "wait",
		[CELLENC_STEP_RETRY] = "retry",
		[CELLENC_STEP_COMMAND] = "command",
		[CELLENC_STEP_DONE] = "done",
		[CELLENC_STEP_FAILED] = "failed"
	};

	CELLENC_CHECK_PRELOAD();
	PG_RETURN_TEXT_P(cstring_to_text(names[cellenc_job_step(PG_GETARG_INT64(0), NULL)]));
}

static void
xact_ended(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		forget_all();
}

void
cellenc_job_step_init(void)
{
	RegisterXactCallback(xact_ended, NULL);
}
