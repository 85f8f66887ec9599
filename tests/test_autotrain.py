"""The whole table, small: complete, resumable, stopped at any moment, and the same bytes each time.

Whether a job counts as finished is asked of autotrain.plan in this process. Jobs are run where only a run can
show it.
"""
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from argparse import Namespace

import kill_table
import numpy as np
import pytest
from conftest import Terminal, command, run_script, wait_until, working_on

import autotrain
from utils.data import impressions
from utils.files import RunError, load_json
from utils.records.records import PLACES
from utils.settings.methods import METHODS, TABLE
from utils.table.check import INPUTS, check_inputs, check_same_table, files_of_all_jobs
from utils.table.flags import table_flags
from utils.table.jobs import Ended

TRAININGS = ['Teacher run 0', 'Student run 0', 'Soft_logits-0.2 run 0', 'ZSKD-0.2 run 0',
             'ZSKD_augment-0.2 run 0']
JOBS = sorted(TRAININGS + ['DI-0.2 run 0'])
# A folder that no shell and no argparse may look into, whose name is no UTF-8 either.
STRANGE = os.fsdecode(b'--a b;"$(touch pwned)"\n\'c\' --x %s \xe9 \xc3\xa9')


def words(root, data_set, *more):
    """The flags of the small table, with few copies where there are any."""
    columns = [name for name in METHODS if name in more] or TABLE
    copies = ['--training=--copies=4'] if any(METHODS[name].augment for name in columns) else []
    return ['--root=%s' % root, '--dataset', data_set, '--runs', '1', '--rates', '0.2', '--budget', '0.002',
            '--jobs', '2', *copies, *more]


def plan(*flags_given):
    return autotrain.plan(table_flags(list(flags_given))[1])


def to_do(root, data_set, *more):
    """Names of the jobs that the small table would run now."""
    return sorted(job.name for job in plan(*words(root, data_set, *more)) if job.finished()[0] is None)


def rows(root):
    with open(os.path.join(str(root), 'results.csv'), newline='', errors='surrogateescape') as file:
        return list(csv.DictReader(file))


def content(root):
    """What must not depend on when, where and how a table was run: ({.mat file: bytes}, results)."""
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob('*.mat')}
    return files, [{column: value for column, value in row.items()
                    if value and column != 'seconds' and column not in PLACES} for row in rows(root)]


def times(root):
    """{record of a job: when it was written}."""
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in root.rglob('[!.]*.json')}


@pytest.fixture(scope='module')
def whole(tmp_path_factory, small):
    """(folder, finished process) of the small table, run without a break, two jobs at a time; read only.

    Its folder has a strange name, and its process knows ASCII alone.
    """
    folder = tmp_path_factory.mktemp('whole')
    done = run_script(['autotrain.py', *words(STRANGE, small)], cwd=str(folder),
                      env=dict(os.environ, LC_ALL='POSIX', PYTHONCOERCECLOCALE='0', PYTHONUTF8='0'))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / STRANGE, done


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
        ('Soft_logits', '0.2', '0', '0'), ('ZSKD', '0.2', '0', '0'), ('ZSKD_augment', '0.2', '0', '0')]
    header = list(rows(root)[0])
    assert header[:6] == ['method', 'rate', 'run', 'seed', 'accuracy', 'seconds']
    assert {'steps', 'weight_decay'} <= set(header)
    record, impressions = load_json(str(root / 'DI' / 'di0' / 'DI-0.2.json')), rows(root)[2]
    assert impressions['accuracy'] == '' and float(impressions['kl']) == round(record['kl'], 4)
    assert float(impressions['targets_met']) == round(record['targets_met'], 4)
    assert (impressions['iterations'], impressions['temperature']) == ('1', '10.0')
    for folder in ('Teacher/tch0', 'Student/std0', 'Soft_logits0.2/sl0.2_0', 'ZSKD0.2/zskd0.2_0',
                   'ZSKD_augment0.2/zskda0.2_0'):
        files = {path.name for path in (root / folder).iterdir()}
        assert {'train_params.mat', 'best_params.mat', 'result.json', 'log.txt'} <= files
        assert any(name.startswith('events.out.tfevents') for name in files)
    assert sorted(os.listdir(str(root / 'DI' / 'di0'))) == ['DI-0.2.json', 'DI-0.2.log', 'DI-0.2.mat']
    markdown = (root / 'results.md').read_text()
    assert done.stdout.endswith('\n%s\n' % markdown) and 'Traceback' not in done.stderr
    assert all(METHODS[name].label in markdown for name in TABLE)
    assert rows(root)[0]['train_dir'].startswith(STRANGE + '/')
    assert [path.name for path in root.parent.iterdir()] == [STRANGE], 'no shell has looked at the name'


def test_kill_table_compares_all_that_a_table_makes(whole):
    found = kill_table.content_of(str(whole[0]))
    assert set(found) == {'results.md', *(str(path.relative_to(whole[0])) for path in whole[0].rglob('*')
                                          if path.suffix in ('.mat', '.json') and path.name != INPUTS)}
    assert 'a leftover' not in found.values()


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


def test_a_table_on_a_terminal(tmp_path, small):
    """It says what runs and how far, while logs grow; nobody else may work on its folder; Ctrl-C ends all."""
    root = tmp_path / 'table'
    terminal = Terminal(['autotrain.py', *words(root, small, '--budget=1', '--training=--steps=2000')])
    terminal.read(until=lambda shown: re.search(
        r'table: 0 of 6 jobs +\d+ %\|[^|]*\| [\d:]+ left, Teacher run 0 [1-9]\d* %, Student run 0 \d+ %',
        shown))
    log = (root / 'Teacher' / 'tch0' / 'log.txt').read_text()
    assert '--main_scope=Teacher' in log and re.search(r'Teacher +\d+ %, loss', log)
    owner = '%d on %s' % (terminal.process.pid, socket.gethostname())
    with pytest.raises(RunError, match='in use by another autotrain.py, process %s;' % owner):
        autotrain.main(words(root, small))
    terminal.process.send_signal(signal.SIGINT)
    shown = terminal.read()
    assert terminal.process.wait() == 130
    assert 'stopped; 0 of 6 jobs are done and kept; the same command goes on from here' in shown
    wait_until(lambda: not working_on(root))
    assert not (root / 'results.csv').exists()
    with autotrain.locked(str(root)):  # what a dead process held is free
        assert load_json(str(root / '.autotrain.pid')).startswith('%d on ' % os.getpid())


# The plan: runs, and methods, which are the columns of a table.

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


def test_the_only_teacher_of_a_table_teaches(small):
    """The plain one by default; the one with augmentation where no other is a column."""
    for columns, teacher, folder in (
            (['ZSKD'], 'Teacher', 'Teacher/tch0'),
            (['Teacher_augment', 'ZSKD'], 'Teacher_augment', 'Teacher_augment/tcha0')):
        jobs = {job.name: job for job in plan('--dataset', small, '--root=r', '--runs=1', '--rates', '1',
                                              '--methods', *columns)}
        assert list(jobs) == [teacher + ' run 0', 'DI-1 run 0', 'ZSKD-1 run 0']
        assert jobs['DI-1 run 0'].needs == [teacher + ' run 0']
        for name in 'DI-1 run 0', 'ZSKD-1 run 0':
            assert '--teacher=r/%s/train_params.mat' % folder in jobs[name].command


# What stops a table before its first job.

@pytest.fixture
def no_job(monkeypatch):
    """A table that starts a job, or asks for a pool to run it, fails the test."""
    monkeypatch.setattr(autotrain, 'pool_for', lambda *_: pytest.fail('it would have started jobs'))


@pytest.mark.parametrize('arrays, more, said', [
    (dict(y_train=np.zeros(7)), [], 'mine.npz.*y_train'), (dict(x_test=np.zeros(7)), [], 'mine.npz.*x_test'),
    (dict(x_test=np.ones((500, 32, 32), np.uint8)), [], 'mine.npz.*x_test.*0..255'),
    ({}, ['--nets=alexnet'], "'mine' holds .*32x32x1.*the networks take .*32x32x3"),
    ({}, ['--nets=nobodys.py'], 'nobodys.py'),
    ({}, ['--training=--holdout=2000'], 'mine holds 2000 training images, too few for --holdout 2000')],
    ids=['labels', 'images', 'scale', 'grey', 'no pair', 'holdout'])
def test_what_stops_a_table(arrays, more, said, tmp_path, small, no_job):
    path = str(tmp_path / 'mine.npz')
    with np.load(small) as whole:
        np.savez(path, **dict(whole, **arrays))
    with pytest.raises(RunError, match=said):
        autotrain.main(words(tmp_path / 'table', path, *more))


def test_a_file_with_a_student_alone_needs_a_teacher_where_a_column_does(tmp_path, small, no_job):
    (tmp_path / 'own.py').write_text('from nets.layers import dense, flatten\n\n\n'
                                     'def student(images, classes, training):\n'
                                     '    return dense(flatten(images), "fc", classes)\n')
    with pytest.raises(RunError, match="own.py' has no teacher to train; give one with --teacher"):
        autotrain.main(words(tmp_path / 'table', small, '--nets=%s' % (tmp_path / 'own.py')))
    alone = words(tmp_path, small, '--nets=%s' % (tmp_path / 'own.py'), '--methods', 'Student')
    assert check_inputs(table_flags(alone)[1]) == [small, str(tmp_path / 'own.py')]


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
    assert check_inputs(table_flags(table)[1]) == [small]
    monkeypatch.setattr(impressions, 'MOST_BYTES', 24000 * 4 * 32 * 32 - 1)
    with pytest.raises(RunError, match='24000 impressions of 32x32x1 are more than the 4 GiB'):
        check_inputs(table_flags(table)[1])
    no_impressions = words(tmp_path / 'table', small, '--rates', '40', '--runs=9', '--methods', 'Soft_logits')
    assert check_inputs(table_flags(no_impressions)[1]) == [small]


# The same bytes.

def test_a_killed_table_goes_on_and_makes_the_same_bytes(whole, tmp_path, small):
    """Of one job at a time; killed as soon as a job of each kind has begun. No process is left over."""
    line = words(tmp_path, small, '--jobs=1', '--methods', 'ZSKD')
    for done, (how, status, log) in enumerate([
            (signal.SIGTERM, 143, 'Teacher/tch0/log.txt'), (signal.SIGKILL, -9, 'DI/di0/DI-0.2.log'),
            (signal.SIGINT, 130, 'ZSKD0.2/zskd0.2_0/log.txt')]):
        child = subprocess.Popen(command(['autotrain.py', *line]), stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, universal_newlines=True)
        wait_until((tmp_path / log).exists)  # the job's process imports TensorFlow now
        child.send_signal(how)
        _, errors = child.communicate(timeout=60)
        assert child.returncode == status and 'Traceback' not in errors
        assert status < 0 or 'stopped; %d of 3 jobs are done and kept; the same command goes' % done in errors
        wait_until(lambda: not working_on(tmp_path), seconds=20)
    assert autotrain.main(line) == 0
    (files, results), (whole_files, whole_results) = content(tmp_path), content(whole[0])
    assert len(files) == 5 and files == {name: whole_files.get(name) for name in files}
    assert results == [result for result in whole_results
                       if result['method'] in ('Teacher', 'Impressions', 'ZSKD')]
    assert not list(tmp_path.rglob('.*.tmp'))


# What counts as finished.

def test_a_finished_table_is_not_run_again_wherever_it_lies(whole, copy, small, capsys):
    before = times(copy)
    assert autotrain.main(words(copy, small)) == 0
    assert times(copy) == before
    assert capsys.readouterr().out.endswith('\n%s\n' % (whole[0] / 'results.md').read_text())
    assert content(copy) == content(whole[0])


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


def test_a_table_trains_teachers_where_a_column_needs_one(tmp_path, small):
    assert to_do(tmp_path, small, '--methods', 'Student') == ['Student run 0']
    assert to_do(tmp_path, small, '--methods', 'Student', 'ZSKD', '--teacher', 'Lenet5', '--any_teacher') == [
        'DI-0.2 run 0', 'Student run 0', 'ZSKD-0.2 run 0']


def test_a_table_that_is_stopped_before_a_job_has_run_keeps_its_rows(whole, copy, small, monkeypatch):
    """As by Ctrl-C while records are read."""
    def stopped(jobs, *_):
        yield Ended(jobs[0], jobs[0].finished()[0], '', False)
        raise KeyboardInterrupt

    monkeypatch.setattr(autotrain, 'run_jobs', stopped)
    with pytest.raises(KeyboardInterrupt):
        autotrain.main(words(copy, small))
    assert content(copy) == content(whole[0])


def test_what_was_made_from_other_files_is_not_finished(copy, small, tmp_path):
    """As after a teacher that is trained anew: its record fits, that of what rests on it does not."""
    mine = str(tmp_path / 'mine.npz')
    with np.load(small) as arrays:
        np.savez(mine, **dict(arrays, y_test=arrays['y_test'][::-1]))
    assert to_do(copy, mine) == to_do(copy, 'mnist') == sorted(TRAININGS)
    shutil.copy(small, mine)
    assert to_do(copy, mine) == [], 'a data set may move'
    (copy / 'DI' / 'di0' / 'DI-0.2.mat').write_bytes(b'other impressions')
    assert to_do(copy, small) == ['DI-0.2 run 0', 'ZSKD-0.2 run 0', 'ZSKD_augment-0.2 run 0']
    (copy / 'Teacher' / 'tch0' / 'train_params.mat').write_bytes(b'another teacher')
    assert to_do(copy, small) == sorted(set(JOBS) - {'Student run 0'})


def test_what_does_not_hold_is_made_again_and_nothing_else(whole, copy, small, capsys):
    """It says why; nothing is said of what has no record. A job that fails keeps no other from running."""
    student = copy / 'Student' / 'std0' / 'result.json'
    record = load_json(str(student))
    student.write_text(json.dumps(dict(record, versions=dict(record['versions'], tensorflow='9.9'))))
    weights = copy / 'Teacher' / 'tch0' / 'train_params.mat'
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    shutil.rmtree(str(copy / 'Soft_logits0.2'))
    shutil.rmtree(str(copy / 'ZSKD0.2'))
    (copy / 'ZSKD0.2').write_text('a file where a folder should be')
    before = times(copy)
    assert autotrain.main(words(copy, small)) == 1
    said = capsys.readouterr().out
    assert [line for line in said.split('\n') if 'made again' in line] == [
        'Teacher run 0: train_params.mat cannot be read or was altered; made again',
        'Student run 0: made with tensorflow 9.9, not %s; made again' % record['versions']['tensorflow']]
    assert said.count('failed: ') == 1 and 'failed: ZSKD-0.2 run 0\n' in said
    assert '--Distillation=ZSKD-0.2' in said
    assert {path for path, when in times(copy).items() if when > before.get(path, 0)} == {
        'Teacher/tch0/result.json', 'Student/std0/result.json', 'Soft_logits0.2/sl0.2_0/result.json'}
    (files, results), (whole_files, whole_results) = content(copy), content(whole[0])
    assert files == {name: data for name, data in whole_files.items() if not name.startswith('ZSKD0.2')}
    assert results == [row for row in whole_results if row['method'] != 'ZSKD']


# What can go wrong.

def test_what_needs_a_failed_job_is_not_run_and_says_so(tmp_path, small, capsys):
    assert autotrain.main(words(tmp_path, small, '--methods', 'ZSKD', '--budget=1',
                                '--training=--steps=60 --learning_rate=1e6 --schedule=constant')) == 1
    said = capsys.readouterr().out
    assert 'error: the loss became NaN' in said and 'exit status 1; the end of ' in said
    assert 'not run: Teacher run 0 failed' in said and 'not run: DI-0.2 run 0 failed' in said
    assert 'Traceback' not in said and not (tmp_path / 'DI').exists()


# Whose table a folder holds.

def test_a_folder_holds_the_table_of_one_teacher_data_set_and_pair(tmp_path, monkeypatch, small, own_pair):
    """What has moved is not another, and what was altered in its place is made again."""
    monkeypatch.chdir(tmp_path)
    for name in ('a', 'b', 'c', 'table'):
        (tmp_path / name).mkdir()
    for name, content in [('a/best.npz', 'one'), ('b/best.npz', 'another'), ('c/best.npz', 'one')]:
        (tmp_path / name).write_text(content)
    shutil.copy(small, 'a/data.npz')
    (tmp_path / 'b' / 'data.npz').write_text('other data')

    def check(teacher='a/best.npz', dataset='a/data.npz', nets='lenet', seed=0, recipe='default', budget=1.0):
        check_same_table(Namespace(root='table', teacher=teacher, dataset=dataset, nets=nets, seed=seed,
                                   recipe=recipe, budget=budget, methods=TABLE))

    check()
    for changes, said in [
            (dict(teacher='b/best.npz'), 'another teacher, .*a/best.npz'),
            (dict(teacher=None), 'another teacher'), (dict(teacher='Lenet5'), 'another teacher'),
            (dict(dataset='b/data.npz'), 'another data set, .*a/data.npz'),
            (dict(dataset='mnist'), 'another data set'), (dict(nets='alexnet'), 'pair .* lenet'),
            (dict(seed=1), 'another seed, 0'), (dict(recipe='published'), 'another recipe, default'),
            (dict(budget=0.2), 'another --budget, 1; give this one its own --root'),
            (dict(nets=own_pair), 'another pair of networks, lenet; give this one its own --root')]:
        with pytest.raises(RunError, match=said):
            check(**changes)
    check(teacher='c/best.npz')
    check(teacher=str(tmp_path / 'a' / 'best.npz'))
    (tmp_path / 'a' / 'best.npz').write_text('trained longer')
    check(teacher='./a/best.npz')


def test_a_table_keeps_the_column_that_teaches_its_students(tmp_path):
    def check(*methods):
        check_same_table(Namespace(root=str(tmp_path), teacher=None, dataset='mnist', nets='lenet',
                                   seed=0, recipe='default', budget=1.0, methods=list(methods)))

    check('Teacher', 'Teacher_augment', 'ZSKD')
    check('Student_augment')
    check('Teacher', 'ZSKD_augment')
    with pytest.raises(RunError, match='another teaching column, Teacher; give this one its own --root'):
        check('Teacher_augment', 'ZSKD_augment')


def test_the_files_that_every_worker_must_see(tmp_path, small, own_pair):
    teacher = str(tmp_path / 'teacher.npz')
    args = Namespace(dataset=small, data='data', teacher=teacher, nets=own_pair)
    assert files_of_all_jobs(args) == [small, teacher, own_pair]
    assert files_of_all_jobs(Namespace(dataset='none', data='data', teacher='Lenet5', nets='lenet')) == []
