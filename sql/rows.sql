--
-- Comparison of rows: (a, b) < (c, d)
--
SET client_min_messages = warning;
SELECT cellenc_create_key('rows');
CREATE TYPE rows_mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE rows_size AS ENUM ('small', 'large');
CREATE TYPE rows_pair AS (a integer, b text);
SELECT cellenc_create_type('rows_encmood', 'rows_mood'), cellenc_create_type('rows_encpair', 'rows_pair'),
	cellenc_create_type('rows_encrange', 'int4range'), cellenc_create_type('rows_encmulti', 'int4multirange');
RESET client_min_messages;

CREATE TABLE rows_plain (id integer PRIMARY KEY, i integer, t text, m rows_mood, p rows_pair, r int4range, a text[]);
INSERT INTO rows_plain SELECT g, g % 50, 'v' || g % 7, (enum_range(NULL::rows_mood))[g % 3 + 1], ROW(g % 5, 'x')::rows_pair, int4range(g % 4, 9), ARRAY['a' || g % 3]
FROM generate_series(1, 300) g;
INSERT INTO rows_plain VALUES (301);
CREATE TABLE rows_enc (id integer PRIMARY KEY, i encint4('rows', 'order'), t enctext('rows'), m rows_encmood('rows', 'order'),
	p rows_encpair('rows'), r rows_encrange('rows'), a enctext('rows')[]);
INSERT INTO rows_enc SELECT * FROM rows_plain;
CREATE INDEX rows_i ON rows_enc (i, id);
CREATE INDEX rows_m ON rows_enc (m, id);
ANALYZE rows_plain, rows_enc;

-- the same rows as of plain columns
CREATE FUNCTION rows_differ(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plain integer[];
	enc integer[];
BEGIN
	EXECUTE 'SELECT array_agg(id ORDER BY id) FROM rows_plain WHERE ' || condition INTO plain;
	EXECUTE 'SELECT array_agg(id ORDER BY id) FROM rows_enc WHERE ' || condition INTO enc;
	RETURN CASE WHEN plain IS DISTINCT FROM enc THEN 'differ' ELSE 'equal: ' || coalesce(cardinality(plain), 0) END;
END $$;
SELECT c, rows_differ(c) FROM unnest(ARRAY[
	$$(i, id) > (7, 100)$$,
	$$(7, 100) >= (i, id)$$,
	$$(i, id) > (7::bigint, 100)$$,
	$$(t, id) <= ('v3', 20)$$,
	$$(m, id) > ('sad', 100)$$,
	$$(m, id) > ('sad'::rows_mood, 100)$$,
	$$('ok'::rows_mood, 17) < (m, id)$$,
	$$(m, i) = ('ok'::rows_mood, 4)$$,
	$$(m, i) <> ('ok'::rows_mood, 4)$$,
	$$(i, m) IN ((4, 'ok'::rows_mood), (5, 'sad'))$$,
	$$(p, id) > ((3, 'x')::rows_pair, 100)$$,
	$$(p, i) = ((3, 'x')::rows_pair, 3)$$,
	$$p = (3, 'x')::rows_pair$$,
	$$p = ROW(3, 'x'::text)$$,
	$$p <> ROW(3, 'x'::text)$$,
	$$ROW(3, 'x'::text) <= p$$,
	$$(r, id) < ('[2,9)'::int4range, 50)$$,
	$$('[2,9)'::int4range, i) = (r, i)$$,
	$$(a, id) >= (ARRAY['a1'], 30)$$,
	$$a < ARRAY['a1']$$,
	$$(a, m, p) < (ARRAY['a1'], 'ok'::rows_mood, (3, 'x')::rows_pair)$$,
	$$((m, id) > ('ok'::rows_mood, 100)) IS NULL$$]) c;

-- by the index
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM rows_enc WHERE (i, id) > (7, 100) ORDER BY i, id LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM rows_enc WHERE (m, id) > ('ok'::rows_mood, 100) ORDER BY m, id LIMIT 3;
SELECT id FROM rows_enc WHERE (i, id) > (7, 100) ORDER BY i, id LIMIT 3;
SELECT id FROM rows_plain WHERE (i, id) > (7, 100) ORDER BY i, id LIMIT 3;
SELECT id FROM rows_enc WHERE (i, id) <= (7::bigint, 100) ORDER BY i DESC, id DESC LIMIT 3;
SELECT id FROM rows_enc WHERE (m, id) > ('ok'::rows_mood, 100) ORDER BY m, id LIMIT 3;
SELECT id FROM rows_plain WHERE (m, id) > ('ok'::rows_mood, 100) ORDER BY m, id LIMIT 3;

-- a prepared statement that is analyzed again, with parameters of known types by then
PREPARE keyset AS SELECT id FROM rows_enc WHERE (m, id) > ($1, $2) ORDER BY m, id LIMIT 3;
EXECUTE keyset ('ok', 100);
DISCARD PLANS;
EXECUTE keyset ('ok', 100);
EXPLAIN (COSTS OFF) EXECUTE keyset ('ok', 100);
PREPARE composite AS SELECT count(*) FROM rows_enc WHERE p = $1 AND a >= $2;
EXECUTE composite ('(3,x)', '{a1}');
DISCARD PLANS;
EXECUTE composite ('(3,x)', '{a1}');
DEALLOCATE ALL;
RESET enable_seqscan;

-- wherever it stands, also where the query is copied for what is sealed in it
SELECT count(*) FROM rows_enc WHERE (m, id) > ('ok'::rows_mood, 100) AND t IN ('v1', 'v2');
SELECT count(*) FROM rows_plain WHERE (m, id) > ('ok'::rows_mood, 100) AND t IN ('v1', 'v2');
SELECT count(*) FROM rows_enc WHERE (m, id) < (SELECT m, id FROM rows_plain WHERE id = 100);
SELECT count(*) FROM rows_plain WHERE (m, id) < (SELECT m, id FROM rows_plain WHERE id = 100);
SELECT count((m, r) > ('ok'::rows_mood, '[2,9)'::int4range) OR NULL), count((s, id) < ('{[2,9)}'::int4multirange, 1) OR NULL)
FROM rows_enc, LATERAL (SELECT int4multirange(r::int4range)::rows_encmulti AS s) s;
SELECT count((m, r) > ('ok'::rows_mood, '[2,9)'::int4range) OR NULL), count((s, id) < ('{[2,9)}'::int4multirange, 1) OR NULL)
FROM rows_plain, LATERAL (SELECT int4multirange(r) AS s) s;

-- a comparison with another enum is refused as it is of the plain type's
SELECT count(*) FROM rows_plain WHERE (m, id) > ('large'::rows_size, 1);
SELECT count(*) FROM rows_enc WHERE m > 'large'::rows_size;
SELECT count(*) FROM rows_enc WHERE (m, id) > ('large'::rows_size, 1);
SELECT count(*) FROM rows_enc WHERE (p, id) > (ROW(1), 1);

-- in a constraint, where nothing is put in the operators' place
CREATE TABLE rows_check (m rows_encmood('rows'), p rows_encpair('rows'), a enctext('rows')[], n integer,
	CHECK ((m, n) > ('sad'::rows_mood, 5)), CHECK ((p, n) < ((9, 'x')::rows_pair, 5)), CHECK ((a, n) <= (ARRAY['b'], 7)));
INSERT INTO rows_check VALUES ('sad', '(1,a)', '{a}', 6), ('ok', '(9,x)', '{b}', 4);
INSERT INTO rows_check VALUES ('sad', '(1,a)', '{a}', 5);
INSERT INTO rows_check VALUES ('ok', '(9,x)', '{b}', 6);
INSERT INTO rows_check VALUES ('ok', '(1,a)', '{b}', 8);

-- no right, no answer
CREATE ROLE rows_reader;
GRANT SELECT ON rows_enc TO rows_reader;
SET ROLE rows_reader;
SELECT id FROM rows_enc WHERE (i, id) > (7, 100) ORDER BY i, id LIMIT 3;
SELECT id FROM rows_enc WHERE (m, id) > ('ok'::rows_mood, 100) LIMIT 3;
SELECT id FROM rows_enc WHERE (p, id) > (ROW(3, 'x'::text), 100) LIMIT 3;
SELECT id FROM rows_enc WHERE a < ARRAY['a1'] LIMIT 3;
RESET ROLE;

SET client_min_messages = warning;
DROP TABLE rows_plain, rows_enc, rows_check;
DROP FUNCTION rows_differ;
DROP ROLE rows_reader;
-- the types can be made again
-- an operator of a user's that takes any type of a kind is left alone
CREATE TABLE rows_other (x text);
INSERT INTO rows_other VALUES ('A'), ('b');
CREATE FUNCTION rows_same(text, anyelement) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT lower($1) = lower($2::text)';
CREATE OPERATOR public.= (FUNCTION = rows_same, LEFTARG = text, RIGHTARG = anyelement);
SELECT x FROM rows_other, (SELECT 1::encint4 AS i) e WHERE x OPERATOR(public.=) 'a'::text AND i = 1;
DROP OPERATOR public.= (text, anyelement);
DROP FUNCTION rows_same;
DROP TABLE rows_other;

DROP TYPE rows_encmood, rows_encpair, rows_encrange, rows_encmulti CASCADE;
SELECT cellenc_create_type('rows_encmood', 'rows_mood') IS NOT NULL;
DROP TYPE rows_encmood, rows_mood, rows_size, rows_pair CASCADE;
