//! Files of messages: a customer's is fetched at once, since channels forget it within days; ours is uploaded when it
//! leaves.
//!
//! Promises: what a file is follows from its bytes; nothing larger than [`MAX_FILE`] is kept; where a customer's message
//! leads is called on the public internet alone.

use channels::MediaKind;
use db::{Conn, Result, Tx};
use dispatch::{BoxFuture, Dispatch, NewDispatch, Outcome, Settled, Single};
use http::{HeaderMap, Request, header::CONTENT_DISPOSITION};
use http_body_util::BodyExt as _;
use kernel::Timestamp;
use serde_json::{Value, json};
use transports::web::WebError;

use super::{
    MAX_FILE,
    account::{Account, Adapter},
    send::Sent,
    wecom::{Body, CallError, Wecom},
};
use crate::{
    Desk, frames,
    model::SenderType,
    store::{self, MessageRow, files, files::FileRow},
    work,
};

/// Fetches a customer's file; its id is `{message}/media`, the subject the message.
pub const MEDIA: &str = "desk.media";

/// A message's file is to be fetched.
pub(crate) async fn schedule(tx: &mut Tx, account: &str, message: &MessageRow, now: Timestamp) -> Result<()> {
    let fetch = NewDispatch {
        id: format!("{}/media", message.id),
        kind: MEDIA,
        subject: message.id.clone(),
        destination: account.to_owned(),
        payload: None,
        due_at: now,
    };
    dispatch::enqueue(tx, now, &[fetch]).await.map(drop)
}

/// The handler of [`MEDIA`].
pub struct Media {
    /// The desk.
    pub desk: Desk,
}

/// A file as it came.
struct Fetched {
    bytes: Vec<u8>,
    name: Option<String>,
}

impl Single for Media {
    fn attempt<'a>(&'a self, dispatch: &'a Dispatch) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let attempt = self.fetch(&dispatch.subject, &dispatch.destination).await;
            attempt.unwrap_or_else(work::again)
        })
    }

    /// Says in the message why there is no file, whatever that comes from.
    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        dispatch: &'a Dispatch,
        end: &'a Settled,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Settled::Dead(reason) = end else { return Ok(()) };
            let unfetched = |message: &MessageRow| reference(message).is_some();
            let message = store::message(tx, &dispatch.subject).await?.filter(unfetched);
            let Some(message) = message else { return Ok(()) };
            changed(tx, &message, &json!({"lost": reason}), now).await
        })
    }

    fn cares(&self, end: &Settled) -> bool {
        matches!(end, Settled::Dead(_))
    }

    fn alone(&self) -> bool {
        true
    }
}

/// How a message's file can be fetched, until it is.
fn reference(message: &MessageRow) -> Option<String> {
    let payload: Value = serde_json::from_str(message.payload.as_deref()?).ok()?;
    payload.get("reference").and_then(Value::as_str).map(str::to_owned)
}

impl Media {
    async fn fetch(&self, message: &str, account: &str) -> Result<Outcome> {
        let Some(message) = store::message(&mut self.desk.db().read().await?, message).await? else {
            return Ok(Outcome::Dead("the message is gone".to_owned()));
        };
        let Some(account) = self.desk.account(account).await? else {
            return Ok(Outcome::Dead("the account is not in use".to_owned()));
        };
        let Some(reference) = reference(&message) else {
            return Ok(Outcome::Done("there is nothing to fetch".to_owned()));
        };
        match self.get(&account, &reference).await {
            Ok(fetched) => self.keep(&message, fetched).await,
            Err(Sent::Never(reason)) => Ok(Outcome::Dead(reason)),
            Err(Sent::Later(outcome)) => Ok(outcome),
            Err(Sent::Took(_)) => Ok(work::again("no file")),
        }
    }

    async fn get(&self, account: &Account, reference: &str) -> std::result::Result<Fetched, Sent> {
        let channels = &self.desk.0.channels;
        if let Adapter::Wecom(wecom) = &account.adapter {
            let query = Body::Query(&[("media_id", reference)]);
            let answer = wecom.call(&channels.api, self.desk.clock(), "media/get", query).await?;
            let name = name_of(answer.headers());
            return Ok(Fetched { bytes: answer.into_body(), name });
        }
        // A bridge's own files may lie inside; whatever else a message names is the customer's.
        let inside = matches!(&account.adapter, Adapter::Bridge(bridge) if bridge.has(reference));
        let web = if inside { &channels.api } else { &channels.public };
        let request = Request::get(reference).body(Vec::new());
        let request = request.map_err(|_| Sent::Never("the file's address is none".to_owned()))?;
        let answer = web.send(request).await.map_err(|error| match error {
            WebError::Refused(reason) => Sent::Never(reason),
            WebError::Failed { reason, in_doubt } => Sent::again(reason, in_doubt),
        })?;
        match answer.status().as_u16() {
            200 => Ok(Fetched { name: name_of(answer.headers()), bytes: answer.into_body() }),
            status @ (408 | 425 | 429 | 500..) => Err(Sent::again(format!("status {status}"), false)),
            status => Err(Sent::Never(format!("the file's server answers with status {status}"))),
        }
    }

    async fn keep(&self, message: &MessageRow, fetched: Fetched) -> Result<Outcome> {
        let now = self.desk.clock().now();
        // The same message has the same file, however often it is fetched.
        let id = message.id.replacen("msg_", "file_", 1);
        let mut writer = self.desk.0.channels.blobs.writer(MAX_FILE);
        let stored = match writer.write(fetched.bytes.into()).await {
            Ok(()) => writer.finish(&id).await,
            Err(error) => Err(error),
        };
        let stored = match stored {
            Ok(stored) => stored,
            Err(blobs::BlobError::TooLarge { .. }) => {
                return Ok(Outcome::Dead("the file is larger than 20 MiB".to_owned()));
            }
            Err(error) => return Ok(work::again(error)),
        };
        let extension = stored.media.mime.split(['/', ';']).nth(1).unwrap_or("bin");
        let row = FileRow {
            id,
            session_id: message.session_id.clone(),
            owner_id: None,
            name: fetched.name.unwrap_or_else(|| format!("{}.{extension}", message.msg_type)),
            mime: stored.media.mime.to_owned(),
            size: i64::try_from(stored.size).unwrap_or(i64::MAX),
            sha256: stored.sha256,
            created_at: now,
        };
        let payload = described(&row);
        let mut tx = self.desk.db().begin().await?;
        files::insert(&mut tx, &row).await?;
        changed(&mut tx, message, &payload, now).await?;
        tx.commit().await?;
        Ok(Outcome::Done(format!("{} bytes of {}", row.size, row.mime)))
    }
}

/// Says something else of a message's file, and tells the agents.
async fn changed(tx: &mut Tx, message: &MessageRow, payload: &Value, now: Timestamp) -> Result<()> {
    let session = store::lock(tx, &message.session_id).await?;
    let message = store::set_payload(tx, &message.id, &payload.to_string()).await?;
    if let (Some(session), Some(message)) = (session, message) {
        store::tell(tx, &[frames::message_status(&session, &message)], now).await?;
    }
    Ok(())
}

/// What a message says of its file.
pub(crate) fn described(file: &FileRow) -> Value {
    json!({
        "fileId": file.id, "name": file.name, "mimeType": file.mime, "size": file.size,
        "url": format!("/api/desk/files/{}", file.id),
    })
}

/// The name in `Content-Disposition`.
fn name_of(headers: &HeaderMap) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(CONTENT_DISPOSITION)?.as_bytes()).into_owned();
    let (_, name) = text.split_once("filename=")?;
    let name = name.split(';').next().unwrap_or_default().trim().trim_matches('"');
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    Some(name).filter(|name| !name.is_empty())
}

/// The file of a message of ours.
pub(crate) async fn file_of(conn: &mut Conn, message: &MessageRow) -> Result<Option<FileRow>> {
    let payload: Option<Value> = message.payload.as_deref().and_then(|json| serde_json::from_str(json).ok());
    match payload.as_ref().and_then(|payload| payload.get("fileId")).and_then(Value::as_str) {
        Some(id) => files::file(conn, id).await,
        None => Ok(None),
    }
}

/// Whether WeCom takes a file as this kind; if not, why.
pub(crate) fn unfit(kind: MediaKind, file: &FileRow) -> Option<String> {
    const MIB: i64 = 1024 * 1024;
    let (most, types): (i64, &[&str]) = match kind {
        MediaKind::Image => (2, &["image/jpeg", "image/png"]),
        MediaKind::Voice => (2, &["audio/amr"]),
        MediaKind::Video => (10, &["video/mp4"]),
        MediaKind::File => (20, &[]),
    };
    if file.size > most * MIB {
        return Some(format!("WeCom takes a {} of at most {most} MiB", kind.name()));
    }
    let fits = types.is_empty() || types.contains(&file.mime.as_str());
    (!fits).then(|| format!("WeCom takes a {} of type {}", kind.name(), types.join(" or ")))
}

/// Uploads the file of a message to WeCom; its `media_id`.
pub(super) async fn upload(
    desk: &Desk,
    wecom: &Wecom,
    message: &MessageRow,
    kind: MediaKind,
) -> Result<std::result::Result<String, Sent>> {
    debug_assert!(message.sender_type != SenderType::Customer);
    let Some(file) = file_of(&mut desk.db().read().await?, message).await? else {
        return Ok(Err(Sent::Never("the file is gone".to_owned())));
    };
    let object = match desk.0.channels.blobs.read(&file.id, None).await {
        Ok(Some(object)) => object,
        Ok(None) => return Ok(Err(Sent::Never("the file is gone".to_owned()))),
        Err(error) => return Ok(Err(Sent::again(error.to_string(), false))),
    };
    let bytes = match axum::body::Body::from_stream(object.body).collect().await {
        Ok(bytes) => bytes.to_bytes(),
        Err(error) => return Ok(Err(Sent::again(error.to_string(), false))),
    };
    let Ok(boundary) = kernel::id::random::<16>() else {
        return Ok(Err(Sent::again("there is no randomness", false)));
    };
    let boundary = data_encoding::HEXLOWER.encode(&boundary);
    let form = form(&file, &boundary, &bytes);
    let mime = format!("multipart/form-data; boundary={boundary}");
    let body = Body::Bytes(&[("type", kind.name())], &mime, &form);
    Ok(match wecom.call(&desk.0.channels.api, desk.clock(), "media/upload", body).await {
        Ok(answer) => media_id(answer.body()).map_err(Sent::from),
        Err(error) => Err(error.into()),
    })
}

fn media_id(answer: &[u8]) -> std::result::Result<String, CallError> {
    let value: Value = serde_json::from_slice(answer).unwrap_or_default();
    let id = value.get("media_id").and_then(Value::as_str).map(str::to_owned);
    id.ok_or_else(|| CallError::Failed { reason: "an upload without media_id".to_owned(), in_doubt: false })
}

fn form(file: &FileRow, boundary: &str, bytes: &[u8]) -> Vec<u8> {
    let name: String = file.name.chars().map(|c| if c == '"' || c == '\\' { '_' } else { c }).collect();
    let (mime, length) = (&file.mime, bytes.len());
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{name}\"; \
         filelength={length}\r\nContent-Type: {mime}\r\n\r\n"
    );
    [head.as_bytes(), bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

/// So long the address of a file is good that is given to a bridge.
const ADDRESS: std::time::Duration = std::time::Duration::from_secs(3600);

impl Desk {
    /// An address of a file that opens it for an hour without a token.
    pub(crate) fn signed_url(&self, file: &str, now: Timestamp) -> String {
        let until = (now + ADDRESS).seconds();
        let tag = self.0.files.tag(&format!("{file}.{until}"));
        let base = &self.0.accounts.config().public_url;
        format!("{base}/api/desk/files/{file}?until={until}&tag={tag}")
    }

    /// Whether that is such an address, and still good.
    pub(crate) fn is_signed(&self, file: &str, until: i64, tag: &str) -> bool {
        self.clock().now().seconds() < until && self.0.files.verify(&format!("{file}.{until}"), tag)
    }
}
