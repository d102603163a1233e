/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The process that starts workers for databases with jobs, and the shared
 *	  memory through which it is told of them.
 *
 * The launcher is connected to no database and sees shared catalogs alone.  It
 * starts a worker for a database when a transaction that queued a job commits
 * there, when a worker of it ended before its time, and once for every
 * database when the server starts or is promoted.  A worker that finds
 * nothing left exits, so nothing of ours keeps a database from being dropped
 * or copied; while nothing is to be done, the launcher sleeps without end.
 *
 * Touches guc, and the worker's entry point by name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "report.h"
#include "worker.h"

/* Databases that wait to be taken notice of; more mean: look at all. */
#define MAX_REQUESTS 64

/* As the upper bound of cellenc.job_workers. */
#define MAX_WORKERS 1024

/* Pauses before a database is tried again. */
#define MIN_RETRY_MS 5000
#define MAX_RETRY_MS 60000

/* The clock may be set while something is due later: look again after this time. */
#define MAX_SLEEP_MS 3600000

/* What a running worker tells of itself; `finished` and `due` when it ends. */
typedef struct WorkerSlot
{
	bool		finished;		/* its database has nothing to do before `due` */
	TimestampTz due;			/* 0: nothing at all */
	pid_t		pid;			/* while it runs a command of job ... */
	Oid			database;
	int64		job;			/* ... which is not 0 then */
} WorkerSlot;

typedef struct CellencLauncherShmem
{
	slock_t		mutex;			/* protects all that follows but changed */
	Latch	   *launcher;		/* set by the launcher; NULL while none runs */
	bool		all;			/* look at every database */
	int			nrequests;		/* added by anyone, taken by the launcher */
	Oid			requests[MAX_REQUESTS];
	WorkerSlot	slots[MAX_WORKERS]; /* cleared by the launcher before it
									 * starts a worker in the slot, set by
									 * that worker */

	ConditionVariable changed;	/* broadcast when a job's state changed */
} CellencLauncherShmem;

/* A database that has, or may have, jobs left: the launcher's memory. */
typedef struct Target
{
	Oid			database;
	bool		requested;		/* since its worker was started */
	TimestampTz due;			/* if not requested: when to start one; 0:
								 * never */
	TimestampTz not_before;		/* next start after a failure */
	int			failures;		/* workers in a row that ended early */
	BackgroundWorkerHandle *worker; /* NULL: none runs */
	int			slot;			/* its index in slots[] */
} Target;

static CellencLauncherShmem *shmem = NULL;
static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* What the current transaction wants done at its commit. */
static bool start_at_commit = false;
static bool wake_at_commit = false;
static int64 interrupt_at_commit = 0;

/* In the launcher: all targets, and whether to add every database. */
static List *targets = NIL;
static bool look_at_all = false;

/*
 * Telling the launcher: any process
 */

static void
request_worker(Oid database)
{
	Latch	   *latch;
	bool		known = false;

	SpinLockAcquire(&shmem->mutex);
	for (int i = 0; i < shmem->nrequests && !known; i++)
		known = shmem->requests[i] == database;
	if (!known && shmem->nrequests < MAX_REQUESTS)
		shmem->requests[shmem->nrequests++] = database;
	else if (!known)
		shmem->all = true;
	latch = shmem->launcher;
	SpinLockRelease(&shmem->mutex);

	if (latch)
		SetLatch(latch);
}

void
cellenc_launcher_start_at_commit(void)
{
	start_at_commit = wake_at_commit = true;
}

void
cellenc_launcher_wake_at_commit(void)
{
	wake_at_commit = true;
}

void
cellenc_launcher_interrupt_at_commit(int64 job)
{
	interrupt_at_commit = job;
	wake_at_commit = true;
}

/*
 * Cancel the command that a worker runs for a job of this database.  If it
 * ends just now, the cancel may hit the next step of another job, whose worker
 * is then started again.
 */
static void
interrupt_job(int64 job)
{
	pid_t		pid = 0;

	SpinLockAcquire(&shmem->mutex);
	for (int i = 0; i < MAX_WORKERS; i++)
	{
		WorkerSlot *slot = &shmem->slots[i];

		if (slot->job == job && slot->database == MyDatabaseId)
			pid = slot->pid;
	}
	SpinLockRelease(&shmem->mutex);
	if (pid != 0)
		(void) kill(pid, SIGINT);
}

static void
xact_ended(XactEvent event, void *arg)
{
	if (!start_at_commit && !wake_at_commit)
		return;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:

			/*
			 * A prepared transaction's job is not there yet.  The worker sees
			 * that one may come and ends early, so it is looked for again.
			 */
			if (start_at_commit && shmem)
				request_worker(MyDatabaseId);
			if (wake_at_commit && shmem)
				ConditionVariableBroadcast(&shmem->changed);
			if (interrupt_at_commit != 0 && shmem)
				interrupt_job(interrupt_at_commit);
			start_at_commit = wake_at_commit = false;
			interrupt_at_commit = 0;
			break;
		case XACT_EVENT_ABORT:
			start_at_commit = wake_at_commit = false;
			interrupt_at_commit = 0;
			break;
		default:
			break;
	}
}

void
cellenc_launcher_sleep(long ms)
{
	static uint32 wait_event = 0;

	(void) ConditionVariableTimedSleep(&shmem->changed, ms,
									   cellenc_wait_event(wait_event, "CellencJobWait"));
}

void
cellenc_launcher_end_sleep(void)
{
	ConditionVariableCancelSleep();
}

void
cellenc_launcher_report_finished(int slot, TimestampTz due)
{
	SpinLockAcquire(&shmem->mutex);
	shmem->slots[slot].finished = true;
	shmem->slots[slot].due = due;
	SpinLockRelease(&shmem->mutex);
}

void
cellenc_launcher_report_command(int slot, int64 job)
{
	SpinLockAcquire(&shmem->mutex);
	shmem->slots[slot].pid = MyProcPid;
	shmem->slots[slot].database = MyDatabaseId;
	shmem->slots[slot].job = job;
	SpinLockRelease(&shmem->mutex);
}

/*
 * The launcher: targets
 */

static void
add_target(Oid database)
{
	MemoryContext oldcxt;
	Target	   *target;
	ListCell   *cell;

	foreach(cell, targets)
	{
		target = lfirst(cell);
		if (target->database == database)
		{
			target->requested = true;
			return;
		}
	}

	oldcxt = MemoryContextSwitchTo(TopMemoryContext);
	target = palloc0(sizeof(Target));
	target->database = database;
	target->requested = true;
	targets = lappend(targets, target);
	MemoryContextSwitchTo(oldcxt);
}

/* Oids of the databases that can be connected to, in the caller's context. */
static List *
list_databases(void)
{
	MemoryContext cxt = CurrentMemoryContext;
	List	   *list = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext oldcxt;

		if (!database->datallowconn || database->datconnlimit == DATCONNLIMIT_INVALID_DB)
			continue;
		oldcxt = MemoryContextSwitchTo(cxt);
		list = lappend_oid(list, database->oid);
		MemoryContextSwitchTo(oldcxt);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(cxt);
	return list;
}

/* Take what was requested since the last look. */
static void
take_requests(void)
{
	Oid			requests[MAX_REQUESTS];
	int			nrequests;

	SpinLockAcquire(&shmem->mutex);
	nrequests = shmem->nrequests;
	memcpy(requests, shmem->requests, nrequests * sizeof(Oid));
	shmem->nrequests = 0;
	look_at_all |= shmem->all;
	shmem->all = false;
	SpinLockRelease(&shmem->mutex);

	for (int i = 0; i < nrequests; i++)
		add_target(requests[i]);
}

/* Note which workers have ended, and forget databases that are done. */
static void
reap_workers(void)
{
	ListCell   *cell;

	foreach(cell, targets)
	{
		Target	   *target = lfirst(cell);
		pid_t		pid;
		WorkerSlot	slot;

		if (!target->worker || GetBackgroundWorkerPid(target->worker, &pid) != BGWH_STOPPED)
			continue;
		pfree(target->worker);
		target->worker = NULL;

		SpinLockAcquire(&shmem->mutex);
		slot = shmem->slots[target->slot];
		shmem->slots[target->slot].job = 0;
		SpinLockRelease(&shmem->mutex);

		if (slot.finished)
		{
			target->failures = 0;
			target->due = slot.due;
			target->not_before = 0;
		}
		else
		{
			long		pause = MIN_RETRY_MS << Min(target->failures, 4);

			target->failures++;
			target->requested = true;
			target->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
															 Min(pause, MAX_RETRY_MS));
		}

		if (!target->requested && target->due == 0)
		{
			targets = foreach_delete_current(targets, cell);
			pfree(target);
		}
	}
}

/* What is due, and when, may depend on settings that have changed. */
static void
look_again(void)
{
	ListCell   *cell;

	foreach(cell, targets)
	{
		Target	   *target = lfirst(cell);

		target->requested |= target->due != 0;
	}
}

/*
 * The launcher: workers
 */

/* Index in slots[] that no running worker has. */
static int
free_slot(void)
{
	for (int slot = 0; slot < MAX_WORKERS; slot++)
	{
		bool		used = false;
		ListCell   *cell;

		foreach(cell, targets)
		{
			Target	   *target = lfirst(cell);

			used |= target->worker && target->slot == slot;
		}
		if (!used)
			return slot;
	}
	return -1;
}

static bool
start_worker(Target *target)
{
	BackgroundWorker worker;
	MemoryContext oldcxt;
	int			slot = free_slot();
	bool		started;

	if (slot < 0)
		return false;
	SpinLockAcquire(&shmem->mutex);
	memset(&shmem->slots[slot], 0, sizeof(WorkerSlot));
	SpinLockRelease(&shmem->mutex);

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "cellenc", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "cellenc_worker_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "cellenc worker for database %u",
			 target->database);
	strlcpy(worker.bgw_type, "cellenc worker", sizeof(worker.bgw_type));
	worker.bgw_main_arg = Int32GetDatum(slot);
	memcpy(worker.bgw_extra, &target->database, sizeof(Oid));
	worker.bgw_notify_pid = MyProcPid;

	oldcxt = MemoryContextSwitchTo(TopMemoryContext);
	started = RegisterDynamicBackgroundWorker(&worker, &target->worker);
	MemoryContextSwitchTo(oldcxt);
	if (!started)
	{
		target->worker = NULL;
		return false;
	}
	target->slot = slot;
	target->requested = false;
	target->due = 0;
	return true;
}

static int
running_workers(void)
{
	int			count = 0;
	ListCell   *cell;

	foreach(cell, targets)
		count += ((Target *) lfirst(cell))->worker != NULL;
	return count;
}

/*
 * Start what may start now.  Returns how long to sleep, in ms, unless
 * something happens; -1: without end.
 */
static long
start_workers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int			running = running_workers();
	long		sleep = -1;
	List	   *databases = NIL;
	ListCell   *cell;

	if (look_at_all || list_length(targets) > running)
		databases = list_databases();
	if (look_at_all)
	{
		foreach(cell, databases)
			add_target(lfirst_oid(cell));
		look_at_all = false;
	}

	foreach(cell, targets)
	{
		Target	   *target = lfirst(cell);
		long		wait;

		if (target->worker)
			continue;
		if (!list_member_oid(databases, target->database))
		{
			targets = foreach_delete_current(targets, cell);
			pfree(target);
			continue;
		}

		/* the end of a worker, or a reload, wakes us up */
		if (running >= cellenc_guc_job_workers)
			continue;

		wait = TimestampDifferenceMilliseconds(now, target->requested ? target->not_before : target->due);
		wait = Min(wait, MAX_SLEEP_MS);
		if (wait == 0 && start_worker(target))
		{
			running++;
			continue;
		}
		if (wait == 0)
			wait = MIN_RETRY_MS;	/* all of max_worker_processes are in use */
		sleep = sleep < 0 ? wait : Min(sleep, wait);
	}
	list_free(databases);
	return sleep;
}

static void
forget_launcher(int code, Datum arg)
{
	SpinLockAcquire(&shmem->mutex);
	shmem->launcher = NULL;
	SpinLockRelease(&shmem->mutex);
}

void
cellenc_launcher_main(Datum arg)
{
	uint32		wait_event = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(forget_launcher, (Datum) 0);
	SpinLockAcquire(&shmem->mutex);
	shmem->launcher = MyLatch;
	SpinLockRelease(&shmem->mutex);
	look_at_all = true;

	for (;;)
	{
		long		sleep;

		ResetLatch(MyLatch);
		/* A shutdown is no news: no FATAL for it; 1, to be started again. */
		if (ProcDiePending)
			proc_exit(1);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			look_again();
		}

		take_requests();
		reap_workers();
		sleep = start_workers();

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (sleep >= 0 ? WL_TIMEOUT : 0),
						 sleep, cellenc_wait_event(wait_event, "CellencLauncherMain"));
	}
}

/*
 * Start of the server
 */

static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(CellencLauncherShmem)));
}

static void
startup_shmem(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shmem = ShmemInitStruct("cellenc launcher", sizeof(CellencLauncherShmem), &found);
	if (!found)
	{
		memset(shmem, 0, sizeof(CellencLauncherShmem));
		SpinLockInit(&shmem->mutex);
		ConditionVariableInit(&shmem->changed);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
cellenc_launcher_init(void)
{
	BackgroundWorker worker;

	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
	RegisterXactCallback(xact_ended, NULL);

	/* pg_upgrade moves files; nobody may write values meanwhile */
	if (IsBinaryUpgrade)
		return;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "cellenc", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "cellenc_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "cellenc launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "cellenc launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}
