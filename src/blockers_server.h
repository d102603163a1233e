/*-------------------------------------------------------------------------
 *
 * blockers_server.h
 *	  Sessions, slots, standbys and jobs that may need a key version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_BLOCKERS_SERVER_H
#define CELLENC_BLOCKERS_SERVER_H

#include "access/xlogdefs.h"

#include "keycatalog.h"

/* Something that may still need a key version. */
typedef struct CellencBlocker
{
	const char *blocker;		/* its kind, one word */
	char	   *detail;
	char	   *hint;			/* what makes it go away */
} CellencBlocker;

/* A palloc'd one with these texts, which are not copied. */
extern CellencBlocker *cellenc_blocker(const char *blocker, char *detail, char *hint);

/*
 * What the server knows: sessions, transactions, slots, standbys and jobs that
 * may need a version disabled by a change of its row that ends at lsn, as
 * palloc'd CellencBlocker.  Read with a superuser's rights.
 */
extern List *cellenc_blockers_of_server(const CellencKeyRow *key, const CellencVersionRow *version,
										XLogRecPtr lsn);

/* Jobs alone. */
extern List *cellenc_blockers_of_jobs(const CellencKeyRow *key);

/* Who may see row versions that transaction removed_by removed. */
extern List *cellenc_blockers_of_snapshots(TransactionId removed_by);

#endif							/* CELLENC_BLOCKERS_SERVER_H */
