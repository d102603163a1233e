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

#endif							/* CELLENC_ADMIN_H */
