// The tables, as MikroORM declares them without decorators.
import {
    ArrayType, BigIntType, BlobType, DateTimeType, DateType, DecimalType, DoubleType, EntitySchema, FloatType, JsonType, MikroORM, SmallIntType,
    TextType, TimeType, UuidType
} from '@mikro-orm/postgresql';

const optional = (type, rest) => ({ type, nullable: true, ...rest });

export const Person = new EntitySchema({
    name: 'Person', tableName: 'person',
    properties: {
        id: { type: new BigIntType('string'), primary: true },
        email: { type: TextType, unique: 'person_email_key' },
        name: { type: TextType },
        note: optional(TextType),
        level: optional(SmallIntType),
        visits: { type: 'integer', default: 0 },
        points: optional(new BigIntType('string')),
        salary: optional(DecimalType),
        score: optional(DoubleType),
        ratio: optional(FloatType),
        active: { type: 'boolean', default: true },
        born: optional(DateType),
        wakes: optional(TimeType),
        seen: optional(DateTimeType, { columnType: 'timestamptz' }),
        local: optional(DateTimeType, { columnType: 'timestamp' }),
        ref: optional(UuidType),
        doc: optional(JsonType),
        photo: optional(BlobType),
        address: optional('string', { columnType: 'inet' }),
        tags: optional(ArrayType),
        lucky: optional(new ArrayType((value) => Number(value)), { columnType: 'int[]' }),
        createdAt: { type: DateTimeType, columnType: 'timestamptz', onCreate: () => new Date() },
        version: { type: 'integer', version: true },
        purchases: { kind: '1:m', entity: () => Purchase, mappedBy: 'buyer' }
    }
});

export const Purchase = new EntitySchema({
    name: 'Purchase', tableName: 'purchase',
    properties: {
        id: { type: new BigIntType('string'), primary: true },
        buyer: { kind: 'm:1', entity: () => Person, fieldName: 'person_id', inversedBy: 'purchases' },
        title: { type: TextType },
        amount: { type: DecimalType },
        paid: { type: 'boolean', default: false },
        at: optional(DateTimeType, { columnType: 'timestamptz' })
    }
});

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
export const orm = await MikroORM.init({
    entities: [Person, Purchase], host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD, dbName: PGDATABASE,
    pool: { min: 1, max: 4 }, allowGlobalContext: false, metadataCache: { enabled: false }
});
