/*-------------------------------------------------------------------------
 *
 * twin_ops.c
 *	  Comparison and hash functions of all encrypted types.
 *
 * Each takes twins, bases and siblings of the base, as declared, and answers
 * as the bases' own operator does.  They back the operator classes, so ORDER
 * BY, GROUP BY, DISTINCT and joins work on ciphertext and temporary files hold
 * nothing else.  All need `decrypt` on the keys involved, hit or miss, or `=`
 * would be an oracle.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"

#include "codec.h"
#include "compat.h"
#include "keyring.h"
#include "report.h"
#include "term.h"
#include "twin.h"
#include "upgrade.h"

PG_FUNCTION_INFO_V1(cellenc_twin_eq);
PG_FUNCTION_INFO_V1(cellenc_twin_ne);
PG_FUNCTION_INFO_V1(cellenc_twin_lt);
PG_FUNCTION_INFO_V1(cellenc_twin_le);
PG_FUNCTION_INFO_V1(cellenc_twin_gt);
PG_FUNCTION_INFO_V1(cellenc_twin_ge);
PG_FUNCTION_INFO_V1(cellenc_twin_cmp);
PG_FUNCTION_INFO_V1(cellenc_twin_term_lt);
PG_FUNCTION_INFO_V1(cellenc_twin_term_le);
PG_FUNCTION_INFO_V1(cellenc_twin_term_gt);
PG_FUNCTION_INFO_V1(cellenc_twin_term_ge);
PG_FUNCTION_INFO_V1(cellenc_twin_term_cmp);
PG_FUNCTION_INFO_V1(cellenc_twin_in_range);
PG_FUNCTION_INFO_V1(cellenc_twin_hash);
PG_FUNCTION_INFO_V1(cellenc_twin_hash_extended);

/* Class of the keyed hash of a type that has no term of its own. */
#define NO_TERM_CLASS "hash"

/* One argument of these functions. */
typedef struct Operand
{
	const CellencTwin *twin;	/* NULL: the argument is plain */
	TypeCacheEntry *base;		/* what it is once opened */

	/* a plain argument met before, and its term: the constant of a scan */
	bool		known;
	Datum		known_value;
	uint8		known_term[CELLENC_TERM_LEN];
} Operand;

/* What these functions keep in fn_extra. */
typedef struct OpState
{
	Operand		arg[2];
	FmgrInfo   *eq;				/* of the bases; NULL for hash functions */
	FmgrInfo   *cmp;
	const char *term_class;		/* NULL: terms do not tell equality */
	Oid			collation;		/* that by_bytes was found out for */
	bool		by_bytes;		/* equal if and only if the terms are */
} OpState;

static void
init_operand(Operand *operand, Oid type)
{
	operand->twin = cellenc_twin_lookup(type);
	operand->base = lookup_type_cache(operand->twin ? operand->twin->base : type,
									  TYPECACHE_EQ_OPR_FINFO | TYPECACHE_CMP_PROC_FINFO |
									  TYPECACHE_HASH_PROC_FINFO | TYPECACHE_BTREE_OPFAMILY);
}

static FmgrInfo *
function_info(Oid function, MemoryContext cxt)
{
	FmgrInfo   *info;

	if (!OidIsValid(function))
		return NULL;
	info = MemoryContextAlloc(cxt, sizeof(FmgrInfo));
	fmgr_info_cxt(function, info, cxt);
	return info;
}

/* How the bases compare: one type with itself, or two of an operator family. */
static void
init_comparison(OpState *state, MemoryContext cxt)
{
	TypeCacheEntry *left = state->arg[0].base;
	TypeCacheEntry *right = state->arg[1].base;

	if (left->type_id == right->type_id)
	{
		if (OidIsValid(left->eq_opr_finfo.fn_oid))
			state->eq = &left->eq_opr_finfo;
		if (OidIsValid(left->cmp_proc_finfo.fn_oid))
			state->cmp = &left->cmp_proc_finfo;
	}
	else
	{
		state->eq = function_info(get_opcode(get_opfamily_member(left->btree_opf, left->type_id,
																 right->type_id,
																 BTEqualStrategyNumber)), cxt);
		state->cmp = function_info(get_opfamily_proc(left->btree_opf, left->type_id,
													 right->type_id, BTORDER_PROC), cxt);
	}
	if (!state->eq)
		elog(ERROR, "types %u and %u cannot be compared", left->type_id, right->type_id);
}

static bool
is_hash_function(PGFunction function)
{
	return function == cellenc_twin_hash || function == cellenc_twin_hash_extended;
}

static OpState *
op_state(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	OpState    *state = flinfo->fn_extra;

	CELLENC_CHECK_PRELOAD();
	if (unlikely(!state))
	{
		Oid		   *types;
		int			ntypes;

		(void) get_func_signature(flinfo->fn_oid, &types, &ntypes);
		state = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(OpState));
		init_operand(&state->arg[0], types[0]);
		state->term_class = cellenc_term_class(state->arg[0].base->type_id);
		if (!is_hash_function(flinfo->fn_addr))
		{
			init_operand(&state->arg[1], types[1]);
			init_comparison(state, flinfo->fn_mcxt);
		}
		state->collation = InvalidOid;
		state->by_bytes = state->term_class != NULL;
		flinfo->fn_extra = state;
	}

	/* under a nondeterministic collation, other bytes can be equal */
	if (unlikely(state->collation != PG_GET_COLLATION()))
	{
		state->collation = PG_GET_COLLATION();
		state->by_bytes = state->term_class && get_collation_isdeterministic(state->collation);
	}
	return state;
}

/* Argument n as a datum of the base type. */
static Datum
plain_argument(FunctionCallInfo fcinfo, const OpState *state, int n)
{
	Datum		value = PG_GETARG_DATUM(n);

	if (!state->arg[n].twin)
		return value;
	return cellenc_codec_open_to_compare(state->arg[n].twin, value);
}

static void
free_plain(const OpState *state, int n, Datum plain)
{
	if (state->arg[n].twin && !state->arg[n].twin->typbyval)
		pfree(DatumGetPointer(plain));
}

/* pg_upgrade compares nothing but bounds of partitions. */
static bool
compares_bounds(const OpState *state)
{
	return IsBinaryUpgrade && state->arg[0].twin && state->arg[1].twin;
}

static int
compare_values(FunctionCallInfo fcinfo, OpState *state)
{
	Datum		left;
	Datum		right;
	int			result;

	if (!state->cmp)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify a comparison function for type %s",
						format_type_be(state->arg[0].base->type_id))));
	if (unlikely(compares_bounds(state)))
		return cellenc_upgrade_compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));

	left = plain_argument(fcinfo, state, 0);
	right = plain_argument(fcinfo, state, 1);
	result = DatumGetInt32(FunctionCall2Coll(state->cmp, PG_GET_COLLATION(), left, right));
	free_plain(state, 0, left);
	free_plain(state, 1, right);
	return result;
}

/* The stored term of argument n, after the check of the right to compare. */
static bool
stored_term(FunctionCallInfo fcinfo, const OpState *state, int n, uint8 *term)
{
	Datum		value = PG_GETARG_DATUM(n);

	if (!state->arg[n].twin || !cellenc_codec_stored_term(value, term))
		return false;
	cellenc_codec_check_compare(value);
	return true;
}

static bool
values_equal(FunctionCallInfo fcinfo)
{
	OpState    *state = op_state(fcinfo);
	uint8		term[2][CELLENC_TERM_LEN];
	Datum		left;
	Datum		right;
	bool		result;

	if (unlikely(compares_bounds(state)))
		return cellenc_upgrade_compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) == 0;
	if (state->by_bytes &&
		stored_term(fcinfo, state, 0, term[0]) &&
		stored_term(fcinfo, state, 1, term[1]))
		return cellenc_cipher_equal(term[0], term[1], CELLENC_TERM_LEN);

	left = plain_argument(fcinfo, state, 0);
	right = plain_argument(fcinfo, state, 1);
	result = DatumGetBool(FunctionCall2Coll(state->eq, PG_GET_COLLATION(), left, right));
	free_plain(state, 0, left);
	free_plain(state, 1, right);
	return result;
}

/*
 * Terms.  Where bytes do not tell equality (no canonical form, or a
 * nondeterministic collation), the base's own hash takes their place: equal
 * values still have equal ones, and unequal ones seldom.
 */

/*
 * Compute what stands for plain, a value of argument n.  The keyed MAC is
 * fetched last: opening a value, or the base's hash, may empty the key ring.
 */
static void
compute_term(const OpState *state, int n, Datum plain, uint8 *term)
{
	TypeCacheEntry *base = state->arg[n].base;
	CellencStatus status;
	uint32		hash;

	if (state->by_bytes)
	{
		cellenc_term_compute(cellenc_keyring_search_mac(), base->type_id, plain, term);
		return;
	}
	hash = pg_hton32(DatumGetUInt32(FunctionCall1Coll(&base->hash_proc_finfo, state->collation, plain)));
	status = cellenc_envelope_term(cellenc_keyring_search_mac(), NO_TERM_CLASS, &hash, sizeof(hash), term);
	if (status != CELLENC_OK)
		cellenc_report_status(status);
}

/*
 * The term of argument n, stored or computed.  Whoever may compare a column's
 * value may have its term; that of a value of the user's own choice is only
 * for those who have a right on some key.
 */
static void
argument_term(FunctionCallInfo fcinfo, OpState *state, int n, uint8 *term)
{
	Operand    *arg = &state->arg[n];
	Datum		plain;

	if (state->by_bytes && stored_term(fcinfo, state, n, term))
		return;
	if (!arg->twin || cellenc_codec_is_literal(PG_GETARG_DATUM(n)))
		cellenc_keyring_check_search();

	plain = plain_argument(fcinfo, state, n);
	if (arg->twin)
	{
		compute_term(state, n, plain, term);
		free_plain(state, n, plain);
		return;
	}

	if (!arg->known || !datum_image_eq(plain, arg->known_value, arg->base->typbyval, arg->base->typlen))
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (arg->known && !arg->base->typbyval)
			pfree(DatumGetPointer(arg->known_value));
		arg->known = false;
		arg->known_value = datumCopy(plain, arg->base->typbyval, arg->base->typlen);
		MemoryContextSwitchTo(old);
		compute_term(state, n, plain, arg->known_term);
		arg->known = true;
	}
	memcpy(term, arg->known_term, CELLENC_TERM_LEN);
}

/* Order by term; consistent with values_equal, and telling nothing else. */
static int
compare_terms(FunctionCallInfo fcinfo)
{
	OpState    *state = op_state(fcinfo);
	uint8		term[2][CELLENC_TERM_LEN];
	int			result;

	/* without a key there is no column, so nothing is stored by this */
	if (!cellenc_keyring_search_mac())
		return compare_values(fcinfo, state);

	argument_term(fcinfo, state, 0, term[0]);
	argument_term(fcinfo, state, 1, term[1]);
	result = memcmp(term[0], term[1], CELLENC_TERM_LEN);
	if (result == 0 && !state->by_bytes)
		return compare_values(fcinfo, state);
	return result;
}

Datum
cellenc_twin_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(values_equal(fcinfo));
}

Datum
cellenc_twin_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!values_equal(fcinfo));
}

Datum
cellenc_twin_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, op_state(fcinfo)) < 0);
}

Datum
cellenc_twin_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, op_state(fcinfo)) <= 0);
}

Datum
cellenc_twin_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, op_state(fcinfo)) > 0);
}

Datum
cellenc_twin_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo, op_state(fcinfo)) >= 0);
}

Datum
cellenc_twin_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_values(fcinfo, op_state(fcinfo)));
}

Datum
cellenc_twin_term_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_terms(fcinfo) < 0);
}

Datum
cellenc_twin_term_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_terms(fcinfo) <= 0);
}

Datum
cellenc_twin_term_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_terms(fcinfo) > 0);
}

Datum
cellenc_twin_term_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_terms(fcinfo) >= 0);
}

Datum
cellenc_twin_term_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_terms(fcinfo));
}

/* What cellenc_twin_in_range keeps in fn_extra. */
typedef struct RangeState
{
	const CellencTwin *twin;
	FmgrInfo	base;			/* in_range of the base, for this type of
								 * offset */
} RangeState;

static RangeState *
range_state(FmgrInfo *flinfo)
{
	RangeState *state = flinfo->fn_extra;

	CELLENC_CHECK_PRELOAD();
	if (unlikely(!state))
	{
		Oid		   *types;
		int			ntypes;
		TypeCacheEntry *cache;
		Oid			func;

		(void) get_func_signature(flinfo->fn_oid, &types, &ntypes);
		state = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(RangeState));
		state->twin = cellenc_twin_require(types[0]);
		cache = lookup_type_cache(state->twin->base, TYPECACHE_BTREE_OPFAMILY);
		func = get_opfamily_proc(cache->btree_opf, state->twin->base, types[2], BTINRANGE_PROC);
		if (!OidIsValid(func))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("type %s has no RANGE frames with offsets of type %s",
							format_type_be(state->twin->base), format_type_be(types[2]))));
		fmgr_info_cxt(func, &state->base, flinfo->fn_mcxt);
		flinfo->fn_extra = state;
	}
	return state;
}

/* For window frames: is a value within an offset of another one? */
Datum
cellenc_twin_in_range(PG_FUNCTION_ARGS)
{
	RangeState *state = range_state(fcinfo->flinfo);
	const CellencTwin *twin = state->twin;
	Datum		value = cellenc_codec_open_to_compare(twin, PG_GETARG_DATUM(0));
	Datum		start = cellenc_codec_open_to_compare(twin, PG_GETARG_DATUM(1));
	Datum		result = FunctionCall5Coll(&state->base, PG_GET_COLLATION(), value, start,
										   PG_GETARG_DATUM(2), PG_GETARG_DATUM(3),
										   PG_GETARG_DATUM(4));

	if (!twin->typbyval)
	{
		pfree(DatumGetPointer(value));
		pfree(DatumGetPointer(start));
	}
	return result;
}

/*
 * The keyed hash of the first argument: of its term, or of what stands for it.
 * The output is frozen, like the term.
 */
static uint64
keyed_hash(FunctionCallInfo fcinfo)
{
	OpState    *state = op_state(fcinfo);
	uint8		term[CELLENC_TERM_LEN];
	uint64		result;

	/* without a key there is no column, so nothing is stored by this */
	if (!cellenc_keyring_search_mac())
		return DatumGetUInt32(FunctionCall1Coll(&state->arg[0].base->hash_proc_finfo, PG_GET_COLLATION(),
												plain_argument(fcinfo, state, 0)));

	argument_term(fcinfo, state, 0, term);
	memcpy(&result, term, sizeof(result));
	return pg_ntoh64(result);
}

Datum
cellenc_twin_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT32((uint32) keyed_hash(fcinfo));
}

/* As every extended hash function: with seed 0, the low half is the plain one's. */
Datum
cellenc_twin_hash_extended(PG_FUNCTION_ARGS)
{
	uint64		hash = keyed_hash(fcinfo);
	uint64		seed = (uint64) PG_GETARG_INT64(1);

	PG_RETURN_UINT64(seed == 0 ? hash : hash_combine64(hash, seed));
}
