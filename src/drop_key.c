/*-------------------------------------------------------------------------
 *
 * drop_key.c
 *	  cellenc_drop_key: a key that nothing uses any more.
 *
 * All of its versions are destroyed and their tombstones stay, without a key;
 * the name is free.  What uses a key is looked for in three places: columns and
 * domains name it, stored expressions cast to it, and values are under it.
 *
 * Columns that are being made are waited for: the guard holds their keys.
 *
 * Touches retire, scan, constants, columns, keycatalog.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "blockers_server.h"
#include "columns.h"
#include "compat.h"
#include "constants.h"
#include "event.h"
#include "keyring.h"
#include "report.h"
#include "retire.h"
#include "scan.h"

PG_FUNCTION_INFO_V1(cellenc_drop_key);

/* Users that an error lists; more are counted. */
#define MAX_USERS_SHOWN 20

typedef struct Users
{
	CellencKeyRow key;
	List	   *versions;		/* of CellencVersionRow */
	MemoryContext cxt;
	List	   *descriptions;

	/* of the relation at hand, by column */
	int64	   *values;
} Users;

static void
add(Users *users, const char *description)
{
	MemoryContext oldcxt = MemoryContextSwitchTo(users->cxt);

	users->descriptions = lappend(users->descriptions, pstrdup(description));
	MemoryContextSwitchTo(oldcxt);
}

static void
add_object(Users *users, const ObjectAddress *object)
{
	char	   *description = getObjectDescription(object, true);

	if (description)
		add(users, description);
}

/*
 * Names
 */

/* A CellencColumnVisitor. */
static void
note_column(Form_pg_class class, Form_pg_attribute att, void *arg)
{
	Users	   *users = arg;
	ObjectAddress object;

	if (!cellenc_columns_names_key(att->atttypid, att->atttypmod, users->key.name_hash))
		return;
	ObjectAddressSubSet(object, RelationRelationId, class->oid, att->attnum);
	add_object(users, &object);
}

static void
find_domains(Users *users)
{
	Relation	rel = table_open(TypeRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_type type = (Form_pg_type) GETSTRUCT(tuple);
		ObjectAddress object;

		if (type->typtype != TYPTYPE_DOMAIN ||
			!cellenc_columns_names_key(type->typbasetype, type->typtypmod, users->key.name_hash))
			continue;
		ObjectAddressSet(object, TypeRelationId, type->oid);
		add_object(users, &object);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* A CellencHolderVisitor. */
static void
note_holder(CellencHolder holder, const ObjectAddress *object, void *arg)
{
	add_object(arg, object);
}

/*
 * Values
 */

/* A CellencScanVisitor. */
static void
note_value(const CellencStored *stored, void *arg)
{
	Users	   *users = arg;
	ListCell   *lc;

	foreach(lc, users->versions)
	{
		if (((CellencVersionRow *) lfirst(lc))->version_id == stored->version_id)
			users->values[stored->attnum - 1]++;
	}
}

static void
find_values_in(Users *users, Oid relid)
{
	Relation	rel = cellenc_scan_open(relid);

	if (!rel)
		return;
	users->values = palloc0(RelationGetNumberOfAttributes(rel) * sizeof(int64));
	cellenc_scan_relation(rel, CELLENC_SCAN_KEPT, 100, note_value, users);
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		ObjectAddress object;

		ObjectAddressSubSet(object, RelationRelationId, relid, i + 1);
		if (users->values[i] > 0)
			add(users, psprintf(INT64_FORMAT " values in %s", users->values[i],
								getObjectDescription(&object, false)));
	}
	relation_close(rel, AccessShareLock);
}

static void
find_values(Users *users)
{
	MemoryContext relation_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc users",
													   ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	/* in columns of other keys, too: that none can be there is to be proved */
	foreach(lc, cellenc_columns_stored(-1))
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(relation_cxt);

		find_values_in(users, lfirst_oid(lc));
		MemoryContextSwitchTo(oldcxt);
		MemoryContextReset(relation_cxt);
	}
	MemoryContextDelete(relation_cxt);

	foreach(lc, users->versions)
		cellenc_constants_under(((CellencVersionRow *) lfirst(lc))->version_id, note_holder, users);
}

static void
report_users(const Users *users)
{
	StringInfoData list;
	ListCell   *lc;
	int			count = 0;

	if (users->descriptions == NIL)
		return;
	initStringInfo(&list);
	foreach(lc, users->descriptions)
	{
		if (count++ < MAX_USERS_SHOWN)
			appendStringInfo(&list, "%s%s", list.len > 0 ? "\n" : "", (char *) lfirst(lc));
	}
	if (count > MAX_USERS_SHOWN)
		appendStringInfo(&list, "\nand %d more", count - MAX_USERS_SHOWN);
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot drop key \"%s\" because it is used", users->key.name),
			 errdetail_internal("%s", list.data),
			 errhint("Drop these, or give columns another key by ALTER TABLE ... ALTER COLUMN ... TYPE.")));
}

/*
 * Drop a key: its versions are destroyed, its grants and its name are gone.
 * Rights: whoever may execute this.
 */
Datum
cellenc_drop_key(PG_FUNCTION_ARGS)
{
	Users		users = {0};
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	users.key = cellenc_keyring_require_key(text_to_cstring(PG_GETARG_TEXT_PP(0)))->row;

	/* before the lock of keys, which a column's guard may need */
	cellenc_keycatalog_wait_for_holders(users.key.name_hash);
	cellenc_keycatalog_lock();
	users.key = cellenc_keyring_require_key(users.key.name)->row;
	users.versions = cellenc_keycatalog_versions(&users.key.id);
	users.cxt = CurrentMemoryContext;

	foreach(lc, cellenc_blockers_of_jobs(&users.key))
		add(&users, ((CellencBlocker *) lfirst(lc))->detail);
	cellenc_columns_visit(note_column, &users);
	find_domains(&users);
	cellenc_constants_naming(users.key.name_hash, note_holder, &users);
	report_users(&users);
	find_values(&users);
	report_users(&users);

	foreach(lc, users.versions)
	{
		const CellencVersionRow *version = lfirst(lc);

		if (version->state != CELLENC_DESTROYED)
			cellenc_retire_destroy(&users.key, version, "its key is dropped");
	}
	cellenc_keycatalog_delete_key(&users.key.id);
	cellenc_keycatalog_sweep_master_keys();
	cellenc_event_record("drop", users.key.name, 0, NULL);
	PG_RETURN_VOID();
}
