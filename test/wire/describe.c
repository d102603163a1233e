/*
 * describe.c: shows what comes over the wire.
 *
 * Reads commands, one a line, and prints what the server sends for each: types,
 * base tables and columns, sizes, type modifiers and formats of results, types
 * of parameters, values, errors.  OIDs are shown by name: the same statements
 * on like tables of two schemas print the same.  Connects as the environment
 * says.
 *
 *	# TEXT						shown
 *	run SQL						parse, describe, execute for text and for binary
 *								results; what it changes is rolled back
 *	simple SQL					simple query
 *	prepare NAME SQL			parse
 *	describe NAME				describe a prepared statement
 *	execute NAME <tab>VALUE...	execute it, for text and for binary results; \N is NULL
 *	execute-binary NAME <tab>VALUE...	the same with the values in binary form
 *	portal NAME					describe a cursor
 *	other SQL					simple query in another session, not shown
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libpq-fe.h"

#define MAX_PARAMS 32
#define TEXT 0
#define BINARY 1

static PGconn * conn;

/* For names, and for what another session does. */
static PGconn * other;

static void
fail(const char *what)
{
	fprintf(stderr, "describe: %s", what);
	exit(1);
}

/* Names of a type, or of a table and its column. */
static void
show_name(const char *query, Oid oid, int number)
{
	char		oid_text[16];
	char		number_text[16];
	const char *values[] = {oid_text, number_text};
	PGresult   *res;

	snprintf(oid_text, sizeof(oid_text), "%u", oid);
	snprintf(number_text, sizeof(number_text), "%d", number);
	res = PQexecParams(other, query, 2, NULL, values, NULL, NULL, TEXT);
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail(PQerrorMessage(other));
	printf(" %s", PQntuples(res) == 1 ? PQgetvalue(res, 0, 0) : "-");
	PQclear(res);
}

static void
show_type(Oid type)
{
	show_name("SELECT $1::oid::regtype::text WHERE $2::text <> ''", type, 0);
}

static void
show_fields(const PGresult * res)
{
	for (int i = 0; i < PQnfields(res); i++)
	{
		printf("  %s:", PQfname(res, i));
		show_type(PQftype(res, i));
		show_name("SELECT $1::oid::regclass::text || '.' || attname FROM pg_attribute"
				  " WHERE attrelid = $1::oid AND attnum = $2::int",
				  PQftable(res, i), PQftablecol(res, i));
		printf(" size %d mod %d format %d\n", PQfsize(res, i), PQfmod(res, i), PQfformat(res, i));
	}
}

static void
show_bytes(const char *bytes, int length)
{
	for (int i = 0; i < length; i++)
		printf("%02x", (unsigned char) bytes[i]);
}

static void
show_rows(const PGresult * res)
{
	for (int row = 0; row < PQntuples(res); row++)
	{
		for (int i = 0; i < PQnfields(res); i++)
		{
			printf(i == 0 ? "  " : "|");
			if (PQgetisnull(res, row, i))
				printf("NULL");
			else if (PQfformat(res, i) == BINARY)
				show_bytes(PQgetvalue(res, row, i), PQgetlength(res, row, i));
			else
				printf("%s", PQgetvalue(res, row, i));
		}
		printf("\n");
	}
}

static void
show_copy(bool binary)
{
	char	   *line;
	int			length;

	while ((length = PQgetCopyData(conn, &line, false)) > 0)
	{
		printf("  ");
		if (binary)
		{
			show_bytes(line, length);
			printf("\n");
		}
		else
			printf("%.*s", length, line);
		PQfreemem(line);
	}
}

static void
show_result(PGresult * res)
{
	switch (PQresultStatus(res))
	{
		case PGRES_TUPLES_OK:
			show_fields(res);
			show_rows(res);
			printf("  %s\n", PQcmdStatus(res));
			break;
		case PGRES_COMMAND_OK:
			/* of Describe: both are there, of others, neither */
			for (int i = 0; i < PQnparams(res); i++)
			{
				printf("  $%d:", i + 1);
				show_type(PQparamtype(res, i));
				printf("\n");
			}
			show_fields(res);
			if (*PQcmdStatus(res))
				printf("  %s\n", PQcmdStatus(res));
			break;
		case PGRES_COPY_OUT:
			show_copy(PQbinaryTuples(res));
			break;
		default:
			printf("  error %s\n", PQresultErrorField(res, PG_DIAG_SQLSTATE));
			break;
	}
	PQclear(res);
}

static void
run_quietly(PGconn * session, const char *sql)
{
	PGresult   *res = PQexec(session, sql);
	ExecStatusType status = PQresultStatus(res);

	PQclear(res);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail(PQerrorMessage(session));
}

static void
simple(const char *sql)
{
	PGresult   *res;

	if (!PQsendQuery(conn, sql))
		fail(PQerrorMessage(conn));
	while ((res = PQgetResult(conn)) != NULL)
		show_result(res);
}

/*
 * What comes next is analyzed again, as after a change of a table.  Not by
 * PQexec, which would end the unnamed statement.
 */
static void
discard_plans(void)
{
	PGresult   *res;

	if (PQtransactionStatus(conn) == PQTRANS_INERROR)
		return;
	res = PQexecPrepared(conn, "discard", 0, NULL, NULL, NULL, TEXT);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail(PQerrorMessage(conn));
	PQclear(res);
}

/* Every other statement that is executed is analyzed again in between. */
static void
execute(const char *name, int nvalues, const char *const *values, const int *lengths, const int *formats)
{
	static bool again = false;

	again = !again;
	for (int format = TEXT; format <= BINARY; format++)
	{
		show_result(PQexecPrepared(conn, name, nvalues, values, lengths, formats, format));
		if (format == TEXT && again)
			discard_plans();
	}
}

/* The binary form of a value of a type, or, where it is none of this type's, NULL. */
static PGresult *
binary_value(Oid type, const char *text)
{
	PGresult   *res = PQexecParams(other, "SELECT $1", 1, &type, &text, NULL, NULL, BINARY);

	if (PQresultStatus(res) == PGRES_TUPLES_OK)
		return res;
	PQclear(res);
	return NULL;
}

static void
execute_binary(const char *name, int nvalues, const char **values)
{
	PGresult   *described = PQdescribePrepared(conn, name);
	PGresult   *binary[MAX_PARAMS] = {NULL};
	int			lengths[MAX_PARAMS] = {0};
	int			formats[MAX_PARAMS] = {TEXT};

	for (int i = 0; i < nvalues; i++)
	{
		formats[i] = TEXT;
		if (values[i] && i < PQnparams(described))
			binary[i] = binary_value(PQparamtype(described, i), values[i]);
		if (!binary[i])
			continue;
		formats[i] = BINARY;
		lengths[i] = PQgetlength(binary[i], 0, 0);
		values[i] = PQgetvalue(binary[i], 0, 0);
	}
	execute(name, nvalues, values, lengths, formats);
	for (int i = 0; i < nvalues; i++)
		PQclear(binary[i]);
	PQclear(described);
}

static void
run(const char *sql)
{
	PGresult   *res = PQprepare(conn, "", sql, 0, NULL);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
	{
		show_result(res);
		return;
	}
	PQclear(res);
	show_result(PQdescribePrepared(conn, ""));
	for (int format = TEXT; format <= BINARY; format++)
	{
		run_quietly(conn, "BEGIN");
		show_result(PQexecParams(conn, sql, 0, NULL, NULL, NULL, NULL, format));
		run_quietly(conn, "ROLLBACK");
	}
}

/* Cuts off and returns what comes before the separator. */
static char *
next_word(char **rest, char separator)
{
	char	   *word = *rest;
	char	   *end = strchr(word, separator);

	if (end)
		*end++ = '\0';
	else
		end = word + strlen(word);
	*rest = end;
	return word;
}

static void
obey(char *line)
{
	char	   *rest = line;
	char	   *command = next_word(&rest, ' ');

	if (strcmp(command, "run") == 0)
		run(rest);
	else if (strcmp(command, "simple") == 0)
		simple(rest);
	else if (strcmp(command, "prepare") == 0)
	{
		char	   *name = next_word(&rest, ' ');

		show_result(PQprepare(conn, name, rest, 0, NULL));
	}
	else if (strcmp(command, "describe") == 0)
		show_result(PQdescribePrepared(conn, rest));
	else if (strcmp(command, "execute") == 0 || strcmp(command, "execute-binary") == 0)
	{
		char	   *name = next_word(&rest, '\t');
		char	   *word = name;
		const char *values[MAX_PARAMS];
		int			nvalues = 0;

		/* the last one may be empty */
		while (rest > word + strlen(word) && nvalues < MAX_PARAMS)
		{
			word = next_word(&rest, '\t');
			values[nvalues++] = strcmp(word, "\\N") == 0 ? NULL : word;
		}
		if (strcmp(command, "execute") == 0)
			execute(name, nvalues, values, NULL, NULL);
		else
			execute_binary(name, nvalues, values);
	}
	else if (strcmp(command, "portal") == 0)
		show_result(PQdescribePortal(conn, rest));
	else if (strcmp(command, "other") == 0)
		run_quietly(other, rest);
	else
		fail("no such command\n");
}

int
main(void)
{
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;

	conn = PQconnectdb("");
	other = PQconnectdb("");
	if (PQstatus(conn) != CONNECTION_OK || PQstatus(other) != CONNECTION_OK)
		fail(PQerrorMessage(conn));
	PQclear(PQprepare(conn, "discard", "DISCARD PLANS", 0, NULL));
	while ((length = getline(&line, &size, stdin)) > 0)
	{
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		printf("%s\n", line);
		if (*line != '#' && *line != '\0')
			obey(line);
	}
	free(line);
	PQfinish(conn);
	PQfinish(other);
	return 0;
}
