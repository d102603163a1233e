/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  Keys that are rotated by themselves.
 *
 * A key with an interval is due when its current version is that old.  The
 * worker of its database rotates it, within the window; before it ends, it
 * tells the launcher when the next key is due.  A key whose last job has not
 * ended is left alone until then.
 *
 * Touches event, job, keycatalog, keymaker, keyring, window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "event.h"
#include "job.h"
#include "job_kind.h"
#include "keymaker.h"
#include "keyring.h"
#include "policy.h"
#include "report.h"
#include "window.h"
#include "worker.h"

/* A rotation that failed is tried again after this time. */
#define RETRY_MS (10 * 60 * 1000)

PG_FUNCTION_INFO_V1(cellenc_set_rotation_policy);

static bool
is_positive(Interval *interval)
{
	Interval	zero = {0};

	return DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(interval),
											IntervalPGetDatum(&zero)));
}

/* cellenc_set_rotation_policy(key text, every interval): NULL turns it off. */
Datum
cellenc_set_rotation_policy(PG_FUNCTION_ARGS)
{
	Interval   *every = PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1);
	CellencKey *key;
	CellencKeyRow row;
	char	   *detail = "off";

	CELLENC_CHECK_PRELOAD();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key name must not be null")));
	cellenc_keycatalog_lock();
	key = cellenc_keyring_require_key(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	cellenc_keyring_check(key, CELLENC_PRIV_MANAGE);
	row = key->row;
	if (every && !is_positive(every))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("interval of rotations must be positive")));

	cellenc_keycatalog_set_rotate_every(&row.id, every);
	if (every)
		detail = psprintf("every %s", DatumGetCString(DirectFunctionCall1(interval_out,
																		  IntervalPGetDatum(every))));
	cellenc_event_record("policy", row.name, 0, detail);
	cellenc_launcher_start_at_commit();
	PG_RETURN_VOID();
}

/* When the key is due; 0: never. */
static TimestampTz
next_rotation(CellencKeyRow *key)
{
	ListCell   *cell;

	if (!key->rotates)
		return 0;
	foreach(cell, cellenc_keycatalog_versions(&key->id))
	{
		CellencVersionRow *version = lfirst(cell);

		if (version->state == CELLENC_CURRENT)
			return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
														   TimestampTzGetDatum(version->created_at),
														   IntervalPGetDatum(&key->rotate_every)));
	}
	return 0;
}

/* Does a job of the key go on? */
static bool
has_job(const CellencKeyRow *key)
{
	ListCell   *cell;

	foreach(cell, cellenc_job_unfinished(true))
	{
		CellencJob	job;

		if (!cellenc_job_load(*(int64 *) lfirst(cell), &job))
			continue;
		for (int i = 0; i < job.nkeys; i++)
		{
			if (memcmp(&job.keys[i], &key->id, sizeof(pg_uuid_t)) == 0)
				return true;
		}
	}
	return false;
}

typedef struct DueKey
{
	CellencKeyRow *key;
	bool		rotated;
	TimestampTz next;			/* when it is due after all, if not; 0: never */
} DueKey;

/* Rotate the key, unless somebody else has, or has dropped it, in the meantime. */
static void
rotate_if_due(void *arg)
{
	DueKey	   *due = arg;
	CellencKeyRow row;
	CellencJob	job = {.kind = CELLENC_JOB_ROTATE,.keys = &row.id,.nkeys = 1};

	cellenc_keycatalog_lock();
	due->next = cellenc_keycatalog_key_by_id(&due->key->id, &row) ? next_rotation(&row) : 0;
	if (due->next == 0 || due->next > GetCurrentTimestamp())
		return;
	job.version = cellenc_keymaker_rotate(&row, "by policy");
	(void) cellenc_job_queue(&job);
	due->rotated = true;
}

bool
cellenc_policy_run(TimestampTz *due)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		rotated = false;
	ListCell   *cell;

	*due = 0;
	foreach(cell, cellenc_keycatalog_keys())
	{
		CellencKeyRow *key = lfirst(cell);
		TimestampTz next = next_rotation(key);
		ErrorData  *failure;

		/* the end of its job brings us here again */
		if (next == 0 || (next <= now && has_job(key)))
			continue;
		if (next <= now && cellenc_window_is_open(now, &next))
		{
			DueKey		one = {.key = key};

			if (cellenc_job_guarded(rotate_if_due, &one, &failure))
				next = one.next;
			else
			{
				ereport(LOG,
						(errcode(failure->sqlerrcode),
						 errmsg("could not rotate key \"%s\" by its policy: %s", key->name,
								failure->message)));
				next = TimestampTzPlusMilliseconds(now, RETRY_MS);
			}
			rotated |= one.rotated;
			if (one.rotated || next == 0)
				continue;
		}
		*due = *due == 0 ? next : Min(*due, next);
	}
	return rotated;
}
