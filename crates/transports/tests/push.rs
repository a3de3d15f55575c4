//! FCM and APNs against services that check tokens and protocol, over TLS and in the clear.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use kernel::Timestamp;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use testkit::push::{APPLE, Services};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
};
use transports::{
    push::{ApnsSettings, FcmSettings, Message, Push, PushError, PushSettings, Pushed, Service, Vapid},
    web::Reach,
};

fn now() -> Timestamp {
    "2028-01-15T12:00:00Z".parse().unwrap()
}

fn message() -> Message {
    Message {
        title: "您的信到了".to_owned(),
        body: "《标题》".to_owned(),
        url: "https://hongyan.example/letters/mail_1".to_owned(),
        occasion: "received",
        subject: "mail_1".to_owned(),
        collapse: "mail_1".to_owned(),
        ttl: Duration::from_secs(3600),
    }
}

fn settings(services: &Services) -> PushSettings {
    let [team_id, key_id, topic] = APPLE.map(str::to_owned);
    PushSettings {
        vapid: Vapid::read(&Vapid::generate().unwrap()).unwrap(),
        contact: "mailto:operator@example.com".to_owned(),
        reach: Reach::Public,
        fcm: Some(FcmSettings {
            credentials: services.service_account(),
            base: services.base().to_owned(),
            token_uri: services.token_uri(),
        }),
        apns: Some(ApnsSettings {
            key: services.apns_key().to_owned(),
            key_id,
            team_id,
            topic,
            base: services.base().to_owned(),
        }),
        ca_file: None,
    }
}

async fn start() -> (Services, Push) {
    let services = Services::start().await;
    let push = Push::new(settings(&services)).unwrap();
    (services, push)
}

fn later(pushed: &Pushed) -> (&str, Option<u64>) {
    let Pushed::Later { reason, after, .. } = pushed else { panic!("{pushed:?}") };
    (reason, after.map(|d| d.as_secs()))
}

#[tokio::test]
async fn fcm_gets_what_it_documents() {
    let (services, push) = start().await;
    let pushed = push.send(Service::Fcm, "device:token", &message(), now()).await;
    assert_eq!(pushed, Pushed::Taken("200 projects/hongyan-test/messages/1".to_owned()));
    let [call] = services.calls().try_into().unwrap();
    assert_eq!(
        call.body,
        json!({"message": {
            "token": "device:token",
            "notification": {"title": "您的信到了", "body": "《标题》"},
            "data": {"type": "received", "mailId": "mail_1", "url": "https://hongyan.example/letters/mail_1"},
            "android": {"collapse_key": "mail_1", "ttl": "3600s", "priority": "HIGH",
                "notification": {"tag": "mail_1"}},
        }})
    );
    assert_eq!(services.faults(), Vec::<String>::new());
}

/// One access token for a hundred messages at once, kept for as long as it is good.
#[tokio::test]
async fn an_access_token_is_fetched_once() {
    let (services, push) = start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..100 {
        let push = push.clone();
        tasks.spawn(async move { push.send(Service::Fcm, &format!("d{n}"), &message(), now()).await });
    }
    let all = tasks.join_all().await;
    assert!(all.iter().all(|p| matches!(p, Pushed::Taken(_))), "{all:?}");
    assert_eq!((services.granted(), services.calls().len()), (1, 100));
    push.send(Service::Fcm, "d", &message(), now() + Duration::from_secs(3200)).await;
    assert_eq!(services.granted(), 1);
    push.send(Service::Fcm, "d", &message(), now() + Duration::from_secs(3400)).await;
    assert_eq!(services.granted(), 2);
    assert_eq!(services.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn what_fcm_refuses() {
    let (services, push) = start().await;
    let answers = |status: u16, code: &str, details: serde_json::Value| {
        services.next(
            status,
            &[("retry-after", "90")],
            json!({"error": {"status": code, "message": "said of device-token", "details": details}}),
        );
    };
    let message = message();
    let send = || push.send(Service::Fcm, "device-token", &message, now());
    answers(404, "NOT_FOUND", json!([{"@type": "…FcmError", "errorCode": "UNREGISTERED"}]));
    // Without the token that it repeats.
    assert_eq!(send().await, Pushed::Gone("404 UNREGISTERED said of …".to_owned()));
    let violation = json!([{"@type": "…BadRequest", "fieldViolations": [{"field": "message.token"}]}]);
    answers(400, "INVALID_ARGUMENT", violation);
    assert!(matches!(send().await, Pushed::Gone(_)));
    answers(400, "INVALID_ARGUMENT", json!([{"fieldViolations": [{"field": "message.data"}]}]));
    assert!(matches!(send().await, Pushed::Refused(_)));
    answers(404, "NOT_FOUND", json!([]));
    assert_eq!(later(&send().await).1, None, "a missing project is ours to repair");
    answers(403, "PERMISSION_DENIED", json!([{"errorCode": "SENDER_ID_MISMATCH"}]));
    assert_eq!(later(&send().await).1, None);
    answers(429, "RESOURCE_EXHAUSTED", json!([{"errorCode": "QUOTA_EXCEEDED"}]));
    assert_eq!(later(&send().await), ("429 QUOTA_EXCEEDED said of …", Some(90)));
    answers(503, "UNAVAILABLE", json!([]));
    assert_eq!(later(&send().await).1, Some(90));
    services.next(500, &[], json!("not what was expected"));
    assert_eq!(later(&send().await), ("500", None));
    // An access token that is refused is renewed once.
    let before = services.granted();
    answers(401, "UNAUTHENTICATED", json!([]));
    assert!(matches!(send().await, Pushed::Taken(_)));
    assert_eq!(services.granted(), before + 1);
    answers(401, "UNAUTHENTICATED", json!([]));
    answers(401, "UNAUTHENTICATED", json!([]));
    assert_eq!(later(&send().await).1, None);
    assert_eq!(services.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn apns_gets_what_it_documents() {
    let (services, push) = start().await;
    let pushed = push.send(Service::Apns, "0a1b", &message(), now()).await;
    assert_eq!(pushed, Pushed::Taken("200 ".to_owned()));
    let [call] = services.calls().try_into().unwrap();
    assert_eq!(call.path, "/3/device/0a1b");
    assert_eq!(
        call.body,
        json!({
            "aps": {"alert": {"title": "您的信到了", "body": "《标题》"}, "sound": "default",
                "thread-id": "mail_1"},
            "type": "received", "mailId": "mail_1", "url": "https://hongyan.example/letters/mail_1"
        })
    );
    let header = |name: &str| call.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("apns-collapse-id"), "mail_1");
    assert_eq!(header("apns-expiration"), (now().seconds() + 3600).to_string());
    assert_eq!(header("apns-priority"), "10");
    // A token is part of the path, but leads nowhere else.
    push.send(Service::Apns, "../../x?y#z", &message(), now()).await;
    assert!(services.calls()[0].path.starts_with("/3/device/%2E%2E%2F"));
    assert_eq!(services.faults(), Vec::<String>::new());
}

/// A provider token is kept for 40 minutes, and renewed once when Apple calls it expired.
#[tokio::test]
async fn provider_tokens() {
    let (services, push) = start().await;
    let minutes = |n: u64| now() + Duration::from_secs(60 * n);
    let tokens = |services: &Services| -> Vec<String> {
        let all = services.calls();
        all.iter().map(|c| c.headers["authorization"].to_str().unwrap().to_owned()).collect()
    };
    for n in [0, 20, 39, 41] {
        push.send(Service::Apns, "0a", &message(), minutes(n)).await;
    }
    let used = tokens(&services);
    assert!(used[0] == used[1] && used[1] == used[2] && used[2] != used[3], "{used:?}");
    services.next(403, &[], json!({"reason": "ExpiredProviderToken"}));
    assert!(matches!(push.send(Service::Apns, "0a", &message(), minutes(42)).await, Pushed::Taken(_)));
    let used = tokens(&services);
    assert!(used.len() == 2 && used[0] != used[1]);
    services.next(403, &[], json!({"reason": "ExpiredProviderToken"}));
    services.next(403, &[], json!({"reason": "ExpiredProviderToken"}));
    let pushed = push.send(Service::Apns, "0a", &message(), minutes(43)).await;
    assert_eq!(later(&pushed), ("403 ExpiredProviderToken", None));
    assert_eq!(services.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn what_apns_refuses() {
    let (services, push) = start().await;
    for (status, reason, gone, refused, after) in [
        (410, "Unregistered", true, false, None),
        (400, "BadDeviceToken", true, false, None),
        (400, "BadCollapseId", false, true, None),
        (413, "PayloadTooLarge", false, true, None),
        (400, "DeviceTokenNotForTopic", false, false, None),
        (403, "InvalidProviderToken", false, false, None),
        (429, "TooManyRequests", false, false, Some(90)),
        (500, "InternalServerError", false, false, Some(90)),
        (503, "ServiceUnavailable", false, false, Some(90)),
    ] {
        services.next(status, &[("retry-after", "90")], json!({"reason": reason}));
        let pushed = push.send(Service::Apns, "0a", &message(), now()).await;
        match &pushed {
            Pushed::Gone(said) => assert!(gone && said == &format!("{status} {reason}"), "{pushed:?}"),
            Pushed::Refused(_) => assert!(refused, "{pushed:?}"),
            _ => assert_eq!((gone, refused, later(&pushed).1), (false, false, after), "{pushed:?}"),
        }
    }
    assert_eq!(services.faults(), Vec::<String>::new());
}

/// Over TLS by ALPN, trusting an authority of the operator's own; without it, nothing is sent.
#[tokio::test]
async fn over_tls() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let services = Services::start_tls("localhost", TlsAcceptor::from(Arc::new(config))).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file: PathBuf = folder.path().join("ca.pem");
    std::fs::write(&ca_file, cert.pem()).unwrap();
    let push = Push::new(PushSettings { ca_file: Some(ca_file), ..settings(&services) }).unwrap();
    for service in [Service::Fcm, Service::Apns] {
        let pushed = push.send(service, "0a", &message(), now()).await;
        assert!(matches!(pushed, Pushed::Taken(_)), "{pushed:?}");
    }
    assert_eq!((services.calls().len(), services.faults()), (2, Vec::new()));
    let distrustful = Push::new(settings(&services)).unwrap();
    for service in [Service::Fcm, Service::Apns] {
        let pushed = distrustful.send(service, "0a", &message(), now()).await;
        let Pushed::Later { reason, in_doubt, .. } = &pushed else { panic!("{pushed:?}") };
        assert!(reason.contains("certificate") && !in_doubt && !reason.contains("localhost"), "{reason}");
    }
    assert!(services.calls().is_empty());
}

/// Nobody there: later, and nothing is in doubt.
#[tokio::test]
async fn when_nobody_answers() {
    let services = Services::start().await;
    let mut unreachable = settings(&services);
    // A port that was free a moment ago.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    unreachable.apns.as_mut().unwrap().base = format!("http://127.0.0.1:{port}");
    let pushed = Push::new(unreachable).unwrap().send(Service::Apns, "0a", &message(), now()).await;
    let Pushed::Later { reason, in_doubt, .. } = &pushed else { panic!("{pushed:?}") };
    assert!(!in_doubt && !reason.contains("127.0.0.1"), "{reason}");
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let services = Services::start().await;
    let fcm = |change: &dyn Fn(&mut FcmSettings)| {
        let mut settings = settings(&services);
        change(settings.fcm.as_mut().unwrap());
        Push::new(settings).unwrap_err().to_string()
    };
    assert!(fcm(&|f| f.credentials = "{}".to_owned()).contains("project_id"));
    assert!(fcm(&|f| f.credentials = f.credentials.replace("service_account", "user")).contains("type"));
    assert!(fcm(&|f| f.token_uri = "https://oauth2.googleapis.com/token".to_owned()).contains("token_uri"));
    assert!(fcm(&|f| f.credentials = f.credentials.replace("MII", "MIJ")).contains("RSA"));
    let mut settings = settings(&services);
    settings.apns.as_mut().unwrap().key = "x".to_owned();
    assert!(matches!(Push::new(settings), Err(PushError::Apns)));
}
