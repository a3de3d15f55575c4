//! The tables of the assistant: `assistant_usage`, `assistant_cache`, `assistant_calls`.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "assistant/001_provider",
    sql: "
CREATE TABLE assistant_usage (
    scope {ID} NOT NULL,
    span {ID} NOT NULL CHECK (span IN ('minute', 'day', 'month')),
    started BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    PRIMARY KEY (scope, span)
);

CREATE TABLE assistant_cache (
    hash {ID} NOT NULL PRIMARY KEY,
    owner {ID} NOT NULL,
    answer {BYTES} NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX assistant_cache_expires ON assistant_cache (expires_at);

CREATE TABLE assistant_calls (
    id {ID} NOT NULL PRIMARY KEY,
    owner {ID} NOT NULL,
    task {ID} NOT NULL,
    prompt_version BIGINT NOT NULL,
    engine TEXT NOT NULL,
    input_hash {ID} NOT NULL,
    redactions BIGINT NOT NULL,
    tokens_in BIGINT NOT NULL,
    tokens_out BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    outcome {ID} NOT NULL CHECK (outcome IN ('answered', 'repaired', 'cached', 'degraded')),
    reason TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX assistant_calls_created ON assistant_calls (created_at);
",
}];
