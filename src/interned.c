/*-------------------------------------------------------------------------
 *
 * interned.c
 *	  Plaintexts of the values that a sort has in memory, each once.
 *
 * What stands for a plaintext is as wide as a Datum and equal for equal values,
 * so it can be an abbreviated key.  It is no pointer, but tells the time it was
 * made in: whatever is forgotten is missed, not read.
 *
 * Privileges were checked when a value was opened: a store must not outlive
 * the statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "interned.h"

typedef struct InternedEntry
{
	Datum		plain;			/* in a block, or while it is looked for the
								 * caller's */
	Datum		key;
	uint32		hash;
	char		status;			/* simplehash's */
} InternedEntry;

struct CellencInterned
{
	const CellencTwin *twin;
	TypeCacheEntry *base;
	Oid			collation;
	Size		limit;
	MemoryContext cxt;			/* of all that follows */
	struct entries_hash *table;
	char	  **blocks;
	uint32		nblocks;
	uint32		max_blocks;
	Size		used;			/* bytes of the last block */
	uint64		era;			/* how often everything was forgotten, and one */
};

static uint32 hash_plain(CellencInterned *interned, Datum plain);
static bool plain_equal(CellencInterned *interned, Datum a, Datum b);

#define SH_PREFIX entries
#define SH_ELEMENT_TYPE InternedEntry
#define SH_KEY_TYPE Datum
#define SH_KEY plain
#define SH_HASH_KEY(table, value) hash_plain((table)->private_data, value)
#define SH_EQUAL(table, a, b) plain_equal((table)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*
 * A key is, from the top, the era, the number of a block and the place in it, in
 * units of MAXIMUM_ALIGNOF bytes.
 */
#define ERA_BITS 24
#define PLACE_BITS 13
#define BLOCK_BITS (64 - ERA_BITS - PLACE_BITS)
#define BLOCK_SIZE ((Size) MAXIMUM_ALIGNOF << PLACE_BITS)

/*
 * Longer plaintexts are not kept: they may be stored out of line, and then the
 * tuples that limit a sort's memory do not limit ours.
 */
#define MAX_PLAIN 1024

#define FIRST_ENTRIES 64
#define FIRST_BLOCKS 16

static uint32
hash_plain(CellencInterned *interned, Datum plain)
{
	return DatumGetUInt32(FunctionCall1Coll(&interned->base->hash_proc_finfo, interned->collation, plain));
}

static bool
plain_equal(CellencInterned *interned, Datum a, Datum b)
{
	return DatumGetBool(FunctionCall2Coll(&interned->base->eq_opr_finfo, interned->collation, a, b));
}

static void
begin_era(CellencInterned *interned)
{
	interned->table = entries_create(interned->cxt, FIRST_ENTRIES, interned);
	interned->max_blocks = FIRST_BLOCKS;
	interned->blocks = MemoryContextAlloc(interned->cxt, FIRST_BLOCKS * sizeof(char *));
	interned->nblocks = 0;
	interned->used = BLOCK_SIZE;
	interned->era++;
}

CellencInterned *
cellenc_interned_create(const CellencTwin *twin, Oid collation, MemoryContext parent, Size limit)
{
	TypeCacheEntry *base = lookup_type_cache(twin->base,
											 TYPECACHE_HASH_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);
	CellencInterned *interned;

	if (sizeof(Datum) < sizeof(uint64) || !OidIsValid(base->hash_proc_finfo.fn_oid) ||
		!OidIsValid(base->eq_opr_finfo.fn_oid))
		return NULL;
	interned = MemoryContextAllocZero(parent, sizeof(CellencInterned));
	interned->twin = twin;
	interned->base = base;
	interned->collation = collation;
	interned->limit = limit;
	interned->cxt = AllocSetContextCreate(parent, "cellenc interned values", ALLOCSET_DEFAULT_SIZES);
	begin_era(interned);
	return interned;
}

/* Room for size bytes, and the key of it. */
static char *
get_room(CellencInterned *interned, Size size, Datum *key)
{
	char	   *room;

	if (interned->used + size > BLOCK_SIZE)
	{
		if (interned->nblocks == interned->max_blocks)
		{
			interned->max_blocks *= 2;
			interned->blocks = repalloc_huge(interned->blocks, interned->max_blocks * sizeof(char *));
		}
		interned->blocks[interned->nblocks++] = MemoryContextAlloc(interned->cxt, BLOCK_SIZE);
		interned->used = 0;
	}
	room = interned->blocks[interned->nblocks - 1] + interned->used;
	*key = (Datum) (interned->era << (64 - ERA_BITS) |
					(uint64) (interned->nblocks - 1) << PLACE_BITS |
					interned->used / MAXIMUM_ALIGNOF);
	interned->used += MAXALIGN(size);
	return room;
}

Datum
cellenc_interned_add(CellencInterned *interned, Datum plain)
{
	Size		size = datumGetSize(plain, false, interned->twin->typlen);
	InternedEntry *entry;
	bool		found;

	if (size > MAX_PLAIN || interned->era >> ERA_BITS != 0)
		return 0;
	if (MemoryContextMemAllocated(interned->cxt, false) >= interned->limit)
	{
		entry = entries_lookup(interned->table, plain);
		return entry ? entry->key : 0;
	}
	entry = entries_insert(interned->table, plain, &found);
	if (!found)
	{
		char	   *copy = get_room(interned, size, &entry->key);

		entry->plain = PointerGetDatum(memcpy(copy, DatumGetPointer(plain), size));
	}
	return entry->key;
}

Datum
cellenc_interned_get(const CellencInterned *interned, Datum key)
{
	uint64		bits = (uint64) key;

	if (bits >> (64 - ERA_BITS) != interned->era)
		return 0;
	return PointerGetDatum(interned->blocks[(bits >> PLACE_BITS) & ((1 << BLOCK_BITS) - 1)] +
						   (bits & ((1 << PLACE_BITS) - 1)) * MAXIMUM_ALIGNOF);
}

void
cellenc_interned_reset(CellencInterned *interned)
{
	MemoryContextReset(interned->cxt);
	begin_era(interned);
}
