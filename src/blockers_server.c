/*-------------------------------------------------------------------------
 *
 * blockers_server.c
 *	  Sessions, slots, standbys and jobs that may need a key version.
 *
 * PostgreSQL's own views tell all of it.  They are read with the rights of the
 * bootstrap superuser, because to others they show less than there is, and a
 * blocker that the caller may not see blocks all the same.
 *
 * Sessions older than the switch block however idle they are: a variable of a
 * procedure, a cursor WITH HOLD or a temporary table may hold a value, and no
 * other session can look into them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "blockers_server.h"
#include "compat.h"

/*
 * Each query yields kind, detail and hint.  Vacuum processes store no values;
 * what walsenders and apply workers hold beyond a transaction is in slots, or
 * comes as text.
 */
static const char *const sessions_query =
"SELECT CASE WHEN a.xact_start < $1 THEN 'transaction' ELSE 'session' END,"
" format('%s of process %s (%s%s) began on %s, before the version was disabled',"
"  CASE WHEN a.xact_start < $1 THEN 'transaction' ELSE 'session' END, a.pid, a.backend_type,"
"  coalesce(', user ' || quote_ident(a.usename), ''),"
"  CASE WHEN a.xact_start < $1 THEN a.xact_start ELSE a.backend_start END),"
" format('End the session, or SELECT pg_terminate_backend(%s);', a.pid)"
" FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid"
" WHERE d.datname = current_database() AND a.pid <> pg_backend_pid()"
"  AND a.backend_type NOT LIKE 'autovacuum%'"
"  AND (a.xact_start < $1 OR (a.backend_start < $1"
"   AND a.backend_type NOT IN ('walsender', 'slotsync worker', 'parallel worker', 'cellenc worker')"
"   AND a.backend_type NOT LIKE 'logical replication%'))"
" UNION ALL "
"SELECT 'transaction', format('this transaction began on %s, before the version was disabled', now()),"
" 'Call the function in a transaction of its own.'"
" WHERE now() < $1"
" UNION ALL "
"SELECT 'prepared_transaction', format('prepared transaction %L is from %s, before the version was disabled',"
"  gid, prepared),"
" format('COMMIT PREPARED %L; or ROLLBACK PREPARED %1$L;', gid)"
" FROM pg_prepared_xacts WHERE database = current_database() AND prepared < $1"
" UNION ALL "
"SELECT 'cursor', format('cursor %I of this session was opened on %s, before the version was disabled',"
"  name, creation_time), format('CLOSE %I;', name)"
" FROM pg_cursors WHERE is_holdable AND creation_time < $1";

static const char *const replication_query =
"SELECT 'logical_slot', format('logical replication slot %L has got to %s and would decode again from %s',"
"  slot_name, confirmed_flush_lsn, restart_lsn),"
" format('Let its consumer get past %s, or SELECT pg_drop_replication_slot(%L);', $1, slot_name)"
" FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database()"
"  AND (confirmed_flush_lsn < $1 OR restart_lsn < $1)"
" UNION ALL "
"SELECT 'standby_slot', format('physical replication slot %L has no consumer and keeps WAL from %s',"
"  slot_name, restart_lsn),"
" format('Let its standby get past %s, or SELECT pg_drop_replication_slot(%L);', $1, slot_name)"
" FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT active AND restart_lsn < $1"
" UNION ALL "
"SELECT 'standby', format('standby %L (process %s) has replayed WAL up to %s', r.application_name, r.pid,"
"  coalesce(r.replay_lsn, r.flush_lsn, r.write_lsn)),"
" format('Wait until it has got past %s, or disconnect it.', $1)"
" FROM pg_stat_replication r WHERE r.state <> 'backup'"
"  AND coalesce(r.replay_lsn, r.flush_lsn, r.write_lsn, '0/0') < $1"
"  AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')";

static const char *const jobs_query =
"SELECT 'job', format('job %s (%s) is %s', job, kind, state),"
" format('CALL cellenc_wait(%s); or SELECT cellenc_cancel(%1$s);', job)"
" FROM cellenc.job WHERE finished_at IS NULL AND $1 = ANY (keys)";

/* A snapshot with this xmin sees what a later transaction removed. */
static const char *const snapshots_query =
"SELECT 'snapshot', format('%s may see row versions from before the re-encryption', holder), how FROM ("
" SELECT format('a snapshot of process %s', a.pid) AS holder, a.backend_xmin AS xmin,"
"  format('End its transaction, or SELECT pg_terminate_backend(%s);', a.pid) AS how"
" FROM pg_stat_activity a LEFT JOIN pg_database d ON d.oid = a.datid"
" WHERE d.datname = current_database() AND a.backend_type <> 'walsender'"
" UNION ALL "
" SELECT format('prepared transaction %L', gid), transaction,"
"  format('COMMIT PREPARED %L; or ROLLBACK PREPARED %1$L;', gid)"
" FROM pg_prepared_xacts WHERE database = current_database()"
" UNION ALL "
" SELECT format('replication slot %L', slot_name), xmin,"
"  format('Let its consumer catch up, or SELECT pg_drop_replication_slot(%L);', slot_name)"
" FROM pg_replication_slots"
" UNION ALL "
" SELECT format('standby %L, by hot_standby_feedback,', application_name), backend_xmin,"
"  'End the old queries there.'"
" FROM pg_stat_replication) h"
" WHERE xmin IS NOT NULL AND age(xmin) >= age($1)";

CellencBlocker *
cellenc_blocker(const char *blocker, char *detail, char *hint)
{
	CellencBlocker *result = palloc(sizeof(CellencBlocker));

	result->blocker = blocker;
	result->detail = detail;
	result->hint = hint;
	return result;
}

static List *
run_query(const char *query, int nargs, Oid *types, Datum *args)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			save_userid;
	int			save_sec_context;
	int			nestlevel = NewGUCNestLevel();
	List	   *list = NIL;

	/* an ERROR restores both */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(query, nargs, types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read what may need a key version");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(caller);
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		char	   *detail = SPI_getvalue(tuple, desc, 2);
		char	   *hint = SPI_getvalue(tuple, desc, 3);

		list = lappend(list, cellenc_blocker(SPI_getvalue(tuple, desc, 1), detail, hint));
		MemoryContextSwitchTo(oldcxt);
	}
	SPI_finish();

	AtEOXact_GUC(false, nestlevel);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	return list;
}

List *
cellenc_blockers_of_jobs(const CellencKeyRow *key)
{
	Oid			types[] = {UUIDOID};
	Datum		args[] = {UUIDPGetDatum(&key->id)};

	return run_query(jobs_query, 1, types, args);
}

List *
cellenc_blockers_of_server(const CellencKeyRow *key, const CellencVersionRow *version,
						   XLogRecPtr lsn)
{
	Oid			time_type[] = {TIMESTAMPTZOID};
	Datum		since[] = {TimestampTzGetDatum(version->state_since)};
	Oid			lsn_type[] = {LSNOID};
	Datum		position[] = {LSNGetDatum(lsn)};

	/* nothing seen earlier in this transaction counts */
	pgstat_clear_backend_activity_snapshot();
	return list_concat(list_concat(run_query(sessions_query, 1, time_type, since),
								   run_query(replication_query, 1, lsn_type, position)),
					   cellenc_blockers_of_jobs(key));
}

List *
cellenc_blockers_of_snapshots(TransactionId removed_by)
{
	Oid			types[] = {XIDOID};
	Datum		args[] = {TransactionIdGetDatum(removed_by)};

	pgstat_clear_backend_activity_snapshot();
	return run_query(snapshots_query, 1, types, args);
}
