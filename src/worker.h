/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The processes that run jobs: a launcher for the server, a worker for
 *	  each database that has something to do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_WORKER_H
#define CELLENC_WORKER_H

#include "datatype/timestamp.h"

/* Only from _PG_init: shared memory, the launcher, transaction callbacks. */
extern void cellenc_launcher_init(void);

/* When this transaction commits, start a worker for this database. */
extern void cellenc_launcher_start_at_commit(void);

/* When this transaction commits, wake everyone in cellenc_launcher_sleep. */
extern void cellenc_launcher_wake_at_commit(void);

/* Sleep until a job changed, in any database, or for ms milliseconds. */
extern void cellenc_launcher_sleep(long ms);

/* After the last cellenc_launcher_sleep of a command. */
extern void cellenc_launcher_end_sleep(void);

/* When this transaction commits, cancel the command that runs for a job, if any. */
extern void cellenc_launcher_interrupt_at_commit(int64 job);

/*
 * From the worker in slot: its database has nothing to do before `due` (0:
 * nothing at all), unless somebody asks.
 */
extern void cellenc_launcher_report_finished(int slot, TimestampTz due);

/* From the worker in slot: it runs a command for a job; 0: not any more. */
extern void cellenc_launcher_report_command(int slot, int64 job);

extern PGDLLEXPORT void cellenc_launcher_main(Datum arg);
extern PGDLLEXPORT void cellenc_worker_main(Datum arg);

#endif							/* CELLENC_WORKER_H */
