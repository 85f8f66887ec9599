"""The search for data impressions: gradient descent on a teacher's input (Nayak et al., ICML 2019, section 3.3)."""
import numpy as np
import tensorflow.compat.v1 as tf

from nets.lenet import build_lenet
from nets.losses import impression_loss
from nets.similarity import class_similarity, dirichlet_targets
from utils.console import Progress
from utils.files import RunError
from utils.matfile import load_mat
from utils.schedule import learning_rate
from utils.session import new_graph, restore, session
from utils.transfer_set import to_bytes


def data_impressions(teacher, size, settings, rng, what):
    """``size`` data impressions of a teacher: (images uint8 [size, 32, 32, 1] in 0..255, their targets [size, 10]).

    teacher: path of its weights; settings: a Namespace with the hyper-parameters of utils/recipes.py, seed and threads;
    rng a numpy RandomState; what: the word for them in the progress. Raises RunError where they become NaN.
    """
    fc2 = load_mat(teacher, {'Teacher/fc2/weights': [84, 10]})['Teacher/fc2/weights']
    targets = dirichlet_targets(class_similarity(fc2), size, settings.betas, rng)
    return to_bytes(synthesise(teacher, targets, settings, rng, what)), targets


def synthesise(teacher, targets, settings, rng, what):
    """One impression for each soft target, from N(0, 1) noise by Adam: float32 [N, 32, 32, 1] in [0, 1].

    targets [N, 10], rows sum to 1; the rest as above. Every impression is independent of the others, and Adam starts
    anew for every batch.
    """
    blocks = -(-len(targets) // settings.batch_size)
    size = -(-len(targets) // blocks)
    new_graph(settings.seed)
    x = tf.get_variable('impressions', [size, 32, 32, 1], trainable=False)
    noise = tf.placeholder(tf.float32, x.shape)
    y = tf.placeholder(tf.float32, [size, targets.shape[1]])
    rate = tf.placeholder(tf.float32, [])
    loss = impression_loss(x, y, build_lenet(x, 'Teacher'), settings.temperature, settings.l2)
    adam = tf.train.AdamOptimizer(rate, beta2=settings.beta2, epsilon=settings.epsilon)
    train_op = adam.minimize(loss, var_list=[x])
    start = [x.assign(noise), tf.variables_initializer(adam.variables())]
    finished = tf.clip_by_value(x, 0.0, 1.0)

    impressions = []
    with session(settings.threads) as sess, Progress(blocks * settings.iterations, what) as progress:
        restore(sess, teacher, 'Teacher')
        for block in np.array_split(targets, blocks):
            # The last blocks may be one short: the row that fills them up is not kept.
            wanted = np.resize(block, y.shape.as_list())
            initial = np.resize(rng.standard_normal(block.shape[:1] + (32, 32, 1)), x.shape.as_list())
            sess.run(start, {noise: initial})
            for i in range(settings.iterations):
                current = learning_rate(settings.learning_rate, i, settings.iterations, settings.schedule)
                value, _ = sess.run([loss, train_op], {y: wanted, rate: current})
                progress.update()
            impressions.append(sess.run(finished)[:len(block)])
            if not (np.isfinite(value) and np.isfinite(impressions[-1]).all()):
                raise RunError('the impressions became NaN; use a smaller --learning_rate')
            progress.show(loss=value / size)
    return np.concatenate(impressions)
