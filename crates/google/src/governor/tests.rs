//! Units, calls at a time and holds, on a simulated clock.

use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn governor(quota: Quota) -> (Governor, Arc<kernel::Sim>) {
    let (clock, sim) = Clock::simulated(START);
    (Governor::new(quota, clock), sim)
}

#[test]
fn a_burst_then_the_rate_then_no() {
    let (governor, sim) = governor(Quota::default());
    let wait = |units| governor.reserve(units, Effect::Repeatable).map(|at| at.since(sim.now()));
    for _ in 0..10 {
        assert_eq!(wait(100), Ok(Duration::ZERO));
    }
    // 5,000 a minute: 100 in 1.2 seconds.
    assert_eq!(wait(100), Ok(Duration::from_millis(1200)));
    sim.advance(Duration::from_millis(1200));
    assert_eq!(wait(100), Ok(Duration::from_millis(1200)));
    let error = std::iter::repeat_with(|| wait(100)).find_map(Result::err).unwrap();
    let Error::Retry { after: Some(after), limited: true, .. } = error else { panic!("{error}") };
    assert!(after > Duration::from_secs(20) && after < Duration::from_secs(22), "{after:?}");
    // What was refused was not charged.
    sim.advance(after);
    assert!(wait(100).is_ok());
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up_for_long() {
    let (governor, sim) = governor(Quota::default());
    governor.reserve(100, Effect::Repeatable).unwrap();
    sim.set(START - Duration::from_secs(3600));
    let Err(Error::Retry { after: Some(after), .. }) = governor.reserve(100, Effect::Repeatable) else {
        panic!("no wait")
    };
    assert!(after < Duration::from_secs(22), "{after:?}");
    sim.advance(after);
    governor.reserve(100, Effect::Repeatable).unwrap();
}

fn limited(after: Option<u64>) -> Result<(), Error> {
    Err(Error::Retry { reason: "x".to_owned(), after: after.map(Duration::from_secs), limited: true })
}

#[test]
fn googles_no_is_remembered() {
    let (governor, sim) = governor(Quota::default());
    let may = |effect| governor.reserve(1, effect).is_ok();
    // The mailbox's sending limit: it may still be read.
    governor.note(limited(Some(7200)), Effect::Send).unwrap_err();
    assert!(!may(Effect::Send) && may(Effect::Repeatable));
    assert_eq!(governor.held_until(), None);
    assert_eq!(governor.sends_held_until(), Some(START + Duration::from_secs(7200)));
    governor.note(limited(Some(60)), Effect::Repeatable).unwrap_err();
    assert!(!may(Effect::Repeatable));
    sim.advance(Duration::from_secs(59));
    assert_eq!(governor.reserve(1, Effect::Repeatable).map_err(Err::<(), _>), Err(limited(Some(1))));
    sim.advance(Duration::from_secs(1));
    assert!(may(Effect::Repeatable) && !may(Effect::Send));
    sim.advance(Duration::from_secs(7140));
    assert!(may(Effect::Send));

    let until = sim.now() + Duration::from_secs(9999);
    let daily = Error::DailyLimit { until, reason: "x".to_owned() };
    governor.note(Err::<(), _>(daily.clone()), Effect::Send).unwrap_err();
    assert_eq!(governor.reserve(1, Effect::Repeatable), Err(daily));
}

#[test]
fn limits_without_a_time_back_off_until_a_success() {
    let (governor, _sim) = governor(Quota::default());
    let wait = || match governor.note(limited(None), Effect::Repeatable) {
        Err(Error::Retry { after: Some(after), .. }) => after.as_secs(),
        other => panic!("{other:?}"),
    };
    assert_eq!((wait(), wait(), wait()), (1, 2, 4));
    governor.note(Ok(()), Effect::Repeatable).unwrap();
    assert_eq!(wait(), 1);
    // An outage is no limit.
    governor.note(Err::<(), _>(Error::retry("x")), Effect::Repeatable).unwrap_err();
    assert_eq!(wait(), 2);
}

#[tokio::test]
async fn never_more_calls_at_once() {
    let (governor, _sim) = governor(Quota { concurrency: 2, ..Quota::default() });
    let governor = Arc::new(governor);
    let one = governor.acquire(1, Effect::Repeatable).await.unwrap();
    let _two = governor.acquire(1, Effect::Repeatable).await.unwrap();
    let three = tokio::spawn({
        let governor = Arc::clone(&governor);
        async move { governor.acquire(1, Effect::Repeatable).await.map(drop) }
    });
    tokio::task::yield_now().await;
    assert!(!three.is_finished());
    drop(one);
    three.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_waits_for_units_hears_of_googles_no() {
    let (governor, sim) = governor(Quota::default());
    let governor = Arc::new(governor);
    for _ in 0..10 {
        governor.reserve(100, Effect::Repeatable).unwrap();
    }
    let waiting = tokio::spawn({
        let governor = Arc::clone(&governor);
        async move { governor.acquire(100, Effect::Repeatable).await.map(drop) }
    });
    tokio::task::yield_now().await;
    governor.note(limited(Some(60)), Effect::Repeatable).unwrap_err();
    sim.advance(Duration::from_secs(2));
    assert_eq!(waiting.await.unwrap(), limited(Some(58)));
}

/// Calls that do not end keep nobody waiting for ever.
#[tokio::test]
async fn who_waits_for_other_calls_hears_of_it() {
    let (governor, _) =
        governor(Quota { concurrency: 1, patience: Duration::from_millis(20), ..Quota::default() });
    let held = governor.acquire(1, Effect::Repeatable).await.unwrap();
    let Err(Error::Retry { limited: true, .. }) = governor.acquire(1, Effect::Repeatable).await else {
        panic!("no wait")
    };
    drop(held);
    assert!(governor.acquire(1, Effect::Repeatable).await.is_ok());
}

#[test]
fn a_mailbox_has_one_governor() {
    let governors = Governors::new(Quota::default(), Clock::system());
    assert!(Arc::ptr_eq(&governors.of("A@x.cn"), &governors.of("a@x.cn")));
    assert!(!Arc::ptr_eq(&governors.of("a@x.cn"), &governors.of("b@x.cn")));
}

proptest! {
    /// Whatever is asked when: no minute has more than the quota.
    #[test]
    fn no_minute_is_over_quota(
        quota in 0u32..20_000,
        calls in proptest::collection::vec((1u32..=100, 0u64..3_000), 1..300),
    ) {
        let (governor, sim) = governor(Quota { units_per_minute: quota, ..Quota::default() });
        let mut made: Vec<(Timestamp, u32)> = Vec::new();
        for (units, pause) in calls {
            sim.advance(Duration::from_millis(pause));
            if let Ok(at) = governor.reserve(units, Effect::Repeatable) {
                made.push((at.max(sim.now()), units));
            }
        }
        for (from, _) in &made {
            let end = *from + MINUTE;
            let used: u32 = made.iter().filter(|(at, _)| at >= from && *at < end).map(|(_, u)| u).sum();
            prop_assert!(used <= quota.max(200) + 1, "{used} of {quota}");
        }
    }
}
