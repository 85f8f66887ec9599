"""The digest of the code that computes: which changes make a result another one, and which do not."""
import glob
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from utils.code_digest import MODULES, code_digest, digest_of_source
from utils.flags import training_flags

SOURCE = '''"""What it does."""
import math

RADIUS = 2


def area(radius, scale=1):
    """In square pixels."""
    # A circle.
    if radius < 0:
        raise ValueError('the radius %r is negative' % radius)
    print('computing', radius)
    return math.pi * radius ** 2 * scale
'''


@pytest.mark.parametrize('old, new', [
    ('# A circle.', '# A circle, that is all.'), ('    # A circle.\n', ''), ('What it does.', 'Areas.'),
    ('    """In square pixels."""\n', ''), ("'computing', radius", "'now computing', 2 * radius"),
    ("    print('computing', radius)\n", ''), ('is negative', 'must not be negative'),
    ("ValueError('the radius %r is negative' % radius)", 'RuntimeError'), ('\n\n\n', '\n'),
    ('radius, scale=1', 'radius,\n         scale=1'), ("'computing'", '"computing"')])
def test_words_do_not_count(old, new):
    assert old in SOURCE
    assert digest_of_source(SOURCE.replace(old, new)) == digest_of_source(SOURCE)


@pytest.mark.parametrize('old, new', [
    ('RADIUS = 2', 'RADIUS = 3'), ('scale=1', 'scale=2'), ('radius ** 2', 'radius ** 2.0'),
    ('* scale', '/ scale'),
    ('radius < 0', 'radius <= 0'), ('math.pi', '3.14'), ('    return', '    radius += 1\n    return'),
    ('        raise', '        radius = 0\n        raise'), ('    return math.pi * radius ** 2 * scale', ''),
    ('RADIUS = 2\n', ''), ("        raise ValueError('the radius %r is negative' % radius)", '        pass'),
    ('import math', 'import math as numpy')])
def test_a_number_or_an_operation_counts(old, new):
    assert old in SOURCE
    assert digest_of_source(SOURCE.replace(old, new)) != digest_of_source(SOURCE)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of the code, to be changed."""
    folder = tmp_path_factory.mktemp('copy')
    for name in glob.glob(os.path.join(ROOT, '*.py')):
        shutil.copy(name, str(folder))
    for name in ('nets', 'teachers', 'utils'):
        shutil.copytree(os.path.join(ROOT, name), str(folder / name),
                        ignore=shutil.ignore_patterns('__pycache__'))
    return folder


DIGESTS = '''
import sys
from utils import code_digest
from utils.flags import synthesis_flags, training_flags
training = lambda line: training_flags(['--train_dir=x'] + line.split())
synthesis = lambda line: synthesis_flags(['--Rate=1'] + line.split())
jobs = {'lenet': training(''), 'alexnet': training('--nets=alexnet'), 'mine': training('--nets=mine.py'),
        'zskd': training('--Distillation=ZSKD-1'), 'impressions': synthesis('--total_variation=0 --l2=0'),
        'l2': synthesis('--total_variation=0 --l2=1'),
        'total_variation': synthesis('--total_variation=1 --l2=0')}
for line in sys.stdin:
    name, old, new = eval(line)
    with open(name) as file:
        content = file.read()
    assert old in content, name
    def digests(text):
        with open(name, 'w') as file:
            file.write(text)
        code_digest._digest.cache_clear()
        return {job: code_digest.code_digest(settings) for job, settings in jobs.items()}
    before, after = digests(content), digests(content.replace(old, new))
    digests(content)
    print(*sorted(job for job in jobs if before[job] != after[job]))
'''
EVERY = 'alexnet impressions l2 lenet mine total_variation zskd'
CHANGES = {  # (file, what is replaced, by what): the jobs for which it counts
    ('train_w_distill.py', 'settings.temperature ** 2', 'settings.temperature ** 3'): EVERY,
    ('train_w_distill.py', 'the loss became NaN', 'the loss is NaN'): '',
    ('Data_Impressions.py', 'start_blur', 'blur'): EVERY,
    ('Data_Impressions.py', 'mean KL to the targets', 'mean divergence'): '',
    ('nets/losses.py', 'teacher_log - student_log', 'student_log - teacher_log'): EVERY,
    ('nets/layers.py', 'MOMENTUM = 0.99', 'MOMENTUM = 0.9'): EVERY,
    ('nets/fast_conv.py', 'tf.nn.relu', 'tf.nn.relu6'): EVERY,
    ('nets/similarity.py', '1e-8', '1e-7'): EVERY,
    ('nets/lenet.py', "'fc0', 120", "'fc0', 121"): 'impressions l2 lenet total_variation zskd',
    ('nets/lenet.py', '61,706', 'so many'): '',
    ('nets/alexnet.py', 'IMAGE_SHAPE = 32, 32, 3', 'IMAGE_SHAPE = 64, 64, 3'): 'alexnet',
    ('nets/priors/l2.py', 'l2_loss(images)', 'l2_loss(2 * images)'): 'l2',
    ('nets/priors/total_variation.py', 'tf.abs(down)', 'tf.square(down)'): 'total_variation',
    ('utils/schedule.py', 'WARMUP = 0.1', 'WARMUP = 0.2'): EVERY,
    ('utils/transfer_set.py', 'cv2.INTER_LINEAR', 'cv2.INTER_CUBIC'): EVERY,
    ('utils/datasets.py', 'cv2.INTER_LINEAR', 'cv2.INTER_CUBIC'): EVERY,
    ('utils/datasets.py', 'np.rint(', 'np.floor('): EVERY,
    ('utils/impressions.py', 'np.rint(', 'np.floor('): EVERY,
    ('utils/records.py', 'round(', 'abs('): '',
    ('utils/console.py', 'out of memory', 'no memory'): '',
}


def test_what_counts_for_which_job(checkout):
    """A prior that is off, and a pair that is not used, do not count."""
    lines = ''.join('%r\n' % (change,) for change in CHANGES)
    done = subprocess.run([sys.executable, '-c', DIGESTS], input=lines,
                          cwd=str(checkout), universal_newlines=True, check=True, stdout=subprocess.PIPE)
    assert dict(zip(CHANGES, done.stdout.split('\n'))) == CHANGES


def test_every_module_that_counts_is_there():
    assert all(os.path.exists(os.path.join(ROOT, name)) for name in MODULES)
    assert re.match('[0-9a-f]{12}$', code_digest(training_flags(['--train_dir=x'])))
