/*-------------------------------------------------------------------------
 *
 * twin_cast.c
 *	  Casts of all encrypted types.
 *
 * Generic like twin_io.c: argument and result type are those that the cast's
 * function was declared with.  Where the base itself has to be converted, the
 * base's own cast does it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "bound.h"
#include "codec.h"
#include "compat.h"
#include "report.h"
#include "twin.h"

PG_FUNCTION_INFO_V1(cellenc_twin_open);
PG_FUNCTION_INFO_V1(cellenc_twin_open_to);
PG_FUNCTION_INFO_V1(cellenc_twin_apply);
PG_FUNCTION_INFO_V1(cellenc_twin_seal);
PG_FUNCTION_INFO_V1(cellenc_twin_seal_from);
PG_FUNCTION_INFO_V1(cellenc_twin_convert);

/* A cast between two ordinary types, ready to be called. */
typedef struct BaseCast
{
	CoercionPathType path;
	FmgrInfo	func;			/* of a cast function, or the source's output */
	FmgrInfo	in;				/* of the target, for a cast through text */
	Oid			in_param;
	int			nargs;			/* of the cast function */
	Oid			collation;
} BaseCast;

/* What a converting function keeps in fn_extra. */
typedef struct CastState
{
	const CellencTwin *source;	/* NULL: an ordinary type */
	const CellencTwin *target;
	bool		parses;			/* the source is text: errors may quote it */
	BaseCast	cast;
} CastState;

/*
 * to_json() in the place of a cast: most types have none to json, but the
 * functions that make JSON of rows look for one.  It is polymorphic, so it
 * has to be told what it is called with.
 */
static void
prepare_to_json(BaseCast *cast, Oid source, MemoryContext cxt)
{
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Const	   *arg = makeNullConst(source, -1, InvalidOid);

	fmgr_info_cxt(F_TO_JSON, &cast->func, cxt);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSON, JSONOID, list_make1(arg),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &cast->func);
	cast->path = COERCION_PATH_FUNC;
	cast->nargs = 1;
	MemoryContextSwitchTo(old);
}

/*
 * The type whose values an argument type of twin_operand.c has: the target of
 * its only cast.  Any other type itself.
 */
static Oid
represented_type(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			namespace;
	Oid			target;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	namespace = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace;
	ReleaseSysCache(tuple);
	if (namespace != get_namespace_oid("cellenc", false))
		return type;

	target = cellenc_twin_only_cast(type);
	return OidIsValid(target) ? target : type;
}

static void
prepare_cast(BaseCast *cast, Oid source, Oid target, MemoryContext cxt)
{
	Oid			funcid = InvalidOid;
	bool		varlena;

	cast->path = find_coercion_pathway(target, source, COERCION_EXPLICIT, &funcid);
	cast->collation = get_typcollation(source);
	switch (cast->path)
	{
		case COERCION_PATH_RELABELTYPE:
			break;
		case COERCION_PATH_FUNC:
			fmgr_info_cxt(funcid, &cast->func, cxt);
			cast->nargs = cast->func.fn_nargs;
			break;
		case COERCION_PATH_COERCEVIAIO:
			getTypeOutputInfo(source, &funcid, &varlena);
			fmgr_info_cxt(funcid, &cast->func, cxt);
			getTypeInputInfo(target, &funcid, &cast->in_param);
			fmgr_info_cxt(funcid, &cast->in, cxt);
			break;
		default:
			if (target == JSONOID)
			{
				prepare_to_json(cast, source, cxt);
				break;
			}
			ereport(ERROR,
					(errcode(ERRCODE_CANNOT_COERCE),
					 errmsg("cannot cast type %s to %s",
							format_type_be(source), format_type_be(target))));
	}
}

/* typmod and is_explicit are for a cast function that takes them. */
static Datum
run_cast(BaseCast *cast, Datum value, int32 typmod, bool is_explicit, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 3);
	Datum		result;

	*isnull = false;
	switch (cast->path)
	{
		case COERCION_PATH_FUNC:
			InitFunctionCallInfoData(*fcinfo, &cast->func, cast->nargs, cast->collation, NULL, NULL);
			fcinfo->args[0].value = value;
			fcinfo->args[0].isnull = false;
			fcinfo->args[1].value = Int32GetDatum(typmod);
			fcinfo->args[1].isnull = false;
			fcinfo->args[2].value = BoolGetDatum(is_explicit);
			fcinfo->args[2].isnull = false;
			result = FunctionCallInvoke(fcinfo);
			/* the time of an infinite timestamp, for one */
			*isnull = fcinfo->isnull;
			return result;
		case COERCION_PATH_COERCEVIAIO:
			return InputFunctionCall(&cast->in, OutputFunctionCall(&cast->func, value),
									 cast->in_param, -1);
		default:
			return value;
	}
}

static CastState *
cast_state(FmgrInfo *flinfo)
{
	CastState  *state = flinfo->fn_extra;

	CELLENC_CHECK_PRELOAD();
	if (unlikely(!state))
	{
		Oid		   *types;
		int			ntypes;
		Oid			result = get_func_signature(flinfo->fn_oid, &types, &ntypes);
		Oid			source;
		char		category;
		bool		preferred;

		state = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(CastState));
		state->source = cellenc_twin_lookup(types[0]);
		state->target = cellenc_twin_lookup(result);
		source = state->source ? state->source->base : types[0];
		get_type_category_preferred(source, &category, &preferred);
		state->parses = category == TYPCATEGORY_STRING;
		prepare_cast(&state->cast, source,
					 state->target ? state->target->base : represented_type(result),
					 flinfo->fn_mcxt);
		flinfo->fn_extra = state;
	}
	return state;
}

/* The value to seal, by the cast to the base of the target. */
static Datum
cast_to_base(CastState *state, Datum value, bool *isnull)
{
	MemoryContext cxt = CurrentMemoryContext;
	Datum		base = (Datum) 0;

	if (!state->parses)
		return run_cast(&state->cast, value, -1, false, isnull);

	PG_TRY();
	{
		base = run_cast(&state->cast, value, -1, false, isnull);
	}
	PG_CATCH();
	{
		cellenc_twin_rethrow_input_error(state->target, cxt);
	}
	PG_END_TRY();
	return base;
}

/* twin → base: the only implicit cast of a twin to an ordinary type. */
CELLENC_HOT Datum
cellenc_twin_open(PG_FUNCTION_ARGS)
{
	const CellencTwin *twin = cellenc_twin_of_argument(fcinfo->flinfo);

	PG_RETURN_DATUM(cellenc_codec_open(twin, PG_GETARG_DATUM(0)));
}

/* twin → another ordinary type, through the base. */
Datum
cellenc_twin_open_to(PG_FUNCTION_ARGS)
{
	CastState  *state = cast_state(fcinfo->flinfo);
	Datum		plain = cellenc_codec_open(state->source, PG_GETARG_DATUM(0));
	bool		has_typmod = PG_NARGS() > 1;
	Datum		result = run_cast(&state->cast, plain,
								  has_typmod ? PG_GETARG_INT32(1) : -1,
								  has_typmod ? PG_GETARG_BOOL(2) : false, &fcinfo->isnull);

	return result;
}

/* Length coercion: twin → the same twin under a typmod. */
CELLENC_HOT Datum
cellenc_twin_apply(PG_FUNCTION_ARGS)
{
	const CellencTwin *twin = cellenc_twin_of_result(fcinfo->flinfo);

	PG_RETURN_DATUM(cellenc_codec_apply(twin, PG_GETARG_DATUM(0),
										cellenc_bound_typmod(PG_GETARG_INT32(1))));
}

/*
 * The value of plaintext base under the cast's typmod.  What is assigned to a
 * column is sealed at once: nobody looks at it before it is stored.  An
 * explicit cast may be there for a comparison only.
 */
static inline Datum
new_value(const CellencTwin *twin, Datum base, FunctionCallInfo fcinfo)
{
	int32		typmod = cellenc_bound_typmod(PG_GETARG_INT32(1));

	if (typmod >= 0 && !PG_GETARG_BOOL(2))
		return cellenc_codec_seal(twin, base, typmod);
	return cellenc_codec_make(twin, base, typmod);
}

/*
 * base → twin.  Text is where a sealed value could slip in and be sealed
 * again, so it is looked at here as in the input function.
 */
CELLENC_HOT Datum
cellenc_twin_seal(PG_FUNCTION_ARGS)
{
	const CellencTwin *twin = cellenc_twin_of_result(fcinfo->flinfo);
	Datum		base = PG_GETARG_DATUM(0);
	int32		typmod = PG_GETARG_INT32(1);

	if (twin->base == TEXTOID || twin->base == VARCHAROID)
	{
		text	   *str = DatumGetTextPP(base);

		if (cellenc_twin_is_sealed_text(VARDATA_ANY(str), VARSIZE_ANY_EXHDR(str)))
			PG_RETURN_DATUM(cellenc_twin_parse_sealed(twin, VARDATA_ANY(str), VARSIZE_ANY_EXHDR(str),
													  typmod, NULL));
		base = PointerGetDatum(str);
	}
	PG_RETURN_DATUM(new_value(twin, base, fcinfo));
}

static Datum
convert_and_seal(FunctionCallInfo fcinfo, Datum value)
{
	CastState  *state = cast_state(fcinfo->flinfo);
	Datum		base = cast_to_base(state, value, &fcinfo->isnull);

	if (fcinfo->isnull)
		return (Datum) 0;
	return new_value(state->target, base, fcinfo);
}

/* another ordinary type → twin, through the base */
Datum
cellenc_twin_seal_from(PG_FUNCTION_ARGS)
{
	return convert_and_seal(fcinfo, PG_GETARG_DATUM(0));
}

/* twin → another twin */
Datum
cellenc_twin_convert(PG_FUNCTION_ARGS)
{
	CastState  *state = cast_state(fcinfo->flinfo);

	return convert_and_seal(fcinfo, cellenc_codec_open(state->source, PG_GETARG_DATUM(0)));
}
