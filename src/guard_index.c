/*-------------------------------------------------------------------------
 *
 * guard_index.c
 *	  Refuses indexes and partition keys that reveal more than `search` allows.
 *
 * `none` allows no index, `equality` hash indexes and those by term, `order`
 * ordinary btrees too.  The rule goes by what the operator class compares with,
 * whoever's it is, and through domains, arrays and composites.  Columns that
 * an index merely includes are ciphertext there as they are in the table.
 *
 * PostgreSQL itself refuses expressions and predicates that open a value, as
 * no cast is IMMUTABLE.  A function of the user's may say that it is, so an
 * expression may not read an encrypted column unless it yields an encrypted
 * value; what such a function reads from elsewhere is beyond reach.
 *
 * Hash partitioning counts as a hash index: where a row goes depends on the
 * search key, which the rotation of data keys leaves alone and which no import
 * replaces while terms are stored.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "guard_index.h"
#include "twin.h"
#include "walk.h"

static ProcessUtility_hook_type prev_process_utility_hook = NULL;

/* What an operator class tells of the values that it compares. */
typedef enum Reveals
{
	REVEALS_EQUALITY,
	REVEALS_ORDER,
	REVEALS_OTHERWISE			/* by an access method that is not supported */
} Reveals;

/* An index or a partition key, as the command left it. */
typedef struct Keys
{
	Oid			relid;
	Oid			index;			/* InvalidOid: a partition key */
	char		strategy;		/* of a partition key */
	bool		altered;		/* the index was there, a column changed */
	bool		is_unique;
	bool		is_exclusion;
	int			natts;			/* of them, nkeys are compared */
	int			nkeys;
	AttrNumber *attnums;		/* 0: an expression */
	Oid		   *classes;
	List	   *expressions;	/* one for each 0 */
	Node	   *predicate;
} Keys;

/* One of the keys that holds encrypted values. */
typedef struct Key
{
	char	   *column;			/* NULL: an expression */
	Oid			type;
	int32		typmod;
	CellencLeaf leaf;			/* the place that is revealed */
	Reveals		reveals;
} Key;

/*
 * Reading the catalogs, with SnapshotSelf: the command's changes are not
 * visible to others yet
 */

static SysScanDesc
begin_scan(Relation rel, Oid index, AttrNumber column, Oid value)
{
	ScanKeyData key;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value));
	return systable_beginscan(rel, index, true, SnapshotSelf, 1, &key);
}

static Node *
read_tree(HeapTuple tuple, AttrNumber column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(value));
}

static void
read_columns(Keys *keys, const int2vector *attnums, Datum classes)
{
	oidvector  *vector = (oidvector *) DatumGetPointer(classes);

	keys->attnums = palloc(keys->natts * sizeof(AttrNumber));
	for (int i = 0; i < keys->natts; i++)
		keys->attnums[i] = attnums->values[i];
	keys->classes = palloc(keys->nkeys * sizeof(Oid));
	for (int i = 0; i < keys->nkeys; i++)
		keys->classes[i] = vector->values[i];
}

static Keys *
read_index(HeapTuple tuple, TupleDesc desc)
{
	Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);
	Keys	   *keys = palloc0(sizeof(Keys));
	bool		isnull;

	keys->relid = form->indrelid;
	keys->index = form->indexrelid;
	keys->is_unique = form->indisunique;
	keys->is_exclusion = form->indisexclusion;
	keys->natts = form->indnatts;
	keys->nkeys = form->indnkeyatts;
	read_columns(keys, &form->indkey, heap_getattr(tuple, Anum_pg_index_indclass, desc, &isnull));
	keys->expressions = (List *) read_tree(tuple, Anum_pg_index_indexprs, desc);
	keys->predicate = read_tree(tuple, Anum_pg_index_indpred, desc);
	return keys;
}

/* The indexes whose indexrelid or indrelid is relid. */
static List *
read_indexes(Oid catalog_index, AttrNumber column, Oid relid)
{
	Relation	rel = table_open(IndexRelationId, AccessShareLock);
	SysScanDesc scan = begin_scan(rel, catalog_index, column, relid);
	HeapTuple	tuple;
	List	   *list = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		list = lappend(list, read_index(tuple, RelationGetDescr(rel)));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return list;
}

static Keys *
read_partition_key(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(relid));
	Form_pg_partitioned_table form;
	Keys	   *keys;
	Relation	rel;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_partitioned_table) GETSTRUCT(tuple);
	keys = palloc0(sizeof(Keys));
	keys->relid = relid;
	keys->strategy = form->partstrat;
	keys->natts = keys->nkeys = form->partnatts;
	rel = table_open(PartitionedRelationId, AccessShareLock);
	read_columns(keys, &form->partattrs,
				 heap_getattr(tuple, Anum_pg_partitioned_table_partclass, RelationGetDescr(rel), &isnull));
	keys->expressions = (List *) read_tree(tuple, Anum_pg_partitioned_table_partexprs,
										   RelationGetDescr(rel));
	table_close(rel, AccessShareLock);
	ReleaseSysCache(tuple);
	return keys;
}

static char *
read_relation_name(Oid relid)
{
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = begin_scan(rel, ClassOidIndexId, Anum_pg_class_oid, relid);
	HeapTuple	tuple = systable_getnext(scan);
	char	   *name = NULL;

	if (HeapTupleIsValid(tuple))
		name = pstrdup(NameStr(((Form_pg_class) GETSTRUCT(tuple))->relname));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return name;
}

/* Type and name of a column; false for one that the system made. */
static bool
read_column(Oid relid, AttrNumber attnum, Key *key)
{
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	SysScanDesc scan = begin_scan(rel, AttributeRelidNumIndexId, Anum_pg_attribute_attrelid, relid);
	HeapTuple	tuple;
	bool		found = false;

	while (!found && attnum > 0 && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);

		if (att->attnum != attnum)
			continue;
		found = true;
		key->column = pstrdup(NameStr(att->attname));
		key->type = att->atttypid;
		key->typmod = att->atttypmod;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * Operator classes
 */

static bool
is_term_class(Form_pg_opclass form)
{
	return form->opcmethod == BTREE_AM_OID &&
		cellenc_twin_runs_symbol(get_opfamily_proc(form->opcfamily, form->opcintype,
												   form->opcintype, BTORDER_PROC),
								 "cellenc_twin_term_cmp");
}

static Reveals
class_reveals(Oid class)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(class));
	Form_pg_opclass form;
	Reveals		result = REVEALS_OTHERWISE;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", class);
	form = (Form_pg_opclass) GETSTRUCT(tuple);
	if (form->opcmethod == HASH_AM_OID || is_term_class(form))
		result = REVEALS_EQUALITY;
	else if (form->opcmethod == BTREE_AM_OID)
		result = REVEALS_ORDER;
	ReleaseSysCache(tuple);
	return result;
}

char *
cellenc_guard_term_class(Oid twin)
{
	CatCList   *list = SearchSysCacheList1(CLAAMNAMENSP, ObjectIdGetDatum(BTREE_AM_OID));
	char	   *name = NULL;

	for (int i = 0; i < list->n_members && !name; i++)
	{
		Form_pg_opclass form = (Form_pg_opclass) GETSTRUCT(&list->members[i]->tuple);

		if (form->opcintype == twin && is_term_class(form))
			name = quote_qualified_identifier(get_namespace_name(form->opcnamespace),
											  NameStr(form->opcname));
	}
	ReleaseSysCacheList(list);
	return name;
}

/*
 * Keys
 */

/* Is the key a twin itself, rather than something that holds one? */
static bool
is_direct(const Key *key)
{
	return key->leaf.twin == getBaseType(key->type);
}

static bool
has_term(const Key *key)
{
	return cellenc_twin_require(key->leaf.twin)->term_class != NULL;
}

/* An expression may have any key's values. */
static CellencSearch
search_of(const Key *key)
{
	return key->leaf.typmod < 0 ? CELLENC_SEARCH_NONE : CELLENC_TYPMOD_SEARCH(key->leaf.typmod);
}

static bool
is_allowed(const Key *key)
{
	switch (key->reveals)
	{
		case REVEALS_EQUALITY:
			return has_term(key) && search_of(key) >= CELLENC_SEARCH_EQUALITY;
		case REVEALS_ORDER:
			return search_of(key) == CELLENC_SEARCH_ORDER;
		case REVEALS_OTHERWISE:
			return false;
	}
	return false;
}

/*
 * Key number n; false where it holds no encrypted values.  Of several places
 * in it, the first that is not allowed, if there is one.
 */
static bool
read_key(const Keys *keys, int n, Key *key)
{
	CellencWalk *walk;
	ListCell   *lc;

	memset(key, 0, sizeof(Key));
	if (keys->attnums[n] == 0)
	{
		int			before = 0;
		Node	   *expression;

		for (int i = 0; i < n; i++)
			before += keys->attnums[i] == 0;
		expression = list_nth(keys->expressions, before);
		key->type = exprType(expression);
		key->typmod = exprTypmod(expression);
	}
	else if (!read_column(keys->relid, keys->attnums[n], key))
		return false;

	walk = cellenc_walk_plan(key->type, key->typmod);
	if (!walk)
		return false;
	key->reveals = class_reveals(keys->classes[n]);
	foreach(lc, cellenc_walk_leaves(walk))
	{
		key->leaf = *(CellencLeaf *) lfirst(lc);
		if (!is_allowed(key))
			break;
	}
	return true;
}

/*
 * Hints: the statement that works
 */

static char *
relation_name(Oid relid)
{
	/* always qualified: CREATE INDEX hides the user's search_path since 17 */
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* Qualified for the same reason, unless it is one of PostgreSQL's or ours. */
static char *
type_name(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			schema = HeapTupleIsValid(tuple) ? ((Form_pg_type) GETSTRUCT(tuple))->typnamespace : InvalidOid;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return schema == PG_CATALOG_NAMESPACE ? format_type_be(type) :
		format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY);
}

/* The search that an index on key needs if it reveals as little as can be. */
static CellencSearch
least_search(const Key *key)
{
	if (has_term(key) && (is_direct(key) || key->reveals == REVEALS_EQUALITY))
		return CELLENC_SEARCH_EQUALITY;
	return CELLENC_SEARCH_ORDER;
}

/* The index, by term where only that is allowed. */
static char *
index_statement(const Keys *keys)
{
	StringInfoData sql;
	ListCell   *lc = list_head(keys->expressions);
	List	   *context = deparse_context_for(get_rel_name(keys->relid), keys->relid);

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE %sINDEX ON %s (", keys->is_unique ? "UNIQUE " : "",
					 relation_name(keys->relid));
	for (int i = 0; i < keys->natts; i++)
	{
		Key			key = {0};

		if (i == keys->nkeys)
			appendStringInfoString(&sql, ") INCLUDE (");
		else if (i > 0)
			appendStringInfoString(&sql, ", ");

		if (keys->attnums[i] == 0)
		{
			appendStringInfo(&sql, "(%s)", deparse_expression(lfirst(lc), context, false, false));
			lc = lnext(keys->expressions, lc);
		}
		else if (read_column(keys->relid, keys->attnums[i], &key))
			appendStringInfoString(&sql, quote_identifier(key.column));

		if (i < keys->nkeys && read_key(keys, i, &key) && is_direct(&key) && has_term(&key) &&
			search_of(&key) != CELLENC_SEARCH_ORDER)
			appendStringInfo(&sql, " %s", cellenc_guard_term_class(key.leaf.twin));
	}
	appendStringInfoChar(&sql, ')');
	if (keys->predicate)
		appendStringInfo(&sql, " WHERE %s", deparse_expression(keys->predicate, context, false, false));
	return sql.data;
}

static int
hint_for_index(const Keys *keys, const Key *key)
{
	CellencSearch least = least_search(key);
	const char *type;

	if (keys->altered)
	{
		Oid			constraint = get_index_constraint(keys->index);

		if (OidIsValid(constraint))
			return errhint("First run: ALTER TABLE %s DROP CONSTRAINT %s", relation_name(keys->relid),
						   quote_identifier(get_constraint_name(constraint)));
		return errhint("First run: DROP INDEX %s", relation_name(keys->index));
	}
	if (key->reveals == REVEALS_OTHERWISE)
		return errhint("Use a btree or hash index.");
	else if (!key->column)
		return errhint("Index a column of its own.");
	else if (search_of(key) >= least)
	{
		if (keys->is_exclusion && is_direct(key) && has_term(key))
			return errhint("Write the operator class after the column: EXCLUDE USING btree (%s %s WITH OPERATOR(cellenc.=)).",
						   quote_identifier(key->column), cellenc_guard_term_class(key->leaf.twin));
		else
			return errhint("%s", index_statement(keys));
	}
	else if (key->typmod < 0)
		return errhint("Let the encrypted type inside of type %s have search \"%s\".",
					   type_name(key->type), cellenc_twin_search_name(least));
	else
	{
		type = format_type_with_typemod(key->type,
										CELLENC_TYPMOD(CELLENC_TYPMOD_HASH(key->typmod), least));
		if (least == CELLENC_SEARCH_EQUALITY && key->reveals == REVEALS_ORDER && !keys->is_exclusion)
			return errhint("ALTER TABLE %s ALTER COLUMN %s TYPE %s; %s", relation_name(keys->relid),
						   quote_identifier(key->column), type, index_statement(keys));
		else
			return errhint("ALTER TABLE %s ALTER COLUMN %s TYPE %s", relation_name(keys->relid),
						   quote_identifier(key->column), type);
	}
}

static int
hint_for_partition_key(const Keys *keys, const Key *key)
{
	bool		hashed = keys->strategy == PARTITION_STRATEGY_HASH;
	CellencSearch least = hashed ? CELLENC_SEARCH_EQUALITY : CELLENC_SEARCH_ORDER;

	if (!key->column)
		return errhint("Partition by a column of its own.");
	else if (hashed && !has_term(key))
		return errhint("Partition by another column.");
	else if (key->typmod < 0)
		return errhint("Let the encrypted type inside of type %s have search \"%s\".",
					   type_name(key->type), cellenc_twin_search_name(least));
	else if (search_of(key) == CELLENC_SEARCH_EQUALITY)
		return errhint("Write PARTITION BY HASH (%s).", quote_identifier(key->column));
	else
		return errhint("Declare the column as %s.",
					   format_type_with_typemod(key->type,
												CELLENC_TYPMOD(CELLENC_TYPMOD_HASH(key->typmod), least)));
}

static char *
describe_keys(const Keys *keys)
{
	if (OidIsValid(keys->index))
		return psprintf("index \"%s\"", read_relation_name(keys->index));
	return psprintf("partition key of table \"%s\"", get_rel_name(keys->relid));
}

static int
detail_for(const Key *key)
{
	if (key->reveals == REVEALS_OTHERWISE)
		return errdetail("Its access method is not made for encrypted values.");
	else if (key->reveals == REVEALS_EQUALITY && !has_term(key))
		return errdetail("Values of type %s have no keyed hash to compare by.", format_type_be(key->leaf.twin));
	else if (key->reveals == REVEALS_EQUALITY)
		return errdetail("It tells which values are equal, and the encrypted type has search \"%s\".",
						 cellenc_twin_search_name(search_of(key)));
	else
		return errdetail("It tells the order of the values, and the encrypted type has search \"%s\".",
						 cellenc_twin_search_name(search_of(key)));
}

static void
refuse(const Keys *keys, const Key *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 key->column
			 ? errmsg("%s reveals more of column \"%s\" than is allowed", describe_keys(keys), key->column)
			 : errmsg("%s reveals more of an encrypted value than is allowed", describe_keys(keys)),
			 detail_for(key),
			 OidIsValid(keys->index) ? hint_for_index(keys, key) : hint_for_partition_key(keys, key)));
}

/*
 * Expressions
 */

/* Does a tree read an encrypted column, other than to see whether it is null? */
static bool
reads_twin(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return cellenc_walk_contains(((Var *) node)->vartype);
	if (IsA(node, NullTest) && IsA(((NullTest *) node)->arg, Var))
		return false;
	if (IsA(node, FieldSelect) && IsA(((FieldSelect *) node)->arg, Var))
		return cellenc_walk_contains(((FieldSelect *) node)->resulttype);
	return expression_tree_walker(node, reads_twin, context);
}

static void
check_expressions(const Keys *keys)
{
	ListCell   *lc;
	bool		refused = reads_twin(keys->predicate, NULL);

	foreach(lc, keys->expressions)
		refused |= !cellenc_walk_contains(exprType(lfirst(lc))) && reads_twin(lfirst(lc), NULL);
	if (refused)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot have an expression or predicate over encrypted columns",
						describe_keys(keys)),
				 errdetail("What it yields would be stored, or told, unencrypted."),
				 errhint("Use the columns themselves, and no more than IS NULL or IS NOT NULL in a predicate.")));
}

static void
check_keys(const Keys *keys)
{
	check_expressions(keys);
	for (int i = 0; i < keys->nkeys; i++)
	{
		Key			key;

		if (read_key(keys, i, &key) && !is_allowed(&key))
			refuse(keys, &key);
	}
}

void
cellenc_guard_index_access(ObjectAccessType access, Oid relid, AttrNumber attnum)
{
	List	   *list = NIL;
	ListCell   *lc;

	if (IsBinaryUpgrade)
		return;
	if (access == OAT_POST_CREATE && attnum == 0)
		list = read_indexes(IndexRelidIndexId, Anum_pg_index_indexrelid, relid);
	else if (access == OAT_POST_ALTER && attnum > 0)
		list = read_indexes(IndexIndrelidIndexId, Anum_pg_index_indrelid, relid);

	foreach(lc, list)
	{
		Keys	   *keys = lfirst(lc);

		keys->altered = access == OAT_POST_ALTER;
		check_keys(keys);
	}
}

/*
 * Partition keys
 */

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
				DestReceiver *dest, QueryCompletion *qc)
{
	CreateStmt *create = IsA(pstmt->utilityStmt, CreateStmt) ? (CreateStmt *) pstmt->utilityStmt : NULL;
	Oid			relid;
	Keys	   *keys;

	if (prev_process_utility_hook)
		prev_process_utility_hook(pstmt, queryString, readOnlyTree, context, params, queryEnv,
								  dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv,
								dest, qc);

	if (!create || !create->partspec || IsBinaryUpgrade)
		return;
	relid = get_relname_relid(create->relation->relname,
							  RangeVarGetCreationNamespace(create->relation));
	keys = OidIsValid(relid) ? read_partition_key(relid) : NULL;
	if (keys)
		check_keys(keys);
}

void
cellenc_guard_index_init(void)
{
	prev_process_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
