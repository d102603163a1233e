--
-- cellenc_check(): each check says nothing about a clean database, and what is
-- wrong about one that is not
--
CREATE DATABASE check_clean;
\c check_clean
CREATE EXTENSION cellenc;

-- what depends on the machine aside
CREATE FUNCTION findings() RETURNS TABLE (severity text, check_name text, detail text) LANGUAGE sql AS $$
	SELECT severity, check_name, detail FROM cellenc_check()
	WHERE check_name NOT IN ('memory_lock', 'data_checksums', 'ssl') $$;
SELECT * FROM findings();
SELECT count(*) = (current_setting('data_checksums') = 'off')::integer AS right
FROM cellenc_check() WHERE check_name = 'data_checksums';
SELECT count(*) FROM cellenc_check() WHERE check_name = 'ssl';

-- a clean database with keys, an exported one
SELECT cellenc_create_key('pii');
UPDATE cellenc.key_version SET exported_at = now();
CREATE TABLE people (id integer PRIMARY KEY, ssn enctext('pii', 'order') UNIQUE, born encdate('pii'), tags enctext('pii')[]);
INSERT INTO people VALUES (1, 'x', '2000-01-01', '{y}');
CREATE VIEW people_text AS SELECT id, ssn::text FROM people;
CREATE MATERIALIZED VIEW people_copy AS SELECT * FROM people;
CREATE MATERIALIZED VIEW people_counts AS SELECT id % 10 AS digit, count(*) FROM people GROUP BY 1;
CREATE FUNCTION shout(v enctext) RETURNS text STABLE LANGUAGE sql AS 'SELECT upper(v)';
CREATE TABLE things (id integer PRIMARY KEY);
SET client_min_messages = error;
CREATE PUBLICATION others FOR TABLE things;
RESET client_min_messages;
CREATE TYPE mood AS ENUM ('sad', 'happy');
SELECT cellenc_create_type('encmood', 'mood');
ANALYZE;
SELECT cellenc_rotate_key('pii');
CALL cellenc_wait();
UPDATE cellenc.key_version SET exported_at = now();
SELECT * FROM findings();

--
-- Settings: of the session, of roles and of the database
--
SET cellenc.redact_logs = off;
SET log_statement = 'mod';
SET log_parameter_max_length_on_error = 10;
SET cellenc.unknown_key = 'create';
SET cellenc.allow_decrypt_column = on;
SET cellenc.input = 'sealed';
SELECT * FROM findings();
-- each finding comes with advice
SELECT count(*) > 5 AS many, bool_and(hint LIKE '%.' AND severity IN ('error', 'warning', 'notice')) AS advised
FROM cellenc_check();
RESET ALL;
CREATE ROLE check_clerk;
ALTER ROLE check_clerk SET cellenc.redact_logs = off;
ALTER ROLE check_clerk IN DATABASE check_clean SET log_statement = 'all';
ALTER DATABASE check_clean SET cellenc.wire_types = off;
SET log_parameter_max_length = 0;
SELECT * FROM findings();
ALTER DATABASE check_clean RESET cellenc.wire_types;
DROP OWNED BY check_clerk;
DROP ROLE check_clerk;
RESET ALL;
SET log_min_duration_statement = 1000;
SELECT check_name, detail FROM findings();
SET log_parameter_max_length = 0;
SELECT * FROM findings();
RESET ALL;

--
-- Keys and jobs.  Superusers can change the tables, which makes time pass.
--
BEGIN;
SELECT cellenc_grant_key('pii', 'public', 'decrypt');
UPDATE cellenc.key_version SET exported_at = NULL WHERE version = 2;
UPDATE cellenc.key_version SET created_at = now() - interval '500 days', state_since = now() - interval '450 days';
SELECT * FROM findings();
UPDATE cellenc.key SET rotate_every = '1 year' WHERE name = 'pii';
SELECT check_name, detail LIKE 'key pii was to be rotated on ____-__-__' FROM findings() WHERE check_name IN ('rotation_due', 'key_age');
ROLLBACK;

BEGIN;
UPDATE cellenc.job SET state = 'failed', error = 'out of luck', bad_values = 3;
SELECT severity, check_name, regexp_replace(detail, '\d+', 'N') FROM findings();
ROLLBACK;

SELECT cellenc_rotate_key('pii', reencrypt => false);
UPDATE cellenc.key_version SET exported_at = now();
UPDATE cellenc.key_version SET state = 'disabled' WHERE version = 2;
SELECT * FROM findings();
\set VERBOSITY terse
SELECT ssn FROM people;
\set VERBOSITY default
SELECT * FROM findings();
UPDATE cellenc.key_version SET state = 'decrypt_only' WHERE version = 2;

--
-- Objects
--
BEGIN;
SET LOCAL cellenc.unknown_key = 'allow';
CREATE TABLE lost (v enctext('lost'));
SELECT * FROM findings();
ROLLBACK;

CREATE MATERIALIZED VIEW leaked AS SELECT id, upper(ssn) AS loud FROM people;
CREATE MATERIALIZED VIEW leaked_tags AS SELECT id, tags::text[] AS t FROM people;
SELECT * FROM findings();
DROP MATERIALIZED VIEW leaked, leaked_tags;

CREATE FUNCTION loud(v enctext) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper(v)';
CREATE FUNCTION same(v enctext[]) RETURNS boolean LEAKPROOF IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION find(i integer) RETURNS text IMMUTABLE LANGUAGE sql RETURN (SELECT ssn::text FROM people WHERE id = i);
SELECT * FROM findings();
DROP FUNCTION loud, same, find;

SET client_min_messages = error;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION parts FOR TABLE people (id, born);
RESET client_min_messages;
SELECT * FROM findings();
DROP PUBLICATION everything, parts;

CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE far (id integer, v enctext('pii')) SERVER elsewhere;
SELECT * FROM findings();
DROP FOREIGN TABLE far;
DROP SERVER elsewhere;
DROP FOREIGN DATA WRAPPER nothing;

-- for superusers alone
SELECT has_function_privilege('pg_monitor', 'cellenc_check()', 'EXECUTE');
\c contrib_regression
DROP DATABASE check_clean;
