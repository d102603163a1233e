#
# pg_stat_statements sees the statements that clients sent, whichever library is
# loaded first: their texts and counts are those of plain columns.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @statements = (
	q{SELECT name FROM T WHERE id = 1},
	q{SELECT name FROM T WHERE id = 2},
	q{SELECT name, visits FROM T WHERE name = 'Ada' OR visits IN (1, 2, 3)},
	q{SELECT DISTINCT name FROM T ORDER BY name LIMIT 3},
	q{SELECT name FROM T UNION SELECT name FROM T WHERE id > 3 ORDER BY 1},
	q{WITH x AS (SELECT name FROM T) SELECT name, count(*) FROM x GROUP BY name},
	q{WITH x AS (INSERT INTO T (name) VALUES ('Eve') RETURNING name) SELECT name FROM x},
	q{SELECT max(visits), min(visits) FROM T},
	q{INSERT INTO T (name, visits) VALUES ('Bob', 2) RETURNING name},
	q{UPDATE T SET visits = visits + 1 WHERE name = 'Bob' RETURNING visits},
	q{DELETE FROM T WHERE name = 'Eve' RETURNING name},
	q{EXPLAIN SELECT name FROM T},
	q{COPY (SELECT name FROM T) TO STDOUT},
	q{CREATE TABLE U AS SELECT name FROM T},
	q{DROP TABLE U},
	q{PREPARE p AS SELECT name FROM T WHERE name = $1; EXECUTE p ('Ada'); EXECUTE p ('Bob'); DEALLOCATE p},
	q{BEGIN; DECLARE c CURSOR FOR SELECT name FROM T; FETCH ALL FROM c; COMMIT},
	q{DO $$ DECLARE s text; BEGIN FOR i IN 1 .. 3 LOOP SELECT name INTO s FROM T WHERE id = i; END LOOP; END $$});

my $node = init_node('main');
$node->start;
if ($node->psql('postgres', 'CREATE EXTENSION pg_stat_statements') != 0)
{
	plan skip_all => 'no pg_stat_statements here';
}

foreach my $libraries ('pg_stat_statements, cellenc', 'cellenc, pg_stat_statements')
{
	my %seen;

	$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'$libraries'");
	$node->append_conf('postgresql.conf', "pg_stat_statements.track = all\ncompute_query_id = auto");
	$node->restart;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION IF NOT EXISTS cellenc;
		SELECT cellenc_create_key('pii', if_not_exists => true);
		DROP TABLE IF EXISTS plain.t, twin.t;
		CREATE SCHEMA IF NOT EXISTS plain;
		CREATE SCHEMA IF NOT EXISTS twin;
		CREATE TABLE plain.t (id int GENERATED ALWAYS AS IDENTITY, name text, visits int);
		CREATE TABLE twin.t (id int GENERATED ALWAYS AS IDENTITY, name enctext('pii'), visits encint4('pii', 'order'));
		CREATE INDEX ON plain.t (visits);
		CREATE INDEX ON twin.t (visits);
		INSERT INTO plain.t (name, visits) VALUES ('Ada', 1), ('Bob', 2), ('Cid', 3);
		INSERT INTO twin.t (name, visits) VALUES ('Ada', 1), ('Bob', 2), ('Cid', 3);
	});
	foreach my $schema ('plain', 'twin')
	{
		$node->safe_psql('postgres', 'SELECT pg_stat_statements_reset()');
		$node->safe_psql('postgres', "SET search_path = $schema;\n" . join(";\n", map { s/\b([TU])\b/lc $1/ger } @statements) . ';');
		$seen{$schema} = $node->safe_psql('postgres', q{
			SELECT toplevel, calls, rows, query FROM pg_stat_statements
			WHERE query !~ 'search_path|pg_stat_statements' ORDER BY query COLLATE "C", toplevel});
	}
	cmp_ok(scalar(() = $seen{plain} =~ /^/mg), '>', 15, "$libraries: statements are counted");
	is($seen{twin}, $seen{plain}, "$libraries: texts, calls and rows are those of plain columns");
}

done_testing();
