/*-------------------------------------------------------------------------
 *
 * convert_depend.c
 *	  What the system catalogs know to hang on a column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"

SysScanDesc
cellenc_convert_begin_dependents(Relation depend, Oid relation, AttrNumber attnum)
{
	ScanKeyData keys[3];

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[2], Anum_pg_depend_refobjsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(attnum));
	return systable_beginscan(depend, DependReferenceIndexId, true, NULL, attnum == 0 ? 2 : 3, keys);
}

static bool
is_member(List *objects, const ObjectAddress *object)
{
	ListCell   *lc;

	foreach(lc, objects)
	{
		ObjectAddress *other = lfirst(lc);

		if (other->classId == object->classId && other->objectId == object->objectId)
			return true;
	}
	return false;
}

List *
cellenc_convert_dependents(List *objects, Oid relation, AttrNumber attnum)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	SysScanDesc scan = cellenc_convert_begin_dependents(depend, relation, attnum);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);
		ObjectAddress object;

		/*
		 * a view's columns: its own rules and column defaults are its own
		 * business
		 */
		if (attnum == 0 && (form->refobjsubid <= 0 || form->deptype != DEPENDENCY_NORMAL))
			continue;
		ObjectAddressSet(object, form->classid, form->objid);
		if (!is_member(objects, &object))
			objects = lappend(objects, memcpy(palloc(sizeof(object)), &object, sizeof(object)));
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return objects;
}

List *
cellenc_convert_column_dependents(const CellencConversion *conversion, List *tree)
{
	List	   *objects = NIL;
	ListCell   *lc;

	foreach(lc, tree)
		objects = cellenc_convert_dependents(objects, lfirst_oid(lc),
											 cellenc_convert_attnum(conversion, lfirst_oid(lc)));
	return objects;
}

/*
 * Foreign keys
 */

static int
read_attnums(HeapTuple tuple, AttrNumber column, AttrNumber **attnums)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(CONSTROID, tuple, column, &isnull);
	Datum	   *elements;
	int			n;

	if (isnull)
		elog(ERROR, "null columns of a foreign key constraint");
	deconstruct_array(DatumGetArrayTypeP(value), INT2OID, sizeof(int16), true, TYPALIGN_SHORT,
					  &elements, NULL, &n);
	*attnums = palloc(n * sizeof(AttrNumber));
	for (int i = 0; i < n; i++)
		(*attnums)[i] = DatumGetInt16(elements[i]);
	return n;
}

bool
cellenc_convert_read_foreign_key(Oid constraint, CellencConvertForeignKey *key)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form;
	bool		found;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_constraint) GETSTRUCT(tuple);

	/* those of partitions come and go with their parent's */
	found = form->contype == CONSTRAINT_FOREIGN && !OidIsValid(form->conparentid);
	if (found)
	{
		key->constraint = constraint;
		key->referencing = form->conrelid;
		key->referenced = form->confrelid;
		key->index = form->conindid;
		key->validated = form->convalidated;
		key->nkeys = read_attnums(tuple, Anum_pg_constraint_conkey, &key->referencing_columns);
		(void) read_attnums(tuple, Anum_pg_constraint_confkey, &key->referenced_columns);
	}
	ReleaseSysCache(tuple);
	return found;
}

List *
cellenc_convert_lock_others(const CellencConversion *conversion)
{
	List	   *locked = NIL;
	List	   *tree = find_all_inheritors(conversion->relation, NoLock, NULL);
	List	   *objects = cellenc_convert_column_dependents(conversion, tree);
	List	   *others = NIL;
	ListCell   *lc;

	foreach(lc, objects)
	{
		ObjectAddress *object = lfirst(lc);
		CellencConvertForeignKey key;

		if (object->classId != ConstraintRelationId ||
			!cellenc_convert_read_foreign_key(object->objectId, &key))
			continue;
		others = list_append_unique_oid(others, key.referencing);
		others = list_append_unique_oid(others, key.referenced);
	}
	list_sort(others, list_oid_cmp);
	foreach(lc, others)
	{
		if (list_member_oid(tree, lfirst_oid(lc)))
			continue;
		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(lc))))
			locked = list_concat_unique_oid(locked, find_all_inheritors(lfirst_oid(lc), AccessExclusiveLock, NULL));
	}
	return locked;
}
