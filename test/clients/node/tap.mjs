// tap.mjs: what the checks of all clients in Node.js share.  A check passes if
// it does not throw; the others run in any case.

// Longest time of one check, in milliseconds.
const LIMIT = 20000;

const checks = [];

export function check(name, body) {
    checks.push({ name, body });
}

function limited(promise) {
    let timer;
    const late = new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`not done after ${LIMIT} ms`)), LIMIT);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The message, its beginning if it is long, and the place in the checks.
function reason(error) {
    const lines = String(error?.message ?? error).split('\n').slice(0, 30);
    return [...lines, ...(error?.stack?.match(/^ +at .*checks\.m?[jt]s.*$/m) ?? [])].join('\n');
}

export async function run(close) {
    let number = 0;
    for (const { name, body } of checks) {
        number++;
        try {
            await limited(Promise.resolve().then(body));
            console.log(`ok ${number} - ${name}`);
        } catch (error) {
            console.log(`not ok ${number} - ${name}`);
            console.log(reason(error).replace(/^/gm, '# '));
        }
    }
    console.log(`1..${number}`);
    await close();
}

// The SQLSTATE with which the call fails; ORMs wrap the driver's error.
export async function sqlstate(call) {
    try {
        await call();
    } catch (error) {
        for (let e = error; e; e = e.cause ?? e.driverError ?? e.parent ?? e.originalError) {
            if (/^[0-9A-Z]{5}$/.test(e.code ?? '') && e.code !== 'P2010') {
                return e.code;
            }
        }
        throw error;
    }
    throw new Error('did not fail');
}

// Sorted, for results without an order.
export const sorted = (list) => [...list].sort();
