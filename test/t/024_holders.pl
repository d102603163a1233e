#
# Rotation treats everything that can hold a value, and nothing else: one key,
# one job, and one of each kind of relation, column, index and guard.
#
# The values are compared with copies as plain text, the versions are counted
# by reading them, and at the end the files of the database are searched for
# the old versions' ids.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main', conf => "max_prepared_transactions = 5\nautovacuum = off\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

my $have_amcheck = query("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
query('CREATE EXTENSION amcheck') if $have_amcheck;

#
# What holds values.  Every table has a column id, and every value of table t
# is a function of the table, the column and id: see view holder.
#

query(<<'EOS');
SELECT cellenc_create_key('pii'), cellenc_create_key('other');
CREATE ROLE keyless;
GRANT CREATE ON SCHEMA public TO keyless;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE elsewhere LOCATION '';

CREATE TYPE pair AS (n int, v enctext('pii'));
CREATE TYPE padded AS (padding text, v enctext('pii'));
CREATE DOMAIN word AS enctext('pii') CHECK (length(VALUE) > 0);
CREATE DOMAIN narrower AS word;
CREATE DOMAIN words AS narrower[];
CREATE DOMAIN pair_domain AS pair;
CREATE TYPE deep AS (w narrower, p pair, ps pair_domain[], ws words, gone text);
CREATE DOMAIN deep_domain AS deep;

-- several columns, of two keys, and every kind of index
CREATE TABLE wide (
	id int PRIMARY KEY, e enctext('pii', 'equality'), o encint4('pii', 'order'), n encnumeric('pii'), k enctext('other'),
	tags text[], area int4range, at timestamptz, plain text, gone enctext('pii'),
	hidden boolean GENERATED ALWAYS AS (e IS NULL) STORED, copy enctext('pii') GENERATED ALWAYS AS (e) STORED,
	doubled int GENERATED ALWAYS AS (id * 2) STORED,
	EXCLUDE USING gist (area WITH &&), EXCLUDE (o WITH OPERATOR(cellenc.=)), UNIQUE (o) DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX ON wide (o DESC);
CREATE INDEX ON wide USING hash (e);
CREATE UNIQUE INDEX ON wide (e cellenc.enctext_term_ops);
CREATE INDEX ON wide (id) INCLUDE (e, n);
CREATE INDEX ON wide (o, plain) WHERE n IS NOT NULL;
CREATE INDEX ON wide USING gin (tags);
CREATE INDEX ON wide USING gist (area);
CREATE INDEX ON wide USING brin (at);
CREATE INDEX ON wide (coalesce(o, o));
CREATE UNIQUE INDEX wide_unique ON wide (o);
CREATE FUNCTION own(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 % 7; END';
CREATE INDEX ON wide (own(id)) WHERE own(id) > 2;
INSERT INTO wide SELECT i, 'e' || i, i, i, 'k' || i, ARRAY['t' || i], int4range(i, i + 1), now(), 'p' || i, 'gone' || i
FROM generate_series(1, 600) i;
ALTER TABLE wide DROP COLUMN gone;

-- short tuples: columns that were added later
CREATE TABLE grown (id int, e enctext('pii'));
INSERT INTO grown SELECT i, 'e' || i FROM generate_series(1, 300) i;
ALTER TABLE grown ADD COLUMN plain text DEFAULT 'fast', ADD COLUMN later enctext('pii');
INSERT INTO grown SELECT i, 'e' || i, 'slow', 'l' || i FROM generate_series(301, 600) i;
ALTER TABLE grown ADD COLUMN last int DEFAULT 7;
-- encrypted columns with a default, whatever is around them
CREATE TABLE filled (id int);
INSERT INTO filled SELECT generate_series(1, 100);
ALTER TABLE filled ADD COLUMN d1 enctext('pii') DEFAULT 'd1', ADD COLUMN d2 narrower DEFAULT 'd2',
	ADD COLUMN d3 enctext('pii')[] DEFAULT '{d3,d3}', ADD COLUMN d4 pair DEFAULT '(4,d4)', ADD COLUMN d5 words DEFAULT '{d5}';

-- partitions
CREATE TABLE tree (id int, e enctext('pii', 'equality'), extra text) PARTITION BY RANGE (id);
CREATE TABLE leaf_1 PARTITION OF tree FOR VALUES FROM (0) TO (200);
CREATE TABLE branch PARTITION OF tree FOR VALUES FROM (200) TO (400) PARTITION BY HASH (e);
CREATE TABLE leaf_2 PARTITION OF branch FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE leaf_3 (dropped int, extra text, e enctext('pii', 'equality'), id int);
ALTER TABLE leaf_3 DROP COLUMN dropped;
ALTER TABLE branch ATTACH PARTITION leaf_3 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE leaf_4 PARTITION OF tree DEFAULT TABLESPACE elsewhere;
CREATE INDEX ON tree USING hash (e);
INSERT INTO tree SELECT i, 'e' || i, 'x' FROM generate_series(1, 600) i;
CREATE TABLE detached PARTITION OF tree FOR VALUES FROM (1000) TO (1100);
INSERT INTO tree SELECT i, 'e' || i, 'x' FROM generate_series(1000, 1099) i;

-- inheritance
CREATE TABLE parent (id int, e enctext('pii'));
CREATE TABLE child (more encint8('pii')) INHERITS (parent);
INSERT INTO parent SELECT i, 'e' || i FROM generate_series(1, 50) i;
INSERT INTO child SELECT i, 'e' || i, i FROM generate_series(51, 100) i;

CREATE UNLOGGED TABLE logless (id int, e enctext('pii')) TABLESPACE elsewhere;
INSERT INTO logless SELECT i, 'e' || i FROM generate_series(1, 100) i;
CREATE MATERIALIZED VIEW shown AS SELECT id, e FROM wide;
CREATE UNIQUE INDEX ON shown (id);
CREATE UNIQUE INDEX ON shown (e cellenc.enctext_term_ops);

-- nested
CREATE TABLE nested (id int, a enctext('pii')[], a2 enctext('pii')[], c pair, ca pair[], d narrower, da narrower[], ws words,
	dd deep_domain, dda deep_domain[], r wide);
INSERT INTO nested SELECT i, ARRAY['a' || i, NULL, 'b' || i], ARRAY[ARRAY['a' || i], ARRAY['c' || i]], ROW(i, 'c' || i)::pair,
	ARRAY[ROW(i, 'x' || i)::pair, NULL, ROW(NULL, NULL)::pair], 'd' || i, ARRAY['d1' || i, 'd2' || i], ARRAY['w' || i],
	ROW('w' || i, ROW(i, 'p' || i), ARRAY[ROW(1, 'q' || i)::pair], ARRAY['v' || i, NULL], 'gone')::deep,
	ARRAY[ROW('w' || i, NULL, NULL, '{}', NULL)::deep, NULL], w
FROM wide w JOIN generate_series(1, 100) i ON i = w.id;
INSERT INTO nested (id) VALUES (101);
INSERT INTO nested VALUES (102, '{}', '{}', ROW(NULL, NULL), '{}', NULL, '{NULL}', '{}', ROW(NULL, NULL, NULL, NULL, NULL)::deep, '{}', NULL);
ALTER TYPE pair ADD ATTRIBUTE late enctext('pii');
ALTER TYPE deep DROP ATTRIBUTE gone;
INSERT INTO nested (id, c, ca) VALUES (103, ROW(1, 'c103', 'late'), ARRAY[ROW(1, 'y', 'later')::pair]);

-- out of line, in several chunks or one, and compressed with what is around it
CREATE TABLE toasted (id int, long enctext('pii'), one enctext('pii'), packed padded, packed_long padded, untouched text);
ALTER TABLE toasted ALTER untouched SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT i, (SELECT string_agg(md5(g::text), '') FROM generate_series(i, i + 200) g), repeat('o', 1990),
	ROW(repeat('x', 4000), 'p' || i)::padded, ROW((SELECT string_agg(md5(g::text), '') FROM generate_series(i, i + 300) g), 'q' || i)::padded,
	repeat('u', 5000)
FROM generate_series(1, 60) i;

-- referenced and referring
CREATE TABLE target (id int, o encint4('pii', 'order') PRIMARY KEY, e enctext('pii', 'equality'));
CREATE UNIQUE INDEX target_e ON target (e cellenc.enctext_term_ops);
CREATE TABLE referring (id int, o encint4('pii', 'order') REFERENCES target ON UPDATE CASCADE, e enctext('pii', 'equality') REFERENCES target (e));
INSERT INTO target SELECT i, i, 'e' || i FROM generate_series(1, 100) i;
INSERT INTO referring SELECT id, o, e FROM target;

-- values of another key, and none at all: not touched
CREATE TABLE foreign_key (id int, k enctext('other'));
INSERT INTO foreign_key SELECT i, 'k' || i FROM generate_series(1, 100) i;
CREATE TABLE empty_values (id int, e enctext('pii'));
INSERT INTO empty_values SELECT i FROM generate_series(1, 100) i;

-- a foreign table
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE abroad (id int, e enctext('pii')) SERVER nowhere;
EOS

#
# What an UPDATE would fire, ask or be refused by
#

query(<<'EOS');
CREATE TABLE audit (what text);
CREATE TABLE guarded (id int, e enctext('pii'), updated_at timestamptz DEFAULT 'epoch', version int DEFAULT 1);
INSERT INTO guarded SELECT i, 'e' || i FROM generate_series(1, 100) i;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	NEW.updated_at := now(); NEW.version := OLD.version + 1;
	INSERT INTO audit VALUES ('touch'); RETURN NEW; END $$;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired by %', TG_WHEN; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER refuse_row AFTER UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse_statement BEFORE UPDATE ON guarded FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE CONSTRAINT TRIGGER refuse_later AFTER UPDATE ON guarded DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE guarded ENABLE ALWAYS TRIGGER touch, ENABLE ALWAYS TRIGGER refuse_row,
	ENABLE ALWAYS TRIGGER refuse_statement, ENABLE ALWAYS TRIGGER refuse_later;
CREATE RULE log AS ON UPDATE TO guarded DO ALSO INSERT INTO audit VALUES ('rule');
CREATE FUNCTION never(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'checked'; END $$;
ALTER TABLE guarded ADD CHECK (never(e)) NOT VALID, ADD CHECK (id < 0) NOT VALID;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON guarded USING (never(e));
CREATE INDEX ON guarded (version);
ALTER TABLE guarded OWNER TO keyless;

-- an owner without rights, whose function tries all ways to a value while his index is kept
CREATE TABLE spied (id int, e enctext('pii', 'equality'), o encint4('pii', 'order'));
INSERT INTO spied SELECT i, 'secret' || i, i FROM generate_series(1, 20) i;
CREATE TABLE loot (id int, how text, result text);
CREATE TABLE later (id int);
CREATE FUNCTION take_later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO loot SELECT NEW.id, 'deferred', e::text FROM spied LIMIT 1; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER take_later AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION take_later();
CREATE FUNCTION try_all(int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	way text;
	found text;
BEGIN
	FOREACH way IN ARRAY ARRAY[
		'SELECT e::text FROM spied LIMIT 1', 'SELECT count(*)::text FROM spied WHERE e = ''secret1''',
		'SELECT id::text FROM spied WHERE o < 2', 'SELECT max(o)::text FROM spied', 'SELECT (s.*)::text FROM spied s LIMIT 1',
		'SELECT json_agg(s)::text FROM spied s', 'SELECT count(DISTINCT e)::text FROM spied',
		'SELECT count(*)::text FROM spied a JOIN spied b ON a.o < b.o',
		'INSERT INTO later VALUES (1) RETURNING 1::text', 'SET LOCAL ROLE postgres', 'RESET ROLE', 'RESET SESSION AUTHORIZATION',
		'SELECT set_config(''cellenc.output'', ''sealed'', true)', 'SELECT cellenc_grant_key(''pii'', ''keyless'')::text',
		'CREATE TEMP TABLE stolen AS SELECT * FROM spied', 'SELECT set_config(''session_replication_role'', ''replica'', true)',
		'SELECT set_config(''lock_timeout'', ''77'', false)', 'SELECT set_config(''search_path'', ''public'', false)']
	LOOP
		BEGIN
			EXECUTE way INTO found;
			INSERT INTO loot VALUES ($1, way, found);
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO loot VALUES ($1, way, 'ERROR: ' || SQLERRM);
		END;
	END LOOP;
	INSERT INTO loot VALUES ($1, 'who', current_user || ' with ' || current_setting('search_path'));
	RETURN $1;
END $$;
CREATE FUNCTION spy(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.try_all($1); END';
ALTER FUNCTION try_all(int) SET search_path = public;
ALTER FUNCTION take_later() SET search_path = public;
CREATE INDEX ON spied (o);
CREATE INDEX ON spied USING hash (e);
ALTER TABLE spied OWNER TO keyless;
ALTER TABLE loot OWNER TO keyless;
ALTER TABLE later OWNER TO keyless;
CREATE INDEX ON spied ((public.spy(id)));
-- calls with constants are made where an expression is read, before any row;
-- also by a superuser's queries, so there is none of this table
CREATE SCHEMA bait;
CREATE TABLE bait.spied (id int, e enctext('pii', 'equality'));
CREATE INDEX ON bait.spied USING hash (e);
INSERT INTO bait.spied SELECT i, 'secret' || i FROM generate_series(1, 20) i;
ALTER TABLE bait.spied OWNER TO keyless;
CREATE INDEX ON bait.spied ((id + public.spy(-1))) WHERE id + public.spy(-2) < 0;
TRUNCATE loot;
EOS

# What each table holds, as plain text without the encrypted types.
query(<<'EOS');
CREATE FUNCTION holders() RETURNS SETOF regclass LANGUAGE sql AS $$
	SELECT oid::regclass FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm')
	AND EXISTS (SELECT FROM cellenc.columns WHERE relation = c.oid) $$;
CREATE FUNCTION content(rel regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN
	RETURN QUERY EXECUTE format('SELECT t::text FROM ONLY %s t ORDER BY id', rel); END $$;
CREATE TABLE control AS SELECT rel, md5(string_agg(c, E'\n')) AS content, count(*) AS n
	FROM holders() rel, content(rel) c GROUP BY rel;
EOS

# Versions of all values of key pii, wherever they are.
query(<<'EOS');
CREATE FUNCTION versions(OUT rel regclass, OUT version int, OUT n bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	place record;
BEGIN
	FOR place IN SELECT * FROM (VALUES
		('wide', 'e'), ('wide', 'o'), ('wide', 'n'), ('wide', 'copy'), ('grown', 'e'), ('grown', 'later'), ('filled', 'd1'),
		('filled', 'd2'), ('filled', 'unnest(d3)'), ('filled', '(d4).v'), ('filled', 'unnest(d5)'),
		('tree', 'e'), ('detached', 'e'), ('parent', 'e'), ('child', 'more'), ('logless', 'e'), ('shown', 'e'),
		('nested', 'unnest(a)'), ('nested', 'unnest(a2)'), ('nested', '(c).v'), ('nested', '(c).late'),
		('nested, unnest(ca) x', '(x).v'), ('nested, unnest(ca) x', '(x).late'), ('nested', 'd'), ('nested', 'unnest(da)'),
		('nested', 'unnest(ws)'), ('nested', '(dd).w'), ('nested', '((dd).p).v'), ('nested, unnest((dd).ps) x', '(x).v'),
		('nested', 'unnest((dd).ws)'), ('nested, unnest(dda) x', '(x).w'),
		('nested', '(r).e'), ('nested', '(r).o'), ('nested', '(r).n'), ('nested', '(r).copy'),
		('toasted', 'long'), ('toasted', 'one'), ('toasted', '(packed).v'), ('toasted', '(packed_long).v'),
		('target', 'o'), ('target', 'e'), ('referring', 'o'), ('referring', 'e'), ('guarded', 'e'), ('spied', 'e'), ('spied', 'o'))
		AS t (relation, expression)
	LOOP
		RETURN QUERY EXECUTE format('SELECT %L::regclass, cellenc_key_version(v), count(*) FROM (SELECT %s AS v FROM %s) s'
			' WHERE v IS NOT NULL GROUP BY 2', split_part(place.relation, ',', 1), place.expression, place.relation);
	END LOOP;
END $$;
EOS

# Updates that the statistics count, per relation; how many rows are in which
# of the hash partitions depends on the search key.
sub updates
{
	return query(<<'EOS');
SELECT string_agg(name || ' ' || n, ',' ORDER BY name COLLATE "C") FROM (
	SELECT CASE WHEN relname IN ('leaf_2', 'leaf_3') THEN 'branch' ELSE relname::text END AS name,
		sum(pg_stat_get_tuples_updated(relid)) AS n
	FROM pg_stat_all_tables WHERE schemaname = 'public' GROUP BY 1) s WHERE n > 0
EOS
}

sub is_under
{
	my ($version, $name) = @_;
	is(query('SELECT string_agg(DISTINCT version::text, \',\') FROM versions()'), $version, "$name: versions");
	is(query('SELECT count(*) FROM versions() WHERE n > 0'), '46', "$name: places");
}

sub is_intact
{
	my ($name) = @_;
	is( query('SELECT count(*), sum((content = now)::int) FROM control,'
			  . " LATERAL (SELECT md5(string_agg(c, E'\\n')) AS now FROM content(rel) c) s"),
		query('SELECT count(*), count(*) FROM control'), "$name: values are as they were");
	return unless $have_amcheck;
	is( query("SELECT string_agg(DISTINCT rel || ': ' || msg, ',') FROM holders() rel, LATERAL verify_heapam(rel)"),
		'', "$name: heaps are well");
	# amcheck compares with the rights of the owner
	query('SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid'
		  . " JOIN pg_am a ON a.oid = c.relam WHERE amname = 'btree' AND c.relkind = 'i' AND indrelid IN (SELECT holders())"
		  . " AND (indrelid <> 'spied'::regclass OR cellenc_has_key_privilege('keyless', 'pii', 'decrypt'))");
	pass("$name: btree indexes are well");
}

sub indexed
{
	my ($sql, $expected, $name) = @_;
	my $settings = 'SET enable_seqscan = off; SET enable_sort = off;';
	like(query("$settings EXPLAIN $sql"), qr/Index|Bitmap/, "$name: uses an index");
	is(query("$settings $sql"), $expected, $name);
}

#
# Rotation
#

is_under('1', 'before');
my @old_ids = map { pack('N', $_) }
  split /\n/, query("SELECT version_id FROM cellenc.key_version WHERE key = (SELECT id FROM cellenc.key WHERE name = 'pii')");
my $xmins = "SELECT md5(string_agg(xmin::text, ',' ORDER BY id)) FROM";
my %untouched = map { $_ => query("$xmins $_") } qw(foreign_key empty_values);
my $log_start = -s $node->logfile;

my $temporary = $node->background_psql('postgres');
$temporary->query_safe("CREATE TEMP TABLE mine (id int, e enctext('pii')); INSERT INTO mine SELECT i, 'mine' || i FROM generate_series(1, 5) i");
query('CHECKPOINT; SELECT pg_stat_reset()');
query("SELECT cellenc_rotate_key('pii');");
query("CALL cellenc_wait(timeout => '5 min')");
is( query('SELECT state, bad_values, error FROM cellenc.jobs'), 'done|0|1 indexes could not be rebuilt; see the server log',
	'the job is done, but for the index of an exclusion constraint');
is_under('2', 'after');
is_intact('after');
is( query('SELECT DISTINCT cellenc_key_version(k) FROM wide'), '1', 'values of the other key are left alone');
is(query("$xmins $_"), $untouched{$_}, "rows of $_ are left alone") foreach sort keys %untouched;

# one new row for each that holds a value
ok( $node->poll_query_until('postgres', "SELECT pg_stat_get_tuples_updated('wide'::regclass) >= 600"),
	'statistics have arrived');
is(updates(), 'branch 200,child 50,detached 100,filled 100,grown 600,guarded 100,leaf_1 199,leaf_4 201,logless 100,'
	  . 'nested 101,parent 50,referring 100,shown 600,spied 20,target 100,toasted 60,wide 600', 'one new row for each');

is( query('SELECT count(*) FROM guarded WHERE updated_at = \'epoch\' AND version = 1'), '100', 'no trigger changed a row');
is(query('SELECT count(*) FROM audit'), '0', 'neither trigger nor rule ran');
is( query("SELECT count(*) FROM pg_attribute WHERE atthasmissing AND attrelid IN (SELECT relation FROM cellenc.columns)"
		  . ' AND (attrelid, attname) IN (SELECT relation, attname FROM cellenc.columns)'),
	'0', 'no encrypted column has a fast default');
is(query('SELECT count(*) FROM pg_attribute WHERE atthasmissing AND attrelid = \'grown\'::regclass'),
	'2', 'but plain columns beside them have');

# what the spy learnt
is( query("SELECT string_agg(DISTINCT result, ',') FROM loot WHERE how = 'who'"), 'keyless with public',
	'functions of indexes run as the owner');
is(query('SELECT count(DISTINCT id) FROM loot WHERE id < 0'), '2', 'also those of constants');
is( query("SELECT how, result FROM loot WHERE result ~ 'secret' OR result !~ '^ERROR:|cellenc:1:' AND how !~ '^(who|RESET|SELECT set_config|INSERT)'"),
	'', 'and learn no value');
cmp_ok(query("SELECT count(*) FROM loot WHERE result ~ 'permission denied for key \"pii\"'"), '>=', 20 * 7,
	'but that they may not');

query('DROP SCHEMA bait CASCADE');

# indexes
indexed('SELECT id FROM wide WHERE o = 77', '77', 'btree by order');
indexed("SELECT id FROM wide WHERE e = 'e77'", '77', 'by term');
indexed('SELECT string_agg(id::text, \',\') FROM (SELECT id FROM wide ORDER BY o DESC LIMIT 3) s', '600,599,598', 'order');
indexed("SELECT id FROM wide WHERE tags @> '{t77}'", '77', 'gin');
indexed("SELECT id FROM wide WHERE area && '[77,78)'", '77', 'gist');
indexed('SELECT count(*) FROM wide WHERE at > \'epoch\'', '600', 'brin');
indexed('SELECT count(*) FROM wide WHERE own(id) = 3 AND own(id) > 2', '86', 'function');
indexed("SELECT id FROM tree WHERE e = 'e250'", '250', 'hash index of a partition');
indexed('SELECT id FROM referring WHERE EXISTS (SELECT FROM target WHERE target.o = referring.o AND target.o = 7)', '7', 'foreign key');
is( query('SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*), count(DISTINCT cellenc_key_version(e)) FROM (SELECT e FROM wide WHERE id BETWEEN 1 AND 100) s'),
	'100|1', 'included columns');
foreach my $duplicate ("INSERT INTO wide (id, o) VALUES (1000, 5)", "INSERT INTO wide (id, e) VALUES (1000, 'e5')",
	"INSERT INTO wide (id, area) VALUES (1000, '[5,6)')", "INSERT INTO target (id, o) VALUES (1000, 5)",
	"INSERT INTO referring (id, o) VALUES (1000, 1000)", "DELETE FROM target WHERE id = 7")
{
	sql_fails($node, 'postgres', $duplicate, qr/23505|23P01|23503/, "still refused: $duplicate");
}
query("UPDATE wide SET o = -id; UPDATE wide SET o = id; UPDATE target SET o = 1000 WHERE o = 7; UPDATE target SET o = 7 WHERE o = 1000;");
is(query('SELECT id FROM referring WHERE o = 7'), '7', 'foreign key cascades');

# what was not touched is readable, and reported
is($temporary->query_safe("SELECT string_agg(e, ','), min(cellenc_key_version(e)) FROM mine"),
	'mine1,mine2,mine3,mine4,mine5|1', 'temporary table of another session');
my $log = slurp_file($node->logfile, $log_start);
like($log, qr/LOG:  job \d+ leaves out foreign table "public\.abroad"/, 'a foreign table is reported');
like($log, qr/LOG:  job \d+ leaves out temporary table "pg_temp_\d+\.mine"/, 'a temporary table is reported');
$temporary->quit;

#
# Partitions that come and go, and rows that move, while the job is under way.
# Its steps are taken here.
#

$node->append_conf('postgresql.conf', 'cellenc.job_workers = 0');
$node->reload;
query(<<'EOS');
CREATE PROCEDURE run_job(until regclass DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	number bigint := max(job) FROM cellenc.job;
	result text;
BEGIN
	FOR step IN 1 .. 10000 LOOP
		result := cellenc.job_step(number);
		COMMIT;
		EXIT WHEN result IN ('done', 'failed');
		IF until IS NOT NULL AND EXISTS (SELECT FROM cellenc.job WHERE job = number AND relation >= until AND next_block = end_block) THEN
			EXIT;
		END IF;
		IF result = 'wait' THEN
			PERFORM pg_sleep(0.01);
		END IF;
	END LOOP;
END $$;
-- made in this order, so treated in this order
CREATE TABLE p (id int, part int, e enctext('pii')) PARTITION BY LIST (part);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
CREATE TABLE p3 (id int, part int, e enctext('pii'));
CREATE TABLE p4 PARTITION OF p FOR VALUES IN (4);
INSERT INTO p SELECT i, CASE WHEN i > 200 THEN 4 ELSE 1 + i % 2 END, 'e' || i FROM generate_series(1, 300) i;
INSERT INTO p3 SELECT i, 3, 'e' || i FROM generate_series(301, 400) i;
EOS
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cellenc worker'"),
	'no worker runs');
query("SELECT cellenc_rotate_key('pii');");
query("CALL run_job('p1')");
is(query('SELECT DISTINCT cellenc_key_version(e) FROM p1'), '3', 'the first partition is treated');
is(query('SELECT DISTINCT cellenc_key_version(e) FROM p4'), '2', 'the last one is not');
query(<<'EOS');
-- into the partition that is treated, with the old bytes
UPDATE p SET part = 1 WHERE part = 4 AND id % 10 = 0;
ALTER TABLE p DETACH PARTITION p2;
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES IN (3);
CREATE TABLE p5 PARTITION OF p FOR VALUES IN (5);
INSERT INTO p VALUES (500, 5, 'e500');
UPDATE p SET part = 5 WHERE part = 4 AND id % 10 = 1;
EOS
is(query('SELECT count(*) FROM p1 WHERE cellenc_key_version(e) = 2'), '10', 'old bytes were moved');
query('CALL run_job()');
is(query('SELECT state FROM cellenc.jobs ORDER BY job DESC LIMIT 1'), 'done', 'the job is done');
is( query('SELECT string_agg(DISTINCT cellenc_key_version(e)::text, \',\'), count(*), sum((e = \'e\' || id)::int)'
		  . ' FROM (SELECT id, e FROM p UNION ALL SELECT id, e FROM p2) s'),
	'3|401|401', 'partitions that came, went, and got rows');
is_under('3', 'steps');
is_intact('steps');

#
# Nothing is left of the old versions, not in any file
#

push @old_ids, map { pack('N', $_) }
  split /\n/, query("SELECT version_id FROM cellenc.key_version v JOIN cellenc.key k ON v.key = k.id WHERE name = 'pii' AND version = 2");
is(scalar @old_ids, 2, 'two old versions');
my $base = $node->data_dir . '/base';
my $database = query('SELECT oid FROM pg_database WHERE datname = current_database()');
# PostgreSQL builds indexes with the owner's rights
query("SELECT cellenc_grant_key('pii', 'keyless', 'decrypt')");
query('VACUUM FULL');
query('CHECKPOINT');
foreach my $id (@old_ids)
{
	# format 1 or 2 and the version's id, as a stored value begins
	is_deeply([ map { files_with("$base/$database", "$_$id") } "\1", "\2" ], [], 'no file holds a value under an old version');
}
my ($new) = map { pack('N', $_) }
  query("SELECT version_id FROM cellenc.key_version v JOIN cellenc.key k ON v.key = k.id WHERE name = 'pii' AND version = 3");
cmp_ok(scalar(map { files_with("$base/$database", "$_$new") } "\1", "\2"), '>', 20, 'but many under the new one');
is_intact('VACUUM FULL');

unlike(slurp_file($node->logfile), qr/TRAP|PANIC|leak/, 'nothing bad in the log');
$node->stop;
done_testing();
