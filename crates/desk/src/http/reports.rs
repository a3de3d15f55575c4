//! `GET /desk/reports`

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use httpkit::{DeskEnvelope, Failure, Query, Refusals, desk_ok, text, text_enum};
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use kernel::Problem;

use crate::{
    Desk,
    auth::Agent,
    report::{self, By, MOST_DAYS, Period, Report},
    store,
};

text_enum! {
    /// How a report is written.
    #[schema(as = ReportFormat)]
    Format {
        /// As everything.
        Json = "json",
        /// For spreadsheets.
        Csv = "csv",
    }
}

/// Report what happened
///
/// For supervisors. Sessions, hand-overs, messages, first answers and handling times, by day, channel or agent, in days
/// of the zone `tz`. Times are seconds. `format=csv` answers a file with the same figures and the total in its last row.
#[utoipa::path(get, path = "/desk/reports", tag = "desk",
    params(
        ("from" = Option<String>, Query, description = "The first day, `2026-11-01`; six days before `to`"),
        ("to" = Option<String>, Query, description = "The last day; today. At most 366 days"),
        ("by" = inline(Option<By>), Query, description = "`day`"),
        ("tz" = Option<String>, Query, description = "IANA name; that of the business hours, else `UTC`"),
        ("format" = inline(Option<Format>), Query, description = "`json`")),
    responses(
        (status = 200, description = "The report; as CSV, one line a row",
            content((DeskEnvelope<Report> = "application/json"), (String = "text/csv"))),
        Refusals))]
pub(super) async fn reports(
    State(desk): State<Desk>,
    agent: Agent,
    mut query: Query,
) -> Result<Response, Failure> {
    agent.supervising()?;
    let by: By = query.0.optional("by").unwrap_or_default();
    let format: Format = query.0.optional("format").unwrap_or_default();
    let settings = store::settings(&mut desk.db().read().await?).await?;
    let home = settings.hours.map_or_else(|| "UTC".to_owned(), |hours| hours.zone);
    let period = period(&mut query, &desk, home);
    query.0.finish()?;
    let report = desk.report(&period, by).await?;
    if format == Format::Json {
        return Ok(desk_ok(report).into_response());
    }
    let bytes = report::csv(&report).map_err(|error| {
        tracing::error!(%error, "a report cannot be written");
        Problem::internal()
    })?;
    let name = format!("attachment; filename=\"desk-{}-{}-{}.csv\"", by.as_str(), report.from, report.to);
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

fn period(query: &mut Query, desk: &Desk, home: String) -> Period {
    let f = &mut query.0;
    let zone = f.optional::<text::Line<64>>("tz").map_or(home, |tz| tz.0);
    let zone = TimeZone::get(&zone).unwrap_or_else(|_| {
        f.bad("tz", "must be the IANA name of a time zone, such as Asia/Shanghai");
        TimeZone::UTC
    });
    let now = jiff::Timestamp::from_microsecond(desk.clock().now().micros()).unwrap_or_default();
    let mut day = |name: &str| {
        let text = f.optional::<text::Line<10>>(name)?.0;
        let date: Option<Date> = text.parse().ok().filter(|_| text.len() == 10);
        if date.is_none() {
            f.bad(name, kernel::time::InvalidDate.to_string());
        }
        date
    };
    let (from, to) = (day("from"), day("to"));
    let to = to.unwrap_or_else(|| now.to_zoned(zone.clone()).date());
    let from = from.unwrap_or_else(|| to.saturating_sub(6.days()));
    match to.since(from).map(|span| span.get_days()) {
        Ok(0..MOST_DAYS) => {}
        Ok(..0) => f.rule("to", "must not be before from"),
        _ => f.rule("from", format!("must be at most {MOST_DAYS} days before to")),
    }
    Period { from, to, zone }
}
