#
# Traffic.pm: many short transactions, on encrypted columns and on none.
#
package Traffic;

use strict;
use warnings;

use Exporter qw(import);
use Options;
use Results;
use Rounds;
use Server;

our @EXPORT = qw(make_customers drop_customers measure_oltp measure_hooks);

# Customers with encrypted columns, or plain ones.  Returns pgbench's options for
# a mix of short transactions on them: of ten, eight look a customer up by e-mail
# address, one adds one, one changes a name.
sub make_customers
{
	my ($kind) = @_;
	my ($table, $type, $class) = ("customers_$kind", 'text', '');
	my %script;

	($type, $class) = ("enctext('bench', 'equality')", 'cellenc.enctext_term_ops') if $kind ne 'plain';
	%script = (
		select => "SELECT id, name FROM $table WHERE email = 'user' || :id::text || '\@example.com'",
		insert => "INSERT INTO $table (email, name) VALUES "
		  . "('new' || nextval('${table}_new')::text || '\@example.com', 'Name ' || :id::text)",
		update => "UPDATE $table SET name = 'New name ' || :id::text "
		  . "WHERE email = 'user' || :id::text || '\@example.com'");

	session('SET client_min_messages = warning',
		"CREATE TABLE $table (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email $type NOT NULL, name $type)",
		"CREATE SEQUENCE ${table}_new CACHE 100",
		"INSERT INTO $table (email, name)
		   SELECT 'user' || i || '\@example.com', 'Name ' || i FROM generate_series(1, $sort_rows) i",
		"CREATE UNIQUE INDEX ON $table (email $class)",
		"VACUUM (ANALYZE) $table");
	foreach my $name (sort keys %script)
	{
		unlink "$dir/$kind.$name";
		append("$dir/$kind.$name", "\\set id random(1, $sort_rows)\n$script{$name};\n");
	}
	return "-f $dir/$kind.select\@8 -f $dir/$kind.insert\@1 -f $dir/$kind.update\@1";
}

sub drop_customers
{
	session(map { ("DROP TABLE customers_$_", "DROP SEQUENCE customers_${_}_new") } qw(plain cellenc));
	return;
}

sub measure_oltp
{
	my %options = map { ("oltp_$_" => [ '-c 4 -j 1', make_customers($_) ]) } qw(plain cellenc);

	query('CHECKPOINT');
	alternate_pgbench(%options);
	figure('short transactions: cellenc / plain, tps', ratio(\%rates, 'oltp_cellenc', 'oltp_plain'), '>=', 0.9, 'x');
	drop_customers();
	return;
}

# What plain statements pay for cellenc's hooks: the same on a server without
# the library.  Runs of the same server differ by more than the target leaves
# only where the machine is busy with something else.
sub measure_hooks
{
	start_cluster('bare', $bare_port, '');
	foreach my $port ($ENV{PGPORT}, $bare_port)
	{
		command("$bindir/pgbench -p $port -i -q -s $pgbench_scale >$dir/pgbench.log 2>&1");
	}
	# simple protocol: parsing and planning come with every statement
	alternate_pgbench(
		hooks_with => [ '-S -M simple -c 2 -j 1', "-p $ENV{PGPORT}" ],
		hooks_without => [ '-S -M simple -c 2 -j 1', "-p $bare_port" ]);
	figure('pgbench -S: with / without cellenc, tps', ratio(\%rates, 'hooks_with', 'hooks_without'), '>=', 0.97, 'x');
	command("$bindir/pgbench -p $ENV{PGPORT} -i -I d -q >$dir/pgbench.log 2>&1");
	return;
}

1;
