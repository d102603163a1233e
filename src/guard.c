/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Refuses schema objects that would hold values without a key, and changes
 *	  that would take encrypted columns away unnoticed.
 *
 * The object access hook sees every way in which a column comes to be: tables,
 * partitions, CREATE TABLE AS, materialized views, composite types, domains,
 * ADD COLUMN and ALTER COLUMN TYPE.  It runs before the command's changes are
 * visible to ordinary snapshots, so catalogs are read with SnapshotSelf.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_range.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "event.h"
#include "guard.h"
#include "guard_index.h"
#include "guc.h"
#include "keycatalog.h"
#include "syscat.h"
#include "twin.h"
#include "walk.h"

static object_access_hook_type prev_object_access_hook = NULL;

static void check_attributes(Oid relid, AttrNumber attnum);

static void
refuse_without_key(const char *what, const char *name, Oid twin)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s \"%s\" of encrypted type %s has no key", what, name, format_type_be(twin)),
			 errhint("Write the name of a key after the type, as in %s('KEY').", format_type_be(twin))));
}

/*
 * From now on, somebody may keep values under this key, in a backup at least:
 * DROP EXTENSION asks.  Keys that restores bring later come with their events.
 */
static void
note_use(const char *what, const char *name, int32 typmod)
{
	CellencKeyRow row;
	bool		waited = cellenc_keycatalog_hold(CELLENC_TYPMOD_HASH(typmod));

	if (!cellenc_keycatalog_key_by_hash(CELLENC_TYPMOD_HASH(typmod), &row))
	{
		/* it was there when the type was parsed */
		if (waited)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("the key of %s \"%s\" was dropped", what, name)));
	}
	else if (!cellenc_event_any(CELLENC_EVENT_USE, row.name))
		cellenc_event_note(CELLENC_EVENT_USE, row.name, 0, psprintf("%s \"%s\"", what, name));
}

/*
 * Is it a type of schema cellenc that only arguments are converted to
 * (twin_operand.c, twin_array.c)?  NULLIF has a result of such a type, which
 * would be stored in plain text, and could not be read or dumped.
 */
static bool
is_argument_type(Oid type)
{
	HeapTuple	tuple;
	Form_pg_type form;
	bool		result;

	if (type < FirstNormalObjectId || !OidIsValid(get_extension_oid("cellenc", true)))
		return false;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type) GETSTRUCT(tuple);
	result = form->typtype == TYPTYPE_BASE && form->typnamespace == get_namespace_oid("cellenc", true);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Refuse a type that would store values without a key.  A domain was checked
 * when it was made; so was a composite type, but not the row type of a view.
 */
static void
check_type(const char *what, const char *name, Oid type, int32 typmod)
{
	Oid			inner;

	if (OidIsValid(inner = get_element_type(type)))
		type = inner;

	if (cellenc_twin_is(type))
	{
		if (typmod < 0)
			refuse_without_key(what, name, type);
		note_use(what, name, typmod);
		if (CELLENC_TYPMOD_SEARCH(typmod) == CELLENC_SEARCH_EQUALITY &&
			cellenc_twin_require(type)->term_class == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s \"%s\" of encrypted type %s cannot have search \"equality\"",
							what, name, format_type_be(type)),
					 errdetail("Values of this type have no keyed hash to compare by."),
					 errhint("Use \"none\", or \"order\" with a btree index.")));
	}
	else if (is_argument_type(type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s \"%s\" cannot have type %s", what, name, format_type_be(type)),
				 errdetail("Values become this type only to be compared with encrypted ones."),
				 errhint("Cast the encrypted column to its base type, as in nullif(price::numeric, 0.5).")));
	else if (OidIsValid(inner = get_typ_typrelid(getBaseType(type))))
		check_attributes(inner, 0);
	else if (OidIsValid(inner = get_range_subtype(type)) && cellenc_twin_is(getBaseType(inner)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s \"%s\" cannot have type %s, a range over an encrypted type",
						what, name, format_type_be(type)),
				 errhint("Store the bounds in two columns of encrypted types.")));
}

/* Has the relation columns whose values are stored, or are parts of what is? */
static bool
stores_columns(Oid relid)
{
	HeapTuple	tuple = cellenc_syscat_row(RelationRelationId, ClassOidIndexId,
										   Anum_pg_class_oid, relid);

	if (!HeapTupleIsValid(tuple))
		return false;
	switch (((Form_pg_class) GETSTRUCT(tuple))->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_COMPOSITE_TYPE:
			return true;
		default:
			return false;
	}
}

static HeapTuple
read_type(Oid type)
{
	return cellenc_syscat_row(TypeRelationId, TypeOidIndexId, Anum_pg_type_oid, type);
}

/* The row of a type that has not this analyze function yet; else NULL. */
static HeapTuple
read_type_without(Oid type, Oid analyze)
{
	HeapTuple	tuple = read_type(type);

	return HeapTupleIsValid(tuple) && ((Form_pg_type) GETSTRUCT(tuple))->typanalyze != analyze ? tuple : NULL;
}

/*
 * Core's analyze functions for arrays and composites would store values, and
 * open them to compare.  There is no DDL to choose another one for such a
 * type, so its row is changed when a column of it comes to be.
 */
static void
set_analyze(Oid type)
{
	Oid			argtypes[] = {INTERNALOID};
	Oid			func = LookupFuncName(list_make2(makeString("cellenc"), makeString("cellenc_array_analyze")),
									  1, argtypes, true);
	HeapTuple	tuple;
	Relation	rel;
	ObjectAddress depender;
	ObjectAddress referenced;

	if (!OidIsValid(func) || !read_type_without(type, func))
		return;

	/* another session may be at it */
	LockDatabaseObject(TypeRelationId, type, 0, ShareUpdateExclusiveLock);
	tuple = read_type_without(type, func);
	if (!tuple)
		return;

	rel = table_open(TypeRelationId, RowExclusiveLock);
	((Form_pg_type) GETSTRUCT(tuple))->typanalyze = func;
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	table_close(rel, RowExclusiveLock);

	/* a true array type goes with its element type, which depends on us */
	if (!OidIsValid(get_element_type(type)))
	{
		ObjectAddressSet(depender, TypeRelationId, type);
		ObjectAddressSet(referenced, ProcedureRelationId, func);
		recordDependencyOn(&depender, &referenced, DEPENDENCY_NORMAL);
	}
}

static void
check_attributes(Oid relid, AttrNumber attnum)
{
	Relation	rel;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	rel = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum(attnum));
	scan = systable_beginscan(rel, AttributeRelidNumIndexId, true, SnapshotSelf,
							  attnum == 0 ? 1 : 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);

		if (att->attnum <= 0 || att->attisdropped)
			continue;
		if (!IsBinaryUpgrade)
			check_type("column", NameStr(att->attname), att->atttypid, att->atttypmod);
		if (cellenc_walk_contains(att->atttypid) && !cellenc_twin_is(getBaseType(att->atttypid)))
			set_analyze(att->atttypid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Refuse a change of a column from an encrypted type to one that is not. */
static void
check_type_change(Oid relid, AttrNumber attnum)
{
	Oid			old_type = get_atttype(relid, attnum);	/* still the old row */
	HeapTuple	tuple;
	Form_pg_attribute att;

	if (cellenc_guc_allow_decrypt_column || old_type < FirstNormalObjectId)
		return;
	tuple = cellenc_syscat_attribute(relid, attnum);
	if (!HeapTupleIsValid(tuple))
		return;
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	if (att->atttypid == old_type ||
		cellenc_walk_contains(att->atttypid) || !cellenc_walk_contains(old_type))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot change column \"%s\" from encrypted type %s to %s",
					NameStr(att->attname), format_type_be(old_type), format_type_be(att->atttypid)),
			 errdetail("Its values would be stored in plain text."),
			 errhint("If that is what you want, use cellenc_decrypt_column, or SET cellenc.allow_decrypt_column = on as a superuser first.")));
}

/*
 * The array type of a range comes after the range's own row; that of an
 * encrypted subtype is refused.
 */
static void
check_range(Oid range)
{
	HeapTuple	tuple = cellenc_syscat_row(RangeRelationId, RangeTypidIndexId,
										   Anum_pg_range_rngtypid, range);
	Oid			subtype;

	if (!HeapTupleIsValid(tuple))
		return;
	subtype = ((Form_pg_range) GETSTRUCT(tuple))->rngsubtype;
	if (!cellenc_walk_contains(subtype))
		return;
	tuple = read_type(range);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("range type \"%s\" cannot have encrypted subtype %s",
					HeapTupleIsValid(tuple) ? NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname) : "",
					format_type_be(subtype)),
			 errhint("Store the bounds in two columns of encrypted types.")));
}

static void
check_new_type(Oid type)
{
	HeapTuple	tuple = read_type(type);
	Form_pg_type form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_type) GETSTRUCT(tuple);

	if (form->typtype == TYPTYPE_DOMAIN)
		check_type("domain", NameStr(form->typname), form->typbasetype, form->typtypmod);
	else if (OidIsValid(form->typelem))
		check_range(form->typelem);
}

static void
created(Oid classId, Oid objectId, int subId)
{
	switch (classId)
	{
		case RelationRelationId:
			if (stores_columns(objectId))
			{
				check_attributes(objectId, subId);
				if (subId != 0 && !IsBinaryUpgrade)
					cellenc_guard_check_added(objectId, subId);
			}
			break;
		case TypeRelationId:
			if (!IsBinaryUpgrade)
				check_new_type(objectId);
			break;
		case AttrDefaultRelationId:
			if (!IsBinaryUpgrade)
				cellenc_guard_check_generated(objectId, subId);
			break;
		case StatisticExtRelationId:
			if (!IsBinaryUpgrade)
				cellenc_guard_check_statistics(objectId);
			break;
	}
}

static void
altered(Oid classId, Oid objectId, int subId)
{
	if (classId != RelationRelationId || subId == 0 || !stores_columns(objectId))
		return;
	if (!IsBinaryUpgrade)
		check_type_change(objectId, subId);
	check_attributes(objectId, subId);
}

static void
object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	if (!IsTransactionState())
		return;
	if (classId == RelationRelationId && (access == OAT_POST_CREATE || access == OAT_POST_ALTER))
		cellenc_guard_index_access(access, objectId, subId);
	if (access == OAT_POST_CREATE)
		created(classId, objectId, subId);
	else if (access == OAT_POST_ALTER)
		altered(classId, objectId, subId);
	else if (access == OAT_DROP && !IsBinaryUpgrade)
		cellenc_guard_check_drop(classId, objectId, subId);
}

void
cellenc_guard_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = object_access;
	cellenc_guard_index_init();
	cellenc_guard_drop_init();
}
