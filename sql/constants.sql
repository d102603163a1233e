--
-- Constants of composite types, whose values are under the columns' keys from
-- the parser on: sealed afresh for every row, under the current version
--
SELECT cellenc_create_key('constants'), cellenc_create_key('constants_other');
CREATE TYPE constants_pair AS (a integer, b enctext('constants', 'equality'));
CREATE TYPE constants_outer AS (p constants_pair, ps constants_pair[], n enctext('constants_other')[], t text);
CREATE DOMAIN constants_domain AS constants_pair CHECK ((VALUE).a > 0);
CREATE TABLE constants (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, p constants_pair DEFAULT '(1,same)',
	ps constants_pair[] DEFAULT '{"(1,same)","(2,same)",NULL}', d constants_domain DEFAULT '(1,same)',
	o constants_outer DEFAULT '("(1,same)","{""(1,same)""}","{same,same,NULL}",text)');

-- how many values there are, how many of them have the bytes of an earlier one, under which versions; and what they say
CREATE FUNCTION constants_check(OUT count bigint, OUT same bigint, OUT versions text, OUT texts text) LANGUAGE sql AS $$
	WITH stored AS (
		SELECT ROW((p).b) AS r, cellenc_key_version((p).b) AS version, (p).b::text FROM constants
		UNION ALL SELECT ROW((u).b), cellenc_key_version((u).b), (u).b::text FROM constants, unnest(ps) u
		UNION ALL SELECT ROW((d).b), cellenc_key_version((d).b), (d).b::text FROM constants
		UNION ALL SELECT ROW(((o).p).b), cellenc_key_version(((o).p).b), ((o).p).b::text FROM constants
		UNION ALL SELECT ROW((u).b), cellenc_key_version((u).b), (u).b::text FROM constants, unnest((o).ps) u
		UNION ALL SELECT ROW(u), cellenc_key_version(u), u::text FROM constants, unnest((o).n) u
	), numbered AS (SELECT row_number() OVER (), * FROM stored WHERE version IS NOT NULL)
	SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM numbered e WHERE e.row_number < n.row_number AND e.r *= n.r)),
		string_agg(DISTINCT version::text, ','), string_agg(DISTINCT b, ',') FROM numbered n
$$;

INSERT INTO constants DEFAULT VALUES;
INSERT INTO constants (p) VALUES (DEFAULT), (DEFAULT), ('(2,same)');
INSERT INTO constants (p, ps) SELECT '(2,same)', '{"(1,same)"}' FROM generate_series(1, 3);
INSERT INTO constants (p) SELECT v.p FROM (SELECT '(2,same)'::constants_pair AS p UNION ALL SELECT '(2,same)'::constants_pair) v;
INSERT INTO constants (ps) SELECT array_agg(u) FROM unnest('{"(1,same)","(2,same)"}'::constants_pair[]) u;
WITH w AS (INSERT INTO constants (p) VALUES ('(3,same)'), ('(3,same)') RETURNING p)
SELECT count(DISTINCT p) FROM w;
INSERT INTO constants (id, p) OVERRIDING SYSTEM VALUE SELECT i, NULL FROM generate_series(1, 4) i
	ON CONFLICT (id) DO UPDATE SET p = '(4,same)';
UPDATE constants SET d = '(9,same)' WHERE id > 2;
MERGE INTO constants c USING (VALUES (1), (2), (-1)) v (id) ON c.id = v.id
	WHEN MATCHED THEN UPDATE SET p = '(5,same)' WHEN NOT MATCHED THEN INSERT (p) VALUES ('(5,same)');
DO $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		INSERT INTO constants (p, o) VALUES ('(6,same)', '("(6,same)",{},{},)');
	END LOOP;
END
$$;
SELECT * FROM constants_check();

-- COPY evaluates defaults, too
COPY constants (id) FROM STDIN;
101
102
\.
ALTER TABLE constants ALTER p SET DEFAULT '(3,same)';
COPY constants (id) FROM STDIN;
103
104
\.
SELECT * FROM constants_check();
CREATE TABLE constants_like (LIKE constants INCLUDING DEFAULTS);
SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
WHERE adrelid IN ('constants'::regclass, 'constants_like'::regclass) ORDER BY adrelid, adnum;
DROP TABLE constants_like;

-- defaults, cached plans and functions, after a rotation
TRUNCATE constants;
SET plan_cache_mode = force_generic_plan;
PREPARE constants_insert AS INSERT INTO constants (p) SELECT '(7,same)' FROM generate_series(1, 2);
EXECUTE constants_insert;
CREATE FUNCTION constants_insert() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO constants (p, d) VALUES ('(8,same)', DEFAULT);
END
$$;
SELECT constants_insert();
CREATE FUNCTION constants_function() RETURNS constants_pair LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT '(1,same)'::constants_pair; END;
INSERT INTO constants (p) SELECT constants_function() FROM generate_series(1, 2);
SELECT * FROM constants_check();
TRUNCATE constants;
SELECT cellenc_rotate_key('constants', false), cellenc_rotate_key('constants_other', false);
EXECUTE constants_insert;
SELECT constants_insert();
INSERT INTO constants (p) SELECT constants_function() FROM generate_series(1, 2);
INSERT INTO constants DEFAULT VALUES;
COPY constants (id) FROM STDIN;
106
\.
SELECT * FROM constants_check();
RESET plan_cache_mode;
DEALLOCATE constants_insert;

-- conditions and their indexes see constants
EXPLAIN (COSTS off) SELECT id FROM constants WHERE p = '(7,same)'::constants_pair;
SELECT count(*) FROM constants WHERE p = '(7,same)'::constants_pair;
SELECT DISTINCT p FROM constants WHERE p IN ('(7,same)', '(8,same)') ORDER BY p;

-- rights: `encrypt` to store a constant, nothing more than before to see one
CREATE ROLE constants_writer;
CREATE ROLE constants_reader;
CREATE ROLE constants_nobody;
SELECT cellenc_grant_key(key, 'constants_writer', 'encrypt'), cellenc_grant_key(key, 'constants_reader', 'decrypt')
FROM (VALUES ('constants'), ('constants_other')) v (key);
GRANT INSERT, SELECT ON constants TO constants_writer, constants_reader, constants_nobody;
CREATE VIEW constants_view AS SELECT '(1,constant)'::constants_pair AS p, '{"(1,constant)"}'::constants_pair[] AS ps;
GRANT SELECT ON constants_view TO constants_writer, constants_reader, constants_nobody;
TRUNCATE constants;
SET ROLE constants_writer;
INSERT INTO constants DEFAULT VALUES;
INSERT INTO constants (p) SELECT '(1,same)' FROM generate_series(1, 2);
INSERT INTO constants (p) SELECT p FROM constants_view;
SELECT * FROM constants_view;
RESET ROLE;
SET ROLE constants_reader;
SELECT * FROM constants_view;
INSERT INTO constants DEFAULT VALUES;
RESET ROLE;
SET ROLE constants_nobody;
SELECT * FROM constants_view;
SELECT count(p) FROM constants_view;
INSERT INTO constants DEFAULT VALUES;
RESET ROLE;
SELECT * FROM constants_check();

-- called by hand, the function gives no more than a copy
SET ROLE constants_writer;
SELECT cellenc_key_version((cellenc.cellenc_fresh(p, true)).b), cellenc.cellenc_fresh(id, true) = id FROM constants LIMIT 1;
SELECT cellenc.cellenc_fresh(p, true) FROM constants LIMIT 1;
SELECT p = cellenc.cellenc_fresh(p, true) FROM constants LIMIT 1;
RESET ROLE;
SET ROLE constants_nobody;
SELECT cellenc.cellenc_fresh(p, true) IS NULL FROM constants LIMIT 1;
SELECT cellenc.cellenc_fresh(p, false) IS NULL FROM constants LIMIT 1;
RESET ROLE;
SELECT bool_and(cellenc.cellenc_fresh(p, true) = p AND cellenc.cellenc_fresh(o, true) = o) FROM constants;
SELECT cellenc.cellenc_fresh(NULL::constants_pair, true), cellenc.cellenc_fresh(1, true), cellenc.cellenc_fresh('x'::enctext, true);

-- constants that a dump restores before their key
SET check_function_bodies = off;
CREATE TYPE constants_restored AS (a integer, b enctext('constants_later'), c encint4('constants_later')[]);
CREATE VIEW constants_restored_view AS SELECT '(1,restored,)'::constants_restored AS r;
CREATE FUNCTION constants_restored() RETURNS constants_restored LANGUAGE sql BEGIN ATOMIC SELECT '(1,restored,"{1,2}")'::constants_restored; END;
CREATE TABLE constants_restored_table (id integer, r constants_restored DEFAULT '(1,restored,"{1,2}")');
INSERT INTO constants_restored_table VALUES (1);
COPY constants_restored_table (id) FROM STDIN;
1
\.
COPY constants_restored_table (r) FROM STDIN;
(1,copied,)
\.
INSERT INTO constants_restored_table SELECT 1, r FROM constants_restored_view;
INSERT INTO constants_restored_table SELECT 1, constants_restored();
SELECT * FROM constants_restored_view;
RESET check_function_bodies;
SELECT cellenc_create_key('constants_later');
INSERT INTO constants_restored_table VALUES (1), (2);
INSERT INTO constants_restored_table SELECT 3, r FROM constants_restored_view;
COPY constants_restored_table (id) FROM STDIN;
4
5
\.
SELECT id, r, cellenc_key_name((r).b), cellenc_key_name((r).c[1]) FROM constants_restored_table ORDER BY id;
SELECT count(*) FROM constants_restored_table a JOIN constants_restored_table b ON a.id < b.id AND a.r *= b.r;
SELECT * FROM constants_restored_view;
DROP VIEW constants_restored_view;
DROP TABLE constants_restored_table;
DROP FUNCTION constants_restored;
DROP TYPE constants_restored;

DROP VIEW constants_view;
DROP TABLE constants;
DROP FUNCTION constants_check, constants_insert, constants_function;
DROP DOMAIN constants_domain;
DROP TYPE constants_outer, constants_pair;
DROP ROLE constants_writer, constants_reader, constants_nobody;
