/*-------------------------------------------------------------------------
 *
 * masterkey_obtain.h
 *	  A master key by its name: private to masterkey*.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_MASTERKEY_OBTAIN_H
#define CELLENC_MASTERKEY_OBTAIN_H

#include "masterkey_store.h"

/*
 * Set key to what the providers and the row's KDF make of row, unverified:
 * KEY, WRONG_KIND (a passphrase, but the row has no KDF), or BACK_OFF with the
 * reason why there is none.  Interruptible while it waits.  22023 for rounds
 * out of bounds.
 */
extern CellencLook cellenc_masterkey_obtain(const CellencMasterKey *row, uint8 *key,
											uint64 *serial, char *reason);

/* Does key match row's check value? */
extern bool cellenc_masterkey_check(const CellencMasterKey *row, const uint8 *key);

#endif							/* CELLENC_MASTERKEY_OBTAIN_H */
