/*-------------------------------------------------------------------------
 *
 * test_envelope.c
 *	  The frozen bytes, and everything that is not quite them.
 *
 * Usage: test_envelope [FROZEN]
 *
 * FROZEN (or what that names in the environment; frozen.txt) was made by gen_frozen.py, an implementation of the
 * format that shares nothing with this one.  For each value and wrapped key
 * in it: the same bytes are written, they are read back, and every shorter,
 * longer or altered form is refused by a reader that, like the server, takes
 * what it authenticates from the header that it was given.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "envelope.h"
#include "testlib.h"

#define MAX_LEN 1024

/* What a reader of a value knows without reading it. */
typedef struct Place
{
	uint8_t		key[CELLENC_KEY_LEN];
	uint8_t		key_uuid[CELLENC_UUID_LEN];
	uint8_t		repr;
	char		twin_tag[CELLENC_TWIN_TAG_MAX + 1];
} Place;

/* Counts of what was tried, to see that the loops did run. */
static unsigned long ntried = 0;

/* what opening hands out when it must hand out nothing */
static uint8_t handed_out[MAX_LEN + 64];

static size_t
exactly(const Record *record, const char *name, uint8_t *out, size_t len)
{
	if (record_bytes(record, name, out, len) != len)
		bail_out("%s of a %s has another length", name, record->kind);
	return len;
}

/* Read a value as the server does. */
static CellencStatus
read_value(const Place *place, const uint8_t *bytes, size_t size,
		   uint8_t *plain, size_t *len)
{
	uint8_t		aad[CELLENC_VALUE_AAD_MAX];
	size_t		aad_len;
	CellencEnvelope env;
	CellencStatus status = cellenc_envelope_parse(bytes, size, &env);

	*len = env.len;
	if (status != CELLENC_OK)
		return is_zero(&env, sizeof(env)) ? status : CELLENC_OK;
	aad_len = cellenc_envelope_value_aad(aad, env.format, env.version_id,
										 place->key_uuid, place->repr,
										 place->twin_tag, env.term);
	return cellenc_cipher_xaes_open(place->key, env.nonce, aad, aad_len,
									env.ciphertext, env.len, plain);
}

/*
 * Are these bytes refused as no value or as an altered one, with nothing
 * handed out?  The reader gets a copy without a byte to spare.
 */
static bool
value_refused(const Place *place, const uint8_t *bytes, size_t size)
{
	uint8_t    *copy = exact_copy(bytes, size);
	size_t		len;
	CellencStatus status;

	memset(handed_out, 0xa5, sizeof(handed_out));
	status = read_value(place, copy, size, handed_out, &len);
	free(copy);
	ntried++;
	if (status == CELLENC_BAD_TAG)
		return is_zero(handed_out, len) && handed_out[len] == 0xa5;
	return status == CELLENC_BAD_FORMAT && len == 0 && handed_out[0] == 0xa5;
}

/* Every value that has some bytes fewer, or more. */
static bool
value_lengths_refused(const Place *place, const uint8_t *sealed, size_t size)
{
	uint8_t		longer[MAX_LEN + 64];
	size_t		i;
	bool		good = true;

	for (i = 0; i < size; i++)
		good &= value_refused(place, sealed, i);	/* the end is missing */
	for (i = 1; i < size; i++)
		good &= value_refused(place, sealed + i, size - i); /* the start */
	for (i = 1; i <= 32; i++)
	{
		memcpy(longer, sealed, size);
		memset(longer + size, 0, i);
		good &= value_refused(place, longer, size + i);
		memset(longer + size, 0xff, i);
		good &= value_refused(place, longer, size + i);
		memcpy(longer + size, sealed, i);
		good &= value_refused(place, longer, size + i);
	}
	return good;
}

/* Every value that differs in one bit; one byte inverted; any header byte. */
static bool
value_flips_refused(const Place *place, const uint8_t *sealed, size_t size)
{
	uint8_t		altered[MAX_LEN];
	size_t		i;
	int			bit;
	int			mask;
	bool		good = true;

	memcpy(altered, sealed, size);
	for (i = 0; i < size; i++)
	{
		for (bit = 0; bit < 8; bit++)
		{
			altered[i] = sealed[i] ^ (uint8_t) (1 << bit);
			good &= value_refused(place, altered, size);
		}
		altered[i] = sealed[i] ^ 0xff;
		good &= value_refused(place, altered, size);
		if (i < CELLENC_ID_END)
			for (mask = 1; mask < 256; mask++)
			{
				altered[i] = sealed[i] ^ (uint8_t) mask;
				good &= value_refused(place, altered, size);
			}
		altered[i] = sealed[i];
	}
	return good && !value_refused(place, altered, size);
}

/* Formats that are reserved, and the version id that is none. */
static bool
value_headers_refused(const uint8_t *sealed, size_t size)
{
	uint8_t		altered[MAX_LEN];
	CellencEnvelope env;
	uint8_t		format;
	uint32_t	version_id;
	int			i;
	bool		good = true;

	memcpy(altered, sealed, size);
	for (i = 0; i < 256; i++)
	{
		bool		known = i == CELLENC_FORMAT_PLAIN || i == CELLENC_FORMAT_TERM;
		CellencStatus expected = known ? CELLENC_OK : CELLENC_BAD_FORMAT;

		altered[0] = (uint8_t) i;
		good &= cellenc_envelope_parse_id(altered, CELLENC_ID_END, &format, &version_id) == expected;
		good &= known || (format == 0 && version_id == 0);
		if (!known)
			good &= cellenc_envelope_parse(altered, size, &env) == expected;
	}

	memcpy(altered, sealed, size);
	memset(altered + 1, 0, 4);
	good &= cellenc_envelope_parse(altered, size, &env) == CELLENC_BAD_FORMAT;
	good &= cellenc_envelope_parse_id(altered, size, &format, &version_id) == CELLENC_BAD_FORMAT;
	good &= format == 0 && version_id == 0;
	return good;
}

/* The value in a place that it was not sealed for. */
static bool
value_places_refused(const Place *place, const uint8_t *sealed, size_t size)
{
	Place		other;
	size_t		i;
	bool		good = true;

	for (i = 0; i < CELLENC_KEY_LEN; i++)
	{
		other = *place;
		other.key[i] ^= 1;
		good &= value_refused(&other, sealed, size);
	}
	for (i = 0; i < CELLENC_UUID_LEN; i++)
	{
		other = *place;
		other.key_uuid[i] ^= 0x80;
		good &= value_refused(&other, sealed, size);
	}
	for (i = 1; i < 256; i++)
	{
		other = *place;
		other.repr ^= (uint8_t) i;
		good &= value_refused(&other, sealed, size);
	}
	for (i = 0; i < strlen(place->twin_tag); i++)
	{
		other = *place;
		other.twin_tag[i] ^= 1;
		good &= value_refused(&other, sealed, size);
		other = *place;
		other.twin_tag[i] = '\0';
		good &= value_refused(&other, sealed, size);
	}
	if (strlen(place->twin_tag) < CELLENC_TWIN_TAG_MAX)
	{
		other = *place;
		strcat(other.twin_tag, "x");
		good &= value_refused(&other, sealed, size);
	}
	return good;
}

/* Are the same bytes written, and does parse find the same fields? */
static void
check_layout(const Record *record, const Place *place, const char *name)
{
	uint8_t		sealed[MAX_LEN];
	uint8_t		plain[MAX_LEN];
	uint8_t		frozen_aad[CELLENC_VALUE_AAD_MAX];
	uint8_t		nonce[CELLENC_NONCE_LEN];
	uint8_t		term_bytes[CELLENC_TERM_LEN];
	size_t		size = record_bytes(record, "sealed", sealed, MAX_LEN);
	size_t		len = record_bytes(record, "plain", plain, MAX_LEN);
	size_t		frozen_aad_len = record_bytes(record, "aad", frozen_aad, sizeof(frozen_aad));
	bool		with_term = record_bytes(record, "term", term_bytes, sizeof(term_bytes)) > 0;
	uint32_t	version_id = record_number(record, "version_id");
	const uint8_t *term = with_term ? term_bytes : NULL;
	uint8_t		format = with_term ? CELLENC_FORMAT_TERM : CELLENC_FORMAT_PLAIN;
	uint8_t		aad[CELLENC_VALUE_AAD_MAX];
	size_t		aad_len;
	uint8_t    *written;
	uint8_t    *end;
	CellencEnvelope env;
	uint8_t		id_format;
	uint32_t	id;

	exactly(record, "nonce", nonce, sizeof(nonce));
	aad_len = cellenc_envelope_value_aad(aad, format, version_id, place->key_uuid,
										 place->repr, place->twin_tag, term);
	ok(aad_len == frozen_aad_len && memcmp(aad, frozen_aad, aad_len) == 0,
	   "%s: AAD", name);

	ok(cellenc_envelope_size(with_term, len) == size, "%s: size", name);
	written = malloc(size);
	end = cellenc_envelope_write(written, version_id, term, nonce);
	ok((size_t) (end - written) == size - len - CELLENC_TAG_LEN &&
	   cellenc_cipher_xaes_seal(place->key, nonce, aad, aad_len, plain, len, end) == CELLENC_OK &&
	   memcmp(written, sealed, size) == 0, "%s: same bytes written", name);
	free(written);

	ok(cellenc_envelope_parse(sealed, size, &env) == CELLENC_OK &&
	   env.format == format && env.version_id == version_id && env.len == len &&
	   env.ciphertext == sealed + size - len - CELLENC_TAG_LEN &&
	   memcmp(env.nonce, nonce, sizeof(nonce)) == 0 &&
	   (with_term ? memcmp(env.term, term, CELLENC_TERM_LEN) == 0 : env.term == NULL),
	   "%s: fields found", name);
	ok(cellenc_envelope_parse_id(sealed, CELLENC_ID_END, &id_format, &id) == CELLENC_OK &&
	   id_format == format && id == version_id &&
	   cellenc_envelope_parse_id(sealed, CELLENC_ID_END - 1, &id_format, &id) == CELLENC_BAD_FORMAT &&
	   id_format == 0 && id == 0, "%s: id found", name);
}

static void
check_value_record(const Record *record, int number)
{
	Place		place;
	char		name[128];
	uint8_t		sealed[MAX_LEN];
	uint8_t		plain[MAX_LEN];
	uint8_t		opened[MAX_LEN];
	size_t		size = record_bytes(record, "sealed", sealed, MAX_LEN);
	size_t		len = record_bytes(record, "plain", plain, MAX_LEN);
	size_t		opened_len;

	memset(&place, 0, sizeof(place));
	exactly(record, "key", place.key, sizeof(place.key));
	exactly(record, "key_uuid", place.key_uuid, sizeof(place.key_uuid));
	place.repr = (uint8_t) record_number(record, "repr");
	snprintf(place.twin_tag, sizeof(place.twin_tag), "%s", record_text(record, "twin_tag"));
	snprintf(name, sizeof(name), "value %d (%s, %zu bytes)", number, place.twin_tag, len);

	check_layout(record, &place, name);
	ok(read_value(&place, sealed, size, opened, &opened_len) == CELLENC_OK &&
	   opened_len == len && memcmp(opened, plain, len) == 0, "%s: opens", name);
	ok(value_lengths_refused(&place, sealed, size), "%s: other lengths refused", name);
	ok(value_flips_refused(&place, sealed, size), "%s: altered bytes refused", name);
	ok(value_headers_refused(sealed, size), "%s: other headers refused", name);
	ok(value_places_refused(&place, sealed, size), "%s: other places refused", name);
}

static bool
wrap_refused(const CellencWrapInfo *info, const uint8_t *master,
			 const uint8_t *wrapped, size_t len, CellencStatus expected)
{
	uint8_t    *copy = exact_copy(wrapped, len);
	uint8_t		key[CELLENC_KEY_LEN];
	CellencStatus status;

	memset(key, 0xa5, sizeof(key));
	status = cellenc_envelope_unwrap(info, master, copy, len, key);
	free(copy);
	ntried++;
	return status == expected && is_zero(key, sizeof(key));
}

static bool
wrap_bytes_refused(const CellencWrapInfo *info, const uint8_t *master,
				   const uint8_t *wrapped)
{
	uint8_t		altered[CELLENC_WRAPPED_LEN + 32] = {0};
	size_t		i;
	int			bit;
	bool		good = true;

	memcpy(altered, wrapped, CELLENC_WRAPPED_LEN);
	for (i = 0; i < sizeof(altered); i++)
		if (i != CELLENC_WRAPPED_LEN)
			good &= wrap_refused(info, master, altered, i, CELLENC_BAD_FORMAT);
	for (i = 0; i < CELLENC_WRAPPED_LEN; i++)
	{
		CellencStatus expected = i == 0 ? CELLENC_BAD_FORMAT : CELLENC_BAD_TAG;

		for (bit = 0; bit < 8; bit++)
		{
			altered[i] = wrapped[i] ^ (uint8_t) (1 << bit);
			good &= wrap_refused(info, master, altered, CELLENC_WRAPPED_LEN, expected);
		}
		altered[i] = wrapped[i] ^ 0xff;
		good &= wrap_refused(info, master, altered, CELLENC_WRAPPED_LEN, expected);
		altered[i] = wrapped[i];
	}
	return good;
}

/* Moved to another row, version, purpose or master key. */
static bool
wrap_moves_refused(const CellencWrapInfo *info, const uint8_t *master,
				   const uint8_t *wrapped)
{
	CellencWrapInfo other;
	uint8_t		other_master[CELLENC_KEY_LEN];
	int			purpose;
	size_t		i;
	bool		good = true;

	for (purpose = 0; purpose <= 4; purpose++)
	{
		other = *info;
		other.purpose = (CellencPurpose) purpose;
		if (other.purpose != info->purpose)
			good &= wrap_refused(&other, master, wrapped, CELLENC_WRAPPED_LEN,
								 purpose == 0 || purpose == 4 ? CELLENC_BAD_FORMAT : CELLENC_BAD_TAG);
	}
	for (i = 0; i < 32; i++)
	{
		other = *info;
		other.version_id ^= (uint32_t) 1 << i;
		good &= wrap_refused(&other, master, wrapped, CELLENC_WRAPPED_LEN, CELLENC_BAD_TAG);
		other = *info;
		other.version ^= (uint32_t) 1 << i;
		good &= wrap_refused(&other, master, wrapped, CELLENC_WRAPPED_LEN, CELLENC_BAD_TAG);
		memcpy(other_master, master, sizeof(other_master));
		other_master[i] ^= 1;
		good &= wrap_refused(info, other_master, wrapped, CELLENC_WRAPPED_LEN, CELLENC_BAD_TAG);
	}
	for (i = 0; i < CELLENC_UUID_LEN; i++)
	{
		other = *info;
		other.uuid[i] ^= 1;
		good &= wrap_refused(&other, master, wrapped, CELLENC_WRAPPED_LEN, CELLENC_BAD_TAG);
		other = *info;
		other.master_uuid[i] ^= 1;
		good &= wrap_refused(&other, master, wrapped, CELLENC_WRAPPED_LEN, CELLENC_BAD_TAG);
	}
	return good;
}

static void
check_wrap_record(const Record *record, int number)
{
	CellencWrapInfo info;
	uint8_t		master[CELLENC_KEY_LEN];
	uint8_t		key[CELLENC_KEY_LEN];
	uint8_t		wrapped[CELLENC_WRAPPED_LEN];
	uint8_t		again[CELLENC_WRAPPED_LEN];
	uint8_t		third[CELLENC_WRAPPED_LEN];
	uint8_t		unwrapped[CELLENC_KEY_LEN];
	char		name[64];

	memset(&info, 0, sizeof(info));
	info.purpose = (CellencPurpose) record_number(record, "purpose");
	info.version_id = record_number(record, "version_id");
	info.version = record_number(record, "version");
	exactly(record, "uuid", info.uuid, sizeof(info.uuid));
	exactly(record, "master_uuid", info.master_uuid, sizeof(info.master_uuid));
	exactly(record, "master", master, sizeof(master));
	exactly(record, "key", key, sizeof(key));
	exactly(record, "wrapped", wrapped, sizeof(wrapped));
	snprintf(name, sizeof(name), "wrap %d (purpose %d)", number, (int) info.purpose);

	ok(cellenc_envelope_unwrap(&info, master, wrapped, sizeof(wrapped), unwrapped) == CELLENC_OK &&
	   memcmp(unwrapped, key, sizeof(key)) == 0, "%s: unwraps", name);
	ok(cellenc_envelope_wrap(&info, master, key, again) == CELLENC_OK &&
	   cellenc_envelope_unwrap(&info, master, again, sizeof(again), unwrapped) == CELLENC_OK &&
	   memcmp(unwrapped, key, sizeof(key)) == 0, "%s: round trip", name);
	ok(cellenc_envelope_wrap(&info, master, key, third) == CELLENC_OK &&
	   memcmp(again + 1, third + 1, CELLENC_NONCE_LEN) != 0 &&
	   !is_zero(third + 1, CELLENC_SALT_LEN), "%s: fresh nonce", name);
	ok(wrap_bytes_refused(&info, master, wrapped), "%s: altered bytes refused", name);
	ok(wrap_moves_refused(&info, master, wrapped), "%s: moved wrap refused", name);

	info.purpose = (CellencPurpose) 4;
	ok(cellenc_envelope_wrap(&info, master, key, again) == CELLENC_BAD_FORMAT &&
	   is_zero(again, sizeof(again)), "%s: no wrap for an unknown purpose", name);
}

static void
check_check_record(const Record *record, int number)
{
	uint8_t		key[CELLENC_KEY_LEN];
	uint8_t		uuid[CELLENC_UUID_LEN];
	uint8_t		expected[CELLENC_CHECK_LEN];
	uint8_t		check[CELLENC_CHECK_LEN];

	exactly(record, "key", key, sizeof(key));
	exactly(record, "uuid", uuid, sizeof(uuid));
	exactly(record, "check", expected, sizeof(expected));
	ok(cellenc_cipher_check_value(key, uuid, check) == CELLENC_OK &&
	   cellenc_cipher_equal(check, expected, sizeof(check)), "check value %d", number);
	uuid[15] ^= 1;
	ok(cellenc_cipher_check_value(key, uuid, check) == CELLENC_OK &&
	   !cellenc_cipher_equal(check, expected, sizeof(check)), "check value %d of another key", number);
}

static void
check_term_record(const Record *record, int number)
{
	uint8_t		key[CELLENC_KEY_LEN];
	uint8_t		canonical[MAX_LEN];
	uint8_t		expected[CELLENC_TERM_LEN];
	uint8_t		term[CELLENC_TERM_LEN];
	size_t		len = record_bytes(record, "canonical", canonical, sizeof(canonical));
	const char *term_class = record_text(record, "class");
	CellencMac *mac;

	exactly(record, "search_key", key, sizeof(key));
	exactly(record, "term", expected, sizeof(expected));
	if (cellenc_cipher_mac_new(key, sizeof(key), &mac) != CELLENC_OK)
		bail_out("no HMAC");
	ok(cellenc_envelope_term(mac, term_class, canonical, len, term) == CELLENC_OK &&
	   memcmp(term, expected, sizeof(term)) == 0, "term %d (%s, %zu bytes)", number, term_class, len);
	cellenc_cipher_mac_free(mac);
}

static void
check_name_record(const Record *record, int number)
{
	const char *name = record_text(record, "name");
	uint32_t	expected = record_number(record, "hash");
	uint32_t	hash;

	ok(cellenc_envelope_name_hash(name, &hash) == CELLENC_OK && hash == expected,
	   "hash of name %d (%s)", number, name);
	ok((hash << 2 | 0) == record_number(record, "typmod_none") &&
	   (hash << 2 | 1) == record_number(record, "typmod_equality") &&
	   (hash << 2 | 2) == record_number(record, "typmod_order") &&
	   (int32_t) (hash << 2 | 3) >= 0, "typmod of name %d (%s)", number, name);
}

/* What the callers of the writers may get wrong. */
static void
check_misuse(void)
{
	uint8_t		aad[CELLENC_VALUE_AAD_MAX];
	uint8_t		bytes[CELLENC_KEY_LEN] = {1};
	uint8_t		out[8 + CELLENC_TAG_LEN];
	uint8_t		term[CELLENC_TERM_LEN];
	char		long_name[257];
	CellencMac *mac;
	size_t		len;

	memset(long_name, 'x', sizeof(long_name));
	long_name[CELLENC_TWIN_TAG_MAX] = '\0';
	len = cellenc_envelope_value_aad(aad, CELLENC_FORMAT_TERM, 1, bytes, 6, long_name, bytes);
	ok(len == CELLENC_VALUE_AAD_MAX, "longest AAD fits exactly");
	long_name[CELLENC_TWIN_TAG_MAX] = 'x';
	long_name[CELLENC_TWIN_TAG_MAX + 1] = '\0';
	len = cellenc_envelope_value_aad(aad, CELLENC_FORMAT_TERM, 1, bytes, 6, long_name, bytes);
	ok(len == CELLENC_AAD_INVALID, "no AAD for a longer twin tag");
	memset(out, 0xa5, sizeof(out));
	ok(cellenc_cipher_xaes_seal(bytes, bytes, aad, len, bytes, 8, out) == CELLENC_LIBRARY &&
	   is_zero(out, sizeof(out)), "nothing is sealed with no AAD");
	memset(out, 0xa5, sizeof(out));
	ok(cellenc_cipher_xaes_open(bytes, bytes, aad, len, bytes, 8, out) == CELLENC_LIBRARY &&
	   is_zero(out, 8), "nothing is opened with no AAD");
	ok(cellenc_envelope_value_aad(aad, CELLENC_FORMAT_PLAIN, 1, bytes, 6, "t", bytes) == CELLENC_AAD_INVALID &&
	   cellenc_envelope_value_aad(aad, CELLENC_FORMAT_TERM, 1, bytes, 6, "t", NULL) == CELLENC_AAD_INVALID &&
	   cellenc_envelope_value_aad(aad, 3, 1, bytes, 6, "t", bytes) == CELLENC_AAD_INVALID,
	   "no AAD where term and format disagree");

	if (cellenc_cipher_mac_new(bytes, sizeof(bytes), &mac) != CELLENC_OK)
		bail_out("no HMAC");
	long_name[CELLENC_TWIN_TAG_MAX + 1] = 'x';
	long_name[255] = '\0';
	ok(cellenc_envelope_term(mac, long_name, "x", 1, term) == CELLENC_OK, "term of the longest class");
	long_name[255] = 'x';
	long_name[256] = '\0';
	memset(term, 0xa5, sizeof(term));
	ok(cellenc_envelope_term(mac, long_name, "x", 1, term) == CELLENC_BAD_FORMAT &&
	   is_zero(term, sizeof(term)), "no term of a longer class");
	cellenc_cipher_mac_free(mac);
}

int
main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : getenv("FROZEN");
	FILE	   *file = fopen(path != NULL ? path : "frozen.txt", "r");
	static Record record;
	int			nvalues = 0;
	int			nwraps = 0;
	int			nchecks = 0;
	int			nterms = 0;
	int			nnames = 0;

	if (file == NULL)
		bail_out("could not open frozen.txt");
	if (cellenc_cipher_init(false) != CELLENC_OK)
		bail_out("cellenc_cipher_init failed");

	while (read_record(file, &record))
	{
		if (strcmp(record.kind, "value") == 0)
			check_value_record(&record, ++nvalues);
		else if (strcmp(record.kind, "wrap") == 0)
			check_wrap_record(&record, ++nwraps);
		else if (strcmp(record.kind, "check") == 0)
			check_check_record(&record, ++nchecks);
		else if (strcmp(record.kind, "term") == 0)
			check_term_record(&record, ++nterms);
		else if (strcmp(record.kind, "name") == 0)
			check_name_record(&record, ++nnames);
		else if (strncmp(record.kind, "bundle", 6) != 0)
			bail_out("unknown kind %s", record.kind);
	}
	fclose(file);
	ok(nvalues >= 13 && nwraps >= 4 && nchecks >= 2 && nterms >= 8 && nnames >= 6,
	   "vectors of every kind were there");
	check_misuse();
	diag("%lu malformed inputs tried", ntried);
	return done_testing();
}
