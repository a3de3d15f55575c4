//! Numbered pages, as the seeds have them: `page` from 1, `size` 10 by default and at most 100.

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// From 1.
    pub page: i64,
    /// From 1 to [`PageRequest::MAX_SIZE`].
    pub size: i64,
}

impl PageRequest {
    /// The size where none is given.
    pub const DEFAULT_SIZE: i64 = 10;
    /// The largest size.
    pub const MAX_SIZE: i64 = 100;

    /// How many rows come before this page.
    #[must_use]
    pub fn offset(self) -> i64 {
        self.page.saturating_sub(1).saturating_mul(self.size)
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { page: 1, size: Self::DEFAULT_SIZE }
    }
}

/// One page of `total` rows.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows of this page.
    pub list: Vec<T>,
    /// How many rows there are on all pages.
    pub total: i64,
    /// As asked.
    pub request: PageRequest,
}
