//! Attachments: ours and anybody's, sizes by plan, what a file must be, and how long it is kept.

use axum::{
    body::{Body, Bytes},
    http::{Method, Request},
};
use futures_util::stream;
use serde_json::{Value, json};
use testkit::app::{TestApp, User, png};

use crate::helpers::*;

const MIB: usize = 1024 * 1024;

/// A recording of so many bytes.
fn recording(size: usize) -> Vec<u8> {
    let mut bytes = b"ID3\x04\0\0\0\0\0\0".to_vec();
    bytes.resize(size, 0);
    bytes
}

async fn upload(app: &TestApp, user: &User, bytes: &[u8], kind: &str) -> testkit::app::Answer {
    app.upload("/upload/attachment", user, "file", bytes, Some(kind)).await
}

fn attached(urls: &[&Value]) -> Value {
    let list: Vec<Value> = urls.iter().map(|url| json!({"type": "IMAGE", "url": url})).collect();
    json!({"attachments": list})
}

testkit::both! {
    &[];

    /// A link to somewhere else is kept as it is and never fetched: its size is null.
    async fn links_are_kept_as_links(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let list = json!([
            {"type": "IMAGE", "url": "https://example.com/image.jpg", "thumbnail": "https://example.com/t.jpg"},
            {"type": "VOICE", "url": "http://192.0.2.1:81/a?b=c#d"},
            {"type": "VIDEO", "url": "https://hongyan.test/api/v1/files/attach_1"}
        ]);
        let mail = app.draft(&user, json!({"attachments": list})).await;
        let detail = app.detail(&user, &mail).await;
        for (n, given) in list.as_array().unwrap().iter().enumerate() {
            let kept = &detail["attachments"][n];
            assert!(kernel::id::is("attach", kept["id"].as_str().unwrap()));
            for field in ["type", "url", "thumbnail"] {
                assert_eq!(kept[field], given[field], "{field} of {n}");
            }
            assert_eq!(kept["size"], Value::Null);
        }
        assert_eq!(app.get("/mails", &user).await.data()["list"][0]["hasAttachments"], true);
    }

    /// The free plan takes 10 MiB to the byte, the premium plan more.
    async fn sizes_are_limited_by_plan(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let most = recording(10 * MIB);
        assert_eq!(upload(&app, &user, &most, "VOICE").await.data()["fileSize"], 10 * MIB);
        let over = recording(10 * MIB + 1);
        upload(&app, &user, &over, "VOICE").await.refused(422, &["file"]);
        app.premium(&user).await;
        assert_eq!(upload(&app, &user, &over, "VOICE").await.data()["fileSize"], 10 * MIB + 1);
    }

    /// Nothing over 100 MiB is read off the wire, announced or not.
    async fn nothing_larger_than_100_mib_is_read(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let request = || {
            Request::post("/api/v1/upload/attachment")
                .header("authorization", format!("Bearer {}", user.token))
                .header("content-type", "multipart/form-data; boundary=X")
        };
        let announced = request().header("content-length", 101 * MIB).body(Body::empty()).unwrap();
        app.send(announced).await.refused(413, &["file"]);
        let head = "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
        let chunk = Bytes::from(vec![7; MIB]);
        let chunks = std::iter::once(Bytes::from(head)).chain(std::iter::repeat_n(chunk, 101));
        let endless = stream::iter(chunks.map(Ok::<_, std::io::Error>));
        app.send(request().body(Body::from_stream(endless)).unwrap()).await.refused(413, &["file"]);
        assert!(app.stored_files().is_empty());
    }

    /// What a file is, is told from its bytes and must agree with its type.
    async fn a_file_is_what_its_bytes_say(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let picture = png(20, 20);
        let mp4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2";
        for (bytes, kind) in [
            (picture.as_slice(), "VOICE"),
            (&picture, "VIDEO"),
            (b"hello", "IMAGE"),
            (b"<svg/>", "IMAGE"),
            (b"<html><script>alert(1)</script>", "IMAGE"),
            (b"%PDF-1.7\n", "VIDEO"),
            (b"", "IMAGE"),
            (mp4, "IMAGE"),
            (&recording(100), "IMAGE"),
            (b"MZ\x90\0", "VOICE"),
        ] {
            upload(&app, &user, bytes, kind).await.refused(422, &["file"]);
        }
        for (bytes, kind, mime) in [
            (picture.as_slice(), "IMAGE", "image/png"),
            (mp4, "VIDEO", "video/mp4"),
            (mp4, "VOICE", "video/mp4"),
            (&recording(100), "VOICE", "audio/mpeg"),
        ] {
            assert_eq!(upload(&app, &user, bytes, kind).await.data()["mimeType"], mime);
        }
        upload(&app, &user, &picture, "FILE").await.refused(400, &["type"]);
        app.upload("/upload/attachment", &user, "a", &picture, None).await.refused(400, &["type"]);
        let empty = Request::post("/api/v1/upload/attachment")
            .header("authorization", format!("Bearer {}", user.token))
            .header("content-type", "multipart/form-data; boundary=X")
            .body(Body::from("--X--\r\n"))
            .unwrap();
        app.send(empty).await.refused(400, &["file", "type"]);
        app.post("/upload/attachment", &user, json!({})).await.refused(400, &[]);
    }

    /// Our URLs open only for their uploader's letters, and as what they are.
    async fn a_file_of_ours_must_be_the_author_s_own(t) {
        let app = TestApp::new(t).await;
        let (user, other) = (zhangsan(&app).await, app.user("other").await);
        let picture = app.attachment(&user, "a.png", &png(20, 20), "IMAGE").await;
        let theirs = app.attachment(&other, "b.png", &png(20, 20), "IMAGE").await;
        let list = json!([
            {"type": "IMAGE", "url": theirs["url"]}, {"type": "VIDEO", "url": picture["url"]},
            {"type": "IMAGE", "url": picture["url"]},
            {"type": "IMAGE", "url": "http://hongyan.test/api/v1/files/attach_0000000000"},
        ]);
        let bad = ["attachments[0].url", "attachments[1].type", "attachments[3].url"];
        let body = with(capsule(), json!({"attachments": list}));
        app.post("/mails", &user, body).await.refused(422, &bad);
        let mail = app.draft(&user, attached(&[&picture["url"]])).await;
        app.put(&format!("/mails/{mail}"), &user, json!({"attachments": list})).await.refused(422, &bad);
        let kept = &app.detail(&user, &mail).await["attachments"];
        assert_eq!((kept.as_array().unwrap().len(), &kept[0]["id"]), (1, &picture["fileId"]));
    }

    /// A file that no letter has after a day is removed; one that a letter has is not.
    async fn unused_files_are_removed_after_a_day(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let unused = app.attachment(&user, "a.png", &png(400, 400), "IMAGE").await;
        let used = app.attachment(&user, "b.png", &png(400, 400), "IMAGE").await;
        app.draft(&user, attached(&[&used["url"]])).await;
        assert_eq!(app.stored_files().len(), 4);
        app.advance_to(app.now() + DAY - MICRO).await;
        assert_eq!(app.fetch(unused["url"].as_str().unwrap(), Some(&user.token), &[]).await.status, 200);
        app.advance_to(app.now() + MICRO).await;
        let user = app.login(&user).await;
        let status = async |url: &Value| {
            app.fetch(url.as_str().unwrap(), Some(&user.token), &[]).await.status.as_u16()
        };
        assert_eq!(status(&unused["url"]).await, 404);
        assert_eq!(status(&unused["thumbnailUrl"]).await, 404);
        assert_eq!(status(&used["url"]).await, 200);
        assert_eq!(app.stored_files().len(), 2);
        let body = with(capsule(), attached(&[&unused["url"]]));
        app.post("/mails", &user, body).await.refused(422, &["attachments[0].url"]);
    }

    /// Deleting a draft, or taking a file out of it, removes the file, unless another letter has it.
    async fn a_file_goes_with_the_last_letter_that_has_it(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mut files = Vec::new();
        for name in ["one", "shared", "taken out"] {
            files.push(app.attachment(&user, name, &png(400, 400), "IMAGE").await["url"].clone());
        }
        let [one, shared, out] = files.as_slice() else { panic!() };
        let status = async |url: &Value| {
            app.fetch(url.as_str().unwrap(), Some(&user.token), &[]).await.status.as_u16()
        };
        let first = app.draft(&user, attached(&[one, shared, out])).await;
        let second = app.draft(&user, attached(&[shared])).await;
        app.put(&format!("/mails/{first}"), &user, attached(&[one, shared])).await.data();
        app.run_due().await;
        assert_eq!((status(one).await, status(shared).await, status(out).await), (200, 200, 404));
        app.delete(&format!("/mails/{first}"), &user).await.data();
        app.run_due().await;
        assert_eq!((status(one).await, status(shared).await), (404, 200));
        assert_eq!(app.detail(&user, &second).await["attachments"][0]["url"], *shared);
        app.put(&format!("/mails/{second}"), &user, json!({"attachments": []})).await.data();
        app.run_due().await;
        assert_eq!(status(shared).await, 404);
        assert!(app.stored_files().is_empty(), "{:?}", app.stored_files());
        assert_eq!(app.get("/mails", &user).await.data()["list"][0]["hasAttachments"], false);
    }

    /// The e-mail says how many there are, and holds none of them.
    async fn a_mail_tells_of_attachments(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let file = app.attachment(&user, "a.png", &png(20, 20), "IMAGE").await;
        let to = json!({"recipientType": "SPECIFIC", "recipientEmail": "li@example.com"});
        let mail = app.delivered(&user, with(attached(&[&file["url"]]), to)).await;
        let sent = app.mails_to("li@example.com").remove(0);
        assert!(sent.text.contains("1 attachment(s)") && sent.text.contains(&format!("/letters/{mail}")));
        let answer = app.call(Method::GET, &format!("/mails/{mail}"), None, None).await;
        answer.refused(404, &[]);
    }
}
