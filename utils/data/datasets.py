"""Data sets: images of bytes and labels, of any image shape and number of classes.

A known data set (utils/data/known.py) is kept as <name>.npz in the layout of Keras' mnist.npz. It is fetched
once and verified at every load. utils/data/own_data.py describes the layout of a user's own .npz file.
"""
import functools
import hashlib
import io
import os
from typing import Callable, NamedTuple

import numpy as np

from utils.data import own_data
from utils.data.known import DATASETS, fetch_known, is_original
from utils.files import RunError, open_file, sha256
from utils.images import by_x, resized
from utils.npz import Npz

NOMINAL = 60000  # images that a rate is a percentage of, unless a known data set has another number


class DataSet(NamedTuple):
    """An opened data set."""
    name: str           # as shown and as the folder of its table: 'MNIST', or a file's own name without .npz
    digest: str         # SHA-256: of the digests of a known one, of the bytes of a file of one's own
    classes: int        # 2 to 1,000
    class_names: tuple  # of str
    image_shape: tuple  # (height, width, channels) of the images as the file holds them; channels 1 or 3
    read: Callable      # 'train' or 'test' -> its images and labels as the file holds them, decoded once

    def part(self, part, image_shape):
        """'train' or 'test': (images uint8 [N, *image_shape] in 0..255, labels int32 [N] in 0..classes-1).

        image_shape: (height, width, channels); images of another height or width are resized, bilinear. The
        arrays may be read-only. Raises RunError where the channels are others, where an array is damaged or
        altered, and where pixels are on another scale.
        """
        if image_shape[2] != self.image_shape[2]:
            raise RunError('the data set %r holds %s, the networks take %s; choose other networks or '
                           'data, or, for ZSKD without data, --dataset none'
                           % (self.name, _described(self.image_shape), _described(image_shape)))
        images, labels = self.read(part)
        return resized(images, image_shape), labels


def dataset_info(dataset, folder):
    """The DataSet of a known name without its images, which need not be there. An own file is opened."""
    if dataset not in DATASETS:
        return open_dataset(dataset, folder)
    known = DATASETS[dataset]
    return DataSet(known.title, digest(dataset), len(known.class_names), known.class_names,
                   known.image_shape, None)


def open_dataset(dataset, folder):
    """The DataSet of a known name, or of the .npz file that ``dataset`` names; the file is read once.

    Fetches a known data set that is not in ``folder``. Prints one line for each non-standard layout that it
    accepts. Raises RunError for a file that is missing or damaged, or whose arrays have
    another shape, type or range.
    """
    path = fetch(dataset, folder)
    with _opened(path) as file:
        content = file.read()
    npz = Npz(path, io.BytesIO(content))
    if dataset in DATASETS:
        read = functools.partial(_known_part, npz, DATASETS[dataset])
        return dataset_info(dataset, folder)._replace(read=_once(read))
    parts = own_data.part_names(npz)
    image_shape = own_data.image_shape(npz, parts)
    labels, one_hot = own_data.read_labels(npz, parts)
    names = own_data.class_names(npz, labels, least=one_hot)
    if parts is own_data.MEDMNIST_PARTS:
        print('%r: has the layout of MedMNIST; val_images, if any, are left out' % path)
    if one_hot:
        print('%r: labels are one-hot; read as class numbers' % path)
    own_data.print_missing_classes(path, names, labels)
    return DataSet(title(path), hashlib.sha256(content).hexdigest(), len(names), names, image_shape,
                   _once(functools.partial(_own_part, npz, parts, image_shape, labels)))


_once = functools.lru_cache(maxsize=None)


def _known_part(npz, known, part):
    arrays = []
    for name in own_data.PARTS[part]:
        if name not in npz.names:
            raise RunError('%r has no array %r; delete it and run again' % (npz.path, name))
        arrays.append(npz.read(name))
        if not is_original(known, name, arrays[-1]):
            raise RunError('%r is damaged or altered: its %s is not that of %s; delete it and run again'
                           % (npz.path, name, known.title))
    images, labels = arrays
    return _read_only(images.reshape((-1,) + known.image_shape), labels.astype(np.int32))


def _own_part(npz, parts, image_shape, labels, part):
    images = npz.read(parts[part][0])
    own_data.check_pixels(images, npz.path, parts[part][0])
    return _read_only(images.reshape((-1,) + image_shape), labels[part])


def _read_only(*arrays):
    for array in arrays:
        array.setflags(write=False)  # every caller gets the same ones
    return arrays


def training_images(dataset):
    """The number of training images, NOMINAL for 'none'.

    No pixel is read, and a known data set need not be there. Raises RunError for a file of one's own that is
    missing, damaged, or no data set.
    """
    if dataset == 'none':
        return NOMINAL
    return DATASETS[dataset].training_images if dataset in DATASETS else _own_shape(dataset)[0]


def image_shape(dataset):
    """(height, width, channels) of a data set's images, like ``training_images``; None for 'none'."""
    if dataset == 'none':
        return None
    return DATASETS[dataset].image_shape if dataset in DATASETS else _own_shape(dataset)[1:]


def _own_shape(path):
    with _opened(path) as file:
        npz = Npz(path, file)
        return own_data.images_shape(npz, own_data.part_names(npz)['train'][0])


def count(rate, total=NOMINAL):
    """How many images ``rate`` per cent of ``total`` are, rounded; at least 1."""
    return max(1, int(round(rate * total / 100)))


def nominal(dataset):
    """The number of impressions at a rate of 100 per cent.

    As many as a known data set has training images, or 60,000.
    """
    return DATASETS[dataset].training_images if dataset in DATASETS else NOMINAL


def title(dataset):
    """The name of a data set's folder: MNIST, FashionMNIST, CIFAR10, or a file's own name."""
    return DATASETS[dataset].title if dataset in DATASETS else os.path.splitext(os.path.basename(dataset))[0]


def impressions_folder(dataset):
    """Where impressions for a data set go: DI, and DI/<title> for others than MNIST."""
    return 'DI' if dataset in ('mnist', 'none') else os.path.join('DI', title(dataset))


def digest(place):
    """SHA-256 of a file's content, None where it cannot be read; of a known data set that of its digests."""
    if place in DATASETS:
        return hashlib.sha256(''.join(DATASETS[place].sha256.values()).encode()).hexdigest()
    return sha256(place)


def fetch(dataset, folder):
    """Path of a data set: a user's own file as it is, a known one in ``folder``, brought there if need be.

    Raises RunError where there is no such file, or no source can be reached.
    """
    path = os.path.join(folder, dataset + '.npz') if dataset in DATASETS else dataset
    try:
        _opened(path).close()
    except RunError as error:
        if dataset not in DATASETS or not isinstance(error.__cause__, FileNotFoundError):
            raise
        fetch_known(dataset, folder)
    return path


def _opened(path):
    try:
        return open_file(path)
    except OSError as error:
        raise RunError('cannot read the data set %r: %s' % (path, error.strerror)) from error


def _described(image_shape):
    return '%s images (%s)' % ('colour' if image_shape[2] == 3 else 'grey', by_x(image_shape))
