/*-------------------------------------------------------------------------
 *
 * literal.c
 *	  Constants in statements: equal ones have equal bytes.
 *
 * The parser decides by their nodes whether two expressions are the same, and
 * demands it of GROUP BY, DISTINCT ON and ORDER BY: in
 *
 *	SELECT coalesce(city, 'none'), count(*) FROM t GROUP BY coalesce(city, 'none')
 *
 * the constants become encrypted values, and two seals of one value differ.
 * So a constant that comes again is not sealed again.  That is remembered for
 * a transaction, which a statement is analyzed within, and tells nobody which
 * constants are equal that could not read the statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "codec.h"
#include "keyring.h"
#include "literal.h"

/* A statement with more constants than that is none that groups by them. */
#define MAX_REMEMBERED	(1024 * 1024)

typedef struct LiteralKey
{
	Oid			type;			/* of the encrypted type */
	int16		typlen;			/* of the base */
	bool		typbyval;
	Datum		base;
} LiteralKey;

typedef struct Literal
{
	LiteralKey	key;
	Datum		sealed;
} Literal;

/* Both end with the transaction. */
static MemoryContext literal_context = NULL;
static HTAB *literals = NULL;

static Size remembered;			/* bytes */

static uint32
hash_literal(const void *key, Size keysize)
{
	const LiteralKey *literal = key;

	return hash_combine(literal->type,
						datum_image_hash(literal->base, literal->typbyval, literal->typlen));
}

static int
match_literals(const void *a, const void *b, Size keysize)
{
	const LiteralKey *left = a;
	const LiteralKey *right = b;

	return left->type == right->type &&
		datum_image_eq(left->base, right->base, left->typbyval, left->typlen) ? 0 : 1;
}

static void
forget_literals(void *arg)
{
	literal_context = NULL;
	literals = NULL;
}

static void
make_table(void)
{
	MemoryContextCallback *callback;
	HASHCTL		ctl;

	literal_context = AllocSetContextCreate(TopTransactionContext, "cellenc constants",
											ALLOCSET_SMALL_SIZES);
	callback = MemoryContextAllocZero(literal_context, sizeof(MemoryContextCallback));
	callback->func = forget_literals;
	MemoryContextRegisterResetCallback(literal_context, callback);

	ctl.keysize = sizeof(LiteralKey);
	ctl.entrysize = sizeof(Literal);
	ctl.hash = hash_literal;
	ctl.match = match_literals;
	ctl.hcxt = literal_context;
	literals = hash_create("cellenc constants", 16, &ctl,
						   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	remembered = 0;
}

static void
remember(LiteralKey key, Datum sealed)
{
	MemoryContext old;
	Literal    *literal;
	Size		size;

	size = datumGetSize(key.base, key.typbyval, key.typlen) + VARSIZE(DatumGetPointer(sealed));
	if (literals && remembered + size > MAX_REMEMBERED)
		MemoryContextDelete(literal_context);
	if (!literals)
		make_table();

	old = MemoryContextSwitchTo(literal_context);
	key.base = datumCopy(key.base, key.typbyval, key.typlen);
	sealed = datumCopy(sealed, false, -1);
	literal = hash_search(literals, &key, HASH_ENTER, NULL);
	literal->sealed = sealed;
	remembered += size;
	MemoryContextSwitchTo(old);
}

Datum
cellenc_literal_seal(const CellencTwin *twin, Datum base)
{
	CellencKeyVersion *version = cellenc_keyring_current_version(cellenc_keyring_literal_key());
	LiteralKey	key = {.type = twin->type,.typlen = twin->typlen,.typbyval = twin->typbyval,.base = base};
	Literal    *literal = literals ? hash_search(literals, &key, HASH_FIND, NULL) : NULL;
	Datum		sealed;

	/* the extension may have been made anew in this transaction, and its key */
	if (literal && cellenc_codec_version_id(literal->sealed) == version->version_id)
		return datumCopy(literal->sealed, false, -1);

	sealed = PointerGetDatum(PG_DETOAST_DATUM(cellenc_codec_make(twin, base, -1)));
	remember(key, sealed);
	return sealed;
}
