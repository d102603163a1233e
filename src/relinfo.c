/*-------------------------------------------------------------------------
 *
 * relinfo.c
 *	  Which columns of a relation are encrypted, cached per backend.
 *
 * An entry is made again after an invalidation of its relation.  A column of
 * a composite type also changes with that type, whose own relation sends the
 * message then; such entries are made again after a message about any.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "compat.h"
#include "relinfo.h"
#include "twin.h"
#include "walk.h"

static HTAB *relations = NULL;

/* Entries that were asked for last, by relid: a statement asks several times. */
#define RECENT 16
static CellencRelinfo *recent[RECENT];

/* Moves on with every invalidation; only the callback writes it. */
static uint64 messages = 1;

/* What is read of a relation before its entry is touched. */
typedef struct Found
{
	CellencColumn *columns;
	int			ncolumns;
	int			allocated;
	bool		nested;			/* depends on the relation of a type */
} Found;

static void
add_column(Found *found, AttrNumber attno, int32 typmod)
{
	if (found->ncolumns == found->allocated)
	{
		found->allocated = found->allocated == 0 ? 4 : 2 * found->allocated;
		found->columns = found->columns
			? repalloc(found->columns, found->allocated * sizeof(CellencColumn))
			: palloc(found->allocated * sizeof(CellencColumn));
	}
	found->columns[found->ncolumns].attno = attno;
	found->columns[found->ncolumns].typmod = typmod;
	found->ncolumns++;
}

/* Is there a composite type in type? */
static bool
holds_composite(Oid type)
{
	Oid			element;

	type = getBaseType(type);
	while (OidIsValid(element = get_element_type(type)))
		type = getBaseType(element);
	return OidIsValid(get_typ_typrelid(type));
}

/* Each key that attribute att of a table, of type type, has values under. */
static void
find_in_column(Found *found, AttrNumber attno, Oid type, int32 typmod)
{
	CellencWalk *walk;
	List	   *seen = NIL;
	ListCell   *lc;

	/* neither a twin nor what holds one is made by initdb */
	if (type < FirstNormalObjectId)
		return;
	found->nested |= holds_composite(type);
	walk = cellenc_walk_plan(type, typmod);
	if (!walk)
		return;
	foreach(lc, cellenc_walk_leaves(walk))
	{
		CellencLeaf *leaf = lfirst(lc);

		if (list_member_int(seen, leaf->typmod))
			continue;
		seen = lappend_int(seen, leaf->typmod);
		add_column(found, attno, leaf->typmod);
	}
}

static void
find_in_table(Found *found, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			break;
		default:
			return;
	}
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped)
			find_in_column(found, att->attnum, att->atttypid, att->atttypmod);
	}
}

/*
 * The entries of a table for the columns that the index orders or hashes: an
 * index column's own type modifier is lost where its operator class stores
 * another type.
 */
static void
find_in_index(Found *found, Relation index)
{
	Relation	table = RelationIdGetRelation(index->rd_index->indrelid);
	Found		of_table = {0};
	Bitmapset  *attnos = NULL;
	List	   *expressions;
	ListCell   *lc;

	if (!RelationIsValid(table))
		return;
	find_in_table(&of_table, table);
	RelationClose(table);
	found->nested = of_table.nested;
	if (of_table.ncolumns == 0)
		return;

	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
	{
		AttrNumber	attno = index->rd_index->indkey.values[i];

		if (attno > 0)
			attnos = bms_add_member(attnos, attno - FirstLowInvalidHeapAttributeNumber);
	}
	expressions = RelationGetIndexExpressions(index);
	foreach(lc, expressions)
	{
		if (cellenc_walk_contains(exprType(lfirst(lc))))
			pull_varattnos(lfirst(lc), 1, &attnos);
	}

	for (int i = 0; i < of_table.ncolumns; i++)
	{
		AttrNumber	attno = of_table.columns[i].attno;

		if (bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, attnos) ||
			bms_is_member(-FirstLowInvalidHeapAttributeNumber, attnos))
			add_column(found, attno, of_table.columns[i].typmod);
	}
}

static void
read_relation(Oid relid, Found *found)
{
	Relation	rel = RelationIdGetRelation(relid);

	if (!RelationIsValid(rel))
		return;
	if (rel->rd_index)
		find_in_index(found, rel);
	else
		find_in_table(found, rel);
	RelationClose(rel);
}

static CellencRelinfo *
find_entry(Oid relid)
{
	CellencRelinfo *info;
	bool		exists;

	if (unlikely(!relations))
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(CellencRelinfo);
		relations = hash_create("cellenc relations", 128, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	info = hash_search(relations, &relid, HASH_ENTER, &exists);
	if (!exists)
	{
		memset(info, 0, sizeof(CellencRelinfo));
		info->relid = relid;
	}
	return info;
}

static inline bool
is_current(const CellencRelinfo *info)
{
	return info->valid && (info->nested == 0 || info->nested == messages);
}

const CellencRelinfo *
cellenc_relinfo(Oid relid)
{
	CellencRelinfo *info = recent[relid % RECENT];
	Found		found = {0};
	uint64		seen = messages;
	MemoryContext cxt;
	MemoryContext old;

	if (likely(info && info->relid == relid && is_current(info)))
		return info;
	recent[relid % RECENT] = info = find_entry(relid);
	if (is_current(info))
		return info;

	cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc relation", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	if (relid >= FirstNormalObjectId)
		read_relation(relid, &found);
	MemoryContextSwitchTo(old);

	/* looked for again: a message may have come in and removed it */
	recent[relid % RECENT] = info = find_entry(relid);
	info->valid = false;
	if (info->columns)
		pfree(info->columns);
	info->columns = NULL;
	info->ncolumns = found.ncolumns;
	if (found.ncolumns > 0)
	{
		Size		size = found.ncolumns * sizeof(CellencColumn);

		info->columns = MemoryContextAlloc(CacheMemoryContext, size);
		memcpy(info->columns, found.columns, size);
	}
	info->nested = found.nested ? seen : 0;
	info->valid = found.nested || seen == messages;
	MemoryContextDelete(cxt);
	return info;
}

/*
 * Somebody may be reading the columns of the entry.  One without any goes, or
 * those of temporary tables would pile up.
 */
static void
forget(CellencRelinfo *info)
{
	info->valid = false;
	if (info->columns)
		return;
	recent[info->relid % RECENT] = NULL;
	(void) hash_search(relations, &info->relid, HASH_REMOVE, NULL);
}

static void
relcache_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	CellencRelinfo *info;

	messages++;
	if (!relations)
		return;
	if (OidIsValid(relid))
	{
		info = hash_search(relations, &relid, HASH_FIND, NULL);
		if (info)
			forget(info);
		return;
	}
	hash_seq_init(&status, relations);
	while ((info = hash_seq_search(&status)) != NULL)
		forget(info);
}

void
cellenc_relinfo_init(void)
{
	CacheRegisterRelcacheCallback(relcache_changed, (Datum) 0);
}
