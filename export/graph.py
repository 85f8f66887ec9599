"""The graph that is exported: images of bytes in, logits, probabilities and classes out.

It resizes images with TensorFlow's operations to the very pixels that cv2.resize makes. OpenCV resizes images
of bytes in whole numbers. It weighs two columns by 11-bit weights and drops four bits. Then it weighs two
rows, drops 16 bits of each product, adds the two, and rounds the last two bits off. The pixels are not those
of exact interpolation: 2 % of MNIST's differ, by 1.

A graph of integers alone resizes by an operation of TensorFlow that has an int8 form: pixels differ by 1.
"""
from typing import NamedTuple, Optional

import numpy as np

from utils.graph_mode import new_graph, tf
from utils.images import PIXEL_MAX

ONE = 2048  # the weight 1.0, as OpenCV writes it


class ServingGraph(NamedTuple):
    """The tensors of an exported graph. Each has the name of its field."""
    images: tf.Tensor           # uint8 [N, H, W, C] in 0..255, of the data set's own size
    logits: tf.Tensor           # float32 [N, classes]
    probabilities: Optional[tf.Tensor] = None   # float32 [N, classes], the softmax of the logits
    classes: Optional[tf.Tensor] = None         # int64 [N] in 0..classes-1

    @property
    def outputs(self):
        """{name: tensor} of all that the graph gives."""
        return {name: tensor for name, tensor in self._asdict().items()
                if name != 'images' and tensor is not None}


def serving_graph(network, image_shape):
    """A new default graph with the ServingGraph of a TrainedNetwork or a ForeignNetwork.

    image_shape: (H, W, C) of the images that it takes. They are resized as the scripts resize them. A network
    of a pair is built from TensorFlow's own operations alone.
    """
    new_graph(seed=0)
    pixels = tf.placeholder(tf.uint8, [None, *image_shape], 'images')
    seen = tf.cast(resized(pixels, *network.image_shape[:2]), tf.float32) / PIXEL_MAX
    logits = network.logits(seen, plain=True)
    return ServingGraph(pixels, tf.identity(logits, 'logits'), tf.nn.softmax(logits, name='probabilities'),
                        tf.argmax(logits, axis=1, name='classes'))


def integer_graph(network, image_shape):
    """The same for a TFLite file of integers alone: each operation has an int8 form, and logits come out.

    Images are float32 in 0..255 until TFLite's converter makes them bytes. Needs TensorFlow 2.
    """
    new_graph(seed=0)
    pixels = seen = tf.placeholder(tf.float32, [None, *image_shape], 'images')
    if network.image_shape != image_shape:
        seen = tf.image.resize_bilinear(seen, network.image_shape[:2], half_pixel_centers=True)
    return ServingGraph(pixels, tf.identity(network.logits(seen / PIXEL_MAX, plain=True), 'logits'))


def resized(pixels, height, width):
    """uint8 [B, h, w, C] -> int32 [B, height, width, C] in 0..255, as by cv2.resize."""
    old_height, old_width = pixels.shape.as_list()[1:3]
    x = tf.cast(pixels, tf.int32)
    if (old_height, old_width) == (height, width):
        return x
    left, right, left_weight, right_weight = axis(old_width, width, at_border=True)
    x = (tf.gather(x, left, axis=2) * left_weight[:, None]
         + tf.gather(x, right, axis=2) * right_weight[:, None]) // 16
    upper, lower, upper_weight, lower_weight = axis(old_height, height, at_border=False)
    x = (tf.gather(x, upper, axis=1) * upper_weight[:, None, None] // 65536
         + tf.gather(x, lower, axis=1) * lower_weight[:, None, None] // 65536)
    return (x + 2) // 4


def axis(old, new, at_border):
    """How ``new`` lines come from two of ``old`` ones each: (the first, the second, their weights 0..ONE).

    Each is int32 [new].

    at_border: a new line beyond the middle of the border's line is that line (OpenCV's columns). Otherwise it
    is that line twice, with two weights (its rows).
    """
    place = ((np.arange(new) + 0.5) / (new / old) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int32)
    part = place - first.astype(np.float32)
    if at_border:
        part[(first < 0) | (first >= old - 1)] = 0
    return (first.clip(0, old - 1), (first + 1).clip(0, old - 1),
            np.rint((1 - part) * ONE).astype(np.int32), np.rint(part * ONE).astype(np.int32))
