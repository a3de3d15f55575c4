//! All SQL on the tables of knowledge bases.

use db::{Conn, FromRow, Result, Row, Tx, args, sql};
use kernel::{PageRequest, Timestamp};

use super::model::Content;

db::row! {
    /// A base, without its synonyms.
    #[derive(Debug, Clone)]
    pub(crate) struct BaseRow {
        pub(crate) id: String,
        /// What it is called where ids are integers.
        pub(crate) number: i64,
        pub(crate) owner_id: String,
        pub(crate) name: String,
        pub(crate) description: String,
        pub(crate) shared: bool,
        pub(crate) version: i64,
        pub(crate) entries: i64,
        pub(crate) bytes: i64,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

/// An entry.
#[derive(Debug, Clone)]
pub(crate) struct EntryRow {
    pub(crate) id: String,
    pub(crate) base_id: String,
    pub(crate) content: Content,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl FromRow for EntryRow {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            base_id: row.get(1)?,
            content: Content {
                question: row.get(2)?,
                answer: row.get(3)?,
                aliases: list(row.get(4)?)?,
                tags: list(row.get(5)?)?,
                enabled: row.get(6)?,
            },
            created_at: row.get(7)?,
            updated_at: row.get(8)?,
        })
    }
}

fn list(json: String) -> Result<Vec<String>> {
    serde_json::from_str(&json).map_err(|e| db::DbError::Other(format!("a list in an entry: {e}")))
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| db::DbError::Other(e.to_string()))
}

/// The number of the next base. Nobody else gets one until the transaction ends.
pub(crate) async fn next_number(tx: &mut Tx) -> Result<i64> {
    let (number,): (i64,) = tx
        .one(
            sql!(
                "INSERT INTO kb_numbers (kind, last) VALUES ('base', 1)
                 ON CONFLICT (kind) DO UPDATE SET last = kb_numbers.last + 1 RETURNING last"
            ),
            args![],
        )
        .await?;
    Ok(number)
}

/// A new base; `false` if its owner has `most` already.
pub(crate) async fn insert_base(tx: &mut Tx, base: &BaseRow, most: i64) -> Result<bool> {
    let inserted = tx
        .exec(
            sql!(
                "INSERT INTO kb_bases (id, owner_id, name, description, shared, synonyms, version, entries,
                    bytes, created_at, updated_at, number)
                 SELECT $1, $2, CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BOOLEAN), '[]', 1, 0, 0,
                    CAST($6 AS BIGINT), CAST($6 AS BIGINT), CAST($8 AS BIGINT)
                 WHERE (SELECT COUNT(*) FROM kb_bases WHERE owner_id = $2) < CAST($7 AS BIGINT)"
            ),
            args![
                &base.id,
                &base.owner_id,
                &base.name,
                &base.description,
                base.shared,
                base.created_at,
                most,
                base.number
            ],
        )
        .await?;
    Ok(inserted == 1)
}

pub(crate) async fn base(conn: &mut Conn, id: &str) -> Result<Option<BaseRow>> {
    conn.opt(
        sql!(
            "SELECT id, number, owner_id, name, description, shared, version, entries, bytes, created_at, updated_at
             FROM kb_bases WHERE id = $1"
        ),
        args![id],
    )
    .await
}

/// One by its number.
pub(crate) async fn base_by_number(conn: &mut Conn, number: i64) -> Result<Option<BaseRow>> {
    conn.opt(
        sql!(
            "SELECT id, number, owner_id, name, description, shared, version, entries, bytes, created_at, updated_at
             FROM kb_bases WHERE number = $1"
        ),
        args![number],
    )
    .await
}

/// The ids and numbers of those of these bases that there are.
pub(crate) async fn numbers(conn: &mut Conn, ids: Vec<&str>) -> Result<Vec<(String, i64)>> {
    conn.all(
        sql!(
            sqlite: "SELECT id, number FROM kb_bases WHERE id IN (SELECT value FROM json_each($1))",
            postgres: "SELECT id, number FROM kb_bases WHERE id = ANY($1)"
        ),
        args![ids],
    )
    .await
}

/// A base, locked until the transaction ends: whatever writes into it or its entries begins with this.
pub(crate) async fn lock_base(tx: &mut Tx, id: &str) -> Result<Option<BaseRow>> {
    tx.opt(
        sql!(
            sqlite: "SELECT id, number, owner_id, name, description, shared, version, entries, bytes, created_at,
                        updated_at FROM kb_bases WHERE id = $1",
            postgres: "SELECT id, number, owner_id, name, description, shared, version, entries, bytes, created_at,
                          updated_at FROM kb_bases WHERE id = $1 FOR UPDATE"
        ),
        args![id],
    )
    .await
}

/// The bases of `owner`, and the shared ones if `shared`; how many there are.
pub(crate) async fn bases(
    conn: &mut Conn,
    owner: &str,
    shared: bool,
    page: PageRequest,
) -> Result<(Vec<BaseRow>, i64)> {
    let rows = conn
        .all(
            sql!(
                "SELECT id, number, owner_id, name, description, shared, version, entries, bytes, created_at, updated_at
                 FROM kb_bases WHERE owner_id = $1 OR (shared AND $2) ORDER BY id DESC LIMIT $3 OFFSET $4"
            ),
            args![owner, shared, page.size, page.offset()],
        )
        .await?;
    let (total,) = conn
        .one(
            sql!("SELECT COUNT(*) FROM kb_bases WHERE owner_id = $1 OR (shared AND $2)"),
            args![owner, shared],
        )
        .await?;
    Ok((rows, total))
}

/// The ids of the shared bases, the oldest first.
pub(crate) async fn shared_bases(conn: &mut Conn, most: i64) -> Result<Vec<String>> {
    let rows: Vec<(String,)> =
        conn.all(sql!("SELECT id FROM kb_bases WHERE shared ORDER BY id LIMIT $1"), args![most]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

pub(crate) async fn update_base(tx: &mut Tx, base: &BaseRow, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!("UPDATE kb_bases SET name = $2, description = $3, shared = $4, updated_at = $5 WHERE id = $1"),
        args![&base.id, &base.name, &base.description, base.shared, now],
    )
    .await
    .map(drop)
}

/// A base and, with it, its entries.
pub(crate) async fn delete_base(tx: &mut Tx, id: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM kb_bases WHERE id = $1"), args![id]).await.map(drop)
}

/// What changed in a base's entries, hence its version.
pub(crate) async fn changed(tx: &mut Tx, id: &str, entries: i64, bytes: i64, now: Timestamp) -> Result<()> {
    tx.exec(
        sql!(
            "UPDATE kb_bases SET version = version + 1, entries = entries + $2, bytes = bytes + $3,
                updated_at = $4 WHERE id = $1"
        ),
        args![id, entries, bytes, now],
    )
    .await
    .map(drop)
}

/// A base's synonyms: groups of words, as JSON.
pub(crate) async fn synonyms(conn: &mut Conn, base: &str) -> Result<Vec<Vec<String>>> {
    let row: Option<(String,)> =
        conn.opt(sql!("SELECT synonyms FROM kb_bases WHERE id = $1"), args![base]).await?;
    let Some((text,)) = row else { return Ok(Vec::new()) };
    serde_json::from_str(&text).map_err(|e| db::DbError::Other(format!("synonyms of {base}: {e}")))
}

pub(crate) async fn set_synonyms(
    tx: &mut Tx,
    base: &str,
    groups: &[Vec<String>],
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!("UPDATE kb_bases SET synonyms = $2, version = version + 1, updated_at = $3 WHERE id = $1"),
        args![base, json(groups)?, now],
    )
    .await
    .map(drop)
}

/// Which entries a page shows.
#[derive(Debug, Clone)]
pub(crate) struct Filter<'a> {
    pub(crate) base: &'a str,
    /// Part of the question, another way to ask it or the answer, whatever the case.
    pub(crate) text: Option<&'a str>,
    pub(crate) tag: Option<&'a str>,
    pub(crate) enabled: Option<bool>,
    pub(crate) page: PageRequest,
}

/// A page of entries, the newest first, and how many there are.
pub(crate) async fn entries(conn: &mut Conn, f: &Filter<'_>) -> Result<(Vec<EntryRow>, i64)> {
    let pattern = f.text.map(|text| {
        let text = text.replace('~', "~~").replace('%', "~%").replace('_', "~_");
        format!("%{text}%")
    });
    let rows = conn
        .all(
            sql!(
                sqlite: "SELECT id, base_id, question, answer, aliases, tags, enabled, created_at, updated_at
                         FROM kb_entries WHERE base_id = $1
                            AND ($2 IS NULL OR question LIKE $2 ESCAPE '~' OR answer LIKE $2 ESCAPE '~'
                                OR EXISTS (SELECT 1 FROM json_each(aliases) WHERE value LIKE $2 ESCAPE '~'))
                            AND ($3 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = $3))
                            AND ($4 IS NULL OR enabled = $4) ORDER BY created_at DESC, id DESC LIMIT $5 OFFSET $6",
                postgres: "SELECT id, base_id, question, answer, aliases, tags, enabled, created_at, updated_at
                           FROM kb_entries WHERE base_id = $1
                              AND (CAST($2 AS TEXT) IS NULL OR question ILIKE $2 ESCAPE '~'
                                  OR answer ILIKE $2 ESCAPE '~' OR EXISTS (SELECT 1
                                    FROM json_array_elements_text(aliases::JSON) AS a WHERE a ILIKE $2 ESCAPE '~'))
                              AND (CAST($3 AS TEXT) IS NULL OR EXISTS (SELECT 1
                                    FROM json_array_elements_text(tags::JSON) AS a WHERE a = $3))
                              AND (CAST($4 AS BOOLEAN) IS NULL OR enabled = $4)
                           ORDER BY created_at DESC, id DESC LIMIT $5 OFFSET $6"
            ),
            args![f.base, &pattern, f.tag, f.enabled, f.page.size, f.page.offset()],
        )
        .await?;
    let (total,) = conn
        .one(
            sql!(
                sqlite: "SELECT COUNT(*) FROM kb_entries WHERE base_id = $1
                            AND ($2 IS NULL OR question LIKE $2 ESCAPE '~' OR answer LIKE $2 ESCAPE '~'
                                OR EXISTS (SELECT 1 FROM json_each(aliases) WHERE value LIKE $2 ESCAPE '~'))
                            AND ($3 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = $3))
                            AND ($4 IS NULL OR enabled = $4)",
                postgres: "SELECT COUNT(*) FROM kb_entries WHERE base_id = $1
                              AND (CAST($2 AS TEXT) IS NULL OR question ILIKE $2 ESCAPE '~'
                                  OR answer ILIKE $2 ESCAPE '~' OR EXISTS (SELECT 1
                                    FROM json_array_elements_text(aliases::JSON) AS a WHERE a ILIKE $2 ESCAPE '~'))
                              AND (CAST($3 AS TEXT) IS NULL OR EXISTS (SELECT 1
                                    FROM json_array_elements_text(tags::JSON) AS a WHERE a = $3))
                              AND (CAST($4 AS BOOLEAN) IS NULL OR enabled = $4)"
            ),
            args![f.base, &pattern, f.tag, f.enabled],
        )
        .await?;
    Ok((rows, total))
}

/// All entries of a base, the oldest first. A base is bounded, see `model::BYTES`.
pub(crate) async fn all_entries(conn: &mut Conn, base: &str) -> Result<Vec<EntryRow>> {
    conn.all(
        sql!(
            "SELECT id, base_id, question, answer, aliases, tags, enabled, created_at, updated_at
             FROM kb_entries WHERE base_id = $1 ORDER BY created_at, id"
        ),
        args![base],
    )
    .await
}

pub(crate) async fn entry(conn: &mut Conn, id: &str) -> Result<Option<EntryRow>> {
    conn.opt(
        sql!(
            "SELECT id, base_id, question, answer, aliases, tags, enabled, created_at, updated_at
             FROM kb_entries WHERE id = $1"
        ),
        args![id],
    )
    .await
}

/// The entries with these ids that there are, in no order.
pub(crate) async fn entries_of(conn: &mut Conn, ids: Vec<&str>) -> Result<Vec<EntryRow>> {
    conn.all(
        sql!(
            sqlite: "SELECT id, base_id, question, answer, aliases, tags, enabled, created_at, updated_at
                     FROM kb_entries WHERE id IN (SELECT value FROM json_each($1))",
            postgres: "SELECT id, base_id, question, answer, aliases, tags, enabled, created_at, updated_at
                       FROM kb_entries WHERE id = ANY($1)"
        ),
        args![ids],
    )
    .await
}

/// The entry of a base that asks this.
pub(crate) async fn asked(conn: &mut Conn, base: &str, key: &str) -> Result<Option<String>> {
    let row: Option<(String,)> = conn
        .opt(sql!("SELECT id FROM kb_entries WHERE base_id = $1 AND question_key = $2"), args![base, key])
        .await?;
    Ok(row.map(|(id,)| id))
}

/// An entry as it is written: new, or in the place of the one with its id.
pub(crate) struct Written<'a> {
    pub(crate) id: &'a str,
    pub(crate) key: &'a str,
    pub(crate) content: &'a Content,
    /// Entries are listed in this order; of one that is there already it stays.
    pub(crate) created_at: Timestamp,
}

/// Writes entries of one base, many in one statement.
pub(crate) async fn put(tx: &mut Tx, base: &str, all: &[Written<'_>], now: Timestamp) -> Result<()> {
    // A list of texts is the one list that both engines can be given: each is a JSON object.
    let rows = all
        .iter()
        .map(|w| {
            let Content { question, answer, aliases, tags, enabled } = w.content;
            json(&serde_json::json!({
                "id": w.id, "key": w.key, "question": question, "answer": answer,
                "aliases": json(aliases)?, "tags": json(tags)?, "enabled": enabled,
                "created": w.created_at.micros(),
            }))
        })
        .collect::<Result<Vec<String>>>()?;
    tx.exec(
        sql!(
            sqlite: "INSERT INTO kb_entries (id, base_id, question_key, question, answer, aliases, tags, enabled,
                        created_at, updated_at)
                     SELECT json_extract(value, '$.id'), $1, json_extract(value, '$.key'),
                        json_extract(value, '$.question'), json_extract(value, '$.answer'),
                        json_extract(value, '$.aliases'), json_extract(value, '$.tags'),
                        json_extract(value, '$.enabled'), json_extract(value, '$.created'), $3 FROM json_each($2) WHERE TRUE
                     ON CONFLICT (id) DO UPDATE SET question_key = excluded.question_key,
                        question = excluded.question, answer = excluded.answer, aliases = excluded.aliases,
                        tags = excluded.tags, enabled = excluded.enabled, updated_at = excluded.updated_at",
            postgres: "INSERT INTO kb_entries (id, base_id, question_key, question, answer, aliases, tags, enabled,
                          created_at, updated_at)
                       SELECT r->>'id', CAST($1 AS TEXT), r->>'key', r->>'question', r->>'answer', r->>'aliases',
                          r->>'tags', (r->>'enabled')::BOOLEAN, (r->>'created')::BIGINT, CAST($3 AS BIGINT)
                       FROM (SELECT t::JSON AS r FROM unnest(CAST($2 AS TEXT[])) AS t) AS rows
                       ON CONFLICT (id) DO UPDATE SET question_key = excluded.question_key,
                          question = excluded.question, answer = excluded.answer, aliases = excluded.aliases,
                          tags = excluded.tags, enabled = excluded.enabled, updated_at = excluded.updated_at"
        ),
        args![base, &rows, now],
    )
    .await
    .map(drop)
}

pub(crate) async fn delete_entry(tx: &mut Tx, id: &str) -> Result<()> {
    tx.exec(sql!("DELETE FROM kb_entries WHERE id = $1"), args![id]).await.map(drop)
}
