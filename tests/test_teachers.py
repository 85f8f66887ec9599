"""Teachers in every format: the weights of a pair, whatever they are called and however they are laid out."""
import glob
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from conftest import ROOT, run_script
from documents import read, snippets
from scipy.special import log_softmax

import autotrain
from export.source import network_of
from nets import lenet
from nets.layers import STATISTICS
from nets.networks import find_pair, variable_shapes
from teachers.checks import check_logits, print_accuracy, print_number, print_targets_met, warn_of_pixel_scale
from teachers.foreign import ForeignNetwork
from teachers.formats import TeacherOptions, digest_of, files_of, format_of, teacher_file
from teachers.freeze import first_line
from teachers.kind import TeacherKind, kind_of
from teachers.recognise import recognise
from teachers.trained import TrainedNetwork, open_teacher
from teachers.weights import read_graph, read_weights
from utils.data.datasets import digest
from utils.files import RunError, load_json, read_bytes
from utils.graph_mode import TF1, new_graph, session, tf
from utils.matfile import mat_arrays, save_mat
from utils.table.flags import table_flags

LENET = find_pair('lenet')
IMAGES = np.random.RandomState(0).randint(0, 256, (3, 32, 32, 1)).astype(np.uint8)
LAYERS = 'conv0', 'conv1', 'fc0', 'fc1', 'fc2'
# A pair in which only order tells some layers from others.
SMALL = '''
from nets import layers
IMAGE_SHAPE = 8, 12, 3
LAST_LAYER = 'last/weights'
def teacher(images, classes, training):
    x = images
    for name in ('a', 'b'):
        x = layers.pool(layers.batch_norm(layers.conv(x, name, 3, 3), name + '_bn', training), 2, 2)
    x = layers.batch_norm(layers.dense(layers.flatten(x), 'first', 18), 'first_bn', training)
    return layers.dense(x, 'last', classes)
student = teacher
'''


@pytest.fixture(scope='module')
def arrays(teacher):
    """{variable name: array} of the teacher that comes with the repository, in the order of its layers."""
    found = mat_arrays(teacher)[0]
    names = ['Teacher/%s/%s' % (layer, kind) for layer in LAYERS for kind in ('weights', 'biases')]
    return {name: found[name].reshape(-1) if name.endswith('biases') else found[name] for name in names}


@pytest.fixture(scope='module')
def answers(teacher):
    """What it says of IMAGES."""
    return open_teacher(teacher, LENET).answers(IMAGES)


def python_blocks():
    """The Python statements of docs/teacher-files.md."""
    return re.split(r'\n(?! )', ''.join(snippets(read('docs', 'teacher-files.md'))).rstrip())


def snippet(word):
    """The one snippet that holds a word."""
    found, = [code for code in python_blocks() if word in code]
    return found


def run_snippet(word, folder, **names):
    before = os.getcwd()
    os.chdir(folder)
    try:
        exec(snippet(word), names)
    finally:
        os.chdir(before)


def channel_first(arrays):
    """{name: array} as PyTorch has them."""
    names = [name for layer in ('features.0', 'features.3', 'classifier.0', 'classifier.2', 'classifier.4')
             for name in (layer + '.weight', layer + '.bias')]
    result = dict(zip(names, arrays.values()))
    first = result['classifier.0.weight'].reshape(5, 5, 16, 120).transpose(2, 0, 1, 3).reshape(400, 120)
    result['classifier.0.weight'] = first
    return {name: turned(array) for name, array in result.items()}


def turned(array):
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def write_keras_2(path, arrays):
    """Weights in HDF5 as Keras 2 and tf.keras of TensorFlow 1 lay them out."""
    with h5py.File(path, 'w') as file:
        file.attrs['layer_names'] = [layer.encode() for layer in LAYERS]
        for layer in LAYERS:
            names = ['%s/%s:0' % (layer, kind) for kind in ('kernel', 'bias')]
            file.create_group(layer).attrs['weight_names'] = [name.encode() for name in names]
            for name, kind in zip(names, ('weights', 'biases')):
                file[layer][name] = arrays['Teacher/%s/%s' % (layer, kind)]


def write_keras_3(path, arrays):
    """Weights in HDF5 as Keras 3 lays them out."""
    with h5py.File(path, 'w') as file:
        for layer, name in zip(LAYERS, ('conv2d', 'conv2d_1', 'dense', 'dense_1', 'dense_2')):
            for i, kind in enumerate(('weights', 'biases')):
                file['layers/%s/vars/%d' % (name, i)] = arrays['Teacher/%s/%s' % (layer, kind)]


def write_graph(folder, arrays):
    """A checkpoint, a frozen graph and a SavedModel of TensorFlow 1, with what Adam keeps."""
    new_graph(0)
    images = tf.placeholder(tf.float32, [None, 32, 32, 1])
    with tf.variable_scope('net'):
        logits = lenet.teacher(images, 10, False, plain=True)
    variables = tf.global_variables()
    tf.train.AdamOptimizer().minimize(tf.reduce_sum(logits ** 2))
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        for variable in variables:
            variable.load(arrays[variable.op.name.replace('net/', 'Teacher/')], sess)
        for word in ('Saver', 'simple_save', 'write_graph'):
            run_snippet(word, folder, tf=tf, sess=sess, images=images, logits=logits)


@pytest.fixture(scope='module')
def files(tmp_path_factory, arrays):
    """The folder with the same teacher in every format but PyTorch's own."""
    folder = str(tmp_path_factory.mktemp('formats [1]'))  # a name that is a pattern
    join = lambda name: os.path.join(folder, name)  # noqa: E731
    run_snippet('*arrays', folder, numpy=np, arrays=list(arrays.values()))
    np.savez(join('sorted.npz'), **{name.replace('/', '.'): arrays[name] for name in sorted(arrays)})
    np.savez(join('channel_first.npz'), **channel_first(arrays))
    short = dict(zip(['%s%d' % (word, i) for i in range(1, 6) for word in 'Wb'], arrays.values()))
    np.savez(join('short_names.npz'), **short)
    save_mat(join('matlab.mat'), {name.replace('/', '_'): array for name, array in arrays.items()})
    write_keras_2(join('keras_2.h5'), arrays)
    write_keras_3(join('keras_3.weights.h5'), arrays)
    with zipfile.ZipFile(join('model.keras'), 'w') as archive:
        archive.writestr('config.json', json.dumps({'class_name': 'Sequential'}))
        archive.write(join('keras_3.weights.h5'), 'model.weights.h5')
    write_graph(folder, arrays)
    for name in ('teacher.npz', 'keras_2.h5', 'matlab.mat'):  # a suffix is no format
        shutil.copy(join(name), join(name + '.bin'))
    return folder


@pytest.mark.parametrize('name', [
    'teacher.npz', 'sorted.npz', 'channel_first.npz', 'short_names.npz', 'matlab.mat', 'keras_2.h5',
    'keras_3.weights.h5', 'model.keras', 'teacher.ckpt', 'teacher.ckpt.index', 'teacher.pb', 'teacher',
    'teacher.npz.bin', 'keras_2.h5.bin', 'matlab.mat.bin'])
def test_a_teacher_of_every_format_answers_alike(files, answers, name, capsys):
    teacher = open_teacher(os.path.join(files, name), LENET)
    assert isinstance(teacher, TrainedNetwork)
    np.testing.assert_allclose(teacher.answers(IMAGES), answers, rtol=1e-5, atol=1e-4)
    said = capsys.readouterr().out
    notices = 1 + (name == 'model.keras')  # which holds no network that could be built
    assert said.count('\n') == notices and 'recognised by order and shape: conv0 = ' in said and 'fc2' in said


def test_a_graph_that_computes_something_else_from_weights_of_a_pair(files, tmp_path, answers, capsys):
    """Their shapes are those of LeNet-5, but its ReLUs are sigmoids here."""
    graph = read_graph(os.path.join(files, 'teacher.pb'))
    for node in graph.node:
        if node.op == 'Relu':
            node.op = 'Sigmoid'
    (tmp_path / 'sigmoid.pb').write_bytes(graph.SerializeToString())
    teacher = open_teacher(str(tmp_path / 'sigmoid.pb'), LENET)
    assert isinstance(teacher, ForeignNetwork) and 'the graph is the teacher' in capsys.readouterr().out
    assert np.abs(teacher.answers(IMAGES) - answers).max() > 0.1


def test_a_state_dict_of_pytorch_answers_as_pytorch_does(tmp_path, arrays):
    torch = pytest.importorskip('torch')
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    run_snippet('torch.save', str(tmp_path), torch=torch, model=model)
    run_snippet('state_dict().items()', str(tmp_path), numpy=np, model=model)
    with torch.no_grad():
        expected = model(torch.tensor(IMAGES.transpose(0, 3, 1, 2) / 255).float()).numpy()
    for name in 'teacher.pt', 'teacher.npz':
        answers = open_teacher(str(tmp_path / name), LENET).answers(IMAGES)
        np.testing.assert_allclose(answers, expected, rtol=1e-4, atol=1e-5)
    for word in ('state_dict', 'model', 'net'):  # as training scripts do
        torch.save({word: model.state_dict(), 'epoch': 3}, str(tmp_path / 'model_best.pth.tar'))
        assert open_teacher(str(tmp_path / 'model_best.pth.tar'), LENET).classes == 10


def test_without_pytorch_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch', None)
    (tmp_path / 'teacher.pth').write_bytes(b'PK')
    with pytest.raises(RunError, match='PyTorch is not installed here.*numpy.savez'):
        open_teacher(str(tmp_path / 'teacher.pth'), LENET)


def zipped(**members):
    """The bytes of an archive of PyTorch."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w') as archive:
        for name, member in members.items():
            archive.writestr('net/' + name.replace('__', '/').replace('_', '.'), member)
    return content.getvalue()


WHOLE_MODEL = b'\x80\x02ctorch.nn.modules.linear\nLinear\n.'  # a pickle that would import and call this
SAFETENSORS = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
NOT_READ = {
    'TorchScript': (zipped(data_pkl=b'\x80\x02.', code____torch___py=b''), 'TorchScript.*torch.onnx.export'),
    'a whole model': (zipped(data_pkl=WHOLE_MODEL), 'whole pickled model.*torch.onnx.export'),
    'a whole model, as before PyTorch 1.6': (b'\x80\x02I1\n.' * 3 + WHOLE_MODEL, 'whole pickled model'),
    'TFLite': (b'\x1c\0\0\0TFL3\0\0', 'TFLite.*SavedModel'),
    'TensorFlow.js': (b'{"format": "layers-model", "modelTopology": {}}', r'TensorFlow.js.*\.h5'),
    'safetensors': (len(SAFETENSORS).to_bytes(8, 'little') + SAFETENSORS + b'\0' * 4, 'safetensors.*ONNX'),
    'something': (b'something', 'is in no format that is read as a network'),
}


@pytest.mark.parametrize('content', NOT_READ)
@pytest.mark.parametrize('name', ['model.onnx', 'model_best.pth.tar', 'model.safetensors'])
def test_what_is_not_read_is_told_by_its_content(tmp_path, monkeypatch, content, name):
    """Whatever it is called, and without PyTorch. The line says what to give instead."""
    monkeypatch.setitem(sys.modules, 'torch', None)
    (tmp_path / name).write_bytes(NOT_READ[content][0])
    with pytest.raises(RunError, match=NOT_READ[content][1]) as caught:
        open_teacher(str(tmp_path / name), LENET)
    assert '\n' not in str(caught.value) and name in str(caught.value)


def test_what_another_library_says_in_colour_is_one_plain_line():
    assert first_line('\n\x1b[31mERROR:\x1b[0m no such layer\nmore') == 'ERROR: no such layer'
    assert first_line('<class X> ...\n\nException encountered: no groups\nmore') == 'no groups'
    assert first_line("Graph execution error:\n\nDetected at x\nNode: 'x'\nno x\nmore") == 'no x'


COUNTING = """
import sys, tensorflow as tf
class Counting(tf.Module):
    def __init__(self):
        self.calls = tf.Variable(0)
    @tf.function(input_signature=[tf.TensorSpec([None, 12, 12, 1])])
    def __call__(self, images):
        self.calls.assign_add(1)
        return tf.reshape(images, [-1, 144])
tf.saved_model.save(Counting(), sys.argv[1])
"""


@pytest.mark.skipif(TF1, reason='TensorFlow 1 has another SavedModel')
def test_a_saved_model_that_changes_a_variable_when_it_is_used(tmp_path):
    """As Keras 3 exports layers that draw random numbers."""
    subprocess.run([sys.executable, '-c', COUNTING, str(tmp_path / 'model')], check=True)
    with pytest.raises(RunError, match=r'/Assign\w+ was passed .*; its use changes this variable.*\.keras'):
        open_teacher(str(tmp_path / 'model'), LENET)


def test_onnx_without_its_converter_or_with_tensorflow_1(tmp_path, monkeypatch):
    (tmp_path / 'teacher.onnx').write_bytes(b'\x08\x08\x12\x07pytorch')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    way_out = 'TensorFlow 2 alone' if TF1 else 'pip install -r requirements-onnx.txt'
    with pytest.raises(RunError, match=way_out):
        open_teacher(str(tmp_path / 'teacher.onnx'), LENET)


IN_PYTORCH = """
import sys, numpy, torch
from torch import nn
model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 1),
                      nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LogSoftmax(1)).eval()
images = torch.zeros(1, 3, 12, 12)
exec(sys.argv[1])
seen = numpy.random.RandomState(0).randint(0, 256, (3, 12, 12, 3)).astype(numpy.uint8)
answers = model(torch.tensor(seen.transpose(0, 3, 1, 2) / 255).float()).detach().numpy()
numpy.savez('expected.npz', images=seen, answers=answers)
"""


@pytest.mark.skipif(not all(map(importlib.util.find_spec, ['onnx2tf', 'torch'])), reason='not installed')
@pytest.mark.parametrize('of_any_size', [False, True])
def test_a_network_of_pytorch_comes_as_onnx(tmp_path, of_any_size):
    """PyTorch is in a process of its own, as it cannot be in one with TensorFlow."""
    code = snippet('torch.onnx')
    if of_any_size:
        code = code[:-1] + ", input_names=['images'], dynamic_axes={'images': {0: 'batch'}}, dynamo=False)"
    subprocess.run([sys.executable, '-c', IN_PYTORCH, code], cwd=str(tmp_path), check=True)
    teacher = open_teacher(str(tmp_path / 'teacher.onnx'), LENET)
    assert (teacher.image_shape, teacher.classes) == ((12, 12, 3), 5)
    expected = np.load(str(tmp_path / 'expected.npz'))
    found = log_softmax(teacher.answers(expected['images']), axis=1)
    np.testing.assert_allclose(found, expected['answers'], rtol=1e-3, atol=1e-4)


def onnx_file(path, shape, seed=0):
    """A dense layer over images of ``shape``, saved as ONNX."""
    import onnx
    from onnx import helper
    weights = np.random.RandomState(seed).standard_normal((int(np.prod(shape)), 5)).astype(np.float32)
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ['batch', *axes])
              for name, axes in (('images', shape), ('logits', [5]))]
    nodes = [helper.make_node('Flatten', ['images'], ['flat']),
             helper.make_node('MatMul', ['flat', 'weights'], ['logits'])]
    constant = onnx.numpy_helper.from_array(weights, 'weights')
    graph = helper.make_graph(nodes, 'teacher', values[:1], values[1:], [constant])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9), str(path))
    return str(path)


with_onnx = pytest.mark.skipif(importlib.util.find_spec('onnx2tf') is None, reason='not installed')


@with_onnx
@pytest.mark.parametrize('shape', [[12, 16], [1, 12, 16]])
def test_onnx_with_grey_images(tmp_path, shape):
    import onnxruntime
    path = onnx_file(tmp_path / 'teacher.onnx', shape)
    images = np.random.RandomState(1).randint(0, 256, (3, 12, 16, 1)).astype(np.uint8)
    seen = (images / 255).astype(np.float32).reshape(3, *shape)
    expected, = onnxruntime.InferenceSession(path).run(None, {'images': seen})
    np.testing.assert_allclose(open_teacher(path, LENET).answers(images), expected, rtol=1e-3, atol=1e-4)


@with_onnx
def test_onnx_keeps_its_batch_norms(tmp_path):
    """Those over images, also where others have the same numbers."""
    import onnx
    import onnxruntime
    from onnx import helper
    rng, weights, nodes = np.random.RandomState(0), {}, []

    def layer(kind, values, **attributes):
        names = ['%s_%d_%d' % (kind, len(nodes), place) for place in range(len(values))]
        weights.update(zip(names, values))
        before = nodes[-1].output[0] if nodes else 'images'
        nodes.append(helper.make_node(kind, [before, *names], ['x%d' % len(nodes)], **attributes))

    norms = rng.uniform(0.5, 2, (2, 4, 6))
    layer('Conv', [rng.standard_normal((6, 3, 3, 3))])
    layer('BatchNormalization', norms[0], epsilon=1e-3)
    layer('Relu', [])
    layer('Conv', [rng.standard_normal((6, 6, 3, 3)), rng.standard_normal(6)])
    layer('BatchNormalization', norms[1])
    layer('BatchNormalization', norms[1])
    layer('GlobalAveragePool', [])
    layer('Flatten', [])
    layer('BatchNormalization', norms[1])
    layer('Gemm', [rng.standard_normal((6, 5))])
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ['batch', *axes])
            for name, axes in (('images', [3, 12, 16]), (nodes[-1].output[0], [5]))]
    constants = [onnx.numpy_helper.from_array(value.astype(np.float32), name)
                 for name, value in weights.items()]
    graph = helper.make_graph(nodes, 'teacher', ends[:1], ends[1:], constants)
    path = str(tmp_path / 'teacher.onnx')
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9), path)
    images = rng.randint(0, 256, (3, 12, 16, 3)).astype(np.uint8)
    seen = (images.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    expected, = onnxruntime.InferenceSession(path).run(None, {'images': seen})
    teacher = open_teacher(path, LENET)
    np.testing.assert_allclose(teacher.answers(images), expected, rtol=1e-3, atol=1e-4)
    new_graph(0)
    teacher.logits(tf.zeros([2, 12, 16, 3]))
    with session(1) as sess:
        found = sess.run([(mean, variance) for _, mean, variance in tf.get_collection(STATISTICS)])
    np.testing.assert_allclose(found, [norm[2:] for norm in norms[[0, 1, 1]]], rtol=1e-6)


@with_onnx
def test_a_conversion_of_onnx_that_answers_otherwise_is_refused(tmp_path):
    right, wrong = [onnx_file(tmp_path / str(seed), [1, 12, 12], seed) for seed in (0, 1)]
    code = ('import sys; from teachers import onnx_model as module; right, wrong, folder = sys.argv[1:]\n'
            'module.save_as_saved_model(module.read_model(wrong), folder)\n'
            'module._check_same(open(right, "rb").read(), folder)')
    done = run_script(['-c', code, right, wrong, str(tmp_path / 'model')])
    assert done.returncode == 1 and 'ValueError: onnx2tf makes of it a network that answers' in done.stderr


@pytest.mark.parametrize('optimiser', ['Adagrad', 'Adadelta', 'Ftrl', 'RMSProp'])
def test_what_an_optimiser_or_an_average_keeps_is_left_out(tmp_path, arrays, answers, optimiser):
    new_graph(0)
    variables = [tf.get_variable(name.replace('Teacher', 'net'), initializer=array)
                 for name, array in arrays.items()]
    getattr(tf.train, optimiser + 'Optimizer')(0.0).minimize(tf.add_n([tf.nn.l2_loss(v) for v in variables]))
    tf.train.ExponentialMovingAverage(0.9).apply(variables)
    with session(1) as sess:
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, str(tmp_path / 'net.ckpt'))
    for given in ('net.ckpt', 'net.ckpt.index', 'net.ckpt.meta', 'net.ckpt.data-00000-of-00001'):
        found = open_teacher(str(tmp_path / given), LENET).answers(IMAGES)
        np.testing.assert_allclose(found, answers, rtol=1e-5, atol=1e-4)


@pytest.fixture(scope='module')
def small_pair(tmp_path_factory):
    path = tmp_path_factory.mktemp('pair') / 'small.py'
    path.write_text(SMALL)
    return find_pair(str(path))


@pytest.fixture(scope='module')
def small_arrays(small_pair):
    rng = np.random.RandomState(0)
    return {name: rng.standard_normal(shape).astype(np.float32)
            for name, shape in variable_shapes(small_pair, 'Teacher', 5).items()}


def keras_3_names(layers):
    kinds = {'kernel': [], 'norm': []}
    for layer in layers:
        kinds['norm' if layer.endswith('_bn') else 'kernel'].append(layer)
    names = dict(zip(kinds['norm'], ['batch_normalization' + number for number in ('', '_1', '_10')]))
    return dict(names, a='conv2d', b='conv2d_1', first='dense', last='dense_1')


@pytest.mark.parametrize('form', ['keras', 'keras 3', 'in a row', 'torch'])
def test_layers_of_one_shape_are_told_apart_by_their_order(small_pair, small_arrays, form):
    """Biases and the four arrays of a batch norm have one shape, and so have the layers of one kind."""
    layers = list(dict.fromkeys(name.split('/')[1] for name in small_arrays))
    kinds = {'weights': 'kernel:0', 'biases': 'bias:0', 'scale': 'gamma:0', 'offset': 'beta:0',
             'moving_mean': 'moving_mean:0', 'moving_variance': 'moving_variance:0'}
    found = {}
    for number, (name, array) in enumerate(small_arrays.items()):
        _, layer, kind = name.split('/')
        if form == 'keras':
            found['net/layer_%d/%s' % (layers.index(layer), kinds[kind])] = array
        elif form == 'keras 3':
            place = [other for other in small_arrays if other.split('/')[1] == layer].index(name)
            found['layers/%s/vars/%d' % (keras_3_names(layers)[layer], place)] = array
        elif form == 'in a row':
            found['arr_%d' % number] = array
        else:
            words = dict(scale='weight', offset='bias', weights='weight', biases='bias',
                         moving_mean='running_mean', moving_variance='running_var')
            if name.endswith('first/weights'):
                array = array.reshape(2, 3, 3, 18).transpose(2, 0, 1, 3).reshape(18, 18)
            found['%d.%s' % (layers.index(layer), words[kind])] = turned(array)
            found['%d.num_batches_tracked' % layers.index(layer)] = np.array(3)
    if form == 'keras':
        found = {name: found[name] for name in sorted(found)}
    result, partners = recognise(found, small_pair, 'Teacher', channel_first=form == 'torch')
    assert set(result) == set(small_arrays) and list(partners) == layers
    for name, array in small_arrays.items():
        np.testing.assert_array_equal(result[name], array, name)


@pytest.mark.parametrize('change', ['one too many', 'one missing', 'another shape'])
def test_what_does_not_fit_whole_is_not_recognised(arrays, change):
    found = dict(arrays)
    if change == 'one too many':
        found['extra/weights'] = np.ones((3, 3), np.float32)
    elif change == 'one missing':
        del found['Teacher/conv1/biases']
    else:
        found['Teacher/conv1/biases'] = np.ones(7, np.float32)
    assert recognise(found, LENET, 'Teacher', channel_first=True) == (None, None)


@pytest.mark.parametrize('name', [
    'teacher.npz', 'keras_2.h5', 'model.keras', 'teacher.pb', 'teacher.ckpt.index'])
def test_half_a_file_is_named_in_one_line(files, tmp_path, name):
    content = read_bytes(os.path.join(files, name))
    (tmp_path / name).write_bytes(content[:len(content) // 2])
    with pytest.raises(RunError) as caught:
        open_teacher(str(tmp_path / name), LENET)
    assert name in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('name, message', [
    ('nothing.npz', 'no file'), ('folder', 'holds no saved_model.pb'),
    ('other.npz', 'do not fit by order and shape'), ('objects.npz', 'do not fit by order and shape')])
def test_what_is_no_teacher(tmp_path, name, message):
    (tmp_path / 'folder').mkdir()
    np.savez(str(tmp_path / 'other.npz'), x_train=np.zeros((2, 28, 28)))
    np.savez(str(tmp_path / 'objects.npz'), np.array([None, {}], object))
    with pytest.raises(RunError, match=message):
        open_teacher(str(tmp_path / name), LENET)


def test_a_file_beside_a_checkpoint_of_its_name(files, tmp_path):
    for file in os.listdir(files):
        if file.startswith('teacher.ckpt.'):
            shutil.copy(os.path.join(files, file), str(tmp_path / file))
    shutil.copy(os.path.join(files, 'teacher.pb'), str(tmp_path / 'teacher.ckpt'))
    assert format_of(str(tmp_path / 'teacher.ckpt.index')) == 'checkpoint'
    assert set(files_of(str(tmp_path / 'teacher.ckpt.index'))) == {'.index', '.data-00000-of-00001'}
    assert files_of(str(tmp_path / 'teacher.ckpt')) == {'': str(tmp_path / 'teacher.ckpt')}


def test_digest_of_folders_and_checkpoints_is_of_their_content(files, tmp_path):
    copies = {}
    for name in ('teacher', 'teacher.ckpt'):
        for file in os.listdir(files):
            if file == name or file.startswith(name + '.'):
                source = os.path.join(files, file)
                (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, str(tmp_path / file))
        copies[name] = str(tmp_path / name)
        assert digest_of(copies[name]) == digest_of(os.path.join(files, name))
    assert digest_of(copies['teacher.ckpt']) == digest_of(copies['teacher.ckpt'] + '.index')
    (tmp_path / 'teacher' / 'notes.txt').write_text('not read')
    assert digest_of(copies['teacher']) == digest_of(os.path.join(files, 'teacher'))
    (tmp_path / 'teacher' / 'variables').rename(tmp_path / 'elsewhere')
    (tmp_path / 'teacher' / 'variables').symlink_to(tmp_path / 'elsewhere')
    assert digest_of(copies['teacher']) == digest_of(os.path.join(files, 'teacher'))
    parts = ('teacher/saved_model.pb', 'elsewhere/variables.index',
             'elsewhere/variables.data-00000-of-00001', 'teacher.ckpt.data-00000-of-00001')
    for name, part in zip(['teacher'] * 3 + ['teacher.ckpt'], parts):
        with open(str(tmp_path / part), 'ab') as file:
            before = digest_of(copies[name])
            file.write(b'x')
        assert digest_of(copies[name]) not in (before, digest_of(os.path.join(files, name)))


def test_a_name_is_in_pre_trained_and_all_else_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'export').mkdir()
    (tmp_path / 'teacher').write_text('')
    for given in ('export', 'export/', 'a.MAT', 'b.npz', './c', 'd/model.ckpt-1', 'best.pth.tar', 'teacher'):
        assert teacher_file(given) == given.rstrip('/')
    assert teacher_file('Lenet5') == os.path.join(ROOT, 'pre_trained', 'Lenet5.mat')


@pytest.mark.parametrize('path', sorted(glob.glob(os.path.join(ROOT, 'pre_trained', '*.mat'))),
                         ids=os.path.basename)
def test_networks_that_come_with_the_repository_have_their_records(path):
    network, record = network_of(path)
    asked = record['arguments']
    assert (network.pair.name, network.role) == (asked['nets'], asked['main_scope'])
    assert kind_of(path, TeacherOptions()).channels == network.image_shape[2]
    assert record['inputs']['dataset'] == digest(asked['dataset'])


def test_a_network_with_code_has_the_channels_of_its_weights(tmp_path):
    config = {'class_name': 'Sequential', 'config': {'layers': [{'class_name': 'Lambda', 'config': {}}]}}
    with h5py.File(str(tmp_path / 'teacher.h5'), 'w') as file:
        file.attrs['model_config'], file.attrs['layer_names'] = json.dumps(config), [b'conv']
        group = file.create_group('conv')
        group.attrs['weight_names'] = [b'conv/kernel:0']
        group['conv/kernel:0'] = np.ones((5, 5, 3, 8), np.float32)
    assert kind_of(str(tmp_path / 'teacher.h5'), TeacherOptions()) == TeacherKind(3)


def test_pixel_scale_mean_and_deviation(tmp_path, arrays, answers):
    """A teacher whose first layer has taken them up answers as one that is told of them."""
    low, high, mean, std = -3.0, 5.0, 0.5, 2.0
    weights = arrays['Teacher/conv0/weights']
    kernel = weights * std / (high - low)  # of (low + (high - low) x - mean) / std
    biases = arrays['Teacher/conv0/biases'] + weights.sum(axis=(0, 1, 2)) * (mean - low) / (high - low)
    np.savez(str(tmp_path / 'scaled.npz'),
             **dict(arrays, **{'Teacher/conv0/weights': kernel, 'Teacher/conv0/biases': biases}))
    teacher = open_teacher(str(tmp_path / 'scaled.npz'), LENET, TeacherOptions((low, high), (mean,), (std,)))
    np.testing.assert_allclose(teacher.answers(IMAGES), answers, rtol=1e-4, atol=1e-3)
    with pytest.raises(RunError, match='--teacher_mean has 3 numbers.*1 channels'):
        open_teacher(str(tmp_path / 'scaled.npz'), LENET, TeacherOptions(mean=(0.1, 0.2, 0.3)))


def test_input_and_logits_name_nothing_in_weights(teacher):
    for options in (TeacherOptions(input='images'), TeacherOptions(logits='fc2')):
        with pytest.raises(RunError, match='holds weights and no graph'):
            open_teacher(teacher, LENET, options)


def test_a_table_of_ones_own_teacher(tmp_path, small, files, capsys):
    words = ['--runs=1', '--rates', '0.2', '--budget=0.002', '--methods', 'ZSKD', '--root=%s' % tmp_path,
             '--dataset=%s' % small, '--teacher=%s' % os.path.join(files, 'teacher.npz')]
    assert autotrain.main(words) == 0
    said = capsys.readouterr().out
    assert re.search(r'teacher.npz. is right about 9\d\.\d % of 500 test images\n', said)
    assert '| Rate' in said.replace('|   ', '| ') and 'Teacher' not in said.split('|', 1)[1]

    def to_do(*more):
        _, args = table_flags(words + list(more))
        return [job.name for job in autotrain.plan(args) if job.finished()[0] is None]
    assert to_do() == []
    assert to_do('--teacher_std', '0.9') == ['DI-0.2 run 0', 'ZSKD-0.2 run 0']


def test_a_table_without_data_is_of_agreements(tmp_path, files, capsys):
    words = ['--runs=1', '--rates', '0.2', '--budget=0.002', '--methods', 'ZSKD', '--root=%s' % tmp_path,
             '--dataset=none', '--teacher=%s' % os.path.join(files, 'teacher.npz')]
    assert autotrain.main(words) == 0
    said, record = capsys.readouterr().out, load_json(str(tmp_path / 'ZSKD0.2' / 'zskd0.2_0' / 'result.json'))
    assert 'ZSKD-0.2 run 0: %.2f %% agreement' % record['agreement'] in said
    assert 'ZSKD (agreement)' in said
    assert re.search(r'\| +0\.2 \| +%.2f +\|' % record['agreement'], said)


@pytest.mark.parametrize('scale, warning', [
    ((0.0, 1.0), ''), ((0.0, 255.0), 'may be too large'), ((0.0, 1 / 255), 'may be too small')])
def test_a_pixel_scale_that_is_far_off_is_warned_of(teacher, capsys, scale, warning):
    warn_of_pixel_scale(open_teacher(teacher, LENET, TeacherOptions(scale)), 1, 'cpu')
    said = capsys.readouterr().out
    assert warning in said and ('warning' in said) == bool(warning)


@pytest.mark.parametrize('factor', [1e-30, 1e-6])
def test_a_teacher_whose_logits_are_nearly_equal_is_warned_of(arrays, tmp_path, capsys, factor):
    path = str(tmp_path / 'shrunk.npz')
    np.savez(path, **{name: array * (np.float32(factor) if '/fc2/' in name else 1)
                      for name, array in arrays.items()})
    shrunk = open_teacher(path, LENET)
    warn_of_pixel_scale(shrunk, 1, 'cpu')
    assert 'shrunk.npz\' answers noise with logits that differ by' in capsys.readouterr().out
    check_logits(shrunk, np.random.RandomState(0).standard_normal((5, 10)), 'noise')
    assert not capsys.readouterr().out
    for wrong in (np.nan, np.inf):
        with pytest.raises(RunError, match='answers noise with NaN or infinite logits'):
            check_logits(shrunk, np.array([[0, wrong]]), 'noise')


def test_a_teacher_near_chance_is_warned_of(teacher, mnist, arrays, tmp_path, capsys):
    images, labels = mnist.test_images, mnist.test_labels
    print_accuracy(open_teacher(teacher, LENET), images, labels, 'test images', 1, 'cpu')
    said = capsys.readouterr().out
    assert re.search(r'right about 9\d\.\d % of 1000 test images', said) and 'warning' not in said
    # The mistake of those who bring a network from elsewhere: the first dense layer is for channels first.
    rows = arrays['Teacher/fc0/weights'].reshape(5, 5, 16, 120).transpose(2, 0, 1, 3).reshape(400, 120)
    np.savez(str(tmp_path / 'mistaken.npz'), **dict(arrays, **{'Teacher/fc0/weights': rows}))
    mistaken = open_teacher(str(tmp_path / 'mistaken.npz'), LENET)
    print_accuracy(mistaken, images, labels, 'test images', 1, 'cpu')
    assert 'warning: that is near chance' in capsys.readouterr().out


def test_numbers_in_another_file_are_not_read(tmp_path):
    """They would not be among what is digested."""
    with h5py.File(str(tmp_path / 'other.h5'), 'w') as file:
        file['kernel'] = np.ones((3, 4), np.float32)
    (tmp_path / 'numbers').write_bytes(bytes(48))
    for name in ('link', 'external'):
        with h5py.File(str(tmp_path / (name + '.h5')), 'w') as file:
            if name == 'link':
                file['kernel'] = h5py.ExternalLink(str(tmp_path / 'other.h5'), 'kernel')
            else:
                place = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                place.set_external(str(tmp_path / 'numbers').encode(), 0, 48)
                space = h5py.h5s.create_simple((3, 4))
                h5py.h5d.create(file.id, b'kernel', h5py.h5t.NATIVE_FLOAT, space, place)
            file.create_group('layer').attrs['weight_names'] = [b'kernel']
            file.attrs['layer_names'] = [b'layer']
            file['layer/kernel'] = h5py.SoftLink('/kernel')
        with pytest.raises(RunError, match='is damaged or not an HDF5 file'):
            read_weights(str(tmp_path / (name + '.h5')))


def test_a_checkpoint_of_fifos_is_refused(tmp_path):
    for name in ('x.ckpt.index', 'x.ckpt.data-00000-of-00001'):
        os.mkfifo(str(tmp_path / name))
    with pytest.raises(RunError, match='not a file'):
        read_weights(str(tmp_path / 'x.ckpt'))
    assert digest_of(str(tmp_path / 'x.ckpt')) is None


@pytest.mark.parametrize('size, classes, said', [
    (600, 43, '13 for each class; 5 times'), (600, 2, 'two'), (40, 43, 'fewer than the 43'), (2580, 43, '^$'),
    (60, 10, '^$')])
def test_few_impressions_for_each_class(capsys, size, classes, said):
    print_number(size, classes)
    assert re.search(said, capsys.readouterr().out)


@pytest.mark.parametrize('met, said', [(0.14, 'near chance.*--teacher_scale.*--teacher_std'),
                                       (0.45, 'fewer than half.*--iterations'), (0.8, '^$')])
def test_impressions_that_failed_say_so(capsys, met, said):
    print_targets_met(met, 10)
    assert re.search(said, capsys.readouterr().out)
