/* cellenc 1.0 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION cellenc" to load this file. \quit

CREATE SCHEMA cellenc;
GRANT USAGE ON SCHEMA cellenc TO PUBLIC;

--
-- Key catalog.  Changed by C functions only; see src/keycatalog.h.
--

CREATE TABLE cellenc.master_key (
	id uuid NOT NULL,
	name text COLLATE "C" NOT NULL,
	kdf text NOT NULL CHECK (kdf IN ('none', 'pbkdf2-sha256')),
	salt bytea NOT NULL,
	rounds integer NOT NULL,
	check_value bytea NOT NULL,
	created_at timestamptz NOT NULL,
	CONSTRAINT master_key_pkey PRIMARY KEY (id)
) WITH (user_catalog_table = true);

CREATE TABLE cellenc.key (
	id uuid NOT NULL,
	name text COLLATE "C" NOT NULL,
	name_hash integer NOT NULL,
	created_at timestamptz NOT NULL,
	created_by text NOT NULL,
	rotate_every interval,
	CONSTRAINT key_pkey PRIMARY KEY (id),
	CONSTRAINT key_name_key UNIQUE (name),
	CONSTRAINT key_name_hash_key UNIQUE (name_hash)
) WITH (user_catalog_table = true);

CREATE TABLE cellenc.key_version (
	version_id bigint NOT NULL,
	key uuid NOT NULL,
	version integer NOT NULL,
	state text NOT NULL CHECK (state IN ('current', 'decrypt_only', 'disabled', 'destroyed')),
	search_key uuid NOT NULL,
	check_value bytea NOT NULL,
	created_at timestamptz NOT NULL,
	created_by text NOT NULL,
	state_since timestamptz NOT NULL,
	exported_at timestamptz,
	state_by text NOT NULL,
	CONSTRAINT key_version_pkey PRIMARY KEY (version_id),
	CONSTRAINT key_version_key_version_key UNIQUE (key, version)
) WITH (user_catalog_table = true);

CREATE TABLE cellenc.key_wrap (
	owner uuid NOT NULL,
	version integer NOT NULL,
	master_key uuid NOT NULL,
	purpose smallint NOT NULL,
	wrapped bytea NOT NULL,
	CONSTRAINT key_wrap_pkey PRIMARY KEY (owner, version, master_key)
) WITH (user_catalog_table = true);

CREATE TABLE cellenc.search_key (
	id uuid NOT NULL,
	check_value bytea NOT NULL,
	is_current boolean NOT NULL,
	created_at timestamptz NOT NULL,
	CONSTRAINT search_key_pkey PRIMARY KEY (id)
) WITH (user_catalog_table = true);

CREATE TABLE cellenc.key_grant (
	key uuid NOT NULL,
	role text COLLATE "C" NOT NULL,
	privilege text COLLATE "C" NOT NULL CHECK (privilege IN ('encrypt', 'decrypt', 'manage')),
	grantor text NOT NULL,
	granted_at timestamptz NOT NULL,
	CONSTRAINT key_grant_pkey PRIMARY KEY (key, role, privilege)
) WITH (user_catalog_table = true);

CREATE TABLE cellenc.event (
	at timestamptz NOT NULL,
	role text COLLATE "C" NOT NULL,
	client text,
	action text NOT NULL,
	key text,
	version integer,
	detail text
);
CREATE INDEX event_at_idx ON cellenc.event (at);

--
-- The key tables change by C functions only.  Restores and repairs by a
-- superuser pass these triggers; everybody else, pg_write_all_data included,
-- does not.
--

CREATE FUNCTION cellenc.cellenc_catalog_trigger() RETURNS trigger
AS 'MODULE_PATHNAME', 'cellenc_catalog_trigger' LANGUAGE c;
REVOKE EXECUTE ON FUNCTION cellenc.cellenc_catalog_trigger() FROM PUBLIC;

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.master_key
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.master_key
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.master_key ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.key
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.key
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.key ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.key_version
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.key_version
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.key_version ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.key_wrap
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.key_wrap
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.key_wrap ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.search_key
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.search_key
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.search_key ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.key_grant
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.key_grant
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.key_grant ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.event
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.event
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.event ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

--
-- Dumps carry the keys, wrapped, but not the key for constants, its wrap or
-- a master key that wraps nothing else: CREATE EXTENSION makes those anew.
-- The versions of dropped keys are carried: their ids are never used again.
--

SELECT pg_catalog.pg_extension_config_dump('cellenc.master_key',
	'WHERE id IN (SELECT master_key FROM cellenc.key_wrap WHERE purpose <> 3)');
SELECT pg_catalog.pg_extension_config_dump('cellenc.key', 'WHERE name_hash >= 0');
SELECT pg_catalog.pg_extension_config_dump('cellenc.key_version',
	'WHERE key NOT IN (SELECT id FROM cellenc.key WHERE name_hash < 0)');
SELECT pg_catalog.pg_extension_config_dump('cellenc.key_wrap', 'WHERE purpose <> 3');
SELECT pg_catalog.pg_extension_config_dump('cellenc.search_key', '');
SELECT pg_catalog.pg_extension_config_dump('cellenc.key_grant', '');
SELECT pg_catalog.pg_extension_config_dump('cellenc.event', '');

--
-- Management of keys
--

CREATE FUNCTION pg_catalog.cellenc_create_key(key text, master_key text DEFAULT NULL,
	if_not_exists boolean DEFAULT false) RETURNS integer
AS 'MODULE_PATHNAME', 'cellenc_create_key' LANGUAGE c VOLATILE PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_create_key(text, text, boolean) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_rotate_key(key text, reencrypt boolean DEFAULT true) RETURNS integer
AS 'MODULE_PATHNAME', 'cellenc_rotate_key' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;

CREATE FUNCTION pg_catalog.cellenc_disable_key_version(key text, version integer DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_disable_key_version' LANGUAGE c VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION pg_catalog.cellenc_enable_key_version(key text, version integer DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_enable_key_version' LANGUAGE c VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION pg_catalog.cellenc_destroy_blockers(key text, version integer,
	OUT blocker text, OUT detail text, OUT hint text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_destroy_blockers' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_destroy_blockers(text, integer) FROM PUBLIC;
CREATE FUNCTION pg_catalog.cellenc_destroy_key_version(key text, version integer,
	oldest_backup timestamptz) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_destroy_key_version' LANGUAGE c VOLATILE PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_destroy_key_version(text, integer, timestamptz) FROM PUBLIC;
CREATE FUNCTION pg_catalog.cellenc_drop_key(key text) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_drop_key' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_drop_key(text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_usage(key text, OUT relation regclass, OUT attname name,
	OUT version integer, OUT n_values bigint) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_usage' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION pg_catalog.cellenc_verify(rel regclass DEFAULT NULL, sample_percent real DEFAULT 100,
	OUT relation regclass, OUT attname name, OUT key text, OUT version integer,
	OUT n_values bigint, OUT n_failed bigint) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_verify' LANGUAGE c VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION pg_catalog.cellenc_grant_key(key text, role name,
	privileges text DEFAULT 'encrypt, decrypt') RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_grant_key' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_grant_key(text, name, text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_revoke_key(key text, role name,
	privileges text DEFAULT 'encrypt, decrypt') RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_revoke_key' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_revoke_key(text, name, text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_add_master_key(master_key text, key text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_add_master_key' LANGUAGE c VOLATILE PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_add_master_key(text, text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_remove_master_key(master_key text, key text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_remove_master_key' LANGUAGE c VOLATILE PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_remove_master_key(text, text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_rotate_master_key(master_key text, key text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_rotate_master_key' LANGUAGE c VOLATILE PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_rotate_master_key(text, text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_export_keys(master_key text) RETURNS text
AS 'MODULE_PATHNAME', 'cellenc_export_keys' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_export_keys(text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_import_keys(bundle text) RETURNS integer
AS 'MODULE_PATHNAME', 'cellenc_import_keys' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_import_keys(text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_check_bundle(bundle text, OUT key text, OUT version integer,
	OUT status text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_check_bundle' LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_check_bundle(text) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_has_key_privilege(key text, privilege text) RETURNS boolean
AS 'MODULE_PATHNAME', 'cellenc_has_key_privilege' LANGUAGE c STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pg_catalog.cellenc_has_key_privilege(role name, key text, privilege text) RETURNS boolean
AS 'MODULE_PATHNAME', 'cellenc_has_key_privilege_of_role' LANGUAGE c STABLE STRICT PARALLEL SAFE;

CREATE FUNCTION pg_catalog.cellenc_key_name(value "any") RETURNS text
AS 'MODULE_PATHNAME', 'cellenc_key_name' LANGUAGE c STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION pg_catalog.cellenc_key_version(value "any") RETURNS integer
AS 'MODULE_PATHNAME', 'cellenc_key_version' LANGUAGE c STABLE STRICT PARALLEL SAFE;

-- for tests: values sealed and opened by this session
CREATE FUNCTION cellenc.codec_counts(OUT sealed bigint, OUT opened bigint)
AS 'MODULE_PATHNAME', 'cellenc_codec_counts' LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED;
REVOKE EXECUTE ON FUNCTION cellenc.codec_counts() FROM PUBLIC;

--
-- Encrypted types
--

CREATE FUNCTION cellenc.cellenc_typmod_in(cstring[]) RETURNS integer
AS 'MODULE_PATHNAME', 'cellenc_typmod_in' LANGUAGE c STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION cellenc.cellenc_typmod_out(integer) RETURNS cstring
AS 'MODULE_PATHNAME', 'cellenc_typmod_out' LANGUAGE c STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION cellenc.cellenc_analyze(internal) RETURNS boolean
AS 'MODULE_PATHNAME', 'cellenc_analyze' LANGUAGE c VOLATILE STRICT PARALLEL SAFE;
CREATE FUNCTION cellenc.cellenc_array_analyze(internal) RETURNS boolean
AS 'MODULE_PATHNAME', 'cellenc_array_analyze' LANGUAGE c VOLATILE STRICT PARALLEL SAFE;

-- around constants of composite types, put there by the planner
CREATE FUNCTION cellenc.cellenc_fresh(value anyelement, stores boolean) RETURNS anyelement
AS 'MODULE_PATHNAME', 'cellenc_fresh' LANGUAGE c VOLATILE STRICT PARALLEL SAFE COST 20;
CREATE OPERATOR cellenc.@ (FUNCTION = cellenc.cellenc_fresh, LEFTARG = anyelement, RIGHTARG = boolean);
CREATE FUNCTION cellenc.cellenc_subscript(internal) RETURNS internal
AS 'MODULE_PATHNAME', 'cellenc_twin_subscript' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;

REVOKE EXECUTE ON FUNCTION cellenc.cellenc_subscript(internal) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_create_type(name text, base regtype) RETURNS regtype
AS 'MODULE_PATHNAME', 'cellenc_create_type' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_create_type(text, regtype) FROM PUBLIC;

-- operators and functions that mix types, made once
CREATE FUNCTION cellenc.create_operands() RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_operand_create' LANGUAGE c VOLATILE PARALLEL UNSAFE;
SELECT cellenc.create_operands();
DROP FUNCTION cellenc.create_operands();

SELECT pg_catalog.cellenc_create_type('pg_catalog.enctext', 'pg_catalog.text');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encbytea', 'pg_catalog.bytea');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encint2', 'pg_catalog.int2');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encint4', 'pg_catalog.int4');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encint8', 'pg_catalog.int8');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encnumeric', 'pg_catalog.numeric');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encfloat4', 'pg_catalog.float4');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encfloat8', 'pg_catalog.float8');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encbool', 'pg_catalog.bool');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encdate', 'pg_catalog.date');
SELECT pg_catalog.cellenc_create_type('pg_catalog.enctime', 'pg_catalog.time');
SELECT pg_catalog.cellenc_create_type('pg_catalog.enctimestamp', 'pg_catalog.timestamp');
SELECT pg_catalog.cellenc_create_type('pg_catalog.enctimestamptz', 'pg_catalog.timestamptz');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encinterval', 'pg_catalog.interval');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encuuid', 'pg_catalog.uuid');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encjsonb', 'pg_catalog.jsonb');
SELECT pg_catalog.cellenc_create_type('pg_catalog.encinet', 'pg_catalog.inet');

--
-- Views.  They run with their owner's rights, so whoever may read them needs
-- none on the key tables; none shows a wrapped key.
--

CREATE VIEW cellenc.keys AS
SELECT k.name AS key, v.version, v.state, k.created_at,
	CASE WHEN v.version > 1 THEN v.created_at END AS rotated_at,
	k.rotate_every, v.created_at + k.rotate_every AS next_rotation
FROM cellenc.key k
JOIN LATERAL (SELECT * FROM cellenc.key_version v WHERE v.key = k.id
	ORDER BY v.state = 'current' DESC, v.version DESC LIMIT 1) v ON true
WHERE k.name_hash >= 0;

CREATE FUNCTION cellenc.version_refusals(version_id bigint) RETURNS bigint
AS 'MODULE_PATHNAME', 'cellenc_version_refusals' LANGUAGE c VOLATILE STRICT PARALLEL SAFE;
REVOKE EXECUTE ON FUNCTION cellenc.version_refusals(bigint) FROM PUBLIC;

CREATE VIEW cellenc.key_versions AS
SELECT k.name AS key, v.version, v.state, v.created_at, v.created_by,
	(SELECT array_agg(m.name ORDER BY m.name)
	 FROM cellenc.key_wrap w JOIN cellenc.master_key m ON m.id = w.master_key
	 WHERE w.owner = v.key AND w.version = v.version) AS master_keys,
	v.exported_at, cellenc.version_refusals(v.version_id) AS n_refused
FROM cellenc.key k JOIN cellenc.key_version v ON v.key = k.id
WHERE k.name_hash >= 0;

COMMENT ON COLUMN cellenc.key_versions.n_refused IS
	'times that a value was refused because this version is disabled or destroyed, on this server since it was started';

CREATE VIEW cellenc.key_grants AS
SELECT k.name AS key, g.role, g.privilege, g.grantor, g.granted_at
FROM cellenc.key k JOIN cellenc.key_grant g ON g.key = k.id;

CREATE VIEW cellenc.events AS
SELECT at, role, client, action, key, version, detail FROM cellenc.event;

CREATE FUNCTION cellenc.master_key_status(OUT name text, OUT source text, OUT status text,
	OUT loaded_at timestamptz, OUT last_error text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_master_key_status' LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED;
REVOKE EXECUTE ON FUNCTION cellenc.master_key_status() FROM PUBLIC;

CREATE VIEW cellenc.master_keys AS SELECT * FROM cellenc.master_key_status();

GRANT EXECUTE ON FUNCTION cellenc.master_key_status(), cellenc.version_refusals(bigint) TO pg_monitor;
GRANT SELECT ON cellenc.keys, cellenc.key_versions, cellenc.key_grants, cellenc.events,
	cellenc.master_keys TO pg_monitor;

-- the key for constants, made once
CREATE FUNCTION cellenc.bootstrap() RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_admin_bootstrap' LANGUAGE c VOLATILE PARALLEL UNSAFE;
SELECT cellenc.bootstrap();
DROP FUNCTION cellenc.bootstrap();

--
-- Jobs
--
-- The table is the state of the jobs, and is not dumped: what a job did not
-- treat before the dump, another one finds.  Columns as in src/job.h.
--

CREATE TABLE cellenc.job (
	job bigint GENERATED ALWAYS AS IDENTITY,
	kind text NOT NULL,
	keys uuid[] NOT NULL,
	version integer,
	target oid,
	state text NOT NULL,
	phase text NOT NULL,
	pass integer NOT NULL,
	waiting_for text,
	waiting_since timestamptz,
	relation oid,
	relation_file oid,
	next_block bigint NOT NULL,
	end_block bigint NOT NULL,
	index oid,
	vacuumed_block bigint NOT NULL,
	updated bigint NOT NULL,
	found bigint NOT NULL,
	bad_values bigint NOT NULL,
	relations_done integer NOT NULL,
	relations_total integer NOT NULL,
	blocks_done bigint NOT NULL,
	blocks_total bigint NOT NULL,
	index_blocks_done bigint NOT NULL,
	index_blocks_total bigint NOT NULL,
	values_done bigint NOT NULL,
	bad_indexes integer NOT NULL,
	worked_ms bigint NOT NULL,
	started_at timestamptz,
	finished_at timestamptz,
	error text,
	CONSTRAINT job_pkey PRIMARY KEY (job)
) WITH (fillfactor = 50);

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.job
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.job
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.job ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

-- when a cellenc.job_window opens that is closed at that time, for tests
CREATE FUNCTION cellenc.window_opens(job_window text, at timestamptz) RETURNS timestamptz
AS 'MODULE_PATHNAME', 'cellenc_window_opens' LANGUAGE c STABLE STRICT PARALLEL SAFE;
REVOKE EXECUTE ON FUNCTION cellenc.window_opens(text, timestamptz) FROM PUBLIC;

--
-- Conversions of columns that have not ended; see src/convert.h.  Not dumped:
-- what was made for them is not, either.
--

-- what is made for them: nobody may use it
CREATE SCHEMA cellenc_conversion;

CREATE TABLE cellenc.conversion (
	job bigint NOT NULL,
	relation oid NOT NULL,
	attnum smallint NOT NULL,
	role oid NOT NULL,
	type oid NOT NULL,
	typmod integer NOT NULL,
	column_collation oid NOT NULL,
	key_version integer,
	phase text NOT NULL,
	settled boolean NOT NULL DEFAULT false,
	error text,
	CONSTRAINT conversion_pkey PRIMARY KEY (job)
);

CREATE TABLE cellenc.conversion_heap (
	job bigint NOT NULL,
	relation oid NOT NULL,
	file oid NOT NULL,
	shadow oid NOT NULL,
	log oid NOT NULL,
	map oid NOT NULL,
	trigger oid NOT NULL,
	next_block bigint NOT NULL,
	end_block bigint NOT NULL,
	indexed boolean NOT NULL,
	indexes text[] NOT NULL,
	CONSTRAINT conversion_heap_pkey PRIMARY KEY (job, relation)
) WITH (fillfactor = 50);

CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.conversion
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.conversion
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.conversion ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;
CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON cellenc.conversion_heap
FOR EACH ROW EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON cellenc.conversion_heap
FOR EACH STATEMENT EXECUTE FUNCTION cellenc.cellenc_catalog_trigger();
ALTER TABLE cellenc.conversion_heap ENABLE ALWAYS TRIGGER guard_row, ENABLE ALWAYS TRIGGER guard_truncate;

CREATE FUNCTION cellenc.conversion_note() RETURNS trigger
AS 'MODULE_PATHNAME', 'cellenc_conversion_note' LANGUAGE c;
REVOKE EXECUTE ON FUNCTION cellenc.conversion_note() FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_encrypt_column(rel regclass, col name, key text,
	search text DEFAULT 'none') RETURNS bigint
AS 'MODULE_PATHNAME', 'cellenc_encrypt_column' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;

CREATE FUNCTION pg_catalog.cellenc_decrypt_column(rel regclass, col name) RETURNS bigint
AS 'MODULE_PATHNAME', 'cellenc_decrypt_column' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;

-- the next index of a conversion's copy, as a command of its job
CREATE PROCEDURE cellenc.conversion_index(job bigint, relation oid)
AS 'MODULE_PATHNAME', 'cellenc_conversion_index' LANGUAGE c;
REVOKE EXECUTE ON PROCEDURE cellenc.conversion_index(bigint, oid) FROM PUBLIC;

-- the second half of its switch, likewise; when it took the lock
CREATE PROCEDURE cellenc.conversion_switch(job bigint, locked_at bigint)
AS 'MODULE_PATHNAME', 'cellenc_conversion_switch' LANGUAGE c;
REVOKE EXECUTE ON PROCEDURE cellenc.conversion_switch(bigint, bigint) FROM PUBLIC;

-- one step of a job in the caller's transaction, for tests
CREATE FUNCTION cellenc.job_step(job bigint) RETURNS text
AS 'MODULE_PATHNAME', 'cellenc_job_step_sql' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
REVOKE EXECUTE ON FUNCTION cellenc.job_step(bigint) FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_rotate_keys(keys text[] DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'cellenc_rotate_keys' LANGUAGE c VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION pg_catalog.cellenc_reencrypt(key text, rel regclass DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'cellenc_reencrypt' LANGUAGE c VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION pg_catalog.cellenc_set_rotation_policy(key text, every interval) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_set_rotation_policy' LANGUAGE c VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION pg_catalog.cellenc_pause(job bigint) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_pause' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION pg_catalog.cellenc_resume(job bigint) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_resume' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION pg_catalog.cellenc_cancel(job bigint) RETURNS void
AS 'MODULE_PATHNAME', 'cellenc_cancel' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE;

CREATE PROCEDURE pg_catalog.cellenc_wait(job bigint DEFAULT NULL, timeout interval DEFAULT NULL)
AS 'MODULE_PATHNAME', 'cellenc_wait' LANGUAGE c;

CREATE FUNCTION cellenc.columns_list(OUT relation regclass, OUT attname name, OUT type regtype,
	OUT key text, OUT search text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_columns_list' LANGUAGE c STABLE STRICT PARALLEL RESTRICTED;
REVOKE EXECUTE ON FUNCTION cellenc.columns_list() FROM PUBLIC;

-- values on the pages of an index, pivots and dead entries included
CREATE FUNCTION cellenc.index_versions(index regclass, OUT key text, OUT version integer,
	OUT n_values bigint) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_index_versions' LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED;
REVOKE EXECUTE ON FUNCTION cellenc.index_versions(regclass) FROM PUBLIC;

CREATE VIEW cellenc.columns AS SELECT * FROM cellenc.columns_list();

-- Parts of the work in blocks of the first pass, by the time they take: later
-- passes mostly read, and indexes are rebuilt without being read.
CREATE VIEW cellenc.jobs AS
SELECT j.job, j.kind,
	(SELECT k.name FROM cellenc.key k WHERE cardinality(j.keys) = 1 AND k.id = j.keys[1]) AS key,
	j.version, j.state,
	j.waiting_for || coalesce(' (' || date_trunc('second', clock_timestamp() - j.waiting_since) || ')', '')
		AS waiting_for,
	j.relation::regclass AS relation, j.relations_done, j.relations_total,
	least(j.blocks_done, j.blocks_total) AS blocks_done, j.blocks_total,
	j.values_done, j.bad_values,
	CASE WHEN j.state = 'done' THEN 100.0 ELSE least(round(100 * p.part, 1), 99.9) END AS percent,
	round(1000.0 * j.values_done / nullif(j.worked_ms, 0)) AS values_per_second,
	CASE WHEN j.finished_at IS NULL AND p.part > 0
		THEN make_interval(secs => round(j.worked_ms / 1000.0 * (1 - p.part) / p.part, 1)::double precision)
	END AS eta,
	j.started_at, j.finished_at, j.error
FROM cellenc.job j
CROSS JOIN LATERAL (SELECT CASE
	WHEN j.phase = 'barrier' THEN CASE WHEN j.pass = 1 THEN 0 ELSE j.blocks_total END
	WHEN j.phase = 'indexes' THEN 1.05 * j.blocks_total + 0.2 * least(j.index_blocks_done, j.index_blocks_total)
	WHEN j.pass = 1 THEN least(j.blocks_done, j.blocks_total)
	ELSE j.blocks_total + 0.05 * least(j.blocks_done, j.blocks_total)
	END / greatest(1.05 * j.blocks_total + 0.2 * j.index_blocks_total, 1) AS part) p;

-- compiling its queries takes longer than running them, some seconds
CREATE FUNCTION pg_catalog.cellenc_check(OUT severity text, OUT check_name text, OUT detail text, OUT hint text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_check' LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET jit = off;
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_check() FROM PUBLIC;

CREATE FUNCTION pg_catalog.cellenc_suggest_columns(sample boolean DEFAULT false, OUT relation regclass,
	OUT attname name, OUT type regtype, OUT reason text, OUT twin regtype, OUT search text, OUT ddl text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'cellenc_suggest_columns' LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off;	-- compiling the query takes longer than it runs
REVOKE EXECUTE ON FUNCTION pg_catalog.cellenc_suggest_columns(boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION cellenc.columns_list() TO pg_monitor;
GRANT SELECT ON cellenc.columns, cellenc.jobs TO pg_monitor;
