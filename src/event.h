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

/*
 * Write a LOG line about a role that was refused some of the privileges (a
 * mask of CELLENC_PRIV_*) on a key; at most ten a minute in each process.
 */
extern void cellenc_event_denied(const char *key, int privileges);

/* Action of the first column, domain or composite type that names a key. */
#define CELLENC_EVENT_USE "use"

/*
 * As cellenc_event_record, for hooks in the middle of a command: what it has
 * done so far does not become visible.
 */
extern void cellenc_event_note(const char *action, const char *key, int32 version,
							   const char *detail);

/*
 * Is an event of this action and key recorded, by this command too?  Works
 * while the table's index is gone already.
 */
extern bool cellenc_event_any(const char *action, const char *key);

/* Is an event of this time, action and key (NULL: none) recorded already? */
extern bool cellenc_event_exists(TimestampTz at, const char *action, const char *key);

#endif							/* CELLENC_EVENT_H */
