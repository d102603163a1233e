/*-------------------------------------------------------------------------
 *
 * analyze.c
 *	  Statistics of encrypted columns, which hold no value.
 *
 * Only the null fraction, the width and, where values carry a term, the
 * number of distinct values are stored; no common values and no histogram,
 * neither open nor sealed.  Nothing is opened, so autovacuum needs no key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "commands/vacuum.h"
#include "fmgr.h"

#include "codec.h"
#include "compat.h"
#include "report.h"
#include "twin.h"

PG_FUNCTION_INFO_V1(cellenc_analyze);
PG_FUNCTION_INFO_V1(cellenc_array_analyze);

/* Rows to sample for each unit of the statistics target, as std_typanalyze. */
#define ROWS_PER_TARGET 300

static int
compare_uint64(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

/*
 * Number of distinct values in the table, as pg_statistic wants it, from n
 * sampled terms: the estimator of Haas and Stokes that
 * compute_distinct_stats() in core uses.
 */
static double
estimate_distinct(uint64 *terms, int n, double nonnull_rows, double total_rows)
{
	int			distinct = 0;
	int			once = 0;
	double		estimate;

	qsort(terms, n, sizeof(uint64), compare_uint64);
	for (int i = 0; i < n;)
	{
		int			j = i + 1;

		while (j < n && terms[j] == terms[i])
			j++;
		distinct++;
		if (j == i + 1)
			once++;
		i = j;
	}

	if (once == distinct)
		return -nonnull_rows / total_rows;	/* taken as unique */
	if (once == 0)
		return distinct;		/* every value seen more than once */

	estimate = ((double) n * distinct) / ((n - once) + once * n / nonnull_rows);
	estimate = Min(Max(estimate, distinct), nonnull_rows);
	estimate = floor(estimate + 0.5);
	return estimate > 0.1 * total_rows ? -estimate / total_rows : estimate;
}

static void
compute(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetchfunc, int samplerows, double totalrows,
		bool use_terms)
{
	uint64	   *terms = palloc(sizeof(uint64) * Max(samplerows, 1));
	int			nterms = 0;
	int			nulls = 0;
	double		width = 0;
	int			nonnull;

	for (int i = 0; i < samplerows; i++)
	{
		bool		isnull;
		Datum		value = fetchfunc(stats, i, &isnull);
		uint8		buf[CELLENC_TERM_LEN];
		const uint8 *term;

		vacuum_delay_point(true);
		if (isnull)
		{
			nulls++;
			continue;
		}
		width += VARSIZE_ANY(DatumGetPointer(value));
		term = use_terms ? cellenc_codec_stored_term(value, buf) : NULL;
		if (term)
			memcpy(&terms[nterms++], term, sizeof(uint64));
	}

	nonnull = samplerows - nulls;
	if (samplerows == 0)
		return;

	stats->stats_valid = true;
	stats->stanullfrac = (double) nulls / samplerows;
	stats->stawidth = nonnull > 0 ? (int) (width / nonnull) : 0;
	if (nonnull == 0)
		stats->stadistinct = 0.0;
	else if (nterms == nonnull)
		stats->stadistinct = estimate_distinct(terms, nterms,
											   totalrows * nonnull / samplerows, totalrows);
	else
		stats->stadistinct = 0.0;	/* unknown */
	pfree(terms);
}

static void
compute_twin(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetchfunc, int samplerows, double totalrows)
{
	compute(stats, fetchfunc, samplerows, totalrows, true);
}

static void
compute_array(VacAttrStatsP stats, AnalyzeAttrFetchFunc fetchfunc, int samplerows, double totalrows)
{
	compute(stats, fetchfunc, samplerows, totalrows, false);
}

static bool
prepare(VacAttrStats *stats, AnalyzeAttrComputeStatsFunc compute_stats)
{
	CELLENC_CHECK_PRELOAD();
	if (cellenc_compat_stats_target(stats) < 0)
		cellenc_compat_stats_target(stats) = default_statistics_target;
	stats->compute_stats = compute_stats;
	stats->minrows = ROWS_PER_TARGET * cellenc_compat_stats_target(stats);
	return true;
}

Datum
cellenc_analyze(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(prepare((VacAttrStats *) PG_GETARG_POINTER(0), compute_twin));
}

/* For arrays of twins: core's would store their commonest elements. */
Datum
cellenc_array_analyze(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(prepare((VacAttrStats *) PG_GETARG_POINTER(0), compute_array));
}
