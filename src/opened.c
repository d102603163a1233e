/*-------------------------------------------------------------------------
 *
 * opened.c
 *	  Plaintexts of values that are compared many times.
 *
 * Opening a value is most of the cost of comparing it.  A sealed value is told
 * by its nonce and tag, which no two have in common, so a table by these finds
 * what was opened before.
 *
 * Privileges were checked when a value was opened: a store must not outlive
 * the statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/memutils.h"

#include "codec.h"
#include "opened.h"

#define IDENTITY_LEN (CELLENC_TAG_LEN + CELLENC_NONCE_LEN)

typedef struct OpenedEntry
{
	uint64		start;			/* of the identity */
	uint8		rest[IDENTITY_LEN - sizeof(uint64)];
	Datum		plain;
	char		status;			/* simplehash's */
} OpenedEntry;

/* Identities begin with a tag: their bytes are the hash. */
#define SH_PREFIX entries
#define SH_ELEMENT_TYPE OpenedEntry
#define SH_KEY_TYPE uint64
#define SH_KEY start
#define SH_HASH_KEY(table, key) ((uint32) (key))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define FIRST_ENTRIES 64

struct CellencOpened
{
	const CellencTwin *twin;
	MemoryContext cxt;			/* of the table and the plaintexts */
	Size		limit;
	entries_hash *table;
};

CellencOpened *
cellenc_opened_create(const CellencTwin *twin, MemoryContext parent, Size limit)
{
	CellencOpened *opened = MemoryContextAlloc(parent, sizeof(CellencOpened));

	opened->twin = twin;
	opened->cxt = AllocSetContextCreate(parent, "cellenc opened values", ALLOCSET_DEFAULT_SIZES);
	opened->limit = limit;
	opened->table = entries_create(opened->cxt, FIRST_ENTRIES, NULL);
	return opened;
}

void
cellenc_opened_make_room(CellencOpened *opened)
{
	if (likely(MemoryContextMemAllocated(opened->cxt, false) < opened->limit))
		return;

	opened->table = NULL;
	MemoryContextReset(opened->cxt);
	opened->table = entries_create(opened->cxt, FIRST_ENTRIES, NULL);
}

/*
 * What tells a stored value from every other one: tag and nonce, or where it is
 * out of line the place.  False where there is no such thing.
 */
static bool
read_identity(Datum value, uint8 *identity)
{
	struct varlena *ptr = (struct varlena *) DatumGetPointer(value);
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(ptr);
	struct varatt_external toast;
	Size		head;

	if (likely(!VARATT_IS_EXTERNAL(ptr) && !VARATT_IS_COMPRESSED(ptr)))
	{
		head = VARSIZE_ANY_EXHDR(ptr) > 0 && bytes[0] == CELLENC_FORMAT_TERM ? CELLENC_TERM_END : CELLENC_ID_END;
		if (VARSIZE_ANY_EXHDR(ptr) < head + CELLENC_NONCE_LEN + CELLENC_TAG_LEN)
			return false;
		memcpy(identity, bytes + VARSIZE_ANY_EXHDR(ptr) - CELLENC_TAG_LEN, CELLENC_TAG_LEN);
		memcpy(identity + CELLENC_TAG_LEN, bytes + head, CELLENC_NONCE_LEN);
		return true;
	}
	if (!VARATT_IS_EXTERNAL_ONDISK(ptr))
		return false;

	VARATT_EXTERNAL_GET_POINTER(toast, ptr);
	memset(identity, 0, IDENTITY_LEN);
	memcpy(identity, &toast.va_valueid, sizeof(toast.va_valueid));
	memcpy(identity + sizeof(uint64), &toast.va_toastrelid, sizeof(toast.va_toastrelid));
	return true;
}

Datum
cellenc_opened_get(CellencOpened *opened, Datum value, bool *kept)
{
	uint8		identity[IDENTITY_LEN];
	uint64		start;
	OpenedEntry *entry;
	MemoryContext old;
	Datum		plain;
	bool		found;

	*kept = false;
	if (!read_identity(value, identity))
		return cellenc_codec_open_to_compare(opened->twin, value);

	memcpy(&start, identity, sizeof(start));
	entry = entries_lookup(opened->table, start);
	if (entry)
	{
		if (memcmp(entry->rest, identity + sizeof(start), sizeof(entry->rest)) != 0)
			return cellenc_codec_open_to_compare(opened->twin, value);
		*kept = true;
		return entry->plain;
	}

	old = MemoryContextSwitchTo(opened->cxt);
	plain = cellenc_codec_open_to_compare(opened->twin, value);
	MemoryContextSwitchTo(old);

	entry = entries_insert(opened->table, start, &found);
	Assert(!found);
	memcpy(entry->rest, identity + sizeof(start), sizeof(entry->rest));
	entry->plain = plain;
	*kept = true;
	return plain;
}
