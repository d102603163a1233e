/*-------------------------------------------------------------------------
 *
 * typmod.c
 *	  Type modifiers: which key a column is under, and what it reveals.
 *
 * A typmod holds 29 bits of a hash of the key's name and two bits of
 * `search`.  The name is not looked up to compute it, so DDL restores before
 * the keys do; it is looked up to refuse a misspelt name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "admin.h"
#include "compat.h"
#include "guc.h"
#include "keyring.h"
#include "report.h"
#include "twin.h"
#include "typmod.h"

PG_FUNCTION_INFO_V1(cellenc_typmod_in);
PG_FUNCTION_INFO_V1(cellenc_typmod_out);

char *
cellenc_typmod_key_name(int32 typmod)
{
	CellencKey *key;

	/* in pg_upgrade no key table may be read while types are made */
	key = IsBinaryUpgrade ? NULL : cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(typmod));
	if (key)
		return pstrdup(key->row.name);
	return psprintf("#%08x", (unsigned int) CELLENC_TYPMOD_HASH(typmod));
}

static CellencSearch
parse_search(const char *name)
{
	for (CellencSearch search = CELLENC_SEARCH_NONE; search <= CELLENC_SEARCH_ORDER; search++)
	{
		if (strcmp(cellenc_twin_search_name(search), name) == 0)
			return search;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid search \"%s\" of an encrypted type", name),
			 errhint("Use \"none\", \"equality\" or \"order\".")));
}

/* The hash that '#<8 hex digits>' prints; false for any other text. */
static bool
parse_unknown_key(const char *name, uint32 *hash)
{
	if (name[0] != '#' || strlen(name) != 9 || strspn(name + 1, "0123456789abcdef") != 8)
		return false;
	*hash = (uint32) strtoul(name + 1, NULL, 16);
	if (*hash >= (UINT32_C(1) << 29))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid key \"%s\" of an encrypted type", name)));
	return true;
}

/*
 * A key that the database does not have.  Dumps bring types before keys; they
 * are told by check_function_bodies, which pg_dump's scripts turn off.
 */
static void
meet_unknown_key(const char *name)
{
	switch ((CellencUnknownKey) cellenc_guc_unknown_key)
	{
		case CELLENC_UNKNOWN_KEY_ALLOW:
			return;
		case CELLENC_UNKNOWN_KEY_CREATE:
			cellenc_admin_create_unknown_key(name);
			return;
		case CELLENC_UNKNOWN_KEY_ERROR:
			if (!check_function_bodies)
				return;
			(void) cellenc_keyring_require_key(name);
			return;
	}
}

int32
cellenc_typmod_make(const char *key, const char *search)
{
	CellencSearch search_bits = search ? parse_search(search) : CELLENC_SEARCH_NONE;
	uint32		hash;
	CellencStatus status;

	if (!parse_unknown_key(key, &hash))
	{
		cellenc_report_check_name(key, "key");
		status = cellenc_envelope_name_hash(key, &hash);
		if (status != CELLENC_OK)
			cellenc_report_status(status);
		if (!IsBinaryUpgrade && !cellenc_keyring_key_by_hash((int32) hash))
			meet_unknown_key(key);
	}
	return CELLENC_TYPMOD(hash, search_bits);
}

Datum
cellenc_typmod_in(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum	   *elements;
	int			n;

	CELLENC_CHECK_PRELOAD();
	deconstruct_array(array, CSTRINGOID, -2, false, TYPALIGN_CHAR, &elements, NULL, &n);
	if (n < 1 || n > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier of an encrypted type"),
				 errhint("Give the name of a key and, optionally, \"none\", \"equality\" or \"order\".")));
	PG_RETURN_INT32(cellenc_typmod_make(DatumGetCString(elements[0]),
										n == 2 ? DatumGetCString(elements[1]) : NULL));
}

Datum
cellenc_typmod_out(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(0);
	char	   *name;

	CELLENC_CHECK_PRELOAD();
	if (typmod < 0)
		PG_RETURN_CSTRING(pstrdup(""));
	name = cellenc_typmod_key_name(typmod);
	if (CELLENC_TYPMOD_SEARCH(typmod) == CELLENC_SEARCH_NONE)
		PG_RETURN_CSTRING(psprintf("('%s')", name));
	PG_RETURN_CSTRING(psprintf("('%s','%s')", name,
							   cellenc_twin_search_name(CELLENC_TYPMOD_SEARCH(typmod))));
}
