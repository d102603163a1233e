/*-------------------------------------------------------------------------
 *
 * test_fips.c
 *	  The cipher with approved algorithms only.
 *
 * CELLENC_FIPS_CONF in the environment names an openssl.cnf that describes a
 * FIPS provider (test/fips-conf.sh).  Without it, only the refusal is tested.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>

#include "cipher.h"
#include "envelope.h"
#include "testlib.h"

static const uint8_t key[CELLENC_KEY_LEN] = {1, 2, 3};
static const uint8_t plain[20] = "nineteen characters";

/* In a child, because what a program made of openssl.cnf it keeps. */
static void
test_refusal(void)
{
	int			status = -1;
	pid_t		child = fork();

	if (child == 0)
	{
		CellencCipherKey *cipher_key;
		bool		good;

		setenv("OPENSSL_CONF", "/dev/null", 1);
		good = cellenc_cipher_init(true) == CELLENC_NO_FIPS && ERR_peek_error() == 0 &&
			cellenc_cipher_key_new(key, &cipher_key) == CELLENC_LIBRARY;
		good = good && cellenc_cipher_init(false) == CELLENC_OK;
		_exit(good ? 0 : 1);
	}
	ok(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	   WEXITSTATUS(status) == 0, "no provider: refused, and nothing else works until init without");
}

/* The IV that is passed in is replaced by another one for each message. */
static void
test_ivs(void)
{
	static const uint8_t aad[] = "additional data";
	static const uint8_t given[CELLENC_IV_LEN] = {7};
	uint8_t		salt[CELLENC_SALT_LEN] = {8};
	uint8_t		ivs[100][CELLENC_IV_LEN];
	uint8_t		sealed[sizeof(plain) + CELLENC_TAG_LEN];
	uint8_t		opened[sizeof(plain)];
	CellencCipherKey *cipher_key;
	CellencSubkey *subkey;
	bool		good = true;
	bool		fresh = true;

	if (cellenc_cipher_key_new(key, &cipher_key) != CELLENC_OK ||
		cellenc_cipher_subkey_new(cipher_key, salt, &subkey) != CELLENC_OK)
		bail_out("no subkey");
	for (size_t i = 0; i < sizeof(ivs) / sizeof(ivs[0]); i++)
	{
		size_t		len = i % (sizeof(plain) + 1);
		size_t		aad_len = i % 2 == 0 ? sizeof(aad) : 0;

		memcpy(ivs[i], given, sizeof(given));
		memset(opened, 0xa5, sizeof(opened));
		good &= cellenc_cipher_seal(subkey, ivs[i], aad, aad_len, plain, len, sealed) == CELLENC_OK &&
			cellenc_cipher_open(subkey, ivs[i], aad, aad_len, sealed, len, opened) == CELLENC_OK &&
			memcmp(opened, plain, len) == 0;
		sealed[len] ^= 1;
		good &= cellenc_cipher_open(subkey, ivs[i], aad, aad_len, sealed, len, opened) == CELLENC_BAD_TAG &&
			is_zero(opened, len);
		fresh &= memcmp(ivs[i], given, sizeof(given)) != 0;
		for (size_t j = 0; j < i; j++)
			fresh &= memcmp(ivs[i], ivs[j], sizeof(given)) != 0;
	}
	ok(good, "what is sealed opens, and not if altered");
	ok(fresh, "each message has an IV of its own, made by the module");
	cellenc_cipher_subkey_free(subkey);
	cellenc_cipher_key_free(cipher_key);
}

static void
test_wrap(void)
{
	CellencWrapInfo info = {.purpose = CELLENC_PURPOSE_DATA,.version_id = 5,.version = 1};
	uint8_t		master[CELLENC_KEY_LEN] = {4};
	uint8_t		wrapped[CELLENC_WRAPPED_LEN];
	uint8_t		unwrapped[CELLENC_KEY_LEN];

	ok(cellenc_envelope_wrap(&info, master, key, wrapped) == CELLENC_OK &&
	   cellenc_envelope_unwrap(&info, master, wrapped, sizeof(wrapped), unwrapped) == CELLENC_OK &&
	   memcmp(unwrapped, key, sizeof(key)) == 0, "a key is wrapped and unwrapped");
}

/* A child's random bytes and IVs are not its parent's. */
static void
test_fork(void)
{
	uint8_t		mine[32];
	uint8_t		other[32];
	int			ends[2];
	int			status = -1;
	pid_t		child;

	if (cellenc_cipher_random(mine, sizeof(mine)) != CELLENC_OK || pipe(ends) != 0)
		bail_out("no random bytes");
	child = fork();
	if (child == 0)
		_exit(cellenc_cipher_random(other, sizeof(other)) == CELLENC_OK &&
			  write(ends[1], other, sizeof(other)) == sizeof(other) ? 0 : 1);
	ok(child > 0 && waitpid(child, &status, 0) == child && status == 0 &&
	   read(ends[0], other, sizeof(other)) == sizeof(other) &&
	   cellenc_cipher_random(mine, sizeof(mine)) == CELLENC_OK &&
	   memcmp(mine, other, sizeof(mine)) != 0, "a child has other random bytes");
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const char *conf = getenv("CELLENC_FIPS_CONF");

	test_refusal();
	if (conf == NULL || *conf == '\0')
	{
		skip("no FIPS provider of OpenSSL here", "approved algorithms");
		return done_testing();
	}
	setenv("OPENSSL_CONF", conf, 1);
	ok(cellenc_cipher_init(true) == CELLENC_OK && ERR_peek_error() == 0, "init, known answers included");
	test_ivs();
	test_wrap();
	test_fork();
	return done_testing();
}
