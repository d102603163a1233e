--
-- Sorting: encrypted values come in the order of their bases, in memory and
-- from tape, whether the base has abbreviated keys or not.
--
SELECT cellenc_create_key('sorting');

-- rows in no order, few and many of them equal, some NULL: what differs?
CREATE FUNCTION sort_differs(base text, twin text, value text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	wrong text := '';
	line record;
BEGIN
	EXECUTE format('CREATE TEMP TABLE sort_rows AS
		SELECT i, p, p::%s(''sorting'') AS v
		FROM (SELECT i, CASE WHEN i %% 97 <> 0 THEN (%s)::%s END AS p
			FROM (SELECT i, (i::bigint * 7919) %% 4001 AS r FROM generate_series(1, 3000) i) s) s', twin, value, base);
	FOR line IN
		SELECT w, o, d, n FROM unnest(ARRAY['64kB', '16MB']) w, unnest(ARRAY['v', 'i % 3, v']) o,
			unnest(ARRAY['', ' DESC NULLS LAST']) d, unnest(ARRAY['', ' LIMIT 100']) n
	LOOP
		PERFORM set_config('work_mem', line.w, true);
		EXECUTE format('SELECT %L WHERE (SELECT array_agg(s.p::text || s.i) FROM (SELECT p, i FROM sort_rows ORDER BY %s%s, i%s) s)
			IS DISTINCT FROM (SELECT array_agg(s.p::text || s.i) FROM (SELECT v::%s AS p, i FROM sort_rows ORDER BY %s%s, i%s) s)',
			format('%s: %s%s%s ', line.w, line.o, line.d, line.n),
			replace(line.o, 'v', 'p'), line.d, line.n, base, line.o, line.d, line.n) INTO line.w;
		wrong := wrong || coalesce(line.w, '');
	END LOOP;
	EXECUTE 'SELECT count(DISTINCT p) <> count(DISTINCT v) AS w FROM sort_rows' INTO line;
	wrong := wrong || CASE WHEN line.w THEN 'count(DISTINCT)' ELSE '' END;
	DROP TABLE sort_rows;
	RETURN wrong;
END $$;

SET enable_hashagg = off;
SET client_min_messages = warning;
SELECT base, value, sort_differs(base, twin, value)
FROM (VALUES
	('text', 'enctext', $$md5(r::text)$$),
	('text', 'enctext', $$'the same beginning ' || r / 5$$),
	('text', 'enctext', $$CASE WHEN r % 500 = 0 THEN repeat(md5(r::text), 500) ELSE 'few' || r % 7 END$$),
	('text', 'enctext', $$md5((r / 2)::text) COLLATE "C.utf8"$$),
	('text', 'enctext', $$CASE WHEN r % 500 = 0 THEN repeat(md5(r::text), 500) ELSE repeat('few', r::int % 700) END COLLATE "C.utf8"$$),
	('text', 'enctext', $$CASE r % 4 WHEN 0 THEN '' WHEN 1 THEN ' ' ELSE chr(900 + r::int) END$$),
	('int2', 'encint2', $$(r - 2000) / 3$$),
	('int4', 'encint4', $$r - 2000$$),
	('int8', 'encint8', $$(r - 2000) * 10000000000$$),
	('numeric', 'encnumeric', $$CASE WHEN r % 100 = 0 THEN 'NaN' ELSE ((r - 2000) / 7.0)::numeric(20, 3) END$$),
	('float8', 'encfloat8', $$CASE r % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN '0' WHEN 3 THEN '-Infinity' ELSE ((r - 2000) / 7.0)::text END$$),
	('float4', 'encfloat4', $$CASE r % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE (r - 2000)::text END$$),
	('bool', 'encbool', $$r % 3 = 0$$),
	('date', 'encdate', $$date '2000-01-01' + (r - 2000)::int$$),
	('timestamptz', 'enctimestamptz', $$timestamptz '2000-01-01 00:00+00' + (r - 2000) * interval '1 hour'$$),
	('interval', 'encinterval', $$CASE r % 2 WHEN 0 THEN '30 days' ELSE '1 month' END$$),
	('uuid', 'encuuid', $$md5(r::text)::uuid$$),
	('bytea', 'encbytea', $$decode(md5(r::text), 'hex')$$),
	('jsonb', 'encjsonb', $$jsonb_build_object('a', r % 9, 'b', md5(r::text))$$)) AS t (base, twin, value);

-- where the base has no abbreviated keys a plaintext is opened once, not for each comparison
CREATE TABLE sort_json (p jsonb, v encjsonb('sorting'));
INSERT INTO sort_json SELECT x, x FROM (SELECT to_jsonb(md5(i::text)) FROM generate_series(1, 500) i) s (x);
SELECT opened FROM cellenc.codec_counts() \gset
SELECT count(*) FROM (SELECT v FROM sort_json ORDER BY v OFFSET 0) s;
SELECT opened - :opened AS opened FROM cellenc.codec_counts();

-- and from tape, where the runs' beginnings are compared
SET work_mem = '64kB';
SELECT opened FROM cellenc.codec_counts() \gset
SELECT count(*) FROM (SELECT v FROM sort_json, generate_series(1, 10) ORDER BY v OFFSET 0) s;
SELECT opened - :opened <= 3 * 5000 AS few FROM cellenc.codec_counts();
RESET work_mem;

-- such plaintexts are interned, and forgotten with each run that goes to tape
CREATE TABLE sort_many (v encjsonb('sorting'));
INSERT INTO sort_many SELECT to_jsonb(md5(i::text)) FROM generate_series(1, 5000) i;
CREATE FUNCTION interned_bytes(w text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	c CURSOR FOR SELECT v FROM sort_many ORDER BY v;
	result bigint;
BEGIN
	PERFORM set_config('work_mem', w, true);
	OPEN c;
	MOVE c;
	SELECT sum(total_bytes) INTO result FROM pg_backend_memory_contexts WHERE name = 'cellenc interned values';
	CLOSE c;
	RETURN result;
END $$;
SELECT interned_bytes('16MB') > 5000 * 40 AS all_of_them, interned_bytes('64kB') < 0.75 * interned_bytes('16MB') AS a_run;
DROP FUNCTION interned_bytes;
DROP TABLE sort_many;

-- with them, twice at most
CREATE TABLE sort_text (p text, v enctext('sorting'));
INSERT INTO sort_text SELECT x, x FROM (SELECT 'the same beginning ' || i FROM generate_series(1, 500) i) s (x);
SELECT opened FROM cellenc.codec_counts() \gset
SELECT count(*) FROM (SELECT v FROM sort_text ORDER BY v COLLATE "C" OFFSET 0) s;
SELECT opened - :opened <= 2 * 500 AS few FROM cellenc.codec_counts();

-- merge joins, on keys that are sorted beside each other
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT count(*) FROM sort_text a JOIN sort_text b USING (v);
SELECT count(*) FROM sort_text a FULL JOIN (SELECT p || 'x' AS p FROM sort_text) b ON a.v = b.p;
RESET enable_hashjoin;
RESET enable_nestloop;
RESET enable_hashagg;
RESET client_min_messages;
DROP TABLE sort_json, sort_text;
DROP FUNCTION sort_differs;
