/*-------------------------------------------------------------------------
 *
 * test_wycheproof.c
 *	  The primitives against C2SP's Wycheproof, invalid cases included.
 *
 * Usage: test_wycheproof [DIRECTORY]
 *
 * DIRECTORY, or WYCHEPROOF in the environment, holds the files as they are
 * published (testvectors_v1), with or without "wycheproof_" before their
 * names.  Without a directory every test is skipped; with one, a missing
 * file is a failure.
 *
 * The cipher is included, not linked: CMAC, GCM under a given key, and PBKDF2
 * without the lower bounds are static there, and should be.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "../../src/cipher.c"
#include "../../src/cipher_hash.c"
#include "../../src/cipher_init.c"

#include "testlib.h"

#define MAX_BYTES 4096

/* jansson's name, which the layout tool does not know */
typedef json_t Json;

/* How many cases came out right, by what they were. */
typedef struct Count
{
	int			valid;
	int			invalid;
	int			wrong;
} Count;

typedef void (*CaseFunction) (Json *group, Json *test, Count *count);
typedef CellencStatus (*MacFunction) (const uint8_t *key, size_t key_len,
									  const uint8_t *msg, size_t len, uint8_t *out);

static const char *directory;

static const char *
get_text(Json *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text == NULL)
		bail_out("no %s in a test case", name);
	return text;
}

static int
get_int(Json *object, const char *name)
{
	Json	   *value = json_object_get(object, name);

	if (!json_is_integer(value))
		bail_out("no %s in a test case", name);
	return (int) json_integer_value(value);
}

/* The bytes of a field, in memory that is exactly as long; to be freed. */
static uint8_t *
get_bytes(Json *object, const char *name, size_t *len)
{
	uint8_t		bytes[MAX_BYTES];

	*len = unhex(get_text(object, name), bytes, sizeof(bytes));
	return exact_copy(bytes, *len);
}

static void
count_case(Count *count, Json *test, bool valid, bool right)
{
	if (!right)
	{
		count->wrong++;
		diag("case %d is wrong", get_int(test, "tcId"));
	}
	else if (valid)
		count->valid++;
	else
		count->invalid++;
}

static bool
group_has(Json *group, const char *name, int bits)
{
	return get_int(group, name) == bits;
}

/* AES-256-GCM below XAES: a subkey that is the case's key. */
static void
run_gcm(Json *group, Json *test, Count *count)
{
	bool		valid = strcmp(get_text(test, "result"), "valid") == 0;
	CellencSubkey subkey = {.seal = NULL};
	uint8_t		sealed[MAX_BYTES + CELLENC_TAG_LEN];
	uint8_t		expected[MAX_BYTES + CELLENC_TAG_LEN];
	uint8_t		opened[MAX_BYTES];
	size_t		key_len;
	size_t		iv_len;
	size_t		aad_len;
	size_t		len;
	size_t		ct_len;
	size_t		tag_len;
	uint8_t    *key;
	uint8_t    *iv;
	uint8_t    *aad;
	uint8_t    *msg;
	uint8_t    *ct;
	uint8_t    *tag;
	CellencStatus status;
	bool		right;

	if (!group_has(group, "keySize", 256) || !group_has(group, "ivSize", 96) ||
		!group_has(group, "tagSize", 128))
		return;
	key = get_bytes(test, "key", &key_len);
	iv = get_bytes(test, "iv", &iv_len);
	aad = get_bytes(test, "aad", &aad_len);
	msg = get_bytes(test, "msg", &len);
	ct = get_bytes(test, "ct", &ct_len);
	tag = get_bytes(test, "tag", &tag_len);
	if (key_len != CELLENC_KEY_LEN || iv_len != CELLENC_IV_LEN || tag_len != CELLENC_TAG_LEN || ct_len != len)
		bail_out("sizes differ from those of the group");
	memcpy(subkey.key, key, sizeof(subkey.key));
	memcpy(expected, ct, len);
	memcpy(expected + len, tag, tag_len);

	memset(opened, 0xa5, sizeof(opened));
	status = cellenc_cipher_open(&subkey, iv, aad, aad_len, expected, len, opened);
	if (valid)
		right = status == CELLENC_OK && memcmp(opened, msg, len) == 0 &&
			cellenc_cipher_seal(&subkey, iv, aad, aad_len, msg, len, sealed) == CELLENC_OK &&
			memcmp(sealed, expected, len + tag_len) == 0;
	else
		right = status == CELLENC_BAD_TAG && is_zero(opened, len);
	count_case(count, test, valid, right);

	EVP_CIPHER_CTX_free(subkey.seal);
	EVP_CIPHER_CTX_free(subkey.open);
	free(key);
	free(iv);
	free(aad);
	free(msg);
	free(ct);
	free(tag);
}

/* A case of a MAC: valid if and only if the tag is what we compute. */
static void
check_mac(Json *test, Count *count, size_t mac_len, MacFunction compute)
{
	bool		valid = strcmp(get_text(test, "result"), "valid") == 0;
	uint8_t		out[CELLENC_HMAC_LEN];
	size_t		key_len;
	size_t		len;
	size_t		tag_len;
	uint8_t    *key = get_bytes(test, "key", &key_len);
	uint8_t    *msg = get_bytes(test, "msg", &len);
	uint8_t    *tag = get_bytes(test, "tag", &tag_len);
	bool		right;

	right = tag_len <= mac_len &&
		compute(key, key_len, msg, len, out) == CELLENC_OK &&
		cellenc_cipher_equal(out, tag, tag_len) == valid;
	count_case(count, test, valid, right);
	free(key);
	free(msg);
	free(tag);
}

static CellencStatus
cmac_of(const uint8_t *key, size_t key_len, const uint8_t *msg, size_t len, uint8_t *out)
{
	CellencCipherKey *cipher_key;
	CellencStatus status;

	if (key_len != CELLENC_KEY_LEN)
		bail_out("sizes differ from those of the group");
	if (cellenc_cipher_key_new(key, &cipher_key) != CELLENC_OK)
		return CELLENC_LIBRARY;
	status = compute_cmac(cipher_key->cmac, msg, len, out);
	cellenc_cipher_key_free(cipher_key);
	return status;
}

static void
run_cmac(Json *group, Json *test, Count *count)
{
	if (group_has(group, "keySize", 256) && group_has(group, "tagSize", 128))
		check_mac(test, count, CMAC_LEN, cmac_of);
}

static CellencStatus
hmac_of(const uint8_t *key, size_t key_len, const uint8_t *msg, size_t len, uint8_t *out)
{
	CellencPart part = {msg, len};
	CellencMac *mac;
	CellencStatus status;

	if (cellenc_cipher_mac_new(key, key_len, &mac) != CELLENC_OK)
		return CELLENC_LIBRARY;
	status = cellenc_cipher_mac(mac, &part, 1, out);
	cellenc_cipher_mac_free(mac);
	return status;
}

static void
run_hmac(Json *group, Json *test, Count *count)
{
	(void) group;				/* all sizes of key and tag */
	check_mac(test, count, CELLENC_HMAC_LEN, hmac_of);
}

/*
 * All answers are to be right, without the lower bounds; with them, the case
 * is to be refused or to give the same.  We make 32 bytes, the first block of
 * PBKDF2, whatever the length that the case is about.
 */
static void
run_pbkdf2(Json *group, Json *test, Count *count)
{
	bool		valid = strcmp(get_text(test, "result"), "valid") == 0;
	int			rounds = get_int(test, "iterationCount");
	uint8_t		out[CELLENC_KEY_LEN];
	uint8_t		bounded[CELLENC_KEY_LEN];
	size_t		pass_len;
	size_t		salt_len;
	size_t		dk_len;
	uint8_t    *pass = get_bytes(test, "password", &pass_len);
	uint8_t    *salt = get_bytes(test, "salt", &salt_len);
	uint8_t    *dk = get_bytes(test, "dk", &dk_len);
	bool		right;

	(void) group;
	if (dk_len > sizeof(out))
		dk_len = sizeof(out);
	right = derive_pbkdf2((char *) pass, pass_len, salt, salt_len, rounds, 1, out) == CELLENC_OK &&
		(memcmp(out, dk, dk_len) == 0) == valid;
	memset(bounded, 0xa5, sizeof(bounded));
	if (salt_len < 16 || rounds < 1000)
		right &= cellenc_cipher_pbkdf2((char *) pass, pass_len, salt, salt_len, rounds, bounded) == CELLENC_LIBRARY &&
			is_zero(bounded, sizeof(bounded));
	else
		right &= cellenc_cipher_pbkdf2((char *) pass, pass_len, salt, salt_len, rounds, bounded) == CELLENC_OK &&
			memcmp(bounded, out, sizeof(out)) == 0;
	count_case(count, test, valid, right);
	free(pass);
	free(salt);
	free(dk);
}

static Json *
load(const char *name)
{
	static const char *const prefixes[] = {"", "wycheproof_", "testvectors_v1/"};
	char		path[4096];
	json_error_t error;
	size_t		i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
	{
		FILE	   *file;
		Json	   *root;

		snprintf(path, sizeof(path), "%s/%s%s", directory, prefixes[i], name);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		root = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
		fclose(file);
		if (root == NULL)
			bail_out("%s, line %d: %s", path, error.line, error.text);
		return root;
	}
	return NULL;
}

/*
 * Run a file.  The least numbers of valid and invalid cases stand against a
 * file that has changed its shape, of which nothing would be run.
 */
static void
run_file(const char *name, CaseFunction run, int min_valid, int min_invalid)
{
	Json	   *root;
	Json	   *group;
	Json	   *test;
	size_t		i;
	size_t		j;
	Count		count = {0, 0, 0};

	if (directory == NULL)
	{
		skip("WYCHEPROOF is not set", "%s", name);
		return;
	}
	root = load(name);
	if (root == NULL)
	{
		ok(false, "%s: found in %s", name, directory);
		return;
	}
	json_array_foreach(json_object_get(root, "testGroups"), i, group)
		json_array_foreach(json_object_get(group, "tests"), j, test)
		run(group, test, &count);
	json_decref(root);
	ok(count.wrong == 0 && count.valid >= min_valid && count.invalid >= min_invalid,
	   "%s: %d valid and %d invalid cases, %d wrong", name, count.valid, count.invalid, count.wrong);
}

int
main(int argc, char **argv)
{
	directory = argc > 1 ? argv[1] : getenv("WYCHEPROOF");
	if (directory != NULL && directory[0] == '\0')
		directory = NULL;
	if (cellenc_cipher_init(false) != CELLENC_OK)
		bail_out("cellenc_cipher_init failed");

	run_file("aes_gcm_test.json", run_gcm, 39, 27);
	run_file("aes_cmac_test.json", run_cmac, 20, 80);
	run_file("hmac_sha256_test.json", run_hmac, 60, 100);
	run_file("pbkdf2_hmacsha256_test.json", run_pbkdf2, 60, 0);
	return done_testing();
}
