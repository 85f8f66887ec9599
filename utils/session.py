"""TensorFlow sessions."""
import numpy as np

from nets.lenet import build_lenet
from utils.datasets import PIXEL_MAX, SIDE
from utils.graph_mode import tf
from utils.matfile import load_mat


def new_graph(seed):
    """Starts an empty default graph in which every random draw follows from ``seed``."""
    tf.reset_default_graph()
    tf.set_random_seed(seed)


def session(threads):
    """A session on ``threads`` CPU threads; with one, the order of every sum is fixed."""
    return tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=threads,
                                            inter_op_parallelism_threads=1))


def image_bytes():
    """(placeholder for images uint8 [B, 32, 32, 1] in 0..255, the same as a network sees them, float32 in [0, 1])."""
    pixels = tf.placeholder(tf.uint8, [None, SIDE, SIDE, 1])
    return pixels, tf.cast(pixels, tf.float32) / PIXEL_MAX


def restore(sess, path, scope):
    """Sets the variables of ``scope`` from the MAT-file at ``path``; raises RunError if they don't fit."""
    variables = {v.op.name: v for v in tf.trainable_variables(scope + '/')}
    arrays = load_mat(path, {name: v.shape.as_list() for name, v in variables.items()})
    for name, variable in variables.items():
        variable.load(arrays[name], sess)


def weights(sess, scope):
    """{variable name: float32 array} of ``scope``."""
    return {v.op.name: sess.run(v) for v in tf.trainable_variables(scope + '/')}


def in_batches(sess, output, placeholder, values, batch_size=250):
    """``output`` for every row of ``values`` [N, ...], fed in blocks: [N, ...]."""
    return np.concatenate([sess.run(output, {placeholder: values[start:start + batch_size]})
                           for start in range(0, len(values), batch_size)])


def logits_of(path, scope, images, threads):
    """The logits of a trained network for images uint8 [N, 32, 32, 1]: float32 [N, 10]."""
    new_graph(seed=0)
    pixels, seen = image_bytes()
    logits = build_lenet(seen, scope)
    with session(threads) as sess:
        restore(sess, path, scope)
        return in_batches(sess, logits, pixels, images)
