/*-------------------------------------------------------------------------
 *
 * twin.h
 *	  What is known of an encrypted type (twin) and its base type.
 *
 * A twin is told by its input function: a C function of this library whose
 * name is "cellenc_in_" and the twin's tag.  Its base is the target of its
 * cast by cellenc_twin_open.  Both are catalog rows that DDL carries, so they
 * are there before any table has rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_TWIN_H
#define CELLENC_TWIN_H

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/typcache.h"

#include "compat.h"
#include "envelope.h"

#define CELLENC_IN_PREFIX	"cellenc_in_"
#define CELLENC_SORT_PREFIX "cellenc_sort_"

typedef struct CellencTwin
{
	Oid			type;			/* hash key */
	uint32		serial;			/* another one each time this is read */
	Oid			base;
	char		tag[CELLENC_TWIN_TAG_MAX + 1];
	int16		typlen;			/* of the base */
	bool		typbyval;
	char		typalign;
	bool		send_form;		/* sealed as the base's binary send form */
	Oid			collation;		/* default collation of the base */
	const char *term_class;		/* NULL: this type has no term */
	FmgrInfo	in;				/* I/O functions of the base */
	FmgrInfo	out;
	FmgrInfo	recv;			/* fn_oid InvalidOid: the base has none */
	FmgrInfo	send;
	Oid			in_param;
	Oid			open;			/* functions: twin to base */
	Oid			wire;			/* the same, for results on their way out */
	Oid			seal;			/* base to twin */
	Oid			apply;			/* length coercion */
} CellencTwin;

/* A typmod taken apart. */
typedef enum CellencSearch
{
	CELLENC_SEARCH_NONE = 0,
	CELLENC_SEARCH_EQUALITY = 1,
	CELLENC_SEARCH_ORDER = 2
} CellencSearch;

#define CELLENC_TYPMOD_HASH(typmod)		((typmod) >> 2)
#define CELLENC_TYPMOD_SEARCH(typmod)	((CellencSearch) ((typmod) & 3))
#define CELLENC_TYPMOD(hash, search)	(((int32) (hash) << 2) | (search))

/* As it is written in a type modifier. */
extern const char *cellenc_twin_search_name(CellencSearch search);

/* The target of a type's only cast; InvalidOid where it has none, or several. */
extern Oid	cellenc_twin_only_cast(Oid type);

/* Moves on when a catalog changes that what is known of twins comes from. */
extern uint64 cellenc_twin_generation(void);

/* NULL where type is not a twin.  Valid until the end of the current call. */
extern const CellencTwin *cellenc_twin_lookup(Oid type);

/* As above, but an internal ERROR: for types that declared functions pass. */
extern const CellencTwin *cellenc_twin_require(Oid type);

/*
 * The twin that the called function is declared to return, or to take first;
 * kept in fn_extra.  For functions that need nothing else there.  Also checks
 * that the library was preloaded.
 */
extern const CellencTwin *cellenc_twin_find_result(FmgrInfo *flinfo);
extern const CellencTwin *cellenc_twin_find_argument(FmgrInfo *flinfo);

static inline const CellencTwin *
cellenc_twin_of_result(FmgrInfo *flinfo)
{
	return likely(flinfo->fn_extra) ? flinfo->fn_extra : cellenc_twin_find_result(flinfo);
}

static inline const CellencTwin *
cellenc_twin_of_argument(FmgrInfo *flinfo)
{
	return likely(flinfo->fn_extra) ? flinfo->fn_extra : cellenc_twin_find_argument(flinfo);
}

/*
 * Is this text, which is about to become a value, a sealed one?  In pg_upgrade
 * every one has to be.
 */
extern bool cellenc_twin_is_sealed_text(const char *str, int len);

/* The bytes of a sealed text; NULL where it is none. */
extern struct varlena *cellenc_twin_decode_sealed(const char *str, int len);

/*
 * The value of such a text under typmod; refused where cellenc.input does not
 * allow it.  Errors of the text go to context, if that is an ErrorSaveContext;
 * the result is then of no use.
 */
extern Datum cellenc_twin_parse_sealed(const CellencTwin *twin, const char *str, int len,
									   int32 typmod, fmNodePtr context);

/*
 * To be called in PG_CATCH(), with the memory context of before PG_TRY(), after
 * a function of the base that reads a value has failed: replaces its error,
 * which may quote the value.
 */
pg_noreturn extern void cellenc_twin_rethrow_input_error(const CellencTwin *twin, MemoryContext cxt);

/*
 * Is type a twin?  Cheaper than a look-up: reads pg_type and pg_proc only, so
 * it also works before the twin's casts exist.
 */
extern bool cellenc_twin_is(Oid type);

/*
 * Is an operator that is declared with this type for all types of a kind, as
 * those of enums, ranges and composite types are?
 */
extern bool cellenc_twin_is_kind(Oid declared);

/* Does function procid run C symbol `symbol` of this library? */
extern bool cellenc_twin_runs_symbol(Oid procid, const char *symbol);

/* Only from _PG_init. */
extern void cellenc_twin_init(void);

#endif							/* CELLENC_TWIN_H */
