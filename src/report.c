/*-------------------------------------------------------------------------
 *
 * report.c
 *	  The errors that more than one file raises, worded once.
 *
 * Touches elog only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "report.h"

#define MAX_NAME_LEN 63

bool		cellenc_preloaded = false;

void
cellenc_report_status(CellencStatus status)
{
	switch (status)
	{
		case CELLENC_OK:
			elog(ERROR, "no failure to report");
			break;
		case CELLENC_BAD_FORMAT:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("encrypted value is damaged"),
					 errdetail("Its length or its first bytes are not those of an encrypted value.")));
			break;
		case CELLENC_BAD_TAG:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("encrypted value failed authentication"),
					 errdetail("The value or what it belongs to has been altered.")));
			break;
		case CELLENC_BAD_CHECK:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					 errmsg("key does not match its check value")));
			break;
		case CELLENC_NO_RANDOM:
			ereport(ERROR,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("could not get random bytes")));
			break;
		case CELLENC_NO_FIPS:
		case CELLENC_SELF_TEST:
		case CELLENC_LIBRARY:
			ereport(ERROR,
					(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					 errmsg("could not run a cryptographic operation"),
					 errhint("Check the OpenSSL installation of the server.")));
			break;
	}
	elog(ERROR, "unrecognized status: %d", (int) status);
}

void
cellenc_report_require_preload(void)
{
	if (!cellenc_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cellenc must be loaded via shared_preload_libraries"),
				 errhint("Add \"cellenc\" to shared_preload_libraries in postgresql.conf and restart the server.")));
}

void
cellenc_report_check_name(const char *name, const char *kind)
{
	size_t		len = strlen(name);
	bool		valid = len >= 1 && len <= MAX_NAME_LEN &&
	((name[0] >= 'a' && name[0] <= 'z') || name[0] == '_');

	for (size_t i = 1; valid && i < len; i++)
	{
		char		c = name[i];

		valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
	}

	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid %s name: \"%s\"", kind, name),
				 errhint("A name has 1 to %d characters: lower-case letters, digits, \"_\" and \"-\", and begins with a letter or \"_\".",
						 MAX_NAME_LEN)));
}
