/*-------------------------------------------------------------------------
 *
 * cipher_private.h
 *	  What cipher*.c share with each other and with nobody else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_CIPHER_PRIVATE_H
#define CELLENC_CIPHER_PRIVATE_H

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "cipher.h"

/* Set by cellenc_cipher_init(), all or none; children of fork() inherit. */
typedef struct CellencAlgorithms
{
	EVP_CIPHER *aes_gcm;
	EVP_MAC    *cmac;
	EVP_MAC    *hmac;
	EVP_MD	   *sha256;
	EVP_KDF    *pbkdf2;
	OSSL_LIB_CTX *context;		/* NULL: OpenSSL's default one */
	bool		fips;			/* IVs and random bytes come from the module */
	bool		iv_as_parameter;	/* see begin_message() */
} CellencAlgorithms;

extern CellencAlgorithms cellenc_cipher_algorithms;

/* The parameters differ between messages in the addresses in them alone. */
struct CellencSubkey
{
	EVP_CIPHER_CTX *seal;		/* NULL until the first seal */
	EVP_CIPHER_CTX *open;		/* NULL until the first open */
	OSSL_PARAM	seal_begin[2];	/* IV */
	OSSL_PARAM	seal_end[3];	/* tag and, with FIPS, the IV that was made */
	OSSL_PARAM	open_begin[3];	/* tag and IV */
	int			len;			/* of what OpenSSL wrote; nobody asks */
	uint8_t		nothing[CELLENC_TAG_LEN];	/* where OpenSSL writes nothing */
	uint8_t		key[CELLENC_KEY_LEN];	/* kept because the contexts are lazy */
};

/*
 * Leave a failed function: its output zeroed, OpenSSL's error queue empty (a
 * leftover there would be taken for an error of the server's next TLS call).
 */
static inline CellencStatus
cellenc_cipher_fail(CellencStatus status, void *out, size_t len)
{
	if (out != NULL && len > 0)
		OPENSSL_cleanse(out, len);
	ERR_clear_error();
	return status;
}

#endif							/* CELLENC_CIPHER_PRIVATE_H */
