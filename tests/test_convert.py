"""Exports: each format, loaded by its own tools in a process of its own, answers as the scripts do."""
import json
import os
import shutil
import subprocess
import sys
import zipfile
from typing import NamedTuple
from unittest import mock

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from documents import read, snippets

import convert
import train_w_distill
from export import int8
from export.graph import resized
from export.int8 import calibration_images, float_operations, interpreter, logits_of
from export.source import network_of
from nets.networks import build, find_pair, network_variables
from teachers.formats import TeacherOptions
from teachers.kind import TeacherKind, kind_of
from teachers.trained import TrainedNetwork, open_teacher
from utils.data.datasets import open_dataset
from utils.data.impressions import save_impressions
from utils.files import RunError, load_json, sha256
from utils.graph_mode import TF1, in_batches, new_graph, session, values_of
from utils.matfile import save_mat

needs_tf2 = pytest.mark.skipif(TF1, reason='TensorFlow 1.13 writes no TFLite nor Keras file')
needs_tf1 = pytest.mark.skipif(not TF1, reason='TensorFlow 2 writes every format')

# Programs of somebody who has exports and images, but not this project. answers() gives {name: array}.
LOADERS = {
    'saved_model, TensorFlow 1': '''
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()

def answers(place, images):
    with tf.Graph().as_default(), tf.Session() as sess:
        signature = tf.saved_model.load(sess, ['serve'], place).signature_def['serving_default']
        outputs = {name: tensor.name for name, tensor in signature.outputs.items()}
        return sess.run(outputs, {signature.inputs['images'].name: images})
''',
    'saved_model, TensorFlow 2': '''
import tensorflow as tf

def answers(place, images):
    outputs = tf.saved_model.load(place).signatures['serving_default'](images=tf.constant(images))
    return {name: tensor.numpy() for name, tensor in outputs.items()}
''',
    '.pb': '''
import tensorflow.compat.v1 as tf

def answers(place, images):
    with open(place, 'rb') as file, tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(tf.GraphDef.FromString(file.read()), name='')
        names = 'logits', 'probabilities', 'classes', 'class_names'
        found = sess.run({name: name + ':0' for name in names}, {'images:0': images})
        return dict(found, class_names=found['class_names'].astype(str))
''',
    '.tflite': '''
import tensorflow as tf

def answers(place, images):
    return tf.lite.Interpreter(place).get_signature_runner('serving_default')(images=images)
''',
    'Keras': '''
import keras

def answers(place, images):
    return keras.models.load_model(place).predict(images, verbose=0)
''',
}
ANSWER = '''
import sys
import numpy as np
for place in sys.argv[1:]:
    np.savez(place + '.answers.npz', **answers(place, np.load(place + '.images.npy')))
'''
DIGITS = tuple('0123456789')


class Case(NamedTuple):
    """A network to export."""
    flags: list             # of convert.py: the file of weights, and what no record says
    images: np.ndarray      # uint8, as the export takes them
    logits: np.ndarray      # the scripts' logits of these


@pytest.fixture(scope='module')
def student(tmp_path_factory, data):
    """The weights of a student of MNIST that was trained for a moment, with its record beside it."""
    folder = str(tmp_path_factory.mktemp('student'))
    with mock.patch.object(train_w_distill, 'EVALUATIONS', 1):
        train_w_distill.main(['--train_dir=' + folder, '--data=' + data, '--steps=150'])
    return os.path.join(folder, 'train_params.mat')


@pytest.fixture(scope='module')
def digits(student, data, mnist):
    """That student on 1,000 test images, which it gets as MNIST has them."""
    logits = TrainedNetwork(student, find_pair('lenet'), 'Student').answers(mnist.test_images[:1000])
    assert np.mean(logits.argmax(axis=1) == mnist.test_labels[:1000]) > 0.8
    return Case([student], open_dataset('mnist', data).part('test', (28, 28, 1))[0][:1000], logits)


@pytest.fixture(scope='module')
def colour(tmp_path_factory):
    """A colour student of 5 classes as it starts, with moving averages that matter, and without a record."""
    new_graph(3)
    build(find_pair('alexnet'), 'Student', tf.placeholder(tf.float32, [None, 32, 32, 3]), 5)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        weights = values_of(sess, network_variables('Student'))
    rng = np.random.RandomState(0)
    for name, array in weights.items():
        if name.endswith('moving_variance'):
            array[...] = rng.uniform(0.01, 0.03, array.shape)
        elif not name.endswith('weights'):
            array += rng.uniform(-0.1, 0.1, array.shape)
    path = str(tmp_path_factory.mktemp('colour') / 'weights.mat')
    save_mat(path, weights)
    images = rng.randint(0, 256, (20, 32, 32, 3)).astype(np.uint8)
    logits = TrainedNetwork(path, find_pair('alexnet'), 'Student').answers(images)
    assert logits.std(axis=0).min() > 0.01
    return Case([path], images, logits)


OWN_PAIR = '''
from utils.graph_mode import tf
IMAGE_SHAPE = 16, 16, 1
LAST_LAYER = 'out/weights'
def teacher(images, classes, training):
    with tf.variable_scope('out'):
        weights = tf.get_variable('weights', [256, classes])
    return tf.matmul(tf.reshape(tf.sin(images), [-1, 256]), weights)
student = teacher
'''


@pytest.fixture(scope='module')
def own(tmp_path_factory):
    """A teacher of a pair of somebody's own."""
    folder = tmp_path_factory.mktemp('own_pair')
    weights, pair, rng = str(folder / 'own.mat'), str(folder / 'pair.py'), np.random.RandomState(0)
    (folder / 'pair.py').write_text(OWN_PAIR)
    save_mat(weights, {'Teacher/out/weights': rng.standard_normal((256, 3))})
    images = rng.randint(0, 256, (20, 16, 16, 1)).astype(np.uint8)
    return Case([weights, '--nets', pair], images,
                TrainedNetwork(weights, find_pair(pair), 'Teacher').answers(images))


@pytest.fixture(scope='module')
def foreign(tmp_path_factory):
    return theirs(str(tmp_path_factory.mktemp('foreign') / 'theirs.pb'), lambda x: [-1, 288])


def theirs(path, flat):
    """Somebody's frozen graph for images from -1 to 1, with another layer than any pair, and a softmax.

    flat: gives the shape to which its convolution is flattened.
    """
    rng = np.random.RandomState(0)
    new_graph(0)
    x = tf.placeholder(tf.float32, [None, 12, 12, 3], 'pixels')
    x = tf.nn.relu6(tf.nn.conv2d(x, tf.constant(rng.standard_normal((3, 3, 3, 8)), tf.float32), [1, 2, 2, 1],
                                 'SAME'))
    matrix = tf.constant(0.1 * rng.standard_normal((288, 5)), tf.float32)
    tf.nn.softmax(tf.matmul(tf.reshape(x, flat(x)), matrix))
    with open(path, 'wb') as file:
        file.write(tf.get_default_graph().as_graph_def().SerializeToString())
    images = rng.randint(0, 256, (40, 12, 12, 3)).astype(np.uint8)
    logits = open_teacher(path, find_pair('alexnet'), TeacherOptions((-1.0, 1.0))).answers(images)
    return Case([path, '--teacher_scale', '-1', '1'], images, logits)


@pytest.fixture(scope='module')
def saved_model(digits, tmp_path_factory):
    """The student as a SavedModel."""
    folder = str(tmp_path_factory.mktemp('export') / 'served')
    convert.main(digits.flags + ['--to', 'saved_model', folder])
    return folder


def check_answers(loader, cases):
    """A program of LOADERS answers as the scripts do; cases: {path of an export: Case}. {path: answers}."""
    for place, case in cases.items():
        np.save(place + '.images.npy', case.images)
    done = subprocess.run([sys.executable, '-c', ANSWER.replace('for', LOADERS[loader] + 'for', 1), *cases],
                          cwd=os.path.dirname(min(cases)), stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    found = {}
    for place, case in cases.items():
        with np.load(place + '.answers.npz') as answers:
            found[place] = dict(answers)
        check(found[place], case.logits)
    return found


def check(answers, logits):
    """The script's classes, its logits to 1e-4, and the softmax of these."""
    np.testing.assert_allclose(answers['logits'], logits, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(answers['classes'], logits.argmax(axis=1))
    if 'probabilities' in answers:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        np.testing.assert_allclose(answers['probabilities'], powers / powers.sum(axis=1, keepdims=True),
                                   atol=1e-5)


def test_saved_model(saved_model, digits, colour, own, tmp_path):
    places = [str(tmp_path / name) for name in ('colour', 'own')]
    for case, place in zip((colour, own), places):
        convert.main(case.flags + ['--to', 'saved_model', place])
    found = check_answers('saved_model, TensorFlow %d' % (1 if TF1 else 2),
                          dict(zip([saved_model] + places, (digits, colour, own))))
    assert all(sorted(answers) == ['classes', 'logits', 'probabilities'] for answers in found.values())
    assert kind_of(saved_model, TeacherOptions()) == TeacherKind(1)  # its weights teach, as the pair's own
    with open(os.path.join(saved_model, 'assets.extra', 'class_names.txt')) as file:
        assert tuple(file.read().split()) == DIGITS


def test_frozen_graph(digits, tmp_path):
    place = str(tmp_path / 'digits.pb')
    convert.main(digits.flags + ['--to', place])
    answers = check_answers('.pb', {place: digits})[place]
    assert tuple(answers['class_names']) == DIGITS and 'probabilities' in answers


def test_a_network_of_somebody_else(foreign, tmp_path, capsys):
    place = str(tmp_path / 'export.pb')
    convert.main(foreign.flags + ['--to', place])
    said = capsys.readouterr().out
    assert 'network of its own, 1656 weights, 0 batch norms, images uint8 [N, 12, 12, 3], 5 classes, ' in said
    with open(place, 'rb') as file, tf.Graph().as_default(), session(1) as sess:
        tf.import_graph_def(tf.GraphDef.FromString(file.read()), name='')
        check(sess.run({name: name + ':0' for name in ('logits', 'probabilities', 'classes')},
                       {'images:0': foreign.images}), foreign.logits)
    with pytest.raises(RunError, match='graph of its own, and an .npz holds the weights of a pair alone'):
        convert.main(foreign.flags[:1] + ['--to', str(tmp_path / 'export.npz')])


@needs_tf2
def test_a_network_of_somebody_else_in_int8(foreign, tmp_path, capsys):
    """Its impressions are checked by the way in which it is read, too."""
    impressions, place = str(tmp_path / 'DI-1.mat'), str(tmp_path / 'theirs.tflite')
    save_impressions(impressions, foreign.images, np.eye(5)[np.arange(40) % 5])
    record = {'outputs': {'DI-1.mat': sha256(impressions)}, 'inputs': {'teacher': sha256(foreign.flags[0])},
              'arguments': {'teacher_scale': [-1, 1]}}
    (tmp_path / 'DI-1.json').write_text(json.dumps(record))
    convert.main(foreign.flags + ['--to', place, '--int8', impressions])
    assert float_operations(place) == [] and '% of 20 other impressions' in capsys.readouterr().out
    assert np.abs(logits_of(place)(foreign.images) - foreign.logits).mean() < 0.02 * foreign.logits.std()
    with pytest.raises(RunError, match='was made with teacher_scale'):
        convert.main(foreign.flags[:1] + ['--to', place, '--int8', impressions])


def test_weights_of_any_format_and_names(digits, mnist, tmp_path):
    """Of an export of arrays, and of weights that PyTorch would have under other names."""
    own, other = str(tmp_path / 'own.npz'), str(tmp_path / 'other.npz')
    convert.main(digits.flags + ['--to', own])
    with np.load(own) as arrays:
        assert tuple(arrays['class_names']) == DIGITS
        layers = {name: arrays[name] for name in arrays.files if name != 'class_names'}
    np.savez(other, **{name[len('Student/'):].replace('/', '.'): array for name, array in layers.items()})
    for path in own, other:
        network, record = network_of(path)
        assert (network.pair.name, network.role, record) == ('lenet', 'Student', {})
        np.testing.assert_allclose(network.answers(mnist.test_images[:1000]), digits.logits, atol=1e-4)


@pytest.fixture(scope='module')
def tflite(digits, tmp_path_factory):
    """The student as a TFLite file."""
    place = str(tmp_path_factory.mktemp('export') / 'digits.tflite')
    convert.main(digits.flags + ['--to', place])
    return place


@needs_tf2
def test_tflite(tflite, digits):
    assert 'probabilities' in check_answers('.tflite', {tflite: digits})[tflite]
    with zipfile.ZipFile(tflite) as archive:
        assert tuple(archive.read('class_names.txt').decode().split()) == DIGITS


@pytest.fixture(scope='module')
def impressions(tmp_path_factory, mnist):
    """Images in place of impressions, twenty of each class, without a record."""
    path = str(tmp_path_factory.mktemp('impressions') / 'DI-1.mat')
    chosen = np.concatenate([np.flatnonzero(mnist.train_labels == label)[:20] for label in range(10)])
    save_impressions(path, mnist.train_images[chosen], np.eye(10)[mnist.train_labels[chosen]])
    return path


@needs_tf2
@pytest.mark.parametrize('flags, logits_type', [([], np.float32), (['--int8_operations_only'], np.int8)])
def test_int8(digits, impressions, tmp_path, capsys, flags, logits_type):
    """It takes bytes of the data set's own size, and does nothing in float between them and the logits."""
    place, plain = str(tmp_path / 'digits8.tflite'), str(tmp_path / 'digits.tflite')
    convert.main(digits.flags + ['--to', place, '--int8', impressions] + flags)
    convert.main(digits.flags + ['--to', plain])
    output = capsys.readouterr().out
    assert 'int8 and float agree on 100.0 % of 100 other impressions' in output and 'warning' not in output
    assert os.path.getsize(place) < 0.45 * os.path.getsize(plain)
    assert float_operations(place) == [] and float_operations(plain) != []
    runner = interpreter(place).get_signature_runner('serving_default')
    answers = runner(images=digits.images)
    assert answers['logits'].dtype == logits_type
    assert np.mean(answers['logits'].argmax(axis=1) == digits.logits.argmax(axis=1)) > 0.98
    if flags:
        scale, zero = runner.get_output_details()['logits']['quantization']
        assert runner.get_input_details()['images']['quantization'] == (1, 0)
        assert all(tensor['dtype'] is not np.float32 for tensor in interpreter(place).get_tensor_details())
        answers['logits'] = scale * (answers['logits'].astype(np.float32) - zero)
    else:
        assert sorted(answers) == ['classes', 'logits', 'probabilities']
    assert np.abs(answers['logits'] - digits.logits).mean() < 0.1 * digits.logits.std()


@needs_tf2
def test_float16(digits, tflite, tmp_path):
    place = str(tmp_path / 'digits16.tflite')
    convert.main(digits.flags + ['--to', place, '--float16'])
    answers = interpreter(place).get_signature_runner('serving_default')(images=digits.images)
    np.testing.assert_allclose(answers['logits'], digits.logits, rtol=0, atol=0.02 * digits.logits.std())
    assert os.path.getsize(place) < 0.6 * os.path.getsize(tflite)


@needs_tf2
def test_every_operation_of_alexnet_has_an_int8_form(colour, tmp_path, capsys):
    place, impressions = str(tmp_path / 'colour.tflite'), str(tmp_path / 'DI-1.mat')
    save_impressions(impressions, colour.images, np.eye(5)[np.arange(20) % 5])
    convert.main(colour.flags + ['--to', place, '--int8', impressions, '--int8_operations_only'])
    assert 'images uint8 [N, 32, 32, 3]' in capsys.readouterr().out
    details = interpreter(place).get_signature_runner('serving_default').get_output_details()['logits']
    scale, zero = details['quantization']
    logits = scale * (logits_of(place)(colour.images).astype(np.float32) - zero)
    assert np.abs(logits - colour.logits).mean() < 0.2 * colour.logits.std()


@needs_tf2
def test_an_operation_without_int8_form(own, tmp_path, capsys):
    """In the middle of a network it stays in float, or is refused where there must be no float."""
    rng = np.random.RandomState(0)
    save_impressions(str(tmp_path / 'DI-1.mat'), rng.randint(0, 256, (40, 16, 16, 1)), np.eye(3)[[0] * 40])
    flags = own.flags + ['--to', str(tmp_path / 'own.tflite'), '--int8', str(tmp_path / 'DI-1.mat')]
    with pytest.raises(RunError, match='has no int8 form of SIN; leave --int8_operations_only out'):
        convert.main(flags + ['--int8_operations_only'])
    assert os.listdir(str(tmp_path)) == ['DI-1.mat']
    convert.main(flags)
    assert 'TFLite has no int8 form of SIN; it stays in float' in capsys.readouterr().out


def test_impressions_of_another_teacher_do_not_calibrate(impressions, student, teacher, tmp_path, capsys):
    """A student's record names its teacher; a teacher is its own."""
    path, record = str(tmp_path / 'DI-1.mat'), tmp_path / 'DI-1.json'
    shutil.copy(impressions, path)
    pupil = TrainedNetwork(student, find_pair('lenet'), 'Student')
    of_teacher = {'inputs': {'teacher': sha256(teacher)}, 'arguments': {'teacher': 'Lenet5'}}

    def made_of(digest):
        record.write_text(json.dumps({'outputs': {'DI-1.mat': sha256(path)}, 'arguments': {},
                                      'inputs': {'teacher': digest}}))

    made_of(sha256(teacher))
    images, others = calibration_images(path, pupil, of_teacher, (28, 28, 1))
    assert images.shape == others.shape == (100, 28, 28, 1) and images.dtype == np.uint8
    assert images.min() == 0 and images.max() == 255 and capsys.readouterr().out == ''
    calibration_images(path, TrainedNetwork(teacher, find_pair('lenet'), 'Teacher'), {}, (28, 28, 1))
    assert capsys.readouterr().out == ''
    calibration_images(path, pupil, {}, (28, 28, 1))
    assert 'has no record that names its teacher' in capsys.readouterr().out
    made_of(sha256(student))
    with pytest.raises(RunError, match="was made from another teacher than 'Lenet5'"):
        calibration_images(path, pupil, of_teacher, (28, 28, 1))
    record.unlink()
    calibration_images(path, pupil, of_teacher, (28, 28, 1))
    assert 'has no record that says which teacher it was made from' in capsys.readouterr().out


def test_little_agreement_is_a_warning(digits, monkeypatch, capsys):
    network = TrainedNetwork(digits.flags[0], find_pair('lenet'), 'Student')
    wrong = np.arange(len(digits.images)) % 10 == 0
    monkeypatch.setattr(int8, 'logits_of', lambda file: lambda images: np.where(
        wrong[:len(images), None], -digits.logits[:len(images)], digits.logits[:len(images)]))
    int8.print_agreement('digits.tflite', network, digits.images[:200])
    said = capsys.readouterr().out
    assert 'agree on 90.0 % of 200 other impressions' in said and 'warning: ' in said and '--float16' in said


@needs_tf2
def test_keras(digits, colour, tmp_path):
    """The second has batch norm and local response normalisation; a data set names its classes.

    The third is flattened as Keras does it, to the length of the batch.
    """
    import h5py
    first, second = str(tmp_path / 'digits.keras'), str(tmp_path / 'colour.h5')
    names = np.array(list('abcde'))
    np.savez(str(tmp_path / 'names.npz'), class_names=names, **colour_images(labels=5, side=32))
    convert.main(digits.flags + ['--to', first])
    convert.main(colour.flags + ['--to', second, '--dataset', str(tmp_path / 'names.npz')])
    third, flattened = str(tmp_path / 'theirs.keras'), theirs(
        str(tmp_path / 'theirs.pb'), lambda x: tf.stack([tf.shape(x)[0], 288]))
    convert.main(flattened.flags + ['--to', third])
    found = check_answers('Keras', {first: digits, second: colour, third: flattened})
    assert all('probabilities' in answers for answers in found.values())
    with zipfile.ZipFile(first) as archive:
        assert tuple(archive.read('class_names.txt').decode().split()) == DIGITS
    with h5py.File(second, 'r') as file:
        assert list(file.attrs['class_names']) == list(names)


@needs_tf2
def test_an_operation_that_keras_does_not_have_is_named(own, tmp_path):
    (tmp_path / 'out.keras').write_text('older')
    with pytest.raises(RunError, match=r'cannot be written as .keras: .* operation Sin .*choose saved_model'):
        convert.main(own.flags + ['--to', str(tmp_path / 'out.keras')])
    assert (tmp_path / 'out.keras').read_text() == 'older'


@needs_tf2
def test_an_operation_that_tflite_does_not_have_is_named(tmp_path):
    new_graph(0)
    images = tf.placeholder(tf.float32, [None, 8, 8, 1])
    inverse = tf.linalg.inv(images[:, :, :, 0] + 5 * tf.eye(8))
    tf.matmul(tf.reshape(inverse, [-1, 64]), tf.constant(np.random.RandomState(0).rand(64, 3), tf.float32))
    (tmp_path / 'theirs.pb').write_bytes(tf.get_default_graph().as_graph_def().SerializeToString())
    with pytest.raises(RunError, match='TFLite has no operation MatrixInverse; choose saved_model or .pb'):
        convert.main([str(tmp_path / 'theirs.pb'), '--to', str(tmp_path / 'theirs.tflite')])


@needs_tf1
def test_what_needs_tensorflow_2_says_so(student, tmp_path):
    for suffix, flags in ('.tflite', ['--int8', 'gone.mat']), ('.tflite', []), ('.keras', []), ('.h5', []):
        with pytest.raises(RunError, match='cannot write %s; run this with TensorFlow 2' % suffix):
            convert.main([student, '--to', str(tmp_path / ('digits' + suffix))] + flags)
    assert os.listdir(str(tmp_path)) == []


def colour_images(labels, side):
    """The arrays of a data set of 9 + 9 colour images of one's own."""
    images = np.full((9, side, side, 3), 200, np.uint8)
    return {'x_train': images, 'y_train': np.arange(9) % labels,
            'x_test': images, 'y_test': np.full(9, labels - 1)}


@pytest.mark.parametrize('old', [(28, 28), (64, 64), (20, 30), (8, 512), (100, 37), (32, 20), (33, 31)])
@pytest.mark.parametrize('channels', [1, 3])
def test_images_are_enlarged_as_opencv_does(old, channels):
    images = np.random.RandomState(0).randint(0, 256, (9, *old, channels)).astype(np.uint8)
    expected = [cv2.resize(image, (32, 24), interpolation=cv2.INTER_LINEAR) for image in images]
    new_graph(0)
    pixels = tf.placeholder(tf.uint8, [None, *old, channels])
    with session(1) as sess:
        found = in_batches(sess, resized(pixels, 24, 32), pixels, images)
    np.testing.assert_array_equal(found, np.reshape(expected, (9, 24, 32, channels)))


def test_what_is_written_is_said(student, teacher, tmp_path, capsys):
    convert.main([student, '--to', str(tmp_path / 'a.npz')])
    convert.main([student, '--to', str(tmp_path / 'b.npz'), '--dataset', 'fashion_mnist'])
    convert.main([student, '--to', str(tmp_path / 'c.npz'), '--dataset', 'none'])
    convert.main([teacher, '--to', str(tmp_path / 'd.npz')])
    lines = capsys.readouterr().out.split('\n')
    assert 'student of lenet, images uint8 [N, 28, 28, 1], 10 classes (0, 1, 2, 3, 4' in lines[0]
    assert 'images uint8 [N, 28, 28, 1], 10 classes (T-shirt, trouser' in lines[1]
    size = (tmp_path / 'c.npz').stat().st_size
    assert 'images uint8 [N, 32, 32, 1], 10 classes, %d bytes' % size in lines[2]
    assert 'teacher of lenet' in lines[3]


def copied(student, folder, **arguments):
    """The weights and their record, in which other arguments stand, in a folder; their path."""
    record = load_json(os.path.join(os.path.dirname(student), 'result.json'))
    record['arguments'].update(arguments)
    (folder / 'result.json').write_text(json.dumps(record))
    return shutil.copy(student, str(folder))


def test_a_student_takes_no_flags_of_its_teacher(student, tmp_path):
    """Nor where it has lost its record."""
    shutil.copy(student, str(tmp_path))
    for path in student, str(tmp_path / 'train_params.mat'):
        with pytest.raises(RunError, match='is a student and takes pixels from 0 to 1'):
            convert.main([path, '--teacher_scale', '0', '255', '--to', str(tmp_path / 'out.pb')])


def test_weights_take_no_flags_of_a_graph(teacher, tmp_path):
    with pytest.raises(RunError, match='holds weights and no graph, in which --teacher_input'):
        convert.main([teacher, '--teacher_logits=logits', '--to', str(tmp_path / 'out.pb')])


def test_an_export_does_not_replace_what_it_is_made_from(foreign, student, small, tmp_path):
    data_set, served = str(tmp_path / 'small.npz'), str(tmp_path / 'served')
    shutil.copy(small, data_set)
    convert.main([student, '--to', 'saved_model', served])
    own_student, teacher = tmp_path / 'student.mat', str(tmp_path / 'teacher.pb')
    shutil.copy(student, str(own_student))
    shutil.copy(foreign.flags[0], teacher)
    own_student.with_suffix('.json').write_text(json.dumps({
        'arguments': {'teacher': teacher}, 'inputs': {}, 'outputs': {'': sha256(student)}}))
    for words in ([foreign.flags[0], '--to', foreign.flags[0]], [str(own_student), '--to', teacher],
                  [student, '--dataset', data_set, '--to', data_set],
                  [served + '/variables/variables.index', '--to', 'saved_model', served]):
        with pytest.raises(RunError, match='would be replaced by its own export'):
            convert.main(words)
    assert sha256(data_set) == sha256(small)


def test_a_pair_that_has_changed_is_warned_of(own, tmp_path, capsys):
    weights, _, pair = own.flags
    inputs = {'inputs': {'nets': 64 * '0'}, 'outputs': {'own.mat': sha256(weights)}}
    shutil.copy(weights, str(tmp_path))
    (tmp_path / 'result.json').write_text(json.dumps(dict(inputs, arguments={'nets': pair})))
    convert.main([str(tmp_path / 'own.mat'), '--nets', pair, '--to', str(tmp_path / 'own.pb')])
    assert "pair.py' is not as it was when '" in capsys.readouterr().out


def test_a_record_that_does_not_help(student, small, tmp_path):
    for arguments, message in (
            ({'dataset': 'gone.npz'}, 'gone.npz.*give its path with --dataset, or --dataset none'),
            ({'dataset': small}, 'is not as it was.*give its path with --dataset, or --dataset none'),
            ({'nets': 'mine.py'}, "is of the networks 'mine.py', .*; give their file with --nets"),
            ({'nets': 'alexnet'}, 'holds no network of alexnet; give another file, or its own --nets')):
        with pytest.raises(RunError, match=message):
            convert.main([copied(student, tmp_path, **arguments), '--to', str(tmp_path / 'out.npz')])
        assert not (tmp_path / 'out.npz').exists()


def test_a_data_set_of_other_classes_or_colours_is_refused(student, colour, tmp_path):
    for labels, message in (5, 'knows 10 classes and .* has 5'), (10, 'takes images of 1 channels'):
        np.savez(str(tmp_path / 'own.npz'), **colour_images(labels, side=16))
        with pytest.raises(RunError, match=message):
            convert.main([student, '--to', str(tmp_path / 'out.npz'), '--dataset', str(tmp_path / 'own.npz')])
    assert os.listdir(str(tmp_path)) == ['own.npz']


def test_a_saved_model_replaces_a_saved_model_alone(own, tmp_path):
    def export():
        convert.main([*own.flags, '--to', 'saved_model', str(tmp_path / 'out')])

    (tmp_path / 'out').mkdir()
    export()
    (tmp_path / 'out' / 'saved_model.pb').write_bytes(b'old')
    export()
    assert (tmp_path / 'out' / 'saved_model.pb').stat().st_size > 1000
    (tmp_path / 'out' / 'thesis.tex').write_text('mine')
    before = sorted(os.listdir(str(tmp_path / 'out')))
    with pytest.raises(RunError, match="holds 'thesis.tex', which no SavedModel has"):
        export()
    assert sorted(os.listdir(str(tmp_path / 'out'))) == before
    assert not [name for name in os.listdir(str(tmp_path)) if name.endswith('.tmp')]


def test_a_folder_that_cannot_be_renamed_such_as_a_mount_point(own, tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'rename', lambda *_: os.rmdir(str(tmp_path / 'not empty')))
    (tmp_path / 'not empty' / 'x').mkdir(parents=True)
    (tmp_path / 'out').mkdir()
    with pytest.raises(RunError, match='cannot write the folder .*or a folder below it'):
        convert.main([*own.flags, '--to', 'saved_model', str(tmp_path / 'out')])
    assert sorted(os.listdir(str(tmp_path))) == ['not empty', 'out'] and not os.listdir(str(tmp_path / 'out'))


@pytest.mark.parametrize('to', [['saved_model', '{}/file/new'], ['saved_model', '{}/file'], ['{}/file/x.pb']])
def test_a_place_that_cannot_be_written(own, tmp_path, to):
    (tmp_path / 'file').write_text('mine')
    before = sorted(os.listdir(str(tmp_path)))
    with pytest.raises(RunError, match=r"/file' is a file|cannot (make|write) .*/file\b"):
        convert.main([*own.flags, '--to'] + [word.format(tmp_path) for word in to])
    assert sorted(os.listdir(str(tmp_path))) == before and (tmp_path / 'file').read_text() == 'mine'


def test_an_interrupted_export_leaves_the_older_one(own, tmp_path, monkeypatch):
    out = str(tmp_path / 'out')
    flags = own.flags + ['--to', 'saved_model', out]
    convert.main(flags)
    rename = os.rename

    def stopped(old, new):
        if new == out and os.path.basename(old) == 'new':
            raise KeyboardInterrupt
        rename(old, new)

    monkeypatch.setattr(os, 'rename', stopped)
    with pytest.raises(KeyboardInterrupt):
        convert.main(flags)
    assert os.path.exists(os.path.join(out, 'saved_model.pb'))
    assert not [name for name in os.listdir(str(tmp_path)) if name.endswith('.tmp')]


@needs_tf2
def test_the_snippets_of_the_page_print_classes(saved_model, digits, impressions, data, tmp_path):
    """The last one runs an int8 file where there is no TensorFlow."""
    convert.main(digits.flags + ['--to', str(tmp_path / 'digits.tflite'), '--int8', impressions])
    os.symlink(saved_model, str(tmp_path / 'digits'))
    os.symlink(data, str(tmp_path / 'data'))
    first, last = snippets(read('docs', 'serving.md'))
    for program in first, 'import sys\nsys.modules["tensorflow"] = None\n' + last:
        done = subprocess.run([sys.executable, '-c', program], cwd=str(tmp_path), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
        assert done.stdout == '%s\n' % digits.logits[:10].argmax(axis=1), done.stderr
