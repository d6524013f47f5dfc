//! The one error map: failure code to exception class of `bot.model.errors`; panics become CoreFailure.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bot_model::{Code, Failure};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

fn class(code: Code) -> &'static str {
    match code {
        Code::BadNumber => "BadNumber",
        Code::BadField => "BadField",
        Code::BadTimeframe => "BadTimeframe",
        Code::Unsorted => "Unsorted",
        Code::CalendarUnknown => "CalendarUnknown",
        Code::StoreCorrupt => "StoreCorrupt",
    }
}

/// The exception of a failure.
pub(crate) fn raise(py: Python<'_>, failure: &Failure) -> PyErr {
    let Failure { code, what, expected, seen, hint } = failure;
    build(py, class(*code), what, expected, seen, hint).unwrap_or_else(|problem| problem)
}

/// The exception of a number outside 64 bits; other problems stay as they are.
pub(crate) fn narrow(py: Python<'_>, problem: PyErr) -> PyErr {
    if problem.is_instance_of::<PyOverflowError>(py) {
        raise(py, &Failure::new(Code::BadNumber, "number", "an integer of 64 bits", problem.to_string()))
    } else {
        problem
    }
}

/// Run a call; a panic becomes CoreFailure and sets `broken`, after which every call is refused.
pub(crate) fn guard<T>(py: Python<'_>, broken: &mut bool, call: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    if *broken {
        return Err(core_failure(py, "an earlier call panicked"));
    }
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        *broken = true;
        Err(core_failure(py, &text(panic.as_ref())))
    })
}

fn core_failure(py: Python<'_>, seen: &str) -> PyErr {
    build(
        py,
        "CoreFailure",
        "compiled component",
        "no defect",
        seen,
        "restore a snapshot or use another implementation",
    )
    .unwrap_or_else(|problem| problem)
}

fn build(py: Python<'_>, class: &str, what: &str, expected: &str, seen: &str, hint: &str) -> PyResult<PyErr> {
    let details = PyDict::new(py);
    details.set_item("expected", expected)?;
    details.set_item("seen", seen)?;
    details.set_item("do", hint)?;
    let class = py.import("bot.model.errors")?.getattr(class)?;
    Ok(PyErr::from_value(class.call((what,), Some(&details))?))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let known = panic.downcast_ref::<&str>().map(ToString::to_string);
    known.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
