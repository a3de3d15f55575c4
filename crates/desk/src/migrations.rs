//! The desk's tables.
//!
//! `desk_sessions` and `desk_messages` are the truth; `desk_inbound` knows what came before; `desk_streams`,
//! `desk_events` and `desk_event_bodies` are what agents are told, in order, each agent by themselves; `desk_audit`
//! says who changed what, and why.
//!
//! `desk_accounts` holds the channels' accounts beside those of the settings; `desk_callbacks` what came, as it came;
//! `desk_pulls` and `desk_cursors` how far WeCom was asked; `desk_windows` what may still be said to a customer;
//! `desk_senders` who is sending in a session, `desk_parts` which parts of a message WeCom took, and whether they arrived; `desk_files` the files
//! of messages.
//!
//! `desk_settings` keeps every version of the desk's settings, the newest holds;
//! `desk_sla` has a row for each wait of a customer that had a target, `desk_ratings` one for each that was
//! asked, `desk_terms` one for each term that a message is found by.
//!
//! `desk_tokens` holds the access tokens that are renewed here, `desk_health` what the last look at an account found.
//!
//! `desk_turns` has how each turn of the assistant ended.
//!
//! `desk_webhooks` are told of `desk_webhook_events` by `desk_webhook_deliveries`; `desk_changes` has what people changed
//! beside sessions' states.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "desk/001_desk", sql: DESK },
    Migration { name: "desk/002_channels", sql: CHANNELS },
    Migration { name: "desk/003_workbench", sql: WORKBENCH },
    Migration { name: "desk/004_stream", sql: STREAM },
    Migration { name: "desk/005_turn", sql: TURN },
    Migration { name: "desk/006_supervise", sql: SUPERVISE },
    Migration { name: "desk/007_accounts", sql: ACCOUNTS },
    Migration { name: "desk/008_assistants_side", sql: ASSISTANTS_SIDE },
    Migration { name: "desk/009_sight", sql: SIGHT },
    Migration { name: "desk/010_parts", sql: PARTS },
];

const DESK: &str = "
CREATE TABLE desk_sessions (
    id {ID} NOT NULL PRIMARY KEY,
    account_id {ID} NOT NULL,
    channel_type {ID} NOT NULL CHECK (channel_type IN ('wechat', 'douyin', 'jd')),
    kf_id {ID} NOT NULL,
    customer_id {ID} NOT NULL,
    customer_name TEXT,
    conversation TEXT,
    open_key {ID} UNIQUE,
    status {ID} NOT NULL CHECK (status IN ('ai', 'pending', 'manual', 'closed')),
    manual_cs_id {ID},
    version BIGINT NOT NULL,
    priority BIGINT NOT NULL DEFAULT 0,
    waiting_since BIGINT,
    handed_over_at BIGINT,
    handover_reason {ID},
    accepted_at BIGINT,
    first_response_at BIGINT,
    last_seq BIGINT NOT NULL DEFAULT 0,
    message_count BIGINT NOT NULL DEFAULT 0,
    last_message TEXT,
    last_message_at BIGINT,
    last_customer_seq BIGINT NOT NULL DEFAULT 0,
    last_customer_at BIGINT,
    last_reply_at BIGINT,
    closed_at BIGINT,
    closed_by {ID},
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX desk_sessions_status ON desk_sessions (status, id);
CREATE INDEX desk_sessions_owner ON desk_sessions (manual_cs_id, status, id);
CREATE INDEX desk_sessions_customer ON desk_sessions (account_id, customer_id, id);

CREATE TABLE desk_messages (
    session_id {ID} NOT NULL,
    seq BIGINT NOT NULL,
    id {ID} NOT NULL UNIQUE,
    sender_type {ID} NOT NULL CHECK (sender_type IN ('customer', 'ai', 'manual', 'system')),
    sender_id {ID} NOT NULL,
    msg_type TEXT NOT NULL,
    content TEXT NOT NULL,
    payload TEXT,
    status {ID} NOT NULL
        CHECK (status IN ('received', 'queued', 'sent', 'failed', 'internal', 'recalled')),
    fail_reason TEXT,
    external_id {ID},
    client_id {ID},
    sent_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, seq),
    UNIQUE (session_id, client_id)
);

CREATE TABLE desk_inbound (
    account_id {ID} NOT NULL,
    external_id {ID} NOT NULL,
    session_id {ID} NOT NULL,
    message_id {ID} NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, external_id)
);

CREATE TABLE desk_streams (
    agent_id {ID} NOT NULL PRIMARY KEY,
    epoch {ID} NOT NULL,
    head BIGINT NOT NULL,
    tail BIGINT NOT NULL,
    acked BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);

CREATE TABLE desk_events (
    agent_id {ID} NOT NULL,
    seq BIGINT NOT NULL,
    event_id {ID} NOT NULL,
    PRIMARY KEY (agent_id, seq)
);

CREATE TABLE desk_event_bodies (
    id {ID} NOT NULL PRIMARY KEY,
    type {ID} NOT NULL,
    session_id {ID} NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE desk_watchers (
    session_id {ID} NOT NULL,
    agent_id {ID} NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (session_id, agent_id)
);

CREATE TABLE desk_audit (
    id {ID} NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    session_id {ID} NOT NULL,
    actor_kind {ID} NOT NULL,
    actor_id {ID},
    action {ID} NOT NULL,
    from_status {ID} NOT NULL,
    to_status {ID} NOT NULL,
    from_owner {ID},
    to_owner {ID},
    reason TEXT
);
CREATE INDEX desk_audit_session ON desk_audit (session_id, id);
";

const CHANNELS: &str = "
CREATE TABLE desk_accounts (
    id {ID} NOT NULL PRIMARY KEY,
    kind {ID} NOT NULL CHECK (kind IN ('wecom', 'douyin', 'doudian', 'jd', 'bridge')),
    channel_type {ID} NOT NULL CHECK (channel_type IN ('wechat', 'douyin', 'jd')),
    name TEXT NOT NULL,
    fields TEXT NOT NULL,
    secrets {BYTES} NOT NULL,
    enabled BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE desk_callbacks (
    id {ID} NOT NULL PRIMARY KEY,
    account_id {ID} NOT NULL,
    once_key {ID} NOT NULL,
    request TEXT NOT NULL,
    error TEXT,
    received_at BIGINT NOT NULL,
    UNIQUE (account_id, once_key)
);
CREATE INDEX desk_callbacks_received ON desk_callbacks (received_at);
CREATE INDEX desk_callbacks_failed ON desk_callbacks (id) WHERE error IS NOT NULL;

CREATE TABLE desk_pulls (
    account_id {ID} NOT NULL,
    kf_id {ID} NOT NULL,
    wanted BIGINT NOT NULL,
    active BOOLEAN NOT NULL,
    since BIGINT NOT NULL,
    token TEXT,
    token_until BIGINT,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, kf_id)
);
CREATE INDEX desk_pulls_asked ON desk_pulls (asked_at);

CREATE TABLE desk_cursors (
    account_id {ID} NOT NULL,
    kf_id {ID} NOT NULL,
    cursor TEXT NOT NULL,
    moved_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, kf_id)
);

CREATE TABLE desk_windows (
    account_id {ID} NOT NULL,
    kf_id {ID} NOT NULL,
    customer_id {ID} NOT NULL,
    until BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (account_id, kf_id, customer_id)
);

CREATE TABLE desk_parts (
    message_id {ID} NOT NULL,
    part BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, part)
);

CREATE TABLE desk_senders (
    session_id {ID} NOT NULL PRIMARY KEY,
    holder {ID} NOT NULL,
    message_id {ID} NOT NULL,
    until BIGINT NOT NULL
);

CREATE TABLE desk_customers (
    account_id {ID} NOT NULL,
    customer_id {ID} NOT NULL,
    name TEXT,
    avatar TEXT,
    fetched_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, customer_id)
);

CREATE TABLE desk_files (
    id {ID} NOT NULL PRIMARY KEY,
    session_id {ID} NOT NULL,
    owner_id {ID},
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX desk_files_session ON desk_files (session_id);

CREATE INDEX desk_messages_failed ON desk_messages (id) WHERE status = 'failed';
CREATE INDEX desk_messages_queued ON desk_messages (session_id, seq) WHERE status = 'queued';
";

const WORKBENCH: &str = "
CREATE TABLE desk_settings (
    version BIGINT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    actor_id {ID},
    at BIGINT NOT NULL
);

CREATE TABLE desk_agents (
    agent_id {ID} NOT NULL PRIMARY KEY,
    state {ID} NOT NULL CHECK (state IN ('online', 'away', 'offline')),
    capacity BIGINT,
    gone_at BIGINT,
    given_at BIGINT,
    updated_at BIGINT NOT NULL
);

CREATE TABLE desk_session_labels (
    session_id {ID} NOT NULL,
    label {ID} NOT NULL,
    PRIMARY KEY (session_id, label)
);
CREATE INDEX desk_session_labels_label ON desk_session_labels (label, session_id);

CREATE TABLE desk_canned (
    id {ID} NOT NULL PRIMARY KEY,
    owner_id {ID} NOT NULL,
    shortcut {ID} NOT NULL,
    content TEXT NOT NULL,
    uses BIGINT NOT NULL,
    used_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (owner_id, shortcut)
);

CREATE TABLE desk_sla (
    id {ID} NOT NULL PRIMARY KEY,
    session_id {ID} NOT NULL,
    kind {ID} NOT NULL CHECK (kind IN ('first_response', 'next_response')),
    since BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    ended_at BIGINT,
    answered BOOLEAN NOT NULL,
    breached_at BIGINT,
    agent_id {ID}
);
CREATE INDEX desk_sla_session ON desk_sla (session_id, ended_at);
CREATE INDEX desk_sla_since ON desk_sla (since);

CREATE TABLE desk_ratings (
    session_id {ID} NOT NULL PRIMARY KEY,
    account_id {ID} NOT NULL,
    kf_id {ID} NOT NULL,
    customer_id {ID} NOT NULL,
    agent_id {ID},
    asked_at BIGINT NOT NULL,
    score BIGINT CHECK (score BETWEEN 1 AND 5),
    rated_at BIGINT
);
CREATE INDEX desk_ratings_customer ON desk_ratings (account_id, customer_id, asked_at);
CREATE INDEX desk_ratings_asked ON desk_ratings (asked_at);
CREATE TABLE desk_terms (
    term {ID} NOT NULL,
    message_id {ID} NOT NULL,
    session_id {ID} NOT NULL,
    PRIMARY KEY (term, message_id)
);

CREATE INDEX desk_sessions_waiting ON desk_sessions (status, priority, waiting_since, id);
";

// `desk_presence` has a row for each agent who is there or was there just now, `desk_viewers` one for each socket that
// shows a session; both are kept fresh by the node that holds the socket. `desk_tickets` stand for a token once.
const STREAM: &str = "
CREATE INDEX desk_events_event ON desk_events (event_id);
ALTER TABLE desk_watchers ADD COLUMN supervising BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX desk_watchers_agent ON desk_watchers (agent_id);

CREATE TABLE desk_presence (
    agent_id {ID} NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

CREATE TABLE desk_viewers (
    session_id {ID} NOT NULL,
    socket_id {ID} NOT NULL,
    node_id {ID} NOT NULL,
    agent_id {ID} NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (session_id, socket_id)
);
CREATE INDEX desk_viewers_socket ON desk_viewers (socket_id);
CREATE INDEX desk_viewers_node ON desk_viewers (node_id);

CREATE TABLE desk_tickets (
    hash {ID} NOT NULL PRIMARY KEY,
    login_id {ID} NOT NULL,
    token_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
";

const TURN: &str = "
CREATE TABLE desk_turns (
    id {ID} NOT NULL PRIMARY KEY,
    session_id {ID} NOT NULL,
    seq BIGINT NOT NULL,
    version BIGINT NOT NULL,
    outcome {ID} NOT NULL CHECK (outcome IN ('answered', 'asked', 'greeted', 'handed_over', 'dropped')),
    engine {ID},
    confidence DOUBLE PRECISION,
    reason TEXT,
    message_id {ID},
    created_at BIGINT NOT NULL,
    UNIQUE (session_id, version, seq)
);
";

// `desk_webhook_events` has what webhooks are told, once; `desk_webhook_deliveries` its number at each webhook, which has
// no gaps; how each went is the dispatch of that number. `desk_changes` has what people changed beside sessions.
const SUPERVISE: &str = "
CREATE TABLE desk_webhooks (
    id {ID} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret {BYTES} NOT NULL,
    enabled BOOLEAN NOT NULL,
    disabled_reason TEXT,
    failing_since BIGINT,
    last_seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE desk_webhook_events (
    id {ID} NOT NULL PRIMARY KEY,
    type {ID} NOT NULL,
    session_id {ID},
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX desk_webhook_events_created ON desk_webhook_events (created_at);

CREATE TABLE desk_webhook_deliveries (
    webhook_id {ID} NOT NULL,
    seq BIGINT NOT NULL,
    event_id {ID} NOT NULL,
    PRIMARY KEY (webhook_id, seq)
);
CREATE INDEX desk_webhook_deliveries_event ON desk_webhook_deliveries (event_id);

CREATE TABLE desk_changes (
    id {ID} NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor_kind {ID} NOT NULL,
    actor_id {ID},
    action {ID} NOT NULL,
    subject {ID} NOT NULL,
    reason TEXT
);
CREATE INDEX desk_changes_at ON desk_changes (at, id);
CREATE INDEX desk_changes_actor ON desk_changes (actor_id, at);
CREATE INDEX desk_changes_subject ON desk_changes (subject, at);

CREATE INDEX desk_audit_at ON desk_audit (at, id);
CREATE INDEX desk_audit_actor ON desk_audit (actor_id, at);
CREATE INDEX desk_sla_breached ON desk_sla (breached_at);
CREATE INDEX desk_ratings_rated ON desk_ratings (rated_at);
CREATE INDEX desk_sessions_created ON desk_sessions (created_at);
CREATE INDEX desk_sessions_closed ON desk_sessions (closed_at);
CREATE INDEX desk_sessions_answered ON desk_sessions (first_response_at);
CREATE INDEX desk_messages_created ON desk_messages (created_at, sender_type, status, sender_id);
";

const ACCOUNTS: &str = "
CREATE TABLE desk_tokens (
    account_id {ID} NOT NULL PRIMARY KEY,
    seed {ID} NOT NULL,
    generation BIGINT NOT NULL,
    tokens {BYTES} NOT NULL,
    expires_at BIGINT NOT NULL,
    refused TEXT,
    updated_at BIGINT NOT NULL
);

CREATE TABLE desk_health (
    account_id {ID} NOT NULL PRIMARY KEY,
    problem TEXT,
    served TEXT,
    checked_at BIGINT NOT NULL
);

CREATE INDEX desk_inbound_received ON desk_inbound (received_at);
";

// `came`: whether the agent ever connected or said whether they are there; before that they are nobody's choice.
const ASSISTANTS_SIDE: &str = "
ALTER TABLE desk_agents ADD COLUMN came BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE desk_turns ADD COLUMN degraded BOOLEAN NOT NULL DEFAULT FALSE;
";

// What a stream's agent may see is a fact of the stream, and of nothing else that would have to follow it. A socket is named by
// its id alone. Who closed has nobody waiting any more.
const SIGHT: &str = "
ALTER TABLE desk_streams ADD COLUMN supervising BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE desk_watchers DROP COLUMN supervising;
DROP INDEX desk_viewers_node;
ALTER TABLE desk_viewers DROP COLUMN node_id;
UPDATE desk_sessions SET waiting_since = NULL WHERE status = 'closed';
";

const PARTS: &str = "
CREATE INDEX desk_files_sent ON desk_files (session_id, created_at);

ALTER TABLE desk_parts ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE desk_parts ADD COLUMN failed BOOLEAN NOT NULL DEFAULT FALSE;
";
