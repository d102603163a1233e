--
-- Retiring versions: disable, enable, destroy, and dropping keys
--
\set VERBOSITY default
SELECT cellenc_create_key('ret_a'), cellenc_create_key('ret_b');
CREATE TABLE ret (id int, v enctext('ret_a', 'order'), w enctext('ret_b') DEFAULT 'w');
INSERT INTO ret VALUES (1, 'one');

-- what the state of a version does to those who use it; the date is left out
CREATE FUNCTION ret_try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, message, regexp_replace(detail, '[0-9]{4}-.*\.$', 'DATE.'), hint);
END $$;
CREATE VIEW ret_versions AS
SELECT version, state, n_refused FROM cellenc.key_versions WHERE key = 'ret_a' ORDER BY version;

-- disabled
SELECT cellenc_rotate_key('ret_a', reencrypt => false);
INSERT INTO ret VALUES (2, 'two');
SELECT cellenc_disable_key_version('ret_a', 1);
SELECT ret_try('SELECT v::text FROM ret WHERE id = 1');
SELECT ret_try('SELECT v::text FROM ret WHERE id = 2');
SELECT ret_try('SELECT count(*) FROM ret WHERE v = ''two''');
SELECT ret_try('INSERT INTO ret VALUES (3, ''three'')');
SELECT * FROM ret_versions;
-- what a value is under can be seen all the same
SELECT id, cellenc_key_name(v), cellenc_key_version(v) FROM ret ORDER BY id;
-- other keys, and other columns of the row, are not concerned
SELECT w FROM ret ORDER BY id;
SELECT cellenc_disable_key_version(key => 'ret_a', version => 1);
SELECT cellenc_enable_key_version(key => 'ret_a', version => 1);
SELECT cellenc_enable_key_version('ret_a', 1);
SELECT v FROM ret ORDER BY id;
SELECT * FROM ret_versions;

-- the current version: neither reading nor writing
SELECT cellenc_disable_key_version('ret_a', 2);
SELECT ret_try('SELECT v::text FROM ret WHERE id = 1');
SELECT ret_try('SELECT v::text FROM ret WHERE id = 2');
SELECT ret_try('INSERT INTO ret VALUES (4, ''four'')');
SELECT ret_try('UPDATE ret SET v = ''four''');
SELECT ret_try('UPDATE ret SET id = id');
SELECT key, version, state FROM cellenc.keys WHERE key = 'ret_a';
-- an older version does not become the current one in its place
SELECT cellenc_disable_key_version('ret_a', 1);
SELECT cellenc_enable_key_version('ret_a', 1);
SELECT version, state FROM ret_versions;
SELECT cellenc_enable_key_version('ret_a', 2);
SELECT version, state FROM ret_versions;

-- the whole key; a rotation gives it a new current version
SELECT cellenc_disable_key_version('ret_a');
SELECT version, state FROM ret_versions;
SELECT ret_try('SELECT v::text FROM ret WHERE id = 1');
SELECT cellenc_enable_key_version('ret_a');
SELECT version, state FROM ret_versions;
SELECT cellenc_disable_key_version('ret_a');
SELECT cellenc_rotate_key('ret_a', reencrypt => false);
INSERT INTO ret VALUES (4, 'four');
SELECT ret_try('SELECT v::text FROM ret WHERE id = 4');
SELECT cellenc_enable_key_version('ret_a');
SELECT version, state FROM ret_versions;
SELECT id, v FROM ret ORDER BY id;

-- rolled back
BEGIN;
SELECT cellenc_disable_key_version('ret_a', 1);
SAVEPOINT s;
SELECT ret_try('SELECT v::text FROM ret WHERE id = 1');
ROLLBACK TO s;
ROLLBACK;
SELECT v FROM ret WHERE id = 1;

-- arguments and privileges
SELECT cellenc_disable_key_version(NULL);
SELECT cellenc_disable_key_version('ret_none');
SELECT cellenc_disable_key_version('ret_a', 4);
SELECT cellenc_enable_key_version('ret_a', 0);
SELECT cellenc_disable_key_version('#literal');
CREATE ROLE ret_manager;
SELECT cellenc_grant_key('ret_a', 'ret_manager', 'encrypt, decrypt');
SET ROLE ret_manager;
SELECT cellenc_disable_key_version('ret_a', 1);
SELECT cellenc_enable_key_version('ret_a', 1);
RESET ROLE;
SELECT cellenc_grant_key('ret_a', 'ret_manager', 'manage');
SET ROLE ret_manager;
SELECT cellenc_disable_key_version('ret_a', 1);
SELECT cellenc_disable_key_version('ret_b', 1);
SELECT cellenc_enable_key_version('ret_a', 1);
RESET ROLE;
SELECT role, action, key, version, detail FROM cellenc.events
WHERE key = 'ret_a' AND action IN ('enable', 'disable') ORDER BY at DESC LIMIT 3;

--
-- Destroy and drop, in a database of their own: all of it is searched
--
SELECT current_database() AS main_database \gset
CREATE DATABASE ret_db;
\c ret_db
SET client_min_messages = warning;
CREATE EXTENSION cellenc;
RESET client_min_messages;
SELECT cellenc_create_key('ret_a'), cellenc_create_key('ret_b');
CREATE TYPE ret_pair AS (n int, v enctext('ret_a'));
CREATE TABLE ret (id int, v enctext('ret_a', 'order'), w enctext('ret_b'), p ret_pair DEFAULT '(1,default)');
CREATE INDEX ret_v ON ret (v);
INSERT INTO ret SELECT i, 'v' || i FROM generate_series(1, 500) i;
CREATE VIEW ret_view AS SELECT '(2,constant)'::ret_pair AS p;
CREATE VIEW ret_blockers AS
SELECT blocker, detail, hint FROM cellenc_destroy_blockers('ret_a', 1) ORDER BY blocker, detail;

-- what blocks, in the order in which it goes away
SELECT * FROM ret_blockers;
SELECT cellenc_destroy_key_version('ret_a', 1, 'infinity');
SELECT cellenc_rotate_key('ret_a', reencrypt => false);
SELECT * FROM ret_blockers;
UPDATE ret SET v = v::text, p = ROW((p).n, (p).v::text)::ret_pair;
VACUUM ret;
SELECT * FROM ret_blockers;
SELECT cellenc_destroy_key_version(key => 'ret_a', version => 1, oldest_backup => 'infinity');
REINDEX INDEX CONCURRENTLY ret_v;
CREATE OR REPLACE VIEW ret_view AS SELECT '(2,constant)'::ret_pair AS p;
ALTER TABLE ret ALTER COLUMN p SET DEFAULT '(1,default)';
BEGIN;
SELECT cellenc_disable_key_version('ret_a', 1);
SELECT blocker, hint FROM ret_blockers;
ROLLBACK;
BEGIN;
DECLARE ret_cursor CURSOR WITH HOLD FOR SELECT v FROM ret;
COMMIT;
SELECT cellenc_disable_key_version('ret_a', 1);
SELECT blocker, hint FROM ret_blockers;
CLOSE ret_cursor;
SELECT * FROM ret_blockers;

-- arguments
SELECT cellenc_destroy_key_version('ret_a', 1, NULL);
SELECT cellenc_destroy_key_version('ret_a', 3, 'infinity');
SELECT cellenc_destroy_key_version('ret_c', 1, 'infinity');
SELECT * FROM cellenc_destroy_blockers('ret_a', 3);
SELECT * FROM cellenc_destroy_blockers('ret_c', 1);
\set VERBOSITY terse
SELECT cellenc_destroy_key_version('ret_a', 1, '-infinity');
SELECT cellenc_destroy_key_version('ret_a', 1, now() - interval '1 day');
\set VERBOSITY default
BEGIN READ ONLY;
SELECT cellenc_destroy_key_version('ret_a', 1, 'infinity');
ROLLBACK;

-- destroyed; and once more, after a rollback
BEGIN;
SELECT cellenc_destroy_key_version('ret_a', 1, 'infinity');
SELECT version, state, master_keys FROM cellenc.key_versions WHERE key = 'ret_a' ORDER BY version;
ROLLBACK;
SELECT version, state, master_keys FROM cellenc.key_versions WHERE key = 'ret_a' ORDER BY version;
SELECT cellenc_destroy_key_version('ret_a', 1, 'infinity');
SELECT version, state, master_keys FROM cellenc.key_versions WHERE key = 'ret_a' ORDER BY version;
SELECT * FROM ret_blockers;
\set VERBOSITY terse
SELECT cellenc_destroy_key_version('ret_a', 1, 'infinity');
SELECT cellenc_enable_key_version('ret_a', 1);
SELECT cellenc_disable_key_version('ret_a', 1);
\set VERBOSITY default
SELECT state_by = current_user AS by_us FROM cellenc.key_version WHERE state = 'destroyed';
SELECT action, key, version, detail FROM cellenc.events WHERE action = 'destroy';

-- nothing misses it
SET enable_seqscan = off;
SELECT count(*), min(v), max(v) FROM ret WHERE v > 'v';
SELECT id FROM ret WHERE v = 'v77';
RESET enable_seqscan;
INSERT INTO ret (id, v) VALUES (0, 'new');
SELECT (p).v FROM ret WHERE v = 'new';
SELECT * FROM ret_view;
ANALYZE ret;
SELECT * FROM cellenc_usage('ret_a') ORDER BY attname;
-- the whole key can be disabled and enabled
SELECT cellenc_disable_key_version('ret_a');
SELECT cellenc_enable_key_version('ret_a');
SELECT version, state FROM cellenc.key_versions WHERE key = 'ret_a' ORDER BY version;

-- the tombstone stays, whoever writes
UPDATE cellenc.key_version SET state = 'decrypt_only' WHERE state = 'destroyed';
DELETE FROM cellenc.key_version WHERE state = 'destroyed';
INSERT INTO cellenc.key_version SELECT version_id, key, version, 'current', search_key, check_value, created_at,
	created_by, state_since, exported_at, state_by FROM cellenc.key_version WHERE state = 'destroyed';
SELECT version, state FROM cellenc.key_versions WHERE key = 'ret_a' ORDER BY version;

-- drop
SELECT cellenc_drop_key('ret_c');
SELECT cellenc_drop_key('ret_a');
CREATE DOMAIN ret_domain AS enctext('ret_a');
ALTER TABLE ret DROP COLUMN v, DROP COLUMN p;
CREATE FUNCTION ret_function(v text DEFAULT 'x'::enctext('ret_a')) RETURNS int LANGUAGE sql RETURN 1;
SELECT cellenc_drop_key('ret_a');
DROP VIEW ret_view;
DROP TYPE ret_pair;
DROP DOMAIN ret_domain;
SELECT cellenc_drop_key('ret_a');
DROP FUNCTION ret_function;
SELECT key, id AS dropped_id FROM (SELECT 'ret_a' AS key, id FROM cellenc.key WHERE name = 'ret_a') k \gset
BEGIN;
SELECT cellenc_drop_key('ret_a');
ROLLBACK;
SELECT cellenc_drop_key('ret_a');
SELECT key, version, state FROM cellenc.key_versions ORDER BY key, version;
SELECT version, state FROM cellenc.key_version WHERE key = :'dropped_id' ORDER BY version;
SELECT count(*) FROM cellenc.key_wrap WHERE owner = :'dropped_id';
SELECT action, key, version, detail FROM cellenc.events WHERE key = 'ret_a' AND action IN ('drop', 'destroy') ORDER BY at;
-- a dump from before does not bring it back
INSERT INTO cellenc.key SELECT :'dropped_id', 'ret_a', 1, now(), 'x', NULL;
SELECT count(*) FROM cellenc.key WHERE id = :'dropped_id';
-- the name is free
SELECT cellenc_create_key('ret_a');
CREATE TABLE ret_again (v enctext('ret_a'));
INSERT INTO ret_again VALUES ('again');
SELECT v, cellenc_key_version(v) FROM ret_again;
\c :main_database
DROP DATABASE ret_db;
DROP TABLE ret;
DROP VIEW ret_versions;
DROP FUNCTION ret_try;
SELECT cellenc_revoke_key('ret_a', 'ret_manager', 'encrypt, decrypt, manage');
DROP ROLE ret_manager;
