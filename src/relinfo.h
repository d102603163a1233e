/*-------------------------------------------------------------------------
 *
 * relinfo.h
 *	  Which columns of a relation are encrypted, cached per backend.
 *
 * For questions that every statement asks; where twins are in the whole
 * database, and how to walk through their values, is in columns and walk.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_RELINFO_H
#define CELLENC_RELINFO_H

#include "access/attnum.h"
#include "nodes/pg_list.h"

/* A twin in a column, or inside its array, composite or domain. */
typedef struct CellencColumn
{
	AttrNumber	attno;
	int32		typmod;			/* key and search */
} CellencColumn;

typedef struct CellencRelinfo CellencRelinfo;

struct CellencRelinfo
{
	Oid			relid;			/* hash key */
	bool		valid;
	uint64		nested;			/* see relinfo.c */
	int			ncolumns;		/* one entry for each key of a column */
	CellencColumn *columns;		/* NULL: none */
};

/*
 * What is known of a table or of an index; of an index: the table's columns
 * that its key columns hold.  Never NULL: a relation that is gone has no
 * columns.  The caller holds a lock on it.  Valid until the next call.
 */
extern const CellencRelinfo *cellenc_relinfo(Oid relid);

/* Only from _PG_init. */
extern void cellenc_relinfo_init(void);

#endif							/* CELLENC_RELINFO_H */
