//! Exact prices and money against the golden vectors, and the properties they only sample.

#![expect(clippy::unwrap_used, reason = "what cannot be read here fails the test")]

use bot_model::{
    Decimal, TickSize, divide_round, format_money, gross_profit, parse_money, round_away, unrealised,
};
use proptest::prelude::*;
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/rounding.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rows(all: &Value, name: &str) -> Vec<Vec<Value>> {
    let rows: Vec<Vec<Value>> = serde_json::from_value(all[name].clone()).unwrap();
    assert!(!rows.is_empty());
    rows
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn side(value: &Value) -> i64 {
    if value == "long" { 1 } else { -1 }
}

fn instrument(all: &Value, symbol: &Value) -> (TickSize, i64) {
    let row = rows(all, "instruments").into_iter().find(|row| row[0] == *symbol).unwrap();
    (TickSize::new(int(&row[1]), int(&row[2])).unwrap(), int(&row[4]))
}

#[test]
fn instruments_have_their_decimals() {
    for row in rows(&vectors(), "instruments") {
        let tick = TickSize::new(int(&row[1]), int(&row[2])).unwrap();
        assert_eq!(i64::from(tick.decimals()), int(&row[3]), "{row:?}");
        assert_eq!(TickSize::parse_size(&tick.format(1)).unwrap(), tick);
    }
}

#[test]
fn text_to_ticks_and_back() {
    let all = vectors();
    for row in rows(&all, "text_to_ticks") {
        let (tick, _) = instrument(&all, &row[0]);
        assert_eq!(tick.parse(text(&row[1])).unwrap(), (int(&row[2]), row[3].as_bool().unwrap()), "{row:?}");
        assert_eq!(tick.format(int(&row[2])), text(&row[4]));
    }
    for row in rows(&all, "points_to_ticks") {
        assert_eq!(instrument(&all, &row[0]).0.parse(text(&row[1])).unwrap().0, int(&row[2]), "{row:?}");
    }
}

#[test]
fn bad_numbers_are_refused() {
    for bad in vectors()["bad_number"].as_array().unwrap() {
        assert!(Decimal::parse(text(bad)).is_err(), "{bad}");
    }
}

#[test]
fn doubles_round_away_from_zero() {
    for row in rows(&vectors(), "double_to_ticks") {
        assert_eq!(round_away(row[0].as_f64().unwrap()).unwrap(), int(&row[1]), "{row:?}");
    }
    assert!(round_away(f64::NAN).is_err() && round_away(1e19).is_err());
}

#[test]
fn profits_and_costs() {
    let all = vectors();
    for row in rows(&all, "pnl") {
        let value = instrument(&all, &row[0]).1;
        let seen = gross_profit(side(&row[1]), int(&row[2]), int(&row[3]), int(&row[4]), value);
        assert_eq!(seen.unwrap(), int(&row[5]), "{row:?}");
    }
    for row in rows(&all, "unrealised") {
        let value = instrument(&all, &row[0]).1;
        let seen = unrealised(side(&row[1]), int(&row[2]), int(&row[3]), int(&row[4]), value);
        assert_eq!(seen.unwrap(), int(&row[5]), "{row:?}");
    }
    for row in rows(&all, "average_price") {
        let tick = instrument(&all, &row[0]).0;
        assert_eq!(tick.cost(text(&row[1]), int(&row[2])).unwrap(), int(&row[3]), "{row:?}");
    }
}

#[test]
fn dollars() {
    let all = vectors();
    for row in rows(&all, "usd") {
        assert_eq!(parse_money(text(&row[0])).unwrap(), int(&row[1]));
    }
    for row in rows(&all, "display") {
        assert_eq!(format_money(int(&row[0])), text(&row[1]));
    }
    assert!(parse_money("0.0000001").is_err());
}

proptest! {
    #[test]
    fn division_is_nearest_with_halves_away(n in -1_000_000_i128..1_000_000, d in 1_i128..5_000) {
        let q = divide_round(n, d);
        prop_assert!(2 * (q * d - n).abs() <= d);
        prop_assert_eq!(divide_round(-n, d), -q);
        if 2 * (q * d - n).abs() == d {
            prop_assert!(q.abs() * d > n.abs());
        }
    }

    #[test]
    fn ticks_survive_their_text(ticks in -1_000_000_000_i64..1_000_000_000, which in 0_usize..52) {
        let all = vectors();
        let tick = instrument(&all, &rows(&all, "instruments")[which][0]).0;
        prop_assert_eq!(tick.parse(&tick.format(ticks)).unwrap(), (ticks, true));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+0-9.eE ]{0,24}") {
        if let Ok(value) = Decimal::parse(&text) {
            let exact = format!("{}e{}", value.mantissa, value.exponent);
            let (read, written) = (exact.parse::<f64>().unwrap(), text.parse::<f64>().unwrap());
            prop_assert!(read.partial_cmp(&written).is_some_and(std::cmp::Ordering::is_eq));
        }
    }
}
