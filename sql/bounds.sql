--
-- Bounds of partitions: constants of the schema, under the key for constants
--
SELECT cellenc_create_key('bounds');
CREATE TABLE bounds (d encdate('bounds', 'order'), n integer, v enctext('bounds')) PARTITION BY RANGE (d, n);
CREATE TABLE bounds_1 PARTITION OF bounds FOR VALUES FROM (MINVALUE, MINVALUE) TO ('2020-01-01', 5);
CREATE TABLE bounds_2 PARTITION OF bounds FOR VALUES FROM (date '2020-01-01', 5) TO (timestamp '2021-01-01 12:00', 0);
CREATE TABLE bounds_3 (LIKE bounds);
ALTER TABLE bounds ATTACH PARTITION bounds_3 FOR VALUES FROM ('2021-01-01', 0) TO ('2022-01-01'::encdate('bounds'), 0);
CREATE TABLE bounds_list (m encbool('bounds', 'order')) PARTITION BY LIST (m);
CREATE TABLE bounds_list_1 PARTITION OF bounds_list FOR VALUES IN ('yes', NULL);
CREATE TABLE bounds_list_2 PARTITION OF bounds_list FOR VALUES IN (false);

INSERT INTO bounds VALUES ('2019-05-05', 0, 'a'), ('2020-01-01', 4, 'b'), ('2020-01-01', 5, 'c'), ('2021-01-01', 0, 'd');
INSERT INTO bounds_list VALUES (true), (false), (NULL);
SELECT tableoid::regclass, * FROM bounds ORDER BY d, n;
SELECT tableoid::regclass, * FROM bounds_list ORDER BY 1, m;
CREATE TABLE bounds_4 PARTITION OF bounds FOR VALUES FROM ('2019-01-01', 0) TO ('2023-01-01', 0);
INSERT INTO bounds VALUES ('2023-01-01', 0, 'e');
INSERT INTO bounds_1 VALUES ('2020-01-01', 5, 'e');

-- anyone may see and compare them, and they stay as they are in a rotation
CREATE ROLE bounds_nobody;
SELECT cellenc_rotate_key('bounds', reencrypt => false);
\c -reuse-previous=on "options='-c cellenc.output=sealed'"
SET ROLE bounds_nobody;
SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname ~ '^bounds(_list)?_\d' ORDER BY 1;
RESET ROLE;
\c -reuse-previous=on options=
SELECT cellenc_key_name(d), cellenc_key_version(d), n FROM bounds ORDER BY d, n;

-- before there is a key, as when a dump is restored
SET check_function_bodies = off;
CREATE TABLE bounds_early (d encdate('bounds_later', 'order')) PARTITION BY RANGE (d);
CREATE TABLE bounds_early_1 (d encdate('bounds_later', 'order'));
ALTER TABLE bounds_early ATTACH PARTITION bounds_early_1 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE bounds_early_2 PARTITION OF bounds_early FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE bounds_early_3 PARTITION OF bounds_early FOR VALUES FROM ('2020-06-01') TO ('2020-07-01');
INSERT INTO bounds_early VALUES ('2021-05-05');
RESET check_function_bodies;
SELECT cellenc_create_key('bounds_later');
INSERT INTO bounds_early VALUES ('2021-05-05');
SELECT tableoid::regclass, d, cellenc_key_name(d) FROM bounds_early;

-- what an event trigger stores meanwhile is no bound
CREATE TABLE bounds_log (v enctext('bounds'));
CREATE FUNCTION bounds_event() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
	v enctext('bounds') := 'assigned'::enctext('bounds');
BEGIN
	INSERT INTO bounds_log VALUES ('literal'), (v);
	v := 'again';
	INSERT INTO bounds_log SELECT v;
END $$;
CREATE EVENT TRIGGER bounds_start ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION bounds_event();
CREATE EVENT TRIGGER bounds_end ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION bounds_event();
CREATE TABLE bounds_5 PARTITION OF bounds FOR VALUES FROM ('2030-01-01', 0) TO ('2031-01-01', 0);
SELECT v, cellenc_key_name(v), count(*) FROM bounds_log GROUP BY v, cellenc_key_name(v) ORDER BY 1;
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'bounds_5';

DROP EVENT TRIGGER bounds_start;
DROP EVENT TRIGGER bounds_end;
DROP FUNCTION bounds_event;
DROP TABLE bounds, bounds_list, bounds_early, bounds_log;
DROP ROLE bounds_nobody;
