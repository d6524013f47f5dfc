//! Exact tick sizes.

use crate::{Code, Decimal, Failure, divide_round};

/// A tick size `num/den` in price units (0.25 = 1/4, 5 = 5/1, 0.0000005 = 1/2000000), in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickSize {
    num: i64,
    den: i64,
}

impl TickSize {
    /// A tick size from its exact fraction; both parts positive.
    pub fn new(num: i64, den: i64) -> Result<Self, Failure> {
        if num <= 0 || den <= 0 {
            return Err(Failure::new(
                Code::BadNumber,
                "tick size",
                "a positive number",
                format!("{num}/{den}"),
            ));
        }
        let divisor = gcd(num, den);
        Ok(Self { num: num / divisor, den: den / divisor })
    }

    /// The tick size written as decimal text.
    pub fn parse_size(text: &str) -> Result<Self, Failure> {
        let Decimal { mantissa, exponent } = Decimal::parse(text)?;
        let scale = power(exponent.abs()).and_then(|scale| i64::try_from(scale).ok());
        let too_fine = || Failure::new(Code::BadNumber, "tick size", "a fraction of 64 bits", text);
        let scale = scale.ok_or_else(too_fine)?;
        if exponent >= 0 {
            Self::new(mantissa.checked_mul(scale).ok_or_else(too_fine)?, 1)
        } else {
            Self::new(mantissa, scale)
        }
    }

    /// The smallest number of decimals that writes every price of the grid exactly.
    pub fn decimals(self) -> u32 {
        let mut places = 0;
        while i128::from(self.num) * 10_i128.pow(places) % i128::from(self.den) != 0 {
            places += 1;
        }
        places
    }

    /// Price text to ticks, rounded by the one rule, and whether it was on the grid.
    pub fn parse(self, text: &str) -> Result<(i64, bool), Failure> {
        self.ratio(Decimal::parse(text)?, 1)
    }

    /// Sum of fill price x size in ticks from a broker's average price text, rounded once.
    pub fn cost(self, average: &str, size: i64) -> Result<i64, Failure> {
        Ok(self.ratio(Decimal::parse(average)?, size)?.0)
    }

    /// `value * size` price units to ticks, and whether they are on the grid.
    pub fn ratio(self, value: Decimal, size: i64) -> Result<(i64, bool), Failure> {
        self.scaled(value, size)
            .ok_or_else(|| Failure::new(Code::BadNumber, "price", "ticks of 64 bits", format!("{value:?}")))
    }

    fn scaled(self, value: Decimal, size: i64) -> Option<(i64, bool)> {
        let mut numerator =
            i128::from(value.mantissa).checked_mul(i128::from(size))?.checked_mul(i128::from(self.den))?;
        let mut denominator = i128::from(self.num);
        let scale = power(value.exponent.abs())?;
        if value.exponent >= 0 {
            numerator = numerator.checked_mul(scale)?;
        } else {
            denominator = denominator.checked_mul(scale)?;
        }
        let ticks = i64::try_from(divide_round(numerator, denominator)).ok()?;
        Some((ticks, numerator % denominator == 0))
    }

    /// Ticks to price text with exactly `decimals` decimals.
    pub fn format(self, ticks: i64) -> String {
        let places = self.decimals();
        let scaled = i128::from(ticks).unsigned_abs()
            * (i128::from(self.num) * 10_i128.pow(places) / i128::from(self.den)).unsigned_abs();
        fixed(scaled, places as usize, ticks < 0)
    }
}

pub(crate) fn fixed(scaled: u128, places: usize, negative: bool) -> String {
    let digits = format!("{scaled:0width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if negative && scaled != 0 { "-" } else { "" };
    let point = if places == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

pub(crate) fn power(exponent: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
