/*-------------------------------------------------------------------------
 *
 * masterkey_admin.c
 *	  Which master keys wrap the keys of this database: add, remove, rotate.
 *
 * Every key version may be wrapped under several master keys, so that a new
 * one can be there on all servers before the old one goes.  A call changes
 * all wraps that it is about or none: the tables are changed in the caller's
 * transaction, and before a wrap goes for good, what is left has opened.
 * Data is not touched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "event.h"
#include "guc.h"
#include "keymaker.h"
#include "keyring.h"
#include "report.h"
#include "unwrap.h"

PG_FUNCTION_INFO_V1(cellenc_add_master_key);
PG_FUNCTION_INFO_V1(cellenc_remove_master_key);
PG_FUNCTION_INFO_V1(cellenc_rotate_master_key);
PG_FUNCTION_INFO_V1(cellenc_master_key_status);

/* A key version, or the search key, that has wraps. */
typedef struct WrappedKey
{
	pg_uuid_t	owner;
	int32		version;		/* 0: a search key */
	uint32		version_id;		/* 0: a search key */
	CellencPurpose purpose;
	uint8		check_value[CELLENC_CHECK_LEN];
	char		name[NAMEDATALEN];	/* of the key, for messages */
} WrappedKey;

/* Append the versions of a key; destroyed ones have no wraps. */
static List *
add_versions(List *list, const CellencKeyRow *key)
{
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_versions(&key->id))
	{
		const CellencVersionRow *row = lfirst(lc);
		WrappedKey *wrapped;

		if (row->state == CELLENC_DESTROYED)
			continue;
		wrapped = palloc0(sizeof(WrappedKey));
		wrapped->owner = key->id;
		wrapped->version = row->version;
		wrapped->version_id = row->version_id;
		wrapped->purpose = key->name_hash < 0 ? CELLENC_PURPOSE_LITERAL : CELLENC_PURPOSE_DATA;
		memcpy(wrapped->check_value, row->check_value, CELLENC_CHECK_LEN);
		strlcpy(wrapped->name, key->name, sizeof(wrapped->name));
		list = lappend(list, wrapped);
	}
	return list;
}

/* What a call is about: the versions of one key, or all that is wrapped (NULL). */
static List *
wrapped_keys(const char *name)
{
	List	   *list = NIL;
	ListCell   *lc;

	if (name)
		return add_versions(NIL, &cellenc_keyring_require_key(name)->row);

	list = add_versions(list, &cellenc_keyring_literal_key()->row);
	foreach(lc, cellenc_keycatalog_keys())
		list = add_versions(list, lfirst(lc));
	foreach(lc, cellenc_keycatalog_search_keys())
	{
		const CellencSearchKeyRow *row = lfirst(lc);
		WrappedKey *wrapped = palloc0(sizeof(WrappedKey));

		wrapped->owner = row->id;
		wrapped->purpose = CELLENC_PURPOSE_SEARCH;
		memcpy(wrapped->check_value, row->check_value, CELLENC_CHECK_LEN);
		strlcpy(wrapped->name, "search key", sizeof(wrapped->name));
		list = lappend(list, wrapped);
	}
	return list;
}

/* Key bytes by one of the wraps that are there; the caller wipes them. */
static void
unwrap(const WrappedKey *wrapped, uint8 *key)
{
	cellenc_unwrap_key(&wrapped->owner, wrapped->version, wrapped->version_id, wrapped->purpose,
					   wrapped->check_value, wrapped->name, key);
}

/* That it does is what lets other wraps go. */
static void
check_opens(const WrappedKey *wrapped)
{
	uint8		key[CELLENC_KEY_LEN];

	unwrap(wrapped, key);
	cellenc_cipher_wipe(key, sizeof(key));
}

static bool
is_master(const CellencMasterKey *master, const pg_uuid_t *id)
{
	return memcmp(master->id.data, id->data, UUID_LEN) == 0;
}

/* Wrap it under master, too; false if it is. */
static bool
add_wrap(const WrappedKey *wrapped, CellencMasterKey *master)
{
	CellencWrapRow row = {.owner = wrapped->owner,.version = wrapped->version,.purpose = wrapped->purpose};
	uint8		key[CELLENC_KEY_LEN];
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_wraps(&wrapped->owner, wrapped->version))
	{
		if (is_master(master, &((CellencWrapRow *) lfirst(lc))->master_key))
			return false;
	}

	unwrap(wrapped, key);
	PG_TRY();
	{
		cellenc_keymaker_wrap(&row, wrapped->version_id, key, list_make1(master));
	}
	PG_FINALLY();
	{
		cellenc_cipher_wipe(key, sizeof(key));
	}
	PG_END_TRY();
	return true;
}

/*
 * Remove the wraps under all master keys but one that has just been added;
 * returns old with those that they were under.
 */
static List *
remove_other_wraps(const WrappedKey *wrapped, const CellencMasterKey *master, List *old)
{
	ListCell   *lc;

	foreach(lc, cellenc_keymaker_masters(&wrapped->owner, wrapped->version))
	{
		CellencMasterKey *other = lfirst(lc);
		ListCell   *seen;

		if (is_master(master, &other->id))
			continue;
		cellenc_keycatalog_delete_wraps(&wrapped->owner, wrapped->version, &other->id);
		foreach(seen, old)
		{
			if (is_master(lfirst(seen), &other->id))
				break;
		}
		if (!seen)
			old = lappend(old, other);
	}
	check_opens(wrapped);
	return old;
}

/* The arguments master_key and key of all three; key may be NULL. */
static char *
get_arguments(FunctionCallInfo fcinfo, char **key)
{
	char	   *name;

	CELLENC_CHECK_PRELOAD();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name of a master key must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	*key = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	cellenc_report_check_name(name, "master key");
	cellenc_keycatalog_lock();
	return name;
}

Datum
cellenc_add_master_key(PG_FUNCTION_ARGS)
{
	char	   *key;
	char	   *name = get_arguments(fcinfo, &key);
	List	   *list = wrapped_keys(key);
	CellencMasterKey *master = cellenc_keymaker_master_key(name);
	bool		added = false;
	ListCell   *lc;

	foreach(lc, list)
		added |= add_wrap(lfirst(lc), master);
	cellenc_keycatalog_sweep_master_keys();
	if (added)
		cellenc_event_record("add_master_key", key, 0, psprintf("master key \"%s\"", name));
	PG_RETURN_VOID();
}

/* Remove the wrap under master, which may not be the only one; was there one? */
static bool
remove_wrap(const WrappedKey *wrapped, const CellencMasterKey *master)
{
	if (cellenc_keycatalog_delete_wraps(&wrapped->owner, wrapped->version, &master->id) == 0)
		return false;
	if (cellenc_keycatalog_wraps(&wrapped->owner, wrapped->version) == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 wrapped->purpose == CELLENC_PURPOSE_DATA ?
				 errmsg("master key \"%s\" is the only one that wraps version %d of key \"%s\"",
						master->name, wrapped->version, wrapped->name) :
				 wrapped->purpose == CELLENC_PURPOSE_SEARCH ?
				 errmsg("master key \"%s\" is the only one that wraps the search key", master->name) :
				 errmsg("master key \"%s\" is the only one that wraps the key for constants",
						master->name),
				 errhint("Use cellenc_add_master_key with another master key first, or cellenc_rotate_master_key.")));
	check_opens(wrapped);
	return true;
}

Datum
cellenc_remove_master_key(PG_FUNCTION_ARGS)
{
	char	   *key;
	char	   *name = get_arguments(fcinfo, &key);
	List	   *list = wrapped_keys(key);
	bool		removed = false;
	ListCell   *lc;

	/* more than one may be called so: keys of another site were restored */
	foreach(lc, cellenc_keycatalog_master_keys())
	{
		const CellencMasterKey *master = lfirst(lc);
		ListCell   *cell;

		if (strcmp(master->name, name) != 0)
			continue;
		foreach(cell, list)
			removed |= remove_wrap(lfirst(cell), master);
	}
	if (!removed)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 key ? errmsg("master key \"%s\" does not wrap key \"%s\"", name, key)
				 : errmsg("master key \"%s\" wraps no key of this database", name)));
	cellenc_keycatalog_sweep_master_keys();
	cellenc_event_record("remove_master_key", key, 0, psprintf("master key \"%s\"", name));
	PG_RETURN_VOID();
}

/* Who still needs the master keys that wrap nothing of this call any more. */
static void
tell_of_old(List *old, const CellencMasterKey *master)
{
	StringInfoData names;
	bool		used_here = false;
	XLogRecPtr	lsn = GetXLogInsertRecPtr();
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, old)
	{
		CellencMasterKey *other = lfirst(lc);
		CellencMasterKey row;

		appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", other->name);
		used_here |= cellenc_keycatalog_master_key(&other->id, &row);
	}

	ereport(NOTICE,
			(errmsg("keys are wrapped under master key \"%s\" alone now, but %s may still be needed",
					master->name, names.data),
			 errdetail("An older master key is needed %sby other databases that have keys under it, which cannot be looked at from here; "
					   "by standbys that have not replayed the commit of this transaction, which comes after %X/%X; "
					   "and for backups, dumps and bundles of keys from before.",
					   used_here ? "by other keys of this database; " : "", LSN_FORMAT_ARGS(lsn)),
			 strcmp(cellenc_guc_default_master_key, master->name) != 0 ?
			 errhint("New keys are still wrapped under cellenc.default_master_key, which is \"%s\".",
					 cellenc_guc_default_master_key) : 0));
}

Datum
cellenc_rotate_master_key(PG_FUNCTION_ARGS)
{
	char	   *key;
	char	   *name = get_arguments(fcinfo, &key);
	List	   *list = wrapped_keys(key);
	CellencMasterKey *master = cellenc_keymaker_master_key(name);
	bool		added = false;
	List	   *old = NIL;
	ListCell   *lc;

	foreach(lc, list)
	{
		added |= add_wrap(lfirst(lc), master);
		old = remove_other_wraps(lfirst(lc), master, old);
	}
	cellenc_keycatalog_sweep_master_keys();
	if (added || old != NIL)
		cellenc_event_record("rotate_master_key", key, 0, psprintf("master key \"%s\"", name));
	if (old != NIL)
		tell_of_old(old, master);
	PG_RETURN_VOID();
}

/* Master keys: those this database uses, and those this server has loaded. */
Datum
cellenc_master_key_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	CellencMasterKeyStatus *statuses;
	int			count;
	List	   *rows;
	ListCell   *lc;
	List	   *missing = NIL;

	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);
	statuses = cellenc_masterkey_statuses(&count);
	rows = cellenc_keycatalog_master_keys();

	for (int i = 0; i < count; i++)
	{
		Datum		values[5] = {0};
		bool		nulls[5] = {false};
		const char *status = statuses[i].status;

		foreach(lc, rows)
		{
			CellencMasterKey *row = lfirst(lc);

			/* loaded, but not what this database's keys are wrapped under */
			if (strcmp(row->name, statuses[i].name) == 0 && strcmp(status, "ok") == 0 &&
				cellenc_masterkey_matches(row) == 0 && !cellenc_masterkey_known(row))
				status = "wrong";
		}
		values[0] = CStringGetTextDatum(statuses[i].name);
		nulls[1] = statuses[i].source == NULL;
		if (statuses[i].source)
			values[1] = CStringGetTextDatum(statuses[i].source);
		values[2] = CStringGetTextDatum(status);
		nulls[3] = statuses[i].loaded_at == 0;
		values[3] = TimestampTzGetDatum(statuses[i].loaded_at);
		nulls[4] = statuses[i].last_error[0] == '\0';
		values[4] = CStringGetTextDatum(statuses[i].last_error);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}

	/* needed here, but never asked for on this server */
	foreach(lc, rows)
	{
		CellencMasterKey *row = lfirst(lc);
		bool		known = list_member(missing, makeString(row->name)) ||
		cellenc_masterkey_known(row);

		for (int i = 0; i < count && !known; i++)
			known = strcmp(statuses[i].name, row->name) == 0;
		if (!known)
		{
			Datum		values[5] = {0};
			bool		nulls[5] = {false, true, false, true, true};

			missing = lappend(missing, makeString(row->name));
			values[0] = CStringGetTextDatum(row->name);
			values[2] = CStringGetTextDatum("not_loaded");
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
