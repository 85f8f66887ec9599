"""Distillation where no data may be touched: no data set on the machine, no network, none is looked for."""
import builtins
import json
import os
import shutil
import socket

import numpy as np
import pytest

import Data_Impressions
import train_w_distill
from nets.networks import find_pair
from teachers.trained import TrainedNetwork, open_teacher
from utils.data import datasets
from utils.data.impressions import load_impressions
from utils.files import RunError, load_json
from utils.records import inputs, layout
from utils.records.origins import made_with
from utils.settings.flags import training_flags

IMPRESSIONS = '--Rate=0.1 --dataset=none --save_path={0}/DI'
STUDENT = '--train_dir={0}/zskd --Distillation=ZSKD-0.1 --impressions={0}/DI --dataset=none --steps=20'
LENET = find_pair('lenet')


def words(line, folder):
    return line.format(folder).split()


def unseen_files(folder):
    return list(folder.glob('unseen-*.npz'))


def load_record(folder):
    return load_json(os.path.join(str(folder), 'zskd', 'result.json'))


@pytest.fixture
def few(monkeypatch):
    """60 unseen impressions instead of 500."""
    monkeypatch.setattr(train_w_distill, 'UNSEEN', 60)


def test_no_data_file_is_opened_and_no_connection_made(tmp_path, monkeypatch, capsys):
    """From an empty folder to a student that agrees with its teacher."""
    opened, open_file = [], builtins.open

    def watched_open(file, *args, **options):
        opened.append(os.path.abspath(file) if isinstance(file, str) else str(file))
        return open_file(file, *args, **options)

    def forbidden(*_, **__):
        pytest.fail('it asked for data')

    for place, name in ((inputs, 'open_dataset'), (datasets, 'open_dataset'), (datasets, 'fetch'),
                        (datasets, 'Npz'), (socket, 'socket')):
        monkeypatch.setattr(place, name, forbidden)
    monkeypatch.setattr(builtins, 'open', watched_open)
    monkeypatch.chdir(tmp_path)
    Data_Impressions.main(['--Rate=0.5', '--dataset=none'])
    train_w_distill.main('--train_dir=zskd --Distillation=ZSKD-0.5 --dataset=none --steps=400'.split())
    assert str(tmp_path / 'DI' / 'DI-0.5.mat') in opened, 'what is opened is seen'
    checkpoints = {str(tmp_path / name) for name in ('DI/DI-0.5-checkpoint.npz', 'zskd/checkpoint.npz')}
    assert not [path for path in set(opened) - checkpoints - set(map(str, unseen_files(tmp_path / 'DI')))
                if path.endswith(('.npz', '.gz')) or os.path.basename(path) == 'data']
    assert sorted(os.listdir('.')) == ['DI', 'zskd']
    record = load_record(tmp_path)
    assert record['agreement'] > 60 and 'accuracy' not in record
    assert record['evaluated_on'] == 'unseen impressions'
    assert ('ZSKD: agreement %.2f %% on 500 unseen impressions; on real images'
            % record['agreement']) in capsys.readouterr().out


def test_agreement_is_with_the_teacher_on_impressions_that_nobody_trained_on(tmp_path, teacher, few):
    """As many impressions, of the same seed, are made for training: those to evaluate on are others."""
    Data_Impressions.main(words(IMPRESSIONS, tmp_path))
    train_w_distill.main(words(STUDENT, tmp_path))
    settings = training_flags(words(STUDENT, tmp_path))
    images, answers, name, measure, curve = train_w_distill.evaluation_set(
        settings, inputs.training_inputs(settings))
    assert (len(images), name, measure, curve) == (60, 'unseen impressions', 'agreement', 'agreement')
    np.testing.assert_array_equal(answers, open_teacher(teacher, LENET).answers(images).argmax(axis=1))
    student = TrainedNetwork(str(tmp_path / 'zskd' / 'train_params.mat'), LENET, 'Student')
    right = student.answers(images).argmax(axis=1) == answers
    assert load_record(tmp_path)['agreement'] == pytest.approx(100 * np.mean(right), abs=1e-4)

    trained_on = load_impressions(str(tmp_path / 'DI' / 'DI-0.1.mat'), LENET.image_shape, 10).images
    assert len(trained_on) == 60
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in trained_on}
    # Not even nearly: no pair is as alike as a picture and its copy with a little noise.
    alike = np.corrcoef(images.reshape(60, -1), trained_on.reshape(60, -1))[:60, 60:]
    assert alike.max() < 0.9


def test_what_does_not_go_together_is_said(tmp_path, teacher, few, capsys):
    """Impressions of another number than the rate's; a student in its teacher's place, which is an error."""
    Data_Impressions.main(words(IMPRESSIONS, tmp_path))
    os.rename(str(tmp_path / 'DI' / 'DI-0.1.mat'), str(tmp_path / 'DI' / 'DI-0.2.mat'))
    train_w_distill.main(words(STUDENT.replace('0.1', '0.2'), tmp_path))
    assert "DI-0.2.mat' holds 60 impressions; the values of rate 0.2 are for 120" in capsys.readouterr().out
    own_place = str(tmp_path / 'zskd' / 'train_params.mat')
    shutil.copy(teacher, own_place)
    with pytest.raises(RunError, match="train_params.mat' would be replaced by the network that learns from"):
        train_w_distill.main(words(STUDENT, tmp_path) + ['--teacher=' + own_place])


def test_unseen_impressions_are_made_once_for_all_students(tmp_path, few, capsys):
    """Of all rates of a folder, and of other seeds and kinds too. Other impressions have others."""
    Data_Impressions.main(words(IMPRESSIONS, tmp_path) + ['--iterations=7'])
    Data_Impressions.main(words(IMPRESSIONS.replace('0.1', '0.2'), tmp_path) + ['--iterations=7'])

    def unseen(*flags):
        settings = training_flags(words(STUDENT, tmp_path) + list(flags))
        capsys.readouterr()
        images = train_w_distill.evaluation_set(settings, inputs.training_inputs(settings)).images
        return images, capsys.readouterr().out

    first, said = unseen()
    assert 'going on' not in said
    kept, = unseen_files(tmp_path / 'DI')
    for flags in [], ['--seed=3', '--augment', '--steps=7'], ['--Distillation=ZSKD-0.2']:
        images, said = unseen(*flags)
        assert 'going on from %r' % str(kept) in said
        np.testing.assert_array_equal(images, first)
    assert unseen_files(tmp_path / 'DI') == [kept]
    Data_Impressions.main(words(IMPRESSIONS, tmp_path) + ['--iterations=6'])
    others, said = unseen()
    assert 'going on' not in said and not np.array_equal(others, first)
    assert len(unseen_files(tmp_path / 'DI')) == 2


def test_unseen_impressions_lie_beside_a_student_where_their_folder_takes_nothing(tmp_path, few, monkeypatch):
    Data_Impressions.main(words(IMPRESSIONS, tmp_path) + ['--iterations=7'])
    monkeypatch.setattr(layout.os, 'access', lambda place, mode: place != str(tmp_path / 'DI'))
    train_w_distill.main(words(STUDENT, tmp_path))
    assert len(unseen_files(tmp_path / 'zskd')) == 1 and not unseen_files(tmp_path / 'DI')


def test_unseen_impressions_are_made_as_those_to_learn_from_were(tmp_path, few, monkeypatch):
    """By their record, or where they have none by the recipe."""
    asked = []

    def synthesis(teacher, settings, *_):
        asked.append((settings.iterations, settings.betas, settings.total_variation))
        return np.zeros((settings.size,) + teacher.image_shape, np.uint8), None

    monkeypatch.setattr(train_w_distill, 'data_impressions', synthesis)
    Data_Impressions.main(words(IMPRESSIONS, tmp_path) + ['--iterations=7', '--betas', '0.3'])
    settings = training_flags(words(STUDENT, tmp_path))
    train_w_distill.evaluation_set(settings, inputs.training_inputs(settings))
    os.remove(str(tmp_path / 'DI' / 'DI-0.1.json'))
    train_w_distill.evaluation_set(settings, inputs.training_inputs(settings))
    assert asked == [(7, [0.3], 1e-3), (100, [0.1, 1.0], 1e-3)]


def test_what_an_old_record_does_not_name_was_off(tmp_path):
    Data_Impressions.main(words(IMPRESSIONS, tmp_path) + ['--iterations=7', '--seed=5'])
    place = tmp_path / 'DI' / 'DI-0.1.json'
    record = load_json(str(place))
    del record['arguments']['start_blur'], record['arguments']['jitter']
    place.write_text(json.dumps(record))
    settings = training_flags(words(STUDENT, tmp_path))
    how = made_with(inputs.training_inputs(settings).impressions)
    assert (how['start_blur'], how['jitter'], how['iterations'], how['seed']) == (0, 0, 7, 5)
    assert 'steps' not in how and 'device' not in how


def test_zskd_reads_no_training_image(tmp_path, small):
    """With a data set it reads the test images alone: where others are unusable the same bytes come out."""
    with np.load(small) as arrays:
        np.savez(str(tmp_path / 'test_only.npz'), **dict(arrays, x_train=np.zeros_like(arrays['x_train'])))
    Data_Impressions.main(words(IMPRESSIONS, tmp_path))
    weights, records = [], []
    for data_set in small, tmp_path / 'test_only.npz':
        train_w_distill.main(words(STUDENT, tmp_path) + ['--any_teacher', '--dataset=%s' % data_set])
        weights.append([(tmp_path / 'zskd' / name).read_bytes()
                        for name in ('train_params.mat', 'best_params.mat')])
        records.append(load_record(tmp_path))
    assert weights[0] == weights[1]
    assert records[0]['accuracy'] == records[1]['accuracy'] and records[1]['evaluated_on'] == 'test images'
    with pytest.raises(RunError, match='the pixels of x_train are from 0 to 0'):
        train_w_distill.main(['--train_dir=%s' % tmp_path, '--dataset=%s' % (tmp_path / 'test_only.npz')])
