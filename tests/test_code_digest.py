"""The digest of the code that computes: which changes make a result another one, and which do not."""
import functools
import glob
import os
import re
import shutil

import pytest
from conftest import ROOT

from nets import PAIRS
from utils.files import sha256
from utils.records import code_digest as module
from utils.records.code_digest import MODULES, NETS, code_digest, digest_of_own, digest_of_source

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
    ('    # A circle.\n', ''), ('What it does.', 'Areas.'), ('    """In square pixels."""\n', ''),
    ("    print('computing', radius)\n", ''), ('is negative', 'must not be negative'),
    ("ValueError('the radius %r is negative' % radius)", 'RuntimeError'), ('\n\n\n', '\n'),
    ('radius, scale=1', 'radius,\n         scale=1'), ("'computing'", '"computing"')])
def test_words_do_not_count(old, new):
    assert old in SOURCE
    assert digest_of_source(SOURCE.replace(old, new)) == digest_of_source(SOURCE)


@pytest.mark.parametrize('old, new', [
    ('RADIUS = 2', 'RADIUS = 3'), ('scale=1', 'scale=2'), ('radius ** 2', 'radius ** 2.0'),
    ('* scale', '/ scale'), ('radius < 0', 'radius <= 0'), ('    return', '    radius += 1\n    return'),
    ("        raise ValueError('the radius %r is negative' % radius)", '        pass'),
    ('import math', 'import math as numpy')])
def test_a_number_or_an_operation_counts(old, new):
    assert old in SOURCE
    assert digest_of_source(SOURCE.replace(old, new)) != digest_of_source(SOURCE)


EVERY = 'alexnet lenet mine.py'
CHANGES = {  # (file, what is replaced, by what): the pairs for which it counts
    ('train_w_distill.py', 'settings.temperature ** 2', 'settings.temperature ** 3'): EVERY,
    ('train_w_distill.py', 'the loss became NaN', 'the loss is NaN'): '',
    ('Data_Impressions.py', 'start_blur', 'blur'): EVERY,
    ('Data_Impressions.py', 'mean KL to the targets', 'mean divergence'): '',
    ('nets/losses.py', 'teacher_log - student_log', 'student_log - teacher_log'): EVERY,
    ('nets/layers.py', 'MOMENTUM = 0.99', 'MOMENTUM = 0.9'): EVERY,
    ('nets/fast_conv.py', 'tf.nn.relu', 'tf.nn.relu6'): EVERY,
    ('nets/lenet.py', "'fc0', 120", "'fc0', 121"): 'lenet mine.py',
    ('nets/lenet.py', '61,706', 'so many'): '',
    ('nets/alexnet.py', 'IMAGE_SHAPE = 32, 32, 3', 'IMAGE_SHAPE = 64, 64, 3'): 'alexnet mine.py',
    ('nets/priors.py', 'tf.abs(down)', 'tf.square(down)'): EVERY,
    ('utils/settings/schedule.py', 'WARMUP = 0.1', 'WARMUP = 0.2'): EVERY,
    ('utils/data/transfer_set.py', 'cv2.INTER_LINEAR', 'cv2.INTER_CUBIC'): EVERY,
    ('utils/images.py', 'cv2.INTER_LINEAR', 'cv2.INTER_CUBIC'): EVERY,
    ('utils/data/impressions.py', 'np.rint(', 'np.floor('): EVERY,
    ('teachers/ending.py', "'Relu', 'Relu6'", "'Relu'"): EVERY,
    ('utils/records/origins.py', "name == 'seed'", "name == 'sed'"): EVERY,
    ('utils/records/records.py', 'round(', 'abs('): '',
    ('utils/console.py', 'out of memory', 'no memory'): '',
}


def test_what_counts_for_which_pair(tmp_path, monkeypatch):
    """In a copy of the code, whose folder has a name that is a pattern."""
    copy = tmp_path / 'a copy [1]'
    for folder in ('nets', 'teachers', 'utils'):
        shutil.copytree(os.path.join(ROOT, folder), str(copy / folder))
    for script in ('Data_Impressions.py', 'train_w_distill.py'):
        shutil.copy(os.path.join(ROOT, script), str(copy))
    monkeypatch.setattr(module, 'REPOSITORY', str(copy))
    monkeypatch.setattr(module, 'digest_of_source', functools.lru_cache(maxsize=None)(digest_of_source))

    def digests():
        return {nets: code_digest.__wrapped__(nets) for nets in ('lenet', 'alexnet', 'mine.py')}

    before = digests()
    for (name, old, new), counts in CHANGES.items():
        content = (copy / name).read_text(encoding='utf-8')
        assert old in content, name
        (copy / name).write_text(content.replace(old, new), encoding='utf-8')
        changed = [nets for nets, digest in digests().items() if digest != before[nets]]
        assert ' '.join(sorted(changed)) == counts, name
        (copy / name).write_text(content, encoding='utf-8')


def test_every_module_that_counts_is_there():
    assert all(glob.glob(os.path.join(ROOT, name)) for name in MODULES)
    networks = {os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, 'nets', '*.py'))}
    assert networks == {'nets/__init__.py', *NETS, *('nets/%s.py' % pair for pair in PAIRS)}
    assert re.match('[0-9a-f]{12}$', code_digest('lenet'))


@pytest.mark.parametrize('place', ['mine.py', 'nets/mine.py'])
def test_a_pair_inside_the_checkout_counts_without_this_projects_modules(place, tmp_path, monkeypatch):
    """And is not among them."""
    for name in ('nets/layers.py', 'nets/priors.py', 'utils/graph_mode.py', 'nets/lenet.py'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('')
    monkeypatch.setattr(module, 'REPOSITORY', str(tmp_path))
    before = code_digest.__wrapped__('lenet')
    path = tmp_path / place
    path.write_text('from nets.layers import conv\nfrom utils.graph_mode import tf\nimport helper')
    assert digest_of_own(str(path)) == sha256(str(path)) and code_digest.__wrapped__('lenet') == before
    (path.parent / 'helper.py').write_text('')
    assert digest_of_own(str(path)) != sha256(str(path)) and code_digest.__wrapped__('lenet') == before


def test_a_pair_of_ones_own_counts_with_the_modules_beside_it(tmp_path):
    """Those that it imports, and those that these import."""
    path = tmp_path / 'own.py'
    path.write_text('import os, helper\nfrom blocks.conv import layer\n')
    assert digest_of_own(str(path)) == sha256(str(path))
    (tmp_path / 'blocks').mkdir()
    seen = {digest_of_own(str(path))}
    for name, content in [('helper.py', 'def f():\n    from deeper import x\n'), ('deeper.py', 'x = 1'),
                          ('deeper.py', 'x = 2'), ('blocks/conv.py', 'layer = 1')]:
        (tmp_path / name).write_text(content)
        assert digest_of_own(str(path)) not in seen, name
        seen.add(digest_of_own(str(path)))
    (tmp_path / 'other.py').write_text('not imported')
    assert digest_of_own(str(path)) in seen
    assert digest_of_own(str(tmp_path / 'none.py')) is None
