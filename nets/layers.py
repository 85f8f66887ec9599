"""Layers for networks of any shape, a call each. They make their variables in the current scope."""
import zlib

import numpy as np

from utils.graph_mode import tf

MOMENTUM = 0.99  # of batch norm's moving averages
EPSILON = 1e-3   # added to batch norm's variances
STATISTICS = 'batch_norm_statistics'  # the collection of (x, mean, variance) of every batch norm in use


def weights_and_biases(name, shape, start=None, bias=0.0):
    """The variables <name>/weights of that shape and <name>/biases of its last axis.

    start: the initialiser of the weights, by default a truncated normal of deviation 0.1; bias: the first
    value of the biases.
    """
    with tf.variable_scope(name):
        start = start or tf.truncated_normal_initializer(stddev=0.1)
        return (tf.get_variable('weights', shape, initializer=start),
                tf.get_variable('biases', shape[-1:], initializer=tf.constant_initializer(bias)))


def conv(x, name, kernels, size, bias=0.0, deviation=0.01):
    """SAME convolution and ReLU: [B, H, W, C] -> [B, H, W, kernels].

    size: of the square kernels; bias: first value of the biases; deviation: of the first weights.
    """
    weights, biases = weights_and_biases(name, [size, size, x.shape.as_list()[3], kernels],
                                         tf.random_normal_initializer(stddev=deviation), bias)
    return tf.nn.relu(tf.nn.conv2d(x, weights, [1, 1, 1, 1], 'SAME') + biases)


def pool(x, size=3, stride=2):
    """VALID max-pool: [B, H, W, C] -> [B, (H - size) // stride + 1, (W - size) // stride + 1, C]."""
    return tf.nn.max_pool(x, [1, size, size, 1], [1, stride, stride, 1], 'VALID')


def local_response_norm(x, plain=False):
    """x / (1 + 1e-4 s)^0.75, s the sum of x^2 over the channel and two on either side (AlexNet's numbers).

    It is a product with a banded matrix: TensorFlow's own operation takes twice as long. plain: of operations
    that TFLite has in int8 and that are quick there; a square and a root are not.
    """
    channels = np.arange(x.shape.as_list()[3])
    near = (np.abs(channels[:, None] - channels) <= 2).astype(np.float32)
    squares = x * x if plain else tf.square(x)
    sums = 1 + tf.nn.conv2d(squares, 1e-4 * near[None, None], [1, 1, 1, 1], 'SAME')
    if plain:
        return x * tf.exp(-0.75 * tf.log(sums))
    root = tf.rsqrt(sums)
    return x * root * tf.sqrt(root)


def flatten(x):
    """[B, H, W, C] -> [B, H * W * C]."""
    _, height, width, channels = x.shape.as_list()
    return tf.reshape(x, [-1, height * width * channels])


def dense(x, name, units, deviation=0.01):
    """A fully connected layer without ReLU: [B, features] -> [B, units]."""
    weights, biases = weights_and_biases(name, [x.shape.as_list()[1], units],
                                         tf.random_normal_initializer(stddev=deviation))
    return tf.matmul(x, weights) + biases


def batch_norm(x, name, training, dropped=0.0):
    """Batch normalisation over all axes but the last; x [B, C] or [B, H, W, C] keeps its shape.

    In training by the batch's own mean and variance, which move the averages (collection UPDATE_OPS);
    otherwise by these averages. dropped: the rate of a dropout right before it. As that multiplies the mean
    of squares by 1 / (1 - dropped), STATISTICS holds the variance without it.
    """
    channels = x.shape.as_list()[-1:]
    with tf.variable_scope(name):
        scale = tf.get_variable('scale', channels, initializer=tf.ones_initializer())
        offset = tf.get_variable('offset', channels, initializer=tf.zeros_initializer())
        mean = tf.get_variable('moving_mean', channels, initializer=tf.zeros_initializer(), trainable=False)
        variance = tf.get_variable('moving_variance', channels, initializer=tf.ones_initializer(),
                                   trainable=False)
    if not training:
        undropped = variance
        if dropped:
            square = tf.square(mean)
            undropped = (1 - dropped) * (variance + square) - square
            undropped = tf.maximum(undropped, 0.1 * variance)  # both are estimates
        tf.add_to_collection(STATISTICS, (x, mean, undropped))
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, EPSILON)
    images = x if len(x.shape) == 4 else x[:, None, None, :]
    normal, batch_mean, batch_variance = tf.nn.fused_batch_norm(images, scale, offset, epsilon=EPSILON)
    for average, value in ((mean, batch_mean), (variance, batch_variance)):
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, average.assign_add((1 - MOMENTUM) * (value - average)))
    return normal if len(x.shape) == 4 else normal[:, 0, 0, :]


def dropout(x, name, rate, training):
    """In training sets a random share ``rate`` of x to 0 and scales up the rest; otherwise x.

    What is dropped follows from the graph's seed, the name and the step alone, so a training that goes on
    from a checkpoint draws what it would have drawn.
    """
    if not training:
        return x
    with tf.variable_scope(tf.VariableScope(reuse=tf.AUTO_REUSE)):  # the step belongs to no network
        step = tf.train.get_or_create_global_step()
    graph_seed = tf.get_default_graph().seed or 0
    seed = tf.stack([step, tf.constant(graph_seed ^ zlib.crc32(name.encode()), tf.int64)])
    kept = tf.random.stateless_uniform(tf.shape(x), seed) >= rate
    return tf.where(kept, x / (1 - rate), tf.zeros_like(x))
