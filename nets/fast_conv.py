"""LeNet's layers, exactly, at a fraction of the time that TensorFlow's own operations take on a CPU.

A 5x5 convolution, bias, ReLU and 2x2 max-pool are one matrix product here. The four convolution outputs that
one pooling window looks at share a 6x6 patch of the input. The patches of all windows are the columns of one
matrix. The kernel, at each of its four places in the window, gives four rows of another. Their product holds
the four outputs, and pooling is a maximum over them. Bias and ReLU come after the maximum: both are monotone,
so the result is the same for a quarter of the work.

Activations are laid out [channel * row * column, batch]. With one to six channels the batch is the only axis
that is long enough for vector instructions, so it comes last, and every rearrangement is a gather of rows. No
other module knows of this layout. nets/plain_conv.py has the same layers in their plain form.
"""
import numpy as np

from nets.layers import weights_and_biases
from utils.graph_mode import tf

KERNEL, PATCH = 5, 6


def from_images(images):
    """One-channel images [B, H, W, 1] -> [H * W, B]."""
    height, width = images.shape.as_list()[1:3]
    return tf.transpose(tf.reshape(images, [-1, height * width]))


def conv_relu_pool(x, name, channels, kernels):
    """5x5 VALID convolution, bias, ReLU and 2x2 max-pool with stride 2 of square images with an even side S.

    x [channels * S * S, B] -> [kernels * n * n, B] with n = S / 2 - 2.
    """
    weights, biases = weights_and_biases(name, [KERNEL, KERNEL, channels, kernels])
    side = int(round((x.shape.as_list()[0] / channels) ** 0.5))
    patches = tf.reshape(_gather_rows(x, _patch_rows(channels, side)), [PATCH * PATCH * channels, -1])
    # The last row is for the places in a patch that a kernel does not reach.
    weights = tf.pad(tf.reshape(weights, [KERNEL * KERNEL * channels, kernels]), [[0, 1], [0, 0]])
    weights = tf.reshape(_gather_rows(weights, _kernel_rows(channels)),
                         [PATCH * PATCH * channels, 4 * kernels])
    outputs = _pool_bias_relu(tf.matmul(weights, patches, transpose_a=True), biases)
    return tf.reshape(outputs, [kernels * (side // 2 - 2) ** 2, -1])


def flatten(x, channels):
    """Rows in the order (channel, row, column) -> (row, column, channel), that of the plain layer."""
    rows = x.shape.as_list()[0]
    return _gather_rows(x, np.arange(rows, dtype=np.int32).reshape(channels, -1).T.ravel())


def dense(x, name, units, relu=False):
    """A fully connected layer: [features, B] -> [units, B]."""
    weights, biases = weights_and_biases(name, [x.shape.as_list()[0], units])
    x = tf.matmul(weights, x, transpose_a=True) + biases[:, None]
    return tf.nn.relu(x) if relu else x


def to_logits(x):
    """[classes, B] -> [B, classes]."""
    return tf.transpose(x)


def _gather_rows(x, rows):
    """x[rows] for a constant integer array; the stock gradient would first build sparse slices."""
    @tf.custom_gradient
    def gather(x):
        def grad(dy):
            return tf.unsorted_segment_sum(tf.reshape(dy, [rows.size, -1]), rows.ravel(), x.shape[0])

        return tf.gather(x, rows), grad

    return gather(x)


@tf.custom_gradient
def _pool_bias_relu(outputs, biases):
    """[4 K, N] -> [K, N]: maximum over the four blocks of rows, plus biases [K], ReLU.

    Of equal outputs the first gets the gradient. Comparisons and selections are not vectorised in TensorFlow
    1.13, so the gradient does without them.
    """
    ab, cd = tf.split(outputs, 2)
    pairs = tf.maximum(ab, cd)
    left, right = tf.split(pairs, 2)
    largest = tf.maximum(left, right)
    y = tf.nn.relu(largest + biases[:, None])

    def grad(dy):
        dy = dy * _exceeds(y, 0.0)
        to_b = dy * _exceeds(largest, left)
        to_a = dy - to_b
        c_wins, d_wins = tf.split(_exceeds(pairs, ab), 2)
        to_c, to_d = to_a * c_wins, to_b * d_wins
        return tf.concat([to_a - to_c, to_b - to_d, to_c, to_d], axis=0), tf.reduce_sum(dy, axis=1)

    return y, grad


def _exceeds(larger, smaller):
    """1.0 where larger > smaller, 0.0 where they are equal; larger is nowhere below smaller.

    Differences above 0 and under 1e-30 do not occur between float32 numbers of any use here.
    """
    return tf.minimum((larger - smaller) * 1e30, 1.0)


def _patch_rows(channels, side):
    """int32 [36 C, n * n].

    The rows of x that the windows' patches hold; patches are (channel, row, column).
    """
    at = np.arange(channels * side * side, dtype=np.int32).reshape(channels, side, side)
    span = side - PATCH + 1
    places = [at[:, y:y + span:2, x:x + span:2].reshape(channels, -1)
              for y in range(PATCH) for x in range(PATCH)]
    return np.stack(places, axis=1).reshape(PATCH * PATCH * channels, -1)


def _kernel_rows(channels):
    """int32 [36 C, 4]: the row of the [25 C + 1, K] weights that each place of a patch meets, per output."""
    rows = np.full([channels, PATCH, PATCH, 4], KERNEL * KERNEL * channels, np.int32)
    weights = np.arange(KERNEL * KERNEL * channels).reshape(KERNEL, KERNEL, channels).transpose(2, 0, 1)
    for place in range(4):
        y, x = divmod(place, 2)
        rows[:, y:y + KERNEL, x:x + KERNEL, place] = weights
    return rows.reshape(-1, 4)
