//! Douyin's and Doudian's callbacks, by the vectors and by what the platform documents.

use channels::{
    Content, Inbound, MediaKind, Origin, Refusal, doudian,
    douyin::{App, Callback, send},
};
use kernel::Timestamp;
use serde_json::{Value, json};

use crate::{field, text, vectors};

fn received() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

/// Ours is the shop.
fn app() -> App {
    App::new("abc", "desk-test-secret", vec!["ou_shop".to_owned()]).unwrap()
}

fn inbound(app: &App, msg_id: Option<&str>, body: &[u8]) -> Inbound {
    match app.open(Some(&app.sign(body)), msg_id, body, received()).unwrap() {
        Callback::Event(inbound) => *inbound,
        challenge @ Callback::Challenge(_) => panic!("{challenge:?}"),
    }
}

fn pushed(event: &str, from: &str, to: &str, content: Value) -> Inbound {
    let body = json!({"event": event, "client_key": "abc", "from_user_id": from, "to_user_id": to, "content": content});
    inbound(&app(), Some("push-1"), body.to_string().as_bytes())
}

fn said(kind: &str, more: Value) -> Value {
    let mut content = json!({"conversation_short_id": "@c", "server_message_id": "@m", "conversation_type": 1,
        "create_time": 1_767_225_600_123_i64, "message_type": kind});
    content.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    content
}

#[test]
fn the_challenge_is_answered_with_its_type() {
    let vectors = vectors("signatures");
    let vector = &vectors["douyin"][0];
    let (body, signature) = (text(vector, "raw_body").as_bytes(), text(vector, "header X-Douyin-Signature"));
    let Callback::Challenge(answer) = app().open(Some(signature), None, body, received()).unwrap() else {
        panic!()
    };
    assert_eq!(answer.to_string(), text(vector, "expect_response_body"));
    let body = br#"{"event":"verify_webhook","content":"{\"challenge\":\"12345678901234567890\"}"}"#;
    let Callback::Challenge(answer) = app().open(Some(&app().sign(body)), None, body, received()).unwrap()
    else {
        panic!()
    };
    assert_eq!(answer, json!({"challenge": "12345678901234567890"}));
    let body = br#"{"event":"verify_webhook","content":{}}"#;
    assert_eq!(field(app().open(Some(&app().sign(body)), None, body, received())), "content.challenge");
}

#[test]
fn the_vectors_message_is_whole() {
    let vectors = vectors("signatures");
    let vector = &vectors["douyin"][1];
    let (body, signature) = (text(vector, "raw_body").as_bytes(), text(vector, "header X-Douyin-Signature"));
    assert_eq!(app().sign(body), signature);
    let inbound = inbound(&app(), Some(text(vector, "header Msg-Id")), body);
    assert_eq!((inbound.external_id.as_str(), inbound.conversation.as_deref()), ("@msg1", Some("@conv1")));
    assert_eq!((inbound.kf_id.as_str(), inbound.customer_id.as_str()), ("ou_shop", "ou_customer"));
    assert_eq!((inbound.origin, inbound.customer_name.as_deref()), (Origin::Customer, Some("小明")));
    assert_eq!(inbound.sent_at, Timestamp::from_micros(1_767_225_600_123_000));
    assert_eq!(inbound.content, Content::Text { text: "你好，我要退款".to_owned(), menu: None });
    // The signature is over the bytes: the same JSON with one more space is another request.
    let spaced = [body, b" "].concat();
    assert!(matches!(app().open(Some(signature), None, &spaced, received()), Err(Refusal::Signature(_))));
    assert!(matches!(app().open(None, None, body, received()), Err(Refusal::Signature(_))));
    let stranger = App::new("abc", "another-secret", vec![]).unwrap();
    assert!(matches!(stranger.open(Some(signature), None, body, received()), Err(Refusal::Signature(_))));
}

#[test]
fn whose_side_an_event_shows() {
    let hi = || said("text", json!({"text": "hi"}));
    let text = Content::Text { text: "hi".to_owned(), menu: None };
    let in_app = pushed("im_send_msg", "ou_shop", "ou_customer", hi());
    assert_eq!((in_app.origin, &in_app.content), (Origin::Colleague, &text));
    assert_eq!((in_app.kf_id.as_str(), in_app.customer_id.as_str()), ("ou_shop", "ou_customer"));
    assert_eq!(in_app.external_id, "@m");
    // Our own API's words come back: nobody said anything new.
    let mut ours = hi();
    ours["source"] = json!("abc");
    assert_eq!(pushed("im_send_msg", "ou_shop", "ou_customer", ours).content, Content::Ignored);
    // The customer authorised the app as well, so their side is pushed, too.
    let theirs = pushed("im_receive_msg", "ou_shop", "ou_customer", hi());
    assert_eq!((theirs.kf_id.as_str(), theirs.content), ("ou_customer", Content::Ignored));
    assert_eq!(pushed("im_send_msg", "ou_customer", "ou_shop", hi()).content, Content::Ignored);
    // Who knows no accounts believes the names.
    let app = App::new("abc", "desk-test-secret", vec![]).unwrap();
    let body = json!({"event": "im_receive_msg", "from_user_id": "a", "to_user_id": "b", "content": hi()})
        .to_string();
    let believed = inbound(&app, None, body.as_bytes());
    assert_eq!((believed.kf_id.as_str(), believed.content), ("b", text));
}

#[test]
fn types_and_events_are_read() {
    let of = |kind: &str, more: Value| {
        pushed("im_receive_msg", "ou_customer", "ou_shop", said(kind, more)).content
    };
    let media = |kind| Content::Media { kind, reference: "https://x/y".to_owned() };
    for kind in ["image", "user_local_image", "emoji"] {
        assert_eq!(of(kind, json!({"resource_url": "https://x/y"})), media(MediaKind::Image));
    }
    for kind in ["video", "user_local_video"] {
        assert_eq!(of(kind, json!({"resource_url": "https://x/y"})), media(MediaKind::Video));
    }
    let other = |kind: &str, text: &str| Content::Other { kind: kind.to_owned(), text: text.to_owned() };
    assert_eq!(of("video", json!({"item_id": "@v"})), other("video", "@v"));
    assert_eq!(of("retain_consult_card", json!({"card_id": "c1"})), other("retain_consult_card", "c1"));
    assert_eq!(of("other", json!({})), other("unsupported", "other"));
    assert_eq!(of("text", json!({})), other("unsupported", "text"));
    let entered = pushed(
        "im_enter_direct_msg",
        "ou_customer",
        "ou_shop",
        json!({"create_time": 1_767_225_600_123_i64}),
    );
    assert_eq!(entered.content, Content::Entered { welcome_code: None });
    assert_eq!(
        (entered.external_id.as_str(), entered.customer_id.as_str()),
        ("im_enter_direct_msg/push-1", "ou_customer")
    );
    let recalled = pushed("im_recall_msg", "ou_customer", "ou_shop", json!({"server_message_id": "@m"}));
    assert_eq!(recalled.content, Content::Recalled { external_id: "@m".to_owned() });
    assert_eq!((recalled.external_id.as_str(), recalled.sent_at), ("recall/@m", received()));
    let by_us = pushed("im_recall_msg", "ou_shop", "ou_customer", json!({"server_message_id": "@m"}));
    assert_eq!((by_us.kf_id.as_str(), by_us.customer_id.as_str()), ("ou_shop", "ou_customer"));
    for event in ["im_group_receive_msg", "something_new"] {
        let ignored = pushed(event, "ou_customer", "ou_shop", json!({"server_message_id": "@g"}));
        assert_eq!((ignored.content, ignored.origin), (Content::Ignored, Origin::System));
    }
}

#[test]
fn what_has_no_id_has_the_same_one_each_time() {
    let body =
        br#"{"event":"im_enter_direct_msg","from_user_id":"c","to_user_id":"ou_shop","content":"no json"}"#;
    let first = inbound(&app(), None, body);
    assert_eq!(first.external_id, inbound(&app(), None, body).external_id);
    assert_eq!(field(app().open(Some(&app().sign(b"{}")), None, b"{}", received())), "event");
    assert_eq!(field(app().open(Some(&app().sign(b"{")), None, b"{", received())), "body");
}

#[test]
fn an_answer_names_what_it_answers() {
    let body = send("ou_customer", "@conv1", "@msg1", "您好").unwrap();
    let expected = json!({"msg_id": "@msg1", "conversation_id": "@conv1", "to_user_id": "ou_customer",
        "scene": "im_reply_msg", "content": {"msg_type": 1, "text": {"text": "您好"}}});
    assert_eq!(body, expected);
    assert_eq!(send("", "c", "m", "x").unwrap_err().field, "to_user_id");
    assert_eq!(send("a", "c", "m", "").unwrap_err().field, "content.text.text");
}

#[test]
fn doudians_items_are_identified_and_kept() {
    let vectors = vectors("signatures");
    let vector = &vectors["doudian"][0];
    let app = doudian::App::new(text(vector, "app_key"), text(vector, "app_secret")).unwrap();
    let (id, sign, body) =
        (text(vector, "header app-id"), text(vector, "header event-sign"), text(vector, "raw_body"));
    let open =
        |id: Option<&str>, sign: Option<&str>, body: &str| app.open(id, sign, body.as_bytes(), received());
    let items = open(Some(id), Some(sign), body).unwrap();
    assert_eq!((items.len(), &items[0].content), (1, &Content::Ignored));
    assert_eq!(items[0].external_id.len(), 40);
    assert_eq!(app.sign(body.as_bytes()), sign);
    let pushed = r#"[{"tag":"7","msg_id":"12:34","data":"{\"shop_id\":4463798}"},{"tag":"8","msg_id":9007199254740993}]"#;
    let items = open(Some(id), Some(&app.sign(pushed.as_bytes())), pushed).unwrap();
    let ids: Vec<_> = items.iter().map(|item| (item.external_id.as_str(), item.kf_id.as_str())).collect();
    assert_eq!(ids, [("12:34", "4463798"), ("9007199254740993", "")]);
    for broken in ["", "{}", "["] {
        assert_eq!(field(open(Some(id), Some(&app.sign(broken.as_bytes())), broken)), "body");
    }
    for (id, sign, body) in [
        (None, Some(sign), body),
        (Some(id), None, body),
        (Some("1"), Some(sign), body),
        (Some(id), Some("c4c3252356499f212761eccc69408604"), body),
        (Some(id), Some(sign), "[]"),
    ] {
        assert!(matches!(open(id, sign, body), Err(Refusal::Signature(_))));
    }
    assert_eq!(doudian::App::new("", "s").unwrap_err().field, "app_key");
    assert_eq!(App::new("k", "", vec![]).unwrap_err().field, "client_secret");
}
