--
-- Privileges on keys: who may seal, open, compare and manage
--
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cellenc_none, regress_cellenc_enc, regress_cellenc_dec,
	regress_cellenc_both, regress_cellenc_mgr, regress_cellenc_group, regress_cellenc_writer,
	regress_cellenc_monitor, regress_cellenc_gone;
RESET client_min_messages;
CREATE ROLE regress_cellenc_none;
CREATE ROLE regress_cellenc_enc;
CREATE ROLE regress_cellenc_dec;
CREATE ROLE regress_cellenc_both;
CREATE ROLE regress_cellenc_mgr;
CREATE ROLE regress_cellenc_group;
CREATE ROLE regress_cellenc_writer;
CREATE ROLE regress_cellenc_monitor;
CREATE SCHEMA privileges;
GRANT USAGE, CREATE ON SCHEMA privileges TO PUBLIC;
SET search_path = privileges;

SELECT cellenc_create_key('privileges_a');
SELECT cellenc_create_key('privileges_b');
CREATE TABLE t (id integer, v enctext('privileges_a'), n encint4('privileges_a', 'equality'));
INSERT INTO t SELECT i, 'value ' || i, i FROM generate_series(1, 3) i;
GRANT ALL ON t TO PUBLIC;

-- grants
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_enc', 'encrypt');
SELECT cellenc_grant_key(key => 'privileges_a', role => 'regress_cellenc_dec', privileges => ' DECRYPT ');
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_both');
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_mgr', 'manage');
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_mgr', 'manage');
SELECT key, role, privilege, grantor = current_user AS by_me, granted_at <= now() AS past
FROM cellenc.key_grants WHERE key LIKE 'privileges\_%' ORDER BY key, role, privilege;
SELECT action, key, version, detail FROM cellenc.events
WHERE key LIKE 'privileges\_%' AND action = 'grant' ORDER BY at, detail;

-- refused
SELECT cellenc_grant_key('privileges_none', 'regress_cellenc_enc');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_gone');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_enc', 'read');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_enc', '');
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_enc', 'encrypt,');
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_enc', 'encrypt decrypt');
SELECT cellenc_revoke_key('privileges_none', 'regress_cellenc_enc');
SELECT cellenc_revoke_key('privileges_a', 'regress_cellenc_enc', 'all');

-- the two forms of the question
SELECT r AS role, cellenc_has_key_privilege(r, 'privileges_a', 'encrypt') AS encrypt,
	cellenc_has_key_privilege(r, 'privileges_a', 'decrypt') AS decrypt,
	cellenc_has_key_privilege(r, 'privileges_a', 'manage') AS manage,
	cellenc_has_key_privilege(r, 'privileges_a', 'encrypt, decrypt') AS both,
	cellenc_has_key_privilege(r, 'privileges_b', 'encrypt') AS other_key
FROM (SELECT unnest(ARRAY['none', 'enc', 'dec', 'both', 'mgr'])) s (suffix),
	LATERAL (SELECT ('regress_cellenc_' || suffix)::name) l (r);
SELECT cellenc_has_key_privilege(role => current_user, key => 'privileges_b', privilege => 'manage');
SELECT cellenc_has_key_privilege(key => 'privileges_b', privilege => 'Decrypt');
SELECT cellenc_has_key_privilege('regress_cellenc_gone', 'privileges_a', 'decrypt');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_has_key_privilege('privileges_none', 'decrypt');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_has_key_privilege('privileges_a', 'select');
\echo :LAST_ERROR_SQLSTATE
SELECT cellenc_has_key_privilege('privileges_a', NULL) IS NULL AS is_null;

-- what a statement comes to under each role
CREATE FUNCTION try(role name, sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	PERFORM set_config('role', role, true);
	EXECUTE sql;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE EXCEPTION 'ok' USING ERRCODE = 'OK000';	-- rolls back
EXCEPTION
	WHEN SQLSTATE 'OK000' THEN RETURN 'ok';
	WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE VIEW outcomes AS
SELECT ord, sql, try('regress_cellenc_none', sql) AS nobody, try('regress_cellenc_enc', sql) AS enc,
	try('regress_cellenc_dec', sql) AS dec, try('regress_cellenc_both', sql) AS encdec,
	try('regress_cellenc_mgr', sql) AS mgr
FROM (VALUES
	-- nothing is opened
	(1, 'SELECT id FROM t'),
	(2, 'SELECT count(*), count(v) FROM t WHERE v IS NOT NULL'),
	(3, 'SELECT cellenc_key_name(v), cellenc_key_version(v) FROM t'),
	(4, 'DELETE FROM t WHERE id = 1'),
	-- opening
	(10, 'SELECT v::text FROM t'),
	(11, 'SELECT format(''%s'', v) FROM t'),
	(12, 'SELECT length(v) FROM t'),
	(13, 'SELECT t::text FROM t'),
	(14, 'SELECT to_jsonb(t) FROM t'),
	(15, 'SELECT sum(n) FROM t'),
	(16, 'SELECT (v || ''x'')::enctext(''privileges_b'') FROM t WHERE false'),
	(17, 'SELECT cellenc.cellenc_send_text(v) FROM t'),
	-- comparing, hit or miss
	(20, 'SELECT 1 FROM t WHERE v = ''value 1'''),
	(21, 'SELECT 1 FROM t WHERE v = ''no value'''),
	(22, 'SELECT 1 FROM t WHERE n OPERATOR(cellenc.=) 1'),
	(23, 'SELECT 1 FROM t WHERE n OPERATOR(cellenc.<>) n'),
	(24, 'SELECT 1 FROM t WHERE n OPERATOR(cellenc.=) 1::encint4'),
	(25, 'SELECT 1 FROM t ORDER BY v'),
	(26, 'SELECT 1 FROM t GROUP BY v'),
	(27, 'SELECT 1 FROM t GROUP BY n'),
	(28, 'SELECT DISTINCT v FROM t'),
	(29, 'SELECT 1 FROM t a JOIN t b USING (n)'),
	(30, 'SELECT max(v) FROM t'),
	(31, 'SELECT cellenc.cellenc_hash(n) FROM t'),
	(32, 'SELECT cellenc.cellenc_hash(v) FROM t'),
	-- sealing
	(40, 'INSERT INTO t VALUES (4, ''new'')'),
	(41, 'INSERT INTO t (id, v) SELECT id, upper(''x'') FROM t'),
	(42, 'UPDATE t SET v = ''new'''),
	(44, 'SELECT ''x''::enctext(''privileges_a'')'),
	(45, 'INSERT INTO t (id) VALUES (4)'),
	-- both
	(50, 'UPDATE t SET v = upper(v)'),
	(51, 'UPDATE t SET n = n + 1'),
	(52, 'INSERT INTO t (v) VALUES (''new'') RETURNING v::text'),
	-- managing
	(60, 'SELECT cellenc_rotate_key(''privileges_a'', false)'),
	(61, 'SELECT cellenc_rotate_key(''privileges_b'', false)'),
	(62, 'SELECT cellenc_create_key(''privileges_c'')'),
	(63, 'SELECT cellenc_grant_key(''privileges_a'', ''regress_cellenc_none'')'),
	(64, 'SELECT cellenc_revoke_key(''privileges_a'', ''regress_cellenc_both'')'),
	(65, 'SELECT cellenc_create_type(''privileges.encx'', ''xid'')')
) v (ord, sql);
\pset format unaligned
\pset tuples_only on
SELECT sql || E'\n    nobody: ' || nobody || E'\n    encrypt: ' || enc || E'\n    decrypt: ' || dec
	|| E'\n    encrypt, decrypt: ' || encdec || E'\n    manage: ' || mgr
FROM outcomes ORDER BY ord;
\pset tuples_only off
\pset format aligned
DROP VIEW outcomes;

-- what reaches the client is opened too
SET ROLE regress_cellenc_none;
SELECT v FROM t;
\echo :LAST_ERROR_SQLSTATE
SELECT t FROM t;
COPY t TO STDOUT;
COPY t TO STDOUT (FORMAT binary);
\set SHOW_CONTEXT never
\copy t (v) from '/dev/null'
\echo :LAST_ERROR_SQLSTATE
\set SHOW_CONTEXT errors
TABLE cellenc.keys;
\echo :LAST_ERROR_SQLSTATE
TABLE cellenc.key_wrap;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;

-- membership; SET ROLE where it is not inherited
GRANT regress_cellenc_group TO regress_cellenc_none;
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_group', 'decrypt');
SET ROLE regress_cellenc_none;
SELECT v FROM t WHERE id = 1;
RESET ROLE;
SELECT cellenc_has_key_privilege('regress_cellenc_none', 'privileges_a', 'decrypt');
SELECT cellenc_revoke_key('privileges_a', 'regress_cellenc_group', 'decrypt');
SELECT cellenc_has_key_privilege('regress_cellenc_none', 'privileges_a', 'decrypt');
SET ROLE regress_cellenc_none;
SELECT v FROM t WHERE id = 1;
RESET ROLE;
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_group', 'decrypt');

-- who is in a role changes in the middle of a statement's rows
CREATE FUNCTION leave() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	REVOKE regress_cellenc_group FROM regress_cellenc_none;
END
$$;
CREATE FUNCTION lose() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	SELECT cellenc_revoke_key('privileges_a', 'regress_cellenc_group', 'decrypt')
$$;
BEGIN;
SET LOCAL ROLE regress_cellenc_none;
DECLARE c CURSOR FOR SELECT id, v FROM t ORDER BY id;
FETCH c;
SELECT leave();
FETCH c;
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_cellenc_none;
DECLARE c CURSOR FOR SELECT id, length(v) FROM t ORDER BY id;
FETCH c;
SELECT lose();
FETCH c;
ROLLBACK;
SET ROLE regress_cellenc_none;
SELECT v FROM t WHERE id = 1;
PREPARE p AS SELECT v::text FROM t WHERE id = 1;
EXECUTE p;
SELECT leave();
EXECUTE p;
DEALLOCATE p;
RESET ROLE;

-- the role changes while a cursor is open
BEGIN;
SET LOCAL ROLE regress_cellenc_dec;
DECLARE c CURSOR FOR SELECT v::text FROM t ORDER BY id;
FETCH c;
SET LOCAL ROLE regress_cellenc_none;
FETCH c;
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_cellenc_none;
DECLARE c CURSOR FOR SELECT v::text FROM t ORDER BY id;
SET LOCAL ROLE regress_cellenc_dec;
FETCH c;
ROLLBACK;
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_cellenc_dec;
SELECT v FROM t WHERE id = 2;
SET LOCAL SESSION AUTHORIZATION regress_cellenc_none;
SELECT v FROM t WHERE id = 2;
ROLLBACK;

-- a rolled-back grant or revoke has not happened
BEGIN;
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_none', 'decrypt');
SET LOCAL ROLE regress_cellenc_none;
SELECT v FROM t WHERE id = 1;
ROLLBACK;
SET ROLE regress_cellenc_none;
SELECT v FROM t WHERE id = 1;
RESET ROLE;
BEGIN;
SELECT cellenc_revoke_key('privileges_a', 'regress_cellenc_dec', 'decrypt');
ROLLBACK;
SET ROLE regress_cellenc_dec;
SELECT v FROM t WHERE id = 1;
RESET ROLE;

-- NOINHERIT
ALTER ROLE regress_cellenc_none NOINHERIT;
GRANT regress_cellenc_group TO regress_cellenc_none;
SET SESSION AUTHORIZATION regress_cellenc_none;
SELECT v FROM t WHERE id = 1;
SET ROLE regress_cellenc_group;
SELECT v FROM t WHERE id = 1;
RESET SESSION AUTHORIZATION;
REVOKE regress_cellenc_group FROM regress_cellenc_none;
ALTER ROLE regress_cellenc_none INHERIT;

-- SECURITY DEFINER lends what it opens, and no value
SET ROLE regress_cellenc_dec;
CREATE FUNCTION opened(integer) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = privileges AS
	'SELECT v::text FROM t WHERE id = $1';
CREATE FUNCTION unopened(integer) RETURNS enctext LANGUAGE sql SECURITY DEFINER SET search_path = privileges AS
	'SELECT v FROM t WHERE id = $1';
CREATE FUNCTION invoked(integer) RETURNS text LANGUAGE sql SET search_path = privileges AS
	'SELECT v::text FROM t WHERE id = $1';
SET ROLE regress_cellenc_none;
SELECT opened(1);
SELECT unopened(1);
SELECT cellenc_key_name(unopened(1));
SELECT invoked(1);
RESET ROLE;

-- a view's owner lends the table, not the key
SET ROLE regress_cellenc_dec;
CREATE VIEW by_dec AS SELECT id, v, length(v) AS len FROM t;
GRANT SELECT ON by_dec TO PUBLIC;
SET ROLE regress_cellenc_none;
CREATE VIEW by_none AS SELECT id, v, length(v) AS len FROM t;
GRANT SELECT ON by_none TO PUBLIC;
SELECT id FROM by_dec ORDER BY id;
SELECT v FROM by_dec;
SELECT len FROM by_dec;
SET ROLE regress_cellenc_dec;
SELECT * FROM by_none ORDER BY id;
RESET ROLE;

-- everybody
SELECT cellenc_grant_key('privileges_b', 'public', 'encrypt');
CREATE TABLE tb (v enctext('privileges_b'));
GRANT ALL ON tb TO PUBLIC;
SET ROLE regress_cellenc_none;
INSERT INTO tb VALUES ('from nobody');
SELECT v FROM tb;
RESET ROLE;
SELECT cellenc_revoke_key('privileges_b', 'public', 'encrypt');
SET ROLE regress_cellenc_none;
INSERT INTO tb VALUES ('from nobody');
RESET ROLE;

-- a role that is gone leaves no grants
CREATE ROLE regress_cellenc_gone;
SELECT cellenc_grant_key('privileges_b', 'regress_cellenc_gone');
DROP ROLE regress_cellenc_gone;
SELECT role, privilege FROM cellenc.key_grants WHERE key = 'privileges_b' ORDER BY role, privilege;
SELECT cellenc_revoke_key('privileges_b', 'regress_cellenc_gone');
SELECT count(*) FROM cellenc.key_grants WHERE key = 'privileges_b';

-- EXECUTE can be granted, as on any function
GRANT EXECUTE ON FUNCTION cellenc_create_key(text, text, boolean) TO regress_cellenc_mgr;
SET ROLE regress_cellenc_mgr;
SELECT cellenc_create_key('privileges_c');
CREATE TABLE tc (v enctext('privileges_c'));
INSERT INTO tc VALUES ('who makes a key has no right to it');
DROP TABLE tc;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION cellenc_create_key(text, text, boolean) FROM regress_cellenc_mgr;
SELECT created_by FROM cellenc.key_versions WHERE key = 'privileges_c';

-- key tables change by the functions only
GRANT pg_write_all_data, pg_read_all_data TO regress_cellenc_writer;
DO $$
DECLARE
	t regclass;
	col text;
	sql text;
	n integer := 0;
BEGIN
	SET LOCAL ROLE regress_cellenc_writer;
	FOR t, col IN
		SELECT c.oid, (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1)
		FROM pg_class c
		WHERE relnamespace = 'cellenc'::regnamespace AND relkind = 'r'
			AND c.relname IN ('master_key', 'key', 'key_version', 'key_wrap', 'search_key', 'key_grant', 'event')
		ORDER BY relname
	LOOP
		n := n + 1;
		FOREACH sql IN ARRAY ARRAY[
			format('INSERT INTO %s OVERRIDING SYSTEM VALUE SELECT * FROM %1$s', t),
			CASE WHEN t = 'cellenc.event'::regclass THEN format('UPDATE %s SET action = action', t)
				ELSE format('UPDATE %s SET %I = %2$I', t, col) END,
			format('DELETE FROM %s', t),
			format('MERGE INTO %s USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE', t),
			format('TRUNCATE %s', t)
		] LOOP
			BEGIN
				EXECUTE sql;
				RAISE NOTICE 'went through: %', sql;
			EXCEPTION WHEN OTHERS THEN
				IF SQLSTATE <> '42501' THEN
					RAISE NOTICE '%: % %', sql, SQLSTATE, SQLERRM;
				END IF;
			END;
		END LOOP;
	END LOOP;
	RAISE NOTICE '% key tables', n;
END
$$;
SET ROLE regress_cellenc_writer;
UPDATE cellenc.key_grant SET role = 'regress_cellenc_writer';
COPY cellenc.key_grant FROM STDIN;
00000000-0000-0000-0000-000000000000	regress_cellenc_writer	decrypt	me	now
\.
ALTER TABLE cellenc.key DISABLE TRIGGER ALL;
RESET ROLE;

-- a superuser's repair is seen at once
BEGIN;
DELETE FROM cellenc.key_grant WHERE role = 'regress_cellenc_dec';
SET LOCAL ROLE regress_cellenc_dec;
SELECT v FROM t WHERE id = 1;
ROLLBACK;

-- pg_monitor reads the views, and nothing below them
GRANT pg_monitor TO regress_cellenc_monitor;
SET ROLE regress_cellenc_monitor;
SELECT count(*) > 0 AS some FROM cellenc.keys;
SELECT count(*) > 0 AS some FROM cellenc.key_versions;
SELECT count(*) > 0 AS some FROM cellenc.key_grants;
SELECT count(*) > 0 AS some FROM cellenc.events;
SELECT count(*) > 0 AS some FROM cellenc.master_keys;
SELECT count(*) FROM cellenc.key_wrap;
SELECT count(*) FROM cellenc.event;
RESET ROLE;

-- what PUBLIC may call by name: the types', casts', operators' and operator
-- classes' functions aside
-- (an array type gets its function with the first column of it)
CREATE TEMPORARY TABLE privileges_array (v enctext('privileges_a')[]);
CREATE VIEW public_functions AS
SELECT p.oid::regprocedure::text AS function
FROM pg_proc p
WHERE (p.pronamespace = 'cellenc'::regnamespace
	OR p.pronamespace = 'pg_catalog'::regnamespace AND p.proname LIKE 'cellenc%')
	AND has_function_privilege('public', p.oid, 'EXECUTE')
	AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive,
		t.typsend, t.typmodin, t.typmodout, t.typanalyze))
	-- an array type's, from the first column of it on
	AND p.proname <> 'cellenc_array_analyze'
	AND NOT EXISTS (SELECT FROM pg_cast c WHERE p.oid = c.castfunc)
	AND NOT EXISTS (SELECT FROM pg_operator o WHERE p.oid = o.oprcode)
	AND NOT EXISTS (SELECT FROM pg_amproc a WHERE p.oid = a.amproc);
SELECT function FROM public_functions ORDER BY function COLLATE "C";

-- none of the functions in these schemas runs with its owner's rights, and all
-- are C functions of this library, or apply one operator to opened values
SELECT count(*) FROM pg_proc p
WHERE (p.pronamespace = 'cellenc'::regnamespace
	OR p.pronamespace = 'pg_catalog'::regnamespace AND p.proname LIKE 'cellenc%')
	AND (p.prosecdef OR p.probin <> '$libdir/cellenc' OR p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
		AND (p.prosrc !~ '^SELECT \$1[a-z_.: "[\]]* OPERATOR\(pg_catalog\.[^ ]+\) \$2[a-z_.: "[\]]*$' OR NOT EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid))
		AND p.proname <> 'to_side'
		-- an array's conversion to the argument type of its operators
		AND NOT EXISTS (SELECT FROM pg_cast c WHERE p.oid = c.castfunc
			AND p.prosrc ~ '^SELECT cellenc\.[a-z0-9_"]+\(\$1::[a-z0-9_. "]+\[\]\)$'));

-- nor can they be called on values of another type
SELECT cellenc.cellenc_open(NULL::text);
SELECT cellenc.cellenc_in_text('x', 0, -1);

-- a role takes its grants along under another name, and leaves none to the next of its name
CREATE ROLE regress_cellenc_old;
SELECT cellenc_grant_key('privileges_a', 'regress_cellenc_old'), cellenc_grant_key('privileges_b', 'regress_cellenc_old', 'manage');
BEGIN;
ALTER ROLE regress_cellenc_old RENAME TO regress_cellenc_new;
CREATE ROLE regress_cellenc_old;
SELECT key, role, privilege FROM cellenc.key_grants WHERE role ~ '_(old|new)$' ORDER BY 1, 2, 3;
SELECT cellenc_has_key_privilege('regress_cellenc_old', 'privileges_a', 'decrypt') AS old,
	cellenc_has_key_privilege('regress_cellenc_new', 'privileges_a', 'decrypt') AS new;
ROLLBACK;
ALTER ROLE regress_cellenc_old NOLOGIN;
SELECT key, role, privilege FROM cellenc.key_grants WHERE role ~ '_(old|new)$' ORDER BY 1, 2, 3;
DROP ROLE regress_cellenc_old;
CREATE ROLE regress_cellenc_old;
SELECT key, role, privilege FROM cellenc.key_grants WHERE role ~ '_(old|new)$' ORDER BY 1, 2, 3;
SELECT cellenc_has_key_privilege('regress_cellenc_old', 'privileges_a', 'decrypt');
SELECT action, key, detail FROM cellenc.events WHERE detail LIKE '%regress\_cellenc\_old%' ORDER BY key, action, detail;
DROP ROLE regress_cellenc_old;
-- one of another database's, as if it had been dropped there
INSERT INTO cellenc.key_grant SELECT key, 'regress_cellenc_gone', privilege, grantor, granted_at
	FROM cellenc.key_grant WHERE role = 'regress_cellenc_enc' LIMIT 1;
SELECT severity, detail FROM cellenc_check() WHERE check_name = 'missing_role';
SELECT cellenc_revoke_key('privileges_a', 'regress_cellenc_gone', 'encrypt, decrypt, manage'),
	cellenc_revoke_key('privileges_b', 'regress_cellenc_gone', 'encrypt, decrypt, manage');

SET client_min_messages = warning;
DROP SCHEMA privileges CASCADE;
SELECT count(cellenc_revoke_key(key, role::name, privilege)) FROM cellenc.key_grants
WHERE role LIKE 'regress_cellenc%' AND key LIKE 'privileges\_%';
DROP ROLE regress_cellenc_none, regress_cellenc_enc, regress_cellenc_dec,
	regress_cellenc_both, regress_cellenc_mgr, regress_cellenc_group, regress_cellenc_writer,
	regress_cellenc_monitor;
