<?php
// Types of encrypted columns.  Encrypted::type('enctext', 'pii', 'equality') makes
// the type "enctext:pii:equality", for #[Column(type: ...)]; a comment on the
// column, as for any type of one's own, lets the schema tools find it again.

use Doctrine\DBAL\Platforms\AbstractPlatform;
use Doctrine\DBAL\Types\Type;

final class Encrypted extends Type
{
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

    public function getBindingType(): int
    {
        return $this->base->getBindingType();
    }
}
