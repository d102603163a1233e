/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Who may write to and compare encrypted columns: checked where a
 *	  statement starts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_ACCESS_H
#define CELLENC_ACCESS_H

/* Only from _PG_init. */
extern void cellenc_access_init(void);

#endif							/* CELLENC_ACCESS_H */
