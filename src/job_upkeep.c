/*-------------------------------------------------------------------------
 *
 * job_upkeep.c
 *	  What a job does for the tables whose rows it wrote: VACUUM, and new
 *	  indexes in place of those that keep old values.
 *
 * A pass writes every row anew.  VACUUM after each tenth of a table gives the
 * room of the old rows to the next ones: the table stays as it is instead of
 * doubling, and the pass is faster, too.
 *
 * An index keeps what VACUUM does not reach: pivots and high keys of a btree
 * are copies of values, under old versions for ever.  After the last pass,
 * every index with such values on its pages is rebuilt by REINDEX
 * CONCURRENTLY.  The pages themselves tell which ones are left: nothing is
 * noted that a crash could lose.
 *
 * An index is built with the rights of the table's owner, who may have none on
 * the key.  So cellenc's comparators may open values meanwhile, but not where
 * the index calls functions of a user: those could compare with guesses of
 * their own.  Such an index is built with the owner's own rights; if that
 * fails it is reported, and left.
 *
 * REINDEX CONCURRENTLY that fails leaves an invalid index, named after the
 * one it was to replace; it is dropped before the next attempt.
 *
 * Touches job, indexpages, keyring, users_code, walk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "indexpages.h"
#include "job_kind.h"
#include "job_upkeep.h"
#include "keyring.h"
#include "users_code.h"
#include "walk.h"

/* VACUUM after this part of a relation, and of so many blocks at least. */
#define VACUUM_PARTS 10
#define MIN_VACUUM_BLOCKS 1024

/* Rows for which VACUUM is worth it after a pass that found few. */
#define MIN_VACUUM_ROWS 1000

/* Relations looked at in one step. */
#define MAX_RELATIONS 100

/* Rebuilding an index is given up when it was in somebody's way so often. */
#define MAX_ATTEMPTS 10

typedef enum UpkeepCommand
{
	UPKEEP_VACUUM,
	UPKEEP_REINDEX,
	UPKEEP_DROP
} UpkeepCommand;

/* The command that runs at the moment: a step that was lost is taken again. */
static struct
{
	UpkeepCommand what;
	TimestampTz began;
	Oid			relation;
	Oid			index;			/* to be rebuilt */
	char		index_name[NAMEDATALEN];
	int64		index_blocks;
	bool		retry;			/* after the DROP, wait as after an error */
}			current;

/* The index that was last found to keep old values, and how often it failed. */
static struct
{
	int64		job;
	Oid			index;
	int			attempts;
}			stale_index;

static void
want_command(CellencCommand *command, UpkeepCommand what, const char *verb, Oid relid)
{
	char	   *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
												  get_rel_name(relid));

	current.what = what;
	current.began = GetCurrentTimestamp();
	command->sql = MemoryContextStrdup(command->context, psprintf("%s %s", verb, name));
	command->compares = false;
	command->yields = true;
	command->waits = false;
}

/*
 * VACUUM
 */

static bool
vacuum_is_due(const CellencJob *job)
{
	if (job->updated == 0)
		return false;
	if (job->next_block >= job->end_block)
		return job->pass == 1 || job->updated >= MIN_VACUUM_ROWS;
	return job->next_block - job->vacuumed_block >=
		Max(job->end_block / VACUUM_PARTS, MIN_VACUUM_BLOCKS);
}

bool
cellenc_upkeep_vacuum(CellencJob *job, CellencCommand *command)
{
	if (!vacuum_is_due(job))
		return false;

	/* who has such a lock is vacuuming, or about to change the table */
	if (command && ConditionalLockRelationOid(job->relation, ShareUpdateExclusiveLock))
	{
		bool		exists = get_rel_name(job->relation) != NULL;

		UnlockRelationOid(job->relation, ShareUpdateExclusiveLock);
		if (exists)
		{
			current.relation = job->relation;
			want_command(command, UPKEEP_VACUUM,
						 "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF, PARALLEL 0)",
						 job->relation);
			return true;
		}
	}
	job->updated = 0;
	job->vacuumed_block = job->next_block;
	return false;
}

static CellencStep
vacuum_done(CellencJob *job, ErrorData *failure)
{
	/* the next one makes up for it */
	if (failure)
		ereport(cellenc_job_contended(failure) ? DEBUG1 : LOG,
				(errcode(failure->sqlerrcode),
				 errmsg("job " INT64_FORMAT ": VACUUM of relation %s failed: %s", job->job,
						cellenc_job_relation_description(current.relation), failure->message)));
	if (job->state != CELLENC_JOB_WAITING && job->state != CELLENC_JOB_RUNNING)
		return CELLENC_STEP_WAIT;
	job->updated = 0;
	job->vacuumed_block = job->next_block;
	cellenc_job_add_time(job, current.began);
	return cellenc_job_step_go_on(job);
}

/*
 * Which indexes
 */

static bool
key_holds_twin(Relation index)
{
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		if (cellenc_walk_contains(TupleDescAttr(RelationGetDescr(index), i)->atttypid))
			return true;
	}
	return false;
}

/* A CellencVersionVisitor that stops at the first stale value. */
static bool
is_not_stale(uint32 version_id, void *arg)
{
	const CellencJob *job = arg;
	CellencKeyVersion *version = cellenc_keyring_version(version_id);

	if (!version || version_id == version->key->current_id)
		return true;
	for (int i = 0; i < job->nkeys; i++)
	{
		if (memcmp(&job->keys[i], &version->key->row.id, sizeof(pg_uuid_t)) == 0)
		{
			stale_index.job = job->job;
			return false;
		}
	}
	return true;
}

/* Are there old values on the index's pages?  Remembered while they are. */
static bool
keeps_old_values(CellencJob *job, Relation index)
{
	if (stale_index.job == job->job && stale_index.index == RelationGetRelid(index))
		return true;

	/*
	 * attempts go on counting: one that failed rolled back, and forgot the
	 * rest
	 */
	if (stale_index.index != RelationGetRelid(index))
		stale_index.attempts = 0;
	stale_index.job = 0;
	stale_index.index = RelationGetRelid(index);
	cellenc_indexpages_visit(index, is_not_stale, job);
	return stale_index.job != 0;
}

int64
cellenc_upkeep_index_blocks(Relation rel)
{
	int64		blocks = 0;
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(rel))
	{
		Relation	index;

		/* an estimate: see begin_pass */
		if (!ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock))
			continue;
		index = try_relation_open(lfirst_oid(cell), NoLock);
		if (index)
		{
			if (index->rd_rel->relam != HASH_AM_OID && key_holds_twin(index))
				blocks += RelationGetNumberOfBlocks(index);
			relation_close(index, NoLock);
		}
		UnlockRelationOid(lfirst_oid(cell), AccessShareLock);
	}
	return blocks;
}

/*
 * Leftovers of REINDEX CONCURRENTLY
 */

/* Is name one that it gives to what replaces, or was replaced, as `index`? */
static bool
is_leftover_name(const char *name, const char *index)
{
	const char *suffixes[] = {"ccnew", "ccold"};

	for (size_t i = 0; i < lengthof(suffixes); i++)
	{
		char	   *stem = makeObjectName(index, NULL, suffixes[i]);
		size_t		len = strlen(stem);

		/* a number follows where the name was taken */
		if (strncmp(name, stem, len) == 0 && strspn(name + len, "0123456789") == strlen(name + len))
			return true;
	}
	return false;
}

/* An invalid index on the relation that is a leftover; else InvalidOid. */
static Oid
find_leftover(Oid relid, const char *index)
{
	Relation	rel = table_open(IndexRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			result = InvalidOid;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, IndexIndrelidIndexId, true, NULL, 1, &key);
	while (!OidIsValid(result) && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);
		char	   *name = form->indisvalid ? NULL : get_rel_name(form->indexrelid);

		if (name && is_leftover_name(name, index))
			result = form->indexrelid;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * Ask for the DROP of a leftover of the current index; false where there is
 * none, or where somebody is at work on the table, whose it may be.
 */
static bool
want_drop(CellencCommand *command)
{
	Oid			leftover = find_leftover(current.relation, current.index_name);

	if (!OidIsValid(leftover) ||
		!ConditionalLockRelationOid(current.relation, ShareUpdateExclusiveLock))
		return false;
	UnlockRelationOid(current.relation, ShareUpdateExclusiveLock);
	want_command(command, UPKEEP_DROP, "DROP INDEX CONCURRENTLY IF EXISTS", leftover);
	command->yields = false;
	return true;
}

/*
 * Rebuilding
 */

static void
pass_index(CellencJob *job, Oid index, int64 blocks)
{
	job->index = index;
	job->index_blocks_done += blocks;
}

static void
report_index(CellencJob *job, const char *name, const char *reason)
{
	job->bad_indexes++;
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("job " INT64_FORMAT ": index \"%s\" still holds values under old key versions",
					job->job, name),
			 errdetail_internal("%s", reason),
			 errhint("Use REINDEX INDEX, as a role that may decrypt, before a version is destroyed.")));
}

/*
 * Look at an index, which the caller has locked: CELLENC_STEP_CONTINUE where
 * there is nothing to do.
 */
static CellencStep
treat_index(CellencJob *job, Relation rel, Relation index, CellencCommand *command)
{
	Oid			oid = RelationGetRelid(index);
	int64		blocks;

	if (!index->rd_index->indisvalid || index->rd_rel->relam == HASH_AM_OID ||
		!key_holds_twin(index))
	{
		pass_index(job, oid, 0);
		return CELLENC_STEP_CONTINUE;
	}

	blocks = RelationGetNumberOfBlocks(index);
	if (!keeps_old_values(job, index))
	{
		pass_index(job, oid, blocks);
		return CELLENC_STEP_CONTINUE;
	}
	if (index->rd_index->indisexclusion)
	{
		report_index(job, RelationGetRelationName(index),
					 "Indexes of exclusion constraints cannot be rebuilt concurrently.");
		pass_index(job, oid, blocks);
		return CELLENC_STEP_CONTINUE;
	}

	/* transactions that it would have to wait for, where nobody can see it */
	if (!cellenc_job_barrier(job))
		return CELLENC_STEP_WAIT;

	current.relation = RelationGetRelid(rel);
	current.index = oid;
	current.index_blocks = blocks;
	current.retry = false;
	strlcpy(current.index_name, RelationGetRelationName(index), NAMEDATALEN);
	if (!want_drop(command))
	{
		want_command(command, UPKEEP_REINDEX, "REINDEX INDEX CONCURRENTLY", oid);
		command->yields = command->compares = !cellenc_users_code_in_index(oid);
		command->waits = true;
	}
	(void) cellenc_job_step_go_on(job);
	return CELLENC_STEP_COMMAND;
}

/* The indexes of a relation from job->index on; as treat_index. */
static CellencStep
treat_indexes(CellencJob *job, Relation rel, CellencCommand *command)
{
	List	   *indexes = RelationGetIndexList(rel);

	/*
	 * Downwards: the index that replaces one has a higher oid, and is not met
	 * again.
	 */
	for (int i = list_length(indexes) - 1; i >= 0; i--)
	{
		Oid			oid = list_nth_oid(indexes, i);
		Relation	index;
		CellencStep result = CELLENC_STEP_CONTINUE;

		if (OidIsValid(job->index) && oid >= job->index)
			continue;
		if (!ConditionalLockRelationOid(oid, AccessShareLock))
			return cellenc_job_step_wait_lock(job, oid);
		index = try_relation_open(oid, NoLock);
		if (index)
		{
			result = treat_index(job, rel, index, command);
			relation_close(index, NoLock);
		}
		if (result != CELLENC_STEP_CONTINUE)
			return result;
		UnlockRelationOid(oid, AccessShareLock);
	}
	return CELLENC_STEP_CONTINUE;
}

CellencStep
cellenc_upkeep_indexes(CellencJob *job, List *relations, CellencCommand *command)
{
	int			passed = 0;
	ListCell   *cell;

	if (!command)
		return CELLENC_STEP_DONE;
	foreach(cell, relations)
	{
		Oid			relid = lfirst_oid(cell);
		Relation	rel;
		CellencStep result = CELLENC_STEP_CONTINUE;

		if (relid < job->relation)
			continue;
		if (passed++ == MAX_RELATIONS)
			return cellenc_job_step_go_on(job);
		if (!ConditionalLockRelationOid(relid, AccessShareLock))
			return cellenc_job_step_wait_lock(job, relid);

		if (relid > job->relation)
		{
			job->relation = relid;
			job->index = InvalidOid;
		}
		rel = try_relation_open(relid, NoLock);
		if (rel)
		{
			result = treat_indexes(job, rel, command);
			relation_close(rel, NoLock);
		}
		if (result != CELLENC_STEP_CONTINUE)
			return result;
		UnlockRelationOid(relid, AccessShareLock);
	}
	return CELLENC_STEP_DONE;
}

static CellencStep
reindex_failed(CellencJob *job, ErrorData *failure, CellencCommand *command)
{
	bool		again = cellenc_job_contended(failure) && ++stale_index.attempts < MAX_ATTEMPTS;

	/* also of a job that is paused or cancelled by now */
	if (job->state != CELLENC_JOB_WAITING && job->state != CELLENC_JOB_RUNNING)
		return want_drop(command) ? CELLENC_STEP_COMMAND : CELLENC_STEP_WAIT;

	cellenc_job_add_time(job, current.began);
	if (again || cellenc_job_is_temporary(failure->sqlerrcode))
	{
		cellenc_job_note_retry(job, failure);
		current.retry = true;
	}
	else
	{
		report_index(job, current.index_name, failure->message);
		pass_index(job, current.index, current.index_blocks);
		(void) cellenc_job_step_go_on(job);
	}
	if (want_drop(command))
		return CELLENC_STEP_COMMAND;
	return current.retry ? CELLENC_STEP_RETRY : CELLENC_STEP_CONTINUE;
}

static CellencStep
reindex_done(CellencJob *job)
{
	ereport(LOG,
			(errmsg("job " INT64_FORMAT ": index \"%s\" of relation %s is rebuilt", job->job,
					current.index_name, cellenc_job_relation_description(current.relation))));
	if (job->state != CELLENC_JOB_WAITING && job->state != CELLENC_JOB_RUNNING)
		return CELLENC_STEP_WAIT;
	cellenc_job_add_time(job, current.began);
	pass_index(job, current.index, current.index_blocks);
	job->error = NULL;
	return cellenc_job_step_go_on(job);
}

CellencStep
cellenc_upkeep_command_done(CellencJob *job, ErrorData *failure, CellencCommand *command)
{
	switch (current.what)
	{
		case UPKEEP_VACUUM:
			return vacuum_done(job, failure);
		case UPKEEP_REINDEX:
			if (failure)
				return reindex_failed(job, failure, command);
			return reindex_done(job);
		case UPKEEP_DROP:
			break;
	}

	/* the next attempt finds a leftover that is still there */
	return failure || current.retry ? CELLENC_STEP_RETRY : CELLENC_STEP_CONTINUE;
}

void
cellenc_upkeep_forget(void)
{
	stale_index.job = 0;
}
