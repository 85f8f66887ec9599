"""Randomly damaged files are refused with the one message, or read: never anything else."""
import io
import zipfile

import numpy as np
import pytest
import scipy.io
from conftest import arrays_of, bytes_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.data.datasets import open_dataset
from utils.data.impressions import load_impressions
from utils.files import RunError

SHAPES = {'Teacher/fc1/weights': [120, 84], 'Teacher/fc2/biases': [10]}
EXAMPLES = settings(max_examples=120, deadline=None, derandomize=True,
                    suppress_health_check=list(HealthCheck))


RNG = np.random.RandomState(0)
TEACHER = {name: RNG.standard_normal(shape) for name, shape in SHAPES.items()}
IMPRESSIONS = {'train_images': RNG.uniform(0, 255, (3, 32, 32, 1)),
               'train_labels': RNG.dirichlet(np.ones(10), 3)}
WHOLE = {(kind, compressed): bytes_of(scipy.io.savemat, arrays, do_compression=compressed)
         for kind, arrays in (('teacher', TEACHER), ('impressions', IMPRESSIONS))
         for compressed in (False, True)}
DATA_SET = {'x_train': RNG.randint(0, 256, (4, 9, 8, 3)).astype(np.uint8), 'y_train': np.arange(4),
            'x_test': RNG.randint(0, 256, (3, 9, 8, 3)).astype(np.uint8),
            'y_test': np.array([[3], [2], [1]], np.uint8),
            'class_names': np.array(['cat', 'dog', 'fox', 'owl'])}


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


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('kind', ['teacher', 'impressions'])
def test_damaged_mat_files(kind, compressed, tmp_path):
    path = str(tmp_path / 'x.mat')

    @EXAMPLES
    @given(damaged(WHOLE[kind, compressed]))
    def check(content):
        (tmp_path / 'x.mat').write_bytes(content)
        try:
            if kind == 'teacher':
                arrays = arrays_of(path, SHAPES)
                assert {name: list(array.shape) for name, array in arrays.items()} == SHAPES
                assert all(np.isfinite(array).all() for array in arrays.values())
            else:
                _, images, targets, _ = load_impressions(path, (32, 32, 1), 10)
                assert images.shape[1:] == (32, 32, 1) and targets.shape == (len(images), 10)
                assert len(load_impressions(path).images) == len(images)
        except RunError as error:
            assert path in str(error) and '\n' not in str(error)

    check()


@st.composite
def damaged_npz(draw):
    """An .npz file that is damaged, or that is a whole archive (its checksums right) of a damaged array."""
    if draw(st.booleans()):
        return draw(damaged(bytes_of(draw(st.sampled_from([np.savez, np.savez_compressed])), **DATA_SET)))
    members = {name: bytes_of(np.save, array) for name, array in DATA_SET.items()}
    name = draw(st.sampled_from(sorted(members)))
    members[name] = draw(damaged(members[name]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        for name, content in members.items():
            archive.writestr(name + '.npy', content)
    return buffer.getvalue()


@EXAMPLES
@given(content=damaged_npz())
def test_damaged_data_sets(content, tmp_path):
    path = str(tmp_path / 'mnist.npz')
    (tmp_path / 'mnist.npz').write_bytes(content)
    for dataset in (path, 'mnist'):
        try:
            opened = open_dataset(dataset, str(tmp_path))
            assert len(opened.class_names) == opened.classes <= 1000
            for part in ('train', 'test'):
                images, labels = opened.part(part, (32, 32, opened.image_shape[2]))
                assert dataset == path, 'no known data set is of so few images'
                assert images.shape == (len(labels), 32, 32, opened.image_shape[2])
                assert (images.dtype, labels.dtype) == (np.uint8, np.int32)
                assert len(labels) and 0 <= labels.min() and labels.max() < opened.classes
        except RunError as error:
            assert path in str(error) and '\n' not in str(error)


def test_undamaged_files_are_read(tmp_path):
    """What is damaged above is whole to begin with."""
    file = tmp_path / 'x'
    for (kind, _), content in WHOLE.items():
        file.write_bytes(content)
        if kind == 'teacher':
            assert set(arrays_of(str(file), SHAPES)) == set(SHAPES)
        else:
            assert len(load_impressions(str(file)).images) == 3
    for save in (np.savez, np.savez_compressed):
        file.write_bytes(bytes_of(save, **DATA_SET))
        assert open_dataset(str(file), 'unused').part('test', (32, 32, 3))[1].tolist() == [3, 2, 1]
