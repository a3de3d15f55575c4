//! The desk's tables.
//!
//! `desk_sessions` and `desk_messages` are the truth; `desk_inbound` knows what came before; `desk_streams`,
//! `desk_events` and `desk_event_bodies` are what agents are told, in order, each agent by themselves; `desk_audit`
//! says who changed what, and why.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] =
    &[Migration { name: "desk/001_desk", sql: DESK }, Migration { name: "desk/004_stream", sql: STREAM }];

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
