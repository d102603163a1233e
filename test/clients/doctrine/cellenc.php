<?php
// Types of encrypted columns.  Encrypted::type('enctext', 'pii', 'equality') makes
// the type "enctext:pii:equality", for #[Column(type: ...)].  With DBAL 3 a comment
// on the column, as for any type of one's own, lets the schema tools find it again;
// DBAL 4 has none, so it needs $config->setSchemaManagerFactory(new EncryptedSchemaManagerFactory()).

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\ParameterType;
use Doctrine\DBAL\Platforms\AbstractPlatform;
use Doctrine\DBAL\Schema\Column;
use Doctrine\DBAL\Schema\PostgreSQLSchemaManager;
use Doctrine\DBAL\Schema\SchemaManagerFactory;
use Doctrine\DBAL\Types\Type;

if (enum_exists(ParameterType::class)) {
    trait EncryptedBinding
    {
        public function getBindingType(): ParameterType
        {
            return $this->base->getBindingType();
        }
    }

    /** Finds the types by the columns' own. */
    final class EncryptedSchemaManager extends PostgreSQLSchemaManager
    {
        protected function _getPortableTableColumnDefinition(array $tableColumn): Column
        {
            if (preg_match("/^(enc\w+)\('(.+?)'(?:,'(\w+)')?\)$/", $tableColumn['complete_type'], $found)) {
                $name = "$found[1]:$found[2]:" . ($found[3] ?? 'none');
                if (Type::hasType($name)) {
                    $this->platform->registerDoctrineTypeMapping($name, $name);
                    $tableColumn['type'] = $name;
                }
            }
            return parent::_getPortableTableColumnDefinition($tableColumn);
        }
    }

    final class EncryptedSchemaManagerFactory implements SchemaManagerFactory
    {
        public function createSchemaManager(Connection $connection): EncryptedSchemaManager
        {
            return new EncryptedSchemaManager($connection, $connection->getDatabasePlatform());
        }
    }
} else {
    trait EncryptedBinding
    {
        public function getBindingType(): int
        {
            return $this->base->getBindingType();
        }
    }
}

final class Encrypted extends Type
{
    use EncryptedBinding;

    private const BASES = [
        'enctext' => 'text', 'encint2' => 'smallint', 'encint4' => 'integer', 'encint8' => 'bigint', 'encnumeric' => 'decimal',
        'encfloat4' => 'float', 'encfloat8' => 'float', 'encbool' => 'boolean', 'encdate' => 'date_immutable',
        'enctime' => 'time_immutable', 'enctimestamp' => 'datetime_immutable', 'enctimestamptz' => 'datetimetz_immutable',
        'encuuid' => 'guid', 'encjsonb' => 'json', 'encbytea' => 'blob', 'encinet' => 'string',
    ];

    private string $name;
    private string $declaration;
    private Type $base;

    public static function type(string $twin, string $key, string $search = 'none'): void
    {
        $type = new self();
        $type->name = "$twin:$key:$search";
        $type->declaration = "$twin('$key','$search')";
        $type->base = Type::getType(self::BASES[$twin]);
        Type::getTypeRegistry()->register($type->name, $type);
    }

    /** Once for a connection. */
    public static function register(AbstractPlatform $platform): void
    {
        foreach (self::BASES as $twin => $base) {
            $platform->registerDoctrineTypeMapping($twin, $base);
        }
    }

    public function getName(): string
    {
        return $this->name;
    }

    public function getSQLDeclaration(array $column, AbstractPlatform $platform): string
    {
        return $this->declaration;
    }

    public function requiresSQLCommentHint(AbstractPlatform $platform): bool
    {
        return true;
    }

    public function convertToDatabaseValue($value, AbstractPlatform $platform): mixed
    {
        return $this->base->convertToDatabaseValue($value, $platform);
    }

    public function convertToPHPValue($value, AbstractPlatform $platform): mixed
    {
        return $this->base->convertToPHPValue($value, $platform);
    }
}
