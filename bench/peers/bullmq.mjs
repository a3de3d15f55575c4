// node bullmq.mjs COUNT SECONDS: BullMQ on the letters of raw_letters, each delayed until its time.
import { deliver, finish, pool, require } from './common.mjs';

const { Queue, Worker } = require('bullmq');
const [count, seconds] = process.argv.slice(2);
const connection = { host: '127.0.0.1', port: +process.env.REDIS_PORT, maxRetriesPerRequest: null };

const queue = new Queue('letters', { connection });
await queue.obliterate({ force: true });
const { rows } = await pool.query(
    'SELECT id, (extract(epoch FROM deliver_at) * 1000)::bigint AS at FROM raw_letters ORDER BY id');
for (let i = 0; i < rows.length; i += 1000) {
    await queue.addBulk(rows.slice(i, i + 1000).map(({ id, at }) => (
        { name: 'deliver', data: { id }, opts: { delay: Math.max(0, at - Date.now()), removeOnComplete: true } })));
}
new Worker('letters', (job) => deliver(job.data.id), { connection, concurrency: 50 });
await finish(+count, +seconds);
