/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  Where in this database twins are stored.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_COLUMNS_H
#define CELLENC_COLUMNS_H

#include "nodes/pg_list.h"
#include "utils/uuid.h"

/*
 * Relations with rows that the rewriter handles, in ascending order of oid,
 * that may hold values under one of the keys.
 */
extern List *cellenc_columns_relations(const pg_uuid_t *keys, int nkeys);

/* Those that it does not handle: temporary and foreign tables. */
extern List *cellenc_columns_out_of_reach(const pg_uuid_t *keys, int nkeys);

#endif							/* CELLENC_COLUMNS_H */
