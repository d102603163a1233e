--
-- Operator classes, what an index may reveal, and what uses it
--
SET datestyle = 'ISO';
SELECT cellenc_create_key('search');
SELECT cellenc_create_key('search_b');

--
-- Operator classes
--

-- complete and consistent, by PostgreSQL's own check (it tells as INFO what is missing)
SELECT m.amname, c.opcdefault AS is_default, count(*), bool_and(amvalidate(c.oid)) AS valid
FROM pg_opclass c JOIN pg_am m ON m.oid = c.opcmethod
WHERE c.opcnamespace = 'cellenc'::regnamespace GROUP BY 1, 2 ORDER BY 1, 2;
SELECT oid::regoperator FROM pg_operator WHERE oprnamespace = 'cellenc'::regnamespace AND oprcode = 0;

-- every type has a class by term but those without a term
SELECT t.typname, c.opcname FROM pg_type t
JOIN pg_proc p ON p.oid = t.typinput AND p.prosrc = 'cellenc_twin_in'
LEFT JOIN pg_opclass c ON c.opcintype = t.oid AND NOT c.opcdefault
WHERE t.typnamespace = 'pg_catalog'::regnamespace ORDER BY t.oid;

-- the types without the twin, and what they may be compared by
SELECT f.opfname, m.amname, string_agg(DISTINCT format_type(a.amoplefttype, NULL), ', ') AS types
FROM pg_opfamily f JOIN pg_am m ON m.oid = f.opfmethod JOIN pg_amop a ON a.amopfamily = f.oid
WHERE f.opfnamespace = 'cellenc'::regnamespace AND f.opfname !~ '_rows$'
GROUP BY 1, 2 HAVING count(DISTINCT a.amoplefttype) > 2 ORDER BY 1, 2;

-- families of the bases are left alone: their operators are in no family of
-- ours, which have those of encrypted types that need no schema
SELECT a.amopopr::regoperator FROM pg_amop a
JOIN pg_opfamily f ON f.oid = a.amopfamily AND f.opfnamespace = 'cellenc'::regnamespace AND f.opfname !~ '_rows$'
JOIN pg_operator o ON o.oid = a.amopopr AND o.oprnamespace <> 'cellenc'::regnamespace;

-- families for comparison of rows alone: five operators and a function for each pair of types
SELECT count(DISTINCT family) AS families, bool_and(strategies = '{1,2,3,4,5}' AND functions = 1) AS complete
FROM (SELECT f.oid, array_agg(a.amopstrategy ORDER BY a.amopstrategy),
		(SELECT count(*) FROM pg_amproc p WHERE p.amprocfamily = f.oid AND p.amprocnum = 1
			AND (p.amproclefttype, p.amprocrighttype) = (a.amoplefttype, a.amoprighttype))
	FROM pg_opfamily f JOIN pg_amop a ON a.amopfamily = f.oid
	WHERE f.opfnamespace = 'cellenc'::regnamespace AND f.opfname ~ '_rows$'
	GROUP BY f.oid, a.amoplefttype, a.amoprighttype) v (family, strategies, functions);

-- a user's type has them too, also after it was dropped and made again
SET client_min_messages = warning;
SELECT cellenc_create_type('public.search_varchar', 'varchar');
DROP TYPE search_varchar CASCADE;
SELECT cellenc_create_type('public.search_varchar', 'varchar');
RESET client_min_messages;
SELECT m.amname, c.opcname, amvalidate(c.oid) AS valid
FROM pg_opclass c JOIN pg_am m ON m.oid = c.opcmethod
WHERE c.opcintype = 'search_varchar'::regtype ORDER BY 1, 2;

--
-- An index by term, and its scans
--
CREATE TABLE search_t (id integer PRIMARY KEY, s enctext('search', 'equality'), i encint4('search', 'equality'),
	n encnumeric('search', 'equality'), f encfloat8('search', 'equality'), v search_varchar('search', 'equality'));
INSERT INTO search_t SELECT g, 'value ' || g % 50, g % 50, (g % 50)::numeric / 4, (g % 50) / 4.0, 'v' || g % 50
FROM generate_series(1, 200) g;
INSERT INTO search_t VALUES (1001, '', 2147483647, 'NaN', 'NaN', ''), (1002, ' ', -2147483648, 1.0, '-0', ' '),
	(1003, 'a ', 0, 1.00, 'Infinity', 'a '), (1004, NULL, NULL, NULL, NULL, NULL), (1005, 'a', 0, 'Infinity', '-Infinity', 'a');
CREATE INDEX search_s ON search_t (s cellenc.enctext_term_ops);
CREATE INDEX search_i ON search_t (i cellenc.encint4_term_ops DESC NULLS LAST) INCLUDE (n);
CREATE INDEX search_n ON search_t (n cellenc.encnumeric_term_ops);
CREATE INDEX search_f ON search_t (f cellenc.encfloat8_term_ops);
CREATE INDEX search_v ON search_t (v cellenc.search_varchar_term_ops);
CREATE INDEX search_s_i ON search_t (i cellenc.encint4_term_ops, s cellenc.enctext_term_ops);
ANALYZE search_t;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM search_t WHERE s OPERATOR(cellenc.=) 'value 7'::text ORDER BY id;
SELECT id FROM search_t WHERE s OPERATOR(cellenc.=) 'value 7'::text ORDER BY id;
SELECT id FROM search_t WHERE s OPERATOR(cellenc.=) ''::text;
SELECT id FROM search_t WHERE s OPERATOR(cellenc.=) 'a'::text;
SELECT id FROM search_t WHERE s OPERATOR(cellenc.=) 'no value'::text;
SELECT id FROM search_t WHERE s OPERATOR(cellenc.=) NULL::text;
SELECT id FROM search_t WHERE s IS NULL;
SELECT id FROM search_t WHERE s OPERATOR(cellenc.=) 'a '::enctext('search_b');
SELECT id FROM search_t WHERE v OPERATOR(cellenc.=) 'a '::varchar;
-- values that print differently and are equal, and those that are equal to themselves alone
SELECT id FROM search_t WHERE n OPERATOR(cellenc.=) 1.000 ORDER BY id;
SELECT id FROM search_t WHERE n OPERATOR(cellenc.=) 'NaN'::numeric;
SELECT id FROM search_t WHERE f OPERATOR(cellenc.=) 0::float8 ORDER BY id;
SELECT id FROM search_t WHERE f OPERATOR(cellenc.=) 'NaN'::float4;
-- types that the base compares with
EXPLAIN (COSTS OFF) SELECT id FROM search_t WHERE i OPERATOR(cellenc.=) 49::bigint;
SELECT id FROM search_t WHERE i OPERATOR(cellenc.=) 49::bigint ORDER BY id;
SELECT id FROM search_t WHERE i OPERATOR(cellenc.=) 49::smallint ORDER BY id;
SELECT id FROM search_t WHERE i OPERATOR(cellenc.=) 5000000000;
SELECT id FROM search_t WHERE f OPERATOR(cellenc.=) 0.25::float4 ORDER BY id;
-- arrays of keys are sorted as the index is
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM search_t WHERE s OPERATOR(cellenc.=) ANY ('{value 3,"",value 44,value 3,NULL,none}'::text[]);
SELECT array_agg(id ORDER BY id) FROM search_t WHERE s OPERATOR(cellenc.=) ANY ('{value 3,"",value 44,value 3,NULL,none}'::text[]);
SELECT array_agg(id ORDER BY id) FROM search_t WHERE i OPERATOR(cellenc.=) ANY ('{3,5000000000,44,1,-2147483648}'::bigint[])
	AND s OPERATOR(cellenc.=) ANY ('{value 3," ",value 44,value 2}'::text[]);
RESET enable_bitmapscan;
-- two sides of a join, and a constant that is carried to the other side
EXPLAIN (COSTS OFF) SELECT a.id, b.id FROM search_t a JOIN search_t b ON a.s OPERATOR(cellenc.=) b.s
WHERE a.s OPERATOR(cellenc.=) 'value 7'::text;
SELECT count(*) FROM search_t a JOIN search_t b ON a.s OPERATOR(cellenc.=) b.s WHERE a.s OPERATOR(cellenc.=) 'value 7'::text;
SET enable_hashjoin = off; SET enable_nestloop = off;
SELECT count(*) FROM search_t a JOIN search_t b ON a.s OPERATOR(cellenc.=) b.s;
SELECT count(*) FROM search_t a JOIN (SELECT ('value ' || g) AS t FROM generate_series(1, 60) g) b ON a.s OPERATOR(cellenc.=) b.t;
RESET enable_nestloop; SET enable_mergejoin = off; RESET enable_hashjoin;
SELECT count(*) FROM search_t a FULL JOIN (SELECT ('value ' || g) AS t FROM generate_series(1, 60) g) b ON a.s OPERATOR(cellenc.=) b.t;
SELECT count(*) FROM search_t a WHERE s OPERATOR(cellenc.=) ANY (SELECT 'value ' || g FROM generate_series(1, 10) g);
SELECT count(*) FROM search_t a WHERE (s OPERATOR(cellenc.=) ANY (SELECT 'value ' || g FROM generate_series(1, 10) g)) IS NOT TRUE;
RESET enable_mergejoin;
RESET enable_seqscan;

--
-- A term made with another search key than the current one says nothing: the
-- values are opened, and found and kept apart all the same
--
SELECT cellenc_create_key('search_term');
CREATE TABLE search_k (id integer, s enctext('search_term', 'equality'));
INSERT INTO search_k SELECT g, 'value ' || g FROM generate_series(1, 200) g;
CREATE UNIQUE INDEX ON search_k (s cellenc.enctext_term_ops);
SET enable_seqscan = off;
BEGIN;
SELECT opened FROM cellenc.codec_counts() \gset
SELECT id FROM search_k WHERE s = 'value 7';
SELECT opened = :opened AS terms_compared FROM cellenc.codec_counts();
UPDATE cellenc.key_version SET search_key = gen_random_uuid() WHERE key = (SELECT id FROM cellenc.key WHERE name = 'search_term');
SELECT opened FROM cellenc.codec_counts() \gset
SELECT id FROM search_k WHERE s = 'value 7';
SELECT opened - :opened > 5 AS values_opened FROM cellenc.codec_counts();
INSERT INTO search_k SELECT 0, 'value ' || g FROM generate_series(1, 250) g ON CONFLICT DO NOTHING;
SELECT count(*), count(DISTINCT s) FROM search_k;
SELECT count(*) FROM search_k a JOIN search_t b ON a.s = b.s;
ROLLBACK;
SELECT count(*) FROM search_k a JOIN search_t b ON a.s = b.s;
DROP TABLE search_k;
RESET enable_seqscan;

--
-- Ordinary SQL finds these indexes, whatever type the other side has
--
CREATE FUNCTION search_plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		result := result || coalesce(substring(line FROM '(?:Index|Recheck|Filter|Hash|Merge|Join|Merge) ?(?:Cond|Filter)?: .*'),
			substring(line FROM '\w+ Only Scan.*|\w* ?Index Scan.*|Seq Scan.*'), '') || E'\n';
	END LOOP;
	RETURN regexp_replace(trim(E'\n' FROM result), E'\n+', ' | ', 'g');
END $$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
DROP INDEX search_s_i;
SELECT search_plan($$SELECT id FROM search_t WHERE s = 'value 7'$$);
SELECT search_plan($$SELECT id FROM search_t WHERE s = 'value 7'::varchar$$);
SELECT search_plan($$SELECT id FROM search_t WHERE 'value 7' = s$$);
SELECT search_plan($$SELECT id FROM search_t WHERE s IN ('value 7', 'value 8')$$);
SELECT search_plan($$SELECT id FROM search_t WHERE s = ANY ('{value 7}')$$);
SELECT search_plan($$SELECT id FROM search_t WHERE s = 'value 7' AND i = 7$$);
SELECT search_plan($$SELECT id FROM search_t WHERE i = 7::bigint$$);
SELECT search_plan($$SELECT id FROM search_t WHERE i = 7::smallint$$);
SELECT search_plan($$SELECT id FROM search_t WHERE n = 1$$);
SELECT search_plan($$SELECT id FROM search_t WHERE f = 0.25$$);
SELECT search_plan($$SELECT id FROM search_t WHERE s IS NULL$$);
SELECT id FROM search_t WHERE n = 1 ORDER BY id;
SELECT id FROM search_t WHERE f = 0 ORDER BY id;
SELECT id FROM search_t WHERE i IN (3, 5000000000, NULL) ORDER BY id;
-- not what terms do not tell
SELECT search_plan($$SELECT id FROM search_t WHERE s > 'value 7'$$);
SELECT search_plan($$SELECT id FROM search_t WHERE s LIKE 'value 7%'$$);
SELECT search_plan($$SELECT id FROM search_t WHERE s <> 'value 7'$$);
SELECT search_plan($$SELECT id FROM search_t ORDER BY s$$);
SELECT count(*) FROM search_t WHERE s > 'value 7';
-- parameters, in plans of both kinds
PREPARE by_text(text) AS SELECT count(*), min(id) FROM search_t WHERE s = $1;
PREPARE by_bigint(bigint) AS SELECT count(*), min(id) FROM search_t WHERE i = $1 AND id > 0;
PREPARE by_unknown AS SELECT count(*), min(id) FROM search_t WHERE s = $1;
PREPARE by_array(text[]) AS SELECT count(*), min(id) FROM search_t WHERE s = ANY ($1);
SELECT search_plan($$EXECUTE by_text('value 7')$$);
SELECT search_plan($$EXECUTE by_bigint(7)$$);
SET plan_cache_mode = force_generic_plan;
SELECT search_plan($$EXECUTE by_text('value 7')$$);
SELECT search_plan($$EXECUTE by_bigint(7)$$);
SELECT search_plan($$EXECUTE by_unknown('value 7')$$);
SELECT search_plan($$EXECUTE by_array('{value 8,value 7}')$$);
EXECUTE by_text('value 7');
EXECUTE by_bigint(7);
EXECUTE by_unknown('value 7');
EXECUTE by_array('{value 8,value 7}');
EXECUTE by_text(NULL);
EXECUTE by_bigint(7000000000);
RESET plan_cache_mode;

--
-- UNIQUE, ON CONFLICT, foreign keys
--
CREATE TABLE search_u (id integer PRIMARY KEY, email enctext('search', 'equality'), n encnumeric('search', 'equality'), note text);
CREATE UNIQUE INDEX search_email ON search_u (email cellenc.enctext_term_ops);
CREATE UNIQUE INDEX search_un ON search_u (n cellenc.encnumeric_term_ops) WHERE note IS NULL;
INSERT INTO search_u VALUES (1, 'a@b', 1.0), (2, 'c@d', 2), (3, NULL, NULL), (4, NULL, NULL);
\set VERBOSITY terse
INSERT INTO search_u VALUES (5, 'a@b', 5);
\echo :LAST_ERROR_SQLSTATE
INSERT INTO search_u VALUES (5, 'e@f', 1.00);
\echo :LAST_ERROR_SQLSTATE
UPDATE search_u SET email = 'c@d' WHERE id = 1;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
INSERT INTO search_u VALUES (5, 'e@f', 1.00, 'outside of the partial index');
-- uniqueness holds across versions of a key
SELECT cellenc_rotate_key('search', false);
\set VERBOSITY terse
INSERT INTO search_u VALUES (6, 'a@b', 6);
\set VERBOSITY default
INSERT INTO search_u VALUES (7, 'a@b', 7, 'new') ON CONFLICT DO NOTHING;
INSERT INTO search_u VALUES (7, 'a@b', 7, 'new') ON CONFLICT (email) DO UPDATE SET note = excluded.note || ' for ' || search_u.email RETURNING *;
INSERT INTO search_u VALUES (8, 'g@h', 2.000) ON CONFLICT (n) WHERE note IS NULL DO UPDATE SET n = search_u.n + 100 RETURNING *;
INSERT INTO search_u VALUES (8, 'a@b', 8) ON CONFLICT (email cellenc.enctext_term_ops) DO UPDATE SET note = 'named' RETURNING *;
\set VERBOSITY terse
INSERT INTO search_u VALUES (8, 'i@j', 8), (9, 'i@j', 9) ON CONFLICT (email) DO UPDATE SET note = 'twice';
\echo :LAST_ERROR_SQLSTATE
INSERT INTO search_u VALUES (8, 'a@b', 8) ON CONFLICT (email cellenc.enctext_ops) DO NOTHING;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
INSERT INTO search_u VALUES (20, 'k@l', 20), (21, 'k@l', 21) ON CONFLICT (email) DO NOTHING;
MERGE INTO search_u u USING (VALUES ('a@b', 'merged'), ('m@n', 'merged')) v (email, note) ON u.email = v.email
WHEN MATCHED THEN UPDATE SET note = v.note
WHEN NOT MATCHED THEN INSERT VALUES (30, v.email, 30, v.note);
SELECT *, cellenc_key_version(email) AS version FROM search_u ORDER BY id;

CREATE TABLE search_fk (id integer, ref enctext('search_b', 'equality') REFERENCES search_u (email) ON UPDATE CASCADE ON DELETE SET NULL);
CREATE TABLE search_fk2 (id integer, ref text REFERENCES search_u (email));
CREATE INDEX ON search_fk USING hash (ref);
SELECT conname, pg_get_constraintdef(oid), conpfeqop::regoperator[] FROM pg_constraint WHERE conrelid IN ('search_fk'::regclass, 'search_fk2'::regclass) ORDER BY 1;
INSERT INTO search_fk VALUES (1, 'a@b'), (2, 'c@d'), (3, NULL), (4, 'm@n');
INSERT INTO search_fk2 VALUES (1, 'k@l');
\set VERBOSITY terse
INSERT INTO search_fk VALUES (5, 'no@one');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO search_fk2 VALUES (5, 'no@one');
\echo :LAST_ERROR_SQLSTATE
DELETE FROM search_u WHERE email = 'k@l';
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
UPDATE search_u SET email = upper(email) WHERE email = 'a@b';
UPDATE search_u SET email = email WHERE email = 'c@d';
DELETE FROM search_u WHERE email = 'm@n';
SELECT id, ref, cellenc_key_name(ref) FROM search_fk ORDER BY id;
ALTER TABLE search_fk DROP CONSTRAINT search_fk_ref_fkey;
ALTER TABLE search_fk ADD FOREIGN KEY (ref) REFERENCES search_u (email) NOT VALID;
ALTER TABLE search_fk VALIDATE CONSTRAINT search_fk_ref_fkey;
-- the referenced index cannot go, nor the term in it
\set VERBOSITY terse
DROP INDEX search_email;
ALTER TABLE search_u ALTER email TYPE enctext('search');
\set VERBOSITY default
-- joins over the two keys, by each method
SELECT search_plan('SELECT * FROM search_u u JOIN search_fk f ON u.email = f.ref WHERE f.id = 1');
SELECT u.id, f.id FROM search_u u JOIN search_fk f ON u.email = f.ref ORDER BY 1, 2;
SET enable_nestloop = off;
SELECT u.id, f.id FROM search_u u JOIN search_fk f ON u.email = f.ref ORDER BY 1, 2;
SET enable_hashjoin = off;
SELECT u.id, f.id FROM search_u u JOIN search_fk f ON u.email = f.ref ORDER BY 1, 2;
RESET enable_nestloop;
RESET enable_hashjoin;

--
-- Collations under which other bytes are equal
--
CREATE COLLATION search_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE search_c (id integer, s enctext('search', 'equality') COLLATE search_ci, d enctext('search', 'equality'));
INSERT INTO search_c VALUES (1, 'Abc', 'Abc'), (2, 'abC', 'abC'), (3, 'abd', 'abd');
CREATE INDEX search_c_term ON search_c (s cellenc.enctext_term_ops);
SELECT search_plan($$SELECT id FROM search_c WHERE s = 'ABC'$$);
SELECT id FROM search_c WHERE s = 'ABC' ORDER BY id;
SELECT id FROM search_c WHERE s = ANY ('{ABC,ABD}') ORDER BY id;
SELECT search_plan($$SELECT id FROM search_c WHERE d = 'ABC' COLLATE search_ci$$);
CREATE INDEX search_c_d ON search_c (d cellenc.enctext_term_ops);
SELECT id FROM search_c WHERE d = 'ABC' COLLATE search_ci ORDER BY id;
SELECT id FROM search_c WHERE d = 'ABC' ORDER BY id;
DROP INDEX search_c_term;
CREATE INDEX search_c_hash ON search_c USING hash (s);
SELECT search_plan($$SELECT id FROM search_c WHERE s = 'ABC'$$);
SELECT id FROM search_c WHERE s = 'ABC' ORDER BY id;
DROP INDEX search_c_hash;
\set VERBOSITY terse
CREATE UNIQUE INDEX ON search_c (s cellenc.enctext_term_ops);
\set VERBOSITY default
DELETE FROM search_c WHERE id = 2;
CREATE UNIQUE INDEX ON search_c (s cellenc.enctext_term_ops);
INSERT INTO search_c VALUES (4, 'ABD', 'x') ON CONFLICT (s) DO UPDATE SET id = 33;
SELECT id, s FROM search_c ORDER BY id;
RESET enable_seqscan;
RESET enable_bitmapscan;

--
-- The right to compare, and row security
--
CREATE ROLE search_reader;
CREATE ROLE search_stranger;
GRANT SELECT, UPDATE ON search_u TO search_reader, search_stranger;
SELECT cellenc_grant_key('search', 'search_reader');
ALTER TABLE search_u ENABLE ROW LEVEL SECURITY;
CREATE POLICY search_policy ON search_u USING (id < 10);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET ROLE search_reader;
SELECT search_plan($$SELECT id FROM search_u WHERE email = 'k@l'$$);
SELECT search_plan($$SELECT id FROM search_u WHERE email IN ('k@l', 'c@d')$$);
SELECT id FROM search_u WHERE email IN ('k@l', 'c@d');
SET ROLE search_stranger;
SELECT id FROM search_u WHERE email = 'c@d';
SELECT id FROM search_u WHERE email = 'nobody';
SELECT id FROM search_u WHERE email OPERATOR(cellenc.=) 'nobody'::text;
RESET ROLE;
RESET enable_seqscan;
RESET enable_bitmapscan;

--
-- Types whose comparisons with a literal or parameter of no type yet are their own
--
CREATE TABLE search_dates (id integer, d encdate('search', 'order'), ts enctimestamp('search', 'order'), f encfloat4('search', 'equality'));
INSERT INTO search_dates SELECT g, date '2024-01-01' + g, timestamp '2024-01-01' + g * interval '1 day', g / 10.0 FROM generate_series(1, 100) g;
CREATE INDEX ON search_dates (d);
CREATE INDEX ON search_dates (ts);
CREATE INDEX ON search_dates USING hash (f);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET plan_cache_mode = force_generic_plan;
PREPARE search_d AS SELECT id FROM search_dates WHERE d = $1;
PREPARE search_between AS SELECT id FROM search_dates WHERE d BETWEEN $1 AND $2 ORDER BY id;
PREPARE search_any AS SELECT id FROM search_dates WHERE d = ANY ($1) ORDER BY id;
PREPARE search_ts AS SELECT id FROM search_dates WHERE ts = $1;
PREPARE search_f AS SELECT id FROM search_dates WHERE f = $1;
SELECT name, parameter_types FROM pg_prepared_statements WHERE name LIKE 'search_%' ORDER BY name;
EXPLAIN (COSTS OFF) EXECUTE search_d('2024-01-03');
EXECUTE search_d('2024-01-03');
EXPLAIN (COSTS OFF) EXECUTE search_between('2024-01-03', '2024-01-05');
EXECUTE search_between('2024-01-03', '2024-01-05');
EXPLAIN (COSTS OFF) EXECUTE search_any('{2024-01-03,2024-01-05}');
EXECUTE search_any('{2024-01-03,2024-01-05}');
EXPLAIN (COSTS OFF) EXECUTE search_ts('2024-01-03');
EXECUTE search_ts('2024-01-03');
EXPLAIN (COSTS OFF) EXECUTE search_f(0.1);
EXECUTE search_f(0.1);
SET plan_cache_mode = force_custom_plan;
EXPLAIN (COSTS OFF) EXECUTE search_d('2024-01-03');
EXECUTE search_f('0.1');
EXPLAIN (COSTS OFF) SELECT id FROM search_dates WHERE d = '2024-01-03';
SELECT search_plan($$SELECT id FROM search_dates WHERE f IN ('0.1', '0.2')$$) LIKE '%Filter: (f OPERATOR(cellenc.=) ANY (''{0.1,0.2}''::real[]))%';
SELECT id FROM search_dates WHERE f IN ('0.1', '0.2') ORDER BY id;
RESET plan_cache_mode;
RESET enable_bitmapscan;
RESET enable_seqscan;
DEALLOCATE ALL;

SET client_min_messages = warning;
DROP TABLE search_dates, search_t, search_fk, search_fk2, search_u, search_c;
DROP COLLATION search_ci;
DROP TYPE search_varchar CASCADE;
DROP FUNCTION search_plan;
DROP ROLE search_reader, search_stranger;
