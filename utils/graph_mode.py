"""``tf``: TensorFlow in graph mode, 1.13 or 2.x, with its graphs and sessions.

All that use TensorFlow get it here.
"""
import os
import subprocess
import sys

import numpy as np

from utils.console import DEBUG
from utils.files import REPOSITORY, RunError
from utils.images import PIXEL_MAX

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # looked at once, while TensorFlow is imported
# Whatever Keras a user's shell chooses for other work; children have it from here.
os.environ['KERAS_BACKEND'] = 'tensorflow'
os.environ.pop('TF_USE_LEGACY_KERAS', None)

import tensorflow.compat.v1 as tf

tf.logging.set_verbosity(tf.logging.ERROR)
tf.disable_v2_behavior()

TF1 = tf.__version__.startswith('1.')
# Images at a time through a network that is not being trained, where they have no more values than COLOUR.
IN_USE, COLOUR = {'cpu': 250, 'gpu': 4000}, 32 * 32 * 3


def new_graph(seed):
    """Starts an empty default graph in which every random draw follows from ``seed``."""
    tf.reset_default_graph()
    tf.set_random_seed(seed)


def session(threads, device='cpu'):
    """A session on ``threads`` CPU threads; with one, the order of every sum is fixed.

    device: 'cpu', which uses no GPU, or 'gpu', which takes its memory as needed. Raises RunError where
    TensorFlow sees no GPU.
    """
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1,
                            device_count={'GPU': 0 if device == 'cpu' else 1})
    config.gpu_options.allow_growth = True
    sess = tf.Session(config=config)
    if device == 'gpu' and not any(each.device_type == 'GPU' for each in sess.list_devices()):
        raise RunError('TensorFlow sees no GPU here; use --device cpu, or a TensorFlow that is made for GPUs')
    return sess


def image_bytes(image_shape):
    """A placeholder for images uint8 [B, *image_shape] in 0..255, and the same as a network sees them.

    The second is float32 in [0, 1].
    """
    pixels = tf.placeholder(tf.uint8, [None, *image_shape])
    return pixels, tf.cast(pixels, tf.float32) / PIXEL_MAX


def in_batches(sess, output, placeholder, values, batch_size=IN_USE['cpu']):
    """``output`` for every row of ``values`` [N, ...], fed in blocks, which large rows make smaller."""
    batch_size = max(1, min(batch_size, batch_size * COLOUR // values[0].size))
    return np.concatenate([sess.run(output, {placeholder: values[start:start + batch_size]})
                           for start in range(0, len(values), batch_size)])


def answers_of(network, images, threads=1, device='cpu'):
    """The logits of images uint8 [N, *network.image_shape] in 0..255: float32 [N, classes].

    They come from a graph of their own. network: a TrainedNetwork or a ForeignNetwork.
    """
    new_graph(seed=0)
    pixels, seen = image_bytes(network.image_shape)
    logits = network.logits(seen)
    with session(threads, device) as sess:
        network.restore(sess)
        return in_batches(sess, logits, pixels, images, IN_USE[device])


def values_of(sess, variables):
    """{variable name: array}."""
    return {v.op.name: sess.run(v) for v in variables}


def run_in_eager_mode(module, *arguments):
    """Runs a module of this project in a process with TensorFlow 2's own ways, which are off here.

    Returns the last line that it says on stderr where it fails, else None.
    """
    places = os.pathsep.join(filter(None, [REPOSITORY, os.environ.get('PYTHONPATH')]))
    child = subprocess.run([sys.executable, '-m', module, *arguments], cwd=REPOSITORY,
                           env=dict(os.environ, PYTHONPATH=places, CUDA_VISIBLE_DEVICES=''),
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.decode(errors='replace').strip()
    if child.returncode and os.environ.get(DEBUG):
        print(said, file=sys.stderr)
    return (said.split('\n')[-1] or 'exit status %d' % child.returncode) if child.returncode else None
