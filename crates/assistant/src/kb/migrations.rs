//! The tables of the knowledge bases: `kb_bases`, `kb_entries`, `kb_numbers`.
//!
//! A base's `number` names it where ids are integers; none is given twice, and `kb_numbers` knows the last.
//! `version` grows with every change of a base's entries or synonyms: an index that was built at another version
//! is out of date. `entries` and `bytes` count what the base holds, under the base's row lock.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "kb/001_knowledge_bases", sql: KNOWLEDGE_BASES },
    Migration { name: "kb/002_numbers", sql: NUMBERS },
];

const KNOWLEDGE_BASES: &str = "
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
";

// The row of `kb_numbers` comes with the first base: tables that an archive fills begin empty.
const NUMBERS: &str = "
CREATE TABLE kb_numbers (
    kind {ID} NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);
ALTER TABLE kb_bases ADD COLUMN number BIGINT;
UPDATE kb_bases SET number = o.n FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM kb_bases) AS o
    WHERE o.id = kb_bases.id;
INSERT INTO kb_numbers (kind, last) SELECT 'base', COUNT(*) FROM kb_bases HAVING COUNT(*) > 0;
CREATE UNIQUE INDEX kb_bases_number ON kb_bases (number);
";
