/*-------------------------------------------------------------------------
 *
 * job_upkeep.h
 *	  What a job does for the tables whose rows it wrote: VACUUM, and new
 *	  indexes in place of those that keep old values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_JOB_UPKEEP_H
#define CELLENC_JOB_UPKEEP_H

#include "job.h"
#include "utils/relcache.h"

/*
 * Is it time for a VACUUM of job->relation?  Then *command is it, to be
 * returned with CELLENC_STEP_COMMAND; a caller that runs no commands passes
 * NULL.
 */
extern bool cellenc_upkeep_vacuum(CellencJob *job, CellencCommand *command);

/*
 * A step of phase indexes, over relations in ascending order of oid; from
 * job->relation and job->index on, which are InvalidOid at the beginning.
 * CELLENC_STEP_DONE: none is left.
 */
extern CellencStep cellenc_upkeep_indexes(CellencJob *job, List *relations,
										  CellencCommand *command);

/* The command of either has ended; see cellenc_job_command_done. */
extern CellencStep cellenc_upkeep_command_done(CellencJob *job, ErrorData *failure,
											   CellencCommand *command);

/* Blocks of the relation's indexes that may have to be rebuilt. */
extern int64 cellenc_upkeep_index_blocks(Relation rel);

/* A transaction was rolled back. */
extern void cellenc_upkeep_forget(void);

#endif							/* CELLENC_JOB_UPKEEP_H */
