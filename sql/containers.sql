--
-- Encrypted types within domains, arrays, composite types and PL/pgSQL
--
SELECT cellenc_create_key('containers');
SELECT cellenc_create_key('containers_b');
SET datestyle = 'ISO';
-- alignment depends on what the client knows of a type
\pset format unaligned

-- domains
CREATE DOMAIN containers_email AS enctext('containers') CHECK (VALUE::text LIKE '%@%');
CREATE DOMAIN containers_positive AS encint4('containers') NOT NULL CHECK (VALUE > 0);
CREATE TABLE containers_d (e containers_email, p containers_positive DEFAULT 7);
INSERT INTO containers_d VALUES ('a@b', 1), (NULL, 2), ('c@d', DEFAULT);
INSERT INTO containers_d VALUES ('nothing', 1);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO containers_d VALUES ('a@b', 0);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO containers_d VALUES ('a@b', NULL);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO containers_d SELECT 'x@' || i, i FROM generate_series(3, 4) i;
SELECT e, p, cellenc_key_name(e), cellenc_key_name(p), upper(e), p * 2 AS twice FROM containers_d ORDER BY p, e;
SELECT e FROM containers_d WHERE e = 'a@b';
SELECT 'q@r'::containers_email, cellenc_key_name('q@r'::containers_email);
UPDATE containers_d SET p = p + 1, e = upper(e) WHERE p > 3;
SELECT e, p FROM containers_d ORDER BY p, e;
ALTER DOMAIN containers_email ADD CHECK (length(VALUE) > 100);
\echo :LAST_ERROR_SQLSTATE

-- arrays
CREATE TABLE containers_a (id integer, t enctext('containers')[], n encint4('containers')[3][3], d containers_email[]);
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'containers_a'::regclass AND attnum > 1 ORDER BY attnum;
INSERT INTO containers_a VALUES
	(1, '{a,"b c",NULL,""}', '{{1,2},{3,4}}', '{x@y}'),
	(2, ARRAY['d', 'e'], ARRAY[5, NULL], ARRAY['p@q', 'r@s']),
	(3, ARRAY['f']::text[], ARRAY[]::integer[], NULL),
	(4, NULL, NULL, '{}');
SELECT * FROM containers_a ORDER BY id;
SELECT id, u, cellenc_key_name(u), cellenc_key_version(u) FROM containers_a, unnest(t) u ORDER BY id, u::text;
SELECT id, t[1], t[2:3], n[1][2], array_length(n, 1), cardinality(t), array_dims(n) FROM containers_a ORDER BY id;
SELECT id, t::text[], n::integer[], array_to_string(t, '-', '?') FROM containers_a ORDER BY id;
UPDATE containers_a SET t[2] = 'changed', n = n || 9 WHERE id = 2;
UPDATE containers_a SET t = array_append(t, 'last'::enctext('containers')) WHERE id = 3;
SELECT id, t, n, cellenc_key_name(t[array_upper(t, 1)]) FROM containers_a WHERE id IN (2, 3) ORDER BY id;
SELECT a.id, b.id FROM containers_a a JOIN containers_a b ON a.t = b.t ORDER BY 1;
-- compared as they are: what a sort or a hash spills is sealed
SET enable_mergejoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM containers_a a JOIN containers_a b ON a.t = b.t;
RESET enable_mergejoin;
RESET enable_nestloop;
SELECT id FROM containers_a WHERE t::text[] @> ARRAY['changed'];
SELECT id FROM containers_a WHERE 'changed' = ANY (t);
SELECT id FROM containers_a ORDER BY t DESC NULLS LAST, id;
SELECT array_agg(u ORDER BY u) FROM containers_a, unnest(t) u;
SELECT n, count(*) FROM containers_a GROUP BY n ORDER BY n;
INSERT INTO containers_a (id, n) VALUES (5, '{1,x}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO containers_a (id, d) VALUES (5, '{x@y,none}');
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE containers_a2 (t enctext('containers_b')[]);
INSERT INTO containers_a2 SELECT t FROM containers_a WHERE id = 1;
SELECT t, cellenc_key_name(t[1]) FROM containers_a2;

-- composite types
CREATE TYPE containers_person AS (name enctext('containers'), born encdate('containers'), n integer);
CREATE TABLE containers_c (id integer, p containers_person, ps containers_person[]);
INSERT INTO containers_c VALUES
	(1, ROW('Zoë', '1980-02-29', 1), ARRAY[ROW('Ann', '2000-01-01', 2), ROW(NULL, NULL, NULL)]::containers_person[]),
	(2, '("O''Hara, Bob",1999-12-31,3)', '{"(x,2001-01-01,4)"}'),
	(3, NULL, NULL), (4, ROW(NULL, NULL, NULL), '{}');
SELECT * FROM containers_c ORDER BY id;
SELECT id, (p).name, (p).born, cellenc_key_name((p).name), (ps[1]).name, cellenc_key_name((ps[1]).name), p IS NULL AS is_null
FROM containers_c ORDER BY id;
SELECT id FROM containers_c WHERE p = ROW('Zoë', '1980-02-29', 1)::containers_person;
SELECT id FROM containers_c WHERE (p).born > '1990-01-01' AND (p).name LIKE 'O%';
SELECT id FROM containers_c ORDER BY p NULLS FIRST, id;
UPDATE containers_c SET p.name = 'Zoe', ps[2].name = 'Eve' WHERE id = 1;
SELECT p, ps FROM containers_c WHERE id = 1;
INSERT INTO containers_c VALUES (5, ROW('x', 'not a date', 1));
\echo :LAST_ERROR_SQLSTATE
ALTER TYPE containers_person ADD ATTRIBUTE mail containers_email;
ALTER TYPE containers_person ADD ATTRIBUTE bad enctext;
\echo :LAST_ERROR_SQLSTATE
UPDATE containers_c SET p.mail = 'z@o' WHERE id = 1;
SELECT p FROM containers_c ORDER BY id;

-- rows of tables, as values
CREATE TABLE containers_t (id integer, v enctext('containers'), n encnumeric('containers'));
INSERT INTO containers_t VALUES (1, 'one', 1.10), (2, 'two', NULL), (3, NULL, -3);
SELECT t FROM containers_t t ORDER BY id;
SELECT (t).v, (t).* FROM (SELECT t FROM containers_t t ORDER BY id) s;
SELECT ROW(v, n) FROM containers_t ORDER BY id;
SELECT ROW(v, n) = ROW('one', 1.1) AS same FROM containers_t ORDER BY id;
SELECT array_agg(t ORDER BY id) FROM containers_t t;
SELECT count(*) FROM containers_t a JOIN containers_t b ON a = b;
CREATE TABLE containers_r (r containers_t);
INSERT INTO containers_r SELECT t FROM containers_t t;
SELECT (r).id, (r).v, cellenc_key_name((r).v) FROM containers_r ORDER BY 1;
SELECT * FROM jsonb_populate_record(NULL::containers_t, '{"id": 7, "v": "from json", "n": 1.50}');
SELECT v, cellenc_key_name(v) FROM json_to_recordset('[{"v": "a"}, {"v": "b"}]') AS x (v enctext('containers'));
SELECT * FROM containers_t WHERE (v, n) IN (VALUES ('one', 1.1));

-- inheritance, LIKE, CREATE TABLE AS, partitions
CREATE TABLE containers_child (extra encbool('containers_b')) INHERITS (containers_t);
INSERT INTO containers_child VALUES (9, 'child', 9, true);
SELECT tableoid::regclass, id, v, cellenc_key_name(v) FROM containers_t WHERE id = 9;
CREATE TABLE containers_like (LIKE containers_t INCLUDING ALL);
CREATE TABLE containers_as AS SELECT id, v, n FROM containers_t;
CREATE MATERIALIZED VIEW containers_mv AS SELECT v, n, v AS again FROM containers_t;
CREATE VIEW containers_v AS SELECT v, n, upper(v) AS up FROM containers_t;
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid IN ('containers_like'::regclass, 'containers_as'::regclass, 'containers_mv'::regclass, 'containers_v'::regclass)
	AND attnum > 0 ORDER BY attrelid, attnum;
REFRESH MATERIALIZED VIEW containers_mv;
SELECT v, n, cellenc_key_name(again) FROM containers_mv ORDER BY n NULLS LAST;
INSERT INTO containers_v (v, n) VALUES ('through the view', 4) RETURNING v, n, up;
CREATE TABLE containers_p (id integer, v enctext('containers')) PARTITION BY RANGE (id);
CREATE TABLE containers_p1 PARTITION OF containers_p FOR VALUES FROM (0) TO (10);
CREATE TABLE containers_p2 (v enctext('containers'), id integer);
ALTER TABLE containers_p ATTACH PARTITION containers_p2 FOR VALUES FROM (10) TO (20);
INSERT INTO containers_p VALUES (1, 'one'), (11, 'eleven');
UPDATE containers_p SET id = 12 WHERE id = 1;
SELECT tableoid::regclass, id, v, cellenc_key_name(v) FROM containers_p ORDER BY id;
CREATE TABLE containers_p3 (id integer, v enctext('containers_b'));
ALTER TABLE containers_p ATTACH PARTITION containers_p3 FOR VALUES FROM (20) TO (30);
\echo :LAST_ERROR_SQLSTATE

-- generated columns and defaults
CREATE TABLE containers_g (id integer, v enctext('containers') DEFAULT 'none', w enctext('containers') DEFAULT current_database() || '!',
	g text GENERATED ALWAYS AS (upper(v)) STORED);
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE containers_g (id integer, v enctext('containers') DEFAULT 'none', n encint4('containers') DEFAULT 1 + 1);
INSERT INTO containers_g (id) VALUES (1);
INSERT INTO containers_g VALUES (2, DEFAULT, DEFAULT), (3, 'given', 3);
SELECT *, cellenc_key_name(v), cellenc_key_name(n) FROM containers_g ORDER BY id;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'containers_g'::regclass ORDER BY adnum;

-- PL/pgSQL
CREATE FUNCTION containers_plpgsql() RETURNS TABLE (what text, v text, key text) LANGUAGE plpgsql AS $$
DECLARE
	plain text;
	keyed enctext('containers') := 'keyed';
	keyless enctext := 'keyless';
	column_type containers_t.v%TYPE := 'of a column';
	r containers_t%ROWTYPE;
	rec record;
	arr enctext('containers')[] := ARRAY['x', 'y'];
	person containers_person;
	mail containers_email := 'm@n';
	n encint4('containers') := 40;
	c CURSOR (x text) FOR SELECT * FROM containers_t t WHERE t.v = x;
BEGIN
	RETURN QUERY VALUES ('keyed', keyed::text, cellenc_key_name(keyed)), ('keyless', keyless::text, cellenc_key_name(keyless)),
		('column', column_type::text, cellenc_key_name(column_type)), ('domain', mail::text, cellenc_key_name(mail));
	plain := keyed || ' and ' || keyless;
	keyless := keyed;
	RETURN QUERY VALUES ('plain', plain, NULL), ('assigned', keyless::text, cellenc_key_name(keyless));
	keyed := plain;
	n := n + 2;
	RETURN QUERY SELECT 'computed', keyed || ' ' || n, cellenc_key_name(n);
	SELECT * INTO r FROM containers_t WHERE id = 1;
	RETURN QUERY SELECT 'row', r.v::text, cellenc_key_name(r.v);
	r.v := 'set';
	r.n := r.n * 2;
	INSERT INTO containers_t VALUES (r.*);
	SELECT t.v, t.n INTO rec FROM containers_t t WHERE t.v = 'set';
	RETURN QUERY SELECT 'record', rec.v || ' ' || rec.n, cellenc_key_name(rec.v);
	arr[3] := 'z';
	arr := arr || keyed;
	RETURN QUERY SELECT 'array', array_to_string(arr, '-'), cellenc_key_name(arr[3]);
	person.name := 'Pat';
	person.born := date '2000-01-01' + 1;
	RETURN QUERY SELECT 'composite', person::text, cellenc_key_name(person.name);
	FOR rec IN c('two') LOOP
		RETURN QUERY SELECT 'cursor', rec.v::text, cellenc_key_name(rec.v);
	END LOOP;
	FOREACH plain IN ARRAY arr LOOP
		NULL;
	END LOOP;
	RETURN QUERY SELECT 'foreach', plain, NULL::text;
	EXECUTE 'SELECT $1 || $2' INTO plain USING keyed, 'dynamic'::enctext;
	RETURN QUERY SELECT 'execute', plain, NULL::text;
	IF keyed = mail OR n < 42 OR column_type IS NULL THEN
		RAISE EXCEPTION 'wrong';
	END IF;
	mail := 'not valid';
END
$$;
SELECT * FROM containers_plpgsql();
\echo :LAST_ERROR_SQLSTATE
SELECT regexp_replace(pg_get_functiondef('containers_plpgsql'::regproc), '\n\tmail := ''not valid'';', '') AS def \gset
:def;
SELECT * FROM containers_plpgsql();

-- functions that take and return encrypted types, and triggers
CREATE FUNCTION containers_sql(enctext, n encint4 DEFAULT '5') RETURNS enctext LANGUAGE sql AS 'SELECT ($1 || n)::enctext';
SELECT containers_sql('lit'), containers_sql('lit', 6::encint4), containers_sql(v) FROM containers_t WHERE id = 1;
CREATE FUNCTION containers_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.v := upper(NEW.v) || '/' || coalesce(OLD.v, 'new');
	RETURN NEW;
END
$$;
CREATE TABLE containers_tr (id integer, v enctext('containers'));
CREATE TRIGGER t BEFORE INSERT OR UPDATE OF v ON containers_tr FOR EACH ROW EXECUTE FUNCTION containers_trigger();
INSERT INTO containers_tr VALUES (1, 'a');
UPDATE containers_tr SET v = 'b';
UPDATE containers_tr SET id = 2;
SELECT id, v, cellenc_key_name(v) FROM containers_tr;

-- row security and MERGE
CREATE TABLE containers_m (id integer PRIMARY KEY, v enctext('containers'));
INSERT INTO containers_m VALUES (1, 'old'), (2, 'kept');
MERGE INTO containers_m m USING (VALUES (1, 'new'), (3, 'added')) s (id, v) ON m.id = s.id
WHEN MATCHED AND m.v = 'old' THEN UPDATE SET v = s.v
WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v);
SELECT id, v, cellenc_key_name(v) FROM containers_m ORDER BY id;

-- subscripts that assign: sealed anew under the column's key
CREATE DOMAIN containers_doc AS encjsonb('containers') CHECK (VALUE -> 'bad' IS NULL);
CREATE TABLE containers_subscript (id integer, j encjsonb('containers', 'equality'), d containers_doc, js encjsonb('containers')[]);
INSERT INTO containers_subscript (id) VALUES (1);
INSERT INTO containers_subscript (id, j['a'], d['b']) VALUES (2, '1', '2');
UPDATE containers_subscript SET j['a']['b'] = '"x"', d['c'] = to_jsonb(id) WHERE id = 1;
UPDATE containers_subscript SET j['l'] = '[1]', j['l'][1] = '2', js[2] = '{"e": 1}' WHERE id = 2;
SELECT id, j, d, js, j['l'][-1] AS last, d['b'] AS b, (js[2])['e'] AS e FROM containers_subscript ORDER BY id;
SELECT cellenc_key_name(j) AS j, cellenc_key_name(d) AS d, cellenc_key_name(js[2]) AS js FROM containers_subscript ORDER BY id;
SELECT id FROM containers_subscript WHERE j OPERATOR(cellenc.=) '{"a": {"b": "x"}}'::jsonb;
UPDATE containers_subscript SET d['bad'] = '1';
UPDATE containers_subscript SET js[2]['e'] = '2';
UPDATE containers_subscript SET j[NULL] = '2';
UPDATE containers_subscript SET j['a':'b'] = '2';
UPDATE containers_subscript SET j['a'] = NULL WHERE id = 2 RETURNING j;
SELECT d[1:2] FROM containers_subscript;
SELECT j['a'] FROM containers_subscript WHERE false;
-- PL/pgSQL assigns to elements too
DO $$
DECLARE
	doc encjsonb := '{"a": 1}';
BEGIN
	doc['a'] := '2';
	doc['n']['m'] := to_jsonb('x'::text);
	RAISE NOTICE '% %', doc, doc['n'];
	UPDATE containers_subscript SET j = doc WHERE id = 1;
END
$$;
SELECT j, cellenc_key_name(j) FROM containers_subscript WHERE id = 1;
-- what is there has to be opened, so the right to write is not enough
CREATE ROLE regress_cellenc_writes;
GRANT ALL ON containers_subscript TO regress_cellenc_writes;
SELECT cellenc_grant_key('containers', 'regress_cellenc_writes', 'encrypt');
SET ROLE regress_cellenc_writes;
INSERT INTO containers_subscript (id, j['a']) VALUES (3, '1');
UPDATE containers_subscript SET j['a'] = '2';
RESET ROLE;
SELECT j, cellenc_key_name(j) FROM containers_subscript WHERE id = 3;
SELECT cellenc_revoke_key('containers', 'regress_cellenc_writes', 'encrypt');

SET client_min_messages = warning;
DROP TABLE containers_subscript, containers_d, containers_a, containers_a2, containers_c, containers_t, containers_r, containers_like,
	containers_as, containers_p, containers_p3, containers_g, containers_tr, containers_m, containers_child CASCADE;
DROP TYPE containers_person CASCADE;
DROP DOMAIN containers_email, containers_positive, containers_doc;
DROP ROLE regress_cellenc_writes;
DROP FUNCTION containers_plpgsql, containers_sql, containers_trigger;
