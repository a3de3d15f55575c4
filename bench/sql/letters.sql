-- Scheduled letters numbered @from@ to @to@ of 10,000 authors: the first due at @start@ microseconds, then one every @step@.
INSERT INTO letters (id, owner_id, title, recipient_type, recipient_email, recipient_key, status, send_time,
    trigger_type, has_attachments, is_encrypted, capsule_style, ordinal, schedule_no, scheduled_at, scheduled_month,
    created_at, updated_at)
SELECT 'mail_' || @id@, @owner@, 'letter ' || g, '@type@', @email@, @email@, 'SCHEDULED',
    @start@ + (g - @from@) * @step@, 'TIME', FALSE, FALSE, 'default', g, 1, 1, '2026-01', 1, 1
FROM @numbers@;
