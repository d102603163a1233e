--
-- cellenc_suggest_columns(): by names, by values, how each would be encrypted
--
CREATE DATABASE suggest;
\c suggest
CREATE EXTENSION cellenc;
SELECT cellenc_create_key('pii');
\pset format unaligned
\pset fieldsep ' | '

-- nothing in an empty database, nor where nothing looks like it
SELECT * FROM cellenc_suggest_columns();
SELECT * FROM cellenc_suggest_columns(sample => true);

CREATE TABLE customers (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text,
	email varchar(100) UNIQUE,
	phone text,
	born date,
	salary numeric(10,2),
	password_hash text,
	api_token uuid,
	last_ip inet,
	diagnosis jsonb,
	emails text[],
	email_verified boolean,
	email_lower text GENERATED ALWAYS AS (lower(email)) STORED,
	created_at timestamptz,
	ssn enctext('pii')
);
CREATE INDEX customers_born ON customers (born);
CREATE INDEX customers_phone ON customers (phone);
CREATE UNIQUE INDEX customers_salary ON customers (salary);
SELECT * FROM cellenc_suggest_columns();

-- odd names, types without an encrypted one, domains
CREATE SCHEMA "odd 's";
CREATE DOMAIN "odd 's".mail AS varchar(80) CHECK (VALUE LIKE '%@%');
CREATE DOMAIN mail2 AS "odd 's".mail NOT NULL;
CREATE TYPE "odd 's".level AS ENUM ('low', 'high');
CREATE TABLE "odd 's"."Kunden ""A""" ("E-Mail" mail2, "Straße" char(30), "Geburtsdatum" text, mails mail2[],
	"o'iban" text PRIMARY KEY, gehalt money, level "odd 's".level);
CREATE INDEX gehalt ON "odd 's"."Kunden ""A""" (gehalt);
SELECT * FROM cellenc_suggest_columns() WHERE relation::text LIKE '%odd%';

-- each statement can be run, as far as nothing else stands in the way
ALTER TABLE customers DROP COLUMN email_lower;
SET client_min_messages = warning;
DO $$
DECLARE
	s record;
	n integer := 0;
BEGIN
	FOR s IN SELECT * FROM cellenc_suggest_columns() LOOP
		BEGIN
			EXECUTE s.ddl;
			RAISE EXCEPTION 'undone';
		EXCEPTION WHEN OTHERS THEN
			IF SQLERRM <> 'undone' THEN
				RAISE WARNING '%: %', s.attname, SQLERRM;
			END IF;
			n := n + 1;
		END;
	END LOOP;
	RAISE WARNING '% were run', n;
END $$;
RESET client_min_messages;

--
-- Values
--
CREATE TABLE records (
	id integer PRIMARY KEY,
	a text,			-- e-mail addresses
	b text,			-- a few of them
	c varchar(30),	-- payment cards
	d bigint,		-- PESEL
	e char(40),		-- SHA-1
	f text,			-- words
	g text,			-- empty
	h text,			-- two values
	i text[],
	j bytea,
	k uuid,
	l numeric
);
INSERT INTO records SELECT i, format('user%s@example.org', i), CASE WHEN i % 4 = 0 THEN format('user%s@example.org', i) ELSE 'x' || i END,
	CASE WHEN i % 2 = 0 THEN '4111 1111 1111 1111' ELSE '5555-5555-5555-4444' END, 44051401359,
	encode(sha224(i::text::bytea), 'hex')::char(40), 'marker' || i, CASE i % 2 WHEN 0 THEN '' END,
	CASE WHEN i < 2 THEN 'hidden@example.org' END, ARRAY['user@example.org'], 'user@example.org', gen_random_uuid(), i + 0.5
FROM generate_series(0, 199) i;
SELECT attname, reason, search, ddl FROM cellenc_suggest_columns(true) WHERE relation = 'records'::regclass;
SELECT count(*) FROM cellenc_suggest_columns(false) WHERE relation = 'records'::regclass;
SELECT count(*) FROM cellenc_suggest_columns(NULL);
-- no value is shown
SELECT count(*) FROM cellenc_suggest_columns(true) s WHERE s::text ~ 'example|marker|hidden|4111|4405';
-- names and values
INSERT INTO customers (email, phone, name) SELECT format('user%s@example.org', i), 'none', 'DE89 3704 0044 0532 0130 00' FROM generate_series(1, 10) i;
SELECT attname, reason, search FROM cellenc_suggest_columns(true) WHERE relation = 'customers'::regclass AND attname IN ('name', 'email', 'phone');
-- some hundreds of values are read of a large table
INSERT INTO records (id, a) SELECT i, format('user%s@example.org', i) FROM generate_series(1000, 30000) i;
SELECT attname, reason FROM cellenc_suggest_columns(true) WHERE relation = 'records'::regclass AND attname = 'a';

-- trees of tables are one, and read where the rows are; temporary and foreign ones are not looked at
CREATE TABLE parts (id integer, v text, email text) PARTITION BY LIST (id);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts2 PARTITION OF parts FOR VALUES IN (2) PARTITION BY LIST (email);
CREATE TABLE parts2a PARTITION OF parts2 DEFAULT;
INSERT INTO parts SELECT 1 + i % 2, '078-05-1' || 100 + i FROM generate_series(1, 40) i;
CREATE TABLE parent (v text);
CREATE TABLE child (email text) INHERITS (parent);
INSERT INTO child SELECT '+49 30 1234' || 100 + i FROM generate_series(1, 20) i;
CREATE TEMPORARY TABLE passing (email text);
CREATE UNLOGGED TABLE unlogged (email text);
CREATE VIEW seen AS SELECT email FROM customers;
CREATE MATERIALIZED VIEW kept AS SELECT 'x'::text AS email;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE far (email text) SERVER elsewhere;
CREATE FOREIGN TABLE child_far (email text) INHERITS (parent) SERVER elsewhere;
SELECT relation, attname, reason FROM cellenc_suggest_columns(true)
WHERE relation::text NOT IN ('customers', 'records') AND relation::text NOT LIKE '%odd%';

-- no code of users runs
CREATE FUNCTION spy() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'spy ran'; END$$;
CREATE FUNCTION spy("odd 's".level) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'spy ran'; END$$;
CREATE FUNCTION spy(text, integer) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'spy ran'; END$$;
CREATE CAST ("odd 's".level AS text) WITH FUNCTION spy("odd 's".level) AS IMPLICIT;
CREATE FUNCTION public.left(text, integer) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'spy ran'; END$$;
CREATE DOMAIN spied AS text;
CREATE TABLE watched (email "odd 's".level, phone spied, tel text);
INSERT INTO watched VALUES ('low', 'x', 'y');
ALTER DOMAIN spied ADD CHECK (spy()) NOT VALID;
CREATE FUNCTION spy_text(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('suggest.spy', true) = 'on' THEN
		RAISE EXCEPTION 'spy ran';
	END IF;
	RETURN $1;
END$$;
CREATE INDEX ON watched ((tel || spy_text('x')));
CREATE INDEX ON watched (tel) WHERE phone <> spy_text('x');
CREATE STATISTICS watching ON (tel || spy_text('y')), phone FROM watched;
SET suggest.spy = on;
CREATE POLICY p ON watched USING (spy());
ALTER TABLE watched ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET search_path = public, pg_catalog;
SELECT attname, reason FROM cellenc_suggest_columns(true) WHERE relation = 'watched'::regclass;
RESET search_path;

-- nothing has been changed, and no statement writes
SELECT count(*) FROM cellenc.jobs;
SELECT count(*) FROM cellenc.columns;
BEGIN TRANSACTION READ ONLY;
SELECT count(*) > 20 AS many FROM cellenc_suggest_columns(true);
ROLLBACK;

-- for superusers alone
SELECT has_function_privilege('pg_monitor', 'cellenc_suggest_columns(boolean)', 'EXECUTE');
\c contrib_regression
DROP DATABASE suggest;
