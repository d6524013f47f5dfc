//! The session calendar (specification §5) and timeframes (§6.1).
//!
//! The table of dated rows and the clock changes of the zones are handed in; nothing here reads a file
//! or a tz database. Outside the covered range only weekdays are known.

mod civil;
mod sessions;
mod timeframe;
mod zone;

pub use civil::{Day, parse_day};
pub use sessions::{Bounds, Calendar, Group, Kind, Row};
pub use timeframe::Timeframe;
pub use zone::Zone;

/// Nanoseconds of one minute.
pub const MINUTE: i64 = 60 * bot_model::SECOND;
/// Nanoseconds of one hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Nanoseconds of 24 hours.
pub const DAY: i64 = 24 * HOUR;
