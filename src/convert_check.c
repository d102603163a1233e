/*-------------------------------------------------------------------------
 *
 * convert_check.c
 *	  What stands in the way of a column's conversion, all of it at once,
 *	  before anything is changed.
 *
 * Whatever else ALTER TABLE and the guard have to say shows when the change is
 * rehearsed on empty files (convert_switch.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"
#include "guard_index.h"
#include "keyring.h"
#include "twin.h"
#include "typmod.h"
#include "walk.h"

typedef struct Check
{
	const CellencConversion *conversion;
	Relation	rel;			/* of the tree, the one at hand */
	AttrNumber	attnum;			/* in it */
	bool		encrypts;
	CellencSearch search;		/* that the new type has */
	bool		has_term;
	List	   *list;			/* of obstacles (char *) */
} Check;

static void add(Check *check, const char *what, const char *why,...) pg_attribute_printf(3, 4);

static void
add(Check *check, const char *what, const char *why,...)
{
	va_list		args;
	char		reason[512];

	va_start(args, why);
	vsnprintf(reason, sizeof(reason), why, args);
	va_end(args);
	check->list = lappend(check->list, psprintf("%s: %s", what, reason));
}

static char *
describe(Oid classid, Oid objectid)
{
	ObjectAddress object;

	ObjectAddressSet(object, classid, objectid);
	return getObjectDescription(&object, false);
}

/*
 * Indexes
 */

static bool
reads_column(Relation index, AttrNumber attnum)
{
	Bitmapset  *attnums = NULL;

	pull_varattnos((Node *) RelationGetIndexExpressions(index), 1, &attnums);
	return bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, attnums);
}

/* Why an index that compares values of the column cannot be; NULL: it can. */
static const char *
why_not(const Check *check, Relation index, int n, Oid class)
{
	Oid			am = index->rd_rel->relam;
	Oid			type = TupleDescAttr(RelationGetDescr(check->rel), check->attnum - 1)->atttypid;

	if (!check->encrypts)
		return NULL;
	if (am != BTREE_AM_OID && am != HASH_AM_OID)
		return "encrypted columns can have btree and hash indexes only";
	if (check->search == CELLENC_SEARCH_NONE)
		return "it tells which values are equal, and search is \"none\"";
	if (class != GetDefaultOpClass(type, am))
		return "its operator class is not the type's default one";
	if (am == HASH_AM_OID || check->search == CELLENC_SEARCH_EQUALITY)
	{
		if (!check->has_term)
			return "the encrypted type has no keyed hash to compare by, but may have a btree index with search \"order\"";
		if (am == BTREE_AM_OID && OidIsValid(get_index_constraint(RelationGetRelid(index))))
			return "constraints order the values, which needs search \"order\"; a unique index in its place needs \"equality\" only";
	}
	return NULL;
}

static void
check_index(Check *check, Oid indexid)
{
	Relation	index = index_open(indexid, AccessShareLock);
	Oid			constraint = get_index_constraint(indexid);
	char	   *name = OidIsValid(constraint) ? describe(ConstraintRelationId, constraint) :
	describe(RelationRelationId, indexid);
	bool		isnull;
	oidvector  *classes = (oidvector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, index->rd_indextuple,
																		Anum_pg_index_indclass, &isnull));

	if (!index->rd_index->indisvalid)
		add(check, name, "it is invalid, left behind by a command that failed");
	if (check->encrypts && reads_column(index, check->attnum))
		add(check, name, "its expressions would keep in plain text what they are computed from");
	for (int n = 0; n < index->rd_index->indnkeyatts; n++)
	{
		const char *why;

		if (index->rd_index->indkey.values[n] != check->attnum)
			continue;
		why = why_not(check, index, n, classes->values[n]);
		if (why)
			add(check, name, "%s", why);
	}
	index_close(index, AccessShareLock);
}

/* Comparisons of an index build open values with the rights of the table's owner. */
static void
check_owner(Check *check, Relation index)
{
	Oid			owner = check->rel->rd_rel->relowner;

	for (int n = 0; n < index->rd_index->indnkeyatts; n++)
	{
		AttrNumber	attnum = index->rd_index->indkey.values[n];
		Form_pg_attribute att;
		bool		is_new = attnum == check->attnum;
		ListCell   *lc;
		CellencWalk *walk;

		if (attnum <= 0)
			continue;
		att = TupleDescAttr(RelationGetDescr(check->rel), attnum - 1);
		walk = is_new ? cellenc_walk_plan(check->conversion->type, check->conversion->typmod) :
			cellenc_walk_plan(att->atttypid, att->atttypmod);
		if (!walk)
			continue;
		foreach(lc, cellenc_walk_leaves(walk))
		{
			CellencLeaf *leaf = lfirst(lc);
			CellencKey *key = leaf->typmod < 0 ? NULL :
			cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(leaf->typmod));

			if (key && !cellenc_keyring_has(key, owner, CELLENC_PRIV_DECRYPT))
				add(check, describe(RelationRelationId, RelationGetRelid(index)),
					"it is built as the table's owner, who lacks the privilege \"decrypt\" on key \"%s\"",
					key->row.name);
		}
	}
}

static void
check_indexes(Check *check)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(check->rel))
	{
		Relation	index;

		check_index(check, lfirst_oid(lc));
		index = index_open(lfirst_oid(lc), AccessShareLock);
		check_owner(check, index);
		index_close(index, AccessShareLock);
	}
}

/*
 * Other objects
 */

/* A row of a catalog by its oid, or NULL; a copy. */
static HeapTuple
read_row(Oid catalog, Oid index, AttrNumber attnum, Oid oid, TupleDesc *desc)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, attnum, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	scan = systable_beginscan(rel, index, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	*desc = CreateTupleDescCopy(RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tuple;
}

static bool
is_null(HeapTuple tuple, AttrNumber attnum, TupleDesc desc)
{
	bool		isnull;

	(void) heap_getattr(tuple, attnum, desc, &isnull);
	return isnull;
}

static void
check_rule(Check *check, Oid rule)
{
	TupleDesc	desc;
	HeapTuple	tuple = read_row(RewriteRelationId, RewriteOidIndexId, Anum_pg_rewrite_oid, rule, &desc);
	Oid			relation;

	if (!HeapTupleIsValid(tuple))
		return;
	relation = ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
	switch (get_rel_relkind(relation))
	{
		case RELKIND_VIEW:
			if (((Form_pg_rewrite) GETSTRUCT(tuple))->ev_type == '1')
				return;
			break;
		case RELKIND_MATVIEW:
			add(check, describe(RelationRelationId, relation),
				check->encrypts ? "it keeps what it shows in plain text" : "its columns cannot change their types");
			return;
	}
	add(check, describe(RewriteRelationId, rule), "rules cannot be carried over");
}

static void
check_constraint(Check *check, Oid constraint)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	if (form->contype == CONSTRAINT_FOREIGN && form->confrelid == RelationGetRelid(check->rel))
	{
		bool		isnull;
		Datum		confkey = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_confkey, &isnull);
		Datum	   *keys;
		int			n;

		deconstruct_array(DatumGetArrayTypeP(confkey), INT2OID, sizeof(int16), true, TYPALIGN_SHORT,
						  &keys, NULL, &n);
		for (int i = 0; i < n; i++)
		{
			if (DatumGetInt16(keys[i]) == check->attnum)
				add(check, describe(ConstraintRelationId, constraint),
					"it refers to the column, and would be checked while the table is locked");
		}
	}
	ReleaseSysCache(tuple);
}

static void
check_publication(Check *check, Oid row)
{
	TupleDesc	desc;
	HeapTuple	tuple = read_row(PublicationRelRelationId, PublicationRelObjectIndexId,
								 Anum_pg_publication_rel_oid, row, &desc);

	if (HeapTupleIsValid(tuple) && !is_null(tuple, Anum_pg_publication_rel_prqual, desc))
		add(check, describe(PublicationRelRelationId, row), "row filters cannot be carried over");
}

static void
check_trigger(Check *check, Oid trigger)
{
	TupleDesc	desc;
	HeapTuple	tuple = read_row(TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, trigger,
								 &desc);

	if (HeapTupleIsValid(tuple) && !is_null(tuple, Anum_pg_trigger_tgqual, desc))
		add(check, describe(TriggerRelationId, trigger), "conditions of triggers cannot be carried over");
}

static void
check_default(Check *check, Oid attrdef)
{
	TupleDesc	desc;
	HeapTuple	tuple = read_row(AttrDefaultRelationId, AttrDefaultOidIndexId, Anum_pg_attrdef_oid,
								 attrdef, &desc);
	AttrNumber	adnum;

	if (!HeapTupleIsValid(tuple))
		return;
	adnum = ((Form_pg_attrdef) GETSTRUCT(tuple))->adnum;
	if (adnum != check->attnum)
		add(check, psprintf("generated column \"%s\"",
							get_attname(RelationGetRelid(check->rel), adnum, false)),
			"the type of a column that it is computed from cannot change");
}

static void
check_dependent(Check *check, Oid classid, Oid objectid)
{
	switch (classid)
	{
		case ConstraintRelationId:
			check_constraint(check, objectid);
			break;
		case RewriteRelationId:
			check_rule(check, objectid);
			break;
		case PublicationRelRelationId:
			check_publication(check, objectid);
			break;
		case TriggerRelationId:
			check_trigger(check, objectid);
			break;
		case AttrDefaultRelationId:
			check_default(check, objectid);
			break;
		case PolicyRelationId:
			add(check, describe(classid, objectid), "policies cannot be carried over");
			break;
		case ProcedureRelationId:
			add(check, describe(classid, objectid), "its body is kept parsed, and cannot be carried over");
			break;
		case StatisticExtRelationId:
			add(check, describe(classid, objectid), check->encrypts ?
				"it would store values" : "it cannot be carried over");
			break;
	}
}

/* Each dependent on a column (0: any) of relation. */
static void
check_dependents(Check *check, Oid relation, AttrNumber attnum)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[2], Anum_pg_depend_refobjsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(attnum));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, attnum == 0 ? 2 : 3, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		/*
		 * a view's columns: its own rules and column defaults are its own
		 * business
		 */
		if (attnum != 0 || (form->refobjsubid > 0 && form->deptype == DEPENDENCY_NORMAL))
			check_dependent(check, form->classid, form->objid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
}

/*
 * The table
 */

static bool
in_partition_key(Relation rel, AttrNumber attnum)
{
	Bitmapset  *attnums = bms_make_singleton(attnum - FirstLowInvalidHeapAttributeNumber);

	return rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE &&
		has_partition_attrs(rel, attnums, NULL);
}

static void
check_table(Check *check)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(check->rel), check->attnum - 1);
	char	   *name = describe(RelationRelationId, RelationGetRelid(check->rel));

	if (in_partition_key(check->rel, check->attnum))
		add(check, name, "it is partitioned by the column");
	if (att->attgenerated != '\0')
		add(check, name, "the column is a generated one");
	if (att->attidentity != '\0')
		add(check, name, "the column is an identity column");
	if (check->rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		add(check, name, "the rows of a foreign table are on another server");
	else if (check->rel->rd_rel->relkind == RELKIND_RELATION && check->rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		add(check, name, "its access method is not \"heap\"");
	if (check->rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		add(check, name, "it is a temporary table, which background workers cannot reach");
	check_indexes(check);
	check_dependents(check, RelationGetRelid(check->rel), check->attnum);
}

static int
compare_texts(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static void
refuse(const CellencConversion *conversion, List *list)
{
	StringInfoData lines;
	ListCell   *lc;

	initStringInfo(&lines);
	list_sort(list, compare_texts);
	foreach(lc, list)
		appendStringInfo(&lines, "%s%s", lines.len == 0 ? "" : "\n", (char *) lfirst(lc));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of table \"%s\" cannot be converted as it is",
					get_attname(conversion->relation, conversion->attnum, false),
					get_rel_name(conversion->relation)),
			 errdetail_internal("%s", lines.data),
			 errhint("Drop or change what stands in the way first, and make it again afterwards where that is possible.")));
}

void
cellenc_convert_check(const CellencConversion *conversion)
{
	Check		check;
	CellencWalk *walk = cellenc_walk_plan(conversion->type, conversion->typmod);
	ListCell   *lc;

	memset(&check, 0, sizeof(check));
	check.conversion = conversion;
	check.encrypts = walk != NULL;
	if (walk)
	{
		CellencLeaf *leaf = linitial(cellenc_walk_leaves(walk));

		check.search = CELLENC_TYPMOD_SEARCH(leaf->typmod);
		check.has_term = cellenc_guard_term_class(leaf->twin) != NULL &&
			OidIsValid(cellenc_walk_twin(walk));
	}

	foreach(lc, find_all_inheritors(conversion->relation, AccessShareLock, NULL))
	{
		Oid			save_userid;
		int			save_sec_context;

		/* to read an expression may be to evaluate what is constant in it */
		GetUserIdAndSecContext(&save_userid, &save_sec_context);
		check.rel = table_open(lfirst_oid(lc), NoLock);
		SetUserIdAndSecContext(check.rel->rd_rel->relowner,
							   save_sec_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
		check.attnum = cellenc_convert_attnum(conversion, lfirst_oid(lc));
		check_table(&check);
		SetUserIdAndSecContext(save_userid, save_sec_context);
		table_close(check.rel, NoLock);
	}
	foreach(lc, cellenc_convert_views(conversion))
		check_dependents(&check, lfirst_oid(lc), 0);

	if (check.list != NIL)
		refuse(conversion, check.list);
}
