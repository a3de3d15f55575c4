"""raw_sqlite.py FILE COUNT BATCH: the limit of a durable drain on SQLite: batches of claim, update, insert and delete in
one transaction each, WAL and synchronous=FULL, on the plain schema. All work is in set-based SQL, so that the language
does not matter. Prints jobs a second."""

import os
import sqlite3
import sys
import time

file, count, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for suffix in ("", "-wal", "-shm"):
    if os.path.exists(file + suffix):
        os.remove(file + suffix)
db = sqlite3.connect(file, isolation_level=None)
db.executescript(
    """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -64000;
    PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY;
    CREATE TABLE letters (id INTEGER PRIMARY KEY, sender_id INT, recipient_id INT, subject TEXT, body TEXT, status TEXT,
        deliver_at INT, created_at INT, delivered_at INT);
    CREATE INDEX letters_recipient ON letters (recipient_id, created_at);
    CREATE INDEX letters_due ON letters (status, deliver_at);
    CREATE TABLE inbox (id INTEGER PRIMARY KEY, user_id INT, letter_id INT UNIQUE, received_at INT);
    CREATE INDEX inbox_user ON inbox (user_id, id);
    CREATE TABLE jobs (id INTEGER PRIMARY KEY, letter_id INT, run_at INT, state INT DEFAULT 0);
    CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 0;
    CREATE TEMP TABLE claimed (id INTEGER PRIMARY KEY, letter_id INT)"""
)
body = "0123456789abcdef" * 62
rows = ((g, g % 1000, g * 7919 % 10000, f"letter {g}", body, "scheduled", g, g) for g in range(1, count + 1))
db.execute("BEGIN")
db.executemany("INSERT INTO letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)", rows)
db.execute("INSERT INTO jobs (letter_id, run_at) SELECT id, deliver_at FROM letters ORDER BY id")
db.execute("COMMIT")
db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

began = time.perf_counter()
left = count
while left > 0:
    now = time.time_ns() // 1000
    db.execute("BEGIN IMMEDIATE")
    db.execute("DELETE FROM claimed")
    left -= db.execute(
        "INSERT INTO claimed SELECT id, letter_id FROM jobs WHERE state = 0 AND run_at <= ? ORDER BY run_at LIMIT ?", (now, batch)
    ).rowcount
    db.execute(
        "UPDATE letters SET status = 'delivered', delivered_at = ? WHERE id IN (SELECT letter_id FROM claimed) AND status = 'scheduled'",
        (now,),
    )
    db.execute(
        "INSERT INTO inbox (user_id, letter_id, received_at) SELECT recipient_id, id, ? FROM letters"
        " WHERE id IN (SELECT letter_id FROM claimed)",
        (now,),
    )
    db.execute("DELETE FROM jobs WHERE id IN (SELECT id FROM claimed)")
    db.execute("COMMIT")
print(round(count / (time.perf_counter() - began)))
