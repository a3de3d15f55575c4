//! The channels' accounts, as operators keep them.

use accounts::Role;
use axum::http::Method;
use serde_json::{Value, json};
use testkit::{
    app::{TestApp, User},
    wecom::Wecom,
};

use crate::desk::{call, data, get, post, supervisor, user};

/// Connects an account; its id.
pub async fn connect(app: &TestApp, operator: &User, body: Value) -> String {
    let answer = post(app, "/desk/accounts", operator, body).await;
    data(&answer)["accountId"].as_str().unwrap().to_owned()
}

/// Connects WeCom; its id.
pub async fn connect_wecom(app: &TestApp, wecom: &Wecom, more: &[(&str, &str)]) -> String {
    let operator = user(app, "operator", Role::Operator).await;
    let mut fields = wecom.fields();
    fields.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    connect(app, &operator, json!({"kind": "wecom", "name": "主号", "fields": fields})).await
}

testkit::both! {
    &testkit::app::migrations();

    /// Secrets go in and never come out; everything else can be read and changed.
    async fn secrets_are_written_never_read(t) {
        let app = TestApp::new(t).await;
        let operator = user(&app, "operator", Role::Operator).await;
        let fields = json!({"clientKey": "key", "clientSecret": "top-secret", "openIds": "a,b"});
        let body = json!({"kind": "douyin", "name": "店", "fields": fields});
        let id = connect(&app, &operator, body).await;
        let list = get(&app, "/desk/accounts", &operator).await;
        let one = &data(&list)[0];
        assert_eq!(one["accountId"], id.as_str());
        assert_eq!(one["fields"], json!({"clientKey": "key", "openIds": "a,b"}));
        assert_eq!(one["secrets"], json!(["clientSecret"]));
        assert_eq!(one["callbackPath"], format!("/channel/douyin/callback?account={id}"));
        assert!(!list.body.to_string().contains("top-secret"));
        let path = format!("/desk/accounts/{id}");
        let change = json!({"enabled": false, "fields": {"openIds": "", "accessToken": "t"}});
        let changed = call(&app, Method::PATCH, &path, Some(&operator), Some(change)).await;
        assert_eq!(data(&changed)["fields"], json!({"clientKey": "key"}));
        assert_eq!(data(&changed)["secrets"], json!(["accessToken", "clientSecret"]));
        assert_eq!(data(&changed)["enabled"], false);
        let without = json!({"fields": {"clientSecret": ""}});
        let refused = call(&app, Method::PATCH, &path, Some(&operator), Some(without)).await;
        refused.refused(422, &["fields.clientSecret"]);
        data(&call(&app, Method::DELETE, &path, Some(&operator), None).await);
        call(&app, Method::DELETE, &path, Some(&operator), None).await.refused(404, &[]);
    }

    /// Whatever is wrong is named at once, and only operators connect anything.
    async fn what_is_wrong_is_named(t) {
        let app = TestApp::new(t).await;
        let operator = user(&app, "operator", Role::Operator).await;
        let boss = supervisor(&app, "boss").await;
        get(&app, "/desk/accounts", &boss).await.refused(403, &[]);
        let body = json!({"kind": "wecom", "name": "x", "fields": {"token": "t", "encodingAesKey": "short"}});
        let refused = post(&app, "/desk/accounts", &operator, body).await;
        refused.refused(422, &["fields.corpId", "fields.encodingAesKey", "fields.secret"]);
        let body = json!({"kind": "bridge", "name": "x", "fields": {"secret": "0123456789abcdef"}});
        post(&app, "/desk/accounts", &operator, body).await.refused(400, &["channelType"]);
    }
}
