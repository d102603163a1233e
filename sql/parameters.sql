--
-- Parameters: one seal for each that is stored, in custom and in generic plans;
-- and sealed text is refused as literals are
--
SELECT cellenc_create_key('parameters');
CREATE TABLE parameters (id integer, v enctext('parameters'), n encint8('parameters', 'equality'));
PREPARE ins (integer, enctext, encint8) AS INSERT INTO parameters VALUES ($1, $2, $3);
PREPARE upd (enctext, integer) AS UPDATE parameters SET v = $1 WHERE id = $2;
\set counts 'SELECT sealed - :sealed0 AS sealed, opened - :opened0 AS opened FROM cellenc.codec_counts();'

SET plan_cache_mode = force_generic_plan;
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
EXECUTE ins(1, lower('ONE'), 2 - 1);
:counts
EXECUTE ins(2, NULL, NULL);
:counts
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
EXECUTE upd(lower('TWO'), 2);
:counts

SET plan_cache_mode = force_custom_plan;
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
EXECUTE ins(3, lower('ONE'), 2 - 1);
:counts
EXECUTE ins(4, NULL, NULL);
:counts
SELECT sealed AS sealed0, opened AS opened0 FROM cellenc.codec_counts() \gset
EXECUTE upd(lower('TWO'), 2);
:counts
RESET plan_cache_mode;

-- from PL/pgSQL
DO $$
DECLARE
	x enctext('parameters') := lower('X');
	t text := 'text';
BEGIN
	EXECUTE 'INSERT INTO parameters (id, v) VALUES (5, $1)' USING t;
	EXECUTE 'INSERT INTO parameters (id, v) VALUES (6, $1)' USING x;
END
$$;
SELECT id, v, n, cellenc_key_name(v), cellenc_key_name(n) FROM parameters ORDER BY id;
DEALLOCATE ins;
DEALLOCATE upd;
-- sealed text, as a parameter or an expression
INSERT INTO parameters (v) SELECT 'cellenc:1:c2VjcmV0'::text;
PREPARE ins (text) AS INSERT INTO parameters (v) VALUES ($1);
EXECUTE ins('cellenc:1:c2VjcmV0');
DEALLOCATE ins;
SELECT count(*) FROM parameters WHERE v LIKE 'cellenc:%';
DROP TABLE parameters;
