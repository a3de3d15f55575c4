//! Drafts: the two routes that make them, changing and deleting them, and how a bad request is refused.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::app::{TestApp, shape};

use crate::helpers::*;

testkit::both! {
    &[];

    /// `POST /mails` needs `status: DRAFT` and neither time nor trigger; `POST /mails/create` the other way.
    async fn two_routes_make_a_draft(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let least = json!({"title": "t", "content": "c", "recipientType": "SELF"});
        app.post("/mails", &user, least.clone()).await.refused(400, &["status"]);
        for status in ["PENDING", "DELIVERED", "REVOKED", "draft"] {
            let body = with(least.clone(), json!({"status": status}));
            app.post("/mails", &user, body).await.refused(400, &["status"]);
        }
        app.post("/mails/create", &user, least.clone()).await.refused(400, &["sendTime", "triggerType"]);

        let capsule = app.post("/mails", &user, with(least.clone(), json!({"status": "DRAFT"}))).await;
        let future = json!({"sendTime": "2036-01-01T00:00:00Z", "triggerType": "TIME", "status": "PENDING"});
        let future = app.post("/mails/create", &user, with(least, future)).await;
        for answer in [&capsule, &future] {
            shape(
                answer.data(),
                &json!({"mailId": "id:mail", "capsuleId": "id:capsule", "status": "=DRAFT",
                "createdAt": "time"}),
            );
        }
        let detail = app.detail(&user, &mail_id(&capsule)).await;
        for (field, default) in [
            ("sendTime", Value::Null),
            ("triggerType", Value::Null),
            ("triggerCondition", json!({})),
            ("attachments", json!([])),
            ("isEncrypted", json!(false)),
            ("capsuleStyle", json!("default")),
        ] {
            assert_eq!(detail[field], default, "{field}");
        }
    }

    /// Later than now, in creating and in changing; the boundary is not.
    async fn a_time_is_later_than_now(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        for late in [app.now(), app.now() - MICRO, at("1970-01-01T00:00:00Z")] {
            let time = json!({"sendTime": late});
            app.post("/mails", &user, with(capsule(), time.clone())).await.refused(422, &["sendTime"]);
            app.post("/mails/create", &user, with(future_mail(), time.clone()))
                .await
                .refused(422, &["sendTime"]);
            app.put(&format!("/mails/{mail}"), &user, time).await.refused(422, &["sendTime"]);
        }
        let time = json!({"sendTime": app.now() + MICRO});
        app.post("/mails", &user, with(capsule(), time.clone())).await.data();
        app.post("/mails/create", &user, with(future_mail(), time.clone())).await.data();
        app.put(&format!("/mails/{mail}"), &user, time).await.data();
    }

    /// A draft whose time has passed stays a draft, and its other fields can be changed.
    async fn a_draft_outlives_its_time(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({"sendTime": app.now() + MINUTE})).await;
        assert_eq!(app.advance_to(app.now() + 2 * HOUR).await, 0);
        app.put(&format!("/mails/{mail}"), &user, json!({"title": "later"})).await.data();
        let detail = app.detail(&user, &mail).await;
        assert_eq!((&detail["status"], &detail["title"]), (&json!("DRAFT"), &json!("later")));
        assert_eq!(detail["sendTime"], "2028-01-15T12:01:00Z");
    }

    /// Absent fields and nulls stay as they were.
    async fn an_update_changes_what_it_names(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = mail_id(&app.post("/mails", &user, capsule()).await);
        let before = app.detail(&user, &mail).await;
        let path = format!("/mails/{mail}");
        app.put(&path, &user, json!({})).await.data();
        let nulls = json!({"title": null, "content": null, "sendTime": null, "attachments": null});
        app.put(&path, &user, nulls).await.data();
        assert_eq!(app.detail(&user, &mail).await, before);
        app.put(&path, &user, json!({"capsuleStyle": "jade"})).await.data();
        let mut styled = before;
        styled["capsuleStyle"] = json!("jade");
        assert_eq!(app.detail(&user, &mail).await, styled);
        // To somebody, and back to oneself: the address is forgotten.
        app.put(&path, &user, json!({"recipientType": "SPECIFIC"})).await.refused(422, &["recipientEmail"]);
        let to = json!({"recipientType": "SPECIFIC", "recipientEmail": "li@example.com"});
        app.put(&path, &user, to).await.data();
        app.put(&path, &user, json!({"recipientType": "SELF"})).await.data();
        app.put(&path, &user, json!({"recipientType": "SPECIFIC"})).await.refused(422, &["recipientEmail"]);
        app.put(&path, &user, json!({"status": "DELIVERED", "mailId": "mail_1"})).await.data();
        assert_eq!(app.detail(&user, &mail).await["status"], "DRAFT");
    }

    /// Drafts only; in any other state 422 with `errors.status`. Others' letters do not exist.
    async fn only_drafts_are_changed_and_deleted(t) {
        let app = TestApp::new(t).await;
        let (user, other) = (zhangsan(&app).await, app.user("other").await);
        let mail = app.draft(&user, json!({})).await;
        let path = format!("/mails/{mail}");
        app.put(&path, &other, json!({"title": "mine"})).await.refused(404, &[]);
        app.delete(&path, &other).await.refused(404, &[]);
        let send = app.now() + 2 * HOUR;
        app.schedule(&user, &mail, send).await.data();
        for (now, status) in [(app.now(), "PENDING"), (send - MINUTE, "DELIVERING"), (send, "DELIVERED")] {
            app.advance_to(now).await;
            assert_eq!(app.detail(&user, &mail).await["status"], status);
            app.put(&path, &user, json!({"title": "changed"})).await.refused(422, &["status"]);
            app.delete(&path, &user).await.refused(422, &["status"]);
        }
        assert_eq!(app.detail(&user, &mail).await["title"], "写给未来的自己");
        let draft = app.draft(&user, json!({})).await;
        app.delete(&format!("/mails/{draft}"), &user).await.data();
        app.delete(&format!("/mails/{draft}"), &user).await.refused(404, &[]);
        app.put(&format!("/mails/{draft}"), &user, json!({})).await.refused(404, &[]);
    }

    /// 400: missing, of another type, not one of the values.
    async fn malformed_fields_are_400(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        for (field, values) in [
            ("title", json!([null, 7, true, [], {}])),
            ("content", json!([null, 7, {}])),
            ("recipientType", json!([null, "EVERYBODY", "self", 1, ""])),
            ("recipientEmail", json!([7, [], {}])),
            (
                "sendTime",
                json!([null, 7, "tomorrow", "2036-10-16", "2036-10-16T08:03:58", "2036-02-30T00:00:00Z"]),
            ),
            ("triggerType", json!([null, "NEVER", 7, ""])),
            ("triggerCondition", json!(["x", 7, []])),
            ("attachments", json!(["x", {}, 7])),
            ("isEncrypted", json!(["yes", 1, "true"])),
            ("capsuleStyle", json!([7, {}])),
        ] {
            for value in values.as_array().unwrap() {
                let mut body = future_mail();
                body[field] = value.clone();
                let answer = app.post("/mails/create", &user, body).await;
                assert_eq!(answer.status, 400, "{field} {value}: {}", answer.body);
                answer.refused(400, &[field]);
            }
        }
        assert!(app.list(&user, "").await.is_empty());
    }

    /// 422: well formed, but against a rule.
    async fn broken_rules_are_422(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let long = "长".repeat(201);
        let url = |url: &str| json!([{"type": "IMAGE", "url": url}]);
        for (field, change) in [
            ("title", json!({"title": ""})),
            ("title", json!({"title": " \t "})),
            ("title", json!({"title": long})),
            ("title", json!({"title": "a\u{0}b"})),
            ("title", json!({"title": "a\r\nBcc: b"})),
            ("content", json!({"content": " \n"})),
            ("content", json!({"content": "长".repeat(200_001)})),
            ("content", json!({"content": "a\u{0}"})),
            ("recipientEmail", json!({"recipientType": "SPECIFIC"})),
            ("recipientEmail", json!({"recipientType": "SPECIFIC", "recipientEmail": ""})),
            ("recipientEmail", json!({"recipientType": "SPECIFIC", "recipientEmail": "nobody"})),
            ("recipientEmail", json!({"recipientType": "SPECIFIC", "recipientEmail": "a@b@c.example"})),
            ("recipientEmail", json!({"recipientType": "SPECIFIC", "recipientEmail": "a@b.c\r\nBcc: d@e.f"})),
            ("capsuleStyle", json!({"capsuleStyle": "x".repeat(65)})),
            (
                "triggerCondition.location.latitude",
                json!({"triggerCondition": {"location": {"latitude": 90.1}}}),
            ),
            (
                "triggerCondition.location.longitude",
                json!({"triggerCondition": {"location": {"longitude": -180.5}}}),
            ),
            (
                "triggerCondition.location.city",
                json!({"triggerCondition": {"location": {"city": "x".repeat(101)}}}),
            ),
            (
                "triggerCondition.event.keywords",
                json!({"triggerCondition": {"event": {"keywords": vec!["k"; 51]}}}),
            ),
            (
                "attachments",
                json!({"attachments": vec![json!({"type": "IMAGE", "url": "https://a.example/"}); 21]}),
            ),
            ("attachments[0].url", json!({"attachments": url("javascript:alert(1)")})),
            ("attachments[0].url", json!({"attachments": url("/etc/passwd")})),
            (
                "attachments[0].url",
                json!({"attachments": url(&format!("https://a.example/{}", "x".repeat(2048)))}),
            ),
        ] {
            let answer = app.post("/mails/create", &user, with(future_mail(), change)).await;
            answer.refused(422, &[field]);
        }
        assert!(app.list(&user, "").await.is_empty());
        let edge = json!({"title": "长".repeat(200), "triggerCondition":
            {"location": {"latitude": -90, "longitude": 180}}});
        app.post("/mails/create", &user, with(future_mail(), edge)).await.data();
    }

    /// All at once, nested ones by their path; 400 as soon as one of them is malformed.
    async fn every_bad_field_is_named_at_once(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let rules = json!({
            "title": "", "content": "", "recipientType": "SPECIFIC", "sendTime": "2020-01-01T00:00:00Z",
            "triggerType": "TIME", "capsuleStyle": "",
            "triggerCondition": {"location": {"latitude": 91, "longitude": 181}},
            "attachments": [{"type": "IMAGE", "url": "x"}, {"type": "IMAGE", "url": "https://a.example/",
                "thumbnail": "y"}]
        });
        let named = [
            "attachments[0].url",
            "attachments[1].thumbnail",
            "capsuleStyle",
            "content",
            "recipientEmail",
            "sendTime",
            "title",
            "triggerCondition.location.latitude",
            "triggerCondition.location.longitude",
        ];
        app.post("/mails/create", &user, rules.clone()).await.refused(422, &named);
        app.post("/mails", &user, with(rules.clone(), json!({"status": "DRAFT"}))).await.refused(422, &named);
        let malformed = with(
            rules,
            json!({
                "status": 7, "isEncrypted": 1, "triggerType": "SOMEDAY",
                "triggerCondition": {"location": {"latitude": "north"}, "event": {"keywords": [7], "type": 8}},
                "attachments": [{"type": "FILE"}, 7]
            }),
        );
        let named = [
            "attachments[0].type",
            "attachments[0].url",
            "attachments[1]",
            "capsuleStyle",
            "content",
            "isEncrypted",
            "recipientEmail",
            "sendTime",
            "status",
            "title",
            "triggerCondition.event.keywords",
            "triggerCondition.event.type",
            "triggerCondition.location.latitude",
            "triggerType",
        ];
        app.post("/mails", &user, malformed.clone()).await.refused(400, &named);
        let mail = app.draft(&user, json!({})).await;
        let named: Vec<&str> =
            named.into_iter().filter(|f| !["status", "recipientEmail"].contains(f)).collect();
        app.put(&format!("/mails/{mail}"), &user, malformed).await.refused(400, &named);
    }

    /// Without a token or with a bad one: 401 on every route of one's own.
    async fn a_token_is_needed(t) {
        let app = TestApp::new(t).await;
        let user = zhangsan(&app).await;
        let mail = app.draft(&user, json!({})).await;
        let one = format!("/mails/{mail}");
        for (method, path) in [
            (Method::POST, "/mails"),
            (Method::POST, "/mails/create"),
            (Method::GET, "/mails"),
            (Method::POST, "/mails/send-to-future"),
            (Method::PUT, one.as_str()),
            (Method::DELETE, one.as_str()),
            (Method::POST, &format!("{one}/revoke")),
            (Method::POST, &format!("{one}/unlock")),
            (Method::GET, &format!("{one}/deliveries")),
            (Method::GET, "/capsules"),
            (Method::PUT, "/capsules/capsule_1/style"),
            (Method::POST, "/upload/attachment"),
            (Method::GET, "/events"),
        ] {
            for token in [None, Some("a.b.c")] {
                let answer = app.call(method.clone(), path, token, Some(json!({}))).await;
                answer.refused(401, &[]);
                assert_eq!(answer.headers["www-authenticate"], "Bearer", "{method} {path}");
            }
        }
    }
}
