# What a Rails application puts into config/initializers/cellenc.rb: encrypted
# columns get their base type's attributes, and schema.rb keeps them encrypted and
# their indexes as they are.
require 'active_record/connection_adapters/postgresql_adapter'

module Cellenc
  include ActiveRecord::ConnectionAdapters

  TYPES = {
    'enctext' => ActiveRecord::Type::Text.new,
    'encint2' => ActiveRecord::Type::Integer.new(limit: 2),
    'encint4' => ActiveRecord::Type::Integer.new(limit: 4),
    'encint8' => ActiveRecord::Type::Integer.new(limit: 8),
    'encnumeric' => ActiveRecord::Type::Decimal.new,
    'encfloat4' => ActiveRecord::Type::Float.new,
    'encfloat8' => ActiveRecord::Type::Float.new,
    'encbool' => ActiveRecord::Type::Boolean.new,
    'encdate' => PostgreSQL::OID::Date.new,
    'enctime' => ActiveRecord::Type::Time.new,
    'enctimestamp' => PostgreSQL::OID::DateTime.new,
    'enctimestamptz' => PostgreSQL::OID::DateTime.new,
    'encuuid' => PostgreSQL::OID::Uuid.new,
    'encjsonb' => PostgreSQL::OID::Jsonb.new,
    'encbytea' => PostgreSQL::OID::Bytea.new,
    'encinet' => PostgreSQL::OID::Inet.new
  }.freeze

  module TypeMap
    private

    def initialize_type_map(map = type_map)
      TYPES.each { |name, type| map.register_type(name, type) }
      super
    end
  end

  module SchemaDumper
    private

    def schema_type(column)
      TYPES.key?(column.sql_type[/\A\w+/]) ? column.sql_type : super
    end

    def prepare_column_options(column)
      super.tap { |options| options.delete(:limit) if schema_type(column).is_a?(String) }
    end
  end

  # Operator classes are in a schema, which ActiveRecord does not look for.
  module Indexes
    def indexes(table)
      opclasses = query(<<~SQL, 'SCHEMA').group_by(&:first)
        SELECT i.indexrelid::regclass::text, a.attname, 'cellenc.' || o.opcname
        FROM pg_index i
          JOIN pg_attribute a ON a.attrelid = i.indexrelid
          JOIN pg_opclass o ON o.oid = i.indclass[a.attnum - 1]
        WHERE i.indrelid = #{quote(quote_table_name(table))}::regclass
          AND o.opcnamespace = to_regnamespace('cellenc') AND NOT o.opcdefault
      SQL
      super.map do |index|
        found = opclasses[index.name]
        next index unless found

        ActiveRecord::ConnectionAdapters::IndexDefinition.new(
          index.table, index.name, index.unique, index.columns,
          orders: index.orders, opclasses: found.to_h { |_, column, opclass| [column, opclass] },
          where: index.where, using: index.using, comment: index.comment
        )
      end
    end
  end

  # Since Rails 7.1 schema.rb makes the schemas as well, but these come with the extension.
  module Schemas
    def schema_names
      super - %w[cellenc cellenc_conversion]
    end
  end

  PostgreSQLAdapter.prepend TypeMap, Indexes, Schemas
  PostgreSQL::SchemaDumper.prepend SchemaDumper
end
