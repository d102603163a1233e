/*-------------------------------------------------------------------------
 *
 * keycatalog.h
 *	  The key tables as plain structs; keycatalog*.c is the only C that reads
 *	  or writes them.
 *
 * Reads are index scans with a fresh catalog snapshot, so they work in type
 * I/O, parallel workers and on a standby, and logical decoding finds keys and
 * rights as they are now.  Writes send a
 * relcache invalidation of the table, which is what empties the key ring of
 * every session at commit, and of this one at the next command.
 * No key bytes in clear pass through here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_KEYCATALOG_H
#define CELLENC_KEYCATALOG_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/uuid.h"

#include "envelope.h"
#include "masterkey.h"

/* The tables of schema cellenc that C knows; see table_names in keycatalog.c. */
typedef enum CellencTable
{
	CELLENC_TABLE_MASTER_KEY,
	CELLENC_TABLE_KEY,
	CELLENC_TABLE_KEY_VERSION,
	CELLENC_TABLE_KEY_WRAP,
	CELLENC_TABLE_SEARCH_KEY,
	CELLENC_TABLE_KEY_GRANT,
	CELLENC_TABLE_EVENT,
	CELLENC_TABLE_JOB
} CellencTable;

#define CELLENC_TABLE_COUNT (CELLENC_TABLE_JOB + 1)

/* Name of the key that seals constants; not a name a user can write. */
#define CELLENC_LITERAL_KEY "#literal"

/* Printable states of a key version, as stored. */
#define CELLENC_STATE_CURRENT		"current"
#define CELLENC_STATE_DECRYPT_ONLY	"decrypt_only"
#define CELLENC_STATE_DISABLED		"disabled"
#define CELLENC_STATE_DESTROYED		"destroyed"

typedef enum CellencVersionState
{
	CELLENC_CURRENT,			/* -> decrypt_only */
	CELLENC_DECRYPT_ONLY,		/* -> disabled */
	CELLENC_DISABLED,			/* -> decrypt_only, destroyed */
	CELLENC_DESTROYED			/* final */
} CellencVersionState;

typedef struct CellencKeyRow
{
	pg_uuid_t	id;
	char		name[NAMEDATALEN];
	int32		name_hash;		/* the 29 bits of a typmod; -1 for the literal
								 * key */
	TimestampTz created_at;		/* 0 in a row to insert: now */
	bool		rotates;		/* by itself ... */
	Interval	rotate_every;	/* ... when its version is that old */
} CellencKeyRow;

typedef struct CellencVersionRow
{
	uint32		version_id;
	pg_uuid_t	key;
	int32		version;
	CellencVersionState state;
	pg_uuid_t	search_key;		/* zero for the literal key */
	uint8		check_value[CELLENC_CHECK_LEN];
	TimestampTz created_at;		/* 0 in a row to insert: now */
	TimestampTz state_since;	/* the same */
	TimestampTz exported_at;	/* 0: never */
} CellencVersionRow;

typedef struct CellencWrapRow
{
	pg_uuid_t	owner;			/* key or search key */
	int32		version;		/* 0 for a search key */
	pg_uuid_t	master_key;
	CellencPurpose purpose;
	uint8		wrapped[CELLENC_WRAPPED_LEN];
} CellencWrapRow;

typedef struct CellencSearchKeyRow
{
	pg_uuid_t	id;
	uint8		check_value[CELLENC_CHECK_LEN];
	bool		current;		/* makes the terms; there is one at most */
	TimestampTz created_at;		/* 0 in a row to insert: now */
} CellencSearchKeyRow;

/* Bits of a grant. */
#define CELLENC_PRIV_ENCRYPT	0x01
#define CELLENC_PRIV_DECRYPT	0x02
#define CELLENC_PRIV_MANAGE		0x04

typedef struct CellencGrantRow
{
	char		role[NAMEDATALEN];	/* "public": everyone */
	int			privilege;		/* one CELLENC_PRIV_ bit */
} CellencGrantRow;

/*
 * OID of a table; InvalidOid (missing_ok) or ERROR where the extension is not
 * installed in this database.  Cached.
 */
extern Oid	cellenc_keycatalog_table(CellencTable table, bool missing_ok);

/*
 * Is relid one of the tables and indexes whose OIDs are known?  Their change
 * empties the key ring.  No catalog access.
 */
extern bool cellenc_keycatalog_watches(Oid relid);

/* Forget the cached OIDs. */
extern void cellenc_keycatalog_reset(void);

/*
 * Serialise changes of keys until the end of the transaction; readers and
 * pg_dump go on.
 */
extern void cellenc_keycatalog_lock(void);

/*
 * Keep the key with this hash of its name from being dropped until the end of
 * the transaction.  True where that took a wait, and the key may be gone.
 */
extern bool cellenc_keycatalog_hold(int32 name_hash);

/* The counterpart: wait for everyone who holds the key. */
extern void cellenc_keycatalog_wait_for_holders(int32 name_hash);

/* Look-ups: false where there is no such row. */
extern bool cellenc_keycatalog_key_by_name(const char *name, CellencKeyRow *row);
extern bool cellenc_keycatalog_key_by_hash(int32 name_hash, CellencKeyRow *row);
extern bool cellenc_keycatalog_key_by_id(const pg_uuid_t *id, CellencKeyRow *row);
extern bool cellenc_keycatalog_version(uint32 version_id, CellencVersionRow *row);

/* Was this key, of which no row is left, dropped?  Its versions are tombstones. */
extern bool cellenc_keycatalog_is_dropped(const pg_uuid_t *key);

/*
 * A position in WAL that no record of the last change of a version's row is
 * after; somewhat later where other rows beside it changed.
 */
extern XLogRecPtr cellenc_keycatalog_version_lsn(uint32 version_id);
extern bool cellenc_keycatalog_master_key(const pg_uuid_t *id, CellencMasterKey *row);
extern bool cellenc_keycatalog_search_key(const pg_uuid_t *id, CellencSearchKeyRow *row);
extern bool cellenc_keycatalog_current_search_key(CellencSearchKeyRow *row);

/* Lists of palloc'd rows, ordered by version where there is one. */
extern List *cellenc_keycatalog_versions(const pg_uuid_t *key);
extern List *cellenc_keycatalog_wraps(const pg_uuid_t *owner, int32 version);
extern List *cellenc_keycatalog_grants(const pg_uuid_t *key);
extern List *cellenc_keycatalog_keys(void); /* without the literal key */
extern List *cellenc_keycatalog_master_keys(void);
extern List *cellenc_keycatalog_search_keys(void);

/* Writers. */
extern void cellenc_keycatalog_insert_master_key(const CellencMasterKey *row);
extern void cellenc_keycatalog_insert_key(const CellencKeyRow *row);
extern void cellenc_keycatalog_insert_version(const CellencVersionRow *row);
extern void cellenc_keycatalog_insert_wrap(const CellencWrapRow *row);
extern void cellenc_keycatalog_insert_search_key(const CellencSearchKeyRow *row);
extern void cellenc_keycatalog_set_rotate_every(const pg_uuid_t *id, const Interval *every);	/* NULL: never */
extern void cellenc_keycatalog_set_state(uint32 version_id, CellencVersionState state);
extern void cellenc_keycatalog_set_exported(uint32 version_id); /* now */
extern void cellenc_keycatalog_retire_search_key(const pg_uuid_t *id);	/* not current any more */
extern bool cellenc_keycatalog_insert_grant(const pg_uuid_t *key, const CellencGrantRow *row);	/* false: was there */
extern bool cellenc_keycatalog_delete_grant(const pg_uuid_t *key, const CellencGrantRow *row);	/* false: was not */

/*
 * Delete the wraps of a version (0: of a search key) under master_key, or all
 * for NULL; returns how many.
 */
extern int	cellenc_keycatalog_delete_wraps(const pg_uuid_t *owner, int32 version,
											const pg_uuid_t *master_key);

/* Delete the master keys that wrap nothing any more. */
extern void cellenc_keycatalog_sweep_master_keys(void);

/*
 * Delete a key with its grants and wraps.  The rows of its versions, which must
 * be destroyed, stay.
 */
extern void cellenc_keycatalog_delete_key(const pg_uuid_t *key);

extern const char *cellenc_keycatalog_state_name(CellencVersionState state);
extern const char *cellenc_keycatalog_privilege_name(int privilege);

#endif							/* CELLENC_KEYCATALOG_H */
