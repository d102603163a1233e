/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  cellenc_encrypt_column() and cellenc_decrypt_column().
 *
 * The call checks, rehearses the change where the table's lock is to be had at
 * once, and queues a job; the job checks again before it begins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"
#include "guc.h"
#include "job.h"
#include "job_kind.h"
#include "keyring.h"
#include "report.h"
#include "twin.h"
#include "typmod.h"
#include "walk.h"

PG_FUNCTION_INFO_V1(cellenc_encrypt_column);
PG_FUNCTION_INFO_V1(cellenc_decrypt_column);

/*
 * Types
 */

static Oid
schema_of_type(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			schema;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	schema = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace;
	ReleaseSysCache(tuple);
	return schema;
}

/* The encrypted type of a base type; InvalidOid: none. */
static Oid
twin_of(Oid base)
{
	Relation	rel = table_open(CastRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			result = InvalidOid;

	ScanKeyInit(&key, Anum_pg_cast_castsource, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(base));
	scan = systable_beginscan(rel, CastSourceTargetIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			type = ((Form_pg_cast) GETSTRUCT(tuple))->casttarget;
		bool		preferred;

		if (!cellenc_twin_is(type) || cellenc_twin_require(type)->base != base)
			continue;

		/* those of the extension go before those that a user made */
		preferred = schema_of_type(type) == PG_CATALOG_NAMESPACE;
		if (!OidIsValid(result) || preferred)
			result = type;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/* Are the base type's own functions none that any user could have made? */
static bool
is_plain_base(Oid base)
{
	char		kind = get_typtype(base);

	return kind == TYPTYPE_BASE || kind == TYPTYPE_ENUM;
}

static Oid
encrypted_type(Oid type)
{
	Oid			element = get_element_type(type);
	Oid			base = OidIsValid(element) ? element : type;
	Oid			twin = twin_of(base == VARCHAROID ? TEXTOID : base);

	if (!is_plain_base(base))
		twin = InvalidOid;
	if (OidIsValid(twin) && OidIsValid(element))
		return get_array_type(twin);
	if (!OidIsValid(twin))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no encrypted type for type %s", format_type_be(type)),
				 get_typtype(base) == TYPTYPE_DOMAIN
				 ? errhint("Change the column's type to %s first, and the domain's constraints to constraints of the table.",
						   format_type_be(getBaseType(base)))
				 : errhint("A superuser can make one with cellenc_create_type.")));
	return twin;
}

static Oid
plain_type(Oid type)
{
	Oid			element = get_element_type(type);
	Oid			twin = OidIsValid(element) ? element : type;

	if (cellenc_twin_is(twin) && is_plain_base(cellenc_twin_require(twin)->base))
	{
		Oid			base = cellenc_twin_require(twin)->base;

		return OidIsValid(element) ? get_array_type(base) : base;
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("columns of type %s cannot be converted", format_type_be(type)),
			 errdetail("Only columns of an encrypted type itself, or of an array of one, can be.")));
}

/*
 * The call
 */

/* Lock the table, and its column's row; ERROR unless the caller may change it. */
static Form_pg_attribute
open_column(Oid relid, const char *column)
{
	HeapTuple	tuple;
	Form_pg_attribute att;
	char		relkind;

	LockRelationOid(relid, AccessShareLock);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	relkind = get_rel_relkind(relid);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", get_rel_name(relid))));
	if (!cellenc_owns(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	if (IsCatalogRelationOid(relid) || get_rel_namespace(relid) == get_namespace_oid("cellenc", false) ||
		get_rel_namespace(relid) == get_namespace_oid(CELLENC_CONVERT_SCHEMA, false))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied: \"%s\" is a system catalog", get_rel_name(relid))));

	tuple = SearchSysCacheCopyAttName(relid, column);
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", column, get_rel_name(relid))));
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	if (att->attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot convert system column \"%s\"", column)));
	if (att->attinhcount > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot convert inherited column \"%s\" of table \"%s\"", column, get_rel_name(relid)),
				 errhint("Convert the column of the table that it is inherited from.")));
	return att;
}

typedef struct Rehearsal
{
	const CellencConversion *conversion;
} Rehearsal;

static void
do_rehearse(void *arg)
{
	List	   *relations;
	List	   *definitions;

	cellenc_convert_rehearse(((Rehearsal *) arg)->conversion, &relations, &definitions);
}

/* Rehearse it, unless the table is in use just now. */
static void
try_to_rehearse(const CellencConversion *conversion)
{
	Rehearsal	rehearsal = {conversion};
	ErrorData  *failure;

	if (cellenc_job_guarded(do_rehearse, &rehearsal, &failure))
		return;
	if (failure->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		failure->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		failure->sqlerrcode == ERRCODE_OBJECT_IN_USE)
		ereport(NOTICE,
				(errmsg("table \"%s\" is in use: only the job can tell whether everything can be carried over",
						get_rel_name(conversion->relation)),
				 errdetail("It does so before it changes anything.")));
	else
		ReThrowError(failure);
}

static int64
queue(CellencJobKind kind, CellencKey *key, CellencConversion *conversion)
{
	CellencJob	job;
	pg_uuid_t	id = key->row.id;
	int64		other;
	ListCell   *lc;

	memset(&job, 0, sizeof(job));
	job.kind = kind;
	job.keys = &id;
	job.nkeys = 1;
	job.target = conversion->relation;

	conversion->role = GetUserId();
	conversion->phase = CELLENC_CONVERT_START;
	other = cellenc_convert_of_column(conversion->relation, conversion->attnum);
	if (other != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the column is being converted by job " INT64_FORMAT, other)));
	foreach(lc, cellenc_convert_check(conversion))
		ereport(NOTICE, (errmsg_internal("%s", (char *) lfirst(lc))));
	try_to_rehearse(conversion);

	conversion->job = cellenc_job_queue(&job);
	cellenc_convert_insert(conversion);
	ereport(NOTICE,
			(errmsg("job " INT64_FORMAT " converts column \"%s\" of table \"%s\"", conversion->job,
					get_attname(conversion->relation, conversion->attnum, false),
					get_rel_name(conversion->relation)),
			 errhint("CALL cellenc_wait(" INT64_FORMAT ") returns when it is done; view cellenc.jobs shows how far it is.",
					 conversion->job)));
	return conversion->job;
}

/*
 * cellenc_encrypt_column(rel regclass, col name, key text, search text)
 */
Datum
cellenc_encrypt_column(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *column = NameStr(*PG_GETARG_NAME(1));
	char	   *key_name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *search = text_to_cstring(PG_GETARG_TEXT_PP(3));
	CellencConversion conversion;
	Form_pg_attribute att;
	CellencKey *key;

	CELLENC_CHECK_PRELOAD();
	PreventCommandIfReadOnly("cellenc_encrypt_column()");
	att = open_column(relid, column);
	if (cellenc_walk_contains(att->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of table \"%s\" is encrypted already", column, get_rel_name(relid))));

	memset(&conversion, 0, sizeof(conversion));
	conversion.relation = relid;
	conversion.attnum = att->attnum;
	conversion.type = encrypted_type(att->atttypid);
	conversion.typmod = cellenc_typmod_make(key_name, search);
	conversion.collation = get_typcollation(conversion.type);
	if (OidIsValid(conversion.collation) && OidIsValid(att->attcollation))
		conversion.collation = att->attcollation;

	key = cellenc_keyring_require_key(key_name);
	cellenc_keyring_check(key, CELLENC_PRIV_ENCRYPT);
	PG_RETURN_INT64(queue(CELLENC_JOB_ENCRYPT_COLUMN, key, &conversion));
}

/*
 * cellenc_decrypt_column(rel regclass, col name)
 */
Datum
cellenc_decrypt_column(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *column = NameStr(*PG_GETARG_NAME(1));
	CellencConversion conversion;
	Form_pg_attribute att;
	CellencKey *key;

	CELLENC_CHECK_PRELOAD();
	PreventCommandIfReadOnly("cellenc_decrypt_column()");
	att = open_column(relid, column);
	if (!cellenc_walk_contains(att->atttypid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of table \"%s\" is not encrypted", column, get_rel_name(relid))));
	if (!cellenc_guc_allow_decrypt_column)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("decrypting a column is not allowed"),
				 errdetail("Its values would be stored in plain text."),
				 errhint("If that is what you want, SET cellenc.allow_decrypt_column = on as a superuser first.")));

	memset(&conversion, 0, sizeof(conversion));
	conversion.relation = relid;
	conversion.attnum = att->attnum;
	conversion.type = plain_type(att->atttypid);
	conversion.typmod = -1;
	conversion.collation = get_typcollation(conversion.type);
	if (OidIsValid(conversion.collation) && OidIsValid(att->attcollation))
		conversion.collation = att->attcollation;

	key = cellenc_keyring_require_key(cellenc_typmod_key_name(att->atttypmod));
	cellenc_keyring_check(key, CELLENC_PRIV_DECRYPT);
	PG_RETURN_INT64(queue(CELLENC_JOB_DECRYPT_COLUMN, key, &conversion));
}
