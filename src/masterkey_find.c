/*-------------------------------------------------------------------------
 *
 * masterkey_find.c
 *	  A master key by its check value, whatever its name.
 *
 * Two sites may both call theirs "default": a dump or a bundle of keys of one
 * then opens at the other as soon as its master key is there under any name.
 * The check value tells which it is.
 *
 * Only where the name did not lead to it: trying a passphrase takes as long
 * as using it.  Touches masterkey_obtain, masterkey_store, provider, cipher.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "storage/ipc.h"

#include "masterkey_find.h"
#include "masterkey_obtain.h"
#include "report.h"

/* Does the key of that name match row? */
static bool
try_name(const CellencMasterKey *row, const char *name, uint8 *key)
{
	CellencMasterKey candidate = *row;
	char		reason[CELLENC_REASON_LEN];
	uint64		serial;

	strlcpy(candidate.name, name, sizeof(candidate.name));
	if (cellenc_masterkey_obtain(&candidate, key, &serial, reason) == CELLENC_LOOK_KEY)
	{
		if (cellenc_masterkey_check(row, key))
		{
			cellenc_masterkey_store_judge(&candidate, serial, true);
			return true;
		}
		/* that it is another key is no fault of the one who provides it */
		cellenc_masterkey_store_forget(row);
	}
	cellenc_cipher_wipe(key, CELLENC_KEY_LEN);
	return false;
}

/* Try the keys that are loaded, but for those tried before. */
static bool
try_loaded(const CellencMasterKey *row, List **tried, uint8 *key)
{
	CellencMasterKeyStatus *statuses;
	int			count;

	statuses = cellenc_masterkey_store_statuses(&count);
	for (int i = 0; i < count; i++)
	{
		String	   *name = makeString(statuses[i].name);

		if (statuses[i].source == NULL || list_member(*tried, name))
			continue;
		*tried = lappend(*tried, name);
		if (try_name(row, statuses[i].name, key))
			return true;
	}
	return false;
}

/* Keep a key that a provider lists, as if somebody had asked for it. */
static void
keep_listed(const char *name, CellencFetch result, CellencProviderWork *work, void *arg)
{
	int			source;

	if (result == CELLENC_FETCH_FOUND && !cellenc_masterkey_store_loaded(name, &source))
		cellenc_masterkey_store_found(name, *(int *) arg, &work->material);
}

/* Load what can be listed; what cannot, somebody will ask for by its name. */
static void
load_listed(void)
{
	cellenc_masterkey_store_take_turn(CELLENC_TURN_ASK);
	PG_ENSURE_ERROR_CLEANUP(cellenc_masterkey_store_end_turn,
							Int32GetDatum(CELLENC_TURN_ASK));
	{
		CellencProviderWork *work = cellenc_masterkey_store_work();

		for (int i = 0; cellenc_provider_list[i] != NULL; i++)
		{
			if (cellenc_provider_list[i]->is_set() && cellenc_provider_list[i]->list != NULL)
				(void) cellenc_provider_list[i]->list(work, keep_listed, &i);
		}
	}
	PG_END_ENSURE_ERROR_CLEANUP(cellenc_masterkey_store_end_turn,
								Int32GetDatum(CELLENC_TURN_ASK));
	cellenc_masterkey_store_end_turn(0, Int32GetDatum(CELLENC_TURN_ASK));
}

bool
cellenc_masterkey_find_other(const CellencMasterKey *row, uint8 *key)
{
	List	   *tried = list_make1(makeString(pstrdup(row->name)));

	if (try_loaded(row, &tried, key))
		return true;
	load_listed();
	return try_loaded(row, &tried, key);
}

bool
cellenc_masterkey_known(const CellencMasterKey *row)
{
	CellencMasterKeyStatus *statuses;
	int			count;
	bool		known = cellenc_masterkey_matches(row) == 1;

	statuses = cellenc_masterkey_store_statuses(&count);
	for (int i = 0; i < count && !known; i++)
	{
		CellencMasterKey candidate = *row;

		strlcpy(candidate.name, statuses[i].name, sizeof(candidate.name));
		known = cellenc_masterkey_matches(&candidate) == 1;
	}
	return known;
}
