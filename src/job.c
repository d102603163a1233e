/*-------------------------------------------------------------------------
 *
 * job.c
 *	  Table cellenc.job: rows as structs, and the states of a job.
 *
 * A job is queued by the transaction that needs it and lives in its row, which
 * every batch saves together with its work: whoever goes on after a crash
 * finds the position of the last batch that committed.  New rows may come at
 * any time; existing ones are changed only by the holder of cellenc_job_lock.
 *
 * Touches keycatalog (for the table's oid) and the launcher's wake-up call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "job.h"
#include "keycatalog.h"
#include "worker.h"

/* Attribute numbers, as in sql/cellenc--1.0.sql. */
enum
{
	JOB_JOB = 1, JOB_KIND, JOB_KEYS, JOB_VERSION, JOB_TARGET, JOB_STATE, JOB_PHASE, JOB_PASS,
	JOB_WAITING_FOR, JOB_WAITING_SINCE, JOB_RELATION, JOB_RELATION_FILE, JOB_NEXT_BLOCK,
	JOB_END_BLOCK, JOB_INDEX, JOB_VACUUMED_BLOCK, JOB_UPDATED, JOB_FOUND, JOB_BAD_VALUES,
	JOB_RELATIONS_DONE, JOB_RELATIONS_TOTAL, JOB_BLOCKS_DONE, JOB_BLOCKS_TOTAL,
	JOB_INDEX_BLOCKS_DONE, JOB_INDEX_BLOCKS_TOTAL, JOB_VALUES_DONE, JOB_BAD_INDEXES,
	JOB_WORKED_MS, JOB_STARTED_AT, JOB_FINISHED_AT, JOB_ERROR, JOB_NATTS = JOB_ERROR
};

static const char *const kind_names[] = {
	[CELLENC_JOB_ROTATE] = "rotate",
	[CELLENC_JOB_REENCRYPT] = "reencrypt",
	[CELLENC_JOB_ENCRYPT_COLUMN] = "encrypt_column",
	[CELLENC_JOB_DECRYPT_COLUMN] = "decrypt_column"
};

static const char *const state_names[] = {
	[CELLENC_JOB_QUEUED] = "queued",
	[CELLENC_JOB_WAITING] = "waiting",
	[CELLENC_JOB_RUNNING] = "running",
	[CELLENC_JOB_PAUSED] = "paused",
	[CELLENC_JOB_DONE] = "done",
	[CELLENC_JOB_FAILED] = "failed",
	[CELLENC_JOB_CANCELLED] = "cancelled"
};

static const char *const phase_names[] = {
	[CELLENC_PHASE_BARRIER] = "barrier",
	[CELLENC_PHASE_PASS] = "pass",
	[CELLENC_PHASE_INDEXES] = "indexes"
};

#define BIT(state) (1 << (state))

/* The states that may follow, as job.h lists them. */
static const int successors[] = {
	[CELLENC_JOB_QUEUED] = BIT(CELLENC_JOB_WAITING) | BIT(CELLENC_JOB_PAUSED) |
	BIT(CELLENC_JOB_FAILED) | BIT(CELLENC_JOB_CANCELLED),
	[CELLENC_JOB_WAITING] = BIT(CELLENC_JOB_RUNNING) | BIT(CELLENC_JOB_PAUSED) |
	BIT(CELLENC_JOB_FAILED) | BIT(CELLENC_JOB_CANCELLED),
	[CELLENC_JOB_RUNNING] = BIT(CELLENC_JOB_WAITING) | BIT(CELLENC_JOB_PAUSED) |
	BIT(CELLENC_JOB_DONE) | BIT(CELLENC_JOB_FAILED) | BIT(CELLENC_JOB_CANCELLED),
	[CELLENC_JOB_PAUSED] = BIT(CELLENC_JOB_QUEUED) | BIT(CELLENC_JOB_CANCELLED),
	[CELLENC_JOB_DONE] = 0,
	[CELLENC_JOB_FAILED] = 0,
	[CELLENC_JOB_CANCELLED] = 0
};

/*
 * Rows to tuples
 */

typedef struct RowBuilder
{
	Datum		values[JOB_NATTS];
	bool		nulls[JOB_NATTS];
} RowBuilder;

static void
put(RowBuilder *row, AttrNumber attno, Datum value)
{
	row->values[attno - 1] = value;
	row->nulls[attno - 1] = false;
}

static void
put_text(RowBuilder *row, AttrNumber attno, const char *value)
{
	if (value)
		put(row, attno, CStringGetTextDatum(value));
}

static void
put_time(RowBuilder *row, AttrNumber attno, TimestampTz value)
{
	if (value != 0)
		put(row, attno, TimestampTzGetDatum(value));
}

static Datum
keys_datum(const pg_uuid_t *keys, int nkeys)
{
	Datum	   *elements = palloc(nkeys * sizeof(Datum));

	for (int i = 0; i < nkeys; i++)
		elements[i] = UUIDPGetDatum(&keys[i]);
	return PointerGetDatum(construct_array(elements, nkeys, UUIDOID, UUID_LEN, false,
										   TYPALIGN_CHAR));
}

static HeapTuple
form_row(const CellencJob *job, TupleDesc desc)
{
	RowBuilder	row;

	memset(row.values, 0, sizeof(row.values));
	memset(row.nulls, true, sizeof(row.nulls));

	put(&row, JOB_JOB, Int64GetDatum(job->job));
	put_text(&row, JOB_KIND, kind_names[job->kind]);
	put(&row, JOB_KEYS, keys_datum(job->keys, job->nkeys));
	if (job->version != 0)
		put(&row, JOB_VERSION, Int32GetDatum(job->version));
	if (OidIsValid(job->target))
		put(&row, JOB_TARGET, ObjectIdGetDatum(job->target));
	put_text(&row, JOB_STATE, state_names[job->state]);
	put_text(&row, JOB_PHASE, phase_names[job->phase]);
	put(&row, JOB_PASS, Int32GetDatum(job->pass));
	put_text(&row, JOB_WAITING_FOR, job->waiting_for);
	put_time(&row, JOB_WAITING_SINCE, job->waiting_since);
	if (OidIsValid(job->relation))
	{
		put(&row, JOB_RELATION, ObjectIdGetDatum(job->relation));
		put(&row, JOB_RELATION_FILE, ObjectIdGetDatum(job->relation_file));
	}
	put(&row, JOB_NEXT_BLOCK, Int64GetDatum(job->next_block));
	put(&row, JOB_END_BLOCK, Int64GetDatum(job->end_block));
	if (OidIsValid(job->index))
		put(&row, JOB_INDEX, ObjectIdGetDatum(job->index));
	put(&row, JOB_VACUUMED_BLOCK, Int64GetDatum(job->vacuumed_block));
	put(&row, JOB_UPDATED, Int64GetDatum(job->updated));
	put(&row, JOB_FOUND, Int64GetDatum(job->found));
	put(&row, JOB_BAD_VALUES, Int64GetDatum(job->bad_values));
	put(&row, JOB_RELATIONS_DONE, Int32GetDatum(job->relations_done));
	put(&row, JOB_RELATIONS_TOTAL, Int32GetDatum(job->relations_total));
	put(&row, JOB_BLOCKS_DONE, Int64GetDatum(job->blocks_done));
	put(&row, JOB_BLOCKS_TOTAL, Int64GetDatum(job->blocks_total));
	put(&row, JOB_INDEX_BLOCKS_DONE, Int64GetDatum(job->index_blocks_done));
	put(&row, JOB_INDEX_BLOCKS_TOTAL, Int64GetDatum(job->index_blocks_total));
	put(&row, JOB_VALUES_DONE, Int64GetDatum(job->values_done));
	put(&row, JOB_BAD_INDEXES, Int32GetDatum(job->bad_indexes));
	put(&row, JOB_WORKED_MS, Int64GetDatum(job->worked_ms));
	put_time(&row, JOB_STARTED_AT, job->started_at);
	put_time(&row, JOB_FINISHED_AT, job->finished_at);
	put_text(&row, JOB_ERROR, job->error);
	return heap_form_tuple(desc, row.values, row.nulls);
}

/*
 * Tuples to rows
 */

typedef struct RowReader
{
	HeapTuple	tuple;
	TupleDesc	desc;
} RowReader;

/* 0 for null. */
static Datum
get(const RowReader *row, AttrNumber attno)
{
	bool		isnull;
	Datum		value = heap_getattr(row->tuple, attno, row->desc, &isnull);

	return isnull ? (Datum) 0 : value;
}

static int64
get_int64(const RowReader *row, AttrNumber attno)
{
	bool		isnull;
	Datum		value = heap_getattr(row->tuple, attno, row->desc, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static char *
get_text(const RowReader *row, AttrNumber attno)
{
	Datum		value = get(row, attno);

	return value == (Datum) 0 ? NULL : TextDatumGetCString(value);
}

static int
get_name(const RowReader *row, AttrNumber attno, const char *const *names, int count)
{
	char	   *name = get_text(row, attno);

	for (int i = 0; i < count; i++)
	{
		if (name && strcmp(name, names[i]) == 0)
			return i;
	}
	elog(ERROR, "unrecognized value \"%s\" in column %d of table cellenc.job",
		 name ? name : "", attno);
}

static void
get_keys(const RowReader *row, CellencJob *job)
{
	Datum		value = get(row, JOB_KEYS);
	Datum	   *elements;

	if (value == (Datum) 0)
		elog(ERROR, "unexpected null in table cellenc.job");
	deconstruct_array(DatumGetArrayTypeP(value), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
					  &elements, NULL, &job->nkeys);
	job->keys = palloc(job->nkeys * sizeof(pg_uuid_t));
	for (int i = 0; i < job->nkeys; i++)
		job->keys[i] = *DatumGetUUIDP(elements[i]);
}

static void
read_row(const RowReader *row, CellencJob *job)
{
	job->job = get_int64(row, JOB_JOB);
	job->kind = get_name(row, JOB_KIND, kind_names, lengthof(kind_names));
	get_keys(row, job);
	job->version = DatumGetInt32(get(row, JOB_VERSION));
	job->target = DatumGetObjectId(get(row, JOB_TARGET));
	job->state = get_name(row, JOB_STATE, state_names, lengthof(state_names));
	job->phase = get_name(row, JOB_PHASE, phase_names, lengthof(phase_names));
	job->pass = DatumGetInt32(get(row, JOB_PASS));
	job->waiting_for = get_text(row, JOB_WAITING_FOR);
	job->waiting_since = get_int64(row, JOB_WAITING_SINCE);
	job->relation = DatumGetObjectId(get(row, JOB_RELATION));
	job->relation_file = DatumGetObjectId(get(row, JOB_RELATION_FILE));
	job->next_block = get_int64(row, JOB_NEXT_BLOCK);
	job->end_block = get_int64(row, JOB_END_BLOCK);
	job->index = DatumGetObjectId(get(row, JOB_INDEX));
	job->vacuumed_block = get_int64(row, JOB_VACUUMED_BLOCK);
	job->updated = get_int64(row, JOB_UPDATED);
	job->found = get_int64(row, JOB_FOUND);
	job->bad_values = get_int64(row, JOB_BAD_VALUES);
	job->relations_done = DatumGetInt32(get(row, JOB_RELATIONS_DONE));
	job->relations_total = DatumGetInt32(get(row, JOB_RELATIONS_TOTAL));
	job->blocks_done = get_int64(row, JOB_BLOCKS_DONE);
	job->blocks_total = get_int64(row, JOB_BLOCKS_TOTAL);
	job->index_blocks_done = get_int64(row, JOB_INDEX_BLOCKS_DONE);
	job->index_blocks_total = get_int64(row, JOB_INDEX_BLOCKS_TOTAL);
	job->values_done = get_int64(row, JOB_VALUES_DONE);
	job->bad_indexes = DatumGetInt32(get(row, JOB_BAD_INDEXES));
	job->worked_ms = get_int64(row, JOB_WORKED_MS);
	job->started_at = get_int64(row, JOB_STARTED_AT);
	job->finished_at = get_int64(row, JOB_FINISHED_AT);
	job->error = get_text(row, JOB_ERROR);
}

/*
 * The table
 */

static Oid
schema_relation(const char *name)
{
	Oid			relid = get_relname_relid(name, get_namespace_oid("cellenc", false));

	if (!OidIsValid(relid))
		elog(ERROR, "could not find relation cellenc.%s", name);
	return relid;
}

static SysScanDesc
begin_row_scan(Relation rel, int64 number)
{
	ScanKeyData key;

	ScanKeyInit(&key, JOB_JOB, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(number));
	return systable_beginscan(rel, schema_relation("job_pkey"), true, NULL, 1, &key);
}

int64
cellenc_job_queue(CellencJob *job)
{
	Relation	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_JOB, false),
								 RowExclusiveLock);

	job->job = nextval_internal(schema_relation("job_job_seq"), false);
	job->state = CELLENC_JOB_QUEUED;
	job->phase = CELLENC_PHASE_BARRIER;
	job->pass = 1;
	CatalogTupleInsert(rel, form_row(job, RelationGetDescr(rel)));
	table_close(rel, NoLock);
	cellenc_launcher_start_at_commit();
	return job->job;
}

bool
cellenc_job_load(int64 number, CellencJob *job)
{
	Relation	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_JOB, false),
								 AccessShareLock);
	SysScanDesc scan = begin_row_scan(rel, number);
	RowReader	row = {systable_getnext(scan), RelationGetDescr(rel)};
	bool		found = HeapTupleIsValid(row.tuple);

	if (found)
	{
		read_row(&row, job);
		job->writer = HeapTupleHeaderGetXmin(row.tuple->t_data);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

static int
compare_numbers(const ListCell *a, const ListCell *b)
{
	int64		left = *(int64 *) lfirst(a);
	int64		right = *(int64 *) lfirst(b);

	return (left > right) - (left < right);
}

List *
cellenc_job_unfinished(bool paused)
{
	Relation	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_JOB, false),
								 AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	RowReader	row = {NULL, RelationGetDescr(rel)};
	List	   *list = NIL;

	while (HeapTupleIsValid(row.tuple = systable_getnext(scan)))
	{
		int64	   *number;

		if (get_int64(&row, JOB_FINISHED_AT) != 0)
			continue;
		if (!paused &&
			get_name(&row, JOB_STATE, state_names, lengthof(state_names)) == CELLENC_JOB_PAUSED)
			continue;
		number = palloc(sizeof(int64));
		*number = get_int64(&row, JOB_JOB);
		list = lappend(list, number);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	list_sort(list, compare_numbers);
	return list;
}

static bool
is_about(const CellencJob *job, const pg_uuid_t *key)
{
	for (int i = 0; i < job->nkeys; i++)
	{
		if (memcmp(&job->keys[i], key, sizeof(pg_uuid_t)) == 0)
			return true;
	}
	return false;
}

TimestampTz
cellenc_job_last_done(const pg_uuid_t *key, TimestampTz since)
{
	Relation	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_JOB, false),
								 AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	RowReader	row = {NULL, RelationGetDescr(rel)};
	TimestampTz last = 0;

	while (HeapTupleIsValid(row.tuple = systable_getnext(scan)))
	{
		CellencJob	job;

		read_row(&row, &job);
		if (job.state == CELLENC_JOB_DONE && job.started_at > since && job.finished_at > last &&
			(job.kind == CELLENC_JOB_ROTATE || job.kind == CELLENC_JOB_REENCRYPT) && is_about(&job, key))
			last = job.finished_at;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return last;
}

/*
 * Not a lock on the table: new jobs and autovacuum have business there.  The
 * lock of the table as an "object" is used by nobody else.
 */
bool
cellenc_job_lock(bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId,
					   cellenc_keycatalog_table(CELLENC_TABLE_JOB, false), 0);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
cellenc_job_save(const CellencJob *job)
{
	Relation	rel = table_open(cellenc_keycatalog_table(CELLENC_TABLE_JOB, false),
								 RowExclusiveLock);
	SysScanDesc scan = begin_row_scan(rel, job->job);
	HeapTuple	old = systable_getnext(scan);

	if (!HeapTupleIsValid(old))
		elog(ERROR, "could not find job " INT64_FORMAT, job->job);
	CatalogTupleUpdate(rel, &old->t_self, form_row(job, RelationGetDescr(rel)));
	systable_endscan(scan);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * States
 */

bool
cellenc_job_has_ended(const CellencJob *job)
{
	return successors[job->state] == 0;
}

void
cellenc_job_set_state(CellencJob *job, CellencJobState state)
{
	if (job->state == state)
		return;
	if (!(successors[job->state] & BIT(state)))
		elog(ERROR, "job " INT64_FORMAT " cannot go from state \"%s\" to \"%s\"",
			 job->job, state_names[job->state], state_names[state]);

	if (job->state == CELLENC_JOB_QUEUED && job->started_at == 0)
		job->started_at = GetCurrentTimestamp();
	job->state = state;
	if (state != CELLENC_JOB_WAITING)
	{
		job->waiting_for = NULL;
		job->waiting_since = 0;
	}
	if (cellenc_job_has_ended(job))
		job->finished_at = GetCurrentTimestamp();
	cellenc_launcher_wake_at_commit();
}

void
cellenc_job_wait_for(CellencJob *job, const char *what, TimestampTz since)
{
	cellenc_job_set_state(job, CELLENC_JOB_WAITING);
	job->waiting_for = pstrdup(what);
	job->waiting_since = since;
	cellenc_launcher_wake_at_commit();
}
