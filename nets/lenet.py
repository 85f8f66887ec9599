"""LeNet-5 (teacher) and LeNet-5-half (student), as in the paper's first two experiments."""
from nets import fast_conv, plain_conv

IMAGE_SHAPE = 32, 32, 1
SMALLEST_SIDE = 16  # with fewer pixels nothing is left for the second convolution
LAST_LAYER = 'fc2/weights'


def teacher(images, classes, training, plain=False):
    """LeNet-5: 61,706 parameters for ten classes and images of 32x32x1."""
    return _lenet(images, classes, 6, 16, plain)


def student(images, classes, training, plain=False):
    """LeNet-5-half: 35,820 parameters for ten classes and images of 32x32x1."""
    return _lenet(images, classes, 3, 8, plain)


def _lenet(images, classes, conv0, conv1, plain):
    """Logits [B, classes] of images [B, H, W, C], which for the published networks are 32x32x1.

    The two convolutions have ``conv0`` and ``conv1`` kernels of 5x5. plain: from TensorFlow's own operations
    alone, else by nets/fast_conv.py where it can build them.
    """
    _, height, width, channels = images.shape.as_list()
    fast = not plain and height == width and height % 4 == 0 and channels == 1
    layers = fast_conv if fast else plain_conv
    x = layers.from_images(images)
    x = layers.conv_relu_pool(x, 'conv0', channels, conv0)  # to 14x14
    x = layers.conv_relu_pool(x, 'conv1', conv0, conv1)     # to 5x5
    x = layers.flatten(x, conv1)
    x = layers.dense(x, 'fc0', 120, relu=True)
    x = layers.dense(x, 'fc1', 84, relu=True)
    x = layers.dense(x, 'fc2', classes)
    return layers.to_logits(x)
