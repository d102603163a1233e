/*-------------------------------------------------------------------------
 *
 * refusal.h
 *	  How often values under a disabled or destroyed version were refused.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_REFUSAL_H
#define CELLENC_REFUSAL_H

/* Count one more, for a version of this database. */
extern void cellenc_refusal_count(uint32 version_id);

/* Only from _PG_init. */
extern void cellenc_refusal_init(void);

#endif							/* CELLENC_REFUSAL_H */
