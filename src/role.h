/*-------------------------------------------------------------------------
 *
 * role.h
 *	  Grants of roles that are dropped or get another name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_ROLE_H
#define CELLENC_ROLE_H

/* Only from _PG_init. */
extern void cellenc_role_init(void);

#endif							/* CELLENC_ROLE_H */
