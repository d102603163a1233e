#
# Keys move safely: master keys are replaced and lost nothing by a crash, and
# bundles and dumps carry keys and values between servers.
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
use Time::HiRes qw(usleep);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $phrase = 'correct horse battery staple';

sub random_hex { return join '', map { sprintf '%02x', int rand 256 } 1 .. 32 }

my %a_keys = (default => random_hex(), second => random_hex(), transfer => random_hex());
my %b_keys = (default => random_hex());

# A file of master keys, by name; values that are no hexadecimal are lines' ends.
sub write_keys
{
	my ($path, %keys) = @_;

	unlink $path;
	open my $file, '>', $path or die "could not write $path: $!";
	chmod 0600, $path;
	print $file "$_ = " . ($keys{$_} =~ /^[0-9a-f]{64}$/ ? 'hex:' : '') . "$keys{$_}\n"
	  foreach sort keys %keys;
	close $file;
	return $path;
}

my $a_file = write_keys("$dir/a.keys", %a_keys, phrase => "passphrase:$phrase");
my $b_file = write_keys("$dir/b.keys", %b_keys);
# nothing is loaded that was not asked for
my $conf = "cellenc.master_key_prefetch = off\n";
my $a = start_node('site_a', master_key => $a_file, conf => $conf);
my $b = start_node('site_b', master_key => $b_file, conf => $conf);

# What a query prints, sealed.
sub sealed
{
	my ($node, $db, $query) = @_;
	return join "\n", sealed_values($node, $db, $query);
}

sub wrapped_under
{
	my ($node, $db) = @_;
	return $node->safe_psql($db,
		'SELECT DISTINCT m.name FROM cellenc.key_wrap w JOIN cellenc.master_key m ON m.id = w.master_key ORDER BY 1');
}

$a->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii'), cellenc_create_key('pay');
	CREATE TABLE people (id integer PRIMARY KEY, name enctext('pii', 'equality'), born encdate('pii'), pay encnumeric('pay', 'order'));
	CREATE INDEX ON people USING hash (name);
	CREATE INDEX ON people (pay);
	INSERT INTO people VALUES (1, 'Zoë', '2000-01-02', 100.50);
	SELECT cellenc_rotate_key('pii', reencrypt => false);
	INSERT INTO people SELECT i, 'person ' || i, '1970-01-01'::date + i, i FROM generate_series(2, 500) i});
my $all_rows = 'SELECT md5(string_agg(concat(id, name::text, born::date, pay::numeric), chr(10) ORDER BY id)) FROM people';
my $expected = $a->safe_psql('postgres', $all_rows);
my $stored = sealed($a, 'postgres', 'SELECT name FROM people ORDER BY id');

#
# What is lost by a crash: a transaction that did not commit, and nothing else
#
my $session = $a->background_psql('postgres');
$session->query_safe("SET client_min_messages = warning; BEGIN; SELECT cellenc_rotate_master_key('second')");
crash_and_start($a);
eval { $session->quit };
is(wrapped_under($a, 'postgres'), 'default', 'crash before commit: the old master key wraps all');
sql_is($a, 'postgres', $all_rows, $expected, 'crash before commit: values are readable');

$a->safe_psql('postgres', "SELECT cellenc_rotate_master_key('second')");
crash_and_start($a);
is(wrapped_under($a, 'postgres'), 'second', 'crash after commit: the new master key wraps all');
write_keys($a_file, second => $a_keys{second});
$a->restart;
sql_is($a, 'postgres', $all_rows, $expected, 'without the old master key: values are readable');
is(sealed($a, 'postgres', 'SELECT name FROM people ORDER BY id'), $stored, 'no value was written anew');

my $rotations_file = "$dir/rotations.sql";
append_to_file($rotations_file,
	join('', map { "SELECT cellenc_rotate_master_key('$_');\n" } ('default', 'second') x 200));

# Killed at any moment, the keys are under one of the two, and it alone opens all.
foreach my $round (1 .. 4)
{
	write_keys($a_file, %a_keys);
	my $before = $a->safe_psql('postgres', 'SELECT count(*) FROM cellenc.events');
	my $run = IPC::Run::start([ 'psql', '-Xq', '-f', $rotations_file, $a->connstr('postgres') ],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');

	$a->poll_query_until('postgres', "SELECT count(*) > $before + 2 FROM cellenc.events")
	  or die 'no rotation of master keys';
	usleep(rand 200_000);
	crash_and_start($a);
	$run->finish;

	my $master = wrapped_under($a, 'postgres');
	like($master, qr/^(default|second)$/, "killed, round $round: one master key wraps all");
	write_keys($a_file, $master => $a_keys{$master});
	$a->restart;
	sql_is($a, 'postgres', $all_rows, $expected, "killed, round $round: it opens all values");
}

# The wrong one opens nothing and says so; the right one is found when it comes
my $master = wrapped_under($a, 'postgres');
write_keys($a_file, $master => random_hex());
$a->restart;
sql_fails($a, 'postgres', $all_rows, qr/28000: master key "$master" is wrong/, 'wrong master key');
sql_fails($a, 'postgres', "SELECT cellenc_rotate_master_key('other')", qr/58000|28000/, 'no other one without it');
sql_fails($a, 'postgres', "SELECT cellenc_export_keys('$master')", qr/28000/, 'no bundle without it');
write_keys($a_file, unrelated => random_hex());
$a->restart;
sql_fails($a, 'postgres', $all_rows, qr/58000: could not load master key "$master"/, 'no master key');
write_keys($a_file, %a_keys, phrase => "passphrase:$phrase");
sql_is($a, 'postgres', $all_rows, $expected, 'the master key is back');

#
# File and command, passphrase and random key
#
my $command_key = random_hex();
$a->append_conf('postgresql.conf', "cellenc.master_key_command = 'test %k = vault && echo $command_key'");
$a->reload;
foreach my $name ('phrase', 'vault', 'default')
{
	my ($rc, $out, $err) = $a->psql('postgres', "SELECT cellenc_rotate_master_key('$name')",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	is($rc, 0, "rotated to $name");
	like($err, qr/NOTICE:.*DETAIL:.*other databases.*standbys.*after [0-9A-F]+\/[0-9A-F]+.*backups/s,
		"rotated to $name: who needs the old one");
	is(wrapped_under($a, 'postgres'), $name, "$name wraps all");
	$a->restart;
	sql_is($a, 'postgres', $all_rows, $expected, "$name opens all");
}
# one of several is enough
$a->safe_psql('postgres',
	"SELECT cellenc_add_master_key('vault'); SELECT cellenc_rotate_master_key('vault', 'pay')");
write_keys($a_file, phrase => "passphrase:$phrase");
$a->restart;
sql_is($a, 'postgres', $all_rows, $expected, 'one of two master keys is enough');
write_keys($a_file, %a_keys, phrase => "passphrase:$phrase");
$a->append_conf('postgresql.conf', "cellenc.master_key_command = ''");
$a->restart;
sql_is($a, 'postgres', 'SELECT count(name::text) FROM people', 500, 'the other one will do, too');
sql_fails($a, 'postgres', 'SELECT count(pay::text) FROM people', qr/58000: could not load master key "vault"/,
	'a key under its own master key needs that');
$a->append_conf('postgresql.conf', "cellenc.master_key_command = 'test %k = vault && echo $command_key'");
$a->restart;
$a->safe_psql('postgres', "SELECT cellenc_rotate_master_key('default')");
sql_is($a, 'postgres', $all_rows, $expected, 'back under one');

#
# Sessions go on meanwhile: each look-up of a wrap finds its master key
#
{
	my $script = "$dir/read.sql";
	append_to_file($script, "SELECT name FROM people WHERE name = 'person 77';\nUPDATE people SET born = '1999-09-09' WHERE id = 1;\n");
	my ($out, $err) = ('', '');
	my $bench = IPC::Run::start(
		[ 'pgbench', '-n', '-C', '-c', '2', '-t', '100', '-f', $script, '-h', $a->host, '-p', $a->port, 'postgres' ],
		'>', \$out, '2>', \$err);
	my $rotations = 0;
	while ($bench->pumpable && $rotations < 1000)
	{
		$a->safe_psql('postgres', "SELECT cellenc_rotate_master_key('$_')") foreach 'second', 'default';
		$rotations += 2;
		$bench->pump_nb;
	}
	ok($bench->finish, 'no statement fails while master keys are replaced') or diag($err);
	like($out, qr/transactions actually processed: 200\/200/, 'all of them ran');
	ok($rotations > 2, "master keys were replaced $rotations times meanwhile");
	$a->safe_psql('postgres', "UPDATE people SET born = '2000-01-02' WHERE id = 1");
}

#
# Bundles, and a reader that knows the format alone
#
sub write_bundle
{
	my ($master_key) = @_;
	my $path = "$dir/$master_key.bundle";

	unlink $path;
	append_to_file($path, $a->safe_psql('postgres', "SELECT cellenc_export_keys('$master_key')") . "\n");
	return $path;
}

sub run_reader
{
	my ($bundle, $key_text, @values) = @_;
	my ($out, $err) = ('', '');
	my $key_file = "$dir/reader.key";

	unlink $key_file;
	append_to_file($key_file, "$key_text\n");
	IPC::Run::run([ 'python3', '-B', "$FindBin::RealBin/../format/open.py", $bundle, $key_file, @values ],
		'>', \$out, '2>', \$err);
	return $out . $err;
}

my %bundles = map { $_ => write_bundle($_) } 'default', 'transfer', 'phrase';
SKIP:
{
	skip 'no python3 here', 6 unless IPC::Run::run([ 'python3', '-c', '' ], '>', '/dev/null', '2>', '/dev/null');

	my $name = sealed($a, 'postgres', 'SELECT name FROM people WHERE id = 1');
	my $born = sealed($a, 'postgres', 'SELECT born FROM people WHERE id = 2');
	my $versions = "search key current\n"
	  . "pay 1 current numeric\npii 1 decrypt_only date,text\npii 2 current date,text\n";
	# the days since 2000-01-01, in this machine's byte order
	my $days = unpack 'H*', pack 'l', -10955;
	my $repr = unpack('C', pack('S', 1)) == 1 ? 6 : 0x86;

	is(run_reader($bundles{transfer}, "hex:$a_keys{transfer}", "$name:text/$repr", "$born:date/$repr"),
		$versions . "5a6fc3ab\n$days\n", 'an independent reader opens bundle and values');
	is(run_reader($bundles{phrase}, "passphrase:$phrase", "$name:text/$repr"), $versions . "5a6fc3ab\n",
		'also with a passphrase');
	like(run_reader($bundles{transfer}, "hex:$a_keys{default}"), qr/^refused: wrong master key/,
		'but not with another master key');
	like(run_reader($bundles{transfer}, "hex:$a_keys{transfer}", "$name:date/$repr"), qr/^.*refused: authentication failed/s,
		'nor a value as one of another type');
	my $altered = "$dir/altered.bundle";
	my $text = slurp_file($bundles{transfer});
	substr($text, -40, 1) =~ tr/A-Za-z/B-ZAb-za/ or substr($text, -40, 1) = 'A';
	append_to_file($altered, $text);
	like(run_reader($altered, "hex:$a_keys{transfer}"), qr/^refused: authentication failed/, 'nor an altered one');
	sql_fails($a, 'postgres', "SELECT cellenc_import_keys(pg_read_file('$altered'))",
		qr/XX001: bundle of keys failed authentication/, 'which the server refuses, too');
}

#
# To another site, which calls its master key "default" as well
#
sub import_sql { return "SELECT cellenc_import_keys(pg_read_file('$bundles{$_[0]}'))" }

sql_fails($b, 'postgres', import_sql('default'),
	qr/28000: bundle of keys is wrapped under another master key "default"/, 'bundle of another site');
sql_fails($b, 'postgres', import_sql('transfer'),
	qr/58000: could not find the master key of the bundle.*"transfer".*HINT:/s, 'bundle without its master key');
write_keys($b_file, %b_keys, 'site-a' => $a_keys{default}, moving => $a_keys{transfer}, words => "passphrase:$phrase");
$b->safe_psql('postgres', 'CREATE DATABASE crashed; CREATE DATABASE other; CREATE DATABASE dump');
$b->safe_psql($_, 'CREATE EXTENSION cellenc') foreach 'crashed', 'other';

$session = $b->background_psql('crashed');
$session->query_safe('BEGIN; ' . import_sql('default'));
crash_and_start($b);
eval { $session->quit };
sql_is($b, 'crashed', 'SELECT count(*) FROM cellenc.key_version v JOIN cellenc.key k ON k.id = v.key WHERE name_hash >= 0',
	0, 'crash in an import: nothing of it is there');

sql_is($b, 'crashed', import_sql('phrase'), 3, 'imported with a passphrase of another name');
sql_is($b, 'other', import_sql('transfer'), 3, 'imported with a master key of another name');
sql_is($b, 'postgres', import_sql('default'), 3, 'imported though both sites call theirs "default"');
sql_is($b, 'postgres', import_sql('phrase'), 0, 'all bundles are of the same keys');
is(wrapped_under($b, 'postgres'), 'default', 'the keys are wrapped under the master key of this site');
sql_is($b, 'postgres', 'SELECT key, version, state FROM cellenc.key_versions ORDER BY 1, 2',
	"pay|1|current\npii|1|decrypt_only\npii|2|current", 'versions and states');

# values, as a role that may not decrypt would dump them
{
	local $ENV{PGOPTIONS} = '-c cellenc.output=sealed';
	$a->command_ok([ 'pg_dump', '-t', 'people', '-f', "$dir/people.sql", $a->connstr('postgres') ], 'sealed dump');
}
unlike(slurp_file("$dir/people.sql"), qr/person 77/, 'a sealed dump has no plaintext');
{
	local $ENV{PGOPTIONS} = '-c cellenc.input=sealed';
	$b->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/people.sql", $b->connstr('postgres') ], 'restored');
}
# only what the bundle brought is needed here
write_keys($b_file, %b_keys);
$b->restart;
sql_is($b, 'postgres', $all_rows, $expected, 'values moved');
is(sealed($b, 'postgres', 'SELECT name FROM people ORDER BY id'),
	sealed($a, 'postgres', 'SELECT name FROM people ORDER BY id'), 'as they were stored');
sql_is($b, 'postgres', "SET enable_seqscan = off; SELECT id FROM people WHERE name = 'Zoë'", 1,
	'found by hash: the search key came, too');

# a dump has the keys, wrapped by a "default" that is not the one here
$a->command_ok([ 'pg_dump', '-f', "$dir/all.sql", $a->connstr('postgres') ], 'plain dump');
$b->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/all.sql", $b->connstr('dump') ], 'restored')
  if write_keys($b_file, %b_keys, 'site-a' => $a_keys{default});
sql_is($b, 'dump', $all_rows, $expected, 'dump: opened by the master key that matches, whatever its name');
sql_is($b, 'dump', "SELECT name, count(*) FROM cellenc.master_key GROUP BY 1", 'default|2', 'dump: two of one name');
sql_is($b, 'dump', "SELECT cellenc_rotate_key('pii', reencrypt => false)", 3, 'dump: keys are rotated');
$b->safe_psql('dump', "SELECT cellenc_rotate_master_key('default')");
write_keys($b_file, %b_keys);
$b->restart;
sql_is($b, 'dump', $all_rows, $expected, 'dump: the master key of this site is enough from now on');
sql_is($b, 'dump', "SELECT count(*) FROM cellenc.master_key", 1, 'dump: the other one is forgotten');

$a->stop;
$b->stop;
done_testing();
