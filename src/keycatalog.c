/*-------------------------------------------------------------------------
 *
 * keycatalog.c
 *	  The key tables as plain structs: look-ups.
 *
 * No SPI: these functions are called from type I/O, and an SQL statement
 * there breaks walsenders, which decode without an outer snapshot.  A
 * systable scan takes its own catalog snapshot; the tables are marked
 * user_catalog_table, so it works on historic snapshots as well.
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
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "keycatalog.h"
#include "keycatalog_private.h"

static const char *const table_names[CELLENC_TABLE_COUNT] = {
	[CELLENC_TABLE_MASTER_KEY] = "master_key",
	[CELLENC_TABLE_KEY] = "key",
	[CELLENC_TABLE_KEY_VERSION] = "key_version",
	[CELLENC_TABLE_KEY_WRAP] = "key_wrap",
	[CELLENC_TABLE_SEARCH_KEY] = "search_key",
	[CELLENC_TABLE_KEY_GRANT] = "key_grant",
	[CELLENC_TABLE_EVENT] = "event",
	[CELLENC_TABLE_JOB] = "job"
};

static const char *const index_names[INDEX_COUNT] = {
	[INDEX_MASTER_KEY_ID] = "master_key_pkey",
	[INDEX_KEY_ID] = "key_pkey",
	[INDEX_KEY_NAME] = "key_name_key",
	[INDEX_KEY_NAME_HASH] = "key_name_hash_key",
	[INDEX_VERSION_ID] = "key_version_pkey",
	[INDEX_VERSION_KEY] = "key_version_key_version_key",
	[INDEX_WRAP] = "key_wrap_pkey",
	[INDEX_SEARCH_KEY_ID] = "search_key_pkey",
	[INDEX_GRANT] = "key_grant_pkey"
};

static const char *const state_names[] = {
	[CELLENC_CURRENT] = CELLENC_STATE_CURRENT,
	[CELLENC_DECRYPT_ONLY] = CELLENC_STATE_DECRYPT_ONLY,
	[CELLENC_DISABLED] = CELLENC_STATE_DISABLED,
	[CELLENC_DESTROYED] = CELLENC_STATE_DESTROYED
};

static Oid	schema_oid = InvalidOid;
static Oid	table_oids[CELLENC_TABLE_COUNT];
static Oid	index_oids[INDEX_COUNT];

/* Up to here, reading a whole table is cheaper than opening an index on it. */
#define FEW_BLOCKS 4

/*
 * OIDs
 */

/*
 * The extension's schema, told from another one of that name by a function in C,
 * which only superusers make: pg_extension is in no cache.
 */
static Oid
extension_schema(void)
{
	Oid			namespace = get_namespace_oid("cellenc", true);
	HeapTuple	tuple;
	bool		ours;

	if (!OidIsValid(namespace))
		return InvalidOid;
	tuple = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum("cellenc_catalog_trigger"),
							PointerGetDatum(buildoidvector(NULL, 0)), ObjectIdGetDatum(namespace));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	ours = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId;
	ReleaseSysCache(tuple);
	return ours ? namespace : InvalidOid;
}

/* Misses are not remembered: the extension may be created a moment later. */
static Oid
relation_by_name(const char *name, bool missing_ok)
{
	Oid			relid = InvalidOid;
	Oid			namespace = schema_oid;

	if (!OidIsValid(namespace))
		namespace = extension_schema();
	if (OidIsValid(namespace))
		relid = get_relname_relid(name, namespace);
	if (OidIsValid(relid))
		schema_oid = namespace;

	if (!OidIsValid(relid) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"cellenc\" is not installed in this database"),
				 errhint("Use CREATE EXTENSION cellenc.")));
	return relid;
}

Oid
cellenc_keycatalog_table(CellencTable table, bool missing_ok)
{
	if (!OidIsValid(table_oids[table]))
		table_oids[table] = relation_by_name(table_names[table], missing_ok);
	return table_oids[table];
}

Oid
cellenc_keycatalog_index(CellencCatalogIndex index)
{
	if (!OidIsValid(index_oids[index]))
		index_oids[index] = relation_by_name(index_names[index], false);
	return index_oids[index];
}

bool
cellenc_keycatalog_watches(Oid relid)
{
	/* also those that mean nothing to the key ring: the extension may be gone */
	for (int i = 0; i < CELLENC_TABLE_COUNT; i++)
	{
		if (table_oids[i] == relid)
			return true;
	}
	for (int i = 0; i < INDEX_COUNT; i++)
	{
		if (index_oids[i] == relid)
			return true;
	}
	return false;
}

void
cellenc_keycatalog_reset(void)
{
	schema_oid = InvalidOid;
	memset(table_oids, 0, sizeof(table_oids));
	memset(index_oids, 0, sizeof(index_oids));
}

void
cellenc_keycatalog_lock(void)
{
	PreventCommandIfReadOnly("a change of keys");
	PreventCommandDuringRecovery("a change of keys");
	LockRelationOid(cellenc_keycatalog_table(CELLENC_TABLE_KEY, false), ShareRowExclusiveLock);
}

/* Nobody else locks objects of a class that is a key table. */
static void
set_key_tag(LOCKTAG *tag, int32 name_hash)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, cellenc_keycatalog_table(CELLENC_TABLE_KEY, false),
					   (Oid) name_hash, 0);
}

bool
cellenc_keycatalog_hold(int32 name_hash)
{
	LOCKTAG		tag;

	set_key_tag(&tag, name_hash);
	if (LockAcquire(&tag, AccessShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
		return false;
	(void) LockAcquire(&tag, AccessShareLock, false, false);
	AcceptInvalidationMessages();
	return true;
}

void
cellenc_keycatalog_wait_for_holders(int32 name_hash)
{
	LOCKTAG		tag;

	set_key_tag(&tag, name_hash);
	(void) LockAcquire(&tag, AccessExclusiveLock, false, false);
	AcceptInvalidationMessages();
}

/*
 * Reading
 */

void
cellenc_keycatalog_scan(CellencTable table, CellencCatalogIndex index, ScanKey keys, int nkeys, CellencRowReader reader, void *arg)
{
	Relation	rel = table_open(cellenc_keycatalog_table(table, false), AccessShareLock);
	SysScanDesc sysscan;
	HeapTuple	tuple;
	Snapshot	snapshot = NULL;
	bool		index_ok = index != CELLENC_NO_INDEX &&
	(nkeys == 0 || RelationGetNumberOfBlocks(rel) > FEW_BLOCKS);

	/*
	 * Logical decoding shows catalogs as of the change that it decodes.  The
	 * keys of that time may be under a master key that is gone, and rights
	 * that were missing then could never be given.
	 */
	if (HistoricSnapshotActive())
		snapshot = RegisterSnapshot(GetNonHistoricCatalogSnapshot(RelationGetRelid(rel)));

	sysscan = systable_beginscan(rel, index_ok ? cellenc_keycatalog_index(index) : InvalidOid, index_ok,
								 snapshot, nkeys, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(sysscan)))
	{
		if (!reader(tuple, RelationGetDescr(rel), arg))
			break;
	}
	systable_endscan(sysscan);
	if (snapshot)
		UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
}

void
cellenc_keycatalog_key_uuid(ScanKey key, AttrNumber attno, const pg_uuid_t *value)
{
	ScanKeyInit(key, attno, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(value));
}

void
cellenc_keycatalog_key_text(ScanKey key, AttrNumber attno, const char *value)
{
	ScanKeyInit(key, attno, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(value));
	key->sk_collation = C_COLLATION_OID;
}

static Datum
column(HeapTuple tuple, TupleDesc desc, AttrNumber attno)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attno, desc, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in column %d of a key table", attno);
	return value;
}

static void
copy_uuid(pg_uuid_t *dst, HeapTuple tuple, TupleDesc desc, AttrNumber attno)
{
	*dst = *DatumGetUUIDP(column(tuple, desc, attno));
}

static void
copy_name(char *dst, HeapTuple tuple, TupleDesc desc, AttrNumber attno)
{
	text_to_cstring_buffer(DatumGetTextPP(column(tuple, desc, attno)), dst, NAMEDATALEN);
}

/* A superuser can write these tables directly: never trust a length. */
static void
copy_bytes(uint8 *dst, int len, HeapTuple tuple, TupleDesc desc, AttrNumber attno)
{
	bytea	   *value = DatumGetByteaPP(column(tuple, desc, attno));

	if ((int) VARSIZE_ANY_EXHDR(value) != len)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column \"%s\" of a key table has %d bytes instead of %d",
						NameStr(TupleDescAttr(desc, attno - 1)->attname),
						(int) VARSIZE_ANY_EXHDR(value), len)));
	memcpy(dst, VARDATA_ANY(value), len);
}

typedef struct Found
{
	bool		found;
	void	   *row;
} Found;

static bool
read_key(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Found	   *result = arg;
	CellencKeyRow *row = result->row;
	Datum		every;
	bool		isnull;

	copy_uuid(&row->id, tuple, desc, KEY_ID);
	copy_name(row->name, tuple, desc, KEY_NAME);
	row->name_hash = DatumGetInt32(column(tuple, desc, KEY_NAME_HASH));
	row->created_at = DatumGetTimestampTz(column(tuple, desc, KEY_CREATED_AT));
	every = heap_getattr(tuple, KEY_ROTATE_EVERY, desc, &isnull);
	row->rotates = !isnull;
	memset(&row->rotate_every, 0, sizeof(Interval));
	if (!isnull)
		row->rotate_every = *DatumGetIntervalP(every);
	result->found = true;
	return false;
}

static bool
find_key(CellencCatalogIndex index, ScanKey key, CellencKeyRow *row)
{
	Found		result = {false, row};

	cellenc_keycatalog_scan(CELLENC_TABLE_KEY, index, key, 1, read_key, &result);
	return result.found;
}

bool
cellenc_keycatalog_key_by_name(const char *name, CellencKeyRow *row)
{
	ScanKeyData key;

	cellenc_keycatalog_key_text(&key, KEY_NAME, name);
	return find_key(INDEX_KEY_NAME, &key, row);
}

bool
cellenc_keycatalog_key_by_hash(int32 name_hash, CellencKeyRow *row)
{
	ScanKeyData key;

	ScanKeyInit(&key, KEY_NAME_HASH, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(name_hash));
	return find_key(INDEX_KEY_NAME_HASH, &key, row);
}

bool
cellenc_keycatalog_key_by_id(const pg_uuid_t *id, CellencKeyRow *row)
{
	ScanKeyData key;

	cellenc_keycatalog_key_uuid(&key, KEY_ID, id);
	return find_key(INDEX_KEY_ID, &key, row);
}

static bool
collect_key(HeapTuple tuple, TupleDesc desc, void *arg)
{
	List	  **list = arg;
	CellencKeyRow *row = palloc(sizeof(CellencKeyRow));
	Found		result = {false, row};

	(void) read_key(tuple, desc, &result);
	if (row->name_hash >= 0)
		*list = lappend(*list, row);
	return true;
}

List *
cellenc_keycatalog_keys(void)
{
	List	   *list = NIL;

	cellenc_keycatalog_scan(CELLENC_TABLE_KEY, INDEX_KEY_NAME, NULL, 0, collect_key, &list);
	return list;
}

static CellencVersionState
state_from_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(state_names); i++)
	{
		if (strcmp(state_names[i], name) == 0)
			return (CellencVersionState) i;
	}
	elog(ERROR, "unrecognized state of a key version: \"%s\"", name);
}

const char *
cellenc_keycatalog_state_name(CellencVersionState state)
{
	return state_names[state];
}

static void
fill_version(CellencVersionRow *row, HeapTuple tuple, TupleDesc desc)
{
	int64		id = DatumGetInt64(column(tuple, desc, VERSION_ID));
	char		state[NAMEDATALEN];
	Datum		exported_at;
	bool		isnull;

	if (id <= 0 || id > PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("version id of a key is out of range")));
	row->version_id = (uint32) id;
	copy_uuid(&row->key, tuple, desc, VERSION_KEY);
	row->version = DatumGetInt32(column(tuple, desc, VERSION_VERSION));
	copy_name(state, tuple, desc, VERSION_STATE);
	row->state = state_from_name(state);
	copy_uuid(&row->search_key, tuple, desc, VERSION_SEARCH_KEY);
	copy_bytes(row->check_value, CELLENC_CHECK_LEN, tuple, desc, VERSION_CHECK);
	row->created_at = DatumGetTimestampTz(column(tuple, desc, VERSION_CREATED_AT));
	row->state_since = DatumGetTimestampTz(column(tuple, desc, VERSION_STATE_SINCE));
	exported_at = heap_getattr(tuple, VERSION_EXPORTED_AT, desc, &isnull);
	row->exported_at = isnull ? 0 : DatumGetTimestampTz(exported_at);
}

static bool
read_version(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Found	   *result = arg;

	fill_version(result->row, tuple, desc);
	result->found = true;
	return false;
}

bool
cellenc_keycatalog_version(uint32 version_id, CellencVersionRow *row)
{
	ScanKeyData key;
	Found		result = {false, row};

	ScanKeyInit(&key, VERSION_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) version_id));
	cellenc_keycatalog_scan(CELLENC_TABLE_KEY_VERSION, INDEX_VERSION_ID, &key, 1, read_version, &result);
	return result.found;
}

static bool
collect_version(HeapTuple tuple, TupleDesc desc, void *arg)
{
	List	  **list = arg;
	CellencVersionRow *row = palloc(sizeof(CellencVersionRow));

	fill_version(row, tuple, desc);
	*list = lappend(*list, row);
	return true;
}

static int
compare_versions(const ListCell *a, const ListCell *b)
{
	const CellencVersionRow *left = lfirst(a);
	const CellencVersionRow *right = lfirst(b);

	return (left->version > right->version) - (left->version < right->version);
}

List *
cellenc_keycatalog_versions(const pg_uuid_t *key)
{
	ScanKeyData skey;
	List	   *list = NIL;

	cellenc_keycatalog_key_uuid(&skey, VERSION_KEY, key);
	cellenc_keycatalog_scan(CELLENC_TABLE_KEY_VERSION, INDEX_VERSION_KEY, &skey, 1, collect_version, &list);
	list_sort(list, compare_versions);
	return list;
}

bool
cellenc_keycatalog_is_dropped(const pg_uuid_t *key)
{
	CellencKeyRow row;
	List	   *versions = cellenc_keycatalog_versions(key);
	ListCell   *lc;

	if (versions == NIL || cellenc_keycatalog_key_by_id(key, &row))
		return false;

	/* rows of versions that are restored before their key's are others */
	foreach(lc, versions)
	{
		if (((CellencVersionRow *) lfirst(lc))->state != CELLENC_DESTROYED)
			return false;
	}
	return true;
}

XLogRecPtr
cellenc_keycatalog_version_lsn(uint32 version_id)
{
	Relation	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_KEY_VERSION, false),
								 AccessShareLock);
	ScanKeyData key;
	SysScanDesc sysscan;
	HeapTuple	tuple;
	Buffer		buffer;
	XLogRecPtr	lsn;

	ScanKeyInit(&key, VERSION_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) version_id));
	sysscan = systable_beginscan(rel, cellenc_keycatalog_index(INDEX_VERSION_ID), true, NULL, 1, &key);
	tuple = systable_getnext(sysscan);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "could not find version id %u of a key", version_id);
	buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(&tuple->t_self));
	lsn = BufferGetLSNAtomic(buffer);
	ReleaseBuffer(buffer);
	systable_endscan(sysscan);
	table_close(rel, AccessShareLock);
	return lsn;
}

static void
fill_master_key(CellencMasterKey *row, HeapTuple tuple, TupleDesc desc)
{
	char		kdf[NAMEDATALEN];

	memset(row, 0, sizeof(*row));
	copy_uuid(&row->id, tuple, desc, MASTER_KEY_ID);
	copy_name(row->name, tuple, desc, MASTER_KEY_NAME);
	copy_name(kdf, tuple, desc, MASTER_KEY_KDF);
	row->pbkdf2 = strcmp(kdf, "none") != 0;
	copy_bytes(row->salt, CELLENC_KDF_SALT_LEN, tuple, desc, MASTER_KEY_SALT);
	row->rounds = DatumGetInt32(column(tuple, desc, MASTER_KEY_ROUNDS));
	copy_bytes(row->check_value, CELLENC_CHECK_LEN, tuple, desc, MASTER_KEY_CHECK);
}

static bool
read_master_key(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Found	   *result = arg;

	fill_master_key(result->row, tuple, desc);
	result->found = true;
	return false;
}

bool
cellenc_keycatalog_master_key(const pg_uuid_t *id, CellencMasterKey *row)
{
	ScanKeyData key;
	Found		result = {false, row};

	cellenc_keycatalog_key_uuid(&key, MASTER_KEY_ID, id);
	cellenc_keycatalog_scan(CELLENC_TABLE_MASTER_KEY, INDEX_MASTER_KEY_ID, &key, 1, read_master_key, &result);
	return result.found;
}

static bool
collect_master_key(HeapTuple tuple, TupleDesc desc, void *arg)
{
	List	  **list = arg;
	CellencMasterKey *row = palloc(sizeof(CellencMasterKey));

	fill_master_key(row, tuple, desc);
	*list = lappend(*list, row);
	return true;
}

List *
cellenc_keycatalog_master_keys(void)
{
	List	   *list = NIL;

	cellenc_keycatalog_scan(CELLENC_TABLE_MASTER_KEY, INDEX_MASTER_KEY_ID, NULL, 0, collect_master_key, &list);
	return list;
}

static bool
read_search_key(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Found	   *result = arg;
	CellencSearchKeyRow *row = result->row;

	copy_uuid(&row->id, tuple, desc, SEARCH_KEY_ID);
	copy_bytes(row->check_value, CELLENC_CHECK_LEN, tuple, desc, SEARCH_KEY_CHECK);
	row->current = DatumGetBool(column(tuple, desc, SEARCH_KEY_IS_CURRENT));
	row->created_at = DatumGetTimestampTz(column(tuple, desc, SEARCH_KEY_CREATED_AT));
	result->found = true;
	return false;
}

bool
cellenc_keycatalog_search_key(const pg_uuid_t *id, CellencSearchKeyRow *row)
{
	ScanKeyData key;
	Found		result = {false, row};

	cellenc_keycatalog_key_uuid(&key, SEARCH_KEY_ID, id);
	cellenc_keycatalog_scan(CELLENC_TABLE_SEARCH_KEY, INDEX_SEARCH_KEY_ID, &key, 1, read_search_key, &result);
	return result.found;
}

bool
cellenc_keycatalog_current_search_key(CellencSearchKeyRow *row)
{
	ScanKeyData key;
	Found		result = {false, row};

	ScanKeyInit(&key, SEARCH_KEY_IS_CURRENT, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(true));
	cellenc_keycatalog_scan(CELLENC_TABLE_SEARCH_KEY, CELLENC_NO_INDEX, &key, 1, read_search_key, &result);
	return result.found;
}

static bool
collect_search_key(HeapTuple tuple, TupleDesc desc, void *arg)
{
	List	  **list = arg;
	Found		result = {false, palloc(sizeof(CellencSearchKeyRow))};

	(void) read_search_key(tuple, desc, &result);
	*list = lappend(*list, result.row);
	return true;
}

List *
cellenc_keycatalog_search_keys(void)
{
	List	   *list = NIL;

	cellenc_keycatalog_scan(CELLENC_TABLE_SEARCH_KEY, INDEX_SEARCH_KEY_ID, NULL, 0, collect_search_key,
							&list);
	return list;
}

static bool
collect_wrap(HeapTuple tuple, TupleDesc desc, void *arg)
{
	List	  **list = arg;
	CellencWrapRow *row = palloc(sizeof(CellencWrapRow));

	copy_uuid(&row->owner, tuple, desc, WRAP_OWNER);
	row->version = DatumGetInt32(column(tuple, desc, WRAP_VERSION));
	copy_uuid(&row->master_key, tuple, desc, WRAP_MASTER_KEY);
	row->purpose = (CellencPurpose) DatumGetInt16(column(tuple, desc, WRAP_PURPOSE));
	copy_bytes(row->wrapped, CELLENC_WRAPPED_LEN, tuple, desc, WRAP_WRAPPED);
	*list = lappend(*list, row);
	return true;
}

List *
cellenc_keycatalog_wraps(const pg_uuid_t *owner, int32 version)
{
	ScanKeyData keys[2];
	List	   *list = NIL;

	cellenc_keycatalog_key_uuid(&keys[0], WRAP_OWNER, owner);
	ScanKeyInit(&keys[1], WRAP_VERSION, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version));
	cellenc_keycatalog_scan(CELLENC_TABLE_KEY_WRAP, INDEX_WRAP, keys, 2, collect_wrap, &list);
	return list;
}

static int
privilege_from_name(const char *name)
{
	if (strcmp(name, "encrypt") == 0)
		return CELLENC_PRIV_ENCRYPT;
	if (strcmp(name, "decrypt") == 0)
		return CELLENC_PRIV_DECRYPT;
	if (strcmp(name, "manage") == 0)
		return CELLENC_PRIV_MANAGE;
	elog(ERROR, "unrecognized privilege of a key: \"%s\"", name);
}

const char *
cellenc_keycatalog_privilege_name(int privilege)
{
	switch (privilege)
	{
		case CELLENC_PRIV_ENCRYPT:
			return "encrypt";
		case CELLENC_PRIV_DECRYPT:
			return "decrypt";
		case CELLENC_PRIV_MANAGE:
			return "manage";
	}
	elog(ERROR, "unrecognized privilege of a key: %d", privilege);
}

static bool
collect_grant(HeapTuple tuple, TupleDesc desc, void *arg)
{
	List	  **list = arg;
	CellencGrantRow *row = palloc(sizeof(CellencGrantRow));
	char		privilege[NAMEDATALEN];

	copy_name(row->role, tuple, desc, GRANT_ROLE);
	copy_name(privilege, tuple, desc, GRANT_PRIVILEGE);
	row->privilege = privilege_from_name(privilege);
	*list = lappend(*list, row);
	return true;
}

List *
cellenc_keycatalog_grants(const pg_uuid_t *key)
{
	ScanKeyData skey;
	List	   *list = NIL;

	cellenc_keycatalog_key_uuid(&skey, GRANT_KEY, key);
	cellenc_keycatalog_scan(CELLENC_TABLE_KEY_GRANT, INDEX_GRANT, &skey, 1, collect_grant, &list);
	return list;
}
