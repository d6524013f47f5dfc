//! Trading days, open hours and flat times.

use std::collections::BTreeMap;

use bot_model::{Code, Failure};

use crate::civil::Day;
use crate::zone::Zone;
use crate::{DAY, HOUR, MINUTE};

/// Times further out belong to the day of this one, so that no sum of days leaves the range.
const FAR: i64 = i64::MAX - 40 * DAY;
const ROLL: i64 = 17 * HOUR;

/// What a dated row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No trading for that date at all.
    Closed,
    /// Early halt, no cash session, trading counts for the next open date.
    Holiday,
    /// Early halt, own date.
    Half,
}

/// One dated row; `close` is ns after CT midnight, absent on a closed date.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The date.
    pub day: Day,
    /// What it says.
    pub kind: Kind,
    /// The early close.
    pub close: Option<i64>,
}

/// A trading-hours group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Index, FX, rates, energy, metals, crypto.
    Globex,
    /// Grains and oilseeds.
    Grains,
    /// Cattle and hogs.
    Livestock,
}

impl Group {
    fn close(self) -> i64 {
        match self {
            Self::Globex => 16 * HOUR,
            Self::Grains => 13 * HOUR + 20 * MINUTE,
            Self::Livestock => 13 * HOUR + 5 * MINUTE,
        }
    }

    /// Spans of CT times from 17:00 of the day before; a start at or after the roll is on that evening.
    fn hours(self) -> &'static [(i64, i64)] {
        match self {
            Self::Globex => &[(ROLL, 16 * HOUR)],
            Self::Grains => {
                &[(19 * HOUR, 7 * HOUR + 45 * MINUTE), (8 * HOUR + 30 * MINUTE, 13 * HOUR + 20 * MINUTE)]
            }
            Self::Livestock => &[(8 * HOUR + 30 * MINUTE, 13 * HOUR + 5 * MINUTE)],
        }
    }
}

/// `[start, end)` in ns UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First instant.
    pub start: i64,
    /// First instant after.
    pub end: i64,
}

/// The session calendar over a covered range of dates.
#[derive(Clone, Debug)]
pub struct Calendar {
    covers: (Day, Day),
    rows: BTreeMap<Day, Row>,
    central: Zone,
}

impl Calendar {
    /// A calendar from its rows and the clock changes of `America/Chicago`.
    pub fn new(covers: (Day, Day), rows: impl IntoIterator<Item = Row>, central: Zone) -> Self {
        Self { covers, rows: rows.into_iter().map(|row| (row.day, row)).collect(), central }
    }

    /// The CT date of `t`, plus one day from 17:00 on.
    pub fn raw_day(&self, t: i64) -> Day {
        Day((self.central.wall(t.clamp(-FAR, FAR)) - ROLL).div_euclid(DAY) + 1)
    }

    /// `raw_day` moved over weekends.
    pub fn risk_day(&self, t: i64) -> Day {
        let mut day = self.raw_day(t);
        while day.is_weekend() {
            day = day.plus(1);
        }
        day
    }

    /// The trading day of `t` for daily and weekly bars.
    pub fn trade_date(&self, t: i64) -> Result<Day, Failure> {
        let raw = self.raw_day(t);
        let day = self.forward(raw);
        if raw < self.covers.0 || day > self.covers.1 {
            return Err(Failure::new(
                Code::CalendarUnknown,
                "trade date",
                "a time inside the calendar's range",
                t.to_string(),
            )
            .hint("extend the calendar"));
        }
        Ok(day)
    }

    /// Bounds of the trade date `day`, or of the next one when `day` has none of its own.
    pub fn day_bounds(&self, day: Day) -> Bounds {
        let day = self.forward(day);
        let mut first = self.before(day).plus(1);
        while first.is_weekend() || self.kind(first) == Some(Kind::Closed) {
            first = first.plus(1);
        }
        Bounds { start: self.central.instant(first.plus(-1), ROLL), end: self.central.instant(day, ROLL) }
    }

    /// From the start of the first to the end of the last trade date in the week of `day`.
    pub fn week_bounds(&self, day: Day) -> Bounds {
        let day = self.forward(day);
        let monday = day.plus(-day.weekday());
        let trading = || (0..5).map(|i| monday.plus(i)).filter(|each| self.is_cash_day(*each));
        let first = trading().next().unwrap_or(day);
        let last = trading().next_back().unwrap_or(day);
        Bounds { start: self.day_bounds(first).start, end: self.day_bounds(last).end }
    }

    /// Bounds of the trade date of `t`, also outside the covered range.
    pub fn session_bounds(&self, t: i64) -> Bounds {
        self.day_bounds(self.raw_day(t))
    }

    /// Bounds of the trading week of `t`, also outside the covered range.
    pub fn session_week(&self, t: i64) -> Bounds {
        self.week_bounds(self.raw_day(t))
    }

    /// Whether the market of `group` trades at `t`.
    pub fn is_open(&self, t: i64, group: Group) -> bool {
        let raw = self.raw_day(t);
        let Some(close) = self.close(raw, group) else { return false };
        group.hours().iter().any(|(start, end)| {
            let opening = if *start >= ROLL { raw.plus(-1) } else { raw };
            self.central.instant(opening, *start) <= t && t < self.central.instant(raw, *end).min(close)
        })
    }

    /// Regular or early close, `None` when the group does not trade on that date.
    pub fn close(&self, day: Day, group: Group) -> Option<i64> {
        let row = self.rows.get(&day);
        if day.is_weekend() || row.is_some_and(|row| row.close.is_none() || group != Group::Globex) {
            return None;
        }
        let early = row.and_then(|row| row.close).unwrap_or(i64::MAX);
        Some(self.central.instant(day, group.close().min(early)))
    }

    /// When everything must be flat: 15:10 CT or ten minutes before the close.
    pub fn flat_deadline(&self, day: Day, group: Group) -> Option<i64> {
        let latest = self.central.instant(day, 15 * HOUR + 10 * MINUTE);
        Some(latest.min(self.close(day, group)? - 10 * MINUTE))
    }

    /// A weekday that is neither closed nor a holiday.
    pub fn is_cash_day(&self, day: Day) -> bool {
        !day.is_weekend() && !matches!(self.kind(day), Some(Kind::Closed | Kind::Holiday))
    }

    fn kind(&self, day: Day) -> Option<Kind> {
        self.rows.get(&day).map(|row| row.kind)
    }

    fn forward(&self, mut day: Day) -> Day {
        while !self.is_cash_day(day) {
            day = day.plus(1);
        }
        day
    }

    fn before(&self, day: Day) -> Day {
        let mut day = day.plus(-1);
        while !self.is_cash_day(day) {
            day = day.plus(-1);
        }
        day
    }
}
