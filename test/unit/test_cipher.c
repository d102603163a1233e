/*-------------------------------------------------------------------------
 *
 * test_cipher.c
 *	  XAES-256-GCM against C2SP's vectors, and the contract of cipher.h.
 *
 * CELLENC_SLOW=1 runs the accumulated test with 1,000,000 instead of 10,000
 * iterations.
 *
 * Linked with --wrap for the functions of the system and of OpenSSL that
 * stand below as __wrap_...: so that they can fail here, as they hardly ever
 * do elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "cipher.h"
#include "shake.h"
#include "testlib.h"

#define MAX_LEN 300

/*
 * Faults.  A count of 0 means none; otherwise the call with that number, from
 * now on, goes wrong.
 */
static int	fault_fetch = 0;
static int	fault_mac_value = 0;	/* succeeds, with one bit wrong */
static int	fault_gcm_value = 0;	/* likewise */
static int	fault_mac_init = 0;
static int	fault_gcm_init = 0;
static int	fault_gcm_final = 0;
static int	fault_random_error = 0;
static bool no_params = false;	/* OpenSSL sets none on a cipher's context */
static int	nrandom_calls = 0;
static size_t random_limit = 0; /* most bytes at once, 0 for no limit */

extern EVP_CIPHER *__real_EVP_CIPHER_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *props);
extern EVP_CIPHER *__wrap_EVP_CIPHER_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *props);
extern EVP_KDF *__real_EVP_KDF_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *props);
extern EVP_KDF *__wrap_EVP_KDF_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *props);
extern int	__real_EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *outl, size_t size);
extern int	__wrap_EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *outl, size_t size);
extern int	__real_EVP_MAC_init(EVP_MAC_CTX *ctx, const unsigned char *key, size_t len,
								const OSSL_PARAM *params);
extern int	__wrap_EVP_MAC_init(EVP_MAC_CTX *ctx, const unsigned char *key, size_t len,
								const OSSL_PARAM *params);
extern int	__real_EVP_CIPHER_CTX_set_params(EVP_CIPHER_CTX *ctx, const OSSL_PARAM *params);
extern int	__wrap_EVP_CIPHER_CTX_set_params(EVP_CIPHER_CTX *ctx, const OSSL_PARAM *params);
extern int	__real_EVP_EncryptFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl);
extern int	__wrap_EVP_EncryptFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl);
extern int	__real_EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl,
									 const unsigned char *in, int inl);
extern int	__wrap_EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl,
									 const unsigned char *in, int inl);
extern ssize_t __real_getrandom(void *buf, size_t len, unsigned int flags);
extern ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags);

static bool
strikes(int *fault)
{
	return *fault > 0 && --*fault == 0;
}

/* Fail as OpenSSL does, with something in its error queue. */
static int
openssl_failure(void)
{
	ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
	return 0;
}

EVP_CIPHER *
__wrap_EVP_CIPHER_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *props)
{
	if (strikes(&fault_fetch))
	{
		openssl_failure();
		return NULL;
	}
	return __real_EVP_CIPHER_fetch(ctx, name, props);
}

EVP_KDF *
__wrap_EVP_KDF_fetch(OSSL_LIB_CTX *ctx, const char *name, const char *props)
{
	if (strikes(&fault_fetch))
	{
		openssl_failure();
		return NULL;
	}
	return __real_EVP_KDF_fetch(ctx, name, props);
}

int
__wrap_EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *outl, size_t size)
{
	int			result = __real_EVP_MAC_final(ctx, out, outl, size);

	if (strikes(&fault_mac_value))
		out[*outl - 1] ^= 1;
	return result;
}

int
__wrap_EVP_MAC_init(EVP_MAC_CTX *ctx, const unsigned char *key, size_t len,
					const OSSL_PARAM *params)
{
	if (strikes(&fault_mac_init))
		return openssl_failure();
	return __real_EVP_MAC_init(ctx, key, len, params);
}

int
__wrap_EVP_CIPHER_CTX_set_params(EVP_CIPHER_CTX *ctx, const OSSL_PARAM *params)
{
	if (no_params || strikes(&fault_gcm_init))
		return openssl_failure();
	return __real_EVP_CIPHER_CTX_set_params(ctx, params);
}

int
__wrap_EVP_EncryptFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl)
{
	if (strikes(&fault_gcm_final))
		return openssl_failure();
	return __real_EVP_EncryptFinal_ex(ctx, out, outl);
}

int
__wrap_EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl,
						 const unsigned char *in, int inl)
{
	int			result = __real_EVP_DecryptUpdate(ctx, out, outl, in, inl);

	if (out != NULL && strikes(&fault_gcm_final))
		return openssl_failure();
	if (out != NULL && strikes(&fault_gcm_value))
		out[0] ^= 1;
	return result;
}

ssize_t
__wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	nrandom_calls++;
	if (random_limit > 0)
	{
		/* every other call is interrupted, the rest are short */
		if (nrandom_calls % 2 == 1)
		{
			errno = EINTR;
			return -1;
		}
		len = len < random_limit ? len : random_limit;
	}
	if (strikes(&fault_random_error))
	{
		errno = ENOSYS;
		return -1;
	}
	return __real_getrandom(buf, len, flags);
}

static void
test_c2sp_vectors(void)
{
	static const char *const nonce = "ABCDEFGHIJKLMNOPQRSTUVWX";
	static const char *const plain = "XAES-256-GCM";
	static const struct
	{
		int			key_byte;
		const char *aad;
		const char *sealed;
	}			vectors[] =
	{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"}
	};
	size_t		i;

	for (i = 0; i < 2; i++)
	{
		const uint8_t *aad = (const uint8_t *) vectors[i].aad;
		size_t		aad_len = strlen(vectors[i].aad);
		uint8_t		key[CELLENC_KEY_LEN];
		uint8_t		copy[CELLENC_NONCE_LEN];
		uint8_t		expected[28];
		uint8_t		sealed[28];
		uint8_t		opened[12];

		memset(key, vectors[i].key_byte, sizeof(key));
		unhex(vectors[i].sealed, expected, sizeof(expected));
		memcpy(copy, nonce, sizeof(copy));
		ok(cellenc_cipher_xaes_seal(key, copy, aad, aad_len,
									(const uint8_t *) plain, 12, sealed) == CELLENC_OK &&
		   memcmp(sealed, expected, sizeof(sealed)) == 0, "C2SP vector %zu sealed", i + 1);
		ok(cellenc_cipher_xaes_open(key, (const uint8_t *) nonce, aad, aad_len,
									expected, 12, opened) == CELLENC_OK &&
		   memcmp(opened, plain, sizeof(opened)) == 0, "C2SP vector %zu opened", i + 1);
	}
}

/* C2SP's accumulated test; if asked to, each result is opened again, too. */
static void
test_c2sp_accumulated(int iterations, bool open_too, const char *expected)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	uint8_t		first[16];
	uint8_t		digest[32];
	uint8_t		expected_digest[32];
	bool		opens = true;
	int			i;

	shake_start();
	shake_read(first, sizeof(first));
	unhex("7f9c2ba4e88f827d616045507605853e", expected_digest, 16);
	if (memcmp(first, expected_digest, 16) != 0)
		bail_out("SHAKE-128 of this test is wrong");
	unhex(expected, expected_digest, sizeof(expected_digest));

	shake_start();
	EVP_DigestInit_ex(hash, EVP_shake128(), NULL);
	for (i = 0; i < iterations; i++)
	{
		uint8_t		key[CELLENC_KEY_LEN];
		uint8_t		nonce[CELLENC_NONCE_LEN];
		uint8_t		plain[256];
		uint8_t		aad[256];
		uint8_t		sealed[256 + CELLENC_TAG_LEN];
		uint8_t		opened[256];
		uint8_t		len;
		uint8_t		aad_len;

		shake_read(key, sizeof(key));
		shake_read(nonce, sizeof(nonce));
		shake_read(&len, 1);
		shake_read(plain, len);
		shake_read(&aad_len, 1);
		shake_read(aad, aad_len);
		if (cellenc_cipher_xaes_seal(key, nonce, aad, aad_len, plain, len, sealed) != CELLENC_OK)
			break;
		EVP_DigestUpdate(hash, sealed, len + CELLENC_TAG_LEN);
		if (open_too)
			opens &= cellenc_cipher_xaes_open(key, nonce, aad, aad_len, sealed, len, opened) == CELLENC_OK &&
				memcmp(opened, plain, len) == 0;
	}
	EVP_DigestFinalXOF(hash, digest, sizeof(digest));
	EVP_MD_CTX_free(hash);
	ok(memcmp(digest, expected_digest, sizeof(digest)) == 0,
	   "C2SP accumulated hash of %d iterations", iterations);
	if (open_too)
		ok(opens, "all %d of them open", iterations);
}

/* One pair of contexts for many values, of all lengths, good and bad. */
static void
test_reuse(void)
{
	uint8_t		key[CELLENC_KEY_LEN] = {9, 8, 7};
	uint8_t		nonce[CELLENC_NONCE_LEN] = {1, 2, 3};
	uint8_t		aad[MAX_LEN];
	uint8_t		plain[MAX_LEN];
	uint8_t		sealed[MAX_LEN + CELLENC_TAG_LEN];
	uint8_t		one_shot[MAX_LEN + CELLENC_TAG_LEN];
	uint8_t		opened[MAX_LEN + 1];
	CellencCipherKey *cipher_key;
	CellencSubkey *subkey;
	CellencSubkey *second = NULL;
	bool		same = true;
	bool		opens = true;
	bool		refuses = true;
	bool		inside = true;
	size_t		len;

	for (len = 0; len < MAX_LEN; len++)
	{
		plain[len] = (uint8_t) (7 * len);
		aad[len] = (uint8_t) (len + 1);
	}
	if (cellenc_cipher_key_new(key, &cipher_key) != CELLENC_OK ||
		cellenc_cipher_subkey_new(cipher_key, nonce, &subkey) != CELLENC_OK)
		bail_out("no subkey");

	for (len = 0; len < MAX_LEN; len++)
	{
		size_t		aad_len = 97 * len % MAX_LEN;
		uint8_t    *iv = nonce + CELLENC_SALT_LEN;

		nonce[CELLENC_SALT_LEN] = (uint8_t) len;
		nonce[CELLENC_NONCE_LEN - 1] = (uint8_t) (len >> 8);
		same &= cellenc_cipher_seal(subkey, iv, aad, aad_len, plain, len, sealed) == CELLENC_OK &&
			cellenc_cipher_xaes_seal(key, nonce, aad, aad_len, plain, len, one_shot) == CELLENC_OK &&
			memcmp(sealed, one_shot, len + CELLENC_TAG_LEN) == 0;

		memset(opened, 0xa5, sizeof(opened));
		sealed[len] ^= 1;
		refuses &= cellenc_cipher_open(subkey, iv, aad, aad_len, sealed, len, opened) == CELLENC_BAD_TAG &&
			is_zero(opened, len) && ERR_peek_error() == 0;
		sealed[len] ^= 1;
		opens &= cellenc_cipher_open(subkey, iv, aad, aad_len, sealed, len, opened) == CELLENC_OK &&
			memcmp(opened, plain, len) == 0;
		inside &= opened[len] == 0xa5;
	}
	ok(same, "a reused context seals as a fresh one does");
	ok(opens, "a reused context opens, right after a refusal");
	ok(refuses, "a reused context refuses");
	ok(inside, "nothing is written behind the plaintext");

	/* a key derives the same for the same salt, and outlives nothing */
	len = 20;
	ok(cellenc_cipher_seal(subkey, nonce, aad, 5, plain, len, sealed) == CELLENC_OK &&
	   cellenc_cipher_subkey_new(cipher_key, aad, &second) == CELLENC_OK &&
	   cellenc_cipher_open(second, nonce, aad, 5, sealed, len, opened) == CELLENC_BAD_TAG,
	   "another salt is another key");
	cellenc_cipher_subkey_free(second);
	ok(cellenc_cipher_subkey_new(cipher_key, nonce, &second) == CELLENC_OK,
	   "a salt can be derived again");
	cellenc_cipher_key_free(cipher_key);
	ok(cellenc_cipher_open(second, nonce, aad, 5, sealed, len, opened) == CELLENC_OK &&
	   memcmp(opened, plain, len) == 0, "it is the same key, also without the data key");
	cellenc_cipher_subkey_free(second);
	cellenc_cipher_subkey_free(subkey);
}

static void
test_tampering(void)
{
	uint8_t		key[CELLENC_KEY_LEN] = {42};
	uint8_t		nonce[CELLENC_NONCE_LEN] = {4, 3, 2, 1};
	uint8_t		aad[40] = {1};
	uint8_t		plain[20] = "a secret of 20 byte";
	uint8_t		sealed[20 + CELLENC_TAG_LEN];
	uint8_t		opened[21];
	struct
	{
		const char *name;
		uint8_t    *bytes;
		size_t		len;
	}			targets[] =
	{
		{"ciphertext or tag", sealed, sizeof(sealed)},
		{"nonce", nonce, sizeof(nonce)},
		{"AAD", aad, sizeof(aad)},
		{"key", key, sizeof(key)}
	};
	size_t		t;
	size_t		i;

	if (cellenc_cipher_xaes_seal(key, nonce, aad, sizeof(aad), plain, sizeof(plain), sealed) != CELLENC_OK)
		bail_out("seal failed");
	for (t = 0; t < 4; t++)
	{
		bool		good = true;

		for (i = 0; i < 8 * targets[t].len; i++)
		{
			targets[t].bytes[i / 8] ^= (uint8_t) (1 << i % 8);
			memset(opened, 0xa5, sizeof(opened));
			good &= cellenc_cipher_xaes_open(key, nonce, aad, sizeof(aad), sealed,
											 sizeof(plain), opened) == CELLENC_BAD_TAG &&
				is_zero(opened, sizeof(plain)) && opened[sizeof(plain)] == 0xa5 &&
				ERR_peek_error() == 0;
			targets[t].bytes[i / 8] ^= (uint8_t) (1 << i % 8);
		}
		ok(good, "one bit of the %s refused", targets[t].name);
	}
	ok(cellenc_cipher_xaes_open(key, nonce, aad, sizeof(aad) - 1, sealed, sizeof(plain), opened) == CELLENC_BAD_TAG,
	   "a shorter AAD refused");
	ok(cellenc_cipher_xaes_open(key, nonce, aad, 0, sealed, sizeof(plain), opened) == CELLENC_BAD_TAG,
	   "no AAD refused");
	ok(cellenc_cipher_xaes_open(key, nonce, aad, sizeof(aad), sealed, sizeof(plain) - 1, opened) == CELLENC_BAD_TAG,
	   "a shorter ciphertext refused");
	ok(cellenc_cipher_xaes_open(key, nonce, aad, sizeof(aad), sealed, sizeof(plain), opened) == CELLENC_OK &&
	   memcmp(opened, plain, sizeof(plain)) == 0, "the unchanged one opens");
}

static void
test_lengths(void)
{
	uint8_t		key[CELLENC_KEY_LEN] = {7};
	uint8_t		nonce[CELLENC_NONCE_LEN] = {7};
	uint8_t		tag[CELLENC_TAG_LEN];
	uint8_t		buffer[8 + CELLENC_TAG_LEN];
	size_t		huge = (size_t) INT_MAX + 1;
	size_t		wraps = (size_t) UINT32_MAX + 1 + 8;	/* 8, cut to an int */

	ok(cellenc_cipher_xaes_seal(key, nonce, NULL, 0, NULL, 0, tag) == CELLENC_OK &&
	   cellenc_cipher_xaes_open(key, nonce, NULL, 0, tag, 0, NULL) == CELLENC_OK,
	   "nothing can be sealed and opened");
	tag[0] ^= 1;
	ok(cellenc_cipher_xaes_open(key, nonce, NULL, 0, tag, 0, NULL) == CELLENC_BAD_TAG,
	   "nothing with another tag refused");
	ok(cellenc_cipher_xaes_seal(key, nonce, key, 3, NULL, 0, tag) == CELLENC_OK &&
	   cellenc_cipher_xaes_open(key, nonce, key, 3, tag, 0, NULL) == CELLENC_OK &&
	   cellenc_cipher_xaes_open(key, nonce, key, 2, tag, 0, NULL) == CELLENC_BAD_TAG,
	   "AAD alone");

	memset(buffer, 0xa5, sizeof(buffer));
	ok(cellenc_cipher_xaes_seal(key, nonce, NULL, 0, key, huge, buffer) == CELLENC_LIBRARY &&
	   cellenc_cipher_xaes_seal(key, nonce, NULL, 0, key, INT_MAX, buffer) == CELLENC_LIBRARY &&
	   cellenc_cipher_xaes_seal(key, nonce, NULL, 0, key, wraps, buffer) == CELLENC_LIBRARY &&
	   buffer[0] == 0xa5, "more than OpenSSL can count is not sealed");
	ok(cellenc_cipher_xaes_open(key, nonce, NULL, 0, key, huge, buffer) == CELLENC_BAD_FORMAT &&
	   cellenc_cipher_xaes_open(key, nonce, NULL, 0, key, SIZE_MAX, buffer) == CELLENC_BAD_FORMAT &&
	   cellenc_cipher_xaes_open(key, nonce, NULL, 0, key, wraps, buffer) == CELLENC_BAD_FORMAT &&
	   buffer[0] == 0xa5, "more than OpenSSL can count is not opened");
	ok(cellenc_cipher_xaes_seal(key, nonce, key, huge, key, 8, buffer) == CELLENC_LIBRARY &&
	   is_zero(buffer, sizeof(buffer)) &&
	   cellenc_cipher_xaes_seal(key, nonce, key, wraps, key, 8, buffer) == CELLENC_LIBRARY &&
	   is_zero(buffer, sizeof(buffer)), "nor sealed with an AAD of that length");
	memset(buffer, 0xa5, sizeof(buffer));
	ok(cellenc_cipher_xaes_open(key, nonce, key, huge, key, 8, buffer) == CELLENC_LIBRARY &&
	   is_zero(buffer, 8) &&
	   cellenc_cipher_xaes_open(key, nonce, key, wraps, key, 8, buffer) == CELLENC_LIBRARY &&
	   is_zero(buffer, 8), "nor opened");
}

/* RFC 4231 */
static void
test_hmac(void)
{
	static const struct
	{
		int			number;
		const char *key;
		const char *text;
		const char *answer;
	}			vectors[] =
	{
		{1, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{2, "4a656665", "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{6, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"}
	};
	uint8_t		key[131];
	uint8_t		answer[CELLENC_HMAC_LEN];
	uint8_t		out[CELLENC_HMAC_LEN];
	CellencMac *mac;
	size_t		i;

	for (i = 0; i < 3; i++)
	{
		size_t		key_len = sizeof(key);
		size_t		len = strlen(vectors[i].text);
		size_t		cut;
		bool		good = true;

		memset(key, 0xaa, sizeof(key));
		if (vectors[i].key != NULL)
			key_len = unhex(vectors[i].key, key, sizeof(key));
		unhex(vectors[i].answer, answer, sizeof(answer));
		if (cellenc_cipher_mac_new(key, key_len, &mac) != CELLENC_OK)
			bail_out("no HMAC");
		for (cut = 0; cut <= len; cut++)
		{
			CellencPart parts[3] = {{vectors[i].text, cut}, {NULL, 0}, {vectors[i].text + cut, len - cut}};

			good &= cellenc_cipher_mac(mac, parts, 3, out) == CELLENC_OK &&
				memcmp(out, answer, sizeof(out)) == 0;
		}
		cellenc_cipher_mac_free(mac);
		ok(good, "HMAC: RFC 4231 case %d, cut anywhere", vectors[i].number);
	}
	mac = (CellencMac *) key;
	ok(cellenc_cipher_mac_new(key, 0, &mac) == CELLENC_LIBRARY && mac == NULL,
	   "no HMAC with an empty key");
}

static void
test_sha256(void)
{
	uint8_t		answer[CELLENC_HMAC_LEN];
	uint8_t		out[CELLENC_HMAC_LEN];
	CellencPart parts[2] = {{"ab", 2}, {"c", 1}};

	unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", answer, sizeof(answer));
	ok(cellenc_cipher_sha256(parts, 2, out) == CELLENC_OK &&
	   memcmp(out, answer, sizeof(out)) == 0, "SHA-256 of two parts");
	unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", answer, sizeof(answer));
	ok(cellenc_cipher_sha256(NULL, 0, out) == CELLENC_OK &&
	   memcmp(out, answer, sizeof(out)) == 0, "SHA-256 of nothing");
}

static void
test_pbkdf2(void)
{
	static const char *const salt = "saltSALTsaltSALTsaltSALTsaltSALTsalt";
	static const struct
	{
		const char *name;
		size_t		salt_len;
		int			rounds;
	}			refused[] =
	{
		{"salt of 15 bytes", 15, 4096},
		{"no salt", 0, 4096},
		{"999 rounds", 36, 999},
		{"0 rounds", 36, 0},
		{"negative rounds", 36, -4096}
	};
	uint8_t		answer[CELLENC_KEY_LEN];
	uint8_t		out[CELLENC_KEY_LEN];
	size_t		i;

	unhex("348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1", answer, sizeof(answer));
	ok(cellenc_cipher_pbkdf2("passwordPASSWORDpassword", 24, (const uint8_t *) salt, 36, 4096, out) == CELLENC_OK &&
	   memcmp(out, answer, sizeof(out)) == 0, "PBKDF2: known answer");
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		memset(out, 0xa5, sizeof(out));
		ok(cellenc_cipher_pbkdf2("password", 8, (const uint8_t *) salt, refused[i].salt_len,
								 refused[i].rounds, out) == CELLENC_LIBRARY &&
		   is_zero(out, sizeof(out)) && ERR_peek_error() == 0, "PBKDF2: %s refused", refused[i].name);
	}
	/* hashlib.pbkdf2_hmac("sha256", b"", b"saltSALTsaltSALT", 1000) */
	unhex("430eb7c7e0980728e4536dbe0eecee5e6ef07be9f74fd57b657f402424453d1e", answer, sizeof(answer));
	ok(cellenc_cipher_pbkdf2(NULL, 0, (const uint8_t *) salt, 16, 1000, out) == CELLENC_OK &&
	   memcmp(out, answer, sizeof(out)) == 0, "PBKDF2: empty passphrase");
}

static void
test_random(void)
{
	uint8_t		a[64];
	uint8_t		b[64];
	size_t		big_len = 1000000;
	uint8_t    *big = calloc(1, big_len);
	bool		good;

	good = cellenc_cipher_random(a, sizeof(a)) == CELLENC_OK &&
		cellenc_cipher_random(b, sizeof(b)) == CELLENC_OK;
	ok(good && memcmp(a, b, sizeof(a)) != 0 && !is_zero(a, 16), "random bytes differ");
	ok(cellenc_cipher_random(NULL, 0) == CELLENC_OK, "no random bytes");
	ok(cellenc_cipher_random(big, big_len) == CELLENC_OK &&
	   !is_zero(big + big_len - 16, 16), "a million random bytes");
	free(big);

	/* interrupted, and short, over and over */
	memset(a, 0, sizeof(a));
	nrandom_calls = 0;
	random_limit = 10;
	ok(cellenc_cipher_random(a, sizeof(a)) == CELLENC_OK && nrandom_calls == 14 &&
	   !is_zero(a + 48, 12), "random bytes in spite of signals");
	memset(a, 0xa5, sizeof(a));
	fault_random_error = 3;
	ok(cellenc_cipher_random(a, sizeof(a)) == CELLENC_NO_RANDOM &&
	   is_zero(a, sizeof(a)), "no random bytes: all zeroed, those that came too");
	random_limit = 0;
}

static void
test_small(void)
{
	uint8_t		a[33] = {0};
	uint8_t		b[33] = {0};
	bool		good = true;
	size_t		i;

	for (i = 0; i < sizeof(a) * 8; i++)
	{
		b[i / 8] ^= (uint8_t) (1 << i % 8);
		good &= !cellenc_cipher_equal(a, b, sizeof(a));
		b[i / 8] ^= (uint8_t) (1 << i % 8);
	}
	ok(good && cellenc_cipher_equal(a, b, sizeof(a)), "equal");
	ok(cellenc_cipher_equal(a, b, 0), "nothing equals nothing");
	memset(a, 0xa5, sizeof(a));
	cellenc_cipher_wipe(a, sizeof(a) - 1);
	ok(is_zero(a, sizeof(a) - 1) && a[32] == 0xa5, "wiped");
	cellenc_cipher_wipe(NULL, 0);
	cellenc_cipher_key_free(NULL);
	cellenc_cipher_subkey_free(NULL);
	cellenc_cipher_mac_free(NULL);
	ok(true, "nothing to wipe or free");
}

/* Before a successful cellenc_cipher_init(false) nothing works. */
static void
expect_nothing_works(const char *when)
{
	uint8_t		bytes[CELLENC_KEY_LEN] = {1};
	uint8_t		out[CELLENC_KEY_LEN + CELLENC_TAG_LEN];
	CellencCipherKey *key = (CellencCipherKey *) bytes;
	CellencMac *mac = (CellencMac *) bytes;

	ok(cellenc_cipher_key_new(bytes, &key) == CELLENC_LIBRARY && key == NULL, "no key %s", when);
	ok(cellenc_cipher_mac_new(bytes, sizeof(bytes), &mac) == CELLENC_LIBRARY && mac == NULL, "no HMAC %s", when);
	cellenc_cipher_key_free(key);
	cellenc_cipher_mac_free(mac);
	memset(out, 0xa5, sizeof(out));
	ok(cellenc_cipher_xaes_seal(bytes, bytes, NULL, 0, bytes, sizeof(bytes), out) == CELLENC_LIBRARY &&
	   is_zero(out, sizeof(out)), "no sealing %s", when);
	memset(out, 0xa5, sizeof(out));
	ok(cellenc_cipher_xaes_open(bytes, bytes, NULL, 0, bytes, 8, out) == CELLENC_LIBRARY &&
	   is_zero(out, 8), "no opening %s", when);
	memset(out, 0xa5, sizeof(out));
	ok(cellenc_cipher_sha256(NULL, 0, out) == CELLENC_LIBRARY && is_zero(out, CELLENC_HMAC_LEN), "no SHA-256 %s", when);
	memset(out, 0xa5, sizeof(out));
	ok(cellenc_cipher_check_value(bytes, bytes, out) == CELLENC_LIBRARY &&
	   is_zero(out, CELLENC_CHECK_LEN), "no check value %s", when);
	memset(out, 0xa5, sizeof(out));
	ok(cellenc_cipher_pbkdf2("x", 1, bytes, 32, 1000, out) == CELLENC_LIBRARY &&
	   is_zero(out, CELLENC_KEY_LEN), "no PBKDF2 %s", when);
}

static void
test_init(void)
{
	int			i;

	expect_nothing_works("before init");

	for (i = 1; i <= 2; i++)
	{
		fault_fetch = i;
		ok(cellenc_cipher_init(false) == CELLENC_LIBRARY && ERR_peek_error() == 0,
		   "init: algorithm missing (%d)", i);
	}

	/* four are CMACs, then come the two HMACs */
	for (i = 1; i <= 6; i++)
	{
		fault_mac_value = i;
		ok(cellenc_cipher_init(false) == CELLENC_SELF_TEST && fault_mac_value == 0,
		   "init: wrong MAC %d found", i);
	}

	/*
	 * The first eight are opened to compare two ways to set an IV; of the
	 * others, only every other plaintext is to be seen at all.
	 */
	for (i = 10; i <= 16; i += 2)
	{
		fault_gcm_value = i;
		ok(cellenc_cipher_init(false) == CELLENC_SELF_TEST && fault_gcm_value == 0,
		   "init: wrong plaintext %d found", i - 8);
	}
	expect_nothing_works("after a failed init");

	ok(cellenc_cipher_init(false) == CELLENC_OK, "init");
	fault_fetch = 1;
	ok(cellenc_cipher_init(false) == CELLENC_OK && fault_fetch == 1, "init again does nothing");
	fault_fetch = 0;
}

/* OpenSSL fails in the middle: nothing is left behind, and it goes on. */
static void
test_library_failures(void)
{
	uint8_t		key[CELLENC_KEY_LEN] = {5};
	uint8_t		nonce[CELLENC_NONCE_LEN] = {6};
	uint8_t		plain[20] = "another secret here";
	uint8_t		sealed[20 + CELLENC_TAG_LEN];
	uint8_t		again[20 + CELLENC_TAG_LEN];
	uint8_t		opened[CELLENC_HMAC_LEN];
	CellencCipherKey *cipher_key;
	CellencSubkey *subkey;
	CellencMac *mac;
	CellencPart part = {plain, sizeof(plain)};
	int			i;

	if (cellenc_cipher_key_new(key, &cipher_key) != CELLENC_OK ||
		cellenc_cipher_subkey_new(cipher_key, nonce, &subkey) != CELLENC_OK ||
		cellenc_cipher_mac_new(key, sizeof(key), &mac) != CELLENC_OK ||
		cellenc_cipher_seal(subkey, nonce, key, 8, plain, sizeof(plain), sealed) != CELLENC_OK)
		bail_out("no subkey");

	memset(again, 0xa5, sizeof(again));
	fault_gcm_init = 1;
	ok(cellenc_cipher_seal(subkey, nonce, key, 8, plain, sizeof(plain), again) == CELLENC_LIBRARY &&
	   is_zero(again, sizeof(again)) && ERR_peek_error() == 0, "seal fails at the IV");
	memset(again, 0xa5, sizeof(again));
	fault_gcm_final = 1;
	ok(cellenc_cipher_seal(subkey, nonce, key, 8, plain, sizeof(plain), again) == CELLENC_LIBRARY &&
	   is_zero(again, sizeof(again)) && ERR_peek_error() == 0, "seal fails at the end");
	ok(cellenc_cipher_seal(subkey, nonce, key, 8, plain, sizeof(plain), again) == CELLENC_OK &&
	   memcmp(again, sealed, sizeof(sealed)) == 0, "and then seals the same");

	memset(opened, 0xa5, sizeof(opened));
	fault_gcm_final = 1;
	ok(cellenc_cipher_open(subkey, nonce, key, 8, sealed, sizeof(plain), opened) == CELLENC_LIBRARY &&
	   is_zero(opened, sizeof(plain)) && ERR_peek_error() == 0, "open fails in the middle");
	ok(cellenc_cipher_open(subkey, nonce, key, 8, sealed, sizeof(plain), opened) == CELLENC_OK &&
	   memcmp(opened, plain, sizeof(plain)) == 0, "and then opens");
	cellenc_cipher_subkey_free(subkey);

	for (i = 1; i <= 2; i++)
	{
		fault_mac_init = i;
		ok(cellenc_cipher_subkey_new(cipher_key, nonce, &subkey) == CELLENC_LIBRARY &&
		   subkey == NULL && ERR_peek_error() == 0, "no subkey if CMAC %d fails", i);
	}
	cellenc_cipher_key_free(cipher_key);
	fault_mac_init = 1;
	ok(cellenc_cipher_key_new(key, &cipher_key) == CELLENC_LIBRARY &&
	   cipher_key == NULL && ERR_peek_error() == 0, "no key if CMAC fails");

	memset(opened, 0xa5, sizeof(opened));
	fault_mac_init = 1;
	ok(cellenc_cipher_mac(mac, &part, 1, opened) == CELLENC_LIBRARY &&
	   is_zero(opened, sizeof(opened)) && ERR_peek_error() == 0, "HMAC fails");
	cellenc_cipher_mac_free(mac);
	fault_mac_init = 1;
	ok(cellenc_cipher_mac_new(key, sizeof(key), &mac) == CELLENC_LIBRARY &&
	   mac == NULL && ERR_peek_error() == 0, "no HMAC if its key fails");
}

/*
 * Where OpenSSL does not take an IV as a parameter, it goes in the other way;
 * in a child, because init decides once.  The known answers are part of it.
 */
static void
test_iv_by_init(void)
{
	int			status = -1;
	pid_t		child = fork();

	if (child == 0)
	{
		uint8_t		key[CELLENC_KEY_LEN] = {7};
		uint8_t		nonce[CELLENC_NONCE_LEN] = {8};
		uint8_t		sealed[3 + CELLENC_TAG_LEN];
		uint8_t		opened[3];
		bool		good;

		no_params = true;
		good = cellenc_cipher_init(false) == CELLENC_OK &&
			cellenc_cipher_xaes_seal(key, nonce, key, 9, key, 3, sealed) == CELLENC_OK &&
			cellenc_cipher_xaes_open(key, nonce, key, 9, sealed, 3, opened) == CELLENC_OK &&
			memcmp(opened, key, 3) == 0 && ERR_peek_error() == 0;
		sealed[0] ^= 1;
		good = good &&
			cellenc_cipher_xaes_open(key, nonce, key, 9, sealed, 3, opened) == CELLENC_BAD_TAG;
		_exit(good ? 0 : 1);
	}
	ok(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	   WEXITSTATUS(status) == 0, "without IV parameters, IVs go in by init");
}

int
main(void)
{
	const char *slow = getenv("CELLENC_SLOW");

	test_iv_by_init();
	test_init();
	test_c2sp_vectors();
	test_c2sp_accumulated(10000, true, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
	if (slow != NULL && strcmp(slow, "1") == 0)
		test_c2sp_accumulated(1000000, false, "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
	else
		skip("CELLENC_SLOW=1 runs it", "C2SP accumulated hash of 1000000 iterations");
	test_reuse();
	test_tampering();
	test_lengths();
	test_hmac();
	test_sha256();
	test_pbkdf2();
	test_random();
	test_small();
	test_library_failures();
	return done_testing();
}
