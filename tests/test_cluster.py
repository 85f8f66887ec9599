"""A table on a Dask cluster.

Scheduler and workers are processes, each with a checkout, folder and environment of its own.
"""
import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from concurrent.futures import CancelledError

import pytest
from conftest import ROOT, command, wait_until, working_on
from test_autotrain import content

import autotrain

pytest.importorskip('distributed')

import utils.table.cluster
from utils.files import RunError, remove_leftovers
from utils.table.cluster import ClusterPool, last_sign, lease_in

SMALL = ['--runs', '1', '--rates', '0.2', '--budget', '0.002', '--methods', 'Soft_logits', 'ZSKD']
TEACHERS = ['--runs', '2', '--budget', '0.002', '--methods', 'Teacher']


class Cluster:
    """A scheduler and its workers, each in a checkout of its own, where a lease of 30 seconds takes 8."""

    def __init__(self, folder):
        self.folder, self.file = folder, str(folder / 'scheduler.json')
        self.processes = []

    def scheduler(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.file)
        process = self._start('scheduler', '--host=127.0.0.1', '--port=0', '--scheduler-file', self.file)
        wait_until(lambda: os.path.exists(self.file) and self._address())
        return process

    def worker(self, change=lambda checkout: None):
        """Starts a worker; change: called with its checkout first."""
        return self._start('worker', self._address(), '--nthreads=1', '--no-nanny',
                           '--local-directory=scratch', change=change)

    def workers(self, count):
        """Starts workers and waits for them."""
        first = len(self.processes)
        started = [self.worker() for _ in range(count)]
        for number in range(first, first + count):
            output = self.folder / ('worker%d' % number) / 'out'
            wait_until(lambda output=output: 'Starting established connection' in output.read_text())
        return started

    def _start(self, kind, *flags, change=lambda checkout: None):
        place = self.folder / ('%s%d' % (kind, len(self.processes)))
        place.mkdir()
        for name in ('train_w_distill.py', 'Data_Impressions.py', 'nets', 'teachers', 'utils'):
            source = os.path.join(ROOT, name)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, str(place / name))
        module = place / 'utils' / 'table' / 'cluster.py'
        module.write_text(module.read_text().replace('\nLEASE = 30 ', '\nLEASE = 8 '))
        change(place)
        with (place / 'out').open('w') as output:
            process = subprocess.Popen(
                [sys.executable, '-m', 'distributed.cli.dask_' + kind, '--no-dashboard', *flags],
                cwd=str(place), stdout=output, stderr=subprocess.STDOUT,
                env=dict(os.environ, HOME=str(place), TMPDIR=str(place)))
        self.processes.append(process)
        return process

    def _address(self):
        try:
            with open(self.file) as file:
                return json.load(file)['address']
        except ValueError:  # half written
            return None

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    cluster.scheduler()
    try:
        yield cluster
    finally:
        cluster.end()


class Table(subprocess.Popen):
    """A running autotrain.py."""

    def __init__(self, root, data_set, *flags, **options):
        super().__init__(command(['autotrain.py', '--root', root, '--dataset', data_set, *flags]),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, **options)

    def end(self):
        output, errors = self.communicate(timeout=240)
        assert 'Traceback' not in output + errors, errors
        return self.returncode, output, errors


def jobs_of(root):
    return working_on(root, but=b'autotrain.py')


def test_the_same_bytes_whatever_dies(cluster, tmp_path, small):
    local, root = tmp_path / 'local', tmp_path / 'table'
    on_cluster = SMALL + ['--scheduler', cluster.file]
    cluster.workers(3)
    table = Table(root, small, *on_cluster)
    wait_until(lambda: jobs_of(root))
    cluster.processes[0].kill()
    status, _, errors = table.end()
    assert status == 1 and 'error: lost the scheduler ' in errors, errors
    assert len(errors[errors.index('\nstopped; '):].strip().split('\n')) == 2, errors
    wait_until(lambda: not jobs_of(root), 30)  # the lease went with autotrain.py

    cluster.end()
    cluster.scheduler()
    workers = {worker.pid: worker for worker in cluster.workers(3)}
    table = Table(root, small, *on_cluster)
    for jobs_first in (False, True):  # as where a process is killed, and where a machine goes down
        wait_until(lambda: set(jobs_of(root).values()) & set(workers))
        jobs = jobs_of(root)
        victim = min(set(jobs.values()) & set(workers), default=min(workers))
        children = [job for job, worker in jobs.items() if worker == victim]
        for pid in children if jobs_first else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        workers.pop(victim).kill()
        wait_until(lambda children=children: not set(children) & set(jobs_of(root)), 30)
    status, output, errors = table.end()
    assert status == 0, output + errors
    assert 'workers: 3, jobs at a time: 3' in output
    assert not list(root.rglob('*.tmp'))
    assert Table(local, small, *SMALL).end()[0] == 0 and content(root) == content(local)


def test_a_relative_root_begins_where_autotrain_was_started(cluster, tmp_path, small):
    """A worker's own folder is another."""
    cluster.workers(1)
    status, output, errors = Table('table', small, *TEACHERS, '--scheduler', cluster.file,
                                   cwd=str(tmp_path)).end()
    assert status == 0, output + errors
    assert (tmp_path / 'table' / 'results.csv').exists()


def test_a_client_that_had_to_connect_again_has_lost_its_jobs(tmp_path):
    pool = ClusterPool('tcp://x', str(tmp_path), [], 'lenet', {})
    pool._client, pool._close = Namespace(status='running'), lambda: None
    with pytest.raises(RunError, match='lost the scheduler tcp://x'):
        pool.__exit__(CancelledError, None, None)


def test_no_job_outlives_autotrain_by_more_than_its_lease(cluster, tmp_path, small):
    root = tmp_path / 'table'
    cluster.workers(1)
    table = Table(root, small, *TEACHERS, '--budget', '1', '--scheduler', cluster.file)
    wait_until(lambda: jobs_of(root))
    with pytest.raises(RunError, match='in use by another autotrain.py, process %d on ' % table.pid):
        with autotrain.locked(str(root)):
            pass
    table.kill()
    table.communicate()
    assert jobs_of(root)
    wait_until(lambda: not jobs_of(root), 30)
    # The worker is free for what is asked for next; where autotrain.py can say so, its jobs end at once.
    table = Table(root, small, *TEACHERS, '--budget', '1', '--scheduler', cluster.file)
    wait_until(lambda: jobs_of(root))
    table.send_signal(signal.SIGINT)
    assert table.end()[0] == 130
    wait_until(lambda: not jobs_of(root), 30)
    # One path, another folder on each machine: a worker that does not fit is named.
    home = tmp_path / 'home'
    home.mkdir()
    table = Table('/proc/self/cwd/table', small, *TEACHERS, '--scheduler', cluster.file, cwd=str(home))
    status, _, errors = table.end()
    assert status == 1 and "worker tcp://127.0.0.1:" in errors
    assert "does not see '/proc/self/cwd/table/.zskd-" in errors


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(utils.table.cluster, 'CONNECT', 0.5)
    pool = ClusterPool('tcp://127.0.0.1:9', str(tmp_path), ['data'], 'lenet', {})
    try:
        with pytest.raises(RunError, match="^no Dask scheduler answers at 'tcp://127.0.0.1:9': .*$"), pool:
            pass
    finally:
        logging.disable(logging.NOTSET)


def other_tensorflow(checkout):
    (checkout / 'tensorflow-9.9.dist-info').mkdir()
    (checkout / 'tensorflow-9.9.dist-info' / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: tensorflow\nVersion: 9.9\n')


def other_code(checkout):
    with (checkout / 'nets' / 'losses.py').open('a') as file:
        file.write('CHANGED = True\n')


def no_code(checkout):
    shutil.rmtree(str(checkout / 'utils'))


def test_late_workers_are_used_if_they_fit(cluster, tmp_path, small):
    root, start = tmp_path / 'table', tmp_path / 'start'
    start.mkdir()
    table = Table(root, small, *TEACHERS, '--scheduler', cluster.file, cwd=str(start))
    assert table.stdout.readline() == 'workers: 0, jobs at a time: 0\n'
    start.rmdir()  # as where workers do not have the folder that autotrain.py was started in
    unfit = [cluster.worker(change) for change in (other_tensorflow, other_code, no_code)]
    wait_until(lambda: all(worker.poll() is not None for worker in unfit))
    assert not jobs_of(root) and not list(root.glob('**/log.txt'))
    cluster.worker()
    status, output, errors = table.end()
    assert status == 0, output + errors
    lines = [line for line in errors.split('\n') if line.startswith('sent away: ')]
    assert len(lines) == 3, lines
    assert all('worker tcp://127.0.0.1:' in line for line in lines), lines
    for reason in 'tensorflow 9.9, not', 'has code', 'was not started in a checkout':
        assert reason in errors


def test_a_lease_is_touched_as_long_as_it_is_held_and_nobody_keeps_it_open(tmp_path, monkeypatch):
    """On Windows, another process cannot read what this one keeps open under such a name."""
    monkeypatch.setattr(utils.table.cluster, 'BEAT', 0.05)
    with lease_in(str(tmp_path)) as lease:
        opened = set()
        for descriptor in os.listdir('/proc/self/fd'):
            with contextlib.suppress(OSError):  # that of the list itself
                opened.add(os.readlink('/proc/self/fd/' + descriptor))
        assert lease not in opened
        first = last_sign(lease)
        wait_until(lambda: last_sign(lease) > first, 10)
    assert last_sign(lease) is None and not list(tmp_path.iterdir())
    with pytest.raises(OSError), lease_in(str(tmp_path / 'none')):
        pass


def test_a_lease_that_its_holder_could_not_remove_goes_with_the_next_table(tmp_path):
    with lease_in(str(tmp_path)) as lease:
        remove_leftovers([str(tmp_path)])
        assert last_sign(lease) is None
