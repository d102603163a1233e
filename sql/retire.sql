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
