/*-------------------------------------------------------------------------
 *
 * masterkey_store.c
 *	  Shared memory of the master keys.
 *
 * The mapping with the secrets is made by the postmaster before it forks
 * anything, so every server process has it at the same address; EXEC_BACKEND
 * (Windows) is not supported.  It outlives a crash of a server process, after
 * which the postmaster wipes it together with everything else it starts anew.
 *
 * Both tables are bounded.  When the first is full, names that are not loaded
 * go first, then the key used least recently: it is asked for again when
 * needed.  Touches provider, cipher, report.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "masterkey_store.h"

#define TRANCHE_NAME "cellenc_masterkey"

/* Wait after a failed command, doubled each time. */
#define FIRST_BACK_OFF_MS	1000
#define LAST_BACK_OFF_MS	30000

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_MISSING,				/* providers work, but have no such key */
	SLOT_FAILED,				/* a provider does not work */
	SLOT_LOADED					/* the mapping has its material */
} SlotState;

/* A name.  All fields: under the lock. */
typedef struct Slot
{
	char		name[NAMEDATALEN];
	SlotState	state;
	int			source;			/* number of the provider, when loaded */
	uint64		serial;			/* of the material, when loaded; never reused */
	bool		verified;		/* the material matched a check value */
	bool		refuted;		/* the material failed one */
	uint64		used;			/* the clock at the last use */
	TimestampTz loaded_at;
	TimestampTz retry_at;		/* until then no provider is asked */
	int			back_off;		/* length of that wait, ms */
	char		reason[CELLENC_REASON_LEN]; /* of the last failure, or "" */
} Slot;

/* A key derived from a passphrase.  All fields: under the lock. */
typedef struct Derived
{
	uint64		used;			/* the clock at the last use, 0: free */
	uint64		serial;			/* of the material it was derived from */
	bool		wrong;			/* it failed the check value */
	pg_uuid_t	id;
	int			rounds;
	uint8		salt[CELLENC_KDF_SALT_LEN];
} Derived;

typedef struct Shared
{
	LWLock	   *lock;
	ConditionVariable turn_ended;
	int			turns[CELLENC_NTURNS];	/* pid of who has it, or 0 */
	uint64		clock;			/* counts uses */
	uint64		serials;		/* the last one given out */
	Slot		slots[CELLENC_MASTERKEY_SLOTS];
	Derived		derived[CELLENC_MASTERKEY_DERIVED];
} Shared;

/* The mapping.  Tables: under the lock.  The rest: who has the turn. */
typedef struct Secrets
{
	CellencMaterial materials[CELLENC_MASTERKEY_SLOTS]; /* by slot */
	uint8		derived[CELLENC_MASTERKEY_DERIVED][CELLENC_KEY_LEN];
	CellencMaterial passphrase; /* CELLENC_TURN_DERIVE */
	uint8		key[CELLENC_KEY_LEN];	/* CELLENC_TURN_DERIVE */
	CellencProviderWork work;	/* CELLENC_TURN_ASK */
} Secrets;

static Shared *shared = NULL;
static Secrets *secrets = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* Known by the postmaster, and so by its children. */
static bool locked = false;

bool
cellenc_masterkey_is_locked(void)
{
	return locked;
}

/*
 * Make the mapping.  That it cannot be locked is no reason not to start:
 * most systems allow little locked memory unless told otherwise.
 */
static void
map_secrets(void)
{
	long		page_size = sysconf(_SC_PAGESIZE);
	Size		size = TYPEALIGN(page_size, sizeof(Secrets));
	void	   *mapping;

	mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mapping == MAP_FAILED)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map shared memory for master keys: %m")));

	locked = mlock(mapping, size) == 0;
	if (!locked)
		ereport(WARNING,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not lock the memory of the master keys: %m"),
				 errdetail("Master keys may be written to swap space."),
				 errhint("Allow the server at least %zu kB of locked memory (ulimit -l, or LimitMEMLOCK of its service).",
						 size / 1024)));
#ifdef MADV_DONTDUMP
	if (madvise(mapping, size, MADV_DONTDUMP) != 0)
		ereport(WARNING,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not keep master keys out of core dumps: %m")));
#endif
	secrets = mapping;
}

static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

/* In the postmaster, at start and again after a crash. */
static void
startup_shmem(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("cellenc master keys", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		shared->lock = &GetNamedLWLockTranche(TRANCHE_NAME)->lock;
		ConditionVariableInit(&shared->turn_ended);
		/* What a crashed process left half-written is in here as well. */
		cellenc_cipher_wipe(secrets, sizeof(Secrets));
	}
	LWLockRelease(AddinShmemInitLock);
}

void
cellenc_masterkey_store_init(void)
{
	map_secrets();

	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
}

/*
 * No core dump of this process, and no debugger of another one of the same
 * user.  Not in the postmaster: its children could then no longer write to
 * /proc/self/oom_score_adj.
 */
void
cellenc_masterkey_store_protect(void)
{
#ifdef PR_SET_DUMPABLE
	static bool done = false;

	if (!done)
		done = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
#endif
}

/*
 * Tables.  The callers of all these hold the lock.
 */

static Slot *
find_slot(const char *name)
{
	for (int i = 0; i < CELLENC_MASTERKEY_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->state != SLOT_FREE && strcmp(slot->name, name) == 0)
			return slot;
	}
	return NULL;
}

static CellencMaterial *
material_of(const Slot *slot)
{
	return &secrets->materials[slot - shared->slots];
}

/* The slot for a name that has none; its state is still SLOT_FREE. */
static Slot *
make_slot(const char *name)
{
	Slot	   *best = &shared->slots[0];

	for (int i = 1; i < CELLENC_MASTERKEY_SLOTS && best->state != SLOT_FREE; i++)
	{
		Slot	   *slot = &shared->slots[i];
		bool		slot_loaded = slot->state == SLOT_LOADED;
		bool		best_loaded = best->state == SLOT_LOADED;

		if (slot->state == SLOT_FREE || (best_loaded && !slot_loaded) ||
			(best_loaded == slot_loaded && slot->used < best->used))
			best = slot;
	}

	cellenc_cipher_wipe(material_of(best), sizeof(CellencMaterial));
	memset(best, 0, sizeof(Slot));
	strlcpy(best->name, name, sizeof(best->name));
	best->used = ++shared->clock;
	return best;
}

static void
free_derived(Derived *derived)
{
	cellenc_cipher_wipe(secrets->derived[derived - shared->derived], CELLENC_KEY_LEN);
	memset(derived, 0, sizeof(Derived));
}

static bool
is_derived_for(const Derived *derived, const CellencMasterKey *row)
{
	return derived->rounds == row->rounds &&
		memcmp(&derived->id, &row->id, sizeof(pg_uuid_t)) == 0 &&
		memcmp(derived->salt, row->salt, CELLENC_KDF_SALT_LEN) == 0;
}

/*
 * The key derived for row.  One that failed its check value counts no longer
 * once there is other material to derive from.
 */
static Derived *
find_derived(const CellencMasterKey *row)
{
	for (int i = 0; i < CELLENC_MASTERKEY_DERIVED; i++)
	{
		Derived    *derived = &shared->derived[i];
		Slot	   *slot;

		if (derived->used == 0 || !is_derived_for(derived, row))
			continue;
		if (!derived->wrong)
			return derived;
		slot = find_slot(row->name);
		if (slot == NULL || slot->state != SLOT_LOADED || slot->serial == derived->serial)
			return derived;
		free_derived(derived);
	}
	return NULL;
}

static void
add_derived(const CellencMasterKey *row, uint64 serial, const uint8 *key)
{
	Derived    *best = &shared->derived[0];

	for (int i = 1; i < CELLENC_MASTERKEY_DERIVED && best->used != 0; i++)
	{
		if (shared->derived[i].used < best->used)
			best = &shared->derived[i];
	}
	free_derived(best);
	best->used = ++shared->clock;
	best->serial = serial;
	best->id = row->id;
	best->rounds = row->rounds;
	memcpy(best->salt, row->salt, CELLENC_KDF_SALT_LEN);
	memcpy(secrets->derived[best - shared->derived], key, CELLENC_KEY_LEN);
}

/*
 * What is there for row: KEY, WRONG_KIND or BACK_OFF as told in the header,
 * else TURN with the turn that is needed.
 */
static CellencLook
look(const CellencMasterKey *row, uint8 *key, uint64 *serial, CellencTurn *turn,
	 char *reason)
{
	Derived    *derived = row->pbkdf2 ? find_derived(row) : NULL;
	Slot	   *slot;

	if (derived != NULL)
	{
		derived->used = ++shared->clock;
		memcpy(key, secrets->derived[derived - shared->derived], CELLENC_KEY_LEN);
		*serial = derived->serial;
		return CELLENC_LOOK_KEY;
	}

	slot = find_slot(row->name);
	if (slot != NULL && slot->state == SLOT_LOADED)
	{
		slot->used = ++shared->clock;
		*serial = slot->serial;
		if (material_of(slot)->kind == CELLENC_KEYFILE_RAW)
		{
			memcpy(key, material_of(slot)->bytes, CELLENC_KEY_LEN);
			return CELLENC_LOOK_KEY;
		}
		if (!row->pbkdf2)
			return CELLENC_LOOK_WRONG_KIND;
		*turn = CELLENC_TURN_DERIVE;
		return CELLENC_LOOK_TURN;
	}

	if (slot != NULL && slot->retry_at > GetCurrentTimestamp())
	{
		if (reason != NULL)
			strlcpy(reason, slot->reason, CELLENC_REASON_LEN);
		return CELLENC_LOOK_BACK_OFF;
	}
	*turn = CELLENC_TURN_ASK;
	return CELLENC_LOOK_TURN;
}

/*
 * From here on, functions take the lock themselves.
 */

CellencLook
cellenc_masterkey_store_look(const CellencMasterKey *row, uint8 *key,
							 uint64 *serial, CellencTurn *turn, char *reason)
{
	CellencLook result;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	result = look(row, key, serial, turn, reason);
	if (result == CELLENC_LOOK_TURN)
	{
		if (shared->turns[*turn] == 0)
			shared->turns[*turn] = MyProcPid;
		else
			result = CELLENC_LOOK_WAIT;
	}
	LWLockRelease(shared->lock);
	return result;
}

CellencLook
cellenc_masterkey_store_peek(const CellencMasterKey *row, uint8 *key)
{
	CellencLook result;
	CellencTurn turn;
	uint64		serial;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	result = look(row, key, &serial, &turn, NULL);
	LWLockRelease(shared->lock);
	return result;
}

void
cellenc_masterkey_store_wait(void)
{
	static uint32 wait_event = 0;

	ConditionVariableSleep(&shared->turn_ended, cellenc_wait_event(wait_event, "CellencMasterKeyTurn"));
}

void
cellenc_masterkey_store_cancel_wait(void)
{
	ConditionVariableCancelSleep();
}

void
cellenc_masterkey_store_take_turn(CellencTurn turn)
{
	for (;;)
	{
		bool		taken;

		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		taken = shared->turns[turn] == 0;
		if (taken)
			shared->turns[turn] = MyProcPid;
		LWLockRelease(shared->lock);
		if (taken)
			break;
		cellenc_masterkey_store_wait();
	}
	cellenc_masterkey_store_cancel_wait();
}

void
cellenc_masterkey_store_end_turn(int code, Datum turn)
{
	CellencTurn which = (CellencTurn) DatumGetInt32(turn);

	/* Still ours, so no lock is needed for this. */
	if (which == CELLENC_TURN_ASK)
		cellenc_cipher_wipe(&secrets->work, sizeof(secrets->work));
	else
	{
		cellenc_cipher_wipe(&secrets->passphrase, sizeof(secrets->passphrase));
		cellenc_cipher_wipe(secrets->key, sizeof(secrets->key));
	}

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	Assert(shared->turns[which] == MyProcPid);
	shared->turns[which] = 0;
	LWLockRelease(shared->lock);
	ConditionVariableBroadcast(&shared->turn_ended);
}

CellencProviderWork *
cellenc_masterkey_store_work(void)
{
	Assert(shared->turns[CELLENC_TURN_ASK] == MyProcPid);
	return &secrets->work;
}

/*
 * CELLENC_OK also when the passphrase has gone meanwhile: the caller looks
 * again anyway.
 */
CellencStatus
cellenc_masterkey_store_derive(const CellencMasterKey *row)
{
	CellencMaterial *passphrase = &secrets->passphrase;
	CellencStatus status;
	uint64		serial = 0;
	Slot	   *slot;

	Assert(shared->turns[CELLENC_TURN_DERIVE] == MyProcPid);
	LWLockAcquire(shared->lock, LW_SHARED);
	slot = find_slot(row->name);
	if (slot != NULL && slot->state == SLOT_LOADED)
	{
		serial = slot->serial;
		*passphrase = *material_of(slot);
	}
	LWLockRelease(shared->lock);
	if (serial == 0 || passphrase->kind != CELLENC_KEYFILE_PASSPHRASE)
		return CELLENC_OK;

	status = cellenc_cipher_pbkdf2((const char *) passphrase->bytes, passphrase->len,
								   row->salt, CELLENC_KDF_SALT_LEN,
								   row->rounds, secrets->key);
	if (status != CELLENC_OK)
		return status;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	add_derived(row, serial, secrets->key);
	LWLockRelease(shared->lock);
	return CELLENC_OK;
}

/* Put material into slot, which may hold other material.  Lock held. */
static void
load_slot(Slot *slot, int source, const CellencMaterial *material)
{
	for (int i = 0; i < CELLENC_MASTERKEY_DERIVED; i++)
	{
		if (slot->serial != 0 && shared->derived[i].serial == slot->serial)
			free_derived(&shared->derived[i]);
	}
	*material_of(slot) = *material;
	slot->state = SLOT_LOADED;
	slot->source = source;
	slot->serial = ++shared->serials;
	slot->verified = false;
	slot->refuted = false;
	slot->loaded_at = GetCurrentTimestamp();
}

static bool
same_material(const CellencMaterial *a, const CellencMaterial *b)
{
	return a->kind == b->kind && a->len == b->len &&
		cellenc_cipher_equal(a->bytes, b->bytes, a->len);
}

CellencStored
cellenc_masterkey_store_found(const char *name, int source, const CellencMaterial *material)
{
	CellencStored result;
	Slot	   *slot;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_slot(name);
	if (slot == NULL)
		slot = make_slot(name);

	if (slot->state != SLOT_LOADED)
	{
		load_slot(slot, source, material);
		result = CELLENC_STORED_ADDED;
	}
	else if (same_material(material_of(slot), material))
		result = CELLENC_STORED_SAME;
	else if (slot->refuted && !slot->verified)
	{
		/* Known to be wrong: this is how an administrator mends it. */
		load_slot(slot, source, material);
		result = CELLENC_STORED_REPLACED;
	}
	else
		result = CELLENC_STORED_KEPT;

	slot->retry_at = 0;
	slot->back_off = 0;
	if (result == CELLENC_STORED_KEPT)
		strlcpy(slot->reason, "provided key differs from the loaded one, which is kept",
				CELLENC_REASON_LEN);
	else
		slot->reason[0] = '\0';
	LWLockRelease(shared->lock);
	return result;
}

void
cellenc_masterkey_store_failed(const char *name, CellencFetch result,
							   const char *reason, bool back_off)
{
	Slot	   *slot;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_slot(name);
	if (slot == NULL)
		slot = make_slot(name);
	if (slot->state != SLOT_LOADED)
		slot->state = result == CELLENC_FETCH_MISSING ? SLOT_MISSING : SLOT_FAILED;
	strlcpy(slot->reason, reason, CELLENC_REASON_LEN);
	if (back_off)
	{
		slot->back_off = slot->back_off == 0 ? FIRST_BACK_OFF_MS :
			Min(slot->back_off * 2, LAST_BACK_OFF_MS);
		slot->retry_at = GetCurrentTimestamp() + slot->back_off * INT64CONST(1000);
	}
	LWLockRelease(shared->lock);
}

void
cellenc_masterkey_store_judge(const CellencMasterKey *row, uint64 serial, bool matches)
{
	Derived    *derived;
	Slot	   *slot;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	slot = find_slot(row->name);
	if (slot != NULL && slot->serial == serial)
	{
		slot->verified |= matches;
		slot->refuted |= !matches;
	}
	derived = row->pbkdf2 ? find_derived(row) : NULL;
	if (derived != NULL && derived->serial == serial)
		derived->wrong = !matches;
	LWLockRelease(shared->lock);
}

void
cellenc_masterkey_store_forget(const CellencMasterKey *row)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < CELLENC_MASTERKEY_DERIVED; i++)
	{
		Derived    *derived = &shared->derived[i];

		if (derived->used != 0 && is_derived_for(derived, row))
			free_derived(derived);
	}
	LWLockRelease(shared->lock);
}

void
cellenc_masterkey_store_retry(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < CELLENC_MASTERKEY_SLOTS; i++)
	{
		shared->slots[i].retry_at = 0;
		shared->slots[i].back_off = 0;
	}
	LWLockRelease(shared->lock);
}

bool
cellenc_masterkey_store_loaded(const char *name, int *source)
{
	Slot	   *slot;
	bool		loaded;

	LWLockAcquire(shared->lock, LW_SHARED);
	slot = find_slot(name);
	loaded = slot != NULL && slot->state == SLOT_LOADED;
	if (loaded)
		*source = slot->source;
	LWLockRelease(shared->lock);
	return loaded;
}

CellencMasterKeyStatus *
cellenc_masterkey_store_statuses(int *count)
{
	CellencMasterKeyStatus *result;

	result = palloc0(CELLENC_MASTERKEY_SLOTS * sizeof(CellencMasterKeyStatus));
	*count = 0;

	LWLockAcquire(shared->lock, LW_SHARED);
	for (int i = 0; i < CELLENC_MASTERKEY_SLOTS; i++)
	{
		const Slot *slot = &shared->slots[i];
		CellencMasterKeyStatus *status = &result[*count];

		if (slot->state == SLOT_FREE)
			continue;
		strlcpy(status->name, slot->name, sizeof(status->name));
		strlcpy(status->last_error, slot->reason, sizeof(status->last_error));
		if (slot->state == SLOT_LOADED)
		{
			status->source = cellenc_provider_list[slot->source]->name;
			status->loaded_at = slot->loaded_at;
			status->status = "ok";
		}
		else
			status->status = slot->state == SLOT_MISSING ? "missing" : "error";
		(*count)++;
	}
	LWLockRelease(shared->lock);
	return result;
}
