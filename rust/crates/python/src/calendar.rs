//! The session calendar as it is handed to compiled components.

use std::sync::Arc;

use bot_calendar::{Day, Kind, MINUTE, Row, Zone};
use bot_model::{Code, Failure};
use pyo3::prelude::*;

use crate::errors::raise;

/// An immutable session calendar; days are numbers since 1970-01-01, closes minutes after CT midnight.
#[pyclass(frozen, module = "trading_bot_core")]
pub(crate) struct Calendar {
    pub(crate) inner: Arc<bot_calendar::Calendar>,
}

#[pymethods]
impl Calendar {
    #[new]
    fn new(
        py: Python<'_>,
        covers: (i64, i64),
        rows: Vec<(i64, String, Option<i64>)>,
        changes: Vec<(i64, i64)>,
    ) -> PyResult<Self> {
        let rows: Result<Vec<Row>, Failure> = rows.iter().map(row).collect();
        let zone = Zone::new(changes)
            .ok_or_else(|| Failure::new(Code::BadField, "clock changes", "ascending instants", "others"));
        let inner = rows
            .and_then(|rows| Ok(bot_calendar::Calendar::new((Day(covers.0), Day(covers.1)), rows, zone?)))
            .map_err(|failure| raise(py, &failure))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Day number of the trade date of `t`. Raises CalendarUnknown.
    fn trade_date(&self, py: Python<'_>, t: i64) -> PyResult<i64> {
        self.inner.trade_date(t).map(|day| day.0).map_err(|failure| raise(py, &failure))
    }

    /// `[start, end)` of the bucket of `t`. Raises BadTimeframe.
    fn bucket(&self, py: Python<'_>, timeframe: &str, t: i64) -> PyResult<(i64, i64)> {
        let timeframe = bot_calendar::Timeframe::parse(timeframe).map_err(|failure| raise(py, &failure))?;
        let bounds = timeframe.bucket(&self.inner, t);
        Ok((bounds.start, bounds.end))
    }
}

fn row((day, kind, close): &(i64, String, Option<i64>)) -> Result<Row, Failure> {
    let kind = match kind.as_str() {
        "closed" => Kind::Closed,
        "holiday" => Kind::Holiday,
        "half" => Kind::Half,
        other => return Err(Failure::new(Code::BadField, "calendar row", "closed, holiday or half", other)),
    };
    Ok(Row { day: Day(*day), kind, close: close.map(|minutes| minutes * MINUTE) })
}
