/*-------------------------------------------------------------------------
 *
 * twin_io.c
 *	  Input, output, receive and send functions of all encrypted types.
 *
 * One C function each serves every twin: the type is the declared result or
 * argument type of the function that was called.  Text and binary forms are
 * the base type's, or sealed text where cellenc.output and cellenc.input (or
 * pg_upgrade) ask for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/base64.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_node.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "codec.h"
#include "compat.h"
#include "guc.h"
#include "keyring.h"
#include "literal.h"
#include "redact.h"
#include "report.h"
#include "twin.h"

#define SEALED_PREFIX	"cellenc:1:"

PG_FUNCTION_INFO_V1(cellenc_twin_in);
PG_FUNCTION_INFO_V1(cellenc_twin_out);
PG_FUNCTION_INFO_V1(cellenc_twin_recv);
PG_FUNCTION_INFO_V1(cellenc_twin_send);

/*
 * Sealed text
 */

static bool
has_prefix(const char *str, int len)
{
	return len >= (int) strlen(SEALED_PREFIX) &&
		memcmp(str, SEALED_PREFIX, strlen(SEALED_PREFIX)) == 0;
}

CELLENC_HOT bool
cellenc_twin_is_sealed_text(const char *str, int len)
{
	/* no key is used in pg_upgrade, so there is nothing to seal with */
	return unlikely(has_prefix(str, len) || IsBinaryUpgrade);
}

static char *
sealed_text(Datum value)
{
	struct varlena *flat = PG_DETOAST_DATUM_PACKED(value);
	int			size = pg_b64_enc_len(VARSIZE_ANY_EXHDR(flat));
	char	   *result = palloc(strlen(SEALED_PREFIX) + size + 1);

	strcpy(result, SEALED_PREFIX);
	size = pg_b64_encode((const void *) VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat),
						 result + strlen(SEALED_PREFIX), size);
	if (size < 0)
		elog(ERROR, "could not encode an encrypted value");
	result[strlen(SEALED_PREFIX) + size] = '\0';
	return result;
}

/* What would be written is read: PostgreSQL also takes an '=' in other places, and bits left over. */
static bool
is_text_of(struct varlena *value, const char *str, int len)
{
	char	   *again = sealed_text(PointerGetDatum(value));
	bool		result = (int) strlen(again) == len && memcmp(again, str, len) == 0;

	pfree(again);
	return result;
}

struct varlena *
cellenc_twin_decode_sealed(const char *str, int len)
{
	struct varlena *value;
	int			prefix_len = strlen(SEALED_PREFIX);
	int			size;
	CellencEnvelope env;

	if (!has_prefix(str, len))
		return NULL;
	size = pg_b64_dec_len(len - prefix_len);
	value = palloc(VARHDRSZ + size);
	size = pg_b64_decode(str + prefix_len, len - prefix_len, (void *) VARDATA(value), size);
	if (size < 0 ||
		cellenc_envelope_parse((const uint8 *) VARDATA(value), size, &env) != CELLENC_OK)
		return NULL;
	SET_VARSIZE(value, VARHDRSZ + size);
	return is_text_of(value, str, len) ? value : NULL;
}

/*
 * The flat value of a sealed text.  A version that is known must open it;
 * one that is not is accepted after the check of the form alone, because a
 * dump may bring rows before keys.
 */
Datum
cellenc_twin_parse_sealed(const CellencTwin *twin, const char *str, int len, int32 typmod,
						  fmNodePtr context)
{
	struct varlena *value;

	if (cellenc_guc_input == CELLENC_TEXT_PLAIN && !IsBinaryUpgrade)
	{
		errsave(context,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("sealed text is not accepted as an encrypted value"),
				 errdetail("The text is encrypted already and would be encrypted twice."),
				 errhint("Set cellenc.input to \"sealed\" to load sealed values.")));
		return (Datum) 0;
	}

	value = cellenc_twin_decode_sealed(str, len);
	if (!value)
	{
		errsave(context,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid sealed text of an encrypted value")));
		return (Datum) 0;
	}

	if (!IsBinaryUpgrade && cellenc_keyring_version(cellenc_codec_version_id(PointerGetDatum(value))))
	{
		cellenc_codec_authenticate(twin, PointerGetDatum(value));
		return cellenc_codec_apply(twin, PointerGetDatum(value), typmod);
	}
	return PointerGetDatum(value);
}

/*
 * Does this value print as sealed text?  Constants, which are under the
 * literal key, never do but in pg_upgrade: they are part of the schema.
 */
static bool
prints_sealed(Datum value)
{
	uint32		version_id;
	CellencKeyVersion *version;

	if (likely(cellenc_guc_output == CELLENC_TEXT_PLAIN && !IsBinaryUpgrade))
		return false;
	if (IsBinaryUpgrade)
		return true;

	version_id = cellenc_codec_version_id(value);
	if (version_id == 0)
		return cellenc_codec_object_typmod(value) >= 0;
	version = cellenc_keyring_version(version_id);
	return !version || !version->key->literal;
}

/*
 * Errors of the base's input
 */

/* What is said instead; an argument of ereport(). */
static int
bad_input(const CellencTwin *twin, int sqlerrcode)
{
	errcode(sqlerrcode);
	errmsg("invalid input for encrypted type %s", format_type_be(twin->type));
	errdetail("The value is not a valid %s; it is not shown because it is sensitive.",
			  format_type_be(twin->base));
	return 0;
}

void
cellenc_twin_rethrow_input_error(const CellencTwin *twin, MemoryContext cxt)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(cxt);
	edata = CopyErrorData();
	if (cellenc_redact_about_the_server(edata->sqlerrcode))
		PG_RE_THROW();
	FlushErrorState();
	ereport(ERROR, bad_input(twin, edata->sqlerrcode));
}

/* text and bytea's relatives take any bytes: no need to be ready for errors. */
static bool
input_never_fails(Oid base)
{
	return base == TEXTOID || base == VARCHAROID;
}

/* False where an error went to save (NULL: all are thrown). */
static bool
call_base_input(const CellencTwin *twin, char *str, ErrorSaveContext *save, Datum *base)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool valid = false;

	PG_TRY();
	{
		valid = InputFunctionCallSafe(unconstify(FmgrInfo *, &twin->in), str, twin->in_param, -1,
									  (fmNodePtr) save, base);
	}
	PG_CATCH();
	{
		cellenc_twin_rethrow_input_error(twin, cxt);
	}
	PG_END_TRY();
	return valid;
}

/*
 * The value that str is of the base type.  False where an error went to
 * context, which gets one of ours in place of the base's.
 */
static bool
base_input(const CellencTwin *twin, char *str, fmNodePtr context, Datum *base)
{
	ErrorSaveContext *outer = cellenc_save_context(context);
	ErrorSaveContext inner;

	if (input_never_fails(twin->base))
	{
		*base = InputFunctionCall(unconstify(FmgrInfo *, &twin->in), str, twin->in_param, -1);
		return true;
	}
	if (!outer)
		return call_base_input(twin, str, NULL, base);

	memset(&inner, 0, sizeof(inner));
	inner.type = T_ErrorSaveContext;
	inner.details_wanted = outer->details_wanted;
	if (call_base_input(twin, str, &inner, base))
		return true;
	errsave(context, bad_input(twin, inner.error_data ? inner.error_data->sqlerrcode : ERRCODE_DATA_EXCEPTION));
	return false;
}

static Datum
base_receive(const CellencTwin *twin, StringInfo buf)
{
	FmgrInfo   *recv = unconstify(FmgrInfo *, &twin->recv);
	MemoryContext cxt = CurrentMemoryContext;
	Datum		base = (Datum) 0;

	PG_TRY();
	{
		base = ReceiveFunctionCall(recv, buf, twin->in_param, -1);
	}
	PG_CATCH();
	{
		cellenc_twin_rethrow_input_error(twin, cxt);
	}
	PG_END_TRY();
	return base;
}

/*
 * Constants
 */

/*
 * Does the parser read a literal?  It leaves this callback on top to tell
 * where in the text an error is, and nothing but such a literal is read below.
 */
static bool
is_literal_of_statement(void)
{
	static void (*callback) (void *arg) = NULL;

	if (!callback)
	{
		ParseCallbackState state;

		setup_parser_errposition_callback(&state, NULL, -1);
		callback = error_context_stack->callback;
		cancel_parser_errposition_callback(&state);
	}
	return error_context_stack && error_context_stack->callback == callback;
}

/*
 * In the literal of a composite type, a value comes with its column's type
 * modifier.  A dump has such literals in defaults, views and functions, and
 * brings the keys later; until the constant is used, the key for constants
 * will do (see plan_constant.c).
 */
static int32
typmod_of_input(int32 typmod)
{
	if (unlikely(!check_function_bodies) && typmod >= 0 && is_literal_of_statement() &&
		!cellenc_keyring_key_by_hash(CELLENC_TYPMOD_HASH(typmod)))
		return -1;
	return typmod;
}

/*
 * The functions
 */

Datum
cellenc_twin_in(PG_FUNCTION_ARGS)
{
	char	   *str = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	const CellencTwin *twin = cellenc_twin_of_result(fcinfo->flinfo);
	Datum		base;

	cellenc_redact_touch();
	if (cellenc_twin_is_sealed_text(str, strlen(str)))
		return cellenc_twin_parse_sealed(twin, str, strlen(str), typmod, fcinfo->context);
	if (!base_input(twin, str, fcinfo->context, &base))
		return (Datum) 0;
	typmod = typmod_of_input(typmod);
	if (typmod < 0 && is_literal_of_statement())
		return cellenc_literal_seal(twin, base);
	return cellenc_codec_make(twin, base, typmod);
}

Datum
cellenc_twin_out(PG_FUNCTION_ARGS)
{
	Datum		value = PG_GETARG_DATUM(0);
	const CellencTwin *twin = cellenc_twin_of_argument(fcinfo->flinfo);

	if (unlikely(prints_sealed(value)))
		PG_RETURN_CSTRING(sealed_text(value));
	PG_RETURN_CSTRING(OutputFunctionCall(unconstify(FmgrInfo *, &twin->out),
										 cellenc_codec_open(twin, value)));
}

Datum
cellenc_twin_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	const CellencTwin *twin = cellenc_twin_of_result(fcinfo->flinfo);
	char	   *rest = buf->data + buf->cursor;
	int			len = buf->len - buf->cursor;

	cellenc_redact_touch();
	if (cellenc_twin_is_sealed_text(rest, len))
	{
		buf->cursor = buf->len;
		return cellenc_twin_parse_sealed(twin, rest, len, typmod, NULL);
	}
	return cellenc_codec_make(twin, base_receive(twin, buf), typmod);
}

Datum
cellenc_twin_send(PG_FUNCTION_ARGS)
{
	Datum		value = PG_GETARG_DATUM(0);
	const CellencTwin *twin = cellenc_twin_of_argument(fcinfo->flinfo);

	if (unlikely(prints_sealed(value)))
		PG_RETURN_TEXT_P(cstring_to_text(sealed_text(value)));
	PG_RETURN_BYTEA_P(SendFunctionCall(unconstify(FmgrInfo *, &twin->send),
									   cellenc_codec_open(twin, value)));
}
