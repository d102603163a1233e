/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  Where in this database twins are stored.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_COLUMNS_H
#define CELLENC_COLUMNS_H

#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"

/*
 * Relations with rows that the rewriter handles, in ascending order of oid,
 * that may hold values under one of the keys.
 */
extern List *cellenc_columns_relations(const pg_uuid_t *keys, int nkeys);

/* Those that it does not handle: temporary and foreign tables. */
extern List *cellenc_columns_out_of_reach(const pg_uuid_t *keys, int nkeys);

/*
 * Relations that may store values under the key with this hash of its name,
 * -1: under any: those that the rewriter handles, then the others, each in
 * ascending order of oid.
 */
extern List *cellenc_columns_stored(int32 name_hash);

/* Called for every column that holds a twin, of a relation of any kind. */
typedef void (*CellencColumnVisitor) (Form_pg_class class, Form_pg_attribute att, void *arg);

extern void cellenc_columns_visit(CellencColumnVisitor visitor, void *arg);

/* Does a type, with the modifier of its column, name the key with this hash? */
extern bool cellenc_columns_names_key(Oid type, int32 typmod, int32 name_hash);

#endif							/* CELLENC_COLUMNS_H */
