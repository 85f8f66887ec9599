"""factor of ||x||^2 / 2, for each impression

The published implementation has this prior; the paper has none.
"""
from utils.graph_mode import tf


def penalty(images):
    """Half the sum of the squares of all pixels; scalar. images [H, W, C, B]."""
    return tf.nn.l2_loss(images)
