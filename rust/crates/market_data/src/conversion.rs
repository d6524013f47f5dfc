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
    let mut open = Converted::NONE;
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
        if bar.start >= open.bounds.end {
            open.finish(keep_partial, &mut converted);
            let bounds =
                open.following(timeframe, bar.start).unwrap_or_else(|| timeframe.bucket(calendar, bar.start));
            open = Converted::first(&bar, bounds, window);
        } else {
            open.add(&bar);
        }
    }
    open.finish(keep_partial, &mut converted);
    Ok(converted)
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
    const NONE: Self = Self {
        bounds: Bounds { start: NEVER, end: NEVER },
        open: 0,
        high: 0,
        low: 0,
        close: 0,
        volume: 0,
        source_bars: 0,
        complete: false,
    };

    fn finish(self, keep_partial: bool, converted: &mut Vec<Self>) {
        if self.source_bars > 0 && (self.complete || keep_partial) {
            converted.push(self);
        }
    }

    /// The next bucket when `t` lies in it; only buckets on the epoch follow each other so.
    fn following(&self, timeframe: Timeframe, t: i64) -> Option<Bounds> {
        let start = self.bounds.end;
        let end = start.saturating_add(i64::from(timeframe.seconds()) * SECOND);
        let adjacent = self.source_bars > 0 && !timeframe.is_session_bound() && t < end;
        adjacent.then_some(Bounds { start, end })
    }

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
