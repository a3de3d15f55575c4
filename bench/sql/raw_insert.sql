\set s random(1, 1000)
\set r random(1, 10000)
INSERT INTO raw_letters (id, sender_id, recipient_id, subject, body, deliver_at) VALUES (nextval('raw_inserted'), :s, :r, 'subject line here', repeat('0123456789', 100), now() + interval '1 day');
