-- A kilobyte of text for each.
INSERT INTO letter_contents (letter_id, content, trigger_condition)
SELECT 'mail_' || @id@, @text@, '{}' FROM @numbers@;
