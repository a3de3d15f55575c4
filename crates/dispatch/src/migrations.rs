//! The engine's tables: `dispatches` and `attempts`.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "dispatch/001_dispatches",
    sql: "
CREATE TABLE dispatches (
    id {ID} NOT NULL PRIMARY KEY,
    kind {ID} NOT NULL,
    subject {ID} NOT NULL,
    destination {ID} NOT NULL,
    payload TEXT,
    state {ID} NOT NULL CHECK (state IN ('scheduled', 'running', 'done', 'cancelled', 'dead')),
    due_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL DEFAULT 0,
    fence BIGINT NOT NULL DEFAULT 0,
    owner {ID},
    lease_until BIGINT,
    in_doubt BOOLEAN NOT NULL DEFAULT FALSE,
    answer TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
--sqlite ) WITHOUT ROWID;
--pg ) WITH (fillfactor = 80);
CREATE INDEX dispatches_ready ON dispatches (kind, next_at, destination) WHERE state = 'scheduled';
CREATE INDEX dispatches_leased ON dispatches (lease_until) WHERE state = 'running';
CREATE INDEX dispatches_dead ON dispatches (kind, finished_at) WHERE state = 'dead';

CREATE TABLE attempts (
    dispatch_id {ID} NOT NULL,
    number BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    outcome {ID} NOT NULL,
    answer TEXT,
    PRIMARY KEY (dispatch_id, number)
--sqlite ) WITHOUT ROWID;
--pg );
--pg ALTER TABLE dispatches SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
",
}];
