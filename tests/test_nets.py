"""Networks, layers, losses, priors and class similarity against plain forms, SciPy and definitions."""
from argparse import Namespace

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow.compat.v1 as tf

from nets import PAIRS
from nets.layers import STATISTICS, batch_norm, conv, dense, dropout, local_response_norm, pool
from nets.losses import class_similarity, dirichlet_targets, distillation_loss, impression_loss, l2_penalty
from nets.networks import build, find_pair, fitted, network_variables, variable_shapes
from nets.priors import batch_norm as batch_norm_prior
from nets.priors import total_variation
from utils.files import RunError
from utils.graph_mode import image_bytes, in_batches, new_graph, session, values_of

LENET, ALEXNET = find_pair('lenet'), find_pair('alexnet')
ROLES = ['Teacher', 'Student']


# The networks.

LAYERS = {'lenet': ['conv0', 'conv1', 'fc0', 'fc1', 'fc2'],
          'alexnet': ['conv0', 'conv1', 'conv2', 'conv3', 'conv4', 'fc0', 'fc1', 'fc2']}


@pytest.mark.parametrize('pair, role, count, kernels', [
    (LENET, 'Teacher', 61706, [5, 5, 1, 6]), (LENET, 'Student', 35820, [5, 5, 1, 3]),
    (ALEXNET, 'Teacher', 1659178, [5, 5, 3, 48]), (ALEXNET, 'Student', 417434, [5, 5, 3, 24])])
def test_parameters_and_names(pair, role, count, kernels):
    new_graph(0)
    logits = build(pair, role, tf.zeros([7, *pair.image_shape]), 10)
    assert logits.shape.as_list() == [7, 10]
    names = ['%s/%s' % (layer, kind) for kind in ('weights', 'biases') for layer in LAYERS[pair.name]]
    if pair is ALEXNET:
        names += ['norm%d/%s' % (layer, kind) for layer in range(7)
                  for kind in ('scale', 'offset', 'moving_mean', 'moving_variance')]
    shapes = {v.op.name: v.shape.as_list() for v in network_variables(role)}
    assert sorted(shapes) == sorted('%s/%s' % (role, name) for name in names)
    assert sum(np.prod(v.shape.as_list()) for v in tf.trainable_variables(role + '/')) == count
    assert shapes[role + '/conv0/weights'] == kernels
    assert shapes == variable_shapes(pair, role, 10)


@pytest.mark.parametrize('role', ROLES)
@pytest.mark.parametrize('pair, batch', [(LENET, 1), (LENET, 13), (ALEXNET, 2)] + [
    (LENET._replace(image_shape=shape), 3) for shape in ((28, 28, 1), (28, 32, 1), (30, 30, 1), (28, 28, 3))])
def test_fast_form_equals_plain_form(pair, role, batch):
    """Of the same variables. The fast one is for square grey images whose sides stay even."""
    new_graph(3)
    x = tf.placeholder(tf.float32, [None, *pair.image_shape])
    labels = np.arange(batch) % 10
    gradients = []
    values = []
    for logits in (build(pair, role, x, 10), build(pair, role, x, 10, plain=True)):
        loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
        values.append(logits)
        gradients.append(tf.gradients(loss, tf.trainable_variables() + [x]))
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        feed = {x: np.random.RandomState(0).rand(batch, *pair.image_shape)}
        (fast, plain), (fast_gradients, plain_gradients) = sess.run([values, gradients], feed)
    np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-5)
    for a, b in zip(fast_gradients, plain_gradients):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * max(1, np.abs(b).max()))


# Losses, priors, class similarity.

@pytest.mark.parametrize('pair', [LENET, ALEXNET], ids=PAIRS)
def test_weight_decay_counts_weights_not_biases_nor_batch_norm(pair):
    new_graph(0)
    for role in ROLES:
        build(pair, role, tf.zeros([1, *pair.image_shape]), 10)
    penalty = l2_penalty('Student')
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        expected = sum((array.astype(np.float64) ** 2).sum() / 2
                       for name, array in values_of(sess, network_variables('Student')).items()
                       if name.endswith('weights'))
        sess.run([v.assign(v + 7) for v in tf.global_variables() if not v.op.name.endswith('weights')])
        assert sess.run(penalty) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('temperature', [1.0, 20.0])
def test_distillation_loss_is_scipys_kl(temperature):
    rng = np.random.RandomState(0)
    student, teacher = rng.standard_normal((2, 16, 10)) * 30
    expected = scipy.stats.entropy(scipy.special.softmax(teacher / temperature, axis=1).T,
                                   scipy.special.softmax(student / temperature, axis=1).T).mean()
    student, teacher = tf.constant(student), tf.constant(teacher)
    loss = distillation_loss(student, teacher, temperature)
    with session(1) as sess:
        assert sess.run(loss) == pytest.approx(expected, rel=1e-9)
        assert sess.run(distillation_loss(teacher, teacher, temperature)) == pytest.approx(0, abs=1e-12)
        # d KL / d student logits = (softmax(s / T) - softmax(t / T)) / T / B; none for the teacher
        gradient = sess.run(tf.gradients(loss, student)[0])
        s, t = sess.run([tf.nn.softmax(student / temperature), tf.nn.softmax(teacher / temperature)])
    np.testing.assert_allclose(gradient, (s - t) / temperature / 16, atol=1e-12)
    assert tf.gradients(loss, teacher) == [None]


def test_impression_loss_against_scipy_and_independent_of_the_batch():
    rng = np.random.RandomState(0)
    logits, targets = 40 * rng.standard_normal((6, 10)), rng.dirichlet(np.ones(10), 6)
    log_softmax = logits / 20 - scipy.special.logsumexp(logits / 20, axis=1, keepdims=True)
    expected = -(targets * log_softmax).sum(axis=1)

    def value(rows):
        return impression_loss(tf.constant(targets[rows]), tf.constant(logits[rows]), 20.0)

    with session(1) as sess:
        assert sess.run(value(slice(0, 6))) == pytest.approx(expected.sum(), rel=1e-9)
        assert sess.run(value(slice(2, 3))) == pytest.approx(expected[2], rel=1e-9)


def test_batch_norm_prior_by_definition(monkeypatch):
    """It compares what every batch norm of the teacher sees with what it holds."""
    rng = np.random.RandomState(0)
    features, logits = rng.standard_normal((2, 6, 5, 4, 3)), rng.standard_normal((6, 2))
    mean, variance = rng.standard_normal(3), rng.uniform(1e-3, 1, 3)
    new_graph(0)
    for x, name in ((features[0], 'first'), (features[1], 'second'), (logits, 'third')):
        batch_norm(tf.constant(x, tf.float32), name, False)
    held = {'first': (mean, variance), 'second': (-mean, variance), 'third': (mean[:2], variance[:2])}

    def distance(rows):
        return sum(
            ((x[rows].mean(axis=axes) - held[name][0]) ** 2 / (held[name][1] + 1e-3)
              + ((x[rows].var(axis=axes) - held[name][1]) / (held[name][1] + 1e-3)) ** 2).mean()
            for x, name, axes in ((features[0], 'first', (0, 1, 2)), (features[1], 'second', (0, 1, 2)),
                                  (logits, 'third', 0)))

    found = [batch_norm_prior(tf.zeros([9, 9, 3, 6]), groups) for groups in (1, 2)]
    monkeypatch.setattr('nets.priors.NORMS', 2)
    found.append(batch_norm_prior(tf.zeros([9, 9, 3, 6])))
    whole = distance(slice(6))
    expected = [whole, (distance(slice(3)) + distance(slice(3, 6))) / 2, whole * 2 / 3]
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        for v in tf.global_variables():
            name, kind = v.op.name.split('/')
            if kind.startswith('moving'):
                v.load(held[name][kind == 'moving_variance'], sess)
        np.testing.assert_allclose(sess.run(found), 6 * np.array(expected), rtol=1e-4)


def test_batch_norm_prior_expects_what_has_not_been_dropped():
    """Where a batch norm follows a dropout, what it holds after a training fits values without it."""
    values = np.random.RandomState(0).gamma(2.0, size=(20000, 3)).astype(np.float32)
    new_graph(0)
    x = tf.constant(values)
    with tf.variable_scope('Teacher', reuse=tf.AUTO_REUSE):
        batch_norm(dropout(x, 'fc0', 0.5, True), 'norm', True)
        batch_norm(dropout(x, 'fc0', 0.5, False), 'norm', False, 0.5)
    (_, mean, variance), = tf.get_collection(STATISTICS)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(800):
            sess.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        np.testing.assert_allclose(sess.run(mean), values.mean(axis=0), rtol=0.02)
        np.testing.assert_allclose(sess.run(variance), values.var(axis=0), rtol=0.05)


def test_batch_norm_prior_needs_batch_norm():
    new_graph(0)
    build(LENET, 'Teacher', tf.zeros([2, 32, 32, 1]), 10)
    with pytest.raises(RunError, match='no batch norm'):
        batch_norm_prior(tf.zeros([32, 32, 1, 2]))


def test_total_variation_and_its_gradient_against_the_stock_operation():
    x = tf.constant(np.random.RandomState(0).standard_normal((5, 7, 2, 3)))
    black_around = [[0, 0], [1, 1], [1, 1], [0, 0]]
    images = tf.pad(tf.transpose(x, [3, 0, 1, 2]), black_around)
    ours, stock = 2 * total_variation(x), 2 * tf.reduce_sum(tf.image.total_variation(images))
    with session(1) as sess:
        np.testing.assert_allclose(*sess.run([ours, stock]), rtol=1e-12)
        gradients = sess.run([tf.gradients(ours, x)[0], tf.gradients(stock, x)[0]])
        np.testing.assert_allclose(*gradients, atol=1e-9)
        assert (sess.run(tf.gradients(total_variation(0 * x), x)[0]) == 0).all()


def test_class_similarity_against_the_definition():
    fc2 = np.random.RandomState(0).standard_normal((84, 10)).astype(np.float32)
    similarity = class_similarity(fc2)
    lengths = np.linalg.norm(fc2, axis=0)
    for k in range(10):
        cosine = [fc2[:, k] @ fc2[:, j] / lengths[k] / lengths[j] for j in range(10)]
        low, high = min(cosine), max(cosine)
        np.testing.assert_allclose(similarity[k], (cosine - low) / (high - low), atol=1e-5)
    np.testing.assert_allclose(np.diag(similarity), 1)
    np.testing.assert_allclose(class_similarity(fc2 * np.arange(1, 11)), similarity, atol=1e-9)


@pytest.mark.parametrize('beta', [1e-4, 1e-3, 0.02, 1e6])
def test_targets_of_extreme_scales(beta):
    """Gamma(a) of a small a underflows. The mean of a Dirichlet is its concentration over the sum of it."""
    similarity = class_similarity(np.random.RandomState(0).standard_normal((84, 10)))
    targets = dirichlet_targets(similarity, 60000, [beta], np.random.RandomState(0))
    assert np.abs(targets.sum(axis=1) - 1).max() < 1e-6
    means = targets.reshape(6000, 10, 10).mean(axis=0)
    assert np.abs(means - similarity / similarity.sum(axis=1, keepdims=True)).max() < 0.025


def test_targets_are_dirichlet():
    similarity = np.random.RandomState(0).uniform(0, 1, (10, 10))
    np.fill_diagonal(similarity, 1)
    similarity[:, 3] = 0
    count = 40000
    targets = dirichlet_targets(similarity, count, [0.1, 1.0], np.random.RandomState(0))
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
    assert targets.min() >= 0 and np.isfinite(targets).all()
    for k in range(10):
        for i, beta in enumerate((0.1, 1.0)):
            drawn = targets[np.arange(count) % 20 == k + 10 * i]
            assert len(drawn) == count // 20
            a = np.maximum(beta * similarity[k], 1e-8)
            mean = a / a.sum()
            np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.04)
            np.testing.assert_allclose(drawn.var(axis=0), mean * (1 - mean) / (a.sum() + 1), atol=0.02)


def test_targets_of_many_classes_are_as_clear_as_of_ten():
    """Unscaled, the largest value of a target would be 0.81 of ten classes, 0.12 of five hundred."""
    rng = np.random.RandomState(0)
    largest = [dirichlet_targets(class_similarity(rng.standard_normal((128, classes))), 20000, [0.1, 1.0],
                                 rng).max(axis=1).mean() for classes in (10, 100, 500)]
    assert max(largest) - min(largest) < 0.15


@pytest.mark.parametrize('count', [1, 33, 600])
def test_targets_are_shared_out_evenly(count):
    """With C = 1 the class is certain: what does not divide evenly goes to the first classes."""
    targets = dirichlet_targets(np.eye(10), count, [0.1, 1.0], np.random.RandomState(0))
    assert targets.shape == (count, 10) and targets.dtype == np.float32
    np.testing.assert_array_equal(targets.argmax(axis=1), np.arange(count) % 10)


def test_networks_see_bytes_as_0_to_1():
    new_graph(0)
    pixels, seen = image_bytes((32, 32, 1))
    images = np.arange(4 * 1024).astype(np.uint8).reshape(4, 32, 32, 1)
    with session(1) as sess:
        np.testing.assert_allclose(sess.run(seen, {pixels: images}), images / 255, rtol=1e-6)
        in_two = in_batches(sess, seen, pixels, images, batch_size=3)
        np.testing.assert_allclose(in_two, images / 255, rtol=1e-6)


def test_large_images_go_through_a_network_in_smaller_blocks():
    seen = []
    sess = Namespace(run=lambda _, feed: seen.append(len(feed['pixels'])) or feed['pixels'])
    in_batches(sess, None, 'pixels', np.zeros((5, 64, 64, 3)), batch_size=8)
    assert seen == [2, 2, 1]


# Layers.

def test_convolution_pooling_and_dense_layers_by_definition():
    rng = np.random.RandomState(0)
    images = rng.standard_normal((2, 8, 7, 3)).astype(np.float32)
    new_graph(0)
    convolved = conv(tf.constant(images), 'conv', 4, 5, bias=0.5, deviation=0.3)
    pooled, flat = pool(tf.constant(images)), images.reshape(2, -1)
    connected = dense(tf.constant(flat), 'fc', 6, deviation=0.2)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        convolved, pooled, connected = sess.run([convolved, pooled, connected])
        values = values_of(sess, tf.global_variables())
    assert (values['conv/biases'] == 0.5).all() and (values['fc/biases'] == 0).all()
    assert values['conv/weights'].std() == pytest.approx(0.3, rel=0.2)
    assert values['fc/weights'].std() == pytest.approx(0.2, rel=0.1)
    framed = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], 'constant')
    expected = [[[np.einsum('hwi,hwio->o', framed[n, y:y + 5, x:x + 5], values['conv/weights']) + 0.5
                  for x in range(7)] for y in range(8)] for n in range(2)]
    np.testing.assert_allclose(convolved, np.maximum(expected, 0), rtol=1e-4, atol=1e-5)
    expected = [[images[:, y:y + 3, x:x + 3].max(axis=(1, 2)) for x in (0, 2, 4)] for y in (0, 2, 4)]
    np.testing.assert_array_equal(pooled, np.transpose(expected, [2, 0, 1, 3]))
    np.testing.assert_allclose(connected, flat @ values['fc/weights'], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('plain', [False, True])
def test_local_response_norm_by_definition(plain):
    """x / (1 + 1e-4 * the sum of squares of the channel and the two on either side) ^ 0.75."""
    images = 300 * np.random.RandomState(0).standard_normal((2, 3, 4, 9)).astype(np.float32)
    squares = np.pad(images.astype(np.float64) ** 2, [(0, 0)] * 3 + [(2, 2)], 'constant')
    sums = sum(squares[..., shift:shift + 9] for shift in range(5))
    with session(1) as sess:
        found = sess.run(local_response_norm(tf.constant(images), plain))
    np.testing.assert_allclose(found, images / (1 + 1e-4 * sums) ** 0.75, rtol=1e-4)


@pytest.mark.parametrize('shape', [(6, 5, 4, 3), (8, 3)], ids=['images', 'features'])
def test_batch_norm_by_definition(shape):
    """In training the batch decides, and moves the averages by a hundredth; in use the averages do."""
    rng = np.random.RandomState(0)
    batch, axes = 4 + 3 * rng.standard_normal(shape), tuple(range(len(shape) - 1))
    mean, variance, count = batch.mean(axis=axes), batch.var(axis=axes), batch[..., 0].size
    new_graph(0)
    x = tf.placeholder(tf.float32, [None, *shape[1:]])
    with tf.variable_scope('Teacher', reuse=tf.AUTO_REUSE):
        in_training = batch_norm(x, 'norm', True)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        in_use = batch_norm(x, 'norm', False)
    assert len(updates) == len(tf.get_collection(tf.GraphKeys.UPDATE_OPS)) == 2
    assert {v.op.name for v in tf.trainable_variables()} == {'Teacher/norm/scale', 'Teacher/norm/offset'}
    scale, offset = tf.trainable_variables()
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        scale.load([1, 2, 3], sess)
        offset.load([0, 5, -5], sess)
        feed = {x: batch}
        expected = (batch - mean) / np.sqrt(variance + 1e-3) * [1, 2, 3] + [0, 5, -5]
        np.testing.assert_allclose(sess.run(in_training, feed), expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(sess.run(in_use, feed), batch / np.sqrt(1.001) * [1, 2, 3] + [0, 5, -5],
                                   rtol=1e-4, atol=1e-4)
        start = values_of(sess, network_variables('Teacher'))
        assert not start['Teacher/norm/moving_mean'].any()
        assert (start['Teacher/norm/moving_variance'] == 1).all()
        for step in (1, 2):
            sess.run([in_training, updates], feed)
            moved = values_of(sess, network_variables('Teacher'))
            left = 0.99 ** step
            np.testing.assert_allclose(moved['Teacher/norm/moving_mean'], (1 - left) * mean, rtol=1e-4)
            # The variance of all images is estimated, so its average is over count - 1.
            np.testing.assert_allclose(moved['Teacher/norm/moving_variance'],
                                       left + (1 - left) * variance * count / (count - 1), rtol=1e-4)
        answers = sess.run(in_use, feed)
        after = values_of(sess, network_variables('Teacher'))
        assert all(np.array_equal(after[name], moved[name]) for name in moved)
    deviation = np.sqrt(moved['Teacher/norm/moving_variance'] + 1e-3)
    expected = (batch - moved['Teacher/norm/moving_mean']) / deviation * [1, 2, 3] + [0, 5, -5]
    np.testing.assert_allclose(answers, expected, rtol=1e-3, atol=1e-4)


def dropped(seed, step, name='fc0', rate=0.3, training=True):
    """What dropout makes of 40,000 sevens in that step, in a graph of that seed, and the sum's gradient."""
    new_graph(seed)
    x = tf.constant(7.0, shape=[200, 200])
    with tf.variable_scope('Student', reuse=tf.AUTO_REUSE):
        y = dropout(x, name, rate, training)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        if training:
            tf.train.get_global_step().load(step, sess)
        return sess.run([y, tf.gradients(y, x)[0]])


@pytest.mark.parametrize('rate', [0.3, 0.5])
def test_dropout_drops_a_share_and_scales_the_rest(rate):
    values, gradient = dropped(0, 0, rate=rate)
    kept = values != 0
    assert kept.mean() == pytest.approx(1 - rate, abs=0.01)
    assert kept.mean(axis=0) == pytest.approx(np.full(200, 1 - rate), abs=0.15), 'in every column'
    np.testing.assert_allclose(values[kept], 7 / (1 - rate), rtol=1e-6)
    np.testing.assert_allclose(gradient, kept / (1 - rate), rtol=1e-6)


def test_what_is_dropped_follows_from_seed_name_and_step():
    """A training that goes on at a step draws what it would have drawn there."""
    first = dropped(3, 5)[0]
    np.testing.assert_array_equal(dropped(3, 5)[0], first)
    for other in (dropped(4, 5), dropped(3, 6), dropped(3, 5, name='fc1')):
        assert np.mean((other[0] == 0) == (first == 0)) == pytest.approx(0.3 ** 2 + 0.7 ** 2, abs=0.02)


def test_every_step_of_a_training_drops_others():
    new_graph(0)
    x = tf.ones([50, 50])
    with tf.variable_scope('Student', reuse=tf.AUTO_REUSE):
        weight = tf.get_variable('weight', [], initializer=tf.ones_initializer())
        y = dropout(weight * x, 'fc0', 0.5, True)
    step = tf.train.GradientDescentOptimizer(0.0).minimize(tf.reduce_sum(y), tf.train.get_global_step())
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        masks = [sess.run([y, step])[0] == 0 for _ in range(4)]
    assert len({mask.tobytes() for mask in masks}) == 4
    assert network_variables('Student') == [weight], 'the step is no network\'s'


@pytest.mark.parametrize('pair, channels', [(LENET, 3), (ALEXNET, 1)])
def test_a_student_for_images_of_other_shapes(pair, channels):
    """From the smallest side that its layers allow; a pixel less is a line, as is a pixel more than 128."""
    smallest = pair.module.SMALLEST_SIDE
    for shape in ((smallest, smallest + 5, channels), (28, 28, 1)):
        assert fitted(pair, shape, 7).image_shape == shape
    with pytest.raises(ValueError):
        variable_shapes(pair._replace(image_shape=(smallest - 1, 40, channels)), 'Student', 7)
    for side in (smallest - 1, 129):
        with pytest.raises(RunError, match='takes images of %d to 128 pixels a side, not' % smallest):
            fitted(pair, (40, side, channels), 7)
