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
#include "access/stratnum.h"
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
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"
#include "guard_index.h"
#include "keyring.h"
#include "syscat.h"
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
	List	   *notes;			/* on what is carried over (char *) */
} Check;

static void add(Check *check, const char *what, const char *why,...) pg_attribute_printf(3, 4);

static void
add(Check *check, const char *what, const char *why,...)
{
	va_list		args;
	char		reason[512];
	char	   *line;
	ListCell   *lc;

	va_start(args, why);
	vsnprintf(reason, sizeof(reason), why, args);
	va_end(args);
	line = psprintf("%s: %s", what, reason);

	/* what reads two columns of it, or it and a view, comes twice */
	foreach(lc, check->list)
	{
		if (strcmp(lfirst(lc), line) == 0)
			return;
	}
	check->list = lappend(check->list, line);
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

/* Why a unique index by term cannot take a constraint's place; NULL: it can. */
static const char *
why_not_unique(Oid constraint)
{
	HeapTuple	tuple;
	Form_pg_constraint form;
	const char *why = NULL;

	if (!OidIsValid(constraint))
		return NULL;
	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint %u", constraint);
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	if (form->contype != CONSTRAINT_UNIQUE)
		why = "such constraints order the values, which needs search \"order\"";
	else if (form->condeferrable)
		why = "a deferrable constraint orders the values, which needs search \"order\"";
	ReleaseSysCache(tuple);
	return why;
}

/* Why an index that compares values of the column cannot be; NULL: it can. */
static const char *
why_not(const Check *check, Relation index, Oid class)
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
		if (am == BTREE_AM_OID)
			return why_not_unique(get_index_constraint(RelationGetRelid(index)));
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
		why = why_not(check, index, classes->values[n]);
		if (why)
			add(check, name, "%s", why);
		else if (OidIsValid(constraint) && index->rd_rel->relam == BTREE_AM_OID && check->encrypts &&
				 check->search == CELLENC_SEARCH_EQUALITY && !get_rel_relispartition(indexid))
			check->notes = lappend(check->notes,
								   psprintf("%s becomes a unique index of the same name", name));
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

/* The parsed expressions in a column of a catalog's row; NULL: none. */
static Node *
read_tree(HeapTuple tuple, AttrNumber column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(value));
}

/* Does an expression over one table read more of the column than whether it is null? */
static bool
reads_value(Node *node, void *context)
{
	AttrNumber	attnum = *(AttrNumber *) context;

	if (node == NULL)
		return false;
	if (IsA(node, NullTest) && IsA(((NullTest *) node)->arg, Var))
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno == attnum || ((Var *) node)->varattno == InvalidAttrNumber;
	return expression_tree_walker(node, reads_value, context);
}

static void
check_rule(Check *check, Oid rule)
{
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(RewriteRelationId, RewriteOidIndexId, Anum_pg_rewrite_oid, rule, &desc);
	Oid			relation;

	if (!HeapTupleIsValid(tuple))
		return;
	relation = ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
	if (get_rel_relkind(relation) == RELKIND_MATVIEW)
		add(check, describe(RelationRelationId, relation),
			check->encrypts ? "it keeps what it shows in plain text" : "its columns cannot change their types");
}

/*
 * Foreign keys
 */

/* The operator class that a unique index over the column will have; InvalidOid: none. */
static Oid
new_class(const Check *check)
{
	Oid			type = check->conversion->type;

	if (check->encrypts && check->search == CELLENC_SEARCH_NONE)
		return InvalidOid;
	if (check->encrypts && check->search == CELLENC_SEARCH_EQUALITY)
	{
		char	   *name = check->has_term ? cellenc_guard_term_class(type) : NULL;

		return name ? get_opclass_oid(BTREE_AM_OID, stringToQualifiedNameList(name, NULL), false) : InvalidOid;
	}
	return GetDefaultOpClass(type, BTREE_AM_OID);
}

/* That of the index's column over column attnum of its table. */
static Oid
class_of(Oid index, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	oidvector  *classes;
	bool		isnull;
	Oid			class = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	form = (Form_pg_index) GETSTRUCT(tuple);
	classes = (oidvector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull));
	for (int i = 0; i < form->indnkeyatts; i++)
	{
		if (form->indkey.values[i] == attnum)
			class = classes->values[i];
	}
	ReleaseSysCache(tuple);
	return class;
}

/* The rule of ADD FOREIGN KEY (tablecmds.c, ATAddForeignKeyConstraint). */
static bool
can_refer(Oid referencing, Oid referenced, Oid class)
{
	Oid			family = get_opclass_family(class);
	Oid			input = get_opclass_input_type(class);
	Oid			base = getBaseType(referencing);
	Oid			actual[2] = {referenced, referencing};
	Oid			target[2] = {input, input};

	if (OidIsValid(get_opfamily_member(family, input, base, BTEqualStrategyNumber)) &&
		OidIsValid(get_opfamily_member(family, base, base, BTEqualStrategyNumber)))
		return true;
	return can_coerce_type(2, actual, target, COERCION_IMPLICIT);
}

/* PostgreSQL checks and cascades as the tables' owners. */
static void
check_foreign_key_owner(Check *check, Oid constraint, Oid relation)
{
	CellencKey *key = check->encrypts ?
	cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(check->conversion->typmod)) : NULL;

	if (key && !cellenc_keyring_has(key, cellenc_convert_owner(relation), CELLENC_PRIV_DECRYPT))
		add(check, describe(ConstraintRelationId, constraint),
			"it is checked as the owner of table \"%s\", who lacks the privilege \"decrypt\" on key \"%s\"",
			get_rel_name(relation), key->row.name);
}

/* Other tables' columns that hold what the converted one does. */
static void
note_plain(Check *check, Oid relation, AttrNumber attnum)
{
	if (check->encrypts && !cellenc_walk_contains(get_atttype(relation, attnum)))
		check->notes = lappend(check->notes,
							   psprintf("column \"%s\" of table \"%s\" has the same values, by a foreign key, and is not encrypted",
										get_attname(relation, attnum, false), get_rel_name(relation)));
}

/* Whoever makes it again does not know of DISABLE TRIGGER. */
static void
check_foreign_key_triggers(Check *check, Oid constraint)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgconstraint, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(constraint));
	scan = systable_beginscan(triggers, TriggerConstraintIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

		if (form->tgenabled != TRIGGER_FIRES_ON_ORIGIN)
			add(check, describe(ConstraintRelationId, constraint),
				"triggers of it on table \"%s\" are disabled or enabled in another way than usual", get_rel_name(form->tgrelid));
	}
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
}

static void
check_foreign_key(Check *check, Oid constraint)
{
	CellencConvertForeignKey key;
	Oid			relation = RelationGetRelid(check->rel);
	Oid			type = check->conversion->type;

	if (!cellenc_convert_read_foreign_key(constraint, &key))
		return;
	check_foreign_key_triggers(check, constraint);
	for (int i = 0; i < key.nkeys; i++)
	{
		bool		refers = key.referencing == relation && key.referencing_columns[i] == check->attnum;
		bool		is_referred_to = key.referenced == relation && key.referenced_columns[i] == check->attnum;
		Oid			referencing = refers ? type : get_atttype(key.referencing, key.referencing_columns[i]);
		Oid			referenced = is_referred_to ? type : get_atttype(key.referenced, key.referenced_columns[i]);
		Oid			class = is_referred_to ? new_class(check) : class_of(key.index, key.referenced_columns[i]);

		if (refers == is_referred_to)
			continue;
		if (refers)
			note_plain(check, key.referenced, key.referenced_columns[i]);
		else
			note_plain(check, key.referencing, key.referencing_columns[i]);
		check_foreign_key_owner(check, constraint, key.referencing);
		if (key.referenced != key.referencing)
			check_foreign_key_owner(check, constraint, key.referenced);
		if (OidIsValid(class) && !can_refer(referencing, referenced, class))
			add(check, describe(ConstraintRelationId, constraint),
				"type %s of column \"%s\" of table \"%s\" does not compare with type %s; convert that column first",
				format_type_be(refers ? referenced : referencing),
				get_attname(refers ? key.referenced : key.referencing,
							refers ? key.referenced_columns[i] : key.referencing_columns[i], false),
				get_rel_name(refers ? key.referenced : key.referencing), format_type_be(type));
	}
}

/*
 * Expressions
 */

/* Columns of an encrypted type cannot be in a row filter at all: it is no built-in one. */
static void
check_publication(Check *check, Oid row)
{
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(PublicationRelRelationId, PublicationRelObjectIndexId,
												   Anum_pg_publication_rel_oid, row, &desc);

	Bitmapset  *attnums = NULL;

	if (!HeapTupleIsValid(tuple))
		return;
	pull_varattnos(read_tree(tuple, Anum_pg_publication_rel_prqual, desc), 1, &attnums);
	if (bms_is_member(check->attnum - FirstLowInvalidHeapAttributeNumber, attnums))
		add(check, describe(PublicationRelRelationId, row), "row filters cannot read encrypted columns");
}

static void
check_default(Check *check, Oid attrdef)
{
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(AttrDefaultRelationId, AttrDefaultOidIndexId,
												   Anum_pg_attrdef_oid, attrdef, &desc);
	AttrNumber	adnum;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		return;
	adnum = ((Form_pg_attrdef) GETSTRUCT(tuple))->adnum;
	if (adnum == check->attnum ||
		!reads_value(read_tree(tuple, Anum_pg_attrdef_adbin, desc), &check->attnum))
		return;
	name = psprintf("generated column \"%s\"", get_attname(RelationGetRelid(check->rel), adnum, false));
	if (check->encrypts)
		add(check, name, "it would keep in plain text what it is computed from; a view can compute it");
	else if (cellenc_walk_contains(get_atttype(RelationGetRelid(check->rel), adnum)))
		add(check, name, "its values would have to be encrypted whenever they are computed");
}

/* It is made again as its owner. */
static void
check_function(Check *check, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (!cellenc_may_create_in(form->pronamespace, form->proowner))
		add(check, describe(ProcedureRelationId, function), "its owner may not create functions in schema \"%s\"",
			get_namespace_name(form->pronamespace));
	ReleaseSysCache(tuple);
}

static void
check_statistics(Check *check, Oid statistics)
{
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(StatisticExtRelationId, StatisticExtOidIndexId,
												   Anum_pg_statistic_ext_oid, statistics, &desc);
	Form_pg_statistic_ext form;
	bool		stores = false;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_statistic_ext) GETSTRUCT(tuple);
	for (int i = 0; i < form->stxkeys.dim1; i++)
		stores |= form->stxkeys.values[i] == check->attnum;
	stores |= reads_value(read_tree(tuple, Anum_pg_statistic_ext_stxexprs, desc), &check->attnum);
	if (check->encrypts && stores)
		add(check, describe(StatisticExtRelationId, statistics), "it would store values");
}

static void
check_dependent(Check *check, Oid classid, Oid objectid)
{
	switch (classid)
	{
		case ConstraintRelationId:
			check_foreign_key(check, objectid);
			break;
		case RewriteRelationId:
			check_rule(check, objectid);
			break;
		case PublicationRelRelationId:
			check_publication(check, objectid);
			break;
		case AttrDefaultRelationId:
			check_default(check, objectid);
			break;
		case ProcedureRelationId:
			check_function(check, objectid);
			break;
		case StatisticExtRelationId:
			check_statistics(check, objectid);
			break;
	}
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
	ListCell   *lc;

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
	foreach(lc, cellenc_convert_dependents(NIL, RelationGetRelid(check->rel), check->attnum))
	{
		ObjectAddress *object = lfirst(lc);

		check_dependent(check, object->classId, object->objectId);
	}
}

/* Columns of a view have no constraints, statistics or generated columns. */
static void
check_view(Check *check, Oid view)
{
	ListCell   *lc;

	foreach(lc, cellenc_convert_dependents(NIL, view, 0))
	{
		ObjectAddress *object = lfirst(lc);

		if (object->classId == RewriteRelationId || object->classId == ProcedureRelationId)
			check_dependent(check, object->classId, object->objectId);
	}
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

List *
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
		check_view(&check, lfirst_oid(lc));

	if (check.list != NIL)
		refuse(conversion, check.list);
	return check.notes;
}
