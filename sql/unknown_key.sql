--
-- cellenc.unknown_key: what a name does that no key has
--
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cellenc_migrator;
RESET client_min_messages;
CREATE ROLE regress_cellenc_migrator;
CREATE SCHEMA unknown_key;
GRANT USAGE, CREATE ON SCHEMA unknown_key TO PUBLIC;
SET search_path = unknown_key;
CREATE VIEW made AS SELECT key, count(*) AS versions FROM cellenc.key_versions WHERE key LIKE 'unknown%' GROUP BY key;
CREATE TABLE base (id integer, v enctext('unknown_none'));
\echo :LAST_ERROR_SQLSTATE

-- error: nothing is made, wherever the name is
CREATE TABLE base (id integer);
\set VERBOSITY sqlstate
CREATE DOMAIN d AS enctext('unknown_none');
\set VERBOSITY default
CREATE TYPE c AS (v enctext('unknown_none'));
ALTER TABLE base ADD COLUMN v enctext('unknown_none');
\set VERBOSITY sqlstate
ALTER TABLE base ALTER COLUMN id TYPE encint4('unknown_none');
\set VERBOSITY default
SELECT 'x'::enctext('unknown_none');
SELECT CAST(NULL AS enctext('unknown_none', 'equality')[]);
CREATE TABLE t AS SELECT 1::encint4('unknown_none') AS n;
CREATE VIEW v AS SELECT 'x'::enctext('unknown_none') AS v;
DO $$ DECLARE x enctext('unknown_none'); BEGIN NULL; END $$;
CREATE FUNCTION f() RETURNS enctext LANGUAGE sql AS $$ SELECT 'x'::enctext('unknown_none') $$;
PREPARE p AS SELECT $1::text::enctext('unknown_none');
SELECT * FROM made;

-- allow: the schema is there before its keys; values are not
SET cellenc.unknown_key = 'allow';
BEGIN;
CREATE TABLE allowed (id integer, v enctext('unknown_allowed'), e enctext('unknown_allowed', 'equality') DEFAULT 'x');
CREATE DOMAIN allowed_domain AS enctext('unknown_allowed');
CREATE TYPE allowed_type AS (v enctext('unknown_allowed'));
ALTER TABLE allowed ADD COLUMN d allowed_domain, ADD COLUMN t allowed_type[];
CREATE INDEX ON allowed USING hash (e);
COMMIT;
INSERT INTO allowed (v, e) VALUES (NULL, NULL);
INSERT INTO allowed (id) VALUES (1);
\echo :LAST_ERROR_SQLSTATE
SELECT 'x'::enctext('unknown_allowed');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM allowed WHERE e = 'x';
SELECT * FROM made;
RESET cellenc.unknown_key;
SELECT cellenc_create_key('unknown_allowed');
INSERT INTO allowed VALUES (1, 'v', 'e', 'd', ARRAY[ROW('t')::allowed_type]);
SELECT * FROM allowed WHERE e = 'e';

-- so it does where function bodies are not checked, as in dumps
SET check_function_bodies = off;
BEGIN;
CREATE TABLE dumped (id integer, v enctext('unknown_dumped'));
CREATE DOMAIN dumped_domain AS enctext('unknown_dumped');
ALTER TABLE dumped ADD COLUMN d dumped_domain;
CREATE FUNCTION f() RETURNS enctext LANGUAGE sql AS $$ SELECT 'x'::enctext('unknown_dumped') $$;
COMMIT;
RESET check_function_bodies;
SELECT * FROM made;
SELECT f();
\echo :LAST_ERROR_SQLSTATE

-- create: everywhere a key can be named
SET cellenc.unknown_key = 'create';
CREATE TABLE created (id integer, v enctext('unknown_table'), w enctext('unknown_table', 'equality'));
INSERT INTO created VALUES (1, 'v', 'w');
CREATE DOMAIN created_domain AS enctext('unknown_domain');
SELECT 'x'::created_domain;
CREATE TYPE created_type AS (v enctext('unknown_type'));
SELECT ROW('x')::created_type;
ALTER TABLE created ADD COLUMN a enctext('unknown_add')[] DEFAULT '{x}';
ALTER TABLE created ALTER COLUMN id TYPE encint4('unknown_alter', 'order');
ALTER TABLE created ALTER COLUMN v TYPE enctext('unknown_change');
SELECT *, cellenc_key_name(id) AS id_key, cellenc_key_name(v) AS v_key FROM created;
SELECT 'x'::enctext('unknown_cast'), cellenc_key_name('x'::enctext('unknown_cast'));
CREATE TABLE created_as AS SELECT 1::encint4('unknown_as') AS n;
DO $$ DECLARE x enctext('unknown_plpgsql') := 'x'; BEGIN RAISE NOTICE '%', x; END $$;
CREATE FUNCTION g() RETURNS enctext LANGUAGE sql AS $$ SELECT 'x'::enctext('unknown_sql') $$;
SELECT g(), cellenc_key_name(g());
SELECT * FROM made ORDER BY key;
-- one key, however often it is named, and gone when the migration fails
BEGIN;
CREATE TABLE migrated (v enctext('unknown_migrated'));
INSERT INTO migrated VALUES ('x');
ALTER TABLE migrated ADD COLUMN w enctext('unknown_migrated', 'order');
CREATE INDEX ON migrated (w);
UPDATE migrated SET w = v;
SELECT * FROM migrated WHERE w = 'x';
SAVEPOINT s;
ALTER TABLE migrated ADD COLUMN x enctext('unknown_savepoint');
ROLLBACK TO s;
SELECT count(*) FROM made WHERE key IN ('unknown_migrated', 'unknown_savepoint');
ROLLBACK;
SELECT count(*) FROM made WHERE key IN ('unknown_migrated', 'unknown_savepoint');
BEGIN;
CREATE TABLE migrated (v enctext('unknown_migrated'));
COMMIT;
INSERT INTO migrated VALUES ('x');
SELECT v, cellenc_key_name(v) FROM migrated;
-- a name that no key can have is none
CREATE TABLE t (v enctext('Not a name'));
\echo :LAST_ERROR_SQLSTATE

-- whoever names it may use it; only superusers may change the setting
SET ROLE regress_cellenc_migrator;
CREATE TABLE own (id integer, v enctext('unknown_own', 'equality'));
CREATE INDEX ON own USING hash (v);
INSERT INTO own VALUES (1, 'x');
SELECT * FROM own WHERE v = 'x';
SELECT cellenc_create_key('unknown_other');
SELECT cellenc_has_key_privilege('unknown_own', 'encrypt, decrypt') AS uses, cellenc_has_key_privilege('unknown_own', 'manage') AS manages,
	cellenc_has_key_privilege('unknown_table', 'encrypt') AS uses_others;
RESET cellenc.unknown_key;
SET cellenc.unknown_key = 'error';
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT role, privilege FROM cellenc.key_grants WHERE key LIKE 'unknown%' ORDER BY role, privilege;
SELECT action, role, detail FROM cellenc.events WHERE key = 'unknown_own' ORDER BY at;
RESET cellenc.unknown_key;

SET client_min_messages = warning;
DROP SCHEMA unknown_key CASCADE;
DROP ROLE regress_cellenc_migrator;
