"""LeNet-5 (teacher) and LeNet-5-half (student) as graph builders.

    image 32x32x1 -> conv0 5x5 + ReLU -> 2x2 max-pool -> conv1 5x5 + ReLU -> 2x2 max-pool
                  -> flatten (H, W, C) -> fc0 120 ReLU -> fc1 84 ReLU -> fc2 10 linear

Inside, activations are laid out [channel, row, column, batch]: with one to six channels the batch is
the only axis long enough for vector instructions, so it comes last.
"""
import tensorflow.compat.v1 as tf

CONV_CHANNELS = {'Teacher': (6, 16), 'Student': (3, 8)}
KERNEL = 5
FC_UNITS = (120, 84, 10)


def build_lenet(images, scope):
    """Logits of the network named by ``scope``; a second call shares the first one's variables.

    | tensor | shape | content |
    | --- | --- | --- |
    | images | [B, 32, 32, 1] | float32, pixels in [0, 1] |
    | returned | [B, 10] | float32 logits |

    Variables are ``<scope>/conv0/weights`` ... ``<scope>/fc2/biases``; weights start from a truncated
    normal (sd 0.1), biases from zero. Raises KeyError for a scope other than Teacher and Student.
    """
    conv0, conv1 = CONV_CHANNELS[scope]
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        x = tf.reshape(tf.transpose(tf.reshape(images, [-1, 32 * 32])), [1, 32, 32, -1])
        x = conv_relu_pool(x, *_variables('conv0', [KERNEL, KERNEL, 1, conv0]))
        x = conv_relu_pool(x, *_variables('conv1', [KERNEL, KERNEL, conv0, conv1]))
        units = 5 * 5 * conv1
        x = tf.reshape(tf.transpose(x, [1, 2, 0, 3]), [units, -1])
        for layer, width in enumerate(FC_UNITS):
            weights, biases = _variables('fc%d' % layer, [units, width])
            x = tf.matmul(weights, x, transpose_a=True) + biases[:, None]
            if width != FC_UNITS[-1]:
                x = tf.nn.relu(x)
            units = width
        return tf.transpose(x)


def weight_decay(scope):
    """Sum over all weights (not biases) of half the squared L2 norm; scalar."""
    return tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables(scope + '/')
                     if v.op.name.endswith('weights')])


def conv_relu_pool(x, weights, biases):
    """5x5 VALID convolution, bias, ReLU and 2x2 max-pool, exactly, as one matrix product.

    The four convolution outputs that one pooling window looks at share a 6x6 patch of the input. So
    the input goes to half resolution with four times the channels, the kernel becomes four kernels
    of 3x3 (one per place in the window), and pooling is a maximum over those four. Bias and ReLU come
    after the maximum: both are monotone, so the result is the same for a quarter of the work.

    x [C, H, W, B] with even H and W, weights [5, 5, C, K], biases [K] -> [K, (H-4)/2, (W-4)/2, B].
    """
    channels, height, width = x.shape.as_list()[:3]
    kernels = weights.shape.as_list()[3]
    rows, columns = (height - 4) // 2, (width - 4) // 2
    x = tf.reshape(x, [channels, height // 2, 2, width // 2, 2, -1])
    x = tf.reshape(tf.transpose(x, [2, 4, 0, 1, 3, 5]), [4 * channels, height // 2, width // 2, -1])
    patches = _three_shifts(_three_shifts(x, axis=2), axis=1)
    patches = tf.reshape(patches, [36 * channels, -1])
    outputs = tf.matmul(_window_kernels(weights), patches, transpose_a=True)
    a, b, c, d = tf.split(outputs, 4, axis=0)
    x = tf.maximum(tf.maximum(a, b), tf.maximum(c, d))
    x = tf.nn.relu(x + biases[:, None])
    return tf.reshape(x, [kernels, rows, columns, -1])


def _window_kernels(weights):
    """[5, 5, C, K] -> [36 C, 4 K]: the kernel at each of the four places in a 2x2 window."""
    _, _, channels, kernels = weights.shape.as_list()
    places = []
    for dy in (0, 1):
        for dx in (0, 1):
            k = tf.pad(weights, [[dy, 1 - dy], [dx, 1 - dx], [0, 0], [0, 0]])
            k = tf.transpose(tf.reshape(k, [3, 2, 3, 2, channels, kernels]), [0, 2, 1, 3, 4, 5])
            places.append(tf.reshape(k, [36 * channels, kernels]))
    return tf.concat(places, axis=1)


def _three_shifts(x, axis):
    """Stacks x shifted by 0, 1 and 2 along ``axis`` (shortened by 2) on axis 0: [C, ...] -> [3 C, ...].

    The gradient is written out because concatenating zeros copies whole rows, where the stock
    gradients of slices go element by element (three times the time of the whole step).
    """
    @tf.custom_gradient
    def shifts(x):
        length = x.shape.as_list()[axis] - 2

        def grad(dy):
            return tf.add_n([_zeros_around(part, axis, before, 2 - before)
                             for before, part in enumerate(tf.split(dy, 3, axis=0))])

        return tf.concat([_window(x, axis, start, length) for start in range(3)], axis=0), grad

    return shifts(x)


def _window(x, axis, start, length):
    begin, size = [0] * 4, [-1] * 4
    begin[axis], size[axis] = start, length
    return tf.slice(x, begin, size)


def _zeros_around(x, axis, before, after):
    zeros = tf.zeros_like(_window(x, axis, 0, 2))
    return tf.concat([_window(zeros, axis, 0, before), x, _window(zeros, axis, 0, after)], axis=axis)


def _variables(layer, shape):
    with tf.variable_scope(layer):
        return (tf.get_variable('weights', shape, initializer=tf.truncated_normal_initializer(stddev=0.1)),
                tf.get_variable('biases', shape[-1:], initializer=tf.zeros_initializer()))
