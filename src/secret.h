/*-------------------------------------------------------------------------
 *
 * secret.h
 *	  Key bytes in a memory context, wiped when the context goes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_SECRET_H
#define CELLENC_SECRET_H

#include "utils/palloc.h"

/*
 * Zeroed memory of size bytes that is wiped before cxt is reset or deleted.
 * The caller must not pfree it.
 */
extern void *cellenc_secret_alloc(MemoryContext cxt, Size size);

#endif							/* CELLENC_SECRET_H */
