"""The file format of data impressions, DI-<Rate>.mat, for images of any shape and any number of classes."""
import numpy as np

from utils.files import RunError
from utils.matfile import load_mat, save_mat
from utils.own_data import CLASSES, SIDES, by_x, check_pixels


def save_impressions(path, images, targets):
    """Writes images uint8 [N, H, W, C] in 0..255 and targets [N, K]; the file has the images as float32."""
    save_mat(path, {'train_images': images.astype(np.float32), 'train_labels': targets})


def load_impressions(path, image_shape=None, classes=None):
    """(images uint8 [N, H, W, C] in 0..255, targets float32 [N, K], rows sum to 1) of a file of any origin.

    image_shape: what (H, W, C) must be; classes: what K must be; None: anything that a data set may have.
    Raises RunError where the file is missing, damaged, or holds something else.
    """
    arrays = load_mat(path, {'train_images': [None, *(image_shape or [None] * 3)],
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
    return np.rint(images).astype(np.uint8), targets
