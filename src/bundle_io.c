/*-------------------------------------------------------------------------
 *
 * bundle_io.c
 *	  Bundles of keys as text, and the errors of those that are none.
 *
 * Nothing of a bundle is believed before it has opened; its header only tells
 * which master key to try.  Touches bundle, masterkey, keycatalog, secret.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "bundle_io.h"
#include "compat.h"
#include "guc.h"
#include "keycatalog.h"
#include "report.h"
#include "secret.h"

/* What every version's bundles begin with. */
#define ANY_PREFIX		"cellenc-keys:"
#define SEALED_PREFIX	"cellenc:"

#define EPOCH_DIFFERENCE \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

int64
cellenc_bundle_io_from_time(TimestampTz at)
{
	return at + EPOCH_DIFFERENCE;
}

TimestampTz
cellenc_bundle_io_to_time(int64 at)
{
	return at - EPOCH_DIFFERENCE;
}

text *
cellenc_bundle_io_text(const uint8 *bytes, size_t size)
{
	int			prefix_len = strlen(CELLENC_BUNDLE_PREFIX);
	int			max = pg_b64_enc_len((int) size);
	text	   *result = palloc(VARHDRSZ + prefix_len + max);
	int			len;

	memcpy(VARDATA(result), CELLENC_BUNDLE_PREFIX, prefix_len);
	len = pg_b64_encode((const void *) bytes, (int) size, VARDATA(result) + prefix_len, max);
	if (len < 0)
		elog(ERROR, "could not encode a bundle of keys");
	SET_VARSIZE(result, VARHDRSZ + prefix_len + len);
	return result;
}

static bool
begins_with(const char *str, int len, const char *prefix)
{
	return len >= (int) strlen(prefix) && memcmp(str, prefix, strlen(prefix)) == 0;
}

pg_noreturn static void
report_foreign(const char *str, int len)
{
	if (begins_with(str, len, ANY_PREFIX))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("bundle of keys has a format that this version of cellenc does not know"),
				 errhint("Import it with the version that exported it, or a later one.")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("text is not a bundle of keys"),
			 begins_with(str, len, SEALED_PREFIX) ? errdetail("It is an encrypted value.") : 0,
			 errhint("A bundle is what cellenc_export_keys returns; it begins with \"%s\".",
					 CELLENC_BUNDLE_PREFIX)));
}

/* The bytes of a bundle's text. */
static uint8 *
decode(text *bundle, int *size)
{
	const char *str = VARDATA_ANY(bundle);
	int			len = VARSIZE_ANY_EXHDR(bundle);
	int			max;
	uint8	   *bytes;

	/* a file that the text was kept in may end with a newline */
	while (len > 0 && (str[len - 1] == '\n' || str[len - 1] == '\r'))
		len--;
	if (!begins_with(str, len, CELLENC_BUNDLE_PREFIX))
		report_foreign(str, len);
	str += strlen(CELLENC_BUNDLE_PREFIX);
	len -= strlen(CELLENC_BUNDLE_PREFIX);
	if (len > pg_b64_enc_len(CELLENC_BUNDLE_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("bundle of keys is too long"),
				 errdetail("It may have up to %d bytes.", pg_b64_enc_len(CELLENC_BUNDLE_MAX))));

	/* read what would be written: no blanks, and no bits left over at the end */
	max = pg_b64_dec_len(len);
	bytes = palloc(max + 1);
	*size = pg_b64_decode(str, len, (void *) bytes, max);
	if (*size >= 0)
	{
		text	   *again = cellenc_bundle_io_text(bytes, *size);
		int			prefix_len = strlen(CELLENC_BUNDLE_PREFIX);

		if ((int) (VARSIZE(again) - VARHDRSZ) != prefix_len + len ||
			memcmp(VARDATA(again) + prefix_len, str, len) != 0)
			*size = -1;
		pfree(again);
	}
	if (*size < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("bundle of keys is damaged"),
				 errdetail("What follows \"%s\" is not base64, or a part of it is missing.",
						   CELLENC_BUNDLE_PREFIX)));
	return bytes;
}

static void
parse(const uint8 *bytes, int size, CellencBundleHeader *header)
{
	const char *detail = NULL;

	switch (cellenc_bundle_parse(bytes, size, header))
	{
		case CELLENC_BUNDLE_FINE:
			return;
		case CELLENC_BUNDLE_FOREIGN:
			detail = "It does not begin as one.";
			break;
		case CELLENC_BUNDLE_DAMAGED:
			detail = "Its header is not one that cellenc writes.";
			break;
		case CELLENC_BUNDLE_SHORT:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("bundle of keys is incomplete"),
					 errdetail("Its end is missing.")));
			break;
		case CELLENC_BUNDLE_LONG:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("bundle of keys is followed by something else")));
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("bundle of keys is damaged"),
			 errdetail("%s", detail)));
}

/*
 * Find the master key that opens it.  Providers that cannot list what they
 * have are asked for every name that is known here.
 */
static CellencMasterKeyFound
find_key(CellencMasterKey *row, uint8 *key, char *reason)
{
	CellencMasterKeyFound found = cellenc_masterkey_find(row, key, reason);
	CellencMasterKey candidate = *row;
	char		ignored[CELLENC_REASON_LEN];
	List	   *rows;
	ListCell   *lc;

	if (found == CELLENC_MASTERKEY_FOUND)
		return found;
	strlcpy(candidate.name, cellenc_guc_default_master_key, sizeof(candidate.name));
	rows = lcons(&candidate, cellenc_keycatalog_master_keys());
	foreach(lc, rows)
	{
		CellencMasterKey other = *row;

		strlcpy(other.name, ((CellencMasterKey *) lfirst(lc))->name, sizeof(other.name));
		if (strcmp(other.name, row->name) != 0 &&
			cellenc_masterkey_find(&other, key, ignored) == CELLENC_MASTERKEY_FOUND)
			return CELLENC_MASTERKEY_FOUND;
	}
	return found;
}

static void
get_key(const CellencBundleHeader *header, uint8 *key)
{
	CellencMasterKey row;
	char		reason[CELLENC_REASON_LEN];

	memset(&row, 0, sizeof(row));
	memcpy(row.id.data, header->master_uuid, UUID_LEN);
	strlcpy(row.name, header->master_name, sizeof(row.name));
	row.pbkdf2 = header->pbkdf2;
	memcpy(row.salt, header->salt, CELLENC_KDF_SALT_LEN);
	row.rounds = (int) Min(header->rounds, (uint32) PG_INT32_MAX);
	memcpy(row.check_value, header->check_value, CELLENC_CHECK_LEN);

	switch (find_key(&row, key, reason))
	{
		case CELLENC_MASTERKEY_FOUND:
			break;
		case CELLENC_MASTERKEY_WRONG:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					 errmsg("bundle of keys is wrapped under another master key \"%s\"", row.name),
					 errdetail("No master key of this server matches the bundle's check value."),
					 errhint("Provide the master key of the site that exported the bundle, under any name.")));
			break;
		case CELLENC_MASTERKEY_MISSING:
			ereport(ERROR,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("could not find the master key of the bundle of keys"),
					 errdetail("It is called \"%s\" where the bundle comes from. %s.", row.name, reason),
					 errhint("Provide the master key of the site that exported the bundle, under any name.")));
			break;
	}
}

List *
cellenc_bundle_io_records(const CellencBundleHeader *header, const uint8 *records)
{
	CellencBundleReader reader;
	List	   *list = NIL;
	CellencStatus status;
	bool		more;

	cellenc_bundle_read(&reader, header, records);
	for (;;)
	{
		CellencBundleRecord *record = palloc(sizeof(CellencBundleRecord));

		CHECK_FOR_INTERRUPTS();
		status = cellenc_bundle_next(&reader, record, &more);
		if (!more)
			break;
		list = lappend(list, record);
	}
	if (status == CELLENC_BAD_FORMAT || status == CELLENC_BAD_CHECK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle of keys is not valid"),
				 errdetail("It is authentic, but one of its keys is not as cellenc writes it.")));
	if (status != CELLENC_OK)
		cellenc_report_status(status);
	return list;
}

List *
cellenc_bundle_io_open(text *bundle, CellencBundleHeader *header)
{
	int			size;
	uint8	   *bytes = decode(bundle, &size);
	uint8		key[CELLENC_KEY_LEN];
	uint8	   *records;
	CellencStatus status;

	parse(bytes, size, header);
	records = cellenc_secret_alloc(CurrentMemoryContext, header->records_len + 1);
	get_key(header, key);
	status = cellenc_bundle_open(bytes, header, key, records);
	cellenc_cipher_wipe(key, sizeof(key));
	pfree(bytes);
	if (status == CELLENC_BAD_TAG)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle of keys failed authentication"),
				 errdetail("It has been altered since it was exported.")));
	if (status != CELLENC_OK)
		cellenc_report_status(status);
	return cellenc_bundle_io_records(header, records);
}
