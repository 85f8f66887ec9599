"""tools/agreement.py tells a student that answers as its teacher does from one that does not; no data."""
import agreement
import numpy as np
import pytest

import Data_Impressions
import train_w_distill
from nets.networks import find_pair
from teachers.trained import TrainedNetwork
from utils.data.datasets import count
from utils.data.impressions import load_impressions, save_impressions
from utils.files import RunError


def test_students_are_compared_by_their_answers(tmp_path, teacher, monkeypatch, capsys):
    monkeypatch.setattr(train_w_distill, 'UNSEEN', 60)  # which a training makes to evaluate on
    folder = str(tmp_path)
    common = ['--dataset=none', '--seed=3']
    Data_Impressions.main(['--Rate=0.5', '--save_path', folder] + common)
    students = []
    for steps in (1, 400):
        students.append('%s/%d/train_params.mat' % (folder, steps))
        train_w_distill.main(['--Distillation=ZSKD-0.5', '--impressions', folder, '--train_dir',
                              '%s/%d' % (folder, steps), '--steps=%d' % steps] + common)
    file = folder + '/DI-0.5.mat'
    capsys.readouterr()
    agreement.main(['--impressions', file, '--students', *students])
    table = [[cell.strip() for cell in line.strip('|').split('|')]
             for line in capsys.readouterr().out.splitlines()]
    assert table[0] == ['student', 'impressions', 'copies'] and [row[0] for row in table[2:]] == students
    shares = np.array([row[1:] for row in table[2:]], float)
    assert (shares[0] < 40).all() and (shares[1] > 60).all()
    # All 300 of the file are looked at, so the order in which they were drawn does not matter.
    assert count(0.5) == 300
    lenet = find_pair('lenet')
    images = load_impressions(file, lenet.image_shape, 10).images
    seen = [TrainedNetwork(weights, lenet, role).answers(images).argmax(axis=1)
            for weights, role in ((teacher, 'Teacher'), (students[1], 'Student'))]
    assert abs(shares[1, 0] - 100 * np.mean(seen[0] == seen[1])) < 0.01


def test_how_the_teacher_is_read_counts(tmp_path, teacher):
    impressions = str(tmp_path / 'DI-1.mat')
    save_impressions(impressions, np.full((2, 32, 32, 1), 200), np.eye(10)[:2])
    with pytest.raises(RunError, match='--teacher_mean has 2 numbers'):
        agreement.main(['--impressions', impressions, '--students', teacher, '--teacher_mean', '1', '2'])
