/*-------------------------------------------------------------------------
 *
 * indexpages.c
 *	  The key versions that values on an index's pages are under.
 *
 * VACUUM removes an index's items of dead rows, but a btree's pivots and high
 * keys, which are copies of values, stay for as long as the index.  Every
 * search may compare with them, and fails when their version is destroyed.
 *
 * A btree is read level by level, from the leaves up, each to the right: where
 * a page is split meanwhile, what it held is still to come, and a pivot made
 * meanwhile is a copy of something that was visited.  Pages that are deleted
 * keep their right link while our snapshot is there.
 *
 * The other access methods have pages of their own kinds; in them, the bytes
 * are searched for what begins as a stored value does.
 *
 * Touches codec, envelope, keyring, walk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/itup.h"
#include "access/nbtree.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "codec.h"
#include "compat.h"
#include "envelope.h"
#include "indexpages.h"
#include "keyring.h"
#include "report.h"
#include "walk.h"

/* As many as a btree can have, and some more. */
#define MAX_LEVELS 64

typedef struct PageScan
{
	Relation	index;
	CellencVersionVisitor visitor;
	void	   *arg;
	bool		stopped;		/* the visitor has seen enough */

	CellencWalk *walks[INDEX_MAX_KEYS]; /* NULL: holds no twin */
	int			nkeys;			/* last key column that holds one */

	BufferAccessStrategy strategy;
	MemoryContext page_cxt;
	PGAlignedBlock page;		/* a copy: nothing is called under its lock */
} PageScan;

static Page
read_page(PageScan *scan, BlockNumber block)
{
	Buffer		buffer;

	CHECK_FOR_INTERRUPTS();
	buffer = ReadBufferExtended(scan->index, MAIN_FORKNUM, block, RBM_NORMAL, scan->strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(scan->page.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return (Page) scan->page.data;
}

/*
 * Btree
 */

/* A CellencReplacer that replaces nothing. */
static Datum
visit_value(const CellencLeaf *leaf, Datum value, void *arg)
{
	PageScan   *scan = arg;

	if (!scan->stopped)
		scan->stopped = !scan->visitor(cellenc_codec_version_id(value), scan->arg);
	return value;
}

static void
visit_tuple(PageScan *scan, IndexTuple tuple)
{
	int			natts = Min(BTreeTupleGetNAtts(tuple, scan->index), scan->nkeys);

	for (int i = 0; i < natts && !scan->stopped; i++)
	{
		bool		isnull;
		Datum		value;

		if (!scan->walks[i])
			continue;
		value = index_getattr(tuple, i + 1, RelationGetDescr(scan->index), &isnull);
		if (!isnull)
			(void) cellenc_walk_replace(scan->walks[i], value, visit_value, scan);
	}
}

/* Visit what is on the page and return its right sibling's number. */
static BlockNumber
visit_btree_page(PageScan *scan, BlockNumber block)
{
	Page		page = read_page(scan, block);
	BTPageOpaque opaque;
	OffsetNumber last;
	MemoryContext oldcxt;

	if (PageIsNew(page))
		return P_NONE;
	opaque = BTPageGetOpaque(page);
	if (P_ISDELETED(opaque))
		return opaque->btpo_next;

	oldcxt = MemoryContextSwitchTo(scan->page_cxt);
	last = PageGetMaxOffsetNumber(page);
	for (OffsetNumber i = FirstOffsetNumber; i <= last && !scan->stopped; i++)
	{
		/* the first item of an inner page stands for minus infinity */
		if (!P_ISLEAF(opaque) && i == P_FIRSTDATAKEY(opaque))
			continue;
		visit_tuple(scan, (IndexTuple) PageGetItem(page, PageGetItemId(page, i)));
	}
	MemoryContextSwitchTo(oldcxt);
	MemoryContextReset(scan->page_cxt);
	return opaque->btpo_next;
}

/* The leftmost page of each level, from the root down; returns their number. */
static int
find_levels(PageScan *scan, BlockNumber *first)
{
	Page		page = read_page(scan, BTREE_METAPAGE);
	BlockNumber block = BTPageGetMeta(page)->btm_root;
	int			count = 0;

	while (block != P_NONE)
	{
		BTPageOpaque opaque;

		if (count == MAX_LEVELS)
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("index \"%s\" has too many levels",
							RelationGetRelationName(scan->index))));
		first[count] = block;
		page = read_page(scan, block);
		opaque = BTPageGetOpaque(page);
		if (P_ISDELETED(opaque))
		{
			block = opaque->btpo_next;
			continue;
		}
		count++;
		if (P_ISLEAF(opaque) || PageGetMaxOffsetNumber(page) < P_FIRSTDATAKEY(opaque))
			break;
		block = BTreeTupleGetDownLink((IndexTuple)
									  PageGetItem(page, PageGetItemId(page, P_FIRSTDATAKEY(opaque))));
	}
	return count;
}

static void
visit_btree(PageScan *scan)
{
	BlockNumber first[MAX_LEVELS];
	int			level = find_levels(scan, first);

	while (level-- > 0)
	{
		BlockNumber block = first[level];

		while (block != P_NONE && !scan->stopped)
			block = visit_btree_page(scan, block);
	}
}

/*
 * Others
 */

static void
visit_bytes(PageScan *scan, Page page)
{
	PageHeader	header = (PageHeader) page;
	const uint8 *bytes = (const uint8 *) page;

	/* what lies between lower and upper is free, whatever it held before */
	if (PageIsNew(page) || header->pd_special > BLCKSZ || header->pd_upper > header->pd_special)
		return;
	for (int i = header->pd_upper; i + 5 <= header->pd_special && !scan->stopped; i++)
	{
		uint32		version_id;

		if (bytes[i] != CELLENC_FORMAT_PLAIN && bytes[i] != CELLENC_FORMAT_TERM)
			continue;
		version_id = (uint32) bytes[i + 1] << 24 | (uint32) bytes[i + 2] << 16 |
			(uint32) bytes[i + 3] << 8 | (uint32) bytes[i + 4];
		scan->stopped = !scan->visitor(version_id, scan->arg);
	}
}

static void
visit_all_pages(PageScan *scan)
{
	BlockNumber block = 0;
	BlockNumber end;

	/* what is added while we read is looked at as well */
	while (!scan->stopped && (end = RelationGetNumberOfBlocks(scan->index)) > block)
	{
		while (!scan->stopped && block < end)
			visit_bytes(scan, read_page(scan, block++));
	}
}

void
cellenc_indexpages_visit(Relation index, CellencVersionVisitor visitor, void *arg)
{
	PageScan   *scan;

	if (!RELKIND_HAS_STORAGE(index->rd_rel->relkind) || index->rd_rel->relam == HASH_AM_OID)
		return;

	scan = palloc0(sizeof(PageScan));
	scan->index = index;
	scan->visitor = visitor;
	scan->arg = arg;
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(index), i);

		scan->walks[i] = cellenc_walk_plan(att->atttypid, att->atttypmod);
		if (scan->walks[i])
			scan->nkeys = i + 1;
	}
	if (scan->nkeys > 0)
	{
		scan->strategy = GetAccessStrategy(BAS_BULKREAD);
		scan->page_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc index page",
											   ALLOCSET_DEFAULT_SIZES);
		if (index->rd_rel->relam == BTREE_AM_OID)
			visit_btree(scan);
		else
			visit_all_pages(scan);
		MemoryContextDelete(scan->page_cxt);
		FreeAccessStrategy(scan->strategy);
	}
	pfree(scan);
}

/*
 * cellenc.index_versions()
 */

typedef struct VersionCount
{
	uint32		version_id;		/* hash key */
	int64		count;
} VersionCount;

/* A CellencVersionVisitor: only ids that exist count, see visit_bytes. */
static bool
count_version(uint32 version_id, void *arg)
{
	bool		found;
	VersionCount *entry;

	if (!cellenc_keyring_version(version_id))
		return true;
	entry = hash_search(arg, &version_id, HASH_ENTER, &found);
	entry->count = found ? entry->count + 1 : 1;
	return true;
}

PG_FUNCTION_INFO_V1(cellenc_index_versions);

/* cellenc.index_versions(index regclass): values on its pages by key and version. */
Datum
cellenc_index_versions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	index;
	HASHCTL		ctl;
	HTAB	   *counts;
	HASH_SEQ_STATUS status;
	VersionCount *entry;

	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);
	ctl.keysize = sizeof(uint32);
	ctl.entrysize = sizeof(VersionCount);
	ctl.hcxt = CurrentMemoryContext;
	counts = hash_create("cellenc versions", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	index = index_open(PG_GETARG_OID(0), AccessShareLock);
	cellenc_indexpages_visit(index, count_version, counts);
	index_close(index, AccessShareLock);

	hash_seq_init(&status, counts);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		CellencKeyVersion *version = cellenc_keyring_version(entry->version_id);
		Datum		values[3];
		bool		nulls[3] = {false};

		if (!version)
			continue;			/* dropped meanwhile, with the extension */
		values[0] = CStringGetTextDatum(version->key->row.name);
		values[1] = Int32GetDatum(version->row.version);
		values[2] = Int64GetDatum(entry->count);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
