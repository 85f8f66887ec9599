"""The networks, the fast convolution, the losses and class similarity against textbook forms, SciPy and definitions."""
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow.compat.v1 as tf

from nets.fast_conv import conv_relu_pool
from nets.lenet import build_lenet
from nets.losses import distillation_loss, impression_loss, l2_penalty, total_variation
from nets.similarity import class_similarity, dirichlet_targets
from plain_form import plain_conv_relu_pool, plain_lenet
from utils.matfile import load_any
from utils.session import image_bytes, in_batches, new_graph, restore, session, weights


@pytest.mark.parametrize('scope, count', [('Teacher', 61706), ('Student', 35820)])
def test_parameters_and_names(scope, count):
    new_graph(0)
    logits = build_lenet(tf.zeros([7, 32, 32, 1]), scope)
    variables = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}
    assert logits.shape.as_list()[-1] == 10
    assert sorted(variables) == sorted('%s/%s/%s' % (scope, layer, kind) for kind in ('weights', 'biases')
                                       for layer in ('conv0', 'conv1', 'fc0', 'fc1', 'fc2'))
    assert sum(np.prod(shape) for shape in variables.values()) == count
    assert variables[scope + '/conv0/weights'][:3] == [5, 5, 1]
    assert variables[scope + '/fc2/weights'] == [84, 10]


def test_unknown_network():
    with pytest.raises(KeyError):
        build_lenet(tf.zeros([1, 32, 32, 1]), 'Lecturer')


@pytest.mark.parametrize('scope', ['Teacher', 'Student'])
@pytest.mark.parametrize('batch', [1, 13])
def test_fast_form_equals_plain_form(scope, batch):
    new_graph(3)
    x = tf.placeholder(tf.float32, [None, 32, 32, 1])
    labels = np.arange(batch) % 10
    gradients = []
    values = []
    for logits in (build_lenet(x, scope), plain_lenet(x, scope)):
        loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
        values.append(logits)
        gradients.append(tf.gradients(loss, tf.trainable_variables() + [x]))
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        feed = {x: np.random.RandomState(0).rand(batch, 32, 32, 1)}
        (fast, plain), (fast_gradients, plain_gradients) = sess.run([values, gradients], feed)
    np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-5)
    for a, b in zip(fast_gradients, plain_gradients):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * max(1, np.abs(b).max()))


@pytest.mark.parametrize('channels, kernels, side', [(1, 3, 32), (1, 6, 32), (3, 8, 14), (6, 16, 14)])
def test_convolution_is_exact_in_float64(channels, kernels, side):
    rng = np.random.RandomState(1)
    new_graph(0)
    x = tf.constant(rng.standard_normal((5, side, side, channels)))
    w, b = tf.constant(rng.standard_normal((5, 5, channels, kernels))), tf.constant(rng.standard_normal(kernels))
    rows = tf.reshape(tf.transpose(x, [3, 1, 2, 0]), [channels * side ** 2, -1])
    pooled = side // 2 - 2
    fast = tf.transpose(tf.reshape(conv_relu_pool(rows, w, b), [kernels, pooled, pooled, -1]), [3, 1, 2, 0])
    plain = plain_conv_relu_pool(x, w, b)
    upstream = rng.standard_normal(plain.shape.as_list())
    with session(1) as sess:
        results = sess.run([[y] + tf.gradients(y, [x, w, b], upstream) for y in (fast, plain)])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-11)


def test_weight_decay_counts_weights_not_biases():
    new_graph(0)
    build_lenet(tf.zeros([1, 32, 32, 1]), 'Student')
    build_lenet(tf.zeros([1, 32, 32, 1]), 'Teacher')
    penalty = l2_penalty('Student')
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        expected = sum((array.astype(np.float64) ** 2).sum() / 2
                       for name, array in weights(sess, 'Student').items() if name.endswith('weights'))
        sess.run([v.assign(v + 7) for v in tf.trainable_variables() if v.op.name.endswith('biases')])
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


def test_total_variation_and_its_gradient_against_the_stock_operation():
    x = tf.constant(np.random.RandomState(0).standard_normal((5, 7, 3)))
    images = tf.pad(tf.transpose(x, [2, 0, 1])[..., None], [[0, 0], [1, 1], [1, 1], [0, 0]])  # black beyond the border
    ours, stock = 2 * total_variation(x), 2 * tf.reduce_sum(tf.image.total_variation(images))
    with session(1) as sess:
        np.testing.assert_allclose(*sess.run([ours, stock]), rtol=1e-12)
        np.testing.assert_allclose(*sess.run([tf.gradients(ours, x)[0], tf.gradients(stock, x)[0]]), atol=1e-9)
        assert (sess.run(tf.gradients(total_variation(0 * x), x)[0]) == 0).all()


def test_class_similarity_against_the_definition():
    fc2 = np.random.RandomState(0).standard_normal((84, 10)).astype(np.float32)
    similarity = class_similarity(fc2)
    for k in range(10):
        cosine = [fc2[:, k] @ fc2[:, j] / np.linalg.norm(fc2[:, k]) / np.linalg.norm(fc2[:, j]) for j in range(10)]
        low, high = min(cosine), max(cosine)
        np.testing.assert_allclose(similarity[k], (cosine - low) / (high - low), atol=1e-5)
    np.testing.assert_allclose(np.diag(similarity), 1)
    np.testing.assert_allclose(class_similarity(fc2 * np.arange(1, 11)), similarity, atol=1e-9)


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


@pytest.mark.parametrize('count', [1, 33, 600])
def test_targets_are_shared_out_evenly(count):
    """With C = 1 the class is certain: what does not divide evenly goes to the first classes."""
    targets = dirichlet_targets(np.eye(10), count, [0.1, 1.0], np.random.RandomState(0))
    assert targets.shape == (count, 10) and targets.dtype == np.float32
    np.testing.assert_array_equal(targets.argmax(axis=1), np.arange(count) % 10)


def test_networks_see_bytes_as_0_to_1():
    new_graph(0)
    pixels, seen = image_bytes()
    images = np.arange(4 * 1024).astype(np.uint8).reshape(4, 32, 32, 1)
    with session(1) as sess:
        np.testing.assert_allclose(sess.run(seen, {pixels: images}), images / 255, rtol=1e-6)
        np.testing.assert_allclose(in_batches(sess, seen, pixels, images, batch_size=3), images / 255, rtol=1e-6)


def test_weights_are_those_of_the_file(teacher):
    expected = load_any(teacher)
    new_graph(0)
    build_lenet(tf.zeros([1, 32, 32, 1]), 'Teacher')
    with session(1) as sess:
        restore(sess, teacher, 'Teacher')
        restored = weights(sess, 'Teacher')
    assert set(restored) == set(expected) and len(restored) == 10
    for name, array in restored.items():
        np.testing.assert_array_equal(array, expected[name].reshape(array.shape))
