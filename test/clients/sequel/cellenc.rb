# What an application loads after its other extensions, so that Sequel converts
# what is assigned to encrypted columns: DB.extend(Cellenc).
module Cellenc
  NAMES = {
    'int2' => 'smallint', 'int4' => 'integer', 'int8' => 'bigint', 'float4' => 'real', 'float8' => 'double precision',
    'bool' => 'boolean', 'time' => 'time without time zone', 'timestamp' => 'timestamp without time zone',
    'timestamptz' => 'timestamp with time zone'
  }.freeze

  private

  def schema_column_type(db_type)
    super(db_type.sub(/\Aenc(\w+)(\(.*\))?/) { NAMES.fetch($1, $1) })
  end
end
