/*-------------------------------------------------------------------------
 *
 * convert_map.c
 *	  Where the copy of each row is, while a column of a table is converted.
 *
 * One row for each block of the table: an array of positions in the shadow, by
 * line pointer.  Kept apart from the shadow, whose rows must be exactly those
 * that the table is to have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "storage/bufpage.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "compat.h"
#include "convert.h"

/* Columns: block bigint, rows bytea. */
#define MAP_BLOCK 1
#define MAP_ROWS 2

struct CellencConvertMap
{
	Relation	rel;
	Oid			index;
	CatalogIndexState indexes;

	/* the block at hand */
	BlockNumber block;			/* InvalidBlockNumber: none */
	bool		changed;
	bool		stored;			/* at tid */
	ItemPointerData tid;
	int			count;			/* of entries in use */
	ItemPointerData entries[MaxHeapTuplesPerPage];
};

CellencConvertMap *
cellenc_convert_map_open(Oid mapid)
{
	CellencConvertMap *map = palloc0(sizeof(CellencConvertMap));
	List	   *indexes;

	map->rel = table_open(mapid, RowExclusiveLock);
	indexes = RelationGetIndexList(map->rel);
	if (list_length(indexes) != 1)
		elog(ERROR, "expected one index of relation \"%s\"", RelationGetRelationName(map->rel));
	map->index = linitial_oid(indexes);
	map->indexes = CatalogOpenIndexes(map->rel);
	map->block = InvalidBlockNumber;
	return map;
}

static void
flush(CellencConvertMap *map)
{
	Size		len = map->count * sizeof(ItemPointerData);
	bytea	   *rows;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	HeapTuple	tuple;

	if (map->block == InvalidBlockNumber || !map->changed)
		return;
	rows = palloc(VARHDRSZ + len);
	SET_VARSIZE(rows, VARHDRSZ + len);
	memcpy(VARDATA(rows), map->entries, len);
	values[MAP_BLOCK - 1] = Int64GetDatum((int64) map->block);
	values[MAP_ROWS - 1] = PointerGetDatum(rows);
	tuple = heap_form_tuple(RelationGetDescr(map->rel), values, nulls);
	if (map->stored)
		CatalogTupleUpdateWithInfo(map->rel, &map->tid, tuple, map->indexes);
	else
		CatalogTupleInsertWithInfo(map->rel, tuple, map->indexes);
	map->stored = true;
	map->tid = tuple->t_self;
	heap_freetuple(tuple);
	pfree(rows);
	map->changed = false;
}

static void
read_block(CellencConvertMap *map, BlockNumber block)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	map->block = block;
	map->changed = map->stored = false;
	map->count = 0;
	ScanKeyInit(&key, MAP_BLOCK, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) block));
	scan = systable_beginscan(map->rel, map->index, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		bytea	   *rows = DatumGetByteaPP(heap_getattr(tuple, MAP_ROWS, RelationGetDescr(map->rel),
														&isnull));
		Size		len = VARSIZE_ANY_EXHDR(rows);

		if (len > sizeof(map->entries))
			elog(ERROR, "invalid length of a row of relation \"%s\"", RelationGetRelationName(map->rel));
		memcpy(map->entries, VARDATA_ANY(rows), len);
		map->count = len / sizeof(ItemPointerData);
		map->stored = true;
		map->tid = tuple->t_self;
	}
	systable_endscan(scan);
}

static void
go_to(CellencConvertMap *map, const ItemPointerData *tid)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);

	if (map->block == block)
		return;
	flush(map);
	read_block(map, block);
}

ItemPointerData
cellenc_convert_map_get(CellencConvertMap *map, const ItemPointerData *tid)
{
	int			i = ItemPointerGetOffsetNumberNoCheck(tid) - FirstOffsetNumber;
	ItemPointerData copy;

	go_to(map, tid);
	if (i < map->count)
		return map->entries[i];
	ItemPointerSetInvalid(&copy);
	return copy;
}

void
cellenc_convert_map_set(CellencConvertMap *map, const ItemPointerData *tid,
						const ItemPointerData *copy)
{
	int			i = ItemPointerGetOffsetNumberNoCheck(tid) - FirstOffsetNumber;

	go_to(map, tid);
	if (i < 0 || i >= MaxHeapTuplesPerPage)
		elog(ERROR, "invalid row number %d", i);
	for (; map->count <= i; map->count++)
		ItemPointerSetInvalid(&map->entries[map->count]);
	map->entries[i] = *copy;
	map->changed = true;
}

void
cellenc_convert_map_close(CellencConvertMap *map)
{
	flush(map);
	CatalogCloseIndexes(map->indexes);
	table_close(map->rel, NoLock);
	pfree(map);
}
