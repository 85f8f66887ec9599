"""LeNet-5 (teacher) and LeNet-5-half (student), as in the paper's first two experiments."""
from nets import fast_conv, plain_conv

IMAGE_SHAPE = 32, 32, 1
LAST_LAYER = 'fc2/weights'
PLAIN = {'layers': plain_conv}


def teacher(images, classes, training, layers=fast_conv):
    """LeNet-5: 61,706 parameters for ten classes."""
    return _lenet(images, classes, 6, 16, layers)


def student(images, classes, training, layers=fast_conv):
    """LeNet-5-half: 35,820 parameters for ten classes."""
    return _lenet(images, classes, 3, 8, layers)


def _lenet(images, classes, conv0, conv1, layers):
    """Logits [B, classes] of images [B, 32, 32, 1].

    The two convolutions have ``conv0`` and ``conv1`` kernels of 5x5.
    """
    x = layers.from_images(images)
    x = layers.conv_relu_pool(x, 'conv0', 1, conv0)      # to 14x14
    x = layers.conv_relu_pool(x, 'conv1', conv0, conv1)  # to 5x5
    x = layers.flatten(x, conv1)
    x = layers.dense(x, 'fc0', 120, relu=True)
    x = layers.dense(x, 'fc1', 84, relu=True)
    x = layers.dense(x, 'fc2', classes)
    return layers.to_logits(x)
