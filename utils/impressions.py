"""The file format of data impressions."""
import numpy as np

from utils.files import RunError, load_mat
from utils.mnist import CLASSES


def load_impressions(path):
    """(images float32 [N, 32, 32, 1] in 0..255, targets float32 [N, 10], rows sum to 1) of DI-R.mat.

    Raises RunError where the file is missing, damaged, or holds something else.
    """
    arrays = load_mat(path, {'train_images': [None, 32, 32, 1], 'train_labels': [None, CLASSES]})
    images, targets = arrays['train_images'], arrays['train_labels']
    if not 0 < len(images) == len(targets):
        raise RunError('%r holds %d images and %d labels; make it again' % (path, len(images), len(targets)))
    if images.min() < 0 or images.max() > 255:
        raise RunError('%r: train_images are not within 0..255; make it again' % path)
    if targets.min() < 0 or np.abs(targets.sum(axis=1) - 1).max() > 1e-3:
        raise RunError('%r: rows of train_labels are not probabilities that sum to 1; make it again' % path)
    return images, targets
