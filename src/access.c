/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Who may write to and compare encrypted columns: checked where a
 *	  statement starts, not only where a value is opened.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "compat.h"
#include "keyring.h"
#include "report.h"
#include "twin.h"

PG_FUNCTION_INFO_V1(cellenc_probe);

/*
 * 42501 unless the current user has the privileges on the key that typmod
 * names.  A key that this database does not have is nobody's: only superusers
 * pass.
 */
static void
check_typmod(int32 typmod, int privileges)
{
	CellencKey *key;

	if (typmod < 0)
		return;
	key = cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(typmod));
	if (key)
		cellenc_keyring_check(key, privileges);
	else if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key of an encrypted column does not exist in this database"),
				 errhint("Create the key under its name, or restore or import it.")));
}

/*
 * The first argument as it is, after a check of the right to compare it with
 * a column of the type modifier in the second.  The planner puts it around
 * what an index is searched for, so that the check comes before the index is
 * touched, hit or miss.
 */
Datum
cellenc_probe(PG_FUNCTION_ARGS)
{
	CELLENC_CHECK_PRELOAD();
	check_typmod(PG_GETARG_INT32(1), CELLENC_PRIV_DECRYPT);
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
