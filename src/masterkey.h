/*-------------------------------------------------------------------------
 *
 * masterkey.h
 *	  The master keys of this server: one small shared mapping, filled from
 *	  the providers.
 *
 * A master key is known here by its name, as the providers know it (its
 * material: 32 bytes, or a passphrase), and by the UUID that a database gave
 * it (the 32 bytes that wrap keys there: for a passphrase they depend on the
 * salt in that database's catalog, so they are derived at first use and kept).
 * Touches guc, report, cipher, keyfile, provider; knows no table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_MASTERKEY_H
#define CELLENC_MASTERKEY_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

#include "cipher.h"
#include "provider.h"

#define CELLENC_KDF_SALT_LEN	32
#define CELLENC_KDF_ROUNDS		600000
#define CELLENC_KDF_ROUNDS_MAX	20000000

/* One row of cellenc.master_key. */
typedef struct CellencMasterKey
{
	pg_uuid_t	id;
	char		name[NAMEDATALEN];	/* a hint only */
	bool		pbkdf2;			/* else the material is the key */
	uint8		salt[CELLENC_KDF_SALT_LEN];
	int			rounds;			/* 0 without pbkdf2 */
	uint8		check_value[CELLENC_CHECK_LEN];
} CellencMasterKey;

/* What cellenc.master_keys tells of one name. */
typedef struct CellencMasterKeyStatus
{
	char		name[NAMEDATALEN];
	const char *source;			/* "file", "command", or NULL when not loaded */
	const char *status;			/* "ok", "missing", "error", "not_loaded" */
	TimestampTz loaded_at;		/* 0 when not loaded */
	char		last_error[256];	/* "" when none */
} CellencMasterKeyStatus;

typedef enum CellencMasterKeyFound
{
	CELLENC_MASTERKEY_FOUND,
	CELLENC_MASTERKEY_WRONG,	/* there is one of that name, but none that
								 * matches */
	CELLENC_MASTERKEY_MISSING	/* there is none of that name, either */
} CellencMasterKeyFound;

/*
 * Copy the 32 bytes of master key `row` to key: from the mapping, else asked
 * from the providers, derived, and kept.  Verified against row->check_value;
 * the name is a hint, and another key of this server that matches is taken.
 * Errors: 58000 provider failed or does not have it (names the master key and
 * how it failed, hint), 28000 wrong master key, 22023 rounds out of bounds.
 * The caller wipes key.  Interruptible while it waits.
 */
extern void cellenc_masterkey_get(const CellencMasterKey *row, uint8 *key);

/*
 * The same without the errors 58000 and 28000: unless found, key is wiped, and
 * if missing, reason (CELLENC_REASON_LEN bytes) tells why.
 */
extern CellencMasterKeyFound cellenc_masterkey_find(const CellencMasterKey *row, uint8 *key,
													char *reason);

/*
 * Fill row for a master key that this database does not know yet: new UUID,
 * KDF and salt as the material wants, check value.  Errors as above.
 */
extern void cellenc_masterkey_describe(const char *name, CellencMasterKey *row);

/*
 * Does the material loaded under row's name (without asking a provider) match
 * row?  1 yes, 0 no (the wrong key), -1 not loaded or not derived yet.  In
 * masterkey_obtain.c.
 */
extern int	cellenc_masterkey_matches(const CellencMasterKey *row);

/* Does material loaded under any name match row, without asking or deriving?  In masterkey_find.c. */
extern bool cellenc_masterkey_known(const CellencMasterKey *row);

/* Every name known to the mapping; palloc'd array. */
extern CellencMasterKeyStatus *cellenc_masterkey_statuses(int *count);

/* Could the memory that holds the master keys be locked, so that it is not swapped out? */
extern bool cellenc_masterkey_is_locked(void);

/* Only from _PG_init: shared memory and the worker that loads and reloads. */
extern void cellenc_masterkey_init(void);

extern PGDLLEXPORT void cellenc_masterkey_main(Datum arg);

#endif							/* CELLENC_MASTERKEY_H */
