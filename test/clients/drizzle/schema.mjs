// The tables, as Drizzle declares them.
import { relations } from 'drizzle-orm';
import {
    bigint, boolean, customType, date, doublePrecision, inet, integer, jsonb, numeric, pgTable, real, smallint, text, time,
    timestamp, uniqueIndex, uuid
} from 'drizzle-orm/pg-core';

const bytea = customType({ dataType: () => 'bytea' });

export const person = pgTable('person', {
    id: bigint({ mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    email: text().notNull(),
    name: text().notNull(),
    note: text(),
    level: smallint(),
    visits: integer().notNull().default(0),
    points: bigint({ mode: 'bigint' }),
    salary: numeric(),
    score: doublePrecision(),
    ratio: real(),
    active: boolean().notNull().default(true),
    born: date(),
    wakes: time(),
    seen: timestamp({ withTimezone: true }),
    local: timestamp(),
    ref: uuid(),
    doc: jsonb(),
    photo: bytea(),
    address: inet(),
    tags: text().array(),
    lucky: integer().array(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    version: integer().notNull().default(0)
}, (table) => [uniqueIndex('person_email_key').on(table.email)]);

export const purchase = pgTable('purchase', {
    id: bigint({ mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
    personId: bigint('person_id', { mode: 'number' }).notNull().references(() => person.id),
    title: text().notNull(),
    amount: numeric().notNull(),
    paid: boolean().notNull().default(false),
    at: timestamp({ withTimezone: true })
});

export const personRelations = relations(person, ({ many }) => ({ purchases: many(purchase) }));
export const purchaseRelations = relations(purchase, ({ one }) => ({
    buyer: one(person, { fields: [purchase.personId], references: [person.id] })
}));
