/*-------------------------------------------------------------------------
 *
 * suggest.c
 *	  cellenc_suggest_columns(): columns that should be encrypted, and how.
 *
 * Which columns there are, and what hangs on them, is asked in SQL, with a
 * search_path that the function's definition pins; what they hold is judged by
 * detect.c and detect_name.c.  Nothing is changed.
 *
 * Values are read on request only, some hundreds of a column, and what leaves
 * this file is how many of them are of which kind.  No code of users runs: only
 * heaps are read, no generated columns, and values get no cast but that of
 * built-in types.  They are not read in SQL, because planning a query evaluates
 * expressions of the table's indexes and statistics.
 *
 * doc/suggest.md explains it to users.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "detect.h"
#include "redact.h"
#include "report.h"

PG_FUNCTION_INFO_V1(cellenc_suggest_columns);

#define SAMPLE_VALUES 300		/* of a column */
#define SAMPLE_BLOCKS 100		/* of a table, read for each of its columns */
#define SAMPLE_TABLES 8			/* the largest partitions or children */

/* So many values, and such a part of all, are no accident. */
#define ENOUGH_VALUES 3
#define ENOUGH_PERCENT 20

/* What ddl names; whoever calls it has keys with names of their own. */
#define KEY_NAME "pii"

typedef struct Column
{
	Oid			relid;
	char	   *table;
	char	   *name;
	Oid			type;			/* as declared */
	Oid			element;		/* without domains and array */
	char		category;		/* of element */
	bool		is_array;
	bool		is_domain;
	bool		readable;		/* as text without code of users */
	Oid			twin;			/* of element; InvalidOid: there is none */
	bool		has_term;
	bool		looked_up;		/* has a unique or a hash index */
	char	   *constraint;		/* that orders it, or NULL */
	char	   *ordered;		/* btree index, or NULL */
	char	   *new_twin;		/* name for the twin if there is none */
} Column;

/*
 * Tables of users, and of these the columns that cellenc_encrypt_column() may
 * convert: those of the topmost table of a tree only.
 */
static const char columns_query[] =
"WITH RECURSIVE plain (type, base) AS ("
" SELECT oid, oid FROM pg_type WHERE typtype <> 'd'"
" UNION ALL SELECT t.oid, p.base FROM plain p JOIN pg_type t ON t.typtype = 'd' AND t.typbasetype = p.type), "
"twins (base, twin) AS ("
" SELECT c.casttarget, min(c.castsource) FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc"
" WHERE p.prosrc = 'cellenc_twin_open' GROUP BY 1), "
"keys (relid, attnum, looked_up, ordered) AS ("
" SELECT i.indrelid, k.attnum, bool_or(i.indisunique OR m.amname = 'hash'), min(c.relname::text) FILTER (WHERE m.amname = 'btree')"
" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam,"
" unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) k (attnum) GROUP BY 1, 2), "
"members (classid, oid) AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e') "
"SELECT c.oid, c.relname::text, a.attname::text, a.atttypid, e.oid, e.typcategory, b.typcategory = 'A',"
" a.atttypid <> b.oid OR p.type <> e.oid,"
" b.typcategory <> 'A' AND (e.oid IN ('text'::regtype, 'bpchar'::regtype, 'int8'::regtype, 'numeric'::regtype)"
"  OR EXISTS (SELECT FROM pg_cast t WHERE t.castsource = e.oid AND t.casttarget = 'text'::regtype AND t.castmethod = 'b')),"
" w.twin,"
" EXISTS (SELECT FROM pg_opclass o WHERE o.opcintype = w.twin AND o.opcname LIKE '%\\_term\\_ops'),"
" k.looked_up,"
" (SELECT n.conname::text FROM pg_constraint n WHERE n.conrelid = c.oid AND n.contype IN ('p', 'u', 'x')"
"  AND a.attnum = ANY (n.conkey) ORDER BY n.contype, 1 LIMIT 1),"
" k.ordered,"
" CASE WHEN e.typnamespace = 'pg_catalog'::regnamespace THEN quote_ident('enc' || e.typname)"
"  ELSE format('%I.%I', e.typnamespace::regnamespace::name, 'enc' || e.typname) END "
"FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid"
" JOIN plain d ON d.type = a.atttypid JOIN pg_type b ON b.oid = d.base"
" JOIN plain p ON p.type = CASE WHEN b.typcategory = 'A' THEN b.typelem ELSE b.oid END JOIN pg_type e ON e.oid = p.base"
" LEFT JOIN keys k ON k.relid = c.oid AND k.attnum = a.attnum"
" LEFT JOIN twins w ON w.base = CASE WHEN e.oid = 'varchar'::regtype THEN 'text'::regtype ELSE e.oid END "
"WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'"
" AND s.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
" AND ('pg_class'::regclass, c.oid) NOT IN (SELECT classid, oid FROM members)"
" AND ('pg_namespace'::regclass, s.oid) NOT IN (SELECT classid, oid FROM members)"
" AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0 AND a.attgenerated = '' AND a.attidentity = ''"
" AND NOT EXISTS (SELECT FROM pg_partitioned_table t WHERE t.partrelid = c.oid AND a.attnum = ANY (t.partattrs::int2[]))"
" AND e.oid NOT IN (SELECT twin FROM twins) "
"ORDER BY s.nspname, c.relname, a.attnum";

/* The heaps in which a column's values are. */
static const char tables_query[] =
"WITH RECURSIVE tree (oid) AS (SELECT %u::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON t.oid = i.inhparent) "
"SELECT c.oid FROM tree JOIN pg_class c USING (oid) JOIN pg_am m ON m.oid = c.relam"
" WHERE c.relkind = 'r' AND m.amname = 'heap' AND (c.relpersistence = 'p' OR c.relpersistence = 'u' AND NOT pg_is_in_recovery())"
" ORDER BY c.relpages DESC, 1 LIMIT %d";

/*
 * Columns
 */

static Datum
get(uint64 row, int field, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, field, isnull);
}

/* InvalidOid for NULL. */
static Oid
get_oid(uint64 row, int field)
{
	bool		isnull;
	Datum		value = get(row, field, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

static bool
get_bool(uint64 row, int field)
{
	bool		isnull;
	Datum		value = get(row, field, &isnull);

	return !isnull && DatumGetBool(value);
}

/* NULL for NULL. */
static char *
get_text(uint64 row, int field)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, field);
}

static void
select_rows(const char *query)
{
	int			code = SPI_execute(query, true, 0);

	if (code != SPI_OK_SELECT)
		elog(ERROR, "could not look at columns: %s", SPI_result_code_string(code));
}

static Column *
list_columns(int *n)
{
	Column	   *columns;

	select_rows(columns_query);
	*n = (int) SPI_processed;
	columns = palloc0(sizeof(Column) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		Column	   *column = &columns[i];
		bool		isnull;

		column->relid = get_oid(i, 1);
		column->table = get_text(i, 2);
		column->name = get_text(i, 3);
		column->type = get_oid(i, 4);
		column->element = get_oid(i, 5);
		column->category = DatumGetChar(get(i, 6, &isnull));
		column->is_array = get_bool(i, 7);
		column->is_domain = get_bool(i, 8);
		column->readable = get_bool(i, 9);
		column->twin = get_oid(i, 10);
		column->has_term = get_bool(i, 11);
		column->looked_up = get_bool(i, 12);
		column->constraint = get_text(i, 13);
		column->ordered = get_text(i, 14);
		column->new_twin = get_text(i, 15);
	}
	SPI_freetuptable(SPI_tuptable);
	return columns;
}

/* 0: nothing that is looked for. */
static CellencForm
form_of(const Column *column)
{
	switch (column->element)
	{
		case BYTEAOID:
		case UUIDOID:
			return CELLENC_FORM_BYTES;
		case JSONOID:
		case JSONBOID:
			return CELLENC_FORM_DOCUMENT;
	}
	switch (column->category)
	{
		case TYPCATEGORY_STRING:
			return CELLENC_FORM_TEXT;
		case TYPCATEGORY_NUMERIC:
			return CELLENC_FORM_NUMBER;
		case TYPCATEGORY_DATETIME:
			return CELLENC_FORM_TIME;
		case TYPCATEGORY_NETWORK:
			return CELLENC_FORM_NETWORK;
	}
	return 0;
}

/*
 * Values
 */

/*
 * The heaps with a table's values, locked; without those that somebody has
 * locked against readers.
 */
static List *
lock_tables(Oid relid)
{
	List	   *result = NIL;

	select_rows(psprintf(tables_query, relid, SAMPLE_TABLES));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		Oid			table = get_oid(row, 1);

		if (!ConditionalLockRelationOid(table, AccessShareLock))
			ereport(NOTICE,
					(errmsg("values of table \"%s\" are not read because it is locked", get_rel_name(table))));
		else if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)))
			UnlockRelationOid(table, AccessShareLock);	/* dropped meanwhile */
		else
			result = lappend_oid(result, table);
	}
	SPI_freetuptable(SPI_tuptable);
	return result;
}

static void
unlock_tables(List *tables)
{
	ListCell   *cell;

	foreach(cell, tables)
		UnlockRelationOid(lfirst_oid(cell), AccessShareLock);
	list_free(tables);
}

/* The value, at most CELLENC_DETECT_MAX bytes of it, of a readable column. */
static char *
value_text(const Column *column, Datum value)
{
	struct varlena *slice;

	switch (column->element)
	{
		case INT8OID:
			return psprintf(INT64_FORMAT, DatumGetInt64(value));
		case NUMERICOID:
			return DatumGetCString(DirectFunctionCall1(numeric_out, value));
	}
	slice = PG_DETOAST_DATUM_SLICE(value, 0, CELLENC_DETECT_MAX);
	return pnstrdup(VARDATA_ANY(slice), VARSIZE_ANY_EXHDR(slice));
}

/* Count the kinds of up to max values of a block. */
static void
sample_block(Relation rel, BlockNumber block, const Column *column, AttrNumber attnum, int max,
			 TupleTableSlot *slot, int *counts)
{
	ItemPointerData first;
	ItemPointerData last;
	TableScanDesc scan;

	ItemPointerSet(&first, block, FirstOffsetNumber);
	ItemPointerSet(&last, block, MaxOffsetNumber);
	scan = table_beginscan_tidrange(rel, GetActiveSnapshot(), &first, &last);
	while (max > 0 && table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, attnum, &isnull);
		char	   *text;

		if (isnull)
			continue;
		text = value_text(column, value);
		if (text[0] != '\0')
		{
			counts[cellenc_detect_value(text, strlen(text))]++;
			max--;
		}
	}
	ExecClearTuple(slot);
	table_endscan(scan);
}

/* Count the kinds of values in some blocks, all over one of ntables tables. */
static void
sample_table(Oid relid, const Column *column, int ntables, int *counts)
{
	Relation	rel = table_open(relid, NoLock);
	AttrNumber	attnum = get_attnum(relid, column->name);
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	BlockNumber wanted = Min(nblocks, (BlockNumber) (SAMPLE_BLOCKS / ntables));
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "cellenc sample", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);

	for (BlockNumber i = 0; i < wanted && attnum != InvalidAttrNumber; i++)
	{
		CHECK_FOR_INTERRUPTS();
		sample_block(rel, (uint64) i * nblocks / wanted, column, attnum, SAMPLE_VALUES / ntables / (int) wanted, slot, counts);
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

/* The kind that values are of, and how many of how many. */
static CellencKind
sample(const Column *column, List *tables, int *nfound, int *nvalues)
{
	int			counts[CELLENC_NKINDS] = {0};
	CellencKind kind = CELLENC_KIND_NONE + 1;
	ListCell   *cell;

	foreach(cell, tables)
		sample_table(lfirst_oid(cell), column, list_length(tables), counts);

	*nvalues = counts[CELLENC_KIND_NONE];
	for (int i = CELLENC_KIND_NONE + 1; i < CELLENC_NKINDS; i++)
	{
		*nvalues += counts[i];
		if (counts[i] > counts[kind])
			kind = i;
	}
	*nfound = counts[kind];
	return *nfound >= ENOUGH_VALUES && *nfound * 100 >= *nvalues * ENOUGH_PERCENT ? kind : CELLENC_KIND_NONE;
}

/*
 * Suggestions
 */

/* "; " before anything but the first reason. */
static void
add_reason(StringInfo reason, const char *text)
{
	if (reason->len > 0)
		appendStringInfoString(reason, "; ");
	appendStringInfoString(reason, text);
}

/* What is enough for the column's use, and what more than that its indexes need. */
static const char *
choose_search(const Column *column, CellencKind kind, StringInfo reason)
{
	if (column->constraint)
	{
		add_reason(reason, psprintf("order because of constraint %s%s", quote_identifier(column->constraint),
									column->has_term ? ", in whose place a unique index would do with equality" : ""));
		return "order";
	}
	if (column->has_term && (column->looked_up || cellenc_detect_is_identifier(kind)))
		return "equality";
	if (column->ordered)
	{
		add_reason(reason, psprintf("order because of index %s", quote_identifier(column->ordered)));
		return "order";
	}
	return "none";
}

/* The column's type without its domain. */
static char *
plain_type(const Column *column)
{
	int32		typmod = -1;
	Oid			base = getBaseTypeAndTypmod(column->type, &typmod);

	if (column->is_array)
		return format_type_be(get_array_type(column->element));
	return format_type_with_typemod(base, typmod);
}

static char *
make_ddl(const Column *column, const char *table, const char *search, StringInfo reason)
{
	StringInfoData ddl;

	initStringInfo(&ddl);
	if (!OidIsValid(column->twin))
	{
		add_reason(reason, psprintf("%s has no encrypted type yet", format_type_be(column->element)));
		appendStringInfo(&ddl, "SELECT cellenc_create_type(%s, %s); ", quote_literal_cstr(column->new_twin),
						 quote_literal_cstr(format_type_be(column->element)));
	}
	if (column->is_domain)
	{
		add_reason(reason, "checks of its domain are lost");
		appendStringInfo(&ddl, "ALTER TABLE %s ALTER COLUMN %s TYPE %s; ", table, quote_identifier(column->name),
						 plain_type(column));
	}
	appendStringInfo(&ddl, "SELECT cellenc_encrypt_column(%s, %s, %s, %s)", quote_literal_cstr(table),
					 quote_literal_cstr(column->name), quote_literal_cstr(KEY_NAME), quote_literal_cstr(search));
	return ddl.data;
}

static void
put_row(ReturnSetInfo *rsinfo, const Column *column, const char *search, const char *reason, const char *ddl)
{
	Datum		values[7];
	bool		nulls[7] = {false};
	Oid			twin = column->twin;
	NameData	attname;

	if (OidIsValid(twin) && column->is_array)
		twin = get_array_type(twin);
	namestrcpy(&attname, column->name);
	values[0] = ObjectIdGetDatum(column->relid);
	values[1] = NameGetDatum(&attname);
	values[2] = ObjectIdGetDatum(column->type);
	values[3] = CStringGetTextDatum(reason);
	values[4] = ObjectIdGetDatum(twin);
	nulls[4] = !OidIsValid(twin);
	values[5] = CStringGetTextDatum(search);
	values[6] = CStringGetTextDatum(ddl);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* tables: where values are read, or NIL. */
static void
suggest(ReturnSetInfo *rsinfo, const Column *column, List *tables)
{
	CellencForm form = form_of(column);
	CellencKind named = form ? cellenc_detect_name(column->name, column->table, form) : CELLENC_KIND_NONE;
	CellencKind kind = CELLENC_KIND_NONE;
	char	   *schema = get_namespace_name(get_rel_namespace(column->relid));
	char	   *table;
	char	   *ddl;
	const char *search;
	StringInfoData reason;
	int			nfound;
	int			nvalues;

	/* dropped meanwhile */
	if (!schema)
		return;

	initStringInfo(&reason);
	if (named != CELLENC_KIND_NONE)
		add_reason(&reason, psprintf("the name suggests %s", cellenc_detect_label(named)));
	else if (column->element == INETOID)
	{
		named = CELLENC_KIND_NETWORK;
		add_reason(&reason, psprintf("the type is for %s", cellenc_detect_label(named)));
	}
	if (tables != NIL && column->readable)
	{
		kind = sample(column, tables, &nfound, &nvalues);
		if (kind != CELLENC_KIND_NONE)
			add_reason(&reason, psprintf("%d %% of %d sampled values are %s", nfound * 100 / nvalues, nvalues,
										 cellenc_detect_label(kind)));
	}
	if (kind == CELLENC_KIND_NONE)
		kind = named;
	if (kind == CELLENC_KIND_NONE)
		return;

	table = quote_qualified_identifier(schema, column->table);
	search = choose_search(column, kind, &reason);
	ddl = make_ddl(column, table, search, &reason);
	put_row(rsinfo, column, search, reason.data, ddl);
}

Datum
cellenc_suggest_columns(PG_FUNCTION_ARGS)
{
	bool		reads_values = PG_GETARG_BOOL(0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Column	   *columns;
	int			n;
	Oid			relid = InvalidOid;
	List	   *tables = NIL;

	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);

	/* the values will be worth encrypting: they stay out of the log */
	if (reads_values)
		cellenc_redact_touch();
	SPI_connect();
	columns = list_columns(&n);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (reads_values && columns[i].relid != relid)
		{
			unlock_tables(tables);
			relid = columns[i].relid;
			tables = lock_tables(relid);
		}
		suggest(rsinfo, &columns[i], tables);
	}
	unlock_tables(tables);
	SPI_finish();
	return (Datum) 0;
}
