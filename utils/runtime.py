"""The one place that knows which TensorFlow it is: TensorFlow 1.13, or 2.x in graph mode."""
import os
import platform

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402

from utils.files import load_mat  # noqa: E402

tf.logging.set_verbosity(tf.logging.ERROR)
tf.disable_v2_behavior()


def new_graph(seed):
    """Starts an empty default graph in which every random draw follows from ``seed``."""
    tf.reset_default_graph()
    tf.set_random_seed(seed)


def session(threads):
    """A session on ``threads`` CPU threads; with one, the order of every sum is fixed."""
    cv2.setNumThreads(threads)
    return tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=threads,
                                            inter_op_parallelism_threads=1))


def versions():
    """What computed a result: {'tensorflow': '1.13.2', 'numpy': ...}."""
    return {'python': platform.python_version(), 'tensorflow': tf.__version__, 'numpy': np.__version__,
            'opencv': cv2.__version__}


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
