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
WHERE f.opfnamespace = 'cellenc'::regnamespace
GROUP BY 1, 2 HAVING count(DISTINCT a.amoplefttype) > 2 ORDER BY 1, 2;

-- families of the bases are left alone: their operators are in no family of ours
SELECT a.amopopr::regoperator FROM pg_amop a
JOIN pg_opfamily f ON f.oid = a.amopfamily AND f.opfnamespace = 'cellenc'::regnamespace
JOIN pg_operator o ON o.oid = a.amopopr AND o.oprnamespace <> 'cellenc'::regnamespace;

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

SET client_min_messages = warning;
DROP TABLE search_t;
DROP TYPE search_varchar CASCADE;
