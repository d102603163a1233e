/*-------------------------------------------------------------------------
 *
 * cipher_init.c
 *	  Where cipher*.c have their algorithms from: fetched once, and tested.
 *
 * They come from OpenSSL's default library context, so that whatever
 * openssl.cnf activates is what runs; with FIPS, from a context of our own that
 * the rest of the server does not use, and only from a provider that calls them
 * approved.  That is all that can be said here: whether a module is a validated
 * one, and runs as its security policy wants, is for who installs it.
 *
 * Pure C, under the rules of cipher.c.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include <openssl/conf.h>
#include <openssl/provider.h>

#include "cipher_private.h"

#define FIPS_PROPERTY "fips=yes"

CellencAlgorithms cellenc_cipher_algorithms;

static bool ready = false;

/* Give the algorithms back: nothing works then, which is the purpose. */
static void
release_algorithms(void)
{
	EVP_CIPHER_free(cellenc_cipher_algorithms.aes_gcm);
	EVP_MAC_free(cellenc_cipher_algorithms.cmac);
	EVP_MAC_free(cellenc_cipher_algorithms.hmac);
	EVP_MD_free(cellenc_cipher_algorithms.sha256);
	EVP_KDF_free(cellenc_cipher_algorithms.pbkdf2);
	OSSL_LIB_CTX_free(cellenc_cipher_algorithms.context);
	memset(&cellenc_cipher_algorithms, 0, sizeof(cellenc_cipher_algorithms));
}

/*
 * A library context of our own that takes nothing but approved algorithms, or
 * NULL.  Providers are those of openssl.cnf, and "fips", which that file may
 * describe without activating it for all programs.
 */
static OSSL_LIB_CTX *
make_fips_context(void)
{
	OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
	char	   *file = CONF_get1_default_config_file();

	if (context == NULL)
		return NULL;
	/* without a file, or with a wrong one, nothing is found afterwards */
	if (file != NULL)
		(void) OSSL_LIB_CTX_load_config(context, file);
	OPENSSL_free(file);
	(void) OSSL_PROVIDER_load(context, "fips");

	/* for what OpenSSL fetches by itself: the generator of random bytes */
	if (EVP_set_default_properties(context, FIPS_PROPERTY) != 1)
	{
		OSSL_LIB_CTX_free(context);
		return NULL;
	}
	return context;
}

static bool
fetch_algorithms(bool fips)
{
	CellencAlgorithms *algorithms = &cellenc_cipher_algorithms;
	const char *property = fips ? FIPS_PROPERTY : NULL;

	algorithms->fips = fips;
	if (fips)
	{
		algorithms->context = make_fips_context();
		if (algorithms->context == NULL)
			return false;
	}
	algorithms->aes_gcm = EVP_CIPHER_fetch(algorithms->context, "AES-256-GCM", property);
	algorithms->cmac = EVP_MAC_fetch(algorithms->context, "CMAC", property);
	algorithms->hmac = EVP_MAC_fetch(algorithms->context, "HMAC", property);
	algorithms->sha256 = EVP_MD_fetch(algorithms->context, "SHA2-256", property);
	algorithms->pbkdf2 = EVP_KDF_fetch(algorithms->context, "PBKDF2", property);
	return algorithms->aes_gcm != NULL && algorithms->cmac != NULL && algorithms->hmac != NULL &&
		algorithms->sha256 != NULL && algorithms->pbkdf2 != NULL;
}

/* The subkey of one nonce, or NULL. */
static CellencSubkey *
make_subkey(const uint8_t *key, const uint8_t *nonce)
{
	CellencCipherKey *cipher_key;
	CellencSubkey *result = NULL;

	if (cellenc_cipher_key_new(key, &cipher_key) == CELLENC_OK)
		(void) cellenc_cipher_subkey_new(cipher_key, nonce, &result);
	cellenc_cipher_key_free(cipher_key);
	return result;
}

/*
 * The two vectors of C2SP XAES-256-GCM.  They differ in the top bit of the
 * block that CMAC's own subkey comes from.  Both are sealed and opened twice
 * with one set of contexts, because that is how values are.  With FIPS, sealing
 * takes no IV and so has no known answer; opening has.
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
		uint8_t		iv[CELLENC_IV_LEN];
		CellencSubkey *subkey;
		int			turn;

		memset(key, vectors[i].key_byte, sizeof(key));
		subkey = make_subkey(key, nonce);
		if (subkey == NULL)
			return false;
		for (turn = 0; turn < 2; turn++)
		{
			memcpy(iv, nonce + CELLENC_SALT_LEN, sizeof(iv));
			if (cellenc_cipher_seal(subkey, iv, aad, vectors[i].aad_len, plain, 12,
									sealed) != CELLENC_OK ||
				(!cellenc_cipher_algorithms.fips &&
				 memcmp(sealed, vectors[i].sealed, sizeof(sealed)) != 0))
				good = false;

			/* one bit of the ciphertext: refused, and nothing given out */
			sealed[3] ^= 0x10;
			memset(opened, 0xff, sizeof(opened));
			if (cellenc_cipher_open(subkey, iv, aad, vectors[i].aad_len, sealed, 12,
									opened) != CELLENC_BAD_TAG ||
				memcmp(opened, "\0\0\0\0\0\0\0\0\0\0\0\0", 12) != 0)
				good = false;

			sealed[3] ^= 0x10;
			if (cellenc_cipher_open(subkey, iv, aad, vectors[i].aad_len, sealed, 12,
									opened) != CELLENC_OK ||
				memcmp(opened, plain, 12) != 0)
				good = false;
		}
		if (cellenc_cipher_algorithms.fips &&
			(cellenc_cipher_open(subkey, nonce + CELLENC_SALT_LEN, aad, vectors[i].aad_len,
								 vectors[i].sealed, 12, opened) != CELLENC_OK ||
			 memcmp(opened, plain, 12) != 0))
			good = false;
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
			cellenc_cipher_algorithms.iv_as_parameter = way == 1;
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
 */
CellencStatus
cellenc_cipher_init(bool fips)
{
	if (ready)
		return CELLENC_OK;

	if (!fetch_algorithms(fips))
	{
		release_algorithms();
		return cellenc_cipher_fail(fips ? CELLENC_NO_FIPS : CELLENC_LIBRARY, NULL, 0);
	}

	/* the known answers below then go the way that values will go */
	cellenc_cipher_algorithms.iv_as_parameter = !fips && test_iv_parameter();
	if (!test_xaes() || !test_hashes())
	{
		release_algorithms();
		return cellenc_cipher_fail(CELLENC_SELF_TEST, NULL, 0);
	}
	ready = true;
	return CELLENC_OK;
}
