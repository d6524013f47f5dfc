//! Columns of int64 that Python lends through the buffer protocol.

use bot_model::{Code, Failure};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

use crate::errors::raise;

/// A column of int64, one-dimensional and contiguous. Raises BadField.
pub(crate) fn column(object: &Bound<'_, PyAny>) -> PyResult<PyBuffer<i64>> {
    let py = object.py();
    let refused =
        |seen: String| raise(py, &Failure::new(Code::BadField, "column", "a buffer of int64", seen));
    let buffer = PyBuffer::<i64>::get(object).map_err(|problem| refused(problem.to_string()))?;
    if buffer.dimensions() == 1 && buffer.is_c_contiguous() {
        Ok(buffer)
    } else {
        Err(refused(format!("{} dimensions", buffer.dimensions())))
    }
}

/// The values of a column, which the caller must not change meanwhile.
pub(crate) fn slice(buffer: &PyBuffer<i64>) -> &[i64] {
    if buffer.item_count() == 0 {
        return &[];
    }
    // SAFETY: a contiguous buffer of this many aligned i64, held as long as the slice lives.
    unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<i64>(), buffer.item_count()) }
}
