//! What is written and read without Google.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn client() -> ClientSecret {
    let file = json!({"web": {"client_id": "cid", "client_secret": "geheim"}});
    ClientSecret::read(&file.to_string(), &Endpoints::default()).unwrap()
}

#[test]
fn the_authorization_url() {
    let web = Web::new(&crate::web_settings()).unwrap();
    let oauth = OAuth::new(&web, Arc::default(), Clock::system());
    // RFC 7636, appendix B.
    let pkce = Pkce::from_verifier(Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned()));
    let (client, state) = (client(), Secret::new("st".to_owned()));
    let redirect_uri = "https://desk.example/cb/?a=1&b";
    let ask = Ask { client: &client, redirect_uri, state: &state, pkce: &pkce, login_hint: Some("a+b@x.cn") };
    let url = url::Url::parse(&oauth.authorize_url(&ask)).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let get = |name: &str| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
    assert_eq!(url.host_str(), Some("accounts.google.com"));
    for (name, value) in [
        ("client_id", "cid"),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", "https://www.googleapis.com/auth/gmail.modify openid email"),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("include_granted_scopes", "true"),
        ("state", "st"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("login_hint", "a+b@x.cn"),
    ] {
        assert_eq!(get(name), Some(value), "{name}");
    }
    assert!(!url.as_str().contains("geheim"));
}

#[test]
fn verifiers_are_random_and_of_the_right_form() {
    let (a, b) = (Pkce::random().unwrap(), Pkce::random().unwrap());
    assert_ne!(a, b);
    assert_eq!(a.verifier().expose().len(), 43);
    assert!(!format!("{a:?}").contains(a.verifier().expose()));
}

#[test]
fn what_people_paste() {
    let read = |text: &str| Returned::read(text).map(|r| (r.code, r.state));
    let code = Secret::new("4/0Ab_c-d".to_owned());
    let state = Some(Secret::new("s 1".to_owned()));
    for (text, state) in [
        ("4/0Ab_c-d", None),
        ("  4%2F0Ab_c-d\n", None),
        ("http://localhost/?state=s+1&code=4%2F0Ab_c-d&scope=email%20openid", state.clone()),
        ("https://desk.example/cb/?code=4/0Ab_c-d&state=s%201#top", state.clone()),
        ("?code=4/0Ab_c-d&state=s%201", state),
        ("code=4/0Ab_c-d", None),
    ] {
        assert_eq!(read(text), Ok((code.clone(), state)), "{text}");
    }
    for (text, says) in [
        ("http://localhost/?error=access_denied&state=1", "access_denied"),
        ("http://localhost/?error=%0d%0aevil", "consent_failed"),
        ("http://localhost/", "no_code"),
        ("http://localhost/?state=1", "no_code"),
        ("http://localhost/?code=", "no_code"),
        ("", "no_code"),
        ("two words", "no_code"),
        ("https://localhost/?code=a%00b", "no_code"),
    ] {
        let Err(Error::Permanent { code, .. }) = Returned::read(text) else { panic!("{text}") };
        assert_eq!(code, says, "{text}");
    }
}

#[test]
fn what_was_not_granted() {
    let missing = |words: &str| Scopes::from(words.to_owned()).missing().len();
    assert_eq!(
        missing(
            "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/gmail.modify"
        ),
        0
    );
    assert_eq!(missing("https://mail.google.com/"), 0);
    assert_eq!(missing("openid email https://www.googleapis.com/auth/gmail.readonly"), 1);
    assert_eq!(missing(""), 1);
}

proptest! {
    #[test]
    fn no_paste_panics(text: String) {
        let _ = Returned::read(&text);
        let _ = Returned::read(&format!("http://localhost/?code={text}"));
    }
}
