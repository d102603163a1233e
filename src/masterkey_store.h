/*-------------------------------------------------------------------------
 *
 * masterkey_store.h
 *	  Shared memory of the master keys: private to masterkey*.c.
 *
 * Two parts.  Names, states and times are in ordinary shared memory
 * (CellencMasterKeyShared).  Secrets are in a mapping of their own, locked
 * and kept out of core dumps; nothing outside masterkey_store.c sees it but
 * the working memory lent with a turn.
 *
 * A turn is the right of one process at a time to do what takes long: to ask
 * providers, or to derive a key from a passphrase.  No LWLock is held while
 * it does.
 *
 * Lock order: the store's LWLock is the only one, is held briefly, and
 * nothing that can raise an error runs under it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_MASTERKEY_STORE_H
#define CELLENC_MASTERKEY_STORE_H

#include "masterkey.h"

#define CELLENC_MASTERKEY_SLOTS		CELLENC_KEYFILE_MAX_KEYS
#define CELLENC_MASTERKEY_DERIVED	256

typedef enum CellencTurn
{
	CELLENC_TURN_ASK,
	CELLENC_TURN_DERIVE
} CellencTurn;

#define CELLENC_NTURNS (CELLENC_TURN_DERIVE + 1)

/* What cellenc_masterkey_store_look finds. */
typedef enum CellencLook
{
	CELLENC_LOOK_KEY,			/* key and serial are set */
	CELLENC_LOOK_WRONG_KIND,	/* a passphrase, but row has no KDF */
	CELLENC_LOOK_BACK_OFF,		/* failed lately: reason is set */
	CELLENC_LOOK_TURN,			/* caller has the turn to get on */
	CELLENC_LOOK_WAIT			/* another process has it */
} CellencLook;

/* What cellenc_masterkey_store_found did. */
typedef enum CellencStored
{
	CELLENC_STORED_ADDED,
	CELLENC_STORED_SAME,		/* was loaded already */
	CELLENC_STORED_REPLACED,	/* the one before never opened anything */
	CELLENC_STORED_KEPT			/* differs, the one before is kept */
} CellencStored;

/* Only from _PG_init: mapping and hooks. */
extern void cellenc_masterkey_store_init(void);

/* From now on, this process may have key bytes in its memory. */
extern void cellenc_masterkey_store_protect(void);

/*
 * Copy the key of row if it is known; else take the turn that leads there,
 * *turn, if it is free.  *serial tells from which material the key is.
 */
extern CellencLook cellenc_masterkey_store_look(const CellencMasterKey *row, uint8 *key,
												uint64 *serial, CellencTurn *turn,
												char *reason);

/*
 * The part of it that neither asks nor derives nor takes a turn: KEY,
 * WRONG_KIND, or anything else when row's key is not there.
 */
extern CellencLook cellenc_masterkey_store_peek(const CellencMasterKey *row, uint8 *key);

/* Sleep until some turn may have ended; loop around it, then cancel. */
extern void cellenc_masterkey_store_wait(void);
extern void cellenc_masterkey_store_cancel_wait(void);

/* Take a turn, waiting for it. */
extern void cellenc_masterkey_store_take_turn(CellencTurn turn);

/* Give a turn back and wipe its working memory; an exit callback, too. */
extern void cellenc_masterkey_store_end_turn(int code, Datum turn);

/* Working memory of the turn CELLENC_TURN_ASK. */
extern CellencProviderWork *cellenc_masterkey_store_work(void);

/* With the turn CELLENC_TURN_DERIVE: row's key from its passphrase, kept. */
extern CellencStatus cellenc_masterkey_store_derive(const CellencMasterKey *row);

/* Store what provider number source gave for name. */
extern CellencStored cellenc_masterkey_store_found(const char *name, int source,
												   const CellencMaterial *material);

/* Remember why name was not found; what is loaded stays. */
extern void cellenc_masterkey_store_failed(const char *name, CellencFetch result,
										   const char *reason, bool back_off);

/* Remember whether the key from material serial, for row, passed its check. */
extern void cellenc_masterkey_store_judge(const CellencMasterKey *row, uint64 serial,
										  bool matches);

/*
 * Forget what was derived for row: it came from a passphrase that was only
 * tried.
 */
extern void cellenc_masterkey_store_forget(const CellencMasterKey *row);

/* Let every provider be asked again at once. */
extern void cellenc_masterkey_store_retry(void);

/* Is name loaded?  *source is the number of the provider it is from. */
extern bool cellenc_masterkey_store_loaded(const char *name, int *source);

/* The names known, with what the view shows; palloc'd. */
extern CellencMasterKeyStatus *cellenc_masterkey_store_statuses(int *count);

#endif							/* CELLENC_MASTERKEY_STORE_H */
