//! The one error map: failure code to exception class of `bot.model.errors`; panics become CoreFailure.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bot_model::{Code, Failure};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

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
    build(py, class(*code), what, expected, PyString::new(py, seen).as_any(), hint)
}

/// The exception of a number outside 64 bits; other problems stay as they are.
pub(crate) fn narrow(number: &Bound<'_, PyAny>, problem: PyErr) -> PyErr {
    let py = number.py();
    if problem.is_instance_of::<PyOverflowError>(py) {
        build(py, class(Code::BadNumber), "number", "an integer of 64 bits", number, "")
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
    let (seen, hint) = (PyString::new(py, seen), "restore a snapshot or use another implementation");
    build(py, "CoreFailure", "compiled component", "no defect", seen.as_any(), hint)
}

fn build(
    py: Python<'_>,
    class: &str,
    what: &str,
    expected: &str,
    seen: &Bound<'_, PyAny>,
    hint: &str,
) -> PyErr {
    let made = || {
        let details = PyDict::new(py);
        details.set_item("expected", expected)?;
        details.set_item("seen", seen)?;
        details.set_item("do", hint)?;
        py.import("bot.model.errors")?.getattr(class)?.call((what,), Some(&details))
    };
    made().map_or_else(|problem| problem, PyErr::from_value)
}

fn text(panic: &(dyn Any + Send)) -> String {
    let known = panic.downcast_ref::<&str>().map(ToString::to_string);
    known.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
