--
-- Type modifiers: key and search
--
SELECT cellenc_create_key('typmods');
CREATE TABLE typmods (a enctext('typmods'), b enctext('typmods', 'none'), c enctext('typmods', 'equality'),
	d encint4('typmods', 'order'), e encjsonb('typmods')[], f enctext(typmods), g "enctext"('typmods','order')[][]);
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'typmods'::regclass AND attnum > 0 ORDER BY attnum;
SELECT count(DISTINCT atttypmod >> 2) AS keys, count(DISTINCT atttypmod) AS typmods, min(atttypmod) >= 0 AS positive
FROM pg_attribute WHERE attrelid = 'typmods'::regclass AND attnum > 0;
SELECT format_type('enctext'::regtype, NULL), format_type('enctext'::regtype, -1);

-- refused
CREATE TABLE typmods_bad (a enctext('typmods_none'));
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE typmods_bad (a enctext('Typmods'));
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE typmods_bad (a enctext(''));
CREATE TABLE typmods_bad (a enctext(42));
CREATE TABLE typmods_bad (a enctext('typmods', 'unique'));
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE typmods_bad (a enctext('typmods', 'Equality'));
CREATE TABLE typmods_bad (a enctext('typmods', ''));
CREATE TABLE typmods_bad (a enctext('typmods', 'order', 'more'));
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE typmods_bad (a enctext('#12'));
CREATE TABLE typmods_bad (a enctext('#FFFFFFFF'));
CREATE TABLE typmods_bad (a enctext('#ffffffff'));
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE typmods_bad (a enctext('#20000000'));
CREATE TABLE typmods_bad (a enctext('#literal'));
SELECT 'x'::enctext('typmods_none');
SELECT count(*) FROM pg_class WHERE relname = 'typmods_bad';

-- a key that is not there, allowed
SET cellenc.unknown_key = 'allow';
CREATE TABLE typmods_allow (a enctext('typmods_later'), b encint4('typmods_later', 'equality') DEFAULT 5, c encdate('#0badcafe'));
SET cellenc.unknown_key = 'error';
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'typmods_allow'::regclass AND attnum > 0 ORDER BY attnum;
INSERT INTO typmods_allow (a) VALUES ('x');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO typmods_allow (b) VALUES (DEFAULT);
INSERT INTO typmods_allow (c) VALUES ('2000-01-01');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO typmods_allow VALUES (NULL, NULL, NULL);
SELECT * FROM typmods_allow;

-- what it prints for that key is read again, as the same modifier
SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = 'typmods_allow'::regclass AND attname = 'b' \gset
CREATE TABLE typmods_hash (b :type);
SELECT format_type(h.atttypid, h.atttypmod) = :'type' AS same_text, h.atttypmod = a.atttypmod AS same
FROM pg_attribute h, pg_attribute a
WHERE h.attrelid = 'typmods_hash'::regclass AND h.attname = 'b' AND a.attrelid = 'typmods_allow'::regclass AND a.attname = 'b';

-- and the key's name as soon as the key is there
SELECT cellenc_create_key('typmods_later');
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid IN ('typmods_allow'::regclass, 'typmods_hash'::regclass) AND attnum > 0 ORDER BY attrelid, attnum;
INSERT INTO typmods_allow (a) VALUES ('x');
SELECT a, b, cellenc_key_name(a), cellenc_key_name(b) FROM typmods_allow ORDER BY a;

-- a key that is not there, created
SET cellenc.unknown_key = 'create';
CREATE TABLE typmods_create (a enctext('typmods_new'), b encint4('typmods_new', 'order'));
RESET cellenc.unknown_key;
SELECT key, version, state FROM cellenc.keys WHERE key = 'typmods_new';
INSERT INTO typmods_create VALUES ('x', 1);
SELECT a, b, cellenc_key_name(a) FROM typmods_create;
BEGIN;
SET LOCAL cellenc.unknown_key = 'create';
CREATE TABLE typmods_gone (a enctext('typmods_gone'));
ROLLBACK;
SELECT count(*) FROM cellenc.keys WHERE key = 'typmods_gone';

-- scripts of pg_dump bring types before keys
SET check_function_bodies = off;
CREATE TABLE typmods_dump (a enctext('typmods_dumped', 'equality'));
CREATE DOMAIN typmods_domain AS enctext('typmods_dumped');
CREATE TABLE typmods_bad (a enctext('Not a name'));
CREATE TABLE typmods_bad (a enctext('typmods', 'unique'));
RESET check_function_bodies;
SELECT format_type(atttypid, atttypmod) ~ '^enctext\(''#[0-9a-f]{8}'',''equality''\)$' AS by_hash
FROM pg_attribute WHERE attrelid = 'typmods_dump'::regclass AND attnum = 1;

-- who may change the setting
CREATE ROLE regress_cellenc_typmods;
SET ROLE regress_cellenc_typmods;
SET cellenc.unknown_key = 'create';
\echo :LAST_ERROR_SQLSTATE
SET cellenc.input = 'sealed';
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
DROP ROLE regress_cellenc_typmods;
SET cellenc.unknown_key = 'sometimes';
\echo :LAST_ERROR_SQLSTATE
SET cellenc.no_such_setting = 1;
\echo :LAST_ERROR_SQLSTATE

-- the modifier is kept by what copies columns
CREATE TABLE typmods_like (LIKE typmods);
CREATE TABLE typmods_as AS SELECT a, c, d, e, coalesce(a, c) AS a_c, a || 'x' AS plain FROM typmods;
echo :LAST_ERROR_SQLSTATE
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'typmods_like'::regclass AND attnum > 0 ORDER BY attnum;
CREATE TABLE typmods_as AS SELECT a, c, d, e, a || 'x' AS plain FROM typmods;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'typmods_as'::regclass AND attnum > 0 ORDER BY attnum;

-- terms are stored in columns of equality and order, wherever the value is from
INSERT INTO typmods (a, c, d) VALUES ('v', 'v', 1);
CREATE TABLE typmods_search (none enctext('typmods'), equality enctext('typmods', 'equality'), ord enctext('typmods', 'order'));
INSERT INTO typmods_search VALUES ('from literal', 'from literal', 'from literal');
INSERT INTO typmods_search SELECT a, a, a FROM typmods;
INSERT INTO typmods_search SELECT c, c, c FROM typmods;
INSERT INTO typmods_search SELECT ord, ord, equality FROM typmods_search;
UPDATE typmods_search SET none = equality, equality = none, ord = none;
SELECT equality, pg_column_size(none) - octet_length(none) BETWEEN 45 AND 49 AS none,
	pg_column_size(equality) - octet_length(none) BETWEEN 61 AND 65 AS equality,
	pg_column_size(ord) - octet_length(none) BETWEEN 61 AND 65 AS ord
FROM typmods_search;
ALTER TABLE typmods_search ALTER none TYPE enctext('typmods', 'equality'), ALTER equality TYPE enctext('typmods'), ALTER ord TYPE enctext('typmods_later', 'order');
SELECT ord, pg_column_size(none) - octet_length(none) BETWEEN 61 AND 65 AS none,
	pg_column_size(equality) - octet_length(none) BETWEEN 45 AND 49 AS equality,
	pg_column_size(ord) - octet_length(none) BETWEEN 61 AND 65 AS ord, cellenc_key_name(ord)
FROM typmods_search;

DROP TABLE typmods, typmods_allow, typmods_hash, typmods_create, typmods_dump, typmods_like, typmods_as, typmods_search;
DROP DOMAIN typmods_domain;
