// node graphile.mjs COUNT SECONDS default|tuned: graphile-worker on the jobs of raw_letters.
import { deliver, finish, pool, require } from './common.mjs';

const { Logger, run, runMigrations } = require('graphile-worker');
const pg = require('pg');
const [count, seconds, mode] = process.argv.slice(2);

await pool.query('DROP SCHEMA IF EXISTS graphile_worker CASCADE');
await runMigrations({ connectionString: process.env.PGURL });
// One by its own function, which registers the task; the rest straight into its table, to save minutes.
await pool.query(`SELECT graphile_worker.add_job('deliver', json_build_object('id', id), run_at := deliver_at)
    FROM raw_letters WHERE id = 1`);
await pool.query(`INSERT INTO graphile_worker._private_jobs (task_id, payload, run_at)
    SELECT task.task_id, json_build_object('id', l.id), l.deliver_at
    FROM raw_letters l, (SELECT task_id FROM graphile_worker._private_jobs LIMIT 1) task WHERE l.id > 1`);
await pool.query('VACUUM ANALYZE graphile_worker._private_jobs');

const worker = { concurrentJobs: 24 };
if (mode === 'tuned') {
    Object.assign(worker, {
        pollInterval: 100,
        localQueue: { size: 500 },
        completeJobBatchDelay: 5,
        failJobBatchDelay: 5,
    });
}
const pgPool = new pg.Pool({ connectionString: process.env.PGURL, max: 40 });
pgPool.on('error', () => {});
pgPool.on('connect', (client) => client.on('error', () => {}));
await run({
    pgPool,
    noHandleSignals: true,
    logger: new Logger(() => () => {}),
    preset: { worker },
    taskList: { deliver: (payload) => deliver(payload.id) },
});
await finish(+count, +seconds);
