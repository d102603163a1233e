/*-------------------------------------------------------------------------
 *
 * convert_view.c
 *	  Views that show a column whose type changes.
 *
 * A view is parsed again from its own text, as CREATE OR REPLACE VIEW would,
 * and where columns of it get other types, so do the view's, which no command
 * does: it stays the same object, with owner, privileges, comments, options and
 * whatever depends on it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_type.h"
#include "commands/view.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "convert.h"
#include "syscat.h"

typedef struct TakenView
{
	Oid			view;
	char	   *definition;
} TakenView;

static Oid
relation_of_rule(Oid rule)
{
	TupleDesc	desc;
	HeapTuple	tuple = cellenc_syscat_visible_row(RewriteRelationId, RewriteOidIndexId,
												   Anum_pg_rewrite_oid, rule, &desc);

	return HeapTupleIsValid(tuple) ? ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class : InvalidOid;
}

/* Views whose rules name the column of relation (0: any). */
static List *
views_over(Oid relation, AttrNumber attnum)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	SysScanDesc scan = cellenc_convert_begin_dependents(depend, relation, attnum);
	HeapTuple	tuple;
	List	   *views = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);
		Oid			view;

		if (form->classid != RewriteRelationId)
			continue;
		view = relation_of_rule(form->objid);
		if (view != relation && get_rel_relkind(view) == RELKIND_VIEW)
			views = list_append_unique_oid(views, view);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return views;
}

/* Append views and all views over them, each after all that it reads. */
static List *
append_views(List *order, List *views)
{
	ListCell   *lc;

	check_stack_depth();
	foreach(lc, views)
	{
		order = list_delete_oid(order, lfirst_oid(lc));
		order = lappend_oid(order, lfirst_oid(lc));
		order = append_views(order, views_over(lfirst_oid(lc), 0));
	}
	return order;
}

List *
cellenc_convert_views(const CellencConversion *conversion)
{
	List	   *order = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(conversion->relation, NoLock, NULL))
		order = append_views(order, views_over(lfirst_oid(lc),
											   cellenc_convert_attnum(conversion, lfirst_oid(lc))));
	return order;
}

List *
cellenc_convert_take_views(const CellencConversion *conversion)
{
	List	   *taken = NIL;
	ListCell   *lc;

	foreach(lc, cellenc_convert_views(conversion))
	{
		TakenView  *entry = palloc(sizeof(TakenView));

		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
		entry->view = lfirst_oid(lc);
		entry->definition = TextDatumGetCString(DirectFunctionCall1(pg_get_viewdef,
																	ObjectIdGetDatum(lfirst_oid(lc))));
		taken = lappend(taken, entry);
	}
	return taken;
}

/*
 * Views, again
 */

/* The column depends on its new type and collation in place of the old ones. */
static void
change_dependencies(Oid view, AttrNumber attnum, Oid type, Oid collation)
{
	Relation	depend = table_open(DependRelationId, RowExclusiveLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;
	ObjectAddress self;
	ObjectAddress referenced;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(view));
	ScanKeyInit(&keys[2], Anum_pg_depend_objsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(attnum));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 3, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			class = ((Form_pg_depend) GETSTRUCT(tuple))->refclassid;

		if (class == TypeRelationId || class == CollationRelationId)
			CatalogTupleDelete(depend, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(depend, RowExclusiveLock);

	ObjectAddressSubSet(self, RelationRelationId, view, attnum);
	ObjectAddressSet(referenced, TypeRelationId, type);
	recordDependencyOn(&self, &referenced, DEPENDENCY_NORMAL);
	if (OidIsValid(collation) && collation != DEFAULT_COLLATION_OID)
	{
		ObjectAddressSet(referenced, CollationRelationId, collation);
		recordDependencyOn(&self, &referenced, DEPENDENCY_NORMAL);
	}
}

/* Column attnum of the view is of the type of expr from now on. */
static void
change_column(Oid view, AttrNumber attnum, Node *expr)
{
	Relation	rel = table_open(AttributeRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(view), Int16GetDatum(attnum));
	Form_pg_attribute att;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for column %d of relation %u", attnum, view);
	att = (Form_pg_attribute) GETSTRUCT(tuple);
	if (att->atttypid != exprType(expr) || att->atttypmod != exprTypmod(expr) ||
		att->attcollation != exprCollation(expr))
	{
		if (att->atthasdef)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("column \"%s\" of view \"%s\" has a default, and would change its type",
							NameStr(att->attname), get_rel_name(view))));
		att->atttypid = exprType(expr);
		att->atttypmod = exprTypmod(expr);
		att->attcollation = exprCollation(expr);
		get_typlenbyvalalign(att->atttypid, &att->attlen, &att->attbyval, &att->attalign);
		att->attstorage = get_typstorage(att->atttypid);
		CatalogTupleUpdate(rel, &tuple->t_self, tuple);
		change_dependencies(view, attnum, att->atttypid, att->attcollation);
	}
	table_close(rel, RowExclusiveLock);
}

/* Constants of a user's types may run functions of his: as the view's owner. */
static Query *
parse_view(const TakenView *entry)
{
	RawStmt    *raw = linitial_node(RawStmt, raw_parser(entry->definition, RAW_PARSE_DEFAULT));
	Query	   *query;
	Oid			save_userid;
	int			save_sec_context;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(cellenc_convert_owner(entry->view),
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	query = parse_analyze_fixedparams(raw, entry->definition, NULL, 0, NULL);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	return query;
}

static void
put_view(const TakenView *entry)
{
	Query	   *query = parse_view(entry);
	AttrNumber	attnum = 0;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *target = lfirst(lc);

		if (!target->resjunk)
			change_column(entry->view, ++attnum, (Node *) target->expr);
	}
	CommandCounterIncrement();
	StoreViewQuery(entry->view, query, true);
	CommandCounterIncrement();
}

void
cellenc_convert_put_views(List *taken)
{
	ListCell   *lc;
	Oid			save_userid;
	int			save_sec_context;

	/* defining rules needs the views' ownership */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	foreach(lc, taken)
		put_view(lfirst(lc));
	SetUserIdAndSecContext(save_userid, save_sec_context);
	CommandCounterIncrement();
}
