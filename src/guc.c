/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  All settings of cellenc.
 *
 * No setting ever holds a secret: a master key is named by where it comes
 * from.  Touches the check hooks of throttle and window.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "guc.h"
#include "throttle.h"
#include "window.h"

char	   *cellenc_guc_master_key_file = NULL;
char	   *cellenc_guc_master_key_command = NULL;
int			cellenc_guc_master_key_timeout = 10;
char	   *cellenc_guc_default_master_key = NULL;
bool		cellenc_guc_master_key_prefetch = true;
int			cellenc_guc_job_workers = 2;
int			cellenc_guc_job_max_wal_rate = 16384;
int			cellenc_guc_job_max_standby_lag = 256;
char	   *cellenc_guc_job_lag_standbys = NULL;
char	   *cellenc_guc_job_window = NULL;
int			cellenc_guc_unknown_key = CELLENC_UNKNOWN_KEY_ERROR;
bool		cellenc_guc_allow_decrypt_column = false;
int			cellenc_guc_output = CELLENC_TEXT_PLAIN;
int			cellenc_guc_input = CELLENC_TEXT_PLAIN;
bool		cellenc_guc_wire_types = true;
bool		cellenc_guc_redact_logs = true;
bool		cellenc_guc_session_started = false;
bool		cellenc_guc_fips = false;

static const struct config_enum_entry unknown_key_options[] = {
	{"error", CELLENC_UNKNOWN_KEY_ERROR, false},
	{"allow", CELLENC_UNKNOWN_KEY_ALLOW, false},
	{"create", CELLENC_UNKNOWN_KEY_CREATE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry text_form_options[] = {
	{"plain", CELLENC_TEXT_PLAIN, false},
	{"sealed", CELLENC_TEXT_SEALED, false},
	{NULL, 0, false}
};

/* Refuse a change that prepared statements of this session would not survive. */
static bool
may_change(bool differs, GucSource source)
{
	/*
	 * a value for other sessions is only tested; one of the file waits for
	 * them
	 */
	if (!differs || source == PGC_S_TEST || !cellenc_guc_session_started)
		return true;
	GUC_check_errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM);
	GUC_check_errdetail("The setting is fixed once a session has run a statement.");
	GUC_check_errhint("Set it for a role or database, in the connection's options, or before the first statement.");
	return false;
}

static bool
check_wire_types(bool *newval, void **extra, GucSource source)
{
	return may_change(*newval != cellenc_guc_wire_types, source);
}

static bool
check_output(int *newval, void **extra, GucSource source)
{
	return may_change(*newval != cellenc_guc_output, source);
}

static void
define_master_key_settings(void)
{
	DefineCustomStringVariable("cellenc.master_key_file",
							   "File or directory that holds the master keys.",
							   NULL,
							   &cellenc_guc_master_key_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("cellenc.master_key_command",
							   "Shell command that prints master keys.",
							   "\"%k\" is replaced by the name of the wanted key.",
							   &cellenc_guc_master_key_command,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("cellenc.master_key_timeout",
							"Longest time that cellenc.master_key_command may take.",
							NULL,
							&cellenc_guc_master_key_timeout,
							10, 1, 3600,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomStringVariable("cellenc.default_master_key",
							   "Name of the master key that wraps new keys.",
							   NULL,
							   &cellenc_guc_default_master_key,
							   "default",
							   PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
	DefineCustomBoolVariable("cellenc.master_key_prefetch",
							 "Loads the master keys when the server starts.",
							 NULL,
							 &cellenc_guc_master_key_prefetch,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
}

static void
define_job_settings(void)
{
	DefineCustomIntVariable("cellenc.job_workers",
							"Number of background workers that run jobs.",
							"One works on a database at a time.",
							&cellenc_guc_job_workers,
							2, 0, 1024,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("cellenc.job_max_wal_rate",
							"Largest amount of WAL that a job writes in a second.",
							"0 is no limit.",
							&cellenc_guc_job_max_wal_rate,
							16384, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("cellenc.job_max_standby_lag",
							"Amount of WAL that a standby may have left to replay while jobs run.",
							"0 does not look at standbys.",
							&cellenc_guc_job_max_standby_lag,
							256, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MB,
							NULL, NULL, NULL);
	DefineCustomStringVariable("cellenc.job_lag_standbys",
							   "Application names of the standbys whose lag counts.",
							   "An empty list is all that are streaming.",
							   &cellenc_guc_job_lag_standbys,
							   "",
							   PGC_SIGHUP, GUC_LIST_INPUT,
							   cellenc_throttle_check_standbys, NULL, NULL);
	DefineCustomStringVariable("cellenc.job_window",
							   "Time of day at which jobs run, such as \"22:00-05:00 Europe/Berlin\".",
							   "Empty is always.",
							   &cellenc_guc_job_window,
							   "",
							   PGC_SIGHUP, 0,
							   cellenc_window_check, cellenc_window_assign, NULL);
}

void
cellenc_guc_init(void)
{
	define_master_key_settings();
	define_job_settings();

	DefineCustomBoolVariable("cellenc.fips",
							 "Uses only algorithms that a provider of OpenSSL calls approved (FIPS 140-3).",
							 NULL,
							 &cellenc_guc_fips,
							 false,
							 PGC_POSTMASTER, 0,
							 NULL, NULL, NULL);
	DefineCustomEnumVariable("cellenc.unknown_key",
							 "What a type modifier that names an unknown key does.",
							 NULL,
							 &cellenc_guc_unknown_key,
							 CELLENC_UNKNOWN_KEY_ERROR, unknown_key_options,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("cellenc.allow_decrypt_column",
							 "Allows statements that replace an encrypted column by one that is not.",
							 NULL,
							 &cellenc_guc_allow_decrypt_column,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomEnumVariable("cellenc.output",
							 "Form in which encrypted values are printed.",
							 NULL,
							 &cellenc_guc_output,
							 CELLENC_TEXT_PLAIN, text_form_options,
							 PGC_USERSET, 0,
							 check_output, NULL, NULL);
	DefineCustomBoolVariable("cellenc.wire_types",
							 "Clients see base types instead of encrypted ones.",
							 NULL,
							 &cellenc_guc_wire_types,
							 true,
							 PGC_SUSET, 0,
							 check_wire_types, NULL, NULL);
	DefineCustomEnumVariable("cellenc.input",
							 "Form in which encrypted values are read.",
							 NULL,
							 &cellenc_guc_input,
							 CELLENC_TEXT_PLAIN, text_form_options,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("cellenc.redact_logs",
							 "Leaves values of encrypted columns out of the server's log.",
							 NULL,
							 &cellenc_guc_redact_logs,
							 true,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	MarkGUCPrefixReserved("cellenc");
}
