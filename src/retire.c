/*-------------------------------------------------------------------------
 *
 * retire.c
 *	  The end of key versions: disable, enable, destroy.
 *
 * current -> decrypt_only -> disabled -> destroyed.  Only the last step is
 * irreversible, and refused while anything is known that may still need the
 * version (blockers.c).  A destroyed version keeps its row, the tombstone: its
 * id is never used again, and an error about a value under it says what
 * became of it.
 *
 * Every call works in the caller's transaction.  Changes of keys are
 * serialised by cellenc_keycatalog_lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "blockers.h"
#include "compat.h"
#include "event.h"
#include "job.h"
#include "keyring.h"
#include "report.h"
#include "retire.h"

PG_FUNCTION_INFO_V1(cellenc_disable_key_version);
PG_FUNCTION_INFO_V1(cellenc_enable_key_version);
PG_FUNCTION_INFO_V1(cellenc_destroy_key_version);

/* Blockers that an error lists; more are counted. */
#define MAX_BLOCKERS_SHOWN 20

/* The key that the first argument names, locked, for one who may manage it. */
static void
require_managed_key(FunctionCallInfo fcinfo, CellencKeyRow *row)
{
	CellencKey *key;

	CELLENC_CHECK_PRELOAD();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key name must not be null")));
	cellenc_keycatalog_lock();
	key = cellenc_keyring_require_key(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	cellenc_keyring_check(key, CELLENC_PRIV_MANAGE);
	*row = key->row;
}

pg_noreturn static void
report_destroyed(const CellencKeyRow *key, const CellencVersionRow *version)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version %d of key \"%s\" has been destroyed", version->version, key->name),
			 errdetail("It was destroyed on %s.", timestamptz_to_str(version->state_since))));
}

/* The versions that a call is about: one, or all that are not destroyed. */
static List *
versions_to_change(FunctionCallInfo fcinfo, const CellencKeyRow *key)
{
	List	   *chosen = NIL;
	ListCell   *lc;

	if (!PG_ARGISNULL(1))
	{
		CellencVersionRow *version = palloc(sizeof(CellencVersionRow));

		cellenc_keyring_require_version(key, PG_GETARG_INT32(1), version);
		if (version->state == CELLENC_DESTROYED)
			report_destroyed(key, version);
		return list_make1(version);
	}
	foreach(lc, cellenc_keycatalog_versions(&key->id))
	{
		if (((CellencVersionRow *) lfirst(lc))->state != CELLENC_DESTROYED)
			chosen = lappend(chosen, lfirst(lc));
	}
	return chosen;
}

/*
 * Refuse values under a version until it is enabled again.  That of the
 * current one keeps new values from being stored, too.
 */
Datum
cellenc_disable_key_version(PG_FUNCTION_ARGS)
{
	CellencKeyRow key;
	ListCell   *lc;

	require_managed_key(fcinfo, &key);
	foreach(lc, versions_to_change(fcinfo, &key))
	{
		CellencVersionRow *version = lfirst(lc);

		if (version->state == CELLENC_DISABLED)
		{
			ereport(NOTICE,
					(errmsg("version %d of key \"%s\" is already disabled, skipping",
							version->version, key.name)));
			continue;
		}
		cellenc_keycatalog_set_state(version->version_id, CELLENC_DISABLED);
		cellenc_event_record("disable", key.name, version->version, NULL);
		if (version->state == CELLENC_CURRENT)
			ereport(NOTICE,
					(errmsg("key \"%s\" has no current version now", key.name),
					 errdetail("No value can be encrypted with it."),
					 errhint("Use cellenc_enable_key_version or cellenc_rotate_key.")));
	}
	PG_RETURN_VOID();
}

/*
 * A key whose current version was disabled gets one again as soon as its newest
 * version may be used: never an older one, for which values would go back
 * to what a rotation has left behind.
 */
static void
settle_current(const CellencKeyRow *key)
{
	CellencVersionRow *newest = NULL;
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_versions(&key->id))
	{
		CellencVersionRow *version = lfirst(lc);

		if (version->state == CELLENC_CURRENT)
			return;
		if (version->state != CELLENC_DESTROYED)
			newest = version;
	}
	if (newest && newest->state == CELLENC_DECRYPT_ONLY)
		cellenc_keycatalog_set_state(newest->version_id, CELLENC_CURRENT);
}

Datum
cellenc_enable_key_version(PG_FUNCTION_ARGS)
{
	CellencKeyRow key;
	ListCell   *lc;

	require_managed_key(fcinfo, &key);
	foreach(lc, versions_to_change(fcinfo, &key))
	{
		CellencVersionRow *version = lfirst(lc);

		if (version->state != CELLENC_DISABLED)
			continue;
		cellenc_keycatalog_set_state(version->version_id, CELLENC_DECRYPT_ONLY);
		cellenc_event_record("enable", key.name, version->version, NULL);
	}
	settle_current(&key);
	PG_RETURN_VOID();
}

/*
 * Destroying
 */

/*
 * When re-encryption of the values under a version was over: when the last job
 * that went over them was done, or else, because nothing was left, when the
 * version was disabled.
 */
static TimestampTz
end_of_reencryption(const CellencVersionRow *version)
{
	ListCell   *lc;
	TimestampTz done = 0;

	foreach(lc, cellenc_keycatalog_versions(&version->key))
	{
		const CellencVersionRow *next = lfirst(lc);

		if (next->version <= version->version)
			continue;
		done = cellenc_job_last_done(&version->key, next->created_at);
		break;
	}
	return done != 0 ? done : version->state_since;
}

static void
check_oldest_backup(const CellencKeyRow *key, const CellencVersionRow *version, TimestampTz oldest)
{
	TimestampTz end = end_of_reencryption(version);

	if (oldest <= end)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot destroy version %d of key \"%s\" because a backup may need it",
						version->version, key->name),
				 errdetail("Values were under it until %s, and the oldest backup is from %s.",
						   pstrdup(timestamptz_to_str(end)), pstrdup(timestamptz_to_str(oldest))),
				 errhint("Wait until older backups are given up; \"infinity\" says that no backup is kept.")));
	if (oldest <= version->exported_at)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot destroy version %d of key \"%s\" because a key bundle holds it",
						version->version, key->name),
				 errdetail("It was exported on %s, and the oldest backup is from %s.",
						   pstrdup(timestamptz_to_str(version->exported_at)),
						   pstrdup(timestamptz_to_str(oldest))),
				 errhint("Give up that bundle, too; \"infinity\" says that no backup is kept.")));
}

pg_noreturn static void
report_blockers(const CellencKeyRow *key, const CellencVersionRow *version, List *blockers)
{
	StringInfoData list;
	ListCell   *lc;
	int			count = 0;

	initStringInfo(&list);
	foreach(lc, blockers)
	{
		const CellencBlocker *blocker = lfirst(lc);

		if (count++ < MAX_BLOCKERS_SHOWN)
			appendStringInfo(&list, "%s%s: %s", list.len > 0 ? "\n" : "", blocker->blocker, blocker->detail);
	}
	if (count > MAX_BLOCKERS_SHOWN)
		appendStringInfo(&list, "\nand %d more", count - MAX_BLOCKERS_SHOWN);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version %d of key \"%s\" may still be needed", version->version, key->name),
			 errdetail_internal("%s", list.data),
			 errhint("SELECT * FROM cellenc_destroy_blockers('%s', %d) tells what to do about each.",
					 key->name, version->version)));
}

void
cellenc_retire_destroy(const CellencKeyRow *key, const CellencVersionRow *version, const char *detail)
{
	(void) cellenc_keycatalog_delete_wraps(&key->id, version->version, NULL);
	cellenc_keycatalog_set_state(version->version_id, CELLENC_DESTROYED);
	cellenc_event_record("destroy", key->name, version->version, detail);
}

/*
 * Destroy a version: its wraps are deleted, its row stays as a tombstone.
 * Rights: whoever may execute this.  The search for blockers runs under the
 * lock that changes of keys need, so the version can neither be enabled nor
 * the key be rotated before the end of the transaction.
 */
Datum
cellenc_destroy_key_version(PG_FUNCTION_ARGS)
{
	CellencKeyRow key;
	CellencVersionRow version;
	TimestampTz oldest_backup;
	List	   *blockers;

	CELLENC_CHECK_PRELOAD();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key name, version and oldest_backup must not be null"),
				 errhint("The oldest backup is \"infinity\" where none is kept.")));
	oldest_backup = PG_GETARG_TIMESTAMPTZ(2);

	cellenc_keycatalog_lock();
	key = cellenc_keyring_require_key(text_to_cstring(PG_GETARG_TEXT_PP(0)))->row;
	cellenc_keyring_require_version(&key, PG_GETARG_INT32(1), &version);
	if (version.state == CELLENC_DESTROYED)
		report_destroyed(&key, &version);

	blockers = cellenc_blockers(&key, &version);
	if (blockers != NIL)
		report_blockers(&key, &version, blockers);
	check_oldest_backup(&key, &version, oldest_backup);

	cellenc_retire_destroy(&key, &version, psprintf("oldest backup: %s", TIMESTAMP_IS_NOEND(oldest_backup) ? "none" :
													timestamptz_to_str(oldest_backup)));
	ereport(NOTICE,
			(errmsg("version %d of key \"%s\" is destroyed", version.version, key.name),
			 errdetail("Backups that hold its wrapped key still open old values, for whoever has the master key."),
			 errhint("What makes them unreadable is to destroy a master key that wraps nothing but this key.")));
	PG_RETURN_VOID();
}
