/*-------------------------------------------------------------------------
 *
 * report.h
 *	  The errors that more than one file raises, worded once.
 *
 * No message ever carries a value, a key or what a provider printed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_REPORT_H
#define CELLENC_REPORT_H

#include "compat.h"
#include "status.h"

/* ERROR for a status other than CELLENC_OK that no caller can word better. */
pg_noreturn extern void cellenc_report_status(CellencStatus status);

/* ERROR unless the library was loaded by shared_preload_libraries. */
extern void cellenc_report_require_preload(void);

/* ERROR unless name has the form of a key's name; kind is "key" or "master key". */
extern void cellenc_report_check_name(const char *name, const char *kind);

/* Set once by _PG_init when it ran in the postmaster. */
extern bool cellenc_preloaded;

#define CELLENC_CHECK_PRELOAD() \
	do { \
		if (unlikely(!cellenc_preloaded)) \
			cellenc_report_require_preload(); \
	} while (0)

#endif							/* CELLENC_REPORT_H */
