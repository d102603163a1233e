--
-- Encrypted types: each behaves as its base type
--
-- Table types_plain holds values of each base type, extremes included;
-- types_enc the same ones in columns of the encrypted types.
--
\getenv abs_builddir PG_ABS_BUILDDIR
SET timezone = 'UTC';
-- what is switched off below counts as very expensive
SET jit = off;
SET datestyle = 'ISO';
SELECT cellenc_create_key('types');

CREATE TABLE types_plain (
	id integer PRIMARY KEY, text_c text, bytea_c bytea, int2_c int2, int4_c int4, int8_c int8,
	numeric_c numeric, float4_c float4, float8_c float8, bool_c bool, date_c date, time_c time,
	timestamp_c timestamp, timestamptz_c timestamptz, interval_c interval, uuid_c uuid,
	jsonb_c jsonb, inet_c inet);
CREATE TABLE types_enc (
	id integer PRIMARY KEY, text_c enctext('types'), bytea_c encbytea('types'), int2_c encint2('types'),
	int4_c encint4('types'), int8_c encint8('types'), numeric_c encnumeric('types'),
	float4_c encfloat4('types'), float8_c encfloat8('types'), bool_c encbool('types'),
	date_c encdate('types'), time_c enctime('types'), timestamp_c enctimestamp('types'),
	timestamptz_c enctimestamptz('types'), interval_c encinterval('types'), uuid_c encuuid('types'),
	jsonb_c encjsonb('types'), inet_c encinet('types'));
SELECT c.attname AS "column", p.atttypid::regtype AS base, format_type(c.atttypid, c.atttypmod) AS encrypted,
	t.typcategory = b.typcategory AS category, t.typispreferred AS preferred,
	(t.typcollation <> 0) = (b.typcollation <> 0) AS collation, t.typstorage AS storage
FROM pg_attribute c JOIN pg_type t ON t.oid = c.atttypid
JOIN pg_attribute p ON p.attrelid = 'types_plain'::regclass AND p.attnum = c.attnum
JOIN pg_type b ON b.oid = p.atttypid
WHERE c.attrelid = 'types_enc'::regclass AND c.attnum > 1 ORDER BY c.attnum;

-- literals, one column after the other; more of them than others have repeat
CREATE TABLE types_literal (type text, id serial, literal text);
INSERT INTO types_literal (type, literal) VALUES
	('text', ''), ('text', ' '), ('text', 'a'), ('text', 'A'), ('text', 'b'), ('text', 'Zürich'),
	('text', 'ольга'), ('text', '東京'), ('text', E'tab\tline\nquote\'"\\'), ('text', 'NULL'),
	('text', '\N'), ('text', repeat('long ', 1000)), ('text', 'a'),
	('bytea', ''), ('bytea', '\x'), ('bytea', '\x00'), ('bytea', '\x0001ff'), ('bytea', 'abc'),
	('bytea', '\x' || repeat('00ff', 3000)),
	('int2', '-32768'), ('int2', '32767'), ('int2', '0'), ('int2', '-1'), ('int2', ' 7 '), ('int2', '7'),
	('int4', '-2147483648'), ('int4', '2147483647'), ('int4', '0'), ('int4', '-1'), ('int4', '42'), ('int4', '42'),
	('int8', '-9223372036854775808'), ('int8', '9223372036854775807'), ('int8', '0'), ('int8', '-1'), ('int8', '42'), ('int8', '0'),
	('numeric', '0'), ('numeric', '-0.000'), ('numeric', 'NaN'), ('numeric', 'Infinity'), ('numeric', '-Infinity'),
	('numeric', '1.0'), ('numeric', '1.000'), ('numeric', '-99999999999999999999.99999999999999999999'),
	('numeric', '1e-300'), ('numeric', '1' || repeat('0', 1000)), ('numeric', '3.14159'),
	('float4', '0'), ('float4', '-0'), ('float4', 'NaN'), ('float4', 'Infinity'), ('float4', '-Infinity'),
	('float4', '3.4028235e38'), ('float4', '1e-45'), ('float4', '0.1'), ('float4', '-1.5'),
	('float8', '0'), ('float8', '-0'), ('float8', 'NaN'), ('float8', 'Infinity'), ('float8', '-Infinity'),
	('float8', '1.7976931348623157e308'), ('float8', '5e-324'), ('float8', '0.1'), ('float8', '-1.5'),
	('bool', 'true'), ('bool', 'f'), ('bool', 'on'), ('bool', '0'),
	('date', '-infinity'), ('date', 'infinity'), ('date', '4714-11-24 BC'), ('date', '5874897-12-31'),
	('date', '2000-01-01'), ('date', '1969-12-31'), ('date', '2024-02-29'), ('date', '2000-01-01'),
	('time', '00:00'), ('time', '24:00'), ('time', '23:59:59.999999'), ('time', '04:05:06 PM'), ('time', '00:00'),
	('timestamp', '-infinity'), ('timestamp', 'infinity'), ('timestamp', '4714-11-24 00:00:00 BC'),
	('timestamp', '294276-12-31 23:59:59.999999'), ('timestamp', '2000-01-01'), ('timestamp', '2024-02-29 12:34:56.789'),
	('timestamp', '2000-01-01'),
	('timestamptz', '-infinity'), ('timestamptz', 'infinity'), ('timestamptz', '4714-11-24 00:00:00+00 BC'),
	('timestamptz', '294276-12-31 23:59:59.999999+00'), ('timestamptz', '2000-01-01 00:00+01'),
	('timestamptz', '1999-12-31 23:00 UTC'), ('timestamptz', '2024-07-01 12:00 Europe/Berlin'),
	('interval', '0'), ('interval', '1 month'), ('interval', '30 days'), ('interval', '720 hours'),
	('interval', '-178000000 years'), ('interval', '178000000 years'), ('interval', '1 day -00:00:01'),
	('interval', '@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs ago'),
	('uuid', '00000000-0000-0000-0000-000000000000'), ('uuid', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
	('uuid', '{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}'), ('uuid', 'a0eebc999c0b4ef8bb6d6bb9bd380a11'),
	('jsonb', 'null'), ('jsonb', 'true'), ('jsonb', '1'), ('jsonb', '1.00'), ('jsonb', '"a"'), ('jsonb', '[]'),
	('jsonb', '{}'), ('jsonb', '[1, 2, {"b": [null], "a": "x"}]'), ('jsonb', '{"b": 1, "a": 2, "a": 3}'),
	('jsonb', '{"long": "' || repeat('v', 3000) || '"}'), ('jsonb', '{"a": 3.0, "b": 1}'),
	('inet', '0.0.0.0'), ('inet', '255.255.255.255'), ('inet', '192.168.1.5/24'), ('inet', '192.168.1.5'), ('inet', '::'),
	('inet', '::ffff:1.2.3.4/128'), ('inet', '2001:db8::1/64'), ('inet', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'),
	('inet', '0.0.0.0');

-- input: both tables read the literals; a row for each, and two of NULLs
DO $$
DECLARE
	l record;
BEGIN
	FOR i IN 1 .. (SELECT max(n) + 2 FROM (SELECT count(*) AS n FROM types_literal GROUP BY type) s) LOOP
		INSERT INTO types_plain (id) VALUES (i);
		INSERT INTO types_enc (id) VALUES (i);
	END LOOP;
	FOR l IN SELECT *, row_number() OVER (PARTITION BY type ORDER BY id) AS n FROM types_literal LOOP
		EXECUTE format('UPDATE types_plain SET %I = %L WHERE id = %s', l.type || '_c', l.literal, l.n);
		EXECUTE format('UPDATE types_enc SET %I = %L WHERE id = %s', l.type || '_c', l.literal, l.n);
	END LOOP;
END
$$;

-- The number of rows in which a query's answers differ between the two
-- tables, for each type; $T is the table, $C the column, $B the base type, $S the
-- schema of the encrypted type's own operators.
-- Of a query that fails for both alike, the number is null.
CREATE FUNCTION types_differ(query text, only_types text[] DEFAULT NULL)
RETURNS TABLE (type text, differ bigint, n bigint) LANGUAGE plpgsql AS $$
DECLARE
	plain text;
	enc text;
	schema text;
BEGIN
	FOR type IN
		SELECT left(attname, -2) FROM pg_attribute
		WHERE attrelid = 'types_plain'::regclass AND attnum > 1 ORDER BY attnum
	LOOP
		CONTINUE WHEN NOT type = ANY (only_types);
		SELECT oprnamespace::regnamespace INTO STRICT schema FROM pg_operator
		WHERE oprname = '=' AND oprleft = ('enc' || type)::regtype AND oprright = oprleft;
		plain := replace(replace(replace(query, '$C', type || '_c'), '$B', type), '$S', schema);
		enc := replace(plain, '$T', 'types_enc');
		plain := replace(plain, '$T', 'types_plain');
		EXECUTE format('SELECT count(*) FROM (((%1$s) EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL (%1$s))) d',
			plain, enc) INTO differ;
		EXECUTE format('SELECT count(*) FROM (%s) d', enc) INTO n;
		RETURN NEXT;
	END LOOP;
END
$$;
-- one line for all types: those that differ, and how many rows were compared
CREATE FUNCTION types_check(query text, only_types text[] DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce('DIFFER: ' || string_agg(type || ' ' || differ, ', ') FILTER (WHERE differ <> 0), 'same')
		|| ' (' || count(*) || ' types, ' || sum(n) || ' rows)'
	FROM types_differ(query, only_types)
$$;

-- the check itself finds differences
\pset tuples_only on
SELECT types_check('SELECT $C FROM $T UNION ALL SELECT NULL WHERE ''$T'' = ''types_enc''');

-- output, as text and as the binary form
SELECT types_check('SELECT id, format(''%s'', $C) FROM $T');
SELECT types_check('SELECT id, $C::text FROM $T');
SELECT types_check('SELECT id, $C::$B FROM $T');
SELECT format('SELECT id, %s(%s) FROM types_plain EXCEPT SELECT id, cellenc.cellenc_send_%s(%2$s) FROM types_enc',
	b.typsend, attname, b.typname)
FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid
WHERE attrelid = 'types_plain'::regclass AND attnum > 1 ORDER BY attnum \gexec

\pset tuples_only off
-- input from a cast and from the base's column, and back
SELECT types_check('SELECT t.id, t.$C::enc$B(''types'')::$B FROM $T t');
SELECT types_check('SELECT t.id, t.$C::enc$B::$B FROM $T t');
CREATE TABLE types_cast (LIKE types_enc);
INSERT INTO types_cast SELECT * FROM types_plain;
TABLE types_plain EXCEPT ALL SELECT * FROM types_cast;
TRUNCATE types_cast;
INSERT INTO types_cast SELECT * FROM types_enc;
TABLE types_plain EXCEPT ALL SELECT * FROM types_cast;
CREATE TABLE types_back (LIKE types_plain);
INSERT INTO types_back SELECT * FROM types_enc;
TABLE types_back EXCEPT ALL TABLE types_plain;
TABLE types_plain EXCEPT ALL TABLE types_back;
DROP TABLE types_cast, types_back;

-- COPY: the same bytes out as the plain table, and back
CREATE FUNCTION types_copy(dir text, options text, out_options text, OUT same_file boolean, OUT differ bigint) LANGUAGE plpgsql AS $$
DECLARE
	plain text := dir || '/cellenc_types_plain.copy';
	enc text := dir || '/cellenc_types_enc.copy';
BEGIN
	EXECUTE format('COPY (SELECT * FROM types_plain ORDER BY id) TO %L (%s)', plain, concat_ws(', ', options, out_options));
	EXECUTE format('COPY (SELECT * FROM types_enc ORDER BY id) TO %L (%s)', enc, concat_ws(', ', options, out_options));
	same_file := pg_read_binary_file(plain) = pg_read_binary_file(enc);
	CREATE TABLE types_copied (LIKE types_enc);
	EXECUTE format('COPY types_copied FROM %L (%s)', plain, options);
	SELECT count(*) INTO differ FROM (TABLE types_plain EXCEPT SELECT * FROM types_copied) d;
	DROP TABLE types_copied;
END
$$;
\set dir :abs_builddir '/results'
SELECT * FROM types_copy(:'dir', 'FORMAT text', NULL);
SELECT * FROM types_copy(:'dir', 'FORMAT csv, HEADER', 'FORCE_QUOTE *');
SELECT * FROM types_copy(:'dir', 'FORMAT csv, NULL ''\N''', NULL);
SELECT * FROM types_copy(:'dir', 'FORMAT binary', NULL);

-- order
\pset tuples_only on
SELECT types_check('SELECT id, row_number() OVER (ORDER BY $C, id) FROM $T');
SELECT types_check('SELECT id, row_number() OVER (ORDER BY $C DESC NULLS LAST, id) FROM $T');
SELECT types_check('SELECT id, $C, n FROM (SELECT *, row_number() OVER () AS n FROM (SELECT * FROM $T ORDER BY $C, id LIMIT 5) s) s');
SELECT types_check('SELECT string_agg(format(''%s'', $C), '','' ORDER BY $C NULLS FIRST, id) FROM $T');
SELECT types_check('SELECT array_agg(id ORDER BY $C DESC, id) FROM $T');

-- groups and sets, by hash and by sort
CREATE VIEW types_sets AS SELECT v.* FROM (VALUES
	('SELECT $C, count(*), min(id) FROM $T GROUP BY $C'),
	('SELECT $C, count(*) FROM $T GROUP BY ROLLUP ($C)'),
	('SELECT count(DISTINCT $C), count($C) FROM $T'),
	('SELECT DISTINCT $C FROM $T'),
	('SELECT DISTINCT ON ($C) $C, id FROM $T ORDER BY $C, id'),
	('SELECT $C FROM $T WHERE id < 4 UNION SELECT $C FROM $T WHERE id >= 4'),
	('SELECT $C FROM $T WHERE id < 4 INTERSECT SELECT $C FROM $T WHERE id >= 2'),
	('SELECT $C FROM $T EXCEPT SELECT $C FROM $T WHERE id >= 3'),
	('SELECT $C FROM $T EXCEPT ALL SELECT $C FROM types_plain WHERE id >= 3'),
	('SELECT $C FROM types_plain WHERE id < 3 UNION SELECT $C FROM $T')) v (query);
SET enable_hashagg = off;
SELECT types_check(query) FROM types_sets;
SET enable_hashagg = on;
SET enable_sort = off;
SELECT types_check(query) FROM types_sets;
RESET enable_hashagg;
RESET enable_sort;

-- joins, of each kind
CREATE VIEW types_joins AS SELECT v.* FROM (VALUES
	('SELECT a.id AS a, b.id AS b FROM $T a JOIN $T b ON a.$C = b.$C'),
	('SELECT a.id AS a, b.id AS b FROM $T a LEFT JOIN $T b ON a.$C = b.$C AND b.id > 3'),
	('SELECT a.id AS a, b.id AS b FROM (SELECT * FROM $T WHERE id < 5) a FULL JOIN (SELECT * FROM $T WHERE id > 3) b ON a.$C = b.$C'),
	('SELECT $C, a.id AS a, b.id AS b FROM $T a JOIN $T b USING ($C)'),
	('SELECT a.id AS a, b.id AS b FROM $T a JOIN types_plain b ON a.$C = b.$C'),
	('SELECT a.id AS a, b.id AS b FROM types_plain a JOIN $T b USING ($C)'),
	('SELECT id FROM $T WHERE $C IN (SELECT $C FROM $T WHERE id > 4)'),
	('SELECT id FROM $T a WHERE NOT EXISTS (SELECT FROM $T b WHERE a.$C = b.$C AND a.id <> b.id)'),
	('SELECT a.id AS a, b.id AS b FROM $T a JOIN $T b ON a.$C OPERATOR(pg_catalog.=) b.$C')) v (query);
CREATE VIEW types_twin_joins AS SELECT v.* FROM (VALUES
	('SELECT a.id AS a, b.id AS b FROM types_enc a JOIN types_enc b ON a.$C OPERATOR($S.=) b.$C'),
	('SELECT a.id AS a, b.id AS b FROM types_enc a JOIN types_plain b ON a.$C OPERATOR(cellenc.=) b.$C'),
	('SELECT a.id AS a, b.id AS b FROM types_plain a JOIN types_enc b ON a.$C OPERATOR(cellenc.=) b.$C')) v (query);
CREATE FUNCTION types_twin_check(query text) RETURNS text LANGUAGE sql AS $$
	SELECT types_check('SELECT * FROM (' || query || ') s WHERE ''$T'' = ''types_enc'' UNION ALL '
		|| 'SELECT a.id, b.id FROM types_plain a JOIN types_plain b ON a.$C = b.$C WHERE ''$T'' = ''types_plain''')
$$;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SELECT types_check(query) FROM types_joins;
SELECT types_twin_check(query) FROM types_twin_joins;
SET enable_mergejoin = on;
SET enable_hashjoin = off;
SELECT types_check(query) FROM types_joins;
SELECT types_twin_check(query) FROM types_twin_joins;
SET enable_mergejoin = off;
SET enable_nestloop = on;
SELECT types_check(query) FROM types_joins;
SELECT types_twin_check(query) FROM types_twin_joins;
RESET enable_mergejoin;
RESET enable_nestloop;
RESET enable_hashjoin;

-- those plans really hash and merge values of the encrypted types
CREATE FUNCTION types_plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Join|Hash Cond|Merge Cond|Key|Loop' THEN
			RETURN NEXT trim(line, ' ->');
		END IF;
	END LOOP;
END
$$;
SET enable_nestloop = off;
SET enable_mergejoin = off;
SELECT types_plan('SELECT 1 FROM types_enc a JOIN types_enc b ON a.int4_c OPERATOR(cellenc.=) b.int4_c');
SET enable_hashjoin = off;
SET enable_mergejoin = on;
SELECT types_plan('SELECT 1 FROM types_enc a JOIN types_enc b ON a.int4_c OPERATOR(cellenc.=) b.int4_c');
SELECT types_plan('SELECT int4_c FROM types_enc GROUP BY int4_c');
RESET enable_nestloop;
RESET enable_mergejoin;
RESET enable_hashjoin;

-- comparison, with constants and with columns
SELECT types_check('SELECT a.id, b.id, a.$C < b.$C, a.$C <= b.$C, a.$C = b.$C, a.$C >= b.$C, a.$C > b.$C, a.$C <> b.$C FROM $T a, $T b');
SELECT types_check('SELECT a.id, b.id, a.$C < b.$C, a.$C <= b.$C, a.$C = b.$C, a.$C >= b.$C, a.$C > b.$C, a.$C <> b.$C FROM $T a, types_plain b');
SELECT types_check('SELECT a.id, b.id, a.$C IS DISTINCT FROM b.$C, nullif(a.$C, b.$C), (a.$C, a.id) < (b.$C, b.id), (a.$C, 1) = (b.$C, 1) FROM $T a, $T b');
SELECT types_check('SELECT a.id, b.id, a.$C BETWEEN b.$C AND c.$C, a.$C IN (b.$C, c.$C), greatest(a.$C, b.$C, c.$C), least(a.$C, b.$C) FROM $T a, $T b, types_plain c');
SELECT types_check('SELECT a.id, b.id, a.$C = ANY (ARRAY[b.$C]), a.$C < ALL (SELECT $C FROM types_plain WHERE id < 3) FROM $T a, types_plain b');
SELECT types_check('SELECT a.id, b.id, a.$C OPERATOR($S.<) b.$C, a.$C OPERATOR($S.<=) b.$C, a.$C OPERATOR($S.=) b.$C, a.$C OPERATOR($S.>=) b.$C, a.$C OPERATOR($S.>) b.$C, a.$C OPERATOR($S.<>) b.$C FROM types_enc a, types_enc b WHERE ''$T'' = ''types_enc'''
	|| ' UNION ALL SELECT a.id, b.id, a.$C < b.$C, a.$C <= b.$C, a.$C = b.$C, a.$C >= b.$C, a.$C > b.$C, a.$C <> b.$C FROM types_plain a, types_plain b WHERE ''$T'' = ''types_plain''');
SELECT types_check(format('SELECT a.id, b.id, a.$C OPERATOR(%1$s.<) b.$C, a.$C OPERATOR(%1$s.<=) b.$C, a.$C OPERATOR(%1$s.=) b.$C, a.$C OPERATOR(%1$s.>=) b.$C, a.$C OPERATOR(%1$s.>) b.$C, a.$C OPERATOR(%1$s.<>) b.$C FROM types_enc a, types_plain b WHERE ''$T'' = ''types_enc''', 'cellenc')
	|| ' UNION ALL SELECT a.id, b.id, a.$C < b.$C, a.$C <= b.$C, a.$C = b.$C, a.$C >= b.$C, a.$C > b.$C, a.$C <> b.$C FROM types_plain a, types_plain b WHERE ''$T'' = ''types_plain''');
SELECT types_check(format('SELECT a.id, b.id, a.$C OPERATOR(%1$s.<) b.$C, a.$C OPERATOR(%1$s.<=) b.$C, a.$C OPERATOR(%1$s.=) b.$C, a.$C OPERATOR(%1$s.>=) b.$C, a.$C OPERATOR(%1$s.>) b.$C, a.$C OPERATOR(%1$s.<>) b.$C FROM types_plain a, types_enc b WHERE ''$T'' = ''types_enc''', 'cellenc')
	|| ' UNION ALL SELECT a.id, b.id, a.$C < b.$C, a.$C <= b.$C, a.$C = b.$C, a.$C >= b.$C, a.$C > b.$C, a.$C <> b.$C FROM types_plain a, types_plain b WHERE ''$T'' = ''types_plain''');

-- a literal is of the base type
CREATE FUNCTION types_literals() RETURNS TABLE (type text, n bigint, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
	l record;
	same boolean;
BEGIN
	FOR type IN SELECT DISTINCT t.type FROM types_literal t WHERE t.type <> 'float4' ORDER BY 1 LOOP
		n := 0;
		wrong := 0;
		FOR l IN SELECT * FROM types_literal t WHERE t.type = types_literals.type AND literal <> '5874897-12-31' LOOP
			EXECUTE format('SELECT (SELECT array_agg(id ORDER BY id) FROM types_plain WHERE %1$I = %2$L)'
				' = (SELECT array_agg(id ORDER BY id) FROM types_enc WHERE %1$I = %2$L)'
				' AND (SELECT count(*) FROM types_plain WHERE %1$I < %2$L) = (SELECT count(*) FROM types_enc WHERE %1$I < %2$L)'
				' AND (SELECT count(*) FROM types_plain WHERE %1$I IN (%2$L, %2$L)) = (SELECT count(*) FROM types_enc WHERE %1$I IN (%2$L, %2$L))',
				type || '_c', l.literal) INTO same;
			n := n + 1;
			IF same IS NOT TRUE THEN
				wrong := wrong + 1;
			END IF;
		END LOOP;
		RETURN NEXT;
	END LOOP;
END
$$;
\pset tuples_only off
SELECT * FROM types_literals();
\pset tuples_only on

-- hashes of equal values are equal, across types that share an operator family
SELECT types_check('SELECT a.id, b.id FROM $T a, $T b WHERE a.$C = b.$C AND cellenc.cellenc_hash(a.$C::enc$B) <> cellenc.cellenc_hash(b.$C::enc$B)');
SELECT types_check('SELECT id FROM $T WHERE cellenc.cellenc_hash($C::enc$B) <> cellenc.cellenc_hash($C::$B)');
SELECT types_check('SELECT id FROM $T WHERE cellenc.cellenc_hash_extended($C::enc$B, 0)::bit(32) <> cellenc.cellenc_hash($C::$B)::bit(32)'
	' OR cellenc.cellenc_hash_extended($C::enc$B, 1) <> cellenc.cellenc_hash_extended($C::$B, 1)');

-- aggregates
\set minmax '{text,int2,int4,int8,numeric,float4,float8,date,time,timestamp,timestamptz,interval,inet}'
SELECT types_check('SELECT min($C), max($C) FROM $T', :'minmax');
SELECT types_check('SELECT min($C), max($C) FROM $T WHERE false', :'minmax');
SELECT types_check('SELECT sum($C), avg($C), stddev($C) FROM $T WHERE $C BETWEEN -10000 AND 10000', '{int2,int4,int8,numeric,float4,float8}');
SELECT types_check('SELECT sum($C), avg($C) FROM $T WHERE extract(year FROM $C) BETWEEN -9 AND 9', '{interval}');
SELECT types_check('SELECT bool_and($C), bool_or($C), every($C) FROM $T', '{bool}');
SELECT types_check('SELECT string_agg($C, $C ORDER BY id) FROM $T', '{text,bytea}');
SELECT types_check('SELECT array_to_string(array_agg($C ORDER BY id), '','', ''NULL'') FROM $T');
SELECT types_check('SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY $C), mode() WITHIN GROUP (ORDER BY $C) FROM $T');
SELECT types_check('SELECT rank(1) WITHIN GROUP (ORDER BY $C) FROM $T', '{int4,int8,numeric,float8}');
SELECT types_check('SELECT json_agg($C ORDER BY id)::text, jsonb_agg($C ORDER BY id) FROM $T');
SELECT types_check('SELECT id, to_json($C)::text, to_jsonb($C), json_build_object(''v'', $C)::text, jsonb_build_array($C) FROM $T');
SELECT types_check('SELECT id, row_to_json(r)::text, to_jsonb(r) FROM (SELECT id, $C FROM $T) r');

-- windows
SELECT types_check('SELECT id, rank() OVER w, dense_rank() OVER w, cume_dist() OVER w, ntile(3) OVER w2 FROM $T WINDOW w AS (ORDER BY $C), w2 AS (ORDER BY $C, id)');
SELECT types_check('SELECT id, count(*) OVER (PARTITION BY $C), lag($C) OVER (ORDER BY $C, id), lead($C, 2) OVER (ORDER BY id), first_value($C) OVER (ORDER BY $C, id), nth_value($C, 2) OVER (ORDER BY $C DESC, id) FROM $T');
SELECT types_check('SELECT id, count(*) OVER (ORDER BY $C GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW), count(*) OVER (ORDER BY $C RANGE UNBOUNDED PRECEDING) FROM $T');

-- functions and operators of the base
SELECT types_check('SELECT id, $C || ''x'', lower($C), upper($C), length($C), substr($C, 2), $C LIKE ''%a%'', $C ~ ''^[a-z]'', $C ILIKE ''A'', md5($C), left($C, 1), position(''a'' IN $C), coalesce($C, ''none'') FROM $T', '{text}');
SELECT types_check('SELECT id, length($C), encode($C, ''hex''), md5($C), substr($C, 2), position(''\x01''::bytea IN $C) FROM $T', '{bytea}');
SELECT types_check('SELECT id, $C * 2, $C / 3, -$C, abs($C), $C % 7, coalesce($C, 0), $C + $C FROM $T WHERE $C BETWEEN -100 AND 100', '{int8,numeric}');
SELECT types_check('SELECT id, $C + 1, -$C, $C % 7::$B, coalesce($C, 0::$B), $C + $C FROM $T WHERE $C BETWEEN -100 AND 100', '{int2,int4}');
SELECT types_check('SELECT id, $C * 2, -$C, abs($C), coalesce($C, 0), sqrt(abs($C)) FROM $T WHERE abs($C) < 1e30', '{float8}');
SELECT types_check('SELECT id, NOT $C, $C AND true, $C OR NULL, $C IS TRUE, $C IS UNKNOWN, CASE WHEN $C THEN 1 ELSE 2 END FROM $T', '{bool}');
SELECT types_check('SELECT id, extract(year FROM $C), isfinite($C) FROM $T', '{date,timestamp,timestamptz}');
SELECT types_check('SELECT id, $C + 1, $C - 7, $C - date ''2000-01-01'' FROM $T WHERE $C BETWEEN ''1900-01-01'' AND ''2100-01-01''', '{date}');
SELECT types_check('SELECT id, $C + interval ''1 day'', date_trunc(''month'', $C), $C AT TIME ZONE ''UTC'' FROM $T WHERE $C BETWEEN ''1900-01-01'' AND ''2100-01-01''', '{timestamp,timestamptz}');
SELECT types_check('SELECT id, $C + interval ''1 hour'', extract(hour FROM $C) FROM $T', '{time}');
SELECT types_check('SELECT id, $C * 2, extract(epoch FROM $C), justify_days($C) FROM $T WHERE $C < ''1000 years'' AND $C > ''-1000 years''', '{interval}');
SELECT types_check('SELECT id, $C -> ''a'', $C ->> ''a'', $C @> ''{"a": 3}'', jsonb_typeof($C), $C ? ''b'', $C #> ''{2,b}'', jsonb_pretty($C) FROM $T', '{jsonb}');
SELECT types_check('SELECT id, host($C), masklen($C), family($C), network($C), $C << ''192.168.0.0/16'', set_masklen($C, 8) FROM $T', '{inet}');

-- recursion, subqueries, lateral, VALUES, CASE
SELECT types_check('WITH RECURSIVE r (id, v) AS (SELECT id, $C FROM $T WHERE id = 1 UNION ALL SELECT t.id, t.$C FROM $T t JOIN r ON t.id = r.id + 1) SELECT * FROM r');
SELECT types_check('SELECT id, (SELECT max(b.id) FROM $T b WHERE b.$C = a.$C), CASE WHEN id > 3 THEN $C END FROM $T a');
SELECT types_check('SELECT a.id, l.v FROM $T a, LATERAL (SELECT b.$C AS v FROM $T b WHERE b.$C >= a.$C ORDER BY b.$C LIMIT 1) l');

-- parallel workers
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
ALTER TABLE types_plain SET (parallel_workers = 2);
ALTER TABLE types_enc SET (parallel_workers = 2);
SELECT types_check('SELECT count($C), count(*) FILTER (WHERE $C = $C) FROM $T');
SELECT types_check('SELECT $C, count(*) FROM $T GROUP BY $C');
SELECT types_check('SELECT a.id AS a, b.id AS b FROM $T a JOIN $T b ON a.$C = b.$C');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

\pset tuples_only off
-- NULL is not sealed and not confused with an empty value
SELECT id, text_c IS NULL AS text_null, text_c = '' AS text_empty, bytea_c IS NULL AS bytea_null, bytea_c = '' AS bytea_empty
FROM types_enc WHERE text_c = '' OR bytea_c = '' OR id > 20 ORDER BY id;

DROP VIEW types_sets, types_joins, types_twin_joins;
DROP FUNCTION types_differ, types_check, types_copy, types_twin_check, types_plan, types_literals;
DROP TABLE types_plain, types_enc, types_literal;
