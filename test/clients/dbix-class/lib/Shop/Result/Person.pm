package Shop::Result::Person;

use strict;
use warnings;
use base 'DBIx::Class::Core';

use JSON::PP;

my $json = JSON::PP->new->canonical->utf8(0);

__PACKAGE__->load_components('InflateColumn::DateTime');
__PACKAGE__->table('person');
__PACKAGE__->add_columns(
	id => { data_type => 'bigint', is_auto_increment => 1, sequence => 'person_id_seq' },
	email => { data_type => 'text' },
	name => { data_type => 'text' },
	note => { data_type => 'text', is_nullable => 1 },
	level => { data_type => 'smallint', is_nullable => 1 },
	visits => { data_type => 'integer', default_value => 0, retrieve_on_insert => 1 },
	points => { data_type => 'bigint', is_nullable => 1 },
	salary => { data_type => 'numeric', is_nullable => 1 },
	score => { data_type => 'double precision', is_nullable => 1 },
	ratio => { data_type => 'real', is_nullable => 1 },
	active => { data_type => 'boolean', default_value => \'true', retrieve_on_insert => 1 },
	born => { data_type => 'date', is_nullable => 1 },
	wakes => { data_type => 'time', is_nullable => 1 },
	seen => { data_type => 'timestamp with time zone', is_nullable => 1 },
	local => { data_type => 'timestamp', is_nullable => 1 },
	ref => { data_type => 'uuid', is_nullable => 1 },
	doc => { data_type => 'jsonb', is_nullable => 1 },
	photo => { data_type => 'bytea', is_nullable => 1 },
	address => { data_type => 'inet', is_nullable => 1 },
	tags => { data_type => 'text[]', is_nullable => 1 },
	lucky => { data_type => 'integer[]', is_nullable => 1 },
	version => { data_type => 'integer', default_value => 0 });
__PACKAGE__->inflate_column(doc => { inflate => sub { $json->decode($_[0]) }, deflate => sub { $json->encode($_[0]) } });
__PACKAGE__->set_primary_key('id');
__PACKAGE__->add_unique_constraint(person_email_key => ['email']);
__PACKAGE__->has_many(purchases => 'Shop::Result::Purchase', 'person_id');

1;
