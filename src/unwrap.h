/*-------------------------------------------------------------------------
 *
 * unwrap.h
 *	  A key out of one of its wraps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_UNWRAP_H
#define CELLENC_UNWRAP_H

#include "utils/uuid.h"

#include "envelope.h"

/*
 * Set key to the CELLENC_KEY_LEN bytes that the wraps of owner (a key or the
 * search key) hold for version; version_id is 0 where there is none, name is
 * for messages.  The caller wipes key.
 *
 * Errors: 58000 or 28000 from the master keys; XX001 where there is no wrap, or
 * one failed authentication or its check value.  key is wiped then.
 */
extern void cellenc_unwrap_key(const pg_uuid_t *owner, int32 version, uint32 version_id,
							   CellencPurpose purpose, const uint8 *check_value,
							   const char *name, uint8 *key);

#endif							/* CELLENC_UNWRAP_H */
