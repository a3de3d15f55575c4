// What the peers have in common: the trivial handler, one statement and one commit a job, and the count of it.
import { createRequire } from 'module';

export const require = createRequire(process.env.BENCH_WORK + '/node/');
const pg = require('pg');

export const pool = new pg.Pool({ connectionString: process.env.PGURL, max: 16 });

const DELIVER = `
    WITH went AS (UPDATE raw_letters SET status = 'delivered', delivered_at = clock_timestamp()
        WHERE id = $1 AND status = 'scheduled' RETURNING id, recipient_id)
    INSERT INTO raw_inbox (user_id, letter_id) SELECT recipient_id, id FROM went`;

let done = 0;
let first = 0;
let last = 0;

export async function deliver(id) {
    first ||= performance.now();
    await pool.query({ name: 'deliver', text: DELIVER, values: [id] });
    done += 1;
    last = performance.now();
}

// Waits until `count` are delivered or the time is over, prints jobs a second and ends the process.
export async function finish(count, seconds) {
    const end = performance.now() + seconds * 1000;
    while (done < count && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    console.log(Math.round((done * 1000) / (last - first)));
    process.exit(0);
}
