"""The size of a teacher's logits, measured without data: the unit in which its temperatures are stated.

Networks that others trained differ twentyfold in the size of their logits, and a recipe's temperatures suit
one size. So a teacher's logits are divided by its unit, and at the end a student's last layer is multiplied
by it: its logits are then as large as the teacher's.
"""
import numpy as np
from scipy.ndimage import gaussian_filter

from nets import PAIRS
from nets.networks import build, network_variables
from nets.priors import total_variation
from utils.files import RunError
from utils.graph_mode import new_graph, session, tf

RECIPES_SIZE = 7.86  # what ``logit_size`` gives for LeNet-5 on MNIST, which the recipes' temperatures suit
IMAGES, ITERATIONS = 50, 20
MEAN, DEVIATION = 0.5, 0.25  # of the noise to start from
BLUR, JITTER = 3, 3         # pixels
STEP, SMOOTHNESS = 0.1, 0.3  # Adam's learning rate; the weight of the total variation


def unit_of(teacher, threads, device):
    """The power of two by which a teacher's logits are larger than those that the recipes are for.

    teacher: of open_teacher. The power is rounded towards 1: the size is measured to a factor of 2 or so. The
    unit is 1 for networks of the project's own pairs, on which the recipes were chosen.
    """
    if teacher.pair and teacher.pair.name in PAIRS:
        return 1.0
    size = logit_size(teacher, threads, device)
    # Of logits that are all equal, or NaN, teachers/checks.py says so.
    return float(2 ** np.trunc(np.log2(size / RECIPES_SIZE))) if 0 < size < np.inf else 1.0


def logit_size(teacher, threads=1, device='cpu'):
    """Standard deviation of the logits over a row, a mean over images in which the teacher sees its classes.

    The images come from noise, as impressions do: Adam ascends one logit less the mean of all. Only the
    direction of its gradient counts, so a teacher with logits twice as large gives exactly twice the size.
    """
    shape, rng = [*teacher.image_shape, IMAGES], np.random.RandomState(0)
    noise = gaussian_filter(rng.standard_normal(shape), [BLUR, BLUR, 0, 0], mode='wrap')
    new_graph(seed=0)
    x = tf.get_variable('pilot', dtype=tf.float32,
                        initializer=(DEVIATION / noise.std() * noise).astype(np.float32))
    offset = tf.placeholder(tf.int32, [2])
    logits = teacher.logits(MEAN + tf.transpose(tf.roll(x, offset, [0, 1]), [3, 0, 1, 2]))
    seen = teacher.logits(tf.clip_by_value(MEAN + tf.transpose(x, [3, 0, 1, 2]), 0, 1))
    wanted = np.eye(teacher.classes, dtype=np.float32)[np.arange(IMAGES) % teacher.classes]
    gradient, = tf.gradients(tf.reduce_sum(tf.reduce_mean(logits, axis=1)
                                           - tf.reduce_sum(wanted * logits, axis=1)), x)
    length = tf.sqrt(tf.reduce_mean(tf.square(gradient), axis=[0, 1, 2]))
    smoother, = tf.gradients(total_variation(x), x)
    direction = gradient / tf.maximum(length, 1e-30) + SMOOTHNESS * smoother
    adam = tf.train.AdamOptimizer(STEP, beta2=0.9)
    ascend = adam.apply_gradients([(direction, x)])
    with session(threads, device) as sess:
        sess.run(tf.variables_initializer([x, *adam.variables()]))
        teacher.restore(sess)
        for _ in range(ITERATIONS):
            sess.run(ascend, {offset: rng.randint(-JITTER, JITTER + 1, 2)})
        return float(sess.run(seen).std(axis=1).mean())


def enlarged(weights, classes, unit):
    """The weights of a network whose logits are ``unit`` times as large: its last layer times that.

    weights: {variable name: array} of a network in the order of its layers. The last layer is the last kernel
    with a column for each of the ``classes``, and its biases, which are in its scope.
    """
    kernels = [name for name, array in weights.items() if array.ndim > 1 and array.shape[-1] == classes]
    if unit == 1 or not kernels:
        return weights
    scope = kernels[-1].rpartition('/')[0] + '/'
    last = {kernels[-1], *(name for name, array in weights.items()
                           if name.startswith(scope) and array.shape == (classes,))}
    return {name: array * array.dtype.type(unit) if name in last else array
            for name, array in weights.items()}


def check_last_layer(pair, classes, unit):
    """Raises RunError where ``enlarged`` does not make the logits of a pair's student larger by ``unit``."""
    rng, logits = np.random.RandomState(0), []
    new_graph(seed=0)
    output = build(pair, 'Student', tf.ones([1, *pair.image_shape]), classes)
    variables = network_variables('Student')
    weights = {v.op.name: rng.uniform(0.5, 1, v.shape.as_list()) / v.shape.num_elements() for v in variables}
    with session(1) as sess:
        for arrays in weights, enlarged(weights, classes, unit):
            for variable in variables:
                variable.load(arrays[variable.op.name], sess)
            logits.append(sess.run(output))
    if not np.allclose(unit * logits[0], logits[1], rtol=1e-3, atol=0):
        raise RunError("%r: its student must end in a layer with weights [..., %d], to give the teacher's "
                       "logits times %g; let nothing with weights follow it" % (pair.name, classes, unit))
