"""The whole table, small: complete, resumable, stopped at any moment, and the same bytes each time.

Whether a job counts as finished is asked of autotrain.plan in this process. Jobs are run where only a run can
show it.
"""
import csv
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, Terminal, command, run_script, two_at_a_time, wait_until

import autotrain
from utils.data import datasets
from utils.files import RunError, load_json
from utils.matfile import mat_arrays
from utils.settings import flags, recipes
from utils.settings.hyper_parameters import TRAINING
from utils.settings.methods import METHODS, TABLE
from utils.table.check import check_inputs
from utils.table.flags import table_flags
from utils.table.jobs import Job, LocalPool, run_jobs

TRAININGS = ['Teacher run 0', 'Student run 0', 'Soft_logits-0.2 run 0', 'ZSKD-0.2 run 0',
             'ZSKD_augment-0.2 run 0']
JOBS = sorted(TRAININGS + ['DI-0.2 run 0'])


def words(root, data_set, *more):
    """The flags of the small table, with few copies where there are any."""
    columns = [name for name in METHODS if name in more] or TABLE
    copies = ['--training=--copies=4'] if any(METHODS[name].augment for name in columns) else []
    return ['--root=%s' % root, '--dataset', data_set, '--runs', '1', '--rates', '0.2', '--budget', '0.002',
            '--jobs', '2', *copies, *more]


def table(root, data_set, *more, **options):
    return run_script(['autotrain.py', *words(root, data_set, *more)], **options)


def plan(*flags_given):
    return autotrain.plan(table_flags(list(flags_given))[1])


def to_do(root, data_set, *more):
    """Names of the jobs that the small table would run now."""
    return sorted(job.name for job in plan(*words(root, data_set, *more)) if job.finished()[0] is None)


def rows(root):
    with open(os.path.join(str(root), 'results.csv'), newline='') as file:
        return list(csv.DictReader(file))


def content(root):
    """What must not depend on when and how a table was run: ({.mat file: bytes}, results without seconds)."""
    files = {}
    for parent, _, names in os.walk(str(root)):
        for name in names:
            if name.endswith('.mat'):
                path = os.path.join(parent, name)
                with open(path, 'rb') as file:
                    files[os.path.relpath(path, str(root))] = file.read()
    return files, [{column: value.replace(str(root), '') for column, value in row.items()
                    if value and column != 'seconds'} for row in rows(root)]


def check_part(part, whole, methods):
    """That a table of some methods is the same, byte for byte, as their part of the whole table."""
    (files, results), (whole_files, whole_results) = content(part), content(whole)
    assert len(files) == 2 * len(methods) + 1, 'weights of each method, and the impressions'
    assert files == {name: whole_files.get(name) for name in files}
    assert results == [result for result in whole_results if result['method'] in methods + ['Impressions']]
    assert len(results) == len(methods) + 1
    assert not list(part.rglob('.*.tmp'))


def times(root):
    """{record of a job: when it was written}."""
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in root.rglob('*.json')}


def working_on(root):
    """Processes alive whose command names the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as file:
                if str(root).encode() in file.read() and int(pid) != os.getpid():
                    found.append(pid)
        except OSError:  # it has ended
            pass
    return found


@pytest.fixture(scope='module')
def whole(tmp_path_factory, small):
    """(folder, finished process) of the small table, run without a break, two jobs at a time; read only."""
    root = tmp_path_factory.mktemp('whole') / 'table'
    done = table(root, small)
    assert done.returncode == 0, done.stdout + done.stderr
    return root, done


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the small table, to be changed."""
    root = tmp_path / 'copied table'
    shutil.copytree(str(whole[0]), str(root))
    return root


# What a table makes and says.

def test_a_small_table_is_complete(whole):
    root, done = whole
    assert [(row['method'], row['rate'], row['run'], row['seed']) for row in rows(root)] == [
        ('Teacher', '100.0', '0', '0'), ('Student', '100.0', '0', '0'), ('Impressions', '0.2', '0', '0'),
        ('Soft_logits', '0.2', '0', '0'),
        ('ZSKD', '0.2', '0', '0'), ('ZSKD_augment', '0.2', '0', '0')]
    header = list(rows(root)[0])
    assert header[:6] == ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']
    assert {'steps', 'weight_decay'} <= set(header)
    record, impressions = load_json(str(root / 'DI' / 'di0' / 'DI-0.2.json')), rows(root)[2]
    assert impressions['accuracy'] == '' and float(impressions['kl']) == round(record['kl'], 4)
    assert float(impressions['targets_met']) == round(record['targets_met'], 4)
    assert (impressions['iterations'], impressions['temperature']) == ('1', '10.0')
    for folder in ('Teacher/tch0', 'Student/std0', 'Soft_logits0.2/sl0.2_0', 'ZSKD0.2/zskd0.2_0',
                   'ZSKD_augment0.2/zskda0.2_0'):
        files = set(os.listdir(str(root / folder)))
        assert {'train_params.mat', 'best_params.mat', 'result.json', 'log.txt'} <= files
    assert {'DI-0.2.mat', 'DI-0.2.json', 'DI-0.2.log'} <= set(os.listdir(str(root / 'DI' / 'di0')))
    markdown = (root / 'results.md').read_text()
    assert done.stdout.endswith('\n%s\n' % markdown)
    assert all(METHODS[name].label in markdown for name in TABLE)


def test_in_a_file_progress_is_a_line_per_job(whole):
    _, done = whole
    lines = [re.match(r'table: (\d) of 6 jobs +(\d+) %, (.* run 0): (.*), ([\d:?]+) left$', line)
             for line in done.stdout.split('\n') if line.startswith('table')]
    assert [line.group(1) for line in lines] == list('123456')
    assert sorted(line.group(3) for line in lines) == JOBS
    shares = [int(line.group(2)) for line in lines]
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] == 100
    assert lines[-1].group(5) == '00:00'
    accuracies = {line.group(3): line.group(4) for line in lines}
    assert accuracies['Teacher run 0'] == '%.2f %%' % float(rows(whole[0])[0]['accuracy'])
    assert accuracies['DI-0.2 run 0'].endswith(' % of targets met')


def test_on_a_terminal_progress_says_what_runs_and_how_far_and_logs_grow_meanwhile(tmp_path, small):
    root = tmp_path / 'table'
    terminal = Terminal(['autotrain.py', *words(root, small, '--budget=1', '--training=--steps=4000')])
    shown = terminal.read(until=lambda shown: re.search(
        r'table: 0 of 6 jobs +\d+ %\|[^|]*\| [\d:]+ left, Teacher run 0 [1-9]\d* %, Student run 0 \d+ %',
        shown))
    assert 'Teacher run 0' in shown
    log = (root / 'Teacher' / 'tch0' / 'log.txt').read_text()
    assert '--main_scope=Teacher' in log and re.search(r'Teacher +\d+ %, loss', log)
    terminal.process.send_signal(signal.SIGINT)
    shown = terminal.read()
    assert terminal.process.wait() == 130
    assert 'stopped; 0 of 6 jobs are done and kept; the same command goes on from here' in shown
    wait_until(lambda: not working_on(root))
    assert (root / 'results.csv').exists() and not rows(root)


def test_each_run_has_its_own_seed_teacher_and_impressions(small):
    jobs = {job.name: ' '.join(job.command) for job in plan(
        '--dataset', small, '--root=r', '--runs=2', '--rates', '1', '--seed=7', '--methods', 'ZSKD',
        'Soft_logits')}
    assert len(jobs) == 8
    for run in (0, 1):
        needing = [line for name, line in jobs.items() if name.endswith('-1 run %d' % run)]
        assert len(needing) == 3
        assert all('--teacher=r/Teacher/tch%d/train_params.mat' % run in line for line in needing)
        assert all('--seed=%d' % (7 + run) in line for name, line in jobs.items()
                   if name.endswith('run %d' % run))
        assert '--impressions=r/DI/di%d' % run in jobs['ZSKD-1 run %d' % run]
        assert '--save_path=r/DI/di%d' % run in jobs['DI-1 run %d' % run]


# Methods: the columns of a table.

def test_augmented_methods_are_columns_when_asked_for(small):
    jobs = {job.name: job for job in plan(
        '--dataset', small, '--root=r', '--runs=1', '--rates', '1', '--methods', 'Teacher',
        'Teacher_augment', 'Student_augment', 'Soft_logits_augment')}
    assert list(jobs) == ['Teacher run 0', 'Teacher_augment run 0', 'Student_augment run 0',
                          'Soft_logits_augment-1 run 0']
    for name, folder, teacher in (
            ('Teacher_augment', 'Teacher_augment/tcha0', None),
            ('Student_augment', 'Student_augment/stda0', None),
            ('Soft_logits_augment', 'Soft_logits_augment1/sla1_0', 'Teacher run 0')):
        job, = [job for job in jobs.values() if job.name.startswith(name)]
        settings = flags.training_flags(job.command[1:])
        assert (settings.method, settings.train_dir) == (name, 'r/' + folder)
        assert job.needs == ([teacher] if teacher else [])
        assert settings.copies == recipes.training('default', name, 20 if teacher else 2000)['copies']
    assert jobs['Soft_logits_augment-1 run 0'].command.count('--teacher=r/Teacher/tch0/train_params.mat') == 1


def test_the_only_teacher_of_a_table_teaches(small):
    """The plain one by default; the one with augmentation where no other is a column."""
    for methods, teacher, folder in (
            (['ZSKD'], 'Teacher', 'Teacher/tch0'),
            (['Teacher_augment', 'ZSKD'], 'Teacher_augment', 'Teacher_augment/tcha0')):
        jobs = {job.name: job for job in plan('--dataset', small, '--root=r', '--runs=1', '--rates', '1',
                                              '--methods', *methods)}
        assert list(jobs) == [teacher + ' run 0', 'DI-1 run 0', 'ZSKD-1 run 0']
        assert jobs['DI-1 run 0'].needs == [teacher + ' run 0']
        for name in 'DI-1 run 0', 'ZSKD-1 run 0':
            assert '--teacher=r/%s/train_params.mat' % folder in jobs[name].command


def test_augmented_methods_are_trained(copy, small, capsys):
    """In a table that has the teacher already."""
    assert autotrain.main(words(copy, small, '--methods', 'Teacher', 'Teacher_augment', 'Student_augment',
                                'Soft_logits_augment')) == 0
    found = {row['method']: row for row in rows(copy)}
    assert list(found) == ['Teacher', 'Teacher_augment', 'Student_augment', 'Soft_logits_augment']
    assert [found[name]['main_scope'] for name in found] == ['Teacher', 'Teacher', 'Student', 'Student']
    assert [found[name]['copies'] for name in found] == ['', '4', '4', '4']
    head, _, line, other = capsys.readouterr().out.rstrip('\n').split('\n')[-4:]
    assert [cell.strip() for cell in head.strip('|').split('|')] == [
        'Rate', 'Teacher', 'Teacher + augmentation', 'Student + augmentation', 'Soft-logits + augmentation']
    assert line.startswith('|    100 |') and other.startswith('|    0.2 |')


OTHER_METHOD = """
for _augment in False, True:
    _name = 'White' + '_augment' * _augment
    _source = Source('White', True, 'DI_white', {'start_blur': 0.0})
    METHODS[_name] = Method(_name, _name, 'Student', _source, _augment, _name + '{rate:g}/{run}', 'tab:pink')
DISTILLATIONS ="""


def test_a_method_with_impressions_made_another_way(tmp_path, small):
    """A row in METHODS is all that it takes."""
    for name in ('autotrain.py', 'train_w_distill.py', 'Data_Impressions.py', 'utils', 'nets', 'teachers'):
        source = os.path.join(ROOT, name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, str(tmp_path / name))
    methods = tmp_path / 'utils' / 'settings' / 'methods.py'
    methods.write_text(methods.read_text().replace('\nDISTILLATIONS =', OTHER_METHOD))
    code = ('import autotrain, json, sys\n'
            'from utils.settings.flags import synthesis_flags, training_flags\n'
            'from utils.table.flags import table_flags\n'
            'for job in autotrain.plan(table_flags(sys.argv[1:])[1]):\n'
            '    script, *words = job.command\n'
            '    settings = (training_flags if script[0] == "t" else synthesis_flags)(words)\n'
            '    print(json.dumps([job.name, job.needs, vars(settings)]))')
    line = '--root=r --runs=2 --rates 5 --methods ZSKD White White_augment --dataset'
    done = subprocess.run([sys.executable, '-c', code, *line.split(), small], cwd=str(tmp_path),
                          stdout=subprocess.PIPE, universal_newlines=True, check=True)
    jobs = {name: (needs, settings) for name, needs, settings in map(json.loads, done.stdout.splitlines())}
    assert len(jobs) == 2 * 6
    for run in 0, 1:
        made, made_white = [jobs['%s-5 run %d' % (folder, run)][1] for folder in ('DI', 'DI_white')]
        assert made_white == dict(made, start_blur=0, save_path='r/DI_white/di%d' % run) != made
        for name, folder in ('ZSKD', 'DI'), ('White', 'DI_white'), ('White_augment', 'DI_white'):
            needs, settings = jobs['%s-5 run %d' % (name, run)]
            assert needs == ['%s-5 run %d' % (folder, run)]
            assert (settings['method'], settings['impressions']) == (name, 'r/%s/di%d' % (folder, run))
        plain = jobs['ZSKD-5 run %d' % run][1]
        assert {name: jobs['White-5 run %d' % run][1][name] for name in TRAINING if name in plain} == {
            name: plain[name] for name in TRAINING if name in plain}


# What stops a table before its first job.

@pytest.fixture
def no_job(monkeypatch):
    """A table that starts a job, or asks for a pool to run it, fails the test."""
    monkeypatch.setattr(autotrain, 'pool_for', lambda *_: pytest.fail('it would have started jobs'))


def with_arrays(small, path, **changes):
    """A copy of the small data set with other arrays; its path."""
    with np.load(small) as arrays:
        np.savez(str(path), **dict(arrays, **changes))
    return str(path)


@pytest.mark.parametrize('part', ['x_train', 'y_train', 'x_test', 'y_test'])
def test_a_data_set_that_cannot_be_used_stops_a_table(part, tmp_path, small, no_job):
    path = with_arrays(small, tmp_path / 'bad.npz', **{part: np.zeros(7)})
    with pytest.raises(RunError, match='bad.npz.*%s' % part):
        autotrain.main(words(tmp_path / 'table', path))


def test_pixels_on_another_scale_stop_a_table(tmp_path, small, no_job):
    path = with_arrays(small, tmp_path / 'dark.npz', x_test=np.ones((500, 32, 32), np.uint8))
    with pytest.raises(RunError, match='dark.npz.*x_test.*0..255'):
        autotrain.main(words(tmp_path / 'table', path))


@pytest.mark.parametrize('networks, colours', [('lenet', 3), ('alexnet', 1)])
def test_networks_that_do_not_take_the_images_stop_a_table(networks, colours, tmp_path, small, no_job):
    rng = np.random.RandomState(0)
    images = {name: rng.randint(0, 256, [count, 32, 32, colours]).astype(np.uint8)
              for name, count in (('x_train', 2000), ('x_test', 500))}
    path = with_arrays(small, tmp_path / 'other.npz', **images)
    with pytest.raises(RunError, match="'other' holds .*32x32x%d.*the networks take .*32x32x" % colours):
        autotrain.main(words(tmp_path / 'table', path, '--nets', networks))


def test_a_pair_of_ones_own_that_is_not_there_stops_a_table(tmp_path, small, no_job):
    with pytest.raises(RunError, match='nobodys.py'):
        autotrain.main(words(tmp_path / 'table', small, '--nets=nobodys.py'))


def test_a_holdout_of_all_images_stops_a_table(tmp_path, small, no_job):
    with pytest.raises(RunError, match='small holds 2000 training images, too few for --holdout 2000'):
        autotrain.main(words(tmp_path / 'table', small, '--training', '--holdout=2000'))


def test_a_full_disk_stops_a_table(tmp_path, small, no_job, monkeypatch):
    """The impressions of rate 40 are 98 MB; those that are there need no room."""
    free = shutil.disk_usage(str(tmp_path))._replace(free=190 * 10 ** 6)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: free)
    table = words(tmp_path / 'table', small, '--rates', '40', '--runs=2')
    with pytest.raises(RunError, match="table' has room for 0.2 GB and the impressions need 0.2 GB; make"):
        autotrain.main(table)
    there = tmp_path / 'table' / 'DI' / 'di0' / 'DI-40.mat'
    there.parent.mkdir(parents=True)
    there.write_text('impressions')
    assert check_inputs(table_flags(table)[1]) == small
    no_impressions = words(tmp_path / 'table', small, '--rates', '40', '--runs=9', '--methods', 'Soft_logits')
    assert check_inputs(table_flags(no_impressions)[1]) == small


# The same bytes.

def test_one_job_at_a_time_makes_the_same_bytes(whole, tmp_path, small):
    done = table(tmp_path, small, '--jobs=1', '--methods', 'Soft_logits', 'ZSKD_augment')
    assert done.returncode == 0, done.stdout + done.stderr
    check_part(tmp_path, whole[0], ['Teacher', 'Soft_logits', 'ZSKD_augment'])


def test_killed_at_twenty_random_moments(whole, tmp_path, small):
    """Kills from a seeded draw; every time no process is left over, and in the end nothing differs.

    Two tables, of one and of two jobs at a time, are killed ten times each.
    """
    def kill_ten_times(jobs):
        draw, folder, kills, killed_by = random.Random(int(jobs)), tmp_path / jobs, 0, []
        line = words(folder, small, '--jobs', jobs, '--methods', 'ZSKD')
        while kills < 10:
            child = subprocess.Popen(command(['autotrain.py', *line]), stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, universal_newlines=True)
            how = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            try:
                child.wait(timeout=draw.uniform(0.3, 3))
            except subprocess.TimeoutExpired:
                child.send_signal(how)
            _, errors = child.communicate(timeout=60)
            wait_until(lambda: not working_on(folder), seconds=20)
            if child.returncode == 0:  # it was done before it was killed
                check_part(folder, whole[0], ['Teacher', 'ZSKD'])
                shutil.rmtree(str(folder))
                continue
            kills += 1
            if 'stopped; ' in errors:
                killed_by.append(how)
                assert child.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[how]
                assert re.search(r'stopped; \d of 3 jobs are done and kept; the same command goes on', errors)
        done = run_script(['autotrain.py', *line])
        assert done.returncode == 0, done.stdout + done.stderr
        check_part(folder, whole[0], ['Teacher', 'ZSKD'])
        return killed_by

    killed_by = two_at_a_time(kill_ten_times, ['1', '2'])
    assert {signal.SIGINT, signal.SIGTERM} <= set(killed_by['1'] + killed_by['2'])


# What counts as finished.

def test_a_finished_table_is_not_run_again_wherever_it_lies(whole, copy, small, capsys):
    before = times(copy)
    assert autotrain.main(words(copy, small)) == 0
    assert times(copy) == before
    assert capsys.readouterr().out.endswith('\n%s\n' % (whole[0] / 'results.md').read_text())
    assert content(copy)[0] == content(whole[0])[0]


@pytest.mark.parametrize('seconds', [1e9, 2e9], ids=['2001', '2033'])
def test_a_clock_that_was_set_makes_no_work(copy, small, seconds):
    """Files seem to be of the past or of the future: what is in them counts."""
    for parent, _, names in os.walk(str(copy)):
        for name in names:
            os.utime(os.path.join(parent, name), (seconds, seconds))
    assert to_do(copy, small) == []
    (copy / 'Student' / 'std0' / 'train_params.mat').write_bytes(b'other weights')
    os.utime(str(copy / 'Student' / 'std0' / 'train_params.mat'), (seconds, seconds))
    assert to_do(copy, small) == ['Student run 0']


@pytest.mark.parametrize('more, changed', [
    (['--jobs=1', '--methods', 'ZSKD'], []),
    (['--methods', 'Student', '--rates', '1'], []),
    (['--training=--copies=4 --learning_rate=0.001'], TRAININGS),
    (['--training=--copies=3'], TRAININGS[-1:]),
    (['--synthesis=--l2=1'], ['DI-0.2 run 0']),
    (['--seed=1'], JOBS),
    (['--threads=2'], JOBS),
    (['--recipe=published', '--methods', 'ZSKD'], ['DI-0.2 run 0', 'Teacher run 0', 'ZSKD-0.2 run 0']),
], ids=lambda value: ' '.join(value))
def test_changed_flags_are_other_work(whole, small, more, changed):
    assert to_do(whole[0], small, *more) == sorted(changed)


def test_what_was_made_from_another_teacher_is_not_finished(copy, small):
    """As after a teacher that is trained anew: its record fits, that of what rests on it does not."""
    (copy / 'Teacher' / 'tch0' / 'train_params.mat').write_bytes(b'another teacher')
    assert to_do(copy, small) == sorted(set(JOBS) - {'Student run 0'})


def test_what_was_made_from_other_impressions_is_not_finished(copy, small):
    (copy / 'DI' / 'di0' / 'DI-0.2.mat').write_bytes(b'other impressions')
    assert to_do(copy, small) == ['DI-0.2 run 0', 'ZSKD-0.2 run 0', 'ZSKD_augment-0.2 run 0']


def test_what_was_made_from_other_images_is_not_finished(whole, small, tmp_path):
    """A data set of one's own may change, or move."""
    mine = str(tmp_path / 'mine.npz')
    with np.load(small) as arrays:
        np.savez(mine, **dict(arrays, y_test=arrays['y_test'][::-1]))
    assert to_do(whole[0], mine) == to_do(whole[0], 'mnist') == sorted(TRAININGS)
    shutil.copy(small, mine)
    assert to_do(whole[0], mine) == []


def test_what_another_tensorflow_made_is_made_again_and_it_says_why(copy, small, capsys):
    """A table never holds rows of both. Nothing is said of what has no record."""
    path = copy / 'Student' / 'std0' / 'result.json'
    record = load_json(str(path))
    path.write_text(json.dumps(dict(record, versions=dict(record['versions'], tensorflow='9.9'))))
    shutil.rmtree(str(copy / 'Soft_logits0.2'))
    assert autotrain.main(words(copy, small)) == 0
    notes = [line for line in capsys.readouterr().out.split('\n') if 'made' in line]
    assert notes == ['Student run 0: made with tensorflow 9.9, not %s; made again'
                     % record['versions']['tensorflow']]
    assert len({row['tensorflow'] for row in rows(copy)}) == 1


@pytest.mark.parametrize('text', [
    '', '[]', 'null', '{"arguments": 3}', '{"accuracy": "high"', '{"accuracy": 99}'])
def test_an_edited_record_is_none(copy, small, text):
    (copy / 'Student' / 'std0' / 'result.json').write_text(text)
    assert to_do(copy, small) == ['Student run 0']


def test_what_is_damaged_is_made_again_and_nothing_else(whole, copy, small):
    before = times(copy)
    weights = copy / 'Teacher' / 'tch0' / 'train_params.mat'
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    (copy / 'Student' / 'std0' / 'best_params.mat').unlink()
    assert autotrain.main(words(copy, small)) == 0
    again = {path for path, when in times(copy).items() if when > before[path]}
    assert again == {'Teacher/tch0/result.json', 'Student/std0/result.json'}
    assert content(copy)[0] == content(whole[0])[0]


# What can go wrong.

def test_a_failed_job_is_reported_and_the_others_go_on(copy, small, capsys):
    shutil.rmtree(str(copy / 'ZSKD0.2'))
    (copy / 'ZSKD0.2').write_text('a file where a folder should be')
    shutil.rmtree(str(copy / 'ZSKD_augment0.2'))
    assert autotrain.main(words(copy, small)) == 1
    said = capsys.readouterr().out
    assert said.count('failed: ') == 1 and 'failed: ZSKD-0.2 run 0\n' in said
    assert '--Distillation=ZSKD-0.2' in said
    assert [row['method'] for row in rows(copy)] == [
        'Teacher', 'Student', 'Impressions', 'Soft_logits', 'ZSKD_augment']


def test_what_needs_a_failed_job_is_not_run_and_says_so(tmp_path, small):
    done = table(tmp_path, small, '--methods', 'ZSKD', '--budget=1',
                 '--training=--steps=60 --learning_rate=1e6 --schedule=constant')
    assert done.returncode == 1 and 'Traceback' not in done.stdout + done.stderr
    assert 'error: the loss became NaN' in done.stdout and 'exit status 1; the end of ' in done.stdout
    assert 'not run: Teacher run 0 failed' in done.stdout and 'not run: DI-0.2 run 0 failed' in done.stdout
    assert not (tmp_path / 'DI').exists()


def test_a_job_whose_record_does_not_hold_when_it_has_ended_failed(tmp_path):
    job = Job('job', ['true'], str(tmp_path / 'log.txt'), [], 1.0,
              lambda: (None, 'made from another dataset'))
    with LocalPool(1, {}) as pool:
        ended, = run_jobs([job], pool, None, lambda job, why: None)
    assert ended.row is None and ended.reason.startswith('made from another dataset; the end of ')


def test_two_at_once(tmp_path, small):
    first = subprocess.Popen(command(['autotrain.py', *words(tmp_path, small, '--budget=1')]),
                             stdout=subprocess.DEVNULL)
    try:
        owner = '%d on %s' % (first.pid, socket.gethostname())
        wait_until(lambda: load_json(str(tmp_path / '.autotrain.pid')) == owner)
        with pytest.raises(RunError, match='in use by another autotrain.py, process %s;' % owner):
            autotrain.main(words(tmp_path, small))
    finally:
        first.kill()
        first.wait()
    with autotrain.locked(str(tmp_path)):  # what a dead process held is free
        assert load_json(str(tmp_path / '.autotrain.pid')).startswith('%d on ' % os.getpid())


def test_strange_folder_names(copy, small, tmp_path, monkeypatch):
    """Both scripts are run in a folder whose name no shell or argparse may look into."""
    monkeypatch.chdir(tmp_path)
    root = '--a b;"$(touch pwned)"\n\'c\' --x %s é'
    copy.rename(root)
    os.unlink(os.path.join(root, 'DI', 'di0', 'DI-0.2.mat'))
    os.unlink(os.path.join(root, 'ZSKD0.2', 'zskd0.2_0', 'train_params.mat'))
    assert autotrain.main(words(root, small)) == 0
    assert os.listdir('.') == [root]


def test_names_that_are_no_text(tmp_path, small):
    """Bytes that are not UTF-8, and an accent, where ASCII alone is known: what is printed is legible."""
    name = b'caf\xe9 \xc3\xa9'
    root = os.fsdecode(os.path.join(os.fsencode(str(tmp_path)), name))
    ascii_alone = dict(os.environ, LC_ALL='POSIX', PYTHONCOERCECLOCALE='0', PYTHONUTF8='0')
    done = table(root, small, '--runs=2', '--methods', 'ZSKD', env=ascii_alone)
    assert done.returncode == 0 and 'Traceback' not in done.stderr, done.stdout + done.stderr
    assert ' \\xb1 ' in done.stdout
    with open(os.path.join(root, 'results.csv'), 'rb') as file:
        assert name in file.read()
    files = os.listdir(os.path.join(root, 'ZSKD0.2', 'zskd0.2_1'))
    assert any(name.startswith('events.out.tfevents') for name in files)
    done = run_script(['visualization.py', '--save_path=' + root, '--dataset=' + small,
                       '--results=' + os.path.join(root, 'results.csv'),
                       '--impressions=' + os.path.join(root, 'DI', 'di0', 'DI-0.2.mat'),
                       '--teacher=' + os.path.join(root, 'Teacher', 'tch0', 'train_params.mat')],
                      env=ascii_alone)
    assert done.returncode == 0 and 'Traceback' not in done.stderr, done.stderr
    assert done.stdout.endswith('caf\\udce9 \\udcc3\\udca9/accuracy.png\n')


# Data sets.

def test_a_data_set_of_ones_own_has_a_folder_of_its_name(tmp_path, small):
    """And several runs make a mean and a deviation."""
    shutil.copy(small, str(tmp_path / 'letters.npz'))
    done = run_script('autotrain.py --dataset=letters.npz --runs=2 --rates 0.2 --methods Student --jobs=2 '
                      '--budget=0.0005'.split(), cwd=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(os.listdir(str(tmp_path))) == ['letters-table', 'letters.npz']
    results = rows(tmp_path / 'letters-table')
    accuracies = [float(row['accuracy']) for row in results if row['method'] == 'Student']
    assert '%.2f ± %.2f' % (np.mean(accuracies), np.std(accuracies, ddof=1)) in done.stdout
    assert {row['dataset'] for row in results} == {'letters.npz'}


def test_a_data_set_of_47_classes_that_are_small_grey_images(tmp_path):
    """As many classes as EMNIST has (balanced); a square of another place for each."""
    rng = np.random.RandomState(0)
    arrays = {}
    for part, count in ('train', 47 * 20), ('test', 47 * 5):
        labels = np.arange(count) % 47
        images = rng.randint(0, 64, [count, 20, 20])
        for image, label in zip(images, labels):
            image[2 * (label // 7) + 2:][:6, 2 * (label % 7) + 1:][:, :6] = 255
        arrays.update({'x_' + part: images.astype(np.uint8), 'y_' + part: labels})
    np.savez(str(tmp_path / 'squares.npz'), **arrays)
    done = run_script('autotrain.py --dataset=squares.npz --runs=1 --rates 0.5 --methods ZSKD_augment '
                      '--training=--copies=4 --budget=0.01 --jobs=2'.split(), cwd=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    root = tmp_path / 'squares-table'
    teacher, impressions, student = rows(root)
    assert (student['method'], student['dataset']) == ('ZSKD_augment', 'squares.npz')
    images, targets = [mat_arrays(str(root / 'DI' / 'di0' / 'DI-0.5.mat'))[0][name]
                       for name in ('train_images', 'train_labels')]
    assert (images.shape, targets.shape) == ((300, 32, 32, 1), (300, 47))
    assert set(targets.argmax(axis=1)) == set(range(47))
    weights, _ = mat_arrays(str(root / 'ZSKD_augment0.5' / 'zskda0.5_0' / 'train_params.mat'))
    assert weights['Student/fc2/weights'].shape == (84, 47)
    assert float(teacher['accuracy']) > 4 * 100 / 47, 'chance is 2 %'
    assert '%.2f' % float(student['accuracy']) in done.stdout


def test_fashion_mnist(tmp_path, data):
    try:
        datasets.fetch('fashion_mnist', data)
    except RunError as error:
        pytest.skip('Fashion-MNIST cannot be had here: %s' % error)
    done = run_script('autotrain.py --dataset=fashion_mnist --runs=1 --rates 0.2 --methods ZSKD --jobs=2 '
                      '--budget=0.01 --training --holdout=500'.split() + ['--data', data], cwd=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.listdir(str(tmp_path)) == ['FashionMNIST']
    teacher, _, zskd = rows(tmp_path / 'FashionMNIST')
    assert (zskd['method'], zskd['dataset']) == ('ZSKD', 'fashion_mnist')
    assert float(teacher['accuracy']) > 60  # by chance: 10
