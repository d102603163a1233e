#
# Master keys: where they may come from, what is refused and with which words,
# what a reload and a restart do, and that the server goes on after each.
#
use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use IPC::Run ();
use POSIX qw(mkfifo sysconf _SC_PAGESIZE);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $hex = join '', map { sprintf '%02x', $_ } 0 .. 31;
my $other_hex = 'ff' x 32;
my $dir = abs_path(PostgreSQL::Test::Utils::tempdir());
my $file = "$dir/keys";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cellenc'\nmax_locks_per_transaction = 256\n"
	  . "include_if_exists = 'cellenc_test.conf'\n");

# The settings of cellenc from the next start or reload on.
sub configure
{
	my %settings = @_;
	my $text = '';

	foreach my $name (sort keys %settings)
	{
		my $value = $settings{$name} =~ s/'/''/gr;
		$text .= "cellenc.$name = '$value'\n";
	}
	write_file($node->data_dir . '/cellenc_test.conf', $text);
}

sub write_file
{
	my ($path, $content, $mode) = @_;

	unlink $path;
	open my $handle, '>:raw', $path or die "could not write $path: $!";
	print $handle $content;
	close $handle or die "could not write $path: $!";
	chmod $mode // 0600, $path;
}

# What a statement in a session of its own prints, or its error.
sub run_sql
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $rc == 0 ? $out : $err;
}

sub start_sql
{
	my ($sql) = @_;
	my %session = (out => '');
	$session{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', '/dev/null', '>&', \$session{out});
	return \%session;
}

sub log_size { return -s $node->logfile; }

# Reload, and wait until the loader says what it is expected to say.
sub reload_and_wait
{
	my ($pattern) = @_;
	my $offset = log_size();
	$node->reload;
	eval { $node->wait_for_log($pattern, $offset); 1 }
	  or diag("no $pattern in the log");
	return slurp_file($node->logfile, $offset);
}

# The encrypted table can be read, which needs master key "default".
sub is_readable
{
	my ($name) = @_;
	is(run_sql('SELECT v FROM secrets ORDER BY id'), "first\nsecond", $name);
}

sub is_refused
{
	my ($pattern, $name) = @_;
	like(run_sql('SELECT v FROM secrets'), $pattern, $name);
	is(run_sql('SELECT 1'), '1', "server goes on: $name");
}

sub status_of
{
	my ($key) = @_;
	return run_sql("SELECT source, status, loaded_at IS NOT NULL, last_error"
		  . " FROM cellenc.master_keys WHERE name = '$key'");
}

# Processes of commands sleep for this time, to be found by it.
my $nap = 40000 + $$;

sub no_naps
{
	my ($name) = @_;
	my ($out, $err);
	IPC::Run::run([ 'pgrep', '-fx', "sleep $nap" ], '>', \$out, '2>', \$err);
	is($out, '', "nothing left: $name");
}

sub not_loaded
{
	my ($reason) = @_;
	return qr/58000: could not load master key "default"\nDETAIL:  [^\n]*$reason/;
}

#
# No key at all, then one that arrives.
#
configure(master_key_file => $file);
$node->start;
my $error = run_sql('CREATE EXTENSION cellenc');
like($error, not_loaded('cellenc.master_key_file: could not access file: No such file'),
	'no key: error says how it failed');
like($error, qr/HINT:[^\n]*openssl rand -hex 32 > FILE; chmod 600 FILE/,
	'no key: hint says how to make one');
like($error, qr/HINT:[^\n]*cellenc\.master_key_file/, 'no key: hint names the setting');

write_file($file, "$hex\n");
is(run_sql('CREATE EXTENSION cellenc'), '', 'the key has arrived, without a reload');
is(status_of('default'), 'file|ok|t|', 'and is shown as loaded');
run_sql(q{
	SELECT cellenc_create_key('k1');
	CREATE TABLE secrets (id int, v enctext('k1'));
	INSERT INTO secrets VALUES (1, 'first'), (2, 'second');});
is_readable('data can be written and read');

#
# Reload: keys are added, never exchanged.
#
write_file($file, "default = hex:$other_hex\n");
like(reload_and_wait(qr/differs/),
	qr/WARNING:  master key "default" from cellenc.master_key_file differs from the loaded one, which is kept/,
	'changed key: warned by name');
is_readable('changed key: the loaded one is kept');
is(status_of('default'), 'file|ok|t|provided key differs from the loaded one, which is kept',
	'changed key: shown');

write_file($file, "# comment\r\n\r\ndefault = hex:$hex\r\nadded = base64:"
	  . 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' . "\r\n");
like(reload_and_wait(qr/loaded master key/),
	qr/LOG:  loaded master key "added" from cellenc.master_key_file/, 'key added by reload');
is(status_of('default'), 'file|ok|t|', 'nothing differs any more');
is(status_of('added'), 'file|ok|t|', 'added key is loaded');
is(run_sql("SELECT cellenc_create_key('k2', 'added')"), '1', 'added key can be used');

write_file($file, "added = hex:$hex\n");
like(reload_and_wait(qr/no longer/),
	qr/WARNING:  master key "default" is no longer provided by cellenc.master_key_file/,
	'removed key: warned by name');
is_readable('removed key: the loaded one is kept');

write_file($file, "default = hex:$hex\nadded = passphrase:MARKERmarker \n");
like(reload_and_wait(qr/could not load master keys/),
	qr/DETAIL:  cellenc.master_key_file: line 2: passphrase ends with a blank\.\n/,
	'broken file: line and reason are logged');
is_readable('broken file: loaded keys are kept');
like(status_of('default'), qr/^file\|ok\|t\|.*line 2/, 'broken file: shown');

#
# A wrong key is told before anything is read or written, and can be mended.
#
write_file($file, $other_hex);
$node->restart;
is_refused(qr/28000: master key "default" is wrong/, 'wrong key');
like(run_sql("INSERT INTO secrets VALUES (3, 'third')"),
	qr/28000: master key "default" is wrong/, 'wrong key: nothing is written');
like(run_sql("SELECT cellenc_rotate_key('k1')"), qr/28000/, 'wrong key: no rotation');
is(run_sql('SELECT count(*) FROM secrets'), '2', 'wrong key: no row is there');
is(status_of('default'), 'file|wrong|t|', 'wrong key: shown');
write_file($file, $hex);
like(reload_and_wait(qr/replaced/), qr/LOG:  replaced master key "default"/,
	'wrong key: replaced on reload');
is_readable('wrong key: mended');

#
# Files that are not read.
#
my @bad_files = (
	[ 'empty file', '', 0600, 'contains no key' ],
	[ 'file of comments', "# default\n", 0600, 'contains no key' ],
	[ 'readable by all', $hex, 0644, 'file has group or world access' ],
	[ 'readable by the group', $hex, 0640, 'file has group or world access' ],
	[ 'unreadable', $hex, 0000, 'could not open file: Permission denied' ],
	[ 'another key', "other = hex:$other_hex\n", 0600, 'contains no key of this name' ],
	[ 'broken key', "default = hex:MARKER\n", 0600, 'line 1: "hex:" is not followed' ],
	[ 'invalid encoding', "default = passphrase:MARKER\xff\n", 0600, 'line 1: invalid UTF-8' ],
	[ 'bad name', "Default = hex:$hex\n", 0600, 'line 1: name of the key' ],
	[ 'name twice', "default = hex:$hex\ndefault = hex:$hex\n", 0600,
		'line 2: name of the key appears a second time' ],
	[ 'short passphrase', "default = passphrase:MARKERmarke\n", 0600,
		'line 1: passphrase has fewer than 12 characters' ],
	[ 'short passphrase after NFKC', "default = passphrase:MARKERMA" . "e\xcc\x81" x 3 . "\n",
		0600, 'line 1: passphrase has fewer than 12 characters' ],
	[ 'large file', "#\n" x 32769, 0600, 'file is larger than 65536 bytes' ],
);
write_file($file, '');
$node->restart;
foreach my $case (@bad_files)
{
	my ($name, $content, $mode, $reason) = @$case;
	# root reads what nobody may read; the tests do not run as root
	write_file($file, $content, $mode);
	is_refused(not_loaded("cellenc.master_key_file: \Q$reason"), $name);
}
unlink $file;
mkfifo($file, 0600);
is_refused(not_loaded('not a regular file'), 'FIFO');
unlink $file;

my $inside = $node->data_dir . '/master.key';
write_file($inside, $hex);
symlink $inside, $file;
is_refused(not_loaded('file is in the data directory'), 'link into the data directory');
configure(master_key_file => 'master.key');
$node->restart;
is_refused(not_loaded('file is in the data directory'), 'file in the data directory');
unlink $file, $inside;

configure();
$node->restart;
is_refused(not_loaded('Neither cellenc.master_key_file nor cellenc.master_key_command is set'),
	'nothing is set');

#
# The name is a hint only: the check value tells which key it is.
#
write_file($file, "default = hex:$other_hex\nfrom-elsewhere = hex:$hex\n");
configure(master_key_file => $file, master_key_prefetch => 'off');
$node->restart;
is_readable('another name, while another key is called "default"');
is(status_of('default'), 'file|ok|t|', 'another name: the one called "default" is not shown as wrong');
is(status_of('from-elsewhere'), 'file|ok|t|', 'another name: shown');
write_file($file, "from-elsewhere = hex:$hex\n");
$node->restart;
is_readable('another name alone');

#
# A directory, as Kubernetes mounts one.
#
my $keys = "$dir/directory";
mkdir $keys, 0700;
mkdir "$keys/..2026";
symlink '..2026', "$keys/..data";
symlink '..data/default', "$keys/default";
write_file("$keys/..2026/default", "$hex\n");
write_file("$keys/named", "named = hex:$hex\n");
write_file("$keys/other", "another = hex:$hex\n");
write_file("$keys/two", "two = hex:$hex\nthree = hex:$hex\n");
write_file("$keys/Capital", $hex);
write_file("$keys/.hidden", 'MARKER');
configure(master_key_file => $keys);
my $offset = log_size();
$node->restart;
is_readable('directory: bare key behind symbolic links');
is(run_sql("SELECT cellenc_create_key('k3', 'named')"), '1', 'directory: key with a name');
like(run_sql("SELECT cellenc_create_key('k4', 'other')"),
	qr/58000.*file "other" in the directory: key in the file has another name/s,
	'directory: name that differs');
like(run_sql("SELECT cellenc_create_key('k4', 'two')"),
	qr/58000.*file "two" in the directory: contains more than one key/s,
	'directory: two keys in a file');
like(run_sql("SELECT cellenc_create_key('k4', 'absent')"),
	qr/58000.*file "absent" in the directory: could not access file: No such file/s,
	'directory: no such key');
$node->wait_for_log(qr/could not load master key "Capital"/, $offset);
unlike(slurp_file($node->logfile, $offset), qr/hidden/, 'directory: dot names are skipped');

#
# Passphrases: the same text is the same key, however it is encoded.
#
my $phrase_nfc = "\x{C5}ngstr\x{F6}m \x{6B63}\x{78BA}\x{99AC} \x{43F}\x{430}\x{440}\x{43E}\x{43B}\x{44C} \x{1F511}";
my $phrase_nfd = "\x{212B}ngstro\x{308}m\x{A0}\x{6B63}\x{78BA}\x{99AC} \x{43F}\x{430}\x{440}\x{43E}\x{43B}\x{44C} \x{1F511}";

sub encode_phrase
{
	my ($encoding, $bom, $phrase, $end) = @_;
	require Encode;
	return $bom . Encode::encode($encoding, "default = hex:$hex${end}phrase = passphrase:$phrase$end");
}

configure(master_key_file => $file);
write_file($file, encode_phrase('UTF-8', '', $phrase_nfc, "\n"));
$node->restart;
run_sql(q{
	SELECT cellenc_create_key('k5', 'phrase');
	CREATE TABLE phrases (v enctext('k5'));
	INSERT INTO phrases VALUES ('fifth');});
is(run_sql('SELECT v FROM phrases'), 'fifth', 'passphrase');
my @encodings = (
	[ 'UTF-8 with BOM, NFD', 'UTF-8', "\xEF\xBB\xBF", $phrase_nfd, "\r\n" ],
	[ 'UTF-16LE', 'UTF-16LE', "\xFF\xFE", $phrase_nfc, "\r\n" ],
	[ 'UTF-16BE, NFD', 'UTF-16BE', "\xFE\xFF", $phrase_nfd, "\n" ],
);
foreach my $case (@encodings)
{
	my ($name, @parameters) = @$case;
	write_file($file, encode_phrase(@parameters));
	$node->restart;
	is(run_sql('SELECT v FROM phrases'), 'fifth', "passphrase: $name");
}
write_file($file, encode_phrase('UTF-8', '', lc $phrase_nfc, "\n"));
$node->restart;
like(run_sql('SELECT v FROM phrases'), qr/28000: master key "phrase" is wrong/,
	'passphrase: case counts');
is_readable('passphrase: other keys are not concerned');
unlink $file;

#
# Commands.
#
sub use_command
{
	my ($command, %more) = @_;
	configure(master_key_command => $command, master_key_prefetch => 'off', %more);
	$node->restart;
}

use_command(qq{echo "%k" >> $dir/asked; echo MARKER >&2; echo %k = hex:$hex});
is_readable('command');
is_readable('command, in another session');
is(slurp_file("$dir/asked"), "default\n", 'command is asked by name, and once');
is(status_of('default'), 'command|ok|t|', 'command is shown as the source');

# The loader may ask for the default key, too, but not at the same time.
use_command("echo $hex; echo '# 100%%'", master_key_prefetch => 'on');
is_readable('command with prefetch');

# A name goes into a shell.
foreach my $name ('x; touch $dir/pwned', '$(touch $dir/pwned)', '`touch $dir/pwned`',
	"x\ntouch $dir/pwned", '../x', '')
{
	my $evil = $name =~ s/\$dir/$dir/gr =~ s/'/''/gr;
	like(run_sql("SELECT cellenc_create_key('k6', '$evil')"),
		qr/42602: invalid master key name/, 'name of a master key is checked');
}
ok(!-e "$dir/pwned", 'no name reached the shell');

my @bad_commands = (
	[ 'exit 3', 'command failed with exit code 3' ],
	[ "echo $hex; exit 1", 'command failed with exit code 1' ],
	[ '/nonexistent/MARKER', 'command failed with exit code 127' ],
	[ 'kill -9 $$', 'command was terminated by signal 9' ],
	[ 'true', 'command printed nothing' ],
	[ 'echo MARKER', 'output of the command: line 1: line is neither' ],
	[ "echo other = hex:$hex", 'output of the command: contains no key of this name' ],
	[ 'yes', 'command printed more than 65536 bytes' ],
	[ "sleep $nap", 'command did not finish within 1 seconds' ],
	[ "sleep $nap & echo $hex; wait", 'command did not finish within 1 seconds' ],
	[ "echo $hex; exec >&-; sleep $nap", 'command did not finish within 1 seconds' ],
);
foreach my $case (@bad_commands)
{
	my ($command, $reason) = @$case;
	use_command($command, master_key_timeout => '1s');
	my $start = time;
	is_refused(not_loaded("cellenc.master_key_command: \Q$reason"), "command: $reason");
	cmp_ok(time - $start, '<', 10, 'within its time');
	no_naps($reason);
}
use_command("sleep $nap > /dev/null & echo $hex");
is_readable('command that leaves something behind');
no_naps('command that leaves something behind');

#
# Who waits for a command can be cancelled or terminated, asker or not.
#
my $waiting = "SELECT count(*) FROM pg_stat_activity"
  . " WHERE query LIKE 'SELECT v FROM secrets%' AND wait_event_type = 'Extension'";
use_command("sleep $nap", master_key_timeout => '1000s');
my $asker = start_sql('SELECT v FROM secrets');
ok($node->poll_query_until('postgres', "$waiting HAVING count(*) = 1", '1'), 'one session asks');
like(run_sql('SET statement_timeout = 300; SELECT v FROM secrets'),
	qr/57014: canceling statement due to statement timeout/, 'one that waits is cancelled');
run_sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
	WHERE query LIKE 'SELECT v FROM secrets%'});
$asker->{run}->finish;
like($asker->{out}, qr/canceling statement due to user request/, 'the one that asks is cancelled');
no_naps('asker cancelled');

$asker = start_sql('SELECT v FROM secrets');
ok($node->poll_query_until('postgres', "$waiting HAVING count(*) = 1", '1'), 'another asks');
run_sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE query LIKE 'SELECT v FROM secrets%'});
$asker->{run}->finish;
no_naps('asker terminated');

$asker = start_sql('SELECT v FROM secrets');
ok($node->poll_query_until('postgres', "$waiting HAVING count(*) = 1", '1'), 'a third one asks');
$node->stop('fast');
$asker->{run}->finish;
no_naps('server stopped');
$node->start;

#
# Many sessions, one command; after a failure, a while without another try.
#
use_command("echo x >> $dir/tries; sleep 1; echo $hex");
my @sessions = map { start_sql('SELECT v FROM secrets WHERE id = 1') } 1 .. 5;
$_->{run}->finish foreach @sessions;
is(scalar(grep { $_->{out} eq "first\n" } @sessions), 5, 'five sessions have the key');
is(slurp_file("$dir/tries"), "x\n", 'the command ran once');

unlink "$dir/tries";
my $tries = sub { length(slurp_file("$dir/tries")) / length("x\n") };
my $start = time;
use_command("echo x >> $dir/tries; sleep 1; exit 5");
@sessions = map { start_sql('SELECT v FROM secrets') } 1 .. 5;
$_->{run}->finish foreach @sessions;
is(scalar(grep { $_->{out} =~ /exit code 5/ } @sessions), 5, 'five sessions have the error');
is_refused(not_loaded('.*exit code 5'), 'the error is remembered');
# each try takes a second, and after it comes a pause of 1, 2, 4 ... seconds
my $tried = $tries->();
cmp_ok($tried + 2**($tried - 1) - 1, '<=', time - $start, "not more tries than pauses allow: $tried");
is(status_of('default'),
	'|error|f|cellenc.master_key_command: command failed with exit code 5', 'error is shown');
foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	like(run_sql('SELECT v FROM secrets'), not_loaded('.*exit code 5'), 'refused');
	last if $tries->() > $tried;
	sleep 0.1;
}
cmp_ok($tries->(), '>', $tried, 'later it is tried again');
write_file("$dir/mended", $hex);
configure(master_key_command => "cat $dir/mended");
$node->reload;
ok($node->poll_query_until('postgres',
		"SELECT status = 'ok' FROM cellenc.master_keys WHERE name = 'default'"),
	'a reload tries again at once');
is_readable('command mended');

#
# File and command: the file first; what is wrong with it is told last.
#
write_file($file, "default = hex:$hex\n");
use_command('exit 6', master_key_file => $file);
is_readable('the file has the key, the command is not asked');
write_file($file, "other = hex:$hex\n");
use_command("echo $hex", master_key_file => $file);
is_readable('the command has what the file lacks');
write_file($file, "default = hex:$hex\n", 0666);
use_command("echo $hex", master_key_file => $file);
is_readable('the command helps where the file is refused');
use_command('exit 6', master_key_file => $file);
is_refused(not_loaded('cellenc.master_key_file: file has group or world access.*'
		  . 'cellenc.master_key_command: command failed with exit code 6'),
	'both are told');
chmod 0600, $file;

#
# A crash wipes what was loaded; the loader loads it again.
#
configure(master_key_file => $file);
$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
$node->restart;
is_readable('before the crash');
my $victim = start_sql('SELECT pg_sleep(1000)');
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)'");
$offset = log_size();
kill 9, run_sql("SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)'");
$victim->{run}->finish;
$node->poll_query_until('postgres', 'SELECT 1', '1');
$node->wait_for_log(qr/loaded master key "default"/, $offset);
is_readable('after the crash');

#
# Too little locked memory is a warning; as much as the README says is enough.
#
sub start_with_locked_memory
{
	my ($limit) = @_;
	my $out;

	$node->stop;
	my $end = -s $node->logfile;
	IPC::Run::run([ 'sh', '-c', 'ulimit -l "$0" && exec "$@"', $limit,
			'pg_ctl', '--wait', '-D', $node->data_dir, '-l', $node->logfile, 'start' ], '>&', \$out)
	  or die "could not start: $out";
	is_readable("$limit kB of locked memory");
	IPC::Run::run([ 'pg_ctl', '--wait', '-D', $node->data_dir, '-m', 'fast', 'stop' ], '>', \$out) or die 'could not stop';
	my $log = slurp_file($node->logfile, $end);
	$node->start;
	return $log;
}
SKIP:
{
	skip 'nothing is locked under the address sanitizer', 1 if $node->config_data('--cflags') =~ /-fsanitize=\S*address/;
	like(start_with_locked_memory(0), qr/WARNING:  could not lock the memory of the master keys: .*HINT: .*LimitMEMLOCK/s,
		'no locked memory');
}
SKIP:
{
	skip 'larger pages', 1 if sysconf(_SC_PAGESIZE) > 4096;
	my ($needed) = slurp_file("$FindBin::RealBin/../../README.md") =~ /(\d+) kB of locked memory/;
	unlike(start_with_locked_memory($needed), qr/could not lock/, 'as much as the README says');
}

#
# A standby has its own keys, and loads them itself.
#
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$standby->wait_for_log(qr/loaded master key "default"/);
is($standby->safe_psql('postgres', 'SELECT v FROM secrets ORDER BY id'),
	"first\nsecond", 'standby');
$standby->stop;

#
# Not one byte of a key, of a command or of its output is in a log.
#
my $log = slurp_file($node->logfile);
unlike($log, qr/MARKER/i, 'no content of a key file, no output, no command in the log');
unlike($log, qr/\Q$hex\E/i, 'no key in the log');
unlike($log, qr/TRAP:|PANIC:/, 'no assertion has failed');

$node->stop;
done_testing();
