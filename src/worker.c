/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  Runs the jobs of one database, step by step, until none is left.
 *
 * Each step is a transaction of its own; commands that must be at top level
 * run between them.  Of the jobs that do not wait, the
 * oldest goes first.  The worker sleeps outside of transactions only, and
 * leaves at once when somebody wants to drop or copy the database.
 *
 * It runs as the bootstrap superuser, whose settings and the database's it
 * overrides.  It exits with an ERROR when a step itself fails; the launcher
 * starts another one after a pause.
 *
 * Touches command, guc, job, keycatalog, policy, throttle, window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "command.h"
#include "compat.h"
#include "guc.h"
#include "job.h"
#include "job_kind.h"
#include "keycatalog.h"
#include "policy.h"
#include "throttle.h"
#include "window.h"
#include "worker.h"

/* Pauses of a job that waits, or failed: doubled from the first to the last. */
#define MIN_PAUSE_MS 10
#define MAX_PAUSE_MS 1000
#define MIN_RETRY_MS 100
#define MAX_RETRY_MS 30000

/* The longest sleep: what else may want the worker is looked at so often. */
#define MAX_SLEEP_MS 1000

/* The list of jobs is read again after this time; a new one can wait so long. */
#define LIST_AGE_MS 1000

typedef struct WorkerJob
{
	int64		number;
	long		pause;			/* the last one, in ms */
	TimestampTz not_before;		/* when it is looked at again */
} WorkerJob;

static List *jobs = NIL;
static TimestampTz jobs_read_at = 0;

/* The command that a step wants, and its job; NULL: none. */
static CellencCommand wanted;
static WorkerJob *wanted_by = NULL;

/* Of this worker, in the launcher's shared memory. */
static int	slot;

/* When its database has something to do again; 0: not known, or never. */
static TimestampTz due = 0;

typedef struct Setting
{
	const char *name;
	const char *value;
} Setting;

static const Setting overrides[] = {
	{"application_name", "cellenc worker"},
	{"search_path", ""},
	{"row_security", "off"},
	{"statement_timeout", "0"},
	{"transaction_timeout", "0"},	/* 17 */
	{"idle_in_transaction_session_timeout", "0"},
	{"idle_session_timeout", "0"},
	{"lock_timeout", "5s"},
	{"deadlock_timeout", "50ms"},	/* the victim is we, not a user */
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"session_replication_role", "origin"},
	{"synchronous_commit", "off"},	/* on again for the end of a job */
	{"client_min_messages", "warning"},
	{"zero_damaged_pages", "off"},
	{"ignore_checksum_failure", "off"},
	{"maintenance_work_mem", "32MB"},	/* bounds what VACUUM and REINDEX take */
	{"event_triggers", "off"},	/* 17 */
	{"max_parallel_maintenance_workers", "0"},	/* they would lack a right of
												 * ours */
	{"jit", "off"}
};

/* VACUUM takes its time as autovacuum does, unless jobs are not limited. */
static void
set_vacuum_cost(void)
{
	static const char *const settings[][2] = {
		{"vacuum_cost_delay", "autovacuum_vacuum_cost_delay"},
		{"vacuum_cost_limit", "autovacuum_vacuum_cost_limit"}
	};

	for (size_t i = 0; i < lengthof(settings); i++)
	{
		const char *value = GetConfigOption(settings[i][1], false, false);

		if (i == 0 && cellenc_guc_job_max_wal_rate == 0)
			value = "0";
		if (strcmp(value, "-1") != 0)
			SetConfigOption(settings[i][0], value, PGC_SUSET, PGC_S_OVERRIDE);
	}
}

static void
override_settings(void)
{
	for (size_t i = 0; i < lengthof(overrides); i++)
	{
		if (GetConfigOption(overrides[i].name, true, false))
			SetConfigOption(overrides[i].name, overrides[i].value, PGC_SUSET, PGC_S_OVERRIDE);
	}
	set_vacuum_cost();
}

/*
 * Transactions
 */

/*
 * DROP EXTENSION locks the extension before all that belongs to it: with a lock
 * on the same, one of us waits for the other, and there is no deadlock.
 */
static void
begin_transaction(void)
{
	Oid			extension;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = get_extension_oid("cellenc", true);
	if (OidIsValid(extension))
		LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
}

/*
 * Does somebody drop, rename or copy the database?  He holds a lock on it
 * that keeps new sessions out, and gives up after 5 seconds if we stay.
 */
static bool
database_is_wanted(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, false);
	return false;
}

/* Is the extension here, in this library's version? */
static bool
extension_fits(void)
{
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		fits = false;

	if (!OidIsValid(cellenc_keycatalog_table(CELLENC_TABLE_JOB, true)))
		return false;

	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("cellenc"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion,
										   RelationGetDescr(rel), &isnull);

		fits = !isnull && strcmp(TextDatumGetCString(version), CELLENC_VERSION) == 0;
		if (!fits)
			ereport(LOG,
					(errmsg("jobs do not run: extension \"cellenc\" has another version than its library"),
					 errhint("Use ALTER EXTENSION cellenc UPDATE.")));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return fits;
}

/*
 * May a prepared transaction have queued a job?  Nobody tells us of its
 * commit, so the launcher has to look again.
 */
static bool
prepared_transaction_left(void)
{
	LOCKTAG		tag;
	VirtualTransactionId *holders;
	int			count;
	bool		more;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, cellenc_keycatalog_table(CELLENC_TABLE_JOB, false));
	holders = GetLockConflicts(&tag, ShareLock, &count);
	for (int i = 0; i < count; i++)
	{
		if (VirtualTransactionIdIsRecoveredPreparedXact(holders[i]) ||
			TransactionIdIsValid(TwoPhaseGetXidByVirtualXID(holders[i], &more)))
			return true;
	}
	return false;
}

/*
 * Jobs
 */

/* Read the list again, keeping the pauses of those that were on it. */
static void
read_jobs(void)
{
	List	   *old = jobs;
	ListCell   *cell;
	MemoryContext oldcxt;

	jobs = NIL;
	foreach(cell, cellenc_job_unfinished(false))
	{
		int64		number = *(int64 *) lfirst(cell);
		WorkerJob  *job;
		ListCell   *oldcell;

		oldcxt = MemoryContextSwitchTo(TopMemoryContext);
		job = palloc0(sizeof(WorkerJob));
		job->number = number;
		foreach(oldcell, old)
		{
			if (((WorkerJob *) lfirst(oldcell))->number == number)
				*job = *(WorkerJob *) lfirst(oldcell);
		}
		jobs = lappend(jobs, job);
		MemoryContextSwitchTo(oldcxt);
	}
	list_free_deep(old);
	jobs_read_at = GetCurrentTimestamp();
}

/* The oldest job that does not wait; else NULL, and *sleep tells for how long. */
static WorkerJob *
choose_job(long *sleep)
{
	TimestampTz now = GetCurrentTimestamp();
	long		shortest = MAX_SLEEP_MS;
	ListCell   *cell;

	*sleep = 0;
	foreach(cell, jobs)
	{
		WorkerJob  *job = lfirst(cell);
		long		wait = TimestampDifferenceMilliseconds(now, job->not_before);

		if (wait == 0)
			return job;
		shortest = Min(shortest, wait);
	}
	*sleep = shortest;
	return NULL;
}

static void
pause_job(WorkerJob *job, long shortest, long longest)
{
	job->pause = Min(Max(job->pause * 2, shortest), longest);
	job->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), job->pause);
}

static void
begin_command(void)
{
	wanted.sql = NULL;
	wanted.compares = wanted.yields = wanted.waits = false;
}

/* What held jobs back may not any more. */
static void
forget_pauses(void)
{
	ListCell   *cell;

	foreach(cell, jobs)
		((WorkerJob *) lfirst(cell))->not_before = 0;
}

/* What comes after a step, or after the command that it wanted. */
static void
step_done(WorkerJob *job, CellencStep result)
{
	switch (result)
	{
		case CELLENC_STEP_CONTINUE:
			job->pause = 0;
			break;
		case CELLENC_STEP_COMMAND:
			wanted_by = job;
			break;
		case CELLENC_STEP_WAIT:
			pause_job(job, MIN_PAUSE_MS, MAX_PAUSE_MS);
			break;
		case CELLENC_STEP_RETRY:
			pause_job(job, MIN_RETRY_MS, MAX_RETRY_MS);
			break;
		case CELLENC_STEP_DONE:
		case CELLENC_STEP_FAILED:
			jobs_read_at = 0;
			break;
	}
}

/* Let the job pause for what it wrote since began, where it may go on. */
static void
limit_rate(WorkerJob *job, TimestampTz began, uint64 wal_before)
{
	TimestampTz next = cellenc_throttle_next(began, pgWalUsage.wal_bytes - wal_before);

	job->not_before = Max(job->not_before, next);
}

static void
step_job(WorkerJob *job)
{
	char		activity[64];
	TimestampTz began = GetCurrentTimestamp();
	uint64		wal_before = pgWalUsage.wal_bytes;

	snprintf(activity, sizeof(activity), "cellenc job " INT64_FORMAT, job->number);
	pgstat_report_activity(STATE_RUNNING, activity);
	begin_command();
	step_done(job, cellenc_job_step(job->number, &wanted));
	limit_rate(job, began, wal_before);
}

/*
 * Run the command that the last step wanted, and tell its job the outcome,
 * which may be to want another.
 */
static void
run_commands(void)
{
	while (wanted_by)
	{
		WorkerJob  *job = wanted_by;
		TimestampTz began = GetCurrentTimestamp();
		uint64		wal_before = pgWalUsage.wal_bytes;
		ErrorData  *failure;
		CellencStep result;

		pgstat_report_activity(STATE_RUNNING, wanted.sql);
		cellenc_launcher_report_command(slot, job->number);
		failure = cellenc_command_run(&wanted);
		cellenc_launcher_report_command(slot, 0);
		wanted_by = NULL;

		/* who wanted the command cancelled does not mean what comes next */
		QueryCancelPending = false;

		begin_transaction();
		begin_command();
		result = cellenc_job_command_done(job->number, failure, &wanted);
		step_done(job, result);
		end_transaction();
		limit_rate(job, began, wal_before);
	}
}

/*
 * One turn: a step, or nothing where every job waits.  False where the worker
 * has to end; *finished tells whether nothing is left.
 */
static bool
run_turn(long *sleep, bool *finished)
{
	WorkerJob  *job = NULL;
	bool		go_on = true;
	bool		rotated = false;

	*sleep = 0;
	*finished = false;
	begin_transaction();
	if (cellenc_guc_job_workers == 0 || database_is_wanted())
		go_on = false;
	else if (!extension_fits())
	{
		*finished = true;
		go_on = false;
	}
	else
	{
		if (TimestampDifferenceExceeds(jobs_read_at, GetCurrentTimestamp(), LIST_AGE_MS))
		{
			cellenc_job_trim_caches();
			read_jobs();
			rotated = cellenc_policy_run(&due);
		}
		if (rotated)
			jobs_read_at = 0;
		else if (jobs == NIL)
		{
			*finished = !prepared_transaction_left();
			go_on = false;
		}
		else
			job = choose_job(sleep);
		if (job)
			step_job(job);
		else if (go_on && !rotated && !cellenc_window_is_open(GetCurrentTimestamp(), &due))
		{
			/* each job says by now what it waits for */
			*finished = true;
			go_on = false;
		}
	}
	end_transaction();
	run_commands();
	pgstat_report_activity(STATE_IDLE, NULL);
	return go_on;
}

void
cellenc_worker_main(Datum arg)
{
	Oid			database;
	bool		finished;
	long		sleep;
	uint32		wait_event = 0;

	slot = DatumGetInt32(arg);
	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(Oid));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	/* without a role: the bootstrap superuser, even where that may not log in */
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	override_settings();
	cellenc_throttle_prepare_process();

	wanted.context = AllocSetContextCreate(TopMemoryContext, "cellenc command",
										   ALLOCSET_SMALL_SIZES);
	while (run_turn(&sleep, &finished))
	{
		MemoryContextReset(wanted.context);
		if (sleep > 0)
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 sleep, cellenc_wait_event(wait_event, "CellencWorkerMain"));
		ResetLatch(MyLatch);
		/* A shutdown between steps is no news: no FATAL for it. */
		if (ProcDiePending)
			proc_exit(0);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			set_vacuum_cost();
			forget_pauses();
		}
	}

	if (finished)
		cellenc_launcher_report_finished(slot, due);
	proc_exit(0);
}
