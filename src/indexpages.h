/*-------------------------------------------------------------------------
 *
 * indexpages.h
 *	  The key versions that values on an index's pages are under.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_INDEXPAGES_H
#define CELLENC_INDEXPAGES_H

#include "utils/relcache.h"

/* Called with the version id of a value; false: seen enough. */
typedef bool (*CellencVersionVisitor) (uint32 version_id, void *arg);

/*
 * Visit every twin value in key columns of the index, in dead items, pivots
 * and high keys as well: whatever a search may compare with.  Hash indexes
 * hold no values.  Of access methods other than btree, what merely looks like
 * a value is visited too.
 *
 * The caller holds a lock on the index and a snapshot, and must be sure that
 * nobody stores values under the versions he asks for any more.  Works on a
 * standby.
 */
extern void cellenc_indexpages_visit(Relation index, CellencVersionVisitor visitor, void *arg);

#endif							/* CELLENC_INDEXPAGES_H */
