--
-- Bundles of keys: export, check, import
--
CREATE DATABASE regress_bundle_a;
CREATE DATABASE regress_bundle_b;
CREATE ROLE regress_bundle_role;

\c regress_bundle_a
SET client_min_messages = warning;
CREATE EXTENSION cellenc;
SELECT cellenc_create_key('kept'), cellenc_create_key('grown', 'second');
CREATE TABLE t (id integer, a enctext('kept', 'equality'), b encint4('grown')[], c encdate('grown'));
INSERT INTO t VALUES (1, 'one', '{1, NULL}', '2001-01-01');
SELECT cellenc_rotate_key('grown', false);
INSERT INTO t VALUES (2, 'two', '{2}', '2002-02-02');

SELECT cellenc_export_keys('second') AS bundle \gset
SELECT left(:'bundle', 15), :'bundle' ~ '^cellenc-keys:1:[A-Za-z0-9+/]+=*$' AS canonical;
SELECT cellenc_export_keys('second') <> :'bundle' AS fresh_nonce;
SELECT key, version, exported_at IS NOT NULL AS exported FROM cellenc.key_versions ORDER BY 1, 2;
SELECT * FROM cellenc_check_bundle(:'bundle') ORDER BY key NULLS FIRST, version;
-- what is here stays, and nothing is added
SELECT cellenc_import_keys(:'bundle');
-- a master key that wraps nothing here may wrap a bundle
SELECT cellenc_export_keys('phrase') AS phrase_bundle \gset
SELECT name FROM cellenc.master_key ORDER BY name;
SELECT * FROM cellenc_check_bundle(:'phrase_bundle') ORDER BY key NULLS FIRST, version;
SELECT cellenc_export_keys(NULL) IS NULL AS strict;
\set VERBOSITY terse
SELECT cellenc_export_keys('nonesuch');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_export_keys('None such');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT action, key, version, detail FROM cellenc.events WHERE action IN ('export', 'import') ORDER BY key, version, detail;

-- the values, for the other database
\c -reuse-previous=on "options='-c cellenc.output=sealed'"
SELECT string_agg(id || ',' || quote_literal(a), ',' ORDER BY id) AS stored FROM t \gset
SELECT a AS sealed_1 FROM t WHERE id = 1 \gset
SELECT c AS sealed_2 FROM t WHERE id = 2 \gset

-- only for superusers
\c -reuse-previous=on "dbname=regress_bundle_b options=''"
SET client_min_messages = warning;
CREATE EXTENSION cellenc;
SET ROLE regress_bundle_role;
SELECT cellenc_export_keys('default');
SELECT cellenc_import_keys(:'bundle');
SELECT * FROM cellenc_check_bundle(:'bundle') ORDER BY key NULLS FIRST, version;
RESET ROLE;

-- a database without keys; nothing changes with the check, or with a rollback
SELECT * FROM cellenc_check_bundle(:'bundle') ORDER BY key NULLS FIRST, version;
SELECT count(*) FROM cellenc.key_versions;
BEGIN;
SELECT cellenc_import_keys(:'bundle');
SELECT key, version, state, master_keys FROM cellenc.key_versions ORDER BY 1, 2;
ROLLBACK;
SELECT count(*) AS n_keys, (SELECT count(*) FROM cellenc.search_key) AS n_search_keys FROM cellenc.key_versions;
SELECT cellenc_import_keys(:'bundle');
SELECT key, version, state, master_keys, created_by = current_user AS by_me, exported_at
FROM cellenc.key_versions ORDER BY 1, 2;
SELECT * FROM cellenc.key_grants;
-- twice is once
SELECT * FROM cellenc_check_bundle(:'bundle') ORDER BY key NULLS FIRST, version;
SELECT cellenc_import_keys(:'bundle' || E'\n');
SELECT action, key, version, detail FROM cellenc.events WHERE action IN ('export', 'import') ORDER BY key, version, detail;

-- values move, terms too: the search key came with the keys
CREATE TABLE t (a enctext('kept', 'equality'), c encdate('grown'));
CREATE INDEX ON t USING hash (a);
SET cellenc.input = sealed;
INSERT INTO t VALUES (:'sealed_1', :'sealed_2');
RESET cellenc.input;
SET enable_seqscan = off;
SELECT a, c, cellenc_key_name(c), cellenc_key_version(c) FROM t WHERE a = 'one';
RESET enable_seqscan;

-- versions made meanwhile on both sides contradict each other
SELECT cellenc_rotate_key('grown', false);
\c regress_bundle_a
SELECT cellenc_rotate_key('kept', false);
SELECT cellenc_export_keys('default') AS later \gset
SELECT cellenc_rotate_key('grown', false);
SELECT cellenc_export_keys('default') AS diverged \gset
\c regress_bundle_b
SET client_min_messages = warning;
SELECT * FROM cellenc_check_bundle(:'diverged') ORDER BY key NULLS FIRST, version;
SELECT cellenc_import_keys(:'diverged');
\echo :LAST_ERROR_SQLSTATE
-- a newer version of a key that is here does not become the current one
SELECT * FROM cellenc_check_bundle(:'later') ORDER BY key NULLS FIRST, version;
SELECT cellenc_import_keys(:'later');
SELECT key, version, state FROM cellenc.key_versions ORDER BY 1, 2;
-- the next one comes after it
SELECT cellenc_rotate_key('kept', false);

-- another key of the same name; another search key, with and without terms
CREATE DATABASE regress_bundle_c;
\c regress_bundle_c
SET client_min_messages = warning;
CREATE EXTENSION cellenc;
SELECT cellenc_create_key('kept'), cellenc_create_key('own');
SELECT * FROM cellenc_check_bundle(:'bundle') ORDER BY key NULLS FIRST, version;
SELECT cellenc_import_keys(:'bundle');
DROP EXTENSION cellenc;
CREATE EXTENSION cellenc;
SELECT cellenc_create_key('own');
CREATE TABLE own (id integer, v enctext('own', 'equality'), w enctext('own'));
INSERT INTO own VALUES (1, 'x', 'w');
CREATE INDEX ON own USING hash (v);
SELECT * FROM cellenc_check_bundle(:'bundle') ORDER BY key NULLS FIRST, version;
SELECT cellenc_import_keys(:'bundle');
\echo :LAST_ERROR_SQLSTATE
TRUNCATE own;
SELECT * FROM cellenc_check_bundle(:'bundle') ORDER BY key NULLS FIRST, version;
SELECT cellenc_import_keys(:'bundle');
SELECT key, version, state FROM cellenc.key_versions ORDER BY 1, 2;
SELECT is_current, count(*) FROM cellenc.search_key GROUP BY 1 ORDER BY 1;
-- a version goes with one search key: this key has a new one, and an index works
INSERT INTO own VALUES (1, 'x', 'w');
SELECT v, w, cellenc_key_version(v) FROM own WHERE v = 'x';
CREATE TABLE t (a enctext('kept', 'equality'));
SET cellenc.input = sealed;
INSERT INTO t VALUES (:'sealed_1');
RESET cellenc.input;
INSERT INTO own SELECT 2, a, a FROM t;
SELECT id, t.a FROM own JOIN t ON own.v = t.a;
-- the bundle of this database has both search keys
SELECT cellenc_export_keys('default') AS both \gset
SELECT * FROM cellenc_check_bundle(:'both') ORDER BY key NULLS FIRST, version;

-- what is destroyed stays so
\c regress_bundle_b
SET client_min_messages = warning;
SELECT cellenc_disable_key_version('grown', 1);
SELECT cellenc_destroy_key_version('grown', 1, 'infinity');
SELECT * FROM cellenc_check_bundle(:'bundle') ORDER BY key NULLS FIRST, version;
SELECT cellenc_import_keys(:'bundle');
SELECT version, state, master_keys FROM cellenc.key_versions WHERE key = 'grown' ORDER BY 1;
SELECT cellenc_export_keys('default') AS tombstone \gset
-- and is destroyed elsewhere, where nothing needs it
\c regress_bundle_c
SET client_min_messages = warning;
SELECT * FROM cellenc_check_bundle(:'tombstone') WHERE key = 'grown' ORDER BY version;
SELECT cellenc_import_keys(:'tombstone');
SELECT version, state, master_keys FROM cellenc.key_versions WHERE key = 'grown' ORDER BY 1;
\c regress_bundle_a
SET client_min_messages = warning;
SELECT * FROM cellenc_check_bundle(:'tombstone') WHERE key = 'grown' AND version = 1;
SELECT cellenc_import_keys(:'tombstone');
\echo :LAST_ERROR_SQLSTATE
SELECT id, b, c FROM t ORDER BY id;

-- what is no bundle, or not what was exported
SELECT cellenc_import_keys('');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys('nonsense');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys(:'sealed_1');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys('cellenc-keys:2:AAAA');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys('cellenc-keys:1:');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys('cellenc-keys:1:!!!!');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys('cellenc-keys:1:AAAA');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys(overlay(:'bundle' PLACING ' ' FROM 30 FOR 0));
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys(left(:'bundle', 200));
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys(left(:'bundle', 15 + 40));
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys('cellenc-keys:1:' || translate(encode(decode(substr(:'bundle', 16), 'base64') || '\x00', 'base64'), E'\n', ''));
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys(repeat('x', 25 * 1024 * 1024));
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys('cellenc-keys:1:' || repeat('A', 25 * 1024 * 1024));
\echo :LAST_ERROR_SQLSTATE
-- bytes altered: in each part of the header, and in the records
CREATE FUNCTION altered(bundle text, at integer) RETURNS text LANGUAGE sql AS $$
	SELECT 'cellenc-keys:1:' || translate(encode(set_byte(b, at, get_byte(b, at) # 1), 'base64'), E'\n', '')
	FROM (SELECT decode(substr(bundle, 16), 'base64') AS b) AS bytes
$$;
SELECT cellenc_import_keys(altered(:'bundle', 5));
SELECT cellenc_import_keys(altered(:'bundle', 13));
SELECT cellenc_import_keys(altered(:'bundle', 24));
\set VERBOSITY terse
SELECT cellenc_import_keys(altered(:'bundle', 42));
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_import_keys(altered(:'bundle', 30));
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT cellenc_import_keys(altered(:'bundle', 200));
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_check_bundle(altered(:'bundle', 500));

\c contrib_regression
DROP DATABASE regress_bundle_a;
DROP DATABASE regress_bundle_b;
DROP DATABASE regress_bundle_c;
DROP ROLE regress_bundle_role;
