--
-- Encrypted types of other base types
--
SELECT cellenc_create_key('create_type');
CREATE SCHEMA create_type;
SET search_path = create_type, public;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
SELECT cellenc_create_type('encmood', 'mood');
SELECT cellenc_create_type(name => 'create_type.encvarchar', base => 'varchar');
SELECT cellenc_create_type('Enc "odd" name', 'macaddr');
SELECT cellenc_create_type('"Enc ""odd"" name"', 'macaddr');
SELECT cellenc_create_type('encpoint', 'point');
SELECT cellenc_create_type('encoid', 'oid');
SELECT cellenc_create_type('encregclass', 'regclass');
SELECT cellenc_create_type('encmoney', 'money');
SELECT cellenc_create_type('enctsvector', 'tsvector');
SELECT cellenc_create_type('encbit', 'varbit');
SELECT cellenc_create_type('encjson', 'json');
CREATE TYPE pair AS (a integer, b text);
SELECT cellenc_create_type('encpair', 'pair');
SELECT cellenc_create_type('encint4range', 'int4range');
SELECT cellenc_create_type('encpg_lsn', 'pg_lsn');
SELECT cellenc_create_type('enctimetz', 'timetz');

-- refused
SELECT cellenc_create_type('encbad', 'anyelement');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('encbad', 'cstring');
SELECT cellenc_create_type('encbad', 'record');
SELECT cellenc_create_type('encbad', 'void');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
SELECT cellenc_create_type('encbad', 'positive');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('encbad', 'integer[]');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('encbad', 'mood[]');
SELECT cellenc_create_type('encbad', 'enctext');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('encbad', 'enctext[]');
CREATE TYPE shell;
SELECT cellenc_create_type('encbad', 'shell');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('encbad', 'no_such_type');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('encmood', 'mood');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('mood', 'text');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('no_such_schema.encbad', 'text');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('public.encmood', 'mood');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('text', 'text');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('', 'text');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_type('encbad', NULL) IS NULL AS is_null;
SELECT count(*) FROM pg_type WHERE typname = 'encbad';
SELECT count(*) FROM pg_proc WHERE proname LIKE '%encbad%';

-- they behave as the built-in ones
CREATE TABLE plain (id integer, m mood, v varchar, mac macaddr, pt point, o oid, c regclass, mo money, ts tsvector, b varbit, j json, p pair, r int4range);
CREATE TABLE enc (id integer, m encmood('create_type'), v encvarchar('create_type', 'equality'), mac "Enc ""odd"" name"('create_type'),
	pt encpoint('create_type'), o encoid('create_type'), c encregclass('create_type'), mo encmoney('create_type'),
	ts enctsvector('create_type'), b encbit('create_type'), j encjson('create_type'), p encpair('create_type'), r encint4range('create_type'));
INSERT INTO plain VALUES
	(1, 'sad', 'one', '08:00:2b:01:02:03', '(1,2)', 1, 'pg_class', '1.50', 'a b:2', '101', '{"a":  1}', '(1,"x y")', '[1,5)'),
	(2, 'happy', 'two', '08:00:2b:01:02:04', '(-1,2.5)', 2, 'pg_type', '-3', 'c', '', '[]', '(,)', 'empty'),
	(3, 'ok', '', '08:00:2b:01:02:03', '(0,0)', 4294967295, 'plain', '0', '', '1', 'null', '(3,)', '(,)'),
	(4, 'ok', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO enc SELECT * FROM plain;
INSERT INTO enc (id, m, v, mac, pt, o, c, mo, ts, b, j, p, r)
SELECT 10 + id, m::text::encmood, v, mac, pt, o, c, mo, ts, b, j, p, r FROM enc;
INSERT INTO enc VALUES (21, 'sad', 'one', '08:00:2b:01:02:03', '(1,2)', 1, 'pg_class', '1.50', 'a b:2', '101', '{"a":  1}', '(1,"x y")', '[1,5)');
SELECT * FROM enc ORDER BY id;
SELECT p.id, e.id FROM plain AS p JOIN enc AS e ON to_jsonb(p.*) - 'id' = to_jsonb(e.*) - 'id' ORDER BY 1, 2;
SELECT m, count(*) FROM enc GROUP BY m ORDER BY m;
SELECT max(m::mood), min(v::varchar), count(DISTINCT mac), max(o::oid), sum(mo), count(DISTINCT p), count(DISTINCT r) FROM enc;
SELECT id FROM enc WHERE m::mood > 'sad' AND v::varchar = 'two' AND mac >= '08:00:2b:01:02:04' ORDER BY id;
SELECT e.id FROM enc e JOIN plain p ON e.m OPERATOR(cellenc.=) p.m WHERE p.id = 1 ORDER BY 1;
SELECT a.id, b.id FROM enc a JOIN enc b USING (mac) WHERE a.id = 2 ORDER BY 1, 2;
SELECT id, (p::pair).b, r::int4range @> 3, pt <-> '(0,0)', ts @@ 'a', v::varchar LIKE 't%', j -> 'a' FROM enc WHERE id < 4 ORDER BY id;
SELECT id FROM enc ORDER BY p NULLS FIRST, id;
SELECT cellenc_key_name(m), cellenc_key_version(c), cellenc_key_name(p), count(*) FROM enc WHERE id < 4 GROUP BY 1, 2, 3;
-- no equality in the base: none here
SELECT DISTINCT pt FROM enc;
\echo :LAST_ERROR_SQLSTATE
SELECT DISTINCT j FROM enc;
\echo :LAST_ERROR_SQLSTATE
INSERT INTO enc (m) VALUES ('angry');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO enc (p) VALUES ('(1,2,3)');
\echo :LAST_ERROR_SQLSTATE
-- a renamed type and label go on
ALTER TYPE encmood RENAME TO encfeeling;
ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';
ALTER TYPE mood ADD VALUE 'great';
INSERT INTO enc (id, m) VALUES (30, 'great');
SELECT id, m FROM enc WHERE m OPERATOR(cellenc.>=) 'fine'::mood ORDER BY m, id;
SELECT cellenc_create_type('encmood', 'mood');
\echo :LAST_ERROR_SQLSTATE

-- beside their bases, whose own operators are polymorphic
CREATE TABLE felt (id integer, m encfeeling('create_type', 'order'), r encint4range('create_type'));
INSERT INTO felt SELECT i, (ARRAY['sad', 'fine', 'happy'])[i % 3 + 1]::mood, int4range(i, i + 2) FROM generate_series(1, 9) i;
CREATE INDEX felt_m ON felt (m);
PREPARE feel AS SELECT array_agg(id ORDER BY id) FROM felt WHERE m = $1 AND r && $2 AND $3 <> r AND m = ANY ($4);
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'feel';
EXECUTE feel ('fine', '[1,6)', '[1,3)', '{fine,sad}');
ANALYZE felt;
EXECUTE feel ('fine', '[1,6)', '[1,3)', '{fine,sad}');
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM felt WHERE m = 'fine'::mood;
EXPLAIN (COSTS OFF) SELECT id FROM felt WHERE 'fine'::mood < m;
EXPLAIN (COSTS OFF) SELECT id FROM felt WHERE m = ANY ('{fine,sad}'::mood[]);
SELECT count(*) FROM felt WHERE m = ANY ('{fine,sad}'::mood[]);
RESET enable_seqscan;
SELECT id, r && '[3,4)', r @> '[3,4)', '[3,4)' <@ r, r * '[2,4)', r << int4range(4, 9) FROM felt WHERE id < 4 ORDER BY id;
-- ordinary expressions are what they were
SELECT m = 'fine', 'fine' = m, m IN ('sad', NULL), r = '[1,5)', '[1,2)' <@ r, r && r FROM plain WHERE id = 1;

-- an extension's type
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
SELECT cellenc_create_type('enccitext', 'citext');
CREATE TABLE ci (id integer, v enccitext('create_type', 'order'));
INSERT INTO ci VALUES (1, 'Anna'), (2, 'ANNA'), (3, 'bob'), (4, NULL);
SELECT id FROM ci WHERE v = 'anna' ORDER BY id;
SELECT count(DISTINCT v), min(id) FROM ci;
SELECT a.id, b.id FROM ci a JOIN ci b USING (v) ORDER BY 1, 2;
SELECT id, v, v::text AS t FROM ci ORDER BY ci.v, id;
SELECT id FROM ci WHERE v LIKE 'AN%' ORDER BY id;
\set VERBOSITY terse
CREATE UNIQUE INDEX ON ci (v);
\set VERBOSITY default
DELETE FROM ci WHERE id = 2;
CREATE UNIQUE INDEX ON ci (v);
SELECT count(*) FROM ci WHERE v = 'BOB';

-- they can be dropped and made again
DROP TABLE enc, ci, felt;
SET client_min_messages = warning;
DROP TYPE encfeeling CASCADE;
DROP TYPE encpair CASCADE;
SELECT count(*) FROM pg_proc WHERE pronamespace = 'cellenc'::regnamespace AND proname ~ 'mood|feeling|pair';
SELECT cellenc_create_type('encmood', 'mood');
SELECT cellenc_create_type('encpair', 'pair');
SELECT 'sad'::encmood, 'happy'::encmood::mood > 'sad', (ROW(1, 'x')::pair::encpair)::pair;
DROP SCHEMA create_type CASCADE;
DROP EXTENSION citext CASCADE;
