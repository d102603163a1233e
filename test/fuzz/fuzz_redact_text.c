/*-------------------------------------------------------------------------
 *
 * fuzz_redact_text.c
 *	  libFuzzer target: texts on their way into the log.
 *
 * The first byte of the input chooses what the rest is taken for.  Sources and
 * results have just the bytes that they may use.  It always holds:
 *
 *	- a statement's result has no constant and no comment, and so has a plan's
 *	  without nodes;
 *	- what is kept of a context is lines of it, or their beginnings.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redact_text.h"
#include "require.h"

/* As a string; up to the first zero byte. */
static char *
copy_string(const uint8_t *data, size_t size)
{
	size_t		len = size > 0 ? strnlen((const char *) data, size) : 0;
	char	   *result = malloc(len + 1);

	REQUIRE(result);
	if (len > 0)
		memcpy(result, data, len);
	result[len] = '\0';
	return result;
}

/* May be in a name, after its first byte. */
static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
		(unsigned char) c >= 0x80;
}

/* Has a statement nothing but names, parameters, punctuation and "..."? */
static void
check_masked(const char *sql)
{
	while (*sql)
	{
		if (*sql == '\'')
		{
			REQUIRE(strncmp(sql, "'...'", 5) == 0);
			sql += 5;
		}
		else if (*sql == '"')
		{
			sql += 1 + strcspn(sql + 1, "\"");
			sql += *sql == '"';
		}
		else
		{
			REQUIRE(*sql < '0' || *sql > '9');
			REQUIRE(strncmp(sql, "--", 2) != 0 && strncmp(sql, "/*", 2) != 0);
			for (bool name = is_name(*sql++); name && is_name(*sql);)
				sql++;
		}
	}
}

static void
check_sql(const char *src, bool standard_strings)
{
	char	   *dst = malloc(CELLENC_MASKED_SIZE(strlen(src)));

	REQUIRE(dst);
	cellenc_redact_sql(dst, src, standard_strings);
	check_masked(dst);
	free(dst);
}

static void
check_plan(const char *src, bool standard_strings)
{
	char	   *dst = malloc(CELLENC_MASKED_SIZE(strlen(src)));

	REQUIRE(dst);
	cellenc_redact_plan(dst, src, standard_strings);
	REQUIRE(strlen(dst) < CELLENC_MASKED_SIZE(strlen(src)));
	if (!strstr(src, "(cost="))
		check_masked(dst);
	free(dst);
}

static void
check_context(const char *src)
{
	char	   *dst = malloc(strlen(src) + 1);
	bool		any;

	REQUIRE(dst);
	any = cellenc_redact_context(dst, src);
	REQUIRE(any == (*dst != '\0'));

	/* each line of the result is met in the source, in the same order */
	for (const char *line = dst; *line;)
	{
		size_t		len = strcspn(line, "\n");

		while (*src && strncmp(src, line, len) != 0)
		{
			src += strcspn(src, "\n");
			src += *src == '\n';
		}
		REQUIRE(*src);
		src += strcspn(src, "\n");
		src += *src == '\n';
		line += len;
		line += *line == '\n';
	}
	free(dst);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *src;

	if (size == 0)
		return 0;
	src = copy_string(data + 1, size - 1);
	switch (data[0] % 5)
	{
		case 0:
		case 1:
			check_sql(src, data[0] % 5 == 0);
			break;
		case 2:
		case 3:
			check_plan(src, data[0] % 5 == 2);
			break;
		default:
			check_context(src);
	}
	free(src);
	return 0;
}
