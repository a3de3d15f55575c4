//! To customers of Douyin and JD, and to bridges.

use channels::{
    MediaKind, bridge,
    douyin::{self, oauth},
    jd,
    wecom::msgid,
};
use data_encoding::HEXLOWER;
use db::Result;
use dispatch::Outcome;
use http::{Request, Response, header::CONTENT_TYPE};
use serde_json::Value;
use transports::web::{WebError, retry_after};

use crate::{
    channel::{
        account::{Bridge, Douyin, Jd},
        media,
        send::{Job, Sent},
    },
    model::SenderType,
    store,
};

/// JD asks for it once more.
const JD_AGAIN: &str = "-10000";

impl Job<'_> {
    pub(in crate::channel) async fn by_douyin(&self, douyin: &Douyin) -> Result<Sent> {
        if self.message.msg_type != "text" {
            return Ok(Sent::Never("Douyin takes text only from us".to_owned()));
        }
        let (token, held) = match self.desk.token_to_send(self.account, douyin).await? {
            Ok(token) => token,
            Err(sent) => return Ok(sent),
        };
        let asked =
            store::outbox::last_of_customer(&mut self.desk.db().read().await?, &self.session.id).await?;
        let (customer, kf) = (&self.session.customer_id, &self.session.kf_id);
        let conversation = self.session.conversation.as_deref().unwrap_or_default();
        let asked = asked.unwrap_or_default();
        let body = match douyin::send(customer, conversation, &asked, &self.message.content) {
            Ok(body) => body,
            Err(unsendable) => return Ok(Sent::Never(unsendable.to_string())),
        };
        let query: String = form_urlencoded::byte_serialize(kf.as_bytes()).collect();
        let request = Request::post(format!("{}/im/send/msg/?open_id={query}", douyin.api_base))
            .header("access-token", token.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes());
        let answer = match self.ask(request).await {
            Ok(answer) => answer,
            Err(sent) => return Ok(sent),
        };
        let data = answer.get("data").cloned().unwrap_or_default();
        Ok(match data.get("error_code").and_then(Value::as_i64) {
            Some(0) => Sent::Took("taken by Douyin".to_owned()),
            Some(code) if oauth::is_busy(code) => Sent::again(format!("Douyin is busy ({code})"), false),
            Some(code) if oauth::is_about_the_token(code) => {
                self.desk.token_ended(self.account, &held).await?
            }
            Some(code) => {
                let words = data.get("description").and_then(Value::as_str).unwrap_or_default();
                Sent::Never(format!("Douyin answers {code}: {words}"))
            }
            None => Sent::again("Douyin's answer is not to be understood", true),
        })
    }

    pub(in crate::channel) async fn by_jd(&self, jd: &Jd) -> Sent {
        if self.message.msg_type != "text" {
            return Sent::Never("JD takes text only from us".to_owned());
        }
        let (Some(base), Some(token)) = (&jd.api_base, &jd.token) else {
            return Sent::Never("the account has no apiBase and token to send with".to_owned());
        };
        let outgoing = jd::Outgoing {
            id: &msgid(&self.message.id),
            waiter: jd.waiter.as_deref().unwrap_or(&self.session.kf_id),
            customer: &self.session.customer_id,
            vender_id: &self.session.kf_id,
            conversation: self.session.conversation.as_deref().unwrap_or_default(),
            text: &self.message.content,
        };
        let form = match jd.app.send(token, &outgoing, self.desk.clock().now()) {
            Ok(form) => form,
            Err(unsendable) => return Sent::Never(unsendable.to_string()),
        };
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(base)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into_bytes());
        let answer = match self.ask(request).await {
            Ok(answer) => answer,
            Err(sent) => return sent,
        };
        let code =
            answer.get("code").map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        match code.as_deref() {
            Some("0") => Sent::Took("taken by JD".to_owned()),
            Some(JD_AGAIN) => Sent::again("JD asks to send it again", false),
            Some(code) => {
                let words = answer.get("msg").and_then(Value::as_str).unwrap_or_default();
                Sent::Never(format!("JD answers {code}: {words}"))
            }
            None => Sent::again("JD's answer is not to be understood", true),
        }
    }

    pub(in crate::channel) async fn by_bridge(&self, bridge: &Bridge) -> Result<Sent> {
        let Some(base) = &bridge.api_base else {
            return Ok(Sent::Never("the bridge has no apiBase to send to".to_owned()));
        };
        let media = MediaKind::named(&self.message.msg_type);
        let now = self.desk.clock().now();
        let file = match media {
            Some(_) => media::file_of(&mut self.desk.db().read().await?, self.message).await?,
            None => None,
        };
        let url = file.as_ref().map(|file| self.desk.signed_url(&file.id, now));
        let outgoing = bridge::Outgoing {
            message_id: &self.message.id,
            kf_id: &self.session.kf_id,
            customer_id: &self.session.customer_id,
            conversation: self.session.conversation.as_deref(),
            by_assistant: self.message.sender_type != SenderType::Manual,
            media,
            content: file.as_ref().map_or(&self.message.content, |file| &file.name),
            media_url: url.as_deref(),
            sent_at: self.message.sent_at,
        };
        let body = match bridge::send(&outgoing) {
            Ok(body) => body,
            Err(unsendable) => return Ok(Sent::Never(unsendable.to_string())),
        };
        let Ok(nonce) = kernel::id::random::<16>() else {
            return Ok(Sent::again("there is no randomness", false));
        };
        let signed = bridge.secret.sign(&body, &HEXLOWER.encode(&nonce), now);
        let request = Request::post(base)
            .header(CONTENT_TYPE, "application/json")
            .header("X-Signature", signed.signature)
            .header("X-Timestamp", signed.timestamp)
            .header("X-Nonce", signed.nonce)
            .body(body);
        Ok(match self.post_to(request).await {
            Ok(answer) => Sent::Took(format!("status {}", answer.status().as_u16())),
            Err(sent) => sent,
        })
    }

    /// Sends a request; the JSON of a success.
    async fn ask(
        &self,
        request: std::result::Result<Request<Vec<u8>>, http::Error>,
    ) -> std::result::Result<Value, Sent> {
        let answer = self.post_to(request).await?;
        serde_json::from_slice(answer.body()).map_err(|_| Sent::again("the answer is no JSON", true))
    }

    /// Sends a request; a success by its status.
    async fn post_to(
        &self,
        request: std::result::Result<Request<Vec<u8>>, http::Error>,
    ) -> std::result::Result<Response<Vec<u8>>, Sent> {
        let request = request.map_err(|error| Sent::Never(format!("no request can be made: {error}")))?;
        let answer = self.desk.0.channels.api.send(request).await.map_err(|error| match error {
            WebError::Refused(reason) => Sent::Never(reason),
            WebError::Failed { reason, in_doubt } => Sent::again(reason, in_doubt),
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let reason = format!("the channel answers with status {}", status.as_u16());
        let later = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        Err(if later {
            let after = retry_after(answer.headers(), self.desk.clock().now());
            Sent::Later(Outcome::Retry { reason, after, in_doubt: status.is_server_error() })
        } else {
            Sent::Never(reason)
        })
    }
}
