--
-- What hangs on a column and is carried over when it is converted: foreign
-- keys, UNIQUE under "equality", functions, policies, rules, conditions of
-- triggers, generated columns
--
SET client_min_messages = warning;
SELECT cellenc_create_key('carried');
CREATE ROLE carried_owner;
CREATE ROLE carried_clerk;
GRANT CREATE ON SCHEMA public TO carried_owner;
SELECT cellenc_grant_key('carried', 'carried_owner'), cellenc_grant_key('carried', 'carried_clerk');
CREATE PROCEDURE carried_convert(relation regclass, attname name, search text DEFAULT 'equality') LANGUAGE plpgsql AS $$
BEGIN
	IF search = 'plain' THEN
		PERFORM cellenc_decrypt_column(relation, attname);
	ELSE
		PERFORM cellenc_encrypt_column(relation, attname, 'carried', search);
	END IF;
END$$;
CREATE VIEW carried_keys AS
SELECT conname, conrelid::regclass::text, contype, convalidated, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')
FROM pg_constraint WHERE conrelid::regclass::text ~ '^carried' AND conparentid = 0 AND contype IN ('f', 'u') ORDER BY 1, 2;

--
-- UNIQUE and foreign keys, from either side
--
SET ROLE carried_owner;
CREATE TABLE carried_person (id integer PRIMARY KEY, ssn text CONSTRAINT carried_ssn UNIQUE, code varchar(9) UNIQUE, boss text REFERENCES carried_person (ssn));
COMMENT ON CONSTRAINT carried_ssn ON carried_person IS 'a constraint';
INSERT INTO carried_person SELECT i, 's' || i, 'c' || i, 's1' FROM generate_series(1, 100) i;
CREATE TABLE carried_order (id integer PRIMARY KEY, ssn text REFERENCES carried_person (ssn) ON UPDATE CASCADE ON DELETE CASCADE,
	code varchar(9) REFERENCES carried_person (code));
COMMENT ON CONSTRAINT carried_order_ssn_fkey ON carried_order IS 'a foreign key';
INSERT INTO carried_order SELECT i, 's' || i, 'c' || i FROM generate_series(1, 100) i;
CREATE INDEX ON carried_order (ssn);
INSERT INTO carried_order VALUES (101, 's1', 'c1');
CREATE TABLE carried_part (id integer, ssn text) PARTITION BY LIST (id);
CREATE TABLE carried_part_1 PARTITION OF carried_part FOR VALUES IN (1);
CREATE TABLE carried_part_2 PARTITION OF carried_part FOR VALUES IN (2);
ALTER TABLE carried_part ADD FOREIGN KEY (ssn) REFERENCES carried_person (ssn);
INSERT INTO carried_part VALUES (1, 's50'), (2, 's51');
CREATE TABLE carried_late (ssn text);
INSERT INTO carried_late VALUES ('nobody');
ALTER TABLE carried_late ADD FOREIGN KEY (ssn) REFERENCES carried_person (ssn) NOT VALID;
CALL carried_convert('carried_person', 'ssn');
RESET ROLE;
CALL cellenc_wait();
SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
SELECT split_part(detail, '; ', n) FROM cellenc.events, generate_series(3, 6) n
WHERE detail LIKE 'public.carried_person.ssn%' ORDER BY n;
SELECT * FROM carried_keys;
SELECT obj_description('carried_ssn'::regclass);
\d carried_person
SET ROLE carried_owner;
INSERT INTO carried_order VALUES (0, 'nobody', 'c1');
INSERT INTO carried_part VALUES (1, 'nobody');
INSERT INTO carried_late VALUES ('nobody');
INSERT INTO carried_person VALUES (0, 's1');
INSERT INTO carried_person VALUES (0, 's101', 'c0', 's102');
INSERT INTO carried_person VALUES (7, 's7') ON CONFLICT (ssn) DO UPDATE SET code = 'new';
INSERT INTO carried_person VALUES (101, 's101', 'c101', 's7');
UPDATE carried_person SET ssn = 's3a' WHERE ssn = 's3';
DELETE FROM carried_person WHERE ssn = 's4';
DELETE FROM carried_person WHERE ssn = 's50';
SELECT * FROM carried_order WHERE id IN (3, 4);

-- the referencing column as well: then an index serves what the keys have to ask
CALL carried_convert('carried_order', 'ssn');
CALL carried_convert('carried_part', 'ssn', 'none');
CALL carried_convert('carried_person', 'boss', 'order');
-- referencing ones first
CALL carried_convert('carried_order', 'code', 'order');
RESET ROLE;
CALL cellenc_wait();
SET ROLE carried_owner;
CALL carried_convert('carried_person', 'code', 'order');
RESET ROLE;
CALL cellenc_wait();
SELECT * FROM carried_keys;
SET ROLE carried_owner;
INSERT INTO carried_order VALUES (0, 'nobody', 'c1');
INSERT INTO carried_order VALUES (0, 's1', 'nobody');
INSERT INTO carried_part VALUES (1, 'nobody');
UPDATE carried_person SET ssn = 's3b' WHERE ssn = 's3a';
DELETE FROM carried_person WHERE ssn = 's5';
DELETE FROM carried_person WHERE ssn = 's50';
SELECT * FROM carried_order WHERE id IN (3, 5);
SELECT * FROM carried_part ORDER BY id;

-- back
RESET ROLE;
SET cellenc.allow_decrypt_column = on;
SET ROLE carried_owner;
CALL carried_convert('carried_person', 'ssn', 'plain');
RESET ROLE;
CALL cellenc_wait();
SET ROLE carried_owner;
CALL carried_convert('carried_order', 'ssn', 'plain');
RESET ROLE;
CALL cellenc_wait();
SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 2;
SELECT * FROM carried_keys;
SET ROLE carried_owner;
INSERT INTO carried_order VALUES (0, 'nobody', 'c1');
UPDATE carried_person SET ssn = 's3' WHERE ssn = 's3b';
SELECT * FROM carried_order WHERE id = 3;
DROP TABLE carried_order, carried_part, carried_late, carried_person;

-- what cannot be
CREATE TABLE carried_number (n bigint UNIQUE, m integer UNIQUE DEFERRABLE, PRIMARY KEY (n, m));
CREATE TABLE carried_referring (n integer REFERENCES carried_number (n), i bigint);
CALL carried_convert('carried_number', 'm');
CALL carried_convert('carried_referring', 'n', 'order');
CALL carried_convert('carried_number', 'n', 'none');
RESET ROLE;
ALTER TABLE carried_referring DISABLE TRIGGER ALL;
SET ROLE carried_owner;
CALL carried_convert('carried_number', 'n', 'order');
RESET ROLE;
ALTER TABLE carried_referring ENABLE TRIGGER ALL;
SET ROLE carried_owner;
CALL carried_convert('carried_number', 'n', 'order');
RESET ROLE;
CALL cellenc_wait();
SET ROLE carried_owner;
INSERT INTO carried_number VALUES (1, 1);
INSERT INTO carried_referring VALUES (1);
INSERT INTO carried_referring VALUES (2);
DELETE FROM carried_number;
CALL carried_convert('carried_referring', 'n', 'order');
RESET ROLE;
CALL cellenc_wait();
SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
SET ROLE carried_owner;
INSERT INTO carried_referring VALUES (2);
DROP TABLE carried_referring, carried_number;
CREATE TABLE carried_number (n bigint UNIQUE);
RESET ROLE;
CREATE TABLE carried_foreign (n bigint);
GRANT REFERENCES ON carried_number TO carried_clerk;
ALTER TABLE carried_foreign OWNER TO carried_clerk;
SET ROLE carried_clerk;
ALTER TABLE carried_foreign ADD FOREIGN KEY (n) REFERENCES carried_number;
ALTER TABLE carried_foreign ADD FOREIGN KEY (n) REFERENCES carried_number (n);
RESET ROLE;
SELECT cellenc_revoke_key('carried', 'carried_clerk', 'decrypt');
SET ROLE carried_owner;
CALL carried_convert('carried_number', 'n');
RESET ROLE;
SELECT cellenc_grant_key('carried', 'carried_clerk', 'decrypt');
SET ROLE carried_owner;
CALL carried_convert('carried_number', 'n');
RESET ROLE;
CALL cellenc_wait();
SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
SET ROLE carried_clerk;
INSERT INTO carried_foreign VALUES (1);
RESET ROLE;
DROP TABLE carried_foreign, carried_number;

--
-- Whatever holds an expression; parsed as its owner
--
SET ROLE carried_owner;
CREATE FUNCTION carried_spy(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'carried_owner' AND current_user <> 'carried_clerk' THEN
		RAISE EXCEPTION 'code of the owner runs as %', current_user;
	END IF;
	RETURN t;
END$$;
-- an array's elements are checked when a constant is parsed
CREATE DOMAIN carried_domain AS text CHECK (carried_spy(VALUE) IS NOT NULL);
CREATE TABLE carried (id integer PRIMARY KEY, ssn text, other text,
	known boolean GENERATED ALWAYS AS (ssn IS NOT NULL AND '{x}'::carried_domain[] IS NOT NULL) STORED);
INSERT INTO carried SELECT i, nullif('s' || i, 's5'), 'o' FROM generate_series(1, 100) i;
CREATE TABLE carried_log (what text);
CREATE FUNCTION carried_trigger() RETURNS trigger LANGUAGE plpgsql
AS $$BEGIN INSERT INTO carried_log VALUES (tg_name || ' ' || tg_table_name); RETURN NEW; END$$;
CREATE VIEW carried_view AS SELECT id, ssn FROM carried WHERE id < 50;
CREATE FUNCTION carried_of(n text DEFAULT 's1') RETURNS TABLE (id integer, ssn text) LANGUAGE sql STABLE SET work_mem = '1MB'
BEGIN ATOMIC
	SELECT c.id, v.ssn FROM carried c JOIN carried_view v USING (id) WHERE c.ssn = n AND v.ssn = n AND '{x}'::carried_domain[] IS NOT NULL;
END;
COMMENT ON FUNCTION carried_of IS 'a function';
REVOKE EXECUTE ON FUNCTION carried_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION carried_of TO carried_clerk;
CREATE PROCEDURE carried_add(i integer, n text) LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO carried (id, ssn) VALUES (i, n);
	UPDATE carried_view SET ssn = ssn || 'x' WHERE id = i;
END;
CREATE VIEW carried_over AS SELECT ssn FROM carried_of('s2');
CREATE TRIGGER carried_when BEFORE UPDATE ON carried FOR EACH ROW
WHEN (OLD.ssn IS DISTINCT FROM NEW.ssn AND '{x}'::carried_domain[] IS NOT NULL) EXECUTE FUNCTION carried_trigger();
CREATE TRIGGER carried_off BEFORE UPDATE ON carried FOR EACH ROW WHEN (NEW.ssn = 's1') EXECUTE FUNCTION carried_trigger();
CREATE TRIGGER carried_of BEFORE UPDATE OF ssn ON carried FOR EACH ROW WHEN (NEW.other = 'o') EXECUTE FUNCTION carried_trigger();
CREATE CONSTRAINT TRIGGER carried_constraint AFTER UPDATE ON carried DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.ssn LIKE '%z') EXECUTE FUNCTION carried_trigger();
ALTER TABLE carried DISABLE TRIGGER carried_off, ENABLE ALWAYS TRIGGER carried_when;
COMMENT ON TRIGGER carried_when ON carried IS 'a trigger';
ALTER TRIGGER carried_when ON carried DEPENDS ON EXTENSION plpgsql;
CREATE RULE carried_rule AS ON DELETE TO carried WHERE OLD.ssn = 's9' AND '{x}'::carried_domain[] IS NOT NULL
DO INSTEAD INSERT INTO carried_log VALUES ('rule ' || OLD.ssn);
ALTER TABLE carried DISABLE RULE carried_rule;
CREATE RULE carried_view_rule AS ON INSERT TO carried_view DO INSTEAD INSERT INTO carried VALUES (NEW.id, NEW.ssn || 'y');
COMMENT ON RULE carried_rule ON carried IS 'a rule';
CREATE POLICY carried_policy ON carried TO carried_clerk USING (ssn LIKE 's1%' AND '{x}'::carried_domain[] IS NOT NULL) WITH CHECK (ssn LIKE 's%');
CREATE POLICY carried_elsewhere ON carried_log TO carried_clerk USING (EXISTS (SELECT FROM carried WHERE ssn = what));
COMMENT ON POLICY carried_policy ON carried IS 'a policy';
ALTER TABLE carried ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON carried TO carried_clerk;
CREATE STATISTICS carried_stats ON (ssn IS NULL), other FROM carried;
GRANT SELECT ON carried_view TO carried_clerk;
RESET ROLE;
SET client_min_messages = error;
CREATE PUBLICATION carried_pub FOR TABLE carried (id, ssn, other) WHERE (id > 0) WITH (publish = 'insert');
SET client_min_messages = warning;
CREATE VIEW carried_objects AS
SELECT 'function' AS kind, oid::regprocedure::text AS name, oid, proowner::regrole::text AS owner, proacl::text AS acl, obj_description(oid, 'pg_proc')
FROM pg_proc WHERE proname ~ '^carried_(of|add)$'
UNION ALL SELECT 'rule', rulename, oid, NULL, ev_enabled::text, obj_description(oid, 'pg_rewrite') FROM pg_rewrite WHERE rulename ~ '^carried'
UNION ALL SELECT 'policy', polname, oid, polroles::regrole[]::text, polcmd::text, obj_description(oid, 'pg_policy') FROM pg_policy WHERE polname ~ '^carried'
UNION ALL SELECT 'trigger', tgname, 0, NULL, tgenabled::text, obj_description(oid, 'pg_trigger') FROM pg_trigger WHERE tgname ~ '^carried'
UNION ALL SELECT 'for extension', tgname, refobjid, NULL, NULL, NULL FROM pg_trigger t JOIN pg_depend ON classid = 'pg_trigger'::regclass AND objid = t.oid AND deptype = 'x'
UNION ALL SELECT 'statistics', stxname, 0, stxowner::regrole::text, NULL, NULL FROM pg_statistic_ext WHERE stxname ~ '^carried'
UNION ALL SELECT 'filter', pg_get_expr(prqual, prrelid), 0, NULL, prattrs::text, NULL FROM pg_publication_rel WHERE prrelid = 'carried'::regclass;
CREATE TABLE carried_before AS SELECT * FROM carried_objects;
SET ROLE carried_owner;
CALL carried_convert('carried', 'ssn');
RESET ROLE;
CALL cellenc_wait();
SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
SELECT kind, name, owner, acl, obj_description FROM carried_objects ORDER BY kind, name;
SELECT kind, name FROM (SELECT * FROM carried_before EXCEPT SELECT * FROM carried_objects) AS changed;

-- what each does
SET ROLE carried_owner;
SELECT known, count(*), count(ssn) FROM carried GROUP BY known ORDER BY known;
SELECT * FROM carried_of();
SELECT * FROM carried_over;
CALL carried_add(0, 's0');
INSERT INTO carried_view VALUES (-1, 's-1');
SELECT id, ssn, known FROM carried WHERE id < 1 ORDER BY id;
UPDATE carried SET ssn = 's6z' WHERE id = 6;
UPDATE carried SET other = 'p' WHERE id = 7;
ALTER TABLE carried ENABLE RULE carried_rule;
DELETE FROM carried WHERE id IN (9, 10);
SELECT * FROM carried_log ORDER BY what;
SELECT id FROM carried WHERE id IN (9, 10);
SET ROLE carried_clerk;
SELECT count(*), min(ssn), max(ssn) FROM carried;
INSERT INTO carried (id, ssn) VALUES (1000, 'x');
INSERT INTO carried (id, ssn) VALUES (1000, 's1000');
SELECT * FROM carried_of('s1');

-- what they need is known
RESET ROLE;
SELECT DISTINCT classid::regclass, d.refobjid::regclass, a.attname FROM pg_depend d
JOIN pg_attribute a ON attrelid = d.refobjid AND attnum = d.refobjsubid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN ('carried'::regclass, 'carried_view'::regclass) AND attname = 'ssn' AND d.deptype <> 'i'
ORDER BY 1, 2, 3;
SELECT cellenc_revoke_key('carried', 'carried_clerk');

-- and back
SET ROLE carried_owner;
CALL carried_convert('carried', 'ssn', 'plain');
RESET ROLE;
CALL cellenc_wait();
SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
SELECT kind, name FROM (SELECT * FROM carried_before EXCEPT SELECT * FROM carried_objects) AS changed;
SET ROLE carried_clerk;
SELECT count(*), min(ssn), max(ssn) FROM carried;
SET ROLE carried_owner;
SELECT * FROM carried_of();
TRUNCATE carried_log;
UPDATE carried SET ssn = 's16z' WHERE id = 16;
DELETE FROM carried WHERE id = 9;
SELECT * FROM carried_log ORDER BY what;

-- what cannot be
DROP STATISTICS carried_stats;
DROP TABLE carried_log CASCADE;
CREATE STATISTICS carried_stats ON other, ssn FROM carried;
CREATE STATISTICS carried_stats_of ON lower(ssn), other FROM carried;
ALTER TABLE carried ADD COLUMN lower text GENERATED ALWAYS AS (lower(ssn)) STORED;
RESET ROLE;
ALTER PUBLICATION carried_pub SET TABLE carried WHERE (ssn IS NOT NULL);
REVOKE CREATE ON SCHEMA public FROM carried_owner;
SET ROLE carried_owner;
CALL carried_convert('carried', 'ssn', 'equality');
RESET ROLE;
GRANT CREATE ON SCHEMA public TO carried_owner;
DROP PUBLICATION carried_pub;
SET ROLE carried_owner;
DROP STATISTICS carried_stats, carried_stats_of;
ALTER TABLE carried DROP COLUMN lower;
-- whatever else a statement needs is tried before anything changes
RESET ROLE;
ALTER FUNCTION carried_of LEAKPROOF;
SET ROLE carried_owner;
\set VERBOSITY terse
CALL carried_convert('carried', 'ssn', 'equality');
\set VERBOSITY default
SELECT pg_typeof(ssn) FROM carried LIMIT 1;

-- partitions: triggers and their likes, policies, generated columns
CREATE TABLE carried_parts (id integer, ssn text, known boolean GENERATED ALWAYS AS (ssn IS NOT NULL) STORED) PARTITION BY LIST (id);
CREATE TABLE carried_parts_1 PARTITION OF carried_parts FOR VALUES IN (1);
CREATE TABLE carried_parts_2 PARTITION OF carried_parts FOR VALUES IN (2);
CREATE TABLE carried_log (what text);
CREATE TRIGGER carried_parted BEFORE INSERT ON carried_parts FOR EACH ROW WHEN (NEW.ssn LIKE 's%') EXECUTE FUNCTION carried_trigger();
ALTER TABLE carried_parts_2 DISABLE TRIGGER carried_parted;
ALTER TABLE carried_parts ADD UNIQUE (ssn, id);
CREATE INDEX carried_parts_ssn ON carried_parts (ssn);
ALTER INDEX carried_parts_1_ssn_idx RENAME TO carried_named;
ALTER INDEX carried_parts_2_ssn_idx RENAME TO carried_parts_1_ssn_idx;
COMMENT ON INDEX carried_named IS 'a part of an index';
CREATE POLICY carried_policy ON carried_parts_1 USING (ssn <> '');
INSERT INTO carried_parts VALUES (1, 'x'), (2, 'x'), (2, NULL);
CALL carried_convert('carried_parts', 'ssn');
RESET ROLE;
CALL cellenc_wait();
SELECT state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
SET ROLE carried_owner;
INSERT INTO carried_parts VALUES (1, 's1'), (2, 's2');
INSERT INTO carried_parts VALUES (1, 's1');
SELECT tableoid::regclass, * FROM carried_parts ORDER BY id, ssn;
SELECT * FROM carried_log;
SELECT tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'carried_parted' ORDER BY 1;
\d carried_parts_1
\d carried_parts_2
SELECT obj_description('carried_named'::regclass);

RESET ROLE;
SELECT count(*) FROM pg_class WHERE relnamespace = 'cellenc_conversion'::regnamespace;
DROP VIEW carried_keys, carried_objects;
DROP OWNED BY carried_owner, carried_clerk CASCADE;
DROP PROCEDURE carried_convert;
DROP TABLE carried_before;
DROP ROLE carried_owner, carried_clerk;
