//! What an author's letters add up to.
//!
//! Promises
//! - Exact: every letter that is on its way or delivered counts once, in whichever order letters are
//!   scheduled, revoked, changed and counted, and nothing of a letter that was revoked stays.
//! - Scheduling costs one row and delivery nothing: letters are counted when somebody asks, each once. Who asks
//!   then reads sums, however many letters there are.
//! - Nothing of an encrypted letter's text is counted.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use accounts::{Caller, mask_address};
use db::{Conn, Tx};
use kernel::{Problem, Timestamp, time::days};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Letters,
    store::{self, LetterRow, MONTH, RECIPIENT, SECONDS, SentRow, Share, Stretch, WORD, Worded, YEAR},
    view::own_mailboxes,
};

/// So many letters are counted in one transaction, and texts of so many characters.
const STEP: i64 = 500;
const STEP_CHARACTERS: i64 = 1_000_000;
/// So many different words of one letter are counted, its most frequent ones.
const WORDS_PER_LETTER: usize = 1000;
/// What is longer is no word.
const WORD_CHARACTERS: usize = 32;
/// So old is what counts as settled in an inbox: no delivery takes so long to be committed, and no clock is set
/// back so far.
const SETTLED: Duration = Duration::from_secs(3600);
/// So many letters are counted again and again before their number is remembered.
const WORTH_REMEMBERING: i64 = 1000;
/// So many words has a cloud.
const CLOUD: i64 = 50;

/// The caller's letters in figures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statistics {
    /// Letters of the caller's that are on their way or delivered.
    #[schema(example = 50)]
    total_sent: i64,
    /// Letters that were delivered to the caller.
    #[schema(example = 30)]
    total_received: i64,
    /// The time from scheduling to `sendTime`, summed over the sent letters, in whole days.
    #[schema(example = 365)]
    time_travel_duration: i64,
    /// The name of whom most letters went to; a masked address where there is no account. `null`: of none.
    most_frequent_recipient: Option<String>,
    /// The year, in UTC, in which most `sendTime`s are, the earliest of several.
    #[schema(example = 2025)]
    most_common_year: Option<i64>,
    /// The 50 most frequent words of the sent letters that are not encrypted, the most frequent first.
    keyword_cloud: Vec<Keyword>,
    /// Month by month in UTC, the current one last.
    monthly_stats: Vec<Month>,
}

/// A word of a cloud.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Keyword {
    word: String,
    /// How often it occurs.
    #[schema(example = 10)]
    count: i64,
    /// From 0.5 to 2.0, by the logarithm of the count; 1.0 where all counts are the same.
    #[schema(example = 1.0)]
    size: f64,
}

/// A month of letters.
#[derive(Debug, Serialize, ToSchema)]
struct Month {
    #[schema(example = "2025-10")]
    month: String,
    /// Scheduled in this month.
    sent: i64,
    /// Delivered in this month.
    received: i64,
}

/// The shares of a letter and its words.
fn shares(
    row: &SentRow,
    words: &HashMap<String, i64>,
    sign: i64,
    into: &mut HashMap<(&'static str, String), i64>,
) {
    let seconds = i64::try_from(row.send_time.since(row.scheduled_at).as_secs()).unwrap_or(i64::MAX);
    let mut add = |kind, name: String, n: i64| *into.entry((kind, name)).or_default() += sign * n;
    add(MONTH, row.scheduled_at.month(), 1);
    add(YEAR, row.send_time.year().to_string(), 1);
    add(RECIPIENT, row.recipient.clone(), 1);
    add(SECONDS, String::new(), seconds);
    for (word, n) in words {
        add(WORD, word.clone(), *n);
    }
}

/// In one order for all, so that no two transactions wait for each other.
fn sorted(shares: HashMap<(&'static str, String), i64>) -> Vec<Share> {
    let mut all: Vec<Share> = shares.into_iter().map(|((kind, name), n)| Share { kind, name, n }).collect();
    all.sort_unstable_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    all
}

/// How often each word of a text occurs.
fn words_of(text: &str) -> HashMap<String, i64> {
    let mut words: HashMap<String, i64> = HashMap::new();
    for word in nlp::content_words(text) {
        if word.chars().nth(WORD_CHARACTERS).is_none() && !word.contains('\0') {
            *words.entry(word).or_default() += 1;
        }
    }
    if words.len() > WORDS_PER_LETTER {
        let mut ranked: Vec<(String, i64)> = words.into_iter().collect();
        ranked.sort_unstable_by(|a, b| (-a.1, &a.0).cmp(&(-b.1, &b.0)));
        ranked.truncate(WORDS_PER_LETTER);
        words = ranked.into_iter().collect();
    }
    words
}

fn unreadable(error: &impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "the words of a letter cannot be read or written");
    Problem::internal()
}

/// Takes back what a letter counted, because it is revoked.
pub(crate) async fn take_back(tx: &mut Tx, letter: &LetterRow) -> Result<(), Problem> {
    store::lock_counts(tx, &letter.owner_id).await?;
    let Some((row, words)) = store::unsent(tx, letter).await? else { return Ok(()) };
    let words: HashMap<String, i64> = serde_json::from_str(&words).map_err(|e| unreadable(&e))?;
    let mut taken = HashMap::new();
    shares(&row, &words, -1, &mut taken);
    Ok(store::add_counts(tx, &letter.owner_id, &sorted(taken)).await?)
}

impl Letters {
    /// The caller's statistics, of the last `months` months.
    pub(crate) async fn statistics(&self, caller: &Caller, months: usize) -> Result<Statistics, Problem> {
        while self.count_some(caller.id()).await? {}
        let now = self.clock().now();
        let mut conn = self.db().read().await?;
        let rows = store::counts(&mut conn, caller.id(), &caller.email_key, CLOUD).await?;
        let counts = Counts::of(rows);
        let received = self.received(&mut conn, caller, now).await?;
        let of_month = |name: &String| Month {
            month: name.clone(),
            sent: counts.months.get(name).copied().unwrap_or_default(),
            received: received.get(name).copied().unwrap_or_default(),
        };
        Ok(Statistics {
            total_sent: counts.months.values().sum(),
            total_received: received.values().sum(),
            time_travel_duration: counts.seconds / 86_400,
            most_frequent_recipient: most_frequent(&mut conn, caller, &counts.recipients).await?,
            most_common_year: first_of_most(&counts.years).and_then(|year| year.parse().ok()),
            keyword_cloud: cloud(counts.words),
            monthly_stats: last_months(now, months).iter().map(of_month).collect(),
        })
    }

    /// Counts up to [`STEP`] letters of an author; whether there were any.
    async fn count_some(&self, owner: &str) -> Result<bool, Problem> {
        let mut conn = self.db().read().await?;
        if store::uncounted(&mut conn, owner, 1).await?.is_empty() {
            return Ok(false);
        }
        let _turn = self.0.counting.lock().await;
        let mut letters = store::uncounted(&mut conn, owner, STEP).await?;
        let mut room = STEP_CHARACTERS;
        let fits = letters.iter().take_while(|(_, _, size)| {
            let fits = room > 0;
            room -= size;
            fits
        });
        letters.truncate(fits.count());
        let with_text: Vec<&str> = letters.iter().filter(|l| l.2 > 0).map(|l| l.0.as_str()).collect();
        let texts = match with_text.is_empty() {
            true => Vec::new(),
            false => store::texts(&mut conn, with_text).await?,
        };
        drop(conn);
        let count = move || -> HashMap<String, HashMap<String, i64>> {
            texts.into_iter().map(|(letter, text)| (letter, words_of(&text))).collect()
        };
        let mut words = tokio::task::spawn_blocking(count).await.map_err(|e| unreadable(&e))?;
        let mut worded = Vec::with_capacity(letters.len());
        for (letter_id, scheduled_at, _) in letters {
            let json = serde_json::to_string(words.entry(letter_id.clone()).or_default());
            let words = json.map_err(|e| unreadable(&e))?;
            worded.push(Worded { letter_id, scheduled_at: scheduled_at.micros(), words });
        }
        let mut tx = self.db().begin().await?;
        store::lock_counts(&mut tx, owner).await?;
        let mut added = HashMap::new();
        for row in store::mark_counted(&mut tx, owner, &worded).await? {
            shares(&row, words.entry(row.letter_id.clone()).or_default(), 1, &mut added);
        }
        if !added.is_empty() {
            store::add_counts(&mut tx, owner, &sorted(added)).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// An author's counts, kind by kind.
#[derive(Debug, Default)]
struct Counts {
    months: BTreeMap<String, i64>,
    years: BTreeMap<String, i64>,
    recipients: BTreeMap<String, i64>,
    words: Vec<(String, i64)>,
    seconds: i64,
}

impl Counts {
    fn of(rows: Vec<(String, String, i64)>) -> Self {
        let mut counts = Self::default();
        for (kind, name, n) in rows {
            match kind.as_str() {
                MONTH => drop(counts.months.insert(name, n)),
                YEAR => drop(counts.years.insert(name, n)),
                RECIPIENT => drop(counts.recipients.insert(name, n)),
                WORD => counts.words.push((name, n)),
                _ => counts.seconds = n,
            }
        }
        counts.words.sort_unstable_by(|a, b| (-a.1, &a.0).cmp(&(-b.1, &b.0)));
        counts
    }
}

/// The last `n` months up to now, the current one last.
fn last_months(now: Timestamp, n: usize) -> Vec<String> {
    let before = |month: &Timestamp| Some(Timestamp::from_micros(month.micros() - 1).month_start());
    let months = std::iter::successors(Some(now.month_start()), before);
    let mut all: Vec<String> = months.take(n).map(Timestamp::month).collect();
    all.reverse();
    all
}

/// The time from `start` to `end` (not included) in stretches of one month each.
fn stretches(start: Timestamp, end: Timestamp) -> Vec<Stretch> {
    let mut all = Vec::new();
    let mut from = start;
    while from < end {
        // In the next month, whatever length this one has.
        let to = (from.month_start() + days(31)).month_start().min(end);
        all.push(Stretch { month: from.month(), start: from.micros(), end: to.micros() });
        from = to;
    }
    all
}

impl Letters {
    /// How many letters came to the caller in each month.
    async fn received(
        &self,
        conn: &mut Conn,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<BTreeMap<String, i64>, Problem> {
        let mut all = BTreeMap::new();
        for mailbox in own_mailboxes(caller) {
            for (month, n) in self.received_at(conn, mailbox, now).await? {
                *all.entry(month).or_default() += n;
            }
        }
        Ok(all)
    }

    /// The same of one mailbox. Deliveries only add at the end of an inbox, so that what came before [`SETTLED`] is
    /// counted once and remembered; an import, which adds at older dates, has it counted anew.
    async fn received_at(
        &self,
        conn: &mut Conn,
        mailbox: &str,
        now: Timestamp,
    ) -> Result<BTreeMap<String, i64>, Problem> {
        let counted = store::inbox_counted(conn, mailbox).await?;
        let before = counted.as_ref().map(|(until, _)| *until);
        let mut months: BTreeMap<String, i64> = match &counted {
            Some((_, json)) => serde_json::from_str(json).map_err(|e| unreadable(&e))?,
            None => BTreeMap::new(),
        };
        let start = match before {
            Some(until) => until,
            None => match store::first_arrival(conn, mailbox).await? {
                Some(first) => first,
                None => return Ok(months),
            },
        };
        let settled = (now - SETTLED).max(start);
        let add = |months: &mut BTreeMap<String, i64>, rows: Vec<(String, i64)>| -> i64 {
            rows.into_iter()
                .map(|(month, n)| {
                    *months.entry(month).or_default() += n;
                    n
                })
                .sum()
        };
        let old = store::received_in(conn, mailbox, &stretches(start, settled)).await?;
        if add(&mut months, old) >= WORTH_REMEMBERING {
            let json = serde_json::to_string(&months).map_err(|e| unreadable(&e))?;
            let mut tx = self.db().begin().await?;
            store::set_inbox_counted(&mut tx, mailbox, before, settled, &json).await?;
            tx.commit().await?;
        }
        // Beyond now, too: a clock that was set back hides nothing.
        let end = now.max(settled) + days(366);
        let new = store::received_in(conn, mailbox, &stretches(settled, end)).await?;
        add(&mut months, new);
        months.retain(|_, n| *n > 0);
        Ok(months)
    }
}

/// The first of the names with the largest count.
fn first_of_most(counts: &BTreeMap<String, i64>) -> Option<&String> {
    let most = counts.values().max()?;
    counts.iter().find(|(_, n)| *n == most).map(|(name, _)| name)
}

/// Whom most letters went to, as others see them. `SELF` and the caller's own address are the same person, and
/// second to others with as many letters.
async fn most_frequent(
    conn: &mut Conn,
    caller: &Caller,
    recipients: &BTreeMap<String, i64>,
) -> db::Result<Option<String>> {
    let own = |name: &str| name == "SELF" || name == caller.email_key;
    let (mine, others): (BTreeMap<_, _>, _) =
        recipients.iter().map(|(name, n)| (name.clone(), *n)).partition(|(name, _)| own(name));
    let mine: i64 = mine.values().sum();
    match first_of_most(&others) {
        Some(name) if others.get(name).is_some_and(|n| *n >= mine) => {
            let person = accounts::store::people_at(conn, vec![name]).await?.into_iter().next();
            Ok(Some(person.map_or_else(|| mask_address(name), |(_, person)| person.username)))
        }
        _ => Ok((mine > 0).then(|| caller.person.username.clone())),
    }
}

/// Words with their sizes; `words` are sorted by count, the largest first.
fn cloud(words: Vec<(String, i64)>) -> Vec<Keyword> {
    let most = words.first().map_or(1, |w| w.1);
    let least = words.last().map_or(1, |w| w.1);
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let size = |count: i64| {
        if most <= least {
            return 1.0;
        }
        let share = (count as f64 / least as f64).ln() / (most as f64 / least as f64).ln();
        ((0.5 + 1.5 * share) * 100.0).round() / 100.0
    };
    words.into_iter().map(|(word, count)| Keyword { size: size(count), word, count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end_with_the_current_one() {
        let now: Timestamp = "2028-03-31T23:59:59.999999Z".parse().unwrap();
        let months = last_months(now, 14);
        assert_eq!(months[..3], ["2027-02", "2027-03", "2027-04"]);
        assert_eq!(months[10..], ["2027-12", "2028-01", "2028-02", "2028-03"]);
    }

    #[test]
    fn stretches_are_months_without_gaps() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (start, end) = (at("2027-12-31T12:00:00Z"), at("2029-03-01T00:00:00.000001Z"));
        let all = stretches(start, end);
        let names: Vec<&str> = all.iter().map(|s| s.month.as_str()).collect();
        assert_eq!((names.len(), names[0], names[2], names[15]), (16, "2027-12", "2028-02", "2029-03"));
        assert_eq!(all[2].end - all[2].start, 29 * 86_400 * 1_000_000);
        assert_eq!((all[0].start, all[15].end), (start.micros(), end.micros()));
        assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert!(stretches(end, start).is_empty());
    }

    #[test]
    fn sizes_follow_the_logarithm() {
        let sizes = |counts: &[i64]| -> Vec<f64> {
            let words = counts.iter().map(|n| (n.to_string(), *n)).collect();
            cloud(words).into_iter().map(|k| k.size).collect()
        };
        assert_eq!(sizes(&[100, 10, 1]), [2.0, 1.25, 0.5]);
        assert_eq!(sizes(&[7, 7]), [1.0, 1.0]);
        assert_eq!(sizes(&[]), [0.0; 0]);
    }

    #[test]
    fn a_text_of_any_length_has_so_many_words() {
        let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
        let word = |n: usize| format!("quokka{}{}{} ", letter(n / 676), letter(n / 26), letter(n));
        let long: String = (0..1500).map(word).chain((500..1500).map(word)).collect();
        let words = words_of(&long);
        assert_eq!(words.len(), WORDS_PER_LETTER);
        assert!(words.values().all(|n| *n == 2), "the rarer ones went");
        assert!(words_of(&"x".repeat(100)).is_empty());
    }
}
