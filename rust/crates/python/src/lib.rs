//! The Python module `trading_bot_core`: convert, call, map the error. Nothing is decided here.

#![expect(clippy::needless_pass_by_value, reason = "arguments of Python calls arrive by value")]

mod builder;
mod calendar;
mod columns;
mod contracts;
mod converter;
mod empty;
mod entry;
mod errors;
mod numbers;
mod objects;
mod timing;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What this module was built from: profile, flags, commit, compiler and the hash of its sources.
#[pyfunction]
fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("profile", env!("CORE_PROFILE"))?;
    info.set_item("opt_level", env!("CORE_OPT_LEVEL"))?;
    info.set_item("debug_assertions", cfg!(debug_assertions))?;
    info.set_item("panic", if cfg!(panic = "unwind") { "unwind" } else { "abort" })?;
    info.set_item("flags", env!("CORE_FLAGS"))?;
    info.set_item("target", env!("CORE_TARGET"))?;
    info.set_item("compiler", env!("CORE_COMPILER"))?;
    info.set_item("commit", env!("CORE_COMMIT"))?;
    info.set_item("source_hash", env!("CORE_SOURCE_HASH"))?;
    Ok(info)
}

/// Compiled twins of the bot's hot components.
#[pymodule]
#[pyo3(name = "_native", gil_used = true)]
mod trading_bot_core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::build_info;
    #[pymodule_export]
    use crate::calendar::Calendar;

    /// Bars from trades, and bars from one-minute bars.
    #[pymodule]
    mod market_data {
        #[pymodule_export]
        use crate::builder::BarBuilder;
        #[pymodule_export]
        use crate::converter::BarConverter;
        #[pymodule_export]
        use crate::timing::{time_columns, time_conversion};
    }
}
