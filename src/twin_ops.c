/*-------------------------------------------------------------------------
 *
 * twin_ops.c
 *	  Comparison and hash functions of all encrypted types.
 *
 * Each takes (twin, twin), (twin, base) or (base, twin), as declared, and
 * answers as the base's own operator does.  They back the operator classes,
 * so ORDER BY, GROUP BY, DISTINCT and joins work on ciphertext and temporary
 * files hold nothing else.  All need `decrypt` on the keys involved, hit or
 * miss, or `=` would be an oracle.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "port/pg_bswap.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"

#include "codec.h"
#include "compat.h"
#include "keyring.h"
#include "report.h"
#include "term.h"
#include "twin.h"

PG_FUNCTION_INFO_V1(cellenc_twin_eq);
PG_FUNCTION_INFO_V1(cellenc_twin_ne);
PG_FUNCTION_INFO_V1(cellenc_twin_lt);
PG_FUNCTION_INFO_V1(cellenc_twin_le);
PG_FUNCTION_INFO_V1(cellenc_twin_gt);
PG_FUNCTION_INFO_V1(cellenc_twin_ge);
PG_FUNCTION_INFO_V1(cellenc_twin_cmp);
PG_FUNCTION_INFO_V1(cellenc_twin_hash);
PG_FUNCTION_INFO_V1(cellenc_twin_hash_extended);

/* Class of the keyed hash of a type that has no term of its own. */
#define NO_TERM_CLASS "hash"

/* What these functions keep in fn_extra. */
typedef struct OpState
{
	const CellencTwin *arg[2];	/* NULL: the argument is of the base type */
	const CellencTwin *twin;	/* one of them, or NULL for hash(base) */
	Oid			base;
	TypeCacheEntry *cache;		/* of the base */
	bool		has_term;
	Oid			collation;		/* that by_bytes was found out for */
	bool		by_bytes;		/* equal if and only if the terms are */
} OpState;

static OpState *
op_state(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	OpState    *state = flinfo->fn_extra;
	Oid		   *types;
	int			ntypes;

	CELLENC_CHECK_PRELOAD();
	if (unlikely(!state))
	{
		(void) get_func_signature(flinfo->fn_oid, &types, &ntypes);
		state = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(OpState));
		state->arg[0] = cellenc_twin_lookup(types[0]);
		if (ntypes > 1)
			state->arg[1] = cellenc_twin_lookup(types[1]);
		state->twin = state->arg[0] ? state->arg[0] : state->arg[1];
		state->base = state->twin ? state->twin->base : types[0];
		state->has_term = cellenc_term_class(state->base) != NULL;
		state->cache = lookup_type_cache(state->base,
										 TYPECACHE_EQ_OPR_FINFO | TYPECACHE_CMP_PROC_FINFO |
										 TYPECACHE_HASH_PROC_FINFO);
		state->collation = InvalidOid;
		state->by_bytes = state->has_term;
		flinfo->fn_extra = state;
	}

	/* under a nondeterministic collation, other bytes can be equal */
	if (unlikely(state->collation != PG_GET_COLLATION()))
	{
		state->collation = PG_GET_COLLATION();
		state->by_bytes = state->has_term && get_collation_isdeterministic(state->collation);
	}
	return state;
}

/* Argument n as a datum of the base type. */
static Datum
plain_argument(FunctionCallInfo fcinfo, const OpState *state, int n)
{
	Datum		value = PG_GETARG_DATUM(n);

	if (!state->arg[n])
		return value;
	return cellenc_codec_open_to_compare(state->arg[n], value);
}

static void
free_plain(const OpState *state, int n, Datum plain)
{
	if (state->arg[n] && !state->arg[n]->typbyval)
		pfree(DatumGetPointer(plain));
}

static int
compare_values(FunctionCallInfo fcinfo)
{
	OpState    *state = op_state(fcinfo);
	Datum		left;
	Datum		right;
	int			result;

	if (!OidIsValid(state->cache->cmp_proc_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify a comparison function for type %u", state->base)));
	left = plain_argument(fcinfo, state, 0);
	right = plain_argument(fcinfo, state, 1);
	result = DatumGetInt32(FunctionCall2Coll(&state->cache->cmp_proc_finfo, PG_GET_COLLATION(),
											 left, right));
	free_plain(state, 0, left);
	free_plain(state, 1, right);
	return result;
}

/* The stored term of argument n, after the check of the right to compare. */
static bool
term_of_argument(FunctionCallInfo fcinfo, const OpState *state, int n, uint8 *term)
{
	Datum		value = PG_GETARG_DATUM(n);

	if (!state->arg[n] || !cellenc_codec_stored_term(value, term))
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

	if (state->by_bytes &&
		term_of_argument(fcinfo, state, 0, term[0]) &&
		term_of_argument(fcinfo, state, 1, term[1]))
		return cellenc_cipher_equal(term[0], term[1], CELLENC_TERM_LEN);

	left = plain_argument(fcinfo, state, 0);
	right = plain_argument(fcinfo, state, 1);
	result = DatumGetBool(FunctionCall2Coll(&state->cache->eq_opr_finfo, PG_GET_COLLATION(),
											left, right));
	free_plain(state, 0, left);
	free_plain(state, 1, right);
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
	PG_RETURN_BOOL(compare_values(fcinfo) < 0);
}

Datum
cellenc_twin_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) <= 0);
}

Datum
cellenc_twin_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) > 0);
}

Datum
cellenc_twin_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) >= 0);
}

Datum
cellenc_twin_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_values(fcinfo));
}

/*
 * The keyed hash of the first argument: of its term where the type has one,
 * else of the base's own hash.  The output is frozen, like the term.
 */
static uint64
keyed_hash(FunctionCallInfo fcinfo)
{
	OpState    *state = op_state(fcinfo);
	CellencMac *mac;
	uint8		term[CELLENC_TERM_LEN];
	uint64		result;

	if (!state->by_bytes || !term_of_argument(fcinfo, state, 0, term))
	{
		Datum		plain = plain_argument(fcinfo, state, 0);
		uint32		hash = 0;

		if (!state->by_bytes)
			hash = DatumGetUInt32(FunctionCall1Coll(&state->cache->hash_proc_finfo,
													PG_GET_COLLATION(), plain));

		/* without a key there is no column, so nothing is stored by this */
		mac = cellenc_keyring_search_mac();
		if (!mac)
			return DatumGetUInt32(FunctionCall1Coll(&state->cache->hash_proc_finfo,
													PG_GET_COLLATION(), plain));
		if (state->by_bytes)
			cellenc_term_compute(mac, state->base, plain, term);
		else
		{
			CellencStatus status;

			hash = pg_hton32(hash);
			status = cellenc_envelope_term(mac, NO_TERM_CLASS, &hash, sizeof(hash), term);
			if (status != CELLENC_OK)
				cellenc_report_status(status);
		}
		free_plain(state, 0, plain);
	}

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
