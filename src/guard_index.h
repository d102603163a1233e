/*-------------------------------------------------------------------------
 *
 * guard_index.h
 *	  Refuses indexes and partition keys that reveal more than `search` allows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_GUARD_INDEX_H
#define CELLENC_GUARD_INDEX_H

#include "catalog/objectaccess.h"

/*
 * What the object access hook saw of pg_class, for OAT_POST_CREATE (indexes)
 * and OAT_POST_ALTER (columns, which may have indexes).
 */
extern void cellenc_guard_index_access(ObjectAccessType access, Oid relid, AttrNumber attnum);

/* Name of the class by term of a twin, as it is written in CREATE INDEX; NULL if none. */
extern char *cellenc_guard_term_class(Oid twin);

/* Only from cellenc_guard_init: partition keys are seen by no access hook. */
extern void cellenc_guard_index_init(void);

#endif							/* CELLENC_GUARD_INDEX_H */
