//! Failures as data: what, expected, seen, what to do; the border turns them into exceptions.

use std::fmt;

/// The exception class a failure becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Decimal text outside the grammar of exact numbers, or a number outside 64 bits.
    BadNumber,
    /// A field of the wrong form.
    BadField,
    /// A timeframe spelling that is not legal.
    BadTimeframe,
    /// Bars that are not strictly ascending by start.
    Unsorted,
    /// A date outside the calendar's covered range.
    CalendarUnknown,
    /// A snapshot that cannot be read.
    StoreCorrupt,
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which exception it becomes.
    pub code: Code,
    /// The thing that failed.
    pub what: &'static str,
    /// What would have been right.
    pub expected: &'static str,
    /// What was seen instead.
    pub seen: String,
    /// What to do about it; may be empty.
    pub hint: &'static str,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(code: Code, what: &'static str, expected: &'static str, seen: impl Into<String>) -> Self {
        Self { code, what, expected, seen: seen.into(), hint: "" }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.what, self.expected, self.seen)
    }
}

impl std::error::Error for Failure {}
