/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Refuses schema objects that would hold values without a key.
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
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "guard.h"
#include "guard_index.h"
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
		if (CELLENC_TYPMOD_SEARCH(typmod) == CELLENC_SEARCH_EQUALITY &&
			cellenc_twin_require(type)->term_class == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s \"%s\" of encrypted type %s cannot have search \"equality\"",
							what, name, format_type_be(type)),
					 errdetail("Values of this type have no keyed hash to compare by."),
					 errhint("Use \"none\", or \"order\" with a btree index.")));
	}
	else if (OidIsValid(inner = get_typ_typrelid(getBaseType(type))))
		check_attributes(inner, 0);
	else if (OidIsValid(inner = get_range_subtype(type)) && cellenc_twin_is(getBaseType(inner)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s \"%s\" cannot have type %s, a range over an encrypted type",
						what, name, format_type_be(type)),
				 errhint("Store the bounds in two columns of encrypted types.")));
}

static char
relation_kind(Oid relid)
{
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char		kind = '\0';

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		kind = ((Form_pg_class) GETSTRUCT(tuple))->relkind;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return kind;
}

/* A copy of a type's row as this command left it; NULL where there is none. */
static HeapTuple
read_type(Oid type)
{
	Relation	rel = table_open(TypeRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_type_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan(rel, TypeOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tuple;
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
	HeapTuple	tuple = read_type(type);
	Relation	rel;
	ObjectAddress depender;
	ObjectAddress referenced;

	if (!OidIsValid(func) || !HeapTupleIsValid(tuple) ||
		((Form_pg_type) GETSTRUCT(tuple))->typanalyze == func)
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

/* attnum 0: all columns. */
static void
check_columns(Oid relid, AttrNumber attnum)
{
	switch (relation_kind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_COMPOSITE_TYPE:
			break;
		default:
			return;
	}
	check_attributes(relid, attnum);
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
}

static void
object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	if ((access != OAT_POST_CREATE && access != OAT_POST_ALTER) || !IsTransactionState())
		return;

	if (classId == RelationRelationId)
		cellenc_guard_index_access(access, objectId, subId);
	if (classId == RelationRelationId && (access == OAT_POST_CREATE || subId != 0))
		check_columns(objectId, subId);
	else if (classId == TypeRelationId && access == OAT_POST_CREATE && !IsBinaryUpgrade)
		check_new_type(objectId);
}

void
cellenc_guard_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = object_access;
	cellenc_guard_index_init();
}
