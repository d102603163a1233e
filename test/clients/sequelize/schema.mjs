// Sequelize: sync() and migrations of a model whose attributes say that they are
// encrypted.
import assert from 'node:assert/strict';
import { DataTypes, Sequelize } from 'sequelize';
import { ann, facts, types } from '../node/customer.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
const sequelize = new Sequelize(PGDATABASE, PGUSER, PGPASSWORD, {
    host: PGHOST, port: PGPORT, dialect: 'postgres', logging: false, define: { timestamps: false, freezeTableName: true }
});
const queries = sequelize.getQueryInterface();
const table = facts(async (text) => (await sequelize.query(text))[0]);

// The base's type, which in DDL is another one.  A key of its own keeps Sequelize from
// replacing it by the one that it knows.
const encrypted = (base, twin) => Object.assign(sequelize.normalizeDataType(base), { key: twin, toSql: () => twin });

const bases = {
    email: DataTypes.TEXT, name: DataTypes.TEXT, visits: DataTypes.INTEGER, salary: DataTypes.DECIMAL, active: DataTypes.BOOLEAN,
    born: DataTypes.DATEONLY, seen: DataTypes.DATE, doc: DataTypes.JSONB, photo: DataTypes.BLOB, tags: DataTypes.ARRAY(DataTypes.TEXT)
};
const needed = ['email', 'name', 'active'];
const attributes = Object.fromEntries(Object.entries(bases).map(([name, base]) =>
    [name, { type: encrypted(base, types[name]), allowNull: !needed.includes(name) }]));
const indexes = [
    { name: 'customer_email_key', unique: true, fields: [{ name: 'email', operator: 'cellenc.enctext_term_ops' }] },
    { name: 'customer_name', fields: ['name'] }
];
const Customer = sequelize.define('customer', attributes, { indexes });

check('sync makes encrypted columns', async () => {
    await Customer.sync();
    await table.isEncrypted();
});

check('values go in and out', async () => {
    await Customer.create(ann);
    const { id, ...row } = (await Customer.findOne({ where: { email: ann.email, visits: 7, doc: { vip: true }, active: false } })).get();
    assert.deepEqual(row, ann);
});

check('the unique index of terms works', () => table.isUnique());

check('sync again changes nothing', async () => {
    await Customer.sync();
    await table.isEncrypted();
    await table.keepsAnn();
});

check('sync with alter leaves columns encrypted', async () => {
    await Customer.sync({ alter: true });
    await table.isEncrypted();
    await table.keepsAnn();
});

check('sync with alter adds a column', async () => {
    const more = sequelize.define('customer', { ...attributes, level: { type: encrypted(DataTypes.INTEGER, "encint4('shop')") } }, { indexes });
    await more.sync({ alter: true });
    await table.isEncrypted({ level: "encint4('shop')" });
    await more.update({ level: 3 }, { where: {} });
    assert.equal(await more.sum('level'), 3);
    await queries.removeColumn('customer', 'level');
});

check('sync with alter of a model with base types is refused', async () => {
    const { email, ...rest } = bases;
    assert.equal(await sqlstate(() => sequelize.define('customer', { email: attributes.email, ...rest }).sync({ alter: true })), '0A000');
    await table.isEncrypted();
    await table.keepsAnn();
});

check('a migration makes encrypted columns', async () => {
    await queries.dropTable('customer');
    await queries.createTable('customer', { id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true }, ...attributes });
    await table.isEncrypted();
});

await run(() => sequelize.close());
