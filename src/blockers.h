/*-------------------------------------------------------------------------
 *
 * blockers.h
 *	  What may still need a key version that is to be destroyed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_BLOCKERS_H
#define CELLENC_BLOCKERS_H

#include "access/xlogdefs.h"

#include "keycatalog.h"

typedef struct CellencBlocker
{
	const char *blocker;		/* its kind, one word */
	char	   *detail;
	char	   *hint;			/* what makes it go away */
} CellencBlocker;

/*
 * Everything that may still need a version of a key, as palloc'd CellencBlocker.
 * Looks at every stored value of the database.  Only if the caller holds
 * cellenc_keycatalog_lock is an empty list true for longer than a moment: the
 * version stays disabled, so nobody comes to hold a value under it.
 */
extern List *cellenc_blockers(const CellencKeyRow *key, const CellencVersionRow *version);

/*
 * The part of it that the server knows: sessions, transactions, slots,
 * standbys and jobs that may need a version disabled by a change of its row
 * that ends at lsn.  Read with a superuser's rights.
 */
extern List *cellenc_blockers_of_server(const CellencKeyRow *key, const CellencVersionRow *version,
										XLogRecPtr lsn);

/* Jobs alone. */
extern List *cellenc_blockers_of_jobs(const CellencKeyRow *key);

/* Who may see row versions that transaction removed_by removed. */
extern List *cellenc_blockers_of_snapshots(TransactionId removed_by);

extern CellencBlocker *cellenc_blocker(const char *blocker, char *detail, char *hint);

#endif							/* CELLENC_BLOCKERS_H */
