/*-------------------------------------------------------------------------
 *
 * redact_text.c
 *	  Texts of SQL, plans and contexts without the values in them.
 *
 * Runs while an error is reported, so nothing here allocates, fails or looks
 * anything up.  What is not known to be harmless goes: an unfinished string
 * ends with the text, and a line of an unknown kind is left out.  All
 * encodings of a server leave ASCII bytes to ASCII characters.
 *
 * Pure: no PostgreSQL header.
 *
 *-------------------------------------------------------------------------
 */
#include "redact_text.h"

#include <string.h>

#define MASK "..."

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* May begin an identifier; all of a multibyte character may. */
static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char) c >= 0x80;
}

static bool
is_name(char c)
{
	return is_letter(c) || is_digit(c) || c == '$';
}

static char *
put(char *dst, const char *text, size_t len)
{
	memcpy(dst, text, len);
	return dst + len;
}

#define PUT(dst, text) put(dst, text, sizeof(text) - 1)

/*
 * SQL
 */

/* The end of what the quote at s opens. */
static const char *
skip_quoted(const char *s, bool escapes)
{
	char		quote = *s++;

	while (*s)
	{
		if (escapes && s[0] == '\\' && s[1])
			s += 2;
		else if (s[0] == quote && s[1] == quote)
			s += 2;
		else if (*s++ == quote)
			break;
	}
	return s;
}

/* The same where s is a "$"; s if no string begins there. */
static const char *
skip_dollar_quoted(const char *s)
{
	const char *tag = s + 1;
	size_t		len;
	const char *end;

	if (is_letter(*tag))
	{
		while (is_letter(*tag) || is_digit(*tag))
			tag++;
	}
	if (*tag != '$')
		return s;
	len = tag + 1 - s;
	for (end = s + len; *end; end++)
	{
		if (strncmp(end, s, len) == 0)
			return end + len;
	}
	return end;
}

static const char *
skip_comment(const char *s)
{
	int			depth = 0;

	if (*s == '-')
		return s + strcspn(s, "\n");
	do
	{
		if (s[0] == '/' && s[1] == '*')
			depth++, s += 2;
		else if (s[0] == '*' && s[1] == '/')
			depth--, s += 2;
		else
			s++;
	} while (depth > 0 && *s);
	return s;
}

/*
 * The quote that goes on with a string that ended before s: what lies between
 * is white space with a newline, and comments.  NULL: there is none.
 */
static const char *
find_continuation(const char *s)
{
	bool		newline = false;

	for (;;)
	{
		if (s[0] == '-' && s[1] == '-')
			s = skip_comment(s);
		else if (*s && strchr(" \t\n\r\f\v", *s))
		{
			newline |= *s == '\n' || *s == '\r';
			s++;
		}
		else
			return newline && *s == '\'' ? s : NULL;
	}
}

static const char *
skip_number(const char *s)
{
	while (is_name(*s) || *s == '.')
	{
		if ((*s == 'e' || *s == 'E') && (s[1] == '+' || s[1] == '-'))
			s++;
		s++;
	}
	return s;
}

/* Copy the token at *src, or what stands for it, and move past it. */
static char *
copy_token(char *dst, const char **src, bool standard_strings)
{
	const char *s = *src;
	const char *end = s + 1;

	if (s[0] == '\'')
	{
		*src = skip_quoted(s, !standard_strings);
		return PUT(dst, "'" MASK "'");
	}
	if ((s[0] == '-' && s[1] == '-') || (s[0] == '/' && s[1] == '*'))
	{
		*src = skip_comment(s);
		return PUT(dst, " ");
	}
	if (is_digit(s[0]) || (s[0] == '.' && is_digit(s[1])))
	{
		*src = skip_number(s);
		return PUT(dst, MASK);
	}
	if (s[0] == '$' && (end = skip_dollar_quoted(s)) != s)
	{
		*src = end;
		return PUT(dst, "'" MASK "'");
	}

	/* what is kept: names, parameters, and anything else by the character */
	if (s[0] == '"')
		end = skip_quoted(s, false);
	else if (is_letter(s[0]) || (s[0] == '$' && is_digit(s[1])))
	{
		for (end = s + 1; is_name(*end);)
			end++;
		if (*end == '\'' && end == s + 1 && (s[0] == 'e' || s[0] == 'E'))
		{
			/* further parts of the string have escapes, too */
			for (; end; end = find_continuation(*src))
				*src = skip_quoted(end, true);
			return PUT(dst, "'" MASK "'");
		}
	}
	else
		end = s + 1;
	*src = end;
	return put(dst, s, end - s);
}

void
cellenc_redact_sql(char *dst, const char *src, bool standard_strings)
{
	while (*src)
		dst = copy_token(dst, &src, standard_strings);
	*dst = '\0';
}

/*
 * Plans
 */

static bool
has_only(const char *s, size_t len, const char *punctuation)
{
	for (size_t i = 0; i < len; i++)
	{
		if (!(is_letter(s[i]) && (unsigned char) s[i] < 0x80) && !is_digit(s[i]) &&
			!strchr(punctuation, s[i]))
			return false;
	}
	return true;
}

/* "  ->  Seq Scan on t  (cost=0.00..1.01 rows=1 width=4) (actual ...)" */
static bool
is_node(const char *line, size_t len)
{
	static const char cost[] = "  (cost=";

	for (size_t i = 0; i + sizeof(cost) - 1 < len; i++)
	{
		if (line[i] == '\'')
			return false;
		if (strncmp(line + i, cost, sizeof(cost) - 1) == 0)
			return has_only(line + i, len - i, " ()=.");
	}
	return false;
}

/* A line that counts something. */
static bool
is_count(const char *line, size_t len)
{
	static const char *const labels[] = {
		"Rows Removed by ", "Heap Fetches:", "Heap Blocks:", "Buffers:", "I/O Timings:", "WAL:",
		"Sort Method:", "Buckets:", "Batches:", "Planned Partitions:", "Workers Planned:",
		"Workers Launched:", "Worker ", "Hits:", "Full-sort Groups:", "Pre-sorted Groups:",
		"Conflicting Tuples:", "Tuples Inserted:", "Storage:", "Index Searches:", "JIT:",
		"Functions:", "Options:", "Timing:", "Query Identifier:"
	};
	size_t		indent = 0;

	while (indent < len && line[indent] == ' ')
		indent++;
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
	{
		size_t		label_len = strlen(labels[i]);

		if (len - indent >= label_len && strncmp(line + indent, labels[i], label_len) == 0)
			return has_only(line, len, " ()=.:,/%-");
	}
	return false;
}

void
cellenc_redact_plan(char *dst, const char *src, bool standard_strings)
{
	bool		at_start = true;
	bool		in_plan = false;

	while (*src)
	{
		if (at_start)
		{
			size_t		len = strcspn(src, "\n");

			in_plan = in_plan || is_node(src, len);
			if (in_plan && (is_node(src, len) || is_count(src, len)))
			{
				dst = put(dst, src, len);
				src += len;
				continue;
			}
		}
		at_start = *src == '\n';
		dst = copy_token(dst, &src, standard_strings);
	}
	*dst = '\0';
}

/*
 * Contexts
 */

/* The length of "COPY people, line 3", or 0. */
static size_t
copy_position(const char *line, size_t len)
{
	static const char before[] = ", line ";

	if (len < 5 || strncmp(line, "COPY ", 5) != 0)
		return 0;
	for (size_t i = 5; i + sizeof(before) <= len; i++)
	{
		if (line[i] == '\'' || line[i] == '"')
			return 0;
		if (strncmp(line + i, before, sizeof(before) - 1) == 0)
		{
			i += sizeof(before) - 1;
			if (!is_digit(line[i]))
				return 0;
			while (i < len && is_digit(line[i]))
				i++;
			return i;
		}
	}
	return 0;
}

/* How much of a line holds no value. */
static size_t
harmless(const char *line, size_t len)
{
	static const char *const starts[] = {
		"PL/pgSQL function ", "SQL function \"", "parallel worker", "slot \"",
		"processing remote data for replication origin \""
	};

	if (memchr(line, '\'', len))
		return copy_position(line, len);
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
	{
		if (len >= strlen(starts[i]) && strncmp(line, starts[i], strlen(starts[i])) == 0)
			return len;
	}
	return copy_position(line, len);
}

bool
cellenc_redact_context(char *dst, const char *src)
{
	char	   *begin = dst;

	while (*src)
	{
		size_t		len = strcspn(src, "\n");
		size_t		keep = harmless(src, len);

		if (keep > 0)
		{
			if (dst != begin)
				*dst++ = '\n';
			dst = put(dst, src, keep);
		}
		src += len;
		if (*src == '\n')
			src++;
	}
	*dst = '\0';
	return dst != begin;
}
