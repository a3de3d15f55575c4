//! Files that agents upload and never send.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use db::{args, sql};
use kernel::time::days;
use serde_json::json;
use testkit::app::{Answer, TestApp, User};

use crate::desk::{agent, data, post, session};

/// Uploads a file for a message.
pub async fn upload(app: &TestApp, who: &User, bytes: &[u8]) -> Answer {
    let head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
                Content-Type: application/octet-stream\r\n\r\n";
    let body = [head.as_bytes(), bytes, b"\r\n--x--\r\n"].concat();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/desk/files")
        .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    app.send(request.body(Body::from(body)).unwrap()).await
}

async fn there(app: &TestApp, who: &User, file: &str) -> u16 {
    app.fetch(&format!("/api/desk/files/{file}"), Some(&who.token), &[]).await.status.as_u16()
}

async fn rows(app: &TestApp) -> i64 {
    let mut conn = app.system.db.read().await.unwrap();
    let (rows,): (i64,) = conn.one(sql!("SELECT COUNT(*) FROM desk_files"), args![]).await.unwrap();
    rows
}

testkit::both! {
    &testkit::app::migrations();

    /// What was not sent within a day is gone, row and bytes; what was sent stays.
    async fn what_nobody_sends_is_forgotten(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        let id = session(&app, "c1").await;
        data(&post(&app, &format!("/sessions/{id}/takeover"), &anna, json!({})).await);
        let mut files = Vec::new();
        for bytes in [b"sent", b"not "] {
            files.push(data(&upload(&app, &anna, bytes).await)["fileId"].as_str().unwrap().to_owned());
        }
        let body = json!({"msgType": "file", "fileId": files[0]});
        data(&post(&app, &format!("/sessions/{id}/message"), &anna, body).await);
        app.clock.advance(Duration::from_secs(23 * 3600));
        app.system.desk.look_after_channels().await.unwrap();
        let anna = app.login(&anna).await;
        assert_eq!((there(&app, &anna, &files[0]).await, there(&app, &anna, &files[1]).await), (200, 200));
        app.clock.advance(Duration::from_secs(2 * 3600));
        app.system.desk.look_after_channels().await.unwrap();
        let anna = app.login(&anna).await;
        assert_eq!((there(&app, &anna, &files[0]).await, there(&app, &anna, &files[1]).await), (200, 404));
        assert_eq!((rows(&app).await, app.stored_files().len()), (1, 1));
        let body = json!({"msgType": "file", "fileId": files[1]});
        post(&app, &format!("/sessions/{id}/message"), &anna, body).await.refused(422, &["fileId"]);
    }

    /// Whatever ends the upkeep between the row and the bytes, the next time goes on with it.
    async fn half_forgotten_is_forgotten_whole(t) {
        let app = TestApp::new(t).await;
        let anna = agent(&app, "anna").await;
        data(&upload(&app, &anna, b"one").await);
        data(&upload(&app, &anna, b"two").await);
        app.clock.advance(days(2));
        // The folder is away for a while.
        let folder = app.dir.join("data/files");
        let paths = app.stored_files();
        for path in &paths {
            std::fs::rename(path, path.with_extension("away")).unwrap();
            std::fs::create_dir(path).unwrap();
        }
        app.system.desk.look_after_channels().await.unwrap();
        assert_eq!(rows(&app).await, 2, "{}", folder.display());
        for path in &paths {
            std::fs::remove_dir(path).unwrap();
            std::fs::rename(path.with_extension("away"), path).unwrap();
        }
        app.system.desk.look_after_channels().await.unwrap();
        assert_eq!((rows(&app).await, app.stored_files().len()), (0, 0));
    }

    /// However many there are, they go.
    async fn many_are_forgotten(t) {
        let app = TestApp::new(t).await;
        let mut tx = app.system.db.begin().await.unwrap();
        for n in 0..450 {
            tx.exec(
                sql!("INSERT INTO desk_files (id, session_id, owner_id, name, mime, size, sha256, created_at)
                      VALUES ($1, '', 'a', 'n', 'm', 1, '', $2)"),
                args![format!("file_{n}"), app.now()],
            )
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
        app.clock.advance(days(2));
        app.system.desk.look_after_channels().await.unwrap();
        assert_eq!(rows(&app).await, 0);
    }

    /// An agent may have so much waiting, and no more; nothing of what is refused is kept.
    async fn there_is_an_end_to_what_waits(t) {
        let app = TestApp::new(t).await;
        let (anna, ben) = (agent(&app, "anna").await, agent(&app, "ben").await);
        let mut tx = app.system.db.begin().await.unwrap();
        tx.exec(
            sql!("INSERT INTO desk_files (id, session_id, owner_id, name, mime, size, sha256, created_at)
                  VALUES ('file_big', '', $1, 'n', 'm', 209715197, '', $2)"),
            args![&anna.id, app.now()],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        upload(&app, &anna, b"four").await.refused(422, &["file"]);
        assert_eq!((rows(&app).await, app.stored_files().len()), (1, 0));
        data(&upload(&app, &anna, b"3 b").await);
        data(&upload(&app, &ben, b"four").await);
    }
}
