#
# Plaintext of encrypted columns is in no file of the server: heap, TOAST,
# indexes, WAL, statistics, catalogs, temporary files.  Every search is shown
# to work by a plain column.  Logical decoding, which has to open values
# without an SQL statement, works.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node(
	'main',
	allows_streaming => 'logical',
	conf => "log_statement = none\nautovacuum = off\nmax_prepared_transactions = 2\n");
my $data_dir = $node->data_dir;

$node->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii');
	CREATE DOMAIN enc_domain AS enctext('pii');
	CREATE TYPE enc_pair AS (a integer, b enctext('pii'));
	SELECT pg_create_logical_replication_slot('decoding', 'test_decoding');
});

# A marker for every kind of table and every way that a value takes; the table
# is in its name, so that a hit tells where from.
sub marker { return "mArKeR-$_[0]-$_[1]-mArKeR"; }

sub run_bench
{
	my ($mode, $table, $name) = @_;

	$node->pgbench(
		"--no-vacuum --client=1 --transactions=2 --protocol=$mode -D value=" . marker($table, $name),
		0, [qr/actually processed: 2\/2/], [qr/^$/], "pgbench: $table, $name",
		{ "031_$table$name" => "INSERT INTO $table (t) VALUES (:value)" });
}

# Fill a table, whose columns are encrypted or plain, in all ways.
sub fill
{
	my ($table, $suffix) = @_;
	my $m = sub { return marker($table, $_[0]) };
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$table.copy";

	run_bench('extended', $table, 'extended');
	run_bench('prepared', $table, 'protocol');
	$node->safe_psql(
		'postgres', qq{
		INSERT INTO $table (t) VALUES ('${\$m->('literal')}');
		INSERT INTO $table (b) VALUES ('${\$m->('bytea')}');
		INSERT INTO $table (j) VALUES ('{"a": ["${\$m->('jsonb')}"]}');
		INSERT INTO $table (a) VALUES ('{x,${\$m->('array')}}');
		INSERT INTO $table (d) VALUES ('${\$m->('domain')}');
		INSERT INTO $table (c) VALUES ((1, '${\$m->('composite')}'));

		PREPARE ins (text) AS INSERT INTO $table (t, a) VALUES (\$1, ARRAY[\$1, \$1]);
		EXECUTE ins ('${\$m->('execute')}');

		COPY $table (t, j) FROM STDIN;
${\$m->('copy')}\t{"k": "${\$m->('copyjson')}"}
\\.
		COPY (SELECT '${\$m->('copybinary')}'::text) TO '$file' (FORMAT binary);
		COPY $table (t) FROM '$file' (FORMAT binary);

		DO \$\$
		DECLARE
			plain text := '${\$m->('plpgsql')}';
			v text$suffix := '${\$m->('variable')}';
			r $table;
		BEGIN
			INSERT INTO $table (t) VALUES (plain), (v);
			EXECUTE 'INSERT INTO $table (t) VALUES (\$1)' USING '${\$m->('dynamic')}'::text;
			r.t := '${\$m->('record')}';
			INSERT INTO $table SELECT (r).*;
			UPDATE $table SET t = t || '${\$m->('update')}' WHERE t = v;
			BEGIN
				INSERT INTO $table (t) VALUES ('${\$m->('rolledback')}');
				RAISE division_by_zero;
			EXCEPTION WHEN division_by_zero THEN
				NULL;
			END;
		END \$\$;

		-- out of line, the marker in the middle of it
		INSERT INTO $table (t, b) SELECT v, v::bytea FROM
			(SELECT string_agg(md5(i::text), '' ORDER BY i) || '${\$m->('toast')}'
				|| string_agg(md5((-i)::text), '' ORDER BY i) AS v FROM generate_series(1, 500) i) x;

		BEGIN;
		INSERT INTO $table (t) VALUES ('${\$m->('prepared')}');
		PREPARE TRANSACTION '$table';
		COMMIT PREPARED '$table';

		CREATE VIEW ${table}_view AS SELECT '${\$m->('view')}'::text$suffix AS x;
		CREATE MATERIALIZED VIEW ${table}_mat AS SELECT t FROM $table;
		CREATE INDEX ON $table (k);
		INSERT INTO $table (k) VALUES ('${\$m->('index')}');
		INSERT INTO $table (k) SELECT '${\$m->('frequent')}' FROM generate_series(1, 1000);
		INSERT INTO $table (a) SELECT ARRAY['${\$m->('elements')}'] FROM generate_series(1, 1000);
		ANALYZE $table;
		CREATE UNLOGGED TABLE ${table}_unlogged AS SELECT t FROM $table;
		CREATE TABLE ${table}_copy AS SELECT * FROM $table;
		ALTER TABLE ${table}_copy ADD COLUMN def text$suffix DEFAULT '${\$m->('default')}';
	} =~ s/text_enc/enctext('pii')/gr);
}

$node->safe_psql(
	'postgres', q{
	CREATE TABLE encrypted (t enctext('pii'), b encbytea('pii'), j encjsonb('pii'), a enctext('pii')[],
		d enc_domain, c enc_pair, k enctext('pii', 'order'));
	CREATE DOMAIN plain_domain AS text;
	CREATE TYPE plain_pair AS (a integer, b text);
	CREATE TABLE plain (t text, b bytea, j jsonb, a text[], d plain_domain, c plain_pair, k text);
	ALTER TABLE plain ALTER t SET STORAGE external, ALTER b SET STORAGE external;
});
fill('encrypted', '_enc');
fill('plain', '');
$node->safe_psql('postgres', 'CHECKPOINT');

my @ways = qw(literal bytea jsonb array domain composite execute copy copyjson copybinary plpgsql
  variable dynamic record update rolledback toast prepared default view index frequent elements
  extended protocol);

is($node->safe_psql('postgres', "SELECT pg_relation_size(reltoastrelid) > 0 FROM pg_class WHERE relname = '$_'"),
	't', "a value of table $_ is out of line")
  foreach qw(encrypted plain);

# The WAL without the headers of its pages, behind which records go on.
my $page = $node->safe_psql('postgres', 'SHOW wal_block_size');
my $wal = '';
foreach my $file (glob "$data_dir/pg_wal/" . '[0-9A-F]' x 24)
{
	my $content = slurp_file($file);
	$wal .= join('', map { substr $content, $_ * $page + ($_ == 0 ? 40 : 24), $page - ($_ == 0 ? 40 : 24) }
		  0 .. length($content) / $page - 1);
}

sub is_in_wal
{
	my ($bytes) = @_;
	return index($wal, $bytes) >= 0;
}

foreach my $way (@ways)
{
	# that the value was stored shows that its marker was spelt right
	is( $node->safe_psql('postgres', "SELECT count(*) > 0 FROM (SELECT e::text FROM encrypted_copy e"
			  . " UNION ALL SELECT convert_from(b, 'UTF8') FROM encrypted"
			  . " UNION ALL SELECT x FROM encrypted_view) s (v) WHERE v LIKE '%" . marker('encrypted', $way) . "%'"),
		$way eq 'rolledback' ? 'f' : 't', "stored: $way");
	is_deeply([ files_with($data_dir, marker('encrypted', $way)) ], [], "encrypted value is in no file: $way");
	ok(!is_in_wal(marker('encrypted', $way)), "encrypted value is not in the WAL: $way");

	# a view's rule is compressed, and shows bytes as numbers; see below
	next if $way eq 'view';
	my @found = files_with($data_dir, marker('plain', $way));
	ok(is_in_wal(marker('plain', $way)), "plain value is found in the WAL: $way");
	# a dead row may be pruned
	ok(scalar(grep { /^base\// } @found), "plain value is found in a relation: $way")
	  unless $way eq 'rolledback';
}

# Catalogs, by themselves because hits in the heap hide them: statistics, and
# expressions, whose constants are lists of bytes in decimal
sub catalog_has
{
	my ($catalog, $text) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) > 0 FROM $catalog c WHERE c::text LIKE '%$text%'");
}
my %in_catalog = (
	pg_statistic => sub { return "mArKeR-$_[0]-frequent" },
	pg_rewrite => sub { return join ' ', unpack 'C*', marker($_[0], 'view') },
	pg_attrdef => sub { return join ' ', unpack 'C*', marker($_[0], 'default') });
foreach my $catalog (sort keys %in_catalog)
{
	is(catalog_has($catalog, $in_catalog{$catalog}->('encrypted')), 'f', "no encrypted value in $catalog");
	is(catalog_has($catalog, $in_catalog{$catalog}->('plain')), 't', "a plain value in $catalog");
}
is(catalog_has('pg_statistic', 'mArKeR-encrypted'), 'f', 'no encrypted value in pg_statistic at all');

#
# Temporary files: held open by cursors, sought while they are there
#
foreach my $table (qw(encrypted plain))
{
	my $type = $table eq 'encrypted' ? "enctext('pii')" : 'text';
	$node->safe_psql('postgres',
		"CREATE TABLE sort_$table AS SELECT ('" . marker($table, 'sort') . "' || i)::$type AS t"
		  . ' FROM generate_series(1, 8000) i');
}

sub temporary_files_with
{
	my ($declare, $table, $name, $expected) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_safe("SET work_mem = '64kB'; SET enable_hashagg = off; BEGIN");
	$session->query_safe($declare =~ s/TABLE/sort_$table/gr);
	$session->query_safe('COMMIT') if $declare =~ /WITH HOLD/;
	like($session->query_safe('FETCH 1 FROM c'), qr/mArKeR-$table/, "$name: the cursor returns $table values");
	my @temporary = files_with("$data_dir/base/pgsql_tmp", '');
	ok(scalar @temporary, "$name: there are temporary files");
	my @found = files_with("$data_dir/base/pgsql_tmp", 'mArKeR');
	is(scalar @found > 0 ? 1 : 0, $expected, "$name: plaintext of $table values in them: $expected");
	$session->quit;
}

my %spills = (
	'sort' => 'DECLARE c CURSOR FOR SELECT t FROM TABLE ORDER BY t',
	'sort of rows' => 'DECLARE c CURSOR FOR SELECT t, 1 FROM TABLE ORDER BY t, ctid',
	'holdable cursor' => 'DECLARE c CURSOR WITH HOLD FOR SELECT t FROM TABLE',
	'distinct' => 'DECLARE c CURSOR FOR SELECT DISTINCT t FROM TABLE',
	'hash join' => 'DECLARE c CURSOR FOR SELECT x.t FROM TABLE x JOIN TABLE y ON x.t = y.t',
	'window' => 'DECLARE c CURSOR FOR SELECT t, count(*) OVER () FROM TABLE');
foreach my $name (sort keys %spills)
{
	# the result of a holdable cursor is kept as its client will see it
	temporary_files_with($spills{$name}, 'encrypted', $name, $name eq 'holdable cursor' ? 1 : 0);
	temporary_files_with($spills{$name}, 'plain', $name, 1);
}
is_deeply([ files_with($data_dir, 'mArKeR-encrypted') ], [], 'encrypted values are in no file after all that');

#
# Logical decoding: the output function runs in a walsender, on historic
# snapshots, also for a key that the slot is older than
#
$node->safe_psql(
	'postgres', q{
	SELECT pg_drop_replication_slot('decoding');
	CREATE TABLE decoded (id integer PRIMARY KEY, v enctext('pii'), a enctext('pii')[]);
	SELECT pg_create_logical_replication_slot('early', 'test_decoding');
	SELECT pg_create_logical_replication_slot('sender', 'test_decoding');
	INSERT INTO decoded VALUES (1, 'first', '{x,y}');
	SELECT cellenc_rotate_key('pii', reencrypt => false);
	INSERT INTO decoded VALUES (2, 'rotated', '{z}');
	BEGIN;
	SELECT cellenc_create_key('later');
	CREATE TABLE decoded_later (id integer, v enctext('later', 'equality'));
	INSERT INTO decoded_later VALUES (3, 'same transaction');
	COMMIT;
	INSERT INTO decoded_later VALUES (4, 'later'), (5, repeat('long', 2000));
	UPDATE decoded SET v = 'changed' WHERE id = 1;
	SELECT cellenc_rotate_key('later', reencrypt => false);
});

my @expected = (
	qr/decoded: INSERT: id\[integer\]:1 v\[enctext\]:'first' a\[enctext\[\]\]:'\{x,y\}'/,
	qr/decoded: INSERT: id\[integer\]:2 v\[enctext\]:'rotated'/,
	qr/decoded_later: INSERT: id\[integer\]:3 v\[enctext\]:'same transaction'/,
	qr/decoded_later: INSERT: id\[integer\]:4 v\[enctext\]:'later'/,
	qr/decoded_later: INSERT: id\[integer\]:5 v\[enctext\]:'(long){2000}'/,
	qr/decoded: UPDATE: id\[integer\]:1 v\[enctext\]:'changed'/);
my ($rc, $changes, $err) =
  $node->psql('postgres', "SELECT data FROM pg_logical_slot_peek_changes('early', NULL, NULL)");
is($err, '', 'decoding in SQL works');
like($changes, $_, 'decoded in SQL') foreach @expected;

# The same by a walsender, and a value written while it runs
my $end = $node->safe_psql('postgres', "INSERT INTO decoded VALUES (6, 'last'); SELECT pg_current_wal_insert_lsn()");
my $streamed = eval { $node->pg_recvlogical_upto('postgres', 'sender', $end,
		$PostgreSQL::Test::Utils::timeout_default, 'skip-empty-xacts' => 1) } // "failed: $@";
like($streamed, $_, 'decoded by a walsender') foreach @expected, qr/id\[integer\]:6 v\[enctext\]:'last'/;

{
	local $ENV{PGOPTIONS} = '-c cellenc.output=sealed';
	$changes = $node->safe_psql('postgres', "SELECT data FROM pg_logical_slot_get_changes('early', NULL, NULL)");
	like($changes, qr/id\[integer\]:4 v\[enctext\]:'cellenc:1:/, 'sealed output of decoding');
	unlike($changes, qr/changed|rotated/, 'sealed output of decoding has no plaintext');
}

$node->stop;
done_testing();
