"""MAT-files of version 5: named arrays of real numbers, written and read.

They are written by SciPy. Its reader is compiled code that crashes the process on some damaged files (found by
tests/test_damage.py), so reading is done here: the few element types that matter, every length checked, and
nothing in a file is executed.
"""
import functools
import hashlib
import io
import operator
import struct
import zlib

import numpy as np
import scipy.io

from utils.files import RunError, atomic_write, read_bytes

HEADER = b'MATLAB 5.0 MAT-file'
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8', 12: 'i8', 13: 'u8'}
NUMERIC_CLASSES = range(6, 16)  # double, single, and the whole-number classes
COMPLEX = 0x0800
LARGEST = 1 << 30


def save_mat(path, arrays):
    """Writes {name: array} as a MAT-file whose bytes depend on the arrays alone (no date in it)."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays)
    content = buffer.getbuffer()
    content[:116] = HEADER.ljust(116)
    with atomic_write(path) as file:
        file.write(content)


def load_mat(path, shapes):
    """Reads float32 arrays from a MAT-file: {name: array} for every name in ``shapes``; see ``fitting``."""
    return fitting(path, mat_arrays(path)[0], shapes)


def mat_arrays(path):
    """All that a MAT-file holds, {name: array, or None for what is no array of real numbers}, and its SHA-256.

    Raises RunError for a file that is missing, unreadable or no MAT-file.
    """
    content = read_bytes(path)
    try:
        return read_arrays(content), hashlib.sha256(content).hexdigest()
    except ValueError as error:
        raise RunError('%r is not a whole MAT-file (%s); make it again' % (path, error)) from error


def fitting(path, arrays, shapes):
    """The float32 arrays {name: array} for every name in ``shapes``, of those that the file ``path`` holds.

    shapes: {name: shape}; None in a shape matches any length, and axes of length 1 may be missing or extra (MATLAB
    has no one-dimensional arrays). Raises RunError for an array that is missing, of another shape, complex, not
    numeric, or not finite.
    """
    for name in shapes:
        if name not in arrays:
            raise RunError('%r has no array %r; it was made for something else' % (path, name))
    return {name: _checked(path, name, arrays[name], shape) for name, shape in shapes.items()}


def _checked(path, name, array, shape):
    if array is None:
        raise RunError('%r: array %r does not hold real numbers' % (path, name))
    if not _fits(array.shape, shape):
        raise RunError('%r: array %r has shape %s, expected %s'
                       % (path, name, 'x'.join(map(str, array.shape)),
                          'x'.join('N' if n is None else str(n) for n in shape)))
    with np.errstate(over='ignore', invalid='ignore'):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise RunError('%r: array %r contains NaN or infinity' % (path, name))
    return array.reshape([-1 if n is None else n for n in shape])


def _fits(found, wanted):
    if len(found) == len(wanted) and all(w in (None, f) for f, w in zip(found, wanted)):
        return True
    return None not in wanted and [n for n in found if n != 1] == [n for n in wanted if n != 1]


def read_arrays(content):
    """{name: array} of all arrays in the file's bytes; None for what is not an array of real numbers.

    Raises ValueError for anything but a whole MAT-file.
    """
    if not content.startswith(HEADER) or content[126:128] not in (b'IM', b'MI'):
        raise ValueError('it does not start with %r' % HEADER.decode())
    order = '<' if content[126:128] == b'IM' else '>'
    arrays = {}
    for kind, data in _elements(memoryview(content)[128:], order):
        if kind == COMPRESSED:
            kind, data = _only(_elements(_decompressed(data), order))
        if kind != MATRIX:
            raise ValueError('an element of type %d where an array should be' % kind)
        name, array = _array(data, order)
        arrays[name] = array
    return arrays


def _elements(data, order):
    """[(type, content)] of the elements that follow each other in ``data``."""
    elements, position = [], 0
    while position < len(data):
        if len(data) - position < 8:
            raise ValueError('it ends early')
        kind, size = struct.unpack_from(order + 'II', data, position)
        start = position + 8
        if kind >> 16:  # the short form: type and size share a word, and the content the next
            kind, size, start = kind & 0xffff, kind >> 16, position + 4
        if start + size > (len(data) if start == position + 8 else position + 8):
            raise ValueError('it ends early')
        elements.append((kind, data[start:start + size]))
        position = start + size
        if kind != COMPRESSED:
            position += -position % 8
    return elements


def _decompressed(data):
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(data, LARGEST)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflate.eof:
        raise ValueError('a compressed array ends early')
    return memoryview(content)


def _array(data, order):
    """(name, array or None) of a matrix element's content: flags, dimensions, name, numbers."""
    parts = _elements(data, order)
    if len(parts) < 3 or len(parts[0][1]) != 8 or len(parts[1][1]) % 4:
        raise ValueError('an array without dimensions')
    flags, = struct.unpack_from(order + 'I', parts[0][1])
    shape = np.frombuffer(parts[1][1], order + 'i4').tolist()
    name = bytes(parts[2][1]).decode('latin1')
    if flags & 0xff not in NUMERIC_CLASSES or flags & COMPLEX:
        return name, None
    kind, numbers = _only(parts[3:])
    if kind not in NUMBERS or len(numbers) % np.dtype(NUMBERS[kind]).itemsize:
        raise ValueError('an array of unknown numbers')
    array = np.frombuffer(numbers, order + NUMBERS[kind])
    if min(shape, default=0) < 0 or array.size != functools.reduce(operator.mul, shape, 1):
        raise ValueError('an array of another size than its dimensions')
    return name, array.reshape(shape, order='F')


def _only(elements):
    if len(elements) != 1:
        raise ValueError('%d elements where one should be' % len(elements))
    return elements[0]
