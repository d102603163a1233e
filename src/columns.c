/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  Where in this database twins are stored.
 *
 * Found by a scan of pg_attribute in C: SQL does not see everything (Citus
 * hides its shards), and the search must not depend on what a user put in
 * its way.  Touches walk, keycatalog, twin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "columns.h"
#include "compat.h"
#include "keycatalog.h"
#include "report.h"
#include "rewriter.h"
#include "twin.h"
#include "walk.h"

typedef struct TypeEntry
{
	Oid			type;			/* hash key */
	bool		contains;
} TypeEntry;

static bool
type_contains_twin(HTAB *types, Oid type)
{
	bool		found;
	TypeEntry  *entry = hash_search(types, &type, HASH_ENTER, &found);

	if (!found)
	{
		entry->contains = false;
		entry->contains = cellenc_walk_contains(type);
	}
	return entry->contains;
}

void
cellenc_columns_visit(CellencColumnVisitor visitor, void *arg)
{
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	HASHCTL		ctl;
	HTAB	   *types;

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(TypeEntry);
	ctl.hcxt = CurrentMemoryContext;
	types = hash_create("cellenc types", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);
		HeapTuple	class;

		/* neither a twin nor what holds one is made by initdb */
		if (att->attnum <= 0 || att->attisdropped || att->atttypid < FirstNormalObjectId ||
			!type_contains_twin(types, att->atttypid))
			continue;

		class = SearchSysCache1(RELOID, ObjectIdGetDatum(att->attrelid));
		if (!HeapTupleIsValid(class))
			continue;			/* dropped meanwhile */
		visitor((Form_pg_class) GETSTRUCT(class), att, arg);
		ReleaseSysCache(class);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	hash_destroy(types);
}

/*
 * Targets of a job
 */

#define ANY_KEY (-1)

typedef struct Targets
{
	const int32 *name_hashes;
	int			nhashes;		/* or ANY_KEY */
	List	   *relations;
	List	   *out_of_reach;
} Targets;

/* A stored value is under the key of its column; -1 is a column without. */
static bool
may_hold_keys(CellencWalk *walk, const Targets *targets)
{
	ListCell   *cell;

	foreach(cell, cellenc_walk_leaves(walk))
	{
		CellencLeaf *leaf = lfirst(cell);

		if (leaf->typmod < 0 || targets->nhashes == ANY_KEY)
			return true;
		for (int i = 0; i < targets->nhashes; i++)
		{
			if (targets->name_hashes[i] == CELLENC_TYPMOD_HASH(leaf->typmod))
				return true;
		}
	}
	return false;
}

static void
collect_target(Form_pg_class class, Form_pg_attribute att, void *arg)
{
	Targets    *targets = arg;
	List	  **list;

	/* where rows are being converted to: their job sees to it */
	if (OidIsValid(class->relrewrite))
		return;
	if (cellenc_rewriter_handles(class->relkind, class->relpersistence))
		list = &targets->relations;
	else if (class->relkind == RELKIND_RELATION || class->relkind == RELKIND_FOREIGN_TABLE)
		list = &targets->out_of_reach;
	else
		return;					/* stores nothing itself */
	if (may_hold_keys(cellenc_walk_plan(att->atttypid, att->atttypmod), targets))
		*list = lappend_oid(*list, class->oid);
}

static Targets
find_by_hashes(const int32 *hashes, int nhashes)
{
	Targets		targets = {hashes, nhashes, NIL, NIL};

	cellenc_columns_visit(collect_target, &targets);

	list_sort(targets.relations, list_oid_cmp);
	list_deduplicate_oid(targets.relations);
	list_sort(targets.out_of_reach, list_oid_cmp);
	list_deduplicate_oid(targets.out_of_reach);
	return targets;
}

static Targets
find_targets(const pg_uuid_t *keys, int nkeys)
{
	int32	   *hashes = palloc(nkeys * sizeof(int32));
	int			nhashes = 0;

	for (int i = 0; i < nkeys; i++)
	{
		CellencKeyRow row;

		if (cellenc_keycatalog_key_by_id(&keys[i], &row))
			hashes[nhashes++] = row.name_hash;
	}
	return find_by_hashes(hashes, nhashes);
}

List *
cellenc_columns_relations(const pg_uuid_t *keys, int nkeys)
{
	return find_targets(keys, nkeys).relations;
}

List *
cellenc_columns_out_of_reach(const pg_uuid_t *keys, int nkeys)
{
	return find_targets(keys, nkeys).out_of_reach;
}

List *
cellenc_columns_stored(int32 name_hash)
{
	Targets		targets = find_by_hashes(&name_hash, name_hash < 0 ? ANY_KEY : 1);

	return list_concat(targets.relations, targets.out_of_reach);
}

bool
cellenc_columns_names_key(Oid type, int32 typmod, int32 name_hash)
{
	CellencWalk *walk = cellenc_walk_plan(type, typmod);
	ListCell   *cell;

	if (!walk)
		return false;
	foreach(cell, cellenc_walk_leaves(walk))
	{
		CellencLeaf *leaf = lfirst(cell);

		if (leaf->typmod >= 0 && CELLENC_TYPMOD_HASH(leaf->typmod) == name_hash)
			return true;
	}
	return false;
}

/*
 * View cellenc.columns
 */

static Datum
key_name_datum(int32 typmod)
{
	CellencKeyRow row;

	if (cellenc_keycatalog_key_by_hash(CELLENC_TYPMOD_HASH(typmod), &row))
		return CStringGetTextDatum(row.name);
	return CStringGetTextDatum(psprintf("#%08x", (unsigned int) CELLENC_TYPMOD_HASH(typmod)));
}

/* One row for each different key and search within the column. */
static void
put_column(Form_pg_class class, Form_pg_attribute att, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	List	   *seen = NIL;
	ListCell   *cell;

	/* composite types and views store nothing; indexes belong to a table */
	if (class->relkind != RELKIND_RELATION && class->relkind != RELKIND_PARTITIONED_TABLE &&
		class->relkind != RELKIND_MATVIEW && class->relkind != RELKIND_FOREIGN_TABLE)
		return;
	if (OidIsValid(class->relrewrite))
		return;					/* a table that is being converted has it soon */

	foreach(cell, cellenc_walk_leaves(cellenc_walk_plan(att->atttypid, att->atttypmod)))
	{
		CellencLeaf *leaf = lfirst(cell);
		Datum		values[5];
		bool		nulls[5] = {false};

		if (list_member_int(seen, leaf->typmod))
			continue;
		seen = lappend_int(seen, leaf->typmod);

		values[0] = ObjectIdGetDatum(class->oid);
		values[1] = NameGetDatum(&att->attname);
		values[2] = ObjectIdGetDatum(att->atttypid);
		if (leaf->typmod >= 0)
		{
			values[3] = key_name_datum(leaf->typmod);
			values[4] = CStringGetTextDatum(cellenc_twin_search_name(CELLENC_TYPMOD_SEARCH(leaf->typmod)));
		}
		else
			nulls[3] = nulls[4] = true;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

PG_FUNCTION_INFO_V1(cellenc_columns_list);

/* Rows of view cellenc.columns. */
Datum
cellenc_columns_list(PG_FUNCTION_ARGS)
{
	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);
	cellenc_columns_visit(put_column, fcinfo->resultinfo);
	return (Datum) 0;
}
