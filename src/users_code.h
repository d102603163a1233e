/*-------------------------------------------------------------------------
 *
 * users_code.h
 *	  Does an index run code of its owner while it is built?
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_USERS_CODE_H
#define CELLENC_USERS_CODE_H

/*
 * May a function that some user made be called while the index is built: by its
 * expressions or its predicate?  Also true where there is no such index.  Sees
 * what the command at hand has made.
 */
extern bool cellenc_users_code_in_index(Oid index);

#endif							/* CELLENC_USERS_CODE_H */
