//! The tables of outreach.
//!
//! `gmail_numbers` gives the seed's integer ids. `gmail_flows` are consents that people were sent to Google for;
//! `gmail_credentials` the accounts that they connected, one row an address in the whole installation. Tokens, client
//! secrets and verifiers are sealed.
//!
//! `gmail_conversations` are pairs of an account and a counterpart; `gmail_messages` what Gmail holds of them, once each;
//! `gmail_parts` their attachments. `gmail_uploads` are files to be sent. `gmail_hints` are pushes that rang.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[Migration { name: "gmail/001_outreach", sql: OUTREACH }];

const OUTREACH: &str = "
CREATE TABLE gmail_numbers (
    kind {ID} NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE gmail_flows (
    state_hash {ID} NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL,
    client {BYTES} NOT NULL,
    verifier {BYTES} NOT NULL,
    redirect_uri TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX gmail_flows_user ON gmail_flows (user_id, created_at);
CREATE INDEX gmail_flows_expires ON gmail_flows (expires_at);

CREATE TABLE gmail_credentials (
    id BIGINT NOT NULL PRIMARY KEY,
    key {ID} NOT NULL UNIQUE,
    user_id {ID} NOT NULL,
    email TEXT NOT NULL,
    address {ID} NOT NULL UNIQUE,
    is_default BOOLEAN NOT NULL,
    status {ID} NOT NULL CHECK (status IN ('active', 'needs_reconnect')),
    status_reason TEXT,
    grant_sealed {BYTES} NOT NULL,
    access_sealed {BYTES},
    access_expires_at BIGINT,
    scopes TEXT NOT NULL,
    version BIGINT NOT NULL,
    history_id BIGINT,
    good_until BIGINT,
    synced_at BIGINT,
    pushed_at BIGINT,
    topic TEXT,
    watch_expires_at BIGINT,
    watch_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX gmail_credentials_user ON gmail_credentials (user_id, id);
";
