/*-------------------------------------------------------------------------
 *
 * cipher.c
 *	  XAES-256-GCM and random bytes, on OpenSSL's EVP alone.
 *
 * Values are sealed with XAES-256-GCM (c2sp.org/XAES-256-GCM): the first half
 * of a 24-byte nonce, the salt, derives an AES-256-GCM key from the data key,
 * the second half is that key's IV.  So nonces may be random for ever, and
 * whoever seals many values under one salt pays for the derivation once: that
 * is why the two halves are two types here, CellencCipherKey and
 * CellencSubkey.
 *
 * The subkey is derived with CMAC, as the specification's reference code
 * does, and never with OpenSSL's KBKDF: 3.0 accepts the counter width ("r")
 * that XAES needs, ignores it, reports success and returns another key.
 *
 * Algorithms are fetched once, and a context is keyed once; what remains for
 * each value is setting the IV.  Looking an algorithm up by name, or keying,
 * costs more than the encryption itself.
 *
 * Pure C: cipher*.c are the only files that may include OpenSSL's headers; no
 * PostgreSQL header, no error report, no allocation but OpenSSL's.  So nothing
 * can jump past the end of a function here with a key left behind.  Not
 * thread-safe, like the server.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/rand.h>

#include "cipher_private.h"

#define CMAC_LEN 16

struct CellencCipherKey
{
	EVP_MAC_CTX *cmac;
};

/*
 * CMAC (NIST SP 800-38B) of a message, 16 bytes, with a context that is
 * already keyed.  Zeroes out on failure.
 */
static CellencStatus
compute_cmac(EVP_MAC_CTX *ctx, const uint8_t *msg, size_t len, uint8_t *out)
{
	size_t		out_len;

	/* without a key, init only rewinds; keying is eight times as slow */
	if (EVP_MAC_init(ctx, NULL, 0, NULL) != 1 ||
		(len > 0 && EVP_MAC_update(ctx, msg, len) != 1) ||
		EVP_MAC_final(ctx, out, &out_len, CMAC_LEN) != 1 ||
		out_len != CMAC_LEN)
		return cellenc_cipher_fail(CELLENC_LIBRARY, out, CMAC_LEN);
	return CELLENC_OK;
}

/*
 * Make a key ready to derive subkeys.  key: CELLENC_KEY_LEN bytes, not
 * referenced afterwards.  *result is NULL on failure (CELLENC_LIBRARY); the
 * caller frees it.
 */
CellencStatus
cellenc_cipher_key_new(const uint8_t *key, CellencCipherKey **result)
{
	CellencCipherKey *cipher_key;
	char		cbc[] = "AES-256-CBC";
	OSSL_PARAM	params[2];

	*result = NULL;
	if (cellenc_cipher_algorithms.cmac == NULL)
		return CELLENC_LIBRARY;
	cipher_key = OPENSSL_zalloc(sizeof(CellencCipherKey));
	if (cipher_key == NULL)
		return cellenc_cipher_fail(CELLENC_LIBRARY, NULL, 0);

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cbc, 0);
	params[1] = OSSL_PARAM_construct_end();

	cipher_key->cmac = EVP_MAC_CTX_new(cellenc_cipher_algorithms.cmac);
	if (cipher_key->cmac == NULL ||
		EVP_MAC_init(cipher_key->cmac, key, CELLENC_KEY_LEN, params) != 1)
	{
		cellenc_cipher_key_free(cipher_key);
		return cellenc_cipher_fail(CELLENC_LIBRARY, NULL, 0);
	}
	*result = cipher_key;
	return CELLENC_OK;
}

/* Wipe and free; NULL is allowed. */
void
cellenc_cipher_key_free(CellencCipherKey *key)
{
	if (key == NULL)
		return;
	EVP_MAC_CTX_free(key->cmac);	/* OpenSSL wipes what it keyed */
	OPENSSL_clear_free(key, sizeof(CellencCipherKey));
}

/*
 * Derive the AES-256-GCM key of a salt (CELLENC_SALT_LEN bytes): CMAC of two
 * blocks that differ in their counter (C2SP XAES-256-GCM; NIST SP 800-108r1
 * in counter mode with a 16-bit counter, label 'X' and no length).  *result
 * is NULL on failure (CELLENC_LIBRARY); the caller frees it.  The subkey does
 * not depend on the key's life.
 */
CellencStatus
cellenc_cipher_subkey_new(CellencCipherKey *key, const uint8_t *salt,
						  CellencSubkey **result)
{
	uint8_t		block[4 + CELLENC_SALT_LEN] = {0, 1, 'X', 0};
	CellencSubkey *subkey;
	CellencStatus status;

	*result = NULL;
	subkey = OPENSSL_zalloc(sizeof(CellencSubkey));
	if (subkey == NULL)
		return cellenc_cipher_fail(CELLENC_LIBRARY, NULL, 0);

	memcpy(block + 4, salt, CELLENC_SALT_LEN);
	status = compute_cmac(key->cmac, block, sizeof(block), subkey->key);
	if (status == CELLENC_OK)
	{
		block[1] = 2;
		status = compute_cmac(key->cmac, block, sizeof(block),
							  subkey->key + CMAC_LEN);
	}
	if (status != CELLENC_OK)
	{
		cellenc_cipher_subkey_free(subkey);
		return status;
	}
	*result = subkey;
	return CELLENC_OK;
}

/* Wipe and free; NULL is allowed. */
void
cellenc_cipher_subkey_free(CellencSubkey *subkey)
{
	if (subkey == NULL)
		return;
	EVP_CIPHER_CTX_free(subkey->seal);
	EVP_CIPHER_CTX_free(subkey->open);
	OPENSSL_clear_free(subkey, sizeof(CellencSubkey));
}

/*
 * A keyed AES-256-GCM context for one direction, or NULL.  An IV of 12 bytes
 * is GCM's default.
 */
static EVP_CIPHER_CTX *
make_context(CellencSubkey *subkey, int encrypt)
{
	const OSSL_PARAM tag =
	OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, CELLENC_TAG_LEN);
	const OSSL_PARAM iv =
	OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, NULL, (size_t) -1);
	const OSSL_PARAM made_iv = OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_IV, NULL, CELLENC_IV_LEN);
	const OSSL_PARAM end = OSSL_PARAM_END;
	EVP_CIPHER_CTX *ctx;

	if (cellenc_cipher_algorithms.aes_gcm == NULL)
		return NULL;
	subkey->seal_begin[0] = subkey->open_begin[1] = iv;
	subkey->seal_end[0] = subkey->open_begin[0] = tag;
	subkey->seal_begin[1] = subkey->seal_end[2] = subkey->open_begin[2] = end;
	subkey->seal_end[1] = cellenc_cipher_algorithms.fips ? made_iv : end;

	ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL &&
		EVP_CipherInit_ex2(ctx, cellenc_cipher_algorithms.aes_gcm, subkey->key, NULL, encrypt, NULL) != 1)
	{
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

/*
 * Begin a message on a keyed context.  params ends in the IV, at iv_param; to
 * open, the tag to expect precedes it.
 *
 * Init with an IV asks the provider how long an IV is, each time, which costs
 * as much as encrypting the message.  The parameter that restores a whole IV
 * (EVP_CTRL_GCM_SET_IV_FIXED with length -1) comes without that, and together
 * with the tag.  It is used where test_iv_parameter() found both ways alike.
 *
 * OpenSSL only reads what params point to, though they have no const.
 */
static inline int
begin_message(EVP_CIPHER_CTX *ctx, OSSL_PARAM *params, OSSL_PARAM *iv_param, const uint8_t *iv)
{
	OSSL_PARAM	tag[2];

	if (cellenc_cipher_algorithms.iv_as_parameter)
	{
		iv_param->data = (void *) iv;
		return EVP_CIPHER_CTX_set_params(ctx, params);
	}
	tag[0] = params[0];
	tag[1] = OSSL_PARAM_construct_end();
	return EVP_CipherInit_ex2(ctx, NULL, NULL, iv, -1, params == iv_param ? NULL : tag);
}

/*
 * AES-256-GCM (NIST SP 800-38D) under a subkey.  Whoever calls answers for
 * the IV (CELLENC_IV_LEN bytes) being fresh; but with FIPS, where an IV has to
 * be made inside of the module, that overwrites it.
 *
 * out receives len + CELLENC_TAG_LEN bytes, which are zeroed on failure
 * (CELLENC_LIBRARY); but if len itself is beyond what OpenSSL can count, out
 * is not touched, as no such buffer can be meant.
 */
CELLENC_HOT CellencStatus
cellenc_cipher_seal(CellencSubkey *subkey, uint8_t *iv,
					const uint8_t *aad, size_t aad_len,
					const uint8_t *plain, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = subkey->seal;
	bool		make_iv = cellenc_cipher_algorithms.fips;
	int		   *n = &subkey->len;

	if (len > INT_MAX - CELLENC_TAG_LEN)
		return CELLENC_LIBRARY;
	if (make_iv)
	{
		/* a context makes one IV only, and keying it again is not enough */
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	if (ctx == NULL)
		ctx = subkey->seal = make_context(subkey, 1);
	subkey->seal_end[0].data = out + len;
	subkey->seal_end[1].data = make_iv ? iv : NULL;
	if (aad_len > INT_MAX || ctx == NULL ||
		(!make_iv && begin_message(ctx, subkey->seal_begin, &subkey->seal_begin[0], iv) != 1) ||
		(aad_len > 0 && EVP_EncryptUpdate(ctx, NULL, n, aad, (int) aad_len) != 1) ||
		(len > 0 && EVP_EncryptUpdate(ctx, out, n, plain, (int) len) != 1) ||
		EVP_EncryptFinal_ex(ctx, subkey->nothing, n) != 1 ||
		EVP_CIPHER_CTX_get_params(ctx, subkey->seal_end) != 1)
		return cellenc_cipher_fail(CELLENC_LIBRARY, out, len + CELLENC_TAG_LEN);
	return CELLENC_OK;
}

/*
 * Reverse of cellenc_cipher_seal(): in holds len bytes of ciphertext and the
 * tag.  CELLENC_BAD_TAG if anything differs from what was sealed (one answer,
 * whatever it was), CELLENC_BAD_FORMAT for a length no sealed value has,
 * CELLENC_LIBRARY.  plain (len bytes) is zeroed on failure: GCM decrypts
 * before it knows.  For a length beyond what OpenSSL can count it is not
 * touched.
 */
CELLENC_HOT CellencStatus
cellenc_cipher_open(CellencSubkey *subkey, const uint8_t *iv,
					const uint8_t *aad, size_t aad_len,
					const uint8_t *in, size_t len, uint8_t *plain)
{
	EVP_CIPHER_CTX *ctx = subkey->open;
	int		   *n = &subkey->len;

	if (len > INT_MAX - CELLENC_TAG_LEN)
		return CELLENC_BAD_FORMAT;
	if (ctx == NULL)
		ctx = subkey->open = make_context(subkey, 0);
	subkey->open_begin[0].data = (void *) (in + len);
	if (aad_len > INT_MAX || ctx == NULL ||
		begin_message(ctx, subkey->open_begin, &subkey->open_begin[1], iv) != 1 ||
		(aad_len > 0 && EVP_DecryptUpdate(ctx, NULL, n, aad, (int) aad_len) != 1) ||
		(len > 0 && EVP_DecryptUpdate(ctx, plain, n, in, (int) len) != 1))
		return cellenc_cipher_fail(CELLENC_LIBRARY, plain, len);
	if (EVP_DecryptFinal_ex(ctx, subkey->nothing, n) != 1)
		return cellenc_cipher_fail(CELLENC_BAD_TAG, plain, len);
	return CELLENC_OK;
}

/*
 * Key and subkey of one nonce, for the one-shot functions.  *result is NULL
 * on failure.
 */
static CellencStatus
subkey_of_nonce(const uint8_t *key, const uint8_t *nonce, CellencSubkey **result)
{
	CellencCipherKey *cipher_key;
	CellencStatus status;

	*result = NULL;
	status = cellenc_cipher_key_new(key, &cipher_key);
	if (status == CELLENC_OK)
		status = cellenc_cipher_subkey_new(cipher_key, nonce, result);
	cellenc_cipher_key_free(cipher_key);
	return status;
}

/*
 * Seal once under a key and a nonce of CELLENC_NONCE_LEN bytes, whose second
 * half is the IV; otherwise as cellenc_cipher_seal().
 */
CellencStatus
cellenc_cipher_xaes_seal(const uint8_t *key, uint8_t *nonce,
						 const uint8_t *aad, size_t aad_len,
						 const uint8_t *plain, size_t len, uint8_t *out)
{
	CellencSubkey *subkey;
	CellencStatus status;

	if (len > INT_MAX - CELLENC_TAG_LEN)
		return CELLENC_LIBRARY;
	status = subkey_of_nonce(key, nonce, &subkey);
	if (status != CELLENC_OK)
		return cellenc_cipher_fail(status, out, len + CELLENC_TAG_LEN);
	status = cellenc_cipher_seal(subkey, nonce + CELLENC_SALT_LEN,
								 aad, aad_len, plain, len, out);
	cellenc_cipher_subkey_free(subkey);
	return status;
}

/* Open once; otherwise as cellenc_cipher_open(). */
CellencStatus
cellenc_cipher_xaes_open(const uint8_t *key, const uint8_t *nonce,
						 const uint8_t *aad, size_t aad_len,
						 const uint8_t *in, size_t len, uint8_t *plain)
{
	CellencSubkey *subkey;
	CellencStatus status;

	if (len > INT_MAX - CELLENC_TAG_LEN)
		return CELLENC_BAD_FORMAT;
	status = subkey_of_nonce(key, nonce, &subkey);
	if (status != CELLENC_OK)
		return cellenc_cipher_fail(status, plain, len);
	status = cellenc_cipher_open(subkey, nonce + CELLENC_SALT_LEN,
								 aad, aad_len, in, len, plain);
	cellenc_cipher_subkey_free(subkey);
	return status;
}

/*
 * Random bytes from the kernel, or with FIPS from the module, whose generator
 * is seeded again in each process.  buf is zeroed on failure
 * (CELLENC_NO_RANDOM).  May wait, early in the boot of a machine.
 */
CellencStatus
cellenc_cipher_random(void *buf, size_t len)
{
	size_t		done = 0;

	if (cellenc_cipher_algorithms.fips)
	{
		/* the generator for what stays secret: most of it are keys */
		if (len > 0 && RAND_priv_bytes_ex(cellenc_cipher_algorithms.context, buf, len, 0) != 1)
			return cellenc_cipher_fail(CELLENC_NO_RANDOM, buf, len);
		return CELLENC_OK;
	}
	while (done < len)
	{
		ssize_t		n = getrandom((uint8_t *) buf + done, len - done, 0);

		/* a signal may cut a long request short */
		if (n > 0)
			done += (size_t) n;
		else if (n == 0 || errno != EINTR)
			return cellenc_cipher_fail(CELLENC_NO_RANDOM, buf, len);
	}
	return CELLENC_OK;
}

bool
cellenc_cipher_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/* Zero, in a way that the compiler does not drop. */
void
cellenc_cipher_wipe(void *buf, size_t len)
{
	if (len > 0)
		OPENSSL_cleanse(buf, len);
}
