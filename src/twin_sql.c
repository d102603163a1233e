/*-------------------------------------------------------------------------
 *
 * twin_sql.c
 *	  Statements that make an encrypted type.
 *
 * Touches SPI alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "twin_sql.h"

char *
cellenc_twin_sql(const char *fmt, va_list args)
{
	StringInfoData sql;
	int			needed;

	initStringInfo(&sql);
	for (;;)
	{
		va_list		copy;

		va_copy(copy, args);
		needed = appendStringInfoVA(&sql, fmt, copy);
		va_end(copy);
		if (needed == 0)
			return sql.data;
		enlargeStringInfo(&sql, needed);
	}
}

void
cellenc_twin_sql_run(const char *fmt,...)
{
	va_list		args;
	char	   *sql;

	va_start(args, fmt);
	sql = cellenc_twin_sql(fmt, args);
	va_end(args);
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run a statement that creates an encrypted type");
	pfree(sql);
}
