/*-------------------------------------------------------------------------
 *
 * retire.h
 *	  The end of key versions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_RETIRE_H
#define CELLENC_RETIRE_H

#include "keycatalog.h"

/*
 * Delete the wraps of a version and make its row a tombstone, under
 * cellenc_keycatalog_lock; detail is for the event, or NULL.  The caller has
 * made sure that nothing needs the version.
 */
extern void cellenc_retire_destroy(const CellencKeyRow *key, const CellencVersionRow *version,
								   const char *detail);

#endif							/* CELLENC_RETIRE_H */
