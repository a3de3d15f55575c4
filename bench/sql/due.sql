-- @count@ letters with a kilobyte of text, from number @from@, the first due at @start@ microseconds, one every @step@.
INSERT INTO letters (id, owner_id, title, recipient_type, recipient_email, recipient_key, status, send_time, trigger_type,
    has_attachments, is_encrypted, capsule_style, ordinal, schedule_no, scheduled_at, scheduled_month, created_at,
    updated_at)
SELECT 'mail_' || @id@, 'user_' || substr('000000000000000000000000000' || ((g * 7919) % 10000), -26 * @lite@, 26), 'letter ' || g, '@type@',
    CASE '@type@' WHEN 'SPECIFIC' THEN 'someone@example.org' END,
    CASE '@type@' WHEN 'SPECIFIC' THEN 'someone@example.org' END,
    'SCHEDULED', @start@ + (g - @from@) * @step@, 'TIME', FALSE, FALSE, 'default', g, 1, 1, '2026-01', 1, 1
FROM (SELECT @value@g FROM generate_series(@from@, @from@ + @count@ - 1) AS g) AS numbers;
