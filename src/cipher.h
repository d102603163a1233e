/*-------------------------------------------------------------------------
 *
 * cipher.h
 *	  XAES-256-GCM, HMAC, PBKDF2 and random bytes, on OpenSSL's EVP alone.
 *
 * Pure C: no PostgreSQL header, no allocation but OpenSSL's own, no error
 * report.  Key bytes are passed in; nothing here looks one up.  Every
 * function that can fail returns a CellencStatus and, on failure, leaves its
 * output buffer zeroed and OpenSSL's error queue empty.  (A length above
 * INT_MAX is refused with the buffer untouched: nobody can have meant it.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_CIPHER_H
#define CELLENC_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define CELLENC_KEY_LEN		32
#define CELLENC_SALT_LEN	12
#define CELLENC_IV_LEN		12
#define CELLENC_NONCE_LEN	(CELLENC_SALT_LEN + CELLENC_IV_LEN)
#define CELLENC_TAG_LEN		16
#define CELLENC_UUID_LEN	16
#define CELLENC_CHECK_LEN	16
#define CELLENC_TERM_LEN	16
#define CELLENC_HMAC_LEN	32

/* An XAES-256-GCM key, ready to derive subkeys (keyed CMAC inside). */
typedef struct CellencCipherKey CellencCipherKey;

/* The AES-256-GCM contexts of one (key, salt): what seals and opens. */
typedef struct CellencSubkey CellencSubkey;

/* A keyed HMAC-SHA-256. */
typedef struct CellencMac CellencMac;

/* One stretch of bytes of a longer input. */
typedef struct CellencPart
{
	const void *data;
	size_t		len;
} CellencPart;

/*
 * Fetch the algorithms and run known answers; once per process, before the
 * first use (the postmaster does it, children inherit).  fips: from a provider
 * that calls them approved (property "fips=yes"), or CELLENC_NO_FIPS; IVs and
 * random bytes then come from that provider too.  CELLENC_SELF_TEST or
 * CELLENC_LIBRARY means as well: do not start.
 */
extern CellencStatus cellenc_cipher_init(bool fips);

extern CellencStatus cellenc_cipher_key_new(const uint8_t *key, CellencCipherKey **result);
extern void cellenc_cipher_key_free(CellencCipherKey *key);

extern CellencStatus cellenc_cipher_subkey_new(CellencCipherKey *key, const uint8_t *salt,
											   CellencSubkey **result);
extern void cellenc_cipher_subkey_free(CellencSubkey *subkey);

/*
 * out: len bytes of ciphertext, then the tag; may not overlap plain.  iv: where
 * it is to be kept, because with FIPS it is made anew.
 */
extern CellencStatus cellenc_cipher_seal(CellencSubkey *subkey, uint8_t *iv,
										 const uint8_t *aad, size_t aad_len,
										 const uint8_t *plain, size_t len, uint8_t *out);

/* in: len bytes of ciphertext, then the tag; plain receives len bytes. */
extern CellencStatus cellenc_cipher_open(CellencSubkey *subkey, const uint8_t *iv,
										 const uint8_t *aad, size_t aad_len,
										 const uint8_t *in, size_t len, uint8_t *plain);

/* One shot of both, for what is sealed rarely (wrapped keys, bundles). */
extern CellencStatus cellenc_cipher_xaes_seal(const uint8_t *key, uint8_t *nonce,
											  const uint8_t *aad, size_t aad_len,
											  const uint8_t *plain, size_t len, uint8_t *out);
extern CellencStatus cellenc_cipher_xaes_open(const uint8_t *key, const uint8_t *nonce,
											  const uint8_t *aad, size_t aad_len,
											  const uint8_t *in, size_t len, uint8_t *plain);

extern CellencStatus cellenc_cipher_mac_new(const uint8_t *key, size_t key_len, CellencMac **result);
extern void cellenc_cipher_mac_free(CellencMac *mac);
extern CellencStatus cellenc_cipher_mac(CellencMac *mac, const CellencPart *parts, int nparts,
										uint8_t *out);	/* CELLENC_HMAC_LEN */

extern CellencStatus cellenc_cipher_sha256(const CellencPart *parts, int nparts, uint8_t *out);

extern CellencStatus cellenc_cipher_pbkdf2(const char *pass, size_t pass_len,
										   const uint8_t *salt, size_t salt_len,
										   int rounds, uint8_t *out);	/* CELLENC_KEY_LEN */

/* Check value of a key (FORMAT.md "Wrapped key"). */
extern CellencStatus cellenc_cipher_check_value(const uint8_t *key, const uint8_t *uuid,
												uint8_t *out);	/* CELLENC_CHECK_LEN */

/*
 * Straight from getrandom(): no generator state that a cloned VM repeats.  With
 * FIPS, from the module's generator.
 */
extern CellencStatus cellenc_cipher_random(void *buf, size_t len);

/* Constant time in len. */
extern bool cellenc_cipher_equal(const void *a, const void *b, size_t len);

extern void cellenc_cipher_wipe(void *buf, size_t len);

#endif							/* CELLENC_CIPHER_H */
