//! Exact values shared by all components, and the failures that cross their borders.
//!
//! Prices are integer ticks, money integer micro-dollars, time nanoseconds UTC. One rounding rule
//! everywhere: to the nearest integer, exact halves away from zero.

mod decimal;
mod failure;
mod money;
mod tick;

pub use decimal::{Decimal, divide_round, round_away};
pub use failure::{Code, Failure};
pub use money::{format_money, gross_profit, parse_money, unrealised};
pub use tick::TickSize;

/// "Not yet" where a time is expected.
pub const NEVER: i64 = i64::MIN;
/// Nanoseconds of one second.
pub const SECOND: i64 = 1_000_000_000;
