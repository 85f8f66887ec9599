"""The file format of data impressions, DI-<Rate>.mat, for images of any shape and any number of classes."""
from typing import NamedTuple

import numpy as np

from utils.data.own_data import check_pixels
from utils.files import RunError
from utils.images import CLASSES, SIDES, by_x
from utils.matfile import arrays_of_shapes, mat_arrays, save_mat

MOST_BYTES = (1 << 32) - 4096  # of an array in a MAT-file, beside its head


class Impressions(NamedTuple):
    """What a file of impressions holds."""
    path: str
    images: np.ndarray      # uint8 [N, H, W, C] in 0..255
    targets: np.ndarray     # float32 [N, classes], rows sum to 1
    digest: str             # SHA-256 of the file that was read


def check_bytes(size, image_shape):
    """Raises RunError where so many impressions of a shape do not fit into a file."""
    if np.dtype(np.float32).itemsize * size * int(np.prod(image_shape)) > MOST_BYTES:
        raise RunError('%d impressions of %s are more than the 4 GiB that a MAT-file holds; choose a smaller '
                       'rate' % (size, by_x(image_shape)))


def save_impressions(path, images, targets):
    """Writes images uint8 [N, H, W, C] in 0..255 and targets [N, K]; the file has the images as float32."""
    save_mat(path, {'train_images': images.astype(np.float32), 'train_labels': targets})


def load_impressions(path, image_shape=None, classes=None):
    """The Impressions in a file of any origin.

    image_shape: what (H, W, C) must be; classes: what K must be; None: anything that a data set may have.
    Raises RunError where the file is missing, damaged, or holds something else.
    """
    content, digest = mat_arrays(path)
    arrays = arrays_of_shapes(path, content, {'train_images': [None, *(image_shape or [None] * 3)],
                                     'train_labels': [None, classes]})
    images, targets = arrays['train_images'], arrays['train_labels']
    if not 0 < len(images) == len(targets):
        raise RunError('%r holds %d images and %d labels; make it again' % (path, len(images), len(targets)))
    height, width, channels = images.shape[1:]
    if height not in SIDES or width not in SIDES or channels not in (1, 3) or targets.shape[1] not in CLASSES:
        raise RunError('%r: images are %s and labels of %d classes, expected sides of %d to %d, 1 or 3 '
                       'channels and %d to %d classes' % (path, by_x(images.shape[1:]), targets.shape[1],
                                                          SIDES[0], SIDES[-1], CLASSES[0], CLASSES[-1]))
    check_pixels(images, path, 'train_images')
    if targets.min() < 0 or np.abs(targets.sum(axis=1) - 1).max() > 1e-3:
        raise RunError('%r: rows of train_labels are not probabilities that sum to 1; make it again' % path)
    return Impressions(path, np.rint(images).astype(np.uint8, order='C'), targets, digest)
