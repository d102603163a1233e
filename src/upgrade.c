/*-------------------------------------------------------------------------
 *
 * upgrade.c
 *	  Order of partition bounds while pg_upgrade restores a schema.
 *
 * pg_upgrade restores partitions while the key tables are empty, so bounds
 * over an encrypted type cannot be opened; yet PostgreSQL compares each new
 * range with those that are there.  Nothing of that order is stored: a server
 * sorts the bounds anew whenever it reads them.  So some order will do in which
 * the ranges, which are known not to overlap, do not overlap either:
 *
 *	- bounds of a range that is bounded by two values: in the order read;
 *	- the upper bound of a range that begins before all values, as with
 *	  MINVALUE: before all of them;
 *	- the lower bound of a range that ends after all values: after them.
 *
 * Which of these a value is, is not known when it is compared, but stands in
 * the statement that attaches the partition.  No two bounds are taken for
 * equal, not even adjacent ones: a gap between ranges does no harm, nor do the
 * constraints made of such bounds, because the tables are still empty.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/hsearch.h"

#include "compat.h"
#include "report.h"
#include "twin.h"
#include "upgrade.h"

/* Ranks of values between others start here, far from the extremes. */
#define FIRST_LOW	(-PG_INT32_MAX)
#define FIRST_HIGH	PG_INT32_MAX

typedef struct Rank
{
	uint8		nonce[CELLENC_NONCE_LEN];	/* hash key: tells sealed values
											 * apart */
	int64		rank;
} Rank;

static HTAB *ranks = NULL;
static int64 next_low = FIRST_LOW;
static int64 next_middle = 0;
static int64 next_high = FIRST_HIGH;

static ProcessUtility_hook_type prev_process_utility = NULL;

/* The rank of a sealed value; `fresh` where it has none yet. */
static int64
rank_of(struct varlena *value, int64 fresh)
{
	CellencEnvelope env;
	Rank	   *entry;
	bool		found;

	if (cellenc_envelope_parse((const uint8 *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
							   &env) != CELLENC_OK)
		cellenc_report_status(CELLENC_BAD_FORMAT);
	if (!ranks)
	{
		HASHCTL		ctl;

		ctl.keysize = CELLENC_NONCE_LEN;
		ctl.entrysize = sizeof(Rank);
		ranks = hash_create("cellenc partition bounds", 256, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(ranks, env.nonce, HASH_ENTER, &found);
	if (!found)
		entry->rank = fresh;
	return entry->rank;
}

int
cellenc_upgrade_compare(Datum left, Datum right)
{
	int64		l = rank_of(PG_DETOAST_DATUM_PACKED(left), next_middle++);
	int64		r = rank_of(PG_DETOAST_DATUM_PACKED(right), next_middle++);

	return l < r ? -1 : l > r;
}

/* The sealed value that a bound, as parsed, is; NULL if it is something else. */
static struct varlena *
sealed_value(Node *node)
{
	A_Const    *constant = (A_Const *) node;

	if (!IsA(node, A_Const) || constant->isnull || !IsA(&constant->val, String))
		return NULL;
	return cellenc_twin_decode_sealed(strVal(&constant->val), strlen(strVal(&constant->val)));
}

/*
 * Rank the values of a range.  One that follows other columns is in order
 * among those with the same values there alone; where lower and upper bound
 * differ in these, the range reaches beyond all of them.
 */
static void
rank_range(const PartitionBoundSpec *bound)
{
	ListCell   *lower_cell;
	ListCell   *upper_cell;
	bool		same = true;

	forboth(lower_cell, bound->lowerdatums, upper_cell, bound->upperdatums)
	{
		struct varlena *lower = sealed_value(lfirst(lower_cell));
		struct varlena *upper = sealed_value(lfirst(upper_cell));
		bool		between = same && lower && upper;

		if (lower)
			(void) rank_of(lower, between ? next_middle++ : next_high++);
		if (upper)
			(void) rank_of(upper, between ? next_middle++ : next_low--);
		same = same && equal(lfirst(lower_cell), lfirst(upper_cell));
	}
}

static void
process_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *env,
				DestReceiver *dest, QueryCompletion *completion)
{
	if (IsA(pstmt->utilityStmt, AlterTableStmt))
	{
		ListCell   *cell;

		foreach(cell, ((AlterTableStmt *) pstmt->utilityStmt)->cmds)
		{
			AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

			/* an index is attached without a bound */
			if (cmd->subtype == AT_AttachPartition && castNode(PartitionCmd, cmd->def)->bound)
				rank_range(castNode(PartitionCmd, cmd->def)->bound);
		}
	}

	if (prev_process_utility)
		prev_process_utility(pstmt, query_string, read_only_tree, context, params, env, dest,
							 completion);
	else
		standard_ProcessUtility(pstmt, query_string, read_only_tree, context, params, env, dest,
								completion);
}

void
cellenc_upgrade_init(void)
{
	if (!IsBinaryUpgrade)
		return;
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
