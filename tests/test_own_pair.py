"""A user's own pair: a short file takes it through the whole method, and a wrong one is one line."""
import os
import shutil
import sys

import numpy as np
import pytest

import Data_Impressions
import train_w_distill
from nets.networks import find_pair, variable_shapes
from utils.files import RunError, load_json, sha256
from utils.matfile import mat_arrays

TRAINING = ['--batch_size=16', '--learning_rate=0.005', '--weight_decay=0.001']


class Chain:
    """The flags of the scripts, from a teacher to two students, in a folder."""

    def __init__(self, folder, pair, data_set):
        common = ['--nets=%s' % pair, '--dataset=%s' % data_set]
        teacher = ['--teacher=%s/Teacher/train_params.mat' % folder]
        learning = ['--Distillation=ZSKD-0.1', '--impressions=%s/DI' % folder, '--steps=300'] + teacher
        self.teacher = ['--train_dir=%s/Teacher' % folder, '--main_scope=Teacher', '--steps=200']
        self.teacher += TRAINING + common
        self.impressions = ['--Rate=0.1', '--save_path=%s/DI' % folder, '--iterations=40'] + teacher + common
        self.student = ['--train_dir=%s/ZSKD' % folder] + learning + TRAINING + common
        self.augmented = ['--train_dir=%s/ZSKD_augment' % folder, '--augment', '--copies=3']
        self.augmented += learning + TRAINING + common


@pytest.fixture(scope='module')
def chain(tmp_path_factory, own_pair, colours):
    """(folder, Chain) of all that the scripts make of the pair. Not to be changed."""
    folder = tmp_path_factory.mktemp('chain')
    flags_of = Chain(folder, own_pair, colours)

    train_w_distill.main(flags_of.teacher)
    Data_Impressions.main(flags_of.impressions)
    train_w_distill.main(flags_of.student)
    train_w_distill.main(flags_of.augmented)
    return folder, flags_of


def test_teacher_impressions_and_students(chain, own_pair):
    folder, _ = chain
    teacher = mat_arrays(str(folder / 'Teacher' / 'train_params.mat'))[0]
    assert teacher['Teacher/conv0/weights'].shape == (5, 5, 3, 8)
    assert teacher['Teacher/last/weights'].shape == (32, 5)
    assert teacher['Teacher/norm0/moving_mean'].any() and teacher['Teacher/norm1/moving_mean'].any()
    record = load_json(str(folder / 'Teacher' / 'result.json'))
    assert record['accuracy'] > 90 and record['inputs']['nets'] == sha256(own_pair)
    impressions = mat_arrays(str(folder / 'DI' / 'DI-0.1.mat'))[0]
    assert impressions['train_images'].shape == (60, 24, 24, 3)
    assert impressions['train_labels'].shape == (60, 5)
    assert np.mean(impressions['train_labels'].argmax(axis=1) == np.arange(60) % 5) > 0.6
    assert load_json(str(folder / 'DI' / 'DI-0.1.json'))['targets_met'] > 60
    for method in ('ZSKD', 'ZSKD_augment'):
        student = mat_arrays(str(folder / method / 'train_params.mat'))[0]
        assert student['Student/conv0/weights'].shape == (5, 5, 3, 4)
        assert load_json(str(folder / method / 'result.json'))['accuracy'] > 60, 'by chance: 20'


def test_nothing_is_written_beside_it(own_pair, tmp_path, monkeypatch):
    """No compiled form either, which might be taken for the file when that has changed."""
    monkeypatch.setattr(sys, 'dont_write_bytecode', False)
    shutil.copy(own_pair, str(tmp_path / 'pair.py'))
    shapes = variable_shapes(find_pair(str(tmp_path / 'pair.py')), 'Student', 5)
    assert shapes['Student/last/weights'] == [16, 5]
    assert os.listdir(str(tmp_path)) == ['pair.py']


# What can be wrong with the file.

SHAPE = 'IMAGE_SHAPE must be three whole numbers'
LAST = "return dense(batch_norm(x, 'norm1', training), 'last', classes, deviation=0.1)"
WRONG = {  # what is wrong: (what is replaced, by what, what is said)
    'no Python': ('IMAGE_SHAPE = ', 'IMAGE_SHAPE = (', 'cannot be used: SyntaxError: '),
    'raises on import': ('IMAGE_SHAPE', '1 / 0\nIMAGE_SHAPE', 'be used: ZeroDivisionError: division by zero'),
    'no IMAGE_SHAPE': ('IMAGE_SHAPE', 'SHAPE', SHAPE), 'two channels': ('24, 24, 3', '24, 24, 2', SHAPE),
    'no LAST_LAYER': ('LAST_LAYER', 'LAST', "LAST_LAYER must name the last layer's weights"),
    'LAST_LAYER is no variable': (
        "'last/weights'", "'fc2/weights'",
        "has no trainable variable 'fc2/weights' [features, 5], which is its LAST_LAYER"),
    'no teacher': ('def teacher', 'def master', 'has no function teacher(images, classes, training)'),
    'other arguments': ('def teacher(images, classes, training)', 'def teacher(images, classes)',
                        'has no function teacher(images, classes, training)'),
    'raises when it is built': ('x = pool', 'x = pol', "its teacher cannot be built: NameError: name 'pol'"),
    'layers that do not fit': (LAST, 'return tf.matmul(x, tf.ones([3, classes]))',
                               'its teacher cannot be built: ValueError: Dimensions must be equal'),
    'one logit too many': ("'last', classes", "'last', classes + 1",
                           'its teacher gives float32 (?, 6), not logits float32 [batch, 5]'),
    'variables that are not shared': (
        'return network(images, classes, training, kernels=8, units=32)',
        'return tf.Variable(1.0) * network(images, classes, training, kernels=8, units=32)',
        'its teacher makes a new variable Teacher_1/Variable every time it is built; make it by tf.get_var'),
}


def one_line(error, *names):
    said = str(error.value)
    assert '\n' not in said and all(name in said for name in names), said
    return said


@pytest.mark.parametrize('fault', list(WRONG))
def test_a_wrong_file_is_one_line(fault, tmp_path, own_pair, colours):
    (old, new, said), path = WRONG[fault], tmp_path / 'wrong.py'
    with open(own_pair) as file:
        content = file.read()
    assert old in content
    path.write_text(content.replace(old, new))
    with pytest.raises(RunError) as error:
        train_w_distill.main(Chain(tmp_path, path, colours).teacher)
    assert said in one_line(error, repr(str(path))).replace('(None, 6)', '(?, 6)')
    assert not (tmp_path / 'Teacher' / 'result.json').exists()


# What does not go together.

def test_teacher_and_pair(chain, teacher, tmp_path, own_pair):
    folder, flags_of = chain
    own_teacher, swapped = str(folder / 'Teacher' / 'train_params.mat'), str(tmp_path / 'swapped.py')
    (tmp_path / 'swapped.py').write_text('from nets.lenet import IMAGE_SHAPE, LAST_LAYER\n'
                                         'from nets.lenet import student as teacher, teacher as student\n')
    for file, pair, said in [
            (teacher, own_pair, "has no array 'Teacher/last/weights'"),
            (own_teacher, 'lenet', "has no array 'Teacher/fc2/weights'"),
            (teacher, swapped, "'Teacher/conv0/weights' has shape 5x5x1x6, expected 5x5x1x3")]:
        for main, words in ((Data_Impressions.main, flags_of.impressions),
                            (train_w_distill.main, flags_of.student)):
            with pytest.raises(RunError) as error:
                main(words + ['--teacher=%s' % file, '--nets=%s' % pair, '--dataset=none'])
            one_line(error, repr(file), repr(pair), said)
