/*-------------------------------------------------------------------------
 *
 * job.h
 *	  Jobs: their table, states, and the step that a worker repeats.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_JOB_H
#define CELLENC_JOB_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"

typedef enum CellencJobKind
{
	CELLENC_JOB_ROTATE,
	CELLENC_JOB_REENCRYPT,
	CELLENC_JOB_ENCRYPT_COLUMN,
	CELLENC_JOB_DECRYPT_COLUMN
} CellencJobKind;

/* A job's states, each with those that may follow. */
typedef enum CellencJobState
{
	CELLENC_JOB_QUEUED,			/* waiting, paused, failed, cancelled */
	CELLENC_JOB_WAITING,		/* running, paused, failed, cancelled */
	CELLENC_JOB_RUNNING,		/* waiting, paused, done, failed, cancelled */
	CELLENC_JOB_PAUSED,			/* queued, cancelled */
	CELLENC_JOB_DONE,			/* - */
	CELLENC_JOB_FAILED,			/* - */
	CELLENC_JOB_CANCELLED		/* - */
} CellencJobState;

/* What a job does next; a pass follows its barrier. */
typedef enum CellencJobPhase
{
	CELLENC_PHASE_BARRIER,		/* pass */
	CELLENC_PHASE_PASS,			/* barrier, indexes */
	CELLENC_PHASE_INDEXES		/* - */
} CellencJobPhase;

/* A row of cellenc.job.  A time of 0 and a NULL pointer are null. */
typedef struct CellencJob
{
	int64		job;
	CellencJobKind kind;
	pg_uuid_t  *keys;
	int			nkeys;
	int32		version;		/* that values go to; 0: several keys */
	Oid			target;			/* the only relation treated; InvalidOid: all */
	CellencJobState state;		/* change it by cellenc_job_set_state() only */
	CellencJobPhase phase;
	int32		pass;			/* from 1 */
	char	   *waiting_for;
	TimestampTz waiting_since;

	/* position: relations go by ascending oid */
	Oid			relation;		/* InvalidOid before the first of the pass */
	Oid			relation_file;	/* its relfilenode when it was begun */
	int64		next_block;
	int64		end_block;		/* rows beyond are left to the next pass */
	Oid			index;			/* that was treated last; they go by
								 * descending oid */

	/* of the relation at hand, since its last VACUUM */
	int64		vacuumed_block; /* next_block then */
	int64		updated;		/* rows found */

	/* counters of this pass */
	int64		found;			/* rows with stale values */
	int64		bad_values;		/* values that could not be opened */
	int32		relations_done;
	int32		relations_total;
	int64		blocks_done;
	int64		blocks_total;
	int64		index_blocks_done;
	int64		index_blocks_total;

	/* of the job */
	int64		values_done;
	int32		bad_indexes;	/* that could not be rebuilt */
	int64		worked_ms;		/* with pauses that limits demand */
	TimestampTz started_at;
	TimestampTz finished_at;
	char	   *error;

	TransactionId writer;		/* who wrote the row that was loaded */
} CellencJob;

/* What a step came to. */
typedef enum CellencStep
{
	CELLENC_STEP_CONTINUE,		/* there is more to do at once */
	CELLENC_STEP_WAIT,			/* nothing to do at the moment */
	CELLENC_STEP_RETRY,			/* an error that may go away */
	CELLENC_STEP_COMMAND,		/* the caller is to run a command */
	CELLENC_STEP_DONE,
	CELLENC_STEP_FAILED			/* or cancelled */
} CellencStep;

/*
 * A statement that a step wants to be run as a top-level command, between
 * transactions: VACUUM, REINDEX CONCURRENTLY and the like.
 */
typedef struct CellencCommand
{
	MemoryContext context;		/* the step allocates here; the caller's */
	char	   *sql;			/* one statement, names in it qualified */
	bool		compares;		/* cellenc's comparators may open values */
	bool		yields;			/* cancelled when it is in somebody's way */
	bool		waits;			/* for other transactions, without
								 * lock_timeout */
} CellencCommand;

/*
 * Queue a job: it starts when the transaction commits, and is gone when it
 * rolls back.  The caller sets kind, keys, nkeys, version and target (and what
 * else the kind needs) in a struct of zeroes.  Returns the job's number.
 */
extern int64 cellenc_job_queue(CellencJob *job);

/* The committed row of a job, palloc'd parts included; false: there is none. */
extern bool cellenc_job_load(int64 number, CellencJob *job);

/*
 * Numbers (palloc'd int64) of the jobs that have not ended, in order; those
 * that are paused only where `paused` is set.
 */
extern List *cellenc_job_unfinished(bool paused);

/*
 * When the last job that re-encrypted values under the key, and began after
 * `since`, was done; 0: there is none.
 */
extern TimestampTz cellenc_job_last_done(const pg_uuid_t *key, TimestampTz since);

/*
 * Become the one who changes jobs of this database, until the end of the
 * transaction; false where somebody else is and wait is not set.  Needed for
 * every change of an existing row.
 */
extern bool cellenc_job_lock(bool wait);

/* Write a row back, under cellenc_job_lock. */
extern void cellenc_job_save(const CellencJob *job);

/* The one place where a job's state changes; the caller saves the row. */
extern void cellenc_job_set_state(CellencJob *job, CellencJobState state);

/* State waiting, and what for; since is the start of that, 0 if it has none. */
extern void cellenc_job_wait_for(CellencJob *job, const char *what, TimestampTz since);

extern bool cellenc_job_has_ended(const CellencJob *job);

/*
 * Do one small piece of a job: look at its barrier, treat a batch of rows, or
 * begin or close a pass.  Neither starts nor commits the transaction, which
 * must be READ COMMITTED, and never sleeps.  An ERROR that the work raised is
 * kept in the job's row and not thrown, unless it is a cancel.
 *
 * CELLENC_STEP_COMMAND: *command is filled; the caller commits, runs it, and
 * tells the outcome by cellenc_job_command_done in another transaction.  A
 * caller that runs none passes NULL, and the job goes on without those it can
 * do without.
 */
extern CellencStep cellenc_job_step(int64 number, CellencCommand *command);

/*
 * The command of the last step has ended: failure is its error, NULL where
 * there is none.  A transaction as for cellenc_job_step; may ask for another
 * command, one that cleans up, even of a job that was paused or cancelled
 * meanwhile.
 */
extern CellencStep cellenc_job_command_done(int64 number, ErrorData *failure,
											CellencCommand *command);

/* Only from _PG_init. */
extern void cellenc_job_step_init(void);

#endif							/* CELLENC_JOB_H */
