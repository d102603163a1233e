#
# doc/reference.md has every function, view, column and setting of the catalogs
# and every error of the source, and nothing else.
#
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use CellencTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my %sections = sections(slurp_file("$top/doc/reference.md"));
my $node = start_node('main');

$node->safe_psql('postgres', 'CREATE ROLE clerk');

# The page's text by heading.
sub sections
{
	my ($page) = @_;
	my (undef, @parts) = split /^#{2,3} (.*)\n/m, $page;
	return @parts;
}

# The cells of a section's tables, without their heads, code marks or blanks.
sub rows
{
	my ($text) = @_;
	my @rows;

	while ($text =~ /^\|[-|]+\|\n((?:\|.*\n)*)/mg)
	{
		push @rows, map { [ map { s/^ *`?|`? *$//gr } /([^|]*)\|/g ] } map { substr $_, 1 } split /\n/, $1;
	}
	return @rows;
}

# Two lists of lines have the same members; what differs is shown.
sub same_lines
{
	my ($page, $real, $name) = @_;
	my %in_page = map { $_ => 1 } @$page;
	my %is_real = map { $_ => 1 } @$real;

	is(scalar keys %in_page, scalar @$page, "$name: nothing twice");
	is(join("\n", grep { !$in_page{$_} } @$real), '', "$name: all are in the page");
	is(join("\n", grep { !$is_real{$_} } @$page), '', "$name: all in the page are there");
}

#
# Functions: signature, result, and whether everyone may execute them
#
my @functions = map { rows($sections{$_}) } 'Keys', 'Retiring', 'Master keys and copies', 'Jobs', 'Types and checks';
same_lines(
	[ map { join ' | ', $_->[0], $_->[1], $_->[2] eq 'superuser' ? 'revoked' : 'everyone' } @functions ],
	[ split /\n/, $node->safe_psql(
			'postgres', q{
			SELECT concat_ws(' | ',
				CASE prokind WHEN 'p' THEN 'CALL ' ELSE '' END || proname || '('
					|| regexp_replace(regexp_replace(regexp_replace(arguments, '(, )?OUT .*', ''), '::[a-z0-9]+(\[\])?', '', 'g'),
						'\mIN ', '', 'g') || ')',
				CASE WHEN prokind = 'p' THEN ''
					WHEN arguments ~ '\mOUT ' THEN 'setof (' || replace(substring(arguments FROM 'OUT (.*)'), 'OUT ', '') || ')'
					ELSE pg_get_function_result(oid) END,
				CASE WHEN has_function_privilege('clerk', oid, 'EXECUTE') THEN 'everyone' ELSE 'revoked' END)
			FROM (SELECT p.oid, p.prokind, p.proname, pg_get_function_arguments(p.oid) AS arguments
				FROM pg_proc p
				WHERE pronamespace = 'pg_catalog'::regnamespace AND proname LIKE 'cellenc\_%') p}) ],
	'functions');

#
# Views: columns and types
#
my @columns = map
{
	my $view = $_;
	map { "$view.$_->[0] $_->[1]" } grep { @$_ == 3 } rows($sections{$view})
} grep { /^cellenc\./ } sort keys %sections;
same_lines(
	\@columns,
	[ split /\n/, $node->safe_psql(
			'postgres', q{
			SELECT 'cellenc.' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod)
			FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
			WHERE relnamespace = 'cellenc'::regnamespace AND relkind = 'v' AND attnum > 0}) ],
	'columns of views');

#
# Settings: default, and who may set them
#
same_lines(
	[ map { join ' | ', @$_[ 0 .. 2 ] } rows($sections{Settings}) ],
	[ split /\n/, $node->safe_psql(
			'postgres', q{
			SELECT concat_ws(' | ', name, concat_ws(' ', nullif(boot_val, ''), unit),
				CASE context WHEN 'sighup' THEN 'reload' WHEN 'postmaster' THEN 'start' WHEN 'user' THEN 'anyone' ELSE context END)
			FROM pg_settings WHERE name LIKE 'cellenc.%'}) ],
	'settings');

#
# Errors and events, as the source has them
#
my $source = join '', map { slurp_file($_) } sort glob "$top/src/*.c";
my (%messages, %actions);
$source =~ s/INT64_FORMAT/"%d"/g;

# A C expression that begins with string literals, with an ellipsis for what is put in.
sub literal
{
	my ($expression) = @_;
	my $text = join '', $expression =~ /"((?:[^"\\]|\\.)*)"/g;

	$text =~ s/\\"/"/g;
	$text =~ s/%[-0-9.*]*[hlz]*[a-zA-Z]/\x{e2}\x{80}\x{a6}/g;
	return $text;
}

while ($source =~ /errcode\(([\w>-]+)\)(.*?);\n/sg)
{
	my ($code, $rest) = ($1, $2);
	$messages{ literal($1) }{$code} = 1 while $rest =~ /errmsg\(((?:\s*"(?:[^"\\]|\\.)*")+)/g;
}
my @errors = rows($sections{Errors});
# SQLSTATEs, as errcodes.h builds them
my $errcodes = slurp_file($node->config_data('--includedir-server') . '/utils/errcodes.h');
my %sqlstates = ('failure->sqlerrcode' => 'of the cause');
while ($errcodes =~ /^#define (ERRCODE_\w+) MAKE_SQLSTATE\((.*)\)/mg)
{
	my ($name, $letters) = ($1, $2);
	$sqlstates{$name} = join '', $letters =~ /'(.)'/g;
}
same_lines(
	[ map { "$_->[0] $_->[1]" } @errors ],
	[ map { my $message = $_; map { "$sqlstates{$_} $message" } sort keys %{ $messages{$message} } } sort keys %messages ],
	'SQLSTATEs of errors');

$actions{$1} = 1 while $source =~ /cellenc_event_(?:record|note)\("(\w+)"/g;
my %told = map { $_ => 1 } map { $_->[0] =~ /(\w+)/g } grep { @$_ == 2 } rows($sections{'cellenc.events'});
is(join(' ', grep { !$told{$_} } sort keys %actions), '', 'actions of events are in the page');

$node->stop;
done_testing();
