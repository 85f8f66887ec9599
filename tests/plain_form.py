"""LeNet-5 as a textbook writes it: what nets/lenet.py is compared with, in value and in speed."""
import tensorflow.compat.v1 as tf


def plain_lenet(images, scope):
    """Logits [B, 10] from the existing variables of ``scope`` by conv2d, ReLU and max_pool."""
    with tf.variable_scope(scope, reuse=True):
        x = images
        for layer in ('conv0', 'conv1'):
            x = plain_conv_relu_pool(x, tf.get_variable(layer + '/weights'), tf.get_variable(layer + '/biases'))
        x = tf.reshape(x, [-1, 25 * x.shape.as_list()[-1]])
        for layer in ('fc0', 'fc1', 'fc2'):
            x = tf.matmul(x, tf.get_variable(layer + '/weights')) + tf.get_variable(layer + '/biases')
            if layer != 'fc2':
                x = tf.nn.relu(x)
        return x


def plain_conv_relu_pool(x, weights, biases):
    x = tf.nn.relu(tf.nn.conv2d(x, weights, [1, 1, 1, 1], 'VALID') + biases)
    return tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], 'VALID')
