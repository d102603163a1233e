/*-------------------------------------------------------------------------
 *
 * twin_sql.h
 *	  Statements that make an encrypted type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_TWIN_SQL_H
#define CELLENC_TWIN_SQL_H

#include <stdarg.h>

/* What psprintf makes of fmt and its arguments. */
extern char *cellenc_twin_sql(const char *fmt, va_list args) pg_attribute_printf(1, 0);

/* Run a statement in SPI.  The short name leaves room for the statement. */
extern void cellenc_twin_sql_run(const char *fmt,...) pg_attribute_printf(1, 2);
#define run cellenc_twin_sql_run

#endif							/* CELLENC_TWIN_SQL_H */
