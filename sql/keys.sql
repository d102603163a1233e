--
-- Keys: create, rotate, roll back, and the views that show them
--

-- rows of all key tables: what a rolled-back call must not change
CREATE FUNCTION keys_rows() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ',
		(SELECT count(*) FROM cellenc.master_key), (SELECT count(*) FROM cellenc.key),
		(SELECT count(*) FROM cellenc.key_version), (SELECT count(*) FROM cellenc.key_wrap),
		(SELECT count(*) FROM cellenc.search_key), (SELECT count(*) FROM cellenc.key_grant),
		(SELECT count(*) FROM cellenc.event))
$$;

-- create
SELECT cellenc_create_key('keys_a');
SELECT cellenc_create_key(key => 'keys_b', master_key => 'default');
SELECT cellenc_create_key(key => 'keys_c', if_not_exists => true);

SELECT keys_rows() AS before \gset
SELECT cellenc_create_key('keys_c', if_not_exists => true);
SELECT cellenc_create_key('keys_c');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_key('keys_c', if_not_exists => false);
\echo :LAST_ERROR_SQLSTATE

-- names
SELECT cellenc_create_key('');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_key('Keys');
SELECT cellenc_create_key('1keys');
SELECT cellenc_create_key('-keys');
SELECT cellenc_create_key('keys a');
SELECT cellenc_create_key('keys"a');
SELECT cellenc_create_key('ключ');
SELECT cellenc_create_key('#0badcafe');
SELECT cellenc_create_key(repeat('k', 64));
SELECT cellenc_create_key('Keys', if_not_exists => true);
SELECT cellenc_create_key(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_create_key('keys_d', if_not_exists => NULL);
SELECT cellenc_create_key('keys_d', 'Default');
\echo :LAST_ERROR_SQLSTATE

-- a master key that the provider does not have
\set VERBOSITY terse
SELECT cellenc_create_key('keys_d', 'nonesuch');
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE

-- nothing of that left anything behind
SELECT keys_rows() = :'before' AS unchanged;

SELECT cellenc_create_key('_');
SELECT cellenc_create_key('_keys-0_' || repeat('9', 55));

-- rotate
SELECT cellenc_rotate_key('keys_a', reencrypt => false);
SELECT cellenc_rotate_key(key => 'keys_a', reencrypt => false);
SELECT cellenc_rotate_key('keys_none', reencrypt => false);
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_rotate_key('Keys a', reencrypt => false);
\echo :LAST_ERROR_SQLSTATE

-- views
SELECT key, version, state, created_at IS NOT NULL AS created, rotated_at > created_at AS rotated,
	rotate_every, next_rotation
FROM cellenc.keys WHERE key LIKE 'keys\_%' ORDER BY key;
SELECT key, version, state, created_at IS NOT NULL AS created, created_by = current_user AS by_me,
	master_keys, exported_at
FROM cellenc.key_versions WHERE key LIKE 'keys\_%' ORDER BY key, version;
SELECT action, key, version, role = current_user AS by_me, at <= clock_timestamp() AS past
FROM cellenc.events WHERE key LIKE 'keys\_%' ORDER BY at, key, version;
SELECT name, source IS NOT NULL AS has_source, status, loaded_at IS NOT NULL AS loaded, last_error
FROM cellenc.master_keys WHERE name = 'default';

-- the key for constants is in none of them, and cannot be named
SELECT count(*) FROM cellenc.keys WHERE key !~ '^[a-z_]';
SELECT count(*) FROM cellenc.key_versions WHERE key !~ '^[a-z_]';
SELECT name FROM cellenc.key WHERE name_hash < 0 \gset
SELECT cellenc_rotate_key(:'name', reencrypt => false) IS NULL \g /dev/null
\echo :LAST_ERROR_SQLSTATE

-- values of all versions are read, new ones go under the current one
CREATE TABLE keys_t (id integer, v enctext('keys_b'));
INSERT INTO keys_t VALUES (1, 'one');
SELECT cellenc_rotate_key('keys_b', false);
INSERT INTO keys_t VALUES (2, 'two');
SELECT cellenc_rotate_key('keys_b', false);
INSERT INTO keys_t VALUES (3, 'three'), (4, NULL);
UPDATE keys_t SET v = 'zwei' WHERE id = 2;
SELECT id, v, cellenc_key_name(v), cellenc_key_version(v) FROM keys_t ORDER BY id;

-- an uncommitted key or version is used at once by its own transaction
SELECT keys_rows() AS before \gset
BEGIN;
SELECT cellenc_create_key('keys_tx');
CREATE TABLE keys_tx (v enctext('keys_tx'));
INSERT INTO keys_tx VALUES ('x');
SELECT v, cellenc_key_name(v), cellenc_key_version(v) FROM keys_tx;
SELECT cellenc_rotate_key('keys_tx', false);
INSERT INTO keys_tx VALUES ('y');
SELECT v, cellenc_key_version(v) FROM keys_tx ORDER BY v;
SELECT cellenc_rotate_key('keys_b', false);
INSERT INTO keys_t VALUES (5, 'five');
SELECT id, v, cellenc_key_version(v) FROM keys_t WHERE id = 5;
SELECT version, state FROM cellenc.keys WHERE key = 'keys_b';
ROLLBACK;

-- and is gone with it
SELECT keys_rows() = :'before' AS unchanged;
CREATE TABLE keys_tx (v enctext('keys_tx'));
\echo :LAST_ERROR_SQLSTATE
SELECT version, state FROM cellenc.keys WHERE key = 'keys_b';
INSERT INTO keys_t VALUES (5, 'five');
SELECT id, v, cellenc_key_version(v) FROM keys_t WHERE id = 5;

-- an error does the same as ROLLBACK
BEGIN;
SELECT cellenc_rotate_key('keys_b', false);
INSERT INTO keys_t VALUES (6, 'six');
SELECT 1 / 0;
COMMIT;
INSERT INTO keys_t VALUES (6, 'six');
SELECT id, v, cellenc_key_version(v) FROM keys_t WHERE id = 6;

-- savepoints
BEGIN;
SAVEPOINT s;
SELECT cellenc_create_key('keys_sp');
CREATE TABLE keys_sp (v enctext('keys_sp'));
INSERT INTO keys_sp VALUES ('first');
ROLLBACK TO s;
SAVEPOINT s;
CREATE TABLE keys_sp (v enctext('keys_sp'));
ROLLBACK TO s;
SELECT keys_rows() = :'before' AS unchanged;
SELECT cellenc_create_key('keys_sp');
SAVEPOINT s2;
SELECT cellenc_rotate_key('keys_sp', false);
CREATE TABLE keys_sp (v enctext('keys_sp'));
INSERT INTO keys_sp VALUES ('rolled back');
SELECT cellenc_key_version(v) FROM keys_sp;
ROLLBACK TO s2;
CREATE TABLE keys_sp (v enctext('keys_sp'));
INSERT INTO keys_sp VALUES ('second');
SAVEPOINT s3;
SELECT cellenc_rotate_key('keys_sp', false);
RELEASE s3;
INSERT INTO keys_sp VALUES ('third');
COMMIT;
SELECT v, cellenc_key_version(v) FROM keys_sp ORDER BY v;
SELECT version, state FROM cellenc.key_versions WHERE key = 'keys_sp' ORDER BY version;
SELECT action, version FROM cellenc.events WHERE key = 'keys_sp' ORDER BY version;

-- exceptions in PL/pgSQL are savepoints
DO $$
BEGIN
	BEGIN
		PERFORM cellenc_create_key('keys_do');
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN raise_exception THEN
		NULL;
	END;
	PERFORM cellenc_rotate_key('keys_do', false);
END
$$;

-- two-phase commit
BEGIN;
SELECT cellenc_create_key('keys_2p');
PREPARE TRANSACTION 'keys_2p';
SELECT count(*) FROM cellenc.keys WHERE key = 'keys_2p';
ROLLBACK PREPARED 'keys_2p';
BEGIN;
SELECT cellenc_create_key('keys_2p');
PREPARE TRANSACTION 'keys_2p';
COMMIT PREPARED 'keys_2p';
CREATE TABLE keys_2p (v enctext('keys_2p'));
INSERT INTO keys_2p VALUES ('after');
SELECT v, cellenc_key_name(v), cellenc_key_version(v) FROM keys_2p;

-- a new session finds everything
\c -
SELECT id, v, cellenc_key_version(v) FROM keys_t ORDER BY id;

-- which key and version a value is under
SELECT cellenc_key_name('plain'::text);
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_key_version(1);
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_key_name('unknown');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_key_name(ARRAY['a']::enctext('keys_a')[]);
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_key_name('x'::enctext('keys_b')), cellenc_key_version('x'::enctext('keys_b'));
SELECT cellenc_key_name('x'::enctext), cellenc_key_version('x'::enctext);
SELECT cellenc_key_name(NULL::enctext('keys_b'));

-- a version that is disabled or destroyed refuses its values, and that is counted
SELECT cellenc_create_key('keys_refuse');
CREATE TABLE keys_refuse (v enctext('keys_refuse'));
INSERT INTO keys_refuse VALUES ('first'), ('first too');
SELECT cellenc_rotate_key('keys_refuse', false);
INSERT INTO keys_refuse VALUES ('second');
CREATE VIEW keys_refused AS SELECT version, state, n_refused FROM cellenc.key_versions WHERE key = 'keys_refuse';
CREATE PROCEDURE keys_set_state(version integer, state text) LANGUAGE sql AS $$
	UPDATE cellenc.key_version v SET state = $2, state_since = '2001-02-03 04:05:06 UTC'
	FROM cellenc.key k WHERE k.id = v.key AND k.name = 'keys_refuse' AND v.version = $1
$$;
SET timezone = 'UTC';
CALL keys_set_state(1, 'disabled');
SELECT v FROM keys_refuse;
\echo :LAST_ERROR_SQLSTATE
SELECT v FROM keys_refuse WHERE cellenc_key_version(v) = 1;
SELECT v FROM keys_refuse WHERE cellenc_key_version(v) = 2;
SELECT * FROM keys_refused ORDER BY version;
DO $$
BEGIN
	FOR i IN 1 .. 5 LOOP
		BEGIN
			PERFORM v::text FROM keys_refuse;
		EXCEPTION WHEN object_not_in_prerequisite_state THEN
		END;
	END LOOP;
END
$$;
SELECT * FROM keys_refused ORDER BY version;
CALL keys_set_state(1, 'decrypt_only');
SELECT v FROM keys_refuse ORDER BY v::text;
SELECT * FROM keys_refused ORDER BY version;
-- whoever has no right to the key cannot make it count
CREATE ROLE keys_nobody;
GRANT SELECT ON keys_refuse TO keys_nobody;
CALL keys_set_state(1, 'disabled');
SET ROLE keys_nobody;
SELECT v FROM keys_refuse;
SELECT cellenc.version_refusals(1);
RESET ROLE;
SELECT * FROM keys_refused ORDER BY version;
-- destroyed, for ever
CALL keys_set_state(1, 'destroyed');
DELETE FROM cellenc.key_wrap w USING cellenc.key k WHERE k.id = w.owner AND k.name = 'keys_refuse' AND w.version = 1;
SELECT v FROM keys_refuse;
SELECT * FROM keys_refused ORDER BY version;
CALL keys_set_state(1, 'decrypt_only');
DROP VIEW keys_refused;
DROP PROCEDURE keys_set_state;
DROP TABLE keys_refuse;
DROP ROLE keys_nobody;

DROP TABLE keys_t, keys_sp, keys_2p;
DROP FUNCTION keys_rows();
