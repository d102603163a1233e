/*-------------------------------------------------------------------------
 *
 * job_admin.c
 *	  SQL functions that queue jobs and change what becomes of them.
 *
 * A worker holds cellenc_job_lock for one step at a time, so a change waits
 * for one batch at most.  Commands that run between steps (VACUUM, REINDEX)
 * take longer; they are cancelled.
 *
 * Touches columns, event, job, keymaker, keyring and the launcher's wake-up call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "columns.h"
#include "compat.h"
#include "event.h"
#include "job.h"
#include "job_kind.h"
#include "keymaker.h"
#include "keyring.h"
#include "report.h"
#include "worker.h"

PG_FUNCTION_INFO_V1(cellenc_rotate_keys);
PG_FUNCTION_INFO_V1(cellenc_reencrypt);
PG_FUNCTION_INFO_V1(cellenc_pause);
PG_FUNCTION_INFO_V1(cellenc_resume);
PG_FUNCTION_INFO_V1(cellenc_cancel);

static void
announce(const CellencJob *job)
{
	ereport(NOTICE,
			(errmsg("job " INT64_FORMAT " re-encrypts the values under %s when the transaction commits",
					job->job, cellenc_job_key_description(job)),
			 errhint("Progress is shown by the view cellenc.jobs.")));
}

/*
 * Queueing
 */

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Names of all keys, or those of the array, each once. */
static List *
list_key_names(FunctionCallInfo fcinfo)
{
	List	   *names = NIL;
	List	   *unique = NIL;
	ListCell   *cell;

	if (PG_ARGISNULL(0))
	{
		foreach(cell, cellenc_keycatalog_keys())
			names = lappend(names, pstrdup(((CellencKeyRow *) lfirst(cell))->name));
	}
	else
	{
		Datum	   *elements;
		bool	   *nulls;
		int			count;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &elements,
						  &nulls, &count);
		for (int i = 0; i < count; i++)
		{
			if (nulls[i])
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("key name must not be null")));
			names = lappend(names, TextDatumGetCString(elements[i]));
		}
	}
	if (names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no key to rotate")));

	list_sort(names, compare_names);
	foreach(cell, names)
	{
		if (unique == NIL || strcmp(llast(unique), lfirst(cell)) != 0)
			unique = lappend(unique, lfirst(cell));
	}
	return unique;
}

/*
 * cellenc_rotate_keys(keys text[]): new versions of several keys (NULL: of
 * all), and one job for the values under them.
 */
Datum
cellenc_rotate_keys(PG_FUNCTION_ARGS)
{
	CellencJob	job = {.kind = CELLENC_JOB_ROTATE};
	List	   *names;
	ListCell   *cell;

	CELLENC_CHECK_PRELOAD();
	cellenc_keycatalog_lock();
	names = list_key_names(fcinfo);
	job.keys = palloc(list_length(names) * sizeof(pg_uuid_t));

	/* all rights are checked before anything is done */
	foreach(cell, names)
		cellenc_keyring_check(cellenc_keyring_require_key(lfirst(cell)), CELLENC_PRIV_MANAGE);
	foreach(cell, names)
	{
		CellencKeyRow row = cellenc_keyring_require_key(lfirst(cell))->row;

		job.version = cellenc_keymaker_rotate(&row, NULL);
		job.keys[job.nkeys++] = row.id;
	}
	if (job.nkeys > 1)
		job.version = 0;
	(void) cellenc_job_queue(&job);
	announce(&job);
	PG_RETURN_INT64(job.job);
}

/* Does the relation, or one below it, hold what the key may be used for? */
static bool
holds_key(Oid relid, const pg_uuid_t *key)
{
	List	   *relations = cellenc_columns_relations(key, 1);
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
	{
		if (list_member_oid(relations, lfirst_oid(cell)))
			return true;
	}
	return false;
}

/*
 * cellenc_reencrypt(key text, rel regclass): a job for what is left under older
 * versions of the key, in one relation with its partitions and children, or
 * (NULL) everywhere.
 */
Datum
cellenc_reencrypt(PG_FUNCTION_ARGS)
{
	CellencJob	job = {.kind = CELLENC_JOB_REENCRYPT};
	CellencKey *key;
	CellencKeyRow row;

	CELLENC_CHECK_PRELOAD();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key name must not be null")));
	key = cellenc_keyring_require_key(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	cellenc_keyring_check(key, CELLENC_PRIV_MANAGE);
	row = key->row;

	if (!PG_ARGISNULL(1))
	{
		job.target = PG_GETARG_OID(1);
		if (get_rel_name(job.target) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("relation with OID %u does not exist", job.target)));
		if (!holds_key(job.target, &row.id))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("relation \"%s\" stores no values under key \"%s\"",
							get_rel_name(job.target), row.name)));
	}
	job.keys = &row.id;
	job.nkeys = 1;
	job.version = ((CellencVersionRow *) llast(cellenc_keycatalog_versions(&row.id)))->version;
	(void) cellenc_job_queue(&job);
	cellenc_event_record("reencrypt", row.name, job.version, psprintf("job " INT64_FORMAT, job.job));
	announce(&job);
	PG_RETURN_INT64(job.job);
}

/*
 * Changing
 */

/* The job, for whoever may manage all of its keys; nobody else changes it now. */
static void
require_job(int64 number, CellencJob *job)
{
	CELLENC_CHECK_PRELOAD();
	(void) cellenc_job_lock(true);
	if (!cellenc_job_load(number, job))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " does not exist", number)));
	for (int i = 0; i < job->nkeys; i++)
	{
		CellencKeyRow row;

		if (cellenc_keycatalog_key_by_id(&job->keys[i], &row))
			cellenc_keyring_check(cellenc_keyring_require_key(row.name), CELLENC_PRIV_MANAGE);
	}
	if (cellenc_job_has_ended(job))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " has ended already", number)));
}

/* Save what became of the job, and record who did it. */
static void
save_change(const CellencJob *job, const char *action)
{
	cellenc_job_save(job);
	for (int i = 0; i < job->nkeys; i++)
	{
		CellencKeyRow row;

		if (cellenc_keycatalog_key_by_id(&job->keys[i], &row))
			cellenc_event_record(action, row.name, job->version,
								 psprintf("job " INT64_FORMAT, job->job));
	}
}

Datum
cellenc_pause(PG_FUNCTION_ARGS)
{
	CellencJob	job;

	require_job(PG_GETARG_INT64(0), &job);
	if (job.state != CELLENC_JOB_PAUSED)
	{
		cellenc_job_set_state(&job, CELLENC_JOB_PAUSED);
		save_change(&job, "pause");
		cellenc_launcher_interrupt_at_commit(job.job);
	}
	PG_RETURN_VOID();
}

Datum
cellenc_resume(PG_FUNCTION_ARGS)
{
	CellencJob	job;

	require_job(PG_GETARG_INT64(0), &job);
	if (job.state == CELLENC_JOB_PAUSED)
	{
		cellenc_job_set_state(&job, CELLENC_JOB_QUEUED);
		save_change(&job, "resume");
		cellenc_launcher_start_at_commit();
	}
	PG_RETURN_VOID();
}

/* All versions stay usable; cellenc_reencrypt goes on where this job ended. */
Datum
cellenc_cancel(PG_FUNCTION_ARGS)
{
	CellencJob	job;

	require_job(PG_GETARG_INT64(0), &job);
	if (!cellenc_job_kind_cancel(&job))
		cellenc_job_set_state(&job, CELLENC_JOB_CANCELLED);
	save_change(&job, "cancel");
	cellenc_launcher_interrupt_at_commit(job.job);
	cellenc_launcher_start_at_commit();
	PG_RETURN_VOID();
}
