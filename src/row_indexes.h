/*-------------------------------------------------------------------------
 *
 * row_indexes.h
 *	  The indexes of a relation whose rows are written past the executor.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_ROW_INDEXES_H
#define CELLENC_ROW_INDEXES_H

#include "access/tableam.h"
#include "utils/relcache.h"

#include "compat.h"

typedef struct CellencRowIndexes CellencRowIndexes;

/*
 * The indexes of rel, opened for insertion; their expressions and predicates
 * run as owner.  Lives in CurrentMemoryContext.
 */
extern CellencRowIndexes *cellenc_row_indexes_open(Relation rel, Oid owner);

/*
 * Entries for the row in slot, whose tts_tid is set, in those indexes that an
 * update says need them.  Does not look for duplicates.
 */
extern void cellenc_row_indexes_insert(CellencRowIndexes *indexes, TupleTableSlot *slot,
									   TU_UpdateIndexes which);

/* Keeps the locks. */
extern void cellenc_row_indexes_close(CellencRowIndexes *indexes);

#endif							/* CELLENC_ROW_INDEXES_H */
