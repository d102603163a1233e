/*-------------------------------------------------------------------------
 *
 * row_indexes.c
 *	  The indexes of a relation whose rows are written past the executor.
 *
 * Index expressions and predicates, and support functions of index types, may
 * be any user's code.  They run as the table's owner, in a security-restricted
 * operation and without any right to open values.  Only the insertion into an
 * index whose key holds a twin lets cellenc's comparators open values.  The
 * caller has set a fixed search_path.
 *
 * Touches codec, walk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/rel.h"

#include "codec.h"
#include "compat.h"
#include "row_indexes.h"
#include "walk.h"

struct CellencRowIndexes
{
	Relation	rel;
	Oid			owner;
	int			count;
	Relation   *relations;
	IndexInfo **infos;
	bool	   *holds_twin;
	EState	   *estate;
};

/*
 * Does the index compare or hash twins?  Its own columns do not tell: that of
 * a hash or a term is of another type.
 */
static bool
key_holds_twin(Relation rel, IndexInfo *info)
{
	ListCell   *expression = list_head(info->ii_Expressions);

	for (int i = 0; i < info->ii_NumIndexKeyAttrs; i++)
	{
		AttrNumber	attnum = info->ii_IndexAttrNumbers[i];
		Oid			type = InvalidOid;

		if (attnum == 0)
		{
			type = exprType(lfirst(expression));
			expression = lnext(info->ii_Expressions, expression);
		}
		else if (attnum > 0)
			type = TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid;
		if (OidIsValid(type) && cellenc_walk_contains(type))
			return true;
	}
	return false;
}

static void
open_indexes(CellencRowIndexes *indexes, List *oids)
{
	ListCell   *cell;

	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo  *info = BuildIndexInfo(index);

		indexes->relations[indexes->count] = index;
		indexes->infos[indexes->count] = info;
		indexes->holds_twin[indexes->count] = key_holds_twin(indexes->rel, info);
		indexes->count++;
	}
}

CellencRowIndexes *
cellenc_row_indexes_open(Relation rel, Oid owner)
{
	CellencRowIndexes *indexes = palloc(sizeof(CellencRowIndexes));
	List	   *oids = RelationGetIndexList(rel);
	Oid			save_userid;
	int			save_sec_context;

	indexes->rel = rel;
	indexes->owner = owner;
	indexes->count = 0;
	indexes->relations = palloc(list_length(oids) * sizeof(Relation));
	indexes->infos = palloc(list_length(oids) * sizeof(IndexInfo *));
	indexes->holds_twin = palloc(list_length(oids) * sizeof(bool));
	indexes->estate = CreateExecutorState();

	/* to read an expression is to evaluate what is constant in it */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(owner, save_sec_context | SECURITY_RESTRICTED_OPERATION);
	open_indexes(indexes, oids);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	list_free(oids);
	return indexes;
}

void
cellenc_row_indexes_close(CellencRowIndexes *indexes)
{
	for (int i = 0; i < indexes->count; i++)
	{
		index_insert_cleanup(indexes->relations[i], indexes->infos[i]);
		index_close(indexes->relations[i], NoLock);
	}
	FreeExecutorState(indexes->estate);
	pfree(indexes);
}

static void
insert_entry(CellencRowIndexes *indexes, int i, TupleTableSlot *slot)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	IndexInfo  *info = indexes->infos[i];
	ExprContext *econtext = GetPerTupleExprContext(indexes->estate);

	econtext->ecxt_scantuple = slot;
	if (info->ii_Predicate != NIL)
	{
		if (info->ii_PredicateState == NULL)
			info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, indexes->estate);
		if (!ExecQual(info->ii_PredicateState, econtext))
			return;
	}
	FormIndexDatum(info, slot, indexes->estate, values, nulls);

	/*
	 * No look for duplicates: the value is the one that the row already has,
	 * and so no exclusion or foreign key constraint is concerned either.
	 */
	cellenc_codec_allow_compare(indexes->holds_twin[i]);
	PG_TRY();
	{
		index_insert(indexes->relations[i], values, nulls, &slot->tts_tid, indexes->rel,
					 UNIQUE_CHECK_NO, true, info);
	}
	PG_FINALLY();
	{
		cellenc_codec_allow_compare(false);
	}
	PG_END_TRY();
}

void
cellenc_row_indexes_insert(CellencRowIndexes *indexes, TupleTableSlot *slot, TU_UpdateIndexes which)
{
	Oid			save_userid;
	int			save_sec_context;

	if (which == TU_None)
		return;

	/* an ERROR restores both with the subtransaction */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(indexes->owner, save_sec_context | SECURITY_RESTRICTED_OPERATION);
	for (int i = 0; i < indexes->count; i++)
	{
		if (!indexes->infos[i]->ii_ReadyForInserts)
			continue;
		if (which == TU_Summarizing && !cellenc_index_summarizes(indexes->infos[i]))
			continue;
		insert_entry(indexes, i, slot);
	}
	SetUserIdAndSecContext(save_userid, save_sec_context);
	ResetPerTupleExprContext(indexes->estate);
}
