// The tables, as TypeORM declares them without decorators.
import { DataSource, EntitySchema } from 'typeorm';

export class Person {}
export class Purchase {}

const column = (type, rest) => ({ type, nullable: true, ...rest });
const needed = (type, rest) => ({ type, ...rest });

const person = new EntitySchema({
    name: 'Person', target: Person, tableName: 'person',
    columns: {
        id: { type: 'bigint', primary: true, generated: 'identity', generatedIdentity: 'BY DEFAULT' },
        email: needed('text', { unique: true }),
        name: needed('text'),
        note: column('text'),
        level: column('smallint'),
        visits: needed('integer', { default: 0 }),
        points: column('bigint'),
        salary: column('numeric'),
        score: column('double precision'),
        ratio: column('real'),
        active: needed('boolean', { default: true }),
        born: column('date'),
        wakes: column('time'),
        seen: column('timestamptz'),
        local: column('timestamp'),
        ref: column('uuid'),
        doc: column('jsonb'),
        photo: column('bytea'),
        address: column('inet'),
        tags: column('text', { array: true }),
        lucky: column('integer', { array: true }),
        createdAt: { type: 'timestamptz', name: 'created_at', createDate: true },
        version: { type: 'integer', version: true }
    },
    relations: {
        purchases: { type: 'one-to-many', target: 'Purchase', inverseSide: 'buyer', cascade: true }
    }
});

const purchase = new EntitySchema({
    name: 'Purchase', target: Purchase, tableName: 'purchase',
    columns: {
        id: { type: 'bigint', primary: true, generated: 'identity', generatedIdentity: 'BY DEFAULT' },
        title: needed('text'),
        amount: needed('numeric'),
        paid: needed('boolean', { default: false }),
        at: column('timestamptz')
    },
    relations: {
        buyer: { type: 'many-to-one', target: 'Person', inverseSide: 'purchases', joinColumn: { name: 'person_id' }, nullable: false }
    }
});

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
export const source = new DataSource({
    type: 'postgres', host: PGHOST, port: Number(PGPORT), username: PGUSER, password: PGPASSWORD, database: PGDATABASE,
    entities: [person, purchase], extra: { max: 4 }
});
