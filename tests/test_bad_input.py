"""Bad input: one clear line, the right exit status, no traceback, nothing lost.

Most of it is checked in this process, where a script's main() or its ``run`` ends with SystemExit. A few
cases run the scripts themselves.
"""
import functools
import os
import re
import resource
import shlex
import signal
import subprocess

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.io
from conftest import ROOT, command, run_script, two_at_a_time

import autotrain
import convert
import Data_Impressions
import train_w_distill
import visualization
from utils import console

SCRIPTS = {module.__name__ + '.py': module
           for module in (train_w_distill, Data_Impressions, autotrain, visualization, convert)}

# {script: {flags that are wrong: a word that the message holds beside the flag's name}}
USAGE = {
    'train_w_distill.py': {
        '': '--train_dir', '--train_dir=': 'path', '--train_dir=x --unknown=1': '--unknown',
        '--main_scope=Lecturer': 'Lecturer', '--Distillation=Magic-5': 'Magic-5',
        '--Distillation=ZSKD-0': '0 is not', '--Distillation=ZSKD-101': '101',
        '--Distillation=ZSKD-nan': 'nan', '--Distillation=Soft_logits--5': '-5',
        '--Distillation=Soft_logits-': 'Soft_logits-',
        '--Distillation=ZSKD-1 --main_scope=Teacher': 'Teacher', '--Distillation=None-5': 'is not None',
        '--kl_weight=1': 'teacher', '--ce_weight=0': '0', '--Distillation=ZSKD-1 --ce_weight=1': 'labels',
        '--augment --cutmix=0.5': 'a teacher', '--copies=5': '--augment',
        '--Distillation=Soft_logits-1 --augment --cutmix=0.5 --ce_weight=0.3': '--cutmix 0',
        '--augment --recipe=published': 'augmentation', '--mirror=1': '--augment',
        '--temperature=4': 'a teacher', '--teacher=mine.mat': 'a teacher', '--any_teacher': 'a teacher',
        '--Distillation=ZSKD-1 --dataset=none --any_teacher': 'a data set',
        '--dataset=none --Distillation=Soft_logits-1': 'ZSKD-R',
        '--dataset=none --Distillation=ZSKD-1 --holdout=5': '--holdout', '--impressions=DI': 'ZSKD-R',
        '--nets=resnet': 'resnet', '--holdout=-1': '-1',
        '--seed=2147483648': '2147483648', '--threads=0': '0', '--teacher=': 'path', '--recipe=mine': 'mine',
        '--recipe=published --nets=alexnet': 'of lenet',
        '--recipe=published --Distillation=ZSKD-1 --augment': 'augmentation', '--dataset=cifar': 'cifar',
        '--dataset=': 'none', '--dataset=mnist.npy': 'FILE.npz',
        '--dataset=none --main_scope=Teacher': 'ZSKD-R', '--teacher_scale 0 255': 'without a teacher',
        '--Distillation=ZSKD-1 --teacher_scale 1 1': '1 is not below 1',
        '--Distillation=ZSKD-1 --teacher_std 0': 'not above 0',
    },
    'Data_Impressions.py': {
        '': '--Rate', '--Rate=0': '0 is not', '--Rate=100.1': '100.1', '--Rate=many': 'many',
        '--Rate=0.0001': '0.0001', '--Rate=1 --betas': 'argument', '--Rate=1 --steps=5': '--steps',
        '--Rate=1 --recipe=published --nets=mine.py': 'of lenet', '--Rate=1 --save_path=': 'path',
        '--Rate=1 --dataset=none --any_teacher': 'data set',
    },
    'autotrain.py': {
        '--runs=0': '0', '--rates 0': '0', '--seed=2147483647 --runs=2': 'at most 2147483646',
        '--scheduler=x --jobs=2': 'with --scheduler',
        '--synthesis=--l2=1 --methods Student': 'of ZSKD',
        '--rates 1 500': '500', '--jobs=0': '0', '--budget=0': '0',
        '--methods Magic': 'Magic', '--root=': 'path', '--dataset=none': '--teacher',
        '--recipe=published --methods ZSKD_augment': 'augmentation', '--training=--steps=0': '--steps',
        '--recipe=published --dataset=cifar10': 'of lenet',
        '--training=--what=1': '--what', '--training=--train_dir=x': '--train_dir',
        '--training=--seed=0': 'not --seed', '--training=--augment': 'not --augment',
        '--synthesis=--teacher=Lenet5': 'not --teacher',
        "--training=\\'": 'quotation', '--training=--kl_weight=1': 'teacher', '--training': 'argument',
        '--training --jobs=2': '--jobs=2',
        '--training=--copies=4 --methods ZSKD Student': 'without --augment in any column',
        '--training=--temperature=4 --methods Student': 'without a teacher', '--synthesis=--l2=x': '--l2',
        '--synthesis=--copies=3': '--copies', '--teacher_std 2': 'goes with --teacher',
        '--teacher=Lenet5 --methods Teacher': '--methods Teacher does not go with --teacher',
        '--teacher=Lenet5 --dataset=none --methods Soft_logits': '--teacher --dataset none',
        '--teacher=Lenet5 --dataset=none --any_teacher': 'data set',
    },
    'visualization.py': {'--rows=51': '50', '--impressions=': 'path', '--dataset=x': 'x',
                         '--student=s.mat --rows=5': 'with --student',
                         '--dataset=none --any_teacher': 'data set'},
    'convert.py': {
        'x.mat --to': 'argument', 'x.mat --to saved_model': 'saved_model DIR', 'x.mat --to a.onnx': '.keras',
        'x.mat --to saved_model a b': 'saved_model DIR', 'x.mat --to a.pb b': 'ends in',
        'x.mat --to a.pb --int8 DI-1.mat': 'of a .tflite', 'x.mat --to a.pb --float16': 'of a .tflite',
        'x.mat --to a.tflite --int8_operations_only': 'goes with --int8',
        'x.mat --to a.tflite --int8 DI-1.mat --float16': '--int8 or --float16',
        'x.mat --to a.npz --teacher_scale 0 255': 'holds weights alone'},
}
USAGE = [(script, words, said) for script, cases in USAGE.items() for words, said in cases.items()]


@pytest.mark.parametrize('script, words, said', USAGE, ids=lambda value: value.replace('.py', ''))
def test_wrong_flags(script, words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(words)
    if script == 'train_w_distill.py' and words and not words[0].startswith('--train_dir'):
        words.append('--train_dir=x')
    with pytest.raises(SystemExit) as end:
        SCRIPTS[script].main(words)
    assert end.value.code == 2
    printed, errors = capsys.readouterr()
    line, *more = errors.split('\n')
    assert line.count('.py: error: ') == 1 and more == [''] and not printed
    assert said in line and any(flag in line for flag in re.findall(r'--\w+', ' '.join(words)) + ['required'])
    assert not os.listdir('.')


TRAIN = 'train_w_distill.py --train_dir={out} --dataset={small} --steps=1 '
ZSKD = TRAIN + '--Distillation=ZSKD-1 --teacher={good}/teacher.mat --impressions={good} '
IMPRESSIONS = 'Data_Impressions.py --Rate=0.1 --iterations=1 --save_path={out} --teacher={good}/teacher.mat '
TABLE = 'autotrain.py --root={out} --dataset={small} --budget=0.0001 --rates 0.1 --runs=1 '
PICTURES = ('visualization.py --save_path={out} --dataset={small} --teacher={good}/teacher.mat '
            '--impressions={good}/DI-1.mat ')
CONFUSION = PICTURES.rpartition('--impressions')[0]

RUNS = {
    IMPRESSIONS + '--teacher={bad}/one_class.mat': ['one_class.mat', 'of 1 classes'],
    IMPRESSIONS + '--teacher={bad}/alike.mat': ['alike.mat', 'all classes are alike'],
    IMPRESSIONS + '--learning_rate=1e38 --iterations=20': ['--learning_rate'],
    IMPRESSIONS + '--save_path={bad}/text.mat': ['text.mat'],
    IMPRESSIONS + '--dataset=fashion_mnist --teacher=Lenet5': ['trained on mnist, not on FashionMNIST'],
    IMPRESSIONS + '--dataset=nowhere.npz': ['nowhere.npz'],
    ZSKD + '--impressions={bad}/none': ['DI-1.mat', 'no file'],
    TRAIN + '--Distillation=Soft_logits-1 --teacher=Nobody': ['Nobody.mat', 'no file'],
    TRAIN + '--train_dir={bad}/text.mat/x': ['text.mat'],
    TRAIN + '--learning_rate=1e6 --schedule=constant --steps=60': ['--learning_rate'],
    TABLE + '--dataset=nowhere.npz': ['nowhere.npz'],
    TABLE + '--root=/proc/none': ['/proc/none'],
    PICTURES + '--results={bad}/missing.csv': ['missing.csv'],
    PICTURES + '--results={bad}/empty.csv': ['empty.csv', 'holds no training'],
    PICTURES + '--save_path={bad}/text.mat': ['text.mat'],
    CONFUSION + '--student={good}/DI-1.mat': ['DI-1.mat', 'no network of lenet'],
    CONFUSION + '--student={good}/teacher.mat --dataset=none': ['--dataset'],
}
EARLIER = 'train_params.mat', 'DI-0.1.mat', 'DI-1.mat', 'samples.png', 'results.csv', 'events.out.tfevents.1'


@pytest.fixture(scope='module')
def folders(tmp_path_factory, small, teacher):
    """{placeholder: path}: a folder with good files, and one with every kind of bad file."""
    good, bad = tmp_path_factory.mktemp('good'), tmp_path_factory.mktemp('bad')
    arrays = {name: value for name, value in scipy.io.loadmat(teacher).items() if not name.startswith('__')}
    scipy.io.savemat(str(good / 'teacher.mat'), arrays)
    rng = np.random.RandomState(0)
    scipy.io.savemat(str(good / 'DI-1.mat'), {
        'train_images': rng.uniform(0, 255, (600, 32, 32, 1)).astype(np.float32),
        'train_labels': rng.dirichlet(np.ones(10), 600)})
    whole, fc2 = (good / 'teacher.mat').read_bytes(), arrays['Teacher/fc2/weights']
    (bad / 'truncated.mat').write_bytes(whole[:len(whole) // 2])
    (bad / 'text.mat').write_text('hello, this is no MAT-file\n' * 100)
    (bad / 'empty.csv').write_text('')
    for name, changes in (
            ('alike.mat', {'Teacher/fc2/weights': np.repeat(fc2[:, :1], 10, axis=1)}),
            ('one_class.mat', {'Teacher/fc2/weights': fc2[:, :1], 'Teacher/fc2/biases': [[0.5]]})):
        scipy.io.savemat(str(bad / name), dict(arrays, **changes))
    return {'good': str(good), 'bad': str(bad), 'small': small}


@pytest.fixture(scope='module')
def new_folder(tmp_path_factory):
    """new_folder() -> a folder in which every script has left its files earlier."""
    def make():
        folder = tmp_path_factory.mktemp('out')
        for name in EARLIER:
            (folder / name).write_text('made earlier')
        return folder
    return make


def check_earlier_files(folder):
    assert all((folder / name).read_text() == 'made earlier' for name in EARLIER)
    assert not list(folder.glob('.*.tmp')), 'nothing half-written is left'


@pytest.fixture
def restored():
    """Puts back what ``console.run`` and failed scripts leave changed in this process."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)
    plt.close('all')


@pytest.mark.parametrize('line', RUNS,
                         ids=lambda line: line.split(' ')[0] + ' ' + re.split('} |[.]mat ', line)[-1])
def test_bad_files_and_runs(line, folders, new_folder, restored, monkeypatch):
    out = new_folder()
    monkeypatch.chdir(out)
    script, *words = line.format(out=out, **folders).split()
    with pytest.raises(SystemExit) as end:
        console.run(functools.partial(SCRIPTS[script].main, words))
    # A text as its code makes an exit with status 1 and that text, a line, on stderr.
    assert str(end.value.code).startswith('error: ') and '\n' not in end.value.code
    for word in RUNS[line]:
        assert word in end.value.code
    check_earlier_files(out)


# The scripts themselves.

PROCESSES = {
    'autotrain.py --runs=0': (2, '--runs'),
    'convert.py gone.mat --to {out}/digits.pb': (1, "no file 'gone.mat'; check the path, or make it first"),
    IMPRESSIONS + '--teacher={bad}/truncated.mat': (1, "truncated.mat' is not a whole MAT-file"),
    PICTURES + '--results={bad}/text.mat': (1, 'results.csv'),
    'FULL ' + TRAIN: (1, 'make room'),
}


def fill_disk():
    """In a child: no file may grow beyond 20 kB, which is what a full disk looks like."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


def test_a_script_that_cannot_run_says_why_in_one_line(folders, new_folder):
    def call(line):
        out = new_folder()
        words = line.replace('FULL ', '').format(out=out, **folders).split()
        full = fill_disk if line.startswith('FULL ') else None
        return run_script(words, cwd=str(out), preexec_fn=full), out

    for line, (done, out) in two_at_a_time(call, PROCESSES).items():
        status, said = PROCESSES[line]
        assert done.returncode == status, done.stderr
        last, = [text for text in done.stderr.split('\n') if 'error: ' in text]
        assert last.startswith('error: ') or status == 2 and last.startswith(line.split()[0] + ': error: ')
        assert said in last and done.stderr.endswith(last + '\n')
        assert 'Traceback' not in done.stderr + done.stdout
        check_earlier_files(out)


STOPPED = {
    'train_w_distill.py --train_dir={out} --dataset={small} --steps=2000': ('SIGINT', 130, 'interrupted\n'),
    'Data_Impressions.py --save_path={out} --Rate=10 --iterations=20': ('SIGTERM', 143, ''),
}


def test_a_stopped_script_says_so_and_leaves_no_half_result(folders, new_folder):
    def stop(line):
        out = new_folder()
        child = subprocess.Popen(command(line.format(out=out, **folders).split()), cwd=ROOT,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        assert any(' left' in shown for shown in child.stdout)
        child.send_signal(getattr(signal, STOPPED[line][0]))
        _, errors = child.communicate(timeout=60)
        check_earlier_files(out)
        return child.returncode, errors, os.listdir(str(out))

    for line, (status, errors, files) in two_at_a_time(stop, STOPPED).items():
        _, expected, said = STOPPED[line]
        assert status == expected and errors.endswith(said) and 'Traceback' not in errors
        assert not {'result.json', 'best_params.mat', 'DI-10.mat', 'DI-10.json'} & set(files)
