/*-------------------------------------------------------------------------
 *
 * role.c
 *	  Grants of roles that are dropped or get another name.
 *
 * Grants are to names, so that a dump carries them to another cluster.  A role
 * that is dropped must not leave its grants to the next one of that name, and
 * one that is renamed takes them along.  Roles are the cluster's and grants a
 * database's: only those of the session's database are in reach, and
 * cellenc_check() tells of the others.
 *
 * Touches keycatalog, event, syscat.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"

#include "compat.h"
#include "event.h"
#include "keycatalog.h"
#include "role.h"
#include "syscat.h"

static object_access_hook_type prev_object_access_hook = NULL;

/* Take every grant on a key from the role old_name; new_name gets it, if there is one. */
static void
move_grants(const CellencKeyRow *key, const char *old_name, const char *new_name)
{
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_grants(&key->id))
	{
		CellencGrantRow grant = *(CellencGrantRow *) lfirst(lc);
		const char *privilege = cellenc_keycatalog_privilege_name(grant.privilege);

		if (strcmp(grant.role, old_name) != 0)
			continue;
		cellenc_keycatalog_delete_grant(&key->id, &grant);
		if (new_name)
		{
			strlcpy(grant.role, new_name, sizeof(grant.role));
			cellenc_keycatalog_insert_grant(&key->id, &grant);
			cellenc_event_record("grant", key->name, 0,
								 psprintf("%s to role \"%s\", which was \"%s\"", privilege,
										  new_name, old_name));
		}
		else
			cellenc_event_record("revoke", key->name, 0,
								 psprintf("%s from role \"%s\", which is dropped", privilege,
										  old_name));
	}
}

static void
move_all_grants(const char *old_name, const char *new_name)
{
	ListCell   *lc;

	/* not installed in this database */
	if (!OidIsValid(cellenc_keycatalog_table(CELLENC_TABLE_KEY_GRANT, true)))
		return;
	cellenc_keycatalog_lock();
	foreach(lc, cellenc_keycatalog_keys())
		move_grants(lfirst(lc), old_name, new_name);
}

/* The name that this command has given to a role; it is not visible otherwise yet. */
static char *
new_name_of(Oid role)
{
	HeapTuple	tuple = cellenc_syscat_row(AuthIdRelationId, AuthIdOidIndexId, Anum_pg_authid_oid, role);

	return HeapTupleIsValid(tuple) ? NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname) : NULL;
}

static void
object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	if (classId != AuthIdRelationId || IsBinaryUpgrade)
		return;
	if (access == OAT_DROP)
		move_all_grants(GetUserNameFromId(objectId, false), NULL);
	else if (access == OAT_POST_ALTER)
	{
		char	   *old_name = GetUserNameFromId(objectId, true);
		char	   *new_name = new_name_of(objectId);

		if (old_name && new_name && strcmp(old_name, new_name) != 0)
			move_all_grants(old_name, new_name);
	}
}

void
cellenc_role_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = object_access;
}
