//! Files as they are served: to whom, in ranges, unchanged, with their thumbnails.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{Answer, TestApp, User, jpeg_with_exif, png};

use crate::helpers::*;

fn url(file: &Value) -> &str {
    file["url"].as_str().expect("a URL")
}

async fn get(app: &TestApp, file: &Value, user: Option<&User>) -> Answer {
    app.fetch(url(file), user.map(|u| u.token.as_str()), &[]).await
}

testkit::both! {
    &[];

    /// To its uploader always, to a letter's readers once it is delivered, to nobody else.
    async fn a_file_opens_for_who_may_see_its_letter(t) {
        let app = TestApp::new(t).await;
        let (author, reader, stranger) =
            (zhangsan(&app).await, app.user("reader").await, app.user("stranger").await);
        let private = app.attachment(&author, "a.png", &png(400, 300), "IMAGE").await;
        let public = app.attachment(&author, "b.png", &png(300, 400), "IMAGE").await;
        let send = app.now() + HOUR;
        for (file, to) in [
            (&private, json!({"recipientType": "SPECIFIC", "recipientEmail": "Reader@example.com"})),
            (&public, json!({"recipientType": "PUBLIC"})),
        ] {
            let attachments = json!({"attachments": [{"type": "IMAGE", "url": file["url"]}]});
            let mail = app.draft(&author, with(to, attachments)).await;
            app.schedule(&author, &mail, send).await.data();
        }
        let check = async |expected: [[u16; 4]; 2]| {
            for (file, expected) in [&private, &public].into_iter().zip(expected) {
                for part in ["url", "thumbnailUrl"] {
                    let mut found = Vec::new();
                    for who in [Some(&author), Some(&reader), Some(&stranger), None] {
                        let token = who.map(|u| u.token.as_str());
                        found.push(app.fetch(file[part].as_str().unwrap(), token, &[]).await.status.as_u16());
                    }
                    assert_eq!(found, expected, "{part} of {file}");
                }
            }
        };
        check([[200, 404, 404, 404], [200, 404, 404, 404]]).await;
        app.advance_to(send - MICRO).await;
        check([[200, 404, 404, 404], [200, 404, 404, 404]]).await;
        app.advance_to(send).await;
        check([[200, 200, 404, 404], [200, 200, 200, 200]]).await;
        // A token that is there must be good.
        app.fetch(url(&public), Some("a.b.c"), &[]).await.refused(401, &[]);
    }

    /// A letter that is revoked and delivered again to somebody else shows nothing to the first.
    async fn a_changed_recipient_changes_who_may_see(t) {
        let app = TestApp::new(t).await;
        let (author, first, second) =
            (zhangsan(&app).await, app.user("first").await, app.user("second").await);
        let file = app.attachment(&author, "a.png", &png(20, 20), "IMAGE").await;
        let mail = app
            .draft(
                &author,
                json!({"recipientType": "SPECIFIC", "recipientEmail": first.email,
            "attachments": [{"type": "IMAGE", "url": file["url"]}]}),
            )
            .await;
        app.schedule(&author, &mail, app.now() + HOUR).await.data();
        app.call(Method::POST, &format!("/mails/{mail}/revoke"), Some(&author.token), None).await.data();
        let change = json!({"recipientEmail": second.email});
        app.put(&format!("/mails/{mail}"), &author, change).await.data();
        app.schedule(&author, &mail, app.now() + HOUR).await.data();
        app.advance_to(app.now() + HOUR).await;
        assert_eq!(get(&app, &file, Some(&first)).await.status, 404);
        assert_eq!(get(&app, &file, Some(&second)).await.status, 200);
        assert!(app.list(&first, "").await.is_empty());
    }

    /// Byte for byte, with its own type and name, and nothing that a browser would run.
    async fn a_file_comes_back_as_it_was(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let bytes = jpeg_with_exif(800, 600, "GPS 39.9042N");
        let file = app.attachment(&user, "../照片 (1).jpg", &bytes, "IMAGE").await;
        assert_eq!(file["fileName"], "照片 (1).jpg");
        let served = get(&app, &file, Some(&user)).await;
        assert_eq!((served.status.as_u16(), served.bytes == bytes), (200, true));
        let header = |name: &str| served.headers[name].to_str().unwrap();
        assert_eq!(header("content-type"), "image/jpeg");
        assert_eq!(header("content-length"), bytes.len().to_string());
        assert_eq!(header("accept-ranges"), "bytes");
        assert!(header("cache-control").starts_with("private"));
        assert!(
            header("content-disposition").ends_with("filename*=UTF-8''%E7%85%A7%E7%89%87%20%281%29%2Ejpg")
        );
        assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(header("x-content-type-options"), "nosniff");
        let thumbnail = app.fetch(file["thumbnailUrl"].as_str().unwrap(), Some(&user.token), &[]).await;
        assert_eq!(thumbnail.headers["content-type"], "image/jpeg");
        assert!(thumbnail.bytes.len() < bytes.len());
        assert!(!thumbnail.bytes.windows(3).any(|w| w == b"GPS"), "the thumbnail tells where it was taken");
    }

    /// RFC 9110 §14: one range, the last bytes, none there is; several or nonsense: the whole file.
    async fn ranges(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let bytes = png(40, 40);
        let size = bytes.len();
        let file = app.attachment(&user, "a.png", &bytes, "IMAGE").await;
        let ask = async |range: &str| app.fetch(url(&file), Some(&user.token), &[("range", range)]).await;
        for (range, from, to) in [
            ("bytes=0-0", 0, 1),
            ("bytes=5-9", 5, 10),
            ("bytes=10-", 10, size),
            ("bytes=-7", size - 7, size),
            ("bytes=0-999999999", 0, size),
            ("bytes=-999999999", 0, size),
        ] {
            let part = ask(range).await;
            assert_eq!((part.status.as_u16(), part.bytes.as_slice()), (206, &bytes[from..to]), "{range}");
            assert_eq!(part.headers["content-range"], format!("bytes {from}-{}/{size}", to - 1));
            assert_eq!(part.headers["content-length"], (to - from).to_string());
        }
        for range in
            [format!("bytes={size}-"), "bytes=99999999999999999999-".to_owned(), "bytes=-0".to_owned()]
        {
            let refused = ask(&range).await;
            assert!(refused.status == 416 || refused.status == 200, "{range}: {}", refused.status);
        }
        ask(&format!("bytes={size}-")).await.refused(416, &[]);
        for range in ["lines=1-2", "bytes=x-y", "bytes=9-5", "bytes=", "bytes"] {
            let whole = ask(range).await;
            assert_eq!((whole.status.as_u16(), whole.bytes.len()), (200, size), "{range}");
        }
    }

    /// An ETag saves the bytes; a range of a file that has changed is the whole file.
    async fn validators(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let bytes = png(40, 40);
        let file = app.attachment(&user, "a.png", &bytes, "IMAGE").await;
        let ask = async |headers: &[(&str, &str)]| app.fetch(url(&file), Some(&user.token), headers).await;
        let etag = ask(&[]).await.headers["etag"].to_str().unwrap().to_owned();
        for tags in [etag.clone(), format!("\"x\", {etag}"), format!("W/{etag}"), "*".to_owned()] {
            let same = ask(&[("if-none-match", &tags)]).await;
            assert_eq!((same.status.as_u16(), same.bytes.len()), (304, 0), "{tags}");
            assert_eq!(same.headers["etag"], etag);
        }
        for tags in ["\"x\"", "", "W/\"x\", x", etag.trim_matches('"')] {
            assert_eq!(ask(&[("if-none-match", tags)]).await.status, 200, "{tags}");
        }
        assert_eq!(ask(&[("range", "bytes=0-3"), ("if-range", &etag)]).await.status, 206);
        assert_eq!(ask(&[("range", "bytes=0-3"), ("if-range", "\"x\"")]).await.bytes, bytes);
        // Nobody learns from a validator what they may not see.
        app.fetch(url(&file), None, &[("if-none-match", &etag)]).await.refused(404, &[]);
    }

    /// A picture that cannot be drawn is kept, without a thumbnail.
    async fn a_picture_without_a_thumbnail(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let cut = &png(64, 64)[..50];
        let file = app.attachment(&user, "a.png", cut, "IMAGE").await;
        assert_eq!(file["thumbnailUrl"], Value::Null);
        assert_eq!(get(&app, &file, Some(&user)).await.bytes, cut);
        app.fetch(&format!("{}/thumbnail", url(&file)), Some(&user.token), &[]).await.refused(404, &[]);
    }
}
