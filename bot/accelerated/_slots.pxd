"""Reading exact objects at the speed of memory: the slots of a struct, the digits of an `int`.

The fields of an exact `msgspec` struct are slots at fixed offsets, which its member descriptors tell, and an
exact `int` is a count of 30-bit digits (`longintrepr.h`, up to Python 3.11; later the interpreter converts).
None of the reads runs Python code or raises. Any other object goes through its attributes.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

cdef extern from *:
    """
    static CYTHON_INLINE int is_exact(PyObject *object, PyObject *type) {
        return (PyObject *)Py_TYPE(object) == type;
    }

    static CYTHON_INLINE PyObject *slot(PyObject *object, Py_ssize_t offset) {
        return *(PyObject **)((char *)object + offset);
    }

    static CYTHON_INLINE int exact_integer(PyObject *object, int64_t *value) {
        int overflow;
        if (!object || !PyLong_CheckExact(object)) return 0;
    #if PY_VERSION_HEX < 0x030C0000 && PYLONG_BITS_IN_DIGIT == 30
        const digit *digits = ((PyLongObject *)object)->ob_digit;
        if (Py_SIZE(object) == 1) {
            *value = digits[0];
            return 1;
        }
        if (Py_SIZE(object) == 3 && digits[2] < 8) {
            *value = (int64_t)digits[2] << 60 | (int64_t)digits[1] << 30 | digits[0];
            return 1;
        }
    #endif
        *value = PyLong_AsLongLongAndOverflow(object, &overflow);
        return !overflow;
    }
    """
    bint is_exact(PyObject*, PyObject*) noexcept
    # The borrowed value of a field, NULL when it was never set.
    PyObject* slot(PyObject*, Py_ssize_t) noexcept
    # Whether the object is an exact `int` of 64 bits; its value.
    bint exact_integer(PyObject*, int64_t*) noexcept

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset
        int type
    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member
    int T_OBJECT_EX


cdef inline Py_ssize_t slot_offset(object owner, str name):
    """Where exact objects of a class keep a field; 0 when the class has no such slot."""
    descriptor = getattr(owner, name, None)
    if type(descriptor).__name__ != "member_descriptor":
        return 0
    cdef PyMemberDef* member = (<PyMemberDescrObject*><PyObject*>descriptor).d_member
    return member.offset if member.type == T_OBJECT_EX else 0


cdef inline object slotted(object owner, tuple names):
    """The class when all the fields are slots, else None, which no object is exactly of."""
    return owner if all([slot_offset(owner, name) for name in names]) else None
