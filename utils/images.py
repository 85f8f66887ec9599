"""Images of bytes: their scale, their size, and how a shape is written."""
import cv2
import numpy as np

SIDES = range(8, 513)       # of images
CLASSES = range(2, 1001)    # how many of them a data set or a teacher may have
PIXEL_MAX = 255  # images are bytes in memory and on disk; a network sees them divided by this


def to_bytes(images):
    """Images as a network sees them, in [0, 1], as they are kept: uint8 in 0..255."""
    return np.rint(PIXEL_MAX * images).astype(np.uint8)


def resized(images, image_shape):
    """uint8 [N, h, w, channels] -> uint8 [N, *image_shape], bilinear; the same array if that is its shape."""
    if images.shape[1:] == tuple(image_shape):
        return images
    height, width, _ = image_shape
    result = np.empty((len(images),) + tuple(image_shape), np.uint8)
    for image, original in zip(result, images):
        new = cv2.resize(original, (width, height), interpolation=cv2.INTER_LINEAR)
        image[...] = new.reshape(image.shape)
    return result


def by_x(shape):
    """A shape as it is written in messages: 32x32x3."""
    return 'x'.join(map(str, shape))
