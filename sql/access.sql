--
-- Writing to a column needs encrypt on its key, also where nothing is sealed
--
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cellenc_clerk, regress_cellenc_sealer, regress_cellenc_viewer;
RESET client_min_messages;
CREATE ROLE regress_cellenc_clerk;
CREATE ROLE regress_cellenc_sealer;
CREATE ROLE regress_cellenc_viewer;
CREATE SCHEMA access;
GRANT USAGE, CREATE ON SCHEMA access TO PUBLIC;
SET search_path = access;
SELECT cellenc_create_key('access');
SELECT cellenc_create_key('access_other');
SELECT cellenc_grant_key('access', 'regress_cellenc_sealer', 'encrypt');
SELECT cellenc_grant_key('access_other', 'regress_cellenc_clerk');

CREATE TYPE pair AS (n integer, v enctext('access'));
CREATE DOMAIN secret AS enctext('access');
CREATE TABLE t (id integer PRIMARY KEY, v enctext('access'), a enctext('access')[], p pair, d secret,
	o enctext('access_other'), plain text);
INSERT INTO t VALUES (1, 'one', '{one}', (1, 'one'), 'one', 'one', 'one'), (2, 'two', '{two}', (2, 'two'), 'two', 'two', 'two');
CREATE TABLE parted (id integer, v enctext('access')) PARTITION BY LIST (id);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE defaults (id integer, v enctext('access') DEFAULT 'constant', w enctext('access'));
CREATE VIEW v AS SELECT id, v, plain FROM t;
CREATE TABLE keyed (id integer PRIMARY KEY, v enctext('access'));
INSERT INTO keyed VALUES (1, 'one');
GRANT ALL ON ALL TABLES IN SCHEMA access TO PUBLIC;

-- what a statement comes to, rolled back
CREATE FUNCTION try(role name, sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', role, true);
	EXECUTE sql;
	RAISE EXCEPTION 'ok' USING ERRCODE = 'OK000';
EXCEPTION
	WHEN SQLSTATE 'OK000' THEN RETURN 'ok';
	WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE TABLE statements (ord serial, sql text);
INSERT INTO statements (sql) VALUES
	-- copies
	('INSERT INTO t (id, v) SELECT 3, v FROM t WHERE id = 1'),
	('INSERT INTO t (id, a) SELECT 3, a FROM t WHERE id = 1'),
	('INSERT INTO t (id, p) SELECT 3, p FROM t WHERE id = 1'),
	('INSERT INTO t (id, d) SELECT 3, d FROM t WHERE id = 1'),
	('INSERT INTO t SELECT 3, v, a, p, d, o, plain FROM t WHERE id = 1'),
	('INSERT INTO v SELECT 3, v FROM t WHERE id = 1'),
	('INSERT INTO parted SELECT id, v FROM t WHERE id = 1'),
	('INSERT INTO parted1 SELECT id, v FROM t WHERE id = 1'),
	('INSERT INTO keyed SELECT id, v FROM t ON CONFLICT (id) DO UPDATE SET v = excluded.v'),
	('INSERT INTO keyed (id) SELECT id FROM t ON CONFLICT (id) DO UPDATE SET v = keyed.v'),
	('MERGE INTO keyed USING t ON keyed.id = t.id WHEN MATCHED THEN UPDATE SET v = t.v'),
	('MERGE INTO keyed USING t ON keyed.id = t.id WHEN NOT MATCHED THEN INSERT VALUES (t.id, t.v)'),
	('UPDATE t SET v = (SELECT v FROM t WHERE id = 2) WHERE id = 1'),
	('UPDATE t SET a = a'),
	('UPDATE t SET p = p'),
	('UPDATE t SET d = d'),
	('UPDATE v SET v = v'),
	('WITH u AS (UPDATE t SET v = v RETURNING id) SELECT * FROM u'),
	('CREATE TABLE copied AS SELECT v FROM t'),
	('CREATE MATERIALIZED VIEW copied AS SELECT p FROM t'),
	('CREATE TABLE copied AS SELECT d FROM t WHERE false'),
	-- no value at all
	('INSERT INTO t (id, v) VALUES (3, NULL)'),
	('UPDATE t SET v = NULL'),
	('INSERT INTO t (id, v) SELECT 3, v FROM t WHERE false'),
	-- the default is a value
	('INSERT INTO defaults (id) VALUES (1)'),
	-- nothing encrypted is written
	('INSERT INTO t (id, plain) VALUES (3, ''three'')'),
	('INSERT INTO t (id, o) SELECT 3, o FROM t WHERE id = 1'),
	('UPDATE t SET plain = ''x'', o = o'),
	('UPDATE v SET plain = ''x'''),
	('DELETE FROM t'),
	('INSERT INTO parted (id) VALUES (1)'),
	('INSERT INTO defaults (id, v) SELECT id, NULL FROM t WHERE false'),
	('INSERT INTO keyed (id) SELECT id FROM t ON CONFLICT (id) DO NOTHING'),
	('MERGE INTO keyed USING t ON keyed.id = t.id WHEN MATCHED THEN DELETE'),
	('SELECT id FROM t FOR UPDATE'),
	('CREATE TABLE copied AS SELECT o, plain FROM t'),
	('CREATE TABLE copied AS SELECT v FROM t WITH NO DATA'),
	('CREATE TABLE copied (LIKE t)'),
	('EXPLAIN INSERT INTO t (id, plain) VALUES (3, ''three'')');
\pset format unaligned
\pset tuples_only on
SELECT sql || E'\n    no right: ' || try('regress_cellenc_clerk', sql) || E'\n    encrypt: ' || try('regress_cellenc_sealer', sql)
FROM statements ORDER BY ord;
\pset tuples_only off
\pset format aligned

SET ROLE regress_cellenc_clerk;
SELECT v, a INTO copied FROM t;
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_cellenc_sealer;
SELECT v, a INTO copied FROM t;
RESET ROLE;
SELECT v, a FROM copied ORDER BY v::text;

-- COPY
SET ROLE regress_cellenc_clerk;
\copy t (id, v) from '/dev/null'
\echo :LAST_ERROR_SQLSTATE
COPY t (id, plain) FROM STDIN;
3	three
\.
-- psql of some majors does not keep the SQLSTATE of this one
COPY t (id, v) TO STDOUT;
SET ROLE regress_cellenc_sealer;
COPY t (id, v) FROM STDIN;
4	four
\.
RESET ROLE;
SELECT id, v, plain FROM t ORDER BY id;

-- the current user counts, not a view's owner
CREATE TABLE base (id integer, v enctext('access'));
ALTER TABLE base OWNER TO regress_cellenc_sealer;
SET ROLE regress_cellenc_sealer;
CREATE VIEW lent AS SELECT * FROM base;
GRANT ALL ON lent TO PUBLIC;
CREATE FUNCTION lend() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = access
	AS 'INSERT INTO base SELECT id, v FROM t WHERE id = 1';
SET ROLE regress_cellenc_viewer;
INSERT INTO lent SELECT id, v FROM t;
SELECT lend();
RESET ROLE;
ALTER TABLE base OWNER TO regress_cellenc_viewer;
ALTER VIEW lent OWNER TO regress_cellenc_viewer;
SET ROLE regress_cellenc_sealer;
INSERT INTO lent SELECT id, v FROM t WHERE id = 2;
RESET ROLE;
SELECT * FROM base ORDER BY id;

-- a materialized view is filled with its owner's rights
CREATE MATERIALIZED VIEW filled AS SELECT id, v FROM t WITH NO DATA;
ALTER MATERIALIZED VIEW filled OWNER TO regress_cellenc_viewer;
REFRESH MATERIALIZED VIEW filled;
\echo :LAST_ERROR_SQLSTATE
ALTER MATERIALIZED VIEW filled OWNER TO regress_cellenc_sealer;
REFRESH MATERIALIZED VIEW filled;
SELECT count(*) FROM filled;

-- what is known of a table follows its changes, those of its types too
CREATE TABLE changing (id integer, p pair, plain text);
GRANT ALL ON changing TO PUBLIC;
SET ROLE regress_cellenc_clerk;
PREPARE ins AS INSERT INTO changing (id, p) VALUES (1, NULL);
EXECUTE ins;
RESET ROLE;
CREATE TYPE later AS (n integer);
CREATE TABLE changing2 (id integer, l later, la later[]);
GRANT ALL ON changing2 TO PUBLIC;
SET ROLE regress_cellenc_clerk;
PREPARE ins2 AS INSERT INTO changing2 (id, l) VALUES (1, NULL);
PREPARE ins3 AS INSERT INTO changing2 (id, la) VALUES (1, NULL);
EXECUTE ins2;
EXECUTE ins3;
RESET ROLE;
ALTER TYPE later ADD ATTRIBUTE v enctext('access');
SET ROLE regress_cellenc_clerk;
EXECUTE ins2;
EXECUTE ins3;
RESET ROLE;
ALTER TABLE changing DROP COLUMN p;
ALTER TABLE changing ADD COLUMN p text;
SET ROLE regress_cellenc_clerk;
INSERT INTO changing (id, p) VALUES (1, NULL);
RESET ROLE;

-- a key that is not there is nobody's
SET cellenc.unknown_key = 'allow';
CREATE TABLE unknown (id integer, v enctext('access_unknown'));
GRANT ALL ON unknown TO PUBLIC;
INSERT INTO unknown VALUES (1, NULL);
SET ROLE regress_cellenc_clerk;
INSERT INTO unknown VALUES (1, NULL);
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
RESET cellenc.unknown_key;

SET client_min_messages = warning;
DROP SCHEMA access CASCADE;
DROP ROLE regress_cellenc_clerk, regress_cellenc_sealer, regress_cellenc_viewer;
