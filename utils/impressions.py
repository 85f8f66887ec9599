"""The file format of data impressions, DI-<Rate>.mat."""
import numpy as np

from utils.datasets import CLASSES, PIXEL_MAX, SIDE
from utils.files import RunError
from utils.matfile import load_mat, save_mat


def save_impressions(path, images, targets):
    """Writes images uint8 [N, 32, 32, 1] and targets [N, 10] as DI-R.mat (the images as float32, whole numbers)."""
    save_mat(path, {'train_images': images.astype(np.float32), 'train_labels': targets})


def load_impressions(path):
    """(images uint8 [N, 32, 32, 1] in 0..255, targets float32 [N, 10], rows sum to 1) of a DI-R.mat of any origin.

    Raises RunError where the file is missing, damaged, or holds something else.
    """
    arrays = load_mat(path, {'train_images': [None, SIDE, SIDE, 1], 'train_labels': [None, CLASSES]})
    images, targets = arrays['train_images'], arrays['train_labels']
    if not 0 < len(images) == len(targets):
        raise RunError('%r holds %d images and %d labels; make it again' % (path, len(images), len(targets)))
    if images.min() < 0 or images.max() > PIXEL_MAX:
        raise RunError('%r: train_images are not within 0..255; make it again' % path)
    if targets.min() < 0 or np.abs(targets.sum(axis=1) - 1).max() > 1e-3:
        raise RunError('%r: rows of train_labels are not probabilities that sum to 1; make it again' % path)
    return np.rint(images).astype(np.uint8), targets
