//! One contract's open bars in all its timeframes, and the ticks waiting to be folded into them.
//!
//! At any clock exactly one bucket per timeframe is open. Ticks inside the intersection of these
//! buckets (the window) belong to all of them, so they are gathered once, in `pending`, and folded
//! into the bars only when something else happens.

use bot_calendar::{Bounds, Calendar, Timeframe};
use bot_model::NEVER;

/// What a bar was made from; a bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub(crate) u8);

impl Source {
    /// Trades alone.
    pub const TRADES: Self = Self(1);
    /// Quotes alone.
    pub const QUOTES: Self = Self(2);

    /// `trades`, `quotes` or `mixed`.
    pub fn text(self) -> &'static str {
        match self.0 {
            1 => "trades",
            2 => "quotes",
            _ => "mixed",
        }
    }
}

/// The sums of some ticks; open and close carry the event times that decide them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) open: i64,
    pub(crate) high: i64,
    pub(crate) low: i64,
    pub(crate) close: i64,
    pub(crate) open_ts: i64,
    pub(crate) close_ts: i64,
    pub(crate) volume: i64,
    pub(crate) ticks: u64,
}

impl Totals {
    pub(crate) const NONE: Self = Self {
        open: 0,
        high: i64::MIN,
        low: i64::MAX,
        close: 0,
        open_ts: i64::MAX,
        close_ts: NEVER,
        volume: 0,
        ticks: 0,
    };

    fn one(ts: i64, price: i64, size: i64) -> Self {
        Self {
            open: price,
            high: price,
            low: price,
            close: price,
            open_ts: ts,
            close_ts: ts,
            volume: size,
            ticks: 1,
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, ts: i64, price: i64, size: i64) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        if ts >= self.close_ts {
            self.close_ts = ts;
            self.close = price;
        }
        if ts < self.open_ts {
            self.open_ts = ts;
            self.open = price;
        }
        self.volume += size;
        self.ticks += 1;
    }

    /// Add totals whose ticks arrived after the present ones.
    fn merge(&mut self, later: &Self) {
        if later.open_ts < self.open_ts {
            self.open_ts = later.open_ts;
            self.open = later.open;
        }
        if later.close_ts >= self.close_ts {
            self.close_ts = later.close_ts;
            self.close = later.close;
        }
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.volume += later.volume;
        self.ticks += later.ticks;
    }
}

/// A bar that still takes ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenBar {
    pub(crate) bounds: Bounds,
    pub(crate) totals: Totals,
    pub(crate) complete: bool,
    pub(crate) source: Source,
}

/// The open bucket of one timeframe and its bar, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) timeframe: Timeframe,
    pub(crate) registered: i64,
    pub(crate) late: u64,
    pub(crate) bucket: Bounds,
    pub(crate) bar: Option<OpenBar>,
}

impl Frame {
    pub(crate) fn new(timeframe: Timeframe, registered: i64) -> Self {
        let bucket = Bounds { start: NEVER, end: NEVER };
        Self { timeframe, registered, late: 0, bucket, bar: None }
    }

    fn add(&mut self, totals: &Totals, source: Source, up_since: i64) {
        if let Some(bar) = &mut self.bar {
            bar.totals.merge(totals);
            bar.source.0 |= source.0;
            return;
        }
        let start = self.bucket.start;
        self.bar = Some(OpenBar {
            bounds: self.bucket,
            totals: *totals,
            complete: up_since != NEVER && up_since <= start && self.registered <= start,
            source,
        });
    }
}

/// A bar as it is published; prices in ticks, `[start, end)` in ns UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the bar of specification §6.2")]
pub struct Bar {
    /// Which contract, as a position in order of first appearance.
    pub symbol: usize,
    pub timeframe: Timeframe,
    pub bounds: Bounds,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub volume: i64,
    pub ticks: u64,
    pub is_final: bool,
    pub complete: bool,
    pub source: Source,
}

/// Dropped ticks of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Per timeframe with at least one late tick, shortest first.
    pub late: Vec<(Timeframe, u64)>,
    /// Event times too far beyond their arrival.
    pub future: u64,
    /// Missing price, missing size, or a size that is not positive.
    pub bad: u64,
}

/// The state of one contract.
#[derive(Clone, Debug)]
pub(crate) struct Symbol {
    pub(crate) window: Bounds,
    pub(crate) pending: Totals,
    pub(crate) next_end: i64,
    pub(crate) clock: i64,
    pub(crate) number: usize,
    pub(crate) id: Box<str>,
    pub(crate) quotes: bool,
    pub(crate) last_quote: Option<i64>,
    pub(crate) up_since: i64,
    pub(crate) future: u64,
    pub(crate) bad: u64,
    pub(crate) frames: Vec<Frame>,
}

impl Symbol {
    pub(crate) fn new(number: usize, id: &str, frames: Vec<Frame>) -> Self {
        let mut symbol = Self {
            window: Bounds { start: NEVER, end: NEVER },
            pending: Totals::NONE,
            next_end: NEVER,
            clock: NEVER,
            number,
            id: id.into(),
            quotes: false,
            last_quote: None,
            up_since: NEVER,
            future: 0,
            bad: 0,
            frames,
        };
        symbol.frame_window();
        symbol
    }

    /// Whether `t` belongs to all open buckets.
    #[inline]
    pub(crate) fn in_window(&self, t: i64) -> bool {
        self.window.start <= t && t < self.window.end
    }

    /// Keep a tick that belongs to all open buckets; leave another, or one too many to count, alone.
    #[inline]
    pub(crate) fn gather(&mut self, (ts, price, size): (i64, i64, i64)) -> bool {
        let kept = self.in_window(ts) && self.pending.volume.checked_add(size).is_some();
        if kept {
            self.pending.add(ts, price, size);
        }
        kept
    }

    /// Move the clock to `t` if that is later; the bars whose end it reached, by end, then length.
    pub(crate) fn advance(&mut self, calendar: &Calendar, t: i64, out: &mut Vec<Bar>) {
        self.fold();
        if t <= self.clock {
            return;
        }
        self.clock = t;
        if t < self.next_end {
            return;
        }
        let first = out.len();
        for i in 0..self.frames.len() {
            let frame = &mut self.frames[i];
            if frame.bucket.end <= t {
                let closed = frame.bar.take();
                frame.bucket = frame.timeframe.bucket(calendar, t);
                let timeframe = frame.timeframe;
                out.extend(closed.map(|bar| self.published(timeframe, &bar, true)));
            }
        }
        self.frame_window();
        out[first..].sort_by_key(|bar| bar.bounds.end);
    }

    /// Add one accepted tick to every timeframe whose bucket for it is still open.
    pub(crate) fn tick(
        &mut self,
        calendar: &Calendar,
        (ts, price, size): (i64, i64, i64),
        source: Source,
        out: &mut Vec<Bar>,
    ) {
        self.advance(calendar, ts, out);
        let tick = Totals::one(ts, price, size);
        if self.in_window(ts) {
            self.pending = tick;
            return;
        }
        let (clock, up_since) = (self.clock, self.up_since);
        for frame in &mut self.frames {
            // Before its nominal start a session bucket also owns the closed time that precedes it.
            let open = ts >= frame.bucket.start
                || (frame.timeframe.is_session_bound() && frame.timeframe.bucket(calendar, ts).end > clock);
            if open {
                frame.add(&tick, source, up_since);
            } else {
                frame.late += 1;
            }
        }
    }

    /// Move the pending ticks into the bars of all timeframes.
    pub(crate) fn fold(&mut self) {
        if self.pending.ticks == 0 {
            return;
        }
        let pending = std::mem::replace(&mut self.pending, Totals::NONE);
        for frame in &mut self.frames {
            frame.add(&pending, Source::TRADES, self.up_since);
        }
        self.clock = self.clock.max(pending.close_ts);
    }

    /// Recompute where ticks belong to all open buckets; closed to trades in quote mode.
    pub(crate) fn frame_window(&mut self) {
        let ends = self.frames.iter().map(|frame| frame.bucket.end);
        self.next_end = ends.min().unwrap_or(i64::MAX);
        self.window = if self.quotes {
            Bounds { start: NEVER, end: NEVER }
        } else {
            let starts = self.frames.iter().map(|frame| frame.bucket.start);
            Bounds { start: starts.max().unwrap_or(NEVER), end: self.next_end }
        };
    }

    /// Find the open buckets of the present clock, after a restore or a new timeframe.
    pub(crate) fn reopen(&mut self, calendar: &Calendar) {
        if self.clock != NEVER {
            for frame in &mut self.frames {
                frame.bucket = frame.timeframe.bucket(calendar, self.clock);
            }
        }
        self.frame_window();
    }

    /// Switch between trades and quotes as the origin of ticks.
    pub(crate) fn set_quotes(&mut self, quotes: bool) {
        self.fold();
        self.quotes = quotes;
        self.frame_window();
    }

    /// The feed came or went: no open bar is complete.
    pub(crate) fn mark_incomplete(&mut self) {
        self.fold();
        for bar in self.frames.iter_mut().filter_map(|frame| frame.bar.as_mut()) {
            bar.complete = false;
        }
    }

    /// Add a timeframe unless it is there.
    pub(crate) fn subscribe(&mut self, calendar: &Calendar, timeframe: Timeframe, ts: i64) {
        if let Err(place) = self.frames.binary_search_by_key(&timeframe, |frame| frame.timeframe) {
            self.fold();
            self.frames.insert(place, Frame::new(timeframe, ts));
            self.reopen(calendar);
        }
    }

    /// The open bars, shortest timeframe first.
    pub(crate) fn forming(&mut self) -> Vec<Bar> {
        self.fold();
        let open = self.frames.iter().filter_map(|frame| Some((frame.timeframe, frame.bar.as_ref()?)));
        open.map(|(timeframe, bar)| self.published(timeframe, bar, false)).collect()
    }

    pub(crate) fn counters(&self) -> Counters {
        let late = self.frames.iter().filter(|frame| frame.late > 0);
        Counters {
            late: late.map(|frame| (frame.timeframe, frame.late)).collect(),
            future: self.future,
            bad: self.bad,
        }
    }

    fn published(&self, timeframe: Timeframe, bar: &OpenBar, is_final: bool) -> Bar {
        let totals = &bar.totals;
        Bar {
            symbol: self.number,
            timeframe,
            bounds: bar.bounds,
            open: totals.open,
            high: totals.high,
            low: totals.low,
            close: totals.close,
            volume: totals.volume,
            ticks: totals.ticks,
            is_final,
            complete: bar.complete,
            source: bar.source,
        }
    }
}
