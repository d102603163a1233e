--
-- Master keys: several for one key version, a new one for an old one
--

-- which master keys wrap what, of every kind of key
CREATE VIEW mk_wraps AS
SELECT coalesce(k.name, 'search key') AS key, w.version, string_agg(m.name, ', ' ORDER BY m.name) AS master_keys
FROM cellenc.key_wrap w JOIN cellenc.master_key m ON m.id = w.master_key
LEFT JOIN cellenc.key k ON k.id = w.owner
GROUP BY k.name, w.version;
CREATE VIEW mk_shown AS SELECT * FROM mk_wraps WHERE key IN ('#literal', 'search key') OR key LIKE 'mk\_%';
-- everything that a call may change
CREATE FUNCTION mk_state() RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(t, '|' ORDER BY t)) FROM (
		SELECT w::text FROM cellenc.key_wrap w UNION ALL SELECT m::text FROM cellenc.master_key m
		UNION ALL SELECT v::text FROM cellenc.key_version v UNION ALL SELECT e::text FROM cellenc.event e) AS rows (t)
$$;

SELECT cellenc_create_key('mk_a'), cellenc_create_key('mk_b', 'phrase');
SELECT * FROM mk_shown ORDER BY key COLLATE "C", version;
CREATE TABLE mk_t (id integer, a enctext('mk_a', 'equality'), b encint4('mk_b') DEFAULT 42);
INSERT INTO mk_t (id, a) VALUES (1, 'one');
CREATE INDEX ON mk_t USING hash (a);

-- add, for one key: twice is once, and new versions have all wraps of the last
SELECT cellenc_add_master_key('second', 'mk_a');
SELECT cellenc_add_master_key(master_key => 'second', key => 'mk_a');
SELECT cellenc_rotate_key('mk_a', reencrypt => false);
SELECT key, version, master_keys FROM cellenc.key_versions WHERE key LIKE 'mk\_%' ORDER BY 1, 2;

-- remove: never the last one, and all or nothing
SELECT mk_state() AS before \gset
SELECT cellenc_remove_master_key('phrase', 'mk_b');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_remove_master_key('default');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_remove_master_key('second', 'mk_b');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_remove_master_key('nonesuch');
\echo :LAST_ERROR_SQLSTATE
SELECT mk_state() = :'before' AS unchanged;
SELECT cellenc_remove_master_key('default', 'mk_a');
SELECT * FROM mk_shown ORDER BY key COLLATE "C", version;
SELECT id, a, b FROM mk_t WHERE a = 'one';

-- what else is refused
SELECT cellenc_add_master_key(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_add_master_key('Second');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_add_master_key('second', 'mk_none');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_rotate_master_key('second', '#literal');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
SELECT mk_state() AS before \gset
SELECT cellenc_add_master_key('nonesuch');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_rotate_master_key('nonesuch');
\echo :LAST_ERROR_SQLSTATE
SELECT mk_state() = :'before' AS unchanged;
CREATE ROLE mk_role;
SELECT cellenc_grant_key('mk_a', 'mk_role', 'encrypt, decrypt, manage');
SET ROLE mk_role;
SELECT cellenc_add_master_key('second', 'mk_a');
SELECT cellenc_remove_master_key('second', 'mk_a');
SELECT cellenc_rotate_master_key('second', 'mk_a');
RESET ROLE;

-- rotate, for one key
SELECT cellenc_rotate_master_key('second', 'mk_b');
SELECT cellenc_rotate_master_key('second', 'mk_b');
SELECT * FROM mk_shown ORDER BY key COLLATE "C", version;
SELECT name FROM cellenc.master_key ORDER BY name;

-- for all, rolled back
SELECT mk_state() AS before \gset
BEGIN;
SELECT cellenc_rotate_master_key('phrase');
SELECT DISTINCT master_keys FROM mk_wraps;
SELECT id, a, b FROM mk_t WHERE a = 'one';
INSERT INTO mk_t (id, a) VALUES (2, 'two');
ROLLBACK;
SELECT mk_state() = :'before' AS unchanged;
SELECT id, a, b FROM mk_t WHERE a = 'one';

-- for all, to a passphrase and back, while values stay as they are
SELECT count(*) AS n_wraps FROM cellenc.key_wrap \gset
\c -
SET cellenc.output = sealed;
SELECT md5(string_agg(t::text, '|' ORDER BY id)) AS stored FROM mk_t t \gset
\c -
\set VERBOSITY terse
SELECT cellenc_rotate_master_key('phrase');
SELECT DISTINCT master_keys FROM mk_wraps;
SELECT name, kdf, rounds >= 600000 AS slow FROM cellenc.master_key;
\c -
SELECT id, a, b FROM mk_t WHERE a = 'one';
\set VERBOSITY terse
SELECT cellenc_rotate_master_key('default');
SELECT DISTINCT master_keys FROM mk_wraps;
SELECT name, kdf, rounds FROM cellenc.master_key;
-- a version under several has one wrap from now on
SELECT count(*) - :n_wraps AS more_wraps FROM cellenc.key_wrap;
\c -
SELECT id, a, b FROM mk_t WHERE a = 'one';
\c -
SET cellenc.output = sealed;
SELECT bool_and(a::text IS NOT NULL) AS opens, md5(string_agg(t::text, '|' ORDER BY id)) = :'stored' AS unchanged,
	bool_and(t::text LIKE '%cellenc:1:%') AS sealed FROM mk_t t;
\c -

-- what is left has to open before a wrap goes
BEGIN;
SELECT cellenc_add_master_key('second', 'mk_b');
UPDATE cellenc.key_wrap SET wrapped = overlay(wrapped PLACING '\x00' FROM 40)
WHERE master_key = (SELECT id FROM cellenc.master_key WHERE name = 'second');
SAVEPOINT altered;
SELECT cellenc_remove_master_key('default', 'mk_b');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO altered;
SELECT cellenc_rotate_master_key('second', 'mk_b');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

SELECT action, key, version, detail FROM cellenc.events
WHERE action LIKE '%master_key' ORDER BY at, key;

DROP TABLE mk_t;
DROP VIEW mk_shown, mk_wraps;
DROP FUNCTION mk_state;
SELECT cellenc_revoke_key('mk_a', 'mk_role', 'encrypt, decrypt, manage');
DROP ROLE mk_role;
