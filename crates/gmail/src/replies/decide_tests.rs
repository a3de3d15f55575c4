//! The order of the rules, one by one, and what never gets a yes.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_900_000_000);

fn text(s: &str) -> String {
    s.to_owned()
}

/// A mail to which nothing stands against an answer.
fn good() -> Snapshot {
    Snapshot {
        now: NOW,
        since: NOW.minus(Duration::from_secs(60)),
        about: About::Answer,
        mode: AutoReply::On,
        connected: true,
        own: OwnAddresses::new(["brand@example.com", "sales@brand.example", "other@gmail.com"]),
        account: OwnAddresses::new(["brand@example.com", "sales@brand.example"]),
        counterpart: text("creator@example.com"),
        mail: Mail {
            direction: Direction::In,
            backfill: false,
            labels: vec![text("INBOX"), text("UNREAD")],
            received_at: NOW.minus(Duration::from_secs(60)),
            machine: text("none"),
            kind: MailKind::Reply,
            from: text("Creator@example.com"),
            sender: None,
            one_author: true,
            reply_to: Vec::new(),
            to: vec![text("brand@example.com")],
            cc: Vec::new(),
            own_message_id: false,
            answered: false,
        },
        suppressed: None,
        held: false,
        away_until: None,
        lead: Lead::Goal { auto_reply: true },
        newest: true,
        person_wrote: false,
        overdue: false,
        counts: AutomaticCounts::default(),
    }
}

fn follow_up() -> Snapshot {
    let mut s = good();
    s.about = About::FollowUp;
    s.mail.direction = Direction::Out;
    s.mail.from = text("brand@example.com");
    s.mail.to = vec![text("creator@example.com")];
    s.mail.labels = vec![text("SENT")];
    s.mail.received_at = NOW.minus(days(3));
    s
}

fn code(s: &Snapshot) -> &'static str {
    match decide(s, &ReplyConfig::default()) {
        Ruling::Yes => "yes",
        Ruling::Waits(rule, _) | Ruling::No(rule, _) => rule,
        Ruling::Later(_) => "later",
    }
}

#[track_caller]
fn with(expected: &str, change: impl FnOnce(&mut Snapshot)) {
    let mut s = good();
    change(&mut s);
    assert_eq!(code(&s), expected);
}

#[test]
fn every_rule_of_an_answer() {
    with("yes", |_| {});
    // 1
    with("outbound", |s| s.mail.direction = Direction::Out);
    with("outbound", |s| s.mail.labels.push(text("SENT")));
    with("outbound", |s| s.mail.labels.push(text("DRAFT")));
    with("not_inbox", |s| s.mail.labels.push(text("SPAM")));
    with("not_inbox", |s| s.mail.labels.push(text("TRASH")));
    with("not_inbox", |s| s.mail.labels.clear());
    with("backfill", |s| s.mail.backfill = true);
    with("answered_before", |s| s.mail.answered = true);
    with("too_old", |s| s.mail.received_at = NOW.minus(Duration::from_secs(24 * 3600 + 1)));
    with("yes", |s| s.mail.received_at = NOW.minus(Duration::from_secs(24 * 3600)));
    // 2
    with("own_address", |s| s.mail.from = text("brand+x@example.com"));
    with("own_address", |s| s.mail.from = text("O.ther@googlemail.com"));
    with("own_address", |s| s.mail.sender = Some(text("sales@brand.example")));
    with("own_address", |s| s.mail.reply_to = vec![text("creator@example.com"), text("brand@example.com")]);
    with("own_mail", |s| s.mail.own_message_id = true);
    with("own_mail", |s| s.mail.machine = text("hard:own_mail"));
    // 3
    for mark in ["report", "null_return_path", "mailer_daemon", "auto_generated"] {
        with("machine_hard", |s| s.mail.machine = format!("hard:{mark}"));
    }
    with("bounce", |s| s.mail.kind = MailKind::Bounce);
    with("complaint", |s| s.mail.kind = MailKind::Complaint);
    // 4
    for mark in ["auto_replied", "list", "precedence", "response_suppressed", "no_reply_address"] {
        with("machine_soft", |s| s.mail.machine = format!("soft:{mark}"));
    }
    with("machine_soft", |s| s.mail.machine = text("something new"));
    with("machine_soft", |s| s.mail.kind = MailKind::Notice);
    with("out_of_office", |s| s.mail.kind = MailKind::OutOfOffice);
    with("opt_out", |s| s.mail.kind = MailKind::OptOut);
    // 5
    with("several_authors", |s| s.mail.one_author = false);
    with("several_authors", |s| s.mail.from = text("nobody"));
    with("not_addressed", |s| {
        s.mail.cc = std::mem::replace(&mut s.mail.to, vec![text("list@example.org")]);
    });
    with("yes", |s| s.mail.to = vec![text("a@example.org"), text("Sales+q@brand.example")]);
    // 6
    with("disconnected", |s| s.connected = false);
    with("unknown_sender", |s| s.mail.from = text("agent@example.com"));
    with("suppressed", |s| s.suppressed = Some(text("manual")));
    with("held", |s| s.held = true);
    with("no_goal", |s| s.lead = Lead::Nothing);
    with("goal_over", |s| s.lead = Lead::Over);
    let mut s = good();
    s.lead = Lead::Over;
    assert!(matches!(decide(&s, &ReplyConfig::default()), Ruling::Waits("goal_over", _)));
    with("person_wrote", |s| s.person_wrote = true);
    with("not_newest", |s| s.newest = false);
    with("approval", |s| s.lead = Lead::Goal { auto_reply: false });
    with("switched_off", |s| s.mode = AutoReply::Off);
    with("yes", |s| s.mode = AutoReply::DryRun);
    with("other_reply_to", |s| s.mail.reply_to = vec![text("elsewhere@example.org")]);
    // 7
    with("thread_cap", |s| s.counts.thread = 5);
    with("contact_cap", |s| s.counts.contact = 3);
    for (rule, over) in [
        ("account_hour_cap", (|c| c.hour = 20) as fn(&mut AutomaticCounts)),
        ("account_hour_cap", |c| c.left = 20),
        ("account_day_cap", |c| c.day = 100),
        ("global_cap", |c| c.all = 1000),
    ] {
        with("later", |s| over(&mut s.counts));
        // By the time that there is room it would be too old.
        with(rule, |s| {
            over(&mut s.counts);
            s.since = NOW.minus(Duration::from_secs(24 * 3600 - 800));
        });
    }
    with("later", |s| s.counts.last_in_thread = Some(NOW.minus(Duration::from_secs(599))));
    with("yes", |s| s.counts.last_in_thread = Some(NOW.minus(Duration::from_secs(600))));
}

/// The first rule that says no is the one on record.
#[test]
fn the_order_is_fixed() {
    let mut s = good();
    s.counts.thread = 5;
    assert_eq!(code(&s), "thread_cap");
    s.newest = false;
    s.held = true;
    assert_eq!(code(&s), "held");
    s.mail.to.clear();
    assert_eq!(code(&s), "not_addressed");
    s.mail.machine = text("soft:list");
    assert_eq!(code(&s), "machine_soft");
    s.mail.machine = text("hard:report");
    assert_eq!(code(&s), "machine_hard");
    s.mail.from = text("brand@example.com");
    assert_eq!(code(&s), "own_address");
    s.mail.backfill = true;
    assert_eq!(code(&s), "backfill");
}

#[test]
fn every_rule_of_a_follow_up() {
    let with = |expected: &str, change: fn(&mut Snapshot)| {
        let mut s = follow_up();
        change(&mut s);
        assert_eq!(code(&s), expected);
    };
    with("yes", |_| {});
    with("answered", |s| s.mail.direction = Direction::In);
    with("answered_before", |s| s.mail.answered = true);
    with("not_addressed", |s| s.mail.to = vec![text("else@example.com")]);
    with("yes", |s| s.mail.cc = std::mem::take(&mut s.mail.to));
    with("own_address", |s| {
        s.counterpart = text("other@gmail.com");
        s.mail.to = vec![text("other@gmail.com")];
    });
    with("suppressed", |s| s.suppressed = Some(text("opt_out")));
    with("held", |s| s.held = true);
    with("no_goal", |s| s.lead = Lead::Nothing);
    with("not_newest", |s| s.newest = false);
    with("person_wrote", |s| s.person_wrote = true);
    with("later", |s| s.away_until = Some(NOW));
    with("yes", |s| s.away_until = Some(NOW.minus(days(1))));
    with("approval", |s| s.lead = Lead::Goal { auto_reply: false });
    with("overdue", |s| s.overdue = true);
    with("contact_cap", |s| s.counts.contact = 3);
}

#[test]
fn weekends_are_for_resting() {
    for (day, due) in [
        ("2028-01-14T09:30:00Z", "2028-01-14T09:30:00Z"),
        ("2028-01-15T09:30:00Z", "2028-01-17T09:30:00Z"),
        ("2028-01-16T23:59:59Z", "2028-01-17T23:59:59Z"),
        ("2028-01-17T00:00:00Z", "2028-01-17T00:00:00Z"),
    ] {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        assert_eq!(on_a_working_day(at(day)), at(due), "{day}");
    }
}

fn kind() -> impl Strategy<Value = MailKind> {
    prop::sample::select(vec![
        MailKind::Reply,
        MailKind::Reply,
        MailKind::Reply,
        MailKind::OutOfOffice,
        MailKind::Bounce,
        MailKind::OptOut,
        MailKind::Complaint,
        MailKind::Notice,
    ])
}

fn address() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "creator@example.com",
        "Creator+tag@example.com",
        "brand@example.com",
        "BRAND+x@example.com",
        "o.t.her@gmail.com",
        "agent@example.org",
        "",
    ])
    .prop_map(str::to_owned)
}

prop_compose! {
    fn mails()(
        out in prop::bool::weighted(0.1), backfill in prop::bool::weighted(0.1), answered in prop::bool::weighted(0.1),
        label in prop::sample::select(vec!["INBOX", "INBOX", "INBOX", "SPAM", "SENT", "TRASH"]),
        age in 0_u64..100_000, kind in kind(),
        machine in prop::sample::select(vec!["none", "none", "none", "hard:report", "hard:own_mail", "soft:list", "?"]),
        from in address(), sender in prop::option::weighted(0.2, address()), one_author in prop::bool::weighted(0.9),
        reply_to in prop::collection::vec(address(), 0..2), to in prop::collection::vec(address(), 0..3),
        own_message_id in prop::bool::weighted(0.1),
    ) -> Mail {
        Mail {
            direction: if out { Direction::Out } else { Direction::In },
            backfill, labels: vec![text("INBOX"), text(label)], received_at: NOW.minus(Duration::from_secs(age)),
            machine: text(machine), kind, from, sender, one_author, reply_to, to, cc: Vec::new(), own_message_id,
            answered,
        }
    }
}

prop_compose! {
    fn snapshots()(
        mail in mails(), follow in prop::bool::weighted(0.3), connected in prop::bool::weighted(0.9),
        held in prop::bool::weighted(0.1), newest in prop::bool::weighted(0.9), person in prop::bool::weighted(0.1),
        suppressed in prop::option::weighted(0.1, Just(text("bounce"))),
        lead in prop::sample::select(vec![Lead::Nothing, Lead::Over, Lead::Goal { auto_reply: false },
            Lead::Goal { auto_reply: true }, Lead::Goal { auto_reply: true }]),
        mode in prop::sample::select(vec![AutoReply::On, AutoReply::DryRun, AutoReply::Off]),
        (thread, contact, (hour, left), day, all) in
            (0_i64..7, 0_i64..5, (0_i64..25, 0_i64..25), 0_i64..120, 0_i64..1200),
        gap in prop::option::of(0_u64..2000), away in prop::option::weighted(0.2, 0_u64..200_000),
    ) -> Snapshot {
        let counts = AutomaticCounts {
            thread, last_in_thread: gap.map(|gap| NOW.minus(Duration::from_secs(gap))), contact, hour, day, all, left,
        };
        let about = if follow { About::FollowUp } else { About::Answer };
        let away_until = away.map(|away| NOW.plus(Duration::from_secs(away)).minus(days(1)));
        Snapshot { since: mail.received_at, mail, about, connected, held, newest, person_wrote: person, suppressed, lead, mode, counts, away_until,
            ..good() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever else is so.
    #[test]
    fn never_yes_to_these(s in snapshots()) {
        let config = ReplyConfig::default();
        let ruling = decide(&s, &config);
        let yes = ruling == Ruling::Yes;
        let c = &s.counts;
        let over = c.thread >= config.per_thread || c.contact >= config.per_contact || c.hour.max(c.left) >= config.per_hour
            || c.day >= config.per_day || c.all >= config.global;
        prop_assert!(!(yes && over), "over a cap");
        prop_assert!(!(yes && (s.held || s.person_wrote || !s.newest || !s.connected)), "a person, or a newer mail");
        prop_assert!(!(yes && s.suppressed.is_some()), "suppressed");
        prop_assert!(!(yes && s.mode == AutoReply::Off), "switched off");
        prop_assert!(!(yes && s.lead != Lead::Goal { auto_reply: true }), "no goal");
        prop_assert!(!(yes && s.mail.answered), "answered");
        prop_assert!(!(yes && s.own.contains(&s.counterpart)), "ourselves");
        if s.about == About::Answer {
            let involved = [&s.mail.from].into_iter().chain(&s.mail.sender).chain(&s.mail.reply_to);
            let ours = involved.into_iter().any(|a| s.own.contains(a)) || s.mail.own_message_id;
            prop_assert!(!(yes && ours), "our own");
            prop_assert!(!(yes && (s.mail.machine != "none" || s.mail.kind != MailKind::Reply)), "a machine");
            prop_assert!(!(yes && s.now.since(s.mail.received_at) > config.max_age), "old");
            prop_assert!(!(yes && (s.mail.backfill || s.mail.direction == Direction::Out)), "not new");
            // Whoever is asked for approval is never asked to approve an answer to a machine or to ourselves.
            let waits = matches!(ruling, Ruling::Waits(..));
            prop_assert!(!(waits && (ours || s.mail.machine != "none")), "waits for nothing");
        }
        // What may leave now may still leave just before it does.
        if yes {
            prop_assert_eq!(still(&s, &config), Ruling::Yes);
        }
    }
}
