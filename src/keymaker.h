/*-------------------------------------------------------------------------
 *
 * keymaker.h
 *	  Makes key versions and their wraps.
 *
 * Callers hold cellenc_keycatalog_lock().  Errors of master keys are those of
 * cellenc_masterkey_get().
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_KEYMAKER_H
#define CELLENC_KEYMAKER_H

#include "keycatalog.h"

/* A random (version 4) UUID. */
extern void cellenc_keymaker_uuid(pg_uuid_t *uuid);

/*
 * The catalog row of the master key that the providers have under name (NULL:
 * cellenc.default_master_key): the one that matches, or a new one.  Palloc'd.
 */
extern CellencMasterKey *cellenc_keymaker_master_key(const char *name);

/*
 * The master keys that wrap a version (0: of a search key), as palloc'd
 * CellencMasterKey.
 */
extern List *cellenc_keymaker_masters(const pg_uuid_t *owner, int32 version);

/* Those that wrap new versions of a key that exists: all that wrap its last one. */
extern List *cellenc_keymaker_masters_of_key(const pg_uuid_t *key);

/*
 * Wrap key bytes under each of masters and store that.  wrap tells whose they
 * are: owner, version, purpose.
 */
extern void cellenc_keymaker_wrap(const CellencWrapRow *wrap, uint32 version_id, const uint8 *key,
								  List *masters);

/*
 * Make version `version` of a key, as its current one, under the current
 * search key.
 */
extern void cellenc_keymaker_add_version(const CellencKeyRow *key, int32 version, List *masters);

/*
 * Make the next version of a key, wrapped as the last one is, and record the
 * event, with detail (may be NULL).  Returns its number.
 */
extern int32 cellenc_keymaker_rotate(const CellencKeyRow *key, const char *detail);

/*
 * Make the search key of this database unless there is one.  It serves all
 * keys, so it is wrapped under the default master key, whatever wraps the key
 * that it is made for.
 */
extern void cellenc_keymaker_require_search_key(void);

#endif							/* CELLENC_KEYMAKER_H */
