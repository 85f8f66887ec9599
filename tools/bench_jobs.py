"""What a table costs beside its jobs.

Runs many jobs that do nothing, on this machine and on a Dask cluster. Plans a large table, and takes it up
again with everything done.

    python tools/bench_jobs.py > results/bench_jobs.md
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

from conftest import ROOT
from tabulate import tabulate

from utils import files
from utils.records.records import digests_of, fingerprint, save_record
from utils.settings.flags import table_flags
from utils.table.cluster import ClusterPool
from utils.table.jobs import Job, LocalPool, run_jobs

WORKERS = 4


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--jobs', type=int, default=10000)
    parser.add_argument('--runs', type=int, nargs='+', default=[250, 500, 1000])
    args = parser.parse_args()
    with open('/proc/cpuinfo') as file:
        cpu = next(line.split(':')[1].strip() for line in file if 'model name' in line)
    print('# Many jobs\n\nMade by `tools/bench_jobs.py` with Python %s on %d cores of %s (load before: '
          '%.1f), commit %s.\n' % (
        platform.python_version(), os.cpu_count(), cpu, os.getloadavg()[0],
        subprocess.check_output(['git', 'describe', '--always', '--dirty'], cwd=ROOT).decode().strip()))
    print('## %d jobs that do nothing, %d at a time\n' % (args.jobs, WORKERS))
    rows = [measure_in_a_process(name, args.jobs) for name in MEASUREMENTS]
    print(tabulate(rows, ['', 'jobs a second', 'MB of autotrain.py', 'MB of the scheduler'],
                   tablefmt='github', floatfmt='.0f'))
    print('\n## A table with everything done\n')
    print(tabulate([large_table(runs) for runs in args.runs],
                   ['runs', 'jobs', 'CPU seconds to plan', 'MB', 'and to find all done', 'MB'],
                   tablefmt='github', floatfmt='.1f'))


def nothing():
    return 0


class NothingLocal(LocalPool):
    def submit(self, command, log):
        return self._threads.submit(nothing)


class NothingCluster(ClusterPool):
    def submit(self, command, log):
        return self._executor.submit(lambda: 0)


def through(pool, jobs):
    """Jobs a second through ``pool``."""
    started = time.time()
    for ended in run_jobs(jobs, pool, lambda submitted: None, None):
        assert ended.row is not None, ended.reason
    return len(jobs) / (time.time() - started)


def on_cluster(kind, jobs, folder):
    """(jobs a second through a scheduler and four workers, MB of that scheduler)."""
    place = os.path.join(folder, 'scheduler.json')
    start = [sys.executable, '-m', 'distributed.cli.dask_']
    processes = []
    try:
        scheduler = ['scheduler', '--host', '127.0.0.1', '--port', '0', '--scheduler-file', place]
        worker = ['worker', '--scheduler-file', place, '--nthreads', '1', '--no-nanny',
                  '--local-directory', folder]
        for flags in [scheduler] + WORKERS * [worker]:
            processes.append(subprocess.Popen(start[:2] + [start[2] + flags[0], '--no-dashboard'] + flags[1:],
                                              cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            while not os.path.exists(place):
                time.sleep(0.1)
        with kind(place, folder, __file__, {}) as pool:
            pool._client.wait_for_workers(WORKERS)
            rate = through(pool, jobs)
        return rate, peak(processes[0].pid)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def on_this_machine(kind, jobs, folder):
    with kind(WORKERS, {}) as pool:
        return through(pool, jobs), None


MEASUREMENTS = {
    'this machine, no process': (on_this_machine, NothingLocal),
    'cluster, no process': (on_cluster, NothingCluster),
    'this machine, `true`': (on_this_machine, LocalPool),
    'cluster, `true`': (on_cluster, ClusterPool),
}


def measure_in_a_process(name, count):
    """A row, measured in a process of its own, whose memory is then that of this alone."""
    code = 'import bench_jobs; bench_jobs.measure(%r, %d)' % (name, count)
    output = subprocess.check_output([sys.executable, '-c', code], cwd=os.path.join(ROOT, 'tests'),
                                     env=dict(os.environ, PYTHONPATH=ROOT))
    return json.loads(output.decode().split('\n')[-2])


def measure(name, count):
    where, kind = MEASUREMENTS[name]
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job('job %d' % index, ['true'], os.path.join(folder, 'log.txt'), [], 1.0, Once())
                for index in range(count)]
        rate, scheduler = where(kind, jobs, folder)
    print(json.dumps([name, rate, peak(os.getpid()), scheduler]))


class Once:
    """A job's ``finished``: no the first time, yes from then on."""

    def __init__(self):
        self._asked = False

    def __call__(self):
        asked, self._asked = self._asked, True
        return {'accuracy': 99.0} if asked else None, ''


def peak(pid):
    """The most memory that a process has had, in MB."""
    with open('/proc/%d/status' % pid) as file:
        return int(next(line for line in file if line.startswith('VmHWM')).split()[1]) / 1024


def large_table(runs):
    """A row for a table whose results are stand-ins."""
    import autotrain
    with tempfile.TemporaryDirectory() as root:
        flags = ['--runs', str(runs), '--root', root]
        jobs = autotrain.plan(table_flags(flags)[1])
        files.os.fsync = lambda handle: None
        for job in jobs:
            settings, of_job, _ = job.finished.args
            for path in of_job.outputs:
                files.save_text(path, job.name)
            save_record(of_job, fingerprint(settings, digests_of(of_job)), seconds=10.0, accuracy=99.0,
                        kl=0.5, targets_met=99.0)
        command = [sys.executable, os.path.join(ROOT, 'autotrain.py')] + flags
        planning = ('import sys, autotrain\nfrom utils.settings.flags import table_flags\n'
                    'autotrain.plan(table_flags(sys.argv[1:])[1])')
        planned = seconds_and_mb([sys.executable, '-c', planning] + flags)
        return [runs, len(jobs)] + planned + seconds_and_mb(command)


def seconds_and_mb(command):
    """[CPU seconds, most memory in MB] of a process."""
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, status
    return [used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]


if __name__ == '__main__':
    main()
