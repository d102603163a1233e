/*-------------------------------------------------------------------------
 *
 * twin.c
 *	  What is known of an encrypted type (twin) and its base type.
 *
 * Read from the system catalogs alone, cached per backend.  Entries are never
 * freed, because fn_extra of running queries points to them; they are read
 * again in place when one of these catalogs has changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "compat.h"
#include "report.h"
#include "term.h"
#include "twin.h"

#define IN_SYMBOL	"cellenc_twin_in"
#define OPEN_SYMBOL "cellenc_twin_open"
#define WIRE_FUNCTION "cellenc_wire"	/* in schema cellenc */

typedef struct TwinSlot
{
	Oid			type;			/* hash key */
	uint64		generation;		/* of the catalogs when this was read */
	bool		is_twin;
	CellencTwin *twin;			/* allocated once; NULL: never read */
} TwinSlot;

static HTAB *twins = NULL;

/* Moves on when a catalog changes; only a callback writes it. */
static uint64 generation = 1;

/* Of the twin that was read last. */
static uint32 last_serial = 0;

const char *
cellenc_twin_search_name(CellencSearch search)
{
	static const char *const names[] = {
		[CELLENC_SEARCH_NONE] = "none",
		[CELLENC_SEARCH_EQUALITY] = "equality",
		[CELLENC_SEARCH_ORDER] = "order"
	};

	if ((int) search >= (int) lengthof(names))
		elog(ERROR, "unrecognized search of a type modifier: %d", (int) search);
	return names[search];
}

/* As below; on success the function's name goes to name (NAMEDATALEN bytes) unless that is NULL. */
static bool
runs_symbol(Oid procid, const char *symbol, char *name)
{
	HeapTuple	tuple;
	Form_pg_proc proc;
	bool		result = false;

	if (!OidIsValid(procid))
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(procid));
	if (!HeapTupleIsValid(tuple))
		return false;

	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (proc->prolang == ClanguageId)
	{
		bool		isnull;
		Datum		src = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);

		/* only superusers make C functions, so the symbol's name is enough */
		result = !isnull && strcmp(TextDatumGetCString(src), symbol) == 0;
		if (result && name)
			strlcpy(name, NameStr(proc->proname), NAMEDATALEN);
	}
	ReleaseSysCache(tuple);
	return result;
}

bool
cellenc_twin_runs_symbol(Oid procid, const char *symbol)
{
	return runs_symbol(procid, symbol, NULL);
}

/* Tag of a twin from its input function; false where type is no twin. */
static bool
read_tag(Oid type, char *tag)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	char		name[NAMEDATALEN];
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type) GETSTRUCT(tuple);
	result = form->typtype == TYPTYPE_BASE && form->typlen == -1 &&
		runs_symbol(form->typinput, IN_SYMBOL, name);
	ReleaseSysCache(tuple);

	if (!result || strncmp(name, CELLENC_IN_PREFIX, strlen(CELLENC_IN_PREFIX)) != 0)
		return false;
	strlcpy(tag, name + strlen(CELLENC_IN_PREFIX), CELLENC_TWIN_TAG_MAX + 1);
	return true;
}

/*
 * Target of the twin's opening cast and its function; InvalidOid before that
 * cast exists.
 */
static Oid
read_base(Oid type, Oid *open)
{
	CatCList   *casts = SearchSysCacheList1(CASTSOURCETARGET, ObjectIdGetDatum(type));
	Oid			base = InvalidOid;

	*open = InvalidOid;

	for (int i = 0; i < casts->n_members && !OidIsValid(base); i++)
	{
		Form_pg_cast cast = (Form_pg_cast) GETSTRUCT(&casts->members[i]->tuple);

		if (cast->castcontext == COERCION_CODE_IMPLICIT &&
			runs_symbol(cast->castfunc, OPEN_SYMBOL, NULL))
		{
			base = cast->casttarget;
			*open = cast->castfunc;
		}
	}
	ReleaseSysCacheList(casts);
	return base;
}

Oid
cellenc_twin_only_cast(Oid type)
{
	CatCList   *casts = SearchSysCacheList1(CASTSOURCETARGET, ObjectIdGetDatum(type));
	Oid			target = InvalidOid;

	if (casts->n_members == 1)
		target = ((Form_pg_cast) GETSTRUCT(&casts->members[0]->tuple))->casttarget;
	ReleaseSysCacheList(casts);
	return target;
}

/* The function of a cast; InvalidOid where there is none. */
static Oid
cast_function(Oid source, Oid target)
{
	HeapTuple	tuple = SearchSysCache2(CASTSOURCETARGET, ObjectIdGetDatum(source),
										ObjectIdGetDatum(target));
	Oid			function;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	function = ((Form_pg_cast) GETSTRUCT(tuple))->castfunc;
	ReleaseSysCache(tuple);
	return function;
}

/*
 * Do the base's internal bytes hold OIDs?  Those differ between databases, so
 * such a type is sealed in its binary send form.
 */
static bool
holds_oids(Oid base)
{
	switch (base)
	{
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGNAMESPACEOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGROLEOID:
		case REGTYPEOID:
			return true;
		default:
			/* an array's header has its element's type, a range its own */
			return get_typtype(base) != TYPTYPE_BASE || type_is_array(base);
	}
}

/* InvalidOid where there is none.  By its signature: each type has one of that name. */
static Oid
wire_function(Oid type)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(WIRE_FUNCTION),
						   PointerGetDatum(buildoidvector(&type, 1)),
						   ObjectIdGetDatum(get_namespace_oid("cellenc", true)));
}

static void
fill_twin(CellencTwin *twin, Oid type, const char *tag)
{
	Oid			open;
	Oid			base = read_base(type, &open);
	Oid			func;
	bool		varlena;
	bool		byval;
	int16		len;
	char		align;
	HeapTuple	tuple;
	Form_pg_type form;

	/* pg_upgrade makes defaults of domains before casts, and opens nothing */
	if (!OidIsValid(base) && IsBinaryUpgrade)
	{
		memset(twin, 0, sizeof(CellencTwin));
		twin->type = type;
		strlcpy(twin->tag, tag, sizeof(twin->tag));
		return;
	}
	if (!OidIsValid(base))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("encrypted type %s has no cast to its base type", format_type_be(type)),
				 errhint("Use cellenc_create_type to create an encrypted type.")));

	get_typlenbyvalalign(base, &len, &byval, &align);
	memset(twin, 0, sizeof(CellencTwin));
	twin->type = type;
	twin->base = base;
	strlcpy(twin->tag, tag, sizeof(twin->tag));
	twin->typlen = len;
	twin->typbyval = byval;
	twin->typalign = align;
	twin->send_form = holds_oids(base);
	twin->collation = get_typcollation(base);
	twin->term_class = cellenc_term_class(base);

	twin->open = open;
	twin->wire = wire_function(type);
	twin->seal = cast_function(base, type);
	twin->apply = cast_function(type, type);

	getTypeInputInfo(base, &func, &twin->in_param);
	fmgr_info_cxt(func, &twin->in, CacheMemoryContext);
	getTypeOutputInfo(base, &func, &varlena);
	fmgr_info_cxt(func, &twin->out, CacheMemoryContext);

	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(base));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", base);
	form = (Form_pg_type) GETSTRUCT(tuple);
	if (OidIsValid(form->typreceive) && OidIsValid(form->typsend))
	{
		fmgr_info_cxt(form->typreceive, &twin->recv, CacheMemoryContext);
		fmgr_info_cxt(form->typsend, &twin->send, CacheMemoryContext);
	}
	ReleaseSysCache(tuple);
}

const CellencTwin *
cellenc_twin_lookup(Oid type)
{
	TwinSlot   *slot;
	bool		found;
	char		tag[CELLENC_TWIN_TAG_MAX + 1];
	uint64		seen = generation;

	if (unlikely(!twins))
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(TwinSlot);
		twins = hash_create("cellenc twins", 32, &ctl, HASH_ELEM | HASH_BLOBS);
	}

	slot = hash_search(twins, &type, HASH_ENTER, &found);
	if (!found)
	{
		slot->generation = 0;
		slot->is_twin = false;
		slot->twin = NULL;
	}
	if (likely(slot->generation == seen))
		return slot->is_twin ? slot->twin : NULL;

	slot->is_twin = read_tag(type, tag);
	if (slot->is_twin)
	{
		CellencTwin fresh;

		fill_twin(&fresh, type, tag);
		if (!slot->twin)
			slot->twin = MemoryContextAlloc(CacheMemoryContext, sizeof(CellencTwin));
		*slot->twin = fresh;
		slot->twin->serial = ++last_serial;
	}
	slot->generation = seen;
	return slot->is_twin ? slot->twin : NULL;
}

const CellencTwin *
cellenc_twin_require(Oid type)
{
	const CellencTwin *twin = cellenc_twin_lookup(type);

	if (!twin)
		elog(ERROR, "type %u is not an encrypted type", type);
	return twin;
}

/* The first call of a function: what the inline functions of twin.h find next. */
const CellencTwin *
cellenc_twin_find_result(FmgrInfo *flinfo)
{
	CELLENC_CHECK_PRELOAD();
	flinfo->fn_extra = unconstify(CellencTwin *,
								  cellenc_twin_require(get_func_rettype(flinfo->fn_oid)));
	return flinfo->fn_extra;
}

const CellencTwin *
cellenc_twin_find_argument(FmgrInfo *flinfo)
{
	Oid		   *types;
	int			ntypes;

	CELLENC_CHECK_PRELOAD();
	(void) get_func_signature(flinfo->fn_oid, &types, &ntypes);
	flinfo->fn_extra = unconstify(CellencTwin *, cellenc_twin_require(types[0]));
	return flinfo->fn_extra;
}

bool
cellenc_twin_is(Oid type)
{
	char		tag[CELLENC_TWIN_TAG_MAX + 1];

	/* types of initdb are none, and asked for most */
	return type >= FirstNormalObjectId && read_tag(type, tag);
}

bool
cellenc_twin_is_kind(Oid declared)
{
	return IsPolymorphicType(declared) || declared == RECORDOID;
}

static void
catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	generation++;
}

uint64
cellenc_twin_generation(void)
{
	return generation;
}

void
cellenc_twin_init(void)
{
	CacheRegisterSyscacheCallback(TYPEOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CASTSOURCETARGET, catalog_changed, (Datum) 0);
	/* what plan_operator.c and twin_ops.c keep */
	CacheRegisterSyscacheCallback(AMOPOPID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AMPROCNUM, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CLAOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(OPEROID, catalog_changed, (Datum) 0);
}
