/*-------------------------------------------------------------------------
 *
 * twin_create.c
 *	  Create an encrypted type: its functions and casts, and all that
 *	  twin_operators.c says.
 *
 * A twin is made of SQL objects alone, all of which run the generic functions
 * of twin_io.c, twin_cast.c and twin_ops.c, so pg_dump carries a user's twins
 * as it does any type.  The functions and operators live in schema cellenc,
 * which is on no search_path: an unqualified operator must resolve to the
 * base's, through the one implicit cast, but for those of twin_visible.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

#include "compat.h"
#include "report.h"
#include "twin.h"
#include "twin_create.h"
#include "twin_operators.h"
#include "twin_sql.h"

PG_FUNCTION_INFO_V1(cellenc_create_type);

/* The types that a query's only column has. */
static List *types_from(const char *fmt,...) pg_attribute_printf(1, 2);

static List *
types_from(const char *fmt,...)
{
	List	   *list = NIL;
	MemoryContext cxt = CurrentMemoryContext;
	va_list		args;
	char	   *sql;

	va_start(args, fmt);
	sql = cellenc_twin_sql(fmt, args);
	va_end(args);
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read types from the catalogs");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		MemoryContext old = MemoryContextSwitchTo(cxt);

		list = lappend_oid(list, DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
																SPI_tuptable->tupdesc, 1, &isnull)));
		MemoryContextSwitchTo(old);
	}
	return list;
}

static char *
type_name(Oid type)
{
	return format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY);
}

/* Name of a type without its schema. */
static char *
base_type_name(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	name = pstrdup(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname));
	ReleaseSysCache(tuple);
	return name;
}

/* Refuse what cannot be a base, with what to do instead. */
static void
check_base(Oid base, Form_pg_type form)
{
	const char *name = format_type_be(base);

	if (!form->typisdefined)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type %s is only a shell", name)));
	if (form->typtype == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("pseudo-type %s cannot have an encrypted type", name),
				 errhint("Name a type that a table column can have.")));
	if (form->typtype == TYPTYPE_DOMAIN)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("domain %s cannot have an encrypted type", name),
				 errhint("Create a domain over the encrypted type of %s.",
						 format_type_be(getBaseType(base)))));
	if (cellenc_twin_is(base))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type %s is encrypted already", name),
				 errhint("Name the type to be encrypted.")));
	if (OidIsValid(get_element_type(base)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("array type %s cannot have an encrypted type", name),
				 errhint("Use an array of the encrypted type of %s.",
						 format_type_be(get_element_type(base)))));
}

/*
 * Type and I/O functions.  The tag is part of the functions' names: DDL
 * carries it, and renaming the type leaves it alone.
 */
static void
create_type(NewTwin *twin, const char *tag)
{
	bool		binary = OidIsValid(twin->base_form->typreceive) &&
	OidIsValid(twin->base_form->typsend);

	run("CREATE TYPE %s", twin->name);
	run("CREATE FUNCTION cellenc.%s(cstring, oid, integer) RETURNS %s AS '$libdir/cellenc', 'cellenc_twin_in' "
		"LANGUAGE c STABLE STRICT PARALLEL SAFE",
		quote_identifier(psprintf(CELLENC_IN_PREFIX "%s", tag)), twin->name);
	run("CREATE FUNCTION cellenc.%s(%s) RETURNS cstring AS '$libdir/cellenc', 'cellenc_twin_out' "
		"LANGUAGE c STABLE STRICT PARALLEL SAFE",
		quote_identifier(psprintf("cellenc_out_%s", tag)), twin->name);
	if (binary)
	{
		run("CREATE FUNCTION cellenc.%s(internal, oid, integer) RETURNS %s AS '$libdir/cellenc', 'cellenc_twin_recv' "
			"LANGUAGE c STABLE STRICT PARALLEL SAFE",
			quote_identifier(psprintf("cellenc_recv_%s", tag)), twin->name);
		run("CREATE FUNCTION cellenc.%s(%s) RETURNS bytea AS '$libdir/cellenc', 'cellenc_twin_send' "
			"LANGUAGE c STABLE STRICT PARALLEL SAFE",
			quote_identifier(psprintf("cellenc_send_%s", tag)), twin->name);
	}
	run("CREATE TYPE %s (INPUT = cellenc.%s, OUTPUT = cellenc.%s%s%s%s%s%s, "
		"TYPMOD_IN = cellenc.cellenc_typmod_in, TYPMOD_OUT = cellenc.cellenc_typmod_out, "
		"ANALYZE = cellenc.cellenc_analyze, INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, "
		"STORAGE = external, CATEGORY = '%c', COLLATABLE = %s)",
		twin->name,
		quote_identifier(psprintf(CELLENC_IN_PREFIX "%s", tag)),
		quote_identifier(psprintf("cellenc_out_%s", tag)),
		binary ? ", RECEIVE = cellenc." : "",
		binary ? quote_identifier(psprintf("cellenc_recv_%s", tag)) : "",
		binary ? ", SEND = cellenc." : "",
		binary ? quote_identifier(psprintf("cellenc_send_%s", tag)) : "",
		OidIsValid(twin->base_form->typsubscript) ? ", SUBSCRIPT = cellenc.cellenc_subscript" : "",
		twin->base_form->typcategory,
		OidIsValid(twin->base_form->typcollation) ? "true" : "false");
	twin->type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(twin->plain_name),
								 ObjectIdGetDatum(twin->namespace));
}

/* A sealing function from source to the twin, and its cast. */
static void
create_seal_cast(NewTwin *twin, const char *tag, Oid source, const char *symbol, const char *context)
{
	char	   *function = pstrdup(quote_identifier(psprintf("cellenc_seal_%s", tag)));
	char	   *source_name = type_name(source);

	/* VOLATILE: a constant must be sealed afresh for every row that stores it */
	run("CREATE FUNCTION cellenc.%s(%s, integer, boolean) RETURNS %s AS '$libdir/cellenc', '%s' "
		"LANGUAGE c VOLATILE STRICT PARALLEL SAFE COST %d",
		function, source_name, twin->name, symbol, CELLENC_FUNCTION_COST);
	run("CREATE CAST (%s AS %s) WITH FUNCTION cellenc.%s(%s, integer, boolean) %s",
		source_name, twin->name, function, source_name, context);
}

/*
 * Does the base's cast to target take the length that is asked for, as that
 * of integer to bit(8) does?
 */
static bool
cast_takes_typmod(Oid base, Oid target)
{
	Oid			func;

	return find_coercion_pathway(target, base, COERCION_EXPLICIT, &func) == COERCION_PATH_FUNC &&
		get_func_nargs(func) > 1;
}

/* An opening function from the twin to target, and its cast. */
static void
create_open_cast(NewTwin *twin, Oid target, const char *context)
{
	char		function[NAMEDATALEN];
	const char *more = cast_takes_typmod(twin->base, target) ? ", integer, boolean" : "";

	/* told from its namesakes of other twins by the argument type */
	snprintf(function, sizeof(function), "cellenc_to_%s", base_type_name(target));
	run("CREATE FUNCTION cellenc.%s(%s%s) RETURNS %s AS '$libdir/cellenc', 'cellenc_twin_open_to' "
		"LANGUAGE c STABLE STRICT PARALLEL SAFE COST %d",
		quote_identifier(function), twin->name, more, type_name(target), CELLENC_FUNCTION_COST);
	run("CREATE CAST (%s AS %s) WITH FUNCTION cellenc.%s(%s%s) %s",
		twin->name, type_name(target), quote_identifier(function), twin->name, more, context);
}

/*
 * Casts
 */

/*
 * May source become the twin implicitly, because it becomes the base so?  Not
 * where operators are found without a schema: those of the twin would take
 * part in expressions over source.
 */
static bool
implicit_source(const NewTwin *twin, Oid source)
{
	if (twin->compares_visibly || twin->visible != NIL)
		return false;
	switch (twin->base_form->typcategory)
	{
		case TYPCATEGORY_NUMERIC:
		case TYPCATEGORY_DATETIME:
			return true;
		default:
			/* COALESCE and CASE over an encrypted and a varchar column */
			return twin->base == TEXTOID &&
				(source == VARCHAROID || source == BPCHAROID || source == NAMEOID);
	}
}

/*
 * The type whose operators the base uses: itself, or one that it is the same
 * as in binary, as varchar is as text.
 */
static Oid
operator_type(const NewTwin *twin)
{
	Oid			left;
	Oid			right;

	if (!OidIsValid(twin->cache->eq_opr))
		return twin->base;
	op_input_types(twin->cache->eq_opr, &left, &right);
	return cellenc_twin_is_kind(left) ? twin->base : left;
}

/* One row of pg_cast: the type at the other end, and the cast's context. */
typedef struct OtherCast
{
	Oid			type;
	char		context;
} OtherCast;

/* Casts of the base from (or to) types that are neither encrypted nor pseudo. */
static List *
casts_of_base(Oid base, bool to_base)
{
	List	   *list = NIL;
	MemoryContext cxt = CurrentMemoryContext;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT %s, castcontext FROM pg_catalog.pg_cast JOIN pg_catalog.pg_type t ON t.oid = %s "
					 "WHERE %s = %u AND %s <> %u AND t.typtype IN ('b', 'e', 'c', 'r') "
	/* not those of twin_operand.c */
					 "AND t.typnamespace <> 'cellenc'::pg_catalog.regnamespace ORDER BY 1",
					 to_base ? "castsource" : "casttarget", to_base ? "castsource" : "casttarget",
					 to_base ? "casttarget" : "castsource", base,
					 to_base ? "castsource" : "casttarget", base);
	if (SPI_execute(sql.data, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pg_cast");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Oid			type = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
														  1, &isnull));
		char		context = DatumGetChar(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
														 2, &isnull));
		MemoryContext old;
		OtherCast  *other;

		if (cellenc_twin_is(type))
			continue;
		old = MemoryContextSwitchTo(cxt);
		other = palloc(sizeof(OtherCast));
		other->type = type;
		other->context = context;
		list = lappend(list, other);
		MemoryContextSwitchTo(old);
	}
	return list;
}

static void
create_casts(NewTwin *twin, const char *tag)
{
	ListCell   *lc;
	bool		to_json = false;

	run("CREATE FUNCTION cellenc.cellenc_open(%s) RETURNS %s AS '$libdir/cellenc', 'cellenc_twin_open' "
		"LANGUAGE c STABLE STRICT PARALLEL SAFE LEAKPROOF COST %d",
		twin->name, twin->base_name, CELLENC_FUNCTION_COST);
	run("CREATE CAST (%s AS %s) WITH FUNCTION cellenc.cellenc_open(%s) AS IMPLICIT",
		twin->name, twin->base_name, twin->name);
	/* VOLATILE: called last, on no more rows than the client gets */
	run("CREATE FUNCTION cellenc.cellenc_wire(%s) RETURNS %s AS '$libdir/cellenc', 'cellenc_twin_open' "
		"LANGUAGE c VOLATILE STRICT PARALLEL SAFE LEAKPROOF COST %d",
		twin->name, twin->base_name, CELLENC_FUNCTION_COST);
	run("CREATE OPERATOR cellenc.@ (FUNCTION = cellenc.cellenc_wire, RIGHTARG = %s)", twin->name);
	cellenc_twin_create_operands(twin);
	cellenc_twin_probe(twin);
	run("CREATE FUNCTION cellenc.cellenc_apply(%s, integer, boolean) RETURNS %s AS '$libdir/cellenc', 'cellenc_twin_apply' "
		"LANGUAGE c VOLATILE STRICT PARALLEL SAFE COST %d",
		twin->name, twin->name, CELLENC_FUNCTION_COST);
	run("CREATE CAST (%s AS %s) WITH FUNCTION cellenc.cellenc_apply(%s, integer, boolean) AS IMPLICIT",
		twin->name, twin->name, twin->name);
	create_seal_cast(twin, tag, twin->base, "cellenc_twin_seal", "AS ASSIGNMENT");

	foreach(lc, casts_of_base(twin->base, true))
	{
		OtherCast  *other = lfirst(lc);

		if (other->context == COERCION_CODE_EXPLICIT)
			continue;
		create_seal_cast(twin, tag, other->type, "cellenc_twin_seal_from",
						 other->context == COERCION_CODE_IMPLICIT && implicit_source(twin, other->type)
						 ? "AS IMPLICIT" : "AS ASSIGNMENT");
	}

	foreach(lc, casts_of_base(twin->base, false))
	{
		OtherCast  *other = lfirst(lc);

		/* the operators of varchar are those of text, and casts do not chain */
		create_open_cast(twin, other->type,
						 other->context == COERCION_CODE_EXPLICIT ? "" :
						 other->type == operator_type(twin) ? "AS IMPLICIT" : "AS ASSIGNMENT");
		to_json |= other->type == JSONOID;
	}

	/* row_to_json and its kin look for this cast, else they quote numbers */
	if (!to_json && twin->base != JSONOID && twin->base_form->typcategory != TYPCATEGORY_STRING)
		create_open_cast(twin, JSONOID, "");
}

/* Does an operator over this twin alone need no schema? */
static bool
operates_visibly(Oid twin)
{
	List	   *found = types_from("SELECT o.oprleft FROM pg_catalog.pg_operator o "
								   "JOIN pg_catalog.pg_type t ON t.oid = o.oprleft "
								   "WHERE o.oprleft = %u AND o.oprright = %u AND o.oprnamespace = t.typnamespace",
								   twin, twin);

	return found != NIL;
}

/*
 * Where a twin has operators that are found without naming a schema, others
 * must not become it implicitly, or those would take part in the resolution of
 * their operators.
 */
static const char *
context_clause(char context, bool target_operates)
{
	switch (context)
	{
		case COERCION_CODE_IMPLICIT:
			return target_operates ? "AS ASSIGNMENT" : "AS IMPLICIT";
		case COERCION_CODE_ASSIGNMENT:
			return "AS ASSIGNMENT";
		default:
			return "";
	}
}

/* The context of the cast between two bases; '\0' where there is none. */
static char
base_cast_context(Oid source, Oid target)
{
	HeapTuple	tuple;
	char		context;

	if (source == target)
		return COERCION_CODE_ASSIGNMENT;
	tuple = SearchSysCache2(CASTSOURCETARGET, ObjectIdGetDatum(source), ObjectIdGetDatum(target));
	if (!HeapTupleIsValid(tuple))
		return '\0';
	context = ((Form_pg_cast) GETSTRUCT(tuple))->castcontext;
	ReleaseSysCache(tuple);
	return context;
}

/*
 * Casts between twins mirror those between their bases, or a join with USING
 * over two of them finds no common type.
 */
static void
create_twin_casts(NewTwin *twin, const char *tag)
{
	List	   *others = types_from("SELECT t.oid FROM pg_catalog.pg_type t "
									"JOIN pg_catalog.pg_proc p ON p.oid = t.typinput "
									"WHERE p.prosrc = 'cellenc_twin_in' ORDER BY 1");
	ListCell   *lc;

	foreach(lc, others)
	{
		const CellencTwin *other = cellenc_twin_lookup(lfirst_oid(lc));
		char		context;

		if (!other || other->type == twin->type)
			continue;
		if ((context = base_cast_context(other->base, twin->base)) != '\0')
			create_seal_cast(twin, tag, other->type, "cellenc_twin_convert",
							 context_clause(context, twin->compares_visibly || twin->visible != NIL));
		if ((context = base_cast_context(twin->base, other->base)) != '\0')
		{
			NewTwin		target = {0};

			target.name = type_name(other->type);
			create_seal_cast(&target, other->tag, twin->type, "cellenc_twin_convert",
							 context_clause(context, operates_visibly(other->type)));
		}
	}
}

/*
 * The sort support function has nothing of the type in its declaration, but
 * goes when the type does.
 */
static void
bind_sort_function(const NewTwin *twin, const char *tag)
{
	Oid			argtype = INTERNALOID;
	ObjectAddress function;
	ObjectAddress type;

	ObjectAddressSet(function, ProcedureRelationId,
					 LookupFuncName(list_make2(makeString("cellenc"),
											   makeString(psprintf(CELLENC_SORT_PREFIX "%s", tag))),
									1, &argtype, true));
	ObjectAddressSet(type, TypeRelationId, twin->type);
	if (OidIsValid(function.objectId))
		recordDependencyOn(&function, &type, DEPENDENCY_NORMAL);
}

/* The new type's names, and the tag that it keeps for ever. */
static const char *
name_twin(NewTwin *twin, text *name)
{
	const char *tag;
	Oid			in_types[] = {CSTRINGOID, OIDOID, INT4OID};

	twin->namespace = QualifiedNameGetCreationNamespace(textToQualifiedNameList(name),
														&twin->plain_name);
	twin->name = pstrdup(quote_qualified_identifier(get_namespace_name(twin->namespace),
													twin->plain_name));

	/* the extension's own are called after their bases */
	tag = creating_extension ? base_type_name(twin->base) : twin->plain_name;
	if (strlen(tag) > CELLENC_TWIN_TAG_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name of encrypted type \"%s\" is too long", tag),
				 errdetail("It can have at most %d bytes.", CELLENC_TWIN_TAG_MAX)));
	if (SearchSysCacheExists2(TYPENAMENSP, CStringGetDatum(twin->plain_name),
							  ObjectIdGetDatum(twin->namespace)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("type \"%s\" already exists", twin->plain_name)));
	if (SearchSysCacheExists3(PROCNAMEARGSNSP,
							  CStringGetDatum(psprintf(CELLENC_IN_PREFIX "%s", tag)),
							  PointerGetDatum(buildoidvector(in_types, lengthof(in_types))),
							  ObjectIdGetDatum(get_namespace_oid("cellenc", false))))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("name \"%s\" belongs to another encrypted type", tag),
				 errdetail("Encrypted values are bound to the name that their type was created with, whatever it is called now."),
				 errhint("Choose another name.")));
	return tag;
}

Datum
cellenc_create_type(PG_FUNCTION_ARGS)
{
	NewTwin		twin = {0};
	HeapTuple	tuple;
	const char *tag;
	int			nestlevel;
	ListCell   *lc;

	CELLENC_CHECK_PRELOAD();
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to create an encrypted type")));

	twin.base = PG_GETARG_OID(1);
	tuple = SearchSysCacheCopy1(TYPEOID, ObjectIdGetDatum(twin.base));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type with OID %u does not exist", twin.base)));
	twin.base_form = (Form_pg_type) GETSTRUCT(tuple);
	check_base(twin.base, twin.base_form);
	twin.base_name = type_name(twin.base);
	twin.cache = lookup_type_cache(twin.base, TYPECACHE_EQ_OPR | TYPECACHE_CMP_PROC);
	tag = name_twin(&twin, PG_GETARG_TEXT_PP(0));

	/* names below are qualified; and no notices about shells */
	nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("client_min_messages", "warning", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to the SPI manager");

	create_type(&twin, tag);
	create_casts(&twin, tag);
	create_twin_casts(&twin, tag);
	foreach(lc, cellenc_twin_operators(twin.name, twin.plain_name,
									   twin.compares_visibly ? cellenc_twin_visible_schema(&twin) : "cellenc",
									   twin.type, twin.base))
		run("%s", (const char *) lfirst(lc));
	bind_sort_function(&twin, tag);
	cellenc_twin_create_row_family(&twin);
	cellenc_twin_create_visible(&twin);
	cellenc_twin_create_array(&twin, tag);

	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from the SPI manager");
	AtEOXact_GUC(true, nestlevel);
	PG_RETURN_OID(twin.type);
}
