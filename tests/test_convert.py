"""Exports: each format is loaded by its own tools, in a process without this project, and answers as the scripts do."""
import json
import os
import subprocess
import sys
import zipfile

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import convert
import train_w_distill
from conftest import run_script
from export.enlarge import enlarged
from nets import find_pair
from nets.build import build, network_variables
from utils.datasets import open_dataset
from utils.files import RunError
from utils.matfile import save_mat
from utils.session import in_batches, new_graph, session, values_of
from utils.trained import TrainedNetwork

TF1 = tf.__version__.startswith('1.')
needs_tf2 = pytest.mark.skipif(TF1, reason='TensorFlow 1.13 cannot write this format')
needs_tf1 = pytest.mark.skipif(not TF1, reason='TensorFlow 2 writes every format')

# Programs of somebody who has the export and images.npy, but not this project; they write logits and the like.
LOADERS = {
    'tf1': '''
import numpy as np, sys
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
with tf.Session() as sess:
    signature = tf.saved_model.load(sess, ['serve'], sys.argv[1]).signature_def['serving_default']
    outputs = {name: tensor.name for name, tensor in signature.outputs.items()}
    answers = sess.run(outputs, {signature.inputs['images'].name: np.load('images.npy')})
np.savez('answers.npz', **answers)
''',
    'tf2': '''
import numpy as np, sys
import tensorflow as tf
answers = tf.saved_model.load(sys.argv[1]).signatures['serving_default'](images=tf.constant(np.load('images.npy')))
np.savez('answers.npz', **{name: tensor.numpy() for name, tensor in answers.items()})
''',
    '.pb': '''
import numpy as np, sys
import tensorflow.compat.v1 as tf
graph = tf.GraphDef.FromString(open(sys.argv[1], 'rb').read())
with tf.Graph().as_default(), tf.Session() as sess:
    tf.import_graph_def(graph, name='')
    names = 'logits', 'probabilities', 'classes', 'class_names'
    answers = sess.run({name: name + ':0' for name in names}, {'images:0': np.load('images.npy')})
answers['class_names'] = answers['class_names'].astype(str)
np.savez('answers.npz', **answers)
''',
    '.tflite': '''
import numpy as np, sys
import tensorflow as tf
runner = tf.lite.Interpreter(sys.argv[1]).get_signature_runner('serving_default')
np.savez('answers.npz', **runner(images=np.load('images.npy')))
''',
    'keras': '''
import numpy as np, sys
import keras
model = keras.models.load_model(sys.argv[1])
np.savez('answers.npz', **model.predict(np.load('images.npy'), verbose=0))
''',
    '.npz': '''
import numpy as np, sys
arrays = np.load(sys.argv[1])
weights = {name[len('Student/'):]: arrays[name] for name in arrays.files}
images = np.load('images.npy')

def layer(x, name):
    return x @ weights[name + '/weights'].reshape(x.shape[-1], -1) + weights[name + '/biases']

def conv_relu_pool(x, name):
    side = x.shape[1] - 4
    patches = np.stack([x[:, i:i + side, j:j + side] for i in range(5) for j in range(5)], axis=3)
    x = np.maximum(layer(patches.reshape(len(x), side, side, -1), name), 0)
    return x.reshape(len(x), side // 2, 2, side // 2, 2, -1).max(axis=(2, 4))

x = conv_relu_pool(conv_relu_pool(images / np.float32(255), 'conv0'), 'conv1').reshape(len(images), -1)
logits = layer(np.maximum(layer(np.maximum(layer(x, 'fc0'), 0), 'fc1'), 0), 'fc2')
np.savez('answers.npz', logits=logits, classes=logits.argmax(axis=1))
''',
}


@pytest.fixture(scope='module')
def student(tmp_path_factory, data):
    """The weights of a student of MNIST that was trained for a moment, with its record beside it."""
    folder = str(tmp_path_factory.mktemp('student'))
    train_w_distill.main(['--train_dir=%s' % folder, '--data=%s' % data, '--steps=150', '--learning_rate=0.004'])
    return os.path.join(folder, 'train_params.mat')


@pytest.fixture(scope='module')
def images(data):
    """1,000 test images of MNIST as they are, uint8 [1000, 28, 28, 1]."""
    return open_dataset('mnist', data).part('test', (28, 28, 1))[0][:1000]


@pytest.fixture(scope='module')
def expected(student, mnist):
    """The script's logits of these images."""
    logits = TrainedNetwork(student, find_pair('lenet'), 'Student').answers(mnist.test_images[:1000])
    assert np.mean(logits.argmax(axis=1) == mnist.test_labels[:1000]) > 0.8
    return logits


def answers_of(loader, place, images, folder):
    """What the program of LOADERS makes of an export and images; {name: array}."""
    np.save(os.path.join(str(folder), 'images.npy'), images)
    done = subprocess.run([sys.executable, '-c', LOADERS[loader], place], cwd=str(folder), stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with np.load(os.path.join(str(folder), 'answers.npz')) as answers:
        return dict(answers)


def check(answers, expected, names=('logits', 'probabilities', 'classes')):
    """The script's classes, its logits to 1e-4, and the softmax of these."""
    assert set(names) <= set(answers)
    np.testing.assert_allclose(answers['logits'], expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(answers['classes'], expected.argmax(axis=1))
    if 'probabilities' in names:
        powers = np.exp(expected - expected.max(axis=1, keepdims=True))
        np.testing.assert_allclose(answers['probabilities'], powers / powers.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.fixture(scope='module')
def saved_model(student, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp('export') / 'served')
    convert.main([student, '--to', 'saved_model', folder])
    return folder


@pytest.mark.parametrize('loader', ['tf1', pytest.param('tf2', marks=needs_tf2)])
def test_saved_model(saved_model, images, expected, tmp_path, loader):
    check(answers_of(loader, saved_model, images, tmp_path), expected)


def test_saved_model_by_its_command(saved_model, images, expected, tmp_path):
    np.save(str(tmp_path / 'images.npy'), images)
    command = [sys.executable, '-m', 'tensorflow.python.tools.saved_model_cli']
    place = ['--dir', saved_model, '--tag_set', 'serve', '--signature_def', 'serving_default']
    done = subprocess.run(command + ['run'] + place + ['--inputs', 'images=images.npy', '--outdir', '.'],
                          cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    assert done.returncode == 0, done.stdout
    check({name: np.load(str(tmp_path / (name + '.npy'))) for name in ('logits', 'probabilities', 'classes')},
          expected)
    with open(os.path.join(saved_model, 'assets.extra', 'class_names.txt')) as file:
        assert file.read().split('\n') == [str(digit) for digit in range(10)] + ['']


def test_frozen_graph(student, images, expected, tmp_path):
    convert.main([student, '--to', str(tmp_path / 'digits.pb')])
    answers = answers_of('.pb', 'digits.pb', images, tmp_path)
    check(answers, expected)
    assert answers['class_names'].tolist() == [str(digit) for digit in range(10)]


def test_arrays(student, mnist, expected, tmp_path):
    """They are the network's weights alone, so they get the images as the network takes them."""
    convert.main([student, '--to', str(tmp_path / 'digits.npz')])
    check(answers_of('.npz', 'digits.npz', mnist.test_images[:1000], tmp_path), expected, ['logits', 'classes'])
    with np.load(str(tmp_path / 'digits.npz')) as arrays:
        assert arrays['class_names'].tolist() == [str(digit) for digit in range(10)]
        assert arrays['Student/fc2/weights'].shape == (84, 10)


@needs_tf2
def test_tflite(student, images, expected, tmp_path):
    place = str(tmp_path / 'digits.tflite')
    convert.main([student, '--to', place])
    check(answers_of('.tflite', place, images, tmp_path), expected)
    with zipfile.ZipFile(place) as archive:
        assert archive.read('class_names.txt').decode().split() == [str(digit) for digit in range(10)]


@needs_tf2
@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_keras(student, images, expected, tmp_path, suffix):
    place = str(tmp_path / 'digits') + suffix
    convert.main([student, '--to', place])
    check(answers_of('keras', place, images, tmp_path), expected)
    names = [str(digit) for digit in range(10)]
    if suffix == '.h5':
        import h5py
        with h5py.File(place, 'r') as file:
            assert file.attrs['class_names'].tolist() == names
    else:
        with zipfile.ZipFile(place) as archive:
            assert archive.read('class_names.txt').decode().split() == names


@needs_tf1
def test_what_needs_tensorflow_2_says_so(student, tmp_path):
    for suffix in '.tflite', '.keras', '.h5':
        with pytest.raises(RunError, match='cannot write %s; run this with TensorFlow 2' % suffix):
            convert.main([student, '--to', str(tmp_path / ('digits' + suffix))])
    assert os.listdir(str(tmp_path)) == []


@pytest.fixture(scope='module')
def alexnet(tmp_path_factory):
    """The weights of a colour student of 5 classes as it starts, with moving averages that matter."""
    new_graph(3)
    build(find_pair('alexnet'), 'Student', tf.placeholder(tf.float32, [None, 32, 32, 3]), 5)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        weights = values_of(sess, network_variables('Student'))
    rng = np.random.RandomState(0)
    for name, array in weights.items():
        if name.endswith('moving_variance'):
            array[...] = rng.uniform(0.001, 0.01, array.shape)
        elif not name.endswith('weights'):
            array += rng.uniform(-0.1, 0.1, array.shape)
    path = str(tmp_path_factory.mktemp('alexnet') / 'weights.mat')
    save_mat(path, weights)
    return path


@pytest.mark.parametrize('form, loader', [('saved_model', 'tf1')] + [
    pytest.param(suffix, loader, marks=needs_tf2) for suffix, loader in [('.keras', 'keras'), ('.tflite', '.tflite')]])
def test_a_network_with_batch_norm_in_colour(alexnet, tmp_path, form, loader):
    """No record says which pair it is of: its variables do. Its images are as large as the network's own."""
    images = np.random.RandomState(1).randint(0, 256, (20, 32, 32, 3)).astype(np.uint8)
    expected = TrainedNetwork(alexnet, find_pair('alexnet'), 'Student').answers(images)
    assert expected.std(axis=0).min() > 0.01
    place = str(tmp_path / ('export' + form))
    convert.main([alexnet, '--to'] + ([form, place] if form == 'saved_model' else [place]))
    check(answers_of(loader, place, images, tmp_path), expected)


@pytest.mark.parametrize('old', [(28, 28), (64, 64), (20, 30), (8, 512), (100, 37), (32, 20), (33, 31)])
@pytest.mark.parametrize('channels', [1, 3])
def test_images_are_enlarged_as_opencv_does(old, channels):
    images = np.random.RandomState(0).randint(0, 256, (9, *old, channels)).astype(np.uint8)
    expected = [cv2.resize(image, (32, 24), interpolation=cv2.INTER_LINEAR) for image in images]
    np.testing.assert_array_equal(enlargement(images, 24, 32), np.reshape(expected, (9, 24, 32, channels)))


def test_all_test_images_are_enlarged_as_the_scripts_do(data, mnist):
    original = open_dataset('mnist', data).part('test', (28, 28, 1))[0]
    np.testing.assert_array_equal(enlargement(original, 32, 32), mnist.test_images)


def enlargement(images, height, width):
    new_graph(0)
    pixels = tf.placeholder(tf.uint8, [None, *images.shape[1:]])
    with session(1) as sess:
        return in_batches(sess, enlarged(pixels, height, width), pixels, images)


def test_what_is_written_is_said(student, teacher, tmp_path, capsys):
    convert.main([student, '--to', str(tmp_path / 'a.npz')])
    convert.main([student, '--to', str(tmp_path / 'b.npz'), '--dataset', 'fashion_mnist'])
    convert.main([student, '--to', str(tmp_path / 'c.npz'), '--dataset', 'none'])
    convert.main([teacher, '--to', str(tmp_path / 'd.npz')])
    lines = capsys.readouterr().out.split('\n')
    assert 'student of lenet, images uint8 [N, 28, 28, 1], 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)' in lines[0]
    assert 'images uint8 [N, 28, 28, 1], 10 classes (T-shirt, trouser' in lines[1]
    assert 'images uint8 [N, 32, 32, 1], 10 classes, %d bytes' % (tmp_path / 'c.npz').stat().st_size in lines[2]
    assert 'teacher of lenet' in lines[3]


def copied(student, folder, **arguments):
    """The weights and their record, in which other arguments stand, in a folder; their path."""
    with open(os.path.join(os.path.dirname(student), 'result.json')) as file:
        record = json.load(file)
    record['arguments'].update(arguments)
    (folder / 'result.json').write_text(json.dumps(record))
    with open(student, 'rb') as file:
        (folder / 'train_params.mat').write_bytes(file.read())
    return str(folder / 'train_params.mat')


@pytest.mark.parametrize('arguments, message', [
    ({'dataset': 'gone.npz'}, 'give its path with --dataset, or --dataset none'),
    ({'nets': 'mine.py'}, "is of the networks 'mine.py', says its record; give their file with --nets"),
    ({'nets': 'alexnet'}, 'holds no network of alexnet; give another file, or its own --nets')])
def test_a_record_that_does_not_help(student, tmp_path, arguments, message):
    with pytest.raises(RunError, match=message):
        convert.main([copied(student, tmp_path, **arguments), '--to', str(tmp_path / 'out.npz')])
    assert not (tmp_path / 'out.npz').exists()


def test_a_data_set_of_other_classes_or_colours_is_refused(student, alexnet, tmp_path):
    arrays = {'x_' + part: np.full((9, 16, 16, 3), 200, np.uint8) for part in ('train', 'test')}
    own = str(tmp_path / 'own.npz')
    for labels, weights, message in ((5, student, 'knows 10 classes and the data set'), (10, student, 'channels')):
        np.savez(own, y_train=np.arange(9) % labels, y_test=np.full(9, labels - 1), **arrays)
        with pytest.raises(RunError, match=message):
            convert.main([weights, '--to', str(tmp_path / 'out.npz'), '--dataset', own])
    np.savez(own, y_train=np.arange(9) % 5, y_test=np.full(9, 4), **arrays)
    convert.main([alexnet, '--to', str(tmp_path / 'out.npz'), '--dataset', own])


def test_what_is_no_file_of_weights_is_said_in_a_line(tmp_path):
    done = run_script(['convert.py', 'gone.mat', '--to', tmp_path / 'digits.pb'])
    assert done.returncode == 1 and "no file 'gone.mat'" in done.stderr and done.stderr.count('\n') == 1
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize('to', [[], ['saved_model'], ['digits.onnx'], ['saved_model', 'a', 'b'], ['a.pb', 'b.pb']])
def test_a_format_that_is_none(student, to):
    with pytest.raises(SystemExit) as ended:
        convert.main([student, '--to'] + to)
    assert ended.value.code == 2


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


@pytest.fixture
def own(tmp_path):
    """(the weights of a pair of somebody's own, its file)."""
    (tmp_path / 'pair.py').write_text(OWN_PAIR)
    weights = np.random.RandomState(0).standard_normal((256, 3))
    save_mat(str(tmp_path / 'own.mat'), {'Student/out/weights': weights})
    return str(tmp_path / 'own.mat'), str(tmp_path / 'pair.py')


def test_a_pair_of_ones_own(own, tmp_path):
    weights, pair = own
    images = np.random.RandomState(0).randint(0, 256, (20, 16, 16, 1)).astype(np.uint8)
    convert.main([weights, '--nets', pair, '--to', 'saved_model', str(tmp_path / 'served')])
    expected = TrainedNetwork(weights, find_pair(pair), 'Student').answers(images)
    check(answers_of('tf1', 'served', images, tmp_path), expected)


@needs_tf2
def test_an_operation_that_keras_does_not_have_is_named(own, tmp_path):
    (tmp_path / 'out.keras').write_text('older')
    with pytest.raises(RunError, match=r'cannot be written as .keras: .* operation Sin .*choose saved_model'):
        convert.main([own[0], '--nets', own[1], '--to', str(tmp_path / 'out.keras')])
    assert (tmp_path / 'out.keras').read_text() == 'older'


def test_a_saved_model_replaces_a_saved_model_alone(own, tmp_path):
    def export():
        convert.main([own[0], '--nets', own[1], '--to', 'saved_model', str(tmp_path / 'out')])

    (tmp_path / 'out').mkdir()
    export()
    (tmp_path / 'out' / 'saved_model.pb').write_bytes(b'old')
    export()
    assert (tmp_path / 'out' / 'saved_model.pb').stat().st_size > 1000
    (tmp_path / 'out' / 'thesis.tex').write_text('mine')
    before = sorted(os.listdir(str(tmp_path / 'out')))
    with pytest.raises(RunError, match="holds 'thesis.tex', which is no part of a SavedModel"):
        export()
    assert sorted(os.listdir(str(tmp_path / 'out'))) == before
    assert not [name for name in os.listdir(str(tmp_path)) if name.endswith('.tmp')]


@pytest.mark.parametrize('to', [['saved_model', '{}/file/served'], ['saved_model', '{}/file'], ['{}/file/x.pb']])
def test_a_place_that_cannot_be_written(own, tmp_path, to):
    (tmp_path / 'file').write_text('mine')
    before = sorted(os.listdir(str(tmp_path)))
    with pytest.raises(RunError, match='file'):
        convert.main([own[0], '--nets', own[1], '--to'] + [word.format(tmp_path) for word in to])
    assert sorted(os.listdir(str(tmp_path))) == before and (tmp_path / 'file').read_text() == 'mine'


def test_an_interrupted_export_leaves_the_older_one(own, tmp_path, monkeypatch):
    out = str(tmp_path / 'out')
    flags = [own[0], '--nets', own[1], '--to', 'saved_model', out]
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
