--
-- cellenc_usage and cellenc_verify: what is stored under which version, and
-- whether it opens
--
SELECT cellenc_create_key('use_a'), cellenc_create_key('use_b');

CREATE TYPE use_pair AS (n int, v enctext('use_a'), w encint4('use_b'));
CREATE DOMAIN use_word AS enctext('use_a') CHECK (VALUE <> '');
CREATE TABLE use_plain (id int, dropped enctext('use_a'), v enctext('use_a', 'equality'), o encint4('use_b', 'order'));
CREATE TABLE use_nested (a enctext('use_a')[], c use_pair, ca use_pair[], d use_word);
CREATE TABLE use_parts (id int, v enctext('use_a')) PARTITION BY RANGE (id);
CREATE TABLE use_part_1 PARTITION OF use_parts FOR VALUES FROM (0) TO (5);
CREATE TABLE use_part_2 PARTITION OF use_parts DEFAULT;
CREATE TABLE use_parent (v enctext('use_a'));
CREATE TABLE use_child () INHERITS (use_parent);
CREATE UNLOGGED TABLE use_unlogged (v enctext('use_a'));
CREATE TEMP TABLE use_temp (v enctext('use_a'));
CREATE TABLE use_empty (v enctext('use_a'));
CREATE TABLE use_toasted (id int, v enctext('use_a'), a enctext('use_a')[]);

INSERT INTO use_plain SELECT i, 'x', CASE WHEN i % 2 = 0 THEN 'v' || i END, i FROM generate_series(1, 10) i;
ALTER TABLE use_plain DROP COLUMN dropped;
INSERT INTO use_nested VALUES ('{a, NULL, b}', ROW(1, 'c', 2)::use_pair, ARRAY[ROW(1, 'd', 3)::use_pair, ROW(1, NULL, NULL)::use_pair, NULL], 'e');
INSERT INTO use_nested VALUES (NULL, NULL, '{}', NULL);
INSERT INTO use_parts SELECT i, i FROM generate_series(1, 8) i;
INSERT INTO use_parent VALUES ('p');
INSERT INTO use_child VALUES ('c');
INSERT INTO use_unlogged VALUES ('u');
INSERT INTO use_temp VALUES ('t');
CREATE MATERIALIZED VIEW use_matview AS SELECT v FROM use_plain WHERE id < 4;
INSERT INTO use_toasted SELECT i, repeat('x', 20000), ARRAY[repeat('y', 20000), 'z'] FROM generate_series(1, 3) i;
CREATE FOREIGN DATA WRAPPER use_wrapper;
CREATE SERVER use_server FOREIGN DATA WRAPPER use_wrapper;
CREATE FOREIGN TABLE use_foreign (v enctext('use_a')) SERVER use_server;

SELECT * FROM cellenc_usage('use_a') ORDER BY relation::text, attname, version;
SELECT * FROM cellenc_usage(key => 'use_b') ORDER BY relation::text, attname, version;

-- older versions, until something brings the values to the current one
SELECT cellenc_rotate_key('use_a', reencrypt => false);
UPDATE use_plain SET v = 'new' WHERE id = 2;
INSERT INTO use_nested (a) VALUES ('{f}');
SELECT * FROM cellenc_usage('use_a') WHERE relation IN ('use_plain'::regclass, 'use_nested'::regclass) ORDER BY 1, 2, 3;
-- rows that the statement does not see are not counted
BEGIN;
DELETE FROM use_plain;
SELECT * FROM cellenc_usage('use_a') WHERE relation = 'use_plain'::regclass;
ROLLBACK;

-- verify
SELECT * FROM cellenc_verify('use_plain');
SELECT * FROM cellenc_verify('use_nested');
SELECT * FROM cellenc_verify('use_toasted');
SELECT * FROM cellenc_verify('use_parts');
SELECT * FROM cellenc_verify(rel => 'use_parent', sample_percent => 100);
SELECT * FROM cellenc_verify('use_empty');
SELECT count(*) FROM cellenc_verify('use_plain', 0);
SELECT * FROM cellenc_verify('use_plain', 101);
SELECT * FROM cellenc_verify('use_plain', 'NaN');
SELECT * FROM cellenc_verify('use_plain', NULL);
SELECT * FROM cellenc_verify(0::regclass);
SELECT * FROM cellenc_verify('use_server');
-- a sample is of blocks
CREATE TABLE use_sampled (v enctext('use_a'));
INSERT INTO use_sampled SELECT repeat('v', 500) FROM generate_series(1, 3000);
SELECT n_values > 300 AND n_values < 2700 AS is_part, n_failed FROM cellenc_verify('use_sampled', 50);

-- values of no key that is here, stored unopened; altered ones, in line, out
-- of line and in an array
CREATE TABLE use_bad (id int, v enctext('use_a'), a enctext('use_a')[]);
SET cellenc.input = sealed;
COPY use_bad (id, v) FROM stdin;
1	cellenc:1:AQAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
2	cellenc:1:AQAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
\.
RESET cellenc.input;
INSERT INTO use_bad VALUES (3, 'good', '{good}'), (4, 'bad', NULL), (5, repeat('bad', 10000), '{bad, good, bad}');
CREATE CAST (bytea AS enctext) WITHOUT FUNCTION;
CREATE CAST (enctext AS bytea) WITHOUT FUNCTION;
UPDATE use_bad SET v = set_byte(v::bytea, 40, get_byte(v::bytea, 40) # 1)::enctext WHERE id IN (4, 5);
UPDATE use_bad SET a[1] = set_byte(a[1]::bytea, 30, get_byte(a[1]::bytea, 30) # 1)::enctext WHERE id = 5;
UPDATE use_bad SET a[3] = set_byte(a[1]::bytea, 30, get_byte(a[3]::bytea, 30) # 1)::enctext WHERE id = 5;
DROP CAST (bytea AS enctext);
DROP CAST (enctext AS bytea);
SELECT * FROM cellenc_verify('use_bad');
SELECT * FROM cellenc_usage('use_a') WHERE relation = 'use_bad'::regclass;

-- a version that is disabled
SELECT cellenc_disable_key_version('use_a', 1);
SELECT * FROM cellenc_verify('use_plain');
SELECT * FROM cellenc_usage('use_a') WHERE relation = 'use_plain'::regclass;
SELECT cellenc_enable_key_version('use_a', 1);

-- privileges
CREATE ROLE use_manager;
CREATE ROLE use_reader;
SELECT cellenc_grant_key('use_a', 'use_manager', 'manage'), cellenc_grant_key('use_a', 'use_reader', 'decrypt');
SET ROLE use_manager;
SELECT count(*) > 10 AS counted FROM cellenc_usage('use_a');
SELECT * FROM cellenc_usage('use_b');
SELECT * FROM cellenc_verify('use_parts');
SET ROLE use_reader;
SELECT * FROM cellenc_usage('use_a');
SELECT * FROM cellenc_verify('use_parts');
SELECT * FROM cellenc_verify('use_plain');
SELECT * FROM cellenc_usage('use_c');
RESET ROLE;

DROP TABLE use_plain, use_nested, use_parts, use_child, use_parent, use_unlogged, use_temp, use_empty,
	use_toasted, use_sampled, use_bad CASCADE;
DROP FOREIGN DATA WRAPPER use_wrapper CASCADE;
DROP DOMAIN use_word;
DROP TYPE use_pair;
SELECT cellenc_revoke_key('use_a', 'use_manager', 'manage'), cellenc_revoke_key('use_a', 'use_reader', 'decrypt');
DROP ROLE use_manager, use_reader;
