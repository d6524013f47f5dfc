//! The face of the bar builder.

use bot_calendar::Timeframe;
use bot_market_data::{Bar, BarBuilder as Core, Columns, SymbolId};
use bot_model::{Code, Failure};
use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::calendar::Calendar;
use crate::columns::{column, slice};
use crate::contracts::Contracts;
use crate::empty::EmptyList;
use crate::entry;
use crate::errors::{guard, raise};
use crate::numbers::{ExactInts, int, integer, optional};
use crate::objects::{Maker, Slots, each, flag};

const DETACH_FROM: usize = 1024;

/// Bars built from trades; the contract is that of `bot.ports.BarBuilder`.
#[pyclass(subclass, module = "trading_bot_core.market_data")]
pub(crate) struct BarBuilder {
    core: Core,
    broken: bool,
    finals: Vec<Bar>,
    pub(crate) empty: EmptyList,
    contracts: Contracts,
    texts: Vec<(Timeframe, Py<PyString>)>,
    ints: ExactInts,
    trade: Slots<5>,
    bar: Maker,
}

#[pymethods]
impl BarBuilder {
    #[new]
    #[pyo3(signature = (timeframes, calendar, close_grace_ms = 500, max_future_ms = 5000))]
    fn new(
        py: Python<'_>,
        timeframes: Vec<String>,
        calendar: &Calendar,
        close_grace_ms: i64,
        max_future_ms: i64,
    ) -> PyResult<Self> {
        let parsed: Result<Vec<Timeframe>, Failure> =
            timeframes.iter().map(|text| Timeframe::parse(text)).collect();
        let parsed = parsed.map_err(|failure| raise(py, &failure))?;
        Ok(Self {
            core: Core::new(&parsed, calendar.inner.clone(), close_grace_ms, max_future_ms),
            broken: false,
            finals: Vec::new(),
            empty: EmptyList::new(py),
            contracts: Contracts::new(py),
            texts: Vec::new(),
            ints: ExactInts::of(py)?,
            trade: Slots::of(py, "Trade", ["contract_id", "price", "size", "ts", "received"])?,
            bar: Maker::of(py, "Bar")?,
        })
    }

    /// `on_trade(trade, /)`: bars that became final, in order of end, then of length.
    #[classattr]
    fn on_trade(py: Python<'_>) -> PyResult<Py<PyAny>> {
        entry::on_trade(py)
    }

    /// The same for several trades in order.
    fn on_trades<'py>(&mut self, trades: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = trades.py();
        self.run(py, |this| each(trades, |trade| this.add(trade)))?;
        self.publish(py)
    }

    /// Trades of one contract in four int64 buffers; the buffers must not change during the call.
    fn on_columns<'py>(
        &mut self,
        contract_id: &Bound<'py, PyAny>,
        prices: &Bound<'py, PyAny>,
        sizes: &Bound<'py, PyAny>,
        ts: &Bound<'py, PyAny>,
        received: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = contract_id.py();
        let buffers = [column(prices)?, column(sizes)?, column(ts)?, column(received)?];
        let columns = Columns::new(buffers.each_ref().map(slice)).map_err(|failure| raise(py, &failure))?;
        self.run(py, |this| {
            let symbol = this.symbol(contract_id)?;
            let (core, finals) = (&mut this.core, &mut this.finals);
            if columns.len() < DETACH_FROM {
                core.on_columns(symbol, columns, finals);
            } else {
                py.detach(|| core.on_columns(symbol, columns, finals));
            }
            Ok(())
        })?;
        self.publish(py)
    }

    /// A quote's last price; counts as a tick of size 0 in quote mode only.
    fn on_quote<'py>(
        &mut self,
        contract_id: &Bound<'py, PyAny>,
        last: Option<i64>,
        ts: Option<i64>,
        received: i64,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = contract_id.py();
        self.run(py, |this| {
            let symbol = this.symbol(contract_id)?;
            this.core.on_quote(symbol, last, ts, received, &mut this.finals);
            Ok(())
        })?;
        self.publish(py)
    }

    /// Move all clocks to `wall - close_grace`; contracts in byte order.
    fn on_timer<'py>(&mut self, py: Python<'py>, wall: i64) -> PyResult<Bound<'py, PyList>> {
        self.run(py, |this| {
            this.core.on_timer(wall, &mut this.finals);
            Ok(())
        })?;
        self.publish(py)
    }

    /// `trades` or `quotes`. Raises BadField.
    fn set_mode(&mut self, contract_id: &Bound<'_, PyAny>, mode: &str) -> PyResult<()> {
        let py = contract_id.py();
        let quotes = match mode {
            "trades" => false,
            "quotes" => true,
            _ => return Err(raise(py, &Failure::new(Code::BadField, "mode", "trades or quotes", mode))),
        };
        self.run(py, |this| {
            let symbol = this.symbol(contract_id)?;
            this.core.set_mode(symbol, quotes);
            Ok(())
        })
    }

    /// The feed is connected and subscribed as of `ts`.
    fn feed_up(&mut self, contract_id: &Bound<'_, PyAny>, ts: i64) -> PyResult<()> {
        self.run(contract_id.py(), |this| {
            let symbol = this.symbol(contract_id)?;
            this.core.feed_up(symbol, ts);
            Ok(())
        })
    }

    /// The feed is lost as of `ts`.
    #[expect(unused_variables, reason = "the loss counts, not its time")]
    fn feed_down(&mut self, contract_id: &Bound<'_, PyAny>, ts: i64) -> PyResult<()> {
        self.run(contract_id.py(), |this| {
            let symbol = this.symbol(contract_id)?;
            this.core.feed_down(symbol);
            Ok(())
        })
    }

    /// Add a timeframe to one contract. Raises BadTimeframe.
    fn subscribe(&mut self, contract_id: &Bound<'_, PyAny>, timeframe: &str, ts: i64) -> PyResult<()> {
        let py = contract_id.py();
        let timeframe = Timeframe::parse(timeframe).map_err(|failure| raise(py, &failure))?;
        self.run(py, |this| {
            let symbol = this.symbol(contract_id)?;
            this.core.subscribe(symbol, timeframe, ts);
            Ok(())
        })
    }

    /// The open bars, shortest timeframe first, `final` false.
    fn forming<'py>(&mut self, py: Python<'py>, contract_id: &str) -> PyResult<Bound<'py, PyList>> {
        self.run(py, |this| {
            if let Some(symbol) = this.core.known(contract_id) {
                this.finals = this.core.forming(symbol);
            }
            Ok(())
        })?;
        self.publish(py)
    }

    /// Per contract in byte order `{late: {timeframe: n}, future: n, bad: n}`.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (id, counters) in self.core.counters() {
            let (one, late) = (PyDict::new(py), PyDict::new(py));
            for (timeframe, count) in counters.late {
                late.set_item(timeframe.text(), count)?;
            }
            one.set_item("late", late)?;
            one.set_item("future", counters.future)?;
            one.set_item("bad", counters.bad)?;
            all.set_item(id, one)?;
        }
        Ok(all)
    }

    /// The whole state in the canonical layout.
    fn snapshot<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.run(py, |this| Ok(PyBytes::new(py, &this.core.snapshot())))
    }

    /// Become the state of `snapshot`. Raises StoreCorrupt, changing nothing.
    fn restore(&mut self, py: Python<'_>, state: &[u8]) -> PyResult<()> {
        let restored =
            guard(py, &mut false, || self.core.restore(state).map_err(|failure| raise(py, &failure)));
        restored?;
        self.broken = false;
        self.contracts = Contracts::of(py, &mut self.core)?;
        Ok(())
    }

    /// BLAKE2b-64 of the snapshot.
    fn digest(&mut self, py: Python<'_>) -> PyResult<u64> {
        self.run(py, |this| Ok(this.core.digest()))
    }

    /// Always true: each call is a whole unit of work.
    #[expect(clippy::unused_self, reason = "part of the port")]
    fn quiet(&self) -> bool {
        true
    }
}

impl BarBuilder {
    #[inline]
    fn run<T>(&mut self, py: Python<'_>, call: impl FnOnce(&mut Self) -> PyResult<T>) -> PyResult<T> {
        let mut broken = self.broken;
        let done = guard(py, &mut broken, || call(self));
        self.broken = broken;
        if done.is_err() {
            self.finals.clear();
        }
        done
    }

    /// Take the usual print, an exact struct of exact integers that closes nothing; leave any other alone.
    #[inline]
    pub(crate) fn gather(&mut self, trade: Borrowed<'_, '_, PyAny>) -> bool {
        let Some([contract_id, price, size, ts, received]) = self.trade.exact(trade) else { return false };
        let Some(symbol) = self.contracts.known(contract_id) else { return false };
        let Some(price) = self.ints.read(price) else { return false };
        let Some(size) = self.ints.read(size) else { return false };
        let Some(ts) = self.ints.read(ts) else { return false };
        let Some(received) = self.ints.read(received) else { return false };
        !self.broken && self.core.gather(symbol, (ts, price, size), received)
    }

    /// Take any print.
    pub(crate) fn print<'py>(&mut self, trade: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.run(trade.py(), |this| {
            this.add(trade)?;
            this.publish(trade.py())
        })
    }

    #[inline]
    fn add(&mut self, trade: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.gather(trade.as_borrowed()) {
            return Ok(());
        }
        let Self { trade: slots, core, contracts, finals, .. } = self;
        slots.read(trade, |[contract_id, price, size, ts, received]| {
            let symbol = contracts.symbol(core, &contract_id)?;
            let (price, size, ts) = (optional(&price)?, optional(&size)?, optional(&ts)?);
            core.on_trade(symbol, price, size, ts, integer(&received)?, finals);
            Ok(())
        })
    }

    fn symbol(&mut self, contract_id: &Bound<'_, PyAny>) -> PyResult<SymbolId> {
        self.contracts.symbol(&mut self.core, contract_id)
    }

    #[inline]
    fn publish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        if self.finals.is_empty() {
            return Ok(PyList::empty(py));
        }
        let finals = std::mem::take(&mut self.finals);
        let made: PyResult<Vec<_>> = finals.iter().map(|bar| self.published(py, bar)).collect();
        self.finals = finals;
        self.finals.clear();
        PyList::new(py, made?)
    }

    fn published<'py>(&mut self, py: Python<'py>, bar: &Bar) -> PyResult<Bound<'py, PyAny>> {
        let name = self.contracts.name(py, bar.symbol);
        let text = self.text(py, bar.timeframe);
        let source = PyString::intern(py, bar.source.text()).into_any();
        self.bar.make(
            py,
            &[
                name,
                text,
                int(py, bar.bounds.start),
                int(py, bar.bounds.end),
                int(py, bar.open),
                int(py, bar.high),
                int(py, bar.low),
                int(py, bar.close),
                int(py, bar.volume),
                int(py, bar.ticks.cast_signed()),
                flag(py, bar.is_final),
                flag(py, bar.complete),
                source,
            ],
        )
    }

    fn text<'py>(&mut self, py: Python<'py>, timeframe: Timeframe) -> Bound<'py, PyAny> {
        if let Some((_, text)) = self.texts.iter().find(|(known, _)| *known == timeframe) {
            return text.bind(py).clone().into_any();
        }
        let text = PyString::intern(py, &timeframe.text());
        self.texts.push((timeframe, text.clone().unbind()));
        text.into_any()
    }
}
