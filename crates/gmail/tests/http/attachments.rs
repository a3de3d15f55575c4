//! Files of conversations: listed, and fetched from Gmail when somebody asks.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::json;
use testkit::{
    app::{Answer, User, shape},
    google::{BRAND, CREATOR},
};

use crate::house::{House, good, refused};

/// Three files: with a Chinese name, a page, and what claims to be an image.
fn with_files() -> String {
    let part = |kind: &str, name: &str, octets: &[u8]| {
        format!(
            "--b\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            BASE64.encode(octets)
        )
    };
    let chinese = format!("=?utf-8?B?{}?=", BASE64.encode("合同 v2.pdf".as_bytes()));
    format!(
        "From: {CREATOR}\r\nTo: {BRAND}\r\nSubject: Files\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee\r\n{}{}{}--b--\r\n",
        part("application/pdf", &chinese, b"%PDF-1.7 bytes"),
        part("text/html", "page.html", b"<script>alert(1)</script>"),
        part("image/png", "fake.png", b"<svg onload=x()>"),
    )
}

impl House {
    /// A conversation with those files: its id, and theirs.
    async fn filed(&self, who: &User) -> (i64, Vec<String>) {
        let id = self.converse(who, BRAND, CREATOR).await;
        self.keep(BRAND, &[id], &with_files()).await;
        let list = self.get(&format!("/attachments/{id}/"), who).await;
        let ids =
            good(&list)["results"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap().to_owned());
        (id, ids.collect())
    }

    async fn download(&self, who: &User, id: &str) -> Answer {
        self.get(&format!("/attachments/{id}/download/"), who).await
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

testkit::both! {
    &testkit::app::migrations();

    async fn listed_and_downloaded(t) {
        let Some(house) = House::new(t).await else { return };
        let (anna, ben) = (house.app.user("anna").await, house.app.user("ben").await);
        house.connect(&anna, BRAND).await;
        let (id, ids) = house.filed(&anna).await;
        let list = house.get(&format!("/attachments/{id}/?page_size=1"), &anna).await;
        assert_eq!(good(&list)["count"], 3);
        shape(&list.body["results"][0], &json!({
            "id": "id:gatt", "filename": "=合同 v2.pdf", "size": 14, "mime_type": "=application/pdf", "message_id": "string",
            "created_at": "time", "inline": false,
        }));
        let pdf = house.download(&anna, &ids[0]).await;
        assert_eq!((pdf.status.as_u16(), pdf.bytes.as_slice()), (200, b"%PDF-1.7 bytes".as_slice()));
        assert_eq!(
            [header(&pdf, "content-type"), header(&pdf, "content-disposition")],
            ["application/pdf", "attachment; filename*=UTF-8''%E5%90%88%E5%90%8C%20v2%2Epdf"]
        );
        assert_eq!(header(&pdf, "content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!([header(&pdf, "x-content-type-options"), header(&pdf, "cache-control")], ["nosniff", "private, max-age=86400"]);
        // Never shown in place, whatever is asked for and claimed.
        for n in [1, 2] {
            let file = house.get(&format!("/attachments/{}/download/?inline=1", ids[n]), &anna).await;
            assert!(file.status == 200 && header(&file, "content-disposition").starts_with("attachment;"), "{n} {file:?}");
            assert_ne!(header(&file, "content-type"), "text/html");
        }
        // Whoever has it need not fetch it again.
        let called = house.google.log("/gmail/v1").await.len();
        let request = axum::http::Request::get(format!("/api/gmail/attachments/{}/download/", ids[0]))
            .header("authorization", format!("Bearer {}", anna.token))
            .header("if-none-match", header(&pdf, "etag"));
        let again = house.app.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!((again.status.as_u16(), house.google.log("/gmail/v1").await.len()), (304, called));
        for nothing in [format!("/attachments/{}/download/", ids[0])] {
            refused(&house.get(&nothing, &ben).await, 404, &[]);
            refused(&house.call(axum::http::Method::GET, &nothing, None, None).await, 401, &[]);
        }
        for nothing in ["/attachments/x/", "/attachments/9/", "/attachments/gatt_1/download/", "/attachments/gup_1/download/", "/attachments/1/download/"] {
            refused(&house.get(nothing, &anna).await, 404, &[]);
        }
    }

    /// Google is away; the mail was deleted; the grant ended.
    async fn what_google_says(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let (_, ids) = house.filed(&anna).await;
        house.google.fault(json!({"path": "/messages/", "status": 503, "times": 1})).await;
        let away = house.download(&anna, &ids[0]).await;
        refused(&away, 503, &[]);
        assert!(!header(&away, "retry-after").is_empty());
        house.app.clock.advance(Duration::from_secs(60));
        assert_eq!(house.download(&anna, &ids[0]).await.status, 200);
        house.google.fault(json!({"path": "/messages/", "status": 404, "times": 1})).await;
        refused(&house.download(&anna, &ids[0]).await, 404, &[]);
        // An access token that ended early is renewed unseen.
        house.google.expire(BRAND).await;
        assert_eq!(house.download(&anna, &ids[0]).await.status, 200);
        house.google.revoke(BRAND).await;
        let ended = house.download(&anna, &ids[0]).await;
        refused(&ended, 409, &[]);
        assert!(ended.body["message"].as_str().unwrap().contains("connected again"), "{}", ended.body);
        let health = house.get("/credentials/", &anna).await;
        assert_eq!(good(&health)["results"][0]["status"], "needs_reconnect");
    }

    /// One's own uploads, by the same path.
    async fn uploads(t) {
        let Some(house) = House::new(t).await else { return };
        let (anna, ben) = (house.app.user("anna").await, house.app.user("ben").await);
        let id = kernel::id::new("gup", house.app.now());
        let blobs = blobs::Blobs::open(&house.app.dir.join("data/files")).unwrap();
        let mut writer = blobs.writer(1000);
        writer.write("要发送的文件".into()).await.unwrap();
        writer.finish(&id).await.unwrap();
        let mut tx = house.app.system.db.begin().await.unwrap();
        tx.exec(
            db::sql!(
                "INSERT INTO gmail_uploads (id, user_id, file_name, mime_type, size, object_key, created_at)
                 VALUES ($1, $2, $3, 'text/html', 18, $1, $4)"
            ),
            db::args![&id, &anna.id, "报价.html", house.app.now()],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let file = house.download(&anna, &id).await;
        assert_eq!((file.status.as_u16(), file.bytes.as_slice()), (200, "要发送的文件".as_bytes()));
        assert_eq!(header(&file, "content-type"), "application/octet-stream");
        assert!(header(&file, "content-disposition").starts_with("attachment; filename*=UTF-8''%E6%8A%A5%E4%BB%B7"));
        assert_eq!(header(&file, "content-security-policy"), "default-src 'none'; sandbox");
        refused(&house.download(&ben, &id).await, 404, &[]);
    }
}
