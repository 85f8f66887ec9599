"""tools/agreement.py tells a student that answers as its teacher does from one that does not; no data."""
from argparse import Namespace

import agreement
import numpy as np

from utils.data.impressions import save_impressions


def network(shift):
    """A network that sees an image's brightness in tenths, or another class."""
    return Namespace(classes=10, image_shape=(32, 32, 1), answers=lambda images: np.eye(10)[
        (images.mean(axis=(1, 2, 3)) // 25.6 + shift(images)).astype(int) % 10])


def test_students_are_compared_by_their_answers(tmp_path, monkeypatch, capsys):
    path = str(tmp_path / 'DI-1.mat')
    images = np.tile(np.arange(200, dtype=np.uint8)[:, None, None, None], (1, 32, 32, 1)) + np.uint8(50)
    save_impressions(path, images, np.eye(10)[np.arange(200) % 10])
    students = {'as its teacher': network(lambda images: 0),
                'half': network(lambda images: np.arange(len(images)) % 2)}
    monkeypatch.setattr(agreement, 'open_teacher', lambda *_: network(lambda images: 0))
    monkeypatch.setattr(agreement, 'student_of', lambda file, *_: students[file])
    agreement.main(['--impressions', path, '--students', *students])
    rows = [[cell.strip() for cell in line.strip('|').split('|')]
            for line in capsys.readouterr().out.splitlines() if line.startswith('|')]
    assert rows[0] == ['student', 'impressions', 'copies']
    assert rows[2:] == [['as its teacher', '100.00', '100.00'], ['half', '50.00', '50.00']]
