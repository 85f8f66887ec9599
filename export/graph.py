"""The graph that is exported: images of bytes in, logits, probabilities and classes out."""
from typing import NamedTuple

from export.enlarge import enlarged
from utils.datasets import PIXEL_MAX
from utils.graph_mode import tf
from utils.session import new_graph


class ServingGraph(NamedTuple):
    """The tensors of an exported graph. Each has the name of its field."""
    images: tf.Tensor           # uint8 [N, H, W, C] in 0..255, of the data set's own size
    logits: tf.Tensor           # float32 [N, classes]
    probabilities: tf.Tensor    # float32 [N, classes], the softmax of the logits
    classes: tf.Tensor          # int64 [N] in 0..classes-1

    @property
    def outputs(self):
        """{name: tensor} of all that the graph gives."""
        return {name: tensor for name, tensor in self._asdict().items() if name != 'images'}


def serving_graph(network, image_shape):
    """A new default graph with the ServingGraph of a TrainedNetwork.

    image_shape: (H, W, C) of the images that it takes. They are resized as the scripts resize them. The
    network is built from TensorFlow's own operations alone.
    """
    new_graph(seed=0)
    pixels = tf.placeholder(tf.uint8, [None, *image_shape], 'images')
    height, width, _ = network.pair.image_shape
    seen = tf.cast(enlarged(pixels, height, width), tf.float32) / PIXEL_MAX
    logits = network.logits(seen, textbook=True)
    return ServingGraph(pixels, tf.identity(logits, 'logits'), tf.nn.softmax(logits, name='probabilities'),
                        tf.argmax(logits, axis=1, name='classes'))
