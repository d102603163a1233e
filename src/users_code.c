/*-------------------------------------------------------------------------
 *
 * users_code.c
 *	  Does an index run code of its owner while it is built?
 *
 * Told by the catalog's expressions: the relation cache would simplify them,
 * and so call such functions with our rights.  Operator classes do not matter,
 * because superusers alone make them.
 *
 * Touches nothing of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_index.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "users_code.h"

static bool
is_user_function(Oid function, void *context)
{
	return function >= FirstGenbkiObjectId;
}

static bool
calls_user_function(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain) || check_functions_in_node(node, is_user_function, NULL))
		return true;
	return expression_tree_walker(node, calls_user_function, NULL);
}

static bool
attribute_calls_user_function(HeapTuple tuple, AttrNumber attno, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attno, desc, &isnull);

	return !isnull && calls_user_function(stringToNode(TextDatumGetCString(value)), NULL);
}

bool
cellenc_users_code_in_index(Oid index)
{
	Relation	rel = table_open(IndexRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		result = true;

	ScanKeyInit(&key, Anum_pg_index_indexrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(index));
	scan = systable_beginscan(rel, IndexRelidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		result = attribute_calls_user_function(tuple, Anum_pg_index_indexprs, RelationGetDescr(rel)) ||
			attribute_calls_user_function(tuple, Anum_pg_index_indpred, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}
