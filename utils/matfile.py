"""MAT-files of version 5: named arrays of real numbers, written and read.

SciPy writes them. Its reader is compiled code that crashes the process on some damaged files (found by
tests/test_damage.py). So this module reads them: the few element types that matter, each length checked.
Nothing in a file is executed.
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
FLOATS = {6: 'f8', 7: 'f4'}  # the classes double and single
NUMERIC_CLASSES = range(6, 16)  # these and the whole-number classes
COMPLEX = 0x0800
LARGEST = 1 << 30
OTHER_FORMATS = {b'MATLAB 7.3': 'a MAT-file of version 7.3', b'\x89HDF': 'an HDF5 file',
                 b'# Created by Octave': "a file in Octave's text format"}


def save_mat(path, arrays):
    """Writes {name: array} as a MAT-file whose bytes depend on the arrays alone (no date in it)."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays)
    with atomic_write(path) as file:
        file.write(HEADER.ljust(116))
        file.write(buffer.getbuffer()[116:])


def mat_arrays(path):
    """All that a MAT-file holds, {name: array, or None for what is no real numbers}, and its SHA-256.

    Raises RunError for a file that is missing, unreadable or no MAT-file of version 5.
    """
    content = read_bytes(path)
    other = _other_format(content)
    if other:
        raise RunError("%r is %s, which cannot be read; save it with '-v7' in MATLAB or Octave"
                       % (path, other))
    try:
        return read_arrays(content), hashlib.sha256(content).hexdigest()
    except ValueError as error:
        raise RunError('%r is not a whole MAT-file (%s); make it again' % (path, error)) from error


def arrays_of_shapes(path, content, shapes):
    """The float32 arrays {name: array} for every name in ``shapes``; content: what the file ``path`` holds.

    shapes: {name: shape}. None in a shape matches any length. Axes of length 1 may be missing or extra
    (MATLAB has no one-dimensional arrays, and drops such axes at the end); with None in the shape, at the end
    alone.
    Raises RunError for an array that is missing, of another shape, complex, not numeric, or not finite.
    """
    arrays = {}
    for name, shape in shapes.items():
        if name not in content:
            raise RunError('%r has no array %r but %s; it was made for something else'
                           % (path, name, ', '.join(map(repr, sorted(content)[:12])) or 'none at all'))
        arrays[name] = _checked(path, name, content[name], shape)
    return arrays


def _other_format(content):
    """What the file is instead of a MAT-file of version 5, or None."""
    for start, format_name in OTHER_FORMATS.items():
        if content.startswith(start):
            return format_name
    # Version 4 has no header. Its arrays start with type, rows, columns, whether complex, length of the name.
    for order in '<>':
        if len(content) >= 20:
            kind, rows, columns, is_complex, length = struct.unpack(order + '5I', content[:20])
            if (kind < 5000 and is_complex < 2 and 2 <= length <= 64 and rows * columns <= len(content)
                    and content[20:20 + length].endswith(b'\0')):
                return 'a MAT-file of version 4'
    return None


def _checked(path, name, array, shape):
    if array is None:
        raise RunError('%r: array %r does not hold real numbers' % (path, name))
    full = _full_shape(array.shape, shape)
    if full is None:
        raise RunError('%r: array %r has shape %s, expected %s'
                       % (path, name, 'x'.join(map(str, array.shape)),
                          'x'.join('N' if n is None else str(n) for n in shape)))
    with np.errstate(over='ignore', invalid='ignore'):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise RunError('%r: array %r contains NaN or infinity' % (path, name))
    return array.reshape(full)


def _full_shape(found, wanted):
    """The shape ``wanted`` with the lengths of ``found`` for None, or None where they do not go together."""
    if None not in wanted:
        return wanted if [n for n in found if n != 1] == [n for n in wanted if n != 1] else None
    padded = list(found) + [1] * (len(wanted) - len(found))
    while len(padded) > len(wanted) and padded[-1] == 1:
        padded.pop()
    fits = len(padded) == len(wanted) and all(w in (None, n) for n, w in zip(padded, wanted))
    return padded if fits else None


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
        raise ValueError('a compressed array ends early, or has more than 1 GiB: save it uncompressed')
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
    if flags & 0xff in FLOATS:  # MATLAB stores whole ones as integers
        with np.errstate(over='ignore', invalid='ignore'):
            array = array.astype(FLOATS[flags & 0xff], copy=False)
    return name, array.reshape(shape, order='F')


def _only(elements):
    if len(elements) != 1:
        raise ValueError('%d elements where one should be' % len(elements))
    return elements[0]
