//! Civil dates as day numbers since 1970-01-01.

/// A date as a day number since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    /// The date of a year, month and day of the Gregorian calendar.
    pub fn of(year: i64, month: i64, day: i64) -> Self {
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted - era * 400;
        let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * 146_097 + day_of_era - 719_468)
    }

    /// Monday 0 to Sunday 6.
    pub fn weekday(self) -> i64 {
        (self.0 + 3).rem_euclid(7)
    }

    /// Whether it is Saturday or Sunday.
    pub fn is_weekend(self) -> bool {
        self.weekday() >= 5
    }

    /// The date `days` later.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }

    /// The `n`-th Sunday of a month.
    pub fn sunday(year: i64, month: i64, n: i64) -> Self {
        let first = Self::of(year, month, 1);
        first.plus((6 - first.weekday()) + 7 * (n - 1))
    }
}

/// Read `YYYY-MM-DD`.
pub fn parse_day(text: &str) -> Option<Day> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    match (parts.next()??, parts.next()??, parts.next()??) {
        (year, month @ 1..=12, day @ 1..=31) => Some(Day::of(year, month, day)),
        _ => None,
    }
}
