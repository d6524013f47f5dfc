//! Money in integer micro-dollars.

use crate::tick::{fixed, power};
use crate::{Code, Decimal, Failure, divide_round};

/// Dollar text to micro-dollars; refused when it is not a whole number of them.
pub fn parse_money(text: &str) -> Result<i64, Failure> {
    let refused = || Failure::new(Code::BadNumber, "amount", "a whole number of micro-dollars", text);
    let Decimal { mantissa, exponent } = Decimal::parse(text)?;
    let scale = exponent + 6;
    let unit = power(scale.abs()).ok_or_else(refused)?;
    let micros = if scale >= 0 {
        i128::from(mantissa).checked_mul(unit)
    } else {
        (i128::from(mantissa) % unit == 0).then(|| i128::from(mantissa) / unit)
    };
    micros.and_then(|value| i64::try_from(value).ok()).ok_or_else(refused)
}

/// Micro-dollars to dollar text with two decimals, rounded by the one rule.
pub fn format_money(micros: i64) -> String {
    let cents = divide_round(i128::from(micros), 10_000);
    fixed(cents.unsigned_abs(), 2, cents < 0)
}

/// Gross profit in micro-dollars; `side` is +1 long, -1 short, `tick_value` micro-dollars per tick.
pub fn gross_profit(side: i64, entry: i64, exit: i64, size: i64, tick_value: i64) -> Result<i64, Failure> {
    narrow((i128::from(exit) - i128::from(entry)) * i128::from(size), side, tick_value)
}

/// Open result in micro-dollars of a position whose fill prices x sizes sum to `cost` ticks.
pub fn unrealised(side: i64, size: i64, cost: i64, mark: i64, tick_value: i64) -> Result<i64, Failure> {
    narrow(i128::from(mark) * i128::from(size) - i128::from(cost), side, tick_value)
}

fn narrow(ticks: i128, side: i64, tick_value: i64) -> Result<i64, Failure> {
    ticks
        .checked_mul(i128::from(side) * i128::from(tick_value))
        .and_then(|value| i64::try_from(value).ok())
        .ok_or_else(|| Failure::new(Code::BadNumber, "amount", "micro-dollars of 64 bits", ticks.to_string()))
}
