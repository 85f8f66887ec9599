"""The whole table: for every run its own teacher, student alone, impressions, and students distilled
from impressions (plain and augmented) and from real images, at every rate.

    python autotrain.py                                       five runs, five rates
    python autotrain.py --runs 1 --rates 1 10 --budget 0.1    a quick look
    python autotrain.py --scheduler tcp://head:8786           on a Dask cluster (see utils/cluster.py)

Each job is a process of its own (train_w_distill.py or Data_Impressions.py) with a folder and a log of
its own. Stop it whenever you like; the same command goes on where it was. Writes results.csv and
results.md to --root while it goes.
"""
import functools
import os
import socket
import sys
import time
from contextlib import closing, contextmanager

import filelock

from utils import datasets, layout, recipes
from utils.console import TableProgress, run
from utils.files import RunError, load_json, make_folder, remove_leftovers, save_json, save_text
from utils.flags import command_line, table_flags
from utils.jobs import Job, LocalPool, run_jobs
from utils.methods import METHODS
from utils.processes import local_command, share_done, shell_line
from utils.results import finished_row, results_csv, results_markdown

LOCK_TIMEOUT = 2  # seconds; a killed process may leave a child that holds the lock between its fork and its exec
SAVE_EVERY = 10  # seconds between two writes of results.csv while jobs end


def main(argv=None):
    parser, args = table_flags(argv)
    jobs = parser.complete(plan, args)
    make_folder(args.root)
    with locked(args.root):
        remove_leftovers({args.root, *(os.path.dirname(job.log) for job in jobs)})
        with pool_for(args, datasets.fetch(args.dataset, args.data)) as pool:
            rows, failures = work(args, jobs, pool)
        print('\n' + save_table(args, jobs, rows))
    for job, reason in failures:
        print('failed: %s\n  command: %s\n  %s' % (job.name, shell_line(local_command(job.command)), reason))
    return 1 if failures else 0


def plan(args):
    """All jobs, each after those it needs; within a run the longest first, so that none is left to
    the end alone. Raises ValueError where flags do not go together."""
    distilled = [name for name in args.methods if METHODS[name].has_teacher]
    alone = [name for name in args.methods if not METHODS[name].has_teacher]
    jobs = [training_job(args, name, 100, index) for index in range(args.runs) for name in alone]
    for index in range(args.runs):
        for rate in sorted(args.rates, reverse=True):
            if any(METHODS[name].from_impressions for name in distilled):
                jobs.append(synthesis_job(args, rate, index))
            jobs += [training_job(args, name, rate, index) for name in distilled]
    return jobs


def training_job(args, method_name, rate, index):
    method = METHODS[method_name]
    flags = dict(main_scope=method.network, Distillation=method.distillation, augment=method.augment, holdout=0,
                 train_dir=layout.run_folder(args.root, method_name, rate, index))
    needs = []
    if method.has_teacher:
        flags.update(Distillation='%s-%g' % (method.distillation, rate), teacher=layout.run_teacher(args.root, index))
        needs = ['Teacher run %d' % index]
    if method.from_impressions:
        flags['impressions'] = layout.run_impressions(args.root, index)
        needs = ['DI-%g run %d' % (rate, index)]
    flags, settings = scaled(recipes.training_settings, dict(common_flags(args, index), **dict(flags, **args.training)),
                             'steps', args.budget)
    name = '%s-%g' % (method_name, rate) if method.has_teacher else method_name
    cost = settings.steps * settings.batch_size * (2 if method_name == 'Teacher' else 1)
    return Job('%s run %d' % (name, index), ['train_w_distill.py'] + command_line(flags),
               os.path.join(settings.train_dir, 'log.txt'), needs, cost,
               functools.partial(finished_row, settings, layout.training_files(settings), index))


def synthesis_job(args, rate, index):
    flags = dict(Rate=rate, save_path=layout.run_impressions(args.root, index),
                 teacher=layout.run_teacher(args.root, index))
    flags, settings = scaled(recipes.synthesis_settings, dict(common_flags(args, index), **dict(flags, **args.synthesis)),
                             'iterations', args.budget)
    cost = 1.5 * settings.iterations * recipes.count(rate)
    return Job('DI-%g run %d' % (rate, index), ['Data_Impressions.py'] + command_line(flags),
               os.path.join(settings.save_path, 'DI-%g.log' % rate), ['Teacher run %d' % index], cost,
               functools.partial(finished_row, settings, layout.synthesis_files(settings), index))


def common_flags(args, index):
    return dict(recipe=args.recipe, dataset=args.dataset, data=args.data, threads=args.threads, seed=args.seed + index)


def scaled(settings_for, flags, name, budget):
    """(flags, settings for them), where the setting ``name`` is ``budget`` times what it would be."""
    settings = settings_for(flags)
    if budget != 1:
        flags = dict(flags, **{name: max(1, int(budget * getattr(settings, name)))})
        settings = settings_for(flags)
    return flags, settings


def pool_for(args, data):
    """Where jobs run: on this machine, or on the workers of a cluster; data: path of the data set's file."""
    variables = dict(OMP_NUM_THREADS=str(args.threads), OPENBLAS_NUM_THREADS=str(args.threads))
    if not args.scheduler:
        return LocalPool(args.jobs, variables)
    try:
        from utils.cluster import ClusterPool
    except ImportError as error:
        raise RunError('--scheduler needs Dask (%s); pip install -r requirements-cluster.txt' % error) from error
    return ClusterPool(args.scheduler, args.root, data, variables)


def work(args, jobs, pool):
    """Runs in ``pool`` what is not finished; returns ({job name: row}, [(failed job, reason)])."""
    rows, failures, saved, started = {}, [], 0.0, time.time()
    with TableProgress(sum(job.cost for job in jobs), len(jobs)) as progress:

        def watch(submitted):
            running = [(job, share_done(job.log, started)) for job in submitted]
            progress.running({job.name: share for job, share in running if share is not None},
                             sum(job.cost * (share or 0) for job, share in running))

        def again(job, why):
            progress.note('%s: %s; made again' % (job.name, why))

        try:
            with closing(run_jobs(jobs, pool, watch, again)) as ended:
                for job, row, reason, ran in ended:
                    if row is None:
                        failures.append((job, reason))
                    else:
                        rows[job.name] = row
                    progress.ended(job.name + (' failed' if row is None else outcome(row)), job.cost, ran)
                    if time.time() > saved + SAVE_EVERY:
                        save_table(args, jobs, rows)
                        saved = time.time()
        except BaseException:
            save_table(args, jobs, rows)
            print('\nstopped; %d of %d jobs are done and kept; the same command goes on from here'
                  % (len(rows), len(jobs)), file=sys.stderr)
            raise
    return rows, failures


def save_table(args, jobs, rows):
    """Writes results.csv and results.md; returns the table as text. rows: {job name: row} of the jobs that are done."""
    in_order = [rows[job.name] for job in jobs if job.name in rows]
    markdown = results_markdown(in_order)
    save_text(os.path.join(args.root, 'results.csv'), results_csv(in_order))
    save_text(os.path.join(args.root, 'results.md'), markdown)
    return markdown


def outcome(row):
    """The figure that sums up a job, for the progress line."""
    if 'accuracy' in row:
        return ': %.2f %%' % row['accuracy']
    return ': %.1f %% of targets met' % row['targets_met']


@contextmanager
def locked(root):
    """Keeps ``root`` for this process; raises RunError that names the process that has it already.

    The lock is the operating system's (flock): it ends with its process, however that dies. Between machines it holds where
    the shared folder's file system passes it on: NFS 4, NFS 3 with its lock daemon (not mounted ``nolock`` or
    ``local_lock``), Lustre mounted with ``flock``, CephFS, GPFS.
    """
    owner = os.path.join(root, '.autotrain.pid')
    lock = filelock.FileLock(os.path.join(root, '.autotrain.lock'))
    try:
        lock.acquire(timeout=LOCK_TIMEOUT)
    except filelock.Timeout:
        raise RunError('%r is in use by another autotrain.py, process %s; wait for it, or choose another --root'
                       % (root, load_json(owner)))
    except (OSError, NotImplementedError) as error:
        raise RunError('cannot write into %r: %s' % (root, getattr(error, 'strerror', None) or error)) from error
    with lock:
        save_json(owner, '%d on %s' % (os.getpid(), socket.gethostname()))
        yield


if __name__ == '__main__':
    run(main)
