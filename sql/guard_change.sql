--
-- Changes that would lose encryption, or store what an expression made of
-- encrypted values, are refused
--
SET client_min_messages = warning;
CREATE SCHEMA guard_change;
SET search_path = guard_change;
SELECT cellenc_create_key('guard_change');
SELECT cellenc_create_key('guard_other');
RESET client_min_messages;
CREATE TYPE pair AS (n integer, v enctext('guard_change'));
CREATE TYPE plain_pair AS (n integer, v text);
CREATE DOMAIN secret AS enctext('guard_change');
CREATE TABLE t (id integer, v enctext('guard_change'), n encint4('guard_change'), a enctext('guard_change')[], d secret, p pair, s text);
INSERT INTO t VALUES (1, 'one', 1, '{one}', 'one', (1, 'one'), 'one');

-- the type of a column
ALTER TABLE t ALTER COLUMN v TYPE text;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE t ALTER COLUMN v SET DATA TYPE varchar(10) USING 'gone';
ALTER TABLE t ALTER COLUMN n TYPE bigint;
ALTER TABLE t ALTER COLUMN a TYPE text[];
ALTER TABLE t ALTER COLUMN a TYPE text USING a[1];
ALTER TABLE t ALTER COLUMN d TYPE text;
ALTER TABLE t ALTER COLUMN p TYPE text;
ALTER TABLE t ALTER COLUMN p TYPE plain_pair USING (1, 'x')::plain_pair;
ALTER TABLE t ALTER COLUMN s TYPE enctext('guard_change'), ALTER COLUMN v TYPE text;
-- what stays encrypted may change
ALTER TABLE t ALTER COLUMN v TYPE secret, ALTER COLUMN n TYPE enctext('guard_change'), ALTER COLUMN d TYPE enctext('guard_other', 'equality');
ALTER TABLE t ALTER COLUMN s TYPE enctext('guard_change'), ALTER COLUMN id TYPE bigint;
SELECT * FROM t;
-- types, and tables of them
ALTER TYPE pair ALTER ATTRIBUTE v TYPE text;
CREATE TYPE typed AS (n integer, v enctext('guard_change'));
CREATE TABLE of_typed OF typed;
ALTER TYPE typed ALTER ATTRIBUTE v TYPE text;
ALTER TYPE typed ALTER ATTRIBUTE v TYPE text CASCADE;
ALTER TYPE typed ALTER ATTRIBUTE v TYPE enctext('guard_other') CASCADE;
-- inheritance and partitions
CREATE TABLE parted (id integer, v enctext('guard_change')) PARTITION BY LIST (id);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);
ALTER TABLE parted ALTER COLUMN v TYPE text;
CREATE TABLE other_key (id integer, v enctext('guard_other'));
ALTER TABLE parted ATTACH PARTITION other_key FOR VALUES IN (2);
CREATE TABLE no_key (id integer, v text);
ALTER TABLE parted ATTACH PARTITION no_key FOR VALUES IN (2);
CREATE TABLE same_key (id integer, v enctext('guard_change', 'equality'));
ALTER TABLE parted ATTACH PARTITION same_key FOR VALUES IN (2);
CREATE TABLE child (v enctext('guard_other')) INHERITS (parted1);
-- a superuser may ask for it
BEGIN;
SET LOCAL cellenc.allow_decrypt_column = on;
ALTER TABLE parted ALTER COLUMN v TYPE text;
ALTER TABLE t DROP COLUMN d, ADD COLUMN d text;
ROLLBACK;
CREATE ROLE regress_cellenc_guard;
SET ROLE regress_cellenc_guard;
SET cellenc.allow_decrypt_column = on;
RESET ROLE;
DROP ROLE regress_cellenc_guard;

-- a plain column in the place of an encrypted one
ALTER TABLE t DROP COLUMN d, ADD COLUMN d text;
\echo :LAST_ERROR_SQLSTATE
BEGIN;
ALTER TABLE t DROP COLUMN d;
ALTER TABLE t ADD COLUMN e text;
ALTER TABLE t ADD COLUMN d text;
ROLLBACK;
BEGIN;
ALTER TABLE t DROP COLUMN d;
ALTER TABLE t ADD COLUMN d enctext('guard_other');
ALTER TABLE parted ADD COLUMN d text;
ROLLBACK;

-- dropping a column by its name is the user's decision
BEGIN;
ALTER TABLE t DROP COLUMN d, DROP COLUMN p;
DROP DOMAIN secret CASCADE;
ROLLBACK;

-- not with its type
SELECT cellenc_create_type('guard_change.encchar', 'char(10)');
ALTER TABLE t ADD COLUMN c encchar('guard_change'), ADD COLUMN "C 2" encchar('guard_change')[];
CREATE TABLE u (c encchar('guard_change'));
\set VERBOSITY terse
DROP TYPE encchar;
SET client_min_messages = warning;
DROP TYPE encchar CASCADE;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
DROP TABLE u;
ALTER TABLE t DROP COLUMN "C 2";
DROP TYPE encchar CASCADE;
\echo :LAST_ERROR_SQLSTATE
DROP FUNCTION cellenc.cellenc_in_encchar CASCADE;
DROP DOMAIN secret CASCADE;
DROP TYPE pair CASCADE;
DROP TABLE of_typed;
CREATE TABLE holder (r parted);
DROP TABLE parted CASCADE;
DO $$ BEGIN DROP DOMAIN secret CASCADE; END $$;
\set VERBOSITY terse
DROP EXTENSION cellenc CASCADE;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
-- a statement of its own is another one
BEGIN;
ALTER TABLE t DROP COLUMN c;
DROP TYPE encchar CASCADE;
ROLLBACK;
DO $$ BEGIN ALTER TABLE t DROP COLUMN p; DROP TABLE holder; DROP TYPE pair CASCADE; RAISE 'undone'; END $$;
-- nor with its owner
CREATE ROLE regress_cellenc_guard;
ALTER DOMAIN secret OWNER TO regress_cellenc_guard;
DROP OWNED BY regress_cellenc_guard CASCADE;
ALTER TABLE t OWNER TO regress_cellenc_guard;
BEGIN;
DROP OWNED BY regress_cellenc_guard CASCADE;
SELECT to_regclass('t') IS NULL AS gone;
ROLLBACK;
REASSIGN OWNED BY regress_cellenc_guard TO CURRENT_USER;
DROP ROLE regress_cellenc_guard;
RESET client_min_messages;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;

-- generated columns
CREATE TABLE generated (v enctext('guard_change'), a enctext('guard_change')[], u text GENERATED ALWAYS AS (upper(v)) STORED);
CREATE TABLE generated (v enctext('guard_change'), a enctext('guard_change')[], u text GENERATED ALWAYS AS (v) STORED);
CREATE TABLE generated (v enctext('guard_change'), a enctext('guard_change')[], h integer GENERATED ALWAYS AS (hash_array(a)) STORED);
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE generated (v enctext('guard_change'), a enctext('guard_change')[], h boolean GENERATED ALWAYS AS (array_position(a, 'x'::enctext) = 1) STORED);
CREATE TABLE generated (v enctext('guard_change'), a enctext('guard_change')[], p pair, h integer GENERATED ALWAYS AS (hash_record(p)) STORED);
CREATE TABLE generated (v enctext('guard_change'), a enctext('guard_change')[],
	missing boolean GENERATED ALWAYS AS (v IS NULL) STORED, copy enctext('guard_change') GENERATED ALWAYS AS (v) STORED);
ALTER TABLE generated ADD COLUMN h integer GENERATED ALWAYS AS (hash_array(a)) STORED;
INSERT INTO generated VALUES ('one', '{}'), (NULL, '{}');
SELECT missing, copy FROM generated ORDER BY missing;
-- CHECK constraints store nothing
ALTER TABLE generated ADD CHECK (v <> 'two'), ADD CHECK (NOT a @> ARRAY['x'::enctext]);
INSERT INTO generated VALUES ('two', '{}');

-- defaults: never one encrypted value for all rows that are there
CREATE TABLE defaults (id integer, o pair DEFAULT '(1,constant)');
ALTER TABLE defaults ADD COLUMN p pair DEFAULT '(1,constant)';
INSERT INTO defaults (id) SELECT generate_series(1, 3);
ALTER TABLE defaults ADD COLUMN l pair DEFAULT '(1,constant)';
ALTER TABLE defaults ADD COLUMN n pair DEFAULT NULL;
ALTER TABLE defaults ALTER COLUMN p SET DEFAULT '(1,constant)';
ALTER TABLE defaults ALTER COLUMN p SET DEFAULT ROW(1, 'constant')::pair;
ALTER TABLE defaults ADD COLUMN v enctext('guard_change') DEFAULT 'constant';
ALTER TABLE defaults ADD COLUMN a enctext('guard_change')[] DEFAULT '{constant}';
ALTER TABLE defaults ADD COLUMN s secret DEFAULT 'constant';
ALTER TABLE defaults ADD COLUMN q pair DEFAULT ROW(1, 'constant')::pair;
ALTER TABLE defaults ADD COLUMN e encint4('guard_other', 'order') DEFAULT 7 NOT NULL;
SELECT attname, atthasmissing FROM pg_attribute WHERE attrelid = 'defaults'::regclass AND attnum > 0 ORDER BY attnum;
SELECT count(*) FILTER (WHERE record_image_eq(ROW(a.p), ROW(b.p))) AS p, count(*) FILTER (WHERE record_image_eq(ROW(a.o), ROW(b.o))) AS o, count(*) FILTER (WHERE record_image_eq(ROW(a.l), ROW(b.l))) AS l, count(*) FILTER (WHERE record_image_eq(ROW(a.v), ROW(b.v))) AS v,
	count(*) FILTER (WHERE record_image_eq(ROW(a.a), ROW(b.a))) AS a, count(*) FILTER (WHERE record_image_eq(ROW(a.s), ROW(b.s))) AS s,
	count(*) FILTER (WHERE record_image_eq(ROW(a.q), ROW(b.q))) AS q, count(*) FILTER (WHERE record_image_eq(ROW(a.e), ROW(b.e))) AS e,
	count(*) FILTER (WHERE record_image_eq(ROW(a.v), ROW(a.v))) AS itself
FROM defaults a JOIN defaults b ON a.id < b.id;
SELECT * FROM defaults WHERE id = 1;

-- extended statistics
CREATE TABLE counted (id integer, v enctext('guard_change'), a enctext('guard_change')[], n integer);
CREATE STATISTICS opened ON (v::text), n FROM counted;
\echo :LAST_ERROR_SQLSTATE
CREATE STATISTICS opened ON (upper(v)) FROM counted;
CREATE STATISTICS opened ON (a = '{}'), n FROM counted;
CREATE STATISTICS opened ON v, n FROM counted;
CREATE STATISTICS opened (ndistinct) ON a, n FROM counted;
CREATE STATISTICS plain ON id, n FROM counted;
CREATE STATISTICS nulls ON (v IS NULL), n FROM counted;
ALTER TABLE counted ALTER COLUMN n TYPE encint4('guard_change');
DROP STATISTICS plain, nulls;
ALTER TABLE counted ALTER COLUMN n TYPE encint4('guard_change');

-- what PostgreSQL refuses
CREATE PUBLICATION opened FOR TABLE counted WHERE (v = 'x');
CREATE INDEX ON counted (upper(v));
CREATE TABLE opened (v enctext('guard_change')) PARTITION BY LIST (upper(v));

SET client_min_messages = warning;
DROP SCHEMA guard_change CASCADE;
