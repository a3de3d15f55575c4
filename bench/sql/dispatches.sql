-- The dispatches of letters.sql's letters, as `ops::schedule` writes them.
INSERT INTO dispatches (id, kind, subject, destination, state, due_at, next_at, created_at)
SELECT 'mail_' || @id@ || '/1/@channel@', 'letter.@channel@', 'mail_' || @id@, '@destination@', 'scheduled',
    @start@ + (g - @from@) * @step@, @start@ + (g - @from@) * @step@, 1
FROM @numbers@;
