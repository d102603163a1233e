--
-- cellenc_encrypt_column() and cellenc_decrypt_column(): surface, refusals,
-- and what is carried over.  What runs beside them is tested in
-- test/t/070_encrypt_column.pl.
--
SET client_min_messages = warning;
SELECT cellenc_create_key('convert');
CREATE ROLE convert_owner;
CREATE ROLE convert_clerk;
CREATE ROLE convert_reader;
GRANT CREATE ON SCHEMA public TO convert_owner;
SELECT cellenc_grant_key('convert', 'convert_owner');
SELECT cellenc_grant_key('convert', 'convert_clerk');

-- the tables that a job made for itself, and what it left on the user's
CREATE VIEW convert_left AS
SELECT relname::text FROM pg_class WHERE relnamespace = 'cellenc_conversion'::regnamespace
UNION ALL
SELECT tgname FROM pg_trigger WHERE tgname LIKE 'cellenc\_conversion%';

--
-- Everything that hangs on a column
--
SET ROLE convert_owner;
CREATE TABLE convert_all (
	id bigint PRIMARY KEY,
	dropped text,
	ssn varchar(11) NOT NULL DEFAULT '000-00-0000' CHECK (ssn ~ '^[0-9-]*$'),
	salary numeric(8,2) DEFAULT 100.50,
	tags text[] DEFAULT '{}',
	born date,
	other text DEFAULT 'x'
);
ALTER TABLE convert_all DROP COLUMN dropped;
INSERT INTO convert_all (id, ssn, salary, tags, born, other)
SELECT i, lpad(i::text, 11, '0'), i / 4.0, ARRAY['t' || i, NULL], date '2000-01-01' + i, repeat(md5(i::text), i)
FROM generate_series(1, 200) i;
ALTER TABLE convert_all ADD COLUMN added text DEFAULT 'fast default';
INSERT INTO convert_all (id, ssn, salary, tags, born) VALUES (-1, '', NULL, NULL, NULL);
CREATE UNIQUE INDEX convert_all_ssn ON convert_all (ssn);
COMMENT ON INDEX convert_all_ssn IS 'unique';
CREATE INDEX convert_all_hash ON convert_all USING hash (ssn);
CREATE INDEX convert_all_part ON convert_all (born) INCLUDE (ssn) WHERE ssn IS NOT NULL;
CREATE INDEX convert_all_expr ON convert_all (lower(other));
ALTER TABLE convert_all REPLICA IDENTITY USING INDEX convert_all_ssn;
ALTER TABLE convert_all ALTER ssn SET STATISTICS 77;
COMMENT ON COLUMN convert_all.ssn IS 'a number';
GRANT SELECT (id, ssn), UPDATE (ssn) ON convert_all TO convert_clerk;
CREATE VIEW convert_view WITH (security_barrier) AS
SELECT id, ssn AS number, left(ssn, 3) AS short, 'c'::text AS c FROM convert_all WHERE ssn LIKE '0%';
CREATE VIEW convert_view_view AS SELECT number || short AS both, number FROM convert_view;
COMMENT ON VIEW convert_view IS 'a view';
COMMENT ON COLUMN convert_view.number IS 'of a view';
GRANT SELECT ON convert_view_view TO convert_clerk;
CREATE VIEW convert_updatable AS SELECT id, ssn FROM convert_all WHERE id < 10 WITH CHECK OPTION;
CREATE FUNCTION convert_lookup(n text) RETURNS bigint LANGUAGE sql STABLE
AS 'SELECT id FROM convert_all WHERE ssn = n';
CREATE FUNCTION convert_trigger() RETURNS trigger LANGUAGE plpgsql
AS $$BEGIN NEW.other := 'changed ' || OLD.ssn; RETURN NEW; END$$;
CREATE TRIGGER convert_trigger BEFORE UPDATE OF ssn ON convert_all
FOR EACH ROW EXECUTE FUNCTION convert_trigger();
RESET ROLE;
SET client_min_messages = error;
CREATE PUBLICATION convert_pub FOR TABLE convert_all (id, ssn);
SET client_min_messages = warning;

SET ROLE convert_owner;
SELECT md5(string_agg(t::text, ';' ORDER BY id)) AS before FROM convert_all t \gset
SELECT cellenc_encrypt_column('convert_all', 'ssn', 'convert', 'equality') IS NOT NULL AS queued;
RESET ROLE;
CALL cellenc_wait();
SELECT kind, key, state, values_done, bad_values, percent, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
-- what \d+ tells, but for what differs between majors
\d convert_all
SELECT attname, attstorage, nullif(attstattarget, -1) AS target, col_description(attrelid, attnum) AS description
FROM pg_attribute WHERE attrelid = 'convert_all'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
\d convert_view
\d convert_view_view
SELECT relname, reloptions, regexp_replace(pg_get_viewdef(oid), '\mconvert_(all|view)\.', '', 'g') AS definition,
	(SELECT string_agg(attname || ': ' || col_description(oid, attnum), ', ') FROM pg_attribute WHERE attrelid = oid) AS comments
FROM pg_class WHERE relname IN ('convert_view', 'convert_view_view') ORDER BY relname;
SELECT md5(string_agg(t::text, ';' ORDER BY id)) = :'before' AS same FROM convert_all t;
SELECT cellenc_key_name(ssn), count(*) FROM convert_all GROUP BY 1;
SELECT col_description('convert_all'::regclass, 3), obj_description('convert_all_ssn'::regclass),
	obj_description('convert_view'::regclass), col_description('convert_view'::regclass, 2);
SELECT attname, attacl, attstattarget FROM pg_attribute WHERE attrelid = 'convert_all'::regclass AND attname = 'ssn';
SELECT prattrs FROM pg_publication_rel WHERE prrelid = 'convert_all'::regclass;
SELECT * FROM convert_left;
SELECT has_table_privilege('convert_clerk', 'convert_view_view', 'SELECT');

-- it works as before
SET ROLE convert_owner;
SELECT convert_lookup('00000000007');
SELECT * FROM convert_view_view ORDER BY number LIMIT 2;
INSERT INTO convert_all (id) VALUES (-2);
SELECT ssn, salary, added FROM convert_all WHERE id = -2;
UPDATE convert_updatable SET ssn = '1-1' WHERE id = 5;
SELECT ssn, other FROM convert_all WHERE id = 5;
INSERT INTO convert_all (id, ssn) VALUES (-3, '1-1');
INSERT INTO convert_all (id, ssn) VALUES (-3, 'letters');
INSERT INTO convert_all (id, ssn) VALUES (-3, '123456789012');
INSERT INTO convert_all (id, ssn) VALUES (-3, NULL);
INSERT INTO convert_all (id, ssn) VALUES (-3, '1-1') ON CONFLICT (ssn) DO UPDATE SET born = '1999-09-09';
SELECT id, born FROM convert_all WHERE ssn = '1-1';
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM convert_all WHERE ssn = '1-1';
EXPLAIN (COSTS OFF) SELECT id FROM convert_all WHERE lower(other) = 'x';
SELECT count(*) FROM convert_all WHERE lower(other) = 'x';
RESET enable_seqscan;
ALTER TABLE convert_all ADD COLUMN later integer;
SELECT count(*), count(later) FROM convert_all;

-- other types; two of one table in one transaction
BEGIN;
SELECT cellenc_encrypt_column('convert_all', 'salary', 'convert', search => 'order') IS NOT NULL AS queued;
SELECT cellenc_encrypt_column(rel => 'convert_all', col => 'tags', key => 'convert') IS NOT NULL AS queued;
\set VERBOSITY sqlstate
SELECT cellenc_encrypt_column('convert_all', 'tags', 'convert');
\set VERBOSITY default
ROLLBACK;
BEGIN;
SELECT cellenc_encrypt_column('convert_all', 'salary', 'convert', search => 'order') IS NOT NULL AS queued;
SELECT cellenc_encrypt_column(rel => 'convert_all', col => 'tags', key => 'convert') IS NOT NULL AS queued;
COMMIT;
CALL cellenc_wait();
\d convert_all
SELECT id, salary, tags FROM convert_all ORDER BY id LIMIT 4;
INSERT INTO convert_all (id, ssn, salary) VALUES (-4, '2', 1.005);
INSERT INTO convert_all (id, ssn, salary) VALUES (-4, '2', 1000000);
RESET ROLE;

--
-- And back
--
SET ROLE convert_owner;
SELECT cellenc_decrypt_column('convert_all', 'ssn');
RESET ROLE;
SET cellenc.allow_decrypt_column = on;
SET ROLE convert_clerk;
SELECT cellenc_decrypt_column('convert_all', 'ssn');
SET ROLE convert_owner;
SELECT cellenc_decrypt_column('convert_all', 'ssn') IS NOT NULL AS queued;
SELECT cellenc_decrypt_column(rel => 'convert_all', col => 'tags') IS NOT NULL AS queued;
RESET ROLE;
RESET cellenc.allow_decrypt_column;
CALL cellenc_wait();
SELECT kind, key, state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 2;
\d convert_all
\d convert_view
SELECT id, ssn, tags FROM convert_all ORDER BY id LIMIT 3;
SELECT * FROM convert_left;

--
-- Partitions and inheritance
--
SET ROLE convert_owner;
CREATE TABLE convert_part (id integer, region text, ssn text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE convert_part_a PARTITION OF convert_part FOR VALUES IN ('a');
CREATE TABLE convert_part_b (ssn text, extra int, region text NOT NULL, id integer NOT NULL);
ALTER TABLE convert_part_b DROP COLUMN extra;
ALTER TABLE convert_part ATTACH PARTITION convert_part_b FOR VALUES IN ('b', 'c');
CREATE INDEX ON convert_part (ssn);
INSERT INTO convert_part SELECT i, substr('abc', i % 3 + 1, 1), 's' || i FROM generate_series(1, 300) i;
CREATE TABLE convert_parent (id integer, ssn text);
CREATE TABLE convert_child (more text) INHERITS (convert_parent);
INSERT INTO convert_parent VALUES (1, 'parent');
INSERT INTO convert_child VALUES (2, 'child', 'more');
SELECT cellenc_encrypt_column('convert_part', 'ssn', 'convert', 'order') IS NOT NULL AS queued;
SELECT cellenc_encrypt_column('convert_parent', 'ssn', 'convert') IS NOT NULL AS queued;
SELECT cellenc_encrypt_column('convert_part_a', 'ssn', 'convert');
RESET ROLE;
CALL cellenc_wait();
SELECT kind, state, relations_done, relations_total, error FROM cellenc.jobs ORDER BY job DESC LIMIT 2;
\d convert_part
\d convert_part_b
\d convert_child
SELECT tableoid::regclass, count(*), min(ssn), max(ssn) FROM convert_part GROUP BY 1 ORDER BY 1;
SELECT * FROM convert_part WHERE ssn = 's17';
SELECT * FROM convert_parent ORDER BY id;
SELECT * FROM convert_left;

--
-- Code of the owner's runs as the owner, whoever asks
--
SET ROLE convert_owner;
CREATE FUNCTION convert_spy(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'convert_owner' THEN
		RAISE EXCEPTION 'code of the owner runs as %', current_user;
	END IF;
	RETURN t;
END$$;
CREATE TABLE convert_spied (id integer, ssn text CHECK (ssn > convert_spy('')), other text DEFAULT convert_spy('d'));
INSERT INTO convert_spied VALUES (1, 'one'), (2, 'two');
CREATE INDEX convert_spied_index ON convert_spied (id, convert_spy(other || convert_spy('k'))) WHERE convert_spy(other) <> convert_spy('x');
CREATE VIEW convert_spied_view AS SELECT convert_spy(ssn) AS s, ssn FROM convert_spied WHERE convert_spy('x') = 'x';
RESET ROLE;
SELECT cellenc_encrypt_column('convert_spied', 'ssn', 'convert') IS NOT NULL AS queued;
CALL cellenc_wait();
SELECT kind, state, error FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
SET ROLE convert_owner;
SELECT * FROM convert_spied_view ORDER BY 1;
RESET ROLE;

--
-- What is refused, all of it at once
--
SET ROLE convert_owner;
CREATE TABLE convert_refused (id integer PRIMARY KEY, ssn text UNIQUE, gen text GENERATED ALWAYS AS (lower(ssn)) STORED,
	mood char(3), n integer GENERATED ALWAYS AS IDENTITY);
CREATE INDEX convert_refused_lower ON convert_refused (lower(ssn));
CREATE INDEX convert_refused_pattern ON convert_refused (ssn text_pattern_ops);
CREATE TABLE convert_referring (ssn text REFERENCES convert_refused (ssn));
CREATE MATERIALIZED VIEW convert_mat AS SELECT ssn FROM convert_refused;
CREATE POLICY convert_policy ON convert_refused USING (ssn <> '');
CREATE RULE convert_rule AS ON UPDATE TO convert_refused WHERE NEW.ssn = '' DO INSTEAD NOTHING;
CREATE TRIGGER convert_when BEFORE UPDATE ON convert_refused FOR EACH ROW WHEN (OLD.ssn = '')
EXECUTE FUNCTION convert_trigger();
CREATE STATISTICS convert_stats ON id, ssn FROM convert_refused;
CREATE FUNCTION convert_atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(ssn) FROM convert_refused; END;
SELECT cellenc_encrypt_column('convert_refused', 'ssn', 'convert');
SELECT cellenc_encrypt_column('convert_refused', 'ssn', 'convert', 'equality');
SELECT cellenc_encrypt_column('convert_refused', 'n', 'convert');
SELECT cellenc_encrypt_column('convert_refused', 'gen', 'convert');
SELECT cellenc_encrypt_column('convert_refused', 'mood', 'convert');
SELECT cellenc_encrypt_column('convert_refused', 'ctid', 'convert');
SELECT cellenc_encrypt_column('convert_refused', 'nothing', 'convert');
SELECT cellenc_encrypt_column('convert_refused', 'id', 'nothing');
SELECT cellenc_encrypt_column('convert_refused', 'id', 'convert', 'everything');
SELECT cellenc_encrypt_column('convert_view', 'number', 'convert');
SELECT cellenc_encrypt_column('convert_all', 'salary', 'convert');
SELECT cellenc_encrypt_column('pg_class', 'relname', 'convert');
RESET ROLE;
SELECT cellenc_encrypt_column('cellenc.event', 'detail', 'convert');
CREATE TEMP TABLE convert_temp (ssn text);
SELECT cellenc_encrypt_column('convert_temp', 'ssn', 'convert');
SET ROLE convert_clerk;
SELECT cellenc_encrypt_column('convert_all', 'born', 'convert');
SET ROLE convert_owner;
SELECT cellenc_decrypt_column('convert_all', 'born');
RESET ROLE;
SELECT cellenc_revoke_key('convert', 'convert_owner', 'decrypt');
SET ROLE convert_owner;
-- an index over the column would have to be built with the owner's rights
SELECT cellenc_encrypt_column('convert_all', 'born', 'convert', 'order');
RESET ROLE;
SELECT cellenc_revoke_key('convert', 'convert_owner');
SET ROLE convert_owner;
SELECT cellenc_encrypt_column('convert_all', 'other', 'convert');
RESET ROLE;
SELECT count(*) FROM cellenc.conversion;

DROP PUBLICATION convert_pub;
DROP OWNED BY convert_owner CASCADE;
DROP ROLE convert_owner, convert_clerk, convert_reader;
DROP VIEW convert_left;
