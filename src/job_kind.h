/*-------------------------------------------------------------------------
 *
 * job_kind.h
 *	  What a kind of job has to bring, and what job_step.c does for all kinds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_JOB_KIND_H
#define CELLENC_JOB_KIND_H

#include "job.h"

/*
 * A kind of job.  Its functions get the job's row, which nobody else changes
 * meanwhile, and save it; they run in a subtransaction, so that an ERROR leaves
 * nothing of theirs but is noted in the row.
 */
typedef struct CellencJobMethods
{
	/*
	 * What the job does, for the log: "values of key \"pii\" go to version
	 * 2".
	 */
	char	   *(*describe) (const CellencJob *job);

	/* A step of a job that waits or runs; see cellenc_job_step. */
	CellencStep (*step) (CellencJob *job, CellencCommand *command);

	/*
	 * The command that a step asked for has ended: failure is NULL if well.
	 * See cellenc_job_command_done; job may have been paused or cancelled.
	 */
	CellencStep (*command_done) (CellencJob *job, ErrorData *failure, CellencCommand *command);

	/*
	 * In the transaction that cancels the job, with its user's rights: true
	 * if the job has to clean up, and will itself be cancelled by a later
	 * step.  May be NULL.
	 */
	bool		(*cancel) (CellencJob *job);

	/*
	 * A (sub)transaction was rolled back: forget what it noted in memory. May
	 * be NULL.
	 */
	void		(*forget) (void);
} CellencJobMethods;

/* rotate, reencrypt: job_pass.c */
extern const CellencJobMethods cellenc_job_pass_methods;

/* As the kind's cancel; false where it has none. */
extern bool cellenc_job_kind_cancel(CellencJob *job);

/* encrypt_column, decrypt_column: convert_step.c */
extern const CellencJobMethods cellenc_convert_methods;

/*
 * Helpers for steps.  Those that return a CellencStep have saved the row.
 */

/*
 * Have all transactions ended that ran when this was first called for the job
 * and its pass?  If not, the row says who is waited for: return
 * CELLENC_STEP_WAIT.
 */
extern bool cellenc_job_barrier(CellencJob *job);

/* Nothing to do before `what`; the row tells so until the job goes on. */
extern CellencStep cellenc_job_step_wait(CellencJob *job, const char *what, TimestampTz since);

/* As above, for somebody's lock on a relation. */
extern CellencStep cellenc_job_step_wait_lock(CellencJob *job, Oid relid);

/* State running, and saved. */
extern CellencStep cellenc_job_step_go_on(CellencJob *job);

/*
 * The job has ended: failed where job->error is set and `failed`, else done.
 * summary is for the log.
 */
extern CellencStep cellenc_job_step_end(CellencJob *job, bool failed, const char *summary);

/*
 * Call work(arg) in a subtransaction.  False, and everything undone, if it
 * failed; *failure is then the error.  Cancels are thrown on.
 */
extern bool cellenc_job_guarded(void (*work) (void *arg), void *arg, ErrorData **failure);

/* Add to the time worked what has passed since `began` or the step before. */
extern void cellenc_job_add_time(CellencJob *job, TimestampTz began);

/* The job waits for another attempt, because of failure; saved, and logged once. */
extern void cellenc_job_note_retry(CellencJob *job, const ErrorData *failure);

/* Will it help to try again later? */
extern bool cellenc_job_is_temporary(int sqlerrcode);

/* Does failure come from contention, and not from what was to be done? */
extern bool cellenc_job_contended(const ErrorData *failure);

/*
 * Forget what the relation and catalog caches hold if that has become much,
 * as it does after thousands of relations.  For use now and then.
 */
extern void cellenc_job_trim_caches(void);

/* For messages: key "pii", or 3 keys. */
extern char *cellenc_job_key_description(const CellencJob *job);

/* For messages, after the word "relation". */
extern char *cellenc_job_relation_description(Oid relid);

#endif							/* CELLENC_JOB_KIND_H */
