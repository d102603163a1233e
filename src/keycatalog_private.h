/*-------------------------------------------------------------------------
 *
 * keycatalog_private.h
 *	  Columns, indexes and scans of the key tables: for keycatalog*.c alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_KEYCATALOG_PRIVATE_H
#define CELLENC_KEYCATALOG_PRIVATE_H

#include "access/htup.h"
#include "access/skey.h"
#include "access/tupdesc.h"

#include "keycatalog.h"

/* Attribute numbers, as in sql/cellenc--1.0.sql. */
enum
{
	MASTER_KEY_ID = 1, MASTER_KEY_NAME, MASTER_KEY_KDF, MASTER_KEY_SALT, MASTER_KEY_ROUNDS,
	MASTER_KEY_CHECK, MASTER_KEY_CREATED_AT, MASTER_KEY_NATTS = MASTER_KEY_CREATED_AT
};

enum
{
	KEY_ID = 1, KEY_NAME, KEY_NAME_HASH, KEY_CREATED_AT, KEY_CREATED_BY, KEY_ROTATE_EVERY,
	KEY_NATTS = KEY_ROTATE_EVERY
};

enum
{
	VERSION_ID = 1, VERSION_KEY, VERSION_VERSION, VERSION_STATE, VERSION_SEARCH_KEY, VERSION_CHECK,
	VERSION_CREATED_AT, VERSION_CREATED_BY, VERSION_STATE_SINCE, VERSION_EXPORTED_AT,
	VERSION_STATE_BY, VERSION_NATTS = VERSION_STATE_BY
};

enum
{
	WRAP_OWNER = 1, WRAP_VERSION, WRAP_MASTER_KEY, WRAP_PURPOSE, WRAP_WRAPPED,
	WRAP_NATTS = WRAP_WRAPPED
};

enum
{
	SEARCH_KEY_ID = 1, SEARCH_KEY_CHECK, SEARCH_KEY_IS_CURRENT, SEARCH_KEY_CREATED_AT,
	SEARCH_KEY_NATTS = SEARCH_KEY_CREATED_AT
};

enum
{
	GRANT_KEY = 1, GRANT_ROLE, GRANT_PRIVILEGE, GRANT_GRANTOR, GRANT_GRANTED_AT,
	GRANT_NATTS = GRANT_GRANTED_AT
};

/* Indexes that look-ups go through; see index_names in keycatalog.c. */
typedef enum CellencCatalogIndex
{
	INDEX_MASTER_KEY_ID,
	INDEX_KEY_ID,
	INDEX_KEY_NAME,
	INDEX_KEY_NAME_HASH,
	INDEX_VERSION_ID,
	INDEX_VERSION_KEY,
	INDEX_WRAP,
	INDEX_SEARCH_KEY_ID,
	INDEX_GRANT,
	INDEX_COUNT
} CellencCatalogIndex;

#define CELLENC_NO_INDEX INDEX_COUNT

/* Takes one row; false ends the scan. */
typedef bool (*CellencRowReader) (HeapTuple tuple, TupleDesc desc, void *arg);

/* OID of an index; ERROR where the extension is not installed.  Cached. */
extern Oid	cellenc_keycatalog_index(CellencCatalogIndex index);

/*
 * Hand the rows that match to reader: all of them (nkeys = 0) in the order of
 * the index, if there is one, others in any order.
 */
extern void cellenc_keycatalog_scan(CellencTable table, CellencCatalogIndex index, ScanKey keys,
									int nkeys, CellencRowReader reader, void *arg);

/* Scan keys for equality. */
extern void cellenc_keycatalog_key_uuid(ScanKey key, AttrNumber attno, const pg_uuid_t *value);
extern void cellenc_keycatalog_key_text(ScanKey key, AttrNumber attno, const char *value);

#endif							/* CELLENC_KEYCATALOG_PRIVATE_H */
