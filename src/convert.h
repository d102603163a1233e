/*-------------------------------------------------------------------------
 *
 * convert.h
 *	  Conversion of a live column to an encrypted type, or back.
 *
 * A new heap, the shadow, is built beside the table; changes of the table are
 * noted in a log meanwhile; at the end the two exchange their files.  The
 * order of the files: convert (the SQL functions), convert_step (phases) ->
 * convert_start, convert_switch (the definition; files) -> convert_check,
 * convert_carry -> convert_view, convert_index -> convert_copy -> convert_map,
 * convert_log, convert_settle -> convert_depend -> convert_shadow ->
 * convert_state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_CONVERT_H
#define CELLENC_CONVERT_H

#include "access/attnum.h"
#include "access/genam.h"
#include "access/htup.h"
#include "access/tupdesc.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "job.h"

/* Where shadows, logs and maps are; nobody may use it. */
#define CELLENC_CONVERT_SCHEMA "cellenc_conversion"

typedef enum CellencConvertPhase
{
	CELLENC_CONVERT_START,		/* shadows are made where there is none */
	CELLENC_CONVERT_COPY,
	CELLENC_CONVERT_INDEX,
	CELLENC_CONVERT_CATCH_UP,
	CELLENC_CONVERT_SWITCH,
	CELLENC_CONVERT_SWITCHED,	/* the table is converted */
	CELLENC_CONVERT_VACUUM,
	CELLENC_CONVERT_CLEAN_UP	/* nothing comes of it */
} CellencConvertPhase;

/* A row of cellenc.conversion_heap: a table that stores rows, and its shadow. */
typedef struct CellencConvertHeap
{
	Oid			relation;
	Oid			file;			/* its relfilenode when it was begun */
	Oid			shadow;
	Oid			log;			/* of changes of the table */
	Oid			map;			/* of rows of the table to those of the shadow */
	Oid			trigger;		/* what fills the log */
	int64		next_block;		/* rows before it have been copied */
	int64		end_block;		/* rows from it on are in the log */
	bool		indexed;		/* the shadow has the indexes below */
	List	   *indexes;		/* their definitions (char *) on the table */
} CellencConvertHeap;

/* A row of cellenc.conversion with those of its heaps. */
typedef struct CellencConversion
{
	int64		job;
	Oid			relation;		/* that the user named */
	AttrNumber	attnum;			/* in it */
	Oid			role;			/* who asked */
	Oid			type;			/* the column's new one */
	int32		typmod;
	Oid			collation;
	int32		key_version;	/* current when the shadows were begun */
	CellencConvertPhase phase;
	bool		settled;		/* nobody's snapshot is older than a copy that
								 * convert_settle.c does not know */
	char	   *error;			/* what ended it; NULL: a cancel, or nothing */
	List	   *heaps;			/* of CellencConvertHeap */
} CellencConversion;

/*
 * convert_state.c
 */

extern void cellenc_convert_insert(const CellencConversion *conversion);

/* False where there is none.  In CurrentMemoryContext. */
extern bool cellenc_convert_load(int64 job, CellencConversion *conversion);

/* Write back what may change of a conversion, its heaps aside. */
extern void cellenc_convert_save(const CellencConversion *conversion);
extern void cellenc_convert_insert_heap(int64 job, const CellencConvertHeap *heap);
extern void cellenc_convert_save_heap(int64 job, const CellencConvertHeap *heap);
extern void cellenc_convert_delete_heap(int64 job, Oid relation);
extern void cellenc_convert_delete(int64 job);

/*
 * An older job than this one that has not ended and converts a column of the
 * same table, or of one of the tables that it consists of; 0: none.
 */
extern int64 cellenc_convert_older(const CellencConversion *conversion);

/* The job that converts the column, and has not ended; 0: none. */
extern int64 cellenc_convert_of_column(Oid relation, AttrNumber attnum);

/* Run one statement as the extension's owner. */
extern void cellenc_convert_run(const char *fmt,...) pg_attribute_printf(1, 2);

/* Run one as another role, which may be its author. */
extern void cellenc_convert_run_as(Oid role, const char *sql);

/*
 * Settings for what follows, until cellenc_convert_leave: a fixed search_path
 * and the like, and how long to wait for a lock.
 */
extern int	cellenc_convert_enter(int lock_timeout_ms);
extern void cellenc_convert_leave(int nestlevel);

/*
 * convert_shadow.c
 */

/* The tables with rows that the relation consists of; all of it is locked.  NIL: it is gone. */
extern List *cellenc_convert_leaves(Oid relation, int lockmode);

/* The column's number in one of them. */
extern AttrNumber cellenc_convert_attnum(const CellencConversion *conversion, Oid leaf);

/*
 * Make the shadow, log, map and trigger of rel, on which the caller holds
 * ShareRowExclusiveLock, and fill heap.
 */
extern void cellenc_convert_make_shadow(const CellencConversion *conversion, Relation rel,
										CellencConvertHeap *heap);

/* Does heap still fit the table, and has nothing gone past the log? */
extern bool cellenc_convert_shadow_fits(const CellencConversion *conversion,
										const CellencConvertHeap *heap, Relation rel);

/* The owner of a relation. */
extern Oid	cellenc_convert_owner(Oid relation);

/* The TOAST table of a relation; InvalidOid: none. */
extern Oid	cellenc_convert_toast(Oid relation);

/* Remove all that was made.  Needs AccessExclusiveLock on the table, if it is there. */
extern void cellenc_convert_drop_shadow(const CellencConvertHeap *heap);

/*
 * convert_log.c
 */

/* Entries of a log, both lists palloc'd; tids are sorted and unique. */
typedef struct CellencConvertEntries
{
	ItemPointerData *tids;		/* of rows of the table */
	int			ntids;
	ItemPointerData *entries;	/* of the log's rows */
	int			nentries;
	bool		more;			/* than the limit */
} CellencConvertEntries;

extern void cellenc_convert_read_log(Relation log, Snapshot snapshot, int limit,
									 CellencConvertEntries *entries);
extern void cellenc_convert_sort_tids(ItemPointerData *tids, int ntids);
extern void cellenc_convert_delete_entries(Relation log, const CellencConvertEntries *entries);

/* The rewriter has moved a row of rel past all triggers. */
extern void cellenc_convert_note_moved(Relation rel, ItemPointer from, ItemPointer to);

/*
 * convert_map.c
 */

typedef struct CellencConvertMap CellencConvertMap;

extern CellencConvertMap *cellenc_convert_map_open(Oid map);

/* Where the copy of the row at tid is; invalid: there is none. */
extern ItemPointerData cellenc_convert_map_get(CellencConvertMap *map, const ItemPointerData *tid);
extern void cellenc_convert_map_set(CellencConvertMap *map, const ItemPointerData *tid,
									const ItemPointerData *copy);
extern void cellenc_convert_map_close(CellencConvertMap *map);

/*
 * convert_settle.c
 */

/* What a batch of catching up has written. */
typedef struct CellencConvertBatch CellencConvertBatch;

/* Has this process made the last batch of heap? */
extern bool cellenc_convert_knows_batch(const CellencConvertHeap *heap);

/* Begin a batch that writes up to max rows of the shadow; the last one is settled, or was not committed. */
extern CellencConvertBatch *cellenc_convert_begin_batch(const CellencConvertHeap *heap, int max);

/* A row of the shadow that the current (sub)transaction has inserted or deleted. */
extern void cellenc_convert_batch_add(CellencConvertBatch *batch, const ItemPointerData *tid);
extern void cellenc_convert_forget_batch(const CellencConvertHeap *heap);

/*
 * AccessExclusiveLock on these relations, which the caller has, stays with the
 * session when its transaction commits, until cellenc_convert_take_locked(),
 * which has to be called next.  If either fails, no lock is left.
 */
extern void cellenc_convert_keep_locked(List *relations);

/* The transaction has the locks again.  False: the session kept none. */
extern bool cellenc_convert_take_locked(void);

/* Settle the last batch of heap, whose transaction has ended. */
extern void cellenc_convert_settle(const CellencConvertHeap *heap);

/*
 * convert_copy.c
 */

/* Copy rows from heap->next_block on, for a while; advances it.  Returns the values converted. */
extern int64 cellenc_convert_copy(const CellencConversion *conversion, CellencConvertHeap *heap,
								  Relation rel);

/*
 * Bring the shadow up to date with the log, at most limit entries of it.
 * Returns the number of entries; *more: there are others.
 */
extern int	cellenc_convert_catch_up(const CellencConversion *conversion,
									 const CellencConvertHeap *heap, Relation rel, int limit,
									 bool *more);

/*
 * convert_index.c
 */

/* Statements that make the indexes that relation has now; in a fixed order. */
extern List *cellenc_convert_index_definitions(Oid relation);

/* Oids of the indexes, in the same order. */
extern List *cellenc_convert_index_oids(Oid relation);

/* Are these the same indexes, whatever they and their tables are called? */
extern bool cellenc_convert_same_indexes(List *definitions, List *others);

/* Has the shadow all of them? */
extern bool cellenc_convert_has_indexes(const CellencConvertHeap *heap);

/* Build the next one that it lacks, with expressions evaluated as owner. */
extern void cellenc_convert_build_index(const CellencConvertHeap *heap, Oid owner);

/* Take all away from it. */
extern void cellenc_convert_drop_indexes(const CellencConvertHeap *heap);

/* The shadow's indexes, in the order of the definitions. */
extern List *cellenc_convert_shadow_indexes(const CellencConvertHeap *heap);

/*
 * Indexes whose operator class has to be another one for the new type: take
 * them away before the type changes, and make them again.
 */
extern List *cellenc_convert_take_indexes(const CellencConversion *conversion);
extern void cellenc_convert_put_indexes(const CellencConversion *conversion, List *taken);

/*
 * convert_depend.c
 */

/* Scan what pg_depend has on a column (0: any, or none) of relation. */
extern SysScanDesc cellenc_convert_begin_dependents(Relation depend, Oid relation, AttrNumber attnum);

/*
 * objects (of ObjectAddress *) with those that depend on the column of
 * relation; on any column of it, if attnum is 0.
 */
extern List *cellenc_convert_dependents(List *objects, Oid relation, AttrNumber attnum);

/* Those that depend on the converted column, in any of these tables. */
extern List *cellenc_convert_column_dependents(const CellencConversion *conversion, List *tree);

typedef struct CellencConvertForeignKey
{
	Oid			constraint;
	Oid			referencing;	/* table */
	Oid			referenced;
	Oid			index;			/* of the latter */
	bool		validated;
	int			nkeys;
	AttrNumber *referencing_columns;
	AttrNumber *referenced_columns;
} CellencConvertForeignKey;

/* False where the constraint is none, is gone, or is a part of one on a parent. */
extern bool cellenc_convert_read_foreign_key(Oid constraint, CellencConvertForeignKey *key);

/*
 * Lock the tables at the other end of the column's foreign keys, which are
 * made anew at the switch.  Before the table itself: who changes a referencing
 * table comes to the referenced one later.  Returns them.
 */
extern List *cellenc_convert_lock_others(const CellencConversion *conversion);

/*
 * convert_view.c
 */

/* All views that show the column, directly or not, each after those it reads. */
extern List *cellenc_convert_views(const CellencConversion *conversion);

/* Their texts, before the column changes; parse them again. */
extern List *cellenc_convert_take_views(const CellencConversion *conversion);
extern void cellenc_convert_put_views(List *taken);

/*
 * convert_carry.c
 */

/* What else ALTER TABLE refuses to carry along, taken out of its way, and put back. */
extern List *cellenc_convert_take_dependents(const CellencConversion *conversion);
extern void cellenc_convert_put_dependents(List *taken);

/*
 * convert_check.c
 */

/*
 * ERROR, with a list, unless all that depends on the column can be carried
 * over.  Returns what the user should know of what will be (char *).
 */
extern List *cellenc_convert_check(const CellencConversion *conversion);

/*
 * convert_switch.c
 */

/*
 * Give the tables new, empty files, and the column its new type.  The caller
 * holds AccessExclusiveLock, and rolls back or swaps files.
 */
extern void cellenc_convert_define(const CellencConversion *conversion);

/*
 * With the tables locked and the log worked off: give the column its new type,
 * and the tables the shadows' files.  False where a shadow does not have the
 * indexes that its table has by now; heaps know the right ones.  *notes as
 * cellenc_convert_check() returns them.
 */
extern bool cellenc_convert_exchange(CellencConversion *conversion, List **notes);

/*
 * convert_start.c
 */

/* How long others may have to wait behind us while we wait for a lock. */
#define CELLENC_CONVERT_LOCK_MS 50

/* ERROR unless the role that asked for the job owns the table and has the key. */
extern void cellenc_convert_check_rights(const CellencJob *job, const CellencConversion *conversion);

/* Number of a key's current version; 0: it has none. */
extern int32 cellenc_convert_key_version(const pg_uuid_t *key);

/*
 * Change the definition as the switch will, on empty files, and roll that
 * back.  *relations are the tables with rows, *definitions the indexes that
 * each would have.
 */
extern void cellenc_convert_rehearse(const CellencConversion *conversion, List **relations,
									 List **definitions);

extern CellencConvertHeap *cellenc_convert_heap_of(const CellencConversion *conversion, Oid relation);

/* With these tables locked: is every one of them as it has to be, and none missing? */
extern bool cellenc_convert_all_fit(const CellencConversion *conversion, List *relations);

/*
 * Remove the heaps of tables that are none of `relations`, and those that do
 * not fit any more; make those that are missing.  The tables are locked.
 */
extern void cellenc_convert_remove_misfits(CellencConversion *conversion, List *relations);
extern void cellenc_convert_make_heaps(CellencConversion *conversion, List *relations, List *definitions);

#endif							/* CELLENC_CONVERT_H */
