"""Bad input against the real scripts: one clear line, the right exit status, no traceback, nothing lost."""
import gzip
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.io

from conftest import ROOT

TRAIN = 'train_w_distill.py --train_dir={out} --data={data} --main_scope=Student --steps=1 '
ZSKD = TRAIN + '--Distillation=ZSKD-1 --teacher={good}/teacher.mat --impressions={good} '
IMPRESSIONS = 'Data_Impressions.py --Rate=0.1 --iterations=1 --save_path={out} --teacher={good}/teacher.mat '
TABLE = 'autotrain.py --root={out} --data={data} --budget=0.0001 --rates 0.1 --runs=1 '
PICTURES = 'visualization.py --save_path={out} --teacher={good}/teacher.mat --impressions={good}/DI-1.mat '

USAGE = [(command, word) for command, words in [
    ('train_w_distill.py', {'': 'required', '--main_scope=Student': '--train_dir'}),
    (TRAIN, {'--main_scope=Lecturer': 'Lecturer', '--Distillation=Magic-5': 'Magic-5', '--Distillation=ZSKD-0': '0 is not a rate',
             '--Distillation=ZSKD-101': '101', '--Distillation=ZSKD-abc': 'abc', '--Distillation=ZSKD-nan': 'nan',
             '--Distillation=Soft_logits--5': '-5', '--Distillation=Soft_logits-': 'Soft_logits-',
             '--Distillation=ZSKD-1 --main_scope=Teacher': 'Teacher', '--augment': '--augment',
             '--steps=0': '--steps', '--steps=1.5': '1.5', '--batch_size=0': '--batch_size', '--batch_size=70000': '60000',
             '--learning_rate=0': '--learning_rate', '--learning_rate=-1': '-1', '--learning_rate=nan': 'nan',
             '--learning_rate=inf': 'inf', '--learning_rate=fast': 'fast', '--schedule=steps': 'steps',
             '--weight_decay=-1': '-1', '--temperature=0': '--temperature', '--kl_weight=1': '--kl_weight',
             '--ce_weight=0': '--ce_weight', '--Distillation=ZSKD-1 --ce_weight=1': 'labels', '--copies=0': '--copies',
             '--rotation=181': '180', '--scale=1': '0.9', '--shift=-1': '-1', '--holdout=40000': '30000',
             '--holdout=-1': '-1', '--seed=-1': '-1', '--seed=2147483648': '2147483648', '--threads=0': '--threads',
             '--train_dir=': 'path', '--unknown=1': '--unknown'}),
    ('Data_Impressions.py', {'': '--Rate'}),
    (IMPRESSIONS, {'--Rate=0': '0 is not a rate', '--Rate=100.1': '100.1', '--Rate=many': 'many', '--Rate=0.0001': 'image',
                   '--iterations=0': '--iterations', '--learning_rate=-1': '-1', '--l2=-1': '-1', '--betas=0': '--betas',
                   '--beta2=1': '--beta2', '--batch_size=0': '--batch_size', '--temperature=-1': '-1'}),
    (TABLE, {'--runs=0': '--runs', '--rates 0': '--rates', '--rates 1 500': '500', '--jobs=0': '--jobs', '--budget=0': '--budget',
             '--methods Magic': 'Magic', '--training=--steps=0': '--steps', '--training=\'': '--training', '--synthesis=--l2=x': 'x'}),
    (PICTURES, {'--rows=0': '--rows', '--impressions=': 'path'}),
] for command, word in [(command + ' ' + flags, word) for flags, word in words.items()]]

TEACHERS = {'missing': 'no file', 'empty': 'not a whole MAT-file', 'truncated': 'not a whole MAT-file', 'text': 'not a whole MAT-file',
            'names': "no array 'Teacher/", 'shapes': 'expected', 'nan': 'NaN', 'complex': 'real numbers',
            'strings': 'real numbers', 'folder': 'no file'}
BAD_IMPRESSIONS = {'none': 'no file', '28x28': '28x28', 'five_classes': 'Nx5'.replace('Nx5', '600x5'), 'unequal': '600 images and 599',
                   'bright': '0..255', 'unnormalised': 'sum to 1', 'nan': 'NaN', 'cut': 'not a whole MAT-file', 'no_images': 'images'}
RUN = [(IMPRESSIONS + '--teacher={bad}/%s.mat' % name, [name, words]) for name, words in TEACHERS.items()] + [
    (ZSKD + '--teacher={bad}/truncated.mat', ['truncated']),
    (TRAIN + '--Distillation=Soft_logits-1 --teacher=Nobody', ['Nobody.mat', 'no file']),
    (PICTURES + '--teacher={bad}/missing.mat', ['missing.mat']),
    (PICTURES + '--teacher={bad}/nan.mat', ['NaN']),
    (PICTURES + '--impressions={bad}/none.mat', ['none.mat']),
    (PICTURES + '--results={bad}/missing.csv', ['missing.csv']),
    (PICTURES + '--results={bad}/text.mat', ['text.mat', 'results.csv']),
    (PICTURES + '--results={bad}/truncated.mat', ['truncated.mat', 'results.csv']),
] + [(ZSKD + '--impressions={bad}/%s' % name, ['DI-1.mat', words]) for name, words in BAD_IMPRESSIONS.items()] + [
    (TRAIN + '--data={bad}/cut_npz', ['mnist.npz', 'delete it']),
    (TRAIN + '--data={bad}/altered_pickle', ['mnist.pkl.gz', 'delete it']),
    (TRAIN + '--data={bad}/html', ['mnist.npz', 'delete it']),
    (TRAIN + '--data={bad}/text.mat', ['text.mat']),
    (TABLE + '--data={bad}/html', ['mnist.npz', 'delete it']),
    (TRAIN + '--train_dir={bad}/text.mat/x', ['text.mat']),
    (IMPRESSIONS + '--save_path={bad}/text.mat', ['text.mat']),
    (PICTURES + '--save_path={bad}/text.mat', ['text.mat']),
    (TABLE + '--root={bad}/text.mat', ['text.mat']),
    (TRAIN + '--train_dir=/proc/none', ['/proc/none']),
    (IMPRESSIONS + '--save_path=/proc/none', ['/proc/none']),
    (TABLE + '--root=/proc/none', ['/proc/none']),
    (TRAIN + '--learning_rate=1e6 --schedule=constant --steps=60', ['--learning_rate']),
    (IMPRESSIONS + '--learning_rate=1e38 --iterations=20', ['--learning_rate']),
    # a full disk: no file may grow beyond 20 kB
    ('FULL ' + TRAIN, ['cannot write', 'make room']),
    ('FULL ' + IMPRESSIONS + '--Rate=1', ['cannot write', 'make room']),
    ('FULL ' + PICTURES, ['cannot write', 'make room']),
]


@pytest.fixture(scope='module')
def folders(tmp_path_factory, data, teacher):
    """{placeholder: folder} with good files in one and every kind of bad file in another."""
    good, bad = tmp_path_factory.mktemp('good'), tmp_path_factory.mktemp('bad')
    arrays = {name: value for name, value in scipy.io.loadmat(teacher).items() if not name.startswith('__')}
    scipy.io.savemat(str(good / 'teacher.mat'), arrays)
    rng = np.random.RandomState(0)
    impressions = {'train_images': rng.uniform(0, 255, (600, 32, 32, 1)).astype(np.float32),
                   'train_labels': rng.dirichlet(np.ones(10), 600)}
    scipy.io.savemat(str(good / 'DI-1.mat'), impressions)

    def teacher_with(file, **changes):
        scipy.io.savemat(str(bad / file), dict(arrays, **changes))

    fc2 = arrays['Teacher/fc2/weights']
    whole = (good / 'teacher.mat').read_bytes()
    (bad / 'empty.mat').write_bytes(b'')
    (bad / 'truncated.mat').write_bytes(whole[:len(whole) // 2])
    (bad / 'text.mat').write_text('hello, this is no MAT-file\n' * 100)
    (bad / 'folder.mat').mkdir()
    scipy.io.savemat(str(bad / 'names.mat'), {name.replace('Teacher', 'Lecturer'): a for name, a in arrays.items()})
    teacher_with('shapes.mat', **{'Teacher/fc2/weights': fc2.T})
    teacher_with('nan.mat', **{'Teacher/fc2/weights': np.where(fc2 == fc2.max(), np.nan, fc2)})
    teacher_with('complex.mat', **{'Teacher/fc2/weights': fc2 + 1j})
    teacher_with('strings.mat', **{'Teacher/fc2/weights': 'hello'})

    def impressions_with(folder, **changes):
        (bad / folder).mkdir()
        scipy.io.savemat(str(bad / folder / 'DI-1.mat'), dict(impressions, **changes))

    images, labels = impressions['train_images'], impressions['train_labels']
    impressions_with('28x28', train_images=images[:, 2:-2, 2:-2])
    impressions_with('five_classes', train_labels=labels[:, :5])
    impressions_with('unequal', train_labels=labels[1:])
    impressions_with('bright', train_images=2 * images)
    impressions_with('unnormalised', train_labels=labels / 2)
    impressions_with('nan', train_images=images * np.nan)
    impressions_with('no_images', train_images=images[:0], train_labels=labels[:0])
    impressions_with('cut')
    content = (bad / 'cut' / 'DI-1.mat').read_bytes()
    (bad / 'cut' / 'DI-1.mat').write_bytes(content[:-1000])
    for folder, name, content in (('cut_npz', 'mnist.npz', b'PK\3\4' + bytes(5000)), ('html', 'mnist.npz', b'<html>Log in</html>'),
                                  ('altered_pickle', 'mnist.pkl.gz', gzip.compress(b'cos\nsystem\n(S"true"\ntR.'))):
        (bad / folder).mkdir()
        (bad / folder / name).write_bytes(content)
    return {'good': str(good), 'bad': str(bad), 'data': data}


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


@pytest.fixture(scope='module')
def outcomes(folders, tmp_path_factory):
    """{command: (finished process, [earlier files that are as they were])}, two processes at a time."""
    def call(command):
        out = tmp_path_factory.mktemp('out')
        for name in ('train_params.mat', 'DI-0.1.mat', 'DI-1.mat', 'samples.png', 'results.csv', 'events.out.tfevents.1'):
            (out / name).write_text('made earlier')
        full = command.startswith('FULL ')
        words = [word.format(out=out, **folders) for word in (command[5:] if full else command).split(' ') if word]
        if '--rates' in words:  # values of one flag, given again
            words = [w for i, w in enumerate(words) if w != '--rates' or '--rates' not in words[i + 1:]]
        done = subprocess.run([sys.executable, os.path.join(ROOT, words[0])] + words[1:], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, timeout=300, cwd=str(out),
                              preexec_fn=limit_file_size if full else None)
        return done, [path.name for path in out.iterdir() if path.is_file() and path.read_bytes() == b'made earlier']

    commands = [command for command, _ in USAGE + RUN]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(commands, pool.map(call, commands)))


def check(outcome, status, words):
    done, earlier = outcome
    assert done.returncode == status, done.stderr
    assert 'Traceback' not in done.stderr + done.stdout
    # TensorFlow 2 may log lines of its own before.
    line, = [line for line in done.stderr.split('\n') if line.startswith('error: ') or '.py: error: ' in line]
    assert done.stderr.endswith(line + '\n')
    for word in words:
        assert word in line
    assert len(earlier) == 6, 'what was there before is there still'


@pytest.mark.parametrize('command, word', USAGE, ids=[c.split('} ')[-1].strip() or c for c, _ in USAGE])
def test_impossible_flags(outcomes, command, word):
    check(outcomes[command], 2, [word])


@pytest.mark.parametrize('command, words', RUN, ids=[c.split(' ')[0] + ' ' + c.split(' ')[-1] for c, _ in RUN])
def test_bad_files_and_runs(outcomes, command, words):
    check(outcomes[command], 1, words)
