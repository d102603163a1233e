#
# The benchmark: every part of it runs, and the documentation's page is what
# its script makes of the figures beside it.
#
use strict;
use warnings;

use FindBin;
use File::Copy qw(copy);
use IPC::Run ();
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $bench = "$top/test/bench";
my $committed = "$top/doc/benchmarks.md";

# Returns whether it succeeded, and what it printed.
sub run_perl
{
	my ($folder, @command) = @_;
	my $output = '';
	my $ok = IPC::Run::run([ $^X, @command ], '<', \undef, '>&', \$output, init => sub { chdir $folder or die "$folder: $!" });

	return ($ok, $output);
}

# Each tag is closed, in its turn.
sub is_well_formed
{
	my ($file) = @_;
	my @open;

	foreach my $tag (slurp_file($file) =~ /<([^>]*)>/g)
	{
		next if $tag =~ m{/\z};
		if ($tag =~ m{^/(.*)})
		{
			return 0 unless @open && pop(@open) eq $1;
		}
		else
		{
			push @open, $tag =~ /^(\w+)/;
		}
	}
	return !@open;
}

my ($ok, $output);
if (slurp_file($committed) =~ /^<!-- measured: machine -->\n<!-- end -->$/m)
{
	note('the page has no figures yet');
}
else
{
	($ok, $output) = run_perl('.', "$bench/page.pl", '--check', $committed);
	ok($ok, 'the page and its plots are those of bench.json') or diag($output);
}

my $node = PostgreSQL::Test::Cluster->new('unused');
local $ENV{BINDIR} = $node->config_data('--bindir');
if (!-f $node->config_data('--sharedir') . '/extension/pgcrypto.control')
{
	note('no pgcrypto here to compare with');
	done_testing();
	exit;
}

# Where every part is measured, every block of the page has something to show
my $folder = PostgreSQL::Test::Utils::tempdir();
local $ENV{QUICK} = 1;
delete local @ENV{qw(PARTS ROWS REPEAT)};
(undef, $output) = run_perl($folder, "$bench/bench.pl");
ok(-f "$folder/bench.json", 'the bench runs') or BAIL_OUT($output);

my $result = decode_json(slurp_file("$folder/bench.json"));
cmp_ok(@{ $result->{figures} }, '>', 30, 'figures');
foreach my $table (@{ $result->{tables} })
{
	my $width = 1 + @{ $table->{columns} };
	is((grep { @$_ != $width } @{ $table->{rows} }), 0, "table $table->{id}");
}

mkdir "$folder/page" or die "could not create a folder: $!";
copy($committed, "$folder/page.md") or die "could not copy: $!";
rename "$folder/bench.json", "$folder/page/bench.json" or die "could not rename: $!";
($ok, $output) = run_perl($folder, "$bench/page.pl", 'page.md');
ok($ok, 'a page is made') or diag($output);
unlike(slurp_file("$folder/page.md"), qr/Not measured/, 'of everything that it shows');
($ok, $output) = run_perl($folder, "$bench/page.pl", '--check', 'page.md');
ok($ok, 'and is checked') or diag($output);
ok(is_well_formed($_), "$_ is well-formed") foreach glob "$folder/page/*.svg";

append_to_file("$folder/page/values.svg", ' ');
($ok, $output) = run_perl($folder, "$bench/page.pl", '--check', 'page.md');
ok(!$ok, 'what was changed by hand is found');
like($output, qr{page/values\.svg}, 'and named');

done_testing();
