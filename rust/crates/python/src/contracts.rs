//! The core's contracts by the names that Python has for them.

use bot_market_data::{BarBuilder as Core, SymbolId};
use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// Names to handles. The string object of last time needs no look at its text, an equal one no hash; names come
/// off the wire as new objects. Only exact strings are kept as keys: comparing them runs no Python code.
pub(crate) struct Contracts {
    last: Option<(Py<PyString>, Box<str>, SymbolId)>,
    numbers: Py<PyDict>,
    handles: Vec<(Py<PyString>, SymbolId)>,
}

impl Contracts {
    /// None yet.
    pub(crate) fn new(py: Python<'_>) -> Self {
        Self { last: None, numbers: PyDict::new(py).unbind(), handles: Vec::new() }
    }

    /// Those of a core that was restored.
    pub(crate) fn of(py: Python<'_>, core: &mut Core) -> PyResult<Self> {
        let mut all = Self::new(py);
        let names: Vec<_> = core.ids().map(|id| PyString::new(py, id)).collect();
        for name in names {
            all.add(core, &name)?;
        }
        Ok(all)
    }

    /// The handle of a contract that was seen before; runs no Python code.
    #[inline]
    pub(crate) fn known(&self, name: Borrowed<'_, '_, PyAny>) -> Option<SymbolId> {
        match &self.last {
            Some((last, _, symbol)) if last.is(name) => Some(*symbol),
            _ => self.equal(name.cast_exact::<PyString>().ok()?),
        }
    }

    #[inline(never)]
    fn equal(&self, name: Borrowed<'_, '_, PyString>) -> Option<SymbolId> {
        let py = name.py();
        match &self.last {
            Some((_, text, symbol)) if **text == *name.to_str().ok()? => Some(*symbol),
            _ => {
                let number: usize = self.numbers.bind(py).get_item(name).ok()??.extract().ok()?;
                self.handles.get(number).map(|(_, symbol)| *symbol)
            }
        }
    }

    /// The handle of a contract, which is added when it is new. Raises `TypeError` for what is no string.
    pub(crate) fn symbol(&mut self, core: &mut Core, name: &Bound<'_, PyAny>) -> PyResult<SymbolId> {
        if let Some(symbol) = self.known(name.as_borrowed()) {
            return Ok(symbol);
        }
        self.add(core, name.cast::<PyString>()?)
    }

    /// The name of a contract by its place in order of first appearance.
    pub(crate) fn name<'py>(&self, py: Python<'py>, number: usize) -> Bound<'py, PyAny> {
        self.handles[number].0.bind(py).clone().into_any()
    }

    fn add(&mut self, core: &mut Core, name: &Bound<'_, PyString>) -> PyResult<SymbolId> {
        let symbol = core.symbol(name.to_str()?);
        if symbol.index() == self.handles.len() {
            self.handles.push((name.clone().unbind(), symbol));
        }
        let key = match name.cast_exact::<PyString>() {
            Ok(exact) => exact.clone(),
            Err(_) => PyString::new(name.py(), name.to_str()?),
        };
        self.numbers.bind(name.py()).set_item(&key, symbol.index())?;
        self.last = Some((key.unbind(), name.to_str()?.into(), symbol));
        Ok(symbol)
    }
}
