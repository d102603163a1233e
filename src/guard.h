/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Refuses schema objects that would hold values without a key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_GUARD_H
#define CELLENC_GUARD_H

/* Only from _PG_init. */
extern void cellenc_guard_init(void);

#endif							/* CELLENC_GUARD_H */
