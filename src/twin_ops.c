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

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/syscache.h"

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
PG_FUNCTION_INFO_V1(cellenc_twin_cmp_kind);
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

/* Terms of so many plain values are remembered. */
#define RECENT_TERMS 4

/* What is known of one of these functions, for the rest of the session. */
typedef struct OpInfo
{
	Oid			function;		/* hash key */
	uint64		generation;		/* of the catalogs; 0: never read */
	const CellencTwin *twin[2]; /* NULL: the argument is plain */
	TypeCacheEntry *base[2];	/* what the argument is once opened */
	Oid			eq;				/* comparisons of two bases that differ */
	Oid			cmp;
	const char *term_class;		/* NULL: terms do not tell equality */
} OpInfo;

/* What these functions keep in fn_extra. */
typedef struct OpState
{
	const OpInfo *info;
	FmgrInfo   *eq;				/* of the bases; NULL for hash functions */
	FmgrInfo   *cmp;
	Oid			collation;		/* that by_bytes was found out for */
	bool		by_bytes;		/* equal if and only if the terms are */
	Datum		met[2];			/* plain arguments of the call before, not to
								 * be followed */
} OpState;

static HTAB *op_infos = NULL;

/*
 * Plain values whose terms were computed last: a scan asks for that of its
 * constant for each comparison, and by several functions.  They go with the
 * transaction, in whose context the bytes are.
 */
typedef struct RecentTerm
{
	uint64		serial;			/* of the key ring; 0: nothing is here */
	Oid			type;
	Oid			collation;		/* InvalidOid: equal terms tell equality */
	Size		len;
	char	   *bytes;
	uint8		term[CELLENC_TERM_LEN];
} RecentTerm;

static RecentTerm recent_terms[RECENT_TERMS];

static bool
is_hash_function(PGFunction function)
{
	return function == cellenc_twin_hash || function == cellenc_twin_hash_extended;
}

/* One that is declared as a kind of types stands for the other one's base. */
static Oid
declared_type(const Oid *types, int n)
{
	return cellenc_twin_is_kind(types[n]) ? cellenc_twin_require(types[1 - n])->base : types[n];
}

static void
read_argument(OpInfo *info, int n, Oid type)
{
	info->twin[n] = cellenc_twin_lookup(type);
	info->base[n] = lookup_type_cache(info->twin[n] ? info->twin[n]->base : type,
									  TYPECACHE_EQ_OPR_FINFO | TYPECACHE_CMP_PROC_FINFO |
									  TYPECACHE_HASH_PROC_FINFO | TYPECACHE_BTREE_OPFAMILY);
}

static void
read_info(OpInfo *info, bool is_hash)
{
	Oid		   *types;
	int			ntypes;

	info->generation = 0;
	(void) get_func_signature(info->function, &types, &ntypes);
	read_argument(info, 0, is_hash ? types[0] : declared_type(types, 0));
	info->term_class = cellenc_term_class(info->base[0]->type_id);
	info->eq = info->cmp = InvalidOid;
	if (!is_hash)
	{
		Oid			left;
		Oid			right;
		const char *other_class;

		read_argument(info, 1, declared_type(types, 1));
		left = info->base[0]->type_id;
		right = info->base[1]->type_id;
		other_class = cellenc_term_class(right);
		if (info->term_class && (!other_class || strcmp(info->term_class, other_class) != 0))
			info->term_class = NULL;
		if (left != right)
		{
			Oid			family = info->base[0]->btree_opf;

			info->eq = get_opcode(get_opfamily_member(family, left, right, BTEqualStrategyNumber));
			info->cmp = get_opfamily_proc(family, left, right, BTORDER_PROC);
		}
	}
	pfree(types);
}

static const OpInfo *
find_info(FmgrInfo *flinfo)
{
	uint64		generation = cellenc_twin_generation();
	OpInfo	   *info;
	bool		found;

	if (!op_infos)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(OpInfo);
		op_infos = hash_create("cellenc comparisons", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	info = hash_search(op_infos, &flinfo->fn_oid, HASH_ENTER, &found);
	if (!found || info->generation != generation)
	{
		read_info(info, is_hash_function(flinfo->fn_addr));
		info->generation = generation;
	}
	return info;
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
	TypeCacheEntry *left = state->info->base[0];
	TypeCacheEntry *right = state->info->base[1];

	if (left == right)
	{
		if (OidIsValid(left->eq_opr_finfo.fn_oid))
			state->eq = &left->eq_opr_finfo;
		if (OidIsValid(left->cmp_proc_finfo.fn_oid))
			state->cmp = &left->cmp_proc_finfo;
	}
	else
	{
		state->eq = function_info(state->info->eq, cxt);
		state->cmp = function_info(state->info->cmp, cxt);
	}
	if (!state->eq)
		elog(ERROR, "types %u and %u cannot be compared", left->type_id, right->type_id);
}

static OpState *
op_state(FunctionCallInfo fcinfo)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	OpState    *state = flinfo->fn_extra;

	CELLENC_CHECK_PRELOAD();
	if (unlikely(!state))
	{
		state = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(OpState));
		state->info = find_info(flinfo);
		if (!is_hash_function(flinfo->fn_addr))
			init_comparison(state, flinfo->fn_mcxt);
		state->collation = InvalidOid;
		state->by_bytes = state->info->term_class != NULL;
		flinfo->fn_extra = state;
	}

	/* under a nondeterministic collation, other bytes can be equal */
	if (unlikely(state->collation != PG_GET_COLLATION()))
	{
		state->collation = PG_GET_COLLATION();
		state->by_bytes = state->info->term_class &&
			(state->collation == DEFAULT_COLLATION_OID || get_collation_isdeterministic(state->collation));
	}
	return state;
}

/* Argument n as a datum of the base type. */
static Datum
plain_argument(FunctionCallInfo fcinfo, const OpState *state, int n)
{
	Datum		value = PG_GETARG_DATUM(n);

	if (!state->info->twin[n])
		return value;
	return cellenc_codec_open_to_compare(state->info->twin[n], value);
}

static void
free_plain(const OpState *state, int n, Datum plain)
{
	if (state->info->twin[n] && !state->info->twin[n]->typbyval)
		pfree(DatumGetPointer(plain));
}

/* pg_upgrade compares nothing but bounds of partitions. */
static bool
compares_bounds(const OpState *state)
{
	return IsBinaryUpgrade && state->info->twin[0] && state->info->twin[1];
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
						format_type_be(state->info->base[0]->type_id))));
	if (unlikely(compares_bounds(state)))
		return cellenc_upgrade_compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));

	left = plain_argument(fcinfo, state, 0);
	right = plain_argument(fcinfo, state, 1);
	result = DatumGetInt32(FunctionCall2Coll(state->cmp, PG_GET_COLLATION(), left, right));
	free_plain(state, 0, left);
	free_plain(state, 1, right);
	return result;
}

/*
 * Terms.  Where bytes do not tell equality (no canonical form, or a
 * nondeterministic collation), the base's own hash takes their place: equal
 * values still have equal ones, and unequal ones seldom.
 */

/* The stored term of argument n, or NULL; it may be in buf. */
static inline const uint8 *
stored_term(FunctionCallInfo fcinfo, const OpState *state, int n, uint8 *buf)
{
	return state->info->twin[n] ? cellenc_codec_term_to_compare(PG_GETARG_DATUM(n), buf) : NULL;
}

/*
 * Compute what stands for plain, a value of argument n.  The keyed MAC is
 * fetched last: opening a value, or the base's hash, may empty the key ring.
 */
static void
compute_term(const OpState *state, int n, Datum plain, uint8 *term)
{
	TypeCacheEntry *base = state->info->base[n];
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

/* The bytes by which a plain value is told; NULL if it is not remembered. */
static const char *
recent_bytes(const TypeCacheEntry *base, const Datum *plain, Size *len)
{
	const char *bytes;

	if (base->typbyval)
	{
		*len = sizeof(Datum);
		return (const char *) plain;
	}
	bytes = DatumGetPointer(*plain);
	if (base->typlen > 0)
		*len = base->typlen;
	else if (base->typlen == -1 && !VARATT_IS_EXTERNAL(bytes) && !VARATT_IS_COMPRESSED(bytes))
	{
		*len = VARSIZE_ANY_EXHDR(bytes);
		bytes = VARDATA_ANY(bytes);
	}
	else
		return NULL;
	return bytes;
}

/* The term of a plain value, if it is remembered, else NULL. */
static const uint8 *
recent_term(const OpState *state, int n, Datum plain)
{
	Oid			type = state->info->base[n]->type_id;
	Oid			collation = state->by_bytes ? InvalidOid : state->collation;
	uint64		serial = cellenc_keyring_serial();
	Size		len = 0;
	const char *bytes = recent_bytes(state->info->base[n], &plain, &len);

	for (int i = 0; bytes && i < RECENT_TERMS; i++)
	{
		const RecentTerm *recent = &recent_terms[i];

		if (recent->serial == serial && recent->type == type && recent->collation == collation &&
			recent->len == len && memcmp(recent->bytes, bytes, len) == 0)
			return recent->term;
	}
	return NULL;
}

static void
forget_term(RecentTerm *recent)
{
	if (recent->bytes)
	{
		cellenc_cipher_wipe(recent->bytes, recent->len);
		pfree(recent->bytes);
	}
	memset(recent, 0, sizeof(*recent));
}

static void
forget_terms(XactEvent event, void *arg)
{
	for (int i = 0; i < RECENT_TERMS; i++)
		forget_term(&recent_terms[i]);
}

/* Remember a term, in place of the oldest.  serial: before it was computed. */
static void
remember_term(const OpState *state, int n, Datum plain, const uint8 *term, uint64 serial)
{
	static bool registered = false;
	static int	oldest = 0;
	RecentTerm *recent = &recent_terms[oldest];
	Size		len = 0;
	const char *bytes = recent_bytes(state->info->base[n], &plain, &len);

	if (!bytes || serial != cellenc_keyring_serial())
		return;
	if (!registered)
		RegisterXactCallback(forget_terms, NULL);
	registered = true;

	oldest = (oldest + 1) % RECENT_TERMS;
	forget_term(recent);
	recent->bytes = MemoryContextAlloc(TopTransactionContext, Max(len, 1));
	memcpy(recent->bytes, bytes, len);
	recent->len = len;
	recent->type = state->info->base[n]->type_id;
	recent->collation = state->by_bytes ? InvalidOid : state->collation;
	memcpy(recent->term, term, CELLENC_TERM_LEN);
	recent->serial = serial;
}

/*
 * The term of argument n, which is plain, in buf.  That of a value of the
 * user's own choice is only for those who have a right on some key.
 */
static const uint8 *
plain_term(FunctionCallInfo fcinfo, const OpState *state, int n, uint8 *buf)
{
	Datum		plain = PG_GETARG_DATUM(n);
	const uint8 *term;
	uint64		serial;

	cellenc_keyring_check_search();
	term = recent_term(state, n, plain);
	if (likely(term))
		return memcpy(buf, term, CELLENC_TERM_LEN);
	serial = cellenc_keyring_serial();
	compute_term(state, n, plain, buf);
	remember_term(state, n, plain, buf, serial);
	return buf;
}

/*
 * The term of argument n, stored or computed; it may be in buf.  Whoever may
 * compare a column's value may have its term.
 */
static const uint8 *
argument_term(FunctionCallInfo fcinfo, OpState *state, int n, uint8 *buf)
{
	const uint8 *term = state->by_bytes ? stored_term(fcinfo, state, n, buf) : NULL;
	Datum		plain;

	if (term)
		return term;
	if (!state->info->twin[n])
		return plain_term(fcinfo, state, n, buf);

	if (cellenc_codec_is_literal(PG_GETARG_DATUM(n)))
		cellenc_keyring_check_search();
	plain = plain_argument(fcinfo, state, n);
	compute_term(state, n, plain, buf);
	free_plain(state, n, plain);
	return buf;
}

/*
 * The term to compare a stored one with.  To open the stored value costs less
 * than the term of a plain one, so that has to come a second time.
 */
static const uint8 *
other_term(FunctionCallInfo fcinfo, OpState *state, int n, uint8 *buf)
{
	Datum		plain = PG_GETARG_DATUM(n);

	if (state->info->twin[n])
		return stored_term(fcinfo, state, n, buf);
	if (state->met[n] != plain)
	{
		state->met[n] = plain;
		if (!recent_term(state, n, plain))
			return NULL;
	}
	return plain_term(fcinfo, state, n, buf);
}

static bool
values_equal(FunctionCallInfo fcinfo)
{
	OpState    *state = op_state(fcinfo);
	uint8		buf[2][CELLENC_TERM_LEN];
	Datum		left;
	Datum		right;
	bool		result;

	if (unlikely(compares_bounds(state)))
		return cellenc_upgrade_compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) == 0;
	if (state->by_bytes)
	{
		int			n = state->info->twin[0] ? 0 : 1;
		const uint8 *term = stored_term(fcinfo, state, n, buf[0]);
		const uint8 *other = term ? other_term(fcinfo, state, 1 - n, buf[1]) : NULL;

		if (other)
			return cellenc_cipher_equal(term, other, CELLENC_TERM_LEN);
	}

	left = plain_argument(fcinfo, state, 0);
	right = plain_argument(fcinfo, state, 1);
	result = DatumGetBool(FunctionCall2Coll(state->eq, PG_GET_COLLATION(), left, right));
	free_plain(state, 0, left);
	free_plain(state, 1, right);
	return result;
}

/* Order by term; consistent with values_equal, and telling nothing else. */
static int
compare_terms(FunctionCallInfo fcinfo)
{
	OpState    *state = op_state(fcinfo);
	uint8		buf[2][CELLENC_TERM_LEN];
	const uint8 *left;
	const uint8 *right;
	int			result;

	/* what an index scan does with each entry that it looks at */
	if (state->by_bytes && state->info->twin[0] && !state->info->twin[1])
	{
		left = stored_term(fcinfo, state, 0, buf[0]);
		if (left)
			return memcmp(left, plain_term(fcinfo, state, 1, buf[1]), CELLENC_TERM_LEN);
	}

	/* without a key there is no column, so nothing is stored by this */
	if (!cellenc_keyring_search_mac())
		return compare_values(fcinfo, state);

	left = argument_term(fcinfo, state, 0, buf[0]);
	right = argument_term(fcinfo, state, 1, buf[1]);
	result = memcmp(left, right, CELLENC_TERM_LEN);
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

/* The type of a value that is passed as one of base's kind; records are of any. */
static Oid
type_of_value(const TypeCacheEntry *base, Datum value)
{
	HeapTuple	tuple;
	Oid			result;

	if (base->typtype == TYPTYPE_COMPOSITE)
		return base->type_id;
	if (base->typtype == TYPTYPE_RANGE)
		return RangeTypeGetOid(DatumGetRangeTypeP(value));
	if (base->typtype == TYPTYPE_MULTIRANGE)
		return MultirangeTypeGetOid(DatumGetMultirangeTypeP(value));
	if (base->typtype != TYPTYPE_ENUM)
		elog(ERROR, "type %u is of no kind", base->type_id);
	tuple = SearchSysCache1(ENUMOID, value);
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	result = ((Form_pg_enum) GETSTRUCT(tuple))->enumtypid;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Of a twin and any type of its base's kind.  Who calls it, a comparison of
 * rows, tells nothing of types, so the value has to.
 */
Datum
cellenc_twin_cmp_kind(PG_FUNCTION_ARGS)
{
	OpState    *state = op_state(fcinfo);
	int			n = state->info->twin[0] ? 1 : 0;
	const TypeCacheEntry *base = state->info->base[n];
	Oid			type = type_of_value(base, PG_GETARG_DATUM(n));

	if (type != base->type_id)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cannot compare a value of type %s with one of type %s",
						format_type_be(state->info->twin[1 - n]->type),
						OidIsValid(type) ? format_type_be(type) : "another enum")));
	PG_RETURN_INT32(compare_values(fcinfo, state));
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
	uint8		buf[CELLENC_TERM_LEN];
	uint64		result;

	/* without a key there is no column, so nothing is stored by this */
	if (!cellenc_keyring_search_mac())
		return DatumGetUInt32(FunctionCall1Coll(&state->info->base[0]->hash_proc_finfo, PG_GET_COLLATION(),
												plain_argument(fcinfo, state, 0)));

	memcpy(&result, argument_term(fcinfo, state, 0, buf), sizeof(result));
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
