/*-------------------------------------------------------------------------
 *
 * masterkey_loader.c
 *	  The worker that loads master keys at start and on reload.
 *
 * It connects to no database and is there on standbys, too.  What it cannot
 * load, it reports in the log and leaves: whoever needs that key asks for it
 * again.  Between reloads it sleeps.
 *
 * A key once loaded stays, whatever the providers say later, unless it has
 * shown to be wrong: data may have been encrypted under it since.
 * Touches masterkey_store, provider, guc.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "guc.h"
#include "masterkey.h"
#include "masterkey_store.h"

/* One listing of one provider. */
typedef struct Listing
{
	int			source;			/* its number */
	List	   *names;			/* of the keys that it has, char * */
} Listing;

static void
report_failure(const char *name, const char *setting, const char *reason)
{
	ereport(WARNING,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("could not load master key \"%s\"", name),
			 errdetail("%s: %s.", setting, reason)));
}

/* Store and log what provider number source gave for name. */
static void
store(const char *name, int source, const CellencMaterial *material)
{
	const char *setting = cellenc_provider_list[source]->setting;

	switch (cellenc_masterkey_store_found(name, source, material))
	{
		case CELLENC_STORED_ADDED:
			ereport(LOG,
					(errmsg("loaded master key \"%s\" from %s", name, setting)));
			break;
		case CELLENC_STORED_SAME:
			break;
		case CELLENC_STORED_REPLACED:
			ereport(LOG,
					(errmsg("replaced master key \"%s\" from %s", name, setting),
					 errdetail("The one loaded before was wrong.")));
			break;
		case CELLENC_STORED_KEPT:
			ereport(WARNING,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("master key \"%s\" from %s differs from the loaded one, which is kept",
							name, setting),
					 errhint("Provide another master key under another name, and use cellenc_rotate_master_key.")));
			break;
	}
}

static void
visit(const char *name, CellencFetch result, CellencProviderWork *work, void *arg)
{
	Listing    *listing = arg;
	bool		loaded;
	int			source;

	listing->names = lappend(listing->names, pstrdup(name));
	loaded = cellenc_masterkey_store_loaded(name, &source);
	if (!loaded && !cellenc_guc_master_key_prefetch)
		return;

	if (result == CELLENC_FETCH_FOUND)
		store(name, listing->source, &work->material);
	else
	{
		if (cellenc_keyfile_valid_name(name))
			cellenc_masterkey_store_failed(name, result, work->reason, false);
		report_failure(name, cellenc_provider_list[listing->source]->setting, work->reason);
	}
}

/*
 * A listing went well: warn of keys loaded from that provider and missing
 * now.  It went wrong (reason is set): remember why, with all of them.
 */
static void
check_loaded(const Listing *listing, const char *reason)
{
	const CellencProvider *provider = cellenc_provider_list[listing->source];
	CellencMasterKeyStatus *statuses;
	int			count;

	statuses = cellenc_masterkey_store_statuses(&count);
	for (int i = 0; i < count; i++)
	{
		const char *name = statuses[i].name;
		bool		listed = false;
		ListCell   *cell;

		if (statuses[i].source != provider->name)
			continue;
		foreach(cell, listing->names)
			listed |= strcmp(lfirst(cell), name) == 0;
		if (listed)
			continue;

		cellenc_masterkey_store_failed(name, CELLENC_FETCH_MISSING,
									   reason != NULL ? reason : "provider no longer has this key; the loaded one is kept",
									   false);
		if (reason == NULL)
			ereport(WARNING,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("master key \"%s\" is no longer provided by %s; the loaded one is kept",
							name, provider->setting)));
	}
}

/* Load what provider number source lists. */
static void
load_listed(int source, CellencProviderWork *work)
{
	const CellencProvider *provider = cellenc_provider_list[source];
	Listing		listing = {.source = source};
	CellencFetch result;

	result = provider->list(work, visit, &listing);
	if (result == CELLENC_FETCH_FOUND)
	{
		check_loaded(&listing, NULL);
		return;
	}
	ereport(WARNING,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("could not load master keys"),
			 errdetail("%s: %s.", provider->setting, work->reason),
			 errhint("Master keys loaded before stay in use.")));
	check_loaded(&listing, work->reason);
}

/*
 * The one key to ask a provider for that cannot list what it has.  Asked
 * again if it is from there, to tell of a change.
 */
static void
load_default(int source, CellencProviderWork *work)
{
	const CellencProvider *provider = cellenc_provider_list[source];
	const char *name = cellenc_guc_default_master_key;
	CellencFetch result;
	int			loaded_from;

	if (!cellenc_guc_master_key_prefetch ||
		name == NULL || !cellenc_keyfile_valid_name(name) ||
		(cellenc_masterkey_store_loaded(name, &loaded_from) && loaded_from != source))
		return;

	result = provider->fetch(name, work);
	if (result == CELLENC_FETCH_FOUND)
		store(name, source, &work->material);
	else
	{
		cellenc_masterkey_store_failed(name, result, work->reason, provider->backs_off);
		report_failure(name, provider->setting, work->reason);
	}
}

/* Load all that can be loaded, by every provider in turn. */
static void
load_all(void)
{
	CellencProviderWork *work;

	cellenc_masterkey_store_retry();
	cellenc_masterkey_store_protect();

	cellenc_masterkey_store_take_turn(CELLENC_TURN_ASK);
	PG_ENSURE_ERROR_CLEANUP(cellenc_masterkey_store_end_turn,
							Int32GetDatum(CELLENC_TURN_ASK));
	{
		work = cellenc_masterkey_store_work();
		for (int i = 0; cellenc_provider_list[i] != NULL; i++)
		{
			if (!cellenc_provider_list[i]->is_set())
				continue;
			if (cellenc_provider_list[i]->list != NULL)
				load_listed(i, work);
			else
				load_default(i, work);
		}
	}
	PG_END_ENSURE_ERROR_CLEANUP(cellenc_masterkey_store_end_turn,
								Int32GetDatum(CELLENC_TURN_ASK));
	cellenc_masterkey_store_end_turn(0, Int32GetDatum(CELLENC_TURN_ASK));
}

void
cellenc_masterkey_main(Datum arg)
{
	MemoryContext cxt;
	uint32		wait_event = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	cxt = AllocSetContextCreate(TopMemoryContext, "cellenc master key loader",
								ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(cxt);

	if (cellenc_guc_master_key_prefetch)
		load_all();

	for (;;)
	{
		/* A shutdown is no news: no FATAL for it, unless amid a command. */
		if (ProcDiePending)
			proc_exit(1);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			load_all();
		}
		MemoryContextReset(cxt);

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0,
						 cellenc_wait_event(wait_event, "CellencMasterKeyMain"));
		ResetLatch(MyLatch);
	}
}
