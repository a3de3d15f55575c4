//! The keyring's keys come and go under running servers, and nothing is lost, wherever it is cut off.

use std::{
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use app::{keyring, system};
use db::{Db, args, sql};
use serde_json::{Value, json};
use testkit::wecom::Wecom;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    client::{Client, PASSWORD, User, draft},
    eventually, now, pass,
    server::{Home, said},
};

const PHRASE: &str = "zauberwort-nur-fuer-uns";

macro_rules! both {
    ($($name:ident => $scenario:ident;)*) => { $(
        mod $name {
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $scenario(Home::sqlite()).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(home) = Home::postgres().await {
                    $scenario(home).await;
                }
            }
        }
    )* };
}

both! {
    keys_come_and_go_under_a_running_server => rotation;
    a_rotation_that_is_killed_is_finished_later => killed;
    the_channels_accounts_open_under_the_new_key => channels;
}

async fn database(home: &Home) -> Db {
    match home.setting("DATABASE__URL") {
        Some(url) => Db::connect_postgres(url).await.unwrap(),
        None => Db::open_sqlite(&home.data().join("hongyan.db")).unwrap(),
    }
}

async fn sealed(client: &Client, user: &User, text: &str, more: Value) -> String {
    let mut body = draft(text, None);
    let fields = body.as_object_mut().unwrap();
    fields.extend([("content".to_owned(), json!(text)), ("isEncrypted".to_owned(), json!(true))]);
    fields.extend(more.as_object().unwrap().clone());
    client.api("POST", "/mails", user, Some(body)).await["mailId"].as_str().unwrap().to_owned()
}

async fn opens(client: &Client, user: &User, mail: &str, proof: Value) -> Value {
    client.api("POST", &format!("/mails/{mail}/unlock"), user, Some(proof)).await["content"].clone()
}

/// How many values are sealed with each key.
async fn in_use(db: &Db) -> Vec<(u8, i64)> {
    let used = keyring::in_use(db, &system::sealed_tables()).await.unwrap();
    used.into_iter().map(|u| (u.key, u.values)).collect()
}

fn backdate(home: &Home, by: Duration) {
    let file = std::fs::File::options().append(true).open(home.data().join("keyring")).unwrap();
    let micros = u64::try_from(now().micros()).unwrap();
    let time: SystemTime = UNIX_EPOCH + Duration::from_micros(micros) - by;
    file.set_modified(time).unwrap();
}

async fn rotation(home: Home) {
    // A file as it was written before it had a root of its own.
    std::fs::create_dir(home.data()).unwrap();
    let first = format!("1 {}\n", data_encoding::BASE64.encode(&[7; 32]));
    std::fs::write(home.data().join("keyring"), &first).unwrap();
    let server = home.serve().await;
    let client = Client::new(server.address);
    let user = client.register("author").await;
    let (password, phrase) = (json!({"password": PASSWORD}), json!({"passphrase": PHRASE}));
    let one = sealed(&client, &user, "one", json!({})).await;
    let held = sealed(&client, &user, "held", json!({"passphrase": PHRASE})).await;
    let device = json!({"deviceId": "d/1", "platform": "IOS", "token": "push-token"});
    client.api("POST", "/notification/device", &user, Some(device)).await;
    assert!(home.done(&["keyring", "prune"], "").contains("every key is in use"));

    let rotated = home.done(&["keyring", "rotate"], "");
    assert!(rotated.contains("key 2 seals now; 2 values were sealed anew"), "{rotated}");
    let two = sealed(&client, &user, "two", json!({})).await;
    let list = home.done(&["keyring", "list"], "");
    assert_eq!(list, "1\topens\t\n2\tseals\t1 devices, 2 letter_keys\n");
    let early = home.run(&["keyring", "prune"], "");
    assert!(!early.status.success() && said(&early).contains("try again in 16 minutes"), "{}", said(&early));
    backdate(&home, Duration::from_secs(17 * 60));
    assert_eq!(home.done(&["keyring", "prune"], ""), "key 1 is removed\n");
    let text = std::fs::read_to_string(home.data().join("keyring")).unwrap();
    assert!(text.starts_with(&first.replacen('1', "root", 1)) && text.lines().count() == 2);

    // The same server, and one that starts with the new keys: letters open, tokens are good.
    for mail in [(&one, &password, "one"), (&two, &password, "two"), (&held, &phrase, "held")] {
        assert_eq!(opens(&client, &user, mail.0, mail.1.clone()).await, mail.2);
    }
    server.terminate().await;
    let server = home.serve().await;
    client.moved(server.address);
    for mail in [(&one, &password, "one"), (&two, &password, "two"), (&held, &phrase, "held")] {
        assert_eq!(opens(&client, &user, mail.0, mail.1.clone()).await, mail.2);
    }
    assert!(home.done(&["keyring", "rotate"], "").contains("key 3 seals now; 3 values"));
    assert_eq!(opens(&client, &user, &one, password).await, "one");
}

async fn killed(home: Home) {
    let server = home.serve().await;
    let client = Client::new(server.address);
    let user = client.register("author").await;
    let mail = sealed(&client, &user, "one", json!({})).await;
    let db = database(&home).await;
    let ring = keyring::open(&home.data()).unwrap();
    let many = if db.is_shared() { 4_000 } else { 10_000 };
    let mut tx = db.begin().await.unwrap();
    for n in 0..many {
        let letter = format!("mail_{n:026}");
        let wrapped = ring.seal(&format!("letter_keys:{letter}:server"), &[9; 32]).unwrap();
        tx.exec(
            sql!("INSERT INTO letter_keys (letter_id, version, server) VALUES ($1, 1, $2)"),
            args![letter, wrapped],
        )
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(in_use(&db).await, [(1, many + 1)]);

    let mut rotating = home.command(&["keyring", "rotate"]);
    let mut rotating = rotating.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while in_use(&db).await.iter().all(|(key, _)| *key == 1) {
        pass(Duration::from_micros(200)).await;
        assert!(rotating.try_wait().unwrap().is_none(), "it ended before anything was seen");
    }
    rotating.kill().unwrap();
    rotating.wait().unwrap();
    let left = in_use(&db).await;
    assert!(left.iter().any(|(key, n)| *key == 1 && *n > 0), "it was killed too late: {left:?}");
    let password = json!({"password": PASSWORD});
    assert_eq!(opens(&client, &user, &mail, password.clone()).await, "one");

    let finished = home.done(&["keyring", "rotate"], "");
    assert!(finished.contains("not finished; it is now\nkey 2 seals now"), "{finished}");
    assert_eq!(in_use(&db).await, [(2, many + 1)]);
    assert_eq!(opens(&client, &user, &mail, password).await, "one");
    for n in [0, many / 2, many - 1] {
        let letter = format!("mail_{n:026}");
        let (wrapped,): (Vec<u8>,) = db
            .read()
            .await
            .unwrap()
            .one(sql!("SELECT server FROM letter_keys WHERE letter_id = $1"), args![&letter])
            .await
            .unwrap();
        assert_eq!(ring.open(&format!("letter_keys:{letter}:server"), &wrapped).unwrap(), [9; 32]);
    }
    // One that nothing opens is told, and does not keep the others.
    let mut tx = db.begin().await.unwrap();
    let letter = format!("mail_{:026}", 0);
    tx.exec(sql!("UPDATE letter_keys SET server = $2 WHERE letter_id = $1"), args![&letter, vec![1_u8; 80]])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let told = home.run(&["keyring", "rotate"], "");
    assert!(
        !told.status.success() && said(&told).contains(&format!("letter_keys {letter}")),
        "{}",
        said(&told)
    );
    eventually(Duration::from_secs(5), "the server goes on", async || {
        (client.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
}

/// Accounts of channels and tokens that were renewed for them: sealed anew, and the old key is not missed.
async fn channels(home: Home) {
    let home = home.set("DESK__AUTH", "off");
    let server = home.serve().await;
    let client = Client::new(server.address);
    let wecom = Wecom::start(kernel::Clock::system()).await;
    let account = json!({"kind": "wecom", "name": "w", "fields": wecom.fields()});
    let made = client.call("POST", "/api/desk/accounts", None, Some(account)).await.unwrap();
    let id = made.json()["data"]["accountId"].as_str().unwrap().to_owned();
    let (place, pair) = (format!("desk_tokens:{id}:tokens"), b"as a renewal leaves them");
    let sealed = keyring::open(&home.data()).unwrap().seal(&place, pair).unwrap();
    let db = database(&home).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(
        sql!(
            "INSERT INTO desk_tokens (account_id, seed, generation, tokens, expires_at, updated_at)
             VALUES ($1, 'seed', 1, $2, 0, 0)"
        ),
        args![&id, sealed],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(in_use(&db).await, [(1, 1), (1, 1)]);

    let rotated = home.done(&["keyring", "rotate"], "");
    assert!(rotated.contains("key 2 seals now; 2 values were sealed anew"), "{rotated}");
    backdate(&home, Duration::from_secs(17 * 60));
    assert_eq!(home.done(&["keyring", "prune"], ""), "key 1 is removed\n");
    let (sealed,): (Vec<u8>,) = db
        .read()
        .await
        .unwrap()
        .one(sql!("SELECT tokens FROM desk_tokens WHERE account_id = $1"), args![&id])
        .await
        .unwrap();
    assert_eq!(keyring::open(&home.data()).unwrap().open(&place, &sealed).unwrap(), pair);

    // The same server, and one that knows the new key alone: the account's own signature is believed.
    let callback = async |salt: u8| {
        let (query, body) = wecom.callback("kf", salt);
        let path = format!("/wecom/callback?account={id}&{query}");
        let length = body.len();
        let mut stream = tokio::net::TcpStream::connect(client.address()).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: hongyan.test\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("success"), "{answer}");
    };
    callback(1).await;
    server.terminate().await;
    let server = home.serve().await;
    client.moved(server.address);
    callback(2).await;
    let list = client.get("/api/desk/accounts").await.json();
    assert_eq!(list["data"][0]["secrets"], json!(["encodingAesKey", "secret", "token"]));
}
