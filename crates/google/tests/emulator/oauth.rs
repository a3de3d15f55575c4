//! Consent, tokens, revocation.

use std::sync::Arc;

use google::{Error, Pkce, Secret};
use serde_json::json;
use testkit::google::{BRAND, CREATOR};

use crate::account::{CALLBACK, House};

#[tokio::test]
async fn consent_gives_tokens_of_the_account_that_was_chosen() {
    let Some(house) = House::new() else { return };
    let grant = house.grant(BRAND).await;
    assert!(grant.scopes.missing().is_empty(), "{:?}", grant.scopes);
    assert_eq!(grant.access.expires_at.since(house.clock.now()).as_secs(), 3600);
    let refresh = grant.refresh.unwrap();
    let again = house.oauth.refresh(&house.client, &refresh).await.unwrap();
    assert_ne!(again.access.secret, grant.access.secret);

    let profile = house.connected(CREATOR).await.profile().await.unwrap();
    assert_eq!((profile.address.as_str(), profile.messages), (CREATOR, 0));
    let profile = house.connected(BRAND).await.profile().await.unwrap();
    assert_eq!((profile.address.as_str(), profile.messages), (BRAND, 1));
}

#[tokio::test]
async fn boxes_that_were_unticked_are_seen() {
    let Some(house) = House::new() else { return };
    let grant = house.grant_to(BRAND, "openid email").await;
    assert_eq!(grant.scopes.missing(), ["https://www.googleapis.com/auth/gmail.modify"]);
    let error = house.mailbox(BRAND, Arc::new(grant.access)).profile().await.unwrap_err();
    assert!(matches!(&error, Error::Permanent { code, .. } if code == "insufficientPermissions"), "{error}");
}

#[tokio::test]
async fn a_code_works_once_for_whoever_asked() {
    let Some(house) = House::new() else { return };
    let (returned, pkce) = house.consent(BRAND).await;
    let code = &returned.code;
    let other = Pkce::random().unwrap();
    let stolen = house.oauth.exchange(&house.client, code, CALLBACK, &other).await.unwrap_err();
    assert!(matches!(stolen, Error::Reauthorize { .. }), "{stolen}");
    let elsewhere = house.oauth.exchange(&house.client, code, "http://localhost", &pkce).await.unwrap_err();
    assert!(
        matches!(&elsewhere, Error::Permanent { code, .. } if code == "redirect_uri_mismatch"),
        "{elsewhere}"
    );
    house.oauth.exchange(&house.client, code, CALLBACK, &pkce).await.unwrap();
    let twice = house.oauth.exchange(&house.client, code, CALLBACK, &pkce).await.unwrap_err();
    assert!(matches!(twice, Error::Reauthorize { .. }), "{twice}");
}

#[tokio::test]
async fn a_wrong_secret_is_the_clients_fault_and_not_the_accounts() {
    let Some(house) = House::new() else { return };
    let refresh = house.grant(BRAND).await.refresh.unwrap();
    let mut client = house.client.clone();
    client.secret = Secret::new("wrong".to_owned());
    let error = house.oauth.refresh(&client, &refresh).await.unwrap_err();
    assert!(matches!(&error, Error::Permanent { code, .. } if code == "invalid_client"), "{error}");
    house.oauth.refresh(&house.client, &refresh).await.unwrap();
}

#[tokio::test]
async fn an_outage_ends_no_grant() {
    let Some(house) = House::new() else { return };
    let refresh = house.grant(BRAND).await.refresh.unwrap();
    for fault in [
        json!({"path": "^/token$", "status": 503}),
        json!({"path": "^/token$", "status": 429, "headers": {"Retry-After": "7"}}),
        json!({"path": "^/token$", "status": 400, "body": {"error": "internal_failure"}}),
        json!({"path": "^/token$", "dropAfter": true}),
    ] {
        house.emulator.fault(fault.clone()).await;
        let error = house.oauth.refresh(&house.client, &refresh).await.unwrap_err();
        assert!(matches!(error, Error::Retry { .. }), "{fault}: {error:?}");
    }
    house.oauth.refresh(&house.client, &refresh).await.unwrap();
}

#[tokio::test]
async fn a_grant_that_was_ended_is_ended_and_twice_is_no_error() {
    let Some(house) = House::new() else { return };
    let refresh = house.grant(BRAND).await.refresh.unwrap();
    house.oauth.revoke(&refresh).await.unwrap();
    let error = house.oauth.refresh(&house.client, &refresh).await.unwrap_err();
    assert!(matches!(error, Error::Reauthorize { .. }), "{error}");
    house.oauth.revoke(&refresh).await.unwrap();

    let refresh = house.grant(CREATOR).await.refresh.unwrap();
    house.emulator.revoke(CREATOR).await;
    let error = house.oauth.refresh(&house.client, &refresh).await.unwrap_err();
    assert!(matches!(error, Error::Reauthorize { .. }), "{error}");
}
