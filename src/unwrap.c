/*-------------------------------------------------------------------------
 *
 * unwrap.c
 *	  A key out of one of its wraps.
 *
 * A key may be wrapped under several master keys, of which this server may have
 * only some; any wrap gives the same key, and its check value proves it.
 *
 * Touches keycatalog, masterkey, envelope, cipher, report.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "keycatalog.h"
#include "report.h"
#include "unwrap.h"

/*
 * The first of the wraps whose master key this server has, in master_bytes:
 * one that is loaded already before one that a provider has to be asked for.
 * NULL if no row of a master key is there.
 */
static const CellencWrapRow *
find_wrap(List *wraps, uint8 *master_bytes)
{
	CellencMasterKey master;
	CellencMasterKey last;
	const CellencWrapRow *last_wrap = NULL;
	char		reason[CELLENC_REASON_LEN];
	ListCell   *lc;

	foreach(lc, wraps)
	{
		const CellencWrapRow *wrap = lfirst(lc);

		if (cellenc_keycatalog_master_key(&wrap->master_key, &master) &&
			cellenc_masterkey_matches(&master) == 1)
		{
			cellenc_masterkey_get(&master, master_bytes);
			return wrap;
		}
	}
	foreach(lc, wraps)
	{
		const CellencWrapRow *wrap = lfirst(lc);

		if (!cellenc_keycatalog_master_key(&wrap->master_key, &master))
			continue;
		last = master;
		last_wrap = wrap;
		if (cellenc_masterkey_find(&master, master_bytes, reason) == CELLENC_MASTERKEY_FOUND)
			return wrap;
	}
	/* for its error, unless the master key came a moment ago */
	if (last_wrap)
		cellenc_masterkey_get(&last, master_bytes);
	return last_wrap;
}

static bool
same_wraps(List *a, List *b)
{
	ListCell   *la;
	ListCell   *lb;

	if (list_length(a) != list_length(b))
		return false;
	forboth(la, a, lb, b)
	{
		if (memcmp(&((CellencWrapRow *) lfirst(la))->master_key,
				   &((CellencWrapRow *) lfirst(lb))->master_key, UUID_LEN) != 0)
			return false;
	}
	return true;
}

void
cellenc_unwrap_key(const pg_uuid_t *owner, int32 version, uint32 version_id,
				   CellencPurpose purpose, const uint8 *check_value, const char *name, uint8 *key)
{
	List	   *wraps = NIL;
	List	   *before;
	const CellencWrapRow *wrap;
	CellencWrapInfo info;
	uint8		master_bytes[CELLENC_KEY_LEN];
	uint8		check[CELLENC_CHECK_LEN];
	CellencStatus status;

	/*
	 * A change of the master key may be committed between the look-up of the
	 * wraps and that of their master keys: then there are other wraps.
	 */
	do
	{
		before = wraps;
		wraps = cellenc_keycatalog_wraps(owner, version);
		wrap = find_wrap(wraps, master_bytes);
	} while (!wrap && !same_wraps(before, wraps));
	if (!wrap)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("key \"%s\" is not wrapped under any known master key", name)));

	info.purpose = purpose;
	info.version_id = version_id;
	memcpy(info.uuid, owner->data, CELLENC_UUID_LEN);
	info.version = (uint32) version;
	memcpy(info.master_uuid, wrap->master_key.data, CELLENC_UUID_LEN);

	status = cellenc_envelope_unwrap(&info, master_bytes, wrap->wrapped, CELLENC_WRAPPED_LEN, key);
	cellenc_cipher_wipe(master_bytes, sizeof(master_bytes));
	if (status == CELLENC_OK)
		status = cellenc_cipher_check_value(key, owner->data, check);
	if (status == CELLENC_OK && !cellenc_cipher_equal(check, check_value, CELLENC_CHECK_LEN))
		status = CELLENC_BAD_CHECK;
	if (status == CELLENC_OK)
		return;

	cellenc_cipher_wipe(key, CELLENC_KEY_LEN);
	if (status == CELLENC_LIBRARY)
		cellenc_report_status(status);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("wrapped key \"%s\" failed authentication", name),
			 errdetail("Its row in the key tables has been altered, or belongs to another key or master key.")));
}
