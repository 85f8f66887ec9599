"""LeNet's layers in their plain form: TensorFlow's own operations, images [B, H, W, C].

The variables are those of nets/fast_conv.py. Export and comparison use this form.
"""
from nets import layers
from utils.graph_mode import tf


def from_images(images):
    return images


def conv_relu_pool(x, name, channels, kernels):
    """5x5 VALID convolution, bias, ReLU and 2x2 max-pool.

    [B, H, W, channels] -> [B, H // 2 - 2, W // 2 - 2, kernels].
    """
    weights, biases = layers.weights_and_biases(name, [5, 5, channels, kernels])
    x = tf.nn.relu(tf.nn.conv2d(x, weights, [1, 1, 1, 1], 'VALID') + biases)
    return layers.pool(x, 2)


def flatten(x, channels):
    return layers.flatten(x)


def dense(x, name, units, relu=False):
    """A fully connected layer: [B, features] -> [B, units]."""
    weights, biases = layers.weights_and_biases(name, [x.shape.as_list()[1], units])
    x = tf.matmul(x, weights) + biases
    return tf.nn.relu(x) if relu else x


def to_logits(x):
    return x
