--
-- What would store values without a key is refused
--
SELECT cellenc_create_key('guard');
CREATE TABLE guard_bad (v enctext);
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE guard_bad (id integer, v enctext[]);
CREATE TABLE guard_bad (id integer, v encint4[][]);
CREATE TEMP TABLE guard_bad (v encbool);
CREATE UNLOGGED TABLE guard_bad (v encbool);
CREATE TABLE guard (id integer, v enctext('guard'));
INSERT INTO guard VALUES (1, 'one');
ALTER TABLE guard ADD COLUMN w enctext;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE guard ADD COLUMN w enctext[] DEFAULT '{}';
ALTER TABLE guard ALTER COLUMN v TYPE enctext;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE guard ALTER COLUMN id TYPE encint4;
ALTER TABLE guard ALTER COLUMN v TYPE encbytea USING v::bytea;
CREATE TABLE guard_bad AS SELECT 'x'::enctext AS v;
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE guard_bad AS SELECT id, coalesce(v, 'x'::enctext) AS v FROM guard;
CREATE TABLE guard_bad AS SELECT (ARRAY[v])::enctext[] AS v FROM guard WITH NO DATA;
SELECT v::text::enctext AS v INTO guard_bad FROM guard;
\echo :LAST_ERROR_SQLSTATE
CREATE MATERIALIZED VIEW guard_bad AS SELECT upper(v)::enctext AS v FROM guard;
\echo :LAST_ERROR_SQLSTATE
CREATE MATERIALIZED VIEW guard_bad AS SELECT upper(v)::enctext AS v FROM guard WITH NO DATA;
CREATE TYPE guard_bad AS (id integer, v enctext);
\echo :LAST_ERROR_SQLSTATE
CREATE TYPE guard_bad AS (v encdate[]);
CREATE TYPE guard_type AS (v enctext('guard'));
ALTER TYPE guard_type ADD ATTRIBUTE w encint4;
ALTER TYPE guard_type ALTER ATTRIBUTE v TYPE enctext;
\echo :LAST_ERROR_SQLSTATE
CREATE DOMAIN guard_bad AS enctext;
\echo :LAST_ERROR_SQLSTATE
CREATE DOMAIN guard_bad AS enctext[];
CREATE TABLE guard_bad (id integer, v enctext) PARTITION BY RANGE (id);
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE guard_part (id integer, v enctext('guard')) PARTITION BY RANGE (id);
CREATE TABLE guard_part1 (id integer, v enctext);
CREATE TABLE guard_part1 PARTITION OF guard_part FOR VALUES FROM (0) TO (10);
ALTER TABLE guard_part ADD COLUMN w encint4;
CREATE TABLE guard_child (w encfloat8) INHERITS (guard);
CREATE TABLE guard_of OF guard_type;
CREATE TABLE guard_like (LIKE guard);
CREATE FOREIGN DATA WRAPPER guard_fdw;
CREATE SERVER guard_server FOREIGN DATA WRAPPER guard_fdw;
CREATE FOREIGN TABLE guard_bad (v enctext) SERVER guard_server;
\echo :LAST_ERROR_SQLSTATE
CREATE FOREIGN TABLE guard_foreign (v enctext('guard')) SERVER guard_server;
ALTER FOREIGN TABLE guard_foreign ADD COLUMN w encuuid;
-- in what a function does, and in a schema's elements
DO $$ BEGIN CREATE TABLE guard_bad (v enctext); END $$;
CREATE SCHEMA guard_schema CREATE TABLE bad (v enctext);
-- ranges over encrypted types
CREATE TYPE guard_bad AS RANGE (SUBTYPE = encint4, SUBTYPE_OPCLASS = cellenc.encint4_ops);
\echo :LAST_ERROR_SQLSTATE
CREATE DOMAIN guard_number AS encint4('guard');
CREATE TYPE guard_bad AS RANGE (SUBTYPE = guard_number, SUBTYPE_OPCLASS = cellenc.encint4_ops);
CREATE TYPE guard_bad AS RANGE (SUBTYPE = guard_type);
SELECT count(*) FROM pg_class WHERE relname = 'guard_bad';
SELECT count(*) FROM pg_type WHERE typname = 'guard_bad';
-- types that only arguments become
CREATE TABLE guard_null (n encint4('guard'), f encfloat8('guard'), a enctext('guard')[]);
INSERT INTO guard_null VALUES (1, 2, '{a}');
CREATE TABLE guard_bad AS SELECT nullif(n, 0.5) AS x FROM guard_null;
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE guard_bad AS SELECT nullif(f, n) AS x FROM guard_null;
CREATE TABLE guard_bad AS SELECT nullif(a, ARRAY['b']) AS x FROM guard_null;
CREATE TABLE guard_bad (x cellenc.text_array[]);
CREATE TYPE guard_bad AS (x cellenc.numeric_side);
CREATE DOMAIN guard_bad AS cellenc.text_array;
CREATE TABLE guard_null2 AS SELECT nullif(n::numeric, 0.5) AS x, nullif(a::text[], ARRAY['b']) AS y FROM guard_null;
SELECT * FROM guard_null2;
DROP TABLE guard_null, guard_null2;

-- what stores nothing needs no key
CREATE VIEW guard_view AS SELECT v::text::enctext AS v, 'constant'::enctext AS c, ARRAY[v] AS a FROM guard;
SELECT * FROM guard_view;
-- but a view's row type cannot be stored
\set VERBOSITY sqlstate
CREATE TABLE guard_bad (r guard_view);
CREATE TABLE guard_bad2 (r guard_view[]);
CREATE TABLE guard_bad3 AS SELECT r FROM guard_view r;
CREATE TYPE guard_bad4 AS (r guard_view);
CREATE DOMAIN guard_bad5 AS guard_view;
ALTER TABLE guard ADD COLUMN bad guard_view;
\set VERBOSITY default
SELECT count(*) FROM pg_class WHERE relname LIKE 'guard_bad%';
CREATE FUNCTION guard_function(enctext, encint4[]) RETURNS enctext LANGUAGE sql AS 'SELECT $1';
SELECT guard_function('x', '{1}');
CREATE TABLE guard_plain AS SELECT v::text AS v, upper(v) AS u FROM guard;
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'guard_plain'::regclass AND attnum > 0 ORDER BY attnum;
CREATE TABLE guard_as AS SELECT v, v::text::enctext('guard') AS w, 1::encint4('guard', 'equality') AS n FROM guard;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'guard_as'::regclass AND attnum > 0 ORDER BY attnum;
SELECT v, w, n, cellenc_key_name(w), cellenc_key_name(n) FROM guard_as;

-- ordinary DDL on tables with encrypted columns goes on
ALTER TABLE guard ADD COLUMN x integer, ADD COLUMN y enctext('guard', 'equality'), DROP COLUMN id;
ALTER TABLE guard RENAME COLUMN y TO z;
ALTER TABLE guard ALTER COLUMN z SET DEFAULT 'dflt', ALTER COLUMN z SET STATISTICS 10;
INSERT INTO guard (v) VALUES ('two');
DROP VIEW guard_view;
ALTER TABLE guard DROP COLUMN v;
SELECT * FROM guard ORDER BY z::text;

SET client_min_messages = warning;
DROP VIEW IF EXISTS guard_view CASCADE;
DROP TABLE guard, guard_part, guard_of, guard_like, guard_plain, guard_as CASCADE;
DROP FUNCTION guard_function;
DROP TYPE guard_type, guard_number;
DROP FOREIGN DATA WRAPPER guard_fdw CASCADE;

-- types without a term
SELECT cellenc_create_key('guard_term');
CREATE TABLE guard_term (b encbool('guard_term', 'equality'));
CREATE DOMAIN guard_term AS encbool('guard_term', 'equality');
CREATE TABLE guard_term (b encbool('guard_term', 'order'), c encbool('guard_term')[]);
DROP TABLE guard_term;
