/*-------------------------------------------------------------------------
 *
 * fuzz_bundle.c
 *	  libFuzzer target: bytes that claim to be a bundle of keys.
 *
 * The first byte of the input chooses what the rest is taken for: a whole
 * bundle, or the records of one, as they are when it has been opened.  It
 * always holds:
 *
 *	- what parses is written back as the same bytes;
 *	- nothing opens but what was sealed here;
 *	- a refusal hands nothing out;
 *	- the records are read to their end or refused.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "require.h"

static const uint8_t master[CELLENC_KEY_LEN] = "cellenc fuzzing: a master key .";
static const uint8_t nonce[CELLENC_NONCE_LEN] = "cellenc fuzzing: nonce ";

/* The one bundle that was sealed here: empty but for its header. */
static uint8_t sealed[CELLENC_BUNDLE_HEADER_MAX + CELLENC_NONCE_LEN + CELLENC_TAG_LEN];
static size_t sealed_size;

static void
start(void)
{
	static bool started = false;
	CellencBundleHeader header;

	if (started)
		return;
	started = true;
	REQUIRE(cellenc_cipher_init(false) == CELLENC_OK);
	memset(&header, 0, sizeof(header));
	strcpy(header.master_name, "default");
	sealed_size = cellenc_bundle_size(&header);
	REQUIRE(cellenc_bundle_seal(sealed, &header, nonce, nonce, master) == CELLENC_OK);
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
copy_of(const uint8_t *bytes, size_t len)
{
	uint8_t    *copy = malloc(len > 0 ? len : 1);

	REQUIRE(copy != NULL);
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

static void
check_bundle(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = copy_of(data, size);
	uint8_t		written[CELLENC_BUNDLE_HEADER_MAX];
	uint8_t    *opened;
	CellencBundleHeader header;
	CellencBundleFault fault = cellenc_bundle_parse(bytes, size, &header);
	CellencStatus status;
	bool		ours = size == sealed_size && memcmp(bytes, sealed, size) == 0;

	if (fault != CELLENC_BUNDLE_FINE)
	{
		REQUIRE(is_zero(&header, sizeof(header)) && !ours);
		free(bytes);
		return;
	}
	REQUIRE(cellenc_bundle_size(&header) == size);
	REQUIRE(cellenc_bundle_header_size(&header) <= sizeof(written));
	REQUIRE(cellenc_bundle_write_header(written, &header) == written + cellenc_bundle_header_size(&header));
	REQUIRE(memcmp(written, bytes, cellenc_bundle_header_size(&header)) == 0);

	opened = copy_of(bytes, header.records_len);
	status = cellenc_bundle_open(bytes, &header, master, opened);
	REQUIRE(ours ? status == CELLENC_OK : status == CELLENC_BAD_TAG);
	REQUIRE(status == CELLENC_OK || is_zero(opened, header.records_len));
	free(opened);
	free(bytes);
}

static void
check_records(uint32_t nsearch_keys, uint32_t nversions, const uint8_t *data, size_t size)
{
	uint8_t    *bytes = copy_of(data, size);
	uint8_t    *written = copy_of(data, size);
	uint8_t    *end = written;
	CellencBundleHeader header;
	CellencBundleReader reader;
	CellencBundleRecord record;
	CellencStatus status;
	bool		more = true;

	memset(&header, 0, sizeof(header));
	header.nsearch_keys = nsearch_keys;
	header.nversions = nversions;
	header.records_len = (uint32_t) size;
	memset(written, 0xa5, size);

	cellenc_bundle_read(&reader, &header, bytes);
	while ((status = cellenc_bundle_next(&reader, &record, &more)) == CELLENC_OK && more)
	{
		REQUIRE(cellenc_bundle_record_size(&record) <= (size_t) (written + size - end));
		end = cellenc_bundle_write_record(end, &record);
	}
	REQUIRE(!more && is_zero(&record, sizeof(record)));
	if (status == CELLENC_OK)
		REQUIRE(end == written + size && (size == 0 || memcmp(bytes, written, size) == 0));
	else
		REQUIRE(status == CELLENC_BAD_FORMAT || status == CELLENC_BAD_CHECK);
	free(written);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t		choice;

	start();
	if (size == 0)
	{
		check_bundle(sealed, sealed_size);
		return 0;
	}
	choice = *data++;
	size--;
	if (choice % 2 == 0)
		check_bundle(data, size);
	else
		check_records(choice >> 1 & 7, choice >> 4, data, size);
	return 0;
}
