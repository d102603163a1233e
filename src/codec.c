/*-------------------------------------------------------------------------
 *
 * codec.c
 *	  Seal, open and reseal one value.
 *
 * Input functions and casts yield a read-only expanded object that holds the
 * plaintext; whatever copies it or puts it into a tuple flattens it, and the
 * first flattening seals it and remembers the bytes.  So plaintext cannot
 * reach a page, and a value is sealed once.  The object lives in plain palloc
 * memory: a read-only object is never transferred or deleted by core, so it
 * needs no context of its own.
 *
 * The plaintext of an expanded object and of a result is memory of the
 * executor and goes with its context, as any datum does; only key bytes are
 * wiped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/tupmacs.h"
#include "access/xact.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/memutils.h"

#include "codec.h"
#include "compat.h"
#include "keyring.h"
#include "nonce.h"
#include "redact.h"
#include "report.h"
#include "term.h"

typedef struct PlainObject
{
	ExpandedObjectHeader hdr;
	const CellencTwin *twin;
	int32		typmod;			/* -1: the literal key */
	bool		with_term;
	Datum		base;			/* the plaintext; a reference leads into this
								 * chunk */
	const char *bytes;			/* what gets sealed ... */
	Size		len;			/* ... and its length */
	struct varlena *sealed;		/* NULL until flattened once */
	char		store[FLEXIBLE_ARRAY_MEMBER];
} PlainObject;

#define STORE_OFFSET MAXALIGN(offsetof(PlainObject, store))

CellencCodecCounters cellenc_codec_counters;

/* See cellenc_codec_allow_compare. */
static bool compare_allowed = false;

/* See cellenc_codec_compare_in_command. */
static bool compare_in_command = false;

static Size object_flat_size(ExpandedObjectHeader *eohptr);
static void object_flatten(ExpandedObjectHeader *eohptr, void *result, Size allocated_size);

static const ExpandedObjectMethods object_methods = {
	object_flat_size,
	object_flatten
};

/* The plaintext object behind value, or NULL. */
static PlainObject *
as_object(Datum value)
{
	PlainObject *object;

	if (!VARATT_IS_EXTERNAL_EXPANDED((struct varlena *) DatumGetPointer(value)))
		return NULL;
	object = (PlainObject *) DatumGetEOHP(value);
	return object->hdr.eoh_methods == &object_methods ? object : NULL;
}

/* At least the first len bytes of a flat value; may have to be freed. */
static struct varlena *
value_head(Datum value, int32 len)
{
	struct varlena *ptr = (struct varlena *) DatumGetPointer(value);

	if (!VARATT_IS_EXTERNAL(ptr) && !VARATT_IS_COMPRESSED(ptr))
		return ptr;
	return PG_DETOAST_DATUM_SLICE(value, 0, len);
}

/* PG_DETOAST_DATUM_PACKED without a call where there is nothing to do. */
static inline struct varlena *
detoast_packed(Datum value)
{
	struct varlena *ptr = (struct varlena *) DatumGetPointer(value);

	if (unlikely(VARATT_IS_EXTERNAL(ptr) || VARATT_IS_COMPRESSED(ptr)))
		return pg_detoast_datum_packed(ptr);
	return ptr;
}

/*
 * Sealing
 */

/* How this server would read the internal bytes of a base type. */
static uint8
value_repr(void)
{
#ifdef WORDS_BIGENDIAN
	return (uint8) GetDatabaseEncoding() | CELLENC_REPR_BIG_ENDIAN;
#else
	return (uint8) GetDatabaseEncoding();
#endif
}

static pg_noinline void
fill_memo(CellencAadMemo *memo, const CellencTwin *twin, const CellencKeyVersion *version,
		  uint8 format, const uint8 *term)
{
	memo->twin_serial = 0;
	memo->len = cellenc_envelope_value_aad(memo->bytes, format, version->version_id,
										   version->row.key.data, value_repr(), twin->tag, term);
	if (memo->len == CELLENC_AAD_INVALID)
		elog(ERROR, "encrypted type %u has no valid tag", twin->type);
	memo->format = format;
	memo->twin_serial = twin->serial;
}

/*
 * The AAD of a value, which is the same for all of one twin under one version
 * but for the term.  Valid until the next call, or the next look-up of a key.
 */
static inline const CellencAadMemo *
value_aad(const CellencTwin *twin, CellencKeyVersion *version, uint8 format, const uint8 *term)
{
	CellencAadMemo *memo = &version->aad[(twin->serial * 2 + format) % CELLENC_AAD_MEMOS];

	if (unlikely(memo->twin_serial != twin->serial || memo->format != format))
		fill_memo(memo, twin, version, format, term);
	else if (term)
		cellenc_envelope_aad_set_term(memo->bytes, memo->len, term);
	return memo;
}

/* Seal into dst, which has cellenc_envelope_size() bytes. */
CELLENC_HOT static void
seal_bytes(const CellencTwin *twin, CellencKeyVersion *version, const uint8 *term,
		   const char *bytes, Size len, uint8 *dst)
{
	uint8		nonce[CELLENC_NONCE_LEN];
	const CellencAadMemo *aad;
	uint8	   *ciphertext;
	CellencStatus status;

	cellenc_nonce_next(len, nonce);
	ciphertext = cellenc_envelope_write(dst, version->version_id, term, nonce);
	aad = value_aad(twin, version, dst[0], term);
	/* the IV as it stands in dst, before the ciphertext */
	status = cellenc_cipher_seal(cellenc_keyring_subkey(version, nonce), ciphertext - CELLENC_IV_LEN,
								 aad->bytes, aad->len, (const uint8 *) bytes, len, ciphertext);
	if (unlikely(status != CELLENC_OK))
		cellenc_report_status(status);
	cellenc_codec_counters.sealed++;
}

pg_noreturn static void
report_too_long(bool with_term)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("value is too long to be encrypted"),
			 errdetail("An encrypted value can have at most %zu bytes, %zu of them overhead.",
					   (Size) (MaxAllocSize - VARHDRSZ), cellenc_envelope_size(with_term, 0))));
}

static inline void
check_length(Size len, bool with_term)
{
	if (unlikely(cellenc_envelope_size(with_term, len) > MaxAllocSize - VARHDRSZ))
		report_too_long(with_term);
}

pg_noreturn static void
report_unknown_key(int32 typmod)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("key \"#%08x\" does not exist", (unsigned int) CELLENC_TYPMOD_HASH(typmod)),
			 errdetail("The type modifier of the encrypted type names a key that this database does not have."),
			 errhint("Create the key under its name, or restore or import it.")));
}

/* The key that typmod names. */
static CellencKey *
key_of_typmod(int32 typmod)
{
	CellencKey *key;

	if (typmod < 0)
		return cellenc_keyring_literal_key();
	key = cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(typmod));
	if (unlikely(!key))
		report_unknown_key(typmod);
	return key;
}

/* What seals under typmod, after a check of the privileges (0: none). */
static inline CellencKeyVersion *
sealing_version(int32 typmod, int privileges)
{
	CellencKeyVersion *version;

	if (typmod < 0)
		return cellenc_keyring_current_version(cellenc_keyring_literal_key());
	version = cellenc_keyring_sealing_version(CELLENC_TYPMOD_HASH(typmod),
											  CELLENC_TYPMOD_SEARCH(typmod) != CELLENC_SEARCH_NONE,
											  privileges);
	if (unlikely(!version))
		report_unknown_key(typmod);
	return version;
}

static bool
wants_term(const CellencTwin *twin, int32 typmod)
{
	return typmod >= 0 && twin->term_class != NULL &&
		CELLENC_TYPMOD_SEARCH(typmod) != CELLENC_SEARCH_NONE;
}

/* An object around base, no privilege checked. */
CELLENC_HOT static PlainObject *
make_object(const CellencTwin *twin, Datum base, int32 typmod)
{
	PlainObject *object;
	char	   *store;
	Size		size;

	cellenc_redact_touch();

	/* the copy of a by-reference datum must be aligned like one */
	if (twin->typbyval)
	{
		object = palloc(STORE_OFFSET + sizeof(Datum));
		store = (char *) object + STORE_OFFSET;
		store_att_byval(store, base, twin->typlen);
		object->base = base;
		object->bytes = store;
		object->len = twin->typlen;
	}
	else if (twin->typlen == -1)
	{
		struct varlena *packed = detoast_packed(base);

		size = VARSIZE_ANY_EXHDR(packed);
		check_length(size, true);
		object = palloc(STORE_OFFSET + VARHDRSZ + size);
		store = (char *) object + STORE_OFFSET;
		SET_VARSIZE(store, VARHDRSZ + size);
		memcpy(VARDATA(store), VARDATA_ANY(packed), size);
		object->base = PointerGetDatum(store);
		object->bytes = VARDATA(store);
		object->len = size;
	}
	else
	{
		size = datumGetSize(base, false, twin->typlen);
		check_length(size, true);
		object = palloc(STORE_OFFSET + size);
		store = (char *) object + STORE_OFFSET;
		memcpy(store, DatumGetPointer(base), size);
		object->base = PointerGetDatum(store);
		object->bytes = store;
		object->len = size;
	}

	if (unlikely(twin->send_form))
	{
		bytea	   *sent = SendFunctionCall(unconstify(FmgrInfo *, &twin->send), object->base);

		object->bytes = VARDATA(sent);
		object->len = VARSIZE(sent) - VARHDRSZ;
		check_length(object->len, true);
	}

	object->twin = twin;
	object->typmod = typmod;
	object->with_term = wants_term(twin, typmod);
	object->sealed = NULL;
	EOH_init_header(&object->hdr, &object_methods, CurrentMemoryContext);
	return object;
}

CELLENC_HOT Datum
cellenc_codec_make(const CellencTwin *twin, Datum base, int32 typmod)
{
	if (typmod >= 0)
		cellenc_keyring_check(key_of_typmod(typmod), CELLENC_PRIV_ENCRYPT);
	return EOHPGetRODatum(&make_object(twin, base, typmod)->hdr);
}

/* What gets sealed of base.  It may lie in base itself, in *byval, or be palloc'd. */
static inline const char *
bytes_to_seal(const CellencTwin *twin, Datum *base, Datum *byval, Size *len)
{
	if (unlikely(twin->send_form))
	{
		bytea	   *sent = SendFunctionCall(unconstify(FmgrInfo *, &twin->send), *base);

		*len = VARSIZE(sent) - VARHDRSZ;
		return VARDATA(sent);
	}
	if (twin->typlen == -1)
	{
		struct varlena *packed = detoast_packed(*base);

		*base = PointerGetDatum(packed);
		*len = VARSIZE_ANY_EXHDR(packed);
		return VARDATA_ANY(packed);
	}
	*len = datumGetSize(*base, twin->typbyval, twin->typlen);
	if (!twin->typbyval)
		return DatumGetPointer(*base);
	store_att_byval(byval, *base, twin->typlen);
	return (const char *) byval;
}

CELLENC_HOT Datum
cellenc_codec_seal(const CellencTwin *twin, Datum base, int32 typmod)
{
	bool		with_term = wants_term(twin, typmod);
	CellencKeyVersion *version;
	uint8		term[CELLENC_TERM_LEN];
	Datum		byval;
	const char *bytes;
	Size		len;
	Size		size;
	struct varlena *result;

	cellenc_redact_touch();
	bytes = bytes_to_seal(twin, &base, &byval, &len);
	check_length(len, with_term);
	size = VARHDRSZ + cellenc_envelope_size(with_term, len);
	result = palloc(size);
	SET_VARSIZE(result, size);

	/* the version last: what goes before may look keys up */
	if (with_term)
		cellenc_term_compute(cellenc_keyring_search_mac(), twin->base, base, term);
	version = sealing_version(typmod, CELLENC_PRIV_ENCRYPT);
	seal_bytes(twin, version, with_term ? term : NULL, bytes, len, (uint8 *) VARDATA(result));
	return PointerGetDatum(result);
}

CELLENC_HOT static Size
object_flat_size(ExpandedObjectHeader *eohptr)
{
	PlainObject *object = (PlainObject *) eohptr;

	return VARHDRSZ + cellenc_envelope_size(object->with_term, object->len);
}

CELLENC_HOT static void
object_flatten(ExpandedObjectHeader *eohptr, void *result, Size allocated_size)
{
	PlainObject *object = (PlainObject *) eohptr;
	CellencKeyVersion *version;
	uint8		term[CELLENC_TERM_LEN];

	Assert(allocated_size == object_flat_size(eohptr));

	if (object->sealed)
	{
		memcpy(result, object->sealed, allocated_size);
		return;
	}

	if (object->with_term)
		cellenc_term_compute(cellenc_keyring_search_mac(), object->twin->base, object->base, term);
	version = sealing_version(object->typmod, 0);
	SET_VARSIZE(result, allocated_size);
	seal_bytes(object->twin, version, object->with_term ? term : NULL,
			   object->bytes, object->len, (uint8 *) VARDATA(result));

	object->sealed = MemoryContextAlloc(object->hdr.eoh_context, allocated_size);
	memcpy(object->sealed, result, allocated_size);
}

/*
 * Opening
 */

/* Take value's flat bytes apart; the result may have to be freed. */
static pg_attribute_always_inline struct varlena *
parse_value(Datum value, CellencEnvelope *env)
{
	struct varlena *flat = detoast_packed(value);
	CellencStatus status;

	status = cellenc_envelope_parse((const uint8 *) VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat), env);
	if (unlikely(status != CELLENC_OK))
		cellenc_report_status(status);
	return flat;
}

pg_noreturn static void
report_not_opened(const CellencKeyVersion *version, CellencStatus status)
{
	if (status == CELLENC_BAD_TAG)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("value encrypted with key \"%s\" version %d failed authentication",
						version->key->row.name, version->row.version),
				 errdetail("The value has been altered, or belongs to another type or server encoding.")));
	cellenc_report_status(status);
}

static inline CellencStatus
try_open_bytes(const CellencTwin *twin, CellencKeyVersion *version, const CellencEnvelope *env, char *dst)
{
	const CellencAadMemo *aad = value_aad(twin, version, env->format, env->term);

	return cellenc_cipher_open(cellenc_keyring_subkey(version, env->nonce),
							   env->nonce + CELLENC_SALT_LEN,
							   aad->bytes, aad->len, env->ciphertext, env->len, (uint8 *) dst);
}

static inline void
open_bytes(const CellencTwin *twin, CellencKeyVersion *version, const CellencEnvelope *env, char *dst)
{
	CellencStatus status = try_open_bytes(twin, version, env, dst);

	if (unlikely(status != CELLENC_OK))
		report_not_opened(version, status);
	cellenc_codec_counters.opened++;
}

static Datum
open_sent(const CellencTwin *twin, CellencKeyVersion *version, const CellencEnvelope *env)
{
	StringInfoData buf;

	initStringInfo(&buf);
	enlargeStringInfo(&buf, (int) env->len);
	open_bytes(twin, version, env, buf.data);
	buf.len = (int) env->len;
	buf.data[buf.len] = '\0';
	return ReceiveFunctionCall(unconstify(FmgrInfo *, &twin->recv), &buf, twin->in_param, -1);
}

/* The plaintext of a flat value, for bases that are no varlena or sealed as sent. */
static pg_noinline Datum
open_other(const CellencTwin *twin, CellencKeyVersion *version, struct varlena *flat)
{
	CellencEnvelope env;
	char	   *result;
	Datum		byval = 0;

	(void) parse_value(PointerGetDatum(flat), &env);
	if (twin->send_form)
		return open_sent(twin, version, &env);

	if (env.len != (Size) twin->typlen)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("encrypted value has the wrong length for its type")));
	result = twin->typbyval ? (char *) &byval : palloc(env.len);
	open_bytes(twin, version, &env, result);
	return twin->typbyval ? fetch_att(result, true, twin->typlen) : PointerGetDatum(result);
}

static pg_noinline Datum
open_object(const CellencTwin *twin, PlainObject *object, int privileges)
{
	if (privileges && object->typmod >= 0)
		cellenc_keyring_check(key_of_typmod(object->typmod), privileges);
	return datumCopy(object->base, twin->typbyval, twin->typlen);
}

/* Open value, after a check of the privileges (0: none). */
static inline Datum
open_value(const CellencTwin *twin, Datum value, int privileges)
{
	PlainObject *object = as_object(value);
	CellencEnvelope env;
	CellencKeyVersion *version;
	struct varlena *flat;
	Datum		result;

	cellenc_redact_touch();
	if (unlikely(object))
		return open_object(twin, object, privileges);

	flat = parse_value(value, &env);
	version = cellenc_keyring_usable_version(env.version_id, privileges);
	if (likely(twin->typlen == -1 && !twin->send_form))
	{
		result = PointerGetDatum(palloc(VARHDRSZ + env.len));
		SET_VARSIZE(result, VARHDRSZ + env.len);
		open_bytes(twin, version, &env, VARDATA(result));
	}
	else
		result = open_other(twin, version, flat);
	if (unlikely((Pointer) flat != DatumGetPointer(value)))
		pfree(flat);
	return result;
}

CELLENC_HOT Datum
cellenc_codec_open(const CellencTwin *twin, Datum value)
{
	return open_value(twin, value, CELLENC_PRIV_DECRYPT);
}

Datum
cellenc_codec_open_to_compare(const CellencTwin *twin, Datum value)
{
	return open_value(twin, value, compare_allowed || compare_in_command ? 0 : CELLENC_PRIV_DECRYPT);
}

bool
cellenc_codec_is_literal(Datum value)
{
	PlainObject *object = as_object(value);
	CellencKeyVersion *version;

	if (object)
		return object->typmod < 0;
	version = cellenc_keyring_version(cellenc_codec_version_id(value));
	return version && version->key->literal;
}

/*
 * The term in a flat value and the version it is under, or NULL where it has
 * none that says anything.  What is not stored in line goes through buf.
 */
static inline const uint8 *
find_term(Datum value, uint8 *buf, CellencKeyVersion **version)
{
	struct varlena *head = (struct varlena *) DatumGetPointer(value);
	bool		in_line = !VARATT_IS_EXTERNAL(head) && !VARATT_IS_COMPRESSED(head);
	const uint8 *bytes;
	const uint8 *term = NULL;
	uint8		format;
	uint32		version_id;

	if (unlikely(!in_line))
	{
		if (as_object(value))
			return NULL;
		head = PG_DETOAST_DATUM_SLICE(value, 0, CELLENC_TERM_END);
	}
	bytes = (const uint8 *) VARDATA_ANY(head);
	if (VARSIZE_ANY_EXHDR(head) >= CELLENC_TERM_END &&
		cellenc_envelope_parse_id(bytes, VARSIZE_ANY_EXHDR(head), &format, &version_id) == CELLENC_OK &&
		format == CELLENC_FORMAT_TERM)
	{
		/* a term made with another search key says nothing */
		*version = cellenc_keyring_term_version(version_id);
		if (*version)
			term = bytes + CELLENC_ID_END;
	}
	if (unlikely(!in_line))
	{
		if (term)
			term = memcpy(buf, term, CELLENC_TERM_LEN);
		pfree(head);
	}
	return term;
}

const uint8 *
cellenc_codec_stored_term(Datum value, uint8 *buf)
{
	CellencKeyVersion *version;

	return find_term(value, buf, &version);
}

CELLENC_HOT const uint8 *
cellenc_codec_term_to_compare(Datum value, uint8 *buf)
{
	CellencKeyVersion *version;
	const uint8 *term = find_term(value, buf, &version);

	if (term && !compare_allowed && !compare_in_command)
		cellenc_keyring_check(version->key, CELLENC_PRIV_DECRYPT);
	return term;
}

/*
 * Version and key of a value
 */

uint32
cellenc_codec_version_id(Datum value)
{
	PlainObject *object = as_object(value);
	struct varlena *head;
	uint8		format;
	uint32		version_id;
	CellencStatus status;

	if (object)
	{
		if (!object->sealed)
			return 0;
		head = object->sealed;
	}
	else
		head = value_head(value, CELLENC_ID_END);

	status = cellenc_envelope_parse_id((const uint8 *) VARDATA_ANY(head), VARSIZE_ANY_EXHDR(head),
									   &format, &version_id);
	if (unlikely(status != CELLENC_OK))
		cellenc_report_status(status);
	if (!object && (Pointer) head != DatumGetPointer(value))
		pfree(head);
	return version_id;
}

int32
cellenc_codec_object_typmod(Datum value)
{
	PlainObject *object = as_object(value);

	Assert(object);
	return object->typmod;
}

/*
 * Is a flat value already what a column of typmod stores: under its key, with
 * a valid term if and only if the column wants one?
 */
static bool
fits_typmod(const CellencTwin *twin, Datum value, int32 typmod)
{
	struct varlena *head = value_head(value, CELLENC_ID_END);
	uint8		format;
	uint32		version_id;
	CellencKeyVersion *version;
	CellencStatus status;

	status = cellenc_envelope_parse_id((const uint8 *) VARDATA_ANY(head), VARSIZE_ANY_EXHDR(head),
									   &format, &version_id);
	if ((Pointer) head != DatumGetPointer(value))
		pfree(head);
	if (status != CELLENC_OK)
		cellenc_report_status(status);

	version = cellenc_keyring_version(version_id);
	if (!version || version->key->row.name_hash != CELLENC_TYPMOD_HASH(typmod))
		return false;
	if (!wants_term(twin, typmod))
		return format == CELLENC_FORMAT_PLAIN;
	return format == CELLENC_FORMAT_TERM && cellenc_keyring_term_version(version_id) != NULL;
}

CELLENC_HOT Datum
cellenc_codec_apply(const CellencTwin *twin, Datum value, int32 typmod)
{
	PlainObject *object = as_object(value);

	/* pg_upgrade moves the files as they are, and no key is at hand */
	if (typmod < 0 || IsBinaryUpgrade)
		return value;

	if (object ? object->typmod == typmod : fits_typmod(twin, value, typmod))
	{
		cellenc_keyring_check(key_of_typmod(typmod), CELLENC_PRIV_ENCRYPT);
		return value;
	}
	return cellenc_codec_make(twin, open_value(twin, value, CELLENC_PRIV_DECRYPT), typmod);
}

void
cellenc_codec_authenticate(const CellencTwin *twin, Datum value)
{
	CellencEnvelope env;
	struct varlena *flat = parse_value(value, &env);
	char	   *bytes = palloc(Max(env.len, 1));

	open_bytes(twin, cellenc_keyring_usable_version(env.version_id, 0), &env, bytes);
	cellenc_cipher_wipe(bytes, env.len);
	pfree(bytes);
	if ((Pointer) flat != DatumGetPointer(value))
		pfree(flat);
}

bool
cellenc_codec_is_authentic(const CellencTwin *twin, Datum value)
{
	struct varlena *flat = detoast_packed(value);
	CellencEnvelope env;
	CellencStatus status;
	char	   *bytes;

	status = cellenc_envelope_parse((const uint8 *) VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat), &env);
	if (status == CELLENC_OK)
	{
		bytes = palloc(Max(env.len, 1));
		status = try_open_bytes(twin, cellenc_keyring_usable_version(env.version_id, 0), &env, bytes);
		cellenc_cipher_wipe(bytes, env.len);
		pfree(bytes);
	}
	if ((Pointer) flat != DatumGetPointer(value))
		pfree(flat);
	if (status != CELLENC_OK && status != CELLENC_BAD_TAG && status != CELLENC_BAD_FORMAT)
		cellenc_report_status(status);
	return status == CELLENC_OK;
}

struct varlena *
cellenc_codec_reseal(const CellencTwin *twin, Datum value)
{
	CellencEnvelope env;
	struct varlena *flat = parse_value(value, &env);
	CellencKeyVersion *version;
	Size		size = VARHDRSZ + cellenc_envelope_size(env.term != NULL, env.len);
	struct varlena *result = palloc(size);
	char	   *bytes = palloc(Max(env.len, 1));
	uint8		term[CELLENC_TERM_LEN];

	version = cellenc_keyring_usable_version(env.version_id, 0);
	open_bytes(twin, version, &env, bytes);

	/* the term belongs to the search key, which the rotation leaves alone */
	if (env.term)
		memcpy(term, env.term, CELLENC_TERM_LEN);

	SET_VARSIZE(result, size);
	seal_bytes(twin, cellenc_keyring_current_version(version->key), env.term ? term : NULL,
			   bytes, env.len, (uint8 *) VARDATA(result));
	cellenc_cipher_wipe(bytes, env.len);
	pfree(bytes);
	if ((Pointer) flat != DatumGetPointer(value))
		pfree(flat);
	return result;
}

Datum
cellenc_codec_seal_constant(const CellencTwin *twin, Datum value, int32 typmod)
{
	return EOHPGetRODatum(&make_object(twin, open_value(twin, value, 0), typmod)->hdr);
}

/*
 * Rights of the rewriter
 */

void
cellenc_codec_allow_compare(bool on)
{
	compare_allowed = on;
}

void
cellenc_codec_compare_in_command(bool on)
{
	compare_in_command = on;
}

static void
xact_ended(XactEvent event, void *arg)
{
	compare_allowed = false;
}

static void
subxact_ended(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		compare_allowed = false;
}

void
cellenc_codec_init(void)
{
	RegisterXactCallback(xact_ended, NULL);
	RegisterSubXactCallback(subxact_ended, NULL);
}
