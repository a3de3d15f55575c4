//! Avatars: drawn anew, served to everybody, removed when replaced.

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::json;
use testkit::app::{TestApp, User, jpeg_with_exif, png};

use crate::helpers::*;

async fn upload(app: &TestApp, user: &User, bytes: &[u8]) -> String {
    let answer = app.upload("/upload/avatar", user, "me.jpg", bytes, None).await;
    answer.data()["avatarUrl"].as_str().unwrap().to_owned()
}

testkit::both! {
    &[];

    /// At most 512 pixels, nothing of the original but its pixels; open to everybody, with ranges and ETags.
    async fn an_avatar_is_drawn_anew_and_served(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let original = jpeg_with_exif(1600, 800, "GPS 39.9042N 116.4074E");
        let url = upload(&app, &user, &original).await;
        assert!(url.starts_with("http://hongyan.test/api/v1/avatars/avatar_"), "{url}");
        let served = app.fetch(&url, None, &[]).await;
        assert_eq!(served.status, 200);
        assert_eq!(served.headers["content-type"], "image/jpeg");
        assert!(served.headers["cache-control"].to_str().unwrap().starts_with("public"));
        assert!(
            !served.bytes.windows(3).any(|w| w == b"GPS") && !served.bytes.windows(4).any(|w| w == b"Exif")
        );
        let drawn = image::load_from_memory(&served.bytes).unwrap();
        assert_eq!((drawn.width(), drawn.height()), (512, 256));
        let etag = served.headers["etag"].to_str().unwrap();
        assert_eq!(app.fetch(&url, None, &[("if-none-match", etag)]).await.status, 304);
        let part = app.fetch(&url, None, &[("range", "bytes=0-9")]).await;
        assert_eq!((part.status.as_u16(), part.bytes.as_slice()), (206, &served.bytes[..10]));
        // Neither the original nor anything temporary stays behind.
        let stored = app.stored_files();
        assert_eq!(stored.len(), 1, "{stored:?}");
    }

    /// The avatar that is replaced is removed, by an upload and by a URL.
    async fn a_replaced_avatar_is_removed(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let first = upload(&app, &user, &png(64, 64)).await;
        let second = upload(&app, &user, &png(65, 65)).await;
        app.fetch(&first, None, &[]).await.refused(404, &[]);
        assert_eq!(app.fetch(&second, None, &[]).await.status, 200);
        // What it is already may be said again.
        app.put("/user/profile", &user, json!({"avatar": second, "nickname": "x"})).await.data();
        app.put("/user/profile", &user, json!({"nickname": "y"})).await.data();
        assert_eq!(app.fetch(&second, None, &[]).await.status, 200);
        app.put("/user/profile", &user, json!({"avatar": "https://example.com/a.jpg"})).await.data();
        app.fetch(&second, None, &[]).await.refused(404, &[]);
        assert!(app.stored_files().is_empty());
    }

    /// Nobody can take, and so remove, the avatar of somebody else.
    async fn an_avatar_belongs_to_who_uploaded_it(t) {
        let app = TestApp::new(t).await;
        let (user, thief) = (app.user("reader").await, app.user("thief").await);
        let url = upload(&app, &user, &png(64, 64)).await;
        app.put("/user/profile", &thief, json!({"avatar": url})).await.refused(422, &["avatar"]);
        let mut body = zhangsan();
        body["avatar"] = json!(url);
        post(&app, "/auth/register", body).await.refused(422, &["avatar"]);
        upload(&app, &thief, &png(65, 65)).await;
        assert_eq!(app.fetch(&url, None, &[]).await.status, 200);
    }

    /// Only pictures, of a size that can be drawn, and only by form.
    async fn what_is_no_picture_is_refused(t) {
        let app = TestApp::new(t).await;
        let user = app.user("reader").await;
        let cut = &png(64, 64)[..40];
        for bytes in [
            b"".as_slice(),
            b"hello",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"%PDF-1.7\n",
            cut,
            b"<script>alert(1)</script>",
            b"\xff\xd8\xff\xe0",
        ] {
            app.upload("/upload/avatar", &user, "me.png", bytes, None).await.refused(422, &["file"]);
        }
        let mut large = png(8, 8);
        large.resize(10 * 1024 * 1024 + 1, 0);
        app.upload("/upload/avatar", &user, "me.png", &large, None).await.refused(422, &["file"]);
        app.call(Method::POST, "/upload/avatar", Some(&user.token), Some(json!({"file": "x"})))
            .await
            .refused(400, &[]);
        let form = |body: &'static str| {
            Request::post("/api/v1/upload/avatar")
                .header("authorization", format!("Bearer {}", user.token))
                .header("content-type", "multipart/form-data; boundary=X")
                .body(Body::from(body))
                .unwrap()
        };
        app.send(form("--X--\r\n")).await.refused(400, &["file"]);
        app.send(form("--X\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nbroken off"))
            .await
            .refused(400, &[]);
        app.send(form("not a form")).await.refused(400, &[]);
        app.upload("/upload/avatar", &User { token: "x".into(), ..user.clone() }, "a", &png(8, 8), None)
            .await
            .refused(401, &[]);
        assert!(app.stored_files().is_empty(), "{:?}", app.stored_files());
        for id in ["avatar_0000000000", "attach_0000000000", "..%2f..%2fkeyring", "avatar_", "%00"] {
            app.fetch(&format!("/api/v1/avatars/{id}"), None, &[]).await.refused(404, &[]);
        }
    }
}
