"""factor of the distance from the statistics of the teacher's batch norm, for each impression

A trained batch norm holds the mean and the variance that its input had over the training images. So a batch
of impressions can be like them without any image: DeepInversion, Yin et al., CVPR 2020.
"""
from nets.layers import EPSILON, STATISTICS
from utils.files import RunError
from utils.graph_mode import tf


def penalty(images):
    """B times the sum over batch norms of how far mean and variance of the batch are off; scalar.

    images [H, W, C, B], which the teacher in the graph sees. Differences count in units of the variance that
    the batch norm holds, squared, as a mean over its channels. Raises RunError where the teacher has no batch
    norm of nets/layers.py.
    """
    statistics = tf.get_collection(STATISTICS)
    if not statistics:
        raise RunError('the teacher has no batch norm that --batch_norm could compare with; leave it out')
    distance = 0
    for x, mean, variance in statistics:
        batch_mean, batch_variance = tf.nn.moments(x, list(range(len(x.shape) - 1)))
        variance += EPSILON
        distance += tf.reduce_mean(tf.square(batch_mean - mean) / variance
                                   + tf.square(batch_variance / variance - 1))
    return distance * images.shape.as_list()[3]
