"""Priors on an impression: what a natural image is like, whatever it shows.

Each takes the impressions less their background level, [H, W, C, B], and the number of equal groups that
they form, and gives a scalar: the sum of the penalties of all B of them. Its factor is the hyper-parameter of
its name (utils/settings/hyper_parameters.py); 0 leaves it out.
"""
from nets.layers import EPSILON, STATISTICS
from utils.files import RunError
from utils.graph_mode import tf

NORMS = 7  # batch norms of AlexNet, with which the factor was chosen


def batch_norm(images, groups=1):
    """Distance of each group's means and variances from those in the teacher's batch norms.

    A trained batch norm holds the statistics of its input over the training images (DeepInversion: Yin et
    al., CVPR 2020). Differences are in units of the held variance, squared, as a mean over channels and
    groups. The sum over batch norms is multiplied by B; of more than NORMS, it is NORMS times their mean.
    Raises RunError where the teacher in the graph has none that can be read.
    """
    statistics = tf.get_collection(STATISTICS)
    if not statistics:
        raise RunError('the teacher has no batch norm that --batch_norm could compare with; leave it out')
    distance = 0
    for x, mean, variance in statistics:
        axes = list(range(len(x.shape) - 1))
        if groups > 1:
            x, axes = tf.reshape(x, [groups, -1] + x.shape.as_list()[1:]), [axis + 1 for axis in axes]
        batch_mean, batch_variance = tf.nn.moments(x, axes)
        distance += tf.reduce_mean(tf.square(batch_mean - mean) / (variance + EPSILON)
                                   + tf.square((batch_variance - variance) / (variance + EPSILON)))
    return distance * (images.shape.as_list()[3] * min(1, NORMS / len(statistics)))


def l2(images, groups=1):
    """Half the sum of the squares of all pixels: the published implementation has this, the paper none."""
    return tf.nn.l2_loss(images)


def total_variation(images, groups=1):
    """Sum of the absolute differences between neighbouring pixels (Rudin et al., 1992; anisotropic).

    A prior on images found by descent: Mahendran and Vedaldi, CVPR 2015. The background beyond the border
    counts as a neighbour, as where the search shifts the images. Otherwise bright patches lean on the border,
    where they cost little. The stock gradient takes longer than that of a whole LeNet-5.
    """
    return _total_variation(images)


@tf.custom_gradient
def _total_variation(images):
    rows = tf.pad(images, [[1, 1], [0, 0], [0, 0], [0, 0]])
    columns = tf.pad(images, [[0, 0], [1, 1], [0, 0], [0, 0]])
    down, right = rows[1:] - rows[:-1], columns[:, 1:] - columns[:, :-1]

    def grad(dy):
        sign_down, sign_right = [difference / (tf.abs(difference) + 1e-12) for difference in (down, right)]
        return dy * (sign_down[:-1] - sign_down[1:] + sign_right[:, :-1] - sign_right[:, 1:])

    return tf.reduce_sum(tf.abs(down)) + tf.reduce_sum(tf.abs(right)), grad


PRIORS = {'batch_norm': batch_norm, 'l2': l2, 'total_variation': total_variation}
