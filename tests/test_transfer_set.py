"""What a student learns from: samples, impressions, affine copies, batches, and the scale of pixels."""
from argparse import Namespace

import cv2
import numpy as np
import pytest
import scipy.ndimage

from utils.data import transfer_set as module
from utils.data.transfer_set import batches, mix, split, stratified_sample, transfer_set, with_affine_copies
from utils.files import RunError
from utils.images import to_bytes
from utils.records.inputs import training_inputs
from utils.settings.flags import training_flags
from utils.settings.methods import METHODS

# Real images

@pytest.mark.parametrize('size', [1, 9, 10, 600, 3001, 59999, 60000])
def test_a_sample_is_stratified_and_of_exact_size(mnist, size):
    labels = mnist.train_labels
    sample = stratified_sample(labels, size, np.random.RandomState(0))
    assert len(sample) == size and (np.diff(sample) > 0).all()
    shares = np.bincount(labels) * size / len(labels)
    assert np.abs(np.bincount(labels[sample], minlength=10) - shares).max() < 1
    if 10 <= size < 59999:
        assert not np.array_equal(sample, stratified_sample(labels, size, np.random.RandomState(1)))


def test_a_sample_of_unequal_classes():
    labels = np.repeat([7, 2, 5], [70, 29, 1]).astype(np.uint8)
    sample = stratified_sample(labels, 10, np.random.RandomState(0))
    assert np.bincount(labels[sample]).tolist() == [0, 0, 3, 0, 0, 0, 0, 7]


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """(path of a data set of one's own, its 500 training images as they are learnt from, their labels)."""
    path, rng = str(tmp_path_factory.mktemp('data') / 'small.npz'), np.random.RandomState(0)
    images, labels = rng.randint(0, 256, (500, 32, 32)).astype(np.uint8), np.arange(500) % 10
    np.savez(path, x_train=images, y_train=labels, x_test=images[:10], y_test=labels[:10])
    return path, images[..., None], labels


def learnt_from(*flags):
    settings = training_flags(['--train_dir=unused', *flags])
    method, rng = METHODS[settings.method], np.random.RandomState(0)
    return transfer_set(settings, method, training_inputs(settings), rng)


def test_soft_logits_learn_from_a_sample(mnist, data):
    images, labels = learnt_from('--data', data, '--Distillation=Soft_logits-1')
    sample = stratified_sample(mnist.train_labels, 600, np.random.RandomState(0))
    np.testing.assert_array_equal(images, mnist.train_images[sample])
    np.testing.assert_array_equal(labels, mnist.train_labels[sample])


def test_held_out_images_are_not_trained_on(small):
    path, all_images, all_labels = small
    images, labels = learnt_from('--dataset', path, '--holdout=100')
    assert np.bincount(labels).tolist() == [40] * 10
    sample, labels = learnt_from('--dataset', path, '--holdout=100', '--any_teacher',
                                 '--Distillation=Soft_logits-10')
    assert len(sample) == 40 and np.bincount(labels).tolist() == [4] * 10, '10 % of what is left'
    trained_on = {image.tobytes() for image in images}
    assert all(image.tobytes() in trained_on for image in sample)
    too_few = 'small holds 500 training images, too few for --holdout 500'
    with pytest.raises(RunError, match=too_few):
        learnt_from('--dataset', path, '--holdout=500')
    settings = training_flags(['--train_dir=unused', '--dataset', path, '--holdout=500'])
    with pytest.raises(RunError, match=too_few):
        split(settings, training_inputs(settings))
    settings.holdout = 100
    _, (evaluated, labels) = split(settings, training_inputs(settings))
    assert np.bincount(labels).tolist() == [10] * 10
    together = {image.tobytes() for image in [*images, *evaluated]}
    assert together == {image.tobytes() for image in all_images} and len(images) + len(evaluated) == 500


def held_out(labels, holdout, dataset='sorted.npz'):
    """(labels to learn from, labels held out) of images that are their own numbers, and these numbers."""
    numbers = np.arange(len(labels))
    opened = Namespace(name='sorted', part=lambda part, shape: (numbers, labels))
    kept, held = split(Namespace(dataset=dataset, holdout=holdout),
                       Namespace(dataset=opened, pair=Namespace(image_shape=(8, 8, 1))))
    assert sorted([*kept[0], *held[0]]) == list(numbers)
    assert (labels[kept[0]] == kept[1]).all() and (labels[held[0]] == held[1]).all()
    return kept, held


def test_a_class_that_is_held_out_whole_is_said(tmp_path, capsys):
    labels, path = np.array([0] + [1, 2] * 12), str(tmp_path / 'few.npz')
    images = np.random.RandomState(0).randint(0, 256, (25, 32, 32)).astype(np.uint8)
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    learnt_from('--dataset', path, '--holdout=16')
    assert 'warning: --holdout 16 leaves no training image of 1 classes' in capsys.readouterr().out


def test_of_a_file_sorted_by_class_no_class_is_held_out_whole():
    labels = np.repeat(np.arange(4), [400, 300, 200, 100])
    kept, held = held_out(labels, 100)
    assert np.bincount(held[1]).tolist() == [40, 30, 20, 10]
    assert (np.diff(held[0]) > 0).all() and not np.array_equal(held[0], np.arange(900, 1000))
    np.testing.assert_array_equal(held_out(labels, 100)[1][0], held[0], 'the same ones in every job')
    assert set(held[0]) < set(held_out(labels, 250)[1][0])


def test_of_a_known_data_set_the_last_images_are_held_out():
    assert held_out(np.repeat(np.arange(4), 25), 30, 'mnist')[1][0].tolist() == list(range(70, 100))


def test_a_sample_without_some_class_is_said(small, capsys):
    learnt_from('--dataset', small[0], '--any_teacher', '--Distillation=Soft_logits-1')
    assert 'warning: the sample of 5 images has none of 5 classes\n' in capsys.readouterr().out


# Impressions

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 32, 32, 1)).astype(np.uint8)


def test_pixels_from_fractions_to_bytes():
    assert to_bytes(np.array([0, 0.4 / 255, 0.6 / 255, 0.5, 254.4 / 255, 1], np.float32)).tolist() == [
        0, 0, 1, 128, 254, 255]
    np.testing.assert_array_equal(to_bytes(IMAGES / np.float32(255)), IMAGES)


# Affine copies


def test_copies_are_what_the_definition_says(mnist):
    """A copy's pixel at p is the image, bilinear, black outside, at centre + R (p - centre) / zoom + shift.

    Drawn for each set of copies: angles, zooms, shifts down, shifts right. The images are smooth, because the
    place in the image is rounded to 1/32 of a pixel.
    """
    digits = mnist.test_images[:40].astype(float)
    images = np.rint(scipy.ndimage.gaussian_filter(digits, [0, 2, 2, 0])).astype(np.uint8)
    copies = with_affine_copies(images, 2, 40, 0.3, 6, np.random.RandomState(3)).reshape(3, 40, 32, 32)[1:]
    rng = np.random.RandomState(3)
    down, right = np.mgrid[:32, :32] - 15.5
    for version in copies:
        angles, zooms = np.radians(rng.uniform(-40, 40, 40)), rng.uniform(0.7, 1.3, 40)
        downs, rights = rng.uniform(-6, 6, 40), rng.uniform(-6, 6, 40)
        for i in range(40):
            c, s = np.cos(angles[i]) / zooms[i], np.sin(angles[i]) / zooms[i]
            places = [15.5 + s * right + c * down + downs[i], 15.5 + c * right - s * down + rights[i]]
            black_around = np.pad(images[i, :, :, 0].astype(float), 40, mode='constant')
            expected = scipy.ndimage.map_coordinates(black_around, [40 + places[0], 40 + places[1]], order=1)
            assert np.abs(version[i] - expected).max() < 2


@pytest.mark.parametrize('scope', ['Teacher', 'Student'])
def test_copies_go_with_labels_and_every_other_one_of_an_image_is_mirrored(small, scope):
    """Of three copies it is one or two, whatever the image's place, which may tell its class."""
    path, all_images, all_labels = small
    images, labels = learnt_from('--dataset', path, '--main_scope', scope, '--augment', '--copies=3',
                                 '--mirror=1', '--rotation=0', '--scale=0', '--shift=0')
    original, *copies = images.reshape(4, *all_images.shape)
    np.testing.assert_array_equal(original, all_images)
    first = (copies[0] != all_images).any(axis=(1, 2, 3))
    for place in range(4):
        assert 0.3 < first[place::4].mean() < 0.7
    for mirrored, version in zip((first, ~first, first), copies):
        np.testing.assert_array_equal(version[mirrored], all_images[mirrored, :, ::-1])
        np.testing.assert_array_equal(version[~mirrored], all_images[~mirrored])
    np.testing.assert_array_equal(labels, np.tile(all_labels, 4))


def mixed(cutmix, fmix):
    """200 copies after mixing, each of one level before, and where they are another's: bool [200, 16, 20]."""
    levels = np.arange(200, dtype=np.uint8)[:, None, None, None]
    copies = np.tile(levels, (1, 16, 20, 3))
    mix(copies, cutmix, fmix, np.random.RandomState(0))
    return copies, (copies != levels)[..., 0]


def test_cutmix_puts_a_rectangle_of_another_copy_into_a_share_of_them():
    copies, foreign = mixed(0.25, 0)
    changed = np.flatnonzero(foreign.any(axis=(1, 2)))
    assert 48 <= len(changed) <= 50  # of 50, one may have drawn itself
    for copy, other in zip(copies[changed], foreign[changed]):
        rows, columns = other.any(axis=1).sum(), other.any(axis=0).sum()
        assert 4 <= rows <= 12 and 5 <= columns <= 15
        if len(np.unique(copy[other])) == 1:  # else the other copy was one with a rectangle itself
            assert other.sum() == rows * columns


def test_fmix_puts_a_region_of_another_copy_into_a_share_of_those_without_a_rectangle():
    _, foreign = mixed(0.25, 0.5)
    assert 120 <= foreign.any(axis=(1, 2)).sum() <= 125  # 50 and half of the other 150
    rectangles = [mask[rows][:, columns].all() for mask, rows, columns in (
        (mask, mask.any(axis=1), mask.any(axis=0)) for mask in foreign if mask.any())]
    assert 40 <= sum(rectangles) <= 60


def test_most_regions_cover_a_quarter_to_three_quarters_and_are_in_few_pieces():
    masks = module.regions(300, (32, 24), np.random.RandomState(0))[..., 0]
    assert masks.shape == (300, 32, 24)
    shares = np.percentile(masks.mean(axis=(1, 2)), [10, 50, 90])
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75], atol=0.1)
    pieces = [cv2.connectedComponents(mask.astype(np.uint8))[0] - 1 for mask in masks]
    assert 1 <= min(pieces) and np.median(pieces) <= 6


def test_mixing_is_for_answers_of_a_teacher(small):
    path, all_images, _ = small
    words = ['--dataset', path, '--augment', '--copies=1', '--rotation=0', '--scale=0', '--shift=0',
             '--cutmix=1', '--any_teacher']
    images, _ = learnt_from('--Distillation=Soft_logits-100', *words)
    changed = (images[500:] != all_images).any(axis=(1, 2, 3))
    assert np.array_equal(images[:500], all_images) and changed.mean() > 0.9


# Batches

def test_batches_show_every_item_before_any_twice():
    shown = list(batches(10, 4, 5, np.random.RandomState(0)))
    assert [len(batch) for batch in shown] == [4] * 5
    seen = np.concatenate(shown)
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()


def test_batches_larger_than_the_set():
    shown = np.concatenate(list(batches(3, 8, 3, np.random.RandomState(0))))
    assert len(shown) == 24 and all(sorted(shown[i:i + 3]) == [0, 1, 2] for i in range(0, 24, 3))
