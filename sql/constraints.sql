--
-- NOT NULL, CHECK, UNIQUE, PRIMARY KEY, exclusion and foreign keys, ON CONFLICT
--
SET datestyle = 'ISO';
SELECT cellenc_create_key('constraints');
SELECT cellenc_create_key('constraints_b');
CREATE TABLE constraints_t (
	id encint4('constraints', 'order') PRIMARY KEY,
	mail enctext('constraints', 'order') UNIQUE,
	age encint4('constraints') NOT NULL CHECK (age >= 0 AND age < 150),
	first encdate('constraints', 'order'), last encdate('constraints', 'order'),
	CHECK (last > first), CHECK (mail LIKE '%@%'));
INSERT INTO constraints_t VALUES (1, 'a@b', 30, '2000-01-01', '2001-01-01'), (2, 'c@d', 0, NULL, NULL), (3, NULL, 149, NULL, NULL);
\set VERBOSITY terse
INSERT INTO constraints_t VALUES (1, 'x@y', 1);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO constraints_t VALUES (NULL, 'x@y', 1);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO constraints_t VALUES (4, 'a@b', 1);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO constraints_t VALUES (4, 'x@y', NULL);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO constraints_t VALUES (4, 'x@y', 150);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO constraints_t VALUES (4, 'x@y', 1, '2000-01-01', '2000-01-01');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO constraints_t VALUES (4, 'no address', 1);
UPDATE constraints_t SET id = 2 WHERE id = 1;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
INSERT INTO constraints_t VALUES (4, NULL, 1);
UPDATE constraints_t SET id = id + 10;
SELECT * FROM constraints_t ORDER BY id;

-- ON CONFLICT
INSERT INTO constraints_t VALUES (11, 'a@b', 1) ON CONFLICT DO NOTHING;
INSERT INTO constraints_t VALUES (11, 'q@r', 31) ON CONFLICT (id) DO UPDATE SET mail = excluded.mail, age = constraints_t.age + excluded.age;
INSERT INTO constraints_t VALUES (15, 'c@d', 5) ON CONFLICT (mail) DO UPDATE SET age = 7 WHERE constraints_t.age = 0;
INSERT INTO constraints_t VALUES (16, 'c@d', 5) ON CONFLICT ON CONSTRAINT constraints_t_mail_key DO UPDATE SET age = 8 WHERE constraints_t.age = 0;
INSERT INTO constraints_t VALUES (20, 's@t', 1), (21, 's@t', 2) ON CONFLICT (mail) DO NOTHING;
\set VERBOSITY terse
INSERT INTO constraints_t VALUES (30, 'u@v', 1), (31, 'u@v', 2) ON CONFLICT (mail) DO UPDATE SET age = 3;
\echo :LAST_ERROR_SQLSTATE
INSERT INTO constraints_t VALUES (30, 'u@v', 1) ON CONFLICT (age) DO NOTHING;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT * FROM constraints_t ORDER BY id;

-- uniqueness holds across versions of a key
SELECT cellenc_rotate_key('constraints', false);
INSERT INTO constraints_t VALUES (40, 'new@version', 1);
\set VERBOSITY terse
INSERT INTO constraints_t VALUES (41, 'c@d', 1);
INSERT INTO constraints_t VALUES (40, 'x@y', 1);
\set VERBOSITY default
SELECT cellenc_key_version(id) AS version, count(*) FROM constraints_t GROUP BY 1 ORDER BY 1;
DELETE FROM constraints_t WHERE mail = 'c@d';
INSERT INTO constraints_t VALUES (41, 'c@d', 1);

-- the index is used, and its scans agree with the table's
CREATE TABLE constraints_big (id encint4('constraints', 'order'), v enctext('constraints', 'order'), i integer);
INSERT INTO constraints_big SELECT i * 7919 % 1000, 'value ' || i * 7919 % 1000, i * 7919 % 1000 FROM generate_series(1, 1000) i;
CREATE UNIQUE INDEX constraints_big_id ON constraints_big (id);
CREATE INDEX constraints_big_v ON constraints_big (v DESC NULLS LAST) INCLUDE (i);
CREATE INDEX constraints_big_hash ON constraints_big USING hash (v);
ANALYZE constraints_big;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT i FROM constraints_big ORDER BY id LIMIT 3;
SELECT i FROM constraints_big ORDER BY id LIMIT 3;
EXPLAIN (COSTS OFF) SELECT i FROM constraints_big WHERE id OPERATOR(cellenc.>=) 995 ORDER BY id;
SELECT i FROM constraints_big WHERE id OPERATOR(cellenc.>=) 995 ORDER BY id;
SELECT i FROM constraints_big WHERE id OPERATOR(cellenc.<) 3 ORDER BY id DESC;
SELECT i, v FROM constraints_big WHERE v OPERATOR(cellenc.=) 'value 500'::text;
SELECT i FROM constraints_big WHERE v OPERATOR(cellenc.>) 'value 997'::enctext ORDER BY v DESC NULLS LAST;
SELECT count(*) FROM (SELECT i, lag(i) OVER (ORDER BY id) AS before FROM constraints_big) s WHERE i <= before;
DROP INDEX constraints_big_v;
EXPLAIN (COSTS OFF) SELECT i FROM constraints_big WHERE v OPERATOR(cellenc.=) 'value 500'::text;
SELECT i FROM constraints_big WHERE v OPERATOR(cellenc.=) 'value 500'::text;
SELECT i FROM constraints_big WHERE v OPERATOR(cellenc.=) 'no value'::text;
SELECT count(*) FROM generate_series(1, 1000) g JOIN constraints_big b ON b.v OPERATOR(cellenc.=) ('value ' || g % 1000);
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET enable_sort;
UPDATE constraints_big SET v = 'changed' WHERE i = 5;
DELETE FROM constraints_big WHERE i BETWEEN 100 AND 200;
VACUUM constraints_big;
REINDEX TABLE constraints_big;
CLUSTER constraints_big USING constraints_big_id;
SELECT count(*), count(DISTINCT v) FROM constraints_big;

-- several columns, partial, exclusion
CREATE TABLE constraints_m (a enctext('constraints', 'order'), b encint4('constraints_b', 'order'), c integer, UNIQUE (a, b, c));
INSERT INTO constraints_m VALUES ('x', 1, 1), ('x', 1, 2), ('x', 2, 1), (NULL, 1, 1), (NULL, 1, 1);
\set VERBOSITY terse
INSERT INTO constraints_m VALUES ('x', 2, 1);
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE constraints_m ADD EXCLUDE USING btree (a WITH OPERATOR(cellenc.=)) WHERE (c = 9);
INSERT INTO constraints_m VALUES ('y', 1, 9), ('z', 1, 9);
INSERT INTO constraints_m VALUES ('y', 2, 9);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default

-- foreign keys, between columns of two keys and two types; and from a plain column, as it is while tables are converted one by one
CREATE TABLE constraints_fk (id integer, ref encint4('constraints_b', 'order') REFERENCES constraints_t ON UPDATE CASCADE ON DELETE SET NULL);
CREATE TABLE constraints_fk2 (mail enctext('constraints_b') REFERENCES constraints_t (mail) ON DELETE CASCADE);
INSERT INTO constraints_fk VALUES (1, 11), (2, 13), (3, NULL);
INSERT INTO constraints_fk2 VALUES ('q@r'), ('new@version'), (NULL);
\set VERBOSITY terse
INSERT INTO constraints_fk VALUES (4, 99);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO constraints_fk2 VALUES ('not@there');
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE constraints_fk3 (ref integer REFERENCES constraints_t ON UPDATE CASCADE);
INSERT INTO constraints_fk3 VALUES (14), (NULL);
INSERT INTO constraints_fk3 VALUES (99);
\echo :LAST_ERROR_SQLSTATE
DELETE FROM constraints_t WHERE id = 14;
\echo :LAST_ERROR_SQLSTATE
UPDATE constraints_t SET id = 114 WHERE id = 14;
SELECT * FROM constraints_fk3 ORDER BY ref;
\set VERBOSITY default
UPDATE constraints_t SET id = 111 WHERE id = 11;
DELETE FROM constraints_t WHERE id = 13;
SELECT id, ref, cellenc_key_name(ref) FROM constraints_fk ORDER BY id;
DELETE FROM constraints_t WHERE mail = 'new@version';
SELECT mail, cellenc_key_name(mail) FROM constraints_fk2 ORDER BY mail;

-- constraints added to what is there
CREATE TABLE constraints_late (v enctext('constraints', 'order'), n encint4('constraints'));
INSERT INTO constraints_late VALUES ('a', 1), ('b', NULL), ('a', 3);
\set VERBOSITY terse
ALTER TABLE constraints_late ADD UNIQUE (v);
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE constraints_late ALTER n SET NOT NULL;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE constraints_late ADD CHECK (n < 3);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
ALTER TABLE constraints_late ADD CONSTRAINT small CHECK (n < 3) NOT VALID;
DELETE FROM constraints_late WHERE n = 3;
ALTER TABLE constraints_late VALIDATE CONSTRAINT small;
ALTER TABLE constraints_late ADD PRIMARY KEY (v);
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'constraints_late'::regclass AND contype IN ('c', 'p') ORDER BY conname;

SET client_min_messages = warning;
DROP TABLE constraints_t, constraints_big, constraints_m, constraints_fk, constraints_fk2, constraints_fk3, constraints_late CASCADE;
