/*-------------------------------------------------------------------------
 *
 * redact_text.h
 *	  Texts of SQL, plans and contexts without the values in them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_REDACT_TEXT_H
#define CELLENC_REDACT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that a result may need for a source of this length. */
#define CELLENC_MASKED_SIZE(len) (3 * (len) + 16)

/*
 * A statement with "..." in the place of every constant and comment.  dst has
 * CELLENC_MASKED_SIZE bytes.  standard_strings: a backslash is an ordinary
 * character in '...'.
 */
extern void cellenc_redact_sql(char *dst, const char *src, bool standard_strings);

/*
 * The same for what auto_explain prints in its text format: the statement's
 * text and a plan, whose nodes, costs and counts are kept.
 */
extern void cellenc_redact_plan(char *dst, const char *src, bool standard_strings);

/*
 * The lines of a message's context that hold no value; of a line of COPY where
 * it is.  dst has strlen(src) + 1 bytes.  False if nothing is left.
 */
extern bool cellenc_redact_context(char *dst, const char *src);

#endif							/* CELLENC_REDACT_TEXT_H */
