//! What is kept of callbacks, and for how long.

use channels::douyin;
use db::{args, sql};
use kernel::time::days;
use serde_json::json;
use testkit::app::TestApp;

use crate::{
    accounts::connect,
    callbacks::callback,
    desk::{data, get, supervisor, user},
};

const PATH: &str = "/channel/douyin/callback";

/// A message of Douyin, signed.
fn event(app: &TestApp, id: &str) -> (String, String) {
    let content = json!({"conversation_short_id": "s1", "server_message_id": id, "message_type": "text",
        "text": "有货吗", "create_time": app.now().micros() / 1000});
    let event =
        json!({"event": "im_receive_msg", "from_user_id": "u1", "to_user_id": "shop", "client_key": "ck",
        "content": content})
        .to_string();
    let sign = douyin::App::new("ck", "cs", Vec::new()).unwrap().sign(event.as_bytes());
    (event, sign)
}

async fn count(app: &TestApp) -> (i64, i64) {
    let mut conn = app.system.db.read().await.unwrap();
    let (callbacks,): (i64,) = conn.one(sql!("SELECT COUNT(*) FROM desk_callbacks"), args![]).await.unwrap();
    let (known,): (i64,) = conn.one(sql!("SELECT COUNT(*) FROM desk_inbound"), args![]).await.unwrap();
    (callbacks, known)
}

async fn with_douyin(app: &TestApp) {
    let operator = user(app, "operator", accounts::Role::Operator).await;
    let fields = json!({"clientKey": "ck", "clientSecret": "cs", "openIds": "shop"});
    connect(app, &operator, json!({"kind": "douyin", "name": "d", "fields": fields})).await;
}

testkit::both! {
    &testkit::app::migrations();

    /// What was read is forgotten after its time, what was not later; a message that is not known any more does not come
    /// again, although its signature knows no time; the message itself stays.
    async fn what_was_read_is_forgotten_first(t) {
        let app = TestApp::new(t).await;
        with_douyin(&app).await;
        let (said, sign) = event(&app, "m1");
        let headers = [("X-Douyin-Signature", sign.as_str())];
        assert_eq!(callback(&app, PATH, &headers, said.clone()).await.status, 200);
        let odd = r#"{"content":{}}"#;
        let odd_sign = douyin::App::new("ck", "cs", Vec::new()).unwrap().sign(odd.as_bytes());
        assert_eq!(callback(&app, PATH, &[("X-Douyin-Signature", &odd_sign)], odd).await.status, 200);
        assert_eq!(count(&app).await, (2, 1));
        app.clock.advance(days(29));
        app.system.desk.look_after_channels().await.unwrap();
        assert_eq!(count(&app).await, (2, 1));
        assert_eq!(callback(&app, PATH, &headers, said.clone()).await.status, 200);
        assert_eq!(count(&app).await, (2, 1), "known as long as it would be believed");
        app.clock.advance(days(2));
        app.system.desk.look_after_channels().await.unwrap();
        assert_eq!(count(&app).await, (1, 0), "what nothing came of is left");
        callback(&app, PATH, &headers, said).await.refused(401, &[]);
        let boss = supervisor(&app, "boss").await;
        let list = get(&app, "/sessions", &boss).await;
        assert_eq!(data(&list)[0]["messageCount"], 1);
        app.clock.advance(days(60));
        app.system.desk.look_after_channels().await.unwrap();
        assert_eq!(count(&app).await, (0, 0));
    }

    /// However much there is, it goes: a thousand at a time, each a transaction of its own.
    async fn much_is_forgotten_in_batches(t) {
        let app = TestApp::new(t).await;
        let mut tx = app.system.db.begin().await.unwrap();
        for n in 0..2_500 {
            tx.exec(
                sql!(
                    "INSERT INTO desk_callbacks (id, account_id, once_key, request, received_at)
                     VALUES ($1, 'chan', $1, '{}', $2)"
                ),
                args![format!("cb_{n}"), app.now()],
            )
            .await
            .unwrap();
            tx.exec(
                sql!(
                    "INSERT INTO desk_inbound (account_id, external_id, session_id, message_id, received_at)
                     VALUES ('chan', $1, '', '', $2)"
                ),
                args![format!("m{n}"), app.now()],
            )
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
        assert_eq!(count(&app).await, (2_500, 2_500));
        app.clock.advance(days(31));
        app.system.desk.look_after_channels().await.unwrap();
        assert_eq!(count(&app).await, (0, 0));
    }
}
