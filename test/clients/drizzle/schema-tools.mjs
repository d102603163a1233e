// Drizzle: migrations written as SQL, as "drizzle-kit generate --custom" begins
// them, for models with base types; and "drizzle-kit push".
import assert from 'node:assert/strict';
import { pushSchema } from 'drizzle-kit/api';
import { and, eq, like, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { bigserial, boolean, customType, date, integer, jsonb, numeric, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { ann, facts } from '../node/customer.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const bytea = customType({ dataType: () => 'bytea' });
const customer = pgTable('customer', {
    id: bigserial({ mode: 'number' }).primaryKey(),
    email: text().notNull(),
    name: text().notNull(),
    visits: integer(),
    salary: numeric(),
    active: boolean().notNull(),
    born: date(),
    seen: timestamp({ withTimezone: true }),
    doc: jsonb(),
    photo: bytea(),
    tags: text().array(),
    level: integer().notNull().default(3)
});
const pool = new pg.Pool({ max: 2 });
const db = drizzle(pool);
const table = facts(async (text) => (await db.execute(sql.raw(text))).rows);
const level = "encint4('shop')";

check('migrations make encrypted columns', async () => {
    await migrate(db, { migrationsFolder: 'migrations' });
    await table.isEncrypted({ level });
});

check('values go in and out', async () => {
    await db.insert(customer).values(ann);
    const [{ id, ...row }] = await db.select().from(customer).where(and(eq(customer.email, ann.email), like(customer.name, 'Ä%'), eq(customer.visits, 7)));
    assert.deepEqual(row, { ...ann, level: 3 });
});

check('the unique index of terms works', () => table.isUnique());

check('migrations run once', async () => {
    await migrate(db, { migrationsFolder: 'migrations' });
    await table.isEncrypted({ level });
    await table.keepsAnn();
});

check('push is refused', async () => {
    const { apply } = await pushSchema({ customer }, db);
    assert.equal(await sqlstate(apply), '0A000');
    await table.isEncrypted({ level });
    await table.keepsAnn();
});

await run(() => pool.end());
