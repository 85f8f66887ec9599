"""Jobs as processes: how they are stopped, what their end says, how many run at a time."""
import signal
import subprocess
import sys
from concurrent.futures import Future

import pytest
from conftest import run_script, wait_until, working_on

from utils.table import processes
from utils.table.jobs import Job, LocalPool, run_jobs
from utils.table.machine import available_cores
from utils.table.processes import describe_status

STUBBORN = ('import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("ready", flush=True); '
            'time.sleep(600)')
PATIENT = 'import time; print("ready", flush=True); time.sleep(600)'


def test_a_pool_ends_all_its_children(tmp_path, monkeypatch):
    """Also where some end while others are asked."""
    codes = [PATIENT] * 2 + [STUBBORN] * 2
    monkeypatch.setattr(processes, 'GRACE', 0.5)
    logs = [tmp_path / ('log%d' % number) for number in range(len(codes))]
    with LocalPool(len(codes), {}) as pool:
        futures = [pool.submit([sys.executable, '-c', code], str(log)) for code, log in zip(codes, logs)]
        wait_until(lambda: all(log.exists() and 'ready\n' in log.read_text() for log in logs))
    ends = [future.result() for future in futures]
    assert ends == [-signal.SIGKILL if code == STUBBORN else -signal.SIGTERM for code in codes]


def test_a_second_ctrl_c_kills_at_once(monkeypatch):
    child = subprocess.Popen([sys.executable, '-c', STUBBORN], stdout=subprocess.PIPE)
    child.stdout.readline()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(child, 'wait', interrupt)
    with pytest.raises(KeyboardInterrupt):
        processes.stop([child])
    monkeypatch.undo()
    assert child.wait() == -signal.SIGKILL


def test_the_end_of_a_job_is_said_in_words():
    assert describe_status(3) == 'exit status 3'
    for number, words in ((9, ['SIGKILL', 'memory', '--copies']), (4, ['SIGILL', 'AVX', 'machine']),
                          (11, ['SIGSEGV']), (63, ['signal 63'])):
        said = describe_status(-number)
        assert all(word in said for word in words) and 'exit status' not in said and '\n' not in said


class SlowFolder:
    """A pool whose jobs end at once, and whose files are seen ``delay`` seconds later, if at all."""
    slots, delay = 4, 0.5

    def submit(self, command, log):
        future = Future()
        future.set_result(0)
        return future


def test_a_job_whose_record_is_not_seen_yet_keeps_no_other_waiting(tmp_path, monkeypatch):
    """Two of a chain are seen late, one never; five that need nothing go on meanwhile."""
    monkeypatch.setattr('utils.table.jobs.POLL', 0.05)
    looks = {}

    def finished(name, seen_at_look, why):
        def look():
            looks[name] = looks.get(name, 0) + 1
            return ({'name': name}, '') if looks[name] >= seen_at_look else (None, why)
        return look

    def job(name, seen_at_look, needs=(), why=''):
        return Job(name, ['true'], str(tmp_path / name), list(needs), 1.0, finished(name, seen_at_look, why))

    jobs = [job('never', 1000), job('late', 3), job('later', 3, ['late']), job('not run', 2, ['never']),
            job('other', 1000, why='made from another dataset')]
    jobs += [job('quick%d' % number, 2) for number in range(5)]
    ends = {end.job.name: end for end in run_jobs(jobs, SlowFolder(), *[lambda *_: None] * 2)}
    assert list(ends)[:6] == ['quick%d' % number for number in range(5)] + ['late']
    assert {name for name, end in ends.items() if end.row is None} == {'never', 'not run', 'other'}
    assert ends['other'].reason.startswith('made from another dataset; the end of ')
    assert ends['never'].reason.startswith('it left no record; the end of ') and looks['never'] > 2
    assert ends['not run'].reason == 'not run: never failed' and not ends['not run'].ran


# How many at a time.

@pytest.mark.parametrize('environment, cores', [
    ({}, 8), ({'SLURM_CPUS_PER_TASK': '3'}, 3), ({'SLURM_CPUS_ON_NODE': '5'}, 5),
    ({'SLURM_CPUS_PER_TASK': '3', 'SLURM_CPUS_ON_NODE': '5'}, 3), ({'SLURM_CPUS_ON_NODE': '64'}, 8),
    ({'SLURM_CPUS_PER_TASK': '0'}, 1), ({'SLURM_CPUS_PER_TASK': '', 'SLURM_CPUS_ON_NODE': '4(x2)'}, 8)])
def test_cores_that_slurm_grants(environment, cores, monkeypatch):
    monkeypatch.setattr('utils.table.machine.cpu_count', lambda: 8)
    for name in ('SLURM_CPUS_PER_TASK', 'SLURM_CPUS_ON_NODE'):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert available_cores() == cores


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='Linux alone tells a child of that')
def test_a_child_ends_with_its_parent_however_that_dies(tmp_path):
    code = ('import os, signal, sys, time\nfrom utils.table.processes import spawn\n'
            'log = sys.argv[1]\nspawn([sys.executable, "-c", %r, log], log, {})\n'
            'while "ready" not in open(log).read().split("$ ")[-1].split("\\n", 1)[1]: time.sleep(0.05)\n'
            'os.kill(os.getpid(), signal.SIGKILL)' % PATIENT)
    assert run_script(['-c', code, tmp_path / 'log']).returncode == -signal.SIGKILL
    wait_until(lambda: not working_on(tmp_path), 10)
