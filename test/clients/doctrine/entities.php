<?php
// The entities, as for any database, and a type for arrays, which Doctrine lacks.

use Doctrine\Common\Collections\ArrayCollection;
use Doctrine\Common\Collections\Collection;
use Doctrine\DBAL\Platforms\AbstractPlatform;
use Doctrine\DBAL\Types\Type;
use Doctrine\ORM\Mapping as ORM;

abstract class ArrayType extends Type
{
    abstract protected function element(string $text): mixed;

    public function convertToDatabaseValue($value, AbstractPlatform $platform): ?string
    {
        $quote = fn ($item) => $item === null ? 'NULL' : '"' . addcslashes((string) $item, '"\\') . '"';
        return $value === null ? null : '{' . implode(',', array_map($quote, $value)) . '}';
    }

    public function convertToPHPValue($value, AbstractPlatform $platform): ?array
    {
        if ($value === null) {
            return null;
        }
        preg_match_all('/"((?:[^"\\\\]|\\\\.)*)"|([^,{}"]+)/', $value, $found, PREG_SET_ORDER | PREG_UNMATCHED_AS_NULL);
        return array_map(fn ($item) => ($item[2] ?? null) === 'NULL' ? null
            : $this->element($item[2] ?? stripslashes($item[1])), $found);
    }
}

final class TextArrayType extends ArrayType
{
    protected function element(string $text): string
    {
        return $text;
    }

    public function getSQLDeclaration(array $column, AbstractPlatform $platform): string
    {
        return 'text[]';
    }

    public function getName(): string
    {
        return 'text[]';
    }
}

final class IntegerArrayType extends ArrayType
{
    protected function element(string $text): int
    {
        return (int) $text;
    }

    public function getSQLDeclaration(array $column, AbstractPlatform $platform): string
    {
        return 'integer[]';
    }

    public function getName(): string
    {
        return 'integer[]';
    }
}

Type::addType('text[]', TextArrayType::class);
Type::addType('integer[]', IntegerArrayType::class);

#[ORM\Entity]
#[ORM\Table(name: 'person')]
class Person
{
    #[ORM\Id, ORM\Column(type: 'bigint'), ORM\GeneratedValue(strategy: 'IDENTITY')]
    public ?string $id = null;
    #[ORM\Column(type: 'text', unique: true)]
    public string $email;
    #[ORM\Column(type: 'text')]
    public string $name;
    #[ORM\Column(type: 'text', nullable: true)]
    public ?string $note = null;
    #[ORM\Column(type: 'smallint', nullable: true)]
    public ?int $level = null;
    #[ORM\Column(type: 'integer')]
    public int $visits = 0;
    #[ORM\Column(type: 'bigint', nullable: true)]
    public int|string|null $points = null;   // what DBAL 4 reads, and 3
    #[ORM\Column(type: 'decimal', precision: 40, scale: 10, nullable: true)]
    public ?string $salary = null;
    #[ORM\Column(type: 'float', nullable: true)]
    public ?float $score = null;
    #[ORM\Column(type: 'float', nullable: true)]
    public ?float $ratio = null;
    #[ORM\Column(type: 'boolean')]
    public bool $active = true;
    #[ORM\Column(type: 'date_immutable', nullable: true)]
    public ?DateTimeImmutable $born = null;
    #[ORM\Column(type: 'time_immutable', nullable: true)]
    public ?DateTimeImmutable $wakes = null;
    #[ORM\Column(type: 'datetimetz_immutable', nullable: true)]
    public ?DateTimeImmutable $seen = null;
    #[ORM\Column(type: 'datetime_immutable', nullable: true)]
    public ?DateTimeImmutable $local = null;
    #[ORM\Column(type: 'guid', nullable: true)]
    public ?string $ref = null;
    #[ORM\Column(type: 'json', nullable: true, options: ['jsonb' => true])]
    public ?array $doc = null;
    /** @var resource|string|null */
    #[ORM\Column(type: 'blob', nullable: true)]
    public $photo = null;
    #[ORM\Column(type: 'string', nullable: true)]
    public ?string $address = null;
    #[ORM\Column(type: 'text[]', nullable: true)]
    public ?array $tags = null;
    #[ORM\Column(type: 'integer[]', nullable: true)]
    public ?array $lucky = null;
    #[ORM\Column(type: 'integer'), ORM\Version]
    public int $version;
    /** @var Collection<int, Purchase> */
    #[ORM\OneToMany(targetEntity: Purchase::class, mappedBy: 'person', cascade: ['persist', 'remove'])]
    #[ORM\OrderBy(['id' => 'ASC'])]
    public Collection $purchases;

    public function __construct(array $values)
    {
        $this->purchases = new ArrayCollection();
        foreach ($values as $name => $value) {
            $this->$name = $value;
        }
    }
}

#[ORM\Entity]
#[ORM\Table(name: 'purchase')]
class Purchase
{
    #[ORM\Id, ORM\Column(type: 'bigint'), ORM\GeneratedValue(strategy: 'IDENTITY')]
    public ?string $id = null;

    public function __construct(
        #[ORM\ManyToOne(targetEntity: Person::class, inversedBy: 'purchases')]
        #[ORM\JoinColumn(name: 'person_id', nullable: false)]
        public Person $person,
        #[ORM\Column(type: 'text')]
        public string $title,
        #[ORM\Column(type: 'decimal', precision: 40, scale: 10)]
        public string $amount,
        #[ORM\Column(type: 'boolean')]
        public bool $paid = false,
        #[ORM\Column(type: 'datetimetz_immutable', nullable: true)]
        public ?DateTimeImmutable $at = null,
    ) {
    }
}
