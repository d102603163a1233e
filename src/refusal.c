/*-------------------------------------------------------------------------
 *
 * refusal.c
 *	  How often values under a disabled or destroyed version were refused.
 *
 * Tells whether something still wants a version that is to be destroyed.  In
 * shared memory, because a refusal rolls back whatever its transaction
 * writes, and because standbys count as well; so each server has counts of its
 * own, which begin when it starts.
 *
 * A hash table without locks: a place, once taken, keeps its version, so a
 * search passes by places of others and ends at a free one.  Only versions
 * that refused something take one, and more than there are places will not
 * have been disabled between two restarts; what comes after is not counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "compat.h"
#include "refusal.h"
#include "report.h"

PG_FUNCTION_INFO_V1(cellenc_version_refusals);

#define PLACES 4096				/* a power of two */

typedef struct Place
{
	pg_atomic_uint64 version;	/* database and version id; 0: free */
	pg_atomic_uint64 count;
} Place;

static Place *places = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/*
 * The place of a version: NULL if it has none and take is false, or none is
 * left.
 */
static Place *
find_place(uint32 version_id, bool take)
{
	/* databases made from one template have versions in common */
	uint64		version = (uint64) MyDatabaseId << 32 | version_id;

	/* version ids are random */
	for (uint32 i = 0; i < PLACES; i++)
	{
		Place	   *place = &places[(version_id + i) & (PLACES - 1)];
		uint64		found = pg_atomic_read_u64(&place->version);

		/* on failure, found is what another process put there first */
		if (found == 0 &&
			(!take || pg_atomic_compare_exchange_u64(&place->version, &found, version)))
			return take ? place : NULL;
		if (found == version)
			return place;
	}
	return NULL;
}

void
cellenc_refusal_count(uint32 version_id)
{
	Place	   *place = find_place(version_id, true);

	if (place)
		pg_atomic_fetch_add_u64(&place->count, 1);
}

/* For view cellenc.key_versions. */
Datum
cellenc_version_refusals(PG_FUNCTION_ARGS)
{
	int64		version_id = PG_GETARG_INT64(0);
	Place	   *place;

	CELLENC_CHECK_PRELOAD();
	place = find_place((uint32) version_id, false);
	PG_RETURN_INT64(place ? (int64) pg_atomic_read_u64(&place->count) : 0);
}

static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(PLACES * sizeof(Place)));
}

static void
startup_shmem(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	places = ShmemInitStruct("cellenc refusals", PLACES * sizeof(Place), &found);
	for (int i = 0; i < PLACES && !found; i++)
	{
		pg_atomic_init_u64(&places[i].version, 0);
		pg_atomic_init_u64(&places[i].count, 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
cellenc_refusal_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
}
