//! Hostile requests to letters: never a 5xx, always the envelope, nothing gets into a mail's headers.

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};
use testkit::app::{Answer, PASSWORD, TestApp, png};

use crate::helpers::*;

/// A refusal in the envelope, whatever it says.
#[track_caller]
fn refused(answer: &Answer, what: &str) {
    assert!((400..500).contains(&answer.status.as_u16()), "{what}: {} {}", answer.status, answer.body);
    assert_eq!(answer.body["code"], answer.status.as_u16(), "{what}: {}", answer.body);
    assert!(answer.body["message"].is_string(), "{what}");
}

fn values() -> Vec<Value> {
    vec![
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e308),
        json!(-1e308),
        json!(u64::MAX),
        json!(i64::MIN),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!([null]),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("a\u{0}b"),
        json!("\r\nBcc: a@b.c"),
        json!("\u{1b}[31m\u{7f}\u{85}"),
        json!("\u{202e}\u{feff}\u{200b}\u{2028}"),
        json!("'; DROP TABLE letters; --"),
        json!("%00%0a{{7*7}}${7*7}"),
        json!("../../etc/passwd"),
        json!("x".repeat(300_000)),
        json!("😀".repeat(300)),
        json!("9999-12-31T23:59:59Z"),
        json!("-001-01-01T00:00:00Z"),
        json!("2036-10-16T08:03:58.479+99:99"),
        json!("NaN"),
        json!("1e999"),
    ]
}

testkit::both! {
    &[];

    /// Not JSON, not an object, nested without end, not UTF-8, too large.
    async fn bodies_that_are_no_object(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        let one = format!("/mails/{mail}");
        let send = async |method: &str, path: &str, body: Vec<u8>| {
            let request = Request::builder()
                .method(method)
                .uri(format!("/api/v1{path}"))
                .header("authorization", format!("Bearer {}", user.token));
            app.send(request.body(Body::from(body)).unwrap()).await
        };
        let deep = format!("{}{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)).into_bytes();
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(3 * 1024 * 1024)).into_bytes();
        for (method, path) in [
            ("POST", "/mails"),
            ("POST", "/mails/create"),
            ("POST", "/mails/send-to-future"),
            ("PUT", one.as_str()),
            ("POST", &format!("{one}/unlock")),
            ("PUT", "/capsules/capsule_1/style"),
        ] {
            for body in [
                b"".as_slice(),
                b"x",
                b"null",
                b"[]",
                b"\"a\"",
                b"{",
                b"{\"title\":1e999}",
                b"\xff\xfe",
                b"{\"title\":\"\xc3\x28\"}",
                b"{\"title\":\"\\udfff\"}",
                b"{\"title\":\"a\0b\"}",
                b"\0",
                &deep,
            ] {
                send(method, path, body.to_vec()).await.refused(400, &[]);
            }
            send(method, path, large.clone()).await.refused(413, &[]);
        }
        assert_eq!(app.list(&user, "").await, [mail]);
    }

    /// Every field with every kind of value.
    async fn fields_of_any_value(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        app.premium(&user).await;
        let mail = app.draft(&user, json!({})).await;
        let one = format!("/mails/{mail}");
        let nested = json!({
            "triggerCondition": {"location": {"latitude": 1, "longitude": 1, "city": "c"},
                "event": {"keywords": ["k"], "type": "t"}},
            "attachments": [{"type": "IMAGE", "url": "https://example.com/", "thumbnail": "https://example.com/"}]
        });
        let full = with(
            with(future_mail(), nested),
            json!({"recipientType": "SPECIFIC",
            "recipientEmail": "li@example.com"}),
        );
        let pointers = [
            "/title",
            "/content",
            "/recipientType",
            "/recipientEmail",
            "/sendTime",
            "/triggerType",
            "/triggerCondition",
            "/triggerCondition/location",
            "/triggerCondition/location/latitude",
            "/triggerCondition/location/longitude",
            "/triggerCondition/location/city",
            "/triggerCondition/event",
            "/triggerCondition/event/keywords",
            "/triggerCondition/event/keywords/0",
            "/triggerCondition/event/type",
            "/attachments",
            "/attachments/0",
            "/attachments/0/type",
            "/attachments/0/url",
            "/attachments/0/thumbnail",
            "/isEncrypted",
            "/capsuleStyle",
        ];
        for pointer in pointers {
            for value in values() {
                let mut body = full.clone();
                *body.pointer_mut(pointer).unwrap() = value.clone();
                let answer = app.put(&one, &user, body).await;
                let shown: String = value.to_string().chars().take(40).collect();
                if answer.status != 200 {
                    refused(&answer, &format!("{pointer} {shown}"));
                    let field = pointer.trim_start_matches('/').replace("/0", "[0]").replace('/', ".");
                    let top = field.split(['.', '[']).next().unwrap();
                    let errors = answer.body["errors"].as_object().unwrap();
                    assert!(errors.keys().all(|k| k.starts_with(top)), "{pointer} {shown}: {errors:?}");
                }
            }
        }
        for value in values() {
            for body in [
                json!({"mailId": value, "sendTime": "2036-01-01T00:00:00Z"}),
                json!({"mailId": "mail_1", "sendTime": value}),
            ] {
                refused(&app.post("/mails/send-to-future", &user, body).await, "send-to-future");
            }
            let style = json!({"style": value, "glowIntensity": value});
            let path = format!("/capsules/{}/style", mail.replacen("mail", "capsule", 1));
            refused(&app.put(&path, &user, style).await, "style");
        }
    }

    /// Ids of other kinds, strange ids, strange queries.
    async fn ids_and_queries(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        let capsule = mail.replacen("mail", "capsule", 1);
        let long = "m".repeat(5000);
        for id in [
            user.id.as_str(),
            &capsule,
            "attach_1",
            "mail_",
            "mail",
            "0",
            "-1",
            "null",
            "%00",
            "mail_%00",
            "..%2f..%2fetc",
            "%ff%fe",
            "mail_%E2%80%AE",
            "'%20OR%201=1--",
            "*",
            &long,
        ] {
            for (method, path) in [
                ("GET", ""),
                ("PUT", ""),
                ("DELETE", ""),
                ("POST", "/revoke"),
                ("POST", "/unlock"),
                ("GET", "/deliveries"),
            ] {
                let path = format!("/mails/{id}{path}");
                let body = json!({"password": PASSWORD});
                let answer = app.call(method.parse().unwrap(), &path, Some(&user.token), Some(body)).await;
                answer.refused(404, &[]);
            }
            if id != capsule {
                app.put(&format!("/capsules/{id}/style"), &user, json!({"style": "x"}))
                    .await
                    .refused(404, &[]);
            }
            app.get(&format!("/files/{id}"), &user).await.refused(404, &[]);
            app.get(&format!("/files/{id}/thumbnail"), &user).await.refused(404, &[]);
            let body = json!({"mailId": id, "sendTime": "2036-01-01T00:00:00Z"});
            refused(&app.post("/mails/send-to-future", &user, body).await, id);
        }
        for query in [
            "type=%00",
            "type=%ff",
            "status=%0d%0a",
            "page=%00",
            "size=1e3",
            "page=0x10",
            "size=-0",
            "page=9999999999999999999999",
            "size=NaN",
            "page[]=1&size=%20",
        ] {
            let answer = app.get(&format!("/mails?{query}"), &user).await;
            refused(&answer, query);
            assert_eq!(answer.status, 400, "{query}");
        }
        for query in ["type=&status=&page=&size=", "x=y&x=%00", "&&&=&", "type=SENT&type=DRAFT", "page=%31"] {
            app.get(&format!("/mails?{query}"), &user).await.data();
        }
        assert_eq!(app.list(&user, "").await, [mail]);
    }

    /// Unknown paths and wrong methods: in the envelope, 405 with `Allow`.
    async fn wrong_methods_and_paths(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let call = async |method: &str, path: &str| {
            app.call(method.parse().unwrap(), path, Some(&user.token), None).await
        };
        for path in [
            "/mail",
            "/mails/",
            "/mails/mail_1/",
            "/mails/mail_1/x",
            "/mails/a/b/c",
            "/capsules/",
            "/files",
            "/files/a/b",
            "/upload",
            "/../mails",
        ] {
            let answer = call("GET", path).await;
            assert_eq!(answer.status, 404, "{path}");
            answer.refused(404, &[]);
        }
        for (method, path, allowed) in [
            ("DELETE", "/mails", "GET"),
            ("PATCH", "/mails/mail_1", "PUT"),
            ("POST", "/mails/mail_1", "PUT"),
            ("GET", "/mails/mail_1/revoke", "POST"),
            ("GET", "/mails/mail_1/unlock", "POST"),
            ("POST", "/capsules", "GET"),
            ("POST", "/capsules/capsule_1/style", "PUT"),
            ("GET", "/upload/attachment", "POST"),
            ("POST", "/files/attach_1", "GET"),
            ("BREW", "/mails", "GET"),
        ] {
            let answer = call(method, path).await;
            answer.refused(405, &[]);
            assert!(answer.headers["allow"].to_str().unwrap().contains(allowed), "{method} {path}");
        }
    }

    /// A title and a name stay what they are in a mail's headers and in its HTML.
    async fn nothing_gets_into_a_mail_s_headers(t) {
        let app = TestApp::new(t).await;
        let name = "\"><b>x</b>\" <evil@example.org>, Bcc: b@example.org";
        let user =
            app.register(json!({"username": name, "email": "a@example.com", "password": PASSWORD})).await;
        let title =
            "Re: </title><script>alert(1)</script> =?utf-8?q?=0d=0aBcc:_c@example.org?= \u{202e}\u{2028}x";
        let content = ".\n..\nFrom here\n--X\nBcc: d@example.org\n\n<img src=x onerror=alert(1)>";
        let fields = json!({"title": title, "content": content, "recipientType": "SPECIFIC",
            "recipientEmail": "li@example.com"});
        app.delivered(&user, fields).await;
        let mails = app.mails_to("li@example.com");
        let [mail] = mails.as_slice() else { panic!("{} mails", mails.len()) };
        let headers = mail.headers();
        let count = |name: &str| headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).count();
        for (name, expected) in
            [("To", 1), ("From", 1), ("Reply-To", 1), ("Subject", 1), ("Cc", 0), ("Bcc", 0)]
        {
            assert_eq!(count(name), expected, "{name} in {headers:?}");
        }
        assert_eq!(mail.subject, title.replace('\u{2028}', " "));
        assert!(mail.text.replace("\r\n", "\n").starts_with(content), "{}", mail.text);
        for tag in ["<script", "<img", "<b>"] {
            assert!(!mail.html.contains(tag), "{tag} in {}", mail.html);
        }
        assert!(mail.html.contains("&lt;img src=x onerror=alert(1)&gt;"));
        assert!(mail.raw.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }

    /// Upload forms that are no forms.
    async fn broken_forms(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let send = async |kind: &str, body: Vec<u8>| {
            let request = Request::post("/api/v1/upload/attachment")
                .header("content-type", kind)
                .header("authorization", format!("Bearer {}", user.token));
            app.send(request.body(Body::from(body)).unwrap()).await
        };
        let form = "multipart/form-data; boundary=X";
        let part =
            |head: &str, body: &[u8]| [b"--X\r\n", head.as_bytes(), b"\r\n\r\n", body, b"\r\n"].concat();
        let file = part("Content-Disposition: form-data; name=\"file\"; filename=\"a\"", &png(8, 8));
        let kind = part("Content-Disposition: form-data; name=\"type\"", b"IMAGE");
        let end = b"--X--\r\n".to_vec();
        for (what, content_type, body) in [
            ("no boundary", "multipart/form-data", end.clone()),
            ("other type", "application/json", b"{}".to_vec()),
            ("no end", form, file.clone()),
            ("no name", form, [part("Content-Disposition: form-data", b"x"), end.clone()].concat()),
            ("no head", form, [b"--X\r\n\r\nx\r\n".to_vec(), end.clone()].concat()),
            (
                "type not UTF-8",
                form,
                [part("Content-Disposition: form-data; name=\"type\"", b"\xff"), end.clone()].concat(),
            ),
            (
                "a long type",
                form,
                [part("Content-Disposition: form-data; name=\"type\"", &[b'x'; 5000]), end.clone()].concat(),
            ),
            ("many fields", form, [kind.repeat(50), file.clone(), end.clone()].concat()),
            ("a long head", form, [part(&format!("X: {}", "x".repeat(100_000)), b""), end.clone()].concat()),
            ("nothing", form, Vec::new()),
        ] {
            let answer = send(content_type, body).await;
            refused(&answer, what);
            assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        }
        assert!(app.stored_files().is_empty());
        send(form, [file, kind, end].concat()).await.data();
        app.call(Method::POST, "/upload/attachment", Some(&user.token), None).await.refused(400, &[]);
    }
}
