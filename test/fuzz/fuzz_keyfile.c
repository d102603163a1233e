/*-------------------------------------------------------------------------
 *
 * fuzz_keyfile.c
 *	  libFuzzer target: the key-file parser.
 *
 * Whatever the bytes: it ends, what it gives is well-formed, and after
 * anything but a key it gives nothing.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "keyfile.h"
#include "require.h"

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static void
check_entry(const CellencKeyfile *file, const CellencKeyfileEntry *entry)
{
	must(memchr(entry->name, 0, sizeof(entry->name)) != NULL);
	must(cellenc_keyfile_valid_name(entry->name));
	must(file->line >= 1);
	must(file->nkeys >= 1 && file->nkeys <= CELLENC_KEYFILE_MAX_KEYS);
	if (entry->kind == CELLENC_KEYFILE_RAW)
		must(entry->len == CELLENC_KEYFILE_RAW_LEN);
	else
	{
		must(entry->kind == CELLENC_KEYFILE_PASSPHRASE);
		must(entry->len >= 1 && entry->len <= CELLENC_KEYFILE_SECRET_LEN);
		must(memchr(entry->bytes, 0, entry->len) == NULL);
		must(memchr(entry->bytes, '\n', entry->len) == NULL);
		must(memchr(entry->bytes, '\r', entry->len) == NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static CellencKeyfile file;
	static const CellencKeyfileEntry nothing;
	CellencKeyfileEntry entry;
	CellencKeyfileResult result;
	int			nkeys = 0;

	cellenc_keyfile_open(&file, data, size, "default");
	while ((result = cellenc_keyfile_next(&file, &entry)) == CELLENC_KEYFILE_ENTRY)
	{
		check_entry(&file, &entry);
		must(file.nkeys == ++nkeys);
	}
	must(memcmp(&entry, &nothing, sizeof(entry)) == 0);
	must((result == CELLENC_KEYFILE_BAD) == (file.reason != NULL));
	must(cellenc_keyfile_next(&file, &entry) == result);
	cellenc_keyfile_close(&file);
	return 0;
}
