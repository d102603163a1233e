/*-------------------------------------------------------------------------
 *
 * twin_sort.c
 *	  Sort support of all encrypted types.
 *
 * A sort compares each value many times, and opening it is most of the cost of
 * a comparison.  So the abbreviated key, which sorting makes once for each
 * value, is of the opened value: the plaintext itself where that is passed by
 * value, else the base's own abbreviated key, or where the base has none (text
 * in most collations) what stands for an interned plaintext.  What that leaves
 * open is decided by opened values again, which are kept up to a limit.  The
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
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

#include "codec.h"
#include "compat.h"
#include "interned.h"
#include "opened.h"
#include "report.h"
#include "twin.h"

PG_FUNCTION_INFO_V1(cellenc_twin_sortsupport);

typedef struct SortState
{
	const CellencTwin *twin;
	SortSupportData base;		/* how the opened values compare */
	CellencOpened *opened;		/* NULL: plaintexts are passed by value */
	CellencInterned *interned;	/* NULL: nothing is interned */
	bool		compared;		/* since something was interned */
	bool		tie;			/* the last abbreviated comparison was exact,
								 * and equal */
} SortState;

static int
compare_sealed(Datum x, Datum y, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	int			(*compare) (Datum, Datum, SortSupport) = state->base.comparator;
	bool		left_kept = true;
	bool		right_kept = true;
	Datum		left;
	Datum		right;
	int			result;

	if (state->tie)
	{
		state->tie = false;
		return 0;
	}
	if (state->base.abbrev_converter)
		compare = state->base.abbrev_full_comparator;
	if (!state->opened)
	{
		left = cellenc_codec_open_to_compare(state->twin, x);
		right = cellenc_codec_open_to_compare(state->twin, y);
		return compare(left, right, &state->base);
	}

	cellenc_opened_make_room(state->opened);
	left = cellenc_opened_get(state->opened, x, &left_kept);
	right = cellenc_opened_get(state->opened, y, &right_kept);
	result = compare(left, right, &state->base);
	if (!left_kept)
		pfree(DatumGetPointer(left));
	if (!right_kept)
		pfree(DatumGetPointer(right));
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

/* Abbreviated keys are the base's. */
static int
compare_abbreviated(Datum x, Datum y, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;

	return state->base.comparator(x, y, &state->base);
}

static Datum
abbreviate_opened(Datum original, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	Datum		plain = cellenc_codec_open_to_compare(state->twin, original);
	Datum		result = state->base.abbrev_converter(plain, &state->base);

	pfree(DatumGetPointer(plain));
	return result;
}

static bool
abort_abbreviating(int memtupcount, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;

	return state->base.abbrev_abort(memtupcount, &state->base);
}

/* Always worth it: opening is what costs. */
static bool
never_abort(int memtupcount, SortSupport ssup)
{
	return false;
}

/* Abbreviated keys stand for interned plaintexts. */
static int
compare_interned(Datum x, Datum y, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	Datum		left = cellenc_interned_get(state->interned, x);
	Datum		right = cellenc_interned_get(state->interned, y);

	state->compared = true;
	return likely(left && right) ? compare_values(left, right, ssup) : 0;
}

/*
 * Values that come after a comparison begin a new run: those before them are on
 * tape, without their keys.  Were they not, they would only be slow to compare.
 */
static Datum
intern_opened(Datum original, SortSupport ssup)
{
	SortState  *state = ssup->ssup_extra;
	Datum		plain;
	Datum		result;

	if (unlikely(state->compared))
		cellenc_interned_reset(state->interned);
	state->compared = false;
	plain = cellenc_codec_open_to_compare(state->twin, original);
	result = cellenc_interned_add(state->interned, plain);
	pfree(DatumGetPointer(plain));
	return result;
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

/*
 * Of these, equal values are those with the same bits, after convert_value().
 */
static bool
is_exact(const CellencTwin *twin)
{
	return twin->typbyval && (twin->base < FirstNormalObjectId || get_typtype(twin->base) == TYPTYPE_ENUM);
}

Datum
cellenc_twin_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);
	MemoryContext old = MemoryContextSwitchTo(ssup->ssup_cxt);
	SortState  *state = palloc0(sizeof(SortState));
	const CellencTwin *twin;

	CELLENC_CHECK_PRELOAD();
	state->twin = twin = twin_of_function(fcinfo->flinfo->fn_oid);
	state->base.ssup_cxt = ssup->ssup_cxt;
	state->base.ssup_collation = ssup->ssup_collation;
	state->base.abbreviate = ssup->abbreviate && !twin->typbyval;
	PrepareSortSupportFromOrderingOp(lookup_type_cache(twin->base, TYPECACHE_LT_OPR)->lt_opr,
									 &state->base);
	if (!twin->typbyval)
		state->opened = cellenc_opened_create(twin, ssup->ssup_cxt, (Size) work_mem * 1024);

	/* what the sort keeps in memory is the limit, which is not known here */
	if (state->base.abbreviate && !state->base.abbrev_converter)
		state->interned = cellenc_interned_create(twin, ssup->ssup_collation, ssup->ssup_cxt,
												  (Size) Max(work_mem, maintenance_work_mem) * 1024);

	ssup->ssup_extra = state;
	ssup->comparator = compare_sealed;
	if (ssup->abbreviate && is_exact(twin))
	{
		ssup->comparator = compare_values;
		ssup->abbrev_converter = convert_value;
		ssup->abbrev_full_comparator = compare_sealed;
		ssup->abbrev_abort = never_abort;
	}
	else if (state->base.abbrev_converter)
	{
		/* sorting has a faster way for this one */
		ssup->comparator = state->base.comparator == ssup_datum_unsigned_cmp ?
			ssup_datum_unsigned_cmp : compare_abbreviated;
		ssup->abbrev_converter = abbreviate_opened;
		ssup->abbrev_full_comparator = compare_sealed;
		ssup->abbrev_abort = abort_abbreviating;
	}
	else if (state->interned)
	{
		ssup->comparator = compare_interned;
		ssup->abbrev_converter = intern_opened;
		ssup->abbrev_full_comparator = compare_sealed;
		ssup->abbrev_abort = never_abort;
	}
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}
