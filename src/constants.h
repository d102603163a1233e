/*-------------------------------------------------------------------------
 *
 * constants.h
 *	  Values in the system catalogs: constants of stored expressions, missing
 *	  values of columns, statistics.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_CONSTANTS_H
#define CELLENC_CONSTANTS_H

#include "catalog/objectaddress.h"

typedef enum CellencHolder
{
	CELLENC_HOLDER_EXPRESSION,	/* a stored expression or query */
	CELLENC_HOLDER_MISSING,		/* attmissingval of a column */
	CELLENC_HOLDER_STATISTICS	/* of a column or of CREATE STATISTICS */
} CellencHolder;

typedef void (*CellencHolderVisitor) (CellencHolder holder, const ObjectAddress *object, void *arg);

/* Call visitor for every object of this database that holds a value under the version. */
extern void cellenc_constants_under(uint32 version_id, CellencHolderVisitor visitor, void *arg);

/* The same for every stored expression with a cast to the key of this hash. */
extern void cellenc_constants_naming(int32 name_hash, CellencHolderVisitor visitor, void *arg);

#endif							/* CELLENC_CONSTANTS_H */
