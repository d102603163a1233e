/*-------------------------------------------------------------------------
 *
 * keymaker.c
 *	  Makes key versions and their wraps.
 *
 * Fresh keys are made here and nowhere else.  Their bytes are in this file's
 * stack frames only, and wiped before anything that can raise an error.
 * Touches keycatalog, masterkey, event, envelope, cipher.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "event.h"
#include "guc.h"
#include "keymaker.h"
#include "keyring.h"
#include "report.h"

static void
random_bytes(void *buf, size_t len)
{
	CellencStatus status = cellenc_cipher_random(buf, len);

	if (status != CELLENC_OK)
		cellenc_report_status(status);
}

void
cellenc_keymaker_uuid(pg_uuid_t *uuid)
{
	random_bytes(uuid->data, UUID_LEN);
	uuid->data[6] = (uuid->data[6] & 0x0f) | 0x40;
	uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
}

/* A version id that is not in use; tombstones keep theirs. */
static uint32
make_version_id(void)
{
	CellencVersionRow row;
	uint32		id;

	do
	{
		random_bytes(&id, sizeof(id));
	} while (id == 0 || cellenc_keycatalog_version(id, &row));
	return id;
}

CellencMasterKey *
cellenc_keymaker_master_key(const char *name)
{
	CellencMasterKey *row = NULL;
	uint8		bytes[CELLENC_KEY_LEN];
	ListCell   *lc;

	if (name == NULL)
		name = cellenc_guc_default_master_key;
	cellenc_report_check_name(name, "master key");

	foreach(lc, cellenc_keycatalog_master_keys())
	{
		CellencMasterKey *candidate = lfirst(lc);

		if (strcmp(candidate->name, name) == 0)
		{
			row = candidate;
			if (cellenc_masterkey_matches(row) == 1)
				return row;
		}
	}

	if (row)
	{
		/* verifies it against the check value, loading it if need be */
		cellenc_masterkey_get(row, bytes);
		cellenc_cipher_wipe(bytes, sizeof(bytes));
	}
	else
	{
		row = palloc(sizeof(CellencMasterKey));
		cellenc_masterkey_describe(name, row);
		cellenc_keycatalog_insert_master_key(row);
	}
	return row;
}

List *
cellenc_keymaker_masters(const pg_uuid_t *owner, int32 version)
{
	List	   *masters = NIL;
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_wraps(owner, version))
	{
		CellencMasterKey *master = palloc(sizeof(CellencMasterKey));

		if (!cellenc_keycatalog_master_key(&((CellencWrapRow *) lfirst(lc))->master_key, master))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the master key of a wrapped key does not exist")));
		masters = lappend(masters, master);
	}
	return masters;
}

List *
cellenc_keymaker_masters_of_key(const pg_uuid_t *key)
{
	List	   *versions = cellenc_keycatalog_versions(key);

	/* destroyed versions have none */
	for (int i = list_length(versions) - 1; i >= 0; i--)
	{
		CellencVersionRow *version = list_nth(versions, i);
		List	   *masters = cellenc_keymaker_masters(key, version->version);

		if (masters != NIL)
			return masters;
	}
	return list_make1(cellenc_keymaker_master_key(NULL));
}

void
cellenc_keymaker_wrap(const CellencWrapRow *wrap, uint32 version_id, const uint8 *key, List *masters)
{
	ListCell   *lc;

	foreach(lc, masters)
	{
		const CellencMasterKey *master = lfirst(lc);
		uint8		master_bytes[CELLENC_KEY_LEN];
		CellencWrapRow row = *wrap;
		CellencWrapInfo info;
		CellencStatus status;

		info.purpose = row.purpose;
		info.version_id = version_id;
		memcpy(info.uuid, row.owner.data, CELLENC_UUID_LEN);
		info.version = (uint32) row.version;
		memcpy(info.master_uuid, master->id.data, CELLENC_UUID_LEN);

		cellenc_masterkey_get(master, master_bytes);
		status = cellenc_envelope_wrap(&info, master_bytes, key, row.wrapped);
		cellenc_cipher_wipe(master_bytes, sizeof(master_bytes));
		if (status != CELLENC_OK)
			cellenc_report_status(status);
		row.master_key = master->id;
		cellenc_keycatalog_insert_wrap(&row);
	}
}

/* Make a fresh key and store its wraps; returns its check value. */
static void
make_wrapped_key(const CellencWrapRow *wrap, uint32 version_id, List *masters, uint8 *check_value)
{
	uint8		key[CELLENC_KEY_LEN];
	CellencStatus status;

	status = cellenc_cipher_random(key, sizeof(key));
	if (status == CELLENC_OK)
		status = cellenc_cipher_check_value(key, wrap->owner.data, check_value);
	if (status != CELLENC_OK)
	{
		cellenc_cipher_wipe(key, sizeof(key));
		cellenc_report_status(status);
	}

	PG_TRY();
	{
		cellenc_keymaker_wrap(wrap, version_id, key, masters);
	}
	PG_FINALLY();
	{
		cellenc_cipher_wipe(key, sizeof(key));
	}
	PG_END_TRY();
}

void
cellenc_keymaker_add_version(const CellencKeyRow *key, int32 version, List *masters)
{
	CellencVersionRow row;
	CellencSearchKeyRow search_key;
	CellencWrapRow wrap = {.owner = key->id,.version = version};
	bool		literal = key->name_hash < 0;

	memset(&row, 0, sizeof(row));
	row.version_id = make_version_id();
	row.key = key->id;
	row.version = version;
	row.state = CELLENC_CURRENT;
	if (!literal && cellenc_keycatalog_current_search_key(&search_key))
		row.search_key = search_key.id;
	wrap.purpose = literal ? CELLENC_PURPOSE_LITERAL : CELLENC_PURPOSE_DATA;
	make_wrapped_key(&wrap, row.version_id, masters, row.check_value);
	cellenc_keycatalog_insert_version(&row);
	cellenc_keyring_note_made(row.version_id);
}

int32
cellenc_keymaker_rotate(const CellencKeyRow *key, const char *detail)
{
	List	   *versions = cellenc_keycatalog_versions(&key->id);
	List	   *masters = cellenc_keymaker_masters_of_key(&key->id);
	int32		version = ((CellencVersionRow *) llast(versions))->version + 1;
	ListCell   *lc;

	foreach(lc, versions)
	{
		CellencVersionRow *old = lfirst(lc);

		if (old->state == CELLENC_CURRENT)
			cellenc_keycatalog_set_state(old->version_id, CELLENC_DECRYPT_ONLY);
	}
	cellenc_keymaker_add_version(key, version, masters);
	cellenc_event_record("rotate", key->name, version, detail);
	return version;
}

void
cellenc_keymaker_require_search_key(void)
{
	CellencSearchKeyRow row;
	CellencWrapRow wrap = {.purpose = CELLENC_PURPOSE_SEARCH};

	if (cellenc_keycatalog_current_search_key(&row))
		return;
	memset(&row, 0, sizeof(row));
	row.current = true;
	cellenc_keymaker_uuid(&row.id);
	wrap.owner = row.id;
	make_wrapped_key(&wrap, 0, list_make1(cellenc_keymaker_master_key(NULL)), row.check_value);
	cellenc_keycatalog_insert_search_key(&row);
}
