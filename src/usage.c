/*-------------------------------------------------------------------------
 *
 * usage.c
 *	  How many values are stored under which versions, and whether they open.
 *
 * cellenc_usage looks at the first bytes of every value of a key,
 * cellenc_verify opens values.  Both count what the calling statement's
 * snapshot sees, one relation after the other.
 *
 * Touches scan, columns, keyring, codec.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "codec.h"
#include "columns.h"
#include "compat.h"
#include "guarded.h"
#include "keyring.h"
#include "report.h"
#include "scan.h"

PG_FUNCTION_INFO_V1(cellenc_usage);
PG_FUNCTION_INFO_V1(cellenc_verify);

/* WARNINGs that verify writes for values that do not open; more are counted. */
#define MAX_FAILED_SHOWN 100

/* Values of a column under one version; version id 0: under none. */
typedef struct CountKey
{
	AttrNumber	attnum;
	uint32		version_id;
} CountKey;

typedef struct Count
{
	CountKey	key;			/* hash key */

	/* of the version, where it is known */
	bool		known;
	bool		wanted;			/* counted at all */
	bool		usable;
	int32		version;
	char		name[NAMEDATALEN];

	int64		values;
	int64		failed;
} Count;

typedef struct Counting
{
	const pg_uuid_t *only_key;	/* values of other keys are not counted */
	bool		opens;
	int64		shown;			/* WARNINGs so far */
	HTAB	   *counts;			/* of the relation at hand */
} Counting;

/*
 * Counting
 */

static void
describe_version(Count *count, const pg_uuid_t *only_key)
{
	CellencVersionRow version;
	CellencKeyRow key;

	count->known = count->key.version_id != 0 &&
		cellenc_keycatalog_version(count->key.version_id, &version);
	count->usable = false;
	count->version = 0;
	count->name[0] = '\0';
	if (count->known)
	{
		count->usable = version.state == CELLENC_CURRENT || version.state == CELLENC_DECRYPT_ONLY;
		count->version = version.version;
		if (cellenc_keycatalog_key_by_id(&version.key, &key))
			strlcpy(count->name, key.name, sizeof(count->name));
	}
	count->wanted = !only_key ||
		(count->known && memcmp(&version.key, only_key, sizeof(pg_uuid_t)) == 0);
}

static Count *
find_count(Counting *counting, AttrNumber attnum, uint32 version_id)
{
	CountKey	key;
	Count	   *count;
	bool		found;

	memset(&key, 0, sizeof(key));
	key.attnum = attnum;
	key.version_id = version_id;
	count = hash_search(counting->counts, &key, HASH_ENTER, &found);
	if (!found)
	{
		count->values = count->failed = 0;
		describe_version(count, counting->only_key);
	}
	return count;
}

typedef struct OpenCall
{
	const CellencTwin *twin;
	bool		authentic;
} OpenCall;

static void
open_out_of_line(void *context, void *arg)
{
	const CellencStored *stored = context;
	OpenCall   *call = arg;

	call->authentic = cellenc_codec_is_authentic(call->twin, stored->value);
}

/*
 * Does the value open?  One out of line may have lost its bytes, which is an
 * error that only a subtransaction survives.
 */
static bool
opens(const CellencStored *stored)
{
	OpenCall	call = {cellenc_twin_require(stored->leaf->twin), false};
	struct varlena *ptr = (struct varlena *) DatumGetPointer(stored->value);

	if (!VARATT_IS_EXTERNAL(ptr) && !VARATT_IS_COMPRESSED(ptr))
		return cellenc_codec_is_authentic(call.twin, stored->value);
	return cellenc_guarded_run(open_out_of_line, unconstify(CellencStored *, stored), &call,
							   cellenc_guarded_is_corruption, NULL) && call.authentic;
}

static void
show_failed(Counting *counting, const CellencStored *stored, const Count *count)
{
	/* that a version is missing or retired needs to be said but once */
	if (stored->version_id != 0 && !count->usable && count->failed > 1)
		return;
	if (counting->shown++ >= MAX_FAILED_SHOWN)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("value in column \"%s\" of relation \"%s\", row (%u,%u), cannot be opened",
					NameStr(TupleDescAttr(RelationGetDescr(stored->rel), stored->attnum - 1)->attname),
					RelationGetRelationName(stored->rel),
					ItemPointerGetBlockNumber(&stored->tid),
					ItemPointerGetOffsetNumber(&stored->tid)),
			 stored->version_id == 0 ? errdetail("Its bytes are no encrypted value.") :
			 !count->known ? errdetail("Its key version, with id %u, does not exist in this database.",
									   stored->version_id) :
			 !count->usable ? errdetail("Its key version is disabled or destroyed.") :
			 errdetail("The value has been altered, or belongs to another type or server encoding.")));
}

/* A CellencScanVisitor. */
static void
count_value(const CellencStored *stored, void *arg)
{
	Counting   *counting = arg;
	Count	   *count = find_count(counting, stored->attnum, stored->version_id);

	if (!count->wanted)
		return;
	count->values++;
	if (!counting->opens || (count->usable && opens(stored)))
		return;
	count->failed++;
	show_failed(counting, stored, count);
}

static int
compare_counts(const ListCell *a, const ListCell *b)
{
	const Count *left = lfirst(a);
	const Count *right = lfirst(b);

	if (left->key.attnum != right->key.attnum)
		return left->key.attnum - right->key.attnum;
	if (strcmp(left->name, right->name) != 0)
		return strcmp(left->name, right->name);
	if (left->version != right->version)
		return left->version < right->version ? -1 : 1;
	return (left->key.version_id > right->key.version_id) -
		(left->key.version_id < right->key.version_id);
}

/* The counts of a relation, in the order of columns, keys and versions. */
static List *
count_relation(Counting *counting, Relation rel, double percent)
{
	HASHCTL		ctl;
	HASH_SEQ_STATUS status;
	Count	   *count;
	List	   *list = NIL;

	ctl.keysize = sizeof(CountKey);
	ctl.entrysize = sizeof(Count);
	ctl.hcxt = CurrentMemoryContext;
	counting->counts = hash_create("cellenc counts", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	cellenc_scan_relation(rel, CELLENC_SCAN_VISIBLE, percent, count_value, counting);

	hash_seq_init(&status, counting->counts);
	while ((count = hash_seq_search(&status)) != NULL)
	{
		if (count->wanted)
			list = lappend(list, count);
	}
	list_sort(list, compare_counts);
	return list;
}

/*
 * cellenc_usage
 */

static void
put_usage(ReturnSetInfo *rsinfo, Relation rel, List *counts)
{
	ListCell   *lc;

	foreach(lc, counts)
	{
		const Count *count = lfirst(lc);
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = ObjectIdGetDatum(RelationGetRelid(rel));
		values[1] = NameGetDatum(&TupleDescAttr(RelationGetDescr(rel), count->key.attnum - 1)->attname);
		values[2] = Int32GetDatum(count->version);
		values[3] = Int64GetDatum(count->values);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/* cellenc_usage(key): how many values are stored under each of its versions. */
Datum
cellenc_usage(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	CellencKey *key;
	CellencKeyRow row;
	Counting	counting = {0};
	MemoryContext relation_cxt;
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);
	key = cellenc_keyring_require_key(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	cellenc_keyring_check(key, CELLENC_PRIV_MANAGE);
	row = key->row;

	counting.only_key = &row.id;
	relation_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc usage", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, cellenc_columns_stored(row.name_hash))
	{
		Relation	rel = cellenc_scan_open(lfirst_oid(lc));
		MemoryContext oldcxt;

		if (!rel)
			continue;
		oldcxt = MemoryContextSwitchTo(relation_cxt);
		put_usage(rsinfo, rel, count_relation(&counting, rel, 100));
		MemoryContextSwitchTo(oldcxt);
		MemoryContextReset(relation_cxt);
		relation_close(rel, AccessShareLock);
	}
	return (Datum) 0;
}

/*
 * cellenc_verify
 */

static void
put_verified(ReturnSetInfo *rsinfo, Relation rel, List *counts)
{
	ListCell   *lc;

	foreach(lc, counts)
	{
		const Count *count = lfirst(lc);
		Datum		values[6] = {0};
		bool		nulls[6] = {false};

		values[0] = ObjectIdGetDatum(RelationGetRelid(rel));
		values[1] = NameGetDatum(&TupleDescAttr(RelationGetDescr(rel), count->key.attnum - 1)->attname);
		nulls[2] = count->name[0] == '\0';
		if (!nulls[2])
			values[2] = CStringGetTextDatum(count->name);
		nulls[3] = !count->known;
		values[3] = Int32GetDatum(count->version);
		values[4] = Int64GetDatum(count->values);
		values[5] = Int64GetDatum(count->failed);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/* 42501 unless the caller may decrypt with every key of the relation's columns. */
static void
check_decrypt(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		CellencWalk *walk;
		ListCell   *lc;

		walk = att->attisdropped ? NULL : cellenc_walk_plan(att->atttypid, att->atttypmod);
		foreach(lc, walk ? cellenc_walk_leaves(walk) : NIL)
		{
			CellencLeaf *leaf = lfirst(lc);
			CellencKey *key = leaf->typmod < 0 ? NULL :
			cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(leaf->typmod));

			if (key)
				cellenc_keyring_check(key, CELLENC_PRIV_DECRYPT);
		}
	}
}

/* The relations to verify: one with its partitions and children, or all. */
static List *
relations_to_verify(FunctionCallInfo fcinfo)
{
	Oid			relid;

	if (PG_ARGISNULL(0))
		return cellenc_columns_stored(-1);
	relid = PG_GETARG_OID(0);
	if (!get_rel_name(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return find_all_inheritors(relid, NoLock, NULL);
}

/* cellenc_verify(rel, sample_percent): opens values and counts what does not open. */
Datum
cellenc_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	float4		percent;
	Counting	counting = {0};
	MemoryContext relation_cxt;
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);
	percent = PG_ARGISNULL(1) ? -1 : PG_GETARG_FLOAT4(1);
	if (!(percent >= 0 && percent <= 100))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample percentage must be between 0 and 100")));

	counting.opens = true;
	relation_cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc verify", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, relations_to_verify(fcinfo))
	{
		Relation	rel = cellenc_scan_open(lfirst_oid(lc));
		MemoryContext oldcxt;

		if (!rel)
			continue;
		oldcxt = MemoryContextSwitchTo(relation_cxt);
		check_decrypt(rel);
		put_verified(rsinfo, rel, count_relation(&counting, rel, percent));
		MemoryContextSwitchTo(oldcxt);
		MemoryContextReset(relation_cxt);
		relation_close(rel, AccessShareLock);
	}
	return (Datum) 0;
}
