/*-------------------------------------------------------------------------
 *
 * keycatalog_write.c
 *	  The key tables as plain structs: changes.
 *
 * Each writer changes one row past the triggers, sends the relcache
 * invalidation that empties the key rings, and makes the change visible to
 * the commands that follow.  Callers hold cellenc_keycatalog_lock().
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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "keycatalog.h"
#include "keycatalog_private.h"

static Datum
bytes_datum(const uint8 *bytes, int len)
{
	bytea	   *value = palloc(VARHDRSZ + len);

	SET_VARSIZE(value, VARHDRSZ + len);
	memcpy(VARDATA(value), bytes, len);
	return PointerGetDatum(value);
}

static Datum
current_role_name(void)
{
	return CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
}

static Datum
time_or_now(TimestampTz at)
{
	return TimestampTzGetDatum(at != 0 ? at : GetCurrentTimestamp());
}

static void
insert_row(CellencTable table, Datum *values, bool *nulls)
{
	Relation	rel = table_open(cellenc_keycatalog_table(table, false), RowExclusiveLock);
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	CatalogTupleInsert(rel, tuple);
	CacheInvalidateRelcache(rel);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
cellenc_keycatalog_insert_master_key(const CellencMasterKey *row)
{
	Datum		values[MASTER_KEY_NATTS];
	bool		nulls[MASTER_KEY_NATTS] = {false};

	values[MASTER_KEY_ID - 1] = UUIDPGetDatum(&row->id);
	values[MASTER_KEY_NAME - 1] = CStringGetTextDatum(row->name);
	values[MASTER_KEY_KDF - 1] = CStringGetTextDatum(row->pbkdf2 ? "pbkdf2-sha256" : "none");
	values[MASTER_KEY_SALT - 1] = bytes_datum(row->salt, CELLENC_KDF_SALT_LEN);
	values[MASTER_KEY_ROUNDS - 1] = Int32GetDatum(row->rounds);
	values[MASTER_KEY_CHECK - 1] = bytes_datum(row->check_value, CELLENC_CHECK_LEN);
	values[MASTER_KEY_CREATED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	insert_row(CELLENC_TABLE_MASTER_KEY, values, nulls);
}

void
cellenc_keycatalog_insert_key(const CellencKeyRow *row)
{
	Datum		values[KEY_NATTS];
	bool		nulls[KEY_NATTS] = {false};

	values[KEY_ID - 1] = UUIDPGetDatum(&row->id);
	values[KEY_NAME - 1] = CStringGetTextDatum(row->name);
	values[KEY_NAME_HASH - 1] = Int32GetDatum(row->name_hash);
	values[KEY_CREATED_AT - 1] = time_or_now(row->created_at);
	values[KEY_CREATED_BY - 1] = current_role_name();
	values[KEY_ROTATE_EVERY - 1] = (Datum) 0;
	nulls[KEY_ROTATE_EVERY - 1] = true;
	insert_row(CELLENC_TABLE_KEY, values, nulls);
}

void
cellenc_keycatalog_insert_version(const CellencVersionRow *row)
{
	Datum		values[VERSION_NATTS];
	bool		nulls[VERSION_NATTS] = {false};

	values[VERSION_ID - 1] = Int64GetDatum((int64) row->version_id);
	values[VERSION_KEY - 1] = UUIDPGetDatum(&row->key);
	values[VERSION_VERSION - 1] = Int32GetDatum(row->version);
	values[VERSION_STATE - 1] = CStringGetTextDatum(cellenc_keycatalog_state_name(row->state));
	values[VERSION_SEARCH_KEY - 1] = UUIDPGetDatum(&row->search_key);
	values[VERSION_CHECK - 1] = bytes_datum(row->check_value, CELLENC_CHECK_LEN);
	values[VERSION_CREATED_AT - 1] = time_or_now(row->created_at);
	values[VERSION_CREATED_BY - 1] = current_role_name();
	values[VERSION_STATE_SINCE - 1] = row->state_since != 0 ? TimestampTzGetDatum(row->state_since)
		: values[VERSION_CREATED_AT - 1];
	values[VERSION_EXPORTED_AT - 1] = (Datum) 0;
	nulls[VERSION_EXPORTED_AT - 1] = true;
	values[VERSION_STATE_BY - 1] = values[VERSION_CREATED_BY - 1];
	insert_row(CELLENC_TABLE_KEY_VERSION, values, nulls);
}

void
cellenc_keycatalog_insert_wrap(const CellencWrapRow *row)
{
	Datum		values[WRAP_NATTS];
	bool		nulls[WRAP_NATTS] = {false};

	values[WRAP_OWNER - 1] = UUIDPGetDatum(&row->owner);
	values[WRAP_VERSION - 1] = Int32GetDatum(row->version);
	values[WRAP_MASTER_KEY - 1] = UUIDPGetDatum(&row->master_key);
	values[WRAP_PURPOSE - 1] = Int16GetDatum((int16) row->purpose);
	values[WRAP_WRAPPED - 1] = bytes_datum(row->wrapped, CELLENC_WRAPPED_LEN);
	insert_row(CELLENC_TABLE_KEY_WRAP, values, nulls);
}

void
cellenc_keycatalog_insert_search_key(const CellencSearchKeyRow *row)
{
	Datum		values[SEARCH_KEY_NATTS];
	bool		nulls[SEARCH_KEY_NATTS] = {false};

	values[SEARCH_KEY_ID - 1] = UUIDPGetDatum(&row->id);
	values[SEARCH_KEY_CHECK - 1] = bytes_datum(row->check_value, CELLENC_CHECK_LEN);
	values[SEARCH_KEY_IS_CURRENT - 1] = BoolGetDatum(row->current);
	values[SEARCH_KEY_CREATED_AT - 1] = time_or_now(row->created_at);
	insert_row(CELLENC_TABLE_SEARCH_KEY, values, nulls);
}

/*
 * Replace columns of the one row that key finds through index; replace tells
 * which.
 */
static void
update_row(CellencTable table, CellencCatalogIndex index, ScanKey key, Datum *values, bool *nulls,
		   bool *replace)
{
	Relation	rel = table_open(cellenc_keycatalog_table(table, false), RowExclusiveLock);
	bool		no_nulls[VERSION_NATTS] = {false};
	SysScanDesc sysscan;
	HeapTuple	tuple;

	Assert(RelationGetDescr(rel)->natts <= VERSION_NATTS);
	sysscan = systable_beginscan(rel, cellenc_keycatalog_index(index), true, NULL, 1, key);
	tuple = systable_getnext(sysscan);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "could not find a row of key table \"%s\"", RelationGetRelationName(rel));
	tuple = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls ? nulls : no_nulls,
							  replace);
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);

	systable_endscan(sysscan);
	CacheInvalidateRelcache(rel);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
cellenc_keycatalog_set_rotate_every(const pg_uuid_t *id, const Interval *every)
{
	Datum		values[KEY_NATTS] = {0};
	bool		nulls[KEY_NATTS] = {false};
	bool		replace[KEY_NATTS] = {false};
	ScanKeyData key;

	values[KEY_ROTATE_EVERY - 1] = PointerGetDatum(every);
	nulls[KEY_ROTATE_EVERY - 1] = every == NULL;
	replace[KEY_ROTATE_EVERY - 1] = true;
	cellenc_keycatalog_key_uuid(&key, KEY_ID, id);
	update_row(CELLENC_TABLE_KEY, INDEX_KEY_ID, &key, values, nulls, replace);
}

static void
update_version(uint32 version_id, Datum *values, bool *replace)
{
	ScanKeyData key;

	ScanKeyInit(&key, VERSION_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) version_id));
	update_row(CELLENC_TABLE_KEY_VERSION, INDEX_VERSION_ID, &key, values, NULL, replace);
}

void
cellenc_keycatalog_set_state(uint32 version_id, CellencVersionState state)
{
	Datum		values[VERSION_NATTS] = {0};
	bool		replace[VERSION_NATTS] = {false};

	values[VERSION_STATE - 1] = CStringGetTextDatum(cellenc_keycatalog_state_name(state));
	replace[VERSION_STATE - 1] = true;
	values[VERSION_STATE_SINCE - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	replace[VERSION_STATE_SINCE - 1] = true;
	values[VERSION_STATE_BY - 1] = current_role_name();
	replace[VERSION_STATE_BY - 1] = true;
	update_version(version_id, values, replace);
}

void
cellenc_keycatalog_set_exported(uint32 version_id)
{
	Datum		values[VERSION_NATTS] = {0};
	bool		replace[VERSION_NATTS] = {false};

	values[VERSION_EXPORTED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	replace[VERSION_EXPORTED_AT - 1] = true;
	update_version(version_id, values, replace);
}

void
cellenc_keycatalog_retire_search_key(const pg_uuid_t *id)
{
	Datum		values[SEARCH_KEY_NATTS] = {0};
	bool		replace[SEARCH_KEY_NATTS] = {false};
	ScanKeyData key;

	values[SEARCH_KEY_IS_CURRENT - 1] = BoolGetDatum(false);
	replace[SEARCH_KEY_IS_CURRENT - 1] = true;
	cellenc_keycatalog_key_uuid(&key, SEARCH_KEY_ID, id);
	update_row(CELLENC_TABLE_SEARCH_KEY, INDEX_SEARCH_KEY_ID, &key, values, NULL, replace);
}

/* Delete the rows that keys find through index; returns how many. */
static int
delete_rows(CellencTable table, CellencCatalogIndex index, ScanKey keys, int nkeys)
{
	Relation	rel = table_open(cellenc_keycatalog_table(table, false), RowExclusiveLock);
	SysScanDesc sysscan;
	HeapTuple	tuple;
	int			count = 0;

	sysscan = systable_beginscan(rel, cellenc_keycatalog_index(index), true, NULL, nkeys, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(sysscan)))
	{
		CatalogTupleDelete(rel, &tuple->t_self);
		count++;
	}
	systable_endscan(sysscan);
	if (count > 0)
		CacheInvalidateRelcache(rel);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return count;
}

int
cellenc_keycatalog_delete_wraps(const pg_uuid_t *owner, int32 version, const pg_uuid_t *master_key)
{
	ScanKeyData keys[3];

	cellenc_keycatalog_key_uuid(&keys[0], WRAP_OWNER, owner);
	ScanKeyInit(&keys[1], WRAP_VERSION, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version));
	if (master_key)
		cellenc_keycatalog_key_uuid(&keys[2], WRAP_MASTER_KEY, master_key);
	return delete_rows(CELLENC_TABLE_KEY_WRAP, INDEX_WRAP, keys, master_key ? 3 : 2);
}

void
cellenc_keycatalog_delete_key(const pg_uuid_t *key)
{
	ScanKeyData skey;

	cellenc_keycatalog_key_uuid(&skey, WRAP_OWNER, key);
	(void) delete_rows(CELLENC_TABLE_KEY_WRAP, INDEX_WRAP, &skey, 1);
	cellenc_keycatalog_key_uuid(&skey, GRANT_KEY, key);
	(void) delete_rows(CELLENC_TABLE_KEY_GRANT, INDEX_GRANT, &skey, 1);
	cellenc_keycatalog_key_uuid(&skey, KEY_ID, key);
	(void) delete_rows(CELLENC_TABLE_KEY, INDEX_KEY_ID, &skey, 1);
}

static bool
note_found(HeapTuple tuple, TupleDesc desc, void *arg)
{
	*(bool *) arg = true;
	return false;
}

/* Is there a wrap under master_key? */
static bool
wraps_anything(const pg_uuid_t *master_key)
{
	ScanKeyData key;
	bool		found = false;

	cellenc_keycatalog_key_uuid(&key, WRAP_MASTER_KEY, master_key);
	cellenc_keycatalog_scan(CELLENC_TABLE_KEY_WRAP, CELLENC_NO_INDEX, &key, 1, note_found, &found);
	return found;
}

void
cellenc_keycatalog_sweep_master_keys(void)
{
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_master_keys())
	{
		CellencMasterKey *master = lfirst(lc);
		ScanKeyData key;

		if (wraps_anything(&master->id))
			continue;
		cellenc_keycatalog_key_uuid(&key, MASTER_KEY_ID, &master->id);
		delete_rows(CELLENC_TABLE_MASTER_KEY, INDEX_MASTER_KEY_ID, &key, 1);
	}
}

/* The row of one grant: its scan keys. */
static void
grant_keys(ScanKey keys, const pg_uuid_t *key, const CellencGrantRow *row)
{
	cellenc_keycatalog_key_uuid(&keys[0], GRANT_KEY, key);
	cellenc_keycatalog_key_text(&keys[1], GRANT_ROLE, row->role);
	cellenc_keycatalog_key_text(&keys[2], GRANT_PRIVILEGE, cellenc_keycatalog_privilege_name(row->privilege));
}

bool
cellenc_keycatalog_insert_grant(const pg_uuid_t *key, const CellencGrantRow *row)
{
	Datum		values[GRANT_NATTS];
	bool		nulls[GRANT_NATTS] = {false};
	ScanKeyData keys[3];
	bool		found = false;

	grant_keys(keys, key, row);
	cellenc_keycatalog_scan(CELLENC_TABLE_KEY_GRANT, INDEX_GRANT, keys, 3, note_found, &found);
	if (found)
		return false;

	values[GRANT_KEY - 1] = UUIDPGetDatum(key);
	values[GRANT_ROLE - 1] = CStringGetTextDatum(row->role);
	values[GRANT_PRIVILEGE - 1] = CStringGetTextDatum(cellenc_keycatalog_privilege_name(row->privilege));
	values[GRANT_GRANTOR - 1] = current_role_name();
	values[GRANT_GRANTED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	insert_row(CELLENC_TABLE_KEY_GRANT, values, nulls);
	return true;
}

bool
cellenc_keycatalog_delete_grant(const pg_uuid_t *key, const CellencGrantRow *row)
{
	ScanKeyData keys[3];

	grant_keys(keys, key, row);
	return delete_rows(CELLENC_TABLE_KEY_GRANT, INDEX_GRANT, keys, 3) > 0;
}
