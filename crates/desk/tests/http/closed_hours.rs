//! Outside of business hours a customer who wants a person is told so once, with when people are back.

use std::time::Duration;

use serde_json::json;

use crate::{assisted::Assisted, desk::settings};

/// It is Saturday, 20:00 in Shanghai, when a test begins.
async fn weekdays(desk: &Assisted) {
    let day = json!([{"from": "09:00", "to": "18:00"}]);
    let hours = json!({"zone": "Asia/Shanghai", "mon": day, "tue": day});
    let document = json!({"hours": hours, "closedText": "我们 {opensAt} 回来。"});
    settings(&desk.app, &desk.boss, document).await;
}

/// The one message that the customer got, and what follows from it.
async fn told_once(desk: &Assisted, id: &str, lead: &str) {
    let sent = desk.sent(id).await;
    let [(sender, text)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(sender, "notice");
    let (first, second) = text.split_once('\n').expect(text);
    assert!(first.contains(lead) && !first.contains("请稍候"), "{text}");
    assert!(second.starts_with("我们 2028-01-17") && second.ends_with("回来。"), "{text}");
    assert_eq!(desk.session(id).await["status"], "pending");
}

testkit::both! {
    &testkit::app::migrations();

    /// Whoever asks for a person, whoever cannot be answered, and whoever comes too late: one message each.
    async fn the_assistant_says_both_in_one(t) {
        let desk = Assisted::new(t).await;
        weekdays(&desk).await;
        let person = desk.writes("c1", "转人工").await;
        desk.turn().await;
        told_once(&desk, &person, "正在为您转接人工客服").await;
        desk.writes("c1", "有人吗").await;
        desk.turn().await;
        assert_eq!(desk.sent(&person).await.len(), 1, "told once, not whenever they write");
        let unknown = desk.writes("c2", "火星上有没有分店").await;
        desk.turn().await;
        told_once(&desk, &unknown, "没有十足的把握").await;
        let late = desk.writes("c3", "退款多久到账").await;
        desk.app.advance_to(desk.app.now() + Duration::from_secs(3600)).await;
        told_once(&desk, &late, "无法回答").await;
    }

    /// Without the assistant the customer is told by the desk itself: once.
    async fn the_assistant_is_off(t) {
        let desk = Assisted::with(t, |policy| policy.first = false, None).await;
        weekdays(&desk).await;
        let id = desk.writes("c1", "退款多久到账").await;
        told_once(&desk, &id, "人工客服将为您服务").await;
        desk.writes("c1", "在吗").await;
        desk.turn().await;
        told_once(&desk, &id, "人工客服将为您服务").await;
    }

    /// While people answer nobody is told anything of hours.
    async fn people_are_there(t) {
        let desk = Assisted::new(t).await;
        weekdays(&desk).await;
        desk.app.clock.set("2028-01-17T10:00:00+08:00".parse().unwrap());
        desk.app.run_due().await;
        let boss = desk.app.login(&desk.boss).await;
        let desk = Assisted { boss, ..desk };
        let id = desk.writes("c1", "转人工").await;
        desk.turn().await;
        assert_eq!(desk.sent(&id).await, [("notice".to_owned(), "好的，正在为您转接人工客服，请稍候。".to_owned())]);
    }
}
