/*-------------------------------------------------------------------------
 *
 * job_pass.c
 *	  The jobs that bring values under the current versions of their keys:
 *	  rotate and reencrypt.
 *
 * barrier -> pass 1 -> barrier -> pass 2 ... until two passes in a row found
 * nothing stale.  The first barrier sees to it that nobody seals under the old
 * version any more; the later ones, that nobody holds a stale value copied
 * during the pass before.  One pass is not enough, because it has no snapshot
 * of its own: an UPDATE may take a row, with its old bytes, from where the
 * pass has not been to where it has.
 *
 * While it goes on, and after the last pass, comes the upkeep of
 * job_upkeep.c.
 *
 * A pass's relations are kept in this process alone: another process that
 * goes on with the job reads them anew.
 *
 * Touches job, columns, job_upkeep, rewriter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "columns.h"
#include "job_kind.h"
#include "job_upkeep.h"
#include "rewriter.h"

/* WARNINGs a pass writes for values that cannot be opened; more are counted. */
#define MAX_BAD_LOGGED 100

/* Empty relations passed over in one step: each is locked for a moment. */
#define MAX_EMPTY 100

static struct
{
	int64		job;			/* 0: none */
	int32		pass;
	List	   *relations;
	int64	   *blocks;			/* of each, when it was read */
}			pass_memo;

/* The last pass that this process saw find nothing. */
static struct
{
	int64		job;			/* 0: none */
	int32		pass;
}			clean_memo;

static char *
describe(const CellencJob *job)
{
	if (job->version != 0)
		return psprintf("values of %s go to version %d", cellenc_job_key_description(job),
						job->version);
	return psprintf("values of %s go to the current version%s", cellenc_job_key_description(job),
					job->nkeys > 1 ? "s" : "");
}

/* No pass is needed any more, and no index. */
static CellencStep
finish(CellencJob *job)
{
	if (job->bad_values > 0)
		job->error = psprintf(INT64_FORMAT " values could not be re-encrypted; see the server log",
							  job->bad_values);
	else if (job->bad_indexes > 0)
		job->error = psprintf("%d indexes could not be rebuilt; see the server log",
							  job->bad_indexes);
	return cellenc_job_step_end(job, job->bad_values > 0,
								psprintf(INT64_FORMAT " values re-encrypted, %d passes",
										 job->values_done, job->pass));
}

/*
 * Beginning of a pass
 */

/*
 * Blocks of a relation; to those of its indexes that hold twins, *index_blocks
 * adds.  An estimate: who locks the relation at the moment is not waited for.
 */
static int64
relation_blocks(Oid relid, int64 *index_blocks)
{
	int64		blocks = 0;
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return 0;
	rel = try_table_open(relid, NoLock);
	if (rel)
	{
		blocks = RelationGetNumberOfBlocks(rel);
		*index_blocks += cellenc_upkeep_index_blocks(rel);
		table_close(rel, NoLock);
	}
	UnlockRelationOid(relid, AccessShareLock);
	return blocks;
}

/*
 * The relations of the pass; read again by a process that did not begin it.
 * The job's totals go by what is found now.
 */
static List *
pass_relations(CellencJob *job)
{
	List	   *relations;
	ListCell   *cell;
	MemoryContext oldcxt;
	int64		index_blocks = 0;

	if (pass_memo.job == job->job && pass_memo.pass == job->pass)
		return pass_memo.relations;

	relations = cellenc_columns_relations(job->keys, job->nkeys);
	if (OidIsValid(job->target))
	{
		List	   *targets = find_all_inheritors(job->target, NoLock, NULL);

		foreach(cell, relations)
		{
			if (!list_member_oid(targets, lfirst_oid(cell)))
				relations = foreach_delete_current(relations, cell);
		}
	}
	oldcxt = MemoryContextSwitchTo(TopMemoryContext);
	list_free(pass_memo.relations);
	if (pass_memo.blocks)
		pfree(pass_memo.blocks);
	pass_memo.relations = list_copy(relations);
	pass_memo.blocks = palloc(Max(list_length(relations), 1) * sizeof(int64));
	MemoryContextSwitchTo(oldcxt);

	if (job->phase == CELLENC_PHASE_PASS)
		job->blocks_total = job->blocks_done + job->end_block - job->next_block;
	for (int i = 0; i < list_length(relations); i++)
	{
		Oid			relid = list_nth_oid(relations, i);

		pass_memo.blocks[i] = relation_blocks(relid, &index_blocks);
		if (job->phase == CELLENC_PHASE_PASS && relid > job->relation)
			job->blocks_total += pass_memo.blocks[i];
		if (i % MAX_EMPTY == 0)
			cellenc_job_trim_caches();
	}
	/* as they were before the first pass made them grow */
	if (job->phase == CELLENC_PHASE_PASS && (job->pass == 1 || job->index_blocks_total == 0))
		job->index_blocks_total = index_blocks;
	job->relations_total = list_length(relations);
	pass_memo.job = job->job;
	pass_memo.pass = job->pass;
	return pass_memo.relations;
}

/* Say once what no pass treats. */
static void
report_out_of_reach(const CellencJob *job)
{
	ListCell   *cell;

	foreach(cell, cellenc_columns_out_of_reach(job->keys, job->nkeys))
	{
		Oid			relid = lfirst_oid(cell);

		ereport(LOG,
				(errmsg("job " INT64_FORMAT " leaves out %s table %s", job->job,
						get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE ? "foreign" : "temporary",
						cellenc_job_relation_description(relid))));
	}
}

static void
begin_pass(CellencJob *job)
{
	job->phase = CELLENC_PHASE_PASS;
	job->relation = InvalidOid;
	job->relation_file = InvalidOid;
	job->next_block = job->end_block = 0;
	job->vacuumed_block = job->updated = 0;
	job->found = job->bad_values = 0;
	job->relations_done = 0;
	job->blocks_done = 0;

	if (job->pass == 1)
		report_out_of_reach(job);
	pass_memo.job = 0;
	(void) pass_relations(job);
}

static CellencStep
step_barrier(CellencJob *job)
{
	if (!cellenc_job_barrier(job))
		return CELLENC_STEP_WAIT;
	begin_pass(job);
	return cellenc_job_step_go_on(job);
}

/*
 * Pass
 */

/*
 * Open a relation of the pass; *gone where it was dropped or is none for the
 * rewriter any more, NULL where somebody's lock is in the way.  DDL is not
 * queued for: it would make others queue behind us.
 */
static Relation
open_target(Oid relid, bool *gone)
{
	Relation	rel;

	*gone = false;
	if (!ConditionalLockRelationOid(relid, RowExclusiveLock))
		return NULL;
	rel = try_relation_open(relid, NoLock);
	if (rel && cellenc_rewriter_handles(rel->rd_rel->relkind, rel->rd_rel->relpersistence))
		return rel;

	if (rel)
		relation_close(rel, NoLock);
	UnlockRelationOid(relid, RowExclusiveLock);
	*gone = true;
	return NULL;
}

static CellencStep
close_pass(CellencJob *job)
{
	cellenc_job_set_state(job, CELLENC_JOB_RUNNING);
	job->relation = InvalidOid;
	job->next_block = job->end_block = 0;
	if (job->found == 0 && clean_memo.job == job->job && clean_memo.pass == job->pass - 1)
	{
		job->phase = CELLENC_PHASE_INDEXES;
		job->index = InvalidOid;
		job->index_blocks_done = 0;
	}
	else
	{
		if (job->found == 0)
		{
			clean_memo.job = job->job;
			clean_memo.pass = job->pass;
		}
		job->phase = CELLENC_PHASE_BARRIER;
		job->pass++;
		cellenc_job_set_state(job, CELLENC_JOB_WAITING);
	}
	cellenc_job_save(job);
	return CELLENC_STEP_CONTINUE;
}

static void
begin_relation(CellencJob *job, Relation rel)
{
	job->relation = RelationGetRelid(rel);
	job->relation_file = rel->rd_rel->relfilenode;
	job->next_block = job->vacuumed_block = job->updated = 0;
	job->end_block = RelationGetNumberOfBlocks(rel);
	if (job->end_block > 0)
		ereport(job->pass == 1 ? LOG : DEBUG1,
				(errmsg("job " INT64_FORMAT ", pass %d: relation %s, " INT64_FORMAT " blocks",
						job->job, job->pass, cellenc_job_relation_description(job->relation),
						job->end_block)));
}

static void
end_relation(CellencJob *job)
{
	job->next_block = job->end_block;
	job->relations_done++;
}

/* Go to the next relation that has blocks, or close the pass. */
static CellencStep
next_relation(CellencJob *job)
{
	int			passed = 0;
	ListCell   *cell;

	foreach(cell, pass_relations(job))
	{
		Oid			relid = lfirst_oid(cell);
		bool		gone;
		bool		empty;
		Relation	rel;

		if (relid <= job->relation)
			continue;

		rel = passed < MAX_EMPTY ? open_target(relid, &gone) : NULL;
		if (!rel && passed > 0 && (passed == MAX_EMPTY || !gone))
			break;				/* save how far this step came */
		if (!rel && !gone)
			return cellenc_job_step_wait_lock(job, relid);

		passed++;
		job->relation = relid;
		job->next_block = job->end_block = 0;
		if (rel)
		{
			begin_relation(job, rel);
			relation_close(rel, NoLock);
		}
		job->blocks_total += job->end_block - pass_memo.blocks[foreach_current_index(cell)];
		empty = job->end_block == 0;
		if (!empty)
			break;
		if (rel)
			UnlockRelationOid(relid, RowExclusiveLock);
		end_relation(job);
	}
	if (passed == 0)
		return close_pass(job);

	return cellenc_job_step_go_on(job);
}

typedef struct BatchCall
{
	Relation	rel;
	CellencBatch *batch;
} BatchCall;

static void
run_batch(void *arg)
{
	BatchCall  *call = arg;

	cellenc_rewriter_batch(call->rel, call->batch);
}

static CellencStep
treat_batch(CellencJob *job, Relation rel)
{
	TimestampTz began = GetCurrentTimestamp();
	CellencBatch batch;
	BatchCall	call = {rel, &batch};
	ErrorData  *failure;

	memset(&batch, 0, sizeof(batch));
	batch.first = job->next_block;
	batch.end = Min(job->next_block + CELLENC_BATCH_BLOCKS, job->end_block);
	batch.keys = job->keys;
	batch.nkeys = job->nkeys;
	batch.wait = job->pass > 1;
	batch.bad_to_log = Max(MAX_BAD_LOGGED - job->bad_values, 0);

	if (!cellenc_job_guarded(run_batch, &call, &failure))
	{
		if (failure->sqlerrcode != ERRCODE_DATA_CORRUPTED)
			ReThrowError(failure);
		batch.careful = true;
		run_batch(&call);
	}

	job->updated += batch.found;
	job->blocks_done += batch.next - batch.first;
	job->next_block = batch.next;
	job->found += batch.found;
	job->values_done += batch.values;
	job->bad_values += batch.bad;
	job->error = NULL;
	if (job->next_block >= job->end_block)
		end_relation(job);
	cellenc_job_add_time(job, began);
	return cellenc_job_step_go_on(job);
}

static CellencStep
step_pass(CellencJob *job, CellencCommand *command)
{
	bool		gone;
	Relation	rel;
	CellencStep result;

	if (OidIsValid(job->relation) && cellenc_upkeep_vacuum(job, command))
	{
		(void) cellenc_job_step_go_on(job);
		return CELLENC_STEP_COMMAND;
	}
	if (job->next_block >= job->end_block)
		return next_relation(job);

	rel = open_target(job->relation, &gone);
	if (!rel && !gone)
		return cellenc_job_step_wait_lock(job, job->relation);
	if (gone)
	{
		job->blocks_total -= job->end_block - job->next_block;
		end_relation(job);
		return cellenc_job_step_go_on(job);
	}

	/* VACUUM FULL and the like moved the rows: begin again */
	if (rel->rd_rel->relfilenode != job->relation_file)
	{
		job->blocks_done -= job->next_block;
		job->blocks_total -= job->end_block;
		begin_relation(job, rel);
		job->blocks_total += job->end_block;
	}
	if (job->end_block == 0)
	{
		end_relation(job);
		result = cellenc_job_step_go_on(job);
	}
	else
		result = treat_batch(job, rel);
	relation_close(rel, NoLock);
	return result;
}

static CellencStep
step_indexes(CellencJob *job, CellencCommand *command)
{
	CellencStep result = cellenc_upkeep_indexes(job, pass_relations(job), command);

	return result == CELLENC_STEP_DONE ? finish(job) : result;
}

static CellencStep
step(CellencJob *job, CellencCommand *command)
{
	switch (job->phase)
	{
		case CELLENC_PHASE_BARRIER:
			return step_barrier(job);
		case CELLENC_PHASE_PASS:
			return step_pass(job, command);
		case CELLENC_PHASE_INDEXES:
			return step_indexes(job, command);
	}
	return CELLENC_STEP_FAILED;
}

static void
forget(void)
{
	pass_memo.job = 0;
	cellenc_upkeep_forget();
}

const CellencJobMethods cellenc_job_pass_methods = {
	.describe = describe,
	.step = step,
	.command_done = cellenc_upkeep_command_done,
	.forget = forget
};
