/*-------------------------------------------------------------------------
 *
 * term.c
 *	  Terms: keyed hashes of values in a canonical form.
 *
 * The canonical bytes are part of the frozen format: two values that compare
 * as equal must have the same bytes on every platform and in every server
 * encoding, and never others.  Touches the base types and the envelope only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "catalog/pg_type.h"
#include "common/int128.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "envelope.h"
#include "report.h"
#include "term.h"

const char *
cellenc_term_class(Oid base)
{
	switch (base)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return "integer";
		case FLOAT4OID:
		case FLOAT8OID:
			return "float";
		case NUMERICOID:
			return "numeric";
		case TEXTOID:
		case VARCHAROID:
			return "text";
		case BYTEAOID:
			return "bytea";
		case UUIDOID:
			return "uuid";
		case DATEOID:
			return "date";
		case TIMEOID:
			return "time";
		case TIMESTAMPOID:
			return "timestamp";
		case TIMESTAMPTZOID:
			return "timestamptz";
		case INTERVALOID:
			return "interval";
		case JSONBOID:
			return "jsonb";
		case INETOID:
			return "inet";
		default:
			return NULL;
	}
}

/* −0 as 0, and one NaN. */
static void
append_float(StringInfo buf, float8 value)
{
	uint64		bits;

	if (isnan(value))
		bits = UINT64CONST(0x7FF8000000000000);
	else
	{
		if (value == 0)
			value = 0;			/* no longer −0 */
		memcpy(&bits, &value, sizeof(bits));
	}
	pq_sendint64(buf, bits);
}

static void
append_utf8(StringInfo buf, const char *str, int len)
{
	char	   *utf8 = pg_server_to_any(str, len, PG_UTF8);

	appendBinaryStringInfo(buf, utf8, utf8 == str ? len : (int) strlen(utf8));
}

/*
 * What interval_cmp compares: all as microseconds, a month as 30 days.  The
 * sum needs 128 bits; it is split into high and low half by hand, because not
 * every platform has such an integer.
 */
static void
append_interval(StringInfo buf, const Interval *value)
{
	int64		days = (int64) value->month * INT64CONST(30) + value->day;
	INT128		span = int64_to_int128(value->time);
	uint64		low;
	int64		high;

	int128_add_int64_mul_int64(&span, days, USECS_PER_DAY);
#if USE_NATIVE_INT128
	low = (uint64) span;
	high = (int64) (span >> 64);
#else
	low = span.lo;
	high = span.hi;
#endif
	pq_sendint64(buf, (uint64) high);
	pq_sendint64(buf, low);
}

/* The byte that stands for a token, whatever number PostgreSQL gives it. */
static char
jsonb_token_byte(JsonbIteratorToken token)
{
	switch (token)
	{
		case WJB_KEY:
			return 'k';
		case WJB_VALUE:
			return 'v';
		case WJB_ELEM:
			return 'e';
		case WJB_BEGIN_ARRAY:
			return '[';
		case WJB_END_ARRAY:
			return ']';
		case WJB_BEGIN_OBJECT:
			return '{';
		case WJB_END_OBJECT:
			return '}';
		default:
			elog(ERROR, "unexpected jsonb token: %d", (int) token);
	}
}

/*
 * The token stream of a jsonb value: a byte for the token, length and bytes
 * for keys and strings, numbers as numeric.  jsonb has sorted and deduplicated
 * its keys already.
 */
static void
append_jsonb(StringInfo buf, Jsonb *value)
{
	JsonbIterator *it = JsonbIteratorInit(&value->root);
	JsonbValue	v;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		StringInfoData scalar;

		pq_sendbyte(buf, jsonb_token_byte(token));
		if (token == WJB_BEGIN_ARRAY)
			pq_sendbyte(buf, v.val.array.rawScalar);
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;

		initStringInfo(&scalar);
		switch (v.type)
		{
			case jbvNull:
				pq_sendbyte(&scalar, 'z');
				break;
			case jbvBool:
				pq_sendbyte(&scalar, v.val.boolean ? 't' : 'f');
				break;
			case jbvNumeric:
				pq_sendbyte(&scalar, 'n');
				appendStringInfoString(&scalar, numeric_normalize(v.val.numeric));
				break;
			case jbvString:
				pq_sendbyte(&scalar, 's');
				append_utf8(&scalar, v.val.string.val, v.val.string.len);
				break;
			default:
				elog(ERROR, "unexpected jsonb value type: %d", (int) v.type);
		}
		pq_sendint32(buf, (uint32) scalar.len);
		appendBinaryStringInfo(buf, scalar.data, scalar.len);
		pfree(scalar.data);
	}
}

static void
append_inet(StringInfo buf, inet *value)
{
	pq_sendbyte(buf, ip_family(value) == PGSQL_AF_INET ? 4 : 6);
	pq_sendbyte(buf, ip_bits(value));
	appendBinaryStringInfo(buf, (const char *) ip_addr(value), ip_addrsize(value));
}

static void
append_canonical(StringInfo buf, Oid base, Datum plain)
{
	struct varlena *flat = NULL;

	if (base == TEXTOID || base == VARCHAROID || base == BYTEAOID)
		flat = PG_DETOAST_DATUM_PACKED(plain);

	switch (base)
	{
		case INT2OID:
			pq_sendint64(buf, (uint64) (int64) DatumGetInt16(plain));
			break;
		case INT4OID:
			pq_sendint64(buf, (uint64) (int64) DatumGetInt32(plain));
			break;
		case INT8OID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			pq_sendint64(buf, (uint64) DatumGetInt64(plain));
			break;
		case DATEOID:
			pq_sendint32(buf, (uint32) DatumGetDateADT(plain));
			break;
		case FLOAT4OID:
			append_float(buf, DatumGetFloat4(plain));
			break;
		case FLOAT8OID:
			append_float(buf, DatumGetFloat8(plain));
			break;
		case NUMERICOID:
			appendStringInfoString(buf, numeric_normalize(DatumGetNumeric(plain)));
			break;
		case TEXTOID:
		case VARCHAROID:
			append_utf8(buf, VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat));
			break;
		case BYTEAOID:
			appendBinaryStringInfo(buf, VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat));
			break;
		case UUIDOID:
			appendBinaryStringInfo(buf, (const char *) DatumGetUUIDP(plain)->data, UUID_LEN);
			break;
		case INTERVALOID:
			append_interval(buf, DatumGetIntervalP(plain));
			break;
		case JSONBOID:
			append_jsonb(buf, DatumGetJsonbP(plain));
			break;
		case INETOID:
			append_inet(buf, DatumGetInetPP(plain));
			break;
		default:
			elog(ERROR, "type %u has no term", base);
	}
}

void
cellenc_term_compute(CellencMac *mac, Oid base, Datum plain, uint8 *term)
{
	const char *term_class = cellenc_term_class(base);
	CellencStatus status;

	/* rows of keys were restored, and that of the search key not yet */
	if (unlikely(!mac))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("this database has no search key"),
				 errdetail("Values of columns with search \"equality\" or \"order\" carry a hash made with it."),
				 errhint("Restore or import the keys completely.")));

	/* the commonest needs no buffer */
	if ((base == TEXTOID || base == VARCHAROID) &&
		(GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII))
	{
		struct varlena *flat = PG_DETOAST_DATUM_PACKED(plain);

		status = cellenc_envelope_term(mac, term_class, VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat),
									   term);
	}
	else
	{
		StringInfoData buf;

		initStringInfo(&buf);
		append_canonical(&buf, base, plain);
		status = cellenc_envelope_term(mac, term_class, buf.data, buf.len, term);
		cellenc_cipher_wipe(buf.data, buf.len);
		pfree(buf.data);
	}
	if (status != CELLENC_OK)
		cellenc_report_status(status);
}
