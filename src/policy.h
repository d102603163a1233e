/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  Keys that are rotated by themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_POLICY_H
#define CELLENC_POLICY_H

#include "datatype/timestamp.h"

/*
 * Rotate the keys of this database that are due; true if there was one.  *due
 * is when to look again: the next key's time, or when the window opens; 0 for
 * never.  Needs a transaction; an error is logged, and looked at again later.
 */
extern bool cellenc_policy_run(TimestampTz *due);

#endif							/* CELLENC_POLICY_H */
