/*-------------------------------------------------------------------------
 *
 * convert_index.c
 *	  Indexes of a table whose column is converted.
 *
 * The shadow gets the indexes that the table will have, from the statements
 * that PostgreSQL itself prints for them, only never as unique ones: while it
 * is being filled, it may have a row's old and new version at once.  What is
 * unique is decided by the table's catalogs; a btree's pages are the same.
 *
 * Index expressions run as the table's owner, to whom the shadow belongs,
 * whoever has it analyzed or reindexed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"
#include "guard_index.h"
#include "twin.h"
#include "walk.h"

/* An index and its definition. */
typedef struct Definition
{
	Oid			index;
	char	   *sql;
} Definition;

/* A partition's part of an index, which is made with the whole. */
typedef struct PartitionIndex
{
	Oid			relation;
	char	   *name;
	char	   *comment;
} PartitionIndex;

/*
 * What is to be made again after the column's type has changed.  A UNIQUE
 * constraint cannot name an operator class: where another one is needed, a
 * unique index of its name takes its place, which serves ON CONFLICT and foreign
 * keys alike.
 */
typedef struct TakenIndex
{
	Oid			relation;
	char	   *name;
	IndexStmt  *stmt;
	char	   *comment;
	bool		is_replident;
	bool		is_clustered;
	List	   *partitions;		/* of PartitionIndex * */
} TakenIndex;

static int
compare_definitions(const ListCell *a, const ListCell *b)
{
	return strcmp(((Definition *) lfirst(a))->sql, ((Definition *) lfirst(b))->sql);
}

static List *
definitions(Oid relation)
{
	Relation	rel = table_open(relation, NoLock);
	List	   *list = NIL;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Definition *definition = palloc(sizeof(Definition));

		definition->index = lfirst_oid(lc);
		definition->sql = pg_get_indexdef_string(lfirst_oid(lc));
		list = lappend(list, definition);
	}
	table_close(rel, NoLock);
	list_sort(list, compare_definitions);
	return list;
}

List *
cellenc_convert_index_definitions(Oid relation)
{
	List	   *list = NIL;
	ListCell   *lc;

	foreach(lc, definitions(relation))
		list = lappend(list, ((Definition *) lfirst(lc))->sql);
	return list;
}

List *
cellenc_convert_index_oids(Oid relation)
{
	List	   *list = NIL;
	ListCell   *lc;

	foreach(lc, definitions(relation))
		list = lappend_oid(list, ((Definition *) lfirst(lc))->index);
	return list;
}

static IndexStmt *
parse(const char *definition)
{
	List	   *statements = raw_parser(definition, RAW_PARSE_DEFAULT);

	return castNode(IndexStmt, linitial_node(RawStmt, statements)->stmt);
}

bool
cellenc_convert_same_indexes(List *definitions, List *others)
{
	ListCell   *a;
	ListCell   *b;

	if (list_length(definitions) != list_length(others))
		return false;
	forboth(a, definitions, b, others)
	{
		IndexStmt  *one = parse(lfirst(a));
		IndexStmt  *other = parse(lfirst(b));

		one->idxname = other->idxname = NULL;
		one->relation = other->relation = NULL;
		if (!equal(one, other))
			return false;
	}
	return true;
}

/*
 * Its expressions are parsed, which may run functions of a user's types, and
 * evaluated as the table's owner, whose right to make something in the schema
 * does not matter.
 */
static void
create_index(Oid relation, Oid owner, IndexStmt *stmt)
{
	Oid			save_userid;
	int			save_sec_context;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(owner, save_sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	stmt = transformIndexStmt(relation, stmt, "CREATE INDEX");
	SetUserIdAndSecContext(save_userid, save_sec_context);
	cellenc_define_index(relation, stmt);
	CommandCounterIncrement();
}

/*
 * The shadow's
 */

static char *
shadow_index_name(const CellencConvertHeap *heap, int n)
{
	return psprintf("%s_i%d", get_rel_name(heap->shadow), n);
}

List *
cellenc_convert_shadow_indexes(const CellencConvertHeap *heap)
{
	Oid			namespace = get_rel_namespace(heap->shadow);
	List	   *list = NIL;

	for (int n = 0; n < list_length(heap->indexes); n++)
	{
		Oid			index = get_relname_relid(shadow_index_name(heap, n), namespace);

		if (!OidIsValid(index))
			elog(ERROR, "could not find index \"%s\"", shadow_index_name(heap, n));
		list = lappend_oid(list, index);
	}
	return list;
}

void
cellenc_convert_drop_indexes(const CellencConvertHeap *heap)
{
	Relation	rel = table_open(heap->shadow, AccessExclusiveLock);
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	table_close(rel, NoLock);
	foreach(lc, indexes)
	{
		ObjectAddress object;

		ObjectAddressSet(object, RelationRelationId, lfirst_oid(lc));
		performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	}
}

/* Number of the next index that the shadow lacks; that of its indexes, if it has all. */
static int
next_index(const CellencConvertHeap *heap)
{
	Oid			namespace = get_rel_namespace(heap->shadow);
	int			n = 0;

	while (n < list_length(heap->indexes) &&
		   OidIsValid(get_relname_relid(shadow_index_name(heap, n), namespace)))
		n++;
	return n;
}

bool
cellenc_convert_has_indexes(const CellencConvertHeap *heap)
{
	return next_index(heap) == list_length(heap->indexes);
}

void
cellenc_convert_build_index(const CellencConvertHeap *heap, Oid owner)
{
	Oid			namespace = get_rel_namespace(heap->shadow);
	int			n = next_index(heap);
	IndexStmt  *stmt;

	stmt = parse(list_nth(heap->indexes, n));
	stmt->relation = makeRangeVar(get_namespace_name(namespace), get_rel_name(heap->shadow), -1);
	stmt->idxname = shadow_index_name(heap, n);
	stmt->unique = false;

	/* does nothing where it is his already */
	ATExecChangeOwner(heap->shadow, owner, true, AccessExclusiveLock);
	CommandCounterIncrement();
	create_index(heap->shadow, owner, stmt);
}

/*
 * The table's
 */

/*
 * The operator class that an index over the column needs with the new type, if
 * it has `class` now: NULL, the same; else its name, which may be empty, for
 * the default.
 */
static char *
new_class(const CellencConversion *conversion, Form_pg_index form, int n, Oid am, Oid class)
{
	CellencWalk *walk = cellenc_walk_plan(conversion->type, conversion->typmod);
	Oid			twin = walk ? cellenc_walk_twin(walk) : InvalidOid;

	if (am != BTREE_AM_OID)
		return NULL;
	if (OidIsValid(twin))
	{
		if (CELLENC_TYPMOD_SEARCH(conversion->typmod) == CELLENC_SEARCH_EQUALITY)
			return cellenc_guard_term_class(twin);
		return NULL;
	}
	if (!walk && GetDefaultOpClass(get_atttype(form->indrelid, form->indkey.values[n]), am) != class)
		return pstrdup("");
	return NULL;
}

/* Statement of the index with its classes as they have to be; NULL: it can stay. */
static IndexStmt *
changed_statement(const CellencConversion *conversion, HeapTuple tuple, AttrNumber attnum)
{
	Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);
	bool		isnull;
	oidvector  *classes = (oidvector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple,
																		Anum_pg_index_indclass,
																		&isnull));
	Relation	index = index_open(form->indexrelid, AccessShareLock);
	Oid			am = index->rd_rel->relam;
	IndexStmt  *stmt = NULL;

	index_close(index, NoLock);
	for (int n = 0; n < form->indnkeyatts; n++)
	{
		char	   *class;
		IndexElem  *elem;

		if (form->indkey.values[n] != attnum)
			continue;
		class = new_class(conversion, form, n, am, classes->values[n]);
		if (!class)
			continue;
		if (!stmt)
			stmt = parse(pg_get_indexdef_string(form->indexrelid));
		elem = list_nth_node(IndexElem, stmt->indexParams, n);
		elem->opclass = class[0] ? stringToQualifiedNameList(class, NULL) : NIL;
	}
	return stmt;
}

static char *
index_comment(Oid index)
{
	Oid			constraint = get_index_constraint(index);

	return OidIsValid(constraint) ? GetComment(constraint, ConstraintRelationId, 0) :
		GetComment(index, RelationRelationId, 0);
}

static List *
take_partitions(Oid index)
{
	List	   *list = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(index, NoLock, NULL))
	{
		PartitionIndex *entry = palloc(sizeof(PartitionIndex));

		if (lfirst_oid(lc) == index)
			continue;
		entry->relation = IndexGetRelation(lfirst_oid(lc), false);
		entry->name = get_rel_name(lfirst_oid(lc));
		entry->comment = index_comment(lfirst_oid(lc));
		list = lappend(list, entry);
	}
	return list;
}

static void
take_index(const CellencConversion *conversion, Oid index, AttrNumber attnum, List **taken)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	IndexStmt  *stmt;
	Oid			constraint = get_index_constraint(index);
	ObjectAddress object;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", index);
	form = (Form_pg_index) GETSTRUCT(tuple);
	stmt = changed_statement(conversion, tuple, attnum);
	if (stmt)
	{
		TakenIndex *entry = palloc(sizeof(TakenIndex));

		entry->relation = form->indrelid;
		entry->name = get_rel_name(index);
		entry->stmt = stmt;
		entry->comment = index_comment(index);
		entry->is_replident = form->indisreplident;
		entry->is_clustered = form->indisclustered;
		entry->partitions = take_partitions(index);
		*taken = lappend(*taken, entry);
	}
	ReleaseSysCache(tuple);
	if (stmt)
	{
		if (OidIsValid(constraint))
			ObjectAddressSet(object, ConstraintRelationId, constraint);
		else
			ObjectAddressSet(object, RelationRelationId, index);
		performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	}
}

List *
cellenc_convert_take_indexes(const CellencConversion *conversion)
{
	List	   *taken = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(conversion->relation, NoLock, NULL))
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);
		List	   *indexes = RelationGetIndexList(rel);
		AttrNumber	attnum = cellenc_convert_attnum(conversion, lfirst_oid(lc));
		ListCell   *index;

		table_close(rel, NoLock);
		foreach(index, indexes)
		{
			/* those of partitions come and go with their parent's */
			if (!get_rel_relispartition(lfirst_oid(index)))
				take_index(conversion, lfirst_oid(index), attnum, &taken);
		}
	}
	CommandCounterIncrement();
	return taken;
}

/* What was taken of a partition; NULL: nothing. */
static PartitionIndex *
taken_of(const TakenIndex *taken, Oid relation)
{
	ListCell   *lc;

	foreach(lc, taken->partitions)
	{
		PartitionIndex *entry = lfirst(lc);

		if (entry->relation == relation)
			return entry;
	}
	return NULL;
}

/* Name and comment as they were; twice, because another one may have the name by now. */
static void
put_partitions(const TakenIndex *taken)
{
	List	   *indexes = find_all_inheritors(get_relname_relid(taken->name, get_rel_namespace(taken->relation)),
											  NoLock, NULL);

	for (int final = 0; final < 2; final++)
	{
		ListCell   *lc;

		foreach(lc, indexes)
		{
			Oid			index = lfirst_oid(lc);
			PartitionIndex *entry = taken_of(taken, IndexGetRelation(index, false));

			if (!entry)
				continue;
			if (strcmp(get_rel_name(index), entry->name) != 0)
				RenameRelationInternal(index, final ? entry->name : psprintf("cellenc_%u", index), true, true);
			if (final && entry->comment)
				CreateComments(index, RelationRelationId, 0, entry->comment);
			CommandCounterIncrement();
		}
	}
}

void
cellenc_convert_put_indexes(const CellencConversion *conversion, List *taken)
{
	ListCell   *lc;

	foreach(lc, taken)
	{
		TakenIndex *entry = lfirst(lc);
		char	   *schema = get_namespace_name(get_rel_namespace(entry->relation));
		const char *table = quote_qualified_identifier(schema, get_rel_name(entry->relation));

		create_index(entry->relation, cellenc_convert_owner(entry->relation), entry->stmt);
		put_partitions(entry);
		if (entry->comment)
			cellenc_convert_run("COMMENT ON INDEX %s IS %s",
								quote_qualified_identifier(schema, entry->name),
								quote_literal_cstr(entry->comment));
		if (entry->is_replident)
			cellenc_convert_run("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", table,
								quote_identifier(entry->name));
		if (entry->is_clustered)
			cellenc_convert_run("ALTER TABLE %s CLUSTER ON %s", table, quote_identifier(entry->name));
	}
}
