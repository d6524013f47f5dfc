//! Wall-clock time of a zone whose clock changes are known.

use crate::civil::Day;
use crate::{DAY, HOUR};

/// A zone as `(instant, offset)` pairs in ns, ascending; the first pair stands for all earlier time.
#[derive(Clone, Debug)]
pub struct Zone {
    changes: Vec<(i64, i64)>,
}

impl Zone {
    /// A zone from its clock changes; `None` when there are none or they are not ascending.
    pub fn new(changes: Vec<(i64, i64)>) -> Option<Self> {
        let ascending = changes.windows(2).all(|pair| pair[0].0 < pair[1].0);
        (ascending && !changes.is_empty()).then_some(Self { changes })
    }

    /// A zone of the United States under the rule in force since 2007; `standard` is its winter offset in hours.
    pub fn united_states(standard: i64, first_year: i64, last_year: i64) -> Self {
        let (winter, summer) = (standard * HOUR, (standard + 1) * HOUR);
        let mut changes = vec![(i64::MIN, winter)];
        for year in first_year..=last_year {
            changes.push((Day::sunday(year, 3, 2).0 * DAY + 2 * HOUR - winter, summer));
            changes.push((Day::sunday(year, 11, 1).0 * DAY + 2 * HOUR - summer, winter));
        }
        Self { changes }
    }

    /// The UTC offset at an instant.
    pub fn offset(&self, t: i64) -> i64 {
        let after = self.changes.partition_point(|change| change.0 <= t);
        self.changes[after.saturating_sub(1)].1
    }

    /// Nanoseconds of local wall time since 1970-01-01 00:00 local.
    pub fn wall(&self, t: i64) -> i64 {
        t.saturating_add(self.offset(t))
    }

    /// The instant of a wall time: the first when it occurs twice, moved by the gap when it never does.
    pub fn instant(&self, day: Day, time: i64) -> i64 {
        let wall = day.0 * DAY + time;
        let before = self.offset(wall - DAY);
        let after = self.offset(wall + DAY);
        if self.offset(wall - before) != before && self.offset(wall - after) == after {
            wall - after
        } else {
            wall - before
        }
    }
}
