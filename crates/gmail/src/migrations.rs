//! The tables of outreach.
//!
//! `gmail_numbers` gives the seed's integer ids. `gmail_flows` are consents that people were sent to Google for;
//! `gmail_credentials` the accounts that they connected, one row an address in the whole installation. Tokens, client
//! secrets and verifiers are sealed.
//!
//! `gmail_hints` are pushes that rang; `gmail_syncs` says whether a mailbox is to be read, `gmail_fetches` which of its
//! mails, `gmail_backfills` for which conversations it is still searched. `gmail_conversations` are pairs of an account and
//! a counterpart; `gmail_messages` what Gmail holds of them, once each; `gmail_links` which message stands in which conversations, whether the counterpart wrote it, it is unread, and lies in the inbox; `gmail_parts` the messages' attachments; `gmail_terms`
//! what they are found by; `gmail_notes` and `gmail_summaries` what people and the assistant say of a conversation.
//!
//! `gmail_uploads` are files to be sent, `gmail_upload_uses` by which mails; `gmail_outbox` the mails that go out, from the
//! moment that somebody asked for them, `gmail_recipients` to whom; `gmail_counters` how many went; `gmail_suppressions`
//! who gets none.
//!
//! `gmail_goals` is what people want to reach; `gmail_replies` what the assistant proposes; `gmail_decisions` every yes and
//! no of the automatic reply, with its reason.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "gmail/001_accounts", sql: ACCOUNTS },
    Migration { name: "gmail/002_sync", sql: SYNC },
    Migration { name: "gmail/003_conversations", sql: CONVERSATIONS },
    Migration { name: "gmail/004_outbox", sql: OUTBOX },
    Migration { name: "gmail/005_replies", sql: REPLIES },
    Migration { name: "gmail/006_names_and_hours", sql: NAMES_AND_HOURS },
];

const ACCOUNTS: &str = "
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
    topic TEXT,
    watch_expires_at BIGINT,
    watch_error TEXT,
    limited_until BIGINT,
    aliases TEXT NOT NULL,
    aliases_at BIGINT,
    auto_reply {ID} NOT NULL CHECK (auto_reply IN ('on', 'dry_run', 'off')),
    daily_cap BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX gmail_credentials_user ON gmail_credentials (user_id, id);
";

const SYNC: &str = "
CREATE TABLE gmail_hints (
    subscription {ID} NOT NULL,
    message_id {ID} NOT NULL,
    credential_key {ID} NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (subscription, message_id)
);
CREATE INDEX gmail_hints_received ON gmail_hints (received_at);

CREATE TABLE gmail_syncs (
    credential_key {ID} NOT NULL PRIMARY KEY,
    wanted BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    poll_at BIGINT NOT NULL,
    pushed_at BIGINT,
    error TEXT,
    relist_since BIGINT,
    relist_at BIGINT
);
CREATE INDEX gmail_syncs_poll ON gmail_syncs (poll_at);

CREATE TABLE gmail_fetches (
    credential_key {ID} NOT NULL,
    gmail_id {ID} NOT NULL,
    rank BIGINT NOT NULL CHECK (rank BETWEEN 0 AND 2),
    large BOOLEAN NOT NULL,
    place BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    failed_at BIGINT,
    error TEXT,
    PRIMARY KEY (credential_key, gmail_id)
);
CREATE INDEX gmail_fetches_next ON gmail_fetches (credential_key, rank, place, gmail_id);

CREATE TABLE gmail_backfills (
    conversation_id BIGINT NOT NULL PRIMARY KEY,
    credential_key {ID} NOT NULL,
    large BOOLEAN NOT NULL,
    page TEXT,
    tries BIGINT NOT NULL,
    again BOOLEAN NOT NULL DEFAULT FALSE,
    asked_at BIGINT NOT NULL
);
CREATE INDEX gmail_backfills_account ON gmail_backfills (credential_key, asked_at, conversation_id);
";

const CONVERSATIONS: &str = "
CREATE TABLE gmail_conversations (
    id BIGINT NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL,
    credential_key {ID} NOT NULL,
    user_email TEXT NOT NULL,
    counterpart TEXT NOT NULL,
    address {ID} NOT NULL,
    name TEXT,
    kb_id {ID},
    held BOOLEAN NOT NULL,
    away_until BIGINT,
    last_message_key {ID},
    last_message_at BIGINT,
    last_inbound_at BIGINT,
    past_read BOOLEAN NOT NULL DEFAULT FALSE,
    message_count BIGINT NOT NULL,
    backfilled_at BIGINT,
    backfill_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (credential_key, address)
);
CREATE INDEX gmail_conversations_user ON gmail_conversations (user_id, (COALESCE(last_message_at, created_at)), id);
CREATE INDEX gmail_conversations_unread_past ON gmail_conversations (credential_key, id) WHERE NOT past_read;

CREATE TABLE gmail_messages (
    key {ID} NOT NULL PRIMARY KEY,
    credential_key {ID} NOT NULL,
    gmail_id {ID} NOT NULL,
    thread_id {ID} NOT NULL,
    rfc_message_id TEXT,
    direction {ID} NOT NULL CHECK (direction IN ('in', 'out')),
    from_name TEXT,
    from_address TEXT NOT NULL,
    reply_to TEXT NOT NULL,
    to_list TEXT NOT NULL,
    cc_list TEXT NOT NULL,
    subject TEXT NOT NULL,
    in_reply_to TEXT,
    refs TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    new_text TEXT NOT NULL,
    quoted TEXT NOT NULL,
    signature TEXT NOT NULL,
    html TEXT,
    truncated BOOLEAN NOT NULL,
    machine {ID} NOT NULL,
    kind {ID} NOT NULL,
    labels TEXT NOT NULL,
    backfill BOOLEAN NOT NULL,
    outbox_id {ID},
    created_at BIGINT NOT NULL,
    UNIQUE (credential_key, gmail_id)
);
CREATE INDEX gmail_messages_thread ON gmail_messages (credential_key, thread_id, received_at);
CREATE INDEX gmail_messages_rfc ON gmail_messages (credential_key, rfc_message_id);
CREATE INDEX gmail_messages_everywhere ON gmail_messages (rfc_message_id);

CREATE TABLE gmail_links (
    conversation_id BIGINT NOT NULL,
    message_key {ID} NOT NULL,
    received_at BIGINT NOT NULL,
    theirs BOOLEAN NOT NULL DEFAULT FALSE,
    unread BOOLEAN NOT NULL DEFAULT FALSE,
    inbox BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (conversation_id, message_key)
);
CREATE INDEX gmail_links_unread ON gmail_links (conversation_id) WHERE unread;
CREATE INDEX gmail_links_inbox ON gmail_links (conversation_id) WHERE inbox;
CREATE INDEX gmail_links_order ON gmail_links (conversation_id, received_at, message_key);
CREATE INDEX gmail_links_message ON gmail_links (message_key);

CREATE TABLE gmail_parts (
    id {ID} NOT NULL PRIMARY KEY,
    message_key {ID} NOT NULL,
    part_id TEXT NOT NULL,
    file_name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    content_id TEXT,
    inline BOOLEAN NOT NULL,
    size BIGINT NOT NULL
);
CREATE INDEX gmail_parts_message ON gmail_parts (message_key);

CREATE TABLE gmail_terms (
    term {ID} NOT NULL,
    message_key {ID} NOT NULL,
    credential_key {ID} NOT NULL,
    PRIMARY KEY (message_key, term)
);

CREATE TABLE gmail_notes (
    id BIGINT NOT NULL PRIMARY KEY,
    conversation_id BIGINT NOT NULL,
    text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX gmail_notes_conversation ON gmail_notes (conversation_id, id);

CREATE TABLE gmail_summaries (
    conversation_id BIGINT NOT NULL PRIMARY KEY,
    last_message_key {ID} NOT NULL,
    summary TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
";

const OUTBOX: &str = "
CREATE TABLE gmail_uploads (
    id {ID} NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL,
    file_name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    object_key {ID} NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX gmail_uploads_user ON gmail_uploads (user_id, id);
CREATE INDEX gmail_uploads_created ON gmail_uploads (created_at);

CREATE TABLE gmail_outbox (
    id {ID} NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL,
    credential_key {ID} NOT NULL,
    conversation_id BIGINT,
    idempotency_key {ID},
    fingerprint {BYTES} NOT NULL,
    source {ID} NOT NULL CHECK (source IN ('person', 'approved', 'auto_reply', 'follow_up')),
    state {ID} NOT NULL CHECK (state IN ('held', 'sending', 'unknown', 'sent', 'failed', 'cancelled')),
    message_id {ID} NOT NULL UNIQUE,
    envelope TEXT NOT NULL,
    answers_key {ID},
    reply_id BIGINT,
    goal_id BIGINT,
    due_at BIGINT NOT NULL,
    dispatch_no BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    lookups BIGINT NOT NULL,
    sends BIGINT NOT NULL,
    attempted_at BIGINT,
    counted_at BIGINT,
    gmail_id {ID},
    thread_id {ID},
    sent_message_id TEXT,
    sent_at BIGINT,
    waiting_reason TEXT,
    waiting_until BIGINT,
    error TEXT,
    error_code TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (user_id, idempotency_key)
);
CREATE INDEX gmail_outbox_user ON gmail_outbox (user_id, id);
CREATE INDEX gmail_outbox_conversation ON gmail_outbox (conversation_id, id);
CREATE INDEX gmail_outbox_gmail ON gmail_outbox (credential_key, gmail_id);
CREATE INDEX gmail_outbox_sent_id ON gmail_outbox (credential_key, sent_message_id);
CREATE INDEX gmail_outbox_counted ON gmail_outbox (credential_key, counted_at);
CREATE INDEX gmail_outbox_state ON gmail_outbox (credential_key, state, id, due_at);

CREATE TABLE gmail_recipients (
    address {ID} NOT NULL,
    outbox_id {ID} NOT NULL,
    PRIMARY KEY (address, outbox_id)
);
CREATE INDEX gmail_recipients_outbox ON gmail_recipients (outbox_id);

CREATE TABLE gmail_upload_uses (
    upload_id {ID} NOT NULL,
    outbox_id {ID} NOT NULL,
    PRIMARY KEY (upload_id, outbox_id)
);
CREATE INDEX gmail_upload_uses_outbox ON gmail_upload_uses (outbox_id);

CREATE TABLE gmail_counters (
    scope {ID} NOT NULL,
    span BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (scope, span)
);
CREATE INDEX gmail_counters_span ON gmail_counters (span);

CREATE TABLE gmail_suppressions (
    id BIGINT NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL,
    email TEXT NOT NULL,
    address {ID} NOT NULL,
    reason {ID} NOT NULL CHECK (reason IN ('opt_out', 'bounce', 'complaint', 'manual')),
    detail TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, address)
);
";

const REPLIES: &str = "
CREATE TABLE gmail_goals (
    id BIGINT NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL,
    conversation_id BIGINT NOT NULL,
    goal_description TEXT NOT NULL,
    priority BIGINT NOT NULL CHECK (priority BETWEEN 1 AND 5),
    auto_reply BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL,
    progress {ID} NOT NULL,
    progress_note TEXT,
    reached_at BIGINT,
    instructions TEXT,
    follow_up_days TEXT NOT NULL,
    follow_ups_sent BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX gmail_goals_user ON gmail_goals (user_id, id);
CREATE INDEX gmail_goals_conversation ON gmail_goals (conversation_id, active);

CREATE TABLE gmail_replies (
    id BIGINT NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL,
    conversation_id BIGINT NOT NULL,
    credential_key {ID} NOT NULL,
    address {ID} NOT NULL,
    thread_id {ID},
    goal_id BIGINT,
    based_on {ID},
    step BIGINT,
    state {ID} NOT NULL CHECK (state IN ('waiting', 'approved', 'rejected', 'stale', 'automatic')),
    text TEXT NOT NULL,
    alternatives TEXT NOT NULL,
    summary TEXT NOT NULL,
    reason TEXT NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    needs_human BOOLEAN NOT NULL,
    suspicious BOOLEAN NOT NULL,
    progress {ID} NOT NULL,
    engine TEXT NOT NULL,
    degraded BOOLEAN NOT NULL,
    facts TEXT NOT NULL,
    removed_links TEXT NOT NULL,
    outbox_id {ID},
    decided_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX gmail_replies_user ON gmail_replies (user_id, state, id);
CREATE INDEX gmail_replies_conversation ON gmail_replies (conversation_id, id);
CREATE INDEX gmail_replies_thread ON gmail_replies (credential_key, thread_id, state);
CREATE INDEX gmail_replies_contact ON gmail_replies (address, state, created_at);
CREATE INDEX gmail_replies_account ON gmail_replies (credential_key, state, created_at);
CREATE INDEX gmail_replies_all ON gmail_replies (state, created_at);
CREATE INDEX gmail_replies_outbox ON gmail_replies (outbox_id);
CREATE UNIQUE INDEX gmail_replies_once ON gmail_replies (based_on) WHERE state = 'automatic';

CREATE TABLE gmail_decisions (
    id {ID} NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL,
    conversation_id BIGINT NOT NULL,
    message_key {ID} NOT NULL,
    turn {ID} NOT NULL UNIQUE,
    goal_id BIGINT,
    outcome {ID} NOT NULL,
    rule {ID} NOT NULL,
    reason TEXT NOT NULL,
    reply_id BIGINT,
    outbox_id {ID},
    at BIGINT NOT NULL
);
CREATE INDEX gmail_decisions_user ON gmail_decisions (user_id, id);
CREATE INDEX gmail_decisions_conversation ON gmail_decisions (conversation_id, id);
";

/// `sending_hours` is a JSON document.
const NAMES_AND_HOURS: &str = "
ALTER TABLE gmail_credentials ADD COLUMN name TEXT;
ALTER TABLE gmail_credentials ADD COLUMN sending_hours TEXT;
";
