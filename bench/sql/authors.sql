-- The authors of letters.sql's letters, with an account each: they want every notification (@wants@ is TRUE) or none.
INSERT INTO users (id, username, email, email_key, email_verified, password_hash, notify_email, notify_push,
    notify_delivery, notify_received, created_at, updated_at)
SELECT 'user_' || @id@, 'author ' || g, 'author' || g || '@example.org', 'author' || g || '@example.org', TRUE, '',
    @wants@, @wants@, @wants@, @wants@, 1, 1
FROM @numbers@;
