--
-- Indexes, constraints and partition keys that reveal more than a column's
-- search allows: each refusal with the statement that works
--
\set SHOW_CONTEXT never
SELECT cellenc_create_key('gi');
CREATE SCHEMA guard_index;
SET search_path = guard_index;
CREATE TABLE t (id int, n enctext('gi'), e enctext('gi', 'equality'), o enctext('gi', 'order'),
	"Odd" encint4('gi', 'equality'), b encbool('gi', 'order'), bn encbool('gi'),
	arr enctext('gi', 'equality')[], arro enctext('gi', 'order')[]);
INSERT INTO t SELECT g, g, g, g, g, g % 2 = 0, g % 2 = 0, ARRAY[g, g], ARRAY[g, g] FROM generate_series(1, 100) g;

-- none: no index
CREATE INDEX ON t (n);
\echo :LAST_ERROR_SQLSTATE
CREATE UNIQUE INDEX ON t (n);
CREATE INDEX ON t USING hash (n);
CREATE INDEX ON t (n cellenc.enctext_term_ops);
ALTER TABLE t ADD UNIQUE (n);
-- the hint, as it stands
BEGIN;
ALTER TABLE t ALTER COLUMN n TYPE enctext('gi','equality'); CREATE UNIQUE INDEX ON t (n cellenc.enctext_term_ops);
ROLLBACK;

-- equality: by hash and by term, unique or not, and nothing ordered
CREATE INDEX ON t (e);
\echo :LAST_ERROR_SQLSTATE
CREATE UNIQUE INDEX ON t (e DESC);
ALTER TABLE t ADD UNIQUE (e);
ALTER TABLE t ADD PRIMARY KEY (e, id);
CREATE UNIQUE INDEX ON t (id, e, "Odd") INCLUDE (n, o) WHERE id > 5 AND e IS NOT NULL;
CREATE UNIQUE INDEX ON t (id, e cellenc.enctext_term_ops, "Odd" cellenc.encint4_term_ops) INCLUDE (n, o) WHERE ((id > 5) AND (e IS NOT NULL));
CREATE UNIQUE INDEX ON t (e cellenc.enctext_term_ops);
CREATE INDEX ON t USING hash (e);
ALTER TABLE t ADD EXCLUDE (e WITH OPERATOR(cellenc.=));
ALTER TABLE t ADD EXCLUDE USING btree (e cellenc.enctext_term_ops WITH OPERATOR(cellenc.=));
ALTER TABLE t ADD EXCLUDE USING hash (e WITH OPERATOR(cellenc.=));
CREATE TABLE refused (e enctext('gi', 'equality') UNIQUE);
CREATE TABLE refused (e enctext('gi') PRIMARY KEY);
-- a constraint cannot be made of an index by term: PostgreSQL wants the default class
CREATE UNIQUE INDEX by_term ON t (e cellenc.enctext_term_ops);
\set VERBOSITY terse
ALTER TABLE t ADD UNIQUE USING INDEX by_term;
\set VERBOSITY default
DROP INDEX by_term;

-- order: all of them
CREATE UNIQUE INDEX ON t (o);
CREATE INDEX ON t (o cellenc.enctext_term_ops);
CREATE INDEX ON t USING hash (o);
ALTER TABLE t ADD PRIMARY KEY (o);

-- types without a term: btree only
CREATE INDEX ON t USING hash (b);
CREATE INDEX ON t (b);
CREATE INDEX ON t USING hash (bn);
CREATE INDEX ON t (bn);

-- other access methods
CREATE INDEX ON t USING gin (arro);
\set VERBOSITY terse
CREATE INDEX ON t USING brin (o);
\set VERBOSITY default

-- arrays, domains, composites
CREATE INDEX ON t (arr);
CREATE INDEX ON t USING hash (arr);
CREATE INDEX ON t (arro);
CREATE DOMAIN d AS enctext('gi', 'equality');
CREATE TYPE c AS (a int, s enctext('gi', 'equality'));
CREATE TABLE held (x d, y d[], c c);
CREATE INDEX ON held (x);
CREATE UNIQUE INDEX ON held (x cellenc.enctext_term_ops);
CREATE INDEX ON held (y);
CREATE INDEX ON held USING hash (y);
CREATE INDEX ON held (c);
CREATE INDEX ON held USING hash (c);
CREATE INDEX ON held (((c).a));
CREATE INDEX ON held (((c).s));
CREATE INDEX ON held (((c).s) cellenc.enctext_term_ops);

-- expressions and predicates: what opens a value is not IMMUTABLE ...
\set VERBOSITY terse
CREATE INDEX ON t (lower(o));
CREATE INDEX ON t (id) WHERE o = 'x';
\set VERBOSITY default
-- ... even if a function says that it is
CREATE FUNCTION by_sql(enctext) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1::text';
CREATE FUNCTION by_plpgsql(enctext) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1::text; END';
CREATE FUNCTION by_row(t) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1.e::text; END';
CREATE INDEX ON t (by_sql(o));
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON t (by_plpgsql(o));
CREATE INDEX ON t (by_row(t));
CREATE INDEX ON t (hash_record(t));
CREATE INDEX ON t (id) WHERE by_plpgsql(o) = 'x';
CREATE INDEX ON t ((e IS NULL)) WHERE n IS NOT NULL;
CREATE INDEX ON t (coalesce(o, o));
CREATE INDEX ON t (coalesce(o, e));
CREATE INDEX ON t (coalesce(e, e));
CREATE INDEX ON t (coalesce(e, e) cellenc.enctext_term_ops);

-- what there is now; all can be rebuilt
REINDEX TABLE CONCURRENTLY t;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid IN ('t'::regclass, 'held'::regclass) ORDER BY indexrelid::regclass::text COLLATE "C";
CREATE TABLE likewise (LIKE t INCLUDING ALL);
SELECT count(*) FROM pg_index WHERE indrelid = 'likewise'::regclass;
CREATE MATERIALIZED VIEW mv AS SELECT e, o FROM t;
CREATE INDEX ON mv (e);
CREATE UNIQUE INDEX ON mv (e cellenc.enctext_term_ops);
REFRESH MATERIALIZED VIEW CONCURRENTLY mv;

-- a column's search is changed: the indexes must allow it
CREATE TABLE al (id int PRIMARY KEY, v enctext('gi', 'order') UNIQUE, w enctext('gi', 'equality'), p text UNIQUE, q text);
CREATE INDEX al_w ON al (w cellenc.enctext_term_ops);
CREATE INDEX al_q ON al (q);
INSERT INTO al VALUES (1, 'a', 'b', 'c', 'd'), (2, 'e', 'f', 'g', 'h');
ALTER TABLE al ALTER v TYPE enctext('gi', 'equality');
ALTER TABLE al ALTER v TYPE enctext('gi');
ALTER TABLE al ALTER w TYPE enctext('gi', 'none');
ALTER TABLE al ALTER w TYPE enctext('gi', 'order');
ALTER TABLE al DROP CONSTRAINT al_v_key, ALTER v TYPE enctext('gi', 'none');
ALTER TABLE al ALTER p TYPE enctext('gi');
ALTER TABLE al ALTER q TYPE enctext('gi', 'equality');
ALTER TABLE al ALTER p TYPE enctext('gi', 'order');
ALTER TABLE al RENAME p TO pp;
ALTER TABLE al ALTER w SET STATISTICS 0, ALTER w SET NOT NULL;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'al'::regclass ORDER BY 1;

-- and then every stored value has a term, or none has
CREATE TABLE terms (v enctext('gi'));
INSERT INTO terms VALUES ('a'), (''), (NULL);
CREATE FUNCTION formats() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SELECT string_agg(DISTINCT pg_column_size(v) - coalesce(octet_length(v::text), 0) || '', ' ') INTO result FROM terms WHERE v IS NOT NULL;
	RETURN result;
END $$;
-- the overhead: 45 bytes without, 61 with a term; and a header of 4 bytes or 1
SELECT formats();
ALTER TABLE terms ALTER v TYPE enctext('gi', 'equality');
SELECT formats();
ALTER TABLE terms ALTER v TYPE enctext('gi', 'order');
SELECT formats();
ALTER TABLE terms ALTER v TYPE enctext('gi', 'none');
SELECT formats();

-- partition keys
CREATE TABLE p (e enctext('gi', 'equality')) PARTITION BY RANGE (e);
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE p (e enctext('gi', 'equality')) PARTITION BY LIST (e);
CREATE TABLE p (e enctext('gi')) PARTITION BY LIST (e);
CREATE TABLE p (e enctext('gi')) PARTITION BY HASH (e);
CREATE TABLE p (e encbool('gi', 'order')) PARTITION BY HASH (e);
CREATE TABLE p (e enctext('gi', 'order')) PARTITION BY RANGE (by_plpgsql(e));
CREATE TABLE p (e d) PARTITION BY LIST (e);
CREATE SCHEMA guard_index_inner CREATE TABLE p (e enctext('gi', 'equality')) PARTITION BY LIST (e);
CREATE TABLE pr (o enctext('gi', 'order'), e enctext('gi', 'equality')) PARTITION BY RANGE (o);
CREATE TABLE pr_1 PARTITION OF pr FOR VALUES FROM ('a') TO ('m');
CREATE INDEX ON pr (e);
CREATE UNIQUE INDEX ON pr (o, e cellenc.enctext_term_ops);
CREATE TABLE pr_2 (o enctext('gi', 'order'), e enctext('gi', 'equality'));
ALTER TABLE pr ATTACH PARTITION pr_2 FOR VALUES FROM ('m') TO (MAXVALUE);
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'pr_2'::regclass;
ALTER TABLE pr ALTER e TYPE enctext('gi', 'none');
CREATE TABLE p (e enctext('gi', 'equality'), i int) PARTITION BY HASH (e);
CREATE UNIQUE INDEX ON p (e cellenc.enctext_term_ops);
CREATE TABLE p_0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE p_1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO p SELECT 'value ' || g, g FROM generate_series(1, 100) g;
INSERT INTO p VALUES (NULL, NULL), (NULL, NULL);
\set VERBOSITY sqlstate
INSERT INTO p VALUES ('value 7', 0);
\set VERBOSITY default
INSERT INTO p VALUES ('value 7', 0) ON CONFLICT (e) DO UPDATE SET i = -p.i;
SELECT count(*), count(DISTINCT tableoid), sum(i) FROM p;
SELECT i FROM p WHERE e = 'value 7';
-- the same rows go to the same partitions after a rotation
SELECT cellenc_rotate_key('gi', false);
CREATE TEMP TABLE before AS SELECT e::text AS e, tableoid AS part FROM p;
UPDATE p SET e = e::text;
SELECT count(*) FROM p JOIN before b ON p.e = b.e AND p.tableoid = b.part;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA guard_index CASCADE;
