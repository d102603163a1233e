/*-------------------------------------------------------------------------
 *
 * guarded.h
 *	  Work that may fail without ending the transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_GUARDED_H
#define CELLENC_GUARDED_H

/*
 * Call work(context, arg) in a subtransaction.  False, and everything undone,
 * if it failed with an SQLSTATE that `survives` accepts; *failure, where
 * failure is not NULL, is then the error, in the caller's memory context.
 * Other errors are thrown on.
 */
extern bool cellenc_guarded_run(void (*work) (void *context, void *arg), void *context, void *arg,
								bool (*survives) (int sqlerrcode), ErrorData **failure);

/* Is it XX001, of a value or row whose bytes are damaged?  For `survives`. */
extern bool cellenc_guarded_is_corruption(int sqlerrcode);

#endif							/* CELLENC_GUARDED_H */
