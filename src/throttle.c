/*-------------------------------------------------------------------------
 *
 * throttle.c
 *	  What holds back a job, so that a loaded server stays usable.
 *
 * WAL is what a job makes others wait for: commits wait until it is flushed,
 * standbys until it is sent and replayed.  So its rate is limited, and not
 * that of rows: after each batch a job pauses for as long as its WAL takes at
 * the rate set.  With a limit, batches are short: a commit that comes right
 * after one waits for all of its WAL.
 *
 * A standby's lag is what it has not replayed of the WAL flushed here: rows
 * that it reads are as old as that, whatever it has received.  By default,
 * streaming physical standbys count; a standby that is named counts whatever
 * it is, and holds up jobs while it is not connected, because its lag is not
 * known then.
 *
 * A session that wakes up where a job computes would wait for the end of the
 * job's time slice, or until the kernel's next tick.  Linux, from 6.12 on, lets
 * whoever has the shorter slice run at once, so a job asks for a long one; and in
 * its own loops it offers the processor often, which all kernels honour.  Where
 * all are busy a job still has its share, or it would never catch up with them,
 * and its priority stays, or others would wait for the locks that it holds.
 *
 * Touches guc, window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sched.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "access/xlog.h"
#include "executor/instrument.h"
#include "portability/instr_time.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/spin.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "compat.h"
#include "guc.h"
#include "throttle.h"
#include "window.h"

/* So long, in microseconds, a job keeps the processor at least. */
#define GIVE_WAY_US 200

/*
 * The time slice of a job: longer than those the kernel gives, 3 ms at most, but
 * not so long that who computes beside it would notice.
 */
#define SLICE_NS UINT64CONST(10000000)

/*
 * With a limited rate, a batch ends when its pause has reached this.  Not less:
 * each batch leaves a dead version of the job's row, which stays as long as any
 * snapshot from before, and has some WAL of its own, which low rates should not
 * be spent on.
 */
#define BATCH_PAUSE_MS 50
#define BATCH_WAL_MIN (128 * 1024)

static struct
{
	TimestampTz deadline;
	uint64		wal_begin;		/* of pgWalUsage */
}			batch;

/* Sessions that send WAL and have reported what is replayed. */
typedef struct Standby
{
	pid_t		pid;
	bool		lags;
} Standby;

bool
cellenc_throttle_check_standbys(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		valid = SplitGUCList(copy, ',', &names);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(names);
	pfree(copy);
	return valid;
}

/* Standbys in a palloc'd array; *lag is whether one of them lags. */
static Standby *
list_standbys(int *count, bool *lag)
{
	Standby    *standbys = palloc(Max(max_wal_senders, 1) * sizeof(Standby));
	XLogRecPtr	flushed = GetFlushRecPtr(NULL);
	uint64		allowed = (uint64) cellenc_guc_job_max_standby_lag * 1024 * 1024;

	*count = 0;
	*lag = false;
	for (int i = 0; i < max_wal_senders; i++)
	{
		WalSnd	   *sender = &WalSndCtl->walsnds[i];
		pid_t		pid;
		WalSndState state;
		XLogRecPtr	replayed;

		SpinLockAcquire(&sender->mutex);
		pid = sender->pid;
		state = sender->state;
		replayed = sender->apply;
		SpinLockRelease(&sender->mutex);

		/* what only receives, as pg_receivewal, replays nothing */
		if (pid == 0 || (state != WALSNDSTATE_CATCHUP && state != WALSNDSTATE_STREAMING) ||
			XLogRecPtrIsInvalid(replayed))
			continue;
		standbys[*count].pid = pid;
		standbys[*count].lags = replayed < flushed && flushed - replayed > allowed;
		*lag |= standbys[*count].lags;
		(*count)++;
	}
	return standbys;
}

/* The session with pid; NULL where it has ended. */
static PgBackendStatus *
find_session(pid_t pid)
{
	int			count = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= count; i++)
	{
		LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(i);

		if (local && local->backendStatus.st_procpid == pid)
			return &local->backendStatus;
	}
	return NULL;
}

/* The first of the standbys that count which lags or is missing; else NULL. */
static char *
standby_in_the_way(List *names)
{
	int			count;
	bool		lag;
	Standby    *standbys = list_standbys(&count, &lag);
	ListCell   *cell;

	if (!lag && names == NIL)
		return NULL;

	foreach(cell, names)
	{
		bool		found = false;

		for (int i = 0; i < count; i++)
		{
			PgBackendStatus *session = find_session(standbys[i].pid);

			if (!session || strcmp(session->st_appname, lfirst(cell)) != 0)
				continue;
			if (standbys[i].lags)
				return psprintf("standby \"%s\"", (char *) lfirst(cell));
			found = true;
		}
		if (!found)
			return psprintf("standby \"%s\", which is not connected", (char *) lfirst(cell));
	}
	for (int i = 0; i < count && names == NIL; i++)
	{
		PgBackendStatus *session = find_session(standbys[i].pid);

		/* subscribers have a database */
		if (standbys[i].lags && session && !OidIsValid(session->st_databaseid))
			return psprintf("standby \"%s\"", session->st_appname);
	}
	return NULL;
}

bool
cellenc_throttle_hold(char **what)
{
	TimestampTz opens;
	List	   *names;

	if (!cellenc_window_is_open(GetCurrentTimestamp(), &opens))
	{
		*what = psprintf("window %s", cellenc_guc_job_window);
		return true;
	}
	if (cellenc_guc_job_max_standby_lag == 0)
		return false;

	(void) SplitGUCList(pstrdup(cellenc_guc_job_lag_standbys), ',', &names);
	pgstat_clear_backend_activity_snapshot();
	*what = standby_in_the_way(names);
	pgstat_clear_backend_activity_snapshot();
	return *what != NULL;
}

void
cellenc_throttle_begin_batch(int ms)
{
	batch.deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
	batch.wal_begin = pgWalUsage.wal_bytes;
}

TimestampTz
cellenc_throttle_next(TimestampTz began, uint64 wal_bytes)
{
	if (cellenc_guc_job_max_wal_rate == 0)
		return began;
	return began + (TimestampTz) ((double) wal_bytes * USECS_PER_SEC /
								  ((double) cellenc_guc_job_max_wal_rate * 1024));
}

bool
cellenc_throttle_batch_over(void)
{
	uint64		wal = pgWalUsage.wal_bytes - batch.wal_begin;

	if (wal >= BATCH_WAL_MIN && cellenc_throttle_next(0, wal) >= BATCH_PAUSE_MS * 1000)
		return true;
	return GetCurrentTimestamp() >= batch.deadline;
}

#ifdef SYS_sched_setattr

/*
 * As of sched_setattr(2), in its first version.  Older C libraries do not have
 * it, and the kernel's own header is in conflict with theirs.
 */
typedef struct SchedAttr
{
	uint32		size;
	uint32		policy;
	uint64		flags;
	int32		nice;
	uint32		priority;
	uint64		runtime;		/* where the processor is shared fairly, the
								 * slice in ns */
	uint64		deadline;
	uint64		period;
} SchedAttr;
#endif

void
cellenc_throttle_prepare_process(void)
{
#ifdef SYS_sched_setattr
	SchedAttr	attr;

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) != 0 ||
		(attr.policy != SCHED_OTHER && attr.policy != SCHED_BATCH))
		return;
	attr.runtime = SLICE_NS;
	if (syscall(SYS_sched_setattr, 0, &attr, 0) != 0)
		elog(DEBUG1, "could not set a time slice: %m");
#endif
}

static uint64
microseconds(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return INSTR_TIME_GET_MICROSEC(now);
}

void
cellenc_throttle_give_way(void)
{
	static uint64 next = 0;
	uint64		before = microseconds();
	uint64		after;

	if (before < next)
		return;
	(void) sched_yield();
	after = microseconds();

	/* where all are busy, as long as others had it: a fair share */
	next = after + Max(GIVE_WAY_US, after - before);
}
