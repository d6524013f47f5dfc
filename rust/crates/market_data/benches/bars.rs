//! Ticks to nine timeframes, and 3000 one-minute bars to five minutes, in the pure core.

use std::hint::black_box;
use std::sync::Arc;

use bot_calendar::{Bounds, Calendar, Day, Timeframe, Zone};
use bot_market_data::{BarBuilder, Columns, convert, minutes};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const START: i64 = 1_762_180_200_000_000_000;
const MINUTE: i64 = 60_000_000_000;
const TICKS: i64 = 5_000;
const BARS: i64 = 3_000;
const DEFAULTS: [&str; 9] = ["5s", "15s", "30s", "1m", "2m", "5m", "15m", "30m", "1h"];

fn calendar() -> Arc<Calendar> {
    let covers = (Day::of(2023, 1, 1), Day::of(2027, 12, 31));
    Arc::new(Calendar::new(covers, [], Zone::united_states(-6, 2007, 2040)))
}

fn ticks(criterion: &mut Criterion) {
    let walk = |i: i64| (i * 7919) % 97;
    let prices: Vec<i64> = (0..TICKS).map(|i| 80_000 + walk(i)).collect();
    let sizes = vec![1; prices.len()];
    let ts: Vec<i64> = (0..TICKS).map(|i| START + i * 50_000_000 + walk(i)).collect();
    let timeframes = DEFAULTS.map(|text| Timeframe::parse(text).expect("a legal timeframe"));
    let columns = Columns::new([&prices, &sizes, &ts, &ts]).expect("columns of one length");
    let calendar = calendar();
    let mut group = criterion.benchmark_group("ticks to nine timeframes");
    group.throughput(Throughput::Elements(TICKS.unsigned_abs()));
    group.bench_function("columns", |bencher| {
        let fresh = || (BarBuilder::new(&timeframes, calendar.clone(), 500, 5000), Vec::with_capacity(4096));
        let pass = |(mut builder, mut finals): (BarBuilder, Vec<_>)| {
            let symbol = builder.symbol("CON.F.US.MNQ.Z25");
            builder.on_columns(symbol, black_box(columns), &mut finals);
            finals
        };
        bencher.iter_batched(fresh, pass, BatchSize::SmallInput);
    });
    group.finish();
}

fn conversion(criterion: &mut Criterion) {
    let start: Vec<i64> = (0..BARS).map(|i| START + i * MINUTE).collect();
    let price: Vec<i64> = (0..BARS).map(|i| 80_000 + (i * 7919) % 97).collect();
    let five = Timeframe::parse("5m").expect("a legal timeframe");
    let calendar = calendar();
    let window = Bounds { start: START, end: i64::MAX };
    criterion.bench_function("3000 bars 1m to 5m", |bencher| {
        let columns: [&[i64]; 6] = [&start, &price, &price, &price, &price, &price];
        bencher.iter(|| convert(&calendar, minutes(black_box(columns)), five, window, false));
    });
}

criterion_group!(benches, ticks, conversion);
criterion_main!(benches);
