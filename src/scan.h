/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Every twin value that a relation stores.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_SCAN_H
#define CELLENC_SCAN_H

#include "storage/itemptr.h"
#include "utils/relcache.h"

#include "walk.h"

/* Which row versions a scan visits. */
typedef enum CellencScanRows
{
	CELLENC_SCAN_VISIBLE,		/* those the active snapshot sees */
	CELLENC_SCAN_KEPT			/* all that some snapshot may see, or whose
								 * transaction may still commit */
} CellencScanRows;

/* A value, or what should hold some and is damaged. */
typedef struct CellencStored
{
	Relation	rel;
	ItemPointerData tid;
	AttrNumber	attnum;
	const CellencLeaf *leaf;	/* NULL: what holds the values is damaged */
	Datum		value;			/* valid if leaf is */
	uint32		version_id;		/* 0: no sealed value */
	TransactionId removed_by;	/* valid where only older snapshots see the
								 * row version */
} CellencStored;

/* Called in a short-lived memory context; may throw. */
typedef void (*CellencScanVisitor) (const CellencStored *stored, void *arg);

/* Does this kind of relation store rows that this session can read? */
extern bool cellenc_scan_handles(Relation rel);

/*
 * Open a relation with AccessShareLock: NULL, and a NOTICE, for what
 * cellenc_scan_handles refuses; NULL where it is gone or stores nothing itself.
 */
extern Relation cellenc_scan_open(Oid relid);

/*
 * Visit the values of a relation, opened and locked by the caller, without
 * opening any; of a value out of line, only the first bytes are fetched.
 * Below 100 percent, of blocks chosen at random.  Interruptible; reads through
 * a small ring of buffers.  Under CELLENC_SCAN_KEPT, percent is 100.
 */
extern void cellenc_scan_relation(Relation rel, CellencScanRows rows, double percent,
								  CellencScanVisitor visitor, void *arg);

#endif							/* CELLENC_SCAN_H */
