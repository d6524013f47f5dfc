//! What must hold for the bars of any stream, and for snapshots of any bytes.

#![expect(clippy::unwrap_used, reason = "what cannot be read here fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bot_calendar::{Bounds, Calendar, Day, Kind, Row, Timeframe, Zone};
use bot_market_data::{Bar, BarBuilder, Columns, Minute, convert};
use bot_model::{Code, SECOND};
use proptest::prelude::*;

const FRIDAY: i64 = 1_761_944_380_000_000_000;
const NAMES: [&str; 3] = ["CON.F.US.MNQ.Z25", "CON.F.US.EP.Z25", ""];

#[derive(Clone, Debug)]
enum Event {
    Trade { name: usize, price: Option<i64>, size: Option<i64>, lag: i64 },
    Quote { name: usize, price: Option<i64> },
    Mode { name: usize, quotes: bool },
    Feed { name: usize, up: bool },
    Subscribe { name: usize, timeframe: &'static str },
    Timer,
}

fn calendar() -> Arc<Calendar> {
    let covers = (Day::of(2023, 1, 1), Day::of(2027, 12, 31));
    let holiday = Row { day: Day::of(2025, 11, 4), kind: Kind::Holiday, close: Some(12 * 3600 * SECOND) };
    Arc::new(Calendar::new(covers, [holiday], Zone::united_states(-6, 2007, 2040)))
}

fn builder(texts: &[&str]) -> BarBuilder {
    let timeframes: Vec<Timeframe> = texts.iter().map(|text| Timeframe::parse(text).unwrap()).collect();
    BarBuilder::new(&timeframes, calendar(), 500, 5000)
}

fn event() -> impl Strategy<Value = Event> {
    let name = 0..NAMES.len();
    let price = proptest::option::weighted(0.95, -60_i64..60);
    let size = proptest::option::weighted(0.95, -1_i64..6);
    prop_oneof![
        8 => (name.clone(), price.clone(), size, -6..1_i64)
            .prop_map(|(name, price, size, lag)| Event::Trade { name, price, size, lag: lag * SECOND }),
        2 => (name.clone(), price).prop_map(|(name, price)| Event::Quote { name, price }),
        1 => (name.clone(), any::<bool>()).prop_map(|(name, quotes)| Event::Mode { name, quotes }),
        1 => (name.clone(), any::<bool>()).prop_map(|(name, up)| Event::Feed { name, up }),
        1 => (name, prop_oneof![Just("10s"), Just("4h"), Just("1w")])
            .prop_map(|(name, timeframe)| Event::Subscribe { name, timeframe }),
        2 => Just(Event::Timer),
    ]
}

fn stream() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let step = prop_oneof![0..SECOND, -9 * SECOND..9 * SECOND, 0..100_000 * SECOND];
    proptest::collection::vec((step, event()), 1..60).prop_map(|steps| {
        let mut now = FRIDAY;
        let at = |(step, event)| {
            now += step;
            (now, event)
        };
        steps.into_iter().map(at).collect()
    })
}

fn feed(bars: &mut BarBuilder, now: i64, event: &Event) -> Vec<Bar> {
    let mut out = Vec::new();
    match *event {
        Event::Trade { name, price, size, lag } => {
            let symbol = bars.symbol(NAMES[name]);
            bars.on_trade(symbol, price, size, Some(now), now + lag, &mut out);
        }
        Event::Quote { name, price } => {
            let symbol = bars.symbol(NAMES[name]);
            bars.on_quote(symbol, price, None, now, &mut out);
        }
        Event::Mode { name, quotes } => {
            let symbol = bars.symbol(NAMES[name]);
            bars.set_mode(symbol, quotes);
        }
        Event::Feed { name, up } => {
            let symbol = bars.symbol(NAMES[name]);
            if up { bars.feed_up(symbol, now) } else { bars.feed_down(symbol) }
        }
        Event::Subscribe { name, timeframe } => {
            let symbol = bars.symbol(NAMES[name]);
            bars.subscribe(symbol, Timeframe::parse(timeframe).unwrap(), now);
        }
        Event::Timer => bars.on_timer(now, &mut out),
    }
    out
}

proptest! {
    #[test]
    fn each_bar_is_final_once_and_sound(events in stream()) {
        let mut bars = builder(&["5s", "1m", "1h", "1d"]);
        let mut last: BTreeMap<(usize, u32), i64> = BTreeMap::new();
        for (now, event) in &events {
            let finals = feed(&mut bars, *now, event);
            prop_assert!(finals.windows(2).all(|pair| pair[0].symbol != pair[1].symbol
                || (pair[0].bounds.end, pair[0].timeframe) < (pair[1].bounds.end, pair[1].timeframe)));
            for bar in finals {
                prop_assert!(bar.low <= bar.open && bar.open <= bar.high);
                prop_assert!(bar.low <= bar.close && bar.close <= bar.high);
                prop_assert!(bar.is_final && bar.ticks > 0 && bar.bounds.start < bar.bounds.end);
                let before = last.insert((bar.symbol, bar.timeframe.seconds()), bar.bounds.end);
                prop_assert!(before.is_none_or(|end| end <= bar.bounds.start), "a bar was made twice");
            }
        }
    }

    #[test]
    fn volume_is_conserved(events in stream()) {
        let mut bars = builder(&["5s", "1m", "4h", "1w"]);
        let mut made: BTreeMap<u32, (i64, u64)> = BTreeMap::new();
        let mut sent = (0_i64, 0_u64);
        let only_trades = events.iter().filter(|(_, event)| matches!(event, Event::Trade { .. } | Event::Timer));
        let mut all = Vec::new();
        for (now, event) in only_trades {
            if let Event::Trade { price: Some(_), size: Some(size @ 1..), lag, .. } = event
                && *lag >= -5 * SECOND
            {
                sent = (sent.0 + size, sent.1 + 1);
            }
            all.extend(feed(&mut bars, *now, event));
        }
        for name in NAMES {
            let symbol = bars.symbol(name);
            all.extend(bars.forming(symbol));
        }
        for bar in all {
            let sums = made.entry(bar.timeframe.seconds()).or_default();
            *sums = (sums.0 + bar.volume, sums.1 + bar.ticks);
        }
        let mut late: BTreeMap<u32, u64> = BTreeMap::new();
        for (_, counters) in bars.counters() {
            for (timeframe, count) in counters.late {
                *late.entry(timeframe.seconds()).or_default() += count;
            }
        }
        for (seconds, (volume, ticks)) in made {
            let late = late.get(&seconds).copied().unwrap_or(0);
            prop_assert_eq!(ticks + late, sent.1, "{} s", seconds);
            prop_assert!(late > 0 || volume == sent.0, "{} s", seconds);
        }
    }

    #[test]
    fn a_restored_builder_goes_on_as_the_first(events in stream(), cut in 0_usize..60) {
        let mut first = builder(&["5s", "1m", "4h", "1d"]);
        let mut second = builder(&["2m"]);
        for (i, (now, event)) in events.iter().enumerate() {
            if i == cut {
                second.restore(&first.snapshot()).unwrap();
            }
            let finals = feed(&mut first, *now, event);
            if i >= cut {
                prop_assert_eq!(&feed(&mut second, *now, event).len(), &finals.len());
                prop_assert_eq!(first.digest(), second.digest());
            }
        }
    }

    #[test]
    fn any_bytes_are_restored_exactly_or_refused(
        events in stream(),
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bars = builder(&["5s", "1d"]);
        for (now, event) in &events {
            feed(&mut bars, *now, event);
        }
        let good = bars.snapshot();
        let mut changed = good.clone();
        changed[place.index(good.len())] = byte;
        match bars.restore(&changed) {
            Ok(()) => prop_assert_eq!(bars.snapshot(), changed),
            Err(failure) => {
                prop_assert_eq!(failure.code, Code::StoreCorrupt);
                prop_assert_eq!(bars.snapshot(), good);
            }
        }
    }

    #[test]
    fn columns_equal_single_ticks(ticks in proptest::collection::vec((-2..9_i64, -50..50_i64, -9..60_i64), 0..200)) {
        let (mut now, mut rows) = (FRIDAY, Vec::new());
        for (size, price, step) in ticks {
            now += step * SECOND / 10;
            rows.push([price, size, now, now + (step % 7 - 6) * SECOND]);
        }
        let (mut single, mut columnar) = (builder(&["5s", "1m", "2h"]), builder(&["5s", "1m", "2h"]));
        let symbol = (single.symbol("A"), columnar.symbol("A"));
        let (mut expected, mut made) = (Vec::new(), Vec::new());
        for [price, size, ts, received] in &rows {
            single.on_trade(symbol.0, Some(*price), Some(*size), Some(*ts), *received, &mut expected);
        }
        let [prices, sizes, ts, received] = [0, 1, 2, 3].map(|i| rows.iter().map(|row| row[i]).collect::<Vec<_>>());
        columnar.on_columns(symbol.1, Columns::new([&prices, &sizes, &ts, &received]).unwrap(), &mut made);
        prop_assert_eq!(made, expected);
        prop_assert_eq!(single.digest(), columnar.digest());
    }

    #[test]
    fn conversion_conserves_volume(gaps in proptest::collection::vec((1..400_i64, 0..50_i64), 0..60), partial in any::<bool>()) {
        let mut start = FRIDAY / (60 * SECOND) * 60 * SECOND;
        let bars: Vec<Minute> = gaps.iter().map(|(gap, volume)| {
            start += gap * 60 * SECOND;
            Minute { start, open: *volume, high: volume + 2, low: -volume, close: 1, volume: *volume }
        }).collect();
        let window = Bounds { start: FRIDAY + 900 * SECOND, end: start - 900 * SECOND };
        for text in ["3m", "1h", "4h", "1d", "1w"] {
            let timeframe = Timeframe::parse(text).unwrap();
            let made = convert(&calendar(), bars.iter().copied(), timeframe, window, partial).unwrap();
            let inside = bars.iter().filter(|bar| (window.start..window.end).contains(&bar.start));
            let (sum, all): (i64, i64) = (made.iter().map(|bar| bar.volume).sum(), inside.map(|bar| bar.volume).sum());
            prop_assert!(sum == all || !partial && sum < all);
            prop_assert!(made.windows(2).all(|pair| pair[0].bounds.end <= pair[1].bounds.start));
            prop_assert!(made.iter().all(|bar| bar.low <= bar.high && (partial || bar.complete)));
        }
    }
}

#[test]
fn columns_of_unequal_length_are_refused() {
    assert_eq!(Columns::new([&[1], &[1], &[1], &[]]).unwrap_err().code, Code::BadField);
}

#[test]
fn unsorted_bars_and_parts_of_minutes_are_refused() {
    let bar = Minute { start: FRIDAY, open: 1, high: 1, low: 1, close: 1, volume: 1 };
    let window = Bounds { start: 0, end: i64::MAX };
    let refused = |bars: &[Minute], text: &str| {
        let timeframe = Timeframe::parse(text).unwrap();
        convert(&calendar(), bars.iter().copied(), timeframe, window, true).unwrap_err().code
    };
    assert_eq!(refused(&[bar, bar], "5m"), Code::Unsorted);
    assert_eq!(refused(&[bar], "30s"), Code::BadTimeframe);
}
