#
# The examples of doc/concepts.md and doc/operations.md, run in their order and
# with the results that the pages show.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use Cwd qw(abs_path);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The master keys are files of a directory
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $keys = "$folder/keys";
mkdir $keys or die "could not create $keys: $!";
rename make_master_key(), "$keys/default" or die "could not rename: $!";

my $node = start_node('main', master_key => $keys);
$node->safe_psql('postgres', 'CREATE DATABASE shop TEMPLATE template0; CREATE DATABASE concepts TEMPLATE template0');
$node->safe_psql('concepts', 'CREATE EXTENSION cellenc');
$node->safe_psql(
	'shop', q{
	CREATE EXTENSION cellenc;
	SELECT cellenc_create_key('pii');
	CREATE TABLE people (id integer PRIMARY KEY, name enctext('pii'), email enctext('pii', 'equality'));
	CREATE UNIQUE INDEX ON people (email cellenc.enctext_term_ops);
	INSERT INTO people VALUES (1, 'Ann', 'ann@example.org'), (2, 'Bo', 'bo@example.org'), (3, 'C', 'cy@example.org')});

# The blocks of a page: name, language, text, and what they are to give.
sub blocks
{
	my ($page) = @_;
	my $text = slurp_file("$FindBin::RealBin/../../doc/$page");
	my (@blocks, %expected);

	while ($text =~ /^<!-- (result|error): (.*?) -->\n```\n(.*?)^```$/msg)
	{
		$expected{$2}{$1} = $3;
	}
	while ($text =~ /^<!-- recipe: (.*?) -->\n```(\w+)\n(.*?)^```$/msg)
	{
		push @blocks, { name => $1, language => $2, text => $3, %{ delete $expected{$1} // {} } };
	}
	is(join(' ', keys %expected), '', "$page: each result belongs to a recipe");
	return @blocks;
}

# Run what psql runs one by one, as CALL cellenc_wait() needs; output without
# what returns nothing.
sub run_sql
{
	my ($db, $sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'psql', '-XAqt', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr($db) ],
		'<', \$sql, '>', \$out, '2>', \$err);
	return ($out, $err =~ /ERROR:  (\w+)/ ? "$1\n" : '');
}

sub check_block
{
	my ($page, $db, $block) = @_;
	my ($out, $err) = ('', '');
	my $name = "$page, $block->{name}";

	if ($block->{language} eq 'sql')
	{
		($out, $err) = run_sql($db, $block->{text});
		is($err, $block->{error} // '', "$name: error");
		is($out, $block->{result}, "$name: result") if defined $block->{result};
		return;
	}
	local $ENV{DB} = $node->connstr($db);
	local $ENV{TARGET} = $node->connstr('rescued');
	local $ENV{KEYS} = $keys;
	my $ok = IPC::Run::run([ 'bash', '-euo', 'pipefail', '-c', "cd '$folder'\n$block->{text}" ],
		'<', \undef, '>', \$out, '2>', \$err);
	is($ok ? '' : $err, '', $name);
}

check_block('concepts.md', 'concepts', $_) foreach blocks('concepts.md');

my @operations = blocks('operations.md');

# What has happened before a page's recipe, and what must be so after it
my %before = (
	'find damaged' => sub {
		$node->safe_psql(
			'shop', q{
			CREATE CAST (bytea AS enctext) WITHOUT FUNCTION;
			CREATE CAST (enctext AS bytea) WITHOUT FUNCTION;
			CREATE TABLE damaged AS SELECT set_byte(name::bytea, 30, get_byte(name::bytea, 30) # 1) AS v FROM people WHERE id = 3;
			TRUNCATE people;
			INSERT INTO people VALUES (1, 'Ann', 'ann@example.org'), (2, 'Bo', 'bo@example.org');
			INSERT INTO people SELECT 3, v::enctext, 'cy@example.org' FROM damaged});
	},
	'rescue' => sub {
		unlink map { "$keys/$_" } qw(default key2027) or die "could not remove master keys: $!";
		$node->reload;
	},
	'from bundle' => sub {
		# as the page says: again after each rotation
		check_block('operations.md', 'shop', $_) foreach grep { $_->{name} eq 'bundle' } @operations;
		$node->safe_psql('postgres', 'CREATE DATABASE rescued TEMPLATE template0');
		rename "$keys/rescue", "$folder/rescue" or die "could not rename: $!";
		rename make_master_key(), "$keys/rescue" or die "could not rename: $!";
		$node->restart;
		sql_fails($node, 'shop', 'SELECT name FROM people', qr/ERROR:  28000: /, 'no value without its master key');
	});
my %after = (
	'rescue' => sub {
		$node->restart;
		sql_is($node, 'shop', 'SELECT count(name), max(name) FROM people', '3|C', 'values are readable after a restart');
	},
	'from bundle' => sub {
		sql_is($node, 'rescued', 'SELECT count(name), max(name) FROM people', '3|C', 'values are readable in another database');
		sql_is($node, 'rescued', "SELECT id FROM people WHERE email = 'bo\@example.org'", '2', 'its index works');
		rename "$folder/rescue", "$keys/rescue" or die "could not rename: $!";
		$node->restart;
	});

foreach my $block (@operations)
{
	($before{ $block->{name} } // sub { })->();
	check_block('operations.md', 'shop', $block);
	($after{ $block->{name} } // sub { })->();
}

#
# Altered rows of the key tables, for which the page names a recipe from above
#
my %recipe = map { $_->{name} => $_ } @operations;
check_block('operations.md', 'shop', $recipe{bundle});
$node->safe_psql('shop', 'UPDATE cellenc.key_wrap SET wrapped = set_byte(wrapped, 40, get_byte(wrapped, 40) # 1) WHERE purpose = 1');
$node->safe_psql('postgres', 'DROP DATABASE rescued');
$node->safe_psql('postgres', 'CREATE DATABASE rescued TEMPLATE template0');
$node->restart;
sql_fails($node, 'shop', 'SELECT name FROM people', qr/XX001: wrapped key "pii" failed authentication/, 'altered keys');
check_block('operations.md', 'shop', $recipe{'from bundle'});
sql_is($node, 'rescued', 'SELECT count(name), max(name) FROM people', '3|Cy', 'values are readable where the keys are');

#
# Links of all pages, to files and to headings
#
my $top = "$FindBin::RealBin/../..";

# The anchors of a page's headings, as GitHub makes them.
sub anchors
{
	my $text = slurp_file($_[0]) =~ s/^```.*?^```$//msgr;
	return map { $_ => 1 } map { s/[^\w -]//gr =~ s/ /-/gr } map { lc } $text =~ /^#+ (.*)$/mg;
}

foreach my $page (map { s/^\Q$top\E\///r } glob "$top/*.md $top/doc/*.md $top/doc/*/*.md")
{
	my ($folder) = $page =~ /^(.*\/)?/;
	my @broken;

	foreach my $link (slurp_file("$top/$page") =~ /\]\(([^)\s]+)\)/g)
	{
		next if $link =~ /^https?:/;
		my ($file, $anchor) = split /#/, $link;
		my $target = "$top/" . (length $file ? ($folder // '') . $file : $page);
		my %anchors = defined $anchor && -f $target ? anchors($target) : ();
		push @broken, $link if !-e $target || defined $anchor && !$anchors{$anchor};
	}
	is(join(' ', @broken), '', "$page: links");
}

$node->stop;
done_testing();
