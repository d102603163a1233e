/*-------------------------------------------------------------------------
 *
 * keyring.c
 *	  This session's cache of keys: unwrapped data keys and who may use them.
 *
 * Everything here is read from the key catalog and thrown away as a whole
 * when a key table changes, a role changes, or this session's own changes are
 * rolled back: invalidation messages only set `stale`, and the next look-up
 * starts afresh.  Keys are few and unwrapping one takes microseconds, so
 * nothing finer is worth its bugs.
 *
 * Key bytes exist here only while a context is keyed with them; afterwards
 * they live inside OpenSSL's contexts, which wipe them when freed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "event.h"
#include "keyring.h"
#include "refusal.h"
#include "report.h"
#include "unwrap.h"

/* Contexts of (version, salt): a power of two. */
#define SUBKEY_SLOTS 64

typedef struct SubkeySlot
{
	uint32		version_id;		/* 0: empty */
	uint8		salt[CELLENC_SALT_LEN];
	CellencSubkey *subkey;
} SubkeySlot;

typedef struct KeySlot
{
	int32		name_hash;		/* hash key */
	CellencKey	key;
} KeySlot;

static MemoryContext keyring_cxt = NULL;
static HTAB *keys = NULL;
static HTAB *versions = NULL;
static SubkeySlot subkeys[SUBKEY_SLOTS];
static uint64 ring_serial = 0;	/* of this ring: no other has had it */
static CellencMac *search_mac = NULL;
static CellencSearchKeyRow search_row;
static bool search_known = false;	/* search_exists and search_row are valid */
static bool search_exists = false;
static Oid	search_user = InvalidOid;	/* memo: this user may search */

/* Set by invalidation callbacks, which may not touch anything else. */
static volatile bool stale = false;

/*
 * Version ids made by this transaction.  Nobody else can find them yet, or
 * ever if it rolls back, but anybody who searches an index meets the values
 * in it: what an index may hold is sealed under the version before until then.
 */
static List *made_versions = NIL;

/* The entries used last; NULL when the ring is empty. */
static CellencKey *last_key = NULL;
static CellencKeyVersion *last_version = NULL;
static SubkeySlot *last_subkey = NULL;

/*
 * Life of the ring
 */

static void
drop_ring(void)
{
	last_key = NULL;
	last_version = NULL;
	last_subkey = NULL;

	for (int i = 0; i < SUBKEY_SLOTS; i++)
	{
		if (subkeys[i].subkey)
			cellenc_cipher_subkey_free(subkeys[i].subkey);
	}
	memset(subkeys, 0, sizeof(subkeys));

	if (versions)
	{
		HASH_SEQ_STATUS status;
		CellencKeyVersion *version;

		hash_seq_init(&status, versions);
		while ((version = hash_seq_search(&status)) != NULL)
		{
			if (version->cipher)
				cellenc_cipher_key_free(version->cipher);
		}
	}
	versions = NULL;
	keys = NULL;

	if (search_mac)
		cellenc_cipher_mac_free(search_mac);
	search_mac = NULL;
	search_known = false;
	search_user = InvalidOid;

	if (keyring_cxt)
		MemoryContextReset(keyring_cxt);
	cellenc_keycatalog_reset();
}

static void
make_ring(void)
{
	HASHCTL		ctl;

	if (!keyring_cxt)
		keyring_cxt = AllocSetContextCreate(CacheMemoryContext, "cellenc keyring",
											ALLOCSET_SMALL_SIZES);

	ctl.hcxt = keyring_cxt;
	ctl.keysize = sizeof(int32);
	ctl.entrysize = sizeof(KeySlot);
	keys = hash_create("cellenc keys", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.keysize = sizeof(uint32);
	ctl.entrysize = sizeof(CellencKeyVersion);
	versions = hash_create("cellenc key versions", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static pg_noinline void
renew_ring(void)
{
	/* cleared first: what comes in from here on counts for the next time */
	stale = false;
	ring_serial++;
	drop_ring();
	make_ring();
}

/* First thing of every look-up. */
static inline void
freshen(void)
{
	if (unlikely(stale || !versions))
		renew_ring();
}

static void
relcache_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || cellenc_keycatalog_watches(relid))
	{
		stale = true;

		/* not only the key ring asks for tables, and these may be gone */
		cellenc_keycatalog_reset();
	}
}

static void
syscache_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	stale = true;
}

static void
xact_ended(XactEvent event, void *arg)
{
	if (made_versions == NIL ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	made_versions = NIL;
	stale = true;
}

void
cellenc_keyring_init(void)
{
	RegisterXactCallback(xact_ended, NULL);
	CacheRegisterRelcacheCallback(relcache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, syscache_changed, (Datum) 0);
}

/*
 * Keys and versions
 */

void
cellenc_keyring_note_made(uint32 version_id)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	made_versions = lappend_oid(made_versions, version_id);
	MemoryContextSwitchTo(old);
	stale = true;
}

/* Find the versions that seal, among those of key. */
static void
choose_versions(CellencKey *key, List *rows)
{
	CellencVersionRow *current = NULL;
	CellencVersionRow *before = NULL;
	ListCell   *lc;

	foreach(lc, rows)
	{
		CellencVersionRow *row = lfirst(lc);

		if (row->state == CELLENC_CURRENT)
			current = row;
		else if (row->state == CELLENC_DECRYPT_ONLY && !list_member_oid(made_versions, row->version_id) &&
				 (!before || row->version > before->version))
			before = row;
	}
	key->current_id = current ? current->version_id : 0;
	key->shared_id = key->current_id;
	if (before && list_member_oid(made_versions, key->current_id))
		key->shared_id = before->version_id;
}

static CellencKey *
remember_key(const CellencKeyRow *row)
{
	KeySlot    *slot;
	List	   *rows;
	List	   *grants;
	MemoryContext old;

	slot = hash_search(keys, &row->name_hash, HASH_FIND, NULL);
	if (slot)
		return &slot->key;

	rows = cellenc_keycatalog_versions(&row->id);
	old = MemoryContextSwitchTo(keyring_cxt);
	grants = cellenc_keycatalog_grants(&row->id);
	MemoryContextSwitchTo(old);

	/* entered last: an error above must not leave half an entry */
	slot = hash_search(keys, &row->name_hash, HASH_ENTER, NULL);
	memset(&slot->key, 0, sizeof(CellencKey));
	slot->key.row = *row;
	choose_versions(&slot->key, rows);
	slot->key.literal = row->name_hash < 0;
	slot->key.grants = grants;
	return &slot->key;
}

static pg_noinline CellencKey *
look_up_key(int32 name_hash)
{
	KeySlot    *slot;
	CellencKeyRow row;

	slot = hash_search(keys, &name_hash, HASH_FIND, NULL);
	if (slot)
		last_key = &slot->key;
	else if (cellenc_keycatalog_key_by_hash(name_hash, &row))
		last_key = remember_key(&row);
	else
		return NULL;
	return last_key;
}

static inline CellencKey *
find_key(int32 name_hash)
{
	freshen();
	if (likely(last_key && last_key->row.name_hash == name_hash))
		return last_key;
	return look_up_key(name_hash);
}

CELLENC_HOT CellencKey *
cellenc_keyring_key_by_hash(int32 name_hash)
{
	return find_key(name_hash);
}

/* NULL where there is none. */
static CellencKey *
key_by_name(const char *name)
{
	CellencKeyRow row;

	freshen();
	if (!cellenc_keycatalog_key_by_name(name, &row) || row.name_hash < 0)
		return NULL;
	return remember_key(&row);
}

CellencKey *
cellenc_keyring_require_key(const char *name)
{
	CellencKey *key = key_by_name(name);

	if (!key)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key \"%s\" does not exist", name),
				 errhint("Use cellenc_create_key to create it.")));
	return key;
}

void
cellenc_keyring_require_version(const CellencKeyRow *key, int32 number, CellencVersionRow *row)
{
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_versions(&key->id))
	{
		*row = *(CellencVersionRow *) lfirst(lc);
		if (row->version == number)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("version %d of key \"%s\" does not exist", number, key->name)));
}

CellencKey *
cellenc_keyring_literal_key(void)
{
	CellencKey *key = cellenc_keyring_key_by_hash(-1);

	if (!key)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the key for constants does not exist"),
				 errhint("CREATE EXTENSION cellenc makes it.")));
	return key;
}

/* A version's key is gone. */
pg_noreturn static void
report_without_key(const CellencVersionRow *row)
{
	if (row->state == CELLENC_DESTROYED)
	{
		cellenc_refusal_count(row->version_id);
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the key of an encrypted value has been dropped"),
				 errdetail("It was dropped on %s.", timestamptz_to_str(row->state_since))));
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the key of key version id %u does not exist", row->version_id)));
}

static pg_noinline CellencKeyVersion *
look_up_version(uint32 version_id)
{
	CellencKeyVersion *version;
	CellencVersionRow row;
	CellencKeyRow key_row;
	CellencKey *key;

	version = hash_search(versions, &version_id, HASH_FIND, NULL);
	if (!version)
	{
		if (!cellenc_keycatalog_version(version_id, &row))
			return NULL;
		if (!cellenc_keycatalog_key_by_id(&row.key, &key_row))
			report_without_key(&row);
		key = remember_key(&key_row);
		version = hash_search(versions, &version_id, HASH_ENTER, NULL);
		version->row = row;
		version->key = key;
		version->cipher = NULL;
		version->terms = CELLENC_TERMS_UNKNOWN;
		memset(version->aad, 0, sizeof(version->aad));
	}
	last_version = version;
	return version;
}

static inline CellencKeyVersion *
find_version(uint32 version_id)
{
	freshen();
	if (likely(last_version && last_version->version_id == version_id))
		return last_version;
	return look_up_version(version_id);
}

CELLENC_HOT CellencKeyVersion *
cellenc_keyring_version(uint32 version_id)
{
	return find_version(version_id);
}

/*
 * Privileges
 */

static pg_noinline int
privileges_of(CellencKey *key, Oid user)
{
	int			granted = 0;
	ListCell   *lc;

	if (superuser_arg(user))
		return CELLENC_PRIV_ENCRYPT | CELLENC_PRIV_DECRYPT | CELLENC_PRIV_MANAGE;

	foreach(lc, key->grants)
	{
		const CellencGrantRow *grant = lfirst(lc);
		Oid			role;

		if (granted & grant->privilege)
			continue;
		if (strcmp(grant->role, "public") == 0)
			granted |= grant->privilege;
		else if (OidIsValid(role = get_role_oid(grant->role, true)) &&
				 has_privs_of_role(user, role))
			granted |= grant->privilege;
	}
	return granted;
}

static inline bool
has_privileges(CellencKey *key, Oid user, int privileges)
{
	if (key->literal)
		return true;
	if (unlikely(key->checked_user != user))
	{
		key->checked_privs = privileges_of(key, user);
		key->checked_user = user;
	}
	return (key->checked_privs & privileges) == privileges;
}

bool
cellenc_keyring_has(CellencKey *key, Oid user, int privileges)
{
	return has_privileges(key, user, privileges);
}

pg_noreturn static void
deny(const CellencKey *key, int privileges)
{
	cellenc_event_denied(key->row.name, privileges & ~key->checked_privs);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for key \"%s\"", key->row.name)));
}

CELLENC_HOT void
cellenc_keyring_check(CellencKey *key, int privileges)
{
	if (unlikely(!has_privileges(key, GetUserId(), privileges)))
		deny(key, privileges);
}

/*
 * Versions, ready for use
 */

/* Refuse a version that may not be used any more; name is its key's. */
static void
check_state(const CellencVersionRow *row, const char *name)
{
	if (row->state == CELLENC_DISABLED || row->state == CELLENC_DESTROYED)
		cellenc_refusal_count(row->version_id);
	if (row->state == CELLENC_DISABLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of key \"%s\" is disabled", row->version, name),
				 errdetail("It was disabled on %s.", timestamptz_to_str(row->state_since)),
				 errhint("Use cellenc_enable_key_version to allow its use again.")));
	if (row->state == CELLENC_DESTROYED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of key \"%s\" has been destroyed", row->version, name),
				 errdetail("It was destroyed on %s.", timestamptz_to_str(row->state_since))));
}

/* Nothing can be sealed: say so of the version that would be the current one. */
pg_noreturn static void
report_no_current(const CellencKey *key)
{
	CellencVersionRow *newest = NULL;
	ListCell   *lc;

	foreach(lc, cellenc_keycatalog_versions(&key->row.id))
	{
		CellencVersionRow *version = lfirst(lc);

		if (version->state != CELLENC_DESTROYED)
			newest = version;
	}
	if (newest)
		check_state(newest, key->row.name);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key \"%s\" has no current version", key->row.name),
			 errhint("Use cellenc_enable_key_version or cellenc_rotate_key.")));
}

static void
load_cipher(CellencKeyVersion *version)
{
	uint8		key[CELLENC_KEY_LEN];
	uint32		version_id = version->version_id;
	CellencVersionRow row = version->row;
	char		name[NAMEDATALEN];
	bool		literal = version->key->literal;
	CellencCipherKey *cipher;
	CellencStatus status;

	strlcpy(name, version->key->row.name, sizeof(name));
	cellenc_unwrap_key(&row.key, row.version, version_id,
					   literal ? CELLENC_PURPOSE_LITERAL : CELLENC_PURPOSE_DATA,
					   row.check_value, name, key);
	status = cellenc_cipher_key_new(key, &cipher);
	cellenc_cipher_wipe(key, sizeof(key));
	if (status != CELLENC_OK)
		cellenc_report_status(status);

	/* only now: what an error leaves behind must be of no consequence */
	version->cipher = cipher;
}

static inline CellencKeyVersion *
usable_version(uint32 version_id, int privileges)
{
	CellencKeyVersion *version = find_version(version_id);

	if (unlikely(!version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key version id %u of an encrypted value does not exist in this database",
						version_id),
				 errhint("Restore or import the keys that the value was encrypted with.")));
	if (privileges && unlikely(!has_privileges(version->key, GetUserId(), privileges)))
		deny(version->key, privileges);
	if (unlikely(!version->cipher))
	{
		check_state(&version->row, version->key->row.name);
		load_cipher(version);
	}
	return version;
}

CELLENC_HOT CellencKeyVersion *
cellenc_keyring_usable_version(uint32 version_id, int privileges)
{
	return usable_version(version_id, privileges);
}

/* A key's current version, or for what an index may hold its shared one. */
static inline CellencKeyVersion *
sealing_version(CellencKey *key, bool indexed)
{
	if (unlikely(key->current_id == 0))
		report_no_current(key);
	return usable_version(indexed ? key->shared_id : key->current_id, 0);
}

CellencKeyVersion *
cellenc_keyring_current_version(CellencKey *key)
{
	return sealing_version(key, false);
}

CELLENC_HOT CellencKeyVersion *
cellenc_keyring_sealing_version(int32 name_hash, bool indexed, int privileges)
{
	CellencKey *key = find_key(name_hash);

	if (unlikely(!key))
		return NULL;
	if (privileges && unlikely(!has_privileges(key, GetUserId(), privileges)))
		deny(key, privileges);
	return sealing_version(key, indexed);
}

static inline bool
slot_holds(const SubkeySlot *slot, const CellencKeyVersion *version, const uint8 *salt)
{
	return slot->version_id == version->version_id &&
		memcmp(slot->salt, salt, CELLENC_SALT_LEN) == 0;
}

static pg_noinline CellencSubkey *
look_up_subkey(CellencKeyVersion *version, const uint8 *salt)
{
	SubkeySlot *slot;
	uint32		hash;
	CellencStatus status;

	/* version ids and salts are random: their bytes are the hash */
	memcpy(&hash, salt, sizeof(hash));
	slot = &subkeys[(hash ^ version->version_id) & (SUBKEY_SLOTS - 1)];
	if (!slot_holds(slot, version, salt))
	{
		last_subkey = NULL;
		if (slot->subkey)
			cellenc_cipher_subkey_free(slot->subkey);
		memset(slot, 0, sizeof(*slot));
		status = cellenc_cipher_subkey_new(version->cipher, salt, &slot->subkey);
		if (status != CELLENC_OK)
		{
			slot->subkey = NULL;
			cellenc_report_status(status);
		}
		memcpy(slot->salt, salt, CELLENC_SALT_LEN);
		slot->version_id = version->version_id;
	}
	last_subkey = slot;
	return slot->subkey;
}

CELLENC_HOT CellencSubkey *
cellenc_keyring_subkey(CellencKeyVersion *version, const uint8 *salt)
{
	if (likely(last_subkey && slot_holds(last_subkey, version, salt)))
		return last_subkey->subkey;
	return look_up_subkey(version, salt);
}

/*
 * Search key
 */

/* Read the row once; telling search keys apart needs no master key. */
static bool
know_search_key(void)
{
	freshen();
	if (unlikely(!search_known))
	{
		search_exists = cellenc_keycatalog_current_search_key(&search_row);
		search_known = true;
	}
	return search_exists;
}

CellencMac *
cellenc_keyring_search_mac(void)
{
	uint8		key[CELLENC_KEY_LEN];
	CellencMac *mac;
	CellencStatus status;

	if (!know_search_key())
		return NULL;
	if (unlikely(!search_mac))
	{
		cellenc_unwrap_key(&search_row.id, 0, 0, CELLENC_PURPOSE_SEARCH,
						   search_row.check_value, "search key", key);
		status = cellenc_cipher_mac_new(key, CELLENC_KEY_LEN, &mac);
		cellenc_cipher_wipe(key, sizeof(key));
		if (status != CELLENC_OK)
			cellenc_report_status(status);
		search_mac = mac;
	}
	return search_mac;
}

static bool
may_search(Oid user)
{
	ListCell   *lc;

	if (superuser_arg(user))
		return true;
	foreach(lc, cellenc_keycatalog_keys())
	{
		CellencKey *key = cellenc_keyring_key_by_hash(((CellencKeyRow *) lfirst(lc))->name_hash);

		if (key && (cellenc_keyring_has(key, user, CELLENC_PRIV_ENCRYPT) ||
					cellenc_keyring_has(key, user, CELLENC_PRIV_DECRYPT)))
			return true;
	}
	return false;
}

void
cellenc_keyring_check_search(void)
{
	Oid			user = GetUserId();

	if (!know_search_key() || likely(search_user == user))
		return;
	if (!may_search(user))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the search key"),
				 errdetail("Hashes of values are only for roles that may encrypt or decrypt with some key."),
				 errhint("Use cellenc_grant_key to grant a privilege on a key.")));
	search_user = user;
}

/* The first question about a version.  A doubt is answered with no. */
static pg_noinline CellencKeyVersion *
find_term_version(uint32 version_id)
{
	bool		exists = know_search_key();
	CellencKeyVersion *version = find_version(version_id);

	/* the last look-up may have renewed the ring */
	if (!version || !search_known)
		return NULL;
	version->terms = exists &&
		memcmp(version->row.search_key.data, search_row.id.data, CELLENC_UUID_LEN) == 0 ?
		CELLENC_TERMS_VALID : CELLENC_TERMS_FOREIGN;
	return version->terms == CELLENC_TERMS_VALID ? version : NULL;
}

CELLENC_HOT CellencKeyVersion *
cellenc_keyring_term_version(uint32 version_id)
{
	CellencKeyVersion *version = find_version(version_id);

	if (likely(version && version->terms == CELLENC_TERMS_VALID))
		return version;
	if (!version || version->terms == CELLENC_TERMS_FOREIGN)
		return NULL;
	return find_term_version(version_id);
}

uint64
cellenc_keyring_serial(void)
{
	freshen();
	return ring_serial;
}
