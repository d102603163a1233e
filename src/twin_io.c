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
#include "utils/builtins.h"

#include "codec.h"
#include "compat.h"
#include "guc.h"
#include "keyring.h"
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
is_sealed_text(const char *str, int len)
{
	return len >= (int) strlen(SEALED_PREFIX) &&
		memcmp(str, SEALED_PREFIX, strlen(SEALED_PREFIX)) == 0;
}

static void
report_bad_sealed_text(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid sealed text of an encrypted value")));
}

/*
 * The flat value of a sealed text.  A version that is known must open it;
 * one that is not is accepted after the check of the form alone, because a
 * dump may bring rows before keys.
 */
Datum
cellenc_twin_parse_sealed(const CellencTwin *twin, const char *str, int len, int32 typmod)
{
	int			size;
	struct varlena *value;
	CellencEnvelope env;
	CellencKeyVersion *version;

	str += strlen(SEALED_PREFIX);
	len -= strlen(SEALED_PREFIX);
	size = pg_b64_dec_len(len);
	value = palloc(VARHDRSZ + size);
	size = pg_b64_decode(str, len, (void *) VARDATA(value), size);
	if (size < 0 ||
		cellenc_envelope_parse((const uint8 *) VARDATA(value), size, &env) != CELLENC_OK)
		report_bad_sealed_text();
	SET_VARSIZE(value, VARHDRSZ + size);

	if (IsBinaryUpgrade)
		return PointerGetDatum(value);

	version = cellenc_keyring_version(env.version_id);
	if (version)
	{
		cellenc_codec_authenticate(twin, PointerGetDatum(value));
		return cellenc_codec_apply(twin, PointerGetDatum(value), typmod);
	}
	return PointerGetDatum(value);
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


bool
cellenc_twin_reads_sealed(const char *str, int len)
{
	if (likely(!is_sealed_text(str, len)))
	{
		/* no key is used in pg_upgrade, so there is nothing to seal with */
		if (IsBinaryUpgrade)
			report_bad_sealed_text();
		return false;
	}
	if (cellenc_guc_input == CELLENC_TEXT_PLAIN && !IsBinaryUpgrade)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("sealed text is not accepted as an encrypted value"),
				 errdetail("The text is encrypted already and would be encrypted twice."),
				 errhint("Set cellenc.input to \"sealed\" to load sealed values.")));
	return true;
}

/*
 * Errors of the base's input
 */

/*
 * An error of the base's input function quotes the value; what reaches the
 * client and the log instead has its SQLSTATE and the type.  Errors of
 * another kind (out of memory, cancelled) pass as they are.
 */
static void
report_bad_input(const CellencTwin *twin, MemoryContext cxt)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(cxt);
	edata = CopyErrorData();
	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) != ERRCODE_DATA_EXCEPTION &&
		edata->sqlerrcode != ERRCODE_PROTOCOL_VIOLATION)
		PG_RE_THROW();
	FlushErrorState();
	ereport(ERROR,
			(errcode(edata->sqlerrcode),
			 errmsg("invalid input for encrypted type %s", format_type_be(twin->type)),
			 errdetail("The value is not a valid %s; it is not shown because it is sensitive.",
					   format_type_be(twin->base))));
}

/* text and bytea's relatives take any bytes: no need to be ready for errors. */
static bool
input_never_fails(Oid base)
{
	return base == TEXTOID || base == VARCHAROID;
}

static Datum
base_input(const CellencTwin *twin, char *str)
{
	FmgrInfo   *in = unconstify(FmgrInfo *, &twin->in);
	MemoryContext cxt = CurrentMemoryContext;
	Datum		base = (Datum) 0;

	if (input_never_fails(twin->base))
		return InputFunctionCall(in, str, twin->in_param, -1);

	PG_TRY();
	{
		base = InputFunctionCall(in, str, twin->in_param, -1);
	}
	PG_CATCH();
	{
		report_bad_input(twin, cxt);
	}
	PG_END_TRY();
	return base;
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
		report_bad_input(twin, cxt);
	}
	PG_END_TRY();
	return base;
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

	if (unlikely(cellenc_twin_reads_sealed(str, strlen(str))))
		return cellenc_twin_parse_sealed(twin, str, strlen(str), typmod);
	return cellenc_codec_make(twin, base_input(twin, str), typmod);
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

	if (unlikely(cellenc_twin_reads_sealed(rest, len)))
	{
		buf->cursor = buf->len;
		return cellenc_twin_parse_sealed(twin, rest, len, typmod);
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
