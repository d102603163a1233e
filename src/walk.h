/*-------------------------------------------------------------------------
 *
 * walk.h
 *	  Twin values inside domains, arrays and composites.
 *
 * A plan tells where a type holds twins; with it every twin value of a datum
 * can be visited or replaced.  Ranges hold none: the guard refuses them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_WALK_H
#define CELLENC_WALK_H

#include "nodes/pg_list.h"

typedef struct CellencWalk CellencWalk;

/* One place in a type where twin values are. */
typedef struct CellencLeaf
{
	Oid			twin;
	int32		typmod;			/* key and search of the values there */
} CellencLeaf;

/* Does type contain a twin?  Reads the system catalogs alone. */
extern bool cellenc_walk_contains(Oid type);

/*
 * Plan of a type with the type modifier of its column; NULL where it holds no
 * twin.  Lives in CurrentMemoryContext and is valid while the caller's lock
 * keeps the column's type as it is.
 */
extern CellencWalk *cellenc_walk_plan(Oid type, int32 typmod);

/* The twin, where the type is one or a domain over one; else InvalidOid. */
extern Oid	cellenc_walk_twin(const CellencWalk *walk);

/* All places of a plan, as palloc'd CellencLeaf, in the order of the type. */
extern List *cellenc_walk_leaves(const CellencWalk *walk);

/*
 * Called for every twin value that is not null: returns the value to put in
 * its place, or the same datum to leave it.
 */
typedef Datum (*CellencReplacer) (const CellencLeaf *leaf, Datum value, void *arg);

/*
 * value with what replacer returned in place of its twin values; the same
 * datum where nothing changed.  Works in CurrentMemoryContext.
 */
extern Datum cellenc_walk_replace(const CellencWalk *walk, Datum value,
								  CellencReplacer replacer, void *arg);

#endif							/* CELLENC_WALK_H */
