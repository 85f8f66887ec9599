"""Fills the whole table: every method at every rate, several runs.

A run has its own teacher, a student alone, and at every rate impressions, students distilled from them
(plain and augmented), and students distilled from real images. A table with --teacher holds only the students
of that teacher.

    python autotrain.py                                       five runs, five rates
    python autotrain.py --root quick --runs 1 --budget 0.1    a quick try
    python autotrain.py --teacher mine.h5 --dataset none      students of your own teacher, without any data
    python autotrain.py --scheduler tcp://head:8786           on a Dask cluster (see utils/table/cluster.py)

Each job is a process (train_w_distill.py or Data_Impressions.py) with its own folder and log. Stop it
whenever you like; the same command continues. Writes results.csv and results.md to --root as jobs end.
"""
if __name__ == '__main__':
    from utils.console import end_on_ctrl_c
    end_on_ctrl_c()  # while what follows is imported

import os
import socket
import sys
import time
from contextlib import closing, contextmanager

import filelock

from utils.console import TableProgress, run
from utils.files import RunError, load_json, make_folder, remove_leftovers, save_json, save_text
from utils.table.flags import table_flags
from utils.table.jobs import LocalPool, run_jobs
from utils.table.machine import gpu_slots
from utils.table.plan import plan
from utils.table.processes import local_command, share_done, shell_line
from utils.table.results import results_csv, results_markdown

# In seconds: a killed process may leave a child that holds the lock between its fork and its exec.
LOCK_TIMEOUT = 2
SAVE_EVERY = 10  # seconds between two writes of results.csv while jobs end


def main(argv=None):
    parser, args = table_flags(argv)
    jobs = parser.checked(plan, args)
    from utils.table.check import check_inputs, check_same_table  # it imports TensorFlow, which takes seconds
    make_folder(args.root)
    files = check_inputs(args)
    with locked(args.root):
        check_same_table(args)
        remove_leftovers({args.root, *(os.path.dirname(job.log) for job in jobs)})
        with pool_for(args, files) as pool:
            rows, failures = work(args, jobs, pool)
        print('\n' + save_table(args, jobs, rows))
    for job, reason in failures:
        print('failed: %s\n  command: %s\n  %s' % (job.name, shell_line(local_command(job.command)), reason))
    return 1 if failures else 0


def pool_for(args, files):
    """Where jobs run: on this machine, or on the workers of a cluster; files: paths that all jobs read."""
    variables = dict(OMP_NUM_THREADS=str(args.threads), OPENBLAS_NUM_THREADS=str(args.threads))
    if not args.scheduler:
        gpus = gpu_slots() if args.device == 'gpu' else []
        return LocalPool(args.jobs, variables, gpus)
    try:
        from utils.table.cluster import ClusterPool
    except ImportError as error:
        raise RunError('--scheduler needs Dask (%s); pip install -r requirements-cluster.txt'
                       % error) from error
    return ClusterPool(args.scheduler, args.root, files, args.nets, variables)


def work(args, jobs, pool):
    """Runs the unfinished jobs in ``pool``; returns ({job name: row}, [(failed job, reason)])."""
    rows, failures, new, saved, started = {}, [], False, 0.0, time.time()
    with TableProgress(sum(job.cost for job in jobs), len(jobs)) as progress:

        def show_running(submitted):
            running = [(job, share_done(job.log, started)) for job in submitted]
            progress.running({job.name: share for job, share in running if share is not None},
                             sum(job.cost * (share or 0) for job, share in running))

        def announce_rerun(job, why):
            progress.note('%s: %s; made again' % (job.name, why))

        try:
            with closing(run_jobs(jobs, pool, show_running, announce_rerun)) as ended:
                for job, row, reason, ran in ended:
                    if row is None:
                        failures.append((job, reason))
                    else:
                        rows[job.name] = row
                    progress.ended(job.name + (' failed' if row is None else outcome(row)), job.cost, ran)
                    new = new or ran  # before, an earlier table may have more rows than are looked at
                    if new and time.time() > saved + SAVE_EVERY:
                        save_table(args, jobs, rows)
                        saved = time.time()
        except BaseException:
            if new:
                save_table(args, jobs, rows)
            print('\nstopped; %d of %d jobs are done and kept; the same command goes on from here'
                  % (len(rows), len(jobs)), file=sys.stderr)
            raise
    return rows, failures


def save_table(args, jobs, rows):
    """Writes results.csv and results.md; returns the table as text.

    rows: {job name: row} of the jobs that are done.
    """
    in_order = [rows[job.name] for job in jobs if job.name in rows]
    markdown = results_markdown(in_order)
    save_text(os.path.join(args.root, 'results.csv'), results_csv(in_order))
    save_text(os.path.join(args.root, 'results.md'), markdown)
    return markdown


def outcome(row):
    """The main figure of a job, for the progress line."""
    if 'accuracy' in row:
        return ': %.2f %%' % row['accuracy']
    if 'agreement' in row:
        return ': %.2f %% agreement' % row['agreement']
    return ': %.1f %% of targets met' % row['targets_met']


@contextmanager
def locked(root):
    """Locks ``root`` for this process. Raises RunError with the number of the process that holds the lock.

    The lock is the operating system's (flock): it ends with its process. Between machines
    it holds where the shared folder's file system passes it on: NFS 4, NFS 3 with its lock daemon (not
    mounted ``nolock`` or ``local_lock``), Lustre mounted with ``flock``, CephFS, GPFS.
    """
    owner = os.path.join(root, '.autotrain.pid')
    lock = filelock.FileLock(os.path.join(root, '.autotrain.lock'))
    try:
        lock.acquire(timeout=LOCK_TIMEOUT)
    except filelock.Timeout as error:
        raise RunError('%r is in use by another autotrain.py, process %s; wait for it, or choose another '
                       '--root' % (root, load_json(owner))) from error
    except (OSError, NotImplementedError) as error:
        raise RunError('cannot write into %r: %s'
                       % (root, getattr(error, 'strerror', None) or error)) from error
    with lock:
        save_json(owner, '%d on %s' % (os.getpid(), socket.gethostname()))
        yield


if __name__ == '__main__':
    run(main)
