"""A data set of one's own: of any image shape and number of classes; what cannot be used is one line."""
import os

import cv2
import numpy as np
import pytest

from utils.data.datasets import fetch, open_dataset, training_images
from utils.files import RunError, sha256


def arrays(shape=(28, 28), classes=10, train=12, test=5):
    """A data set: bytes of the whole range, labels that begin with the largest."""
    rng = np.random.RandomState(0)
    return {'x_train': rng.randint(0, 256, (train,) + shape).astype(np.uint8),
            'y_train': (classes - 1 - np.arange(train)) % classes,
            'x_test': rng.randint(0, 256, (test,) + shape).astype(np.uint8),
            'y_test': np.arange(test) % classes}


@pytest.fixture
def saved(tmp_path):
    """Writes arrays; returns the path."""
    def save(content, how=np.savez):
        how(str(tmp_path / 'mine.npz'), **content)
        return str(tmp_path / 'mine.npz')
    return save


@pytest.mark.parametrize('shape', [(28, 28), (32, 32), (8, 512), (40, 24, 1), (32, 32, 3), (96, 64, 3)])
@pytest.mark.parametrize('classes', [2, 100])
def test_any_image_shape_and_number_of_classes(saved, shape, classes):
    content = arrays(shape, classes)
    content['y_test'] = content['y_test'][:, None]
    path = saved(content, np.savez_compressed)
    opened = open_dataset(path, 'unused')
    channels = (shape + (1,))[2]
    assert (opened.name, opened.image_shape) == ('mine', shape[:2] + (channels,))
    assert (opened.classes, opened.class_names) == (classes, tuple(map(str, range(classes))))
    assert opened.digest == sha256(path)
    for part in ('train', 'test'):
        images, labels = opened.part(part, (32, 32, channels))
        assert images.shape == (len(labels), 32, 32, channels)
        assert (images.dtype, labels.dtype) == (np.uint8, np.int32)
        assert labels.tolist() == content['y_' + part].ravel().tolist()
        for image, original in zip(images, content['x_' + part]):
            expected = cv2.resize(original, (32, 32), interpolation=cv2.INTER_LINEAR)
            np.testing.assert_array_equal(image, expected.reshape(image.shape))
        as_it_is, _ = opened.part(part, opened.image_shape)
        np.testing.assert_array_equal(as_it_is.ravel(), content['x_' + part].ravel())
    assert training_images(path) == 12 and fetch(path, 'unused') == path


@pytest.mark.parametrize('labels, said', [
    (np.arange(12) % 5 + 1, '1 of 6 classes have no training image: 0; labels start at 1, not at 0'),
    (np.arange(12) % 3 * 2, '2 of 5 classes have no training image: 1, 3'),
    (np.arange(12) % 2 * 99, '98 of 100 classes have no training image: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...'),
    (np.full(12, 3), 'all training images are of class 3'), (np.arange(12) % 5, '')])
def test_classes_without_a_training_image_are_said(saved, capsys, labels, said):
    path = saved(dict(arrays(), y_train=labels, y_test=labels[:5]))
    open_dataset(path, 'unused')
    assert capsys.readouterr().out == ('warning: %r: %s\n' % (path, said) if said else '')


@pytest.mark.parametrize('kind', ['U', '>U5', 'S'])
def test_class_names(saved, kind):
    names = np.array(['cat', 'dog', 'fox', 'owl']).astype(kind)
    opened = open_dataset(saved(dict(arrays(classes=3), class_names=names)), 'unused')
    assert (opened.classes, opened.class_names) == (4, ('cat', 'dog', 'fox', 'owl'))


@pytest.mark.parametrize('kind', [bool, np.uint8, np.float32])
def test_one_hot_labels_are_read_and_said(saved, kind, capsys):
    content = arrays(classes=4)
    one_hot = dict(content, y_train=np.eye(4, dtype=kind)[content['y_train']])
    path = saved(one_hot)
    opened = open_dataset(path, 'unused')
    assert opened.part('train', (28, 28, 1))[1].tolist() == content['y_train'].tolist()
    assert opened.classes == 4
    assert capsys.readouterr().out == '%r: labels are one-hot; read as class numbers\n' % path


def test_one_hot_labels_name_classes_that_no_image_has(saved):
    content = arrays(classes=4)
    eye = np.eye(6)
    both = dict(content, y_train=eye[content['y_train']], y_test=eye[content['y_test']])
    assert open_dataset(saved(both), 'unused').classes == 6
    with pytest.raises(RunError, match='class_names has 5 names, but the largest label is 5'):
        open_dataset(saved(dict(both, class_names=list('abcde'))), 'unused')
    with pytest.raises(RunError, match='y_train of 6, y_test of 4; give all of them all classes'):
        open_dataset(saved(dict(both, y_test=np.eye(4)[content['y_test']])), 'unused')


@pytest.mark.parametrize('with_val', [False, True])
def test_the_layout_of_medmnist_is_read_and_said(saved, with_val, capsys):
    plain = arrays((28, 28, 3), classes=3)
    content = {'train_images': plain['x_train'], 'train_labels': plain['y_train'][:, None],
               'test_images': plain['x_test'], 'test_labels': plain['y_test'][:, None]}
    if with_val:
        content.update(val_images=plain['x_test'], val_labels=plain['y_test'][:, None] + 5)
    path = saved(content)
    opened = open_dataset(path, 'unused')
    assert opened[2:5] == (3, ('0', '1', '2'), (28, 28, 3)) and training_images(path) == 12
    np.testing.assert_array_equal(opened.part('test', (28, 28, 3))[0], plain['x_test'])
    assert opened.part('train', (28, 28, 3))[1].tolist() == plain['y_train'].tolist()
    assert capsys.readouterr().out.count('\n') == 1


# One options

def test_what_was_opened_stays_what_it_was(saved):
    """The digest is of the bytes that the images come from, whatever becomes of the file."""
    content = arrays()
    path = saved(content)
    digest, opened = sha256(path), open_dataset(path, 'unused')
    os.unlink(path)
    images, _ = opened.part('train', (28, 28, 1))
    np.testing.assert_array_equal(images[..., 0], content['x_train'])
    assert opened.digest == digest


def test_a_part_is_decoded_when_asked_for_and_once(saved):
    path = saved(arrays())
    with open(path, 'rb') as file:
        whole = bytearray(file.read())
    whole[600] ^= 1  # within the first array, the training images
    with open(path, 'wb') as file:
        file.write(whole)
    assert training_images(path) == 12
    opened = open_dataset(path, 'unused')
    images, _ = opened.part('test', (28, 28, 1))
    assert np.shares_memory(images, opened.part('test', (28, 28, 1))[0]) and not images.flags.writeable
    with pytest.raises(RunError, match='mine.npz. is damaged'):
        opened.part('train', (28, 28, 1))


# What cannot be used

WHOLE = arrays()
IMAGES, LABELS = WHOLE['x_test'], WHOLE['y_test']
NEITHER = ', expected uint8 [N, H, W], [N, H, W, 1] or [N, H, W, 3] in 0..255, H and W from 8 to 512'
NO_TEXT = 'class_names holds text that cannot be printed; save plain strings'
UNUSABLE = {
    'too small': (dict(x_test=IMAGES[:, :7]), 'x_test is uint8 [5, 7, 28]' + NEITHER),
    'too large': (dict(x_test=np.zeros((5, 8, 513), np.uint8)), 'x_test is uint8 [5, 8, 513]' + NEITHER),
    'channels first': (dict(x_test=np.zeros((5, 3, 32, 32), np.uint8)),
                       'x_test is uint8 [5, 3, 32, 32]' + NEITHER),
    'fractions': (dict(x_test=IMAGES / 255), 'x_test is float64 [5, 28, 28]' + NEITHER),
    'nothing': (dict(x_test=IMAGES[:0], y_test=LABELS[:0]), 'x_test is uint8 [0, 28, 28]' + NEITHER),
    'two shapes': (dict(x_test=np.zeros((5, 32, 32), np.uint8)),
                   'training images are 28x28x1 and test images 32x32x1, expected one shape'),
    'fewer labels': (dict(y_test=LABELS[:4]), 'y_test is int64 [4], expected a whole number for each'),
    'NaN in one-hot labels': (dict(y_test=np.eye(5) * np.nan), 'y_test is float64 [5, 5], expected a whole'),
    'fractional labels': (dict(y_test=LABELS / 2), 'y_test is float64 [5], expected a whole number'),
    'words': (dict(y_test=LABELS.astype(str)), 'expected a whole number for each of the 5 images'),
    'label objects': (dict(y_test=np.array([{}] * 5)), 'y_test holds Python objects, which cannot be read'),
    'many classes': (dict(y_test=LABELS + 996), 'y_test holds labels from 996 to 1000, expected 0 to 999'),
    'negative labels': (dict(y_test=LABELS - 1), 'y_test holds labels from -1 to 3, expected 0 to 999'),
    'one class': (dict(y_train=0 * WHOLE['y_train'], y_test=0 * LABELS),
                  'is of 1 classes, expected 2 to 1000'),
    'fewer names': (dict(class_names=np.array(['a', 'b'])),
                    'class_names has 2 names, but the largest label is 9'),
    'numbers for names': (dict(class_names=np.arange(10)), 'class_names is int64 [10], expected a string'),
    'names as objects': (dict(class_names=np.array(['a'] * 10, object)), 'class_names holds Python objects'),
    'names of two lines': (dict(class_names=np.array(['a\nb'] * 10)), NO_TEXT),
    'names of no characters': (dict(class_names=np.full(10, 0x7fffffff, np.uint32).view('U1')), NO_TEXT),
    'no labels': (dict(y_test=None),
                  "has no array 'y_test'; a data set has x_train, y_train, x_test, y_test"),
}


@pytest.mark.parametrize('changes, said', UNUSABLE.values(), ids=UNUSABLE)
def test_a_data_set_that_cannot_be_used_is_one_line(saved, changes, said):
    path = saved({name: array for name, array in dict(WHOLE, **changes).items() if array is not None})
    with pytest.raises(RunError) as error:
        open_dataset(path, 'unused')
    assert repr(path) in str(error.value) and said in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('largest', [0, 1, 16])
def test_pixels_on_another_scale_are_one_line(saved, largest):
    """Learnt from in place of 0..255, such images leave a network nearly blind."""
    path = saved(dict(WHOLE, x_test=(IMAGES % (largest + 1))))
    opened = open_dataset(path, 'unused')
    opened.part('train', (32, 32, 1))
    with pytest.raises(RunError) as error:
        opened.part('test', (32, 32, 1))
    assert str(error.value) == ('%r: the pixels of x_test are from 0 to %d, expected 0..255; scale them and '
                                'make it again' % (path, largest))


def test_the_number_of_training_images_is_of_a_data_set(saved):
    path = saved({name: WHOLE[name] for name in ('x_train', 'y_train')})
    with pytest.raises(RunError, match="mine.npz. has no array 'x_test'"):
        training_images(path)
    with pytest.raises(RunError, match='x_train is float64 .12, 28, 28., expected uint8'):
        training_images(saved(dict(WHOLE, x_train=WHOLE['x_train'] / 255)))
