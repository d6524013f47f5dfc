//! The session calendar against the golden vectors.

#![expect(clippy::unwrap_used, reason = "what cannot be read here fails the test")]

use bot_calendar::{Bounds, Calendar, DAY, Day, Group, HOUR, Kind, MINUTE, Row, Timeframe, Zone, parse_day};
use bot_model::SECOND;
use proptest::prelude::*;
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/vectors/sessions_dst.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rows(all: &Value, name: &str) -> Vec<Vec<Value>> {
    let rows: Vec<Vec<Value>> = serde_json::from_value(all[name].clone()).unwrap();
    assert!(!rows.is_empty());
    rows
}

fn day(value: &Value) -> Day {
    parse_day(value.as_str().unwrap()).unwrap()
}

fn time(text: &str) -> i64 {
    let (hour, minute) = text.split_once(':').unwrap();
    hour.parse::<i64>().unwrap() * HOUR + minute.parse::<i64>().unwrap() * MINUTE
}

fn instant(value: &Value) -> i64 {
    let (date, rest) = value.as_str().unwrap().strip_suffix('Z').unwrap().split_once('T').unwrap();
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let seconds: i64 = whole[6..].parse().unwrap();
    let nanos: i64 = format!("{fraction:0<9}").parse().unwrap();
    parse_day(date).unwrap().0 * DAY + time(&whole[..5]) + seconds * SECOND + nanos
}

fn group(value: &Value) -> Group {
    match value.as_str().unwrap() {
        "globex" => Group::Globex,
        "grains" => Group::Grains,
        _ => Group::Livestock,
    }
}

fn calendar(all: &Value) -> Calendar {
    let dated = rows(all, "calendar").into_iter().map(|row| Row {
        day: day(&row[0]),
        kind: match row[1].as_str().unwrap() {
            "closed" => Kind::Closed,
            "holiday" => Kind::Holiday,
            _ => Kind::Half,
        },
        close: row[2].as_str().map(time),
    });
    let covers = &all["calendar_covers"];
    Calendar::new((day(&covers[0]), day(&covers[1])), dated, Zone::united_states(-6, 2007, 2040))
}

#[test]
fn instants() {
    let all = vectors();
    let calendar = calendar(&all);
    for row in rows(&all, "instants") {
        let t = instant(&row[0]);
        assert_eq!(calendar.is_open(t, Group::Globex), row[1].as_bool().unwrap(), "{row:?}");
        assert_eq!(calendar.risk_day(t), day(&row[2]), "{row:?}");
        let date = calendar.trade_date(t).unwrap();
        assert_eq!(date, day(&row[3]), "{row:?}");
        let bounds = Bounds { start: instant(&row[4]), end: instant(&row[5]) };
        assert_eq!(calendar.day_bounds(date), bounds, "{row:?}");
        let week = Bounds { start: instant(&row[6]), end: instant(&row[7]) };
        assert_eq!(calendar.week_bounds(date), week, "{row:?}");
    }
}

#[test]
fn days() {
    let all = vectors();
    let calendar = calendar(&all);
    let eastern = Zone::united_states(-5, 2007, 2040);
    for row in rows(&all, "days") {
        let date = day(&row[0]);
        assert_eq!(calendar.is_cash_day(date), row[1].as_bool().unwrap(), "{row:?}");
        assert_eq!(eastern.instant(date.plus(-1), 18 * HOUR), instant(&row[2]), "{row:?}");
        assert_eq!(eastern.instant(date, time("09:30")), instant(&row[3]), "{row:?}");
        let deadline = calendar.flat_deadline(date, Group::Globex);
        assert_eq!(deadline, (!row[6].is_null()).then(|| instant(&row[6])), "{row:?}");
    }
}

#[test]
fn groups() {
    let all = vectors();
    let calendar = calendar(&all);
    for row in rows(&all, "group_open") {
        assert_eq!(calendar.is_open(instant(&row[1]), group(&row[0])), row[2].as_bool().unwrap(), "{row:?}");
    }
    for row in rows(&all, "group_deadline") {
        assert_eq!(calendar.flat_deadline(day(&row[1]), group(&row[0])), Some(instant(&row[2])), "{row:?}");
    }
}

#[test]
fn buckets_and_spellings() {
    let all = vectors();
    let calendar = calendar(&all);
    for row in rows(&all, "buckets") {
        let timeframe = Timeframe::parse(row[0].as_str().unwrap()).unwrap();
        assert_eq!(timeframe.text(), row[0].as_str().unwrap());
        assert_eq!(Timeframe::of_seconds(timeframe.seconds()).unwrap(), timeframe);
        let bounds = Bounds { start: instant(&row[2]), end: instant(&row[3]) };
        assert_eq!(timeframe.bucket(&calendar, instant(&row[1])), bounds, "{row:?}");
    }
    for text in all["refused_timeframes"].as_array().unwrap() {
        assert!(Timeframe::parse(text.as_str().unwrap()).is_err(), "{text}");
    }
    assert!(Timeframe::of_seconds(0).is_err() && Timeframe::of_seconds(7 * 60).is_err());
    assert_eq!(Timeframe::parse("1w").unwrap().seconds(), 604_800);
}

#[test]
fn outside_coverage_is_unknown() {
    let calendar = calendar(&vectors());
    assert!(calendar.trade_date(Day::of(2022, 12, 30).0 * DAY).is_err());
    assert!(calendar.trade_date(Day::of(2028, 1, 1).0 * DAY).is_err());
}

proptest! {
    #[test]
    fn every_time_belongs_to_one_trade_date(t in 1_672_790_400_i64..1_830_000_000) {
        let calendar = calendar(&vectors());
        let date = calendar.trade_date(t * SECOND).unwrap();
        let bounds = calendar.day_bounds(date);
        prop_assert!(t * SECOND < bounds.end && bounds.start < bounds.end);
        prop_assert_eq!(calendar.session_bounds(bounds.end - 1), bounds);
        prop_assert!(calendar.session_bounds(bounds.end).start >= bounds.end);
    }
}

proptest! {
    #[test]
    fn buckets_hold_their_time_or_stop_at_the_ends_of_the_range(
        t in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), i64::MIN..i64::MIN + 8 * DAY, i64::MAX - 8 * DAY..i64::MAX],
        text in prop_oneof![Just("5s"), Just("1m"), Just("1h"), Just("4h"), Just("1d"), Just("1w")],
    ) {
        let bounds = Timeframe::parse(text).unwrap().bucket(&calendar(&vectors()), t);
        prop_assert!(bounds.start <= bounds.end);
        if (i64::MIN / 2..i64::MAX / 2).contains(&t) {
            prop_assert!(t < bounds.end);
        }
    }
}
