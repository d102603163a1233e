/*-------------------------------------------------------------------------
 *
 * test_bundle.c
 *	  The frozen bytes of key bundles, and everything that is not quite them.
 *
 * Usage: test_bundle [FROZEN]
 *
 * FROZEN is as for test_envelope.  Each record and bundle in it is written
 * and read back as the same bytes.  Then bundles are altered: from outside,
 * which authentication has to find, and before they are sealed, which is what
 * a writer with mistakes would do; there, whatever is read must be the one way
 * to write it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "testlib.h"

#define MAX_LEN 2048

static unsigned long ntried = 0;

static void
exactly(const Record *record, const char *name, uint8_t *out, size_t len)
{
	if (record_bytes(record, name, out, len) != len)
		bail_out("%s of a %s has another length", name, record->kind);
}

static int64_t
record_int64(const Record *record, const char *name)
{
	return strtoll(record_text(record, name), NULL, 10);
}

/* Tags in a text, with blanks between them, as the bytes of a record. */
static void
encode_tags(const char *text, uint8_t *dst, CellencBundleRecord *record)
{
	record->tags = dst;
	while (*text != '\0')
	{
		size_t		len = strcspn(text, " ");

		*dst++ = (uint8_t) len;
		memcpy(dst, text, len);
		dst += len;
		text += text[len] == ' ' ? len + 1 : len;
		record->ntags++;
	}
	record->tags_len = (size_t) (dst - record->tags);
}

static void
check_record_record(const Record *frozen, int number)
{
	CellencBundleRecord record;
	CellencBundleRecord read;
	CellencBundleReader reader;
	CellencBundleHeader header;
	uint8_t		key[CELLENC_KEY_LEN];
	uint8_t		tags[MAX_LEN];
	uint8_t		expected[MAX_LEN];
	uint8_t		written[MAX_LEN];
	size_t		len;
	bool		more;

	memset(&record, 0, sizeof(record));
	record.purpose = (CellencPurpose) record_number(frozen, "purpose");
	exactly(frozen, "uuid", record.uuid, CELLENC_UUID_LEN);
	record.state = (uint8_t) record_number(frozen, "state");
	exactly(frozen, "check", record.check_value, CELLENC_CHECK_LEN);
	record.created_at = record_int64(frozen, "created");
	if (record_bytes(frozen, "key", key, sizeof(key)) > 0)
		record.key = key;
	if (record.purpose == CELLENC_PURPOSE_DATA)
	{
		record.state_since = record_int64(frozen, "since");
		record.version = record_number(frozen, "version");
		record.version_id = record_number(frozen, "version_id");
		exactly(frozen, "search_key", record.search_key, CELLENC_UUID_LEN);
		strcpy(record.name, record_text(frozen, "name"));
		encode_tags(record_text(frozen, "tags"), tags, &record);
	}

	len = record_bytes(frozen, "bytes", expected, sizeof(expected));
	ok(cellenc_bundle_record_size(&record) == len, "size of record %d", number);
	ok(cellenc_bundle_write_record(written, &record) == written + len &&
	   memcmp(written, expected, len) == 0, "record %d is written as it always was", number);

	memset(&header, 0, sizeof(header));
	header.records_len = (uint32_t) len;
	header.nversions = record.purpose == CELLENC_PURPOSE_DATA;
	header.nsearch_keys = record.purpose == CELLENC_PURPOSE_SEARCH;
	cellenc_bundle_read(&reader, &header, expected);
	ok(cellenc_bundle_next(&reader, &read, &more) == CELLENC_OK && more &&
	   read.purpose == record.purpose && read.state == record.state &&
	   memcmp(read.uuid, record.uuid, CELLENC_UUID_LEN) == 0 &&
	   memcmp(read.check_value, record.check_value, CELLENC_CHECK_LEN) == 0 &&
	   read.created_at == record.created_at && read.state_since == record.state_since &&
	   read.version == record.version && read.version_id == record.version_id &&
	   memcmp(read.search_key, record.search_key, CELLENC_UUID_LEN) == 0 &&
	   strcmp(read.name, record.name) == 0 &&
	   read.ntags == record.ntags && read.tags_len == record.tags_len &&
	   (read.tags_len == 0 || memcmp(read.tags, record.tags, read.tags_len) == 0) &&
	   (read.key == NULL) == (record.key == NULL) &&
	   (read.key == NULL || memcmp(read.key, key, CELLENC_KEY_LEN) == 0),
	   "record %d is read as it was written", number);
	ok(cellenc_bundle_next(&reader, &read, &more) == CELLENC_OK && !more &&
	   is_zero(&read, sizeof(read)), "nothing follows record %d", number);
}

/* One bundle of frozen.txt. */
typedef struct Bundle
{
	CellencBundleHeader header;
	uint8_t		master[CELLENC_KEY_LEN];
	uint8_t		nonce[CELLENC_NONCE_LEN];
	uint8_t		records[MAX_LEN];
	uint8_t		sealed[MAX_LEN];
	size_t		size;
} Bundle;

static void
read_bundle(const Record *frozen, Bundle *bundle)
{
	CellencBundleHeader *header = &bundle->header;

	memset(bundle, 0, sizeof(*bundle));
	exactly(frozen, "master", bundle->master, CELLENC_KEY_LEN);
	exactly(frozen, "master_uuid", header->master_uuid, CELLENC_UUID_LEN);
	strcpy(header->master_name, record_text(frozen, "master_name"));
	header->pbkdf2 = record_number(frozen, "kdf") == 1;
	exactly(frozen, "salt", header->salt, CELLENC_BUNDLE_SALT_LEN);
	header->rounds = record_number(frozen, "rounds");
	if (cellenc_cipher_check_value(bundle->master, header->master_uuid, header->check_value) != CELLENC_OK)
		bail_out("no check value");
	header->created_at = record_int64(frozen, "created");
	header->nsearch_keys = record_number(frozen, "search_keys");
	header->nversions = record_number(frozen, "versions");
	header->records_len = (uint32_t) record_bytes(frozen, "records", bundle->records, MAX_LEN);
	exactly(frozen, "nonce", bundle->nonce, CELLENC_NONCE_LEN);
	bundle->size = record_bytes(frozen, "sealed", bundle->sealed, MAX_LEN);
}

static bool
same_header(const CellencBundleHeader *a, const CellencBundleHeader *b)
{
	return a->nsearch_keys == b->nsearch_keys && a->nversions == b->nversions &&
		a->records_len == b->records_len && strcmp(a->master_name, b->master_name) == 0 &&
		memcmp(a->master_uuid, b->master_uuid, CELLENC_UUID_LEN) == 0 && a->pbkdf2 == b->pbkdf2 &&
		memcmp(a->salt, b->salt, CELLENC_BUNDLE_SALT_LEN) == 0 && a->rounds == b->rounds &&
		memcmp(a->check_value, b->check_value, CELLENC_CHECK_LEN) == 0 && a->created_at == b->created_at;
}

/* Does every record read, and is it the same when written? */
static bool
records_are_canonical(const CellencBundleHeader *header, const uint8_t *records)
{
	CellencBundleReader reader;
	CellencBundleRecord record;
	uint8_t		written[MAX_LEN];
	uint8_t    *end = written;
	bool		more = true;
	CellencStatus status;

	cellenc_bundle_read(&reader, header, records);
	while ((status = cellenc_bundle_next(&reader, &record, &more)) == CELLENC_OK && more)
		end = cellenc_bundle_write_record(end, &record);
	return status == CELLENC_OK && (size_t) (end - written) == header->records_len &&
		memcmp(written, records, header->records_len) == 0;
}

/* Bytes from outside that are not the bundle: refused, nothing handed out. */
static bool
bundle_refused(const Bundle *bundle, const uint8_t *bytes, size_t size)
{
	uint8_t    *copy = exact_copy(bytes, size);
	uint8_t		opened[MAX_LEN];
	CellencBundleHeader header;
	bool		good;

	ntried++;
	if (cellenc_bundle_parse(copy, size, &header) != CELLENC_BUNDLE_FINE)
		good = is_zero(&header, sizeof(header));
	else
		good = cellenc_bundle_open(copy, &header, bundle->master, opened) == CELLENC_BAD_TAG &&
			is_zero(opened, header.records_len);
	free(copy);
	return good;
}

static void
check_altered(const Bundle *bundle, int number)
{
	uint8_t		altered[MAX_LEN];
	bool		good = true;
	CellencBundleHeader header;

	for (size_t i = 0; i < bundle->size; i++)
	{
		CellencBundleFault fault = cellenc_bundle_parse(bundle->sealed, i, &header);

		good &= bundle_refused(bundle, bundle->sealed, i);
		good &= i == 0 ? fault == CELLENC_BUNDLE_FOREIGN : fault == CELLENC_BUNDLE_SHORT;
		good &= i == 0 || bundle_refused(bundle, bundle->sealed + i, bundle->size - i);
	}
	ok(good, "bundle %d is refused where a part is missing", number);

	memcpy(altered, bundle->sealed, bundle->size);
	altered[bundle->size] = 0;
	ok(cellenc_bundle_parse(altered, bundle->size + 1, &header) == CELLENC_BUNDLE_LONG,
	   "bundle %d is refused where something is added", number);

	good = true;
	for (size_t i = 0; i < bundle->size; i++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			altered[i] ^= (uint8_t) (1 << bit);
			good &= bundle_refused(bundle, altered, bundle->size);
			altered[i] = bundle->sealed[i];
		}
	}
	ok(good, "bundle %d is refused with one bit changed", number);
}

/* What a writer with mistakes could seal: read in the one form or not at all. */
static void
check_records_altered(const Bundle *bundle, int number)
{
	uint32_t	len = bundle->header.records_len;
	bool		good = true;
	CellencBundleHeader header = bundle->header;
	CellencBundleReader reader;
	CellencBundleRecord record;
	bool		more;

	for (size_t i = 0; i < len; i++)
	{
		for (int value = 0; value < 256; value++)
		{
			uint8_t    *copy = exact_copy(bundle->records, len);
			CellencStatus status;

			copy[i] = (uint8_t) value;
			cellenc_bundle_read(&reader, &header, copy);
			do
			{
				status = cellenc_bundle_next(&reader, &record, &more);
			} while (status == CELLENC_OK && more);
			if (status == CELLENC_OK)
				good &= records_are_canonical(&header, copy);
			else
				good &= is_zero(&record, sizeof(record));
			free(copy);
			ntried++;
		}
	}
	ok(good, "records of bundle %d with one byte changed are read in one form only", number);

	good = true;
	for (header.records_len = 0; header.records_len < len; header.records_len++)
	{
		uint8_t    *copy = exact_copy(bundle->records, header.records_len);

		good &= !records_are_canonical(&header, copy) ||
			header.nsearch_keys + header.nversions == 0;
		free(copy);
	}
	header.records_len = len;
	header.nversions++;
	cellenc_bundle_read(&reader, &header, bundle->records);
	for (uint32_t i = 1; i < header.nsearch_keys + header.nversions; i++)
		good &= cellenc_bundle_next(&reader, &record, &more) == CELLENC_OK && more;
	good &= cellenc_bundle_next(&reader, &record, &more) == CELLENC_BAD_FORMAT && !more;
	ok(good, "counts and length of bundle %d are kept", number);
}

static void
check_bundle_record(const Record *frozen, int number)
{
	static Bundle bundle;
	CellencBundleHeader header;
	uint8_t		expected[MAX_LEN];
	uint8_t		written[MAX_LEN];
	size_t		header_len;

	read_bundle(frozen, &bundle);
	header_len = record_bytes(frozen, "header", expected, MAX_LEN);
	ok(cellenc_bundle_header_size(&bundle.header) == header_len &&
	   header_len <= CELLENC_BUNDLE_HEADER_MAX &&
	   cellenc_bundle_write_header(written, &bundle.header) == written + header_len &&
	   memcmp(written, expected, header_len) == 0, "header %d is written as it always was", number);
	ok(cellenc_bundle_size(&bundle.header) == bundle.size, "size of bundle %d", number);
	ok(cellenc_bundle_seal(written, &bundle.header, bundle.nonce, bundle.records,
						   bundle.master) == CELLENC_OK &&
	   memcmp(written, bundle.sealed, bundle.size) == 0, "bundle %d is sealed as it always was", number);

	memset(written, 0xa5, sizeof(written));
	ok(cellenc_bundle_parse(bundle.sealed, bundle.size, &header) == CELLENC_BUNDLE_FINE &&
	   same_header(&header, &bundle.header), "header %d is read as it was written", number);
	ok(cellenc_bundle_open(bundle.sealed, &header, bundle.master, written) == CELLENC_OK &&
	   memcmp(written, bundle.records, header.records_len) == 0 &&
	   records_are_canonical(&header, written), "bundle %d opens", number);

	check_altered(&bundle, number);
	check_records_altered(&bundle, number);
}

/* A record for the tests of order: key number uuid, version version. */
static uint8_t *
put_version(uint8_t *dst, uint8_t uuid, uint32_t version, uint8_t state, const char *name,
			const char *tags)
{
	static const uint8_t key[CELLENC_KEY_LEN] = {1};
	uint8_t		encoded[MAX_LEN];
	CellencBundleRecord record;

	memset(&record, 0, sizeof(record));
	record.purpose = CELLENC_PURPOSE_DATA;
	record.uuid[0] = uuid;
	record.state = state;
	record.version = version;
	record.version_id = version;
	strcpy(record.name, name);
	encode_tags(tags, encoded, &record);
	if (state != CELLENC_BUNDLE_DESTROYED)
		record.key = key;
	if (cellenc_cipher_check_value(key, record.uuid, record.check_value) != CELLENC_OK)
		bail_out("no check value");
	return cellenc_bundle_write_record(dst, &record);
}

/* Two records, one after the other: are they read? */
static bool
pair_reads(const uint8_t *records, const uint8_t *end)
{
	CellencBundleHeader header;

	memset(&header, 0, sizeof(header));
	header.nversions = 2;
	header.records_len = (uint32_t) (end - records);
	return records_are_canonical(&header, records);
}

static void
check_order(void)
{
	uint8_t		records[MAX_LEN];
	uint8_t    *end;

#define PAIR(u1, v1, s1, n1, u2, v2, s2, n2) \
	(end = put_version(records, u1, v1, s1, n1, ""), \
	 end = put_version(end, u2, v2, s2, n2, ""), pair_reads(records, end))

	ok(PAIR(1, 1, 2, "a", 1, 2, 1, "a"), "two versions of one key");
	ok(PAIR(1, 2, 1, "a", 2, 1, 1, "b"), "two keys, each with a current version");
	ok(!PAIR(1, 2, 2, "a", 1, 1, 2, "a"), "versions in descending order are refused");
	ok(!PAIR(1, 1, 2, "a", 1, 1, 2, "a"), "a version that comes twice is refused");
	ok(!PAIR(2, 1, 2, "a", 1, 2, 2, "b"), "keys in descending order are refused");
	ok(!PAIR(1, 1, 1, "a", 1, 2, 1, "a"), "two current versions of one key are refused");
	ok(!PAIR(1, 1, 2, "a", 1, 2, 2, "b"), "two names of one key are refused");
	ok(!PAIR(1, 1, 2, "a", 2, 1, 2, "B"), "what is no name is refused");
	ok(!PAIR(1, 1, 2, "a", 2, 1, 5, "b"), "an unknown state is refused");
#undef PAIR
#define TAGS(tags) \
	(end = put_version(records, 1, 1, 2, "a", tags), \
	 end = put_version(end, 2, 1, 2, "b", ""), pair_reads(records, end))
	ok(TAGS("date int4 int40"), "twin tags");
	ok(!TAGS("int4 date"), "twin tags in descending order are refused");
	ok(!TAGS("date date"), "a twin tag that comes twice is refused");
	ok(!TAGS("int40 int4"), "a twin tag behind a longer one is refused");
	ok(!TAGS("a_twin_tag_of_fifty_one_bytes_which_is_one_too_long"), "a long twin tag is refused");
#undef TAGS
}

int
main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : getenv("FROZEN");
	FILE	   *file = fopen(path != NULL ? path : "frozen.txt", "r");
	static Record record;
	int			nbundles = 0;
	int			nrecords = 0;

	if (file == NULL)
		bail_out("could not open frozen.txt");
	if (cellenc_cipher_init(false) != CELLENC_OK)
		bail_out("cellenc_cipher_init failed");
	while (read_record(file, &record))
	{
		if (strcmp(record.kind, "bundle_record") == 0)
			check_record_record(&record, ++nrecords);
		else if (strcmp(record.kind, "bundle") == 0)
			check_bundle_record(&record, ++nbundles);
	}
	fclose(file);
	ok(nbundles >= 2 && nrecords >= 6, "vectors of both kinds were there");
	check_order();
	diag("%lu malformed inputs tried", ntried);
	return done_testing();
}
