/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  All settings of cellenc.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_GUC_H
#define CELLENC_GUC_H

typedef enum CellencUnknownKey
{
	CELLENC_UNKNOWN_KEY_ERROR,
	CELLENC_UNKNOWN_KEY_ALLOW,
	CELLENC_UNKNOWN_KEY_CREATE
} CellencUnknownKey;

typedef enum CellencTextForm
{
	CELLENC_TEXT_PLAIN,
	CELLENC_TEXT_SEALED
} CellencTextForm;

extern char *cellenc_guc_master_key_file;
extern char *cellenc_guc_master_key_command;
extern int	cellenc_guc_master_key_timeout; /* seconds */
extern char *cellenc_guc_default_master_key;
extern bool cellenc_guc_master_key_prefetch;
extern int	cellenc_guc_job_workers;
extern int	cellenc_guc_job_max_wal_rate;	/* kB/s; 0: no limit */
extern int	cellenc_guc_job_max_standby_lag;	/* MB; 0: don't look */
extern char *cellenc_guc_job_lag_standbys;
extern char *cellenc_guc_job_window;
extern int	cellenc_guc_unknown_key;
extern bool cellenc_guc_allow_decrypt_column;
extern int	cellenc_guc_output;
extern int	cellenc_guc_input;
extern bool cellenc_guc_wire_types;
extern bool cellenc_guc_fips;
extern bool cellenc_guc_redact_logs;

/*
 * Set by the first statement of a session, but for SET: from then on, what
 * clients see of a type must not change, because prepared statements rely on
 * it.
 */
extern bool cellenc_guc_session_started;

/* Only from _PG_init, in the postmaster. */
extern void cellenc_guc_init(void);

#endif							/* CELLENC_GUC_H */
