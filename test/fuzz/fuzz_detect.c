/*-------------------------------------------------------------------------
 *
 * fuzz_detect.c
 *	  libFuzzer target: values of users' tables, and names of these.
 *
 * The first byte of the input chooses between a value and names, a column's and
 * a table's with a zero byte between.  Neither has a byte more than it may
 * use.  Whatever they are, there is an answer, and it has a label.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect.h"
#include "require.h"

/* len bytes of its own; with a zero byte behind them if they are a string. */
static char *
copy(const uint8_t *data, size_t len, bool string)
{
	char	   *result = malloc(len + string);

	REQUIRE(result || len + string == 0);
	if (len > 0)
		memcpy(result, data, len);
	if (string)
		result[len] = '\0';
	return result;
}

static void
check_kind(CellencKind kind)
{
	REQUIRE(kind < CELLENC_NKINDS);
	REQUIRE(cellenc_detect_label(kind) != NULL);
	(void) cellenc_detect_is_identifier(kind);
}

static void
check_value(const uint8_t *data, size_t size)
{
	char	   *value = copy(data, size, false);

	check_kind(cellenc_detect_value(value, size));
	free(value);
}

static void
check_names(const uint8_t *data, size_t size, CellencForm form)
{
	size_t		column_len = size > 0 ? strnlen((const char *) data, size) : 0;
	size_t		rest = column_len < size ? column_len + 1 : size;
	char	   *column = copy(data, column_len, true);
	char	   *table = copy(data + rest, size - rest, true);

	check_kind(cellenc_detect_name(column, table, form));
	free(column);
	free(table);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 0x80)
		check_names(data + 1, size - 1, data[0] & 0x3f);
	else
		check_value(data + 1, size - 1);
	return 0;
}
