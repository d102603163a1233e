/*-------------------------------------------------------------------------
 *
 * twin_sort.c
 *	  Sort support of all encrypted types.
 *
 * A sort compares each value many times, and opening it is most of the cost of
 * a comparison.  The abbreviated key, which sorting makes once for each value,
 * stands for the opened value here: the plaintext itself where that is passed
 * by value, else a hash of it, by which the plaintext is found in a table of
 * limited size.  Where it is not there any more, the abbreviated keys tie, and
 * then the sort asks for the full comparison, which opens both values.  So the
 * order is exact whatever is kept, and what is written to tape is ciphertext.
 *
 * Equal values have equal abbreviated keys, as DISTINCT in aggregates relies on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

#include "codec.h"
#include "compat.h"
#include "report.h"
#include "twin.h"

PG_FUNCTION_INFO_V1(cellenc_twin_sortsupport);

/* Plaintexts are in buckets, half full at most: one is rarely pushed out. */
#define BUCKET_SIZE 8
#define FIRST_BUCKETS 128

typedef struct Kept
{
	uint64		hash;			/* 0: nothing is here */
	Datum		plain;			/* 0: two different values have this hash */
} Kept;

typedef struct SortState
{
	const CellencTwin *twin;
	SortSupportData base;		/* how the opened values compare */
	bool		tie;			/* the last abbreviated comparison was exact,
								 * and equal */

	FmgrInfo   *hash;			/* of the base; NULL: it is passed by value */
	FmgrInfo   *equal;
	int64		seed;
	MemoryContext cxt;			/* of the plaintexts and their table */
	void	   *table;			/* as allocated */
	Kept	   *kept;			/* aligned */
	Size		nbuckets;		/* a power of 2 */
	Size		nkept;
	Size		used;			/* bytes of the plaintexts */
	uint32		victim;			/* who leaves a full bucket next */
} SortState;

static int
compare_sealed(Datum x, Datum y, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	Datum		left;
	Datum		right;
	int			result;

	if (state->tie)
	{
		state->tie = false;
		return 0;
	}
	left = cellenc_codec_open_to_compare(state->twin, x);
	right = cellenc_codec_open_to_compare(state->twin, y);
	result = state->base.comparator(left, right, &state->base);
	if (!state->twin->typbyval)
	{
		pfree(DatumGetPointer(left));
		pfree(DatumGetPointer(right));
	}
	return result;
}

/* Abbreviated keys are the values themselves. */
static int
compare_values(Datum x, Datum y, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	int			result = state->base.comparator(x, y, &state->base);

	state->tie = result == 0;
	return result;
}

static Datum
convert_value(Datum original, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	Datum		plain = cellenc_codec_open_to_compare(state->twin, original);

	/* zeros of either sign are equal, and so is whatever is not a number */
	if (state->twin->base == FLOAT8OID)
	{
		float8		value = DatumGetFloat8(plain);

		return Float8GetDatum(isnan(value) ? get_float8_nan() : value + 0.0);
	}
	if (state->twin->base == FLOAT4OID)
	{
		float4		value = DatumGetFloat4(plain);

		return Float4GetDatum(isnan(value) ? get_float4_nan() : value + 0.0f);
	}
	return plain;
}

static Kept *
bucket_of(SortState *state, uint64 hash)
{
	return &state->kept[(hash & (state->nbuckets - 1)) * BUCKET_SIZE];
}

static Kept *
find_kept(SortState *state, uint64 hash)
{
	Kept	   *bucket = bucket_of(state, hash);

	for (int i = 0; i < BUCKET_SIZE; i++)
	{
		if (bucket[i].hash == hash)
			return &bucket[i];
	}
	return NULL;
}

/* Abbreviated keys are hashes of the values. */
static int
compare_hashes(Datum x, Datum y, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	Kept	   *left = find_kept(state, DatumGetUInt64(x));
	Kept	   *right = find_kept(state, DatumGetUInt64(y));

	if (left && right && left->plain && right->plain)
		return compare_values(left->plain, right->plain, ssup);
	state->tie = false;
	return 0;
}

static void
allocate_kept(SortState *state, Size nbuckets)
{
	Size		size = nbuckets * BUCKET_SIZE * sizeof(Kept) + PG_CACHE_LINE_SIZE;

	state->nbuckets = nbuckets;
	state->table = MemoryContextAllocExtended(state->cxt, size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	state->kept = (Kept *) CACHELINEALIGN(state->table);
}

static void
forget(SortState *state, Kept *kept)
{
	if (kept->plain)
	{
		state->used -= GetMemoryChunkSpace(DatumGetPointer(kept->plain));
		pfree(DatumGetPointer(kept->plain));
	}
	state->nkept--;
}

/* A place for hash, which is in none yet. */
static Kept *
place_for(SortState *state, uint64 hash)
{
	Kept	   *bucket = bucket_of(state, hash);
	Kept	   *kept = NULL;

	for (int i = 0; i < BUCKET_SIZE && !kept; i++)
	{
		if (bucket[i].hash == 0)
			kept = &bucket[i];
	}
	if (!kept)
	{
		kept = &bucket[state->victim++ % BUCKET_SIZE];
		forget(state, kept);
	}
	kept->hash = hash;
	state->nkept++;
	return kept;
}

/* Twice the buckets: none gets more than it had. */
static void
grow_kept(SortState *state)
{
	void	   *old_table = state->table;
	Kept	   *old = state->kept;
	Size		n = state->nbuckets * BUCKET_SIZE;

	allocate_kept(state, state->nbuckets * 2);
	state->nkept = 0;
	for (Size i = 0; i < n; i++)
	{
		if (old[i].hash != 0)
			place_for(state, old[i].hash)->plain = old[i].plain;
	}
	pfree(old_table);
}

/*
 * Open a value and keep it.  What is kept takes up to work_mem, beside what the
 * sort itself takes; after that, each newcomer takes another's place.
 */
static Datum
convert_to_hash(Datum original, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	Size		limit = (Size) work_mem * 1024;
	MemoryContext old = MemoryContextSwitchTo(state->cxt);
	Datum		plain = cellenc_codec_open_to_compare(state->twin, original);
	uint64		hash;
	Kept	   *kept;

	hash = DatumGetUInt64(FunctionCall2Coll(state->hash, ssup->ssup_collation, plain,
											Int64GetDatum(state->seed)));
	MemoryContextSwitchTo(old);
	if (hash == 0)
		hash = 1;

	kept = find_kept(state, hash);
	if (kept)
	{
		if (kept->plain &&
			!DatumGetBool(FunctionCall2Coll(state->equal, ssup->ssup_collation, kept->plain, plain)))
		{
			state->used -= GetMemoryChunkSpace(DatumGetPointer(kept->plain));
			pfree(DatumGetPointer(kept->plain));
			kept->plain = (Datum) 0;
		}
		pfree(DatumGetPointer(plain));
		return UInt64GetDatum(hash);
	}

	if (state->nkept >= state->nbuckets * BUCKET_SIZE / 2 &&
		state->used + state->nbuckets * 2 * BUCKET_SIZE * sizeof(Kept) < limit)
		grow_kept(state);
	else if (state->used + state->nbuckets * BUCKET_SIZE * sizeof(Kept) >= limit)
	{
		Kept	   *bucket = bucket_of(state, hash);

		for (int i = 0; i < BUCKET_SIZE; i++)
		{
			if (bucket[i].hash != 0)
			{
				forget(state, &bucket[i]);
				bucket[i].hash = 0;
			}
		}
	}
	place_for(state, hash)->plain = plain;
	state->used += GetMemoryChunkSpace(DatumGetPointer(plain));
	return UInt64GetDatum(hash);
}

/* Always worth it: opening is what costs. */
static bool
never_abort(int memtupcount, SortSupport ssup)
{
	return false;
}

/* The twin whose sort support function this is: the name ends in its tag. */
static const CellencTwin *
twin_of_function(Oid function)
{
	Oid			types[] = {CSTRINGOID, OIDOID, INT4OID};
	char	   *name = get_func_name(function);
	char	   *in;

	if (!name || strncmp(name, CELLENC_SORT_PREFIX, strlen(CELLENC_SORT_PREFIX)) != 0)
		elog(ERROR, "function %u is no sort support function of an encrypted type", function);
	in = psprintf(CELLENC_IN_PREFIX "%s", name + strlen(CELLENC_SORT_PREFIX));
	function = LookupFuncName(list_make2(makeString("cellenc"), makeString(in)),
							  lengthof(types), types, false);
	return cellenc_twin_require(get_func_rettype(function));
}

/* Set ssup up for abbreviated keys, if the base has what they take. */
static void
abbreviate(SortState *state, SortSupport ssup)
{
	const CellencTwin *twin = state->twin;

	/* of these, equal values are those with the same bits */
	if (twin->typbyval && (twin->base < FirstNormalObjectId || get_typtype(twin->base) == TYPTYPE_ENUM))
	{
		ssup->comparator = compare_values;
		ssup->abbrev_converter = convert_value;
	}
	else
	{
		TypeCacheEntry *cache = lookup_type_cache(twin->base, TYPECACHE_EQ_OPR_FINFO |
												  TYPECACHE_HASH_EXTENDED_PROC_FINFO);

		if (twin->typbyval || !OidIsValid(cache->hash_extended_proc_finfo.fn_oid))
			return;
		state->hash = &cache->hash_extended_proc_finfo;
		state->equal = &cache->eq_opr_finfo;
		state->seed = (int64) pg_prng_uint64(&pg_global_prng_state);
		state->cxt = AllocSetContextCreate(ssup->ssup_cxt, "cellenc sort", ALLOCSET_DEFAULT_SIZES);
		allocate_kept(state, FIRST_BUCKETS);
		ssup->comparator = compare_hashes;
		ssup->abbrev_converter = convert_to_hash;
	}
	ssup->abbrev_full_comparator = compare_sealed;
	ssup->abbrev_abort = never_abort;
}

Datum
cellenc_twin_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);
	MemoryContext old = MemoryContextSwitchTo(ssup->ssup_cxt);
	SortState  *state = palloc0(sizeof(SortState));

	CELLENC_CHECK_PRELOAD();
	state->twin = twin_of_function(fcinfo->flinfo->fn_oid);
	state->base.ssup_cxt = ssup->ssup_cxt;
	state->base.ssup_collation = ssup->ssup_collation;
	PrepareSortSupportFromOrderingOp(lookup_type_cache(state->twin->base, TYPECACHE_LT_OPR)->lt_opr,
									 &state->base);
	ssup->ssup_extra = state;
	ssup->comparator = compare_sealed;

	/* a hash has to fit into the key */
	if (ssup->abbreviate && sizeof(Datum) == sizeof(uint64))
		abbreviate(state, ssup);
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}
