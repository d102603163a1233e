#
# The packages' files agree with the extension's.
#
use strict;
use warnings;

use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my ($version) = slurp_file("$top/cellenc.control") =~ /^default_version = '(.*)'$/m;
my $meta = decode_json(slurp_file("$top/META.json"));
my $provided = $meta->{provides}{cellenc};

# what the index of PGXN requires
ok($meta->{$_}, "META.json: $_") foreach qw(name abstract version maintainer license provides meta-spec);
like($meta->{version}, qr/^\Q$version\E(\.0)*$/, 'META.json has the version');
is($provided->{version}, $meta->{version}, 'also of what it provides');
is($provided->{file}, "sql/cellenc--$version.sql", 'META.json names the install script');
ok(-f "$top/$provided->{$_}", "$provided->{$_} is there") foreach qw(file docfile);

like(slurp_file("$top/debian/changelog"), qr/\Acellenc \(\Q$version\E-\d+\)/, 'version of the Debian package');
like(slurp_file("$top/packaging/cellenc.spec"), qr/^Version: +\Q$version\E$/m, 'version of the RPM');

done_testing();
