// Knex: migrations that make and change a table with encrypted columns.
import assert from 'node:assert/strict';
import Knex from 'knex';
import { ann, facts, types } from '../node/customer.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;

const migrations = {
    async '1_customer'(knex) {
        await knex.schema.createTable('customer', (table) => {
            table.bigIncrements('id');
            for (const [name, type] of Object.entries(types)) {
                const column = table.specificType(name, type);
                if (['email', 'name', 'active'].includes(name)) {
                    column.notNullable();
                }
            }
            table.index('name');
        });
        await knex.raw('CREATE UNIQUE INDEX customer_email_key ON customer (email cellenc.enctext_term_ops)');
    },
    async '2_level'(knex) {
        await knex.schema.alterTable('customer', (table) => table.specificType('level', "encint4('shop')").notNullable().defaultTo(3));
    }
};
const migrationSource = {
    getMigrations: async () => Object.keys(migrations),
    getMigrationName: (name) => name,
    getMigration: async (name) => ({
        up: migrations[name],
        down: (knex) => name === '1_customer' ? knex.schema.dropTable('customer')
            : knex.schema.alterTable('customer', (table) => table.dropColumn('level'))
    })
};
const knex = Knex({
    client: 'pg', connection: { host: PGHOST, port: PGPORT, user: PGUSER, password: PGPASSWORD, database: PGDATABASE },
    migrations: { migrationSource }
});
const table = facts(async (text) => (await knex.raw(text)).rows);

check('a migration makes encrypted columns', async () => {
    await knex.migrate.up();
    await table.isEncrypted();
});

check('values go in and out', async () => {
    await knex('customer').insert(ann);
    const [{ id, born, ...row }] = await knex('customer').where({ email: ann.email, visits: 7 }).whereLike('name', 'Ä%');
    assert.deepEqual({ ...row, born: ann.born }, ann);
});

check('the unique index of terms works', () => table.isUnique());

check('a migration adds a column with a default', async () => {
    await knex.migrate.latest();
    await table.isEncrypted({ level: "encint4('shop')" });
    assert.deepEqual(await knex('customer').select('level'), [{ level: 3 }]);
});

check('a column that is plain again is refused', async () => {
    assert.equal(await sqlstate(() => knex.schema.alterTable('customer', (table) => table.text('name').notNullable().alter())), '0A000');
    await table.keepsAnn();
});

check('migrations are taken back', async () => {
    await knex('customer').del();
    await knex.migrate.rollback(undefined, true);
    await table.exists(false);
});

await run(() => knex.destroy());
