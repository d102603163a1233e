/*-------------------------------------------------------------------------
 *
 * command.c
 *	  Run a statement that must be a top-level command.
 *
 * VACUUM, REINDEX CONCURRENTLY and CREATE INDEX CONCURRENTLY commit in their
 * midst, and what takes long must not hold the lock of a job's step.  So such
 * statements run where a client's would: between transactions, through
 * ProcessUtility, in a memory context of their own in place of a portal's (as
 * autovacuum's).
 *
 * A command that `yields` looks to others like autovacuum's work: who waits
 * for one of its locks for deadlock_timeout cancels it, and DROP DATABASE ends
 * the process.  That would be wrong where the command reads other tables with
 * its snapshot, because index builds do not wait for autovacuum's.
 *
 * A command names an index, and before it has locked that, its owner can give
 * the name to another one.  So where cellenc's comparators may open values, each
 * index that is made is looked at again, before anything is built.
 *
 * Touches codec, users_code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/plannodes.h"
#include "parser/analyze.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "codec.h"
#include "command.h"
#include "compat.h"
#include "users_code.h"

/* What check_made() stands in front of while a command runs. */
static object_access_hook_type outer_object_access_hook = NULL;

static PlannedStmt *
parse(const char *sql)
{
	List	   *statements = pg_parse_query(sql);
	RawStmt    *raw = linitial_node(RawStmt, statements);
	Query	   *query = parse_analyze_fixedparams(raw, sql, NULL, 0, NULL);
	PlannedStmt *statement = makeNode(PlannedStmt);

	Assert(list_length(statements) == 1);
	statement->commandType = CMD_UTILITY;
	statement->canSetTag = true;
	statement->utilityStmt = query->utilityStmt;
	statement->stmt_location = raw->stmt_location;
	statement->stmt_len = raw->stmt_len;
	return statement;
}

static void
look_like_autovacuum(bool on)
{
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	if (on)
		MyProc->statusFlags |= PROC_IS_AUTOVACUUM;
	else
		MyProc->statusFlags &= ~PROC_IS_AUTOVACUUM;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

static void
check_made(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (outer_object_access_hook)
		outer_object_access_hook(access, classId, objectId, subId, arg);
	if (access == OAT_POST_CREATE && classId == RelationRelationId && subId == 0 &&
		cellenc_users_code_in_index(objectId))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the index to be rebuilt has changed places with another one")));
}

ErrorData *
cellenc_command_run(const CellencCommand *command)
{
	MemoryContext oldcxt = CurrentMemoryContext;
	MemoryContext save_portal_context = PortalContext;
	ErrorData  *volatile failure = NULL;
	char	   *lock_timeout = pstrdup(GetConfigOption("lock_timeout", false, false));

	PortalContext = AllocSetContextCreate(TopMemoryContext, "cellenc command",
										  ALLOCSET_DEFAULT_SIZES);
	look_like_autovacuum(command->yields);
	cellenc_codec_compare_in_command(command->compares);
	outer_object_access_hook = object_access_hook;
	if (command->compares)
		object_access_hook = check_made;
	if (command->waits)
		SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	PG_TRY();
	{
		PlannedStmt *statement;

		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		MemoryContextSwitchTo(PortalContext);
		statement = parse(command->sql);
		ProcessUtility(statement, command->sql, false, PROCESS_UTILITY_TOPLEVEL, NULL, NULL,
					   None_Receiver, NULL);

		/* the snapshot went with the transaction if the command ended that */
		if (ActiveSnapshotSet())
			PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(command->context);
		failure = CopyErrorData();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	object_access_hook = outer_object_access_hook;
	cellenc_codec_compare_in_command(false);
	look_like_autovacuum(false);
	SetConfigOption("lock_timeout", lock_timeout, PGC_SUSET, PGC_S_OVERRIDE);
	pfree(lock_timeout);

	MemoryContextSwitchTo(oldcxt);
	MemoryContextDelete(PortalContext);
	PortalContext = save_portal_context;
	return failure;
}
