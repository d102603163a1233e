/*-------------------------------------------------------------------------
 *
 * test_redact_text.c
 *	  Texts without values: all constants go, whatever they look like.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "redact_text.h"
#include "testlib.h"

/* In buffers of just the size that is asked for. */
static void
check_sql(const char *sql, bool standard_strings, const char *expected)
{
	char	   *src = strdup(sql);
	char	   *dst = malloc(CELLENC_MASKED_SIZE(strlen(sql)));

	cellenc_redact_sql(dst, src, standard_strings);
	if (!ok(strcmp(dst, expected) == 0, "SQL: %s", sql))
		diag("got: %s", dst);
	free(src);
	free(dst);
}

static void
check_plan(const char *plan, const char *expected)
{
	char	   *src = strdup(plan);
	char	   *dst = malloc(CELLENC_MASKED_SIZE(strlen(plan)));

	cellenc_redact_plan(dst, src, true);
	if (!ok(strcmp(dst, expected) == 0, "plan"))
		diag("got: %s", dst);
	free(src);
	free(dst);
}

static void
check_context(const char *context, const char *expected)
{
	char	   *src = strdup(context);
	char	   *dst = malloc(strlen(context) + 1);
	bool		any = cellenc_redact_context(dst, src);

	if (!ok(strcmp(dst, expected) == 0 && any == (*expected != '\0'), "context"))
		diag("got: %s", dst);
	free(src);
	free(dst);
}

static void
test_sql(void)
{
	check_sql("", true, "");
	check_sql("SELECT a1, \"B 'x' \"\"2\"\"\", t.c FROM t WHERE i = $1", true,
			  "SELECT a1, \"B 'x' \"\"2\"\"\", t.c FROM t WHERE i = $1");
	check_sql("VALUES ('a', 'it''s', '')", true, "VALUES ('...', '...', '...')");
	check_sql("VALUES ('a\\', 'b')", true, "VALUES ('...', '...')");
	check_sql("VALUES ('a\\', 'b')", false, "VALUES ('...'b'...'");
	check_sql("VALUES ('a\\'b', c)", false, "VALUES ('...', c)");
	check_sql("VALUES (E'a\\'b', e'\\\\', ne'c')", true, "VALUES ('...', '...', ne'...')");
	check_sql("VALUES (E'a' -- it's\n\t'\\'secret' \n'\\' 2', 1)", true, "VALUES ('...', ...)");
	check_sql("VALUES (E'a' 'b\\', c)", true, "VALUES ('...' '...', c)");
	check_sql("VALUES (E'a'\n, b)", true, "VALUES ('...'\n, b)");
	check_sql("VALUES (B'01', X'ff', U&'d', N'e')", true, "VALUES (B'...', X'...', U&'...', N'...')");
	check_sql("VALUES (1, -2.5, .5, 1e-10, 0x1F, 1_000, 12abc)", true,
			  "VALUES (..., -..., ..., ..., ..., ..., ...)");
	check_sql("DO $$ secret $$; DO $a1$ s $$ t $a1$ LANGUAGE x", true, "DO '...'; DO '...' LANGUAGE x");
	check_sql("SELECT a$b$c, $1$ FROM x", true, "SELECT a$b$c, $1$ FROM x");
	check_sql("SELECT 1 -- it's 2\n, b /* /* it's */ 3 */ FROM t", true, "SELECT ...  \n, b   FROM t");
	check_sql("SELECT 'unfinished 1", true, "SELECT '...'");
	check_sql("SELECT $x$ unfinished", true, "SELECT '...'");
	check_sql("SELECT /* unfinished", true, "SELECT  ");
	check_sql("SELECT E'unfinished\\", true, "SELECT '...'");
	check_sql("SELECT \"unfinished", true, "SELECT \"unfinished");
	check_sql("SELECT \xc3\xa9t\xc3\xa9_1 = 'x'", true, "SELECT \xc3\xa9t\xc3\xa9_1 = '...'");
	check_sql("1'2'3", true, "...'...'...");
}

static void
test_plan(void)
{
	check_plan("Query Text: SELECT 'a\nSeq Scan on secret  (cost=0.00..1.00 rows=1 width=4)\n' FROM t;\n"
			   "Seq Scan on t2  (cost=0.00..1.01 rows=3 width=4) (actual time=0.001..0.002 rows=0 loops=1)\n"
			   "  Filter: ((a = 'x'::text) AND (b > 17))\n"
			   "  Rows Removed by Filter: 22\n"
			   "  Buffers: shared hit=1\n"
			   "  Timing: 'x'\n",
			   "Query Text: SELECT '...' FROM t;\n"
			   "Seq Scan on t2  (cost=0.00..1.01 rows=3 width=4) (actual time=0.001..0.002 rows=0 loops=1)\n"
			   "  Filter: ((a = '...'::text) AND (b > ...))\n"
			   "  Rows Removed by Filter: 22\n"
			   "  Buffers: shared hit=1\n"
			   "  Timing: '...'\n");
	check_plan("Query Text: SELECT 1\nBuffers: 17", "Query Text: SELECT ...\nBuffers: ...");
	check_plan("Limit  (cost=0.00..1.01 rows=3 width=4)\n  ->  x  (cost=0.00..1.01 'x')",
			   "Limit  (cost=0.00..1.01 rows=3 width=4)\n  ->  x  (cost=... '...')");
}

static void
test_context(void)
{
	check_context("", "");
	check_context("unnamed portal with parameters: $1 = 'x'", "");
	check_context("COPY people, line 12, column ssn: \"x\"\nmore of it", "COPY people, line 12");
	check_context("COPY my \"x\", line 12", "");
	check_context("COPY people, line x", "");
	check_context("COPY people, line ", "");
	check_context("SQL statement \"INSERT INTO t VALUES ('x\ny')\"\n"
				  "PL/pgSQL function f(text) line 3 at EXECUTE\n"
				  "SQL function \"g\" statement 1",
				  "PL/pgSQL function f(text) line 3 at EXECUTE\n"
				  "SQL function \"g\" statement 1");
	check_context("PL/pgSQL function 'x'", "");
	check_context("JSON data, line 1: {\"a\": x", "");
	check_context("parallel worker", "parallel worker");
}

int
main(void)
{
	test_sql();
	test_plan();
	test_context();
	return done_testing();
}
