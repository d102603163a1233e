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
