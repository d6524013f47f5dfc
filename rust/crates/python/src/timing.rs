//! How long the pure core takes, measured inside, so that one run can show it beside the calls from Python.

use std::hint::black_box;
use std::time::Instant;

use bot_calendar::{Bounds, Timeframe};
use bot_market_data::{BarBuilder as Core, Columns, convert, minutes};
use pyo3::prelude::*;

use crate::calendar::Calendar;
use crate::columns::{column, slice};
use crate::errors::raise;

/// Nanoseconds of `rounds` passes of a fresh builder over the columns of one contract.
#[pyfunction]
pub(crate) fn time_columns(
    timeframes: Vec<String>,
    calendar: &Bound<'_, Calendar>,
    columns: [Bound<'_, PyAny>; 4],
    rounds: usize,
) -> PyResult<Vec<u64>> {
    let py = calendar.py();
    let parsed: Result<Vec<Timeframe>, _> = timeframes.iter().map(|text| Timeframe::parse(text)).collect();
    let parsed = parsed.map_err(|failure| raise(py, &failure))?;
    let [prices, sizes, ts, received] = columns.each_ref().map(column);
    let buffers = [prices?, sizes?, ts?, received?];
    let columns = Columns::new(buffers.each_ref().map(slice)).map_err(|failure| raise(py, &failure))?;
    let calendar = &calendar.get().inner;
    let pass = || {
        let mut builder = Core::new(&parsed, calendar.clone(), 500, 5000);
        let symbol = builder.symbol("CON.F.US.MNQ.Z25");
        let mut finals = Vec::with_capacity(columns.len());
        elapsed(|| builder.on_columns(symbol, black_box(columns), &mut finals))
    };
    Ok((0..rounds).map(|_| pass()).collect())
}

/// Nanoseconds of `rounds` conversions of one-minute bars in columns (start, open, high, low, close, volume).
#[pyfunction]
pub(crate) fn time_conversion(
    timeframe: &str,
    calendar: &Bound<'_, Calendar>,
    columns: [Bound<'_, PyAny>; 6],
    rounds: usize,
) -> PyResult<Vec<u64>> {
    let py = calendar.py();
    let timeframe = Timeframe::parse(timeframe).map_err(|failure| raise(py, &failure))?;
    let [start, open, high, low, close, volume] = columns.each_ref().map(column);
    let buffers = [start?, open?, high?, low?, close?, volume?];
    let columns = buffers.each_ref().map(slice);
    let window = Bounds { start: columns[0].first().copied().unwrap_or(0), end: i64::MAX };
    let calendar = &calendar.get().inner;
    let run = || convert(calendar, minutes(black_box(columns)), timeframe, window, false);
    run().map_err(|failure| raise(py, &failure))?;
    Ok((0..rounds).map(|_| elapsed(run)).collect())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures; no component calls this")]
fn elapsed<T>(run: impl FnOnce() -> T) -> u64 {
    let start = Instant::now();
    black_box(run());
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
