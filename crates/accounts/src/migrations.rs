//! The tables of accounts: `users`, `sessions`, `refresh_tokens`, `mail_tokens`, `devices`, `quotas`.

use db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] = &[ACCOUNTS, PUSH];

const ACCOUNTS: Migration = Migration {
    name: "accounts/001_accounts",
    sql: "
CREATE TABLE users (
    id {ID} NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key {ID} NOT NULL UNIQUE,
    email_verified BOOLEAN NOT NULL DEFAULT FALSE,
    password_hash TEXT NOT NULL,
    role {ID} NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'agent', 'supervisor', 'operator')),
    plan {ID} NOT NULL DEFAULT 'FREE' CHECK (plan IN ('FREE', 'PREMIUM')),
    plan_until BIGINT,
    avatar TEXT,
    nickname TEXT,
    preferred_background TEXT NOT NULL DEFAULT 'default',
    preferred_scene {ID} NOT NULL DEFAULT 'SPACE' CHECK (preferred_scene IN ('SPACE', 'OCEAN')),
    notify_email BOOLEAN NOT NULL DEFAULT TRUE,
    notify_push BOOLEAN NOT NULL DEFAULT TRUE,
    notify_delivery BOOLEAN NOT NULL DEFAULT TRUE,
    notify_received BOOLEAN NOT NULL DEFAULT TRUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_login_at BIGINT
);

CREATE TABLE sessions (
    id {ID} NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE refresh_tokens (
    hash {ID} NOT NULL PRIMARY KEY,
    session_id {ID} NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE mail_tokens (
    hash {ID} NOT NULL PRIMARY KEY,
    user_id {ID} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose {ID} NOT NULL CHECK (purpose IN ('verify', 'reset')),
    email_key {ID} NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX mail_tokens_user ON mail_tokens (user_id);

CREATE TABLE devices (
    user_id {ID} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_id TEXT NOT NULL,
    platform {ID} NOT NULL CHECK (platform IN ('IOS', 'ANDROID', 'WEB')),
    token {BYTES} NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id)
);

CREATE TABLE quotas (
    user_id {ID} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    month {ID} NOT NULL,
    resource {ID} NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (user_id, month, resource)
);
",
};

/// What finds a device by its token without opening it, and where its messages go. Devices from before have neither
/// and get no messages until their app registers them again, which apps do at each start.
const PUSH: Migration = Migration {
    name: "accounts/002_push",
    sql: "
ALTER TABLE devices ADD COLUMN token_id {ID};
ALTER TABLE devices ADD COLUMN destination {ID} NOT NULL DEFAULT '';
CREATE INDEX devices_token ON devices (token_id);
",
};
