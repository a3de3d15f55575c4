//! The bodies of WeCom's requests.

use channels::{
    MediaKind,
    wecom::{
        Menu, MenuItem, Message, State, TEXT_LIMIT, get_state, msgid, send_msg, send_msg_on_event, sync_msg,
        trans_state,
    },
    words,
};
use serde_json::{Value, json};

fn body(message: &Message<'_>) -> Value {
    send_msg("wk1", "wm1", "msg_1", message).unwrap()
}

fn refused(message: &Message<'_>) -> &'static str {
    send_msg("wk1", "wm1", "msg_1", message).unwrap_err().field
}

#[test]
fn messages_are_what_wecom_documents() {
    let head = |kind: &str, content: Value| json!({"touser": "wm1", "open_kfid": "wk1", "msgid": "msg_1", "msgtype": kind, kind: content});
    assert_eq!(body(&Message::Text("您好")), head("text", json!({"content": "您好"})));
    for kind in [MediaKind::Image, MediaKind::Voice, MediaKind::Video, MediaKind::File] {
        assert_eq!(
            body(&Message::Media { kind, media_id: "m" }),
            head(kind.name(), json!({"media_id": "m"}))
        );
    }
    let link = Message::Link { title: "t", desc: "", url: "https://x.y", thumb_media_id: "m" };
    assert_eq!(
        body(&link),
        head("link", json!({"title": "t", "desc": "", "url": "https://x.y", "thumb_media_id": "m"}))
    );
    let items = vec![
        MenuItem::Click { id: "101", content: "满意" },
        MenuItem::View { url: "https://x.y", content: "详情" },
    ];
    let list = json!([{"type": "click", "click": {"id": "101", "content": "满意"}},
        {"type": "view", "view": {"url": "https://x.y", "content": "详情"}}]);
    let menu = Message::Menu(Menu { head: "满意吗?", items, tail: "" });
    assert_eq!(body(&menu), head("msgmenu", json!({"head_content": "满意吗?", "list": list})));
}

#[test]
fn what_wecom_would_refuse_is_refused_by_name() {
    assert_eq!(refused(&Message::Text("")), "text.content");
    assert_eq!(refused(&Message::Text(&"你".repeat(683))), "text.content");
    assert!(send_msg("wk1", "wm1", "m", &Message::Text(&"你".repeat(682))).is_ok());
    assert_eq!(refused(&Message::Media { kind: MediaKind::File, media_id: "" }), "media_id");
    let link = |title, url| Message::Link { title, desc: "", url, thumb_media_id: "m" };
    assert_eq!(refused(&link("", "https://x")), "link.title");
    assert_eq!(refused(&link("t", "")), "link.url");
    let menu = |n: usize| {
        Message::Menu(Menu { head: "", items: vec![MenuItem::Click { id: "1", content: "c" }; n], tail: "" })
    };
    assert_eq!((refused(&menu(0)), refused(&menu(11))), ("msgmenu.list", "msgmenu.list"));
    assert_eq!(send_msg("", "wm1", "m", &Message::Text("x")).unwrap_err().field, "open_kfid");
    assert_eq!(send_msg("wk1", "", "m", &Message::Text("x")).unwrap_err().field, "touser");
}

#[test]
fn an_event_is_answered_by_a_text_or_a_menu() {
    let text = send_msg_on_event("code", "msg_1", &Message::Text("欢迎")).unwrap();
    assert_eq!(
        text,
        json!({"code": "code", "msgid": "msg_1", "msgtype": "text", "text": {"content": "欢迎"}})
    );
    let media = Message::Media { kind: MediaKind::Image, media_id: "m" };
    assert_eq!(send_msg_on_event("code", "m", &media).unwrap_err().field, "msgtype");
    assert_eq!(send_msg_on_event("", "m", &Message::Text("x")).unwrap_err().field, "code");
}

#[test]
fn an_id_of_ours_is_wecoms_msgid() {
    assert_eq!(msgid("msg_01kdvt7z0h5x8t3q9m2n4p6r8s"), "msg_01kdvt7z0h5x8t3q9m2n4p6r8s");
    for id in ["", "msg/1", "msg 1", "消息", &"m".repeat(33)] {
        let made = msgid(id);
        assert_eq!(made.len(), 32);
        assert!(made.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(made, msgid(id));
    }
    assert_ne!(msgid("msg/1"), msgid("msg/2"));
}

#[test]
fn pulls_and_states_are_what_wecom_documents() {
    let pull = json!({"open_kfid": "wk1", "limit": 1000, "voice_format": 0});
    assert_eq!(sync_msg("wk1", "", "").unwrap(), pull);
    assert_eq!(sync_msg("wk1", "c", "t").unwrap()["cursor"], "c");
    assert_eq!(sync_msg("wk1", "c", "t").unwrap()["token"], "t");
    assert_eq!(sync_msg("wk1", &"c".repeat(65), "").unwrap_err().field, "cursor");
    assert_eq!(sync_msg("wk1", "", &"t".repeat(129)).unwrap_err().field, "token");
    assert_eq!(get_state("wk1", "wm1"), json!({"open_kfid": "wk1", "external_userid": "wm1"}));
    let to = |state: &State| trans_state("wk1", "wm1", state);
    assert_eq!(to(&State::Pool), json!({"open_kfid": "wk1", "external_userid": "wm1", "service_state": 2}));
    assert_eq!(to(&State::Servicer("Lisi".to_owned()))["servicer_userid"], "Lisi");
}

#[test]
fn a_long_answer_is_cut_where_wecom_takes_it() {
    let answer = "这是一个很长的回答，其中有许多句子。".repeat(200);
    let parts = words::split(&answer, TEXT_LIMIT);
    assert_eq!(parts.concat(), answer);
    assert!(parts.len() == 6 && parts.iter().all(|part| part.ends_with('。')), "{}", parts.len());
    assert!(parts.iter().all(|part| send_msg("wk1", "wm1", "m", &Message::Text(part)).is_ok()));
}
