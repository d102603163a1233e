/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  CALL cellenc_wait(): returns when jobs are done.
 *
 * The session must not hold up the very barriers that it waits for.  So it
 * commits after every look, and sleeps without a snapshot in transactions of
 * at most a second, which end as soon as any job changes.
 *
 * Touches job and the launcher's condition variable.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "job.h"
#include "report.h"
#include "worker.h"

#define MAX_SLEEP_MS 1000

static void
check_context(FunctionCallInfo fcinfo)
{
	if (!fcinfo->context || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("cellenc_wait must be a statement of its own"),
				 errhint("Call it outside of transaction blocks, functions and multi-statement strings.")));
}

/* Has job ended well?  An ERROR if it ended otherwise or is not there. */
static bool
is_done(int64 number)
{
	CellencJob	job;

	if (!cellenc_job_load(number, &job))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " does not exist", number)));

	/* 38000, as of an error in something that runs elsewhere */
	if (job.state == CELLENC_JOB_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("job " INT64_FORMAT " failed", number),
				 job.error ? errdetail_internal("%s", job.error) : 0));
	if (job.state == CELLENC_JOB_CANCELLED)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("job " INT64_FORMAT " was cancelled", number)));
	return job.state == CELLENC_JOB_DONE;
}

static void
report_timeout(int64 number)
{
	/* 57014, as of statement_timeout */
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("job " INT64_FORMAT " is not done within the timeout", number),
			 errhint("View cellenc.jobs shows its progress and what it waits for.")));
}

PG_FUNCTION_INFO_V1(cellenc_wait);

/*
 * cellenc_wait(job bigint, timeout interval): NULL is all unfinished jobs of
 * this database, and no timeout.
 *
 * Errors: 2D000 not a statement of its own, 42704 no such job, 38000 failed or
 * cancelled, 57014 timeout.
 */
Datum
cellenc_wait(PG_FUNCTION_ARGS)
{
	TimestampTz end = DT_NOEND;
	List	   *numbers;
	MemoryContext look_cxt;

	CELLENC_CHECK_PRELOAD();
	check_context(fcinfo);
	if (!PG_ARGISNULL(1))
		end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													  TimestampTzGetDatum(GetCurrentTimestamp()),
													  PG_GETARG_DATUM(1)));

	/* from here on, memory survives the ends of transactions */
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (PG_ARGISNULL(0))
		numbers = cellenc_job_unfinished(true);
	else
	{
		int64	   *number = palloc(sizeof(int64));

		*number = PG_GETARG_INT64(0);
		numbers = list_make1(number);
	}

	look_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc_wait", ALLOCSET_SMALL_SIZES);

	while (numbers != NIL)
	{
		int64		number = *(int64 *) linitial(numbers);
		MemoryContext oldcxt = MemoryContextSwitchTo(look_cxt);
		TimestampTz now;
		bool		done;

		CHECK_FOR_INTERRUPTS();
		done = is_done(number);
		MemoryContextSwitchTo(oldcxt);
		MemoryContextReset(look_cxt);
		if (done)
		{
			numbers = list_delete_first(numbers);
			continue;
		}
		now = GetCurrentTimestamp();
		if (now >= end)
			report_timeout(number);

		/* the next transaction begins without a snapshot */
		SPI_commit();
		cellenc_launcher_sleep(Min(MAX_SLEEP_MS,
								   Max(TimestampDifferenceMilliseconds(now, end), 1)));
	}
	cellenc_launcher_end_sleep();
	SPI_finish();
	PG_RETURN_VOID();
}
