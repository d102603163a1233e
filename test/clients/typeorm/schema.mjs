// TypeORM: migrations of tables with encrypted columns, which entities declare
// with base types.
import assert from 'node:assert/strict';
import { DataSource, EntitySchema, TableColumn } from 'typeorm';
import { ann, facts, types } from '../node/customer.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

class Customer {}
const bases = {
    email: 'text', name: 'text', visits: 'integer', salary: 'numeric', active: 'boolean', born: 'date', seen: 'timestamptz', doc: 'jsonb', photo: 'bytea',
    tags: 'text'
};
const needed = ['email', 'name', 'active'];

// What migrations say is taken as it is; of entities, synchronize keeps off.
const entity = (synchronize) => new EntitySchema({
    name: 'Customer', target: Customer, tableName: 'customer', synchronize,
    columns: {
        id: { type: 'bigint', primary: true, generated: true },
        ...Object.fromEntries(Object.entries(bases).map(([name, type]) => [name, { type, array: name === 'tags', nullable: !needed.includes(name) }]))
    }
});

class CreateCustomer1700000000000 {
    async up(queries) {
        const columns = Object.entries(types).map(([name, type]) => `${name} ${type} ${needed.includes(name) ? 'NOT NULL' : ''}`);
        await queries.query(`CREATE TABLE customer (id bigserial PRIMARY KEY, ${columns})`);
        await queries.query('CREATE UNIQUE INDEX customer_email_key ON customer (email cellenc.enctext_term_ops)');
        await queries.query('CREATE INDEX customer_name ON customer (name)');
    }

    async down(queries) {
        await queries.dropTable('customer');
    }
}

class AddLevel1700000000001 {
    async up(queries) {
        await queries.addColumn('customer', new TableColumn({ name: 'level', type: "encint4('shop')", default: '3' }));
    }

    async down(queries) {
        await queries.dropColumn('customer', 'level');
    }
}

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
const open = (synchronize) => new DataSource({
    type: 'postgres', host: PGHOST, port: Number(PGPORT), username: PGUSER, password: PGPASSWORD, database: PGDATABASE,
    entities: [entity(synchronize)], migrations: [CreateCustomer1700000000000, AddLevel1700000000001]
}).initialize();
const source = await open(false);
const customers = source.getRepository(Customer);
const table = facts((text) => source.query(text));

check('migrations make encrypted columns', async () => {
    await source.runMigrations();
    await table.isEncrypted({ level: "encint4('shop')" });
});

check('a migration is taken back', async () => {
    await source.undoLastMigration();
    await table.isEncrypted();
});

check('values go in and out', async () => {
    await customers.save(customers.create(ann));
    const { id, ...row } = await customers.findOneByOrFail({ email: ann.email, visits: 7, active: false });
    assert.deepEqual(row, ann);
});

check('the unique index of terms works', () => table.isUnique());

check('synchronize leaves an entity alone that says so', async () => {
    await source.synchronize();
    await table.isEncrypted();
    await table.keepsAnn();
});

check('synchronize of another is refused', async () => {
    const other = await open(true);
    try {
        assert.equal(await sqlstate(() => other.synchronize()), '0A000');
    } finally {
        await other.destroy();
    }
    await table.isEncrypted();
    await table.keepsAnn();
});

await run(() => source.destroy());
