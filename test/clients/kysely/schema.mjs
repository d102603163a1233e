// Kysely: migrations that make and change a table with encrypted columns.
import assert from 'node:assert/strict';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { ann, facts, types } from '../node/customer.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ max: 2 }) }) });

const migrations = {
    '1_customer': {
        async up(db) {
            let table = db.schema.createTable('customer').addColumn('id', 'bigserial', (column) => column.primaryKey());
            for (const [name, type] of Object.entries(types)) {
                table = table.addColumn(name, sql.raw(type), (column) => ['email', 'name', 'active'].includes(name) ? column.notNull() : column);
            }
            await table.execute();
            await db.schema.createIndex('customer_email_key').on('customer').expression(sql`email cellenc.enctext_term_ops`).unique().execute();
            await db.schema.createIndex('customer_name').on('customer').column('name').execute();
        },
        down: (db) => db.schema.dropTable('customer').execute()
    },
    '2_level': {
        up: (db) => db.schema.alterTable('customer').addColumn('level', sql`encint4('shop')`, (column) => column.notNull().defaultTo(3)).execute(),
        down: (db) => db.schema.alterTable('customer').dropColumn('level').execute()
    }
};
const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
const table = facts(async (text) => (await sql.raw(text).execute(db)).rows);

async function migrate(step) {
    const { error, results } = await step();
    if (error) {
        throw error;
    }
    return results.map(({ migrationName, status }) => `${migrationName} ${status}`);
}

check('a migration makes encrypted columns', async () => {
    assert.deepEqual(await migrate(() => migrator.migrateUp()), ['1_customer Success']);
    await table.isEncrypted();
});

check('values go in and out', async () => {
    await db.insertInto('customer').values(ann).execute();
    const { id, born, ...row } = await db.selectFrom('customer').selectAll().where('email', '=', ann.email).where('name', 'like', 'Ä%').executeTakeFirst();
    assert.deepEqual({ ...row, born: ann.born }, ann);
});

check('the unique index of terms works', () => table.isUnique());

check('introspection names the types', async () => {
    const [{ columns }] = await db.introspection.getTables().then((tables) => tables.filter(({ name }) => name === 'customer'));
    assert.deepEqual(columns.filter(({ name }) => ['email', 'visits', 'tags'].includes(name)).map(({ name, dataType }) => [name, dataType]),
        [['email', 'enctext'], ['visits', 'encint4'], ['tags', '_enctext']]);
});

check('a migration adds a column with a default', async () => {
    assert.deepEqual(await migrate(() => migrator.migrateToLatest()), ['2_level Success']);
    await table.isEncrypted({ level: "encint4('shop')" });
    assert.deepEqual(await db.selectFrom('customer').select('level').execute(), [{ level: 3 }]);
});

check('a column that is plain again is refused', async () => {
    assert.equal(await sqlstate(() => db.schema.alterTable('customer').alterColumn('name', (column) => column.setDataType('text')).execute()), '0A000');
    await table.keepsAnn();
});

check('migrations are taken back', async () => {
    await db.deleteFrom('customer').execute();
    await migrate(() => migrator.migrateDown());
    await migrate(() => migrator.migrateDown());
    await table.exists(false);
});

await run(() => db.destroy());
