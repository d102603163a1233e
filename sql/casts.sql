--
-- Casts to, from and between encrypted types
--
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET timezone = 'UTC';
-- alignment depends on what the client knows of a type
\pset format unaligned
SELECT cellenc_create_key('casts_a');
SELECT cellenc_create_key('casts_b');

-- which there are; the only implicit one to a base type is the base's
SELECT source, target, context FROM (
	SELECT castsource::regtype::text AS source, casttarget::regtype::text AS target,
		CASE castcontext WHEN 'i' THEN 'implicit' WHEN 'a' THEN 'assignment' ELSE 'explicit' END AS context
	FROM pg_cast) c
WHERE source || ' ' || target ~ '^enc(int4|text|bool|date|jsonb) (enc(int[248]|numeric|text|bool|date|timestamp|jsonb)|smallint|integer|bigint|numeric|text|character varying|boolean|date|jsonb?)$'
	OR source || ' ' || target ~ '^(enc(int[248]|numeric|text|bool|date|timestamp|jsonb)|smallint|integer|bigint|numeric|text|character varying|name|boolean|date|jsonb?) enc(int4|text|bool|date|jsonb)$'
ORDER BY source COLLATE "C", target COLLATE "C";
CREATE VIEW casts_twin AS
SELECT t.oid AS twin, b.oid AS base FROM pg_type t JOIN pg_type b ON t.typname = 'enc' || b.typname
WHERE t.typnamespace = 'pg_catalog'::regnamespace AND b.typnamespace = t.typnamespace AND t.typtype = 'b' AND t.typelem = 0;
SELECT count(*) FROM casts_twin;
-- implicit from a twin: to its base and itself, and where the bases' is; and to
-- the types of arguments
SELECT c.castsource::regtype, c.casttarget::regtype FROM pg_cast c JOIN casts_twin s ON s.twin = c.castsource
LEFT JOIN casts_twin t ON t.twin = c.casttarget
WHERE c.castcontext = 'i' AND c.casttarget NOT IN (s.base, s.twin)
	AND NOT EXISTS (SELECT FROM pg_cast m WHERE m.castsource = s.base AND m.casttarget = t.base AND m.castcontext = 'i')
ORDER BY 1, 2;
-- between twins: exactly the bases', with their context; assignment for the same
-- base, and to those with operators that are found without naming a schema
SELECT s.twin::regtype, t.twin::regtype, b.castcontext, c.castcontext
FROM casts_twin s CROSS JOIN casts_twin t
LEFT JOIN pg_cast b ON b.castsource = s.base AND b.casttarget = t.base
LEFT JOIN pg_cast c ON c.castsource = s.twin AND c.casttarget = t.twin
WHERE s.twin <> t.twin AND b.castcontext IS DISTINCT FROM c.castcontext
ORDER BY 1, 2;
-- to other types: the base's, but never implicit, except to types of arguments
SELECT s.twin::regtype, b.casttarget::regtype, b.castcontext, c.castcontext
FROM casts_twin s JOIN pg_cast b ON b.castsource = s.base AND b.casttarget <> s.base
LEFT JOIN pg_cast c ON c.castsource = s.twin AND c.casttarget = b.casttarget
WHERE NOT EXISTS (SELECT FROM casts_twin t WHERE t.twin = b.casttarget)
	AND CASE b.castcontext WHEN 'e' THEN 'e' ELSE 'a' END IS DISTINCT FROM c.castcontext
ORDER BY 1, 2;
-- whatever seals is volatile, whatever opens stable
SELECT p.provolatile, p.proisstrict, p.proparallel, count(*) > 0 AS some, bool_and(p.proretset) AS sets
FROM pg_cast c JOIN casts_twin t ON t.twin IN (c.castsource, c.casttarget) JOIN pg_proc p ON p.oid = c.castfunc
GROUP BY p.provolatile, p.proisstrict, p.proparallel, c.casttarget IN (SELECT twin FROM casts_twin) ORDER BY 1;
DROP VIEW casts_twin;

CREATE TABLE casts_e (id integer, t enctext('casts_a'), i2 encint2('casts_a'), i4 encint4('casts_a'), i8 encint8('casts_a'),
	n encnumeric('casts_a'), f8 encfloat8('casts_a'), b encbool('casts_a'), d encdate('casts_a'),
	ts enctimestamp('casts_a'), tz enctimestamptz('casts_a'), iv encinterval('casts_a'), j encjsonb('casts_a'));
CREATE TABLE casts_p (id integer, t text, vc varchar(5), ch char(5), na name, i2 int2, i4 int4, i8 int8, n numeric, f8 float8,
	b bool, d date, ts timestamp, tz timestamptz, iv interval, j jsonb);
INSERT INTO casts_p VALUES (1, 'text', 'vchar', 'ch', 'name', 2, 4, 8, 1.50, 2.5, true, '2024-02-29', '2024-02-29 12:34', '2024-02-29 12:34+00', '1 day', '{"a": 1}');
INSERT INTO casts_e SELECT id, t, i2, i4, i8, n, f8, b, d, ts, tz, iv, j FROM casts_p;
INSERT INTO casts_e (id) VALUES (2);

-- into columns of other plain types, by assignment
CREATE TABLE casts_out (t varchar, i int8, n numeric(6,3), f float4, d timestamp, ts date, tz date, vc varchar(10), j json);
INSERT INTO casts_out SELECT t, i2, n, f8, d, ts, tz, t, j FROM casts_e;
SELECT * FROM casts_out ORDER BY i;
INSERT INTO casts_out (i) SELECT t FROM casts_e;
\echo :LAST_ERROR_SQLSTATE
-- from other plain types
INSERT INTO casts_e (id, t, i2, i4, i8, n, f8, ts, tz) SELECT 3, vc, i8, n, i4, i2, n, d, d FROM casts_p;
INSERT INTO casts_e (id, t) SELECT 4, ch FROM casts_p;
INSERT INTO casts_e (id, t) SELECT 5, na FROM casts_p;
INSERT INTO casts_e (id, i2) SELECT 6, t FROM casts_p;
\echo :LAST_ERROR_SQLSTATE
INSERT INTO casts_e (id, i2) VALUES (6, 70000);
\echo :LAST_ERROR_SQLSTATE
SELECT id, t, i2, i4, i8, n, f8, ts, tz::date = '2024-02-29' AS tz, cellenc_key_name(coalesce(t)) FROM casts_e WHERE id > 2 ORDER BY id;
-- from a column of another encrypted type
CREATE TABLE casts_x (i8 encint8('casts_b'), n encnumeric('casts_b'), ts enctimestamp('casts_b'), i2 encint2('casts_b'));
INSERT INTO casts_x SELECT i4, i2, d, i8 FROM casts_e WHERE id = 1;
SELECT *, cellenc_key_name(i8), cellenc_key_name(n), cellenc_key_name(ts) FROM casts_x;

-- explicit
SELECT i4::text, i4::numeric, i4::float8, n::int, b::int, b::text, d::timestamp, ts::time, iv::time, t::bytea, t::varchar(2), t::char(6), t::name
FROM casts_e WHERE id = 1;
SELECT '17'::encint4::int, 17::encint4 + 1, '17'::text::encint4, 1.6::encint4, 'x'::enctext || 'y', true::encbool, now()::encdate = current_date;
SELECT CAST(t AS encint4) FROM casts_e WHERE id = 1;
\echo :LAST_ERROR_SQLSTATE
SELECT i4::encnumeric, i4::encint8::encint2, i4::encint4('casts_b'), cellenc_key_name(i4::encint4('casts_b')), d::enctimestamp, i4::enctext FROM casts_e WHERE id = 1;
SELECT i4::encdate FROM casts_e;
\echo :LAST_ERROR_SQLSTATE

-- COALESCE, CASE, GREATEST, UNION and VALUES with plain values of the base and
-- of the types that become it
SELECT coalesce(t, 'none'), coalesce(i4, 0), coalesce(n, 0), coalesce(n, 0::int2), coalesce(i8, 0), coalesce(f8, 0), coalesce(b, false), coalesce(d, '2000-01-01') FROM casts_e WHERE id < 3 ORDER BY id;
SELECT pg_typeof(coalesce(t, 'none')), pg_typeof(coalesce(i4, 0)), pg_typeof(coalesce(b, false)), pg_typeof(coalesce(d, date '2000-01-01')) FROM casts_e WHERE id = 1;
SELECT coalesce(e.t, p.t), coalesce(p.t, e.t), coalesce(e.t, p.vc), coalesce(p.vc, e.t), coalesce(e.t, p.ch), coalesce(p.na, e.t),
	coalesce(e.n, p.i4), coalesce(p.i4, e.n), coalesce(e.i8, p.i4), coalesce(p.i2, e.i8), coalesce(e.tz, p.d)::date
FROM casts_e e, casts_p p WHERE e.id < 3 ORDER BY e.id;
SELECT CASE WHEN id = 1 THEN t ELSE 'other' END, CASE WHEN id = 2 THEN 0 ELSE i4 END, CASE id WHEN 1 THEN n ELSE 7 END FROM casts_e WHERE id < 3 ORDER BY id;
SELECT greatest(i4, 3), least(i4, 3), greatest(n, i4), least(t, 'u'), nullif(i4, 4), nullif(t, 'x') FROM casts_e WHERE id = 1;
SELECT t FROM casts_e WHERE id = 1 UNION SELECT vc FROM casts_p UNION SELECT 'lit' ORDER BY 1;
SELECT n FROM casts_e WHERE id = 1 UNION ALL SELECT i4 FROM casts_p ORDER BY 1;
SELECT i8 FROM casts_e WHERE id = 1 UNION SELECT i4 FROM casts_p ORDER BY 1;
SELECT i8 FROM casts_e WHERE id = 1 INTERSECT SELECT i8 FROM casts_p;
SELECT * FROM (VALUES ('a'::enctext), ('b'), ('c'::varchar)) v (t) ORDER BY t;
SELECT i4 FROM casts_e WHERE id = 1 UNION ALL SELECT i8 FROM casts_e WHERE id = 1 ORDER BY 1;
SELECT array_agg(x) FROM (SELECT ARRAY[t, 'x'] AS x FROM casts_e WHERE id = 1) s;

-- joins with USING over twins of different bases
CREATE TABLE casts_u4 (k encint4('casts_a'), l text);
CREATE TABLE casts_u8 (k encint8('casts_b'), r text);
CREATE TABLE casts_up (k int8, p text);
INSERT INTO casts_u4 VALUES (1, 'l1'), (2, 'l2'), (3, 'l3'), (NULL, 'l');
INSERT INTO casts_u8 VALUES (2, 'r2'), (3, 'r3'), (3, 'r3b'), (5000000000, 'r5'), (NULL, 'r');
INSERT INTO casts_up VALUES (3, 'p3'), (4, 'p4');
SELECT k, l, r FROM casts_u4 JOIN casts_u8 USING (k) ORDER BY k, r;
SELECT k, l, r FROM casts_u4 LEFT JOIN casts_u8 USING (k) ORDER BY k, r;
SELECT k, l, r FROM casts_u4 RIGHT JOIN casts_u8 USING (k) ORDER BY k, r;
SELECT k, l, r FROM casts_u4 FULL JOIN casts_u8 USING (k) ORDER BY k, l, r;
SELECT k, l, r FROM casts_u8 NATURAL JOIN casts_u4 ORDER BY k, r;
SELECT k, r, p FROM casts_u8 FULL JOIN casts_up USING (k) ORDER BY k, r;
SELECT l, r, p FROM casts_u4 a JOIN casts_u8 b ON a.k = b.k LEFT JOIN casts_up c ON c.k = b.k ORDER BY 1, 2;

-- JSON: numbers and booleans are not quoted
SELECT row_to_json(r) FROM (SELECT t, i2, n, f8, b, d, j FROM casts_e WHERE id < 3 ORDER BY id) r;
SELECT to_jsonb(r) FROM (SELECT t, i4, i8, n, b, iv, j FROM casts_e WHERE id = 1) r;
SELECT json_agg(i4 ORDER BY id), jsonb_agg(t ORDER BY id) FROM casts_e WHERE id < 3;
SELECT to_json(n), to_jsonb(b), to_json(t), to_jsonb(ts), json_build_array(i4, b, j), jsonb_build_object('k', n) FROM casts_e WHERE id = 1;
SELECT jsonb_object_agg(t, i4), json_object_agg(t, n) FROM casts_e WHERE id = 1;
SELECT array_to_json(ARRAY[i4, 5::encint4]), to_jsonb(ARRAY[b]) FROM casts_e WHERE id = 1;
SELECT '{"a": 5}'::jsonb || to_jsonb(i4), concat(t, i4), format('%s %I %L', t, t, n) FROM casts_e WHERE id = 1;

-- statements of ordinary types are untouched
SELECT 2::int2 * 1.5, abs(-1), coalesce(NULL, 1), 1 + 1.5, '1' || 'a', sum(x) FROM (VALUES (1), (2)) v (x);
SELECT pg_typeof(2::int2 + 1::int8), pg_typeof(date '2024-01-01' - 1), pg_typeof(coalesce(1, 1.5)), pg_typeof(ARRAY['a', 'b'::varchar]);

DROP TABLE casts_e, casts_p, casts_out, casts_x, casts_u4, casts_u8, casts_up;
