/*-------------------------------------------------------------------------
 *
 * check.c
 *	  cellenc_check(): settings and objects that may reveal or lose values.
 *
 * What a database tells of itself in SQL is asked in SQL: each check is a
 * query for the details of what is not well, empty where all is.  Run by
 * superusers, with a search_path that the function's definition pins.
 * doc/check.md explains them to users.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "compat.h"
#include "masterkey.h"
#include "redact.h"
#include "report.h"

PG_FUNCTION_INFO_V1(cellenc_check);

typedef struct Check
{
	const char *severity;		/* "error": values are or can get lost or
								 * revealed; "warning", "notice" */
	const char *name;
	const char *query;			/* one column of text: details */
	const char *hint;
} Check;

/* Settings of this session, and what roles and databases get. */
#define SETTINGS \
	"WITH s AS (" \
	"SELECT name, setting, '' AS place FROM pg_settings " \
	"UNION ALL " \
	"SELECT split_part(c, '=', 1), substr(c, strpos(c, '=') + 1), concat(" \
	" CASE WHEN d.setrole <> 0 THEN ' for role ' || quote_ident(pg_get_userbyid(d.setrole)::text) END," \
	" CASE WHEN d.setdatabase <> 0 THEN ' in this database' END) " \
	"FROM pg_db_role_setting d, unnest(d.setconfig) c " \
	"WHERE d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) "

/* A setting that has a value it should not have. */
#define SETTING_IS(condition) \
	SETTINGS "SELECT format('%s is %s%s', name, setting, place) FROM s WHERE " condition

static const Check setting_checks[] = {
	{"error", "redact_logs",
		SETTING_IS("name = 'cellenc.redact_logs' AND setting IN ('off', 'false', 'no', '0')"),
	"Values of encrypted columns get into the log. Set cellenc.redact_logs to on."},
	{"warning", "log_statement",
		SETTING_IS("name = 'log_statement' AND setting IN ('mod', 'all')"),
	"Statements are logged with their constants before it is known what they do. Use log_min_duration_statement instead."},
	{"warning", "log_parameters",
		SETTING_IS("name = 'log_parameter_max_length_on_error' AND setting <> '0'"
				   " OR name = 'log_parameter_max_length' AND setting <> '0' AND EXISTS"
				   " (SELECT FROM s l WHERE l.name = 'log_statement' AND l.setting IN ('mod', 'all')"
				   "  OR l.name IN ('log_min_duration_statement', 'log_min_duration_sample') AND l.setting <> '-1'"
				   "  OR l.name = 'log_duration' AND l.setting = 'on')"),
	"Parameters of statements that only call functions are logged before it is known what they do. Set the maximum length to 0."},
	{"notice", "pg_stat_statements",
		SETTING_IS("name = 'pg_stat_statements.track_utility' AND setting = 'on'"),
	"Utility commands are kept with constants, before PostgreSQL 16 with all of them. Set pg_stat_statements.track_utility to off."},
	{"warning", "ssl",
		"SELECT format('ssl is off and listen_addresses is %L', current_setting('listen_addresses'))"
		" WHERE current_setting('ssl') = 'off'"
		" AND EXISTS (SELECT FROM regexp_split_to_table(current_setting('listen_addresses'), '[, ]+') a"
		"  WHERE a NOT IN ('', 'localhost', '127.0.0.1', '::1'))",
	"Values are plaintext on the network. Set up TLS."},
	{"warning", "unknown_key",
		SETTING_IS("name = 'cellenc.unknown_key' AND setting = 'create'"),
	"Whoever misspells a key's name makes a new key. This is for throw-away databases."},
	{"warning", "allow_decrypt_column",
		SETTING_IS("name = 'cellenc.allow_decrypt_column' AND setting IN ('on', 'true', 'yes', '1')"),
	"Encrypted columns can be replaced by plain ones by mistake. Set cellenc.allow_decrypt_column only where it is needed."},
	{"notice", "input",
		SETTING_IS("name = 'cellenc.input' AND setting = 'sealed'"),
	"Text that looks like a sealed value is stored as it is. This is for restores."},
	{"notice", "wire_types",
		SETTING_IS("name = 'cellenc.wire_types' AND setting IN ('off', 'false', 'no', '0')"),
	"Clients see encrypted types, which most of them do not know."},
	{"notice", "data_checksums",
		"SELECT 'data checksums are off' WHERE current_setting('data_checksums') = 'off'",
	"A damaged page is noticed no earlier than when its values are opened. Use pg_checksums."},
	{"error", "master_keys",
		"SELECT format('master key %s is %s%s', name, status, ': ' || last_error)"
		" FROM cellenc.master_keys WHERE status IN ('missing', 'wrong', 'error')"
		" AND name IN (SELECT name FROM cellenc.master_key)",
	"Values under keys that it wraps cannot be read once no session has these keys in memory. See cellenc.master_keys."},
};

/* All types whose values hold encrypted ones. */
#define HOLDERS \
	"WITH RECURSIVE twins AS (" \
	"SELECT t.oid FROM pg_type t JOIN pg_proc p ON p.oid = t.typinput WHERE p.prosrc = 'cellenc_twin_in'), " \
	"holders (oid) AS (SELECT oid FROM twins UNION " \
	"SELECT t.oid FROM holders h, pg_type t WHERE t.typbasetype = h.oid OR t.typelem = h.oid AND t.typlen = -1" \
	" OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.atttypid = h.oid" \
	"  AND a.attnum > 0 AND NOT a.attisdropped AND t.typrelid <> 0)) "

/* The column's table and name. */
#define COLUMN_NAME "format('%s.%I', c.relation, c.attname)"

static const Check object_checks[] = {
	{"error", "column_key",
		"SELECT format('column %s is under %s', " COLUMN_NAME ", coalesce('key ' || c.key || ', which this database does not have', 'no key'))"
		" FROM cellenc.columns c WHERE c.key IS NULL OR c.key LIKE '#%'",
	"Nothing can be written to the column. Create, restore or import the key."},
	{"error", "damaged_values",
		"SELECT format('job %s found %s values that cannot be opened', job, bad_values)"
		" FROM cellenc.jobs WHERE bad_values > 0",
	"Find the rows with cellenc_verify(), and restore them from a backup."},
	{"error", "failed_job",
		"SELECT format('job %s (%s) failed: %s', j.job, j.kind, j.error) FROM cellenc.jobs j WHERE j.state = 'failed'"
		" AND NOT EXISTS (SELECT FROM cellenc.jobs l WHERE l.job > j.job AND l.state = 'done'"
		"  AND l.kind IN ('rotate', 'reencrypt') AND l.key IS NOT DISTINCT FROM j.key)",
	"Values may be under older key versions still. Remove the cause, then use cellenc_reencrypt()."},
	{"warning", "public_grant",
		"SELECT format('everyone has the privilege %s on key %s', privilege, key) FROM cellenc.key_grants WHERE role = 'public'",
	"Grant keys to the roles that need them, with cellenc_grant_key()."},
	{"warning", "missing_role",
		"SELECT format('role %s has the privilege %s on key %s, but does not exist', quote_ident(role), privilege, key)"
		" FROM cellenc.key_grants WHERE role <> 'public' AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)",
	"A new role of that name would have it. Use cellenc_revoke_key()."},
	{"warning", "no_safe_copy",
		"SELECT format('key %s version %s has never been exported', key, version)"
		" FROM cellenc.key_versions WHERE exported_at IS NULL AND state <> 'destroyed'",
	"If the database is lost, only its backups have this key. Keep what cellenc_export_keys() returns apart from them."},
	{"warning", "rotation_due",
		"SELECT format('key %s was to be rotated on %s', key, to_char(next_rotation, 'YYYY-MM-DD'))"
		" FROM cellenc.keys WHERE state = 'current' AND next_rotation < now() - interval '1 day'",
	"The server was not running, or its workers cannot rotate the key. See the log, or use cellenc_rotate_key()."},
	{"notice", "key_age",
		"SELECT format('key %s has had the same version for %s days', key,"
		"  extract(day FROM now() - coalesce(rotated_at, created_at)))"
		" FROM cellenc.keys WHERE state = 'current' AND rotate_every IS NULL"
		" AND coalesce(rotated_at, created_at) < now() - interval '400 days'",
	"Rotate it with cellenc_rotate_key(), or regularly with cellenc_set_rotation_policy()."},
	{"notice", "old_version",
		"SELECT format('key %s version %s is %s', k.name, v.version, v.state) FROM cellenc.key_version v"
		" JOIN cellenc.key k ON k.id = v.key"
		" WHERE v.state IN ('decrypt_only', 'disabled') AND v.state_since < now() - interval '400 days'",
	"Once no backup has values under it, it can be destroyed: cellenc_destroy_blockers() tells what is in the way."},
	{"warning", "refused_values",
		"SELECT format('values under key %s version %s, which is %s, were asked for %s times', key, version, state, n_refused)"
		" FROM cellenc.key_versions WHERE n_refused > 0 AND state IN ('disabled', 'destroyed')",
	"Something still needs this version. Do not destroy it."},
	{"warning", "materialized_view",
		HOLDERS
		"SELECT DISTINCT format('materialized view %s stores what it computes from column %s', r.ev_class::regclass, " COLUMN_NAME ")"
		" FROM pg_rewrite r"
		" JOIN pg_class m ON m.oid = r.ev_class AND m.relkind = 'm'"
		" JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass"
		" JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
		" JOIN cellenc.columns c ON c.relation = a.attrelid AND c.attname = a.attname"
		" WHERE EXISTS (SELECT FROM pg_depend f JOIN pg_proc p ON p.oid = f.refobjid"
		"  WHERE f.classid = 'pg_rewrite'::regclass AND f.objid = r.oid AND f.refclassid = 'pg_proc'::regclass"
		"  AND p.proargtypes[0] IN (SELECT oid FROM holders) AND p.prorettype NOT IN (SELECT oid FROM holders))"
		" AND EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = m.oid AND o.attnum > 0"
		"  AND o.atttypid NOT IN (SELECT oid FROM holders))",
	"It may hold values in plain text. Select the columns themselves, or cast the results to an encrypted type."},
	{"warning", "function_marks",
		HOLDERS
		"SELECT format('function %s is marked %s', p.oid::regprocedure, concat_ws(' and ',"
		"  CASE WHEN p.provolatile = 'i' THEN 'IMMUTABLE' END, CASE WHEN p.proleakproof THEN 'LEAKPROOF' END))"
		" FROM pg_proc p WHERE (p.provolatile = 'i' OR p.proleakproof)"
		" AND (EXISTS (SELECT FROM holders h WHERE h.oid = ANY (p.proargtypes::oid[]))"
		"  OR EXISTS (SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
		"   WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass"
		"   AND a.atttypid IN (SELECT oid FROM holders)))"
		" AND p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid"
		"  AND e.deptype IN ('e', 'i')) AND p.prosrc NOT LIKE 'cellenc\\_%'",
	"Its results can be stored in plain text, in an index say, or be seen through row security. Mark it STABLE and NOT LEAKPROOF."},
	{"notice", "publication",
		"SELECT format('publication %s sends column %s', t.pubname, " COLUMN_NAME ")"
		" FROM pg_publication_tables t JOIN cellenc.columns c"
		" ON c.relation = format('%I.%I', t.schemaname, t.tablename)::regclass AND c.attname = ANY (t.attnames)",
	"Subscribers get plaintext, unless their role has cellenc.output = 'sealed'."},
	{"warning", "foreign_table",
		"SELECT format('column %s of a foreign table', " COLUMN_NAME ")"
		" FROM cellenc.columns c JOIN pg_class f ON f.oid = c.relation WHERE f.relkind = 'f'",
	"What is written to it is sent to the other server as plaintext."},
};

static void
put_row(ReturnSetInfo *rsinfo, const Check *check, const char *detail)
{
	Datum		values[4];
	bool		nulls[4] = {false};

	values[0] = CStringGetTextDatum(check->severity);
	values[1] = CStringGetTextDatum(check->name);
	values[2] = CStringGetTextDatum(detail);
	values[3] = CStringGetTextDatum(check->hint);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
run_checks(ReturnSetInfo *rsinfo, const Check *checks, int n)
{
	for (int i = 0; i < n; i++)
	{
		int			code = SPI_execute(psprintf("%s ORDER BY 1", checks[i].query), true, 0);

		if (code != SPI_OK_SELECT)
			elog(ERROR, "could not run check \"%s\": %s", checks[i].name, SPI_result_code_string(code));
		for (uint64 row = 0; row < SPI_processed; row++)
			put_row(rsinfo, &checks[i], SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1));
		SPI_freetuptable(SPI_tuptable);
	}
}

/* What only the server's own memory tells. */
static void
check_server(ReturnSetInfo *rsinfo)
{
	static const Check memory = {"warning", "memory_lock", NULL,
	"Master keys may be written to swap space. Allow the server to lock memory: LimitMEMLOCK of its service, or ulimit -l."};
	static const Check hook = {"warning", "log_hook", NULL,
	"It gets log messages before values are taken out. Put cellenc last in shared_preload_libraries."};

	if (!cellenc_masterkey_is_locked())
		put_row(rsinfo, &memory, "the memory of the master keys is not locked");
	if (!cellenc_redact_is_first())
		put_row(rsinfo, &hook, "another library has a hook for log messages before cellenc's");
}

Datum
cellenc_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	CELLENC_CHECK_PRELOAD();
	InitMaterializedSRF(fcinfo, 0);

	SPI_connect();
	check_server(rsinfo);
	run_checks(rsinfo, setting_checks, lengthof(setting_checks));
	run_checks(rsinfo, object_checks, lengthof(object_checks));
	SPI_finish();
	return (Datum) 0;
}
