/*-------------------------------------------------------------------------
 *
 * convert_carry.c
 *	  What hangs on a column besides views, and would keep ALTER TABLE from
 *	  changing its type.
 *
 * A parsed expression names the type of each column that it reads.  So whatever
 * holds one is written down as the text that PostgreSQL prints for it, and made
 * again from that once the column has its new type: by the command that
 * replaces it, where there is one, so that it stays the same object; else it is
 * dropped and made, with its comment.  Triggers and publications that merely
 * name the column lose the dependency for a moment.
 *
 * Foreign keys to the column are made again without looking at rows: both types
 * agree on what is equal, and the tables are locked.
 *
 * To parse an expression may be to run code of a user's: texts run as the owner
 * of what they make.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "commands/comment.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"
#include "syscat.h"

typedef enum TakenKind
{
	TAKEN_DEPENDENCY,			/* to be recorded again */
	TAKEN_TEXT,					/* statements to be run again */
	TAKEN_FOREIGN_KEY,			/* the first of them is ADD FOREIGN KEY */
	TAKEN_GENERATED				/* text: the expression of a generated column */
} TakenKind;

typedef struct Taken
{
	TakenKind	kind;
	char	   *description;	/* of the object, for messages */
	Oid			role;			/* whose texts these are */
	List	   *texts;			/* of char * */
	bool		validated;		/* the foreign key */
	ObjectAddress column;		/* the generated one */
	ObjectAddress depender;
	ObjectAddress referenced;
	DependencyType deptype;
} Taken;

static char *
describe(Oid classid, Oid objectid)
{
	ObjectAddress object;

	ObjectAddressSet(object, classid, objectid);
	return getObjectDescription(&object, false);
}

static char *
relation_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

static Taken *
add(List **taken, TakenKind kind, Oid classid, Oid objectid, Oid role)
{
	Taken	   *entry = palloc0(sizeof(Taken));

	entry->kind = kind;
	entry->description = describe(classid, objectid);
	entry->role = role;
	*taken = lappend(*taken, entry);
	return entry;
}

static void
add_text(Taken *entry, char *text)
{
	entry->texts = lappend(entry->texts, text);
}

static void
drop(Oid classid, Oid objectid)
{
	ObjectAddress object;

	ObjectAddressSet(object, classid, objectid);
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

/* A parsed expression over columns of relation as text; NULL: there is none. */
static char *
expression_text(HeapTuple tuple, AttrNumber column, TupleDesc desc, Oid relation)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	if (isnull)
		return NULL;
	return TextDatumGetCString(DirectFunctionCall2(pg_get_expr, value, ObjectIdGetDatum(relation)));
}

/*
 * Taking
 */

static void
take_rule(List **taken, Oid rule)
{
	static const char create[] = "CREATE RULE ";
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(RewriteRelationId, RewriteOidIndexId,
												   Anum_pg_rewrite_oid, rule, &desc);
	Oid			relation = ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
	char	   *definition;

	/* views: convert_view.c */
	if (((Form_pg_rewrite) GETSTRUCT(tuple))->ev_type == '1')
		return;
	definition = TextDatumGetCString(DirectFunctionCall1(pg_get_ruledef, ObjectIdGetDatum(rule)));
	if (strncmp(definition, create, strlen(create)) != 0)
		elog(ERROR, "unexpected definition of rule %u", rule);
	add_text(add(taken, TAKEN_TEXT, RewriteRelationId, rule, cellenc_convert_owner(relation)),
			 psprintf("CREATE OR REPLACE RULE %s", definition + strlen(create)));
}

static void
take_policy(List **taken, Oid policy)
{
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(PolicyRelationId, PolicyOidIndexId,
												   Anum_pg_policy_oid, policy, &desc);
	Form_pg_policy form = (Form_pg_policy) GETSTRUCT(tuple);
	char	   *qual = expression_text(tuple, Anum_pg_policy_polqual, desc, form->polrelid);
	char	   *check = expression_text(tuple, Anum_pg_policy_polwithcheck, desc, form->polrelid);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER POLICY %s ON %s", quote_identifier(NameStr(form->polname)),
					 relation_name(form->polrelid));
	if (qual)
		appendStringInfo(&sql, " USING (%s)", qual);
	if (check)
		appendStringInfo(&sql, " WITH CHECK (%s)", check);
	add_text(add(taken, TAKEN_TEXT, PolicyRelationId, policy, cellenc_convert_owner(form->polrelid)),
			 sql.data);
}

/* Only those in SQL with a parsed body depend on columns. */
static void
take_function(List **taken, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	add_text(add(taken, TAKEN_TEXT, ProcedureRelationId, function, owner),
			 TextDatumGetCString(DirectFunctionCall1(pg_get_functiondef, ObjectIdGetDatum(function))));
}

/*
 * Whether the trigger of that name is enabled, in each table that it, or its
 * like in partitions, is on.
 */
static void
add_trigger_states(Taken *entry, Oid relation, const char *name)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relation, AccessExclusiveLock, NULL))
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);

		for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
		{
			Trigger    *trigger = &rel->trigdesc->triggers[i];
			const char *state = trigger->tgenabled == TRIGGER_DISABLED ? "DISABLE" :
			trigger->tgenabled == TRIGGER_FIRES_ALWAYS ? "ENABLE ALWAYS" :
			trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA ? "ENABLE REPLICA" : NULL;

			if (state && strcmp(trigger->tgname, name) == 0)
				add_text(entry, psprintf("ALTER TABLE ONLY %s %s TRIGGER %s", relation_name(lfirst_oid(lc)),
										 state, quote_identifier(name)));
		}
		table_close(rel, NoLock);
	}
}

static void
take_trigger(List **taken, Oid trigger)
{
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(TriggerRelationId, TriggerOidIndexId,
												   Anum_pg_trigger_oid, trigger, &desc);
	Form_pg_trigger form;
	char	   *name;
	char	   *comment;
	Taken	   *entry;
	ListCell   *lc;
	bool		isnull;

	/* those of partitions come and go with their parent's */
	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_trigger) GETSTRUCT(tuple);
	(void) heap_getattr(tuple, Anum_pg_trigger_tgqual, desc, &isnull);
	if (isnull || OidIsValid(form->tgparentid))
		return;
	name = NameStr(form->tgname);
	comment = GetComment(trigger, TriggerRelationId, 0);
	entry = add(taken, TAKEN_TEXT, TriggerRelationId, trigger, cellenc_convert_owner(form->tgrelid));
	add_text(entry, TextDatumGetCString(DirectFunctionCall1(pg_get_triggerdef, ObjectIdGetDatum(trigger))));
	add_trigger_states(entry, form->tgrelid, name);
	foreach(lc, getAutoExtensionsOfObject(TriggerRelationId, trigger))
		add_text(entry, psprintf("ALTER TRIGGER %s ON %s DEPENDS ON EXTENSION %s", quote_identifier(name),
								 relation_name(form->tgrelid),
								 quote_identifier(get_extension_name(lfirst_oid(lc)))));
	if (comment)
		add_text(entry, psprintf("COMMENT ON TRIGGER %s ON %s IS %s", quote_identifier(name),
								 relation_name(form->tgrelid), quote_literal_cstr(comment)));
	drop(TriggerRelationId, trigger);
}

/*
 * The expression of a column that is generated from the converted one, which
 * has just its default for an own.
 */
static void
take_generated(const CellencConversion *conversion, List **taken, Oid attrdef)
{
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(AttrDefaultRelationId, AttrDefaultOidIndexId,
												   Anum_pg_attrdef_oid, attrdef, &desc);
	Form_pg_attrdef form = (Form_pg_attrdef) GETSTRUCT(tuple);
	Taken	   *entry;

	if (form->adnum == cellenc_convert_attnum(conversion, form->adrelid))
		return;
	entry = add(taken, TAKEN_GENERATED, AttrDefaultRelationId, attrdef, cellenc_convert_owner(form->adrelid));
	ObjectAddressSubSet(entry->column, RelationRelationId, form->adrelid, form->adnum);
	add_text(entry, expression_text(tuple, Anum_pg_attrdef_adbin, desc, form->adrelid));

	/* as ALTER COLUMN DROP EXPRESSION does: the column owns its expression */
	(void) deleteDependencyRecordsFor(AttrDefaultRelationId, attrdef, false);
	CommandCounterIncrement();
	RemoveAttrDefault(form->adrelid, form->adnum, DROP_RESTRICT, true, true);
}

/* Those from the column are ALTER TABLE's business: it finds no rows to check. */
static void
take_foreign_key(const CellencConversion *conversion, List **taken, Oid constraint)
{
	CellencConvertForeignKey key;
	char	   *comment = GetComment(constraint, ConstraintRelationId, 0);
	char	   *name = get_constraint_name(constraint);
	Taken	   *entry;
	bool		refers = false;

	if (!cellenc_convert_read_foreign_key(constraint, &key))
		return;
	if (list_member_oid(find_all_inheritors(conversion->relation, NoLock, NULL), key.referenced))
	{
		AttrNumber	attnum = cellenc_convert_attnum(conversion, key.referenced);

		for (int i = 0; i < key.nkeys; i++)
			refers |= key.referenced_columns[i] == attnum;
	}
	if (!refers)
		return;
	entry = add(taken, TAKEN_FOREIGN_KEY, ConstraintRelationId, constraint, BOOTSTRAP_SUPERUSERID);
	entry->validated = key.validated;
	add_text(entry, pg_get_constraintdef_command(constraint));
	if (comment)
		add_text(entry, psprintf("COMMENT ON CONSTRAINT %s ON %s IS %s", quote_identifier(name),
								 relation_name(key.referencing), quote_literal_cstr(comment)));
	drop(ConstraintRelationId, constraint);
}

static void
take(const CellencConversion *conversion, List **taken, const ObjectAddress *object)
{
	switch (object->classId)
	{
		case RewriteRelationId:
			take_rule(taken, object->objectId);
			break;
		case TriggerRelationId:
			take_trigger(taken, object->objectId);
			break;
		case PolicyRelationId:
			take_policy(taken, object->objectId);
			break;
		case ProcedureRelationId:
			take_function(taken, object->objectId);
			break;
		case AttrDefaultRelationId:
			take_generated(conversion, taken, object->objectId);
			break;
		case ConstraintRelationId:
			take_foreign_key(conversion, taken, object->objectId);
			break;
	}
}

/*
 * Take away the dependencies that are in the way and left: whoever replaces an
 * object records them again, and of what merely names the column, we do.
 */
static void
take_dependencies(Oid relation, AttrNumber attnum, List **taken)
{
	Relation	depend = table_open(DependRelationId, RowExclusiveLock);
	SysScanDesc scan = cellenc_convert_begin_dependents(depend, relation, attnum);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->classid == TriggerRelationId || form->classid == PublicationRelRelationId)
		{
			Taken	   *entry = add(taken, TAKEN_DEPENDENCY, form->classid, form->objid, InvalidOid);

			ObjectAddressSubSet(entry->depender, form->classid, form->objid, form->objsubid);
			ObjectAddressSubSet(entry->referenced, RelationRelationId, relation, attnum);
			entry->deptype = (DependencyType) form->deptype;
		}
		else if (form->classid != RewriteRelationId && form->classid != PolicyRelationId &&
				 form->classid != ProcedureRelationId)
			continue;
		CatalogTupleDelete(depend, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(depend, RowExclusiveLock);
}

List *
cellenc_convert_take_dependents(const CellencConversion *conversion)
{
	List	   *tree = find_all_inheritors(conversion->relation, NoLock, NULL);
	List	   *objects = cellenc_convert_column_dependents(conversion, tree);
	List	   *taken = NIL;
	ListCell   *lc;

	foreach(lc, cellenc_convert_views(conversion))
		objects = cellenc_convert_dependents(objects, lfirst_oid(lc), 0);

	foreach(lc, objects)
		take(conversion, &taken, lfirst(lc));
	CommandCounterIncrement();
	foreach(lc, tree)
		take_dependencies(lfirst_oid(lc), cellenc_convert_attnum(conversion, lfirst_oid(lc)), &taken);
	CommandCounterIncrement();
	return taken;
}

/*
 * Putting
 */

static void
put_generated(const Taken *entry)
{
	RawStmt    *raw = linitial_node(RawStmt, raw_parser(linitial(entry->texts), RAW_PARSE_PLPGSQL_EXPR));
	SelectStmt *select = castNode(SelectStmt, raw->stmt);
	Relation	rel = table_open(entry->column.objectId, NoLock);
	RawColumnDefault expression;
	Oid			save_userid;
	int			save_sec_context;

	memset(&expression, 0, sizeof(expression));
	expression.attnum = entry->column.objectSubId;
	expression.raw_default = linitial_node(ResTarget, select->targetList)->val;
	expression.generated = TupleDescAttr(RelationGetDescr(rel), expression.attnum - 1)->attgenerated;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(entry->role, save_sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	(void) AddRelationNewConstraints(rel, list_make1(&expression), NIL, false, true, false, NULL);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	table_close(rel, NoLock);
}

static void
put_foreign_key(const Taken *entry)
{
	const char *sql = linitial(entry->texts);
	RawStmt    *raw = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));
	AlterTableStmt *alter = castNode(AlterTableStmt, raw->stmt);
	Constraint *constraint = castNode(Constraint, linitial_node(AlterTableCmd, alter->cmds)->def);
	PlannedStmt *stmt = makeNode(PlannedStmt);
	Oid			save_userid;
	int			save_sec_context;

	/* else the text says NOT VALID */
	if (entry->validated)
		constraint->skip_validation = constraint->initially_valid = true;
	stmt->commandType = CMD_UTILITY;
	stmt->utilityStmt = (Node *) alter;
	stmt->stmt_location = raw->stmt_location;
	stmt->stmt_len = raw->stmt_len;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(entry->role, save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	PushActiveSnapshot(GetTransactionSnapshot());
	ProcessUtility(stmt, sql, false, PROCESS_UTILITY_SUBCOMMAND, NULL, NULL, None_Receiver, NULL);
	PopActiveSnapshot();
	SetUserIdAndSecContext(save_userid, save_sec_context);
	CommandCounterIncrement();
}

static void
tell_object(void *arg)
{
	errcontext("carrying over %s", ((Taken *) arg)->description);
}

static void
put(Taken *entry)
{
	ErrorContextCallback callback = {error_context_stack, tell_object, entry};
	ListCell   *lc;

	error_context_stack = &callback;
	switch (entry->kind)
	{
		case TAKEN_DEPENDENCY:
			recordDependencyOn(&entry->depender, &entry->referenced, entry->deptype);
			break;
		case TAKEN_GENERATED:
			put_generated(entry);
			break;
		case TAKEN_FOREIGN_KEY:
			put_foreign_key(entry);
			for_each_from(lc, entry->texts, 1)
				cellenc_convert_run_as(entry->role, lfirst(lc));
			break;
		case TAKEN_TEXT:
			foreach(lc, entry->texts)
				cellenc_convert_run_as(entry->role, lfirst(lc));
			break;
	}
	error_context_stack = callback.previous;
	CommandCounterIncrement();
}

void
cellenc_convert_put_dependents(List *taken)
{
	ListCell   *lc;

	foreach(lc, taken)
		put(lfirst(lc));
}
