//! Batch conversion of closed one-minute bars.

use bot_calendar::{Bounds, Calendar, Timeframe};
use bot_model::{Code, Failure, NEVER, SECOND};

/// A closed one-minute bar; prices in ticks, `start` in ns UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the bar of specification §6.2")]
pub struct Minute {
    pub start: i64,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub volume: i64,
}

/// A bar made from `source_bars` one-minute bars; `complete` when the window covers its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the bar of specification §6.2")]
pub struct Converted {
    pub bounds: Bounds,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub volume: i64,
    pub source_bars: u64,
    pub complete: bool,
}

/// Bars of `timeframe` from the bars whose start lies in `window`, ascending; nothing is invented.
///
/// Buckets that the window does not cover are left out, or kept with `complete` false.
pub fn convert(
    calendar: &Calendar,
    bars: impl IntoIterator<Item = Minute>,
    timeframe: Timeframe,
    window: Bounds,
    keep_partial: bool,
) -> Result<Vec<Converted>, Failure> {
    if !timeframe.seconds().is_multiple_of(60) {
        let expected = "whole minutes, the length of the bars";
        return Err(Failure::new(Code::BadTimeframe, "timeframe", expected, timeframe.text()));
    }
    let bars = bars.into_iter();
    let minutes_per_bar = (timeframe.seconds() / 60) as usize;
    let mut converted = Vec::with_capacity(bars.size_hint().0 / minutes_per_bar + 2);
    let mut previous = NEVER;
    let mut open: Option<Converted> = None;
    for bar in bars {
        if bar.start <= previous {
            let seen = bar.start.to_string();
            return Err(Failure::new(Code::Unsorted, "bars", "strictly ascending starts", seen)
                .hint("sort and deduplicate"));
        }
        previous = bar.start;
        if bar.start < window.start || bar.start >= window.end {
            continue;
        }
        match &mut open {
            Some(current) if bar.start < current.bounds.end => current.add(&bar),
            _ => {
                let bounds = following(open.as_ref(), timeframe, bar.start)
                    .unwrap_or_else(|| timeframe.bucket(calendar, bar.start));
                converted.extend(open.replace(Converted::first(&bar, bounds, window)));
            }
        }
    }
    converted.extend(open);
    if !keep_partial {
        converted.retain(|bar| bar.complete);
    }
    Ok(converted)
}

/// The bucket after the last one when `t` lies in it; only buckets on the epoch follow each other so.
fn following(last: Option<&Converted>, timeframe: Timeframe, t: i64) -> Option<Bounds> {
    let start = last.filter(|_| !timeframe.is_session_bound())?.bounds.end;
    let end = start + i64::from(timeframe.seconds()) * SECOND;
    (t < end).then_some(Bounds { start, end })
}

/// Bars from columns of start, open, high, low, close and volume; as many as the shortest column has.
pub fn minutes([start, open, high, low, close, volume]: [&[i64]; 6]) -> impl Iterator<Item = Minute> {
    let prices = open.iter().zip(high).zip(low.iter().zip(close));
    start.iter().zip(prices).zip(volume).map(|((start, ((open, high), (low, close))), volume)| Minute {
        start: *start,
        open: *open,
        high: *high,
        low: *low,
        close: *close,
        volume: *volume,
    })
}

impl Converted {
    fn first(bar: &Minute, bounds: Bounds, window: Bounds) -> Self {
        Self {
            bounds,
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            volume: bar.volume,
            source_bars: 1,
            complete: window.start <= bounds.start && bounds.end <= window.end,
        }
    }

    fn add(&mut self, bar: &Minute) {
        self.high = self.high.max(bar.high);
        self.low = self.low.min(bar.low);
        self.close = bar.close;
        self.volume += bar.volume;
        self.source_bars += 1;
    }
}
