//! Trade prints to bars in all timeframes, and one-minute bars to any timeframe (specification §6).
//!
//! Pure: no clock, no socket, no Python. Same inputs, same bars, counters, snapshots and digests as the
//! authority in `bot/legacy/market_data`.

mod builder;
mod conversion;
mod snapshot;
mod symbol;

pub use builder::{BarBuilder, Columns, SymbolId};
pub use conversion::{Converted, Minute, convert, minutes};
pub use symbol::{Bar, Counters, Source};
