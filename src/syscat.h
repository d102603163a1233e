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
#include "access/tupdesc.h"

/* The row of a catalog with this oid, or NULL; a copy. */
extern HeapTuple cellenc_syscat_row(Oid catalog, Oid index, AttrNumber oidattr, Oid oid);

/* As above, as the catalog's snapshot has it, with its columns. */
extern HeapTuple cellenc_syscat_visible_row(Oid catalog, Oid index, AttrNumber oidattr, Oid oid,
											TupleDesc *desc);

/* That of a column, dropped ones included. */
extern HeapTuple cellenc_syscat_attribute(Oid relid, AttrNumber attnum);

#endif							/* CELLENC_SYSCAT_H */
