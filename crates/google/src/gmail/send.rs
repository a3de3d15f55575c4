//! Sending. A mail goes once: whatever leaves its fate open is [`Error::InDoubt`].

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Call, Mailbox, of_me};
use crate::{Error, LARGEST_MAIL, bytes, error::Effect, governor::units};

/// A larger mail does not fit into JSON's limit of 5 MB and goes as an upload.
const IN_JSON: usize = 3_500_000;

/// What Gmail made of a mail: it is accepted, which is not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// Of this mailbox alone.
    pub id: String,
    /// Of this mailbox alone.
    #[serde(default)]
    pub thread_id: String,
    /// `SENT`, and `INBOX` for a mail to oneself.
    #[serde(default, rename = "labelIds")]
    pub labels: Vec<String>,
}

impl Mailbox {
    /// Sends a mail (RFC 5322; Bcc is heeded and removed by Gmail). It joins `thread` if its In-Reply-To, References and
    /// Subject fit too. Google may replace its Message-ID: the one that counts is in the message that is kept.
    ///
    /// # Errors
    /// [`Error::InDoubt`]: it may have been sent; every other [`Error`]: it was not.
    pub async fn send(&self, raw: &[u8], thread: Option<&str>) -> Result<Sent, Error> {
        if raw.len() > LARGEST_MAIL {
            return Err(Error::permanent("tooLarge", "Gmail takes no mail over 35 MiB"));
        }
        let (path, mime, body) = if raw.len() <= IN_JSON {
            let json = match thread {
                Some(thread) => json!({"raw": bytes::encode(raw), "threadId": thread}),
                None => json!({"raw": bytes::encode(raw)}),
            };
            (of_me("messages/send"), "application/json".to_owned(), json.to_string().into_bytes())
        } else {
            let boundary = boundary()?;
            let path = format!("/upload{}?uploadType=multipart", of_me("messages/send"));
            let mime = format!("multipart/related; boundary={boundary}");
            (path, mime, multipart(raw, thread, &boundary))
        };
        let call = Call {
            method: Method::POST,
            path,
            body: Some((mime, body)),
            units: units::SEND,
            effect: Effect::Send,
        };
        match self.json(call).await {
            Err(Error::NotFound) if thread.is_some() => {
                Err(Error::permanent("threadNotFound", "the thread to be answered is not in this mailbox"))
            }
            Err(Error::NotFound) => Err(Error::permanent("notFound", "Gmail does not offer to send mails")),
            outcome => outcome,
        }
    }
}

/// No mail holds it, for nobody could know it.
fn boundary() -> Result<String, Error> {
    let random = kernel::id::random::<24>().map_err(|_| Error::retry("there is no randomness"))?;
    Ok(bytes::encode(&random))
}

fn multipart(raw: &[u8], thread: Option<&str>, boundary: &str) -> Vec<u8> {
    let about = match thread {
        Some(thread) => json!({"threadId": thread}),
        None => json!({}),
    };
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{about}\r\n\
         --{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
    );
    [head.as_bytes(), raw, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_keeps_every_octet() {
        let raw = b"Subject: x\r\n\r\n\x00\xff--a\r\n";
        let body = multipart(raw, Some("t\"1"), "b");
        let expected =
            b"--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{\"threadId\":\"t\\\"1\"}\r\n\
            --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n\x00\xff--a\r\n\r\n--b--\r\n";
        assert_eq!(body, expected);
        let boundary = boundary().unwrap();
        assert!(
            boundary.len() == 32 && boundary.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }
}
