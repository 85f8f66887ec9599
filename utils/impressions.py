"""The file format of data impressions, DI-<Rate>.mat."""
from typing import NamedTuple

import numpy as np

from utils.datasets import PIXEL_MAX
from utils.files import RunError
from utils.matfile import fitting, mat_arrays, save_mat


class Impressions(NamedTuple):
    """What a file of impressions holds."""
    path: str
    images: np.ndarray      # uint8 [N, H, W, C] in 0..255
    targets: np.ndarray     # float32 [N, classes], rows sum to 1
    digest: str             # SHA-256 of the file that was read


def save_impressions(path, images, targets):
    """Writes images uint8 [N, H, W, C] and targets [N, classes] as DI-R.mat (the images as float32, whole numbers)."""
    save_mat(path, {'train_images': images.astype(np.float32), 'train_labels': targets})


def load_impressions(path, image_shape, classes):
    """The Impressions of a DI-R.mat of any origin, for networks of that image shape and number of classes.

    Raises RunError where the file is missing, damaged, or holds something else.
    """
    arrays, digest = mat_arrays(path)
    arrays = fitting(path, arrays, {'train_images': [None, *image_shape], 'train_labels': [None, classes]})
    images, targets = arrays['train_images'], arrays['train_labels']
    if not 0 < len(images) == len(targets):
        raise RunError('%r holds %d images and %d labels; make it again' % (path, len(images), len(targets)))
    if images.min() < 0 or images.max() > PIXEL_MAX:
        raise RunError('%r: train_images are not within 0..255; make it again' % path)
    if targets.min() < 0 or np.abs(targets.sum(axis=1) - 1).max() > 1e-3:
        raise RunError('%r: rows of train_labels are not probabilities that sum to 1; make it again' % path)
    return Impressions(path, np.rint(images).astype(np.uint8), targets, digest)
