/*-------------------------------------------------------------------------
 *
 * cipher.c
 *	  XAES-256-GCM, HMAC, PBKDF2 and random bytes, on OpenSSL's EVP alone.
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
 * Pure C: the only file that may include OpenSSL's headers; no PostgreSQL
 * header, no error report, no allocation but OpenSSL's.  So nothing can jump
 * past the end of a function here with a key left behind.  Not thread-safe,
 * like the server.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "cipher.h"

#define CMAC_LEN 16

struct CellencCipherKey
{
	EVP_MAC_CTX *cmac;
};

/* The parameters differ between messages in the addresses in them alone. */
struct CellencSubkey
{
	EVP_CIPHER_CTX *seal;		/* NULL until the first seal */
	EVP_CIPHER_CTX *open;		/* NULL until the first open */
	OSSL_PARAM	seal_begin[2];	/* IV */
	OSSL_PARAM	seal_end[2];	/* tag */
	OSSL_PARAM	open_begin[3];	/* tag and IV */
	int			len;			/* of what OpenSSL wrote; nobody asks */
	uint8_t		nothing[CELLENC_TAG_LEN];	/* where OpenSSL writes nothing */
	uint8_t		key[CELLENC_KEY_LEN];	/* kept because the contexts are lazy */
};

struct CellencMac
{
	EVP_MAC_CTX *hmac;
};

/* See begin_message(); found out by cellenc_cipher_init(). */
static bool iv_as_parameter = false;

/* Set by cellenc_cipher_init(), all or none; children of fork() inherit. */
static EVP_CIPHER *aes_gcm = NULL;
static EVP_MAC *cmac_algorithm = NULL;
static EVP_MAC *hmac_algorithm = NULL;
static EVP_MD *sha256_algorithm = NULL;
static EVP_KDF *pbkdf2_algorithm = NULL;
static bool ready = false;

/*
 * Leave a failed function: its output zeroed, OpenSSL's error queue empty (a
 * leftover there would be taken for an error of the server's next TLS call).
 */
static CellencStatus
fail(CellencStatus status, void *out, size_t len)
{
	if (out != NULL && len > 0)
		OPENSSL_cleanse(out, len);
	ERR_clear_error();
	return status;
}

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
		return fail(CELLENC_LIBRARY, out, CMAC_LEN);
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
	if (cmac_algorithm == NULL)
		return CELLENC_LIBRARY;
	cipher_key = OPENSSL_zalloc(sizeof(CellencCipherKey));
	if (cipher_key == NULL)
		return fail(CELLENC_LIBRARY, NULL, 0);

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cbc, 0);
	params[1] = OSSL_PARAM_construct_end();

	cipher_key->cmac = EVP_MAC_CTX_new(cmac_algorithm);
	if (cipher_key->cmac == NULL ||
		EVP_MAC_init(cipher_key->cmac, key, CELLENC_KEY_LEN, params) != 1)
	{
		cellenc_cipher_key_free(cipher_key);
		return fail(CELLENC_LIBRARY, NULL, 0);
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
		return fail(CELLENC_LIBRARY, NULL, 0);

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
	const OSSL_PARAM end = OSSL_PARAM_END;
	EVP_CIPHER_CTX *ctx;

	if (aes_gcm == NULL)
		return NULL;
	subkey->seal_begin[0] = subkey->open_begin[1] = iv;
	subkey->seal_end[0] = subkey->open_begin[0] = tag;
	subkey->seal_begin[1] = subkey->seal_end[1] = subkey->open_begin[2] = end;

	ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL &&
		EVP_CipherInit_ex2(ctx, aes_gcm, subkey->key, NULL, encrypt, NULL) != 1)
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

	if (iv_as_parameter)
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
 * the IV (CELLENC_IV_LEN bytes) being fresh.
 *
 * out receives len + CELLENC_TAG_LEN bytes, which are zeroed on failure
 * (CELLENC_LIBRARY); but if len itself is beyond what OpenSSL can count, out
 * is not touched, as no such buffer can be meant.
 */
CELLENC_HOT CellencStatus
cellenc_cipher_seal(CellencSubkey *subkey, const uint8_t *iv,
					const uint8_t *aad, size_t aad_len,
					const uint8_t *plain, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = subkey->seal;
	int		   *n = &subkey->len;

	if (len > INT_MAX - CELLENC_TAG_LEN)
		return CELLENC_LIBRARY;
	if (ctx == NULL)
		ctx = subkey->seal = make_context(subkey, 1);
	subkey->seal_end[0].data = out + len;
	if (aad_len > INT_MAX || ctx == NULL ||
		begin_message(ctx, subkey->seal_begin, &subkey->seal_begin[0], iv) != 1 ||
		(aad_len > 0 && EVP_EncryptUpdate(ctx, NULL, n, aad, (int) aad_len) != 1) ||
		(len > 0 && EVP_EncryptUpdate(ctx, out, n, plain, (int) len) != 1) ||
		EVP_EncryptFinal_ex(ctx, subkey->nothing, n) != 1 ||
		EVP_CIPHER_CTX_get_params(ctx, subkey->seal_end) != 1)
		return fail(CELLENC_LIBRARY, out, len + CELLENC_TAG_LEN);
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
		return fail(CELLENC_LIBRARY, plain, len);
	if (EVP_DecryptFinal_ex(ctx, subkey->nothing, n) != 1)
		return fail(CELLENC_BAD_TAG, plain, len);
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
 * Seal once under a key and a nonce of CELLENC_NONCE_LEN bytes; otherwise as
 * cellenc_cipher_seal().
 */
CellencStatus
cellenc_cipher_xaes_seal(const uint8_t *key, const uint8_t *nonce,
						 const uint8_t *aad, size_t aad_len,
						 const uint8_t *plain, size_t len, uint8_t *out)
{
	CellencSubkey *subkey;
	CellencStatus status;

	if (len > INT_MAX - CELLENC_TAG_LEN)
		return CELLENC_LIBRARY;
	status = subkey_of_nonce(key, nonce, &subkey);
	if (status != CELLENC_OK)
		return fail(status, out, len + CELLENC_TAG_LEN);
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
		return fail(status, plain, len);
	status = cellenc_cipher_open(subkey, nonce + CELLENC_SALT_LEN,
								 aad, aad_len, in, len, plain);
	cellenc_cipher_subkey_free(subkey);
	return status;
}

/*
 * Make a keyed HMAC-SHA-256 (RFC 2104, FIPS 198-1).  An empty key is refused:
 * it can only be a mistake.  *result is NULL on failure (CELLENC_LIBRARY); the
 * caller frees it.
 */
CellencStatus
cellenc_cipher_mac_new(const uint8_t *key, size_t key_len, CellencMac **result)
{
	CellencMac *mac;
	char		digest[] = "SHA2-256";
	OSSL_PARAM	params[2];

	*result = NULL;
	if (hmac_algorithm == NULL || key_len == 0)
		return CELLENC_LIBRARY;
	mac = OPENSSL_zalloc(sizeof(CellencMac));
	if (mac == NULL)
		return fail(CELLENC_LIBRARY, NULL, 0);

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_end();

	mac->hmac = EVP_MAC_CTX_new(hmac_algorithm);
	if (mac->hmac == NULL ||
		EVP_MAC_init(mac->hmac, key, key_len, params) != 1)
	{
		cellenc_cipher_mac_free(mac);
		return fail(CELLENC_LIBRARY, NULL, 0);
	}
	*result = mac;
	return CELLENC_OK;
}

/* Wipe and free; NULL is allowed. */
void
cellenc_cipher_mac_free(CellencMac *mac)
{
	if (mac == NULL)
		return;
	EVP_MAC_CTX_free(mac->hmac);
	OPENSSL_clear_free(mac, sizeof(CellencMac));
}

/*
 * HMAC of the parts, one after the other, without any separator: what tells
 * them apart is the caller's affair.  out (CELLENC_HMAC_LEN bytes) is zeroed
 * on failure (CELLENC_LIBRARY).
 */
CellencStatus
cellenc_cipher_mac(CellencMac *mac, const CellencPart *parts, int nparts,
				   uint8_t *out)
{
	bool		good = EVP_MAC_init(mac->hmac, NULL, 0, NULL) == 1;
	size_t		out_len;
	int			i;

	for (i = 0; good && i < nparts; i++)
		if (parts[i].len > 0)
			good = EVP_MAC_update(mac->hmac, parts[i].data, parts[i].len) == 1;
	if (!good ||
		EVP_MAC_final(mac->hmac, out, &out_len, CELLENC_HMAC_LEN) != 1 ||
		out_len != CELLENC_HMAC_LEN)
		return fail(CELLENC_LIBRARY, out, CELLENC_HMAC_LEN);
	return CELLENC_OK;
}

/*
 * SHA-256 (FIPS 180-4) of the parts, one after the other.  out
 * (CELLENC_HMAC_LEN bytes, too) is zeroed on failure (CELLENC_LIBRARY).
 */
CellencStatus
cellenc_cipher_sha256(const CellencPart *parts, int nparts, uint8_t *out)
{
	EVP_MD_CTX *ctx;
	bool		good;
	unsigned int out_len;
	int			i;

	if (sha256_algorithm == NULL)
		return fail(CELLENC_LIBRARY, out, CELLENC_HMAC_LEN);
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL && EVP_DigestInit_ex2(ctx, sha256_algorithm, NULL) == 1;
	for (i = 0; good && i < nparts; i++)
		if (parts[i].len > 0)
			good = EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1;
	if (good)
		good = EVP_DigestFinal_ex(ctx, out, &out_len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!good)
		return fail(CELLENC_LIBRARY, out, CELLENC_HMAC_LEN);
	return CELLENC_OK;
}

/*
 * PBKDF2-HMAC-SHA-256 (RFC 8018, NIST SP 800-132), CELLENC_KEY_LEN bytes.
 * pkcs5 is OpenSSL's parameter: 0 makes it refuse what SP 800-132 does, 1
 * lets a short salt and few rounds pass.
 */
static CellencStatus
derive_pbkdf2(const char *pass, size_t pass_len,
			  const uint8_t *salt, size_t salt_len,
			  int rounds, int pkcs5, uint8_t *out)
{
	EVP_KDF_CTX *ctx;
	char		digest[] = "SHA2-256";
	OSSL_PARAM	params[6];
	bool		good;

	if (pbkdf2_algorithm == NULL || rounds < 1)
		return fail(CELLENC_LIBRARY, out, CELLENC_KEY_LEN);

	/* a passphrase without a byte is one, too; OpenSSL wants an address */
	if (pass_len == 0)
		pass = "";
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
												  (void *) pass, pass_len);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
												  (void *) salt, salt_len);
	params[2] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_ITER, &rounds);
	params[3] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[4] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &pkcs5);
	params[5] = OSSL_PARAM_construct_end();

	ctx = EVP_KDF_CTX_new(pbkdf2_algorithm);
	good = ctx != NULL &&
		EVP_KDF_derive(ctx, out, CELLENC_KEY_LEN, params) == 1;
	EVP_KDF_CTX_free(ctx);
	if (!good)
		return fail(CELLENC_LIBRARY, out, CELLENC_KEY_LEN);
	return CELLENC_OK;
}

/*
 * Derive a key from a passphrase.  OpenSSL refuses (CELLENC_LIBRARY) a salt
 * below 16 bytes and fewer than 1,000 rounds; the bounds of our own format
 * are the caller's.  out (CELLENC_KEY_LEN bytes) is zeroed on failure.
 */
CellencStatus
cellenc_cipher_pbkdf2(const char *pass, size_t pass_len,
					  const uint8_t *salt, size_t salt_len,
					  int rounds, uint8_t *out)
{
	return derive_pbkdf2(pass, pass_len, salt, salt_len, rounds, 0, out);
}

/*
 * Check value of a key: the first half of SHA-256 over a label, the key and
 * its UUID.  It tells nothing of a random key.  For a key made of a
 * passphrase it allows guessing, at the price of the passphrase's rounds, as
 * any wrapped key does.  out (CELLENC_CHECK_LEN bytes) is zeroed on failure.
 */
CellencStatus
cellenc_cipher_check_value(const uint8_t *key, const uint8_t *uuid, uint8_t *out)
{
	static const uint8_t label[] = {'c', 'e', 'l', 'l', 'e', 'n', 'c', ' ',
	'c', 'h', 'e', 'c', 'k', 0x01};
	CellencPart parts[3];
	uint8_t		hash[CELLENC_HMAC_LEN];
	CellencStatus status;

	parts[0].data = label;
	parts[0].len = sizeof(label);
	parts[1].data = key;
	parts[1].len = CELLENC_KEY_LEN;
	parts[2].data = uuid;
	parts[2].len = CELLENC_UUID_LEN;
	status = cellenc_cipher_sha256(parts, 3, hash);
	memcpy(out, hash, CELLENC_CHECK_LEN);	/* zeroes if that failed */
	OPENSSL_cleanse(hash, sizeof(hash));
	return status;
}

/*
 * Random bytes from the kernel.  buf is zeroed on failure
 * (CELLENC_NO_RANDOM).  May wait, early in the boot of a machine.
 */
CellencStatus
cellenc_cipher_random(void *buf, size_t len)
{
	size_t		done = 0;

	while (done < len)
	{
		ssize_t		n = getrandom((uint8_t *) buf + done, len - done, 0);

		/* a signal may cut a long request short */
		if (n > 0)
			done += (size_t) n;
		else if (n == 0 || errno != EINTR)
			return fail(CELLENC_NO_RANDOM, buf, len);
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

/*
 * The two vectors of C2SP XAES-256-GCM.  They differ in the top bit of the
 * block that CMAC's own subkey comes from.  Both are sealed and opened twice
 * with one set of contexts, because that is how values are.
 */
static bool
test_xaes(void)
{
	static const uint8_t nonce[] = "ABCDEFGHIJKLMNOPQRSTUVWX";
	static const uint8_t plain[] = "XAES-256-GCM";
	static const uint8_t aad[] = "c2sp.org/XAES-256-GCM";
	static const struct
	{
		uint8_t		key_byte;
		size_t		aad_len;
		uint8_t		sealed[12 + CELLENC_TAG_LEN];
	}			vectors[] =
	{
		{0x01, 0,
			{0xce, 0x54, 0x6e, 0xf6, 0x3c, 0x9c, 0xc6, 0x07, 0x65, 0x92,
				0x36, 0x09, 0xb3, 0x3a, 0x9a, 0x19, 0x74, 0xe9, 0x6e, 0x52,
		0xda, 0xf2, 0xfc, 0xf7, 0x07, 0x5e, 0x22, 0x71}},
		{0x03, 21,
			{0x98, 0x6e, 0xc1, 0x83, 0x25, 0x93, 0xdf, 0x54, 0x43, 0xa1,
				0x79, 0x43, 0x7f, 0xd0, 0x83, 0xbf, 0x3f, 0xdb, 0x41, 0xab,
		0xd7, 0x40, 0xa2, 0x1f, 0x71, 0xeb, 0x76, 0x9d}}
	};
	bool		good = true;
	size_t		i;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		uint8_t		key[CELLENC_KEY_LEN];
		uint8_t		sealed[sizeof(vectors[0].sealed)];
		uint8_t		opened[12];
		CellencSubkey *subkey;
		int			turn;

		memset(key, vectors[i].key_byte, sizeof(key));
		if (subkey_of_nonce(key, nonce, &subkey) != CELLENC_OK)
			return false;
		for (turn = 0; turn < 2; turn++)
		{
			if (cellenc_cipher_seal(subkey, nonce + CELLENC_SALT_LEN,
									aad, vectors[i].aad_len, plain, 12, sealed) != CELLENC_OK ||
				memcmp(sealed, vectors[i].sealed, sizeof(sealed)) != 0)
				good = false;

			/* one bit of the ciphertext: refused, and nothing given out */
			sealed[3] ^= 0x10;
			memset(opened, 0xff, sizeof(opened));
			if (cellenc_cipher_open(subkey, nonce + CELLENC_SALT_LEN,
									aad, vectors[i].aad_len, sealed, 12, opened) != CELLENC_BAD_TAG ||
				memcmp(opened, "\0\0\0\0\0\0\0\0\0\0\0\0", 12) != 0)
				good = false;

			sealed[3] ^= 0x10;
			if (cellenc_cipher_open(subkey, nonce + CELLENC_SALT_LEN,
									aad, vectors[i].aad_len, sealed, 12, opened) != CELLENC_OK ||
				memcmp(opened, plain, 12) != 0)
				good = false;
		}
		cellenc_cipher_subkey_free(subkey);
	}
	return good;
}

/*
 * HMAC: RFC 4231, test case 1, in two parts and twice with one context.
 * SHA-256: FIPS 180's "abc".  PBKDF2: the long inputs of RFC 6070 with
 * SHA-256, the vector of OpenSSL's own FIPS module; RFC 7914's have too short
 * a salt for the checks that are on in cellenc_cipher_pbkdf2().
 */
static bool
test_hashes(void)
{
	static const uint8_t hmac_answer[CELLENC_HMAC_LEN] = {
		0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53,
		0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b,
		0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83, 0x3d, 0xa7,
		0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7
	};
	static const uint8_t sha256_answer[CELLENC_HMAC_LEN] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
		0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
		0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
		0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad
	};
	static const uint8_t pbkdf2_answer[CELLENC_KEY_LEN] = {
		0x34, 0x8c, 0x89, 0xdb, 0xcb, 0xd3, 0x2b, 0x2f,
		0x32, 0xd8, 0x14, 0xb8, 0x11, 0x6e, 0x84, 0xcf,
		0x2b, 0x17, 0x34, 0x7e, 0xbc, 0x18, 0x00, 0x18,
		0x1c, 0x4e, 0x2a, 0x1f, 0xb8, 0xdd, 0x53, 0xe1
	};
	static const char pass[] = "passwordPASSWORDpassword";
	static const char salt[] = "saltSALTsaltSALTsaltSALTsaltSALTsalt";
	CellencPart parts[2] = {{"Hi ", 3}, {"There", 5}};
	CellencPart abc = {"abc", 3};
	uint8_t		key[20];
	uint8_t		out[CELLENC_HMAC_LEN];
	CellencMac *mac;
	bool		good = true;
	int			turn;

	memset(key, 0x0b, sizeof(key));
	if (cellenc_cipher_mac_new(key, sizeof(key), &mac) != CELLENC_OK)
		return false;
	for (turn = 0; turn < 2; turn++)
		if (cellenc_cipher_mac(mac, parts, 2, out) != CELLENC_OK ||
			memcmp(out, hmac_answer, sizeof(out)) != 0)
			good = false;
	cellenc_cipher_mac_free(mac);

	if (cellenc_cipher_sha256(&abc, 1, out) != CELLENC_OK ||
		memcmp(out, sha256_answer, sizeof(out)) != 0)
		good = false;

	if (cellenc_cipher_pbkdf2(pass, sizeof(pass) - 1,
							  (const uint8_t *) salt, sizeof(salt) - 1,
							  4096, out) != CELLENC_OK ||
		memcmp(out, pbkdf2_answer, sizeof(out)) != 0)
		good = false;
	return good;
}

/* Give the algorithms back: nothing works then, which is the purpose. */
static void
release_algorithms(void)
{
	EVP_CIPHER_free(aes_gcm);
	EVP_MAC_free(cmac_algorithm);
	EVP_MAC_free(hmac_algorithm);
	EVP_MD_free(sha256_algorithm);
	EVP_KDF_free(pbkdf2_algorithm);
	aes_gcm = NULL;
	cmac_algorithm = NULL;
	hmac_algorithm = NULL;
	sha256_algorithm = NULL;
	pbkdf2_algorithm = NULL;
}

/*
 * Does an IV given as a parameter have the same effect as one given to Init,
 * message after message on one context?
 */
static bool
test_iv_parameter(void)
{
	static const uint8_t key[CELLENC_KEY_LEN] = {1, 2, 3};
	static const uint8_t plain[20] = {4, 5, 6};
	uint8_t		sealed[2][sizeof(plain) + CELLENC_TAG_LEN];
	uint8_t		opened[sizeof(plain)];
	CellencSubkey subkey = {.seal = NULL};
	bool		same = true;

	memcpy(subkey.key, key, sizeof(key));
	for (uint8_t message = 1; same && message <= 4; message++)
	{
		uint8_t		iv[CELLENC_IV_LEN] = {message};

		for (int way = 0; same && way < 2; way++)
		{
			iv_as_parameter = way == 1;
			same = cellenc_cipher_seal(&subkey, iv, key, 3, plain, sizeof(plain),
									   sealed[way]) == CELLENC_OK &&
				cellenc_cipher_open(&subkey, iv, key, 3, sealed[way], sizeof(plain),
									opened) == CELLENC_OK &&
				memcmp(opened, plain, sizeof(plain)) == 0;
		}
		same = same && memcmp(sealed[0], sealed[1], sizeof(sealed[0])) == 0;
	}
	EVP_CIPHER_CTX_free(subkey.seal);
	EVP_CIPHER_CTX_free(subkey.open);
	ERR_clear_error();
	return same;
}

/*
 * Fetch and test the algorithms.  Once it succeeded it does nothing; after a
 * failure it may be called again, and until it succeeds every function that
 * needs OpenSSL fails.
 *
 * The algorithms come from the default library context, so that whatever
 * openssl.cnf activates is what runs.
 */
CellencStatus
cellenc_cipher_init(void)
{
	if (ready)
		return CELLENC_OK;

	aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	cmac_algorithm = EVP_MAC_fetch(NULL, "CMAC", NULL);
	hmac_algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
	sha256_algorithm = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	pbkdf2_algorithm = EVP_KDF_fetch(NULL, "PBKDF2", NULL);
	if (aes_gcm == NULL || cmac_algorithm == NULL || hmac_algorithm == NULL ||
		sha256_algorithm == NULL || pbkdf2_algorithm == NULL)
	{
		release_algorithms();
		return fail(CELLENC_LIBRARY, NULL, 0);
	}

	/* the known answers below then go the way that values will go */
	iv_as_parameter = test_iv_parameter();
	if (!test_xaes() || !test_hashes())
	{
		release_algorithms();
		return fail(CELLENC_SELF_TEST, NULL, 0);
	}
	ready = true;
	return CELLENC_OK;
}
