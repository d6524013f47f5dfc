//! The canonical snapshot; its layout is described in `bot/model/bar_state.py`.

use blake2b_simd::Params;
use bot_calendar::{Bounds, Timeframe};
use bot_model::{Code, Failure};

use crate::builder::BarBuilder;
use crate::symbol::{Frame, OpenBar, Source, Symbol, Totals};

const MAGIC: &[u8] = b"TBBARS\0\x01";

/// What a snapshot says.
pub(crate) struct State {
    pub(crate) timeframes: Vec<Timeframe>,
    pub(crate) close_grace: i64,
    pub(crate) max_future: i64,
    pub(crate) timer: i64,
    pub(crate) symbols: Vec<Symbol>,
}

pub(crate) fn digest(snapshot: &[u8]) -> u64 {
    let hash = Params::new().hash_length(8).hash(snapshot);
    hash.as_bytes().iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

pub(crate) fn corrupt(seen: &str) -> Failure {
    Failure::new(Code::StoreCorrupt, "bar builder snapshot", "the layout of bot.model.bar_state", seen)
        .hint("start from history")
}

pub(crate) fn encode(builder: &BarBuilder) -> Vec<u8> {
    let mut out = Writer(MAGIC.to_vec());
    out.i64s(&[builder.close_grace, builder.max_future]);
    out.count(builder.timeframes.len());
    for timeframe in &builder.timeframes {
        out.0.extend(timeframe.seconds().to_le_bytes());
    }
    out.i64s(&[builder.timer]);
    out.count(builder.symbols.len());
    for number in builder.by_id.values() {
        out.symbol(&builder.symbols[*number]);
    }
    out.0
}

struct Writer(Vec<u8>);

impl Writer {
    fn i64s(&mut self, values: &[i64]) {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }

    fn count(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.0.extend(count.to_le_bytes());
    }

    fn symbol(&mut self, symbol: &Symbol) {
        self.count(symbol.id.len());
        self.0.extend(symbol.id.as_bytes());
        self.i64s(&[symbol.clock]);
        self.0.extend([u8::from(symbol.quotes), u8::from(symbol.last_quote.is_some())]);
        self.i64s(&[symbol.last_quote.unwrap_or(0), symbol.up_since]);
        self.0.extend([symbol.future, symbol.bad].iter().flat_map(|count| count.to_le_bytes()));
        self.count(symbol.frames.len());
        for frame in &symbol.frames {
            self.0.extend(frame.timeframe.seconds().to_le_bytes());
            self.i64s(&[frame.registered]);
            self.0.extend(frame.late.to_le_bytes());
            self.0.push(u8::from(frame.bar.is_some()));
            if let Some(bar) = &frame.bar {
                self.bar(bar);
            }
        }
    }

    fn bar(&mut self, bar: &OpenBar) {
        let Totals { open, high, low, close, open_ts, close_ts, volume, ticks } = bar.totals;
        self.i64s(&[bar.bounds.start, bar.bounds.end, open, high, low, close, open_ts, close_ts, volume]);
        self.0.extend(ticks.to_le_bytes());
        self.0.extend([u8::from(bar.complete), bar.source.0]);
    }
}

pub(crate) fn decode(bytes: &[u8]) -> Result<State, Failure> {
    let mut reader = Reader(bytes);
    reader.state().filter(|_| reader.0.is_empty()).ok_or_else(|| corrupt("other bytes"))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn state(&mut self) -> Option<State> {
        (self.bytes(MAGIC.len())? == MAGIC).then_some(())?;
        let (close_grace, max_future) = (self.i64()?, self.i64()?);
        let timeframes = self.many(Self::timeframe)?;
        let timer = self.i64()?;
        let mut symbols = self.many(Self::symbol)?;
        symbols.iter_mut().enumerate().for_each(|(number, symbol)| symbol.number = number);
        let ordered = timeframes.is_sorted_by(|a, b| a < b) && symbols.is_sorted_by(|a, b| a.id < b.id);
        ordered.then_some(State { timeframes, close_grace, max_future, timer, symbols })
    }

    fn symbol(&mut self) -> Option<Symbol> {
        let length = self.u32()? as usize;
        let id = std::str::from_utf8(self.bytes(length)?).ok()?.to_owned();
        let mut symbol = Symbol::new(0, &id, Vec::new());
        symbol.clock = self.i64()?;
        symbol.quotes = self.flag()?;
        let (has_quote, quote) = (self.flag()?, self.i64()?);
        (has_quote || quote == 0).then_some(())?;
        symbol.last_quote = has_quote.then_some(quote);
        symbol.up_since = self.i64()?;
        symbol.future = self.u64()?;
        symbol.bad = self.u64()?;
        symbol.frames = self.many(Self::frame)?;
        symbol.frames.is_sorted_by(|a, b| a.timeframe < b.timeframe).then_some(symbol)
    }

    fn frame(&mut self) -> Option<Frame> {
        let mut frame = Frame::new(self.timeframe()?, self.i64()?);
        frame.late = self.u64()?;
        if self.flag()? {
            frame.bar = Some(self.bar()?);
        }
        Some(frame)
    }

    fn bar(&mut self) -> Option<OpenBar> {
        Some(OpenBar {
            bounds: Bounds { start: self.i64()?, end: self.i64()? },
            totals: Totals {
                open: self.i64()?,
                high: self.i64()?,
                low: self.i64()?,
                close: self.i64()?,
                open_ts: self.i64()?,
                close_ts: self.i64()?,
                volume: self.i64()?,
                ticks: self.u64().filter(|ticks| *ticks > 0)?,
            },
            complete: self.flag()?,
            source: Source(self.byte().filter(|source| (1..=3).contains(source))?),
        })
    }

    fn timeframe(&mut self) -> Option<Timeframe> {
        Timeframe::of_seconds(self.u32()?).ok()
    }

    fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()?;
        (0..count).map(|_| one(self)).collect()
    }

    fn flag(&mut self) -> Option<bool> {
        self.byte().filter(|byte| *byte <= 1).map(|byte| byte == 1)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    fn bytes(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}
