//! What is encrypted is nowhere to be read: not in the data folder, not in a dump of the database, not in the
//! log, not in a mail. The bytes themselves are searched.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use data_encoding::{BASE64, HEXLOWER};
use kernel::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    client::{Client, PASSWORD, User},
    eventually,
    server::{Home, Server},
    soon,
};

const PHRASE: &str = "zauberwort-nur-fuer-uns";
/// What must be found nowhere.
const SECRETS: [&str; 8] = [
    "text-of-the-first-encrypted-letter",
    "text-that-only-a-passphrase-opens",
    "text-that-was-in-the-open-before",
    "text-that-was-readable-by-the-server",
    "亲爱的未来的我，这句话谁也读不到",
    "sound-in-an-encrypted-letter",
    "name-of-a-sealed-file",
    PHRASE,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_in_no_file_on_sqlite() {
    scenario(Home::sqlite(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_in_no_file_and_no_dump_on_postgres() {
    let Some(home) = Home::postgres().await else { return };
    let url = home.setting("DATABASE__URL").expect("a database").to_owned();
    scenario(home, Some(url)).await;
}

async fn scenario(home: Home, dumped: Option<String>) {
    let server = home.clone().set("LOG__LEVEL", "debug").serve().await;
    let client = Client::new(server.address);
    let (author, reader) = (client.register("author").await, client.register("reader").await);
    home.done(&["user", "plan", "author@example.com", "premium"], "");
    let at = soon() + Duration::from_secs(10);

    // That the search can find something.
    let open = letter(&client, &author, json!({"content": "text-for-everybody"})).await;
    assert!(!found(&server, &home, dumped.as_deref(), &["text-for-everybody"]).is_empty());

    let file = upload(&client, &author, &SECRETS[5].repeat(9000), SECRETS[6]).await;
    let attachments = json!([{"type": "VOICE", "url": file["url"]}]);
    let [first, holder, before, server_read, chinese, ..] = SECRETS;
    let mut mails = vec![open];
    for (start, change) in [
        (json!({"content": first, "isEncrypted": true}), None),
        (json!({"content": chinese, "isEncrypted": true, "attachments": attachments}), None),
        (json!({"content": holder, "isEncrypted": true, "passphrase": PHRASE}), None),
        (json!({"content": before}), Some(json!({"isEncrypted": true}))),
        (json!({"content": before.repeat(500)}), Some(json!({"isEncrypted": true, "passphrase": PHRASE}))),
        (json!({"content": server_read, "isEncrypted": true}), Some(json!({"passphrase": PHRASE}))),
    ] {
        let mail = letter(&client, &author, start).await;
        if let Some(change) = change {
            client.api("PUT", &format!("/mails/{mail}"), &author, Some(change)).await;
        }
        mails.push(mail);
    }
    send(&client, &author, &mails, at).await;
    for mail in &mails {
        client.settled(&author, mail, "email", "done").await;
    }
    // Read as well: what opens a letter leaves no trace.
    for (n, mail) in mails.iter().enumerate().skip(1) {
        let proof =
            if n < 3 || n == 4 { json!({"password": PASSWORD}) } else { json!({"passphrase": PHRASE}) };
        let opened = client.api("POST", &format!("/mails/{mail}/unlock"), &reader, Some(proof)).await;
        for attachment in opened["attachments"].as_array().unwrap() {
            let url = attachment["url"].as_str().unwrap().trim_start_matches("http://hongyan.test");
            assert_eq!(client.get(url).await.bytes, sound(&SECRETS[5].repeat(9000)));
        }
    }
    let what = "nothing secret is found any more";
    eventually(Duration::from_secs(20), what, async || {
        found(&server, &home, dumped.as_deref(), &SECRETS).is_empty().then_some(())
    })
    .await;
    let (status, log) = server.terminate().await;
    assert!(status.success());
    for secret in SECRETS {
        assert!(!log.contains(secret), "the log says {secret}");
    }
    assert_eq!(found_in(&home.data(), &SECRETS), Vec::<String>::new());
}

/// A draft to the reader, with these fields.
async fn letter(client: &Client, author: &User, fields: Value) -> String {
    let mut body = json!({"title": "in the open", "recipientType": "SPECIFIC",
        "recipientEmail": "reader@example.com", "status": "DRAFT"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let created = client.api("POST", "/mails", author, Some(body)).await;
    created["mailId"].as_str().unwrap().to_owned()
}

async fn send(client: &Client, author: &User, mails: &[String], at: Timestamp) {
    for mail in mails {
        let body = json!({"mailId": mail, "sendTime": at});
        client.api("POST", "/mails/send-to-future", author, Some(body)).await;
    }
}

fn sound(text: &str) -> Vec<u8> {
    [b"ID3\x04\0\0\0\0\0\0", text.as_bytes()].concat()
}

async fn upload(client: &Client, user: &User, text: &str, name: &str) -> Value {
    let head = format!(
        "--X\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nVOICE\r\n--X\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"{name}.mp3\"\r\n\r\n"
    );
    let body = [head.as_bytes(), &sound(text), b"\r\n--X--\r\n"].concat();
    let mut stream = tokio::net::TcpStream::connect(client.address()).await.unwrap();
    let request = format!(
        "POST /api/v1/upload/attachment HTTP/1.1\r\nHost: hongyan.test\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: {}\r\n\r\n",
        user.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let json: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(json["code"], 200, "{answer}");
    json["data"].clone()
}

/// Where any of these can be read, in any form: log, data folder, dump.
fn found(server: &Server, home: &Home, dumped: Option<&str>, secrets: &[&str]) -> Vec<String> {
    let mut found = found_in(&home.data(), secrets);
    found.extend(secrets.iter().filter(|s| server.log().contains(**s)).map(|s| format!("log: {s}")));
    if let Some(dump) = dumped.and_then(dump) {
        found.extend(readable(&dump, secrets).map(|s| format!("dump: {s}")));
    }
    found
}

fn found_in(folder: &Path, secrets: &[&str]) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.extend(readable(&bytes, secrets).map(|s| format!("{}: {s}", path.display())));
            }
        }
    }
    found
}

fn readable<'a>(bytes: &[u8], secrets: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let hit = |secret: &&&str| forms(secret).iter().any(|form| contains(bytes, form));
    secrets.iter().filter(hit).copied().collect::<Vec<_>>().into_iter()
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| b == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// UTF-8, UTF-16 in both orders, hexadecimal, base64 at each of the three places where it may begin.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let wide = |order: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let mut forms = vec![
        secret.as_bytes().to_vec(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        HEXLOWER.encode(secret.as_bytes()).into_bytes(),
    ];
    for skipped in 0..3 {
        let encoded = BASE64.encode(&[&[b'x'; 2][..skipped], secret.as_bytes()].concat());
        // Without what depends on the neighbours; and no longer than a mail's line can hold in one piece.
        forms.push(encoded.as_bytes()[4..24].to_vec());
    }
    forms
}

/// The schema that the URL names, as text; `None` where there is no `pg_dump`.
fn dump(url: &str) -> Option<Vec<u8>> {
    let (server, schema) = url.rsplit_once("options=-csearch_path%3D")?;
    let bin = std::env::var_os("HONGYAN_TEST_PG_BIN");
    let program = bin.map_or_else(|| PathBuf::from("pg_dump"), |bin| Path::new(&bin).join("pg_dump"));
    let out = Command::new(program)
        .arg(format!("--dbname={}", server.trim_end_matches(['?', '&'])))
        .arg(format!("--schema={schema}"))
        .output();
    match out {
        Ok(out) => {
            assert!(out.status.success(), "pg_dump: {}", String::from_utf8_lossy(&out.stderr));
            Some(out.stdout)
        }
        Err(error) => {
            eprintln!("skipped: pg_dump: {error}");
            None
        }
    }
}
