//! The entry of `BarBuilder.on_trade`, the one call that happens for every print.
//!
//! The wrapper that pyo3 generates counts attachments in thread-local storage, visits its reference pool,
//! parses arguments and sets up for panics, which costs more than all the work on a usual print. This entry
//! takes such a print by itself, which runs no Python code, raises nothing and cannot panic. Any other print
//! goes through `attach`, where the wrapper's duties are done.

use std::ptr;

use pyo3::Borrowed;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::builder::BarBuilder;

const DOC: &std::ffi::CStr =
    c"on_trade($self, trade, /)\n--\n\nBars that became final, in order of end, then of length.";

/// The method as a descriptor of the class.
pub(crate) fn on_trade(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let definition = Box::new(ffi::PyMethodDef {
        ml_name: c"on_trade".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: enter },
        ml_flags: ffi::METH_O,
        ml_doc: DOC.as_ptr(),
    });
    let class = py.get_type::<BarBuilder>();
    // SAFETY: the definition is never freed, as the class is not; the result is a new reference or null.
    unsafe {
        let method = ffi::PyDescr_NewMethod(class.as_type_ptr(), Box::into_raw(definition));
        Ok(Bound::from_owned_ptr_or_err(py, method)?.unbind())
    }
}

unsafe extern "C" fn enter(builder: *mut ffi::PyObject, trade: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls attached, with live objects; the descriptor checked the builder's class.
    unsafe {
        let py = Python::assume_attached();
        let builder = Borrowed::from_ptr(py, builder).cast_unchecked::<BarBuilder>();
        let trade = Borrowed::from_ptr(py, trade);
        let gathered = builder
            .try_borrow_mut()
            .ok()
            .and_then(|mut builder| builder.gather(trade).then(|| builder.empty.give(py)));
        gathered.map_or_else(|| other(&builder, &trade), Bound::into_ptr)
    }
}

#[cold]
#[inline(never)]
fn other(builder: &Bound<'_, BarBuilder>, trade: &Bound<'_, PyAny>) -> *mut ffi::PyObject {
    Python::attach(|py| {
        let finals = builder.try_borrow_mut().map_err(PyErr::from).and_then(|mut this| this.print(trade));
        match finals {
            Ok(finals) => finals.into_ptr(),
            Err(problem) => {
                problem.restore(py);
                ptr::null_mut()
            }
        }
    })
}
