"""A job that was killed goes on where it was, and ends with the same bytes as one that nobody disturbed."""
import glob
import os
import signal

import numpy as np
import pytest
from conftest import run_script

import Data_Impressions
import train_w_distill
from utils.graph_mode import tf
from utils.records import checkpoint
from utils.records.checkpoint import Checkpoint

MADE_FROM = {'arguments': {'seed': 0, 'train_dir': 'a'}, 'inputs': {'dataset': 'abc'},
             'versions': {'numpy': '1'}}
# A script that saves whenever it may, and is killed when it would save for the N-th time.
KILLED = """
import os, signal, sys
from utils.records import checkpoint
from utils.console import run
import {script} as script

checkpoint.EVERY, saves, save = 0, [], checkpoint.Checkpoint.save

def save_or_die(self, **arrays):
    saves.append(self)
    if len(saves) == {saves}:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, **arrays)

checkpoint.Checkpoint.save = save_or_die
run(lambda: script.main(sys.argv[1:]))
"""


def killed(script, flags, saves):
    """Runs a script as a process until it has saved ``saves`` - 1 checkpoints, and worked a little more."""
    done = run_script(['-c', KILLED.format(script=script.__name__, saves=saves), *flags])
    assert done.returncode == -signal.SIGKILL, done.stderr


def content(folder):
    """{file: bytes} of all .mat files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*.mat')}


def checkpoints(folder):
    return glob.glob(os.path.join(str(folder), '**', '*checkpoint*'), recursive=True)


def curves(folder):
    """[(step, {curve: value})] of the one file of curves in a folder."""
    path, = glob.glob(os.path.join(str(folder), 'events.out.tfevents.*'))
    return [(event.step, {value.tag: value.simple_value for value in event.summary.value})
            for event in tf.train.summary_iterator(path) if event.summary.value]


@pytest.fixture
def steps_done(monkeypatch):
    """The steps of a training, or the iterations of a search, that are done in this process."""
    steps = []
    for script in (train_w_distill, Data_Impressions):
        def recorded(base, step, *rest, rate=script.learning_rate):
            steps.append(step)
            return rate(base, step, *rest)
        monkeypatch.setattr(script, 'learning_rate', recorded)
    return steps


# Killed and gone on.

def test_a_killed_training_goes_on(colours, own_pair, tmp_path, steps_done, capsys):
    """One with batch norm and dropout."""
    flags = ['--main_scope=Teacher', '--nets', own_pair, '--dataset', colours, '--steps=40', '--batch_size=8']
    undisturbed, disturbed = ['--train_dir=%s' % (tmp_path / name) for name in ('undisturbed', 'disturbed')]
    train_w_distill.main(flags + [undisturbed])
    assert steps_done == list(range(40)) and not checkpoints(tmp_path)
    killed(train_w_distill, flags + [disturbed], saves=17)
    assert os.path.exists(str(tmp_path / 'disturbed' / 'checkpoint.npz'))
    assert not content(tmp_path / 'disturbed') and not (tmp_path / 'disturbed' / 'result.json').exists()
    steps_done.clear()
    capsys.readouterr()
    train_w_distill.main(flags + [disturbed])
    assert steps_done == list(range(16, 40)), 'nothing is done twice but what was lost'
    assert 'going on from %r' % str(tmp_path / 'disturbed' / 'checkpoint.npz') in capsys.readouterr().out
    expected = content(tmp_path / 'undisturbed')
    assert sorted(expected) == ['best_params.mat', 'train_params.mat']
    assert content(tmp_path / 'disturbed') == expected
    assert curves(tmp_path / 'disturbed') == curves(tmp_path / 'undisturbed')
    assert len(curves(tmp_path / 'disturbed')) == 10
    assert not checkpoints(tmp_path)


def test_a_killed_search_for_impressions_goes_on(tmp_path, steps_done, capsys):
    """The last of its four batches is one short."""
    flags = ['--Rate=0.105', '--batch_size=16', '--iterations=8', '--dataset=none']
    undisturbed, disturbed = ['--save_path=%s' % (tmp_path / name) for name in ('undisturbed', 'disturbed')]
    Data_Impressions.main(flags + [undisturbed])
    assert len(steps_done) == 4 * 8 and not checkpoints(tmp_path)
    killed(Data_Impressions, flags + [disturbed], saves=3)
    assert checkpoints(tmp_path) == [str(tmp_path / 'disturbed' / 'DI-0.105-checkpoint.npz')]
    assert os.listdir(str(tmp_path / 'disturbed')) == ['DI-0.105-checkpoint.npz']
    steps_done.clear()
    capsys.readouterr()
    Data_Impressions.main(flags + [disturbed])
    assert steps_done == 2 * list(range(8)), 'two of four batches were kept'
    assert 'going on from ' in capsys.readouterr().out
    assert content(tmp_path / 'disturbed') == content(tmp_path / 'undisturbed')
    assert list(content(tmp_path / 'disturbed')) == ['DI-0.105.mat']
    assert not checkpoints(tmp_path)


# What is no checkpoint of the job.


ARRAYS = {'step': np.array(7), 'now/Student/conv0/weights': np.arange(6, dtype=np.float32).reshape(2, 3),
          'points': np.array('[{"step": 1}]'), 'none': np.zeros([0, 4])}


def test_arrays_come_back_as_they_were_saved(tmp_path, capsys):
    path = str(tmp_path / 'folder' / 'checkpoint.npz')
    assert Checkpoint(path, MADE_FROM, 0).load() == {}
    Checkpoint(path, MADE_FROM, 0).save(**dict(ARRAYS, step=3))
    Checkpoint(path, MADE_FROM, 0).save(**ARRAYS)
    elsewhere = dict(MADE_FROM, arguments={'seed': 0, 'train_dir': 'b'})
    found = Checkpoint(path, elsewhere, 0).load()
    assert set(found) == set(ARRAYS) and all(found[name].dtype == ARRAYS[name].dtype for name in ARRAYS)
    assert all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)
    assert os.listdir(os.path.dirname(path)) == ['checkpoint.npz']
    Checkpoint(path, MADE_FROM, 0).remove()
    Checkpoint(path, MADE_FROM, 0).remove()
    assert os.listdir(os.path.dirname(path)) == [] and Checkpoint(path, MADE_FROM, 0).load() == {}


@pytest.mark.parametrize('part, value', [('arguments', {'seed': 1}), ('inputs', {'dataset': 'abd'}),
                                         ('inputs', {}), ('versions', {'numpy': '2'})])
def test_another_jobs_checkpoint_is_none(tmp_path, part, value, capsys):
    path = str(tmp_path / 'checkpoint.npz')
    Checkpoint(path, dict(MADE_FROM, **{part: value}), 0).save(**ARRAYS)
    assert Checkpoint(path, MADE_FROM, 0).load() == {}
    why = {'arguments': 'made with seed 1, not 0', 'versions': 'made with numpy 2, not 1',
           'inputs': 'made from another dataset'}[part]
    assert capsys.readouterr().out == '%r is of another job: %s; it will be replaced\n' % (path, why)


def test_a_checkpoint_with_any_damage_is_none(tmp_path, capsys):
    """A changed bit anywhere, as in the archive's directory; cut short; longer; no archive."""
    file = tmp_path / 'checkpoint.npz'
    path = str(file)
    Checkpoint(path, MADE_FROM, 0).save(**ARRAYS)
    whole = file.read_bytes()
    changed = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:] for place in range(len(whole))]
    cut = [whole[:length] for length in range(0, len(whole), 7)]
    for wrong in changed + cut + [whole[:-32], whole + b'0', b'checkpoint']:
        file.write_bytes(wrong)
        assert Checkpoint(path, MADE_FROM, 0).load() == {}
    np.savez(path, **ARRAYS)
    assert Checkpoint(path, MADE_FROM, 0).load() == {}
    assert set(capsys.readouterr().out.splitlines()) == {'%r is damaged; it will be replaced' % path}
    file.write_bytes(whole)
    assert set(Checkpoint(path, MADE_FROM, 0).load()) == set(ARRAYS), 'and the whole one is one'


def test_the_seconds_of_earlier_processes_count(tmp_path, monkeypatch, capsys):
    path, now = str(tmp_path / 'checkpoint.npz'), [1000.0]
    monkeypatch.setattr(checkpoint.time, 'time', lambda: now[0])
    killed = Checkpoint(path, MADE_FROM, 900.0)
    killed.save(**ARRAYS)
    now[0] = 5000.0
    another = Checkpoint(path, MADE_FROM, 4990.0)
    assert another.seconds() == 10
    another.load()
    now[0] += 5
    assert another.seconds() == 115


def test_a_checkpoint_is_due_after_a_while(tmp_path, monkeypatch):
    path, now = str(tmp_path / 'checkpoint.npz'), [1000.0]
    monkeypatch.setattr(checkpoint.time, 'monotonic', lambda: now[0])
    kept = Checkpoint(path, MADE_FROM, 0)
    assert not kept.is_due()
    now[0] += checkpoint.EVERY
    assert kept.is_due()
    kept.save(**ARRAYS)
    assert not kept.is_due()
