/*-------------------------------------------------------------------------
 *
 * window.h
 *	  The time of day at which jobs run: setting cellenc.job_window.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_WINDOW_H
#define CELLENC_WINDOW_H

#include "datatype/timestamp.h"
#include "utils/guc.h"

/* Hooks of the setting. */
extern bool cellenc_window_check(char **newval, void **extra, GucSource source);
extern void cellenc_window_assign(const char *newval, void *extra);

/*
 * Is now within the window?  If not, *opens is when it opens next, later than
 * now.  No setting is a window that is always open.
 */
extern bool cellenc_window_is_open(TimestampTz now, TimestampTz *opens);

#endif							/* CELLENC_WINDOW_H */
