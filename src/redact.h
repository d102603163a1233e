/*-------------------------------------------------------------------------
 *
 * redact.h
 *	  Keeps values of encrypted columns out of the server's log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_REDACT_H
#define CELLENC_REDACT_H

#include "access/xact.h"

/* Start of the last statement that had to do with plaintext. */
extern TimestampTz cellenc_redact_touched_at;

/*
 * The statement that runs now has to do with plaintext: it reads or writes a
 * relation with encrypted columns, or a value was sealed or opened.
 */
static inline void
cellenc_redact_touch(void)
{
	cellenc_redact_touched_at = GetCurrentStatementStartTimestamp();
}

/*
 * As above, and for as long as the session lasts: whenever a statement of this
 * text is bound to parameters or executed, which no hook sees before the
 * server may log them.
 */
extern void cellenc_redact_remember(const char *statement);

/*
 * May a message of this SQLSTATE, of code that was given a value to read, be
 * shown?  Those that say that the value is bad quote it, be it as a number or
 * as the name of a relation; these are about the server.
 */
extern bool cellenc_redact_about_the_server(int sqlerrcode);

/* Is the log written through this hook first, before any other's? */
extern bool cellenc_redact_is_first(void);

/* Only from _PG_init. */
extern void cellenc_redact_init(void);

#endif							/* CELLENC_REDACT_H */
