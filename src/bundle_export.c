/*-------------------------------------------------------------------------
 *
 * bundle_export.c
 *	  cellenc_export_keys: the safe copy of this database's keys.
 *
 * All keys but the one for constants, which every database makes for itself,
 * the search key, and what is left of destroyed versions, so that nobody who
 * imports the bundle brings them back.  The key bytes are in memory that is
 * wiped; what leaves the server is sealed under the master key.
 * Touches bundle_io, keymaker, keyring, keycatalog, columns, twin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "bundle_io.h"
#include "columns.h"
#include "compat.h"
#include "event.h"
#include "keymaker.h"
#include "keyring.h"
#include "report.h"
#include "secret.h"
#include "twin.h"
#include "unwrap.h"
#include "walk.h"

PG_FUNCTION_INFO_V1(cellenc_export_keys);

/*
 * Twin tags in use: a reader without the database needs them to open values
 */

typedef struct UsedTag
{
	int32		name_hash;		/* of the key */
	char		tag[CELLENC_TWIN_TAG_MAX + 1];
} UsedTag;

static void
note_tag(const CellencLeaf *leaf, List **list)
{
	const CellencTwin *twin = cellenc_twin_lookup(leaf->twin);
	UsedTag    *used;
	ListCell   *lc;

	if (leaf->typmod < 0 || !twin)
		return;
	foreach(lc, *list)
	{
		used = lfirst(lc);
		if (used->name_hash == CELLENC_TYPMOD_HASH(leaf->typmod) && strcmp(used->tag, twin->tag) == 0)
			return;
	}
	used = palloc(sizeof(UsedTag));
	used->name_hash = CELLENC_TYPMOD_HASH(leaf->typmod);
	strlcpy(used->tag, twin->tag, sizeof(used->tag));
	*list = lappend(*list, used);
}

/* Add the tags of a column, each once. */
static void
note_tags(Form_pg_class class, Form_pg_attribute att, void *arg)
{
	ListCell   *lc;

	foreach(lc, cellenc_walk_leaves(cellenc_walk_plan(att->atttypid, att->atttypmod)))
		note_tag(lfirst(lc), arg);
}

static int
compare_tags(const ListCell *a, const ListCell *b)
{
	return strcmp(((UsedTag *) lfirst(a))->tag, ((UsedTag *) lfirst(b))->tag);
}

/* Those of one key, as a record has them; tags is sorted. */
static void
put_tags(CellencBundleRecord *record, List *tags, int32 name_hash)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, tags)
	{
		const UsedTag *used = lfirst(lc);

		if (used->name_hash != name_hash)
			continue;
		if (record->ntags == PG_UINT16_MAX)
			elog(ERROR, "too many encrypted types under one key");
		appendStringInfoChar(&buf, (char) strlen(used->tag));
		appendStringInfoString(&buf, used->tag);
		record->ntags++;
	}
	record->tags = (const uint8 *) buf.data;
	record->tags_len = buf.len;
}

/*
 * Records
 */

/* Stands for the key bytes until they are written; never looked at. */
static const uint8 key_to_come[CELLENC_KEY_LEN];

static int
compare_keys(const ListCell *a, const ListCell *b)
{
	return memcmp(&((CellencKeyRow *) lfirst(a))->id, &((CellencKeyRow *) lfirst(b))->id, UUID_LEN);
}

static int
compare_search_keys(const ListCell *a, const ListCell *b)
{
	return memcmp(&((CellencSearchKeyRow *) lfirst(a))->id, &((CellencSearchKeyRow *) lfirst(b))->id,
				  UUID_LEN);
}

static List *
search_key_records(void)
{
	List	   *rows = cellenc_keycatalog_search_keys();
	List	   *list = NIL;
	ListCell   *lc;

	list_sort(rows, compare_search_keys);
	foreach(lc, rows)
	{
		const CellencSearchKeyRow *row = lfirst(lc);
		CellencBundleRecord *record = palloc0(sizeof(CellencBundleRecord));

		record->purpose = CELLENC_PURPOSE_SEARCH;
		memcpy(record->uuid, row->id.data, UUID_LEN);
		record->state = row->current ? CELLENC_BUNDLE_CURRENT : CELLENC_BUNDLE_DECRYPT_ONLY;
		memcpy(record->check_value, row->check_value, CELLENC_CHECK_LEN);
		record->created_at = cellenc_bundle_io_from_time(row->created_at);
		record->key = key_to_come;
		list = lappend(list, record);
	}
	return list;
}

static uint8
state_of(CellencVersionState state)
{
	switch (state)
	{
		case CELLENC_CURRENT:
			return CELLENC_BUNDLE_CURRENT;
		case CELLENC_DECRYPT_ONLY:
			return CELLENC_BUNDLE_DECRYPT_ONLY;
		case CELLENC_DISABLED:
			return CELLENC_BUNDLE_DISABLED;
		case CELLENC_DESTROYED:
			return CELLENC_BUNDLE_DESTROYED;
	}
	elog(ERROR, "unrecognized state of a key version: %d", (int) state);
}

static List *
version_records(const CellencKeyRow *key, List *tags)
{
	List	   *list = NIL;
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_versions(&key->id))
	{
		const CellencVersionRow *row = lfirst(lc);
		CellencBundleRecord *record = palloc0(sizeof(CellencBundleRecord));

		record->purpose = CELLENC_PURPOSE_DATA;
		memcpy(record->uuid, key->id.data, UUID_LEN);
		record->state = state_of(row->state);
		memcpy(record->check_value, row->check_value, CELLENC_CHECK_LEN);
		record->created_at = cellenc_bundle_io_from_time(row->created_at);
		record->state_since = cellenc_bundle_io_from_time(row->state_since);
		record->version = row->version;
		record->version_id = row->version_id;
		memcpy(record->search_key, row->search_key.data, UUID_LEN);
		strlcpy(record->name, key->name, sizeof(record->name));
		put_tags(record, tags, key->name_hash);
		if (row->state != CELLENC_DESTROYED)
			record->key = key_to_come;
		list = lappend(list, record);
	}
	return list;
}

static List *
all_records(CellencBundleHeader *header)
{
	List	   *keys = cellenc_keycatalog_keys();
	List	   *records = search_key_records();
	List	   *tags = NIL;
	Size		len = 0;
	ListCell   *lc;

	header->nsearch_keys = list_length(records);
	cellenc_columns_visit(note_tags, &tags);
	list_sort(tags, compare_tags);
	list_sort(keys, compare_keys);
	foreach(lc, keys)
		records = list_concat(records, version_records(lfirst(lc), tags));
	header->nversions = list_length(records) - header->nsearch_keys;

	foreach(lc, records)
		len += cellenc_bundle_record_size(lfirst(lc));
	if (len > CELLENC_BUNDLE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("this database has too many keys for one bundle")));
	header->records_len = (uint32) len;
	return records;
}

/* Write the records with their key bytes. */
static void
write_records(uint8 *dst, List *records)
{
	ListCell   *lc;

	foreach(lc, records)
	{
		CellencBundleRecord record = *(CellencBundleRecord *) lfirst(lc);
		uint8		key[CELLENC_KEY_LEN];
		pg_uuid_t	owner;

		CHECK_FOR_INTERRUPTS();
		if (record.key)
		{
			memcpy(owner.data, record.uuid, UUID_LEN);
			cellenc_unwrap_key(&owner, (int32) record.version, record.version_id, record.purpose,
							   record.check_value,
							   record.purpose == CELLENC_PURPOSE_SEARCH ? "search key" : record.name,
							   key);
			record.key = key;
		}
		dst = cellenc_bundle_write_record(dst, &record);
		cellenc_cipher_wipe(key, sizeof(key));
	}
}

static text *
seal(const CellencBundleHeader *header, const CellencMasterKey *master, const uint8 *records)
{
	size_t		size = cellenc_bundle_size(header);
	uint8	   *bytes = palloc(size);
	uint8		key[CELLENC_KEY_LEN];
	uint8		nonce[CELLENC_NONCE_LEN];
	CellencStatus status;

	cellenc_masterkey_get(master, key);
	status = cellenc_cipher_random(nonce, sizeof(nonce));
	if (status == CELLENC_OK)
		status = cellenc_bundle_seal(bytes, header, nonce, records, key);
	cellenc_cipher_wipe(key, sizeof(key));
	if (status != CELLENC_OK)
		cellenc_report_status(status);
	return cellenc_bundle_io_text(bytes, size);
}

Datum
cellenc_export_keys(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	CellencMasterKey *master;
	CellencBundleHeader header;
	List	   *records;
	uint8	   *bytes;
	text	   *result;
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	cellenc_report_check_name(name, "master key");
	cellenc_keycatalog_lock();
	master = cellenc_keymaker_master_key(name);

	memset(&header, 0, sizeof(header));
	memcpy(header.master_uuid, master->id.data, UUID_LEN);
	strlcpy(header.master_name, master->name, sizeof(header.master_name));
	header.pbkdf2 = master->pbkdf2;
	memcpy(header.salt, master->salt, CELLENC_BUNDLE_SALT_LEN);
	header.rounds = master->rounds;
	memcpy(header.check_value, master->check_value, CELLENC_CHECK_LEN);
	header.created_at = cellenc_bundle_io_from_time(GetCurrentTimestamp());
	records = all_records(&header);

	bytes = cellenc_secret_alloc(CurrentMemoryContext, header.records_len + 1);
	write_records(bytes, records);
	/* whoever needs the bundle some day shall be able to read it */
	(void) cellenc_bundle_io_records(&header, bytes);
	result = seal(&header, master, bytes);

	foreach(lc, records)
	{
		const CellencBundleRecord *record = lfirst(lc);

		if (record->purpose == CELLENC_PURPOSE_DATA && record->key)
			cellenc_keycatalog_set_exported(record->version_id);
	}
	/* a master key that wraps nothing here is not kept for the bundle's sake */
	cellenc_keycatalog_sweep_master_keys();
	cellenc_event_record("export", NULL, 0,
						 psprintf("%u versions under master key \"%s\"", header.nversions, name));
	PG_RETURN_TEXT_P(result);
}
