//! Integers from and to Python: the checked way, and an exact `int` by its digits.

use pyo3::Borrowed;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::errors::narrow;

/// An integer as an object.
#[inline]
pub(crate) fn int(py: Python<'_>, value: i64) -> Bound<'_, PyAny> {
    // SAFETY: a new reference; creation fails only without memory, which `from_owned_ptr` reports by panicking.
    unsafe { Bound::from_owned_ptr(py, ffi::PyLong_FromLongLong(value)) }
}

/// A 64-bit integer. Raises BadNumber beyond that.
#[inline]
pub(crate) fn integer(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    value.extract().map_err(|problem| narrow(value, problem))
}

/// A 64-bit integer or None.
#[inline]
pub(crate) fn optional(value: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if value.is_none() { Ok(None) } else { integer(value).map(Some) }
}

/// Reads exact `int` objects; runs no Python code and raises nothing.
///
/// Up to Python 3.11 an `int` is a signed count of 30-bit digits and the digits (`longintrepr.h`); a price has
/// one, a stamp in nanoseconds three. Any other count or layout is left to the interpreter's conversion.
#[derive(Clone, Copy)]
pub(crate) struct ExactInts {
    digits: bool,
}

#[repr(C)]
struct Long {
    head: ffi::PyVarObject,
    digits: [u32; 3],
}

impl ExactInts {
    /// For the interpreter that runs.
    pub(crate) fn of(py: Python<'_>) -> PyResult<Self> {
        let info = py.import("sys")?.getattr("int_info")?;
        let bits: u32 = info.getattr("bits_per_digit")?.extract()?;
        Ok(Self { digits: py.version_info() < (3, 12) && bits == 30 })
    }

    /// The value of an exact `int` of 64 bits, None for anything else.
    #[inline]
    pub(crate) fn read(self, value: Borrowed<'_, '_, PyAny>) -> Option<i64> {
        let object = value.as_ptr();
        // SAFETY: a live object and an attached thread; the check proves the layout, the count the digits read.
        unsafe {
            if ffi::PyLong_CheckExact(object) == 0 {
                return None;
            }
            let digit = |i: usize| i64::from((&raw const (*object.cast::<Long>()).digits[i]).read());
            let count = if self.digits { (*object.cast::<ffi::PyVarObject>()).ob_size } else { 0 };
            if count == 1 {
                return Some(digit(0));
            }
            if count == 3 && digit(2) < 8 {
                return Some(digit(2) << 60 | digit(1) << 30 | digit(0));
            }
            let mut overflow = 0;
            let number = ffi::PyLong_AsLongLongAndOverflow(object, &raw mut overflow);
            (overflow == 0).then_some(number)
        }
    }
}
