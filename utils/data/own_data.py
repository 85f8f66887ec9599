"""A data set of one's own: an .npz file of images and labels, checked.

It holds x_train, y_train, x_test and y_test, or, in the layout of MedMNIST, train_images, train_labels,
test_images and test_labels. Images are uint8 [N, H, W] or [N, H, W, 1] (grey) or [N, H, W, 3] (colour), in
0..255, H and W from 8 to 512. Labels are whole numbers from 0, [N] or [N, 1], or one-hot [N, K]. An array
class_names holds a string for each class; without it the number of classes is K, or 1 + the largest label.
"""
import numpy as np

from utils.files import RunError
from utils.images import CLASSES, SIDES, by_x

PARTS = {'train': ('x_train', 'y_train'), 'test': ('x_test', 'y_test')}
MEDMNIST_PARTS = {part: (part + '_images', part + '_labels') for part in PARTS}
BRIGHT = 64  # some pixel of a set in 0..255 reaches this; none does in a set of 0 and 1, or of 0 to 16


def part_names(npz):
    """{part: (name of its images, name of its labels)} in an Npz; RunError where an array is missing."""
    parts = MEDMNIST_PARTS if 'x_train' not in npz.names and 'train_images' in npz.names else PARTS
    for name in [name for names in parts.values() for name in names]:
        if name not in npz.names:
            raise RunError('%r has no array %r; a data set has %s'
                           % (npz.path, name, ', '.join(sum(parts.values(), ()))))
    return parts


def images_shape(npz, name):
    """(N, H, W, channels) of the images ``name``, from their header; RunError where they are no images."""
    shape, dtype = npz.header(name)
    full = shape + (1,) if len(shape) == 3 else shape
    if (dtype != np.uint8 or len(full) != 4 or not full[0] or full[3] not in (1, 3)
            or any(side not in SIDES for side in full[1:3])):
        raise RunError('%r: %s is %s %s, expected uint8 [N, H, W], [N, H, W, 1] or [N, H, W, 3] in 0..255, '
                       'H and W from %d to %d' % (npz.path, name, dtype, list(shape), SIDES[0], SIDES[-1]))
    return full


def image_shape(npz, parts):
    """(H, W, channels) of the images of all parts."""
    train, test = [images_shape(npz, images) for images, _ in parts.values()]
    if train[1:] != test[1:]:
        raise RunError('%r: training images are %s and test images %s, expected one shape'
                       % (npz.path, by_x(train[1:]), by_x(test[1:])))
    return train[1:]


def read_labels(npz, parts):
    """({part: labels int32 [N], from 0}, K if some were one-hot, else 0)."""
    found, widths = {}, {}
    for part, (images, name) in parts.items():
        labels, count = npz.read(name), images_shape(npz, images)[0]
        if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in 'biuf' and _is_one_hot(labels):
            widths[name], labels = labels.shape[1], labels.argmax(axis=1)
        if labels.dtype.kind not in 'iu' or labels.shape not in ((count,), (count, 1)):
            raise RunError('%r: %s is %s %s, expected a whole number for each of the %d images'
                           % (npz.path, name, labels.dtype, list(labels.shape), count))
        if labels.min() < 0 or labels.max() >= CLASSES[-1]:
            raise RunError('%r: %s holds labels from %d to %d, expected 0 to %d at most'
                           % (npz.path, name, labels.min(), labels.max(), CLASSES[-1] - 1))
        found[part] = labels.ravel().astype(np.int32)
    if len(set(widths.values())) > 1:
        raise RunError('%r: one-hot labels of different numbers of classes, %s; give all of them all classes'
                       % (npz.path, ', '.join('%s of %d' % item for item in widths.items())))
    return found, max(widths.values(), default=0)


def class_names(npz, labels, least):
    """The names of the classes, a tuple of str: those in the file, else '0', '1', ...

    Without names there are as many as labels ask for, and at ``least`` so many.
    """
    largest = max(least - 1, *(part.max() for part in labels.values()))
    names = tuple(str(k) for k in range(largest + 1))
    if 'class_names' in npz.names:
        stored = npz.read('class_names')
        if stored.ndim != 1 or stored.dtype.kind not in 'US':
            raise RunError('%r: class_names is %s %s, expected a string for each class'
                           % (npz.path, stored.dtype, list(stored.shape)))
        names = _texts(stored)
        if names is None or not all(name.isprintable() for name in names):
            raise RunError('%r: class_names holds text that cannot be printed; save plain strings' % npz.path)
    if largest >= len(names):
        raise RunError('%r: class_names has %d names, but the largest label is %d'
                       % (npz.path, len(names), largest))
    if len(names) not in CLASSES:
        raise RunError('%r is of %d classes, expected %d to %d'
                       % (npz.path, len(names), CLASSES[0], CLASSES[-1]))
    return names


def print_missing_classes(path, names, labels):
    """Prints a line where classes have no training image.

    names: of the classes; labels: {part: int32 [N]}.
    """
    there, first = np.unique(labels['train']), min(int(part.min()) for part in labels.values())
    missing = [name for k, name in enumerate(names) if k not in there]
    if len(there) == 1:
        print('warning: %r: all training images are of class %s' % (path, names[there[0]]))
    elif missing:
        shown = ', '.join(missing[:10]) + ', ...' * (len(missing) > 10)
        print('warning: %r: %d of %d classes have no training image: %s%s'
              % (path, len(missing), len(names), shown,
                 '; labels start at 1, not at 0' * (first == 1)))


def check_pixels(images, path, name):
    """Raises RunError for images of numbers on another scale than 0..255, such as 0..1."""
    low, high = images.min(), images.max()
    if low < 0 or high > 255 or high < BRIGHT:
        raise RunError('%r: the pixels of %s are from %g to %g, expected 0..255; scale them and make it again'
                       % (path, name, low, high))


def _texts(strings):
    """The elements of an array of strings or of UTF-8 bytes, a tuple of str; None where one is no text."""
    # numpy makes a str of any numbers; some of them end the process later.
    codec = 'utf-32-le' if strings.dtype.kind == 'U' else 'utf-8'
    strings = strings.astype(strings.dtype.newbyteorder('<'))
    try:
        return tuple(strings[i:i + 1].tobytes().decode(codec).rstrip('\0') for i in range(len(strings)))
    except UnicodeDecodeError:
        return None


def _is_one_hot(labels):
    return bool(((labels == 0) | (labels == 1)).all() and ((labels == 1).sum(axis=1) == 1).all())
