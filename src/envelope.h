/*-------------------------------------------------------------------------
 *
 * envelope.h
 *	  The frozen bytes: sealed value, its AAD, wrapped key, term, typmod.
 *
 * Pure C like cipher.h, which is all this file may use.  All integers are
 * big-endian.  The layout is drawn in src/README.md and fixed by the format
 * specification; test/unit/frozen.txt holds one vector of each kind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CELLENC_ENVELOPE_H
#define CELLENC_ENVELOPE_H

#include <limits.h>
#include <string.h>

#include "cipher.h"

#define CELLENC_FORMAT_PLAIN	0x01	/* without a term */
#define CELLENC_FORMAT_TERM		0x02	/* with a term */

#define CELLENC_ID_END			5	/* format and version id */
#define CELLENC_TERM_END		(CELLENC_ID_END + CELLENC_TERM_LEN)
#define CELLENC_OVERHEAD		(CELLENC_ID_END + CELLENC_NONCE_LEN + CELLENC_TAG_LEN)	/* 45 */
#define CELLENC_OVERHEAD_TERM	(CELLENC_OVERHEAD + CELLENC_TERM_LEN)	/* 61 */

#define CELLENC_TWIN_TAG_MAX	50	/* bytes of a twin tag */
#define CELLENC_VALUE_AAD_MAX	(7 + 1 + 1 + 4 + 16 + 1 + 1 + CELLENC_TWIN_TAG_MAX + 16)

#define CELLENC_REPR_BIG_ENDIAN 0x80

/* A sealed value taken apart; the pointers lead into the parsed bytes. */
typedef struct CellencEnvelope
{
	uint8_t		format;
	uint32_t	version_id;
	const uint8_t *term;		/* NULL in format 01 */
	const uint8_t *nonce;
	const uint8_t *ciphertext;	/* the tag follows it */
	size_t		len;			/* of the plaintext */
} CellencEnvelope;

/*
 * Bytes of the sealed value of a plaintext of plain_len bytes.  Cannot fail: a
 * plaintext in memory is far from SIZE_MAX.
 */
static inline size_t
cellenc_envelope_size(bool with_term, size_t plain_len)
{
	return (with_term ? CELLENC_OVERHEAD_TERM : CELLENC_OVERHEAD) + plain_len;
}

static inline uint32_t
cellenc_get_u32(const uint8_t *src)
{
	return (uint32_t) src[0] << 24 | (uint32_t) src[1] << 16 |
		(uint32_t) src[2] << 8 | (uint32_t) src[3];
}

/*
 * Take the first CELLENC_ID_END bytes apart; size may be more.
 * CELLENC_BAD_FORMAT leaves both results zero.
 */
static inline CellencStatus
cellenc_envelope_parse_id(const uint8_t *bytes, size_t size,
						  uint8_t *format, uint32_t *version_id)
{
	*format = 0;
	*version_id = 0;
	if (size < CELLENC_ID_END ||
		(bytes[0] != CELLENC_FORMAT_PLAIN && bytes[0] != CELLENC_FORMAT_TERM) ||
		cellenc_get_u32(bytes + 1) == 0)
		return CELLENC_BAD_FORMAT;
	*format = bytes[0];
	*version_id = cellenc_get_u32(bytes + 1);
	return CELLENC_OK;
}

/*
 * Take a whole sealed value apart.  Refuses (CELLENC_BAD_FORMAT, *env zeroed)
 * every format, id and length that is not canonical.  All lengths from that of
 * an empty plaintext on are, for the ciphertext is the only field without a
 * length; bytes cut off or added are found when it is opened.
 */
static inline CellencStatus
cellenc_envelope_parse(const uint8_t *bytes, size_t size, CellencEnvelope *env)
{
	size_t		overhead;
	CellencStatus status;

	memset(env, 0, sizeof(*env));
	status = cellenc_envelope_parse_id(bytes, size, &env->format, &env->version_id);
	if (status != CELLENC_OK)
		return status;
	overhead = cellenc_envelope_size(env->format == CELLENC_FORMAT_TERM, 0);
	if (size < overhead || size > INT_MAX)
	{
		memset(env, 0, sizeof(*env));
		return CELLENC_BAD_FORMAT;
	}

	bytes += CELLENC_ID_END;
	if (env->format == CELLENC_FORMAT_TERM)
	{
		env->term = bytes;
		bytes += CELLENC_TERM_LEN;
	}
	env->nonce = bytes;
	env->ciphertext = bytes + CELLENC_NONCE_LEN;
	env->len = size - overhead;
	return CELLENC_OK;
}

/*
 * Write all that precedes the ciphertext (term NULL: format 01) and return
 * where the ciphertext and then the tag go.
 */
extern uint8_t *cellenc_envelope_write(uint8_t *dst, uint32_t version_id,
									   const uint8_t *term, const uint8_t *nonce);

/* No length: what seal and open refuse as one. */
#define CELLENC_AAD_INVALID		SIZE_MAX

/*
 * AAD of a sealed value; dst has CELLENC_VALUE_AAD_MAX bytes; returns the
 * length.  A twin tag longer than CELLENC_TWIN_TAG_MAX, or a term that
 * disagrees with the format, gives CELLENC_AAD_INVALID, with which sealing
 * and opening fail.
 */
extern size_t cellenc_envelope_value_aad(uint8_t *dst, uint8_t format, uint32_t version_id,
										 const uint8_t *key_uuid, uint8_t repr,
										 const char *twin_tag, const uint8_t *term);

/*
 * Put another term into an AAD of format 02, of which it is the end; len is
 * the AAD's.
 */
static inline void
cellenc_envelope_aad_set_term(uint8_t *aad, size_t len, const uint8_t *term)
{
	memcpy(aad + len - CELLENC_TERM_LEN, term, CELLENC_TERM_LEN);
}

typedef enum CellencPurpose
{
	CELLENC_PURPOSE_DATA = 1,
	CELLENC_PURPOSE_SEARCH = 2,
	CELLENC_PURPOSE_LITERAL = 3
} CellencPurpose;

#define CELLENC_WRAPPED_LEN (1 + CELLENC_NONCE_LEN + CELLENC_KEY_LEN + CELLENC_TAG_LEN) /* 73 */

/* What a wrap is bound to (its AAD). */
typedef struct CellencWrapInfo
{
	CellencPurpose purpose;
	uint32_t	version_id;		/* 0 if none */
	uint8_t		uuid[CELLENC_UUID_LEN]; /* of the key or search key */
	uint32_t	version;
	uint8_t		master_uuid[CELLENC_UUID_LEN];
} CellencWrapInfo;

/* Wrap key (32 bytes) under master (32 bytes) with a fresh random nonce. */
extern CellencStatus cellenc_envelope_wrap(const CellencWrapInfo *info, const uint8_t *master,
										   const uint8_t *key, uint8_t *out);	/* CELLENC_WRAPPED_LEN */
extern CellencStatus cellenc_envelope_unwrap(const CellencWrapInfo *info, const uint8_t *master,
											 const uint8_t *wrapped, size_t wrapped_len,
											 uint8_t *key);

/* Term of canonical bytes: class is the name shared by types that compare. */
extern CellencStatus cellenc_envelope_term(CellencMac *search_key, const char *term_class,
										   const void *canonical, size_t len, uint8_t *term);

/* The 29 bits of the key's name that a typmod carries, already shifted right. */
extern CellencStatus cellenc_envelope_name_hash(const char *key_name, uint32_t *hash);

#endif							/* CELLENC_ENVELOPE_H */
