"""AlexNet (teacher) and AlexNet-half (student), as in the paper's third experiment.

Layers, first weights and biases are those of the authors' released code (vcl-iisc/ZSKD).
"""
from nets.layers import batch_norm, conv, dense, dropout, flatten, local_response_norm, pool
from utils.graph_mode import tf

IMAGE_SHAPE = 32, 32, 3
SMALLEST_SIDE = 15  # of 7, 3 and 1 after the pools
LAST_LAYER = 'fc2/weights'
DROPPED = 0.5  # the rate of dropout


def teacher(images, classes, training, plain=False):
    """AlexNet: 1,659,178 parameters for ten classes and images of 32x32x3."""
    return _alexnet(images, classes, training, [48, 128, 192, 192, 128], [512, 256], plain)


def student(images, classes, training, plain=False):
    """AlexNet-half: 417,434 parameters for ten classes and images of 32x32x3."""
    return _alexnet(images, classes, training, [24, 64, 96, 96, 64], [256, 128], plain)


def _alexnet(images, classes, training, kernels, units, plain):
    """Logits [B, classes] of images [B, H, W, C], which for the published networks are 32x32x3.

    ``kernels`` of the five convolutions, ``units`` of two layers. plain: from TensorFlow's own operations
    alone.
    """
    x = local_response_norm(conv(images, 'conv0', kernels[0], 5), plain)
    x = batch_norm(pool(x), 'norm0', training)                       # to 15x15
    x = local_response_norm(conv(x, 'conv1', kernels[1], 5, bias=1.0), plain)
    x = batch_norm(pool(x), 'norm1', training)                       # to 7x7
    x = batch_norm(conv(x, 'conv2', kernels[2], 3), 'norm2', training)
    x = batch_norm(conv(x, 'conv3', kernels[3], 3, bias=1.0), 'norm3', training)
    x = conv(x, 'conv4', kernels[4], 3, bias=1.0)
    x = flatten(batch_norm(pool(x), 'norm4', training))              # to 3x3
    for layer in range(2):
        x = tf.nn.relu(dense(x, 'fc%d' % layer, units[layer]))
        x = dropout(x, 'fc%d' % layer, DROPPED, training)
        x = batch_norm(x, 'norm%d' % (5 + layer), training, DROPPED)
    return dense(x, 'fc2', classes)
