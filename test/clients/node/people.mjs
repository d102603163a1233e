// people.mjs: the rows that the clients in Node.js write and look for.  Values
// of types that JavaScript lacks (bigint, numeric, date, time) are strings.

// Every type, with what is easily lost: an empty string, quotes and backslashes,
// letters beyond ASCII, numbers beyond double precision, bytes with 0x00, a date
// before 1970, milliseconds.
export const zoe = {
    email: 'zoe@example.org',
    name: 'Zoë "Ångström" O\'Neil \\ 東京 🙂',
    note: '',
    level: -32768,
    visits: 2147483647,
    points: '-9223372036854775808',
    salary: '-12345678901234567890.0123456789',
    score: 0.1,
    ratio: -0.25,
    active: false,
    born: '1961-03-04',
    wakes: '06:30:15.25',
    seen: new Date('2024-02-29T12:34:56.789Z'),
    local: new Date('1999-12-31T23:59:59.500Z'),
    ref: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    doc: { a: [1, 2.5, null, 'ü'], nested: { deep: { yes: true } }, empty: '' },
    photo: Buffer.from([0x00, 0xff, 0x10, 0x5c, 0x27, 0x00]),
    address: '192.168.7.9',
    tags: ['plain', '', 'with,comma "and" quote\\', 'ünïcode', 'NULL'],
    lucky: [-1, 0, 2147483647]
};

// Only what must not be NULL.
export const nil = { email: 'nil@example.org', name: 'Nil' };
export const nullable = ['note', 'level', 'points', 'salary', 'score', 'ratio', 'born', 'wakes', 'seen',
    'local', 'ref', 'doc', 'photo', 'address', 'tags', 'lucky'];

const uuid = (n) => `00000000-0000-4000-8000-00000000000${n}`;

// What is searched, sorted and counted.
export const people = [
    {
        email: 'ann@example.org', name: 'Ann', note: 'likes tea', level: 1, visits: 5, points: '10',
        salary: '1000.50', score: 1.5, ratio: 0.5, active: true, born: '1960-01-15', wakes: '05:00:00',
        seen: new Date('2024-01-01T10:00:00Z'), local: new Date('2024-01-01T11:00:00Z'), ref: uuid(1),
        doc: { city: 'Oslo', n: 1 }, photo: Buffer.from([0, 1]), address: '10.0.0.1',
        tags: ['red', 'blue'], lucky: [1, 2]
    },
    {
        email: 'bob@example.org', name: 'Bob', note: 'likes COFFEE', level: 2, visits: 20, points: '9007199254740993',
        salary: '2000.00', score: 2.5, ratio: 1.5, active: false, born: '1975-06-30', wakes: '06:00:00',
        seen: new Date('2024-02-01T10:00:00Z'), local: new Date('2024-02-01T11:00:00Z'), ref: uuid(2),
        doc: { city: 'Rome', n: 2 }, photo: Buffer.from([0, 2]), address: '10.0.0.2',
        tags: ['blue'], lucky: [3]
    },
    {
        email: 'cleo@example.org', name: 'Cleo', note: null, level: 2, visits: 35, points: '30',
        salary: '1000.50', score: -3.5, ratio: 2.5, active: true, born: '1984-12-01', wakes: '07:00:00',
        seen: new Date('2024-03-01T10:00:00Z'), local: new Date('2024-03-01T11:00:00Z'), ref: uuid(3),
        doc: { city: 'Oslo', n: 3 }, photo: Buffer.from([0, 3]), address: '10.0.0.3',
        tags: [], lucky: [1, 3]
    },
    {
        email: 'dora@example.com', name: 'Dora', note: '100% tea_time', level: 3, visits: 35, points: '40',
        salary: '4000.25', score: 4.5, ratio: 3.5, active: true, born: '1999-02-28', wakes: '08:00:00',
        seen: new Date('2024-04-01T10:00:00Z'), local: new Date('2024-04-01T11:00:00Z'), ref: uuid(4),
        doc: { city: 'Kyiv', n: 4, tags: ['x'] }, photo: Buffer.from([0, 4]), address: '10.0.0.4',
        tags: ['green', 'red'], lucky: [4]
    },
    {
        email: 'Emil@example.com', name: 'Émil', note: null, level: null, visits: 0, points: null,
        salary: null, score: null, ratio: null, active: false, born: null, wakes: null,
        seen: null, local: null, ref: null, doc: null, photo: null, address: null, tags: null, lucky: null
    }
];

// By e-mail address of the buyer.
export const purchases = [
    { buyer: 'ann@example.org', title: 'Tea pot', amount: '19.90', paid: true, at: new Date('2024-05-01T08:00:00Z') },
    { buyer: 'ann@example.org', title: 'Cup', amount: '4.10', paid: false, at: null },
    { buyer: 'bob@example.org', title: 'Book', amount: '12.00', paid: true, at: new Date('2024-05-02T08:00:00Z') },
    { buyer: 'dora@example.com', title: 'Lamp', amount: '45.50', paid: false, at: null }
];

export const columns = Object.keys(zoe);
export const person = (email) => people.find((one) => one.email === email);
