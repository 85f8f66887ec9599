"""Tries a graph of somebody's own on noise before it teaches."""
import numpy as np

from teachers.freeze import first_line
from utils.files import RunError
from utils.graph_mode import session, tf
from utils.images import by_x


def outputs_of(path, image_shape, build):
    """How many outputs a network has; it is run forwards and backwards on two images of noise, and on one.

    path: of its file, for messages; build: a function that gives its logits for images [B, *image_shape] in
    the default graph. Raises RunError where it has no gradient, or is in training.
    """
    noise = np.random.RandomState(0).uniform(size=(2,) + image_shape)
    noise[1] /= 4  # so that the statistics of the two are not those of the first
    with tf.Graph().as_default(), session(1) as sess:
        images = tf.placeholder(tf.float32, [None, *image_shape])
        logits = build(images)
        try:
            gradient, = tf.gradients(logits, images)
        except Exception as error:  # LookupError names an operation that has no gradient
            why = first_line(error) if isinstance(error, LookupError) else 'it has a loop or the like'
            raise RunError('%r is not differentiable: %s; give a network without that operation'
                           % (path, why)) from error
        if gradient is None:
            raise RunError('%r: its logits do not depend on its input in a differentiable way; name another '
                           'with --teacher_input' % path)
        try:
            first, again, alone, slope = [sess.run(tensor, {images: some}) for tensor, some in (
                (logits, noise), (logits, noise), (logits, noise[:1]), (gradient, noise))]
        except tf.errors.OpError as error:
            raise RunError('%r cannot be run on one image and on two: %s; save it for batches of any size '
                           'and without other inputs' % (path, first_line(error.message))) from error
    if not (np.isfinite(first).all() and np.isfinite(slope).all()):
        raise RunError('%r answers noise with NaN or infinity; look at its weights and --teacher_scale'
                       % path)
    if first.ndim < 2 or first.shape[0] != 2 or sum(length > 1 for length in first.shape[1:]) > 1:
        raise RunError('%r gives logits %s for two images; name others with --teacher_logits'
                       % (path, by_x(first.shape)))
    if (first[0] == first[1]).all():
        raise RunError('%r answers all images alike; look at its weights, --teacher_scale, and inputs beside '
                       'the images' % path)
    if (first != again).any():
        raise RunError('%r answers the same images differently each time, so it is a network in training; '
                       'save it for use (dropout off)' % path)
    if not np.allclose(first[0].ravel(), alone.ravel(), rtol=0, atol=1e-2 * np.abs(first).max()):
        raise RunError('%r answers an image differently beside another, so its batch norm is in training; '
                       'save it for use' % path)
    return first.size // 2
