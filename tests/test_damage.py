"""Randomly damaged files are refused with the one message, or read: never anything else."""
import contextlib
import io
import os
import tempfile

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils import mnist as mnist_module
from utils.arguments import training_arguments, training_files, training_result
from utils.files import RunError, load_mat, load_result
from utils.impressions import load_impressions

SHAPES = {'Teacher/fc1/weights': [120, 84], 'Teacher/fc2/biases': [10]}
EXAMPLES = settings(max_examples=250, deadline=None, derandomize=True,
                    suppress_health_check=list(HealthCheck))


def mat_bytes(arrays, compressed):
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays, do_compression=compressed)
    return buffer.getvalue()


RNG = np.random.RandomState(0)
TEACHER = {name: RNG.standard_normal(shape) for name, shape in SHAPES.items()}
IMPRESSIONS = {'train_images': RNG.uniform(0, 255, (3, 32, 32, 1)), 'train_labels': RNG.dirichlet(np.ones(10), 3)}
WHOLE = {(kind, compressed): mat_bytes(arrays, compressed)
         for kind, arrays in (('teacher', TEACHER), ('impressions', IMPRESSIONS)) for compressed in (False, True)}


@st.composite
def damaged(draw, content):
    """The content cut short, or with up to 20 bits flipped, half of them near the start."""
    if draw(st.booleans()):
        return content[:draw(st.integers(0, len(content) - 1))]
    changed = bytearray(content)
    places = st.one_of(st.integers(0, len(content) - 1), st.integers(0, min(400, len(content) - 1)))
    for place in draw(st.lists(places, min_size=1, max_size=20)):
        changed[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


@contextlib.contextmanager
def written(content, name):
    """Path of a file with that content, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, 'wb') as file:
            file.write(content)
        yield path


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('kind', ['teacher', 'impressions'])
def test_damaged_mat_files(kind, compressed):
    @EXAMPLES
    @given(damaged(WHOLE[kind, compressed]))
    def check(content):
        with written(content, 'x.mat') as path:
            try:
                if kind == 'teacher':
                    arrays = load_mat(path, SHAPES)
                    assert {name: list(array.shape) for name, array in arrays.items()} == SHAPES
                    assert all(np.isfinite(array).all() for array in arrays.values())
                else:
                    images, targets = load_impressions(path)
                    assert images.shape[1:] == (32, 32, 1) and targets.shape == (len(images), 10)
            except RunError as error:
                assert path in str(error) and '\n' not in str(error)

    check()


@pytest.mark.parametrize('name, original', [('mnist.npz', b'PK\3\4' + bytes(500)), ('mnist.pkl.gz', None)])
def test_damaged_archives(name, original, data):
    if original is None:
        with open(mnist_module.fetch(data), 'rb') as file:
            original = file.read(20000)

    @settings(EXAMPLES, max_examples=100)
    @given(damaged(original))
    def check(content):
        with written(content, name) as path, pytest.raises(RunError, match='delete it'):
            mnist_module.load_mnist(os.path.dirname(path))

    check()


@EXAMPLES
@given(st.binary() | st.text().map(str.encode) | st.recursive(
    st.none() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(['arguments', 'inputs', 'outputs', 'accuracy']), inner)).map(lambda x: repr(x).encode()))
def test_strange_result_files_are_no_results(content):
    with written(content, 'result.json') as path:
        args = training_arguments(['--train_dir', os.path.dirname(path), '--main_scope', 'Student'])
        assert load_result(training_result(args), args, *training_files(args)) is None
