/*-------------------------------------------------------------------------
 *
 * nonce.h
 *	  Nonces to seal with: one salt for the cluster, a random IV per value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_NONCE_H
#define CELLENC_NONCE_H

#include "cipher.h"

/* A fresh nonce (CELLENC_NONCE_LEN bytes) for a value of len bytes. */
extern void cellenc_nonce_next(Size len, uint8 *nonce);

/* Only from _PG_init. */
extern void cellenc_nonce_init(void);

#endif							/* CELLENC_NONCE_H */
