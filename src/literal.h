/*-------------------------------------------------------------------------
 *
 * literal.h
 *	  Constants in statements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_LITERAL_H
#define CELLENC_LITERAL_H

#include "twin.h"

/*
 * The constant base, which the parser reads, as a flat value under the literal
 * key; palloc'd.  The same bytes whenever it comes again in a transaction.
 */
extern Datum cellenc_literal_seal(const CellencTwin *twin, Datum base);

#endif							/* CELLENC_LITERAL_H */
