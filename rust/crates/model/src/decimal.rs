//! Decimal text as an exact mantissa and exponent, and the one rounding rule.

use crate::{Code, Failure};

const MAX_DIGITS: usize = 18;
const MAX_EXPONENT: i32 = 12;

/// The exact value `mantissa * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Signed digits, at most 18 of them.
    pub mantissa: i64,
    /// Power of ten.
    pub exponent: i32,
}

impl Decimal {
    /// Read optional sign, digits, optional point with digits, optional exponent of -12..12; nothing else.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Self::scan(text.as_bytes()).ok_or_else(|| {
            Failure::new(
                Code::BadNumber,
                "number",
                "decimal digits such as -12.5 or 5E-07, at most 18 and an exponent of -12..12",
                text,
            )
        })
    }

    fn scan(text: &[u8]) -> Option<Self> {
        let (negative, rest) = sign(text);
        let (whole, rest) = digits(rest)?;
        let (fraction, rest) = match rest.split_first() {
            Some((b'.', after)) => digits(after)?,
            _ => (&rest[..0], rest),
        };
        let written = match rest.split_first() {
            Some((b'e' | b'E', after)) => exponent(after)?,
            None => 0,
            Some(_) => return None,
        };
        let all = whole.iter().chain(fraction).skip_while(|digit| **digit == b'0');
        let mut mantissa = 0_i64;
        let mut count = 0;
        for digit in all {
            count += 1;
            if count > MAX_DIGITS {
                return None;
            }
            mantissa = mantissa * 10 + i64::from(digit - b'0');
        }
        let places = i32::try_from(fraction.len()).ok()?;
        Some(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent: written - places })
    }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    }
}

fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| text.split_at(count))
}

fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, rest) = sign(text);
    let (found, rest) = digits(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let value = found.iter().try_fold(0_i32, |value, digit| {
        let value = value * 10 + i32::from(digit - b'0');
        (value <= MAX_EXPONENT).then_some(value)
    })?;
    Some(if negative { -value } else { value })
}

/// `numerator / denominator` to the nearest integer, halves away from zero; `denominator > 0`.
pub fn divide_round(numerator: i128, denominator: i128) -> i128 {
    let magnitude = numerator.unsigned_abs();
    let denominator = denominator.unsigned_abs();
    let mut quotient = magnitude / denominator;
    if 2 * (magnitude % denominator) >= denominator {
        quotient += 1;
    }
    let quotient = quotient.cast_signed();
    if numerator < 0 { -quotient } else { quotient }
}

/// A double that is already in ticks to the nearest tick, halves away from zero.
pub fn round_away(x: f64) -> Result<i64, Failure> {
    let magnitude = x.abs();
    let floor = magnitude.floor();
    let rounded = if magnitude - floor >= 0.5 { floor + 1.0 } else { floor };
    if !x.is_finite() || rounded >= 9_223_372_036_854_775_808.0 {
        return Err(Failure::new(Code::BadNumber, "number", "a finite double of 64 bits", x.to_string()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^63")]
    let whole = rounded as i64;
    Ok(if x < 0.0 { -whole } else { whole })
}
