/*-------------------------------------------------------------------------
 *
 * bundle.h
 *	  The frozen bytes of a key bundle: the safe copy of a database's keys.
 *
 * Pure C like envelope.h; may use that and cipher.h.  All integers are
 * big-endian, times are microseconds since 1970-01-01 00:00 UTC.
 *
 *		header | nonce 24 | ciphertext, as long as the records | tag 16
 *
 * sealed by XAES-256-GCM under a master key, with the header as AAD.
 *
 * Header:
 *
 *		"cellenc keys" 01 | search keys u32 | key versions u32 |
 *		bytes of all records u32 | master key UUID 16 | len u8 | name[len] |
 *		KDF u8 (0 none, 1 pbkdf2-sha256) | salt 32 | rounds u32 |
 *		check value 16 | created i64
 *
 * Records, search keys first, each sort in ascending order:
 *
 *		02 | UUID 16 | state u8 | check value 16 | created i64 | key 32
 *
 *		01 | UUID 16 | state u8 | check value 16 | created i64 |
 *		state since i64 | version u32 | version id u32 | search key UUID 16 |
 *		len u8 | name[len] | twin tags u16 | (len u8 | tag[len])* |
 *		key 32, unless the state is 4
 *
 * There is one way to write each bundle, and a reader refuses every other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_BUNDLE_H
#define CELLENC_BUNDLE_H

#include "envelope.h"

#define CELLENC_BUNDLE_PREFIX	"cellenc-keys:1:"

#define CELLENC_BUNDLE_NAME_MAX	63
#define CELLENC_BUNDLE_SALT_LEN	32
#define CELLENC_BUNDLE_HEADER_MAX \
	(13 + 4 + 4 + 4 + 16 + 1 + CELLENC_BUNDLE_NAME_MAX + 1 + CELLENC_BUNDLE_SALT_LEN + 4 + 16 + 8)
#define CELLENC_BUNDLE_MAX		(16 * 1024 * 1024)	/* bytes */

/* In the state of a record; a search key is one of the first two. */
#define CELLENC_BUNDLE_CURRENT		1
#define CELLENC_BUNDLE_DECRYPT_ONLY	2
#define CELLENC_BUNDLE_DISABLED		3
#define CELLENC_BUNDLE_DESTROYED	4

typedef struct CellencBundleHeader
{
	uint32_t	nsearch_keys;
	uint32_t	nversions;		/* tombstones included */
	uint32_t	records_len;
	uint8_t		master_uuid[CELLENC_UUID_LEN];
	char		master_name[CELLENC_BUNDLE_NAME_MAX + 1];
	bool		pbkdf2;			/* else the material is the key */
	uint8_t		salt[CELLENC_BUNDLE_SALT_LEN];	/* zero without KDF */
	uint32_t	rounds;			/* zero without KDF, else unchecked */
	uint8_t		check_value[CELLENC_CHECK_LEN];
	int64_t		created_at;
} CellencBundleHeader;

/* One record; the pointers lead into the records' bytes. */
typedef struct CellencBundleRecord
{
	CellencPurpose purpose;		/* DATA or SEARCH */
	uint8_t		uuid[CELLENC_UUID_LEN];
	uint8_t		state;
	uint8_t		check_value[CELLENC_CHECK_LEN];
	int64_t		created_at;
	const uint8_t *key;			/* NULL: destroyed */

	/* of data keys alone */
	int64_t		state_since;
	uint32_t	version;
	uint32_t	version_id;
	uint8_t		search_key[CELLENC_UUID_LEN];
	char		name[CELLENC_BUNDLE_NAME_MAX + 1];
	uint16_t	ntags;
	const uint8_t *tags;		/* each with its length before it */
	size_t		tags_len;
} CellencBundleRecord;

/* What is wrong with bytes that claim to be a bundle. */
typedef enum CellencBundleFault
{
	CELLENC_BUNDLE_FINE,
	CELLENC_BUNDLE_FOREIGN,		/* does not begin as one */
	CELLENC_BUNDLE_DAMAGED,		/* its header is not canonical */
	CELLENC_BUNDLE_SHORT,		/* ends before its header says */
	CELLENC_BUNDLE_LONG			/* goes on after its end */
} CellencBundleFault;

/* A walk through the records. */
typedef struct CellencBundleReader
{
	const uint8_t *pos;
	const uint8_t *end;
	uint32_t	nsearch_keys;	/* still to come */
	uint32_t	nversions;
	bool		has_current;	/* of this key, or a current search key */
	CellencBundleRecord last;
} CellencBundleReader;

/* Writing: sizes in bytes; the writers return where the next byte goes. */
extern size_t cellenc_bundle_header_size(const CellencBundleHeader *header);
extern size_t cellenc_bundle_record_size(const CellencBundleRecord *record);
extern uint8_t *cellenc_bundle_write_header(uint8_t *dst, const CellencBundleHeader *header);
extern uint8_t *cellenc_bundle_write_record(uint8_t *dst, const CellencBundleRecord *record);

/* Bytes of a bundle. */
static inline size_t
cellenc_bundle_size(const CellencBundleHeader *header)
{
	return cellenc_bundle_header_size(header) + CELLENC_NONCE_LEN + header->records_len + CELLENC_TAG_LEN;
}

/*
 * Write a bundle of cellenc_bundle_size() bytes.  The caller answers for the
 * nonce being fresh.
 */
extern CellencStatus cellenc_bundle_seal(uint8_t *dst, const CellencBundleHeader *header,
										 const uint8_t *nonce, const uint8_t *records,
										 const uint8_t *master);

/*
 * Read the header and hold the size against it.  Unless FINE, *header is
 * zeroed.
 */
extern CellencBundleFault cellenc_bundle_parse(const uint8_t *bytes, size_t size,
											   CellencBundleHeader *header);

/*
 * Open the records of a bundle that parsed: header->records_len bytes, zeroed
 * on failure.
 */
extern CellencStatus cellenc_bundle_open(const uint8_t *bytes, const CellencBundleHeader *header,
										 const uint8_t *master, uint8_t *records);

/*
 * Read records one by one.  next: *more is false after the last.
 * CELLENC_BAD_FORMAT for what is not canonical, CELLENC_BAD_CHECK for a key
 * that does not match its check value; *record is zeroed then, and *more
 * false.
 */
extern void cellenc_bundle_read(CellencBundleReader *reader, const CellencBundleHeader *header,
								const uint8_t *records);
extern CellencStatus cellenc_bundle_next(CellencBundleReader *reader, CellencBundleRecord *record,
										 bool *more);

#endif							/* CELLENC_BUNDLE_H */
