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

#include "compat.h"
#include "event.h"
#include "keyring.h"
#include "report.h"

PG_FUNCTION_INFO_V1(cellenc_disable_key_version);
PG_FUNCTION_INFO_V1(cellenc_enable_key_version);

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

static CellencVersionRow *
require_version(const CellencKeyRow *key, List *versions, int32 number)
{
	ListCell   *lc;

	foreach(lc, versions)
	{
		CellencVersionRow *version = lfirst(lc);

		if (version->version == number)
			return version;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("version %d of key \"%s\" does not exist", number, key->name)));
}

static void
report_destroyed(const CellencKeyRow *key, const CellencVersionRow *version)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version %d of key \"%s\" has been destroyed", version->version, key->name),
			 errdetail("It was destroyed on %s.", timestamptz_to_str(version->state_since))));
}

/*
 * The versions that a call is about, of those the key has: one, or all that
 * are not destroyed.
 */
static List *
versions_to_change(FunctionCallInfo fcinfo, const CellencKeyRow *key, List *versions)
{
	List	   *chosen = NIL;
	ListCell   *lc;

	if (!PG_ARGISNULL(1))
	{
		CellencVersionRow *version = require_version(key, versions, PG_GETARG_INT32(1));

		if (version->state == CELLENC_DESTROYED)
			report_destroyed(key, version);
		return list_make1(version);
	}
	foreach(lc, versions)
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
	foreach(lc, versions_to_change(fcinfo, &key, cellenc_keycatalog_versions(&key.id)))
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
	foreach(lc, versions_to_change(fcinfo, &key, cellenc_keycatalog_versions(&key.id)))
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
