//! Reports: figures against a model that counts one by one, CSV against a parser.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use kernel::Timestamp;
use serde_json::{Value, json};
use testkit::app::TestApp;

use crate::desk::{data, get, supervisor};

const CHANNELS: [&str; 3] = ["wechat", "douyin", "jd"];
const AGENTS: [&str; 3] = ["user_a", "user_b", "=cmd()"];
const REASONS: [&str; 3] = ["requested", "anger", "unsure"];

/// A session and what happened in it, in microseconds.
#[derive(Debug, Default)]
struct Story {
    channel: &'static str,
    created: i64,
    handed_over: Option<(i64, &'static str)>,
    accepted: Option<(i64, &'static str)>,
    answered: Option<i64>,
    closed: Option<i64>,
    /// When the wait for the first answer went beyond its target.
    breached: Option<i64>,
    /// When, how.
    rated: Option<(i64, i64)>,
    /// When, by whom (`customer`, `ai`, `manual`, `note`).
    messages: Vec<(i64, &'static str)>,
}

impl Story {
    fn owner(&self) -> Option<&'static str> {
        self.accepted.map(|(_, who)| who)
    }
}

/// SplitMix64: the same numbers in each run.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, n: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((z ^ (z >> 31)) % n).unwrap()
    }

    fn of(&mut self, list: &[&'static str; 3]) -> &'static str {
        list[usize::try_from(self.up_to(3)).unwrap()]
    }

    /// Up to two days after `t`, to the microsecond; often soon.
    fn after(&mut self, t: i64) -> i64 {
        let span = if self.up_to(3) == 0 { 172_800_000_000 } else { 600_000_000 };
        t + self.up_to(span)
    }

    fn story(&mut self, since: i64) -> Story {
        let created = since + self.up_to(20 * 86_400_000_000);
        let mut story = Story { channel: self.of(&CHANNELS), created, ..Story::default() };
        story.messages.push((created, "customer"));
        let mut t = self.after(created);
        if self.up_to(4) > 0 {
            story.messages.push((t, "ai"));
        }
        if self.up_to(2) == 0 {
            t = self.after(t);
            story.handed_over = Some((t, self.of(&REASONS)));
            if self.up_to(4) > 0 {
                t = self.after(t);
                story.accepted = Some((t, self.of(&AGENTS)));
                story.messages.push((t, "note"));
                if self.up_to(4) > 0 {
                    t = self.after(t);
                    story.answered = Some(t);
                    story.messages.push((t, "manual"));
                }
            }
        }
        for _ in 0..self.up_to(4) {
            t = self.after(t);
            story.messages.push((t, "customer"));
        }
        if let Some((at, _)) = story.handed_over
            && self.up_to(3) == 0
        {
            story.breached = Some(self.after(at));
        }
        if self.up_to(4) > 0 {
            let closed = self.after(t);
            story.closed = Some(closed);
            if story.accepted.is_some() && self.up_to(2) == 0 {
                story.rated = Some((self.after(closed), 1 + self.up_to(5)));
            }
        }
        story
    }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), |text| format!("'{text}'"))
}

fn number(n: Option<i64>) -> String {
    n.map_or_else(|| "NULL".to_owned(), |n| n.to_string())
}

/// Writes the stories as the desk would have.
async fn write(app: &TestApp, stories: &[Story]) {
    let (mut sessions, mut messages, mut audit) = (Vec::new(), Vec::new(), Vec::new());
    let (mut waits, mut ratings) = (Vec::new(), Vec::new());
    for (n, s) in stories.iter().enumerate() {
        let status = match (s.closed, s.accepted, s.handed_over) {
            (Some(_), ..) => "closed",
            (_, Some(_), _) => "manual",
            (_, _, Some(_)) => "pending",
            _ => "ai",
        };
        sessions.push(format!(
            "('sess_{n}', 'chan_1', '{}', 'kf', 'wm_{n}', '{status}', {}, 1, {}, {}, {}, {}, {}, {}, {})",
            s.channel,
            quoted(s.owner()),
            number(s.handed_over.filter(|_| status == "pending").map(|h| h.0)),
            number(s.handed_over.map(|h| h.0)),
            number(s.accepted.map(|a| a.0)),
            number(s.answered),
            number(s.closed),
            s.created,
            s.created
        ));
        for (seq, (at, who)) in s.messages.iter().enumerate() {
            let (sender, status) = match *who {
                "note" => ("manual", "internal"),
                who => (who, "sent"),
            };
            let id = if sender == "manual" { s.owner().unwrap() } else { "x" };
            messages.push(format!(
                "('sess_{n}', {seq}, 'msg_{n}_{seq}', '{sender}', '{id}', 'text', '', '{status}', {at}, {at})"
            ));
        }
        if let Some((since, _)) = s.handed_over {
            let (breached, owner) = (number(s.breached), quoted(s.breached.and(s.owner())));
            waits.push(format!(
                "('sla_{n}', 'sess_{n}', 'first_response', {since}, {since}, FALSE, {breached}, {owner})"
            ));
        }
        // Who is asked and does not answer counts for nothing.
        if let Some(closed) = s.closed.filter(|_| s.accepted.is_some()) {
            let (score, at) = (number(s.rated.map(|r| r.1)), number(s.rated.map(|r| r.0)));
            let owner = quoted(s.owner());
            ratings.push(format!("('sess_{n}', 'chan_1', 'kf', 'wm_{n}', {owner}, {closed}, {score}, {at})"));
        }
        let mut change = |at: i64,
                          action: &str,
                          from: &str,
                          to: &str,
                          owners: (Option<&str>, Option<&str>),
                          reason| {
            audit.push(format!(
                "('audit_{n}_{action}', {at}, 'sess_{n}', 'system', '{action}', '{from}', '{to}', {}, {}, {})",
                quoted(owners.0),
                quoted(owners.1),
                quoted(reason)
            ));
        };
        if let Some((at, reason)) = s.handed_over {
            change(at, "hand_over", "ai", "pending", (None, None), Some(reason));
        }
        if let Some((at, who)) = s.accepted {
            change(at, "accept", "pending", "manual", (None, Some(who)), None);
        }
        if let Some(at) = s.closed {
            change(at, "close", "manual", "closed", (s.owner(), s.owner()), None);
        }
    }
    for (table, rows) in [
        (
            "desk_sessions (id, account_id, channel_type, kf_id, customer_id, status, manual_cs_id, version, waiting_since, \
          handed_over_at, accepted_at, first_response_at, closed_at, created_at, updated_at)",
            sessions,
        ),
        (
            "desk_messages (session_id, seq, id, sender_type, sender_id, msg_type, content, status, sent_at, created_at)",
            messages,
        ),
        (
            "desk_audit (id, at, session_id, actor_kind, action, from_status, to_status, from_owner, to_owner, reason)",
            audit,
        ),
        ("desk_sla (id, session_id, kind, since, due_at, answered, breached_at, agent_id)", waits),
        (
            "desk_ratings (session_id, account_id, kf_id, customer_id, agent_id, asked_at, score, rated_at)",
            ratings,
        ),
    ] {
        app.system.db.execute_raw(&format!("INSERT INTO {table} VALUES {}", rows.join(", "))).await.unwrap();
    }
}

/// One by one: what the report should say.
fn expected(stories: &[Story], by: &str, days: &[String], zone: &TimeZone) -> BTreeMap<String, Value> {
    let day =
        |t: i64| jiff::Timestamp::from_microsecond(t).unwrap().to_zoned(zone.clone()).date().to_string();
    let mut counts: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    let mut spans: BTreeMap<(String, &str), Vec<i64>> = BTreeMap::new();
    let mut scores: BTreeMap<String, i64> = BTreeMap::new();
    let key = |s: &Story, t: i64, agent: Option<&str>| match by {
        _ if !days.contains(&day(t)) => None,
        "day" => Some(day(t)),
        "channel" => Some(s.channel.to_owned()),
        "agent" => agent.map(str::to_owned),
        _ => Some(String::new()),
    };
    for s in stories {
        let mut add = |t: i64, agent: Option<&str>, what: &str| {
            if let Some(key) = key(s, t, agent) {
                *counts.entry(key).or_default().entry(what.to_owned()).or_default() += 1;
            }
        };
        add(s.created, None, "opened");
        if let Some((at, reason)) = s.handed_over {
            add(at, None, "handedOver");
            add(at, None, reason);
        }
        if let Some((at, who)) = s.accepted {
            add(at, Some(who), "accepted");
        }
        if let Some(at) = s.closed {
            add(at, s.owner(), "closed");
            if s.handed_over.is_none() && s.messages.iter().any(|(_, who)| *who == "ai") {
                add(at, None, "answeredByAssistant");
            }
        }
        if let Some(at) = s.breached {
            add(at, s.owner(), "slaBreached");
        }
        if let Some((at, score)) = s.rated {
            add(at, s.owner(), "rated");
            if let Some(key) = key(s, at, s.owner()) {
                *scores.entry(key).or_default() += score;
            }
        }
        for (at, who) in &s.messages {
            match *who {
                "customer" => add(*at, None, "messagesIn"),
                "ai" => add(*at, None, "messagesByAssistant"),
                "manual" => add(*at, s.owner(), "messagesByAgents"),
                _ => {}
            }
        }
        for (what, from, to) in [
            ("firstResponse", s.handed_over.map(|h| h.0), s.answered),
            ("handling", s.accepted.map(|a| a.0), s.closed),
        ] {
            if let (Some(from), Some(to)) = (from, to)
                && let Some(key) = key(s, to, s.owner())
            {
                spans.entry((key, what)).or_default().push(to - from);
            }
        }
    }
    let mut keys: Vec<String> =
        counts.keys().cloned().chain(spans.keys().map(|(key, _)| key.clone())).collect();
    match by {
        "day" => keys.extend(days.iter().cloned()),
        "channel" => keys.extend(CHANNELS.map(str::to_owned)),
        "" => keys.push(String::new()),
        _ => {}
    }
    let figures = |key: String| {
        let count = |what: &str| counts.get(&key).and_then(|c| c.get(what)).copied().unwrap_or_default();
        let reasons: BTreeMap<&str, i64> =
            REASONS.iter().map(|r| (*r, count(r))).filter(|(_, count)| *count > 0).collect();
        let mut durations = |what: &'static str| {
            let Some(all) = spans.get_mut(&(key.clone(), what)) else {
                return json!({"count": 0, "mean": null, "p50": null, "p90": null, "p99": null});
            };
            all.sort_unstable();
            let seconds = |micros: i64| {
                std::time::Duration::from_millis(u64::try_from(micros / 1000).unwrap()).as_secs_f64()
            };
            let n = i64::try_from(all.len()).unwrap();
            let rank = |p: i64| seconds(all[usize::try_from((n * p + 99) / 100 - 1).unwrap()]);
            json!({
                "count": n, "mean": seconds(all.iter().sum::<i64>() / n), "p50": rank(50), "p90": rank(90),
                "p99": rank(99),
            })
        };
        let value = json!({
            "key": key, "name": null, "opened": count("opened"), "answeredByAssistant": count("answeredByAssistant"),
            "handedOver": count("handedOver"), "handedOverByReason": reasons, "accepted": count("accepted"),
            "transferred": 0, "requeued": 0, "closed": count("closed"), "messagesIn": count("messagesIn"),
            "messagesByAssistant": count("messagesByAssistant"), "messagesByAgents": count("messagesByAgents"),
            "firstResponse": durations("firstResponse"), "handling": durations("handling"),
            "slaBreached": count("slaBreached"), "rated": count("rated"), "ratingMean": scores.get(&key).map(|sum| {
                f64::from(i32::try_from(sum * 100 / count("rated")).unwrap()) / 100.0
            }),
        });
        (key, value)
    };
    keys.into_iter().map(figures).collect()
}

fn days(from: &str, to: &str) -> Vec<String> {
    let (mut day, to): (jiff::civil::Date, jiff::civil::Date) = (from.parse().unwrap(), to.parse().unwrap());
    let mut days = Vec::new();
    while day <= to {
        days.push(day.to_string());
        day = day.tomorrow().unwrap();
    }
    days
}

testkit::both! {
    &testkit::app::migrations();

    /// Random weeks around a change of the clocks and a month's end: every figure is what counting one by one comes to.
    async fn figures_are_those_of_a_model(t) {
        let app = TestApp::new(t).await;
        let boss = supervisor(&app, "boss").await;
        let mut dice = Dice(2028);
        let since: Timestamp = "2028-03-17T00:00:00Z".parse().unwrap();
        let stories: Vec<Story> = (0..400).map(|_| dice.story(since.micros())).collect();
        write(&app, &stories).await;
        for (tz, from, to) in [
            ("Europe/Berlin", "2028-03-20", "2028-04-02"),
            ("Asia/Shanghai", "2028-03-17", "2028-04-10"),
            ("America/New_York", "2028-03-31", "2028-03-31"),
            ("UTC", "2028-02-28", "2028-03-20"),
        ] {
            let zone = TimeZone::get(tz).unwrap();
            for by in ["day", "channel", "agent"] {
                let path = format!("/desk/reports?from={from}&to={to}&tz={tz}&by={by}");
                let answer = get(&app, &path, &boss).await;
                let report = data(&answer);
                let model = expected(&stories, by, &days(from, to), &zone);
                let rows: Vec<Value> = model.into_values().collect();
                assert_eq!(report["rows"], json!(rows), "{path}");
                assert_eq!(report["total"], expected(&stories, "", &days(from, to), &zone)[""], "{path}");
                assert_eq!((&report["from"], &report["to"], &report["tz"]), (&json!(from), &json!(to), &json!(tz)));
                let waiting = stories.iter().filter(|s| s.handed_over.is_some() && s.accepted.is_none() && s.closed.is_none());
                assert_eq!(report["now"]["waiting"], waiting.count());
                // The same as a file.
                let file = get(&app, &format!("{path}&format=csv"), &boss).await;
                assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
                let text = std::str::from_utf8(&file.bytes).unwrap().strip_prefix('\u{feff}').unwrap();
                assert!(text.ends_with("\r\n"));
                let mut reader = csv::Reader::from_reader(text.as_bytes());
                let lines: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
                let all: Vec<&Value> = report["rows"].as_array().unwrap().iter().chain([&report["total"]]).collect();
                assert_eq!(lines.len(), all.len());
                for (line, row) in lines.iter().zip(all) {
                    for count in ["opened", "handedOver", "accepted", "closed", "messagesIn", "messagesByAgents", "slaBreached", "rated"] {
                        assert_eq!(line[count], row[count].to_string());
                    }
                    let p90 = row["firstResponse"]["p90"].as_f64().map_or_else(String::new, |s| s.to_string());
                    assert_eq!(line["firstResponseP90"], p90);
                    assert!(!line[by].starts_with('='), "no spreadsheet runs {}", line[by]);
                }
                assert_eq!(lines.last().unwrap()[by], "total");
            }
        }
    }

    /// What is asked for must make sense; without anything it is the last seven days.
    async fn periods(t) {
        let app = TestApp::new(t).await;
        let boss = supervisor(&app, "boss").await;
        let report = get(&app, "/desk/reports", &boss).await;
        assert_eq!((&data(&report)["from"], &data(&report)["to"]), (&json!("2028-01-09"), &json!("2028-01-15")));
        assert_eq!(data(&report)["rows"].as_array().unwrap().len(), 7);
        // Twelve o'clock in UTC is the next day at the other end of the world.
        let east = get(&app, "/desk/reports?tz=Pacific/Kiritimati", &boss).await;
        assert_eq!(data(&east)["to"], "2028-01-16");
        for (query, status, fields) in [
            ("from=2028-02-30", 400, &["from"][..]),
            ("from=20280101&to=x", 400, &["from", "to"]),
            ("tz=Mars/Olympus", 400, &["tz"]),
            ("by=mood&format=pdf", 400, &["by", "format"]),
            ("from=2028-01-02&to=2028-01-01", 422, &["to"]),
            ("from=2027-01-01&to=2028-01-02", 422, &["from"]),
        ] {
            get(&app, &format!("/desk/reports?{query}"), &boss).await.refused(status, fields);
        }
        data(&get(&app, "/desk/reports?from=2027-01-01&to=2028-01-01", &boss).await);
    }
}
