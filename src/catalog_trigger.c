/*-------------------------------------------------------------------------
 *
 * catalog_trigger.c
 *	  Triggers on the key tables: who may write them, and what with.
 *
 * The C functions write past triggers, so whatever fires one is a statement:
 * a restore, a superuser's repair, logical apply, or an attack with
 * pg_write_all_data.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "event.h"
#include "keycatalog.h"
#include "report.h"

PG_FUNCTION_INFO_V1(cellenc_catalog_trigger);

/*
 * Is the row that a restore brings there already, or does it contradict one
 * that is?  Rows are told by what never changes: ids, names and check values.
 */
typedef enum Restored
{
	RESTORED_NEW,
	RESTORED_KNOWN,
	RESTORED_CONFLICT
} Restored;

static Datum
field(TriggerData *trigdata, const char *name)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	int			attno = SPI_fnumber(desc, name);
	bool		isnull;
	Datum		value;

	if (attno <= 0)
		elog(ERROR, "key table \"%s\" has no column \"%s\"",
			 RelationGetRelationName(trigdata->tg_relation), name);
	value = heap_getattr(trigdata->tg_trigtuple, attno, desc, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("column \"%s\" of key table \"%s\" must not be null", name,
						RelationGetRelationName(trigdata->tg_relation))));
	return value;
}

static bool
same_bytes(Datum value, const void *bytes, Size len)
{
	bytea	   *flat = DatumGetByteaPP(value);

	return VARSIZE_ANY_EXHDR(flat) == len && memcmp(VARDATA_ANY(flat), bytes, len) == 0;
}

static bool
same_uuid(Datum value, const pg_uuid_t *uuid)
{
	return memcmp(DatumGetUUIDP(value)->data, uuid->data, UUID_LEN) == 0;
}

static bool
same_text(Datum value, const char *str)
{
	return strcmp(TextDatumGetCString(value), str) == 0;
}

static Restored
compare_key(TriggerData *trigdata)
{
	CellencKeyRow row;

	if (cellenc_keycatalog_key_by_id(DatumGetUUIDP(field(trigdata, "id")), &row))
		return same_text(field(trigdata, "name"), row.name) ? RESTORED_KNOWN : RESTORED_CONFLICT;

	/* dropped here: tombstones win */
	if (cellenc_keycatalog_is_dropped(DatumGetUUIDP(field(trigdata, "id"))))
		return RESTORED_KNOWN;
	if (cellenc_keycatalog_key_by_name(TextDatumGetCString(field(trigdata, "name")), &row) ||
		cellenc_keycatalog_key_by_hash(DatumGetInt32(field(trigdata, "name_hash")), &row))
		return RESTORED_CONFLICT;
	return RESTORED_NEW;
}

static Restored
compare_version(TriggerData *trigdata)
{
	int64		id = DatumGetInt64(field(trigdata, "version_id"));
	pg_uuid_t  *key = DatumGetUUIDP(field(trigdata, "key"));
	CellencVersionRow row;
	ListCell   *lc;

	if (id <= 0 || id > PG_UINT32_MAX)
		return RESTORED_CONFLICT;
	if (cellenc_keycatalog_version((uint32) id, &row))
		return same_uuid(field(trigdata, "key"), &row.key) &&
			DatumGetInt32(field(trigdata, "version")) == row.version &&
			same_bytes(field(trigdata, "check_value"), row.check_value, CELLENC_CHECK_LEN)
			? RESTORED_KNOWN : RESTORED_CONFLICT;

	foreach(lc, cellenc_keycatalog_versions(key))
	{
		if (((CellencVersionRow *) lfirst(lc))->version == DatumGetInt32(field(trigdata, "version")))
			return RESTORED_CONFLICT;
	}
	return RESTORED_NEW;
}

static Restored
compare_wrap(TriggerData *trigdata)
{
	pg_uuid_t  *owner = DatumGetUUIDP(field(trigdata, "owner"));
	int32		version = DatumGetInt32(field(trigdata, "version"));
	pg_uuid_t  *master_key = DatumGetUUIDP(field(trigdata, "master_key"));
	ListCell   *lc;

	/* a dump from before its destruction does not bring a version back */
	foreach(lc, cellenc_keycatalog_versions(owner))
	{
		CellencVersionRow *row = lfirst(lc);

		if (row->version == version && row->state == CELLENC_DESTROYED)
			return RESTORED_KNOWN;
	}

	/* the wrap itself differs each time it is made; any that is there will do */
	foreach(lc, cellenc_keycatalog_wraps(owner, version))
	{
		if (memcmp(((CellencWrapRow *) lfirst(lc))->master_key.data, master_key->data, UUID_LEN) == 0)
			return RESTORED_KNOWN;
	}
	return RESTORED_NEW;
}

static Restored
compare_master_key(TriggerData *trigdata)
{
	CellencMasterKey row;

	if (!cellenc_keycatalog_master_key(DatumGetUUIDP(field(trigdata, "id")), &row))
		return RESTORED_NEW;
	return same_bytes(field(trigdata, "check_value"), row.check_value, CELLENC_CHECK_LEN)
		? RESTORED_KNOWN : RESTORED_CONFLICT;
}

static Restored
compare_search_key(TriggerData *trigdata)
{
	CellencSearchKeyRow row;

	if (cellenc_keycatalog_search_key(DatumGetUUIDP(field(trigdata, "id")), &row))
		return same_bytes(field(trigdata, "check_value"), row.check_value, CELLENC_CHECK_LEN)
			? RESTORED_KNOWN : RESTORED_CONFLICT;
	/* only one can be the current one */
	if (DatumGetBool(field(trigdata, "is_current")) && cellenc_keycatalog_current_search_key(&row))
		return RESTORED_CONFLICT;
	return RESTORED_NEW;
}

static Restored
compare_grant(TriggerData *trigdata)
{
	char	   *role = TextDatumGetCString(field(trigdata, "role"));
	char	   *privilege = TextDatumGetCString(field(trigdata, "privilege"));
	ListCell   *lc;

	/* of a key that was dropped here */
	if (cellenc_keycatalog_is_dropped(DatumGetUUIDP(field(trigdata, "key"))))
		return RESTORED_KNOWN;

	foreach(lc, cellenc_keycatalog_grants(DatumGetUUIDP(field(trigdata, "key"))))
	{
		CellencGrantRow *row = lfirst(lc);

		if (strcmp(row->role, role) == 0 &&
			strcmp(cellenc_keycatalog_privilege_name(row->privilege), privilege) == 0)
			return RESTORED_KNOWN;
	}
	return RESTORED_NEW;
}

static Restored
compare_event(TriggerData *trigdata)
{
	TupleDesc	desc = RelationGetDescr(trigdata->tg_relation);
	bool		isnull;
	Datum		key = heap_getattr(trigdata->tg_trigtuple, SPI_fnumber(desc, "key"), desc, &isnull);

	return cellenc_event_exists(DatumGetTimestampTz(field(trigdata, "at")),
								TextDatumGetCString(field(trigdata, "action")),
								isnull ? NULL : TextDatumGetCString(key))
		? RESTORED_KNOWN : RESTORED_NEW;
}

static Restored
compare_row(TriggerData *trigdata)
{
	Oid			relid = RelationGetRelid(trigdata->tg_relation);

	if (relid == cellenc_keycatalog_table(CELLENC_TABLE_KEY, false))
		return compare_key(trigdata);
	if (relid == cellenc_keycatalog_table(CELLENC_TABLE_KEY_VERSION, false))
		return compare_version(trigdata);
	if (relid == cellenc_keycatalog_table(CELLENC_TABLE_KEY_WRAP, false))
		return compare_wrap(trigdata);
	if (relid == cellenc_keycatalog_table(CELLENC_TABLE_MASTER_KEY, false))
		return compare_master_key(trigdata);
	if (relid == cellenc_keycatalog_table(CELLENC_TABLE_SEARCH_KEY, false))
		return compare_search_key(trigdata);
	if (relid == cellenc_keycatalog_table(CELLENC_TABLE_KEY_GRANT, false))
		return compare_grant(trigdata);
	if (relid == cellenc_keycatalog_table(CELLENC_TABLE_EVENT, false))
		return compare_event(trigdata);
	return RESTORED_NEW;		/* jobs */
}

/* A tombstone is what keeps its id from being used again: it stays one. */
static void
protect_tombstone(TriggerData *trigdata)
{
	TriggerData after = *trigdata;

	if (RelationGetRelid(trigdata->tg_relation) !=
		cellenc_keycatalog_table(CELLENC_TABLE_KEY_VERSION, false) ||
		!same_text(field(trigdata, "state"), CELLENC_STATE_DESTROYED))
		return;
	after.tg_trigtuple = trigdata->tg_newtuple;
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) &&
		same_text(field(&after, "state"), CELLENC_STATE_DESTROYED) &&
		DatumGetInt64(field(&after, "version_id")) == DatumGetInt64(field(trigdata, "version_id")))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot change the row of a key version that has been destroyed")));
}

Datum
cellenc_catalog_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TriggerEvent event;

	CELLENC_CHECK_PRELOAD();
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("cellenc_catalog_trigger must be called by a BEFORE trigger")));
	event = trigdata->tg_event;

	/*
	 * FOR ALL TABLES publishes these tables too; the subscriber has its own
	 * keys
	 */
	if (IsLogicalWorker() && TRIGGER_FIRED_FOR_ROW(event))
		return PointerGetDatum(NULL);

	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table \"%s\"",
						RelationGetRelationName(trigdata->tg_relation)),
				 errdetail("The tables of cellenc are changed by its functions only.")));

	/*
	 * Nobody needs to empty these tables at once, and logical apply would
	 * pass it on: a statement trigger cannot skip the statement, only refuse
	 * it.
	 */
	if (TRIGGER_FIRED_BY_TRUNCATE(event))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot truncate table \"%s\"", RelationGetRelationName(trigdata->tg_relation)),
				 errdetail("The tables of cellenc are changed by its functions only.")));

	CacheInvalidateRelcache(trigdata->tg_relation);
	if (!TRIGGER_FIRED_BY_INSERT(event))
		protect_tombstone(trigdata);
	else
	{
		switch (compare_row(trigdata))
		{
			case RESTORED_NEW:
				break;
			case RESTORED_KNOWN:
				return PointerGetDatum(NULL);
			case RESTORED_CONFLICT:
				ereport(ERROR,
						(errcode(ERRCODE_UNIQUE_VIOLATION),
						 errmsg("a row restored into key table \"%s\" contradicts one that is there",
								RelationGetRelationName(trigdata->tg_relation)),
						 errhint("Restore into a database whose keys are the dump's, or that has none.")));
		}
	}
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(event) ? trigdata->tg_newtuple
						   : trigdata->tg_trigtuple);
}
