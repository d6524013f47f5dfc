//! Timeframe spellings and their buckets.

use bot_model::{Code, Failure, SECOND};

use crate::sessions::{Bounds, Calendar};

const HOUR_S: u32 = 3600;
const DAY_S: u32 = 86_400;
const WEEK_S: u32 = 604_800;
const LEGAL: &str =
    "a length that divides a day: seconds or minutes below 1h, or 1h 2h 3h 4h 6h 8h 12h 1d 1w";

/// A legal timeframe by its nominal length in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeframe(u32);

impl Timeframe {
    /// Read `5s`, `1m`, `4h`, `1d`, `1w` and the like.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Self::scan(text).ok_or_else(|| Failure::new(Code::BadTimeframe, "timeframe", LEGAL, text))
    }

    /// The timeframe of a nominal length.
    pub fn of_seconds(seconds: u32) -> Result<Self, Failure> {
        Self::parse(&Self(seconds).text())
    }

    /// The one spelling of this length.
    pub fn text(self) -> String {
        let (unit, letter) = [(WEEK_S, 'w'), (DAY_S, 'd'), (HOUR_S, 'h'), (60, 'm')]
            .into_iter()
            .find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit))
            .unwrap_or((1, 's'));
        format!("{}{letter}", self.0 / unit)
    }

    /// Nominal length in seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// Whether its buckets follow trading days instead of the epoch.
    pub fn is_session_bound(self) -> bool {
        self.0 > HOUR_S
    }

    /// The bucket that `t` belongs to; its bounds stay inside the range of `i64`, whose ends no market reaches.
    pub fn bucket(self, calendar: &Calendar, t: i64) -> Bounds {
        let length = i64::from(self.0) * SECOND;
        match self.0 {
            ..=HOUR_S => {
                let start = t.div_euclid(length).saturating_mul(length);
                Bounds { start, end: start.saturating_add(length) }
            }
            WEEK_S => calendar.session_week(t),
            DAY_S => calendar.session_bounds(t),
            _ => {
                let day = calendar.session_bounds(t);
                let start = day.start + (t.min(day.end - 1) - day.start).div_euclid(length).max(0) * length;
                Bounds { start, end: (start + length).min(day.end) }
            }
        }
    }

    fn scan(text: &str) -> Option<Self> {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        if digits.starts_with('0') || digits.len() > 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = digits.parse::<u32>().ok()?;
        let (seconds, legal) = match unit {
            "s" => (number, number < HOUR_S && !number.is_multiple_of(60)),
            "m" => (number * 60, number < 60),
            "h" => (number * HOUR_S, number < 24),
            "d" => (number * DAY_S, number == 1),
            "w" => (DAY_S, number == 1),
            _ => return None,
        };
        let seconds_of_week = if unit == "w" { WEEK_S } else { seconds };
        (legal && DAY_S.is_multiple_of(seconds)).then_some(Self(seconds_of_week))
    }
}
