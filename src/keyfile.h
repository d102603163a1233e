/*-------------------------------------------------------------------------
 *
 * keyfile.h
 *	  The text in which providers deliver master keys.
 *
 *		NAME = hex:<64 digits>
 *		NAME = base64:<44 characters>
 *		NAME = passphrase:<any Unicode to the end of the line>
 *		# comment
 *
 * or one bare line of 64 hex digits, which is the key that the caller
 * expected.  UTF-8 with or without byte order mark, UTF-16 with one; lines
 * end with LF or CRLF.  Nothing else is guessed.
 *
 * Pure C: no PostgreSQL header, no allocation, no error report.  What is
 * wrong is told by line number and a constant reason, never by content.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_KEYFILE_H
#define CELLENC_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CELLENC_KEYFILE_MAX_SIZE	65536	/* bytes of the whole text */
#define CELLENC_KEYFILE_MAX_LINE	2048	/* bytes of a line, as UTF-8 */
#define CELLENC_KEYFILE_MAX_KEYS	128
#define CELLENC_KEYFILE_NAME_LEN	63
#define CELLENC_KEYFILE_SECRET_LEN	512 /* bytes of a passphrase, as UTF-8 */
#define CELLENC_KEYFILE_RAW_LEN		32

typedef enum CellencKeyfileKind
{
	CELLENC_KEYFILE_RAW,		/* 32 bytes */
	CELLENC_KEYFILE_PASSPHRASE	/* valid UTF-8, not normalized */
} CellencKeyfileKind;

typedef struct CellencKeyfileEntry
{
	char		name[CELLENC_KEYFILE_NAME_LEN + 1];
	CellencKeyfileKind kind;
	size_t		len;
	uint8_t		bytes[CELLENC_KEYFILE_SECRET_LEN];
} CellencKeyfileEntry;

typedef enum CellencKeyfileResult
{
	CELLENC_KEYFILE_ENTRY,		/* *entry is filled */
	CELLENC_KEYFILE_END,		/* no more, and all was well */
	CELLENC_KEYFILE_BAD			/* see line and reason */
} CellencKeyfileResult;

typedef enum CellencKeyfileEncoding
{
	CELLENC_KEYFILE_UTF8,
	CELLENC_KEYFILE_UTF16LE,
	CELLENC_KEYFILE_UTF16BE
} CellencKeyfileEncoding;

/* The reader's state; callers read only line, reason and nkeys. */
typedef struct CellencKeyfile
{
	int			line;			/* number of the line read last, from 1 */
	const char *reason;			/* constant text, NULL when all is well */
	int			nkeys;			/* number of keys read so far */

	const uint8_t *data;
	size_t		len;
	size_t		pos;
	CellencKeyfileEncoding encoding;
	const char *bare_name;		/* name of a key on a bare line */
	bool		bare;			/* such a line was read */
	char		names[CELLENC_KEYFILE_MAX_KEYS][CELLENC_KEYFILE_NAME_LEN + 1];
	size_t		text_len;
	char		text[CELLENC_KEYFILE_MAX_LINE + 1]; /* the line, a secret */
} CellencKeyfile;

/*
 * Begin to read the len bytes at data; they and bare_name must stay until
 * cellenc_keyfile_close.  bare_name must be a valid name.
 */
extern void cellenc_keyfile_open(CellencKeyfile *file, const void *data,
								 size_t len, const char *bare_name);

/*
 * Read the next key.  An error further down shows only when its line is
 * reached: who wants all or nothing reads to the end first.  After anything
 * but CELLENC_KEYFILE_ENTRY, *entry is zeroed and further calls repeat the
 * result.
 */
extern CellencKeyfileResult cellenc_keyfile_next(CellencKeyfile *file,
												 CellencKeyfileEntry *entry);

/* Wipe what the reader holds; line and reason stay. */
extern void cellenc_keyfile_close(CellencKeyfile *file);

/* Is name [a-z_][a-z0-9_-]{0,62}? */
extern bool cellenc_keyfile_valid_name(const char *name);

#endif							/* CELLENC_KEYFILE_H */
