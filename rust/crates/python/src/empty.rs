//! An empty list for the call that closes no bar.

use std::mem;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// Hands out an empty list. One that nobody kept is handed out again, as `zip` does with its tuple: no one can
/// tell it from a new one, and making one costs as much as gathering a print.
pub(crate) struct EmptyList(Py<PyList>);

impl EmptyList {
    pub(crate) fn new(py: Python<'_>) -> Self {
        Self(PyList::empty(py).unbind())
    }

    /// An empty list that nobody else has.
    #[inline]
    pub(crate) fn give<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyList> {
        let list = self.0.bind(py);
        // SAFETY: a live object; under the interpreter's lock a count of one is this reference alone.
        let kept = unsafe { ffi::Py_REFCNT(list.as_ptr()) } != 1 || !list.is_empty();
        if kept {
            drop(mem::replace(&mut self.0, PyList::empty(py).unbind()).into_bound(py));
        }
        self.0.bind(py).clone()
    }
}
