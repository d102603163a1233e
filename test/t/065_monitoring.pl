#
# doc/monitoring: every query runs as a role in pg_monitor and has the columns that
# are declared, both exporters have the same metrics, and rules and dashboard use no
# other.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use CPAN::Meta::YAML;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = "$FindBin::RealBin/../../doc/monitoring";
my $node = start_node('main');

$node->safe_psql(
	'postgres', q{
	CREATE ROLE exporter LOGIN IN ROLE pg_monitor;
	SELECT cellenc_create_key('pii'), cellenc_create_key('other');
	CREATE TABLE secrets (v enctext('pii'), w encint4('other', 'order'));
	INSERT INTO secrets VALUES ('x', 1)});
$node->safe_psql('postgres', "SELECT cellenc_rotate_key('pii')");
$node->safe_psql('postgres', "CALL cellenc_wait(timeout => '10 min')");
# one that does not end meanwhile
$node->append_conf('postgresql.conf', 'cellenc.job_workers = 0');
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('cellenc.job_workers') = '0'")
  or die 'the setting did not change';
$node->safe_psql('postgres', "SELECT cellenc_rotate_key('other')");

sub read_yaml
{
	my ($name) = @_;
	return CPAN::Meta::YAML->read_string(slurp_file("$folder/$name"))->[0];
}

# Rows of a query, as hashes.
sub run_query
{
	my ($query, $name) = @_;
	my ($rc, $out, $err) = $node->psql('postgres',
		"SELECT coalesce(json_agg(q), '[]') FROM ($query) q", extra_params => [ '-U', 'exporter' ]);

	is($rc, 0, "$name runs") or diag($err);
	return $rc == 0 ? @{ decode_json($out) } : ();
}

#
# postgres_exporter
#
my $queries = read_yaml('postgres_exporter.yaml');
my (%metrics, %labels);
foreach my $name (sort keys %$queries)
{
	my @columns = map { my ($column) = keys %$_; [ $column, $_->{$column} ] } @{ $queries->{$name}{metrics} };
	my @rows = run_query($queries->{$name}{query}, "postgres_exporter: $name");

	cmp_ok(scalar @rows, '>', 0, "$name has rows");
	is_deeply([ sort keys %{ $rows[0] } ], [ sort map { $_->[0] } @columns ], "$name has the columns that are declared");
	foreach my $column (@columns)
	{
		my ($label, $of) = @$column;

		if ($of->{usage} eq 'LABEL')
		{
			$labels{$name}{$label} = 1;
			next;
		}
		$metrics{"${name}_$label"} = lc $of->{usage};
		my @wrong = grep { defined && !/^-?[\d.]+(e[-+]?\d+)?$/i } map { $_->{$label} } @rows;
		is("@wrong", '', "${name}_$label is a number");
	}
	# what is told apart by its labels
	my @keys = map { my $row = $_; join '|', map { $row->{$_} } sort keys %{ $labels{$name} } } @rows;
	is(scalar(keys %{ { map { $_ => 1 } @keys } }), scalar @rows, "$name has a row for each set of labels");
}

#
# sql_exporter
#
my $collector = read_yaml('sql_exporter.yaml');
my %sql = map { $_->{query_name} => $_->{query} } @{ $collector->{queries} };
my %other_metrics;
foreach my $metric (@{ $collector->{metrics} })
{
	my $query = $metric->{query_ref};

	$other_metrics{ $metric->{metric_name} } = $metric->{type};
	is_deeply([ sort @{ $metric->{key_labels} } ], [ sort keys %{ $labels{$query} } ], "$metric->{metric_name}: labels");
	is($metric->{metric_name}, "${query}_$metric->{values}[0]", "$metric->{metric_name}: value");
}
is_deeply(\%other_metrics, \%metrics, 'both exporters have the same metrics');
is_deeply(\%sql, { map { $_ => $queries->{$_}{query} } keys %$queries }, 'and the same queries');

#
# Prometheus and Grafana
#
my %dashboard_labels = map { $_ => 1 } 'instance', map { keys %$_ } values %labels;

sub known
{
	my ($expr, $name) = @_;
	my @unknown = grep { !$metrics{$_} } $expr =~ /\b(cellenc_\w+)/g;

	like($expr, qr/cellenc_/, "$name is about cellenc");
	is("@unknown", '', "$name: metrics exist");
	is(join(' ', grep { !$dashboard_labels{$_} } $expr =~ /[{,](\w+)=/g), '', "$name: labels exist");
}

my $rules = read_yaml('alerts.yaml');
known($_->{expr}, "rule $_->{alert}") foreach map { @{ $_->{rules} } } @{ $rules->{groups} };

my $dashboard = decode_json(slurp_file("$folder/grafana.json"));
my %ids;
foreach my $panel (@{ $dashboard->{panels} })
{
	ok(!$ids{ $panel->{id} }++, "panel $panel->{title} has a number of its own");
	foreach my $target (@{ $panel->{targets} })
	{
		known($target->{expr}, "panel $panel->{title}");
		is(join(' ', grep { !$dashboard_labels{$_} } $target->{legendFormat} =~ /\{\{(\w+)\}\}/g), '', 'its legend');
	}
}
ok(length $dashboard->{title} && $dashboard->{schemaVersion} > 0, 'the dashboard has what an import asks for');

#
# The page's own queries
#
my ($by_hand) = slurp_file("$folder/README.md") =~ /```sql\n(.*?)```/s;
foreach my $query (split /;\n/, $by_hand)
{
	run_query($query, $query);
}

#
# Wait events
#
my $waits = "SELECT DISTINCT wait_event FROM pg_stat_activity WHERE backend_type LIKE 'cellenc %'";
if ($node->pg_version >= 17)
{
	ok($node->poll_query_until('postgres', "SELECT 'CellencLauncherMain' IN ($waits)", 't'), 'wait events have names');
	my %documented = map { $_ => 1 } slurp_file("$folder/README.md") =~ /^\| `(Cellenc\w+)`/mg;
	my %defined = map { $_ => 1 } $node->safe_psql('postgres',
		"SELECT name FROM pg_wait_events WHERE type = 'Extension' AND name LIKE 'Cellenc%'") =~ /(\w+)/g;
	is(join(' ', grep { !$documented{$_} } sort keys %defined), '', 'and are documented');
}
else
{
	ok($node->poll_query_until('postgres', "SELECT 'Extension' IN ($waits)", 't'), 'wait events are those of extensions');
}

$node->stop;
done_testing();
