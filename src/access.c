/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Who may write to and compare encrypted columns: checked where a
 *	  statement starts.
 *
 * Sealing and opening a value are checked where that happens.  Here is what
 * does neither:
 *
 * - Values are copied into a column as they are, which needs `encrypt`.
 *
 * - An index is searched without a comparison of any stored value: a hash
 *   index compares hashes, so a miss would be told from a hit; and the order
 *   of a btree is seen from the order of the rows.  So a scan of an index
 *   over encrypted columns needs `decrypt`.  For whoever lacks it the planner
 *   does without such an index: a query that compares nothing goes on, and
 *   one that does is refused by the first comparison of a scan of the table,
 *   whatever it would find.
 *
 * The user is the current one, as for every use of a key: a view's owner
 * lends no right on keys, and referential actions run as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "tcop/dest.h"

#include "access.h"
#include "compat.h"
#include "keyring.h"
#include "redact.h"
#include "relinfo.h"
#include "report.h"
#include "twin.h"
#include "walk.h"

static ExecutorCheckPerms_hook_type prev_check_perms_hook = NULL;
static ExecutorStart_hook_type prev_executor_start_hook = NULL;
static get_relation_info_hook_type prev_relation_info_hook = NULL;

/*
 * Has the current user the privileges on the key that typmod names?  A key
 * that this database does not have is nobody's; only superusers pass.
 */
static bool
may_use(int32 typmod, int privileges)
{
	CellencKey *key;

	if (typmod < 0)
		return true;
	key = cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(typmod));
	return key ? cellenc_keyring_has(key, GetUserId(), privileges) : superuser();
}

/* 42501 unless may_use. */
static void
require_use(int32 typmod, int privileges)
{
	CellencKey *key;

	if (likely(may_use(typmod, privileges)))
		return;
	key = cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(typmod));
	if (key)
		cellenc_keyring_check(key, privileges);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for key \"#%08x\"",
						(unsigned int) CELLENC_TYPMOD_HASH(typmod)),
				 errdetail("The type modifier of the encrypted type names a key that this database does not have."),
				 errhint("Create the key under its name, or restore or import it.")));
}

/*
 * Writing
 */

/* Is every encrypted column written to under a key that may be used? */
static bool
may_write(const RTEPermissionInfo *perminfo, bool ereport_on_violation)
{
	const CellencRelinfo *info;

	if (bms_is_empty(perminfo->insertedCols) && bms_is_empty(perminfo->updatedCols))
		return true;
	info = cellenc_relinfo(perminfo->relid);
	for (int i = 0; i < info->ncolumns; i++)
	{
		int			member = info->columns[i].attno - FirstLowInvalidHeapAttributeNumber;

		if (!bms_is_member(member, perminfo->insertedCols) &&
			!bms_is_member(member, perminfo->updatedCols))
			continue;
		if (ereport_on_violation)
			require_use(info->columns[i].typmod, CELLENC_PRIV_ENCRYPT);
		else if (!may_use(info->columns[i].typmod, CELLENC_PRIV_ENCRYPT))
			return false;
	}
	return true;
}

static bool
check_perms(CELLENC_CHECK_PERMS_PARAMS)
{
	ListCell   *lc;

	if (prev_check_perms_hook && !prev_check_perms_hook(CELLENC_CHECK_PERMS_ARGS))
		return false;
	if (IsBinaryUpgrade)
		return true;
	foreach(lc, perminfos)
	{
		const RTEPermissionInfo *perminfo = lfirst(lc);

		if (perminfo->relid < FirstNormalObjectId)
			continue;
		if (cellenc_relinfo(perminfo->relid)->ncolumns > 0)
			cellenc_redact_touch();
		if (!may_write(perminfo, ereport_on_violation))
			return false;
	}
	return true;
}

/*
 * CREATE TABLE AS and REFRESH MATERIALIZED VIEW write without a check of
 * permissions, into columns of the types of the result.
 */
static void
check_result(const PlannedStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->planTree->targetlist)
	{
		TargetEntry *entry = lfirst(lc);
		Oid			type = exprType((Node *) entry->expr);
		CellencWalk *walk;
		ListCell   *leaf;

		if (entry->resjunk || type < FirstNormalObjectId)
			continue;
		walk = cellenc_walk_plan(type, exprTypmod((Node *) entry->expr));
		if (!walk)
			continue;
		foreach(leaf, cellenc_walk_leaves(walk))
			require_use(((CellencLeaf *) lfirst(leaf))->typmod, CELLENC_PRIV_ENCRYPT);
	}
}

/*
 * Searching
 */

static bool
may_search(Oid index)
{
	const CellencRelinfo *info = cellenc_relinfo(index);

	for (int i = 0; i < info->ncolumns; i++)
	{
		if (!may_use(info->columns[i].typmod, CELLENC_PRIV_DECRYPT))
			return false;
	}
	return true;
}

static bool
check_scans(PlanState *state, void *context)
{
	const CellencRelinfo *info;
	Oid			index;

	if (state == NULL)
		return false;
	switch (nodeTag(state->plan))
	{
		case T_IndexScan:
			index = ((IndexScan *) state->plan)->indexid;
			break;
		case T_IndexOnlyScan:
			index = ((IndexOnlyScan *) state->plan)->indexid;
			break;
		case T_BitmapIndexScan:
			index = ((BitmapIndexScan *) state->plan)->indexid;
			break;
		default:
			return planstate_tree_walker(state, check_scans, context);
	}
	if (index >= FirstNormalObjectId)
	{
		info = cellenc_relinfo(index);
		for (int i = 0; i < info->ncolumns; i++)
			require_use(info->columns[i].typmod, CELLENC_PRIV_DECRYPT);
	}
	return planstate_tree_walker(state, check_scans, context);
}

static void
executor_start(QueryDesc *queryDesc, int eflags)
{
	if (prev_executor_start_hook)
		prev_executor_start_hook(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);

	if (IsBinaryUpgrade)
		return;
	if (queryDesc->dest &&
		(queryDesc->dest->mydest == DestIntoRel || queryDesc->dest->mydest == DestTransientRel))
		check_result(queryDesc->plannedstmt);
	(void) check_scans(queryDesc->planstate, NULL);
}

/*
 * Partitions are told apart by hashes of the key too, so they are not, for
 * whoever may not compare: no query has a ctid of another type to match.
 */
static bool
hide_partition_key(RelOptInfo *rel, const CellencRelinfo *info)
{
	bool		found = false;

	for (int i = 0; rel->part_scheme && i < rel->part_scheme->partnatts; i++)
	{
		Bitmapset  *attnos = NULL;
		bool		hidden = false;

		pull_varattnos((Node *) rel->partexprs[i], rel->relid, &attnos);
		for (int j = 0; j < info->ncolumns; j++)
		{
			if (!bms_is_member(info->columns[j].attno - FirstLowInvalidHeapAttributeNumber, attnos))
				continue;
			found = true;
			hidden |= !may_use(info->columns[j].typmod, CELLENC_PRIV_DECRYPT);
		}
		if (hidden)
		{
			Node	   *key = linitial(rel->partexprs[i]);

			rel->partexprs[i] = list_make1(makeVar(rel->relid, SelfItemPointerAttributeNumber,
												   exprType(key), exprTypmod(key),
												   exprCollation(key), 0));
		}
	}
	return found;
}

static void
relation_info(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	bool		depends = false;
	ListCell   *lc;
	Oid			grants;

	if (prev_relation_info_hook)
		prev_relation_info_hook(root, relid, inhparent, rel);
	if (relid < FirstNormalObjectId || IsBinaryUpgrade || (!rel->indexlist && !rel->part_scheme))
		return;
	if (cellenc_relinfo(relid)->ncolumns == 0)
		return;

	foreach(lc, rel->indexlist)
	{
		Oid			index = ((IndexOptInfo *) lfirst(lc))->indexoid;

		if (cellenc_relinfo(index)->ncolumns == 0)
			continue;
		depends = true;
		if (!may_search(index))
			rel->indexlist = foreach_delete_current(rel->indexlist, lc);
	}
	if (rel->part_scheme)
		depends |= hide_partition_key(rel, cellenc_relinfo(relid));
	if (!depends)
		return;

	/* such a plan holds for this user and until somebody is given a right */
	root->glob->dependsOnRole = true;
	grants = cellenc_keycatalog_table(CELLENC_TABLE_KEY_GRANT, true);
	if (OidIsValid(grants))
		root->glob->relationOids = list_append_unique_oid(root->glob->relationOids, grants);
}

void
cellenc_access_init(void)
{
	prev_check_perms_hook = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_perms;
	prev_executor_start_hook = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	prev_relation_info_hook = get_relation_info_hook;
	get_relation_info_hook = relation_info;
}
