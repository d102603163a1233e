--
-- Expressions that resolve to the base's operator only with an operator of
-- the encrypted type itself, or with support functions of its operator family
--
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET timezone = 'UTC';
SELECT cellenc_create_key('operators');
CREATE TABLE operators_plain (id integer PRIMARY KEY, i2 int2, i4 int4, i8 int8, n numeric, f4 float4, f8 float8,
	d date, t time, ts timestamp, tz timestamptz, iv interval, j jsonb, b bytea);
CREATE TABLE operators_enc (id integer PRIMARY KEY, i2 encint2('operators'), i4 encint4('operators'),
	i8 encint8('operators'), n encnumeric('operators'), f4 encfloat4('operators'), f8 encfloat8('operators'),
	d encdate('operators'), t enctime('operators'), ts enctimestamp('operators'), tz enctimestamptz('operators'),
	iv encinterval('operators'), j encjsonb('operators'), b encbytea('operators'));
INSERT INTO operators_plain
SELECT i, i, i * i, -i, i / 3.0, i / 10.0, i / 10.0, date '2024-01-28' + i, time '10:00' + i * interval '1 hour',
	timestamp '2024-01-28' + i * interval '1 day', timestamptz '2024-01-28' + i * interval '1 day',
	i * interval '1 day', jsonb_build_object('i', i), decode(lpad(to_hex(i), 2, '0'), 'hex')
FROM generate_series(1, 6) i;
INSERT INTO operators_plain (id, d, f4) VALUES (7, '5874897-12-31', '3.4028235e38'), (8, 'infinity', 'NaN'), (9, NULL, NULL);
INSERT INTO operators_enc SELECT * FROM operators_plain;

CREATE FUNCTION operators_check(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plain text := replace(query, '$T', 'operators_plain');
	enc text := replace(query, '$T', 'operators_enc');
	differ bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (((%1$s) EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL (%1$s))) s',
		plain, enc) INTO differ;
	RETURN CASE differ WHEN 0 THEN 'same' ELSE 'DIFFER: ' || differ END;
EXCEPTION WHEN OTHERS THEN
	RETURN 'DIFFER: ' || SQLSTATE || ' ' || SQLERRM;
END
$$;

-- literals of unknown type
SELECT operators_check(format('SELECT id FROM $T WHERE d %s ''2024-01-31''', op)) FROM unnest('{<,<=,=,>=,>,<>}'::text[]) op;
SELECT operators_check('SELECT id FROM $T WHERE d = ''5874897-12-31''');
SELECT operators_check('SELECT id FROM $T WHERE d = ''infinity''');
SELECT operators_check('SELECT id FROM $T WHERE d IN (''2024-01-31'', ''5874897-12-31'')');
SELECT operators_check('SELECT id FROM $T WHERE d BETWEEN ''2024-01-31'' AND ''5874897-12-31''');
SELECT operators_check('SELECT id FROM $T WHERE d = ''2024-01-31 12:00''');
SELECT operators_check(format('SELECT id FROM $T WHERE f4 %s ''0.1''', op)) FROM unnest('{<,<=,=,>=,>,<>}'::text[]) op;
SELECT operators_check('SELECT id FROM $T WHERE f4 = ''3.4028235e38''');
SELECT operators_check('SELECT id FROM $T WHERE f4 IN (''0.1'', ''0.2'', ''NaN'')');
SELECT operators_check('SELECT id FROM $T WHERE ts = ''2024-01-31''');
SELECT operators_check('SELECT id, j || ''{"x": 1}'', pg_typeof(j || ''{"x": 1}'')::text FROM $T');
SELECT operators_check('SELECT id, b || ''\xff'', pg_typeof(b || ''\xff'')::text FROM $T');

-- parameters of unknown type
PREPARE operators_date AS SELECT id FROM operators_enc WHERE d = $1;
PREPARE operators_float AS SELECT id FROM operators_enc WHERE f4 = $1;
EXECUTE operators_date('2024-01-31');
EXECUTE operators_float('0.1');
DEALLOCATE operators_date;
DEALLOCATE operators_float;

-- RANGE with an offset
SELECT operators_check(format('SELECT id, count(*) OVER (ORDER BY %s RANGE BETWEEN 2 PRECEDING AND 3 FOLLOWING) FROM $T', c))
FROM unnest('{i2,i4,i8,n,f4,f8}'::text[]) c;
SELECT operators_check(format('SELECT id, sum(id) OVER (ORDER BY %s DESC RANGE BETWEEN ''1 day'' PRECEDING AND ''1 month'' FOLLOWING) FROM $T WHERE id < 7', c))
FROM unnest('{d,ts,tz,iv}'::text[]) c;
SELECT operators_check('SELECT id, count(*) OVER (ORDER BY t RANGE BETWEEN ''1 hour'' PRECEDING AND CURRENT ROW) FROM $T WHERE id < 7');

-- JSON: numbers stay numbers, and dates have their ISO form
SELECT operators_check('SELECT id, row_to_json(r)::text, to_jsonb(r)::text FROM $T r');
SELECT operators_check('SELECT 1, json_agg(r ORDER BY id)::text, jsonb_agg(i4 ORDER BY id)::text FROM $T r');
SELECT operators_check('SELECT id, to_json(d)::text, json_build_object(''n'', n, ''t'', tz)::text FROM $T t');
SELECT row_to_json(t) FROM (SELECT id, i2, f4, d, iv, j FROM operators_enc WHERE id IN (1, 9)) t ORDER BY id;

-- types whose operators are those of another type, or polymorphic
CREATE TYPE operators_mood AS ENUM ('sad', 'ok', 'happy');
SELECT cellenc_create_type('operators_encmood', 'operators_mood');
SELECT cellenc_create_type('operators_encvarchar', 'varchar');
CREATE TABLE operators_plain2 (id integer, m operators_mood, v varchar);
CREATE TABLE operators_enc2 (id integer, m operators_encmood('operators'), v operators_encvarchar('operators'));
INSERT INTO operators_plain2 VALUES (1, 'sad', 'a'), (2, 'happy', 'b'), (3, NULL, NULL), (4, 'ok', 'a');
INSERT INTO operators_enc2 SELECT * FROM operators_plain2;
CREATE FUNCTION operators_check2(query text) RETURNS text LANGUAGE sql AS $$ SELECT operators_check(replace(replace(query, '$T', '$T2'), '$P', 'operators_plain2')) $$;
SELECT operators_check2(format('SELECT id FROM $T WHERE m %s ''ok''', op)) FROM unnest('{<,=,>=}'::text[]) op;
SELECT operators_check2(format('SELECT id FROM $T WHERE v %s ''b''', op)) FROM unnest('{<,=,>=}'::text[]) op;
SELECT operators_check2('SELECT t.id FROM $T t JOIN $P p ON t.v = p.v');
SELECT operators_check2('SELECT t.id FROM $T t JOIN $T u USING (m, v)');
SELECT operators_check2('SELECT 1, min(v), max(v) FROM $T');
SELECT operators_check2('SELECT id, upper(v), v || ''x'', v LIKE ''a%'', length(v) FROM $T');
DROP FUNCTION operators_check2;
DROP TABLE operators_plain2, operators_enc2;
SET client_min_messages = warning;
DROP TYPE operators_encmood, operators_encvarchar CASCADE;
DROP TYPE operators_mood CASCADE;

DROP FUNCTION operators_check;
DROP TABLE operators_plain, operators_enc;
