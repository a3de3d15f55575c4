//! SQL on `desk_sessions` and `desk_audit`: one session, for reading or locked for a change.

use db::{Conn, Result, Tx, args, sql};
use kernel::Timestamp;

use crate::model::{Actor, ChannelType, Command, State, Status};

db::row! {
    /// A session.
    #[derive(Debug, Clone)]
    pub(crate) struct SessionRow {
        pub(crate) id: String,
        pub(crate) account_id: String,
        pub(crate) channel_type: ChannelType,
        pub(crate) kf_id: String,
        pub(crate) customer_id: String,
        pub(crate) customer_name: Option<String>,
        /// Where an answer goes, if the channel wants more than the customer's id.
        pub(crate) conversation: Option<String>,
        pub(crate) status: Status,
        pub(crate) manual_cs_id: Option<String>,
        pub(crate) version: i64,
        pub(crate) priority: i64,
        /// Since when the customer waits for a person.
        pub(crate) waiting_since: Option<Timestamp>,
        /// The first time that a person was needed.
        pub(crate) handed_over_at: Option<Timestamp>,
        pub(crate) handover_reason: Option<String>,
        pub(crate) accepted_at: Option<Timestamp>,
        /// The first answer of a person.
        pub(crate) first_response_at: Option<Timestamp>,
        /// The number of the last message.
        pub(crate) last_seq: i64,
        /// Without what is not for the customer.
        pub(crate) message_count: i64,
        pub(crate) last_message: Option<String>,
        pub(crate) last_message_at: Option<Timestamp>,
        pub(crate) last_customer_seq: i64,
        pub(crate) last_customer_at: Option<Timestamp>,
        pub(crate) last_reply_at: Option<Timestamp>,
        pub(crate) closed_at: Option<Timestamp>,
        pub(crate) closed_by: Option<String>,
        pub(crate) created_at: Timestamp,
        pub(crate) updated_at: Timestamp,
    }
}

impl SessionRow {
    /// What decides what it may become.
    pub(crate) fn state(&self) -> State {
        State { status: self.status, owner: self.manual_cs_id.clone(), version: self.version }
    }
}

/// The columns of a [`SessionRow`].
macro_rules! columns {
    () => {
        "id, account_id, channel_type, kf_id, customer_id, customer_name, conversation, status, manual_cs_id, version,
         priority, waiting_since, handed_over_at, handover_reason, accepted_at, first_response_at, last_seq,
         message_count, last_message, last_message_at, last_customer_seq, last_customer_at, last_reply_at, closed_at,
         closed_by, created_at, updated_at"
    };
}
pub(crate) use columns;

/// A session, as it is.
pub(crate) async fn session(conn: &mut Conn, id: &str) -> Result<Option<SessionRow>> {
    conn.opt(sql!(concat!("SELECT ", columns!(), " FROM desk_sessions WHERE id = $1")), args![id]).await
}

/// A session, which nobody else changes until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, id: &str) -> Result<Option<SessionRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM desk_sessions WHERE id = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM desk_sessions WHERE id = $1 FOR UPDATE")
        ),
        args![id],
    )
    .await
}

/// Locks the open sessions of these customers, and these sessions, by their ids. SQLite has one writer.
pub(crate) async fn lock_all(tx: &mut Tx, open_keys: &[String], ids: &[String]) -> Result<()> {
    let _: Vec<(String,)> = tx
        .all(
            sql!(
                sqlite: "SELECT id FROM desk_sessions WHERE open_key IN (SELECT value FROM json_each($1))
                            OR id IN (SELECT value FROM json_each($2)) ORDER BY id",
                postgres: "SELECT id FROM desk_sessions WHERE open_key = ANY($1) OR id = ANY($2) ORDER BY id FOR UPDATE"
            ),
            args![open_keys, ids],
        )
        .await?;
    Ok(())
}

/// A customer who writes.
#[derive(Debug)]
pub(crate) struct NewSession<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) channel_type: ChannelType,
    pub(crate) kf_id: &'a str,
    pub(crate) customer_id: &'a str,
    pub(crate) customer_name: Option<&'a str>,
    pub(crate) conversation: Option<&'a str>,
}

impl NewSession<'_> {
    /// At most one session that is not closed has it. Ids from outside may hold anything, so each is preceded by
    /// its length.
    pub(crate) fn open_key(&self) -> String {
        let (account, kf, customer) = (self.account_id, self.kf_id, self.customer_id);
        format!("{account}/{}:{kf}/{}:{customer}", kf.len(), customer.len())
    }
}

/// The customer's session that is not closed, made if there is none, locked; whether it was made.
pub(crate) async fn open(tx: &mut Tx, new: &NewSession<'_>, now: Timestamp) -> Result<(SessionRow, bool)> {
    let key = new.open_key();
    loop {
        let made = insert(tx, new, &key, now).await?;
        // What the channel says of them now counts.
        let row = tx
            .opt(
                sql!(concat!(
                    "UPDATE desk_sessions SET customer_name = COALESCE($2, customer_name),
                        conversation = COALESCE($3, conversation) WHERE open_key = $1 RETURNING ",
                    columns!()
                )),
                args![&key, new.customer_name, new.conversation],
            )
            .await?;
        // None if it was closed between the two.
        if let Some(row) = row {
            return Ok((row, made));
        }
    }
}

async fn insert(tx: &mut Tx, new: &NewSession<'_>, key: &str, now: Timestamp) -> Result<bool> {
    let state = State::new();
    let made = tx
        .exec(
            sql!(
                "INSERT INTO desk_sessions (id, account_id, channel_type, kf_id, customer_id, customer_name, conversation,
                    open_key, status, version, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) ON CONFLICT (open_key) DO NOTHING"
            ),
            args![
                kernel::id::new("sess", now),
                new.account_id,
                new.channel_type,
                new.kf_id,
                new.customer_id,
                new.customer_name,
                new.conversation,
                key,
                state.status,
                state.version,
                now
            ],
        )
        .await?;
    Ok(made == 1)
}

/// The customer's session that is not closed, if there is one, locked.
pub(crate) async fn lock_open(tx: &mut Tx, new: &NewSession<'_>) -> Result<Option<SessionRow>> {
    tx.opt(
        sql!(
            sqlite: concat!("SELECT ", columns!(), " FROM desk_sessions WHERE open_key = $1"),
            postgres: concat!("SELECT ", columns!(), " FROM desk_sessions WHERE open_key = $1 FOR UPDATE")
        ),
        args![new.open_key()],
    )
    .await
}

/// Names the customer of a session that the channel named none for.
pub(crate) async fn name_customer(tx: &mut Tx, id: &str, name: &str) -> Result<()> {
    tx.exec(
        sql!("UPDATE desk_sessions SET customer_name = $2 WHERE id = $1 AND customer_name IS NULL"),
        args![id, name],
    )
    .await
    .map(drop)
}

/// Puts a locked session into another state, and on record who did it and why. `row` is as it is afterwards.
pub(crate) async fn change(
    tx: &mut Tx,
    row: &mut SessionRow,
    to: State,
    command: &Command,
    actor: &Actor,
    now: Timestamp,
) -> Result<()> {
    let from = row.state();
    // From the assistant to people: as long as none of them answered, that is when the wait for an answer began.
    let to_people = from.status == Status::Ai && row.first_response_at.is_none();
    let reason = match command {
        Command::HandOver(reason) | Command::Requeue(reason) => Some(reason.as_str()),
        Command::Reassign { reason, .. } => reason.as_deref(),
        _ => None,
    };
    audit(tx, row, (&from, &to), command.name(), actor, reason, now).await?;
    row.status = to.status;
    row.manual_cs_id = to.owner;
    row.version = to.version;
    row.updated_at = now;
    match to.status {
        Status::Pending => {
            // Whoever goes back to the queue keeps the place.
            row.waiting_since = row.waiting_since.or(Some(now));
            row.handed_over_at = row.handed_over_at.filter(|_| !to_people).or(Some(now));
            row.handover_reason = reason.map(str::to_owned);
        }
        Status::Manual => {
            row.accepted_at = row.accepted_at.or(Some(now));
            row.handed_over_at = row.handed_over_at.filter(|_| !to_people).or(Some(now));
        }
        Status::Ai => row.waiting_since = None,
        Status::Closed => {
            row.waiting_since = None;
            row.closed_at = Some(now);
            row.closed_by = actor.id().map(str::to_owned).or_else(|| Some(actor.kind().to_owned()));
        }
    }
    tx.exec(
        sql!(
            "UPDATE desk_sessions SET status = $2, manual_cs_id = $3, version = $4, waiting_since = $5,
                handed_over_at = $6, handover_reason = $7, accepted_at = $8, closed_at = $9, closed_by = $10,
                updated_at = $11, open_key = CASE WHEN $2 = 'closed' THEN NULL ELSE open_key END
             WHERE id = $1"
        ),
        args![
            &row.id,
            row.status,
            &row.manual_cs_id,
            row.version,
            row.waiting_since,
            row.handed_over_at,
            &row.handover_reason,
            row.accepted_at,
            row.closed_at,
            &row.closed_by,
            now
        ],
    )
    .await?;
    Ok(())
}

/// Notes an answer of a person of ours: the customer waits no more.
pub(crate) async fn note_reply(tx: &mut Tx, row: &mut SessionRow, now: Timestamp) -> Result<()> {
    row.first_response_at = row.first_response_at.or(Some(now));
    row.last_reply_at = Some(now);
    row.waiting_since = None;
    tx.exec(
        sql!(
            "UPDATE desk_sessions SET first_response_at = $2, last_reply_at = $3, waiting_since = NULL WHERE id = $1"
        ),
        args![&row.id, row.first_response_at, now],
    )
    .await?;
    super::end_wait(tx, &row.id, true, now).await
}

async fn audit(
    tx: &mut Tx,
    row: &SessionRow,
    (from, to): (&State, &State),
    action: &str,
    actor: &Actor,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    tx.exec(
        sql!(
            "INSERT INTO desk_audit (id, at, session_id, actor_kind, actor_id, action, from_status, to_status, from_owner,
                to_owner, reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        ),
        args![
            kernel::id::new("audit", now),
            now,
            &row.id,
            actor.kind(),
            actor.id(),
            action,
            from.status,
            to.status,
            &from.owner,
            &to.owner,
            reason
        ],
    )
    .await?;
    Ok(())
}
