--
-- When values are sealed and opened, under which key, and how large they are
--
\getenv abs_builddir PG_ABS_BUILDDIR
SELECT cellenc_create_key('sealing_a');
SELECT cellenc_create_key('sealing_b');
SET max_parallel_workers_per_gather = 0;
CREATE TABLE sealing (id integer, v enctext('sealing_a'), n encint8('sealing_a'), w text);
CREATE TABLE sealing_same (id integer, v enctext('sealing_a'), n encint8('sealing_a'));
CREATE TABLE sealing_other (id integer, v enctext('sealing_b'), n encint8('sealing_b'));
CREATE TABLE sealing_b (id integer, v enctext('sealing_b'));
CREATE TABLE sealing_equal (id integer, v enctext('sealing_a', 'equality'), n encint8('sealing_a', 'equality'));
CREATE TABLE sealing_order (id integer, v enctext('sealing_a', 'order'), n encint8('sealing_a', 'order'));

-- what was sealed and opened since the last call of this
\set counts 'SELECT sealed - :sealed0 AS sealed, opened - :opened0 AS opened FROM cellenc.codec_counts();'

-- one seal for each parameter
PREPARE p2 (integer, text, int8) AS INSERT INTO sealing VALUES ($1, $2, $3);
PREPARE p3 (text, integer) AS UPDATE sealing SET v = $1 WHERE id = $2;
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
EXECUTE p2(1, 'one', 1);
:counts
EXECUTE p2(2, NULL, NULL);
:counts
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
SET plan_cache_mode = force_generic_plan;
EXECUTE p2(3, 'three', 3);
RESET plan_cache_mode;
:counts
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
EXECUTE p3('zwei', 2);
:counts

-- for each expression
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
INSERT INTO sealing SELECT i, 'row ' || i, i * 10, 'w' FROM generate_series(4, 13) i;
:counts
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
UPDATE sealing SET v = upper(v) WHERE id > 3;
:counts

-- and for each value of a COPY
\set file :abs_builddir '/results/cellenc_sealing.copy'
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
COPY sealing (id, v, n) FROM STDIN;
20	copied	1
21	copied	2
22	\N	3
\.
:counts
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
COPY (SELECT v, n FROM sealing WHERE id >= 20) TO :'file' (FORMAT binary);
:counts
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
COPY sealing (v, n) FROM :'file' (FORMAT binary);
:counts

-- none for what is copied within one key, or left alone
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
INSERT INTO sealing_same SELECT id, v, n FROM sealing;
UPDATE sealing SET w = 'changed';
UPDATE sealing SET v = v, id = id;
UPDATE sealing_same t SET v = s.v FROM sealing s WHERE s.id = t.id;
CREATE TABLE sealing_as AS SELECT v, n, id FROM sealing;
CREATE TABLE sealing_into AS TABLE sealing;
CREATE MATERIALIZED VIEW sealing_mv AS SELECT v AS v2, n FROM sealing;
REFRESH MATERIALIZED VIEW sealing_mv;
ALTER TABLE sealing_as ADD COLUMN x integer DEFAULT length(current_user);
ALTER TABLE sealing_into ALTER COLUMN id TYPE bigint;
VACUUM FULL sealing_as;
ANALYZE sealing;
DELETE FROM sealing_same WHERE id < 3;
SELECT count(*), count(v), count(cellenc_key_name(v)) FROM sealing_as;
DO $$
DECLARE
	r sealing%ROWTYPE;
	x enctext('sealing_a');
BEGIN
	FOR r IN SELECT * FROM sealing LOOP
		INSERT INTO sealing_into SELECT r.*;
		x := r.v;
		UPDATE sealing_same SET v = x WHERE id = r.id;
	END LOOP;
END
$$;
:counts

-- one of each for a value that moves to another key
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
INSERT INTO sealing_other SELECT id, v, n FROM sealing WHERE id BETWEEN 4 AND 13;
:counts
SELECT count(*), count(*) FILTER (WHERE cellenc_key_name(v) = 'sealing_b' AND cellenc_key_name(n) = 'sealing_b') AS moved FROM sealing_other;
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
ALTER TABLE sealing_other ALTER COLUMN v TYPE enctext('sealing_a');
:counts
SELECT cellenc_key_name(v), cellenc_key_name(n), count(*) FROM sealing_other GROUP BY 1, 2;
SELECT id, v, n FROM sealing_other EXCEPT SELECT id, v, n FROM sealing;

-- or between columns with a term and without
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
INSERT INTO sealing_equal SELECT id, v, n FROM sealing WHERE id BETWEEN 4 AND 13;
:counts
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
INSERT INTO sealing_order SELECT id, v, n FROM sealing_equal;
:counts
INSERT INTO sealing_equal SELECT * FROM sealing_order;
:counts
INSERT INTO sealing_same SELECT 100 + id, v, n FROM sealing_equal WHERE id = 4;
:counts

-- a value of an older version is copied as it is
SELECT cellenc_rotate_key('sealing_a', false);
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
INSERT INTO sealing_same SELECT 200 + id, v, n FROM sealing WHERE id = 4;
:counts
SELECT cellenc_key_version(v) FROM sealing_same WHERE id = 204;
UPDATE sealing_same SET v = v || '' WHERE id = 204;
SELECT cellenc_key_version(v), cellenc_key_version(n) FROM sealing_same WHERE id = 204;

-- equal terms are compared without opening
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
SELECT count(*) FROM (SELECT DISTINCT v FROM sealing_equal) s;
SELECT count(*) FROM sealing_equal a JOIN sealing_order b ON a.v OPERATOR(cellenc.=) b.v WHERE a.id = 4;
:counts

-- a constant is sealed afresh for every row; the session below shows the bytes
TRUNCATE sealing, sealing_same, sealing_equal, sealing_order, sealing_other;
INSERT INTO sealing SELECT i, 'constant', 7 FROM generate_series(1, 5) i;
INSERT INTO sealing_same VALUES (1, 'constant'), (2, 'constant'), (3, 'constant');
INSERT INTO sealing_equal SELECT i, 'constant', 7 FROM generate_series(1, 5) i;
UPDATE sealing SET w = 'x', n = 8;
CREATE TABLE sealing_default (id integer);
INSERT INTO sealing_default SELECT generate_series(1, 5);
ALTER TABLE sealing_default ADD COLUMN v enctext('sealing_a') DEFAULT 'constant', ADD COLUMN n encint4('sealing_a') NOT NULL DEFAULT 42;
INSERT INTO sealing_default (id) SELECT generate_series(6, 8);
SELECT attname, atthasmissing FROM pg_attribute WHERE attrelid = 'sealing_default'::regclass AND attnum > 0 ORDER BY attnum;
DO $$
BEGIN
	FOR i IN 1 .. 5 LOOP
		INSERT INTO sealing_order VALUES (i, 'constant', 7);
	END LOOP;
END
$$;
PREPARE p4 AS INSERT INTO sealing_other VALUES (1, 'constant', 7);
EXECUTE p4;
EXECUTE p4;
EXECUTE p4;

-- sizes: 45 bytes more than the plaintext, 61 with a term
CREATE TABLE sealing_size (search text, t enctext('sealing_a'), te enctext('sealing_a', 'equality'), tor enctext('sealing_a', 'order'),
	b encbytea('sealing_a'), i2 encint2('sealing_a'), i4 encint4('sealing_a', 'order'), i8 encint8('sealing_a'),
	bo encbool('sealing_a'), d encdate('sealing_a'), u encuuid('sealing_a', 'equality'), f8 encfloat8('sealing_a'), iv encinterval('sealing_a'));
INSERT INTO sealing_size
SELECT repeat('x', l), repeat('x', l), repeat('x', l), repeat('x', l), repeat('x', l)::bytea, 1, 1, 1, true, now(), gen_random_uuid(), 1, '1 day'
FROM unnest(ARRAY[0, 1, 20, 81, 82, 126, 127, 3000, 100000]) l;

\c -reuse-previous=on "options='-c cellenc.output=sealed'"
CREATE FUNCTION sealing_bytes(v text) RETURNS bytea LANGUAGE sql AS $$
	SELECT CASE WHEN v LIKE 'cellenc:1:%' THEN decode(substr(v, 11), 'base64') END
$$;
SELECT length(search) AS plain, octet_length(sealing_bytes(format('%s', t))) - length(search) AS none,
	octet_length(sealing_bytes(format('%s', te))) - length(search) AS equality,
	octet_length(sealing_bytes(format('%s', tor))) - length(search) AS order,
	octet_length(sealing_bytes(format('%s', b))) - length(search) AS bytea
FROM sealing_size ORDER BY 1;
SELECT octet_length(sealing_bytes(format('%s', i2))) - 2 AS int2, octet_length(sealing_bytes(format('%s', i4))) - 4 AS int4_term,
	octet_length(sealing_bytes(format('%s', i8))) - 8 AS int8, octet_length(sealing_bytes(format('%s', bo))) - 1 AS bool,
	octet_length(sealing_bytes(format('%s', d))) - 4 AS date, octet_length(sealing_bytes(format('%s', u))) - 16 AS uuid_term,
	octet_length(sealing_bytes(format('%s', f8))) - 8 AS float8, octet_length(sealing_bytes(format('%s', iv))) - 16 AS interval
FROM sealing_size LIMIT 1;
-- a header of one byte where a plain value would have one
SELECT length(search) AS plain, pg_column_size(t) - 45 - length(search) AS none,
	pg_column_size(te) - 61 - length(search) AS equality, pg_column_size(i8) - 45 - 8 AS int8
FROM sealing_size WHERE length(search) < 128 ORDER BY 1;
SELECT v.name, count(*), count(DISTINCT bytes) AS different, count(DISTINCT substr(bytes, 1, 5)) AS ids
FROM (SELECT 'select', sealing_bytes(format('%s', v)) FROM sealing
	UNION ALL SELECT 'update', sealing_bytes(format('%s', n)) FROM sealing
	UNION ALL SELECT 'values', sealing_bytes(format('%s', v)) FROM sealing_same
	UNION ALL SELECT 'equality', sealing_bytes(format('%s', v)) FROM sealing_equal
	UNION ALL SELECT 'loop', sealing_bytes(format('%s', v)) FROM sealing_order
	UNION ALL SELECT 'prepared', sealing_bytes(format('%s', v)) FROM sealing_other
	UNION ALL SELECT 'add column', sealing_bytes(format('%s', v)) FROM sealing_default
	UNION ALL SELECT 'add column 2', sealing_bytes(format('%s', n)) FROM sealing_default) v (name, bytes)
GROUP BY v.name ORDER BY v.name;
-- the same terms, in columns of equality and of order
SELECT count(DISTINCT term) AS terms, count(*) FROM (
	SELECT substr(sealing_bytes(format('%s', v)), 6, 16) FROM sealing_equal
	UNION ALL SELECT substr(sealing_bytes(format('%s', v)), 6, 16) FROM sealing_order) s (term);
-- a cast to the base opens; what is sealed and no value is refused
SELECT v::text, left(format('%s', v), 10) FROM sealing WHERE id = 1;
SELECT format('%s', v) AS sealed, left(format('%s', v), 40) AS cut FROM sealing WHERE id = 1 \gset
\set VERBOSITY terse
INSERT INTO sealing VALUES (90, :'sealed');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
INSERT INTO sealing VALUES (90, 'cellenc:1:');
INSERT INTO sealing VALUES (90, 'cellenc:2:is text');
SELECT v::text FROM sealing WHERE id = 90;

-- sealed input: stored as it is, checked
\c -reuse-previous=on "options='-c cellenc.input=sealed -c cellenc.output=sealed'"
INSERT INTO sealing VALUES (91, :'sealed'), (92, 'ordinary text');
SELECT id, v::text, format('%s', v) = :'sealed' AS same, cellenc_key_name(v) FROM sealing WHERE id > 90 ORDER BY id;
INSERT INTO sealing_b VALUES (93, :'sealed');
SELECT v::text, format('%s', v) = :'sealed' AS same, cellenc_key_name(v) FROM sealing_b WHERE id = 93;
INSERT INTO sealing_equal VALUES (94, :'sealed');
SELECT v::text, octet_length(sealing_bytes(format('%s', v))) FROM sealing_equal WHERE id = 94;
COPY (SELECT id, v, n FROM sealing) TO :'file';
TRUNCATE sealing_same;
COPY sealing_same FROM :'file';
SELECT count(*) FROM sealing_same a JOIN sealing b ON a.id = b.id AND format('%s', a.v) = format('%s', b.v);
COPY (SELECT id, v, n FROM sealing) TO :'file' (FORMAT binary);
TRUNCATE sealing_same;
COPY sealing_same FROM :'file' (FORMAT binary);
SELECT count(*) FROM sealing_same a JOIN sealing b ON a.id = b.id AND format('%s', a.v) = format('%s', b.v);
-- not those of another type, cut short or changed
\set VERBOSITY terse
INSERT INTO sealing (id, n) VALUES (95, :'sealed');
\echo :LAST_ERROR_SQLSTATE
SELECT :'cut'::enctext;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT 'cellenc:1:'::enctext;
\echo :LAST_ERROR_SQLSTATE
SELECT 'cellenc:1:!!!!'::enctext;
-- nor another text of the same bytes
SELECT left(format('%s', v), -1) || '9' AS respelled FROM sealing WHERE format('%s', v) LIKE '%==' ORDER BY id LIMIT 1 \gset
SELECT :'respelled' LIKE 'cellenc:1:%=9' AS respelled;
\set VERBOSITY terse
SELECT :'respelled'::enctext;
\set VERBOSITY default
SELECT 'cellenc:1:AAAA'::enctext;
DO $$
DECLARE
	good bytea := (SELECT sealing_bytes(format('%s', v)) FROM sealing WHERE id = 1);
	states text[];
	x text;
BEGIN
	FOR i IN 0 .. octet_length(good) - 1 LOOP
		BEGIN
			EXECUTE format('SELECT %L::enctext::text',
				'cellenc:1:' || encode(set_byte(good, i, get_byte(good, i) # 1), 'base64')) INTO x;
			states := array_append(states, 'accepted');
		EXCEPTION WHEN OTHERS THEN
			states := array_append(states, SQLSTATE::text);
		END;
	END LOOP;
	-- first another format, then another version id, which there is no key for
	RAISE NOTICE '%', (SELECT string_agg(s || ' x ' || n, ', ' ORDER BY s) FROM (SELECT s, count(*) AS n FROM unnest(states) s GROUP BY s) c);
END
$$;
-- constants in DDL print plain
CREATE VIEW sealing_view AS SELECT 'constant'::enctext AS c;
CREATE TABLE sealing_ddl (v enctext('sealing_a') DEFAULT 'constant', CHECK (v <> 'no'));
SELECT pg_get_viewdef('sealing_view'::regclass);
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'sealing_ddl'::regclass;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'sealing_ddl'::regclass;

\c -reuse-previous=on "options=''"
DROP VIEW sealing_view;
DROP FUNCTION sealing_bytes;
DROP MATERIALIZED VIEW sealing_mv;
DROP TABLE sealing, sealing_b, sealing_same, sealing_other, sealing_equal, sealing_order, sealing_as, sealing_into,
	sealing_default, sealing_size, sealing_ddl;
