-- Jobs: what calls accept, who may make them, and what becomes of their work.
SELECT cellenc_create_key('jobs'), cellenc_create_key('jobs_other');

--
-- Versions on the pages of indexes
--
CREATE TABLE ji (id int, v enctext('jobs', 'order'), e enctext('jobs', 'equality'), a encint4('jobs', 'order')[]);
INSERT INTO ji SELECT i, 'value ' || i, 'value ' || i, ARRAY[i, i + 1] FROM generate_series(1, 2000) i;
CREATE INDEX ji_v ON ji (v, id);
CREATE INDEX ji_include ON ji (id) INCLUDE (v);
CREATE INDEX ji_term ON ji (e cellenc.enctext_term_ops);
CREATE INDEX ji_hash ON ji USING hash (e);
CREATE INDEX ji_array ON ji (a);
CREATE INDEX ji_empty ON ji (v) WHERE id < 0;
CREATE FUNCTION ji_versions() RETURNS TABLE (index name, version int) AS $$
	SELECT c.relname, v.version
	FROM pg_class c, cellenc.index_versions(c.oid) v WHERE c.relname ~ '^ji_' AND relkind = 'i'
	ORDER BY 1, 2 $$ LANGUAGE sql;
SELECT * FROM ji_versions();
SELECT cellenc_rotate_key('jobs', reencrypt => false);
-- pivots keep what they were made of
UPDATE ji SET v = v || '', e = e || '', a = a || 1;
VACUUM ji;
SELECT * FROM ji_versions();
REINDEX TABLE ji;
SELECT * FROM ji_versions();
SELECT * FROM cellenc.index_versions('ji');

--
-- Queueing, pausing, resuming, cancelling.  No worker is needed for that, and
-- none runs, because each transaction here is rolled back or ends with a job
-- that has ended or is paused.
--
CREATE ROLE jobs_manager;
CREATE ROLE jobs_nobody;
GRANT pg_monitor TO jobs_manager;
SELECT cellenc_grant_key('jobs', 'jobs_manager', 'manage');
CREATE VIEW last_job AS SELECT kind, key, version, state, waiting_for, percent, error
	FROM cellenc.jobs ORDER BY job DESC LIMIT 1;
GRANT SELECT ON last_job TO jobs_manager;
CREATE FUNCTION last_number() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT max(job) FROM cellenc.job';
CREATE TABLE jt (id int, v enctext('jobs'));
CREATE TABLE jp (id int, v enctext('jobs')) PARTITION BY RANGE (id);
CREATE TABLE jp_1 PARTITION OF jp FOR VALUES FROM (1) TO (10);
CREATE TABLE jplain (id int);
CREATE VIEW jview AS SELECT * FROM jt;
SET client_min_messages = warning;

-- arguments
SELECT cellenc_rotate_keys('{}');
SELECT cellenc_rotate_keys('{jobs,NULL}');
SELECT cellenc_rotate_keys('{jobs,missing}');
SELECT cellenc_reencrypt('missing');
SELECT cellenc_reencrypt(NULL);
SELECT cellenc_reencrypt('jobs', 'jplain');
SELECT cellenc_reencrypt('jobs', 'jview');
SELECT cellenc_reencrypt('jobs_other', 'jt');
SELECT cellenc_reencrypt('jobs', 0);
SELECT cellenc_pause(0), cellenc_resume(0), cellenc_cancel(0);

-- privileges: `manage` on each key
BEGIN;
SELECT cellenc_rotate_keys('{jobs_other,jobs,jobs}') > 0 AS queued;
SELECT * FROM last_job;
SET ROLE jobs_manager;
SAVEPOINT s;
SELECT cellenc_pause(last_number());
ROLLBACK TO s;
SELECT cellenc_rotate_keys('{jobs,jobs_other}');
ROLLBACK TO s;
SELECT cellenc_reencrypt('jobs_other');
ROLLBACK TO s;
SELECT cellenc_reencrypt('jobs') > 0 AS queued;
SELECT cellenc_pause(last_number());
SELECT * FROM last_job;
SET ROLE jobs_nobody;
SELECT cellenc_resume(last_number());
ROLLBACK TO s;
SELECT cellenc_cancel(last_number());
ROLLBACK TO s;
SET ROLE jobs_nobody;
SELECT cellenc_reencrypt('jobs');
ROLLBACK;

-- states
BEGIN;
SELECT cellenc_reencrypt(key => 'jobs', rel => 'jp') > 0 AS queued;
SELECT * FROM last_job;
SELECT cellenc_pause(job => last_number());
SELECT cellenc_pause(last_number());
SELECT * FROM last_job;
SELECT cellenc_resume(job => last_number());
SELECT cellenc_resume(last_number());
SELECT * FROM last_job;
SELECT cellenc_cancel(job => last_number());
SELECT * FROM last_job;
COMMIT;
-- 55000 and 38000; the messages have the number of the job
\set VERBOSITY sqlstate
SELECT cellenc_cancel(last_number());
SELECT cellenc_pause(last_number());
SELECT cellenc_resume(last_number());
CALL cellenc_wait(last_number());
\set VERBOSITY default
SELECT action, key, version, detail ~ '^job \d+$' AS of_job FROM cellenc.events
	WHERE key = 'jobs' AND action IN ('pause', 'resume', 'cancel', 'reencrypt') ORDER BY at;

-- a job of one relation leaves the others
INSERT INTO jt VALUES (1, 'one');
INSERT INTO jp VALUES (1, 'one');
SELECT cellenc_rotate_key('jobs', reencrypt => false);
SELECT cellenc_reencrypt('jobs', 'jp') > 0 AS queued;
CALL cellenc_wait(last_number());
SELECT (SELECT cellenc_key_version(v) FROM jt) AS jt, (SELECT cellenc_key_version(v) FROM jp) AS jp;
SELECT cellenc_rotate_keys('{jobs,jobs_other}') > 0 AS queued;
CALL cellenc_wait(last_number());
SELECT (SELECT cellenc_key_version(v) FROM jt) AS jt, (SELECT cellenc_key_version(v) FROM jp) AS jp;
SELECT * FROM last_job;
SELECT * FROM ji_versions();
RESET client_min_messages;

--
-- Policy
--
SELECT cellenc_set_rotation_policy(NULL, '1 year');
SELECT cellenc_set_rotation_policy('missing', '1 year');
SELECT cellenc_set_rotation_policy('jobs', '0');
SELECT cellenc_set_rotation_policy('jobs', '-1 day');
SELECT cellenc_set_rotation_policy(key => 'jobs', every => '1 year 2 days');
SELECT key, rotate_every, rotated_at + rotate_every = next_rotation AS fits
	FROM cellenc.keys WHERE key = 'jobs';
BEGIN;
SET ROLE jobs_manager;
SELECT cellenc_set_rotation_policy('jobs', NULL);
SELECT cellenc_set_rotation_policy('jobs_other', '1 year');
ROLLBACK;
SELECT cellenc_set_rotation_policy('jobs', NULL);
SELECT key, rotate_every, next_rotation FROM cellenc.keys WHERE key = 'jobs';
SELECT detail FROM cellenc.events WHERE action = 'policy' ORDER BY at;

--
-- Settings
--
SELECT name, setting, unit, context FROM pg_settings WHERE name LIKE 'cellenc.job%' ORDER BY 1;
ALTER SYSTEM SET cellenc.job_window = '22:00';
ALTER SYSTEM SET cellenc.job_window = '22:00-24:01';
ALTER SYSTEM SET cellenc.job_window = '24:00-05:00';
ALTER SYSTEM SET cellenc.job_window = '22:60-05:00';
ALTER SYSTEM SET cellenc.job_window = '22-05';
ALTER SYSTEM SET cellenc.job_window = '22:00-05:00Europe/Berlin';
ALTER SYSTEM SET cellenc.job_window = '22:00-22:00';
ALTER SYSTEM SET cellenc.job_window = '22:00-05:00 Europe/Nowhere';
ALTER SYSTEM SET cellenc.job_lag_standbys = 'a,';

-- when a window opens that is closed at that time; summer time begins on 2026-03-29 and ends on 2026-10-25
SET timezone = 'Europe/Berlin';
SELECT w, at::timestamptz, cellenc.window_opens(w, at::timestamptz) AS opens FROM (VALUES
	('22:00-05:00 Europe/Berlin', '2026-06-01 12:00'),
	('22:00-05:00 Europe/Berlin', '2026-06-01 21:59:59'),
	('22:00-05:00 Europe/Berlin', '2026-06-01 22:00'),
	('22:00-05:00 Europe/Berlin', '2026-06-01 04:59:59'),
	('22:00-05:00 Europe/Berlin', '2026-06-01 05:00'),
	(' 8:15 - 17:00  europe/berlin', '2026-06-01 17:00'),
	('08:15-17:00 Asia/Kathmandu', '2026-06-01 17:00'),
	('00:00-24:00 UTC', '2026-06-01 17:00'),
	('20:00-24:00 Europe/Berlin', '2026-12-31 00:00'),
	('02:30-05:00 Europe/Berlin', '2026-03-28 12:00'),
	('02:30-05:00 Europe/Berlin', '2026-03-29 01:59'),
	('02:10-02:50 Europe/Berlin', '2026-03-29 03:10'),
	('02:30-05:00 Europe/Berlin', '2026-10-25 01:00'),
	('02:30-05:00 Europe/Berlin', '2026-10-25 02:15+02'),
	('02:30-05:00 Europe/Berlin', '2026-10-25 02:15+01')) t (w, at);
RESET timezone;
