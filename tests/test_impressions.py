"""The files of data impressions: kept as they are, read whoever made them, refused in one line."""
import os

import numpy as np
import pytest
import scipy.io

import Data_Impressions
import visualization
from utils.data import impressions
from utils.data.impressions import check_bytes, load_impressions, save_impressions
from utils.files import RunError
from utils.matfile import mat_arrays, save_mat
from utils.records.layout import training_files
from utils.settings.flags import picture_flags, training_flags


def images_of(shape, count=6):
    return np.random.RandomState(0).randint(0, 256, (count,) + shape).astype(np.uint8)


def targets_of(classes, count=6):
    return np.random.RandomState(1).dirichlet(np.ones(classes), count).astype(np.float32)


IMAGES, TARGETS = images_of((32, 32, 1)), targets_of(10)


def test_impressions_that_no_file_holds_are_refused_before_they_are_searched(tmp_path, monkeypatch):
    check_bytes(20000, (128, 128, 3))
    with pytest.raises(RunError, match='24000 impressions of 128x128x3 are more than the 4 GiB'):
        check_bytes(24000, (128, 128, 3))
    monkeypatch.setattr(impressions, 'MOST_BYTES', 600 * 4 * 32 * 32 - 1)
    with pytest.raises(RunError, match='600 impressions of 32x32x1'):
        Data_Impressions.main(['--Rate=1', '--dataset=none', '--save_path', str(tmp_path)])


@pytest.mark.parametrize('shape', [(32, 32, 1), (32, 32, 3), (8, 64, 3), (28, 28, 1)])
@pytest.mark.parametrize('classes', [2, 10, 100])
def test_impressions_are_kept_as_they_are(tmp_path, shape, classes):
    path = str(tmp_path / 'DI-1.mat')
    expected_images, expected_targets = images_of(shape), targets_of(classes)
    save_impressions(path, expected_images, expected_targets)
    for asked in ((), (shape, classes), (list(shape), classes)):
        _, images, targets, _ = load_impressions(path, *asked)
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(targets, expected_targets)
        assert images.dtype == np.uint8 and targets.dtype == np.float32
    kept, _ = mat_arrays(path)
    assert set(kept) == {'train_images', 'train_labels'}
    assert {array.dtype for array in kept.values()} == {np.dtype(np.float32)}
    assert kept['train_images'].max() > 250, 'the scale on disk is 0..255'


@pytest.mark.parametrize('name', ['DI-1.mat', 'DI-1.MAT'])
def test_what_matlab_has_saved_is_read(tmp_path, name):
    """MATLAB drops the last axis where its length is 1."""
    arrays = {'train_images': IMAGES[..., 0].astype(float), 'train_labels': TARGETS}
    scipy.io.savemat(str(tmp_path / name), arrays, appendmat=False)
    for asked in ((), ((32, 32, 1), 10)):
        _, images, targets, _ = load_impressions(str(tmp_path / name), *asked)
        np.testing.assert_array_equal(images, IMAGES)
        np.testing.assert_array_equal(targets, TARGETS)


def test_impressions_made_elsewhere_are_read(reference):
    path = os.path.join(reference, 'DI-1.mat')
    _, images, targets, _ = load_impressions(path, (32, 32, 1), 10)
    exact = mat_arrays(path)[0]['train_images']
    assert images.shape == (600, 32, 32, 1) and targets.shape == (600, 10)
    assert np.abs(images - exact.reshape(images.shape)).max() <= 0.5 and 30 < images.mean() < 35


PIXELS = 'the pixels of train_images are '
UNUSABLE = {
    'other side': (dict(train_images=IMAGES[:, 2:30, 2:30]),
                   "'train_images' has shape 6x28x28x1, expected Nx32x32x1"),
    'other classes': (dict(train_labels=TARGETS[:, :5]), "'train_labels' has shape 6x5, expected Nx10"),
    'fewer labels': (dict(train_labels=TARGETS[:5]), 'holds 6 images and 5 labels; make it again'),
    'none': (dict(train_images=IMAGES[:0], train_labels=TARGETS[:0]), 'images'),  # kept as 0x0x0x0
    'too bright': (dict(train_images=IMAGES + 1.0), PIXELS + 'from 1 to 256, expected 0..255'),
    'negative': (dict(train_images=IMAGES - 1.0), PIXELS + 'from -1 to 254, expected 0..255'),
    'halves': (dict(train_labels=TARGETS / 2), 'rows of train_labels are not probabilities that sum to 1'),
    'negative labels': (dict(train_labels=np.eye(10)[:6] * 3 - 0.2),
                        'rows of train_labels are not probabilities that sum to 1; make it again'),
}


@pytest.mark.parametrize('changes, said', UNUSABLE.values(), ids=UNUSABLE)
def test_impressions_that_cannot_be_used_are_one_line(tmp_path, changes, said):
    path = str(tmp_path / 'DI-1.mat')
    save_mat(path, dict(dict(train_images=IMAGES, train_labels=TARGETS), **changes))
    with pytest.raises(RunError) as error:
        load_impressions(path, (32, 32, 1), 10)
    assert repr(path) in str(error.value) and said in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('place, path', [('other/DI-1.mat', 'other/DI-1.mat'), ('other', 'other/DI-10.mat')])
def test_impressions_are_given_as_a_file_or_as_its_folder(place, path):
    words = ['--train_dir=x', '--Distillation=ZSKD-10', '--impressions', place]
    assert training_files(training_flags(words)).inputs['impressions'] == path


def test_pictures_take_the_folder_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ('.', 'DI-1.mat'):
        with pytest.raises(RunError, match='no file .*DI-1.mat'):
            visualization.draw(picture_flags(['--impressions', place]))
