/*-------------------------------------------------------------------------
 *
 * barrier.c
 *	  Wait until every transaction that runs now has ended.
 *
 * A transaction that began before a key's switch may still seal under the old
 * version, or hold old bytes that it is about to store.  Row and table locks
 * do not show those (a procedure's variable, an open cursor), so the barrier
 * counts every transaction of the database, whether or not it has an xid or a
 * snapshot.
 *
 * A prepared transaction has an entry in the process array like a running
 * one, with the virtual xid of the session that prepared it or, after a
 * restart, with its xid in place of the local one: it counts all the same.
 *
 * Touches nothing of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "barrier.h"
#include "compat.h"

struct CellencBarrier
{
	TimestampTz since;			/* when the list was made */
	int			nwaiting;
	VirtualTransactionId waiting[FLEXIBLE_ARRAY_MEMBER];
};

/*
 * VACUUM and autovacuum's ANALYZE store no values, and those of a large table
 * would hold up a job for hours.
 */
static VirtualTransactionId *
running_transactions(int *count)
{
	return GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
								 PROC_IN_VACUUM | PROC_IS_AUTOVACUUM, count);
}

CellencBarrier *
cellenc_barrier_begin(void)
{
	int			count;
	VirtualTransactionId *running = running_transactions(&count);
	CellencBarrier *barrier;

	barrier = palloc(offsetof(CellencBarrier, waiting) + count * sizeof(VirtualTransactionId));
	barrier->since = GetCurrentTimestamp();
	barrier->nwaiting = count;
	memcpy(barrier->waiting, running, count * sizeof(VirtualTransactionId));
	pfree(running);
	return barrier;
}

/* Start of the transaction that process pid runs; dflt where it is not known. */
static TimestampTz
transaction_start(int pid, TimestampTz dflt)
{
	TimestampTz start = dflt;
	int			count;

	pgstat_clear_backend_activity_snapshot();
	count = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= count; i++)
	{
		LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(i);

		if (local && local->backendStatus.st_procpid == pid &&
			local->backendStatus.st_xact_start_timestamp != 0)
			start = local->backendStatus.st_xact_start_timestamp;
	}
	pgstat_clear_backend_activity_snapshot();
	return start;
}

static char *
describe_transaction(VirtualTransactionId vxid, TimestampTz dflt, TimestampTz *since)
{
	PGPROC	   *proc = NULL;
	TransactionId xid = InvalidTransactionId;
	bool		more;
	int			pid;

	*since = dflt;
	if (VirtualTransactionIdIsRecoveredPreparedXact(vxid))
		xid = vxid.localTransactionId;
	else
	{
		xid = TwoPhaseGetXidByVirtualXID(vxid, &more);
		proc = cellenc_vxid_proc(vxid);
	}
	if (TransactionIdIsValid(xid))
		return psprintf("prepared transaction with xid %u", xid);

	/* the process may have gone a moment ago */
	pid = proc ? proc->pid : 0;
	if (pid == 0)
		return pstrdup("transaction that is just ending");
	*since = transaction_start(pid, dflt);
	return psprintf("transaction of pid %d", pid);
}

bool
cellenc_barrier_passed(CellencBarrier *barrier, char **holder, TimestampTz *since)
{
	int			count;
	int			left = 0;
	VirtualTransactionId *running = running_transactions(&count);

	for (int i = 0; i < barrier->nwaiting; i++)
	{
		bool		runs = false;

		for (int j = 0; j < count && !runs; j++)
			runs = VirtualTransactionIdEquals(barrier->waiting[i], running[j]);
		if (runs)
			barrier->waiting[left++] = barrier->waiting[i];
	}
	barrier->nwaiting = left;
	pfree(running);

	if (left == 0)
		return true;
	*holder = describe_transaction(barrier->waiting[0], barrier->since, since);
	return false;
}
