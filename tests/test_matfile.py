"""MAT-files: what is written is read, as SciPy reads it; what is not asked for is refused in one line."""
import struct

import numpy as np
import pytest
import scipy.io
from conftest import arrays_of, forbidden

from utils.files import RunError
from utils.matfile import mat_arrays, read_arrays, save_mat


@pytest.mark.parametrize('what', ['.', 'x.mat'])
def test_a_file_that_may_not_be_read(tmp_path, what):
    save_mat(str(tmp_path / 'x.mat'), {'a': np.arange(6)})
    with forbidden(tmp_path / what):
        with pytest.raises(RunError, match='^cannot read .*x.mat.: Permission denied$'):
            mat_arrays(str(tmp_path / 'x.mat'))


def test_bytes_depend_on_the_arrays_alone(tmp_path, monkeypatch):
    for name, date in (('x.mat', 'Sat Jan  1 00:00:00 2000'), ('y.mat', 'Sun Jan  2 00:00:00 2000')):
        monkeypatch.setattr('time.asctime', lambda *_, date=date: date)
        save_mat(str(tmp_path / name), {'a': np.arange(6)})
    assert (tmp_path / 'x.mat').read_bytes() == (tmp_path / 'y.mat').read_bytes()


@pytest.mark.parametrize('compressed', [False, True])
def test_files_are_read_as_scipy_reads_them(tmp_path, compressed):
    rng = np.random.RandomState(0)
    arrays = {kind: (100 * rng.standard_normal((3, 4, 5))).astype(kind)
              for kind in ('f4', 'f8', 'i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8')}
    arrays.update(a=rng.rand(7), b=np.zeros((0, 3)), c=3, a_name_longer_than_four=rng.rand(2, 2) > 0.5)
    others = {'text': 'hello', 'complex': 1 + 2j, 'cell': np.array([1, 'x'], object), 'struct': {'x': 1}}
    path = str(tmp_path / 'x.mat')
    scipy.io.savemat(path, dict(arrays, **others), do_compression=compressed)
    expected, found = scipy.io.loadmat(path), mat_arrays(path)[0]
    assert set(found) == set(arrays) | set(others)
    assert {name for name, array in found.items() if array is None} == set(others)
    for name in arrays:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize('order, mark, array_class, kind, numbers, found', [
    ('>', b'\1\0MI', 10, 3, [1, 2, 255, 255], np.array([[258, -1]], '>i2')),  # of a big-endian machine
    ('<', b'\0\1IM', 6, 2, [0, 200], np.array([[0, 200]], 'f8')),  # floats that MATLAB stores as bytes
    ('<', b'\0\1IM', 7, 2, [0, 200], np.array([[0, 200]], 'f4'))])
def test_arrays_that_scipy_does_not_write(order, mark, array_class, kind, numbers, found):
    """One 1x2 array."""
    def element(kind, content):
        return struct.pack(order + 'II', kind, len(content)) + content + bytes(-len(content) % 8)

    heads = [(6, struct.pack(order + 'II', array_class, 0)), (5, struct.pack(order + 'II', 1, 2)), (1, b'x')]
    array = b''.join(element(*each) for each in [*heads, (kind, bytes(numbers))])
    read = read_arrays(b'MATLAB 5.0 MAT-file'.ljust(124) + mark + element(14, array))['x']
    assert read.dtype == found.dtype and read.tolist() == found.tolist()


@pytest.mark.parametrize('stored, asked, read', [
    ((1, 6), [6], (6,)), ((6, 1), [6], (6,)), ((5, 5, 3), [5, 5, 1, 3], (5, 5, 1, 3)),
    ((4, 2), [None, 2], (4, 2)), ((4, 2, 1), [None, 2], (4, 2)), ((4, 3), [None, None], (4, 3)),
    ((4, 3, 2), [None, 3, 2, 1], (4, 3, 2, 1)), ((4, 3, 2), [None] * 4, (4, 3, 2, 1)),
    ((1, 3), [None, 3], (1, 3)), ((4, 1), [None, 1, 1], (4, 1, 1)),
    ((10, 84), [84, 10], None), ((1, 7), [6], None), ((4, 3), [None, 2], None), ((4, 1, 2), [None, 2], None),
    ((4, 3, 3), [None, 3, 3, 3], None), ((2, 4, 3, 3, 3), [None] * 4, None), ((3, 4), [None, 3], None)])
def test_axes_of_length_1_do_not_matter_and_others_do(tmp_path, stored, asked, read):
    path = str(tmp_path / 'x.mat')
    save_mat(path, {'w': np.arange(np.prod(stored)).reshape(stored)})
    if read:
        array = arrays_of(path, {'w': asked})['w']
        assert array.shape == read and array.ravel().tolist() == list(range(array.size))
        assert array.dtype == np.float32
        np.testing.assert_array_equal(scipy.io.loadmat(path)['w'].ravel(), array.ravel())
    else:
        expected = 'x'.join('N' if n is None else str(n) for n in asked)
        said = 'has shape %s, expected %s$' % ('x'.join(map(str, stored)), expected)
        with pytest.raises(RunError, match=said):
            arrays_of(path, {'w': asked})


@pytest.mark.parametrize('stored, said', [
    ({'v': np.zeros(3), 'b': np.zeros(3)}, "has no array 'w' but 'b', 'v'; it was made for something else"),
    ({}, "has no array 'w' but none at all; it was made for something else"),
    ({'w': np.array([1, 2, np.nan])}, 'NaN or infinity'), ({'w': np.array([1, 2, 1e300])}, 'NaN or infinity'),
    ({'w': 'abc'}, 'does not hold real numbers'), ({'w': np.array([1, 2, 3j])}, 'not hold real numbers')])
def test_an_array_that_cannot_be_used_is_one_line(tmp_path, stored, said):
    path = str(tmp_path / 'x.mat')
    scipy.io.savemat(path, stored)
    with pytest.raises(RunError, match=said) as error:
        arrays_of(path, {'w': [3]})
    assert path in str(error.value) and '\n' not in str(error.value)


def version_4(order):
    """A file of version 4, of a 2x3 array 'w': type, rows, columns, complex, length of the name, name."""
    kind = 0 if order == '<' else 1000
    return struct.pack(order + '5I', kind, 2, 3, 0, 2) + b'w\0' + struct.pack(order + '6d', *range(6))


OTHERS = {
    'version 7.3': (b'MATLAB 7.3 MAT-file, Platform: GLNXA64'.ljust(512) + b'\x89HDF\r\n\x1a\n',
                    'a MAT-file of version 7.3'),
    'HDF5': (b'\x89HDF\r\n\x1a\n' + bytes(100), 'an HDF5 file'),
    'version 4': (version_4('<'), 'a MAT-file of version 4'),
    'version 4, big-endian': (version_4('>'), 'a MAT-file of version 4'),
    'Octave': (b'# Created by Octave 6.4.0\n# name: w\n', "a file in Octave's text format")}


@pytest.mark.parametrize('content, what', OTHERS.values(), ids=OTHERS)
def test_a_file_of_another_version_is_one_line_with_the_way_out(tmp_path, content, what):
    path = str(tmp_path / 'x.mat')
    (tmp_path / 'x.mat').write_bytes(content)
    with pytest.raises(RunError) as error:
        arrays_of(path, {'w': [2, 3]})
    assert str(error.value) == (
        "%r is %s, which cannot be read; save it with '-v7' in MATLAB or Octave" % (path, what))
