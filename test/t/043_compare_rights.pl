#
# Whoever has no right on a column's key learns nothing about its values, hit
# or miss, from rows, errors, plans and counts: each statement of a list is
# tried with a value that is there and with one that is not, and what comes of
# both must be the same.  For whoever has the right, it must not be.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main', conf => "jit = off\n");

# The reader may compare, the stranger has no right on any key, the neighbour
# has all rights on a key of his own.  Hits and misses are of the same length.
$node->safe_psql(
	'postgres', q{
	SELECT cellenc_create_key('pii'), cellenc_create_key('own');
	CREATE ROLE reader LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE ROLE neighbour LOGIN;
	CREATE ROLE sealer LOGIN;
	CREATE ROLE clerk LOGIN;
	SELECT cellenc_grant_key('pii', 'sealer', 'encrypt'), cellenc_grant_key('pii', 'clerk');
	SELECT cellenc_grant_key('pii', 'reader', 'decrypt'), cellenc_grant_key('own', 'neighbour');

	CREATE TABLE t (id integer, n integer, e enctext('pii', 'equality'), o encint4('pii', 'order'),
		s enctext('pii'), tags enctext('pii', 'equality')[]);
	INSERT INTO t SELECT i, i % 10, 'value ' || i, (i * 7919) % 10007, 'value ' || i,
		ARRAY['value ' || i] FROM generate_series(1000, 1999) i;
	CREATE INDEX ON t USING hash (e);
	CREATE INDEX ON t (o);
	CREATE INDEX ON t (o) INCLUDE (id);
	CREATE INDEX ON t (n, o);
	CREATE UNIQUE INDEX ON t (e cellenc.enctext_term_ops) INCLUDE (id);
	CREATE INDEX ON t (n, e cellenc.enctext_term_ops);
	CREATE TABLE parted (id integer, e enctext('pii', 'equality')) PARTITION BY HASH (e);
	CREATE TABLE parted0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE parted1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO parted SELECT id, e FROM t;
	CREATE INDEX ON parted USING hash (e);
	CREATE VIEW v AS SELECT id, e, o FROM t;

	CREATE TABLE once (id integer, e enctext('pii', 'equality'));
	CREATE UNIQUE INDEX ON once (e cellenc.enctext_term_ops);
	CREATE TABLE first (id integer, e enctext('pii', 'order') UNIQUE);
	CREATE TABLE excluded (id integer, e enctext('pii', 'equality'), EXCLUDE USING hash (e WITH OPERATOR(cellenc.=)));
	INSERT INTO once SELECT id, e FROM t;
	INSERT INTO first SELECT id, e FROM t;
	INSERT INTO excluded SELECT id, e FROM t;
	GRANT SELECT, INSERT, UPDATE ON once, first, excluded TO PUBLIC;
	CREATE TABLE empty (LIKE t INCLUDING INDEXES);
	ANALYZE;
	GRANT SELECT ON t, parted, empty TO PUBLIC;
	GRANT UPDATE (n) ON t TO PUBLIC;
	GRANT SELECT ON v TO PUBLIC;

	CREATE SCHEMA guesses;
	GRANT USAGE, CREATE ON SCHEMA guesses TO PUBLIC;
	CREATE FUNCTION guesses.outcome(sql text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		r record;
		result text := '';
	BEGIN
		FOR r IN EXECUTE sql LOOP
			result := result || E'\n' || r::text;
		END LOOP;
		RAISE EXCEPTION USING ERRCODE = 'OK000', MESSAGE = result;	-- undoes it
	EXCEPTION
		WHEN SQLSTATE 'OK000' THEN RETURN SQLERRM;
		WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
	END
	$$;
});

# Guesses in tables of their own: every role's, and the neighbour's encrypted.
foreach my $set ([ 'hit', 1500 ], [ 'miss', 2500 ])
{
	my ($name, $number) = @$set;

	$node->safe_psql(
		'postgres', qq{
		CREATE TABLE guesses.${name}_one AS SELECT 'value $number'::text AS g;
		CREATE TABLE guesses.${name}_many AS SELECT 'value $number'::text AS g
			UNION ALL SELECT 'value ' || i FROM generate_series(10000, 14999) i;
		CREATE INDEX ON guesses.${name}_many (g);
		CREATE TABLE guesses.${name}_own (g enctext('own', 'equality'));
		INSERT INTO guesses.${name}_own SELECT g FROM guesses.${name}_one;
		GRANT SELECT ON ALL TABLES IN SCHEMA guesses TO PUBLIC;
	});
}
$node->safe_psql('postgres', 'ANALYZE');

# GUESS is the value, SET the tables' name: hit or miss.
my @statements = (
	q{SELECT id FROM t WHERE e = 'GUESS'},
	q{SELECT id FROM t WHERE e = 'GUESS'::text},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) 'GUESS'},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) 'GUESS'::text},
	q{SELECT id FROM t WHERE 'GUESS'::text OPERATOR(cellenc.=) e},
	q{SELECT id FROM v WHERE e OPERATOR(cellenc.=) 'GUESS'},
	q{SELECT id FROM t WHERE s = 'GUESS'},
	q{SELECT id FROM t WHERE n = 0 AND e OPERATOR(cellenc.=) 'GUESS'},
	q{SELECT count(*) FROM t WHERE e OPERATOR(cellenc.<>) 'GUESS'},
	q{SELECT id FROM t WHERE e IN ('GUESS', 'value x')},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) ANY (ARRAY['value x', 'GUESS'])},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) ANY (ARRAY(SELECT g FROM guesses.SET_many))},
	q{SELECT id FROM t WHERE e IN (SELECT g FROM guesses.SET_one)},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) (SELECT g FROM guesses.SET_one)},
	q{SELECT id FROM t WHERE EXISTS (SELECT FROM guesses.SET_many WHERE g OPERATOR(cellenc.=) e)},
	q{SELECT id FROM guesses.SET_one JOIN t ON t.e = g},
	q{SELECT id FROM guesses.SET_one JOIN t ON t.e OPERATOR(cellenc.=) g},
	q{SELECT id FROM guesses.SET_many JOIN t ON t.e OPERATOR(cellenc.=) g},
	q{SELECT id FROM guesses.SET_one LEFT JOIN t ON g OPERATOR(cellenc.=) t.e},
	q{SELECT id FROM guesses.SET_one, LATERAL (SELECT * FROM t WHERE e OPERATOR(cellenc.=) g) l},
	q{SELECT id FROM parted WHERE e OPERATOR(cellenc.=) 'GUESS'},
	q{SELECT id FROM parted WHERE e OPERATOR(cellenc.=) 'GUESS'::text},
	q{SELECT id FROM guesses.SET_one JOIN parted ON e OPERATOR(cellenc.=) g},
	q{SELECT count(*) OVER () FROM (SELECT e FROM t UNION SELECT 'GUESS'::enctext) u LIMIT 1},
	q{SELECT id FROM t WHERE ROW(e) = ROW('GUESS'::enctext)},
	q{SELECT id FROM t WHERE e IS NOT DISTINCT FROM 'GUESS'},
	q{SELECT id FROM t WHERE NULLIF(e, 'GUESS') IS NULL},
	q{SELECT id FROM t WHERE CASE e WHEN 'GUESS' THEN true ELSE false END},
	q{SELECT id FROM t WHERE 'GUESS' = ANY (tags)},
	q{SELECT id FROM t WHERE tags @> ARRAY['GUESS'::enctext]},
	q{SELECT id FROM t WHERE tags && '{GUESS}'},
	q{SELECT id FROM t WHERE array_position(tags, 'GUESS'::enctext) = 1},
	q{SELECT id FROM t WHERE cellenc.cellenc_hash(e) = cellenc.cellenc_hash('GUESS'::text)},
	q{SELECT id FROM t WHERE cellenc.cellenc_hash_extended(e, 0) = cellenc.cellenc_hash_extended('GUESS'::enctext, 0)},
	q{SELECT id FROM t WHERE hash_record(ROW(e)) = hash_record(ROW('GUESS'::enctext))},
	q{SELECT id FROM t WHERE cellenc.cellenc_eq(e, 'GUESS'::text)},
	q{SELECT id FROM t WHERE cellenc.cellenc_cmp(e, 'GUESS'::text) = 0},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) 'GUESS' FOR UPDATE OF t},
	q{UPDATE t SET n = n WHERE e OPERATOR(cellenc.=) 'GUESS' RETURNING id},
	q{SELECT id FROM t WHERE o = right('GUESS', 4)::integer * 7919 % 10007},
	q{SELECT id FROM t WHERE o OPERATOR(cellenc.=) (right('GUESS', 4)::integer * 7919 % 10007)},
	q{SELECT count(*) FROM t WHERE o OPERATOR(cellenc.<) right('GUESS', 4)::integer},
	q{SELECT id FROM t WHERE o OPERATOR(cellenc.>) right('GUESS', 4)::integer ORDER BY o LIMIT 1},
	q{SELECT id FROM t WHERE o BETWEEN right('GUESS', 4)::integer AND right('GUESS', 4)::integer + 100},
);

# What only the neighbour can try: values of his own with terms.
my @own_statements = (
	q{SELECT id FROM guesses.SET_own JOIN t ON t.e OPERATOR(cellenc.=) g},
	q{SELECT id FROM guesses.SET_own JOIN t ON g OPERATOR(cellenc.=) t.e},
	q{SELECT id FROM guesses.SET_own JOIN t ON t.e = g},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) (SELECT g FROM guesses.SET_own)},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) 'GUESS'::enctext('own', 'equality')},
	q{SELECT id FROM t WHERE e OPERATOR(cellenc.=) ANY (ARRAY(SELECT g FROM guesses.SET_own))},
	q{SELECT id FROM parted WHERE e OPERATOR(cellenc.=) 'GUESS'::enctext('own', 'equality')},
	q{SELECT id FROM t WHERE cellenc.cellenc_hash(e) = (SELECT cellenc.cellenc_hash(g) FROM guesses.SET_own)},
	q{SELECT count(*) OVER () FROM (SELECT e FROM t UNION SELECT g FROM guesses.SET_own) u LIMIT 1},
);

my %plans = (
	'any plan' => '',
	'indexes' => 'enable_seqscan = off',
	'bitmaps' => 'enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off',
	'nested loops' => 'enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off',
	'merge joins' => 'enable_nestloop = off; SET enable_hashjoin = off; SET enable_hashagg = off',
	'generic plans' => "plan_cache_mode = 'force_generic_plan'; SET enable_seqscan = off");
my @prefixes = ('', 'EXPLAIN ', 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ');

# What comes of each statement under one role, with one guess.
sub outcomes
{
	my ($role, $settings, $set, $number, @sql) = @_;
	my $script = "SET ROLE $role; " . ($settings ? "SET $settings;" : '') . "\n";

	foreach my $sql (@sql)
	{
		(my $filled = $sql) =~ s/GUESS/value $number/g;
		$filled =~ s/SET_/${set}_/g;
		$script .= "SELECT guesses.outcome(\$q\$$filled\$q\$); SELECT '----';\n";
	}
	my $out = $node->safe_psql('postgres', $script);
	$out =~ s/value $number/value GUESS/g;
	foreach my $made ($number, $number + 100, $number * 7919 % 10007)
	{
		$out =~ s/\b$made\b/GUESS/g;
	}
	$out =~ s/(hash_record\(ROW\(e\)\) = ).*(?=\)"\)$)/$1HASH/mg;
	$out =~ s/\b${set}_/SET_/g;
	return split /^----\n?/m, $out, -1;
}

sub try_all
{
	my ($role, $plan, @statements) = @_;
	my @sql = map { my $prefix = $_; map { $prefix . $_ } @statements } @prefixes;
	my @hit = outcomes($role, $plans{$plan}, 'hit', 1500, @sql);
	my @miss = outcomes($role, $plans{$plan}, 'miss', 2500, @sql);
	my @differ;
	my @answered;

	is(scalar @hit, @sql + 1, "$role, $plan: all statements ran");
	for my $i (0 .. $#sql)
	{
		push @differ, "$sql[$i]\nhit: $hit[$i]miss: $miss[$i]" if $hit[$i] ne $miss[$i];
		push @answered, "$sql[$i]\n$hit[$i]"
		  if $sql[$i] !~ /^EXPLAIN [^(]/ && $hit[$i] !~ /^42501 permission denied for (key "pii"|the search key)$/;
	}
	return (\@differ, \@answered, scalar @sql);
}

foreach my $plan (sort keys %plans)
{
	foreach my $attacker ([ 'stranger', @statements ], [ 'neighbour', @statements, @own_statements ])
	{
		my ($role, @sql) = @$attacker;
		my ($differ, $answered) = try_all($role, $plan, @sql);

		is(join("\n", @$differ), '', "$role, $plan: hit and miss are alike");
		is(join("\n", @$answered), '', "$role, $plan: permission denied to all");
	}
}

# The same statements do tell those apart who may compare, or they prove nothing
{
	my @hit = outcomes('reader', '', 'hit', 1500, @statements);
	my @miss = outcomes('reader', '', 'miss', 2500, @statements);
	my @alike = grep { $hit[$_] eq $miss[$_] || $hit[$_] =~ /^[0-9A-Z]{5} / } 0 .. $#statements;

	is(join("\n", map { "$statements[$_]\n$hit[$_]" } @alike), '', 'the reader gets answers');
}

#
# Whoever may only encrypt cannot find out what is there by writing it again;
# whoever may do both can
#
my @writes = map { "WITH w AS ($_ RETURNING *) SELECT count(*) FROM w" } (
	(   map {
			my $table = $_;
			(   "INSERT INTO $table VALUES (1, 'GUESS')",
				"INSERT INTO $table VALUES (1, 'GUESS') ON CONFLICT DO NOTHING",
				"INSERT INTO $table SELECT 1, g FROM guesses.SET_one",
				"UPDATE $table SET e = 'GUESS' WHERE id = 1600");
		} ('once', 'first', 'excluded')),
	"INSERT INTO once VALUES (1, 'GUESS') ON CONFLICT (e cellenc.enctext_term_ops) DO UPDATE SET id = once.id WHERE false",
	"INSERT INTO first VALUES (1, 'GUESS') ON CONFLICT (e) DO UPDATE SET id = first.id WHERE false");
foreach my $role ('sealer', 'clerk')
{
	my @hit = outcomes($role, '', 'hit', 1500, @writes);
	my @miss = outcomes($role, '', 'miss', 2500, @writes);

	if ($role eq 'sealer')
	{
		is(join('', @hit), qq{42501 permission denied for key "pii"\n} x @writes, 'sealer: nothing can be written, hit');
		is(join('', @miss), join('', @hit), 'sealer: nor miss');
	}
	else
	{
		is(join("\n", map { $writes[$_] } grep { $hit[$_] eq $miss[$_] } 0 .. $#writes), '', 'clerk: hit and miss differ');
	}
}

# Hashes of guesses, to be compared with the terms in sealed values
foreach my $guess (q{'value 1500'::text}, q{'value 1500'::enctext}, q{'value 1500'::enctext('own')})
{
	foreach my $sql ("SELECT cellenc.cellenc_hash($guess)", "SELECT cellenc.cellenc_hash_extended($guess, 0)",
		"SELECT cellenc.cellenc_term_cmp($guess, $guess)", "SELECT $guess OPERATOR(cellenc.~<~) 'x'::enctext",
		"SELECT hash_array(ARRAY[$guess])", "SELECT hash_record_extended(ROW($guess), 0)")
	{
		next if $guess =~ /::text/ && $sql =~ /hash_(array|record)/;	# core's own
		sql_fails($node, 'postgres', "SET ROLE stranger; $sql",
			qr/42501: permission denied for (the search key|key "own")/, "no hash of a guess: $sql");
	}
}

# A million guesses at once
sql_fails($node, 'postgres', "SET ROLE $_; SELECT count(*) FROM t WHERE e IN (SELECT 'value ' || i FROM generate_series(1, 1000000) i)",
	qr/42501: permission denied for key "pii"/, "a million guesses: $_")
  foreach ('stranger', 'neighbour');

#
# The order of rows
#
foreach my $settings ('enable_seqscan = off', 'enable_seqscan = off; SET enable_sort = off')
{
	foreach my $sql ('SELECT id FROM t WHERE n = 5', 'SELECT id FROM t', 'SELECT ctid FROM t WHERE o IS NOT NULL')
	{
		my $by_id = $node->safe_psql('postgres', "$sql ORDER BY ctid");

		sql_is($node, 'postgres', "SET ROLE stranger; SET $settings; $sql", $by_id,
			"no order but that of the table: $sql, $settings");
	}
}
$node->psql('postgres', 'SET ROLE stranger; SET enable_seqscan = off; SELECT id FROM t ORDER BY o LIMIT 1',
	stderr => \my $err);
like($err, qr/permission denied for key "pii"/, 'nor the order of an index');

#
# Parallel workers check for themselves
#
my $parallel = 'SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0; SET parallel_setup_cost = 0;'
  . 'SET parallel_tuple_cost = 0; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;';
my $counted = $node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE (id * 7919) % 10007 > 5000');
foreach my $scan ('enable_seqscan', 'enable_indexscan')
{
	my $sql = "$parallel SET $scan = off; SELECT count(n) FROM t WHERE o OPERATOR(cellenc.>) 5000";

	like($node->safe_psql('postgres', "SET ROLE reader; " . $sql =~ s/SELECT/EXPLAIN SELECT/r),
		$scan eq 'enable_seqscan' ? qr/Parallel Index Scan/ : qr/Parallel Seq Scan/, "a parallel plan without $scan");
	sql_is($node, 'postgres', "SET ROLE reader; $sql", $counted, "the reader's workers may compare, $scan off");
	sql_fails($node, 'postgres', "SET ROLE stranger; $sql", qr/42501: permission denied for key "pii"/,
		"the stranger's may not, $scan off");
}

#
# Statistics
#
sql_is($node, 'postgres', q{
	SET ROLE stranger;
	SELECT count(*) FROM pg_stats WHERE tablename IN ('t', 'parted', 'parted0', 'parted1')
	AND attname IN ('e', 'o', 's', 'tags') AND (most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL
		OR correlation IS NOT NULL OR most_common_elems IS NOT NULL)
	}, '0', 'no values in statistics');
sql_is($node, 'postgres', q{SET ROLE stranger;
	SELECT count(*) > 0 FROM pg_stats WHERE tablename = 't' AND attname = 'e'}, 't', 'which are there');

#
# Columns that are not compared need no right, whatever index they are in
#
foreach my $plan (sort keys %plans)
{
	my $settings = $plans{$plan} ? "SET $plans{$plan};" : '';

	sql_is($node, 'postgres', "SET ROLE stranger; $settings SELECT count(*), count(e), count(o) FROM t WHERE n = 5",
		'100|100|100', "no comparison, no right needed: $plan");
	sql_is($node, 'postgres', "SET ROLE stranger; $settings SELECT id FROM empty WHERE e OPERATOR(cellenc.=) 'value 1500'",
		'', "nothing to compare with: $plan");
}

#
# Plans that were made for another user, or before a right was taken away
#
my $prepared = q{
	SET enable_seqscan = off; SET plan_cache_mode = 'force_generic_plan';
	PREPARE p(text) AS SELECT id FROM t WHERE e OPERATOR(cellenc.=) $1;
	PREPARE q AS SELECT id FROM t WHERE n = 5 AND id = 1505 AND o IS NOT NULL;
};
foreach my $guess ('value 1500', 'value 2500')
{
	$node->psql('postgres', "SET ROLE reader; $prepared EXECUTE p('$guess'); RESET ROLE; SET ROLE stranger; EXECUTE p('$guess')",
		stdout => \my $out, stderr => \my $err);
	is($out, $guess eq 'value 1500' ? '1500' : '', "the reader's answer for $guess");
	like($err, qr/permission denied for key "pii"/, "a plan of the reader's for the stranger: $guess");
}
sql_is($node, 'postgres', "SET ROLE reader; $prepared EXECUTE q; SET ROLE stranger; EXECUTE q", "1505\n1505",
	'what compares nothing is planned anew');

$node->safe_psql('postgres', q{CREATE ROLE readers; CREATE ROLE member LOGIN IN ROLE readers;
	SELECT cellenc_grant_key('pii', 'readers', 'decrypt')});
foreach my $guess ('value 1500', 'value 2500')
{
	$node->safe_psql('postgres', 'GRANT readers TO member');
	# one session: another one takes the membership away meanwhile
	my $dsn = $node->connstr('postgres');
	$node->psql('postgres', qq{SET SESSION AUTHORIZATION member; $prepared EXECUTE p('$guess');
		\\! psql -Xq -d "$dsn" -c 'REVOKE readers FROM member'
		EXECUTE p('$guess')}, stdout => \my $answer, stderr => \my $refusal, on_error_stop => 0);
	is($answer, $guess eq 'value 1500' ? '1500' : '', "a member's answer for $guess");
	like($refusal, qr/permission denied for key "pii"/, "and none after the membership is gone: $guess");
}

# Somebody who is given the right gets the index
my $plans = $node->safe_psql('postgres', qq{SET ROLE stranger; $prepared EXPLAIN (COSTS OFF) EXECUTE p('x'); RESET ROLE;
	SELECT cellenc_grant_key('pii', 'stranger', 'decrypt'); SET ROLE stranger; EXPLAIN (COSTS OFF) EXECUTE p('x')});
$plans =~ s/^ *Disabled: true\n//m;	# since 18
is($plans, qq{Seq Scan on t
  Filter: (e OPERATOR(cellenc.=) \$1)

Index Scan using t_e_idx on t
  Index Cond: (e OPERATOR(cellenc.=) \$1)},
	'a grant makes a plan anew');

done_testing();
