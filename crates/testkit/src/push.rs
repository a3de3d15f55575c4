//! [`Services`]: Google's token server, FCM, APNs and a browser's push service in one, on a port of this machine.
//!
//! They check what the real ones check: signatures and claims of the tokens, and that FCM and APNs are spoken to over
//! HTTP/2. What is wrong is refused and kept in [`Services::faults`].

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// The team, the key's id and the app that [`Services`] know as Apple.
pub const APPLE: [&str; 3] = ["TEAM123456", "KEY1234567", "com.example.hongyan"];
/// The project and the service account that they know as Google.
pub const PROJECT: &str = "hongyan-test";
const ACCOUNT: &str = "push@hongyan-test.iam.gserviceaccount.com";

/// A message that was taken or refused.
#[derive(Debug, Clone)]
pub struct Call {
    /// The path.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// As it came.
    pub bytes: Vec<u8>,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

/// An answer in place of the usual one.
struct Scripted {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

struct Inner {
    base: String,
    rsa: rsa::KeyPair,
    ec: EcdsaKeyPair,
    apns_key: String,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Vec<String>>,
    script: Mutex<VecDeque<Scripted>>,
    /// Google's access tokens.
    granted: AtomicUsize,
}

/// The services. They stop with the test's runtime.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

impl Services {
    /// In the clear, with HTTP/2 by prior knowledge.
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1", None).await
    }

    /// By TLS under this host name, which must lead to this machine.
    pub async fn start_tls(host: &str, tls: TlsAcceptor) -> Self {
        Self::start_on(host, Some(tls)).await
    }

    async fn start_on(host: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let ec = ec.expect("a key");
        let services = Self(Arc::new(Inner {
            base: format!("{scheme}://{host}:{port}"),
            rsa: rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key"),
            apns_key: pem(ec.as_ref()),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref()).expect("a key"),
            calls: Mutex::default(),
            faults: Mutex::default(),
            script: Mutex::default(),
            granted: AtomicUsize::new(0),
        }));
        let accepting = services.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (services, tls) = (accepting.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        // A client may hang up when it does not like the certificate.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                services.serve(stream).await;
                            }
                        }
                        None => services.serve(stream).await,
                    }
                });
            }
        });
        services
    }

    async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| {
            let services = self.clone();
            async move { Ok::<_, std::convert::Infallible>(services.answer(request).await) }
        });
        // A client may hang up whenever it likes.
        let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(io), service)
            .await;
    }

    /// `http://127.0.0.1:…`
    #[must_use]
    pub fn base(&self) -> &str {
        &self.0.base
    }

    /// Where Google gives access tokens.
    #[must_use]
    pub fn token_uri(&self) -> String {
        format!("{}/token", self.0.base)
    }

    /// The service account's JSON file.
    #[must_use]
    pub fn service_account(&self) -> String {
        let key = self.0.rsa.as_der().expect("a key in DER");
        json!({
            "type": "service_account", "project_id": PROJECT, "private_key_id": "key-1",
            "private_key": pem(key.as_ref()), "client_email": ACCOUNT, "token_uri": self.token_uri(),
        })
        .to_string()
    }

    /// The `.p8` file.
    #[must_use]
    pub fn apns_key(&self) -> &str {
        &self.0.apns_key
    }

    /// Answers the next message so.
    pub fn next(&self, status: u16, headers: &[(&'static str, &str)], body: Value) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.0.script.lock().expect("a script").push_back(Scripted { status, headers, body });
    }

    /// The messages since the last look.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.calls.lock().expect("calls"))
    }

    /// What was wrong with them.
    pub fn faults(&self) -> Vec<String> {
        self.0.faults.lock().expect("faults").clone()
    }

    /// How many access tokens Google has given.
    pub fn granted(&self) -> usize {
        self.0.granted.load(Ordering::SeqCst)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await.map(|b| b.to_bytes().to_vec()).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        let google = path == "/token" || path.starts_with("/v1/");
        let mut fault = None;
        if parts.version != Version::HTTP_2 && (google || path.starts_with("/3/")) {
            fault = Some(format!("{:?} was spoken", parts.version));
        }
        if path == "/token" {
            return match fault.map_or_else(|| self.grant(&bytes), Err) {
                Ok(body) => reply(200, &[], &body),
                Err(problem) => self.refuse(400, problem),
            };
        }
        let bearer = parts.headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let checked = fault.map_or_else(|| self.check(&path, &parts.headers, bearer), Err);
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        self.0.calls.lock().expect("calls").push(Call { path, headers: parts.headers.clone(), bytes, body });
        if let Err(problem) = checked {
            return self.refuse(401, problem);
        }
        let scripted = self.0.script.lock().expect("a script").pop_front();
        match scripted {
            Some(Scripted { status, headers, body }) => reply(status, &headers, &body),
            None if google => reply(200, &[], &json!({"name": format!("projects/{PROJECT}/messages/1")})),
            None if parts.uri.path().starts_with("/3/") => reply(200, &[], &Value::Null),
            None => reply(201, &[], &Value::Null),
        }
    }

    fn refuse(&self, status: u16, problem: String) -> Response<Full<Bytes>> {
        let body = json!({"error": {"status": "UNAUTHENTICATED", "message": problem}});
        self.0.faults.lock().expect("faults").push(problem);
        reply(status, &[], &body)
    }

    /// Google's token server.
    fn grant(&self, form: &[u8]) -> Result<Value, String> {
        let form: std::collections::HashMap<_, _> = url::form_urlencoded::parse(form).into_owned().collect();
        if form.get("grant_type").is_none_or(|g| g != "urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return Err("a wrong grant_type".to_owned());
        }
        let jwt = form.get("assertion").ok_or("no assertion")?;
        let key = self.0.rsa.public_key();
        let (header, claims) = verify(jwt, &RSA_PKCS1_2048_8192_SHA256, key.as_ref())?;
        let lasts = claims["exp"].as_i64().unwrap_or(0) - claims["iat"].as_i64().unwrap_or(0);
        let right = header == json!({"typ": "JWT", "alg": "RS256", "kid": "key-1"})
            && claims["iss"] == ACCOUNT
            && claims["aud"] == self.token_uri()
            && claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
            && (1..=3600).contains(&lasts);
        if !right {
            return Err(format!("a wrong assertion: {header} {claims}"));
        }
        let n = self.0.granted.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(json!({"access_token": format!("access-{n}"), "expires_in": 3599, "token_type": "Bearer"}))
    }

    fn check(&self, path: &str, headers: &HeaderMap, authorization: &str) -> Result<(), String> {
        if path == format!("/v1/projects/{PROJECT}/messages:send") {
            let expected = format!("Bearer access-{}", self.granted());
            return if authorization == expected { Ok(()) } else { Err(format!("{authorization}?")) };
        }
        if path.starts_with("/3/device/") {
            let jwt = authorization.strip_prefix("bearer ").ok_or("no bearer")?;
            let key = self.0.ec.public_key();
            let (header, claims) = verify(jwt, &ECDSA_P256_SHA256_FIXED, key.as_ref())?;
            let [team, key_id, topic] = APPLE;
            let right = header["alg"] == "ES256"
                && header["kid"] == key_id
                && claims["iss"] == team
                && claims["iat"].is_i64()
                && claims.as_object().is_some_and(|c| c.len() == 2)
                && headers.get("apns-topic").is_some_and(|t| t == topic)
                && headers.get("apns-push-type").is_some_and(|t| t == "alert");
            return if right { Ok(()) } else { Err(format!("a wrong token or topic: {header} {claims}")) };
        }
        if path.starts_with("/push/") { Ok(()) } else { Err(format!("no such path: {path}")) }
    }
}

fn verify(jwt: &str, alg: &'static dyn VerificationAlgorithm, key: &[u8]) -> Result<(Value, Value), String> {
    let (signed, signature) = jwt.rsplit_once('.').ok_or("no JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("no JWT")?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|e| e.to_string());
    UnparsedPublicKey::new(alg, key)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "a wrong signature".to_owned())?;
    let read = |text: &str| serde_json::from_slice(&decode(text)?).map_err(|e| e.to_string());
    Ok((read(header)?, read(claims)?))
}

fn reply(status: u16, headers: &[(&'static str, String)], body: &Value) -> Response<Full<Bytes>> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    response
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}
