//! What happened at the desk, in figures: by day, by channel or by agent.
//!
//! Everything is counted at the time at which it happened, in days of a calendar's zone: a session that spans midnight
//! is opened on one day and closed on another. Percentiles are exact, by the nearest rank.

use std::{collections::BTreeMap, time::Duration};

use jiff::{civil::Date, tz::TimeZone};
use kernel::{Problem, Timestamp};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    Desk,
    model::ChannelType,
    store::reports::{self, Counted, RanksRow},
};

httpkit::text_enum! {
    /// What a report has a row for.
    By {
        /// Each day.
        Day = "day",
        /// Each channel.
        Channel = "channel",
        /// Each agent who did anything.
        Agent = "agent",
    }
}

/// The most days of a report.
pub(crate) const MOST_DAYS: i32 = 366;

/// Days of a zone's calendar, both ends included.
#[derive(Debug, Clone)]
pub(crate) struct Period {
    pub(crate) from: Date,
    pub(crate) to: Date,
    pub(crate) zone: TimeZone,
}

impl Period {
    /// The first instant of a day; days begin when the zone's clocks do, be it after midnight.
    fn start(&self, day: Date) -> Option<i64> {
        day.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp().as_microsecond())
    }

    /// Its days, each with its first instant and that of the next.
    fn days(&self) -> Vec<(String, i64, i64)> {
        let mut days = Vec::new();
        let mut day = self.from;
        while day <= self.to {
            let Ok(next) = day.tomorrow() else { break };
            let (Some(since), Some(until)) = (self.start(day), self.start(next)) else { break };
            days.push((day.to_string(), since, until));
            day = next;
        }
        days
    }
}

/// How long something took, in seconds; null where nothing did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Durations {
    /// Of how many.
    pub(crate) count: i64,
    pub(crate) mean: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p90: Option<f64>,
    pub(crate) p99: Option<f64>,
}

impl From<RanksRow> for Durations {
    fn from(row: RanksRow) -> Self {
        // To the millisecond: exact enough, and the same on every machine.
        let seconds = |micros: i64| {
            Some(Duration::from_millis(u64::try_from(micros / 1000).unwrap_or(0)).as_secs_f64())
        };
        Self {
            count: row.count,
            mean: seconds(row.sum / row.count.max(1)),
            p50: seconds(row.p50),
            p90: seconds(row.p90),
            p99: seconds(row.p99),
        }
    }
}

/// The figures of a day, a channel, an agent, or all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// The day, the channel, or the agent's id; empty for all.
    pub(crate) key: String,
    /// The agent's name, if they have an account.
    pub(crate) name: Option<String>,
    /// Sessions that customers opened.
    pub(crate) opened: i64,
    /// Sessions that ended without a person, answered by the assistant.
    pub(crate) answered_by_assistant: i64,
    /// How often the assistant handed over.
    pub(crate) handed_over: i64,
    /// The same, by reason.
    pub(crate) handed_over_by_reason: BTreeMap<String, i64>,
    /// How often a person took a session from the queue or the assistant.
    pub(crate) accepted: i64,
    /// How often one went from person to person; for an agent: to them.
    pub(crate) transferred: i64,
    /// How often one went back to the queue.
    pub(crate) requeued: i64,
    pub(crate) closed: i64,
    /// From customers.
    pub(crate) messages_in: i64,
    /// From the assistant.
    pub(crate) messages_by_assistant: i64,
    /// From people.
    pub(crate) messages_by_agents: i64,
    /// From the first hand-over to the first answer of a person.
    pub(crate) first_response: Durations,
    /// From the first person who took it to its end; counted for whoever had it last.
    pub(crate) handling: Durations,
    /// Customers who waited for longer than the target; for an agent: for them.
    pub(crate) sla_breached: i64,
    /// Sessions that customers rated; for an agent: those that they had last.
    pub(crate) rated: i64,
    /// The mean of the ratings, 1 to 5; null without any.
    pub(crate) rating_mean: Option<f64>,
    /// The sum of the ratings.
    #[serde(skip)]
    rating_sum: i64,
}

/// How it is now.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Now {
    /// Customers who wait for a person.
    pub(crate) waiting: i64,
    /// Since when the first of them does.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) waiting_since: Option<Timestamp>,
    /// Sessions that people have in hand.
    pub(crate) in_hand: i64,
}

/// A report.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Report {
    /// The first day.
    pub(crate) from: String,
    /// The last day.
    pub(crate) to: String,
    /// The zone of the days.
    pub(crate) tz: String,
    pub(crate) by: By,
    pub(crate) now: Now,
    pub(crate) total: Figures,
    pub(crate) rows: Vec<Figures>,
}

/// Figures by their keys, and of all: also of what has no key.
#[derive(Default)]
struct Table {
    rows: BTreeMap<String, Figures>,
    total: Figures,
}

impl Table {
    fn at(&mut self, key: &str) -> &mut Figures {
        let new = || Figures { key: key.to_owned(), ..Figures::default() };
        self.rows.entry(key.to_owned()).or_insert_with(new)
    }

    /// Has a row for each of these, if only of noughts.
    fn complete<'a>(&mut self, keys: impl Iterator<Item = &'a str>) {
        for key in keys {
            self.at(key);
        }
    }

    /// Adds something to a row, if it is anybody's, and to the total.
    fn add(&mut self, key: Option<&str>, add: impl Fn(&mut Figures)) {
        add(&mut self.total);
        if let Some(key) = key {
            add(self.at(key));
        }
    }

    fn count(&mut self, rows: Vec<Counted>, field: fn(&mut Figures) -> &mut i64) {
        for (key, count) in rows {
            self.add(key.as_deref(), |f| *field(f) += count);
        }
    }

    fn rated(&mut self, rows: Vec<(Option<String>, i64, i64)>) {
        for (key, count, sum) in rows {
            self.add(key.as_deref(), |f| {
                f.rated += count;
                f.rating_sum += sum;
                // Scores are from 1 to 5: two decimals say all.
                let hundredths = i32::try_from(f.rating_sum * 100 / f.rated.max(1)).unwrap_or_default();
                f.rating_mean = Some(f64::from(hundredths) / 100.0);
            });
        }
    }

    fn last(&mut self, rows: Vec<RanksRow>, field: fn(&mut Figures) -> &mut Durations) {
        for row in rows {
            if let Some(key) = row.group.clone() {
                *field(self.at(&key)) = row.into();
            }
        }
    }

    fn changed(&mut self, rows: Vec<(Option<String>, String, String, i64)>) {
        for (key, what, reason, count) in rows {
            self.add(key.as_deref(), |f| match what.as_str() {
                "closed" => f.closed += count,
                "accepted" => f.accepted += count,
                "transferred" => f.transferred += count,
                "requeued" => f.requeued += count,
                "handed_over" => {
                    f.handed_over += count;
                    *f.handed_over_by_reason.entry(reason.clone()).or_default() += count;
                }
                _ => {}
            });
        }
    }

    fn said(&mut self, rows: Vec<(Option<String>, String, i64)>) {
        for (key, who, count) in rows {
            self.add(key.as_deref(), |f| match who.as_str() {
                "customer" => f.messages_in += count,
                "ai" => f.messages_by_assistant += count,
                "manual" => f.messages_by_agents += count,
                _ => {}
            });
        }
    }
}

impl Desk {
    /// Counts.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn report(&self, period: &Period, by: By) -> Result<Report, Problem> {
        let mut conn = self.db().read().await?;
        let days = period.days();
        let since = days.first().map_or(0, |day| day.1);
        let until = days.last().map_or(0, |day| day.2);
        let whole = json!([["", since, until]]).to_string();
        let spans = if by == By::Day { json!(days).to_string() } else { whole.clone() };
        let mut rows = table(&mut conn, &spans, by.as_str()).await?;
        // Counts add up; ranks do not.
        let ranks = |rows: Vec<RanksRow>| rows.into_iter().next().map(Durations::from).unwrap_or_default();
        rows.total.first_response = ranks(reports::first_responses(&mut conn, &whole, "").await?);
        rows.total.handling = ranks(reports::handled(&mut conn, &whole, "").await?);
        match by {
            By::Day => rows.complete(days.iter().map(|(day, ..)| day.as_str())),
            By::Channel => rows.complete(ChannelType::ALL.iter().copied()),
            By::Agent => {
                let ids = rows.rows.keys().cloned().collect::<Vec<_>>();
                let people =
                    accounts::store::people(&mut conn, ids.iter().map(String::as_str).collect()).await?;
                for person in people {
                    rows.at(&person.user_id).name = Some(person.username);
                }
            }
        }
        let (waiting, waiting_since, in_hand) = reports::now(&mut conn).await?;
        Ok(Report {
            from: period.from.to_string(),
            to: period.to.to_string(),
            tz: period.zone.iana_name().unwrap_or("UTC").to_owned(),
            by,
            now: Now { waiting, waiting_since, in_hand },
            total: rows.total,
            rows: rows.rows.into_values().collect(),
        })
    }
}

async fn table(conn: &mut db::Conn, spans: &str, by: &str) -> db::Result<Table> {
    let mut table = Table::default();
    table.count(reports::opened(conn, spans, by).await?, |f| &mut f.opened);
    table.count(reports::deflected(conn, spans, by).await?, |f| &mut f.answered_by_assistant);
    table.changed(reports::changed(conn, spans, by).await?);
    table.said(reports::said(conn, spans, by).await?);
    table.count(reports::breached(conn, spans, by).await?, |f| &mut f.sla_breached);
    table.rated(reports::rated(conn, spans, by).await?);
    table.last(reports::first_responses(conn, spans, by).await?, |f| &mut f.first_response);
    table.last(reports::handled(conn, spans, by).await?, |f| &mut f.handling);
    Ok(table)
}

/// The report as CSV (RFC 4180) that spreadsheets open: with a byte order mark, and no cell that they would take for a
/// formula. The last row is the total.
pub(crate) fn csv(report: &Report) -> Result<Vec<u8>, csv::Error> {
    let mut out =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(b"\xef\xbb\xbf".to_vec());
    let reasons = crate::HandoverReason::ALL;
    let mut head: Vec<String> = [
        report.by.as_str(),
        "name",
        "opened",
        "answeredByAssistant",
        "handedOver",
        "accepted",
        "transferred",
        "requeued",
        "closed",
        "messagesIn",
        "messagesByAssistant",
        "messagesByAgents",
        "firstResponseCount",
        "firstResponseMean",
        "firstResponseP50",
        "firstResponseP90",
        "firstResponseP99",
        "handlingCount",
        "handlingMean",
        "handlingP50",
        "handlingP90",
        "handlingP99",
        "slaBreached",
        "rated",
        "ratingMean",
    ]
    .map(str::to_owned)
    .to_vec();
    head.extend(reasons.iter().map(|reason| format!("handedOver.{reason}")));
    out.write_record(&head)?;
    let total = Figures { key: "total".to_owned(), ..report.total.clone() };
    for f in report.rows.iter().chain([&total]) {
        let mut cells = vec![harmless(&f.key), harmless(f.name.as_deref().unwrap_or_default())];
        let counts = [
            f.opened,
            f.answered_by_assistant,
            f.handed_over,
            f.accepted,
            f.transferred,
            f.requeued,
            f.closed,
            f.messages_in,
            f.messages_by_assistant,
            f.messages_by_agents,
        ];
        cells.extend(counts.iter().map(i64::to_string));
        for d in [&f.first_response, &f.handling] {
            cells.push(d.count.to_string());
            let seconds = [d.mean, d.p50, d.p90, d.p99];
            cells.extend(seconds.iter().map(|s| s.map_or_else(String::new, |s| s.to_string())));
        }
        cells.extend([f.sla_breached.to_string(), f.rated.to_string()]);
        cells.push(f.rating_mean.map_or_else(String::new, |mean| mean.to_string()));
        let of =
            |reason: &&str| f.handed_over_by_reason.get(*reason).copied().unwrap_or_default().to_string();
        cells.extend(reasons.iter().map(of));
        out.write_record(&cells)?;
    }
    out.into_inner().map_err(|e| csv::Error::from(e.into_error()))
}

/// A text that no spreadsheet takes for a formula.
fn harmless(text: &str) -> String {
    let formula =
        |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    if text.starts_with(formula) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(from: &str, to: &str, zone: &str) -> Vec<(String, i64, i64)> {
        let zone = TimeZone::get(zone).unwrap();
        Period { from: from.parse().unwrap(), to: to.parse().unwrap(), zone }.days()
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let hours = |days: &[(String, i64, i64)]| {
            days.iter().map(|(_, a, b)| (b - a) / 3_600_000_000).collect::<Vec<_>>()
        };
        assert_eq!(hours(&days("2028-02-28", "2028-03-01", "Asia/Shanghai")), [24, 24, 24]);
        assert_eq!(hours(&days("2028-03-25", "2028-03-27", "Europe/Berlin")), [24, 23, 24]);
        assert_eq!(hours(&days("2028-10-28", "2028-10-30", "Europe/Berlin")), [24, 25, 24]);
        // Where clocks go forward at midnight the day begins at one.
        assert_eq!(hours(&days("2018-11-03", "2018-11-05", "America/Sao_Paulo")), [24, 23, 24]);
        let all = days("2028-01-01", "2028-12-31", "Europe/Berlin");
        assert_eq!(all.len(), 366);
        assert!(all.windows(2).all(|pair| pair[0].2 == pair[1].1));
    }

    #[test]
    fn no_cell_is_a_formula() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"] {
            assert!(harmless(bad).starts_with('\''), "{bad}");
        }
        assert_eq!(harmless("anna"), "anna");
    }
}
