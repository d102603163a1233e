/*-------------------------------------------------------------------------
 *
 * bound.c
 *	  Partition bounds: constants, and sealed as such.
 *
 * PostgreSQL casts a bound to the column's type and modifier when it parses
 * the statement, and stores the value.  The length coercion would seal it
 * under the column's key; but a bound is a constant of the schema: it has to
 * be there before any key (dumps define partitions first), outlives every
 * version of the key, and is printed plain to everyone.  So the casts seal it
 * under the literal key.
 *
 * They are told so by the statement that is being executed.  Within it, event
 * triggers may run functions that cast values for other purposes; those have
 * entered themselves on the stack of error contexts, on which parsing a bound
 * puts nothing.
 *
 * Touches nothing of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "bound.h"

/* Is a statement with a bound being executed, and at which depth of contexts? */
static bool in_statement = false;
static ErrorContextCallback *statement_context = NULL;

static ProcessUtility_hook_type prev_process_utility = NULL;

int32
cellenc_bound_typmod(int32 typmod)
{
	return unlikely(in_statement) && error_context_stack == statement_context ? -1 : typmod;
}

static bool
has_bound(Node *statement)
{
	ListCell   *cell;

	if (IsA(statement, CreateStmt))
		return ((CreateStmt *) statement)->partbound != NULL;
	if (!IsA(statement, AlterTableStmt))
		return false;
	foreach(cell, ((AlterTableStmt *) statement)->cmds)
	{
		if (lfirst_node(AlterTableCmd, cell)->subtype == AT_AttachPartition)
			return true;
	}
	return false;
}

static void
process_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *env,
				DestReceiver *dest, QueryCompletion *completion)
{
	bool		save_in_statement = in_statement;
	ErrorContextCallback *save_context = statement_context;

	/* for a statement that one with a bound runs, too: it is no part of that */
	in_statement = has_bound(pstmt->utilityStmt);
	statement_context = error_context_stack;
	PG_TRY();
	{
		if (prev_process_utility)
			prev_process_utility(pstmt, query_string, read_only_tree, context, params, env, dest,
								 completion);
		else
			standard_ProcessUtility(pstmt, query_string, read_only_tree, context, params, env, dest,
									completion);
	}
	PG_FINALLY();
	{
		in_statement = save_in_statement;
		statement_context = save_context;
	}
	PG_END_TRY();
}

void
cellenc_bound_init(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
