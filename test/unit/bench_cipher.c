/*-------------------------------------------------------------------------
 *
 * bench_cipher.c
 *	  Time of one seal and one open: make -C test/unit bench
 *
 * With approved algorithms if CELLENC_FIPS_CONF names an openssl.cnf, as for
 * test_fips.
 *
 * Best of several runs, because the machine is shared: noise only adds.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cipher.h"

#define RUNS	20
#define TURNS	200000
#define AAD_LEN 40
#define MAX_LEN 1024

static CellencCipherKey *key;
static CellencSubkey *subkey;
static CellencMac *mac;
static const uint8_t no_salt[CELLENC_SALT_LEN] = {0};
static uint8_t iv[CELLENC_IV_LEN];
static uint8_t aad[AAD_LEN];
static uint8_t plain[MAX_LEN];
static uint8_t sealed[MAX_LEN + CELLENC_TAG_LEN];

static void
must(CellencStatus status)
{
	if (status != CELLENC_OK)
	{
		fprintf(stderr, "status %d\n", (int) status);
		exit(1);
	}
}

static void
do_seal(size_t len)
{
	iv[0]++;
	must(cellenc_cipher_seal(subkey, iv, aad, AAD_LEN, plain, len, sealed));
}

static void
do_open(size_t len)
{
	must(cellenc_cipher_open(subkey, iv, aad, AAD_LEN, sealed, len, plain));
}

/* a value under another salt than the last: derive, then open */
static void
do_derive_open(size_t len)
{
	CellencSubkey *other;

	must(cellenc_cipher_subkey_new(key, no_salt, &other));
	must(cellenc_cipher_open(other, iv, aad, AAD_LEN, sealed, len, plain));
	cellenc_cipher_subkey_free(other);
}

static void
do_mac(size_t len)
{
	CellencPart part = {plain, len};
	uint8_t		out[CELLENC_HMAC_LEN];

	must(cellenc_cipher_mac(mac, &part, 1, out));
}

static void
do_random(size_t len)
{
	must(cellenc_cipher_random(plain, len));
}

static void
measure(const char *name, void (*run) (size_t), size_t len, int turns)
{
	double		best = 1e9;
	int			i;
	int			j;

	for (i = 0; i < RUNS; i++)
	{
		struct timespec a;
		struct timespec b;
		double		us;

		clock_gettime(CLOCK_MONOTONIC, &a);
		for (j = 0; j < turns; j++)
			run(len);
		clock_gettime(CLOCK_MONOTONIC, &b);
		us = ((b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3) / turns;
		if (us < best)
			best = us;
	}
	printf("%-28s %5zu bytes  %6.3f us\n", name, len, best);
}

int
main(void)
{
	const char *fips_conf = getenv("CELLENC_FIPS_CONF");
	uint8_t		bytes[CELLENC_KEY_LEN] = {1};
	size_t		lens[] = {20, MAX_LEN};
	size_t		i;

	if (fips_conf != NULL)
		setenv("OPENSSL_CONF", fips_conf, 1);
	must(cellenc_cipher_init(fips_conf != NULL));
	must(cellenc_cipher_key_new(bytes, &key));
	must(cellenc_cipher_subkey_new(key, bytes, &subkey));
	must(cellenc_cipher_mac_new(bytes, sizeof(bytes), &mac));
	for (i = 0; i < 2; i++)
	{
		measure("seal", do_seal, lens[i], TURNS);
		measure("open", do_open, lens[i], TURNS);
	}

	/* what do_derive_open() opens */
	must(cellenc_cipher_subkey_new(key, no_salt, &subkey));
	do_seal(20);
	measure("open, other salt", do_derive_open, 20, TURNS / 10);
	measure("HMAC (a term)", do_mac, 20, TURNS);
	measure("random", do_random, 252, TURNS / 10);
	return 0;
}
