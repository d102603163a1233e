--
-- Errors: their SQLSTATE, and that they echo no value
--
SELECT cellenc_create_key('errors');
-- each type's bad literals: with the base's SQLSTATE, and without the literal
CREATE FUNCTION errors_check(base text, literal text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	base_state text := 'none';
	state text := 'none';
	msg text;
	detail text;
	hint text;
	context text;
BEGIN
	BEGIN
		EXECUTE format('SELECT $1::%s', base) USING literal;
	EXCEPTION WHEN OTHERS THEN
		base_state := SQLSTATE;
	END;
	BEGIN
		PERFORM format('%s', v) FROM json_populate_record(NULL::errors_row, json_build_object(base, literal)) v;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, msg = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
			hint = PG_EXCEPTION_HINT;
	END;
	RETURN concat_ws('; ', CASE WHEN state = base_state THEN state ELSE state || ' instead of ' || base_state END,
		CASE WHEN strpos(msg || detail || hint, literal) > 0 AND literal <> '' THEN 'ECHOED' END, msg, detail, nullif(hint, ''));
END
$$;
CREATE TYPE errors_row AS (
	bytea encbytea('errors'), int2 encint2('errors'), int4 encint4('errors'), int8 encint8('errors'),
	"numeric" encnumeric('errors'), float4 encfloat4('errors'), float8 encfloat8('errors'), bool encbool('errors'),
	date encdate('errors'), "time" enctime('errors'), "timestamp" enctimestamp('errors'), timestamptz enctimestamptz('errors'),
	"interval" encinterval('errors'), uuid encuuid('errors'), inet encinet('errors'));
\pset format unaligned
\pset tuples_only on
SELECT base, errors_check(base, literal) FROM (VALUES
	('bytea', '\xsecret'), ('bytea', '\secret'), ('bytea', '\x123'),
	('int2', 'secret'), ('int2', '32768'), ('int2', ''), ('int4', 'secret'), ('int4', '2147483648'), ('int4', '1.5'),
	('int8', 'secret'), ('int8', '9223372036854775808'),
	('numeric', 'secret'), ('numeric', ''),
	('float4', 'secret'), ('float4', '1e39'), ('float8', 'secret'), ('float8', '1e309'),
	('bool', 'secret'), ('bool', 'maybe'),
	('date', 'secret'), ('date', '2023-02-29'), ('date', '5874898-01-01'), ('time', 'secret'), ('time', '25:00'),
	('timestamp', 'secret'), ('timestamp', '294277-01-01'), ('timestamptz', 'secret'), ('timestamptz', '2000-01-01 00:00 Secret/Zone'),
	('interval', 'secret'),
	('uuid', 'secret'), ('uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1'), ('inet', 'secret'), ('inet', '1.2.3.4.5'), ('inet', '1.2.3.4/33')) v (base, literal);
\pset tuples_only off
\pset format aligned
-- whatever their class: names that are not there, and what an input function raises with no code of its own
SET client_min_messages = warning;
SELECT cellenc_create_type('errors_encregclass', 'regclass'), cellenc_create_type('errors_encregrole', 'regrole');
CREATE FUNCTION errors_raise(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE internal_error USING MESSAGE = $1; END $$;
CREATE DOMAIN errors_domain AS text CHECK (errors_raise(VALUE));
CREATE TYPE errors_pair AS (a errors_domain, b integer);
SELECT cellenc_create_type('errors_encpair', 'errors_pair');
RESET client_min_messages;
SELECT 'secret'::errors_encregclass;
\echo :LAST_ERROR_SQLSTATE
SELECT 'secret'::text::errors_encregclass;
\echo :LAST_ERROR_SQLSTATE
SELECT 'secret'::enctext::errors_encregclass;
\echo :LAST_ERROR_SQLSTATE
SELECT 'secret'::errors_encregrole;
\echo :LAST_ERROR_SQLSTATE
SELECT '(secret,1)'::errors_encpair;
\echo :LAST_ERROR_SQLSTATE
-- but not what says nothing of the value
SET statement_timeout = '100ms';
CREATE FUNCTION errors_sleep(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(10); RETURN true; END $$;
ALTER DOMAIN errors_domain DROP CONSTRAINT errors_domain_check;
ALTER DOMAIN errors_domain ADD CHECK (errors_sleep(VALUE));
\set VERBOSITY terse
SELECT '(secret,1)'::errors_encpair;
\set VERBOSITY default
RESET statement_timeout;
SET client_min_messages = warning;
DROP TYPE errors_encregclass, errors_encregrole, errors_encpair CASCADE;
DROP TYPE errors_pair, errors_domain CASCADE;
RESET client_min_messages;
DROP FUNCTION errors_raise, errors_sleep;

-- jsonb says where in the value; not here
DO $$
DECLARE
	detail text;
	context text;
	msg text;
BEGIN
	EXECUTE $q$SELECT '{"secret": secret}'::encjsonb$q$;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS msg = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RAISE NOTICE '% % %, in context: %', SQLSTATE, msg, detail, regexp_replace(context, 'SQL statement.*', '') ~ 'secret';
END
$$;

-- in arrays, records and domains too
CREATE TABLE errors (id integer, v enctext('errors'), n encint4('errors'), a encint4('errors')[], d encdate('errors') NOT NULL DEFAULT 'today');
\set VERBOSITY terse
INSERT INTO errors (a) VALUES ('{1,secret}');
\echo :LAST_ERROR_SQLSTATE
SELECT '(,secret,,,,,,,,,,,,,)'::errors_row;
\echo :LAST_ERROR_SQLSTATE
INSERT INTO errors (n) VALUES ('secret');
\echo :LAST_ERROR_SQLSTATE
COPY errors (n) FROM STDIN;
secret
\.
\echo :LAST_ERROR_SQLSTATE
INSERT INTO errors (d) VALUES (NULL);
\echo :LAST_ERROR_SQLSTATE

-- binary input that is none
\getenv abs_builddir PG_ABS_BUILDDIR
\set file :abs_builddir '/results/cellenc_errors.copy'
COPY (SELECT 'not eight bytes'::text) TO :'file' (FORMAT binary);
CREATE TABLE errors_binary (n encint8('errors'));
COPY errors_binary FROM :'file' (FORMAT binary);
\echo :LAST_ERROR_SQLSTATE
COPY (SELECT '\xff'::bytea) TO :'file' (FORMAT binary);
CREATE TABLE errors_text (t enctext('errors'));
COPY errors_text FROM :'file' (FORMAT binary);
\echo :LAST_ERROR_SQLSTATE
COPY (SELECT 1::int8) TO :'file' (FORMAT binary);
COPY errors_binary FROM :'file' (FORMAT binary);
SELECT n FROM errors_binary;
\set VERBOSITY default

-- sealed text is none of ours to seal again
INSERT INTO errors (v) VALUES ('cellenc:1:c2VjcmV0');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO errors (n) VALUES ('cellenc:1:c2VjcmV0');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO errors (v) VALUES (' cellenc:1:c2VjcmV0'), ('cellenc:'), ('cellenc');
SELECT v FROM errors ORDER BY v::text;
\set SHOW_CONTEXT never
COPY errors (v) FROM STDIN;
cellenc:1:c2VjcmV0
\.
\set SHOW_CONTEXT errors
\echo :LAST_ERROR_SQLSTATE
-- a value cannot be cast to what it is not
SELECT 'x'::enctext + 1;
\echo :LAST_ERROR_SQLSTATE
SELECT sum(v) FROM errors;
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc.cellenc_eq('a'::enctext, 1::encint4);
\echo :LAST_ERROR_SQLSTATE

-- SQLSTATEs of the rest
\set VERBOSITY sqlstate
SELECT cellenc_rotate_key('errors_none', false);
SELECT cellenc_create_key('errors');
SELECT cellenc_create_key('No Name');
SELECT cellenc_key_name(1);
CREATE TABLE errors_bad (v enctext);
CREATE TABLE errors_bad (v enctext('errors', 'sometimes'));
CREATE TABLE errors_bad (v enctext('errors_none'));
SELECT cellenc_create_type('errors_bad', 'int4[]');
\set VERBOSITY default

-- keys without the search key, as in the middle of a restore
CREATE TABLE errors_terms (v enctext('errors', 'equality'));
BEGIN;
DELETE FROM cellenc.search_key;
INSERT INTO errors_terms VALUES ('x');
ROLLBACK;
BEGIN;
DELETE FROM cellenc.search_key;
PREPARE errors_term (text) AS INSERT INTO errors_terms VALUES ($1);
EXECUTE errors_term('x');
ROLLBACK;
DEALLOCATE errors_term;
DROP TABLE errors_terms;

-- the 1 GB limit, told before anything is sealed
DO $$
BEGIN
	PERFORM repeat(repeat('x', 64 * 4095), n)::enctext FROM generate_series(4097, 4097) n;
	RAISE EXCEPTION 'not reached';
EXCEPTION WHEN program_limit_exceeded THEN
	RAISE NOTICE '% %', SQLSTATE, SQLERRM;
END
$$;

DROP TABLE errors, errors_binary, errors_text;
DROP FUNCTION errors_check;
DROP TYPE errors_row;
