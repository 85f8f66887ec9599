"""LeNet-5 (teacher) and LeNet-5-half (student) as graph builders."""
from nets.fast_conv import KERNEL, batch_last, conv_relu_pool, flatten
from utils.graph_mode import tf

CHANNELS = {'Teacher': (6, 16), 'Student': (3, 8)}  # of conv0 and conv1


def build_lenet(images, scope):
    """Logits of the network named by ``scope``; a second call shares the first one's variables.

    | tensor | shape | content |
    | --- | --- | --- |
    | images | [B, 32, 32, 1] | float32, pixels in [0, 1] |
    | returned | [B, 10] | float32 logits |

    Variables are ``<scope>/conv0/weights`` ... ``<scope>/fc2/biases``; weights start from a truncated normal (sd 0.1),
    biases from zero. Raises KeyError for a scope other than Teacher and Student.
    """
    conv0, conv1 = CHANNELS[scope]
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        x = batch_last(images)
        x = conv_relu_pool(x, *_variables('conv0', [KERNEL, KERNEL, 1, conv0]))      # to 14x14
        x = conv_relu_pool(x, *_variables('conv1', [KERNEL, KERNEL, conv0, conv1]))  # to 5x5
        x = flatten(x, conv1)
        x = tf.nn.relu(_dense(x, 'fc0', 120))
        x = tf.nn.relu(_dense(x, 'fc1', 84))
        x = _dense(x, 'fc2', 10)
        return tf.transpose(x)


def _dense(x, layer, units):
    """A fully connected layer: [features, B] -> [units, B]."""
    weights, biases = _variables(layer, [x.shape.as_list()[0], units])
    return tf.matmul(weights, x, transpose_a=True) + biases[:, None]


def _variables(layer, shape):
    with tf.variable_scope(layer):
        return (tf.get_variable('weights', shape, initializer=tf.truncated_normal_initializer(stddev=0.1)),
                tf.get_variable('biases', shape[-1:], initializer=tf.zeros_initializer()))
