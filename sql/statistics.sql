--
-- Statistics hold no values
--
SELECT cellenc_create_key('statistics');
CREATE TYPE statistics_pair AS (a enctext('statistics'), b integer);
CREATE DOMAIN statistics_domain AS enctext('statistics');
CREATE DOMAIN statistics_array AS enctext('statistics')[];
CREATE DOMAIN statistics_pairs AS statistics_pair;
CREATE TABLE statistics_t (
	id integer, none enctext('statistics'), eq enctext('statistics', 'equality'), ord encint4('statistics', 'order'),
	uniq encint4('statistics', 'equality'), arr enctext('statistics')[], eqarr enctext('statistics', 'equality')[], dom statistics_domain,
	domarr statistics_array, arrdom statistics_domain[], pair statistics_pair, pairs statistics_pair[], dompair statistics_pairs,
	b encbool('statistics'), nothing enctext('statistics'), plain integer);
INSERT INTO statistics_t
SELECT i, 'secret' || i % 5, 'secret' || i % 5, i % 5, i, ARRAY['secret', 'b' || i % 5], ARRAY['secret', 'b' || i % 5], 'secret' || i % 5,
	ARRAY['secret'], ARRAY['secret', 'c'], ROW('secret'::enctext, i % 5)::statistics_pair, ARRAY[ROW('secret'::enctext, i % 5)::statistics_pair], ROW('secret'::enctext, 1)::statistics_pair, i % 2 = 0, NULL, i % 5
FROM generate_series(1, 1000) i;
UPDATE statistics_t SET none = NULL, eq = NULL WHERE id <= 250;
ANALYZE statistics_t;
SELECT attname, null_frac, CASE WHEN attname IN ('nothing', 'plain', 'id') THEN avg_width END AS width, n_distinct,
	most_common_vals IS NOT NULL AS mcv, histogram_bounds IS NOT NULL AS histogram, correlation IS NOT NULL AS correlation,
	most_common_elems IS NOT NULL AS mce, elem_count_histogram IS NOT NULL AS elements
FROM pg_stats WHERE tablename = 'statistics_t' ORDER BY attname;
-- nothing in any slot of the rows themselves, but for the two plain columns
SELECT a.attname, stakind1, stakind2, stakind3, stakind4, stakind5, stawidth > 45 AS wide
FROM pg_statistic s JOIN pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum
WHERE s.starelid = 'statistics_t'::regclass AND a.attname NOT IN ('id', 'plain')
	AND (stakind1, stakind2, stakind3, stakind4, stakind5) <> (0, 0, 0, 0, 0)
ORDER BY a.attnum;

-- nothing is opened or sealed, and no right to the key is needed
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
ANALYZE statistics_t;
SELECT sealed - :sealed0 AS sealed, opened - :opened0 AS opened FROM cellenc.codec_counts();
CREATE ROLE regress_cellenc_statistics;
ALTER TABLE statistics_t OWNER TO regress_cellenc_statistics;
SET ROLE regress_cellenc_statistics;
ANALYZE statistics_t;
VACUUM ANALYZE statistics_t;
RESET ROLE;
ALTER TABLE statistics_t OWNER TO CURRENT_USER;
DROP ROLE regress_cellenc_statistics;

-- partitions and inheritance
CREATE TABLE statistics_p (id integer, v enctext('statistics', 'equality')) PARTITION BY RANGE (id);
CREATE TABLE statistics_p1 PARTITION OF statistics_p FOR VALUES FROM (0) TO (500);
CREATE TABLE statistics_p2 PARTITION OF statistics_p FOR VALUES FROM (500) TO (1001);
INSERT INTO statistics_p SELECT i, 'secret' || i % 7 FROM generate_series(1, 1000) i;
ANALYZE statistics_p;
SELECT tablename, inherited, null_frac, n_distinct, most_common_vals, histogram_bounds
FROM pg_stats WHERE tablename LIKE 'statistics\_p%' AND attname = 'v' ORDER BY tablename;

-- plans can be made without them
SET enable_seqscan = off;
SELECT count(*) FROM statistics_t a JOIN statistics_t b ON a.eq = b.eq WHERE a.none = 'secret1' AND a.ord BETWEEN 1 AND 3 AND b.id < 300;
RESET enable_seqscan;
-- nothing to sample
CREATE TABLE statistics_empty (v enctext('statistics'), a enctext('statistics')[]);
ANALYZE statistics_empty;
SELECT count(*) FROM pg_stats WHERE tablename = 'statistics_empty';
INSERT INTO statistics_empty VALUES (NULL, NULL), (NULL, NULL);
ANALYZE statistics_empty;
SELECT attname, null_frac, n_distinct FROM pg_stats WHERE tablename = 'statistics_empty' ORDER BY attname;
-- statistics of their own for expressions: refused where they would open
\set VERBOSITY terse
CREATE INDEX ON statistics_t (upper(none));
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON statistics_t (id) WHERE none = 'secret1';
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default

SET client_min_messages = warning;
DROP TABLE statistics_t, statistics_p, statistics_empty;
DROP TYPE statistics_pair CASCADE;
DROP DOMAIN statistics_domain, statistics_array;
