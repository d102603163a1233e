/*-------------------------------------------------------------------------
 *
 * rewriter.h
 *	  One batch of a relation: reseal its stale twin values in place of an
 *	  SQL UPDATE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_REWRITER_H
#define CELLENC_REWRITER_H

#include "storage/block.h"
#include "utils/relcache.h"
#include "utils/uuid.h"

typedef struct CellencBatch
{
	/* in */
	BlockNumber first;			/* range of blocks ... */
	BlockNumber end;			/* ... without this one */
	const pg_uuid_t *keys;		/* values under other keys are left alone */
	int			nkeys;
	bool		wait;			/* wait, a little, for rows others hold */
	bool		careful;		/* survive values that cannot be opened */
	int64		bad_to_log;		/* WARNINGs left for those */

	/* out, complete when the batch returns */
	BlockNumber next;			/* where the next batch begins */
	int64		found;			/* rows with a stale value, treated or not */
	int64		values;			/* values resealed */
	int64		bad;			/* values that could not be opened */
} CellencBatch;

/* Blocks that a batch should have. */
#define CELLENC_BATCH_BLOCKS 64

/* Does this kind of relation store rows that the rewriter can reach? */
extern bool cellenc_rewriter_handles(char relkind, char relpersistence);

/*
 * Treat the rows of the range that a fresh snapshot sees.  A value is stale
 * when it is under a version, other than the current one, of one of the keys.
 *
 * The caller holds RowExclusiveLock on rel and runs this in a subtransaction
 * of a READ COMMITTED transaction, to be rolled back on any ERROR.  A batch
 * that is not careful fails with XX001 at the first value that cannot be
 * opened, and is to be repeated carefully.
 */
extern void cellenc_rewriter_batch(Relation rel, CellencBatch *batch);

#endif							/* CELLENC_REWRITER_H */
