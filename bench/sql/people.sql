-- Of a thousand authors, as many as have registered are real; the others are only names.
CREATE TABLE bench_authors (n BIGINT NOT NULL PRIMARY KEY, id TEXT NOT NULL);
INSERT INTO bench_authors SELECT ROW_NUMBER() OVER (ORDER BY id) - 1, id FROM users;
INSERT INTO bench_authors SELECT g, 'user_' || @id@ FROM @numbers@ WHERE g >= (SELECT COUNT(*) FROM users);
UPDATE users SET plan = 'PREMIUM';
