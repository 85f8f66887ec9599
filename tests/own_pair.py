"""A pair of one's own for colour images of 24x24: small, with batch norm and dropout."""
from nets.layers import batch_norm, conv, dense, dropout, flatten, pool
from utils.graph_mode import tf

IMAGE_SHAPE = 24, 24, 3
LAST_LAYER = 'last/weights'


def teacher(images, classes, training):
    return network(images, classes, training, kernels=8, units=32)


def student(images, classes, training):
    return network(images, classes, training, kernels=4, units=16)


def network(images, classes, training, kernels, units):
    x = batch_norm(pool(conv(images, 'conv0', kernels, 5, deviation=0.1)), 'norm0', training)
    x = pool(conv(x, 'conv1', 2 * kernels, 3, deviation=0.1))
    x = dropout(tf.nn.relu(dense(flatten(x), 'fc0', units, deviation=0.1)), 'fc0', 0.3, training)
    return dense(batch_norm(x, 'norm1', training), 'last', classes, deviation=0.1)
