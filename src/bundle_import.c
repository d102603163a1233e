/*-------------------------------------------------------------------------
 *
 * bundle_import.c
 *	  cellenc_import_keys and cellenc_check_bundle.
 *
 * Every record of a bundle is first judged against what is here, and one
 * conflict refuses the whole.  Then what is new is added; what is here, its
 * state and its grants stay.  Only a destroyed version is destroyed on both
 * sides.  Wrapped under the bundle's master key alone, keys would depend on
 * one that was perhaps made for the transport: so they get the wraps that
 * keys made here would get.
 * Touches bundle_io, keymaker, keycatalog, columns, event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "blockers.h"
#include "bundle_io.h"
#include "columns.h"
#include "compat.h"
#include "event.h"
#include "keymaker.h"
#include "keyring.h"
#include "report.h"
#include "retire.h"
#include "twin.h"
#include "walk.h"

PG_FUNCTION_INFO_V1(cellenc_import_keys);
PG_FUNCTION_INFO_V1(cellenc_check_bundle);

/* What an import makes of a record; as cellenc_check_bundle shows it. */
typedef enum Verdict
{
	VERDICT_NEW,				/* is added */
	VERDICT_PRESENT,			/* is here, and stays as it is */
	VERDICT_DESTROYED,			/* here or there, and so it is afterwards */
	VERDICT_CONFLICT			/* refuses the bundle */
} Verdict;

static const char *const verdict_names[] = {
	[VERDICT_NEW] = "new",
	[VERDICT_PRESENT] = "present",
	[VERDICT_DESTROYED] = "destroyed",
	[VERDICT_CONFLICT] = "conflict"
};

typedef struct Judged
{
	const CellencBundleRecord *record;
	Verdict		verdict;
	bool		known;			/* its version or search key is here */
	const char *conflict;		/* which one */
} Judged;

static void
set_conflict(Judged *judged, const char *conflict)
{
	judged->verdict = VERDICT_CONFLICT;
	judged->conflict = conflict;
}

static bool
is_uuid(const pg_uuid_t *uuid, const uint8 *bytes)
{
	return memcmp(uuid->data, bytes, UUID_LEN) == 0;
}

static pg_uuid_t
uuid_of(const uint8 *bytes)
{
	pg_uuid_t	uuid;

	memcpy(uuid.data, bytes, UUID_LEN);
	return uuid;
}

static bool
is_check_value(const uint8 *a, const uint8 *b)
{
	return memcmp(a, b, CELLENC_CHECK_LEN) == 0;
}

/*
 * Search key
 */

typedef struct Terms
{
	bool		lock;
	Oid			found;			/* a relation that may hold some */
} Terms;

static bool
has_terms(const FormData_pg_attribute * att)
{
	ListCell   *lc;

	foreach(lc, cellenc_walk_leaves(cellenc_walk_plan(att->atttypid, att->atttypmod)))
	{
		const CellencLeaf *leaf = lfirst(lc);

		if (leaf->typmod < 0 || CELLENC_TYPMOD_SEARCH(leaf->typmod) != CELLENC_SEARCH_NONE)
			return true;
	}
	return false;
}

/*
 * Does this column hold terms?  A relation without a block never had a row, or
 * VACUUM has seen that no index refers to one.  The lock keeps others from
 * writing until the search key is the new one.
 */
static void
look_for_terms(Form_pg_class class, Form_pg_attribute att, void *arg)
{
	Terms	   *terms = arg;
	LOCKMODE	lockmode = terms->lock ? ShareLock : AccessShareLock;
	Relation	rel;

	if (OidIsValid(terms->found) || !has_terms(att) ||
		(class->relkind != RELKIND_RELATION && class->relkind != RELKIND_MATVIEW))
		return;
	rel = try_relation_open(class->oid, lockmode);
	if (!rel)
		return;
	if (RelationGetNumberOfBlocks(rel) > 0)
		terms->found = class->oid;
	relation_close(rel, terms->lock ? NoLock : AccessShareLock);
}

/* NULL, or why a search key here cannot be replaced. */
static const char *
terms_stored(bool lock)
{
	Terms		terms = {.lock = lock};

	cellenc_columns_visit(look_for_terms, &terms);
	if (!OidIsValid(terms.found))
		return NULL;
	return psprintf("table \"%s\" holds hashes of values under another search key",
					get_rel_name(terms.found) ? get_rel_name(terms.found) : "?");
}

static void
judge_search_key(Judged *judged, bool lock)
{
	const CellencBundleRecord *record = judged->record;
	pg_uuid_t	id = uuid_of(record->uuid);
	CellencSearchKeyRow row;
	const char *terms;

	judged->verdict = VERDICT_NEW;
	if (cellenc_keycatalog_search_key(&id, &row))
	{
		judged->known = true;
		judged->verdict = VERDICT_PRESENT;
		if (!is_check_value(row.check_value, record->check_value))
			set_conflict(judged, "the search key of the same UUID is another one here");
	}
	else if (record->state == CELLENC_BUNDLE_CURRENT &&
			 cellenc_keycatalog_current_search_key(&row) && (terms = terms_stored(lock)) != NULL)
		set_conflict(judged, terms);
}

/*
 * Versions
 */

/*
 * A version that is alive here, but destroyed where the bundle comes from: it
 * is destroyed here, too, unless something here may need it.  That it was not
 * disabled first is for its destruction over there to answer for.
 */
static void
judge_tombstone(Judged *judged, const CellencKeyRow *key, const CellencVersionRow *row)
{
	ListCell   *lc;

	judged->verdict = VERDICT_DESTROYED;
	foreach(lc, cellenc_blockers(key, row))
	{
		const CellencBlocker *blocker = lfirst(lc);

		if (strcmp(blocker->blocker, "not_disabled") == 0)
			continue;
		set_conflict(judged, psprintf("version %d of key \"%s\" is destroyed where the bundle comes from, but needed here: %s",
									  row->version, key->name, blocker->detail));
		break;
	}
}

static void
judge_known_version(Judged *judged, const CellencVersionRow *row)
{
	const CellencBundleRecord *record = judged->record;
	CellencKeyRow key;

	judged->known = true;
	if (!is_uuid(&row->key, record->uuid) || row->version != (int32) record->version ||
		!cellenc_keycatalog_key_by_id(&row->key, &key))
		set_conflict(judged, psprintf("version id %u belongs to another version here", record->version_id));
	else if (!is_check_value(row->check_value, record->check_value) ||
			 !is_uuid(&row->search_key, record->search_key))
		set_conflict(judged, psprintf("version %d of key \"%s\" is another one here",
									  row->version, record->name));
	else if (row->state == CELLENC_DESTROYED)
		judged->verdict = VERDICT_DESTROYED;
	else if (record->state == CELLENC_BUNDLE_DESTROYED)
		judge_tombstone(judged, &key, row);
	else
		judged->verdict = VERDICT_PRESENT;
}

static int32
name_hash(const char *name)
{
	uint32		hash;
	CellencStatus status = cellenc_envelope_name_hash(name, &hash);

	if (status != CELLENC_OK)
		cellenc_report_status(status);
	return (int32) hash;
}

static void
judge_version(Judged *judged)
{
	const CellencBundleRecord *record = judged->record;
	pg_uuid_t	id = uuid_of(record->uuid);
	CellencVersionRow version;
	CellencKeyRow key;
	ListCell   *lc;

	if (cellenc_keycatalog_version(record->version_id, &version))
	{
		judge_known_version(judged, &version);
		return;
	}

	judged->verdict = record->state == CELLENC_BUNDLE_DESTROYED ? VERDICT_DESTROYED : VERDICT_NEW;
	if (cellenc_keycatalog_key_by_id(&id, &key))
	{
		if (strcmp(key.name, record->name) != 0)
			set_conflict(judged, psprintf("key \"%s\" is called \"%s\" here", record->name, key.name));
		foreach(lc, cellenc_keycatalog_versions(&id))
		{
			if (((CellencVersionRow *) lfirst(lc))->version == (int32) record->version)
				set_conflict(judged, psprintf("version %u of key \"%s\" is another one here",
											  record->version, record->name));
		}
	}
	else if (cellenc_keycatalog_key_by_name(record->name, &key))
		set_conflict(judged, psprintf("key \"%s\" is another one here", record->name));
	else if (cellenc_keycatalog_key_by_hash(name_hash(record->name), &key))
		set_conflict(judged, psprintf("key \"%s\" cannot be told from key \"%s\" in a type modifier",
									  record->name, key.name));
}

static int
compare_ids(const ListCell *a, const ListCell *b)
{
	uint32		x = ((CellencBundleRecord *) lfirst(a))->version_id;
	uint32		y = ((CellencBundleRecord *) lfirst(b))->version_id;

	return x < y ? -1 : x > y ? 1 : 0;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(((CellencBundleRecord *) lfirst(a))->name, ((CellencBundleRecord *) lfirst(b))->name);
}

/* What the order of the records does not show: ids and names that come twice. */
static void
check_unique(List *records)
{
	List	   *sorted = list_copy(records);
	bool		good = true;

	list_sort(sorted, compare_ids);
	for (int i = 1; i < list_length(sorted); i++)
	{
		CellencBundleRecord *record = list_nth(sorted, i);

		good &= record->version_id == 0 ||
			record->version_id != ((CellencBundleRecord *) list_nth(sorted, i - 1))->version_id;
	}
	list_sort(sorted, compare_names);
	for (int i = 1; i < list_length(sorted); i++)
	{
		CellencBundleRecord *record = list_nth(sorted, i);
		CellencBundleRecord *before = list_nth(sorted, i - 1);

		good &= record->purpose == CELLENC_PURPOSE_SEARCH || strcmp(record->name, before->name) != 0 ||
			memcmp(record->uuid, before->uuid, UUID_LEN) == 0;
	}
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle of keys is not valid"),
				 errdetail("It is authentic, but has two keys of one name or two versions of one id.")));
}

/* Open a bundle and judge its records; lock tells whether it is to be imported. */
static List *
judge(text *bundle, bool lock)
{
	CellencBundleHeader header;
	List	   *records = cellenc_bundle_io_open(bundle, &header);
	List	   *result = NIL;
	ListCell   *lc;

	check_unique(records);
	foreach(lc, records)
	{
		Judged	   *judged = palloc0(sizeof(Judged));

		judged->record = lfirst(lc);
		if (judged->record->purpose == CELLENC_PURPOSE_SEARCH)
			judge_search_key(judged, lock);
		else
			judge_version(judged);
		result = lappend(result, judged);
	}
	return result;
}

/*
 * Import
 */

/* Keys that were made here go on under the new search key from now on. */
static void
move_to_search_key(const CellencSearchKeyRow *search_key)
{
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_keys())
	{
		const CellencKeyRow *key = lfirst(lc);
		ListCell   *cell;

		foreach(cell, cellenc_keycatalog_versions(&key->id))
		{
			const CellencVersionRow *version = lfirst(cell);

			if (version->state == CELLENC_CURRENT && !is_uuid(&version->search_key, search_key->id.data))
				(void) cellenc_keymaker_rotate(key, "for an imported search key");
		}
	}
}

/* Add a search key; the current one is replaced if it is the bundle's current one. */
static void
add_search_key(const CellencBundleRecord *record)
{
	CellencSearchKeyRow row;
	CellencSearchKeyRow current;
	CellencWrapRow wrap = {.purpose = CELLENC_PURPOSE_SEARCH};
	bool		replace;

	memset(&row, 0, sizeof(row));
	row.id = uuid_of(record->uuid);
	memcpy(row.check_value, record->check_value, CELLENC_CHECK_LEN);
	row.current = record->state == CELLENC_BUNDLE_CURRENT;
	row.created_at = cellenc_bundle_io_to_time(record->created_at);
	replace = row.current && cellenc_keycatalog_current_search_key(&current);

	if (replace)
		cellenc_keycatalog_retire_search_key(&current.id);
	wrap.owner = row.id;
	cellenc_keymaker_wrap(&wrap, 0, record->key, list_make1(cellenc_keymaker_master_key(NULL)));
	cellenc_keycatalog_insert_search_key(&row);
	if (replace)
		move_to_search_key(&row);
}

static CellencVersionState
imported_state(const CellencBundleRecord *record, bool key_is_new)
{
	switch (record->state)
	{
		case CELLENC_BUNDLE_CURRENT:
			return key_is_new ? CELLENC_CURRENT : CELLENC_DECRYPT_ONLY;
		case CELLENC_BUNDLE_DISABLED:
			return CELLENC_DISABLED;
		case CELLENC_BUNDLE_DESTROYED:
			return CELLENC_DESTROYED;
	}
	return CELLENC_DECRYPT_ONLY;
}

/* The row of a record's key, made with the first of its versions. */
static void
add_key(const CellencBundleRecord *record, CellencKeyRow *key)
{
	memset(key, 0, sizeof(*key));
	key->id = uuid_of(record->uuid);
	strlcpy(key->name, record->name, sizeof(key->name));
	key->name_hash = name_hash(record->name);
	key->created_at = cellenc_bundle_io_to_time(record->created_at);
	cellenc_keycatalog_insert_key(key);
}

static void
add_version(const CellencBundleRecord *record, bool key_is_new, List *masters)
{
	CellencVersionRow row;
	CellencWrapRow wrap = {.purpose = CELLENC_PURPOSE_DATA};

	memset(&row, 0, sizeof(row));
	row.version_id = record->version_id;
	row.key = uuid_of(record->uuid);
	row.version = (int32) record->version;
	row.state = imported_state(record, key_is_new);
	row.search_key = uuid_of(record->search_key);
	memcpy(row.check_value, record->check_value, CELLENC_CHECK_LEN);
	row.created_at = cellenc_bundle_io_to_time(record->created_at);
	row.state_since = row.state == CELLENC_DECRYPT_ONLY && record->state == CELLENC_BUNDLE_CURRENT
		? GetCurrentTimestamp() : cellenc_bundle_io_to_time(record->state_since);

	if (record->key)
	{
		wrap.owner = row.key;
		wrap.version = row.version;
		cellenc_keymaker_wrap(&wrap, row.version_id, record->key, masters);
	}
	cellenc_keycatalog_insert_version(&row);
	cellenc_keyring_note_made(row.version_id);
	cellenc_event_record("import", record->name, row.version, NULL);
}

/* A version that has been destroyed at the other side. */
static void
destroy_version(const CellencBundleRecord *record)
{
	CellencVersionRow row;
	CellencKeyRow key;

	if (cellenc_keycatalog_version(record->version_id, &row) && row.state != CELLENC_DESTROYED &&
		cellenc_keycatalog_key_by_id(&row.key, &key))
		cellenc_retire_destroy(&key, &row, "by import");
}

static int32
add_all(List *judged_list)
{
	int32		added = 0;
	pg_uuid_t	key_id = {0};
	bool		key_is_new = false;
	List	   *masters = NIL;
	ListCell   *lc;

	foreach(lc, judged_list)
	{
		const Judged *judged = lfirst(lc);
		const CellencBundleRecord *record = judged->record;
		CellencKeyRow key;

		if (record->purpose == CELLENC_PURPOSE_SEARCH)
		{
			if (!judged->known)
				add_search_key(record);
			continue;
		}
		if (judged->known)
		{
			if (record->state == CELLENC_BUNDLE_DESTROYED)
				destroy_version(record);
			continue;
		}

		/* records of one key follow each other */
		if (!is_uuid(&key_id, record->uuid))
		{
			key_id = uuid_of(record->uuid);
			key_is_new = !cellenc_keycatalog_key_by_id(&key_id, &key);
			masters = cellenc_keymaker_masters_of_key(&key_id);
			if (key_is_new)
				add_key(record, &key);
		}
		add_version(record, key_is_new, masters);
		added++;
	}
	return added;
}

Datum
cellenc_import_keys(PG_FUNCTION_ARGS)
{
	List	   *judged;
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	cellenc_keycatalog_lock();
	judged = judge(PG_GETARG_TEXT_PP(0), true);
	foreach(lc, judged)
	{
		const Judged *one = lfirst(lc);

		if (one->verdict == VERDICT_CONFLICT)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("bundle of keys contradicts the keys of this database"),
					 errdetail("There is a conflict: %s.", one->conflict),
					 errhint("Use cellenc_check_bundle to see all of them.")));
	}
	PG_RETURN_INT32(add_all(judged));
}

Datum
cellenc_check_bundle(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, judge(PG_GETARG_TEXT_PP(0), false))
	{
		const Judged *judged = lfirst(lc);
		Datum		values[3] = {0};
		bool		nulls[3] = {false};
		char	   *status = pstrdup(verdict_names[judged->verdict]);

		if (judged->conflict)
			status = psprintf("%s: %s", status, judged->conflict);
		nulls[0] = nulls[1] = judged->record->purpose == CELLENC_PURPOSE_SEARCH;
		if (!nulls[0])
		{
			values[0] = CStringGetTextDatum(judged->record->name);
			values[1] = Int32GetDatum((int32) judged->record->version);
		}
		values[2] = CStringGetTextDatum(status);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
