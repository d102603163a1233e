// MikroORM: the schema generator, for entities whose properties say that their
// columns are encrypted.
import assert from 'node:assert/strict';
import {
    ArrayType, BigIntType, BlobType, BooleanType, DateTimeType, DateType, DecimalType, EntitySchema, IntegerType, JsonType, MikroORM, TextType
} from '@mikro-orm/postgresql';
import { ann, facts, types } from '../node/customer.mjs';
import { check, run, sqlstate } from '../node/tap.mjs';

const bases = {
    email: TextType, name: TextType, visits: IntegerType, salary: DecimalType, active: BooleanType, born: DateType, seen: DateTimeType,
    doc: JsonType, photo: BlobType, tags: ArrayType
};
const needed = ['email', 'name', 'active'];

// An entity with the columns of these types, and no others.
const entity = (columns, ignoreSchemaChanges) => new EntitySchema({
    name: 'Customer', tableName: 'customer',
    properties: {
        id: { type: new BigIntType('string'), primary: true, autoincrement: true },
        ...Object.fromEntries(Object.entries(columns).map(([name, columnType]) =>
            [name, { type: bases[name] ?? IntegerType, columnType, nullable: !needed.includes(name), ignoreSchemaChanges,
                // or else taken from the type of the column
                ...(name === 'seen' && { runtimeType: 'Date' }) }]))
    },
    uniques: [{ name: 'customer_email_key', expression: 'create unique index customer_email_key on customer (email cellenc.enctext_term_ops)' }],
    indexes: [{ name: 'customer_name', properties: ['name'] }]
});
const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
const open = (columns, ignored) => MikroORM.init({
    entities: [entity(columns, ignored)], host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD, dbName: PGDATABASE,
    metadataCache: { enabled: false }
});
// The generator does not see modifiers of types, and would take each for another one.
const orm = await open(types, ['type']);
const table = facts((text) => orm.em.fork().execute(text));

async function using(columns, ignored, body) {
    const other = await open(columns, ignored);
    try {
        await body(other);
    } finally {
        await other.close();
    }
}

check('the generator makes encrypted columns', async () => {
    await orm.schema.create();
    await table.isEncrypted();
});

check('values go in and out', async () => {
    const em = orm.em.fork();
    em.create('Customer', ann);
    await em.flush();
    const { id, ...row } = await orm.em.fork().findOneOrFail('Customer', { email: ann.email, visits: 7, doc: { vip: true }, active: false });
    assert.deepEqual({ ...row }, ann);
});

check('the unique index of terms works', () => table.isUnique());

check('the generator finds nothing to do', async () => {
    assert.equal(await orm.schema.getUpdateSchemaSQL({ wrap: false }), '');
});

check('the generator adds a column', async () => {
    await using({ ...types, level: "encint4('shop')" }, ['type'], async (other) => {
        await other.schema.update();
        await table.isEncrypted({ level: "encint4('shop')" });
    });
    await orm.schema.update();
    await table.isEncrypted();
});

check('an entity with base types is refused', async () => {
    await using({ ...types, name: 'text', visits: 'int' }, [], async (other) => {
        assert.equal(await sqlstate(() => other.schema.update()), '0A000');
    });
    await table.isEncrypted();
    await table.keepsAnn();
});

await run(() => orm.close());
