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

# dpkg-source looks for a tarball of the one name, rpmbuild for the other
my $readme = slurp_file("$top/packaging/README.md");
like($readme, qr/--prefix=cellenc-\Q$version\E\/ -o .*\/\Q$_\E HEAD$/m, "packaging/README.md makes $_")
  foreach "cellenc_$version.orig.tar.gz", "cellenc-$version.tar.gz";
unlike($readme, qr/cellenc[-_](?!\Q$version\E\b)\d/, 'packaging/README.md has no other version');

# debian/control is what pg_buildext makes of debian/control.in: a paragraph for each major
my $control = slurp_file("$top/debian/control");
my @majors = $control =~ /^Package: postgresql-(\d+)-cellenc$/mg;
my ($source, $package) = split /\n{2,}/, slurp_file("$top/debian/control.in") =~ s/\n+\z//r;
is( $control,
	join("\n\n", $source, map { $package =~ s/PGVERSION/$_/gr } @majors) . "\n",
	'debian/control has what debian/control.in has');

like(slurp_file("$top/debian/changelog"), qr/\Acellenc \(\Q$version\E-\d+\)/, 'version of the Debian package');
like(slurp_file("$top/packaging/cellenc.spec"), qr/^Version: +\Q$version\E$/m, 'version of the RPM');

done_testing();
