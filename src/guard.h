/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Refuses schema objects that would hold values without a key, and changes
 *	  that would take encrypted columns away unnoticed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_GUARD_H
#define CELLENC_GUARD_H

#include "access/attnum.h"

/* Only from _PG_init. */
extern void cellenc_guard_init(void);

/*
 * Parts of the guard, called by its object access hook.
 */

/* guard_expr.c: expressions whose results are stored. */
extern void cellenc_guard_check_generated(Oid relid, AttrNumber attno);
extern void cellenc_guard_check_statistics(Oid statistics);

/* guard_drop.c: before something is dropped, and after a column was added. */
extern void cellenc_guard_check_drop(Oid classId, Oid objectId, int subId);
extern void cellenc_guard_check_added(Oid relid, AttrNumber attnum);
extern void cellenc_guard_drop_init(void);

#endif							/* CELLENC_GUARD_H */
