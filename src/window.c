/*-------------------------------------------------------------------------
 *
 * window.c
 *	  The time of day at which jobs run: setting cellenc.job_window.
 *
 * '22:00-05:00 Europe/Berlin': from the first time until just before the
 * second, over midnight where that is earlier.  Without a zone it is
 * log_timezone, which unlike TimeZone is the same in all sessions.
 *
 * Touches nothing else of ours.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "window.h"

typedef struct Window
{
	int			start;			/* minutes of the day */
	int			end;
	pg_tz	   *zone;			/* NULL: log_timezone */
} Window;

/* That of the setting; NULL: always open. */
static const Window *window = NULL;

static const char *
skip_blanks(const char *s)
{
	while (isspace((unsigned char) *s))
		s++;
	return s;
}

/* Read "22:00", not later than `latest`; NULL where it is not that. */
static const char *
parse_time(const char *s, int latest, int *minutes)
{
	int			hours = 0;
	int			digits = 0;

	for (; isdigit((unsigned char) *s) && digits < 2; digits++)
		hours = hours * 10 + *s++ - '0';
	if (digits == 0 || s[0] != ':' || !isdigit((unsigned char) s[1]) ||
		!isdigit((unsigned char) s[2]))
		return NULL;
	*minutes = hours * 60 + (s[1] - '0') * 10 + s[2] - '0';
	return s[1] >= '6' || *minutes > latest ? NULL : s + 3;
}

/* NULL, or what is wrong with s. */
static const char *
parse(const char *s, Window *result)
{
	static const char *const malformed = "It must be two times of day and a time zone, such as \"22:00-05:00 Europe/Berlin\".";
	const char *rest = parse_time(skip_blanks(s), 23 * 60 + 59, &result->start);

	if (rest)
		rest = skip_blanks(rest);
	if (!rest || *rest != '-')
		return malformed;
	rest = parse_time(skip_blanks(rest + 1), 24 * 60, &result->end);
	if (!rest || (*rest != '\0' && !isspace((unsigned char) *rest)))
		return malformed;
	if (result->start == result->end)
		return "The two times of day must differ.";

	rest = skip_blanks(rest);
	result->zone = NULL;
	if (*rest == '\0')
		return NULL;
	if (strlen(rest) <= TZ_STRLEN_MAX)
		result->zone = pg_tzset(rest);
	if (!result->zone)
		return "Its time zone is not known.";
	if (!pg_tz_acceptable(result->zone))
		return "Its time zone uses leap seconds, which PostgreSQL does not support.";
	return NULL;
}

bool
cellenc_window_check(char **newval, void **extra, GucSource source)
{
	Window		parsed;
	const char *problem;

	if (**newval == '\0')
		return true;
	problem = parse(*newval, &parsed);
	if (problem)
	{
		GUC_check_errdetail("%s", problem);
		return false;
	}
	*extra = cellenc_guc_malloc(sizeof(Window));
	if (!*extra)
		return false;
	memcpy(*extra, &parsed, sizeof(Window));
	return true;
}

void
cellenc_window_assign(const char *newval, void *extra)
{
	window = extra;
}

static bool
is_open(const Window *w, TimestampTz now, TimestampTz *opens)
{
	pg_tz	   *zone = w->zone ? w->zone : log_timezone;
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;
	int			minute;

	if (timestamp2tm(now, &offset, &tm, &fsec, NULL, zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	minute = tm.tm_hour * 60 + tm.tm_min;
	if (w->start < w->end ? minute >= w->start && minute < w->end
		: minute >= w->start || minute < w->end)
		return true;

	/* today, or tomorrow where it was open today already */
	if (minute >= w->start)
		j2date(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) + 1, &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday);
	tm.tm_hour = w->start / 60;
	tm.tm_min = w->start % 60;
	tm.tm_sec = 0;
	offset = DetermineTimeZoneOffset(&tm, zone);
	if (tm2timestamp(&tm, 0, &offset, opens) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));

	/* clocks that are put back show the same time twice */
	if (*opens <= now)
		*opens = now + USECS_PER_MINUTE;
	return false;
}

bool
cellenc_window_is_open(TimestampTz now, TimestampTz *opens)
{
	return !window || is_open(window, now, opens);
}

PG_FUNCTION_INFO_V1(cellenc_window_opens);

/*
 * cellenc.window_opens(job_window text, at timestamptz): when such a window,
 * closed at that time, opens next; NULL where it is open.  For tests.
 */
Datum
cellenc_window_opens(PG_FUNCTION_ARGS)
{
	Window		parsed;
	const char *problem = parse(text_to_cstring(PG_GETARG_TEXT_PP(0)), &parsed);
	TimestampTz opens;

	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid job window"),
				 errdetail_internal("%s", problem)));
	if (is_open(&parsed, PG_GETARG_TIMESTAMPTZ(1), &opens))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(opens);
}
