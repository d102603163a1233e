-- Clients see base types; what is stored keeps encrypted ones.
CREATE TABLE wired (
    id int PRIMARY KEY,
    name enctext('pii'),
    visits encint4('pii', 'equality'),
    born encdate('pii'),
    tags enctext('pii')[]
);
INSERT INTO wired VALUES
    (1, 'Ada', 1, '1815-12-10', '{x,y}'),
    (2, 'Bob', 2, '2020-01-02', NULL),
    (3, 'Bob', 2, '2020-01-02', '{}');

-- results
SELECT name, visits, born, tags FROM wired \gdesc
SELECT name, visits, born, tags FROM wired ORDER BY id;
SELECT lower(name), visits + 1, born - 1, tags[1], coalesce(name, 'none') FROM wired \gdesc
SELECT DISTINCT name FROM wired \gdesc
SELECT DISTINCT name FROM wired ORDER BY name DESC;
SELECT name FROM wired ORDER BY name DESC, id;
SELECT name, count(*) FROM wired GROUP BY name ORDER BY name;
SELECT name, grouping(name) FROM wired GROUP BY ROLLUP (name) ORDER BY name NULLS FIRST;
SELECT name, row_number() OVER (PARTITION BY visits ORDER BY name, id) FROM wired ORDER BY id;
SELECT DISTINCT ON (name) id, name FROM wired ORDER BY name, id DESC LIMIT 1 OFFSET 1;
SELECT DISTINCT ON (name) id FROM wired ORDER BY name DESC, visits, id DESC;
SELECT name FROM wired UNION ALL SELECT 'literal' \gdesc
SELECT name FROM wired UNION SELECT name FROM wired ORDER BY name DESC FETCH FIRST 1 ROW WITH TIES;
SELECT name FROM wired EXCEPT SELECT name FROM wired WHERE id = 1;
VALUES ('x'::enctext), ('y') \gdesc
SELECT name FROM wired WHERE id = 1 FOR UPDATE;
CREATE SEQUENCE calls;
CREATE FUNCTION called() RETURNS enctext LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN 'call ' || nextval('calls'); END $$;
SELECT called() AS c FROM generate_series(1, 3) ORDER BY c DESC LIMIT 2;
SELECT called() AS c, count(*) FROM generate_series(1, 2) GROUP BY 1 ORDER BY 1;
DROP FUNCTION called();
DROP SEQUENCE calls;
SELECT wired FROM wired ORDER BY id;

-- WITH, also one that modifies data, and references to it from every level
WITH added AS (INSERT INTO wired (id, name) VALUES (9, 'Zoe') RETURNING name)
    SELECT name FROM added UNION SELECT name FROM wired ORDER BY 1;
WITH a AS (SELECT name FROM wired), b AS (SELECT name FROM a)
    SELECT name FROM b
    UNION
    SELECT x.name FROM (SELECT name FROM a) x WHERE EXISTS (SELECT 1 FROM b WHERE b.name = x.name)
    ORDER BY 1 LIMIT (SELECT count(*) FROM a) - 1;
WITH RECURSIVE r AS (
    SELECT name, id FROM wired WHERE id = 1
    UNION
    SELECT w.name, w.id FROM wired w JOIN r ON w.id = r.id + 1)
    SELECT name FROM r UNION SELECT name FROM r ORDER BY name;

-- RETURNING
UPDATE wired SET name = 'Cid' WHERE id = 1 RETURNING name, tags \gdesc
UPDATE wired SET name = 'Cid' WHERE id = 1 RETURNING name, tags;
DELETE FROM wired WHERE id = 9 RETURNING *;

-- prepared statements
PREPARE add AS INSERT INTO wired VALUES ($1, $2, $3, $4, $5) RETURNING name, visits;
PREPARE find AS SELECT name FROM wired WHERE name = $1 AND visits = $2 AND name = ANY($3) ORDER BY id;
SELECT name, parameter_types FROM pg_prepared_statements ORDER BY name;
EXECUTE add (4, 'Dan', 5, '2020-02-02', '{q}');
EXECUTE find ('Bob', 2, '{Ada,Bob}');
ALTER TABLE wired ADD COLUMN more int;
EXECUTE find ('Bob', 2, '{Ada,Bob}');
EXPLAIN (COSTS OFF) EXECUTE find ('Dan', 5, '{Dan}');

-- prepared inside a function, they are not opened, and stay so
DO $$ BEGIN EXECUTE 'PREPARE inside AS SELECT name FROM wired ORDER BY id'; END $$;
ALTER TABLE wired DROP COLUMN more;
EXECUTE inside;
DO $$ BEGIN EXECUTE 'EXECUTE find (''Bob'', 2, ''{Bob}'')'; END $$;
EXECUTE find ('Bob', 2, '{Bob}');

-- cursors
BEGIN;
DECLARE early CURSOR FOR SELECT name FROM wired ORDER BY id;
FETCH 1 FROM early \gdesc
FETCH 2 FROM early;
COMMIT;
DECLARE later CURSOR WITH HOLD FOR SELECT DISTINCT name FROM wired ORDER BY name;
FETCH ALL FROM later;
CLOSE later;

-- what is stored stays encrypted
CREATE TABLE copied AS SELECT name, tags FROM wired;
\d copied
SELECT name INTO selected FROM wired;
\d selected
CREATE VIEW seen AS SELECT name, visits FROM wired;
\d seen
SELECT * FROM seen \gdesc
CREATE MATERIALIZED VIEW kept AS SELECT name FROM seen;
\d kept
EXPLAIN ANALYZE CREATE TABLE explained AS SELECT name FROM wired \g /dev/null
\d explained
CREATE TABLE executed AS EXECUTE find ('Bob', 2, '{Bob}');
EXPLAIN ANALYZE CREATE TABLE executed AS EXECUTE find ('Bob', 2, '{Bob}');
CREATE TABLE executed AS EXECUTE inside;
\d executed

-- functions
CREATE FUNCTION names() RETURNS SETOF enctext LANGUAGE sql AS 'SELECT name FROM wired ORDER BY id';
SELECT * FROM names() \gdesc
CREATE FUNCTION type_of_name() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    SELECT name INTO r FROM wired WHERE id = 2;
    RETURN pg_typeof(r.name);
END $$;
SELECT type_of_name();

-- a statement that becomes stale while it runs
CREATE FUNCTION analyze_wired() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN ANALYZE wired; RETURN true; END';
PREPARE stale AS SELECT name FROM wired WHERE analyze_wired() ORDER BY id LIMIT 1;
EXECUTE stale;
EXECUTE stale;
DROP FUNCTION analyze_wired();

-- domains
CREATE DOMAIN nick AS enctext('pii') CHECK (length(VALUE) < 10);
CREATE TABLE nicks (one nick, many nick[]);
PREPARE nicks AS INSERT INTO nicks VALUES ($1, $2) RETURNING one, many;
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'nicks';
EXECUTE nicks ('a', '{a,b}');
SELECT one, many FROM nicks \gdesc

-- COPY of a query
COPY (SELECT name, tags FROM wired ORDER BY id) TO STDOUT;

-- off, or with sealed output, types are shown as they are; and that is fixed
SET cellenc.wire_types = off;
SET cellenc.output = sealed;
\c -
SET cellenc.wire_types = off;
SELECT name, tags FROM wired \gdesc
SET cellenc.wire_types = on;
\c -reuse-previous=on "options='-c cellenc.output=sealed'"
SELECT name FROM wired \gdesc
\c -reuse-previous=on "options="
SELECT name FROM wired \gdesc

DROP TABLE nicks, copied, selected, explained, executed;
DROP MATERIALIZED VIEW kept;
DROP VIEW seen;
DROP FUNCTION names(), type_of_name();
DROP TABLE wired;
DROP DOMAIN nick;
