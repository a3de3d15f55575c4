-- The plain way to store letters and jobs: the text beside the status, an index on status and time.
DROP TABLE IF EXISTS raw_letters, raw_inbox, raw_jobs CASCADE;
CREATE TABLE raw_letters (
    id BIGINT NOT NULL, sender_id BIGINT NOT NULL, recipient_id BIGINT NOT NULL, subject TEXT NOT NULL,
    body TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'scheduled', deliver_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(), delivered_at TIMESTAMPTZ);
CREATE TABLE raw_inbox (
    id BIGSERIAL PRIMARY KEY, user_id BIGINT NOT NULL, letter_id BIGINT NOT NULL UNIQUE,
    received_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE INDEX raw_inbox_user ON raw_inbox (user_id, id DESC);
CREATE TABLE raw_jobs (
    id BIGSERIAL PRIMARY KEY, letter_id BIGINT NOT NULL, run_at TIMESTAMPTZ NOT NULL,
    state SMALLINT NOT NULL DEFAULT 0);
INSERT INTO raw_letters (id, sender_id, recipient_id, subject, body, deliver_at)
SELECT g, g % 1000, (g * 7919) % 10000, 'letter ' || g, repeat(md5(g::text), 31),
    to_timestamp(@start@ / 1e6) + g * interval '1 microsecond' * @step@
FROM generate_series(1, @to@) AS g;
ALTER TABLE raw_letters ADD PRIMARY KEY (id);
CREATE INDEX raw_letters_recipient ON raw_letters (recipient_id, created_at DESC);
CREATE INDEX raw_letters_due ON raw_letters (status, deliver_at);
INSERT INTO raw_jobs (letter_id, run_at) SELECT id, deliver_at FROM raw_letters ORDER BY id;
CREATE INDEX raw_jobs_due ON raw_jobs (run_at) WHERE state = 0;
