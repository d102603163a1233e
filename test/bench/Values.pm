#
# Values.pm: sealing and opening whole tables, the bytes of a value, and the
# first use of a key.
#
package Values;

use strict;
use warnings;

use Exporter qw(import);
use Options;
use Results;
use Rounds;
use Server;

our @EXPORT = qw(
  need_source drop_sources raw_key encrypted_by_raw
  measure_scans measure_inserts measure_bytes measure_first_use
);

sub raw_key
{
	return q{'\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'::bytea};
}

# pgcrypto as people use it: a random IV in every row, which decrypting needs.
# Columns v and iv from column v of a table or subquery.
sub encrypted_by_raw
{
	my ($from) = @_;
	return "SELECT id, encrypt_iv(convert_to(v, 'UTF8'), " . raw_key() . ", iv, 'aes'), iv
		FROM (SELECT id, v, gen_random_bytes(16) AS iv FROM $from OFFSET 0) s";
}

# The rows that go into other tables.
sub need_source
{
	return if query("SELECT to_regclass('source')") ne '';
	session(
		'CREATE TABLE source (id bigint, v text)',
		"INSERT INTO source SELECT i, left(md5(i::text), 20) FROM generate_series(1, $rows) i",
		'VACUUM (ANALYZE) source');
	return;
}

sub need_values
{
	return if query("SELECT to_regclass('plain')") ne '';
	need_source();
	session(
		'CREATE TABLE plain (id bigint, v text)',
		"CREATE TABLE cellenc (id bigint, v enctext('bench'))",
		"CREATE TABLE term (id bigint, v enctext('bench', 'equality'))",
		'CREATE TABLE raw (id bigint, v bytea, iv bytea)',
		'CREATE TABLE pgp (id bigint, v bytea)',
		'INSERT INTO plain SELECT id, v FROM source',
		'INSERT INTO cellenc SELECT id, v FROM source',
		'INSERT INTO term SELECT id, v FROM source LIMIT 1000',
		'INSERT INTO raw ' . encrypted_by_raw('source'),
		"INSERT INTO pgp SELECT id, pgp_sym_encrypt(v, 'a passphrase') FROM source LIMIT $pgp_rows",
		'VACUUM (ANALYZE)',
		'CHECKPOINT');
	return;
}

# Before what needs the room and the quiet.
sub drop_sources
{
	session('DROP TABLE IF EXISTS source, plain, cellenc, term, raw, pgp, one_plain, one_cellenc', 'CHECKPOINT');
	return;
}

sub measure_scans
{
	my $raw = raw_key();

	need_values();
	alternate(
		$often,
		sub { () },
		[ 'scan_plain', 'SELECT sum(length(v)) FROM plain' ],
		[ 'scan_cellenc', 'SELECT sum(length(v)) FROM cellenc' ],
		# Without the conversion to text that an application would need.
		[ 'scan_decrypt_iv', "SELECT sum(length(decrypt_iv(v, $raw, iv, 'aes'))) FROM raw" ],
		[ 'scan_pgp', "SELECT sum(length(pgp_sym_decrypt(v, 'a passphrase'))) FROM pgp" ]);
	figure('sum(length(v)): cellenc / plain', ratio(\%times, 'scan_cellenc', 'scan_plain'), '<=', 4, 'x');
	figure('sum(length(v)): decrypt_iv / cellenc', ratio(\%times, 'scan_decrypt_iv', 'scan_cellenc'), '>=', 3, 'x');
	figure('sum(length(v)): pgp_sym_decrypt / cellenc',
		ratio(\%times, 'scan_pgp', 'scan_cellenc') * $rows / $pgp_rows, '>=', 300, 'x');
	return;
}

sub measure_inserts
{
	need_values();
	alternate(
		$repeat,
		sub { my $table = (split(/_/, $_[0]))[1]; ("TRUNCATE $table", 'CHECKPOINT') },
		[ 'insert_plain', 'INSERT INTO plain SELECT id, v FROM source' ],
		[ 'insert_cellenc', 'INSERT INTO cellenc SELECT id, v FROM source' ],
		[ 'insert_raw', 'INSERT INTO raw ' . encrypted_by_raw('source') ]);

	figure('INSERT ... SELECT: cellenc / plain', ratio(\%times, 'insert_cellenc', 'insert_plain'), '<=', 3, 'x');
	figure('INSERT ... SELECT: encrypt_iv / cellenc', ratio(\%times, 'insert_raw', 'insert_cellenc'), '>=', 3, 'x');
	return;
}

# As the output function gives the stored bytes away, without their header.
sub measure_bytes
{
	need_values();
	foreach my $case ([ 'cellenc', 'bytes over the plaintext', 45 ],
		[ 'term', "bytes over the plaintext, 'equality'", 61 ])
	{
		my ($table, $name, $target) = @$case;
		my ($least, $most) = split(/\|/,
			query("SET cellenc.output = 'sealed';
				SELECT min(n), max(n) FROM
				(SELECT octet_length(decode(substr(format('%s', v), 11), 'base64'))
				 - octet_length(v::text) AS n FROM $table) s"));

		figure($name, $least == $target ? $most : $least, '==', $target, 'bytes');
	}
	return;
}

# The first statement of a new connection, on a table of one row.
sub measure_first_use
{
	need_values();
	session(map { ("CREATE TABLE one_$_ (LIKE $_)", "INSERT INTO one_$_ SELECT * FROM $_ LIMIT 1",
			"VACUUM (ANALYZE) one_$_") } qw(plain cellenc));
	foreach my $round (1 .. $connections)
	{
		foreach my $what ($round % 2 ? qw(plain cellenc) : qw(cellenc plain))
		{
			my $first = session([ "first_$what", "SELECT v FROM one_$what" ]);
			push @{ $times{"first_$what"} }, $first->{"first_$what"}[0];
		}
	}
	figure('first use of a key in a connection, over plain',
		median(@{ $times{first_cellenc} }) - median(@{ $times{first_plain} }), '<=', 1, 'ms');
	return;
}

1;
