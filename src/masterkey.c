/*-------------------------------------------------------------------------
 *
 * masterkey.c
 *	  The master keys of this server, for the rest of cellenc.
 *
 * A name is a hint only: where what is provided under it does not match the
 * check value, the other keys of this server are tried (masterkey_find.c).
 * Nothing is returned unless it matches the check value.
 * Touches masterkey_find, masterkey_obtain, masterkey_store, cipher, report.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"

#include "masterkey.h"
#include "masterkey_find.h"
#include "masterkey_obtain.h"
#include "masterkey_store.h"
#include "report.h"

static void
report_not_loaded(const char *name, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("could not load master key \"%s\"", name),
			 errdetail("%s.", reason),
			 errhint("To make a new master key, run \"openssl rand -hex 32 > FILE; chmod 600 FILE\" as the database user, with FILE outside of the data directory, and set cellenc.master_key_file to FILE.")));
}

static void
report_wrong(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("master key \"%s\" is wrong", name),
			 errdetail("The key provided under this name does not match the check value stored in the database."),
			 errhint("Provide the master key under which the keys of this database were created, and reload the configuration.")));
}

CellencMasterKeyFound
cellenc_masterkey_find(const CellencMasterKey *row, uint8 *key, char *reason)
{
	bool		loaded;
	int			source;
	uint64		serial;
	CellencLook look;
	bool		good;

	CELLENC_CHECK_PRELOAD();

	/* before a provider is asked for a name that it may never have heard of */
	loaded = cellenc_masterkey_store_loaded(row->name, &source);
	if (!loaded && cellenc_masterkey_find_other(row, key))
		return CELLENC_MASTERKEY_FOUND;

	look = cellenc_masterkey_obtain(row, key, &serial, reason);
	good = look == CELLENC_LOOK_KEY && cellenc_masterkey_check(row, key);
	if (look != CELLENC_LOOK_BACK_OFF)
		cellenc_masterkey_store_judge(row, serial, good);
	if (good || (loaded && cellenc_masterkey_find_other(row, key)))
		return CELLENC_MASTERKEY_FOUND;

	cellenc_cipher_wipe(key, CELLENC_KEY_LEN);
	return look == CELLENC_LOOK_BACK_OFF ? CELLENC_MASTERKEY_MISSING : CELLENC_MASTERKEY_WRONG;
}

void
cellenc_masterkey_get(const CellencMasterKey *row, uint8 *key)
{
	char		reason[CELLENC_REASON_LEN];

	switch (cellenc_masterkey_find(row, key, reason))
	{
		case CELLENC_MASTERKEY_FOUND:
			break;
		case CELLENC_MASTERKEY_WRONG:
			report_wrong(row->name);
			break;
		case CELLENC_MASTERKEY_MISSING:
			report_not_loaded(row->name, reason);
			break;
	}
}

/* Random bytes that differ even between clones of one virtual machine. */
static void
make_random(void *buf, size_t len)
{
	CellencStatus status = cellenc_cipher_random(buf, len);

	if (status != CELLENC_OK)
		cellenc_report_status(status);
}

void
cellenc_masterkey_describe(const char *name, CellencMasterKey *row)
{
	uint8		key[CELLENC_KEY_LEN];
	char		reason[CELLENC_REASON_LEN];
	CellencLook look;
	CellencStatus status;
	uint64		serial;

	CELLENC_CHECK_PRELOAD();
	cellenc_report_check_name(name, "master key");

	memset(row, 0, sizeof(*row));
	strlcpy(row->name, name, sizeof(row->name));
	make_random(row->id.data, UUID_LEN);
	row->id.data[6] = (row->id.data[6] & 0x0f) | 0x40;	/* version 4 */
	row->id.data[8] = (row->id.data[8] & 0x3f) | 0x80;	/* variant */

	/* Which KDF it needs shows when it is loaded. */
	look = cellenc_masterkey_obtain(row, key, &serial, reason);
	if (look == CELLENC_LOOK_WRONG_KIND)
	{
		row->pbkdf2 = true;
		row->rounds = CELLENC_KDF_ROUNDS;
		make_random(row->salt, sizeof(row->salt));
		look = cellenc_masterkey_obtain(row, key, &serial, reason);
	}
	if (look == CELLENC_LOOK_BACK_OFF)
		report_not_loaded(name, reason);
	if (look != CELLENC_LOOK_KEY)
		elog(ERROR, "could not derive master key");
	status = cellenc_cipher_check_value(key, row->id.data, row->check_value);
	cellenc_cipher_wipe(key, sizeof(key));
	if (status != CELLENC_OK)
		cellenc_report_status(status);
	cellenc_masterkey_store_judge(row, serial, true);
}

CellencMasterKeyStatus *
cellenc_masterkey_statuses(int *count)
{
	CELLENC_CHECK_PRELOAD();
	return cellenc_masterkey_store_statuses(count);
}

void
cellenc_masterkey_init(void)
{
	BackgroundWorker worker;

	cellenc_masterkey_store_init();

	/* pg_upgrade moves values unopened, and must not wait for a key. */
	if (IsBinaryUpgrade)
		return;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "cellenc master key loader", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "cellenc master key loader", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 5;
	/* Not BGW_MAXLEN: the two have different lengths from 18 on. */
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "cellenc");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "cellenc_masterkey_main");
	RegisterBackgroundWorker(&worker);
}
