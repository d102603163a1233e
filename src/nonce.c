/*-------------------------------------------------------------------------
 *
 * nonce.c
 *	  Nonces to seal with: one salt for the cluster, a random IV per value.
 *
 * XAES derives a subkey from key and salt, and that costs more than sealing
 * a short value.  So all sessions share one salt, kept in shared memory, and
 * the derived contexts are reused (keyring.c).  Under one salt the 96-bit
 * random IVs carry the risk of a collision, so the salt is renewed after
 * SALT_VALUES values or SALT_BYTES bytes; sessions lease both in blocks.  A
 * restart or a crash makes a new salt, because shared memory is made anew.
 *
 * IVs come straight from the kernel: the state of a user-space generator
 * would repeat after a virtual machine was cloned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "compat.h"
#include "nonce.h"
#include "report.h"

#define SALT_VALUES		(UINT64CONST(1) << 24)
#define SALT_BYTES		(UINT64CONST(1) << 36)
#define LEASE_VALUES	4096
#define LEASE_BYTES		(SALT_BYTES / (SALT_VALUES / LEASE_VALUES))

/*
 * IVs fetched at once: at first as many as getrandom() gives without being
 * interrupted (256 bytes), then twice as many each time, for a statement that
 * seals many values spends a good part of its time in these calls.  What
 * is fetched and not used yet is what a clone of a running virtual machine
 * would use again, hence the bound.
 */
#define IVS_AT_FIRST	21
#define IVS_AT_MOST		(4 * IVS_AT_FIRST)

typedef struct SharedSalt
{
	slock_t		mutex;			/* guards all below */
	uint8		salt[CELLENC_SALT_LEN];
	uint64		values_left;
	uint64		bytes_left;
} SharedSalt;

/* What this process took from the shared salt. */
typedef struct Lease
{
	int			pid;			/* whose: a copy made by fork is worth nothing */
	uint8		salt[CELLENC_SALT_LEN];
	uint64		values_left;
	uint64		bytes_left;
} Lease;

typedef struct IvBuffer
{
	int			pid;
	int			left;			/* IVs not handed out yet, taken from the end */
	int			fetched;		/* in this transaction, the last time */
	uint8		ivs[IVS_AT_MOST][CELLENC_IV_LEN];
} IvBuffer;

static SharedSalt *shared_salt = NULL;
static Lease lease;
static IvBuffer iv_buffer;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
random_bytes(void *buf, size_t len)
{
	CellencStatus status = cellenc_cipher_random(buf, len);

	if (status != CELLENC_OK)
		cellenc_report_status(status);
}

/* Fetch a block of values and at least len bytes of the shared salt. */
static void
renew_lease(Size len)
{
	uint64		bytes = Max(LEASE_BYTES, (uint64) len);
	uint8		fresh[CELLENC_SALT_LEN];

	/* Made before the lock is taken: no system call under a spinlock. */
	random_bytes(fresh, sizeof(fresh));

	SpinLockAcquire(&shared_salt->mutex);
	if (shared_salt->values_left < LEASE_VALUES || shared_salt->bytes_left < bytes)
	{
		memcpy(shared_salt->salt, fresh, CELLENC_SALT_LEN);
		shared_salt->values_left = SALT_VALUES;
		shared_salt->bytes_left = SALT_BYTES;
	}
	shared_salt->values_left -= LEASE_VALUES;
	shared_salt->bytes_left -= bytes;
	memcpy(lease.salt, shared_salt->salt, CELLENC_SALT_LEN);
	SpinLockRelease(&shared_salt->mutex);

	lease.pid = MyProcPid;
	lease.values_left = LEASE_VALUES;
	lease.bytes_left = bytes;
}

static pg_noinline void
fetch_ivs(void)
{
	int			n = Min(Max(2 * iv_buffer.fetched, IVS_AT_FIRST), IVS_AT_MOST);

	iv_buffer.left = 0;
	random_bytes(iv_buffer.ivs, n * CELLENC_IV_LEN);
	iv_buffer.pid = MyProcPid;
	iv_buffer.fetched = n;
	iv_buffer.left = n;
}

CELLENC_HOT void
cellenc_nonce_next(Size len, uint8 *nonce)
{
	if (unlikely(lease.pid != MyProcPid || lease.values_left == 0 || lease.bytes_left < len))
		renew_lease(len);
	lease.values_left--;
	lease.bytes_left -= len;

	if (unlikely(iv_buffer.pid != MyProcPid || iv_buffer.left == 0))
		fetch_ivs();
	iv_buffer.left--;

	memcpy(nonce, lease.salt, CELLENC_SALT_LEN);
	memcpy(nonce + CELLENC_SALT_LEN, iv_buffer.ivs[iv_buffer.left], CELLENC_IV_LEN);
}

/* IVs not used by the end of a transaction are not kept in memory. */
static void
discard_ivs(XactEvent event, void *arg)
{
	if (iv_buffer.left > 0)
	{
		cellenc_cipher_wipe(iv_buffer.ivs, sizeof(iv_buffer.ivs));
		iv_buffer.left = 0;
	}
	iv_buffer.fetched = 0;
}

static void
request_shmem(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedSalt)));
}

static void
startup_shmem(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared_salt = ShmemInitStruct("cellenc salt", sizeof(SharedSalt), &found);
	if (!found)
	{
		/* nothing left: the first lease puts a fresh salt in */
		memset(shared_salt, 0, sizeof(SharedSalt));
		SpinLockInit(&shared_salt->mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
cellenc_nonce_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
	RegisterXactCallback(discard_ivs, NULL);
}
