/*-------------------------------------------------------------------------
 *
 * fuzz_envelope.c
 *	  libFuzzer target: bytes that claim to be a sealed value or a wrapped key.
 *
 * The first byte of the input chooses what the rest is taken for.  It always
 * holds:
 *
 *	- what parses is written back as the same bytes: there is no second form
 *	  of a value;
 *	- nothing opens but what was sealed here, bit by bit;
 *	- a refusal hands nothing out.
 *
 * A value is read as the server reads it: its AAD is made from the header it
 * came with.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "require.h"

#define PLAIN_LEN	37
#define REPR		6
#define TWIN_TAG	"text"
#define VERSION_ID	0x01020304

/*
 * One key for everything: the fuzzer finds the salt and the tag hard enough
 * to guess, and a key made for each input would only cost time.
 */
static const uint8_t key[CELLENC_KEY_LEN + 1] = "cellenc fuzzing: a data key ....";
static const uint8_t uuid[CELLENC_UUID_LEN] = "cellenc fuzzing";
static const uint8_t nonce[CELLENC_NONCE_LEN] = "cellenc fuzzing: nonce ";
static const uint8_t term[CELLENC_TERM_LEN] = "cellenc fuzzing";

/* What was sealed: in either format, and a wrapped key. */
static uint8_t plain[PLAIN_LEN] = "cellenc fuzzing: what is not to leak";
static uint8_t sealed[2][CELLENC_OVERHEAD_TERM + PLAIN_LEN];
static size_t sealed_size[2];
static CellencWrapInfo wrap_info;
static uint8_t wrapped[CELLENC_WRAPPED_LEN];

static CellencStatus
seal(uint8_t *dst, uint32_t version_id, const uint8_t *with_term,
	 const uint8_t *with_nonce, const uint8_t *text, size_t len)
{
	uint8_t		aad[CELLENC_VALUE_AAD_MAX];
	size_t		aad_len;
	uint8_t    *end;

	aad_len = cellenc_envelope_value_aad(aad, with_term != NULL ? CELLENC_FORMAT_TERM : CELLENC_FORMAT_PLAIN,
										 version_id, uuid, REPR, TWIN_TAG, with_term);
	end = cellenc_envelope_write(dst, version_id, with_term, with_nonce);
	/* the nonce as it stands before the ciphertext */
	return cellenc_cipher_xaes_seal(key, end - CELLENC_NONCE_LEN, aad, aad_len, text, len, end);
}

static void
start(void)
{
	static bool started = false;
	int			i;

	if (started)
		return;
	started = true;
	REQUIRE(cellenc_cipher_init(false) == CELLENC_OK);
	for (i = 0; i < 2; i++)
	{
		sealed_size[i] = cellenc_envelope_size(i == 1, PLAIN_LEN);
		REQUIRE(seal(sealed[i], VERSION_ID, i == 1 ? term : NULL, nonce, plain, PLAIN_LEN) == CELLENC_OK);
	}
	wrap_info.purpose = CELLENC_PURPOSE_DATA;
	wrap_info.version_id = VERSION_ID;
	wrap_info.version = 1;
	REQUIRE(cellenc_envelope_wrap(&wrap_info, key, plain, wrapped) == CELLENC_OK);
}

static bool
is_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len > 0)
		if (p[--len] != 0)
			return false;
	return true;
}

/* malloc: so that the sanitizer sees the byte before and the byte after */
static uint8_t *
filled(size_t len)
{
	uint8_t    *bytes = malloc(len > 0 ? len : 1);

	REQUIRE(bytes != NULL);
	memset(bytes, 0xa5, len);
	return bytes;
}

static bool
was_sealed(const uint8_t *bytes, size_t size)
{
	return (size == sealed_size[0] && memcmp(bytes, sealed[0], size) == 0) ||
		(size == sealed_size[1] && memcmp(bytes, sealed[1], size) == 0);
}

static void
check_canonical(const uint8_t *bytes, size_t size, const CellencEnvelope *env)
{
	uint8_t    *copy;
	uint8_t    *end;
	uint8_t		format;
	uint32_t	version_id;

	REQUIRE(cellenc_envelope_parse_id(bytes, size, &format, &version_id) == CELLENC_OK);
	REQUIRE(format == env->format && version_id == env->version_id && version_id != 0);
	REQUIRE(cellenc_envelope_size(env->term != NULL, env->len) == size);

	copy = filled(size);
	end = cellenc_envelope_write(copy, env->version_id, env->term, env->nonce);
	memcpy(end, env->ciphertext, env->len + CELLENC_TAG_LEN);
	REQUIRE(end + env->len + CELLENC_TAG_LEN == copy + size);
	REQUIRE(memcmp(copy, bytes, size) == 0);
	free(copy);
}

static void
check_value(const uint8_t *bytes, size_t size)
{
	CellencEnvelope env;
	uint8_t		aad[CELLENC_VALUE_AAD_MAX];
	size_t		aad_len;
	uint8_t    *opened;
	CellencStatus status = cellenc_envelope_parse(bytes, size, &env);

	if (status != CELLENC_OK)
	{
		REQUIRE(status == CELLENC_BAD_FORMAT && is_zero(&env, sizeof(env)));
		REQUIRE(!was_sealed(bytes, size));
		return;
	}
	check_canonical(bytes, size, &env);

	aad_len = cellenc_envelope_value_aad(aad, env.format, env.version_id, uuid,
										 REPR, TWIN_TAG, env.term);
	opened = filled(env.len);
	status = cellenc_cipher_xaes_open(key, env.nonce, aad, aad_len,
									  env.ciphertext, env.len, opened);
	if (was_sealed(bytes, size))
		REQUIRE(status == CELLENC_OK && memcmp(opened, plain, PLAIN_LEN) == 0);
	else
		REQUIRE(status == CELLENC_BAD_TAG && is_zero(opened, env.len));
	free(opened);
}

static void
check_wrap(const uint8_t *bytes, size_t size)
{
	uint8_t    *unwrapped = filled(CELLENC_KEY_LEN);
	CellencStatus status = cellenc_envelope_unwrap(&wrap_info, key, bytes, size, unwrapped);

	if (size == sizeof(wrapped) && memcmp(bytes, wrapped, size) == 0)
		REQUIRE(status == CELLENC_OK && memcmp(unwrapped, plain, CELLENC_KEY_LEN) == 0);
	else
		REQUIRE((status == CELLENC_BAD_TAG || status == CELLENC_BAD_FORMAT) &&
				is_zero(unwrapped, CELLENC_KEY_LEN));
	free(unwrapped);
}

/*
 * What the input makes of something good: its bytes are added (xor) from an
 * offset on, and some are cut off or appended.
 */
static void
check_altered(const uint8_t *good, size_t good_size, const uint8_t *data, size_t size,
			  void (*check) (const uint8_t *bytes, size_t size))
{
	size_t		offset;
	size_t		new_size;
	uint8_t    *altered;
	size_t		i;

	if (size < 2)
	{
		check(good, good_size);
		return;
	}
	offset = data[0] % good_size;
	new_size = good_size + (size_t) (int8_t) data[1];
	if (new_size > 2 * good_size)	/* below 0, or far too much */
		new_size = good_size;
	data += 2;
	size -= 2;

	altered = filled(new_size);
	memcpy(altered, good, new_size < good_size ? new_size : good_size);
	for (i = 0; i < size && offset + i < new_size; i++)
		altered[offset + i] ^= data[i];
	check(altered, new_size);
	free(altered);
}

/* Whatever is sealed opens, and is seen to be what it is. */
static void
check_round_trip(const uint8_t *data, size_t size, bool with_term)
{
	size_t		sealed_len = cellenc_envelope_size(with_term, size);
	uint8_t    *bytes = filled(sealed_len);
	uint8_t    *opened = filled(size);
	uint8_t		aad[CELLENC_VALUE_AAD_MAX];
	size_t		aad_len;
	CellencEnvelope env;
	uint8_t		other_nonce[CELLENC_NONCE_LEN] = {1};

	REQUIRE(seal(bytes, VERSION_ID, with_term ? term : NULL, other_nonce, data, size) == CELLENC_OK);
	REQUIRE(cellenc_envelope_parse(bytes, sealed_len, &env) == CELLENC_OK);
	REQUIRE(env.len == size && (env.term != NULL) == with_term);
	check_canonical(bytes, sealed_len, &env);
	aad_len = cellenc_envelope_value_aad(aad, env.format, env.version_id, uuid,
										 REPR, TWIN_TAG, env.term);
	REQUIRE(cellenc_cipher_xaes_open(key, env.nonce, aad, aad_len,
									 env.ciphertext, env.len, opened) == CELLENC_OK);
	REQUIRE(size == 0 || memcmp(opened, data, size) == 0);
	free(opened);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t		choice;

	start();
	if (size == 0)
	{
		check_value(data, 0);
		check_wrap(data, 0);
		return 0;
	}
	choice = *data++;
	size--;
	switch (choice % 7)
	{
		case 0:
			check_value(data, size);
			break;
		case 1:
			check_wrap(data, size);
			break;
		case 2:
		case 3:
			check_altered(sealed[choice % 7 - 2], sealed_size[choice % 7 - 2],
						  data, size, check_value);
			break;
		case 4:
			check_altered(wrapped, sizeof(wrapped), data, size, check_wrap);
			break;
		default:
			check_round_trip(data, size, choice % 7 == 6);
			break;
	}
	return 0;
}
