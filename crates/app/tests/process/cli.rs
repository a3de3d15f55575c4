//! The command line and the settings, as an operator meets them.

use serde_json::{Value, json};

use crate::{
    client::Client,
    server::{Home, said},
    sink::{Sink, Verdict},
};

/// Fails with exit code 1, and says all of this.
#[track_caller]
fn fails(home: &Home, args: &[&str], input: &str, says: &[&str]) -> String {
    let out = home.run(args, input);
    let said = said(&out);
    assert_eq!(out.status.code(), Some(1), "{args:?}: {said}");
    for what in says {
        assert!(said.contains(what), "{args:?} does not say {what:?}: {said}");
    }
    said
}

fn migrates(home: &Home) {
    let first = home.done(&["migrate"], "");
    let count = first.strip_suffix(" migrations applied\n").unwrap().parse::<usize>().unwrap();
    assert!(count > 0);
    assert_eq!(home.done(&["migrate"], ""), "0 migrations applied\n");
    assert!(home.done(&["doctor"], "").contains("ok   database"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_does_it_once() {
    migrates(&Home::sqlite());
    if let Some(home) = Home::postgres().await {
        migrates(&home);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_names_what_is_amiss() {
    let home = Home::sqlite();
    fails(&home, &["doctor"], "", &["FAIL database", "hongyan migrate"]);
    home.done(&["migrate"], "");
    let report = home.done(&["doctor"], "");
    for what in ["settings", "data folder", "database", "files", "mail"] {
        assert!(report.contains(&format!("ok   {what}: ")), "{report}");
    }

    let away = "postgres://someone:geheim@127.0.0.1:1/none";
    let home = home.set("DATABASE__URL", away);
    let said = fails(&home, &["doctor"], "", &["FAIL database", "database.url (HONGYAN_DATABASE__URL)"]);
    assert!(!said.contains("geheim"), "{said}");
    assert!(said.contains("ok   mail"), "the rest is looked at all the same: {said}");

    let mut sink = Sink::closed(|_, _| Verdict::Accept);
    let home = Home::sqlite().set("MAIL__TRANSPORT", "smtp").set("MAIL__SMTP_URL", &sink.url());
    home.done(&["migrate"], "");
    fails(&home, &["doctor"], "", &["FAIL mail", "mail.smtp_url (HONGYAN_MAIL__SMTP_URL)", "refused"]);
    sink.open();
    home.done(&["doctor"], "");
    assert!(sink.received().is_empty(), "it only looks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_managed_while_the_server_runs() {
    let home = Home::sqlite();
    let server = home.serve().await;
    let client = Client::new(server.address);
    let (email, password) = ("boss@example.com", "pass phrase with spaces");
    let created = home.done(&["user", "create", email, "--username", "The Boss"], &format!("{password}\n"));
    assert!(created.starts_with("user_"), "{created}");
    assert_eq!(client.login(email, password).await.data()["userId"], created.trim());
    fails(&home, &["user", "create", email], "another password", &["registered"]);
    fails(&home, &["user", "create", "short@example.com"], "short", &["8 characters"]);
    fails(&home, &["user", "create", "no address"], password, &["email: must have exactly one @"]);
    fails(&home, &["user", "role", "nobody@example.com", "agent"], "", &["nobody@example.com"]);

    home.done(&["user", "role", email, "operator"], "");
    fails(&home, &["user", "plan", email, "premium", "--until", "soon"], "", &["--until"]);
    home.done(&["user", "plan", email, "premium", "--until", "2099-12-31"], "");
    let boss = crate::client::user(&client.login(email, password).await.data());
    let plan = client.api("GET", "/user/subscription", &boss, None).await;
    assert_eq!(plan["plan"], "PREMIUM", "{plan}");
    client.register("other").await;
    let list = home.done(&["user", "list"], "");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    for what in [created.trim(), email, "operator", "until 2099-12-31T23:59:59", "The Boss"] {
        assert!(lines[0].to_lowercase().contains(&what.to_lowercase()), "no {what} in {list}");
    }
    assert!(lines[1].contains("other@example.com"), "{list}");
    home.done(&["user", "plan", email, "free"], "");
    assert_eq!(client.api("GET", "/user/subscription", &boss, None).await["plan"], "FREE");
}

/// The document in the repository is what clients are made from.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi/hongyan.json");

#[test]
fn the_openapi_document_is_the_committed_one() {
    let printed = Home::sqlite().done(&["openapi"], "");
    let committed = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(
        printed == committed,
        "openapi/hongyan.json is not up to date: cargo run -q -p app -- openapi > openapi/hongyan.json"
    );
    let document: Value = serde_json::from_str(&printed).unwrap();
    assert!(document["paths"]["/api/v1/mails/send-to-future"]["post"].is_object());
    assert!(!printed.contains("tmp"), "nothing of this machine is in it");
}

#[test]
fn wrong_settings_are_named_and_nothing_is_made() {
    let home = Home::sqlite()
        .set("SERVER__LISTN", "127.0.0.1:1")
        .set("LETTERS__MIN_LEAD", "soon")
        .set("DATABASE__URL", "postgres://hongyan:geheim@[::1/letters")
        .set("MAIL__SMTP_URL", "smtp://hongyan:geheim@mail.example.com/path");
    for command in [&["serve"][..], &["migrate"], &["doctor"], &["user", "list"]] {
        let said = fails(
            &home,
            command,
            "",
            &[
                "server.listn (HONGYAN_SERVER__LISTN): is not a setting",
                "letters.min_lead (HONGYAN_LETTERS__MIN_LEAD): ",
                "database.url (HONGYAN_DATABASE__URL): ",
                "mail.smtp_url (HONGYAN_MAIL__SMTP_URL): ",
            ],
        );
        assert!(!said.contains("geheim") && !said.contains("soon"), "no value is repeated: {said}");
    }
    assert!(!home.data().exists(), "nothing is made before the settings are known to be good");

    for url in [
        "postgres://hongyan:geheim@db.example.com:port/letters",
        "postgres://hongyan:geheim@db.example.com/letters?sslmode=maybe",
        "postgres://hongyan:geheim%zz@db.example.com/letters",
        "postgres://hongyan:geheim@/letters?target=geheim",
        "mysql://hongyan:geheim@db.example.com/letters",
        "geheim",
    ] {
        let home = Home::sqlite().set("DATABASE__URL", url);
        let said = fails(&home, &["migrate"], "", &["database.url (HONGYAN_DATABASE__URL): "]);
        assert!(!said.contains("geheim"), "{url}: {said}");
    }
}

#[test]
fn the_settings_file() {
    let home = Home::sqlite();
    let file = home.data().with_file_name("hongyan.toml");
    let path = file.to_str().unwrap();
    let says = |text: &str, says: &[&str]| {
        std::fs::write(&file, text).unwrap();
        // Where the process runs it is found without being named.
        fails(&home, &["migrate"], "", says);
        fails(&home, &["--config", path, "migrate"], "", says)
    };
    says(
        "[letters]\nmin_leed = \"1h\"\n",
        &["letters.min_leed (HONGYAN_LETTERS__MIN_LEED): is not a setting"],
    );
    says("[letters]\ndelivering_lead = [1]\n", &["letters.delivering_lead"]);
    says("[letters\nmin_lead = 1\n", &["hongyan.toml"]);
    let said = says("[database]\nurl = \"postgres://u:geheim@h/d\" geheim\n", &["hongyan.toml"]);
    assert!(!said.contains("geheim"), "{said}");
    std::fs::write(&file, "[mail]\nfrom = \"Letters <letters@example.com>\"\n").unwrap();
    home.done(&["migrate"], "");
    std::fs::remove_file(&file).unwrap();
    fails(&home, &["--config", path, "migrate"], "", &["hongyan.toml", "No such file"]);
}

#[test]
fn what_keeps_the_server_from_starting_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (away, key) = ("postgres://someone:geheim@127.0.0.1:1/none", "/nowhere/dkim.pem");
    for (settings, says) in [
        (&[("SERVER__LISTEN", address.as_str())][..], "server.listen (HONGYAN_SERVER__LISTEN): "),
        (&[("DATA_DIR", "/proc/hongyan")], "data_dir (HONGYAN_DATA_DIR): "),
        (&[("DATABASE__URL", away)], "database.url (HONGYAN_DATABASE__URL): "),
        (&[("DATABASE__URL", "sqlite:/nowhere/hongyan.db")], "database.url (HONGYAN_DATABASE__URL): "),
        (&[("STORAGE__URL", "/proc/hongyan")], "storage.url (HONGYAN_STORAGE__URL): "),
        (
            &[
                ("MAIL__TRANSPORT", "smtp"),
                ("MAIL__SMTP_URL", "smtp://127.0.0.1"),
                ("MAIL__CA_FILE", "/nowhere/ca.pem"),
            ],
            "mail.ca_file (HONGYAN_MAIL__CA_FILE): ",
        ),
        (&[("LOG__LEVEL", "loud=very=")], "log.level (HONGYAN_LOG__LEVEL): "),
        (
            &[("MAIL__DKIM_KEY", key), ("MAIL__DKIM_SELECTOR", "letters")],
            "mail.dkim_key (HONGYAN_MAIL__DKIM_KEY): ",
        ),
    ] {
        let home = settings.iter().fold(Home::sqlite(), |home, (key, value)| home.set(key, value));
        let said = fails(&home, &["serve"], "", &[says]);
        assert!(!said.contains("geheim"), "{said}");
    }
    let home = Home::sqlite();
    home.done(&["migrate"], "");
    std::fs::write(home.data().join("keyring"), "1 not-a-key\n").unwrap();
    let said = fails(&home, &["serve"], "", &["keyring is damaged in line 1"]);
    assert!(!said.contains("not-a-key"), "{said}");
}

#[test]
fn a_mistyped_command_is_explained() {
    let out = Home::sqlite().run(&["sevre"], "");
    assert_eq!(out.status.code(), Some(2));
    assert!(said(&out).contains("serve"), "{}", said(&out));
    let help = Home::sqlite().done(&["--help"], "");
    for command in ["serve", "migrate", "doctor", "user", "openapi"] {
        assert!(help.contains(command), "{help}");
    }
    assert_eq!(json!(Home::sqlite().done(&["--version"], "")), json!("hongyan 0.1.0\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reported_letter_is_taken_down_and_given_back() {
    let home = Home::sqlite();
    let server = home.serve().await;
    let client = Client::new(server.address);
    let (author, friend) = (client.register("author").await, client.register("friend").await);
    let mail = client.send(&author, "Reported", Some(&friend.email), crate::soon()).await;
    client.settled(&author, &mail, "inbox", "done").await;
    let words = json!({"reason": "ABUSE", "text": "he\nthreatens"});
    client.api("POST", &format!("/mails/{mail}/report"), &friend, Some(words)).await;
    let listed = home.done(&["letter", "reports"], "");
    assert!(listed.ends_with(&format!("{mail}\tABUSE\tvisible\tReported\the threatens\n")), "{listed}");

    let taken = home.done(&["letter", "takedown", &mail, "It threatens."], "");
    assert_eq!(taken, format!("{mail} TAKEDOWN\n"));
    assert_eq!(home.done(&["letter", "reports"], ""), "");
    assert!(client.list(&friend, "type=INBOX").await.is_empty());
    let seen = client.api("GET", &format!("/mails/{mail}/deliveries"), &author, None).await;
    assert_eq!(seen["takenDown"]["reason"], "It threatens.");
    client.settled(&author, &mail, "takedown", "done").await;
    let again = home.done(&["letter", "takedown", &mail, "It threatens."], "");
    assert_eq!(again, format!("{mail} TAKEDOWN: nothing to change\n"));

    home.done(&["letter", "restore", &mail, "It was a quotation."], "");
    assert_eq!(client.list(&friend, "type=INBOX").await.len(), 1);
    fails(&home, &["letter", "takedown", "mail_x", "why"], "", &["letter not found"]);
    fails(&home, &["letter", "takedown", &mail, " "], "", &["the reason must be one line"]);
}
