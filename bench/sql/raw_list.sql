\set u random(0, 9999)
SELECT id, sender_id, recipient_id, subject, status, created_at::text AS created_at, left(body, 120) AS preview FROM raw_letters WHERE recipient_id = :u ORDER BY created_at DESC LIMIT 10;
