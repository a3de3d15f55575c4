//! Mails as people read them: lists, threads, one whole; any charset, and HTML that does nothing.

use data_encoding::BASE64;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::{
    app::{PUBLIC_URL, shape},
    google::{BRAND, CREATOR},
};

use crate::{
    house::{House, good, refused},
    mailbag::plain,
};

/// 您好，报价是五百元。 and 报价 in GB18030.
const GB18030: &[u8] = &[
    0xc4, 0xfa, 0xba, 0xc3, 0xa3, 0xac, 0xb1, 0xa8, 0xbc, 0xdb, 0xca, 0xc7, 0xce, 0xe5, 0xb0, 0xd9, 0xd4,
    0xaa, 0xa1, 0xa3,
];

/// A mail of HTML and an image in it.
fn of_html(html: &str) -> String {
    format!(
        "From: Creator One <{CREATOR}>\r\nTo: {BRAND}\r\nSubject: Look\r\nMessage-ID: <look@in.example>\r\n\
         In-Reply-To: <a@in.example>\r\nReferences: <z@in.example> <a@in.example>\r\nReply-To: agent@example.org\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
         --r\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n\
         --r\r\nContent-Type: image/png\r\nContent-ID: <pic@in.example>\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n\
         --r\r\nContent-Type: image/svg+xml\r\nContent-ID: <vector@in.example>\r\n\r\n<svg onload=\"x()\"/>\r\n--r--\r\n",
        BASE64.encode(&testkit::app::png(3, 2))
    )
}

/// Where the images of a mail are served, below `/api/gmail`.
fn sources(html: &str) -> Vec<String> {
    let ours = format!("src=\"{PUBLIC_URL}/api/gmail");
    html.split(&ours).skip(1).map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&")).collect()
}

/// A mail that shows many images of its own.
fn of_images(count: usize) -> String {
    let shown: String = (0..count).map(|n| format!("<img src=\"cid:i{n}@in.example\">")).collect();
    let part = |n: usize| {
        format!(
            "--r\r\nContent-Type: image/png\r\nContent-ID: <i{n}@in.example>\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            BASE64.encode(&testkit::app::png(u32::try_from(n).unwrap() + 1, 2))
        )
    };
    let parts: String = (0..count).map(part).collect();
    format!(
        "From: {CREATOR}\r\nTo: {BRAND}\r\nSubject: Images\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n{shown}\r\n{parts}--r--\r\n"
    )
}

testkit::both! {
    &testkit::app::migrations();

    /// The newest first, by pages, of a thread alone.
    async fn listed(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let id = house.converse(&anna, BRAND, CREATOR).await;
        let quoted = "Agreed.\r\n\r\nOn Mon, 3 Jan 2028 at 10:00, Brand <brand@example.com> wrote:\r\n> 500?\r\n";
        let first = house.keep(BRAND, &[id], &plain("Creator One <creator@example.com>", BRAND, "Rates", quoted)).await;
        let thread = json!(first.thread_id);
        let own = house.keep_in(BRAND, &[id], &plain(BRAND, CREATOR, "Re: Rates", "Fine with us."), thread).await;
        let other = house.keep(BRAND, &[id], &plain(CREATOR, BRAND, "Another matter", &"字".repeat(20_001))).await;
        let path = format!("/conversations/{id}/messages/");
        let list = house.get(&path, &anna).await;
        let ids = |list: &Value| -> Vec<String> {
            list["results"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(good(&list)), [&*other.gmail_id, &*own.gmail_id, &*first.gmail_id]);
        shape(&list.body["results"][2], &json!({
            "id": format!("={}", first.gmail_id), "thread_id": format!("={}", first.thread_id), "direction": "=in",
            "from": {"name": "=Creator One", "email": format!("={CREATOR}")},
            "to": [{"name": null, "email": format!("={BRAND}")}], "cc": json!([]), "subject": "=Rates", "text": "=Agreed.",
            "truncated": false, "has_quoted": true, "has_html": false, "kind": "=reply", "machine": "=none",
            "labels": ["=INBOX"], "attachments": json!([]), "timestamp": "time", "source": null,
        }));
        let (long, sent) = (&list.body["results"][0], &list.body["results"][1]);
        assert_eq!((long["text"].as_str().unwrap().chars().count(), &long["truncated"]), (20_000, &json!(true)));
        assert_eq!((&sent["direction"], &sent["from"]["email"]), (&json!("out"), &json!(BRAND)));
        let whole = house.get(&format!("{path}{}/", other.gmail_id), &anna).await;
        assert_eq!(good(&whole)["text"].as_str().unwrap().chars().count(), 20_001);
        let of_thread = house.get(&format!("{path}?thread_id={}", first.thread_id), &anna).await;
        assert_eq!((good(&of_thread)["count"].clone(), ids(&of_thread.body).len()), (json!(2), 2));
        let page = house.get(&format!("{path}?page=2&page_size=2"), &anna).await;
        assert_eq!((&good(&page)["count"], ids(&page.body)), (&json!(3), vec![first.gmail_id.clone()]));
        refused(&house.get(&format!("{path}?page=x&page_size=0"), &anna).await, 400, &["page", "page_size"]);
        for nothing in ["nothing", "a%00b", "%2e%2e"] {
            refused(&house.get(&format!("{path}{nothing}/"), &anna).await, 404, &[]);
        }

        let threads = house.get(&format!("/conversations/{id}/threads/"), &anna).await;
        assert_eq!(good(&threads)["count"], 2);
        let row = |thread: &str, subject: &str, count: i64, unanswered: bool| json!({
            "thread_id": format!("={thread}"), "subject": format!("={subject}"), "message_count": count,
            "last_message_time": "time", "unanswered": unanswered,
        });
        shape(&threads.body["results"][0], &row(&other.thread_id, "Another matter", 1, true));
        shape(&threads.body["results"][1], &row(&first.thread_id, "Rates", 2, false));
        // An answer of a machine leaves nothing open.
        let away = plain(CREATOR, BRAND, "Re: Rates", "I am away.").replace("MIME-Version", "Auto-Submitted: auto-replied\r\nMIME-Version");
        house.keep_in(BRAND, &[id], &away.replace("Subject: Re: Rates", "Subject: Automatic reply: Rates"), json!(first.thread_id)).await;
        let threads = house.get(&format!("/conversations/{id}/threads/"), &anna).await;
        assert_eq!((&good(&threads)["results"][0]["message_count"], &threads.body["results"][0]["unanswered"]), (&json!(3), &json!(false)));
    }

    /// What was written in GB18030 is read as it was meant.
    async fn charsets(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let id = house.converse(&anna, BRAND, CREATOR).await;
        let raw = format!(
            "From: =?gb18030?B?{}?= <{CREATOR}>\r\nTo: {BRAND}\r\nSubject: =?gb2312?B?{}?=\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=gb18030\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            BASE64.encode(&[0xc0, 0xee, 0xc0, 0xd7]), BASE64.encode(&GB18030[6..10]), BASE64.encode(GB18030),
        );
        let kept = house.keep(BRAND, &[id], &raw).await;
        let read = house.get(&format!("/conversations/{id}/messages/{}/", kept.gmail_id), &anna).await;
        assert_eq!(good(&read)["text"], "您好，报价是五百元。");
        assert_eq!((&read.body["subject"], &read.body["from"]["name"]), (&json!("报价"), &json!("李雷")));
    }

    /// Nothing runs, nothing is submitted, nothing is loaded from elsewhere unless it is asked for; the images of the mail
    /// are served by us.
    async fn html(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let id = house.converse(&anna, BRAND, CREATOR).await;
        let kept = house.keep(BRAND, &[id], &of_html(
            "<html><body onload=\"x()\"><script>alert(1)</script><style>body{background:url(https://t.example/s)}</style>\
             <p style=\"background:url(https://t.example/b);color:red\">Hello</p>\
             <img src=\"https://t.example/pixel.gif?u=1\"><img src=\"cid:pic@in.example\"><img src=\"cid:vector@in.example\">\
             <form action=\"https://t.example/f\"><input name=password></form><iframe src=\"https://t.example/i\"></iframe>\
             <a href=\"javascript:alert(1)\">bad</a> <a href=\"https://fine.example/\">fine</a></body></html>",
        )).await;
        let path = format!("/conversations/{id}/messages/{}/", kept.gmail_id);
        let read = house.get(&path, &anna).await;
        shape(good(&read), &json!({
            "id": "string", "thread_id": "string", "direction": "=in", "from": {"name": "=Creator One", "email": "string"},
            "to": [{"name": null, "email": "string"}], "cc": json!([]), "subject": "=Look", "text": "string",
            "truncated": false, "has_quoted": false, "has_html": true, "kind": "=reply", "machine": "=none",
            "labels": ["string"], "timestamp": "time", "source": null,
            "attachments": [{"id": "id:gatt", "filename": "string", "mime_type": "string", "size": "number", "inline": true}],
            "reply_to": [{"name": null, "email": "=agent@example.org"}], "quoted": "=", "signature": "=", "html": "string",
            "images_left_out": 1, "text_only": false, "message_id": "=look@in.example", "in_reply_to": "=a@in.example",
            "references": ["string"],
        }));
        assert_eq!(read.body["references"], json!(["z@in.example", "a@in.example"]));
        let html = read.body["html"].as_str().unwrap();
        for gone in ["script", "onload", "<form", "<input", "<iframe", "javascript:", "url(", " src=\"https://t.example", "vector@"] {
            assert!(!html.contains(gone), "{gone} in {html}");
        }
        assert!(html.contains("color:red") && html.contains("Hello") && html.contains("https://fine.example/"), "{html}");
        // The image of the mail, as a browser asks for it: without a token.
        let source = sources(html).remove(0);
        let image = house.call(axum::http::Method::GET, &source, None, None).await;
        assert_eq!((image.status.as_u16(), &image.bytes), (200, &testkit::app::png(3, 2)));
        assert_eq!(image.headers["content-type"], "image/png");
        assert_eq!(image.headers["content-disposition"], "inline");
        let lasts = image.headers["cache-control"].to_str().unwrap().strip_prefix("private, max-age=").unwrap();
        assert!((3600..=7200).contains(&lasts.parse::<i64>().unwrap()), "{lasts}");
        let bent = source.replace("tag=", "tag=a");
        refused(&house.call(axum::http::Method::GET, &bent, None, None).await, 401, &[]);
        house.app.clock.advance(std::time::Duration::from_secs(lasts.parse().unwrap()));
        refused(&house.call(axum::http::Method::GET, &source, None, None).await, 401, &[]);
        // Asked for, images from elsewhere come.
        let read = house.get(&format!("{path}?images=1"), &anna).await;
        assert!(good(&read)["html"].as_str().unwrap().contains(" src=\"https://t.example/pixel.gif?u=1\""), "{}", read.body);
        assert_eq!(read.body["images_left_out"], 0);
        refused(&house.get(&format!("{path}?images=maybe"), &anna).await, 400, &["images"]);
    }

    /// However many images a mail shows: they cost one call, whoever asks for them at once, and their addresses stay the same
    /// for a while.
    async fn images(t) {
        let Some(house) = House::new(t).await else { return };
        let anna = house.app.user("anna").await;
        house.connect(&anna, BRAND).await;
        let id = house.converse(&anna, BRAND, CREATOR).await;
        let kept = house.keep(BRAND, &[id], &of_images(20)).await;
        let path = format!("/conversations/{id}/messages/{}/", kept.gmail_id);
        let shown = async || sources(good(&house.get(&path, &anna).await)["html"].as_str().unwrap());
        let all = shown().await;
        assert_eq!(all.len(), 20);
        assert_eq!(shown().await, all);
        let calls = async || house.google.log("/messages/").await.len();
        let before = calls().await;
        let get = |source: &String| {
            let source = source.clone();
            let house = &house;
            async move { house.call(axum::http::Method::GET, &source, None, None).await }
        };
        let images = join_all(all.iter().map(get)).await;
        for (n, image) in (1..).zip(&images) {
            assert_eq!((image.status.as_u16(), &image.bytes), (200, &testkit::app::png(n, 2)), "{n}");
        }
        assert_eq!(calls().await, before + 1);
        // After a minute it is asked for again.
        house.app.clock.advance(std::time::Duration::from_secs(60));
        assert_eq!(get(&all[7]).await.bytes, images[7].bytes);
        assert_eq!(calls().await, before + 2);
    }
}
