//! Hostile requests to accounts: never a 5xx, always the envelope, nothing gets past the fields.

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};
use testkit::app::{Answer, PASSWORD, TestApp};

use crate::helpers::*;

/// A refusal in the envelope, whatever it says.
#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status.as_u16()), "{what}: {} {}", answer.status, answer.body);
    assert_eq!(answer.body["code"], answer.status.as_u16(), "{what}: {}", answer.body);
    assert!(answer.body["message"].is_string(), "{what}");
}

async fn raw(app: &TestApp, method: Method, path: &str, token: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    app.send(request.body(Body::from(body)).unwrap()).await
}

const ROUTES: [(&str, &str); 10] = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/verify-email"),
    ("POST", "/auth/password/forgot"),
    ("POST", "/auth/password/reset"),
    ("PUT", "/user/profile"),
    ("POST", "/notification/device"),
    ("PUT", "/notification/settings"),
    ("POST", "/upload/avatar"),
];

testkit::both! {
    &[];

    /// Not JSON, not an object, nested without end, cut off, not UTF-8, too large.
    async fn bodies_that_are_no_object(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let nested =
            |open: &str, close: &str| format!("{}{}", open.repeat(50_000), close.repeat(50_000)).into_bytes();
        let bodies = [
            b"".to_vec(),
            b"x".to_vec(),
            b"null".to_vec(),
            b"[]".to_vec(),
            b"\"text\"".to_vec(),
            b"7".to_vec(),
            b"{".to_vec(),
            b"{\"email\":".to_vec(),
            b"{\"email\":\"a\"}}".to_vec(),
            b"{'email':1}".to_vec(),
            b"{\"email\":1e999}".to_vec(),
            b"{\"email\":\"\xff\xfe\"}".to_vec(),
            b"\0".to_vec(),
            b"{\"email\":\"\\ud800\"}".to_vec(),
            b"{\"email\":\"a\0b\"}".to_vec(),
            nested("[", "]"),
            nested("{\"a\":", "}"),
            b"email=a&password=b".to_vec(),
        ];
        for (method, path) in ROUTES {
            for body in &bodies {
                let shown = String::from_utf8_lossy(&body[..body.len().min(30)]).into_owned();
                let method = method.parse().unwrap();
                let answer = raw(&app, method, path, &user.token, body.clone()).await;
                refused(&answer, &format!("{path} {shown}"));
                assert_eq!(answer.status, 400, "{path} {shown}");
            }
            if path != "/upload/avatar" {
                let large = format!("{{\"x\":\"{}\"}}", "x".repeat(3 * 1024 * 1024)).into_bytes();
                raw(&app, method.parse().unwrap(), path, &user.token, large).await.refused(413, &[]);
            }
        }
    }

    /// Every field with every kind of value: refused or taken, never a 5xx.
    async fn fields_of_any_value(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(1e308),
            json!(u64::MAX),
            json!([]),
            json!({}),
            json!([[[]]]),
            json!(""),
            json!(" "),
            json!("\u{0}"),
            json!("a\u{0}b"),
            json!("\r\nBcc: a@b.c"),
            json!("\u{1b}[31m"),
            json!("\u{202e}\u{feff}\u{200b}"),
            json!("'; DROP TABLE users; --"),
            json!("%00%0a"),
            json!("x".repeat(100_000)),
            json!("😀".repeat(300)),
            json!("../../etc/passwd"),
        ];
        let bodies = [
            (
                "POST",
                "/auth/register",
                json!({"username": "n", "email": "n@example.com", "password": "12345678",
                "avatar": "https://example.com/"}),
            ),
            ("POST", "/auth/login", json!({"email": "n@example.com", "password": "12345678"})),
            ("POST", "/auth/refresh", json!({"refreshToken": "x"})),
            ("POST", "/auth/verify-email", json!({"token": "x"})),
            ("POST", "/auth/password/forgot", json!({"email": "n@example.com"})),
            ("POST", "/auth/password/reset", json!({"token": "x", "password": "12345678"})),
            (
                "PUT",
                "/user/profile",
                json!({"nickname": "n", "avatar": "https://example.com/",
                "preferredBackground": "b", "preferredScene": "SPACE"}),
            ),
            (
                "POST",
                "/notification/device",
                json!({"deviceId": "d", "platform": "WEB", "token": "t",
                "isEnabled": true}),
            ),
            ("PUT", "/notification/settings", json!({"emailNotification": true})),
        ];
        for (method, path, body) in bodies {
            let fields: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
            for field in &fields {
                // Each good password would be hashed.
                let good: &[Value] =
                    if path == "/auth/register" && field == "username" { &values[10..16] } else { &values };
                for value in good {
                    let mut body = body.clone();
                    body[field] = value.clone();
                    let answer = app.call(method.parse().unwrap(), path, Some(&user.token), Some(body)).await;
                    let shown: String = value.to_string().chars().take(40).collect();
                    if answer.status != 200 {
                        refused(&answer, &format!("{path} {field} {shown}"));
                    }
                }
            }
        }
    }

    /// Unknown paths, wrong methods, strange paths: in the envelope, 405 with `Allow`.
    async fn wrong_methods_and_paths(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        for path in [
            "/nothing",
            "/auth",
            "/auth/register/",
            "/auth/login/x",
            "/user",
            "//user/profile",
            "/user/profile/..%2f..",
            "/%00",
            "/user%00/profile",
            "/%ff%fe",
            "/avatars",
            "/avatars/a/b",
        ] {
            let answer = app.get(path, &user).await;
            answer.refused(404, &[]);
        }
        for (method, path) in ROUTES {
            for wrong in ["PATCH", "DELETE", "BREW"] {
                let answer = raw(&app, wrong.parse().unwrap(), path, &user.token, Vec::new()).await;
                answer.refused(405, &[]);
                assert!(answer.headers["allow"].to_str().unwrap().contains(method), "{path}");
            }
        }
        app.get("/auth/login", &user).await.refused(405, &[]);
    }

    /// What every answer carries.
    async fn headers_of_every_answer(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        for answer in [
            app.get("/user/profile", &user).await,
            app.get("/nothing", &user).await,
            login(&app, "x", "y").await,
        ] {
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert_eq!(answer.headers["x-frame-options"], "DENY");
            assert!(answer.headers.contains_key("x-request-id"));
            assert_eq!(answer.headers["content-type"], "application/json");
        }
    }

    /// Headers that lie or are broken.
    async fn broken_headers(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        for (name, value) in [
            ("authorization", b"Bearer \xff\xfe".as_slice()),
            ("authorization", b"Bearer a b"),
            ("authorization", b"Bearer \t"),
            ("authorization", b"\x80"),
        ] {
            let request = Request::get("/api/v1/user/profile").header(name, value);
            app.send(request.body(Body::empty()).unwrap()).await.refused(401, &[]);
        }
        // A body is read as JSON whatever it calls itself; a wrong Content-Type does no harm.
        let body = json!({"email": user.email, "password": PASSWORD}).to_string();
        for kind in ["text/plain", "application/x-www-form-urlencoded", "\u{7f}"] {
            let Ok(kind) = axum::http::HeaderValue::from_str(kind) else { continue };
            let request = Request::post("/api/v1/auth/login").header("content-type", kind);
            app.send(request.body(Body::from(body.clone())).unwrap()).await.data();
        }
    }
}
