"""The search for data impressions: gradient descent on a teacher's input (Nayak et al., ICML 2019, section 3.3)."""
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from nets.lenet import build_lenet
from nets.losses import impression_loss, total_variation
from nets.similarity import class_similarity, dirichlet_targets
from utils.console import Progress
from utils.datasets import CLASSES, SIDE, to_bytes
from utils.files import RunError
from utils.graph_mode import tf
from utils.matfile import load_mat
from utils.schedule import learning_rate
from utils.session import new_graph, restore, session


def data_impressions(teacher, size, settings, rng, what):
    """``size`` data impressions of a teacher: (images uint8 [size, 32, 32, 1] in 0..255, their targets [size, 10]).

    teacher: path of its weights; settings: a Namespace with the hyper-parameters of utils/recipes.py, seed and threads;
    rng a numpy RandomState; what: the word for them in the progress. Raises RunError where they become NaN.
    """
    targets = dirichlet_targets(similarity_of(teacher), size, settings.betas, rng)
    return to_bytes(synthesise(teacher, targets, settings, rng, what)), targets


def similarity_of(teacher):
    """The class similarity [10, 10] of the teacher in a file."""
    return class_similarity(load_mat(teacher, {'Teacher/fc2/weights': [84, CLASSES]})['Teacher/fc2/weights'])


def synthesise(teacher, targets, settings, rng, what):
    """One impression for each soft target, from smooth noise by Adam: float32 [N, 32, 32, 1] in [0, 1].

    targets [N, 10], rows sum to 1; the rest as above. Every impression is independent of the others, and Adam starts
    anew for every batch. In each iteration the teacher sees all of them moved by the same random number of pixels
    ("jitter": Mordvintsev et al., Inceptionism, 2015).
    """
    offsets = rng.randint(-settings.jitter, settings.jitter + 1, [settings.iterations, 2])
    blocks = -(-len(targets) // settings.batch_size)
    new_graph(settings.seed)
    graph = build_search(-(-len(targets) // blocks), settings)
    impressions = []
    with session(settings.threads) as sess, Progress(blocks * settings.iterations, what) as progress:
        restore(sess, teacher, 'Teacher')
        for block in np.array_split(targets, blocks):
            # The last blocks may be one short: the row that fills them up is not kept.
            wanted = np.resize(block, graph.targets.shape.as_list())
            noise = np.resize(smooth_noise(len(block), settings.start_blur, rng), [len(wanted), SIDE, SIDE])
            sess.run(graph.start, {graph.noise: noise})
            for i, offset in enumerate(offsets):
                current = learning_rate(settings.learning_rate, i, settings.iterations, settings.schedule)
                loss, _ = sess.run([graph.loss, graph.train_op], {
                    graph.targets: wanted, graph.offset: offset, graph.learning_rate: current})
                progress.update()
            impressions.append(sess.run(graph.images)[:len(block)])
            if not (np.isfinite(loss) and np.isfinite(impressions[-1]).all()):
                raise RunError('the impressions became NaN; use a smaller --learning_rate')
            progress.show(loss=loss / len(wanted))
    return np.concatenate(impressions)


def smooth_noise(size, blur, rng):
    """Noise whose every pixel is N(0, 1) and like those nearby: float64 [size, 32, 32].

    blur: standard deviation in pixels of the Gaussian that white noise is convolved with, the image's opposite sides
    joined; 0 leaves it white, as in the paper. rng a numpy RandomState.
    """
    noise = rng.standard_normal([size, SIDE, SIDE])
    if not blur:
        return noise
    impulse = np.zeros([SIDE, SIDE])
    impulse[0, 0] = 1
    return gaussian_filter(noise, [0, blur, blur], mode='wrap') / np.linalg.norm(gaussian_filter(impulse, blur, mode='wrap'))


class Search(NamedTuple):
    """The graph of a search for B impressions: what is fed, and what is fetched."""
    noise: tf.Tensor            # float32 [B, 32, 32], where it starts
    targets: tf.Tensor          # float32 [B, 10]
    offset: tf.Tensor           # int32 [2], rows and columns that the teacher sees the images moved by
    learning_rate: tf.Tensor    # scalar
    start: list                 # operations that begin a new search
    loss: tf.Tensor             # scalar
    train_op: tf.Operation
    images: tf.Tensor           # float32 [B, 32, 32, 1] in [0, 1], what it has come to


def build_search(batch_size, settings):
    """The Search for ``batch_size`` impressions in the default graph, beside the variables of a teacher."""
    x = tf.get_variable('impressions', [SIDE, SIDE, batch_size], trainable=False)
    noise = tf.placeholder(tf.float32, [batch_size, SIDE, SIDE])
    targets = tf.placeholder(tf.float32, [batch_size, CLASSES])
    offset = tf.placeholder(tf.int32, [2])
    step_size = tf.placeholder(tf.float32, [])
    logits = build_lenet(images_of(moved(x, offset, settings.jitter)), 'Teacher')
    loss = impression_loss(targets, logits, settings.temperature)
    if settings.l2:
        loss += settings.l2 * tf.nn.l2_loss(x)
    if settings.total_variation:
        loss += settings.total_variation * total_variation(x)
    adam = tf.train.AdamOptimizer(step_size, beta2=settings.beta2, epsilon=settings.epsilon)
    train_op = adam.minimize(loss, var_list=[x])
    start = [x.assign(tf.transpose(noise, [1, 2, 0])), tf.variables_initializer(adam.variables())]
    return Search(noise, targets, offset, step_size, start, loss, train_op, tf.clip_by_value(images_of(x), 0.0, 1.0))


def moved(x, offset, largest):
    """x [H, W, B] moved by ``offset`` [2] rows and columns, each from -largest to largest; 0 comes in at the border."""
    if not largest:
        return x
    frame = tf.pad(x, [[largest, largest], [largest, largest], [0, 0]])
    return tf.reshape(tf.slice(frame, tf.concat([largest - offset, [0]], 0), x.shape), x.shape)


def images_of(x):
    """[H, W, B] -> [B, H, W, 1]."""
    return tf.transpose(x, [2, 0, 1])[..., None]
