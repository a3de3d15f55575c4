//! The tables of letters: `letters`, `letter_contents`, `letter_keys`, `letter_attachments`, `files`, `inbox`,
//! `unlock_attempts`; of triggers: `armed_triggers`, `trigger_hooks`, `hook_nonces`; of what is counted:
//! `sent_letters`, `letter_words`, `sent_counts`, `inbox_counted`, `letter_emotions`; of what is known about delivery:
//! `letter_bounces`, `dead_addresses`, `letter_recipient_changes`, `mail_refusals`, `letter_reports`,
//! `letter_takedowns`, `letter_moderation`; of archives: `imported_letters`.
//!
//! What changes at delivery (`letters`) is apart from what is large (`letter_contents`), and no index holds
//! `status` or `delivered_at`: PostgreSQL delivers with heap-only updates, and SQLite twice as fast as with an
//! index that could also count an author's letters.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "letters/001_letters", sql: LETTERS },
    Migration { name: "letters/002_sealing", sql: SEALING },
    Migration { name: "letters/003_triggers", sql: TRIGGERS },
    Migration { name: "letters/004_statistics", sql: STATISTICS },
    Migration { name: "letters/005_evidence", sql: EVIDENCE },
    Migration { name: "letters/007_imports", sql: IMPORTS },
];

const LETTERS: &str = "
CREATE TABLE letters (
    id {ID} NOT NULL PRIMARY KEY,
    owner_id {ID} NOT NULL,
    title TEXT NOT NULL,
    recipient_type {ID} NOT NULL CHECK (recipient_type IN ('SELF', 'SPECIFIC', 'PUBLIC')),
    recipient_email TEXT,
    recipient_key {ID},
    status {ID} NOT NULL CHECK (status IN ('DRAFT', 'SCHEDULED', 'DELIVERED')),
    send_time BIGINT,
    trigger_type {ID} CHECK (trigger_type IN ('TIME', 'LOCATION', 'EVENT')),
    delivered_at BIGINT,
    has_attachments BOOLEAN NOT NULL,
    is_encrypted BOOLEAN NOT NULL,
    capsule_style TEXT NOT NULL,
    glow DOUBLE PRECISION,
    ordinal BIGINT NOT NULL,
    schedule_no BIGINT NOT NULL DEFAULT 0,
    scheduled_at BIGINT,
    scheduled_month {ID},
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
--sqlite );
--pg ) WITH (fillfactor = 70);
CREATE INDEX letters_owner ON letters (owner_id, id);

CREATE TABLE letter_contents (
    letter_id {ID} NOT NULL PRIMARY KEY,
    content TEXT,
    sealed {BYTES},
    trigger_condition TEXT NOT NULL
);

CREATE TABLE files (
    id {ID} NOT NULL PRIMARY KEY,
    owner_id {ID} NOT NULL,
    name TEXT NOT NULL,
    kind {ID} NOT NULL CHECK (kind IN ('IMAGE', 'VOICE', 'VIDEO')),
    mime TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    thumbnail_mime TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE letter_attachments (
    letter_id {ID} NOT NULL,
    position BIGINT NOT NULL,
    id {ID} NOT NULL,
    file_id {ID} REFERENCES files (id),
    kind {ID} NOT NULL CHECK (kind IN ('IMAGE', 'VOICE', 'VIDEO')),
    url TEXT,
    thumbnail TEXT,
    PRIMARY KEY (letter_id, position)
);
CREATE INDEX letter_attachments_file ON letter_attachments (file_id);

CREATE TABLE inbox (
    mailbox {ID} NOT NULL,
    delivered_at BIGINT NOT NULL,
    letter_id {ID} NOT NULL,
    PRIMARY KEY (mailbox, delivered_at, letter_id)
--sqlite ) WITHOUT ROWID;
--pg );
";

const TRIGGERS: &str = "
ALTER TABLE letters ADD COLUMN fired_at BIGINT;

CREATE TABLE armed_triggers (
    letter_id {ID} NOT NULL,
    schedule_no BIGINT NOT NULL,
    number BIGINT NOT NULL,
    owner_id {ID} NOT NULL,
    watcher {ID} NOT NULL,
    anchor {ID} NOT NULL,
    latitude DOUBLE PRECISION,
    longitude DOUBLE PRECISION,
    radius DOUBLE PRECISION,
    text TEXT,
    needle TEXT,
    event_type {ID},
    PRIMARY KEY (letter_id, schedule_no, number)
);
CREATE INDEX armed_triggers_watched ON armed_triggers (watcher, anchor);

CREATE TABLE trigger_hooks (
    id {ID} NOT NULL PRIMARY KEY,
    owner_id {ID} NOT NULL,
    name TEXT NOT NULL,
    secret {BYTES} NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX trigger_hooks_owner ON trigger_hooks (owner_id, id);

CREATE TABLE hook_nonces (
    hook_id {ID} NOT NULL,
    nonce {ID} NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (hook_id, nonce)
--sqlite ) WITHOUT ROWID;
--pg );
CREATE INDEX hook_nonces_expiry ON hook_nonces (hook_id, expires_at);
";

/// A letter's key, wrapped by the keyring (`server`) or by its passphrase and its recovery key. A letter that
/// was encrypted before has none: the keyring sealed its text. `object_key` is where a file's bytes are, where
/// that is not the file's id; `sealed_key` opens them and `letter_id` names the letter that they belong to.
const SEALING: &str = "
CREATE TABLE letter_keys (
    letter_id {ID} NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    server {BYTES},
    passphrase {BYTES},
    recovery {BYTES},
    hint TEXT,
    CHECK ((server IS NULL) <> (passphrase IS NULL))
);

CREATE TABLE unlock_attempts (
    caller_id {ID} NOT NULL,
    letter_id {ID} NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (caller_id, letter_id)
);

ALTER TABLE files ADD COLUMN object_key {ID};
ALTER TABLE files ADD COLUMN sealed_key {BYTES};
ALTER TABLE files ADD COLUMN letter_id {ID};
";

/// What was sent, the author's side of `inbox`; what is counted of it; and what letters feel like.
///
/// `inbox_counted` has, as JSON, how many letters came to a mailbox in each month, of those that came before `until`.
/// A letter that is `counted` is in `sent_counts`, with `letter_words` (JSON) as its share of the words.
const STATISTICS: &str = "
CREATE TABLE sent_letters (
    owner_id {ID} NOT NULL,
    scheduled_at BIGINT NOT NULL,
    letter_id {ID} NOT NULL,
    send_time BIGINT NOT NULL,
    recipient {ID} NOT NULL,
    counted BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (owner_id, scheduled_at, letter_id)
--sqlite ) WITHOUT ROWID;
--pg );
INSERT INTO sent_letters (owner_id, scheduled_at, letter_id, send_time, recipient)
SELECT owner_id, scheduled_at, id, send_time, COALESCE(recipient_key, recipient_type)
FROM letters WHERE scheduled_at IS NOT NULL AND send_time IS NOT NULL;
CREATE INDEX sent_letters_uncounted ON sent_letters (owner_id, letter_id) WHERE NOT counted;

CREATE TABLE letter_words (
    letter_id {ID} NOT NULL PRIMARY KEY,
    words TEXT NOT NULL
);

CREATE TABLE sent_counts (
    owner_id {ID} NOT NULL,
    kind {ID} NOT NULL CHECK (kind IN ('month', 'year', 'recipient', 'seconds', 'word')),
    name {ID} NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (owner_id, kind, name)
--sqlite ) WITHOUT ROWID;
--pg );
CREATE INDEX sent_counts_most ON sent_counts (owner_id, kind, n DESC, name);

CREATE TABLE inbox_counted (
    mailbox {ID} NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL,
    months TEXT NOT NULL
);

CREATE TABLE letter_emotions (
    letter_id {ID} NOT NULL PRIMARY KEY,
    sentiment {ID} NOT NULL,
    emotion {ID},
    engine {ID} NOT NULL,
    analysed_at BIGINT NOT NULL
--sqlite ) WITHOUT ROWID;
--pg );
";

/// What came back of letters, who does not want them, and what was reported and taken down.
const EVIDENCE: &str = "
CREATE TABLE letter_bounces (
    letter_id {ID} NOT NULL,
    dispatch_id {ID} NOT NULL,
    fact {ID} NOT NULL,
    kind {ID} NOT NULL CHECK (kind IN ('HARD', 'SOFT', 'DELAYED')),
    status TEXT,
    diagnostic TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (letter_id, dispatch_id, fact)
--sqlite ) WITHOUT ROWID;
--pg );

CREATE TABLE dead_addresses (
    address_key {ID} NOT NULL PRIMARY KEY,
    status TEXT NOT NULL,
    seen_at BIGINT NOT NULL
--sqlite ) WITHOUT ROWID;
--pg );

CREATE TABLE letter_recipient_changes (
    letter_id {ID} NOT NULL,
    number BIGINT NOT NULL,
    schedule_no BIGINT NOT NULL,
    mailing_no BIGINT NOT NULL,
    old_email TEXT NOT NULL,
    old_key {ID} NOT NULL,
    new_email TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (letter_id, number)
--sqlite ) WITHOUT ROWID;
--pg );

CREATE TABLE mail_refusals (
    address_key {ID} NOT NULL,
    sender_id {ID} NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (address_key, sender_id)
--sqlite ) WITHOUT ROWID;
--pg );

CREATE TABLE letter_reports (
    id {ID} NOT NULL PRIMARY KEY,
    letter_id {ID} NOT NULL,
    reporter {ID} NOT NULL,
    reason {ID} NOT NULL CHECK (reason IN ('SPAM', 'ABUSE', 'PRIVACY', 'ILLEGAL', 'OTHER')),
    text TEXT,
    created_at BIGINT NOT NULL,
    closed_at BIGINT,
    UNIQUE (letter_id, reporter)
);
CREATE INDEX letter_reports_open ON letter_reports (id) WHERE closed_at IS NULL;

CREATE TABLE letter_takedowns (
    letter_id {ID} NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    taken_at BIGINT NOT NULL
--sqlite ) WITHOUT ROWID;
--pg );

CREATE TABLE letter_moderation (
    id {ID} NOT NULL PRIMARY KEY,
    letter_id {ID} NOT NULL,
    action {ID} NOT NULL CHECK (action IN ('TAKEDOWN', 'RESTORE', 'DISMISS')),
    actor {ID} NOT NULL,
    reason TEXT NOT NULL,
    acted_at BIGINT NOT NULL
);
CREATE INDEX letter_moderation_letter ON letter_moderation (letter_id, id);
";

/// Which letter became of which one of an archive, so that it is not made twice.
const IMPORTS: &str = "
CREATE TABLE imported_letters (
    owner_id {ID} NOT NULL,
    source_id {ID} NOT NULL,
    letter_id {ID} NOT NULL,
    PRIMARY KEY (owner_id, source_id)
--sqlite ) WITHOUT ROWID;
--pg );
";
