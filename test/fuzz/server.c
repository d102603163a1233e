/*-------------------------------------------------------------------------
 *
 * server.c
 *	  Sends a server values, bundles and stored bytes that are nearly right.
 *
 *	server SECONDS [SEED]
 *
 * Connects as the environment says, as a superuser, to a database that
 * test/t/039_mutations.pl has prepared: schema enc has tables with one column
 * "c" of an encrypted type and some good values, schema plain the same tables
 * with its base.  Mutations of good values go to both, as text and as binary
 * parameters and by COPY BINARY.  It always holds:
 *
 *	- the session goes on;
 *	- no error is an internal one;
 *	- both tables take a value or refuse it with the same SQLSTATE; what they
 *	  took they show alike, and find again by "=";
 *	- neither sealed texts, nor stored bytes, nor bundles are taken for good
 *	  that the server did not write.
 *
 * A failure is shown with the seed that repeats it.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libpq-fe.h"

#define TEXT 0
#define BINARY 1

#define MAX_CASES 128
#define MAX_SEEDS 16
#define MAX_SQLSTATES 64

/* Of what goes into an index: less than fits into one, whatever is added. */
#define MAX_INDEXED 1000
#define MAX_LENGTH 20000

typedef struct Bytes
{
	char	   *data;			/* with a zero byte behind it */
	size_t		len;
} Bytes;

typedef struct Seeds
{
	int			n;
	Bytes		of[MAX_SEEDS];
} Seeds;

/* A table of both schemas. */
typedef struct Case
{
	char		name[64];
	Oid			twin;
	char		base[64];
	char		type[64];
	bool		indexed;
	bool		scalar;
	bool		composite;		/* in binary, it has types in it for clients,
								 * too */
	bool		has_cast;		/* of bytea, as it is */
	bool		has_equal;		/* the base has "=" */
	Seeds		seeds[2];		/* as text and binary, of the base */
	Seeds		twin_seeds;		/* binary, of the twin: arrays have types in
								 * it */
	Seeds		sealed;			/* as sealed text */
} Case;

/* With clients' types; with the encrypted types' own; with sealed text. */
static PGconn * conn;
static PGconn * twins;
static PGconn * sealed;

static Case cases[MAX_CASES];
static int	ncases;
static Seeds bundles;

static uint64_t seed;
static uint64_t state;
static long input;

/* The input that is being sent, for the report of a failure. */
static const char *what;
static const char *where;
static Bytes sent;

static struct
{
	char		code[6];
	long		n;
}			sqlstates[MAX_SQLSTATES];
static int	nsqlstates;
static long accepted;

static void
fail(const char *reason, const char *detail)
{
	printf("FAILED: %s\n  %s, %s\n  seed %llu, input %ld: ", reason, what ? what : "start", where ? where : "",
		   (unsigned long long) seed, input);
	for (size_t i = 0; i < sent.len && i < 4096; i++)
		printf("%02x", (unsigned char) sent.data[i]);
	printf("\n  %s\n", detail ? detail : "");
	exit(1);
}

static void *
allocate(size_t size)
{
	void	   *result = malloc(size);

	if (!result)
		fail("out of memory", NULL);
	return result;
}

/* A statement, until the next one is made. */
__attribute__((format(printf, 1, 2)))
static const char *
query(const char *format,...)
{
	static char result[512];
	va_list		args;
	int			len;

	va_start(args, format);
	len = vsnprintf(result, sizeof(result), format, args);
	va_end(args);
	if (len < 0 || len >= (int) sizeof(result))
		fail("a statement is too long", format);
	return result;
}

/*
 * Mutations
 */

static uint64_t
next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* 0 to n - 1 */
static size_t
below(size_t n)
{
	return n > 0 ? next_random() % n : 0;
}

static Bytes
copy_bytes(const char *data, size_t len)
{
	Bytes		result = {allocate(len + 1), len};

	if (len > 0)
		memcpy(result.data, data, len);
	result.data[len] = '\0';
	return result;
}

/* Put the given bytes in the place of n bytes. */
static void
replace(Bytes *bytes, size_t at, size_t n, const char *data, size_t len)
{
	size_t		rest = bytes->len - at - n;
	char	   *result = allocate(at + len + rest + 1);

	memcpy(result, bytes->data, at);
	if (len > 0)
		memmove(result + at, data, len);
	memcpy(result + at + len, bytes->data + at + n, rest + 1);
	free(bytes->data);
	bytes->data = result;
	bytes->len = at + len + rest;
}

/* A number that code may stumble over, big-endian. */
static void
put_number(char *dst, size_t width)
{
	static const int64_t numbers[] = {
		0, 1, -1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN
	};
	uint64_t	number = numbers[below(sizeof(numbers) / sizeof(numbers[0]))] + (below(4) == 0 ? below(3) - 1 : 0);

	for (size_t i = width; i-- > 0; number >>= 8)
		dst[i] = (char) (number & 0xff);
}

static void
mutate_once(Bytes *bytes, const Seeds *others, const char *alphabet)
{
	size_t		at = below(bytes->len + 1);
	size_t		left = bytes->len - at;
	size_t		n = 1 + below(left < 16 ? left : 16);
	const Bytes *other = &others->of[below(others->n)];
	char		number[8];
	char		byte = alphabet && below(8) > 0 ? alphabet[below(strlen(alphabet))] : (char) next_random();

	if (n > left)
		n = left;
	switch (below(9))
	{
		case 0:
			if (left > 0)
				bytes->data[at] ^= 1 << below(8);
			break;
		case 1:
			if (left > 0)
				bytes->data[at] = byte;
			break;
		case 2:
			replace(bytes, at, 0, &byte, 1);
			break;
		case 3:
			replace(bytes, at, n, NULL, 0);
			break;
		case 4:
			{
				Bytes		chunk = copy_bytes(bytes->data + at, n);

				replace(bytes, below(bytes->len + 1), 0, chunk.data, n);
				free(chunk.data);
			}
			break;
		case 5:
			n = (size_t) 1 << below(4);
			put_number(number, n);
			replace(bytes, at, n < left ? n : left, number, n);
			break;
		case 6:
			replace(bytes, at, left, NULL, 0);
			break;
		case 7:
			if (other->len > 0)
			{
				size_t		from = below(other->len);

				replace(bytes, at, left, other->data + from, other->len - from);
			}
			break;
		default:
			/* many times the same */
			if (left > 0 && below(4) == 0)
			{
				Bytes		chunk = copy_bytes(bytes->data + at, n);

				for (size_t times = below(200); times > 0; times--)
					replace(bytes, at, 0, chunk.data, n);
				free(chunk.data);
			}
	}
}

/* A seed with a few changes; a few are left as they are. */
static Bytes
mutated(const Seeds *seeds, size_t max_len, const char *alphabet)
{
	const Bytes *base = &seeds->of[below(seeds->n)];
	Bytes		result = copy_bytes(base->data, base->len);

	for (size_t times = below(6); times > 0; times--)
		mutate_once(&result, seeds, alphabet);
	if (result.len > max_len)
		replace(&result, max_len, result.len - max_len, NULL, 0);
	return result;
}

static const char value_alphabet[] = "0123456789.,:;+-eExX{}[]()\"'\\/ _naNITfinty";

/*
 * The server
 */

static void
check_session(PGconn * session)
{
	if (PQstatus(session) != CONNECTION_OK)
		fail("the session ended", PQerrorMessage(session));
}

/* "" for success */
static const char *
sqlstate_of(const PGresult * res)
{
	const char *code = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	switch (PQresultStatus(res))
	{
		case PGRES_TUPLES_OK:
		case PGRES_COMMAND_OK:
		case PGRES_COPY_IN:
			return "";
		default:
			return code ? code : "none";
	}
}

static void
count(const char *code)
{
	int			i;

	if (*code == '\0')
	{
		accepted++;
		return;
	}
	for (i = 0; i < nsqlstates && strcmp(sqlstates[i].code, code) != 0; i++)
		;
	if (i == nsqlstates)
	{
		if (nsqlstates == MAX_SQLSTATES)
			fail("too many SQLSTATEs", NULL);
		snprintf(sqlstates[nsqlstates++].code, sizeof(sqlstates[0].code), "%s", code);
	}
	sqlstates[i].n++;
}

/* Of what no base type has to do with. */
static void
refuse_internal(const char *code)
{
	if (strcmp(code, "XX000") == 0 || strcmp(code, "none") == 0)
		fail("an internal error", code);
}

/* Of a statement that must not fail. */
static PGresult *
must(PGconn * session, const char *sql)
{
	PGresult   *res = PQexec(session, sql);

	if (*sqlstate_of(res) != '\0')
	{
		fprintf(stderr, "%s\n", sql);
		fail("a statement failed", PQerrorMessage(session));
	}
	return res;
}

static void
run(PGconn * session, const char *sql)
{
	PQclear(must(session, sql));
}

/* In a transaction block: what failed is undone, the block goes on. */
static PGresult *
try(PGconn * session, const char *sql, const Oid *type, const Bytes *value, int format, int result_format)
{
	const char *values[] = {value ? value->data : NULL};
	int			lengths[] = {value ? (int) value->len : 0};
	int			formats[] = {format};
	PGresult   *res = PQexecParams(session, sql, value ? 1 : 0, type, values, lengths, formats, result_format);

	check_session(session);
	if (*sqlstate_of(res) != '\0')
		run(session, "ROLLBACK TO s");
	return res;
}

/*
 * Values
 */

/* What became of a value in one of the tables. */
typedef struct Outcome
{
	char		sqlstate[6];	/* of the INSERT */
	char		found[6];		/* of the query below, or "" */
	Bytes		shown;			/* all values as text, and how many are equal */
} Outcome;

/* The column's first bytes of COPY BINARY: header, then a row of one field. */
static void
copy_binary(PGconn * session, const char *table, const Bytes *value, Outcome *outcome)
{
	static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\1";
	char		length[4];
	char		end[2] = {-1, -1};
	PGresult   *res;

	PQclear(must(session, query("COPY %s (c) FROM STDIN (FORMAT binary)", table)));
	for (int i = 0; i < 4; i++)
		length[i] = (char) (value->len >> (24 - 8 * i));
	if (PQputCopyData(session, header, sizeof(header) - 1) < 0 || PQputCopyData(session, length, 4) < 0 ||
		PQputCopyData(session, value->data, value->len) < 0 || PQputCopyData(session, end, 2) < 0 ||
		PQputCopyEnd(session, NULL) < 0)
		fail("could not send", PQerrorMessage(session));
	res = PQgetResult(session);
	check_session(session);
	snprintf(outcome->sqlstate, sizeof(outcome->sqlstate), "%s", sqlstate_of(res));
	PQclear(res);
	while ((res = PQgetResult(session)) != NULL)
		PQclear(res);
	if (outcome->sqlstate[0] != '\0')
		run(session, "ROLLBACK TO s");
}

static void
show(PGconn * session, const Case *c, const char *table, const Oid *type, const Bytes *value, int format,
	 Outcome *outcome)
{
	PGresult   *res;

	res = try(session, query("SELECT string_agg(c::text, E'\\n' ORDER BY id) FROM %s", table), NULL, NULL, TEXT, TEXT);
	if (*sqlstate_of(res) != '\0')
		fail("what was taken cannot be read", PQerrorMessage(session));
	outcome->shown = copy_bytes(PQgetvalue(res, 0, 0), PQgetlength(res, 0, 0));
	PQclear(res);

	outcome->found[0] = '\0';
	if (!c->has_equal)
		return;
	res = try(session, query("SELECT count(*) FROM %s WHERE c = $1", table), type, value, format, TEXT);
	snprintf(outcome->found, sizeof(outcome->found), "%s", sqlstate_of(res));
	if (outcome->found[0] == '\0')
		replace(&outcome->shown, outcome->shown.len, 0, PQgetvalue(res, 0, 0), PQgetlength(res, 0, 0));
	PQclear(res);
}

/* type: of the parameter; NULL for what the server takes it for. */
static void
store(PGconn * session, const Case *c, const char *schema, const Oid *type, const Bytes *value, int format,
	  bool copy, Outcome *outcome)
{
	char		table[128];

	memset(outcome, 0, sizeof(*outcome));
	snprintf(table, sizeof(table), "%s.%s", schema, c->name);
	run(session, "BEGIN");
	run(session, "SAVEPOINT s");
	if (copy)
		copy_binary(session, table, value, outcome);
	else
	{
		PGresult   *res;

		res = try(session, query("INSERT INTO %s (c) VALUES ($1)", table), type, value, format, TEXT);
		snprintf(outcome->sqlstate, sizeof(outcome->sqlstate), "%s", sqlstate_of(res));
		PQclear(res);
	}
	if (outcome->sqlstate[0] == '\0')
		show(session, c, table, copy ? NULL : type, value, format, outcome);
	run(session, "ROLLBACK");
}

static void
compare(const Outcome *enc, const Outcome *plain)
{
	char		detail[64];

	snprintf(detail, sizeof(detail), "encrypted: \"%s\" \"%s\", plain: \"%s\" \"%s\"",
			 enc->sqlstate, enc->found, plain->sqlstate, plain->found);
	if (strcmp(enc->sqlstate, plain->sqlstate) != 0 || strcmp(enc->found, plain->found) != 0)
		fail("SQLSTATEs differ", detail);
	if (enc->shown.len != plain->shown.len ||
		(enc->shown.len > 0 && memcmp(enc->shown.data, plain->shown.data, enc->shown.len) != 0))
		fail("values differ", enc->shown.data);
}

static void
send_mutated(const Seeds *seeds, const Case *c, int format)
{
	sent = mutated(seeds, c->indexed ? MAX_INDEXED : MAX_LENGTH, format == TEXT ? value_alphabet : NULL);
	/* text ends at a zero byte */
	if (format == TEXT)
		sent.len = strlen(sent.data);
}

/* To both tables, as clients do. */
static void
try_value(const Case *c, int format, bool copy)
{
	Outcome		enc;
	Outcome		plain;

	what = copy ? "COPY BINARY" : format == TEXT ? "a parameter as text" : "a binary parameter";
	send_mutated(&c->seeds[format], c, format);
	store(conn, c, "enc", NULL, &sent, format, copy, &enc);
	store(conn, c, "plain", NULL, &sent, format, copy, &plain);
	compare(&enc, &plain);
	count(enc.sqlstate);
	free(enc.shown.data);
	free(plain.shown.data);
}

/* To the encrypted type's own functions.  In binary, arrays have types in them. */
static void
try_twin(const Case *c, int format, bool copy)
{
	Outcome		enc;
	Outcome		plain;

	what = copy ? "COPY BINARY of the type" : format == TEXT ? "text of the type" : "binary of the type";
	send_mutated(format == TEXT ? &c->seeds[TEXT] : &c->twin_seeds, c, format);
	store(twins, c, "enc", &c->twin, &sent, format, copy, &enc);
	if (c->scalar)
	{
		store(conn, c, "plain", NULL, &sent, format, copy, &plain);
		compare(&enc, &plain);
		free(plain.shown.data);
	}
	else
		refuse_internal(enc.sqlstate);
	count(enc.sqlstate);
	free(enc.shown.data);
}

/*
 * Sealed values and bundles
 */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The bytes in base64 text, which is a good one. */
static Bytes
decode(const char *text)
{
	Bytes		result = {allocate(strlen(text) + 1), 0};
	uint32_t	bits = 0;
	int			nbits = 0;

	for (const char *digit; *text && *text != '=' && (digit = strchr(base64_digits, *text)) != NULL; text++)
	{
		bits = bits << 6 | (uint32_t) (digit - base64_digits);
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			result.data[result.len++] = (char) (bits >> nbits);
		}
	}
	result.data[result.len] = '\0';
	return result;
}

static Bytes
encode(const char *prefix, const Bytes *bytes)
{
	Bytes		result = {allocate(strlen(prefix) + bytes->len / 3 * 4 + 5), 0};
	char	   *p = result.data + sprintf(result.data, "%s", prefix);

	for (size_t i = 0; i < bytes->len; i += 3)
	{
		size_t		n = bytes->len - i;
		uint32_t	bits = (uint32_t) (unsigned char) bytes->data[i] << 16;

		if (n > 1)
			bits |= (uint32_t) (unsigned char) bytes->data[i + 1] << 8;
		if (n > 2)
			bits |= (unsigned char) bytes->data[i + 2];
		*p++ = base64_digits[bits >> 18];
		*p++ = base64_digits[bits >> 12 & 63];
		*p++ = n > 1 ? base64_digits[bits >> 6 & 63] : '=';
		*p++ = n > 2 ? base64_digits[bits & 63] : '=';
	}
	*p = '\0';
	result.len = p - result.data;
	return result;
}

/* A text of a prefix and base64: bytes below it are changed, or the text. */
static Bytes
mutated_base64(const Seeds *seeds, const char *prefix, Bytes *bytes)
{
	Seeds		decoded = {0};
	Bytes		result;

	for (; decoded.n < seeds->n; decoded.n++)
		decoded.of[decoded.n] = decode(seeds->of[decoded.n].data + strlen(prefix));
	*bytes = mutated(&decoded, MAX_INDEXED, NULL);
	if (below(4) == 0)
	{
		result = mutated(seeds, MAX_LENGTH, base64_digits);
		result.len = strlen(result.data);
	}
	else
		result = encode(prefix, bytes);
	for (int i = 0; i < decoded.n; i++)
		free(decoded.of[i].data);
	return result;
}

/* Is the input what the server made? */
static bool
is_genuine(const Seeds *seeds, const char *text)
{
	for (int i = 0; i < seeds->n; i++)
	{
		if (strcmp(seeds->of[i].data, text) == 0)
			return true;
	}
	return false;
}

/* What any statement may do with such a value: the session goes on. */
static bool
try_query(PGconn * session, const char *sql, const Bytes *value, int format)
{
	PGresult   *res = try(session, sql, NULL, value, format, below(2));
	bool		result = *sqlstate_of(res) == '\0';

	refuse_internal(sqlstate_of(res));
	count(sqlstate_of(res));
	PQclear(res);
	return result;
}

/* Sealed text: what is taken does not open later, either. */
static void
try_sealed(const Case *c)
{
	static const char prefix[] = "cellenc:1:";
	Bytes		bytes;
	bool		is_value;

	what = "sealed text";
	sent = mutated_base64(&c->sealed, prefix, &bytes);
	free(bytes.data);
	/* then it is a value like any other */
	is_value = strncmp(sent.data, prefix, strlen(prefix)) != 0;
	run(sealed, "BEGIN");
	run(sealed, "SAVEPOINT s");
	if (try_query(sealed, query("INSERT INTO enc.%s (c) VALUES ($1)", c->name), &sent, is_value ? TEXT : below(2)) &&
		!is_value && !is_genuine(&c->sealed, sent.data))
	{
		try_query(sealed, query("SELECT count(c), min(cellenc_key_version(c)) FROM enc.%s", c->name), NULL, TEXT);
		try_query(sealed, query("SELECT c FROM enc.%s", c->name), NULL, TEXT);
		if (try_query(sealed, query("SELECT c::%s::text FROM enc.%s ORDER BY id DESC LIMIT 1", c->base, c->name),
					  NULL, TEXT))
			fail("a text that was not sealed by the server opens", NULL);
	}
	run(sealed, "ROLLBACK");
}

/* Bytes as a damaged disk may have them, by way of a cast that checks nothing. */
static void
try_stored(const Case *c)
{
	static const char prefix[] = "cellenc:1:";
	Bytes		text;
	bool		genuine;

	what = "stored bytes";
	text = mutated_base64(&c->sealed, prefix, &sent);
	free(text.data);
	text = encode(prefix, &sent);
	genuine = is_genuine(&c->sealed, text.data);
	free(text.data);

	run(conn, "BEGIN");
	run(conn, "SAVEPOINT s");
	if (try_query(conn, query("SELECT v::%s::text FROM (SELECT $1::bytea::%s AS v) x", c->base, c->type),
				  &sent, BINARY) != genuine)
		fail(genuine ? "a value does not open" : "bytes that were not sealed by the server open", NULL);
	try_query(conn, query("SELECT $1::bytea::%s", c->type), &sent, BINARY);
	try_query(conn, query("SELECT cellenc_key_name(v), cellenc_key_version(v) FROM (SELECT $1::bytea::%s AS v) x",
						  c->type), &sent, BINARY);
	if (c->has_equal)
	{
		try_query(conn, query("SELECT count(DISTINCT v) FROM (SELECT c FROM enc.%s UNION ALL SELECT $1::bytea::%s) x(v)",
							  c->name, c->type), &sent, BINARY);
		try_query(conn, query("SELECT count(*) FROM enc.%s WHERE c = $1::bytea::%s", c->name, c->type), &sent, BINARY);
	}
	if (try_query(conn, query("INSERT INTO enc.%s (c) VALUES ($1::bytea::%s)", c->name, c->type), &sent, BINARY))
	{
		try_query(conn, query("SELECT c FROM enc.%s", c->name), NULL, TEXT);
	}
	run(conn, "ROLLBACK");
}

static void
try_bundle(void)
{
	Bytes		bytes;
	bool		genuine;

	what = "a bundle";
	where = "";
	sent = mutated_base64(&bundles, "cellenc-keys:1:", &bytes);
	free(bytes.data);
	genuine = is_genuine(&bundles, sent.data);
	run(conn, "BEGIN");
	run(conn, "SAVEPOINT s");
	if (try_query(conn, "SELECT count(*) FROM cellenc_check_bundle($1)", &sent, TEXT) != genuine ||
		try_query(conn, "SELECT cellenc_import_keys($1)", &sent, TEXT) != genuine)
		fail(genuine ? "a bundle is refused" : "a bundle that was not written by the server is taken", NULL);
	run(conn, "ROLLBACK");
}

/*
 * Start
 */

/* Values of a query's only column. */
static void
get_seeds(PGconn * session, const char *sql, int format, Seeds *seeds)
{
	PGresult   *res = PQexecParams(session, sql, 0, NULL, NULL, NULL, NULL, format);

	if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) == 0)
		fail("no values to begin with", PQerrorMessage(session));
	for (int i = 0; i < PQntuples(res) && seeds->n < MAX_SEEDS; i++)
		seeds->of[seeds->n++] = copy_bytes(PQgetvalue(res, i, 0), PQgetlength(res, i, 0));
	PQclear(res);
}

static void
get_cases(void)
{
	PGresult   *res = must(conn,
						   "SELECT e.relname, a.atttypid, format_type(p.atttypid, -1), format_type(a.atttypid, -1),"
						   " e.relhasindex AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = e.oid AND NOT indisprimary),"
						   " EXISTS (SELECT FROM pg_type t WHERE t.oid = a.atttypid AND typtype = 'b' AND typcategory <> 'A'),"
						   " EXISTS (SELECT FROM pg_type t WHERE t.oid = a.atttypid AND typtype = 'c'),"
						   " EXISTS (SELECT FROM pg_cast WHERE castsource = 'bytea'::regtype AND casttarget = a.atttypid"
						   " AND castmethod = 'b')"
						   " FROM pg_class e JOIN pg_class pc ON pc.relname = e.relname"
						   " JOIN pg_attribute a ON a.attrelid = e.oid AND a.attname = 'c'"
						   " JOIN pg_attribute p ON p.attrelid = pc.oid AND p.attname = 'c'"
						   " WHERE e.relnamespace = 'enc'::regnamespace AND pc.relnamespace = 'plain'::regnamespace"
						   " AND e.relkind = 'r' ORDER BY 1");

	if (PQntuples(res) > MAX_CASES)
		fail("too many tables", NULL);
	for (ncases = 0; ncases < PQntuples(res); ncases++)
	{
		Case	   *c = &cases[ncases];
		PGresult   *equal;

		where = c->name;
		snprintf(c->name, sizeof(c->name), "%s", PQgetvalue(res, ncases, 0));
		c->twin = (Oid) strtoul(PQgetvalue(res, ncases, 1), NULL, 10);
		snprintf(c->base, sizeof(c->base), "%s", PQgetvalue(res, ncases, 2));
		snprintf(c->type, sizeof(c->type), "%s", PQgetvalue(res, ncases, 3));
		c->indexed = *PQgetvalue(res, ncases, 4) == 't';
		c->scalar = *PQgetvalue(res, ncases, 5) == 't';
		c->composite = *PQgetvalue(res, ncases, 6) == 't';
		c->has_cast = *PQgetvalue(res, ncases, 7) == 't';
		equal = PQexec(conn, query("SELECT FROM plain.%s WHERE c = c", c->name));
		c->has_equal = PQresultStatus(equal) == PGRES_TUPLES_OK;
		PQclear(equal);

		get_seeds(conn, query("SELECT c FROM plain.%s ORDER BY id", c->name), TEXT, &c->seeds[TEXT]);
		get_seeds(conn, query("SELECT c FROM plain.%s ORDER BY id", c->name), BINARY, &c->seeds[BINARY]);
		get_seeds(twins, query("SELECT c FROM enc.%s ORDER BY id", c->name), BINARY, &c->twin_seeds);
		if (c->scalar)
			get_seeds(sealed, query("SELECT c FROM enc.%s ORDER BY id", c->name), TEXT, &c->sealed);
	}
	PQclear(res);
	if (ncases == 0)
		fail("no tables", NULL);
}

static PGconn *
connect_with(const char *options)
{
	PGconn	   *result;

	setenv("PGOPTIONS", options, 1);
	result = PQconnectdb("");
	check_session(result);
	PQsetErrorVerbosity(result, PQERRORS_VERBOSE);
	run(result, "SET client_min_messages = error; SET statement_timeout = '5min'");
	return result;
}

static void
try_input(void)
{
	const Case *c = &cases[below(ncases)];
	int			format = below(2);

	where = c->name;
	switch (below(12))
	{
		case 0:
		case 1:
		case 2:
			if (format == BINARY && c->composite)
				try_twin(c, format, false);
			else
				try_value(c, format, false);
			break;
		case 3:
		case 4:
			/* by COPY, arrays have the types of their elements in them */
			if (c->scalar)
				try_value(c, BINARY, true);
			else
				try_twin(c, BINARY, true);
			break;
		case 5:
		case 6:
			try_twin(c, format, false);
			break;
		case 7:
		case 8:
			if (c->scalar)
				try_sealed(c);
			break;
		case 9:
		case 10:
			if (c->has_cast)
				try_stored(c);
			break;
		default:
			try_bundle();
	}
	free(sent.data);
	memset(&sent, 0, sizeof(sent));
}

int
main(int argc, char **argv)
{
	time_t		end;

	if (argc < 2 || argc > 3)
	{
		fprintf(stderr, "usage: server SECONDS [SEED]\n");
		return 2;
	}
	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t) time(NULL) << 20 | (uint64_t) getpid();
	state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	printf("seed %llu\n", (unsigned long long) seed);
	fflush(stdout);

	conn = connect_with("");
	twins = connect_with("-c cellenc.wire_types=off");
	sealed = connect_with("-c cellenc.output=sealed -c cellenc.input=sealed");
	get_cases();
	get_seeds(conn, "SELECT cellenc_export_keys('default')", TEXT, &bundles);
	where = NULL;

	end = time(NULL) + strtol(argv[1], NULL, 10);
	do
	{
		input++;
		try_input();
	} while (time(NULL) < end);

	printf("%ld inputs, %ld statements succeeded", input, accepted);
	for (int i = 0; i < nsqlstates; i++)
		printf(", %s %ld", sqlstates[i].code, sqlstates[i].n);
	printf("\n");
	PQfinish(conn);
	PQfinish(twins);
	PQfinish(sealed);
	return 0;
}
