//! The `Range` header of a download (RFC 9110 §14), resolved against the size of the object.
//!
//! Promises: never panics, never answers a range outside the object, and treats what it does not
//! understand the way the RFC asks for, as if the header were absent.

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeOutcome {
    /// The header is to be ignored: answer 200 with the whole object.
    Full,
    /// Answer 206 with these bytes; never empty, never beyond the end.
    Partial(Range<u64>),
    /// Answer 416 with `Content-Range: bytes */{total}`.
    Unsatisfiable,
}

/// Resolves a `Range` header against an object of `total` bytes.
///
/// One range is honoured: `bytes=0-99`, `bytes=100-`, `bytes=-100`. Other units and malformed headers are
/// ignored (§14.2), and so are several ranges at once, which a server may do (§14.2) and which spares us
/// `multipart/byteranges` and its amplification attacks (§17.15).
#[must_use]
pub fn parse_range(header: &str, total: u64) -> RangeOutcome {
    single_spec(header).and_then(|spec| resolve(spec, total)).unwrap_or(RangeOutcome::Full)
}

/// The one range-spec of a header in bytes. Empty list elements are allowed around it (§5.6.1.2).
fn single_spec(header: &str) -> Option<&str> {
    let (unit, set) = header.trim_matches(OWS).split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = set.split(',').map(|spec| spec.trim_matches(OWS)).filter(|spec| !spec.is_empty());
    let first = specs.next()?;
    specs.next().is_none().then_some(first)
}

/// Optional white space (§5.6.3).
const OWS: [char; 2] = [' ', '\t'];

/// `None` for what is malformed.
fn resolve(spec: &str, total: u64) -> Option<RangeOutcome> {
    let range = match spec.split_once('-')? {
        ("", suffix) => {
            let length = position(suffix)?;
            if length == 0 {
                return Some(RangeOutcome::Unsatisfiable);
            }
            if total == 0 {
                // Satisfiable, but a Content-Range cannot express no bytes: the whole, empty object.
                return Some(RangeOutcome::Full);
            }
            total.saturating_sub(length)..total
        }
        (first, "") => position(first)?..total,
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(total)
        }
    };
    Some(if range.start < total { RangeOutcome::Partial(range) } else { RangeOutcome::Unsatisfiable })
}

/// `1*DIGIT`. A numeral beyond 64 bits is beyond any object, which is all that matters (§14.1.2 asks
/// recipients to expect such).
fn position(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use RangeOutcome::{Full, Partial, Unsatisfiable};
    use proptest::prelude::*;

    #[test]
    fn examples_of_the_rfc() {
        for (header, total, expected) in [
            ("bytes=0-499", 10_000, Partial(0..500)),
            ("bytes=500-999", 10_000, Partial(500..1000)),
            ("bytes=-500", 10_000, Partial(9500..10_000)),
            ("bytes=9500-", 10_000, Partial(9500..10_000)),
            ("bytes=0-", 10_000, Partial(0..10_000)),
            ("BYTES = 0-0", 10_000, Full),
            ("Bytes=0-0", 10_000, Partial(0..1)),
            (" bytes= 0-0 , ,", 10_000, Partial(0..1)),
            ("bytes=0-0,-1", 10_000, Full),
            ("bytes=9-8", 10_000, Full),
            ("bytes=10000-", 10_000, Unsatisfiable),
            ("bytes=9999-10000", 10_000, Partial(9999..10_000)),
            ("bytes=-0", 10_000, Unsatisfiable),
            ("bytes=-10001", 10_000, Partial(0..10_000)),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-1", 0, Full),
            ("bytes=-0", 0, Unsatisfiable),
            ("bytes=99999999999999999999999-", 5, Unsatisfiable),
            ("bytes=1-99999999999999999999999", 5, Partial(1..5)),
            ("bytes=0-18446744073709551615", u64::MAX, Partial(0..u64::MAX)),
            ("bytes=-", 5, Full),
            ("bytes=", 5, Full),
            ("bytes", 5, Full),
            ("", 5, Full),
            ("bytes=+1-2", 5, Full),
            ("bytes=1-2-3", 5, Full),
            ("bytes=0x1-2", 5, Full),
            ("bytes=１-2", 5, Full),
            ("lines=0-1", 5, Full),
        ] {
            assert_eq!(parse_range(header, total), expected, "{header:?} of {total}");
        }
    }

    /// The bytes that RFC 9110 §14.1.2 names, each byte asked on its own.
    fn naive(first: Option<u64>, last: Option<u64>, total: u64) -> Vec<u64> {
        (0..total)
            .filter(|&at| match (first, last) {
                (Some(first), Some(last)) => first <= at && at <= last,
                (Some(first), None) => first <= at,
                (None, Some(suffix)) => total - at <= suffix,
                (None, None) => false,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_model(
            first in proptest::option::of(0_u64..40), last in proptest::option::of(0_u64..40), total in 0_u64..30,
        ) {
            let show = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
            let header = format!("bytes={}-{}", show(first), show(last));
            let wanted = naive(first, last, total);
            match parse_range(&header, total) {
                Partial(range) => {
                    prop_assert!(!range.is_empty());
                    prop_assert_eq!(range.collect::<Vec<_>>(), wanted);
                }
                Unsatisfiable => prop_assert!(wanted.is_empty(), "{} of {}", header, total),
                Full => prop_assert!(
                    first.is_none() && last.is_none()
                        || matches!((first, last), (Some(first), Some(last)) if last < first)
                        || first.is_none() && total == 0,
                    "{} of {}", header, total
                ),
            }
        }

        #[test]
        fn any_text_is_answered_within_the_object(header in "(bytes=)?[-0-9, \tbytes=é]{0,24}", total: u64) {
            if let Partial(range) = parse_range(&header, total) {
                prop_assert!(range.start < range.end && range.end <= total);
            }
        }
    }
}
