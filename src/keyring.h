/*-------------------------------------------------------------------------
 *
 * keyring.h
 *	  This session's cache of keys: unwrapped data keys and who may use them.
 *
 * An entry is valid until the next call of a cellenc_keyring_ function that
 * looks something up (an invalidation may have come in with it): never hold
 * one across anything that may open a table or run a command.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_KEYRING_H
#define CELLENC_KEYRING_H

#include "keycatalog.h"

typedef struct CellencKey CellencKey;
typedef struct CellencKeyVersion CellencKeyVersion;

struct CellencKey
{
	CellencKeyRow row;
	uint32		current_id;		/* version id of the current one; 0: none */
	uint32		shared_id;		/* of the newest that other sessions can find */
	bool		literal;		/* everyone may use it */
	List	   *grants;			/* of CellencGrantRow */
	Oid			checked_user;	/* memo of the last check: this user ... */
	int			checked_privs;	/* ... has these privileges */
};

/* The AAD of values of one twin, of which only the term differs; codec.c's. */
typedef struct CellencAadMemo
{
	uint32		twin_serial;	/* 0: empty */
	uint8		format;
	Size		len;
	uint8		bytes[CELLENC_VALUE_AAD_MAX];
} CellencAadMemo;

#define CELLENC_AAD_MEMOS	4

/* Were the terms of a version's values made with the current search key? */
typedef enum CellencTerms
{
	CELLENC_TERMS_UNKNOWN,
	CELLENC_TERMS_VALID,
	CELLENC_TERMS_FOREIGN
} CellencTerms;

struct CellencKeyVersion
{
	uint32		version_id;		/* hash key */
	CellencKey *key;
	CellencCipherKey *cipher;	/* NULL until first used */
	CellencTerms terms;
	CellencAadMemo aad[CELLENC_AAD_MEMOS];
	CellencVersionRow row;
};

/* By the 29 bits of a typmod; NULL where there is none. */
extern CellencKey *cellenc_keyring_key_by_hash(int32 name_hash);

/* By name; 42704 where there is none. */
extern CellencKey *cellenc_keyring_require_key(const char *name);

/* The row of a version of a key by its number; 42704 where there is none. */
extern void cellenc_keyring_require_version(const CellencKeyRow *key, int32 number,
											CellencVersionRow *row);

/* The key that seals constants. */
extern CellencKey *cellenc_keyring_literal_key(void);

/*
 * The version a value is under, whatever its state; NULL for an unknown id.
 */
extern CellencKeyVersion *cellenc_keyring_version(uint32 version_id);

/*
 * As above, ready to open values, after a check that GetUserId() has every
 * privilege of the mask (0: no check): 42704 unknown id, 42501, 55000 disabled
 * or destroyed (named, with the date), 58000/28000 from the master key.
 */
extern CellencKeyVersion *cellenc_keyring_usable_version(uint32 version_id, int privileges);

/* Tell of a version that this transaction has put into the catalog. */
extern void cellenc_keyring_note_made(uint32 version_id);

/* The current version of key; errors as above but 42501. */
extern CellencKeyVersion *cellenc_keyring_current_version(CellencKey *key);

/*
 * The version that seals under the key of a typmod's 29 bits, after a check of
 * privileges as above; NULL where there is no such key.  It is the current
 * version, but where indexes may hold the value one that others can find.
 */
extern CellencKeyVersion *cellenc_keyring_sealing_version(int32 name_hash, bool indexed,
														  int privileges);

/* 42501 unless GetUserId() has every privilege of the mask on key. */
extern void cellenc_keyring_check(CellencKey *key, int privileges);
extern bool cellenc_keyring_has(CellencKey *key, Oid user, int privileges);

/* Contexts of (version, salt): cached, bounded. */
extern CellencSubkey *cellenc_keyring_subkey(CellencKeyVersion *version, const uint8 *salt);

/*
 * The database's search key as a keyed MAC; NULL while the database has none
 * (it is made with the first key).
 */
extern CellencMac *cellenc_keyring_search_mac(void);

/*
 * 42501 unless GetUserId() may encrypt or decrypt with some key: nobody else
 * gets the keyed hash of a value of his own choice.
 */
extern void cellenc_keyring_check_search(void);

/*
 * As cellenc_keyring_version(), but NULL also where terms of that version were
 * made with another search key than the current one.
 */
extern CellencKeyVersion *cellenc_keyring_term_version(uint32 version_id);

/* Another one means that keys may have changed; never 0. */
extern uint64 cellenc_keyring_serial(void);

/* Only from _PG_init. */
extern void cellenc_keyring_init(void);

#endif							/* CELLENC_KEYRING_H */
