/*-------------------------------------------------------------------------
 *
 * provider.h
 *	  Where master keys come from.
 *
 * A provider turns the name of a master key into its material.  Adding one
 * is a file with a const CellencProvider and a line in provider.c.
 *
 * Nobody but masterkey.c calls the functions here: it makes sure that one
 * process asks at a time and lends the working memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_PROVIDER_H
#define CELLENC_PROVIDER_H

#include "keyfile.h"

/* Bytes of a reason: plain ASCII, without a period, zero byte included. */
#define CELLENC_REASON_LEN	384

/* What a provider gives for a name; a passphrase is in NFKC. */
typedef struct CellencMaterial
{
	CellencKeyfileKind kind;
	uint32		len;
	uint8		bytes[CELLENC_KEYFILE_SECRET_LEN];
} CellencMaterial;

/*
 * Working memory of the one process that asks.  It lies in the locked
 * mapping, never in palloc'd memory, and its owner wipes it when the asking
 * ends, however it ends; so providers need not wipe it on error.
 */
typedef struct CellencProviderWork
{
	char		reason[CELLENC_REASON_LEN]; /* why nothing was found */
	CellencMaterial material;	/* what was found */

	CellencKeyfile parser;
	CellencKeyfileEntry entry;
	uint8		text[CELLENC_KEYFILE_MAX_SIZE + 1]; /* one more than allowed */
} CellencProviderWork;

typedef enum CellencFetch
{
	CELLENC_FETCH_FOUND,		/* work->material is set */
	CELLENC_FETCH_MISSING,		/* it works, but has no such key */
	CELLENC_FETCH_FAILED		/* it does not work */
} CellencFetch;

/*
 * Called for each key that a provider lists: result, and work with material
 * or reason.  May not fetch or list.
 */
typedef void (*CellencProviderVisit) (const char *name, CellencFetch result,
									  CellencProviderWork *work, void *arg);

typedef struct CellencProvider
{
	const char *name;			/* as cellenc.master_keys shows it */
	const char *setting;		/* the setting that configures it */
	bool		backs_off;		/* too dear to be asked again at once */

	/* Is the setting set? */
	bool		(*is_set) (void);

	/*
	 * Look up one key.  Failures that an administrator can cause are returned
	 * with a reason; only interrupts and lack of memory raise.  No LWLock is
	 * held; may wait, interruptibly.
	 */
	CellencFetch (*fetch) (const char *name, CellencProviderWork *work);

	/*
	 * Visit every key, or fail as a whole before the first is visited.  NULL
	 * for a provider that must be asked by name.
	 */
	CellencFetch (*list) (CellencProviderWork *work,
						  CellencProviderVisit visit, void *arg);
} CellencProvider;

extern const CellencProvider cellenc_provider_file;
extern const CellencProvider cellenc_provider_command;

/* All providers in the order in which they are asked, NULL at the end. */
extern const CellencProvider *const cellenc_provider_list[];

/*
 * Ask one provider after the other.  *index is the place in the list of the
 * one that found it; *back_off tells whether one was asked that is not to be
 * asked again at once.  work->reason names the settings.
 */
extern CellencFetch cellenc_provider_fetch(const char *name, CellencProviderWork *work,
										   int *index, bool *back_off);

/* For providers: replace what is not printable ASCII. */
extern void cellenc_provider_clean(char *text);

/* For providers: set work->reason, from any encoding to ASCII. */
extern void cellenc_provider_reason(CellencProviderWork *work, const char *fmt,...) pg_attribute_printf(2, 3);

/*
 * For providers: read len bytes of work->text to the end and pick out key
 * name.  A bare line is the key bare_name.
 */
extern CellencFetch cellenc_provider_pick(CellencProviderWork *work, size_t len,
										  const char *bare_name, const char *name);

/* For providers: visit all keys in len bytes of work->text. */
extern CellencFetch cellenc_provider_visit_all(CellencProviderWork *work, size_t len,
											   const char *bare_name,
											   CellencProviderVisit visit, void *arg);

#endif							/* CELLENC_PROVIDER_H */
