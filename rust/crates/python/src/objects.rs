//! Fast ways from and to the bot's value objects.
//!
//! The fields of an exact `msgspec` struct are slots at fixed offsets, which its member descriptors tell;
//! reading them directly costs a tenth of an attribute look-up. Other objects go through attributes.

use std::ptr;

use pyo3::Borrowed;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyString, PyType};

/// The slots of `N` fields of one struct type.
pub(crate) struct Slots<const N: usize> {
    class: Option<Py<PyType>>,
    names: [Py<PyString>; N],
    offsets: [isize; N],
}

impl<const N: usize> Slots<N> {
    /// The slots of the named fields of `bot.model.market.<class>`; none when one of them is not a slot.
    pub(crate) fn of(py: Python<'_>, class: &str, names: [&str; N]) -> PyResult<Self> {
        let class = market_class(py, class)?;
        let offsets = names.map(|name| slot_offset(&class, name));
        let class = offsets.iter().all(Option::is_some).then(|| class.unbind());
        let names = names.map(|name| PyString::intern(py, name).unbind());
        Ok(Self { class, names, offsets: offsets.map(Option::unwrap_or_default) })
    }

    /// Call `take` with the values of the fields.
    #[inline]
    pub(crate) fn read<T>(
        &self,
        object: &Bound<'_, PyAny>,
        take: impl FnOnce([Borrowed<'_, '_, PyAny>; N]) -> PyResult<T>,
    ) -> PyResult<T> {
        match self.exact(object.as_borrowed()) {
            Some(values) => take(values),
            None => take(self.attributes(object)?.each_ref().map(Bound::as_borrowed)),
        }
    }

    /// The values of the fields when the object is of exactly this class and has all of them.
    #[inline]
    pub(crate) fn exact<'a, 'py>(
        &self,
        object: Borrowed<'a, 'py, PyAny>,
    ) -> Option<[Borrowed<'a, 'py, PyAny>; N]> {
        let class = self.class.as_ref()?;
        if object.get_type_ptr().cast::<ffi::PyObject>() != class.as_ptr() {
            return None;
        }
        // SAFETY: the object is of exactly the class whose descriptors gave these offsets of object slots.
        let values = self
            .offsets
            .map(|offset| unsafe { *object.as_ptr().byte_offset(offset).cast::<*mut ffi::PyObject>() });
        if values.iter().any(|value| value.is_null()) {
            return None;
        }
        // SAFETY: the object owns the values and is alive while they are borrowed; its fields are frozen.
        Some(values.map(|value| unsafe { Borrowed::from_ptr(object.py(), value) }))
    }

    #[cold]
    fn attributes<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<[Bound<'py, PyAny>; N]> {
        let mut values = Vec::with_capacity(N);
        for name in &self.names {
            values.push(object.getattr(name)?);
        }
        values.try_into().map_err(|_| PyTypeError::new_err("fields are missing"))
    }
}

/// A class of `bot.model.market`.
pub(crate) fn market_class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    Ok(py.import("bot.model.market")?.getattr(name)?.cast_into::<PyType>()?)
}

/// Makes objects of one class from positional arguments.
pub(crate) struct Maker {
    class: Py<PyType>,
}

impl Maker {
    /// A maker of `bot.model.market.<class>`.
    pub(crate) fn of(py: Python<'_>, class: &str) -> PyResult<Self> {
        Ok(Self { class: market_class(py, class)?.unbind() })
    }

    /// One object.
    #[inline]
    pub(crate) fn make<'py, const N: usize>(
        &self,
        py: Python<'py>,
        arguments: &[Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        let pointers = arguments.each_ref().map(Bound::as_ptr);
        // SAFETY: `arguments` keeps the pointers alive over the call; the result is a new reference or null.
        unsafe {
            let made = ffi::PyObject_Vectorcall(self.class.as_ptr(), pointers.as_ptr(), N, ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, made)
        }
    }
}

/// A truth value as an object.
#[inline]
pub(crate) fn flag(py: Python<'_>, value: bool) -> Bound<'_, PyAny> {
    PyBool::new(py, value).to_owned().into_any()
}

/// The objects of a list, or of anything else that can be iterated.
pub(crate) fn each<'py>(
    objects: &Bound<'py, PyAny>,
    mut one: impl FnMut(&Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    if let Ok(list) = objects.cast::<PyList>() {
        return list.iter().try_for_each(|object| one(&object));
    }
    for object in objects.try_iter()? {
        one(&object?)?;
    }
    Ok(())
}

fn slot_offset(class: &Bound<'_, PyType>, name: &str) -> Option<isize> {
    let descriptor = class.getattr(name).ok()?;
    // SAFETY: the type check proves the layout that is read; members live as long as their class.
    let member = unsafe {
        if ffi::Py_TYPE(descriptor.as_ptr()) != &raw mut ffi::PyMemberDescr_Type {
            return None;
        }
        &*(*descriptor.as_ptr().cast::<ffi::PyMemberDescrObject>()).d_member
    };
    (member.type_code == ffi::Py_T_OBJECT_EX).then_some(member.offset)
}
