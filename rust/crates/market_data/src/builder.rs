//! Bars of any number of contracts.

use std::collections::BTreeMap;
use std::sync::Arc;

use bot_calendar::{Calendar, Timeframe};
use bot_model::{Code, Failure, NEVER};

use crate::snapshot::{self, State};
use crate::symbol::{Bar, Counters, Frame, Source, Symbol};

const MILLISECOND: i64 = 1_000_000;

/// A contract that the builder has seen; stays valid until a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolId(usize);

impl SymbolId {
    /// Its position in order of first appearance, as `Bar::symbol` names it.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Trades of one contract in columns of equal length; none of the values is missing.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    prices: &'a [i64],
    sizes: &'a [i64],
    ts: &'a [i64],
    received: &'a [i64],
}

impl<'a> Columns<'a> {
    /// Prices in ticks, sizes, event times and arrivals; refused when their lengths differ.
    pub fn new([prices, sizes, ts, received]: [&'a [i64]; 4]) -> Result<Self, Failure> {
        let lengths = [prices.len(), sizes.len(), ts.len(), received.len()];
        if lengths.iter().any(|length| *length != lengths[0]) {
            return Err(Failure::new(Code::BadField, "columns", "equal lengths", format!("{lengths:?}")));
        }
        Ok(Self { prices, sizes, ts, received })
    }

    /// How many trades.
    pub fn len(&self) -> usize {
        self.prices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.prices.is_empty()
    }
}

/// Builds bars; each contract has at least the default timeframes.
#[derive(Clone, Debug)]
pub struct BarBuilder {
    calendar: Arc<Calendar>,
    pub(crate) timeframes: Vec<Timeframe>,
    pub(crate) close_grace: i64,
    pub(crate) max_future: i64,
    pub(crate) timer: i64,
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) by_id: BTreeMap<Box<str>, usize>,
}

impl BarBuilder {
    /// `close_grace_ms` is how far a timer keeps the clocks behind the wall, `max_future_ms` how far an
    /// event time may lie beyond its arrival.
    pub fn new(
        timeframes: &[Timeframe],
        calendar: Arc<Calendar>,
        close_grace_ms: i64,
        max_future_ms: i64,
    ) -> Self {
        let mut timeframes = timeframes.to_vec();
        timeframes.sort_unstable();
        timeframes.dedup();
        Self {
            calendar,
            timeframes,
            close_grace: close_grace_ms * MILLISECOND,
            max_future: max_future_ms * MILLISECOND,
            timer: NEVER,
            symbols: Vec::new(),
            by_id: BTreeMap::new(),
        }
    }

    /// The handle of a contract, which is added when it is new.
    pub fn symbol(&mut self, id: &str) -> SymbolId {
        if let Some(number) = self.by_id.get(id) {
            return SymbolId(*number);
        }
        let number = self.symbols.len();
        let frames = self.timeframes.iter().map(|timeframe| Frame::new(*timeframe, NEVER)).collect();
        let mut symbol = Symbol::new(number, id, frames);
        if self.timer != NEVER {
            symbol.advance(&self.calendar, self.timer.saturating_sub(self.close_grace), &mut Vec::new());
        }
        self.symbols.push(symbol);
        self.by_id.insert(id.into(), number);
        SymbolId(number)
    }

    /// The handle of a contract that was seen before.
    pub fn known(&self, id: &str) -> Option<SymbolId> {
        self.by_id.get(id).copied().map(SymbolId)
    }

    /// The ids in order of first appearance.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.symbols.iter().map(|symbol| &*symbol.id)
    }

    /// Take a print that closes nothing; false, and nothing done, for any other.
    #[inline]
    pub fn gather(&mut self, SymbolId(number): SymbolId, tick: (i64, i64, i64), received: i64) -> bool {
        let (ts, _, size) = tick;
        size > 0
            && ts <= received.saturating_add(self.max_future)
            && self.symbols.get_mut(number).is_some_and(|symbol| symbol.gather(tick))
    }

    /// One print; bars that became final are appended to `out` in order of end, then of length.
    #[inline]
    pub fn on_trade(
        &mut self,
        SymbolId(number): SymbolId,
        price: Option<i64>,
        size: Option<i64>,
        ts: Option<i64>,
        received: i64,
        out: &mut Vec<Bar>,
    ) {
        let symbol = &mut self.symbols[number];
        let (Some(price), Some(size @ 1..)) = (price, size) else {
            symbol.bad += 1;
            return;
        };
        let ts = ts.unwrap_or(received);
        if ts > received.saturating_add(self.max_future) {
            symbol.future += 1;
        } else if !symbol.gather((ts, price, size)) {
            trade(symbol, &self.calendar, (ts, price, size), out);
        }
    }

    /// Prints of one contract in columns.
    pub fn on_columns(&mut self, SymbolId(number): SymbolId, columns: Columns<'_>, out: &mut Vec<Bar>) {
        let symbol = &mut self.symbols[number];
        let max_future = self.max_future;
        let arrivals = columns.ts.iter().zip(columns.received);
        let prints = columns.prices.iter().zip(columns.sizes);
        for ((&price, &size), (&ts, &received)) in prints.zip(arrivals) {
            if size <= 0 {
                symbol.bad += 1;
            } else if ts > received.saturating_add(max_future) {
                symbol.future += 1;
            } else if !symbol.gather((ts, price, size)) {
                trade(symbol, &self.calendar, (ts, price, size), out);
            }
        }
    }

    /// A quote's last price: a tick of size 0 in quote mode when it changed, else nothing.
    pub fn on_quote(
        &mut self,
        SymbolId(number): SymbolId,
        last: Option<i64>,
        ts: Option<i64>,
        received: i64,
        out: &mut Vec<Bar>,
    ) {
        let symbol = &mut self.symbols[number];
        let Some(price) = last.filter(|price| symbol.quotes && symbol.last_quote != Some(*price)) else {
            return;
        };
        let ts = ts.unwrap_or(received);
        if ts > received.saturating_add(self.max_future) {
            symbol.future += 1;
            return;
        }
        symbol.last_quote = Some(price);
        symbol.tick(&self.calendar, (ts, price, 0), Source::QUOTES, out);
    }

    /// Move all clocks to `wall - close_grace`; contracts in byte order.
    pub fn on_timer(&mut self, wall: i64, out: &mut Vec<Bar>) {
        if wall <= self.timer {
            return;
        }
        self.timer = wall;
        let clock = wall.saturating_sub(self.close_grace);
        for number in self.by_id.values() {
            let symbol = &mut self.symbols[*number];
            if clock >= symbol.next_end {
                symbol.advance(&self.calendar, clock, out);
            } else {
                symbol.clock = symbol.clock.max(clock);
            }
        }
    }

    /// `trades` or `quotes` as the origin of ticks.
    pub fn set_mode(&mut self, SymbolId(number): SymbolId, quotes: bool) {
        self.symbols[number].set_quotes(quotes);
    }

    /// The feed is connected and subscribed as of `ts`; bars that are open now stay incomplete.
    pub fn feed_up(&mut self, SymbolId(number): SymbolId, ts: i64) {
        self.symbols[number].mark_incomplete();
        self.symbols[number].up_since = ts;
    }

    /// The feed is lost; bars that are open now are incomplete.
    pub fn feed_down(&mut self, SymbolId(number): SymbolId) {
        self.symbols[number].mark_incomplete();
        self.symbols[number].up_since = NEVER;
    }

    /// Add a timeframe to one contract; one that it already has stays as it is.
    pub fn subscribe(&mut self, SymbolId(number): SymbolId, timeframe: Timeframe, ts: i64) {
        self.symbols[number].subscribe(&self.calendar, timeframe, ts);
    }

    /// The open bars, shortest timeframe first.
    pub fn forming(&mut self, SymbolId(number): SymbolId) -> Vec<Bar> {
        self.symbols[number].forming()
    }

    /// Dropped ticks per contract, in byte order.
    pub fn counters(&self) -> impl Iterator<Item = (&str, Counters)> {
        self.by_id.iter().map(|(id, number)| (&**id, self.symbols[*number].counters()))
    }

    /// The whole state in the layout of `bot/model/bar_state.py`.
    pub fn snapshot(&mut self) -> Vec<u8> {
        self.symbols.iter_mut().for_each(Symbol::fold);
        snapshot::encode(self)
    }

    /// Become the state of `snapshot`, configuration included; changes nothing when it cannot be read.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let State { timeframes, close_grace, max_future, timer, mut symbols } = snapshot::decode(bytes)?;
        for symbol in &mut symbols {
            symbol.reopen(&self.calendar);
            let strays = |frame: &Frame| frame.bar.is_some_and(|bar| bar.bounds != frame.bucket);
            if symbol.frames.iter().any(strays) {
                return Err(snapshot::corrupt("a bar outside its clock's bucket"));
            }
        }
        self.by_id = symbols.iter().map(|symbol| (symbol.id.clone(), symbol.number)).collect();
        (self.timeframes, self.symbols) = (timeframes, symbols);
        (self.close_grace, self.max_future, self.timer) = (close_grace, max_future, timer);
        Ok(())
    }

    /// BLAKE2b-64 of the snapshot.
    pub fn digest(&mut self) -> u64 {
        snapshot::digest(&self.snapshot())
    }
}

#[cold]
#[inline(never)]
fn trade(symbol: &mut Symbol, calendar: &Calendar, tick: (i64, i64, i64), out: &mut Vec<Bar>) {
    if symbol.quotes {
        symbol.set_quotes(false);
    }
    symbol.tick(calendar, tick, Source::TRADES, out);
}
