// The tables, as Sequelize declares them.
import { DataTypes, Sequelize } from 'sequelize';

const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
export const sequelize = new Sequelize(PGDATABASE, PGUSER, PGPASSWORD, {
    host: PGHOST, port: PGPORT, dialect: 'postgres', logging: false, pool: { max: 4 },
    define: { timestamps: false, freezeTableName: true, underscored: true }
});

const { ARRAY, BIGINT, BLOB, BOOLEAN, DATE, DATEONLY, DECIMAL, DOUBLE, INET, INTEGER, JSONB, REAL, SMALLINT, TEXT, TIME, UUID } = DataTypes;

export const Person = sequelize.define('person', {
    id: { type: BIGINT, primaryKey: true, autoIncrement: true },
    email: { type: TEXT, allowNull: false, unique: true },
    name: { type: TEXT, allowNull: false },
    note: TEXT,
    level: SMALLINT,
    visits: { type: INTEGER, allowNull: false, defaultValue: 0 },
    points: BIGINT,
    salary: DECIMAL,
    score: DOUBLE,
    ratio: REAL,
    active: { type: BOOLEAN, allowNull: false, defaultValue: true },
    born: DATEONLY,
    wakes: TIME,
    seen: DATE,
    local: DATE,
    ref: UUID,
    doc: JSONB,
    photo: BLOB,
    address: INET,
    tags: ARRAY(TEXT),
    lucky: ARRAY(INTEGER),
    version: { type: INTEGER, allowNull: false, defaultValue: 0 }
}, { version: true });

export const Purchase = sequelize.define('purchase', {
    id: { type: BIGINT, primaryKey: true, autoIncrement: true },
    title: { type: TEXT, allowNull: false },
    amount: { type: DECIMAL, allowNull: false },
    paid: { type: BOOLEAN, allowNull: false, defaultValue: false },
    at: DATE
});

Person.hasMany(Purchase, { foreignKey: 'personId', as: 'purchases' });
Purchase.belongsTo(Person, { foreignKey: 'personId', as: 'buyer' });
