/*-------------------------------------------------------------------------
 *
 * convert_state.c
 *	  Tables cellenc.conversion and cellenc.conversion_heap as structs, and
 *	  the statements that a conversion runs.
 *
 * Every batch saves its state in its own transaction: whoever goes on after a
 * crash finds what goes with the shadow's rows.  Statements of ours run as the
 * bootstrap superuser, with qualified names and a fixed search_path; none
 * calls a function of a user's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "convert.h"

static const char *const phase_names[] = {
	[CELLENC_CONVERT_START] = "start",
	[CELLENC_CONVERT_COPY] = "copy",
	[CELLENC_CONVERT_INDEX] = "index",
	[CELLENC_CONVERT_CATCH_UP] = "catch_up",
	[CELLENC_CONVERT_SWITCH] = "switch",
	[CELLENC_CONVERT_SWITCHED] = "switched",
	[CELLENC_CONVERT_VACUUM] = "vacuum",
	[CELLENC_CONVERT_CLEAN_UP] = "clean_up"
};

#define MAX_PARAMS 12

/* Parameters of a statement. */
typedef struct Params
{
	int			count;
	Oid			types[MAX_PARAMS];
	Datum		values[MAX_PARAMS];
	char		nulls[MAX_PARAMS];
} Params;

static void
put(Params *params, Oid type, Datum value, bool isnull)
{
	Assert(params->count < MAX_PARAMS);
	params->types[params->count] = type;
	params->values[params->count] = value;
	params->nulls[params->count] = isnull ? 'n' : ' ';
	params->count++;
}

static void
put_text(Params *params, const char *value)
{
	put(params, TEXTOID, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

static void
put_texts(Params *params, List *values)
{
	Datum	   *elements = palloc(list_length(values) * sizeof(Datum));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, values)
		elements[n++] = CStringGetTextDatum(lfirst(lc));
	put(params, TEXTARRAYOID,
		PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT)), false);
}

/*
 * Run a statement as the bootstrap superuser.  Its rows are in SPI_tuptable
 * when f is called, with the caller's memory context current.
 */
static void
execute(const char *sql, Params *params, void (*f) (void *arg), void *arg)
{
	MemoryContext cxt = CurrentMemoryContext;
	int			nestlevel = cellenc_convert_enter(-1);
	Oid			save_userid;
	int			save_sec_context;
	int			result;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	result = SPI_execute_with_args(sql, params ? params->count : 0, params ? params->types : NULL,
								   params ? params->values : NULL, params ? params->nulls : NULL,
								   false, 0);
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
	if (f)
	{
		MemoryContext spicxt = MemoryContextSwitchTo(cxt);

		f(arg);
		MemoryContextSwitchTo(spicxt);
	}
	SPI_finish();
	SetUserIdAndSecContext(save_userid, save_sec_context);
	cellenc_convert_leave(nestlevel);
}

void
cellenc_convert_run(const char *fmt,...)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&sql, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&sql, needed);
	}
	execute(sql.data, NULL, NULL, NULL);
	pfree(sql.data);
}

void
cellenc_convert_run_as(Oid role, const char *sql)
{
	Oid			save_userid;
	int			save_sec_context;
	int			result;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(role, save_sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
	SPI_finish();
	SetUserIdAndSecContext(save_userid, save_sec_context);
}

static void
set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

int
cellenc_convert_enter(int lock_timeout_ms)
{
	int			nestlevel = NewGUCNestLevel();

	set("search_path", "pg_catalog, pg_temp");
	set("default_tablespace", "");
	set("row_security", "off");
	set("cellenc.input", "plain");
	if (lock_timeout_ms >= 0)
	{
		set("lock_timeout", psprintf("%d", lock_timeout_ms));
		/* autovacuum gives way to who looks for a deadlock */
		set("deadlock_timeout", psprintf("%d", lock_timeout_ms / 4));
	}
	return nestlevel;
}

void
cellenc_convert_leave(int nestlevel)
{
	AtEOXact_GUC(false, nestlevel);
}

/*
 * Rows
 */

static Datum
get(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/* 0 for null, as for the other getters. */
static int64
get_int(int row, int column)
{
	bool		isnull;
	Datum		value = get(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static char *
get_text(int row, int column)
{
	bool		isnull;
	Datum		value = get(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static List *
get_texts(int row, int column)
{
	bool		isnull;
	Datum		value = get(row, column, &isnull);
	Datum	   *elements;
	int			n;
	List	   *list = NIL;

	if (isnull)
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &n);
	for (int i = 0; i < n; i++)
		list = lappend(list, TextDatumGetCString(elements[i]));
	return list;
}

static CellencConvertPhase
get_phase(const char *name)
{
	for (size_t i = 0; i < lengthof(phase_names); i++)
	{
		if (name && strcmp(phase_names[i], name) == 0)
			return i;
	}
	elog(ERROR, "unrecognized phase \"%s\" in table cellenc.conversion", name ? name : "");
}

typedef struct Loading
{
	CellencConversion *conversion;
	bool		found;
} Loading;

static void
read_conversion(void *arg)
{
	Loading    *loading = arg;
	CellencConversion *conversion = loading->conversion;

	loading->found = SPI_processed == 1;
	if (!loading->found)
		return;
	conversion->relation = (Oid) get_int(0, 1);
	conversion->attnum = (AttrNumber) get_int(0, 2);
	conversion->role = (Oid) get_int(0, 3);
	conversion->type = (Oid) get_int(0, 4);
	conversion->typmod = (int32) get_int(0, 5);
	conversion->collation = (Oid) get_int(0, 6);
	conversion->key_version = (int32) get_int(0, 7);
	conversion->phase = get_phase(get_text(0, 8));
	conversion->settled = get_int(0, 9) != 0;
	conversion->error = get_text(0, 10);
}

static void
read_heaps(void *arg)
{
	CellencConversion *conversion = arg;

	for (uint64 row = 0; row < SPI_processed; row++)
	{
		CellencConvertHeap *heap = palloc(sizeof(CellencConvertHeap));

		heap->relation = (Oid) get_int(row, 1);
		heap->file = (Oid) get_int(row, 2);
		heap->shadow = (Oid) get_int(row, 3);
		heap->log = (Oid) get_int(row, 4);
		heap->map = (Oid) get_int(row, 5);
		heap->trigger = (Oid) get_int(row, 6);
		heap->next_block = get_int(row, 7);
		heap->end_block = get_int(row, 8);
		heap->indexed = get_int(row, 9) != 0;
		heap->indexes = get_texts(row, 10);
		conversion->heaps = lappend(conversion->heaps, heap);
	}
}

bool
cellenc_convert_load(int64 job, CellencConversion *conversion)
{
	Params		params = {0};
	Loading		loading = {conversion, false};

	memset(conversion, 0, sizeof(*conversion));
	conversion->job = job;
	put(&params, INT8OID, Int64GetDatum(job), false);
	execute("SELECT relation::int8, attnum::int8, role::int8, type::int8, typmod::int8, column_collation::int8,"
			" key_version::int8, phase, settled::int::int8, error FROM cellenc.conversion WHERE job = $1",
			&params, read_conversion, &loading);
	if (loading.found)
		execute("SELECT relation::int8, file::int8, shadow::int8, log::int8, map::int8, trigger::int8,"
				" next_block, end_block, indexed::int::int8, indexes"
				" FROM cellenc.conversion_heap WHERE job = $1 ORDER BY relation",
				&params, read_heaps, conversion);
	return loading.found;
}

void
cellenc_convert_insert(const CellencConversion *conversion)
{
	Params		params = {0};

	put(&params, INT8OID, Int64GetDatum(conversion->job), false);
	put(&params, OIDOID, ObjectIdGetDatum(conversion->relation), false);
	put(&params, INT2OID, Int16GetDatum(conversion->attnum), false);
	put(&params, OIDOID, ObjectIdGetDatum(conversion->role), false);
	put(&params, OIDOID, ObjectIdGetDatum(conversion->type), false);
	put(&params, INT4OID, Int32GetDatum(conversion->typmod), false);
	put(&params, OIDOID, ObjectIdGetDatum(conversion->collation), false);
	put_text(&params, phase_names[conversion->phase]);
	execute("INSERT INTO cellenc.conversion (job, relation, attnum, role, type, typmod, column_collation, phase)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", &params, NULL, NULL);
}

void
cellenc_convert_save(const CellencConversion *conversion)
{
	Params		params = {0};

	put(&params, INT8OID, Int64GetDatum(conversion->job), false);
	put(&params, INT4OID, Int32GetDatum(conversion->key_version), false);
	put_text(&params, phase_names[conversion->phase]);
	put(&params, BOOLOID, BoolGetDatum(conversion->settled), false);
	put_text(&params, conversion->error);
	execute("UPDATE cellenc.conversion SET key_version = $2, phase = $3, settled = $4, error = $5 WHERE job = $1",
			&params, NULL, NULL);
}

static void
write_heap(const char *sql, int64 job, const CellencConvertHeap *heap)
{
	Params		params = {0};

	put(&params, INT8OID, Int64GetDatum(job), false);
	put(&params, OIDOID, ObjectIdGetDatum(heap->relation), false);
	put(&params, OIDOID, ObjectIdGetDatum(heap->file), false);
	put(&params, OIDOID, ObjectIdGetDatum(heap->shadow), false);
	put(&params, OIDOID, ObjectIdGetDatum(heap->log), false);
	put(&params, OIDOID, ObjectIdGetDatum(heap->map), false);
	put(&params, OIDOID, ObjectIdGetDatum(heap->trigger), false);
	put(&params, INT8OID, Int64GetDatum(heap->next_block), false);
	put(&params, INT8OID, Int64GetDatum(heap->end_block), false);
	put(&params, BOOLOID, BoolGetDatum(heap->indexed), false);
	put_texts(&params, heap->indexes);
	execute(sql, &params, NULL, NULL);
}

void
cellenc_convert_insert_heap(int64 job, const CellencConvertHeap *heap)
{
	write_heap("INSERT INTO cellenc.conversion_heap (job, relation, file, shadow, log, map, trigger,"
			   " next_block, end_block, indexed, indexes)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", job, heap);
}

void
cellenc_convert_save_heap(int64 job, const CellencConvertHeap *heap)
{
	write_heap("UPDATE cellenc.conversion_heap SET file = $3, shadow = $4, log = $5, map = $6, trigger = $7,"
			   " next_block = $8, end_block = $9, indexed = $10, indexes = $11"
			   " WHERE job = $1 AND relation = $2", job, heap);
}

void
cellenc_convert_delete_heap(int64 job, Oid relation)
{
	cellenc_convert_run("DELETE FROM cellenc.conversion_heap WHERE job = " INT64_FORMAT
						" AND relation = %u", job, relation);
}

void
cellenc_convert_delete(int64 job)
{
	cellenc_convert_run("DELETE FROM cellenc.conversion_heap WHERE job = " INT64_FORMAT, job);
	cellenc_convert_run("DELETE FROM cellenc.conversion WHERE job = " INT64_FORMAT, job);
}

static void
read_number(void *arg)
{
	*(int64 *) arg = SPI_processed > 0 ? get_int(0, 1) : 0;
}

int64
cellenc_convert_older(const CellencConversion *conversion)
{
	Params		params = {0};
	int64		number;

	put(&params, INT8OID, Int64GetDatum(conversion->job), false);
	put(&params, OIDOID, ObjectIdGetDatum(conversion->relation), false);
	execute("WITH RECURSIVE up AS (SELECT $2 AS relation UNION"
			" SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.relation),"
			" tree AS (SELECT relation FROM up UNION"
			" SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.relation)"
			" SELECT min(c.job) FROM cellenc.conversion c WHERE c.job < $1"
			" AND c.relation IN (SELECT relation FROM tree)",
			&params, read_number, &number);
	return number;
}

int64
cellenc_convert_of_column(Oid relation, AttrNumber attnum)
{
	Params		params = {0};
	int64		number;

	put(&params, OIDOID, ObjectIdGetDatum(relation), false);
	put(&params, INT2OID, Int16GetDatum(attnum), false);
	execute("SELECT job FROM cellenc.conversion WHERE relation = $1 AND attnum = $2", &params,
			read_number, &number);
	return number;
}
