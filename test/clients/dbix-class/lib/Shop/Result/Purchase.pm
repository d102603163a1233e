package Shop::Result::Purchase;

use strict;
use warnings;
use base 'DBIx::Class::Core';

__PACKAGE__->load_components('InflateColumn::DateTime');
__PACKAGE__->table('purchase');
__PACKAGE__->add_columns(
	id => { data_type => 'bigint', is_auto_increment => 1, sequence => 'purchase_id_seq' },
	person_id => { data_type => 'bigint', is_foreign_key => 1 },
	title => { data_type => 'text' },
	amount => { data_type => 'numeric' },
	paid => { data_type => 'boolean', default_value => \'false', retrieve_on_insert => 1 },
	at => { data_type => 'timestamp with time zone', is_nullable => 1 });
__PACKAGE__->set_primary_key('id');
__PACKAGE__->belongs_to(person => 'Shop::Result::Person', 'person_id');

1;
