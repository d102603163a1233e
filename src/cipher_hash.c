/*-------------------------------------------------------------------------
 *
 * cipher_hash.c
 *	  HMAC-SHA-256, SHA-256, PBKDF2 and check values, on OpenSSL's EVP alone.
 *
 * Pure C, under the rules of cipher.c.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "cipher_private.h"

struct CellencMac
{
	EVP_MAC_CTX *hmac;
};

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
	if (cellenc_cipher_algorithms.hmac == NULL || key_len == 0)
		return CELLENC_LIBRARY;
	mac = OPENSSL_zalloc(sizeof(CellencMac));
	if (mac == NULL)
		return cellenc_cipher_fail(CELLENC_LIBRARY, NULL, 0);

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_end();

	mac->hmac = EVP_MAC_CTX_new(cellenc_cipher_algorithms.hmac);
	if (mac->hmac == NULL ||
		EVP_MAC_init(mac->hmac, key, key_len, params) != 1)
	{
		cellenc_cipher_mac_free(mac);
		return cellenc_cipher_fail(CELLENC_LIBRARY, NULL, 0);
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
		return cellenc_cipher_fail(CELLENC_LIBRARY, out, CELLENC_HMAC_LEN);
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

	if (cellenc_cipher_algorithms.sha256 == NULL)
		return cellenc_cipher_fail(CELLENC_LIBRARY, out, CELLENC_HMAC_LEN);
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL && EVP_DigestInit_ex2(ctx, cellenc_cipher_algorithms.sha256, NULL) == 1;
	for (i = 0; good && i < nparts; i++)
		if (parts[i].len > 0)
			good = EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1;
	if (good)
		good = EVP_DigestFinal_ex(ctx, out, &out_len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!good)
		return cellenc_cipher_fail(CELLENC_LIBRARY, out, CELLENC_HMAC_LEN);
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

	if (cellenc_cipher_algorithms.pbkdf2 == NULL || rounds < 1)
		return cellenc_cipher_fail(CELLENC_LIBRARY, out, CELLENC_KEY_LEN);

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

	ctx = EVP_KDF_CTX_new(cellenc_cipher_algorithms.pbkdf2);
	good = ctx != NULL &&
		EVP_KDF_derive(ctx, out, CELLENC_KEY_LEN, params) == 1;
	EVP_KDF_CTX_free(ctx);
	if (!good)
		return cellenc_cipher_fail(CELLENC_LIBRARY, out, CELLENC_KEY_LEN);
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
