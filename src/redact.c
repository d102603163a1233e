/*-------------------------------------------------------------------------
 *
 * redact.c
 *	  Keeps values of encrypted columns out of the server's log.
 *
 * PostgreSQL quotes values in many messages: "Failing row contains (...)",
 * "Key (ssn)=(...) already exists", parameters, lines of COPY, statements
 * that functions run, plans.  A client that may see the values gets all that;
 * the log does not.
 *
 * Whether a message may hold such a value is told by what the statement had to
 * do with, not by what the message says: whatever reads or writes an encrypted
 * column, and whatever seals or opens a value, leaves a mark that lasts until
 * the next statement.  Then the message is logged without its details, its
 * context but for the places in functions, and constants of the statement; a
 * message about a bad value is logged by its fixed words.
 *
 * The hook runs while an error is handled, in any process and any state: it
 * looks nothing up, and takes less where it has no memory.  By elog.c's rule a
 * hook may turn off output to the log and change nothing else.  So ours
 * does, after it had elog.c report the same error once more, to the log alone
 * and with other texts, which are put back before it returns.  Other
 * libraries' hooks see that report only, as long as ours is called first.
 *
 * Touches elog and settings only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "compat.h"
#include "guc.h"
#include "redact.h"
#include "redact_text.h"

static char withheld_message[] = "message is not logged because it may contain values of encrypted columns";
static char withheld[] = "Not logged because it may contain values of encrypted columns.";

/* a time that no statement starts at */
TimestampTz cellenc_redact_touched_at = DT_NOBEGIN;

static emit_log_hook_type prev_emit_log_hook = NULL;

/* We have elog.c report an error once more. */
static bool reporting = false;

/*
 * Statements that are remembered, by hashes of their texts: open addressing,
 * 0 is free.  Once there are too many, some are forgotten, and from then on
 * every statement with parameters counts as one.
 */
#define REMEMBERED_SIZE 4096	/* a power of two */
#define REMEMBERED_MAX (REMEMBERED_SIZE * 3 / 4)

static uint64 *remembered = NULL;
static int	n_remembered = 0;
static bool forgotten = false;

static uint64
hash_statement(const char *text)
{
	uint64		hash = DatumGetUInt64(hash_any_extended((const unsigned char *) text, strlen(text), 0));

	return hash == 0 ? 1 : hash;
}

/* The place of a hash, or the free one where it would be. */
static uint64 *
find_place(uint64 hash)
{
	uint32		i = (uint32) hash & (REMEMBERED_SIZE - 1);

	while (remembered[i] != 0 && remembered[i] != hash)
		i = (i + 1) & (REMEMBERED_SIZE - 1);
	return &remembered[i];
}

void
cellenc_redact_remember(const char *statement)
{
	uint64		hash = hash_statement(statement);
	uint64	   *place;

	cellenc_redact_touch();
	if (!remembered)
		remembered = MemoryContextAllocZero(TopMemoryContext, REMEMBERED_SIZE * sizeof(uint64));
	place = find_place(hash);
	if (*place == hash)
		return;
	if (n_remembered == REMEMBERED_MAX)
	{
		memset(remembered, 0, REMEMBERED_SIZE * sizeof(uint64));
		n_remembered = 0;
		forgotten = true;
		place = find_place(hash);
	}
	*place = hash;
	n_remembered++;
}

/* Does the statement that runs now have to do with plaintext? */
static bool
is_touched(void)
{
	if (cellenc_redact_touched_at == GetCurrentStatementStartTimestamp())
		return true;
	if (!remembered || !debug_query_string)
		return false;
	return forgotten || *find_place(hash_statement(debug_query_string)) != 0;
}

/*
 * What a message may say
 */

bool
cellenc_redact_about_the_server(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
	}
	return sqlerrcode == ERRCODE_STATEMENT_TOO_COMPLEX ||
		sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		sqlerrcode == ERRCODE_INDEX_CORRUPTED;
}

/* Has the primary message words and names only, or what a function says by RAISE? */
static bool
keeps_message(const ErrorData *edata)
{
	switch (ERRCODE_TO_CATEGORY(edata->sqlerrcode))
	{
		case ERRCODE_SUCCESSFUL_COMPLETION:
		case ERRCODE_WARNING:
		case ERRCODE_NO_DATA:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_PLPGSQL_ERROR:
			return true;
	}
	if (edata->message_id && strchr(edata->message_id, '%') == NULL)
		return true;
	return edata->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		cellenc_redact_about_the_server(edata->sqlerrcode);
}

static bool
keeps_detail(const ErrorData *edata)
{
	/* who waits for whom */
	if (edata->message_id && strncmp(edata->message_id, "process %d ", 11) == 0)
		return true;
	switch (ERRCODE_TO_CATEGORY(edata->sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
			/* the others' details may be rows that were applied */
			return edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
			return true;
	}
	return edata->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		cellenc_redact_about_the_server(edata->sqlerrcode);
}

/* Memory that the report of an error may use, or NULL. */
static char *
get_memory(Size size)
{
	return AllocSizeIsValid(size)
		? MemoryContextAllocExtended(CurrentMemoryContext, size, MCXT_ALLOC_NO_OOM) : NULL;
}

/* A statement without its constants; NULL where there is no memory. */
static char *
masked_sql(const char *sql)
{
	char	   *result = sql ? get_memory(CELLENC_MASKED_SIZE(strlen(sql))) : NULL;

	if (result)
		cellenc_redact_sql(result, sql, standard_conforming_strings);
	return result;
}

/* What auto_explain writes, without constants. */
static char *
masked_plan(const char *message)
{
	static const char before[] = "  plan:\n";
	const char *plan = strstr(message, before);
	char	   *result;
	Size		len;

	if (!plan)
		return withheld_message;
	plan += sizeof(before) - 1;
	len = plan - message;
	result = get_memory(len + sizeof(withheld) + CELLENC_MASKED_SIZE(strlen(plan)));
	if (!result)
		return withheld_message;
	memcpy(result, message, len);

	/* other formats have escapes of their own */
	if (strncmp(plan, "Query Text: ", 12) == 0 && plan[12] != '"')
		cellenc_redact_plan(result + len, plan, standard_conforming_strings);
	else
		strcpy(result + len, withheld);
	return result;
}

/* A message that ends with the statement, whose constants are masked. */
static char *
masked_statement_message(const char *message, const char *masked)
{
	Size		len = strlen(message);
	Size		tail = strlen(debug_query_string);
	char	   *result;

	if (tail == 0 || tail > len || strcmp(message + len - tail, debug_query_string) != 0)
		return NULL;
	result = masked ? get_memory(len - tail + strlen(masked) + 1) : NULL;
	if (!result)
		return withheld_message;
	memcpy(result, message, len - tail);
	strcpy(result + len - tail, masked);
	return result;
}

static char *
redacted_message(const ErrorData *edata, const char *masked)
{
	char	   *result;

	if (edata->message_id && strncmp(edata->message_id, "duration: %.3f ms  plan:", 24) == 0)
		return masked_plan(edata->message);
	if (!keeps_message(edata))
	{
		/* the format, if it has words of its own */
		if (edata->message_id && strcmp(edata->message_id, "%s") != 0)
			return unconstify(char *, edata->message_id);
		return withheld_message;
	}
	if (edata->elevel <= LOG_SERVER_ONLY && edata->message && debug_query_string)
	{
		result = masked_statement_message(edata->message, masked);
		if (result)
			return result;
	}
	return edata->message;
}

/* Take out of edata and *statement what may hold values. */
static void
redact(ErrorData *edata, const char **statement)
{
	char	   *masked = masked_sql(*statement);

	edata->message = redacted_message(edata, masked);
	if (*statement)
		*statement = masked ? masked : withheld;
	if (edata->internalquery)
	{
		edata->internalquery = masked_sql(edata->internalquery);
		edata->internalpos = 0;
	}
	edata->cursorpos = 0;

	if (!keeps_detail(edata))
	{
		if (edata->detail || edata->detail_log)
			edata->detail = withheld;
		edata->detail_log = NULL;
	}
	else if (edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
		edata->detail_log = NULL;	/* quotes others' statements */

	if (edata->context)
	{
		char	   *context = get_memory(strlen(edata->context) + 1);

		edata->context = context && cellenc_redact_context(context, edata->context) ? context : NULL;
	}
}

/* Report edata to the log alone, and redacted. */
static void
report_redacted(ErrorData *edata)
{
	ErrorData	original = *edata;
	const char *statement = debug_query_string;

	redact(edata, &debug_query_string);
	edata->output_to_client = false;

	reporting = true;
	PG_TRY();
	{
		EmitErrorReport();
	}
	PG_FINALLY();
	{
		reporting = false;
		debug_query_string = statement;
	}
	PG_END_TRY();

	*edata = original;
	edata->output_to_server = false;
}

static void
emit_log(ErrorData *edata)
{
	if (cellenc_guc_redact_logs && !reporting && is_touched())
		report_redacted(edata);
	else if (prev_emit_log_hook)
		prev_emit_log_hook(edata);
}

bool
cellenc_redact_is_first(void)
{
	return emit_log_hook == emit_log;
}

void
cellenc_redact_init(void)
{
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = emit_log;
}
