/*-------------------------------------------------------------------------
 *
 * default.h
 *	  Constants of composite types in the defaults of columns.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_DEFAULT_H
#define CELLENC_DEFAULT_H

/* Only from _PG_init. */
extern void cellenc_default_init(void);

#endif							/* CELLENC_DEFAULT_H */
