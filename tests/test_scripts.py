"""Each script run as a user runs it: what it writes, what it says, and that the numbers are right."""
import fcntl
import glob
import json
import math
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import cv2
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import Data_Impressions
import train_w_distill
import visualization
from conftest import ROOT
from utils.arguments import defaults_for, training_arguments
from utils.files import load_mat
from utils.impressions import load_impressions
from utils.mnist import TRAIN
from utils.schedule import learning_rate

STUDENT = ('--main_scope', 'Student')


def result_of(folder):
    with open(os.path.join(str(folder), 'result.json')) as file:
        return json.load(file)


@pytest.fixture(scope='module')
def impressions(tmp_path_factory, teacher):
    """1 % impressions of the repository's teacher, as the script makes them."""
    folder = str(tmp_path_factory.mktemp('DI'))
    assert subprocess.run([sys.executable, os.path.join(ROOT, 'Data_Impressions.py'), '--Rate', '1',
                           '--teacher', teacher, '--save_path', folder]).returncode == 0
    return folder


def test_reference_teacher_scores_as_it_should(reference, mnist):
    logits = train_w_distill.teacher_logits(os.path.join(reference, 'Lenet5.mat'), mnist[2], threads=1)
    assert round(100 * np.mean(logits.argmax(axis=1) == mnist[3]), 2) == 99.29


def test_committed_teacher_is_good(teacher, mnist):
    logits = train_w_distill.teacher_logits(teacher, mnist[2], threads=1)
    assert np.mean(logits.argmax(axis=1) == mnist[3]) > 0.989


def test_teacher_is_trained_and_published(script, tmp_path, mnist):
    """300 steps: a broken gradient or another pre-processing stays below 95 %."""
    published = tmp_path / 'pre trained' / 'Mine.mat'
    done = script('train_w_distill.py', '--train_dir', tmp_path / 'tch', '--main_scope', 'Teacher',
                  '--Distillation', 'None', '--steps', 300, '--publish', published)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('\n') > 10 and '\r' not in done.stdout and 'left' in done.stdout
    result = result_of(tmp_path / 'tch')
    assert result['accuracy'] > 95 and result['arguments']['steps'] == 300 and result['seconds'] > 0
    assert published.read_bytes() == (tmp_path / 'tch' / 'train_params.mat').read_bytes()
    # What is saved is what was scored.
    logits = train_w_distill.teacher_logits(str(published), mnist[2], threads=1)
    assert result['accuracy'] == pytest.approx(100 * np.mean(logits.argmax(axis=1) == mnist[3]))
    curves = {}
    path, = glob.glob(str(tmp_path / 'tch' / 'events.out.tfevents.*'))
    for event in tf.train.summary_iterator(path):
        for value in event.summary.value:
            curves.setdefault(value.tag, []).append(value.simple_value)
    assert set(curves) == {'loss', 'learning_rate', 'train_accuracy', 'test_accuracy'}
    assert curves['loss'][-1] < curves['loss'][0] / 2 and curves['learning_rate'][-1] < curves['learning_rate'][0]
    assert curves['test_accuracy'][-1] == pytest.approx(result['accuracy'], rel=1e-6)


def test_student_alone(script, tmp_path):
    done = script('train_w_distill.py', '--train_dir', tmp_path, *STUDENT, '--steps', 300)
    assert done.returncode == 0, done.stderr
    assert result_of(tmp_path)['accuracy'] > 94
    weights = load_mat(str(tmp_path / 'best_params.mat'), {'Student/fc0/weights': [200, 120]})
    assert np.abs(weights['Student/fc0/weights']).max() > 0


def test_soft_logits_learn_from_few_images(script, tmp_path, teacher):
    done = script('train_w_distill.py', '--train_dir', tmp_path, *STUDENT, '--Distillation', 'Soft_logits-1',
                  '--teacher', teacher, '--steps', 600)
    assert done.returncode == 0, done.stderr
    assert result_of(tmp_path)['accuracy'] > 94  # 600 labels alone give about 93 at their best


def test_impressions_are_what_the_teacher_asked_for(impressions, teacher):
    images, targets = load_impressions(os.path.join(impressions, 'DI-1.mat'))
    assert images.shape == (600, 32, 32, 1) and images.dtype == np.float32 and 0 <= images.min() and images.max() <= 255
    with open(os.path.join(impressions, 'DI-1.json')) as file:
        record = json.load(file)
    assert record['agreement'] > 0.85
    logits = train_w_distill.teacher_logits(teacher, np.rint(images).astype(np.uint8), threads=1)
    kl, agreement = Data_Impressions.agreement_with(targets, logits, record['arguments']['temperature'])
    assert kl == pytest.approx(record['kl'], abs=0.01) and agreement == pytest.approx(record['agreement'], abs=0.01)


@pytest.mark.parametrize('augment, floor', [((), 80), (('--augment', '--copies', '20'), 90)])
def test_zskd_student_learns_digits_it_never_saw(script, tmp_path, teacher, impressions, augment, floor):
    """A wrong temperature, a target in place of the teacher's answer or unscaled pixels end below."""
    done = script('train_w_distill.py', '--train_dir', tmp_path, *STUDENT, '--Distillation', 'ZSKD-1',
                  '--impressions', impressions, '--teacher', teacher, '--steps', 1000, *augment)
    assert done.returncode == 0, done.stderr
    assert result_of(tmp_path)['accuracy'] > floor


def test_impressions_made_elsewhere_teach_as_well(script, tmp_path, reference):
    done = script('train_w_distill.py', '--train_dir', tmp_path, *STUDENT, '--Distillation', 'ZSKD-1',
                  '--impressions', reference, '--teacher', os.path.join(reference, 'Lenet5.mat'), '--steps', 600)
    assert done.returncode == 0, done.stderr
    assert result_of(tmp_path)['accuracy'] > 75


@pytest.mark.parametrize('rate, count', [('0.002', 1), ('0.5', 300), ('0.055', 33)])
def test_any_rate(script, tmp_path, teacher, rate, count):
    done = script('Data_Impressions.py', '--Rate', rate, '--save_path', tmp_path, '--teacher', teacher, '--iterations', 2)
    assert done.returncode == 0, done.stderr
    images, targets = load_impressions(str(tmp_path / ('DI-%s.mat' % rate)))
    assert len(images) == len(targets) == count
    done = script('train_w_distill.py', '--train_dir', tmp_path, *STUDENT, '--Distillation', 'ZSKD-' + rate,
                  '--teacher', teacher, '--impressions', tmp_path, '--steps', 2, '--augment')
    assert done.returncode == 0, done.stderr


def test_each_impression_is_independent_of_its_batch(script, tmp_path, teacher):
    images = []
    for size in (7, 60):
        folder = tmp_path / str(size)
        script('Data_Impressions.py', '--Rate', '0.1', '--save_path', folder, '--teacher', teacher, '--iterations', 20,
               '--batch_size', size)
        images.append(load_impressions(str(folder / 'DI-0.1.mat'))[0])
    # Equal but for the order of sums; Adam magnifies the rounding where a gradient is near zero.
    assert np.median(np.abs(images[0] - images[1])) < 1e-3 and np.mean(np.abs(images[0] - images[1]) > 1) < 0.01


def test_targets_are_dirichlet():
    similarity = np.random.RandomState(0).uniform(0, 1, (10, 10))
    np.fill_diagonal(similarity, 1)
    similarity[:, 3] = 0
    count = 40000
    targets = Data_Impressions.dirichlet_targets(similarity, count, [0.1, 1.0], np.random.RandomState(0))
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
    assert targets.min() >= 0 and np.isfinite(targets).all()
    for k in range(10):
        for i, beta in enumerate((0.1, 1.0)):
            drawn = targets[np.arange(count) % 20 == k + 10 * i]
            assert len(drawn) == count // 20
            a = np.maximum(beta * similarity[k], 1e-8)
            mean = a / a.sum()
            np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.04)
            np.testing.assert_allclose(drawn.var(axis=0), mean * (1 - mean) / (a.sum() + 1), atol=0.02)


def test_agreement_against_scipy():
    from scipy.special import softmax
    from scipy.stats import entropy
    rng = np.random.RandomState(0)
    targets, logits = rng.dirichlet(np.ones(10), 50), 50 * rng.standard_normal((50, 10))
    kl, agreement = Data_Impressions.agreement_with(targets, logits, 20.0)
    assert kl == pytest.approx(entropy(targets.T, softmax(logits / 20, axis=1).T).mean())
    assert agreement == np.mean(targets.argmax(axis=1) == logits.argmax(axis=1))
    assert np.isfinite(Data_Impressions.agreement_with(np.eye(10), 1e4 * np.eye(10), 20.0)).all()


def test_batches_show_every_item_before_any_twice():
    seen = np.concatenate(list(train_w_distill.batches(10, 4, 5, np.random.RandomState(0))))
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert [len(b) for b in train_w_distill.batches(3, 8, 2, np.random.RandomState(0))] == [8, 8]


def test_holdout_is_neither_trained_on_nor_the_test_set(data, mnist):
    args = training_arguments(['--train_dir', 'x', *STUDENT, '--holdout', '10000', '--data', data,
                               '--Distillation', 'Soft_logits-10'])
    images, labels, eval_images, eval_labels = train_w_distill.transfer_set(args, {}, np.random.RandomState(0))
    assert len(images) == len(labels) == 5000
    np.testing.assert_array_equal(eval_images, mnist[0][-10000:])
    held_out = {image.tobytes() for image in eval_images}
    assert not any(image.tobytes() in held_out for image in images)


def test_same_seed_same_bytes_other_seed_other_bytes(script, tmp_path, teacher):
    made = {}
    for name, seed in (('a', 4), ('b', 4), ('c', 5)):
        folder = tmp_path / name
        script('Data_Impressions.py', '--Rate', '0.2', '--save_path', folder, '--teacher', teacher, '--iterations', 10, '--seed', seed)
        done = script('train_w_distill.py', '--train_dir', folder, *STUDENT, '--Distillation', 'ZSKD-0.2', '--augment',
                      '--impressions', folder, '--teacher', teacher, '--steps', 20, '--seed', seed)
        assert done.returncode == 0, done.stderr
        made[name] = [(folder / file).read_bytes() for file in ('DI-0.2.mat', 'train_params.mat', 'best_params.mat')]
    assert made['a'] == made['b']
    assert all(a != c for a, c in zip(made['a'], made['c']))


def test_progress_bar_on_a_terminal(tmp_path, teacher):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    child = subprocess.Popen([sys.executable, os.path.join(ROOT, 'Data_Impressions.py'), '--Rate', '0.1', '--save_path',
                              str(tmp_path), '--teacher', teacher, '--iterations', '30'], stdout=slave, stderr=slave)
    os.close(slave)
    shown = b''
    while True:
        try:
            block = os.read(master, 4096)
        except OSError:  # the terminal's other end is closed
            break
        if not block:
            break
        shown += block
    assert child.wait() == 0
    assert shown.count(b"\r") >= 2 and b"%" in shown and b"loss" in shown and b"<" in shown  # of [elapsed<left]


@pytest.fixture(scope='module')
def pictures(tmp_path_factory, impressions, teacher):
    folder = tmp_path_factory.mktemp('figures')
    results = folder / 'results.csv'
    results.write_text('method,rate,run,seed,accuracy\nTeacher,100,0,0,99\nStudent,100,0,0,98.5\n'
                       'ZSKD,1,0,0,92\nZSKD,1,1,1,93\nZSKD,10,0,0,97\nSoft_logits,1,0,0,95\nSoft_logits,10,0,0,98\n')
    done = subprocess.run([sys.executable, os.path.join(ROOT, 'visualization.py'), '--save_path', str(folder), '--results',
                           str(results), '--impressions', os.path.join(impressions, 'DI-1.mat'), '--teacher', teacher],
                          env={k: v for k, v in os.environ.items() if k != 'DISPLAY'}, cwd=ROOT)
    assert done.returncode == 0
    return {name: cv2.imread(str(folder / name)) for name in ('concentrate.png', 'samples.png', 'accuracy.png')}


def test_similarity_picture(pictures):
    picture = pictures['concentrate.png']
    assert min(picture.shape[:2]) > 300
    yellow = (np.abs(picture.astype(int) - [37, 231, 253]) < 12).all(axis=2)  # the colour of 1, in BGR
    ys, xs = np.nonzero(yellow)
    inside = xs < 0.75 * picture.shape[1]  # not the colour bar
    assert np.corrcoef(ys[inside], xs[inside])[0, 1] > 0.98  # the diagonal


def test_samples_picture(pictures, impressions):
    picture = cv2.cvtColor(pictures['samples.png'], cv2.COLOR_BGR2GRAY)
    dark = picture < 60
    assert 0.2 < dark.mean() < 0.9  # black backgrounds on a white page
    columns = np.flatnonzero(np.diff((dark.mean(axis=0) > 0.3).astype(int)) == 1)
    rows = np.flatnonzero(np.diff((dark.mean(axis=1) > 0.3).astype(int)) == 1)
    assert len(columns) == 10 and len(rows) == 5


def test_accuracy_picture(pictures):
    picture = pictures['accuracy.png'].astype(int)
    for colour in ([40, 39, 214], [180, 119, 31]):  # BGR of the soft-logits and the ZSKD line
        assert (np.abs(picture - colour) < 20).all(axis=2).sum() > 100


def test_accuracy_bars_are_one_sample_standard_deviation():
    accuracies = dict.fromkeys(visualization.COLUMNS, {})
    accuracies['ZSKD'] = {1: [92.0, 94.0], 10: [97.0]}
    (bars,), = [container.lines[2] for container in visualization.draw_accuracy(accuracies).axes[0].containers]
    heights = [top - bottom for (_, bottom), (_, top) in bars.get_segments()]
    assert heights == pytest.approx([2 * math.sqrt(2), 0])


def test_pictures_straight_after_a_clone(tmp_path):
    """No impressions, no results of one's own: the grid's impressions are made."""
    done = subprocess.run([sys.executable, os.path.join(ROOT, 'visualization.py'), '--save_path', 'figures', '--rows', '1',
                           '--teacher', os.path.join(ROOT, 'pre_trained', 'Lenet5.mat')], cwd=str(tmp_path),
                          stdout=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0
    assert os.path.exists(str(tmp_path / 'DI' / 'DI-1.mat'))
    assert {'concentrate.png', 'samples.png'} <= set(os.listdir(str(tmp_path / 'figures')))


@pytest.mark.parametrize('name', ['train_w_distill.py', 'Data_Impressions.py', 'autotrain.py', 'visualization.py'])
def test_help_shows_every_flag_with_its_default(name):
    shown = subprocess.run([sys.executable, os.path.join(ROOT, name), '--help'], stdout=subprocess.PIPE,
                           universal_newlines=True, check=True).stdout
    flags = [line for line in shown.split('options:')[-1].split('optional arguments:')[-1].split('\n') if line.startswith('  --')]
    assert len(flags) > 5


@pytest.mark.parametrize('module', ['train_w_distill', 'Data_Impressions', 'autotrain', 'visualization'])
def test_import_has_no_side_effects(module, tmp_path):
    done = subprocess.run([sys.executable, '-c', 'import ' + module], cwd=str(tmp_path),
                          env=dict(os.environ, PYTHONPATH=ROOT), stdout=subprocess.PIPE)
    assert done.returncode == 0 and not done.stdout and not os.listdir(str(tmp_path))


def test_teachers_of_any_origin_are_accepted(script, tmp_path, reference, teacher):
    import scipy.io
    arrays = {k: v for k, v in scipy.io.loadmat(teacher).items() if not k.startswith('__')}
    doubles = {k: v.astype(np.float64).reshape((-1,) if k.endswith('biases') else v.shape) for k, v in arrays.items()}
    scipy.io.savemat(str(tmp_path / 'columns.mat'), doubles, oned_as='column', do_compression=True)
    for path in (tmp_path / 'columns.mat', os.path.join(reference, 'Lenet5.mat')):
        done = script('Data_Impressions.py', '--Rate', '0.1', '--save_path', tmp_path, '--teacher', path, '--iterations', 1)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('how, status, said', [(signal.SIGINT, 130, 'interrupted'), (signal.SIGTERM, 143, '')])
@pytest.mark.parametrize('flags', ['train_w_distill.py --train_dir={out} --main_scope=Student --data={data} --steps=4000',
                                   'Data_Impressions.py --save_path={out} --Rate=10 --iterations=20'])
def test_a_stopped_script_says_so_and_leaves_no_half_result(tmp_path, data, how, status, said, flags):
    name, *flags = flags.format(out=tmp_path, data=data).split()
    child = subprocess.Popen([sys.executable, '-u', os.path.join(ROOT, name)] + flags, cwd=ROOT,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert ' left' in child.stdout.readline()
    child.send_signal(how)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == status
    assert said in errors and 'Traceback' not in errors
    assert not glob.glob(str(tmp_path / '*.mat')) and not glob.glob(str(tmp_path / '*.json'))


def test_fewer_impressions_get_smaller_batches_and_more_weight_decay():
    few, some, many = [defaults_for('ZSKD', items) for items in (600, 6000, 24000)]
    assert few['batch_size'] < some['batch_size'] < many['batch_size'] < defaults_for('ZSKD', TRAIN)['batch_size']
    assert few['weight_decay'] > some['weight_decay'] > many['weight_decay']
    assert student_arguments('--Distillation=ZSKD-1').batch_size == few['batch_size']


def test_only_zskd_without_copies_warms_up_unless_told_otherwise():
    assert student_arguments('--Distillation=ZSKD-1').schedule == 'warmup'
    assert student_arguments('--Distillation=ZSKD-1', '--schedule=cosine').schedule == 'cosine'
    for flags in (), ('--Distillation=ZSKD-1', '--augment'), ('--Distillation=Soft_logits-1',):
        assert student_arguments(*flags).schedule == 'cosine'


def student_arguments(*flags):
    return training_arguments(['--train_dir=x', '--main_scope=Student', *flags])


def test_learning_rate_schedules():
    constant, cosine, warmup = [np.array([learning_rate(0.5, step, 200, name) for step in range(200)])
                                for name in ('constant', 'cosine', 'warmup')]
    assert (constant == 0.5).all()
    assert cosine[0] == 0.5 and (np.diff(cosine) < 0).all() and 0 < cosine[-1] < 1e-4
    assert 0 < warmup[0] < 0.05 and (np.diff(warmup[:20]) > 0).all() and (warmup[19:] == cosine[19:]).all()
    np.testing.assert_allclose(warmup[:20] / cosine[:20], np.arange(1, 21) / 20)
