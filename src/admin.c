/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  Management of keys: create, rotate, grant.
 *
 * Every call works in the caller's transaction and leaves nothing behind when
 * that rolls back.  Changes of keys are serialised by cellenc_keycatalog_lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "admin.h"
#include "codec.h"
#include "compat.h"
#include "event.h"
#include "guc.h"
#include "job.h"
#include "keymaker.h"
#include "keyring.h"
#include "report.h"

PG_FUNCTION_INFO_V1(cellenc_admin_bootstrap);
PG_FUNCTION_INFO_V1(cellenc_create_key);
PG_FUNCTION_INFO_V1(cellenc_rotate_key);
PG_FUNCTION_INFO_V1(cellenc_grant_key);
PG_FUNCTION_INFO_V1(cellenc_revoke_key);
PG_FUNCTION_INFO_V1(cellenc_has_key_privilege);
PG_FUNCTION_INFO_V1(cellenc_has_key_privilege_of_role);
PG_FUNCTION_INFO_V1(cellenc_key_name);
PG_FUNCTION_INFO_V1(cellenc_key_version);
PG_FUNCTION_INFO_V1(cellenc_codec_counts);

/*
 * Make the key for constants.  From the extension's script alone, which runs
 * once.
 */
Datum
cellenc_admin_bootstrap(PG_FUNCTION_ARGS)
{
	CellencKeyRow key;

	CELLENC_CHECK_PRELOAD();
	memset(&key, 0, sizeof(key));
	strlcpy(key.name, CELLENC_LITERAL_KEY, sizeof(key.name));
	key.name_hash = -1;
	cellenc_keymaker_uuid(&key.id);
	cellenc_keycatalog_insert_key(&key);
	cellenc_keymaker_add_version(&key, 1, list_make1(cellenc_keymaker_master_key(NULL)));
	PG_RETURN_VOID();
}

/*
 * Create a key with version 1, wrapped under the named master key (NULL: the
 * default one); with the database's first key, also the search key.
 */
static void
create_key(const char *name, const char *master_key)
{
	CellencKeyRow key;
	CellencKeyRow other;
	CellencMasterKey *master;
	uint32		hash;
	CellencStatus status;

	cellenc_report_check_name(name, "key");
	cellenc_keycatalog_lock();
	if (cellenc_keycatalog_key_by_name(name, &other))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("key \"%s\" already exists", name)));

	status = cellenc_envelope_name_hash(name, &hash);
	if (status != CELLENC_OK)
		cellenc_report_status(status);
	if (cellenc_keycatalog_key_by_hash((int32) hash, &other))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("key \"%s\" cannot be told from key \"%s\" in a type modifier", name, other.name),
				 errhint("Choose another name.")));

	memset(&key, 0, sizeof(key));
	strlcpy(key.name, name, sizeof(key.name));
	key.name_hash = (int32) hash;
	cellenc_keymaker_uuid(&key.id);

	master = cellenc_keymaker_master_key(master_key);
	cellenc_keymaker_require_search_key();
	cellenc_keycatalog_insert_key(&key);
	cellenc_keymaker_add_version(&key, 1, list_make1(master));
	cellenc_event_record("create", name, 1, NULL);
}

Datum
cellenc_create_key(PG_FUNCTION_ARGS)
{
	char	   *name;
	char	   *master_key = NULL;

	CELLENC_CHECK_PRELOAD();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key name and if_not_exists must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(1))
		master_key = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (PG_GETARG_BOOL(2))
	{
		CellencKeyRow row;

		cellenc_keycatalog_lock();
		if (cellenc_keycatalog_key_by_name(name, &row) && row.name_hash >= 0)
		{
			ereport(NOTICE,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("key \"%s\" already exists, skipping", name)));
			PG_RETURN_INT32(1);
		}
	}
	create_key(name, master_key);
	PG_RETURN_INT32(1);
}

/*
 * Make a new current version.  Values stay readable: the old version goes on
 * opening, and a job brings everything under the new one.
 */
Datum
cellenc_rotate_key(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		reencrypt = PG_GETARG_BOOL(1);
	CellencKey *key;
	CellencKeyRow row;
	int32		version;

	CELLENC_CHECK_PRELOAD();
	cellenc_keycatalog_lock();
	key = cellenc_keyring_require_key(name);
	cellenc_keyring_check(key, CELLENC_PRIV_MANAGE);
	row = key->row;
	version = cellenc_keymaker_rotate(&row, NULL);

	if (reencrypt)
	{
		CellencJob	job = {.kind = CELLENC_JOB_ROTATE,.keys = &row.id,.nkeys = 1,.version = version};

		(void) cellenc_job_queue(&job);
		ereport(NOTICE,
				(errmsg("job " INT64_FORMAT " re-encrypts the values under key \"%s\" when the transaction commits",
						job.job, name),
				 errhint("Progress is shown by the view cellenc.jobs.")));
	}
	PG_RETURN_INT32(version);
}

/*
 * Privileges
 */

/* A list such as "encrypt, decrypt" as a mask. */
static int
parse_privileges(text *privileges)
{
	char	   *list = text_to_cstring(privileges);
	char	   *rest = list;
	char	   *word;
	int			mask = 0;

	while ((word = strsep(&rest, ",")) != NULL)
	{
		size_t		len;

		while (*word == ' ')
			word++;
		len = strlen(word);
		while (len > 0 && word[len - 1] == ' ')
			word[--len] = '\0';

		if (pg_strcasecmp(word, "encrypt") == 0)
			mask |= CELLENC_PRIV_ENCRYPT;
		else if (pg_strcasecmp(word, "decrypt") == 0)
			mask |= CELLENC_PRIV_DECRYPT;
		else if (pg_strcasecmp(word, "manage") == 0)
			mask |= CELLENC_PRIV_MANAGE;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized privilege of a key: \"%s\"", word),
					 errhint("Privileges are \"encrypt\", \"decrypt\" and \"manage\".")));
	}
	return mask;
}

static Datum
change_grants(FunctionCallInfo fcinfo, bool grant)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *role = NameStr(*PG_GETARG_NAME(1));
	int			mask = parse_privileges(PG_GETARG_TEXT_PP(2));
	CellencKeyRow key;
	CellencGrantRow row;

	CELLENC_CHECK_PRELOAD();
	cellenc_keycatalog_lock();
	key = cellenc_keyring_require_key(name)->row;

	/* a role that is gone can still lose its rights */
	if (grant && strcmp(role, "public") != 0)
		(void) get_role_oid(role, false);

	strlcpy(row.role, role, sizeof(row.role));
	for (int bit = CELLENC_PRIV_ENCRYPT; bit <= CELLENC_PRIV_MANAGE; bit <<= 1)
	{
		if (!(mask & bit))
			continue;
		row.privilege = bit;
		if (grant ? cellenc_keycatalog_insert_grant(&key.id, &row)
			: cellenc_keycatalog_delete_grant(&key.id, &row))
			cellenc_event_record(grant ? "grant" : "revoke", name, 0,
								 psprintf("%s %s role \"%s\"",
										  cellenc_keycatalog_privilege_name(bit),
										  grant ? "to" : "from", role));
	}
	PG_RETURN_VOID();
}

void
cellenc_admin_create_unknown_key(const char *name)
{
	CellencKeyRow key;
	const char *role = GetUserNameFromId(GetUserId(), false);
	const int	privileges[] = {CELLENC_PRIV_ENCRYPT, CELLENC_PRIV_DECRYPT};

	create_key(name, NULL);
	if (superuser() || !cellenc_keycatalog_key_by_name(name, &key))
		return;
	for (int i = 0; i < (int) lengthof(privileges); i++)
	{
		CellencGrantRow row;

		memset(&row, 0, sizeof(row));
		strlcpy(row.role, role, sizeof(row.role));
		row.privilege = privileges[i];
		if (cellenc_keycatalog_insert_grant(&key.id, &row))
			cellenc_event_record("grant", name, 0,
								 psprintf("%s to role \"%s\"", cellenc_keycatalog_privilege_name(row.privilege), role));
	}
}

Datum
cellenc_grant_key(PG_FUNCTION_ARGS)
{
	return change_grants(fcinfo, true);
}

Datum
cellenc_revoke_key(PG_FUNCTION_ARGS)
{
	return change_grants(fcinfo, false);
}

static bool
has_privileges(text *name, Oid role, text *privileges)
{
	CELLENC_CHECK_PRELOAD();
	return cellenc_keyring_has(cellenc_keyring_require_key(text_to_cstring(name)), role,
							   parse_privileges(privileges));
}

Datum
cellenc_has_key_privilege(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(has_privileges(PG_GETARG_TEXT_PP(0), GetUserId(), PG_GETARG_TEXT_PP(1)));
}

Datum
cellenc_has_key_privilege_of_role(PG_FUNCTION_ARGS)
{
	Oid			role = get_role_oid(NameStr(*PG_GETARG_NAME(0)), false);

	PG_RETURN_BOOL(has_privileges(PG_GETARG_TEXT_PP(1), role, PG_GETARG_TEXT_PP(2)));
}

/*
 * What a value is under
 */

/*
 * The key version of the first argument, of whatever encrypted type: NULL for
 * a constant that is not sealed yet and has no key.
 */
static CellencKeyVersion *
version_of_argument(FunctionCallInfo fcinfo)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	uint32		version_id;
	CellencKeyVersion *version;

	CELLENC_CHECK_PRELOAD();
	if (OidIsValid(type))
		type = getBaseType(type);
	if (!OidIsValid(type) || !cellenc_twin_is(type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("type %s is not an encrypted type",
						OidIsValid(type) ? format_type_be(type) : "unknown")));

	version_id = cellenc_codec_version_id(PG_GETARG_DATUM(0));
	if (version_id == 0)
	{
		int32		typmod = cellenc_codec_object_typmod(PG_GETARG_DATUM(0));
		CellencKey *key = typmod < 0 ? cellenc_keyring_literal_key()
		: cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(typmod));

		return key ? cellenc_keyring_version(key->current_id) : NULL;
	}
	version = cellenc_keyring_version(version_id);
	if (!version)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key version id %u of an encrypted value does not exist in this database",
						version_id)));
	return version;
}

Datum
cellenc_key_name(PG_FUNCTION_ARGS)
{
	CellencKeyVersion *version = version_of_argument(fcinfo);

	/* the key for constants is none that a user knows */
	if (!version || version->key->literal)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(version->key->row.name));
}

Datum
cellenc_key_version(PG_FUNCTION_ARGS)
{
	CellencKeyVersion *version = version_of_argument(fcinfo);

	if (!version || version->key->literal)
		PG_RETURN_NULL();
	PG_RETURN_INT32(version->row.version);
}

/* Values that this session has sealed and opened. */
Datum
cellenc_codec_counts(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum((int64) cellenc_codec_counters.sealed);
	values[1] = Int64GetDatum((int64) cellenc_codec_counters.opened);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
