/*-------------------------------------------------------------------------
 *
 * interned.h
 *	  Plaintexts of the values that a sort has in memory, each once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_INTERNED_H
#define CELLENC_INTERNED_H

#include "twin.h"

typedef struct CellencInterned CellencInterned;

/*
 * An empty store of plaintexts of one twin, whose base is passed by reference,
 * in a context of its own under parent, with which it goes.  It takes up to
 * limit bytes and a little more.  NULL if values of the base cannot be hashed.
 */
extern CellencInterned *cellenc_interned_create(const CellencTwin *twin, Oid collation,
												MemoryContext parent, Size limit);

/*
 * Keep a copy of plain, unless a value that the base calls equal is there.
 * Returns what stands for all of them, or 0 if it cannot be kept: then no equal
 * one is or will be, until everything is forgotten.
 */
extern Datum cellenc_interned_add(CellencInterned *interned, Datum plain);

/* The plaintext that key stands for, or 0 if that has been forgotten. */
extern Datum cellenc_interned_get(const CellencInterned *interned, Datum key);

/* Forget everything. */
extern void cellenc_interned_reset(CellencInterned *interned);

#endif							/* CELLENC_INTERNED_H */
