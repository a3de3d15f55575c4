-- Every second letter is delivered.
UPDATE letters SET status = 'DELIVERED', delivered_at = send_time WHERE ordinal % 2 = 0;
INSERT INTO inbox (mailbox, delivered_at, letter_id) SELECT owner_id, delivered_at, id FROM letters WHERE status = 'DELIVERED';
