/*-------------------------------------------------------------------------
 *
 * masterkey_obtain.c
 *	  A master key by its name: looked up, asked for, derived.
 *
 * To obtain a key: look; if it is not there, take the turn to ask the
 * providers or to derive it, or wait until whoever has the turn is done; look
 * again.  Whoever asks in vain tells its user why; whoever waited meanwhile
 * then finds the same reason, as long as no provider may be asked again.
 *
 * Touches masterkey_store, provider, cipher, report.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#include "masterkey_obtain.h"
#include "report.h"

/* An attacker who can write the row shall neither weaken it nor hang us. */
static void
check_rounds(const CellencMasterKey *row)
{
	if (row->pbkdf2 &&
		(row->rounds < CELLENC_KDF_ROUNDS || row->rounds > CELLENC_KDF_ROUNDS_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of PBKDF2 rounds of master key \"%s\" is out of range: %d",
						row->name, row->rounds),
				 errdetail("It must be between %d and %d.",
						   CELLENC_KDF_ROUNDS, CELLENC_KDF_ROUNDS_MAX)));
}

/* Ask the providers for name and store what they say; needs the turn. */
static bool
ask(const char *name, char *reason)
{
	CellencProviderWork *work = cellenc_masterkey_store_work();
	CellencFetch result;
	bool		back_off;
	int			source;

	result = cellenc_provider_fetch(name, work, &source, &back_off);
	if (result == CELLENC_FETCH_FOUND)
	{
		cellenc_masterkey_store_found(name, source, &work->material);
		return true;
	}
	strlcpy(reason, work->reason, CELLENC_REASON_LEN);
	cellenc_masterkey_store_failed(name, result, reason, back_off);
	return false;
}

/*
 * Use the turn just taken, and give it back.  False: no provider has the key,
 * and reason tells why.
 */
static bool
use_turn(CellencTurn turn, const CellencMasterKey *row, char *reason)
{
	volatile bool found = true;
	volatile CellencStatus status = CELLENC_OK;

	PG_ENSURE_ERROR_CLEANUP(cellenc_masterkey_store_end_turn, Int32GetDatum(turn));
	{
		if (turn == CELLENC_TURN_ASK)
			found = ask(row->name, reason);
		else
			status = cellenc_masterkey_store_derive(row);
	}
	PG_END_ENSURE_ERROR_CLEANUP(cellenc_masterkey_store_end_turn, Int32GetDatum(turn));
	cellenc_masterkey_store_end_turn(0, Int32GetDatum(turn));

	if (status != CELLENC_OK)
		cellenc_report_status(status);
	return found;
}

CellencLook
cellenc_masterkey_obtain(const CellencMasterKey *row, uint8 *key, uint64 *serial, char *reason)
{
	CellencTurn turn;
	CellencLook found;

	cellenc_report_check_name(row->name, "master key");
	check_rounds(row);
	cellenc_masterkey_store_protect();
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		found = cellenc_masterkey_store_look(row, key, serial, &turn, reason);
		if (found == CELLENC_LOOK_TURN)
		{
			if (!use_turn(turn, row, reason))
			{
				found = CELLENC_LOOK_BACK_OFF;
				break;
			}
		}
		else if (found == CELLENC_LOOK_WAIT)
			cellenc_masterkey_store_wait();
		else
			break;
	}
	cellenc_masterkey_store_cancel_wait();
	return found;
}

bool
cellenc_masterkey_check(const CellencMasterKey *row, const uint8 *key)
{
	uint8		check_value[CELLENC_CHECK_LEN];
	CellencStatus status;

	status = cellenc_cipher_check_value(key, row->id.data, check_value);
	return status == CELLENC_OK &&
		cellenc_cipher_equal(check_value, row->check_value, CELLENC_CHECK_LEN);
}

int
cellenc_masterkey_matches(const CellencMasterKey *row)
{
	uint8		key[CELLENC_KEY_LEN];
	int			result;

	CELLENC_CHECK_PRELOAD();
	cellenc_masterkey_store_protect();

	switch (cellenc_masterkey_store_peek(row, key))
	{
		case CELLENC_LOOK_KEY:
			result = cellenc_masterkey_check(row, key) ? 1 : 0;
			break;
		case CELLENC_LOOK_WRONG_KIND:
			result = 0;
			break;
		default:
			result = -1;
	}
	cellenc_cipher_wipe(key, sizeof(key));
	return result;
}
