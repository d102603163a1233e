// customer.mjs: the table that schema tools of the clients in Node.js make.
import assert from 'node:assert/strict';
import { sqlstate } from './tap.mjs';

export const types = {
    email: "enctext('shop','equality')",
    name: "enctext('shop','order')",
    visits: "encint4('shop','order')",
    salary: "encnumeric('pay')",
    active: "encbool('shop')",
    born: "encdate('shop')",
    seen: "enctimestamptz('shop')",
    doc: "encjsonb('shop')",
    photo: "encbytea('shop')",
    tags: "enctext('shop')[]"
};

export const ann = {
    email: 'ann@example.org', name: 'Änn', visits: 7, salary: '52000.50', active: false, born: '1950-02-28', seen: new Date('2024-02-29T12:00:00Z'),
    doc: { vip: true }, photo: Buffer.from([0, 255]), tags: ['a', '']
};

// Checks, by a function that runs SQL and returns rows.
export const facts = (query) => ({
    // The table has encrypted columns under these keys, and nothing else was touched.
    async isEncrypted(extra = {}) {
        const rows = await query(`SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
            WHERE attrelid = 'customer'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'id'`);
        assert.deepEqual(Object.fromEntries(rows.map(({ name, type }) => [name, type])), { ...types, ...extra });
    },

    async isUnique() {
        assert.equal(await sqlstate(() => query("INSERT INTO customer (email, name, active) VALUES ('ann@example.org', 'x', true)")), '23505');
    },

    async exists(expected) {
        assert.deepEqual(await query("SELECT to_regclass('customer') IS NOT NULL AS there"), [{ there: expected }]);
    },

    // One value is left as it was, and is still encrypted.
    async keepsAnn() {
        assert.deepEqual(await query('SELECT name, visits, doc, cellenc_key_name(doc) AS key FROM customer'),
            [{ name: ann.name, visits: ann.visits, doc: ann.doc, key: 'shop' }]);
    }
});
