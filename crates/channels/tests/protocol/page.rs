//! Pages of `kf/sync_msg`, written from WeCom's documents: every type, every event, and what is broken.

use channels::{
    Content, Inbound, MediaKind, Origin,
    wecom::{Class, Failure, Page, State, parse_page, parse_sent, parse_state, parse_token, parse_trans},
};
use kernel::Timestamp;
use serde_json::{Value, json};

fn received() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

fn page(value: &Value) -> Page {
    parse_page(value.to_string().as_bytes(), received()).unwrap()
}

/// A page of one item.
fn one(item: Value) -> Inbound {
    let mut page = page(&json!({"errcode": 0, "has_more": 0, "next_cursor": "c", "msg_list": [item]}));
    assert!(page.unreadable.is_empty());
    page.messages.remove(0)
}

fn said(kind: &str, content: Value) -> Value {
    json!({"msgid": "m1", "open_kfid": "wk1", "external_userid": "wm1", "send_time": 1_615_478_585, "origin": 3,
        "msgtype": kind, kind: content})
}

fn happened(kind: &str, more: Value) -> Value {
    let mut event = json!({"event_type": kind, "open_kfid": "wk1", "external_userid": "wm1"});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"msgid": "e1", "send_time": 1_615_478_585, "origin": 4, "msgtype": "event", "event": event})
}

#[test]
fn a_customers_text_is_whole() {
    let raw = said("text", json!({"content": "你好", "menu_id": "101"}));
    let expected = Inbound {
        external_id: "m1".to_owned(),
        kf_id: "wk1".to_owned(),
        customer_id: "wm1".to_owned(),
        customer_name: None,
        conversation: None,
        origin: Origin::Customer,
        colleague: None,
        sent_at: Timestamp::from_seconds(1_615_478_585),
        content: Content::Text { text: "你好".to_owned(), menu: Some("101".to_owned()) },
        raw: raw.clone(),
    };
    assert_eq!(one(raw), expected);
}

#[test]
fn a_servicers_words_are_a_colleagues() {
    let mut item = said("text", json!({"content": "我来"}));
    item["origin"] = json!(5);
    item["servicer_userid"] = json!("Zhangsan");
    let inbound = one(item.clone());
    assert_eq!((inbound.origin, inbound.colleague.as_deref()), (Origin::Colleague, Some("Zhangsan")));
    // An origin that WeCom does not have yet sets nothing off.
    item["origin"] = json!(9);
    assert_eq!(one(item).origin, Origin::System);
}

#[test]
fn every_type_is_read() {
    for (name, kind) in [
        ("image", MediaKind::Image),
        ("voice", MediaKind::Voice),
        ("video", MediaKind::Video),
        ("file", MediaKind::File),
    ] {
        let content = one(said(name, json!({"media_id": "2iSLeVyq"}))).content;
        assert_eq!(content, Content::Media { kind, reference: "2iSLeVyq".to_owned() });
    }
    let menu = json!({"head_content": "满意吗?", "tail_content": "谢谢", "list": [
        {"type": "click", "click": {"id": "101", "content": "满意"}}, {"type": "view", "view": {"url": "https://x", "content": "详情"}}, 7]});
    let merged = json!({"title": "聊天记录", "item": [
        {"sender_name": "小明", "msgtype": "text", "msg_content": "{\"text\":{\"content\":\"在吗\"}}"},
        {"sender_name": "小红", "msgtype": "image", "msg_content": "{\"image\":{\"media_id\":\"x\"}}"}]});
    for (kind, content, shown) in [
        (
            "location",
            json!({"latitude": 23.106_021, "longitude": 113.320_107, "name": "广州国际媒体港", "address": "海珠区"}),
            "广州国际媒体港 海珠区 (23.106021, 113.320107)",
        ),
        ("location", json!({"name": "somewhere"}), "somewhere"),
        ("link", json!({"title": "t", "desc": "d", "url": "https://x.y", "pic_url": "p"}), "t d https://x.y"),
        ("business_card", json!({"userid": "zhangsan"}), "zhangsan"),
        (
            "miniprogram",
            json!({"title": "t", "appid": "wx1", "pagepath": "p.html", "thumb_media_id": "x"}),
            "t wx1 p.html",
        ),
        ("msgmenu", menu, "满意吗? / 满意 / 详情 / 谢谢"),
        (
            "channels_shop_product",
            json!({"product_id": "p1", "title": "杯子", "sales_price": "1200", "shop_nickname": "店"}),
            "杯子 1200 店 p1",
        ),
        (
            "channels_shop_order",
            json!({"order_id": "o1", "product_titles": "杯子", "price_wording": "¥12", "state": "待发货",
            "shop_nickname": "店"}),
            "杯子 ¥12 待发货 店 o1",
        ),
        ("merged_msg", merged, "聊天记录 / 小明: 在吗 / 小红: image"),
        ("channels", json!({"sub_type": 1, "nickname": "n", "title": "t"}), "t n"),
        ("meeting", json!({"title": "周会"}), "周会"),
        ("schedule", json!({"title": "t"}), "t"),
        ("note", json!({}), ""),
    ] {
        let read = one(said(kind, content)).content;
        assert_eq!(read, Content::Other { kind: kind.to_owned(), text: shown.to_owned() }, "{kind}");
    }
}

#[test]
fn every_event_is_read() {
    let entered =
        one(happened("enter_session", json!({"scene": "123", "scene_param": "a", "welcome_code": "w1"})));
    assert_eq!(entered.content, Content::Entered { welcome_code: Some("w1".to_owned()) });
    // Who an event is about stands inside it.
    assert_eq!((entered.kf_id.as_str(), entered.customer_id.as_str()), ("wk1", "wm1"));
    assert_eq!(entered.origin, Origin::System);
    let failed = one(happened("msg_send_fail", json!({"fail_msgid": "msg_1", "fail_type": 6}))).content;
    let reason = "more than five messages since the customer's last".to_owned();
    assert_eq!(failed, Content::SendFailed { external_id: "msg_1".to_owned(), reason });
    let failed = one(happened("msg_send_fail", json!({"fail_msgid": "msg_1", "fail_type": 77}))).content;
    assert_eq!(
        failed,
        Content::SendFailed { external_id: "msg_1".to_owned(), reason: "fail_type 77".to_owned() }
    );
    for kind in ["user_recall_msg", "servicer_recall_msg"] {
        let recalled = one(happened(kind, json!({"recall_msgid": "m0"}))).content;
        assert_eq!(recalled, Content::Recalled { external_id: "m0".to_owned() });
    }
    let change = |to: i64| {
        happened(
            "session_status_change",
            json!({"change_type": to, "new_servicer_userid": "Lisi", "msg_code": "c"}),
        )
    };
    assert_eq!(one(change(3)).content, Content::Ended);
    for to in [1, 2, 4, 9] {
        let changed = one(change(to));
        assert_eq!((changed.content, changed.colleague.as_deref()), (Content::Ignored, Some("Lisi")));
    }
    for (kind, more) in [
        ("servicer_status_change", json!({"servicer_userid": "Lisi", "status": 1, "external_userid": null})),
        ("reject_customer_msg_switch_change", json!({"servicer_userid": "Lisi", "reject_switch": 1})),
        ("something_new", json!({})),
    ] {
        assert_eq!(one(happened(kind, more)).content, Content::Ignored);
    }
}

#[test]
fn one_bad_item_costs_nothing_but_itself() {
    let unsupported = |kind: &str| Content::Other { kind: "unsupported".to_owned(), text: kind.to_owned() };
    let items = json!([
        said("text", json!({"content": "first"})),
        said("hologram", json!({"x": 1})),
        said("text", json!("not an object")),
        said("image", json!({})),
        {"msgid": "bare"},
        {"msgid": 9_007_199_254_740_993_u64, "msgtype": "text", "text": {"content": "n"}},
        {"msgid": "e2", "msgtype": "event"},
        happened("user_recall_msg", json!({})),
        {"msgtype": "text", "text": {"content": "nobody's"}},
        "text", null, {"msgid": ""},
        said("text", json!({"content": "last"})),
    ]);
    let page = page(&json!({"errcode": 0, "has_more": 1, "next_cursor": "n", "msg_list": items}));
    let kinds: Vec<_> = page.messages.iter().map(|m| m.content.clone()).collect();
    let text = |text: &str| Content::Text { text: text.to_owned(), menu: None };
    assert_eq!(
        kinds,
        [
            text("first"),
            unsupported("hologram"),
            unsupported("text"),
            unsupported("image"),
            unsupported(""),
            text("n"),
            unsupported("event"),
            unsupported("event"),
            text("last")
        ]
    );
    assert_eq!(page.messages[5].external_id, "9007199254740993");
    assert_eq!(page.messages[4].sent_at, received());
    let reasons: Vec<_> = page.unreadable.iter().map(|u| u.reason).collect();
    assert_eq!(reasons, ["has no msgid", "is no object", "is no object", "has no msgid"]);
    assert_eq!(page.unreadable[0].raw, items[8]);
}

#[test]
fn a_page_is_followed_by_has_more_alone() {
    let empty =
        page(&json!({"errcode": 0, "errmsg": "ok", "next_cursor": "4gw7", "has_more": 1, "msg_list": []}));
    assert!(empty.has_more && empty.messages.is_empty() && empty.next_cursor == "4gw7");
    let last = page(&json!({"errcode": 0, "next_cursor": "4gw8", "has_more": 0}));
    assert!(!last.has_more && last.messages.is_empty() && last.next_cursor == "4gw8");
    assert!(page(&json!({"next_cursor": "c", "has_more": true, "msg_list": null})).has_more);
    for broken in [
        "",
        "<html>",
        "[]",
        r#"{"msg_list":{}}"#,
        r#"{"has_more":"yes"}"#,
        r#"{"has_more":1}"#,
        r#"{"errcode":"x"}"#,
    ] {
        let failure = parse_page(broken.as_bytes(), received()).unwrap_err();
        assert!(matches!(failure, Failure::Unreadable(_)), "{broken}");
    }
}

#[test]
fn errors_have_classes() {
    let class = |code: i64| {
        let answer = json!({"errcode": code, "errmsg": "words"}).to_string();
        match parse_page(answer.as_bytes(), received()) {
            Err(Failure::Api(error)) => {
                assert_eq!((error.code, error.message.as_str()), (code, "words"));
                error.class
            }
            other => panic!("{other:?}"),
        }
    };
    for code in [40001, 40014, 42001] {
        assert_eq!(class(code), Class::Token, "{code}");
    }
    for code in [
        40003, 40058, 43004, 45002, 48002, 60020, 95000, 95004, 95008, 95011, 95012, 95014, 95017, 95028,
        95029,
    ] {
        assert_eq!(class(code), Class::Final, "{code}");
    }
    assert!(matches!(class(45009), Class::Limited { wait } if wait.as_secs() == 60));
    assert!(matches!(class(45033), Class::Limited { wait } if wait.as_secs() == 1));
    assert_eq!(class(-1), Class::Busy);
    assert_eq!(class(95001), Class::QuotaOver);
    assert_eq!((class(95002), class(95024)), (Class::WindowOver, Class::WindowOver));
    assert_eq!(class(95007), Class::CallbackToken);
    assert_eq!(class(95018), Class::WrongState);
    assert_eq!(class(123_456), Class::Unknown);
}

#[test]
fn the_other_answers_are_read_by_the_same_rule() {
    let token =
        parse_token(br#"{"errcode":0,"errmsg":"ok","access_token":"acc","expires_in":7200}"#).unwrap();
    assert_eq!((token.access_token.as_str(), token.expires_in.as_secs()), ("acc", 7200));
    assert!(!format!("{token:?}").contains("acc\""));
    // A wrong secret: asking again and again blocks our address.
    let Err(Failure::Api(error)) = parse_token(br#"{"errcode":40001,"errmsg":"invalid credential"}"#) else {
        panic!()
    };
    assert_eq!(error.class, Class::Final);
    assert!(matches!(parse_token(br#"{"errcode":0,"access_token":"a"}"#), Err(Failure::Unreadable(_))));
    assert_eq!(parse_sent(br#"{"errcode":0,"errmsg":"ok","msgid":"msg_1"}"#).as_deref(), Ok("msg_1"));
    assert!(
        matches!(parse_sent(br#"{"errcode":95001,"errmsg":"x"}"#), Err(Failure::Api(e)) if e.class == Class::QuotaOver)
    );
    let state = |n: i64| {
        parse_state(
            json!({"errcode": 0, "service_state": n, "servicer_userid": "Lisi"}).to_string().as_bytes(),
        )
    };
    assert_eq!((state(0), state(1), state(2)), (Ok(State::New), Ok(State::Assistant), Ok(State::Pool)));
    assert_eq!((state(3), state(4)), (Ok(State::Servicer("Lisi".to_owned())), Ok(State::Ended)));
    assert!(matches!(state(5), Err(Failure::Unreadable(_))));
    assert_eq!(parse_trans(br#"{"errcode":0,"msg_code":"c"}"#), Ok(Some("c".to_owned())));
    assert_eq!(parse_trans(br#"{"errcode":0}"#), Ok(None));
}
