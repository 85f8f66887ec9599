"""tools/dead_filters.py counts what it says."""
import numpy as np
from conftest import run_script

from utils.matfile import save_mat


def weights_file(path, scope, filters, dead):
    """A file of weights, in whose conv1 the first ``dead`` filters have hardly a weight left."""
    kernel = np.random.RandomState(0).uniform(-0.3, 0.3, (5, 5, filters // 2, filters)).astype(np.float32)
    kernel[..., :dead] *= 1e-4
    save_mat(path, {scope + '/conv0/weights': np.zeros((5, 5, 1, filters // 2), np.float32),
                    scope + '/conv1/weights': kernel})
    return path


def test_dead_filters_are_counted(tmp_path):
    files = [weights_file(str(tmp_path / 'teacher.mat'), 'Teacher', 16, 1),
             weights_file(str(tmp_path / 'whole.mat'), 'Student', 8, 0),
             weights_file(str(tmp_path / 'poor.mat'), 'Student', 8, 3)]
    done = run_script(['tools/dead_filters.py', *files])
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.strip('|').split('|')]
             for line in done.stdout.rstrip('\n').split('\n')]
    assert lines[0] == ['weights', 'dead', 'filters']
    assert lines[2:] == [[files[0], '1', '16'], [files[1], '0', '8'], [files[2], '3', '8']]


def test_what_has_no_filters_is_one_line(tmp_path):
    save_mat(str(tmp_path / 'other.mat'), {'Student/conv1/biases': np.zeros(8)})
    for file, said in ((tmp_path / 'other.mat', 'no array conv1/weights'),
                       (tmp_path / 'missing.mat', 'no file')):
        done = run_script(['tools/dead_filters.py', file])
        assert done.returncode == 1 and done.stdout == ''
        assert done.stderr.startswith('error: ') and done.stderr.count('\n') == 1
        assert str(file) in done.stderr and said in done.stderr
