//! `page` and `page_size` of a list's query.

use httpkit::Fields;

/// The size where none is given.
const DEFAULT_SIZE: i64 = 50;
/// The largest size.
const MAX_SIZE: i64 = 100;

/// Which rows are asked for: how many, and after how many.
pub(super) fn paging(f: &mut Fields) -> (i64, i64) {
    let mut read = |name: &str, otherwise: i64, most: i64| match f.optional::<i64>(name) {
        Some(n) if (1..=most).contains(&n) => n,
        Some(_) => {
            f.bad(name, format!("must be a whole number from 1 to {most}"));
            otherwise
        }
        None => otherwise,
    };
    let (page, size) = (read("page", 1, 1_000_000_000), read("page_size", DEFAULT_SIZE, MAX_SIZE));
    (size, (page - 1).saturating_mul(size))
}
