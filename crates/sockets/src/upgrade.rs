//! [`Upgrade`]: from an HTTP request to a socket.
//!
//! Promise: what is not a WebSocket handshake is refused with a sentence that names the header.

use data_encoding::BASE64;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Version,
    header::{
        CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    request::Parts,
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use kernel::{Problem, ProblemKind};
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use crate::{Hub, Socket};

/// A request that may become a WebSocket.
#[derive(Debug)]
pub struct Upgrade {
    upgrade: OnUpgrade,
    accept: HeaderValue,
    offered: Vec<String>,
    chosen: Option<HeaderValue>,
}

impl Upgrade {
    /// Checks the handshake.
    ///
    /// # Errors
    /// What is missing or wrong, by its header.
    pub fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        if parts.method != Method::GET {
            return Err(Problem::new(ProblemKind::MethodNotAllowed, "a WebSocket begins with GET"));
        }
        let headers = &parts.headers;
        if !tokens(headers, UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket")) {
            return Err(Problem::bad_request("Upgrade", "must be websocket"));
        }
        if !tokens(headers, CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade")) {
            return Err(Problem::bad_request("Connection", "must name Upgrade"));
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(Problem::bad_request("Sec-WebSocket-Version", "must be 13"));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        let key = key.filter(|key| BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16));
        let key =
            key.ok_or_else(|| Problem::bad_request("Sec-WebSocket-Key", "must be 16 bytes in base64"))?;
        let accept = HeaderValue::try_from(derive_accept_key(key)).map_err(|_| Problem::internal())?;
        let offered = tokens(headers, SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        // Only a connection of HTTP/1.1 can be handed over.
        let upgrade = parts.extensions.remove::<OnUpgrade>().filter(|_| parts.version == Version::HTTP_11);
        let upgrade = upgrade.ok_or_else(|| {
            Problem::new(ProblemKind::BadRequest, "this connection cannot become a WebSocket: use HTTP/1.1")
        })?;
        Ok(Self { upgrade, accept, offered, chosen: None })
    }

    /// The subprotocols that the peer offers, in its order.
    pub fn offered(&self) -> impl Iterator<Item = &str> {
        self.offered.iter().map(String::as_str)
    }

    /// Speaks `protocol`, and says so in the answer.
    ///
    /// # Errors
    /// The peer does not offer it.
    pub fn choose(mut self, protocol: &'static str) -> Result<Self, Problem> {
        if !self.offered().any(|offered| offered == protocol) {
            return Err(Problem::bad_request("Sec-WebSocket-Protocol", format!("must offer {protocol}")));
        }
        self.chosen = Some(HeaderValue::from_static(protocol));
        Ok(self)
    }

    /// The answer that makes it a socket of `hub`. Once it has gone out `serve` runs as a task of its own; the
    /// socket is closed when it returns.
    ///
    /// # Errors
    /// The server is stopping.
    pub fn accept<F, Fut>(self, hub: &Hub, serve: F) -> Result<Response<String>, Problem>
    where
        F: FnOnce(Socket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        if hub.is_stopping() {
            return Err(Problem::new(ProblemKind::Unavailable, "the server is restarting"));
        }
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if let Some(protocol) = self.chosen {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let (hub, upgrade) = (hub.clone(), self.upgrade);
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => begin(upgraded, &hub, serve),
                Err(error) => tracing::debug!(%error, "a peer left during the handshake"),
            }
        });
        Ok(response)
    }
}

/// Apart from the wait for the handshake, so that no task of a socket carries HTTP's state along.
fn begin<F, Fut>(upgraded: Upgraded, hub: &Hub, serve: F)
where
    F: FnOnce(Socket) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    match downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => {
            let socket = hub.open(parts.io.into_inner(), parts.read_buf.to_vec());
            tokio::spawn(serve(socket));
        }
        Err(_) => tracing::error!("a WebSocket that is not TCP: its listener is not ours"),
    }
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}
