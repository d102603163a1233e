/*-------------------------------------------------------------------------
 *
 * blockers.c
 *	  What may still need a key version that is to be destroyed.
 *
 * First the state of the version, then what the server knows of sessions and
 * replicas (blockers_server.c), and then every place of this database that can
 * store a value: all row versions of all relations, pages of indexes, and the
 * system catalogs (constants.c).
 *
 * The order makes it a proof.  Sessions that could bring a value back are gone
 * before the search begins, the version stays disabled, and the search visits
 * row versions that are on their way out as well: a value cannot be moved to
 * where it has been already without leaving one where it has not.
 *
 * Touches scan, indexpages, constants, columns, keycatalog.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "blockers.h"
#include "columns.h"
#include "compat.h"
#include "constants.h"
#include "indexpages.h"
#include "keyring.h"
#include "report.h"
#include "scan.h"

PG_FUNCTION_INFO_V1(cellenc_destroy_blockers);

/* What a search for values under a version has found. */
typedef struct Search
{
	const CellencKeyRow *key;
	uint32		version_id;
	bool		disabled;
	MemoryContext result_cxt;
	List	   *blockers;

	/* of the relation at hand, by column */
	int64	   *values;
	int64	   *damaged;
	int64		old_rows;
	TransactionId removed_by;	/* the last of all relations */
} Search;

/* Takes over neither text: both are copied to where the result lives. */
static void
add(Search *search, const char *blocker, const char *detail, const char *hint)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(search->result_cxt);

	search->blockers = lappend(search->blockers,
							   cellenc_blocker(blocker, pstrdup(detail), pstrdup(hint)));
	MemoryContextSwitchTo(oldcxt);
}

static const char *
relation_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

/*
 * State
 */

/* Is there a version to go on with when this one is gone? */
static bool
has_successor(const CellencVersionRow *version)
{
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_versions(&version->key))
	{
		const CellencVersionRow *other = lfirst(lc);

		if (other->version > version->version && other->state != CELLENC_DESTROYED)
			return true;
	}
	return false;
}

/* False where looking further would tell nothing. */
static bool
check_state(Search *search, const CellencVersionRow *version)
{
	const char *name = search->key->name;

	if (version->state == CELLENC_CURRENT || !has_successor(version))
	{
		add(search, "current",
			psprintf("version %d is the newest of key \"%s\"", version->version, name),
			psprintf("SELECT cellenc_rotate_key('%s'); or, where nothing uses the key, SELECT cellenc_drop_key('%s');",
					 name, name));
		return false;
	}
	if (version->state == CELLENC_DECRYPT_ONLY)
		add(search, "not_disabled",
			psprintf("version %d of key \"%s\" can be used to open values", version->version, name),
			psprintf("SELECT cellenc_disable_key_version('%s', %d);", name, version->version));
	return true;
}

/*
 * Relations
 */

/* A CellencScanVisitor. */
static void
note_value(const CellencStored *stored, void *arg)
{
	Search	   *search = arg;

	if (stored->version_id == 0)
		search->damaged[stored->attnum - 1]++;
	else if (stored->version_id != search->version_id)
		return;
	else if (!TransactionIdIsValid(stored->removed_by))
		search->values[stored->attnum - 1]++;
	else
	{
		search->old_rows++;
		if (!TransactionIdIsValid(search->removed_by) ||
			TransactionIdFollows(stored->removed_by, search->removed_by))
			search->removed_by = stored->removed_by;
	}
}

static const char *
hint_for_values(const Search *search, Relation rel)
{
	const char *name = search->key->name;

	if (RelationUsesLocalBuffers(rel))
		return psprintf("DROP TABLE %s;", relation_name(rel));
	if (search->disabled)
		return psprintf("Enable the version, re-encrypt by SELECT cellenc_reencrypt('%s', %s), and disable it again; or delete the values.",
						name, quote_literal_cstr(relation_name(rel)));
	return psprintf("SELECT cellenc_reencrypt('%s', %s);", name, quote_literal_cstr(relation_name(rel)));
}

static void
report_relation(Search *search, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		const char *column = quote_identifier(NameStr(TupleDescAttr(desc, i)->attname));

		if (search->values[i] > 0)
			add(search, "value",
				psprintf(INT64_FORMAT " values in column %s of %s", search->values[i], column,
						 relation_name(rel)),
				hint_for_values(search, rel));
		if (search->damaged[i] > 0)
			add(search, "damaged_value",
				psprintf(INT64_FORMAT " damaged values in column %s of %s, under a version that cannot be told",
						 search->damaged[i], column, relation_name(rel)),
				psprintf("Find them by SELECT * FROM cellenc_verify(%s), and restore or delete them.",
						 quote_literal_cstr(relation_name(rel))));
	}
	if (search->old_rows > 0)
		add(search, "row_version",
			psprintf(INT64_FORMAT " values in old row versions of %s that a snapshot may still see",
					 search->old_rows, relation_name(rel)),
			psprintf("End what holds the snapshots, then VACUUM %s;", relation_name(rel)));
}

/* A CellencVersionVisitor. */
static bool
note_indexed(uint32 version_id, void *arg)
{
	uint32	   *wanted = arg;

	if (version_id != *wanted)
		return true;
	*wanted = 0;				/* found */
	return false;
}

static void
search_indexes(Search *search, Relation rel)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		uint32		wanted = search->version_id;

		if (index->rd_rel->relkind == RELKIND_INDEX)
			cellenc_indexpages_visit(index, note_indexed, &wanted);
		if (wanted == 0)
			add(search, "index",
				psprintf("index %s has values, in entries or separators of its pages", relation_name(index)),
				RelationUsesLocalBuffers(index) ? psprintf("REINDEX INDEX %s;", relation_name(index)) :
				psprintf("VACUUM %s; or REINDEX INDEX CONCURRENTLY %s;", relation_name(rel),
						 relation_name(index)));
		index_close(index, AccessShareLock);
	}
}

/* A temporary table of a session that lives: one left by a crash is nobody's. */
static bool
is_out_of_sight(Relation rel)
{
	return RELATION_IS_OTHER_TEMP(rel) &&
		checkTempNamespaceStatus(RelationGetNamespace(rel)) == TEMP_NAMESPACE_IN_USE;
}

static void
search_relation(Search *search, Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);

	if (!rel)
		return;
	if (cellenc_scan_handles(rel))
	{
		search->values = palloc0(RelationGetNumberOfAttributes(rel) * sizeof(int64));
		search->damaged = palloc0(RelationGetNumberOfAttributes(rel) * sizeof(int64));
		search->old_rows = 0;
		cellenc_scan_relation(rel, CELLENC_SCAN_KEPT, 100, note_value, search);
		report_relation(search, rel);
		search_indexes(search, rel);
	}
	else if (is_out_of_sight(rel))
		add(search, "temporary_table",
			psprintf("temporary table %s of another session may hold values", relation_name(rel)),
			"Drop it in that session, or end the session.");
	else if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		ereport(NOTICE,
				(errmsg("foreign table \"%s\" is not looked at", RelationGetRelationName(rel))));
	relation_close(rel, AccessShareLock);
}

static void
search_relations(Search *search)
{
	MemoryContext relation_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc search",
													   ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	/* of every key: a value is under its column's, but that is to be proved */
	foreach(lc, cellenc_columns_stored(-1))
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(relation_cxt);

		search_relation(search, lfirst_oid(lc));
		MemoryContextSwitchTo(oldcxt);
		MemoryContextReset(relation_cxt);
	}
	MemoryContextDelete(relation_cxt);
	if (TransactionIdIsValid(search->removed_by))
		search->blockers = list_concat(search->blockers,
									   cellenc_blockers_of_snapshots(search->removed_by));
}

/*
 * Catalogs
 */

/* A CellencHolderVisitor. */
static void
note_constant(CellencHolder holder, const ObjectAddress *object, void *arg)
{
	Search	   *search = arg;
	char	   *name = getObjectDescription(object, true);

	if (!name)
		return;					/* dropped meanwhile */
	switch (holder)
	{
		case CELLENC_HOLDER_EXPRESSION:
			/* a disabled version keeps its text from being shown */
			add(search, "constant", psprintf("%s has a constant", name),
				search->disabled ? "Enable the version, create the object again from its text, and disable the version again."
				: "Create the object again: its constants are then under the current version.");
			break;
		case CELLENC_HOLDER_MISSING:
			add(search, "missing_value",
				psprintf("the value that older rows have in %s", name),
				"VACUUM FULL the table.");
			break;
		case CELLENC_HOLDER_STATISTICS:
			add(search, "statistics", psprintf("statistics of %s hold values", name),
				"ANALYZE the table.");
			break;
	}
}

/*
 * All
 */

List *
cellenc_blockers(const CellencKeyRow *key, const CellencVersionRow *version)
{
	Search		search = {0};

	search.key = key;
	search.version_id = version->version_id;
	search.disabled = version->state == CELLENC_DISABLED;
	search.result_cxt = CurrentMemoryContext;

	if (!check_state(&search, version))
		return search.blockers;
	if (search.disabled)
		search.blockers = list_concat(search.blockers,
									  cellenc_blockers_of_server(key, version,
																 cellenc_keycatalog_version_lsn(version->version_id)));
	else
		search.blockers = list_concat(search.blockers, cellenc_blockers_of_jobs(key));
	if (search.disabled && version->exported_at > version->state_since)
		add(&search, "bundle",
			psprintf("key bundle exported on %s, after the version was disabled",
					 timestamptz_to_str(version->exported_at)),
			"Destroy the bundle, then enable the version and disable it again.");

	search_relations(&search);
	cellenc_constants_under(version->version_id, note_constant, &search);
	return search.blockers;
}

/* cellenc_destroy_blockers(key, version) */
Datum
cellenc_destroy_blockers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	CellencKeyRow key;
	CellencVersionRow version;
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);
	key = cellenc_keyring_require_key(text_to_cstring(PG_GETARG_TEXT_PP(0)))->row;
	cellenc_keyring_require_version(&key, PG_GETARG_INT32(1), &version);
	if (version.state == CELLENC_DESTROYED)
		return (Datum) 0;

	foreach(lc, cellenc_blockers(&key, &version))
	{
		const CellencBlocker *blocker = lfirst(lc);
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = CStringGetTextDatum(blocker->blocker);
		values[1] = CStringGetTextDatum(blocker->detail);
		values[2] = CStringGetTextDatum(blocker->hint);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
