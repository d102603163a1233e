/*-------------------------------------------------------------------------
 *
 * guard_drop.c
 *	  The guard's rules on what is dropped: no encrypted column goes by the
 *	  way, and no key that values somewhere may need.
 *
 * DROP ... CASCADE of a type takes the columns of that type out of tables that
 * stay; a column that is dropped by its name is the user's own decision.  One
 * is told from the other by the type that goes in the same statement: what
 * depends on it is dropped before it; and only at the statement's end is it
 * known whether the table stays.  Schema tools, though, drop a column and
 * add a plain one of its name, because the type looked wrong to them.
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
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "lib/stringinfo.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "event.h"
#include "guard.h"
#include "guc.h"
#include "keycatalog.h"
#include "syscat.h"
#include "twin.h"
#include "walk.h"

#define EXTENSION "cellenc"

/* An encrypted column that this transaction dropped. */
typedef struct DroppedColumn
{
	Oid			relid;
	char	   *relation;		/* as a statement would name it */
	char	   *column;
	CommandId	statement;
	Oid			with_type;		/* dropped after it by the same statement */
} DroppedColumn;

static ProcessUtility_hook_type prev_process_utility_hook = NULL;

/* Of DroppedColumn, in TopTransactionContext. */
static List *dropped = NIL;

/*
 * Columns that held twins, and the statement before it dropped the first
 * twin's input function: from then on nothing tells that twin from others.
 */
static List *doomed = NIL;
static CommandId doomed_in = InvalidCommandId;

/* The statement that was allowed to drop the key tables, if any. */
static CommandId keys_checked = InvalidCommandId;

/* What tells the statements of a transaction apart that change a catalog. */
static CommandId
current_statement(void)
{
	return ActiveSnapshotSet() ? GetActiveSnapshot()->curcid : GetCurrentCommandId(false);
}

static bool
stores_rows(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE ||
		relkind == RELKIND_MATVIEW || relkind == RELKIND_FOREIGN_TABLE;
}

static bool
is_doomed(Oid relid, AttrNumber attnum)
{
	ListCell   *lc;

	if (doomed_in != current_statement())
		return false;
	foreach(lc, doomed)
	{
		Form_pg_attribute att = lfirst(lc);

		if (att->attrelid == relid && att->attnum == attnum)
			return true;
	}
	return false;
}

/* A function goes: if it is a twin's input, remember all encrypted columns. */
static void
remember_doomed(Oid function)
{
	Oid			type = get_func_rettype(function);
	Oid			input;
	Oid			param;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (doomed_in == current_statement() || !cellenc_twin_is(type))
		return;
	getTypeInputInfo(type, &input, &param);
	if (input != function)
		return;

	doomed = NIL;
	rel = table_open(AttributeRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);

		if (att->attnum > 0 && !att->attisdropped && att->atttypid >= FirstNormalObjectId &&
			cellenc_walk_contains(att->atttypid))
		{
			MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

			doomed = lappend(doomed, memcpy(palloc(ATTRIBUTE_FIXED_PART_SIZE), att,
											ATTRIBUTE_FIXED_PART_SIZE));
			MemoryContextSwitchTo(old);
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	doomed_in = current_statement();
}

/*
 * A column goes while its table stays: that of a composite type or a view
 * holds no values.
 */
static void
remember_column(Oid relid, AttrNumber attnum)
{
	MemoryContext old;
	DroppedColumn *column;

	if (!stores_rows(get_rel_relkind(relid)) ||
		!(is_doomed(relid, attnum) || cellenc_walk_contains(get_atttype(relid, attnum))))
		return;

	old = MemoryContextSwitchTo(TopTransactionContext);
	column = palloc(sizeof(DroppedColumn));
	column->relid = relid;
	column->relation = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
												  get_rel_name(relid));
	column->column = get_attname(relid, attnum, false);
	column->statement = current_statement();
	column->with_type = InvalidOid;
	dropped = lappend(dropped, column);
	MemoryContextSwitchTo(old);
}

/* A type goes, and with it the columns that this statement dropped before. */
static void
remember_type(Oid type)
{
	CommandId	statement = current_statement();
	ListCell   *lc;

	if (OidIsValid(get_element_type(type)))
		type = get_element_type(type);
	foreach(lc, dropped)
	{
		DroppedColumn *column = lfirst(lc);

		if (column->statement == statement)
			column->with_type = type;
	}
}

/*
 * After a statement: refuse it if it dropped encrypted columns with their
 * types, but not the tables.
 */
static void
check_cascade(void)
{
	StringInfoData columns;
	StringInfoData statements;
	ListCell   *lc;

	initStringInfo(&columns);
	initStringInfo(&statements);
	foreach(lc, dropped)
	{
		DroppedColumn *column = lfirst(lc);

		if (!OidIsValid(column->with_type))
			continue;
		column->with_type = InvalidOid;
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(column->relid)))
			continue;
		appendStringInfo(&columns, "%s%s.%s", columns.len == 0 ? "" : ", ",
						 column->relation, quote_identifier(column->column));
		appendStringInfo(&statements, "%sALTER TABLE %s DROP COLUMN %s", statements.len == 0 ? "" : "; ",
						 column->relation, quote_identifier(column->column));
	}
	if (columns.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("encrypted columns cannot be dropped by CASCADE with their type"),
				 errdetail("The columns are: %s.", columns.data),
				 errhint("If their values are no longer needed, drop them by name first: %s.",
						 statements.data)));
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
				DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_process_utility_hook)
		prev_process_utility_hook(pstmt, queryString, readOnlyTree, context, params, queryEnv,
								  dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv,
								dest, qc);
	if (dropped != NIL && IsTransactionState())
		check_cascade();
}

/* The key tables go. */
static void
check_keys(void)
{
	CommandId	statement = current_statement();
	StringInfoData names;
	ListCell   *lc;

	if (keys_checked == statement)
		return;
	initStringInfo(&names);
	foreach(lc, cellenc_keycatalog_keys())
	{
		CellencKeyRow *key = lfirst(lc);
		bool		alive = false;
		ListCell   *version;

		foreach(version, cellenc_keycatalog_versions(&key->id))
			alive |= ((CellencVersionRow *) lfirst(version))->state != CELLENC_DESTROYED;
		if (alive && cellenc_event_any(CELLENC_EVENT_USE, key->name))
			appendStringInfo(&names, "%s\"%s\"", names.len == 0 ? "" : ", ", key->name);
	}
	if (names.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot drop extension %s because columns have been encrypted with its keys",
						EXTENSION),
				 errdetail("Without these keys, no backup of such a column can be read: %s.", names.data),
				 errhint("Export the keys if they may be needed, and drop them with cellenc_drop_key first; or drop the database.")));
	keys_checked = statement;
}

static bool
is_key_table(Oid relid)
{
	Oid			namespace = get_namespace_oid(EXTENSION, true);
	Oid			extension;

	if (!OidIsValid(namespace) || get_rel_namespace(relid) != namespace)
		return false;

	/* without the extension, a schema of this name is somebody's own */
	extension = get_extension_oid(EXTENSION, true);
	return OidIsValid(extension) && getExtensionOfObject(RelationRelationId, relid) == extension;
}

void
cellenc_guard_check_drop(Oid classId, Oid objectId, int subId)
{
	if (classId == TypeRelationId)
		remember_type(objectId);
	else if (classId == ProcedureRelationId)
		remember_doomed(objectId);
	else if (classId == RelationRelationId && subId > 0)
		remember_column(objectId, (AttrNumber) subId);
	else if (classId == RelationRelationId && !creating_extension && is_key_table(objectId))
		check_keys();
}

/*
 * A column was added: refuse a plain one in the place of an encrypted one of
 * this transaction.
 */
void
cellenc_guard_check_added(Oid relid, AttrNumber attnum)
{
	HeapTuple	tuple;
	Form_pg_attribute att;
	ListCell   *lc;

	if (dropped == NIL || cellenc_guc_allow_decrypt_column)
		return;
	tuple = cellenc_syscat_attribute(relid, attnum);
	if (!HeapTupleIsValid(tuple))
		return;
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	if (cellenc_walk_contains(att->atttypid))
		return;
	foreach(lc, dropped)
	{
		DroppedColumn *column = lfirst(lc);

		if (column->relid == relid && strcmp(column->column, NameStr(att->attname)) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot replace encrypted column \"%s\" by one of type %s",
							column->column, format_type_be(att->atttypid)),
					 errdetail("The encrypted column of this name was dropped in this transaction."),
					 errhint("Use cellenc_decrypt_column to keep its values, or SET cellenc.allow_decrypt_column = on as a superuser first.")));
	}
}

static void
xact_ended(XactEvent event, void *arg)
{
	dropped = NIL;
	doomed = NIL;
	doomed_in = InvalidCommandId;
	keys_checked = InvalidCommandId;
}

void
cellenc_guard_drop_init(void)
{
	RegisterXactCallback(xact_ended, NULL);
	prev_process_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
