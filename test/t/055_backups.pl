#
# Every recipe of doc/backup.md, run as it stands there; and what must not
# happen: a value encrypted twice, lost, or read by a role without the key.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The named recipes of the page, and their languages.
sub read_recipes
{
	my $page = slurp_file("$FindBin::RealBin/../../doc/backup.md");
	my %found;

	while ($page =~ /^<!-- recipe: (.*?) -->\n```(\w+)\n(.*?)^```$/msg)
	{
		die "two recipes \"$1\"" if $found{$1};
		$found{$1} = { language => $2, text => $3 };
	}
	return %found;
}

my %recipes = read_recipes();
my %unused = map { $_ => 1 } keys %recipes;

my $master_key = make_master_key();
my $other_key = make_master_key();
my %options = (allows_streaming => 1, has_archiving => 1);
my $source = start_node('source', master_key => $master_key, %options);
my $tempdir = PostgreSQL::Test::Utils::tempdir();

sub recipe
{
	my ($name) = @_;

	delete $unused{$name};
	return $recipes{$name}->{text} // die "no recipe \"$name\"";
}

# Run a recipe for the shell in a folder of its own; its output is empty if it
# succeeded.
sub run_recipe
{
	my ($name, $target, %more) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $output = '';

	local $ENV{SOURCE} = $source->connstr($name eq 'script' ? 'later' : 'shop');
	local $ENV{SOURCE_SERVER} = $source->connstr;
	local $ENV{TARGET} = $target;
	local @ENV{ keys %more } = values %more;
	my $ok = IPC::Run::run(
		[ 'bash', '-euo', 'pipefail', '-c', "cd '$folder'\n" . recipe($name) ],
		'<', \undef, '>', \(my $stdout), '2>', \$output);
	return ($ok ? '' : "failed: $output", $stdout, $folder);
}

#
# A database with something of everything
#
my $encrypted = q{
	name enctext('pii') DEFAULT 'nobody', mail enctext('pii', 'equality'), salary encnumeric('pay', 'order') DEFAULT 100.50,
	born encdate('pii', 'order'), seen enctimestamptz('pii'), notes encjsonb('pii')[], photo encbytea('pii'),
	token encuuid('pii', 'equality'), active encbool('pii'), host encinet('pii'), mood public.encmood('pii')
};
$source->safe_psql('postgres', 'CREATE ROLE clerk LOGIN; CREATE DATABASE shop TEMPLATE template0');
$source->safe_psql(
	'shop', qq{
	CREATE EXTENSION cellenc;
	SELECT cellenc_create_key('pii'), cellenc_create_key('pay');
	SELECT cellenc_grant_key('pii', 'clerk'), cellenc_grant_key('pay', 'clerk', 'encrypt');
	CREATE TYPE mood AS ENUM ('sad', 'happy');
	SELECT cellenc_create_type('encmood', 'mood');
	CREATE SCHEMA accounts;
	CREATE SCHEMA zoo;
	CREATE TABLE accounts.logins (id integer PRIMARY KEY, $encrypted);
	CREATE UNIQUE INDEX ON accounts.logins (mail cellenc.enctext_term_ops);
	CREATE INDEX ON accounts.logins (salary);
	CREATE INDEX ON accounts.logins USING hash (token);
	CREATE DOMAIN phone AS enctext('pii') CHECK (VALUE::text LIKE '+%');
	CREATE TYPE address AS (street enctext('pii'), zip encint4('pii'));
	CREATE TABLE people (id integer PRIMARY KEY, phone phone, homes address[], $encrypted);
	CREATE INDEX ON people (born);
	CREATE TABLE zoo.visits (day encdate('pii', 'order'), who enctext('pii', 'equality')) PARTITION BY RANGE (day);
	CREATE TABLE zoo.visits_1 PARTITION OF zoo.visits FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
	CREATE TABLE zoo.visits_2 PARTITION OF zoo.visits FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
	CREATE VIEW rich AS SELECT id, name, 'rich'::enctext AS label FROM people WHERE salary > 1000;
	CREATE MATERIALIZED VIEW mailing AS SELECT mail, name FROM accounts.logins WHERE active;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk
});
foreach my $table ('accounts.logins (id', q{people (phone, homes, id})
{
	my $first = $table =~ /people/ ? "'+' || i, ARRAY[ROW('Straße ' || i, i)::address]," : '';
	$source->safe_psql(
		'shop', qq{
		INSERT INTO $table, name, mail, salary, born, seen, notes, photo, token, active, host, mood)
		SELECT $first i, 'Zoë \\ "' || i || E'"\\t\\nольга', i || '\@example.org', i * 10.50, date '1950-01-01' + i,
			timestamptz '2000-01-01 00:00+00' + i * interval '1 hour', ARRAY[jsonb_build_object('n', i), NULL],
			decode(repeat('00ff', i % 40), 'hex'), md5(i::text)::uuid, i % 3 = 0, '10.0.0.0'::inet + i, 'happy'
		FROM generate_series(1, 300) i});
}
$source->safe_psql(
	'shop', q{
	INSERT INTO accounts.logins (id) VALUES (1001);
	INSERT INTO people (id, name) VALUES (1001, ''), (1002, NULL), (1003, repeat('long ', 100000));
	INSERT INTO zoo.visits SELECT date '2019-06-01' + i, 'visitor ' || i FROM generate_series(1, 400) i;
	REFRESH MATERIALIZED VIEW mailing;
	SELECT cellenc_rotate_key('pii', reencrypt => false);
	UPDATE people SET name = name || '!' WHERE id % 2 = 0});
$source->safe_psql('shop', recipe('sealed role'));

# A hash of every value, through nothing but base types.
my $contents = q{
	SELECT md5(string_agg(r, '|' ORDER BY r)) FROM (
		SELECT 'l' || row(id, name::text, mail::text, salary::numeric, born::date, seen::timestamptz, notes::jsonb[], photo::bytea,
			token::uuid, active::boolean, host::inet, mood::mood)::text FROM accounts.logins
		UNION ALL SELECT 'p' || row(id, phone::text, (homes[1]).street::text, (homes[1]).zip::integer, name::text, mail::text,
			salary::numeric, born::date, seen::timestamptz, notes::jsonb[], photo::bytea, token::uuid, active::boolean,
			host::inet, mood::mood)::text FROM people
		UNION ALL SELECT tableoid::regclass || row(day::date, who::text)::text FROM zoo.visits
		UNION ALL SELECT 'r' || row(id, name::text, label::text)::text FROM rich
		UNION ALL SELECT 'm' || row(mail::text, name::text)::text FROM mailing) v(r)
};
my $expected = $source->safe_psql('shop', $contents);

#
# What each restored database must be
#
my $count = 0;

sub create_target
{
	my ($server) = @_;
	my $db = 'target' . ++$count;

	$server->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	return $db;
}

sub check_restored
{
	my ($server, $db, $name, $hash_of) = @_;

	$hash_of //= $contents;
	is($server->safe_psql($db, $hash_of), $source->safe_psql('shop', $hash_of), "$name: every value is what it was");
	my ($failed, $out) = run_recipe('check', $server->connstr($db));
	is($failed, '', "$name: the check runs");
	like($out // q(), qr{\(0 rows\)}, "$name: it finds no value that does not open");
}

sub check_used
{
	my ($server, $db, $name) = @_;

	sql_is($server, $db, q{
		SET enable_seqscan = off;
		SELECT (SELECT count(*) FROM accounts.logins WHERE mail = '7@example.org'),
			(SELECT id FROM accounts.logins WHERE token = md5('9')::uuid),
			(SELECT count(*) FROM accounts.logins WHERE salary > 3000),
			(SELECT count(*) FROM zoo.visits WHERE day = '2020-01-01')},
		'1|9|15|1', "$name: indexes and partitions find what is there");
	sql_fails($server, $db, "INSERT INTO accounts.logins (id, mail) VALUES (5000, '7\@example.org')",
		qr/23505: duplicate key value/, "$name: the unique index holds");
	sql_is($server, $db, "INSERT INTO people (id) VALUES (6000) RETURNING name, salary", 'nobody|100.50', "$name: defaults");
	sql_is($server, $db, "SELECT cellenc_rotate_key('pii')", 3, "$name: the key can be rotated")
	  unless $name =~ /other keys/;
	$server->safe_psql($db, 'CALL cellenc_wait()');
	sql_is($server, $db, 'SELECT count(DISTINCT cellenc_key_version(name)) FROM people', 1,
		"$name: all values are under one version");
}

#
# Dumps
#
my $same = init_node('same', master_key => $master_key);
$same->start;
my $roles = "$tempdir/roles.sql";
$source->command_ok([ 'pg_dumpall', '--roles-only', '-f', $roles ], 'roles are dumped');

# initdb has made one of the roles already
sub restore_roles
{
	my ($server) = @_;

	IPC::Run::run([ 'psql', '-Xq', '-f', $roles, $server->connstr('postgres') ], '>', '/dev/null', '2>', '/dev/null');
}
restore_roles($same);

foreach my $name ('custom', 'directory', 'inserts', 'schema first', 'sealed', 'sealed script', 'sealed parallel')
{
	my $db = create_target($same);
	my ($failed) = run_recipe($name, $same->connstr($db));

	is($failed, '', "$name: runs");
	$same->safe_psql($db, 'REFRESH MATERIALIZED VIEW mailing') if $name eq 'schema first';
	check_restored($same, $db, $name);
	sql_is($same, $db, "SELECT cellenc_has_key_privilege('clerk', 'pii', 'decrypt'), "
		  . "cellenc_has_key_privilege('clerk', 'pay', 'decrypt')", 't|f', "$name: grants arrived");
	check_used($same, $db, $name);
}

# A script, where keys come first by their schema's name
$source->safe_psql('postgres', 'CREATE DATABASE later TEMPLATE shop');
$source->safe_psql('later', 'ALTER SCHEMA accounts RENAME TO shop');
{
	my $db = create_target($same);
	my ($failed) = run_recipe('script', $same->connstr($db));

	is($failed, '', 'script: runs');
	$same->safe_psql($db, 'ALTER SCHEMA shop RENAME TO accounts');
	check_restored($same, $db, 'script');
	check_used($same, $db, 'script');
}

# One table
{
	my $db = create_target($same);

	$same->safe_psql($db, q{CREATE EXTENSION cellenc; CREATE TYPE mood AS ENUM ('sad', 'happy');
		SELECT cellenc_create_type('encmood', 'mood')});
	my ($failed) = run_recipe('table', $same->connstr($db));
	is($failed, '', 'table: runs');
	check_restored($same, $db, 'table',
		q{SELECT md5(string_agg(row(id, mail::text, mood::mood)::text, '|' ORDER BY id)) FROM accounts.logins});
}

# Another master key, none of whose owners has the first
my $foreign = init_node('foreign', master_key => $other_key);
$foreign->start;
restore_roles($foreign);
{
	my $db = create_target($foreign);
	my ($failed) = run_recipe('other keys', $foreign->connstr($db));

	is($failed, '', 'other keys: runs');
	check_restored($foreign, $db, 'other keys');
	check_used($foreign, $db, 'other keys');
	isnt($foreign->safe_psql($db, 'SELECT version_id FROM cellenc.key_version LIMIT 1'),
		$source->safe_psql('shop', 'SELECT version_id FROM cellenc.key_version LIMIT 1'), 'other keys: they are other keys');
}

#
# What must not happen
#
my $dump = "$tempdir/sealed.sql";
my @as_backup = ('-U', 'backup');

$source->command_fails_like([ 'psql', '-X', @as_backup, '-d', 'shop', '-c', 'SELECT name::text FROM people LIMIT 1' ],
	qr/permission denied for key "pii"/, 'the backup role cannot read a value');
{
	local $ENV{PGOPTIONS} = '-c cellenc.output=plain';
	$source->command_fails_like([ 'pg_dump', @as_backup, '-d', 'shop', '-t', 'people' ],
		qr/permission denied for key "p(ii|ay)"/, 'nor dump one in plain');
}
$source->command_ok([ 'pg_dump', @as_backup, '-d', 'shop', '-f', $dump ], 'it dumps sealed values');
unlike(slurp_file($dump), qr/example\.org|Straße|long long/, 'and there is none in plain in the dump');

{
	my $db = create_target($same);

	command_fails_like([ 'psql', '-Xq1', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $same->connstr($db) ],
		qr/ERROR: .*sealed.*HINT: .*cellenc\.input/s, 'sealed text that arrives in plain mode is refused, with a hint');
	is($same->safe_psql($db, "SELECT count(*) FROM pg_namespace WHERE nspname = 'cellenc'"), 0, 'and nothing is left of it');
}

sub restore_sealed
{
	my ($file, $target, $name) = @_;
	local $ENV{PGOPTIONS} = '-c cellenc.input=sealed';

	command_ok([ 'psql', '-Xq1', '-v', 'ON_ERROR_STOP=1', '-f', $file, $target ], $name);
}

# Again, into a database that was used meanwhile
{
	my $db = create_target($same);
	my $rows = "$tempdir/rows.sql";

	restore_sealed($dump, $same->connstr($db), 'restored once');
	$same->safe_psql($db, "SELECT cellenc_rotate_key('pii'); SELECT cellenc_create_key('mine'); CALL cellenc_wait()");
	$same->safe_psql($db, 'TRUNCATE people, accounts.logins, zoo.visits');
	$source->command_ok([ 'pg_dump', @as_backup, '--data-only', '-d', 'shop', '-f', $rows ], 'rows are dumped');
	restore_sealed($rows, $same->connstr($db), 'and restored a second time');
	$same->safe_psql($db, 'REFRESH MATERIALIZED VIEW mailing');
	check_restored($same, $db, 'second time');
	is($same->safe_psql($db, "SELECT string_agg(version || ' ' || state, ', ' ORDER BY version) FROM cellenc.key_versions WHERE key = 'pii'"),
		'1 decrypt_only, 2 decrypt_only, 3 current', 'second time: versions and states are those of the target');
	is($same->safe_psql($db, "SELECT cellenc_rotate_key('pii')"), 4, 'second time: the key can be rotated');
	$same->safe_psql($db, 'CALL cellenc_wait()');
	is($same->safe_psql($db, 'SELECT string_agg(DISTINCT cellenc_key_version(name)::text, $$,$$) FROM people'), 4,
		'second time: old values came under the new version');
}

# Sealed, where the master key is missing
{
	my $db = create_target($foreign);
	local $ENV{PGOPTIONS} = '-c cellenc.input=sealed';

	command_fails_like([ 'psql', '-Xq1', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $foreign->connstr($db) ],
		qr/ERROR: .*master key "default"/s, 'a sealed dump needs the master key at the first index');
}
# ... until the server has that one too, under any name
{
	my ($first) = slurp_file($master_key) =~ /(\w+)/;
	my ($second) = slurp_file($other_key) =~ /(\w+)/;
	my $db = create_target($foreign);

	open my $file, '>', $other_key or die;
	print $file "default = hex:$second\nold = hex:$first\n";
	close $file;
	$foreign->restart;
	restore_sealed($dump, $foreign->connstr($db),
		'a sealed dump, where another server\'s master key has been added under another name');
	check_restored($foreign, $db, 'two master keys');
	$foreign->safe_psql($db, "SELECT cellenc_rotate_master_key('default')");
	open $file, '>', $other_key or die;
	print $file "default = hex:$second\n";
	close $file;
	$foreign->restart;
	check_restored($foreign, $db, 'two master keys, and one again');
	check_used($foreign, $db, 'two master keys, and one again');
}

#
# Physical backups
#
my ($failed, undef, $folder) = run_recipe('base backup', '');
is($failed, '', 'base backup: runs');
is_deeply([ files_with("$folder/backup", 'visitor 7') ], [], 'base backup: no plaintext in it');

# ... and recovery into the middle of a rotation
$source->backup('before');
$source->safe_psql('shop', q{
	CREATE TABLE big (id integer PRIMARY KEY, v enctext('pii'), h text) WITH (fillfactor = 50);
	INSERT INTO big SELECT i, 'big ' || i, md5('big ' || i) FROM generate_series(1, 20000) i});
$source->safe_psql('shop', "SELECT cellenc_rotate_key('pii')");
$source->poll_query_until('shop',
	"SELECT sum(values_done) > 0 OR bool_and(state = 'done') FROM cellenc.jobs WHERE version = 3")
  or die 'the rotation does not begin';
$source->safe_psql('postgres', "SELECT pg_create_restore_point('in the middle')");
my $in_the_middle = $source->safe_psql('shop', 'SELECT count(*) FROM big WHERE cellenc_key_version(v) = 3');
$source->safe_psql('shop', 'CALL cellenc_wait()');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');

my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($source, 'before', has_restoring => 1, standby => 0);
$recovered->append_conf('postgresql.conf', qq{
recovery_target_name = 'in the middle'
recovery_target_action = 'promote'
archive_mode = off
});
$recovered->start;
$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
note("$in_the_middle values of 20000 were under the new version soon after the restore point");
is($recovered->safe_psql('shop', 'SELECT count(*) FROM big WHERE md5(v::text) = h'), 20000,
	'recovered into a rotation: every value is readable');
$recovered->safe_psql('shop', 'CALL cellenc_wait()');
is($recovered->safe_psql('shop', "SELECT string_agg(DISTINCT state, ',') FROM cellenc.jobs"), 'done',
	'recovered into a rotation: the job goes on there and ends');
is($recovered->safe_psql('shop', 'SELECT count(*) FROM big WHERE cellenc_key_version(v) = 3 AND md5(v::text) = h'), 20000,
	'recovered into a rotation: every value is under the new version');
is($recovered->safe_psql('shop', $contents), $expected, 'recovered into a rotation: all else is what it was');

is(join(', ', sort keys %unused), '', 'every recipe of the page was run');
$_->stop foreach ($source, $same, $foreign, $recovered);
done_testing();
