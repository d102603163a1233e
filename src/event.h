/*-------------------------------------------------------------------------
 *
 * event.h
 *	  The record of what was done with keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_EVENT_H
#define CELLENC_EVENT_H

#include "datatype/timestamp.h"

/*
 * Append to cellenc.event, in the caller's transaction, and write one LOG
 * line.  key and detail may be NULL, version 0.
 */
extern void cellenc_event_record(const char *action, const char *key, int32 version,
								 const char *detail);

/* Is an event of this time, action and key (NULL: none) recorded already? */
extern bool cellenc_event_exists(TimestampTz at, const char *action, const char *key);

#endif							/* CELLENC_EVENT_H */
