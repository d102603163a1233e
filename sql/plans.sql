-- Plans: which conditions, joins, sorts and aggregates use indexes
SELECT cellenc_create_key('plans');
CREATE TABLE plans (
    id int PRIMARY KEY,
    s enctext('plans', 'equality'),
    n encint4('plans', 'order'),
    d encdate('plans', 'order'),
    o enctext('plans', 'order'),
    h enctext('plans')
);
INSERT INTO plans SELECT g, 'u' || g, g % 100, date '2020-01-01' + g, 'o' || g, 'h' || g
    FROM generate_series(1, 2000) g;
CREATE INDEX plans_s ON plans USING hash (s);
CREATE INDEX plans_n ON plans (n);
CREATE INDEX plans_d ON plans (d);
CREATE INDEX plans_o ON plans (o);
CREATE TABLE plain (x text);
INSERT INTO plain VALUES ('u1'), ('u2'), ('q');
ANALYZE plans, plain;
SET max_parallel_workers_per_gather = 0;
-- since 17, the plan of a subquery does not tell the number of its parameter
CREATE FUNCTION explain(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        RETURN NEXT regexp_replace(line, ' \(returns \$\d+\)', '');
    END LOOP;
END $$;

-- conditions, whatever the type of a parameter
EXPLAIN (COSTS OFF) SELECT * FROM plans WHERE s='u7';
SELECT id,s FROM plans WHERE s='u7';
EXPLAIN (COSTS OFF) SELECT id FROM plans WHERE s='u7'::varchar;
EXPLAIN (COSTS OFF) SELECT id FROM plans WHERE s IN ('u7','u8');
EXPLAIN (COSTS OFF) SELECT id FROM plans WHERE n=5;
EXPLAIN (COSTS OFF) SELECT id FROM plans WHERE n IN (5,6);
SELECT count(*) FROM plans WHERE n IN (5,6);
EXPLAIN (COSTS OFF) SELECT id FROM plans WHERE n=5::int8;
EXPLAIN (COSTS OFF) SELECT id FROM plans WHERE n BETWEEN 1 AND 3 ;
EXPLAIN (COSTS OFF) SELECT id FROM plans WHERE d > '2020-03-01' ORDER BY d LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM plans ORDER BY n LIMIT 3;
SET plan_cache_mode = force_generic_plan;
PREPARE plans_1 AS SELECT id FROM plans WHERE s=$1 AND n<>ALL($2);
EXPLAIN (COSTS OFF) EXECUTE plans_1('u9','{1,2}');
EXECUTE plans_1('u9','{1,2}');
PREPARE plans_2 AS SELECT id FROM plans WHERE s= ANY($1);
EXPLAIN (COSTS OFF) EXECUTE plans_2('{u9,u10}');
EXPLAIN (COSTS OFF) SELECT count(*) FROM plans a JOIN plans b ON a.s = b.s;
SELECT count(*) FROM plans a JOIN plans b ON a.s = b.s;
EXPLAIN (COSTS OFF) SELECT count(*) FROM plans JOIN plain ON plans.s=plain.x;
SELECT count(*) FROM plans JOIN plain ON plans.s=plain.x;
EXPLAIN (COSTS OFF) SELECT count(*) FROM plans FULL JOIN plain ON plans.s=plain.x;
SELECT count(*) FROM plans FULL JOIN plain ON plans.s=plain.x;
SELECT count(*) FROM plans WHERE s IN (SELECT x FROM plain);
SELECT count(*) FROM plans WHERE s NOT IN (SELECT x FROM plain);
SELECT count(*) FROM plain WHERE x IN (SELECT s FROM plans);
SELECT count(*) FROM plans WHERE EXISTS (SELECT 1 FROM plain WHERE plain.x=plans.s);
EXPLAIN (COSTS OFF) SELECT count(*) FROM plans WHERE s IN (SELECT h FROM plans);
CREATE VIEW plans_view AS SELECT * FROM plans;
EXPLAIN (COSTS OFF) SELECT * FROM plans_view WHERE s='x' OR s = 'y';
WITH c AS (SELECT * FROM plans) SELECT id FROM c WHERE s='u3';
EXPLAIN (COSTS OFF) WITH c AS (SELECT * FROM plans) SELECT id FROM c WHERE s='u3';
EXPLAIN (COSTS OFF) UPDATE plans SET n=1 WHERE s='u3';
EXPLAIN (COSTS OFF) MERGE INTO plans USING plain ON plans.s=plain.x WHEN MATCHED THEN DELETE;
MERGE INTO plans USING plain ON plans.s=plain.x WHEN MATCHED THEN DELETE;
SELECT s FROM plans WHERE id<5 UNION SELECT s FROM plans WHERE id<6 ORDER BY s;
SELECT id FROM (SELECT id,s FROM plans WHERE id<5 UNION ALL SELECT id,s FROM plans WHERE id<6) u ORDER BY s;

-- minima and maxima
SELECT explain('SELECT max(n), min(n) + 1, max(o) FROM plans WHERE id > 5');
SELECT max(n), min(n) + 1, max(o) FROM plans WHERE id > 5;
SELECT max(n), min(n) + 1, max(o) FROM plans WHERE id > 5000;
SELECT max(n) FROM plans ORDER BY 1 LIMIT 1;
SELECT DISTINCT max(n) FROM plans;
SELECT max(n) AS m FROM plans HAVING max(n) > 5;
EXPLAIN (COSTS OFF) SELECT max(n), count(*) FROM plans;
EXPLAIN (COSTS OFF) SELECT max(h) FROM plans;
SELECT explain('SELECT id, (SELECT max(n) FROM plans x WHERE x.id < y.id) FROM plans y WHERE id = 50');
SELECT id, (SELECT max(n) FROM plans x WHERE x.id < y.id) FROM plans y WHERE id = 50;
INSERT INTO plans (id, n) SELECT 5000, max(n) + 1 FROM plans RETURNING n;
PREPARE plans_3 AS SELECT min(o) FROM plans WHERE n = $1;
EXECUTE plans_3 (5);
CREATE TABLE parts (k enctext('plans', 'order'), v int) PARTITION BY HASH (v);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (modulus 2, remainder 1);
INSERT INTO parts SELECT 'k' || g, g FROM generate_series(1, 500) g;
CREATE INDEX ON parts (k);
SELECT explain('SELECT max(k) FROM parts');
SELECT max(k), min(k) FROM parts;

-- row security
ALTER TABLE plans ENABLE ROW LEVEL SECURITY;
CREATE POLICY plans_policy ON plans USING (n < 50);
CREATE ROLE plans_reader;
GRANT SELECT ON plans, plain TO plans_reader;
SELECT cellenc_grant_key('plans', 'plans_reader', 'decrypt');
SET ROLE plans_reader;
EXPLAIN (COSTS OFF) SELECT id FROM plans WHERE s = 'u7';
SELECT id FROM plans WHERE s = 'u7';
SELECT max(n) FROM plans;
RESET ROLE;

DROP VIEW plans_view;
DROP TABLE plans, plain, parts;
SELECT cellenc_revoke_key('plans', 'plans_reader', 'decrypt');
DROP ROLE plans_reader;
