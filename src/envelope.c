/*-------------------------------------------------------------------------
 *
 * envelope.c
 *	  The frozen bytes: sealed value, its AAD, wrapped key, term, typmod.
 *
 * Everything that is stored is taken apart and put together here, so that
 * there is one place to hold against the format specification.
 *
 * Sealed value (format 01; 02 has the term):
 *
 *		offset	bytes	field
 *		0		1		format: 01, or 02 with a term; all others refused
 *		1		4		version id, not zero
 *		5		16		term, only in format 02
 *		5/21	24		nonce: salt 12, IV 12
 *		29/45	n		ciphertext, as long as the plaintext
 *		end		16		tag
 *
 * Wrapped key: 01 | nonce 24 | ciphertext 32 | tag 16.
 *
 * There is one way to write each, and a reader refuses every other before it
 * looks up a key.  What is authenticated but not stored (the AAD) names the
 * key, the type and the server's representation: bytes moved elsewhere do
 * not open.
 *
 * Pure C: may use cipher.h and nothing else; no PostgreSQL header, no
 * allocation, no error report, and no knowledge of which key a version id
 * names.
 *
 *-------------------------------------------------------------------------
 */
#include <limits.h>
#include <string.h>

#include "envelope.h"

#define WRAP_FORMAT		0x01
#define WRAP_AAD_LEN	(12 + 1 + 1 + 4 + CELLENC_UUID_LEN + 4 + CELLENC_UUID_LEN)

/*
 * The labels end in the version of what they head.  They are arrays without
 * a terminating zero, so that sizeof is their length.
 */
static const uint8_t value_label[] = {'c', 'e', 'l', 'l', 'e', 'n', 'c', 0x01};
static const uint8_t wrap_label[] = {'c', 'e', 'l', 'l', 'e', 'n', 'c', ' ',
'w', 'r', 'a', 'p', 0x01};
static const uint8_t term_label[] = {'c', 'e', 'l', 'l', 'e', 'n', 'c', ' ',
't', 'e', 'r', 'm', 0x01};

static uint8_t *
put_bytes(uint8_t *dst, const void *src, size_t len)
{
	if (len > 0)
		memcpy(dst, src, len);
	return dst + len;
}

static uint8_t *
put_u32(uint8_t *dst, uint32_t value)
{
	dst[0] = (uint8_t) (value >> 24);
	dst[1] = (uint8_t) (value >> 16);
	dst[2] = (uint8_t) (value >> 8);
	dst[3] = (uint8_t) value;
	return dst + 4;
}

/*
 * Cannot fail.  dst has cellenc_envelope_size() bytes; the caller answers
 * for version_id not being zero and for the nonce being fresh.
 */
CELLENC_HOT uint8_t *
cellenc_envelope_write(uint8_t *dst, uint32_t version_id,
					   const uint8_t *term, const uint8_t *nonce)
{
	*dst++ = term != NULL ? CELLENC_FORMAT_TERM : CELLENC_FORMAT_PLAIN;
	dst = put_u32(dst, version_id);
	if (term != NULL)
		dst = put_bytes(dst, term, CELLENC_TERM_LEN);
	return put_bytes(dst, nonce, CELLENC_NONCE_LEN);
}

/*
 * Write the AAD of a sealed value:
 *
 *		"cellenc" 01 | format u8 | version id u32 | key UUID 16 | repr u8 |
 *		len u8 | twin tag[len] | [term 16]
 *
 * A twin tag that is too long, and a term that disagrees with the format, are
 * mistakes of the caller.  They return CELLENC_AAD_INVALID, a length that
 * seal and open refuse: a mistake must not end in a value bound to less.
 */
size_t
cellenc_envelope_value_aad(uint8_t *dst, uint8_t format, uint32_t version_id,
						   const uint8_t *key_uuid, uint8_t repr,
						   const char *twin_tag, const uint8_t *term)
{
	size_t		tag_len = strlen(twin_tag);
	uint8_t    *end = dst;

	if (tag_len > CELLENC_TWIN_TAG_MAX ||
		format != (term != NULL ? CELLENC_FORMAT_TERM : CELLENC_FORMAT_PLAIN))
		return CELLENC_AAD_INVALID;

	end = put_bytes(end, value_label, sizeof(value_label));
	*end++ = format;
	end = put_u32(end, version_id);
	end = put_bytes(end, key_uuid, CELLENC_UUID_LEN);
	*end++ = repr;
	*end++ = (uint8_t) tag_len;
	end = put_bytes(end, twin_tag, tag_len);
	if (term != NULL)
		end = put_bytes(end, term, CELLENC_TERM_LEN);
	return (size_t) (end - dst);
}

/*
 * Write the AAD of a wrap:
 *
 *		"cellenc wrap" 01 | purpose u8 | version id u32 | UUID 16 |
 *		version u32 | master key UUID 16
 */
static void
write_wrap_aad(uint8_t *dst, const CellencWrapInfo *info)
{
	dst = put_bytes(dst, wrap_label, sizeof(wrap_label));
	*dst++ = (uint8_t) info->purpose;
	dst = put_u32(dst, info->version_id);
	dst = put_bytes(dst, info->uuid, CELLENC_UUID_LEN);
	dst = put_u32(dst, info->version);
	put_bytes(dst, info->master_uuid, CELLENC_UUID_LEN);
}

static bool
purpose_is_valid(CellencPurpose purpose)
{
	return purpose == CELLENC_PURPOSE_DATA ||
		purpose == CELLENC_PURPOSE_SEARCH ||
		purpose == CELLENC_PURPOSE_LITERAL;
}

/*
 * Wrapped keys are few, so each has a nonce of its own from the kernel.  out
 * (CELLENC_WRAPPED_LEN bytes) is zeroed on failure: CELLENC_NO_RANDOM,
 * CELLENC_LIBRARY, or CELLENC_BAD_FORMAT for an unknown purpose.
 */
CellencStatus
cellenc_envelope_wrap(const CellencWrapInfo *info, const uint8_t *master,
					  const uint8_t *key, uint8_t *out)
{
	uint8_t		aad[WRAP_AAD_LEN];
	uint8_t    *nonce = out + 1;
	CellencStatus status;

	if (!purpose_is_valid(info->purpose))
		status = CELLENC_BAD_FORMAT;
	else
		status = cellenc_cipher_random(nonce, CELLENC_NONCE_LEN);
	if (status == CELLENC_OK)
	{
		out[0] = WRAP_FORMAT;
		write_wrap_aad(aad, info);
		status = cellenc_cipher_xaes_seal(master, nonce, aad, sizeof(aad),
										  key, CELLENC_KEY_LEN,
										  nonce + CELLENC_NONCE_LEN);
	}
	if (status != CELLENC_OK)
		memset(out, 0, CELLENC_WRAPPED_LEN);
	return status;
}

/*
 * CELLENC_BAD_FORMAT for another length or format, CELLENC_BAD_TAG if the
 * bytes, the master key or anything in info is not that of the wrap,
 * CELLENC_LIBRARY.  key (CELLENC_KEY_LEN bytes) is zeroed on failure.  That
 * the key is the right one is for its check value to say.
 */
CellencStatus
cellenc_envelope_unwrap(const CellencWrapInfo *info, const uint8_t *master,
						const uint8_t *wrapped, size_t wrapped_len,
						uint8_t *key)
{
	uint8_t		aad[WRAP_AAD_LEN];
	const uint8_t *nonce;

	if (wrapped_len != CELLENC_WRAPPED_LEN || wrapped[0] != WRAP_FORMAT ||
		!purpose_is_valid(info->purpose))
	{
		cellenc_cipher_wipe(key, CELLENC_KEY_LEN);
		return CELLENC_BAD_FORMAT;
	}
	nonce = wrapped + 1;
	write_wrap_aad(aad, info);
	return cellenc_cipher_xaes_open(master, nonce, aad, sizeof(aad),
									nonce + CELLENC_NONCE_LEN,
									CELLENC_KEY_LEN, key);
}

/*
 * HMAC-SHA-256(search key, "cellenc term" 01 | len u8 | class[len] |
 * canonical bytes), first half.  term (CELLENC_TERM_LEN bytes) is zeroed on
 * failure: CELLENC_LIBRARY, or CELLENC_BAD_FORMAT for a class whose length
 * does not fit its byte.
 */
CellencStatus
cellenc_envelope_term(CellencMac *search_key, const char *term_class,
					  const void *canonical, size_t len, uint8_t *term)
{
	size_t		class_len = strlen(term_class);
	uint8_t		head[sizeof(term_label) + 1 + UINT8_MAX];
	uint8_t    *end = head;
	uint8_t		hash[CELLENC_HMAC_LEN];
	CellencPart parts[2];
	CellencStatus status;

	if (class_len > UINT8_MAX)
	{
		memset(term, 0, CELLENC_TERM_LEN);
		return CELLENC_BAD_FORMAT;
	}
	end = put_bytes(end, term_label, sizeof(term_label));
	*end++ = (uint8_t) class_len;
	end = put_bytes(end, term_class, class_len);
	parts[0].data = head;
	parts[0].len = (size_t) (end - head);
	parts[1].data = canonical;
	parts[1].len = len;
	status = cellenc_cipher_mac(search_key, parts, 2, hash);
	memcpy(term, hash, CELLENC_TERM_LEN);	/* zeroes if that failed */
	cellenc_cipher_wipe(hash, sizeof(hash));
	return status;
}

/*
 * First four bytes of SHA-256 of the name, without the three bits that the
 * typmod needs for "search" and its sign.  *hash is 0 on failure
 * (CELLENC_LIBRARY).
 */
CellencStatus
cellenc_envelope_name_hash(const char *key_name, uint32_t *hash)
{
	CellencPart part = {key_name, strlen(key_name)};
	uint8_t		digest[CELLENC_HMAC_LEN];
	CellencStatus status;

	status = cellenc_cipher_sha256(&part, 1, digest);
	*hash = cellenc_get_u32(digest) >> 3;	/* 0 if that failed */
	return status;
}
