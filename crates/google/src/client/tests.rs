//! Files of Google's console, and what people take for them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const CALLBACK: &str = "https://desk.example/api/gmail/auth/callback/";

fn web() -> Value {
    json!({"web": {
        "client_id": "1-x.apps.googleusercontent.com", "project_id": "outreach-1",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_secret": "GOCSPX-geheim", "redirect_uris": [CALLBACK, "http://localhost:3000/x"],
        "javascript_origins": ["https://desk.example"],
    }})
}

fn installed() -> Value {
    json!({"installed": {"client_id": "2-y", "client_secret": "GOCSPX-z", "redirect_uris": ["http://localhost"]}})
}

fn read(value: &Value) -> Result<ClientSecret, InvalidClient> {
    ClientSecret::read(&value.to_string(), &Endpoints::default())
}

fn with(mut value: Value, field: &str, new: Value) -> Value {
    value["web"][field] = new;
    value
}

#[test]
fn both_shapes() {
    let client = read(&web()).unwrap();
    assert_eq!((client.kind, client.project_id.as_deref()), (Kind::Web, Some("outreach-1")));
    assert_eq!(client.secret.expose(), "GOCSPX-geheim");
    assert!(!format!("{client:?}").contains("geheim"));
    assert_eq!(read(&installed()).unwrap().kind, Kind::Installed);
}

#[test]
fn other_files_are_refused_by_name() {
    for (file, field, says) in [
        (
            json!({"type": "service_account", "client_email": "x@y", "private_key": "…"}),
            "type",
            "service account",
        ),
        (json!({"type": "authorized_user", "refresh_token": "…"}), "type", "user's own"),
        (json!({"api_key": "x"}), "", "API key"),
        (json!("AIzaSyA0123456789012345678901234567890a"), "", "API key"),
        (
            with(web(), "client_id", json!("AIzaSyA0123456789012345678901234567890a")),
            "web.client_id",
            "API key",
        ),
        (json!({"web": {}, "installed": {}}), "", "not both"),
        (json!({"web": 1}), "web", "object"),
        (json!({"client_id": "x"}), "", "`web` or `installed`"),
        (json!([]), "", "object"),
        (with(web(), "client_id", json!("")), "web.client_id", "1 to 512"),
        (with(web(), "client_secret", json!(7)), "web.client_secret", "text"),
        (with(web(), "client_secret", Value::Null), "web.client_secret", "missing"),
        (with(web(), "client_id", json!("a\r\nb")), "web.client_id", "visible"),
        (with(web(), "redirect_uris", json!("x")), "web.redirect_uris", "list"),
    ] {
        let error = read(&file).unwrap_err();
        assert_eq!(error.field, field, "{file}: {error}");
        assert!(error.reason.contains(says) && !error.reason.contains("geheim"), "{file}: {error}");
    }
    let bare = ClientSecret::read("AIzaSyA0123456789012345678901234567890a", &Endpoints::default());
    assert!(bare.unwrap_err().reason.contains("API key"));
}

#[test]
fn a_file_leads_nowhere_else() {
    for (field, uri) in [
        ("token_uri", "https://evil.example/token"),
        ("token_uri", "https://oauth2.googleapis.com.evil.example/token"),
        ("token_uri", "http://oauth2.googleapis.com/token"),
        ("token_uri", "http://169.254.169.254/"),
        ("auth_uri", "https://accounts.google.com.evil.example/o/oauth2/auth"),
    ] {
        let error = read(&with(web(), field, json!(uri))).unwrap_err();
        assert_eq!(error.field, format!("web.{field}"));
        assert!(error.reason.starts_with("must be https://") && !error.reason.contains("evil"), "{error}");
    }
    // With endpoints of our own even Google's are others.
    let own = Endpoints { token_uri: "http://127.0.0.1:9/token".to_owned(), ..Endpoints::default() };
    assert_eq!(ClientSecret::read(&web().to_string(), &own).unwrap_err().field, "web.token_uri");
}

#[test]
fn where_the_browser_comes_back() {
    let client = read(&web()).unwrap();
    let uri = |r: Result<Redirect, InvalidClient>| r.map(|r| (r.uri, r.ours)).map_err(|e| e.field);
    assert_eq!(uri(client.redirect(None, CALLBACK)), Ok((CALLBACK.to_owned(), true)));
    assert_eq!(uri(client.redirect(None, "https://other.example/cb")), Ok((CALLBACK.to_owned(), false)));
    let local = "http://localhost:3000/x";
    assert_eq!(uri(client.redirect(Some(local), CALLBACK)), Ok((local.to_owned(), false)));
    assert_eq!(uri(client.redirect(Some("https://evil.example"), CALLBACK)), Err("redirect_uri".to_owned()));

    let fresh = read(&with(web(), "redirect_uris", Value::Null)).unwrap();
    assert_eq!(uri(fresh.redirect(None, CALLBACK)), Ok((CALLBACK.to_owned(), true)));
    let useless = read(&with(web(), "redirect_uris", json!(["urn:ietf:wg:oauth:2.0:oob"]))).unwrap();
    assert_eq!(uri(useless.redirect(None, CALLBACK)), Err("web.redirect_uris".to_owned()));

    let app = read(&installed()).unwrap();
    let ours = "http://127.0.0.1:5003/api/gmail/auth/callback/";
    assert_eq!(uri(app.redirect(None, ours)), Ok((ours.to_owned(), true)));
    assert_eq!(uri(app.redirect(None, CALLBACK)), Ok(("http://localhost".to_owned(), false)));
    for far in ["http://127.0.0.1.evil.example/", "https://evil.example/", "http://localhost@evil.example/"] {
        assert!(app.redirect(Some(far), ours).is_err(), "{far}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text: String) {
        let _ = ClientSecret::read(&text, &Endpoints::default());
    }

    #[test]
    fn no_redirect_panics(wanted: String, listed in proptest::collection::vec(".{0,40}", 0..4)) {
        let client = read(&with(web(), "redirect_uris", json!(listed))).unwrap();
        let _ = client.redirect(Some(&wanted), CALLBACK);
        let _ = client.redirect(None, &wanted);
    }
}
