/*-------------------------------------------------------------------------
 *
 * status.h
 *	  Result of the pure functions (cipher, envelope, wrap, keyfile).
 *
 * No PostgreSQL header: these files are built, tested and fuzzed without a
 * server.  report.c is the one place that turns a status into an error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_STATUS_H
#define CELLENC_STATUS_H

/*
 * On what runs for every value: the linker puts these functions side by side,
 * so that they take few pages and cache lines from the server's own code.
 */
#ifdef __GNUC__
#define CELLENC_HOT __attribute__((hot))
#else
#define CELLENC_HOT
#endif

typedef enum CellencStatus
{
	CELLENC_OK = 0,
	CELLENC_BAD_FORMAT,			/* bytes are not canonical */
	CELLENC_BAD_TAG,			/* authentication failed */
	CELLENC_BAD_CHECK,			/* a key does not match its check value */
	CELLENC_NO_RANDOM,			/* no random bytes */
	CELLENC_NO_FIPS,			/* no provider has the algorithms as approved
								 * ones */
	CELLENC_SELF_TEST,			/* a known answer came out wrong */
	CELLENC_LIBRARY				/* OpenSSL failed */
} CellencStatus;

#endif							/* CELLENC_STATUS_H */
