/*-------------------------------------------------------------------------
 *
 * bundle.c
 *	  The frozen bytes of a key bundle: the safe copy of a database's keys.
 *
 * Layout in bundle.h.  What is read comes from outside: the header before
 * anything authenticates it.  So all reading goes through a cursor that
 * cannot leave its bytes: whoever asks for more than is left gets NULL, and
 * so does everybody after him.
 *
 * Pure C: may use envelope.h and cipher.h; no PostgreSQL header, no
 * allocation, no error report.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "bundle.h"

#define HEADER_FIXED	(13 + 4 + 4 + 4 + 16 + 1 + 1 + CELLENC_BUNDLE_SALT_LEN + 4 + 16 + 8)
#define RECORD_FIXED	(1 + 16 + 1 + 16 + 8)
#define VERSION_FIXED	(8 + 4 + 4 + 16 + 1 + 2)

/* The last microsecond of the year 9999. */
#define TIME_MAX		INT64_C(253402300799999999)

static const uint8_t label[] = {'c', 'e', 'l', 'l', 'e', 'n', 'c', ' ',
'k', 'e', 'y', 's', 0x01};

/*
 * Writing
 */

static uint8_t *
put_bytes(uint8_t *dst, const void *src, size_t len)
{
	if (len > 0)
		memcpy(dst, src, len);
	return dst + len;
}

static uint8_t *
put_number(uint8_t *dst, uint64_t value, int len)
{
	for (int i = len - 1; i >= 0; i--)
		*dst++ = (uint8_t) (value >> (8 * i));
	return dst;
}

static uint8_t *
put_name(uint8_t *dst, const char *name)
{
	size_t		len = strlen(name);

	*dst++ = (uint8_t) len;
	return put_bytes(dst, name, len);
}

size_t
cellenc_bundle_header_size(const CellencBundleHeader *header)
{
	return HEADER_FIXED + strlen(header->master_name);
}

size_t
cellenc_bundle_record_size(const CellencBundleRecord *record)
{
	size_t		size = RECORD_FIXED;

	if (record->purpose == CELLENC_PURPOSE_DATA)
		size += VERSION_FIXED + strlen(record->name) + record->tags_len;
	return record->key ? size + CELLENC_KEY_LEN : size;
}

uint8_t *
cellenc_bundle_write_header(uint8_t *dst, const CellencBundleHeader *header)
{
	dst = put_bytes(dst, label, sizeof(label));
	dst = put_number(dst, header->nsearch_keys, 4);
	dst = put_number(dst, header->nversions, 4);
	dst = put_number(dst, header->records_len, 4);
	dst = put_bytes(dst, header->master_uuid, CELLENC_UUID_LEN);
	dst = put_name(dst, header->master_name);
	*dst++ = header->pbkdf2 ? 1 : 0;
	dst = put_bytes(dst, header->salt, CELLENC_BUNDLE_SALT_LEN);
	dst = put_number(dst, header->rounds, 4);
	dst = put_bytes(dst, header->check_value, CELLENC_CHECK_LEN);
	return put_number(dst, (uint64_t) header->created_at, 8);
}

uint8_t *
cellenc_bundle_write_record(uint8_t *dst, const CellencBundleRecord *record)
{
	*dst++ = (uint8_t) record->purpose;
	dst = put_bytes(dst, record->uuid, CELLENC_UUID_LEN);
	*dst++ = record->state;
	dst = put_bytes(dst, record->check_value, CELLENC_CHECK_LEN);
	dst = put_number(dst, (uint64_t) record->created_at, 8);
	if (record->purpose == CELLENC_PURPOSE_DATA)
	{
		dst = put_number(dst, (uint64_t) record->state_since, 8);
		dst = put_number(dst, record->version, 4);
		dst = put_number(dst, record->version_id, 4);
		dst = put_bytes(dst, record->search_key, CELLENC_UUID_LEN);
		dst = put_name(dst, record->name);
		dst = put_number(dst, record->ntags, 2);
		dst = put_bytes(dst, record->tags, record->tags_len);
	}
	return record->key ? put_bytes(dst, record->key, CELLENC_KEY_LEN) : dst;
}

CellencStatus
cellenc_bundle_seal(uint8_t *dst, const CellencBundleHeader *header, const uint8_t *nonce,
					const uint8_t *records, const uint8_t *master)
{
	size_t		header_len = cellenc_bundle_header_size(header);
	uint8_t    *end = cellenc_bundle_write_header(dst, header);

	end = put_bytes(end, nonce, CELLENC_NONCE_LEN);
	/* the nonce where it is stored: a FIPS module puts an IV of its own there */
	return cellenc_cipher_xaes_seal(master, end - CELLENC_NONCE_LEN, dst, header_len, records, header->records_len, end);
}

/*
 * Reading
 */

typedef struct Cursor
{
	const uint8_t *pos;			/* NULL once too much was asked for */
	const uint8_t *end;
} Cursor;

/* The next len bytes, or NULL. */
static const uint8_t *
take(Cursor *cursor, size_t len)
{
	const uint8_t *bytes = cursor->pos;

	if (bytes == NULL)
		return NULL;
	cursor->pos = (size_t) (cursor->end - bytes) >= len ? bytes + len : NULL;
	return cursor->pos ? bytes : NULL;
}

/* Copy the next len bytes; zeroes, if there are fewer. */
static void
get_bytes(Cursor *cursor, void *dst, size_t len)
{
	const uint8_t *bytes = take(cursor, len);

	if (bytes)
		memcpy(dst, bytes, len);
	else
		memset(dst, 0, len);
}

static uint64_t
get_number(Cursor *cursor, int len)
{
	uint8_t		bytes[8];
	uint64_t	value = 0;

	get_bytes(cursor, bytes, len);
	for (int i = 0; i < len; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* A key's name, with a terminating zero; false if it has not the form of one. */
static bool
get_name(Cursor *cursor, char *name)
{
	size_t		len = get_number(cursor, 1);

	if (len < 1 || len > CELLENC_BUNDLE_NAME_MAX)
		return false;
	get_bytes(cursor, name, len);
	name[len] = '\0';
	for (size_t i = 0; i < len; i++)
	{
		char		c = name[i];

		if (!((c >= 'a' && c <= 'z') || c == '_' ||
			  (i > 0 && ((c >= '0' && c <= '9') || c == '-'))))
			return false;
	}
	return true;
}

static bool
time_is_valid(int64_t at)
{
	return at >= 0 && at <= TIME_MAX;
}

static bool
all_zero(const uint8_t *bytes, size_t len)
{
	while (len > 0)
		if (bytes[--len] != 0)
			return false;
	return true;
}

CellencBundleFault
cellenc_bundle_parse(const uint8_t *bytes, size_t size, CellencBundleHeader *header)
{
	Cursor		cursor = {bytes, bytes + size};
	size_t		known = size < sizeof(label) ? size : sizeof(label);
	uint64_t	kdf;
	bool		good;
	CellencBundleFault fault;

	memset(header, 0, sizeof(*header));
	if (size == 0 || memcmp(bytes, label, known) != 0)
		return CELLENC_BUNDLE_FOREIGN;

	take(&cursor, sizeof(label));
	header->nsearch_keys = (uint32_t) get_number(&cursor, 4);
	header->nversions = (uint32_t) get_number(&cursor, 4);
	header->records_len = (uint32_t) get_number(&cursor, 4);
	get_bytes(&cursor, header->master_uuid, CELLENC_UUID_LEN);
	good = get_name(&cursor, header->master_name);
	kdf = get_number(&cursor, 1);
	header->pbkdf2 = kdf == 1;
	get_bytes(&cursor, header->salt, CELLENC_BUNDLE_SALT_LEN);
	header->rounds = (uint32_t) get_number(&cursor, 4);
	get_bytes(&cursor, header->check_value, CELLENC_CHECK_LEN);
	header->created_at = (int64_t) get_number(&cursor, 8);

	if (!cursor.pos)
		fault = CELLENC_BUNDLE_SHORT;
	else if (!good || kdf > 1 || !time_is_valid(header->created_at) ||
			 header->records_len > CELLENC_BUNDLE_MAX ||
			 header->pbkdf2 == (header->rounds == 0) ||
			 header->pbkdf2 == all_zero(header->salt, CELLENC_BUNDLE_SALT_LEN))
		fault = CELLENC_BUNDLE_DAMAGED;
	else if (size < cellenc_bundle_size(header))
		fault = CELLENC_BUNDLE_SHORT;
	else if (size > cellenc_bundle_size(header))
		fault = CELLENC_BUNDLE_LONG;
	else
		return CELLENC_BUNDLE_FINE;
	memset(header, 0, sizeof(*header));
	return fault;
}

CellencStatus
cellenc_bundle_open(const uint8_t *bytes, const CellencBundleHeader *header,
					const uint8_t *master, uint8_t *records)
{
	size_t		header_len = cellenc_bundle_header_size(header);
	const uint8_t *nonce = bytes + header_len;

	return cellenc_cipher_xaes_open(master, nonce, bytes, header_len, nonce + CELLENC_NONCE_LEN,
									header->records_len, records);
}

void
cellenc_bundle_read(CellencBundleReader *reader, const CellencBundleHeader *header,
					const uint8_t *records)
{
	memset(reader, 0, sizeof(*reader));
	reader->pos = records;
	reader->end = records + header->records_len;
	reader->nsearch_keys = header->nsearch_keys;
	reader->nversions = header->nversions;
}

/* Twin tags: each once, in ascending order of their bytes. */
static bool
get_tags(Cursor *cursor, CellencBundleRecord *record)
{
	const uint8_t *last = NULL;
	size_t		last_len = 0;

	record->ntags = (uint16_t) get_number(cursor, 2);
	record->tags = cursor->pos;
	for (int i = 0; i < record->ntags; i++)
	{
		size_t		len = get_number(cursor, 1);
		const uint8_t *tag = take(cursor, len);

		if (!tag || len < 1 || len > CELLENC_TWIN_TAG_MAX)
			return false;
		if (last)
		{
			int			order = memcmp(last, tag, last_len < len ? last_len : len);

			if (order > 0 || (order == 0 && last_len >= len))
				return false;
		}
		last = tag;
		last_len = len;
	}
	record->tags_len = cursor->pos ? (size_t) (cursor->pos - record->tags) : 0;
	return true;
}

static bool
get_version(Cursor *cursor, CellencBundleRecord *record)
{
	record->state_since = (int64_t) get_number(cursor, 8);
	record->version = (uint32_t) get_number(cursor, 4);
	record->version_id = (uint32_t) get_number(cursor, 4);
	get_bytes(cursor, record->search_key, CELLENC_UUID_LEN);
	return get_name(cursor, record->name) && get_tags(cursor, record) &&
		time_is_valid(record->state_since) && record->version_id != 0 &&
		record->version >= 1 && record->version <= INT32_MAX &&
		record->state >= CELLENC_BUNDLE_CURRENT && record->state <= CELLENC_BUNDLE_DESTROYED;
}

/* Fits record behind the one before it?  Also notes what is current. */
static bool
follows(CellencBundleReader *reader, const CellencBundleRecord *record)
{
	const CellencBundleRecord *last = &reader->last;
	bool		is_current = record->state == CELLENC_BUNDLE_CURRENT;
	bool		same_group = record->purpose == last->purpose;

	if (same_group)
	{
		int			order = memcmp(last->uuid, record->uuid, CELLENC_UUID_LEN);

		if (order > 0)
			return false;
		if (order == 0 &&
			(record->purpose == CELLENC_PURPOSE_SEARCH || last->version >= record->version ||
			 strcmp(last->name, record->name) != 0))
			return false;
		/* one current search key of all; one current version of each key */
		same_group = order == 0 || record->purpose == CELLENC_PURPOSE_SEARCH;
	}
	if (!same_group)
		reader->has_current = false;
	if (is_current && reader->has_current)
		return false;
	reader->has_current |= is_current;
	return true;
}

/* Read one record; BAD_FORMAT, BAD_CHECK or LIBRARY. */
static CellencStatus
get_record(Cursor *cursor, CellencPurpose purpose, CellencBundleRecord *record)
{
	uint8_t		check_value[CELLENC_CHECK_LEN];
	CellencStatus status;

	record->purpose = (CellencPurpose) get_number(cursor, 1);
	get_bytes(cursor, record->uuid, CELLENC_UUID_LEN);
	record->state = (uint8_t) get_number(cursor, 1);
	get_bytes(cursor, record->check_value, CELLENC_CHECK_LEN);
	record->created_at = (int64_t) get_number(cursor, 8);
	if (record->purpose != purpose || !time_is_valid(record->created_at))
		return CELLENC_BAD_FORMAT;

	if (purpose == CELLENC_PURPOSE_DATA)
	{
		if (!get_version(cursor, record))
			return CELLENC_BAD_FORMAT;
	}
	else if (record->state != CELLENC_BUNDLE_CURRENT && record->state != CELLENC_BUNDLE_DECRYPT_ONLY)
		return CELLENC_BAD_FORMAT;

	if (record->state != CELLENC_BUNDLE_DESTROYED)
		record->key = take(cursor, CELLENC_KEY_LEN);
	if (!cursor->pos)
		return CELLENC_BAD_FORMAT;
	if (!record->key)
		return CELLENC_OK;
	status = cellenc_cipher_check_value(record->key, record->uuid, check_value);
	if (status == CELLENC_OK && !cellenc_cipher_equal(check_value, record->check_value, CELLENC_CHECK_LEN))
		status = CELLENC_BAD_CHECK;
	return status;
}

CellencStatus
cellenc_bundle_next(CellencBundleReader *reader, CellencBundleRecord *record, bool *more)
{
	Cursor		cursor = {reader->pos, reader->end};
	CellencStatus status;

	memset(record, 0, sizeof(*record));
	*more = false;
	if (reader->nsearch_keys == 0 && reader->nversions == 0)
		return reader->pos == reader->end ? CELLENC_OK : CELLENC_BAD_FORMAT;

	status = get_record(&cursor, reader->nsearch_keys > 0 ? CELLENC_PURPOSE_SEARCH : CELLENC_PURPOSE_DATA,
						record);
	if (status == CELLENC_OK && !follows(reader, record))
		status = CELLENC_BAD_FORMAT;
	if (status != CELLENC_OK)
	{
		memset(record, 0, sizeof(*record));
		return status;
	}

	if (reader->nsearch_keys > 0)
		reader->nsearch_keys--;
	else
		reader->nversions--;
	reader->pos = cursor.pos;
	reader->last = *record;
	*more = true;
	return CELLENC_OK;
}
