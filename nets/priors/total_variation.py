"""factor of the total variation, for each impression

A prior on images found by descent: Mahendran and Vedaldi, CVPR 2015.
"""
from utils.graph_mode import tf


@tf.custom_gradient
def penalty(images):
    """Sum of the absolute differences between neighbouring pixels (Rudin et al., 1992; anisotropic); scalar.

    images [H, W, C, B], less the ground. Beyond the border all is ground and counts as a neighbour, as where
    the search shifts the images. Otherwise bright patches lean on the border, where they cost little. The
    stock gradient takes longer than that of a whole LeNet-5.
    """
    rows = tf.pad(images, [[1, 1], [0, 0], [0, 0], [0, 0]])
    columns = tf.pad(images, [[0, 0], [1, 1], [0, 0], [0, 0]])
    down, right = rows[1:] - rows[:-1], columns[:, 1:] - columns[:, :-1]

    def grad(dy):
        sign_down, sign_right = [difference / (tf.abs(difference) + 1e-12) for difference in (down, right)]
        return dy * (sign_down[:-1] - sign_down[1:] + sign_right[:, :-1] - sign_right[:, 1:])

    return tf.reduce_sum(tf.abs(down)) + tf.reduce_sum(tf.abs(right)), grad
