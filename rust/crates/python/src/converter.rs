//! The face of the bar converter.

use std::sync::Arc;

use bot_calendar::{Bounds, Timeframe};
use bot_market_data::{Converted, Minute, convert};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::calendar::Calendar;
use crate::errors::{guard, raise};
use crate::numbers::{int, integer};
use crate::objects::{Maker, Slots, each, flag};

/// Batch conversion of one-minute bars; the contract is that of `bot.ports.BarConverter`.
#[pyclass(frozen, subclass, module = "trading_bot_core.market_data")]
pub(crate) struct BarConverter {
    calendar: Arc<bot_calendar::Calendar>,
    minute: Slots<6>,
    converted: Maker,
}

#[pymethods]
impl BarConverter {
    #[new]
    fn new(py: Python<'_>, calendar: &Calendar) -> PyResult<Self> {
        Ok(Self {
            calendar: calendar.inner.clone(),
            minute: Slots::of(py, "MinuteBar", ["start", "open", "high", "low", "close", "volume"])?,
            converted: Maker::of(py, "ConvertedBar")?,
        })
    }

    /// Bars of `timeframe`, ascending. Raises BadTimeframe and Unsorted.
    #[pyo3(signature = (bars, timeframe, start, end, keep_partial = false))]
    fn __call__<'py>(
        &self,
        bars: &Bound<'py, PyAny>,
        timeframe: &str,
        start: i64,
        end: i64,
        keep_partial: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = bars.py();
        guard(py, &mut false, || {
            let timeframe = Timeframe::parse(timeframe).map_err(|failure| raise(py, &failure))?;
            let mut minutes = Vec::new();
            each(bars, |bar| {
                minutes.push(self.minute(bar)?);
                Ok(())
            })?;
            let made = convert(&self.calendar, minutes, timeframe, Bounds { start, end }, keep_partial)
                .map_err(|failure| raise(py, &failure))?;
            let made: PyResult<Vec<_>> = made.iter().map(|bar| self.published(py, bar)).collect();
            PyList::new(py, made?)
        })
    }
}

impl BarConverter {
    fn minute(&self, bar: &Bound<'_, PyAny>) -> PyResult<Minute> {
        self.minute.read(bar, |[start, open, high, low, close, volume]| {
            Ok(Minute {
                start: integer(&start)?,
                open: integer(&open)?,
                high: integer(&high)?,
                low: integer(&low)?,
                close: integer(&close)?,
                volume: integer(&volume)?,
            })
        })
    }

    fn published<'py>(&self, py: Python<'py>, bar: &Converted) -> PyResult<Bound<'py, PyAny>> {
        self.converted.make(
            py,
            &[
                int(py, bar.bounds.start),
                int(py, bar.bounds.end),
                int(py, bar.open),
                int(py, bar.high),
                int(py, bar.low),
                int(py, bar.close),
                int(py, bar.volume),
                int(py, bar.source_bars.cast_signed()),
                flag(py, bar.complete),
            ],
        )
    }
}
