//! The tables of the knowledge bases: `kb_bases`, `kb_entries`.
//!
//! `version` grows with every change of a base's entries or synonyms: an index that was built at another version
//! is out of date. `entries` and `bytes` count what the base holds, under the base's row lock.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "kb/001_knowledge_bases",
    sql: "
CREATE TABLE kb_bases (
    id {ID} NOT NULL PRIMARY KEY,
    owner_id {ID} NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    shared BOOLEAN NOT NULL,
    synonyms TEXT NOT NULL,
    version BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX kb_bases_owner ON kb_bases (owner_id, id);
CREATE INDEX kb_bases_shared ON kb_bases (id) WHERE shared;

CREATE TABLE kb_entries (
    id {ID} NOT NULL PRIMARY KEY,
    base_id {ID} NOT NULL REFERENCES kb_bases (id) ON DELETE CASCADE,
    question_key {ID} NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    aliases TEXT NOT NULL,
    tags TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (base_id, question_key)
);
CREATE INDEX kb_entries_base ON kb_entries (base_id, created_at, id);
",
}];
