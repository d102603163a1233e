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
 * Create a key with version 1, wrapped under the named master key (NULL: the
 * default one); with the database's first key, also the search key.
 */
extern void cellenc_admin_create_key(const char *name, const char *master_key);

/*
 * Create the key that a type modifier names, for cellenc.unknown_key =
 * 'create': no privilege is checked, and whoever wrote it may use the key.
 */
extern void cellenc_admin_create_unknown_key(const char *name);

#endif							/* CELLENC_ADMIN_H */
