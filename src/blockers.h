/*-------------------------------------------------------------------------
 *
 * blockers.h
 *	  What may still need a key version that is to be destroyed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_BLOCKERS_H
#define CELLENC_BLOCKERS_H

#include "blockers_server.h"

/*
 * Everything that may still need a version of a key, as palloc'd CellencBlocker.
 * Looks at every stored value of the database.  Only if the caller holds
 * cellenc_keycatalog_lock is an empty list true for longer than a moment: the
 * version stays disabled, so nobody comes to hold a value under it.
 */
extern List *cellenc_blockers(const CellencKeyRow *key, const CellencVersionRow *version);

#endif							/* CELLENC_BLOCKERS_H */
