"""The whole table, small: complete, resumable, killed at any moment, and the same bytes each time."""
import csv
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from conftest import ROOT
from utils.table import COLUMNS

SMALL = ['--runs', '1', '--rates', '0.2', '--budget', '0.002', '--training=--holdout=200', '--jobs', '2']


def command(root, data, *flags):
    return [sys.executable, os.path.join(ROOT, 'autotrain.py'), '--root', str(root), '--data', data] + SMALL + list(flags)


def table(root, data, *flags):
    return subprocess.run(command(root, data, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=300)


def rows(root):
    with open(os.path.join(str(root), 'results.csv'), newline='') as file:
        return list(csv.DictReader(file))


def outcome(root):
    """Everything a table made that must not depend on when and how it was run: {file: bytes}."""
    files = {}
    for parent, _, names in os.walk(str(root)):
        for name in names:
            if name.endswith('.mat') or name == 'results.md':
                path = os.path.join(parent, name)
                with open(path, 'rb') as file:
                    files[os.path.relpath(path, str(root))] = file.read()
    # The folder's own name stands in some arguments.
    files['results.csv'] = [{k: v.replace(str(root), '') for k, v in row.items() if k != 'seconds'} for row in rows(root)]
    return files


def times(root):
    """{result file: when it was written}."""
    return {os.path.join(parent, name): os.stat(os.path.join(parent, name)).st_mtime_ns
            for parent, _, names in os.walk(str(root)) for name in names
            if name == 'result.json' or (name.startswith('DI-') and name.endswith('.json'))}


def working_on(root):
    """Processes alive whose command names the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as file:
                if str(root).encode() in file.read() and int(pid) != os.getpid():
                    found.append(pid)
        except OSError:
            pass
    return found


@pytest.fixture(scope='module')
def whole(tmp_path_factory, data):
    """A small table, run without a break and one job at a time."""
    root = tmp_path_factory.mktemp('whole')
    done = table(root, data, '--jobs', '1')
    assert done.returncode == 0, done.stdout + done.stderr
    return root, done


def test_a_small_table_is_complete(whole):
    root, done = whole
    assert [(row['method'], row['rate'], row['run'], row['seed']) for row in rows(root)] == [
        ('Teacher', '100.0', '0', '0'), ('Student', '100.0', '0', '0'), ('Soft_logits', '0.2', '0', '0'),
        ('ZSKD', '0.2', '0', '0'), ('ZSKD_augment', '0.2', '0', '0')]
    header = list(rows(root)[0])
    assert header[:6] == ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds'] and {'steps', 'weight_decay'} <= set(header)
    for folder in ('Teacher/tch0', 'Student/std0', 'Soft_logits0.2/sl0.2_0', 'ZSKD0.2/zskd0.2_0', 'ZSKD_augment0.2/zskda0.2_0'):
        names = os.listdir(os.path.join(str(root), *folder.split('/')))
        assert {'train_params.mat', 'best_params.mat', 'result.json', 'log.txt'} <= set(names)
    with open(os.path.join(str(root), 'results.md')) as file:
        markdown = file.read()
    assert markdown in done.stdout and all(label in markdown for label in COLUMNS.values())
    assert 'left' in done.stdout and done.stdout.count('run 0') == 6


def test_runs_have_their_own_seeds_and_the_mean_is_shown(tmp_path, data):
    done = table(tmp_path, data, '--runs', '2', '--methods', 'Soft_logits', '--budget', '0.0005', '--seed', '7')
    assert done.returncode == 0
    found = rows(tmp_path)
    assert [row['seed'] for row in found if row['method'] == 'Teacher'] == ['7', '8']
    accuracies = [float(row['accuracy']) for row in found if row['method'] == 'Student']
    assert '%.2f ± %.2f' % (sum(accuracies) / 2, abs(accuracies[0] - accuracies[1]) / 2 ** 0.5) in done.stdout
    teachers = [(tmp_path / 'Teacher' / name / 'Lenet5.mat').read_bytes() for name in ('tch0', 'tch1')]
    assert teachers[0] != teachers[1]


def test_finished_jobs_are_kept_and_changed_ones_are_not(whole, tmp_path, data):
    root, _ = whole
    before = times(root)
    assert table(root, data).returncode == 0 and times(root) == before
    # Another learning rate for the students is other work; going back to the first is work again.
    changed = table(root, data, '--training=--holdout=200 --learning_rate=0.001')
    assert changed.returncode == 0 and all(times(root)[path] > before[path] for path in before if 'DI' not in path)
    assert table(root, data).returncode == 0
    # A damaged weight file is noticed; the teacher is made again, and what rests on it still fits.
    again = times(root)
    teacher = root / 'Teacher' / 'tch0' / 'Lenet5.mat'
    content = teacher.read_bytes()
    teacher.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert table(root, data).returncode == 0 and teacher.read_bytes() == content
    assert [path for path in again if times(root)[path] > again[path]] == [str(root / 'Teacher' / 'tch0' / 'result.json')]
    # A result file that somebody edited into something else is no result.
    for text in ('', '[]', '{"arguments": 3}', 'null', '{"accuracy": "high"'):
        (root / 'Student' / 'std0' / 'result.json').write_text(text)
        assert table(root, data, '--methods', 'Soft_logits').returncode == 0


def test_a_teacher_that_changed_invalidates_what_was_made_from_it(whole, data):
    root, _ = whole
    table(root, data)
    before = times(root)
    other = table(root, data, '--training=--holdout=200 --batch_size=50', '--methods', 'ZSKD')
    assert other.returncode == 0
    assert all(times(root)[path] > before[path] for path in before
               if os.sep + 'Soft_logits' not in path and os.sep + 'ZSKD_augment' not in path)
    assert table(root, data).returncode == 0


@pytest.mark.parametrize('jobs', ['1', '2'])
def test_same_seed_same_bytes(whole, tmp_path, data, jobs):
    root, _ = whole
    table(root, data)
    assert table(tmp_path, data, '--jobs', jobs).returncode == 0
    assert outcome(tmp_path) == outcome(root)


def test_killed_at_twenty_random_moments(whole, tmp_path, data):
    """Kills from a seeded draw; every time no process is left over, and in the end nothing differs."""
    root, _ = whole
    table(root, data)
    draw = random.Random(5)
    finished = kills = 0
    while kills < 20:
        folder = tmp_path / str(finished)
        child = subprocess.Popen(command(folder, data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        how = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        try:
            child.wait(timeout=draw.uniform(0.5, 5))
        except subprocess.TimeoutExpired:
            child.send_signal(how)
        _, errors = child.communicate(timeout=60)
        if child.returncode == 0:
            finished += 1
            continue
        kills += 1
        if 'stopped; ' in errors:
            assert child.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[how]
            assert 'jobs are done and kept; the same command goes on' in errors
        deadline = time.time() + 10
        while working_on(folder) and time.time() < deadline:
            time.sleep(0.1)
        assert not working_on(folder)
    assert table(tmp_path / str(finished), data).returncode == 0
    for number in range(finished + 1):
        assert outcome(tmp_path / str(number)) == outcome(root)
        assert not [name for _, _, names in os.walk(str(tmp_path / str(number))) for name in names if name.endswith('.tmp')]


def test_a_failed_job_is_reported_and_the_others_go_on(tmp_path, data):
    (tmp_path / 'ZSKD0.2').write_text('a file where a folder should be')
    done = table(tmp_path, data)
    assert done.returncode == 1 and 'Traceback' not in done.stdout + done.stderr
    assert 'failed: ZSKD-0.2 run 0' in done.stdout and '--Distillation=ZSKD-0.2' in done.stdout
    assert [row['method'] for row in rows(tmp_path)] == ['Teacher', 'Student', 'Soft_logits', 'ZSKD_augment']
    diverging = '--training=--steps=60 --learning_rate=1e6 --schedule=constant'
    done = table(tmp_path, data, '--budget', '1', '--methods', 'ZSKD', '--seed', '1', diverging)
    assert done.returncode == 1
    assert 'the loss became NaN' in done.stdout and 'not run: Teacher run 0 failed' in done.stdout
    assert 'not run: DI-0.2 run 0 failed' in done.stdout


def test_two_at_once(whole, data):
    root, _ = whole
    first = subprocess.Popen(command(root, data, '--seed', '3'), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(3)
        second = table(root, data, '--seed', '3')
        assert second.returncode == 1 and 'process %d' % first.pid in second.stderr and 'in use' in second.stderr
    finally:
        first.kill()
        first.wait()
    # What a dead process held is free.
    assert table(root, data).returncode == 0


def test_strange_folder_names(tmp_path, data, monkeypatch):
    root = tmp_path / 'a b;"$(touch pwned)"\n\'c\' --x %s é'
    monkeypatch.chdir(tmp_path)
    done = table(root, data, '--methods', 'ZSKD')
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rows(root)) == 3 and not (tmp_path / 'pwned').exists()
    assert os.listdir(str(tmp_path)) == [root.name]


def test_child_logs_are_written_as_they_come(tmp_path, data):
    child = subprocess.Popen(command(tmp_path, data, '--budget', '1', '--jobs', '1'), stdout=subprocess.DEVNULL)
    log = tmp_path / 'Teacher' / 'tch0' / 'log.txt'
    deadline = time.time() + 120
    while time.time() < deadline and not (log.exists() and 'accuracy' in log.read_text()):
        time.sleep(0.2)
    child.kill()
    child.wait()
    assert 'accuracy' in log.read_text() and '--main_scope=Teacher' in log.read_text()
