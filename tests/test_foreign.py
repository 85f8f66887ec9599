"""Teachers that are a graph of their own: what is found in it, what is refused, and a student of one."""
import os
import re
import shutil

import numpy as np
import pytest
from conftest import run_script
from documents import read, snippets
from scipy.special import softmax
from test_teachers import python_blocks

import Data_Impressions
import train_w_distill
import visualization
from export.source import network_of
from nets.layers import STATISTICS
from nets.losses import class_similarity
from nets.networks import build as build_network
from nets.networks import find_pair
from teachers.foreign import ForeignNetwork
from teachers.formats import TeacherOptions
from teachers.kind import TeacherKind
from teachers.trained import AS_READ, TrainedNetwork, open_teacher
from utils.data.datasets import open_dataset
from utils.data.impressions import load_impressions
from utils.files import RunError, load_json
from utils.graph_mode import TF1, new_graph, session, tf
from utils.records.inputs import student_pair
from utils.records.layout import synthesis_files
from utils.settings.flags import synthesis_flags, teacher_kind, with_nets

SHAPE = 8, 8, 3
IMAGES = np.random.RandomState(1).randint(0, 256, (3,) + SHAPE).astype(np.uint8)
RNG = np.random.RandomState(0)
KERNEL = RNG.standard_normal((3, 3, 3, 4)).astype(np.float32)
MATRIX = RNG.standard_normal((4 * 36, 5)).astype(np.float32)
BIAS = RNG.standard_normal(5).astype(np.float32)
MATRIX2 = RNG.standard_normal((192, 5)).astype(np.float32)
FEW, STUDENT = snippets(read('docs', 'teachers.md'))


def features(images):
    """[B, 144] with a batch norm as it is in use."""
    x = tf.nn.conv2d(images, tf.constant(KERNEL), [1, 1, 1, 1], 'VALID')
    x = tf.nn.batch_normalization(x, tf.constant(np.float32(0.5)), 2.0, 0.1, 1.5, 1e-3)
    return tf.reshape(tf.nn.relu(x), [-1, 144])


def dense(x, matrix=MATRIX):
    return tf.nn.bias_add(tf.matmul(x, tf.constant(matrix)), tf.constant(BIAS), name='logits')


def images_of(shape=SHAPE, dtype=tf.float32):
    return tf.placeholder(dtype, [None, *shape], name='images')


@pytest.fixture
def saved(tmp_path):
    """A function that saves the graph that ``build()`` makes as a frozen graph, and opens it as a teacher."""
    def save_and_open(build, options=AS_READ):
        new_graph(0)
        build()
        path = tmp_path / 'teacher.pb'
        path.write_bytes(tf.get_default_graph().as_graph_def().SerializeToString())
        return open_teacher(str(path), find_pair('lenet'), options)
    return save_and_open


def expected(images):
    new_graph(0)
    with session(1) as sess:
        return sess.run(dense(features(tf.constant(images, tf.float32))))


ENDINGS = {
    'logits': lambda logits: logits,
    'passed on': lambda logits: tf.identity(tf.identity(logits)),
    'softmax': lambda logits: tf.nn.softmax(logits),
    'classes and probabilities': lambda logits: (tf.argmax(logits, 1), tf.nn.softmax(logits)),
    'log softmax': lambda logits: tf.identity(tf.nn.log_softmax(logits)),
    'ReLU': lambda logits: tf.nn.relu(logits),
    'number of a class': lambda logits: (tf.expand_dims(tf.argmax(logits, 1), 1), tf.identity(logits)),
}


@pytest.mark.parametrize('ending', ENDINGS)
def test_logits_and_templates_are_found(saved, ending, capsys):
    teacher = saved(lambda: ENDINGS[ending](dense(features(images_of()))))
    assert isinstance(teacher, ForeignNetwork) and (teacher.image_shape, teacher.classes) == (SHAPE, 5)
    np.testing.assert_array_equal(teacher.templates, MATRIX)
    np.testing.assert_allclose(teacher.answers(IMAGES), expected(IMAGES / 255), rtol=1e-4, atol=1e-4)
    said = capsys.readouterr().out
    for word in ('softmax', 'log-softmax', 'ReLU'):
        assert ('a %s in the graph' % word in said) == (
            word.replace('-', ' ') == ending or word == 'softmax' and 'prob' in ending)


@pytest.mark.parametrize('last', [
    lambda x: tf.matmul(x, tf.constant(MATRIX)),
    lambda x: tf.matmul(x, tf.constant(MATRIX.T), transpose_b=True),
    lambda x: tf.constant(BIAS) + tf.matmul(x, tf.identity(tf.constant(MATRIX)))])
def test_templates_of_products_of_other_forms(saved, last):
    np.testing.assert_array_equal(saved(lambda: last(features(images_of()))).templates, MATRIX)


def convolution_and_mean(x):
    planes = tf.nn.conv2d(tf.reshape(x, [-1, 6, 6, 4]), tf.constant(MATRIX[None, None, :4]), [1] * 4, 'VALID')
    return tf.squeeze(tf.reduce_mean(planes, [1, 2], keepdims=True), [1, 2])


@pytest.mark.parametrize('end, matrix', [
    (lambda x: tf.nn.bias_add(tf.matmul(x, MATRIX) * np.full(5, 2, np.float32), BIAS), MATRIX * 2),
    (lambda x: tf.nn.batch_normalization(tf.matmul(x, MATRIX), BIAS, np.float32(3), BIAS, 2.0, 1e-3),
     MATRIX * 2), (convolution_and_mean, np.tile(MATRIX[:4], [36, 1]))])
@pytest.mark.parametrize('ending', ['logits', 'log softmax', 'ReLU'])
def test_templates_of_other_ends(saved, end, matrix, ending):
    """They are those of the one dense layer that the end comes to; their length does not count."""
    teacher = saved(lambda: ENDINGS[ending](end(features(images_of()))))
    assert teacher.classes == 5
    np.testing.assert_allclose(class_similarity(teacher.templates), class_similarity(matrix), atol=1e-5)


def fused(x):
    four = [tf.constant(np.full(4, value, np.float32)) for value in (2.0, 0.1, 0.5, 1.5)]
    return tf.nn.fused_batch_norm(x, four[0], four[1], four[2], four[3], is_training=False)[0]


def products_and_sums(x, shape=4, offset=0.1):
    mean, variance, scale = [tf.constant(np.full(shape, value, np.float32)) for value in (0.5, 1.5, 2.0)]
    offset = offset and tf.constant(np.full(shape, offset, np.float32))
    return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)


@pytest.mark.parametrize('norm', [
    fused, products_and_sums, lambda x: products_and_sums(x, offset=None),
    lambda x: products_and_sums(x, [1, 1, 1, 4])])
def test_batch_norms_of_a_graph_are_found(saved, norm, capsys):
    """Without one, the recipe's factor is off, and a typed one stays and is an error."""
    def build(norm):
        x = tf.nn.conv2d(images_of(), tf.constant(KERNEL), [1, 1, 1, 1], 'VALID')
        dense(tf.reshape(tf.nn.relu(norm(x)), [-1, 144]))

    settings = synthesis_flags(['--Rate=1', '--dataset=none', '--nets=alexnet'])
    over_rows = saved(lambda: build(lambda x: products_and_sums(x, [1, 6, 1, 1])))
    for teacher, found in ((saved(lambda: build(norm)), True), (over_rows, False),
                           (saved(lambda: build(lambda x: x)), False)):
        new_graph(0)
        teacher.logits(tf.zeros([2, *SHAPE]))
        for _, mean, variance in tf.get_collection(STATISTICS):
            with session(1) as sess:
                np.testing.assert_allclose(np.reshape(sess.run([mean, variance]), [2, 4]),
                                           [[0.5] * 4, [1.5] * 4])
        assert len(tf.get_collection(STATISTICS)) == found
        assert (Data_Impressions.prior_factors(settings)['batch_norm'] > 0) == found
        assert ("the recipe's --batch_norm" in capsys.readouterr().out) != found
    typed = synthesis_flags(['--Rate=1', '--dataset=none', '--nets=alexnet', '--batch_norm=1'])
    assert Data_Impressions.prior_factors(typed)['batch_norm'] == 1


def test_a_linear_network_has_its_weights_as_templates(saved):
    teacher = saved(lambda: dense(tf.reshape(images_of(), [-1, 192]), MATRIX2))
    np.testing.assert_allclose(teacher.templates, MATRIX2, rtol=1e-6)


def test_images_of_three_axes_are_grey(saved):
    teacher = saved(lambda: tf.matmul(tf.reshape(images_of((12, 12)), [-1, 144]), tf.constant(MATRIX)))
    assert teacher.image_shape == (12, 12, 1)
    images = np.random.RandomState(0).randint(0, 256, (3, 12, 12, 1)).astype(np.uint8)
    np.testing.assert_allclose(teacher.answers(images), images.reshape(3, 144) / 255 @ MATRIX, rtol=1e-4)


def test_pixel_scale_per_channel(saved):
    options = TeacherOptions((0.0, 255.0), (100.0, 110.0, 120.0), (50.0, 60.0, 70.0))
    teacher = saved(lambda: dense(features(images_of())), options)
    seen = (IMAGES - np.array(options.mean)) / np.array(options.std)
    np.testing.assert_allclose(teacher.answers(IMAGES), expected(seen), rtol=1e-4, atol=1e-3)


def test_open_height_and_width_are_those_of_the_pair(saved, capsys):
    def build():
        x = tf.nn.conv2d(images_of([None, None, 1]), tf.constant(KERNEL[:, :, :1]), [1] * 4, 'SAME')
        tf.matmul(tf.reduce_mean(x, [1, 2]), tf.constant(MATRIX[:4]))
    assert saved(build).image_shape == (32, 32, 1)
    assert 'leaves the size of its images open; 32x32x1 is taken' in capsys.readouterr().out


def test_images_that_are_no_placeholder_are_named(saved):
    def build():
        images = tf.placeholder_with_default(np.zeros((1, *SHAPE), np.float32), [None, *SHAPE], name='images')
        dense(features(images))
    with pytest.raises(RunError, match='takes 0 inputs, not images alone.*--teacher_input'):
        saved(build)
    np.testing.assert_array_equal(saved(build, TeacherOptions(input='images')).templates, MATRIX)


def test_a_softmax_is_the_classifier_beside_other_ends(saved):
    def build():
        x = features(images_of())
        logits = dense(x)
        tf.nn.softmax(logits), tf.argmax(logits)
        tf.nn.sigmoid(tf.matmul(x, tf.constant(MATRIX)), name='mask')
    np.testing.assert_array_equal(saved(build).templates, MATRIX)


def test_devices_of_another_machine_do_not_count(saved):
    def build():
        with tf.device('/job:worker/gpu:7'):
            dense(features(images_of()))
    np.testing.assert_array_equal(saved(build).templates, MATRIX)


def test_input_and_logits_by_name(saved):
    def build():
        seen = tf.cast(images_of(dtype=tf.uint8), tf.float32, name='seen') * (1 / 255)
        tf.nn.sigmoid(dense(features(seen)))
    with pytest.raises(RunError, match='Sigmoid.*--teacher_logits'):
        saved(build)
    with pytest.raises(RunError, match='images:0 takes uint8.*--teacher_input seen:0 --teacher_scale 0 255'):
        saved(build, TeacherOptions(logits='logits'))
    with pytest.raises(RunError, match="no tensor 'nowhere'.*--teacher_input"):
        saved(build, TeacherOptions(input='nowhere', logits='logits'))
    teacher = saved(build, TeacherOptions((0.0, 255.0), input='seen', logits='logits:0'))
    np.testing.assert_allclose(teacher.answers(IMAGES), expected(IMAGES / 255), rtol=1e-4, atol=1e-3)


def features_and_several_tags(x):
    x = tf.nn.relu(tf.matmul(x, tf.constant(MATRIX)))
    tf.identity(x, name='features'), tf.nn.sigmoid(tf.matmul(x, tf.constant(MATRIX[:5])), name='tags')


# What comes after ``features``, and what is said of it.
ENDS = [
    (lambda x: dense(x * tf.placeholder(tf.float32, [None, 144], name='more')), 'takes 2 inputs images more'),
    (lambda x: dense(x * tf.placeholder(tf.float32, [], name='s') / 0), 'two: .*placeholder'),
    (lambda x: dense(tf.stop_gradient(x)), 'do not depend on its input'),
    (lambda x: (dense(x), tf.matmul(x, tf.constant(MATRIX), name='other')), 'found: logits:0, other:0'),
    (features_and_several_tags, 'tags is a Sigmoid of'),
    (lambda x: tf.nn.softmax(tf.reshape(tf.matmul(x, tf.constant(MATRIX[:, :4])), [-1, 2, 2])),
     'is a Softmax of Reshape'),
    (lambda x: tf.add(tf.nn.softmax(dense(x)), tf.nn.softmax(dense(-x)), name='sum') / 2,
     'are probabilities; name its logits with --teacher_logits'),
    (lambda x: dense(x, np.where(MATRIX > 2, np.float32(np.nan), MATRIX)), 'NaN'),
    (lambda x: dense(tf.math.log(x - 1)), 'NaN'),
    (lambda x: dense(x, MATRIX * (np.arange(5) != 3)), 'class 3 of the teacher has no weights'),
    (lambda x: dense(tf.nn.dropout(x, 0.5)), 'network in training'),
    (lambda x: dense(tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x * 0.9), [0, x])[1]),
     'is not differentiable')]


def batch_norm_in_training():
    x = tf.nn.conv2d(images_of(), tf.constant(KERNEL), [1, 1, 1, 1], 'VALID')
    x, _, _ = tf.nn.fused_batch_norm(x, tf.ones([4]), tf.zeros([4]), is_training=True)
    dense(tf.reshape(tf.nn.relu(x), [-1, 144]))


@pytest.mark.parametrize('build, message', [
    *((lambda end=end: end(features(images_of())), said) for end, said in ENDS),
    (lambda: tf.reduce_max(tf.nn.conv2d(images_of(), tf.constant(KERNEL), [1] * 4, 'SAME'), [1, 2],
                           name='most'), 'most is a Max.*--teacher_logits'),
    (batch_norm_in_training, 'beside another, so its batch norm is in'),
    (lambda: dense(tf.reshape(features(tf.placeholder(tf.float32, [1, *SHAPE])), [1, 144])),
     'on one image and on two'),
    (lambda: dense(features(tf.transpose(tf.placeholder(tf.float32, [None, 3, 8, 8]), [0, 2, 3, 1]))),
     'save the network with channels last')])
def test_what_cannot_teach_is_said_in_one_line(saved, build, message):
    with pytest.raises(RunError, match=message) as caught:
        saved(build)
    assert '\n' not in str(caught.value) and 'teacher.pb' in str(caught.value)


SWITCHES = {
    'keep is 1': lambda x: tf.nn.dropout(x, keep_prob=tf.placeholder(tf.float32, name='keep')),
    'drop is 0': lambda x: tf.nn.dropout(x, rate=tf.placeholder(tf.float32, [], name='drop')),
    'unscaled is 0': lambda x: x * tf.cast(
        tf.random_uniform(tf.shape(x)) >= tf.placeholder(tf.float32, [], name='unscaled'), tf.float32),
    'training is 1, or False': lambda x: tf.cond(tf.placeholder(tf.bool, name='training'),
                                                 lambda: tf.nn.dropout(x, rate=0.5), lambda: tf.identity(x))}


@pytest.mark.parametrize('said', SWITCHES)
def test_inputs_that_switch_training_off(saved, said, capsys):
    teacher = saved(lambda: dense(SWITCHES[said](features(images_of()))))
    np.testing.assert_allclose(teacher.answers(IMAGES), expected(IMAGES / 255), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(teacher.templates, MATRIX)
    assert said in capsys.readouterr().out


def test_weights_of_a_pair_beside_an_input_that_no_number_suits(tmp_path):
    new_graph(0)
    size = tf.placeholder(tf.int32, [], name='size')
    images = tf.reshape(images_of([32, 32, 1]), [size, 32, 32, 1])
    logits = build_network(find_pair('lenet'), 'Teacher', images, 10, plain=True)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        graph = tf.graph_util.convert_variables_to_constants(
            sess, tf.get_default_graph().as_graph_def(), [logits.op.name])
    (tmp_path / 'teacher.pb').write_bytes(graph.SerializeToString())
    assert open_teacher(str(tmp_path / 'teacher.pb'), find_pair('lenet')).pair


def test_a_few_images_tell_whether_a_teacher_is_read_rightly(saved, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    matrix = RNG.standard_normal((256, 5)).astype(np.float32)
    saved(lambda: dense(tf.reshape(images_of([16, 16, 1]), [-1, 256]), matrix))
    images = RNG.randint(0, 256, (40, 16, 16, 1)).astype(np.uint8)
    answers = ((images / 255 - 0.5).reshape(-1, 256) @ matrix + BIAS).argmax(axis=1)
    exec(FEW, dict(np=np, images=images, answers=answers, classes=5))
    command = '--student teacher.pb --teacher teacher.pb --dataset few.npz'.split()
    visualization.main([*command, '--teacher_mean', '0.5', '--teacher_std', '1'])
    visualization.main(command)
    right, wrong = [float(number) for number in re.findall(r'accuracy (\S+) %', capsys.readouterr().out)]
    assert right == 100 and wrong < 100


def test_the_hyper_parameters_see_flat_images_as_the_network_does(saved, tmp_path):
    path = saved(lambda: dense(images_of([192]), MATRIX2)).path
    (tmp_path / 'own.py').write_text('IMAGE_SHAPE = 12, 16, 1\n' + STUDENT)
    nets = str(tmp_path / 'own.py')
    assert teacher_kind(dict(teacher=path, dataset='none', nets=nets)) == TeacherKind(1, True, 192)
    assert open_teacher(path, find_pair(nets)).image_shape == (12, 16, 1)


def test_a_graph_that_also_reads_files(saved):
    """Its input is a text; --teacher_input names the images behind it."""
    def build():
        image = tf.image.decode_png(tf.placeholder(tf.string, [], name='file'), 3)
        images = tf.reshape(tf.cast(image, tf.float32), [-1, *SHAPE], name='images')
        dense(features(images))

    teacher = saved(build, TeacherOptions(input='images'))
    np.testing.assert_allclose(teacher.answers(IMAGES), expected(IMAGES / 255), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('units', [1, 4000])
def test_a_student_that_is_no_smaller_than_its_teacher(saved, units, capsys):
    matrix = RNG.standard_normal((256, units)).astype(np.float32)
    last = RNG.standard_normal((units, 5)).astype(np.float32)
    teacher = saved(lambda: dense(tf.nn.tanh(tf.matmul(images_of([256]), matrix)), last))
    student_pair(find_pair('lenet'), teacher)
    assert ('the student is no smaller than its teacher' in capsys.readouterr().out) == (units == 1)


def test_flat_images(saved, capsys):
    teacher = saved(lambda: dense(features(tf.reshape(images_of([192]), [-1, *SHAPE]))))
    assert teacher_kind(dict(teacher=teacher.path, dataset='none')) == TeacherKind(3, True, 192)
    np.testing.assert_allclose(teacher.answers(IMAGES), expected(IMAGES / 255), rtol=1e-4, atol=1e-4)
    assert 'flat input images is taken as images of 8x8x3' in capsys.readouterr().out
    grey = saved(lambda: dense(images_of([144])))
    assert grey.image_shape == (12, 12, 1)
    white = grey.answers(np.full([1, 12, 12, 1], 255, np.uint8))
    np.testing.assert_allclose(white, [MATRIX.sum(axis=0) + BIAS], rtol=1e-4, atol=1e-4)
    kind = teacher_kind(dict(teacher=grey.path, dataset='none', nets='lenet'))
    assert kind == TeacherKind(1, True, 144)


@pytest.mark.parametrize('values', [145, 25, None])
def test_what_is_flat_and_no_square_image(saved, values):
    with pytest.raises(RunError, match='has the shape .* flat square images'):
        saved(lambda: dense(tf.reshape(images_of([values])[:, :1] * np.ones(144, np.float32), [-1, 144])))


def test_an_operation_without_gradient_or_unknown(saved, tmp_path):
    with pytest.raises(RunError, match='not differentiable|do not depend'):
        saved(lambda: dense(features(tf.image.adjust_hue(images_of(), 0.1))))
    new_graph(0)
    dense(features(images_of()))
    graph = tf.get_default_graph().as_graph_def()
    graph.node.add(name='new', op='OperationOfTheFuture')
    (tmp_path / 'teacher.pb').write_bytes(graph.SerializeToString())
    with pytest.raises(RunError, match='OperationOfTheFuture'):
        open_teacher(str(tmp_path / 'teacher.pb'), find_pair('lenet'))


def test_one_output_is_of_two_classes(saved, capsys):
    teacher = saved(lambda: tf.nn.sigmoid(tf.matmul(features(images_of()), tf.constant(MATRIX[:, :1]))))
    new_graph(0)
    with session(1) as sess:
        logit = sess.run(tf.matmul(features(tf.constant(IMAGES / 255, tf.float32)), MATRIX[:, :1]))
    np.testing.assert_allclose(teacher.answers(IMAGES), logit * [[-0.5, 0.5]], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(teacher.templates, MATRIX[:, :1] * [[-0.5, 0.5]], rtol=1e-6)
    said = capsys.readouterr().out
    assert teacher.classes == 2 and 'a sigmoid in the graph' in said and 'logit of class 1 against' in said


def test_a_gradient_that_only_its_maker_knows_is_left_out(saved, tmp_path):
    """As TensorFlow 2 has it in silu: the gradient of what is computed is the same."""
    path = saved(lambda: dense(tf.identity_n([features(images_of())])[0])).path
    graph = tf.GraphDef.FromString((tmp_path / 'teacher.pb').read_bytes())
    for node in graph.node:
        if node.op == 'IdentityN':
            node.attr['_gradient_op_type'].s = b'CustomGradient-7'
    (tmp_path / 'teacher.pb').write_bytes(graph.SerializeToString())
    np.testing.assert_array_equal(open_teacher(path, find_pair('lenet')).templates, MATRIX)


OTHER_NETWORKS = """
import numpy as np
import tensorflow as tf
images = np.random.RandomState(0).randint(0, 256, (3, 24, 24, 3))
np.save('expected.npy', model.predict(images / 127.5 - 1))
layers, silu = tf.keras.layers, 'silu' if tf.__version__ >= '2' else 'tanh'
images = np.random.RandomState(0).randint(0, 256, (3, 12, 12)) / 255
for name, network in (
        ('recurrent', [layers.LSTM(8, input_shape=(12, 12)), layers.Dense(5)]),
        ('two classes', [layers.Flatten(input_shape=(12, 12)), layers.Dense(8, activation=silu),
                         layers.Dense(1, activation='sigmoid')])):
    network = tf.keras.Sequential(network)
    network.save(name + '.h5')
    np.save(name + '.npy', network.predict(images))
"""


@pytest.fixture(scope='module')
def keras(tmp_path_factory, colours):
    """The folder with a network that plain Keras made in a process of its own.

    It is saved as docs/teacher-files.md says.
    """
    folder = tmp_path_factory.mktemp('keras')
    codes = [code for code in python_blocks() if code.startswith('model.')]
    codes = [code for code in codes if '.h5' in code] if TF1 else codes
    codes.append(OTHER_NETWORKS)
    done = run_script(['tests/foreign_teacher.py', colours, *codes], cwd=str(folder))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) > 0.95
    return folder


def test_keras_networks_are_read_as_they_were_saved(keras, tmp_path):
    """From every format the answers that Keras gives, also where the folder's name is a pattern."""
    shutil.copytree(str(keras), str(tmp_path / '[1]'))
    options, lenet = TeacherOptions((-1.0, 1.0)), find_pair('lenet')
    images = np.random.RandomState(0).randint(0, 256, (3, 24, 24, 3)).astype(np.uint8)
    names = ['teacher.h5'] + ['teacher'] * (keras / 'teacher').exists()  # teacher.keras: in the next test
    for teacher in [open_teacher(str(tmp_path / '[1]' / name), lenet, options) for name in names]:
        assert (teacher.image_shape, teacher.classes, teacher.templates.shape) == ((24, 24, 3), 5, (32, 5))
        np.testing.assert_allclose(softmax(teacher.answers(images), axis=1),
                                   np.load(str(keras / 'expected.npy')), rtol=1e-3, atol=1e-4)


def test_recurrent_layers_smooth_activations_and_files_without_a_suffix(keras, tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (3, 12, 12, 1)).astype(np.uint8)
    answers = []
    for name in 'recurrent', 'two classes':
        shutil.copy(str(keras / (name + '.h5')), str(tmp_path / name))
        teacher = open_teacher(str(tmp_path / name), find_pair('lenet'))
        answers.append(teacher.answers(images))
    np.testing.assert_allclose(answers[0], np.load(str(keras / 'recurrent.npy')), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(softmax(answers[1], axis=1)[:, 1:], np.load(str(keras / 'two classes.npy')),
                               rtol=1e-4, atol=1e-5)


def test_a_student_of_a_keras_network_without_data(keras, own_pair, colours, tmp_path, monkeypatch):
    """Batch norm, three channels and five classes into a user's own pair; images serve the accuracy alone."""
    path = keras / ('teacher.h5' if TF1 else 'teacher.keras')
    monkeypatch.setattr(train_w_distill, 'UNSEEN', 100)
    common = ['--teacher=%s' % path, '--teacher_scale', '-1', '1', '--nets=%s' % own_pair, '--dataset=none']
    Data_Impressions.main(['--Rate=1', '--save_path=%s' % tmp_path, '--batch_size=300', '--iterations=50',
                          '--learning_rate=0.3'] + common)
    assert load_impressions(str(tmp_path / 'DI-1.mat'), (24, 24, 3), 5).images.shape == (600, 24, 24, 3)
    train_w_distill.main(['--Distillation=ZSKD-1', '--impressions=%s' % tmp_path, '--steps=500',
                          '--train_dir=%s' % (tmp_path / 'zskd')] + common)
    assert load_json(str(tmp_path / 'zskd' / 'result.json'))['agreement'] > 60
    images, labels = open_dataset(colours, '').part('test', (24, 24, 3))
    student = TrainedNetwork(str(tmp_path / 'zskd' / 'train_params.mat'), find_pair(own_pair), 'Student')
    accuracy = 100 * np.mean(student.answers(images).argmax(axis=1) == labels)
    print('student of the Keras network: %.2f %%' % accuracy)
    assert accuracy > 55  # chance is 20


def test_nets_and_start_values_follow_the_teachers_channels(saved):
    """Without --nets and without data; a pair of one's own starts as AlexNet's."""
    colour = saved(lambda: dense(features(images_of()))).path
    assert teacher_kind({'dataset': 'none', 'teacher': colour}) == TeacherKind(3, True, 8 * 8 * 3)
    assert with_nets({'dataset': 'none', 'teacher': colour})['nets'] == 'alexnet'
    own = synthesis_flags(['--Rate=1', '--dataset=none', '--nets=own.py', '--teacher=%s' % colour])
    assert (own.ground, own.start_grey, own.start_deviation) == (0.5, 0.9, 0.25)
    grey = saved(lambda: tf.matmul(tf.reshape(images_of((12, 12)), [-1, 144]), tf.constant(MATRIX))).path
    assert with_nets({'dataset': 'none', 'teacher': grey})['nets'] == 'lenet'
    assert synthesis_flags(['--Rate=1', '--dataset=none', '--teacher=%s' % grey]).ground == 0


@pytest.mark.parametrize('more, is_read', [('', False), ('\nIMAGE_SHAPE = 8, 8, 3\n', True),
                                           ('\nfrom other import teacher\n', True)])
def test_impressions_do_not_depend_on_a_student(tmp_path, more, is_read):
    """So another student learns from those that are there."""
    (tmp_path / 'own.py').write_text(STUDENT + more)
    settings = synthesis_flags(['--Rate=1', '--teacher=Lenet5', '--nets=%s' % (tmp_path / 'own.py')])
    assert ('nets' in synthesis_files(settings).inputs) == is_read


def test_a_student_for_the_images_of_a_teacher_with_student_code_alone(saved, tmp_path, monkeypatch, capsys):
    """And back from its file: the record says what images it takes."""
    path = saved(lambda: tf.matmul(tf.reshape(images_of((12, 16)), [-1, 192]), tf.constant(MATRIX2))).path
    (tmp_path / 'own.py').write_text(STUDENT)
    monkeypatch.setattr(train_w_distill, 'UNSEEN', 20)
    common = ['--teacher=%s' % path, '--nets=%s' % (tmp_path / 'own.py'), '--dataset=none']
    Data_Impressions.main(['--Rate=0.1', '--iterations=2', '--save_path=%s' % tmp_path] + common)
    assert ('a network of its own, %d weights, 0 batch norms, images 12x16x1, 5 classes; the student of '
            % MATRIX2.size) in capsys.readouterr().out
    train_w_distill.main(['--Distillation=ZSKD-0.1', '--steps=2', '--batch_size=8',
                          '--train_dir=%s' % tmp_path, '--impressions=%s' % tmp_path] + common)
    student, record = network_of(str(tmp_path / 'train_params.mat'), str(tmp_path / 'own.py'))
    assert record['image_shape'] == [12, 16, 1] and (student.image_shape, student.classes) == ((12, 16, 1), 5)
    assert student.answers(np.zeros((2, 12, 16, 1), np.uint8)).shape == (2, 5)
    os.remove(str(tmp_path / 'result.json'))
    with pytest.raises(RunError, match='has no IMAGE_SHAPE, and nothing else says how large images are'):
        network_of(str(tmp_path / 'train_params.mat'), str(tmp_path / 'own.py'))
    with pytest.raises(RunError, match='lenet.*16 to 128 pixels a side, not 12x16x1'):
        Data_Impressions.main(['--Rate=0.1', '--save_path=%s' % (tmp_path / 'no'), '--teacher=%s' % path,
                               '--dataset=none'])
    assert not (tmp_path / 'no').exists()
