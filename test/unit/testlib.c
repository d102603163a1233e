/*-------------------------------------------------------------------------
 *
 * testlib.c
 *	  What the unit tests share: TAP output, hexadecimal, frozen.txt.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "testlib.h"

static int	ntests = 0;
static int	nfailed = 0;

bool
ok(bool good, const char *name,...)
{
	va_list		args;

	ntests++;
	if (!good)
		nfailed++;
	printf("%sok %d - ", good ? "" : "not ", ntests);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return good;
}

void
skip(const char *reason, const char *name,...)
{
	va_list		args;

	printf("ok %d - ", ++ntests);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf(" # SKIP %s\n", reason);
}

void
diag(const char *text,...)
{
	va_list		args;

	printf("# ");
	va_start(args, text);
	vprintf(text, args);
	va_end(args);
	printf("\n");
}

int
done_testing(void)
{
	printf("1..%d\n", ntests);
	return nfailed == 0 && ntests > 0 ? 0 : 1;
}

void
bail_out(const char *text,...)
{
	va_list		args;

	printf("Bail out!  ");
	va_start(args, text);
	vprintf(text, args);
	va_end(args);
	printf("\n");
	exit(2);
}

size_t
unhex(const char *hex, uint8_t *out, size_t max)
{
	size_t		len = strlen(hex) / 2;
	size_t		i;

	if (strlen(hex) % 2 != 0 || len > max ||
		strspn(hex, "0123456789abcdef") != 2 * len)
		bail_out("not at most %zu bytes of hexadecimal: %s", max, hex);
	for (i = 0; i < len; i++)
	{
		char		byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		out[i] = (uint8_t) strtoul(byte, NULL, 16);
	}
	return len;
}

bool
is_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t		i;

	for (i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

uint8_t *
exact_copy(const uint8_t *bytes, size_t len)
{
	uint8_t    *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		bail_out("out of memory");
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

/* A line without its end and its trailing blanks; false at the end. */
static bool
read_line(FILE *file, char *line)
{
	size_t		len;

	if (fgets(line, RECORD_LINE, file) == NULL)
		return false;
	len = strlen(line);
	if (len == 0 || line[len - 1] != '\n')
		bail_out("line too long or not ended");
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == ' '))
		line[--len] = '\0';
	return true;
}

bool
read_record(FILE *file, Record *record)
{
	char		line[RECORD_LINE];

	do
	{
		if (!read_line(file, record->kind))
			return false;
	} while (record->kind[0] == '\0' || record->kind[0] == '#');

	record->nfields = 0;
	while (read_line(file, line) && line[0] != '\0')
	{
		if (record->nfields == RECORD_FIELDS)
			bail_out("too many fields in a record of kind %s", record->kind);
		strcpy(record->fields[record->nfields++], line);
	}
	return true;
}

const char *
record_text(const Record *record, const char *name)
{
	size_t		len = strlen(name);
	int			i;

	for (i = 0; i < record->nfields; i++)
	{
		const char *field = record->fields[i];

		if (strncmp(field, name, len) == 0 && strncmp(field + len, " =", 2) == 0)
			return field[len + 2] == ' ' ? field + len + 3 : "";
	}
	bail_out("record of kind %s without %s", record->kind, name);
}

size_t
record_bytes(const Record *record, const char *name, uint8_t *out, size_t max)
{
	return unhex(record_text(record, name), out, max);
}

uint32_t
record_number(const Record *record, const char *name)
{
	const char *text = record_text(record, name);
	char	   *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || number > UINT32_MAX)
		bail_out("not a number: %s", text);
	return (uint32_t) number;
}
