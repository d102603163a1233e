/*-------------------------------------------------------------------------
 *
 * syscat.h
 *	  Rows of the system catalogs as the command at hand has left them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_SYSCAT_H
#define CELLENC_SYSCAT_H

#include "access/attnum.h"
#include "access/htup.h"

/* The row of a catalog with this oid, or NULL; a copy. */
extern HeapTuple cellenc_syscat_row(Oid catalog, Oid index, AttrNumber oidattr, Oid oid);

/* That of a column, dropped ones included. */
extern HeapTuple cellenc_syscat_attribute(Oid relid, AttrNumber attnum);

#endif							/* CELLENC_SYSCAT_H */
