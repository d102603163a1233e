/*-------------------------------------------------------------------------
 *
 * cellenc.c
 *	  Entry point: a list of what gets initialised.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "access.h"
#include "bound.h"
#include "cipher.h"
#include "codec.h"
#include "compat.h"
#include "default.h"
#include "guard.h"
#include "guc.h"
#include "job.h"
#include "keyring.h"
#include "masterkey.h"
#include "nonce.h"
#include "plan.h"
#include "redact.h"
#include "refusal.h"
#include "relinfo.h"
#include "report.h"
#include "role.h"
#include "twin.h"
#include "upgrade.h"
#include "wire.h"
#include "worker.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

/* A library that computes wrong, or not as it was asked to, must never seal a value. */
static void
start_cipher(void)
{
	switch (cellenc_cipher_init(cellenc_guc_fips))
	{
		case CELLENC_OK:
			break;
		case CELLENC_NO_FIPS:
			ereport(FATAL,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("cellenc.fips is on, but OpenSSL has no provider with approved algorithms"),
					 errdetail("AES-256-GCM, CMAC, HMAC, SHA-256 and PBKDF2 are needed with the property \"fips=yes\"."),
					 errhint("Install OpenSSL's FIPS provider and describe it in openssl.cnf with \"openssl fipsinstall\", or set cellenc.fips to off.")));
			break;
		default:
			ereport(FATAL,
					(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					 errmsg("cryptographic self-test of cellenc failed"),
					 errhint("Check the OpenSSL installation of the server.")));
	}
}

void
_PG_init(void)
{
	/*
	 * Hooks, workers and the mapping of master keys have to be there before
	 * the first session.  Loaded later, the library refuses each call with a
	 * hint (CELLENC_CHECK_PRELOAD) rather than protect half of what it
	 * should.
	 */
	if (!process_shared_preload_libraries_in_progress)
		return;

	cellenc_guc_init();
	start_cipher();
	cellenc_redact_init();
	cellenc_masterkey_init();
	cellenc_nonce_init();
	cellenc_refusal_init();
	cellenc_keyring_init();
	cellenc_twin_init();
	cellenc_codec_init();
	cellenc_guard_init();
	cellenc_role_init();
	cellenc_relinfo_init();
	cellenc_access_init();
	cellenc_wire_init();
	cellenc_plan_init();
	cellenc_default_init();
	cellenc_bound_init();
	cellenc_upgrade_init();
	cellenc_job_step_init();
	cellenc_launcher_init();
	cellenc_preloaded = true;
}
