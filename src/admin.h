/*-------------------------------------------------------------------------
 *
 * admin.h
 *	  Management of keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_ADMIN_H
#define CELLENC_ADMIN_H

/*
 * Create the key that a type modifier names, for cellenc.unknown_key =
 * 'create': no privilege is checked, and whoever wrote it may use the key.
 */
extern void cellenc_admin_create_unknown_key(const char *name);

#endif							/* CELLENC_ADMIN_H */
