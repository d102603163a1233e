#
# Costs.pm: what one value costs in each operation, in time and in bytes, stored
# as plain text, by cellenc and by pgcrypto.
#
package Costs;

use strict;
use warnings;
use utf8;

use Exporter qw(import);
use Options;
use Results;
use Rounds;
use Search;
use Server;
use Values;

our @EXPORT = qw(measure_values measure_size);

# The ways to store a value: "seal" makes it from the text v, "open" makes text
# of it again ("%s" is the table), "index" are those it can be found by.
my @kinds = (
	{ name => 'plain', type => 'text', seal => 'v', open => '%s.v',
		index => { btree => 'btree (v)', hash => 'hash (v)' } },
	{ name => 'none', type => "enctext('bench')" },
	{ name => 'equality', type => "enctext('bench', 'equality')",
		index => { btree => 'btree (v cellenc.enctext_term_ops)', hash => 'hash (v)' } },
	{ name => 'order', type => "enctext('bench', 'order')",
		index => { btree => 'btree (v)', hash => 'hash (v)' } },
	{ name => 'raw', type => 'bytea, iv bytea',
		seal => "encrypt_iv(convert_to(v, 'UTF8'), " . raw_key() . ", iv, 'aes'), iv",
		open => "convert_from(decrypt_iv(%1\$s.v, " . raw_key() . ", %1\$s.iv, 'aes'), 'UTF8')" },
	{ name => 'pgp', type => 'bytea', seal => "pgp_sym_encrypt(v, 'a passphrase')",
		open => "pgp_sym_decrypt(%s.v, 'a passphrase')" });
my %title = (plain => 'plain', none => 'none', equality => 'equality', order => 'order',
	raw => 'encrypt_iv', pgp => 'PGP');
my @columns = map { $title{ $_->{name} } } @kinds;

foreach my $kind (@kinds)
{
	$kind->{seal} //= "v::$kind->{type}";
	$kind->{open} //= '%s.v';
	$kind->{index} //= {};
}

sub kind_rows
{
	my ($kind) = @_;
	my $most = $sort_rows < $rows ? $sort_rows : $rows;
	return $kind->{name} eq 'pgp' && $pgp_rows < $most ? $pgp_rows : $most;
}

# The rows to seal, with an IV for encrypt_iv.
sub sealed_rows
{
	my ($kind) = @_;
	my $iv = $kind->{name} eq 'raw' ? ', gen_random_bytes(16) AS iv' : '';
	return "(SELECT id, v$iv FROM source WHERE id <= " . kind_rows($kind) . ' OFFSET 0) s';
}

sub insert
{
	my ($kind) = @_;
	# The column's type seals by itself.
	my $value = $kind->{name} =~ /^(raw|pgp)$/ ? $kind->{seal} : 'v';
	return "INSERT INTO value_$kind->{name} SELECT id, $value FROM " . sealed_rows($kind);
}

sub need_kinds
{
	need_source();
	return if query("SELECT to_regclass('value_plain')") ne '';
	session((map { ("CREATE TABLE value_$_->{name} (id bigint, v $_->{type})", insert($_)) } @kinds),
		'VACUUM (ANALYZE)', 'CHECKPOINT');
	return;
}

sub drop_kinds
{
	session('DROP TABLE ' . join(', ', map { "value_$_->{name}" } @kinds));
	return;
}

my %query = (
	seal => sub { "SELECT count(ROW($_[0]{seal})) FROM " . sealed_rows($_[0]) },
	insert => \&insert,
	open => sub { 'SELECT sum(length(' . opened($_[0], 't') . ")) FROM value_$_[0]{name} t" },
	scan => sub { "SELECT count(*) FROM value_$_[0]{name} t WHERE " . opened($_[0], 't') . " LIKE '%abc%'" },
	sort => sub {
		'SELECT count(*) FROM (SELECT ' . opened($_[0], 't') . " AS v FROM value_$_[0]{name} t ORDER BY v OFFSET 0) s";
	},
	group => sub {
		'SELECT count(*) FROM (SELECT ' . opened($_[0], 't') . " AS v FROM value_$_[0]{name} t GROUP BY 1) s";
	},
	join => sub {
		"SELECT count(*) FROM value_$_[0]{name} a JOIN value_$_[0]{name} b ON "
		  . opened($_[0], 'a') . ' = ' . opened($_[0], 'b');
	});

sub opened
{
	my ($kind, $table) = @_;
	return sprintf($kind->{open}, $table);
}

# Microseconds for each value, of each kind.
sub operation_costs
{
	my ($operation) = @_;
	my $time = alternate(
		$repeat,
		sub {
			my ($kind) = $_[0] =~ /_([^_]+)$/;
			return ("TRUNCATE value_$kind", 'CHECKPOINT') if $operation eq 'insert';
			return "SET work_mem = '64MB'; SET enable_mergejoin = off";
		},
		map { [ "value_${operation}_$_->{name}", $query{$operation}->($_) ] } @kinds);

	session('VACUUM (ANALYZE)') if $operation eq 'insert';
	return { map { ($_->{name} => 1000 * $time->{"value_${operation}_$_->{name}"} / kind_rows($_)) } @kinds };
}

# The same of look-ups, with indexes that would be in the way of the others.
sub lookup_costs
{
	my @indexed = grep { $_->{index}{btree} } @kinds;
	my ($time, $count);

	session('CREATE TABLE probe AS SELECT v FROM source WHERE id <= ' . kind_rows($kinds[0]) . " ORDER BY md5(v) LIMIT $lookups",
		map { ("CREATE UNIQUE INDEX ON value_$_->{name} USING $_->{index}{btree}", "ANALYZE value_$_->{name}") } @indexed);
	$time = alternate($repeat, sub { () }, map { [ "value_lookup_$_->{name}", lookup("value_$_->{name}", 'SELECT v FROM probe') ] } @indexed);
	$count = query('SELECT count(*) FROM probe');
	session('DROP TABLE probe');
	return { map { ($_->{name} => 1000 * $time->{"value_lookup_$_->{name}"} / $count) } @indexed };
}

sub measure_values
{
	my %name = (
		seal => 'seal', insert => 'insert', open => 'open', scan => 'scan (LIKE)', lookup => 'look-up by index',
		sort => 'sort', group => 'group', join => 'hash join');
	my %cost;

	need_kinds();
	$cost{$_} = operation_costs($_) foreach qw(seal insert open scan sort group join);
	$cost{lookup} = lookup_costs();
	drop_kinds();

	table('values', 'Time for each value', 'µs', 'bars', 'operation', \@columns,
		[ map { my $operation = $_; [ $name{$operation}, map { $cost{$operation}{ $_->{name} } } @kinds ] }
			  qw(seal insert open scan lookup sort group join) ]);
	return;
}

# Bytes of a row of a number and a value: on disk, and written to the WAL.
sub measure_size
{
	my %size;

	need_kinds();
	foreach my $kind (@kinds)
	{
		my ($table, $count) = ("value_$kind->{name}", kind_rows($kind));
		my $lsn;

		session("TRUNCATE $table", 'CHECKPOINT');
		$lsn = query('SELECT pg_current_wal_insert_lsn()');
		session(insert($kind));
		$size{wal}{ $kind->{name} } = query("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')") / $count;
		$size{table}{ $kind->{name} } = query("SELECT pg_relation_size('$table')") / $count;
		foreach my $method (sort keys %{ $kind->{index} })
		{
			session("CREATE INDEX indexed ON $table USING $kind->{index}{$method}");
			$size{$method}{ $kind->{name} } = query("SELECT pg_relation_size('indexed')") / $count;
			session('DROP INDEX indexed');
		}
	}
	drop_kinds();

	table('size', 'Bytes for each row', 'bytes', 'bars', '', \@columns,
		[ map { my ($what, $name) = @$_; [ $name, map { $size{$what}{ $_->{name} } } @kinds ] }
			  [ 'table', 'table' ], [ 'btree', 'btree index' ], [ 'hash', 'hash index' ], [ 'wal', 'WAL of INSERT' ] ]);
	return;
}

1;
