/*-------------------------------------------------------------------------
 *
 * event.c
 *	  The record of what was done with keys.
 *
 * A table beside the key tables: written with every change of a key, read by
 * people only, so it empties no key ring.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "event.h"
#include "keycatalog.h"

/* Attribute numbers, as in sql/cellenc--1.0.sql. */
enum
{
	EVENT_AT = 1, EVENT_ROLE, EVENT_CLIENT, EVENT_ACTION, EVENT_KEY, EVENT_VERSION,
	EVENT_DETAIL, EVENT_NATTS = EVENT_DETAIL
};

/* A loop that goes on after each refusal must not fill the disk. */
#define DENIALS_MAX 10
#define DENIALS_EVERY (60 * USECS_PER_SEC)

void
cellenc_event_note(const char *action, const char *key, int32 version, const char *detail)
{
	Datum		values[EVENT_NATTS] = {0};
	bool		nulls[EVENT_NATTS] = {false};
	const char *client = MyProcPort ? MyProcPort->remote_host : NULL;
	Relation	rel;

	values[EVENT_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[EVENT_ROLE - 1] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	nulls[EVENT_CLIENT - 1] = client == NULL;
	if (client)
		values[EVENT_CLIENT - 1] = CStringGetTextDatum(client);
	values[EVENT_ACTION - 1] = CStringGetTextDatum(action);
	nulls[EVENT_KEY - 1] = key == NULL;
	if (key)
		values[EVENT_KEY - 1] = CStringGetTextDatum(key);
	nulls[EVENT_VERSION - 1] = version == 0;
	values[EVENT_VERSION - 1] = Int32GetDatum(version);
	nulls[EVENT_DETAIL - 1] = detail == NULL;
	if (detail)
		values[EVENT_DETAIL - 1] = CStringGetTextDatum(detail);

	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_EVENT, false), RowExclusiveLock);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	table_close(rel, NoLock);

	ereport(LOG,
			(errmsg("key event: %s, key \"%s\", version %d, role \"%s\"",
					action, key ? key : "", version, GetUserNameFromId(GetUserId(), false)),
			 detail ? errdetail_internal("%s", detail) : 0,
			 errhidestmt(true)));
}

void
cellenc_event_denied(const char *key, int privileges)
{
	static TimestampTz since = 0;
	static int	written = 0;
	static int64 left_out = 0;
	TimestampTz now = GetCurrentTimestamp();
	StringInfoData wanted;

	if (now - since >= DENIALS_EVERY || now < since)
	{
		since = now;
		written = 0;
	}
	if (written == DENIALS_MAX)
	{
		left_out++;
		return;
	}
	written++;

	initStringInfo(&wanted);
	if (privileges & CELLENC_PRIV_ENCRYPT)
		appendStringInfoString(&wanted, ", encrypt");
	if (privileges & CELLENC_PRIV_DECRYPT)
		appendStringInfoString(&wanted, ", decrypt");
	if (privileges & CELLENC_PRIV_MANAGE)
		appendStringInfoString(&wanted, ", manage");
	ereport(LOG_SERVER_ONLY,
			(errmsg("key denial: %s, key \"%s\", role \"%s\"",
					wanted.len > 0 ? wanted.data + 2 : "", key,
					GetUserNameFromId(GetUserId(), false)),
			 left_out > 0 ? errdetail_internal("%lld more denials of this process were not logged.",
											   (long long) left_out) : 0,
			 errhidestmt(true), errhidecontext(true)));
	left_out = 0;
	pfree(wanted.data);
}

void
cellenc_event_record(const char *action, const char *key, int32 version, const char *detail)
{
	cellenc_event_note(action, key, version, detail);
	CommandCounterIncrement();
}

static bool
is_event(HeapTuple tuple, TupleDesc desc, const char *action, const char *key)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, EVENT_ACTION, desc, &isnull);

	if (isnull || strcmp(TextDatumGetCString(value), action) != 0)
		return false;
	value = heap_getattr(tuple, EVENT_KEY, desc, &isnull);
	return key ? !isnull && strcmp(TextDatumGetCString(value), key) == 0 : isnull;
}

bool
cellenc_event_any(const char *action, const char *key)
{
	Relation	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_EVENT, false), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf, 0, NULL);
	HeapTuple	tuple;
	bool		found = false;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = is_event(tuple, RelationGetDescr(rel), action, key);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

bool
cellenc_event_exists(TimestampTz at, const char *action, const char *key)
{
	Relation	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_EVENT, false), AccessShareLock);
	Oid			index = get_relname_relid("event_at_idx", RelationGetNamespace(rel));
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&skey, EVENT_AT, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ, TimestampTzGetDatum(at));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &skey);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = is_event(tuple, RelationGetDescr(rel), action, key);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}
